/* Pre-trade risk: the check and the exposure of risk.h, pure and bounded; risk/model.py says the same in words.
 *
 * The block of memory is a head (sizes, offsets, the limits in force), then the state that is hashed: counters of every scope; one cell for
 * each (firm, venue, account or strategy; instrument), a symbol's cell being the firm's; what each order slot holds; the client order ids seen.
 */
#include "risk.h"

#include <string.h>

#include "controls.h"
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

/* What one order may still trade, and whose it is. */
typedef struct reservation {
    int64_t open; /* acknowledged */
    int64_t pend; /* not yet acknowledged */
    int64_t incr; /* what unanswered replaces may add */
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
    uint64_t ids_used; /* hashed ids ever remembered; the ring's next place is its low bits */
} state_head;

struct gw_risk {
    gw_risk_sizes n;
    const uint8_t *limits; /* the caller's; not part of the state, its version is */
    uint32_t first[GW_SCOPES], count[GW_SCOPES]; /* of each kind: the number of its entity 0 among all scopes, and how many there are */
    size_t sets;           /* offsets from the beginning of the block; sets: of each scope, the controls (bits) whose limit it sets */
    size_t state;
    size_t scopes;
    size_t cells;
    size_t orders;
    size_t last_ids;
    size_t ring;
    size_t id_table;
    size_t end;
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

static void lay_out(gw_risk *r, const gw_risk_sizes *n) {
    memset(r, 0, sizeof *r);
    r->n = *n;
    uint32_t count[GW_SCOPES] = {1, n->venues, n->accounts, n->strategies, n->instruments}, first = 0;
    for (int kind = 0; kind < GW_SCOPES; kind++) {
        r->first[kind] = first;
        r->count[kind] = count[kind];
        first += count[kind];
    }
    r->sets = sizeof(gw_risk);
    r->state = up8(r->sets + first);
    r->scopes = r->state + sizeof(state_head);
    r->cells = r->scopes + scope_count(n) * sizeof(gw_risk_scope);
    r->orders = r->cells + ((size_t)1 + n->venues + n->accounts + n->strategies) * n->instruments * sizeof(gw_exposure);
    r->last_ids = r->orders + (size_t)n->orders * sizeof(reservation);
    r->ring = r->last_ids + (size_t)n->strategies * sizeof(uint64_t);
    r->id_table = r->ring + (size_t)n->dup_ids * sizeof(uint64_t);
    r->end = r->id_table + (size_t)n->dup_ids * 2 * sizeof(uint64_t);
}

size_t gw_risk_size(const gw_risk_sizes *sizes) {
    gw_risk r;
    if (!sizes_ok(sizes)) return 0;
    lay_out(&r, sizes);
    return r.end;
}

gw_risk *gw_risk_init(void *mem, size_t len, const gw_risk_sizes *sizes) {
    size_t need = gw_risk_size(sizes);
    if (mem == NULL || need == 0 || len < need || (uintptr_t)mem % 8 != 0) return NULL;
    memset(mem, 0, need);
    gw_risk *r = mem;
    lay_out(r, sizes);
    return r;
}

static void *at(gw_risk *r, size_t offset) { return (uint8_t *)r + offset; }
static const void *at_const(const gw_risk *r, size_t offset) { return (const uint8_t *)r + offset; }

/* A scope's number among all of them: the firm, then venues, accounts, strategies, symbols. */
static size_t scope_index(const gw_risk *r, int kind, size_t entity) { return r->first[kind] + entity; }

/* The five scopes of an order. Entities beyond the tables are 0, so that everything can be booked; `known` has a bit for those that are configured. */
typedef struct covering {
    uint32_t entity[GW_SCOPES];
    uint32_t index[GW_SCOPES];
    unsigned known;
    int beyond; /* 1: an entity was beyond its table */
} covering;

static inline covering cover(const gw_risk *r, uint32_t venue, uint32_t account, uint32_t strategy, uint32_t instrument) {
    covering c = {{0, venue, account, strategy, instrument}, {0}, 1u << GW_SCOPE_FIRM, 0};
    for (int kind = GW_SCOPE_VENUE; kind < GW_SCOPES; kind++) {
        int beyond = c.entity[kind] >= r->count[kind];
        c.beyond |= beyond;
        c.entity[kind] = beyond ? 0 : c.entity[kind];
        c.known |= (unsigned)(c.entity[kind] > 0) << kind;
        c.index[kind] = r->first[kind] + c.entity[kind];
    }
    return c;
}

/* Cells are for the kinds before the symbol; a symbol's cell is the firm's. */
static inline size_t cell_offset(const gw_risk *r, const covering *c, int kind) {
    size_t row = kind == GW_SCOPE_SYMBOL ? 0 : c->index[kind];
    return r->cells + (row * r->n.instruments + c->entity[GW_SCOPE_SYMBOL]) * sizeof(gw_exposure);
}

static const reservation *order_at(const gw_risk *r, uint32_t slot) {
    return slot < r->n.orders ? (const reservation *)at_const(r, r->orders) + slot : NULL;
}

static int64_t held(const reservation *o) { return o->open + o->pend + o->incr; }

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
    uint8_t *sets = at(r, r->sets);
    for (size_t scope = 0; scope < scope_count(&r->n); scope++) {
        sets[scope] = 0;
        for (int control = 0; control < GW_LIMITED; control++) sets[scope] |= (uint8_t)(rows_at(r, scope)[control].set << control);
    }
    ((state_head *)at(r, r->state))->limits_version = ((const limits_head *)table)->version;
    return 1;
}

