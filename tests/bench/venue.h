/* The venue of the bench: fills every order at once and counts what arrived.
 *
 * An order gets one report, 150=F and 39=2 at its own price. OrderMassStatusRequest gets one report saying that nothing is
 * open (911=0, 912=Y, 150=I); FIX 4.4 wants a status, a side and a symbol there and has none for "no order", so 39=4, 54=7 and
 * 55=[N/A] stand for an order that is over with nothing done. Other application messages get 35=j with 380=3.
 * The includer gives invalid(), which ends a run. */
#pragma once
#include "session.h"

struct venue {
    int listener;
    const char *peer;                                     /* the CompID that logs on here */
    struct session session;
    uint64_t orders, quantity[2], exec_ids, others;       /* quantity: bought, sold */
};
_Noreturn static void invalid(const char *why, const struct message *m);

static inline void venue_fill(struct venue *v, const struct message *m) {
    int64_t quantity = decimal_of(m, ORDER_QTY);
    char side = char_of(m, SIDE);
    if (!has(m, CL_ORD_ID) || m->field[CL_ORD_ID].size > 64 || quantity <= 0 || quantity % 10000 || (side != '1' && side != '2') ||
        !is_text(m, SYMBOL, "MSFT") || !is_text(m, ORD_TYPE, "2") || decimal_of(m, PRICE) != 4152500)
        invalid("altered: the venue got an order without 11, 38, 54, 55=MSFT, 40=2 or 44=415.25", m);
    v->orders++;
    v->quantity[side - '1'] += (uint64_t)quantity / 10000;
    char ids[64], *o = put_digits(PUT_TEXT(ids, "37=V"), v->orders, 9);
    o = put_digits(PUT_TEXT(o, "\00117=E"), ++v->exec_ids, 9);
    o = PUT_TEXT(o, "\00111=");
    static const char terms[] = "\0011=ACC12345\00155=MSFT\00140=2\00144=415.25\00159=0\001150=F\00139=2\001151=0\00131=415.25\0016=415.25\00154=";
    struct span q = value_of(m, ORDER_QTY), report[] = {
        {ids, (size_t)(o - ids)}, value_of(m, CL_ORD_ID), {terms, sizeof terms - 1}, {&side, 1},
        {"\00138=", 4}, q, {"\00132=", 4}, q, {"\00114=", 4}, q, {"\00160=", 4}, value_of(m, SENDING_TIME), {"\001", 1}};
    session_put_parts(&v->session, "8", report, sizeof report / sizeof *report);
}
static inline void venue_other(struct venue *v, const struct message *m) {
    char body[256];
    int n;
    struct span id = value_of(m, MASS_STATUS_REQ_ID), type = value_of(m, MSG_TYPE);
    v->others++;
    if (is_text(m, MSG_TYPE, "AF") && has(m, MASS_STATUS_REQ_ID) && id.size <= 64) {
        n = snprintf(body, sizeof body, "37=NONE\001584=%.*s\001911=0\001912=Y\00117=E%09llu\001150=I\00139=4\00155=[N/A]\00154=7\001151=0\00114=0\0016=0\001",
                     (int)id.size, id.at, (unsigned long long)++v->exec_ids);
        session_put(&v->session, "8", body, (size_t)n);
    } else {
        n = snprintf(body, sizeof body, "45=%llu\001372=%.*s\001380=3\00158=this venue knows orders and mass status only\001",
                     (unsigned long long)uint_of(m, MSG_SEQ_NUM), type.size < 8 ? (int)type.size : 8, type.at);
        session_put(&v->session, "j", body, (size_t)n);
    }
}
/* Accept, read, answer, send, whatever there is to do; never waits. */
static inline void venue_step(struct venue *v) {
    struct session *s = &v->session;
    if (s->link.closed && !s->logged_on) { close(s->link.fd); s->self = NULL; }    /* gone before its Logon: it may come again */
    if (!s->self) {
        int fd = accept4(v->listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0) return;
        session_open(s, fd, "VENUE", v->peer, true);
    }
    const char *p, *fault = NULL;
    ssize_t n = 0;
    struct message m;
    if (link_room(&s->link) > OUT_SIZE / 2 && link_fill(&s->link))
        while ((n = link_take(&s->link, &p)) > 0) {
            if ((fault = index_message(&m, p, (size_t)n))) invalid(fault, &(struct message){.text = p, .size = (size_t)n});
            bool business = session_take(s, &m, &fault);
            if (fault) invalid(fault, &m);
            if (!business) continue;
            if (char_of(&m, MSG_TYPE) == 'D') venue_fill(v, &m);
            else if (char_of(&m, MSG_TYPE) == '3' || char_of(&m, MSG_TYPE) == 'j') invalid("the gateway rejected a message of the venue", &m);
            else venue_other(v, &m);
        }
    if (n < 0) invalid("the venue got bytes that are no FIX", NULL);
    if (s->link.closed && s->logged_on) invalid("the gateway closed its connection to the venue", NULL);
    session_flush(s);
}
