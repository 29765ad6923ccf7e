/* FIX from the wire: finds frames, verifies them and indexes their fields.
 *
 * A scan has two halves. The first finds every SOH and adds up the bytes; the second makes a field of what lies between two of them.
 * Each is there twice. `find_ends_by_word` and `walk` are the meaning and run anywhere; with AVX2 the first takes 64 bytes, the second eight
 * fields at a time, and leaves every message that is not quite ordinary (data fields, tags above 999, anything odd) to `walk`. */
#include "fix.h"
#include "fix_cpu.h"
#include "fix_text.h"

#define SOH 1
#define BEGIN_MAX 16   /* longest BeginString value; FIXT.1.1 has 8 */
#define TRAILER 7      /* "10=nnn|" */
#define BODY_MIN 5     /* "35=0|" */
#define STORE_AHEAD 68 /* places that may be stored behind the last one: a block's, by fours */

/* ---- frames ---- */

/* Every BeginString there is has capitals, digits and points. */
static inline bool in_begin_string(uint8_t c)
{
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.';
}

/* As read_length for "8=FIX.4.y|9=n|" with a length of one to three digits, when all of it is there; false if it is anything else. */
static inline bool read_usual_length(const uint8_t *p, size_t n, size_t *body, size_t *length)
{
    uint32_t next, digits, value;
    if (n < 20 || gw_load8(p) != 0x2e342e5849463d38u) /* 8=FIX.4. */
        return false;
    memcpy(&next, p + 8, 4);
    memcpy(&digits, p + 12, 4);
    if ((next ^ 0x3d390130u) > 9) /* y|9= */
        return false;
    uint32_t x = digits ^ 0x01010101u, soh = (x - 0x01010101u) & ~x & 0x80808080u; /* its lowest bit is exact */
    unsigned count = soh ? (unsigned)__builtin_ctz(soh) / 8 : 0;
    if (!gw_read_few(p + 12, count, &value))
        return false;
    *body = 13 + count;
    *length = value;
    return true;
}

/* Reads "8=FIX…|9=n|". Returns 1 with the place and length of the body, GW_NEED_MORE, or GW_E_FRAME. */
static __attribute__((noinline)) int read_length_slow(const uint8_t *p, size_t n, size_t *body, size_t *length)
{
    size_t i = 0;
    for (; i < n && i < 5; i++)
        if (p[i] != "8=FIX"[i])
            return GW_E_FRAME;
    for (; i < n && p[i] != SOH; i++)
        if (i == 2 + BEGIN_MAX || !in_begin_string(p[i]))
            return GW_E_FRAME;
    if (i + 1 < n && p[i + 1] != '9')
        return GW_E_FRAME;
    if (i + 2 < n && p[i + 2] != '=')
        return GW_E_FRAME;
    size_t digits = i + 3, v = 0;
    for (i = digits; i < n && p[i] != SOH; i++) {
        unsigned d = (unsigned)p[i] - '0';
        if (d > 9 || i - digits == 9)
            return GW_E_FRAME;
        v = v * 10 + d;
    }
    if (i >= n)
        return GW_NEED_MORE;
    if (i == digits)
        return GW_E_FRAME;
    *body = i + 1;
    *length = v;
    return 1;
}

static inline int read_length(const uint8_t *p, size_t n, size_t *body, size_t *length)
{
    return read_usual_length(p, n, body, length) ? 1 : read_length_slow(p, n, body, length);
}

/* Whether the bytes p[0..n), up to seven, can be those of "10=nnn|". */
static bool trailer_fits(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n && i < TRAILER; i++) {
        unsigned d = (unsigned)p[i] - '0';
        bool fits = i < 3 ? p[i] == "10="[i] : i < 6 ? d <= 9 : p[i] == SOH;
        if (!fits)
            return false;
    }
    return true;
}

/* The sum that "|10=nnn|", the last eight bytes of p[0..n), writes, or -1 if they are not that. */
static inline int trailer_sum(const uint8_t *p, size_t n)
{
    uint64_t t = gw_load8(p + n - 8) ^ 0x013030303d303101u; /* leaves zeros and the three digits */
    if ((t & 0xff000000ffffffffu) || !gw_all_digits(t))
        return -1;
    t >>= 32;
    return (int)((t & 255) * 100 + (t >> 8 & 255) * 10 + (t >> 16));
}

static uint32_t bounded(uint32_t max)
{
    return max < GW_FIX_FRAME_MAX ? max : GW_FIX_FRAME_MAX;
}

