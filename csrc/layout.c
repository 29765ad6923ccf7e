/* The interpreter of binary layouts; see layout.h. Every offset it follows was found sound by gw_layout_check. */
#include "layout.h"

#include "cursor.h"

_Static_assert(sizeof(gw_order) == GW_ORDER_SIZE && sizeof(gw_report) == GW_REPORT_SIZE, "records.h is the layout's");
_Static_assert(offsetof(gw_order, has) == 0 && offsetof(gw_report, has2) == GW_ORDER_SIZE, "where the presence words are");
_Static_assert(sizeof(gw_op) == 24 && sizeof(gw_imply) == 16 && sizeof(gw_range) == 32 && sizeof(gw_map) == 1024, "table entries");
_Static_assert(sizeof(gw_message) == 56 && sizeof(gw_dispatch) == 8 && sizeof(gw_layout) == 136 && sizeof(gw_value) == 40, "table entries");

#define NONE16 GW_FAULT_NONE
#define BIT_PX_EXP GW_HAS_PX_EXP
#define BIT_QTY_EXP GW_HAS_QTY_EXP

static const int64_t pow10[19] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000, 10000000000, 100000000000,
                                  1000000000000, 10000000000000, 100000000000000, 1000000000000000, 10000000000000000,
                                  100000000000000000, 1000000000000000000};

/* ---- the parts of a table ---- */

static const void *part(const gw_layout *l, uint32_t at) { return (const uint8_t *)l + at; }
static const gw_message *message_of(const gw_layout *l, unsigned i) { return (const gw_message *)part(l, l->message_at) + i; }
static const gw_op *op_of(const gw_layout *l, unsigned i) { return (const gw_op *)part(l, l->op_at) + i; }
static const gw_map *map_of(const gw_layout *l, unsigned i) { return (const gw_map *)part(l, l->map_at) + i; }
static const gw_range *range_of(const gw_layout *l, unsigned i) { return (const gw_range *)part(l, l->range_at) + i; }
static const gw_imply *imply_of(const gw_layout *l, unsigned i) { return (const gw_imply *)part(l, l->imply_at) + i; }

static int fault(gw_fault *f, int code, size_t offset, unsigned field, unsigned bit)
{
    f->code = code;
    f->offset = (uint32_t)offset;
    f->field = (uint16_t)field;
    f->bit = (uint16_t)(bit == GW_NONE ? NONE16 : bit);
    return code;
}

static int op_fault(gw_fault *f, int code, size_t offset, const gw_op *op) { return fault(f, code, offset, op->field, op->bit); }

static void no_fault(gw_fault *f)
{
    *f = (gw_fault){.message = NONE16, .field = NONE16, .bit = NONE16};
}

/* ---- presence ---- */

static uint64_t word(const uint8_t *record, unsigned bit) { return gw_get(record + (bit < 64 ? 0 : GW_ORDER_SIZE), 8, 0); }
static int given(const uint8_t *record, unsigned bit) { return (int)(word(record, bit) >> (bit & 63) & 1); }
static void give(uint8_t *record, unsigned bit)
{
    gw_put(record + (bit < 64 ? 0 : GW_ORDER_SIZE), 8, 0, word(record, bit) | (uint64_t)1 << (bit & 63));
}

/* ---- frames and dispatch ---- */

int gw_layout_frame(const gw_layout *l, const uint8_t *p, size_t n, gw_fault *f)
{
    uint64_t total = l->fixed;
    no_fault(f);
    if (l->length_width) {
        if (n < (size_t)l->length_at + l->length_width) return GW_NEED_MORE;
        total = gw_get(p + l->length_at, l->length_width, l->big) + l->after;
    }
    if (total < l->least || total > l->most || total % l->multiple) return fault(f, GW_E_FRAME, l->length_at, NONE16, GW_NONE);
    return n < total ? GW_NEED_MORE : (int)total;
}

/* The message whose first n bytes are at p; what tells it must be among them. */
static int find(const gw_layout *l, int from, const uint8_t *p, size_t n, gw_fault *f)
{
    const gw_dispatch *table = part(l, l->dispatch_at);
    unsigned at = l->type_at, width = l->type_width, low = 0, high = l->dispatch_count;
    uint32_t key = 0;
    if (from != GW_FROM_CLIENT && from != GW_FROM_VENUE) return fault(f, GW_E_ARGUMENT, 0, NONE16, GW_NONE);
    if (n < at + width) return fault(f, GW_E_SHORT, n, NONE16, GW_NONE);
    key = (uint32_t)gw_get(p + at, width, l->big);
    if (key == l->carrier[from]) {
        at = l->inner_at;
        width = l->inner_width;
        if (n < at + width) return fault(f, GW_E_SHORT, n, NONE16, GW_NONE);
        key = (uint32_t)gw_get(p + at, width, l->big) | 1u << 16;
    }
    key |= (uint32_t)from << 24;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (table[middle].key < key) low = middle + 1;
        else high = middle;
    }
    if (low == l->dispatch_count || table[low].key != key) return fault(f, GW_E_TYPE, at, NONE16, GW_NONE);
    f->message = table[low].message;
    return table[low].message;
}

int gw_layout_message(const gw_layout *l, int from, char kind)
{
    for (int i = 0; i < l->message_count; i++) {
        const gw_message *m = message_of(l, (unsigned)i);
        if (m->bound && m->kind == kind && (m->from == from || m->from == 2)) return i;
    }
    return -1;
}

/* ---- values ---- */