uint64_t gw_risk_limits_version(const gw_risk *r) { return ((const state_head *)at_const(r, r->state))->limits_version; }

static int allowed(const gw_risk *r, uint32_t strategy, int kind, uint32_t column) {
    if (r->limits == NULL) return 0;
    const uint8_t *grid = r->limits + grid_offset(&r->n);
    if (kind == GW_SCOPE_ACCOUNT) return grid[(size_t)strategy * r->n.accounts + column] == 1;
    grid += up8((size_t)r->n.strategies * r->n.accounts);
    return grid[(size_t)strategy * r->n.instruments + column] == 1;
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

/* One check under way: who is covered, by what, and what was found. */
typedef struct found {
    gw_breach *out;
    int max;
    int count;
    covering c;
    const gw_risk *r;
    uint8_t set[GW_LIMITED]; /* of each control, the scopes (bits) that set its limit: unknown entities set none, and without a table nobody does */
} found;

static inline const limit_row *limit_at(const found *f, int kind, int control) { return &rows_at(f->r, f->c.index[kind])[control]; }

static inline void find_limits(found *f) {
    const uint8_t *sets = at_const(f->r, f->r->sets);
    if (f->r->limits == NULL) return;
    for (int kind = 0; kind < GW_SCOPES; kind++) {
        unsigned set = f->c.known >> kind & 1u ? sets[f->c.index[kind]] : 0;
        for (; set; set &= set - 1) f->set[__builtin_ctz(set)] |= (uint8_t)(1u << kind);
    }
}

static void add_breach(found *f, int control, int scope, uint32_t entity, int why, int exp, wide value, int64_t limit, wide headroom) {
    if (f->count < f->max) {
        gw_breach *b = &f->out[f->count];
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
    f->count++;
}

static void add_plain(found *f, int control, int scope, uint32_t entity, int why) { add_breach(f, control, scope, entity, why, 0, 0, 0, 0); }

/* The one comparison: used + adds (× 10^exp) > limit is a breach at a scope that sets one. */
static inline void compare_at(found *f, int control, int kind, wide used, wide adds, int exp) {
    const limit_row *limit = limit_at(f, kind, control);
    int finer = limit->exp - exp; /* mostly the value has the more decimals: then the limit is multiplied, which spares a division */
    if (finer >= 0 && finer <= EXP_MAX && used + adds <= (wide)limit->value * ten[finer]) return;
    wide value = scale_up(used + adds, -finer);
    if (value > limit->value)
        add_breach(f, control, kind, f->c.entity[kind], GW_BREACH_OVER, limit->exp, value, limit->value,
                   limit->value - wide_max(scale_up(used, -finer), -WIDE_MAX / 2));
}

/* The scopes that set a limit of this control; if a mandatory one has none, that is the breach. */
static inline unsigned setting(found *f, int control) {
    if (f->set[control] == 0 && gw_control_rows[control].mandatory) add_plain(f, control, GW_SCOPE_FIRM, 0, GW_BREACH_UNSET);
    return f->set[control];
}

static inline int next_kind(unsigned *scopes) {
    int kind = __builtin_ctz(*scopes);
    *scopes &= *scopes - 1;
    return kind;
}

/* For controls that count only the order itself. */
static inline void compare(found *f, int control, wide adds, int exp) {
    for (unsigned scopes = setting(f, control); scopes;) compare_at(f, control, next_kind(&scopes), 0, adds, exp);
}

static int priced(const gw_risk_in *in) { return (in->ord_type == '2' || in->ord_type == '4') && (in->has & GW_RISK_HAS_PX); }

static void check_permission(const gw_risk *r, const gw_risk_in *in, found *f) {
    uint32_t named[GW_SCOPES] = {0, in->venue, in->account, in->strategy, in->instrument};
    if ((in->kind != 'D' && in->kind != 'G') || (in->side != GW_BUY && in->side != GW_SELL))
        add_plain(f, GW_CONTROL_PERMISSION, GW_SCOPE_FIRM, 0, GW_BREACH_INVALID);
    for (int kind = GW_SCOPE_VENUE; kind <= GW_SCOPE_SYMBOL; kind++)
        if (!(f->c.known & 1u << kind)) add_plain(f, GW_CONTROL_PERMISSION, kind, named[kind], GW_BREACH_UNKNOWN);
    if (!(f->c.known & 1u << GW_SCOPE_STRATEGY)) return;
    for (int kind = GW_SCOPE_ACCOUNT; kind <= GW_SCOPE_SYMBOL; kind += GW_SCOPE_SYMBOL - GW_SCOPE_ACCOUNT)
        if (f->c.known & 1u << kind && !allowed(r, in->strategy, kind, named[kind]))
            add_plain(f, GW_CONTROL_PERMISSION, kind, named[kind], GW_BREACH_DENIED);
}

/* The ids that are remembered. */
static const uint64_t *id_table(const gw_risk *r) { return at_const(r, r->id_table); }

static void check_duplicate(const gw_risk *r, const gw_risk_in *in, found *f) {
    int used;
    if (in->id_kind == GW_RISK_ID_RISING)
        used = in->id <= ((const uint64_t *)at_const(r, r->last_ids))[f->c.entity[GW_SCOPE_STRATEGY]];
    else
        used = gw_recent_has(id_table(r), r->n.dup_ids, in->id);
    if (used) add_plain(f, GW_CONTROL_DUPLICATE_ID, GW_SCOPE_FIRM, 0, GW_BREACH_REPEATED);
}

/* The tightest collar that covers the order, in bps; 0 if none is set. */
static int64_t tightest_collar(const found *f) {
    int64_t tightest = -1;
    for (unsigned scopes = f->set[GW_CONTROL_COLLAR_BPS]; scopes;) {
        int64_t collar = limit_at(f, next_kind(&scopes), GW_CONTROL_COLLAR_BPS)->value;
        if (tightest < 0 || collar < tightest) tightest = collar;
    }
    return tightest < 0 ? 0 : tightest;
}

static void check_notional(const gw_risk_in *in, found *f) {
    if (in->multiplier <= 0) {
        add_plain(f, GW_CONTROL_NOTIONAL, GW_SCOPE_FIRM, 0, GW_BREACH_INVALID);
        return;
    }
    if (setting(f, GW_CONTROL_NOTIONAL) == 0) return;
    wide ref = in->has & GW_RISK_HAS_REF_PX ? wide_abs(in->ref_px) : 0, worst;
    if (priced(in)) {
        /* A buy's limit is the worst it can pay; a sell, and anything at a negative price, may trade at the reference price too. */
        worst = in->side == GW_BUY && in->px >= 0 ? in->px : wide_max(wide_abs(in->px), ref);
    } else if (in->has & GW_RISK_HAS_REF_PX) {
        wide bound = in->has & GW_RISK_HAS_STOP_PX ? wide_max(ref, wide_abs(in->stop_px)) : ref;
        worst = ceil_div(bound * ((wide)10000 + tightest_collar(f)), 10000); /* below 2^127: both are at most 2^63 and a little */
    } else {
        add_plain(f, GW_CONTROL_NOTIONAL, GW_SCOPE_SYMBOL, f->c.entity[GW_SCOPE_SYMBOL], GW_BREACH_NO_REF);
        return;
    }
    wide mantissa;
    int exp = in->px_exp + in->qty_exp + in->mult_exp;
    if (!__builtin_mul_overflow(worst, (wide)in->qty, &mantissa) && !__builtin_mul_overflow(mantissa, (wide)in->multiplier, &mantissa)) {
        for (unsigned scopes = f->set[GW_CONTROL_NOTIONAL]; scopes;) compare_at(f, GW_CONTROL_NOTIONAL, next_kind(&scopes), 0, mantissa, exp);
        return;
    }
    for (unsigned scopes = f->set[GW_CONTROL_NOTIONAL]; scopes;) { /* beyond 128 bits: beyond every limit */
        int kind = next_kind(&scopes);
        const limit_row *limit = limit_at(f, kind, GW_CONTROL_NOTIONAL);
        add_breach(f, GW_CONTROL_NOTIONAL, kind, f->c.entity[kind], GW_BREACH_OVER, limit->exp, BIGGEST, limit->value, limit->value);
    }
}

static void check_collar(const gw_risk_in *in, found *f) {
    wide beyond, bps;
    if (setting(f, GW_CONTROL_COLLAR_BPS) == 0) return;
    if (!(in->has & GW_RISK_HAS_REF_PX)) {
        add_plain(f, GW_CONTROL_COLLAR_BPS, GW_SCOPE_SYMBOL, f->c.entity[GW_SCOPE_SYMBOL], GW_BREACH_NO_REF);
        return;
    }
    if (!priced(in)) return; /* it has no price of its own; its notional is judged at the reference */
    beyond = in->side == GW_BUY ? (wide)in->px - in->ref_px : (wide)in->ref_px - in->px;
    if (beyond <= 0) return;
    bps = in->ref_px == 0 ? (wide)BIGGEST : ceil_div(beyond * 10000, wide_abs(in->ref_px));
    compare(f, GW_CONTROL_COLLAR_BPS, bps, 0);
}

static void check_position(const gw_risk *r, const gw_risk_in *in, found *f) {
    wide adds = in->qty;
    if (in->kind == 'G') { /* only what the replace holds beyond the old order */
        adds = (wide)in->qty - in->cum - gw_risk_held(r, in->slot);
        if (adds <= 0) return;
    }
    for (unsigned scopes = setting(f, GW_CONTROL_POSITION); scopes;) {
        int kind = next_kind(&scopes);
        const gw_exposure *e = at_const(r, cell_offset(r, &f->c, kind));
        wide used = in->side == GW_BUY ? (wide)e->position + e->open_buy + e->pend_buy : -(wide)e->position + e->open_sell + e->pend_sell;
        compare_at(f, GW_CONTROL_POSITION, kind, used, adds, in->qty_exp);
    }
}

/* The bucket's debt at now_ns, in 1e-9 messages. */
static wide drained(const gw_risk_scope *s, int64_t rate, uint64_t now_ns) {
    uint64_t elapsed = now_ns > s->bucket_ns ? now_ns - s->bucket_ns : 0;
    return wide_max(0, s->bucket_nano - (wide)elapsed * rate);
}

static const gw_risk_scope *scope_at(const gw_risk *r, const covering *c, int kind) {
    return (const gw_risk_scope *)at_const(r, r->scopes) + c->index[kind];
}

static void check_counts(const gw_risk *r, const gw_risk_in *in, found *f) {
    /* A replaced order is counted already. */
    for (unsigned scopes = in->kind == 'G' ? 0 : setting(f, GW_CONTROL_OPEN_ORDERS); scopes;) {
        int kind = next_kind(&scopes);
        compare_at(f, GW_CONTROL_OPEN_ORDERS, kind, scope_at(r, &f->c, kind)->open_orders, 1, 0);
    }
    for (unsigned scopes = setting(f, GW_CONTROL_RATE_PER_S); scopes;) {
        int kind = next_kind(&scopes);
        wide used = drained(scope_at(r, &f->c, kind), limit_at(f, kind, GW_CONTROL_RATE_PER_S)->value, in->now_ns);
        compare_at(f, GW_CONTROL_RATE_PER_S, kind, used, NANO, -9);
    }
}

void gw_risk_ahead(const gw_risk *r, uint64_t id, uint32_t slot) {
    gw_recent_ahead(id_table(r), r->n.dup_ids, id);
    if (slot < r->n.orders) __builtin_prefetch((const reservation *)at_const(r, r->orders) + slot, 1);
}

int gw_risk_check(const gw_risk *r, const gw_risk_in *in, gw_breach *out, int max) {
    found f = {out, max, 0, cover(r, in->venue, in->account, in->strategy, in->instrument), r, {0}};
    find_limits(&f);
    check_permission(r, in, &f);
    check_duplicate(r, in, &f);
    int sound = in->qty > 0 && (in->kind != 'G' || in->cum >= 0);
    if (sound) {
        compare(&f, GW_CONTROL_ORDER_QTY, in->qty, in->qty_exp);
        check_notional(in, &f);
    } else {
        add_plain(&f, GW_CONTROL_ORDER_QTY, GW_SCOPE_FIRM, 0, GW_BREACH_INVALID);
    }
    check_collar(in, &f);
    if (sound) check_position(r, in, &f);
    check_counts(r, in, &f);
    return f.count;
}

/* ---- apply ---- */

static int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max64(int64_t a, int64_t b) { return a > b ? a : b; }

static inline void add_to(int64_t *sum, int64_t by, int *said) {
    int64_t total;
    if (!__builtin_add_overflow(*sum, by, &total) && total >= -BIGGEST) {
        *sum = total;
        return;
    }
    *sum = by < 0 ? -BIGGEST : BIGGEST;
    *said |= GW_RISK_SATURATED;
}

/* An event, the scopes it names, and what it said. */
typedef struct event {
    const gw_risk_delta *d;
    covering c;
    int said;
} event;

/* Make the order's reservation (open, pend, incr), and move the cells of its scopes by the difference. */
static void hold(gw_risk *r, event *ev, reservation *o, int64_t open, int64_t pend, int64_t incr) {
    const gw_risk_delta *d = ev->d;
    if (d->slot == GW_RISK_NO_SLOT && d->kind != GW_RISK_RESERVE && d->kind != GW_RISK_EXTERNAL_ORDER) return; /* no slot, nothing held */
    if (held(o) == 0) { /* the order begins, or begins again, to hold: whose it is comes with the event */
        memset(o, 0, sizeof *o);
        o->side = d->side;
        o->venue = d->venue;
        o->account = d->account;
        o->strategy = d->strategy;
        o->instrument = d->instrument;
    }
    int same = o->venue == d->venue && o->account == d->account && o->strategy == d->strategy && o->instrument == d->instrument;
    covering c = same ? ev->c : cover(r, o->venue, o->account, o->strategy, o->instrument);
    gw_risk_scope *scopes = at(r, r->scopes);
    /* No parts of one order are below 0 or add up to more than 64 bits hold, so neither do their differences. */
    int64_t open_by = open - o->open, pend_by = pend + incr - (o->pend + o->incr);
    int count = (open + pend + incr > 0) - (held(o) > 0);
    for (int kind = 0; kind < GW_SCOPES; kind++) {
        scopes[c.index[kind]].open_orders += count;
        if (kind == GW_SCOPE_SYMBOL) continue; /* its cell is the firm's */
        gw_exposure *e = at(r, cell_offset(r, &c, kind));
        if (open_by != 0) add_to(o->side == GW_BUY ? &e->open_buy : &e->open_sell, open_by, &ev->said);
        if (pend_by != 0) add_to(o->side == GW_BUY ? &e->pend_buy : &e->pend_sell, pend_by, &ev->said);
    }
    o->open = open;
    o->pend = pend;
    o->incr = incr;
    if (held(o) == 0) memset(o, 0, sizeof *o);
}

static void move_position(gw_risk *r, event *ev, int64_t qty) {
    for (int kind = 0; kind < GW_SCOPE_SYMBOL; kind++)
        add_to(&((gw_exposure *)at(r, cell_offset(r, &ev->c, kind)))->position, ev->d->side == GW_BUY ? qty : -qty, &ev->said);
}

static void book_fill(gw_risk *r, event *ev, reservation *o) {
    const gw_risk_delta *d = ev->d;
    int64_t left = d->qty, parts[3] = {o->open, o->pend, o->incr};
    move_position(r, ev, d->qty);
    if (d->slot == GW_RISK_NO_SLOT) return;
    for (int i = 0; i < 3; i++) {
        int64_t take = min64(parts[i], left);
        parts[i] -= take;
        left -= take;
    }
    hold(r, ev, o, parts[0], parts[1], parts[2]);
    if (left > 0) ev->said |= GW_RISK_OVERFILL;
}

static void count_message(gw_risk *r, const event *ev) {
    const uint8_t *sets = at(r, r->sets);
    for (int kind = 0; kind < GW_SCOPES; kind++) {
        uint32_t index = ev->c.index[kind];
        gw_risk_scope *s = (gw_risk_scope *)at(r, r->scopes) + index;
        int limited = r->limits != NULL && ev->c.known >> kind & 1u && sets[index] >> GW_CONTROL_RATE_PER_S & 1u;
        s->bucket_nano = limited ? clamp(drained(s, rows_at(r, index)[GW_CONTROL_RATE_PER_S].value, ev->d->now_ns) + NANO) : 0;
        if (ev->d->now_ns > s->bucket_ns) s->bucket_ns = ev->d->now_ns;
        s->messages++;
    }
}

static void count_cancel(gw_risk *r, const event *ev) {
    for (int kind = 0; kind < GW_SCOPES; kind++) ((gw_risk_scope *)at(r, r->scopes))[ev->c.index[kind]].cancels++;
}

static void use_id(gw_risk *r, const gw_risk_delta *d) {
    if (d->id_kind == GW_RISK_ID_RISING) {
        uint64_t *last = (uint64_t *)at(r, r->last_ids) + (d->strategy < r->n.strategies ? d->strategy : 0);
        if (d->id > *last) *last = d->id;
        return;
    }
    const gw_recent ids = {at(r, r->ring), at(r, r->id_table), &((state_head *)at(r, r->state))->ids_used, r->n.dup_ids};
    gw_recent_put(&ids, d->id);
}

static void book(gw_risk *r, event *ev, reservation *o) {
    const gw_risk_delta *d = ev->d;
    int64_t leaves = max64(0, d->leaves), pend_leaves = max64(0, d->pend_leaves), live = o->open + o->pend;
    switch (d->kind) {
    case GW_RISK_RESERVE:
        use_id(r, d);
        count_message(r, ev);
        if (held(o) > 0) {
            memset(o, 0, sizeof *o); /* what the old order held stays in the cells */
            ev->said |= GW_RISK_SLOT_TAKEN;
        }
        if (d->slot == GW_RISK_NO_SLOT) ev->said |= GW_RISK_BAD_INDEX;
        hold(r, ev, o, 0, d->qty, 0);
        break;
    case GW_RISK_RELEASE:
    case GW_RISK_REJECT:
    case GW_RISK_CANCEL_ACK: hold(r, ev, o, 0, 0, 0); break;
    case GW_RISK_ACK: hold(r, ev, o, live, 0, o->incr); break;
    case GW_RISK_FILL:
    case GW_RISK_EXTERNAL_FILL: book_fill(r, ev, o); break;
    case GW_RISK_CANCEL_SENT: count_cancel(r, ev); break;
    case GW_RISK_CANCEL_REJECT: break;
    case GW_RISK_REPLACE_RESERVE: /* old or new may trade, never both in full */
        use_id(r, d);
        count_message(r, ev);
        hold(r, ev, o, o->open, o->pend, max64(o->incr, leaves - live));
        break;
    case GW_RISK_REPLACE_ACK:
    case GW_RISK_RESTATED:
        hold(r, ev, o, leaves, 0, max64(0, pend_leaves - leaves));
        break;
    case GW_RISK_REPLACE_REJECT: hold(r, ev, o, o->open, o->pend, max64(0, pend_leaves - live)); break;
    case GW_RISK_BUST: move_position(r, ev, -d->qty); break;
    case GW_RISK_CORRECT:
        move_position(r, ev, -d->old_qty);
        move_position(r, ev, d->qty);
        break;
    case GW_RISK_EXTERNAL_ORDER: hold(r, ev, o, leaves, 0, 0); break;
    case GW_RISK_ID_SEEN: use_id(r, d); break;
    default: ev->said |= GW_RISK_BAD_EVENT;
    }
}

int gw_risk_apply(gw_risk *r, const gw_risk_delta *delta) {
    gw_risk_delta d = *delta;
    reservation none = {0}, *o = &none; /* what an event without a slot moves: nothing that is kept */
    event ev = {.d = &d};
    if (d.kind == GW_RISK_EXTERNAL_ORDER || d.kind == GW_RISK_EXTERNAL_FILL) d.strategy = 0;
    if (d.kind < GW_RISK_RESERVE || d.kind > GW_RISK_ID_SEEN || d.qty < 0 || d.old_qty < 0 || (d.side != GW_BUY && d.side != GW_SELL)) {
        ev.said = GW_RISK_BAD_EVENT;
    } else {
        if (d.slot != GW_RISK_NO_SLOT && d.slot >= r->n.orders) {
            d.slot = GW_RISK_NO_SLOT;
            ev.said |= GW_RISK_BAD_INDEX;
        }
        ev.c = cover(r, d.venue, d.account, d.strategy, d.instrument);
        if (ev.c.beyond) ev.said |= GW_RISK_BAD_INDEX;
        if (d.slot != GW_RISK_NO_SLOT) o = (reservation *)at(r, r->orders) + d.slot;
        book(r, &ev, o);
    }
    ((state_head *)at(r, r->state))->flags |= (uint64_t)ev.said;
    return ev.said;
}

/* ---- what others read ---- */

int gw_risk_exposure(const gw_risk *r, int scope, uint32_t entity, uint32_t instrument, gw_exposure *out) {
    uint32_t count[GW_SCOPES] = {1, r->n.venues, r->n.accounts, r->n.strategies, r->n.instruments};
    if (scope < 0 || scope >= GW_SCOPES || entity >= count[scope] || instrument >= r->n.instruments) return 0;
    if (scope == GW_SCOPE_SYMBOL && entity != instrument) return 0;
    size_t row = scope == GW_SCOPE_SYMBOL ? 0 : scope_index(r, scope, entity);
    *out = ((const gw_exposure *)at_const(r, r->cells))[row * r->n.instruments + instrument];
    return 1;
}

int gw_risk_counters(const gw_risk *r, int scope, uint32_t entity, gw_risk_scope *out) {
    uint32_t count[GW_SCOPES] = {1, r->n.venues, r->n.accounts, r->n.strategies, r->n.instruments};
    if (scope < 0 || scope >= GW_SCOPES || entity >= count[scope]) return 0;
    *out = ((const gw_risk_scope *)at_const(r, r->scopes))[scope_index(r, scope, entity)];
    return 1;
}

int64_t gw_risk_held(const gw_risk *r, uint32_t slot) {
    const reservation *o = order_at(r, slot);
    return o == NULL ? 0 : held(o);
}

int gw_risk_flags(const gw_risk *r) { return (int)((const state_head *)at_const(r, r->state))->flags; }

uint64_t gw_risk_hash(const gw_risk *r) {
    /* 64-bit words multiplied and folded: no defence against malice, but each bit of state changes the result. */
    const uint8_t *state = at_const(r, r->state);
    size_t words = (r->end - r->state) / 8;
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
