/* placement: what a cache line costs to travel between two processors and back, in ns.
 *
 *   placement CPU CPU
 *
 * A hypervisor moves virtual processors between hyper-threads of one core (about 120 ns) and different cores (about 500), and
 * every latency of a busy gateway follows. Prints the median of BATCHES batches; where others run, it is the steadiest value. */
#include "fix44.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { BATCHES = 31, TURNS = 200 };
static _Alignas(128) atomic_uint line;

static void stay_on(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    if (pthread_setaffinity_np(pthread_self(), sizeof set, &set)) { fprintf(stderr, "placement: no processor %d\n", cpu); exit(2); }
}
static void *answer(void *cpu) {
    stay_on(*(int *)cpu);
    for (unsigned turn = 1; turn < 2 * TURNS * BATCHES; turn += 2) {
        while (atomic_load_explicit(&line, memory_order_acquire) != turn) {}
        atomic_store_explicit(&line, turn + 1, memory_order_release);
    }
    return NULL;
}
static int by_size(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}
int main(int argc, char **argv) {
    if (argc != 3) { fprintf(stderr, "placement CPU CPU\n"); return 2; }
    int cpu[2] = {atoi(argv[1]), atoi(argv[2])};
    uint64_t ns[BATCHES];
    pthread_t other;
    stay_on(cpu[0]);
    if (pthread_create(&other, NULL, answer, &cpu[1])) return 2;
    unsigned turn = 1;
    for (int b = 0; b < BATCHES; b++) {
        uint64_t start = now_ns();
        for (int i = 0; i < TURNS; i++, turn += 2) {
            atomic_store_explicit(&line, turn, memory_order_release);
            while (atomic_load_explicit(&line, memory_order_acquire) != turn + 1) {}
        }
        ns[b] = (now_ns() - start) / TURNS;
    }
    pthread_join(other, NULL);
    qsort(ns, BATCHES, sizeof *ns, by_size);
    printf("%llu\n", (unsigned long long)ns[BATCHES / 2]);
    return 0;
}
