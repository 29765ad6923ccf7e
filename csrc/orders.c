/* orders.c: the state table of an order, its queues, and the application of every decision on it. */
#include "core.h"

enum { CANCEL_TRIES = 16 };   /* then a person has to look; the order stays reserved */

/* The state table, [state][event]: the next state; 0 (ST_FREE) where the pair is not a move: the report is booked and flagged odd.
 * A final state absorbs everything but what corrects an execution: late fills, busts and corrections leave it final.
 * FIX 4.4 volume 4, appendix D. */
const uint8_t gw_order_table[ST_N][EVT_N] = {
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
const char gw_status_of[ST_N] = { '?', 'A', 'A', '0', '1', '9', '7', 'B', '2', '4', '8', 'C', '3', '8' };

int gw_order_next(int state, int event) {
  if (state < 0 || state >= ST_N || event < 0 || event >= EVT_N) return -1;
  return gw_order_table[state][event];
}

/* OrdStatus by precedence: a pending cancel or replace hides what is below it (FIX 4.4 volume 4, appendix D). */
char gw_ord_status(const gw_slot *s) {
  if (!gw_is_final(s->state)) {
    if (s->cancel_sent && (s->cxl_cl_ord_id[0] || s->cxl_num)) return '6';
    if (s->rpl_state == RPL_SENT) return 'E';
  }
  return gw_status_of[s->state];
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
/* A slot that waits for nothing waits for this. */
static void enqueue(gw_lane *l, uint32_t slot, uint8_t which) {
  gw_slot *s = &l->slots[slot];
  gw_conn *c = &l->conns[s->conn_v];
  list_push(l, queue_of(c, which), slot);
  s->in_queue = which;
  gw_dirty(l, s->conn_v);
  if (which == Q_NEW || which == Q_REPLACE) { c->queued++; s->queued_ns = (int64_t)l->core->now; }
}
/* What a slot waits for next, after one thing was done or undone. A cancel goes before everything; a status before a replace. */
static void requeue(gw_lane *l, uint32_t slot) {
  gw_slot *s = &l->slots[slot];
  if (s->in_queue != Q_NONE) gw_unqueue(l, slot);
  if (gw_is_final(s->state)) return;
  if (s->state == ST_QUEUED) { if (!s->due) enqueue(l, slot, Q_NEW); }
  else if (s->cancel_wanted && !s->cancel_sent) enqueue(l, slot, Q_CANCEL);
  else if (s->status_wanted) enqueue(l, slot, Q_STATUS);
  else if (s->rpl_state == RPL_QUEUED && !s->due) enqueue(l, slot, Q_REPLACE);
}

/* Verdicts that are due: each becomes a record of its own in the same step. One that denies and the word IN_DOUBT may be due together. */
void gw_order_due(gw_lane *l, uint32_t slot, uint16_t reason) {
  gw_slot *s = &l->slots[slot];
  int waits = gw_due_of(s) != 0;
  if (reason == DUE_DOUBT) s->doubt_due = 1;
  else if (!s->due) s->due = reason;
  if (s->due && (s->in_queue == Q_NEW || s->in_queue == Q_REPLACE)) gw_unqueue(l, slot);
  if (waits || gw_due_of(s) == 0) return;
  s->due_next = NONE32;
  if (l->core->due_tail == NONE32) l->core->due_head = slot; else l->slots[l->core->due_tail].due_next = slot;
  l->core->due_tail = slot;
  l->core->due_count++;
}
static void due_over(gw_lane *l, uint32_t slot) {
  gw_slot *s = &l->slots[slot];
  uint32_t at = l->core->due_head, before = NONE32;
  while (at != NONE32 && at != slot) { before = at; at = l->slots[at].due_next; }
  if (at == NONE32) return;
  if (before == NONE32) l->core->due_head = s->due_next; else l->slots[before].due_next = s->due_next;
  if (l->core->due_tail == slot) l->core->due_tail = before;
  l->core->due_count--;
  s->due = s->doubt_due = 0;
}
/* One of them has been given: the word IN_DOUBT, or the other, behind which that word still waits. */
static void due_taken(gw_lane *l, uint32_t slot, int doubt) {
  gw_slot *s = &l->slots[slot];
  int left = doubt ? s->due : s->doubt_due;
  if (gw_due_of(s) == 0) return;
  if (!left) due_over(l, slot);
  else if (doubt) s->doubt_due = 0;
  else s->due = 0;
}
/* What waits here for new risk is denied, also where the order is asked for or cancelled first. */
void gw_deny_queued(gw_lane *l, uint32_t conn, uint16_t reason) {
  gw_conn *c = &l->conns[conn];
  while (c->q_new[0] != NONE32) gw_order_due(l, c->q_new[0], reason);
  while (c->q_replace[0] != NONE32) gw_order_due(l, c->q_replace[0], reason);
  for (int i = 0; i < 2; i++)
    for (uint32_t slot = i ? c->q_status[0] : c->q_cancel[0]; slot != NONE32; slot = l->slots[slot].next)
      if (l->slots[slot].rpl_state == RPL_QUEUED) gw_order_due(l, slot, reason);
}

/* Cancel wanted: a flag of the order, not an entry of a queue; only a final state clears it (SEAM R5c). */
void gw_order_want_cancel(gw_lane *l, uint32_t slot, uint16_t reason) {
  gw_slot *s = &l->slots[slot];
  if (gw_is_final(s->state)) return;
  if (s->state == ST_QUEUED) { gw_order_due(l, slot, reason == GW_REASON_NONE ? DUE_CANCELED : reason); return; }
  s->cancel_wanted = 1;
  if (reason != GW_REASON_NONE) s->swept = 1;
  if (s->rpl_state == RPL_QUEUED) gw_order_due(l, slot, reason == GW_REASON_NONE ? GW_REASON_PENDING_REPLACE : reason);
  requeue(l, slot);
}
void gw_order_doubt(gw_lane *l, uint32_t slot) {
  gw_slot *s = &l->slots[slot];
  if (gw_is_final(s->state) || s->in_doubt) return;
  s->in_doubt = 1;
  l->conns[s->conn_v].in_doubt++;
  l->core->in_doubt++;
  if (s->cancel_wanted) s->cancel_sent = 0;
  requeue(l, slot);
  gw_order_due(l, slot, DUE_DOUBT);
}
static void doubt_over(gw_lane *l, gw_slot *s) {
  if (!s->in_doubt) return;
  s->in_doubt = 0;
  l->conns[s->conn_v].in_doubt--;
  l->core->in_doubt--;
}

/* How does it stand? A venue that has no such request answers after the next login. */
void gw_order_ask(gw_lane *l, uint32_t slot) {
  gw_slot *s = &l->slots[slot];
  if (gw_is_final(s->state) || l->cfg[s->conn_v].msg[GW_MSG_STATUS] == NONE16) return;
  s->status_wanted = 1;
  requeue(l, slot);
}
/* One fewer may still be answered; beyond what is counted nobody knows. */
static void answered(gw_slot *s) { if (s->status_open && s->status_open < ASKED_MANY) s->status_open--; }
/* A status request that may have no answer (one that was filled over, or sent before the connection ended, may have arrived all the same),
 * or none for certain, since it never left: asked again. */
void gw_order_unasked(gw_lane *l, uint32_t slot, int never_left) {
  gw_slot *s = &l->slots[slot];
  if (s->status_sure) s->status_sure--;
  if (never_left) answered(s);
  gw_order_ask(l, slot);
}
/* A number that was given to no byte: what it carried waits, or is over, again. */
void gw_order_void(gw_lane *l, uint32_t slot, uint32_t gen, uint8_t what) {
  gw_slot *s = gw_slot_of(l, slot, gen);
  if (!s) return;
  if (what == OUT_NEW && s->state == ST_SENT) { s->state = ST_QUEUED; gw_order_due(l, slot, GW_REASON_VOIDED); }
  else if (what == OUT_REPLACE && s->rpl_state == RPL_SENT) { s->rpl_state = RPL_QUEUED; gw_order_due(l, slot, GW_REASON_VOIDED); }
  else if (what == OUT_CANCEL) { s->cancel_sent = 0; requeue(l, slot); }
  else if (what == OUT_STATUS) gw_order_unasked(l, slot, 1);
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
  if (s->in_queue != Q_NONE) gw_unqueue(l, slot);
  if (gw_due_of(s)) due_over(l, slot);
  doubt_over(l, s);
  s->cancel_wanted = s->cancel_sent = s->status_wanted = 0;
  s->rpl_state = RPL_NONE;
  s->leaves_qty = 0;
  l->core->open_orders--;
  l->conns[s->conn_v].open_orders--;
  l->conns[s->conn_s].open_orders--;
  free_slot(l, slot);
}
/* What the next order will touch comes nearer. Of the slot after the next all lines; of the next one, which are here by now, the places of
 * the keys that it still has. */
GW_AHEAD prepare_next(const gw_lane *l) {
  const gw_core *c = l->core;
  if (c->free_head == NONE32) return;
  const gw_slot *s = &l->slots[c->free_head];
  gw_index_ahead(&c->by_client, l->client_pairs, s->key);
  if (s->token) gw_index_ahead(&c->by_token, l->token_pairs, gw_token_key(s->conn_v, s->token));
  if (s->next != NONE32) gw_slot_ahead(l, s->next);
}
static void apply_accept(gw_lane *l, const gw_rec *h, const gw_dec *d, const uint8_t *frame, uint32_t n, uint32_t conn) {
  gw_core *c = l->core;
  if (l->scr_lsn != h->lsn) { gw_decode_again(l, conn, frame, n); gw_convert(&l->instruments[d->told.instrument], &l->scr.order); l->scr_lsn = h->lsn; }
  uint32_t slot = d->slot;
  gw_slot *s = &l->slots[slot];
  c->free_head = s->next;
  if (c->free_head == NONE32) c->free_tail = NONE32;
  c->free_count--;
  gw_index_drop(&c->by_client, l->client_pairs, s->key, slot);
  if (s->rpl_key) gw_index_drop(&c->by_client, l->client_pairs, s->rpl_key, slot);
  if (s->token) gw_index_drop(&c->by_token, l->token_pairs, gw_token_key(s->conn_v, s->token), slot);
  if (s->rpl_token) gw_index_drop(&c->by_token, l->token_pairs, gw_token_key(s->conn_v, s->rpl_token), slot);
  if (s->cxl_token) gw_index_drop(&c->by_token, l->token_pairs, gw_token_key(s->conn_v, s->cxl_token), slot);
  /* Texts that neither this order nor the slot's last one has are zero in both. */
  if (gw_has_rare(s->order.has | l->scr.order.has)) memcpy((uint8_t *)&s->order + GW_RARE_AT, (const uint8_t *)&l->scr.order + GW_RARE_AT, GW_RARE_SIZE);
  memcpy(&s->order, &l->scr.order, 256);   /* in two: a copy of more than 256 bytes is a loop */
  memcpy((uint8_t *)&s->order + 256, (const uint8_t *)&l->scr.order + 256, GW_RARE_AT - 256);
  memset((uint8_t *)s + sizeof s->order, 0, sizeof *s - sizeof s->order);
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
  s->key = l->cfg[d->conn_s].family == GW_FAMILY_FIX ? d->key : gw_client_key(l, d->conn_s, s->order.cl_ord_num, s->order.cl_ord_id);
  gw_index_put(&c->by_client, l->client_pairs, s->key, slot, s->gen);
  c->open_orders++;
  l->conns[s->conn_v].open_orders++;
  l->conns[s->conn_s].open_orders++;
  c->n_orders++;
  s->queued_ns = (int64_t)h->t_ns;
  s->wait_lsn = h->lsn;
  enqueue(l, slot, Q_NEW);
  prepare_next(l);
}
static void apply_replace(gw_lane *l, const gw_rec *h, const gw_dec *d, gw_slot *s) {
  s->rpl_price = d->told.price;
  s->rpl_stop = d->told.stop_px;
  s->rpl_qty = d->told.order_qty;
  s->rpl_num = d->told.cl_ord_num;
  memcpy(s->rpl_cl_ord_id, d->told.cl_ord_id, 24);
  memcpy(s->rpl_kill_gen, d->kill_gen, sizeof s->rpl_kill_gen);
  gw_index_drop(&l->core->by_client, l->client_pairs, s->rpl_key, d->slot);
  s->rpl_key = gw_client_key(l, s->conn_s, s->rpl_num, s->rpl_cl_ord_id);
  gw_index_put(&l->core->by_client, l->client_pairs, s->rpl_key, d->slot, s->gen);
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
  gw_index_drop(&l->core->by_client, l->client_pairs, s->key, slot);
  s->key = s->rpl_key;
  s->rpl_key = 0;
  s->rpl_num = 0;
  memset(s->rpl_cl_ord_id, 0, 24);
  if (s->rpl_token) {
    gw_index_drop(&l->core->by_token, l->token_pairs, gw_token_key(s->conn_v, s->token), slot);
    s->token = s->rpl_token;
    s->rpl_token = 0;
    if (!l->cfg[s->conn_v].cancel_has_token) s->cancel_sent = 0;   /* it named the id of before: such a venue does not answer it */
  }
  s->rpl_state = RPL_NONE;
}
static void replace_over(gw_lane *l, uint32_t slot, gw_slot *s) {
  gw_index_drop(&l->core->by_client, l->client_pairs, s->rpl_key, slot);
  s->rpl_key = 0;
  s->rpl_num = 0;
  memset(s->rpl_cl_ord_id, 0, 24);
  if (s->rpl_token) gw_index_drop(&l->core->by_token, l->token_pairs, gw_token_key(s->conn_v, s->rpl_token), slot);
  s->rpl_token = 0;
  s->rpl_state = RPL_NONE;
}
static void apply_report(gw_lane *l, const gw_dec *d, gw_slot *s) {
  const gw_told *t = &d->told;
  gw_core *c = l->core;
  if (d->flags & DEC_DUP) return;
  /* A venue id that the lost tail gave out (T8): it is the order's, or its pending replace's, from here on. */
  int pending = s->rpl_state == RPL_SENT && !s->rpl_token;
  if (d->token && (!s->token || pending || d->event == EVT_REPLACED) && gw_index_find(&c->by_token, l->token_pairs, gw_token_key(s->conn_v, d->token)) == NONE32) {
    if (s->token && pending) s->rpl_token = d->token;
    else {
      if (s->token) gw_index_drop(&c->by_token, l->token_pairs, gw_token_key(s->conn_v, s->token), d->slot);
      s->token = d->token;
    }
    gw_index_put(&c->by_token, l->token_pairs, gw_token_key(s->conn_v, d->token), d->slot, s->gen);
  }
  if (d->event == EVT_TRADE || d->event == EVT_FILL || d->event == EVT_BUST) {
    __int128 value = gw_value_add(gw_filled_value(s), t->last_px, d->event == EVT_BUST ? -t->last_qty : t->last_qty);
    s->value_hi = (int64_t)(value >> 64);
    s->value_lo = (int64_t)(uint64_t)value;
    if (d->event != EVT_BUST && t->last_qty) c->n_fills++;
  }
  gw_exec_put(l, d->exec_key, t->order_no, d->token);
  s->cum_qty = t->cum_qty;
  if (!gw_is_final(s->state)) s->leaves_qty = t->leaves_qty;
  if (d->flags & DEC_CLEAR_DOUBT) { doubt_over(l, s); s->status_wanted = 0; }
  if (d->flags & DEC_REPLACE_TOKEN) replace_done(l, d->slot, s);
  else if (d->event == EVT_REPLACED || d->event == EVT_RESTATED) { s->order.price = t->price ? t->price : s->order.price; s->order.order_qty = t->order_qty; }
  if (d->flags & DEC_REPLACE_OVER) replace_over(l, d->slot, s);
  if (d->flags & DEC_CANCEL_OVER) {
    s->cxl_num = 0;
    memset(s->cxl_cl_ord_id, 0, 24);
    if (s->swept && s->cxl_tries < CANCEL_TRIES) {   /* the house's own cancel: asked how the order stands, then again */
      s->cxl_refused = 1;
      s->cxl_tries++;
      gw_order_ask(l, d->slot);
    } else {
      s->cancel_sent = s->cancel_wanted = 0;
      if (t->cxl_rej_reason <= 1) gw_order_ask(l, d->slot);   /* too late, or unknown: then how does it stand? */
    }
    c->n_rejects++;
  }
  if (t->flags & TOLD_ANSWER) {
    answered(s);
    if (s->status_before) s->status_before--;
    if (s->status_sure) s->status_sure--;
  }
  if (t->flags & TOLD_ANSWER && s->cxl_refused) s->cxl_refused = s->cancel_sent = 0;
  if (t->flags & TOLD_ANSWER && s->in_doubt && !s->status_sure) gw_order_ask(l, d->slot);   /* not all is known yet */
  if (d->event == EVT_NEW) c->n_acks++;
  if (d->event == EVT_CANCELED) c->n_cancels++;
  if (d->event == EVT_REJECTED) c->n_rejects++;
  int was_final = gw_is_final(s->state);
  s->state = d->state;
  if (gw_is_final(s->state) && !was_final) order_over(l, d->slot);
  else if (!was_final) requeue(l, d->slot);
}
static void denied(gw_core *c, uint16_t reason) {
  c->n_denied++;
  c->denied_by[reason < GW_DENIED_REASONS ? reason : GW_REASON_OTHER]++;
}
void gw_apply_dec(gw_lane *l, const gw_rec *h, const gw_dec *d, const uint8_t *frame, uint32_t n, uint32_t conn, uint32_t sub) {
  gw_core *c = l->core;
  gw_slot *s = d->slot == NONE32 || d->what == DEC_ACCEPT ? NULL : gw_slot_of(l, d->slot, d->gen);
  if (d->flags & DEC_ODD) { c->n_odd++; if (d->what == DEC_REPORT) { l->conns[conn].facts |= GW_FACT_ODD; gw_belled(l, conn); } }
  if (d->flags & DEC_ID_REUSED) { l->conns[conn].facts |= GW_FACT_EXEC_ID; gw_belled(l, conn); }
  switch (d->what) {
    case DEC_ACCEPT: apply_accept(l, h, d, frame, n, conn); break;
    case DEC_DENY:
      denied(c, d->told.reason);
      if (d->told.reason == GW_REASON_TABLE_FULL) { l->conns[conn].facts |= GW_FACT_TABLE_FULL; gw_belled(l, conn); }
      break;
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
    case DEC_ORPHAN:
      gw_exec_put(l, d->exec_key, 0, d->token);
      c->n_orphans++;
      l->conns[conn].facts |= GW_FACT_ORPHAN;
      break;
    case DEC_VERDICT:
      if (!s) break;
      due_taken(l, d->slot, d->event == EVT_STATUS);
      if (d->flags & DEC_CLEAR_DOUBT) doubt_over(l, s);
      if (d->flags & DEC_REPLACE_OVER) { replace_over(l, d->slot, s); requeue(l, d->slot); }
      if (d->flags & DEC_FINAL) {
        s->state = d->state;
        if (s->state == ST_CANCELED) c->n_cancels++; else denied(c, d->told.reason);
        order_over(l, d->slot);
      }
      break;
    case DEC_UNASKED: if (s) { answered(s); if (s->status_sure) s->status_sure--; } break;   /* not asked again, it would be refused again: a person has to look */
    case DEC_MASS:
      for (uint32_t i = 0; i < l->sizes.orders; i++) {
        gw_slot *x = &l->slots[i];
        if (x->state == ST_FREE || gw_is_final(x->state) || x->conn_s != d->conn_s) continue;
        if (d->told.instrument && x->instrument != d->told.instrument) continue;
        gw_order_want_cancel(l, i, GW_REASON_NONE);
      }
      break;
    default: break;
  }
  if (d->delta.kind) gw_risk_apply(l->risk, &d->delta);
  if (d->what == DEC_REPLACE_QUEUED && s) {   /* no venue has the old terms: they are not what a later replace would fall back to */
    gw_risk_delta x;
    gw_delta_of(l, d, GW_RISK_RESTATED, &x);
    x.leaves = s->leaves_qty;
    gw_risk_apply(l->risk, &x);
  }
  if (d->flags & DEC_FINAL && d->slot != NONE32 && gw_risk_held(l->risk, d->slot)) {   /* what a replace held that was overtaken by the end */
    gw_risk_delta x;
    gw_delta_of(l, d, GW_RISK_CANCEL_ACK, &x);
    gw_risk_apply(l->risk, &x);
  }
  if (d->delta.kind && d->delta.id_kind == GW_RISK_ID_RISING && d->delta.id > l->conns[d->conn_s].last_id) l->conns[d->conn_s].last_id = d->delta.id;
  if (d->told.stream && d->told.kind) {   /* a position in the strategy's stream: the report itself stays in the journal (R7) */
    gw_conn *to = &l->conns[d->told.stream];
    gw_dirty(l, d->told.stream);
    l->streams[(size_t)d->told.stream * l->sizes.stream + (to->stream_len++ & (l->sizes.stream - 1))] = h->lsn << 4 | sub;
    if (to->stream_len - to->stream_sent == gw_stream_full(l)) { to->facts |= GW_FACT_SLOW; gw_belled(l, d->told.stream); }
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
      s->state = gw_order_table[s->state][EVT_SEND];
      s->token = r->token;
      s->out_seq = r->seq;
      break;
    case OUT_REPLACE:
      gw_unqueue(l, r->slot);
      s->rpl_state = RPL_SENT;
      s->rpl_token = r->token;
      s->rpl_seq = r->seq;
      s->status_before = s->status_open;
      s->status_behind = 0;
      break;
    case OUT_CANCEL:
      s->cancel_sent = 1;
      if (r->token) {
        gw_index_drop(&l->core->by_token, l->token_pairs, s->cxl_token ? gw_token_key(s->conn_v, s->cxl_token) : 0, r->slot);
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
    case OUT_STATUS:
      s->status_wanted = 0;
      s->status_behind = 1;
      if (s->status_open < ASKED_MANY) s->status_open++;
      if (s->status_sure < ASKED_MANY) s->status_sure++;
      break;
    default: return;
  }
  if (r->token) gw_index_put(&l->core->by_token, l->token_pairs, gw_token_key(s->conn_v, r->token), r->slot, s->gen);
  requeue(l, r->slot);
}
void gw_orders_init(gw_lane *l) {
  gw_core *c = l->core;
  c->free_head = c->free_tail = c->due_head = c->due_tail = NONE32;
  for (uint32_t i = 0; i < l->sizes.orders; i++) { l->slots[i].prev = l->slots[i].due_next = NONE32; free_slot(l, i); }
}
