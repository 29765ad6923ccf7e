/* Generated from gateway/codecs/layouts/house/order.toml by `python -m gateway.codecs.generate`; change that file, not this one.
 * Little-endian, naturally aligned, padding zero. A field is given when its bit in `has` (or `has2`) is set. */
#ifndef GW_RECORDS_H
#define GW_RECORDS_H
#include <stdint.h>

enum gw_kind {
    GW_KIND_NEW_ORDER = 'D',
    GW_KIND_CANCEL = 'F',
    GW_KIND_REPLACE = 'G',
    GW_KIND_STATUS = 'H',
    GW_KIND_MASS_CANCEL = 'q',
    GW_KIND_EXECUTION_REPORT = '8',
    GW_KIND_CANCEL_REJECT = '9',
    GW_KIND_MASS_CANCEL_REPORT = 'r',
    GW_KIND_REJECT = '3',
    GW_KIND_BUSINESS_REJECT = 'j',
};

enum gw_side {
    GW_SIDE_BUY = '1',
    GW_SIDE_SELL = '2',
    GW_SIDE_SELL_SHORT = '5',
    GW_SIDE_SELL_SHORT_EXEMPT = '6',
};

enum gw_ord_type {
    GW_ORD_TYPE_MARKET = '1',
    GW_ORD_TYPE_LIMIT = '2',
    GW_ORD_TYPE_STOP = '3',
    GW_ORD_TYPE_STOP_LIMIT = '4',
    GW_ORD_TYPE_MARKET_IF_TOUCHED = 'J',
    GW_ORD_TYPE_MARKET_TO_LIMIT = 'K',
    GW_ORD_TYPE_PEGGED = 'P',
};

enum gw_time_in_force {
    GW_TIME_IN_FORCE_DAY = '0',
    GW_TIME_IN_FORCE_GOOD_TILL_CANCEL = '1',
    GW_TIME_IN_FORCE_AT_THE_OPENING = '2',
    GW_TIME_IN_FORCE_IMMEDIATE_OR_CANCEL = '3',
    GW_TIME_IN_FORCE_FILL_OR_KILL = '4',
    GW_TIME_IN_FORCE_GOOD_TILL_CROSSING = '5',
    GW_TIME_IN_FORCE_GOOD_TILL_DATE = '6',
    GW_TIME_IN_FORCE_AT_THE_CLOSE = '7',
};

enum gw_order_capacity {
    GW_ORDER_CAPACITY_AGENCY = 'A',
    GW_ORDER_CAPACITY_PROPRIETARY = 'G',
    GW_ORDER_CAPACITY_INDIVIDUAL = 'I',
    GW_ORDER_CAPACITY_PRINCIPAL = 'P',
    GW_ORDER_CAPACITY_RISKLESS_PRINCIPAL = 'R',
    GW_ORDER_CAPACITY_AGENT_FOR_OTHER_MEMBER = 'W',
};

enum gw_position_effect {
    GW_POSITION_EFFECT_OPEN = 'O',
    GW_POSITION_EFFECT_CLOSE = 'C',
    GW_POSITION_EFFECT_ROLLED = 'R',
    GW_POSITION_EFFECT_FIFO = 'F',
};

enum gw_self_match_mode {
    GW_SELF_MATCH_MODE_CANCEL_NEWEST = 'N',
    GW_SELF_MATCH_MODE_CANCEL_OLDEST = 'O',
    GW_SELF_MATCH_MODE_CANCEL_BOTH = 'B',
    GW_SELF_MATCH_MODE_DECREMENT = 'D',
};

enum gw_mass_scope {
    GW_MASS_SCOPE_SECURITY = '1',
    GW_MASS_SCOPE_ALL = '7',
};

