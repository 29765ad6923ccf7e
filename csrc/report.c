/* report.c: deciding what a venue says of an order, and what we say of it ourselves. */
#include "core.h"

/* What an execution is remembered by, with its order; 0 it has no id, or it is none. */
static uint64_t exec_key(const gw_lane *l, uint32_t conn, int event) {
  const gw_report *r = &l->scr;
  uint64_t key = 0;
  if (event != EVT_TRADE && event != EVT_BUST && event != EVT_CORRECT) return 0;
  if (r->has2 >> GW_HAS2_EXEC_ID & 1u) key = gw_name_key(r->exec_id, sizeof r->exec_id, conn);
  else if (r->has2 >> GW_HAS2_MATCH_ID & 1u) key = gw_number_key(r->match_id, gw_mix(r->order.token ^ (uint64_t)conn << 48));
  return key && event != EVT_TRADE ? gw_mix(key ^ (uint64_t)event) | 1u : key;   /* what takes an execution back may be named by its id */
}
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
/* Two quantities together, at most what 64 bits hold: a venue may claim anything. */
static int64_t sum(int64_t a, int64_t b) {
  int64_t v;
  return __builtin_add_overflow(a, b, &v) ? INT64_MAX : v;
}
/* What a report without an id of ours names its order by. */
enum { BY_CL_ORD_ID, BY_ORDER_ID };   /* a stranger's order 8 and the venue's order 8 are two */
static uint64_t name_of(const gw_report *r) {
  if (r->order.cl_ord_id[0]) return gw_name_key(r->order.cl_ord_id, sizeof r->order.cl_ord_id, BY_CL_ORD_ID);
  return r->has2 >> GW_HAS2_ORDER_ID & 1u ? gw_name_key(r->order_id, sizeof r->order_id, BY_ORDER_ID) : 0;
}
/* An execution that was booked before? If not, is its id one that another order's had (then a person is told)? */
static int dec_repeated(const gw_lane *l, gw_dec *d, uint64_t key) {
  int seen = key ? gw_exec_seen(l, key, d->told.order_no, d->token) : EXEC_NEW;
  if (seen == EXEC_REPEATED) { d->flags |= DEC_DUP; return 1; }
  if (seen == EXEC_REUSED) d->flags |= DEC_ID_REUSED;
  d->exec_key = key;
  return 0;
}
/* A report for no order of ours: it is booked as external, flagged, and Python is told. */
static void dec_orphan(gw_lane *l, uint32_t conn, gw_dec *d, int event, uint64_t token, uint64_t exec) {
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
  d->token = token ? token : name_of(r);
  if (dec_repeated(l, d, exec)) return;   /* the order may be forgotten, its executions are not booked twice */
  gw_rescale_lossy(r->last_qty, r->order.qty_exp, ins->qty_exp, &t->last_qty);
  gw_delta_of(l, d, GW_RISK_EXTERNAL_FILL, &d->delta);
  d->delta.slot = GW_RISK_NO_SLOT;
  d->delta.strategy = 0;
  d->delta.qty = t->last_qty;
}
static void dec_trade(gw_lane *l, gw_slot *s, gw_dec *d) {
  gw_told *t = &d->told;
  t->cum_qty = sum(s->cum_qty, t->last_qty);
  t->leaves_qty = gw_is_final(s->state) ? 0 : s->order.order_qty - t->cum_qty;
  if (t->cum_qty > s->order.order_qty || t->last_qty <= 0) d->flags |= DEC_ODD;
  if (t->leaves_qty < 0) t->leaves_qty = 0;
  if (t->leaves_qty == 0) d->event = EVT_FILL;
  gw_delta_of(l, d, GW_RISK_FILL, &d->delta);
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
  gw_delta_of(l, d, ours ? GW_RISK_REPLACE_ACK : GW_RISK_RESTATED, &d->delta);
  d->delta.leaves = t->leaves_qty;
  if (!ours && s->rpl_state != RPL_NONE) d->delta.pend_leaves = s->rpl_qty - s->cum_qty;
}
/* The pending replace is over without success: told as a refusal, and the order stands. */
static void dec_replace_refused(const gw_lane *l, gw_slot *s, gw_dec *d, uint16_t reason) {
  gw_told *t = &d->told;
  d->flags |= DEC_REPLACE_OVER;
  gw_refuse(d, reason, '2');
  d->what = DEC_REPORT;
  t->stream = s->conn_s;
  t->cl_ord_num = s->rpl_num;
  memcpy(t->cl_ord_id, s->rpl_cl_ord_id, 24);
  t->orig_cl_ord_num = s->order.cl_ord_num;
  memcpy(t->orig_cl_ord_id, s->order.cl_ord_id, 24);
  gw_delta_of(l, d, GW_RISK_REPLACE_REJECT, &d->delta);
}
/* Does this leave nothing of the order in doubt: neither that it lives nor what became of its replace? */
static int resolves(const gw_slot *s, const gw_dec *d) {
  if (gw_is_final(d->state)) return 1;
  if (s->rpl_state == RPL_SENT && !(d->flags & (DEC_REPLACE_TOKEN | DEC_REPLACE_OVER))) return 0;
  return d->state != ST_SENT || d->event == EVT_PENDING_NEW;
}
/* A report under an id that a lost tail gave out: the order is the oldest one with these terms of which only the acceptance is left (T8).
 * The venue's first word about an order names its terms; what it says after a restart begins with that word, since the tail had it too. */