int gw_fix_frame(const uint8_t *p, size_t n, uint32_t max)
{
    size_t body, length;
    int r = read_length(p, n, &body, &length);
    if (r <= 0)
        return r;
    size_t end = body + length;
    if (end + TRAILER > bounded(max))
        return GW_E_SIZE;
    if (length < BODY_MIN)
        return GW_E_FRAME;
    if (end + TRAILER <= n)
        return trailer_sum(p, end + TRAILER) < 0 ? GW_E_FRAME : (int)(end + TRAILER);
    if (end <= n && (p[end - 1] != SOH || !trailer_fits(p + end, n - end)))
        return GW_E_FRAME;
    return GW_NEED_MORE;
}

/* The distance to the next "8=FIX" behind the first byte, or to what could become one at the end; n if there is none. */
static size_t next_begin(const uint8_t *p, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        size_t rest = n - i < 5 ? n - i : 5;
        if (p[i] == '8' && memcmp(p + i, "8=FIX", rest) == 0)
            return i;
    }
    return n;
}

int gw_fix_resync(const uint8_t *p, size_t n, uint32_t max)
{
    size_t body, length, seen = n < bounded(max) ? n : bounded(max);
    int r = read_length(p, n, &body, &length);
    if (r == GW_NEED_MORE)
        return n < bounded(max) ? GW_NEED_MORE : (int)next_begin(p, seen);
    if (r < 0 || body + length + TRAILER > bounded(max))
        return (int)next_begin(p, seen);
    for (size_t i = body + length - 1; i + 3 < seen; i++) {
        if (p[i] != SOH || memcmp(p + i + 1, "10=", 3) != 0)
            continue;
        const uint8_t *end = memchr(p + i + 4, SOH, seen - i - 4);
        if (end)
            return (int)(end - p) + 1;
        break;
    }
    return n < bounded(max) ? GW_NEED_MORE : (int)next_begin(p, seen);
}

/* ---- first half: every SOH, and the sum ---- */

/* The places of every SOH of p[0..n), in order, into ends; no more are stored once there are more than GW_FIX_FIELDS (ends has
 * STORE_AHEAD behind that). Returns how many were stored; *sum is of all bytes, modulo 256. */
static size_t find_ends_by_word(const uint8_t *p, size_t n, uint16_t *ends, unsigned *sum)
{
    const uint64_t even = 0x00ff00ff00ff00ffu;
    size_t k = 0, i = 0;
    unsigned total = 0;
    while (i + 8 <= n) {
        uint64_t lanes = 0; /* four sums of 16 bits: 128 words of two bytes up to 255 each fit */
        for (size_t stop = i + 8 * 128; i + 8 <= n && i < stop; i += 8) {
            uint64_t x = gw_load8(p + i), m = gw_zero_bytes(x ^ SOH * GW_ONES);
            lanes += (x & even) + (x >> 8 & even);
            for (; m && k <= GW_FIX_FIELDS; m &= m - 1)
                ends[k++] = (uint16_t)(i + ((unsigned)__builtin_ctzll(m) >> 3));
        }
        total += (unsigned)(lanes + (lanes >> 16) + (lanes >> 32) + (lanes >> 48)) & 0xffff;
    }
    for (; i < n; i++) {
        total += p[i];
        if (p[i] == SOH && k <= GW_FIX_FIELDS)
            ends[k++] = (uint16_t)i;
    }
    *sum = total & 255;
    return k;
}

#ifdef GW_FIX_AVX2
/* Stores the places of the set bits of m, four at a time: more often than not the last four are not all there, but no branch is missed. */
GW_WITH_AVX2 static inline size_t store_ends(uint16_t *ends, size_t k, size_t at, uint64_t m)
{
    size_t count = (size_t)__builtin_popcountll(m);
    uint16_t *end = ends + k;
    for (; m; end += 4)
        for (size_t j = 0; j < 4; j++, m &= m - 1)
            end[j] = (uint16_t)(at + _tzcnt_u64(m));
    return k + count <= GW_FIX_FIELDS ? k + count : GW_FIX_FIELDS + 1;
}

/* The last `left` bytes of p[0..n), n >= 32, at the end of a block whose other bytes are 0. */
GW_WITH_AVX2 static inline __m256i last_block(const uint8_t *p, size_t n, size_t left)
{
    static const uint8_t keep[64] = {[32] = 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
                                     255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255};
    return _mm256_and_si256(_mm256_loadu_si256((const __m256i *)(const void *)(p + n - 32)),
                            _mm256_loadu_si256((const __m256i *)(const void *)(keep + left)));
}