enum gw_exec_type {
    GW_EXEC_TYPE_NEW = '0',
    GW_EXEC_TYPE_DONE_FOR_DAY = '3',
    GW_EXEC_TYPE_CANCELED = '4',
    GW_EXEC_TYPE_REPLACED = '5',
    GW_EXEC_TYPE_PENDING_CANCEL = '6',
    GW_EXEC_TYPE_STOPPED = '7',
    GW_EXEC_TYPE_REJECTED = '8',
    GW_EXEC_TYPE_SUSPENDED = '9',
    GW_EXEC_TYPE_PENDING_NEW = 'A',
    GW_EXEC_TYPE_CALCULATED = 'B',
    GW_EXEC_TYPE_EXPIRED = 'C',
    GW_EXEC_TYPE_RESTATED = 'D',
    GW_EXEC_TYPE_PENDING_REPLACE = 'E',
    GW_EXEC_TYPE_TRADE = 'F',
    GW_EXEC_TYPE_TRADE_CORRECT = 'G',
    GW_EXEC_TYPE_TRADE_CANCEL = 'H',
    GW_EXEC_TYPE_ORDER_STATUS = 'I',
    GW_EXEC_TYPE_DENIED = 'X', /* never sent to the venue */
    GW_EXEC_TYPE_IN_DOUBT = 'U', /* sent, outcome unknown */
};

enum gw_ord_status {
    GW_ORD_STATUS_NEW = '0',
    GW_ORD_STATUS_PARTIALLY_FILLED = '1',
    GW_ORD_STATUS_FILLED = '2',
    GW_ORD_STATUS_DONE_FOR_DAY = '3',
    GW_ORD_STATUS_CANCELED = '4',
    GW_ORD_STATUS_REPLACED = '5',
    GW_ORD_STATUS_PENDING_CANCEL = '6',
    GW_ORD_STATUS_STOPPED = '7',
    GW_ORD_STATUS_REJECTED = '8',
    GW_ORD_STATUS_SUSPENDED = '9',
    GW_ORD_STATUS_PENDING_NEW = 'A',
    GW_ORD_STATUS_CALCULATED = 'B',
    GW_ORD_STATUS_EXPIRED = 'C',
    GW_ORD_STATUS_PENDING_REPLACE = 'E',
};

enum gw_last_liquidity {
    GW_LAST_LIQUIDITY_ADDED = '1',
    GW_LAST_LIQUIDITY_REMOVED = '2',
    GW_LAST_LIQUIDITY_ROUTED_OUT = '3',
    GW_LAST_LIQUIDITY_AUCTION = '4',
};

enum gw_cxl_rej_response_to {
    GW_CXL_REJ_RESPONSE_TO_CANCEL = '1',
    GW_CXL_REJ_RESPONSE_TO_REPLACE = '2',
};

enum gw_level {
    GW_LEVEL_FIRM = 'F',
    GW_LEVEL_VENUE = 'V',
    GW_LEVEL_ACCOUNT = 'A',
    GW_LEVEL_STRATEGY = 'S',
    GW_LEVEL_SYMBOL = 'Y',
};

enum gw_flag {
    GW_FLAG_NO = 0,
    GW_FLAG_YES = 1,
};

