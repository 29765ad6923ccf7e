/* Records to FIX messages: encode by the tables of a dialect.
 *
 * It is there twice. `write_rows` goes through all rows of a message, is the meaning and runs anywhere; with AVX2 `write_given` finds the
 * rows that are given 32 at a time, has a short way for each usual kind of value, and leaves what is not usual to the same functions. */
#include "fix_cpu.h"
#include "fix_rows.h"
#include "fix_write.h"

#define SLACK (64 + 28) /* values are stored as whole words, the last by 64 bytes: so much may be written behind the last that counts */

/* What the writers of values share. */
typedef struct {
    const gw_fix_dialect *d;
    const gw_report *r;
    gw_fix_head *h;
} writer;

/* Each returns the length written, or a fault. Whole words are stored. */
static int write_text(const uint8_t *from, size_t width, uint8_t *o)
{
    size_t n = 0;
    for (; n + 8 <= width; n += 8) {
        uint64_t x = gw_load8(from + n), zeros = gw_zero_bytes(x);
        uint64_t keep = zeros ? (zeros & -zeros) / 128 - 1 : ~0ull; /* the bytes before the first zero */
        if (!is_printable8((x & keep) | (0x2020202020202020u & ~keep)))
            return GW_E_TEXT;
        gw_store8(o + n, x);
        if (zeros) {
            n += (unsigned)__builtin_ctzll(zeros) >> 3;
            return n ? (int)n : GW_E_EMPTY;
        }
    }
    for (; n < width && from[n]; n++) {
        if (!all_printable(from + n, 1))
            return GW_E_TEXT;
        o[n] = from[n];
    }
    return n ? (int)n : GW_E_EMPTY;
}

static int write_time(const gw_fix_head *h, int64_t ns, uint8_t *o)
{
    uint32_t rest;
    if (ns < 0)
        return GW_E_RANGE;
    return (int)((gw_fix_same_second(h, ns, &rest) ? gw_fix_put_stamp(h, rest, o) : gw_fix_put_time(ns, o)) - o);
}

static int write_decimal(int64_t mantissa, int exponent, bool may_be_negative, uint8_t *o)
{
    if (exponent < -18 || exponent > 18 || (mantissa < 0 && !may_be_negative))
        return GW_E_RANGE;
    return (int)gw_write_decimal(o, mantissa, exponent);
}

static int write_date(uint64_t date, uint8_t *o)
{
    if (date < 19700101 || date > 22611231)
        return GW_E_RANGE;
    gw_store8(o, gw_digits8((uint32_t)date) | GW_ZEROS_TEXT);
    return gw_date_exists((unsigned)date / 10000, (unsigned)date / 100 % 100, (unsigned)date % 100) ? 8 : GW_E_RANGE;
}

static int write_code(const uint8_t *map, uint64_t value, uint8_t *o)
{
    unsigned code = value < 256 ? map[256 + value] : 0;
    return code ? (int)gw_write_uint(o, code - 1) : GW_E_VALUE;
}

/* Writes the value of a given row. Returns its length, 0 if there is nothing to say, or a fault. */
static inline int write_value(const writer *w, const gw_fix_row *row, uint8_t *o)
{
    const uint8_t *from = (const uint8_t *)w->r + row->offset;
    switch ((kind)row->kind) {
    case GW_FIX_KIND_TEXT: case GW_FIX_KIND_NOTE: return write_text(from, row->width, o);
    case GW_FIX_KIND_CONST: memcpy(o, text_of(w->d, row), row->text_len); return row->text_len;
    case GW_FIX_KIND_ENUM: *o = map_of(w->d, row->map)[256 + *from]; return *o ? 1 : GW_E_VALUE;
    case GW_FIX_KIND_BOOL: *o = *from ? 'Y' : 'N'; return *from < 2 ? 1 : GW_E_VALUE;
    case GW_FIX_KIND_MARK: *o = row->map; return *from < 2 ? *from : GW_E_VALUE;
    case GW_FIX_KIND_PRICE: return write_decimal((int64_t)gw_load8(from), w->r->order.px_exp, true, o);
    case GW_FIX_KIND_QTY: return write_decimal((int64_t)gw_load8(from), w->r->order.qty_exp, false, o);
    case GW_FIX_KIND_AVG: return write_decimal((int64_t)gw_load8(from), w->r->avg_px_exp, true, o);
    case GW_FIX_KIND_TIME: return write_time(w->h, (int64_t)gw_load8(from), o);
    case GW_FIX_KIND_UINT: return (int)gw_write_uint(o, gw_load_uint(from, row->width));
    case GW_FIX_KIND_CODE: return write_code(map_of(w->d, row->map), gw_load_uint(from, row->width), o);
    case GW_FIX_KIND_DATE: return write_date(gw_load_uint(from, row->width), o);
    default: return 0;
    }
}