/* A bit for every SOH in v, whose bytes are added to *total. */
GW_WITH_AVX2 static inline uint64_t soh_of(__m256i v, __m256i *total)
{
    *total = _mm256_add_epi64(*total, _mm256_sad_epu8(v, _mm256_setzero_si256()));
    return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(v, _mm256_set1_epi8(SOH)));
}

GW_WITH_AVX2 static inline __m256i load_block(const uint8_t *p)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

/* The same by 64 bytes, n >= 32. The last, partial block is loaded so that it ends with the frame; its bytes seen before are masked. */
GW_WITH_AVX2 static inline size_t find_ends_by_block(const uint8_t *p, size_t n, uint16_t *ends, unsigned *sum)
{
    __m256i total = _mm256_setzero_si256();
    size_t k = 0, i = 0;
    for (; i + 64 <= n; i += 64) {
        uint64_t m = soh_of(load_block(p + i), &total);
        k = store_ends(ends, k, i, m | soh_of(load_block(p + i + 32), &total) << 32);
    }
    size_t whole = (n - i) & 32, left = n - i - whole;
    uint64_t m = whole ? soh_of(load_block(p + i), &total) : 0;
    if (left)
        m |= soh_of(last_block(p, n, left), &total) >> (32 - left) << whole;
    k = store_ends(ends, k, i, m);
    *sum = sum_of_lanes(total);
    return k;
}
#endif

static inline __attribute__((always_inline)) size_t find_ends(const uint8_t *p, size_t n, uint16_t *ends, unsigned *sum, bool avx2)
{
#ifdef GW_FIX_AVX2
    if (avx2 && n >= 32)
        return find_ends_by_block(p, n, ends, sum);
#endif
    (void)avx2;
    return find_ends_by_word(p, n, ends, sum);
}

/* ---- second half: fields ---- */

enum tag_class { BODY = 0, HEADER = 1, DATA = 2, TRAILER_TAG = 4 };

/* FIX 4.4 standard header, the fields of type data, and CheckSum. Signature (89) is a trailer field, but a data field first. */
#define HEADER_TAGS(X, Y) \
    X(8, Y) X(9, Y) X(34, Y) X(35, Y) X(43, Y) X(49, Y) X(50, Y) X(52, Y) X(56, Y) X(57, Y) X(90, Y) X(97, Y) X(115, Y) X(116, Y) X(122, Y) X(128, Y) \
    X(129, Y) X(142, Y) X(143, Y) X(144, Y) X(145, Y) X(212, Y) X(347, Y) X(369, Y) X(627, Y) X(628, Y) X(629, Y) X(630, Y)
#define HEADER_DATA_TAGS(X, Y) X(91, Y) X(213, Y)
#define DATA_TAGS(X, Y) \
    X(89, Y) X(96, Y) X(349, Y) X(351, Y) X(353, Y) X(355, Y) X(357, Y) X(359, Y) X(361, Y) X(363, Y) X(365, Y) X(446, Y) X(619, Y) X(622, Y)
#define TRAILER_TAGS(X, Y) X(10, Y)

#define AS(TAG, CLASS) [TAG] = CLASS,
static const uint8_t tag_classes[1024] = {
    HEADER_TAGS(AS, HEADER) HEADER_DATA_TAGS(AS, HEADER | DATA) DATA_TAGS(AS, DATA) TRAILER_TAGS(AS, TRAILER_TAG)};

static inline unsigned class_of(uint32_t tag)
{
    return tag < 1024 ? tag_classes[tag] : BODY;
}

/* Reads "tag=" at p, whose field ends at p + room (an SOH). Returns how many bytes stand before '=', or -1 if it is no integer. */
static int read_tag_slow(const uint8_t *p, size_t room, uint32_t *tag)
{
    size_t sign = room > 0 && p[0] == '-', i = sign;
    uint64_t v = 0;
    for (; i < room && p[i] != '='; i++) {
        unsigned d = (unsigned)p[i] - '0';
        if (d > 9 || i - sign == 10)
            return -1;
        v = v * 10 + d;
    }
    if (i == room || i == sign)
        return -1;
    *tag = sign || p[0] == '0' || v > UINT32_MAX ? 0 : (uint32_t)v;
    return (int)i;
}

/* The same for the usual one to three digits. */
static inline int read_tag(const uint8_t *p, size_t room, uint32_t *tag)
{
    unsigned a = p[0] - '0' - 1u, b = p[1] - (unsigned)'0', c = p[2] - (unsigned)'0';
    if (a > 8)
        return read_tag_slow(p, room, tag);
    if (p[1] == '=') {
        *tag = a + 1;
        return 1;
    }
    if (b <= 9 && p[2] == '=') {
        *tag = a * 10 + 10 + b;
        return 2;
    }
    if (b <= 9 && c <= 9 && p[3] == '=') {
        *tag = a * 100 + 100 + b * 10 + c;
        return 3;
    }
    return read_tag_slow(p, room, tag);
}

