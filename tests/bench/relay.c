/* relay: the least that a FIX gateway in C can be, and so the yardstick of the bench.
 *
 *   relay busy|block PORT VENUE_PORT       (PORT 0: any; prints "ready PORT" when the strategy can connect)
 *
 * One strategy, one venue. It parses and checks every message, keeps the risk limits below, sends each order under a ClOrdID
 * of its own, keeps it open in a table, maps its reports back, and forgets it when it is over. No journal, no recovery: it
 * ends with the first connection that closes, and with an error at the first message it does not know. */
#include "session.h"
#include <sys/epoll.h>

enum { SLOTS = 1 << 17, HEADS = 1 << 17, NO_SLOT = 0, SLOT_DIGITS = 6, TOKEN_DIGITS = 10, OWN_ID_SIZE = 1 + SLOT_DIGITS + TOKEN_DIGITS, ID_MAX = 32 };
static const int64_t ORDER_QTY_MAX = 100000, NOTIONAL_MAX = 5000000, OPEN_NOTIONAL_MAX = 100000000000;    /* shares, dollars, dollars */

struct order { char id[ID_MAX]; uint8_t id_size; uint32_t next; uint64_t token; int64_t quantity, done, price; };    /* price in 1e-4 dollars; token 0: free */
struct relay {
    struct session strategy, venue;
    struct order order[SLOTS];
    uint32_t head[HEADS], free[SLOTS], free_count;
    uint64_t token;
    int64_t open_notional;                                 /* 1e-4 dollars, of what is still open */
};
static struct relay R;

