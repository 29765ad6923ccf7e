/* The journal in bytes: the record, the ring the lane appends to, the segments and watermarks a writer makes of it. Pure: no syscalls.
 *
 * Records are numbered (lsn, from 1, no gaps). The lane alone appends them to a ring in memory that outlives the process; a writer
 * (writer.h) copies the bytes of the ring as they are into segments, so a record has one CRC for all its life, seeded with the salt
 * of its ring. A record is valid at its place only if length, CRC under that salt and lsn are all right: bytes of an earlier use of
 * a segment carry another salt or a lower lsn, and never pass.
 *
 * Positions in a ring count bytes since it was made; position & (size - 1) is the place. All integers little-endian. Results:
 * positive = bytes, 0 = nothing more, negative = a fault of fault.h.
 */
#ifndef GW_JOURNAL_H
#define GW_JOURNAL_H
#include <stdint.h>
#include "fault.h"

#define GW_REC_HEAD 40        /* bytes of a record's head */
#define GW_REC_SKIP 4294967295 /* len of the marker that leads from the end of a ring to its beginning */
#define GW_BLOCK 4096         /* bytes: a ring's records and a segment's begin at a multiple of it; no disk's block, and here no page, is larger */

/* Kinds of record (SEAM T7). */
#define GW_REC_START 1
#define GW_REC_IN 2
#define GW_REC_OUT 3
#define GW_REC_VOID 4
#define GW_REC_COMMAND 5
#define GW_REC_TIMER 6
#define GW_REC_IO 7
#define GW_REC_LATCH 8
#define GW_REC_DURABLE 9
#define GW_REC_WATERMARK 10
#define GW_REC_CLOCK 11
#define GW_REC_REFPX 12
#define GW_REC_FETCHED 13
#define GW_REC_TABLE 14
#define GW_REC_NOTE 15
#define GW_REC_STOP 16
#define GW_REC_SNAPSHOT 17
#define GW_REC_DENY 18
#define GW_REC_RESTART 19
#define GW_REC_SYNCED 255 /* the writer's own, in segments only: everything up to and with `lsn` is on the disk; its payload is zeros that fill up to a place */

/* Flags of a record. */
#define GW_REC_STEP_FIRST 1
#define GW_REC_TO_CONTROL 2
#define GW_REC_MASKED 4
#define GW_REC_REPLAYED 8

/* The head of every record; its payload follows, zero padded to a multiple of 8. */
typedef struct gw_rec {
    uint32_t len;   /* whole record, head and padding included; a multiple of 8 */
    uint32_t crc;   /* CRC32C of everything behind this field, seeded with the salt */
    uint8_t kind;   /* GW_REC_* */
    uint8_t ver;    /* of the payload's layout */
    uint16_t flags; /* GW_REC_STEP_FIRST ... */
    uint16_t lane;
    uint16_t conn;
    uint32_t epoch;
    uint32_t digest; /* of the CRCs of all records before: a replay finds the first difference by it; 0 of the writer itself */
    uint64_t lsn;   /* ordinal of the record in the journal, from 1 */
    uint64_t t_ns;  /* now_ns of the step, ns since the epoch */
} gw_rec;

/* Check the record at p, of which `avail` bytes can be read. Returns its length; 0 if the log ends here (len = 0, or fewer than four
 * bytes); GW_E_FRAME: no length a record can have here (also one that is cut off); GW_E_CHECKSUM; GW_E_ORDER: sound, but its lsn is
 * not `lsn`. A SYNCED mark is sound with any lsn below `lsn`. */
int64_t gw_rec_check(const uint8_t *p, uint64_t avail, uint32_t salt, uint64_t lsn);
/* Fill len and crc of the record at p, whose head is filled; zero the padding behind its `len` bytes. Returns the padded length. */
uint32_t gw_rec_seal(uint8_t *p, uint32_t len, uint32_t salt);

/* The ring ---------------------------------------------------------------------------------------------------------------- */

