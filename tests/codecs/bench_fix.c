/* Times the FIX codec without Python: `bench_fix TABLE NOS ER` prints a line "what message ns" for each; frames and table are files. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "fix.h"

enum { BATCHES = 200, BATCH = 2000 };

static uint64_t table[8192];
static uint8_t frame[4096], out[4096];
static gw_fix_msg msg;
static gw_fix_shapes shapes;
static gw_report record;
static gw_fault fault;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static size_t slurp(const char *path, void *to, size_t room)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        exit(2);
    }
    const size_t n = fread(to, 1, room, file);
    fclose(file);
    return n;
}

/* The least disturbed of many short batches. */
#define TIME(what, name, ...) do { \
    double best = 1e18; \
    for (int b = 0; b < BATCHES; b++) { \
        const double start = now(); \
        for (int turn = 0; turn < BATCH; turn++) sink += (__VA_ARGS__); \
        const double ns = (now() - start) / BATCH; \
        if (ns < best) best = ns; \
    } \
    printf("%s %s %.1f\n", what, name, best); \
} while (0)

int main(int argc, char **argv)
{
    volatile int sink = 0;
    if (argc != 4)
        return 2;
    const size_t size = slurp(argv[1], table, sizeof table);
    const gw_fix_dialect *d = (const gw_fix_dialect *)(const void *)table;
    if (gw_fix_dialect_check(table, size) < 0)
        return 2;
    for (int i = 2; i < argc; i++) {
        const char *name = i == 2 ? "NOS" : "ER";
        const size_t n = slurp(argv[i], frame, sizeof frame);
        gw_fix_head h;
        gw_fix_head_init(&h, (const uint8_t *)"FIX.4.4", 7, (const uint8_t *)"GW", 2, (const uint8_t *)"VENUE", 5, NULL, 0);
        h.sending_time = 1795161600123000000;
        TIME("frame+scan", name, gw_fix_frame(frame, n, 4096) + gw_fix_scan(frame, n, &msg));
        TIME("frame+scan-like", name, gw_fix_frame(frame, n, 4096) + gw_fix_scan_like(frame, n, &shapes, &msg));
        TIME("scan-plain", name, gw_fix_scan_plain(frame, n, &msg));
        const int index = gw_fix_decode(d, frame, &msg, &record, &fault);
        if (index < 0)
            return 2;
        TIME("decode", name, gw_fix_decode(d, frame, &msg, &record, &fault));
        TIME("decode-plain", name, gw_fix_decode_plain(d, frame, &msg, &record, &fault));
        TIME("decode-long", name, gw_fix_decode_long(d, frame, &msg, &record, &fault));
        TIME("frame+scan+decode", name, gw_fix_frame(frame, n, 4096) + gw_fix_scan(frame, n, &msg) + gw_fix_decode(d, frame, &msg, &record, &fault));
        h.msg_seq_num = 1000000;
        TIME("encode", name, (h.msg_seq_num++, gw_fix_encode(d, (unsigned)index, &h, &record, out, sizeof out, &fault)));
        TIME("encode-plain", name, (h.msg_seq_num++, gw_fix_encode_plain(d, (unsigned)index, &h, &record, out, sizeof out, &fault)));
    }
    return 0;
}
