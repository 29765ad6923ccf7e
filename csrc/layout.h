/* Binary layouts: one interpreter of field operations over tables that Python compiles from a protocol's layout file.
 *
 * A table is one block of memory, 8-byte aligned, that begins with gw_layout; every other part is found by an offset in it. Nothing
 * may use a table that gw_layout_check has not found sound. Messages, their fields and the session's values are named in Python
 * (gateway.codecs.load(PROTOCOL)) and are numbers here. Everything below is a function of its arguments.
 */
#ifndef GW_LAYOUT_H
#define GW_LAYOUT_H
#include <stddef.h>
#include <stdint.h>
#include "fault.h"
#include "records.h"

#define GW_LAYOUT_MAGIC 827606871 /* "WGT1" */
#define GW_FROM_CLIENT 0          /* a message of the one who connects: requests */
#define GW_FROM_VENUE 1           /* a message of the one who accepts: reports */
#define GW_NONE 255               /* no bit, no condition */

/* What an operation does with its field. */
#define GW_OP_INT 1    /* binary number */
#define GW_OP_TEXT 2   /* padded text */
#define GW_OP_ENUM 3   /* one byte, translated by a map */
#define GW_OP_CHECK 4  /* must have the value `absent`; decoding only */
#define GW_OP_DECIMAL 5 /* binary number on the wire, decimal text in the record */
#define GW_OP_RECORD 6 /* a whole gw_order or gw_report as it is */
#define GW_OP_BYTES 7  /* bytes as they are; never bound */
#define GW_OP_DIGITS 8 /* number as ASCII digits, right-justified, padded with spaces; never bound */
#define GW_OP_REST 9   /* all bytes to the end of the frame; never bound */
#define GW_OP_FIXED 10 /* not for a caller to set: type, length, constants, padding */

/* Flags of an operation. */
#define GW_F_SIGNED 1    /* the wire's number is signed */
#define GW_F_RSIGNED 2   /* the record's number is signed */
#define GW_F_ABSENT 4    /* `absent` on the wire means not given */
#define GW_F_REQUIRED 8  /* must be given, in both directions */
#define GW_F_SPACE 16    /* text is padded with spaces, else with NUL */
#define GW_F_RIGHT 32    /* text is justified to the right */
#define GW_F_BEST 64     /* for information: left blank where it does not fit */
#define GW_F_SECRET 128  /* masked in the journal */

/* Where a value to encode comes from: the record; the session's value, if the record has none; the instrument's value first. */
#define GW_SRC_RECORD 0
#define GW_SRC_SESSION 64     /* + index of the value */
#define GW_SRC_INSTRUMENT 128 /* + GW_INSTRUMENT_... */
#define GW_SRC_BASE 192       /* + index of the session's value that is added to the wire's number */

#define GW_INSTRUMENT_SYMBOL 0      /* text: the venue's symbol */
#define GW_INSTRUMENT_SECURITY_ID 1 /* number: the venue's id */

typedef struct gw_op {
    uint8_t kind;    /* GW_OP_* */
    uint8_t width;   /* bytes on the wire */
    uint8_t rwidth;  /* bytes in the record */
    uint8_t flags;   /* GW_F_* */
    int8_t exp;      /* power of ten of the wire's number */
    uint8_t scale;   /* 0 none, 1 px_exp, 2 qty_exp */
    uint16_t wire;   /* byte of the frame; for a tag, the tag */
    uint16_t rec;    /* byte of the record */
    uint8_t bit;     /* presence bit: 0..63 of has, 64..127 of has2, GW_NONE if not bound */
    uint8_t src;     /* GW_SRC_* */
    uint16_t field;  /* index of the field in the message */
    uint16_t map;    /* ENUM: index of the map; INT: index of the range; RECORD: 0 gw_order, 1 gw_report; 65535 none */
    uint64_t absent; /* see flags; of CHECK the value; of RECORD first operation | count << 32 */
} gw_op;

typedef struct gw_imply { /* a value off the wire */
    uint16_t rec;
    uint8_t rwidth, bit;
    uint8_t condition, sense; /* holds when bit `condition` is set (sense 1) or clear (0); GW_NONE: always */
    uint16_t pad_;
    uint64_t value;
} gw_imply;

typedef struct gw_range { /* of a number on the wire, encoding; flags 1 low, 2 high, 4 alt is a second absent value */
    uint64_t low, high, alt, flags;
} gw_range;

typedef struct gw_map { /* 0 unknown, else value + 1 */
    uint16_t decode[256], encode[256];
} gw_map;

