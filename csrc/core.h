/* core.h: the lane's state, its journal payloads and the functions its files share. Not public: Python sees lane.h.
 *
 * Theory of operation. Everything a lane does is decide(state, input) -> record, then apply(state, record). A gw_pen is where a
 * record is being written: in the ring when the lane is live, in scratch memory when a record is decided again for comparison.
 * Only apply changes gw_core; only inputs (frames, commands, time, latch words, ends of connections, durable positions) reach
 * decide. What is not in gw_core (buffers, bells, rings) is the rim's side of the lane and dies with the process.
 */
#ifndef GW_CORE_H
#define GW_CORE_H
#include <string.h>
#include "append.h"
#include "controls.h"
#include "fault.h"
#include "jrec.h"
#include "lane.h"
#include "latch.h"
#include "place.h"
#include "recent.h"
#ifdef GW_CRASH_HOOKS
#include "rim_crash.h"
#endif

#define NONE32 0xFFFFFFFFu
#define NONE16 0xFFFFu
#define NONE8 0xFFu
#define GW_SESSION_VALUES 16
#define GW_SPAN_MAX (1ull << 60)     /* longest time anybody may ask for, ns: added to a time it stays in 64 bits */
#define GW_NUMBER_MAX (1ull << 52)   /* numbers and venue ids are below; keys are made of them */
#define GW_NOTE_JOURNAL_FAILED 1
#define GW_GARBLED_MAX 10            /* garbled messages in a row; who sends more is no peer of ours */
/* Where `make crash` lets a process die: before each send and between a record and its application. */
#ifdef GW_CRASH_HOOKS
#define GW_CRASH_POINT() gw_crash_point()
#else
#define GW_CRASH_POINT() ((void)0)
#endif

/* What a decision is. */
enum gw_what { DEC_NONE, DEC_ACCEPT, DEC_DENY, DEC_CANCEL, DEC_CANCEL_QUEUED, DEC_CANCEL_REJECT, DEC_REPLACE, DEC_REPLACE_QUEUED, DEC_REPORT, DEC_ORPHAN, DEC_STATUS, DEC_VERDICT, DEC_MASS, DEC_UNASKED };

/* One remembered number of a connection. */
typedef struct gw_num { uint64_t lsn, end; uint32_t slot, gen, epoch; uint8_t what, filled, pad_[2]; } gw_num;

/* A connection: one record, one owner of numbers. All of it is state. */
typedef struct gw_conn {
  uint8_t family, role, rx, tx, logged_on, closing, rx_before, pad0_;
  uint16_t strategy, venue;
  uint32_t epoch, state_gen, facts;
  uint64_t rx_next, tx_next, through, token_next, watermark, token_mark;
  uint64_t lost_from, lost_to;           /* venue ids that a lost tail may have given out: a report under one is matched by its order's terms */
  int64_t last_rx_ns, last_tx_ns, hb_ns, silence_ns, close_at_ns;
  int64_t probe_ns, ask_ns;              /* when we asked: test request unanswered since, missing range asked since */
  uint64_t probe_id;
  uint64_t ctl_last, ctl_done;           /* messages for control: newest, newest done */
  uint64_t rr_from, rr_to;               /* a resend request to answer: 0 = none */
  uint64_t rr_cut;                       /* another one began here: a peer that expects this number takes no gap fill that begins before it */
  uint64_t ask_from;                     /* a missing range to ask for: 0 = none */
  uint64_t stream_len, stream_sent;      /* strategy: reports ever, reports sent */
  uint64_t rx_count, tx_count, dropped;
  uint64_t last_id;                      /* strategy on the order API: last id used */
  uint64_t sent_end;                     /* bytes handed to this epoch's socket, and bound to it */
  uint64_t bound_end;
  int64_t pace_ns, pace_tokens;          /* venue pacing: bucket in millionths of a message */
  uint32_t answer_len, sendq_len, sendq_n, queued, open_orders, in_doubt;
  uint32_t garbled, pad1_;               /* messages that were none, in a row */
  uint32_t q_new[2], q_replace[2], q_cancel[2], q_status[2];   /* heads and tails of slot lists */
  uint8_t answer[128];                   /* TestReqID to answer */
  uint8_t sendq[GW_CONN_SEND];           /* session messages that wait: u32 len, u32 type, u64 seq, u64 flags, TLV */
} gw_conn;

