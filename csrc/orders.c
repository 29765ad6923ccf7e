/* orders.c: what happens to an order: the state table, the decision on each request and report, and its application. */
#include "core.h"
#include "reasons.h"

/* The state table, [state][event]: the next state; 0 (ST_FREE) where the pair is not a move: the report is booked and flagged odd.
 * A final state absorbs everything but what corrects an execution: late fills, busts and corrections leave it final.
 * FIX 4.4 volume 4, appendix D. */
static const uint8_t NEXT[ST_N][EVT_N] = {
  [ST_FREE] = { [EVT_ACCEPT] = ST_QUEUED },
  [ST_QUEUED] = { [EVT_SEND] = ST_SENT, [EVT_DENY] = ST_DENIED, [EVT_CANCELED] = ST_CANCELED },
  [ST_SENT] = { [EVT_VOID] = ST_QUEUED, [EVT_PENDING_NEW] = ST_SENT, [EVT_NEW] = ST_NEW, [EVT_TRADE] = ST_PARTIAL, [EVT_FILL] = ST_FILLED,
    [EVT_CANCELED] = ST_CANCELED, [EVT_REPLACED] = ST_NEW, [EVT_REJECTED] = ST_REJECTED, [EVT_EXPIRED] = ST_EXPIRED, [EVT_DONE] = ST_DONE,
    [EVT_SUSPENDED] = ST_SUSPENDED, [EVT_STOPPED] = ST_STOPPED, [EVT_CALCULATED] = ST_CALCULATED, [EVT_PENDING_CANCEL] = ST_SENT,
    [EVT_PENDING_REPLACE] = ST_SENT, [EVT_RESTATED] = ST_NEW, [EVT_STATUS] = ST_NEW, [EVT_CXL_REJECT] = ST_SENT },
  [ST_NEW] = { [EVT_TRADE] = ST_PARTIAL, [EVT_FILL] = ST_FILLED, [EVT_CANCELED] = ST_CANCELED, [EVT_REPLACED] = ST_NEW, [EVT_REJECTED] = ST_REJECTED,
    [EVT_EXPIRED] = ST_EXPIRED, [EVT_DONE] = ST_DONE, [EVT_SUSPENDED] = ST_SUSPENDED, [EVT_STOPPED] = ST_STOPPED, [EVT_CALCULATED] = ST_CALCULATED,
    [EVT_PENDING_CANCEL] = ST_NEW, [EVT_PENDING_REPLACE] = ST_NEW, [EVT_RESTATED] = ST_NEW, [EVT_STATUS] = ST_NEW, [EVT_CXL_REJECT] = ST_NEW,
    [EVT_BUST] = ST_NEW, [EVT_CORRECT] = ST_NEW },
  [ST_PARTIAL] = { [EVT_NEW] = ST_PARTIAL, [EVT_TRADE] = ST_PARTIAL, [EVT_FILL] = ST_FILLED, [EVT_CANCELED] = ST_CANCELED, [EVT_REPLACED] = ST_PARTIAL,
    [EVT_EXPIRED] = ST_EXPIRED, [EVT_DONE] = ST_DONE, [EVT_SUSPENDED] = ST_SUSPENDED, [EVT_STOPPED] = ST_STOPPED, [EVT_CALCULATED] = ST_CALCULATED,
    [EVT_PENDING_CANCEL] = ST_PARTIAL, [EVT_PENDING_REPLACE] = ST_PARTIAL, [EVT_RESTATED] = ST_PARTIAL, [EVT_STATUS] = ST_PARTIAL,
    [EVT_CXL_REJECT] = ST_PARTIAL, [EVT_BUST] = ST_PARTIAL, [EVT_CORRECT] = ST_PARTIAL },
  [ST_SUSPENDED] = { [EVT_NEW] = ST_NEW, [EVT_TRADE] = ST_PARTIAL, [EVT_FILL] = ST_FILLED, [EVT_CANCELED] = ST_CANCELED, [EVT_REPLACED] = ST_NEW,
    [EVT_EXPIRED] = ST_EXPIRED, [EVT_DONE] = ST_DONE, [EVT_SUSPENDED] = ST_SUSPENDED, [EVT_PENDING_CANCEL] = ST_SUSPENDED,
    [EVT_PENDING_REPLACE] = ST_SUSPENDED, [EVT_RESTATED] = ST_NEW, [EVT_STATUS] = ST_SUSPENDED, [EVT_CXL_REJECT] = ST_SUSPENDED,
    [EVT_BUST] = ST_SUSPENDED, [EVT_CORRECT] = ST_SUSPENDED },
  [ST_STOPPED] = { [EVT_NEW] = ST_NEW, [EVT_TRADE] = ST_PARTIAL, [EVT_FILL] = ST_FILLED, [EVT_CANCELED] = ST_CANCELED, [EVT_EXPIRED] = ST_EXPIRED,
    [EVT_DONE] = ST_DONE, [EVT_STOPPED] = ST_STOPPED, [EVT_RESTATED] = ST_NEW, [EVT_STATUS] = ST_STOPPED, [EVT_PENDING_CANCEL] = ST_STOPPED,
    [EVT_PENDING_REPLACE] = ST_STOPPED, [EVT_REPLACED] = ST_NEW, [EVT_CXL_REJECT] = ST_STOPPED, [EVT_BUST] = ST_STOPPED, [EVT_CORRECT] = ST_STOPPED },
  [ST_CALCULATED] = { [EVT_TRADE] = ST_PARTIAL, [EVT_FILL] = ST_FILLED, [EVT_CANCELED] = ST_CANCELED, [EVT_EXPIRED] = ST_EXPIRED, [EVT_DONE] = ST_DONE,
    [EVT_CALCULATED] = ST_CALCULATED, [EVT_RESTATED] = ST_NEW, [EVT_STATUS] = ST_CALCULATED, [EVT_CXL_REJECT] = ST_CALCULATED,
    [EVT_BUST] = ST_CALCULATED, [EVT_CORRECT] = ST_CALCULATED },
  [ST_FILLED] = { [EVT_BUST] = ST_FILLED, [EVT_CORRECT] = ST_FILLED, [EVT_STATUS] = ST_FILLED, [EVT_CXL_REJECT] = ST_FILLED },
  [ST_CANCELED] = { [EVT_BUST] = ST_CANCELED, [EVT_CORRECT] = ST_CANCELED, [EVT_STATUS] = ST_CANCELED, [EVT_CXL_REJECT] = ST_CANCELED },
  [ST_REJECTED] = { [EVT_STATUS] = ST_REJECTED, [EVT_CXL_REJECT] = ST_REJECTED },
  [ST_EXPIRED] = { [EVT_BUST] = ST_EXPIRED, [EVT_CORRECT] = ST_EXPIRED, [EVT_STATUS] = ST_EXPIRED, [EVT_CXL_REJECT] = ST_EXPIRED },
  [ST_DONE] = { [EVT_BUST] = ST_DONE, [EVT_CORRECT] = ST_DONE, [EVT_STATUS] = ST_DONE, [EVT_CXL_REJECT] = ST_DONE },
  [ST_DENIED] = { [EVT_STATUS] = ST_DENIED },
};
static const char STATUS_OF[ST_N] = { '?', 'A', 'A', '0', '1', '9', '7', 'B', '2', '4', '8', 'C', '3', '8' };

int gw_order_next(int state, int event) {
  if (state < 0 || state >= ST_N || event < 0 || event >= EVT_N) return -1;
  return NEXT[state][event];
}

/* OrdStatus by precedence: a pending cancel or replace hides what is below it (FIX 4.4 volume 4, appendix D). */
char gw_ord_status(const gw_slot *s) {
  if (!gw_is_final(s->state)) {
    if (s->cancel_sent && s->cxl_cl_ord_id[0]) return '6';
    if (s->rpl_state == RPL_SENT) return 'E';
  }
  return STATUS_OF[s->state];
}

