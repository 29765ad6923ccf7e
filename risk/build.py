"""Build of the extension risk._risk: csrc/risk.c and the checks of csrc/latch.h, for explaining a refusal and for holding C and model together."""

from cffi import FFI

from gateway.native import cdef

# The latch's checks are inline functions of an internal header; these give them a name that can be called.
LATCH = """
uint32_t latch_half(uint64_t salt, uint32_t slot, int rearm, uint32_t level, uint32_t generation);
uint32_t latch_generation(uint64_t word);
uint32_t latch_level(uint64_t word, uint64_t salt, uint32_t slot);
int latch_dropped(uint64_t word, uint64_t salt, uint32_t slot);
int latch_open(const void *mem, size_t len, uint64_t *salt);
uint64_t latch_load(const void *mem, size_t len, uint64_t salt, uint32_t slot);
uint32_t latch_next_change(const void *mem, size_t len, uint64_t salt, const uint64_t *applied, uint32_t from);
int latch_gate(const void *mem, size_t len, uint64_t salt, const uint64_t *applied, const uint8_t *dropped, const uint8_t *slots, uint32_t n);
int latch_identity(const void *mem, size_t len, uint64_t salt, uint32_t slot, uint8_t *kind, char *name);
void latch_begin(void *mem, uint64_t pid, uint64_t salt, uint64_t now_ns, const uint64_t *applied);
void latch_saw(void *mem, uint32_t slot, uint64_t word, uint64_t now_ns);
"""

BODY = """
#include "risk.h"
#include "latch.h"

static const gw_latch_file *file_of(const void *mem, size_t len) {
    uint64_t salt;
    return gw_latch_open(mem, len, &salt);
}
static uint32_t latch_half(uint64_t salt, uint32_t slot, int rearm, uint32_t level, uint32_t generation) {
    return gw_latch_half(salt, slot, rearm, level, generation);
}
static uint32_t latch_generation(uint64_t word) { return gw_latch_generation(word); }
static uint32_t latch_level(uint64_t word, uint64_t salt, uint32_t slot) { return gw_latch_level(word, salt, slot); }
static int latch_dropped(uint64_t word, uint64_t salt, uint32_t slot) { return gw_latch_dropped(word, salt, slot); }
static int latch_open(const void *mem, size_t len, uint64_t *salt) { return gw_latch_open(mem, len, salt) != NULL; }
static uint64_t latch_load(const void *mem, size_t len, uint64_t salt, uint32_t slot) { return gw_latch_load(file_of(mem, len), salt, slot); }
static uint32_t latch_next_change(const void *mem, size_t len, uint64_t salt, const uint64_t *applied, uint32_t from) {
    return gw_latch_next_change(file_of(mem, len), salt, applied, from);
}
static int latch_gate(const void *mem, size_t len, uint64_t salt, const uint64_t *applied, const uint8_t *dropped, const uint8_t *slots, uint32_t n) {
    return gw_latch_gate(file_of(mem, len), salt, applied, dropped, slots, n);
}
static int latch_identity(const void *mem, size_t len, uint64_t salt, uint32_t slot, uint8_t *kind, char *name) {
    gw_latch_id id;
    int ok = gw_latch_identity(file_of(mem, len), salt, slot, &id);
    *kind = id.kind;
    memcpy(name, id.name, sizeof id.name);
    return ok;
}
static void latch_begin(void *mem, uint64_t pid, uint64_t salt, uint64_t now_ns, const uint64_t *applied) {
    gw_latch_begin(&((gw_latch_file *)mem)->seen, pid, salt, now_ns, applied);
}
static void latch_saw(void *mem, uint32_t slot, uint64_t word, uint64_t now_ns) {
    gw_latch_saw(&((gw_latch_file *)mem)->seen, slot, word, now_ns);
}
"""

risk = FFI()
risk.cdef(cdef("csrc/risk.h") + LATCH)
risk.set_source("risk._risk", BODY, sources=["csrc/risk.c"], include_dirs=["csrc"], py_limited_api=True)

if __name__ == "__main__":
    risk.compile(verbose=True)
