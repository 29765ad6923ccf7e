/* lane.h: the data plane as Python sees it: tables in, commands in, events out, one step at a time.
 *
 * A lane is one arena of memory that the caller owns. gw_step() decides and applies; it makes no syscall of its own, the
 * six functions of gw_rim do (rim.c: the kernel; memrim.c: memory). gw_apply() replays a record of the journal into the state
 * without deciding anything; gw_verify() decides again and compares. Times are ns since the epoch, prices and quantities are
 * mantissas of the instrument's exponents. Every struct here is little-endian in the journal and zero padded.
 */
#ifndef GW_LANE_H
#define GW_LANE_H
#include <stddef.h>
#include <stdint.h>
#include "records.h"
#include "journal.h"
#include "risk.h"
#include "fix.h"
#include "layout.h"

#define GW_TICK_BANDS 8
#define GW_CMD_MAX 4096    /* payload of one command batch, bytes */
#define GW_EV_MAX 4096     /* payload of one event: a whole frame, for a barrier in admin only */
#define GW_CONN_SEND 4096  /* bytes of session messages that may wait on one connection */
#define GW_MARK_TX 1           /* watermarks: outbound numbers, venue-side ids */
#define GW_MARK_TOKEN 2
#define GW_NUMS 16384      /* how many of a connection's last numbers are remembered: number -> order, record */
#define GW_CONNS_MAX 4096     /* connections of a lane */
#define GW_FRAME_MAX 8192  /* longest frame of any protocol, bytes */

/* What the tables describe. Entry 0 of instruments, accounts, strategies and venues is what has no known owner (risk.h). ------------------------------------------------------------------------------------------ */
typedef struct gw_tick { int64_t from; int64_t tick; } gw_tick;   /* prices >= from (instrument's mantissa) move by tick */
typedef struct gw_instrument {
  char symbol[16];
  int64_t lot, multiplier, ref_px;
  gw_tick ticks[GW_TICK_BANDS];
  uint32_t n_ticks;
  uint16_t default_venue;      /* index, 0xFFFF = none: the request must name one */
  int8_t px_exp, qty_exp, mult_exp;
  uint8_t trading, has_ref, negative_px, pad_[4];
} gw_instrument;
typedef struct gw_listing {    /* an instrument as one venue names it; sorted by (instrument, venue) */
  uint32_t instrument;
  uint16_t venue, pad_;
  char venue_symbol[16];
  uint64_t venue_id;
} gw_listing;
typedef struct gw_account { char name[16]; } gw_account;
typedef struct gw_strategy { char name[16]; uint64_t accounts[4]; } gw_strategy;   /* bit a: may trade account a */

/* Families of framing and numbering, roles, states of a connection (SEAM T1-T3). */
#define GW_FAMILY_FIX 1
#define GW_FAMILY_SOUP 2
#define GW_FAMILY_API 3
#define GW_ROLE_VENUE 1
#define GW_ROLE_STRATEGY 2
#define GW_ROLE_DOOR 3         /* an accepted socket that is nobody's yet: provisional */
#define GW_CLOSED 0
#define GW_ADMIN 1
#define GW_FLOW 2
#define GW_RECOVER 3
#define GW_HOLD 4
#define GW_CANCELS 2
#define GW_OPEN 3

/* Messages the lane itself makes, as indexes into gw_conn_cfg.msg; 65535 = the protocol has none. */
#define GW_MSG_NEW 0
#define GW_MSG_CANCEL 1
#define GW_MSG_REPLACE 2
#define GW_MSG_STATUS 3
#define GW_MSG_REPORT 4
#define GW_MSG_CANCEL_REJECT 5
#define GW_MSG_HEARTBEAT 6
#define GW_MSG_REJECT 7        /* FIX door: BusinessMessageReject */
#define GW_TOKEN_TEXT 1        /* ClOrdID: 13 digits of base 36 (FIX) */
#define GW_TOKEN_NUMBER 2      /* the record's token field (OUCH UserRefNum) */

