/* See rim_journal.h. Every syscall of the journal; what to do next is decided in writer.c. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "rim_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define AHEAD 262144u /* bytes of a spare that are written at once, between two looks at the ring */
#define NAME_MAX_BYTES 40

static const uint8_t zeros[AHEAD];

static uint64_t monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int64_t kernel_write_at(void *ctx, int fd, const uint8_t *from, uint64_t len, uint64_t offset)
{
    (void)ctx;
    const ssize_t n = pwrite(fd, from, len, (off_t)offset);
    return n < 0 ? -errno : n;
}

static int64_t kernel_sync(void *ctx, int fd)
{
    (void)ctx;
    return fdatasync(fd) ? -errno : 0;
}

static void close_if_open(int32_t *fd)
{
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

/* A signal, or room for a part only, is no failure; a write that takes nothing is. */
static int64_t write_all(const gw_journal *j, int fd, const uint8_t *from, uint64_t len, uint64_t offset)
{
    while (len) {
        const int64_t n = j->calls.write_at(j->calls.ctx, fd, from, len, offset);
        if (n == -EINTR) continue;
        if (n <= 0) return n ? n : -EIO;
        from += n;
        len -= (uint64_t)n;
        offset += (uint64_t)n;
    }
    return 0;
}

/* Direct writes. A long run goes from the ring to the disk without the copy into the page cache, which is nearly all that a buffered write
 * costs. Only whole blocks go so, and what is left of the run at both ends through the page cache: no page takes both ways, so nothing is
 * flushed or thrown away first. open(2) leaves it to the file system that buffered readers see what was written directly: those of Linux
 * that take it drop the cached pages of the range before such a write returns, and writers and readers here share no mapping of a segment
 * that is being written. The ring is shared memory: what open(2) says of fork and private mappings does not touch it. Durable is either
 * kind of bytes by fdatasync alone. */

int gw_journal_takes_direct(int fd)
{
#ifdef STATX_DIOALIGN
    struct statx x;
    if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &x) || !(x.stx_mask & STATX_DIOALIGN)) return 0;
    if (!x.stx_dio_mem_align || !x.stx_dio_offset_align) return 0;
    return GW_BLOCK % x.stx_dio_mem_align == 0 && GW_BLOCK % x.stx_dio_offset_align == 0;
#else
    (void)fd;
    return 0;
#endif
}

/* Whole blocks. The bytes that were written, or -errno; fewer where the rest goes the other way: for good where the disk refused, this
 * time only where it took a part that ends inside a block. */
static int64_t write_direct(gw_journal *j, const uint8_t *from, uint64_t len, uint64_t offset)
{
    uint64_t done = 0;
    while (done < len && done % GW_BLOCK == 0) {
        const int64_t n = j->calls.write_at(j->calls.ctx, j->direct_fd, from + done, len - done, offset + done);
        if (n == -EINTR) continue;
        if (n == -EINVAL || n == -EOPNOTSUPP) { /* refused as such, before anything was tried */
            j->no_direct = 1;
            close_if_open(&j->direct_fd);
            break;
        }
        if (n <= 0) return n ? n : -EIO;
        done += (uint64_t)n;
    }
    return (int64_t)done;
}

static int64_t write_segment(gw_journal *j, const uint8_t *from, uint64_t len, uint64_t offset)
{
    const uint64_t before = (GW_BLOCK - offset % GW_BLOCK) % GW_BLOCK;
    const int lies_right = ((uintptr_t)from - offset) % GW_BLOCK == 0;
    if (j->direct_fd < 0 || len < j->writer->direct_min || !lies_right || len < before + GW_BLOCK) return write_all(j, j->segment_fd, from, len, offset);
    int64_t n = write_all(j, j->segment_fd, from, before, offset);
    if (n < 0) return n;
    n = write_direct(j, from + before, (len - before) / GW_BLOCK * GW_BLOCK, offset + before);
    if (n < 0) return n;
    const uint64_t done = before + (uint64_t)n;
    return write_all(j, j->segment_fd, from + done, len - done, offset + done);
}

