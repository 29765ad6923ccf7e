/* Fuzz entry of the latch: any bytes as a latch file. Whatever reads as open must be an exact "open", and nothing is read outside the file. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "latch.h"

#define REQUIRE(what) \
    do { \
        if (!(what)) abort(); \
    } while (0)

static void walk(const gw_latch_file *f, size_t size, uint64_t salt) {
    uint64_t applied[GW_LATCH_WORDS] = {0};
    uint8_t dropped[GW_LATCH_WORDS] = {0}, slots[5];
    uint32_t slot = 0;
    while ((slot = gw_latch_next_change(f, salt, applied, slot)) < GW_LATCH_WORDS) {
        uint64_t word = applied[slot] = gw_latch_load(f, salt, slot);
        uint32_t generation = gw_latch_generation(word), level = gw_latch_level(word, salt, slot);
        gw_latch_id id;
        dropped[slot] = (uint8_t)gw_latch_dropped(word, salt, slot);
        if (!dropped[slot]) {
            uint64_t exact = gw_latch_half(salt, slot, 0, level, generation);
            exact |= (uint64_t)gw_latch_half(salt, slot, 1, GW_LATCH_REARMED, generation) << 32;
            REQUIRE(word == exact);
        }
        if (gw_latch_identity(f, salt, slot, &id) && slot != GW_LATCH_FIRM)
            REQUIRE(id.kind >= GW_LATCH_KIND_VENUE && id.kind <= GW_LATCH_KIND_SYMBOL && id.name_len >= 1 && id.name_len <= sizeof id.name);
    }
    dropped[GW_LATCH_FIRM] = (uint8_t)gw_latch_dropped(applied[GW_LATCH_FIRM], salt, GW_LATCH_FIRM);
    if (f == NULL) REQUIRE(dropped[GW_LATCH_FIRM]);
    for (size_t i = 0; i < sizeof slots; i++) slots[i] = i == 0 || size == 0 ? GW_LATCH_FIRM : (uint8_t)(size * 31 + i * 67);
    if (gw_latch_gate(f, salt, applied, dropped, slots, sizeof slots))
        for (size_t i = 0; i < sizeof slots; i++) REQUIRE(!gw_latch_dropped(gw_latch_load(f, salt, slots[i]), salt, slots[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint64_t salt;
    void *mem = NULL; /* mapped files are aligned */
    if (posix_memalign(&mem, 64, size < GW_LATCH_BYTES ? GW_LATCH_BYTES : size) != 0) return 0;
    memcpy(mem, data, size);
    const gw_latch_file *f = gw_latch_open(mem, size, &salt);
    walk(f, size, salt);
    /* Once more behind a whole header, so that words and slots are reached whatever the header was. */
    gw_latch_head *head = mem;
    memset((uint8_t *)mem + size, 0, size < GW_LATCH_BYTES ? GW_LATCH_BYTES - size : 0);
    head->magic = GW_LATCH_MAGIC;
    head->version = GW_LATCH_VERSION;
    head->bytes = GW_LATCH_BYTES;
    head->crc = gw_latch_crc(0, head, offsetof(gw_latch_head, crc));
    f = gw_latch_open(mem, GW_LATCH_BYTES, &salt);
    REQUIRE(f != NULL);
    walk(f, size, salt);
    gw_latch_begin(&((gw_latch_file *)mem)->seen, 1, salt, 2, f->words);
    gw_latch_saw(&((gw_latch_file *)mem)->seen, (uint32_t)size % 200, 3, 4);
    free(mem);
    return 0;
}
