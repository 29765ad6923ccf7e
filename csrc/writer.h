/* What the journal's writer does next, as a machine without syscalls: it names one operation at a time, a rim carries it out.
 *
 * rim_journal.c is the kernel's rim (a thread); gateway/journal/simdisk.py another, in memory. The writer copies records from the ring
 * into segments, makes them durable in groups, grants watermarks ahead of their use and reads old records back for the lane. Order of
 * what it does: a read for the lane, watermarks, the sync of a group, copying. An operation that fails is never retried: the writer
 * says so in ring->failed and does nothing more (SEAM R5f).
 *
 * Groups: `async` gathers, and syncs every interval_ns; `group` syncs what was appended while the last sync ran; `sync` one step at a time. Before the
 * first bytes behind a sync it writes a SYNCED mark, so that after a loss of power damage can be told from what never was durable.
 *
 * Long runs of `async` lie in the segment as in the ring, modulo GW_BLOCK, so that a rim may write them from there past the page cache.
 * Where they would not (behind a segment's head, a ring's end, a short mark), a mark goes before them that is as long as it takes.
 */
#ifndef GW_WRITER_H
#define GW_WRITER_H
#include <stdint.h>
#include "journal.h"

#define GW_LEVEL_ASYNC 0
#define GW_LEVEL_GROUP 1
#define GW_LEVEL_SYNC 2

#define GW_SEGMENTS 4096      /* most segments of one journal; then the journal is full (ENOSPC) */
#define GW_PLACES 4096        /* remembered places of records; every second is dropped when full */
#define GW_FETCHES 8          /* reads the lane may have under way */
#define GW_FETCH_WALK 65536   /* bytes read at once on the way to a record */
#define GW_WRITE_SMALL 1048576 /* most bytes of one write: an eighth of the ring, whose room is free when the write is done; but this at least, */
#define GW_WRITE_MAX 4194304  /* and this at most */

/* Operations. */
#define GW_IO_REST 0            /* nothing to do before deadline_ns, or until the bell */
#define GW_IO_WRITE 1           /* `len` bytes at `src` into segment `number` at `offset` */
#define GW_IO_SYNC 2            /* make segment `number` durable */
#define GW_IO_SEGMENT 3         /* make segment `number`, beginning with `len` bytes at `src`; file and name durable when done */
#define GW_IO_READ 4            /* up to `len` bytes of segment `number` from `offset` to `dst`; the result is how many */
#define GW_IO_WATERMARK_WRITE 5 /* `len` bytes at `src` into the watermark file at `offset` */
#define GW_IO_WATERMARK_SYNC 6
#define GW_IO_END 7             /* stopped, or failed: never anything again */

typedef struct gw_io {
    uint32_t kind; /* GW_IO_* */
    uint32_t pad_;
    uint64_t number;
    uint64_t offset;
    uint64_t len;
    const uint8_t *src;
    uint8_t *dst;
    uint64_t deadline_ns; /* UINT64_MAX: only the bell */
} gw_io;

typedef struct gw_segment_place {
    uint64_t first_lsn;
    uint64_t salt;
} gw_segment_place;

typedef struct gw_record_place {
    uint64_t lsn;
    uint64_t number;
    uint64_t offset;
} gw_record_place;

/* An entry of the watermark file and what is asked for. */
typedef struct gw_grant {
    gw_watermark key; /* value unused */
    uint64_t asked;   /* stored by the lane */
    uint64_t granted; /* stored by the writer when it is durable */
} gw_grant;

typedef struct gw_fetch {
    uint32_t state; /* 0 free, 1 asked, 2 answered */
    uint32_t pad_;
    uint64_t lsn;
    uint8_t *dst;
    uint64_t cap;
    int64_t result;
} gw_fetch;

