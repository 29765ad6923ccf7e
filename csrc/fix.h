/* FIX tag=value: frames, index, decode into records, encode from records. Sources: fix.c (the wire), fix_dialect.c (the records).
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
    uint16_t pad2_;
    gw_fix_field field[GW_FIX_FIELDS];
} gw_fix_msg;

/* Verify and index the frame p[0..n) in one pass; n as gw_fix_frame gave it. Fields of type data (96 and its like) may contain
 * SOH if the length field before them (95) says so. Returns n, or a fault with m half filled:
 *   garbled, to be dropped without counting its number: GW_E_FRAME (9 or the shape is wrong), GW_E_CHECKSUM, GW_E_SYNTAX,
 *   GW_E_HEADER, GW_E_SEQ_NUM;
 *   GW_E_FIELDS: more than GW_FIX_FIELDS fields; the header, its sum and number are good, so it counts and is malformed. */
int gw_fix_scan(const uint8_t *p, size_t n, gw_fix_msg *m);

/* ---- identifiers ---- */

#define GW_BASE36_LEN 13 /* the digits of 2^64 - 1 */

/* v as 13 digits 0-9A-Z, zero padded, so that text order is number order. No NUL. Returns 13. */
int gw_base36_encode(uint64_t v, uint8_t *out);

/* The inverse. Returns 13, or GW_E_FORMAT for another length, another character (also a small letter) or more than 64 bits. */
int gw_base36_decode(const uint8_t *p, size_t n, uint64_t *v);

#endif
