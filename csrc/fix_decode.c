/* FIX messages to records: decode by the tables of a dialect. */
#include "fix_rows.h"

/* Copies printable text of n bytes, n <= width, into a zeroed field. Eight bytes must be readable wherever a value begins. */
static inline int read_text(const uint8_t *p, size_t n, uint8_t *out, size_t width)
{
    size_t i = 0;
    if (n > width)
        return GW_E_TEXT;
    for (; i + 8 <= n; i += 8) {
        uint64_t x = gw_load8(p + i);
        if (!is_printable8(x))
            return GW_E_TEXT;
        gw_store8(out + i, x);
    }
    if (i == n)
        return 1;
    uint64_t keep = ~0ull >> (8 * (8 - (n - i))), x = gw_load8(p + i) & keep;
    if (!is_printable8(x | (0x2020202020202020u & ~keep)))
        return GW_E_TEXT;
    if (i + 8 <= width) {
        gw_store8(out + i, x);
        return 1;
    }
    for (; i < n; i++)
        out[i] = p[i];
    return 1;
}

static int read_note(const uint8_t *p, size_t n, uint8_t *out, size_t width)
{
    for (size_t i = 0; i < n && i < width; i++)
        out[i] = p[i] < 32 || p[i] > 126 ? '?' : p[i];
    return 1;
}

static int read_integer(const uint8_t *p, size_t n, uint8_t *out, size_t width)
{
    uint64_t v;
    if (!gw_read_uint(p, n, &v)) {
        for (size_t i = 0; i < n; i++)
            if (p[i] < '0' || p[i] > '9')
                return GW_E_FORMAT;
        return GW_E_RANGE;
    }
    if (width < 8 && v >> (8 * width))
        return GW_E_RANGE;
    gw_store_uint(out, width, v);
    return 1;
}

static int read_decimal(const uint8_t *p, size_t n, uint8_t *out, bool may_be_negative)
{
    int64_t v;
    switch (gw_read_decimal8(p, n, &v)) {
    case GW_NUM_BAD: return GW_E_FORMAT;
    case GW_NUM_PRECISE: return GW_E_SCALE;
    case GW_NUM_RANGE: return GW_E_RANGE;
    default: break;
    }
    if (v < 0 && !may_be_negative)
        return GW_E_RANGE;
    memcpy(out, &v, 8);
    return 1;
}

/* An average with as many decimals as it has. Returns 1, 0 if it needs more digits than an int64 holds, or a fault. */
static int read_average(const uint8_t *p, size_t n, int64_t *mantissa, int8_t *exponent)
{
    uint32_t few;
    unsigned places;
    if (gw_read_short(p, n, &few, &places)) {
        for (; places && few % 10 == 0; places--)
            few /= 10;
        *mantissa = few;
        *exponent = (int8_t) - (int)places;
        return 1;
    }
    const uint8_t *point = memchr(p, '.', n);
    int64_t v = 0;
    size_t negative = n > 0 && p[0] == '-', digits = 0, decimals = 0;
    bool fits = true;
    if (point)
        while (p[n - 1] == '0') /* ends at the point at the latest */
            n--;
    for (size_t i = negative; i < n; i++) {
        unsigned d = (unsigned)p[i] - '0';
        if (p + i == point)
            continue;
        if (d > 9)
            return GW_E_FORMAT;
        digits++;
        decimals += point && p + i > point;
        fits &= !__builtin_mul_overflow(v, 10, &v) && !__builtin_add_overflow(v, (int)d, &v);
    }
    if (digits == 0)
        return GW_E_FORMAT;
    *mantissa = negative ? -v : v;
    *exponent = (int8_t) - (int)(decimals > 18 ? 18 : decimals);
    return fits && decimals <= 18;
}

static int read_date(const uint8_t *p, size_t n, uint8_t *out, size_t width)
{
    uint32_t date;
    if (n != 8 || !gw_read_date8(p, &date))
        return GW_E_FORMAT;
    memcpy(out, &date, 4); /* the rest of a uint64 is zero already */
    return width >= 4;
}

static int read_mapped(const uint8_t *p, size_t n, uint8_t *out, const uint8_t *map)
{
    if (n != 1 || map[p[0]] == 0)
        return GW_E_VALUE;
    *out = map[p[0]];
    return 1;
}

