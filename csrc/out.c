/* out.c: the next frame of a connection, bound as late as can be: gate, number, encode, in one pass. */
#include "core.h"

enum { RESERVE_NUMBERS = 64 };   /* numbers under the watermark that only the session itself may use (R5e) */
#define ASK_AGAIN_NS 10000000000

/* Numbers ---------------------------------------------------------------------------------------------------------------- */
/* New risk leaves so much headroom under the watermark that a sweep never waits for the disk. */
static int headroom(const gw_lane *l, const gw_conn *c) {
  (void)l;
  uint64_t need = 2ull * (c->open_orders + c->in_doubt) + RESERVE_NUMBERS;
  return c->tx_next + need < c->watermark && c->token_next + need < c->token_mark;
}
/* A stranger's numbers mean nothing beyond its socket. */
static int may_number(const gw_conn *c) { return c->role == GW_ROLE_DOOR || c->tx_next < c->watermark; }

/* Pacing: a token bucket in millionths of a message, refilled by time; new risk leaves the reserved share to cancels. */
static int64_t bucket(const gw_conn *c, const gw_conn_cfg *cfg, uint64_t now) {
  int64_t most = (int64_t)cfg->burst * 1000000, dt = (int64_t)now - c->pace_ns;
  if (dt < 0) dt = 0;
  if (dt > 60000000000) dt = 60000000000;
  int64_t have = c->pace_tokens + (int64_t)((__int128)dt * cfg->rate_per_s / 1000);
  return have > most ? most : have;
}
static int paced(const gw_lane *l, uint32_t conn, int risk) {
  const gw_conn_cfg *cfg = &l->cfg[conn];
  if (cfg->rate_per_s == 0) return 0;
  return bucket(&l->conns[conn], cfg, l->core->now) < 1000000 + (risk ? (int64_t)cfg->reserved * 1000000 : 0);
}

/* Session messages of the lane's own -------------------------------------------------------------------------------------- */
static uint32_t tlv(uint8_t *at, uint16_t tag, const void *value, uint32_t n) {
  at[0] = (uint8_t)tag;
  at[1] = (uint8_t)(tag >> 8);
  at[2] = (uint8_t)n;
  at[3] = (uint8_t)(n >> 8);
  memcpy(at + 4, value, n);
  return n + 4;
}
static uint32_t tlv_number(uint8_t *at, uint16_t tag, uint64_t v) {
  char text[20];
  uint32_t n = 0;
  do { text[19 - n++] = (char)('0' + v % 10); v /= 10; } while (v);
  return tlv(at, tag, text + 20 - n, n);
}
static uint32_t fix_type(const char *t) { uint32_t v = 0; for (uint32_t i = 0; t[i]; i++) v |= (uint32_t)(uint8_t)t[i] << (8 * i); return v; }
static gw_fix_head *fix_head(gw_lane *l, uint32_t conn, uint64_t seq) {
  gw_fix_head *h = &l->heads[conn];
  h->msg_seq_num = seq;
  h->sending_time = (int64_t)l->core->now;
  h->poss_dup = 0;
  h->orig_sending_time = 0;
  return h;
}
static int fix_session(gw_lane *l, uint32_t conn, uint64_t seq, uint32_t type, const uint8_t *body, uint32_t n, uint8_t *out, int cap, int dup) {
  gw_fix_head *h = fix_head(l, conn, seq);
  if (dup) { h->poss_dup = 1; h->orig_sending_time = h->sending_time; }
  return gw_fix_encode_fields(h, type, body, n, out, (size_t)cap);
}

/* What a connection sends next ---------------------------------------------------------------------------------------------- */
typedef struct gw_draft { gw_rec_out *r; uint8_t *frame; int cap; } gw_draft;

