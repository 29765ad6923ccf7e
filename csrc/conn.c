/* conn.c: what came on a connection: framed, classed by the tables T1-T3, and what a session message does to the connection. */
#include "core.h"

/* The tables, [class][rx state]: admin, flow, recover. Closed reads nothing, hold leaves the bytes where they are.
 * SEAM T1 for FIX (one deliberate choice: a message behind a gap is dropped and asked for again, since the range asked for is open-ended). */
#define ROW(a, f, r) { ACT_DROP, a, f, r, ACT_DROP }
const uint8_t gw_in_table[GW_FAMILY_API + 1][CLS_N][5] = {
[GW_FAMILY_FIX] = {
  [CLS_GARBLED] = ROW(ACT_DROP, ACT_DROP, ACT_DROP),
  [CLS_HEADER_FAULT] = ROW(ACT_BARRIER, ACT_BARRIER, ACT_BARRIER),
  [CLS_SEQ_LOW] = ROW(ACT_BARRIER, ACT_BARRIER, ACT_BARRIER),
  [CLS_SEQ_LOW_DUP] = ROW(ACT_DROP, ACT_DROP, ACT_DROP),
  [CLS_SEQ_HIGH] = ROW(ACT_BARRIER, ACT_GAP, ACT_GAP),
  [CLS_LOGON] = ROW(ACT_BARRIER, ACT_BARRIER, ACT_BARRIER),
  [CLS_LOGOUT] = ROW(ACT_BARRIER, ACT_BARRIER, ACT_BARRIER),
  [CLS_HEARTBEAT] = ROW(ACT_BARRIER, ACT_LANE, ACT_LANE),
  [CLS_TEST_ANSWER] = ROW(ACT_BARRIER, ACT_NOTICE, ACT_NOTICE),
  [CLS_TEST_REQUEST] = ROW(ACT_BARRIER, ACT_LANE, ACT_LANE),
  [CLS_RESEND_REQUEST] = ROW(ACT_BARRIER, ACT_LANE, ACT_LANE),
  [CLS_GAP_FILL] = ROW(ACT_BARRIER, ACT_LANE, ACT_LANE),
  [CLS_GAP_FILL_LOW] = ROW(ACT_BARRIER, ACT_BARRIER, ACT_BARRIER),
  [CLS_SEQ_RESET] = ROW(ACT_BARRIER, ACT_BARRIER, ACT_BARRIER),
  [CLS_REJECT] = ROW(ACT_BARRIER, ACT_LANE_NOTICE, ACT_LANE_NOTICE),
  [CLS_BUSINESS] = ROW(ACT_BARRIER, ACT_LANE, ACT_LANE),
  [CLS_KNOWN] = ROW(ACT_BARRIER, ACT_NOTICE, ACT_NOTICE),
  [CLS_MALFORMED] = ROW(ACT_BARRIER, ACT_NOTICE, ACT_NOTICE),
  [CLS_FRAMING] = ROW(ACT_BARRIER, ACT_BARRIER, ACT_BARRIER),
},
/* SoupBinTCP, client. No gap is possible: there is no recover. */
[GW_FAMILY_SOUP] = {
  [CLS_LOGON] = ROW(ACT_BARRIER, ACT_BARRIER, ACT_BARRIER),
  [CLS_LOGOUT] = ROW(ACT_BARRIER, ACT_BARRIER, ACT_BARRIER),
  [CLS_HEARTBEAT] = ROW(ACT_LANE, ACT_LANE, ACT_LANE),
  [CLS_BUSINESS] = ROW(ACT_BARRIER, ACT_LANE, ACT_LANE),
  [CLS_KNOWN] = ROW(ACT_BARRIER, ACT_NOTICE, ACT_NOTICE),
  [CLS_MALFORMED] = ROW(ACT_BARRIER, ACT_NOTICE, ACT_NOTICE),
  [CLS_FRAMING] = ROW(ACT_BARRIER, ACT_BARRIER, ACT_BARRIER),
  [CLS_END] = ROW(ACT_BARRIER, ACT_BARRIER, ACT_BARRIER),
  [CLS_DEBUG] = ROW(ACT_DROP, ACT_DROP, ACT_DROP),
},
/* The order API, server. */
[GW_FAMILY_API] = {
  [CLS_LOGON] = ROW(ACT_BARRIER, ACT_BARRIER, ACT_BARRIER),
  [CLS_LOGOUT] = ROW(ACT_BARRIER, ACT_BARRIER, ACT_BARRIER),
  [CLS_HEARTBEAT] = ROW(ACT_LANE, ACT_LANE, ACT_LANE),
  [CLS_BUSINESS] = ROW(ACT_BARRIER, ACT_LANE, ACT_LANE),
  [CLS_MALFORMED] = ROW(ACT_BARRIER, ACT_NOTICE, ACT_NOTICE),
  [CLS_FRAMING] = ROW(ACT_BARRIER, ACT_BARRIER, ACT_BARRIER),
},
};
#undef ROW
/* T2, [class][tx state]: closed, admin, cancels, open. */
const uint8_t gw_out_table[OUT_N][4] = {
  [OUT_SEND] = { OACT_NO, OACT_YES, OACT_YES, OACT_YES },
  [OUT_SESSION] = { OACT_NO, OACT_YES, OACT_YES, OACT_YES },
  [OUT_CANCEL] = { OACT_KEEP, OACT_KEEP, OACT_YES, OACT_YES },
  [OUT_STATUS] = { OACT_KEEP, OACT_KEEP, OACT_YES, OACT_YES },
  [OUT_REPLACE] = { OACT_DOWN, OACT_DOWN, OACT_RECOVERING, OACT_GATE },
  [OUT_NEW] = { OACT_DOWN, OACT_DOWN, OACT_RECOVERING, OACT_GATE },
  [OUT_REPORT] = { OACT_KEEP, OACT_KEEP, OACT_KEEP, OACT_YES },
  [OUT_RESENT] = { OACT_NO, OACT_YES, OACT_YES, OACT_YES },
};

