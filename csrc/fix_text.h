/* FIX values as text: digits, decimals, UTC times and base 36, in both directions. Internal to the FIX codec.
 *
 * Eight characters are handled as one 64-bit word, first character in the lowest byte. So a reader named …8 loads eight
 * bytes and a writer stores eight: the callers prove the room. A value inside a frame always has them, because the
 * trailer "|10=nnn|" is eight bytes itself. */
#ifndef GW_FIX_TEXT_H
#define GW_FIX_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "words of text are read with the first character lowest");

#define GW_ONES 0x0101010101010101u
#define GW_ZEROS_TEXT 0x3030303030303030u /* "00000000" */

static const uint64_t gw_pow10[20] = {
    1u,
    10u,
    100u,
    1000u,
    10000u,
    100000u,
    1000000u,
    10000000u,
    100000000u,
    1000000000u,
    10000000000u,
    100000000000u,
    1000000000000u,
    10000000000000u,
    100000000000000u,
    1000000000000000u,
    10000000000000000u,
    100000000000000000u,
    1000000000000000000u,
    10000000000000000000u,
};

static inline uint64_t gw_load8(const uint8_t *p)
{
    uint64_t x;
    memcpy(&x, p, 8);
    return x;
}

static inline void gw_store8(uint8_t *p, uint64_t x)
{
    memcpy(p, &x, 8);
}

static inline void gw_store4(uint8_t *p, uint32_t x)
{
    memcpy(p, &x, 4);
}

/* The three digits of 0..999 as text, first lowest; the fourth byte is 0. 4 KB in fix_write.c. */
__attribute__((visibility("hidden"))) extern const uint32_t gw_text3[1000];

/* The same without leading zeros; the fourth byte is the length. */
__attribute__((visibility("hidden"))) extern const uint32_t gw_small3[1000];

/* An unsigned integer of width 1, 2, 4 or 8 bytes. (A memcpy of variable length would be a string instruction, ten times slower.) */
static inline uint64_t gw_load_uint(const uint8_t *p, size_t width)
{
    uint32_t word;
    uint16_t half;
    switch (width) {
    case 1: return *p;
    case 2: memcpy(&half, p, 2); return half;
    case 4: memcpy(&word, p, 4); return word;
    default: return gw_load8(p);
    }
}

static inline void gw_store_uint(uint8_t *p, size_t width, uint64_t v)
{
    switch (width) {
    case 1: *p = (uint8_t)v; break;
    case 2: memcpy(p, &v, 2); break;
    case 4: memcpy(p, &v, 4); break;
    default: gw_store8(p, v);
    }
}

/* The high bit of every byte of x that is zero, exactly. */
static inline uint64_t gw_zero_bytes(uint64_t x)
{
    const uint64_t low = 0x7f7f7f7f7f7f7f7fu;
    return ~(((x & low) + low) | x | low);
}

/* Whether all eight bytes of d are 0..9. */
static inline bool gw_all_digits(uint64_t d)
{
    return (((d + 0x0606060606060606u) | d) & 0xf0f0f0f0f0f0f0f0u) == 0;
}

/* The number that eight digits (0..9, first lowest) write. */
static inline uint32_t gw_value8(uint64_t d)
{
    d = (d * 10 + (d >> 8)) & 0x00ff00ff00ff00ffu;
    d = (d * 100 + (d >> 16)) & 0x0000ffff0000ffffu;
    return (uint32_t)(d * 10000 + (d >> 32));
}

/* The eight digits (0..9, first lowest) of v < 10^8. */
static inline uint64_t gw_digits8(uint32_t v)
{
    uint64_t x = (uint64_t)(v / 10000) | (uint64_t)(v % 10000) << 32;
    uint64_t hundreds = ((x * 10486) >> 20) & 0x0000007f0000007fu;
    x = hundreds | (x - 100 * hundreds) << 16;
    uint64_t tens = ((x * 103) >> 10) & 0x000f000f000f000fu;
    return tens | (x - 10 * tens) << 8;
}

/* The same as text, by looking up three digits at a time. */
static inline uint64_t gw_text8(uint32_t v)
{
    uint32_t thousands = v / 1000, millions = thousands / 1000;
    return (uint64_t)gw_text3[v - 1000 * thousands] << 40 | (uint64_t)gw_text3[thousands - 1000 * millions] << 16 | gw_text3[millions] >> 8;
}

