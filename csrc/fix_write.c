/* FIX to the wire: headers from a prepared template, messages from given fields, a sent frame once more, and secrets masked. */
#include "fix_write.h"

#define SOH GW_FIX_SOH

/* Tables of 0 to 999, by a macro of one number. */
#define TEN(of, n) of(n), of(n + 1), of(n + 2), of(n + 3), of(n + 4), of(n + 5), of(n + 6), of(n + 7), of(n + 8), of(n + 9)
#define HUNDRED(of, n) TEN(of, n), TEN(of, n + 10), TEN(of, n + 20), TEN(of, n + 30), TEN(of, n + 40), \
                       TEN(of, n + 50), TEN(of, n + 60), TEN(of, n + 70), TEN(of, n + 80), TEN(of, n + 90)
#define THOUSAND(of) HUNDRED(of, 0), HUNDRED(of, 100), HUNDRED(of, 200), HUNDRED(of, 300), HUNDRED(of, 400), \
                     HUNDRED(of, 500), HUNDRED(of, 600), HUNDRED(of, 700), HUNDRED(of, 800), HUNDRED(of, 900)
#define TEXT(n) (('0' + (n) / 100) | ('0' + (n) / 10 % 10) << 8 | ('0' + (n) % 10) << 16)
#define SMALL(n) ((n) < 10 ? TEXT(n) >> 16 | 1 << 24 : (n) < 100 ? TEXT(n) >> 8 | 2 << 24 : TEXT(n) | 3 << 24)

const uint32_t gw_text3[1000] = {THOUSAND(TEXT)};
const uint32_t gw_small3[1000] = {THOUSAND(SMALL)};

static uint16_t load16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

/* Appends "tag=value|". */
static uint8_t *put_field(uint8_t *o, uint32_t tag, const uint8_t *value, size_t n)
{
    uint8_t digits[24];
    o = gw_fix_put(o, digits, gw_write_uint(digits, tag));
    *o++ = '=';
    if (n)
        o = gw_fix_put(o, value, n);
    *o++ = SOH;
    return o;
}

static bool is_text(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] < 32)
            return false;
    return true;
}

/* ---- the header ---- */

/* Which text of the template a header field of `more` belongs to; NULL if it is none that may be given. */
static uint8_t **place_of(uint32_t tag, uint8_t **before, uint8_t **between, uint8_t **after)
{
    switch (tag) {
    case 50: return before;
    case 57: return between;
    case 115: case 116: case 128: case 129: case 142: case 143: case 144: case 145: return after;
    default: return NULL;
    }
}

static int init_more(gw_fix_head *h, const uint8_t *more, size_t n, uint8_t **before, uint8_t **between, uint8_t **after)
{
    uint8_t *const limits[3] = {h->before + sizeof h->before - 3, h->between + sizeof h->between, h->after + sizeof h->after};
    uint32_t last = 0;
    for (size_t i = 0; i < n;) {
        if (n - i < 4 || load16(more + i + 2) > n - i - 4)
            return GW_E_ARGUMENT;
        uint16_t tag = load16(more + i), len = load16(more + i + 2);
        uint8_t **o = place_of(tag, before, between, after);
        if (!o || tag <= last)
            return GW_E_ARGUMENT;
        if (len == 0)
            return GW_E_EMPTY;
        const uint8_t *limit = limits[o == before ? 0 : o == between ? 1 : 2];
        if (len > GW_FIX_ID_MAX || !is_text(more + i + 4, len) || *o + len + 5 > limit)
            return GW_E_TEXT;
        *o = put_field(*o, tag, more + i + 4, len);
        last = tag;
        i += 4u + len;
    }
    return 1;
}

