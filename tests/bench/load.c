/* load: the strategy and the venue of the bench in one process, so that neither adds a wake-up to what is measured.
 *
 *   load --venue-fd N (--port P | --direct) [--gateway PID] [--block] [--settle-ms N] [--patience-ms N] PHASE...
 *     PHASE  pingpong:LENGTH           one order at a time
 *            burst:LENGTH:WINDOW       so many in flight
 *            rate:LENGTH:PER_SECOND    open loop: an order is timed from when it was due, whether or not it could leave
 *     LENGTH seconds, or a number of orders written 500n
 *
 * The venue listens on the inherited descriptor N; strategies are at port P, or (--direct) at the venue itself.
 * Every report is checked for itself, and after each phase what the venue counted against what was sent.
 * The last line of standard output is one JSON object: {"phases": [...], ...}, or {"invalid": "why"}. Exit 0; 2 usage; 3 no logon; 5 invalid. */
#include "histogram.h"
#include "venue.h"
#include <poll.h>
#include <stdarg.h>

enum { IN_FLIGHT_MAX = 1 << 16, PASS_MAX = 200, LINGER_MS = 20, LOGON_S = 10, PHASES_MAX = 16, CL_ORD_ID_SIZE = 13 };

struct load {
    struct venue venue;
    struct session session;
    bool direct, block;
    uint16_t port;
    pid_t gateway;
    uint64_t settle_ns, patience_ns;
    uint64_t sent, answered, quantity[2], progress_ns, idle;
    uint64_t due_ns[IN_FLIGHT_MAX];
    char order[256], *id_at, *side_at, *quantity_at, *time_at, exec_id[64];
    size_t order_size, exec_id_size;
    struct histogram latency;
};
static struct load L;

_Noreturn static void invalid(const char *why, const struct message *m) {
    char text[1024];
    int n = m ? snprintf(text, sizeof text, "%s: %.*s", why, (int)(m->size < 600 ? m->size : 600), m->text) : snprintf(text, sizeof text, "%s", why);
    for (int i = 0; i < n; i++)
        text[i] = text[i] == SOH ? '|' : text[i] == '"' || text[i] == '\\' ? '\'' : text[i] < ' ' || text[i] > '~' ? '?' : text[i];
    printf("\n{\"invalid\": \"%s\"}\n", text);
    exit(5);
}
_Noreturn static void invalid_count(const char *format, ...) {
    char why[512];
    va_list a;
    va_start(a, format);
    vsnprintf(why, sizeof why, format, a);
    va_end(a);
    invalid(why, NULL);
}
typedef unsigned long long ull;

/* ---- orders out, reports in ------------------------------------------------------------------------------------- */

/* Buys and sells in turn, in pairs of one quantity: a position stays below 1,000 and a sum of quantities says something. */
static uint64_t quantity_of(uint64_t index) { return 100 + index / 2 % 900; }