/* Whether the record has something to say for a row, apart from ELSE. A mark that is not set says nothing. */
static bool says(const gw_report *r, const gw_fix_row *row)
{
    bool given = (row->has_offset ? r->has2 : r->order.has) >> row->bit & 1;
    uint8_t value = ((const uint8_t *)r)[row->offset];
    if (!(row->flags & GW_FIX_ROW_WRITE) || row->kind == GW_FIX_KIND_NONE || (row->flags & GW_FIX_ROW_IF && !(given && value == row->map)))
        return false;
    return row->kind == GW_FIX_KIND_CONST || (given && !(row->kind == GW_FIX_KIND_MARK && value == 0));
}

/* Whether one of the alternatives before `row` is written: the written rows with ELSE above it, and the one that they follow. */
static bool other_is_written(const gw_report *r, const gw_fix_row *first, const gw_fix_row *row)
{
    bool written = false;
    do
        written = says(r, --row);
    while (!written && row > first && (!(row->flags & GW_FIX_ROW_WRITE) || row->flags & GW_FIX_ROW_ELSE));
    return written;
}

/* Writes the value of any row whose field is given, if it is to be written. Returns as write_value. */
__attribute__((noinline)) static int write_asking(const writer *w, const gw_fix_row *first, const gw_fix_row *row, uint8_t *o)
{
    if (row->flags & GW_FIX_ROW_IF && ((const uint8_t *)w->r)[row->offset] != row->map)
        return 0;
    if (row->flags & GW_FIX_ROW_ELSE && row > first && other_is_written(w->r, first, row))
        return 0;
    return write_value(w, row, o);
}

/* ---- the body ---- */

/* Writes the rows that the record gives something for behind `body`, which is an SOH; one is written behind the last as well. Returns
 * the bytes behind `body`, or a fault. */
static int write_rows(const writer *w, const gw_fix_message *m, uint8_t *body, gw_fault *f)
{
    const gw_fix_row *first = rows_of(w->d) + m->row_at;
    uint8_t *o = body;
    for (const gw_fix_row *row = first; row < first + m->row_count; row++) {
        if (!says(w->r, row))
            continue;
        memcpy(o, row->head, sizeof row->head);
        int n = write_asking(w, first, row, o + row->head_len);
        if (n < 0)
            return fault(f, n, (uint32_t)(o - body), row->tag, bit_of(row));
        o += n ? row->head_len + n : 0;
    }
    *o = GW_FIX_SOH;
    return (int)(o - body);
}

/* What is wrong with the set of fields given: one is missing, or one cannot be said. Returns 1 or a fault. */
static int check_given(const gw_fix_message *m, const gw_report *r, gw_fault *f)
{
    uint64_t missing = m->need_out & ~r->order.has, missing2 = m->need_out2 & ~r->has2;
    uint64_t odd = r->order.has & ~m->may_out, odd2 = r->has2 & ~m->may_out2;
    uint64_t low = missing | missing2 ? missing : odd, high = missing | missing2 ? missing2 : odd2;
    if (!(low | high))
        return 1;
    unsigned bit = (unsigned)(low ? __builtin_ctzll(low) : 64 + __builtin_ctzll(high));
    return fault(f, missing | missing2 ? GW_E_MISSING : GW_E_REFUSED, 0, GW_FAULT_NONE, bit);
}

/* Writes the whole message to out, where GW_FIX_HEAD_MAX + body_max + SLACK bytes may be stored. */
static int write_message(const writer *w, const gw_fix_message *m, uint8_t *out, gw_fault *f)
{
    int head = gw_fix_open(w->h, m->msg_type, out);
    if (head < 0)
        return fault(f, head, 0, GW_FAULT_NONE, GW_FAULT_NONE);
    int body = write_rows(w, m, out + head - 1, f);
    return body < 0 ? body : gw_fix_close(w->h, out, (size_t)head + (size_t)body);
}

/* The room that message m needs in a buffer for words to be stored there. */
static inline size_t room_of(const gw_fix_message *m, const gw_fix_head *h)
{
    return (size_t)h->room + m->body_max + SLACK;
}

