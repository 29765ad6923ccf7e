"""CRC32C: the vectors of RFC 3720 appendix B.4, by the processor's instruction and by the table alike."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PROGRAM = """
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
    uint8_t any[4000]; /* longer than two of the longest blocks, at every length and alignment */
    for (uint32_t i = 0, x = 1; i < sizeof any; i++, x = x * 1664525u + 1013904223u) any[i] = (uint8_t)(x >> 24);
    for (size_t n = 0; n <= sizeof any - 8; n++)
        if (gw_crc32c(7, any + n % 8, n) != ~gw_crc32c_soft(~7u, any + n % 8, n)) return 2;
    return 0;
}
"""


def test_the_vectors_of_rfc_3720(tmp_path: Path) -> None:
    (tmp_path / "t.c").write_text(PROGRAM)
    subprocess.run(["cc", "-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror", f"-I{ROOT}/csrc", "t.c", "-o", "t"], cwd=tmp_path, check=True)
    out = subprocess.run([tmp_path / "t"], check=True, capture_output=True, text=True).stdout
    # 32 bytes of zeros, of ones, incrementing (twice); and the check value of the CRC catalogues for "123456789".
    assert out.split() == ["8a9136aa", "62a8ab43", "46dd794e", "46dd794e", "e3069283"]
