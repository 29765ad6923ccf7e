/* Fuzz entry of everything that reads bytes of a journal: segments, rings, watermarks, and the writer on a ring and on segments like these.
 *
 * The first byte chooses the reader (low bits) and whether checksums are put right first (bit 7), so that a fuzzer gets behind them. */
#include <stdlib.h>
#include <string.h>

#include "../crc32c.h"
#include "../journal.h"
#include "../writer.h"

#define REQUIRE(what) do { if (!(what)) abort(); } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A copy of exactly this size, aligned as a mapping is. */
static uint8_t *copy_of(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    REQUIRE(copy);
    if (size) memcpy(copy, data, size);
    return copy;
}

/* Give every record from `at` on that has a length its checksum. */
static void seal_records(uint8_t *p, size_t size, size_t at, uint32_t salt)
{
    uint32_t len;
    while (size - at >= GW_REC_HEAD) {
        memcpy(&len, p + at, sizeof len);
        if (len < GW_REC_HEAD || len % 8 || len > size - at) {
            at += 8;
            if (at > size) return;
            continue;
        }
        gw_rec_seal(p + at, len, salt);
        at += len;
    }
}

static void seal_segment(uint8_t *p, size_t size)
{
    gw_seg_head head;
    if (size < GW_SEG_DATA) return;
    memcpy(&head, p, sizeof head);
    gw_seg_head_seal(&head);
    memcpy(p, &head, sizeof head);
    seal_records(p, size, GW_SEG_DATA, head.salt);
}

static void try_scan(const uint8_t *p, size_t size, uint64_t limit)
{
    gw_point points[8];
    gw_scan scan;
    if (gw_seg_scan(p, size, limit, points, 8, 64, &scan) < 0) return;
    REQUIRE(scan.end >= GW_SEG_DATA && scan.end <= size && (!limit || scan.end <= limit || scan.end == GW_SEG_DATA));
    REQUIRE(scan.records <= (scan.end - GW_SEG_DATA) / GW_REC_HEAD && scan.points <= 8);
    REQUIRE(!scan.behind || (!limit && scan.behind >= scan.end && scan.behind_lsn > scan.last_lsn));
    for (uint32_t i = 0; i < scan.points; i++) REQUIRE(points[i].offset < scan.end && points[i].lsn <= scan.last_lsn);
}

static void fuzz_segment(const uint8_t *data, size_t size, int seal)
{
    uint8_t *p = copy_of(data, size);
    if (seal) seal_segment(p, size);
    try_scan(p, size, 0);
    try_scan(p, size, GW_SEG_DATA + size / 2);
    free(p);
}

/* A disk that takes everything and gives back `file`, whichever segment is asked for. */
static void drive(gw_writer *w, const uint8_t *file, size_t size, int operations)
{
    gw_io io;
    uint64_t sum = 0;
    for (uint64_t now = 0; operations; operations--, now += 1000) {
        gw_writer_next(w, now, &io);
        if (io.kind == GW_IO_END || io.kind == GW_IO_REST) return;
        int64_t result = 0;
        if (io.kind == GW_IO_READ) {
            const uint64_t n = io.offset < size ? (size - io.offset < io.len ? size - io.offset : io.len) : 0;
            if (n) memcpy(io.dst, file + io.offset, n);
            result = (int64_t)n;
        }
        for (uint64_t i = 0; i < io.len && io.src; i++) sum += io.src[i];
        gw_writer_done(w, now, sum == UINT64_MAX ? -5 : result);
    }
}

static void fuzz_ring(const uint8_t *data, size_t size, int seal)
{
    uint8_t *p = copy_of(data, size);
    gw_ring *ring = (gw_ring *)(void *)p;
    if (seal && size >= sizeof *ring) {
        ring->head_crc = gw_crc32c(0, ring, offsetof(gw_ring, head_crc));
        if (!gw_ring_check(ring, size)) seal_records(p, size, ring->data, ring->salt);
    }
    if (!gw_ring_check(ring, size)) {
        uint64_t at = ring->copied, steps = 0;
        int64_t n;
        int found;
        while ((n = gw_ring_peek(ring, &at, ring->head)) > 0) {
            gw_rec_check(gw_ring_bytes_at(ring, at), (uint64_t)n, ring->salt, ring->copied_lsn + 1);
            at += (uint64_t)n;
            REQUIRE(++steps <= ring->size / GW_REC_HEAD);
        }
        for (uint64_t lsn = 0; lsn < 64; lsn++) gw_ring_find(ring, lsn, &found);
        gw_writer *w = malloc(sizeof *w);
        REQUIRE(w);
        const gw_writer_cfg cfg = {.level = (uint32_t)(size % 3), .segment_bytes = (ring->rec_max / 4096 + 3) * 4096, .gather_ns = 1};
        ring->failed = 0;
        if (!gw_writer_init(w, ring, &cfg)) drive(w, NULL, 0, 200);
        free(w);
    }
    free(p);
}

static void fuzz_watermarks(const uint8_t *data, size_t size)
{
    uint8_t *p = copy_of(data, size);
    static gw_watermark entries[GW_WATERMARKS];
    gw_watermark_head head;
    uint32_t slot;
    if (gw_watermarks_decode(p, size, &head, entries, &slot) > 0) REQUIRE(head.count <= GW_WATERMARKS && slot <= 1);
    free(p);
}

static void fuzz_fetch(const uint8_t *data, size_t size, int seal)
{
    static uint64_t memory[(GW_BLOCK + 4096) / 8]; /* head and index in one block, then the records */
    gw_ring *ring = (gw_ring *)(void *)memory;
    const gw_ring_cfg ring_cfg = {.size = 4096, .index_count = 64, .next_lsn = 1000};
    const gw_writer_cfg cfg = {.segment_bytes = 16384, .prev_number = 1, .prev_end = size};
    uint8_t *p = copy_of(data, size), *out = malloc(300);
    gw_writer *w = malloc(sizeof *w);
    gw_seg_head head;
    REQUIRE(w && out && !gw_ring_init(ring, sizeof memory, &ring_cfg) && !gw_writer_init(w, ring, &cfg));
    if (seal) seal_segment(p, size);
    const uint32_t salt = gw_seg_head_check(p, size, &head) > 0 ? head.salt : 0;
    gw_writer_knows_segment(w, 1, 1, salt);
    drive(w, p, size, 1);
    for (uint64_t lsn = 1; lsn < 20; lsn += 3) {
        const int ticket = gw_fetch_ask(w, lsn, out, 300);
        drive(w, p, size, 1000);
        const int64_t n = gw_fetch_answer(w, ticket);
        REQUIRE(n && n <= 300);
        for (int64_t at = 0; n > 0 && at < n;) {
            gw_rec rec;
            memcpy(&rec, out + at, sizeof rec);
            REQUIRE(rec.kind != GW_REC_SYNCED && rec.lsn >= lsn);
            at += rec.len;
            REQUIRE(at <= n);
        }
    }
    free(w);
    free(out);
    free(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size) return 0;
    const int seal = data[0] >> 7;
    switch (data[0] & 3) {
    case 0: fuzz_segment(data + 1, size - 1, seal); break;
    case 1: fuzz_ring(data + 1, size - 1, seal); break;
    case 2: fuzz_watermarks(data + 1, size - 1); break;
    default: fuzz_fetch(data + 1, size - 1, seal); break;
    }
    return 0;
}