/* Writes message m anywhere, also near the end of a buffer. */
__attribute__((noinline)) static int write_aside(const writer *w, const gw_fix_message *m, uint8_t *out, size_t cap, gw_fault *f)
{
    uint8_t scratch[GW_FIX_HEAD_MAX + GW_FIX_BODY_MAX + SLACK];
    int n = write_message(w, m, scratch, f);
    if (n > 0 && (size_t)n > cap)
        return fault(f, GW_E_SPACE, 0, GW_FAULT_NONE, GW_FAULT_NONE);
    if (n > 0)
        memcpy(out, scratch, (size_t)n);
    return n;
}

int gw_fix_encode_plain(const gw_fix_dialect *d, unsigned message, gw_fix_head *h, const gw_report *r, uint8_t *out, size_t cap, gw_fault *f)
{
    *f = (gw_fault){0, 0, GW_FAULT_NONE, GW_FAULT_NONE, GW_FAULT_NONE, 0};
    if (message >= d->message_count)
        return fault(f, GW_E_ARGUMENT, 0, GW_FAULT_NONE, GW_FAULT_NONE);
    f->message = (uint16_t)message;
    const gw_fix_message *m = &messages_of(d)[message];
    const writer w = {d, r, h};
    int n = check_given(m, r, f);
    if (n < 0)
        return n;
    return cap < room_of(m, h) ? write_aside(&w, m, out, cap, f) : write_message(&w, m, out, f);
}

#ifdef GW_FIX_AVX2
/* ---- the same with AVX2 ---- */

/* The presence words, has in the low half. They were mostly written just now, each by itself: one load over both, or over one and its
 * neighbour, would have to wait for the stores. */
GW_WITH_AVX2 static inline __m128i words_of(const gw_report *r)
{
    uint64_t has = r->order.has, has2 = r->has2;
    __asm__("" : "+r"(has), "+r"(has2));
    return _mm_set_epi64x((long long)has2, (long long)has);
}

/* Of 32 rows, bit j: whether row j is given and to be written. Each looks up its byte in the presence words, and its bit in the byte. */
GW_WITH_AVX2 static inline uint32_t given_32(__m256i words, const uint8_t *place, size_t half)
{
    __m256i at = _mm256_loadu_si256((const __m256i *)(const void *)place), bit = _mm256_loadu_si256((const __m256i *)(const void *)(place + half));
    return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_and_si256(_mm256_shuffle_epi8(words, at), bit), bit));
}

/* The same of n rows, up to 64. */
GW_WITH_AVX2 static inline uint64_t given_rows(__m256i words, const uint8_t *place, size_t half, size_t n)
{
    uint64_t given = given_32(words, place, half);
    if (n > 32)
        given |= (uint64_t)given_32(words, place + 32, half) << 32;
    return _bzhi_u64(given, (unsigned)n);
}

/* What makes bytes that are not printable negative: 127 becomes -128 by adding `one`; what is printable is then 33 or more, and all else
 * negative after subtracting `more` up to the limit. */
typedef struct {
    uint8_t one[32], more[32];
} text_test;

#define X32(C) {C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C}
static const text_test printable = {X32(1), X32(' ' + 1)};

/* Copies 32 bytes, and returns how many of them are the text of at most `stop`; 0 if it is empty, goes on, or is not printable. */
GW_WITH_AVX2 static inline size_t put_long_text(const uint8_t *from, unsigned stop, uint8_t *o)
{
    __m256i v = _mm256_loadu_si256((const __m256i *)(const void *)from);
    __m256i odd = _mm256_subs_epi8(_mm256_add_epi8(v, _mm256_set1_epi8(1)), _mm256_set1_epi8(' ' + 1));
    _mm256_storeu_si256((__m256i *)(void *)o, v);
    size_t n = _tzcnt_u64((uint32_t)_mm256_movemask_epi8(odd) | 1ull << stop);
    return from[n] ? 0 : n;
}

