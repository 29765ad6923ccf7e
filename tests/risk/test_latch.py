"""The latch file: whatever is not an exact "open" is dropped, in C and in Python alike, and no writer can undo a newer engage."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk import latch
from risk.core import ffi, lib
from risk.latch import Latch, LatchBusy, LatchDamaged, LatchFull, LatchMissing, half
from tests.risk.test_exposure import runs

SALT = 0x1122334455667788
NOW = 1_795_000_000_000_000_000
LOCK = 0  # stands for a lock that is held: the functions only ask whether there is one


@pytest.fixture
def path(tmp_path: Path) -> Path:
    assert latch.create(tmp_path / "latch", SALT, NOW, False, "tests", "")
    return tmp_path / "latch"


@pytest.fixture
def mapped(path: Path) -> Iterator[Latch]:
    with Latch(path, writable=True) as one:
        yield one


def dropped(word: int, slot: int, salt: int = SALT) -> bool:
    return bool(lib.latch_dropped(word, salt, slot))


def word(engaged: int, rearmed: int | None, slot: int = 0, level: int = 4) -> int:
    high = 0 if rearmed is None else half(SALT, slot, True, latch.REARMED, rearmed)
    return half(SALT, slot, False, level, engaged) | high << 32


# Words.


@given(st.integers(0, 2**64 - 1), st.integers(0, 127), st.booleans(), st.integers(0, 15), st.integers(0, 65535))
@runs(200)
def test_both_sides_make_the_same_halves(salt: int, slot: int, rearm: bool, level: int, generation: int) -> None:
    assert half(salt, slot, rearm, level, generation) == lib.latch_half(salt, slot, rearm, level, generation)


@pytest.mark.parametrize("slot", [0, 1, 127])
@pytest.mark.parametrize("level", range(1, 16))
@pytest.mark.parametrize("generation", [0, 1, 255, 256, 65535])
def test_open_is_the_same_generation_twice(slot: int, level: int, generation: int) -> None:
    assert not dropped(word(generation, generation, slot, level), slot)
    assert dropped(word(generation, None, slot, level), slot)
    assert dropped(word(generation, (generation - 1) & 0xFFFF, slot, level), slot)
    assert lib.latch_generation(word(generation, None, slot, level)) == generation
    assert lib.latch_level(word(generation, None, slot, level), SALT, slot) == level


def test_an_unused_word_is_open_but_not_the_firms() -> None:
    assert [dropped(0, slot) for slot in range(128)] == [True] + [False] * 127


def test_level_zero_and_another_mark_are_not_exact() -> None:
    assert dropped(half(SALT, 0, False, 0, 5) | half(SALT, 0, True, latch.REARMED, 5) << 32, 0)
    assert dropped(half(SALT, 0, False, 4, 5) | half(SALT, 0, True, 9, 5) << 32, 0)
    assert dropped(half(SALT, 0, True, latch.REARMED, 5) | half(SALT, 0, False, 4, 5) << 32, 0), "halves exchanged"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (word(7, 7), word(8, 7)),  # engage
        (word(255, 255), word(256, 255)),
        (word(65535, 65535), word(0, 65535)),
        (word(8, 7), word(9, 7)),  # engage again
        (word(8, 7), word(8, 8)),  # rearm
        (word(256, 255), word(256, 256)),
        (0, word(300, None)),  # a slot's first engage
        (0, word(300, 300)),
        (word(300, 300), 0),  # a slot given back
    ],
)  # fmt: skip
@pytest.mark.parametrize("slot", [0, 5])
def test_a_word_torn_at_any_bytes_is_never_open_by_accident(old: int, new: int, slot: int) -> None:
    """Every mixture of old and new bytes: it is open only if it is one of the two, exactly."""
    salted = [0 if w == 0 else word(w & 0xFFFF, (w >> 32 & 0xFFFF) if w >> 32 else None, slot) for w in (old, new)]
    a, b = (w.to_bytes(8, "little") for w in salted)
    for choice in itertools.product((0, 1), repeat=8):
        torn = int.from_bytes(bytes((a, b)[c][i] for i, c in enumerate(choice)), "little")
        assert dropped(torn, slot) or torn in salted, f"{choice}: {torn:016x}"


@pytest.mark.parametrize("generation", [0, 7, 4095, 65535])
def test_any_one_or_two_bits_that_flip_drop_it(generation: int) -> None:
    whole = word(generation, generation, 3)
    for i, j in itertools.product(range(64), repeat=2):
        flipped = whole ^ (1 << i) ^ ((1 << j) if i != j else 0)
        assert dropped(flipped, 3), f"bits {i} and {j}"


def test_a_word_of_another_slot_or_file_is_damage() -> None:
    assert dropped(word(7, 7, 3), 4)
    assert dropped(word(7, 7, 3), 3, SALT + 1)


@given(st.integers(0, 2**64 - 1), st.integers(0, 127))
@runs(300)
def test_a_word_at_random_is_dropped(value: int, slot: int) -> None:
    exact = value != 0 and value == word(value & 0xFFFF, value & 0xFFFF, slot, level=value >> 16 & 15)
    assert dropped(value, slot) == (slot == 0 if value == 0 else not exact)


# The file.


def test_a_new_file_is_whole_and_stands_as_asked(tmp_path: Path) -> None:
    for name, down in (("a", False), ("b", True)):
        latch.create(tmp_path / name, SALT, NOW, down, "who", "why")
        with Latch(tmp_path / name) as one:
            assert one.dropped(0) is down and one.used() == [0]
            assert one.note(0) == (NOW, "who", "why")
            assert one.generation(0) == NOW // 10**9 & 0xFFFF
        assert os.stat(tmp_path / name).st_blocks * 512 >= latch.BYTES, "every block is allocated"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"], "nothing else is left behind"


def test_the_second_creator_keeps_the_first_ones_latch(path: Path) -> None:
    before = path.read_bytes()
    assert not latch.create(path, SALT + 1, NOW, False, "", "")
    assert path.read_bytes() == before


def test_where_a_latch_should_be_and_is_not_the_firm_is_dropped(tmp_path: Path) -> None:
    assert latch.ensure(tmp_path / "first", SALT, NOW, True, "gateway") and latch.ensure(tmp_path / "lost", SALT, NOW, False, "gateway")
    with Latch(tmp_path / "first") as first, Latch(tmp_path / "lost") as lost:
        assert not first.dropped(0) and lost.dropped(0)
        assert lost.note(0)[2] == "the latch file was missing"
    assert not latch.ensure(tmp_path / "lost", SALT, NOW, True, "gateway"), "it is there now, and stays dropped"


def test_missing_short_long_or_empty_is_refused_by_both_sides(path: Path) -> None:
    whole = path.read_bytes()
    for damaged in (b"", whole[:100], whole[:-1], whole + b"\0"):
        path.write_bytes(damaged)
        with pytest.raises(LatchDamaged):
            Latch(path)
    path.unlink()
    with pytest.raises(LatchMissing):
        Latch(path)
    salt = ffi.new("uint64_t *")
    assert not lib.latch_open(ffi.NULL, 0, salt) and not lib.latch_open(ffi.from_buffer(whole), len(whole) - 1, salt)
    assert lib.latch_load(ffi.NULL, 0, SALT, 0) == 0 and dropped(0, 0), "no file: the firm is dropped"


def test_every_byte_of_the_header_counts(path: Path) -> None:
    whole = path.read_bytes()
    salt = ffi.new("uint64_t *")
    assert lib.latch_open(ffi.from_buffer(whole), len(whole), salt) and salt[0] == SALT
    for at in range(latch.HEAD.size):
        damaged = bytearray(whole)
        damaged[at] ^= 0x10
        path.write_bytes(damaged)
        with pytest.raises(LatchDamaged):
            Latch(path)
        assert not lib.latch_open(ffi.from_buffer(damaged), len(damaged), salt), f"byte {at}"


def test_a_salt_that_changes_under_the_lane_drops_the_firm(path: Path) -> None:
    image = bytearray(path.read_bytes())
    memory = ffi.from_buffer(image)
    assert lib.latch_load(memory, len(image), SALT, 0) != 0
    assert lib.latch_load(memory, len(image), SALT + 1, 0) == 0


# Engage and rearm.


def test_engage_rearm_and_generations(mapped: Latch) -> None:
    first = mapped.word(0)
    assert mapped.engage("firm", "", "kill", NOW + 1, "a", "x", None) == 0
    assert mapped.dropped(0) and mapped.note(0) == (NOW + 1, "a", "x")
    once = mapped.generation(0)
    assert mapped.engage("firm", "", "kill", NOW + 2, "b", "y", None) == 0
    assert mapped.note(0) == (NOW + 1, "a", "x"), "who dropped it first is what people ask for"
    assert mapped.generation(0) == once + 1, "each engage has a generation of its own"
    assert mapped.rearm(0, mapped.generation(0), NOW + 3, "c", "z")
    assert not mapped.dropped(0) and mapped.word(0) != first and mapped.note(0) == (NOW + 3, "c", "z")
    assert lib.latch_generation(mapped.word(0)) != lib.latch_generation(first), "an order accepted before the kill does not leave after the rearm"


@pytest.mark.parametrize("kind", ["venue", "account", "strategy", "symbol"])
def test_a_scope_gets_a_slot_that_both_sides_can_read(path: Path, mapped: Latch, kind: str) -> None:
    name = "N" * 31 + "x"
    slot = mapped.engage(kind, name, "kill", NOW, "", "", LOCK)
    assert slot == 1 and mapped.dropped(slot) and mapped.identity(slot) == (kind, name) and not mapped.dropped(0)
    assert mapped.engage(kind, name, "kill", NOW, "", "", None) == slot, "a scope that has a slot needs no lock"
    assert identity(path.read_bytes(), slot) == (kind, name)


def identity(image: bytes, slot: int) -> tuple[str, str] | None:
    k, name = ffi.new("uint8_t *"), ffi.new("char[32]")
    found = lib.latch_identity(ffi.from_buffer(image), len(image), SALT, slot, k, name)
    return (latch.KINDS[k[0]], ffi.buffer(name)[:].rstrip(b"\0").decode()) if found else None


def test_every_byte_of_an_identity_counts(path: Path, mapped: Latch) -> None:
    slot = mapped.engage("account", "DEMO", "kill", NOW, "", "", LOCK)
    image = path.read_bytes()
    base = latch.SLOTS_AT + latch.SLOT.size * slot
    for at in [0, 1, *range(4, 8), *range(16, 48)]:  # kind, name_len, id_crc, name
        damaged = bytearray(image)
        damaged[base + at] ^= 0x01
        assert identity(damaged, slot) is None, f"byte {at}"
        mapped.map[base + at] ^= 0x01
        assert mapped.identity(slot) is None
        mapped.map[base + at] ^= 0x01
    assert mapped.identity(slot) == ("account", "DEMO") and identity(image, slot) == ("account", "DEMO")


def test_a_slot_that_cannot_be_read_is_freed_only_under_a_dropped_firm(mapped: Latch) -> None:
    slot = mapped.engage("account", "DEMO", "kill", NOW, "", "", LOCK)
    mapped.map[latch.SLOTS_AT + latch.SLOT.size * slot] ^= 0x01
    with pytest.raises(AssertionError, match="the firm must be dropped"):
        mapped.clear_unreadable()
    mapped.engage("firm", "", "kill", NOW, "", "", None)
    assert mapped.clear_unreadable() == [slot] and mapped.used() == [0]


def test_a_newer_engage_cannot_be_undone_by_a_rearm_that_comes_late(path: Path, mapped: Latch) -> None:
    mapped.engage("firm", "", "kill", NOW, "", "", None)
    shown = mapped.generation(0)
    with Latch(path, writable=True) as other:
        other.engage("firm", "", "kill", NOW, "", "", None)
    assert not mapped.rearm(0, shown, NOW, "", "")
    assert mapped.dropped(0)


def test_an_engage_that_was_overtaken_does_it_again(path: Path, mapped: Latch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between its look and its store another one engages and a third rearms: the store alone would change nothing."""
    describe, overtaken = Latch._describe, []

    def stalled(self: Latch, *args: object) -> None:
        describe(self, *args)  # type: ignore[arg-type]
        if self is mapped and not overtaken:
            generation_read = mapped.generation(0)
            with Latch(path, writable=True) as other:
                other.engage("firm", "", "kill", NOW, "other", "", None)
                assert other.generation(0) == generation_read + 1
                assert other.rearm(0, other.generation(0), NOW, "third", "")
            overtaken.append(True)

    monkeypatch.setattr(Latch, "_describe", stalled)
    before = mapped.generation(0)
    mapped.engage("firm", "", "kill", NOW, "", "", None)
    assert overtaken and mapped.dropped(0) and mapped.generation(0) == before + 2