static void note_odd(gw_fix_msg *m, unsigned odd, size_t field)
{
    if (!m->odd)
        m->odd_field = (uint16_t)field;
    m->odd |= (uint8_t)odd;
}

static bool read_flag(const uint8_t *p, const gw_fix_field *f, uint8_t *out)
{
    if (f->len != 1 || (p[f->off] != 'Y' && p[f->off] != 'N'))
        return false;
    *out = p[f->off] == 'Y';
    return true;
}

/* What the second half carries beside the message: the header fields it has seen, one bit each, and whether 34 is good. */
typedef struct {
    const uint8_t *p;
    gw_fix_msg *m;
    uint32_t seen;
    bool seq_good;
} reader;

/* True the first time field i comes; the header field with this bit comes again: only noted. */
static bool first_time(reader *r, unsigned bit, size_t i)
{
    bool again = r->seen >> bit & 1;
    r->seen |= 1u << bit;
    if (again)
        note_odd(r->m, GW_FIX_ODD_REPEATED, i);
    return !again;
}

/* Takes the value of header field i into the message. */
static void take_header(reader *r, size_t i)
{
    gw_fix_msg *m = r->m;
    const gw_fix_field *f = &m->field[i];
    const uint8_t *v = r->p + f->off;
    const gw_fix_span span = {f->off, f->len};
    bool good = true;
    switch (f->tag) {
    case 8:
        if (first_time(r, 0, i))
            m->begin_string = span;
        break;
    case 9:
        first_time(r, 1, i);
        break;
    case 34:
        if (first_time(r, 2, i))
            r->seq_good = gw_read_uint8(v, f->len, &m->msg_seq_num);
        break;
    case 35:
        if (!first_time(r, 3, i))
            break;
        m->msg_type_text = span;
        m->msg_type = f->len > 4 ? 0 : (uint32_t)(gw_load8(v) & ((1ull << 8 * f->len) - 1));
        break;
    case 43:
        good = !first_time(r, 4, i) || read_flag(r->p, f, &m->poss_dup);
        break;
    case 49:
        if (first_time(r, 5, i))
            m->sender_comp_id = span;
        break;
    case 52:
        if (!first_time(r, 6, i))
            break;
        good = gw_read_time(v, f->len, &m->sending_time);
        m->sending_off = good ? f->off : 0;
        break;
    case 56:
        if (first_time(r, 7, i))
            m->target_comp_id = span;
        break;
    case 97:
        good = !first_time(r, 8, i) || read_flag(r->p, f, &m->poss_resend);
        break;
    case 122:
        good = !first_time(r, 9, i) || gw_read_time(v, f->len, &m->orig_sending_time);
        break;
    default:
        break;
    }
    if (!good && f->len)
        note_odd(m, GW_FIX_ODD_VALUE, i);
}

static inline gw_fix_span span_of(const gw_fix_field *f)
{
    return (gw_fix_span){f->off, f->len};
}

/* Finds 34, 49, 52 and 56 among the fields 3 to 6; false if these are not they, in any order. The two usual orders, 34 49 52 56 and
 * 34 49 56 52, are looked for first. */
static inline bool find_usual(const gw_fix_field *f, const gw_fix_field *found[4])
{
    uint8_t place[64]; /* of a tag */
    uint64_t tags = 0;
    size_t swapped = f[5].tag == 56;
    found[0] = &f[3];
    found[1] = &f[4];
    found[2] = &f[5 + swapped];
    found[3] = &f[6 - swapped];
    if (f[3].tag == 34 && f[4].tag == 49 && found[2]->tag == 52 && found[3]->tag == 56)
        return true;
    if ((f[3].tag | f[4].tag | f[5].tag | f[6].tag) > 63)
        return false;
    for (uint8_t i = 3; i < 7; i++) {
        tags |= 1ull << f[i].tag;
        place[f[i].tag] = i;
    }
    if (tags != (1ull << 34 | 1ull << 49 | 1ull << 52 | 1ull << 56))
        return false;
    found[0] = &f[place[34]];
    found[1] = &f[place[49]];
    found[2] = &f[place[52]];
    found[3] = &f[place[56]];
    return true;
}

/* Takes the first seven fields as the header when they are 8 9 35 and in any order 34 49 52 56, each as it should be, which is as most
 * messages have them; false: nothing was taken that take_header does not take again. */
