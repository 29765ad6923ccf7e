/* How another thread looks at what the lane's own thread changes meanwhile: word by word, each as it was at some moment of the call. Internal.
 *
 * These are copies for operators, from which nothing is decided; the lane pays nothing for them, so its stores are plain ones. */
#ifndef GW_LOOK_H
#define GW_LOOK_H
#include <stddef.h>
#include <stdint.h>

/* Before a function that looks so: ThreadSanitizer is told that it is meant. No memcpy in it: that is a function of its own, which is not
 * told, and which promises nothing of words. */
#define GW_LOOK __attribute__((no_sanitize("thread")))

typedef uint64_t __attribute__((may_alias)) gw_look_word;

/* Copy `bytes`, a multiple of 8, both sides aligned so. Relaxed: a word is whole; no order between words is meant. */
GW_LOOK static inline void gw_look_copy(void *to, const void *from, size_t bytes)
{
    gw_look_word *const out = to;
    const gw_look_word *const in = from;
    for (size_t i = 0; i < bytes / 8; i++) out[i] = __atomic_load_n(&in[i], __ATOMIC_RELAXED);
}

#endif
