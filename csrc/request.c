/* request.c: deciding a strategy's request: new order, cancel, replace, status, mass cancel. */
#include "core.h"

/* Numbers: exact, or a reason why not ------------------------------------------------------------------------------------ */
static const int64_t POWER[19] = { 1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000, 10000000000, 100000000000, 1000000000000,
  10000000000000, 100000000000000, 1000000000000000, 10000000000000000, 100000000000000000, 1000000000000000000 };
/* What undoes a multiplication by 5^n in 64 bits: a division by 10^n that leaves nothing is a product and a rotation, and if it does leave
 * something, the result is larger than any that does not. */
static const uint64_t UNDO_5[19] = {
  0x0000000000000001ull, 0xcccccccccccccccdull, 0x8f5c28f5c28f5c29ull, 0x1cac083126e978d5ull, 0xd288ce703afb7e91ull, 0x5d4e8fb00bcbe61dull,
  0x790fb65668c26139ull, 0xe5032477ae8d46a5ull, 0xc767074b22e90e21ull, 0x8e47ce423a2e9c6dull, 0x4fa7f60d3ed61f49ull, 0x0fee64690c913975ull,
  0x3662e0e1cf503eb1ull, 0xa47a2cf9f6433fbdull, 0x54186f653140a659ull, 0x7738164770402145ull, 0xe4a4d1417cd9a041ull, 0xc75429d9e5c5200dull,
  0xc1773b91fac10669ull };
/* INT64_MAX / 10^n */
static const uint64_t MOST[19] = { 9223372036854775807u, 922337203685477580u, 92233720368547758u, 9223372036854775u, 922337203685477u, 92233720368547u, 9223372036854u,
  922337203685u, 92233720368u, 9223372036u, 922337203u, 92233720u, 9223372u, 922337u, 92233u, 9223u, 922u, 92u, 9u };