/* The same; most have fewer than sixteen bytes, and often were written by words of no more. */
GW_WITH_AVX2 static inline size_t put_text(const uint8_t *from, unsigned stop, uint8_t *o)
{
    const text_test *test = &printable;
    __asm__("" : "+r"(test)); /* otherwise the masks are made anew from numbers for each text */
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)from);
    __m128i odd = _mm_add_epi8(v, _mm_load_si128((const __m128i *)(const void *)test->one));
    odd = _mm_subs_epi8(odd, _mm_load_si128((const __m128i *)(const void *)test->more));
    _mm_storeu_si128((__m128i *)(void *)o, v);
    size_t n = _tzcnt_u64((uint32_t)_mm_movemask_epi8(odd) | 1ull << stop);
    if (__builtin_expect(n > 15, 0))
        return put_long_text(from, stop, o);
    return from[n] ? 0 : n;
}

/* A decimal and its text: prices of one message are often the same. */
typedef struct {
    int64_t mantissa;
    int exponent;
    unsigned length;
    uint64_t text;
} said;

/* The short ways. Each returns the length written, or 0 if what is to be written is not usual, a fault perhaps. */
static inline size_t put_decimal(said *last, int64_t mantissa, int exponent, uint8_t *o)
{
    if (mantissa != last->mantissa || exponent != last->exponent) {
        if ((uint64_t)mantissa >= 100000000 || exponent > 0 || exponent < -7)
            return 0;
        last->length = gw_short_word((uint32_t)mantissa, (unsigned)-exponent, &last->text);
        last->mantissa = mantissa;
        last->exponent = exponent;
    }
    gw_store8(o, last->text);
    return last->length;
}

GW_WITH_AVX2 static inline size_t put_quantity(said *last, int64_t mantissa, int exponent, uint8_t *o)
{
    if ((uint64_t)mantissa < 1000 && exponent == 0)
        return gw_write_small(o, (unsigned)mantissa);
    return put_decimal(last, mantissa, exponent, o);
}

/* An average price mostly has no more digits than its fills. */
GW_WITH_AVX2 static inline size_t put_average(said *last, int64_t mantissa, int exponent, uint8_t *o)
{
    if (mantissa >= 100000000 && exponent < -4 && mantissa % 10000 == 0)
        return put_decimal(last, mantissa / 10000, exponent + 4, o);
    return put_decimal(last, mantissa, exponent, o);
}

static inline size_t put_time(const gw_fix_head *h, int64_t ns, uint8_t *o)
{
    uint32_t rest;
    return gw_fix_same_second(h, ns, &rest) ? (size_t)(gw_fix_put_stamp(h, rest, o) - o) : 0;
}

/* As write_rows, for up to 64 rows. */
GW_WITH_AVX2 static inline int write_given(const writer *w, const gw_fix_message *m, uint8_t *body, gw_fault *f)
{
    const gw_report *r = w->r;
    const gw_fix_row *rows = rows_of(w->d) + m->row_at;
    const uint8_t *block = (const uint8_t *)w->d;
    uint64_t given = given_rows(_mm256_broadcastsi128_si256(words_of(r)), block + w->d->given_at + m->row_at, w->d->row_count + GW_FIX_GIVEN_MORE, m->row_count);
    said price = {-1, 0, 0, 0}, quantity = price; /* nothing negative has a short way */
    uint8_t *o = body;
    for (given &= ~(given << 1 & m->else_rows); given; given &= given - 1) {
        const gw_fix_row *row = rows + (unsigned)__builtin_ctzll(given);
        const uint8_t *from = (const uint8_t *)r + row->offset;
        uint8_t *value = o + row->head_len;
        size_t n = 0;
        gw_store8(o, gw_load8(row->head));
        switch ((enum gw_fix_way)row->way) {
        case GW_FIX_WAY_TEXT: n = put_text(from, row->stop, value); break;
        case GW_FIX_WAY_ENUM: *value = block[row->at + *from]; n = *value != 0; break;
        case GW_FIX_WAY_CHAR: *value = row->stop; n = 1; break;
        case GW_FIX_WAY_PRICE: n = put_decimal(&price, (int64_t)gw_load8(from), r->order.px_exp, value); break;
        case GW_FIX_WAY_QTY: n = put_quantity(&quantity, (int64_t)gw_load8(from), r->order.qty_exp, value); break;
        case GW_FIX_WAY_AVG: n = put_average(&price, (int64_t)gw_load8(from), r->avg_px_exp, value); break;
        case GW_FIX_WAY_TIME: n = put_time(w->h, (int64_t)gw_load8(from), value); break;
        case GW_FIX_WAY_ASK:
            if (row->flags & GW_FIX_ROW_IF && *from != row->map)
                continue;
            break;
        default: __builtin_unreachable(); /* gw_fix_dialect_check has seen to it */
        }
        if (__builtin_expect(n != 0, 1)) {
            o = value + n;
            continue;
        }
        int wrote = write_asking(w, rows, row, value);
        if (wrote < 0)
            return fault(f, wrote, (uint32_t)(o - body), row->tag, bit_of(row));
        o = wrote ? value + wrote : o;
    }
    *o = GW_FIX_SOH;
    return (int)(o - body);
}