static int64_t read_all(int fd, uint8_t *to, uint64_t len, uint64_t offset)
{
    uint64_t got = 0;
    while (got < len) {
        const ssize_t n = pread(fd, to + got, len - got, (off_t)(offset + got));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -errno;
        if (!n) break;
        got += (uint64_t)n;
    }
    return (int64_t)got;
}

static void segment_name(char *name, uint64_t number) { snprintf(name, NAME_MAX_BYTES, "%08llu.seg", (unsigned long long)number); }
static void spare_name(char *name, uint64_t number) { snprintf(name, NAME_MAX_BYTES, "spare-%08llu.seg", (unsigned long long)number); }

/* The ring's memory -------------------------------------------------------------------------------------------------------- */

#define LARGE ((uint64_t)2 << 20) /* bytes of a large page; where they are of another size there are none here */
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* since Linux 6.1; an older one refuses it */
#endif

/* Take room in the file: of each large page so much. A signal is no failure, and costs no more than the piece at hand: some kernels let go of it. */
static int take_room(int fd, uint64_t bytes, uint64_t of_each)
{
    for (uint64_t at = 0; at < bytes; at += LARGE) {
        const uint64_t left = bytes - at;
        int error;
        do error = posix_fallocate(fd, (off_t)at, (off_t)(left < of_each ? left : of_each));
        while (error == EINTR);
        if (error) return error;
    }
    return 0;
}

/* A mapping of fd that begins at a large page's boundary, as a large page of the file does: cut out of one that is larger. */
static uint8_t *map_aligned(int fd, uint64_t bytes)
{
    const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), whole = (bytes + page - 1) / page * page;
    uint8_t *const room = mmap(NULL, whole + LARGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED) return NULL;
    const uint64_t before = (LARGE - (uintptr_t)room % LARGE) % LARGE;
    uint8_t *const at = mmap(room + before, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
    const int error = errno;
    if (at == MAP_FAILED) munmap(room, whole + LARGE);
    else {
        if (before) munmap(room, before);
        munmap(at + whole, LARGE - before);
    }
    errno = error;
    return at == MAP_FAILED ? NULL : at;
}

int gw_journal_map(int fd, uint64_t bytes, uint8_t **at)
{
    struct statvfs disk;
    if (ftruncate(fd, (off_t)bytes)) return -errno;
    if (fstatvfs(fd, &disk) == 0 && disk.f_blocks && disk.f_bavail < bytes / disk.f_frsize) return -ENOSPC; /* before it takes what there is */
    /* One small page of each large one is enough to ask for it, and costs less than to take all small ones first. */
    int error = take_room(fd, bytes / LARGE * LARGE, GW_BLOCK);
    if (error) return -error;
    uint8_t *const p = map_aligned(fd, bytes);
    if (!p) return -errno;
    if (bytes >= LARGE) (void)madvise(p, bytes / LARGE * LARGE, MADV_COLLAPSE); /* refused: it is only slower */
    error = take_room(fd, bytes, LARGE);
    if (error) {
        gw_journal_unmap(p, bytes);
        return -error;
    }
    for (uint64_t page = 0; page < bytes; page += GW_BLOCK) *(volatile uint8_t *)(p + page) = 0; /* in this process' tables as well */
    *at = p;
    return 0;
}

void gw_journal_unmap(uint8_t *at, uint64_t bytes) { munmap(at, bytes); }

/* Segments ----------------------------------------------------------------------------------------------------------------- */

