/* told.c: what a strategy is told about an order, and the report record made of it. */
#include "core.h"
#include "reasons.h"

void gw_told_order(const gw_slot *s, gw_told *t) {
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
/* Average price: the sum of the fills over their quantity, four more digits than the instrument's prices, rounded half up. */
void gw_told_avg(const gw_slot *s, gw_told *t, int64_t last_px, int64_t last_qty) {
  t->avg_px_exp = t->px_exp;
  t->avg_px = 0;
  if (t->cum_qty <= 0) return;
  int64_t only;   /* one fill is all there is: its price, without a division */
  if ((s->value_hi | s->value_lo) == 0 && last_qty == t->cum_qty && last_px >= 0 && !__builtin_mul_overflow(last_px, 10000, &only)) {
    t->avg_px_exp = (int8_t)(t->px_exp - 4);
    t->avg_px = only;
    return;
  }
  __int128 value = gw_value_add(gw_filled_value(s), last_px, last_qty), scaled, q = 0;
  int wide = __builtin_mul_overflow(value, 10000, &scaled) || __builtin_add_overflow(scaled, t->cum_qty / 2, &scaled);
  if (!wide && scaled >= INT64_MIN && scaled <= INT64_MAX) q = (int64_t)scaled / t->cum_qty;   /* mostly; a division of 128 bits is a call */
  else if (!wide) q = scaled / t->cum_qty;
  t->avg_px_exp = (int8_t)(t->px_exp - 4);
  if (wide || q > INT64_MAX || q < INT64_MIN) { q = value / t->cum_qty; t->avg_px_exp = t->px_exp; }
  t->avg_px = (int64_t)q;
}
/* A text of n bytes in a field of the given width. */
static inline void put_text(char *field, size_t width, const char *text, size_t n) {
  memset(field, 0, width);
  memcpy(field, text, n < width ? n : width);
}
/* Why, in words: the reason, unless it is the breaches' own, and every breach that has room whole. Returns the length, below cap. */
static size_t why_text(const gw_lane *l, const gw_told *t, const gw_breach *b, uint32_t n, char *text, size_t cap) {
  const char *reason = gw_reason_texts[t->reason < GW_REASONS ? t->reason : GW_REASON_OTHER];
  size_t len = 0;
  if (n == 0 || (t->reason != GW_REASON_LIMIT && t->reason != GW_REASON_DUPLICATE_ID)) memcpy(text, reason, len = strnlen(reason, cap - 1));
  for (uint32_t i = 0; i < n; i++) {
    char scope[24] = { 0 }, more[96];
    gw_scope_name(l, b[i].scope, b[i].entity, scope);
    size_t m = (size_t)gw_breach_text(&b[i], scope, more, sizeof more), apart = len ? 2 : 0, room = cap - 1 - len;
    if (apart + m > room) { if (len) break; m = room; }   /* one that is too long by itself is cut */
    memcpy(text + len, "; ", apart);
    memcpy(text + len + apart, more, m);
    len += apart + m;
  }
  return len;
}
/* A record for the strategy: what was decided, and the venue's own texts if its frame is the one in l->scr. What it does not give keeps its bytes. */
void gw_told_report(gw_lane *l, const gw_told *t, const gw_rec *h, const gw_breach *b, uint32_t n, gw_report *r) {
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
  char id[1 + GW_BASE36_LEN];
  memset(r->order_id, 0, sizeof r->order_id);
  if (t->order_no == 0) memcpy(r->order_id, "NONE", 4);
  else gw_next_base36(&l->order_text, t->order_no, (uint8_t *)r->order_id);
  /* An execution's id is the venue's; everything else is the house's own, unique by journal position. */
  r->exec_id[0] = 0;
  if (l->scr_lsn == h->lsn && h->kind == GW_REC_IN) {
    const gw_report *v = &l->scr;
    if (v->has2 >> GW_HAS2_EXEC_ID & 1u && v->exec_id[0]) memcpy(r->exec_id, v->exec_id, sizeof r->exec_id);
    else if (v->has2 >> GW_HAS2_MATCH_ID & 1u) { id[0] = 'M'; gw_base36_encode(v->match_id, (uint8_t *)id + 1); put_text(r->exec_id, sizeof r->exec_id, id, sizeof id); }
    if (v->has2 >> GW_HAS2_EXEC_REF_ID & 1u) { memcpy(r->exec_ref_id, v->exec_ref_id, sizeof r->exec_ref_id); SET(GW_HAS2_EXEC_REF_ID, 1); }
    if (v->has2 >> GW_HAS2_TEXT & 1u) { memcpy(r->text, v->text, 64); SET(GW_HAS2_TEXT, 1); }
    if (v->has2 >> GW_HAS2_LAST_LIQUIDITY & 1u) { r->last_liquidity = v->last_liquidity; SET(GW_HAS2_LAST_LIQUIDITY, 1); }
    if (v->has2 >> GW_HAS2_MATCH_ID & 1u) { r->match_id = v->match_id; SET(GW_HAS2_MATCH_ID, 1); }
  }
  if (!r->exec_id[0]) {
    id[0] = 'H';
    gw_base36_encode(h->lsn, (uint8_t *)id + 1);
    put_text(r->exec_id, sizeof r->exec_id, id, sizeof id);
  }
  if (n) {
    static const char level[GW_SCOPES] = { 'F', 'V', 'A', 'S', 'Y' };
    r->level = level[b->scope % GW_SCOPES];
    r->denied_value = b->value;
    r->denied_limit = b->limit;
    memset(r->scope, 0, sizeof r->scope);
    gw_scope_name(l, b->scope, b->entity, r->scope);
    SET(GW_HAS2_LEVEL, 1); SET(GW_HAS2_DENIED_VALUE, 1); SET(GW_HAS2_DENIED_LIMIT, 1); SET(GW_HAS2_SCOPE, 1); SET(GW_HAS2_CONTROL, 1);
    const char *key = gw_control_rows[b->control < GW_CONTROLS ? b->control : 0].key;
    put_text(r->control, sizeof r->control, key, strnlen(key, sizeof r->control));
  }
  if (n || (t->reason && !(r->has2 >> GW_HAS2_TEXT & 1u))) {
    char text[sizeof r->text + 1];
    put_text(r->text, sizeof r->text, text, why_text(l, t, b, n, text, sizeof text));
    SET(GW_HAS2_TEXT, 1);
  }
#undef SET
}