/* Reads the value p[0..n), n > 0, of a row into the record. Returns 1, 0 if it is to be left absent, or a fault. */
static int read_value(const gw_fix_dialect *d, const gw_fix_row *row, const uint8_t *p, size_t n, gw_report *r)
{
    uint8_t *out = (uint8_t *)r + row->offset;
    int64_t ns;
    int done;
    switch ((kind)row->kind) {
    case GW_FIX_KIND_TEXT: return read_text(p, n, out, row->width);
    case GW_FIX_KIND_NOTE: return read_note(p, n, out, row->width);
    case GW_FIX_KIND_UINT: return read_integer(p, n, out, row->width);
    case GW_FIX_KIND_ENUM: return read_mapped(p, n, out, map_of(d, row->map));
    case GW_FIX_KIND_PRICE: return read_decimal(p, n, out, true);
    case GW_FIX_KIND_QTY: return read_decimal(p, n, out, false);
    case GW_FIX_KIND_AVG:
        done = read_average(p, n, &ns, &r->avg_px_exp);
        if (done != 1)
            r->avg_px_exp = 0;
        else
            r->has2 |= 1ull << GW_HAS2_AVG_PX_EXP, memcpy(out, &ns, 8);
        return done;
    case GW_FIX_KIND_TIME:
        if (!gw_read_time(p, n, &ns))
            return GW_E_FORMAT;
        memcpy(out, &ns, 8);
        return 1;
    case GW_FIX_KIND_DATE: return read_date(p, n, out, row->width);
    case GW_FIX_KIND_BOOL:
        if (n != 1 || (*p != 'Y' && *p != 'N'))
            return GW_E_FORMAT;
        *out = *p == 'Y';
        return 1;
    case GW_FIX_KIND_MARK:
        *out = n == 1 && *p == row->map;
        return *out ? 1 : GW_E_VALUE;
    default: return 0;
    }
}

/* The presence word of a row. The report is 832 bytes of naturally aligned words, has and has2 among them. */
static inline uint64_t *word_of(gw_report *r, const gw_fix_row *row)
{
    return row->has_offset ? &r->has2 : &r->order.has;
}

static void read_header(const gw_fix_message *m, const gw_fix_msg *in, gw_report *r)
{
    r->order.kind = (char)m->kind;
    r->order.msg_seq_num = in->msg_seq_num;
    r->order.px_exp = r->order.qty_exp = -8;
    r->order.has = 1ull << GW_HAS_KIND | 1ull << GW_HAS_MSG_SEQ_NUM | 1ull << GW_HAS_PX_EXP | 1ull << GW_HAS_QTY_EXP;
    if (in->sending_time) {
        r->order.sending_time = in->sending_time;
        r->order.has |= 1ull << GW_HAS_SENDING_TIME;
    }
    if (in->poss_dup) {
        r->poss_dup = 1;
        r->has2 |= 1ull << GW_HAS2_POSS_DUP;
    }
}

int gw_fix_decode(const gw_fix_dialect *d, const uint8_t *p, const gw_fix_msg *in, gw_report *out, gw_fault *f)
{
    memset(out, 0, d->record_size); /* the same as sizeof *out; not constant, so that it is no string instruction either */
    *f = (gw_fault){0, 0, GW_FAULT_NONE, GW_FAULT_NONE, GW_FAULT_NONE, 0};
    int index = gw_fix_message_index(d, in->msg_type);
    if (index < 0)
        return fault(f, index, in->msg_type_text.off, 35, GW_FAULT_NONE);
    f->message = (uint16_t)index;
    const gw_fix_message *m = &messages_of(d)[index];
    const gw_fix_row *rows = rows_of(d) + m->row_at;
    const uint8_t *slots = (const uint8_t *)d + d->slot_at + m->slot_at;
    read_header(m, in, out);
    for (size_t i = in->first_body; i < in->field_count; i++) {
        const gw_fix_field field = in->field[i];
        unsigned slot = slots[field.tag * m->slot_factor >> m->slot_shift];
        if (slot == 0)
            continue;
        const gw_fix_row *row = &rows[slot - 1];
        if (row->tag != field.tag || !(row->flags & GW_FIX_ROW_READ))
            continue;
        uint64_t *word = word_of(out, row), bit = 1ull << row->bit;
        int r = *word & bit ? GW_E_TAG : field.len == 0 ? GW_E_EMPTY : read_value(d, row, p + field.off, field.len, out);
        if (r < 0) {
            if (!(row->flags & GW_FIX_ROW_MILD))
                return fault(f, r, field.off, field.tag, bit_of(row));
            memset((uint8_t *)out + row->offset, 0, row->width);
            *word &= ~bit; /* also the first of two that differ */
            continue;
        }
        *word |= r ? bit : 0;
    }
    uint64_t missing = m->need_in & ~out->order.has, missing2 = m->need_in2 & ~out->has2;
    if (missing | missing2) {
        unsigned bit = (unsigned)(missing ? __builtin_ctzll(missing) : 64 + __builtin_ctzll(missing2));
        return fault(f, GW_E_MISSING, in->length, GW_FAULT_NONE, bit);
    }
    return index;
}