/* v * 10^from as a mantissa of 10^to: 1 exact, 0 digits would be lost, -1 it does not fit. */
static inline __attribute__((always_inline)) int scale(int64_t v, int from, int to, int64_t *out) {
  int up = from - to;
  if (v == 0 || up == 0) { *out = v; return 1; }
  if (up > 0) return up > 18 || __builtin_mul_overflow(v, POWER[up], out) ? -1 : 1;
  if (up < -18) { *out = 0; return 0; }
  if (v > 0) {
    const unsigned down = (unsigned)-up;
    uint64_t x = (uint64_t)v * UNDO_5[down], q = x >> (down & 63u) | x << (-down & 63u);
    if (q <= MOST[down]) { *out = (int64_t)q; return 1; }
  }
  *out = v / POWER[-up];
  return *out * POWER[-up] == v;
}
static inline __attribute__((always_inline)) int rescale(int64_t v, int from, int to, int64_t *out) { return scale(v, from, to, out) == 1; }
/* For what a venue tells us: never refused; 0 if digits were lost or the number did not fit (then the nearest that does). */
int gw_rescale_lossy(int64_t v, int from, int to, int64_t *out) {
  int exact = scale(v, from, to, out);
  if (exact < 0) *out = v < 0 ? INT64_MIN : INT64_MAX;
  return exact == 1;
}
/* Is v a multiple of `of`, which is above 0? Mostly both are short, and their division is. */
static inline int is_multiple(int64_t v, int64_t of) {
  if (of == 1) return 1;
  return (uint64_t)(v | of) >> 32 ? v % of == 0 : (uint32_t)v % (uint32_t)of == 0;
}
static int on_tick(const gw_instrument *in, int64_t px) {
  int64_t tick = in->n_ticks ? in->ticks[0].tick : 1, abs_px = px == INT64_MIN ? INT64_MAX : px < 0 ? -px : px;
  for (uint32_t i = 1; i < in->n_ticks && in->ticks[i].from <= abs_px; i++) tick = in->ticks[i].tick;
  return tick > 0 && is_multiple(px, tick);
}
/* The request in the instrument's exponents: in place, all of it or nothing is right. A reason, 0 = converted. */
uint16_t gw_convert(const gw_instrument *in, gw_order *o) {
  const uint64_t has = o->has;
#define FITS(bit, v, exp) (!(has >> (bit) & 1u) || rescale(o->v, o->exp, in->exp, &o->v))
  if (!FITS(GW_HAS_PRICE, price, px_exp)) return GW_REASON_BAD_TICK;
  if (has & (1ull << GW_HAS_STOP_PX | 1ull << GW_HAS_PEG_OFFSET) && !(FITS(GW_HAS_STOP_PX, stop_px, px_exp) && FITS(GW_HAS_PEG_OFFSET, peg_offset, px_exp))) return GW_REASON_BAD_TICK;
  if (!FITS(GW_HAS_ORDER_QTY, order_qty, qty_exp)) return GW_REASON_BAD_LOT;
  if (has & (1ull << GW_HAS_MIN_QTY | 1ull << GW_HAS_MAX_FLOOR) && !(FITS(GW_HAS_MIN_QTY, min_qty, qty_exp) && FITS(GW_HAS_MAX_FLOOR, max_floor, qty_exp))) return GW_REASON_BAD_LOT;
#undef FITS
  o->px_exp = in->px_exp;
  o->qty_exp = in->qty_exp;
  o->has |= 1ull << GW_HAS_PX_EXP | 1ull << GW_HAS_QTY_EXP;   /* a request that named none meant 0; the venue's frame needs them */
  return 0;
}
static uint16_t prices_right(const gw_instrument *in, const gw_order *o) {
  int has_px = (int)(o->has >> GW_HAS_PRICE & 1u), has_stop = (int)(o->has >> GW_HAS_STOP_PX & 1u);
  if (o->order_qty <= 0 || !(o->has >> GW_HAS_ORDER_QTY & 1u)) return GW_REASON_BAD_QTY;
  if (in->lot > 0 && !is_multiple(o->order_qty, in->lot)) return GW_REASON_BAD_LOT;
  if ((o->has >> GW_HAS_MIN_QTY & 1u) && (o->min_qty < 0 || o->min_qty > o->order_qty)) return GW_REASON_BAD_QTY;
  if ((o->has >> GW_HAS_MAX_FLOOR & 1u) && (o->max_floor < 0 || o->max_floor > o->order_qty)) return GW_REASON_BAD_QTY;
  if ((o->ord_type == '2' || o->ord_type == '4') && !has_px) return GW_REASON_BAD_PRICE;
  if ((o->ord_type == '1' || o->ord_type == '3') && has_px) return GW_REASON_BAD_PRICE;
  if ((o->ord_type == '3' || o->ord_type == '4') && !has_stop) return GW_REASON_BAD_PRICE;
  for (int i = 0; i < 2; i++) {
    if (!(i ? has_stop : has_px)) continue;
    int64_t px = i ? o->stop_px : o->price;
    if (!in->negative_px && px <= 0) return GW_REASON_BAD_PRICE;
    if (!on_tick(in, px)) return GW_REASON_BAD_TICK;
  }
  return 0;
}

/* Looking things up ------------------------------------------------------------------------------------------------------ */
uint32_t gw_find_instrument(const gw_lane *l, const char *symbol) {
  for (uint32_t i = gw_symbol_home(symbol) & l->instrument_mask;; i = (i + 1) & l->instrument_mask) {
    uint32_t at = l->instrument_index[i];
    if (at == 0 || gw_same_name(l->instruments[at].symbol, symbol)) return at;
  }
}
static uint32_t find_account(const gw_lane *l, const gw_order *o, uint32_t strategy) {
  if (o->has >> GW_HAS_ACCOUNT & 1u) {
    for (uint32_t i = 1; i < l->n_accounts; i++) if (gw_same_name(l->accounts[i].name, o->account)) return i;
    return 0;
  }
  uint32_t only = 0;   /* none named: right if the strategy has exactly one */
  for (uint32_t i = 1; i < l->n_accounts; i++) {
    if (!(l->strategies[strategy].accounts[i / 64] >> (i % 64) & 1u)) continue;
    if (only) return 0;
    only = i;
  }
  return only;
}
static uint32_t find_venue(const gw_lane *l, const gw_order *o, const gw_instrument *in) {
  if (!(o->has >> GW_HAS_VENUE & 1u)) return in->default_venue;
  for (uint32_t i = 1; i < l->n_venues; i++) if (gw_same_name(l->venues[i], o->venue)) return i;
  return 0;
}
const gw_listing *gw_find_listing(const gw_lane *l, uint32_t instrument, uint32_t venue) {
  if (instrument >= l->n_instruments) return NULL;
  for (uint32_t i = l->first_listing[instrument]; i < l->first_listing[instrument + 1]; i++) if (l->listings[i].venue == venue) return &l->listings[i];
  return NULL;
}
const gw_listing *gw_listing_of(const gw_lane *l, const gw_slot *s) { return gw_find_listing(l, s->instrument, s->venue); }