/* The value of a secret, or its name's own length of stars where it is not known (when a journal is replayed). */
static const gw_secret *secret(const gw_lane *l, const uint8_t *name, uint32_t n) {
  for (uint32_t i = 0; i < l->n_secrets; i++)
    if (strnlen(l->secrets[i].name, sizeof l->secrets[i].name) == n && memcmp(l->secrets[i].name, name, n) == 0) return &l->secrets[i];
  return NULL;
}
/* The body with secrets put in; -1 if one is unknown or there is no room. *masked: there was one. */
static int with_secrets(const gw_lane *l, const uint8_t *body, uint32_t n, uint8_t *out, uint32_t cap, int *masked) {
  uint32_t w = 0;
  for (uint32_t i = 0; i + 4 <= n;) {
    uint32_t len = (uint32_t)body[i + 2] | (uint32_t)body[i + 3] << 8, tag = (uint32_t)body[i] | (uint32_t)body[i + 1] << 8;
    uint32_t plain = len & 0x7FFFu;
    if (i + 4 + plain > n) return -1;
    const uint8_t *value = body + i + 4;
    if (len & 0x8000u) {
      const gw_secret *s = secret(l, value, plain);
      if (!s) return -1;
      *masked = 1;
      if (w + 4 + s->len > cap) return -1;
      w += tlv(out + w, (uint16_t)tag, s->value, s->len);
    } else {
      if (w + 4 + plain > cap) return -1;
      w += tlv(out + w, (uint16_t)tag, value, plain);
    }
    i += 4 + plain;
  }
  return (int)w;
}
/* What control asked to be sent, first in first out. */
static int draft_send(gw_lane *l, uint32_t conn, gw_draft *d) {
  gw_conn *c = &l->conns[conn];
  uint32_t len, type;
  uint64_t seq, flags;
  memcpy(&len, c->sendq, 4);
  memcpy(&type, c->sendq + 4, 4);
  memcpy(&seq, c->sendq + 8, 8);
  memcpy(&flags, c->sendq + 16, 8);
  uint8_t body[GW_CONN_SEND * 2];
  int masked = 0, n = with_secrets(l, c->sendq + 24, len - 24, body, sizeof body, &masked);
  gw_fault f;
  d->r->what = OUT_SEND;
  d->r->n_taken = 1;
  d->r->explicit_seq = seq != 0;
  d->r->seq = seq ? seq : c->tx_next;
  d->r->a = type;
  if (n < 0) n = 0;   /* an unknown secret: the peer refuses the logon, and says so */
  int rc = l->cfg[conn].family == GW_FAMILY_FIX ? fix_session(l, conn, d->r->seq, type, body, (uint32_t)n, d->frame, d->cap, (int)(flags & 1u))
                                                : gw_encode_fields(l->cfg[conn].layout, (uint16_t)type, body, (size_t)n, d->frame, (size_t)d->cap, &f);
  if (masked && rc > 0) {
    d->r->h.flags |= GW_REC_MASKED;
    memcpy(l->clear, d->frame, (size_t)rc);
    gw_mask_sent(l, conn, d->frame, (uint32_t)rc);
  }
  return rc;
}
/* Missing numbers of ours: reports are sent again where their record is at hand, everything else is filled over (R5d). */
static int resendable(gw_lane *l, uint32_t conn, uint64_t seq, const uint8_t **frame, uint32_t *n) {
  const gw_num *x = gw_num_at(l, conn, seq);
  if (l->conns[conn].role != GW_ROLE_STRATEGY || x->what != OUT_REPORT || x->filled || seq + GW_NUMS <= l->conns[conn].tx_next) return 0;
  if (l->hint && !(l->hint->what == OUT_RESENT && l->hint->seq == seq)) return 0;
  const uint8_t *rec = gw_record(l, x->lsn);
  if (!rec) return 0;
  const gw_rec_out *r = (const gw_rec_out *)(const void *)rec;
  *frame = rec + sizeof *r;
  *n = r->frame_len;
  return 1;
}
static int draft_resend(gw_lane *l, uint32_t conn, gw_draft *d) {
  gw_conn *c = &l->conns[conn];
  const uint8_t *frame;
  uint32_t n;
  d->r->explicit_seq = 1;
  d->r->seq = c->rr_from;
  if (resendable(l, conn, c->rr_from, &frame, &n)) {
    d->r->what = OUT_RESENT;
    d->r->a = c->rr_from;
    d->r->b = c->rr_from + 1;
    return gw_fix_redup(frame, n, (int64_t)l->core->now, d->frame, (size_t)d->cap);
  }
  uint64_t to = c->rr_from + 1;
  if (l->hint) to = l->hint->b > to ? l->hint->b : to;
  else if (c->role != GW_ROLE_STRATEGY) to = c->rr_to + 1;
  else {
    if (to + GW_NUMS <= c->tx_next) to = c->tx_next - GW_NUMS + 1;   /* older ones are remembered by nobody */
    while (to <= c->rr_to && !resendable(l, conn, to, &frame, &n)) to++;
    if (to > c->rr_to) to = c->rr_to + 1;
  }
  if (to > c->tx_next) to = c->tx_next;
  if (c->rr_from < c->rr_cut && to > c->rr_cut) to = c->rr_cut;
  d->r->what = OUT_SESSION;
  d->r->msg_kind = '4';
  d->r->a = c->rr_from;
  d->r->b = to;
  uint8_t body[64];
  uint32_t w = tlv(body, 123, "Y", 1);
  w += tlv_number(body + w, 36, to);
  return fix_session(l, conn, c->rr_from, fix_type("4"), body, w, d->frame, d->cap, 1);
}
/* The range that is missing was asked for, and nothing of it came for a while, whatever else came. */
static int ask_again(const gw_conn *c, int64_t now) { return c->rx == GW_RECOVER && c->through && c->ask_ns && now - c->ask_ns >= ASK_AGAIN_NS; }
/* Nothing came for longer than a heartbeat takes, and was not asked about yet. */
static int probe_due(const gw_conn *c, int64_t now) { return now - c->last_rx_ns >= c->hb_ns && c->probe_ns == 0 && now - c->last_rx_ns >= c->hb_ns + c->hb_ns / 5; }
/* Time alone asks for a word of ours. */
static int is_quiet(const gw_conn *c, int64_t now) { return c->logged_on && c->hb_ns && (now - c->last_tx_ns >= c->hb_ns || probe_due(c, now)); }
static int draft_session(gw_lane *l, uint32_t conn, gw_draft *d) {
  gw_conn *c = &l->conns[conn];
  const gw_conn_cfg *cfg = &l->cfg[conn];
  int64_t now = (int64_t)l->core->now;
  uint8_t body[192];
  uint32_t w = 0;
  gw_fault f;
  d->r->what = OUT_SESSION;
  d->r->seq = c->tx_next;
  if (!c->logged_on) return 0;
  if (cfg->family != GW_FAMILY_FIX) {
    if (c->hb_ns == 0 || now - c->last_tx_ns < c->hb_ns || cfg->msg[GW_MSG_HEARTBEAT] == NONE16) return 0;
    d->r->msg_kind = '0';
    return gw_encode_fields(cfg->layout, cfg->msg[GW_MSG_HEARTBEAT], NULL, 0, d->frame, (size_t)d->cap, &f);
  }
  if (c->rr_from) return draft_resend(l, conn, d);
  if (c->answer_len) {
    d->r->msg_kind = '0';
    d->r->a = 1;
    w = tlv(body, 112, c->answer, c->answer_len);
    return fix_session(l, conn, c->tx_next, fix_type("0"), body, w, d->frame, d->cap, 0);
  }
  if (c->ask_from || ask_again(c, now)) {
    d->r->msg_kind = '2';
    d->r->a = c->rx_next;
    w = tlv_number(body, 7, c->rx_next);
    w += tlv(body + w, 16, "0", 1);
    return fix_session(l, conn, c->tx_next, fix_type("2"), body, w, d->frame, d->cap, 0);
  }
  if (c->hb_ns == 0) return 0;
  if (c->rx != GW_HOLD && probe_due(c, now)) {
    uint8_t id[3 + GW_BASE36_LEN] = { 'G', 'W', '-' };
    gw_base36_encode(c->probe_id + 1, id + 3);
    d->r->msg_kind = '1';
    w = tlv(body, 112, id, sizeof id);
    return fix_session(l, conn, c->tx_next, fix_type("1"), body, w, d->frame, d->cap, 0);
  }
  if (now - c->last_tx_ns >= c->hb_ns) {
    d->r->msg_kind = '0';
    return fix_session(l, conn, c->tx_next, fix_type("0"), body, 0, d->frame, d->cap, 0);
  }
  return 0;
}