/* The sum of out[0..n) modulo 256. 64 bytes behind them are overwritten. */
GW_WITH_AVX2 static inline unsigned sum_here(uint8_t *out, size_t n)
{
    const __m256i zero = _mm256_setzero_si256();
    __m256i even = zero, odd = zero;
    _mm256_storeu_si256((__m256i *)(void *)(out + n), zero);
    _mm256_storeu_si256((__m256i *)(void *)(out + n + 32), zero);
    for (size_t i = 0; i < n; i += 64) {
        even = _mm256_add_epi64(even, _mm256_sad_epu8(_mm256_loadu_si256((const __m256i *)(const void *)(out + i)), zero));
        odd = _mm256_add_epi64(odd, _mm256_sad_epu8(_mm256_loadu_si256((const __m256i *)(const void *)(out + i + 32)), zero));
    }
    return sum_of_lanes(_mm256_add_epi64(even, odd));
}

/* Whether check_given finds nothing wrong. */
GW_WITH_AVX2 static inline bool is_sayable(const gw_fix_message *m, const gw_report *r)
{
    return !((m->need_out & ~r->order.has) | (m->need_out2 & ~r->has2) | (r->order.has & ~m->may_out) | (r->has2 & ~m->may_out2));
}

/* Copies h->kept, as short as it is, by few stores; returns where to. */
GW_WITH_AVX2 static inline uint8_t *copy_kept(const gw_fix_head *h, uint8_t *o)
{
    for (size_t i = 0; i < sizeof h->kept; i += 32)
        _mm256_storeu_si256((__m256i *)(void *)(o + i), _mm256_loadu_si256((const __m256i *)(const void *)(h->kept + i)));
    return o;
}

/* As gw_fix_open; the next header finds this one, if it is a usual one. */
__attribute__((noinline)) static int open_and_keep(gw_fix_head *h, uint32_t msg_type, uint8_t *out)
{
    uint32_t rest;
    int n = gw_fix_open(h, msg_type, out);
    if (n > 0 && gw_fix_is_usual(h, msg_type, &rest))
        gw_fix_keep_head(h, out, (size_t)n);
    return n;
}

/* Records that the message cannot say, a buffer near its end and messages of many rows are left to the plain way. */
GW_WITH_AVX2 static int encode_avx2(const gw_fix_dialect *d, unsigned message, gw_fix_head *h, const gw_report *r, uint8_t *out, size_t cap,
                                    gw_fault *f)
{
    uint32_t rest, number;
    const gw_fix_message *m = &messages_of(d)[message < d->message_count ? message : 0];
    if (message >= d->message_count || m->row_count > 64 || cap < room_of(m, h) || !is_sayable(m, r))
        return gw_fix_encode_plain(d, message, h, r, out, cap, f);
    *f = (gw_fault){0, 0, (uint16_t)message, GW_FAULT_NONE, GW_FAULT_NONE, 0};
    const writer w = {d, r, h};
    int head;
    if (__builtin_expect(gw_fix_is_kept(h, m->msg_type, &rest, &number), 1))
        head = (int)(gw_fix_renew(h, m->msg_type, rest, number, copy_kept(h, out)) - out);
    else
        head = open_and_keep(h, m->msg_type, out);
    if (head < 0)
        return fault(f, head, 0, GW_FAULT_NONE, GW_FAULT_NONE);
    int body = write_given(&w, m, out + head - 1, f);
    if (body < 0)
        return body;
    size_t length = gw_fix_put_length(out, h->begin_len, (size_t)head + (size_t)body);
    return gw_fix_put_trailer(out, length, sum_here(out, length));
}
#endif

int gw_fix_encode(const gw_fix_dialect *d, unsigned message, gw_fix_head *h, const gw_report *r, uint8_t *out, size_t cap, gw_fault *f)
{
#ifdef GW_FIX_AVX2
    if (gw_has_avx2())
        return encode_avx2(d, message, h, r, out, cap, f);
#endif
    return gw_fix_encode_plain(d, message, h, r, out, cap, f);
}
