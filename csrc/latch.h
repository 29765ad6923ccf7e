/* The latch: the file by which anyone stops orders, and the checks that the lane makes on it; pure on memory.
 *
 * `state_dir/latch` has GW_LATCH_BYTES bytes, little-endian, and is mapped by the lane and by every `killswitch`:
 *
 *     offset  bytes  what
 *          0   1024  gw_latch_head, zero padded
 *       1024   1024  words[128]: one 64-bit word a scope; word 0 is the firm
 *       2048  32768  slots[128]: whom word i is for, since when, by whom and why
 *      34816   2048  zero
 *      36864   4096  gw_latch_seen: the only part that the lane writes (a page of its own: all before it can be mapped read-only)
 *
 * A word is two halves, each written by one aligned 32-bit store and never by a read-modify-write of the other:
 *
 *     bits  0-15  generation of the last engage    bits 32-47  generation that was rearmed
 *          16-19  its level, 1-15                       48-51  GW_LATCH_REARMED
 *          20-31  check                                 52-63  check
 *
 * A check is the top 12 bits of a CRC-32 over (salt, slot, which half, level, generation). The scope is open if and only if both
 * halves are exact and name the same generation; every other value (torn, damaged, of another file or slot) is dropped. So a rearm that was
 * delayed can only reopen the engage it has seen, never a newer one, without any lock or compare-and-swap; and each engage makes a
 * generation that no order was accepted under. An all-zero word is an unused slot and open, but for the firm's, where it is dropped.
 *
 * Writers store the slot first and its word last; after that they touch the file's time, so that an inotify watch (IN_ATTRIB)
 * wakes a lane that sleeps. Whoever sees a word change reads the slot again: slots of open scopes are reused when all are taken.
 */
#ifndef GW_LATCH_H
#define GW_LATCH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define GW_LATCH_MAGIC 0x484354414C575031u /* "1PWLATCH" in the file's byte order */
#define GW_LATCH_VERSION 1
#define GW_LATCH_BYTES 40960
#define GW_LATCH_WORDS 128
#define GW_LATCH_FIRM 0
#define GW_LATCH_REARMED 10

/* What a slot's name names; the numbers are those of risk/controls.toml's scopes. */
enum gw_latch_kind { GW_LATCH_KIND_FIRM, GW_LATCH_KIND_VENUE, GW_LATCH_KIND_ACCOUNT, GW_LATCH_KIND_STRATEGY, GW_LATCH_KIND_SYMBOL };

/* How far an engage goes. `killswitch` writes KILL; a lane that does not know a level takes it for KILL. */
enum gw_latch_level { GW_LATCH_PAUSE = 1, GW_LATCH_REDUCE = 2, GW_LATCH_CANCEL = 3, GW_LATCH_KILL = 4, GW_LATCH_DISCONNECT = 5 };

typedef struct gw_latch_head {
    uint64_t magic;
    uint32_t version;
    uint32_t bytes; /* of the file */
    uint64_t salt;  /* random, one a file: a word of another file is damage here */
    uint32_t pad;
    uint32_t crc; /* CRC-32 of the 28 bytes before it */
} gw_latch_head;

typedef struct gw_latch_slot {
    uint8_t kind;     /* gw_latch_kind */
    uint8_t name_len; /* 1-32; 0 for the firm */
    uint16_t pad;
    uint32_t id_crc; /* CRC-32 of (salt, slot, kind, name_len, name): the identity; the rest is for reading only */
    uint64_t since_ns;
    char name[32];    /* UTF-8, zero padded, as are by and reason */
    char by[64];
    char reason[144];
} gw_latch_slot;

typedef struct gw_latch_seen {
    uint64_t pid;   /* of the process whose lane maps the file; 0: none ever did */
    uint64_t salt;  /* the salt it checked */
    uint64_t at_ns; /* when it last wrote here */
    uint64_t pad[5];
    uint64_t words[GW_LATCH_WORDS]; /* each word as the lane last acted on it */
} gw_latch_seen;

typedef struct gw_latch_file {
    gw_latch_head head;
    uint8_t head_pad[1024 - sizeof(gw_latch_head)];
    uint64_t words[GW_LATCH_WORDS];
    gw_latch_slot slots[GW_LATCH_WORDS];
    uint8_t slots_pad[2048];
    gw_latch_seen seen;
    uint8_t seen_pad[4096 - sizeof(gw_latch_seen)];
} gw_latch_file;