/* The record that is filled in and encoded. In a binary message each field has its bytes, given or not; a FIX message looks at what is given only. */
static gw_report *blank(gw_lane *l, uint32_t conn) {
  if (l->cfg[conn].family != GW_FAMILY_FIX) memset(&l->outr, 0, sizeof l->outr);
  l->outr.order.has = l->outr.has2 = 0;
  return &l->outr;
}
static int encode(gw_lane *l, uint32_t conn, uint16_t msg, gw_draft *d) {
  const gw_conn_cfg *cfg = &l->cfg[conn];
  gw_fault f;
  if (cfg->family == GW_FAMILY_FIX) return gw_fix_encode(cfg->dialect, msg, fix_head(l, conn, l->conns[conn].tx_next), &l->outr, d->frame, (size_t)d->cap, &f);
  return gw_encode(cfg->layout, &l->values[conn], msg, &l->outr, d->frame, (size_t)d->cap, &f);
}
/* An order's message to its venue. */
static int draft_order(gw_lane *l, uint32_t conn, uint32_t slot, uint8_t what, gw_draft *d) {
  gw_slot *s = &l->slots[slot];
  gw_conn *c = &l->conns[conn];
  const gw_conn_cfg *cfg = &l->cfg[conn];
  static const uint8_t msg_of[OUT_N] = { [OUT_NEW] = GW_MSG_NEW, [OUT_REPLACE] = GW_MSG_REPLACE, [OUT_CANCEL] = GW_MSG_CANCEL, [OUT_STATUS] = GW_MSG_STATUS };
  static const char kind_of[OUT_N] = { [OUT_NEW] = 'D', [OUT_REPLACE] = 'G', [OUT_CANCEL] = 'F', [OUT_STATUS] = 'H' };
  uint16_t msg = cfg->msg[msg_of[what]];
  int own = what == OUT_NEW || what == OUT_REPLACE || (what == OUT_CANCEL && cfg->cancel_has_token);
  d->r->what = what;
  d->r->msg_kind = (uint8_t)kind_of[what];
  d->r->slot = slot;
  d->r->gen = s->gen;
  d->r->seq = c->tx_next;
  d->r->token = own ? c->token_next : 0;
  if (msg == NONE16) return GW_E_REFUSED;
  gw_order *o = &blank(l, conn)->order;
  if (cfg->family == GW_FAMILY_FIX) memcpy(o, &s->order, offsetof(gw_order, cl_ord_id));   /* its texts are given below */
  else memcpy(o, &s->order, GW_RARE_AT);
  if (gw_has_rare(s->order.has)) memcpy((uint8_t *)o + GW_RARE_AT, (const uint8_t *)&s->order + GW_RARE_AT, GW_RARE_SIZE);
  o->kind = kind_of[what];
  const gw_listing *x = gw_listing_of(l, s);
  if (!x) return GW_E_REFUSED;
  memcpy(o->symbol, x->venue_symbol, 16);
  memcpy(o->account, l->accounts[s->account].name, 16);
  o->transact_time = (int64_t)l->core->now;
  o->has |= 1ull << GW_HAS_SYMBOL | 1ull << GW_HAS_ACCOUNT | 1ull << GW_HAS_TRANSACT_TIME | 1ull << GW_HAS_KIND;
  o->has &= ~(1ull << GW_HAS_ORIG_CL_ORD_ID | 1ull << GW_HAS_ORIG_CL_ORD_NUM | 1ull << GW_HAS_CL_ORD_NUM | 1ull << GW_HAS_TOKEN | 1ull << GW_HAS_ORIG_TOKEN | 1ull << GW_HAS_VENUE |
              1ull << GW_HAS_STRATEGY | 1ull << GW_HAS_MSG_SEQ_NUM | 1ull << GW_HAS_SENDING_TIME);
  if (what == OUT_REPLACE) {
    o->price = s->rpl_price;
    o->stop_px = s->rpl_stop;
    o->order_qty = s->rpl_qty;
  } else if (what == OUT_CANCEL && cfg->token_kind == GW_TOKEN_NUMBER) {
    o->order_qty = 0;   /* OUCH: the quantity meant is what shall be left */
  }
  uint64_t mine = own ? c->token_next : s->token, orig = s->token;
  memset(o->cl_ord_id, 0, sizeof o->cl_ord_id);
  memset(o->orig_cl_ord_id, 0, sizeof o->orig_cl_ord_id);
  if (cfg->token_kind == GW_TOKEN_TEXT) {
    if (own) gw_next_base36(&l->token_text, mine, (uint8_t *)o->cl_ord_id); else gw_base36_encode(mine, (uint8_t *)o->cl_ord_id);
    o->has |= 1ull << GW_HAS_CL_ORD_ID;
    if (what == OUT_REPLACE || what == OUT_CANCEL) { gw_base36_encode(orig, (uint8_t *)o->orig_cl_ord_id); o->has |= 1ull << GW_HAS_ORIG_CL_ORD_ID; }
  } else {
    o->token = mine;
    o->orig_token = orig;
    if (own || what == OUT_STATUS) o->has |= 1ull << GW_HAS_TOKEN;
    if (what == OUT_REPLACE || what == OUT_CANCEL) o->has |= 1ull << GW_HAS_ORIG_TOKEN;
    o->has &= ~(1ull << GW_HAS_CL_ORD_ID);
  }
  return encode(l, conn, msg, d);
}

