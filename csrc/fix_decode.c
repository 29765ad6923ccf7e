/* FIX messages to records: decode by the tables of a dialect.
 *
 * `read_body` is the meaning: a field after the other, the first fault in their order. `read_good_body` gives the same for a message without
 * any fault, where most values have one of a few forms; when it meets anything else the record is begun again by the other. */
#include "fix_cpu.h"
#include "fix_rows.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

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
    *mantissa = negative && fits ? -v : v; /* what does not fit can have wrapped to the one number without a negative */
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

/* Puts what comes from the header into a record that is zero. */
static inline void read_header(const gw_fix_message *m, const gw_fix_msg *in, gw_report *r)
{
    const uint64_t has = 1ull << GW_HAS_KIND | 1ull << GW_HAS_MSG_SEQ_NUM | 1ull << GW_HAS_PX_EXP | 1ull << GW_HAS_QTY_EXP;
    r->order.kind = (char)m->kind;
    r->order.msg_seq_num = in->msg_seq_num;
    r->order.px_exp = r->order.qty_exp = -8;
    r->order.sending_time = in->sending_time;
    r->order.has = has | (uint64_t)(in->sending_time != 0) << GW_HAS_SENDING_TIME;
    r->poss_dup = in->poss_dup;
    r->has2 = (uint64_t)in->poss_dup << GW_HAS2_POSS_DUP;
}

static inline unsigned bits_of(uint64_t has, uint64_t has2)
{
    return (unsigned)(__builtin_popcountll(has) + __builtin_popcountll(has2));
}

/* What decoding one message is about. */
typedef struct {
    const gw_fix_dialect *d;
    const gw_fix_message *m;
    const uint8_t *frame;
    const gw_fix_msg *in;
    gw_report *out;
} decoder;

/* The slot where a tag has its row, if it has one: then the slot's tag is this one. */
static inline const gw_fix_slot *slot_of(const gw_fix_slot *slots, const gw_fix_message *m, uint32_t tag)
{
    return &slots[tag * m->slot_factor >> m->slot_shift];
}

/* ---- any message: the meaning ---- */

/* Reads a field of a row into the record. Returns 1 or a fault. */
static int take(const decoder *c, const gw_fix_row *row, const gw_fix_field *field, gw_fault *f)
{
    uint64_t *word = row->has_offset ? &c->out->has2 : &c->out->order.has, bit = 1ull << row->bit;
    int r = *word & bit ? GW_E_TAG : field->len == 0 ? GW_E_EMPTY : read_value(c->d, row, c->frame + field->off, field->len, c->out);
    if (r >= 0) {
        *word |= r ? bit : 0;
        return 1;
    }
    if (!(row->flags & GW_FIX_ROW_MILD))
        return fault(f, r, field->off, field->tag, bit_of(row));
    memset((uint8_t *)c->out + row->offset, 0, row->width);
    *word &= ~bit; /* also the first of two that differ */
    return 1;
}

/* Reads the body fields into a record that has but its header. Returns 1 or a fault. */
static __attribute__((noinline)) int read_body(const decoder *c, gw_fault *f)
{
    const gw_fix_row *rows = rows_of(c->d) + c->m->row_at;
    const gw_fix_slot *slots = slots_of(c->d, c->m);
    for (size_t i = c->in->first_body; i < c->in->field_count; i++) {
        const gw_fix_field *field = &c->in->field[i];
        const gw_fix_slot *slot = slot_of(slots, c->m, field->tag);
        int r = field->tag && slot->tag == field->tag ? take(c, &rows[slot->row], field, f) : 1;
        if (r < 0)
            return r;
    }
    return 1;
}

/* ---- the usual message ----
 *
 * No field comes twice and every value is a good one. The readers of values know the forms that most values have and say false,
 * nothing being written, of all others. */

#ifdef __SSE2__
/* Masks for text: the first n of `keep` + 16 - n are set. */
typedef struct {
    uint8_t keep[32];
    uint8_t one[16], space[16];
} text_masks;

