/* lane.c: one step of the lane, live: what came is decided into the ring and taken in, what may leave is bound and sent. */
#include "core.h"

/* A decision that reached the ring is taken in. */
static int live(gw_lane *l, gw_pen *pen, int decided) {
  if (!decided || l->broken) return 0;
  GW_CRASH_POINT();
  gw_take_in(l, pen->at);
  return 1;
}
#define LIVE(call) live(l, &pen, call)

int gw_start(gw_lane *l, const uint8_t *config, uint32_t n) {
  gw_pen pen = { .live = 1 };
  l->core->now = (uint64_t)l->rim->now(l->rim->ctx);
  return LIVE(gw_decide_start(l, config, n, &pen)) ? 0 : GW_E_SPACE;
}
int gw_restart(gw_lane *l, int survived) {
  gw_pen pen = { .live = 1 };
  uint64_t now = (uint64_t)l->rim->now(l->rim->ctx);
  if (now > l->core->now) l->core->now = now;
  /* The record of a granted watermark may be lost with the tail, and the numbers under it be used: the file knows them all. */
  for (uint32_t i = 1; i < l->n_conns; i++)
    for (uint32_t kind = GW_MARK_TX; kind <= GW_MARK_TOKEN; kind++) {
      uint64_t granted = l->rim->watermark(l->rim->ctx, i, kind, 0);
      if (granted > (kind == GW_MARK_TX ? l->conns[i].watermark : l->conns[i].token_mark) && !LIVE(gw_decide_num(l, GW_REC_WATERMARK, i, kind, granted, &pen))) return GW_E_SPACE;
    }
  return LIVE(gw_decide_restart(l, survived, &pen)) ? 0 : GW_E_SPACE;
}