/* A report to a strategy: the position in its stream leads to the record, the record to what is told. */
static const gw_dec *told_at(gw_lane *l, uint64_t position, const gw_rec **rec, const gw_breach **b, uint32_t *n) {
  const uint8_t *p = gw_record(l, position >> 4);
  if (!p) return NULL;
  const gw_rec *h = (const gw_rec *)(const void *)p;
  *rec = h;
  *b = NULL;
  *n = 0;
  if (h->kind == GW_REC_IN) {
    const gw_rec_in *r = (const gw_rec_in *)(const void *)p;
    const uint8_t *dec = p + sizeof *r;
    *b = (const gw_breach *)(const void *)(dec + r->dec_len);
    *n = r->n_breaches;
    if (l->scr_lsn != h->lsn && l->cfg[h->conn].role == GW_ROLE_VENUE) {   /* the venue's texts, from its frame again */
      gw_decode_again(l, h->conn, dec + r->dec_len + r->n_breaches * sizeof(gw_breach), r->frame_len);
      l->scr_lsn = h->lsn;
    }
    return (const gw_dec *)(const void *)dec;
  }
  if (h->kind == GW_REC_DENY) {
    const gw_rec_deny *r = (const gw_rec_deny *)(const void *)p;
    return &r->dec;
  }
  if (h->kind != GW_REC_COMMAND) return NULL;
  const gw_rec_cmd *r = (const gw_rec_cmd *)(const void *)p;
  const uint8_t *at = p + sizeof *r;
  for (uint32_t i = 0; i < r->n_subs; i++) {
    const gw_sub *s = (const gw_sub *)(const void *)at;
    const uint8_t *dec = at + sizeof *s + gw_pad8(s->len);
    if (s->dec_len && i == (position & 15u)) return (const gw_dec *)(const void *)dec;
    at = dec + s->dec_len;
  }
  return NULL;
}
static int draft_report(gw_lane *l, uint32_t conn, gw_draft *d) {
  gw_conn *c = &l->conns[conn];
  const gw_conn_cfg *cfg = &l->cfg[conn];
  uint64_t at = l->streams[(size_t)conn * l->sizes.stream + (c->stream_sent & (l->sizes.stream - 1))];
  const gw_rec *rec;
  const gw_breach *b;
  uint32_t n;
  if (cfg->level && at >> 4 > l->core->durable) return 0;   /* told only when it is as durable as was asked for */
  const gw_dec *dec = told_at(l, at, &rec, &b, &n);
  if (!dec) return 0;
  d->r->what = OUT_REPORT;
  d->r->msg_kind = (uint8_t)dec->told.kind;
  d->r->slot = dec->slot;
  d->r->gen = dec->gen;
  d->r->seq = c->tx_next;
  d->r->cause = at >> 4;
  d->r->stream_pos = c->stream_sent + 1;
  gw_told_report(l, &dec->told, rec, b, n, blank(l, conn));
  l->outr.stream_seq = c->stream_sent + 1;
  l->outr.has2 |= 1ull << GW_HAS2_STREAM_SEQ;
  return encode(l, conn, cfg->msg[dec->told.kind == '9' && cfg->family == GW_FAMILY_FIX ? GW_MSG_CANCEL_REJECT : GW_MSG_REPORT], d);
}