/* One producer (the lane), one consumer (the writer); a file in shared memory, or plain memory in tests and simulations. */
typedef struct gw_ring {
    /* written once */
    uint64_t magic;
    uint32_t version;
    uint32_t salt;
    uint8_t journal_id[16];
    uint8_t boot_id[16];   /* of the kernel that the ring lives in */
    uint64_t size;         /* bytes for records, a power of two */
    uint64_t index_count;  /* remembered lsns, a power of two */
    uint64_t data;         /* where the records begin, bytes from the beginning of this struct; a multiple of GW_BLOCK */
    uint64_t rec_max;      /* longest record, bytes, padding included */
    uint64_t first_lsn;    /* of the first record appended to this ring */
    uint32_t after_loss;   /* 1: the ring before this one was lost, or was after such a loss and no RESTART record was written since */
    uint32_t head_crc;     /* of everything above */
    uint8_t pad0_[32];
    /* the producer's */
    uint64_t head;         /* position behind the last committed record; store-released last */
    uint64_t head_lsn;     /* of that record; first_lsn - 1 in a new ring */
    uint64_t at;           /* position of the record that is being filled */
    uint64_t reserved;     /* position up to which bytes may have been overwritten; never falls */
    uint64_t copied_seen;  /* copied, as last looked up: most appends touch no line of the writer's */
    uint8_t pad1_[24];
    /* the consumer's */
    uint64_t copied;       /* position up to which records are in segments: their room is free */
    uint64_t copied_lsn;
    uint64_t durable_lsn;  /* up to and with this lsn everything is on the disk */
    uint64_t failed;       /* 0, or errno | GW_FAILED_* << 32: the writer stopped; nothing is retried (R5f) */
    uint32_t asleep;       /* 1: the writer waits for its bell */
    uint32_t pad2_;
    uint8_t pad3_[24];
} gw_ring;

#define GW_FAILED_WRITE 1     /* writing a segment */
#define GW_FAILED_SYNC 2      /* fdatasync of a segment */
#define GW_FAILED_SEGMENT 3   /* making the next segment */
#define GW_FAILED_WATERMARK 4 /* writing or syncing the watermarks */
#define GW_FAILED_APPEND 6    /* the lane's own record did not fit where it was to go: the lane, or the ring, is damaged, and it stands still */
#define GW_FAILED_RING 5      /* bytes in the ring that are no record: memory is damaged, nothing of it is copied */

typedef struct gw_ring_cfg {
    uint64_t size;         /* a power of two, from 4096 */
    uint64_t index_count;  /* a power of two: how many of the last records gw_ring_at finds */
    uint64_t rec_max;      /* longest record; at most size / 4; 0 means that. A segment must have room for it */
    uint64_t next_lsn;     /* lsn of the first record, from 1 */
    uint32_t salt;
    uint32_t after_loss;   /* see gw_ring */
    uint8_t journal_id[16];
    uint8_t boot_id[16];
} gw_ring_cfg;

/* Bytes of memory for a ring; 0 if the sizes are none a ring can have. */
uint64_t gw_ring_bytes(uint64_t size, uint64_t index_count);
/* Make a ring in memory (8-byte aligned; better GW_BLOCK). 0, or GW_E_ARGUMENT: a size that cannot be; GW_E_SPACE: `bytes` is too small. */
int gw_ring_init(gw_ring *ring, uint64_t bytes, const gw_ring_cfg *cfg);
/* Is this memory a ring, whole and safe to read? 0 = yes; GW_E_SHORT, GW_E_CONSTANT (no ring), GW_E_VERSION, GW_E_CHECKSUM, GW_E_RANGE. */
int gw_ring_check(const gw_ring *ring, uint64_t bytes);

/* Producer, the lane's thread. ------------------------------------------------------------------------------------------- */

/* Contiguous room for a record of up to max_len bytes, head included, 8-byte aligned, not zeroed; NULL if there is not enough free
 * (or max_len is below GW_REC_HEAD or above rec_max). Asking again gives up what was reserved and not committed. */
