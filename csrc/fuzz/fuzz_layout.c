/* Fuzz entry of layout.c: a table of a layout, damaged, and a frame; whatever passes gw_layout_check must run without harm.
 *
 * Input: u32 table length (little-endian), the table, then pairs of u32 place, u8 value that damage it until place = 0xFFFFFFFF, then
 * the bytes of a frame. A corpus is written by `python -m tests.codecs.corpus FOLDER`. Built with gcc, main runs the files it is given,
 * and with -m N also N damaged versions of each; with a fuzzer, -DGW_FUZZER leaves main out.
 */
#include <stdio.h>
#include <stdlib.h>

#include "../cursor.h"
#include "../layout.h"

#define TABLE_MAX (1u << 16)
#define FRAME_MAX 2048

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Each use is checked by the sanitizers: buffers are of exactly their size, on the heap. */
static void run(const gw_layout *layout, const uint8_t *frame, size_t n)
{
    uint8_t *in = malloc(n ? n : 1), *out = malloc(FRAME_MAX);
    gw_report *report = calloc(1, sizeof *report);
    gw_order *order = calloc(1, sizeof *order);
    gw_fault f;
    if (!in || !out || !report || !order) abort();
    memcpy(in, frame, n);
    for (int from = 0; from < 2; from++) {
        void *record = from ? (void *)report : (void *)order;
        int rc = gw_decode(layout, NULL, from, in, n, record, &f);
        if (rc > (int)n) abort();
        if (rc > 0 && gw_encode(layout, NULL, f.message, record, out, FRAME_MAX, &f) > FRAME_MAX) abort();
    }
    for (unsigned i = 0; i < layout->message_count; i++) gw_encode_fields(layout, (uint16_t)i, in, n, out, n < FRAME_MAX ? n : FRAME_MAX, &f);
    gw_mask(layout, GW_FROM_CLIENT, in, n, &f);
    free(in);
    free(out);
    free(report);
    free(order);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    gw_cursor c = {data, data + size, 0};
    uint64_t n = gw_take_number(&c, 4, 0, -1);
    const uint8_t *table = gw_take(&c, n, -1);
    uint8_t *memory;
    if (c.rc || !table || n > TABLE_MAX || !(memory = malloc(n ? n : 1))) return 0;
    memcpy(memory, table, n);
    for (;;) {
        uint64_t place = gw_take_number(&c, 4, 0, -1), value;
        if (c.rc || place == 0xFFFFFFFFu) break;
        value = gw_take_number(&c, 1, 0, -1);
        if (place < n) memory[place] = (uint8_t)value;
    }
    if (!c.rc && gw_layout_check(memory, n) == 1) run((const gw_layout *)(void *)memory, c.p, (size_t)(c.end - c.p));
    free(memory);
    return 0;
}

#ifndef GW_FUZZER
/* The file at `path` through the entry, then `more` damaged versions of it. */
static int one(const char *path, unsigned long more)
{
    static uint8_t bytes[TABLE_MAX + FRAME_MAX + 4096];
    FILE *file = fopen(path, "rb");
    uint64_t state = 88172645463325252u;
    size_t n;
    if (!file) return perror(path), 1;
    n = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    LLVMFuzzerTestOneInput(bytes, n);
    for (unsigned long i = 0; i < more && n; i++) {
        uint8_t kept[4];
        size_t at[4];
        for (int k = 0; k < 4; k++) { /* xorshift64: the same damage every time */
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            at[k] = state % (k < 2 ? n : n < 512 ? n : 512); /* the head of the table more often than the rest */
            kept[k] = bytes[at[k]];
            bytes[at[k]] = (uint8_t)(state >> 32);
            if (k && (state >> 48 & 1)) bytes[at[k]] = kept[k];
        }
        LLVMFuzzerTestOneInput(bytes, n);
        for (int k = 3; k >= 0; k--) bytes[at[k]] = kept[k];
    }
    return 0;
}

int main(int argc, char **argv)
{
    unsigned long more = 0;
    int failed = 0, files = 0;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "-m") && i + 1 < argc) more = strtoul(argv[++i], NULL, 10);
        else {
            failed |= one(argv[i], more);
            files++;
        }
    }
    printf("%d files, %lu damaged versions of each: no harm\n", files, more);
    return failed || !files;
}
#endif
