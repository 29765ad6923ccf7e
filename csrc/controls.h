/* Generated from risk/controls.toml by `python -m risk.generate`; change that file, not this one: the controls as numbers and rows. */
#ifndef GW_CONTROLS_H
#define GW_CONTROLS_H
#include <stdint.h>

enum gw_control {
    GW_CONTROL_ORDER_QTY = 0, /* R-QTY */
    GW_CONTROL_NOTIONAL = 1, /* R-NOTIONAL */
    GW_CONTROL_COLLAR_BPS = 2, /* R-COLLAR */
    GW_CONTROL_POSITION = 3, /* R-POS */
    GW_CONTROL_OPEN_ORDERS = 4, /* R-OPEN */
    GW_CONTROL_RATE_PER_S = 5, /* R-RATE */
    GW_CONTROL_DUPLICATE_ID = 6, /* R-DUPID */
    GW_CONTROL_PERMISSION = 7, /* R-RESTRICT */
};
#define GW_CONTROLS 8
#define GW_LIMITED 6 /* the first ones: those with limits */

enum gw_scope {
    GW_SCOPE_FIRM = 0,
    GW_SCOPE_VENUE = 1,
    GW_SCOPE_ACCOUNT = 2,
    GW_SCOPE_STRATEGY = 3,
    GW_SCOPE_SYMBOL = 4,
};
#define GW_SCOPES 5

typedef struct gw_control_row {
    const char *key;
    const char *code;
    const char *unit;
    const char *text;
    uint8_t scopes;    /* bit i: a limit may be set at gw_scope i */
    uint8_t decimal;   /* 1: a limit may have an exponent other than 0 */
    uint8_t mandatory; /* 1: blocked unless a covering scope sets it */
    uint8_t ord_rej_reason[5]; /* FIX 4.4 103, by scope of the breach */
} gw_control_row;

static const gw_control_row gw_control_rows[GW_CONTROLS] = {
    {"order_qty", "R-QTY", "quantity", "{key} {value} > {limit} ({scope} {name})", 31, 1, 1, {3, 3, 3, 3, 3}},
    {"notional", "R-NOTIONAL", "currency", "{key} {value} > {limit} ({scope} {name})", 31, 1, 1, {3, 3, 3, 3, 3}},
    {"collar_bps", "R-COLLAR", "bps", "{key} {value} > {limit} ({scope} {name})", 31, 0, 1, {3, 3, 3, 3, 3}},
    {"position", "R-POS", "quantity", "{key} {value} > {limit} ({scope} {name})", 31, 1, 1, {3, 3, 3, 3, 3}},
    {"open_orders", "R-OPEN", "orders", "{key} {value} > {limit} ({scope} {name})", 31, 0, 1, {3, 3, 3, 3, 3}},
    {"rate_per_s", "R-RATE", "messages/s", "{key} {value} > {limit} ({scope} {name})", 31, 0, 1, {99, 99, 99, 99, 99}},
    {"duplicate_id", "R-DUPID", "", "client order id already used", 0, 0, 0, {6, 6, 6, 6, 6}},
    {"permission", "R-RESTRICT", "", "{scope} {name} not allowed for this strategy", 0, 0, 0, {0, 0, 15, 0, 1}},
};

static const char *const gw_scope_names[GW_SCOPES] = {"firm", "venue", "account", "strategy", "symbol"};

#define GW_WHYS 7
typedef struct gw_why_row {
    const char *key;
    const char *text;       /* "": the control's own */
    int16_t ord_rej_reason; /* -1: the control's own */
} gw_why_row;

static const gw_why_row gw_why_rows[GW_WHYS] = {
    {"over", "", -1},
    {"unset", "{key} unset; add: [limits.firm] {key} = <{unit}>", 0},
    {"no_ref", "{key}: no reference price ({scope} {name})", 99},
    {"unknown", "unknown {scope}", -1},
    {"denied", "", -1},
    {"repeated", "", -1},
    {"invalid", "{key}: not a possible value", 11},
};

#endif
