/* Fuzz entry of the lane: everything that reaches gw_step, and every record that gw_apply and gw_verify may be handed.
 *
 * The file that GW_FUZZ_WORLD names holds what a lane is laid out with: sections of a u64 length and that many bytes, padded to 8, in
 * the order of `enum section`. The input is a script of operations: u8 what, u8 connection, u16 length, so many bytes. After each the
 * lane makes a step, and each new record goes to lanes beside it: one applies it, one decides it again, and both must end as the first
 * one did; two more are given records that lie, and may refuse them or be none the worse for them. */
#include "../core.h"
#include "../memrim.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define REQUIRE(what) do { if (!(what)) { fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what); abort(); } } while (0)

enum section { SIZES, INSTRUMENTS, LISTINGS, ACCOUNTS, STRATEGIES, VENUES, CONNS, SECRETS, LIMITS, LATCH, DIALECT, SOUP, API, VALUES, SECTIONS };
enum { OP_FEED, OP_FIX, OP_PARTS, OP_COMMAND, OP_LATCH, OP_TIME, OP_WORLD, OP_LIE, OPS };
enum { WORLD_END, WORLD_BREAK, WORLD_SHORT, WORLD_BUDGET, WORLD_READ, WORLD_GRANT, WORLD_WRITER, WORLD_FAIL, WORLD_FETCH, WORLD_DEATH, WORLDS };
enum { CONNS_MAX = 32, WIRE = 32768, RING = 1 << 18, JOURNAL = 1 << 22, RECORDS = 1 << 14, LIES = 32 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct { uint8_t *at[SECTIONS]; uint64_t len[SECTIONS]; gw_tables tables; gw_sizes sizes; gw_conn_cfg conns[CONNS_MAX]; } world;

/* A lane with a world of its own. */
typedef struct side {
  gw_lane *l;
  size_t size;
  gw_memconn conns[CONNS_MAX];
  gw_memrim mem;
  gw_rim rim;
} side;

static struct { uint8_t bytes[JOURNAL]; uint64_t at[RECORDS], end, n; } journal;
static gw_ring *ring;
static uint64_t ring_bytes;
static struct { uint16_t at; uint8_t value; } lies[LIES];
static uint32_t n_lies;
static uint64_t scratch[1 << 15];
static uint8_t wires[CONNS_MAX][2][WIRE];

static void *section(enum section s, size_t each, uint32_t *n) {
  REQUIRE(world.len[s] % each == 0);
  *n = (uint32_t)(world.len[s] / each);
  return world.at[s];
}
static void read_world(void) {
  if (world.tables.conns) return;
  const char *name = getenv("GW_FUZZ_WORLD");
  FILE *f = name ? fopen(name, "rb") : NULL;
  REQUIRE(f);
  for (int i = 0; i < SECTIONS; i++) {
    REQUIRE(fread(&world.len[i], 8, 1, f) == 1);
    size_t padded = (world.len[i] + 7) & ~(size_t)7;
    world.at[i] = aligned_alloc(64, (padded + 64) & ~(size_t)63);
    REQUIRE(world.at[i] && fread(world.at[i], 1, padded, f) == padded);
  }
  fclose(f);
  gw_tables *t = &world.tables;
  uint32_t n;
  memcpy(&world.sizes, section(SIZES, sizeof world.sizes, &n), sizeof world.sizes);
  t->instruments = section(INSTRUMENTS, sizeof *t->instruments, &t->n_instruments);
  t->listings = section(LISTINGS, sizeof *t->listings, &t->n_listings);
  t->accounts = section(ACCOUNTS, sizeof *t->accounts, &t->n_accounts);
  t->strategies = section(STRATEGIES, sizeof *t->strategies, &t->n_strategies);
  t->venues = section(VENUES, 16, &t->n_venues);
  t->secrets = section(SECRETS, sizeof *t->secrets, &t->n_secrets);
  t->limits = world.at[LIMITS];
  t->limits_len = world.len[LIMITS];
  const gw_conn_cfg *cfg = section(CONNS, sizeof *cfg, &t->n_conns);
  REQUIRE(t->n_conns <= CONNS_MAX);
  for (uint32_t i = 0; i < t->n_conns; i++) {
    gw_conn_cfg *c = &world.conns[i];
    *c = cfg[i];
    c->dialect = c->family == GW_FAMILY_FIX ? (const gw_fix_dialect *)(const void *)world.at[DIALECT] : NULL;
    c->layout = c->family == GW_FAMILY_SOUP ? (const gw_layout *)(const void *)world.at[SOUP] : c->family == GW_FAMILY_API ? (const gw_layout *)(const void *)world.at[API] : NULL;
    c->values = c->family == GW_FAMILY_SOUP ? (const gw_value *)(const void *)world.at[VALUES] : NULL;
    if (c->family != GW_FAMILY_SOUP) c->n_values = 0;
  }
  t->conns = world.conns;
  ring_bytes = gw_ring_bytes(RING, 4096);
  ring = aligned_alloc(64, (ring_bytes + 63) & ~(size_t)63);
  REQUIRE(ring);
}

/* Sides ------------------------------------------------------------------------------------------------------------------- */
static void begin(side *s, gw_ring *to, uint8_t *latch, int64_t now) {
  memset(s, 0, sizeof *s);
  s->mem = (gw_memrim){ .now_ns = now, .conns = s->conns, .n_conns = world.tables.n_conns, .grant = 1, .records = journal.bytes, .offsets = journal.at, .first_lsn = 1 };
  for (uint32_t i = 0; i < CONNS_MAX; i++) s->conns[i] = (gw_memconn){ .in = wires[i][0], .out = wires[i][1], .cap = WIRE, .budget = WIRE, .short_send = -1 };
  gw_memrim_init(&s->mem, &s->rim);
  s->size = gw_lane_size(&world.sizes);
  REQUIRE(s->size);
  s->l = mmap(NULL, s->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE((void *)s->l != MAP_FAILED);
  REQUIRE(gw_lane_init(s->l, s->size, &world.sizes, &world.tables, to, latch, latch ? world.len[LATCH] : 0, &s->rim) == 0);
}
static void end(side *s) { if (s->l) munmap(s->l, s->size); s->l = NULL; }
/* A record in memory of its own exact size, its lsn the next one of this lane. */
static uint8_t *copy_for(const side *s, uint64_t lsn) {
  const uint8_t *rec = journal.bytes + journal.at[lsn - 1];
  uint32_t len = ((const gw_rec *)(const void *)rec)->len;
  uint8_t *copy = malloc(len);
  REQUIRE(copy);
  memcpy(copy, rec, len);
  ((gw_rec *)(void *)copy)->lsn = s->l->core->lsn + 1;
  return copy;
}

/* What holds between any two records, whatever was in them. */
static void lists_hold(const gw_lane *l) {
  const gw_core *c = l->core;
  uint32_t n = 0, open = 0, doubt = 0, queued[CONNS_MAX] = { 0 }, due = 0;
  for (uint32_t i = c->free_head; i != NONE32; i = l->slots[i].next) {
    REQUIRE(i < l->sizes.orders && n++ < l->sizes.orders);
    REQUIRE(l->slots[i].state == ST_FREE || gw_is_final(l->slots[i].state));
  }
  REQUIRE(n == c->free_count);
  for (uint32_t i = 0; i < l->sizes.orders; i++) {
    const gw_slot *s = &l->slots[i];
    if (s->state == ST_FREE || gw_is_final(s->state)) continue;
    open++;
    doubt += s->in_doubt;
    due += gw_due_of(s) != 0;
    if (s->in_queue == Q_NEW || s->in_queue == Q_REPLACE) queued[s->conn_v]++;
  }
  REQUIRE(open == c->open_orders && open + c->free_count == l->sizes.orders);
  REQUIRE(doubt == c->in_doubt && due == c->due_count);
  uint32_t of_venues = 0;
  for (uint32_t i = 1; i < l->n_conns; i++) {
    const gw_conn *x = &l->conns[i];
    REQUIRE(x->queued == queued[i] && x->sendq_len <= GW_CONN_SEND && x->answer_len <= sizeof x->answer && x->stream_sent <= x->stream_len);
    if (x->role == GW_ROLE_VENUE) of_venues += x->open_orders;
    uint32_t heads[4] = { x->q_new[0], x->q_replace[0], x->q_cancel[0], x->q_status[0] };
    for (int k = 0; k < 4; k++) {
      uint32_t steps = 0;
      for (uint32_t at = heads[k]; at != NONE32; at = l->slots[at].next) REQUIRE(at < l->sizes.orders && l->slots[at].conn_v == i && steps++ < l->sizes.orders);
    }
  }
  REQUIRE(of_venues == open);
}

/* New records of the lane: kept, and given to the lanes beside it. 0 when the journal's memory is full. */
static int records(side *live, side *applies, side *decides, side *lied_apply, side *lied_verify, int writer) {
  while (journal.n < live->l->core->lsn) {
    const gw_rec *r = gw_ring_at(ring, journal.n + 1);
    REQUIRE(r && r->lsn == journal.n + 1);
    REQUIRE(gw_rec_check((const uint8_t *)r, r->len, ring->salt, r->lsn) == r->len);
    if (journal.end + r->len > JOURNAL || journal.n == RECORDS) return 0;
    memcpy(journal.bytes + journal.end, r, r->len);
    journal.at[journal.n++] = journal.end;
    journal.end += r->len;
    side *all[] = { live, applies, decides, lied_apply, lied_verify };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) all[i]->mem.n_records = journal.n;
    gw_diff diff;
    uint8_t *copy = copy_for(applies, journal.n);
    REQUIRE(gw_apply(applies->l, copy) == 0);
    int rc = gw_verify(decides->l, copy, (uint8_t *)scratch, sizeof scratch, &diff);
    if (rc) fprintf(stderr, "record %llu kind %u: verify says %d at byte %u (%u and %u bytes)\n", (unsigned long long)journal.n, ((gw_rec *)(void *)copy)->kind, rc, diff.offset, diff.want_len, diff.got_len);
    REQUIRE(rc == 0);
    free(copy);
    side *lied[] = { lied_apply, lied_verify };
    for (int i = 0; i < 2 && lied[i]->l; i++) {
      copy = copy_for(lied[i], journal.n);
      uint32_t len = ((gw_rec *)(void *)copy)->len;
      for (uint32_t k = 0; k < n_lies; k++) {
        uint32_t at = 8 + lies[k].at % (len - 8);
        if (at < offsetof(gw_rec, lsn) || at >= offsetof(gw_rec, t_ns)) copy[at] = lies[k].value;
      }
      if (i == 0) gw_apply(lied[i]->l, copy); else gw_verify(lied[i]->l, copy, (uint8_t *)scratch, sizeof scratch, &diff);
      lists_hold(lied[i]->l);
      free(copy);
    }
    n_lies = 0;
  }
  if (writer) gw_ring_forget(ring);
  return 1;
}
/* A lane that knows the journal so far. */
static void catch_up(side *s, int64_t now) {
  begin(s, NULL, NULL, now);
  s->mem.n_records = journal.n;
  for (uint64_t i = 1; i <= journal.n; i++) REQUIRE(gw_apply(s->l, journal.bytes + journal.at[i - 1]) == 0);
}

/* Operations -------------------------------------------------------------------------------------------------------------- */
static void feed(side *s, uint32_t conn, const uint8_t *p, uint32_t n) {
  gw_memconn *c = &s->conns[conn];
  if (!c->open) return;
  if (n > c->cap - c->in_len) n = c->cap - c->in_len;
  memcpy(c->in + c->in_len, p, n);
  c->in_len += n;
}
/* A FIX message whose body is p, with the header, number and sums that the lane waits for: what is fuzzed is behind them. */
static void feed_fix(side *s, uint32_t conn, const uint8_t *p, uint32_t n) {
  static char body[70000], whole[70100];
  const gw_conn_cfg *cfg = &world.conns[conn];
  uint32_t type = 0;
  while (type < n && p[type] != 1) type++;
  if (type == n) return;
  int head = snprintf(body, 400, "%.*s\00134=%llu\00149=%s\00152=20251120-12:00:00.000\00156=%s\001", (int)(type < 40 ? type : 40), (const char *)p,
                      (unsigned long long)s->l->conns[conn].rx_next, cfg->target, cfg->sender);
  memcpy(body + head, p + type + 1, n - type - 1);
  int len = head + (int)(n - type - 1), at = snprintf(whole, 40, "8=FIX.4.4\0019=%d\001", len);
  memcpy(whole + at, body, (size_t)len);
  at += len;
  unsigned sum = 0;
  for (int i = 0; i < at; i++) sum += (uint8_t)whole[i];
  at += snprintf(whole + at, 10, "10=%03u\001", sum & 255);
  feed(s, conn, (const uint8_t *)whole, (uint32_t)at);
}
/* Parts as u8 kind, u8 connection, u8 flags, u8 0, u32 length, u64 a, u64 b, payload: the epoch and generation are the connection's own
 * but for flag 1; flag 2: `a` is the newest message for control. */
static void push_parts(side *s, const uint8_t *p, uint32_t n) {
  static gw_cmd cmd;
  memset(&cmd, 0, sizeof cmd);
  while (n >= 24) {
    gw_sub x = { .kind = p[0], .conn = p[1] };
    const gw_conn *c = x.conn < world.tables.n_conns ? &s->l->conns[x.conn] : &s->l->conns[0];
    x.epoch = c->epoch + (p[2] & 1u);
    x.state_gen = c->state_gen;
    memcpy(&x.len, p + 4, 4);
    memcpy(&x.a, p + 8, 8);
    memcpy(&x.b, p + 16, 8);
    if (p[2] & 2) x.a = c->ctl_last;
    if (x.len > n - 24) x.len = n - 24;
    if (cmd.len + sizeof x + gw_pad8(x.len) > GW_CMD_MAX) break;
    memcpy(cmd.payload + cmd.len, &x, sizeof x);
    memcpy(cmd.payload + cmd.len + sizeof x, p + 24, x.len);
    cmd.len += (uint32_t)(sizeof x + gw_pad8(x.len));
    cmd.n_subs++;
    p += 24 + x.len;
    n -= 24 + x.len;
  }
  gw_cmd_push(s->l, &cmd);
}
static void push_raw(side *s, uint32_t n_subs, const uint8_t *p, uint32_t n) {
  static gw_cmd cmd;
  memset(&cmd, 0, sizeof cmd);
  cmd.n_subs = n_subs == 255 ? NONE32 : n_subs;
  cmd.len = n;
  memcpy(cmd.payload, p, n > GW_CMD_MAX ? GW_CMD_MAX : n);
  gw_cmd_push(s->l, &cmd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  read_world();
  const int64_t noon = 1763640000000000000;
  side live, applies, decides, lied_apply = { 0 }, lied_verify = { 0 };
  uint8_t *latch = malloc(world.len[LATCH]);
  gw_ring_cfg cfg = { .size = RING, .index_count = 4096, .next_lsn = 1, .salt = 7 };
  int writer = 1;
  REQUIRE(latch && gw_ring_init(ring, ring_bytes, &cfg) == 0);
  memcpy(latch, world.at[LATCH], world.len[LATCH]);
  journal.n = journal.end = 0;
  n_lies = 0;
  begin(&live, ring, latch, noon);
  begin(&applies, NULL, NULL, noon);
  begin(&decides, NULL, NULL, noon);
  REQUIRE(gw_start(live.l, (const uint8_t *)"{}", 2) == 0);
  for (size_t i = 0; i + 4 <= size;) {
    uint32_t what = data[i] % OPS, conn = data[i + 1] % world.tables.n_conns, n = (uint32_t)data[i + 2] | (uint32_t)data[i + 3] << 8;
    const uint8_t *p = data + i + 4;
    if (n > size - i - 4) n = (uint32_t)(size - i - 4);
    i += 4 + n;
    gw_memconn *wire = &live.conns[conn];
    switch (what) {
      case OP_FEED: feed(&live, conn, p, n); break;
      case OP_FIX: feed_fix(&live, conn, p, n); break;
      case OP_PARTS: push_parts(&live, p, n); break;
      case OP_COMMAND: push_raw(&live, data[i - n - 3], p, n); break;
      case OP_LATCH:
        if (n >= 2) for (uint32_t k = 2, at = ((uint32_t)p[0] | (uint32_t)p[1] << 8) % (uint32_t)world.len[LATCH]; k < n && at < world.len[LATCH]; k++) latch[at++] = p[k];
        break;
      case OP_TIME: { uint32_t us = 0; memcpy(&us, p, n < 4 ? n : 4); live.mem.now_ns += (int64_t)us * 1000; break; }
      case OP_LIE:
        if (!lied_apply.l) { catch_up(&lied_apply, noon); catch_up(&lied_verify, noon); }
        for (uint32_t k = 0; k + 3 <= n && n_lies < LIES; k += 3) { lies[n_lies].at = (uint16_t)(p[k] | p[k + 1] << 8); lies[n_lies++].value = p[k + 2]; }
        break;
      default:
        if (n == 0) break;
        switch (p[0] % WORLDS) {
          case WORLD_END: wire->ended = 1; break;
          case WORLD_BREAK: wire->broken = 1; break;
          case WORLD_SHORT: wire->short_send = n > 1 ? p[1] : -1; break;
          case WORLD_BUDGET: wire->budget = n > 1 ? p[1] * 64 : WIRE; break;
          case WORLD_READ: wire->out_len = 0; break;
          case WORLD_GRANT: live.mem.grant ^= 1u; break;
          case WORLD_WRITER: writer = !writer; break;
          case WORLD_FAIL: ring->failed = 5; break;
          case WORLD_FETCH: live.mem.records = live.mem.records ? NULL : journal.bytes; break;   /* what left the ring is not at hand */
          default: {   /* the process dies; another one knows what the journal knows */
            int64_t now = live.mem.now_ns;
            end(&live);
            catch_up(&live, now);
            gw_ring_cfg again = { .size = RING, .index_count = 4096, .next_lsn = journal.n + 1, .salt = 7 };
            REQUIRE(gw_ring_init(ring, ring_bytes, &again) == 0);
            gw_lane_rim(live.l, ring, latch, world.len[LATCH], &live.rim);
            REQUIRE(gw_restart(live.l, n > 1 && p[1] & 1) == 0);
            break;
          }
        }
    }
    gw_step(live.l);
    if (!records(&live, &applies, &decides, &lied_apply, &lied_verify, writer)) break;
    lists_hold(live.l);
    REQUIRE((gw_view_risk_flags(live.l) & (GW_RISK_BAD_EVENT | GW_RISK_BAD_INDEX)) == 0);
    for (gw_ev ev; gw_ev_pop(live.l, &ev);) REQUIRE(ev.conn < world.tables.n_conns && ev.len <= GW_EV_MAX);
  }
  if (journal.n == live.l->core->lsn) {
    REQUIRE(gw_state_hash(applies.l) == gw_state_hash(live.l));
    REQUIRE(gw_state_hash(decides.l) == gw_state_hash(live.l));
  }
  end(&live);
  end(&applies);
  end(&decides);
  end(&lied_apply);
  end(&lied_verify);
  free(latch);
  return 0;
}
