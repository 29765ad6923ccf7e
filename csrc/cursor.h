/* Reads and writes of numbers at any place, the byte order in the name; and a cursor that never passes its end. Pure. */
#ifndef GW_CURSOR_H
#define GW_CURSOR_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "records, tables and the journal are the memory of a little-endian machine"
#endif

/* The unsigned number in `width` bytes (1 to 8) at p. Copies of a fixed length are single instructions; of a variable one, calls. */
static inline uint64_t gw_get(const uint8_t *p, unsigned width, int big)
{
    uint64_t v = 0;
    uint32_t v4;
    uint16_t v2;
    switch (width) {
    case 1: return *p;
    case 2: memcpy(&v2, p, 2); return big ? __builtin_bswap16(v2) : v2;
    case 4: memcpy(&v4, p, 4); return big ? __builtin_bswap32(v4) : v4;
    case 8: memcpy(&v, p, 8); return big ? __builtin_bswap64(v) : v;
    default: memcpy(&v, p, width); return big ? __builtin_bswap64(v) >> (64 - 8 * width) : v;
    }
}

/* The low `width` bytes (1 to 8) of v, to p. */
static inline void gw_put(uint8_t *p, unsigned width, int big, uint64_t v)
{
    uint32_t v4 = (uint32_t)v;
    uint16_t v2 = (uint16_t)v;
    switch (width) {
    case 1: *p = (uint8_t)v; return;
    case 2: v2 = big ? __builtin_bswap16(v2) : v2; memcpy(p, &v2, 2); return;
    case 4: v4 = big ? __builtin_bswap32(v4) : v4; memcpy(p, &v4, 4); return;
    case 8: v = big ? __builtin_bswap64(v) : v; memcpy(p, &v, 8); return;
    default: v = big ? __builtin_bswap64(v) >> (64 - 8 * width) : v; memcpy(p, &v, width); return;
    }
}

/* v, a number of `width` bytes, with its sign. */
static inline int64_t gw_signed(uint64_t v, unsigned width)
{
    unsigned shift = 64 - 8 * width;
    return (int64_t)(v << shift) >> shift;
}

/* A walk through bytes. Reading past the end sets rc (once) and gives 0; ask rc when all is read. */
typedef struct gw_cursor {
    const uint8_t *p, *end;
    int rc; /* 0, or what the caller said a short read is */
} gw_cursor;

/* n bytes at the cursor, which moves behind them; NULL, and rc = `fault`, if there are fewer. */
static inline const uint8_t *gw_take(gw_cursor *c, size_t n, int fault)
{
    const uint8_t *p = c->p;
    if ((size_t)(c->end - p) < n) {
        if (!c->rc) c->rc = fault;
        return NULL;
    }
    c->p += n;
    return p;
}

static inline uint64_t gw_take_number(gw_cursor *c, unsigned width, int big, int fault)
{
    const uint8_t *p = gw_take(c, width, fault);
    return p ? gw_get(p, width, big) : 0;
}

#endif
