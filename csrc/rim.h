/* rim.h: the kernel's rim, and the thread that runs a lane over it. */
#ifndef GW_RIM_H
#define GW_RIM_H
#include <stdint.h>
#include "lane.h"
#include "rim_journal.h"

typedef struct gw_krim {
  gw_rim rim;                 /* what the lane calls; filled by gw_krim_open */
  gw_lane *lane;
  gw_journal *journal;        /* NULL: watermarks are granted at once and nothing is fetched */
  int32_t epoll_fd;
  int32_t wake_fd;            /* an eventfd for the control plane: events wait */
  int32_t bell_fd;            /* an eventfd for the lane: commands wait, or the writer has news */
  int32_t latch_fd;           /* inotify on the latch file */
  int64_t anchor_ns;          /* wall clock - monotonic clock, taken once */
  int64_t spin_ns;            /* INT64_MAX: busy */
  int32_t core;               /* -1: any */
  uint32_t stop, sleeping, running;
  uint32_t woken, pad_;
  const char *latch_path;     /* the caller's; NULL: the lane has the latch that it was given */
  void *latch;                /* as mapped; NULL: there is no whole file at the path, and the firm is dropped */
  uint64_t latch_dev, latch_ino;
  int64_t latch_look_ns;      /* when it was last looked for */
  uint64_t thread, wakeups;
  uint64_t fetched_lsn;       /* the block at `block`: from this lsn on */
  int64_t fetched_len;
  int32_t ticket, pad2_;
  uint8_t *block;             /* the caller's, block_size bytes: old records on their way to a strategy */
  uint64_t block_size;
  int32_t fds[GW_CONNS_MAX];
} gw_krim;

/* Fill the rim and open its descriptors. wake_fd is made here and is the caller's to wait on. 0, or -errno.
 * The latch file at latch_path (which stays the caller's) is mapped when the lane's thread begins, and whatever happens to it then is
 * followed: another file put in its place is taken; one that is gone or has another size is no latch, which drops the firm. */
int gw_krim_open(gw_krim *k, gw_lane *lane, gw_journal *journal, const char *latch_path);
void gw_krim_shut(gw_krim *k);
/* Start the lane's thread: spin for spin_ns after work, then block. 0 or -errno. */
int gw_run_start(gw_krim *k, int64_t spin_ns, int32_t core);
/* Ask it to end after the step it is in, and wait for it. */
void gw_run_stop(gw_krim *k);
/* The same in the caller's thread, until gw_run_stop (from elsewhere) or the lane has stopped. */
int gw_run(gw_krim *k);
/* After gw_cmd_push: wakes a lane that sleeps. */
void gw_krim_bell(gw_krim *k);
/* The control plane has taken the wake-up: the next event wakes it again. */
void gw_krim_woken(gw_krim *k);
/* Accept a descriptor's options: non-blocking, no delay, small unsent queue; socket pairs get a small buffer. 0 or -errno. */
int gw_socket_prepare(int fd, int is_pair);
#endif
