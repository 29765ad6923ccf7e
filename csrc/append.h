/* How a record comes into the ring: room, padding, length and CRC, and it is published. Inline, since it is every record's way; internal.
 *
 * journal.c gives these to everybody else under the names of journal.h; the lane uses them as they are. */
#ifndef GW_APPEND_H
#define GW_APPEND_H
#include <stddef.h>
#include <string.h>
#include "crc32c.h"
#include "journal.h"

#define GW_RING_NOTHING UINT64_MAX /* `at` while no record is being filled; an index entry never set */

/* So far ahead of what is written the ring's lines are asked for: it is larger than any cache. Some two orders' records. */
#define GW_RING_AHEAD 3072u

/* The index lies behind the struct, the records behind the index, at the next block. */
static inline uint64_t *gw_ring_index(const gw_ring *ring) { return (uint64_t *)(uintptr_t)(ring + 1); }
static inline uint8_t *gw_ring_data(const gw_ring *ring, uint64_t position)
{
    return (uint8_t *)(uintptr_t)ring + ring->data + (position & (ring->size - 1));
}

/* The next multiple of 8. */
static inline uint64_t gw_pad8(uint64_t len) { return (len + 7u) & ~(uint64_t)7u; }

/* Zero the padding behind the `len` bytes of the record at p, which has `room` bytes. Returns the padded length. With room for it this is
 * one store of a word behind the record: to change a part of the last word would be to wait for what was just written there. */
static inline uint32_t gw_rec_pad(uint8_t *p, uint32_t len, uint64_t room)
{
    const uint32_t whole = (uint32_t)gw_pad8(len);
    if (room - len >= 8) memset(p + len, 0, 8);
    else memset(p + len, 0, whole - len);
    return whole;
}

/* As gw_rec_seal, with `room` bytes at p. */
static inline uint32_t gw_rec_close(uint8_t *p, uint32_t len, uint64_t room, uint32_t salt)
{
    const uint32_t whole = gw_rec_pad(p, len, room);
    memcpy(p, &whole, sizeof whole);
    const uint32_t crc = gw_crc32c(salt, p + 8, whole - 8);
    memcpy(p + 4, &crc, sizeof crc);
    return whole;
}

/* As gw_ring_room. */
static inline uint64_t gw_ring_free(gw_ring *ring, uint64_t enough)
{
    const uint64_t room = ring->size - (ring->head - ring->copied_seen);
    if (room >= enough) return room;
    ring->copied_seen = __atomic_load_n(&ring->copied, __ATOMIC_ACQUIRE);
    return ring->size - (ring->head - ring->copied_seen);
}

/* As gw_ring_reserve. */
static inline uint8_t *gw_ring_begin(gw_ring *ring, uint32_t max_len)
{
    const uint64_t head = ring->head, need = gw_pad8(max_len), left = ring->size - (head & (ring->size - 1));
    const uint64_t at = head + (need > left ? left : 0), end = at + need;
    if (max_len < GW_REC_HEAD || need > ring->rec_max || gw_ring_free(ring, end - head) < end - head) {
        ring->at = GW_RING_NOTHING;
        return NULL;
    }
    if (end > ring->reserved) __atomic_store_n(&ring->reserved, end, __ATOMIC_RELAXED); /* before the first byte is overwritten: gw_ring_at must not show it */
    if (at != head) {
        const uint32_t marker = (uint32_t)GW_REC_SKIP;
        memcpy(gw_ring_data(ring, head), &marker, sizeof marker);
    }
    ring->at = at;
    return gw_ring_data(ring, at);
}

/* Ask for the ring's lines ahead of the `len` bytes that are written at `at`. Two at a time, and at the ring's end for some behind it: to ask for
 * a line too many does nothing. */
static inline void gw_ring_ask(const gw_ring *ring, uint64_t at, uint64_t len)
{
    const uintptr_t ahead = (uintptr_t)gw_ring_data(ring, at + GW_RING_AHEAD);
    for (uintptr_t line = ahead; line < ahead + len; line += 128) {
        __builtin_prefetch((const void *)line, 1, 2);
        __builtin_prefetch((const void *)(line + 64), 1, 2);
    }
}

/* As gw_ring_commit; `lsn` is the record's. */
static inline int gw_ring_end(gw_ring *ring, uint32_t len, uint64_t lsn)
{
    const uint64_t at = ring->at;
    if (at == GW_RING_NOTHING || len < GW_REC_HEAD) return GW_E_ARGUMENT;
    const uint64_t reserved = ring->reserved - at, left = ring->size - (at & (ring->size - 1));
    const uint64_t room = reserved < left ? reserved : left; /* a larger one that was given up may lead over the ring's end */
    if (gw_pad8(len) > ring->rec_max || gw_pad8(len) > room) return GW_E_SPACE;
    if (lsn != ring->head_lsn + 1) return GW_E_ORDER;
    const uint32_t whole = gw_rec_close(gw_ring_data(ring, at), len, room, ring->salt);
    gw_ring_ask(ring, at, whole);
    __atomic_store_n(&gw_ring_index(ring)[lsn & (ring->index_count - 1)], at, __ATOMIC_RELAXED); /* the writer looks too: journal.c, ahead */
    ring->at = GW_RING_NOTHING;
    __atomic_store_n(&ring->head_lsn, lsn, __ATOMIC_RELEASE);
    __atomic_store_n(&ring->head, at + whole, __ATOMIC_RELEASE);
    return 0;
}

#endif
