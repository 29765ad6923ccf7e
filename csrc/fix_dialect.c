/* FIX messages and records: decode and encode by the tables of a dialect, and the check that makes any tables safe to run. */
#include "fix_text.h"
#include "fix_write.h"

#define SLACK 64 /* values are stored as whole words: so much may be written behind the last byte that counts */

_Static_assert(sizeof(gw_fix_row) == 32 && sizeof(gw_fix_message) == 72 && sizeof(gw_fix_dialect) == 56, "no hidden padding");
_Static_assert(sizeof(gw_report) == GW_REPORT_SIZE, "records are as generated");

typedef enum gw_fix_kind kind;

static const gw_fix_message *messages_of(const gw_fix_dialect *d)
{
    return (const gw_fix_message *)(const void *)((const uint8_t *)d + d->message_at);
}

static const gw_fix_row *rows_of(const gw_fix_dialect *d)
{
    return (const gw_fix_row *)(const void *)((const uint8_t *)d + d->row_at);
}

static const uint8_t *map_of(const gw_fix_dialect *d, unsigned map)
{
    return (const uint8_t *)d + d->map_at + (size_t)map * GW_FIX_MAP_SIZE;
}

static int fault(gw_fault *f, int code, uint32_t offset, uint32_t tag, unsigned bit)
{
    f->code = code;
    f->offset = offset;
    f->field = (uint16_t)tag;
    f->bit = (uint16_t)bit;
    return code;
}

static unsigned bit_of(const gw_fix_row *row)
{
    return row->bit + (row->has_offset ? 64u : 0u);
}

/* ---- check ---- */

/* Most bytes of a value of this row on the wire. */
static size_t value_max(const gw_fix_row *row)
{
    switch ((kind)row->kind) {
    case GW_FIX_KIND_TEXT: case GW_FIX_KIND_NOTE: return row->width;
    case GW_FIX_KIND_UINT: return 20;
    case GW_FIX_KIND_CODE: return 3;
    case GW_FIX_KIND_PRICE: case GW_FIX_KIND_QTY: case GW_FIX_KIND_AVG: return 40;
    case GW_FIX_KIND_TIME: return 21;
    case GW_FIX_KIND_DATE: return 8;
    case GW_FIX_KIND_CONST: return row->text_len;
    default: return 1;
    }
}

static bool width_fits(const gw_fix_row *row)
{
    unsigned w = row->width;
    switch ((kind)row->kind) {
    case GW_FIX_KIND_NONE: return w == 1;
    case GW_FIX_KIND_TEXT: case GW_FIX_KIND_NOTE: return w >= 1 && w <= 64;
    case GW_FIX_KIND_UINT: return w == 1 || w == 2 || w == 4 || w == 8;
    case GW_FIX_KIND_CODE: return w == 1 || w == 2 || w == 4;
    case GW_FIX_KIND_PRICE: case GW_FIX_KIND_QTY: case GW_FIX_KIND_AVG: case GW_FIX_KIND_TIME: return w == 8;
    case GW_FIX_KIND_DATE: return w == 4 || w == 8;
    case GW_FIX_KIND_ENUM: case GW_FIX_KIND_BOOL: case GW_FIX_KIND_MARK: case GW_FIX_KIND_CONST: return w == 1;
    default: return false;
    }
}

static bool all_printable(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] < 32 || p[i] > 126)
            return false;
    return true;
}

/* What a map writes: printable characters, for none 0. */
static bool map_is_sound(const uint8_t *map, kind k)
{
    for (size_t i = 256; k == GW_FIX_KIND_ENUM && i < GW_FIX_MAP_SIZE; i++)
        if (map[i] && !all_printable(map + i, 1))
            return false;
    return true;
}