/* The latch, while its head is what it was: else it is none any more; it may become one again, the same or another. */
static const gw_latch_file *latch_file(const gw_lane *l) {
  uint64_t is[sizeof l->latch_head / 8], was[sizeof l->latch_head / 8], other = 0;
  if (!l->latch) return NULL;
  memcpy(is, &l->latch->head, sizeof is);
  memcpy(was, &l->latch_head, sizeof was);
  for (uint32_t i = 0; i < sizeof is / 8; i++) other |= is[i] ^ was[i];
  return other ? NULL : l->latch;
}
/* Its words, each change an input. */
static __attribute__((noinline, cold)) int latch_changes(gw_lane *l, const gw_latch_file *f, int at_gate) {
  int n = 0;
  for (uint32_t slot = 0; slot < GW_LATCH_WORDS; slot++) {
    uint64_t word = gw_latch_load(f, l->latch_salt, slot);
    if (word == l->core->kills[slot].word) continue;
    gw_latch_id id;
    gw_pen pen = { .live = 1 };
    uint8_t scope = GW_SCOPE_FIRM;
    uint32_t entity = 0;
    if (gw_latch_identity(f, l->latch_salt, slot, &id)) { if (slot != GW_LATCH_FIRM) { scope = id.kind; entity = gw_entity(l, id.kind, id.name, id.name_len); if (entity == NONE32) scope = NONE8; } }
    else if (word == 0) { scope = NONE8; memset(&id, 0, sizeof id); }
    else memset(&id, 0, sizeof id);   /* whom it means cannot be read: the firm */
    gw_rec_latch in = { .slot = slot, .at_gate = (uint8_t)at_gate, .scope = scope, .dropped = (uint8_t)gw_latch_dropped(word, l->latch_salt, slot), .entity = scope == NONE8 ? 0 : entity, .word = word };
    memcpy(in.name, id.name, sizeof in.name);
    if (!LIVE(gw_decide_latch(l, &in, &pen))) return n;
    if (f) gw_latch_saw(&l->latch->seen, slot, word, l->core->now);
    n++;
  }
  return n;
}
static inline int look_at_latch(gw_lane *l, int at_gate) {
  const gw_latch_file *f = latch_file(l);
  return f && memcmp(f->words, l->latch_words, sizeof l->latch_words) == 0 ? 0 : latch_changes(l, f, at_gate);
}
static int verdicts(gw_lane *l) {
  int n = 0;
  while (l->core->due_head != NONE32) {
    gw_pen pen = { .live = 1 };
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
  gw_pen pen = { .live = 1 };
  gw_wire *w = &l->wires[conn];
  if (l->conns[conn].rx == GW_CLOSED && l->conns[conn].tx == GW_CLOSED) return 0;
  if (!LIVE(gw_decide_io(l, conn, GW_IO_CLOSED, w->error, w->sent, &pen))) return 0;
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
      gw_pen pen = { .live = 1 };
      if (!LIVE(gw_decide_denial(l, conn, q[0], &pen))) return n;
      n++;
    }
  }
  return n;
}
/* What is left of the ring is kept for venues: requests stay unread and reports untold until the writer has made room. */
static int starved(const gw_lane *l, uint32_t conn) {
  if (gw_plenty(l, 4 * GW_FRAME_MAX)) return 0;
  uint64_t keep = 4 * GW_FRAME_MAX + (l->conns[conn].role == GW_ROLE_VENUE ? 0 : gw_sweep_room(l));
  return gw_ring_room(l->ring, keep) < keep;
}
/* A strategy that does not read is not read either, before its refusals push what it has not seen out of its stream. */
static int slow(const gw_lane *l, uint32_t conn) {
  const gw_conn *c = &l->conns[conn];
  return c->role == GW_ROLE_STRATEGY && c->stream_len - c->stream_sent >= l->sizes.stream / 8 * 7;
}
/* Has a strategy been told all there is? What time alone brings about the end of the step looks for. */
static int all_told(const gw_conn *c) {
  return c->role == GW_ROLE_STRATEGY && c->stream_sent == c->stream_len && !(c->sendq_n || c->answer_len || c->rr_from || c->ask_from);
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
    gw_pen pen = { .live = 1 };
    if (c->role == GW_ROLE_VENUE && (c->q_new[0] != NONE32 || c->q_replace[0] != NONE32) && look_at_latch(l, 1)) n += verdicts(l);   /* the last look */
    /* The frame is copied out of its record before the next one is begun. */
    if (!gw_decide_out(l, conn, &pen) || l->broken) break;
    const gw_rec *h = (const gw_rec *)(const void *)pen.at;
    uint32_t len = h->kind == GW_REC_OUT ? ((const gw_rec_out *)(const void *)pen.at)->frame_len : 0;
    if (len) { to_wire(l, conn, pen.at, len); w->credit -= len; }
    GW_CRASH_POINT();
    gw_take_in(l, pen.at);
    n++;
    if (l->core->due_head != NONE32) n += verdicts(l);
    if (w->closed || all_told(c)) break;
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
    gw_pen pen = { .live = 1 };
    uint32_t k = len > 0 ? (uint32_t)len : (uint32_t)-len > have ? have : (uint32_t)-len;
    if (!LIVE(gw_decide_in(l, conn, p, k, len < 0, &pen))) { more = 1; break; }
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
    gw_pen pen = { .live = 1 };
    n += LIVE(gw_decide_num(l, GW_REC_WATERMARK, conn, kind, got, &pen));
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
        if (l->wires[i].rlen == l->wires[i].roff && l->rim->unread(l->rim->ctx, i) == 0) { gw_pen pen = { .live = 1 }; n += LIVE(gw_decide_io(l, i, GW_IO_SILENT, 0, 0, &pen)); }
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
      uint32_t facts = conn ? c->facts : l->core->facts | (l->broken ? GW_FACT_JOURNAL : 0);
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
  if (l->broken) { ring_bells(l); return 0; }
  work += gw_commands(l);
  work += look_at_latch(l, 0);
  uint64_t failed = __atomic_load_n(&l->ring->failed, __ATOMIC_RELAXED);
  if (failed && !c->journal_failed) { gw_pen pen = { .live = 1 }; work += LIVE(gw_decide_num(l, GW_REC_NOTE, 0, GW_NOTE_JOURNAL_FAILED, failed, &pen)); }
  if (l->wants_durable) {
    uint64_t durable = __atomic_load_n(&l->ring->durable_lsn, __ATOMIC_ACQUIRE);
    if (durable > c->durable && waits(l)) {
      gw_pen pen = { .live = 1 };
      work += LIVE(gw_decide_num(l, GW_REC_DURABLE, 0, 0, durable, &pen));
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
  if (c->stopping == 2 && !c->stopped) { gw_pen pen = { .live = 1 }; work += LIVE(gw_decide_stop(l, &pen)); }
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