uint8_t *gw_ring_reserve(gw_ring *ring, uint32_t max_len);
/* The reserved record is filled (kind, ver, flags, lane, conn, epoch, digest, lsn, t_ns, payload) and `len` bytes long: pads it, fills
 * len and crc, publishes it. 0, or a fault and nothing published: GW_E_ARGUMENT nothing reserved, GW_E_SPACE longer than reserved,
 * GW_E_ORDER lsn is not the next one. */
int gw_ring_commit(gw_ring *ring, uint32_t len);
/* lsn of the next record. */
uint64_t gw_ring_next_lsn(const gw_ring *ring);
/* Free bytes, looked up afresh only if fewer than `enough` were free when last seen. A record of n bytes surely fits where 2 n are free
 * (one may have to skip the end of the ring). */
uint64_t gw_ring_room(gw_ring *ring, uint64_t enough);
/* The record `lsn` while it is among the last index_count and not overwritten, else NULL. Valid until the next reserve. */
const gw_rec *gw_ring_at(const gw_ring *ring, uint64_t lsn);
/* Up to and with this lsn everything is on the disk. */
uint64_t gw_ring_durable(const gw_ring *ring);
/* 0, or why the writer stopped: errno | GW_FAILED_* << 32. */
uint64_t gw_ring_failed(const gw_ring *ring);
/* The producer's: say that the journal has failed, unless it is said already. */
void gw_ring_fail(gw_ring *ring, uint32_t what);
/* 1 if the writer sleeps and is wanted: always when `urgent` (something waits for the disk), else when half of the ring is used.
 * Asked at the end of a step; the caller then rings the writer's bell. */
int gw_ring_bell(gw_ring *ring, int urgent);
/* Without a writer: everything appended so far counts as copied and durable. */
void gw_ring_forget(gw_ring *ring);

/* Consumer, and restart on the ring of a dead process. ------------------------------------------------------------------- */

/* The record at *position, of which nothing behind `head` is looked at; *position is moved over a skip to the record's own. Returns its
 * length, 0 at head, GW_E_FRAME if what is there can be no record. The CRC is not checked: gw_rec_check does. */
int64_t gw_ring_peek(const gw_ring *ring, uint64_t *position, uint64_t head);
/* Records of a ring that lie in one piece. */
typedef struct gw_piece {
    uint64_t begin;        /* position of the first */
    uint64_t bytes;        /* 0: none */
    uint64_t lsn;          /* of the last; where there is none, the lsn that was asked to go on from */
    uint32_t crc;          /* of the last */
    int32_t fault;         /* none because what is there is no record, or not lsn + 1: GW_E_FRAME, GW_E_ORDER; else 0 */
} gw_piece;

/* The longest run from `position` on: behind record `lsn`, nothing of it behind `head`, at most `room` bytes, and at most `most` unless one
 * record alone is longer. Heads are checked as gw_ring_peek does; CRCs are not. */
void gw_ring_piece(const gw_ring *ring, uint64_t position, uint64_t lsn, uint64_t head, uint64_t room, uint64_t most, gw_piece *run);
/* The bytes at a position. */
const uint8_t *gw_ring_bytes_at(const gw_ring *ring, uint64_t position);
/* The position of record `lsn` if gw_ring_at finds it, else 0 and *found = 0. */
uint64_t gw_ring_find(const gw_ring *ring, uint64_t lsn, int *found);

/* Segments ---------------------------------------------------------------------------------------------------------------- */

#define GW_SEG_DATA 4096 /* where the records of a segment begin */

/* The first bytes of a segment. It is on the disk, whole, before the file has its name. */
typedef struct gw_seg_head {
    uint64_t magic;
    uint32_t version;      /* of the format of segments and record heads */
    uint32_t salt;
    uint8_t journal_id[16];
    uint8_t boot_id[16];   /* of the kernel under which it was begun */
    uint8_t build_id[32];  /* of the lane that appends */
    uint8_t config_id[32]; /* hash of the effective configuration, instruments, limits and layouts */
    uint64_t number;       /* ordinal of the segment in the journal, from 1, no gaps */
    uint64_t first_lsn;    /* of its first record */
    uint64_t prev_end;     /* bytes of the segment before it that count; 0 for the first segment */
    uint32_t prev_crc;     /* crc of the last record before first_lsn; 0 if there is none */
    uint32_t epoch;
    uint32_t pad_;         /* zero */
    uint32_t crc;          /* CRC32C of everything above, seed 0 */
} gw_seg_head;

