/* lane.c: the lane itself: its memory, one step of it, and the application of every kind of record. */
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
  l->seen_keys = take(&a, (size_t)z->seen * 2 * 8);
  l->seen_ring = take(&a, (size_t)z->seen * 8);
  l->nums = take(&a, (size_t)z->conns * GW_NUMS * sizeof *l->nums);
  l->streams = take(&a, (size_t)z->conns * z->stream * 8);
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
  l->rx_buf = take(&a, (size_t)z->conns * z->rx);
  l->tx_buf = take(&a, (size_t)z->conns * z->tx);
  l->cmds = take(&a, z->commands * sizeof *l->cmds);
  l->evs = take(&a, z->events * sizeof *l->evs);
  if (base) {
    l->core->by_client.mask = clients - 1;
    l->core->by_token.mask = tokens - 1;
    l->core->seen.mask = z->seen - 1;
    l->risk_sizes = rz;
  }
  return a.at;
}
size_t gw_lane_size(const gw_sizes *z) { return sizes_ok(z) ? lay_out(NULL, NULL, z) : 0; }

static uint64_t symbol_hash(const char *p) { return gw_hash_text(p, 16); }
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
    uint32_t at = (uint32_t)symbol_hash(l->instruments[i].symbol) & l->instrument_mask;
    while (l->instrument_index[at]) at = (at + 1) & l->instrument_mask;
    l->instrument_index[at] = i;
  }
  for (uint32_t i = 0; i < t->n_secrets; i++) if (l->secrets[i].len > sizeof l->secrets[i].value) return GW_E_RANGE;
  for (uint32_t i = 0; i < t->n_listings; i++) {
    const gw_listing *a = &l->listings[i];
    if (a->instrument >= t->n_instruments || a->venue >= t->n_venues) return GW_E_RANGE;
    if (i && (a[-1].instrument > a->instrument || (a[-1].instrument == a->instrument && a[-1].venue >= a->venue))) return GW_E_RANGE;
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

/* Records ----------------------------------------------------------------------------------------------------------------- */
/* Begin a record of up to `max` bytes: its head is filled. NULL when the ring has no room (never for a comparison). */
void *gw_pen_begin(gw_lane *l, gw_pen *pen, uint8_t kind, uint32_t conn, uint32_t max) {
  uint8_t *p = pen->live ? gw_ring_reserve(l->ring, max) : max <= pen->room ? pen->at : NULL;
  if (!p) return NULL;
  if (pen->live) { pen->at = p; pen->room = max; }
  gw_rec *h = (gw_rec *)(void *)p;
  memset(h, 0, sizeof *h);
  h->kind = kind;
  h->ver = 1;
  h->lane = l->sizes.lane;
  h->conn = (uint16_t)conn;
  h->epoch = l->conns[conn].epoch;
  h->lsn = l->core->lsn + 1;
  h->t_ns = l->core->now;
  h->digest = l->core->digest;
  if (l->step_first) h->flags |= GW_REC_STEP_FIRST;
  return p;
}
/* The record is whole: `len` bytes. */
void gw_pen_end(gw_lane *l, gw_pen *pen, void *rec, uint32_t len) {
  gw_rec *h = rec;
  uint32_t padded = (uint32_t)gw_pad8(len);
  memset((uint8_t *)rec + len, 0, padded - len);
  h->len = padded;
  if (pen->live) { if (gw_ring_commit(l->ring, len) < 0) l->core->journal_failed = 1; }
  l->step_first = 0;
  pen->room = padded;
}
const uint8_t *gw_record(gw_lane *l, uint64_t lsn) {
  const gw_rec *r = l->ring && !l->replaying ? gw_ring_at(l->ring, lsn) : NULL;
  if (r) return (const uint8_t *)r;
  return l->rim && l->rim->fetch ? l->rim->fetch(l->rim->ctx, lsn) : NULL;
}

/* Applying ------------------------------------------------------------------------------------------------------------------ */
static void apply_in(gw_lane *l, const gw_rec_in *r) {
  const uint8_t *p = (const uint8_t *)r + sizeof *r, *frame = p + r->dec_len + r->n_breaches * sizeof(gw_breach);
  l->core->n_in++;
  l->core->digest = gw_crc32c(l->core->digest, frame, r->frame_len);
  gw_apply_session(l, r->h.conn, r, frame);
  if (r->dec_len) gw_apply_dec(l, &r->h, (const gw_dec *)(const void *)p, frame, r->frame_len, r->h.conn, 0);
}
static void apply_io(gw_lane *l, const gw_rec_io *r) {
  uint32_t conn = r->h.conn;
  gw_conn *c = &l->conns[conn];
  if (r->what == GW_IO_SILENT) { c->facts |= GW_FACT_SILENT; gw_belled(l, conn); return; }
  if (r->what != GW_IO_CLOSED) return;
  /* Frames whose last byte no socket took never were: their numbers are VOID (R5). */
  uint64_t first = c->tx_next > GW_NUMS ? c->tx_next - GW_NUMS : 1;
  for (uint64_t n = c->tx_next; n-- > first;) {
    gw_num *x = gw_num_at(l, conn, n);
    if (x->epoch != c->epoch || x->end <= r->a || x->filled) break;
    x->filled = 1;
    if (c->role == GW_ROLE_VENUE) gw_order_void(l, x->slot, x->gen, x->what);
    else if (x->what == OUT_REPORT && c->stream_sent) c->stream_sent--;   /* it will be told again */
  }
  gw_conn_closed(l, conn);
}
static void crash_verdicts(gw_lane *l, int survived) {
  for (uint32_t i = 0; i < l->sizes.orders; i++) {
    gw_slot *s = &l->slots[i];
    if (s->state == ST_FREE || gw_is_final(s->state)) continue;
    if (s->state == ST_QUEUED) {
      if (survived) { if (!s->due) gw_order_due(l, i, GW_REASON_RESTART); }
      else { gw_unqueue(l, i); s->state = ST_SENT; gw_order_doubt(l, i); }   /* no OUT record proves nothing when the tail is lost (T8) */
      continue;
    }
    if (s->rpl_state == RPL_QUEUED) { if (survived) gw_order_due(l, i, GW_REASON_RESTART); else { s->rpl_state = RPL_SENT; gw_unqueue(l, i); gw_order_doubt(l, i); } }
    else if (s->state == ST_SENT || s->rpl_state == RPL_SENT || !survived) gw_order_doubt(l, i);
    if (s->cancel_wanted && s->cancel_sent) { s->cancel_sent = 0; gw_order_want_cancel(l, i, GW_REASON_NONE); }
  }
}
static void apply_restart(gw_lane *l, const gw_rec_restart *r) {
  l->core->epoch = r->new_epoch;
  l->core->stopping = l->core->stopped = l->core->journal_failed = 0;
  l->core->facts &= ~(uint32_t)(GW_FACT_STOPPED | GW_FACT_JOURNAL);   /* of the life before, told or not */
  for (uint32_t i = 1; i < l->n_conns; i++) {
    gw_conn *c = &l->conns[i];
    if (!r->survived) {   /* the lost tail may have used any number below the mark */
      if (c->watermark > c->tx_next) c->tx_next = c->watermark;
      if (c->token_mark > c->token_next) {
        if (c->lost_to == 0) c->lost_from = c->token_next;
        c->lost_to = c->token_next = c->token_mark;
      }
    }
    if (c->rx != GW_CLOSED || c->tx != GW_CLOSED) gw_conn_closed(l, i);
    c->facts &= ~(uint32_t)GW_FACT_CLOSED;
    c->ctl_done = c->ctl_done < c->ctl_last ? c->ctl_done : c->ctl_last;
  }
  crash_verdicts(l, (int)r->survived);
}
/* Take in a record that is known to be sound: it was just decided, or looked at. */
static void apply(gw_lane *l, const uint8_t *rec) {
  const gw_rec *h = (const gw_rec *)(const void *)rec;
  gw_core *c = l->core;
  c->now = h->t_ns;
  c->digest = gw_crc32c(c->digest, &h->t_ns, 8);
  switch (h->kind) {
    case GW_REC_START: c->started = 1; c->epoch = ((const gw_rec_start *)(const void *)rec)->epoch; break;
    case GW_REC_IN: apply_in(l, (const gw_rec_in *)(const void *)rec); break;
    case GW_REC_OUT: gw_apply_out(l, (const gw_rec_out *)(const void *)rec); break;
    case GW_REC_DENY: gw_apply_dec(l, h, &((const gw_rec_deny *)(const void *)rec)->dec, NULL, 0, h->conn, 0); break;
    case GW_REC_COMMAND: gw_apply_cmd(l, (const gw_rec_cmd *)(const void *)rec); break;
    case GW_REC_IO: apply_io(l, (const gw_rec_io *)(const void *)rec); break;
    case GW_REC_LATCH: gw_apply_latch(l, (const gw_rec_latch *)(const void *)rec); break;
    case GW_REC_DURABLE: c->durable = ((const gw_rec_num *)(const void *)rec)->value; break;
    case GW_REC_WATERMARK: {
      const gw_rec_num *r = (const gw_rec_num *)(const void *)rec;
      if (r->kind == GW_MARK_TOKEN) l->conns[h->conn].token_mark = r->value; else l->conns[h->conn].watermark = r->value;
      gw_dirty(l, h->conn);
      break;
    }
    case GW_REC_NOTE: {
      const gw_rec_num *r = (const gw_rec_num *)(const void *)rec;
      if (r->kind == GW_NOTE_JOURNAL_FAILED) {
        c->journal_failed = 1;
        c->facts |= GW_FACT_JOURNAL;
        gw_belled(l, 0);
        for (uint32_t i = 1; i < l->n_conns; i++) if (l->conns[i].role == GW_ROLE_VENUE) gw_deny_queued(l, i, GW_REASON_JOURNAL_FAILED);
      }
      break;
    }
    case GW_REC_RESTART: apply_restart(l, (const gw_rec_restart *)(const void *)rec); break;
    case GW_REC_STOP: c->stopped = 1; c->facts |= GW_FACT_STOPPED; gw_belled(l, 0); break;
    default: break;
  }
  c->lsn = h->lsn;
}
int gw_apply(gw_lane *l, const uint8_t *rec) {
  const gw_rec *h = (const gw_rec *)(const void *)rec;
  if (h->lsn != l->core->lsn + 1) return GW_E_ORDER;
  int rc = gw_rec_sound(l, h);
  if (rc == 0) apply(l, rec);
  return rc;
}

/* Deciding: each kind of input, and its record ------------------------------------------------------------------------------- */
static int decide_start(gw_lane *l, const uint8_t *config, uint32_t n, gw_pen *pen) {
  gw_rec_start *r = gw_pen_begin(l, pen, GW_REC_START, 0, (uint32_t)sizeof *r + n);
  if (!r) return 0;
  memset((uint8_t *)r + sizeof(gw_rec), 0, sizeof *r - sizeof(gw_rec));
  r->epoch = l->core->started ? l->core->epoch : 1;   /* a later life with another configuration begins with a START of its own */
  r->config_len = n;
  memcpy((uint8_t *)r + sizeof *r, config, n);
  gw_pen_end(l, pen, r, (uint32_t)sizeof *r + n);
  return 1;
}
/* A frame (n > 0), or n bytes that are none (garbled). */
static int decide_in(gw_lane *l, uint32_t conn, const uint8_t *p, uint32_t n, int garbled, gw_pen *pen) {
  gw_conn *c = &l->conns[conn];
  gw_inmsg m;
  uint32_t most = (uint32_t)(sizeof(gw_rec_in) + sizeof(gw_dec) + GW_RISK_BREACH_MAX * sizeof(gw_breach)) + n;
  gw_rec_in *r = gw_pen_begin(l, pen, GW_REC_IN, conn, most);
  if (!r) return 0;
  memset((uint8_t *)r + sizeof(gw_rec), 0, sizeof *r - sizeof(gw_rec));
  if (garbled) { memset(&m, 0, sizeof m); m.cls = l->cfg[conn].family == GW_FAMILY_FIX ? CLS_GARBLED : CLS_FRAMING; }
  else gw_class_in(l, conn, p, n, &m);
  r->cls = m.cls;
  r->rx = c->rx;
  r->seq = m.seq;
  r->expected = c->rx_next;
  r->off = m.off;
  r->n = m.n;
  r->a = m.a;
  r->b = m.b;
  r->prev_ctl = c->ctl_last;
  int act = gw_table_in(c->family, m.cls, c->rx);
  r->act = act < 0 ? ACT_DROP : (uint8_t)act;
  if (c->role == GW_ROLE_DOOR) r->act = m.cls == CLS_LOGON ? ACT_BARRIER : m.cls == CLS_GARBLED ? ACT_DROP : ACT_CLOSE;
  r->consumed = c->role != GW_ROLE_DOOR && !garbled && m.cls != CLS_SEQ_RESET && m.cls != CLS_HEADER_FAULT && m.cls != CLS_GARBLED && m.seq == c->rx_next && m.seq != 0;
  if (!garbled && c->family == GW_FAMILY_SOUP && p[2] != 'S') r->consumed = 0;
  if (c->family == GW_FAMILY_API) r->consumed = m.cls == CLS_BUSINESS;
  uint8_t *at = (uint8_t *)r + sizeof *r;
  gw_dec *d = (gw_dec *)(void *)at;
  if (r->act == ACT_LANE && m.cls == CLS_BUSINESS) {
    if (c->role == GW_ROLE_STRATEGY) gw_dec_request(l, conn, d); else gw_dec_report(l, conn, d);
    r->dec_len = sizeof *d;
    if (d->what == DEC_ORPHAN) r->act = ACT_LANE_NOTICE;
  } else if (m.cls == CLS_REJECT && r->act == ACT_LANE_NOTICE && c->role == GW_ROLE_VENUE) {
    gw_dec_refused(l, conn, m.a, d);
    if (d->what != DEC_NONE) { r->dec_len = sizeof *d; if (d->slot != NONE32) r->act = ACT_LANE_NOTICE; }
  }
  if (r->dec_len) {
    r->n_breaches = d->n_breaches;
    memcpy(at + r->dec_len, l->breaches, r->n_breaches * sizeof(gw_breach));
    if (m.cls == CLS_BUSINESS) l->scr_lsn = r->h.lsn;   /* a Reject was not decoded: what is in scr is of another message */
  }
  at += r->dec_len + r->n_breaches * sizeof(gw_breach);
  if (r->act == ACT_BARRIER || r->act == ACT_NOTICE || r->act == ACT_LANE_NOTICE) r->h.flags |= GW_REC_TO_CONTROL;
  memcpy(at, p, n);
  r->frame_len = n;
  if (c->role != GW_ROLE_VENUE && m.cls == CLS_LOGON && gw_mask_frame(l, conn, at, n)) r->h.flags |= GW_REC_MASKED;
  gw_pen_end(l, pen, r, (uint32_t)(at - (uint8_t *)r) + n);
  return 1;
}
static int decide_io(gw_lane *l, uint32_t conn, uint8_t what, int64_t error, uint64_t a, gw_pen *pen) {
  gw_rec_io *r = gw_pen_begin(l, pen, GW_REC_IO, conn, (uint32_t)sizeof *r);
  if (!r) return 0;
  memset((uint8_t *)r + sizeof(gw_rec), 0, sizeof *r - sizeof(gw_rec));
  r->what = what;
  r->error = error;
  r->a = a;
  gw_pen_end(l, pen, r, (uint32_t)sizeof *r);
  return 1;
}
static int decide_num(gw_lane *l, uint8_t kind, uint32_t conn, uint32_t what, uint64_t value, gw_pen *pen) {
  gw_rec_num *r = gw_pen_begin(l, pen, kind, conn, (uint32_t)sizeof *r);
  if (!r) return 0;
  r->kind = what;
  r->pad_ = 0;
  r->value = value;
  gw_pen_end(l, pen, r, (uint32_t)sizeof *r);
  return 1;
}
static int decide_latch(gw_lane *l, const gw_rec_latch *in, gw_pen *pen) {
  gw_rec_latch *r = gw_pen_begin(l, pen, GW_REC_LATCH, 0, (uint32_t)sizeof *r);
  if (!r) return 0;
  memset((uint8_t *)r + sizeof(gw_rec), 0, sizeof *r - sizeof(gw_rec));
  memcpy((uint8_t *)r + sizeof(gw_rec), (const uint8_t *)in + sizeof(gw_rec), sizeof *r - sizeof(gw_rec));
  gw_pen_end(l, pen, r, (uint32_t)sizeof *r);
  return 1;
}
static int decide_restart(gw_lane *l, int survived, gw_pen *pen) {
  gw_rec_restart *r = gw_pen_begin(l, pen, GW_REC_RESTART, 0, (uint32_t)sizeof *r);
  if (!r) return 0;
  memset((uint8_t *)r + sizeof(gw_rec), 0, sizeof *r - sizeof(gw_rec));
  r->survived = survived ? 1 : 0;
  r->last_lsn = l->core->lsn;
  r->new_epoch = l->core->epoch + 1;
  r->n_doubt = l->core->in_doubt;
  gw_pen_end(l, pen, r, (uint32_t)sizeof *r);
  return 1;
}
static int decide_stop(gw_lane *l, gw_pen *pen) {
  gw_rec_stop *r = gw_pen_begin(l, pen, GW_REC_STOP, 0, (uint32_t)sizeof *r);
  if (!r) return 0;
  r->state_hash = gw_state_hash(l);
  gw_pen_end(l, pen, r, (uint32_t)sizeof *r);
  return 1;
}

/* Live: decide into the ring, apply ------------------------------------------------------------------------------------------ */
static int live(gw_lane *l, gw_pen *pen, int decided) {
  if (!decided) return 0;
  GW_CRASH_POINT();
  apply(l, pen->at);
  return 1;
}
#define LIVE(call) live(l, &pen, call)
static gw_pen live_pen(void) { return (gw_pen){ .live = 1 }; }

int gw_start(gw_lane *l, const uint8_t *config, uint32_t n) {
  gw_pen pen = live_pen();
  l->core->now = (uint64_t)l->rim->now(l->rim->ctx);
  return LIVE(decide_start(l, config, n, &pen)) ? 0 : GW_E_SPACE;
}
int gw_restart(gw_lane *l, int survived) {
  gw_pen pen = live_pen();
  uint64_t now = (uint64_t)l->rim->now(l->rim->ctx);
  if (now > l->core->now) l->core->now = now;
  /* The record of a granted watermark may be lost with the tail, and the numbers under it be used: the file knows them all. */
  for (uint32_t i = 1; i < l->n_conns; i++)
    for (uint32_t kind = GW_MARK_TX; kind <= GW_MARK_TOKEN; kind++) {
      uint64_t granted = l->rim->watermark(l->rim->ctx, i, kind, 0);
      if (granted > (kind == GW_MARK_TX ? l->conns[i].watermark : l->conns[i].token_mark) && !LIVE(decide_num(l, GW_REC_WATERMARK, i, kind, granted, &pen))) return GW_E_SPACE;
    }
  return LIVE(decide_restart(l, survived, &pen)) ? 0 : GW_E_SPACE;
}

/* The latch's words, each change an input. */
static int look_at_latch(gw_lane *l, int at_gate) {
  int n = 0;
  /* Whose head is no longer what it was is no latch any more; it may become one again, the same or another. */
  const gw_latch_file *f = l->latch && memcmp(&l->latch->head, &l->latch_head, sizeof l->latch_head) == 0 ? l->latch : NULL;
  if (f && memcmp(f->words, l->latch_words, sizeof l->latch_words) == 0) return 0;
  for (uint32_t slot = 0; slot < GW_LATCH_WORDS; slot++) {
    uint64_t word = gw_latch_load(f, l->latch_salt, slot);
    if (word == l->core->kills[slot].word) continue;
    gw_latch_id id;
    gw_pen pen = live_pen();
    uint8_t scope = GW_SCOPE_FIRM;
    uint32_t entity = 0;
    if (gw_latch_identity(f, l->latch_salt, slot, &id)) { if (slot != GW_LATCH_FIRM) { scope = id.kind; entity = gw_entity(l, id.kind, id.name, id.name_len); if (entity == NONE32) scope = NONE8; } }
    else if (word == 0) { scope = NONE8; memset(&id, 0, sizeof id); }
    else memset(&id, 0, sizeof id);   /* whom it means cannot be read: the firm */
    gw_rec_latch in = { .slot = slot, .at_gate = (uint8_t)at_gate, .scope = scope, .dropped = (uint8_t)gw_latch_dropped(word, l->latch_salt, slot), .entity = scope == NONE8 ? 0 : entity, .word = word };
    memcpy(in.name, id.name, sizeof in.name);
    if (!LIVE(decide_latch(l, &in, &pen))) return n;
    if (f) gw_latch_saw(&l->latch->seen, slot, word, l->core->now);
    n++;
  }
  return n;
}
static int verdicts(gw_lane *l) {
  int n = 0;
  while (l->core->due_head != NONE32) {
    gw_pen pen = live_pen();
    if (!LIVE(gw_decide_verdict(l, l->core->due_head, &pen))) break;
    n++;
  }
  return n;
}
static void flush(gw_lane *l, uint32_t conn) {
  gw_wire *w = &l->wires[conn];
  while (w->woff < w->wlen && !w->closed) {
    GW_CRASH_POINT();
    int64_t k = l->rim->send(l->rim->ctx, conn, gw_tx(l, conn) + w->woff, w->wlen - w->woff);
    if (k < 0) { w->closed = 1; w->error = k; break; }
    if (k == 0) break;
    w->woff += (uint32_t)k;
    w->sent += (uint64_t)k;
  }
  if (w->woff == w->wlen) w->woff = w->wlen = 0;
}
static int end_conn(gw_lane *l, uint32_t conn) {
  gw_pen pen = live_pen();
  gw_wire *w = &l->wires[conn];
  if (l->conns[conn].rx == GW_CLOSED && l->conns[conn].tx == GW_CLOSED) return 0;
  if (!LIVE(decide_io(l, conn, GW_IO_CLOSED, w->error, w->sent, &pen))) return 0;
  l->rim->close(l->rim->ctx, conn);
  gw_wire_reset(w);
  l->unread[conn / 64] &= ~(1ull << (conn % 64));
  return 1;
}
static void to_wire(gw_lane *l, uint32_t conn, const uint8_t *rec, uint32_t n) {
  gw_wire *w = &l->wires[conn];
  const gw_rec_out *r = (const gw_rec_out *)(const void *)rec;
  memcpy(gw_tx(l, conn) + w->wlen, r->h.flags & GW_REC_MASKED ? l->clear : rec + sizeof *r, n);
  w->wlen += n;
}
enum { MARK_AHEAD = 1 << 16 };   /* numbers asked for ahead of use */
static int marks_low(const gw_conn *c) { return c->watermark <= c->tx_next + MARK_AHEAD / 2 || c->token_mark <= c->token_next + MARK_AHEAD / 2; }
/* Orders that a socket without credit keeps waiting too long are denied all the same. */
static int deny_old(gw_lane *l, uint32_t conn) {
  const gw_conn *c = &l->conns[conn];
  int n = 0;
  for (int i = 0; i < 2; i++) {
    const uint32_t *q = i ? c->q_new : c->q_replace;
    while (q[0] != NONE32 && gw_waited_too_long(l, conn, q[0])) {
      gw_pen pen = live_pen();
      if (!LIVE(gw_decide_denial(l, conn, q[0], &pen))) return n;
      n++;
    }
  }
  return n;
}
/* What is left of the ring is kept for venues: requests stay unread and reports untold until the writer has made room. */
static int starved(const gw_lane *l, uint32_t conn) {
  uint64_t keep = 4 * GW_FRAME_MAX + (l->conns[conn].role == GW_ROLE_VENUE ? 0 : gw_sweep_room(l));
  return gw_ring_room(l->ring, keep) < keep;
}
/* A strategy that does not read is not read either, before its refusals push what it has not seen out of its stream. */
static int slow(const gw_lane *l, uint32_t conn) {
  const gw_conn *c = &l->conns[conn];
  return c->role == GW_ROLE_STRATEGY && c->stream_len - c->stream_sent >= l->sizes.stream / 8 * 7;
}
static int heartbeat_due(const gw_lane *l, const gw_conn *c) { return c->hb_ns && (int64_t)l->core->now - c->last_tx_ns >= c->hb_ns; }
/* Bind what may leave on a connection now, while there is credit: numbered, encoded, journaled, in the buffer. *blocked: credit ended first. */
static int bind_out(gw_lane *l, uint32_t conn, int *blocked) {
  gw_conn *c = &l->conns[conn];
  gw_wire *w = &l->wires[conn];
  int n = 0;
  for (;;) {
    if (w->wlen) { if (w->wlen + GW_FRAME_MAX > l->sizes.tx || w->credit <= 0) { flush(l, conn); if (w->wlen) { *blocked = 1; break; } } }
    if (w->credit <= 0 && c->tx != GW_CLOSED && !w->closed) { w->credit = l->rim->budget(l->rim->ctx, conn); if (w->credit <= 0) { *blocked = 1; n += deny_old(l, conn); break; } }
    if (c->role != GW_ROLE_VENUE && c->sendq_n == 0 && !heartbeat_due(l, c) && starved(l, conn)) break;
    gw_pen pen = live_pen();
    if (c->role == GW_ROLE_VENUE && (c->q_new[0] != NONE32 || c->q_replace[0] != NONE32) && look_at_latch(l, 1)) n += verdicts(l);   /* the last look */
    /* The frame is copied out of its record before the next one is begun. */
    if (!gw_decide_out(l, conn, &pen)) break;
    const gw_rec *h = (const gw_rec *)(const void *)pen.at;
    uint32_t len = h->kind == GW_REC_OUT ? ((const gw_rec_out *)(const void *)pen.at)->frame_len : 0;
    if (len) { to_wire(l, conn, pen.at, len); w->credit -= len; }
    GW_CRASH_POINT();
    apply(l, pen.at);
    n++;
    if (l->core->due_head != NONE32) n += verdicts(l);
    if (w->closed) break;
  }
  return n;
}
/* Everything that may leave on a connection now, handed over in one send. */
static int send_out(gw_lane *l, uint32_t conn) {
  gw_conn *c = &l->conns[conn];
  gw_wire *w = &l->wires[conn];
  int blocked = 0, n = bind_out(l, conn, &blocked);
  if (w->wlen) flush(l, conn);
  if (w->wlen) blocked = 1;
  if (w->closed || (c->closing && !w->wlen && c->sendq_n == 0) || (c->closing && c->close_at_ns && (int64_t)l->core->now >= c->close_at_ns)) return n + end_conn(l, conn);
  /* A blocked connection is looked at again when the socket takes bytes, and at the timer's pace. */
  if (blocked != w->blocked && c->tx != GW_CLOSED) { w->blocked = (uint8_t)blocked; l->rim->watch(l->rim->ctx, conn, !w->unwatched, blocked); }
  /* What still waits (for a token, a number, the disk) is looked at again soon. */
  if ((c->queued || c->q_cancel[0] != NONE32 || c->q_status[0] != NONE32 || marks_low(c)) && l->next_timer > (int64_t)l->core->now + 1000000) l->next_timer = (int64_t)l->core->now + 1000000;
  if (c->role == GW_ROLE_VENUE || c->stream_sent == c->stream_len || c->tx != GW_OPEN || !starved(l, conn)) l->dirty[conn / 64] &= ~(1ull << (conn % 64));
  return n;
}
enum { STEP_FRAMES = 256 };   /* of one connection: the others, the timers and the latch have their turn */
/* Whole frames in the buffer, until there is none, or the connection is held. What a step leaves (its share is taken, or the journal
 * is full) is marked as unread: no byte has to come for it to be looked at again. */
static int read_frames(gw_lane *l, uint32_t conn) {
  gw_conn *c = &l->conns[conn];
  gw_wire *w = &l->wires[conn];
  int n = 0, more = 0;
  if (w->unwatched && c->rx != GW_HOLD && c->rx != GW_CLOSED && !w->held) { w->unwatched = 0; l->rim->watch(l->rim->ctx, conn, 1, w->blocked); }
  while (c->rx != GW_CLOSED && c->rx != GW_HOLD && !c->closing && !w->held) {
    uint8_t *p = gw_rx(l, conn) + w->roff;
    uint32_t have = w->rlen - w->roff;
    int len = have ? gw_frame_in(l, conn, p, have) : 0;
    if (len == 0) { if (have >= l->sizes.rx - GW_FRAME_MAX / 2 && have >= GW_FRAME_MAX) len = -1; else break; }
    if (starved(l, conn) || slow(l, conn)) { more = 1; break; }   /* the journal, or the stream, is full: bytes stay where they are */
    gw_pen pen = live_pen();
    uint32_t k = len > 0 ? (uint32_t)len : (uint32_t)-len > have ? have : (uint32_t)-len;
    if (!LIVE(decide_in(l, conn, p, k, len < 0, &pen))) { more = 1; break; }
    n++;
    const gw_rec_in *r = (const gw_rec_in *)(const void *)pen.at;
    if (r->act == ACT_BARRIER) { w->held = k; w->held_cls = r->cls; w->held_seq = r->seq; w->held_expected = r->expected; break; }
    w->roff += k;
    uint32_t told = r->dec_len ? ((const gw_dec *)(const void *)(r + 1))->told.stream : r->cls == CLS_TEST_REQUEST && c->answer_len ? conn : 0;   /* each is answered, not the last one only */
    int later;
    if (told) bind_out(l, told, &later);   /* bound while its record is at hand; it leaves with the step's one send */
    if (l->core->due_head != NONE32) verdicts(l);
    if (n >= STEP_FRAMES) { more = 1; break; }
  }
  uint32_t left = w->rlen - w->roff;
  if (!w->held && left == 0) w->rlen = w->roff = 0;
  if (more && left && c->rx != GW_HOLD && !w->held) l->unread[conn / 64] |= 1ull << (conn % 64);
  else l->unread[conn / 64] &= ~(1ull << (conn % 64));
  return n;
}
static int is_unread(const gw_lane *l, uint32_t conn) { return (int)(l->unread[conn / 64] >> (conn % 64) & 1u); }
static int receive(gw_lane *l, uint32_t conn) {
  gw_conn *c = &l->conns[conn];
  gw_wire *w = &l->wires[conn];
  if (c->rx == GW_CLOSED) return 0;
  if (c->rx == GW_HOLD || w->held) {   /* bytes wait where they are */
    if (!w->unwatched) { w->unwatched = 1; l->rim->watch(l->rim->ctx, conn, 0, w->blocked); }
    return 0;
  }
  if (w->roff) {
    memmove(gw_rx(l, conn), gw_rx(l, conn) + w->roff, w->rlen - w->roff);
    w->rlen -= w->roff;
    w->roff = 0;
  }
  if (w->rlen == l->sizes.rx) return 0;
  int64_t k = l->rim->recv(l->rim->ctx, conn, gw_rx(l, conn) + w->rlen, l->sizes.rx - w->rlen);
  if (k < 0) {
    int n = read_frames(l, conn);
    if (l->conns[conn].rx == GW_HOLD || w->held || is_unread(l, conn)) { w->ended = 1; w->error = k; return n; }   /* the end is told when all before it was read */
    w->error = k;
    w->closed = 1;
    return n + end_conn(l, conn);
  }
  if (k == 0) return 0;
  w->rlen += (uint32_t)k;
  return 1 + read_frames(l, conn);
}
/* Watermarks: ask for numbers well ahead of use; what is durable is an input. */
static int marks(gw_lane *l, uint32_t conn) {
  gw_conn *c = &l->conns[conn];
  int n = 0;
  for (uint32_t kind = GW_MARK_TX; kind <= GW_MARK_TOKEN; kind++) {
    uint64_t next = kind == GW_MARK_TX ? c->tx_next : c->token_next, mark = kind == GW_MARK_TX ? c->watermark : c->token_mark;
    if (mark > next + MARK_AHEAD / 2) continue;
    uint64_t got = l->rim->watermark(l->rim->ctx, conn, kind, next + MARK_AHEAD);
    if (got <= mark) continue;
    gw_pen pen = live_pen();
    n += LIVE(decide_num(l, GW_REC_WATERMARK, conn, kind, got, &pen));
  }
  return n;
}
static int timers(gw_lane *l) {
  int64_t now = (int64_t)l->core->now, next = now + 1000000000;
  int n = 0;
  for (uint32_t i = 1; i < l->n_conns; i++) {
    gw_conn *c = &l->conns[i];
    if (c->rx == GW_CLOSED && c->tx == GW_CLOSED) continue;
    int64_t at = INT64_MAX;
    n += marks(l, i);
    if (marks_low(c)) at = now + 1000000;   /* asked for, and not on the disk yet */
    if (c->logged_on && c->hb_ns) {
      if (c->last_tx_ns + c->hb_ns < at) at = c->last_tx_ns + c->hb_ns;
      int64_t probe = c->last_rx_ns + c->hb_ns + c->hb_ns / 5;
      if (c->family == GW_FAMILY_FIX && c->probe_ns == 0 && probe < at) at = probe;
      int64_t silent = c->last_rx_ns + c->silence_ns;
      if (c->silence_ns && now >= silent && !(c->facts & GW_FACT_SILENT)) {
        if (l->wires[i].rlen == l->wires[i].roff && l->rim->unread(l->rim->ctx, i) == 0) { gw_pen pen = live_pen(); n += LIVE(decide_io(l, i, GW_IO_SILENT, 0, 0, &pen)); }
      } else if (c->silence_ns && silent < at) at = silent;
    }
    if (c->closing && c->close_at_ns && c->close_at_ns < at) at = c->close_at_ns;
    if (c->q_new[0] != NONE32 || c->q_cancel[0] != NONE32 || c->q_replace[0] != NONE32 || c->q_status[0] != NONE32) { if (now + 1000000 < at) at = now + 1000000; }
    if (at <= now || c->closing) { gw_dirty(l, i); at = now + 1000000; }
    if (c->q_new[0] != NONE32 || c->q_cancel[0] != NONE32 || c->q_replace[0] != NONE32 || l->wires[i].blocked) gw_dirty(l, i);
    if (at < next) next = at;
  }
  l->next_timer = next;
  return n;
}
/* Events: one bell a connection, rung while it has something and the last one was given back. */
static void ring_bells(gw_lane *l) {
  for (uint32_t word = 0; word < (l->n_conns + 63) / 64; word++) {
    uint64_t bits = l->belled[word];
    while (bits) {
      uint32_t conn = word * 64 + (uint32_t)__builtin_ctzll(bits);
      bits &= bits - 1;
      gw_conn *c = &l->conns[conn];
      gw_wire *w = &l->wires[conn];
      uint32_t facts = conn ? c->facts : l->core->facts;
      if (w->bell) continue;
      if (c->ctl_last <= c->ctl_done && !facts) { l->belled[word] &= ~(1ull << (conn % 64)); continue; }
      if (l->ev_head - __atomic_load_n(&l->ev_tail, __ATOMIC_ACQUIRE) >= l->sizes.events) return;
      gw_ev *e = &l->evs[l->ev_head & (l->sizes.events - 1)];
      memset(e, 0, offsetof(gw_ev, payload));
      e->kind = GW_EV_BELL;
      e->conn = (uint16_t)conn;
      e->rx = c->rx;
      e->tx = c->tx;
      e->epoch = c->epoch;
      e->state_gen = c->state_gen;
      e->lsn = c->ctl_last;
      e->id = c->ctl_done;
      e->now_ns = l->core->now;
      e->facts = facts;
      e->rx_next = c->rx_next;
      e->tx_next = c->tx_next;
      e->error = w->error;
      if (w->held) {
        e->barrier = 1;
        e->cls = w->held_cls;
        e->seq = w->held_seq;
        e->expected = w->held_expected;
        e->len = w->held > GW_EV_MAX ? GW_EV_MAX : w->held;
        memcpy(e->payload, gw_rx(l, conn) + w->roff, e->len);
      }
      w->bell = 1;
      l->belled[word] &= ~(1ull << (conn % 64));
      l->events_posted++;
      __atomic_store_n(&l->ev_head, l->ev_head + 1, __ATOMIC_RELEASE);
      l->rim->wake(l->rim->ctx);
    }
  }
}
/* Does anything wait for the disk? */
static int waits(const gw_lane *l) {   /* what is durable already and waits for something else is no reason for a record, which would be one for the next */
  uint64_t durable = l->core->durable;
  for (uint32_t i = 1; i < l->n_conns; i++) {
    const gw_conn *c = &l->conns[i];
    if (c->q_new[0] != NONE32 && l->slots[c->q_new[0]].wait_lsn > durable) return 1;
    if (c->q_replace[0] != NONE32 && l->slots[c->q_replace[0]].wait_lsn > durable) return 1;
    if (c->stream_sent < c->stream_len && c->tx == GW_OPEN && l->streams[(size_t)i * l->sizes.stream + (c->stream_sent & (l->sizes.stream - 1))] >> 4 > durable) return 1;
  }
  return 0;
}
int gw_step(gw_lane *l) {
  gw_core *c = l->core;
  int work = 0;
  uint64_t now = (uint64_t)l->rim->now(l->rim->ctx);
  if (now > c->now) c->now = now;
  l->step_first = 1;
  if (c->stopped) return 0;
  work += gw_commands(l);
  work += look_at_latch(l, 0);
  uint64_t failed = __atomic_load_n(&l->ring->failed, __ATOMIC_RELAXED);
  if (failed && !c->journal_failed) { gw_pen pen = live_pen(); work += LIVE(decide_num(l, GW_REC_NOTE, 0, GW_NOTE_JOURNAL_FAILED, failed, &pen)); }
  if (l->wants_durable) {
    uint64_t durable = __atomic_load_n(&l->ring->durable_lsn, __ATOMIC_ACQUIRE);
    if (durable > c->durable && waits(l)) {
      gw_pen pen = live_pen();
      work += LIVE(decide_num(l, GW_REC_DURABLE, 0, 0, durable, &pen));
      for (uint32_t i = 1; i < l->n_conns; i++) gw_dirty(l, i);
    }
  }
  if (c->due_head != NONE32) work += verdicts(l);
  uint16_t ready[64];
  int n = l->rim->ready(l->rim->ctx, ready, 64);
  for (int i = 0; i < n; i++) {
    uint32_t conn = ready[i] & (GW_READY_WRITE - 1u);
    if (conn == 0 || conn >= l->n_conns) continue;
    if (ready[i] & GW_READY_WRITE) gw_dirty(l, conn); else work += receive(l, conn);
  }
  for (uint32_t word = 0; word < (l->n_conns + 63) / 64; word++)
    for (uint64_t bits = l->unread[word]; bits; bits &= bits - 1) {
      uint32_t conn = word * 64 + (uint32_t)__builtin_ctzll(bits);
      work += read_frames(l, conn);
      if (l->wires[conn].ended && !l->wires[conn].held && l->conns[conn].rx != GW_HOLD && !is_unread(l, conn)) { l->wires[conn].closed = 1; work += end_conn(l, conn); }
    }
  if (c->due_head != NONE32) work += verdicts(l);
  if ((int64_t)c->now >= l->next_timer) work += timers(l);
  for (uint32_t word = 0; word < (l->n_conns + 63) / 64; word++)
    for (uint64_t bits = l->dirty[word]; bits; bits &= bits - 1) work += send_out(l, word * 64 + (uint32_t)__builtin_ctzll(bits));
  if (c->due_head != NONE32) work += verdicts(l);
  for (uint32_t word = 0; word < (l->n_conns + 63) / 64; word++)   /* what a verdict told leaves in the same step */
    for (uint64_t bits = l->dirty[word]; bits; bits &= bits - 1) work += send_out(l, word * 64 + (uint32_t)__builtin_ctzll(bits));
  if (c->stopping == 2 && !c->stopped) { gw_pen pen = live_pen(); work += LIVE(decide_stop(l, &pen)); }
  ring_bells(l);
  return work;
}
void gw_lane_mapped(gw_lane *l, uint64_t pid) {
  if (!l->latch) return;
  uint64_t words[GW_LATCH_WORDS];
  for (uint32_t i = 0; i < GW_LATCH_WORDS; i++) words[i] = l->core->kills[i].word;
  gw_latch_begin(&l->latch->seen, pid, l->latch_salt, l->core->now, words);
}
int gw_lane_urgent(const gw_lane *l) { return l->wants_durable && waits(l); }
int gw_lane_has_commands(const gw_lane *l) { return l->cmd_tail != __atomic_load_n(&l->cmd_head, __ATOMIC_ACQUIRE); }
int gw_lane_stopped(const gw_lane *l) { return l->core->stopped; }
int64_t gw_idle_ns(const gw_lane *l, int64_t most) {
  int64_t left = l->next_timer - (int64_t)l->core->now;
  return left < 0 ? 0 : left > most ? most : left;
}
int gw_ev_pop(gw_lane *l, gw_ev *out) {
  uint64_t tail = l->ev_tail;
  if (tail == __atomic_load_n(&l->ev_head, __ATOMIC_ACQUIRE)) return 0;
  const gw_ev *e = &l->evs[tail & (l->sizes.events - 1)];
  memcpy(out, e, offsetof(gw_ev, payload) + e->len);
  __atomic_store_n(&l->ev_tail, tail + 1, __ATOMIC_RELEASE);
  return 1;
}

/* Deciding again --------------------------------------------------------------------------------------------------------------- */
static int differ(gw_diff *d, const gw_rec *want, const uint8_t *got, uint32_t got_len) {
  const uint8_t *a = (const uint8_t *)want;
  uint32_t n = want->len < got_len ? want->len : got_len, at = 8;
  while (at < n && a[at] == got[at]) at++;
  if (at >= n && want->len == got_len) return 0;
  *d = (gw_diff){ .lsn = want->lsn, .offset = at, .kind = want->kind, .want_len = want->len, .got_len = got_len };
  return GW_E_DIFFERS;
}
int gw_verify(gw_lane *l, const uint8_t *rec, uint8_t *scratch, size_t cap, gw_diff *diff) {
  const gw_rec *h = (const gw_rec *)(const void *)rec;
  if (h->lsn != l->core->lsn + 1) return GW_E_ORDER;
  int rc = gw_rec_sound(l, h);
  if (rc) return rc;
  if (h->t_ns < l->core->now) { *diff = (gw_diff){ .lsn = h->lsn, .offset = offsetof(gw_rec, t_ns), .kind = h->kind }; return GW_E_DIFFERS; }   /* time never runs back */
  gw_pen pen = { .at = scratch, .room = (uint32_t)(cap > UINT32_MAX ? UINT32_MAX : cap) };
  l->replaying = 1;
  l->core->now = h->t_ns;
  l->step_first = h->flags & GW_REC_STEP_FIRST ? 1 : 0;
  int decided = 0, applied = 0;
  switch (h->kind) {
    case GW_REC_START: {
      const gw_rec_start *r = (const gw_rec_start *)(const void *)rec;
      decided = decide_start(l, rec + sizeof *r, r->config_len, &pen);
      break;
    }
    case GW_REC_IN: {
      const gw_rec_in *r = (const gw_rec_in *)(const void *)rec;
      const uint8_t *frame = rec + sizeof *r + r->dec_len + r->n_breaches * sizeof(gw_breach);
      int garbled = r->frame_len == 0 || gw_frame_in(l, h->conn, frame, r->frame_len) != (int)r->frame_len;
      l->replayed_reason = r->dec_len ? ((const gw_dec *)(const void *)(rec + sizeof *r))->told.reason : 0;
      decided = decide_in(l, h->conn, frame, r->frame_len, garbled, &pen);
      break;
    }
    case GW_REC_OUT:
      l->hint = (const gw_rec_out *)(const void *)rec;
      decided = gw_decide_out(l, h->conn, &pen);
      l->hint = NULL;
      break;
    case GW_REC_DENY: {
      const gw_rec_deny *r = (const gw_rec_deny *)(const void *)rec;
      decided = l->slots[r->dec.slot].due ? gw_decide_verdict(l, r->dec.slot, &pen) : gw_decide_denial(l, h->conn, r->dec.slot, &pen);
      break;
    }
    case GW_REC_COMMAND: {
      gw_cmd cmd;
      gw_cmd_of_record((const gw_rec_cmd *)(const void *)rec, &cmd);
      decided = applied = gw_decide_cmd(l, &cmd, &pen);
      break;
    }
    case GW_REC_IO: { const gw_rec_io *r = (const gw_rec_io *)(const void *)rec; decided = decide_io(l, h->conn, r->what, r->error, r->a, &pen); break; }
    case GW_REC_LATCH: decided = decide_latch(l, (const gw_rec_latch *)(const void *)rec, &pen); break;
    case GW_REC_DURABLE: case GW_REC_WATERMARK: case GW_REC_NOTE: { const gw_rec_num *r = (const gw_rec_num *)(const void *)rec; decided = decide_num(l, h->kind, h->conn, r->kind, r->value, &pen); break; }
    case GW_REC_RESTART: decided = decide_restart(l, (int)((const gw_rec_restart *)(const void *)rec)->survived, &pen); break;
    case GW_REC_STOP: decided = decide_stop(l, &pen); break;
    default: return GW_E_TYPE;
  }
  if (!decided) { *diff = (gw_diff){ .lsn = h->lsn, .kind = h->kind, .want_len = h->len }; return GW_E_DIFFERS; }
  rc = differ(diff, h, scratch, pen.room);
  if (rc == 0 && !applied) apply(l, rec);
  return rc;
}