static inline bool take_usual_header(reader *r)
{
    gw_fix_msg *m = r->m;
    const gw_fix_field *f = m->field, *found[4];
    if (f[0].tag != 8 || f[1].tag != 9 || f[2].tag != 35 || f[2].len > 4 || !find_usual(f, found))
        return false;
    const gw_fix_field *seq = found[0], *sent = found[2];
    if (!gw_read_time(r->p + sent->off, sent->len, &m->sending_time))
        return false;
    m->first_body = 7;
    m->sending_off = sent->off;
    m->begin_string = span_of(&f[0]);
    m->msg_type_text = span_of(&f[2]);
    m->msg_type = (uint32_t)(gw_load8(r->p + f[2].off) & ((1ull << 8 * f[2].len) - 1));
    m->sender_comp_id = span_of(found[1]);
    m->target_comp_id = span_of(found[3]);
    r->seq_good = gw_read_uint8(r->p + seq->off, seq->len, &m->msg_seq_num);
    return true;
}

/* The true end of data field i: behind it as many bytes as the length field before it says, then an SOH. Without such a field it
 * is text like any other. Returns the end, or 0 if the length lies. */
static size_t data_end(const uint8_t *p, size_t n, const gw_fix_msg *m, size_t i, size_t first_soh)
{
    const gw_fix_field *f = &m->field[i], *before = &m->field[i ? i - 1 : 0];
    uint64_t length;
    if (i == 0 || before->tag != (f->tag == 89 ? 93 : f->tag - 1))
        return first_soh;
    if (!gw_read_uint(p + before->off, before->len, &length) || length > n)
        return 0;
    size_t end = f->off + (size_t)length;
    return end < n && p[end] == SOH ? end : 0;
}

/* Completes data field i, whose value ends where its length field says. Returns the index in ends of that end, k if it is not
 * among them because there were too many, or a fault. */
static int take_data(const reader *r, size_t n, const uint16_t *ends, size_t k, size_t e, size_t i)
{
    gw_fix_field *f = &r->m->field[i];
    size_t end = data_end(r->p, n, r->m, i, ends[e]);
    if (end == 0)
        return GW_E_SYNTAX;
    f->len = (uint16_t)(end - f->off);
    while (e < k && ends[e] != end)
        e++;
    return (int)e;
}

/* Indexes the fields of p[0..n), which end at ends[0..k). Returns 1 or a fault. */
static int walk(reader *r, size_t n, const uint16_t *ends, size_t k)
{
    const uint8_t *p = r->p;
    gw_fix_msg *m = r->m;
    size_t start = 0, count = 0, first_body = GW_FIX_FIELDS;
    for (size_t e = 0; e < k && count < GW_FIX_FIELDS; e++, count++) {
        uint32_t tag;
        int width = read_tag(p + start, ends[e] - start, &tag);
        if (width < 0)
            return GW_E_SYNTAX;
        size_t off = start + (size_t)width + 1;
        gw_fix_field *f = &m->field[count];
        *f = (gw_fix_field){tag, (uint16_t)off, (uint16_t)(ends[e] - off)};
        unsigned class = class_of(tag);
        if (class & DATA) {
            int at = take_data(r, n, ends, k, e, count);
            if (at < 0)
                return at;
            e = (size_t)at;
            if (e == k) { /* its end was not kept */
                start = 0;
                break;
            }
        }
        if (class & HEADER) {
            if (first_body != GW_FIX_FIELDS)
                note_odd(m, GW_FIX_ODD_LATE, count);
            take_header(r, count);
        } else if (first_body == GW_FIX_FIELDS) {
            first_body = count;
        }
        if (class & TRAILER_TAG)
            return GW_E_HEADER;
        if (tag == 0)
            note_odd(m, GW_FIX_ODD_TAG, count);
        if (f->len == 0)
            note_odd(m, GW_FIX_ODD_EMPTY, count);
        start = ends[e] + 1u; /* not off + len + 1: fields must not wait for each other's tags */
    }
    m->field_count = (uint16_t)count;
    m->first_body = (uint16_t)(first_body < count ? first_body : count);
    return start == n ? 1 : GW_E_FIELDS;
}

/* Whether BodyLength, whose field the message has as its second, is the number of bytes from the third field to the trailer. */
static bool length_is_true(const uint8_t *p, size_t body, const gw_fix_field *f)
{
    uint64_t length;
    return gw_read_uint8(p + f->off, f->len, &length) && f->off + f->len + 1u + length == body;
}

#ifdef GW_FIX_AVX2
/* What index_by_eight finds out beside the fields. */
typedef struct {
    bool bad;         /* not such a message */
    uint64_t special; /* which of the first 64 fields may have a class, one bit each */
    unsigned behind;  /* not 0: one of those behind, or just before, may have */
} lanes;