/* An order's slot. */
typedef struct gw_slot {
  gw_order order;                        /* as accepted, in the instrument's exponents */
  uint64_t key, rpl_key;                 /* client keys in by_client */
  uint64_t token, rpl_token, cxl_token;  /* venue ids: last accepted (or sent), pending replace, cancel */
  uint64_t out_seq, rpl_seq, cxl_seq, order_no;
  uint64_t wait_lsn;                     /* the record that accepted what waits: durable first, where the level says so */
  int64_t cum_qty, leaves_qty, queued_ns;
  int64_t value_hi, value_lo;            /* sum of price * quantity of the fills, 128 bits */
  int64_t rpl_price, rpl_stop, rpl_qty;
  uint64_t rpl_num;
  uint32_t gen, strategy, account, instrument;
  uint32_t kill_gen[GW_SCOPES], rpl_kill_gen[GW_SCOPES];
  uint16_t venue, conn_s, conn_v, due;   /* due: a verdict to be given, a reason; 0 none. doubt_due: IN_DOUBT to be told, after it */
  uint8_t state, in_doubt, cancel_wanted, cancel_sent, rpl_state, status_wanted, in_queue, pad0_;
  uint8_t swept, cxl_refused, cxl_tries, doubt_due;   /* a cancel of the house's own is asked again when the venue refuses it */
  /* Status requests: that may still be answered; of those, sent before the pending replace; that will be, unless they are lost; and is
   * there one behind the replace? Answers come in order, so that one counts as the oldest's, whose question may be older than the replace. */
  uint8_t status_open, status_before, status_sure, status_behind;
  uint32_t next, prev, due_next, pad2_;
  char rpl_cl_ord_id[24], cxl_cl_ord_id[24];
  uint64_t cxl_num;
} gw_slot;
enum { DUE_DOUBT = 0xFFFF, DUE_CANCELED = 0xFFFE };   /* verdicts that are no reasons: told IN_DOUBT; told CANCELED */
enum { RPL_NONE, RPL_QUEUED, RPL_SENT };
enum { ASKED_MANY = 255 };   /* status requests without an answer: from here on an answer says nothing about a replace */
enum { Q_NONE, Q_NEW, Q_REPLACE, Q_CANCEL, Q_STATUS };

/* key -> slot, open addressing, removal by shifting back. */
typedef struct gw_index { uint32_t mask, count; } gw_index;
typedef struct gw_pair { uint64_t key; uint32_t slot, gen; } gw_pair;
/* The last executions ever seen. reused: an id has come back for another order, once at least. */
typedef struct gw_seen { uint64_t added; uint32_t reused, pad_; } gw_seen;
typedef struct gw_owner { uint32_t order, named; } gw_owner;   /* whose an execution is: what is left of the order's number, and of the name that the report gave it; 0 none */
enum { EXEC_NEW, EXEC_REPEATED, EXEC_REUSED };

typedef struct gw_kill { uint64_t word; uint32_t entity; uint8_t scope, dropped, pad_[2]; } gw_kill;   /* what the lane knows of one latch slot */

/* The state. */
typedef struct gw_core {
  uint64_t lsn, now;                     /* of the last record applied */
  uint64_t accept_no, durable;
  uint64_t n_orders, n_denied, n_acks, n_fills, n_cancels, n_rejects, n_orphans, n_odd, n_garbled, n_dropped, n_in, n_out, n_commands;
  uint64_t denied_by[GW_DENIED_REASONS];
  uint32_t epoch, digest, limits_version, open_orders, in_doubt, due_count;
  uint32_t free_head, free_tail, free_count, due_head, due_tail;
  uint8_t started, stopping, stopped, journal_failed, pad_[4];
  uint32_t facts, pad2_;
  uint64_t ctl_last;
  gw_kill kills[GW_LATCH_WORDS];
  gw_index by_client, by_token;
  gw_seen seen;
} gw_core;

