/* place.h: where a search for a key begins.
 *
 * Ids mostly count, and those that follow one another are asked for one after the other, so they should lie side by side: a distant line is waited
 * for once in a row of them and not for each. Hence a key has the low four bits of what it stands for (a number, a name's last character) as they
 * are, GW_ROW_AT bits up, and a hash of all the rest: the rest says where a row lies, those bits where in it.
 */
#ifndef GW_PLACE_H
#define GW_PLACE_H
#include <stdint.h>

#define GW_ROW_AT 12
#define GW_ROW_BITS (15ull << GW_ROW_AT)

/* The product's upper bytes, which all of the key comes into, as low bits. */
static inline uint32_t gw_home(uint64_t key) { return (uint32_t)__builtin_bswap64(key * 0x9E3779B97F4A7C15ull); }
/* In a table whose places are cheap: a row of sixteen, turned by a hash of its own, so that names which all end alike take no less of the table. */
static inline uint32_t gw_place16(uint64_t key) {
  const uint32_t row = gw_home(key & ~GW_ROW_BITS);
  return row << 4 | (((uint32_t)(key >> GW_ROW_AT) ^ row >> 28) & 15u);
}
/* In an index: a row of eight, the last one first, since a removal looks on until a free place, and so mostly finds that the one before it is gone.
 * What one connection counts lies elsewhere than what another does: connections count in step. */
static inline uint32_t gw_place8(uint64_t key) { return gw_home(key >> (GW_ROW_AT + 3) ^ (key & ((1u << GW_ROW_AT) - 1)) << (64 - GW_ROW_AT)) << 3 | (uint32_t)(~key >> GW_ROW_AT & 7u); }
#endif