/* The tags of a class modulo 256, one bit each. */
#define IN(TAG, WORD) | (uint32_t)((TAG) / 32 % 8 == (WORD)) << (TAG) % 32
#define SPECIAL(WORD) 0 HEADER_TAGS(IN, WORD) HEADER_DATA_TAGS(IN, WORD) DATA_TAGS(IN, WORD) TRAILER_TAGS(IN, WORD)

/* The constants of index_by_eight. */
typedef struct {
    uint32_t all[8], zeros[8], equals[8], one[8], eight[8], bits[8], bit[8], tens[8], hundreds[8], nine[8], low[8], special[8];
} lane_constants;

#define X8(C) {C, C, C, C, C, C, C, C}
static const lane_constants of_lanes = {
    .all = X8(UINT32_MAX), .zeros = X8(0x30303030), .equals = X8(0x01010101 * ('=' ^ '0')), .one = X8(0x01010101), .eight = X8(8 << 16 | 8),
    .bits = X8(32), .bit = X8(31), .tens = X8(0x010a010a), .hundreds = X8(1 << 16 | 100), .nine = X8(0x09090909), .low = X8(255),
    .special = {SPECIAL(0), SPECIAL(1), SPECIAL(2), SPECIAL(3), SPECIAL(4), SPECIAL(5), SPECIAL(6), SPECIAL(7)}};

GW_WITH_AVX2 static inline __m256i constant(const uint32_t *eight)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)eight);
}

/* The same for eight fields at a time, a lane each, where every tag has one to three digits and no value is empty; what has a class is the
 * caller's to see to. ends[-1] is writable and k 8 to GW_FIX_FIELDS. The last eight lanes overlap those before them, so that none is
 * ever idle. */
GW_WITH_AVX2 static inline lanes index_by_eight(const uint8_t *p, uint16_t *ends, size_t k, gw_fix_field *field)
{
    const lane_constants *c = &of_lanes;
    __asm__("" : "+r"(c)); /* otherwise they are made anew from numbers each time */
    const __m256i all = constant(c->all);
    __m256i odd = _mm256_setzero_si256(), below_all = odd, least = all;
    lanes said = {false, 0, 0};
    ends[-1] = UINT16_MAX; /* so that the first field begins at 0 */
    for (size_t i = 0, last = k - 8;; i = i + 8 < last ? i + 8 : last) {
        __m128i before = _mm_loadu_si128((const __m128i *)(const void *)(ends + i - 1));
        __m256i start = _mm256_cvtepu16_epi32(_mm_sub_epi16(before, _mm256_castsi256_si128(all)));
        __m256i end = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)(ends + i)));
        __m256i text = _mm256_xor_si256(_mm256_i32gather_epi32((const int *)(const void *)p, start, 1), constant(c->zeros));
        __m256i equals = _mm256_cmpeq_epi8(text, constant(c->equals));
        __m256i below = _mm256_andnot_si256(equals, _mm256_add_epi32(equals, all)); /* the bytes before the first '=' */
        __m256i digits = _mm256_and_si256(text, below);
        __m256i minus_bits = _mm256_madd_epi16(_mm256_maddubs_epi16(constant(c->one), below), constant(c->eight)); /* that many, 8 a byte */
        __m256i aligned = _mm256_sllv_epi32(digits, _mm256_add_epi32(minus_bits, constant(c->bits)));
        __m256i tag = _mm256_madd_epi16(_mm256_maddubs_epi16(aligned, constant(c->tens)), constant(c->hundreds));
        __m256i off = _mm256_sub_epi32(_mm256_sub_epi32(start, all), _mm256_srai_epi32(minus_bits, 3)), len = _mm256_sub_epi32(end, off);
        __m256i place = _mm256_or_si256(off, _mm256_slli_epi32(len, 16));
        __m256i even_fields = _mm256_unpacklo_epi32(tag, place), odd_fields = _mm256_unpackhi_epi32(tag, place);
        _mm256_storeu_si256((__m256i *)(void *)(field + i), _mm256_permute2x128_si256(even_fields, odd_fields, 0x20));
        _mm256_storeu_si256((__m256i *)(void *)(field + i + 4), _mm256_permute2x128_si256(even_fields, odd_fields, 0x31));

        /* Not such a message: a byte that is no digit, no '=' among four, a leading zero or no tag, no value. */
        odd = _mm256_or_si256(odd, _mm256_subs_epu8(digits, constant(c->nine)));
        below_all = _mm256_or_si256(below_all, below);
        least = _mm256_min_epu32(least, _mm256_min_epu32(len, _mm256_and_si256(digits, constant(c->low))));

        /* The word of 32 tags is chosen by the tag's bits 5 to 7, and its bit of the tag becomes the highest. */
        __m256i word = _mm256_permutevar8x32_epi32(constant(c->special), _mm256_srli_epi32(tag, 5));
        unsigned special = (unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_sllv_epi32(word, _mm256_andnot_si256(tag, constant(c->bit)))));
        if (i <= 56)
            said.special |= (uint64_t)special << i;
        else
            said.behind |= special;
        if (i == last)
            break;
    }
    odd = _mm256_or_si256(odd, _mm256_or_si256(_mm256_srai_epi32(below_all, 31), _mm256_cmpeq_epi32(least, _mm256_setzero_si256())));
    said.bad = !_mm256_testz_si256(odd, odd);
    return said;
}

