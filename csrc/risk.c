/* Pre-trade risk: the check and the exposure of risk.h, pure and bounded; risk/model.py says the same in words.
 *
 * The block of memory is a head (sizes, offsets, the limits in force), then the state that is hashed: counters of every scope; one cell for
 * each (instrument; firm, venue, account or strategy), a symbol's cell being the firm's; what each order slot holds; the client order ids seen.
 *
 * Numbers are 64 bits wide, what becomes of them may need 128. Mostly 64 are enough, and are tried first; what does not fit goes the exact way.
 */

#include "risk.h"

#include <string.h>

#include "controls.h"
#include "look.h"
#include "recent.h"

_Static_assert(sizeof(gw_risk_delta) == 72, "a delta is journaled as it is");
_Static_assert(sizeof(gw_risk_in) == 88, "no hidden padding");
_Static_assert(sizeof(gw_breach) == 32, "no hidden padding");
_Static_assert(sizeof(gw_exposure) == 40 && sizeof(gw_risk_scope) == 40, "no hidden padding");

/* 128 bits for products; __extension__ because ISO C11 has none. */
__extension__ typedef __int128 wide;

#define BIGGEST INT64_MAX
#define NANO 1000000000
#define RATE_MAX 1000000000
#define LIMITS_MAGIC 0x31534D4C57475031u
#define EXP_MAX 18

#define VENUES_MAX 65536
#define ACCOUNTS_MAX 65536
#define STRATEGIES_MAX 65536
#define INSTRUMENTS_MAX 16777216
#define ORDERS_MAX 16777216
#define DUP_IDS_MAX 16777216

typedef struct limits_head {
    uint64_t magic;
    uint64_t version;
    uint64_t bytes;
    uint32_t venues;
    uint32_t accounts;
    uint32_t strategies;
    uint32_t instruments;
    uint64_t pad[3];
} limits_head;

typedef struct limit_row {
    int64_t value;
    int8_t exp;
    uint8_t set;
    uint8_t pad[6];
} limit_row;

/* What one order may still trade. */
typedef struct parts {
    int64_t open; /* acknowledged */
    int64_t pend; /* not yet acknowledged */
    int64_t incr; /* what unanswered replaces may add */
} parts;

/* And whose it is. All 0 where nothing is held. */
typedef struct reservation {
    parts has;
    uint32_t instrument;
    uint16_t venue;
    uint16_t account;
    uint16_t strategy;
    uint8_t side;
    uint8_t pad[5];
} reservation;

/* The hashed state begins with this. */
typedef struct state_head {
    uint64_t limits_version;
    uint64_t flags;
    uint64_t ids_used; /* hashed ids ever remembered */
} state_head;

/* The words of a cell, which is a gw_exposure. Where there are two for the sides, the side is added. */
enum { POSITION, OPEN, PEND = 3, WORDS = 5 };
_Static_assert(offsetof(gw_exposure, open_buy) == OPEN * 8 && offsetof(gw_exposure, open_sell) == (OPEN + GW_SELL) * 8, "an exposure is its words");
_Static_assert(offsetof(gw_exposure, pend_buy) == PEND * 8 && offsetof(gw_exposure, pend_sell) == (PEND + GW_SELL) * 8, "an exposure is its words");

struct gw_risk {
    gw_risk_sizes n;
    const uint8_t *limits; /* the caller's; not part of the state, its version is */
    uint32_t first[GW_SCOPES], count[GW_SCOPES]; /* of each kind: the number of its entity 0 among all scopes, and how many there are */
    uint32_t known[GW_SCOPES];                   /* and how many of these are known: all but 0 */
    size_t row;                                  /* words of an instrument's cells */
    size_t may_account, may_trade;               /* offsets in a limits table: what accounts and instruments a strategy may use */
    uint64_t *sets;                              /* of each scope, the limits it sets (limits_set); from the limits in force, no state */
    state_head *state;                           /* and all that follows is state */
    gw_risk_scope *scopes;
    int64_t *cells; /* by instrument, then by scope */
    reservation *orders;
    uint64_t *last_ids;
    uint64_t *ids; /* of hashed ids: recent.h */
    uint32_t *id_heads;
    uint32_t *id_before;
    uint8_t *end;
};

_Static_assert(sizeof(limits_head) == 64 && sizeof(limit_row) == 16 && sizeof(reservation) == 40, "fixed layouts");

/* ---- memory ---- */

static size_t scope_count(const gw_risk_sizes *n) {
    return (size_t)1 + n->venues + n->accounts + n->strategies + n->instruments;
}

static size_t up8(size_t size) { return (size + 7u) & ~(size_t)7u; }

static int sizes_ok(const gw_risk_sizes *n) {
    return n->venues >= 1 && n->venues <= VENUES_MAX && n->accounts >= 1 && n->accounts <= ACCOUNTS_MAX && n->strategies >= 1 &&
           n->strategies <= STRATEGIES_MAX && n->instruments >= 1 && n->instruments <= INSTRUMENTS_MAX && n->orders >= 1 &&
           n->orders <= ORDERS_MAX && n->dup_ids >= 1 && n->dup_ids <= DUP_IDS_MAX && (n->dup_ids & (n->dup_ids - 1)) == 0;
}

/* The parts of the block, one behind the other. Of a block that is not there yet only the size is said. */
static size_t lay_out(gw_risk *r, const gw_risk_sizes *n, uint8_t *block) {
    size_t at = sizeof(gw_risk);
    memset(r, 0, sizeof *r);
    r->n = *n;
    uint32_t count[GW_SCOPES] = {1, n->venues, n->accounts, n->strategies, n->instruments}, first = 0;
    for (int kind = 0; kind < GW_SCOPES; kind++) {
        r->first[kind] = first;
        r->count[kind] = count[kind];
        r->known[kind] = count[kind] - 1;
        first += count[kind];
    }
    r->row = (size_t)r->first[GW_SCOPE_SYMBOL] * WORDS;
    r->may_account = sizeof(limits_head) + (size_t)first * GW_LIMITED * sizeof(limit_row);
    r->may_trade = r->may_account + up8((size_t)n->strategies * n->accounts);
#define PART(name, count) (r->name = block ? (void *)(block + at) : NULL, at += (size_t)(count) * sizeof *r->name)
    PART(sets, first);
    PART(state, 1);
    PART(scopes, first);
    PART(cells, r->row * n->instruments);
    PART(orders, n->orders);
    PART(last_ids, n->strategies);
    PART(ids, n->dup_ids);
    at = (at + 63u) & ~(size_t)63u; /* a row of heads is one line, where the block begins with one */
    PART(id_heads, GW_RECENT_HEADS(n->dup_ids));
    PART(id_before, up8((size_t)n->dup_ids * sizeof *r->id_before) / sizeof *r->id_before);
    PART(end, 0);
#undef PART
    return at;
}

