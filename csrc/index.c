/* index.c: keys to slots, and the last executions seen: open addressing, removal by shifting back. */
#include "core.h"

uint32_t gw_index_find(const gw_index *m, const gw_pair *p, uint64_t key) {
  for (uint32_t i = gw_place(key) & m->mask;; i = (i + 1) & m->mask) {
    if (p[i].key == 0) return NONE32;
    if (p[i].key == key) return i;
  }
}
void gw_index_put(gw_index *m, gw_pair *p, uint64_t key, uint32_t slot, uint32_t gen) {
  if (key == 0) return;
  uint32_t i = gw_place(key) & m->mask;
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
    uint32_t home = gw_place(p[j].key) & m->mask;
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
static uint64_t key_again(uint64_t key, uint32_t owner) { return owner ? gw_mix(key ^ owner) | 1u : 0; }
/* Where an execution's key is, or the free place where it would go. */
static uint32_t seen_place(const gw_lane *l, uint64_t key) {
  uint32_t mask = l->core->seen.mask * 2 + 1, i = gw_home(key) & mask;
  while (l->seen_execs[i].key != 0 && l->seen_execs[i].key != key) i = (i + 1) & mask;
  return i;
}
static int seen_has(const gw_lane *l, uint64_t key) { return l->seen_execs[seen_place(l, key)].key == key; }
static void seen_drop(gw_lane *l, uint64_t key) {
  uint32_t mask = l->core->seen.mask * 2 + 1, i = seen_place(l, key);
  if (l->seen_execs[i].key == 0) return;
  for (uint32_t j = i;;) {
    j = (j + 1) & mask;
    if (l->seen_execs[j].key == 0) break;
    uint32_t home = gw_home(l->seen_execs[j].key) & mask;
    if (((j - home) & mask) < ((j - i) & mask)) continue;
    l->seen_execs[i] = l->seen_execs[j];
    i = j;
  }
  l->seen_execs[i].key = 0;
}
/* An execution comes to the free place where it was searched. */
static void seen_add(gw_lane *l, uint32_t i, gw_exec e) {
  gw_seen *s = &l->core->seen;
  if (s->count > s->mask) {
    seen_drop(l, l->seen_ring[s->head & s->mask]);
    i = seen_place(l, e.key);   /* others may have moved */
  } else s->count++;
  l->seen_ring[s->head++ & s->mask] = e.key;
  l->seen_execs[i] = e;
  if (s->count > s->mask) gw_exec_ahead(l, l->seen_ring[s->head & s->mask]);   /* the next to be forgotten */
}
/* The line where a search for an execution begins comes nearer. */
void gw_exec_ahead(const gw_lane *l, uint64_t key) { __builtin_prefetch(&l->seen_execs[gw_home(key) & (l->core->seen.mask * 2 + 1)], 1); }
int gw_exec_seen(const gw_lane *l, uint64_t key, uint64_t order_no, uint64_t name) {
  const gw_exec *e = &l->seen_execs[seen_place(l, key)];
  int is_there = e->key != 0;
  if (!is_there && !l->core->seen.reused) return EXEC_NEW;
  uint32_t order = short_of(order_no, OF_ORDER), named = short_of(name, OF_NAME);
  if (is_there && ((order && e->order == order) || (named && e->named == named))) return EXEC_REPEATED;
  if (l->core->seen.reused) {
    if (order && seen_has(l, key_again(key, order))) return EXEC_REPEATED;
    if (named && seen_has(l, key_again(key, named))) return EXEC_REPEATED;
  }
  return is_there ? EXEC_REUSED : EXEC_NEW;
}
void gw_exec_put(gw_lane *l, uint64_t key, uint64_t order_no, uint64_t name) {
  gw_exec e = { .key = key, .order = short_of(order_no, OF_ORDER), .named = short_of(name, OF_NAME) };
  if (key == 0) return;
  uint32_t at = seen_place(l, key);
  if (l->seen_execs[at].key == 0) { seen_add(l, at, e); return; }
  l->core->seen.reused = 1;
  for (int i = 0; i < 2; i++) {
    e.key = key_again(key, i ? e.named : e.order);
    if (e.key != 0 && l->seen_execs[at = seen_place(l, e.key)].key == 0) seen_add(l, at, e);
  }
}

/* Keys: what a name means within its scope. Never 0. */
uint64_t gw_client_key(const gw_lane *l, uint32_t conn, uint64_t num, const char *text) {
  uint64_t h = l->cfg[conn].family == GW_FAMILY_FIX ? gw_hash_text(text, 24) : gw_mix(num);
  return gw_mix(h ^ (uint64_t)conn << 48) | 1u;
}