/* A number that mostly rises by one, and its thirteen digits of base 36, the first eight and the last eight of them: a cache of the process's. */
typedef struct gw_digits { uint64_t v, head, tail; } gw_digits;

/* The rim's side of a connection. */
typedef struct gw_wire {
  uint32_t rlen, roff, wlen, woff, held;  /* held: bytes of the frame at the front that control has to answer first */
  uint8_t closed, bell, ended, held_cls, unwatched, blocked, pad_[2];
  int64_t error, credit;
  uint64_t sent, held_seq, held_expected; /* sent: bytes handed over in this epoch */
} gw_wire;

/* Where a record is being written. */
typedef struct gw_pen { uint8_t *at; uint32_t room; uint8_t live, pad_[3]; } gw_pen;

struct gw_lane {
  gw_sizes sizes;
  gw_ring *ring;
  gw_latch_file *latch;                  /* NULL: unreadable, everything is dropped */
  uint64_t latch_salt;
  gw_latch_head latch_head;              /* as it was found whole */
  uint64_t latch_words[GW_LATCH_WORDS];  /* core->kills[].word side by side, to compare with the file's in one go */
  const gw_rim *rim;
  gw_core *core;
  gw_conn *conns;
  gw_slot *slots;
  gw_pair *client_pairs, *token_pairs;
  gw_recent seen;                        /* the executions' keys, and whose each of them is */
  gw_owner *seen_owners;
  gw_num *nums;                          /* conns x GW_NUMS */
  uint64_t *streams;                     /* conns x sizes.stream: lsn of each report */
  uint8_t *paused;                       /* (scope, entity): no new orders */
  uint32_t *instrument_index, *kill_of;  /* hash of symbols; (scope, entity) -> latch slot */
  gw_risk *risk;
  gw_risk_sizes risk_sizes;
  uint8_t *limits[2];                    /* the table in force, and room for the next */
  size_t limits_len;
  uint32_t limits_at, pad1_;
  gw_instrument *instruments;
  gw_listing *listings;
  uint32_t *first_listing;               /* of each instrument, and one behind the last */
  gw_account *accounts;
  gw_strategy *strategies;
  char (*venues)[16];
  uint16_t *venue_conn;
  gw_conn_cfg *cfg;
  gw_fix_head *heads;
  gw_fix_shapes *shapes;                 /* of what comes in on a connection; a hint, not state */
  gw_fix_plans *plans;                   /* the same of what they decode to */
  gw_values *values;                     /* what a binary layout takes from the session: mpid and its like */
  gw_value *value_store;
  gw_secret *secrets;
  gw_wire *wires;
  uint8_t *rx_buf, *tx_buf;
  size_t common;                         /* bytes of the arena before what belongs to single connections */
  gw_cmd *cmds;
  gw_ev *evs;
  uint64_t cmd_head, cmd_tail, ev_head, ev_tail;
  uint64_t events_posted;
  int64_t next_timer;
  uint32_t instrument_mask, n_instruments, n_listings, n_accounts, n_strategies, n_venues, n_conns, n_secrets;
  uint32_t kill_base[GW_SCOPES], kill_count[GW_SCOPES];
  uint8_t step_first, wants_durable, replaying, broken, pad_[2];   /* broken: a record did not come into the ring; nothing is done any more */
  uint16_t replayed_reason;
  uint64_t dirty[GW_CONNS_MAX / 64];     /* connections that may have something to send; a hint, not state */
  uint64_t unread[GW_CONNS_MAX / 64];    /* whole or part frames lie in the buffer */
  uint64_t belled[GW_CONNS_MAX / 64];    /* something for control */
  const gw_rec_out *hint;                /* decided again: the record as it was, for what only the world knew */
  gw_fix_msg fm;                         /* the frame at hand, scanned */
  gw_report scr;                         /* and decoded; scr_lsn says of which record */
  uint64_t scr_lsn;
  gw_report outr;                        /* the record being encoded */
  gw_digits token_text, order_text;      /* the last ones that were written */
  gw_breach breaches[GW_RISK_BREACH_MAX];
  uint8_t clear[GW_FRAME_MAX];           /* a frame with its secrets, whose record has them masked */
};