size_t gw_risk_size(const gw_risk_sizes *sizes) {
    gw_risk r;
    return sizes_ok(sizes) ? lay_out(&r, sizes, NULL) : 0;
}

gw_risk *gw_risk_init(void *mem, size_t len, const gw_risk_sizes *sizes) {
    size_t need = gw_risk_size(sizes);
    if (mem == NULL || need == 0 || len < need || (uintptr_t)mem % 8 != 0) return NULL;
    memset(mem, 0, need);
    gw_risk *r = mem;
    lay_out(r, sizes, mem);
    return r;
}

/* A scope's number among all of them: the firm, then venues, accounts, strategies, symbols. */
static size_t scope_index(const gw_risk *r, int kind, size_t entity) { return r->first[kind] + entity; }

/* The five scopes of an order, by their numbers (the firm's is 0), and its instrument. Entities beyond the tables are 0, so that everything can be booked. */
typedef struct covering {
    size_t venue, account, strategy, symbol;
    size_t instrument;
    int known;  /* 1: all are configured, none is 0 */
    int beyond; /* 1: an entity was beyond its table */
} covering;

static covering cover(const gw_risk *r, uint32_t venue, uint32_t account, uint32_t strategy, uint32_t instrument) {
    uint32_t entity[GW_SCOPES] = {0, venue, account, strategy, instrument};
    covering c = {.known = 1};
    for (int kind = GW_SCOPE_VENUE; kind < GW_SCOPES; kind++) {
        if (entity[kind] >= r->count[kind]) {
            c.beyond = 1;
            entity[kind] = 0;
        }
        if (entity[kind] == 0) c.known = 0;
    }
    c.venue = scope_index(r, GW_SCOPE_VENUE, entity[GW_SCOPE_VENUE]);
    c.account = scope_index(r, GW_SCOPE_ACCOUNT, entity[GW_SCOPE_ACCOUNT]);
    c.strategy = scope_index(r, GW_SCOPE_STRATEGY, entity[GW_SCOPE_STRATEGY]);
    c.symbol = scope_index(r, GW_SCOPE_SYMBOL, entity[GW_SCOPE_SYMBOL]);
    c.instrument = entity[GW_SCOPE_SYMBOL];
    return c;
}

/* The same where all are known, which is the rule: 1 and *c. Otherwise 0 and nothing. */
static inline int cover_known(const gw_risk *r, uint32_t venue, uint32_t account, uint32_t strategy, uint32_t instrument, covering *c) {
    const uint32_t *known = r->known; /* without the 0 that is below all */
    if (venue - 1u >= known[GW_SCOPE_VENUE] || account - 1u >= known[GW_SCOPE_ACCOUNT] || strategy - 1u >= known[GW_SCOPE_STRATEGY] || instrument - 1u >= known[GW_SCOPE_SYMBOL])
        return 0;
    c->venue = scope_index(r, GW_SCOPE_VENUE, venue);
    c->account = scope_index(r, GW_SCOPE_ACCOUNT, account);
    c->strategy = scope_index(r, GW_SCOPE_STRATEGY, strategy);
    c->symbol = scope_index(r, GW_SCOPE_SYMBOL, instrument);
    c->instrument = instrument;
    c->known = 1;
    c->beyond = 0;
    return 1;
}

/* The instrument's cells: one for each scope before the symbols, by the scope's number; a symbol's is the firm's, whose number is 0. */
static inline int64_t *cells_of(const gw_risk *r, const covering *c) { return r->cells + c->instrument * r->row; }

static const reservation *order_at(const gw_risk *r, uint32_t slot) {
    return slot < r->n.orders ? &r->orders[slot] : NULL;
}

static int64_t held(const reservation *o) { return o->has.open + o->has.pend + o->has.incr; }

/* ---- limits ---- */

static size_t grid_offset(const gw_risk_sizes *n) { return sizeof(limits_head) + scope_count(n) * GW_LIMITED * sizeof(limit_row); }

size_t gw_limits_size(const gw_risk_sizes *n) {
    if (!sizes_ok(n)) return 0;
    return grid_offset(n) + up8((size_t)n->strategies * n->accounts) + up8((size_t)n->strategies * n->instruments);
}

/* The kind of the scope with that number. */
static int kind_of(const gw_risk_sizes *n, size_t scope) {
    size_t count[GW_SCOPES] = {1, n->venues, n->accounts, n->strategies, n->instruments};
    int kind = 0;
    for (; kind + 1 < GW_SCOPES && scope >= count[kind]; kind++) scope -= count[kind];
    return kind;
}

int gw_limits_ok(const void *table, size_t len, const gw_risk_sizes *n) {
    size_t need = gw_limits_size(n);
    limits_head h;
    if (table == NULL || need == 0 || len != need || (uintptr_t)table % 8 != 0) return 0;
    memcpy(&h, table, sizeof h);
    if (h.magic != LIMITS_MAGIC || h.version == 0 || h.bytes != need || h.venues != n->venues || h.accounts != n->accounts ||
        h.strategies != n->strategies || h.instruments != n->instruments)
        return 0;
    const limit_row *row = (const limit_row *)((const uint8_t *)table + sizeof h);
    for (size_t scope = 0; scope < scope_count(n); scope++)
        for (int control = 0; control < GW_LIMITED; control++, row++) {
            if (!row->set && row->value == 0 && row->exp == 0) continue;
            if (!(gw_control_rows[control].scopes & 1u << kind_of(n, scope))) return 0;
            int most = gw_control_rows[control].decimal ? EXP_MAX : 0;
            if (row->set != 1 || row->value < 0 || row->value == BIGGEST || row->exp < -most || row->exp > most) return 0;
            if (control == GW_CONTROL_RATE_PER_S && row->value > RATE_MAX) return 0;
        }
    return 1;
}

static const limit_row *rows_at(const gw_risk *r, size_t scope) {
    return (const limit_row *)(r->limits + sizeof(limits_head)) + scope * GW_LIMITED;
}

int gw_risk_swap_limits(gw_risk *r, const void *table, size_t len) {
    if (!gw_limits_ok(table, len, &r->n)) return 0;
    r->limits = table;
    for (size_t scope = 0; scope < scope_count(&r->n); scope++) {
        int kind = kind_of(&r->n, scope);
        r->sets[scope] = 0;
        if (kind != GW_SCOPE_FIRM && scope == r->first[kind]) continue; /* an unknown entity sets none */
        for (int control = 0; control < GW_LIMITED; control++) r->sets[scope] |= (uint64_t)rows_at(r, scope)[control].set << (8 * control + kind);
    }
    r->state->limits_version = ((const limits_head *)table)->version;
    return 1;
}