int gw_table_in(int family, int cls, int rx) {
  if (cls < 0 || cls >= CLS_N || rx < 0 || rx > GW_HOLD || family < GW_FAMILY_FIX || family > GW_FAMILY_API) return -1;
  return gw_in_table[family][cls][rx];
}
int gw_table_out(int cls, int tx) { return cls < 0 || cls >= OUT_N || tx < 0 || tx > GW_OPEN ? -1 : gw_out_table[cls][tx]; }

/* Frames ------------------------------------------------------------------------------------------------------------------ */
/* The length of the frame at p, 0 = more is needed, negative = garbled: drop that many bytes (-1 where no length can be trusted). */
int gw_frame_in(gw_lane *l, uint32_t conn, const uint8_t *p, uint32_t n) {
  switch (l->cfg[conn].family) {
    case GW_FAMILY_FIX: {
      int rc = gw_fix_frame(p, n, GW_FRAME_MAX);
      if (rc >= 0) return rc;
      int drop = gw_fix_resync(p, n, GW_FRAME_MAX);
      return drop > 0 ? -(drop > GW_FRAME_MAX ? GW_FRAME_MAX : drop) : drop == 0 ? 0 : -1;
    }
    default: {
      gw_fault f;
      int rc = gw_layout_frame(l->cfg[conn].layout, p, n, &f);
      return rc > GW_FRAME_MAX ? -1 : rc < 0 ? -1 : rc;
    }
  }
}

