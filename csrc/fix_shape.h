/* Messages of a shape seen before: what a scan says of a frame that differs from an earlier one in nothing but values of the same lengths.
 *
 * A shape is the frame's text up to the trailer with an SOH in place of every byte of a value (but of 8, 9 and 35, which have to be the
 * same). A frame is like it if it has the same bytes as the message that was remembered had: those of tags, '=' and SOH all, those of
 * values none, for no value has an SOH. Then every field is where it was, and only MsgSeqNum, SendingTime and the sum are to be read.
 * It is a hint and no more: what is not like a shape is scanned, and what is remembered was scanned. Part of fix.c. */
#ifndef GW_FIX_SHAPE_H
#define GW_FIX_SHAPE_H
#include <stddef.h>
#include "fix.h"
#include "fix_cpu.h"
#include "fix_text.h"

#ifdef GW_FIX_AVX2

_Static_assert(GW_FIX_SHAPE_SAID >= offsetof(gw_fix_msg, field) + GW_FIX_SHAPE_FIELDS * sizeof(gw_fix_field) && GW_FIX_SHAPE_SAID % 32 == 0,
               "what a shape says of a message has room, by blocks");

/* Looks where p[0..body) has the bytes of s->text, 32 at a time, the last of them up to the end again. Learning, it notes that; otherwise it
 * returns 0 if it is as noted. *sum is of all bytes, modulo 256. */
GW_WITH_AVX2 static inline __attribute__((always_inline)) uint32_t compare_shape(gw_fix_shape *s, const uint8_t *p, size_t body, unsigned *sum, bool learn)
{
    __m256i total = _mm256_setzero_si256();
    uint32_t differs = 0, *same = s->same;
    size_t i = 0;
    for (bool last = false; !last; i += 32) {
        last = i + 32 >= body;
        const size_t at = last ? body - 32 : i;
        const __m256i v = load_block(p + at);
        const uint32_t equal = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(v, load_block(s->text + at)));
        if (learn)
            *same = equal;
        differs |= equal ^ *same++;
        total = _mm256_add_epi64(total, _mm256_sad_epu8(last ? last_block(p, body, body - i) : v, _mm256_setzero_si256()));
    }
    *sum = sum_of_lanes(total);
    return differs;
}

/* The time of a new second, or in another form than milliseconds. */
static __attribute__((noinline)) bool read_new_second(gw_fix_shape *s, const uint8_t *v, int64_t *out)
{
    if (!gw_read_time(v, s->sent_len, out))
        return false;
    memcpy(s->second, v, 17);
    s->second_ns = *out - *out % 1000000000;
    return true;
}

/* SendingTime at v, as gw_read_time. */
static inline bool read_sent(gw_fix_shape *s, const uint8_t *v, int64_t *out)
{
    if (s->sent_len != 21 || !gw_same_second(v, s->second))
        return read_new_second(s, v, out);
    const uint32_t ms = gw_read_ms(v + 17);
    *out = s->second_ns + (int64_t)ms * 1000000;
    return ms <= 999;
}

/* Whether p[0..n) is like s, sound, and in m what a scan would say of it. If not, anything is in m. */
GW_WITH_AVX2 static inline bool is_like(gw_fix_shape *s, const uint8_t *p, size_t n, gw_fix_msg *m)
{
    unsigned sum;
    if (s->length != n || compare_shape(s, p, n - TRAILER, &sum, false) || trailer_sum(p, n) != (int)sum)
        return false;
    for (size_t i = 0, size = s->said_size; i < size; i += 32) /* the field behind the last may get what it likes */
        _mm256_storeu_si256((__m256i *)(void *)((uint8_t *)m + i), load_block(s->said + i));
    return gw_read_uint8(p + s->seq_off, s->seq_len, &m->msg_seq_num) && read_sent(s, p + m->sending_off, &m->sending_time);
}

/* Makes s the shape of p[0..n), of which a scan says m, if it has the usual seven header fields and no data field. */
GW_WITH_AVX2 static __attribute__((noinline)) void remember_shape(gw_fix_shape *s, const uint8_t *p, size_t n, const gw_fix_msg *m)
{
    const size_t body = n - TRAILER, said = offsetof(gw_fix_msg, field) + m->field_count * sizeof m->field[0];
    const gw_fix_field *f = m->field, *found[4];
    const uint32_t ones = (uint32_t)GW_ONES;
    if (body < 32 || body > GW_FIX_SHAPE_MAX || m->field_count > GW_FIX_SHAPE_FIELDS || m->odd || m->first_body != 7 || !find_usual(f, found))
        return;
    s->length = 0;
    memset(s->text, SOH, sizeof s->text);
    memcpy(s->text, p, f[2].off + f[2].len);
    for (size_t i = 3; i < m->field_count; i++) {
        const size_t start = f[i - 1].off + f[i - 1].len + 1u, before = f[i].off - start;
        if (before > 4 || class_of(f[i].tag) & DATA)
            return;
        uint32_t text, keep = (uint32_t)((1ull << 8 * before) - 1);
        memcpy(&text, p + start, 4);
        gw_store4(s->text + start, (text & keep) | (ones & ~keep));
    }
    unsigned sum;
    compare_shape(s, p, body, &sum, true);
    memcpy(s->said, m, said);
    s->said_size = (uint16_t)said;
    s->seq_off = found[0]->off;
    s->seq_len = found[0]->len;
    s->sent_len = found[2]->len;
    memset(s->second, 0, sizeof s->second);
    s->length = (uint16_t)n;
}

/* As gw_fix_scan_like. A shape gives way to the eighth frame in a row that is not like it, the sixteenth, the 32nd and so on, so that
 * frames of ever new shapes do not pay for what is forgotten before it is of use. */
GW_WITH_AVX2 static int scan_like_avx2(const uint8_t *p, size_t n, gw_fix_shapes *shapes, gw_fix_msg *m)
{
    gw_fix_shape *s = &shapes->shape[n % GW_FIX_SHAPES];
    if (__builtin_expect(is_like(s, p, n, m), 1)) {
        s->misses /= 2;
        return (int)n;
    }
    const int r = scan_avx2(p, n, m);
    const uint16_t before = s->misses++;
    if (r > 0 && before >= 7 && (before & s->misses) == 0)
        remember_shape(s, p, n, m);
    return r;
}

#endif
#endif