/* Takes the header of a message whose k fields are indexed: header fields, then those of the body. Returns false if it has any others. */
static __attribute__((noinline)) bool take_header_fields(reader *r, size_t k)
{
    gw_fix_msg *m = r->m;
    size_t headers = 0;
    for (size_t i = 0; i < k; i++) {
        unsigned class = class_of(m->field[i].tag);
        if (class & (DATA | TRAILER_TAG) || (class & HEADER && i != headers))
            return false;
        headers += class & HEADER;
    }
    for (size_t i = 0; i < headers; i++)
        take_header(r, i);
    m->first_body = (uint16_t)headers;
    return true;
}
#endif

/* Indexes p[0..n), whose fields end at ends[0..k) (more room before and behind), by the fast way if it can. Returns 1 or a fault. */
static inline __attribute__((always_inline)) int index_fields(reader *r, size_t n, uint16_t *ends, size_t k, bool avx2)
{
#ifdef GW_FIX_AVX2
    if (avx2 && k >= 8 && k <= GW_FIX_FIELDS) {
        lanes said = index_by_eight(r->p, ends, k, r->m->field);
        bool usual = said.special == 0x7f && !said.behind; /* a header of seven fields, if they are the right ones */
        if (__builtin_expect(!said.bad, 1) && ((usual && take_usual_header(r)) || take_header_fields(r, k))) {
            r->m->field_count = (uint16_t)k;
            return 1;
        }
    }
#endif
    (void)avx2;
    return walk(r, n, ends, k);
}

/* Member by member: a memset of this size would become a string instruction, which costs as much as a field or two. */
static inline void clear(gw_fix_msg *m)
{
    const gw_fix_span none = {0, 0};
    m->msg_seq_num = 0;
    m->sending_time = m->orig_sending_time = 0;
    m->msg_type = m->length = 0;
    m->begin_string = m->msg_type_text = m->sender_comp_id = m->target_comp_id = none;
    m->poss_dup = m->poss_resend = m->odd = m->pad_ = 0;
    m->odd_field = m->field_count = m->first_body = m->sending_off = 0;
}

static inline __attribute__((always_inline)) int scan(const uint8_t *p, size_t n, gw_fix_msg *m, bool avx2)
{
    uint16_t room[1 + GW_FIX_FIELDS + 1 + STORE_AHEAD], *ends = room + 1;
    unsigned sum;
    clear(m);
    int said = n < TRAILER + BODY_MIN || n > GW_FIX_FRAME_MAX ? -1 : trailer_sum(p, n);
    if (said < 0)
        return GW_E_FRAME;
    size_t body = n - TRAILER, k = find_ends(p, body, ends, &sum, avx2);
    if ((int)sum != said)
        return GW_E_CHECKSUM;
    reader r = {p, m, 0, false};
    m->length = (uint32_t)n;
    m->field[1].tag = m->field[2].tag = 0;
    int result = index_fields(&r, body, ends, k, avx2);
    if (result != 1 && result != GW_E_FIELDS)
        return result;
    if (m->field[0].tag != 8 || m->field[1].tag != 9 || m->field[2].tag != 35)
        return GW_E_HEADER;
    if (!length_is_true(p, body, &m->field[1]))
        return GW_E_FRAME;
    if (!r.seq_good)
        return GW_E_SEQ_NUM;
    return result == 1 ? (int)n : result;
}

#ifdef GW_FIX_AVX2
GW_WITH_AVX2 static int scan_avx2(const uint8_t *p, size_t n, gw_fix_msg *m)
{
    return scan(p, n, m, true);
}
#endif

int gw_fix_scan(const uint8_t *p, size_t n, gw_fix_msg *m)
{
#ifdef GW_FIX_AVX2
    if (gw_has_avx2())
        return scan_avx2(p, n, m);
#endif
    return gw_fix_scan_plain(p, n, m);
}