typedef struct gw_conn_cfg {
  uint8_t family, role, cancel_on_disconnect, level;    /* level: 0 async, 1 group, 2 sync */
  uint16_t strategy, venue;                             /* index, by role */
  uint32_t rate_per_s, burst, reserved;                 /* venue pacing: messages a second (0 = none), bucket, share kept for cancels */
  char sender[24], target[24];                          /* FIX comp ids: ours, theirs */
  char mpid[8];
  int64_t queue_ttl_ns, hb_ns;
  uint16_t msg[12];                                     /* message numbers of the layout or dialect, by GW_MSG_* */
  uint8_t token_kind, cancel_has_token, chain_total, pad_[5];   /* venue ids: GW_TOKEN_*; does a cancel use one; is a replace's quantity the chain's total */
  uint32_t n_values, pad2_;
  const gw_value *values;                               /* what the layout takes from the session: mpid and its like */
  const gw_layout *layout;                              /* binary families */
  const gw_fix_dialect *dialect;                        /* FIX */
} gw_conn_cfg;

typedef struct gw_secret { char name[32]; char value[96]; uint32_t len; } gw_secret;

typedef struct gw_tables {
  const gw_instrument *instruments; uint32_t n_instruments;
  const gw_listing *listings; uint32_t n_listings;
  const gw_account *accounts; uint32_t n_accounts;
  const gw_strategy *strategies; uint32_t n_strategies;
  const char *venues; uint32_t n_venues;                /* 16 bytes each */
  const gw_conn_cfg *conns; uint32_t n_conns;           /* conn 0 is the lane itself */
  const gw_secret *secrets; uint32_t n_secrets;
  const uint8_t *limits; uint64_t limits_len;           /* a limits table of risk.h */
} gw_tables;

typedef struct gw_sizes {
  uint32_t orders;        /* slots; a finished order keeps its slot until all others were used */
  uint32_t conns;
  uint32_t instruments, listings, accounts, strategies, venues, secrets;
  uint32_t stream;        /* reports a strategy's connection may leave unread, a power of two */
  uint32_t seen;          /* duplicate ids remembered, a power of two */
  uint32_t rx, tx;        /* bytes buffered for each connection and direction */
  uint32_t commands, events;   /* entries of the two rings, powers of two */
  uint16_t lane, pad_;
} gw_sizes;

#define GW_READY_WRITE 32768
/* The rim: everything a lane asks of the world. */
typedef struct gw_rim {
  void *ctx;
  int64_t (*now)(void *ctx);                                              /* ns since the epoch, never back */
  int64_t (*recv)(void *ctx, uint32_t conn, uint8_t *buf, uint32_t cap);  /* bytes, 0 nothing now, -1-errno closed (-1: by the peer) */
  int64_t (*send)(void *ctx, uint32_t conn, const uint8_t *buf, uint32_t n);
  int64_t (*budget)(void *ctx, uint32_t conn);                            /* bytes that may be bound to the socket now */
  int64_t (*unread)(void *ctx, uint32_t conn);                            /* bytes waiting in the kernel */
  int (*attach)(void *ctx, uint32_t conn, int64_t fd);                    /* the descriptor is the rim's from here on */
  int (*move)(void *ctx, uint32_t from, uint32_t to);
  void (*close)(void *ctx, uint32_t conn);
  void (*watch)(void *ctx, uint32_t conn, int read, int write);           /* what to be told of: a held connection is not read, a blocked one is */
  int (*ready)(void *ctx, uint16_t *conns, int max);                      /* connections to read; with GW_READY_WRITE those that take bytes again */
  const uint8_t *(*fetch)(void *ctx, uint64_t lsn);                       /* a record that left the ring, NULL = not here yet */
  void (*wake)(void *ctx);                                                /* events wait for the control plane */
  uint64_t (*watermark)(void *ctx, uint32_t conn, uint32_t kind, uint64_t want);   /* ask for numbers below want; returns what is durable */
} gw_rim;