static void order_template(void) {
    static const char text[] = "11=ORD0000000000\0011=ACC12345\00121=1\00155=MSFT\00154=1\00138=100\00140=2\00144=415.25\00159=0\001"
                               "15=USD\001207=XNAS\00160=00000000-00:00:00.000\001";
    L.order_size = sizeof text - 1;
    memcpy(L.order, text, L.order_size);
    L.id_at = L.order + 6;
    L.side_at = strstr(L.order, "\00154=") + 4;
    L.quantity_at = strstr(L.order, "\00138=") + 4;
    L.time_at = strstr(L.order, "\00160=") + 4;
}
static bool can_send(void) { return L.sent - L.answered < IN_FLIGHT_MAX && link_room(&L.session.link) > MESSAGE_ROOM; }
static void send_order(uint64_t due_ns) {
    uint64_t quantity = quantity_of(L.sent), side = L.sent & 1;
    put_digits(L.id_at, L.sent + 1, CL_ORD_ID_SIZE - 3);
    put_digits(L.quantity_at, quantity, 3);
    *L.side_at = (char)('1' + side);
    put_stamp(&L.session.stamp, L.time_at);
    session_put(&L.session, "D", L.order, L.order_size);
    if (L.sent == L.answered) L.progress_ns = due_ns;
    L.due_ns[L.sent++ % IN_FLIGHT_MAX] = due_ns;
    L.quantity[side] += quantity;
}
static void on_report(const struct message *m, uint64_t now) {
    struct span id = value_of(m, CL_ORD_ID), exec = value_of(m, EXEC_ID);
    int64_t quantity = (int64_t)quantity_of(L.answered) * 10000;
    if (id.size != CL_ORD_ID_SIZE || memcmp(id.at, "ORD", 3)) invalid("invented: a report with a ClOrdID that was never sent", m);
    uint64_t index = digits_of(id.at + 3, id.size - 3) - 1;
    if (char_of(m, ORD_STATUS) == '8') invalid("denied: an order got 39=8", m);
    if (index < L.answered) invalid("doubled: a report for an order that was over", m);
    if (index >= L.sent) invalid("invented: a report with a ClOrdID that was never sent", m);
    if (index != L.answered) invalid("lost or out of order: a report for a later order than the one due", m);
    if (index >= L.venue.orders) invalid("invented: a report for an order that has not reached the venue", m);
    if (!is_text(m, EXEC_TYPE, "F") || !is_text(m, ORD_STATUS, "2")) invalid("altered: the venue gave 150=F and 39=2", m);
    if (decimal_of(m, ORDER_QTY) != quantity || decimal_of(m, CUM_QTY) != quantity || decimal_of(m, LAST_QTY) != quantity || decimal_of(m, LEAVES_QTY) != 0)
        invalid("altered: 38, 14, 32 or 151 is not that of the order", m);
    if (decimal_of(m, LAST_PX) != 4152500 || decimal_of(m, AVG_PX) != 4152500) invalid("altered: 31 or 6 is not the price", m);
    if (char_of(m, SIDE) != (char)('1' + (index & 1)) || !is_text(m, SYMBOL, "MSFT")) invalid("altered: 54 or 55 is not that of the order", m);
    if (!m->field[ORDER_ID].size || !exec.size || exec.size > sizeof L.exec_id) invalid("altered: no OrderID or no ExecID", m);
    if (exec.size == L.exec_id_size && !memcmp(exec.at, L.exec_id, exec.size)) invalid("altered: ExecID is that of the report before", m);
    memcpy(L.exec_id, exec.at, exec.size);
    L.exec_id_size = exec.size;
    histogram_add(&L.latency, now - L.due_ns[L.answered++ % IN_FLIGHT_MAX]);
    L.progress_ns = now;
}
static void read_reports(void) {
    const char *p, *fault = NULL;
    ssize_t n = 0;
    struct message m;
    if (!link_fill(&L.session.link)) return;
    for (uint64_t now = now_ns(); (n = link_take(&L.session.link, &p)) > 0;) {
        if ((fault = index_message(&m, p, (size_t)n))) invalid(fault, &(struct message){.text = p, .size = (size_t)n});
        bool business = session_take(&L.session, &m, &fault);
        if (fault) invalid(fault, &m);
        if (business && char_of(&m, MSG_TYPE) != '8') invalid("the strategy got a message that is no report", &m);
        if (business) on_report(&m, now);
    }
    if (n < 0) invalid("the strategy got bytes that are no FIX", NULL);
}
static void seldom(void) {
    uint64_t now = now_ns(), waiting = L.sent - L.answered;
    session_idle(&L.session, now);
    session_idle(&L.venue.session, now);
    if (L.session.over || L.venue.session.over) invalid("the gateway logged out", NULL);
    if (waiting && now > L.progress_ns + L.patience_ns)
        invalid_count("lost: %llu of %llu orders unanswered, no report for %llu ms; the venue received %llu", (ull)waiting, (ull)L.sent,
                      (ull)(L.patience_ns / 1000000), (ull)L.venue.orders);
}
static void step(void) {
    venue_step(&L.venue);
    session_flush(&L.session);
    if (L.block) {
        struct session *v = &L.venue.session;
        struct pollfd p[2] = {{.fd = L.session.link.fd, .events = POLLIN}, {.fd = v->self ? v->link.fd : L.venue.listener, .events = POLLIN}};
        if (link_pending(&L.session.link)) p[0].events |= POLLOUT;
        if (v->self && link_pending(&v->link)) p[1].events |= POLLOUT;
        poll(p, 2, 1);
        venue_step(&L.venue);
    }
    read_reports();
    if (L.session.link.closed && L.session.logged_on) invalid("the gateway closed the connection of the strategy", NULL);
    if (!(++L.idle & 1023) || (L.block && !(L.idle & 63))) seldom();
}
static void step_for(uint64_t ns) {
    for (uint64_t end = now_ns() + ns; now_ns() < end;) step();
}