/* Classes ----------------------------------------------------------------------------------------------------------------- */
static uint64_t fix_number(const uint8_t *p, const gw_fix_field *f, int *ok) {
  uint64_t v = 0;
  *ok = f->len > 0 && f->len <= 18;
  for (uint32_t i = 0; i < f->len && *ok; i++) {
    uint8_t c = p[f->off + i];
    if (c < '0' || c > '9') *ok = 0;
    v = v * 10 + (uint64_t)(c - '0');
  }
  return v;
}
static const gw_fix_field *fix_find(const gw_fix_msg *m, uint32_t tag) {
  for (uint32_t i = m->first_body; i < m->field_count; i++) if (m->field[i].tag == tag) return &m->field[i];
  return NULL;
}
static uint64_t fix_value(const gw_lane *l, const uint8_t *p, uint32_t tag, int *ok) {
  const gw_fix_field *f = fix_find(&l->fm, tag);
  *ok = 0;
  return f ? fix_number(p, f, ok) : 0;
}
/* The lane's own probes carry "GW-" and a number, so that an answer to one is told from an answer to a session's. */
static int our_probe(const uint8_t *p, const gw_fix_field *f) { return f && f->len == 3 + GW_BASE36_LEN && memcmp(p + f->off, "GW-", 3) == 0; }
static int is_business(const gw_report *r, int venue) {
  if (venue) return (r->order.kind == '8' && r->exec_type != 'I') || r->order.kind == '9';
  return r->order.kind == 'D' || r->order.kind == 'F' || r->order.kind == 'G' || r->order.kind == 'H' || r->order.kind == 'q';
}
static void fix_business(gw_lane *l, uint32_t conn, const uint8_t *p, gw_inmsg *m) {
  const gw_conn_cfg *cfg = &l->cfg[conn];
  gw_fault f;
  l->scr_lsn = 0;
  if (l->fm.odd || gw_fix_decode_like(cfg->dialect, p, &l->fm, &l->plans[conn], &l->scr, &f) < 0) { m->cls = CLS_MALFORMED; return; }
  m->biz = (uint8_t)l->scr.order.kind;
  m->cls = is_business(&l->scr, cfg->role == GW_ROLE_VENUE) ? CLS_BUSINESS : CLS_KNOWN;
}
/* SendingTime within two minutes of our clock (FIX session layer test cases, 2o); one that is absent or no time is a fault of the message, not of its age. */
#define AGE_MAX_NS 120000000000
static int in_time(const gw_lane *l) {
  int64_t age = (int64_t)l->core->now - l->fm.sending_time;
  return (uint64_t)age + AGE_MAX_NS <= 2u * AGE_MAX_NS || l->fm.sending_time == 0 || l->fm.poss_dup;
}
/* The types that a session knows, as gw_fix_msg has them. */
enum { FIX_HEARTBEAT = '0', FIX_TEST_REQUEST = '1', FIX_RESEND_REQUEST = '2', FIX_REJECT = '3', FIX_SEQUENCE_RESET = '4', FIX_LOGOUT = '5', FIX_LOGON = 'A', FIX_BUSINESS_REJECT = 'j' };
static int behind(const gw_conn *c, const gw_inmsg *m) { return m->seq < c->rx_next ? (m->poss_dup ? CLS_SEQ_LOW_DUP : CLS_SEQ_LOW) : CLS_SEQ_HIGH; }
static void class_resend_request(gw_lane *l, const gw_conn *c, const uint8_t *p, gw_inmsg *m) {
  int ok, ok2;
  m->a = fix_value(l, p, 7, &ok);
  m->b = fix_value(l, p, 16, &ok2);
  m->cls = m->seq < c->rx_next ? (uint8_t)behind(c, m) : CLS_RESEND_REQUEST;   /* answered also where it is ahead of a gap */
  if (m->cls == CLS_RESEND_REQUEST && (!ok || !ok2 || m->a == 0 || (m->b && m->b < m->a))) m->cls = m->seq == c->rx_next ? CLS_MALFORMED : CLS_SEQ_HIGH;
}
static void class_heartbeat(gw_lane *l, const gw_conn *c, const uint8_t *p, int test, gw_inmsg *m) {
  const gw_fix_field *t = fix_find(&l->fm, 112);
  m->cls = test ? CLS_TEST_REQUEST : t && !our_probe(p, t) ? CLS_TEST_ANSWER : CLS_HEARTBEAT;
  if (test && (!t || t->len == 0 || t->len > sizeof c->answer)) { m->cls = CLS_MALFORMED; return; }
  if (t) { m->off = t->off; m->n = t->len; }
}
static void class_fix(gw_lane *l, uint32_t conn, const uint8_t *p, uint32_t n, gw_inmsg *m) {
  const gw_conn *c = &l->conns[conn];
  int rc = gw_fix_scan_like(p, n, &l->shapes[conn], &l->fm), ok = 1;
  const uint32_t type = l->fm.msg_type;
  m->seq = l->fm.msg_seq_num;
  m->poss_dup = l->fm.poss_dup;
  if (rc < 0 && rc != GW_E_FIELDS) { m->cls = CLS_GARBLED; m->seq = 0; return; }
  if (c->role == GW_ROLE_DOOR) { m->cls = type == FIX_LOGON ? CLS_LOGON : CLS_KNOWN; return; }
  if ((m->a = (uint64_t)gw_fix_head_differs(&l->heads[conn], p, &l->fm)) != 0) { m->cls = CLS_HEADER_FAULT; return; }
  if (!in_time(l)) { m->cls = CLS_HEADER_FAULT; m->a = 52; return; }
  switch (type) {   /* what counts whatever its number is */
    case FIX_LOGON: m->cls = CLS_LOGON; return;
    case FIX_LOGOUT: m->cls = CLS_LOGOUT; return;
    case FIX_RESEND_REQUEST: class_resend_request(l, c, p, m); return;
    case FIX_SEQUENCE_RESET: {
      const gw_fix_field *g = fix_find(&l->fm, 123);
      m->a = fix_value(l, p, 36, &ok);
      if (!(g && g->len == 1 && p[g->off] == 'Y')) { m->cls = CLS_SEQ_RESET; return; }
      break;
    }
    default: break;
  }
  if (m->seq != c->rx_next) { m->cls = (uint8_t)behind(c, m); return; }
  if (!ok || rc == GW_E_FIELDS) { m->cls = CLS_MALFORMED; return; }
  switch (type) {
    case FIX_SEQUENCE_RESET: m->cls = m->a <= m->seq ? CLS_GAP_FILL_LOW : CLS_GAP_FILL; return;
    case FIX_HEARTBEAT: case FIX_TEST_REQUEST: class_heartbeat(l, c, p, type == FIX_TEST_REQUEST, m); return;
    case FIX_REJECT: case FIX_BUSINESS_REJECT:
      m->cls = CLS_REJECT;
      m->a = fix_value(l, p, 45, &ok);
      if (!ok) m->a = 0;
      return;
    default: fix_business(l, conn, p, m);
  }
}
static void class_binary(gw_lane *l, uint32_t conn, const uint8_t *p, uint32_t n, gw_inmsg *m) {
  const gw_conn_cfg *cfg = &l->cfg[conn];
  gw_fault f;
  int venue = cfg->role == GW_ROLE_VENUE, soup = cfg->family == GW_FAMILY_SOUP;
  uint8_t type = soup ? p[2] : p[4];
  m->seq = l->conns[conn].rx_next;
  memset(&l->scr, 0, sizeof l->scr);
  l->scr_lsn = 0;
  if (soup) {
    switch (type) {
      case 'A': case 'J': m->cls = CLS_LOGON; return;
      case 'H': m->cls = CLS_HEARTBEAT; return;
      case 'Z': m->cls = CLS_END; return;
      case '+': case 'U': m->cls = CLS_DEBUG; return;
      case 'S': break;
      default: m->cls = CLS_FRAMING; return;
    }
  } else {
    switch (type) {
      case 'L': m->cls = CLS_LOGON; return;
      case 'O': m->cls = CLS_LOGOUT; return;
      case 'H': m->cls = CLS_HEARTBEAT; return;
      case 'N': case 'C': case 'R': case 'Q': case 'M': break;
      default: m->cls = CLS_FRAMING; return;
    }
    if (cfg->role == GW_ROLE_DOOR) { m->cls = CLS_FRAMING; return; }
  }
  if (gw_decode(cfg->layout, NULL, venue ? GW_FROM_VENUE : GW_FROM_CLIENT, p, n, &l->scr, &f) <= 0) { m->cls = CLS_MALFORMED; return; }
  m->biz = l->scr.order.has >> GW_HAS_KIND & 1u ? (uint8_t)l->scr.order.kind : 0;
  m->cls = m->biz == 0 || m->biz == 'I' || (venue && l->scr.exec_type == 'I') ? CLS_KNOWN : CLS_BUSINESS;
  if (!soup) m->biz = type == 'N' ? 'D' : type == 'C' ? 'F' : type == 'R' ? 'G' : type == 'Q' ? 'H' : 'q';
  if (!soup) { l->scr.order.kind = (char)m->biz; m->cls = CLS_BUSINESS; }
}
void gw_class_in(gw_lane *l, uint32_t conn, const uint8_t *p, uint32_t n, gw_inmsg *m) {
  memset(m, 0, sizeof *m);
  if (l->cfg[conn].family == GW_FAMILY_FIX) class_fix(l, conn, p, n, m);
  else class_binary(l, conn, p, n, m);
}
/* The record of a frame that was classed before: for a report that is told later, and for restart. */
void gw_decode_again(gw_lane *l, uint32_t conn, const uint8_t *p, uint32_t n) {
  gw_fault f;
  memset(&l->scr, 0, sizeof l->scr);
  if (l->cfg[conn].family == GW_FAMILY_FIX) {
    if (gw_fix_scan(p, n, &l->fm) > 0) gw_fix_decode(l->cfg[conn].dialect, p, &l->fm, &l->scr, &f);
  } else {
    gw_decode(l->cfg[conn].layout, NULL, l->cfg[conn].role == GW_ROLE_VENUE ? GW_FROM_VENUE : GW_FROM_CLIENT, p, n, &l->scr, &f);
  }
}