static const gw_value *value_of(const gw_values *values, unsigned src)
{
    unsigned i = src & 63;
    if (!values || src == GW_SRC_RECORD) return NULL;
    if ((src & 192) == GW_SRC_INSTRUMENT) return i < values->instrument_count && values->instrument[i].given ? &values->instrument[i] : NULL;
    return i < values->session_count && values->session[i].given ? &values->session[i] : NULL;
}

/* A high bit for each byte of v that is not 0x20 to 0x7E: 0x80 and above, 0x7F, below 0x20. A carry comes from such a byte only. */
static uint64_t odd_bytes(uint64_t v)
{
    const uint64_t ones = 0x0101010101010101u, high = 0x80 * ones;
    return (v | (v + ones) | (((v | high) - 0x20 * ones) ^ high)) & high;
}

/* Are these n bytes 0x20 to 0x7E? Eight at a time, the last eight (or four) once more where n is not a multiple. */
static int printable(const uint8_t *p, size_t n)
{
    const uint64_t blanks = 0x2020202000000000u;
    uint64_t odd = 0;
    if (n >= 8) {
        for (size_t i = 0; i + 8 < n; i += 8) odd |= odd_bytes(gw_get(p + i, 8, 0));
        return !(odd | odd_bytes(gw_get(p + n - 8, 8, 0)));
    }
    if (n >= 4) return !(odd_bytes(gw_get(p, 4, 0) | blanks) | odd_bytes(gw_get(p + n - 4, 4, 0) | blanks));
    while (n) odd |= odd_bytes(p[--n] | 0x2020202020202000u);
    return !odd;
}

static size_t text_length(const uint8_t *p, size_t n)
{
    const uint8_t *nul = memchr(p, 0, n);
    return nul ? (size_t)(nul - p) : n;
}

/* v × 10^power, exact. */
static int scaled(int64_t v, int power, int64_t *out)
{
    *out = v;
    if (v == 0 || power == 0) return 0;
    if (power < -18) return GW_E_SCALE;
    if (power > 18) return GW_E_RANGE;
    if (power < 0) {
        if (v % pow10[-power]) return GW_E_SCALE;
        *out = v / pow10[-power];
        return 0;
    }
    return __builtin_mul_overflow(v, pow10[power], out) ? GW_E_RANGE : 0;
}

/* ---- decoding one field: 1 given, 0 absent, or a fault ---- */

static int decode_number(const gw_layout *l, const gw_values *values, const gw_op *op, const uint8_t *p, uint8_t *out)
{
    uint64_t raw = gw_get(p, op->width, l->big), all = op->rwidth == 8 ? ~(uint64_t)0 : ((uint64_t)1 << 8 * op->rwidth) - 1;
    int rsigned = op->flags & GW_F_RSIGNED, rc;
    const gw_value *base = (op->src & 192) == GW_SRC_BASE ? value_of(values, op->src) : NULL;
    int64_t v;
    if ((op->flags & GW_F_ABSENT) && raw == op->absent) return 0;
    if (op->map != NONE16 && (range_of(l, op->map)->flags & 4) && raw == range_of(l, op->map)->alt) return 0;
    if ((op->src & 192) == GW_SRC_BASE && !base) return 0;
    if (!(op->flags & GW_F_SIGNED) && !rsigned) {
        if (raw > all) return GW_E_RANGE;
        gw_put(out + op->rec, op->rwidth, 0, raw);
        return 1;
    }
    v = op->flags & GW_F_SIGNED ? gw_signed(raw, op->width) : (int64_t)raw;
    if (!(op->flags & GW_F_SIGNED) && raw > INT64_MAX) return GW_E_RANGE;
    if (op->scale && (rc = scaled(v, op->exp - (op->scale == 1 ? l->px_exp : l->qty_exp), &v))) return rc;
    if (base && __builtin_add_overflow(v, base->number, &v)) return GW_E_RANGE;
    if (rsigned ? gw_signed((uint64_t)v & all, op->rwidth) != v : v < 0 || (uint64_t)v > all) return GW_E_RANGE;
    gw_put(out + op->rec, op->rwidth, 0, (uint64_t)v & all);
    return 1;
}

static int decode_text(const gw_op *op, const uint8_t *p, uint8_t *out)
{
    uint8_t filler = op->flags & GW_F_SPACE ? ' ' : 0;
    size_t n = op->width;
    if (op->flags & GW_F_RIGHT)
        while (n && *p == filler) p++, n--;
    else
        while (n && p[n - 1] == filler) n--;
    if (!n) return 0;
    if (!printable(p, n)) return GW_E_TEXT;
    memset(out + op->rec, 0, op->rwidth);
    memcpy(out + op->rec, p, n);
    return 1;
}

static int decode_decimal(const gw_layout *l, const gw_op *op, const uint8_t *p, uint8_t *out)
{
    uint64_t v = gw_get(p, op->width, l->big);
    char digits[20];
    size_t n = sizeof digits;
    if ((op->flags & GW_F_ABSENT) && v == op->absent) return 0;
    do digits[--n] = (char)('0' + v % 10);
    while (v /= 10);
    memset(out + op->rec, 0, op->rwidth);
    memcpy(out + op->rec, digits + n, sizeof digits - n);
    return 1;
}

/* An unknown code is data when a venue says it, but nothing can be decided without a required one. */
static int decode_code(const gw_layout *l, const gw_op *op, int from, const uint8_t *p, uint8_t *out)
{
    unsigned known = map_of(l, op->map)->decode[*p];
    if ((op->flags & GW_F_ABSENT) && *p == op->absent) return 0;
    if (!known) return from == GW_FROM_VENUE && !(op->flags & GW_F_REQUIRED) ? 0 : GW_E_VALUE;
    gw_put(out + op->rec, op->rwidth, 0, (uint8_t)(known - 1));
    return 1;
}

