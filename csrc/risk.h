/* Pre-trade risk: the check of an order against limits, and the worst-case exposure that its life moves.
 *
 * The lane decides with gw_risk_check (pure) and puts one gw_risk_delta into the journal record; gw_risk_apply alone changes state, and reads nothing but
 * the delta and the limits table that a journaled swap put in place. All state is one block of the caller's memory, which stays where it is.
 *
 * Entities are small numbers. In each kind index 0 is for what has no known owner (external venue, account or symbol; strategy 0 is EXTERNAL):
 * fills are booked there, orders are never allowed there. A scope is (kind, entity); the kinds are 0 firm, 1 venue, 2 account, 3 strategy, 4 symbol
 * (the firm's entity is 0, a symbol's entity is its instrument). Controls are numbered by controls.h, which risk/controls.toml makes.
 *
 * Quantities and prices are mantissas at the instrument's own exponents. A limit is value × 10^exp of its control's unit. value > limit is a breach, equal passes.
 */
#ifndef GW_RISK_H
#define GW_RISK_H

#include <stddef.h>
#include <stdint.h>

#define GW_RISK_BREACH_MAX 48 /* no order can have more breaches */
#define GW_RISK_NO_SLOT 4294967295

#define GW_BUY 0
#define GW_SELL 1

/* gw_risk_in.has */
#define GW_RISK_HAS_PX 1
#define GW_RISK_HAS_STOP_PX 2
#define GW_RISK_HAS_REF_PX 4

/* gw_risk_in.id_kind: how a duplicate is known */
#define GW_RISK_ID_RISING 0 /* native order API: strictly greater than the strategy's last one */
#define GW_RISK_ID_HASH 1   /* FIX door: 64-bit hash of (session, ClOrdID), not 0, and not among the last dup_ids ones */

/* gw_breach.why, as in risk/controls.toml */
#define GW_BREACH_OVER 0     /* value > limit */
#define GW_BREACH_UNSET 1    /* a mandatory control that no covering scope sets */
#define GW_BREACH_NO_REF 2   /* a price is needed and the instrument has no reference price */
#define GW_BREACH_UNKNOWN 3  /* an entity of this scope kind is unknown (0 or beyond the table) */
#define GW_BREACH_DENIED 4   /* this strategy may not use this account or symbol */
#define GW_BREACH_REPEATED 5 /* client order id already used */
#define GW_BREACH_INVALID 6  /* the order cannot be judged: quantity not above 0, multiplier not above 0, cum below 0, or side or kind not one of ours */

/* gw_risk_delta.kind: the events of an order's life; each line says what moves. open, pend and incr are the order's own reservation. */
#define GW_RISK_RESERVE 1          /* accepted by risk, not yet sent: pend = qty; a token; the id is used */
#define GW_RISK_RELEASE 2          /* provably never at the venue (denied at the gate, VOID, evidence of non-arrival): all released */
#define GW_RISK_ACK 3              /* venue took the new order: pend moves to open */
#define GW_RISK_REJECT 4           /* venue refused the new order: all released */
#define GW_RISK_FILL 5             /* position moves by qty; qty leaves open, then pend, then incr. slot = NO_SLOT: late, the order is gone */
#define GW_RISK_CANCEL_SENT 6      /* nothing is released; cancels are counted */
#define GW_RISK_CANCEL_ACK 7       /* canceled, expired, done for day, unsolicited too: all released */
#define GW_RISK_CANCEL_REJECT 8    /* nothing: a fill is on its way, or the order is in doubt and stays reserved */
#define GW_RISK_REPLACE_RESERVE 9  /* replace accepted by risk: incr grows until max(old, new) leaves are held; a token; the id is used */
#define GW_RISK_REPLACE_ACK 10     /* open = leaves (new OrderQty − cum, at least 0); incr = what still pending replaces need above it */
#define GW_RISK_REPLACE_REJECT 11  /* incr = what still pending replaces need above open + pend */
#define GW_RISK_BUST 12            /* position back by qty; leaves are not restored */
#define GW_RISK_CORRECT 13         /* position back by old_qty, on by qty */
#define GW_RISK_RESTATED 14        /* open = leaves; pend and incr as in REPLACE_ACK */
#define GW_RISK_EXTERNAL_ORDER 15  /* an order that is not ours: open = leaves, strategy EXTERNAL. slot = NO_SLOT: added to the cells, for ever */
#define GW_RISK_EXTERNAL_FILL 16   /* a fill that is not ours: position moves, strategy EXTERNAL */
#define GW_RISK_ID_SEEN 17         /* an order was denied: its id is used all the same, nothing else */

