/* FIX 4.4 text as the bench needs it: find a frame, index the fields that matter, write numbers and messages.
 *
 * Readers may look up to 31 bytes past the end of a message; link.h pads its buffers for that. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#ifdef __AVX2__
#include <immintrin.h>
#endif

enum { SOH = 1, READ_AHEAD = 32, TRAILER_SIZE = 7, BODY_MAX = 4000, STAMP_SIZE = 21 };
#define FIX_BEGIN "8=FIX.4.4\0019="
enum { FIX_BEGIN_SIZE = sizeof FIX_BEGIN - 1 };

static inline uint64_t clock_ns(clockid_t id) {
    struct timespec t;
    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
static inline uint64_t now_ns(void) { return clock_ns(CLOCK_MONOTONIC); }

/* ---- reading ---------------------------------------------------------------------------------------------------- */

/* One name per field that somebody here reads. Those up to LAST_HEADER belong to the standard header. */
enum field {
    OTHER, BEGIN_STRING, BODY_LENGTH, MSG_TYPE, MSG_SEQ_NUM, SENDER_COMP_ID, TARGET_COMP_ID, SENDING_TIME, POSS_DUP_FLAG,
    ORIG_SENDING_TIME, LAST_HEADER = ORIG_SENDING_TIME, CHECK_SUM,
    AVG_PX, BEGIN_SEQ_NO, CL_ORD_ID, CUM_QTY, EXEC_ID, LAST_PX, LAST_QTY, NEW_SEQ_NO, ORDER_ID, ORDER_QTY, ORD_STATUS, ORD_TYPE,
    PRICE, SIDE, SYMBOL, TEXT, HEART_BT_INT, TEST_REQ_ID, ENCRYPT_METHOD, EXEC_TYPE, LEAVES_QTY, MASS_STATUS_REQ_ID, FIELD_COUNT
};
enum { TAG_MAX = 1024 };
static const uint8_t field_of_tag[TAG_MAX] = {
    [8] = BEGIN_STRING, [9] = BODY_LENGTH, [35] = MSG_TYPE, [34] = MSG_SEQ_NUM, [49] = SENDER_COMP_ID, [56] = TARGET_COMP_ID,
    [52] = SENDING_TIME, [43] = POSS_DUP_FLAG, [122] = ORIG_SENDING_TIME, [10] = CHECK_SUM, [6] = AVG_PX, [7] = BEGIN_SEQ_NO,
    [11] = CL_ORD_ID, [14] = CUM_QTY, [17] = EXEC_ID, [31] = LAST_PX, [32] = LAST_QTY, [36] = NEW_SEQ_NO, [37] = ORDER_ID,
    [38] = ORDER_QTY, [39] = ORD_STATUS, [40] = ORD_TYPE, [44] = PRICE, [54] = SIDE, [55] = SYMBOL, [58] = TEXT,
    [98] = ENCRYPT_METHOD, [108] = HEART_BT_INT, [112] = TEST_REQ_ID, [150] = EXEC_TYPE, [151] = LEAVES_QTY,
    [584] = MASS_STATUS_REQ_ID,
};

struct value { uint16_t at, size; };                    /* at = 0: the field is absent */
struct message {
    const char *text;
    size_t size, body_at, body_size;                    /* body: behind the header, before CheckSum */
    struct value field[FIELD_COUNT];
};
struct span { const char *at; size_t size; };

static inline uint8_t byte_sum(const char *p, size_t n) {
    uint8_t sum = 0;
    for (size_t i = 0; i < n; i++) sum = (uint8_t)(sum + (uint8_t)p[i]);
    return sum;
}
static inline unsigned digit(char c) { return (unsigned)(unsigned char)c - '0'; }    /* above 9: not a digit */

/* Size of the frame at p; 0: more bytes are needed; -1: no frame begins here. */
static inline ssize_t frame_size(const char *p, size_t n) {
    size_t i = FIX_BEGIN_SIZE, body = 0;
    if (n < FIX_BEGIN_SIZE) return memcmp(p, FIX_BEGIN, n) ? -1 : 0;
    if (memcmp(p, FIX_BEGIN, FIX_BEGIN_SIZE)) return -1;
    for (; i < n && digit(p[i]) < 10; i++)
        if ((body = body * 10 + digit(p[i])) > BODY_MAX) return -1;
    if (i == n) return 0;
    if (p[i] != SOH) return -1;
    size_t size = i + 1 + body + TRAILER_SIZE;
    if (size > n) return 0;
    return memcmp(p + size - TRAILER_SIZE, "10=", 3) || p[size - 1] != SOH ? -1 : (ssize_t)size;
}