/* An inbound message, classed. */
typedef struct gw_inmsg {
  uint8_t cls, biz, poss_dup, pad0_;     /* biz: gw_order.kind or report kind */
  uint16_t off, n;
  uint64_t seq, a, b;
} gw_inmsg;

/* The texts of a request behind its account: few have any, and what is not given is zero. */
enum { GW_RARE_AT = offsetof(gw_order, firm), GW_RARE_SIZE = sizeof(gw_order) - GW_RARE_AT };
_Static_assert(GW_HAS_FIRM == GW_HAS_ACCOUNT + 1 && GW_HAS_MEMO == GW_HAS_FIRM + 8, "all that is given behind the account is behind it in the record");
static inline int gw_has_rare(uint64_t has) { return has >> GW_HAS_FIRM != 0; }

/* index.c */
uint32_t gw_index_find(const gw_index *m, const gw_pair *p, uint64_t key);
void gw_index_put(gw_index *m, gw_pair *p, uint64_t key, uint32_t slot, uint32_t gen);
void gw_index_remove(gw_index *m, gw_pair *p, uint64_t key, uint32_t slot);
void gw_exec_ahead(const gw_lane *l, uint64_t key);
int gw_exec_seen(const gw_lane *l, uint64_t key, uint64_t order_no, uint64_t name);
void gw_exec_put(gw_lane *l, uint64_t key, uint64_t order_no, uint64_t name);
uint64_t gw_client_key(const gw_lane *l, uint32_t conn, uint64_t num, const char *text);

/* told.c */
void gw_scope_name(const gw_lane *l, uint32_t scope, uint32_t entity, char *out);
uint32_t gw_entity(const gw_lane *l, uint32_t scope, const char *name, uint32_t n);
static inline __int128 gw_filled_value(const gw_slot *s) { return (__int128)s->value_hi * ((__int128)1 << 64) + (__int128)(uint64_t)s->value_lo; }
/* A sum of price * quantity and one more; what would leave 128 bits is left out: a venue may claim anything. */
static inline __int128 gw_value_add(__int128 value, int64_t px, int64_t qty) {
  __int128 sum;
  return __builtin_add_overflow(value, (__int128)px * qty, &sum) ? value : sum;
}
void gw_told_order(const gw_slot *s, gw_told *t);
void gw_told_avg(const gw_slot *s, gw_told *t, int64_t last_px, int64_t last_qty);
void gw_told_report(gw_lane *l, const gw_told *t, const gw_rec *h, const gw_breach *breaches, uint32_t n, gw_report *out);

/* request.c */
uint32_t gw_find_instrument(const gw_lane *l, const char *symbol);
const gw_listing *gw_find_listing(const gw_lane *l, uint32_t instrument, uint32_t venue);
const gw_listing *gw_listing_of(const gw_lane *l, const gw_slot *s);
uint16_t gw_convert(const gw_instrument *in, gw_order *o);
int gw_rescale_lossy(int64_t v, int from, int to, int64_t *out);
void gw_delta_of(const gw_lane *l, const gw_dec *d, uint8_t kind, gw_risk_delta *x);
void gw_deny(gw_dec *d, uint16_t reason, const gw_lane *l);
void gw_refuse(gw_dec *d, uint16_t reason, char response_to);
void gw_dec_request(gw_lane *l, uint32_t conn, gw_dec *d);

/* report.c */
void gw_dec_report(gw_lane *l, uint32_t conn, gw_dec *d);
void gw_dec_refused(gw_lane *l, uint32_t conn, uint64_t ref_seq, gw_dec *d);
void gw_dec_verdict(gw_lane *l, uint32_t slot, uint16_t reason, gw_dec *d);

