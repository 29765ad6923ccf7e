/* FIX tag=value: frames, index, decode into records, encode from records. Sources: fix.c (in), fix_write.c (out), fix_dialect.c (tables),
 * fix_decode.c and fix_encode.c (records).
 *
 * Spec: FIX 4.4 vol. 1 "FIX message format and delivery", vol. 2 "Session protocol", FIX session layer test cases 2, 3.
 * Everything here is a function of its arguments. No function reads outside p[0..n) or writes outside out[0..cap).
 * Faults are those of fault.h; tags are written as numbers, SOH as |. */
#ifndef GW_FIX_H
#define GW_FIX_H
#include <stddef.h>
#include <stdint.h>
#include "fault.h"
#include "records.h"

#define GW_FIX_FIELDS 512      /* most fields in an index: a report with every group we know has under 200 */
#define GW_FIX_FRAME_MAX 65535 /* longest frame that an index can describe: offsets have 16 bits */

/* ---- frames ---- */

/* The length of the first complete frame in p[0..n), its BodyLength and the shape of its CheckSum field being right.
 * Returns > 0 the length; GW_NEED_MORE; GW_E_FRAME if no frame begins here (does not begin 8=FIX, no 9 behind it, 9 not 1 to 9
 * digits, no |10=nnn| where 9 says); GW_E_SIZE if 9 announces a frame longer than max (at most GW_FIX_FRAME_MAX). After a fault
 * ask gw_fix_resync. The sum itself is checked by gw_fix_scan. Never waits for more bytes when those there are wrong already. */
int gw_fix_frame(const uint8_t *p, size_t n, uint32_t max);

/* How many bytes of p[0..n), for which gw_fix_frame gave a fault, belong to the garbled message and are to be dropped.
 * Returns > 0 bytes; GW_NEED_MORE if its end has not arrived (never once n >= max). The rule is QuickFIX's, so that both ends
 * of a line lose the same messages, and stricter where that rule would lose more:
 *   begins 8=FIX…|9=k|   the message goes on to the end of the first |10=…| at or behind the k-th byte of the body. A 9 too short
 *                        loses this message; a 9 too long swallows the next as well, which has no frame of its own any more.
 *   no such beginning    up to the next 8=FIX. (QuickFIX looks for 8=, which 108= contains too.)
 *   no 9 behind 8, 9 not a number, 9 above max, or no |10=…| in max bytes   up to the next 8=FIX behind this one. (QuickFIX takes
 *                        the 9 of the next message, drops all that was received, or waits for ever.)
 * A last part of the bytes that could begin "8=FIX" stays. */
int gw_fix_resync(const uint8_t *p, size_t n, uint32_t max);

/* ---- index ---- */

/* One field: its value is p[off..off+len). tag 0 stands for an invalid number (zero, negative, leading zero, above 10 digits). */
typedef struct gw_fix_field {
    uint32_t tag;
    uint16_t off;
    uint16_t len;
} gw_fix_field;

/* Where a value lies in the frame; len 0 = not there. */
typedef struct gw_fix_span {
    uint16_t off;
    uint16_t len;
} gw_fix_span;

/* What can be odd in a message that is not garbled: the session answers with a Reject, and the number counts. */
enum gw_fix_odd {
    GW_FIX_ODD_TAG = 1,      /* an invalid tag number (373=0) */
    GW_FIX_ODD_EMPTY = 2,    /* a tag without a value (373=4) */
    GW_FIX_ODD_REPEATED = 4, /* a header field twice (373=13); the first counts */
    GW_FIX_ODD_LATE = 8,     /* a header field behind the first body field (373=14) */
    GW_FIX_ODD_VALUE = 16    /* 43, 97, 52 or 122 is not as its data type demands (373=6) */
};

