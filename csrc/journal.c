/* See journal.h. The ring's two threads meet in `head` (store-released by the producer) and `copied` (by the consumer) only; what else
 * each of them writes, the other reads as a hint or not at all. */
#include "journal.h"

#include <string.h>

#include "append.h"

#define RING_MAGIC 0x31474E4952575047u      /* "GPWRING1" */
#define SEGMENT_MAGIC 0x3147455357475047u   /* "GPGWSEG1" */
#define WATERMARK_MAGIC 0x314B524D57475047u /* "GPGWMRK1" */
#define FORMAT 1u
#define RING_MIN 4096u
#define RING_MAX ((uint64_t)1 << 40)
#define RECORDS_AHEAD 24u /* so many records before its turn the head of one is asked for, and its place in the index so many before: the lines come from another core */
#define INDEX_AHEAD 64u

_Static_assert(sizeof(gw_rec) == GW_REC_HEAD, "the head of a record is 40 bytes");
_Static_assert(sizeof(gw_ring) == 256, "a ring's head is four lines of 64 bytes");
_Static_assert(offsetof(gw_ring, head) == 128 && offsetof(gw_ring, copied) == 192, "each thread's words have lines of their own");
_Static_assert(sizeof(gw_seg_head) == 152 && sizeof(gw_watermark_head) == 56 && sizeof(gw_watermark) == 16, "no hidden padding");
_Static_assert(sizeof(gw_watermark_head) + GW_WATERMARKS * sizeof(gw_watermark) <= GW_WATERMARK_SLOT, "a slot holds all entries");

static uint64_t in_blocks(uint64_t len) { return (len + GW_BLOCK - 1) / GW_BLOCK * GW_BLOCK; }
static int power_of_two(uint64_t n) { return n && !(n & (n - 1)); }

static uint64_t load(const uint64_t *word) { return __atomic_load_n(word, __ATOMIC_ACQUIRE); }
static void store(uint64_t *word, uint64_t value) { __atomic_store_n(word, value, __ATOMIC_RELEASE); }

/* Records ----------------------------------------------------------------------------------------------------------------- */

int64_t gw_rec_check(const uint8_t *p, uint64_t avail, uint32_t salt, uint64_t lsn)
{
    gw_rec rec;
    if (avail < sizeof rec.len) return 0;
    memcpy(&rec.len, p, sizeof rec.len);
    if (!rec.len) return 0;
    if (rec.len < GW_REC_HEAD || rec.len % 8 || rec.len > avail) return GW_E_FRAME;
    memcpy(&rec, p, sizeof rec);
    if (gw_crc32c(salt, p + 8, rec.len - 8) != rec.crc) return GW_E_CHECKSUM;
    if (rec.kind == GW_REC_SYNCED ? rec.lsn >= lsn : rec.lsn != lsn) return GW_E_ORDER;
    return rec.len;
}

uint32_t gw_rec_seal(uint8_t *p, uint32_t len, uint32_t salt) { return gw_rec_close(p, len, gw_pad8(len), salt); }

/* The ring ---------------------------------------------------------------------------------------------------------------- */

static int sizes_are_sound(uint64_t size, uint64_t index_count)
{
    return power_of_two(size) && power_of_two(index_count) && size >= RING_MIN && size <= RING_MAX && index_count <= size / 8;
}

uint64_t gw_ring_bytes(uint64_t size, uint64_t index_count)
{
    if (!sizes_are_sound(size, index_count)) return 0;
    return in_blocks(sizeof(gw_ring) + index_count * 8) + size;
}

int gw_ring_init(gw_ring *ring, uint64_t bytes, const gw_ring_cfg *cfg)
{
    const uint64_t needed = gw_ring_bytes(cfg->size, cfg->index_count);
    const uint64_t rec_max = cfg->rec_max ? cfg->rec_max & ~(uint64_t)7 : cfg->size / 4;
    if (!needed || !cfg->next_lsn || rec_max < GW_REC_HEAD || rec_max > cfg->size / 4 || rec_max >= GW_REC_SKIP) return GW_E_ARGUMENT;
    if (bytes < needed) return GW_E_SPACE;
    memset(ring, 0, sizeof *ring);
    ring->magic = RING_MAGIC;
    ring->version = FORMAT;
    ring->salt = cfg->salt;
    memcpy(ring->journal_id, cfg->journal_id, sizeof ring->journal_id);
    memcpy(ring->boot_id, cfg->boot_id, sizeof ring->boot_id);
    ring->size = cfg->size;
    ring->index_count = cfg->index_count;
    ring->data = needed - cfg->size;
    ring->rec_max = rec_max;
    ring->first_lsn = cfg->next_lsn;
    ring->after_loss = cfg->after_loss;
    ring->head_crc = gw_crc32c(0, ring, offsetof(gw_ring, head_crc));
    ring->head_lsn = ring->copied_lsn = ring->durable_lsn = cfg->next_lsn - 1;
    ring->at = GW_RING_NOTHING;
    memset(gw_ring_index(ring), 0xFF, cfg->index_count * 8);
    return 0;
}