static int decode_field(const gw_layout *l, const gw_values *values, const gw_op *op, int from, const uint8_t *p, size_t at, uint8_t *out, gw_fault *f)
{
    int rc = 1;
    if (op->kind == GW_OP_CHECK) return gw_get(p + at, op->width, l->big) == op->absent ? 1 : op_fault(f, GW_E_CONSTANT, at, op);
    if (op->bit == GW_NONE) return 1;
    switch (op->kind) {
    case GW_OP_INT: rc = decode_number(l, values, op, p + at, out); break;
    case GW_OP_TEXT: rc = decode_text(op, p + at, out); break;
    case GW_OP_ENUM: rc = decode_code(l, op, from, p + at, out); break;
    case GW_OP_DECIMAL: rc = decode_decimal(l, op, p + at, out); break;
    default: break;
    }
    if (rc == 0 && (op->flags & GW_F_REQUIRED)) rc = GW_E_MISSING;
    if (rc < 0) return op_fault(f, rc, at, op);
    if (rc) give(out, op->bit);
    return 1;
}

/* ---- a whole record, either way ---- */

static int zero(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i]) return 0;
    return 1;
}

static int record_field(const gw_layout *l, const gw_op *op, const uint8_t *p)
{
    size_t length;
    uint64_t v;
    switch (op->kind) {
    case GW_OP_TEXT:
        length = text_length(p, op->rwidth);
        if (!zero(p + length, op->rwidth - length)) return GW_E_PADDING;
        return printable(p, length) ? 0 : GW_E_TEXT;
    case GW_OP_ENUM:
        v = gw_get(p, op->rwidth, 0);
        return v < 256 && map_of(l, op->map)->decode[v] ? 0 : GW_E_VALUE;
    default: return 0;
    }
}

/* Where `in` has a byte that is not zero and belongs to no field that is given, or a presence bit of no field. */
static int padding_fault(const gw_layout *l, const gw_op *whole, const uint8_t *in, size_t at, gw_fault *f)
{
    unsigned first = (unsigned)(whole->absent & 0xFFFFFFFFu), count = (unsigned)(whole->absent >> 32);
    for (unsigned i = first; i < first + count; i++) {
        const gw_op *op = op_of(l, i);
        if ((op->bit == GW_NONE || !given(in, op->bit)) && !zero(in + op->rec, op->rwidth))
            return fault(f, GW_E_PADDING, at + op->rec, whole->field, op->bit);
    }
    return fault(f, GW_E_PADDING, at, whole->field, GW_NONE);
}

/* Copy the record at `in` to `out`, which may not overlap: fields that are given, all else zero. With `strict`, what is not given
 * must be zero already, so that one record has one form on the wire. `at` is the record's place in the frame, for faults. */
static int copy_record(const gw_layout *l, const gw_op *whole, const uint8_t *in, uint8_t *out, int strict, size_t at, gw_fault *f)
{
    unsigned first = (unsigned)(whole->absent & 0xFFFFFFFFu), count = (unsigned)(whole->absent >> 32);
    size_t size = whole->map ? GW_REPORT_SIZE : GW_ORDER_SIZE;
    uint64_t has[2] = {word(in, 0), whole->map ? word(in, 64) : 0}, known[2] = {0, 0};
    memset(out, 0, size);
    for (unsigned i = first; i < first + count; i++) {
        const gw_op *op = op_of(l, i);
        uint64_t bit = (uint64_t)1 << (op->bit & 63);
        int rc;
        if (op->bit == GW_NONE || !(has[op->bit >> 6 & 1] & bit)) continue;
        if ((rc = record_field(l, op, in + op->rec))) return fault(f, rc, at + op->rec, whole->field, op->bit);
        known[op->bit >> 6 & 1] |= bit;
        if (op->kind == GW_OP_TEXT) memcpy(out + op->rec, in + op->rec, op->rwidth);
        else gw_put(out + op->rec, op->rwidth, 0, gw_get(in + op->rec, op->rwidth, 0));
    }
    if (known[0] != has[0] || known[1] != has[1]) return fault(f, GW_E_PADDING, at, whole->field, GW_NONE);
    gw_put(out, 8, 0, has[0]);
    if (whole->map) gw_put(out + GW_ORDER_SIZE, 8, 0, has[1]);
    return strict && memcmp(in, out, size) ? padding_fault(l, whole, in, at, f) : 1;
}

/* ---- decode ---- */

static int decode_tags(const gw_layout *l, const gw_values *values, const gw_message *m, int from, const uint8_t *p, size_t total, uint8_t *out, gw_fault *f)
{
    gw_cursor c = {p + m->block, p + total, 0};
    uint64_t length = gw_take_number(&c, l->tag_total, l->big, GW_E_TAG), seen = 0;
    if (c.rc || length > (size_t)(c.end - c.p)) return fault(f, GW_E_TAG, m->block, NONE16, GW_NONE);
    if (length < (size_t)(c.end - c.p)) return fault(f, GW_E_LONG, (size_t)(c.p - p) + length, NONE16, GW_NONE);
    while (c.p < c.end) {
        size_t at = (size_t)(c.p - p);
        uint64_t size = gw_take_number(&c, l->tag_length, l->big, GW_E_TAG), tag = gw_take_number(&c, l->tag_width, l->big, GW_E_TAG);
        if (c.rc || size < l->tag_counted || !gw_take(&c, size - l->tag_counted, GW_E_TAG)) return fault(f, GW_E_TAG, at, NONE16, GW_NONE);
        size -= l->tag_counted;
        unsigned i = tag < 256 ? map_of(l, m->tag_map)->decode[tag] : 0u;
        if (i && i <= m->tag_count) {
            const gw_op *op = op_of(l, m->tag_first + i - 1u);
            int rc;
            if (op->width != size || (seen >> (i - 1) & 1)) return op_fault(f, GW_E_TAG, at, op);
            seen |= (uint64_t)1 << (i - 1);
            if ((rc = decode_field(l, values, op, from, p, (size_t)(c.p - p) - size, out, f)) < 0) return rc;
        }
    }
    return 1;
}