/* A scanned message. `field` has every field from 8 on but the last, 10; groups are not resolved. */
typedef struct gw_fix_msg {
    uint64_t msg_seq_num;
    int64_t sending_time;      /* 52, ns since the epoch; 0 = absent or odd */
    int64_t orig_sending_time; /* 122, the same */
    uint32_t msg_type;         /* 35, up to four characters, the first in the lowest byte; 0 = longer, so unknown */
    uint32_t length;           /* of the frame */
    gw_fix_span begin_string, msg_type_text, sender_comp_id, target_comp_id;
    uint8_t poss_dup;          /* 43=Y */
    uint8_t poss_resend;       /* 97=Y */
    uint8_t odd;               /* enum gw_fix_odd, all that apply */
    uint8_t pad_;
    uint16_t odd_field;        /* index of the first odd field, if odd is not 0 */
    uint16_t field_count;
    uint16_t first_body;       /* index of the first field that is not a header field; field_count if there is none */
    uint16_t sending_off;      /* where the value of sending_time lies; 0 = there is none */
    gw_fix_field field[GW_FIX_FIELDS];
} gw_fix_msg;

/* Verify and index the frame p[0..n) in one pass; n as gw_fix_frame gave it. Fields of type data (96 and its like) may contain
 * SOH if the length field before them (95) says so. Returns n, or a fault with m half filled:
 *   garbled, to be dropped without counting its number: GW_E_FRAME (9 or the shape is wrong), GW_E_CHECKSUM, GW_E_SYNTAX,
 *   GW_E_HEADER, GW_E_SEQ_NUM;
 *   GW_E_FIELDS: more than GW_FIX_FIELDS fields; the header, its sum and number are good, so it counts and is malformed. */
int gw_fix_scan(const uint8_t *p, size_t n, gw_fix_msg *m);

/* The same as it runs where there is no AVX2, for the tests: every result and every field of m must be equal. */
int gw_fix_scan_plain(const uint8_t *p, size_t n, gw_fix_msg *m);

/* What gw_fix_scan_like remembers of one message. */
#define GW_FIX_SHAPES 16       /* one for each length modulo this: a connection's messages have few lengths */
#define GW_FIX_SHAPE_MAX 512   /* longest frame that is remembered, without its trailer */
#define GW_FIX_SHAPE_FIELDS 64
#define GW_FIX_SHAPE_SAID 576  /* bytes of a gw_fix_msg with that many fields */
typedef struct gw_fix_shape {
    uint16_t length;                     /* of the frame; 0 = nothing is remembered */
    uint16_t misses;                     /* frames that were not like this one, halved by each that was */
    uint16_t said_size;                  /* bytes of `said` */
    uint16_t seq_off, seq_len, sent_len; /* of the values of 34 and 52 */
    uint8_t pad_[4];
    int64_t second_ns;                   /* the second that `second` writes, ns since the epoch */
    uint8_t second[24];                  /* of the last 52 */
    uint32_t same[16];                   /* where the frame has the bytes of `text`, one bit each */
    uint8_t text[GW_FIX_SHAPE_MAX];
    uint8_t said[GW_FIX_SHAPE_SAID];     /* the beginning of the gw_fix_msg */
} gw_fix_shape;

typedef struct gw_fix_shapes {
    gw_fix_shape shape[GW_FIX_SHAPES];
} gw_fix_shapes;

/* The same as gw_fix_scan, result and fields, whatever `shapes` was given before; three times as fast where it was given a frame of the
 * same length whose fields have the same tags and lengths. The caller keeps one for each source of messages, zeroed at first. */
int gw_fix_scan_like(const uint8_t *p, size_t n, gw_fix_shapes *shapes, gw_fix_msg *m);

/* The sum of p[0..n) modulo 256. */
unsigned gw_fix_sum(const uint8_t *p, size_t n);

/* ---- messages without a record ----
 *
 * Fields are given as type-length-value: tag u16, length u16, then the value as text, the next right behind; little-endian. */

#define GW_FIX_ID_MAX 64    /* longest BeginString or comp id */
#define GW_FIX_HEAD_MAX 768 /* longest header that a gw_fix_head can make, from 8= to the first body field */

/* Our own half of a session's header. Set msg_seq_num, sending_time and the flags before each message; the rest is
 * gw_fix_head_init's. The header is 8 9 35 34 43 49 50 52 56 57 97 122 and what else there is: ascending. */