GW_LOOK uint64_t gw_risk_limits_version(const gw_risk *r) { return r->state->limits_version; }

static inline int allowed(const gw_risk *r, uint32_t strategy, int kind, uint32_t column) {
    if (r->limits == NULL) return 0;
    size_t row = kind == GW_SCOPE_ACCOUNT ? r->may_account + (size_t)strategy * r->n.accounts : r->may_trade + (size_t)strategy * r->n.instruments;
    return r->limits[row + column] == 1;
}

/* ---- exact numbers ---- */

static const wide WIDE_MAX = (wide)(~(unsigned __int128)0 >> 1);

static wide wide_abs(int64_t v) { return v < 0 ? -(wide)v : (wide)v; }
static wide wide_max(wide a, wide b) { return a > b ? a : b; }
static int64_t clamp(wide v) { return v > BIGGEST ? BIGGEST : v < -(wide)BIGGEST ? -BIGGEST : (int64_t)v; }

/* Quotient rounded up; d > 0. */
static wide ceil_div(wide v, wide d) { return v / d + (v % d > 0); }

static const int64_t ten[EXP_MAX + 1] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000, 10000000000, 100000000000,
                                         1000000000000, 10000000000000, 100000000000000, 1000000000000000, 10000000000000000, 100000000000000000,
                                         1000000000000000000};

/* v × 10^exp rounded up, held inside ±WIDE_MAX. At most 25 rounds of 18 digits. */
static wide scale_up(wide v, int exp) {
    while (exp < 0 && v != 0) {
        int step = -exp < EXP_MAX ? -exp : EXP_MAX;
        v = ceil_div(v, ten[step]);
        exp += step;
        if (v == 1) return v;
    }
    while (exp > 0 && v != 0) {
        int step = exp < EXP_MAX ? exp : EXP_MAX;
        wide more;
        if (__builtin_mul_overflow(v, (wide)ten[step], &more)) return v < 0 ? -WIDE_MAX : WIDE_MAX;
        v = more;
        exp -= step;
    }
    return v;
}

/* ---- check ---- */

/* Which limits are set: a byte for each control, in it a bit for each kind of scope. A scope's word has bits of its own kind only, so the words of an
 * order's scopes or'ed say what covers it. An unknown entity sets none, and without a table nobody does. */
_Static_assert(GW_LIMITED < 8 && GW_SCOPES <= 8, "a byte of a word each");
static inline unsigned limits_set(uint64_t sets, int control) { return (unsigned)(sets >> (8 * control)) & 0xFFu; }
#define BIT(control) ((uint64_t)1 << (8 * (control))) /* of the kind 0 */
static inline uint64_t only(int control) { return (uint64_t)0xFF << (8 * control); }
#define ALL_LIMITED (((uint64_t)1 << (8 * GW_LIMITED)) - 1)
/* The kinds of scope that set any of these. */
static inline unsigned scopes_in(uint64_t sets) {
    sets |= sets >> 32;
    sets |= sets >> 16;
    return (unsigned)(sets | sets >> 8) & 0xFFu;
}
/* 1 if one of these bytes has no bit. */
static inline int has_empty(uint64_t sets, uint64_t bytes) {
    uint64_t x = sets | ~bytes;
    return ((x - 0x0101010101010101u) & ~x & 0x8080808080808080u) != 0;
}
static inline uint64_t sets_of(const gw_risk *r, const covering *c) {
    return r->sets[0] | r->sets[c->venue] | r->sets[c->account] | r->sets[c->strategy] | r->sets[c->symbol];
}

/* One check under way: who is covered, by what, and what was found. */
typedef struct found {
    const gw_risk *r;
    size_t index[GW_SCOPES]; /* the five scopes, by kind */
    const int64_t *cells;    /* of the instrument */
    uint64_t sets;
    int known;
    int count;
    gw_breach all[GW_RISK_BREACH_MAX];
} found;

static inline const limit_row *limit_at(const found *f, int kind, int control) { return &rows_at(f->r, f->index[kind])[control]; }
static inline uint32_t entity_of(const found *f, int kind) { return (uint32_t)f->index[kind] - f->r->first[kind]; }
static inline int is_known(const found *f, int kind) { return f->known || kind == GW_SCOPE_FIRM || entity_of(f, kind) > 0; }

static __attribute__((noinline, cold)) void add_breach(found *f, int control, int scope, uint32_t entity, int why, int exp, wide value, int64_t limit, wide headroom) {
    if (f->count == GW_RISK_BREACH_MAX) return;
    gw_breach *b = &f->all[f->count++];
    memset(b, 0, sizeof *b);
    b->control = (uint8_t)control;
    b->scope = (uint8_t)scope;
    b->why = (uint8_t)why;
    b->exp = (int8_t)exp;
    b->entity = entity;
    b->value = clamp(value);
    b->limit = limit;
    b->headroom = clamp(headroom);
}

static void add_plain(found *f, int control, int scope, uint32_t entity, int why) { add_breach(f, control, scope, entity, why, 0, 0, 0, 0); }

static __attribute__((noinline, cold)) void compare_exactly(found *f, int control, int kind, wide used, wide adds, int exp) {
    const limit_row *limit = limit_at(f, kind, control);
    int finer = limit->exp - exp; /* mostly the value has the more decimals: then the limit is multiplied, which spares a division */
    if (finer >= 0 && finer <= EXP_MAX && used + adds <= (wide)limit->value * ten[finer]) return;
    wide value = scale_up(used + adds, -finer);
    if (value > limit->value)
        add_breach(f, control, kind, entity_of(f, kind), GW_BREACH_OVER, limit->exp, value, limit->value,
                   limit->value - wide_max(scale_up(used, -finer), -WIDE_MAX / 2));
}

/* The one comparison: used + adds (× 10^exp) > limit is a breach at a scope that sets one. */
static inline void compare_at(found *f, const limit_row *limits, int control, int kind, int64_t used, int64_t adds, int exp) {
    const limit_row *limit = &limits[control];
    unsigned finer = (unsigned)(limit->exp - exp);
    int64_t value, most;
    if (finer <= EXP_MAX && !__builtin_add_overflow(used, adds, &value))
        if (!__builtin_mul_overflow(limit->value, ten[finer], &most))
            if (value <= most) return;
    compare_exactly(f, control, kind, used, adds, exp);
}

static inline int next_kind(unsigned *scopes) {
    int kind = __builtin_ctz(*scopes);
    *scopes &= *scopes - 1;
    return kind;
}

static inline int priced(const gw_risk_in *in) { return (in->ord_type == '2' || in->ord_type == '4') && (in->has & GW_RISK_HAS_PX); }