enum gw_reason {
    GW_REASON_NONE = 0, /* no reason given */
    GW_REASON_VENUE_DOWN = 1, /* the venue's session is not connected */
    GW_REASON_RECOVERING = 2, /* the venue's session is recovering; send again when it is open */
    GW_REASON_KILLED = 3, /* the kill switch is engaged for a scope of this order */
    GW_REASON_RESTART = 4, /* the gateway restarted before the order was sent */
    GW_REASON_QUEUE_TTL = 5, /* the order waited longer than queue_ttl for the venue to take it */
    GW_REASON_DUPLICATE_ID = 6, /* the order id was used before or does not rise */
    GW_REASON_UNKNOWN_SYMBOL = 7, /* the symbol is not in the instrument file */
    GW_REASON_UNKNOWN_ACCOUNT = 8, /* the account is not configured for this strategy */
    GW_REASON_UNKNOWN_VENUE = 9, /* the venue is not configured, or has no row for the symbol */
    GW_REASON_UNKNOWN_ORDER = 10, /* there is no such order */
    GW_REASON_BAD_TICK = 11, /* the price is not a multiple of the instrument's tick */
    GW_REASON_BAD_LOT = 12, /* the quantity is not a multiple of the instrument's lot */
    GW_REASON_BAD_QTY = 13, /* the quantity is missing, zero, negative or too large */
    GW_REASON_BAD_PRICE = 14, /* the price is missing, out of range, or not for this order type */
    GW_REASON_NOT_EXPRESSIBLE = 15, /* the venue's protocol cannot say this */
    GW_REASON_MALFORMED = 16, /* the message is not well formed */
    GW_REASON_LIMIT = 17, /* a risk control was breached; control and scope name it */
    GW_REASON_TABLE_FULL = 18, /* a table of the gateway is full */
    GW_REASON_JOURNAL_FULL = 19, /* the journal's ring is nearly full */
    GW_REASON_JOURNAL_FAILED = 20, /* the journal could not be written to disk */
    GW_REASON_HALTED = 21, /* the instrument is halted */
    GW_REASON_TOO_LATE = 22, /* the order is already final */
    GW_REASON_PENDING_REPLACE = 23, /* the order already has a cancel or replace under way */
    GW_REASON_VOIDED = 24, /* no byte of the message left before its connection closed */
    GW_REASON_NOT_PERMITTED = 25, /* this strategy may not do this */
    GW_REASON_THROTTLED = 26, /* the message rate allowed was exceeded */
    GW_REASON_CONNECTION_CLOSED = 27, /* the connection closed */
    GW_REASON_SHUTDOWN = 28, /* the gateway is shutting down */
    GW_REASON_ORPHAN = 29, /* a report about an order that the gateway does not know */
    GW_REASON_OTHER = 30, /* another reason; the text says which */
    GW_REASON_PAUSED = 31, /* an operator has paused new orders of a scope of this order */
    GW_REASON_OPERATOR = 32, /* an operator has cancelled it */
};