_Noreturn static void fail(const char *why, const struct message *m) {
    fprintf(stderr, "relay: %s: %.*s\n", why, m ? (int)m->size : 0, m ? m->text : "");
    exit(1);
}
static uint32_t head_of(const char *id, size_t n) {
    uint64_t hash = 14695981039346656037u;                 /* FNV-1a */
    for (size_t i = 0; i < n; i++) hash = (hash ^ (uint8_t)id[i]) * 1099511628211u;
    return (uint32_t)(hash >> 32) % HEADS;
}
static bool is_open(struct span id) {
    for (uint32_t i = R.head[head_of(id.at, id.size)]; i != NO_SLOT; i = R.order[i].next)
        if (R.order[i].id_size == id.size && !memcmp(R.order[i].id, id.at, id.size)) return true;
    return false;
}
static struct order *open_order(struct span id, int64_t quantity, int64_t price) {
    uint32_t i = R.free[--R.free_count], *head = &R.head[head_of(id.at, id.size)];
    struct order *o = &R.order[i];
    memcpy(o->id, id.at, id.size);
    *o = (struct order){.id_size = (uint8_t)id.size, .next = *head, .token = ++R.token, .quantity = quantity, .price = price};
    memcpy(o->id, id.at, id.size);
    *head = i;
    R.open_notional += quantity * price;
    return o;
}
static void forget(struct order *o) {
    uint32_t i = (uint32_t)(o - R.order), *at = &R.head[head_of(o->id, o->id_size)];
    while (*at != i) at = &R.order[*at].next;
    *at = o->next;
    R.open_notional -= (o->quantity - o->done) * o->price;
    o->token = 0;
    R.free[R.free_count++] = i;
}
static struct order *order_of(struct span own_id) {
    if (own_id.size != OWN_ID_SIZE || own_id.at[0] != 'R') return NULL;
    uint64_t i = digits_of(own_id.at + 1, SLOT_DIGITS), token = digits_of(own_id.at + 1 + SLOT_DIGITS, TOKEN_DIGITS);
    return i < SLOTS && token && R.order[i].token == token ? &R.order[i] : NULL;
}
/* The body again, for the other session, with another ClOrdID. */
static void pass_on(struct session *to, const struct message *m, const char *id, size_t id_size) {
    size_t id_at = m->field[CL_ORD_ID].at, behind = id_at + m->field[CL_ORD_ID].size;
    struct span part[] = {{m->text + m->body_at, id_at - m->body_at}, {id, id_size}, {m->text + behind, m->body_at + m->body_size - behind}};
    session_put_parts(to, (char[]){char_of(m, MSG_TYPE), 0}, part, 3);
}
static void deny(const struct message *m, const char *why) {
    char body[512];
    struct span id = value_of(m, CL_ORD_ID), symbol = value_of(m, SYMBOL), quantity = value_of(m, ORDER_QTY);
    int n = snprintf(body, sizeof body, "37=NONE\00111=%.*s\00117=N%llu\001150=8\00139=8\00155=%.*s\00154=%c\00138=%.*s\001151=0\00114=0\0016=0\00158=%s\001", (int)id.size % 65,
                     id.at, (unsigned long long)R.strategy.next_out, (int)symbol.size % 33, symbol.at, char_of(m, SIDE), (int)quantity.size % 21, quantity.at, why);
    session_put(&R.strategy, "8", body, (size_t)n);
}
static void on_order(const struct message *m) {
    struct span id = value_of(m, CL_ORD_ID);
    int64_t quantity = decimal_of(m, ORDER_QTY), price = decimal_of(m, PRICE), notional;
    char side = char_of(m, SIDE);
    if (!id.size || id.size > ID_MAX) fail("an order without a ClOrdID of 1 to 32 characters", m);
    if (quantity <= 0 || quantity % 10000 || (quantity /= 10000) > ORDER_QTY_MAX) { deny(m, "order quantity"); return; }
    if (price <= 0 || __builtin_mul_overflow(quantity, price, &notional) || notional > NOTIONAL_MAX * 10000) { deny(m, "notional"); return; }
    if (side != '1' && side != '2') { deny(m, "side"); return; }
    if (R.open_notional + notional > OPEN_NOTIONAL_MAX * 10000 || !R.free_count) { deny(m, "open orders"); return; }
    if (is_open(id)) { deny(m, "duplicate ClOrdID"); return; }
    struct order *o = open_order(id, quantity, price);
    char own[OWN_ID_SIZE] = "R";
    put_digits(put_digits(own + 1, (uint64_t)(o - R.order), SLOT_DIGITS), o->token, TOKEN_DIGITS);
    pass_on(&R.venue, m, own, OWN_ID_SIZE);
}
static void on_report(const struct message *m) {
    struct order *o = order_of(value_of(m, CL_ORD_ID));
    int64_t done = decimal_of(m, CUM_QTY);
    if (!o) fail("a report for no open order", m);
    if (done < 0 || done % 10000 || (done /= 10000) < o->done || done > o->quantity) fail("a report with an impossible CumQty", m);
    R.open_notional -= (done - o->done) * o->price;
    o->done = done;
    pass_on(&R.strategy, m, o->id, o->id_size);
    if (has(m, ORD_STATUS) && strchr("248C", char_of(m, ORD_STATUS))) forget(o);
}
static void read_side(struct session *from, const struct session *to, char expected, void (*on_business)(const struct message *)) {
    const char *p, *fault;
    ssize_t n = 0;
    struct message m;
    if (link_room(&to->link) < OUT_SIZE / 2 || !link_fill(&from->link)) return;
    while ((n = link_take(&from->link, &p)) > 0) {
        if ((fault = index_message(&m, p, (size_t)n))) fail(fault, NULL);
        bool business = session_take(from, &m, &fault);
        if (fault) fail(fault, &m);
        if (business && char_of(&m, MSG_TYPE) != expected) fail("a message that a relay has no use for", &m);
        if (business) on_business(&m);
    }
    if (n < 0) fail("bytes that are no FIX", NULL);
}
static void watch(int epoll, int operation, const struct session *s) {
    struct epoll_event e = {.events = EPOLLIN | (link_pending(&s->link) ? EPOLLOUT : 0u)};
    epoll_ctl(epoll, operation, s->link.fd, &e);
}
static int listen_at(uint16_t port) {
    struct sockaddr_in a = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&a, sizeof a) || listen(fd, 1)) { perror("relay: listen"); exit(1); }
    return fd;
}
int main(int argc, char **argv) {
    if (argc != 4 || (strcmp(argv[1], "busy") && strcmp(argv[1], "block"))) { fprintf(stderr, "relay busy|block PORT VENUE_PORT\n"); return 2; }
    bool block = !strcmp(argv[1], "block");
    int listener = listen_at((uint16_t)atoi(argv[2])), epoll = epoll_create1(EPOLL_CLOEXEC), venue;
    for (uint32_t i = SLOTS; --i != NO_SLOT;) R.free[R.free_count++] = i;
    printf("ready %d\n", port_of(listener));
    fflush(stdout);
    int strategy = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (strategy < 0) fail("no strategy", NULL);
    while ((venue = dial((uint16_t)atoi(argv[3]))) < 0) usleep(20000);
    session_open(&R.strategy, strategy, "GW", "STRAT", true);
    session_open(&R.venue, venue, "GW", "VENUE", false);
    session_logon(&R.venue);
    session_flush(&R.venue);
    watch(epoll, EPOLL_CTL_ADD, &R.strategy);
    watch(epoll, EPOLL_CTL_ADD, &R.venue);
    for (bool watched_writes = false; !R.strategy.link.closed && !R.venue.link.closed;) {
        bool pending = link_pending(&R.strategy.link) || link_pending(&R.venue.link);
        if (block) {
            struct epoll_event ready[2];
            if (pending || watched_writes) { watch(epoll, EPOLL_CTL_MOD, &R.strategy); watch(epoll, EPOLL_CTL_MOD, &R.venue); }
            watched_writes = pending;
            epoll_wait(epoll, ready, 2, -1);
        }
        read_side(&R.strategy, &R.venue, 'D', on_order);
        session_flush(&R.venue);
        read_side(&R.venue, &R.strategy, '8', on_report);
        session_flush(&R.strategy);
        session_flush(&R.venue);                           /* what the session itself answered the venue */
    }
    return 0;
}