/* Commands (SEAM T5): one push is one batch, applied in one step, one record. Each part is a gw_sub and its payload, padded to 8. */
#define GW_CMD_ATTACH 1        /* conn; a = descriptor; b = time of the connection attempt */
#define GW_CMD_BIND 2          /* conn = provisional, a = the session's connection */
#define GW_CMD_CLOSE 3         /* a = 1 after what waits has left, b = deadline ns */
#define GW_CMD_SET_RX 4        /* a = state, b = recover through */
#define GW_CMD_SET_TX 5        /* a = state */
#define GW_CMD_SEND 6          /* a = number or 0, b = flags (1 PossDup); payload u32 type, then TLV */
#define GW_CMD_RESEND 7        /* a..b */
#define GW_CMD_SET_NEXT 8      /* a = GW_NEXT_*, b = number */
#define GW_CMD_SET_VALUES 9    /* a = heartbeat ns, b = silence ns */
#define GW_CMD_DONE 10         /* a = lsn */
#define GW_CMD_EVIDENCE 11     /* a = GW_EVIDENCE_*, b = number */
#define GW_CMD_APPLY_REPORT 12 /* a = lsn of the consumed message */
#define GW_CMD_CANCEL_SCOPE 13 /* a = scope kind, b = entity */
#define GW_CMD_SWAP_LIMITS 14  /* payload: bytes a.. of a limits table of b bytes; the piece that ends it puts it in force */
#define GW_CMD_DAY_ROLL 15
#define GW_CMD_REF_PX 16       /* a = instrument, b = price mantissa */
#define GW_CMD_PAUSE 17        /* a = scope kind, b = entity */
#define GW_CMD_RESUME 18
#define GW_CMD_STOP 19         /* a = GW_STOP_* */
#define GW_CMD_BURNT 20        /* conn = strategy; a = last id it used: higher than ours after a lost tail -> refused for ever */
#define GW_CMD_STREAM 21       /* conn = strategy; a = resume its report stream from this number */
#define GW_CMD_NOTE 22         /* payload: words for the journal, such as who asked for the other parts */

#define GW_STOP_DENY 0              /* new orders are denied */
#define GW_STOP_CANCEL 1            /* and open day orders cancelled */
#define GW_STOP_NOW 2               /* the lane ends with this step */
#define GW_NEXT_RX 1
#define GW_NEXT_TX 2
#define GW_NEXT_TOKEN 3
#define GW_EVIDENCE_NOT_ARRIVED 1   /* numbers >= b of this connection never arrived */
#define GW_EVIDENCE_FENCE 2         /* everything sent before was answered: an IN_DOUBT order that was not named never lived */

#define GW_RESULT_OK 0
#define GW_RESULT_STALE 1           /* another epoch: the connection it meant is gone */
#define GW_RESULT_REFUSED 2         /* see code */
#define GW_REFUSED_STATE 1          /* not in this state of the connection, or a newer tightening than the one it saw */
#define GW_REFUSED_RANGE 2          /* no such connection, number, scope or record */
#define GW_REFUSED_ROOM 3           /* no room for what it would queue */

typedef struct gw_sub {
  uint8_t kind, result, code, pad0_;
  uint16_t conn, pad_;
  uint32_t epoch, state_gen;
  uint32_t len;                     /* payload bytes that follow, before padding */
  uint32_t dec_len;                 /* the lane's: a gw_dec follows the payload */
  uint64_t a, b;
} gw_sub;

typedef struct gw_cmd {
  uint64_t id, cause_lsn, now_ns;
  uint32_t n_subs, len;
  uint8_t payload[GW_CMD_MAX];
} gw_cmd;

