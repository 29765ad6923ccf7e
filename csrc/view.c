/* view.c: the lane's state for those who only look: its hash, and copies of connections, orders and counts. */
#include "core.h"
#include "look.h"

#ifndef GW_BUILD_ID
#define GW_BUILD_ID "unnamed"
#endif
const char *gw_build_id(void) { return GW_BUILD_ID; }

/* Everything that apply makes, and nothing that only the process has. Equal states have equal hashes. */
uint64_t gw_state_hash(const gw_lane *l) {
  gw_core core = *l->core;
  core.facts = 0;   /* taken by control at its own pace */
  core.now = 0;     /* of the last step, which may have had nothing to record */
  uint64_t h = 0xCBF29CE484222325ull;
#define FOLD(p, n) h = gw_mix(h ^ gw_crc32c((uint32_t)h, (p), (n)))
  FOLD(&core, sizeof core);
  for (uint32_t i = 1; i < l->n_conns; i++) FOLD(&l->conns[i], sizeof l->conns[i]);
  for (uint32_t i = 0; i < l->sizes.orders; i++) if (l->slots[i].state != ST_FREE) FOLD(&l->slots[i], sizeof l->slots[i]);
  for (uint32_t i = 1; i < l->n_instruments; i++) FOLD(&l->instruments[i].ref_px, sizeof l->instruments[i].ref_px);
  for (uint32_t i = 1; i < l->n_conns; i++) {
    const gw_conn *c = &l->conns[i];
    for (uint64_t k = c->stream_len > l->sizes.stream ? c->stream_len - l->sizes.stream : 0; k < c->stream_len; k++) FOLD(&l->streams[(size_t)i * l->sizes.stream + (k & (l->sizes.stream - 1))], 8);
  }
#undef FOLD
  return gw_mix(h ^ gw_risk_hash(l->risk));
}
GW_LOOK int gw_view_conn(const gw_lane *l, uint32_t conn, gw_conn_view *out) {
  if (conn >= l->n_conns) return GW_E_RANGE;
  const gw_conn *c = &l->conns[conn];
  *out = (gw_conn_view){ .family = c->family, .role = c->role, .rx = c->rx, .tx = c->tx, .epoch = c->epoch, .state_gen = c->state_gen, .facts = c->facts, .queued = c->queued,
    .open_orders = c->open_orders, .in_doubt = c->in_doubt, .rx_next = c->rx_next, .tx_next = c->tx_next, .token_next = c->token_next, .stream_len = c->stream_len,
    .stream_sent = c->stream_sent, .watermark = c->watermark, .rx_count = c->rx_count, .tx_count = c->tx_count, .dropped = c->dropped, .last_id = c->last_id,
    .last_rx_ns = c->last_rx_ns, .last_tx_ns = c->last_tx_ns };
  return 0;
}
GW_LOOK uint32_t gw_view_orders(const gw_lane *l, uint32_t from, gw_order_view *out, uint32_t max, uint32_t *next) {
  uint32_t n = 0, i = from;
  for (; i < l->sizes.orders && n < max; i++) {
    const gw_slot *s = &l->slots[i];
    if (s->state == ST_FREE) continue;
    gw_order_view *v = &out[n++];
    *v = (gw_order_view){ .slot = i, .gen = s->gen, .account = s->account, .strategy = s->strategy, .instrument = s->instrument, .venue = s->venue, .conn_s = s->conn_s,
      .ord_status = gw_ord_status(s), .side = s->order.side, .ord_type = s->order.ord_type, .time_in_force = s->order.time_in_force, .in_doubt = s->in_doubt,
      .cancel_wanted = s->cancel_wanted, .replace_pending = s->rpl_state != RPL_NONE, .queued = s->state == ST_QUEUED, .order_no = s->order_no,
      .cl_ord_num = s->order.cl_ord_num, .token = s->token, .out_seq = s->out_seq, .price = s->order.price, .order_qty = s->order.order_qty, .cum_qty = s->cum_qty,
      .leaves_qty = s->leaves_qty, .accepted_ns = s->queued_ns, .px_exp = s->order.px_exp, .qty_exp = s->order.qty_exp };
    gw_look_copy(v->cl_ord_id, s->order.cl_ord_id, sizeof v->cl_ord_id);
  }
  *next = i;
  return n;
}
GW_LOOK void gw_view_counts(const gw_lane *l, gw_counts *out) {
  const gw_core *c = l->core;
  *out = (gw_counts){ .in = c->n_in, .out = c->n_out, .records = c->lsn, .orders = c->n_orders, .denied = c->n_denied, .acks = c->n_acks, .fills = c->n_fills,
    .cancels = c->n_cancels, .rejects = c->n_rejects, .orphans = c->n_orphans, .odd = c->n_odd, .garbled = c->n_garbled, .dropped = c->n_dropped, .commands = c->n_commands,
    .events = l->events_posted, .lsn = c->lsn, .open_orders = c->open_orders, .in_doubt = c->in_doubt, .stopped = c->stopped,
    .limits_version = (uint32_t)gw_risk_limits_version(l->risk), .digest = c->digest, .cancelling = c->stopping ? 0 : c->open_orders };
  gw_look_copy(out->denied_by, c->denied_by, sizeof out->denied_by);
  if (c->stopping) for (uint32_t i = 0; i < l->sizes.orders; i++) out->cancelling += l->slots[i].cancel_wanted && !gw_is_final(l->slots[i].state);
  for (uint32_t i = 1; i < l->n_conns; i++) if (l->conns[i].role == GW_ROLE_VENUE) out->queued += l->conns[i].queued;
}
GW_LOOK int64_t gw_view_position(const gw_lane *l, uint32_t scope, uint32_t entity, uint32_t instrument) {
  gw_exposure e;
  return gw_risk_exposure(l->risk, (int)scope, entity, instrument, &e) ? e.position : 0;
}
GW_LOOK int gw_view_exposure(const gw_lane *l, uint32_t scope, uint32_t entity, uint32_t instrument, gw_exposure *out) {
  return gw_risk_exposure(l->risk, (int)scope, entity, instrument, out);
}
GW_LOOK int64_t gw_view_held(const gw_lane *l, uint32_t slot) { return gw_risk_held(l->risk, slot); }
GW_LOOK int gw_view_risk_flags(const gw_lane *l) { return gw_risk_flags(l->risk); }