int gw_fix_head_init(gw_fix_head *h, const uint8_t *begin, size_t begin_n, const uint8_t *sender, size_t sender_n,
                     const uint8_t *target, size_t target_n, const uint8_t *more, size_t more_n)
{
    memset(h, 0, sizeof *h);
    h->room = GW_FIX_HEAD_MAX; /* also of a head that cannot be prepared */
    h->not_kept = 1;
    if (begin_n == 0 || sender_n == 0 || target_n == 0)
        return GW_E_EMPTY;
    if (begin_n > GW_FIX_ID_MAX || sender_n > GW_FIX_ID_MAX || target_n > GW_FIX_ID_MAX)
        return GW_E_TEXT;
    if (!is_text(begin, begin_n) || !is_text(sender, sender_n) || !is_text(target, target_n))
        return GW_E_TEXT;
    uint8_t *o = gw_fix_put(put_field(h->begin, 8, begin, begin_n), "9=", 2);
    h->begin_len = (uint16_t)(o - h->begin);
    memcpy(o, GW_FIX_BEHIND_BEGIN, sizeof GW_FIX_BEHIND_BEGIN - 1);
    h->before[0] = h->between[0] = SOH;
    uint8_t *before = put_field(h->before + 1, 49, sender, sender_n), *after = h->after;
    uint8_t *between = put_field(h->between + 1, 56, target, target_n);
    int r = init_more(h, more, more_n, &before, &between, &after);
    if (r < 0)
        return r;
    before = gw_fix_put(before, "52=", 3);
    h->before_len = (uint16_t)(before - h->before);
    h->between_len = (uint16_t)(between - h->between);
    h->after_len = (uint16_t)(after - h->after);
    h->sender_len = (uint16_t)sender_n;
    h->target_len = (uint16_t)target_n;
    gw_write_second(h->clock, 0);
    h->is_long = h->begin_len + sizeof GW_FIX_BEHIND_BEGIN - 1 > 32 || h->before_len > 32 || h->between_len > 32 || h->after_len > 0;
    h->room = (uint16_t)(h->begin_len + h->before_len + h->between_len + h->after_len + GW_FIX_HEAD_ADDS);
    return 1;
}

/* Whether a value is this text, which has eight readable bytes as every value has. */
static inline bool span_is(const uint8_t *p, gw_fix_span span, const uint8_t *text, size_t n)
{
    if (span.len != n || n - 1 > 7)
        return span.len == n && memcmp(p + span.off, text, n) == 0;
    return (gw_load8(p + span.off) ^ gw_load8(text)) << (64 - 8 * n) == 0;
}

int gw_fix_head_differs(const gw_fix_head *h, const uint8_t *p, const gw_fix_msg *m)
{
    if (!span_is(p, m->begin_string, h->begin + 2, h->begin_len - 5u))
        return 8;
    if (!span_is(p, m->sender_comp_id, h->between + 4, h->target_len))
        return 49;
    return span_is(p, m->target_comp_id, h->before + 4, h->sender_len) ? 0 : 56;
}

/* Whether h and a message type can be written; the text of h's second becomes that of its sending time. Returns 1, GW_E_RANGE or
 * GW_E_ARGUMENT. */
static int head_ready(gw_fix_head *h, uint32_t msg_type)
{
    uint32_t rest;
    if (h->sending_time < 0 || (h->poss_dup && h->orig_sending_time < 0) || h->msg_seq_num >= gw_pow10[18])
        return GW_E_RANGE;
    if (msg_type == 0)
        return GW_E_ARGUMENT;
    for (; msg_type; msg_type >>= 8)
        if ((uint8_t)msg_type <= ' ')
            return GW_E_ARGUMENT;
    if (!gw_fix_same_second(h, h->sending_time, &rest)) {
        int64_t second = h->sending_time / 1000000000;
        gw_write_second(h->clock, second);
        h->second_ns = second * 1000000000;
    }
    return 1;
}

int gw_fix_open(gw_fix_head *h, uint32_t msg_type, uint8_t *out)
{
    uint32_t rest;
    int ready = head_ready(h, msg_type);
    if (ready < 0)
        return ready;
    gw_fix_same_second(h, h->sending_time, &rest);
    return (int)(gw_fix_put_head(h, msg_type, rest, out, false) - out);
}

