/* One FIX 4.4 session over a link: numbers and stamps what goes out, answers what is not business. */
#pragma once
#include "link.h"

enum { IDS_MAX = 64, QUIET_NS = 25 * 1000000000ll };        /* a heartbeat after 25 s of silence: all sessions here agree on 108=30 */
struct session {
    struct link link;
    bool acceptor, logged_on, over;
    uint64_t next_in, next_out, last_sent_ns;
    const char *self, *peer;
    size_t ids_size;
    char ids[IDS_MAX];
    struct stamp stamp;
};
static const char LOGON_BODY[] = "98=0\001108=30\001141=Y\001";

static inline void session_open(struct session *s, int fd, const char *self, const char *peer, bool acceptor) {
    struct link l = s->link;
    link_open(&l, fd);
    *s = (struct session){.link = l, .acceptor = acceptor, .next_in = 1, .next_out = 1, .self = self, .peer = peer};
    s->ids_size = (size_t)snprintf(s->ids, IDS_MAX, "\00149=%s\00156=%s\00152=", self, peer);
}

/* Put one message into the link's buffer: a header with this number, then the parts of the body, then the checksum. */
static inline void session_put_as(struct session *s, uint64_t seq, const char *msg_type, const struct span *part, size_t parts) {
    size_t type_size = strlen(msg_type), seq_size = digit_count(seq);
    size_t body = 3 + type_size + 4 + seq_size + s->ids_size + STAMP_SIZE + 1;
    for (size_t i = 0; i < parts; i++) body += part[i].size;
    char *start = s->link.out + s->link.out_to, *o = PUT_TEXT(start, FIX_BEGIN);
    o = put_digits(o, body, digit_count(body));
    o = put_bytes(PUT_TEXT(o, "\00135="), msg_type, type_size);
    o = put_digits(PUT_TEXT(o, "\00134="), seq, seq_size);
    o = put_stamp(&s->stamp, put_bytes(o, s->ids, s->ids_size));
    *o++ = SOH;
    for (size_t i = 0; i < parts; i++) o = put_bytes(o, part[i].at, part[i].size);
    uint8_t sum = byte_sum(start, (size_t)(o - start));
    o = put_digits(PUT_TEXT(o, "10="), sum, 3);
    *o++ = SOH;
    s->link.out_to = (size_t)(o - s->link.out);
}
static inline void session_put_parts(struct session *s, const char *msg_type, const struct span *part, size_t parts) {
    session_put_as(s, s->next_out++, msg_type, part, parts);
}
static inline void session_put(struct session *s, const char *msg_type, const char *body, size_t size) {
    session_put_parts(s, msg_type, &(struct span){body, size}, 1);
}
static inline void session_logon(struct session *s) { session_put(s, "A", LOGON_BODY, sizeof LOGON_BODY - 1); }

/* One gap fill over everything from `first`: nothing here is worth sending again. */
static inline void session_gap_fill(struct session *s, uint64_t first) {
    char body[64];
    int n = snprintf(body, sizeof body, "43=Y\001123=Y\00136=%llu\001", (unsigned long long)s->next_out);
    session_put_as(s, first, "4", &(struct span){body, (size_t)n}, 1);
}

/* Take a message's number and, when it is the session's own business, the message. True: it is left to the caller.
 * *fault says what is wrong with it, if anything. */
static inline bool session_take(struct session *s, const struct message *m, const char **fault) {
    uint64_t seq = uint_of(m, MSG_SEQ_NUM);
    char type = char_of(m, MSG_TYPE);
    *fault = NULL;
    if (!is_text(m, SENDER_COMP_ID, s->peer) || !is_text(m, TARGET_COMP_ID, s->self)) { *fault = "wrong SenderCompID or TargetCompID"; return false; }
    if (type == 'A') {
        if (s->logged_on || !has(m, HEART_BT_INT) || !is_text(m, ENCRYPT_METHOD, "0")) { *fault = "a Logon again, or without 98=0 and 108"; return false; }
        s->next_in = seq + 1;
        s->logged_on = true;
        if (s->acceptor) session_logon(s);
        return false;
    }
    if (!s->logged_on) { *fault = "a message before Logon"; return false; }
    if (type == '4') { s->next_in = uint_of(m, NEW_SEQ_NO); return false; }
    if (seq != s->next_in) { *fault = "a gap in MsgSeqNum"; return false; }
    s->next_in++;
    struct span test = {m->text + m->field[TEST_REQ_ID].at - 4, (size_t)m->field[TEST_REQ_ID].size + 5};    /* 112=…SOH whole */
    switch (type) {
    case '0': return false;
    case '1': if (has(m, TEST_REQ_ID)) session_put_parts(s, "0", &test, 1); return false;
    case '2': session_gap_fill(s, uint_of(m, BEGIN_SEQ_NO)); return false;
    case '5': if (!s->over) session_put(s, "5", "", 0); s->over = true; return false;
    default: return true;
    }
}
static inline void session_flush(struct session *s) {
    if (link_pending(&s->link)) { link_flush(&s->link); s->last_sent_ns = 0; }
}
/* Call now and then: a heartbeat when nothing was sent for QUIET_NS. */
static inline void session_idle(struct session *s, uint64_t now) {
    if (!s->last_sent_ns) s->last_sent_ns = now;
    if (s->logged_on && now - s->last_sent_ns > QUIET_NS) session_put(s, "0", "", 0);
}
