/* Records to FIX messages: encode by the tables of a dialect. */
#include "fix_rows.h"
#include "fix_write.h"

#define SLACK 64 /* values are stored as whole words: so much may be written behind the last byte that counts */

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

static int write_time(gw_fix_head *h, int64_t ns, uint8_t *o)
{
    if (ns < 0)
        return GW_E_RANGE;
    int64_t second = ns / 1000000000;
    uint32_t ms = (uint32_t)(ns % 1000000000) / 1000000;
    if (second == h->second)
        memcpy(o, h->clock, 18);
    else
        gw_write_second(o, second);
    o[18] = (uint8_t)('0' + ms / 100);
    o[19] = (uint8_t)('0' + ms / 10 % 10);
    o[20] = (uint8_t)('0' + ms % 10);
    return 21;
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
    case GW_FIX_KIND_CONST: memcpy(o, (const uint8_t *)w->d + w->d->text_at + row->text_at, row->text_len); return row->text_len;
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

/* Whether `last`, the row written last, is of the alternatives before `row`: behind or at the last written row without ELSE. */
static bool other_was_written(const gw_fix_row *first, const gw_fix_row *row, const gw_fix_row *last)
{
    do
        row--;
    while (row > first && (!(row->flags & GW_FIX_ROW_WRITE) || row->flags & GW_FIX_ROW_ELSE));
    return last && last >= row;
}

/* Writes the rows that the record gives something for. Most are not given: that is asked first, and all else only of those that are. */
static int write_rows(const writer *w, const gw_fix_message *m, uint8_t *body, gw_fault *f)
{
    const gw_fix_row *first = rows_of(w->d) + m->row_at, *end = first + m->row_count, *last = NULL;
    const uint64_t has = w->r->order.has, has2 = w->r->has2;
    uint8_t *o = body;
    for (const gw_fix_row *row = first; row < end; row++) {
        bool given = (row->has_offset ? has2 : has) >> row->bit & 1;
        if (!given && row->kind != GW_FIX_KIND_CONST)
            continue;
        if (row->flags & GW_FIX_ROW_IF && (!given || ((const uint8_t *)w->r)[row->offset] != row->map))
            continue;
        if (!(row->flags & GW_FIX_ROW_WRITE) || (row->flags & GW_FIX_ROW_ELSE && row > first && other_was_written(first, row, last)))
            continue;
        memcpy(o, row->head, sizeof row->head);
        int n = write_value(w, row, o + row->head_len);
        if (n < 0)
            return fault(f, n, (uint32_t)(o - body), row->tag, bit_of(row));
        if (n == 0)
            continue;
        last = row;
        o += row->head_len + n;
        *o++ = 1;
    }
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
    int body = write_rows(w, m, out + head, f);
    if (body < 0)
        return body;
    return gw_fix_close(w->h, out, (size_t)head + (size_t)body);
}

int gw_fix_encode(const gw_fix_dialect *d, unsigned message, gw_fix_head *h, const gw_report *r, uint8_t *out, size_t cap, gw_fault *f)
{
    uint8_t scratch[GW_FIX_HEAD_MAX + GW_FIX_BODY_MAX + SLACK];
    *f = (gw_fault){0, 0, GW_FAULT_NONE, GW_FAULT_NONE, GW_FAULT_NONE, 0};
    if (message >= d->message_count)
        return fault(f, GW_E_ARGUMENT, 0, GW_FAULT_NONE, GW_FAULT_NONE);
    f->message = (uint16_t)message;
    const gw_fix_message *m = &messages_of(d)[message];
    const writer w = {d, r, h};
    int n = check_given(m, r, f);
    if (n < 0)
        return n;
    size_t head_max = (size_t)h->begin_len + h->before_len + h->between_len + h->after_len + 128; /* what gw_fix_open adds is < 100 */
    if (cap >= head_max + m->body_max + SLACK)
        return write_message(&w, m, out, f);
    n = write_message(&w, m, scratch, f); /* near the end of a buffer: words may not be stored there */
    if (n > 0 && (size_t)n > cap)
        return fault(f, GW_E_SPACE, 0, GW_FAULT_NONE, GW_FAULT_NONE);
    if (n > 0)
        memcpy(out, scratch, (size_t)n);
    return n;
}
