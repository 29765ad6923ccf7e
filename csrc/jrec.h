/* jrec.h: what a journal record of the lane says behind its 40-byte head (SEAM T7): wire bytes and the decision, never the decoded record.
 *
 * A decision carries all that apply needs, so that a new build restarts on an old journal; only the request's own fields of an accepted
 * order are decoded from its frame again. Little-endian, naturally aligned, zero padded; prices and quantities in the instrument's exponents.
 */
#ifndef GW_JREC_H
#define GW_JREC_H
#include <stdint.h>
#include "journal.h"
#include "risk.h"

#define GW_REC_VER 2         /* of the lane's records. 1: keys of requests and executions were made otherwise, what was used then is not recognised now */

/* Everything a strategy is told about one event of one order, without the venue's own texts: those stay in the frame. */
typedef struct gw_told {
  uint64_t cl_ord_num, orig_cl_ord_num, order_no;
  int64_t price, stop_px, order_qty, last_px, last_qty, cum_qty, leaves_qty, avg_px;
  uint32_t instrument;
  uint16_t account, venue, reason, cxl_rej_reason, ord_rej_reason, stream;   /* stream: the connection that is told, 0 = nobody */
  char kind, exec_type, ord_status, side, ord_type, time_in_force, cxl_rej_response_to;
  int8_t px_exp, qty_exp, avg_px_exp;
  uint8_t flags, pad_[5];
  char cl_ord_id[24], orig_cl_ord_id[24];
} gw_told;
#define TOLD_IN_DOUBT 1
#define TOLD_ANSWER 4        /* answers a status request of ours */

/* A decision: apply needs nothing else (but the request's own fields of an accepted order, decoded from the frame again). */
typedef struct gw_dec {
  uint8_t what, event, state, flags;
  uint16_t conn_s, conn_v;
  uint32_t slot, gen;
  uint32_t strategy;
  uint32_t kill_gen[5];
  uint32_t limits_version, n_breaches;
  uint64_t key, token, exec_key;
  int64_t ref_px;
  gw_told told;
  gw_risk_delta delta;         /* reservation; event 0 = none */
} gw_dec;
#define DEC_ODD 1              /* booked, but it contradicts what we know: flag, pause */
#define DEC_FINAL 2            /* the order is over */
#define DEC_DUP 4              /* an execution booked before: told to nobody, changes nothing */
#define DEC_REPLACE_TOKEN 8    /* the venue accepted the pending replace: its id and terms are the order's now */
#define DEC_REPLACE_OVER 16    /* the pending replace is over without success */
#define DEC_CANCEL_OVER 32     /* the cancel that was sent was refused: it is wanted no more */
#define DEC_CLEAR_DOUBT 64
#define DEC_ID_REUSED 128      /* booked, but the execution's id was another order's before */

/* Classes of inbound messages: rows of T1 and T3. */
enum gw_cls {
  CLS_GARBLED, CLS_HEADER_FAULT, CLS_SEQ_LOW, CLS_SEQ_LOW_DUP, CLS_SEQ_HIGH, CLS_LOGON, CLS_LOGOUT, CLS_HEARTBEAT, CLS_TEST_ANSWER,
  CLS_TEST_REQUEST, CLS_RESEND_REQUEST, CLS_GAP_FILL, CLS_GAP_FILL_LOW, CLS_SEQ_RESET, CLS_REJECT, CLS_BUSINESS, CLS_KNOWN, CLS_MALFORMED,
  CLS_FRAMING, CLS_END, CLS_DEBUG, CLS_N
};
/* What the table says to do: columns are rx states. */
enum gw_act { ACT_DROP, ACT_LANE, ACT_NOTICE, ACT_BARRIER, ACT_GAP, ACT_LANE_NOTICE, ACT_CLOSE, ACT_KEEP };

/* What leaves, rows of T2. */
enum gw_ocls { OUT_SEND, OUT_SESSION, OUT_CANCEL, OUT_STATUS, OUT_REPLACE, OUT_NEW, OUT_REPORT, OUT_RESENT, OUT_N };
enum gw_oact { OACT_NO, OACT_YES, OACT_KEEP, OACT_DOWN, OACT_RECOVERING, OACT_GATE };

/* States of an order, and what can happen to it. The table is in orders.c. */
enum gw_st { ST_FREE, ST_QUEUED, ST_SENT, ST_NEW, ST_PARTIAL, ST_SUSPENDED, ST_STOPPED, ST_CALCULATED, ST_FILLED, ST_CANCELED, ST_REJECTED, ST_EXPIRED, ST_DONE, ST_DENIED, ST_N };
enum gw_evt {
  EVT_ACCEPT, EVT_SEND, EVT_VOID, EVT_DENY, EVT_PENDING_NEW, EVT_NEW, EVT_TRADE, EVT_FILL, EVT_CANCELED, EVT_REPLACED, EVT_REJECTED, EVT_EXPIRED,
  EVT_DONE, EVT_SUSPENDED, EVT_STOPPED, EVT_CALCULATED, EVT_PENDING_CANCEL, EVT_PENDING_REPLACE, EVT_RESTATED, EVT_BUST, EVT_CORRECT, EVT_STATUS, EVT_CXL_REJECT, EVT_N
};

/* Journal payloads. Each begins with the 40-byte head of journal.h. */
typedef struct gw_rec_in {
  gw_rec h;
  uint8_t cls, act, rx, consumed;
  uint16_t off, n;             /* a field of the frame: TestReqID */
  uint32_t frame_len, dec_len, n_breaches, pad_;
  uint64_t seq, expected, prev_ctl, a, b;
} gw_rec_in;                   /* then gw_dec (if dec_len), gw_breach[n_breaches], the frame */
typedef struct gw_rec_out {
  gw_rec h;
  uint8_t what, msg_kind, explicit_seq, pad0_;
  uint16_t pad1_, n_taken;     /* what it answers: session messages taken from the connection's queue */
  uint32_t slot, gen, frame_len;
  uint64_t cause, seq, token, stream_pos, a, b;
} gw_rec_out;                  /* then the frame */
typedef struct gw_rec_start { gw_rec h; uint32_t epoch, config_len; } gw_rec_start;   /* then the effective configuration */
typedef struct gw_rec_deny { gw_rec h; uint32_t n_breaches, pad_; gw_dec dec; } gw_rec_deny;   /* a late verdict on one order; then gw_breach[] */
typedef struct gw_rec_cmd { gw_rec h; uint64_t id, cause, cmd_now; uint32_t n_subs, len; } gw_rec_cmd;   /* then the parts */
typedef struct gw_rec_io { gw_rec h; uint8_t what, pad_[7]; int64_t error; uint64_t a, b; } gw_rec_io;
#define GW_IO_CLOSED 2
#define GW_IO_SILENT 3
typedef struct gw_rec_latch { gw_rec h; uint32_t slot; uint8_t at_gate, scope, dropped, pad_; uint32_t entity, pad2_; uint64_t word; char name[32]; } gw_rec_latch;
typedef struct gw_rec_num { gw_rec h; uint32_t kind, pad_; uint64_t value; } gw_rec_num;   /* DURABLE, WATERMARK, CLOCK, VOID */
typedef struct gw_rec_restart { gw_rec h; uint32_t survived, n_doubt; uint64_t last_lsn; uint32_t new_epoch, pad_; } gw_rec_restart;
typedef struct gw_rec_stop { gw_rec h; uint64_t state_hash; } gw_rec_stop;
#endif
