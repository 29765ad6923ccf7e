/* Figures of the journal: ns an append costs the lane, and CPU time the writer's thread takes for a MiB. Arguments: folder, and segments 0 fresh, 1 written ahead, 2 fresh and written directly. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#include "rim_journal.h"

#define RECORD 250u
#define RING ((uint64_t)1 << 24)
#define SEGMENT ((uint64_t)32 << 20)
#define INDEX ((uint64_t)1 << 14)

static uint64_t clock_ns(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int append(gw_ring *ring, const uint8_t *payload)
{
    uint8_t *p = gw_ring_reserve(ring, RECORD);
    if (!p) return 0;
    gw_rec head = {.kind = GW_REC_IN, .ver = 1, .flags = GW_REC_STEP_FIRST, .lsn = gw_ring_next_lsn(ring), .t_ns = 1};
    memcpy(p, &head, sizeof head);
    memcpy(p + sizeof head, payload, RECORD - sizeof head);
    return gw_ring_commit(ring, RECORD) == 0;
}

static gw_ring *new_ring(void)
{
    const uint64_t bytes = gw_ring_bytes(RING, INDEX);
    gw_ring *ring = aligned_alloc(GW_BLOCK, (bytes + GW_BLOCK - 1) / GW_BLOCK * GW_BLOCK);
    const gw_ring_cfg cfg = {.size = RING, .index_count = INDEX, .rec_max = 65536, .next_lsn = 1, .salt = 1};
    if (!ring) exit(2);
    memset(ring, 0, bytes); /* the pages are there before the clock runs, as MAP_POPULATE has them */
    if (gw_ring_init(ring, bytes, &cfg)) exit(2);
    return ring;
}

int main(int argc, char **argv)
{
    uint8_t payload[RECORD];
    static gw_writer writer;
    static gw_journal journal;
    if (argc < 3) return 2;
    memset(payload, 'x', sizeof payload);

    gw_ring *ring = new_ring();
    const uint64_t count = 1000000, begin = clock_ns(CLOCK_MONOTONIC);
    for (uint64_t i = 0; i < count; i++) {
        if (!append(ring, payload)) gw_ring_forget(ring);
    }
    printf("append_ns %.1f\n", (double)(clock_ns(CLOCK_MONOTONIC) - begin) / (double)count);
    free(ring);

    ring = new_ring();
    const int how = atoi(argv[2]);
    const gw_writer_cfg cfg = {.level = GW_LEVEL_ASYNC, .segment_bytes = SEGMENT, .interval_ns = 50000000, .gather_ns = 5000000, .direct_min = how == 2 ? 131072 : 0};
    if (gw_writer_init(&writer, ring, &cfg)) return 2;
    journal.writer = &writer;
    snprintf(journal.dir, sizeof journal.dir, "%s", argv[1]);
    snprintf(journal.watermarks, sizeof journal.watermarks, "%s/watermarks", argv[1]);
    journal.segment_bytes = SEGMENT;
    journal.poll_ns = 5000000;
    journal.spare_first = journal.spare_end = 1;
    journal.prewrite = how == 1;
    journal.core = journal.told_fd = -1;
    journal.bell_fd = eventfd(0, EFD_NONBLOCK);
    if (gw_journal_start(&journal)) return 2;
    clockid_t cpu;
    pthread_getcpuclockid((pthread_t)journal.thread, &cpu);
    const uint64_t bytes = 24u << 20, cpu_before = clock_ns(cpu), wall = clock_ns(CLOCK_MONOTONIC);
    uint64_t waits = 0;
    while (ring->head < bytes) {
        if (append(ring, payload)) continue;
        waits++;
        if (gw_ring_bell(ring, 1)) gw_journal_ring_bell(&journal);
        sched_yield();
    }
    while (__atomic_load_n(&ring->copied, __ATOMIC_ACQUIRE) < ring->head) {
        const struct timespec ms = {.tv_nsec = 1000000};
        nanosleep(&ms, NULL);
    }
    const double mib = (double)ring->head / 1048576.0;
    printf("writer_us_per_mib %.1f\nappended_mib_per_s %.0f\nfull_ring_retries %llu\n", (double)(clock_ns(cpu) - cpu_before) / 1000.0 / mib,
           mib * 1e9 / (double)(clock_ns(CLOCK_MONOTONIC) - wall), (unsigned long long)waits);
    return gw_journal_stop(&journal) ? 1 : 0;
}
