/* index.c: keys to slots, and the last keys seen: open addressing, removal by shifting back. */
#include "core.h"

uint32_t gw_index_find(const gw_index *m, const gw_pair *p, uint64_t key) {
  for (uint32_t i = (uint32_t)gw_mix(key) & m->mask;; i = (i + 1) & m->mask) {
    if (p[i].key == 0) return NONE32;
    if (p[i].key == key) return i;
  }
}
void gw_index_put(gw_index *m, gw_pair *p, uint64_t key, uint32_t slot, uint32_t gen) {
  if (key == 0) return;
  uint32_t i = (uint32_t)gw_mix(key) & m->mask;
  while (p[i].key != 0 && p[i].key != key) i = (i + 1) & m->mask;
  if (p[i].key == 0) m->count++;
  p[i] = (gw_pair){ .key = key, .slot = slot, .gen = gen };
}
/* Removes a key only while it still means this slot: ids may be used again. */
void gw_index_drop(gw_index *m, gw_pair *p, uint64_t key, uint32_t slot) {
  uint32_t i = key ? gw_index_find(m, p, key) : NONE32;
  if (i == NONE32 || p[i].slot != slot) return;
  m->count--;
  for (uint32_t j = i;;) {
    j = (j + 1) & m->mask;
    if (p[j].key == 0) break;
    uint32_t home = (uint32_t)gw_mix(p[j].key) & m->mask;
    if (((j - home) & m->mask) < ((j - i) & m->mask)) continue;   /* it would come before its home */
    p[i] = p[j];
    i = j;
  }
  memset(&p[i], 0, sizeof p[i]);
}

/* The last keys seen, oldest forgotten first. */
uint32_t gw_seen_find(const gw_lane *l, uint64_t key) {
  uint32_t mask = l->core->seen.mask * 2 + 1;
  for (uint32_t i = (uint32_t)gw_mix(key) & mask;; i = (i + 1) & mask) {
    if (l->seen_keys[i] == 0) return NONE32;
    if (l->seen_keys[i] == key) return i;
  }
}
static void seen_drop(gw_lane *l, uint64_t key) {
  uint32_t mask = l->core->seen.mask * 2 + 1, i = gw_seen_find(l, key);
  if (i == NONE32) return;
  for (uint32_t j = i;;) {
    j = (j + 1) & mask;
    if (l->seen_keys[j] == 0) break;
    uint32_t home = (uint32_t)gw_mix(l->seen_keys[j]) & mask;
    if (((j - home) & mask) < ((j - i) & mask)) continue;
    l->seen_keys[i] = l->seen_keys[j];
    i = j;
  }
  l->seen_keys[i] = 0;
}
void gw_seen_put(gw_lane *l, uint64_t key) {
  gw_seen *s = &l->core->seen;
  if (key == 0 || gw_seen_find(l, key) != NONE32) return;
  if (s->count > s->mask) seen_drop(l, l->seen_ring[s->head & s->mask]);
  else s->count++;
  l->seen_ring[s->head++ & s->mask] = key;
  uint32_t mask = s->mask * 2 + 1, i = (uint32_t)gw_mix(key) & mask;
  while (l->seen_keys[i] != 0) i = (i + 1) & mask;
  l->seen_keys[i] = key;
}

/* Keys: what a name means within its scope. Never 0. */
uint64_t gw_hash_text(const char *p, size_t n) {
  uint64_t h = 0x9E3779B97F4A7C15ull, w;
  for (size_t i = 0; i < n; i += 8) {
    memcpy(&w, p + i, 8);
    h = gw_mix(h ^ w) + i;
  }
  return h;
}
uint64_t gw_client_key(const gw_lane *l, uint32_t conn, uint64_t num, const char *text) {
  uint64_t h = l->cfg[conn].family == GW_FAMILY_FIX ? gw_hash_text(text, 24) : gw_mix(num);
  return gw_mix(h ^ (uint64_t)conn << 48) | 1u;
}
uint64_t gw_token_key(uint32_t conn, uint64_t token) { return token << 12 | (uint64_t)(conn & 0xFFF) << 0; }