/* The number written by n digits at p; false if n is 0, a byte is no digit, or it is above 10^18 - 1. */
static inline bool gw_read_uint(const uint8_t *p, size_t n, uint64_t *out)
{
    uint64_t v = 0;
    for (; n > 18 && *p == '0'; n--)
        p++; /* leading zeros are allowed and carry nothing */
    if (n == 0 || n > 18)
        return false;
    for (size_t i = 0; i < n; i++) {
        unsigned d = (unsigned)p[i] - '0';
        if (d > 9)
            return false;
        v = v * 10 + d;
    }
    *out = v;
    return true;
}

/* The number written by one to four digits at p, where four bytes must be readable; false if n is another, or a byte is no digit. */
static inline bool gw_read_few(const uint8_t *p, size_t n, uint32_t *out)
{
    uint32_t d;
    if (n - 1 > 3)
        return false;
    memcpy(&d, p, 4);
    d = (d ^ 0x30303030u) << (32 - 8 * n); /* right-aligned: leading zeros come in from below */
    if (((d + 0x06060606u) | d) & 0xf0f0f0f0u)
        return false;
    d = d * 10 + (d >> 8); /* two digits each in bytes 0 and 2 */
    *out = (d & 0xff) * 100 + (d >> 16 & 0xff);
    return true;
}

/* The same for up to 18 digits, as gw_read_uint; few of them as one word. Eight bytes must be readable at p. */
static inline bool gw_read_uint8(const uint8_t *p, size_t n, uint64_t *out)
{
    uint32_t few;
    if (gw_read_few(p, n, &few)) {
        *out = few;
        return true;
    }
    if (n - 1 > 7)
        return gw_read_uint(p, n, out);
    uint64_t d = (gw_load8(p) ^ GW_ZEROS_TEXT) << (64 - 8 * n); /* right-aligned: leading zeros come in from below */
    *out = gw_value8(d);
    return gw_all_digits(d);
}

/* Writes v < 10^8 without leading zeros; returns the length. Stores 8 bytes. */
static inline size_t gw_write_uint8(uint8_t *o, uint32_t v)
{
    uint64_t text = gw_text8(v);
    unsigned skip = (unsigned)__builtin_ctzll((text ^ GW_ZEROS_TEXT) | 1ull << 56) & ~7u; /* a zero still has its last digit */
    gw_store8(o, text >> skip);
    return 8 - skip / 8;
}

/* The same of any v; the length is 1..20. Stores whole words: up to 24 bytes from o. */
static inline size_t gw_write_uint(uint8_t *o, uint64_t v)
{
    if (v < 100000000u)
        return gw_write_uint8(o, (uint32_t)v);
    size_t n = gw_write_uint(o, v / 100000000u);
    gw_store8(o + n, gw_text8((uint32_t)(v % 100000000u)));
    return n + 8;
}

/* The same for v < 1000. Stores 4 bytes. */
static inline size_t gw_write_small(uint8_t *o, unsigned v)
{
    uint32_t text = gw_small3[v];
    gw_store4(o, text);
    return text >> 24;
}

typedef enum { GW_NUM_OK, GW_NUM_BAD, GW_NUM_PRECISE, GW_NUM_RANGE } gw_num;

/* Exact decimal, any length, to a mantissa of exponent -8: [-]digits[.digits], at least one digit, no blanks, no sign +.
 * FIX float: leading and trailing zeros are allowed on either side, the point may be last. */
__attribute__((noinline)) static gw_num gw_read_decimal_slow(const uint8_t *p, size_t n, int64_t *out)
{
    uint64_t v = 0;
    size_t i = 0, digits = 0;
    unsigned decimals = 0;
    bool negative = n > 0 && p[0] == '-', point = false, precise = false, range = false;
    for (i = negative; i < n; i++) {
        unsigned d = (unsigned)p[i] - '0';
        if (p[i] == '.' && !point) {
            point = true;
            continue;
        }
        if (d > 9)
            return GW_NUM_BAD;
        digits++;
        if (point && decimals == 8) {
            precise |= d != 0;
            continue;
        }
        decimals += point;
        range |= __builtin_mul_overflow(v, 10u, &v) || __builtin_add_overflow(v, d, &v);
    }
    if (digits == 0)
        return GW_NUM_BAD;
    range |= __builtin_mul_overflow(v, gw_pow10[8 - decimals], &v);
    if (range || v > (uint64_t)INT64_MAX + negative)
        return GW_NUM_RANGE;
    if (precise)
        return GW_NUM_PRECISE;
    *out = (int64_t)(negative ? 0 - v : v);
    return GW_NUM_OK;
}

