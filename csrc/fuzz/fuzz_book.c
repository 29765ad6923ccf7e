/* Fuzz entry of the matching core: any configuration, any messages, any room for events.
 *
 * The first 24 bytes choose the profile, the pools and the room; what follows is messages of 112 bytes, tamed (so that they meet)
 * unless the first byte says raw. The same messages go through a second exchange with the least room there may be: the events must
 * be the same, whatever the room. The core is included, not linked, so that its books can be walked and checked after each message. */
#include "../book.c"

#include <stdio.h>
#include <stdlib.h>

#define REQUIRE(what) do { if (!(what)) { fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what); abort(); } } while (0)

/* Every index, sum and order of the pools agrees with every other. Returns the live orders it met. */
static uint32_t check_level(const ex *x, const level *l, uint32_t li, uint8_t place)
{
    uint32_t n = 0, displayed = 0, last = 0;
    int64_t shown = 0, leaves = 0;
    for (int hidden = 0; hidden < 2; hidden++) {
        last = 0;
        for (uint32_t at = hidden ? l->hidden_head : l->head; at; at = x->orders[at].next) {
            const order *o = &x->orders[at];
            REQUIRE(o->place == place && o->level == li && o->prev == last && o->leaves > 0);
            REQUIRE((place == BOOK ? o->px : o->stop_px) == l->px);
            REQUIRE(id_find(x, o->id) == at);
            if (place == BOOK) {
                REQUIRE(hidden == !!(o->flags & HIDDEN) && o->shown >= 0 && o->shown <= o->leaves && (hidden || o->shown > 0));
                shown += hidden ? 0 : o->shown;
                leaves += hidden ? 0 : o->leaves;
                displayed += !hidden;
            }
            last = at;
            n++;
        }
        REQUIRE((hidden ? l->hidden_tail : l->tail) == last);
    }
    REQUIRE(n && (place != BOOK || (l->shown == shown && l->leaves == leaves && l->count == displayed)));
    return n;
}

static uint32_t check_tree(const ex *x, const tree *t, bool ascending, uint8_t place)
{
    uint32_t n = 0, prev = 0;
    for (uint32_t li = t->first; li; li = x->levels[li].next) {
        const level *l = &x->levels[li];
        REQUIRE(l->prev == prev && l->key == key_of(l->px, ascending) && level_find(x, t, l->key) == li);
        REQUIRE(!prev || x->levels[prev].key < l->key);
        n += check_level(x, l, li, place);
        prev = li;
    }
    return n;
}

static void check(const ex *x)
{
    uint32_t live = 0;
    for (uint32_t i = 0; i < x->c.symbols; i++) {
        const symbol *s = &x->symbols[i];
        for (int side = BUY; side <= SELL; side++) {
            live += check_tree(x, &s->book[side], side == SELL, BOOK) + check_tree(x, &s->stops[side], side == BUY, STOPS);
            for (uint32_t at = s->market[side].head; at; at = x->orders[at].next) live++;
        }
        for (uint32_t at = s->auction_only.head; at; at = x->orders[at].list_next) live += x->orders[at].place == PARKED;
        for (uint32_t at = s->pegs.head; at; at = x->orders[at].list_next) live += x->orders[at].place == PARKED;
        /* Nothing that could trade is left: in continuous trading only conditional hidden orders may stand across. */
        uint32_t bid = best_displayed(x, &s->book[BUY]), ask = best_displayed(x, &s->book[SELL]);
        REQUIRE(s->phase != CONTINUOUS || !bid || !ask || x->levels[bid].px < x->levels[ask].px);
    }
    REQUIRE(live == x->live && live <= x->c.max_orders);
    for (uint32_t at = 2; at <= x->heap_size; at++) REQUIRE(!sooner(&x->heap[at], &x->heap[at / 2]));
    for (uint32_t at = 1; at <= x->heap_size; at++) REQUIRE(x->orders[x->heap[at].order].heap_at == at);
    REQUIRE(x->pc == PC_IDLE && x->match.state == M_IDLE && x->change.state == P_IDLE && x->settle.state == S_IDLE);
}