/* A frame that cannot be made is not sent: an order is denied by a verdict, anything else is skipped and counted. */
static int verdict(gw_lane *l, uint32_t conn, uint32_t slot, uint16_t reason, gw_pen *pen) {
  gw_rec_deny *r = gw_pen_begin(l, pen, GW_REC_DENY, conn, (uint32_t)sizeof *r);
  if (!r) return 0;
  memset((uint8_t *)r + sizeof(gw_rec), 0, sizeof *r - sizeof(gw_rec));
  gw_dec_verdict(l, slot, reason, &r->dec);
  gw_pen_end(l, pen, r, (uint32_t)sizeof *r);
  return 1;
}
int gw_decide_verdict(gw_lane *l, uint32_t slot, gw_pen *pen) { return verdict(l, l->slots[slot].conn_v, slot, gw_due_of(&l->slots[slot]), pen); }

/* Has an order waited longer for its venue than it may (R5c)? */
int gw_waited_too_long(const gw_lane *l, uint32_t conn, uint32_t slot) {
  int64_t ttl = l->cfg[conn].queue_ttl_ns;
  return ttl && (int64_t)l->core->now - l->slots[slot].queued_ns > ttl;
}
/* The denial of an order at the head of its queue, where it is to be denied: killed, too old, or not to be said in the venue's words. */
int gw_decide_denial(gw_lane *l, uint32_t conn, uint32_t slot, gw_pen *pen) {
  const gw_conn *c = &l->conns[conn];
  if (slot >= l->sizes.orders || (c->q_new[0] != slot && c->q_replace[0] != slot)) return 0;
  const gw_slot *s = &l->slots[slot];
  int is_new = c->q_new[0] == slot;
  uint16_t reason = 0;
  gw_rec_out r = { .slot = slot };
  uint8_t frame[GW_FRAME_MAX];
  gw_draft d = { .r = &r, .frame = frame, .cap = (int)sizeof frame };
  if (!gw_gate(l, s, is_new ? s->kill_gen : s->rpl_kill_gen, &reason)) return verdict(l, conn, slot, reason, pen);
  if (gw_waited_too_long(l, conn, slot)) return verdict(l, conn, slot, GW_REASON_QUEUE_TTL, pen);
  return draft_order(l, conn, slot, is_new ? OUT_NEW : OUT_REPLACE, &d) <= 0 ? verdict(l, conn, slot, GW_REASON_NOT_EXPRESSIBLE, pen) : 0;
}

