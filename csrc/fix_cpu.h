/* Whether this build and this processor have AVX2 for the FIX codec; each use of it has a plain twin with the same results. */
#ifndef GW_FIX_CPU_H
#define GW_FIX_CPU_H
#include <stdbool.h>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(GW_PORTABLE) /* -DGW_PORTABLE: as other processors run it */
#include <immintrin.h>
#define GW_FIX_AVX2 1
/* Only what gw_has_avx2 asks for. Not lzcnt: a processor without it runs it as bsr, with other results, and not every compiler can ask. */
#define GW_WITH_AVX2 __attribute__((target("avx2,bmi,bmi2,popcnt")))

/* What four sums of bytes come to, modulo 256. */
GW_WITH_AVX2 static inline unsigned sum_of_lanes(__m256i total)
{
    __m128i half = _mm_add_epi64(_mm256_castsi256_si128(total), _mm256_extracti128_si256(total, 1));
    return (unsigned)(_mm_cvtsi128_si64(half) + _mm_extract_epi64(half, 1)) & 255;
}
#endif

static inline bool gw_has_avx2(void)
{
#ifdef GW_FIX_AVX2
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt");
#else
    return false;
#endif
}

#endif