/* A new spare, its room on the disk taken but not yet written. */
static int64_t make_spare(gw_journal *j)
{
    char name[NAME_MAX_BYTES];
    spare_name(name, j->spare_end);
    const int fd = openat(j->dir_fd, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return -errno;
    const int error = posix_fallocate(fd, 0, (off_t)j->segment_bytes);
    if (error) {
        close(fd);
        unlinkat(j->dir_fd, name, 0);
        return -error;
    }
    j->spare_end++;
    j->spare_fd = fd;
    j->spare_written = 0;
    return 0;
}

/* Write the next part of the spare. 1 while there is more to write. */
static int write_ahead(gw_journal *j)
{
    const uint64_t left = j->segment_bytes - j->spare_written;
    const uint64_t len = left < AHEAD ? left : AHEAD;
    /* Nothing depends on it: where it fails, the segment is used as it is, and says so itself. */
    if (len && write_all(j, j->spare_fd, zeros, len, j->spare_written) == 0) {
        sync_file_range(j->spare_fd, (off_t)j->spare_written, (off_t)len, SYNC_FILE_RANGE_WRITE); /* so that the first sync finds it written */
        j->spare_written += len;
        return 1;
    }
    close_if_open(&j->spare_fd);
    return 0;
}

/* A segment has its head on the disk before it has its name, and its name before it has a record. */
static int64_t begin_segment(gw_journal *j, const gw_io *io)
{
    char spare[NAME_MAX_BYTES], name[NAME_MAX_BYTES];
    int64_t rc;
    if (j->spare_first == j->spare_end && (rc = make_spare(j)) < 0) return rc;
    spare_name(spare, j->spare_first);
    segment_name(name, io->number);
    close_if_open(&j->spare_fd);
    close_if_open(&j->segment_fd);
    close_if_open(&j->direct_fd);
    j->segment_fd = openat(j->dir_fd, spare, O_RDWR | O_CLOEXEC);
    if (j->segment_fd < 0) return -errno;
    if (j->writer->direct_min && !j->no_direct && gw_journal_takes_direct(j->segment_fd)) {
        j->direct_fd = openat(j->dir_fd, spare, O_WRONLY | O_DIRECT | O_CLOEXEC); /* without it everything goes the other way */
    }
    if ((rc = write_all(j, j->segment_fd, io->src, io->len, 0)) < 0) return rc;
    if ((rc = j->calls.sync(j->calls.ctx, j->segment_fd)) < 0) return rc;
    if (renameat(j->dir_fd, spare, j->dir_fd, name)) return -errno;
    j->spare_first++;
    return fsync(j->dir_fd) ? -errno : 0;
}

static int64_t read_segment(const gw_journal *j, const gw_io *io)
{
    char name[NAME_MAX_BYTES];
    segment_name(name, io->number);
    const int fd = openat(j->dir_fd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -errno;
    const int64_t n = read_all(fd, io->dst, io->len, io->offset);
    close(fd);
    return n;
}

/* The thread --------------------------------------------------------------------------------------------------------------- */

static int64_t carry_out(gw_journal *j, const gw_io *io)
{
    switch (io->kind) {
    case GW_IO_WRITE: return write_segment(j, io->src, io->len, io->offset);
    case GW_IO_SYNC: return j->calls.sync(j->calls.ctx, j->segment_fd);
    case GW_IO_SEGMENT: return begin_segment(j, io);
    case GW_IO_READ: return read_segment(j, io);
    case GW_IO_WATERMARK_WRITE: return write_all(j, j->watermark_fd, io->src, io->len, io->offset);
    case GW_IO_WATERMARK_SYNC: return j->calls.sync(j->calls.ctx, j->watermark_fd);
    default: return -EINVAL;
    }
}

static void tell(const gw_journal *j)
{
    const uint64_t one = 1;
    if (j->told_fd >= 0 && write(j->told_fd, &one, sizeof one) < 0) return; /* full: it is told already */
}

/* Is this something the lane may wait for? */
static int worth_telling(const gw_journal *j, const gw_io *io)
{
    return io->kind == GW_IO_SYNC || io->kind == GW_IO_READ || io->kind == GW_IO_WATERMARK_SYNC || gw_ring_failed(j->writer->ring);
}

/* Sleep until the bell or the deadline, unless something came between the last look and `asleep`. */
static void rest(gw_journal *j, const gw_io *io)
{
    gw_ring *const ring = j->writer->ring;
    const uint64_t now = monotonic_ns();
    uint64_t wait = io->deadline_ns <= now ? 0 : io->deadline_ns - now, count;
    struct pollfd bell = {.fd = j->bell_fd, .events = POLLIN, .revents = 0};
    if (wait > j->poll_ns) wait = j->poll_ns;
    const struct timespec timeout = {.tv_sec = (time_t)(wait / 1000000000u), .tv_nsec = (long)(wait % 1000000000u)};
    __atomic_store_n(&ring->asleep, 1, __ATOMIC_SEQ_CST);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (!gw_writer_busy(j->writer) && ppoll(&bell, 1, &timeout, NULL) > 0 && read(j->bell_fd, &count, sizeof count) < 0) count = 0;
    __atomic_store_n(&ring->asleep, 0, __ATOMIC_SEQ_CST);
}

static void one_operation(gw_journal *j, gw_io *io)
{
    gw_writer_done(j->writer, monotonic_ns(), carry_out(j, io));
    if (worth_telling(j, io)) tell(j);
}

static void *run(void *arg)
{
    gw_journal *const j = arg;
    gw_io io;
    for (;;) {
        gw_writer_next(j->writer, monotonic_ns(), &io);
        if (io.kind == GW_IO_END) break;
        if (io.kind != GW_IO_REST) {
            one_operation(j, &io);
            continue;
        }
        if (j->prewrite && j->spare_fd < 0 && j->spare_first == j->spare_end && make_spare(j) < 0) j->prewrite = 0;
        if (j->spare_fd >= 0) write_ahead(j);
        rest(j, &io); /* also between two pieces of a spare: the lane may be on this core */
    }
    tell(j);
    return NULL;
}

static void close_all(gw_journal *j)
{
    close_if_open(&j->spare_fd);
    close_if_open(&j->segment_fd);
    close_if_open(&j->direct_fd);
    close_if_open(&j->watermark_fd);
    close_if_open(&j->dir_fd);
}

/* Folder and files open, the first segment made: what a wrong path or a full disk would stop is tried before anything runs. */
static int64_t open_all(gw_journal *j)
{
    gw_io io;
    j->dir_fd = open(j->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (j->dir_fd < 0) return -errno;
    j->watermark_fd = open(j->watermarks, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (j->watermark_fd < 0) return -errno;
    if (j->prewrite && j->spare_first == j->spare_end) {
        const int64_t rc = make_spare(j);
        if (rc < 0) return rc;
        while (write_ahead(j)) {}
    }
    gw_writer_next(j->writer, monotonic_ns(), &io);
    if (io.kind != GW_IO_SEGMENT) return -EINVAL;
    const int64_t rc = carry_out(j, &io);
    gw_writer_done(j->writer, monotonic_ns(), rc);
    return rc;
}

int gw_journal_start(gw_journal *j)
{
    pthread_t thread;
    sigset_t all, before;
    if (!j->calls.write_at) j->calls.write_at = kernel_write_at;
    if (!j->calls.sync) j->calls.sync = kernel_sync;
    j->dir_fd = j->segment_fd = j->direct_fd = j->watermark_fd = j->spare_fd = -1;
    int64_t rc = open_all(j);
    if (rc == 0) {
        sigfillset(&all); /* signals are for the thread that knows what to do with them */
        pthread_sigmask(SIG_SETMASK, &all, &before);
        rc = -pthread_create(&thread, NULL, run, j);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    if (rc < 0) {
        close_all(j);
        return (int)rc;
    }
    if (j->core >= 0) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET((size_t)j->core, &set);
        pthread_setaffinity_np(thread, sizeof set, &set); /* a wish: a core that is not there changes nothing */
    }
    j->thread = (uint64_t)thread;
    j->running = 1;
    return 0;
}

uint64_t gw_journal_stop(gw_journal *j)
{
    if (!j->running) return 0;
    __atomic_store_n(&j->writer->stop, 1, __ATOMIC_RELEASE);
    gw_journal_ring_bell(j);
    pthread_join((pthread_t)j->thread, NULL);
    j->running = 0;
    close_all(j);
    return gw_ring_failed(j->writer->ring);
}

void gw_journal_ring_bell(gw_journal *j)
{
    const uint64_t one = 1;
    if (write(j->bell_fd, &one, sizeof one) < 0) return; /* full: it is rung already */
}