int gw_ring_check(const gw_ring *ring, uint64_t bytes)
{
    if (bytes < sizeof *ring) return GW_E_SHORT;
    if (ring->magic != RING_MAGIC) return GW_E_CONSTANT;
    if (ring->version != FORMAT) return GW_E_VERSION;
    if (ring->head_crc != gw_crc32c(0, ring, offsetof(gw_ring, head_crc))) return GW_E_CHECKSUM;
    if (!gw_ring_bytes(ring->size, ring->index_count) || !ring->first_lsn) return GW_E_RANGE;
    /* Wherever it says that its records are: a build before blocks had them right behind the index, and left them for this one to find. */
    if (ring->size > bytes || ring->data > bytes - ring->size || ring->data % 8) return GW_E_RANGE;
    if (ring->data < sizeof *ring + ring->index_count * 8) return GW_E_RANGE;
    if (ring->rec_max < GW_REC_HEAD || ring->rec_max > ring->size / 4) return GW_E_RANGE;
    const uint64_t head = load(&ring->head), copied = load(&ring->copied);
    if (head % 8 || copied % 8 || copied > head || head - copied > ring->size) return GW_E_RANGE;
    return 0;
}

uint64_t gw_ring_next_lsn(const gw_ring *ring) { return ring->head_lsn + 1; }

uint64_t gw_ring_room(gw_ring *ring, uint64_t enough) { return gw_ring_free(ring, enough); }
uint8_t *gw_ring_reserve(gw_ring *ring, uint32_t max_len) { return gw_ring_begin(ring, max_len); }
int gw_ring_commit(gw_ring *ring, uint32_t len)
{
    uint64_t lsn = 0;
    if (ring->at != GW_RING_NOTHING) memcpy(&lsn, gw_ring_data(ring, ring->at) + offsetof(gw_rec, lsn), sizeof lsn);
    return gw_ring_end(ring, len, lsn);
}

const gw_rec *gw_ring_at(const gw_ring *ring, uint64_t lsn)
{
    int found;
    const uint64_t position = gw_ring_find(ring, lsn, &found);
    return found ? (const gw_rec *)(const void *)gw_ring_data(ring, position) : NULL;
}

uint64_t gw_ring_find(const gw_ring *ring, uint64_t lsn, int *found)
{
    /* Also from another thread than the lane's, which checks its copy of what it found afterwards. */
    const uint64_t position = __atomic_load_n(&gw_ring_index(ring)[lsn & (ring->index_count - 1)], __ATOMIC_RELAXED);
    const uint64_t reserved = __atomic_load_n(&ring->reserved, __ATOMIC_RELAXED), head = load(&ring->head), touched = reserved > head ? reserved : head;
    uint64_t there;
    *found = 0;
    /* The comparisons are written so that an entry never set (GW_RING_NOTHING), or a damaged one, fails them. */
    if (position % 8 || position >= head || touched - position > ring->size) return 0;
    if (ring->size - (position & (ring->size - 1)) < GW_REC_HEAD) return 0;
    memcpy(&there, gw_ring_data(ring, position) + offsetof(gw_rec, lsn), sizeof there);
    *found = there == lsn && lsn;
    return *found ? position : 0;
}

uint64_t gw_ring_durable(const gw_ring *ring) { return load(&ring->durable_lsn); }
uint64_t gw_ring_failed(const gw_ring *ring) { return load(&ring->failed); }

void gw_ring_fail(gw_ring *ring, uint32_t what)
{
    if (!load(&ring->failed)) store(&ring->failed, (uint64_t)what << 32);
}

int gw_ring_bell(gw_ring *ring, int urgent)
{
    /* The fence pairs with the writer's between setting `asleep` and looking at `head`: one of the two sees the other. */
    if (!urgent && ring->size - gw_ring_room(ring, ring->size / 2) < ring->size / 2) return 0;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (!__atomic_load_n(&ring->asleep, __ATOMIC_RELAXED)) return 0;
    return (int)__atomic_exchange_n(&ring->asleep, 0, __ATOMIC_ACQ_REL);
}

void gw_ring_forget(gw_ring *ring)
{
    store(&ring->copied, ring->head);
    store(&ring->copied_lsn, ring->head_lsn);
    store(&ring->durable_lsn, ring->head_lsn);
}

const uint8_t *gw_ring_bytes_at(const gw_ring *ring, uint64_t position) { return gw_ring_data(ring, position); }