_Static_assert(sizeof(gw_latch_slot) == 256, "a slot is 256 bytes");
_Static_assert(offsetof(gw_latch_file, words) == 1024, "words are 1 KiB at 1024");
_Static_assert(offsetof(gw_latch_file, slots) == 2048, "slots follow the words");
_Static_assert(offsetof(gw_latch_file, seen) == 36864, "what the lane writes has a page of its own");
_Static_assert(sizeof(gw_latch_file) == GW_LATCH_BYTES, "the file is ten pages");

/* Whom a slot is for, copied out of the file. */
typedef struct gw_latch_id {
    uint8_t kind;
    uint8_t name_len;
    char name[32];
} gw_latch_id;

/* CRC-32 (IEEE 802.3, reflected) of `len` bytes, going on from `crc` (0 to begin), as zlib's crc32. Bit by bit: it runs only when a word changes. */
static inline uint32_t gw_latch_crc(uint32_t crc, const void *bytes, size_t len) {
    const uint8_t *p = bytes;
    crc = ~crc;
    for (size_t i = 0; i < len; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (0xEDB88320u & (0u - (crc & 1u)));
    }
    return ~crc;
}

/* The one exact half for (slot, level, generation); level GW_LATCH_REARMED with rearm = 1 is the upper half. */
static inline uint32_t gw_latch_half(uint64_t salt, uint32_t slot, int rearm, uint32_t level, uint32_t generation) {
    uint8_t b[13];
    for (int i = 0; i < 8; i++) b[i] = (uint8_t)(salt >> (8 * i));
    b[8] = (uint8_t)slot;
    b[9] = (uint8_t)(rearm ? 'R' : 'E');
    b[10] = (uint8_t)(level & 15u);
    b[11] = (uint8_t)generation;
    b[12] = (uint8_t)(generation >> 8);
    return (gw_latch_crc(0, b, sizeof b) & 0xFFF00000u) | (level & 15u) << 16 | (generation & 0xFFFFu);
}

/* Counts engages, modulo 65536; two words of one scope with equal generations have had no engage between them. */
static inline uint32_t gw_latch_generation(uint64_t word) { return (uint32_t)word & 0xFFFFu; }

/* The level of the last engage; KILL where the lower half is not exact or the scope has none. */
static inline uint32_t gw_latch_level(uint64_t word, uint64_t salt, uint32_t slot) {
    uint32_t low = (uint32_t)word, level = low >> 16 & 15u;
    return level != 0 && low == gw_latch_half(salt, slot, 0, level, low & 0xFFFFu) ? level : (uint32_t)GW_LATCH_KILL;
}

/* 0 = open, 1 = dropped. Fails closed: only the exact encodings of "open", and the unused word of a slot that is not the firm's, are open. */
static inline int gw_latch_dropped(uint64_t word, uint64_t salt, uint32_t slot) {
    if (word == 0) return slot == GW_LATCH_FIRM;
    uint32_t low = (uint32_t)word, high = (uint32_t)(word >> 32), generation = low & 0xFFFFu, level = low >> 16 & 15u;
    return level == 0 || low != gw_latch_half(salt, slot, 0, level, generation) ||
           high != gw_latch_half(salt, slot, 1, GW_LATCH_REARMED, generation);
}

/* The file behind `mem`, its salt in *salt; NULL (which every function below takes for "the firm is dropped") if it is absent, short or not ours. */
static inline const gw_latch_file *gw_latch_open(const void *mem, size_t len, uint64_t *salt) {
    const gw_latch_file *f = mem;
    *salt = 0;
    if (mem == NULL || len < GW_LATCH_BYTES) return NULL;
    if (f->head.magic != GW_LATCH_MAGIC || f->head.version != GW_LATCH_VERSION || f->head.bytes != GW_LATCH_BYTES) return NULL;
    if (f->head.crc != gw_latch_crc(0, &f->head, offsetof(gw_latch_head, crc))) return NULL;
    *salt = f->head.salt;
    return f;
}

