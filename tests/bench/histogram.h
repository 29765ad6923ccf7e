/* Durations in buckets 1/256 of their size wide: constant memory, no sorting, percentiles within 0.4 %. */
#pragma once
#include <stdint.h>
#include <string.h>

enum { FINE_BITS = 8, FINE = 1 << FINE_BITS, BUCKETS = (64 - FINE_BITS + 1) * FINE };
struct histogram { uint64_t count, max, bucket[BUCKETS]; };

static inline void histogram_clear(struct histogram *h) { memset(h, 0, sizeof *h); }
static inline void histogram_add(struct histogram *h, uint64_t ns) {
    unsigned shift = ns < 2 * FINE ? 0 : 63 - FINE_BITS - (unsigned)__builtin_clzll(ns);
    h->bucket[shift * FINE + (ns >> shift)]++;
    h->count++;
    if (ns > h->max) h->max = ns;
}
/* The smallest duration that at least `part` of all do not exceed (the upper edge of its bucket, never above max); 0 when empty. */
static inline uint64_t histogram_at(const struct histogram *h, double part) {
    uint64_t seen = 0, want = (uint64_t)(part * (double)h->count);
    for (uint64_t i = 0; i < BUCKETS; i++)
        if ((seen += h->bucket[i]) > want || (seen && seen == h->count)) {
            uint64_t shift = i < 2 * FINE ? 0 : i / FINE - 1, edge = ((i - shift * FINE + 1) << shift) - 1;
            return edge < h->max ? edge : h->max;
        }
    return 0;
}
