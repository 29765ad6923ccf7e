/* histogram_check: durations on standard input; prints p50, p99, p99.9 and max as the load generator would give them. */
#include "histogram.h"
#include <stdio.h>

static struct histogram h;

int main(void) {
    for (unsigned long long ns; scanf("%llu", &ns) == 1;) histogram_add(&h, ns);
    printf("%llu %llu %llu %llu\n", (unsigned long long)histogram_at(&h, .5), (unsigned long long)histogram_at(&h, .99),
           (unsigned long long)histogram_at(&h, .999), (unsigned long long)h.max);
    return 0;
}
