/* memrim.c: a rim of memory: what a connection receives and sends are two buffers, time and credit are what the caller sets. */
#include "memrim.h"
#include <string.h>

static gw_memconn *at(void *ctx, uint32_t conn) {
  gw_memrim *m = ctx;
  return conn < m->n_conns ? &m->conns[conn] : NULL;
}
static int64_t now(void *ctx) { return ((gw_memrim *)ctx)->now_ns; }
static int64_t recv_(void *ctx, uint32_t conn, uint8_t *buf, uint32_t cap) {
  gw_memconn *c = at(ctx, conn);
  uint32_t n = c->in_len - c->in_at;
  if (n == 0) return c->ended && c->open ? -1 : 0;
  if (n > cap) n = cap;
  memcpy(buf, c->in + c->in_at, n);
  c->in_at += n;
  if (c->in_at == c->in_len) c->in_at = c->in_len = 0;
  return n;
}
static int64_t send_(void *ctx, uint32_t conn, const uint8_t *buf, uint32_t n) {
  gw_memconn *c = at(ctx, conn);
  if (!c->open || c->broken) return -1;
  if (n > c->cap - c->out_len) n = c->cap - c->out_len;
  if (c->short_send >= 0 && n > (uint32_t)c->short_send) n = (uint32_t)c->short_send;
  memcpy(c->out + c->out_len, buf, n);
  c->out_len += n;
  if (c->short_send >= 0) c->short_send -= (int64_t)n;
  gw_memrim *m = ctx;
  if (m->head_lsn && m->n_sends < m->sends_cap) {
    uint64_t *note = m->sends + 2 * m->n_sends++;
    note[0] = *m->head_lsn;
    note[1] = n;
  }
  return n;
}
static int64_t budget(void *ctx, uint32_t conn) {
  gw_memconn *c = at(ctx, conn);
  int64_t left = c->budget - (int64_t)c->out_len;
  if (c->short_send >= 0 && left > c->short_send) left = c->short_send;
  return c->open ? left : 0;
}
static int64_t unread(void *ctx, uint32_t conn) { gw_memconn *c = at(ctx, conn); return c->in_len - c->in_at; }
static int attach(void *ctx, uint32_t conn, int64_t fd) {
  gw_memconn *c = at(ctx, conn);
  (void)fd;
  c->open = 1;
  c->ended = c->broken = 0;
  c->in_at = c->in_len = c->out_len = 0;
  c->moved_to = 0;
  c->short_send = -1;
  return 0;
}
static int move(void *ctx, uint32_t from, uint32_t to) {
  gw_memconn *a = at(ctx, from), *b = at(ctx, to);
  memcpy(b->in, a->in + a->in_at, a->in_len - a->in_at);
  b->in_len = a->in_len - a->in_at;
  b->in_at = 0;
  memcpy(b->out, a->out, a->out_len);
  b->out_len = a->out_len;
  b->open = a->open;
  b->ended = a->ended;
  b->broken = a->broken;
  b->short_send = a->short_send;
  a->moved_to = to;
  a->open = 0;
  a->in_at = a->in_len = a->out_len = 0;
  return 0;
}
static void close_(void *ctx, uint32_t conn) { gw_memconn *c = at(ctx, conn); c->open = 0; c->in_at = c->in_len = 0; }
static void watch(void *ctx, uint32_t conn, int rd, int wr) { (void)ctx; (void)conn; (void)rd; (void)wr; }
static int ready(void *ctx, uint16_t *conns, int max) {
  gw_memrim *m = ctx;
  int n = 0;
  for (uint32_t i = 1; i < m->n_conns && n < max; i++) if (m->conns[i].open && (m->conns[i].in_len > m->conns[i].in_at || m->conns[i].ended)) conns[n++] = (uint16_t)i;
  return n;
}
static const uint8_t *fetch(void *ctx, uint64_t lsn) {
  gw_memrim *m = ctx;
  if (!m->records || lsn < m->first_lsn || lsn >= m->first_lsn + m->n_records) return NULL;
  return m->records + m->offsets[lsn - m->first_lsn];
}
static void wake(void *ctx) { ((gw_memrim *)ctx)->wakes++; }
static uint64_t watermark(void *ctx, uint32_t conn, uint32_t kind, uint64_t want) {
  gw_memrim *m = ctx;
  gw_memconn *c = at(ctx, conn);
  uint64_t *v = kind == GW_MARK_TOKEN ? &c->token_mark : &c->tx_mark, *asked = kind == GW_MARK_TOKEN ? &c->token_asked : &c->tx_asked;
  if (want > *asked) *asked = want;
  if (m->grant && want > *v) *v = want;
  return *v;
}
void gw_memrim_init(gw_memrim *m, gw_rim *rim) {
  *rim = (gw_rim){ .ctx = m, .now = now, .recv = recv_, .send = send_, .budget = budget, .unread = unread, .attach = attach, .move = move, .close = close_, .watch = watch, .ready = ready, .fetch = fetch,
    .wake = wake, .watermark = watermark };
}