int gw_fix_scan_plain(const uint8_t *p, size_t n, gw_fix_msg *m)
{
    return scan(p, n, m, false);
}

#include "fix_shape.h"

int gw_fix_scan_like(const uint8_t *p, size_t n, gw_fix_shapes *shapes, gw_fix_msg *m)
{
#ifdef GW_FIX_AVX2
    if (gw_has_avx2())
        return scan_like_avx2(p, n, shapes, m);
#endif
    (void)shapes;
    return gw_fix_scan_plain(p, n, m);
}

#ifdef GW_FIX_AVX2
GW_WITH_AVX2 static unsigned sum_by_block(const uint8_t *p, size_t n)
{
    const __m256i zero = _mm256_setzero_si256();
    __m256i total = zero;
    size_t i = 0;
    for (; i + 32 <= n; i += 32)
        total = _mm256_add_epi64(total, _mm256_sad_epu8(_mm256_loadu_si256((const __m256i *)(const void *)(p + i)), zero));
    if (i < n)
        total = _mm256_add_epi64(total, _mm256_sad_epu8(last_block(p, n, n - i), zero));
    return sum_of_lanes(total);
}
#endif

unsigned gw_fix_sum(const uint8_t *p, size_t n)
{
#ifdef GW_FIX_AVX2
    if (n >= 32 && gw_has_avx2())
        return sum_by_block(p, n);
#endif
    unsigned sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += p[i];
    return sum & 255;
}

/* ---- identifiers ---- */

#define DIGIT(n) ((n) < 10 ? '0' + (n) : 'A' + (n) - 10)
#define PAIR(n) (uint16_t)(DIGIT((n) / 36) | DIGIT((n) % 36) << 8)
#define PAIRS_6(n) PAIR(n), PAIR(n + 1), PAIR(n + 2), PAIR(n + 3), PAIR(n + 4), PAIR(n + 5)
#define PAIRS_36(n) PAIRS_6(n), PAIRS_6(n + 6), PAIRS_6(n + 12), PAIRS_6(n + 18), PAIRS_6(n + 24), PAIRS_6(n + 30)
#define PAIRS_216(n) PAIRS_36(n), PAIRS_36(n + 36), PAIRS_36(n + 72), PAIRS_36(n + 108), PAIRS_36(n + 144), PAIRS_36(n + 180)

/* The two digits of 0 to 1295, and one more than the digit that a character is. */
static const uint16_t pairs[1296] = {PAIRS_216(0), PAIRS_216(216), PAIRS_216(432), PAIRS_216(648), PAIRS_216(864), PAIRS_216(1080)};
static const uint8_t digit_of[256] = {
    ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,  ['8'] = 9,  ['9'] = 10, ['A'] = 11, ['B'] = 12,
    ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16, ['G'] = 17, ['H'] = 18, ['I'] = 19, ['J'] = 20, ['K'] = 21, ['L'] = 22, ['M'] = 23, ['N'] = 24,
    ['O'] = 25, ['P'] = 26, ['Q'] = 27, ['R'] = 28, ['S'] = 29, ['T'] = 30, ['U'] = 31, ['V'] = 32, ['W'] = 33, ['X'] = 34, ['Y'] = 35, ['Z'] = 36,
};

int gw_base36_encode(uint64_t v, uint8_t *out)
{
    gw_store8(out, GW_ZEROS_TEXT);
    gw_store8(out + GW_BASE36_LEN - 8, GW_ZEROS_TEXT);
    for (size_t i = GW_BASE36_LEN; v && i > 1; v /= 1296) /* counters are small: the leading zeros cost no division */
        memcpy(out + (i -= 2), &pairs[v % 1296], 2);
    out[0] = (uint8_t)('0' + v); /* 3 at most */
    return GW_BASE36_LEN;
}

int gw_base36_decode(const uint8_t *p, size_t n, uint64_t *v)
{
    if (n != GW_BASE36_LEN)
        return GW_E_FORMAT;
    uint64_t x = 0;
    unsigned first = digit_of[p[0]] - 1u, seen = first;
    for (size_t i = gw_load8(p) == GW_ZEROS_TEXT ? 8 : 1; i < GW_BASE36_LEN; i++) { /* twelve digits have less than 64 bits */
        unsigned d = digit_of[p[i]] - 1u;
        seen |= d;
        x = x * 36 + d;
    }
    if (seen > 63 || first > 3 || __builtin_add_overflow(x, first * 4738381338321616896u, &x)) /* 36^12 */
        return GW_E_FORMAT;
    *v = x;
    return GW_BASE36_LEN;
}
