/* cmd.c: commands of the control plane: each batch is decided and applied part by part, and is one record. */
#include "core.h"

static int touches_connection(uint8_t kind) {
  return kind == GW_CMD_ATTACH || kind == GW_CMD_BIND || kind == GW_CMD_CLOSE || kind == GW_CMD_SET_RX || kind == GW_CMD_SET_TX || kind == GW_CMD_SEND ||
         kind == GW_CMD_RESEND || kind == GW_CMD_SET_NEXT || kind == GW_CMD_SET_VALUES;
}
static uint8_t refused(gw_sub *s, uint8_t code) { s->code = code; return GW_RESULT_REFUSED; }
static int answered(const gw_conn *c) { return c->ctl_done >= c->ctl_last && !(c->facts & GW_FACT_CLOSED); }
static uint32_t entities(const gw_lane *l, uint64_t scope) {
  const uint32_t n[GW_SCOPES] = { 1, l->n_venues, l->n_accounts, l->n_strategies, l->n_instruments };
  return scope < GW_SCOPES ? n[scope] : 0;
}

/* Whatever the state: what of a part could reach outside the lane's tables, buffers or numbers. 0, or a refusal. */
static uint8_t unfit(const gw_lane *l, const gw_sub *s) {
  const gw_conn *c = &l->conns[s->conn];
  int fit = !touches_connection(s->kind) || s->conn != 0;
  if (fit) switch (s->kind) {
    case GW_CMD_BIND: fit = s->a != 0 && s->a < l->n_conns; break;
    case GW_CMD_SET_RX: fit = s->a >= GW_ADMIN && s->a <= GW_HOLD; break;
    case GW_CMD_SET_TX: fit = s->a >= GW_ADMIN && s->a <= GW_OPEN; break;
    case GW_CMD_SEND: return s->len >= 8 && s->len <= GW_CONN_SEND && c->sendq_len + gw_pad8(s->len + 16) <= GW_CONN_SEND ? 0 : GW_REFUSED_ROOM;
    case GW_CMD_RESEND: fit = s->a && s->a < c->tx_next && (s->b == 0 || s->b >= s->a); break;
    case GW_CMD_SET_NEXT: fit = s->a >= GW_NEXT_RX && s->a <= GW_NEXT_TOKEN && s->b && s->b < GW_NUMBER_MAX; break;
    case GW_CMD_SET_VALUES: fit = s->a <= GW_SPAN_MAX && s->b <= GW_SPAN_MAX; break;
    case GW_CMD_CANCEL_SCOPE: case GW_CMD_PAUSE: case GW_CMD_RESUME: fit = s->b < entities(l, s->a); break;
    case GW_CMD_SWAP_LIMITS: fit = s->b <= l->limits_len && s->a <= s->b && s->len <= s->b - s->a; break;
    case GW_CMD_REF_PX: fit = s->a && s->a < l->n_instruments; break;
    case GW_CMD_STOP: fit = s->a <= GW_STOP_NOW; break;
    case GW_CMD_BURNT: fit = c->role == GW_ROLE_STRATEGY; break;
    case GW_CMD_STREAM: fit = c->role == GW_ROLE_STRATEGY && s->a && s->a <= c->stream_len + 1; break;
    default: break;
  }
  return fit ? 0 : GW_REFUSED_RANGE;
}
/* Decide one part: its result; *dec_len bytes of what was decided are left at `dec` (a gw_dec, or a limits table). */
static uint8_t check(gw_lane *l, gw_sub *s, const uint8_t *payload, uint32_t index, uint8_t *dec, uint32_t *dec_len) {
  if (s->conn >= l->n_conns) return refused(s, GW_REFUSED_RANGE);
  gw_conn *c = &l->conns[s->conn];
  if (touches_connection(s->kind) && s->epoch != c->epoch) return GW_RESULT_STALE;
  uint8_t code = unfit(l, s);
  if (code && (s->kind != GW_CMD_SEND || gw_table_out(OUT_SEND, c->tx) == OACT_YES)) return refused(s, code);
  switch (s->kind) {
    case GW_CMD_ATTACH:
      return c->rx == GW_CLOSED && c->tx == GW_CLOSED && answered(c) ? GW_RESULT_OK : refused(s, GW_REFUSED_STATE);
    case GW_CMD_BIND: {
      const gw_conn *to = &l->conns[s->a];
      return c->role == GW_ROLE_DOOR && c->rx != GW_CLOSED && !c->closing && to->role == GW_ROLE_STRATEGY && to->family == c->family && to->rx == GW_CLOSED && to->tx == GW_CLOSED && answered(to)
               ? GW_RESULT_OK : refused(s, GW_REFUSED_STATE);
    }
    case GW_CMD_CLOSE: return c->rx != GW_CLOSED || c->tx != GW_CLOSED ? GW_RESULT_OK : refused(s, GW_REFUSED_STATE);
    case GW_CMD_SET_RX:
      return c->rx != GW_CLOSED && s->state_gen == c->state_gen ? GW_RESULT_OK : refused(s, GW_REFUSED_STATE);
    case GW_CMD_SET_TX:
      return c->tx != GW_CLOSED && (s->a <= c->tx || s->state_gen == c->state_gen) ? GW_RESULT_OK : refused(s, GW_REFUSED_STATE);
    case GW_CMD_SEND:
      return gw_table_out(OUT_SEND, c->tx) == OACT_YES ? GW_RESULT_OK : refused(s, GW_REFUSED_STATE);
    case GW_CMD_SET_NEXT:
      if (s->a == GW_NEXT_RX) return c->rx != GW_FLOW ? GW_RESULT_OK : refused(s, GW_REFUSED_STATE);
      if (s->a == GW_NEXT_TX) return c->tx <= GW_ADMIN ? GW_RESULT_OK : refused(s, GW_REFUSED_STATE);
      return s->b >= c->token_next ? GW_RESULT_OK : refused(s, GW_REFUSED_RANGE);
    case GW_CMD_SET_VALUES: return c->rx != GW_CLOSED ? GW_RESULT_OK : refused(s, GW_REFUSED_STATE);
    case GW_CMD_EVIDENCE:
      return c->role == GW_ROLE_VENUE && (s->a == GW_EVIDENCE_NOT_ARRIVED || s->a == GW_EVIDENCE_FENCE) ? GW_RESULT_OK : refused(s, GW_REFUSED_RANGE);
    case GW_CMD_APPLY_REPORT: {
      const gw_rec_in *r = (const gw_rec_in *)(const void *)gw_record(l, s->a);
      if (l->replaying && s->result == GW_RESULT_REFUSED) return refused(s, GW_REFUSED_RANGE);   /* only the world knew whether the record was at hand */
      if (index > 15 || !r || r->h.conn >= l->n_conns || r->h.kind != GW_REC_IN || r->h.lsn != s->a || l->cfg[r->h.conn].role != GW_ROLE_VENUE) return refused(s, GW_REFUSED_RANGE);
      gw_decode_again(l, r->h.conn, (const uint8_t *)r + sizeof *r + r->dec_len + r->n_breaches * sizeof(gw_breach), r->frame_len);
      l->scr_lsn = 0;
      gw_dec_report(l, r->h.conn, (gw_dec *)(void *)dec);
      *dec_len = sizeof(gw_dec);
      return GW_RESULT_OK;
    }
    case GW_CMD_SWAP_LIMITS:
      if (s->a + s->len < s->b) return GW_RESULT_OK;
      memcpy(l->limits[l->limits_at ^ 1u] + s->a, payload, s->len);   /* the spare table: nobody reads it until it is in force */
      return gw_limits_ok(l->limits[l->limits_at ^ 1u], s->b, &l->risk_sizes) ? GW_RESULT_OK : refused(s, GW_REFUSED_RANGE);
    case GW_CMD_STREAM: return s->a + l->sizes.stream > c->stream_len ? GW_RESULT_OK : refused(s, GW_REFUSED_RANGE);
    case GW_CMD_DONE: case GW_CMD_NOTE: case GW_CMD_RESEND: case GW_CMD_STOP: case GW_CMD_BURNT: case GW_CMD_REF_PX: case GW_CMD_CANCEL_SCOPE: case GW_CMD_PAUSE: case GW_CMD_RESUME:
      return GW_RESULT_OK;
    default: return refused(s, GW_REFUSED_RANGE);
  }
}