static int decode_implied(const gw_layout *l, const gw_message *m, uint8_t *out, gw_fault *f)
{
    for (unsigned i = 0; i < m->imply_count; i++) {
        const gw_imply *im = imply_of(l, m->imply_first + i);
        if (im->condition != GW_NONE && given(out, im->condition) != im->sense) continue;
        if (given(out, im->bit) && gw_get(out + im->rec, im->rwidth, 0) != im->value) return fault(f, GW_E_VALUE, 0, NONE16, im->bit);
        gw_put(out + im->rec, im->rwidth, 0, im->value);
        give(out, im->bit);
    }
    return 1;
}

int gw_decode(const gw_layout *l, const gw_values *values, int from, const uint8_t *p, size_t n, void *record, gw_fault *f)
{
    uint8_t *out = record;
    int total = gw_layout_frame(l, p, n, f), index, rc;
    const gw_message *m;
    if (total <= 0) return total;
    if ((index = find(l, from, p, (size_t)total, f)) < 0) return index;
    m = message_of(l, (unsigned)index);
    if (total < m->minimum) return fault(f, GW_E_SHORT, (size_t)total, NONE16, GW_NONE);
    if (total > m->block && !m->rest && !m->tags) return fault(f, GW_E_LONG, m->block, NONE16, GW_NONE);
    memset(out, 0, 8);
    if (from == GW_FROM_VENUE) memset(out + GW_ORDER_SIZE, 0, 8);
    for (unsigned i = 0; i < m->op_count; i++) {
        const gw_op *op = op_of(l, m->op_first + i);
        if (op->kind == GW_OP_RECORD) {
            if ((rc = copy_record(l, op, p + op->wire, out, 1, op->wire, f)) < 0) return rc;
        } else if (op->wire + op->width > total) {
            if (op->flags & GW_F_REQUIRED) return op_fault(f, GW_E_MISSING, (size_t)total, op);
        } else if ((rc = decode_field(l, values, op, from, p, op->wire, out, f)) < 0)
            return rc;
    }
    if (total > m->block && m->tags && (rc = decode_tags(l, values, m, from, p, (size_t)total, out, f)) < 0) return rc;
    if ((rc = decode_implied(l, m, out, f)) < 0) return rc;
    if (m->bound == 1) {
        out[offsetof(gw_order, px_exp)] = (uint8_t)l->px_exp;
        out[offsetof(gw_order, qty_exp)] = (uint8_t)l->qty_exp;
        give(out, BIT_PX_EXP);
        give(out, BIT_QTY_EXP);
    }
    return total;
}

/* ---- encoding one field to p: 1 written, 0 left as it is, or a fault ---- */

static int encode_wire(const gw_layout *l, const gw_op *op, uint64_t raw, uint8_t *p)
{
    const gw_range *r = op->map == NONE16 ? NULL : range_of(l, op->map);
    if ((op->flags & GW_F_ABSENT) && raw == op->absent) return GW_E_NULL;
    if (r && (r->flags & 4) && raw == r->alt) return GW_E_NULL;
    if (r && op->flags & GW_F_SIGNED) {
        int64_t v = gw_signed(raw, op->width);
        if (((r->flags & 1) && v < (int64_t)r->low) || ((r->flags & 2) && v > (int64_t)r->high)) return GW_E_RANGE;
    } else if (r && (((r->flags & 1) && raw < r->low) || ((r->flags & 2) && raw > r->high)))
        return GW_E_RANGE;
    gw_put(p, op->width, l->big, raw);
    return 1;
}

static int encode_number(const gw_layout *l, const gw_values *values, const gw_op *op, const uint8_t *in, uint8_t *p, gw_fault *f)
{
    uint64_t raw = gw_get(in + op->rec, op->rwidth, 0), all = op->width == 8 ? ~(uint64_t)0 : ((uint64_t)1 << 8 * op->width) - 1;
    const gw_value *base = (op->src & 192) == GW_SRC_BASE ? value_of(values, op->src) : NULL;
    int64_t v;
    int rc;
    if ((op->src & 192) == GW_SRC_BASE && !base) return 0;
    if (!(op->flags & (GW_F_RSIGNED | GW_F_SIGNED))) return raw > all ? GW_E_RANGE : encode_wire(l, op, raw, p);
    v = op->flags & GW_F_RSIGNED ? gw_signed(raw, op->rwidth) : (int64_t)raw;
    if (!(op->flags & GW_F_RSIGNED) && raw > INT64_MAX) return GW_E_RANGE;
    if (op->scale) {
        unsigned bit = op->scale == 1 ? BIT_PX_EXP : BIT_QTY_EXP;
        size_t at = op->scale == 1 ? offsetof(gw_order, px_exp) : offsetof(gw_order, qty_exp);
        if (!given(in, bit)) {
            fault(f, GW_E_MISSING, op->wire, op->field, bit);
            return GW_E_MISSING;
        }
        if ((rc = scaled(v, (int8_t)in[at] - op->exp, &v))) return rc;
    }
    if (base && __builtin_sub_overflow(v, base->number, &v)) return GW_E_RANGE;
    if (op->flags & GW_F_SIGNED ? gw_signed((uint64_t)v & all, op->width) != v : v < 0 || (uint64_t)v > all) return GW_E_RANGE;
    return encode_wire(l, op, (uint64_t)v & all, p);
}