static book_config configure(const uint8_t *p)
{
    book_config c = {.symbols = 2, .max_orders = 1u + p[1], .max_trades = 1u + p[2] % 16, .keeps = p[3] & 55, .first_phase = p[4] % 8};
    static const uint8_t steps[5][6] = {{1}, {2, 5, 1}, {5, 1}, {2, 3, 4, 5, 6, 1}, {3, 1}};
    static const uint8_t counts[5] = {1, 3, 2, 6, 2};
    for (int i = 0; i < 8; i++) c.accepts[i] = (uint16_t)(p[5] & 128 ? 0xFFF : i == CONTINUOUS ? 0xFDF : i == CLOSED ? A_CANCEL : 0xF7B & ~A_PEG);
    memcpy(c.allocation, steps[p[6] % 5], 6);
    c.steps = counts[p[6] % 5];
    c.replace_total = p[5] & 1;
    c.zero_qty = p[5] >> 1 & 1;
    c.market_rests = p[5] >> 2 & 1;
    c.level_data = p[5] >> 3 & 1;
    c.order_data = p[5] >> 4 & 1;
    c.short_expires = p[5] >> 5 & 1;
    c.stp = (uint8_t)(1 + p[7] % 5);
    c.lot = 1 + (p[8] & 1);
    c.ticks = p[8] >> 1 & 3;
    for (uint32_t i = 0; i < c.ticks; i++) {
        c.tick_from[i] = 100 * (int64_t)i;
        c.tick[i] = 1 + (p[9] >> i & 3);
    }
    c.top_min = p[10] & 15;
    c.top_max = p[11] & 15;
    c.pro_rata_min = p[12] & 3;
    c.lmm_bps = p[13] * 39;
    c.split_bps = p[14] * 39;
    c.band_bps = p[15] & 1 ? p[16] * 10 : 0;
    c.dynamic_bps = p[15] & 2 ? p[17] * 10 : 0;
    c.protection = p[15] & 4 ? p[18] : 0;
    c.luld_unit = p[15] & 8 ? 1 + p[19] : 0;
    return c;
}

/* Messages that meet: few ids, near prices, kinds and enumerations mostly in range, times that go on. */
static void tame(book_msg *m, int64_t *now)
{
    m->kind = m->kind % 16 < 8 ? NEW : (uint8_t)(m->kind % 14);
    m->side &= m->kind == NEW ? 1 : 3;
    m->ord_type = m->ord_type % 8 < 4 ? LIMIT : m->ord_type & 3;
    m->tif = m->tif % 16 < 8 ? DAY : m->tif % 7;
    m->flags = m->flags % 64 < 32 ? 0 : m->flags & ALL_FLAGS;
    m->peg = m->peg % 16 < 12 ? 0 : m->peg & 3;
    m->stp_mode %= 6;
    m->symbol = m->symbol % 16 ? m->symbol & 1 : m->symbol % 3 ? ALL_SYMBOLS : 2;
    m->session &= 3;
    m->account &= 3;
    m->stp_id &= 3;
    m->order_id &= 31;
    m->new_order_id &= 31;
    *now += (m->now_ns & 7) * 4 * SECOND;
    m->now_ns = *now;
    m->px = 100 + (m->px & 15);
    m->qty &= 63;
    m->stop_px = m->peg ? (m->stop_px & 3) - 1 : 100 + (m->stop_px & 15);
    m->display_qty = m->display_qty & 8 ? m->display_qty & 7 : 0;
    m->min_qty = m->min_qty & 8 ? m->min_qty & 7 : 0;
    m->expire_ns = *now + (m->expire_ns & 15) * SECOND;
    m->phase &= 7;
}

static void *room_for(uint64_t size)
{
    void *p = aligned_alloc(64, (size + 63) / 64 * 64);
    REQUIRE(p);
    memset(p, 0, size);
    return p;
}

/* Everything one message causes, taken with `room` at a time; returns how many events. */
static uint64_t drain(ex *x, const book_msg *m, book_event *room, uint64_t size, book_event *out, uint64_t out_size)
{
    uint64_t n = 0, taken;
    for (uint64_t left = 1; left || book_busy(x); left -= taken) {
        uint64_t got = book_run(x, (const uint8_t *)m, left, room, size, &taken);
        REQUIRE(got <= size && n + got <= out_size);
        memcpy(out + n, room, got * sizeof *out);
        n += got;
    }
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { HEAD = 24, MOST = 1 << 20 };
    if (size < HEAD) return 0;
    book_config c = configure(data);
    bool raw = data[0] & 1;
    uint64_t rooms[2] = {BOOK_ROOM + data[20], BOOK_ROOM}, bytes = book_size(&c);
    REQUIRE(bytes);
    void *memory[2] = {room_for(bytes), room_for(bytes)};
    ex *x[2] = {book_init(memory[0], &c), book_init(memory[1], &c)};
    book_event *room[2] = {malloc(rooms[0] * sizeof(book_event)), malloc(rooms[1] * sizeof(book_event))};
    book_event *out[2] = {malloc(MOST * sizeof(book_event)), malloc(MOST * sizeof(book_event))};
    REQUIRE(room[0] && room[1] && out[0] && out[1]);
    int64_t now = 0;
    for (size_t at = HEAD; at + sizeof(book_msg) <= size; at += sizeof(book_msg)) {
        book_msg m;
        memcpy(&m, data + at, sizeof m);
        if (!raw) tame(&m, &now);
        uint64_t n[2];
        for (int i = 0; i < 2; i++) n[i] = drain(x[i], &m, room[i], rooms[i], out[i], MOST);
        REQUIRE(n[0] == n[1] && !memcmp(out[0], out[1], n[0] * sizeof(book_event)));
        check(x[0]);
        book_indication_view v;
        book_indication(x[0], 0, &v);
        REQUIRE(book_state_hash(x[0]) == book_state_hash(x[1]));
    }
    for (int i = 0; i < 2; i++) {
        free(memory[i]);
        free(room[i]);
        free(out[i]);
    }
    return 0;
}
