/* rim.c: every syscall of the lane: sockets, clock, waiting, and its thread. */
#include "rim.h"
#include "latch.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LOW_WATER = 16384, LATCH_LOOK_NS = 20000000, BELL = 0x10000, LATCH = 0x10001, LONGEST_SLEEP_MS = 50 };

static int64_t monotonic(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}
static int64_t now(void *ctx) { return monotonic() + ((gw_krim *)ctx)->anchor_ns; }
static int64_t recv_(void *ctx, uint32_t conn, uint8_t *buf, uint32_t cap) {
  ssize_t k = recv(((gw_krim *)ctx)->fds[conn], buf, cap, MSG_DONTWAIT);
  if (k > 0) return k;
  if (k < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
  return k == 0 ? -1 : -1 - errno;
}
static int64_t send_(void *ctx, uint32_t conn, const uint8_t *buf, uint32_t n) {
  ssize_t k = send(((gw_krim *)ctx)->fds[conn], buf, n, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (k >= 0) return k;
  return errno == EAGAIN || errno == EINTR ? 0 : -1 - errno;
}
/* What may still be bound: the low-water mark less what the kernel has not sent yet (R5). */
static int64_t budget(void *ctx, uint32_t conn) {
  int unsent = 0;
  if (ioctl(((gw_krim *)ctx)->fds[conn], SIOCOUTQNSD, &unsent) < 0 && ioctl(((gw_krim *)ctx)->fds[conn], SIOCOUTQ, &unsent) < 0) unsent = 0;
  return LOW_WATER - unsent;
}
static int64_t unread(void *ctx, uint32_t conn) {
  int n = 0;
  return ioctl(((gw_krim *)ctx)->fds[conn], FIONREAD, &n) < 0 ? 0 : n;
}
int gw_socket_prepare(int fd, int is_pair) {
  int one = 1, low = LOW_WATER, small = 2 * LOW_WATER, flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) return -errno;
  if (is_pair) return setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small) < 0 ? -errno : 0;
  if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) < 0) return -errno;
  return setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &low, sizeof low) < 0 ? -errno : 0;
}
static void epoll(gw_krim *k, int op, int fd, uint32_t events, uint32_t id) {
  struct epoll_event e = { .events = events, .data.u32 = id };
  epoll_ctl(k->epoll_fd, op, fd, &e);
}
static int attach(void *ctx, uint32_t conn, int64_t fd) {
  gw_krim *k = ctx;
  if (fd < 0) return -1;
  k->fds[conn] = (int)fd;
  int domain = 0;
  socklen_t len = sizeof domain;
  getsockopt((int)fd, SOL_SOCKET, SO_DOMAIN, &domain, &len);
  int rc = gw_socket_prepare((int)fd, domain == AF_UNIX);
  if (rc < 0) return rc;
  epoll(k, EPOLL_CTL_ADD, (int)fd, EPOLLIN, conn);
  return 0;
}
static int move(void *ctx, uint32_t from, uint32_t to) {
  gw_krim *k = ctx;
  k->fds[to] = k->fds[from];
  k->fds[from] = -1;
  struct epoll_event e = { .events = EPOLLIN, .data.u32 = to };
  if (epoll_ctl(k->epoll_fd, EPOLL_CTL_MOD, k->fds[to], &e) < 0) epoll_ctl(k->epoll_fd, EPOLL_CTL_ADD, k->fds[to], &e);
  return 0;
}
static void close_(void *ctx, uint32_t conn) {
  gw_krim *k = ctx;
  if (k->fds[conn] < 0) return;
  epoll(k, EPOLL_CTL_DEL, k->fds[conn], 0, 0);
  close(k->fds[conn]);
  k->fds[conn] = -1;
}
/* A held connection is taken out altogether: its end would be reported for ever. */
static void watch(void *ctx, uint32_t conn, int rd, int wr) {
  gw_krim *k = ctx;
  if (k->fds[conn] < 0) return;
  uint32_t events = (rd ? (uint32_t)EPOLLIN : 0u) | (wr ? (uint32_t)EPOLLOUT : 0u);
  struct epoll_event e = { .events = events, .data.u32 = conn };
  if (events == 0) epoll_ctl(k->epoll_fd, EPOLL_CTL_DEL, k->fds[conn], &e);
  else if (epoll_ctl(k->epoll_fd, EPOLL_CTL_MOD, k->fds[conn], &e) < 0) epoll_ctl(k->epoll_fd, EPOLL_CTL_ADD, k->fds[conn], &e);
}

/* The latch file. Anyone may cut it short while it is mapped, and the next load of the lane is then a SIGBUS: the handler puts a page of
 * zeros there, which reads as a dropped firm, and the step goes on. One lane has one latch; a second one's SIGBUS stays deadly. */