#define X16(C) {C, C, C, C, C, C, C, C, C, C, C, C, C, C, C, C}
static const text_masks masks = {X16(255), X16(1), X16(' ')};

/* Printable text of n bytes, 1 to 16; sixteen can be loaded and stored. */
static inline bool short_text(const uint8_t *p, size_t n, uint8_t *out, const text_masks *k)
{
    __m128i x = _mm_loadu_si128((const __m128i *)(const void *)p), keep = _mm_loadu_si128((const __m128i *)(const void *)(k->keep + 16 - n));
    __m128i one = _mm_loadu_si128((const __m128i *)(const void *)k->one), space = _mm_loadu_si128((const __m128i *)(const void *)k->space);
    __m128i good = _mm_cmpgt_epi8(_mm_add_epi8(x, one), space); /* 127 and above are negative or 0 then */
    if (_mm_movemask_epi8(_mm_andnot_si128(good, keep)))
        return false;
    _mm_storeu_si128((__m128i *)(void *)out, _mm_and_si128(x, keep));
    return true;
}

/* The same of up to `most` bytes. */
static inline bool usual_text(const uint8_t *p, size_t n, size_t most, uint8_t *out, const text_masks *k)
{
    return n - 1 < most && short_text(p, n, out, k);
}
#else
typedef uint8_t text_masks;
static const text_masks masks = 0;

static inline bool usual_text(const uint8_t *p, size_t n, size_t most, uint8_t *out, const text_masks *k)
{
    (void)k;
    return n - 1 < most && read_text(p, n, out, 16) == 1;
}
#endif

static inline bool usual_decimal(const uint8_t *p, size_t n, uint8_t *out)
{
    uint32_t digits;
    unsigned decimals;
    if (!gw_read_short(p, n, &digits, &decimals))
        return false;
    gw_store8(out, digits * gw_pow10[8 - decimals]);
    return true;
}

/* A time of the same second as SendingTime, in ms. */
static inline bool usual_time(const uint8_t *frame, const uint8_t *p, size_t n, const gw_fix_msg *m, uint8_t *out)
{
    const uint8_t *sent = frame + m->sending_off;
    if (n != 21 || m->sending_off == 0)
        return false;
    uint32_t ms = gw_read_ms(p + 17);
    if (!gw_same_second(p, sent) || ms > 999)
        return false;
    gw_store8(out, (uint64_t)m->sending_time - (uint64_t)m->sending_time % 1000000000 + ms * 1000000ull);
    return true;
}

/* Puts an average of a few digits there as read_average does. */
static inline void put_average(uint32_t few, unsigned places, gw_report *r, uint8_t *out)
{
    for (; places && few % 10 == 0; places--)
        few /= 10;
    gw_store8(out, few);
    r->avg_px_exp = (int8_t) - (int)places;
    r->has2 |= 1ull << GW_HAS2_AVG_PX_EXP;
}

static inline bool usual_average(const uint8_t *p, size_t n, gw_report *r, uint8_t *out)
{
    uint32_t few;
    unsigned places;
    if (!gw_read_short(p, n, &few, &places))
        return false;
    put_average(few, places, r, out);
    return true;
}

typedef uint64_t presence __attribute__((vector_size(16))); /* both words */

/* What was read so far: the next field, which fields of the record are given, and how many were. */
typedef struct {
    const gw_fix_field *field;
    presence given;
    unsigned count;
} progress;

