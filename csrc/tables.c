/* tables.c: the lane's memory, laid out for the sizes of a run, and the tables it is given. */
#include "core.h"

/* Memory ------------------------------------------------------------------------------------------------------------------ */
typedef struct gw_arena { uint8_t *base; size_t at; } gw_arena;
static void *take(gw_arena *a, size_t n) {
  a->at = (a->at + 63) & ~(size_t)63;
  void *p = a->base ? a->base + a->at : NULL;
  a->at += n;
  return p;
}
static uint32_t pow2(uint32_t n) { uint32_t p = 16; while (p < n) p *= 2; return p; }
static int sizes_ok(const gw_sizes *z) {
  return z->orders >= 1 && z->orders <= 1u << 24 && z->conns >= 2 && z->conns <= GW_CONNS_MAX && z->instruments >= 1 && z->accounts >= 1 && z->accounts <= 256 &&
         z->strategies >= 1 && z->venues >= 1 && z->instruments <= 1u << 20 && z->strategies <= 4096 && z->venues <= 4096 && z->secrets <= 4096 && z->listings <= 1u << 24 &&
         z->stream >= 16 && (z->stream & (z->stream - 1)) == 0 && z->seen >= 16 && (z->seen & (z->seen - 1)) == 0 && z->rx >= 2 * GW_FRAME_MAX &&
         z->tx >= 4 * GW_FRAME_MAX && z->commands >= 2 && (z->commands & (z->commands - 1)) == 0 && z->events >= 2 && (z->events & (z->events - 1)) == 0;
}
static gw_risk_sizes risk_sizes(const gw_sizes *z) {
  return (gw_risk_sizes){ .venues = z->venues, .accounts = z->accounts, .strategies = z->strategies, .instruments = z->instruments, .orders = z->orders, .dup_ids = z->seen };
}
static size_t lay_out(gw_lane *l, uint8_t *base, const gw_sizes *z) {
  gw_arena a = { base, 0 };
  gw_lane dummy;
  if (!l) l = &dummy;
  gw_risk_sizes rz = risk_sizes(z);
  uint32_t tokens = pow2(z->orders * 8), clients = pow2(z->orders * 4);
  take(&a, sizeof *l);
  l->core = take(&a, sizeof *l->core);
  l->conns = take(&a, z->conns * sizeof *l->conns);
  l->slots = take(&a, z->orders * sizeof *l->slots);
  l->client_pairs = take(&a, clients * sizeof *l->client_pairs);
  l->token_pairs = take(&a, tokens * sizeof *l->token_pairs);
  l->seen.keys = take(&a, z->seen * sizeof *l->seen.keys);
  l->seen.before = take(&a, z->seen * sizeof *l->seen.before);
  l->seen.heads = take(&a, GW_RECENT_HEADS(z->seen) * sizeof *l->seen.heads);
  l->seen_owners = take(&a, z->seen * sizeof *l->seen_owners);
  l->kill_of = take(&a, (size_t)(1 + z->venues + z->accounts + z->strategies + z->instruments) * 4);
  l->risk = take(&a, gw_risk_size(&rz));
  l->limits_len = gw_limits_size(&rz);
  l->limits[0] = take(&a, l->limits_len);
  l->limits[1] = take(&a, l->limits_len);
  l->paused = take(&a, (size_t)(1 + z->venues + z->accounts + z->strategies + z->instruments));
  l->instrument_mask = pow2(z->instruments * 2) - 1;
  l->instrument_index = take(&a, ((size_t)l->instrument_mask + 1) * 4);
  l->instruments = take(&a, z->instruments * sizeof *l->instruments);
  l->listings = take(&a, (z->listings + 1) * sizeof *l->listings);
  l->first_listing = take(&a, ((size_t)z->instruments + 1) * sizeof *l->first_listing);
  l->accounts = take(&a, z->accounts * sizeof *l->accounts);
  l->strategies = take(&a, z->strategies * sizeof *l->strategies);
  l->venues = take(&a, (size_t)z->venues * 16);
  l->venue_conn = take(&a, (size_t)z->venues * 2);
  l->cfg = take(&a, z->conns * sizeof *l->cfg);
  l->heads = take(&a, z->conns * sizeof *l->heads);
  l->values = take(&a, z->conns * sizeof *l->values);
  l->value_store = take(&a, z->conns * GW_SESSION_VALUES * sizeof *l->value_store);
  l->secrets = take(&a, (z->secrets + 1) * sizeof *l->secrets);
  l->wires = take(&a, z->conns * sizeof *l->wires);
  l->cmds = take(&a, z->commands * sizeof *l->cmds);
  l->evs = take(&a, z->events * sizeof *l->evs);
  l->common = a.at;   /* what follows is single connections' */
  l->shapes = take(&a, z->conns * sizeof *l->shapes);
  l->plans = take(&a, z->conns * sizeof *l->plans);
  l->nums = take(&a, (size_t)z->conns * GW_NUMS * sizeof *l->nums);
  l->streams = take(&a, (size_t)z->conns * z->stream * 8);
  l->rx_buf = take(&a, (size_t)z->conns * z->rx);
  l->tx_buf = take(&a, (size_t)z->conns * z->tx);
  if (base) {
    l->core->by_client.mask = clients - 1;
    l->core->by_token.mask = tokens - 1;
    l->seen.added = &l->core->seen.added;
    l->seen.n = z->seen;
    l->risk_sizes = rz;
  }
  return a.at;
}
size_t gw_lane_common(const gw_sizes *z) {
  gw_lane l;
  if (!sizes_ok(z)) return 0;
  lay_out(&l, NULL, z);
  return l.common;
}
size_t gw_lane_size(const gw_sizes *z) { return sizes_ok(z) ? lay_out(NULL, NULL, z) : 0; }