static void evidence(gw_lane *l, uint32_t conn, uint64_t kind, uint64_t n) {
  for (uint32_t i = 0; i < l->sizes.orders; i++) {
    gw_slot *s = &l->slots[i];
    if (s->state == ST_FREE || gw_is_final(s->state) || s->conn_v != conn || !s->in_doubt) continue;
    int rpl = s->rpl_state == RPL_SENT;
    uint64_t seq = s->state == ST_SENT ? s->out_seq : rpl ? s->rpl_seq : 0;
    const gw_num *x = gw_num_at(l, conn, seq);
    if (kind == GW_EVIDENCE_NOT_ARRIVED && (seq < n || seq == 0 || x->filled)) continue;   /* what was sent again or filled over proves nothing (R8) */
    if (s->state == ST_SENT) gw_order_void(l, i, s->gen, OUT_NEW);
    else if (rpl) gw_order_void(l, i, s->gen, OUT_REPLACE);
  }
}
static void apply_part(gw_lane *l, const gw_rec *h, const gw_sub *s, const uint8_t *payload, uint32_t index, const uint8_t *dec) {
  gw_core *core = l->core;
  gw_conn *c = &l->conns[s->conn];
  switch (s->kind) {
    case GW_CMD_ATTACH:
      c->epoch++;
      c->rx = c->tx = GW_ADMIN;
      c->state_gen++;
      c->logged_on = c->closing = 0;
      c->last_rx_ns = c->last_tx_ns = (int64_t)h->t_ns;
      c->bound_end = 0;
      c->facts |= GW_FACT_ATTACHED;
      if (c->role == GW_ROLE_DOOR) { c->rx_next = c->tx_next = 1; }
      gw_belled(l, s->conn);
      break;
    case GW_CMD_BIND: {
      gw_conn *to = &l->conns[s->a];
      to->epoch++;
      to->rx = to->tx = GW_ADMIN;
      to->state_gen++;
      to->logged_on = to->closing = 0;
      to->last_rx_ns = to->last_tx_ns = (int64_t)h->t_ns;
      to->bound_end = 0;
      c->rx = c->tx = GW_CLOSED;
      c->state_gen++;
      c->ctl_done = c->ctl_last;
      c->sendq_len = c->sendq_n = 0;
      c->facts = 0;
      break;
    }
    case GW_CMD_CLOSE:
      c->closing = 1;
      c->close_at_ns = s->a ? (int64_t)s->b : 0;
      if (!s->a) c->sendq_len = c->sendq_n = 0;
      gw_dirty(l, s->conn);
      break;
    case GW_CMD_SET_RX:
      /* Only what the lane tightens by itself makes a new generation: the parts of one batch do not outdate each other. */
      c->rx = (uint8_t)s->a;
      c->through = 0;
      c->ask_from = 0;
      if (s->a == GW_RECOVER) {
        c->through = s->b;
        c->ask_ns = (int64_t)h->t_ns;
        if (c->rx_next > c->through) { c->through = 0; c->facts |= GW_FACT_GAP_CLOSED; gw_belled(l, s->conn); }
      } else c->ask_ns = 0;
      l->unread[s->conn / 64] |= 1ull << (s->conn % 64);
      break;
    case GW_CMD_SET_TX:
      if (s->a < c->tx) {
        uint32_t seen = c->state_gen;
        gw_tighten_tx(l, s->conn, (uint8_t)s->a, s->a == GW_CANCELS ? GW_REASON_RECOVERING : GW_REASON_VENUE_DOWN);
        c->state_gen = seen;
        break;
      }
      c->tx = (uint8_t)s->a;
      if (c->tx >= GW_CANCELS) c->logged_on = 1;
      gw_dirty(l, s->conn);
      break;
    case GW_CMD_SEND: {
      uint8_t *at = c->sendq + c->sendq_len;
      uint32_t len = s->len + 16;
      memset(at, 0, gw_pad8(len));
      memcpy(at, &len, 4);
      memcpy(at + 4, payload, 4);
      memcpy(at + 8, &s->a, 8);
      memcpy(at + 16, &s->b, 8);
      memcpy(at + 24, payload + 8, s->len - 8);
      c->sendq_len += (uint32_t)gw_pad8(len);
      c->sendq_n++;
      gw_dirty(l, s->conn);
      break;
    }
    case GW_CMD_RESEND:
      gw_resend_wanted(c, s->a, s->b);
      gw_dirty(l, s->conn);
      break;
    case GW_CMD_SET_NEXT:
      if (s->a == GW_NEXT_RX) c->rx_next = s->b;
      else if (s->a == GW_NEXT_TX) c->tx_next = s->b;
      else c->token_next = s->b;
      break;
    case GW_CMD_SET_VALUES:
      c->hb_ns = (int64_t)s->a;
      c->silence_ns = (int64_t)s->b;
      c->logged_on = 1;
      l->next_timer = 0;
      break;
    case GW_CMD_DONE:
      if (s->a > c->ctl_done) c->ctl_done = s->a < c->ctl_last ? s->a : c->ctl_last;
      if (c->rx == GW_HOLD && s->a >= c->ctl_last) c->rx = c->rx_before;   /* the barrier is answered: as before, where the batch says nothing else */
      if (s->conn) c->facts &= ~(uint32_t)s->b; else core->facts &= ~(uint32_t)s->b;
      gw_belled(l, s->conn);
      break;
    case GW_CMD_EVIDENCE: evidence(l, s->conn, s->a, s->b); break;
    case GW_CMD_APPLY_REPORT: {
      const gw_dec *d = (const gw_dec *)(const void *)dec;
      gw_apply_dec(l, h, d, NULL, 0, d->conn_v, index);
      break;
    }
    case GW_CMD_CANCEL_SCOPE: gw_sweep(l, (uint32_t)s->a, (uint32_t)s->b, GW_REASON_OPERATOR); break;
    case GW_CMD_PAUSE: case GW_CMD_RESUME: l->paused[l->kill_base[s->a] + s->b] = s->kind == GW_CMD_PAUSE; break;
    case GW_CMD_SWAP_LIMITS: {
      uint32_t at = l->limits_at ^ 1u;
      memcpy(l->limits[at] + s->a, payload, s->len);
      if (s->a + s->len == s->b && gw_risk_swap_limits(l->risk, l->limits[at], s->b)) l->limits_at = at;
      break;
    }
    case GW_CMD_REF_PX:
      l->instruments[s->a].ref_px = (int64_t)s->b;
      l->instruments[s->a].has_ref = 1;
      break;
    case GW_CMD_STOP:
      core->stopping = s->a == GW_STOP_NOW ? 2 : 1;
      for (uint32_t i = 1; i < l->n_conns; i++) if (l->conns[i].role == GW_ROLE_VENUE) gw_deny_queued(l, i, GW_REASON_SHUTDOWN);
      if (s->a == GW_STOP_CANCEL) for (uint32_t i = 0; i < l->sizes.orders; i++) {
        gw_slot *o = &l->slots[i];
        if (o->state != ST_FREE && !gw_is_final(o->state) && o->order.time_in_force != '1' && o->order.time_in_force != '6') gw_order_want_cancel(l, i, GW_REASON_SHUTDOWN);
      }
      break;
    case GW_CMD_BURNT: {
      gw_risk_delta x;
      memset(&x, 0, sizeof x);
      x.kind = GW_RISK_ID_SEEN;
      x.slot = GW_RISK_NO_SLOT;
      x.strategy = c->strategy;
      x.id = s->a;
      x.id_kind = GW_RISK_ID_RISING;
      x.now_ns = h->t_ns;
      gw_risk_apply(l->risk, &x);
      break;
    }
    case GW_CMD_STREAM: c->stream_sent = s->a - 1; gw_dirty(l, s->conn); break;
    default: break;
  }
}
void gw_apply_cmd(gw_lane *l, const gw_rec_cmd *r) {
  const uint8_t *at = (const uint8_t *)r + sizeof *r;
  l->core->n_commands++;
  for (uint32_t i = 0; i < r->n_subs; i++) {
    const gw_sub *s = (const gw_sub *)(const void *)at;
    const uint8_t *payload = at + sizeof *s, *dec = payload + gw_pad8(s->len);
    int sound = s->result == GW_RESULT_OK && unfit(l, s) == 0 && (s->dec_len == 0 || gw_dec_sound(l, (const gw_dec *)(const void *)dec));
    if (sound) apply_part(l, &r->h, s, payload, i, dec);
    at = dec + gw_pad8(s->dec_len);
  }
}
/* Decide and apply the batch, writing its record: 1, or 0 when the journal has no room. The parts have changed the state when this returns;
 * the caller adds the record itself (gw_taken). */