/* Bit i is set where p[i] is SOH, for 32 bytes. */
static inline uint32_t soh_mask(const char *p) {
#ifdef __AVX2__
    __m256i bytes = _mm256_loadu_si256((const __m256i *)(const void *)p);
    return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(SOH)));
#else
    uint32_t mask = 0;
    for (unsigned i = 0; i < 32; i++) mask |= (uint32_t)(p[i] == SOH) << i;
    return mask;
#endif
}

/* Index the fields of one frame (the first of each tag); what is wrong with it, or NULL. */
static inline const char *index_message(struct message *m, const char *p, size_t n) {
    const char *sum = p + n - TRAILER_SIZE + 3;
    if (byte_sum(p, n - TRAILER_SIZE) != digit(sum[0]) * 100 + digit(sum[1]) * 10 + digit(sum[2])) return "wrong checksum";
    *m = (struct message){.text = p, .size = n};
    size_t start = 0;
    for (size_t block = 0; block < n; block += 32)
        for (uint32_t mask = soh_mask(p + block); mask; mask &= mask - 1) {
            size_t end = block + (unsigned)__builtin_ctz(mask), i = start;
            unsigned tag = 0, d;
            if (end >= n) break;
            while ((d = digit(p[i])) < 10 && tag < TAG_MAX * 100) { tag = tag * 10 + d; i++; }
            if (p[i] != '=' || i == start) return "a field without tag and equals sign";
            enum field f = tag < TAG_MAX ? (enum field)field_of_tag[tag] : OTHER;
            if (!m->field[f].at) m->field[f] = (struct value){(uint16_t)(i + 1), (uint16_t)(end - i - 1)};
            if (!m->body_at && (f == OTHER || f > LAST_HEADER)) m->body_at = start;
            start = end + 1;
        }
    m->body_size = n - TRAILER_SIZE - m->body_at;
    return m->field[MSG_TYPE].size && m->field[MSG_SEQ_NUM].size ? NULL : "no MsgType or no MsgSeqNum";
}

static inline bool has(const struct message *m, enum field f) { return m->field[f].at != 0; }
static inline struct span value_of(const struct message *m, enum field f) { return (struct span){m->text + m->field[f].at, m->field[f].size}; }
static inline bool is_text(const struct message *m, enum field f, const char *text) {
    struct span v = value_of(m, f);
    return has(m, f) && v.size == strlen(text) && !memcmp(v.at, text, v.size);
}
/* The value when it is one character, else 0. */
static inline char char_of(const struct message *m, enum field f) { return m->field[f].size == 1 ? m->text[m->field[f].at] : 0; }

static inline uint64_t digits_of(const char *p, size_t n) {
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++) v = v * 10 + digit(p[i]);
    return v;
}
static inline uint64_t uint_of(const struct message *m, enum field f) { return digits_of(m->text + m->field[f].at, m->field[f].size); }
/* A decimal as a count of 1e-4; -1: absent, negative, not a number, or finer than that. */
static inline int64_t decimal_of(const struct message *m, enum field f) {
    struct span s = value_of(m, f);
    int64_t v = 0;
    int places = -1;
    if (!has(m, f) || !s.size || s.size > 14) return -1;
    for (size_t i = 0; i < s.size; i++) {
        if (places >= 0) places++;
        if (s.at[i] == '.' && places < 0) { places = 0; continue; }
        if (digit(s.at[i]) > 9 || places > 4) return -1;
        v = v * 10 + digit(s.at[i]);
    }
    for (places = places < 0 ? 0 : places; places < 4; places++) v *= 10;
    return v;
}

/* ---- writing ---------------------------------------------------------------------------------------------------- */

static inline size_t digit_count(uint64_t v) {
    size_t n = 1;
    while (v >= 10) { v /= 10; n++; }
    return n;
}
/* Exactly n digits, zeros in front; returns what follows them. */
static inline char *put_digits(char *o, uint64_t v, size_t n) {
    for (size_t i = n; i-- > 0; v /= 10) o[i] = (char)('0' + v % 10);
    return o + n;
}
static inline char *put_bytes(char *o, const char *p, size_t n) { memcpy(o, p, n); return o + n; }
#define PUT_TEXT(o, literal) put_bytes(o, literal, sizeof literal - 1)

/* UTC time with milliseconds, STAMP_SIZE bytes; the text of the second is kept from call to call. */
struct stamp { time_t second; char text[32]; };
static inline char *put_stamp(struct stamp *s, char *o) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    if (t.tv_sec != s->second) {
        struct tm utc;
        strftime(s->text, sizeof s->text, "%Y%m%d-%H:%M:%S.", gmtime_r(&t.tv_sec, &utc));
        s->second = t.tv_sec;
    }
    return put_digits(put_bytes(o, s->text, STAMP_SIZE - 3), (uint64_t)t.tv_nsec / 1000000, 3);
}