static inline void check_permission(const gw_risk *r, const gw_risk_in *in, found *f) {
    const uint32_t named[GW_SCOPES] = {0, in->venue, in->account, in->strategy, in->instrument};
    if ((in->kind != 'D' && in->kind != 'G') || (in->side != GW_BUY && in->side != GW_SELL))
        add_plain(f, GW_CONTROL_PERMISSION, GW_SCOPE_FIRM, 0, GW_BREACH_INVALID);
    for (int kind = GW_SCOPE_VENUE; kind <= GW_SCOPE_SYMBOL && !f->known; kind++)
        if (!is_known(f, kind)) add_plain(f, GW_CONTROL_PERMISSION, kind, named[kind], GW_BREACH_UNKNOWN);
    if (!is_known(f, GW_SCOPE_STRATEGY)) return;
    if (is_known(f, GW_SCOPE_ACCOUNT) && !allowed(r, in->strategy, GW_SCOPE_ACCOUNT, in->account))
        add_plain(f, GW_CONTROL_PERMISSION, GW_SCOPE_ACCOUNT, in->account, GW_BREACH_DENIED);
    if (is_known(f, GW_SCOPE_SYMBOL) && !allowed(r, in->strategy, GW_SCOPE_SYMBOL, in->instrument))
        add_plain(f, GW_CONTROL_PERMISSION, GW_SCOPE_SYMBOL, in->instrument, GW_BREACH_DENIED);
}

static inline gw_recent recent_ids(const gw_risk *r) { return (gw_recent){r->ids, r->id_before, r->id_heads, &r->state->ids_used, r->n.dup_ids}; }

/* 0 is no id: it counts as used from the beginning. */
static inline int is_used(const gw_risk *r, uint64_t id) {
    const gw_recent ids = recent_ids(r);
    return id == 0 || gw_recent_find(&ids, id) != GW_RECENT_NONE;
}

static inline void check_duplicate(const gw_risk *r, const gw_risk_in *in, found *f) {
    int used = in->id_kind == GW_RISK_ID_RISING ? in->id <= r->last_ids[entity_of(f, GW_SCOPE_STRATEGY)] : is_used(r, in->id);
    if (used) add_plain(f, GW_CONTROL_DUPLICATE_ID, GW_SCOPE_FIRM, 0, GW_BREACH_REPEATED);
}

/* The tightest collar that covers the order, in bps; 0 if none is set. */
static int64_t tightest_collar(const found *f) {
    int64_t tightest = -1;
    for (unsigned scopes = limits_set(f->sets, GW_CONTROL_COLLAR_BPS); scopes;) {
        int64_t collar = limit_at(f, next_kind(&scopes), GW_CONTROL_COLLAR_BPS)->value;
        if (tightest < 0 || collar < tightest) tightest = collar;
    }
    return tightest < 0 ? 0 : tightest;
}

static uint64_t magnitude(int64_t v) { return v < 0 ? 0 - (uint64_t)v : (uint64_t)v; }

/* The worst price of an order that has none of its own: what the market asks now, or at the stop, and as much worse as the tightest collar lets anyone go. */
static wide worst_at_reference(const gw_risk_in *in, const found *f) {
    uint64_t bound = magnitude(in->ref_px), shares;
    if (in->has & GW_RISK_HAS_STOP_PX && magnitude(in->stop_px) > bound) bound = magnitude(in->stop_px);
    if (!__builtin_mul_overflow(bound, (uint64_t)tightest_collar(f) + 10000, &shares)) return shares / 10000 + (shares % 10000 > 0);
    return ceil_div((wide)bound * ((wide)10000 + tightest_collar(f)), 10000); /* below 2^127: both are at most 2^63 and a little */
}

/* A buy's limit is the worst it can pay; a sell, and anything at a negative price, may trade at the reference price too. */
static inline uint64_t worst_at_limit(const gw_risk_in *in) {
    uint64_t own = magnitude(in->px), ref = in->has & GW_RISK_HAS_REF_PX ? magnitude(in->ref_px) : 0;
    return (in->side == GW_BUY && in->px >= 0) || own > ref ? own : ref;
}

/* What an order asks of the limits. */
typedef struct asked {
    uint64_t controls; /* those that it is judged by, a byte each */
    uint64_t limits;   /* and the limits to compare with, as in limits_set */
    int64_t notional;  /* what it adds */
    int64_t position;
    int notional_exp;
} asked;

/* A notional beyond 64 bits. */
static __attribute__((noinline, cold)) void compare_big_notional(const gw_risk_in *in, found *f, wide worst, int exp) {
    wide mantissa;
    int big = __builtin_mul_overflow(worst, (wide)in->qty, &mantissa) || __builtin_mul_overflow(mantissa, (wide)in->multiplier, &mantissa);
    for (unsigned scopes = limits_set(f->sets, GW_CONTROL_NOTIONAL); scopes;) {
        int kind = next_kind(&scopes);
        const limit_row *limit = limit_at(f, kind, GW_CONTROL_NOTIONAL);
        if (!big) compare_exactly(f, GW_CONTROL_NOTIONAL, kind, 0, mantissa, exp);
        else add_breach(f, GW_CONTROL_NOTIONAL, kind, entity_of(f, kind), GW_BREACH_OVER, limit->exp, BIGGEST, limit->value, limit->value); /* beyond every limit */
    }
}

/* How much the order may cost. Where that is no number of 64 bits, all has been said here. */
static inline void ask_notional(const gw_risk_in *in, found *f, asked *a) {
    wide worst;
    a->notional_exp = in->px_exp + in->qty_exp + in->mult_exp;
    if (in->multiplier <= 0) {
        a->controls &= ~only(GW_CONTROL_NOTIONAL);
        add_plain(f, GW_CONTROL_NOTIONAL, GW_SCOPE_FIRM, 0, GW_BREACH_INVALID);
        return;
    }
    if (limits_set(f->sets, GW_CONTROL_NOTIONAL) == 0) return;
    if (priced(in)) {
        worst = worst_at_limit(in);
    } else if (in->has & GW_RISK_HAS_REF_PX) {
        worst = worst_at_reference(in, f);
    } else {
        a->limits &= ~only(GW_CONTROL_NOTIONAL);
        add_plain(f, GW_CONTROL_NOTIONAL, GW_SCOPE_SYMBOL, entity_of(f, GW_SCOPE_SYMBOL), GW_BREACH_NO_REF);
        return;
    }
    if (worst <= BIGGEST && !__builtin_mul_overflow((int64_t)worst, in->qty, &a->notional) && !__builtin_mul_overflow(a->notional, in->multiplier, &a->notional)) return;
    a->limits &= ~only(GW_CONTROL_NOTIONAL);
    compare_big_notional(in, f, worst, a->notional_exp);
}