/* Two to eight characters as a word of digits, first lowest, those that there are at its upper end; a point is '.' ^ '0'. Eight bytes must be
 * readable at p. */
static inline uint64_t gw_short_characters(const uint8_t *p, size_t n)
{
    return (gw_load8(p) ^ GW_ZEROS_TEXT) << (64 - 8 * n); /* right-aligned: leading zeros come in from below */
}

/* The decimal that such a word is: its digits as a number, and how many of them are behind the point; false if it is none. */
static inline bool gw_short_value(uint64_t d, uint32_t *digits, unsigned *decimals)
{
    const uint64_t high = 0x80 * GW_ONES;
    uint64_t x = d ^ ('.' ^ '0') * GW_ONES, points = (x - GW_ONES) & ~x & high;
    *decimals = 0;
    if (points) {
        uint64_t point = points & -points; /* the highest bit of the first point's byte: this one is exact */
        d = (d & (point / 128 - 1)) << 8 | (d & -(point << 1));
        *decimals = 7 - (unsigned)__builtin_ctzll(point) / 8;
    }
    *digits = gw_value8(d);
    return gw_all_digits(d);
}

/* The usual decimal, one to eight characters without sign, as one word: its digits as a number, and how many of them are behind
 * the point. False for any other text, which may still be a decimal. Eight bytes must be readable at p. */
static inline bool gw_read_short(const uint8_t *p, size_t n, uint32_t *digits, unsigned *decimals)
{
    *decimals = 0;
    if (gw_read_few(p, n, digits))
        return true;
    return n - 2 <= 6 && gw_short_value(gw_short_characters(p, n), digits, decimals); /* a single character that is no digit is no number */
}

/* A decimal as a mantissa of exponent -8. Eight bytes must be readable at p. */
static inline gw_num gw_read_decimal8(const uint8_t *p, size_t n, int64_t *out)
{
    uint32_t digits;
    unsigned decimals;
    if (!gw_read_short(p, n, &digits, &decimals))
        return gw_read_decimal_slow(p, n, out);
    *out = (int64_t)(digits * gw_pow10[8 - decimals]);
    return GW_NUM_OK;
}

/* Writes v × 10^-decimals as gw_write_decimal does, for v < 10^8 and at most seven decimals, from one word of digits: what stands before
 * the point and what stands behind it are both shifts of it. */
static inline size_t gw_write_short(uint8_t *o, uint32_t v, unsigned decimals)
{
    uint64_t text = gw_text8(v), digits = text ^ GW_ZEROS_TEXT;
    unsigned point = 64 - 8 * decimals, skip = (unsigned)__builtin_ctzll(digits | 1ull << 56) & ~7u; /* in bits of the word */
    skip = skip < point ? skip : point - 8; /* one digit before the point at least */
    gw_store8(o, text >> skip);
    size_t n = (point - skip) / 8;
    if (decimals == 0 || (digits >>= point) == 0)
        return n;
    o[n] = '.';
    gw_store8(o + n + 1, text >> point);
    return n + 9 - ((unsigned)__builtin_clzll(digits) >> 3);
}

/* The same as one word; what is in it above its length means nothing. Returns the length, or 0 if it is more than eight. */
static inline unsigned gw_short_word(uint32_t v, unsigned decimals, uint64_t *word)
{
    uint64_t text = gw_text8(v), digits = text ^ GW_ZEROS_TEXT;
    unsigned point = 64 - 8 * decimals, skip = (unsigned)__builtin_ctzll(digits | 1ull << 56) & ~7u; /* in bits of the word */
    skip = skip < point ? skip : point - 8;
    unsigned end = 64 - ((unsigned)__builtin_clzll(digits | 1) & ~7u), whole = point - skip; /* behind the last digit but 0 */
    *word = text >>= skip;
    if (end <= point)
        return whole / 8;
    uint64_t behind = text & ~0ull << whole;
    *word = (text ^ behind) | (uint64_t)'.' << whole | behind << 8;
    return end - skip < 64 ? (end - skip) / 8 + 1 : 0;
}

