/* sound.c: may this lane take this record? Its lengths, indexes and states, looked at before anything of it is used. */
#include "core.h"

/* A checksum says that a record is as it was written, not that it was written for this state. Live, a record is sound because it was just
 * decided; one that was read (restart, replay) is refused here, whole, or takes nothing along that the state cannot bear. */

/* Times are added to spans of at most GW_SPAN_MAX and must stay in 64 bits. */
#define TIME_MAX (1ull << 62)

static int fits_in(const gw_rec *h, uint64_t n) { return h->len == gw_pad8(n); }

/* What a decision changes: is it a move from where the order stands? */
int gw_dec_sound(gw_lane *l, const gw_dec *d) {
  if (d->event >= EVT_N || d->state >= ST_N || d->n_breaches > GW_RISK_BREACH_MAX) return 0;
  if (d->conn_s >= l->n_conns || d->conn_v >= l->n_conns || d->told.stream >= l->n_conns || d->strategy >= l->n_strategies) return 0;
  if (d->told.instrument >= l->n_instruments || d->told.account >= l->n_accounts || d->told.venue >= l->n_venues) return 0;
  if (d->what == DEC_ACCEPT) {
    return d->slot != NONE32 && d->slot == l->core->free_head && d->state == ST_QUEUED && l->conns[d->conn_s].role == GW_ROLE_STRATEGY && l->conns[d->conn_v].role == GW_ROLE_VENUE;
  }
  const gw_slot *s = d->slot == NONE32 ? NULL : gw_slot_of(l, d->slot, d->gen);
  if (!s) return 1;
  if (d->told.cum_qty < 0 || d->told.leaves_qty < 0 || d->told.last_qty < 0) return 0;
  if ((d->what == DEC_REPORT || d->what == DEC_REPLACE || d->what == DEC_REPLACE_QUEUED) && d->told.order_qty < 0) return 0;
  int was_final = gw_is_final(s->state), is_final = gw_is_final(d->state);
  switch (d->what) {
    case DEC_CANCEL_QUEUED: return !was_final && is_final;
    case DEC_REPLACE: return !was_final && s->state != ST_QUEUED;
    case DEC_REPLACE_QUEUED: return s->state == ST_QUEUED;
    case DEC_REPORT: return was_final ? is_final : d->state == s->state || (d->state != ST_FREE && d->state != ST_QUEUED);
    case DEC_VERDICT: return !(d->flags & DEC_FINAL) || (!was_final && is_final);
    default: return 1;
  }
}
static int in_sound(gw_lane *l, const gw_rec_in *r) {
  if (r->dec_len != 0 && r->dec_len != sizeof(gw_dec)) return 0;
  if (r->frame_len > GW_FRAME_MAX || r->n_breaches > (r->dec_len ? GW_RISK_BREACH_MAX : 0u) || r->cls >= CLS_N || r->act > ACT_KEEP) return 0;
  if (r->h.conn == 0 || !fits_in(&r->h, sizeof *r + r->dec_len + r->n_breaches * sizeof(gw_breach) + r->frame_len)) return 0;
  if (r->cls == CLS_TEST_REQUEST && (r->n > sizeof l->conns->answer || (uint32_t)r->off + r->n > r->frame_len)) return 0;
  return r->dec_len == 0 || gw_dec_sound(l, (const gw_dec *)(const void *)(r + 1));
}
static int out_sound(gw_lane *l, const gw_rec_out *r) {
  const gw_conn *c = &l->conns[r->h.conn];
  if (r->h.conn == 0 || r->what >= OUT_N || r->frame_len > GW_FRAME_MAX || !fits_in(&r->h, sizeof *r + r->frame_len)) return 0;
  if (r->n_taken && !c->sendq_n) return 0;
  if (r->what == OUT_REPORT) return c->stream_sent < c->stream_len;
  const gw_slot *s = gw_slot_of(l, r->slot, r->gen);
  if (!s || r->frame_len == 0) return 1;
  if (s->conn_v != r->h.conn || gw_is_final(s->state)) return 0;
  return r->what == OUT_NEW ? s->state == ST_QUEUED : r->what == OUT_REPLACE ? s->rpl_state == RPL_QUEUED : 1;
}
static int cmd_sound(const gw_lane *l, const gw_rec_cmd *r) {
  const uint8_t *at = (const uint8_t *)(r + 1);
  uint64_t left = r->h.len < sizeof *r ? 0 : r->h.len - sizeof *r;
  if (r->h.len < sizeof *r) return 0;
  for (uint32_t i = 0; i < r->n_subs; i++) {
    const gw_sub *s = (const gw_sub *)(const void *)at;
    if (left < sizeof *s) return 0;
    uint64_t n = sizeof *s + gw_pad8(s->len) + gw_pad8(s->dec_len);
    if (n > left || s->len > GW_CMD_MAX) return 0;
    if (s->result == GW_RESULT_OK && (s->conn >= l->n_conns || s->dec_len != (s->kind == GW_CMD_APPLY_REPORT ? sizeof(gw_dec) : 0))) return 0;
    at += n;
    left -= n;
  }
  return 1;
}
/* 0, or GW_E_RANGE: something in it cannot be; GW_E_TYPE: no lane writes such a record. */
int gw_rec_sound(gw_lane *l, const gw_rec *h) {
  int ok;
  if (h->conn >= l->n_conns || h->t_ns > TIME_MAX) return GW_E_RANGE;
  switch (h->kind) {
    case GW_REC_START: ok = h->len >= sizeof(gw_rec_start) && fits_in(h, sizeof(gw_rec_start) + (uint64_t)((const gw_rec_start *)(const void *)h)->config_len); break;
    case GW_REC_IN: ok = h->len >= sizeof(gw_rec_in) && in_sound(l, (const gw_rec_in *)(const void *)h); break;
    case GW_REC_OUT: ok = h->len >= sizeof(gw_rec_out) && out_sound(l, (const gw_rec_out *)(const void *)h); break;
    case GW_REC_DENY: {
      const gw_rec_deny *r = (const gw_rec_deny *)(const void *)h;
      ok = fits_in(h, sizeof *r) && r->dec.what == DEC_VERDICT && r->dec.slot < l->sizes.orders && gw_dec_sound(l, &r->dec);
      break;
    }
    case GW_REC_COMMAND: ok = cmd_sound(l, (const gw_rec_cmd *)(const void *)h); break;
    case GW_REC_IO: ok = fits_in(h, sizeof(gw_rec_io)) && h->conn != 0; break;
    case GW_REC_LATCH: {
      const gw_rec_latch *r = (const gw_rec_latch *)(const void *)h;
      ok = fits_in(h, sizeof *r) && r->slot < GW_LATCH_WORDS && (r->scope < GW_SCOPES || r->scope == NONE8);
      break;
    }
    case GW_REC_DURABLE: case GW_REC_NOTE: ok = fits_in(h, sizeof(gw_rec_num)); break;
    case GW_REC_WATERMARK: ok = fits_in(h, sizeof(gw_rec_num)) && h->conn != 0; break;
    case GW_REC_RESTART: ok = fits_in(h, sizeof(gw_rec_restart)); break;
    case GW_REC_STOP: ok = fits_in(h, sizeof(gw_rec_stop)); break;
    default: return GW_E_TYPE;
  }
  return ok ? 0 : GW_E_RANGE;
}