void gw_fix_keep_head(gw_fix_head *h, const uint8_t *out, size_t n)
{
    /* All numbers of a thousand must have the same number of digits, and the whole second must be in an int64. */
    if (n > sizeof h->kept || h->msg_seq_num < 1000 || h->second_ns > INT64_MAX - 1000000000)
        return;
    size_t ms_at = n - h->between_len - 3;
    memcpy(h->kept, out, n);
    h->kept_len = (uint16_t)n;
    h->kept_ms_at = (uint16_t)ms_at;
    h->kept_number_at = (uint16_t)(ms_at - sizeof "YYYYMMDD-HH:MM:SS" - h->before_len - 3);
    h->kept_ns = h->second_ns;
    h->kept_number = h->msg_seq_num - h->msg_seq_num % 1000;
    h->not_kept = 0;
}

size_t gw_fix_move_body(uint8_t *out, size_t at, size_t n)
{
    uint8_t digits[24];
    size_t body = n - at - 4, count = gw_write_uint(digits, body);
    memmove(out + at + count, out + at + 3, body + 1);
    memcpy(out + at, digits, count);
    return at + count + 1 + body;
}

/* How many places more or fewer than three a BodyLength needs. */
static int length_shift(size_t body)
{
    return body < 10 ? -2 : body < 100 ? -1 : body < 1000 ? 0 : body < 10000 ? 1 : 2;
}

/* ---- messages from fields ---- */

static bool may_be_given(uint16_t tag)
{
    static const uint8_t ours[] = {0, 8, 9, 10, 34, 35, 43, 49, 52, 56, 97, 122};
    for (size_t i = 0; i < sizeof ours; i++)
        if (tag == ours[i])
            return false;
    return true;
}

/* The tags whose value is data that the field before counts; the same list as the scan's. */
static bool is_data(uint16_t tag)
{
    static const uint16_t data[] = {89, 91, 96, 213, 349, 351, 353, 355, 357, 359, 361, 363, 365, 446, 619, 622};
    for (size_t i = 0; i < sizeof data / sizeof data[0]; i++)
        if (tag == data[i])
            return true;
    return false;
}

/* Checks the given fields; returns how many bytes they are on the wire, or a fault. */
static int64_t measure(const uint8_t *fields, size_t n)
{
    int64_t total = 0;
    uint64_t counted = 0;
    uint16_t before = 0;
    for (size_t i = 0; i < n;) {
        if (n - i < 4 || load16(fields + i + 2) > n - i - 4)
            return GW_E_ARGUMENT;
        uint16_t tag = load16(fields + i), len = load16(fields + i + 2);
        const uint8_t *value = fields + i + 4;
        if (!may_be_given(tag))
            return GW_E_ARGUMENT;
        if (len == 0)
            return GW_E_EMPTY;
        bool is_counted = is_data(tag) && before == (tag == 89 ? 93 : tag - 1);
        if (is_counted ? counted != len : memchr(value, SOH, len) != NULL)
            return GW_E_TEXT;
        if (!gw_read_uint(value, len, &counted))
            counted = 0;
        before = tag;
        total += (tag < 10 ? 1 : tag < 100 ? 2 : tag < 1000 ? 3 : tag < 10000 ? 4 : 5) + 2 + len;
        i += 4u + len;
    }
    return total;
}

int gw_fix_encode_fields(gw_fix_head *h, uint32_t msg_type, const uint8_t *fields, size_t n, uint8_t *out, size_t cap)
{
    uint8_t header[GW_FIX_HEAD_MAX];
    int opened = gw_fix_open(h, msg_type, header);
    int64_t body = opened < 0 ? 0 : measure(fields, n);
    if (opened < 0 || body < 0)
        return opened < 0 ? opened : (int)body;
    size_t length = (size_t)opened + (size_t)body;
    size_t whole = length + GW_FIX_TRAILER + (size_t)length_shift(length - h->begin_len - 4u);
    if (whole > cap || whole > GW_FIX_FRAME_MAX)
        return GW_E_SPACE;
    uint8_t *o = gw_fix_put(out, header, (size_t)opened);
    for (size_t i = 0; i < n; i += 4u + load16(fields + i + 2))
        o = put_field(o, load16(fields + i), fields + i + 4, load16(fields + i + 2));
    return gw_fix_close(h, out, length);
}

/* ---- a sent frame once more ---- */