typedef struct gw_fix_head {
    uint64_t msg_seq_num;
    int64_t sending_time;      /* 52, ns since the epoch, printed in ms (FIX 4.2 and later), the rest cut */
    int64_t orig_sending_time; /* 122, printed if poss_dup */
    uint8_t poss_dup;          /* 1 = 43=Y */
    uint8_t poss_resend;       /* 1 = 97=Y */
    uint8_t is_long;           /* one of the texts is not short, or `after` not empty */
    uint8_t not_kept;          /* there is nothing in `kept` yet */
    uint16_t begin_len, before_len, between_len, after_len; /* of the texts below */
    uint16_t sender_len, target_len;
    uint16_t room;     /* bytes of the longest header */
    uint8_t pad2_[6];
    int64_t second_ns; /* the second whose text `clock` is, ns since the epoch */
    uint8_t clock[24]; /* YYYYMMDD-HH:MM:SS. */
    uint8_t kept[128];    /* a header as it was written: the next mostly differs in three digits of its number, in ms and type only */
    uint16_t kept_len, kept_number_at, kept_ms_at; /* its length, and where these three digits and the ms stand */
    uint8_t pad3_[2];
    int64_t kept_ns;      /* its second, ns since the epoch */
    uint64_t kept_number; /* its number, the last three digits being 0 */
    uint8_t begin[80]; /* 8=…|9=, then, not counted, 000|35= */
    uint8_t before[160];  /* |49=…|50=…|52= */
    uint8_t between[160]; /* |56=…|57=…| */
    uint8_t after[160];   /* the header fields behind 122 */
} gw_fix_head;

/* Prepare h for messages from `sender` to `target`. `more` are further header fields as type-length-value, ascending: of 50, 57,
 * 115, 116, 128, 129, 142 to 145. Returns 1; GW_E_EMPTY, GW_E_TEXT (too long, or a character below 32) or GW_E_ARGUMENT (another
 * tag, or lengths that do not add up). */
int gw_fix_head_init(gw_fix_head *h, const uint8_t *begin, size_t begin_n, const uint8_t *sender, size_t sender_n,
                     const uint8_t *target, size_t target_n, const uint8_t *more, size_t more_n);

/* Whether message m, scanned from p, is from the other end of h's session. Returns 0, or the tag that says otherwise: 8, 49, 56. */
int gw_fix_head_differs(const gw_fix_head *h, const uint8_t *p, const gw_fix_msg *m);

/* Write a message of type msg_type (1 to 4 characters, the first in the lowest byte) whose body is the given fields in the given
 * order. Returns its length; GW_E_SPACE (nothing written); GW_E_EMPTY (a value), GW_E_TEXT (a value with SOH that is not the data
 * field behind its right length field), GW_E_ARGUMENT (tag 0, 8, 9, 10, 34, 35, 43, 49, 52, 56, 97 or 122, a length that lies, no type);
 * GW_E_RANGE (a time before 1970, a number above 10^18 - 1). After a fault the contents of out are undefined. */
int gw_fix_encode_fields(gw_fix_head *h, uint32_t msg_type, const uint8_t *fields, size_t n, uint8_t *out, size_t cap);

/* A sent frame once more, as an answer to a ResendRequest: 43=Y, 52=now_ns, 122 = the 52 it was first sent with, 9 and 10 anew,
 * all else as it was. FIX 4.4 vol. 2 "Possible duplicates". Returns the length; a fault of gw_fix_scan; GW_E_MISSING (no 52);
 * GW_E_FORMAT (an odd message: never one of ours); GW_E_RANGE (now_ns); GW_E_SPACE: cap is less than n + GW_FIX_REDUP_MORE. */
#define GW_FIX_REDUP_MORE 64 /* 43=Y|, 122=…|, a longer 52, more digits of 9: less than this */
int gw_fix_redup(const uint8_t *frame, size_t n, int64_t now_ns, uint8_t *out, size_t cap);

/* Overwrite in place the values of the given tags with '*', in anything that came as a message, garbled or not; a data field as far
 * as its length field says or to the next SOH, whichever is longer. A CheckSum that was right is right again; a wrong one stays
 * wrong. Returns how many bytes were overwritten, 0 = no such field. */
int gw_fix_mask(uint8_t *p, size_t n, const uint16_t *tags, size_t count);

/* ---- dialects: which field of a record is which tag ----
 *
 * A dialect is one block of memory, compiled by gateway/codecs/fix_dialect.py from a layout file and checked by
 * gw_fix_dialect_check: a gw_fix_dialect, then its messages, rows, slots, maps, texts and what is given where it says. All little-endian. */