/* orders.c */
extern const uint8_t gw_order_table[ST_N][EVT_N];
extern const char gw_status_of[ST_N];
char gw_ord_status(const gw_slot *s);
void gw_orders_init(gw_lane *l);
void gw_unqueue(gw_lane *l, uint32_t slot);
void gw_deny_queued(gw_lane *l, uint32_t conn, uint16_t reason);
void gw_order_sent(gw_lane *l, const gw_rec_out *r);
void gw_order_void(gw_lane *l, uint32_t slot, uint32_t gen, uint8_t what);
void gw_order_doubt(gw_lane *l, uint32_t slot);
void gw_order_ask(gw_lane *l, uint32_t slot);
void gw_order_unasked(gw_lane *l, uint32_t slot, int never_left);
void gw_order_due(gw_lane *l, uint32_t slot, uint16_t reason);
void gw_order_want_cancel(gw_lane *l, uint32_t slot, uint16_t reason);
void gw_apply_dec(gw_lane *l, const gw_rec *h, const gw_dec *d, const uint8_t *frame, uint32_t n, uint32_t conn, uint32_t sub);

/* conn.c: what came, classed; what the tables say, [family][class][rx state] and [class][tx state] */
extern const uint8_t gw_in_table[GW_FAMILY_API + 1][CLS_N][5];
extern const uint8_t gw_out_table[OUT_N][4];
int gw_frame_in(gw_lane *l, uint32_t conn, const uint8_t *p, uint32_t n);
void gw_class_in(gw_lane *l, uint32_t conn, const uint8_t *p, uint32_t n, gw_inmsg *m);
void gw_decode_again(gw_lane *l, uint32_t conn, const uint8_t *p, uint32_t n);
void gw_apply_session(gw_lane *l, uint32_t conn, const gw_rec_in *r, const uint8_t *frame);
void gw_tighten_rx(gw_lane *l, uint32_t conn, uint8_t rx);
void gw_tighten_tx(gw_lane *l, uint32_t conn, uint8_t tx, uint16_t reason);
void gw_conn_closed(gw_lane *l, uint32_t conn);
void gw_resend_wanted(gw_conn *c, uint64_t first, uint64_t last);

/* out.c: the next frame of a connection, late bound */
int gw_decide_out(gw_lane *l, uint32_t conn, gw_pen *pen);
int gw_waited_too_long(const gw_lane *l, uint32_t conn, uint32_t slot);
int gw_decide_denial(gw_lane *l, uint32_t conn, uint32_t slot, gw_pen *pen);
int gw_decide_verdict(gw_lane *l, uint32_t slot, gw_pen *pen);
void gw_apply_out(gw_lane *l, const gw_rec_out *r);

/* gate.c */
int gw_gate(const gw_lane *l, const gw_slot *s, const uint32_t *kill_gen, uint16_t *reason);
int gw_kill_gens(const gw_lane *l, const uint32_t *entity, uint32_t *gens);
void gw_apply_latch(gw_lane *l, const gw_rec_latch *r);
void gw_sweep(gw_lane *l, uint32_t scope, uint32_t entity, uint16_t reason);

/* cmd.c */
void gw_apply_cmd(gw_lane *l, const gw_rec_cmd *r);
int gw_decide_cmd(gw_lane *l, const gw_cmd *cmd, gw_pen *pen);
void gw_cmd_of_record(const gw_rec_cmd *r, gw_cmd *cmd);
int gw_commands(gw_lane *l);

/* sound.c */
int gw_rec_sound(gw_lane *l, const gw_rec *h);
int gw_dec_sound(gw_lane *l, const gw_dec *d);

/* mask.c */
void gw_mask_sent(gw_lane *l, uint32_t conn, uint8_t *frame, uint32_t n);
int gw_mask_frame(gw_lane *l, uint32_t conn, uint8_t *frame, uint32_t n);