/* n characters, padded to the field's width; the field is not touched when they do not fit. */
static int encode_text(const gw_op *op, const uint8_t *text, size_t n, uint8_t *p)
{
    uint8_t filler = op->flags & GW_F_SPACE ? ' ' : 0;
    int right = op->flags & GW_F_RIGHT;
    if (!n) return GW_E_NULL;
    if (n > op->width || !printable(text, n) || text[right ? 0 : n - 1] == filler) return GW_E_TEXT;
    memset(p, filler, op->width);
    memcpy(right ? p + op->width - n : p, text, n);
    return 1;
}

static int encode_decimal(const gw_layout *l, const gw_op *op, const uint8_t *text, size_t n, uint8_t *p)
{
    uint64_t v = 0;
    if (!n || (n > 1 && *text == '0')) return GW_E_TEXT;
    for (size_t i = 0; i < n; i++) {
        if (text[i] < '0' || text[i] > '9') return GW_E_TEXT;
        if (__builtin_mul_overflow(v, (uint64_t)10, &v) || __builtin_add_overflow(v, (uint64_t)(text[i] - '0'), &v)) return GW_E_RANGE;
    }
    if (op->width < 8 && v >> 8 * op->width) return GW_E_RANGE;
    return encode_wire(l, op, v, p);
}

static int encode_code(const gw_layout *l, const gw_op *op, const uint8_t *in, uint8_t *p)
{
    uint64_t v = gw_get(in + op->rec, op->rwidth, 0);
    unsigned code = v < 256 ? map_of(l, op->map)->encode[v] : 0;
    if (!code) return GW_E_VALUE;
    *p = (uint8_t)(code - 1);
    return 1;
}

/* A value of the session or the instrument is already as on the wire. */
static int encode_value(const gw_layout *l, const gw_op *op, const gw_value *value, uint8_t *p)
{
    size_t n = value->len < sizeof value->text ? value->len : sizeof value->text;
    if (op->kind == GW_OP_TEXT) return encode_text(op, (const uint8_t *)value->text, n, p);
    if (op->kind == GW_OP_ENUM) {
        if (n != 1) return GW_E_TEXT;
        *p = (uint8_t)value->text[0];
        return 1;
    }
    if (op->kind != GW_OP_INT && op->kind != GW_OP_DECIMAL) return GW_E_ARGUMENT;
    if (op->flags & GW_F_SIGNED ? gw_signed((uint64_t)value->number, op->width) != value->number
                                : value->number < 0 || (op->width < 8 && value->number >> 8 * op->width))
        return GW_E_RANGE;
    return encode_wire(l, op, op->width == 8 ? (uint64_t)value->number : (uint64_t)value->number & (((uint64_t)1 << 8 * op->width) - 1), p);
}

static int encode_field(const gw_layout *l, const gw_values *values, const gw_op *op, const uint8_t *in, uint8_t *p, size_t at, gw_fault *f)
{
    const gw_value *value = (op->src & 192) == GW_SRC_BASE ? NULL : value_of(values, op->src);
    const uint8_t *field = in + op->rec;
    int here = op->bit != GW_NONE && given(in, op->bit), rc = 0;
    if (value && (!here || (op->src & 192) == GW_SRC_INSTRUMENT)) rc = encode_value(l, op, value, p + at);
    else if (!here) {
        if (op->flags & GW_F_REQUIRED) rc = GW_E_MISSING;
    } else if (op->kind == GW_OP_INT) {
        no_fault(f);
        rc = encode_number(l, values, op, in, p + at, f);
        if (rc < 0 && f->code) return rc;
    } else if (op->kind == GW_OP_TEXT) rc = encode_text(op, field, text_length(field, op->rwidth), p + at);
    else if (op->kind == GW_OP_DECIMAL) rc = encode_decimal(l, op, field, text_length(field, op->rwidth), p + at);
    else if (op->kind == GW_OP_ENUM) rc = encode_code(l, op, in, p + at);
    if (rc < 0 && (op->flags & GW_F_BEST)) rc = 0;
    return rc < 0 ? op_fault(f, rc, at, op) : rc;
}

/* ---- encode ---- */

static unsigned lowest(uint64_t v)
{
    return (unsigned)__builtin_ctzll(v);
}

/* What the message cannot carry, or says otherwise by itself. */
static int check_expressible(const gw_layout *l, const gw_message *m, const uint8_t *in, gw_fault *f)
{
    for (unsigned w = 0; w <= (m->from == GW_FROM_VENUE); w++) {
        uint64_t cannot = word(in, 64 * w) & ~m->can[w];
        if (cannot) return fault(f, GW_E_REFUSED, 0, NONE16, 64 * w + lowest(cannot));
    }
    for (unsigned i = 0; i < m->imply_count; i++) {
        const gw_imply *im = imply_of(l, m->imply_first + i);
        if (im->condition != GW_NONE && given(in, im->condition) != im->sense) continue;
        if (given(in, im->bit) && gw_get(in + im->rec, im->rwidth, 0) != im->value) return fault(f, GW_E_REFUSED, 0, NONE16, im->bit);
    }
    return 1;
}