/* One writer; about 300 KiB, in memory of the process. Fields are the writer's unless they say otherwise. */
typedef struct gw_writer {
    gw_ring *ring;
    uint32_t level;
    uint32_t doing;          /* the operation under way */
    uint64_t segment_bytes;
    uint64_t interval_ns;
    uint64_t gather_ns;
    uint64_t gather_until_ns;
    uint64_t stop;           /* set by anyone: copy and sync what is there, then end */
    uint64_t ended;          /* 1 behind GW_IO_END */
    uint64_t number;         /* the active segment, 0 = none yet */
    uint64_t offset;         /* where its next byte goes */
    uint64_t position;       /* in the ring: what comes next */
    uint64_t lsn;            /* the last record that was copied */
    uint32_t crc;            /* its crc */
    uint32_t unsynced;       /* 1: copied bytes are not durable yet */
    uint64_t unsynced_since_ns;
    uint64_t group_end;      /* position behind the group that is being copied */
    uint64_t marked_lsn;     /* the last SYNCED mark */
    uint64_t mark_bytes;     /* of the mark under way */
    uint64_t direct_min;     /* as in gw_writer_cfg; 0 at other levels than async */
    uint64_t write_max;      /* most bytes of one write */
    gw_piece run;              /* what the write under way copies */
    uint32_t grants_used;    /* stored by the lane */
    uint32_t watermark_slot; /* which slot holds the newest */
    uint32_t watermark_twice;/* 1: the other slot is older */
    uint32_t fetching;       /* slot of `fetches` being answered */
    uint32_t places_used;
    uint64_t watermark_seq;
    uint64_t watermark_len;
    uint64_t fetch_number, fetch_offset;             /* where the fetch under way has got to */
    uint64_t next_lsn, next_number, next_offset;     /* behind the last fetch: the next one often wants it */
    uint64_t place_every;    /* bytes of a segment between two places */
    gw_seg_head head;        /* of the active segment */
    gw_fetch fetches[GW_FETCHES];
    gw_grant grants[GW_WATERMARKS];
    gw_watermark granting[GW_WATERMARKS];
    gw_segment_place segments[GW_SEGMENTS]; /* segment n at n - 1 */
    gw_record_place places[GW_PLACES];
    uint8_t block[GW_SEG_DATA + GW_REC_HEAD]; /* a segment's head or a mark, on its way out */
    uint8_t slot[GW_WATERMARK_SLOT];
    uint8_t walk[GW_FETCH_WALK];
} gw_writer;

typedef struct gw_writer_cfg {
    uint32_t level;          /* GW_LEVEL_* */
    uint32_t epoch;
    uint64_t segment_bytes;  /* a multiple of 4096 with room for the ring's longest record */
    uint64_t interval_ns;    /* async: between a write and its sync */
    uint64_t gather_ns;      /* async: between two looks at a ring that is less than a quarter full; few large writes cost less */
    uint64_t direct_min;     /* async: a run of so many bytes is a long one; 0: none is */
    uint64_t prev_number;    /* the last segment there is, 0 = none; its records are durable */
    uint64_t prev_end;       /* bytes of it that count */
    uint32_t prev_crc;       /* crc of the last record there is, 0 = none */
    uint32_t pad_;
    uint8_t build_id[32];
    uint8_t config_id[32];
} gw_writer_cfg;

/* Make a writer for a ring that is new or continues exactly behind segment prev_number. 0, or GW_E_ARGUMENT (a level or size that cannot be). */
int gw_writer_init(gw_writer *writer, gw_ring *ring, const gw_writer_cfg *cfg);
/* Before it runs: a segment of earlier days, in order of number; and a place of a record in it, in order of lsn. 0, or GW_E_SPACE, GW_E_ORDER. */
int gw_writer_knows_segment(gw_writer *writer, uint64_t number, uint64_t first_lsn, uint32_t salt);
int gw_writer_knows_place(gw_writer *writer, uint64_t lsn, uint64_t number, uint64_t offset);
/* Before it runs: what gw_watermarks_decode found. */
void gw_writer_knows_watermarks(gw_writer *writer, const gw_watermark *entries, uint32_t count, uint64_t seq, uint32_t slot);

/* The next operation. Never two without gw_writer_done between; REST and END need none. */
void gw_writer_next(gw_writer *writer, uint64_t now_ns, gw_io *io);
/* The operation is done: `result` bytes (of a READ; else 0), or -errno. */
void gw_writer_done(gw_writer *writer, uint64_t now_ns, int64_t result);
/* 1 if something waits that no deadline tells of: asked between setting ring->asleep and sleeping. */
int gw_writer_busy(const gw_writer *writer);

/* For the lane's thread; the caller rings the bell behind them. ------------------------------------------------------------ */

/* Numbers below `value` are wanted: remembered if more than was asked so far. Returns the value that is durable now; 0: none yet, and
 * for ever where all GW_WATERMARKS entries are taken. value 0 asks for nothing: what is durable already. */
uint64_t gw_watermark_ask(gw_writer *writer, uint32_t conn, uint16_t kind, uint16_t unit, uint64_t value);
/* The same for any value, also a lower one: only for a session that both sides began anew. Durable when gw_watermark_ask returns it. */
uint64_t gw_watermark_reset(gw_writer *writer, uint32_t conn, uint16_t kind, uint16_t unit, uint64_t value);
/* Ask for records from `lsn` on: as many whole ones as fit into `cap` bytes at `dst`, which stays the writer's until the answer. Returns a
 * ticket, 0.., or GW_E_SPACE: too many under way. A writer that failed answers nothing more. */
int gw_fetch_ask(gw_writer *writer, uint64_t lsn, uint8_t *dst, uint64_t cap);
/* 0: not yet. Else the ticket is spent: bytes (whole records, CRC checked, in order, no marks), or GW_E_ARGUMENT (not in a segment: still in
 * the ring, or never written), GW_E_SPACE (the record is longer than cap), GW_E_SHORT, GW_E_FRAME, GW_E_CHECKSUM, GW_E_ORDER (damaged). */
int64_t gw_fetch_answer(gw_writer *writer, int ticket);

#endif