static bool row_is_sound(const gw_fix_dialect *d, const gw_fix_row *row)
{
    uint8_t head[24];
    size_t n = gw_write_uint(head, row->tag);
    head[n++] = '=';
    if (row->tag == 0 || row->tag > UINT16_MAX || row->head_len != n || memcmp(row->head, head, n) != 0)
        return false;
    if (!width_fits(row) || (uint32_t)row->offset + row->width > GW_REPORT_SIZE || row->bit > 63)
        return false;
    if (row->has_offset != 0 && row->has_offset != offsetof(gw_report, has2))
        return false;
    if (row->kind == GW_FIX_KIND_CODE && row->flags & GW_FIX_ROW_READ)
        return false;
    if (row->kind == GW_FIX_KIND_ENUM || row->kind == GW_FIX_KIND_CODE)
        return row->map < d->map_count && map_is_sound(map_of(d, row->map), (kind)row->kind);
    if (row->kind == GW_FIX_KIND_MARK)
        return all_printable(&row->map, 1);
    if (row->kind == GW_FIX_KIND_CONST)
        return row->text_len > 0 && (uint64_t)row->text_at + row->text_len <= d->text_size &&
               all_printable((const uint8_t *)d + d->text_at + row->text_at, row->text_len);
    return true;
}

static bool message_is_sound(const gw_fix_dialect *d, const gw_fix_message *m)
{
    if ((uint32_t)m->row_at + m->row_count > d->row_count || m->row_count > 255)
        return false;
    if (m->slot_shift < 22 || m->slot_shift > 31 || (uint64_t)m->slot_at + (1u << (32 - m->slot_shift)) > d->slot_count)
        return false;
    const uint8_t *slots = (const uint8_t *)d + d->slot_at + m->slot_at;
    for (size_t i = 0; i < 1u << (32 - m->slot_shift); i++)
        if (slots[i] > m->row_count)
            return false;
    size_t most = 0;
    for (size_t i = 0; i < m->row_count; i++) {
        const gw_fix_row *row = &rows_of(d)[m->row_at + i];
        if (!row_is_sound(d, row))
            return false;
        most += row->flags & GW_FIX_ROW_WRITE ? row->head_len + value_max(row) + 1 : 0;
    }
    return most <= m->body_max && m->body_max <= GW_FIX_BODY_MAX && m->msg_type != 0;
}

/* Whether `count` things of `size` bytes at `at` lie inside n bytes. */
static bool inside(size_t n, uint32_t at, uint32_t count, size_t size)
{
    return at >= sizeof(gw_fix_dialect) && at <= n && count <= (n - at) / size;
}

int gw_fix_dialect_check(const void *p, size_t n)
{
    const gw_fix_dialect *d = p;
    if (n < sizeof *d || n > INT32_MAX || ((uintptr_t)p & 7))
        return GW_E_TABLE;
    if (d->magic != GW_FIX_DIALECT_MAGIC || d->version != GW_FIX_DIALECT_VERSION || d->size != n)
        return GW_E_TABLE;
    if (d->record_size != GW_REPORT_SIZE || (d->message_at & 7) || (d->row_at & 7))
        return GW_E_TABLE;
    if (!inside(n, d->message_at, d->message_count, sizeof(gw_fix_message)) || !inside(n, d->row_at, d->row_count, sizeof(gw_fix_row)))
        return GW_E_TABLE;
    if (!inside(n, d->slot_at, d->slot_count, 1) || !inside(n, d->map_at, d->map_count, GW_FIX_MAP_SIZE) ||
        !inside(n, d->text_at, d->text_size, 1))
        return GW_E_TABLE;
    for (size_t i = 0; i < d->message_count; i++)
        if (!message_is_sound(d, &messages_of(d)[i]))
            return GW_E_TABLE;
    return (int)n;
}

int gw_fix_message_index(const gw_fix_dialect *d, uint32_t msg_type)
{
    for (int i = 0; i < d->message_count; i++)
        if (messages_of(d)[i].msg_type == msg_type)
            return i;
    return GW_E_TYPE;
}

/* ---- decode ---- */

/* Whether all eight bytes of x are printable ASCII. */
static inline bool is_printable8(uint64_t x)
{
    return (((x - 0x2020202020202020u) | (x + GW_ONES) | x) & 0x8080808080808080u) == 0;
}

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

/* ---- encode ---- */

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