static gw_slot *by_client(gw_lane *l, uint32_t conn, uint64_t num, const char *text, uint32_t *slot) {
  uint32_t i = gw_index_find(&l->core->by_client, l->client_pairs, gw_client_key(l, conn, num, text));
  if (i == NONE32) return NULL;
  gw_slot *s = gw_slot_of(l, l->client_pairs[i].slot, l->client_pairs[i].gen);
  if (!s || s->conn_s != conn) return NULL;
  *slot = l->client_pairs[i].slot;
  if (l->cfg[conn].family != GW_FAMILY_FIX) return s->order.cl_ord_num == num || s->rpl_num == num ? s : NULL;
  return memcmp(s->order.cl_ord_id, text, 24) == 0 || memcmp(s->rpl_cl_ord_id, text, 24) == 0 ? s : NULL;
}

uint32_t gw_entity(const gw_lane *l, uint32_t scope, const char *name, uint32_t n) {
  const uint32_t counts[GW_SCOPES] = { 1, l->n_venues, l->n_accounts, l->n_strategies, l->n_instruments };
  if (scope >= GW_SCOPES || n > 16) return NONE32;
  char want[24] = { 0 }, is[24];
  memcpy(want, name, n);
  for (uint32_t i = 1; i < counts[scope]; i++) {
    memset(is, 0, sizeof is);
    gw_scope_name(l, scope, i, is);
    if (memcmp(is, want, 16) == 0) return i;
  }
  return NONE32;
}
void gw_scope_name(const gw_lane *l, uint32_t scope, uint32_t entity, char *out) {
  if (scope == 0) memcpy(out, "firm", 5);
  else if (scope == 1 && entity < l->n_venues) memcpy(out, l->venues[entity], 16);
  else if (scope == 2 && entity < l->n_accounts) memcpy(out, l->accounts[entity].name, 16);
  else if (scope == 3 && entity < l->n_strategies) memcpy(out, l->strategies[entity].name, 16);
  else if (scope == 4 && entity < l->n_instruments) memcpy(out, l->instruments[entity].symbol, 16);
}

