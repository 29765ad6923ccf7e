/* Messages whose fields lie where an earlier one's lay: what to do with each value is remembered, by kinds, so that nothing is looked up.
 *
 * A plan fits a message if the dialect, the type, the frame's length and every body field's tag, place and length are the same. Which fields
 * there are, whether one comes twice, whether a text fits: all that was settled when the plan was made. Only values are read, the usual
 * forms alone, and where one is of another form the message is decoded as if there were no plan. Part of fix_decode.c. */
#ifndef GW_FIX_PLAN_H
#define GW_FIX_PLAN_H
#include "fix_cpu.h"
#include "fix_rows.h"

#ifdef GW_FIX_AVX2

/* The groups of steps, in their order. */
typedef enum { STEP_TEXT, STEP_ENUM, STEP_DECIMAL, STEP_AVERAGE, STEP_TIME, STEP_GROUPS } group;

/* The group that reads a field by its slot; STEP_GROUPS if none does. */
static group group_of(const gw_fix_slot *slot, const gw_fix_field *field, const gw_fix_msg *in)
{
    switch ((kind)slot->kind) {
    case GW_FIX_KIND_TEXT: return field->len - 1u < slot->most && field->off + 16u <= in->length ? STEP_TEXT : STEP_GROUPS;
    case GW_FIX_KIND_ENUM: return field->len == 1 ? STEP_ENUM : STEP_GROUPS;
    case GW_FIX_KIND_PRICE: case GW_FIX_KIND_QTY: return field->len - 1u < 8 ? STEP_DECIMAL : STEP_GROUPS;
    case GW_FIX_KIND_AVG: return field->len - 1u < 8 ? STEP_AVERAGE : STEP_GROUPS;
    case GW_FIX_KIND_TIME: return field->len == 21 ? STEP_TIME : STEP_GROUPS;
    default: return STEP_GROUPS;
    }
}

/* Adds the steps of one group. Returns false if a field that has a row can have none, or comes twice. */
static bool add_steps(gw_fix_plan *plan, const decoder *c, group g, size_t *count)
{
    const gw_fix_slot *slots = slots_of(c->d, c->m);
    for (size_t i = c->in->first_body; i < c->in->field_count; i++) {
        const gw_fix_field *field = &c->in->field[i];
        const gw_fix_slot *slot = slot_of(slots, c->m, field->tag);
        if (field->tag == 0)
            return false;
        if (slot->tag != field->tag)
            continue;
        const group own = group_of(slot, field, c->in);
        if (own == STEP_GROUPS || (own == g && (plan->has & slot->has || plan->has2 & slot->has2)))
            return false;
        if (own != g)
            continue;
        plan->has |= slot->has;
        plan->has2 |= slot->has2;
        plan->step[(*count)++] = (gw_fix_step){.at = field->off, .len = field->len, .offset = slot->offset, .map_at = slot->map_at};
    }
    plan->end[g] = (uint8_t)*count;
    return true;
}

/* Makes plan that of the message of c, if every field has a step. */
static __attribute__((noinline)) void remember_plan(gw_fix_plan *plan, const decoder *c, int message)
{
    const size_t fields = c->in->field_count - (size_t)c->in->first_body;
    size_t count = 0;
    plan->length = 0;
    if (fields < 4 || fields > GW_FIX_PLAN_FIELDS)
        return;
    plan->has = plan->has2 = 0;
    for (group g = STEP_TEXT; g < STEP_GROUPS; g++)
        if (!add_steps(plan, c, g, &count))
            return;
    plan->dialect = c->d;
    plan->msg_type = c->in->msg_type;
    plan->message = (uint16_t)message;
    plan->first_body = c->in->first_body;
    plan->field_count = c->in->field_count;
    memcpy(plan->field, c->in->field + c->in->first_body, fields * sizeof *plan->field);
    plan->length = c->in->length;
}

