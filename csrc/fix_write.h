/* How a FIX frame is opened and closed; internal to the FIX codec. */
#ifndef GW_FIX_WRITE_H
#define GW_FIX_WRITE_H
#include "fix.h"
#include "fix_text.h"

#define GW_FIX_SOH 1
#define GW_FIX_TRAILER 7                  /* "10=nnn|" */
#define GW_FIX_BEHIND_BEGIN "000\x01" "35=" /* stands behind the begin of a header's template */

#define GW_FIX_HEAD_ADDS 100 /* 000|35=xxxx, |34= and 18 digits, |43=Y, two times, 97=Y|, 122=| come to 92 */

/* Appends n bytes; returns the place behind them. */
static inline uint8_t *gw_fix_put(uint8_t *o, const void *from, size_t n)
{
    memcpy(o, from, n);
    return o + n;
}

/* Whether ns lies in the second whose text h has; *rest is how far. */
static inline bool gw_fix_same_second(const gw_fix_head *h, int64_t ns, uint32_t *rest)
{
    uint64_t since = (uint64_t)ns - (uint64_t)h->second_ns;
    *rest = (uint32_t)since;
    return since < 1000000000u && ns >= 0; /* the last second of an int64 goes on at its other end */
}

/* "YYYYMMDD-HH:MM:SS.sss", the time `rest` ns behind the second whose text h has. Stores 22 bytes, the last of them 0; returns the
 * place behind the 21. */
static inline uint8_t *gw_fix_put_stamp(const gw_fix_head *h, uint32_t rest, uint8_t *o)
{
    memcpy(o, h->clock, 16);
    memcpy(o + 16, h->clock + 16, 2);
    gw_store4(o + 18, gw_text3[rest / 1000000]);
    return o + 21;
}

/* The same of any time not before 1970. */
static inline uint8_t *gw_fix_put_time(int64_t ns, uint8_t *o)
{
    gw_write_second(o, ns / 1000000000);
    gw_store4(o + 18, gw_text3[ns / 1000000 % 1000]);
    return o + 21;
}

/* Appends a text of a header's template. Few are longer than 32 bytes: so much can be read and stored without a call. */
static inline uint8_t *gw_fix_put_part(uint8_t *o, const uint8_t *from, size_t n, bool is_short)
{
    if (is_short)
        memcpy(o, from, 32);
    else
        memcpy(o, from, n);
    return o + n;
}

/* Whether the header has a short way: h's texts are short, nothing was possibly sent before, its second has its text already, the number
 * has eight digits at most, and the type one character. */
static inline bool gw_fix_is_usual(const gw_fix_head *h, uint32_t msg_type, uint32_t *rest)
{
    bool plain = !(h->poss_dup | h->poss_resend | h->is_long);
    return plain && gw_fix_same_second(h, h->sending_time, rest) && h->msg_seq_num < 100000000 && msg_type - '!' <= 255 - '!';
}

/* Writes the header, whose sending time is `rest` ns behind the second whose text h has; returns the place behind it. */
static inline uint8_t *gw_fix_put_head(const gw_fix_head *h, uint32_t msg_type, uint32_t rest, uint8_t *o, bool usual)
{
    o = gw_fix_put_part(o, h->begin, h->begin_len + sizeof GW_FIX_BEHIND_BEGIN - 1, usual);
    gw_store4(o, msg_type);
    o += usual ? 1 : 4 - ((unsigned)__builtin_clz(msg_type) >> 3);
    o = gw_fix_put(o, "\x01" "34=", 4);
    o += usual ? gw_write_uint8(o, (uint32_t)h->msg_seq_num) : gw_write_uint(o, h->msg_seq_num);
    if (!usual && h->poss_dup)
        o = gw_fix_put(o, "\x01" "43=Y", 5);
    o = gw_fix_put_part(o, h->before, h->before_len, usual);
    o = gw_fix_put_stamp(h, rest, o);
    o = gw_fix_put_part(o, h->between, h->between_len, usual);
    if (usual)
        return o;
    if (h->poss_resend)
        o = gw_fix_put(o, "97=Y\x01", 5);
    if (h->poss_dup) {
        o = gw_fix_put_time(h->orig_sending_time, gw_fix_put(o, "122=", 4));
        *o++ = GW_FIX_SOH;
    }
    return gw_fix_put(o, h->after, h->after_len);
}

/* Whether the header in h->kept is that of h's time and number but for its ms, the last three digits of its number, *number, and its type,
 * which has one character. */
static inline bool gw_fix_is_kept(const gw_fix_head *h, uint32_t msg_type, uint32_t *rest, uint32_t *number)
{
    uint64_t since = (uint64_t)h->sending_time - (uint64_t)h->kept_ns, more = h->msg_seq_num - h->kept_number;
    *rest = (uint32_t)since;
    *number = (uint32_t)more;
    return since < 1000000000u && more < 1000 && !(h->poss_dup | h->poss_resend | h->not_kept) && msg_type - '!' <= 255 - '!';
}

/* Makes a copy of h->kept the header of now; returns the place behind it. */
static inline uint8_t *gw_fix_renew(const gw_fix_head *h, uint32_t msg_type, uint32_t rest, uint32_t number, uint8_t *o)
{
    o[h->begin_len + sizeof GW_FIX_BEHIND_BEGIN - 1] = (uint8_t)msg_type;
    gw_store4(o + h->kept_number_at, gw_text3[number] | GW_FIX_SOH << 24);
    gw_store4(o + h->kept_ms_at, gw_text3[rest / 1000000] | GW_FIX_SOH << 24);
    return o + h->kept_len;
}

/* Keeps the header out[0..n), which gw_fix_put_head wrote as a usual one of h, if it can be found again by gw_fix_is_kept. */
void gw_fix_keep_head(gw_fix_head *h, const uint8_t *out, size_t n);

/* Writes the header of h from 8= up to and with the SOH before the body; BodyLength gets three places. At most h->room bytes are
 * stored, which are at most GW_FIX_HEAD_MAX, and 32 more. Returns their number, GW_E_RANGE or GW_E_ARGUMENT. */
int gw_fix_open(gw_fix_head *h, uint32_t msg_type, uint8_t *out);

/* Writes a BodyLength that has not three digits, moving the body; as gw_fix_put_length. */
size_t gw_fix_move_body(uint8_t *out, size_t at, size_t n);

/* Completes the BodyLength of the frame out[0..n), header and body, whose three places are at `at`. Returns its new length. */
static inline size_t gw_fix_put_length(uint8_t *out, size_t at, size_t n)
{
    size_t body = n - at - 4;
    if (body - 100 > 899)
        return gw_fix_move_body(out, at, n);
    gw_store4(out + at, gw_text3[body] | GW_FIX_SOH << 24);
    return n;
}

/* Writes the trailer behind out[0..n), whose bytes come to `sum`. Returns the length of the frame. */
static inline int gw_fix_put_trailer(uint8_t *out, size_t n, unsigned sum)
{
    memcpy(out + n, "10=", 3);
    gw_store4(out + n + 3, gw_text3[sum] | GW_FIX_SOH << 24);
    return (int)n + GW_FIX_TRAILER;
}

/* Completes the frame of out whose header and body are n bytes: BodyLength, moving the body if it has not three digits, and the
 * trailer. Returns the length, up to n + GW_FIX_TRAILER + 2. */
static inline int gw_fix_close(const gw_fix_head *h, uint8_t *out, size_t n)
{
    n = gw_fix_put_length(out, h->begin_len, n);
    return gw_fix_put_trailer(out, n, gw_fix_sum(out, n));
}

#endif