/* decide.c: each kind of input, and its record */
int gw_decide_start(gw_lane *l, const uint8_t *config, uint32_t n, gw_pen *pen);
int gw_decide_in(gw_lane *l, uint32_t conn, const uint8_t *p, uint32_t n, int garbled, gw_pen *pen);
int gw_decide_io(gw_lane *l, uint32_t conn, uint8_t what, int64_t error, uint64_t a, gw_pen *pen);
int gw_decide_num(gw_lane *l, uint8_t kind, uint32_t conn, uint32_t what, uint64_t value, gw_pen *pen);
int gw_decide_latch(gw_lane *l, const gw_rec_latch *in, gw_pen *pen);
int gw_decide_restart(gw_lane *l, int survived, gw_pen *pen);
int gw_decide_stop(gw_lane *l, gw_pen *pen);

/* apply.c: take in a record that is known to be sound: it was just decided, or looked at */
void gw_take_in(gw_lane *l, const uint8_t *rec);
void *gw_pen_begin(gw_lane *l, gw_pen *pen, uint8_t kind, uint32_t conn, uint32_t max);
void gw_pen_end(gw_lane *l, gw_pen *pen, void *rec, uint32_t len);

/* Bytes of the ring that strategies cannot use up, however much they ask and are told: for each open order its cancel, what the venue
 * says to that, and a late verdict (two reports with their frames, roughly); a quarter of the ring at most. */
enum { GW_SWEEP_BYTES = 2048 };
static inline uint64_t gw_sweep_room(const gw_lane *l) {
  uint64_t want = (uint64_t)l->core->open_orders * GW_SWEEP_BYTES, most = l->ring->size / 4;
  return want < most ? want : most;
}
/* Of the ring: is there clearly room for `bytes` beyond whatever is kept for the sweep? As the writer was last seen, which has freed no less by now. */
static inline int gw_plenty(const gw_lane *l, uint64_t bytes) { return l->ring->size / 4 * 3 >= l->ring->head - l->ring->copied_seen + bytes; }
/* Reports that a strategy may leave unread before its new orders are denied. */
static inline uint64_t gw_stream_full(const gw_lane *l) { return l->sizes.stream / 4 * 3; }
static inline void gw_dirty(gw_lane *l, uint32_t conn) { l->dirty[conn / 64] |= 1ull << (conn % 64); }
static inline void gw_belled(gw_lane *l, uint32_t conn) { l->belled[conn / 64] |= 1ull << (conn % 64); }
/* A socket came or went. A bell that is out stays out until it is given back; why the last socket ended is told with the next one. */
static inline void gw_wire_reset(gw_wire *w) {
  uint8_t bell = w->bell;
  int64_t error = w->error;
  memset(w, 0, sizeof *w);
  w->bell = bell;
  w->error = error;
}
static inline gw_slot *gw_slot_of(gw_lane *l, uint32_t slot, uint32_t gen) {
  gw_slot *s = slot < l->sizes.orders ? &l->slots[slot] : NULL;
  return s && s->gen == gen && s->state != ST_FREE ? s : NULL;
}
/* The verdict that comes next for this order, 0 none. */
static inline uint16_t gw_due_of(const gw_slot *s) { return s->due ? s->due : s->doubt_due ? DUE_DOUBT : 0; }
static inline int gw_is_final(uint8_t st) { return st >= ST_FILLED; }
static inline gw_num *gw_num_at(gw_lane *l, uint32_t conn, uint64_t seq) { return &l->nums[(size_t)conn * GW_NUMS + (seq & (GW_NUMS - 1))]; }
static inline uint8_t *gw_rx(gw_lane *l, uint32_t conn) { return l->rx_buf + (size_t)conn * l->sizes.rx; }
static inline uint8_t *gw_tx(gw_lane *l, uint32_t conn) { return l->tx_buf + (size_t)conn * l->sizes.tx; }
static inline uint64_t gw_mix(uint64_t x) { x ^= x >> 33; x *= 0xff51afd7ed558ccdull; x ^= x >> 33; x *= 0xc4ceb9fe1a85ec53ull; return x ^ (x >> 33); }
/* What only asks for lines seems to do nothing: as a function of its own a call of it may be left out. */
#define GW_AHEAD static inline __attribute__((always_inline)) void
/* The line of a search for a key comes nearer. */
GW_AHEAD gw_index_ahead(const gw_index *m, const gw_pair *p, uint64_t key) { __builtin_prefetch(&p[gw_place8(key) & m->mask], 1); }
/* All of a slot comes nearer: slots go round, so each is a distant one when its turn comes. */
GW_AHEAD gw_slot_ahead(const gw_lane *l, uint32_t slot) {
  for (size_t at = 0; at < sizeof(gw_slot); at += 64) __builtin_prefetch((const uint8_t *)&l->slots[slot] + at, 1);
}
static inline void gw_index_drop(gw_index *m, gw_pair *p, uint64_t key, uint32_t slot) { if (key) gw_index_remove(m, p, key, slot); }
static inline uint64_t gw_token_key(uint32_t conn, uint64_t token) { return token << 12 | (conn & 0xFFF); }
/* Both words of a product. */
static inline uint64_t gw_fold(uint64_t a, uint64_t b) {
  const unsigned __int128 product = (unsigned __int128)a * b;
  return (uint64_t)product ^ (uint64_t)(product >> 64);
}
/* What an id is known by in a table (place.h), never 0; requests and executions have it in the journal (GW_REC_VER). Of a number; or of a name,
 * printable, in a field of n bytes, a multiple of 8, zero padded; within a scope, which is no part of what is hashed but of how: beside a name's
 * bytes it would be taken for some of them, 0100 on one connection for 1100 on the next. The numbers are any with as many ones as zeros. */