/* Reads on to the end of the message or the first field that is not as usual. It calls nothing, so that all it needs stays in registers. */
static inline __attribute__((always_inline)) void read_usual(const decoder *c, const gw_fix_slot *slots, uint32_t factor, unsigned shift, progress *so_far)
{
    const gw_fix_msg *in = c->in;
    const uint8_t *frame = c->frame, *maps = (const uint8_t *)c->d;
    const uint8_t *wide = frame + in->length - 16; /* the last place where sixteen bytes can be loaded */
    uint8_t *out = (uint8_t *)c->out;
    const gw_fix_field *field = so_far->field, *end = in->field + in->field_count;
    presence given = so_far->given, one;
    unsigned count = so_far->count;
    const text_masks *text = &masks;
    __asm__("" : "+r"(text)); /* otherwise the masks are made anew from numbers for each text */
    for (; field < end; field++) {
        const gw_fix_slot *slot = &slots[field->tag * factor >> shift];
        if (slot->tag != field->tag)
            continue;
        const uint8_t *v = frame + field->off;
        uint8_t *o = out + slot->offset;
        if (slot->kind == GW_FIX_KIND_TEXT) {
            if (v > wide || !usual_text(v, field->len, slot->most, o, text))
                break;
        } else if (slot->kind == GW_FIX_KIND_ENUM) {
            *o = maps[slot->map_at + *v];
            if (field->len != 1 || !*o)
                break;
        } else if (slot->kind == GW_FIX_KIND_PRICE || slot->kind == GW_FIX_KIND_QTY) {
            if (!usual_decimal(v, field->len, o))
                break;
        } else if (slot->kind == GW_FIX_KIND_TIME) {
            if (!usual_time(frame, v, field->len, in, o))
                break;
        } else if (slot->kind == GW_FIX_KIND_AVG) {
            if (!usual_average(v, field->len, c->out, o))
                break;
        } else {
            break;
        }
        memcpy(&one, &slot->has, sizeof one);
        given |= one;
        count++;
    }
    *so_far = (progress){field, given, count};
}

static __attribute__((noinline)) void read_usual_plain(const decoder *c, const gw_fix_slot *slots, uint32_t factor, unsigned shift, progress *so_far)
{
    read_usual(c, slots, factor, shift, so_far);
}

#ifdef GW_FIX_AVX2
GW_WITH_AVX2 static __attribute__((noinline)) void read_usual_avx2(const decoder *c, const gw_fix_slot *slots, uint32_t factor, unsigned shift, progress *so_far)
{
    read_usual(c, slots, factor, shift, so_far);
}
#endif

/* As read_body, and says true; or false, with anything in the record: ask read_body. */
static inline __attribute__((always_inline)) bool read_good_body(const decoder *c, bool avx2)
{
    (void)avx2;
    const gw_fix_slot *slots = slots_of(c->d, c->m);
    const gw_fix_field *end = c->in->field + c->in->field_count;
    progress at = {c->in->field + c->in->first_body, {c->out->order.has, c->out->has2}, bits_of(c->out->order.has, c->out->has2)};
    for (;; at.field++) {
#ifdef GW_FIX_AVX2
        if (avx2)
            read_usual_avx2(c, slots, c->m->slot_factor, c->m->slot_shift, &at);
        else
#endif
            read_usual_plain(c, slots, c->m->slot_factor, c->m->slot_shift, &at);
        if (at.field >= end)
            break;
        if (at.field->tag == 0) /* an invalid number looks like an empty slot's, which has no row */
            return false;
        const gw_fix_slot *slot = slot_of(slots, c->m, at.field->tag);
        const gw_fix_row *row = &rows_of(c->d)[c->m->row_at + slot->row];
        if (at.field->len == 0 || read_value(c->d, row, c->frame + at.field->off, at.field->len, c->out) != 1)
            return false;
        at.given |= (presence){slot->has, slot->has2};
        at.count++;
    }
    c->out->order.has = at.given[0];
    c->out->has2 |= at.given[1]; /* avg_px_exp's is there already */
    return at.count == bits_of(at.given[0], at.given[1]); /* else one came twice */
}

/* ---- both ---- */

