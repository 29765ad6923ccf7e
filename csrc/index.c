/* index.c: keys to slots (open addressing, removal by shifting back), and the last executions seen. */
#include "core.h"

uint32_t gw_index_find(const gw_index *m, const gw_pair *p, uint64_t key) {
  for (uint32_t i = gw_place8(key) & m->mask;; i = (i + 1) & m->mask) {
    if (p[i].key == 0) return NONE32;
    if (p[i].key == key) return i;
  }
}
void gw_index_put(gw_index *m, gw_pair *p, uint64_t key, uint32_t slot, uint32_t gen) {
  if (key == 0) return;
  uint32_t i = gw_place8(key) & m->mask;
  while (p[i].key != 0 && p[i].key != key) i = (i + 1) & m->mask;
  if (p[i].key == 0) m->count++;
  p[i] = (gw_pair){ .key = key, .slot = slot, .gen = gen };
}
/* Removes a key only while it still means this slot: ids may be used again. */
void gw_index_remove(gw_index *m, gw_pair *p, uint64_t key, uint32_t slot) {
  uint32_t i = gw_index_find(m, p, key);
  if (i == NONE32 || p[i].slot != slot) return;
  m->count--;
  for (uint32_t j = i;;) {
    j = (j + 1) & m->mask;
    if (p[j].key == 0) break;
    uint32_t home = gw_place8(p[j].key) & m->mask;
    if (((j - home) & m->mask) < ((j - i) & m->mask)) continue;   /* it would come before its home */
    p[i] = p[j];
    i = j;
  }
  memset(&p[i], 0, sizeof p[i]);
}

/* The last executions seen, oldest forgotten first. ---------------------------------------------------------------------------
 * An execution is known by its id and by whose it is: the order, or, of an order that nobody knows (any more), what the report names it by.
 * Either makes it a repetition, since a repeat may come after a replace, or when the order's slot is another's. The first that has an id
 * stands under the id alone; where a venue uses one again, the later ones stand under the id together with each of their owner's names. */
enum { OF_ORDER, OF_NAME };   /* order 8 and the order that was named 8 are two */
static uint32_t short_of(uint64_t owner, uint64_t kind) { return owner ? gw_home(owner ^ (kind + 1) << 62) | 1u : 0; }
static gw_owner owner_of(uint64_t order_no, uint64_t name) { return (gw_owner){ .order = short_of(order_no, OF_ORDER), .named = short_of(name, OF_NAME) }; }
static uint64_t key_again(uint64_t key, uint32_t owner) { return gw_mix(key ^ owner) | 1u; }
static int seen_again(const gw_lane *l, uint64_t key, uint32_t owner) { return owner && gw_recent_find(&l->seen, key_again(key, owner)) != GW_RECENT_NONE; }

void gw_exec_ahead(const gw_lane *l, uint64_t key) { gw_recent_ahead(&l->seen, key); }
int gw_exec_seen(const gw_lane *l, uint64_t key, uint64_t order_no, uint64_t name) {
  const uint32_t at = gw_recent_find(&l->seen, key);
  if (at == GW_RECENT_NONE && !l->core->seen.reused) return EXEC_NEW;
  const gw_owner of = owner_of(order_no, name);
  if (at != GW_RECENT_NONE) {
    const gw_owner *first = &l->seen_owners[at];
    if ((of.order && first->order == of.order) || (of.named && first->named == of.named)) return EXEC_REPEATED;
  }
  if (l->core->seen.reused && (seen_again(l, key, of.order) || seen_again(l, key, of.named))) return EXEC_REPEATED;
  return at != GW_RECENT_NONE ? EXEC_REUSED : EXEC_NEW;
}
void gw_exec_put(gw_lane *l, uint64_t key, uint64_t order_no, uint64_t name) {
  if (key == 0) return;
  const gw_owner of = owner_of(order_no, name);
  if (gw_recent_find(&l->seen, key) == GW_RECENT_NONE) { l->seen_owners[gw_recent_add(&l->seen, key)] = of; return; }
  l->core->seen.reused = 1;
  if (of.order && !seen_again(l, key, of.order)) l->seen_owners[gw_recent_add(&l->seen, key_again(key, of.order))] = of;
  if (of.named && !seen_again(l, key, of.named)) l->seen_owners[gw_recent_add(&l->seen, key_again(key, of.named))] = of;
}

/* What a client's id means within its connection. */
uint64_t gw_client_key(const gw_lane *l, uint32_t conn, uint64_t num, const char *text) {
  return l->cfg[conn].family == GW_FAMILY_FIX ? gw_name_key(text, 24, conn) : gw_number_key(num, conn);
}