static __attribute__((noinline, cold)) void compare_far_price(const gw_risk_in *in, found *f) {
    wide beyond = in->side == GW_BUY ? (wide)in->px - in->ref_px : (wide)in->ref_px - in->px;
    wide bps = in->ref_px == 0 ? (wide)BIGGEST : ceil_div(beyond * 10000, wide_abs(in->ref_px));
    for (unsigned scopes = limits_set(f->sets, GW_CONTROL_COLLAR_BPS); scopes;) compare_exactly(f, GW_CONTROL_COLLAR_BPS, next_kind(&scopes), 0, bps, 0);
}

static inline void check_collar(const gw_risk_in *in, found *f) {
    int64_t beyond, shares, most;
    if (limits_set(f->sets, GW_CONTROL_COLLAR_BPS) == 0) return;
    if (!(in->has & GW_RISK_HAS_REF_PX)) {
        add_plain(f, GW_CONTROL_COLLAR_BPS, GW_SCOPE_SYMBOL, entity_of(f, GW_SCOPE_SYMBOL), GW_BREACH_NO_REF);
        return;
    }
    if (!priced(in)) return; /* it has no price of its own; its notional is judged at the reference */
    if (in->side == GW_BUY ? in->px <= in->ref_px : in->px >= in->ref_px) return;
    /* No division where it is within the tightest collar, which says how many ten-thousandths of the reference price are allowed. */
    int small = in->ref_px > 0 && !(in->side == GW_BUY ? __builtin_sub_overflow(in->px, in->ref_px, &beyond) : __builtin_sub_overflow(in->ref_px, in->px, &beyond));
    if (small && !__builtin_mul_overflow(beyond, 10000, &shares) && !__builtin_mul_overflow(tightest_collar(f), in->ref_px, &most) && shares <= most) return;
    compare_far_price(in, f);
}

/* Worst case: all that is open trades, and nothing on the other side does. */
static inline void compare_position(found *f, const limit_row *limits, const int64_t *cell, const gw_risk_in *in, int kind, int64_t adds) {
    const int side = in->side == GW_BUY ? GW_BUY : GW_SELL;
    int64_t position = cell[POSITION], open = cell[OPEN + side], pend = cell[PEND + side], used;
    if (!__builtin_add_overflow(open, pend, &used) && !(side == GW_BUY ? __builtin_add_overflow(used, position, &used) : __builtin_sub_overflow(used, position, &used)))
        compare_at(f, limits, GW_CONTROL_POSITION, kind, used, adds, in->qty_exp);
    else
        compare_exactly(f, GW_CONTROL_POSITION, kind, (side == GW_BUY ? (wide)position : -(wide)position) + open + pend, adds, in->qty_exp);
}

/* The bucket's debt at now_ns, in 1e-9 messages. It is never below 0, nor is a rate. */
static inline int64_t drained(const gw_risk_scope *s, int64_t rate, uint64_t now_ns) {
    uint64_t elapsed = now_ns > s->bucket_ns ? now_ns - s->bucket_ns : 0, debt = (uint64_t)s->bucket_nano, gone;
    return __builtin_mul_overflow(elapsed, (uint64_t)rate, &gone) || gone >= debt ? 0 : (int64_t)(debt - gone);
}

/* What one scope has to say to an order. */
static inline void compare_scope(found *f, const gw_risk *r, const gw_risk_in *in, const asked *a, uint64_t asked_limits, int kind) {
    const size_t index = f->index[kind];
    const uint64_t set = asked_limits >> kind;
    const limit_row *limits = rows_at(r, index);
    const gw_risk_scope *s = &r->scopes[index];
    const int64_t *cell = f->cells + (kind == GW_SCOPE_SYMBOL ? 0 : index * WORDS);
    if (set & BIT(GW_CONTROL_ORDER_QTY)) compare_at(f, limits, GW_CONTROL_ORDER_QTY, kind, 0, in->qty, in->qty_exp);
    if (set & BIT(GW_CONTROL_NOTIONAL)) compare_at(f, limits, GW_CONTROL_NOTIONAL, kind, 0, a->notional, a->notional_exp);
    if (set & BIT(GW_CONTROL_POSITION)) compare_position(f, limits, cell, in, kind, a->position);
    if (set & BIT(GW_CONTROL_OPEN_ORDERS)) compare_at(f, limits, GW_CONTROL_OPEN_ORDERS, kind, s->open_orders, 1, 0);
    if (set & BIT(GW_CONTROL_RATE_PER_S))
        compare_at(f, limits, GW_CONTROL_RATE_PER_S, kind, drained(s, limits[GW_CONTROL_RATE_PER_S].value, in->now_ns), NANO, -9);
}

void gw_risk_ahead(const gw_risk *r, uint64_t id, uint32_t slot) {
    const gw_recent ids = recent_ids(r);
    gw_recent_ahead(&ids, id);
    if (slot < r->n.orders) __builtin_prefetch(&r->orders[slot], 1);
}

/* Mandatory controls that are asked for and that nobody limits. */
static __attribute__((noinline, cold)) void add_unset(found *f, uint64_t controls) {
    for (int control = 0; control < GW_LIMITED; control++)
        if (gw_control_rows[control].mandatory && (controls & only(control)) != 0 && limits_set(f->sets, control) == 0) add_plain(f, control, GW_SCOPE_FIRM, 0, GW_BREACH_UNSET);
}

/* Breaches are found scope by scope, and told control by control: what has no limit first, as found, then each control's by scope. */
static int rank(const gw_breach *b) { return b->control >= GW_LIMITED ? -1 : b->control * GW_SCOPES + b->scope; }
static __attribute__((noinline, cold)) void tell(found *f, gw_breach *out, int max) {
    for (int i = 1; i < f->count; i++) {
        gw_breach b = f->all[i];
        int at = i;
        for (; at > 0 && rank(&f->all[at - 1]) > rank(&b); at--) f->all[at] = f->all[at - 1];
        f->all[at] = b;
    }
    if (max > 0) memcpy(out, f->all, (size_t)(f->count < max ? f->count : max) * sizeof *out);
}