static inline uint64_t gw_key(uint64_t hash, uint64_t row) { return (hash & ~GW_ROW_BITS) | (row & 15u) << GW_ROW_AT | 1u; }
static inline uint64_t gw_number_key(uint64_t v, uint64_t scope) { return gw_key(gw_mix(gw_mix(v >> 4) ^ scope), v); }
static inline uint64_t gw_name_key(const char *name, size_t n, uint64_t scope) {
  uint64_t h = 0xC2B2AE3D27D4EB4Full, w, next;
  memcpy(&w, name, 8);
  for (size_t i = 8; i < n && w >> 56; i += 8, w = next) {
    memcpy(&next, name + i, 8);
    if (next == 0) break;
    h = gw_fold(h ^ w, 0x9E3779B97F4A7C15ull);
  }
  const unsigned last = (unsigned)(63 - __builtin_clzll(w | 1u)) & 56u;   /* where the last character is */
  return gw_key(gw_fold(h ^ (w & ~(15ull << last)), 0xD6E8FEB86659FD93ull ^ scope << 16), w >> last);
}
/* Names of 16 bytes, zero padded, as two words: are they equal; where a search for a symbol begins. */
static inline int gw_same_name(const char *a, const char *b) {
  uint64_t x[2], y[2];
  memcpy(x, a, 16);
  memcpy(y, b, 16);
  return ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0;
}
static inline uint32_t gw_symbol_home(const char *symbol) {
  uint64_t x[2];
  memcpy(x, symbol, 16);
  return (uint32_t)__builtin_bswap64((x[0] * 0xff51afd7ed558ccdull ^ x[1]) * 0xc4ceb9fe1a85ec53ull);
}
/* As gw_base36_encode. The next number differs in its last digit only, but after 9 and Z. */
static inline void gw_next_base36(gw_digits *t, uint64_t v, uint8_t *out) {
  const unsigned last = (unsigned)(t->tail >> 56);
  if (v == t->v + 1 && t->v && last != '9' && last != 'Z') t->tail += 1ull << 56;
  else {
    gw_base36_encode(v, out);
    memcpy(&t->head, out, 8);
    memcpy(&t->tail, out + GW_BASE36_LEN - 8, 8);
  }
  t->v = v;
  memcpy(out, &t->head, 8);
  memcpy(out + GW_BASE36_LEN - 8, &t->tail, 8);
}
/* The record is part of what was: its CRC stands for every byte of it. */
static inline void gw_taken(gw_lane *l, const gw_rec *h) {
  l->core->lsn = h->lsn;
  l->core->digest = (uint32_t)gw_mix((uint64_t)l->core->digest << 32 | h->crc);
}
#endif
