"""What ids are known by in the lane's tables, and where a search for them begins: those that follow one another lie side by side, all others anywhere."""

import ctypes
import subprocess
import sysconfig
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

CSRC = Path(__file__).parents[2] / "csrc"
SOURCE = """
#include "core.h"
uint64_t name_key(const char *name, unsigned n, uint64_t scope) { return gw_name_key(name, n, scope); }
uint64_t number_key(uint64_t v, uint64_t scope) { return gw_number_key(v, scope); }
uint64_t token_key(unsigned conn, uint64_t token) { return gw_token_key(conn, token); }
unsigned place8(uint64_t key) { return gw_place8(key) & 65535u; }
unsigned place16(uint64_t key) { return gw_place16(key) & 65535u; }
"""
CONN = 3


@pytest.fixture(scope="module")
def lane(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    folder = tmp_path_factory.mktemp("keys")
    (folder / "keys.c").write_text(SOURCE)
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    subprocess.run([compiler, "-std=c11", "-D_GNU_SOURCE", "-O1", "-shared", "-fPIC", f"-I{CSRC}", "-o", str(folder / "keys.so"), str(folder / "keys.c")], check=True)
    library = ctypes.CDLL(str(folder / "keys.so"))
    library.name_key.argtypes = (ctypes.c_char_p, ctypes.c_uint, ctypes.c_uint64)
    library.number_key.argtypes = (ctypes.c_uint64, ctypes.c_uint64)
    library.token_key.argtypes = (ctypes.c_uint, ctypes.c_uint64)
    library.place8.argtypes = library.place16.argtypes = (ctypes.c_uint64,)
    library.name_key.restype = library.number_key.restype = library.token_key.restype = ctypes.c_uint64
    return library


def name_key(lane: ctypes.CDLL, name: str, scope: int = CONN, n: int = 24) -> int:
    return int(lane.name_key(name.encode().ljust(n, b"\0"), n, scope))


def test_connections_that_count_in_step_do_not_crowd_one_place(lane: ctypes.CDLL) -> None:
    eights = [[lane.place8(lane.token_key(conn, token)) for token in range(4096, 4104)] for conn in range(1, 65)]
    assert all(eight == list(range(eight[0], eight[0] - 8, -1)) for eight in eights), "an answer's neighbours are near, the last one first"
    assert len({eight[0] for eight in eights}) > 60, "of 64 connections"


@pytest.mark.parametrize("text", ["{}", "A{:04}", "ORDER-{:07}", "20261120-{:08}", "EXEC-0000-{:013}", "{:024}"])
def test_names_that_count_lie_in_rows(lane: ctypes.CDLL, text: str) -> None:
    tens = [[name_key(lane, text.format(number)) for number in range(at, at + 10)] for at in range(1000, 3000, 10)]
    for ten in tens:
        places = {lane.place16(key) for key in ten}
        assert len(places) == 10 and len({place // 16 for place in places}) == 1, "a row of sixteen has the ten of a last digit"
        assert [b - a for a, b in pairwise(lane.place8(key) for key in ten[:8])] == [-1] * 7
    assert len({lane.place16(ten[0]) // 16 for ten in tens}) > 190, "the rows themselves lie anywhere"


@pytest.mark.parametrize("text", ["{}-A", "{:08}/1", "{:09}000"])
def test_names_that_all_end_alike_lie_anywhere(lane: ctypes.CDLL, text: str) -> None:
    places = [lane.place16(name_key(lane, text.format(number))) for number in range(16_000)]
    taken = Counter(place % 16 for place in places)
    assert len(taken) == 16 and max(taken.values()) < 1200, "also within the rows"
    assert len(set(places)) > 14_000


def test_numbers_that_count_lie_in_rows(lane: ctypes.CDLL) -> None:
    rows = [[lane.place16(lane.number_key(number, CONN)) for number in range(at, at + 16)] for at in range(0, 3200, 16)]
    assert all(len(set(row)) == 16 and len({place // 16 for place in row}) == 1 for row in rows)
    assert len({row[0] // 16 for row in rows}) > 190


def of_names(lane: ctypes.CDLL) -> list[int]:
    """Keys of names that are as like as names can be: each length, one character changed at each place, to each near one, and the same in a wider field."""
    names = {"A" * length for length in range(25)} | {f"{number:x}" for number in range(5000)} | {f"{number:024}" for number in range(5000)}
    base = "ORDER-2026-11-20-0000001"
    names |= {base[:at] + other + base[at + 1 :] for at in range(24) for other in "!0123456789ABCDEFZaz~"}
    names |= {base[:end][:at] + other + base[:end][at + 1 :] for end in (7, 8, 9, 15, 16, 17) for at in range(end) for other in "0123456789ABCDEF"}
    return [name_key(lane, name) for name in sorted(names)]


def of_scopes(lane: ctypes.CDLL) -> list[int]:
    return [name_key(lane, name, scope) for name in ("", "1", "ORDER-0000001", "A" * 24) for scope in range(500)]


def of_likes_in_scopes(lane: ctypes.CDLL) -> list[int]:
    """What a character adds to a name is not what the next connection adds to its key."""
    likes = sorted({base[:at] + other + base[at + 1 :] for base in ("0100", "ORD-0000001", "ORDER-2026-11-20-0000001") for at in range(len(base)) for other in "0123456789ABCDEF"})
    return [name_key(lane, name, scope) for name in likes for scope in range(64)]


def of_numbers(lane: ctypes.CDLL) -> list[int]:
    numbers = {*range(5000), *(1 << bit for bit in range(64)), *((1 << bit) - 1 for bit in range(1, 65))}
    return [int(lane.number_key(number, scope)) for number in sorted(numbers) for scope in range(3)]


@pytest.mark.parametrize("keys", [of_names, of_scopes, of_likes_in_scopes, of_numbers])
def test_what_differs_has_another_key_and_none_is_0(lane: ctypes.CDLL, keys: Callable[[ctypes.CDLL], list[int]]) -> None:
    all_of_them = keys(lane)
    assert len(set(all_of_them)) == len(all_of_them) and 0 not in all_of_them


def test_a_name_has_the_same_key_however_wide_its_field_is(lane: ctypes.CDLL) -> None:
    for length in range(25):
        name = "EXEC-2026-11-20-00000042"[:length]
        assert name_key(lane, name, n=24) == name_key(lane, name, n=40) == name_key(lane, name, n=64)
    long = "X" * 40
    assert len({name_key(lane, long[:length], n=64) for length in range(24, 41)}) == 17, "and all of a longer one counts"
