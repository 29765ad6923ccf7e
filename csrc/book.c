/* The matching core. See book.h for the contract and simulators/matching/twin.py for the rules.
 *
 * Theory of operation. Memory is one block cut into pools of fixed-size records that name each other by index, 0 being none:
 * orders (128 bytes, the first cache line is what matching reads), price levels (64), nodes of the price index (64 + 4), an open
 * hash table from order id to order, a heap of expiry times, the newest trades.
 *
 * A side of a book is a tree of levels: a radix tree of 4-bit digits over the price, path-compressed (a node exists only where
 * prices part), so that its depth follows the number of levels, never the distance between prices, and it never needs balancing;
 * beside it the levels are a list, best first. Keys are turned so that the best price is the smallest key.
 *
 * A message may cause any number of events, so the machine works in steps of at most BOOK_ROOM events and remembers where it is:
 * in the match of one order (struct match), in a change of phase with its auction (struct phase_change), in settling a symbol
 * (stops and pegs; struct settle), in the message itself (`pc`). book_run stops between steps when the room is used up.
 */
#include "book.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

__extension__ typedef __int128 i128;

#define QTY_MAX ((int64_t)1 << 40)
#define PEAKS_MAX 1000
#define TOTAL_MAX ((int64_t)1 << 62)
#define TIME_MAX ((int64_t)1 << 62)
#define ALL_SYMBOLS 0xFFFFFFFFu
#define ANY_SIDE 2
#define SECOND INT64_C(1000000000)
#define MINUTE (60 * SECOND)
#define BUCKET_NS (30 * SECOND)
#define BUCKETS 10
#define AHEAD 16 /* how many messages are looked at before their turn: a power of two */

enum { NEW = 1, CANCEL, REPLACE, MASS_CANCEL, PHASE, INDICATE, REFERENCE, BUST, CORRECT, SESSION_END, TICK };
enum { BUY, SELL };
enum { LIMIT, MARKET, STOP, STOP_LIMIT };
enum { DAY, GTC, GTD, IOC, FOK, AT_OPEN, AT_CLOSE };
enum { POST_ONLY = 1, SLIDE = 2, HIDDEN = 4, LMM = 8, PEG_CAP = 16, ALL_FLAGS = 31 };
enum { PEG_NONE, PEG_MID, PEG_PRIMARY, PEG_MARKET };
enum { STP_PROFILE, STP_NONE, STP_CANCEL_NEW, STP_CANCEL_OLD, STP_CANCEL_BOTH, STP_DECREMENT };
enum { CLOSED, PRE_OPEN, OPENING_CALL, CONTINUOUS, HALT, REOPENING_CALL, CLOSING_CALL, POST };
enum {
    EV_ACCEPTED = 1, EV_REJECTED, EV_TRADE, EV_CANCELED, EV_CANCEL_REJECTED, EV_REPLACED, EV_REPLACE_REJECTED, EV_RESTATED,
    EV_TRIGGERED, EV_PHASE, EV_INDICATIVE, EV_AUCTION, EV_BUSTED, EV_CORRECTED, EV_BUST_REJECTED, EV_MASS_CANCELED,
    EV_SESSION_ENDED, EV_REJECTED_MESSAGE, EV_ORDER, EV_LEVEL
};
enum {
    R_NONE, R_UNKNOWN_SYMBOL, R_BAD_FIELD, R_DUPLICATE_ID, R_BAD_QTY, R_BAD_LOT, R_BAD_COMBINATION, R_BAD_EXPIRY, R_BAD_TICK,
    R_PHASE, R_BAND, R_POST_ONLY, R_POOL_FULL, R_UNKNOWN_ORDER, R_NOT_OWNER, R_UNKNOWN_TRADE, R_USER, R_MASS, R_IOC, R_FOK,
    R_MIN_QTY, R_STP, R_EXPIRED, R_AUCTION, R_REFILL, R_PEG, R_PARKED, R_LULD, R_OPERATOR, R_PROTECTION
};
enum { F_MAKER_HIDDEN = 1, F_AUCTION = 2, F_KEPT_PRIORITY = 4, F_RENAMED = 8 };
enum { STEP_FIFO = 1, STEP_TOP, STEP_LMM, STEP_SPLIT, STEP_PRO_RATA, STEP_LEVELING };
enum {
    A_LIMIT = 1, A_MARKET = 2, A_IOC = 4, A_STOP = 8, A_PEG = 16, A_AT_OPEN = 32, A_AT_CLOSE = 64, A_POST_ONLY = 128,
    A_ICEBERG = 256, A_HIDDEN = 512, A_CANCEL = 1024, A_REPLACE = 2048
};
enum { C_NOTHING = 1, C_QTY_DOWN = 2, C_QTY_UP = 4, C_PRICE = 8, C_DISPLAY = 16, C_ACCOUNT = 32 };
enum { NOWHERE, BOOK, STOPS, MARKET_QUEUE, PARKED };

_Static_assert(sizeof(book_msg) == 112, "records.py MESSAGE");
_Static_assert(sizeof(book_event) == 96, "records.py EVENT");

typedef struct {
    uint64_t id;
    int64_t px, leaves, shown;
    uint32_t next, prev; /* in a queue of a level, a market queue, the elected stops, or the free list */
    uint32_t level, symbol, session, account;
    uint8_t side, ord_type, tif, flags, peg, stp_mode, place;
    uint8_t got; /* the last pro-rata step gave it something; in an auction's plan: it is left out */
    int64_t cum, display, min_qty, stop_px, cap;
    uint64_t rank;
    uint32_t stp_id, heap_at, list_next, list_prev; /* the list of pegged or of auction-only orders */
} order;
_Static_assert(sizeof(order) == 128, "two cache lines");

typedef struct {
    uint64_t key;
    int64_t px;
    uint32_t next, prev;           /* levels by price, best first */
    uint32_t head, tail;           /* displayed orders by time */
    uint32_t hidden_head, hidden_tail;
    uint32_t count;                /* displayed orders */
    uint32_t owner;                /* whose level: owner_of, or NOBODY while it is free */
    int64_t shown, leaves;         /* of displayed orders */
} level;
_Static_assert(sizeof(level) == 64, "one cache line");

typedef struct {
    uint32_t child[16]; /* a node, or LEAF | a level */
} node;
#define LEAF 0x80000000u

typedef struct {
    uint32_t root, first;
} tree;

typedef struct {
    uint32_t head, tail;
} queue;

typedef struct {
    int64_t expire_ns;
    uint64_t rank;
    uint32_t order, unused;
} expiry;

typedef struct {
    uint64_t trade_id, order_id, match_id;
    int64_t px, qty;
    uint32_t symbol, session, match_session, account, match_account;
    uint8_t side, busted, unused[2];
} trade;

typedef struct {
    tree book[2];
    queue pegs, auction_only; /* linked by list_next, list_prev */
    uint8_t phase, tier, has_last, has_prints, has_reference, has_luld, peg_quote_known, peg_has; /* peg_has: 1 bid, 2 ask */
    uint32_t top[2];
    queue market[2];           /* so far what any message reads: one cache line */
    tree stops[2];
    int64_t last, low_print, high_print, reference, luld_reference, peg_bid, peg_ask;
    int64_t opened_ns, close_ns, limit_since_ns, pause_until_ns, bucket;
    book_statistics_view settled, tally;
    uint64_t stats_from, unused[5];
} symbol;
_Static_assert(sizeof(symbol) % 64 == 0, "symbols begin cache lines");

typedef struct {
    i128 total;
    int64_t count, unused;
} sum;

enum { M_IDLE, M_LEVEL, M_PREVENT, M_SHARE, M_SHARING, M_FIFO, M_HIDDEN, M_DONE };
struct match {
    uint8_t state, stopped, has_anchor, step;
    uint32_t order, level, next_level, at, end; /* at, end: where a walk through a queue is, and its last */
    int64_t limit, anchor, base, total, quota;
};

enum { P_IDLE, P_UNCROSS, P_MARKET, P_OVER, P_ENTER, P_ACTIVATE };
struct phase_change {
    uint8_t state, phase, reason, over;
    uint32_t symbol, at;
    int64_t px, left;
};

enum { S_IDLE, S_LOOP, S_COLLECT, S_ARRIVE, S_FOLLOW, S_FOLLOWING };
struct settle {
    uint8_t state, any;
    uint32_t symbol, at; /* at: the next pegged order */
    queue elected;
};

enum { SWEEP_BUY, SWEEP_SELL, SWEEP_MARKET_BUY, SWEEP_MARKET_SELL, SWEEP_STOP_BUY, SWEEP_STOP_SELL, SWEEP_AUCTION, SWEEP_PEGS, SWEEP_END };
struct sweep {
    uint8_t part, started;
    uint32_t level, at;
};

enum { PC_IDLE, PC_EXPIRE, PC_TIMERS, PC_TIMERS_SETTLE, PC_DISPATCH, PC_SETTLE, PC_SCOPE, PC_SCOPE_SETTLE, PC_SWEEP, PC_SWEPT, PC_END };

struct book_exchange {
    book_config c;
    uint8_t plain_fifo, uses_top, pc;
    uint32_t hash_mask, live;
    uint32_t hint, hints[AHEAD]; /* the level a coming new order will probably rest at, by message; of this one */
    uint32_t free_order, fresh_order, free_level, fresh_level, free_node, fresh_node, heap_size;
    int64_t now_ns;
    uint64_t rank, trade_id;
    book_event *out, *out_end;
    order *orders;
    level *levels;
    node *nodes;
    uint32_t *node_meta; /* mask of children << 16 | shift of the digit */
    uint64_t *hash;      /* hash of the id << 32 | order */
    expiry *heap;        /* from 1 */
    trade *trades;
    symbol *symbols;
    sum *sums;
    book_msg m;
    uint32_t scope_at, scope_end;
    int64_t count; /* of a mass cancel */
    struct match match;
    struct phase_change change;
    struct settle settle;
    struct sweep sweep;
};

typedef book_exchange ex;

/* ---- numbers -------------------------------------------------------------------------------------------------------------- */

