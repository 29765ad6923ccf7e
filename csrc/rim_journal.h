/* The journal's writer as a thread: it carries out on files what writer.h names. The only user of the disk beside start and restart. */
#ifndef GW_RIM_JOURNAL_H
#define GW_RIM_JOURNAL_H
#include <stdint.h>
#include "writer.h"

#define GW_JOURNAL_DIR_MAX 4000

/* The two calls whose failure must be tried in tests; each returns -errno on failure. NULL means the kernel's. */
typedef struct gw_disk_calls {
    int64_t (*write_at)(void *ctx, int fd, const uint8_t *from, uint64_t len, uint64_t offset); /* bytes that were written */
    int64_t (*sync)(void *ctx, int fd);
    void *ctx;
} gw_disk_calls;

/* One writer thread. Zero it, fill the upper part, start it. */
typedef struct gw_journal {
    gw_writer *writer;
    char dir[GW_JOURNAL_DIR_MAX];  /* folder of the segments NNNNNNNN.seg and of the spares spare-NNNNNNNN.seg */
    char watermarks[GW_JOURNAL_DIR_MAX]; /* file of the watermarks */
    uint64_t segment_bytes;        /* as the writer's */
    uint64_t poll_ns;              /* longest rest: what is appended without a bell is copied after this */
    uint64_t spare_first;          /* spares spare_first .. spare_end - 1 exist, all of segment_bytes */
    uint64_t spare_end;
    uint32_t prewrite;             /* 1: segments are written once ahead of use */
    int32_t core;                  /* the thread stays on this core; -1: anywhere */
    int32_t bell_fd;               /* an eventfd: the lane rings it */
    int32_t told_fd;               /* an eventfd, or -1: the writer tells that durable_lsn, a watermark, an answer or a failure is new */
    gw_disk_calls calls;
    /* the thread's */
    int32_t dir_fd;
    int32_t segment_fd;
    int32_t direct_fd;             /* the same file, past the page cache; -1: not to be had, or not wanted */
    int32_t watermark_fd;
    int32_t spare_fd;              /* the spare that is being written ahead, -1 = none */
    uint64_t spare_written;        /* bytes of it */
    uint64_t thread;
    uint32_t running;
    uint32_t no_direct;            /* 1: this disk refused it once */
    uint32_t pad_;
} gw_journal;

/* Open folder and watermark file and make the first segment, then start the thread. 0, or -errno (nothing runs). */
int gw_journal_start(gw_journal *journal);
/* Copy and sync what was appended so far, end the thread, close the files. 0, or the writer's failure as in ring->failed. */
uint64_t gw_journal_stop(gw_journal *journal);
/* Map the new file `fd`, to be of `bytes` (a multiple of GW_BLOCK), into memory: its room is taken and its pages are there, large ones (2 MiB) where the system gives them, so that
 * a store neither fails nor waits. *at is where; give it back with gw_journal_unmap. 0, or -errno: 28 (ENOSPC) if there is no room. */
int gw_journal_map(int fd, uint64_t bytes, uint8_t **at);
void gw_journal_unmap(uint8_t *at, uint64_t bytes);
/* 1 if what lies in this file may be written from memory past the page cache, both at multiples of GW_BLOCK. */
int gw_journal_takes_direct(int fd);
/* Wake the writer: after gw_ring_bell said so, or a watermark or a fetch was asked for. */
void gw_journal_ring_bell(gw_journal *journal);

#endif