/* What is wrong if a record lacks a field that its message needs. Returns 1 or the fault. */
static inline int check_needed(const decoder *c, gw_fault *f)
{
    uint64_t missing = c->m->need_in & ~c->out->order.has, missing2 = c->m->need_in2 & ~c->out->has2;
    if (!(missing | missing2))
        return 1;
    unsigned bit = (unsigned)(missing ? __builtin_ctzll(missing) : 64 + __builtin_ctzll(missing2));
    return fault(f, GW_E_MISSING, c->in->length, GW_FAULT_NONE, bit);
}

#ifdef GW_FIX_AVX2
_Static_assert(sizeof(gw_report) % 128 == 0, "cleared by four blocks of 32 bytes");

GW_WITH_AVX2 static inline void clear_by_block(gw_report *r)
{
    __m256i zero = _mm256_setzero_si256();
    for (uint8_t *p = (uint8_t *)r, *end = p + sizeof *r; p < end; p += 128) {
        __asm__("" : "+x"(zero)); /* what is seen to be a memset would become a call or, dearer still, a string instruction */
        for (size_t i = 0; i < 128; i += 32)
            _mm256_storeu_si256((__m256i *)(void *)(p + i), zero);
    }
}
#endif

static inline __attribute__((always_inline)) void clear(gw_report *r, bool avx2)
{
#ifdef GW_FIX_AVX2
    if (avx2) {
        clear_by_block(r);
        return;
    }
#endif
    (void)avx2;
    memset(r, 0, sizeof *r);
}

/* How to go about it. */
typedef enum { PLAIN, AVX2, LONG } manner;

static inline __attribute__((always_inline)) int decode(const gw_fix_dialect *d, const uint8_t *p, const gw_fix_msg *in, gw_report *out, gw_fault *f, manner how)
{
    clear(out, how == AVX2);
    *f = (gw_fault){0, 0, GW_FAULT_NONE, GW_FAULT_NONE, GW_FAULT_NONE, 0};
    int index = index_of(d, in->msg_type);
    if (index < 0)
        return fault(f, index, in->msg_type_text.off, 35, GW_FAULT_NONE);
    f->message = (uint16_t)index;
    const decoder c = {d, &messages_of(d)[index], p, in, out};
    read_header(c.m, in, out);
    if (how == LONG || !read_good_body(&c, how == AVX2)) {
        memset(out, 0, sizeof *out);
        read_header(c.m, in, out);
        int r = read_body(&c, f);
        if (r < 0)
            return r;
    }
    int r = check_needed(&c, f);
    return r < 0 ? r : index;
}

int gw_fix_decode_plain(const gw_fix_dialect *d, const uint8_t *p, const gw_fix_msg *in, gw_report *out, gw_fault *f)
{
    return decode(d, p, in, out, f, PLAIN);
}

int gw_fix_decode_long(const gw_fix_dialect *d, const uint8_t *p, const gw_fix_msg *in, gw_report *out, gw_fault *f)
{
    return decode(d, p, in, out, f, LONG);
}

#ifdef GW_FIX_AVX2
GW_WITH_AVX2 static int decode_avx2(const gw_fix_dialect *d, const uint8_t *p, const gw_fix_msg *in, gw_report *out, gw_fault *f)
{
    return decode(d, p, in, out, f, AVX2);
}
#endif

#include "fix_plan.h"

int gw_fix_decode_like(const gw_fix_dialect *d, const uint8_t *p, const gw_fix_msg *in, gw_fix_plans *plans, gw_report *out, gw_fault *f)
{
#ifdef GW_FIX_AVX2
    if (gw_has_avx2())
        return decode_like_avx2(d, p, in, plans, out, f);
#endif
    (void)plans;
    return gw_fix_decode_plain(d, p, in, out, f);
}

int gw_fix_decode(const gw_fix_dialect *d, const uint8_t *p, const gw_fix_msg *in, gw_report *out, gw_fault *f)
{
#ifdef GW_FIX_AVX2
    if (gw_has_avx2())
        return decode_avx2(d, p, in, out, f);
#endif
    return gw_fix_decode_plain(d, p, in, out, f);
}