#define GW_FIX_DIALECT_MAGIC 1145526342 /* "FXGD" */
#define GW_FIX_DIALECT_VERSION 2
#define GW_FIX_GIVEN_MORE 64             /* entries of `given` behind the last row's: they are looked up by blocks */
#define GW_FIX_BODY_MAX 4096            /* longest body that a message's rows can write */
#define GW_FIX_MAP_SIZE 512             /* a map: record value by wire character, then wire value by record value (CODE: + 1); 0 = none */

/* How a value stands on the wire, and what the record holds for it. */
enum gw_fix_kind {
    GW_FIX_KIND_NONE = 0,  /* known by name only: skipped, never written */
    GW_FIX_KIND_TEXT = 1,  /* printable ASCII, NUL padded in the record; too long is a fault: identifiers are never cut */
    GW_FIX_KIND_NOTE = 2,  /* text for people: what is longer is cut, what is not printable becomes '?' */
    GW_FIX_KIND_UINT = 3,  /* digits; an integer of 1, 2, 4 or 8 bytes */
    GW_FIX_KIND_ENUM = 4,  /* one character by a map; one byte */
    GW_FIX_KIND_CODE = 5,  /* digits by a map; 1, 2 or 4 bytes with values below 256. Written only */
    GW_FIX_KIND_PRICE = 6, /* decimal; int64 with the record's px_exp */
    GW_FIX_KIND_QTY = 7,   /* decimal, not negative; int64 with qty_exp */
    GW_FIX_KIND_AVG = 8,   /* decimal; int64 with avg_px_exp. More digits than fit leave it absent: it can be computed */
    GW_FIX_KIND_TIME = 9,  /* UTCTimestamp; int64 ns since the epoch. Written in ms, the rest cut, as FIX 4.4 has it */
    GW_FIX_KIND_DATE = 10, /* YYYYMMDD; uint32 or uint64 */
    GW_FIX_KIND_BOOL = 11, /* Y or N; one byte, 1 or 0 */
    GW_FIX_KIND_MARK = 12, /* one given character for 1; one byte. 0 is not written; another character is a fault */
    GW_FIX_KIND_CONST = 13 /* a text of the dialect; read and skipped */
};

enum gw_fix_row_flag {
    GW_FIX_ROW_READ = 1,  /* decode puts it into the record */
    GW_FIX_ROW_WRITE = 2, /* encode writes it when it is given (a constant: always) */
    GW_FIX_ROW_ELSE = 4,  /* encode writes it only if no row since the last one without ELSE was written */
    GW_FIX_ROW_IF = 8,    /* a constant: written only if the byte at `offset` is given and is `map` */
    GW_FIX_ROW_MILD = 16  /* decode leaves it absent where its value would be a fault: a fill must not be lost over a side remark */
};

/* How encode goes about a row: a short way for what most messages hold, or asking for everything. */
enum gw_fix_way {
    GW_FIX_WAY_ASK = 0,  /* any row: alternatives, conditions, all kinds */
    GW_FIX_WAY_TEXT = 1, /* TEXT or NOTE with 33 bytes of the record from its first on */
    GW_FIX_WAY_ENUM = 2,
    GW_FIX_WAY_CHAR = 3, /* CONST of one character, `stop` */
    GW_FIX_WAY_PRICE = 4,
    GW_FIX_WAY_QTY = 5,
    GW_FIX_WAY_AVG = 6,
    GW_FIX_WAY_TIME = 7
};

/* One field of one message. Rows of a message stand in the order in which they are written. */
typedef struct gw_fix_row {
    uint32_t tag;
    uint16_t offset;     /* in gw_report */
    uint16_t has_offset; /* of the presence word: 0 or that of has2 */
    uint8_t bit;         /* in that word */
    uint8_t kind;        /* enum gw_fix_kind */
    uint8_t width;       /* bytes in the record */
    uint8_t flags;       /* enum gw_fix_row_flag */
    uint8_t map;         /* ENUM, CODE: index of the map; MARK: the character; IF: the byte compared with */
    uint8_t head_len;    /* of `head` */
    uint16_t text_len;   /* CONST */
    uint32_t at;         /* CONST: of its text, in the dialect's; ENUM: of its map's written half, in the block; prepared */
    uint8_t head[8];     /* "|tag=": the end of the field before as well */
    uint8_t way;         /* enum gw_fix_way; prepared, as `stop` */
    uint8_t stop;        /* TEXT: its width, 32 at most; CHAR: the character */
    uint8_t pad_[2];
} gw_fix_row;

