"""The last n keys: found as long as fewer than n others were added behind them, and no longer; against a list."""

import ctypes
import random
import subprocess
import sysconfig
from pathlib import Path

import pytest

CSRC = Path(__file__).parents[2] / "csrc"
SOURCE = """
#include "recent.h"
static uint64_t keys[64], added;
static uint32_t before[64], heads[GW_RECENT_HEADS(64)];
static gw_recent r = { keys, before, heads, &added, 0 };
void begin(uint32_t n, uint64_t earlier) {
  for (int i = 0; i < 64; i++) keys[i] = before[i] = 0;
  for (size_t i = 0; i < GW_RECENT_HEADS(64); i++) heads[i] = 0;
  added = earlier;
  r.n = n;
}
uint64_t find(uint64_t key) { uint32_t at = gw_recent_find(&r, key); return at == GW_RECENT_NONE ? 0 : keys[at]; }
uint32_t add(uint64_t key) { return gw_recent_add(&r, key); }
"""
LAP = 1 << 32  # keys, until the times begin anew


@pytest.fixture(scope="module")
def recent(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    folder = tmp_path_factory.mktemp("recent")
    (folder / "recent.c").write_text(SOURCE)
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    subprocess.run([compiler, "-std=c11", "-O1", "-shared", "-fPIC", f"-I{CSRC}", "-o", str(folder / "recent.so"), str(folder / "recent.c")], check=True)
    library = ctypes.CDLL(str(folder / "recent.so"))
    library.begin.argtypes = (ctypes.c_uint32, ctypes.c_uint64)
    library.find.argtypes = library.add.argtypes = (ctypes.c_uint64,)
    library.find.restype = ctypes.c_uint64
    return library


@pytest.mark.parametrize("earlier", [0, 1, LAP - 100, LAP - 64 - 1, LAP - 64, LAP - 63, LAP - 1, 3 * LAP - 40])
@pytest.mark.parametrize("n", [1, 2, 16, 64])
def test_the_last_keys_are_found_and_no_others(recent: ctypes.CDLL, n: int, earlier: int) -> None:
    """earlier: keys added long ago, all forgotten; so many that the times of this test begin anew in its middle."""
    print("seed 7")
    rng = random.Random(7)
    recent.begin(n, earlier)
    last: list[int] = []
    for key in range(1, 4 * n + 3):
        assert recent.find(key) == 0, "nothing is there from the beginning"
    for _ in range(1500):
        key = rng.randrange(1, 4 * n + 3)  # often one that was there before, so that chains have the old and the new
        assert recent.find(key) == (key if key in last else 0)
        if key not in last:
            place = recent.add(key)
            assert 0 <= place < n
            last = [*last, key][-n:]
        for other in rng.choices(last, k=4):
            assert recent.find(other) == other


def test_the_oldest_is_found_until_one_more_is_added(recent: ctypes.CDLL) -> None:
    recent.begin(16, 0)
    for key in range(100, 116):
        recent.add(key)
    assert recent.find(100) == 100
    recent.add(116)
    assert recent.find(100) == 0 and recent.find(101) == 101