/* Fill magic, version, pad_ and crc. */
void gw_seg_head_seal(gw_seg_head *head);
/* Check and copy out the head of a segment of `len` bytes. GW_SEG_DATA, or GW_E_SHORT, GW_E_CONSTANT, GW_E_VERSION, GW_E_CHECKSUM, GW_E_RANGE. */
int gw_seg_head_check(const uint8_t *segment, uint64_t len, gw_seg_head *out);

/* Where a record of a segment lies. */
typedef struct gw_point {
    uint64_t lsn;
    uint64_t offset;
} gw_point;

/* What lies in a segment, up to the first byte that is not sound. */
typedef struct gw_scan {
    uint64_t records;
    uint64_t last_lsn;     /* first_lsn - 1 if there is no record */
    uint64_t end;          /* offset behind the last sound record or mark */
    uint64_t synced_lsn;   /* the highest lsn that a mark before `end` says is on the disk */
    uint64_t behind;       /* offset of a sound record or mark that counts (its lsn is last_lsn + 1 or above) behind `end`, 0 = none */
    uint64_t behind_lsn;   /* its lsn */
    uint64_t behind_synced;/* the highest lsn that a mark behind `end` says is on the disk, 0 = none above last_lsn */
    uint32_t last_crc;     /* of the last record; the head's prev_crc if there is none */
    int32_t fault;         /* why it ends: 0 the log ends or the limit is reached, else the fault of gw_rec_check */
    uint32_t points;       /* entries of `points` that were filled */
    uint32_t pad_;
} gw_scan;

/* Walk a segment of `len` bytes. `limit`: bytes that count, from the prev_end of the segment after it, and nothing behind is looked at;
 * 0: the last segment, and what lies behind the end is searched. `points` gets one entry at least every `every` bytes, up to max_points.
 * GW_SEG_DATA, or a fault of gw_seg_head_check. */
int gw_seg_scan(const uint8_t *segment, uint64_t len, uint64_t limit, gw_point *points, uint32_t max_points, uint64_t every, gw_scan *out);

/* Watermarks --------------------------------------------------------------------------------------------------------------- */

#define GW_WATERMARKS 1024       /* most entries */
#define GW_WATERMARK_SLOT 20480  /* bytes between the two slots of the file; both hold the same when nothing is under way */

/* Numbers below `value` may be used: they were on the disk first, and are never granted again. */
typedef struct gw_watermark {
    uint32_t conn;
    uint16_t kind; /* the lane's: outbound number, token, stream */
    uint16_t unit;
    uint64_t value;
} gw_watermark;

typedef struct gw_watermark_head {
    uint64_t magic;
    uint32_t version;
    uint32_t count;
    uint64_t seq;         /* rises with each writing */
    uint8_t journal_id[16];
    uint64_t durable_lsn; /* the journal was on the disk up to here when this was written: it can never end before */
    uint32_t pad_;        /* zero */
    uint32_t crc;         /* CRC32C of the head up to here and of the entries, seed 0 */
} gw_watermark_head;

/* Write a slot: `head` (seq, journal_id and durable_lsn filled by the caller) and `count` entries. Returns its bytes, or GW_E_SPACE. */
int64_t gw_watermarks_encode(uint8_t *out, uint64_t cap, const gw_watermark_head *head, const gw_watermark *entries, uint32_t count);
/* Read a file of two slots, or of one: the newest sound slot. Returns the bytes of that slot and fills `entries` (room for GW_WATERMARKS)
 * and which slot it was; 0: the file is empty; the fault of the first slot if neither is sound. */
int64_t gw_watermarks_decode(const uint8_t *file, uint64_t len, gw_watermark_head *head, gw_watermark *entries, uint32_t *slot);

#endif
