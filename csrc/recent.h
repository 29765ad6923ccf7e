/* recent.h: the last n keys that were used, oldest forgotten first: a ring of n keys, and a table of 2n places that is searched.
 *
 * Open addressing, linear probing, removal by shifting back: the table is never more than half full and a probe mostly stays within
 * one cache line. Keys are 64-bit hashes, so the line is mostly a distant one: gw_recent_ahead asks for it before it is needed. 0 is no
 * key: it counts as used from the beginning. n is a power of two.
 */
#ifndef GW_RECENT_H
#define GW_RECENT_H
#include <stdint.h>

typedef struct gw_recent {
  uint64_t *ring, *table;
  uint64_t *used;   /* keys ever remembered; the ring's next place is its low bits */
  uint32_t n;
} gw_recent;

static inline uint32_t gw_recent_home(uint64_t key, uint32_t n) { return (uint32_t)((key * 0x9E3779B97F4A7C15ull) >> 32) & (n * 2 - 1); }
/* Where the table has the key, or the free place where it would go. */
static inline uint32_t gw_recent_place(const uint64_t *table, uint32_t n, uint64_t key) {
  uint32_t i = gw_recent_home(key, n);
  while (table[i] != 0 && table[i] != key) i = (i + 1) & (n * 2 - 1);
  return i;
}
static inline int gw_recent_has(const uint64_t *table, uint32_t n, uint64_t key) { return key == 0 || table[gw_recent_place(table, n, key)] == key; }
static inline void gw_recent_ahead(const uint64_t *table, uint32_t n, uint64_t key) { __builtin_prefetch(&table[gw_recent_home(key, n)], 1); }
static inline void gw_recent_forget(uint64_t *table, uint32_t n, uint64_t key) {
  const uint32_t mask = n * 2 - 1;
  uint32_t hole = gw_recent_place(table, n, key);
  for (uint32_t i = (hole + 1) & mask; table[i] != 0; i = (i + 1) & mask) {
    if (((i - gw_recent_home(table[i], n)) & mask) < ((i - hole) & mask)) continue;   /* it would come before its home */
    table[hole] = table[i];
    hole = i;
  }
  table[hole] = 0;
}
static inline void gw_recent_put(const gw_recent *r, uint64_t key) {
  uint32_t i = gw_recent_place(r->table, r->n, key);
  if (key == 0 || r->table[i] == key) return;
  uint64_t *const at = &r->ring[*r->used & (r->n - 1)];
  if (*r->used >= r->n) {
    gw_recent_forget(r->table, r->n, *at);
    i = gw_recent_place(r->table, r->n, key);   /* others may have moved */
  }
  r->table[i] = *at = key;
  if (++*r->used >= r->n) gw_recent_ahead(r->table, r->n, r->ring[*r->used & (r->n - 1)]);   /* the next to be forgotten */
}
#endif