int gw_risk_check(const gw_risk *r, const gw_risk_in *in, gw_breach *out, int max) {
    found f;
    covering c;
    if (!cover_known(r, in->venue, in->account, in->strategy, in->instrument, &c)) c = cover(r, in->venue, in->account, in->strategy, in->instrument);
    f.r = r;
    f.index[GW_SCOPE_FIRM] = 0;
    f.index[GW_SCOPE_VENUE] = c.venue;
    f.index[GW_SCOPE_ACCOUNT] = c.account;
    f.index[GW_SCOPE_STRATEGY] = c.strategy;
    f.index[GW_SCOPE_SYMBOL] = c.symbol;
    f.cells = cells_of(r, &c);
    f.sets = sets_of(r, &c);
    f.known = c.known;
    f.count = 0;
    check_permission(r, in, &f);
    check_duplicate(r, in, &f);
    asked a = {.controls = ALL_LIMITED, .limits = f.sets & ~only(GW_CONTROL_COLLAR_BPS), .position = in->qty};
    if (in->kind == 'G') { /* the order that is replaced is counted already, and holds what it holds */
        wide adds = (wide)in->qty - in->cum - gw_risk_held(r, in->slot);
        a.position = adds > 0 ? (int64_t)adds : 0;
        a.controls &= ~only(GW_CONTROL_OPEN_ORDERS) & ~(adds > 0 ? 0 : only(GW_CONTROL_POSITION));
    }
    if (in->qty > 0 && (in->kind != 'G' || in->cum >= 0)) {
        ask_notional(in, &f, &a);
    } else {
        a.controls &= ~(only(GW_CONTROL_ORDER_QTY) | only(GW_CONTROL_NOTIONAL) | only(GW_CONTROL_POSITION));
        add_plain(&f, GW_CONTROL_ORDER_QTY, GW_SCOPE_FIRM, 0, GW_BREACH_INVALID);
    }
    check_collar(in, &f);
    a.limits &= a.controls;
    for (unsigned scopes = scopes_in(a.limits); scopes;) compare_scope(&f, r, in, &a, a.limits, next_kind(&scopes));
    if (has_empty(f.sets, a.controls)) add_unset(&f, a.controls);
    if (f.count > 0) tell(&f, out, max);
    return f.count;
}

/* ---- apply ---- */

static int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max64(int64_t a, int64_t b) { return a > b ? a : b; }

/* How far a sum moves, held inside ±BIGGEST. INT64_MIN does not exist: below 0 it is tried as if it were one less, which spares a comparison. */
typedef struct step {
    int64_t by, tried, back;
} step;
static inline step step_of(int64_t by) { return (step){by, by - (by < 0), by < 0}; }
static __attribute__((noinline, cold)) int saturate(int64_t *sum, int64_t by) {
    *sum = by < 0 ? -BIGGEST : BIGGEST;
    return GW_RISK_SATURATED;
}
static inline int add_to(int64_t *sum, step s) {
    int64_t total;
    if (__builtin_expect(__builtin_add_overflow(*sum, s.tried, &total), 0)) return saturate(sum, s.by);
    *sum = total + s.back;
    return 0;
}

/* An event, and the slot, strategy and scopes that it means. */
typedef struct event {
    const gw_risk_delta *d;
    covering c;
    uint32_t slot;
    uint16_t strategy;
} event;

/* Move one word of the four cells that the scopes have in the instrument; says what saturated. */
static inline int move_cells(gw_risk *r, const covering *c, int word, int64_t by) {
    int64_t *cells = cells_of(r, c) + word;
    const step s = step_of(by);
    return add_to(cells, s) | add_to(cells + c->venue * WORDS, s) | add_to(cells + c->account * WORDS, s) | add_to(cells + c->strategy * WORDS, s);
}

/* And the number of orders that hold anything. */
static inline void move_orders(gw_risk *r, const covering *c, int by) {
    r->scopes[0].open_orders += by;
    r->scopes[c->venue].open_orders += by;
    r->scopes[c->account].open_orders += by;
    r->scopes[c->strategy].open_orders += by;
    r->scopes[c->symbol].open_orders += by;
}

/* Both: how far the parts of an order move, pend and incr together. */
static inline int move_held(gw_risk *r, const covering *c, int side, int64_t open, int64_t pend, int orders) {
    int said = 0;
    if (orders != 0) move_orders(r, c, orders);
    if (open != 0) said |= move_cells(r, c, OPEN + side, open);
    if (pend != 0) said |= move_cells(r, c, PEND + side, pend);
    return said;
}

static __attribute__((noinline, cold)) int move_elsewhere(gw_risk *r, const reservation *o, int64_t open, int64_t pend, int orders) {
    const covering c = cover(r, o->venue, o->account, o->strategy, o->instrument);
    return move_held(r, &c, o->side, open, pend, orders);
}

static inline int move_position(gw_risk *r, const event *ev, int64_t qty) { return move_cells(r, &ev->c, POSITION, ev->d->side == GW_BUY ? qty : -qty); }

/* Whose an order is, but for its strategy: instrument, venue and account in one word. */
static inline uint64_t whose(const uint32_t *instrument) {
    uint64_t word;
    memcpy(&word, instrument, 8);
    return word;
}
#define IN_A_ROW(type) (offsetof(type, venue) == offsetof(type, instrument) + 4 && offsetof(type, account) == offsetof(type, instrument) + 6)
_Static_assert(IN_A_ROW(gw_risk_delta) && IN_A_ROW(reservation), "compared and copied as one word");

static inline void begin(const event *ev, reservation *o) {
    memcpy(&o->instrument, &ev->d->instrument, 8);
    o->strategy = ev->strategy;
    o->side = ev->d->side;
}

/* Make the order's reservation `to`, and move the cells of its scopes by the difference. */
static inline int hold(gw_risk *r, const event *ev, reservation *o, parts to) {
    const gw_risk_delta *d = ev->d;
    /* No parts of one order are below 0 or add up to more than 64 bits hold, so neither do their differences. */
    int before = held(o) > 0, now = to.open + to.pend + to.incr > 0, said;
    int64_t open = to.open - o->has.open, pend = to.pend + to.incr - (o->has.pend + o->has.incr);
    if (!before) begin(ev, o); /* or again: whose it is comes with the event */
    if (whose(&o->instrument) == whose(&d->instrument) && o->strategy == ev->strategy) said = move_held(r, &ev->c, o->side, open, pend, now - before);
    else said = move_elsewhere(r, o, open, pend, now - before);
    if (now) o->has = to;
    else memset(o, 0, sizeof *o);
    return said;
}

static inline int fill(gw_risk *r, const event *ev, reservation *o) {
    int64_t left = ev->d->qty;
    int said = move_position(r, ev, left);
    if (ev->slot == GW_RISK_NO_SLOT) return said;
    parts to = o->has;
    int64_t open = min64(to.open, left), pend = min64(to.pend, left - open), incr = min64(to.incr, left - open - pend);
    to.open -= open;
    to.pend -= pend;
    to.incr -= incr;
    said |= hold(r, ev, o, to);
    return left > open + pend + incr ? said | GW_RISK_OVERFILL : said;
}