static uint32_t adopted(const gw_lane *l, uint32_t conn, uint64_t token) {
  const gw_conn *c = &l->conns[conn];
  const gw_order *o = &l->scr.order;
  uint32_t found = NONE32;
  if (token < c->lost_from || token >= c->lost_to || !(o->has >> GW_HAS_ORDER_QTY & 1u)) return NONE32;
  for (uint32_t i = 0; i < l->sizes.orders; i++) {
    const gw_slot *s = &l->slots[i];
    if (s->state != ST_SENT || s->token || !s->in_doubt || s->conn_v != conn || s->order.side != o->side) continue;
    const gw_listing *x = gw_listing_of(l, s);
    const gw_instrument *ins = &l->instruments[s->instrument];
    int64_t qty, px;
    if (!x || memcmp(x->venue_symbol, o->symbol, sizeof x->venue_symbol) != 0) continue;
    if (!gw_rescale_lossy(o->order_qty, o->qty_exp, ins->qty_exp, &qty) || qty != s->order.order_qty) continue;
    if (s->order.has & o->has & 1ull << GW_HAS_PRICE && (!gw_rescale_lossy(o->price, o->px_exp, ins->px_exp, &px) || px != s->order.price)) continue;
    if (found == NONE32 || s->order_no < l->slots[found].order_no) found = i;
  }
  return found;
}
/* The same for a replace: the report names the order's old id beside the lost one. */
static uint32_t adopted_replace(const gw_lane *l, uint32_t conn, uint64_t token, int event) {
  const gw_conn *c = &l->conns[conn];
  const gw_order *o = &l->scr.order;
  uint64_t orig = o->orig_token;
  if (token < c->lost_from || token >= c->lost_to || (event != EVT_REPLACED && event != EVT_CXL_REJECT && event != EVT_PENDING_REPLACE)) return NONE32;
  if (!(o->has >> GW_HAS_ORIG_TOKEN & 1u) && gw_base36_decode((const uint8_t *)o->orig_cl_ord_id, strnlen(o->orig_cl_ord_id, 24), &orig) != GW_BASE36_LEN) return NONE32;
  uint32_t i = orig ? gw_index_find(&l->core->by_token, l->token_pairs, gw_token_key(conn, orig)) : NONE32;
  if (i == NONE32) return NONE32;
  const gw_slot *s = &l->slots[l->token_pairs[i].slot];
  if (s->gen != l->token_pairs[i].gen || gw_is_final(s->state)) return NONE32;
  return event == EVT_REPLACED || (s->rpl_state == RPL_SENT && !s->rpl_token) ? l->token_pairs[i].slot : NONE32;   /* the request itself may be lost too */
}
/* What the answer to the next request will touch comes nearer. */
GW_AHEAD next_answer_ahead(const gw_lane *l, uint32_t conn, uint64_t token) {
  uint32_t i = gw_index_find(&l->core->by_token, l->token_pairs, gw_token_key(conn, token + 1));
  gw_index_ahead(&l->core->by_token, l->token_pairs, gw_token_key(conn, token + 8));
  if (i == NONE32) return;
  gw_slot_ahead(l, l->token_pairs[i].slot);
  gw_risk_ahead(l->risk, 0, l->token_pairs[i].slot);
}
void gw_dec_report(gw_lane *l, uint32_t conn, gw_dec *d) {
  gw_report *r = &l->scr;
  memset(d, 0, sizeof *d);
  d->slot = NONE32;
  d->conn_v = (uint16_t)conn;
  gw_told *t = &d->told;
  int event = r->order.kind == '9' ? EVT_CXL_REJECT : r->has2 >> GW_HAS2_EXEC_TYPE & 1u ? event_of(r->exec_type) : -1;
  uint64_t token = r->order.token, exec = exec_key(l, conn, event);
  if (exec) gw_exec_ahead(l, exec);   /* a new id's place is a distant one */
  if (!(r->order.has >> GW_HAS_TOKEN & 1u) && gw_base36_decode((const uint8_t *)r->order.cl_ord_id, strnlen(r->order.cl_ord_id, 24), &token) != GW_BASE36_LEN) token = 0;
  uint32_t i = token ? gw_index_find(&l->core->by_token, l->token_pairs, gw_token_key(conn, token)) : NONE32;
  gw_slot *s = i == NONE32 ? NULL : gw_slot_of(l, l->token_pairs[i].slot, l->token_pairs[i].gen);
  int stale = 0;
  if (!s) {   /* a cancel that was asked again has a new id; what answers the first one names the order beside it */
    uint64_t of = 0;
    if ((event == EVT_CANCELED || event == EVT_CXL_REJECT) && gw_base36_decode((const uint8_t *)r->order.orig_cl_ord_id, strnlen(r->order.orig_cl_ord_id, 24), &of) == GW_BASE36_LEN)
      i = gw_index_find(&l->core->by_token, l->token_pairs, gw_token_key(conn, of));
    s = i == NONE32 ? NULL : gw_slot_of(l, l->token_pairs[i].slot, l->token_pairs[i].gen);
    stale = s != NULL;
  }
  uint32_t slot = i == NONE32 ? NONE32 : l->token_pairs[i].slot;
  int found_again = 0;
  if (!s && token) {
    slot = adopted(l, conn, token);
    if (slot == NONE32) slot = adopted_replace(l, conn, token, event);
    s = slot == NONE32 ? NULL : gw_slot_of(l, slot, l->slots[slot].gen);
    found_again = s != NULL;
  }
  if (!s || event < 0) { dec_orphan(l, conn, d, event, token, exec); return; }
  next_answer_ahead(l, conn, token);
  d->what = DEC_REPORT;
  d->event = (uint8_t)event;
  d->slot = slot;
  d->gen = s->gen;
  d->strategy = s->strategy;
  d->conn_s = s->conn_s;
  d->token = token;
  gw_told_order(s, t);
  const gw_instrument *ins = &l->instruments[s->instrument];
  t->exec_type = r->order.kind == '9' ? 0 : r->exec_type;
  t->last_qty = t->last_px = 0;
  if (r->has2 >> GW_HAS2_LAST_QTY & 1u && !gw_rescale_lossy(r->last_qty, r->order.qty_exp, ins->qty_exp, &t->last_qty)) d->flags |= DEC_ODD;
  if (r->has2 >> GW_HAS2_LAST_PX & 1u && !gw_rescale_lossy(r->last_px, r->order.px_exp, ins->px_exp, &t->last_px)) d->flags |= DEC_ODD;
  if (t->last_qty < 0) t->last_qty = 0;
  if (exec && dec_repeated(l, d, exec)) { d->event = EVT_STATUS; d->state = s->state; t->stream = 0; return; }
  /* A venue whose ids rise with each replace answers a pending one under its new id; FIX names both, the new one in ClOrdID. */
  int ours = s->rpl_state == RPL_SENT && (token == s->rpl_token || (found_again && s->token && !s->rpl_token));
  switch (event) {
    case EVT_TRADE: dec_trade(l, s, d); break;
    case EVT_NEW: gw_delta_of(l, d, GW_RISK_ACK, &d->delta); if (s->state != ST_SENT) d->delta.kind = 0; break;
    case EVT_REJECTED:
      if (ours) {   /* the replace was refused as an order of its own; the old one stands */
        d->event = EVT_CXL_REJECT;
        dec_replace_refused(l, s, d, GW_REASON_OTHER);
      } else {
        t->leaves_qty = 0;
        t->ord_rej_reason = r->ord_rej_reason;
        t->reason = GW_REASON_OTHER;
        gw_delta_of(l, d, s->state == ST_SENT ? GW_RISK_REJECT : GW_RISK_CANCEL_ACK, &d->delta);
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
        gw_delta_of(l, d, GW_RISK_RESTATED, &d->delta);
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
      gw_delta_of(l, d, GW_RISK_CANCEL_ACK, &d->delta);
      break;
    }
    case EVT_EXPIRED: case EVT_DONE:
      t->leaves_qty = 0;
      gw_delta_of(l, d, GW_RISK_CANCEL_ACK, &d->delta);
      break;
    case EVT_REPLACED:
      if (!ours && !(r->order.has >> GW_HAS_ORDER_QTY & 1u)) {
        d->flags |= DEC_ODD;
        if (r->has2 >> GW_HAS2_LEAVES_QTY & 1u && gw_rescale_lossy(r->leaves_qty, r->order.qty_exp, ins->qty_exp, &t->order_qty)) t->order_qty += s->cum_qty;
      }
      if (!ours && r->order.has >> GW_HAS_ORDER_QTY & 1u) gw_rescale_lossy(r->order.order_qty, r->order.qty_exp, ins->qty_exp, &t->order_qty);
      if (!ours && r->order.has >> GW_HAS_PRICE & 1u) gw_rescale_lossy(r->order.price, r->order.px_exp, ins->px_exp, &t->price);
      dec_replaced(l, s, d, ours);
      break;
    case EVT_RESTATED: {
      int64_t leaves = s->leaves_qty;
      if (r->has2 >> GW_HAS2_LEAVES_QTY & 1u) { if (!gw_rescale_lossy(r->leaves_qty, r->order.qty_exp, ins->qty_exp, &leaves)) d->flags |= DEC_ODD; t->order_qty = sum(s->cum_qty, leaves < 0 ? 0 : leaves); }
      if (r->order.has >> GW_HAS_PRICE & 1u) gw_rescale_lossy(r->order.price, r->order.px_exp, ins->px_exp, &t->price);
      t->leaves_qty = leaves < 0 ? 0 : leaves;
      gw_delta_of(l, d, GW_RISK_RESTATED, &d->delta);
      d->delta.leaves = t->leaves_qty;
      if (s->rpl_state != RPL_NONE) d->delta.pend_leaves = s->rpl_qty - s->cum_qty;
      break;
    }
    case EVT_BUST: case EVT_CORRECT:
      /* The quantity taken back is the report's own; what it replaces is booked whole first (the correction carries both). */
      t->cum_qty = event == EVT_BUST ? s->cum_qty - t->last_qty : s->cum_qty;
      if (t->cum_qty < 0) { t->cum_qty = 0; d->flags |= DEC_ODD; }
      gw_delta_of(l, d, event == EVT_BUST ? GW_RISK_BUST : GW_RISK_CORRECT, &d->delta);
      d->delta.qty = d->delta.old_qty = t->last_qty;
      d->flags |= DEC_ODD;   /* an operator looks at every one */
      break;
    case EVT_STATUS: {
      int64_t cum = s->cum_qty;
      if (!(r->has2 >> GW_HAS2_STATUS_REQ_ID & 1u)) t->flags |= TOLD_ANSWER;
      if (r->has2 >> GW_HAS2_CUM_QTY & 1u) gw_rescale_lossy(r->cum_qty, r->order.qty_exp, ins->qty_exp, &cum);
      if (cum != s->cum_qty) d->flags |= DEC_ODD;
      t->stream = s->in_doubt || s->status_wanted ? s->conn_s : 0;
      t->last_qty = t->last_px = 0;
      char st = r->has2 >> GW_HAS2_ORD_STATUS & 1u ? r->ord_status : '0';
      if (st == 'A' || st == 'E' || st == '6') st = '0';
      if (!gw_is_final(s->state) && (st == '4' || st == '8' || st == 'C' || st == '3')) {
        d->event = st == '4' ? EVT_CANCELED : st == '8' ? EVT_REJECTED : st == 'C' ? EVT_EXPIRED : EVT_DONE;
        if (gw_order_table[s->state][d->event] == 0) d->event = EVT_CANCELED;
        t->leaves_qty = 0;
        t->stream = s->conn_s;
        gw_delta_of(l, d, GW_RISK_CANCEL_ACK, &d->delta);
      } else if (ours) {
        d->event = EVT_REPLACED;
        t->exec_type = '5';
        t->stream = s->conn_s;
        dec_replaced(l, s, d, 1);
      } else if (s->state == ST_SENT) gw_delta_of(l, d, GW_RISK_ACK, &d->delta);
      else if (s->in_doubt && s->rpl_state == RPL_SENT && t->flags & TOLD_ANSWER && s->status_behind && !s->status_before && s->status_open < ASKED_MANY) {
        /* Asked for behind the replace, and the order stands as it was: the replace never lived. */
        d->event = EVT_CXL_REJECT;
        dec_replace_refused(l, s, d, GW_REASON_VOIDED);
      }
      break;
    }
    case EVT_CXL_REJECT: {
      if (stale) { t->kind = 0; t->stream = 0; break; }   /* the later cancel will be answered too */
      char to = ours ? '2' : '1';
      gw_refuse(d, GW_REASON_OTHER, to);
      d->what = DEC_REPORT;
      d->event = EVT_CXL_REJECT;
      t->cxl_rej_reason = r->cxl_rej_reason;
      if (to == '2') {
        d->flags |= DEC_REPLACE_OVER;
        gw_delta_of(l, d, GW_RISK_REPLACE_REJECT, &d->delta);
        t->cl_ord_num = s->rpl_num;
        memcpy(t->cl_ord_id, s->rpl_cl_ord_id, 24);
      } else {
        d->flags |= DEC_CANCEL_OVER;
        gw_delta_of(l, d, GW_RISK_CANCEL_REJECT, &d->delta);
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
  uint8_t next = gw_order_table[s->state][d->event];
  if (next == ST_FREE) { d->flags |= DEC_ODD; next = s->state; }
  d->state = next;
  if (gw_is_final(next) && !gw_is_final(s->state)) d->flags |= DEC_FINAL;
  if (s->in_doubt && resolves(s, d)) { d->flags |= DEC_CLEAR_DOUBT; t->flags &= (uint8_t)~TOLD_IN_DOUBT; }
  if (event == EVT_TRADE) gw_told_avg(s, t, t->last_px, t->last_qty); else gw_told_avg(s, t, 0, 0);
  if (t->kind == '8' && t->exec_type != 'I' && t->exec_type != '6' && t->exec_type != 'E') t->ord_status = gw_status_of[next];
  else if (t->kind == '8') t->ord_status = t->exec_type == '6' ? '6' : t->exec_type == 'E' ? 'E' : gw_status_of[next];
}
/* The venue refused a message of ours by its number (35=3, 35=j): what that message was for is refused. */
void gw_dec_refused(gw_lane *l, uint32_t conn, uint64_t ref_seq, gw_dec *d) {
  memset(d, 0, sizeof *d);
  d->slot = NONE32;
  d->conn_v = (uint16_t)conn;
  const gw_num *n = gw_num_at(l, conn, ref_seq);
  gw_slot *s = ref_seq && ref_seq < l->conns[conn].tx_next && ref_seq + GW_NUMS > l->conns[conn].tx_next ? gw_slot_of(l, n->slot, n->gen) : NULL;
  if (s && n->what == OUT_STATUS) { d->what = DEC_UNASKED; d->slot = n->slot; d->gen = s->gen; return; }   /* no evidence: what was in doubt stays so */
  if (!s || (n->what != OUT_NEW && n->what != OUT_REPLACE && n->what != OUT_CANCEL)) return;
  if (n->what == OUT_NEW && s->state != ST_SENT) return;
  d->slot = n->slot;
  d->gen = s->gen;
  d->strategy = s->strategy;
  d->conn_s = s->conn_s;
  gw_told_order(s, &d->told);
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
    gw_delta_of(l, d, GW_RISK_REJECT, &d->delta);
    return;
  }
  d->event = EVT_CXL_REJECT;
  d->state = s->state;
  int rpl = n->what == OUT_REPLACE && s->rpl_state == RPL_SENT;
  if (n->what == OUT_REPLACE && !rpl) { memset(d, 0, sizeof *d); d->slot = NONE32; return; }
  gw_refuse(d, GW_REASON_OTHER, rpl ? '2' : '1');
  d->what = DEC_REPORT;
  d->event = EVT_CXL_REJECT;
  d->flags = rpl ? DEC_REPLACE_OVER : DEC_CANCEL_OVER;
  gw_delta_of(l, d, rpl ? GW_RISK_REPLACE_REJECT : GW_RISK_CANCEL_REJECT, &d->delta);
  d->told.orig_cl_ord_num = s->order.cl_ord_num;
  memcpy(d->told.orig_cl_ord_id, s->order.cl_ord_id, 24);
  d->told.cl_ord_num = rpl ? s->rpl_num : s->cxl_num;
  memcpy(d->told.cl_ord_id, rpl ? s->rpl_cl_ord_id : s->cxl_cl_ord_id, 24);
  if (!rpl && !s->cxl_cl_ord_id[0] && !s->cxl_num) d->told.stream = 0;
}
/* A verdict of our own: an order or replace that never left, or an order of which nobody knows (DUE_DOUBT: told IN_DOUBT). */
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
  gw_told_order(s, &d->told);
  gw_told_avg(s, &d->told, 0, 0);
  if (s->state == ST_QUEUED) {
    d->event = EVT_DENY;
    d->state = gw_order_table[ST_QUEUED][EVT_DENY];
    d->flags = DEC_FINAL | (s->in_doubt ? DEC_CLEAR_DOUBT : 0);
    if (reason == DUE_CANCELED) {   /* the strategy's own wish: it was cancelled before it was sent */
      d->event = EVT_CANCELED;
      d->state = gw_order_table[ST_QUEUED][EVT_CANCELED];
      d->told.exec_type = d->told.ord_status = '4';
      d->told.leaves_qty = 0;
    } else gw_deny(d, reason == DUE_DOUBT ? GW_REASON_VOIDED : reason, l);
    d->what = DEC_VERDICT;
    d->told.flags = 0;
    gw_delta_of(l, d, GW_RISK_RELEASE, &d->delta);
  } else if (s->rpl_state == RPL_QUEUED && reason != DUE_DOUBT && reason != DUE_CANCELED) {
    gw_refuse(d, reason, '2');
    d->what = DEC_VERDICT;
    d->flags = DEC_REPLACE_OVER;
    if (s->in_doubt && s->state != ST_SENT) { d->flags |= DEC_CLEAR_DOUBT; d->told.flags = 0; }
    gw_delta_of(l, d, GW_RISK_REPLACE_REJECT, &d->delta);
    d->told.orig_cl_ord_num = s->order.cl_ord_num;
    memcpy(d->told.orig_cl_ord_id, s->order.cl_ord_id, 24);
    d->told.cl_ord_num = s->rpl_num;
    memcpy(d->told.cl_ord_id, s->rpl_cl_ord_id, 24);
  } else {
    if (reason == DUE_DOUBT) d->event = EVT_STATUS;
    if (reason == DUE_DOUBT && s->in_doubt) d->told.exec_type = 'U';
    else d->told.stream = 0;   /* it was resolved meanwhile */
  }
}