/* Any other: as far as gw_write_decimal. */
__attribute__((noinline, unused)) static size_t gw_write_long(uint8_t *o, int64_t mantissa, int exponent)
{
    uint64_t v = mantissa < 0 ? 0 - (uint64_t)mantissa : (uint64_t)mantissa;
    size_t n = 0;
    if (mantissa < 0)
        o[n++] = '-';
    if (exponent >= 0 || v == 0) {
        n += gw_write_uint(o + n, v);
        for (; exponent > 0 && v; exponent--)
            o[n++] = '0';
        return n;
    }
    unsigned decimals = (unsigned)-exponent;
    if (v >= 100000000u && decimals > 4 && v % 10000 == 0) { /* an average price mostly has no more digits than its fills */
        v /= 10000;
        decimals -= 4;
    }
    if (v < 100000000u && decimals < 8)
        return n + gw_write_short(o + n, (uint32_t)v, decimals);
    uint64_t whole = decimals == 8 ? v / 100000000 : v / gw_pow10[decimals]; /* a constant divides three times faster */
    uint64_t rest = v - whole * gw_pow10[decimals];
    n += gw_write_uint(o + n, whole);
    if (rest == 0)
        return n;
    o[n++] = '.';
    for (; decimals > 8; decimals -= 8) { /* at most twice: 10^-18 */
        gw_store8(o + n, gw_digits8((uint32_t)(rest / gw_pow10[decimals - 8])) | GW_ZEROS_TEXT);
        rest %= gw_pow10[decimals - 8];
        n += 8;
    }
    uint64_t d = gw_digits8((uint32_t)(rest * gw_pow10[8 - decimals]));
    gw_store8(o + n, d | GW_ZEROS_TEXT);
    if (d)
        return n + 8 - ((unsigned)__builtin_clzll(d) >> 3);
    while (o[n - 1] == '0')
        n--;
    return n;
}

/* Writes mantissa × 10^exponent, exact and shortest: no exponent, no trailing zeros behind the point, none before the
 * first digit but one. exponent is -18..18. Stores up to 48 bytes from o, returns the length. */
static inline size_t gw_write_decimal(uint8_t *o, int64_t mantissa, int exponent)
{
    if (mantissa >= 0 && mantissa < 100000000 && exponent <= 0 && exponent > -8)
        return gw_write_short(o, (uint32_t)mantissa, (unsigned)-exponent);
    return gw_write_long(o, mantissa, exponent);
}