/* Which of the orders that wait for this venue comes next, and as what; NONE32 if none may leave now. *reason: it is denied instead. */
static uint32_t next_order(gw_lane *l, uint32_t conn, uint8_t *what, uint16_t *reason) {
  gw_conn *c = &l->conns[conn];
  const gw_conn_cfg *cfg = &l->cfg[conn];
  *reason = 0;
  if (!may_number(c)) return NONE32;
  if (gw_out_table[OUT_CANCEL][c->tx] == OACT_YES && !paced(l, conn, 0)) {
    if (c->q_cancel[0] != NONE32) { *what = OUT_CANCEL; return c->q_cancel[0]; }
    if (c->q_status[0] != NONE32) { *what = OUT_STATUS; return c->q_status[0]; }
  }
  for (int i = 0; i < 2; i++) {
    uint32_t slot = i ? c->q_new[0] : c->q_replace[0];
    if (slot == NONE32) continue;
    gw_slot *s = &l->slots[slot];
    *what = i ? OUT_NEW : OUT_REPLACE;
    if (!gw_gate(l, s, i ? s->kill_gen : s->rpl_kill_gen, reason)) return slot;
    if (gw_waited_too_long(l, conn, slot)) { *reason = GW_REASON_QUEUE_TTL; return slot; }
    if (gw_out_table[*what][c->tx] != OACT_GATE) continue;
    if (cfg->level && s->wait_lsn > l->core->durable) continue;   /* wait first, number after (R5) */
    if (!headroom(l, c) || paced(l, conn, 1)) continue;
    return slot;
  }
  return NONE32;
}
/* Decide the next record of this connection: 1 an OUT or a DENY was written, 0 there is nothing to send. */
int gw_decide_out(gw_lane *l, uint32_t conn, gw_pen *pen) {
  gw_conn *c = &l->conns[conn];
  uint8_t what = OUT_N;
  uint16_t reason = 0;
  uint32_t slot = NONE32;
  if (c->role == GW_ROLE_VENUE && c->sendq_n == 0) {
    slot = next_order(l, conn, &what, &reason);
    if (slot != NONE32 && reason) return verdict(l, conn, slot, reason, pen);
  }
  if (c->tx == GW_CLOSED) return 0;
  int64_t now = (int64_t)l->core->now;
  int session = (c->sendq_n | c->answer_len | c->rr_from | c->ask_from) != 0 || ask_again(c, now) || is_quiet(c, now);
  int report = c->role == GW_ROLE_STRATEGY && c->tx == GW_OPEN && c->stream_sent < c->stream_len;
  if (!session && slot == NONE32 && !report) return 0;
  gw_rec_out *r = gw_pen_begin(l, pen, GW_REC_OUT, conn, (uint32_t)(sizeof *r + GW_FRAME_MAX));
  if (!r) return 0;
  memset((uint8_t *)r + sizeof(gw_rec), 0, sizeof *r - sizeof(gw_rec));
  r->slot = NONE32;
  gw_draft d = { .r = r, .frame = (uint8_t *)r + sizeof *r, .cap = GW_FRAME_MAX };
  int n = 0;
  if (c->sendq_n && may_number(c)) n = draft_send(l, conn, &d);
  else if (!c->sendq_n && session && may_number(c)) n = draft_session(l, conn, &d);
  if (n == 0 && slot != NONE32) {
    n = draft_order(l, conn, slot, what, &d);
    if (n <= 0 && (what == OUT_NEW || what == OUT_REPLACE)) return verdict(l, conn, slot, GW_REASON_NOT_EXPRESSIBLE, pen);
  }
  if (n == 0 && report && may_number(c)) {
    n = draft_report(l, conn, &d);
    if (n == 0) return 0;
  }
  if (n == 0) return 0;
  if (n < 0) { r->frame_len = 0; r->seq = 0; r->token = 0; r->explicit_seq = 1; }   /* nothing leaves; what asked for it is taken from its queue */
  else r->frame_len = (uint32_t)n;
  gw_pen_end(l, pen, r, (uint32_t)(sizeof *r + r->frame_len));
  return 1;
}