/* What gw_risk_apply says, bits; also kept in the state for ever (gw_risk_flags) */
#define GW_RISK_OVERFILL 1   /* filled more than was held: position moved whole, reservation clamped at 0 */
#define GW_RISK_SATURATED 2  /* a sum would have left 64 bits: it stays at the end of the range */
#define GW_RISK_SLOT_TAKEN 4 /* RESERVE on an order slot that still held exposure: the old exposure stays in the cells */
#define GW_RISK_BAD_INDEX 8  /* an entity beyond the tables was booked at index 0, or a slot beyond them as NO_SLOT */
#define GW_RISK_BAD_EVENT 16 /* unknown kind, or a quantity below 0: nothing was done */

/* Table sizes, fixed at the start; each count includes index 0. */
typedef struct gw_risk_sizes {
    uint32_t venues;
    uint32_t accounts;
    uint32_t strategies;
    uint32_t instruments;
    uint32_t orders;  /* order slots; at least the lane's */
    uint32_t dup_ids; /* a power of two: how many hashed ids are remembered */
} gw_risk_sizes;

typedef struct gw_risk gw_risk;

/* An order about to be taken. Entities as above; slot: its order slot (a replace's reservation is read from it; ignored for a new order). */
typedef struct gw_risk_in {
    uint8_t kind;     /* FIX MsgType: 'D' new, 'G' replace */
    uint8_t side;     /* GW_BUY or GW_SELL */
    uint8_t ord_type; /* FIX OrdType; only '2' and '4' have a price that binds, all others are judged at the reference price */
    uint8_t has;
    uint8_t id_kind;
    int8_t px_exp;   /* of px, stop_px and ref_px */
    int8_t qty_exp;  /* of qty and cum */
    int8_t mult_exp; /* of multiplier */
    uint32_t slot;
    uint32_t instrument;
    uint16_t venue;
    uint16_t account;
    uint16_t strategy;
    uint16_t pad;
    int64_t qty; /* OrderQty: for a replace the new total, what is already filled included */
    int64_t cum; /* replace: CumQty */
    int64_t px;
    int64_t stop_px;
    int64_t ref_px;
    int64_t multiplier; /* currency units per point and contract */
    uint64_t id;
    uint64_t now_ns;
} gw_risk_in;

/* One breach. value, limit and headroom are × 10^exp of the control's unit, value rounded up and headroom down; saturated at 64 bits.
 * headroom = limit − what was used before this order: the largest value that would have passed (it may be negative).
 * UNSET: scope is the firm, the numbers 0. UNKNOWN and DENIED: scope and entity say what is not allowed. */
typedef struct gw_breach {
    uint8_t control;
    uint8_t scope; /* 0 firm 1 venue 2 account 3 strategy 4 symbol */
    uint8_t why;
    int8_t exp;
    uint32_t entity;
    int64_t value;
    int64_t limit;
    int64_t headroom;
} gw_breach;

/* What one event does to exposure: goes into the journal record as it is, 72 bytes, little-endian. Fields that a kind does not name are 0. */
typedef struct gw_risk_delta {
    uint8_t kind;
    uint8_t side;
    uint8_t id_kind;
    uint8_t pad;
    uint32_t slot;
    uint32_t instrument;
    uint16_t venue;
    uint16_t account;
    uint16_t strategy;
    uint16_t pad2;
    uint32_t pad3;
    int64_t qty;         /* RESERVE: OrderQty; FILL, BUST, CORRECT, EXTERNAL_FILL: what is booked */
    int64_t old_qty;     /* CORRECT: what was booked before */
    int64_t leaves;      /* REPLACE_RESERVE: new OrderQty − cum; REPLACE_ACK, RESTATED, EXTERNAL_ORDER: leaves from now on; below 0 is 0 */
    int64_t pend_leaves; /* REPLACE_ACK, REPLACE_REJECT, RESTATED: the largest new OrderQty − cum among replaces still unanswered; 0 = none */
    uint64_t id;         /* RESERVE, REPLACE_RESERVE, ID_SEEN */
    uint64_t now_ns;
} gw_risk_delta;

