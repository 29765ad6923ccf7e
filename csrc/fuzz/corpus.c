/* main() for a fuzz entry where no fuzzer is linked: gives it every file named, then, with -r SEED COUNT before them, COUNT changed copies of
 * each, drawn from SEED. Each input is in memory of its own exact size, so that a sanitizer sees a byte too far. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t draw(uint64_t *state, uint64_t bound)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return bound ? *state % bound : 0;
}

/* Bits flipped, bytes and small integers set, pieces moved, the end cut off: one to eight times. */
static size_t change(uint8_t *p, size_t size, uint64_t *state)
{
    static const uint8_t odd[] = {0, 1, 7, 8, 39, 40, 41, 0x7F, 0x80, 0xFE, 0xFF};
    for (uint64_t times = 1 + draw(state, 8); times && size; times--) {
        const size_t at = draw(state, size);
        switch (draw(state, 5)) {
        case 0: p[at] = (uint8_t)(p[at] ^ (1u << draw(state, 8))); break;
        case 1: p[at] = odd[draw(state, sizeof odd)]; break;
        case 2: memset(p + at, (int)draw(state, 256), draw(state, size - at > 8 ? 9 : size - at + 1)); break;
        case 3: memmove(p + at, p + draw(state, size - (size - at) + 1), draw(state, size - at + 1)); break;
        default: size = draw(state, 8) ? size : at; break;
        }
    }
    return size;
}

static void one(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy) abort();
    if (size) memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

int main(int argc, char **argv)
{
    uint64_t seed = 0, count = 0, inputs = 0;
    int from = 1;
    if (argc > 3 && !strcmp(argv[1], "-r")) {
        seed = strtoull(argv[2], NULL, 10);
        count = strtoull(argv[3], NULL, 10);
        from = 4;
    }
    for (int i = from; i < argc; i++) {
        FILE *file = fopen(argv[i], "rb");
        if (!file || fseek(file, 0, SEEK_END)) {
            perror(argv[i]);
            return 2;
        }
        const long end = ftell(file);
        const size_t size = end > 0 ? (size_t)end : 0;
        uint8_t *data = malloc(size + 1), *changed = malloc(size + 1);
        rewind(file);
        if (!data || !changed || fread(data, 1, size, file) != size) return 2;
        fclose(file);
        one(data, size);
        uint64_t state = (seed + 1) * 0x9E3779B97F4A7C15u + (uint64_t)i;
        for (uint64_t n = 0; n < count; n++) {
            memcpy(changed, data, size);
            one(changed, change(changed, size, &state));
        }
        inputs += 1 + count;
        free(data);
        free(changed);
    }
    printf("%llu inputs\n", (unsigned long long)inputs);
    return 0;
}