/* A request: new order, cancel, replace, status, mass cancel. 440 bytes. */
typedef struct gw_order {
    uint64_t has; /* 0: presence bits of the fields below, GW_HAS_… */
    uint64_t cl_ord_num; /* 8: order API: the strategy's strictly rising id; FIX door: 64-bit hash of ClOrdID */
    uint64_t orig_cl_ord_num; /* 16: cl_ord_num of the order meant by a cancel, replace or status */
    uint64_t token; /* 24: venue-side id of this request, given by the lane */
    uint64_t orig_token; /* 32: venue-side id of the order meant: the last accepted one of its chain */
    uint64_t msg_seq_num; /* 40: session number of the message it came in */
    int64_t sending_time; /* 48: ns since the epoch */
    int64_t transact_time; /* 56: ns since the epoch */
    int64_t expire_time; /* 64: ns since the epoch */
    int64_t price; /* 72: × 10^px_exp */
    int64_t stop_px; /* 80: × 10^px_exp */
    int64_t order_qty; /* 88: × 10^qty_exp; in a replace the total of the chain */
    int64_t min_qty; /* 96: × 10^qty_exp */
    int64_t max_floor; /* 104: × 10^qty_exp; shown quantity of a reserve order */
    int64_t peg_offset; /* 112: × 10^px_exp */
    int64_t security_id; /* 120: venue's number of the instrument */
    int64_t account_id; /* 128: venue's number of the account */
    int64_t self_match_id; /* 136: self-match prevention group */
    int64_t decision_algo_id; /* 144: who or what decided: algorithm number */
    int64_t execution_algo_id; /* 152: who or what executes: algorithm number */
    uint32_t expire_date; /* 160: YYYYMMDD */
    int8_t px_exp; /* 164: power of ten of every price of the record but avg_px */
    int8_t qty_exp; /* 165: power of ten of every quantity of the record */
    char kind; /* 166: FIX MsgType */
    char side; /* 167 */
    char ord_type; /* 168 */
    char time_in_force; /* 169 */
    char order_capacity; /* 170 */
    char position_effect; /* 171 */
    char self_match_mode; /* 172 */
    char mass_scope; /* 173 */
    uint8_t post_only; /* 174 */
    uint8_t reduce_only; /* 175 */
    uint8_t manual; /* 176: a person entered it */
    uint8_t locate_reqd; /* 177 */
    uint8_t display; /* 178: 0 hidden, 1 shown */
    uint8_t intermarket_sweep; /* 179 */
    uint8_t pad_180[4];
    char cl_ord_id[24]; /* 184 */
    char orig_cl_ord_id[24]; /* 208 */
    char symbol[16]; /* 232 */
    char venue[16]; /* 248 */
    char account[16]; /* 264 */
    char firm[8]; /* 280 */
    char strategy[16]; /* 288 */
    char trader_id[24]; /* 304: operator or trader responsible */
    char clearing_account[16]; /* 328 */
    char clearing_firm[8]; /* 344 */
    char mpid[8]; /* 352 */
    char locate_broker[8]; /* 360 */
    char venue_options[32]; /* 368: what only one venue knows: KEY=VALUE, separated by spaces */
    char memo[40]; /* 400 */
} gw_order;
#define GW_ORDER_SIZE 440
#define GW_HAS_CL_ORD_NUM 0
#define GW_HAS_ORIG_CL_ORD_NUM 1
#define GW_HAS_TOKEN 2
#define GW_HAS_ORIG_TOKEN 3
#define GW_HAS_MSG_SEQ_NUM 4
#define GW_HAS_SENDING_TIME 5
#define GW_HAS_TRANSACT_TIME 6
#define GW_HAS_EXPIRE_TIME 7
#define GW_HAS_PRICE 8
#define GW_HAS_STOP_PX 9
#define GW_HAS_ORDER_QTY 10
#define GW_HAS_MIN_QTY 11
#define GW_HAS_MAX_FLOOR 12
#define GW_HAS_PEG_OFFSET 13
#define GW_HAS_SECURITY_ID 14
#define GW_HAS_ACCOUNT_ID 15
#define GW_HAS_SELF_MATCH_ID 16
#define GW_HAS_DECISION_ALGO_ID 17
#define GW_HAS_EXECUTION_ALGO_ID 18
#define GW_HAS_EXPIRE_DATE 19
#define GW_HAS_PX_EXP 20
#define GW_HAS_QTY_EXP 21
#define GW_HAS_KIND 22
#define GW_HAS_SIDE 23
#define GW_HAS_ORD_TYPE 24
#define GW_HAS_TIME_IN_FORCE 25
#define GW_HAS_ORDER_CAPACITY 26
#define GW_HAS_POSITION_EFFECT 27
#define GW_HAS_SELF_MATCH_MODE 28
#define GW_HAS_MASS_SCOPE 29
#define GW_HAS_POST_ONLY 30
#define GW_HAS_REDUCE_ONLY 31
#define GW_HAS_MANUAL 32
#define GW_HAS_LOCATE_REQD 33
#define GW_HAS_DISPLAY 34
#define GW_HAS_INTERMARKET_SWEEP 35
#define GW_HAS_CL_ORD_ID 36
#define GW_HAS_ORIG_CL_ORD_ID 37
#define GW_HAS_SYMBOL 38
#define GW_HAS_VENUE 39
#define GW_HAS_ACCOUNT 40
#define GW_HAS_FIRM 41
#define GW_HAS_STRATEGY 42
#define GW_HAS_TRADER_ID 43
#define GW_HAS_CLEARING_ACCOUNT 44
#define GW_HAS_CLEARING_FIRM 45
#define GW_HAS_MPID 46
#define GW_HAS_LOCATE_BROKER 47
#define GW_HAS_VENUE_OPTIONS 48
#define GW_HAS_MEMO 49