/* A message of a scope: its bucket, where it has one, fills; its time goes on. */
static inline void count_message_at(gw_risk *r, size_t index, unsigned limited, uint64_t now_ns) {
    gw_risk_scope *s = &r->scopes[index];
    int64_t debt = 0;
    if (limited) {
        debt = drained(s, rows_at(r, index)[GW_CONTROL_RATE_PER_S].value, now_ns);
        debt = debt > BIGGEST - NANO ? BIGGEST : debt + NANO;
    }
    s->bucket_nano = debt;
    if (now_ns > s->bucket_ns) s->bucket_ns = now_ns;
    s->messages++;
}

static inline void count_message(gw_risk *r, const event *ev) {
    const covering *c = &ev->c;
    const uint64_t now_ns = ev->d->now_ns;
    const unsigned limited = limits_set(sets_of(r, c), GW_CONTROL_RATE_PER_S);
    count_message_at(r, 0, limited & 1u << GW_SCOPE_FIRM, now_ns);
    count_message_at(r, c->venue, limited & 1u << GW_SCOPE_VENUE, now_ns);
    count_message_at(r, c->account, limited & 1u << GW_SCOPE_ACCOUNT, now_ns);
    count_message_at(r, c->strategy, limited & 1u << GW_SCOPE_STRATEGY, now_ns);
    count_message_at(r, c->symbol, limited & 1u << GW_SCOPE_SYMBOL, now_ns);
}

static void count_cancel(gw_risk *r, const covering *c) {
    const size_t index[GW_SCOPES] = {0, c->venue, c->account, c->strategy, c->symbol};
    for (int kind = 0; kind < GW_SCOPES; kind++) r->scopes[index[kind]].cancels++;
}

static inline void use_id(gw_risk *r, const gw_risk_delta *d) {
    if (d->id_kind == GW_RISK_ID_RISING) {
        uint64_t *last = &r->last_ids[d->strategy < r->n.strategies ? d->strategy : 0];
        if (d->id > *last) *last = d->id;
        return;
    }
    const gw_recent ids = recent_ids(r);
    if (!is_used(r, d->id)) gw_recent_add(&ids, d->id);
}

static inline __attribute__((always_inline)) int reserve(gw_risk *r, const event *ev, reservation *o) {
    const int64_t qty = ev->d->qty;
    int said = (held(o) > 0 ? GW_RISK_SLOT_TAKEN : 0) | (ev->slot == GW_RISK_NO_SLOT ? GW_RISK_BAD_INDEX : 0); /* what the old order held stays in the cells */
    use_id(r, ev->d);
    count_message(r, ev);
    if (qty == 0) {
        memset(o, 0, sizeof *o);
        return said;
    }
    o->has = (parts){0, qty, 0};
    begin(ev, o);
    return said | move_held(r, &ev->c, ev->d->side, 0, qty, 1);
}

/* The other events of an order's life. */
static inline int book(gw_risk *r, const event *ev, reservation *o) {
    const gw_risk_delta *d = ev->d;
    const parts has = o->has;
    int64_t leaves = max64(0, d->leaves), pend_leaves = max64(0, d->pend_leaves), live = has.open + has.pend;
    parts to;
    switch (d->kind) {
    case GW_RISK_RELEASE:
    case GW_RISK_REJECT:
    case GW_RISK_CANCEL_ACK: to = (parts){0, 0, 0}; break;
    case GW_RISK_ACK: to = (parts){live, 0, has.incr}; break;
    case GW_RISK_CANCEL_SENT: count_cancel(r, &ev->c); return 0;
    case GW_RISK_CANCEL_REJECT: return 0;
    case GW_RISK_REPLACE_RESERVE: /* old or new may trade, never both in full */
        use_id(r, d);
        count_message(r, ev);
        to = (parts){has.open, has.pend, max64(has.incr, leaves - live)};
        break;
    case GW_RISK_REPLACE_ACK:
    case GW_RISK_RESTATED: to = (parts){leaves, 0, max64(0, pend_leaves - leaves)}; break;
    case GW_RISK_REPLACE_REJECT: to = (parts){has.open, has.pend, max64(0, pend_leaves - live)}; break;
    case GW_RISK_BUST: return move_position(r, ev, -d->qty);
    case GW_RISK_CORRECT: {
        int said = move_position(r, ev, -d->old_qty);
        return said | move_position(r, ev, d->qty);
    }
    case GW_RISK_EXTERNAL_ORDER: to = (parts){leaves, 0, 0}; break;
    case GW_RISK_ID_SEEN: use_id(r, d); return 0;
    default: return GW_RISK_BAD_EVENT;
    }
    return ev->slot != GW_RISK_NO_SLOT || d->kind == GW_RISK_EXTERNAL_ORDER ? hold(r, ev, o, to) : 0; /* no slot, nothing held */
}

static inline int is_event(const gw_risk_delta *d) {
    return d->kind >= GW_RISK_RESERVE && d->kind <= GW_RISK_ID_SEEN && (d->qty | d->old_qty) >= 0 && (d->side == GW_BUY || d->side == GW_SELL);
}

static inline int keep(gw_risk *r, int said) {
    r->state->flags |= (uint64_t)said;
    return said;
}

static __attribute__((noinline)) int apply_any(gw_risk *r, const gw_risk_delta *d) {
    int external = d->kind == GW_RISK_EXTERNAL_ORDER || d->kind == GW_RISK_EXTERNAL_FILL, said = 0;
    if (!is_event(d)) return keep(r, GW_RISK_BAD_EVENT);
    event ev = {.d = d, .slot = d->slot, .strategy = external ? 0 : d->strategy};
    reservation none = {0}, *o = &none; /* what an event without a slot moves: nothing that is kept */
    if (ev.slot != GW_RISK_NO_SLOT && ev.slot >= r->n.orders) {
        ev.slot = GW_RISK_NO_SLOT;
        said = GW_RISK_BAD_INDEX;
    }
    ev.c = cover(r, d->venue, d->account, ev.strategy, d->instrument);
    if (ev.c.beyond) said = GW_RISK_BAD_INDEX;
    if (ev.slot != GW_RISK_NO_SLOT) o = &r->orders[ev.slot];
    if (d->kind == GW_RISK_RESERVE) said |= reserve(r, &ev, o);
    else if (d->kind == GW_RISK_FILL || d->kind == GW_RISK_EXTERNAL_FILL) said |= fill(r, &ev, o);
    else said |= book(r, &ev, o);
    return keep(r, said);
}