static int copy_tables(gw_lane *l, const gw_tables *t) {
  const gw_sizes *z = &l->sizes;
  if (t->n_instruments > z->instruments || t->n_listings > z->listings || t->n_accounts > z->accounts || t->n_strategies > z->strategies || t->n_venues > z->venues ||
      t->n_conns > z->conns || t->n_secrets > z->secrets) return GW_E_RANGE;
  if (t->n_instruments < 1 || t->n_accounts < 1 || t->n_strategies < 1 || t->n_venues < 1 || t->n_conns < 1) return GW_E_RANGE;
  l->n_instruments = t->n_instruments;
  l->n_listings = t->n_listings;
  l->n_accounts = t->n_accounts;
  l->n_strategies = t->n_strategies;
  l->n_venues = t->n_venues;
  l->n_conns = t->n_conns;
  l->n_secrets = t->n_secrets;
  memcpy(l->instruments, t->instruments, t->n_instruments * sizeof *l->instruments);
  if (t->n_listings) memcpy(l->listings, t->listings, t->n_listings * sizeof *l->listings);
  memcpy(l->accounts, t->accounts, t->n_accounts * sizeof *l->accounts);
  memcpy(l->strategies, t->strategies, t->n_strategies * sizeof *l->strategies);
  memcpy(l->venues, t->venues, (size_t)t->n_venues * 16);
  memcpy(l->cfg, t->conns, t->n_conns * sizeof *l->cfg);
  if (t->n_secrets) memcpy(l->secrets, t->secrets, t->n_secrets * sizeof *l->secrets);
  memset(l->instrument_index, 0, ((size_t)l->instrument_mask + 1) * 4);
  for (uint32_t i = 1; i < t->n_instruments; i++) {
    if (l->instruments[i].n_ticks > GW_TICK_BANDS || l->instruments[i].default_venue >= t->n_venues) return GW_E_RANGE;
    uint32_t at = gw_symbol_home(l->instruments[i].symbol) & l->instrument_mask;
    while (l->instrument_index[at]) at = (at + 1) & l->instrument_mask;
    l->instrument_index[at] = i;
  }
  for (uint32_t i = 0; i < t->n_secrets; i++) if (l->secrets[i].len > sizeof l->secrets[i].value) return GW_E_RANGE;
  for (uint32_t i = 0; i < t->n_listings; i++) {
    const gw_listing *a = &l->listings[i];
    if (a->instrument >= t->n_instruments || a->venue >= t->n_venues) return GW_E_RANGE;
    if (i && (a[-1].instrument > a->instrument || (a[-1].instrument == a->instrument && a[-1].venue >= a->venue))) return GW_E_RANGE;
  }
  for (uint32_t i = 0, at = 0; i <= t->n_instruments; i++) {
    while (at < t->n_listings && l->listings[at].instrument < i) at++;
    l->first_listing[i] = at;
  }
  for (uint32_t i = 1; i < t->n_conns; i++) {
    const gw_conn_cfg *c = &l->cfg[i];
    if (c->strategy >= t->n_strategies || c->venue >= t->n_venues || c->family < GW_FAMILY_FIX || c->family > GW_FAMILY_API) return GW_E_RANGE;
    if (c->family == GW_FAMILY_FIX ? !c->dialect : !c->layout) return GW_E_RANGE;
    if (c->role == GW_ROLE_VENUE) l->venue_conn[c->venue] = (uint16_t)i;
    if (c->family == GW_FAMILY_FIX && c->role != GW_ROLE_DOOR &&
        gw_fix_head_init(&l->heads[i], (const uint8_t *)"FIX.4.4", 7, (const uint8_t *)c->sender, strnlen(c->sender, sizeof c->sender), (const uint8_t *)c->target,
                         strnlen(c->target, sizeof c->target), NULL, 0) < 0) return GW_E_TEXT;
    l->values[i].session = l->value_store + i * GW_SESSION_VALUES;
    l->values[i].session_count = c->layout ? c->layout->session_count : 0;
    if (l->values[i].session_count > GW_SESSION_VALUES || c->n_values > GW_SESSION_VALUES) return GW_E_RANGE;
    l->wants_durable |= c->level != 0;
    if (c->layout && c->n_values) memcpy(l->value_store + i * GW_SESSION_VALUES, c->values, c->n_values * sizeof(gw_value));
  }
  if (t->limits) {
    uint32_t spare = l->limits_at ^ 1u;
    if (t->limits_len > l->limits_len) return GW_E_RANGE;
    memcpy(l->limits[spare], t->limits, t->limits_len);
    if (!gw_risk_swap_limits(l->risk, l->limits[spare], t->limits_len)) return GW_E_RANGE;
    l->limits_at = spare;
  }
  return 0;
}
/* What the connections are, from their configuration; once, before anything happened on them. */
static void first_conns(gw_lane *l) {
  for (uint32_t i = 1; i < l->n_conns; i++) {
    const gw_conn_cfg *c = &l->cfg[i];
    gw_conn *x = &l->conns[i];
    x->family = c->family;
    x->role = c->role;
    x->strategy = c->strategy;
    x->venue = c->venue;
    x->rx_next = x->tx_next = x->token_next = 1;
    x->q_new[0] = x->q_new[1] = x->q_replace[0] = x->q_replace[1] = x->q_cancel[0] = x->q_cancel[1] = x->q_status[0] = x->q_status[1] = NONE32;
    x->pace_tokens = (int64_t)c->burst * 1000000;
  }
}
/* Do these tables give the same names the same numbers? What has happened is written in the numbers. */
static int same_numbers(const gw_lane *l, const gw_tables *t) {
  if (t->n_instruments != l->n_instruments || t->n_accounts != l->n_accounts || t->n_strategies != l->n_strategies || t->n_venues != l->n_venues || t->n_conns != l->n_conns) return 0;
  for (uint32_t i = 1; i < l->n_instruments; i++)
    if (memcmp(t->instruments[i].symbol, l->instruments[i].symbol, 16) || t->instruments[i].px_exp != l->instruments[i].px_exp || t->instruments[i].qty_exp != l->instruments[i].qty_exp) return 0;
  for (uint32_t i = 1; i < l->n_conns; i++)
    if (t->conns[i].family != l->cfg[i].family || t->conns[i].role != l->cfg[i].role || t->conns[i].strategy != l->cfg[i].strategy || t->conns[i].venue != l->cfg[i].venue) return 0;
  for (uint32_t i = 1; i < l->n_strategies; i++) if (memcmp(t->strategies[i].name, l->strategies[i].name, 16)) return 0;
  return memcmp(t->accounts, l->accounts, l->n_accounts * sizeof *l->accounts) == 0 && memcmp(t->venues, l->venues, (size_t)l->n_venues * 16) == 0;
}
int gw_lane_tables(gw_lane *l, const gw_tables *t) { return same_numbers(l, t) ? copy_tables(l, t) : GW_E_RANGE; }
void gw_lane_rim(gw_lane *l, gw_ring *ring, uint8_t *latch, size_t latch_len, const gw_rim *rim) {
  l->ring = ring;
  l->rim = rim;
  gw_lane_latch(l, latch, latch_len);
}
void gw_lane_latch(gw_lane *l, uint8_t *latch, size_t latch_len) {
  l->latch = (gw_latch_file *)(void *)latch;
  if (!gw_latch_open(latch, latch_len, &l->latch_salt)) l->latch = NULL;
  if (l->latch) l->latch_head = l->latch->head;
}
int gw_lane_init(void *mem, size_t size, const gw_sizes *z, const gw_tables *tables, gw_ring *ring, uint8_t *latch, size_t latch_len, const gw_rim *rim) {
  if (!sizes_ok(z) || size < lay_out(NULL, NULL, z)) return GW_E_RANGE;
  gw_lane *l = mem;
  l->sizes = *z;
  lay_out(l, mem, z);
  if (!gw_risk_init(l->risk, gw_risk_size(&l->risk_sizes), &l->risk_sizes)) return GW_E_RANGE;
  gw_orders_init(l);
  uint32_t n[GW_SCOPES] = { 1, z->venues, z->accounts, z->strategies, z->instruments }, at = 0;
  for (uint32_t k = 0; k < GW_SCOPES; k++) { l->kill_base[k] = at; l->kill_count[k] = n[k]; at += n[k]; }
  for (uint32_t i = 0; i < at; i++) l->kill_of[i] = NONE32;
  l->kill_of[0] = GW_LATCH_FIRM;   /* with the word 0 it has no word, which reads as dropped */
  l->core->kills[0].dropped = 1;
  for (uint32_t i = 1; i < GW_LATCH_WORDS; i++) l->core->kills[i].scope = NONE8;
  gw_lane_rim(l, ring, latch, latch_len, rim);
  int rc = copy_tables(l, tables);
  if (rc == 0) first_conns(l);
  return rc;
}