/* The word of a slot now. A file that is absent, or whose salt is no longer `salt`, reads as zero: the firm dropped. */
static inline uint64_t gw_latch_load(const gw_latch_file *f, uint64_t salt, uint32_t slot) {
    if (f == NULL || slot >= GW_LATCH_WORDS || f->head.salt != salt) return 0;
    return __atomic_load_n(&f->words[slot], __ATOMIC_ACQUIRE);
}

/* The first slot from `from` on whose word differs from applied[slot], or GW_LATCH_WORDS. One pass a step: 128 loads and compares;
 * what differs is then read with gw_latch_load, which orders the slot's other fields behind its word. */
static inline uint32_t gw_latch_next_change(const gw_latch_file *f, uint64_t salt, const uint64_t *applied, uint32_t from) {
    uint32_t slot = from;
    if (f == NULL || f->head.salt != salt) { /* every word reads as zero */
        while (slot < GW_LATCH_WORDS && applied[slot] == 0) slot++;
        return slot;
    }
    while (slot < GW_LATCH_WORDS && __atomic_load_n(&f->words[slot], __ATOMIC_RELAXED) == applied[slot]) slot++;
    return slot;
}

/* The gate's last look, for an order whose scopes have the `n` given slots (the firm's always among them): 1 if the bytes may leave.
 * `dropped[slot]` is gw_latch_dropped of applied[slot], kept by the lane since the word changed, so that an order costs a few loads and no CRC.
 * 0 when a scope is dropped or its word is no longer the applied one: then the change is taken as an input first, which also denies by generation. */
static inline int gw_latch_gate(const gw_latch_file *f, uint64_t salt, const uint64_t *applied, const uint8_t *dropped, const uint8_t *slots,
                                uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        uint32_t slot = slots[i];
        if (slot >= GW_LATCH_WORDS || dropped[slot] || gw_latch_load(f, salt, slot) != applied[slot]) return 0;
    }
    return 1;
}

/* Whom a slot is for: 1 and *id, or 0 if the slot is unreadable; a word that is not zero over an unreadable slot means the firm. */
static inline int gw_latch_identity(const gw_latch_file *f, uint64_t salt, uint32_t slot, gw_latch_id *id) {
    memset(id, 0, sizeof *id);
    if (slot == GW_LATCH_FIRM) return 1; /* its identity is its place */
    if (f == NULL || slot >= GW_LATCH_WORDS) return 0;
    const gw_latch_slot *s = &f->slots[slot];
    uint8_t b[11];
    for (int i = 0; i < 8; i++) b[i] = (uint8_t)(salt >> (8 * i));
    b[8] = (uint8_t)slot;
    id->kind = b[9] = s->kind;
    id->name_len = b[10] = s->name_len;
    memcpy(id->name, s->name, sizeof id->name);
    if (id->kind < GW_LATCH_KIND_VENUE || id->kind > GW_LATCH_KIND_SYMBOL || id->name_len < 1 || id->name_len > sizeof id->name ||
        s->id_crc != gw_latch_crc(gw_latch_crc(0, b, sizeof b), id->name, sizeof id->name)) {
        memset(id, 0, sizeof *id);
        return 0;
    }
    return 1;
}

/* Where `killswitch` looks for its confirmation. Written by the lane alone; `begin` once after mapping, `saw` after it has acted on a word. */
static inline void gw_latch_begin(gw_latch_seen *seen, uint64_t pid, uint64_t salt, uint64_t now_ns, const uint64_t *applied) {
    __atomic_store_n(&seen->salt, 0, __ATOMIC_RELEASE);
    for (uint32_t slot = 0; slot < GW_LATCH_WORDS; slot++) __atomic_store_n(&seen->words[slot], applied[slot], __ATOMIC_RELAXED);
    __atomic_store_n(&seen->pid, pid, __ATOMIC_RELAXED);
    __atomic_store_n(&seen->at_ns, now_ns, __ATOMIC_RELAXED);
    __atomic_store_n(&seen->salt, salt, __ATOMIC_RELEASE);
}

static inline void gw_latch_saw(gw_latch_seen *seen, uint32_t slot, uint64_t word, uint64_t now_ns) {
    if (slot >= GW_LATCH_WORDS) return;
    __atomic_store_n(&seen->at_ns, now_ns, __ATOMIC_RELAXED);
    __atomic_store_n(&seen->words[slot], word, __ATOMIC_RELEASE);
}

#endif