/* Whether plan is of messages like this one. */
GW_WITH_AVX2 static inline bool fits(const gw_fix_plan *plan, const gw_fix_dialect *d, const gw_fix_msg *in)
{
    if (plan->length != in->length || plan->dialect != d || plan->msg_type != in->msg_type || plan->first_body != in->first_body || plan->field_count != in->field_count)
        return false;
    const size_t n = plan->field_count - (size_t)plan->first_body;
    const gw_fix_field *field = in->field + in->first_body;
    __m256i differs = _mm256_setzero_si256();
    for (size_t i = 0, last = n - 4;; i += 4) { /* four at a time, the last of them up to the end again */
        i = i < last ? i : last;
        const __m256i was = _mm256_loadu_si256((const __m256i *)(const void *)(plan->field + i));
        differs = _mm256_or_si256(differs, _mm256_xor_si256(was, _mm256_loadu_si256((const __m256i *)(const void *)(field + i))));
        if (i == last)
            break;
    }
    return _mm256_testz_si256(differs, differs);
}

/* The last decimal of more than four characters: prices of one message are often the same. */
typedef struct {
    uint64_t characters;
    uint32_t digits;
    unsigned decimals;
} seen;

/* As gw_read_short, for n from 1 to 8. */
static inline bool read_again(seen *last, const uint8_t *p, size_t n, uint32_t *digits, unsigned *decimals)
{
    *decimals = 0;
    if (gw_read_few(p, n, digits))
        return true;
    if (n == 1)
        return false;
    const uint64_t characters = gw_short_characters(p, n);
    if (characters != last->characters) {
        if (!gw_short_value(characters, digits, decimals))
            return false;
        *last = (seen){characters, *digits, *decimals};
    }
    *digits = last->digits;
    *decimals = last->decimals;
    return true;
}

/* Reads the values that plan is about from p into a record that has its header. Returns false if one is not usual. */
GW_WITH_AVX2 static inline bool carry_out(const gw_fix_plan *plan, const uint8_t *p, const gw_fix_msg *in, gw_report *r)
{
    const gw_fix_step *step = plan->step, *end = step + plan->end[STEP_TEXT];
    const uint8_t *maps = (const uint8_t *)plan->dialect;
    uint8_t *out = (uint8_t *)r;
    uint32_t digits;
    unsigned decimals;
    seen last = {0, 0, 0}; /* zeros are 0 */
    const text_masks *text = &masks;
    __asm__("" : "+r"(text)); /* as in read_usual */
    for (; step < end; step++)
        if (!short_text(p + step->at, step->len, out + step->offset, text))
            return false;
    for (end = plan->step + plan->end[STEP_ENUM]; step < end; step++)
        if ((out[step->offset] = maps[step->map_at + p[step->at]]) == 0)
            return false;
    for (end = plan->step + plan->end[STEP_DECIMAL]; step < end; step++) {
        if (!read_again(&last, p + step->at, step->len, &digits, &decimals))
            return false;
        gw_store8(out + step->offset, digits * gw_pow10[8 - decimals]);
    }
    for (end = plan->step + plan->end[STEP_AVERAGE]; step < end; step++) {
        if (!read_again(&last, p + step->at, step->len, &digits, &decimals))
            return false;
        put_average(digits, decimals, r, out + step->offset);
    }
    for (end = plan->step + plan->end[STEP_TIME]; step < end; step++)
        if (!usual_time(p, p + step->at, step->len, in, out + step->offset))
            return false;
    r->order.has |= plan->has;
    r->has2 |= plan->has2;
    return true;
}

/* As gw_fix_decode_like. A plan gives way to the eighth message in a row that it does not fit, later where some between did. */
GW_WITH_AVX2 static int decode_like_avx2(const gw_fix_dialect *d, const uint8_t *p, const gw_fix_msg *in, gw_fix_plans *plans, gw_report *out, gw_fault *f)
{
    gw_fix_plan *plan = &plans->plan[in->length % GW_FIX_PLANS];
    if (__builtin_expect(fits(plan, d, in), 1)) {
        const decoder c = {d, &messages_of(d)[plan->message], p, in, out};
        plan->misses /= 2;
        clear_by_block(out);
        *f = (gw_fault){0, 0, plan->message, GW_FAULT_NONE, GW_FAULT_NONE, 0};
        read_header(c.m, in, out);
        if (__builtin_expect(carry_out(plan, p, in, out), 1)) {
            int r = check_needed(&c, f);
            return r < 0 ? r : plan->message;
        }
        return decode_avx2(d, p, in, out, f);
    }
    int r = decode_avx2(d, p, in, out, f);
    if (r >= 0 && ++plan->misses >= 8) {
        const decoder c = {d, &messages_of(d)[r], p, in, out};
        plan->misses = 0;
        remember_plan(plan, &c, r);
    }
    return r;
}

#endif
#endif
