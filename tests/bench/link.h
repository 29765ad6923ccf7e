/* One non-blocking TCP connection with a buffer each way: fill, take whole frames, put, flush. */
#pragma once
#include "fix44.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { IN_SIZE = 1 << 17, OUT_SIZE = 1 << 20, MESSAGE_ROOM = BODY_MAX + 64 };
struct link {
    int fd;
    bool closed;
    size_t in_from, in_to, out_from, out_to;
    char *in, *out;
};

static inline struct sockaddr_in loopback(uint16_t port) {
    return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}
static inline uint16_t port_of(int fd) {
    struct sockaddr_in a = {0};
    socklen_t n = sizeof a;
    return getsockname(fd, (struct sockaddr *)&a, &n) ? 0 : ntohs(a.sin_port);
}
/* A connected socket, or -1. */
static inline int dial(uint16_t port) {
    struct sockaddr_in a = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && !connect(fd, (struct sockaddr *)&a, sizeof a)) return fd;
    if (fd >= 0) close(fd);
    return -1;
}
/* Take over a connected socket; the buffers of an earlier one are used again. */
static inline void link_open(struct link *l, int fd) {
    int one = 1;
    if (!l->in) l->in = calloc(1, IN_SIZE + READ_AHEAD);
    if (!l->out) l->out = calloc(1, OUT_SIZE);
    if (!l->in || !l->out) { fputs("out of memory\n", stderr); exit(2); }
    *l = (struct link){.fd = fd, .in = l->in, .out = l->out};
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(fd, F_SETFL, O_NONBLOCK);
}
/* True when bytes came. Sets closed at the end of the stream. */
static inline bool link_fill(struct link *l) {
    if (l->in_from) {
        memmove(l->in, l->in + l->in_from, l->in_to - l->in_from);
        l->in_to -= l->in_from;
        l->in_from = 0;
    }
    ssize_t got = recv(l->fd, l->in + l->in_to, IN_SIZE - l->in_to, 0);
    if (got > 0) { l->in_to += (size_t)got; return true; }
    if (got == 0 || (errno != EAGAIN && errno != EINTR)) l->closed = true;
    return false;
}
/* The next whole frame in *frame: its size, 0 when there is none yet, -1 when the bytes are no FIX. */
static inline ssize_t link_take(struct link *l, const char **frame) {
    *frame = l->in + l->in_from;
    ssize_t n = frame_size(*frame, l->in_to - l->in_from);
    if (n > 0) l->in_from += (size_t)n;
    return n;
}
static inline size_t link_room(const struct link *l) { return OUT_SIZE - l->out_to; }
static inline bool link_pending(const struct link *l) { return l->out_to != 0; }
static inline void link_flush(struct link *l) {
    while (l->out_from < l->out_to) {
        ssize_t put = send(l->fd, l->out + l->out_from, l->out_to - l->out_from, MSG_NOSIGNAL);
        if (put < 0) {
            if (errno != EAGAIN && errno != EINTR) l->closed = true;
            break;
        }
        l->out_from += (size_t)put;
    }
    if (l->out_from == l->out_to || link_room(l) < OUT_SIZE / 4) {
        memmove(l->out, l->out + l->out_from, l->out_to - l->out_from);
        l->out_to -= l->out_from;
        l->out_from = 0;
    }
}