static int finish(const gw_layout *l, uint8_t *out, size_t n, gw_fault *f)
{
    if (n < l->least || n > l->most || n % l->multiple) return fault(f, GW_E_FRAME, 0, NONE16, GW_NONE);
    if (!l->length_width) return n == l->fixed ? (int)n : fault(f, GW_E_FRAME, 0, NONE16, GW_NONE);
    if (n < l->after || (l->length_width < 8 && (n - l->after) >> 8 * l->length_width)) return fault(f, GW_E_FRAME, l->length_at, NONE16, GW_NONE);
    gw_put(out + l->length_at, l->length_width, l->big, n - l->after);
    return (int)n;
}

/* Room for one more element of the appendage; its value is to be written at the returned place, 0 = no room. */
static size_t begin_tag(const gw_layout *l, const gw_op *op, uint8_t *out, size_t at, size_t cap)
{
    size_t head = (size_t)l->tag_length + l->tag_width;
    if (at > cap || cap - at < head + op->width) return 0;
    gw_put(out + at, l->tag_length, l->big, (uint64_t)op->width + l->tag_counted);
    gw_put(out + at + l->tag_length, l->tag_width, l->big, op->wire);
    return at + head;
}

/* Close the appendage that began at `block` and ends at `at`; returns the end of the message, 0 = too long for its length. */
static size_t end_tags(const gw_layout *l, const gw_message *m, uint8_t *out, size_t at)
{
    size_t length = at - m->block - l->tag_total;
    if (length >> 8 * l->tag_total) return 0;
    if (!length && m->tags != 2) return m->block;
    gw_put(out + m->block, l->tag_total, l->big, length);
    return at;
}

int gw_encode(const gw_layout *l, const gw_values *values, uint16_t msg, const void *record, uint8_t *out, size_t cap, gw_fault *f)
{
    const uint8_t *in = record;
    const gw_message *m;
    size_t at;
    int rc;
    no_fault(f);
    if (msg >= l->message_count || !message_of(l, msg)->bound) return fault(f, GW_E_ARGUMENT, 0, NONE16, GW_NONE);
    m = message_of(l, msg);
    f->message = msg;
    if (cap < (size_t)m->block + (m->tags ? l->tag_total : 0)) return fault(f, GW_E_SPACE, cap, NONE16, GW_NONE);
    if ((rc = check_expressible(l, m, in, f)) < 0) return rc;
    memcpy(out, part(l, m->template_at), m->block);
    for (unsigned i = 0; i < m->op_count; i++) {
        const gw_op *op = op_of(l, m->op_first + i);
        if (op->kind == GW_OP_RECORD) rc = copy_record(l, op, in, out + op->wire, 0, op->wire, f);
        else if (op->kind != GW_OP_CHECK) rc = encode_field(l, values, op, in, out, op->wire, f);
        f->message = msg;
        if (rc < 0) return rc;
    }
    at = m->block;
    if (m->tags) {
        at += l->tag_total;
        for (unsigned i = 0; i < m->said_count; i++) {
            const gw_op *op = op_of(l, m->said_first + i);
            const gw_value *value = (op->src & 192) == GW_SRC_BASE ? NULL : value_of(values, op->src);
            size_t place;
            if (!value && (op->bit == GW_NONE || !given(in, op->bit))) {
                if (op->flags & GW_F_REQUIRED) return op_fault(f, GW_E_MISSING, at, op);
                continue;
            }
            if (!(place = begin_tag(l, op, out, at, cap))) return op_fault(f, GW_E_SPACE, cap, op);
            rc = encode_field(l, values, op, in, out, place, f);
            f->message = msg;
            if (rc < 0) return rc;
            if (rc) at = place + op->width;
        }
        if (!(at = end_tags(l, m, out, at))) return fault(f, GW_E_RANGE, m->block, NONE16, GW_NONE);
    }
    return finish(l, out, at, f);
}

/* One value of gw_encode_fields to p. */
static int put_field(const gw_layout *l, const gw_op *op, const uint8_t *value, size_t n, uint8_t *p)
{
    uint64_t v;
    size_t i = op->width;
    switch (op->kind) {
    case GW_OP_ENUM:
        if (n != 1) return GW_E_TEXT;
        *p = *value;
        return 1;
    case GW_OP_TEXT: return n ? encode_text(op, value, n, p) : 1;
    case GW_OP_BYTES:
        if (n != op->width) return GW_E_RANGE;
        memcpy(p, value, n);
        return 1;
    case GW_OP_INT:
    case GW_OP_DECIMAL:
        if (n != 8) return GW_E_RANGE;
        v = gw_get(value, 8, 0);
        if (op->flags & GW_F_SIGNED ? gw_signed(v, op->width) != (int64_t)v : op->width < 8 && v >> 8 * op->width) return GW_E_RANGE;
        gw_put(p, op->width, l->big, op->width == 8 ? v : v & (((uint64_t)1 << 8 * op->width) - 1));
        return 1;
    case GW_OP_DIGITS:
        if (n != 8) return GW_E_RANGE;
        v = gw_get(value, 8, 0);
        memset(p, ' ', op->width);
        do {
            if (!i) return GW_E_RANGE;
            p[--i] = (uint8_t)('0' + v % 10);
        } while (v /= 10);
        return 1;
    default: return GW_E_ARGUMENT;
    }
}