/* Events (SEAM T6): a doorbell a connection, or an acknowledgement of a command. */
#define GW_EV_BELL 1           /* facts, and messages for control up to lsn; done(lsn) gives the bell back */
#define GW_EV_ACK 2            /* a command batch was applied at lsn: id, and the results in the payload, 2 bytes a part */
#define GW_FACT_CLOSED 1
#define GW_FACT_GAP 2
#define GW_FACT_GAP_CLOSED 4
#define GW_FACT_SILENT 8
#define GW_FACT_ATTACHED 16
#define GW_FACT_FILLED 32      /* a gap fill covered orders: they are IN_DOUBT and to be asked for */
#define GW_FACT_ODD 64         /* a report that was booked but contradicts what we know */
#define GW_FACT_ORPHAN 128     /* a report for no order of ours */
#define GW_FACT_LATCH 256
#define GW_FACT_JOURNAL 512    /* low or failed */
#define GW_FACT_TABLE_FULL 1024
#define GW_FACT_SLOW 2048      /* a strategy that does not read */
#define GW_FACT_STOPPED 4096
#define GW_FACT_GARBLED 8192
#define GW_FACT_ASK_AGAIN 16384 /* a gap fill covered what control had sent: it will not be answered */
#define GW_FACT_EXEC_ID 32768  /* a venue has given an execution the id of another order's */

typedef struct gw_ev {
  uint8_t kind, rx, tx, barrier;
  uint16_t conn, cls;
  uint32_t epoch, state_gen;
  uint64_t id, lsn, now_ns, seq, expected, rx_next, tx_next;
  uint32_t facts, len;
  int64_t error;
  uint8_t payload[GW_EV_MAX];
} gw_ev;

/* What a view copies out, for status, orders, tests. */
typedef struct gw_conn_view {
  uint8_t family, role, rx, tx;
  uint32_t epoch, state_gen, facts, queued, open_orders, in_doubt;
  uint64_t rx_next, tx_next, token_next, stream_len, stream_sent, watermark, rx_count, tx_count, dropped;
  uint64_t last_id;
  int64_t last_rx_ns, last_tx_ns;
} gw_conn_view;
typedef struct gw_order_view {
  uint32_t slot, gen, account, strategy, instrument;
  uint16_t venue, conn_s;
  char ord_status, side, ord_type, time_in_force;
  uint8_t in_doubt, cancel_wanted, replace_pending, queued;
  uint64_t order_no, cl_ord_num, token, out_seq;
  int64_t price, order_qty, cum_qty, leaves_qty, accepted_ns;
  int8_t px_exp, qty_exp, pad_[6];
  char cl_ord_id[24];
} gw_order_view;
#define GW_DENIED_REASONS 64         /* reasons that are counted one by one; those beyond are counted as GW_REASON_OTHER */
typedef struct gw_counts {
  uint64_t in, out, records, orders, denied, acks, fills, cancels, rejects, orphans, odd, garbled, dropped, commands, events;
  uint64_t state_hash, lsn;
  uint32_t open_orders, in_doubt, queued, stopped;
  uint32_t cancelling, pad_;   /* once it stops: orders whose cancel is wanted; before that: all that are open */
  uint32_t limits_version, digest;
  uint64_t denied_by[GW_DENIED_REASONS];
} gw_counts;
typedef struct gw_diff { uint64_t lsn; uint32_t offset, kind; uint32_t want_len, got_len; } gw_diff;

typedef struct gw_lane gw_lane;

/* Which code decides: 31 hexadecimal digits over the sources of the lane. */
const char *gw_build_id(void);