/* States ------------------------------------------------------------------------------------------------------------------ */
static int rx_rank(uint8_t rx) { return rx == GW_FLOW ? 3 : rx == GW_RECOVER ? 2 : rx == GW_ADMIN ? 2 : rx == GW_HOLD ? 1 : 0; }
void gw_tighten_rx(gw_lane *l, uint32_t conn, uint8_t rx) {
  gw_conn *c = &l->conns[conn];
  if (rx_rank(rx) > rx_rank(c->rx) || rx == c->rx) return;
  c->rx = rx;
  c->state_gen++;
}
void gw_tighten_tx(gw_lane *l, uint32_t conn, uint8_t tx, uint16_t reason) {
  gw_conn *c = &l->conns[conn];
  if (tx >= c->tx) return;
  c->tx = tx;
  c->state_gen++;
  if (c->role == GW_ROLE_VENUE) gw_deny_queued(l, conn, reason);   /* nothing queued outlives its reason (R5c) */
}
/* The socket is gone. What it carried without an answer is in doubt; cancels are wanted again; a strategy's orders are cancelled. */
void gw_conn_closed(gw_lane *l, uint32_t conn) {
  gw_conn *c = &l->conns[conn];
  gw_tighten_rx(l, conn, GW_CLOSED);
  gw_tighten_tx(l, conn, GW_CLOSED, GW_REASON_VENUE_DOWN);
  c->logged_on = c->closing = 0;
  c->answer_len = c->sendq_len = c->sendq_n = 0;
  c->rr_from = c->rr_to = c->rr_cut = c->ask_from = c->through = 0;
  c->probe_ns = c->ask_ns = c->close_at_ns = 0;
  c->garbled = 0;
  c->facts |= GW_FACT_CLOSED;
  gw_belled(l, conn);
  if (c->role == GW_ROLE_DOOR) return;
  int cod = c->role == GW_ROLE_STRATEGY && l->cfg[conn].cancel_on_disconnect && !l->core->stopping;   /* a shutdown has a rule of its own: on_shutdown */
  if (c->role == GW_ROLE_STRATEGY && !cod) return;
  for (uint32_t i = 0; i < l->sizes.orders; i++) {
    gw_slot *s = &l->slots[i];
    if (s->state == ST_FREE || gw_is_final(s->state)) continue;
    if (cod && s->conn_s == conn) gw_order_want_cancel(l, i, GW_REASON_CONNECTION_CLOSED);
    if (s->conn_v != conn || c->role != GW_ROLE_VENUE) continue;
    if (s->state == ST_SENT || s->rpl_state == RPL_SENT) gw_order_doubt(l, i);
    if (s->cancel_wanted && s->cancel_sent) { s->cancel_sent = 0; gw_order_want_cancel(l, i, GW_REASON_NONE); }
    while (s->status_sure) gw_order_unasked(l, i, 0);
  }
}

