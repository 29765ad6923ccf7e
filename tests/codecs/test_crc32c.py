"""CRC32C: the vectors of RFC 3720 appendix B.4, and every way to it equal to the table's; the constants are made here from the polynomial."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
POLYNOMIAL = 0x1EDC6F41  # x^32 is not written; RFC 3720, section 12.1
VECTORS = """
#include <stdio.h>
#include "crc32c.h"
int main(void)
{
    uint8_t b[48] = {0}, count[32];
    for (int i = 0; i < 32; i++) count[i] = (uint8_t)i;
    printf("%08x ", gw_crc32c(0, b, 32));
    memset(b, 0xff, 32);
    printf("%08x ", gw_crc32c(0, b, 32));
    printf("%08x %08x ", gw_crc32c(0, count, 32), ~gw_crc32c_soft(~0u, count, 32));
    for (size_t cut = 0; cut <= 32; cut++)
        if (gw_crc32c(gw_crc32c(0, count, cut), count + cut, 32 - cut) != 0x46dd794eu) return 1;
    printf("%08x", gw_crc32c(0, "123456789", 9));
    return 0;
}
"""
# Longer than two of the longest blocks: every length, at an alignment and with a seed of its own; and every alignment around the lengths at which
# a way begins, or takes another step.
EQUAL = """
#include <stdio.h>
#include "crc32c.h"
typedef uint32_t way(uint32_t crc, const uint8_t *p, size_t n);
static _Alignas(64) uint8_t any[4000 + 64];
static int equal(way *w, size_t least, size_t at, size_t n)
{
    const uint32_t seed = (uint32_t)(n * 64 + at) * 2654435761u;
    if (n < least || w(seed, any + at, n) == gw_crc32c_soft(seed, any + at, n)) return 1;
    printf("%zu bytes at %zu, seed %08x", n, at, seed);
    return 0;
}
static int all_equal(way *w, size_t least)
{
    for (size_t n = 0; n <= 4000; n++)
        if (!equal(w, least, n * 5 % 64, n)) return 0;
    for (size_t n = 0; n <= 1100; n++)
        for (size_t at = 0; at < 64; at++)
            if ((n % 64 < 10 || n % 64 > 54) && !equal(w, least, at, n)) return 0;
    return 1;
}
static uint32_t chosen(uint32_t crc, const uint8_t *p, size_t n) { return ~gw_crc32c(~crc, p, n); }
int main(void)
{
    for (uint32_t i = 0, x = 1; i < sizeof any; i++, x = x * 1664525u + 1013904223u) any[i] = (uint8_t)(x >> 24);
    if (!all_equal(chosen, 0)) return 1;
#ifdef GW_CRC32C_LANE
    if (gw_crc32c_has_lanes() && !all_equal(gw_crc32c_hard, 0)) return 2;
    if (gw_crc32c_has_wide() && !all_equal(gw_crc32c_wide, GW_CRC32C_WIDE)) return 3;
#endif
    return 0;
}
"""
# Memory that ends at a page's border, and memory that begins at one: behind it and before it there is none.
BORDERS = """
#include <stdio.h>
#include <sys/mman.h>
#include "crc32c.h"
typedef uint32_t way(uint32_t crc, const uint8_t *p, size_t n);
enum { PAGE = 65536 };
static int stays_inside(way *w, size_t least, uint8_t *page)
{
    for (size_t n = least; n <= 700; n++)
        if (w(7, page, n) != gw_crc32c_soft(7, page, n) || w(7, page + PAGE - n, n) != gw_crc32c_soft(7, page + PAGE - n, n)) return 0;
    return 1;
}
static uint32_t chosen(uint32_t crc, const uint8_t *p, size_t n) { return ~gw_crc32c(~crc, p, n); }
int main(void)
{
    uint8_t *page = mmap(NULL, 3 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED || mprotect(page += PAGE, PAGE, PROT_READ | PROT_WRITE)) return 9;
    for (uint32_t i = 0, x = 1; i < PAGE; i++, x = x * 1664525u + 1013904223u) page[i] = (uint8_t)(x >> 24);
    if (!stays_inside(chosen, 0, page)) return 1;
#ifdef GW_CRC32C_LANE
    if (gw_crc32c_has_lanes() && !stays_inside(gw_crc32c_hard, 0, page)) return 2;
    if (gw_crc32c_has_wide() && !stays_inside(gw_crc32c_wide, GW_CRC32C_WIDE, page)) return 3;
#endif
    return 0;
}
"""
TABLES = """
#include <stdio.h>
#include "crc32c.h"
int main(void)
{
    for (int i = 0; i < 256; i++) printf("%08x ", gw_crc32c_table[i]);
#ifdef GW_CRC32C_LANE
    for (size_t bytes = 0; bytes <= 2 * GW_CRC32C_LANE; bytes += 8) printf("%08x ", gw_crc32c_over[GW_CRC32C_OVER(bytes)]);
#endif
    return 0;
}
"""


def output(folder: Path, program: str, *flags: str) -> str:
    (folder / "t.c").write_text(program)
    cc = ("cc", "-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror", "-Wno-unused-function", "-Wno-unused-const-variable")
    subprocess.run([*cc, *flags, f"-I{ROOT}/csrc", "t.c", "-o", "t"], cwd=folder, check=True)
    ran = subprocess.run([folder / "t"], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, (ran.returncode, ran.stdout, ran.stderr)
    return ran.stdout


def test_the_vectors_of_rfc_3720(tmp_path: Path) -> None:
    # 32 bytes of zeros, of ones, incrementing (twice); and the check value of the CRC catalogues for "123456789".
    assert output(tmp_path, VECTORS).split() == ["8a9136aa", "62a8ab43", "46dd794e", "46dd794e", "e3069283"]


@pytest.mark.parametrize("flags", [("-O2",), ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover")], ids=["fast", "sanitized"])
def test_every_way_is_equal_to_the_table(tmp_path: Path, flags: tuple[str, ...]) -> None:
    assert output(tmp_path, EQUAL, *flags) == ""


def test_no_way_reads_before_or_behind_what_it_is_given(tmp_path: Path) -> None:
    assert output(tmp_path, BORDERS, "-O2", "-D_GNU_SOURCE") == ""


def test_as_other_processors_run_it(tmp_path: Path) -> None:
    assert output(tmp_path, VECTORS, "-DGW_PORTABLE") == output(tmp_path, VECTORS)
    assert len(output(tmp_path, TABLES, "-DGW_PORTABLE").split()) == 256, "no constants but the table's"


def reflected(polynomial: int) -> int:
    """Bit-reflected, 32 bits: the coefficient of x^31 is the lowest bit."""
    return int(f"{polynomial:032b}"[::-1], 2)


def power_of_x(n: int) -> int:
    """x^n mod P for any n, also below 0 (P has a constant term, so x has an inverse), bit-reflected."""
    p, value = reflected(POLYNOMIAL), reflected(1)
    for _ in range(abs(n)):
        if n > 0:
            value = value >> 1 ^ (p if value & 1 else 0)
        else:
            value = (value ^ p) << 1 | 1 if value >> 31 else value << 1
    return value


def test_the_tables_are_what_the_polynomial_makes_them(tmp_path: Path) -> None:
    said = [int(word, 16) for word in output(tmp_path, TABLES).split()]

    def of_byte(byte: int) -> int:
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (reflected(POLYNOMIAL) if crc & 1 else 0)
        return crc

    assert said[:256] == [of_byte(byte) for byte in range(256)]
    assert said[256:] in ([], [power_of_x(8 * n - 33) for n in range(0, 1025, 8)])
