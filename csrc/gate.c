/* gate.c: the kill switch as the lane sees it: what each latch slot covers, the last look before an order leaves, the sweep. */
#include "core.h"

/* The latch slot that covers (scope, entity), as an index into core->kills; NONE32 if there is none. The firm's is always slot 0. */
static uint32_t *kill_slot(const gw_lane *l, uint32_t scope, uint32_t entity) {
  if (scope >= GW_SCOPES || entity >= l->kill_count[scope]) return NULL;
  return &l->kill_of[l->kill_base[scope] + entity];
}
/* What a slot says: 1 if it is dropped; *gen: the generation of its last engage, 0 where a scope has no slot. */
static inline int look(const gw_lane *l, uint32_t slot, uint32_t *gen) {
  if (slot == NONE32) { *gen = 0; return 0; }
  const gw_kill *k = &l->core->kills[slot];
  *gen = gw_latch_generation(k->word);
  return k->dropped;
}
/* Of an order's scopes by their kinds, all of them in the tables: 1 if one is dropped, and the generations of all. */
int gw_kill_gens(const gw_lane *l, const uint32_t *entity, uint32_t *gens) {
  int dropped = 0;
  for (uint32_t k = 0; k < GW_SCOPES; k++) dropped |= look(l, l->kill_of[l->kill_base[k] + entity[k]], &gens[k]);
  return dropped;
}
/* The last look: 1 if nothing that covers the order is dropped, and none was engaged since the order was accepted (R5b). */
int gw_gate(const gw_lane *l, const gw_slot *s, const uint32_t *kill_gen, uint16_t *reason) {
  const uint32_t entity[GW_SCOPES] = { 0, s->venue, s->account, s->strategy, s->instrument };
  uint32_t gen[GW_SCOPES], newer = 0;
  int dropped = gw_kill_gens(l, entity, gen);
  for (uint32_t k = 0; k < GW_SCOPES; k++) newer |= gen[k] ^ kill_gen[k];
  if (dropped || newer) { *reason = GW_REASON_KILLED; return 0; }
  return 1;
}
static int covers(uint32_t scope, uint32_t entity, const gw_slot *s) {
  switch (scope) {
    case GW_SCOPE_FIRM: return 1;
    case GW_SCOPE_VENUE: return s->venue == entity;
    case GW_SCOPE_ACCOUNT: return s->account == entity;
    case GW_SCOPE_STRATEGY: return s->strategy == entity;
    default: return s->instrument == entity;
  }
}
/* Cancel what a scope covers: queued orders are denied at once, sent ones have their cancel wanted until they are final. */
void gw_sweep(gw_lane *l, uint32_t scope, uint32_t entity, uint16_t reason) {
  for (uint32_t i = 0; i < l->sizes.orders; i++) {
    gw_slot *s = &l->slots[i];
    if (s->state == ST_FREE || gw_is_final(s->state) || !covers(scope, entity, s)) continue;
    if (s->rpl_state == RPL_QUEUED) gw_order_due(l, i, reason);
    gw_order_want_cancel(l, i, reason);
  }
}
/* A word changed. A new generation, or a word that reads as dropped, denies and sweeps, even if the word is open again. */
void gw_apply_latch(gw_lane *l, const gw_rec_latch *r) {
  gw_core *c = l->core;
  if (r->slot >= GW_LATCH_WORDS) return;
  gw_kill *k = &c->kills[r->slot];
  uint32_t *of = kill_slot(l, k->scope, k->entity), before = gw_latch_generation(k->word);
  int same = k->scope == r->scope && k->entity == r->entity;
  if (!same && of && *of == r->slot && r->slot != GW_LATCH_FIRM) *of = NONE32;
  k->word = l->latch_words[r->slot] = r->word;
  k->dropped = r->dropped;
  k->scope = r->scope;
  k->entity = r->entity;
  of = kill_slot(l, k->scope, k->entity);
  if (of) *of = r->slot;
  c->facts |= GW_FACT_LATCH;
  gw_belled(l, 0);
  if (r->scope == NONE8) return;   /* names nothing that this gateway has */
  if (r->dropped || !same || gw_latch_generation(r->word) != before) gw_sweep(l, r->scope, r->entity, GW_REASON_KILLED);
}