/* ---- phases ----------------------------------------------------------------------------------------------------- */

struct phase { char name[12]; uint64_t orders, ns, parameter; };

static void run_pingpong(const struct phase *f) {
    uint64_t first = L.sent;
    for (uint64_t now, end = now_ns() + f->ns; (now = now_ns()) < end && L.sent - first < f->orders;) {
        send_order(now);
        while (L.answered < L.sent) step();
    }
}
static void run_burst(const struct phase *f) {
    uint64_t first = L.sent;
    for (uint64_t now, end = now_ns() + f->ns; (now = now_ns()) < end && L.sent - first < f->orders; step())
        while (L.sent - L.answered < f->parameter && can_send() && L.sent - first < f->orders) send_order(now);
}
static void run_rate(const struct phase *f) {
    double gap = 1e9 / (double)f->parameter;
    uint64_t start = now_ns() + 1000000, give_up = start + 1000000000u + (uint64_t)(2 * gap * (double)f->orders), i = 0;
    for (uint64_t now; i < f->orders; step()) {
        if ((now = now_ns()) > give_up)
            invalid_count("unsent: %llu of %llu orders could not leave in twice the time they were due in", (ull)(f->orders - i), (ull)f->orders);
        for (int n = PASS_MAX; n && i < f->orders && can_send() && now >= start + (uint64_t)((double)i * gap); n--, i++)
            send_order(start + (uint64_t)((double)i * gap));
    }
}
static void audit(void) {
    struct venue *v = &L.venue;
    if (v->orders != L.sent || v->quantity[0] != L.quantity[0] || v->quantity[1] != L.quantity[1])
        invalid_count("%s: sent %llu orders (bought %llu, sold %llu), the venue received %llu (bought %llu, sold %llu)",
                      v->orders > L.sent ? "doubled" : v->orders < L.sent ? "lost" : "altered", (ull)L.sent, (ull)L.quantity[0], (ull)L.quantity[1],
                      (ull)v->orders, (ull)v->quantity[0], (ull)v->quantity[1]);
}
/* CPU time of all threads of the gateway: what /proc/PID/stat sums up, without its rounding to clock ticks. */
static uint64_t gateway_cpu_ns(void) {
    clockid_t id;
    return L.gateway && !clock_getcpuclockid(L.gateway, &id) ? clock_ns(id) : 0;
}
static void run_phase(const struct phase *f, const char *separator) {
    uint64_t first = L.sent, cpu = gateway_cpu_ns(), start = now_ns();
    histogram_clear(&L.latency);
    (!strcmp(f->name, "pingpong") ? run_pingpong : !strcmp(f->name, "burst") ? run_burst : run_rate)(f);
    while (L.answered < L.sent) step();
    double seconds = (double)(now_ns() - start) / 1e9, orders = (double)(L.sent - first);
    cpu = gateway_cpu_ns() - cpu;
    step_for(LINGER_MS * 1000000ull);                          /* a report or an order too many shows itself here */
    audit();
    printf("%s{\"phase\": \"%s\", \"parameter\": %llu, \"orders\": %.0f, \"seconds\": %.6f, \"per_second\": %.0f, \"p50_ns\": %llu, \"p99_ns\": %llu, "
           "\"p999_ns\": %llu, \"max_ns\": %llu, \"gateway_cpu_ns\": %.0f}",
           separator, f->name, (ull)f->parameter, orders, seconds, orders / seconds, (ull)histogram_at(&L.latency, .5), (ull)histogram_at(&L.latency, .99),
           (ull)histogram_at(&L.latency, .999), (ull)L.latency.max, (double)cpu / (orders > 0 ? orders : 1));
}