int64_t gw_ring_peek(const gw_ring *ring, uint64_t *position, uint64_t head)
{
    uint32_t len;
    if (*position % 8 || *position > head || head - *position > ring->size) return GW_E_FRAME;
    if (*position == head) return 0;
    memcpy(&len, gw_ring_data(ring, *position), sizeof len);
    uint64_t left = ring->size - (*position & (ring->size - 1));
    if (len == (uint32_t)GW_REC_SKIP) {
        if (head - *position <= left) return GW_E_FRAME; /* a skip is published together with the record behind it */
        *position += left;
        memcpy(&len, gw_ring_data(ring, *position), sizeof len);
        left = ring->size;
    }
    if (len < GW_REC_HEAD || len % 8 || len > ring->rec_max || len > left || len > head - *position) return GW_E_FRAME;
    return len;
}

/* The head of record `lsn`, if it is in the ring, comes nearer: the lane wrote it long ago, or on another core. A hint: what the index says is not trusted. */
static void ahead(const gw_ring *ring, uint64_t lsn)
{
    const uint64_t *const entry = &gw_ring_index(ring)[(lsn + RECORDS_AHEAD) & (ring->index_count - 1)];
    const uint8_t *const p = gw_ring_data(ring, __atomic_load_n(entry, __ATOMIC_RELAXED));
    __builtin_prefetch(p);
    __builtin_prefetch(p + GW_REC_HEAD - 1);
    __builtin_prefetch(&gw_ring_index(ring)[(lsn + INDEX_AHEAD) & (ring->index_count - 1)]);
}

void gw_ring_piece(const gw_ring *ring, uint64_t position, uint64_t lsn, uint64_t head, uint64_t room, uint64_t most, gw_piece *run)
{
    const int64_t first = gw_ring_peek(ring, &position, head);
    const uint64_t left = ring->size - (position & (ring->size - 1));
    const uint64_t piece = first <= 0 ? 0 : head - position < left ? head - position : left, rec_max = ring->rec_max;
    const uint8_t *const p = gw_ring_data(ring, position);
    gw_rec rec;
    uint64_t bytes = 0;
    memset(run, 0, sizeof *run);
    run->begin = position;
    run->lsn = lsn;
    run->fault = first < 0 ? (int32_t)first : 0;
    while (piece - bytes >= GW_REC_HEAD) { /* behind the last record there may be less, and no memory behind that */
        memcpy(&rec, p + bytes, sizeof rec);
        if (rec.len < GW_REC_HEAD || rec.len % 8 || rec.len > rec_max || rec.len > piece - bytes) break; /* the skip too: it goes on at the beginning */
        if (rec.lsn != lsn + 1) {
            if (!bytes) run->fault = GW_E_ORDER;
            break;
        }
        if (bytes + rec.len > room || (bytes && bytes + rec.len > most)) break;
        ahead(ring, rec.lsn);
        bytes += rec.len;
        lsn = rec.lsn;
        run->crc = rec.crc;
    }
    run->bytes = bytes;
    run->lsn = lsn;
}

/* Segments ---------------------------------------------------------------------------------------------------------------- */

void gw_seg_head_seal(gw_seg_head *head)
{
    head->magic = SEGMENT_MAGIC;
    head->version = FORMAT;
    head->pad_ = 0;
    head->crc = gw_crc32c(0, head, offsetof(gw_seg_head, crc));
}

int gw_seg_head_check(const uint8_t *segment, uint64_t len, gw_seg_head *out)
{
    if (len < GW_SEG_DATA) return GW_E_SHORT;
    memcpy(out, segment, sizeof *out);
    if (out->magic != SEGMENT_MAGIC) return GW_E_CONSTANT;
    if (out->version != FORMAT) return GW_E_VERSION;
    if (out->crc != gw_crc32c(0, out, offsetof(gw_seg_head, crc))) return GW_E_CHECKSUM;
    if (!out->number || !out->first_lsn || out->first_lsn > UINT64_MAX / 2) return GW_E_RANGE;
    return GW_SEG_DATA;
}

/* Could a record that counts begin here, `gap` bytes behind the end of the log? Most places are told apart by these few comparisons,
 * before a CRC is taken; each of the records between needs its place. */
static int may_begin(const gw_rec *rec, uint64_t left, uint64_t lsn, uint64_t gap)
{
    return rec->len >= GW_REC_HEAD && rec->len % 8 == 0 && rec->len <= left && rec->lsn >= lsn && rec->lsn - lsn <= gap / GW_REC_HEAD + 1;
}