/* These numbers of ours are asked for again; last 0: all there are. */
void gw_resend_wanted(gw_conn *c, uint64_t first, uint64_t last) {
  uint64_t newest = c->tx_next - 1;
  if (last == 0 || last > newest) last = newest;
  if (first > last) return;
  if (c->rr_from) {
    uint64_t cut = first > c->rr_from ? first : c->rr_from;
    if (cut > c->rr_cut) c->rr_cut = cut;
  }
  if (c->rr_from == 0 || first < c->rr_from) c->rr_from = first;
  if (last > c->rr_to) c->rr_to = last;
}
/* What a message does to its connection, whoever handles it. */
static void garbled(gw_lane *l, uint32_t conn) {
  gw_conn *c = &l->conns[conn];
  l->core->n_garbled++;
  if (c->role == GW_ROLE_DOOR) { c->closing = 1; gw_dirty(l, conn); }
  else if (++c->garbled > GW_GARBLED_MAX) { c->facts |= GW_FACT_GARBLED; gw_belled(l, conn); }
}
void gw_apply_session(gw_lane *l, uint32_t conn, const gw_rec_in *r, const uint8_t *frame) {
  gw_conn *c = &l->conns[conn];
  c->rx_count++;
  c->last_rx_ns = (int64_t)r->h.t_ns;
  c->probe_ns = 0;
  if (r->cls != CLS_GARBLED) c->garbled = 0;
  if (r->consumed) {
    c->rx_next = r->cls == CLS_GAP_FILL ? r->a : r->seq + 1;
    if (c->ask_ns) c->ask_ns = c->last_rx_ns;   /* what was asked for is coming */
  }
  if (r->act == ACT_LANE && r->cls == CLS_BUSINESS && c->rx == GW_FLOW && !(r->h.flags & GW_REC_TO_CONTROL)) return;   /* that is all to most messages */
  switch (r->act) {
    case ACT_DROP:
      c->dropped++;
      l->core->n_dropped++;
      if (r->cls == CLS_GARBLED) garbled(l, conn);
      break;
    case ACT_CLOSE: c->closing = 1; gw_dirty(l, conn); break;
    case ACT_GAP:
      if (c->rx == GW_FLOW) { gw_tighten_rx(l, conn, GW_RECOVER); c->facts |= GW_FACT_GAP; gw_belled(l, conn); }
      if (c->ask_ns == 0) { c->ask_from = c->rx_next; gw_dirty(l, conn); }
      if (r->seq > c->through) c->through = r->seq;
      c->dropped++;
      break;
    case ACT_BARRIER:
      if (c->rx != GW_HOLD) c->rx_before = c->rx;
      gw_tighten_rx(l, conn, GW_HOLD);
      break;
    case ACT_LANE:
      if (r->cls == CLS_TEST_REQUEST) {
        c->answer_len = r->n;
        memcpy(c->answer, frame + r->off, r->n);
        gw_dirty(l, conn);
      } else if (r->cls == CLS_RESEND_REQUEST) {
        gw_resend_wanted(c, r->a, r->b);
        gw_dirty(l, conn);
      }
      break;
    default: break;
  }
  if (c->rx == GW_RECOVER && c->through && c->rx_next > c->through) {
    c->through = c->ask_from = 0;
    c->ask_ns = 0;
    c->facts |= GW_FACT_GAP_CLOSED;
    gw_belled(l, conn);
  }
  if (r->h.flags & GW_REC_TO_CONTROL) { c->ctl_last = r->h.lsn; gw_belled(l, conn); }
}