int gw_encode_fields(const gw_layout *l, uint16_t msg, const uint8_t *tlv, size_t n, uint8_t *out, size_t cap, gw_fault *f)
{
    gw_cursor c = {tlv, tlv + n, 0};
    const gw_message *m;
    size_t end, at;
    int tagged = 0;
    no_fault(f);
    if (msg >= l->message_count) return fault(f, GW_E_ARGUMENT, 0, NONE16, GW_NONE);
    m = message_of(l, msg);
    f->message = msg;
    if (cap < (size_t)m->block + (m->tags ? l->tag_total : 0)) return fault(f, GW_E_SPACE, cap, NONE16, GW_NONE);
    memcpy(out, part(l, m->template_at), m->block);
    end = m->minimum;
    at = m->block + (m->tags ? l->tag_total : 0u);
    while (c.p < c.end) {
        unsigned field = (unsigned)gw_take_number(&c, 2, 0, GW_E_ARGUMENT), behind = (unsigned)(m->wire_count + m->rest);
        size_t length = gw_take_number(&c, 2, 0, GW_E_ARGUMENT), place;
        const uint8_t *value = gw_take(&c, length, GW_E_ARGUMENT);
        const gw_op *op;
        int rc;
        if (c.rc || !value || field >= behind + m->tag_count) return fault(f, GW_E_ARGUMENT, 0, field, GW_NONE);
        if (m->rest && field + 1u == behind) {
            if (at != m->block || cap - at < length) return fault(f, at == m->block ? GW_E_SPACE : GW_E_ARGUMENT, at, field, GW_NONE);
            memcpy(out + at, value, length);
            at += length;
            end = at;
            continue;
        }
        op = op_of(l, field < m->wire_count ? m->wire_first + field : m->tag_first + field - behind);
        place = op->wire;
        if (field >= behind && !(place = begin_tag(l, op, out, at, cap))) return fault(f, GW_E_SPACE, cap, field, GW_NONE);
        if ((rc = put_field(l, op, value, length, out + place)) < 0) return fault(f, rc, place, field, GW_NONE);
        if (field >= behind) {
            at = place + op->width;
            tagged = 1;
        } else if (place + op->width > end) end = place + op->width;
    }
    if (m->tags && (tagged || m->tags == 2)) {
        if (!(end = end_tags(l, m, out, at))) return fault(f, GW_E_RANGE, m->block, NONE16, GW_NONE);
    }
    return finish(l, out, end, f);
}

int gw_mask(const gw_layout *l, int from, uint8_t *p, size_t n, gw_fault *f)
{
    const gw_message *m;
    int index, count = 0;
    no_fault(f);
    if ((index = find(l, from, p, n, f)) < 0) return index;
    m = message_of(l, (unsigned)index);
    for (unsigned i = 0; i < m->wire_count; i++) {
        const gw_op *op = op_of(l, m->wire_first + i);
        if (!(op->flags & GW_F_SECRET) || op->wire >= n) continue;
        size_t width = op->width < n - op->wire ? op->width : n - op->wire;
        memset(p + op->wire, '*', width);
        count += (int)width;
    }
    return count;
}

/* ---- is a table sound? ---- */

static int holds(const gw_layout *l, uint32_t at, size_t count, size_t each)
{
    return at >= sizeof *l && at % 8 == 0 && at <= l->size && count * each <= l->size - at;
}

static int sound_width(unsigned width) { return width == 1 || width == 2 || width == 4 || width == 8; }

/* Bytes [rec, rec + width) are a record's, and none of a presence word's. */
static int in_record(size_t rec, size_t width, size_t size)
{
    return width && rec >= 8 && rec + width <= size && !(rec < GW_ORDER_SIZE + 8 && rec + width > GW_ORDER_SIZE);
}

static int sound_bit(unsigned bit, size_t size) { return bit == GW_NONE || bit < (size == GW_ORDER_SIZE ? 64 : 128); }

static int sound_record(const gw_layout *l, const gw_op *whole, size_t size)
{
    unsigned first = (unsigned)(whole->absent & 0xFFFFFFFFu), count = (unsigned)(whole->absent >> 32);
    if (whole->map > 1 || (whole->map && size != GW_REPORT_SIZE) || first > l->op_count || count > l->op_count - first) return 0;
    size = whole->map ? GW_REPORT_SIZE : GW_ORDER_SIZE;
    for (unsigned i = first; i < first + count; i++) {
        const gw_op *op = op_of(l, i);
        if (!in_record(op->rec, op->rwidth, size) || !sound_bit(op->bit, size)) return 0;
        if (op->kind == GW_OP_ENUM && op->map >= l->map_count) return 0;
        if (op->kind != GW_OP_TEXT && op->bit != GW_NONE && !sound_width(op->rwidth)) return 0;
    }
    return 1;
}

/* An operation on a record of `size` bytes; where it lies on the wire is checked by the caller. */
static int sound_op(const gw_layout *l, const gw_op *op, size_t size)
{
    int number = op->kind == GW_OP_INT || op->kind == GW_OP_DECIMAL || op->kind == GW_OP_CHECK;
    unsigned source = op->src & 192u;
    if (!op->width || op->kind < GW_OP_INT || op->kind > GW_OP_FIXED || !sound_bit(op->bit, size) || op->scale > 2) return 0;
    if (number && !sound_width(op->width)) return 0;
    if (op->kind == GW_OP_INT && op->map != NONE16 && op->map >= l->range_count) return 0;
    if (op->kind == GW_OP_DECIMAL && op->map != NONE16 && op->map >= l->range_count) return 0;
    if (op->kind == GW_OP_ENUM && (op->width != 1 || (op->bit != GW_NONE && op->map >= l->map_count))) return 0;
    if (source == GW_SRC_RECORD && op->src) return 0;
    if (op->kind == GW_OP_RECORD) return 0; /* the caller has looked at those that may stand */
    if (op->bit == GW_NONE) return 1;
    if (!in_record(op->rec, op->rwidth, size)) return 0;
    if ((op->kind == GW_OP_INT || op->kind == GW_OP_ENUM) && !sound_width(op->rwidth)) return 0;
    if (op->kind == GW_OP_INT && op->scale && op->exp < (op->scale == 1 ? l->px_exp : l->qty_exp)) return 0;
    if (op->kind == GW_OP_TEXT && op->width > op->rwidth) return 0;
    if (op->kind == GW_OP_DECIMAL && op->rwidth < 20) return 0;
    return op->kind <= GW_OP_DECIMAL;
}