/* Exposure of one (scope, instrument); quantities, all at least 0 but position. */
typedef struct gw_exposure {
    int64_t position;
    int64_t open_buy;
    int64_t open_sell;
    int64_t pend_buy;
    int64_t pend_sell;
} gw_exposure;

/* Counters of one scope. */
typedef struct gw_risk_scope {
    int64_t open_orders;   /* orders that hold exposure */
    uint64_t messages;     /* new and replace, accepted */
    uint64_t cancels;      /* sent; never blocked */
    int64_t bucket_nano;   /* 1e-9 messages in the token bucket's debt at bucket_ns; it drains at the limit's rate */
    uint64_t bucket_ns;
} gw_risk_scope;

/* Bytes that gw_risk_init needs for these sizes; 0 if a count is 0 or too large, or dup_ids is no power of two. */
size_t gw_risk_size(const gw_risk_sizes *sizes);

/* Lay out `mem` (8-byte aligned, gw_risk_size bytes) as empty state without limits: every order is blocked. Returns it, or NULL if it does not fit. */
gw_risk *gw_risk_init(void *mem, size_t len, const gw_risk_sizes *sizes);

/* Bytes of a limits table for these sizes. */
size_t gw_limits_size(const gw_risk_sizes *sizes);

/* 1 if `table` is a whole limits table for these sizes: magic, counts, length, no exponent or limit out of range; else 0. */
int gw_limits_ok(const void *table, size_t len, const gw_risk_sizes *sizes);

/* Put a limits table in force as a whole. `table` stays the caller's, 8-byte aligned and unchanged until the next swap. Returns 1, or 0 and
 * nothing has changed if gw_limits_ok says no. After a restart the same table must be given again before any apply. */
int gw_risk_swap_limits(gw_risk *risk, const void *table, size_t len);

/* The version of the table in force; 0 if none. It goes into each decision. */
uint64_t gw_risk_limits_version(const gw_risk *risk);

/* Check an order against every control. Returns how many breaches there are, 0 = allowed; writes the first `max` of them. Changes nothing. */
int gw_risk_check(const gw_risk *risk, const gw_risk_in *in, gw_breach *out, int max);

/* What a check and the booking of an order with this id in this slot will read comes nearer; nothing else happens. */
void gw_risk_ahead(const gw_risk *risk, uint64_t id, uint32_t slot);

/* Book one event. Never fails: returns 0 or GW_RISK_… bits. */
int gw_risk_apply(gw_risk *risk, const gw_risk_delta *delta);

/* Exposure of a scope in an instrument: 1 and *out, 0 if there is no such cell. A symbol's scope is (4, i) with instrument i. */
int gw_risk_exposure(const gw_risk *risk, int scope, uint32_t entity, uint32_t instrument, gw_exposure *out);

/* Counters of a scope: 1 and *out, 0 if there is none. */
int gw_risk_counters(const gw_risk *risk, int scope, uint32_t entity, gw_risk_scope *out);

/* What order slot `slot` holds: the sum of open, pend and incr. 0 if nothing. */
int64_t gw_risk_held(const gw_risk *risk, uint32_t slot);

/* Every flag that apply ever returned, or'ed. */
int gw_risk_flags(const gw_risk *risk);

/* 64-bit hash over all state and the limits version: equal states, equal hashes. Costs a pass over the memory. */
uint64_t gw_risk_hash(const gw_risk *risk);

/* FIX OrdRejReason(103) of a control. */
int gw_breach_ord_rej_reason(const gw_breach *breach);

/* One breach as text for Text(58), NUL-terminated ASCII, cut at cap: "order_qty 100 > 50 (account DEMO)". `name`: the scope entity's name.
 * Returns the bytes written without the NUL. An unset limit's text gives the configuration line to add. */
int gw_breach_text(const gw_breach *breach, const char *name, char *out, size_t cap);

#endif