int gw_fix_redup(const uint8_t *frame, size_t n, int64_t now_ns, uint8_t *out, size_t cap)
{
    gw_fix_msg m;
    int r = gw_fix_scan(frame, n, &m);
    if (r < 0)
        return r;
    if (now_ns < 0)
        return GW_E_RANGE;
    if (m.odd)
        return GW_E_FORMAT;
    const gw_fix_field *first = NULL; /* 122 if it was there, it is older; else 52 */
    for (size_t i = 0; i < m.first_body; i++)
        if (m.field[i].tag == 122 || (m.field[i].tag == 52 && !first))
            first = &m.field[i];
    if (!first)
        return GW_E_MISSING;
    if (n + GW_FIX_REDUP_MORE > cap)
        return GW_E_SPACE;
    size_t start = m.field[2].off - 3u, digits = m.field[1].off;
    uint8_t *o = gw_fix_put(out, frame, digits);
    o = gw_fix_put(o, "000\x01", 4);
    bool dated = false;
    for (size_t i = 2; i < m.field_count; i++) {
        const gw_fix_field *f = &m.field[i];
        size_t end = f->off + f->len + 1u;
        bool header = i < m.first_body;
        if (!dated && (!header || f->tag > 122)) {
            o = put_field(o, 122, frame + first->off, first->len);
            dated = true;
        }
        if (header && f->tag == 52) {
            o = gw_fix_put_time(now_ns, gw_fix_put(o, "52=", 3));
            *o++ = SOH;
        } else if (!(header && (f->tag == 43 || f->tag == 122))) {
            o = gw_fix_put(o, frame + start, end - start);
        }
        if (header && f->tag == 34)
            o = gw_fix_put(o, "43=Y\x01", 5);
        start = end;
    }
    if (!dated)
        o = put_field(o, 122, frame + first->off, first->len);
    size_t length = gw_fix_put_length(out, digits, (size_t)(o - out));
    return gw_fix_put_trailer(out, length, gw_fix_sum(out, length));
}

/* ---- secrets ---- */

/* The tag of the field at p[i..n) if it reads "digits=", and the place of its value; 0 if it does not. */
static uint32_t tag_at(const uint8_t *p, size_t n, size_t i, size_t *value)
{
    uint32_t tag = 0;
    size_t start = i;
    for (; i < n && p[i] >= '0' && p[i] <= '9' && i - start < 6; i++)
        tag = tag * 10 + p[i] - '0';
    *value = i + 1;
    return i > start && i < n && p[i] == '=' ? tag : 0;
}

/* Whether p[0..n) ends in a CheckSum that is right. */
static bool sum_is_right(const uint8_t *p, size_t n)
{
    if (n < 8 || p[n - 8] != SOH || memcmp(p + n - 7, "10=", 3) != 0 || p[n - 1] != SOH)
        return false;
    uint64_t said;
    return gw_read_uint(p + n - 4, 3, &said) && said == gw_fix_sum(p, n - 7);
}

int gw_fix_mask(uint8_t *p, size_t n, const uint16_t *tags, size_t count)
{
    bool right = sum_is_right(p, n);
    size_t limit = right ? n - 8 : n; /* a lying length must not reach into a trailer that is to be kept */
    size_t masked = 0;
    uint64_t length = 0; /* what the field before said, if it was a number: perhaps the length of this one */
    for (size_t i = 0; i < n;) {
        size_t value;
        uint32_t tag = tag_at(p, n, i, &value);
        size_t from = tag ? value : i;
        const uint8_t *soh = memchr(p + from, SOH, n - from);
        size_t end = soh ? (size_t)(soh - p) : n;
        bool secret = false;
        for (size_t j = 0; tag && j < count; j++)
            secret |= tags[j] == tag;
        if (secret) {
            if (is_data((uint16_t)tag) && length > end - from)
                end = length < limit - from ? from + (size_t)length : limit;
            memset(p + from, '*', end - from);
            masked += end - from;
        }
        if (!gw_read_uint(p + from, end - from, &length))
            length = 0;
        i = end + 1;
    }
    if (right && masked) {
        unsigned sum = gw_fix_sum(p, n - 7);
        p[n - 4] = (uint8_t)('0' + sum / 100);
        p[n - 3] = (uint8_t)('0' + sum / 10 % 10);
        p[n - 2] = (uint8_t)('0' + sum % 10);
    }
    return (int)masked;
}