typedef struct gw_message {
    uint16_t block, minimum;             /* bytes of the fixed part, of which a sender must send `minimum` */
    uint32_t template_at;                /* `block` bytes: constants, defaults, padding */
    uint16_t op_first, op_count;         /* bound fields of the fixed part */
    uint16_t wire_first, wire_count;     /* all fields of the fixed part, by index */
    uint16_t tag_first, tag_count;       /* all options, by index behind the fixed part's fields */
    uint16_t imply_first, imply_count;
    uint8_t from;                        /* GW_FROM_*; 2: either */
    uint8_t bound;                       /* gw_decode fills a record and gw_encode takes one: 1 from fields, 2 as it is; 0 neither */
    uint8_t rest;                        /* 1: the frame goes on behind the fixed part */
    uint8_t tags;                        /* 0 no appendage, 1 sent when not empty, 2 always sent */
    char kind;                           /* GW_KIND_* that it always is, 0 none */
    uint8_t pad_;
    uint16_t tag_map;                    /* index of the map whose decode[tag] - 1 is the tag's place among tag_count */
    uint16_t said_first, said_count;     /* those options that gw_encode may write, once more */
    uint32_t pad2_;
    uint64_t can[2];                     /* has, has2: what it carries or need not carry */
} gw_message;

typedef struct gw_dispatch {
    uint32_t key; /* from << 24 | carried << 16 | type */
    uint16_t message, pad_;
} gw_dispatch;

typedef struct gw_layout {
    uint32_t magic, size;
    uint32_t message_at, dispatch_at, op_at, imply_at, range_at, map_at, template_at, template_size;
    uint16_t message_count, dispatch_count, op_count, imply_count, range_count, map_count;
    uint16_t session_count; /* how many session values the layout names */
    uint8_t big;            /* byte order of the wire */
    uint8_t length_at, length_width, type_at, type_width, inner_at, inner_width;
    uint8_t tag_total, tag_length, tag_width, tag_counted, multiple;
    int8_t px_exp, qty_exp; /* of every decoded record */
    uint32_t after, least, most, fixed;
    uint32_t carrier[2];    /* by sender: type of the packet that carries a message; 4294967295 none */
    uint8_t token_scope;    /* 0 live, 1 day, 2 ever: within what a token is never used again */
    uint8_t token_rising, token_survives_replace, token_width;
    uint8_t token_base;     /* 10 or 36 for text, 0 for a binary number */
    uint8_t pad_[7];
    uint64_t token_first, token_last;
    uint32_t throttle_messages, throttle_window_ms, throttle_cancels_reserve, pad2_;
} gw_layout;

/* One value of a session or an instrument; `number` for numbers as on the wire, `text` and `len` for text and codes. */
typedef struct gw_value {
    int64_t number;
    char text[24];
    uint8_t len, given, pad_[6];
} gw_value;

typedef struct gw_values { /* either may be NULL with count 0 */
    const gw_value *session, *instrument;
    uint32_t session_count, instrument_count;
} gw_values;

/* Is the n bytes at `table` a sound layout? 1, or GW_E_TABLE (not whole, misaligned, or anything in it that could reach outside
 * its table, a frame or a record). A table that passes can be run on any bytes without harm. */
int gw_layout_check(const void *table, size_t n);
/* Length of the frame that begins at p, GW_NEED_MORE, or GW_E_FRAME. */
int gw_layout_frame(const gw_layout *layout, const uint8_t *p, size_t n, gw_fault *f);
/* Index of the first message from `from` whose kind (GW_KIND_*) is `kind`, -1 if there is none. */
int gw_layout_message(const gw_layout *layout, int from, char kind);
/* Decode the message at p. `out` is a gw_order for GW_FROM_CLIENT, a gw_report for GW_FROM_VENUE; its presence words are set anew,
 * fields that are not given keep the bytes they had (a RECORD message replaces all). `values` may be NULL. Returns bytes consumed,
 * GW_NEED_MORE, or a fault; f->message says which message it is whenever that is known, also on success. A message that is not
 * bound is only found sound, and its record stays empty. An unknown code in a venue's message leaves its field absent unless
 * the field is required: what a venue tells us is booked. */
int gw_decode(const gw_layout *layout, const gw_values *values, int from, const uint8_t *p, size_t n, void *out, gw_fault *f);
/* Encode the bound message `msg` from `in` (gw_order for a client's message, gw_report for a venue's). Returns bytes written, or a
 * fault; then what out[0..cap) holds is undefined. Nothing is rounded or cut: what the wire cannot carry exactly is a fault. */
int gw_encode(const gw_layout *layout, const gw_values *values, uint16_t msg, const void *in, uint8_t *out, size_t cap, gw_fault *f);
/* Encode any message from type-length-value: u16 index of the field, u16 length, value (numbers 8 bytes, text its characters; all
 * little-endian). What is not given has its constant, absent value or padding. Returns bytes written, or a fault. */
int gw_encode_fields(const gw_layout *layout, uint16_t msg, const uint8_t *tlv, size_t n, uint8_t *out, size_t cap, gw_fault *f);
/* Overwrite the secret fields of the message at p with '*', as far as its n bytes go, also where it is cut off. Returns how
 * many bytes were overwritten, 0 for none, or a fault if the message cannot be told (then nothing was overwritten). */
int gw_mask(const gw_layout *layout, int from, uint8_t *p, size_t n, gw_fault *f);

#endif