def test_a_scope_without_a_slot_needs_the_lock(mapped: Latch) -> None:
    with pytest.raises(LatchBusy):
        mapped.engage("account", "DEMO", "kill", NOW, "", "", None)


def test_slots_of_open_scopes_are_used_again_and_dropped_ones_never(mapped: Latch) -> None:
    for i in range(1, 128):
        assert mapped.engage("symbol", f"S{i}", "kill", NOW + i, "", "", LOCK) == i
    with pytest.raises(LatchFull):
        mapped.engage("symbol", "ONE MORE", "kill", NOW, "", "", LOCK)
    assert mapped.engage("firm", "", "kill", NOW, "", "", None) == 0, "the firm always has a slot"
    for slot, at in ((5, 20), (9, 10)):
        assert mapped.rearm(slot, mapped.generation(slot), NOW + 10**9 * at, "", "")
    assert mapped.engage("symbol", "ONE MORE", "kill", NOW, "", "", LOCK) == 9, "the one that has been open for longest"
    assert mapped.find("symbol", "S9") is None and mapped.find("symbol", "ONE MORE") == 9


def test_a_damaged_word_can_be_dropped_and_rearmed(mapped: Latch) -> None:
    mapped._words[0] ^= 1 << 25
    assert mapped.dropped(0) and not mapped.is_exact(0) and mapped.level(0) == "kill"
    assert mapped.rearm(0, mapped.generation(0), NOW, "", "") and not mapped.dropped(0)
    mapped._words[0] ^= 1 << 60
    assert mapped.dropped(0), "the other half"
    mapped._words[0] ^= 1 << 25
    mapped.engage("firm", "", "pause", NOW, "again", "", None)
    assert mapped.is_exact(0) and mapped.level(0) == "pause" and mapped.note(0)[1] == "again"


