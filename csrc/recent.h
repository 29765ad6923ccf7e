/* recent.h: the last n keys that were added, oldest forgotten first.
 *
 * A ring of n keys, and 4n heads of chains: each says when the newest key that belongs there was added, and each key when the one before it
 * was. Nothing is ever removed: what was added n keys ago or more counts no more, and a chain is not followed beyond it, since all behind is
 * older still. Times are counts of keys, of 32 bits; after a lap of them an old head may look young again: then the key there is another one,
 * and the chain ends where time does not run backwards. The heads of a row (place.h) share a line; gw_recent_ahead asks for it before it is needed. 0 is
 * no key. n is a power of two; memory that is zero has no keys in it.
 */
#ifndef GW_RECENT_H
#define GW_RECENT_H
#include <stddef.h>
#include "place.h"

typedef struct gw_recent {
  uint64_t *keys;    /* n: the ring */
  uint32_t *before;  /* n: of each, when the one before it in its chain was added */
  uint32_t *heads;   /* GW_RECENT_HEADS(n) */
  uint64_t *added;   /* keys ever added */
  uint32_t n;
} gw_recent;
#define GW_RECENT_HEADS(n) (4 * (size_t)(n))
#define GW_RECENT_NONE UINT32_MAX

/* When the newest key was added. It begins at n, so that the time 0 is always long ago. */
static inline uint32_t gw_recent_now(const gw_recent *r) { return (uint32_t)*r->added + r->n; }
static inline uint32_t *gw_recent_head(const gw_recent *r, uint64_t key) { return &r->heads[gw_place16(key) & (r->n * 4 - 1)]; }
static inline void gw_recent_ahead(const gw_recent *r, uint64_t key) { __builtin_prefetch(gw_recent_head(r, key), 1); }
/* Where in the ring a key is; GW_RECENT_NONE if it is not there. */
static inline uint32_t gw_recent_find(const gw_recent *r, uint64_t key) {
  const uint32_t now = gw_recent_now(r);
  for (uint32_t age = now - *gw_recent_head(r, key), younger; age < r->n;) {
    const uint32_t at = (now - age) & (r->n - 1);
    if (r->keys[at] == key) return at;
    younger = age;
    age = now - r->before[at];
    if (age <= younger) break;
  }
  return GW_RECENT_NONE;
}
/* Add a key that is not there; where in the ring it is from now on. */
static inline uint32_t gw_recent_add(const gw_recent *r, uint64_t key) {
  uint32_t *const head = gw_recent_head(r, key);
  ++*r->added;
  const uint32_t now = gw_recent_now(r), at = now & (r->n - 1);
  r->keys[at] = key;
  r->before[at] = *head;
  *head = now;
  return at;
}
#endif