/* Where decode finds the row of a tag, and what it needs of it for most values: all that it touches of a field is here. Each message has
 * 2^k slots, and no two of the tags that it reads share one. A slot is all zero or says what its row says: all but tag and row is
 * gw_fix_dialect_prepare's. */
typedef struct gw_fix_slot {
    uint32_t tag;
    uint16_t offset;    /* in gw_report */
    uint8_t kind;       /* enum gw_fix_kind */
    uint8_t most;       /* TEXT: 16 if the field has that many bytes, else 0 */
    uint32_t map_at;    /* ENUM: byte offset of the map in the dialect */
    uint16_t row;       /* in the message */
    uint8_t pad_[2];
    uint64_t has, has2; /* the presence bit, in its word */
} gw_fix_slot;

/* One message type. `may` and `need` are over the presence words has and has2. */
typedef struct gw_fix_message {
    uint32_t msg_type;           /* as in gw_fix_msg */
    uint32_t slot_factor;        /* slot of a tag = (uint32_t)(tag * slot_factor) >> slot_shift */
    uint32_t slot_at;            /* first slot, in the dialect's slots */
    uint16_t row_at, row_count;  /* in the dialect's rows */
    uint16_t body_max;           /* most bytes that the rows write */
    uint8_t slot_shift;          /* 22..31: 1024 slots to 2 */
    uint8_t kind;                /* order.kind of a decoded record */
    uint8_t pad_[4];
    uint64_t need_in, need_in2;  /* fields without which a decoded message is not complete */
    uint64_t need_out, need_out2;
    uint64_t may_out, may_out2;  /* fields that the message can say, or is allowed to leave out; any other given one is a fault */
    uint64_t else_rows;          /* of the first 64 rows, those with ELSE right below a row that is written whenever it is given; prepared */
} gw_fix_message;

typedef struct gw_fix_dialect {
    uint32_t magic;
    uint16_t version;
    uint16_t message_count;
    uint32_t size;        /* of the whole block */
    uint32_t record_size; /* GW_REPORT_SIZE of the build it was compiled for */
    uint32_t message_at, row_at, slot_at, map_at, text_at; /* byte offsets; the first three are multiples of 8 */
    uint32_t row_count, slot_count, map_count, text_size;
    uint32_t given_at; /* where encode finds whether a row is given, row_count + GW_FIX_GIVEN_MORE bytes twice: the byte of {has, has2}
                        * to look at, then the bit in it. Byte 128 is zero; bit 0 in it is given always, any other bit never */
} gw_fix_dialect;

/* Fill in what is derived from the rows of p[0..n), all else being there: `way` and `stop` of each and ENUM's `at`, the section at given_at and the
 * messages' else_rows for encode, the slots for decode.
 * Returns n, or GW_E_TABLE if something does not lie in it. p must be aligned to 8. */
int gw_fix_dialect_prepare(void *p, size_t n);

/* Whether p[0..n) is a dialect that gw_fix_decode and gw_fix_encode can run on any input without leaving its block, the frame, the
 * record or the output. Returns n or GW_E_TABLE. p must be aligned to 8. */
int gw_fix_dialect_check(const void *p, size_t n);

/* The index of message type msg_type (as in gw_fix_msg) in d, or GW_E_TYPE. */
int gw_fix_message_index(const gw_fix_dialect *d, uint32_t msg_type);

/* Read the message that gw_fix_scan made m of at p into *out, which is zeroed first. Prices and quantities get exponent -8 (avg_px
 * its own). From the header come order.kind, msg_seq_num, sending_time and, if set, poss_dup. Unknown tags are skipped, constants
 * not compared. Returns the message's index in d, or a fault, with *f saying which tag and where:
 * GW_E_TYPE (not a message of this dialect) · GW_E_TAG (a bound tag twice) · GW_E_EMPTY · GW_E_FORMAT (no number, time, flag) ·
 * GW_E_SCALE (more than 8 decimals that are not zero) · GW_E_RANGE (does not fit; a negative quantity) · GW_E_VALUE (not in the map) ·
 * GW_E_TEXT (too long or not printable) · GW_E_MISSING (bit says which field; all others were read). A fault in a field that the
 * dialect marks as mild leaves it absent instead. */