static int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max64(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t sat_add(int64_t a, int64_t b) { return min64(a + b, TOTAL_MAX); }
static i128 abs128(i128 v) { return v < 0 ? -v : v; }

/* Division and remainder that round towards minus infinity, as the twin's. */
static i128 floor_div(i128 a, i128 b) { return a / b - (a % b < 0); }
static i128 floor_mod(i128 a, i128 b) { i128 r = a % b; return r < 0 ? r + b : r; }
static bool is_price(i128 v) { return v >= INT64_MIN && v <= INT64_MAX; }

static int64_t tick_at(const ex *x, i128 px) {
    int64_t tick = x->c.ticks ? x->c.tick[0] : 1;
    for (uint32_t i = 0; i < x->c.ticks; i++)
        if (px >= x->c.tick_from[i]) tick = x->c.tick[i];
    return tick;
}

static bool on_tick(const ex *x, int64_t px) { return px % tick_at(x, px) == 0; }

static i128 passive(const ex *x, i128 px, uint8_t side) {
    int64_t tick = tick_at(x, px);
    i128 over = floor_mod(px, tick);
    return side == BUY ? px - over : px + (over ? tick - over : 0);
}

/* The most aggressive price of `side` that does not meet px; may be no price at all (is_price). */
static i128 behind(const ex *x, int64_t px, uint8_t side) {
    return passive(x, side == BUY ? (i128)px - 1 : (i128)px + 1, side);
}

static bool beyond(uint8_t side, int64_t limit, int64_t px) { return side == BUY ? limit < px : limit > px; }

/* ---- events --------------------------------------------------------------------------------------------------------------- */

static book_event *emit(ex *x, uint8_t kind, uint32_t sym) {
    book_event *e = x->out++;
    memset(e, 0, sizeof *e);
    e->kind = kind;
    e->symbol = sym;
    e->seq = x->m.seq;
    e->now_ns = x->now_ns;
    return e;
}

static void emit_order(ex *x, uint8_t kind, const order *o, int64_t px, int64_t qty, int64_t leaves, uint8_t reason) {
    book_event *e = emit(x, kind, o->symbol);
    e->side = o->side;
    e->reason = reason;
    e->order_id = o->id;
    e->px = px;
    e->qty = qty;
    e->leaves_qty = leaves;
    e->session = o->session;
    e->account = o->account;
}

static void emit_reject(ex *x, uint8_t kind, uint32_t sym, uint8_t reason) { emit(x, kind, sym)->reason = reason; }

/* Market data of a displayed order that came, changed or went (shows 0). */
static void publish(ex *x, const order *o, const level *l, int64_t shows) {
    if (x->c.order_data) {
        book_event *e = emit(x, EV_ORDER, o->symbol);
        e->side = o->side;
        e->order_id = o->id;
        e->px = o->px;
        e->qty = shows;
    }
    if (x->c.level_data) {
        book_event *e = emit(x, EV_LEVEL, o->symbol);
        e->side = o->side;
        e->px = l->px;
        e->qty = l->shown;
        e->leaves_qty = l->count;
    }
}

/* ---- order ids ------------------------------------------------------------------------------------------------------------ */

static uint64_t hash_of(uint64_t id) {
    id ^= id >> 33;
    id *= UINT64_C(0xff51afd7ed558ccd);
    id ^= id >> 33;
    id *= UINT64_C(0xc4ceb9fe1a85ec53);
    return id >> 32;
}

/* The slot of a live id, or the empty slot where it would go. */
static uint32_t id_slot(const ex *x, uint64_t id) {
    uint64_t h = hash_of(id);
    uint32_t at = (uint32_t)h & x->hash_mask;
    for (; x->hash[at]; at = (at + 1) & x->hash_mask)
        if (x->hash[at] >> 32 == h && x->orders[(uint32_t)x->hash[at]].id == id) break;
    return at;
}

static uint32_t id_find(const ex *x, uint64_t id) { return (uint32_t)x->hash[id_slot(x, id)]; }

static void id_add(ex *x, uint32_t oi) {
    uint64_t id = x->orders[oi].id;
    x->hash[id_slot(x, id)] = hash_of(id) << 32 | oi;
}

/* Entries behind the hole move up when they may, so that a walk from an entry's home never meets a hole before it. */
static void id_remove(ex *x, uint64_t id) {
    uint32_t hole = id_slot(x, id);
    for (uint32_t at = (hole + 1) & x->hash_mask; x->hash[at]; at = (at + 1) & x->hash_mask) {
        uint32_t home = (uint32_t)(x->hash[at] >> 32) & x->hash_mask;
        if (((at - home) & x->hash_mask) >= ((at - hole) & x->hash_mask)) {
            x->hash[hole] = x->hash[at];
            hole = at;
        }
    }
    x->hash[hole] = 0;
}

/* ---- levels --------------------------------------------------------------------------------------------------------------- */

/* Which key makes the best price the smallest. Stops: the best is reached first. */
static uint64_t key_of(int64_t px, bool ascending) {
    uint64_t k = (uint64_t)px ^ UINT64_C(0x8000000000000000);
    return ascending ? k : ~k;
}

static uint32_t shift_of(const ex *x, uint32_t n) { return x->node_meta[n] & 0xFFFF; }
static uint32_t digit(uint64_t key, uint32_t shift) { return (uint32_t)(key >> shift) & 15; }

static void set_child(ex *x, uint32_t n, uint32_t at, uint32_t child) {
    x->nodes[n].child[at] = child;
    if (child) x->node_meta[n] |= 0x10000u << at;
    else x->node_meta[n] &= ~(0x10000u << at);
}

static uint32_t lowest(const ex *x, uint32_t n) {
    while (!(n & LEAF)) n = x->nodes[n].child[__builtin_ctz(x->node_meta[n] >> 16)];
    return n & ~LEAF;
}

static uint32_t highest(const ex *x, uint32_t n) {
    while (!(n & LEAF)) n = x->nodes[n].child[15 - (__builtin_clz(x->node_meta[n]))];
    return n & ~LEAF;
}

static uint32_t level_find(const ex *x, const tree *t, uint64_t key) {
    if (t->first && x->levels[t->first].key == key) return t->first;
    uint32_t n = t->root;
    while (n && !(n & LEAF)) n = x->nodes[n].child[digit(key, shift_of(x, n))];
    if (!n) return 0;
    n &= ~LEAF;
    return x->levels[n].key == key ? n : 0;
}

#define NOBODY 0xFFFFFFFFu
static uint32_t owner_of(uint32_t sym, uint8_t side, bool stops) { return sym << 2 | (stops ? 2u : 0u) | side; }

static uint32_t level_new(ex *x, uint64_t key, int64_t px) {
    uint32_t li = x->free_level;
    if (li) x->free_level = x->levels[li].next;
    else li = x->fresh_level++;
    x->levels[li] = (level){.key = key, .px = px};
    return li;
}

static void level_link(ex *x, tree *t, uint32_t li, uint32_t prev, uint32_t next) {
    level *l = &x->levels[li];
    l->prev = prev;
    l->next = next;
    if (prev) x->levels[prev].next = li;
    else t->first = li;
    if (next) x->levels[next].prev = li;
}

static uint32_t node_new(ex *x, uint32_t shift) {
    uint32_t n = x->free_node;
    if (n) x->free_node = x->nodes[n].child[0];
    else n = x->fresh_node++;
    memset(&x->nodes[n], 0, sizeof(node));
    x->node_meta[n] = shift;
    return n;
}

/* A level for a key that has none. The neighbour is found where the new key parts from the others. */
static uint32_t level_add(ex *x, tree *t, uint64_t key, int64_t px) {
    uint32_t li = level_new(x, key, px);
    if (!t->root) {
        t->root = LEAF | li;
        level_link(x, t, li, 0, 0);
        return li;
    }
    uint32_t n = t->root; /* any leaf that shares the longest way with the key */
    while (!(n & LEAF)) {
        uint32_t child = x->nodes[n].child[digit(key, shift_of(x, n))];
        n = child ? child : LEAF | lowest(x, n);
    }
    uint32_t shift = (63u - (uint32_t)__builtin_clzll(key ^ x->levels[n & ~LEAF].key)) & ~3u;
    uint32_t parent = 0;
    n = t->root;
    while (!(n & LEAF) && shift_of(x, n) > shift) {
        parent = n;
        n = x->nodes[n].child[digit(key, shift_of(x, n))];
    }
    uint32_t at = digit(key, shift);
    if (!(n & LEAF) && shift_of(x, n) == shift) {
        uint32_t mask = x->node_meta[n] >> 16, below = mask & ((1u << at) - 1), above = mask >> at << at;
        set_child(x, n, at, LEAF | li);
        if (below) {
            uint32_t prev = highest(x, x->nodes[n].child[31 - __builtin_clz(below)]);
            level_link(x, t, li, prev, x->levels[prev].next);
        } else {
            uint32_t next = lowest(x, x->nodes[n].child[__builtin_ctz(above)]);
            level_link(x, t, li, x->levels[next].prev, next);
        }
        return li;
    }
    uint32_t low = lowest(x, n), other = digit(x->levels[low].key, shift);
    if (other < at) {
        uint32_t prev = highest(x, n);
        level_link(x, t, li, prev, x->levels[prev].next);
    } else {
        level_link(x, t, li, x->levels[low].prev, low);
    }
    uint32_t fork = node_new(x, shift);
    set_child(x, fork, at, LEAF | li);
    set_child(x, fork, other, n);
    if (parent) set_child(x, parent, digit(key, shift_of(x, parent)), fork);
    else t->root = fork;
    return li;
}

/* The freed level keeps its empty queues and its neighbours until it is used again, which no match in progress can cause. */
static void level_remove(ex *x, tree *t, uint32_t li) {
    level *l = &x->levels[li];
    if (l->prev) x->levels[l->prev].next = l->next;
    else t->first = l->next;
    if (l->next) x->levels[l->next].prev = l->prev;
    uint32_t parent = 0, above = 0, n = t->root;
    while (n != (LEAF | li)) {
        above = parent;
        parent = n;
        n = x->nodes[n].child[digit(l->key, shift_of(x, n))];
    }
    if (!parent) {
        t->root = 0;
    } else {
        set_child(x, parent, digit(l->key, shift_of(x, parent)), 0);
        uint32_t mask = x->node_meta[parent] >> 16;
        if (!(mask & (mask - 1))) { /* one child: a node must part at least two */
            uint32_t child = x->nodes[parent].child[__builtin_ctz(mask)];
            if (above) set_child(x, above, digit(l->key, shift_of(x, above)), child);
            else t->root = child;
            x->nodes[parent].child[0] = x->free_node;
            x->free_node = parent;
        }
    }
    l->owner = NOBODY;
    l->next = x->free_level;
    x->free_level = li;
}

/* ---- queues --------------------------------------------------------------------------------------------------------------- */

static void push(ex *x, uint32_t *head, uint32_t *tail, uint32_t oi) {
    order *o = &x->orders[oi];
    o->next = 0;
    o->prev = *tail;
    if (*tail) x->orders[*tail].next = oi;
    else *head = oi;
    *tail = oi;
}

static void unlink_order(ex *x, uint32_t *head, uint32_t *tail, uint32_t oi) {
    order *o = &x->orders[oi];
    if (o->prev) x->orders[o->prev].next = o->next;
    else *head = o->next;
    if (o->next) x->orders[o->next].prev = o->prev;
    else *tail = o->prev;
}

static void list_push(ex *x, queue *q, uint32_t oi) {
    order *o = &x->orders[oi];
    o->list_next = 0;
    o->list_prev = q->tail;
    if (q->tail) x->orders[q->tail].list_next = oi;
    else q->head = oi;
    q->tail = oi;
}

static void list_remove(ex *x, queue *q, uint32_t oi) {
    order *o = &x->orders[oi];
    /* A round of pegs or of a phase change may stand at this order. */
    if (x->settle.at == oi) x->settle.at = o->list_next;
    if (x->change.at == oi) x->change.at = o->list_next;
    if (x->sweep.at == oi && x->sweep.part >= SWEEP_AUCTION) x->sweep.at = o->list_next;
    if (o->list_prev) x->orders[o->list_prev].list_next = o->list_next;
    else q->head = o->list_next;
    if (o->list_next) x->orders[o->list_next].list_prev = o->list_prev;
    else q->tail = o->list_prev;
}

static bool auction_only(const order *o) { return o->tif >= AT_OPEN; }
static queue *list_of(symbol *s, const order *o) { return o->peg ? &s->pegs : auction_only(o) ? &s->auction_only : NULL; }

/* ---- expiry heap ---------------------------------------------------------------------------------------------------------- */

static bool sooner(const expiry *a, const expiry *b) {
    return a->expire_ns != b->expire_ns ? a->expire_ns < b->expire_ns : a->rank < b->rank;
}

static void heap_put(ex *x, uint32_t at, expiry e) {
    x->heap[at] = e;
    x->orders[e.order].heap_at = at;
}

/* Let `e` find its place from the free place `at`. */
static void heap_settle(ex *x, uint32_t at, expiry e) {
    while (at > 1 && sooner(&e, &x->heap[at / 2])) {
        heap_put(x, at, x->heap[at / 2]);
        at /= 2;
    }
    for (uint32_t down; (down = at * 2) <= x->heap_size; at = down) {
        if (down < x->heap_size && sooner(&x->heap[down + 1], &x->heap[down])) down++;
        if (!sooner(&x->heap[down], &e)) break;
        heap_put(x, at, x->heap[down]);
    }
    heap_put(x, at, e);
}

static void heap_remove(ex *x, uint32_t at) {
    expiry last = x->heap[x->heap_size--];
    if (at <= x->heap_size) heap_settle(x, at, last);
}

/* Set or move the expiry of a GTD order. */
static void schedule(ex *x, uint32_t oi, int64_t expire_ns) {
    order *o = &x->orders[oi];
    if (o->tif != GTD) return;
    uint32_t at = o->heap_at ? o->heap_at : ++x->heap_size;
    heap_settle(x, at, (expiry){expire_ns, o->rank, oi, 0});
}

/* ---- an order's own numbers ----------------------------------------------------------------------------------------------- */

static int64_t peak(const order *o) {
    if (o->flags & HIDDEN) return 0;
    return o->display ? min64(o->display, o->leaves) : o->leaves;
}

/* The smallest execution it accepts while it rests: a condition of hidden orders only. */
static int64_t least(const order *o) { return o->flags & HIDDEN ? min64(o->min_qty, o->leaves) : 0; }

static bool limited(const order *o) { return o->ord_type == LIMIT || o->ord_type == STOP_LIMIT; }
static bool is_stop(uint8_t ord_type) { return ord_type >= STOP; }

/* ---- on and off the book -------------------------------------------------------------------------------------------------- */

/* The level of a price, made when there is none. What fetch_ahead found for this message is right while it is still that level. */
static uint32_t level_at(ex *x, tree *t, uint32_t owner, int64_t px, bool ascending) {
    uint64_t key = key_of(px, ascending);
    const level *hint = &x->levels[x->hint];
    if (x->hint && hint->owner == owner && hint->key == key) return x->hint;
    uint32_t li = level_find(x, t, key);
    if (!li) {
        li = level_add(x, t, key, px);
        x->levels[li].owner = owner;
    }
    return li;
}

static uint32_t best_displayed(const ex *x, const tree *t) {
    uint32_t li = t->first;
    while (li && !x->levels[li].head) li = x->levels[li].next;
    return li;
}

/* Last in its queue of level li, showing its peak. */
static void stand(ex *x, uint32_t li, uint32_t oi) {
    order *o = &x->orders[oi];
    level *l = &x->levels[li];
    o->level = li;
    o->shown = peak(o);
    if (o->flags & HIDDEN) {
        push(x, &l->hidden_head, &l->hidden_tail, oi);
        return;
    }
    push(x, &l->head, &l->tail, oi);
    l->count++;
    l->shown += o->shown;
    l->leaves += o->leaves;
    publish(x, o, l, o->shown);
}

static void become_top(ex *x, symbol *s, uint32_t oi) {
    order *o = &x->orders[oi];
    uint32_t before = best_displayed(x, &s->book[o->side]);
    if (before && !(o->side == BUY ? o->px > x->levels[before].px : o->px < x->levels[before].px)) return;
    s->top[o->side] = s->phase == CONTINUOUS && o->leaves >= x->c.top_min ? oi : 0;
}

static void rest(ex *x, symbol *s, uint32_t oi) {
    order *o = &x->orders[oi];
    if (x->uses_top && !(o->flags & HIDDEN)) become_top(x, s, oi);
    o->place = BOOK;
    stand(x, level_at(x, &s->book[o->side], owner_of(o->symbol, o->side, false), o->px, o->side == SELL), oi);
}

static void leave_book(ex *x, symbol *s, uint32_t oi) {
    order *o = &x->orders[oi];
    uint32_t li = o->level;
    level *l = &x->levels[li];
    bool displayed = !(o->flags & HIDDEN);
    if (displayed) {
        unlink_order(x, &l->head, &l->tail, oi);
        l->count--;
        l->shown -= o->shown;
        l->leaves -= o->leaves;
    } else {
        unlink_order(x, &l->hidden_head, &l->hidden_tail, oi);
    }
    if (s->top[o->side] == oi) s->top[o->side] = 0;
    if (displayed) publish(x, o, l, 0);
    if (!l->head && !l->hidden_head) level_remove(x, &s->book[o->side], li);
}

/* Off the book or out of wherever it waits, still alive for the caller to place anew or forget. */
static void leave(ex *x, symbol *s, uint32_t oi) {
    order *o = &x->orders[oi];
    if (o->place == BOOK) {
        leave_book(x, s, oi);
    } else if (o->place == STOPS) {
        level *l = &x->levels[o->level];
        unlink_order(x, &l->head, &l->tail, oi);
        if (!l->head) level_remove(x, &s->stops[o->side], o->level);
    } else if (o->place == MARKET_QUEUE) {
        unlink_order(x, &s->market[o->side].head, &s->market[o->side].tail, oi);
    }
    o->place = NOWHERE;
}

static void forget(ex *x, symbol *s, uint32_t oi) {
    order *o = &x->orders[oi];
    leave(x, s, oi);
    queue *q = list_of(s, o);
    if (q) list_remove(x, q, oi);
    if (o->tif == GTD) heap_remove(x, o->heap_at);
    id_remove(x, o->id);
    o->next = x->free_order;
    x->free_order = oi;
    x->live--;
}

static void cancel(ex *x, uint32_t oi, uint8_t reason) {
    order *o = &x->orders[oi];
    emit_order(x, EV_CANCELED, o, o->px, o->leaves, 0, reason);
    forget(x, &x->symbols[o->symbol], oi);
}

/* A resting order loses qty (less than what is left) and keeps its place; a peak used up is shown anew there. */
static void shrink(ex *x, order *o, int64_t qty) {
    o->leaves -= qty;
    if (o->place != BOOK || o->flags & HIDDEN) return;
    level *l = &x->levels[o->level];
    int64_t shown = o->shown > qty ? o->shown - qty : peak(o);
    l->leaves -= qty;
    l->shown += shown - o->shown;
    o->shown = shown;
    publish(x, o, l, shown);
}

/* The peak is used up: the next one goes to the end of the queue. The order stays TOP if it was. */
static void refill(ex *x, uint32_t oi, int64_t qty) {
    order *o = &x->orders[oi];
    level *l = &x->levels[o->level];
    unlink_order(x, &l->head, &l->tail, oi);
    l->count--;
    l->shown -= o->shown;
    l->leaves -= o->leaves;
    publish(x, o, l, 0);
    o->leaves -= qty;
    emit_order(x, EV_RESTATED, o, o->px, peak(o), o->leaves, R_REFILL);
    stand(x, o->level, oi);
}

/* ---- Limit Up-Limit Down -------------------------------------------------------------------------------------------------- */

static bool bands(const ex *x, const symbol *s, i128 *lower, i128 *upper) {
    if (!x->c.luld_unit || !s->has_luld || s->luld_reference <= 0 || s->phase != CONTINUOUS) return false;
    i128 ref = s->luld_reference, unit = x->c.luld_unit, width;
    if (ref > 3 * unit) width = ref * (s->tier == 1 ? 500 : 1000) / 10000;
    else if (ref * 4 >= 3 * unit) width = ref * 2000 / 10000;
    else {
        width = ref * 7500 / 10000;
        if (15 * unit / 100 < width) width = 15 * unit / 100;
    }
    bool opening = s->opened_ns >= 0 && x->now_ns - s->opened_ns < 15 * MINUTE;
    bool closing = s->close_ns > 0 && s->close_ns - x->now_ns < 25 * MINUTE;
    if (opening || closing) width *= 2;
    *lower = passive(x, ref - width, SELL);
    *upper = passive(x, ref + width, BUY);
    return true;
}

/* Begin the 30-second interval of now; the reference follows the 5-minute mean when that is 1 % away or more. */
static void roll(ex *x, symbol *s) {
    int64_t bucket = x->now_ns / BUCKET_NS;
    if (bucket == s->bucket) return;
    sum *sums = &x->sums[(size_t)(s - x->symbols) * BUCKETS];
    for (int64_t old = max64(s->bucket + 1, bucket - BUCKETS); old < bucket; old++) {
        int64_t at = ((old % BUCKETS) + BUCKETS) % BUCKETS;
        sums[at].total = 0;
        sums[at].count = 0;
    }
    i128 total = 0;
    int64_t count = 0;
    for (int i = 0; i < BUCKETS; i++) {
        total += sums[i].total;
        count += sums[i].count;
    }
    if (count && s->has_luld && s->phase == CONTINUOUS) {
        i128 mean = floor_div(total, count);
        if (mean > 0 && abs128(mean - s->luld_reference) * 100 >= s->luld_reference) s->luld_reference = (int64_t)mean;
    }
    sums[bucket % BUCKETS].total = 0;
    sums[bucket % BUCKETS].count = 0;
    s->bucket = bucket;
}

/* A limit state lasts while an offer stands at the lower band or a bid at the upper one. */
static void watch_limit_state(ex *x, symbol *s) {
    i128 lower, upper;
    bool at_limit = false;
    if (bands(x, s, &lower, &upper)) {
        uint32_t bid = best_displayed(x, &s->book[BUY]), ask = best_displayed(x, &s->book[SELL]);
        at_limit = (ask && x->levels[ask].px <= lower) || (bid && x->levels[bid].px >= upper);
    }
    if (!at_limit) s->limit_since_ns = -1;
    else if (s->limit_since_ns < 0) s->limit_since_ns = x->now_ns;
}

/* ---- trades --------------------------------------------------------------------------------------------------------------- */

static void tally_add(book_statistics_view *t, int64_t px, int64_t qty) {
    if (!t->trades) t->open_px = t->high_px = t->low_px = px;
    t->trades++;
    t->volume = sat_add(t->volume, qty);
    t->high_px = max64(t->high_px, px);
    t->low_px = min64(t->low_px, px);
    t->last_px = px;
}

/* The trade as an event, kept for a bust, in the statistics and in what stops and bands look at. */
static void book_trade(ex *x, symbol *s, const order *o, const order *other, int64_t px, int64_t qty, int64_t leaves,
                       int64_t other_leaves, uint8_t flags) {
    uint32_t sym = o->symbol;
    book_event *e = emit(x, EV_TRADE, sym);
    e->side = o->side;
    e->flags = flags;
    e->order_id = o->id;
    e->match_id = other->id;
    e->px = px;
    e->qty = qty;
    e->leaves_qty = leaves;
    e->match_leaves_qty = other_leaves;
    e->trade_id = ++x->trade_id;
    e->session = o->session;
    e->match_session = other->session;
    e->account = o->account;
    e->match_account = other->account;
    trade *t = &x->trades[x->trade_id % x->c.max_trades];
    if (t->trade_id && !t->busted) {
        symbol *of = &x->symbols[t->symbol];
        if (t->trade_id >= of->stats_from) tally_add(&of->settled, t->px, t->qty);
    }
    *t = (trade){x->trade_id, o->id, other->id, px, qty, sym, o->session, other->session, o->account, other->account, o->side, 0, {0}};
    tally_add(&s->tally, px, qty);
    s->last = px;
    s->has_last = 1;
    s->low_print = s->has_prints ? min64(s->low_print, px) : px;
    s->high_print = s->has_prints ? max64(s->high_print, px) : px;
    s->has_prints = 1;
    if (x->c.luld_unit) {
        roll(x, s);
        sum *b = &x->sums[(size_t)sym * BUCKETS + (size_t)(s->bucket % BUCKETS)];
        b->total += px;
        b->count++;
    }
}

/* Whether a venue that wants no remainder below a minimum quantity has one here. */
static bool falls_short(const ex *x, const order *o) {
    return x->c.short_expires && o->flags & HIDDEN && o->leaves < o->min_qty;
}

/* One trade at the resting order's price; true when the incoming order is done. */
static bool trade_with(ex *x, symbol *s, uint32_t oi, uint32_t other_i, int64_t qty) {
    order *o = &x->orders[oi], *other = &x->orders[other_i];
    if (!qty) return false;
    o->leaves -= qty;
    o->cum = sat_add(o->cum, qty);
    other->cum = sat_add(other->cum, qty);
    bool hidden = other->flags & HIDDEN;
    int64_t all = other->leaves;
    book_trade(x, s, o, other, other->px, qty, o->leaves, other->leaves - qty, hidden ? F_MAKER_HIDDEN : 0);
    if (qty == all) forget(x, s, other_i);
    else if (hidden || qty < other->shown) shrink(x, other, qty);
    else refill(x, other_i, qty);
    if (qty < all && falls_short(x, other)) cancel(x, other_i, R_MIN_QTY);
    if (o->leaves) return false;
    forget(x, s, oi);
    return true;
}

/* ---- matching one order --------------------------------------------------------------------------------------------------- */

static bool own(const order *o, const order *other) { return o->stp_id && o->stp_id == other->stp_id && o->stp_mode > STP_NONE; }

/* Whether anything at the level accepts an execution of `leaves`. */
static bool offers(const ex *x, const level *l, int64_t leaves) {
    if (l->head) return true;
    for (uint32_t h = l->hidden_head; h; h = x->orders[h].next)
        if (least(&x->orders[h]) <= leaves) return true;
    return false;
}

/* Why no trade may happen at px although the order's limit reaches it. */
static uint8_t barred(const ex *x, const symbol *s, int64_t px) {
    i128 lower, upper;
    if (x->c.luld_unit && bands(x, s, &lower, &upper) && (px < lower || px > upper)) return R_LULD;
    const struct match *t = &x->match;
    if (t->has_anchor && abs128((i128)px - t->anchor) * 10000 > abs128(t->anchor) * x->c.dynamic_bps) return R_BAND;
    return R_NONE;
}

/* Whether the order would trade at least `need`, found without trading. */
static bool reachable(const ex *x, const symbol *s, const order *o, int64_t need) {
    int64_t got = 0;
    bool cancels_old = o->stp_mode == STP_CANCEL_OLD;
    for (uint32_t li = s->book[!o->side].first; li; li = x->levels[li].next) {
        const level *l = &x->levels[li];
        if (beyond(o->side, x->match.limit, l->px)) return false;
        if (!offers(x, l, o->leaves - got)) continue;
        if (barred(x, s, l->px)) return false;
        int64_t displayed = 0, ahead = 0;
        if (!o->stp_id || o->stp_mode <= STP_NONE) {
            displayed = l->leaves;
        } else {
            for (uint32_t at = l->head; at; at = x->orders[at].next) {
                const order *other = &x->orders[at];
                if (!own(o, other)) {
                    displayed += other->leaves;
                    ahead += other->shown;
                } else if (!cancels_old) {
                    return got + (x->plain_fifo ? ahead : 0) >= need;
                }
            }
        }
        got += displayed;
        if (got >= need) return true;
        for (uint32_t at = l->hidden_head; at; at = x->orders[at].next) {
            const order *other = &x->orders[at];
            if (least(other) > o->leaves - got) continue;
            if (!own(o, other)) {
                got += other->leaves;
                if (got >= need) return true;
            } else if (!cancels_old) {
                return false;
            }
        }
    }
    return false;
}

/* Two orders of one owner meet. Returns STP when the incoming order must go, NONE when it may go on. */
static uint8_t prevent(ex *x, order *o, uint32_t other_i) {
    order *other = &x->orders[other_i];
    if (o->stp_mode == STP_CANCEL_NEW) return R_STP;
    if (o->stp_mode == STP_DECREMENT) {
        int64_t qty = min64(o->leaves, other->leaves);
        if (qty == other->leaves) {
            cancel(x, other_i, R_STP);
        } else {
            emit_order(x, EV_RESTATED, other, other->px, qty, other->leaves - qty, R_STP);
            shrink(x, other, qty);
        }
        if (qty == o->leaves) return R_STP;
        o->leaves -= qty;
        emit_order(x, EV_RESTATED, o, o->px, qty, o->leaves, R_STP);
        return R_NONE;
    }
    cancel(x, other_i, R_STP);
    return o->stp_mode == STP_CANCEL_BOTH ? R_STP : R_NONE;
}

/* How far the order may trade. A band moves the price of a limit order that would stand beyond it. */
static void set_limit(ex *x, symbol *s, order *o) {
    struct match *t = &x->match;
    bool buy = o->side == BUY;
    int64_t limit = o->px;
    if (o->ord_type == MARKET) {
        limit = buy ? INT64_MAX : INT64_MIN;
        uint32_t best = s->book[!o->side].first;
        if (x->c.protection && best) {
            i128 far = (i128)x->levels[best].px + (buy ? x->c.protection : -x->c.protection);
            limit = far > INT64_MAX ? INT64_MAX : far < INT64_MIN ? INT64_MIN : (int64_t)far;
        }
    }
    i128 lower, upper;
    if (bands(x, s, &lower, &upper) && (buy ? limit > upper : limit < lower)) {
        limit = (int64_t)(buy ? upper : lower);
        if (o->ord_type == LIMIT) {
            o->px = limit;
            emit_order(x, EV_RESTATED, o, o->px, o->leaves, o->leaves, R_LULD);
        }
    }
    t->limit = limit;
    t->has_anchor = x->c.dynamic_bps && s->has_last;
    t->anchor = s->last;
}

static void match_begin(ex *x, symbol *s, uint32_t oi) {
    struct match *t = &x->match;
    order *o = &x->orders[oi];
    t->order = oi;
    t->stopped = R_NONE;
    set_limit(x, s, o);
    int64_t need = o->tif == FOK ? o->leaves : min64(o->min_qty, o->leaves);
    t->level = t->next_level = s->book[!o->side].first;
    t->state = M_LEVEL;
    if (!need || reachable(x, s, o, need)) return;
    t->state = M_DONE;
    if (o->tif == FOK) t->stopped = R_FOK;
    else if (o->tif == IOC || !(o->flags & HIDDEN)) t->stopped = R_MIN_QTY;
}

static void match_stop(ex *x, uint8_t reason) {
    x->match.stopped = reason;
    x->match.state = M_DONE;
}

static void share_next(ex *x) {
    x->match.step++;
    x->match.state = M_SHARE;
}

/* Choose the next level that has something for the order. */
static void match_level(ex *x, symbol *s, const order *o) {
    struct match *t = &x->match;
    for (;;) {
        t->level = t->next_level;
        if (!t->level || beyond(o->side, t->limit, x->levels[t->level].px)) {
            t->state = M_DONE;
            return;
        }
        const level *l = &x->levels[t->level];
        t->next_level = l->next;
        if (offers(x, l, o->leaves)) break;
    }
    const level *l = &x->levels[t->level];
    uint8_t reason = x->c.luld_unit || t->has_anchor ? barred(x, s, l->px) : R_NONE;
    if (reason) {
        match_stop(x, reason);
        return;
    }
    t->at = l->head;
    t->state = x->plain_fifo ? M_FIFO : M_PREVENT;
}

/* Shared by steps: orders of the same owner are met before anything is shared. */
static void match_prevent(ex *x, order *o) {
    struct match *t = &x->match;
    while (t->at) {
        uint32_t other = t->at;
        t->at = x->orders[other].next;
        if (own(o, &x->orders[other])) {
            uint8_t reason = prevent(x, o, other);
            if (reason) match_stop(x, reason);
            return;
        }
    }
    /* CME's exception: an order that takes the whole price, reserves included, is shared first in, first out. */
    t->step = 0;
    t->state = o->leaves < x->levels[t->level].leaves ? M_SHARE : M_FIFO;
}

/* Begin one step of the allocation. */
static void match_share(ex *x, symbol *s, order *o) {
    struct match *t = &x->match;
    const level *l = &x->levels[t->level];
    uint8_t step = t->step < x->c.steps ? x->c.allocation[t->step] : STEP_FIFO;
    t->base = o->leaves;
    t->total = l->shown;
    t->at = l->head;
    t->end = l->tail;
    t->state = M_SHARING;
    if (step == STEP_FIFO) {
        t->state = M_FIFO;
    } else if (step == STEP_SPLIT) {
        t->quota = (int64_t)((i128)t->base * x->c.split_bps / 10000);
    } else if (step == STEP_TOP) {
        uint32_t top = s->top[!o->side];
        t->at = t->end = top && x->orders[top].level == t->level ? top : 0;
    }
}

/* One order's part in a step. The walk ends with the order that was last when it began: refilled ones come behind it. */
static void match_sharing(ex *x, symbol *s, order *o) {
    struct match *t = &x->match;
    uint8_t step = x->c.allocation[t->step];
    if (step == STEP_SPLIT) {
        if (!t->quota) {
            share_next(x);
            return;
        }
        uint32_t head = x->levels[t->level].head;
        int64_t part = min64(t->quota, x->orders[head].shown);
        t->quota -= part;
        if (trade_with(x, s, t->order, head, part)) t->state = M_IDLE;
        return;
    }
    int64_t qty = 0;
    uint32_t other_i = 0;
    while (t->at && !qty) {
        other_i = t->at;
        order *other = &x->orders[other_i];
        t->at = other_i == t->end ? 0 : other->next;
        int64_t most = min64(o->leaves, other->shown);
        if (step == STEP_TOP) {
            qty = x->c.top_max ? min64(most, x->c.top_max) : most;
        } else if (step == STEP_LMM) {
            if (other->flags & LMM) qty = min64(most, (int64_t)((i128)t->base * x->c.lmm_bps / 10000));
        } else if (step == STEP_PRO_RATA) {
            int64_t part = min64(most, (int64_t)((i128)t->base * other->shown / t->total));
            other->got = part >= max64(x->c.pro_rata_min, 1);
            if (other->got) qty = part;
        } else if (!other->got) {
            qty = min64(o->leaves, 1);
        }
    }
    if (!qty) share_next(x);
    else if (trade_with(x, s, t->order, other_i, qty)) t->state = M_IDLE;
}

static void match_fifo(ex *x, symbol *s, order *o) {
    struct match *t = &x->match;
    uint32_t head = x->levels[t->level].head;
    if (!head) {
        t->at = x->levels[t->level].hidden_head;
        t->state = t->at ? M_HIDDEN : M_LEVEL;
    } else if (own(o, &x->orders[head])) {
        uint8_t reason = prevent(x, o, head);
        if (reason) match_stop(x, reason);
    } else if (trade_with(x, s, t->order, head, min64(o->leaves, x->orders[head].shown))) {
        t->state = M_IDLE;
    }
}

static void match_hidden(ex *x, symbol *s, order *o) {
    struct match *t = &x->match;
    while (t->at) {
        uint32_t at = t->at;
        order *other = &x->orders[at];
        t->at = other->next;
        if (least(other) > o->leaves) continue;
        if (own(o, other)) {
            uint8_t reason = prevent(x, o, at);
            if (reason) match_stop(x, reason);
        } else if (trade_with(x, s, t->order, at, min64(o->leaves, other->leaves))) {
            t->state = M_IDLE;
        }
        return;
    }
    t->state = M_LEVEL;
}

static void arrive(ex *x, symbol *s, uint32_t oi);
static void enter_phase(ex *x, symbol *s, uint8_t phase, uint8_t reason);

/* What is left of the order rests or goes. */
static void match_done(ex *x, symbol *s, uint32_t oi) {
    struct match *t = &x->match;
    order *o = &x->orders[oi];
    t->state = M_IDLE;
    if (t->stopped == R_BAND) {
        enter_phase(x, s, REOPENING_CALL, R_BAND);
        arrive(x, s, oi);
    } else if (t->stopped) {
        cancel(x, oi, t->stopped);
    } else if (o->tif == IOC || o->tif == FOK) {
        cancel(x, oi, R_IOC);
    } else if (o->cum && falls_short(x, o)) {
        cancel(x, oi, R_MIN_QTY);
    } else if (o->ord_type != MARKET) {
        rest(x, s, oi);
    } else if (x->c.market_rests && t->limit != INT64_MAX && t->limit != INT64_MIN) {
        o->ord_type = LIMIT;
        o->px = t->limit;
        emit_order(x, EV_RESTATED, o, o->px, o->leaves, o->leaves, R_PROTECTION);
        rest(x, s, oi);
    } else {
        cancel(x, oi, R_IOC);
    }
}

static void match_step(ex *x) {
    struct match *t = &x->match;
    order *o = &x->orders[t->order];
    symbol *s = &x->symbols[o->symbol];
    switch (t->state) {
    case M_LEVEL: match_level(x, s, o); break;
    case M_PREVENT: match_prevent(x, o); break;
    case M_SHARE: match_share(x, s, o); break;
    case M_SHARING: match_sharing(x, s, o); break;
    case M_FIFO: match_fifo(x, s, o); break;
    case M_HIDDEN: match_hidden(x, s, o); break;
    default: match_done(x, s, t->order); break;
    }
}

/* ---- arriving ------------------------------------------------------------------------------------------------------------- */

static void trigger(ex *x, order *o) {
    o->ord_type = o->ord_type == STOP ? MARKET : LIMIT;
    emit_order(x, EV_TRIGGERED, o, o->stop_px, o->leaves, o->leaves, 0);
}

static void wait_stop(ex *x, symbol *s, uint32_t oi) {
    order *o = &x->orders[oi];
    o->place = STOPS;
    o->level = level_at(x, &s->stops[o->side], owner_of(o->symbol, o->side, true), o->stop_px, o->side == BUY);
    push(x, &x->levels[o->level].head, &x->levels[o->level].tail, oi);
}

/* An order comes in: new, replaced without its priority, elected, or pegged to a new price. */
static void arrive(ex *x, symbol *s, uint32_t oi) {
    order *o = &x->orders[oi];
    if (is_stop(o->ord_type)) {
        bool reached = s->has_last && (o->side == BUY ? s->last >= o->stop_px : s->last <= o->stop_px);
        if (!reached || s->phase != CONTINUOUS) {
            wait_stop(x, s, oi);
            return;
        }
        trigger(x, o);
    }
    if (o->tif == AT_CLOSE && s->phase != CLOSING_CALL) {
        o->place = PARKED;
    } else if (s->phase == CONTINUOUS) {
        match_begin(x, s, oi);
    } else if (o->tif == IOC || o->tif == FOK) {
        cancel(x, oi, R_PHASE);
    } else if (o->ord_type == MARKET) {
        o->place = MARKET_QUEUE;
        push(x, &s->market[o->side].head, &s->market[o->side].tail, oi);
    } else {
        rest(x, s, oi);
    }
}

/* ---- settling a symbol: stops to a fixpoint, pegs behind the quote --------------------------------------------------------- */

static void quote_of(const ex *x, const symbol *s, uint8_t *has, int64_t *bid, int64_t *ask) {
    *has = 0;
    *bid = *ask = 0;
    if (s->phase != CONTINUOUS) return;
    uint32_t b = best_displayed(x, &s->book[BUY]), a = best_displayed(x, &s->book[SELL]);
    *has = (uint8_t)((b ? 1 : 0) | (a ? 2 : 0));
    if (b) *bid = x->levels[b].px;
    if (a) *ask = x->levels[a].px;
}

/* Where a pegged order belongs; false when what it follows is absent. */
static bool peg_target(const ex *x, const order *o, uint8_t has, int64_t bid, int64_t ask, int64_t *out) {
    bool buy = o->side == BUY;
    uint8_t own_bit = buy ? 1 : 2, need = o->peg == PEG_PRIMARY ? own_bit : o->peg == PEG_MARKET ? 3 - own_bit : 3;
    if ((has & need) != need) return false;
    i128 px;
    if (o->peg == PEG_PRIMARY) px = buy ? bid : ask;
    else if (o->peg == PEG_MARKET) px = buy ? ask : bid;
    else px = buy ? floor_div((i128)bid + ask, 2) : -floor_div(-((i128)bid + ask), 2);
    px += o->stop_px;
    if (o->flags & PEG_CAP && (buy ? px > o->cap : px < o->cap)) px = o->cap;
    px = passive(x, px, o->side);
    *out = (int64_t)px;
    return is_price(px);
}

static void settle_begin(ex *x, uint32_t sym) {
    x->settle = (struct settle){.state = S_LOOP, .symbol = sym};
}

/* The next stop of the round, furthest through first, then oldest; 0 when there is none. */
static uint32_t next_elected(const ex *x, const symbol *s) {
    uint32_t buy = s->stops[BUY].first, sell = s->stops[SELL].first;
    i128 through_buy = buy ? (i128)s->high_print - x->levels[buy].px : -1;
    i128 through_sell = sell ? (i128)x->levels[sell].px - s->low_print : -1;
    if (through_buy < 0 && through_sell < 0) return 0;
    if (through_buy > through_sell) return x->levels[buy].head;
    if (through_sell > through_buy) return x->levels[sell].head;
    uint32_t b = x->levels[buy].head, a = x->levels[sell].head;
    return x->orders[b].rank < x->orders[a].rank ? b : a;
}

static void settle_collect(ex *x, symbol *s) {
    struct settle *t = &x->settle;
    uint32_t oi = next_elected(x, s);
    if (!oi) {
        s->has_prints = 0;
        t->state = S_ARRIVE;
        return;
    }
    t->any = 1;
    leave(x, s, oi);
    trigger(x, &x->orders[oi]);
    push(x, &t->elected.head, &t->elected.tail, oi);
}

static void settle_arrive(ex *x, symbol *s) {
    struct settle *t = &x->settle;
    uint32_t oi = t->elected.head;
    if (oi) {
        unlink_order(x, &t->elected.head, &t->elected.tail, oi);
        arrive(x, s, oi);
    } else {
        t->state = t->any ? S_LOOP : S_FOLLOW;
    }
}

static void settle_follow(ex *x, symbol *s) {
    struct settle *t = &x->settle;
    uint8_t has = 0;
    int64_t bid = 0, ask = 0;
    t->state = S_IDLE;
    if (s->pegs.head) {
        quote_of(x, s, &has, &bid, &ask);
        if (!s->peg_quote_known || has != s->peg_has || bid != s->peg_bid || ask != s->peg_ask) {
            s->peg_quote_known = 1;
            s->peg_has = has;
            s->peg_bid = bid;
            s->peg_ask = ask;
            t->at = s->pegs.head;
            t->state = S_FOLLOWING;
            return;
        }
    }
    if (x->c.luld_unit) watch_limit_state(x, s);
}

/* One pegged order of the round. */
static void settle_following(ex *x, symbol *s) {
    struct settle *t = &x->settle;
    uint32_t oi = t->at;
    if (!oi) {
        t->state = S_LOOP;
        return;
    }
    order *o = &x->orders[oi];
    t->at = o->list_next;
    int64_t target;
    if (!peg_target(x, o, s->peg_has, s->peg_bid, s->peg_ask, &target)) {
        if (o->place == BOOK) {
            emit_order(x, EV_RESTATED, o, 0, 0, o->leaves, R_PARKED);
            leave(x, s, oi);
            o->place = PARKED;
        }
    } else if (o->place == PARKED || target != o->px) {
        emit_order(x, EV_RESTATED, o, target, 0, o->leaves, R_PEG);
        leave(x, s, oi);
        o->px = target;
        arrive(x, s, oi);
    }
}

static void settle_step(ex *x) {
    struct settle *t = &x->settle;
    symbol *s = &x->symbols[t->symbol];
    switch (t->state) {
    case S_LOOP:
        t->any = 0;
        t->state = s->phase == CONTINUOUS && s->has_prints ? S_COLLECT : S_FOLLOW;
        break;
    case S_COLLECT: settle_collect(x, s); break;
    case S_ARRIVE: settle_arrive(x, s); break;
    case S_FOLLOW: settle_follow(x, s); break;
    default: settle_following(x, s); break;
    }
}

/* ---- auctions ------------------------------------------------------------------------------------------------------------- */

/* Candidate prices upwards: those of orders, and the reference. demand and supply are what would trade there. */
struct walk {
    uint32_t buy, sell; /* next level of each side, lowest first */
    uint8_t reference;  /* still to come */
    int64_t px, demand, supply;
};

static int64_t level_total(const ex *x, const level *l) {
    int64_t total = l->leaves;
    for (uint32_t h = l->hidden_head; h; h = x->orders[h].next)
        if (!x->orders[h].got) total += x->orders[h].leaves;
    return total;
}

static int64_t queue_total(const ex *x, uint32_t at) {
    int64_t total = 0;
    for (; at; at = x->orders[at].next) total += x->orders[at].leaves;
    return total;
}

static struct walk walk_begin(const ex *x, const symbol *s, bool has_reference) {
    struct walk w = {.reference = has_reference, .sell = s->book[SELL].first};
    w.demand = queue_total(x, s->market[BUY].head);
    w.supply = queue_total(x, s->market[SELL].head);
    for (uint32_t li = s->book[BUY].first; li; li = x->levels[li].next) {
        w.demand += level_total(x, &x->levels[li]);
        w.buy = li;
    }
    return w;
}

static bool level_empty(const ex *x, const level *l) {
    if (l->head) return false;
    for (uint32_t h = l->hidden_head; h; h = x->orders[h].next)
        if (!x->orders[h].got) return false;
    return true;
}

/* Set demand and supply at the next candidate and return true; `*after` is what demand loses beyond it. */
static bool walk_next(const ex *x, struct walk *w, int64_t reference, int64_t *after) {
    w->demand -= *after;
    *after = 0;
    while (w->buy && level_empty(x, &x->levels[w->buy])) w->buy = x->levels[w->buy].prev;
    while (w->sell && level_empty(x, &x->levels[w->sell])) w->sell = x->levels[w->sell].next;
    if (!w->buy && !w->sell && !w->reference) return false;
    int64_t px = INT64_MAX;
    if (w->buy) px = min64(px, x->levels[w->buy].px);
    if (w->sell) px = min64(px, x->levels[w->sell].px);
    if (w->reference) px = min64(px, reference);
    if (w->reference && reference == px) w->reference = 0;
    if (w->sell && x->levels[w->sell].px == px) {
        w->supply += level_total(x, &x->levels[w->sell]);
        w->sell = x->levels[w->sell].next;
    }
    if (w->buy && x->levels[w->buy].px == px) {
        *after = level_total(x, &x->levels[w->buy]);
        w->buy = x->levels[w->buy].prev;
    }
    w->px = px;
    return true;
}

static uint64_t distance(int64_t a, int64_t b) { return a > b ? (uint64_t)a - (uint64_t)b : (uint64_t)b - (uint64_t)a; }

/* The four rules; out->volume 0 when nothing crosses. */
static void auction_price(const ex *x, const symbol *s, book_indication_view *out) {
    bool has_reference = s->has_reference || s->has_last;
    int64_t reference = s->has_reference ? s->reference : s->last, after = 0, volume = 0, surplus = 0;
    *out = (book_indication_view){0};
    struct walk first = walk_begin(x, s, has_reference), w = first;
    while (walk_next(x, &w, reference, &after)) {
        int64_t v = min64(w.demand, w.supply), over = max64(w.demand, w.supply) - v;
        if (v > volume || (v == volume && over < surplus)) {
            volume = v;
            surplus = over;
        }
    }
    if (!volume) return;
    bool buyers = true, sellers = true, any = false;
    int64_t low = 0, high = 0;
    after = 0;
    w = first;
    while (walk_next(x, &w, reference, &after)) {
        int64_t v = min64(w.demand, w.supply), over = w.demand - w.supply;
        if (v != volume || (over < 0 ? -over : over) != surplus) continue;
        if (!any) low = w.px;
        any = true;
        high = w.px;
        buyers = buyers && over > 0;
        sellers = sellers && over < 0;
    }
    int64_t aim = has_reference ? reference : (int64_t)floor_div((i128)low + high, 2);
    if (buyers) aim = high;
    else if (sellers) aim = low;
    any = false;
    after = 0;
    w = first;
    while (walk_next(x, &w, reference, &after)) {
        int64_t v = min64(w.demand, w.supply), over = w.demand - w.supply;
        if (v != volume || (over < 0 ? -over : over) != surplus) continue;
        if (any && distance(w.px, aim) > distance(out->px, aim)) continue;
        any = true;
        *out = (book_indication_view){1, w.px, volume, over};
    }
}

/* Of the hidden orders on one side that the auction would fill below their minimum, the youngest (0 = none). */
static uint32_t youngest_short(const ex *x, const symbol *s, uint8_t side, int64_t left) {
    uint32_t found = 0;
    left -= min64(left, queue_total(x, s->market[side].head));
    for (uint32_t li = s->book[side].first; li && left; li = x->levels[li].next) {
        left -= min64(left, x->levels[li].leaves);
        for (uint32_t h = x->levels[li].hidden_head; h && left; h = x->orders[h].next) {
            const order *o = &x->orders[h];
            if (o->got) continue;
            if (left < least(o) && left < o->leaves && (!found || o->rank > x->orders[found].rank)) found = h;
            left -= min64(left, o->leaves);
        }
    }
    return found;
}

/* The price and volume of an auction now. Orders whose minimum quantity keeps them out of it are left with `got` set. */
static void plan(ex *x, symbol *s, book_indication_view *out) {
    for (int side = BUY; side <= SELL; side++)
        for (uint32_t li = s->book[side].first; li; li = x->levels[li].next)
            for (uint32_t h = x->levels[li].hidden_head; h; h = x->orders[h].next) x->orders[h].got = 0;
    for (;;) {
        auction_price(x, s, out);
        uint32_t buy = youngest_short(x, s, BUY, out->volume), sell = youngest_short(x, s, SELL, out->volume);
        if (!buy && !sell) return;
        uint32_t oi = !sell || (buy && x->orders[buy].rank > x->orders[sell].rank) ? buy : sell;
        x->orders[oi].got = 1;
    }
}

static void emit_indication(ex *x, uint8_t kind, uint32_t sym, const book_indication_view *v) {
    book_event *e = emit(x, kind, sym);
    e->px = v->px;
    e->qty = v->volume;
    e->leaves_qty = v->surplus;
}

/* The order of a side that the auction fills next. */
static uint32_t auction_head(const ex *x, const symbol *s, uint8_t side) {
    if (s->market[side].head) return s->market[side].head;
    for (uint32_t li = s->book[side].first; li; li = x->levels[li].next) {
        if (x->levels[li].head) return x->levels[li].head;
        for (uint32_t h = x->levels[li].hidden_head; h; h = x->orders[h].next)
            if (!x->orders[h].got) return h;
    }
    return 0;
}

static void uncross_one(ex *x, symbol *s) {
    struct phase_change *t = &x->change;
    uint32_t pair[2] = {auction_head(x, s, BUY), auction_head(x, s, SELL)};
    order *buy = &x->orders[pair[0]], *sell = &x->orders[pair[1]];
    int64_t qty = min64(t->left, min64(buy->leaves, sell->leaves));
    t->left -= qty;
    buy->cum = sat_add(buy->cum, qty);
    sell->cum = sat_add(sell->cum, qty);
    book_trade(x, s, buy, sell, t->px, qty, buy->leaves - qty, sell->leaves - qty, F_AUCTION);
    for (int i = 0; i < 2; i++) {
        order *o = &x->orders[pair[i]];
        if (qty == o->leaves) {
            forget(x, s, pair[i]);
        } else {
            shrink(x, o, qty);
            if (!t->left && falls_short(x, o)) cancel(x, pair[i], R_MIN_QTY);
        }
    }
}

/* ---- phases --------------------------------------------------------------------------------------------------------------- */

static bool ends_in_auction(uint8_t old, uint8_t phase) {
    return (phase == CONTINUOUS && old != CONTINUOUS) || (old == CLOSING_CALL && (phase == POST || phase == CLOSED));
}

static void note_phase(ex *x, symbol *s, uint8_t phase, uint8_t reason) {
    bool opens = s->phase <= OPENING_CALL && phase == CONTINUOUS;
    s->phase = phase;
    s->peg_quote_known = 0;
    s->limit_since_ns = -1;
    s->pause_until_ns = reason == R_LULD && phase == REOPENING_CALL ? x->now_ns + 5 * MINUTE : -1;
    book_event *e = emit(x, EV_PHASE, (uint32_t)(s - x->symbols));
    e->qty = phase;
    e->reason = reason;
    if (phase != CONTINUOUS) return;
    if (opens && s->opened_ns < 0) s->opened_ns = x->now_ns;
    if (s->has_last) { /* stops that came in meanwhile are compared with the last price */
        s->low_print = s->has_prints ? min64(s->low_print, s->last) : s->last;
        s->high_print = s->has_prints ? max64(s->high_print, s->last) : s->last;
        s->has_prints = 1;
    }
}

/* Leave the old phase (with its auction, when it ends in one) and enter the new one. An interruption in the middle of a match
 * has neither an auction nor orders to activate and is done here; the rest is done in steps. */
static void enter_phase(ex *x, symbol *s, uint8_t phase, uint8_t reason) {
    if (reason == R_BAND) {
        note_phase(x, s, phase, reason);
        return;
    }
    struct phase_change *t = &x->change;
    *t = (struct phase_change){.state = P_ENTER, .phase = phase, .reason = reason, .symbol = (uint32_t)(s - x->symbols)};
    if (!ends_in_auction(s->phase, phase)) return;
    book_indication_view v;
    plan(x, s, &v);
    emit_indication(x, EV_AUCTION, t->symbol, &v);
    t->px = v.px;
    t->left = v.volume;
    t->over = s->phase == CLOSING_CALL ? AT_CLOSE : AT_OPEN;
    t->state = P_UNCROSS;
    if (v.volume && x->c.luld_unit) {
        s->luld_reference = v.px;
        s->has_luld = 1;
    }
}

static void phase_step(ex *x) {
    struct phase_change *t = &x->change;
    symbol *s = &x->symbols[t->symbol];
    switch (t->state) {
    case P_UNCROSS:
        if (t->left) uncross_one(x, s);
        else t->state = P_MARKET;
        break;
    case P_MARKET:
        if (s->market[BUY].head) cancel(x, s->market[BUY].head, R_AUCTION);
        else if (s->market[SELL].head) cancel(x, s->market[SELL].head, R_AUCTION);
        else {
            t->at = s->auction_only.head;
            t->state = P_OVER;
        }
        break;
    case P_OVER: {
        uint32_t oi = t->at;
        if (!oi) {
            t->state = P_ENTER;
            break;
        }
        t->at = x->orders[oi].list_next;
        if (x->orders[oi].tif == t->over && x->orders[oi].place == BOOK) cancel(x, oi, R_AUCTION);
        break;
    }
    case P_ENTER:
        note_phase(x, s, t->phase, t->reason);
        t->at = s->auction_only.head;
        t->state = t->phase == CLOSING_CALL ? P_ACTIVATE : P_IDLE;
        break;
    default: {
        uint32_t oi = t->at;
        if (!oi) {
            t->state = P_IDLE;
            break;
        }
        t->at = x->orders[oi].list_next;
        if (x->orders[oi].place == PARKED) {
            x->orders[oi].place = NOWHERE;
            arrive(x, s, oi);
        }
        break;
    }
    }
}

/* ---- a new order ---------------------------------------------------------------------------------------------------------- */

/* The best opposite price that an order at px could trade at, hidden orders included; 0 when there is none. */
static uint32_t met(const ex *x, const symbol *s, uint8_t side, int64_t px, int64_t qty) {
    for (uint32_t li = s->book[!side].first; li; li = x->levels[li].next) {
        if (beyond(side, px, x->levels[li].px)) return 0;
        if (offers(x, &x->levels[li], qty)) return li;
    }
    return 0;
}

/* Whether a post-only order may come in at px. */
static bool may_post(const ex *x, const symbol *s, uint8_t flags, uint8_t side, int64_t px, int64_t qty) {
    uint32_t li = s->phase == CONTINUOUS ? met(x, s, side, px, qty) : 0;
    return !li || (flags & SLIDE && is_price(behind(x, x->levels[li].px, side)));
}

/* Where a post-only order with SLIDE stands: at px, or one tick behind what it would meet. */
static int64_t slid(const ex *x, const symbol *s, uint8_t side, int64_t px, int64_t qty) {
    uint32_t li = s->phase == CONTINUOUS ? met(x, s, side, px, qty) : 0;
    return li ? (int64_t)behind(x, x->levels[li].px, side) : px;
}

static bool makes_sense(const book_msg *m) {
    bool stop = is_stop(m->ord_type), now_or_auction = m->tif >= IOC, at = m->tif >= AT_OPEN;
    bool post = m->flags & POST_ONLY, hidden = m->flags & HIDDEN;
    if (m->ord_type == MARKET && (m->tif == GTC || m->tif == GTD || m->peg || m->display_qty || post || hidden)) return false;
    if (stop && (m->tif == FOK || at || m->peg || m->min_qty || post)) return false;
    if (m->ord_type == STOP && (m->display_qty || hidden)) return false;
    if (now_or_auction && (m->peg || m->display_qty || post)) return false;
    if (at && m->min_qty) return false;
    if (m->display_qty && (hidden || m->peg)) return false;
    if (post && (m->min_qty || m->peg)) return false;
    return !(m->flags & SLIDE && !post) && !(m->flags & PEG_CAP && !m->peg);
}

static uint16_t needs(const book_msg *m) {
    unsigned need = 0;
    if (is_stop(m->ord_type)) need |= A_STOP;
    else if (m->peg) need |= A_PEG;
    else need |= m->ord_type == MARKET ? A_MARKET : A_LIMIT;
    if (m->tif == IOC || m->tif == FOK) need |= A_IOC;
    if (m->tif == AT_OPEN) need |= A_AT_OPEN;
    if (m->tif == AT_CLOSE) need |= A_AT_CLOSE;
    if (m->flags & POST_ONLY) need |= A_POST_ONLY;
    if (m->display_qty) need |= A_ICEBERG;
    if (m->flags & HIDDEN) need |= A_HIDDEN;
    return (uint16_t)need;
}

static bool bad_qty(const ex *x, const book_msg *m) {
    if (m->qty < (x->c.zero_qty ? 0 : 1) || m->qty > QTY_MAX || m->min_qty < 0 || m->min_qty > m->qty) return true;
    return m->display_qty && (m->display_qty < 0 || m->display_qty > m->qty || m->qty > m->display_qty * PEAKS_MAX);
}

static bool beyond_band(const ex *x, const symbol *s, uint8_t side, int64_t px) {
    if (!x->c.band_bps || !s->has_reference) return false;
    i128 far = side == BUY ? (i128)px - s->reference : (i128)s->reference - px;
    return far * 10000 > abs128(s->reference) * x->c.band_bps;
}

/* Why a new order is not accepted; the first reason in this order. */
static uint8_t refusal(const ex *x, const book_msg *m) {
    if (m->symbol >= x->c.symbols) return R_UNKNOWN_SYMBOL;
    const symbol *s = &x->symbols[m->symbol];
    if (m->side > SELL || m->ord_type > STOP_LIMIT || m->tif > AT_CLOSE || m->peg > PEG_MARKET || m->flags > ALL_FLAGS ||
        m->stp_mode > STP_DECREMENT)
        return R_BAD_FIELD;
    if (id_find(x, m->order_id)) return R_DUPLICATE_ID;
    if (bad_qty(x, m)) return R_BAD_QTY;
    if (m->qty % x->c.lot) return R_BAD_LOT;
    if (!makes_sense(m)) return R_BAD_COMBINATION;
    if (m->tif == GTD && m->expire_ns <= x->now_ns) return R_BAD_EXPIRY;
    bool limit = (m->ord_type == LIMIT || m->ord_type == STOP_LIMIT) && (!m->peg || m->flags & PEG_CAP);
    if ((limit && !on_tick(x, m->px)) || (is_stop(m->ord_type) && !on_tick(x, m->stop_px))) return R_BAD_TICK;
    if (needs(m) & ~x->c.accepts[s->phase]) return R_PHASE;
    if (limit && beyond_band(x, s, m->side, m->px)) return R_BAND;
    if (m->flags & POST_ONLY && !may_post(x, s, (uint8_t)m->flags, m->side, m->px, m->qty)) return R_POST_ONLY;
    bool waits = (m->tif != IOC && m->tif != FOK) || is_stop(m->ord_type);
    if (m->ord_type == MARKET && s->phase == CONTINUOUS && m->tif == DAY) waits = x->c.market_rests || x->c.dynamic_bps;
    /* One place beyond the pool is kept for orders that are over with their message, so that a full exchange still matches them. */
    if (m->qty && x->live >= x->c.max_orders + (waits ? 0 : 1)) return R_POOL_FULL;
    return R_NONE;
}

static uint32_t order_new(ex *x) {
    uint32_t oi = x->free_order;
    if (oi) x->free_order = x->orders[oi].next;
    else oi = x->fresh_order++;
    x->live++;
    return oi;
}

static void new_order(ex *x) {
    const book_msg *m = &x->m;
    uint8_t reason = refusal(x, m);
    x->pc = PC_END;
    if (reason) {
        book_event *e = emit(x, EV_REJECTED, m->symbol);
        e->side = m->side;
        e->reason = reason;
        e->order_id = m->order_id;
        e->px = m->px;
        e->qty = m->qty;
        e->session = m->session;
        e->account = m->account;
        return;
    }
    symbol *s = &x->symbols[m->symbol];
    int64_t px = m->ord_type == MARKET || m->ord_type == STOP || m->peg ? 0 : m->px;
    if (m->flags & SLIDE) px = slid(x, s, m->side, m->px, m->qty);
    x->rank++;
    order fresh = {
        .id = m->order_id, .px = px, .leaves = m->qty, .symbol = m->symbol, .stp_id = m->stp_id, .session = m->session,
        .side = m->side, .ord_type = m->ord_type, .tif = m->tif, .flags = (uint8_t)(m->flags | (m->peg ? HIDDEN : 0)),
        .peg = m->peg, .stp_mode = m->stp_mode ? m->stp_mode : x->c.stp, .display = m->display_qty, .min_qty = m->min_qty,
        .stop_px = m->stop_px, .cap = m->px, .rank = x->rank, .account = m->account,
    };
    emit_order(x, EV_ACCEPTED, &fresh, px, m->qty, m->qty, 0);
    if (!m->qty) return;
    uint32_t oi = order_new(x);
    x->orders[oi] = fresh;
    id_add(x, oi);
    schedule(x, oi, m->expire_ns);
    order *o = &x->orders[oi];
    queue *q = list_of(s, o);
    if (q) list_push(x, q, oi);
    x->pc = PC_SETTLE;
    if (o->peg) {
        uint8_t has;
        int64_t bid, ask, target;
        quote_of(x, s, &has, &bid, &ask);
        if (!peg_target(x, o, has, bid, ask, &target)) {
            o->place = PARKED;
            return;
        }
        o->px = target;
    }
    arrive(x, s, oi);
}

/* ---- cancel and replace --------------------------------------------------------------------------------------------------- */

/* The order a message is about, or 0 and the reason why not. */
static uint32_t found(const ex *x, unsigned need, uint8_t *reason) {
    uint32_t oi = id_find(x, x->m.order_id);
    const order *o = &x->orders[oi];
    *reason = R_NONE;
    if (!oi) *reason = R_UNKNOWN_ORDER;
    else if (x->m.session && x->m.session != o->session) *reason = R_NOT_OWNER;
    else if (need & ~(unsigned)x->c.accepts[x->symbols[o->symbol].phase]) *reason = R_PHASE;
    return *reason ? 0 : oi;
}

static void reject_about(ex *x, uint8_t kind, uint8_t reason) {
    book_event *e = emit(x, kind, 0);
    e->reason = reason;
    e->order_id = x->m.order_id;
    e->session = x->m.session;
    x->pc = PC_END;
}

static void cancel_one(ex *x) {
    uint8_t reason;
    uint32_t oi = found(x, A_CANCEL, &reason);
    if (!oi) {
        reject_about(x, EV_CANCEL_REJECTED, reason);
        return;
    }
    x->m.symbol = x->orders[oi].symbol; /* for PC_SETTLE */
    cancel(x, oi, R_USER);
    x->pc = PC_SETTLE;
}

static int64_t new_leaves(const ex *x, const order *o) { return x->c.replace_total ? x->m.qty - o->cum : x->m.qty; }

/* What a replace would change, of the things that can cost priority. */
static unsigned changes(const ex *x, const order *o) {
    const book_msg *m = &x->m;
    unsigned out = 0;
    int64_t leaves = new_leaves(x, o);
    if (leaves < o->leaves) out |= C_QTY_DOWN;
    if (leaves > o->leaves) out |= C_QTY_UP;
    int64_t px = o->peg || o->flags & SLIDE ? o->cap : o->px;
    if ((limited(o) && m->px != px && (!o->peg || o->flags & PEG_CAP)) ||
        ((o->peg || is_stop(o->ord_type)) && m->stop_px != o->stop_px))
        out |= C_PRICE;
    if (m->display_qty != o->display) out |= C_DISPLAY;
    if (m->account && m->account != o->account) out |= C_ACCOUNT;
    return out ? out : C_NOTHING;
}

static uint8_t replace_refusal(const ex *x, const order *o) {
    const book_msg *m = &x->m;
    const symbol *s = &x->symbols[o->symbol];
    if (m->new_order_id != o->id && id_find(x, m->new_order_id)) return R_DUPLICATE_ID;
    if (bad_qty(x, m)) return R_BAD_QTY;
    if (m->qty % x->c.lot) return R_BAD_LOT;
    if (!m->display_qty != !o->display) return R_BAD_COMBINATION;
    if (o->tif == GTD && m->expire_ns <= x->now_ns) return R_BAD_EXPIRY;
    bool limit = limited(o) && (!o->peg || o->flags & PEG_CAP);
    if ((limit && !on_tick(x, m->px)) || (is_stop(o->ord_type) && !on_tick(x, m->stop_px))) return R_BAD_TICK;
    if (limit && beyond_band(x, s, o->side, m->px)) return R_BAND;
    if (o->flags & POST_ONLY && !may_post(x, s, o->flags, o->side, m->px, new_leaves(x, o))) return R_POST_ONLY;
    return R_NONE;
}

/* New quantities in the old place. */
static void amend(ex *x, order *o, int64_t leaves) {
    int64_t display = x->m.display_qty, shown;
    if (display && display == o->display) shown = min64(o->shown, leaves);
    else shown = min64(display ? display : leaves, leaves);
    bool displayed = o->place == BOOK && !(o->flags & HIDDEN);
    level *l = &x->levels[o->level];
    if (displayed) {
        l->leaves += leaves - o->leaves;
        l->shown += shown - o->shown;
        o->shown = shown;
    }
    o->leaves = leaves;
    o->display = display;
    if (displayed) publish(x, o, l, shown);
}

static void rename_order(ex *x, uint32_t oi, uint64_t id) {
    order *o = &x->orders[oi];
    if (id == o->id) return;
    if (x->c.order_data && o->place == BOOK && !(o->flags & HIDDEN)) {
        book_event *e = emit(x, EV_ORDER, o->symbol);
        e->side = o->side;
        e->flags = F_RENAMED;
        e->order_id = id;
        e->match_id = o->id;
        e->px = o->px;
        e->qty = o->shown;
    }
    id_remove(x, o->id);
    o->id = id;
    id_add(x, oi);
}

/* A replaced order without its priority: last wherever it waits or stands. */
static void come_back(ex *x, symbol *s, uint32_t oi) {
    order *o = &x->orders[oi];
    queue *q = list_of(s, o);
    if (q) {
        list_remove(x, q, oi);
        list_push(x, q, oi);
    }
    if (o->peg) {
        uint8_t has;
        int64_t bid, ask, target;
        quote_of(x, s, &has, &bid, &ask);
        if (!peg_target(x, o, has, bid, ask, &target)) {
            o->place = PARKED;
            return;
        }
        o->px = target;
    }
    arrive(x, s, oi);
}

static void replace(ex *x) {
    book_msg *m = &x->m;
    uint8_t reason;
    uint32_t oi = found(x, A_REPLACE, &reason);
    order *o = &x->orders[oi];
    if (oi) reason = replace_refusal(x, o);
    if (reason) {
        reject_about(x, EV_REPLACE_REJECTED, reason);
        return;
    }
    symbol *s = &x->symbols[o->symbol];
    m->symbol = o->symbol; /* for PC_SETTLE */
    int64_t leaves = new_leaves(x, o), px = o->px;
    bool kept = leaves > 0 && !(changes(x, o) & ~(unsigned)x->c.keeps);
    if (!kept && limited(o) && !o->peg) px = o->flags & SLIDE ? slid(x, s, o->side, m->px, leaves) : m->px;
    uint32_t account = m->account ? m->account : o->account;
    book_event *e = emit(x, EV_REPLACED, o->symbol);
    e->side = o->side;
    e->flags = kept ? F_KEPT_PRIORITY : 0;
    e->order_id = m->new_order_id;
    e->match_id = o->id;
    e->px = px;
    e->qty = m->qty;
    e->leaves_qty = max64(leaves, 0);
    e->session = o->session;
    e->account = account;
    x->pc = PC_SETTLE;
    if (kept) amend(x, o, leaves);
    else leave(x, s, oi);
    rename_order(x, oi, m->new_order_id);
    o->account = account;
    o->min_qty = o->flags & HIDDEN ? m->min_qty : 0;
    if (kept) {
        schedule(x, oi, m->expire_ns);
    } else if (leaves <= 0) {
        forget(x, s, oi);
    } else {
        o->rank = ++x->rank;
        o->leaves = leaves;
        o->px = px;
        o->stop_px = m->stop_px;
        o->cap = m->px;
        o->display = m->display_qty;
        schedule(x, oi, m->expire_ns);
        come_back(x, s, oi);
    }
}

/* ---- after the trade ------------------------------------------------------------------------------------------------------ */

static void bust(ex *x) {
    const book_msg *m = &x->m;
    trade *t = &x->trades[m->new_order_id % x->c.max_trades];
    bool correct = m->kind == CORRECT, known = m->new_order_id && t->trade_id == m->new_order_id && !t->busted;
    x->pc = PC_END;
    if (!known || (correct && (m->qty < 1 || m->qty > QTY_MAX))) {
        book_event *e = emit(x, EV_BUST_REJECTED, 0);
        e->reason = known ? R_BAD_QTY : R_UNKNOWN_TRADE;
        e->trade_id = m->new_order_id;
        return;
    }
    book_event *e = emit(x, correct ? EV_CORRECTED : EV_BUSTED, t->symbol);
    if (correct) {
        e->leaves_qty = t->qty;
        e->match_leaves_qty = t->px;
        t->px = m->px;
        t->qty = m->qty;
    } else {
        t->busted = 1;
    }
    e->side = t->side;
    e->order_id = t->order_id;
    e->match_id = t->match_id;
    e->px = t->px;
    e->qty = t->qty;
    e->trade_id = t->trade_id;
    e->session = t->session;
    e->match_session = t->match_session;
    e->account = t->account;
    e->match_account = t->match_account;
    symbol *s = &x->symbols[t->symbol];
    s->tally = s->settled;
    uint64_t oldest = x->trade_id > x->c.max_trades ? x->trade_id - x->c.max_trades + 1 : 1;
    for (uint64_t id = oldest > s->stats_from ? oldest : s->stats_from; id <= x->trade_id; id++) {
        const trade *kept = &x->trades[id % x->c.max_trades];
        if (kept->symbol == t->symbol && !kept->busted) tally_add(&s->tally, kept->px, kept->qty);
    }
}

static void end_session(ex *x, symbol *s) {
    book_event *e = emit(x, EV_SESSION_ENDED, (uint32_t)(s - x->symbols));
    if (s->tally.trades) {
        e->px = s->tally.last_px;
        e->leaves_qty = s->tally.high_px;
        e->match_leaves_qty = s->tally.low_px;
    }
    e->qty = s->tally.volume;
    e->trade_id = (uint64_t)s->tally.trades;
    s->settled = s->tally = (book_statistics_view){0};
    s->stats_from = x->trade_id + 1;
    s->opened_ns = -1;
    s->close_ns = 0;
}

/* ---- every order of a symbol, one a step ----------------------------------------------------------------------------------- */

static void sweep_begin(ex *x) { x->sweep = (struct sweep){0}; }

/* Set sweep.at to the first order of the part, or of the part after it. */
static void sweep_enter(ex *x, symbol *s) {
    struct sweep *t = &x->sweep;
    t->level = 0;
    t->at = 0;
    switch (t->part) {
    case SWEEP_BUY: case SWEEP_SELL: t->level = s->book[t->part - SWEEP_BUY].first; break;
    case SWEEP_MARKET_BUY: case SWEEP_MARKET_SELL: t->at = s->market[t->part - SWEEP_MARKET_BUY].head; break;
    case SWEEP_STOP_BUY: case SWEEP_STOP_SELL: t->level = s->stops[t->part - SWEEP_STOP_BUY].first; break;
    case SWEEP_AUCTION: t->at = s->auction_only.head; break;
    case SWEEP_PEGS: t->at = s->pegs.head; break;
    default: break;
    }
    if (t->level) t->at = x->levels[t->level].head ? x->levels[t->level].head : x->levels[t->level].hidden_head;
}

/* The next order, the walk already standing behind it so that it may be cancelled; 0 at the end. */
static uint32_t sweep_next(ex *x, symbol *s) {
    struct sweep *t = &x->sweep;
    if (!t->started) {
        t->started = 1;
        sweep_enter(x, s);
    }
    while (t->part != SWEEP_END) {
        uint32_t oi = t->at;
        if (!oi) {
            t->part++;
            sweep_enter(x, s);
            continue;
        }
        const order *o = &x->orders[oi];
        if (t->part >= SWEEP_AUCTION) {
            t->at = o->list_next;
            if (o->place != PARKED) continue;
            return oi;
        }
        const level *l = &x->levels[t->level];
        t->at = o->next;
        if (!t->at && t->level) {
            bool was_displayed = l->head && oi == l->tail;
            if (was_displayed && l->hidden_head) {
                t->at = l->hidden_head;
            } else {
                t->level = l->next;
                if (t->level) t->at = x->levels[t->level].head ? x->levels[t->level].head : x->levels[t->level].hidden_head;
            }
        }
        return oi;
    }
    return 0;
}

/* ---- a message ------------------------------------------------------------------------------------------------------------ */

static uint32_t scope_end(const ex *x, uint32_t sym) { return sym == ALL_SYMBOLS ? x->c.symbols : sym < x->c.symbols ? sym + 1 : 0; }

static void scope_begin(ex *x, uint32_t sym) {
    x->scope_at = sym == ALL_SYMBOLS ? 0 : sym;
    x->scope_end = scope_end(x, sym);
}

/* The symbols whose timers this message brings up to date. */
static void touched(ex *x) {
    const book_msg *m = &x->m;
    x->scope_at = x->scope_end = 0;
    if (m->kind == BUST || m->kind == CORRECT) return;
    if (m->kind == TICK) {
        scope_begin(x, ALL_SYMBOLS);
    } else if (m->kind == CANCEL || m->kind == REPLACE) {
        uint32_t oi = id_find(x, m->order_id);
        if (oi) scope_begin(x, x->orders[oi].symbol);
    } else {
        scope_begin(x, m->symbol);
    }
}

static void reject_message(ex *x, uint8_t reason) {
    emit_reject(x, EV_REJECTED_MESSAGE, x->m.symbol, reason);
    x->pc = PC_END;
}

static void dispatch(ex *x) {
    const book_msg *m = &x->m;
    switch (m->kind) {
    case NEW: new_order(x); return;
    case CANCEL: cancel_one(x); return;
    case REPLACE: replace(x); return;
    case BUST: case CORRECT: bust(x); return;
    case TICK: x->pc = PC_END; return;
    case MASS_CANCEL: case PHASE: case INDICATE: case REFERENCE: case SESSION_END: break;
    default: reject_message(x, R_BAD_FIELD); return;
    }
    if (m->symbol != ALL_SYMBOLS && m->symbol >= x->c.symbols) {
        reject_message(x, R_UNKNOWN_SYMBOL);
    } else if ((m->kind == PHASE && m->phase > POST) || (m->kind == MASS_CANCEL && m->side > ANY_SIDE)) {
        reject_message(x, R_BAD_FIELD);
    } else {
        scope_begin(x, m->symbol);
        x->count = 0;
        x->pc = PC_SCOPE;
    }
}

/* Begin the work of a message on the next symbol of its scope. */
static void scope_step(ex *x) {
    const book_msg *m = &x->m;
    if (x->scope_at >= x->scope_end) {
        if (m->kind == MASS_CANCEL) {
            book_event *e = emit(x, EV_MASS_CANCELED, m->symbol);
            e->side = m->side;
            e->qty = x->count;
            e->session = m->session;
            e->account = m->account;
        }
        x->pc = PC_END;
        return;
    }
    uint32_t sym = x->scope_at;
    symbol *s = &x->symbols[sym];
    x->pc = PC_SCOPE_SETTLE;
    if (m->kind == PHASE) {
        if (m->expire_ns) s->close_ns = m->expire_ns;
        enter_phase(x, s, (uint8_t)m->phase, R_OPERATOR);
    } else if (m->kind == INDICATE) {
        book_indication_view v;
        plan(x, s, &v);
        emit_indication(x, EV_INDICATIVE, sym, &v);
        x->scope_at++;
        x->pc = PC_SCOPE;
    } else if (m->kind == REFERENCE) {
        s->reference = s->luld_reference = m->px;
        s->has_reference = s->has_luld = 1;
        s->tier = m->phase == 2 ? 2 : 1;
        x->scope_at++;
        x->pc = PC_SCOPE;
    } else {
        sweep_begin(x);
        x->pc = PC_SWEEP;
    }
}

/* One order of a mass cancel or of the end of a session. */
static void sweep_step(ex *x) {
    const book_msg *m = &x->m;
    symbol *s = &x->symbols[x->scope_at];
    uint32_t oi = sweep_next(x, s);
    if (!oi) {
        settle_begin(x, x->scope_at);
        x->pc = PC_SWEPT;
        return;
    }
    const order *o = &x->orders[oi];
    if (m->kind == SESSION_END) {
        if (o->tif == DAY || o->tif >= AT_OPEN) cancel(x, oi, R_EXPIRED);
    } else if ((!m->session || o->session == m->session) && (!m->account || o->account == m->account) &&
               (m->side == ANY_SIDE || m->side == o->side) && x->c.accepts[s->phase] & A_CANCEL) {
        cancel(x, oi, R_MASS);
        x->count++;
    }
}

static void timers_step(ex *x) {
    if (x->scope_at >= x->scope_end) {
        x->pc = PC_DISPATCH;
        return;
    }
    symbol *s = &x->symbols[x->scope_at];
    roll(x, s);
    x->pc = PC_TIMERS_SETTLE;
    if (s->limit_since_ns >= 0 && s->limit_since_ns <= x->now_ns - 15 * SECOND) {
        enter_phase(x, s, REOPENING_CALL, R_LULD);
    } else if (s->pause_until_ns >= 0 && s->pause_until_ns <= x->now_ns) {
        enter_phase(x, s, CONTINUOUS, R_LULD);
    } else {
        x->scope_at++;
        x->pc = PC_TIMERS;
    }
}

static void expire_step(ex *x) {
    if (x->heap_size && x->heap[1].expire_ns <= x->now_ns) {
        uint32_t oi = x->heap[1].order, sym = x->orders[oi].symbol;
        cancel(x, oi, R_EXPIRED);
        settle_begin(x, sym);
        return;
    }
    x->pc = PC_DISPATCH;
    if (x->c.luld_unit) {
        touched(x);
        x->pc = PC_TIMERS;
    }
}

static void message_step(ex *x) {
    switch (x->pc) {
    case PC_EXPIRE: expire_step(x); break;
    case PC_TIMERS: timers_step(x); break;
    case PC_TIMERS_SETTLE:
        settle_begin(x, x->scope_at++);
        x->pc = PC_TIMERS;
        break;
    case PC_DISPATCH: dispatch(x); break;
    case PC_SETTLE:
        settle_begin(x, x->m.symbol);
        x->pc = PC_END;
        break;
    case PC_SCOPE: scope_step(x); break;
    case PC_SCOPE_SETTLE:
        settle_begin(x, x->scope_at++);
        x->pc = PC_SCOPE;
        break;
    case PC_SWEEP: sweep_step(x); break;
    case PC_SWEPT:
        if (x->m.kind == SESSION_END) end_session(x, &x->symbols[x->scope_at]);
        x->scope_at++;
        x->pc = PC_SCOPE;
        break;
    default: x->pc = PC_IDLE; break;
    }
}

/* One step of whatever is innermost. At most BOOK_ROOM events. */
static void step(ex *x) {
    if (x->match.state != M_IDLE) match_step(x);
    else if (x->change.state != P_IDLE) phase_step(x);
    else if (x->settle.state != S_IDLE) settle_step(x);
    else message_step(x);
}

/* What coming messages will read is brought into the cache before their turn, a step at a time, because each step needs the one
 * before: the place in the hash table and the symbol, then the order or the level, then the orders beside it. */
static void fetch_first(const ex *x, const book_msg *m) {
    __builtin_prefetch(&x->hash[hash_of(m->order_id) & x->hash_mask]);
    if (m->kind == NEW && m->symbol < x->c.symbols) __builtin_prefetch(&x->symbols[m->symbol]);
}

static void fetch_order(const ex *x, const book_msg *m) {
    uint64_t h = hash_of(m->order_id), entry = x->hash[h & x->hash_mask];
    if (m->kind != NEW && entry >> 32 == h) __builtin_prefetch(&x->orders[(uint32_t)entry]);
}

static uint32_t fetch_level(const ex *x, const book_msg *m) {
    if (m->kind == NEW) {
        if (m->symbol >= x->c.symbols || m->side > SELL || m->ord_type != LIMIT) return 0;
        uint32_t li = level_find(x, &x->symbols[m->symbol].book[m->side], key_of(m->px, m->side == SELL));
        __builtin_prefetch(&x->levels[li]);
        return li;
    }
    uint64_t h = hash_of(m->order_id), entry = x->hash[h & x->hash_mask];
    if (entry >> 32 == h) {
        const order *o = &x->orders[(uint32_t)entry];
        __builtin_prefetch(&x->levels[o->level]);
        __builtin_prefetch(&x->orders[o->prev]);
        __builtin_prefetch(&x->orders[o->next]);
    }
    return 0;
}

static void fetch_ahead(ex *x, const uint8_t *messages, uint64_t at, uint64_t count) {
    book_msg m;
    if (at + 12 < count) fetch_first(x, memcpy(&m, messages + (at + 12) * sizeof m, sizeof m));
    if (at + 8 < count) fetch_order(x, memcpy(&m, messages + (at + 8) * sizeof m, sizeof m));
    if (at + 4 < count) x->hints[(at + 4) % AHEAD] = fetch_level(x, memcpy(&m, messages + (at + 4) * sizeof m, sizeof m));
    uint32_t next = at + 2 < count ? x->hints[(at + 2) % AHEAD] : 0;
    __builtin_prefetch(&x->orders[x->levels[next].tail]);
    x->hint = x->hints[at % AHEAD];
    x->hints[at % AHEAD] = 0;
}

uint64_t book_run(book_exchange *x, const uint8_t *messages, uint64_t count, book_event *events, uint64_t room, uint64_t *taken) {
    x->out = events;
    x->out_end = events + room;
    memset(x->hints, 0, sizeof x->hints);
    *taken = 0;
    for (;;) {
        while (x->pc != PC_IDLE) {
            if (x->out_end - x->out < BOOK_ROOM) return (uint64_t)(x->out - events);
            step(x);
        }
        if (*taken == count) return (uint64_t)(x->out - events);
        fetch_ahead(x, messages, *taken, count);
        memcpy(&x->m, messages + *taken * sizeof(book_msg), sizeof(book_msg));
        ++*taken;
        x->now_ns = max64(x->now_ns, min64(x->m.now_ns, TIME_MAX));
        x->pc = x->heap_size || x->c.luld_unit ? PC_EXPIRE : PC_DISPATCH;
    }
}

int book_busy(const book_exchange *x) { return x->pc != PC_IDLE; }

/* ---- memory --------------------------------------------------------------------------------------------------------------- */

static bool possible(const book_config *c) {
    bool ok = c->symbols && c->symbols < 0x7FFFFFFF && c->max_orders && c->max_orders <= BOOK_MAX_ORDERS && c->max_trades &&
              c->max_trades < 0x7FFFFFFF && c->steps && c->steps <= BOOK_STEPS && c->ticks <= BOOK_TICKS && c->lot > 0 &&
              c->first_phase < BOOK_PHASES && c->stp > STP_PROFILE && c->stp <= STP_DECREMENT && !(c->keeps & C_PRICE) &&
              c->lmm_bps >= 0 && c->lmm_bps <= 10000 && c->split_bps >= 0 && c->split_bps <= 10000 && c->band_bps >= 0 &&
              c->dynamic_bps >= 0 && c->protection >= 0 && c->luld_unit >= 0 && c->luld_unit < QTY_MAX && c->top_min >= 0 &&
              c->top_max >= 0 && c->pro_rata_min >= 0;
    for (uint32_t i = 0; ok && i < c->ticks; i++) ok = c->tick[i] > 0;
    for (uint32_t i = 0; ok && i < c->steps; i++) ok = c->allocation[i] >= STEP_FIFO && c->allocation[i] <= STEP_LEVELING;
    return ok;
}

static uint64_t cut(uint64_t *at, uint64_t size) {
    uint64_t begin = *at;
    *at += (size + 63) / 64 * 64;
    return begin;
}

static uint32_t slots(const book_config *c) {
    uint32_t n = 16;
    while (n < 2 * (c->max_orders + 1)) n *= 2;
    return n;
}

/* Where each pool begins; the last is the end. */
struct plan_of_memory {
    uint64_t orders, levels, nodes, node_meta, hash, heap, trades, symbols, sums, end;
};

static struct plan_of_memory lay_out(const book_config *c) {
    uint64_t at = 0, n = (uint64_t)c->max_orders + 2; /* none, max_orders, and the one that is over with its message */
    struct plan_of_memory p;
    cut(&at, sizeof(ex));
    p.orders = cut(&at, n * sizeof(order));
    p.levels = cut(&at, n * sizeof(level));
    p.nodes = cut(&at, n * sizeof(node));
    p.node_meta = cut(&at, n * sizeof(uint32_t));
    p.hash = cut(&at, (uint64_t)slots(c) * sizeof(uint64_t));
    p.heap = cut(&at, n * sizeof(expiry));
    p.trades = cut(&at, (uint64_t)c->max_trades * sizeof(trade));
    p.symbols = cut(&at, (uint64_t)c->symbols * sizeof(symbol));
    p.sums = cut(&at, c->luld_unit ? (uint64_t)c->symbols * BUCKETS * sizeof(sum) : 0);
    p.end = at;
    return p;
}

uint64_t book_size(const book_config *config) { return possible(config) ? lay_out(config).end : 0; }

book_exchange *book_init(void *memory, const book_config *config) {
    if (!possible(config)) return NULL;
    struct plan_of_memory p = lay_out(config);
    char *base = memory;
    ex *x = memory;
    x->c = *config;
    x->orders = (order *)(void *)(base + p.orders);
    x->levels = (level *)(void *)(base + p.levels);
    x->nodes = (node *)(void *)(base + p.nodes);
    x->node_meta = (uint32_t *)(void *)(base + p.node_meta);
    x->hash = (uint64_t *)(void *)(base + p.hash);
    x->heap = (expiry *)(void *)(base + p.heap);
    x->trades = (trade *)(void *)(base + p.trades);
    x->symbols = (symbol *)(void *)(base + p.symbols);
    x->sums = (sum *)(void *)(base + p.sums);
    x->hash_mask = slots(config) - 1;
    x->fresh_order = x->fresh_level = x->fresh_node = 1;
    x->plain_fifo = config->steps == 1 && config->allocation[0] == STEP_FIFO;
    for (uint32_t i = 0; i < config->steps; i++) x->uses_top |= config->allocation[i] == STEP_TOP;
    for (uint32_t i = 0; i < config->symbols; i++) {
        symbol *s = &x->symbols[i];
        s->phase = config->first_phase;
        s->tier = 1;
        s->opened_ns = s->limit_since_ns = s->pause_until_ns = s->bucket = -1;
        s->stats_from = 1;
    }
    return x;
}

/* ---- questions ------------------------------------------------------------------------------------------------------------ */

void book_quote(const book_exchange *x, uint32_t sym, book_quote_view *out) {
    const symbol *s = &x->symbols[sym];
    uint32_t bid = best_displayed(x, &s->book[BUY]), ask = best_displayed(x, &s->book[SELL]);
    *out = (book_quote_view){.has_bid = bid != 0, .has_ask = ask != 0};
    if (bid) {
        out->bid_px = x->levels[bid].px;
        out->bid_qty = x->levels[bid].shown;
    }
    if (ask) {
        out->ask_px = x->levels[ask].px;
        out->ask_qty = x->levels[ask].shown;
    }
}

uint32_t book_depth(const book_exchange *x, uint32_t sym, uint8_t side, book_level_view *out, uint32_t room) {
    uint32_t n = 0;
    for (uint32_t li = x->symbols[sym].book[side != 0].first; li && n < room; li = x->levels[li].next) {
        const level *l = &x->levels[li];
        if (l->head) out[n++] = (book_level_view){l->px, l->shown, l->count};
    }
    return n;
}

int book_order(const book_exchange *x, uint64_t order_id, book_order_view *out) {
    uint32_t oi = id_find(x, order_id);
    if (!oi) return 0;
    const order *o = &x->orders[oi];
    *out = (book_order_view){
        .order_id = o->id, .symbol = o->symbol, .side = o->side, .on_book = o->place == BOOK, .px = o->px,
        .leaves_qty = o->leaves, .cum_qty = o->cum, .shown_qty = o->shown,
    };
    return 1;
}

void book_indication(book_exchange *x, uint32_t sym, book_indication_view *out) { plan(x, &x->symbols[sym], out); }
void book_statistics(const book_exchange *x, uint32_t sym, book_statistics_view *out) { *out = x->symbols[sym].tally; }
uint8_t book_phase(const book_exchange *x, uint32_t sym) { return x->symbols[sym].phase; }
uint32_t book_live(const book_exchange *x) { return x->live; }

static uint64_t mix(uint64_t h, uint64_t word) {
    h = (h ^ word) * UINT64_C(0x9E3779B97F4A7C15);
    return h ^ h >> 29;
}

static uint64_t mix_px(uint64_t h, bool has, int64_t px) { return mix(mix(h, has), has ? (uint64_t)px : 0); }

static uint64_t mix_order(const ex *x, uint64_t h, const order *o) {
    uint64_t bytes = o->side | (uint64_t)o->ord_type << 8 | (uint64_t)o->tif << 16 | (uint64_t)o->flags << 24 | (uint64_t)o->peg << 32 |
                     (uint64_t)o->stp_mode << 40 | (uint64_t)o->place << 48;
    int64_t expire_ns = o->tif == GTD ? x->heap[o->heap_at].expire_ns : 0;
    uint64_t words[] = {
        o->id, (uint64_t)o->leaves, (uint64_t)o->shown, (uint64_t)o->cum, (uint64_t)o->px, (uint64_t)o->cap, (uint64_t)o->stop_px,
        (uint64_t)o->display, (uint64_t)o->min_qty, o->rank, o->session, o->account, o->stp_id, bytes, (uint64_t)expire_ns,
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) h = mix(h, words[i]);
    return h;
}

static uint64_t mix_queue(const ex *x, uint64_t h, uint32_t at) {
    for (; at; at = x->orders[at].next) h = mix_order(x, h, &x->orders[at]);
    return h;
}

static uint64_t mix_list(const ex *x, uint64_t h, uint32_t at) {
    for (; at; at = x->orders[at].list_next) h = mix_order(x, h, &x->orders[at]);
    return h;
}

static uint64_t mix_tree(const ex *x, uint64_t h, const tree *t) {
    for (uint32_t li = t->first; li; li = x->levels[li].next) {
        const level *l = &x->levels[li];
        uint64_t count = 0;
        for (uint32_t at = l->head; at; at = x->orders[at].next) count++;
        h = mix(mix(h, (uint64_t)l->px), count);
        h = mix_queue(x, mix_queue(x, h, l->head), l->hidden_head);
    }
    return h;
}

/* Prices, timers and statistics of a symbol; its orders come after. */
static uint64_t mix_symbol(const ex *x, uint64_t h, uint32_t sym) {
    const symbol *s = &x->symbols[sym];
    h = mix(mix(mix(mix(h, sym), s->phase), s->tier), (uint64_t)s->opened_ns);
    h = mix(mix(mix(h, (uint64_t)s->close_ns), (uint64_t)s->limit_since_ns), (uint64_t)s->pause_until_ns);
    h = mix_px(mix_px(mix_px(h, s->has_last, s->last), s->has_reference, s->reference), s->has_luld, s->luld_reference);
    h = mix(mix_px(mix_px(h, s->has_prints, s->low_print), s->has_prints, s->high_print), s->peg_quote_known);
    if (s->peg_quote_known) h = mix_px(mix_px(h, s->peg_has & 1, s->peg_bid), s->peg_has >> 1, s->peg_ask);
    if (x->c.luld_unit) {
        h = mix(h, (uint64_t)s->bucket);
        for (uint32_t i = 0; i < BUCKETS; i++) {
            const sum *b = &x->sums[(size_t)sym * BUCKETS + i];
            h = mix(mix(h, (uint64_t)b->total), (uint64_t)b->count);
        }
    }
    const book_statistics_view *t = &s->tally;
    h = mix(mix(mix(h, (uint64_t)t->trades), (uint64_t)t->volume), (uint64_t)t->open_px);
    return mix(mix(mix(h, (uint64_t)t->high_px), (uint64_t)t->low_px), (uint64_t)t->last_px);
}

uint64_t book_state_hash(const book_exchange *x) {
    uint64_t h = mix(mix(0, x->trade_id), x->live);
    for (uint32_t i = 0; i < x->c.symbols; i++) {
        const symbol *s = &x->symbols[i];
        h = mix_symbol(x, h, i);
        for (int side = BUY; side <= SELL; side++) {
            uint32_t top = s->top[side];
            h = mix(mix(h, top != 0), top ? x->orders[top].id : 0);
            h = mix_tree(x, mix_tree(x, h, &s->book[side]), &s->stops[side]);
            h = mix_queue(x, h, s->market[side].head);
        }
        h = mix_list(x, mix_list(x, h, s->auction_only.head), s->pegs.head);
    }
    return h;
}