/* Deciding a request ----------------------------------------------------------------------------------------------------- */
void gw_delta_of(const gw_lane *l, const gw_dec *d, uint8_t kind, gw_risk_delta *x) {
  memset(x, 0, sizeof *x);
  x->kind = kind;
  x->slot = d->slot;
  x->instrument = d->told.instrument;
  x->venue = d->told.venue;
  x->account = d->told.account;
  x->strategy = (uint16_t)d->strategy;
  x->side = d->told.side == '1' ? GW_BUY : GW_SELL;
  x->now_ns = l->core->now;
}
static void risk_input(const gw_lane *l, const gw_dec *d, const gw_order *o, gw_risk_in *in) {
  const gw_instrument *ins = &l->instruments[d->told.instrument];
  const unsigned has_px = (unsigned)(o->has >> GW_HAS_PRICE) & 1u, has_stop = (unsigned)(o->has >> GW_HAS_STOP_PX) & 1u;
  *in = (gw_risk_in){ .kind = (uint8_t)o->kind, .side = o->side == '1' ? GW_BUY : GW_SELL, .ord_type = (uint8_t)o->ord_type,
    .has = (uint8_t)(has_px * GW_RISK_HAS_PX | has_stop * GW_RISK_HAS_STOP_PX | (ins->has_ref ? GW_RISK_HAS_REF_PX : 0)),
    .id_kind = l->cfg[d->conn_s].family == GW_FAMILY_FIX ? GW_RISK_ID_HASH : GW_RISK_ID_RISING, .px_exp = ins->px_exp, .qty_exp = ins->qty_exp, .mult_exp = ins->mult_exp,
    .slot = d->slot, .instrument = d->told.instrument, .venue = d->told.venue, .account = d->told.account, .strategy = (uint16_t)d->strategy, .pad = 0, .qty = o->order_qty, .cum = 0,
    .px = o->price, .stop_px = o->stop_px, .ref_px = ins->ref_px, .multiplier = ins->multiplier, .id = d->key, .now_ns = l->core->now };
}
/* The id a duplicate is known by: rising at the order API, a hash at the FIX door. */
static uint64_t request_id(const gw_lane *l, uint32_t conn, const gw_order *o) {
  return l->cfg[conn].family == GW_FAMILY_FIX ? gw_client_key(l, conn, 0, o->cl_ord_id) : o->cl_ord_num;
}
void gw_deny(gw_dec *d, uint16_t reason, const gw_lane *l) {
  d->what = DEC_DENY;
  d->told.kind = '8';
  d->told.exec_type = 'X';
  d->told.ord_status = '8';
  d->told.reason = reason;
  d->told.leaves_qty = 0;
  static const uint8_t rej[] = { [GW_REASON_DUPLICATE_ID] = 6, [GW_REASON_UNKNOWN_SYMBOL] = 1, [GW_REASON_UNKNOWN_ACCOUNT] = 15, [GW_REASON_UNKNOWN_VENUE] = 1,
    [GW_REASON_BAD_TICK] = 18, [GW_REASON_BAD_LOT] = 13, [GW_REASON_BAD_QTY] = 13, [GW_REASON_BAD_PRICE] = 18, [GW_REASON_NOT_EXPRESSIBLE] = 11,
    [GW_REASON_VENUE_DOWN] = 2, [GW_REASON_RECOVERING] = 2, [GW_REASON_HALTED] = 2, [GW_REASON_LIMIT] = 3, [GW_REASON_PAUSED] = 2 };
  uint8_t code = reason < sizeof rej ? rej[reason] : 0;
  d->told.ord_rej_reason = code ? code : reason == GW_REASON_LIMIT && d->n_breaches ? (uint16_t)gw_breach_ord_rej_reason(l->breaches) : 99;
  if (reason == GW_REASON_LIMIT && d->n_breaches) d->told.ord_rej_reason = (uint16_t)gw_breach_ord_rej_reason(l->breaches);
}
void gw_refuse(gw_dec *d, uint16_t reason, char response_to) {
  d->what = DEC_CANCEL_REJECT;
  d->told.kind = '9';
  d->told.exec_type = 0;
  d->told.reason = reason;
  d->told.cxl_rej_response_to = response_to;
  d->told.cxl_rej_reason = reason == GW_REASON_TOO_LATE ? 0 : reason == GW_REASON_UNKNOWN_ORDER ? 1 : reason == GW_REASON_PENDING_REPLACE ? 3 : reason == GW_REASON_DUPLICATE_ID ? 6 : 99;
}
/* Room for all that an accepted order can cause: a slot, an unread report, records in the ring. */
static uint16_t room_for_order(gw_lane *l, uint32_t conn) {
  const gw_conn *c = &l->conns[conn];
  if (l->core->stopping || l->core->stopped) return GW_REASON_SHUTDOWN;
  if (l->core->journal_failed) return GW_REASON_JOURNAL_FAILED;
  if (l->core->free_count == 0) return GW_REASON_TABLE_FULL;
  if (c->stream_len - c->stream_sent >= gw_stream_full(l)) return GW_REASON_TABLE_FULL;
  return 0;
}
/* 1 if one of the scopes takes no new orders. */
static int is_paused(const gw_lane *l, const uint32_t *whom) {
  int paused = 0;
  for (uint32_t k = 0; k < GW_SCOPES; k++) paused |= l->paused[l->kill_base[k] + whom[k]];
  return paused;
}
static uint16_t venue_takes(const gw_lane *l, uint32_t conn_v) {
  if (conn_v == 0) return GW_REASON_UNKNOWN_VENUE;
  switch (gw_out_table[OUT_NEW][l->conns[conn_v].tx]) {
    case OACT_GATE: return 0;
    case OACT_RECOVERING: return GW_REASON_RECOVERING;
    default: return GW_REASON_VENUE_DOWN;
  }
}
static void dec_new(gw_lane *l, uint32_t conn, gw_order *o, gw_dec *d, uint16_t no_room) {
  gw_told *t = &d->told;
  uint32_t strategy = d->strategy, instrument = gw_find_instrument(l, o->symbol), account = find_account(l, o, strategy);
  t->instrument = instrument;
  t->account = (uint16_t)account;
  t->order_qty = o->order_qty;
  if (!instrument) { gw_deny(d, GW_REASON_UNKNOWN_SYMBOL, l); return; }
  const gw_instrument *ins = &l->instruments[instrument];
  uint32_t venue = find_venue(l, o, ins);
  uint16_t why = gw_convert(ins, o);
  t->px_exp = ins->px_exp;
  t->qty_exp = ins->qty_exp;
  t->venue = (uint16_t)(venue < l->n_venues ? venue : 0);
  if (why) { t->order_qty = 0; gw_deny(d, why, l); return; }
  t->order_qty = o->order_qty;
  t->price = o->has >> GW_HAS_PRICE & 1u ? o->price : 0;
  t->stop_px = o->has >> GW_HAS_STOP_PX & 1u ? o->stop_px : 0;
  if (!t->venue || !gw_find_listing(l, instrument, t->venue)) { gw_deny(d, GW_REASON_UNKNOWN_VENUE, l); return; }
  if (!account || !(l->strategies[strategy].accounts[account / 64] >> (account % 64) & 1u)) { gw_deny(d, GW_REASON_UNKNOWN_ACCOUNT, l); return; }
  d->conn_v = l->venue_conn[t->venue];
  d->slot = l->core->free_head;
  d->gen = d->slot == NONE32 ? 0 : l->slots[d->slot].gen + 1;
  why = no_room ? no_room : room_for_order(l, conn);
  if (!why && !ins->trading) why = GW_REASON_HALTED;
  const uint32_t whom[GW_SCOPES] = { 0, t->venue, account, strategy, instrument };
  if (!why && is_paused(l, whom)) why = GW_REASON_PAUSED;
  if (!why) why = venue_takes(l, d->conn_v);
  if (!why) why = prices_right(ins, o);
  if (gw_kill_gens(l, whom, d->kill_gen)) why = GW_REASON_KILLED;
  gw_risk_in in;
  risk_input(l, d, o, &in);
  d->ref_px = in.ref_px;
  d->limits_version = (uint32_t)gw_risk_limits_version(l->risk);
  int n = gw_risk_check(l->risk, &in, l->breaches, GW_RISK_BREACH_MAX);
  if (n > 0) {   /* every breach is told, and a used id is the reason above all others */
    d->n_breaches = (uint32_t)n;
    for (int i = 0; i < n; i++) if (l->breaches[i].why == GW_BREACH_REPEATED) { gw_deny(d, GW_REASON_DUPLICATE_ID, l); return; }
    if (!why) why = GW_REASON_LIMIT;
  }
  if (why) { gw_deny(d, why, l); gw_delta_of(l, d, GW_RISK_ID_SEEN, &d->delta); d->delta.id_kind = in.id_kind; d->delta.id = d->key; return; }
  d->what = DEC_ACCEPT;
  d->event = EVT_ACCEPT;
  d->state = gw_order_table[ST_FREE][EVT_ACCEPT];
  t->order_no = l->core->accept_no + 1;
  t->stream = 0;
  gw_delta_of(l, d, GW_RISK_RESERVE, &d->delta);
  d->delta.qty = o->order_qty;
  d->delta.id = d->key;
  d->delta.id_kind = in.id_kind;
}
static void told_request(const gw_order *o, gw_told *t) {
  t->cl_ord_num = o->cl_ord_num;
  t->orig_cl_ord_num = o->orig_cl_ord_num;
  memcpy(t->cl_ord_id, o->cl_ord_id, 24);
  memcpy(t->orig_cl_ord_id, o->orig_cl_ord_id, 24);
}
static void dec_cancel(gw_lane *l, gw_slot *s, const gw_order *o, gw_dec *d) {
  gw_told_order(s, &d->told);
  told_request(o, &d->told);
  d->conn_v = s->conn_v;
  if (gw_is_final(s->state)) { gw_refuse(d, GW_REASON_TOO_LATE, '1'); return; }
  if (s->cancel_sent && (s->cxl_cl_ord_id[0] || s->cxl_num)) { gw_refuse(d, GW_REASON_PENDING_REPLACE, '1'); return; }
  if (s->state == ST_QUEUED && !s->due) {   /* never sent: both are gone, and no number was used */
    d->what = DEC_CANCEL_QUEUED;
    d->event = EVT_CANCELED;
    d->state = gw_order_table[ST_QUEUED][EVT_CANCELED];
    d->flags |= DEC_FINAL;
    d->told.exec_type = d->told.ord_status = '4';
    d->told.leaves_qty = 0;
    gw_delta_of(l, d, GW_RISK_RELEASE, &d->delta);
    return;
  }
  d->what = DEC_CANCEL;
  d->told.stream = 0;
}
static void dec_replace(gw_lane *l, gw_slot *s, gw_order *o, gw_dec *d, uint16_t no_room) {
  gw_told_order(s, &d->told);
  told_request(o, &d->told);
  d->conn_v = s->conn_v;
  const gw_instrument *ins = &l->instruments[s->instrument];
  if (gw_is_final(s->state)) { gw_refuse(d, GW_REASON_TOO_LATE, '2'); return; }
  if (s->rpl_state != RPL_NONE || s->cancel_wanted || s->in_doubt || s->due) { gw_refuse(d, GW_REASON_PENDING_REPLACE, '2'); return; }
  if ((o->has >> GW_HAS_SYMBOL & 1u) && gw_find_instrument(l, o->symbol) != s->instrument) { gw_refuse(d, GW_REASON_UNKNOWN_SYMBOL, '2'); return; }
  if ((o->has >> GW_HAS_SIDE & 1u) && o->side != s->order.side) { gw_refuse(d, GW_REASON_NOT_EXPRESSIBLE, '2'); return; }
  uint16_t why = gw_convert(ins, o);
  if (!why) {   /* what is not given stays as it is */
    if (!(o->has >> GW_HAS_ORDER_QTY & 1u)) o->order_qty = s->order.order_qty;
    if (!(o->has >> GW_HAS_PRICE & 1u) && s->order.has >> GW_HAS_PRICE & 1u) o->price = s->order.price;
    if (!(o->has >> GW_HAS_STOP_PX & 1u) && s->order.has >> GW_HAS_STOP_PX & 1u) o->stop_px = s->order.stop_px;
    o->ord_type = s->order.ord_type;
    o->side = s->order.side;
    o->has |= 1ull << GW_HAS_ORDER_QTY | (s->order.has & (1ull << GW_HAS_PRICE | 1ull << GW_HAS_STOP_PX));
    why = prices_right(ins, o);
  }
  if (!why && o->order_qty <= s->cum_qty) why = GW_REASON_TOO_LATE;
  if (!why) why = no_room ? no_room : l->core->stopping ? GW_REASON_SHUTDOWN : l->core->journal_failed ? GW_REASON_JOURNAL_FAILED : 0;
  if (!why) why = venue_takes(l, s->conn_v);
  const uint32_t whom[GW_SCOPES] = { 0, s->venue, s->account, s->strategy, s->instrument };
  if (gw_kill_gens(l, whom, d->kill_gen) && !why) why = GW_REASON_KILLED;
  if (!why && is_paused(l, whom)) why = GW_REASON_PAUSED;
  gw_risk_in in;
  risk_input(l, d, o, &in);
  in.cum = s->cum_qty;
  d->ref_px = in.ref_px;
  d->limits_version = (uint32_t)gw_risk_limits_version(l->risk);
  int n = why ? 0 : gw_risk_check(l->risk, &in, l->breaches, GW_RISK_BREACH_MAX);
  if (n > 0) { d->n_breaches = (uint32_t)n; why = l->breaches[0].why == GW_BREACH_REPEATED ? GW_REASON_DUPLICATE_ID : GW_REASON_LIMIT; }
  if (why) { gw_refuse(d, why, '2'); gw_delta_of(l, d, GW_RISK_ID_SEEN, &d->delta); d->delta.id_kind = in.id_kind; d->delta.id = d->key; return; }
  d->told.price = o->has >> GW_HAS_PRICE & 1u ? o->price : 0;
  d->told.stop_px = o->has >> GW_HAS_STOP_PX & 1u ? o->stop_px : 0;
  d->told.order_qty = o->order_qty;
  gw_delta_of(l, d, GW_RISK_REPLACE_RESERVE, &d->delta);
  d->delta.leaves = o->order_qty - s->cum_qty;
  d->delta.id = d->key;
  d->delta.id_kind = in.id_kind;
  d->told.leaves_qty = o->order_qty - s->cum_qty;
  if (s->state == ST_QUEUED) {   /* not sent yet: changed where it waits */
    d->what = DEC_REPLACE_QUEUED;
    d->told.exec_type = '5';
    d->told.ord_status = 'A';
    return;
  }
  d->what = DEC_REPLACE;
  d->told.stream = 0;
}
/* The journal's ring takes no new orders any more. */
static int nearly_full(const gw_lane *l) {
  if (gw_plenty(l, l->ring->size / 8)) return 0;
  const uint64_t nearly = l->ring->size / 8 + gw_sweep_room(l);
  return gw_ring_room(l->ring, nearly) < nearly;
}
void gw_dec_request(gw_lane *l, uint32_t conn, gw_dec *d) {
  gw_order *o = &l->scr.order;
  memset(d, 0, sizeof *d);
  d->conn_s = (uint16_t)conn;
  d->strategy = l->conns[conn].strategy;
  d->slot = NONE32;
  gw_told *t = &d->told;
  told_request(o, t);
  t->stream = (uint16_t)conn;
  t->side = o->side;
  t->ord_type = o->ord_type;
  t->time_in_force = o->time_in_force;
  t->px_exp = o->px_exp;
  t->qty_exp = o->qty_exp;
  d->key = request_id(l, conn, o);
  if (o->kind == 'D') {   /* a new id's places are distant ones */
    gw_index_ahead(&l->core->by_client, l->client_pairs, d->key);
    gw_risk_ahead(l->risk, d->key, l->core->free_head);
  }
  /* Whether the ring had room only the world knew; what it said then is in the record. */
  uint16_t no_room = (l->replaying ? l->replayed_reason == GW_REASON_JOURNAL_FULL : nearly_full(l)) ? GW_REASON_JOURNAL_FULL : 0;
  if (o->kind == 'D') { dec_new(l, conn, o, d, no_room); return; }
  if (o->kind == 'q') {
    d->what = DEC_MASS;
    t->instrument = o->has >> GW_HAS_SYMBOL & 1u ? gw_find_instrument(l, o->symbol) : 0;
    t->stream = 0;
    return;
  }
  uint32_t slot = NONE32;
  uint64_t num = o->kind == 'H' ? (o->has >> GW_HAS_ORIG_CL_ORD_NUM & 1u ? o->orig_cl_ord_num : o->cl_ord_num) : o->orig_cl_ord_num;
  gw_slot *s = by_client(l, conn, num, o->kind == 'H' ? o->cl_ord_id : o->orig_cl_ord_id, &slot);
  char response = o->kind == 'G' ? '2' : '1';
  if (!s) {
    t->ord_status = '8';
    if (o->kind != 'H') { gw_refuse(d, GW_REASON_UNKNOWN_ORDER, response); return; }
    d->what = DEC_STATUS;
    t->kind = '8';
    t->exec_type = 'I';
    t->reason = GW_REASON_UNKNOWN_ORDER;
    return;
  }
  d->slot = slot;
  d->gen = s->gen;
  if (o->kind == 'F') dec_cancel(l, s, o, d);
  else if (o->kind == 'G') dec_replace(l, s, o, d, no_room);
  else {
    gw_told_order(s, t);
    gw_told_avg(s, t, 0, 0);
    d->what = DEC_STATUS;
    t->exec_type = 'I';
  }
}