/* ---- start ------------------------------------------------------------------------------------------------------ */

static void connect_strategy(void) {
    int fd = dial(L.port);
    if (fd < 0) return;
    session_open(&L.session, fd, "STRAT", L.direct ? "VENUE" : "GW", false);
    session_logon(&L.session);
}
static void log_on(void) {
    uint64_t end = now_ns() + LOGON_S * 1000000000ull;
    L.session.link.closed = true;
    while (!L.session.logged_on || !L.venue.session.logged_on) {
        if (L.session.link.closed) {
            if (L.session.self) close(L.session.link.fd);
            L.session.self = NULL;
            connect_strategy();
            if (!L.session.self) { venue_step(&L.venue); usleep(20000); }
        } else step();
        if (now_ns() > end) {
            printf("{\"invalid\": \"no logon in %d s: strategy %s, venue %s\"}\n", LOGON_S, L.session.logged_on ? "yes" : "no", L.venue.session.logged_on ? "yes" : "no");
            exit(3);
        }
    }
}
_Noreturn static void usage(const char *what) {
    fprintf(stderr, "load: %s: see the head of load.c\n", what);
    exit(2);
}
static struct phase parse_phase(const char *text) {
    struct phase f = {.orders = UINT64_MAX, .ns = UINT64_MAX / 2, .parameter = 1};
    double length = 0, parameter = 1;
    char unit = 's';
    const char *colon = strchr(text, ':');
    if (!colon || colon - text > 10) usage(text);
    memcpy(f.name, text, (size_t)(colon - text));
    bool pingpong = !strcmp(f.name, "pingpong"), rate = !strcmp(f.name, "rate");
    char *rest;
    length = strtod(colon + 1, &rest);
    if (*rest == 'n') unit = *rest++;
    if (*rest == ':') parameter = strtod(rest + 1, &rest);
    if (*rest || length <= 0 || parameter < 1 || (!pingpong && !rate && strcmp(f.name, "burst"))) usage(text);
    f.parameter = (uint64_t)parameter;
    if (unit == 'n') f.orders = (uint64_t)length;
    else if (rate) f.orders = (uint64_t)(length * parameter);
    else f.ns = (uint64_t)(length * 1e9);
    return f;
}
int main(int argc, char **argv) {
    struct phase phase[PHASES_MAX];
    size_t phases = 0;
    L.venue.listener = -1;
    L.settle_ns = 150 * 1000000ull;
    L.patience_ns = 5000 * 1000000ull;
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (!strcmp(name, "--block")) L.block = true;
        else if (!strcmp(name, "--direct")) L.direct = true;
        else if (name[0] != '-' && phases < PHASES_MAX) phase[phases++] = parse_phase(name);
        else if (!value) usage(name);
        else if (!strcmp(name, "--venue-fd")) L.venue.listener = atoi(argv[++i]);
        else if (!strcmp(name, "--port")) L.port = (uint16_t)atoi(argv[++i]);
        else if (!strcmp(name, "--gateway")) L.gateway = atoi(argv[++i]);
        else if (!strcmp(name, "--settle-ms")) L.settle_ns = strtoull(argv[++i], NULL, 10) * 1000000;
        else if (!strcmp(name, "--patience-ms")) L.patience_ns = strtoull(argv[++i], NULL, 10) * 1000000;
        else usage(name);
    }
    if (L.venue.listener < 0 || !phases) usage("no --venue-fd or no phase");
    if (L.direct) L.port = port_of(L.venue.listener);
    L.venue.peer = L.direct ? "STRAT" : "GW";
    fcntl(L.venue.listener, F_SETFL, O_NONBLOCK);
    order_template();
    log_on();
    step_for(L.settle_ns);
    printf("{\"phases\": [");
    for (size_t i = 0; i < phases; i++) run_phase(&phase[i], i ? ", " : "");
    printf("], \"orders\": %llu, \"bought\": %llu, \"sold\": %llu, \"venue_others\": %llu}\n", (ull)L.sent, (ull)L.quantity[0], (ull)L.quantity[1], (ull)L.venue.others);
    return 0;
}