int gw_decide_cmd(gw_lane *l, const gw_cmd *cmd, gw_pen *pen) {
  uint32_t n_subs = cmd->n_subs < GW_CMD_MAX / sizeof(gw_sub) ? cmd->n_subs : GW_CMD_MAX / (uint32_t)sizeof(gw_sub);   /* as many as have room */
  uint32_t extra = n_subs * (uint32_t)(sizeof(gw_dec) + 16);
  gw_rec_cmd *r = gw_pen_begin(l, pen, GW_REC_COMMAND, 0, (uint32_t)sizeof *r + cmd->len + extra);
  if (!r) return 0;
  r->id = cmd->id;
  r->cause = cmd->cause_lsn;
  r->cmd_now = cmd->now_ns;
  r->n_subs = 0;
  const uint8_t *in = cmd->payload, *end = cmd->payload + cmd->len;
  uint8_t *out = (uint8_t *)r + sizeof *r;
  l->core->n_commands++;
  for (uint32_t i = 0; i < n_subs; i++) {
    gw_sub s;
    if ((size_t)(end - in) < sizeof s) break;
    memcpy(&s, in, sizeof s);
    if (gw_pad8(s.len) > (uint64_t)(end - in) - (uint64_t)sizeof s) break;
    const uint8_t *payload = in + sizeof s;
    in = payload + gw_pad8(s.len);
    s.code = 0;
    s.dec_len = 0;
    uint8_t *copy = out + sizeof s, *dec = copy + gw_pad8(s.len);
    memset(copy, 0, gw_pad8(s.len));
    memcpy(copy, payload, s.len);
    memset(dec, 0, sizeof(gw_dec));
    s.result = check(l, &s, copy, i, dec, &s.dec_len);
    memcpy(out, &s, sizeof s);
    if (s.result == GW_RESULT_OK) apply_part(l, &r->h, &s, copy, i, dec);
    out = dec + gw_pad8(s.dec_len);
    r->n_subs++;
  }
  r->len = (uint32_t)(out - (uint8_t *)r) - (uint32_t)sizeof *r;
  gw_pen_end(l, pen, r, (uint32_t)(out - (uint8_t *)r));
  return 1;
}
/* The batch of a recorded command as it was pushed: results and decisions taken out. */
void gw_cmd_of_record(const gw_rec_cmd *r, gw_cmd *cmd) {
  const uint8_t *at = (const uint8_t *)r + sizeof *r;
  memset(cmd, 0, sizeof *cmd);
  cmd->id = r->id;
  cmd->cause_lsn = r->cause;
  cmd->now_ns = r->cmd_now;
  for (uint32_t i = 0; i < r->n_subs; i++) {
    gw_sub s;
    memcpy(&s, at, sizeof s);
    uint32_t n = (uint32_t)(sizeof s + gw_pad8(s.len));
    if (cmd->len + n > sizeof cmd->payload) break;
    memcpy(cmd->payload + cmd->len, at, n);
    cmd->len += n;
    cmd->n_subs++;
    at += n + gw_pad8(s.dec_len);
  }
}

