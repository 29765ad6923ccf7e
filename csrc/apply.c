/* apply.c: a record is written, taken into the state, and found again. Nothing but the record is read when it is applied. */
#include "core.h"

/* Begin a record of up to `max` bytes: its head is filled. NULL when the ring has no room (never for a comparison). */
void *gw_pen_begin(gw_lane *l, gw_pen *pen, uint8_t kind, uint32_t conn, uint32_t max) {
  uint8_t *p = pen->live ? gw_ring_begin(l->ring, max) : max <= pen->room ? pen->at : NULL;
  if (!p) return NULL;
  if (pen->live) { pen->at = p; pen->room = max; }
  gw_rec *h = (gw_rec *)(void *)p;
  *h = (gw_rec){ .kind = kind, .ver = GW_REC_VER, .flags = l->step_first ? GW_REC_STEP_FIRST : 0, .lane = l->sizes.lane, .conn = (uint16_t)conn, .epoch = l->conns[conn].epoch,
    .digest = l->core->digest, .lsn = l->core->lsn + 1, .t_ns = l->core->now };
  return p;
}
/* The record is whole: `len` bytes. The ring refuses it only where it, or this lane, is damaged: what is not journaled must not happen. */
void gw_pen_end(gw_lane *l, gw_pen *pen, void *rec, uint32_t len) {
  gw_rec *h = rec;
  if (!pen->live) h->len = gw_rec_pad(rec, len, gw_pad8(len));
  else if (gw_ring_end(l->ring, len, l->core->lsn + 1) < 0) {
    gw_ring_fail(l->ring, GW_FAILED_APPEND);
    l->broken = 1;
    gw_belled(l, 0);
  }
  l->step_first = 0;
  pen->room = (uint32_t)gw_pad8(len);
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
/* No OUT record proves nothing when the tail is lost: what waited may have left (T8). What was to be denied already cannot have. */
static void maybe_sent(gw_lane *l) {
  for (uint32_t i = 0; i < l->sizes.orders; i++) {
    gw_slot *s = &l->slots[i];
    if (s->state == ST_FREE || gw_is_final(s->state)) continue;
    if (s->state == ST_QUEUED ? s->due : s->rpl_state != RPL_QUEUED || (s->due && s->due != DUE_DOUBT)) continue;
    gw_unqueue(l, i);
    if (s->state == ST_QUEUED) s->state = ST_SENT; else s->rpl_state = RPL_SENT;
    gw_order_doubt(l, i);
  }
}
static void crash_verdicts(gw_lane *l, int survived) {
  for (uint32_t i = 0; i < l->sizes.orders; i++) {
    gw_slot *s = &l->slots[i];
    if (s->state == ST_FREE || gw_is_final(s->state)) continue;
    if (s->state == ST_QUEUED) { gw_order_due(l, i, GW_REASON_RESTART); continue; }
    if (s->rpl_state == RPL_QUEUED) gw_order_due(l, i, GW_REASON_RESTART);
    else if (s->state == ST_SENT || s->rpl_state == RPL_SENT || !survived) gw_order_doubt(l, i);
    if (s->cancel_wanted && s->cancel_sent) { s->cancel_sent = 0; gw_order_want_cancel(l, i, GW_REASON_NONE); }
  }
}
static void apply_restart(gw_lane *l, const gw_rec_restart *r) {
  l->core->epoch = r->new_epoch;
  l->core->stopping = l->core->stopped = l->core->journal_failed = 0;
  l->core->facts &= ~(uint32_t)(GW_FACT_STOPPED | GW_FACT_JOURNAL);   /* of the life before, told or not */
  if (!r->survived) maybe_sent(l);   /* before their connections are closed, which denies what waits */
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
/* A record that is no message. */
__attribute__((noinline)) static void take_in_other(gw_lane *l, const gw_rec *h) {
  const uint8_t *rec = (const uint8_t *)h;
  gw_core *c = l->core;
  switch (h->kind) {
    case GW_REC_START: c->started = 1; c->epoch = ((const gw_rec_start *)(const void *)rec)->epoch; break;
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
}
void gw_take_in(gw_lane *l, const uint8_t *rec) {
  const gw_rec *h = (const gw_rec *)(const void *)rec;
  l->core->now = h->t_ns;
  if (h->kind == GW_REC_IN) apply_in(l, (const gw_rec_in *)(const void *)rec);
  else if (h->kind == GW_REC_OUT) gw_apply_out(l, (const gw_rec_out *)(const void *)rec);
  else take_in_other(l, h);
  gw_taken(l, h);
}
int gw_apply(gw_lane *l, const uint8_t *rec) {
  const gw_rec *h = (const gw_rec *)(const void *)rec;
  if (h->lsn != l->core->lsn + 1) return GW_E_ORDER;
  int rc = gw_rec_sound(l, h);
  if (rc == 0) gw_take_in(l, rec);
  return rc;
}