/* Bytes of arena a lane of these sizes needs. */
size_t gw_lane_size(const gw_sizes *sizes);
/* How many of them, from the beginning, any order may touch; the rest belongs to single connections. 0 as gw_lane_size. */
size_t gw_lane_common(const gw_sizes *sizes);
/* Lay a lane out in `mem` (zeroed, 64-byte aligned). 0, or a negative fault: GW_RANGE when a size or a table index is out of bounds. */
int gw_lane_init(void *mem, size_t size, const gw_sizes *sizes, const gw_tables *tables, gw_ring *ring, uint8_t *latch, size_t latch_len, const gw_rim *rim);
/* Other tables with the same names at the same numbers: what a START record behind the first one says, before it is written or applied. */
/* 0, or GW_E_RANGE and nothing has changed where a number would mean something else. */
int gw_lane_tables(gw_lane *lane, const gw_tables *tables);
/* Change what a lane calls: its rim, and where it writes (restart and replay begin on other ones). */
void gw_lane_rim(gw_lane *lane, gw_ring *ring, uint8_t *latch, size_t latch_len, const gw_rim *rim);
/* Another latch from now on: the mapped file, which stays the caller's; NULL, or bytes that are no latch: the firm is dropped. */
void gw_lane_latch(gw_lane *lane, uint8_t *latch, size_t latch_len);
/* The first record: who runs with what. `config` is the effective configuration as bytes. 0 or a fault. */
int gw_start(gw_lane *lane, const uint8_t *config, uint32_t n);
/* One step: commands, latch, inputs, timers, what waits, flush, events. Returns the work done (0 = idle). */
int gw_step(gw_lane *lane);
/* When idle: ns until the next timer, at most `most`. */
int64_t gw_idle_ns(const gw_lane *lane, int64_t most);
/* Replay: take a record of the journal into the state (restart), or decide it again and compare (replay). Both return 0 or a fault; */
/* gw_verify returns GW_DIFFERS and fills `diff` at the first difference. Records come in lsn order. */
int gw_apply(gw_lane *lane, const uint8_t *rec);
int gw_verify(gw_lane *lane, const uint8_t *rec, uint8_t *scratch, size_t cap, gw_diff *diff);
/* What a restart concludes (SEAM T8), as one record; nothing may be sent before it is durable. `ring_survived`: same boot, id, salt and last lsn. */
int gw_restart(gw_lane *lane, int ring_survived);
/* Say in the latch file which process's lane looks at it, and what it has seen; once, before the first step. */
void gw_lane_mapped(gw_lane *lane, uint64_t pid);
/* For the thread: something waits for the disk; commands wait; nothing will ever happen again. */
int gw_lane_urgent(const gw_lane *lane);
int gw_lane_has_commands(const gw_lane *lane);
int gw_lane_stopped(const gw_lane *lane);
int gw_cmd_push(gw_lane *lane, const gw_cmd *cmd);   /* 1 taken, 0 the ring is full */
int gw_ev_pop(gw_lane *lane, gw_ev *out);            /* 1 one was copied out, 0 none */
uint64_t gw_state_hash(const gw_lane *lane);
int gw_view_conn(const gw_lane *lane, uint32_t conn, gw_conn_view *out);
uint32_t gw_view_orders(const gw_lane *lane, uint32_t from, gw_order_view *out, uint32_t max, uint32_t *next);
void gw_view_counts(const gw_lane *lane, gw_counts *out);
/* A position: signed quantity of (scope kind, entity, instrument). */
int64_t gw_view_position(const gw_lane *lane, uint32_t scope, uint32_t entity, uint32_t instrument);
/* Exposure of a scope in an instrument, as gw_risk_exposure. What an order slot holds, as gw_risk_held. Every flag risk ever raised (GW_RISK_*). */
int gw_view_exposure(const gw_lane *lane, uint32_t scope, uint32_t entity, uint32_t instrument, gw_exposure *out);
int64_t gw_view_held(const gw_lane *lane, uint32_t slot);
int gw_view_risk_flags(const gw_lane *lane);
/* A record still in the ring or fetched; NULL when it is not there. */
const uint8_t *gw_record(gw_lane *lane, uint64_t lsn);
/* The tables of the seam, for the test that walks every cell: the action, or -1 outside. */
int gw_table_in(int family, int cls, int rx);
int gw_table_out(int cls, int tx);
int gw_order_next(int state, int event);
#endif