/* What only the world has to do, once the record stands. */
static void effect(gw_lane *l, const gw_sub *s) {
  gw_wire *w = &l->wires[s->conn];
  switch (s->kind) {
    case GW_CMD_ATTACH:
      gw_wire_reset(w);
      w->error = 0;
      if (l->rim->attach(l->rim->ctx, s->conn, (int64_t)s->a) < 0) { w->closed = 1; w->error = -1; gw_dirty(l, s->conn); }
      l->next_timer = 0;
      break;
    case GW_CMD_BIND: {
      gw_wire *to = &l->wires[s->a];
      gw_wire_reset(to);
      l->rim->move(l->rim->ctx, s->conn, (uint32_t)s->a);
      memcpy(gw_rx(l, (uint32_t)s->a), gw_rx(l, s->conn) + w->roff, w->rlen - w->roff);
      to->rlen = w->rlen - w->roff;
      memcpy(gw_tx(l, (uint32_t)s->a), gw_tx(l, s->conn) + w->woff, w->wlen - w->woff);
      to->wlen = w->wlen - w->woff;
      to->ended = w->ended;
      to->error = w->error;
      gw_wire_reset(w);
      l->unread[s->a / 64] |= 1ull << (s->a % 64);
      l->next_timer = 0;
      break;
    }
    case GW_CMD_DONE:
      w->bell = 0;
      if (w->held && s->a >= l->conns[s->conn].ctl_last) {
        w->roff += w->held;
        w->held = 0;
        l->unread[s->conn / 64] |= 1ull << (s->conn % 64);
      }
      gw_belled(l, s->conn);
      break;
    default: break;
  }
}
int gw_commands(gw_lane *l) {
  int n = 0;
  while (l->cmd_tail != __atomic_load_n(&l->cmd_head, __ATOMIC_ACQUIRE) && n < 64) {
    const gw_cmd *cmd = &l->cmds[l->cmd_tail & (l->sizes.commands - 1)];
    if (l->ev_head - __atomic_load_n(&l->ev_tail, __ATOMIC_ACQUIRE) >= l->sizes.events) break;   /* its acknowledgement needs a place */
    gw_pen pen = { .live = 1 };
    if (!gw_decide_cmd(l, cmd, &pen) || l->broken) break;
    const gw_rec_cmd *r = (const gw_rec_cmd *)(const void *)pen.at;
    gw_taken(l, &r->h);
    gw_ev *e = &l->evs[l->ev_head & (l->sizes.events - 1)];
    memset(e, 0, offsetof(gw_ev, payload));
    e->kind = GW_EV_ACK;
    e->id = cmd->id;
    e->lsn = r->h.lsn;
    e->now_ns = r->h.t_ns;
    const uint8_t *at = (const uint8_t *)r + sizeof *r;
    for (uint32_t i = 0; i < r->n_subs; i++) {
      const gw_sub *s = (const gw_sub *)(const void *)at;
      e->payload[2 * i] = s->result;
      e->payload[2 * i + 1] = s->code;
      e->len = 2 * i + 2;
      if (s->result == GW_RESULT_OK) effect(l, s);
      at += sizeof *s + gw_pad8(s->len) + gw_pad8(s->dec_len);
    }
    __atomic_store_n(&l->ev_head, l->ev_head + 1, __ATOMIC_RELEASE);
    __atomic_store_n(&l->cmd_tail, l->cmd_tail + 1, __ATOMIC_RELEASE);
    l->rim->wake(l->rim->ctx);
    n++;
  }
  return n;
}
int gw_cmd_push(gw_lane *l, const gw_cmd *cmd) {
  uint64_t head = l->cmd_head;
  if (head - __atomic_load_n(&l->cmd_tail, __ATOMIC_ACQUIRE) >= l->sizes.commands || cmd->len > GW_CMD_MAX) return 0;
  memcpy(&l->cmds[head & (l->sizes.commands - 1)], cmd, offsetof(gw_cmd, payload) + cmd->len);
  __atomic_store_n(&l->cmd_head, head + 1, __ATOMIC_RELEASE);
  return 1;
}