int gw_fix_decode(const gw_fix_dialect *d, const uint8_t *p, const gw_fix_msg *m, gw_report *out, gw_fault *f);

/* What gw_fix_decode_like remembers of one message: which value of a frame goes where in the record, by kinds. */
#define GW_FIX_PLANS 16       /* one for each length modulo this */
#define GW_FIX_PLAN_FIELDS 32 /* most body fields of a message that is remembered */
typedef struct gw_fix_step {
    uint16_t at, len; /* of the value, in the frame */
    uint16_t offset;  /* in gw_report */
    uint16_t pad_;
    uint32_t map_at;  /* as in gw_fix_slot */
} gw_fix_step;
typedef struct gw_fix_plan {
    const gw_fix_dialect *dialect;
    uint64_t has, has2;  /* of the fields that it fills */
    uint32_t length;     /* of the frame; 0 = nothing is remembered */
    uint32_t msg_type;
    uint16_t message;    /* index in the dialect */
    uint16_t misses;     /* frames that were not like this one, halved by each that was */
    uint16_t first_body, field_count;
    uint8_t end[5];      /* behind the last step of texts, ENUMs, decimals, averages, times */
    uint8_t pad_[3];
    gw_fix_field field[GW_FIX_PLAN_FIELDS]; /* of the body */
    gw_fix_step step[GW_FIX_PLAN_FIELDS];
} gw_fix_plan;
typedef struct gw_fix_plans {
    gw_fix_plan plan[GW_FIX_PLANS];
} gw_fix_plans;

/* The same as gw_fix_decode, result, record and fault, whatever `plans` was given before; faster where it was given a message of the same
 * dialect whose fields have the same tags, places and lengths. The caller keeps one for each source of messages, zeroed at first, and not
 * longer than the dialects it was used with. */
int gw_fix_decode_like(const gw_fix_dialect *d, const uint8_t *p, const gw_fix_msg *m, gw_fix_plans *plans, gw_report *out, gw_fault *f);

/* The same for the tests: as it runs where there is no AVX2; and by its meaning alone, without the short ways that usual values have.
 * Result, record and fault of all three must be equal, unless rows of the message share bytes of the record or lie over its presence
 * words or an exponent. */
int gw_fix_decode_plain(const gw_fix_dialect *d, const uint8_t *p, const gw_fix_msg *m, gw_report *out, gw_fault *f);
int gw_fix_decode_long(const gw_fix_dialect *d, const uint8_t *p, const gw_fix_msg *m, gw_report *out, gw_fault *f);

/* Write message `message` (index in d) of *r with header h. Decimals are exact and shortest. Returns the length, or a fault:
 * GW_E_ARGUMENT (no such message) · GW_E_MISSING · GW_E_REFUSED (a field given that the message cannot say) · GW_E_VALUE (no wire
 * value) · GW_E_RANGE (exponent outside -18..18, a negative quantity, a time before 1970, no date) · GW_E_TEXT · GW_E_EMPTY ·
 * GW_E_SPACE (nothing written). *f says which tag, or which bit. */
int gw_fix_encode(const gw_fix_dialect *d, unsigned message, gw_fix_head *h, const gw_report *r, uint8_t *out, size_t cap,
                  gw_fault *f);

/* The same as it runs where there is no AVX2, for the tests: result, fault and every byte must be equal. */
int gw_fix_encode_plain(const gw_fix_dialect *d, unsigned message, gw_fix_head *h, const gw_report *r, uint8_t *out, size_t cap,
                        gw_fault *f);

/* ---- identifiers ---- */

#define GW_BASE36_LEN 13 /* the digits of 2^64 - 1 */

/* v as 13 digits 0-9A-Z, zero padded, so that text order is number order. No NUL. Returns 13. */
int gw_base36_encode(uint64_t v, uint8_t *out);

/* The inverse. Returns 13, or GW_E_FORMAT for another length, another character (also a small letter) or more than 64 bits. */
int gw_base36_decode(const uint8_t *p, size_t n, uint64_t *v);

#endif