def test_the_lock_is_waited_for_and_then_done_without(path: Path) -> None:
    now = itertools.count(0, 10_000_000)
    slept: list[int] = []
    held = latch.take_lock(path, 0, lambda: next(now), slept.append)
    assert held is not None
    assert latch.take_lock(path, latch.LOCK_SHORT_NS, lambda: next(now), slept.append) is None
    assert len(slept) == 4, "looked at 10, 20, 30, 40 and 50 ms"
    os.close(held)
    again = latch.take_lock(path, 0, lambda: next(now), slept.append)
    assert again is not None
    os.close(again)
    assert latch.take_lock(path.parent / "no such folder" / "latch", 0, lambda: next(now), slept.append) is None


# The lane's side.


def test_the_gate_compares_words_with_those_applied(path: Path, mapped: Latch) -> None:
    account = mapped.engage("account", "DEMO", "kill", NOW, "", "", LOCK)
    mapped.rearm(account, mapped.generation(account), NOW, "", "")
    memory = ffi.from_buffer("uint8_t[]", mapped.map)
    applied, down = ffi.new("uint64_t[128]"), ffi.new("uint8_t[128]")

    def gate() -> bool:
        return bool(lib.latch_gate(memory, len(memory), SALT, applied, down, bytes([0, account]), 2))

    def change() -> int:
        return int(lib.latch_next_change(memory, len(memory), SALT, applied, 0))

    def take() -> None:
        while (slot := change()) < 128:
            applied[slot] = lib.latch_load(memory, len(memory), SALT, slot)
            down[slot] = lib.latch_dropped(applied[slot], SALT, slot)

    assert change() == 0 and not gate(), "nothing is applied yet"
    take()
    assert change() == 128 and gate()
    mapped.engage("account", "DEMO", "kill", NOW, "", "", None)
    assert change() == account and not gate(), "changed, not yet applied"
    take()
    assert not gate(), "applied and dropped"
    mapped.rearm(account, mapped.generation(account), NOW, "", "")
    assert not gate(), "opened, not yet applied"
    take()
    assert gate()
    mapped.engage("symbol", "AAPL", "kill", NOW, "", "", LOCK)
    assert gate(), "another scope's word"
    assert not lib.latch_gate(ffi.NULL, 0, SALT, applied, down, bytes([0]), 1), "no file: nothing leaves"
    assert not lib.latch_gate(memory, len(memory), SALT, applied, down, bytes([200]), 1), "no such slot: nothing leaves"
    lib.latch_begin(memory, 42, SALT, NOW, applied)
    assert mapped.lane_pid() == 42 and mapped.seen(account) == mapped.word(account)
    assert mapped.seen(2) != mapped.word(2)
    lib.latch_saw(memory, 2, mapped.word(2), NOW)
    assert mapped.seen(2) == mapped.word(2)
    lib.latch_begin(memory, 42, SALT + 1, NOW, applied)
    assert mapped.lane_pid() == 0 and mapped.seen(0) is None, "a lane of another file says nothing about this one"
    ffi.release(memory)