/* Search behind the end of the log for anything sound that counts. */
static void look_behind(const uint8_t *segment, uint64_t len, uint32_t salt, gw_scan *out)
{
    const uint64_t lsn = out->last_lsn + 1;
    gw_rec rec;
    for (uint64_t at = out->end; len >= GW_REC_HEAD && at <= len - GW_REC_HEAD; at += 8) {
        memcpy(&rec, segment + at, sizeof rec);
        if (!may_begin(&rec, len - at, lsn, at - out->end) || gw_crc32c(salt, segment + at + 8, rec.len - 8) != rec.crc) continue;
        if (!out->behind) {
            out->behind = at;
            out->behind_lsn = rec.lsn;
        }
        if (rec.kind == GW_REC_SYNCED && rec.lsn > out->behind_synced) out->behind_synced = rec.lsn;
        at += rec.len - 8;
    }
}

int gw_seg_scan(const uint8_t *segment, uint64_t len, uint64_t limit, gw_point *points, uint32_t max_points, uint64_t every, gw_scan *out)
{
    gw_seg_head head;
    gw_rec rec;
    const int rc = gw_seg_head_check(segment, len, &head);
    if (rc < 0) return rc;
    memset(out, 0, sizeof *out);
    out->last_lsn = head.first_lsn - 1;
    out->last_crc = head.prev_crc;
    out->end = GW_SEG_DATA;
    const uint64_t stop = limit && limit < len ? limit : len;
    uint64_t next_point = 0;
    while (out->end < stop) {
        const int64_t n = gw_rec_check(segment + out->end, stop - out->end, head.salt, out->last_lsn + 1);
        if (n <= 0) {
            out->fault = (int32_t)n;
            break;
        }
        memcpy(&rec, segment + out->end, sizeof rec);
        if (rec.kind == GW_REC_SYNCED) {
            if (rec.lsn > out->synced_lsn) out->synced_lsn = rec.lsn;
        } else {
            if (out->points < max_points && out->end >= next_point) {
                points[out->points].lsn = rec.lsn;
                points[out->points++].offset = out->end;
                next_point = out->end + every;
            }
            out->records++;
            out->last_lsn = rec.lsn;
            out->last_crc = rec.crc;
        }
        out->end += (uint64_t)n;
    }
    if (!limit) look_behind(segment, len, head.salt, out);
    return rc;
}

/* Watermarks --------------------------------------------------------------------------------------------------------------- */

static uint32_t watermark_crc(const gw_watermark_head *head, const uint8_t *entries)
{
    const uint32_t crc = gw_crc32c(0, head, offsetof(gw_watermark_head, crc));
    return gw_crc32c(crc, entries, head->count * sizeof(gw_watermark));
}

int64_t gw_watermarks_encode(uint8_t *out, uint64_t cap, const gw_watermark_head *head, const gw_watermark *entries, uint32_t count)
{
    gw_watermark_head made = *head;
    if (count > GW_WATERMARKS || cap < sizeof made + count * sizeof *entries) return GW_E_SPACE;
    made.magic = WATERMARK_MAGIC;
    made.version = FORMAT;
    made.count = count;
    made.pad_ = 0;
    if (count) memcpy(out + sizeof made, entries, count * sizeof *entries);
    made.crc = watermark_crc(&made, out + sizeof made);
    memcpy(out, &made, sizeof made);
    return (int64_t)(sizeof made + count * sizeof *entries);
}

static int64_t slot_check(const uint8_t *p, uint64_t len, gw_watermark_head *head)
{
    if (len < sizeof *head) return GW_E_SHORT;
    memcpy(head, p, sizeof *head);
    if (head->magic != WATERMARK_MAGIC) return GW_E_CONSTANT;
    if (head->version != FORMAT) return GW_E_VERSION;
    if (head->count > GW_WATERMARKS) return GW_E_RANGE;
    const uint64_t whole = sizeof *head + head->count * sizeof(gw_watermark);
    if (len < whole) return GW_E_SHORT;
    if (head->crc != watermark_crc(head, p + sizeof *head)) return GW_E_CHECKSUM;
    return (int64_t)whole;
}

int64_t gw_watermarks_decode(const uint8_t *file, uint64_t len, gw_watermark_head *head, gw_watermark *entries, uint32_t *slot)
{
    gw_watermark_head other;
    *slot = 0;
    if (!len) return 0;
    const uint64_t first = len < GW_WATERMARK_SLOT ? len : GW_WATERMARK_SLOT;
    int64_t n = slot_check(file, first, head);
    if (len > GW_WATERMARK_SLOT) {
        const int64_t m = slot_check(file + GW_WATERMARK_SLOT, len - GW_WATERMARK_SLOT, &other);
        if (m > 0 && (n < 0 || other.seq > head->seq)) {
            n = m;
            *slot = 1;
            *head = other;
        }
    }
    if (n > 0 && head->count) memcpy(entries, file + *slot * GW_WATERMARK_SLOT + sizeof *head, head->count * sizeof *entries);
    return n;
}