/* Maps ----------------------------------------------------------------------------------------------------------------- */
uint32_t gw_map_find(const gw_index *m, const gw_pair *p, uint64_t key) {
  for (uint32_t i = (uint32_t)gw_mix(key) & m->mask;; i = (i + 1) & m->mask) {
    if (p[i].key == 0) return NONE32;
    if (p[i].key == key) return i;
  }
}
static void map_put(gw_index *m, gw_pair *p, uint64_t key, uint32_t slot, uint32_t gen) {
  if (key == 0) return;
  uint32_t i = (uint32_t)gw_mix(key) & m->mask;
  while (p[i].key != 0 && p[i].key != key) i = (i + 1) & m->mask;
  if (p[i].key == 0) m->count++;
  p[i] = (gw_pair){ .key = key, .slot = slot, .gen = gen };
}
/* Removes a key only while it still means this slot: ids may be used again. */
static void map_drop(gw_index *m, gw_pair *p, uint64_t key, uint32_t slot) {
  uint32_t i = key ? gw_map_find(m, p, key) : NONE32;
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
static uint32_t seen_find(const gw_lane *l, uint64_t key) {
  uint32_t mask = l->core->seen.mask * 2 + 1;
  for (uint32_t i = (uint32_t)gw_mix(key) & mask;; i = (i + 1) & mask) {
    if (l->seen_keys[i] == 0) return NONE32;
    if (l->seen_keys[i] == key) return i;
  }
}
static void seen_drop(gw_lane *l, uint64_t key) {
  uint32_t mask = l->core->seen.mask * 2 + 1, i = seen_find(l, key);
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
static void seen_put(gw_lane *l, uint64_t key) {
  gw_seen *s = &l->core->seen;
  if (key == 0 || seen_find(l, key) != NONE32) return;
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
static uint64_t client_key(const gw_lane *l, uint32_t conn, uint64_t num, const char *text) {
  uint64_t h = l->cfg[conn].family == GW_FAMILY_FIX ? gw_hash_text(text, 24) : gw_mix(num);
  return gw_mix(h ^ (uint64_t)conn << 48) | 1u;
}
static uint64_t token_key(uint32_t conn, uint64_t token) { return token << 12 | (uint64_t)(conn & 0xFFF) << 0; }
static uint64_t exec_key(const gw_lane *l, uint32_t conn) {
  const gw_report *r = &l->scr;
  if (r->has2 >> GW_HAS2_EXEC_ID & 1u) return gw_mix(gw_hash_text(r->exec_id, 40) ^ (uint64_t)conn << 48 ^ 0xE) | 1u;
  if (r->has2 >> GW_HAS2_MATCH_ID & 1u) return gw_mix(gw_mix(r->match_id) ^ (uint64_t)conn << 48 ^ 0xE ^ r->order.token << 20) | 1u;
  return 0;
}

/* Lists of slots: one link, one list at a time. */
static void list_push(gw_lane *l, uint32_t *q, uint32_t slot) {
  gw_slot *s = &l->slots[slot];
  s->next = NONE32;
  s->prev = q[1];
  if (q[1] == NONE32) q[0] = slot; else l->slots[q[1]].next = slot;
  q[1] = slot;
}
static void list_take(gw_lane *l, uint32_t *q, uint32_t slot) {
  gw_slot *s = &l->slots[slot];
  if (s->prev == NONE32) q[0] = s->next; else l->slots[s->prev].next = s->next;
  if (s->next == NONE32) q[1] = s->prev; else l->slots[s->next].prev = s->prev;
  s->next = s->prev = NONE32;
}
static uint32_t *queue_of(gw_conn *c, uint8_t which) {
  return which == Q_NEW ? c->q_new : which == Q_REPLACE ? c->q_replace : which == Q_CANCEL ? c->q_cancel : c->q_status;
}
void gw_unqueue(gw_lane *l, uint32_t slot) {
  gw_slot *s = &l->slots[slot];
  if (s->in_queue == Q_NONE) return;
  gw_conn *c = &l->conns[s->conn_v];
  if (s->in_queue == Q_NEW || s->in_queue == Q_REPLACE) c->queued--;
  list_take(l, queue_of(c, s->in_queue), slot);
  s->in_queue = Q_NONE;
}
static void enqueue(gw_lane *l, uint32_t slot, uint8_t which) {
  gw_slot *s = &l->slots[slot];
  gw_unqueue(l, slot);
  gw_conn *c = &l->conns[s->conn_v];
  list_push(l, queue_of(c, which), slot);
  s->in_queue = which;
  gw_dirty(l, s->conn_v);
  if (which == Q_NEW || which == Q_REPLACE) { c->queued++; s->queued_ns = (int64_t)l->core->now; }
}
/* What a slot waits for next, after one thing was done or undone. A cancel goes before everything; a status before a replace. */
static void requeue(gw_lane *l, uint32_t slot) {
  gw_slot *s = &l->slots[slot];
  gw_unqueue(l, slot);
  if (gw_is_final(s->state)) return;
  if (s->state == ST_QUEUED) { if (!s->due) enqueue(l, slot, Q_NEW); }
  else if (s->cancel_wanted && !s->cancel_sent) enqueue(l, slot, Q_CANCEL);
  else if (s->status_wanted) enqueue(l, slot, Q_STATUS);
  else if (s->rpl_state == RPL_QUEUED && !s->due) enqueue(l, slot, Q_REPLACE);
}

/* Verdicts that are due: each becomes a record of its own in the same step. */
void gw_order_due(gw_lane *l, uint32_t slot, uint16_t reason) {
  gw_slot *s = &l->slots[slot];
  if (s->due || reason == 0) return;
  s->due = reason;
  s->due_next = NONE32;
  if (l->core->due_tail == NONE32) l->core->due_head = slot; else l->slots[l->core->due_tail].due_next = slot;
  l->core->due_tail = slot;
  l->core->due_count++;
  if (s->in_queue == Q_NEW || s->in_queue == Q_REPLACE) gw_unqueue(l, slot);
}
static void due_taken(gw_lane *l, uint32_t slot) {
  gw_slot *s = &l->slots[slot];
  uint32_t at = l->core->due_head, before = NONE32;
  while (at != NONE32 && at != slot) { before = at; at = l->slots[at].due_next; }
  if (at == NONE32) return;
  if (before == NONE32) l->core->due_head = s->due_next; else l->slots[before].due_next = s->due_next;
  if (l->core->due_tail == slot) l->core->due_tail = before;
  l->core->due_count--;
  s->due = 0;
}
void gw_deny_queued(gw_lane *l, uint32_t conn, uint16_t reason) {
  gw_conn *c = &l->conns[conn];
  while (c->q_new[0] != NONE32) gw_order_due(l, c->q_new[0], reason);
  while (c->q_replace[0] != NONE32) gw_order_due(l, c->q_replace[0], reason);
}

/* Cancel wanted: a flag of the order, not an entry of a queue; only a final state clears it (SEAM R5c). */
void gw_order_want_cancel(gw_lane *l, uint32_t slot, uint16_t reason) {
  gw_slot *s = &l->slots[slot];
  if (gw_is_final(s->state)) return;
  if (s->state == ST_QUEUED) { gw_order_due(l, slot, reason); return; }
  s->cancel_wanted = 1;
  requeue(l, slot);
}
void gw_order_doubt(gw_lane *l, uint32_t slot) {
  gw_slot *s = &l->slots[slot];
  if (gw_is_final(s->state) || s->in_doubt) return;
  s->in_doubt = 1;
  s->seen_since = 0;
  l->conns[s->conn_v].in_doubt++;
  l->core->in_doubt++;
  if (s->cancel_wanted) s->cancel_sent = 0;
  requeue(l, slot);
  gw_order_due(l, slot, NONE16);
}
static void doubt_over(gw_lane *l, gw_slot *s) {
  if (!s->in_doubt) return;
  s->in_doubt = 0;
  l->conns[s->conn_v].in_doubt--;
  l->core->in_doubt--;
}

/* A number that was given to no byte: what it carried waits, or is over, again. */
void gw_order_void(gw_lane *l, uint32_t slot, uint32_t gen, uint8_t what) {
  gw_slot *s = gw_slot_of(l, slot, gen);
  if (!s) return;
  if (what == OUT_NEW && s->state == ST_SENT) { s->state = ST_QUEUED; gw_order_due(l, slot, GW_REASON_VOIDED); }
  else if (what == OUT_REPLACE && s->rpl_state == RPL_SENT) { s->rpl_state = RPL_QUEUED; gw_order_due(l, slot, GW_REASON_VOIDED); }
  else if (what == OUT_CANCEL) { s->cancel_sent = 0; requeue(l, slot); }
  else if (what == OUT_STATUS) { s->status_wanted = 1; requeue(l, slot); }
}

/* Numbers: exact, or a reason why not ------------------------------------------------------------------------------------ */
static int rescale(int64_t v, int from, int to, int64_t *out) {
  for (; from > to; from--) if (__builtin_mul_overflow(v, (int64_t)10, &v)) return 0;
  for (; from < to; from++) { if (v % 10) return 0; v /= 10; }
  *out = v;
  return 1;
}
/* For what a venue tells us: never refused; 0 if digits were lost or the number did not fit (then the nearest that does). */
static int rescale_lossy(int64_t v, int from, int to, int64_t *out) {
  int exact = 1;
  for (; from > to; from--) if (__builtin_mul_overflow(v, (int64_t)10, &v)) { *out = v < 0 ? INT64_MIN : INT64_MAX; return 0; }
  for (; from < to; from++) { if (v % 10) exact = 0; v /= 10; }
  *out = v;
  return exact;
}
static int on_tick(const gw_instrument *in, int64_t px) {
  int64_t tick = in->n_ticks ? in->ticks[0].tick : 1, abs_px = px < 0 ? -px : px;
  for (uint32_t i = 1; i < in->n_ticks && in->ticks[i].from <= abs_px; i++) tick = in->ticks[i].tick;
  return tick > 0 && px % tick == 0;
}
/* The request in the instrument's exponents: in place, all of it or nothing is right. A reason, 0 = converted. */
static uint16_t convert(const gw_instrument *in, gw_order *o) {
  struct { int bit; int64_t *v; int px; } f[] = {
    { GW_HAS_PRICE, &o->price, 1 }, { GW_HAS_STOP_PX, &o->stop_px, 1 }, { GW_HAS_PEG_OFFSET, &o->peg_offset, 1 },
    { GW_HAS_ORDER_QTY, &o->order_qty, 0 }, { GW_HAS_MIN_QTY, &o->min_qty, 0 }, { GW_HAS_MAX_FLOOR, &o->max_floor, 0 } };
  for (size_t i = 0; i < sizeof f / sizeof f[0]; i++) {
    if (!(o->has >> f[i].bit & 1u)) continue;
    if (!rescale(*f[i].v, f[i].px ? o->px_exp : o->qty_exp, f[i].px ? in->px_exp : in->qty_exp, f[i].v)) return f[i].px ? GW_REASON_BAD_TICK : GW_REASON_BAD_LOT;
  }
  o->px_exp = in->px_exp;
  o->qty_exp = in->qty_exp;
  return 0;
}
static uint16_t prices_right(const gw_instrument *in, const gw_order *o) {
  int has_px = (int)(o->has >> GW_HAS_PRICE & 1u), has_stop = (int)(o->has >> GW_HAS_STOP_PX & 1u);
  if (o->order_qty <= 0 || !(o->has >> GW_HAS_ORDER_QTY & 1u)) return GW_REASON_BAD_QTY;
  if (in->lot > 0 && o->order_qty % in->lot) return GW_REASON_BAD_LOT;
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
static uint32_t find_instrument(const gw_lane *l, const char *symbol) {
  for (uint32_t i = (uint32_t)gw_hash_text(symbol, 16) & l->instrument_mask;; i = (i + 1) & l->instrument_mask) {
    uint32_t at = l->instrument_index[i];
    if (at == 0 || memcmp(l->instruments[at].symbol, symbol, 16) == 0) return at;
  }
}
static uint32_t find_account(const gw_lane *l, const gw_order *o, uint32_t strategy) {
  if (o->has >> GW_HAS_ACCOUNT & 1u) {
    for (uint32_t i = 1; i < l->n_accounts; i++) if (memcmp(l->accounts[i].name, o->account, 16) == 0) return i;
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
  for (uint32_t i = 1; i < l->n_venues; i++) if (memcmp(l->venues[i], o->venue, 16) == 0) return i;
  return 0;
}
static const gw_listing *find_listing(const gw_lane *l, uint32_t instrument, uint32_t venue) {
  uint32_t lo = 0, hi = l->n_listings;
  while (lo < hi) {
    uint32_t mid = (lo + hi) / 2;
    const gw_listing *x = &l->listings[mid];
    if (x->instrument < instrument || (x->instrument == instrument && x->venue < venue)) lo = mid + 1; else hi = mid;
  }
  const gw_listing *x = lo < l->n_listings ? &l->listings[lo] : NULL;
  return x && x->instrument == instrument && x->venue == venue ? x : NULL;
}
const gw_listing *gw_listing_of(const gw_lane *l, const gw_slot *s) { return find_listing(l, s->instrument, s->venue); }

static gw_slot *by_client(gw_lane *l, uint32_t conn, uint64_t num, const char *text, uint32_t *slot) {
  uint32_t i = gw_map_find(&l->core->by_client, l->client_pairs, client_key(l, conn, num, text));
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

/* What is told ----------------------------------------------------------------------------------------------------------- */
static void told_order(const gw_slot *s, gw_told *t) {
  t->cl_ord_num = s->order.cl_ord_num;
  t->order_no = s->order_no;
  t->price = s->order.price;
  t->stop_px = s->order.stop_px;
  t->order_qty = s->order.order_qty;
  t->cum_qty = s->cum_qty;
  t->leaves_qty = s->leaves_qty;
  t->instrument = s->instrument;
  t->account = (uint16_t)s->account;
  t->venue = s->venue;
  t->stream = s->conn_s;
  t->kind = '8';
  t->side = s->order.side;
  t->ord_type = s->order.ord_type;
  t->time_in_force = s->order.time_in_force;
  t->px_exp = s->order.px_exp;
  t->qty_exp = s->order.qty_exp;
  t->ord_status = gw_ord_status(s);
  t->flags = s->in_doubt ? TOLD_IN_DOUBT : 0;
  memcpy(t->cl_ord_id, s->order.cl_ord_id, 24);
}
static __int128 filled_value(const gw_slot *s) { return (__int128)s->value_hi * ((__int128)1 << 64) + (__int128)(uint64_t)s->value_lo; }
/* Average price: the sum of the fills over their quantity, four more digits than the instrument's prices, rounded half up. */
static void told_avg(const gw_slot *s, gw_told *t, int64_t last_px, int64_t last_qty) {
  __int128 value = filled_value(s);
  value += (__int128)last_px * last_qty;
  t->avg_px_exp = t->px_exp;
  t->avg_px = 0;
  if (t->cum_qty <= 0) return;
  __int128 scaled = value * 10000, q = (scaled + t->cum_qty / 2) / t->cum_qty;
  t->avg_px_exp = (int8_t)(t->px_exp - 4);
  if (q > INT64_MAX || q < INT64_MIN) { q = value / t->cum_qty; t->avg_px_exp = t->px_exp; }
  t->avg_px = (int64_t)q;
}
/* A record for the strategy: what was decided, and the venue's own texts if its frame is the one in l->scr. */
void gw_told_report(gw_lane *l, const gw_told *t, const gw_rec *h, const gw_breach *b, uint32_t n, gw_report *r) {
  memset(r, 0, sizeof *r);
  gw_order *o = &r->order;
  o->kind = t->kind;
  o->side = t->side;
  o->ord_type = t->ord_type;
  o->time_in_force = t->time_in_force;
  o->cl_ord_num = t->cl_ord_num;
  o->orig_cl_ord_num = t->orig_cl_ord_num;
  o->order_qty = t->order_qty;
  o->price = t->price;
  o->stop_px = t->stop_px;
  o->px_exp = t->px_exp;
  o->qty_exp = t->qty_exp;
  o->transact_time = (int64_t)h->t_ns;
  memcpy(o->cl_ord_id, t->cl_ord_id, 24);
  memcpy(o->orig_cl_ord_id, t->orig_cl_ord_id, 24);
  o->has = 1ull << GW_HAS_KIND | 1ull << GW_HAS_CL_ORD_NUM | 1ull << GW_HAS_PX_EXP | 1ull << GW_HAS_QTY_EXP | 1ull << GW_HAS_TRANSACT_TIME;
#define SET(bit, cond) do { if (cond) o->has |= 1ull << (bit); } while (0)
  SET(GW_HAS_SIDE, t->side);
  SET(GW_HAS_ORD_TYPE, t->ord_type);
  SET(GW_HAS_TIME_IN_FORCE, t->time_in_force);
  SET(GW_HAS_ORDER_QTY, t->order_qty);
  SET(GW_HAS_PRICE, t->price && t->ord_type != '1' && t->ord_type != '3');
  SET(GW_HAS_STOP_PX, t->stop_px);
  SET(GW_HAS_CL_ORD_ID, t->cl_ord_id[0]);
  SET(GW_HAS_ORIG_CL_ORD_ID, t->orig_cl_ord_id[0]);
  SET(GW_HAS_ORIG_CL_ORD_NUM, t->orig_cl_ord_num);
  if (t->instrument && t->instrument < l->n_instruments) { memcpy(o->symbol, l->instruments[t->instrument].symbol, 16); SET(GW_HAS_SYMBOL, 1); }
  if (t->account && t->account < l->n_accounts) { memcpy(o->account, l->accounts[t->account].name, 16); SET(GW_HAS_ACCOUNT, 1); }
  if (t->venue && t->venue < l->n_venues) { memcpy(o->venue, l->venues[t->venue], 16); SET(GW_HAS_VENUE, 1); }
#undef SET
  r->last_px = t->last_px;
  r->last_qty = t->last_qty;
  r->cum_qty = t->cum_qty;
  r->leaves_qty = t->leaves_qty;
  r->avg_px = t->avg_px;
  r->avg_px_exp = t->avg_px_exp;
  r->exec_type = t->exec_type;
  r->ord_status = t->ord_status;
  r->reason = t->reason;
  r->ord_rej_reason = t->ord_rej_reason;
  r->cxl_rej_reason = t->cxl_rej_reason;
  r->cxl_rej_response_to = t->cxl_rej_response_to;
  r->in_doubt = t->flags & TOLD_IN_DOUBT;
  r->lane = h->lane;
  r->epoch = l->core->epoch;
  r->lsn = h->lsn;
  r->t_in_ns = h->t_ns;
  r->has2 = 1ull << GW_HAS2_CUM_QTY | 1ull << GW_HAS2_LEAVES_QTY | 1ull << GW_HAS2_AVG_PX | 1ull << GW_HAS2_AVG_PX_EXP | 1ull << GW_HAS2_LANE |
            1ull << GW_HAS2_EPOCH | 1ull << GW_HAS2_LSN | 1ull << GW_HAS2_T_IN_NS;
#define SET(bit, cond) do { if (cond) r->has2 |= 1ull << (bit); } while (0)
  SET(GW_HAS2_EXEC_TYPE, t->exec_type);
  SET(GW_HAS2_ORD_STATUS, t->ord_status);
  SET(GW_HAS2_LAST_QTY, t->last_qty);
  SET(GW_HAS2_LAST_PX, t->last_qty);
  SET(GW_HAS2_REASON, t->reason);
  SET(GW_HAS2_IN_DOUBT, r->in_doubt);
  SET(GW_HAS2_CXL_REJ_RESPONSE_TO, t->cxl_rej_response_to);
  SET(GW_HAS2_CXL_REJ_REASON, t->kind == '9');
  SET(GW_HAS2_ORD_REJ_REASON, t->exec_type == '8' || t->exec_type == 'X');
  SET(GW_HAS2_ORDER_ID, 1);
  SET(GW_HAS2_EXEC_ID, t->kind == '8');
  if (t->order_no == 0) memcpy(r->order_id, "NONE", 5);
  else gw_base36_encode(t->order_no, (uint8_t *)r->order_id);
  /* An execution's id is the venue's; everything else is the house's own, unique by journal position. */
  r->exec_id[0] = 'H';
  gw_base36_encode(h->lsn, (uint8_t *)r->exec_id + 1);
  if (l->scr_lsn == h->lsn && h->kind == GW_REC_IN) {
    const gw_report *v = &l->scr;
    if (v->has2 >> GW_HAS2_EXEC_ID & 1u && v->exec_id[0]) memcpy(r->exec_id, v->exec_id, 40);
    else if (v->has2 >> GW_HAS2_MATCH_ID & 1u) { memset(r->exec_id, 0, 40); r->exec_id[0] = 'M'; gw_base36_encode(v->match_id, (uint8_t *)r->exec_id + 1); }
    if (v->has2 >> GW_HAS2_EXEC_REF_ID & 1u) { memcpy(r->exec_ref_id, v->exec_ref_id, 40); SET(GW_HAS2_EXEC_REF_ID, 1); }
    if (v->has2 >> GW_HAS2_TEXT & 1u) { memcpy(r->text, v->text, 64); SET(GW_HAS2_TEXT, 1); }
    if (v->has2 >> GW_HAS2_LAST_LIQUIDITY & 1u) { r->last_liquidity = v->last_liquidity; SET(GW_HAS2_LAST_LIQUIDITY, 1); }
    if (v->has2 >> GW_HAS2_MATCH_ID & 1u) { r->match_id = v->match_id; SET(GW_HAS2_MATCH_ID, 1); }
  }
  if (n) {
    static const char level[GW_SCOPES] = { 'F', 'V', 'A', 'S', 'Y' };
    r->level = level[b->scope % GW_SCOPES];
    r->denied_value = b->value;
    r->denied_limit = b->limit;
    gw_scope_name(l, b->scope, b->entity, r->scope);
    SET(GW_HAS2_LEVEL, 1); SET(GW_HAS2_DENIED_VALUE, 1); SET(GW_HAS2_DENIED_LIMIT, 1); SET(GW_HAS2_SCOPE, 1); SET(GW_HAS2_CONTROL, 1);
    const char *key = gw_control_rows[b->control < GW_CONTROLS ? b->control : 0].key;
    memcpy(r->control, key, strnlen(key, sizeof r->control));
    char text[96];
    int len = gw_breach_text(b, r->scope, text, sizeof text);
    for (uint32_t i = 1; i < n && len > 0 && len < 64; i++) {   /* every breach is named, as far as the text has room */
      char scope[24] = { 0 }, more[96];
      gw_scope_name(l, b[i].scope, b[i].entity, scope);
      int m = gw_breach_text(&b[i], scope, more, sizeof more);
      if (len + 2 + m >= (int)sizeof text) break;
      memcpy(text + len, "; ", 2);
      memcpy(text + len + 2, more, (size_t)m);
      len += 2 + m;
    }
    memcpy(r->text, text, (size_t)(len < 64 ? len : 64));
    SET(GW_HAS2_TEXT, 1);
  } else if (t->reason && !(r->has2 >> GW_HAS2_TEXT & 1u)) {
    const char *why = t->reason < GW_REASONS ? gw_reason_texts[t->reason] : gw_reason_texts[GW_REASON_OTHER];
    memcpy(r->text, why, strnlen(why, 64));
    SET(GW_HAS2_TEXT, 1);
  }
#undef SET
}

/* Deciding a request ----------------------------------------------------------------------------------------------------- */
static void delta_of(const gw_lane *l, const gw_dec *d, uint8_t kind, gw_risk_delta *x) {
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
  memset(in, 0, sizeof *in);
  in->kind = (uint8_t)o->kind;
  in->side = o->side == '1' ? GW_BUY : GW_SELL;
  in->ord_type = (uint8_t)o->ord_type;
  in->has = (uint8_t)((o->has >> GW_HAS_PRICE & 1u ? GW_RISK_HAS_PX : 0) | (o->has >> GW_HAS_STOP_PX & 1u ? GW_RISK_HAS_STOP_PX : 0) | (ins->has_ref ? GW_RISK_HAS_REF_PX : 0));
  in->id_kind = l->cfg[d->conn_s].family == GW_FAMILY_FIX ? GW_RISK_ID_HASH : GW_RISK_ID_RISING;
  in->px_exp = ins->px_exp;
  in->qty_exp = ins->qty_exp;
  in->mult_exp = ins->mult_exp;
  in->slot = d->slot;
  in->instrument = d->told.instrument;
  in->venue = d->told.venue;
  in->account = d->told.account;
  in->strategy = (uint16_t)d->strategy;
  in->qty = o->order_qty;
  in->px = o->price;
  in->stop_px = o->stop_px;
  in->ref_px = ins->ref_px;
  in->multiplier = ins->multiplier;
  in->id = d->key;
  in->now_ns = l->core->now;
}
/* The id a duplicate is known by: rising at the order API, a hash at the FIX door. */
static uint64_t request_id(const gw_lane *l, uint32_t conn, const gw_order *o) {
  return l->cfg[conn].family == GW_FAMILY_FIX ? client_key(l, conn, 0, o->cl_ord_id) : o->cl_ord_num;
}
static void deny(gw_dec *d, uint16_t reason, const gw_lane *l) {
  d->what = DEC_DENY;
  d->told.kind = '8';
  d->told.exec_type = 'X';
  d->told.ord_status = '8';
  d->told.reason = reason;
  d->told.leaves_qty = 0;
  static const uint8_t rej[] = { [GW_REASON_DUPLICATE_ID] = 6, [GW_REASON_UNKNOWN_SYMBOL] = 1, [GW_REASON_UNKNOWN_ACCOUNT] = 15, [GW_REASON_UNKNOWN_VENUE] = 1,
    [GW_REASON_BAD_TICK] = 18, [GW_REASON_BAD_LOT] = 13, [GW_REASON_BAD_QTY] = 13, [GW_REASON_BAD_PRICE] = 18, [GW_REASON_NOT_EXPRESSIBLE] = 11,
    [GW_REASON_VENUE_DOWN] = 2, [GW_REASON_RECOVERING] = 2, [GW_REASON_HALTED] = 2, [GW_REASON_LIMIT] = 3 };
  uint8_t code = reason < sizeof rej ? rej[reason] : 0;
  d->told.ord_rej_reason = code ? code : reason == GW_REASON_LIMIT && d->n_breaches ? (uint16_t)gw_breach_ord_rej_reason(l->breaches) : 99;
  if (reason == GW_REASON_LIMIT && d->n_breaches) d->told.ord_rej_reason = (uint16_t)gw_breach_ord_rej_reason(l->breaches);
}
static void refuse(gw_dec *d, uint16_t reason, char response_to) {
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
  if (c->stream_len - c->stream_sent >= l->sizes.stream / 4 * 3) return GW_REASON_TABLE_FULL;
  return 0;
}
static uint16_t venue_takes(const gw_lane *l, uint32_t conn_v) {
  if (conn_v == 0) return GW_REASON_UNKNOWN_VENUE;
  switch (gw_table_out(OUT_NEW, l->conns[conn_v].tx)) {
    case OACT_GATE: return 0;
    case OACT_RECOVERING: return GW_REASON_RECOVERING;
    default: return GW_REASON_VENUE_DOWN;
  }
}
static void dec_new(gw_lane *l, uint32_t conn, gw_order *o, gw_dec *d, uint16_t no_room) {
  gw_told *t = &d->told;
  uint32_t strategy = d->strategy, instrument = find_instrument(l, o->symbol), account = find_account(l, o, strategy);
  t->instrument = instrument;
  t->account = (uint16_t)account;
  t->order_qty = o->order_qty;
  if (!instrument) { deny(d, GW_REASON_UNKNOWN_SYMBOL, l); return; }
  const gw_instrument *ins = &l->instruments[instrument];
  uint32_t venue = find_venue(l, o, ins);
  uint16_t why = convert(ins, o);
  t->px_exp = ins->px_exp;
  t->qty_exp = ins->qty_exp;
  t->venue = (uint16_t)(venue < l->n_venues ? venue : 0);
  if (why) { t->order_qty = 0; deny(d, why, l); return; }
  t->order_qty = o->order_qty;
  t->price = o->has >> GW_HAS_PRICE & 1u ? o->price : 0;
  t->stop_px = o->has >> GW_HAS_STOP_PX & 1u ? o->stop_px : 0;
  if (!t->venue || !find_listing(l, instrument, t->venue)) { deny(d, GW_REASON_UNKNOWN_VENUE, l); return; }
  if (!account || !(l->strategies[strategy].accounts[account / 64] >> (account % 64) & 1u)) { deny(d, GW_REASON_UNKNOWN_ACCOUNT, l); return; }
  d->conn_v = l->venue_conn[t->venue];
  d->slot = l->core->free_head;
  d->gen = d->slot == NONE32 ? 0 : l->slots[d->slot].gen + 1;
  why = no_room ? no_room : room_for_order(l, conn);
  if (!why && !ins->trading) why = GW_REASON_HALTED;
  const uint32_t whom[GW_SCOPES] = { 0, t->venue, account, strategy, instrument };
  for (uint32_t k = 0; !why && k < GW_SCOPES; k++) if (l->paused[l->kill_base[k] + whom[k]]) why = GW_REASON_HALTED;
  if (!why) why = venue_takes(l, d->conn_v);
  if (!why) why = prices_right(ins, o);
  uint32_t entity[GW_SCOPES] = { 0, t->venue, account, strategy, instrument };
  gw_kill_gens(l, entity, d->kill_gen);
  for (uint32_t k = 0; k < GW_SCOPES; k++) { uint32_t gen; if (gw_kill_of(l, k, entity[k], &gen)) why = GW_REASON_KILLED; }
  gw_risk_in in;
  risk_input(l, d, o, &in);
  d->ref_px = in.ref_px;
  d->limits_version = (uint32_t)gw_risk_limits_version(l->risk);
  int n = gw_risk_check(l->risk, &in, l->breaches, GW_RISK_BREACH_MAX);
  if (n > 0) {   /* every breach is told, and a used id is the reason above all others */
    d->n_breaches = (uint32_t)n;
    for (int i = 0; i < n; i++) if (l->breaches[i].why == GW_BREACH_REPEATED) { deny(d, GW_REASON_DUPLICATE_ID, l); return; }
    if (!why) why = GW_REASON_LIMIT;
  }
  if (why) { deny(d, why, l); delta_of(l, d, GW_RISK_ID_SEEN, &d->delta); d->delta.id_kind = in.id_kind; d->delta.id = d->key; return; }
  d->what = DEC_ACCEPT;
  d->event = EVT_ACCEPT;
  d->state = NEXT[ST_FREE][EVT_ACCEPT];
  t->order_no = l->core->accept_no + 1;
  t->stream = 0;
  delta_of(l, d, GW_RISK_RESERVE, &d->delta);
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
  told_order(s, &d->told);
  told_request(o, &d->told);
  d->conn_v = s->conn_v;
  if (gw_is_final(s->state)) { refuse(d, GW_REASON_TOO_LATE, '1'); return; }
  if (s->cancel_sent && s->cxl_cl_ord_id[0]) { refuse(d, GW_REASON_PENDING_REPLACE, '1'); return; }
  if (s->state == ST_QUEUED && !s->due) {   /* never sent: both are gone, and no number was used */
    d->what = DEC_CANCEL_QUEUED;
    d->event = EVT_CANCELED;
    d->state = NEXT[ST_QUEUED][EVT_CANCELED];
    d->flags |= DEC_FINAL;
    d->told.exec_type = d->told.ord_status = '4';
    d->told.leaves_qty = 0;
    delta_of(l, d, GW_RISK_RELEASE, &d->delta);
    return;
  }
  d->what = DEC_CANCEL;
  d->told.stream = 0;
}
static void dec_replace(gw_lane *l, gw_slot *s, gw_order *o, gw_dec *d, uint16_t no_room) {
  told_order(s, &d->told);
  told_request(o, &d->told);
  d->conn_v = s->conn_v;
  const gw_instrument *ins = &l->instruments[s->instrument];
  if (gw_is_final(s->state)) { refuse(d, GW_REASON_TOO_LATE, '2'); return; }
  if (s->rpl_state != RPL_NONE || s->cancel_wanted || s->in_doubt || s->due) { refuse(d, GW_REASON_PENDING_REPLACE, '2'); return; }
  if ((o->has >> GW_HAS_SYMBOL & 1u) && find_instrument(l, o->symbol) != s->instrument) { refuse(d, GW_REASON_UNKNOWN_SYMBOL, '2'); return; }
  if ((o->has >> GW_HAS_SIDE & 1u) && o->side != s->order.side) { refuse(d, GW_REASON_NOT_EXPRESSIBLE, '2'); return; }
  uint16_t why = convert(ins, o);
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
  uint32_t entity[GW_SCOPES] = { 0, s->venue, s->account, s->strategy, s->instrument };
  gw_kill_gens(l, entity, d->kill_gen);
  for (uint32_t k = 0; !why && k < GW_SCOPES; k++) { uint32_t gen; if (gw_kill_of(l, k, entity[k], &gen)) why = GW_REASON_KILLED; }
  gw_risk_in in;
  risk_input(l, d, o, &in);
  in.cum = s->cum_qty;
  d->ref_px = in.ref_px;
  d->limits_version = (uint32_t)gw_risk_limits_version(l->risk);
  int n = why ? 0 : gw_risk_check(l->risk, &in, l->breaches, GW_RISK_BREACH_MAX);
  if (n > 0) { d->n_breaches = (uint32_t)n; why = l->breaches[0].why == GW_BREACH_REPEATED ? GW_REASON_DUPLICATE_ID : GW_REASON_LIMIT; }
  if (why) { refuse(d, why, '2'); delta_of(l, d, GW_RISK_ID_SEEN, &d->delta); d->delta.id_kind = in.id_kind; d->delta.id = d->key; return; }
  d->told.price = o->has >> GW_HAS_PRICE & 1u ? o->price : 0;
  d->told.stop_px = o->has >> GW_HAS_STOP_PX & 1u ? o->stop_px : 0;
  d->told.order_qty = o->order_qty;
  delta_of(l, d, GW_RISK_REPLACE_RESERVE, &d->delta);
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
  uint16_t no_room = gw_ring_room(l->ring, l->ring->size / 8) < l->ring->size / 8 ? GW_REASON_JOURNAL_FULL : 0;
  if (o->kind == 'D') { dec_new(l, conn, o, d, no_room); return; }
  if (o->kind == 'q') {
    d->what = DEC_MASS;
    t->instrument = o->has >> GW_HAS_SYMBOL & 1u ? find_instrument(l, o->symbol) : 0;
    t->stream = 0;
    return;
  }
  uint32_t slot = NONE32;
  uint64_t num = o->kind == 'H' ? (o->has >> GW_HAS_ORIG_CL_ORD_NUM & 1u ? o->orig_cl_ord_num : o->cl_ord_num) : o->orig_cl_ord_num;
  gw_slot *s = by_client(l, conn, num, o->kind == 'H' ? o->cl_ord_id : o->orig_cl_ord_id, &slot);
  char response = o->kind == 'G' ? '2' : '1';
  if (!s) {
    t->ord_status = '8';
    if (o->kind != 'H') { refuse(d, GW_REASON_UNKNOWN_ORDER, response); return; }
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
    told_order(s, t);
    told_avg(s, t, 0, 0);
    d->what = DEC_STATUS;
    t->exec_type = 'I';
  }
}

/* Deciding a report of a venue -------------------------------------------------------------------------------------------- */
static int event_of(char exec_type) {
  switch (exec_type) {
    case '0': return EVT_NEW;            case 'A': return EVT_PENDING_NEW;     case 'F': return EVT_TRADE;
    case '4': return EVT_CANCELED;       case '5': return EVT_REPLACED;        case '8': return EVT_REJECTED;
    case 'C': return EVT_EXPIRED;        case '3': return EVT_DONE;            case '9': return EVT_SUSPENDED;
    case '7': return EVT_STOPPED;        case 'B': return EVT_CALCULATED;      case '6': return EVT_PENDING_CANCEL;
    case 'E': return EVT_PENDING_REPLACE; case 'D': return EVT_RESTATED;       case 'H': return EVT_BUST;
    case 'G': return EVT_CORRECT;        case 'I': return EVT_STATUS;          default: return -1;
  }
}
static int64_t report_qty(const gw_slot *s, int64_t v, gw_dec *d) {
  if (!rescale_lossy(v, 0, 0, &v)) d->flags |= DEC_ODD;
  (void)s;
  return v < 0 ? 0 : v;
}
/* A report for no order of ours: it is booked as external, flagged, and Python is told. */
static void dec_orphan(gw_lane *l, uint32_t conn, gw_dec *d, int event) {
  const gw_report *r = &l->scr;
  gw_told *t = &d->told;
  d->what = DEC_ORPHAN;
  d->flags |= DEC_ODD;
  t->venue = l->conns[conn].venue;
  t->side = r->order.side;
  for (uint32_t i = 0; i < l->n_listings; i++)
    if (l->listings[i].venue == t->venue && memcmp(l->listings[i].venue_symbol, r->order.symbol, 16) == 0) t->instrument = l->listings[i].instrument;
  const gw_instrument *ins = &l->instruments[t->instrument];
  if (event != EVT_TRADE || !(r->has2 >> GW_HAS2_LAST_QTY & 1u)) return;
  rescale_lossy(r->last_qty, r->order.qty_exp, ins->qty_exp, &t->last_qty);
  delta_of(l, d, GW_RISK_EXTERNAL_FILL, &d->delta);
  d->delta.slot = GW_RISK_NO_SLOT;
  d->delta.strategy = 0;
  d->delta.qty = t->last_qty;
}
static void dec_trade(gw_lane *l, gw_slot *s, gw_dec *d) {
  gw_told *t = &d->told;
  t->cum_qty = s->cum_qty + t->last_qty;
  t->leaves_qty = gw_is_final(s->state) ? 0 : s->order.order_qty - t->cum_qty;
  if (t->cum_qty > s->order.order_qty || t->last_qty <= 0) d->flags |= DEC_ODD;
  if (t->leaves_qty < 0) t->leaves_qty = 0;
  if (t->leaves_qty == 0) d->event = EVT_FILL;
  delta_of(l, d, GW_RISK_FILL, &d->delta);
  d->delta.qty = t->last_qty;
  if (gw_is_final(s->state)) { d->delta.slot = GW_RISK_NO_SLOT; d->flags |= DEC_ODD; }
}
/* What the pending replace would make of the order, or the venue's own word for a change that nobody asked for. */
static void dec_replaced(gw_lane *l, gw_slot *s, gw_dec *d, int ours) {
  gw_told *t = &d->told;
  if (ours) {
    d->flags |= DEC_REPLACE_TOKEN;
    t->price = s->rpl_price;
    t->stop_px = s->rpl_stop;
    t->order_qty = s->rpl_qty;
    t->orig_cl_ord_num = s->order.cl_ord_num;
    t->cl_ord_num = s->rpl_num;
    memcpy(t->orig_cl_ord_id, s->order.cl_ord_id, 24);
    memcpy(t->cl_ord_id, s->rpl_cl_ord_id, 24);
  }
  t->leaves_qty = t->order_qty - t->cum_qty;
  if (t->leaves_qty <= 0) { t->leaves_qty = 0; d->event = EVT_FILL; }
  delta_of(l, d, ours ? GW_RISK_REPLACE_ACK : GW_RISK_RESTATED, &d->delta);
  d->delta.leaves = t->leaves_qty;
  if (!ours && s->rpl_state != RPL_NONE) d->delta.pend_leaves = s->rpl_qty - s->cum_qty;
}
void gw_dec_report(gw_lane *l, uint32_t conn, gw_dec *d) {
  gw_report *r = &l->scr;
  memset(d, 0, sizeof *d);
  d->slot = NONE32;
  d->conn_v = (uint16_t)conn;
  gw_told *t = &d->told;
  int event = r->order.kind == '9' ? EVT_CXL_REJECT : r->has2 >> GW_HAS2_EXEC_TYPE & 1u ? event_of(r->exec_type) : -1;
  uint64_t token = r->order.token;
  if (!(r->order.has >> GW_HAS_TOKEN & 1u) && gw_base36_decode((const uint8_t *)r->order.cl_ord_id, strnlen(r->order.cl_ord_id, 24), &token) != GW_BASE36_LEN) token = 0;
  uint32_t i = token ? gw_map_find(&l->core->by_token, l->token_pairs, token_key(conn, token)) : NONE32;
  gw_slot *s = i == NONE32 ? NULL : gw_slot_of(l, l->token_pairs[i].slot, l->token_pairs[i].gen);
  if (!s || event < 0) { dec_orphan(l, conn, d, event); return; }
  d->what = DEC_REPORT;
  d->event = (uint8_t)event;
  d->slot = l->token_pairs[i].slot;
  d->gen = s->gen;
  d->strategy = s->strategy;
  d->conn_s = s->conn_s;
  d->token = token;
  told_order(s, t);
  const gw_instrument *ins = &l->instruments[s->instrument];
  t->exec_type = r->order.kind == '9' ? 0 : r->exec_type;
  t->last_qty = t->last_px = 0;
  if (r->has2 >> GW_HAS2_LAST_QTY & 1u && !rescale_lossy(r->last_qty, r->order.qty_exp, ins->qty_exp, &t->last_qty)) d->flags |= DEC_ODD;
  if (r->has2 >> GW_HAS2_LAST_PX & 1u && !rescale_lossy(r->last_px, r->order.px_exp, ins->px_exp, &t->last_px)) d->flags |= DEC_ODD;
  t->last_qty = report_qty(s, t->last_qty, d);
  if (s->in_doubt && event != EVT_CXL_REJECT) { d->flags |= DEC_CLEAR_DOUBT; t->flags = 0; }
  if (event == EVT_TRADE || event == EVT_BUST || event == EVT_CORRECT) {
    d->exec_key = exec_key(l, conn);
    if (d->exec_key && seen_find(l, d->exec_key) != NONE32) { d->flags |= DEC_DUP; d->exec_key = 0; d->event = EVT_STATUS; d->state = s->state; t->stream = 0; return; }
  }
  /* A venue whose ids rise with each replace answers a pending one under its new id; FIX names both, the new one in ClOrdID. */
  int ours = s->rpl_state == RPL_SENT && token == s->rpl_token;
  switch (event) {
    case EVT_TRADE: dec_trade(l, s, d); break;
    case EVT_NEW: delta_of(l, d, GW_RISK_ACK, &d->delta); if (s->state != ST_SENT) d->delta.kind = 0; break;
    case EVT_REJECTED:
      if (ours) {   /* the replace was refused as an order of its own; the old one stands */
        d->event = EVT_CXL_REJECT;
        d->flags |= DEC_REPLACE_OVER;
        refuse(d, GW_REASON_OTHER, '2');
        d->what = DEC_REPORT;
        t->cl_ord_num = s->rpl_num;
        memcpy(t->cl_ord_id, s->rpl_cl_ord_id, 24);
        memcpy(t->orig_cl_ord_id, s->order.cl_ord_id, 24);
        delta_of(l, d, GW_RISK_REPLACE_REJECT, &d->delta);
      } else {
        t->leaves_qty = 0;
        t->ord_rej_reason = r->ord_rej_reason;
        t->reason = GW_REASON_OTHER;
        delta_of(l, d, s->state == ST_SENT ? GW_RISK_REJECT : GW_RISK_CANCEL_ACK, &d->delta);
      }
      break;
    case EVT_CANCELED: {
      int64_t part = r->has2 >> GW_HAS2_LAST_QTY & 1u && l->cfg[conn].family == GW_FAMILY_SOUP ? t->last_qty : 0;
      t->last_qty = 0;
      if (part > 0 && part < s->leaves_qty && !gw_is_final(s->state)) {   /* OUCH: so many shares are gone, the rest stands */
        d->event = EVT_RESTATED;
        t->exec_type = 'D';
        t->leaves_qty = s->leaves_qty - part;
        t->order_qty = s->order.order_qty - part;
        delta_of(l, d, GW_RISK_RESTATED, &d->delta);
        d->delta.leaves = t->leaves_qty;
        break;
      }
      if (s->cancel_sent && s->cxl_cl_ord_id[0]) {
        t->orig_cl_ord_num = s->order.cl_ord_num;
        memcpy(t->orig_cl_ord_id, s->order.cl_ord_id, 24);
        t->cl_ord_num = s->cxl_num;
        memcpy(t->cl_ord_id, s->cxl_cl_ord_id, 24);
      }
      t->leaves_qty = 0;
      delta_of(l, d, GW_RISK_CANCEL_ACK, &d->delta);
      break;
    }
    case EVT_EXPIRED: case EVT_DONE:
      t->leaves_qty = 0;
      delta_of(l, d, GW_RISK_CANCEL_ACK, &d->delta);
      break;
    case EVT_REPLACED:
      if (!ours && !(r->order.has >> GW_HAS_ORDER_QTY & 1u)) d->flags |= DEC_ODD;
      if (!ours && r->order.has >> GW_HAS_ORDER_QTY & 1u) rescale_lossy(r->order.order_qty, r->order.qty_exp, ins->qty_exp, &t->order_qty);
      if (!ours && r->order.has >> GW_HAS_PRICE & 1u) rescale_lossy(r->order.price, r->order.px_exp, ins->px_exp, &t->price);
      dec_replaced(l, s, d, ours);
      break;
    case EVT_RESTATED: {
      int64_t leaves = s->leaves_qty;
      if (r->has2 >> GW_HAS2_LEAVES_QTY & 1u) { if (!rescale_lossy(r->leaves_qty, r->order.qty_exp, ins->qty_exp, &leaves)) d->flags |= DEC_ODD; t->order_qty = s->cum_qty + leaves; }
      if (r->order.has >> GW_HAS_PRICE & 1u) rescale_lossy(r->order.price, r->order.px_exp, ins->px_exp, &t->price);
      t->leaves_qty = leaves < 0 ? 0 : leaves;
      delta_of(l, d, GW_RISK_RESTATED, &d->delta);
      d->delta.leaves = t->leaves_qty;
      if (s->rpl_state != RPL_NONE) d->delta.pend_leaves = s->rpl_qty - s->cum_qty;
      break;
    }
    case EVT_BUST: case EVT_CORRECT:
      /* The quantity taken back is the report's own; what it replaces is booked whole first (the correction carries both). */
      t->cum_qty = event == EVT_BUST ? s->cum_qty - t->last_qty : s->cum_qty;
      if (t->cum_qty < 0) { t->cum_qty = 0; d->flags |= DEC_ODD; }
      delta_of(l, d, event == EVT_BUST ? GW_RISK_BUST : GW_RISK_CORRECT, &d->delta);
      d->delta.qty = d->delta.old_qty = t->last_qty;
      d->flags |= DEC_ODD;   /* an operator looks at every one */
      break;
    case EVT_STATUS: {
      int64_t cum = s->cum_qty;
      if (r->has2 >> GW_HAS2_CUM_QTY & 1u) rescale_lossy(r->cum_qty, r->order.qty_exp, ins->qty_exp, &cum);
      if (cum != s->cum_qty) d->flags |= DEC_ODD;
      t->stream = s->in_doubt || s->status_wanted ? s->conn_s : 0;
      t->last_qty = t->last_px = 0;
      char st = r->has2 >> GW_HAS2_ORD_STATUS & 1u ? r->ord_status : '0';
      if (st == 'A' || st == 'E' || st == '6') st = '0';
      if (!gw_is_final(s->state) && (st == '4' || st == '8' || st == 'C' || st == '3')) {
        d->event = st == '4' ? EVT_CANCELED : st == '8' ? EVT_REJECTED : st == 'C' ? EVT_EXPIRED : EVT_DONE;
        if (NEXT[s->state][d->event] == 0) d->event = EVT_CANCELED;
        t->leaves_qty = 0;
        t->stream = s->conn_s;
        delta_of(l, d, GW_RISK_CANCEL_ACK, &d->delta);
      } else if (s->state == ST_SENT) delta_of(l, d, GW_RISK_ACK, &d->delta);
      break;
    }
    case EVT_CXL_REJECT: {
      char to = token == s->rpl_token && s->rpl_state == RPL_SENT ? '2' : '1';
      refuse(d, GW_REASON_OTHER, to);
      d->what = DEC_REPORT;
      d->event = EVT_CXL_REJECT;
      t->cxl_rej_reason = r->cxl_rej_reason;
      if (to == '2') {
        d->flags |= DEC_REPLACE_OVER;
        delta_of(l, d, GW_RISK_REPLACE_REJECT, &d->delta);
        t->cl_ord_num = s->rpl_num;
        memcpy(t->cl_ord_id, s->rpl_cl_ord_id, 24);
      } else {
        d->flags |= DEC_CANCEL_OVER;
        delta_of(l, d, GW_RISK_CANCEL_REJECT, &d->delta);
        t->cl_ord_num = s->cxl_num;
        memcpy(t->cl_ord_id, s->cxl_cl_ord_id, 24);
        if (!s->cxl_cl_ord_id[0] && !s->cxl_num) t->stream = 0;   /* the sweep's own cancel */
      }
      t->orig_cl_ord_num = s->order.cl_ord_num;
      memcpy(t->orig_cl_ord_id, s->order.cl_ord_id, 24);
      /* Neither filled nor known there: nobody knows, so it is asked for, and stays reserved. */
      if (r->cxl_rej_reason == 1 && !gw_is_final(s->state)) d->flags |= DEC_ODD;
      break;
    }
    default: break;
  }
  uint8_t next = NEXT[s->state][d->event];
  if (next == ST_FREE) { d->flags |= DEC_ODD; next = s->state; }
  d->state = next;
  if (gw_is_final(next) && !gw_is_final(s->state)) d->flags |= DEC_FINAL;
  if (event == EVT_TRADE) told_avg(s, t, t->last_px, t->last_qty); else told_avg(s, t, 0, 0);
  if (t->kind == '8' && t->exec_type != 'I' && t->exec_type != '6' && t->exec_type != 'E') t->ord_status = STATUS_OF[next];
  else if (t->kind == '8') t->ord_status = t->exec_type == '6' ? '6' : t->exec_type == 'E' ? 'E' : STATUS_OF[next];
}
/* The venue refused a message of ours by its number (35=3, 35=j): what that message was for is refused. */
void gw_dec_refused(gw_lane *l, uint32_t conn, uint64_t ref_seq, gw_dec *d) {
  memset(d, 0, sizeof *d);
  d->slot = NONE32;
  d->conn_v = (uint16_t)conn;
  const gw_num *n = gw_num_at(l, conn, ref_seq);
  gw_slot *s = ref_seq && ref_seq < l->conns[conn].tx_next && ref_seq + GW_NUMS > l->conns[conn].tx_next ? gw_slot_of(l, n->slot, n->gen) : NULL;
  if (!s || (n->what != OUT_NEW && n->what != OUT_REPLACE && n->what != OUT_CANCEL)) return;
  if (n->what == OUT_NEW && s->state != ST_SENT) return;
  d->slot = n->slot;
  d->gen = s->gen;
  d->strategy = s->strategy;
  d->conn_s = s->conn_s;
  told_order(s, &d->told);
  d->what = DEC_REPORT;
  d->told.reason = GW_REASON_OTHER;
  if (n->what == OUT_NEW) {
    d->event = EVT_REJECTED;
    d->state = ST_REJECTED;
    d->flags = DEC_FINAL | (s->in_doubt ? DEC_CLEAR_DOUBT : 0);
    d->told.exec_type = d->told.ord_status = '8';
    d->told.flags = 0;
    d->told.ord_rej_reason = 99;
    d->told.leaves_qty = 0;
    delta_of(l, d, GW_RISK_REJECT, &d->delta);
    return;
  }
  d->event = EVT_CXL_REJECT;
  d->state = s->state;
  int rpl = n->what == OUT_REPLACE && s->rpl_state == RPL_SENT;
  if (n->what == OUT_REPLACE && !rpl) { memset(d, 0, sizeof *d); d->slot = NONE32; return; }
  refuse(d, GW_REASON_OTHER, rpl ? '2' : '1');
  d->what = DEC_REPORT;
  d->event = EVT_CXL_REJECT;
  d->flags = rpl ? DEC_REPLACE_OVER : DEC_CANCEL_OVER;
  delta_of(l, d, rpl ? GW_RISK_REPLACE_REJECT : GW_RISK_CANCEL_REJECT, &d->delta);
  d->told.orig_cl_ord_num = s->order.cl_ord_num;
  memcpy(d->told.orig_cl_ord_id, s->order.cl_ord_id, 24);
  d->told.cl_ord_num = rpl ? s->rpl_num : s->cxl_num;
  memcpy(d->told.cl_ord_id, rpl ? s->rpl_cl_ord_id : s->cxl_cl_ord_id, 24);
  if (!rpl && !s->cxl_cl_ord_id[0] && !s->cxl_num) d->told.stream = 0;
}
/* A verdict of our own: an order or replace that never left, or an order of which nobody knows (reason NONE16: told IN_DOUBT). */
void gw_dec_verdict(gw_lane *l, uint32_t slot, uint16_t reason, gw_dec *d) {
  gw_slot *s = &l->slots[slot];
  memset(d, 0, sizeof *d);
  d->what = DEC_VERDICT;
  d->slot = slot;
  d->gen = s->gen;
  d->strategy = s->strategy;
  d->conn_s = s->conn_s;
  d->conn_v = s->conn_v;
  d->state = s->state;
  told_order(s, &d->told);
  told_avg(s, &d->told, 0, 0);
  if (s->state == ST_QUEUED) {
    d->event = EVT_DENY;
    d->state = NEXT[ST_QUEUED][EVT_DENY];
    d->flags = DEC_FINAL | (s->in_doubt ? DEC_CLEAR_DOUBT : 0);
    deny(d, reason == NONE16 ? GW_REASON_VOIDED : reason, l);
    d->what = DEC_VERDICT;
    d->told.flags = 0;
    delta_of(l, d, GW_RISK_RELEASE, &d->delta);
  } else if (s->rpl_state == RPL_QUEUED && reason != NONE16) {
    refuse(d, reason, '2');
    d->what = DEC_VERDICT;
    d->flags = DEC_REPLACE_OVER;
    delta_of(l, d, GW_RISK_REPLACE_REJECT, &d->delta);
    d->told.orig_cl_ord_num = s->order.cl_ord_num;
    memcpy(d->told.orig_cl_ord_id, s->order.cl_ord_id, 24);
    d->told.cl_ord_num = s->rpl_num;
    memcpy(d->told.cl_ord_id, s->rpl_cl_ord_id, 24);
  } else if (reason == NONE16 && s->in_doubt) {
    d->told.exec_type = 'U';
  } else d->told.stream = 0;   /* it was resolved meanwhile */
}

/* Applying ---------------------------------------------------------------------------------------------------------------- */
static void free_slot(gw_lane *l, uint32_t slot) {   /* to the end of the line: late reports find it until all others were used */
  gw_core *c = l->core;
  l->slots[slot].next = NONE32;
  if (c->free_tail == NONE32) c->free_head = slot; else l->slots[c->free_tail].next = slot;
  c->free_tail = slot;
  c->free_count++;
}
static void order_over(gw_lane *l, uint32_t slot) {
  gw_slot *s = &l->slots[slot];
  gw_unqueue(l, slot);
  if (s->due) due_taken(l, slot);
  doubt_over(l, s);
  s->cancel_wanted = s->cancel_sent = s->status_wanted = 0;
  s->rpl_state = RPL_NONE;
  s->leaves_qty = 0;
  l->core->open_orders--;
  l->conns[s->conn_v].open_orders--;
  l->conns[s->conn_s].open_orders--;
  if (l->core->stop_cancels) l->core->stop_cancels--;
  free_slot(l, slot);
}
static void apply_accept(gw_lane *l, const gw_rec *h, const gw_dec *d, const uint8_t *frame, uint32_t n, uint32_t conn) {
  gw_core *c = l->core;
  if (l->scr_lsn != h->lsn) { gw_decode_again(l, conn, frame, n); convert(&l->instruments[d->told.instrument], &l->scr.order); l->scr_lsn = h->lsn; }
  uint32_t slot = d->slot;
  gw_slot *s = &l->slots[slot];
  c->free_head = s->next;
  if (c->free_head == NONE32) c->free_tail = NONE32;
  c->free_count--;
  map_drop(&c->by_client, l->client_pairs, s->key, slot);
  map_drop(&c->by_client, l->client_pairs, s->rpl_key, slot);
  map_drop(&c->by_token, l->token_pairs, s->token ? token_key(s->conn_v, s->token) : 0, slot);
  map_drop(&c->by_token, l->token_pairs, s->rpl_token ? token_key(s->conn_v, s->rpl_token) : 0, slot);
  map_drop(&c->by_token, l->token_pairs, s->cxl_token ? token_key(s->conn_v, s->cxl_token) : 0, slot);
  memset(s, 0, sizeof *s);
  s->order = l->scr.order;
  s->gen = d->gen;
  s->state = d->state;
  s->conn_s = d->conn_s;
  s->conn_v = d->conn_v;
  s->strategy = d->strategy;
  s->account = d->told.account;
  s->venue = d->told.venue;
  s->instrument = d->told.instrument;
  s->order_no = d->told.order_no;
  s->leaves_qty = s->order.order_qty;
  s->next = s->prev = s->due_next = NONE32;
  memcpy(s->kill_gen, d->kill_gen, sizeof s->kill_gen);
  c->accept_no = d->told.order_no;
  s->key = client_key(l, d->conn_s, s->order.cl_ord_num, s->order.cl_ord_id);
  map_put(&c->by_client, l->client_pairs, s->key, slot, s->gen);
  c->open_orders++;
  l->conns[s->conn_v].open_orders++;
  l->conns[s->conn_s].open_orders++;
  c->n_orders++;
  s->queued_ns = (int64_t)h->t_ns;
  s->wait_lsn = h->lsn;
  enqueue(l, slot, Q_NEW);
}
static void apply_replace(gw_lane *l, const gw_rec *h, const gw_dec *d, gw_slot *s) {
  s->rpl_price = d->told.price;
  s->rpl_stop = d->told.stop_px;
  s->rpl_qty = d->told.order_qty;
  s->rpl_num = d->told.cl_ord_num;
  memcpy(s->rpl_cl_ord_id, d->told.cl_ord_id, 24);
  memcpy(s->rpl_kill_gen, d->kill_gen, sizeof s->rpl_kill_gen);
  map_drop(&l->core->by_client, l->client_pairs, s->rpl_key, d->slot);
  s->rpl_key = client_key(l, s->conn_s, s->rpl_num, s->rpl_cl_ord_id);
  map_put(&l->core->by_client, l->client_pairs, s->rpl_key, d->slot, s->gen);
  s->rpl_state = RPL_QUEUED;
  s->wait_lsn = h->lsn;
  requeue(l, d->slot);
}
/* The pending replace's terms become the order's. */
static void replace_done(gw_lane *l, uint32_t slot, gw_slot *s) {
  s->order.price = s->rpl_price;
  s->order.stop_px = s->rpl_stop;
  s->order.order_qty = s->rpl_qty;
  s->order.cl_ord_num = s->rpl_num;
  memcpy(s->order.cl_ord_id, s->rpl_cl_ord_id, 24);
  memcpy(s->kill_gen, s->rpl_kill_gen, sizeof s->kill_gen);
  map_drop(&l->core->by_client, l->client_pairs, s->key, slot);
  s->key = s->rpl_key;
  s->rpl_key = 0;
  s->rpl_num = 0;
  memset(s->rpl_cl_ord_id, 0, 24);
  if (s->rpl_token) {
    map_drop(&l->core->by_token, l->token_pairs, token_key(s->conn_v, s->token), slot);
    s->token = s->rpl_token;
    s->rpl_token = 0;
  }
  s->rpl_state = RPL_NONE;
}
static void replace_over(gw_lane *l, uint32_t slot, gw_slot *s) {
  map_drop(&l->core->by_client, l->client_pairs, s->rpl_key, slot);
  s->rpl_key = 0;
  s->rpl_num = 0;
  memset(s->rpl_cl_ord_id, 0, 24);
  if (s->rpl_token) map_drop(&l->core->by_token, l->token_pairs, token_key(s->conn_v, s->rpl_token), slot);
  s->rpl_token = 0;
  s->rpl_state = RPL_NONE;
}
static void apply_report(gw_lane *l, const gw_dec *d, gw_slot *s) {
  const gw_told *t = &d->told;
  gw_core *c = l->core;
  if (d->flags & DEC_DUP) return;
  if (d->event == EVT_TRADE || d->event == EVT_FILL || d->event == EVT_BUST) {
    __int128 value = filled_value(s), moved = (__int128)t->last_px * t->last_qty;
    value += d->event == EVT_BUST ? -moved : moved;
    s->value_hi = (int64_t)(value >> 64);
    s->value_lo = (int64_t)(uint64_t)value;
    if (d->event != EVT_BUST && t->last_qty) c->n_fills++;
  }
  if (d->exec_key) seen_put(l, d->exec_key);
  s->cum_qty = t->cum_qty;
  if (!gw_is_final(s->state)) s->leaves_qty = t->leaves_qty;
  s->seen_since = 1;
  if (d->flags & DEC_CLEAR_DOUBT) { doubt_over(l, s); s->status_wanted = 0; }
  if (d->flags & DEC_REPLACE_TOKEN) replace_done(l, d->slot, s);
  else if (d->event == EVT_REPLACED || d->event == EVT_RESTATED) { s->order.price = t->price ? t->price : s->order.price; s->order.order_qty = t->order_qty; }
  if (d->flags & DEC_REPLACE_OVER) replace_over(l, d->slot, s);
  if (d->flags & DEC_CANCEL_OVER) {
    s->cancel_sent = 0;
    s->cxl_num = 0;
    memset(s->cxl_cl_ord_id, 0, 24);
    s->cancel_wanted = 0;
    if (d->flags & DEC_ODD && !gw_is_final(s->state)) { s->status_wanted = 1; }
    c->n_rejects++;
  }
  if (d->event == EVT_NEW) c->n_acks++;
  if (d->event == EVT_CANCELED) c->n_cancels++;
  if (d->event == EVT_REJECTED) c->n_rejects++;
  int was_final = gw_is_final(s->state);
  s->state = d->state;
  if (gw_is_final(s->state) && !was_final) order_over(l, d->slot);
  else if (!was_final) requeue(l, d->slot);
}
void gw_apply_dec(gw_lane *l, const gw_rec *h, const gw_dec *d, const uint8_t *frame, uint32_t n, uint32_t conn, uint32_t sub) {
  gw_core *c = l->core;
  gw_slot *s = d->slot == NONE32 || d->what == DEC_ACCEPT ? NULL : gw_slot_of(l, d->slot, d->gen);
  if (d->flags & DEC_ODD) { c->n_odd++; if (d->what == DEC_REPORT) l->conns[conn].facts |= GW_FACT_ODD; }
  switch (d->what) {
    case DEC_ACCEPT: apply_accept(l, h, d, frame, n, conn); break;
    case DEC_DENY: c->n_denied++; break;
    case DEC_CANCEL:
      if (!s) break;
      s->cxl_num = d->told.cl_ord_num;
      memcpy(s->cxl_cl_ord_id, d->told.cl_ord_id, 24);
      s->cancel_sent = 0;
      gw_order_want_cancel(l, d->slot, GW_REASON_NONE);
      break;
    case DEC_CANCEL_QUEUED: if (s) { s->state = d->state; c->n_cancels++; order_over(l, d->slot); } break;
    case DEC_REPLACE: if (s) apply_replace(l, h, d, s); break;
    case DEC_REPLACE_QUEUED:
      if (!s) break;
      apply_replace(l, h, d, s);
      replace_done(l, d->slot, s);
      s->leaves_qty = s->order.order_qty;
      s->wait_lsn = h->lsn;
      requeue(l, d->slot);
      break;
    case DEC_REPORT: if (s) apply_report(l, d, s); break;
    case DEC_ORPHAN: c->n_orphans++; l->conns[conn].facts |= GW_FACT_ORPHAN; break;
    case DEC_VERDICT:
      if (!s) break;
      due_taken(l, d->slot);
      if (d->flags & DEC_CLEAR_DOUBT) doubt_over(l, s);
      if (d->flags & DEC_REPLACE_OVER) { replace_over(l, d->slot, s); requeue(l, d->slot); }
      if (d->flags & DEC_FINAL) { s->state = d->state; c->n_denied++; order_over(l, d->slot); }
      break;
    case DEC_MASS:
      for (uint32_t i = 0; i < l->sizes.orders; i++) {
        gw_slot *x = &l->slots[i];
        if (x->state == ST_FREE || gw_is_final(x->state) || x->conn_s != d->conn_s) continue;
        if (d->told.instrument && x->instrument != d->told.instrument) continue;
        gw_order_want_cancel(l, i, GW_REASON_KILLED);
      }
      break;
    default: break;
  }
  if (d->delta.kind) gw_risk_apply(l->risk, &d->delta);
  if (d->delta.kind && d->delta.id_kind == GW_RISK_ID_RISING && d->delta.id > l->conns[d->conn_s].last_id) l->conns[d->conn_s].last_id = d->delta.id;
  if (d->told.stream && d->told.kind) {   /* a position in the strategy's stream: the report itself stays in the journal (R7) */
    gw_conn *to = &l->conns[d->told.stream];
    gw_dirty(l, d->told.stream);
    l->streams[(size_t)d->told.stream * l->sizes.stream + (to->stream_len++ & (l->sizes.stream - 1))] = h->lsn << 4 | sub;
  }
}
/* A frame of ours has its number and is about to leave. */
void gw_order_sent(gw_lane *l, const gw_rec_out *r) {
  gw_slot *s = gw_slot_of(l, r->slot, r->gen);
  if (!s) return;
  gw_risk_delta x;
  switch (r->what) {
    case OUT_NEW:
      gw_unqueue(l, r->slot);
      s->state = NEXT[s->state][EVT_SEND];
      s->token = r->token;
      s->out_seq = r->seq;
      s->out_epoch = l->conns[s->conn_v].epoch;
      break;
    case OUT_REPLACE:
      gw_unqueue(l, r->slot);
      s->rpl_state = RPL_SENT;
      s->rpl_token = r->token;
      s->rpl_seq = r->seq;
      break;
    case OUT_CANCEL:
      s->cancel_sent = 1;
      if (r->token) {
        map_drop(&l->core->by_token, l->token_pairs, s->cxl_token ? token_key(s->conn_v, s->cxl_token) : 0, r->slot);
        s->cxl_token = r->token;
      }
      s->cxl_seq = r->seq;
      memset(&x, 0, sizeof x);
      x.kind = GW_RISK_CANCEL_SENT;
      x.slot = r->slot;
      x.instrument = s->instrument;
      x.venue = s->venue;
      x.account = (uint16_t)s->account;
      x.strategy = (uint16_t)s->strategy;
      x.now_ns = l->core->now;
      gw_risk_apply(l->risk, &x);
      break;
    case OUT_STATUS: s->status_wanted = 0; break;
    default: return;
  }
  if (r->token) map_put(&l->core->by_token, l->token_pairs, token_key(s->conn_v, r->token), r->slot, s->gen);
  requeue(l, r->slot);
}
void gw_orders_init(gw_lane *l) {
  gw_core *c = l->core;
  c->free_head = c->free_tail = c->due_head = c->due_tail = NONE32;
  for (uint32_t i = 0; i < l->sizes.orders; i++) { l->slots[i].prev = l->slots[i].due_next = NONE32; free_slot(l, i); }
}