/* The two events that every order has, where nothing is strange about them, go a way of their own: the same, with less to look at. */
static inline int is_usual(const gw_risk *r, const gw_risk_delta *d, event *ev) {
    ev->d = d;
    ev->slot = d->slot;
    ev->strategy = d->strategy;
    return d->slot < r->n.orders && (d->qty | d->old_qty) >= 0 && (d->side == GW_BUY || d->side == GW_SELL) &&
           cover_known(r, d->venue, d->account, d->strategy, d->instrument, &ev->c);
}
static __attribute__((noinline)) int apply_reserve(gw_risk *r, const gw_risk_delta *d) {
    event ev;
    return is_usual(r, d, &ev) ? keep(r, reserve(r, &ev, &r->orders[ev.slot])) : apply_any(r, d);
}
static __attribute__((noinline)) int apply_fill(gw_risk *r, const gw_risk_delta *d) {
    event ev;
    return is_usual(r, d, &ev) ? keep(r, fill(r, &ev, &r->orders[ev.slot])) : apply_any(r, d);
}

int gw_risk_apply(gw_risk *r, const gw_risk_delta *delta) {
    switch (delta->kind) {
    case GW_RISK_RESERVE: return apply_reserve(r, delta);
    case GW_RISK_FILL: return apply_fill(r, delta);
    default: return apply_any(r, delta);
    }
}

/* ---- what others read ---- */

GW_LOOK int gw_risk_exposure(const gw_risk *r, int scope, uint32_t entity, uint32_t instrument, gw_exposure *out) {
    uint32_t count[GW_SCOPES] = {1, r->n.venues, r->n.accounts, r->n.strategies, r->n.instruments};
    if (scope < 0 || scope >= GW_SCOPES || entity >= count[scope] || instrument >= r->n.instruments) return 0;
    if (scope == GW_SCOPE_SYMBOL && entity != instrument) return 0;
    size_t cell = scope == GW_SCOPE_SYMBOL ? 0 : scope_index(r, scope, entity);
    gw_look_copy(out, &r->cells[instrument * r->row + cell * WORDS], sizeof *out);
    return 1;
}

int gw_risk_counters(const gw_risk *r, int scope, uint32_t entity, gw_risk_scope *out) {
    uint32_t count[GW_SCOPES] = {1, r->n.venues, r->n.accounts, r->n.strategies, r->n.instruments};
    if (scope < 0 || scope >= GW_SCOPES || entity >= count[scope]) return 0;
    *out = r->scopes[scope_index(r, scope, entity)];
    return 1;
}

int64_t gw_risk_held(const gw_risk *r, uint32_t slot) {
    const reservation *o = order_at(r, slot);
    return o == NULL ? 0 : held(o);
}

int gw_risk_flags(const gw_risk *r) { return (int)r->state->flags; }

uint64_t gw_risk_hash(const gw_risk *r) {
    /* 64-bit words multiplied and folded: no defence against malice, but each bit of state changes the result. */
    const uint8_t *state = (const uint8_t *)r->state;
    size_t words = (size_t)(r->end - state) / 8;
    uint64_t h = 0x9E3779B97F4A7C15u ^ words;
    for (size_t i = 0; i < words; i++) {
        uint64_t word;
        memcpy(&word, state + i * 8, 8);
        h = (h ^ word) * 0xFF51AFD7ED558CCDu;
        h ^= h >> 32;
    }
    return h;
}

/* ---- text ---- */

int gw_breach_ord_rej_reason(const gw_breach *b) {
    if (b->control >= GW_CONTROLS || b->why >= GW_WHYS || b->scope >= GW_SCOPES) return 99;
    if (gw_why_rows[b->why].ord_rej_reason >= 0) return gw_why_rows[b->why].ord_rej_reason;
    return gw_control_rows[b->control].ord_rej_reason[b->scope];
}

typedef struct text {
    char *out;
    size_t cap;
    size_t len;
} text;

static void put(text *t, const char *s, size_t n) {
    for (size_t i = 0; i < n && t->len + 1 < t->cap; i++) t->out[t->len++] = s[i] >= ' ' && s[i] <= '~' ? s[i] : '?';
}

static void put_text(text *t, const char *s) { put(t, s, strlen(s)); }

/* value × 10^exp in digits, as a person writes it. */
static void put_number(text *t, int64_t value, int exp) {
    char digits[24];
    size_t n = sizeof digits;
    uint64_t v = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    int decimals = exp < 0 ? -exp : 0;
    while (decimals > 0 && v % 10 == 0) { /* no trailing zeros after the point */
        v /= 10;
        decimals--;
    }
    do {
        digits[--n] = (char)('0' + v % 10);
        v /= 10;
    } while (v != 0);
    if (value < 0) put(t, "-", 1);
    int count = (int)(sizeof digits - n);
    for (int i = count; i <= decimals; i++) { /* 0.00…: zeros before the digits */
        put(t, "0", 1);
        if (i == count) put(t, ".", 1);
    }
    for (int i = 0; i < count; i++) {
        put(t, &digits[n + (size_t)i], 1);
        if (count > decimals && decimals > 0 && i + 1 == count - decimals) put(t, ".", 1);
    }
    for (int i = 0; value != 0 && i < exp; i++) put(t, "0", 1);
}

static void put_placeholder(text *t, const char *key, size_t n, const gw_breach *b, const char *name) {
    const gw_control_row *control = &gw_control_rows[b->control];
    if (n == 3) put_text(t, control->key);
    else if (n == 4 && key[0] == 'n') put_text(t, b->scope == GW_SCOPE_FIRM ? "" : name);
    else if (n == 4) put_text(t, control->unit);
    else if (key[0] == 'v') put_number(t, b->value, b->exp);
    else if (key[0] == 'l') put_number(t, b->limit, b->exp);
    else if (key[0] == 'h') put_number(t, b->headroom, b->exp);
    else put_text(t, gw_scope_names[b->scope]);
}

int gw_breach_text(const gw_breach *b, const char *name, char *out, size_t cap) {
    text t = {out, cap, 0};
    if (cap == 0) return 0;
    if (b->control < GW_CONTROLS && b->why < GW_WHYS && b->scope < GW_SCOPES) {
        const char *p = gw_why_rows[b->why].text;
        if (p[0] == '\0') p = gw_control_rows[b->control].text;
        while (*p != '\0') {
            const char *end = *p == '{' ? strchr(p, '}') : NULL;
            /* The firm has no name: " {name}" leaves no space behind. */
            if (*p == ' ' && b->scope == GW_SCOPE_FIRM && strncmp(p + 1, "{name}", 6) == 0) {
                p++;
            } else if (end != NULL) {
                put_placeholder(&t, p + 1, (size_t)(end - p - 1), b, name);
                p = end + 1;
            } else {
                put(&t, p++, 1);
            }
        }
    }
    out[t.len] = '\0';
    return (int)t.len;
}