/* Application of an OUT record: numbers, queues, times. */
static void filled(gw_lane *l, uint32_t conn, uint64_t from, uint64_t to) {
  gw_conn *c = &l->conns[conn];
  if (c->role != GW_ROLE_VENUE) return;
  uint64_t first = from + GW_NUMS > c->tx_next ? from : c->tx_next - GW_NUMS;
  for (uint64_t n = first; n < to && n < c->tx_next; n++) {   /* a gap fill is no evidence: what it covers is in doubt, and asked for */
    gw_num *x = gw_num_at(l, conn, n);
    if (x->filled) continue;
    x->filled = 1;
    if (x->what == OUT_SEND) { c->facts |= GW_FACT_ASK_AGAIN; gw_belled(l, conn); }
    gw_slot *s = gw_slot_of(l, x->slot, x->gen);
    if (!s || gw_is_final(s->state)) continue;
    if (x->what == OUT_STATUS) gw_order_unasked(l, x->slot, 0);
    if (x->what == OUT_CANCEL && s->cxl_seq == n) { s->cancel_sent = 0; gw_order_want_cancel(l, x->slot, GW_REASON_NONE); }
    if ((x->what == OUT_NEW && s->state == ST_SENT) || (x->what == OUT_REPLACE && s->rpl_state == RPL_SENT && s->rpl_seq == n)) {
      gw_order_doubt(l, x->slot);
      gw_order_ask(l, x->slot);
      c->facts |= GW_FACT_FILLED;
      gw_belled(l, conn);
    }
  }
}
void gw_apply_out(gw_lane *l, const gw_rec_out *r) {
  uint32_t conn = r->h.conn;
  gw_conn *c = &l->conns[conn];
  const gw_conn_cfg *cfg = &l->cfg[conn];
  if (r->n_taken && c->sendq_n) {
    uint32_t len;
    memcpy(&len, c->sendq, 4);
    memmove(c->sendq, c->sendq + gw_pad8(len), c->sendq_len - gw_pad8(len));
    c->sendq_len -= (uint32_t)gw_pad8(len);
    memset(c->sendq + c->sendq_len, 0, gw_pad8(len));
    c->sendq_n--;
  }
  if (r->what == OUT_REPORT && r->stream_pos == c->stream_sent + 1) c->stream_sent++;
  if (r->what == OUT_SESSION || r->what == OUT_RESENT) {
    if (r->msg_kind == '4' || r->what == OUT_RESENT) {
      if (r->what == OUT_SESSION) filled(l, conn, r->a, r->b);
      c->rr_from = r->b;
      if (c->rr_from > c->rr_to) c->rr_from = c->rr_to = c->rr_cut = 0;
    } else if (r->msg_kind == '0') c->answer_len = r->a ? 0 : c->answer_len;
    else if (r->msg_kind == '2') { c->ask_from = 0; c->ask_ns = (int64_t)r->h.t_ns; }
    else if (r->msg_kind == '1') { c->probe_ns = (int64_t)r->h.t_ns; c->probe_id++; }
  }
  if (r->frame_len == 0) {   /* what the protocol cannot say is not tried for ever: a person is told, and the next connection tries again */
    gw_slot *s = gw_slot_of(l, r->slot, r->gen);
    l->core->n_odd++;
    if (s && r->what == OUT_CANCEL) s->cancel_sent = 1;
    if (s && r->what == OUT_STATUS) s->status_wanted = 0;
    if (s && (r->what == OUT_CANCEL || r->what == OUT_STATUS)) gw_unqueue(l, r->slot);
    c->facts |= GW_FACT_ODD;
    gw_belled(l, conn);
    return;
  }
  c->bound_end += r->frame_len;
  if (!r->explicit_seq) {
    gw_num *x = gw_num_at(l, conn, r->seq);
    memset(x, 0, sizeof *x);
    x->lsn = r->h.lsn;
    x->end = c->bound_end;
    x->slot = r->slot;
    x->gen = r->gen;
    x->what = r->what;
    x->epoch = c->epoch;
    c->tx_next = r->seq + 1;
  }
  if (r->token) {
    c->token_next = r->token + 1;
    gw_index_ahead(&l->core->by_token, l->token_pairs, gw_token_key(r->h.conn, c->token_next));   /* where the next one will go */
  }
  c->last_tx_ns = (int64_t)r->h.t_ns;
  c->tx_count++;
  l->core->n_out++;
  if (c->role == GW_ROLE_VENUE && cfg->rate_per_s && (r->what == OUT_NEW || r->what == OUT_REPLACE || r->what == OUT_CANCEL || r->what == OUT_STATUS)) {
    c->pace_tokens = bucket(c, cfg, r->h.t_ns) - 1000000;
    c->pace_ns = (int64_t)r->h.t_ns;
  }
  if (r->slot != NONE32 && r->what != OUT_REPORT) gw_order_sent(l, r);
  gw_dirty(l, conn);
}