static void *volatile latch_page;
static struct sigaction bus_before;
static void on_bus(int number, siginfo_t *info, void *context) {
  (void)context;
  uintptr_t at = (uintptr_t)info->si_addr, page = (uintptr_t)latch_page;
  if (page && at >= page && at < page + GW_LATCH_BYTES &&
      mmap(latch_page, GW_LATCH_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED) return;
  sigaction(number, &bus_before, NULL);   /* not ours: it happens again, as if we were not there */
}
static void watch_bus(void) {
  static int done;
  if (done) return;
  struct sigaction ours = { .sa_sigaction = on_bus, .sa_flags = SA_SIGINFO | SA_NODEFER };
  done = sigaction(SIGBUS, &ours, &bus_before) == 0;
}
static void forget_latch(gw_krim *k) {
  if (!k->latch) return;
  if (latch_page == k->latch) latch_page = NULL;
  munmap(k->latch, GW_LATCH_BYTES);
  k->latch = NULL;
}
/* The lane has the file that stands at the path now: the one it knows, another one, or none. */
static void look_at_path(gw_krim *k) {
  struct stat at;
  k->latch_look_ns = monotonic();
  int there = stat(k->latch_path, &at) == 0 && at.st_size == GW_LATCH_BYTES;
  if (there && k->latch && (uint64_t)at.st_dev == k->latch_dev && (uint64_t)at.st_ino == k->latch_ino) return;
  gw_lane_latch(k->lane, NULL, 0);
  forget_latch(k);
  int fd = there ? open(k->latch_path, O_RDWR | O_CLOEXEC) : -1;
  if (fd < 0) return;
  void *map = fstat(fd, &at) == 0 && at.st_size == GW_LATCH_BYTES ? mmap(NULL, GW_LATCH_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
  close(fd);
  if (map == MAP_FAILED) return;
  k->latch = latch_page = map;
  k->latch_dev = (uint64_t)at.st_dev;
  k->latch_ino = (uint64_t)at.st_ino;
  if (inotify_add_watch(k->latch_fd, k->latch_path, IN_ATTRIB | IN_MODIFY | IN_MOVE_SELF | IN_DELETE_SELF) < 0) k->latch_look_ns = 0;   /* looked for by itself, a little later */
  gw_lane_latch(k->lane, map, GW_LATCH_BYTES);
  gw_lane_mapped(k->lane, (uint64_t)getpid());
}
static int gather(gw_krim *k, uint16_t *conns, int max, int timeout_ms) {
  struct epoll_event e[64];
  int n = epoll_wait(k->epoll_fd, e, max < 32 ? max : 32, timeout_ms), out = 0;
  for (int i = 0; i < n; i++) {
    uint32_t id = e[i].data.u32;
    if (id >= BELL) {   /* only a wake-up: drained, and looked for by the step */
      uint8_t drop[4096];
      while (read(id == BELL ? k->bell_fd : k->latch_fd, drop, sizeof drop) > 0 && id == LATCH) {}
      if (id == LATCH) look_at_path(k);
      continue;
    }
    if (e[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) conns[out++] = (uint16_t)id;
    if (e[i].events & EPOLLOUT) conns[out++] = (uint16_t)(id | GW_READY_WRITE);
  }
  return out;
}
static int ready(void *ctx, uint16_t *conns, int max) { return gather(ctx, conns, max, 0); }

/* Old records, for a strategy that comes back: read by the writer's thread, a block at a time. */
static const uint8_t *fetch(void *ctx, uint64_t lsn) {
  gw_krim *k = ctx;
  if (!k->journal || !k->block) return NULL;
  if (k->fetched_len > 0) {
    for (int64_t at = 0; at < k->fetched_len;) {
      const gw_rec *r = (const gw_rec *)(const void *)(k->block + at);
      if (r->lsn == lsn) return (const uint8_t *)r;
      if (r->lsn > lsn || r->len < GW_REC_HEAD) break;
      at += r->len;
    }
  }
  if (k->ticket < 0) {
    k->fetched_len = 0;
    k->ticket = gw_fetch_ask(k->journal->writer, lsn, k->block, k->block_size);
    if (k->ticket >= 0) gw_journal_ring_bell(k->journal);
    return NULL;
  }
  int64_t got = gw_fetch_answer(k->journal->writer, k->ticket);
  if (got == 0) return NULL;
  k->ticket = -1;
  k->fetched_len = got > 0 ? got : 0;
  const gw_rec *first = (const gw_rec *)(const void *)k->block;
  return k->fetched_len > 0 && first->lsn == lsn ? k->block : NULL;
}
static void wake(void *ctx) {
  gw_krim *k = ctx;
  if (__atomic_exchange_n(&k->woken, 1u, __ATOMIC_SEQ_CST)) return;
  uint64_t one = 1;
  if (write(k->wake_fd, &one, sizeof one) < 0) __atomic_store_n(&k->woken, 0u, __ATOMIC_RELEASE);
}
void gw_krim_woken(gw_krim *k) {
  uint64_t n;
  while (read(k->wake_fd, &n, sizeof n) > 0) {}
  /* Before the look at the events that follows, or an event that comes between the two would ring no bell. */
  __atomic_store_n(&k->woken, 0u, __ATOMIC_SEQ_CST);
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
}
static uint64_t watermark(void *ctx, uint32_t conn, uint32_t kind, uint64_t want) {
  gw_krim *k = ctx;
  if (!k->journal) return want;
  uint64_t got = gw_watermark_ask(k->journal->writer, conn, (uint16_t)kind, 0, want);
  if (got < want) gw_journal_ring_bell(k->journal);
  return got;
}

int gw_krim_open(gw_krim *k, gw_lane *lane, gw_journal *journal, const char *latch_path) {
  struct timespec wall;
  clock_gettime(CLOCK_REALTIME, &wall);
  k->anchor_ns = (int64_t)wall.tv_sec * 1000000000 + wall.tv_nsec - monotonic();
  k->lane = lane;
  k->journal = journal;
  k->ticket = -1;
  k->latch_path = latch_path;
  k->latch = NULL;
  k->latch_look_ns = 0;
  k->stop = k->sleeping = k->running = k->woken = 0;
  for (uint32_t i = 0; i < GW_CONNS_MAX; i++) k->fds[i] = -1;
  k->rim = (gw_rim){ .ctx = k, .now = now, .recv = recv_, .send = send_, .budget = budget, .unread = unread, .attach = attach, .move = move, .close = close_, .watch = watch, .ready = ready,
    .fetch = fetch, .wake = wake, .watermark = watermark };
  k->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  k->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  k->bell_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  k->latch_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  if (k->epoll_fd < 0 || k->wake_fd < 0 || k->bell_fd < 0 || k->latch_fd < 0) { int e = errno; gw_krim_shut(k); return -e; }
  epoll(k, EPOLL_CTL_ADD, k->bell_fd, EPOLLIN, BELL);
  if (latch_path) { epoll(k, EPOLL_CTL_ADD, k->latch_fd, EPOLLIN, LATCH); watch_bus(); }
  return 0;
}
void gw_krim_shut(gw_krim *k) {
  if (k->latch) gw_lane_latch(k->lane, NULL, 0);
  forget_latch(k);
  for (uint32_t i = 0; i < GW_CONNS_MAX; i++) if (k->fds[i] >= 0) { close(k->fds[i]); k->fds[i] = -1; }
  int32_t *all[] = { &k->epoll_fd, &k->wake_fd, &k->bell_fd, &k->latch_fd };
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) if (*all[i] >= 0) { close(*all[i]); *all[i] = -1; }
}
void gw_krim_bell(gw_krim *k) {
  uint64_t one = 1;
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  if (__atomic_load_n(&k->sleeping, __ATOMIC_ACQUIRE) && write(k->bell_fd, &one, sizeof one) < 0) return;
}
int gw_run(gw_krim *k) {
  if (k->latch_path) look_at_path(k); else gw_lane_mapped(k->lane, (uint64_t)getpid());
  int64_t quiet_since = monotonic();
  while (!__atomic_load_n(&k->stop, __ATOMIC_ACQUIRE)) {
    if (k->latch_path && !k->latch && monotonic() - k->latch_look_ns > LATCH_LOOK_NS) look_at_path(k);
    int work = gw_step(k->lane);
    if (k->journal && gw_ring_bell(k->journal->writer->ring, gw_lane_urgent(k->lane))) gw_journal_ring_bell(k->journal);
    if (work) { quiet_since = monotonic(); continue; }
    if (gw_lane_stopped(k->lane)) { usleep(1000); continue; }   /* nobody takes what is ready any more: no waiting for it */
    if (k->spin_ns == INT64_MAX) continue;
    if (monotonic() - quiet_since < k->spin_ns) continue;
    int64_t left = gw_idle_ns(k->lane, LONGEST_SLEEP_MS * 1000000ll);
    __atomic_store_n(&k->sleeping, 1u, __ATOMIC_SEQ_CST);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);   /* who pushes looks at `sleeping` behind the same fence: one of the two sees the other */
    if (!gw_lane_has_commands(k->lane)) {
      struct epoll_event e;
      epoll_wait(k->epoll_fd, &e, 1, left <= 0 ? 0 : (int)((left + 999999) / 1000000));   /* what is ready stays ready for the step */
    }
    __atomic_store_n(&k->sleeping, 0u, __ATOMIC_SEQ_CST);
    k->wakeups++;
    quiet_since = monotonic();
  }
  return 0;
}
static void *thread(void *x) {
  gw_krim *k = x;
  if (k->core >= 0) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((unsigned)k->core, &set);
    pthread_setaffinity_np(pthread_self(), sizeof set, &set);
  }
  gw_run(k);
  return NULL;
}
int gw_run_start(gw_krim *k, int64_t spin_ns, int32_t core) {
  k->spin_ns = spin_ns;
  k->core = core;
  __atomic_store_n(&k->stop, 0u, __ATOMIC_RELEASE);
  pthread_t t;
  int rc = pthread_create(&t, NULL, thread, k);
  if (rc) return -rc;
  k->thread = (uint64_t)t;
  k->running = 1;
  return 0;
}
void gw_run_stop(gw_krim *k) {
  if (!k->running) return;
  __atomic_store_n(&k->stop, 1u, __ATOMIC_RELEASE);
  uint64_t one = 1;
  if (write(k->bell_fd, &one, sizeof one) < 0) {}   /* it rings already */
  pthread_join((pthread_t)k->thread, NULL);
  k->running = 0;
}