static int sound_message(const gw_layout *l, const gw_message *m)
{
    size_t size = m->from == GW_FROM_VENUE ? GW_REPORT_SIZE : GW_ORDER_SIZE;
    if (m->from > 2 || m->rest > 1 || m->tags > 2 || m->bound > 2 || (m->rest && m->tags) || (m->tags && !(l->tag_total && l->tag_length && l->tag_width))) return 0;
    if (m->block < l->least || m->minimum > m->block || m->minimum < l->least) return 0;
    if (m->template_at < l->template_at || m->template_at > l->size || m->block > l->size - m->template_at) return 0;
    if (m->op_first > l->op_count || m->op_count > l->op_count - m->op_first) return 0;
    if (m->wire_first > l->op_count || m->wire_count > l->op_count - m->wire_first) return 0;
    if (m->tag_first > l->op_count || m->tag_count > l->op_count - m->tag_first || m->tag_count > 64) return 0;
    if (m->tags && m->tag_map >= l->map_count) return 0;
    if (m->said_first > l->op_count || m->said_count > l->op_count - m->said_first) return 0;
    if (m->imply_first > l->imply_count || m->imply_count > l->imply_count - m->imply_first) return 0;
    for (unsigned i = 0; i < m->op_count; i++) {
        const gw_op *op = op_of(l, m->op_first + i);
        if (op->kind == GW_OP_RECORD) {
            if (!sound_record(l, op, size) || (size_t)op->wire + (op->map ? GW_REPORT_SIZE : GW_ORDER_SIZE) > m->minimum) return 0;
        } else if (!sound_op(l, op, size) || op->wire + op->width > m->block) return 0;
    }
    for (unsigned i = 0; i < m->wire_count; i++) {
        const gw_op *op = op_of(l, m->wire_first + i);
        if (op->kind < GW_OP_INT || op->kind > GW_OP_FIXED || op->wire + op->width > m->block || !op->width) return 0;
        if ((op->kind == GW_OP_INT || op->kind == GW_OP_DECIMAL) && !sound_width(op->width)) return 0;
    }
    for (unsigned i = 0; i < m->tag_count; i++)
        if (!sound_op(l, op_of(l, m->tag_first + i), size)) return 0;
    for (unsigned i = 0; i < m->said_count; i++)
        if (!sound_op(l, op_of(l, m->said_first + i), size)) return 0;
    for (unsigned i = 0; i < m->imply_count; i++) {
        const gw_imply *im = imply_of(l, m->imply_first + i);
        if (!in_record(im->rec, im->rwidth, size) || !sound_width(im->rwidth) || im->bit == GW_NONE) return 0;
        if (!sound_bit(im->bit, size) || !sound_bit(im->condition, size)) return 0;
    }
    return 1;
}

int gw_layout_check(const void *table, size_t n)
{
    const gw_layout *l = table;
    if (((uintptr_t)table & 7) || n < sizeof *l || l->magic != GW_LAYOUT_MAGIC || l->size != n || n > 1u << 26) return GW_E_TABLE;
    if (!holds(l, l->message_at, l->message_count, sizeof(gw_message)) || !holds(l, l->dispatch_at, l->dispatch_count, sizeof(gw_dispatch)) ||
        !holds(l, l->op_at, l->op_count, sizeof(gw_op)) || !holds(l, l->imply_at, l->imply_count, sizeof(gw_imply)) ||
        !holds(l, l->range_at, l->range_count, sizeof(gw_range)) || !holds(l, l->map_at, l->map_count, sizeof(gw_map)) ||
        !holds(l, l->template_at, l->template_size, 1))
        return GW_E_TABLE;
    if (l->big > 1 || !l->multiple || l->least < 1 || l->most > 1u << 24 || l->least > l->most || l->after > l->most || l->px_exp < -18 || l->px_exp > 18 ||
        l->qty_exp < -18 || l->qty_exp > 18)
        return GW_E_TABLE;
    if (l->length_width > 4 || l->length_width == 3 || (size_t)l->length_at + l->length_width > l->least || (!l->length_width && !l->fixed)) return GW_E_TABLE;
    if (l->type_width < 1 || l->type_width > 2 || (size_t)l->type_at + l->type_width > l->least || l->inner_width > 2) return GW_E_TABLE;
    if ((l->carrier[0] != UINT32_MAX || l->carrier[1] != UINT32_MAX) && !l->inner_width) return GW_E_TABLE;
    if (l->tag_total > 2 || l->tag_length > 2 || l->tag_width > 2 || l->tag_counted > 2) return GW_E_TABLE;
    for (unsigned i = 0; i < l->message_count; i++)
        if (!sound_message(l, message_of(l, i))) return GW_E_TABLE;
    for (unsigned i = 0; i < l->dispatch_count; i++) {
        const gw_dispatch *d = (const gw_dispatch *)part(l, l->dispatch_at) + i;
        unsigned from = d->key >> 24;
        if (d->message >= l->message_count || from > GW_FROM_VENUE || (i && d[-1].key >= d->key)) return GW_E_TABLE;
        if (message_of(l, d->message)->from != 2 && message_of(l, d->message)->from != from) return GW_E_TABLE;
    }
    return 1;
}