static inline bool gw_date_exists(unsigned year, unsigned month, unsigned day)
{
    static const uint8_t days[13] = {0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month >= 1 && month <= 12 && day >= 1 && (day <= 28 || day <= days[month] + (unsigned)(leap && month == 2));
}

/* "YYYYMMDD" of eight readable bytes; false unless it is a date from 1970 to 2261 (what ns in an int64 can hold). */
static inline bool gw_read_date8(const uint8_t *p, uint32_t *yyyymmdd)
{
    uint64_t d = gw_load8(p) ^ GW_ZEROS_TEXT;
    if (!gw_all_digits(d))
        return false;
    uint32_t v = gw_value8(d);
    *yyyymmdd = v;
    return v >= 19700101 && v <= 22611231 && gw_date_exists(v / 10000, v / 100 % 100, v % 100);
}

/* The day since the epoch of "YYYYMMDD", given as digits (first lowest); false unless it is a date from 1970 to 2261. */
static inline bool gw_read_day(uint64_t d, uint32_t *day)
{
    /* Days of the year before each month, common years first; what is no month has no days. */
    static const uint16_t before[32] = {0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365, 365, 365,
                                        0, 0, 31, 60, 91, 121, 152, 182, 213, 244, 274, 305, 335, 366, 366, 366};
    if (!gw_all_digits(d))
        return false;
    d = d * 10 + (d >> 8); /* two digits each in bytes 0, 2, 4 and 6 */
    unsigned year = (unsigned)(d & 0xff) * 100 + (d >> 16 & 0xff), month = d >> 32 & 0xff, of_month = d >> 48 & 0xff;
    unsigned since = year - 1970, leap = (year & 3) == 0, lost = 0;
    if (since > 2261 - 1970 || month > 14)
        return false;
    if (since >= 2100 - 1970) { /* the first years that divide by four without being leap years */
        lost = (year > 2100) + (unsigned)(year > 2200);
        leap &= year != 2100 && year != 2200;
    }
    const uint16_t *row = &before[leap * 16 + month];
    *day = (since * 1461 + 1) / 4 - lost + row[0] + of_month - 1;
    return of_month - 1 < (unsigned)(row[1] - row[0]);
}

/* The second of the day of "HH:MM:SS", eight readable bytes; false if it is none. A leap second (only 23:59:60) is the second after. */
static inline bool gw_read_clock(const uint8_t *p, uint32_t *second)
{
    const uint64_t pairs = 0x00ff0000ff0000ffu;
    uint64_t t = gw_load8(p) ^ 0x30303a30303a3030u; /* "00:00:00": the colons become 0, so digits remain */
    if (!gw_all_digits(t) || (t & 0x0000ff0000ff0000u))
        return false;
    t = (t * 10 + (t >> 8)) & pairs; /* two digits each */
    uint64_t minutes = (t * (60 << 24 | 1) >> 24) & 0xffff;
    *second = (uint32_t)(minutes * 60 + (t >> 48));
    if ((t + 0x0044000044000068u) & 0x0080000080000080u) /* above 23, 59 or 59 */
        return t == (23 | 59ull << 24 | 60ull << 48);
    return true;
}

/* The number that the three digits of ".nnn", four readable bytes, write; above 999 if they are not that. */
static inline uint32_t gw_read_ms(const uint8_t *p)
{
    uint32_t t;
    memcpy(&t, p, 4);
    t ^= 0x3030302eu;
    if (((t + 0x06060600u) | t) & 0xf0f0f0ffu)
        return UINT32_MAX;
    t = (t * 10 + (t >> 8)) & 0x00ff00ffu; /* the first digit, and the two behind it */
    return (t & 255) * 100 + (t >> 16);
}

/* Whether two UTCTimestamps have the same first 17 characters, "YYYYMMDD-HH:MM:SS". */
static inline bool gw_same_second(const uint8_t *a, const uint8_t *b)
{
    return (((gw_load8(a) ^ gw_load8(b)) | (gw_load8(a + 8) ^ gw_load8(b + 8))) == 0) & (a[16] == b[16]);
}

/* UTCTimestamp "YYYYMMDD-HH:MM:SS[.sss[sss[sss]]]" to ns since the epoch. A leap second is the second after, which has the same
 * number. Any other form is false; nothing is rounded. */
static inline bool gw_read_time(const uint8_t *p, size_t n, int64_t *out)
{
    uint32_t day, second;
    uint64_t fraction = 0;
    if (n == 21) { /* as most are */
        uint32_t ms = gw_read_ms(p + 17);
        if (ms > 999)
            return false;
        fraction = ms * 1000000ull;
    } else if (n == 24 || n == 27) {
        if (p[17] != '.' || !gw_read_uint(p + 18, n - 18, &fraction))
            return false;
        fraction *= gw_pow10[27 - n];
    } else if (n != 17) {
        return false;
    }
    if (p[8] != '-' || !gw_read_day(gw_load8(p) ^ GW_ZEROS_TEXT, &day) || !gw_read_clock(p + 9, &second))
        return false;
    *out = ((int64_t)day * 86400 + second) * 1000000000 + (int64_t)fraction;
    return true;
}

/* "YYYYMMDD" of day `days` since the epoch, 0 and up. Stores 8 bytes. */
static inline void gw_write_date(uint8_t *o, int64_t days)
{
    uint32_t z = (uint32_t)days + 719468, era = z / 146097, of_era = z % 146097;
    uint32_t y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    uint32_t of_year = of_era - (365 * y + y / 4 - y / 100), m = (5 * of_year + 2) / 153;
    uint32_t day = of_year - (153 * m + 2) / 5 + 1, month = m < 10 ? m + 3 : m - 9;
    gw_store8(o, gw_digits8((y + era * 400 + (month <= 2)) * 10000 + month * 100 + day) | GW_ZEROS_TEXT);
}

/* "YYYYMMDD-HH:MM:SS." of a second since the epoch, 0 and up. Stores 18 bytes. */
static inline void gw_write_second(uint8_t *o, int64_t second)
{
    uint32_t of_day = (uint32_t)(second % 86400);
    gw_write_date(o, second / 86400);
    uint32_t v = of_day / 3600 * 1000000 + of_day / 60 % 60 * 1000 + of_day % 60; /* HH0MM0SS, zeros become colons */
    gw_store8(o + 9, gw_digits8(v) | 0x30303a30303a3030u);
    o[8] = '-';
    o[17] = '.';
}

#endif
