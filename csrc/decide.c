/* decide.c: the record of each kind of input, decided from the state; live by lane.c, and once more for comparison by replay. */
#include "core.h"

int gw_decide_start(gw_lane *l, const uint8_t *config, uint32_t n, gw_pen *pen) {
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
int gw_decide_in(gw_lane *l, uint32_t conn, const uint8_t *p, uint32_t n, int garbled, gw_pen *pen) {
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
  r->act = gw_in_table[c->family][m.cls][c->rx];
  if (c->role == GW_ROLE_DOOR) r->act = m.cls == CLS_LOGON ? ACT_BARRIER : m.cls == CLS_GARBLED ? ACT_DROP : ACT_CLOSE;
  enum { NEVER_CONSUMED = 1 << CLS_SEQ_RESET | 1 << CLS_HEADER_FAULT | 1 << CLS_GARBLED };
  r->consumed = m.seq == c->rx_next && m.seq != 0 && !(NEVER_CONSUMED >> m.cls & 1) && c->role != GW_ROLE_DOOR && !garbled;
  if (!garbled && c->family == GW_FAMILY_SOUP && p[2] != 'S') r->consumed = 0;
  if (c->family == GW_FAMILY_API) r->consumed = m.cls == CLS_BUSINESS;
  uint8_t *at = (uint8_t *)r + sizeof *r;
  gw_dec *d = (gw_dec *)(void *)at;
  if (r->act == ACT_LANE && m.cls == CLS_BUSINESS) {
    if (c->role == GW_ROLE_STRATEGY) gw_dec_request(l, conn, d); else gw_dec_report(l, conn, d);
    r->dec_len = sizeof *d;
    if (d->what == DEC_ORPHAN || d->flags & DEC_ID_REUSED) r->act = ACT_LANE_NOTICE;
  } else if (m.cls == CLS_REJECT && r->act == ACT_LANE_NOTICE && c->role == GW_ROLE_VENUE) {
    gw_dec_refused(l, conn, m.a, d);
    if (d->what != DEC_NONE) { r->dec_len = sizeof *d; if (d->slot != NONE32) r->act = ACT_LANE_NOTICE; }
  }
  if (r->dec_len) {
    r->n_breaches = d->n_breaches;
    if (r->n_breaches) memcpy(at + r->dec_len, l->breaches, r->n_breaches * sizeof(gw_breach));
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
int gw_decide_io(gw_lane *l, uint32_t conn, uint8_t what, int64_t error, uint64_t a, gw_pen *pen) {
  gw_rec_io *r = gw_pen_begin(l, pen, GW_REC_IO, conn, (uint32_t)sizeof *r);
  if (!r) return 0;
  memset((uint8_t *)r + sizeof(gw_rec), 0, sizeof *r - sizeof(gw_rec));
  r->what = what;
  r->error = error;
  r->a = a;
  gw_pen_end(l, pen, r, (uint32_t)sizeof *r);
  return 1;
}
int gw_decide_num(gw_lane *l, uint8_t kind, uint32_t conn, uint32_t what, uint64_t value, gw_pen *pen) {
  gw_rec_num *r = gw_pen_begin(l, pen, kind, conn, (uint32_t)sizeof *r);
  if (!r) return 0;
  r->kind = what;
  r->pad_ = 0;
  r->value = value;
  gw_pen_end(l, pen, r, (uint32_t)sizeof *r);
  return 1;
}
int gw_decide_latch(gw_lane *l, const gw_rec_latch *in, gw_pen *pen) {
  gw_rec_latch *r = gw_pen_begin(l, pen, GW_REC_LATCH, 0, (uint32_t)sizeof *r);
  if (!r) return 0;
  memset((uint8_t *)r + sizeof(gw_rec), 0, sizeof *r - sizeof(gw_rec));
  memcpy((uint8_t *)r + sizeof(gw_rec), (const uint8_t *)in + sizeof(gw_rec), sizeof *r - sizeof(gw_rec));
  gw_pen_end(l, pen, r, (uint32_t)sizeof *r);
  return 1;
}
int gw_decide_restart(gw_lane *l, int survived, gw_pen *pen) {
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
int gw_decide_stop(gw_lane *l, gw_pen *pen) {
  gw_rec_stop *r = gw_pen_begin(l, pen, GW_REC_STOP, 0, (uint32_t)sizeof *r);
  if (!r) return 0;
  r->state_hash = gw_state_hash(l);
  gw_pen_end(l, pen, r, (uint32_t)sizeof *r);
  return 1;
}


/* Decided again --------------------------------------------------------------------------------------------------------------- */
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
      decided = gw_decide_start(l, rec + sizeof *r, r->config_len, &pen);
      break;
    }
    case GW_REC_IN: {
      const gw_rec_in *r = (const gw_rec_in *)(const void *)rec;
      const uint8_t *frame = rec + sizeof *r + r->dec_len + r->n_breaches * sizeof(gw_breach);
      int garbled = r->frame_len == 0 || gw_frame_in(l, h->conn, frame, r->frame_len) != (int)r->frame_len;
      l->replayed_reason = r->dec_len ? ((const gw_dec *)(const void *)(rec + sizeof *r))->told.reason : 0;
      decided = gw_decide_in(l, h->conn, frame, r->frame_len, garbled, &pen);
      break;
    }
    case GW_REC_OUT:
      l->hint = (const gw_rec_out *)(const void *)rec;
      decided = gw_decide_out(l, h->conn, &pen);
      l->hint = NULL;
      break;
    case GW_REC_DENY: {
      const gw_rec_deny *r = (const gw_rec_deny *)(const void *)rec;
      decided = gw_due_of(&l->slots[r->dec.slot]) ? gw_decide_verdict(l, r->dec.slot, &pen) : gw_decide_denial(l, h->conn, r->dec.slot, &pen);
      break;
    }
    case GW_REC_COMMAND: {
      gw_cmd cmd;
      gw_cmd_of_record((const gw_rec_cmd *)(const void *)rec, &cmd);
      decided = applied = gw_decide_cmd(l, &cmd, &pen);
      break;
    }
    case GW_REC_IO: { const gw_rec_io *r = (const gw_rec_io *)(const void *)rec; decided = gw_decide_io(l, h->conn, r->what, r->error, r->a, &pen); break; }
    case GW_REC_LATCH: decided = gw_decide_latch(l, (const gw_rec_latch *)(const void *)rec, &pen); break;
    case GW_REC_DURABLE: case GW_REC_WATERMARK: case GW_REC_NOTE: { const gw_rec_num *r = (const gw_rec_num *)(const void *)rec; decided = gw_decide_num(l, h->kind, h->conn, r->kind, r->value, &pen); break; }
    case GW_REC_RESTART: decided = gw_decide_restart(l, (int)((const gw_rec_restart *)(const void *)rec)->survived, &pen); break;
    case GW_REC_STOP: decided = gw_decide_stop(l, &pen); break;
    default: return GW_E_TYPE;
  }
  if (!decided) { *diff = (gw_diff){ .lsn = h->lsn, .kind = h->kind, .want_len = h->len }; return GW_E_DIFFERS; }
  rc = differ(diff, h, scratch, pen.room);
  if (rc == 0 && applied) gw_taken(l, h);
  else if (rc == 0) gw_take_in(l, rec);
  return rc;
}