/* A report: the order it is about, then what happened to it. 896 bytes. */
typedef struct gw_report {
    gw_order order; /* 0 */
    uint64_t has2; /* 440: presence bits of the fields below, GW_HAS2_… */
    int64_t last_px; /* 448: × 10^px_exp */
    int64_t last_qty; /* 456: × 10^qty_exp */
    int64_t cum_qty; /* 464: × 10^qty_exp */
    int64_t leaves_qty; /* 472: × 10^qty_exp */
    int64_t avg_px; /* 480: × 10^avg_px_exp */
    int64_t working_px; /* 488: × 10^px_exp; the price the venue works it at */
    int64_t denied_value; /* 496: what the control measured, in the control's unit */
    int64_t denied_limit; /* 504: what the control allows, same unit */
    uint64_t trade_date; /* 512: YYYYMMDD */
    uint64_t match_id; /* 520: venue's number of the execution */
    uint64_t lsn; /* 528: journal position of the decision */
    uint64_t stream_seq; /* 536: number of the report in the strategy's stream */
    uint64_t t_in_ns; /* 544: when the venue's message arrived, ns since the epoch */
    uint32_t epoch; /* 552: of the lane */
    uint32_t reason; /* 556: why the house says so */
    uint32_t ref_seq_num; /* 560: number of the message refused */
    uint32_t next_token; /* 564: next id the venue will take */
    uint16_t lane; /* 568 */
    uint16_t ord_rej_reason; /* 570: FIX 103, else the venue's own code */
    uint16_t cxl_rej_reason; /* 572: FIX 102 */
    uint16_t business_reject_reason; /* 574: FIX 380 */
    uint16_t session_reject_reason; /* 576: FIX 373 */
    int8_t avg_px_exp; /* 578: power of ten of avg_px */
    char exec_type; /* 579 */
    char ord_status; /* 580 */
    char last_liquidity; /* 581 */
    char cxl_rej_response_to; /* 582 */
    char level; /* 583: scope kind of the control that was breached */
    uint8_t poss_dup; /* 584 */
    uint8_t last_fragment; /* 585: last of the answers to a status request */
    uint8_t in_doubt; /* 586 */
    uint8_t pad_587[5];
    char order_id[40]; /* 592: venue's id of the order */
    char exec_id[64]; /* 632 */
    char exec_ref_id[64]; /* 696: execution corrected or broken */
    char text[64]; /* 760 */
    char control[16]; /* 824: control that was breached */
    char scope[24]; /* 840: name of the scope it was breached in */
    char status_req_id[24]; /* 864 */
    char ref_msg_type[4]; /* 888: type of the message refused */
    uint8_t pad_892[4];
} gw_report;
#define GW_REPORT_SIZE 896
#define GW_HAS2_LAST_PX 0
#define GW_HAS2_LAST_QTY 1
#define GW_HAS2_CUM_QTY 2
#define GW_HAS2_LEAVES_QTY 3
#define GW_HAS2_AVG_PX 4
#define GW_HAS2_WORKING_PX 5
#define GW_HAS2_DENIED_VALUE 6
#define GW_HAS2_DENIED_LIMIT 7
#define GW_HAS2_TRADE_DATE 8
#define GW_HAS2_MATCH_ID 9
#define GW_HAS2_LSN 10
#define GW_HAS2_STREAM_SEQ 11
#define GW_HAS2_T_IN_NS 12
#define GW_HAS2_EPOCH 13
#define GW_HAS2_REASON 14
#define GW_HAS2_REF_SEQ_NUM 15
#define GW_HAS2_NEXT_TOKEN 16
#define GW_HAS2_LANE 17
#define GW_HAS2_ORD_REJ_REASON 18
#define GW_HAS2_CXL_REJ_REASON 19
#define GW_HAS2_BUSINESS_REJECT_REASON 20
#define GW_HAS2_SESSION_REJECT_REASON 21
#define GW_HAS2_AVG_PX_EXP 22
#define GW_HAS2_EXEC_TYPE 23
#define GW_HAS2_ORD_STATUS 24
#define GW_HAS2_LAST_LIQUIDITY 25
#define GW_HAS2_CXL_REJ_RESPONSE_TO 26
#define GW_HAS2_LEVEL 27
#define GW_HAS2_POSS_DUP 28
#define GW_HAS2_LAST_FRAGMENT 29
#define GW_HAS2_IN_DOUBT 30
#define GW_HAS2_ORDER_ID 31
#define GW_HAS2_EXEC_ID 32
#define GW_HAS2_EXEC_REF_ID 33
#define GW_HAS2_TEXT 34
#define GW_HAS2_CONTROL 35
#define GW_HAS2_SCOPE 36
#define GW_HAS2_STATUS_REQ_ID 37
#define GW_HAS2_REF_MSG_TYPE 38

#endif
