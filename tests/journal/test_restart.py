"""Restart on what a crash or damage left: a sound beginning of what was appended with everything that was durable, or a refusal that says where."""

import random
import re
from collections.abc import Iterator
from itertools import pairwise

import pytest

from gateway.journal.errors import JournalDamaged
from gateway.journal.reader import JournalReader
from gateway.journal.record import HEAD, Kind, ffi, lib
from gateway.journal.restart import Found, RingMemory, restart
from gateway.journal.simdisk import Image, SimDisk, SimJournal, broken_writes, crash_images, killed
from gateway.seams import SeededRng
from tests.journal.ring import append_to
from tests.journal.sim import BOOT, MS, NEXT_BOOT, append, assert_sound, config, content

LEVELS = ["async", "group", "sync"]
DIRECT = {"ring_bytes": 16384, "segment_bytes": 32768, "direct_min": 512}  # long runs, and the long marks before them, in a small journal


def small(level: str = "group", count: int = 12, stop: bool = True) -> SimJournal:
    journal = SimJournal.fresh(config(level, segment_bytes=8192), boot=BOOT)
    append(journal, count)
    journal.run(0)
    if stop:
        journal.stop(MS)
    return journal


def ring_image(journal: SimJournal) -> RingMemory:
    return RingMemory.of(bytes(ffi.buffer(ffi.cast("uint8_t *", journal.ring.pointer), journal.ring.length)))


def refused(disk: SimDisk, ring: RingMemory | None, boot: bytes) -> str:
    with pytest.raises(JournalDamaged) as error:
        restart(disk, ring, boot)
    return str(error.value)


# Crashes -------------------------------------------------------------------------------------------------------------------


def life(level: str, seed: int, most: int = 8, **changes: int) -> Iterator[tuple[SimJournal, int]]:
    """A journal in the middle of its work, before each operation of its writer, and the time."""
    rng = random.Random(seed)
    journal = SimJournal.fresh(config(level, **changes), boot=BOOT, salt=seed)
    now = 0
    for _ in range(12):
        append(journal, rng.randrange(1, most + 1))
        if rng.random() < 0.3:
            lib.gw_watermark_ask(journal.writer, 1, 1, 0, journal.ring.pointer.head_lsn + 100)
        now += rng.randrange(30 * MS)
        for _ in range(rng.randrange(5)):
            yield journal, now
            journal.step(now)


@pytest.mark.parametrize("level", LEVELS)
def test_every_crash_leaves_a_sound_beginning_with_all_that_was_durable(level: str, seed: int) -> None:
    for journal, now in life(level, seed):
        for image in crash_images(journal, BOOT, NEXT_BOOT, now, SeededRng(seed), step=487, draws=2):
            found = image.restart()
            assert_sound(found, image.durable_lsn, image.head_lsn, image.what)
            assert found.ring_survived == (image.ring is not None), image.what


def test_a_power_cut_at_every_byte() -> None:
    journal = SimJournal.fresh(config("async"), boot=BOOT)
    append(journal, 3)
    journal.run(0)
    journal.run(60 * MS)
    append(journal, 4)
    journal.run(70 * MS)
    assert journal.ring.pointer.durable_lsn == 3 and journal.disk.files[1].unsynced > 300
    for image in crash_images(journal, BOOT, NEXT_BOOT, 70 * MS, SeededRng(1), step=1, draws=300):
        assert_sound(image.restart(), image.durable_lsn, image.head_lsn, image.what)


def marks_in(journal: SimJournal) -> list[int]:
    """Lengths of the marks in the newest segment."""
    whole, at, found = journal.disk.whole(max(journal.disk.numbers())), lib.GW_SEG_DATA, []
    while at < len(whole) and (length := int.from_bytes(whole[at : at + 4], "little")):
        found += [length] if whole[at + 8] == Kind.SYNCED else []
        at += length
    return found


def test_a_crash_around_long_marks_and_long_runs(seed: int) -> None:
    for journal, now in life("async", seed, most=40, **DIRECT):
        for image in crash_images(journal, BOOT, NEXT_BOOT, now, SeededRng(seed), step=1511, draws=3):
            found = image.restart()
            assert_sound(found, image.durable_lsn, image.head_lsn, image.what)
            assert found.ring_survived == (image.ring is not None), image.what


def test_a_power_cut_in_a_long_mark() -> None:
    journal = SimJournal.fresh(config("async", **DIRECT), boot=BOOT)
    append(journal, 3)
    journal.run(0)
    journal.run(60 * MS)
    append(journal, 8)
    journal.run(70 * MS)
    assert journal.ring.pointer.durable_lsn == 3 and marks_in(journal) == [lib.GW_BLOCK]
    for image in crash_images(journal, BOOT, NEXT_BOOT, 70 * MS, SeededRng(1), step=13, draws=300):
        assert_sound(image.restart(), image.durable_lsn, image.head_lsn, image.what)


def assert_healed(image: Image, durable_lsn: int) -> bool:
    """With the ring all is found, also after a death within the restart. Alone at the same boot: a beginning, or refused; True if refused."""
    alone = image.disk.copy()
    for _ in range(2):
        found = image.restart()
        assert_sound(found, image.head_lsn, image.head_lsn, image.what)
        assert found.ring_survived, image.what
    assert [head.lsn for head, _ in JournalReader(image.disk).records()] == list(range(1, image.head_lsn + 1)), image.what
    assert_sound(restart(alone.copy(), None, NEXT_BOOT), durable_lsn, image.head_lsn, image.what)
    try:
        assert_sound(restart(alone, None, BOOT), durable_lsn, image.head_lsn, image.what)
    except JournalDamaged as error:
        assert "and sound bytes" in str(error), image.what
        return True
    return False


def test_a_write_that_broke_in_its_middle_loses_nothing_while_the_ring_is_there(seed: int) -> None:
    for journal, now in life("async", seed, most=40, **DIRECT):
        for image in broken_writes(journal, BOOT, now, SeededRng(seed), 4):
            assert_healed(image, journal.ring.pointer.durable_lsn)


def test_later_blocks_of_a_write_that_broke_are_no_damage() -> None:
    journal = SimJournal.fresh(config("async", **DIRECT), boot=BOOT)
    append(journal, 5)
    journal.run(0)
    append(journal, 60)
    refusals = [assert_healed(image, 0) for image in broken_writes(journal, BOOT, 10 * MS, SeededRng(1), 40)]
    assert len(refusals) == 40 and 5 < sum(refusals) < 35


def test_damage_in_what_was_said_to_be_copied_is_refused_though_the_ring_is_there() -> None:
    journal = SimJournal.fresh(config("async", **DIRECT), boot=BOOT)
    append(journal, 8)
    journal.run(0)
    append(journal, 4)
    ring = ring_image(journal)
    assert (ring.pointer.copied_lsn, ring.pointer.head_lsn) == (8, 12)
    wrong = bytearray(journal.disk.whole(1))
    wrong[lib.GW_SEG_DATA + 41] ^= 1
    journal.disk.create(1, bytes(wrong))
    assert "and sound bytes (lsn 2) lie behind it" in refused(journal.disk, ring, BOOT)


@pytest.mark.parametrize("level", LEVELS)
def test_death_during_recovery_finds_the_same_again(level: str) -> None:
    for journal, now in life(level, 5):
        for image in killed(journal, BOOT, now, step=500):
            first = image.restart()  # drains; then the process dies
            assert first.cut == "", f"{image.what}: a write that the death broke off takes nothing away, the ring has it whole"
            again = image.restart()
            assert (again.next_lsn, again.ring_survived, again.cut) == (first.next_lsn, True, ""), image.what
            assert again.drained == 0, "what was drained is not drained twice"
            assert_sound(again, image.head_lsn, image.head_lsn, image.what)


@pytest.mark.parametrize("level", LEVELS)
def test_life_goes_on_behind_any_crash(level: str) -> None:
    """Crash, restart, append, crash … each life behind the last, whatever was cut; stale bytes of each life lie in the next segments."""
    for seed in range(12):
        rng, seam = random.Random(seed), SeededRng(seed)
        disk, boot_number, found = SimDisk(8192), 1, None
        expected = 0
        for life_number in range(8):
            boot = bytes([boot_number] * 16)
            found = found or restart(disk, None, boot)
            journal = SimJournal(disk, found, config(level), boot=boot, salt=1000 * seed + life_number, epoch=life_number)
            append_to(journal.ring.pointer, content(found.next_lsn), kind=Kind.RESTART, flags=1)
            now = 0
            for _ in range(rng.randrange(1, 15)):
                append(journal, rng.randrange(6))
                now += rng.randrange(40 * MS)
                journal.step(now)
            choices = list(crash_images(journal, boot, bytes([boot_number + 1] * 16), now, seam, step=97, draws=3))
            image = rng.choice(choices)
            found = image.restart()
            assert_sound(found, image.durable_lsn, image.head_lsn, f"seed {seed}, life {life_number}: {image.what}")
            assert found.next_lsn - 1 >= image.durable_lsn
            disk, expected = image.disk, found.next_lsn
            disk.stale = max((f.content() for f in disk.files.values()), key=len)
            boot_number += image.boot != boot
        assert expected > 1


def test_a_second_death_after_a_loss_does_not_make_it_whole_again() -> None:
    """Power cut; the next gateway makes its ring and dies before it wrote down what it concluded: the loss is still known."""
    journal = small(stop=False)
    disk = journal.disk.copy()
    found = restart(disk, None, NEXT_BOOT)
    assert not found.ring_survived
    second = SimJournal(disk, found, config(), boot=NEXT_BOOT, salt=99)
    before_its_segment = disk.copy()
    del before_its_segment.files[2]
    assert not restart(before_its_segment, ring_image(second), NEXT_BOOT).ring_survived, "not even a segment"
    assert not restart(disk.copy(), ring_image(second), NEXT_BOOT).ring_survived, "no record at all"
    second.run(0)
    append(second, 2)
    second.run(0)
    assert not restart(disk.copy(), ring_image(second), NEXT_BOOT).ring_survived, "records, but no RESTART"
    third = SimJournal(disk, restart(disk, ring_image(second), NEXT_BOOT), config(), boot=NEXT_BOOT, salt=100)
    assert third.ring.pointer.after_loss and not restart(disk.copy(), ring_image(third), NEXT_BOOT).ring_survived
    append_to(third.ring.pointer, b"concluded", kind=Kind.RESTART)
    assert restart(disk.copy(), ring_image(third), NEXT_BOOT).ring_survived, "what it concluded is in the ring"
    third.run(0)
    assert restart(disk.copy(), ring_image(third), NEXT_BOOT).ring_survived, "or in a segment"


def test_a_ring_that_is_not_of_this_journal_and_boot_proves_nothing() -> None:
    journal = small(stop=False)
    other = SimJournal(SimDisk(8192), restart(SimDisk(), None, BOOT), config(), boot=BOOT, salt=5, journal_id=bytes([9] * 16))
    for ring, boot in ((None, BOOT), (ring_image(journal), NEXT_BOOT), (ring_image(other), BOOT), (RingMemory.of(bytes(4096)), BOOT), (RingMemory.of(b"short"), BOOT)):
        found = restart(journal.disk.copy(), ring, boot)
        assert not found.ring_survived and found.next_lsn == 13
    assert restart(journal.disk.copy(), ring_image(journal), BOOT).ring_survived


def test_a_journal_that_begins() -> None:
    found = restart(SimDisk(), None, BOOT)
    assert (found.next_lsn, found.ring_survived, found.segments, found.watermarks, list(found.records())) == (1, True, (), {}, [])
    journal = SimJournal.fresh(config(), boot=BOOT)  # dies before its first segment
    del journal.disk.files[1]
    found = restart(journal.disk, ring_image(journal), BOOT)
    assert (found.next_lsn, found.ring_survived) == (1, True)


# Torn tails and damage -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("boot", [BOOT, NEXT_BOOT])
def test_every_truncation_is_a_sound_beginning_or_refused(boot: bytes) -> None:
    journal = small()
    whole = journal.disk.whole(1)
    end = restart(journal.disk.copy(), None, boot).segments[0].end
    for length in [*range(0, lib.GW_SEG_DATA, 64), *range(lib.GW_SEG_DATA, end + 8)]:
        disk = journal.disk.copy()
        disk.create(1, whole[:length])
        if length < lib.GW_SEG_DATA:
            assert refused(disk, None, boot).startswith("segment 00000001.seg, offset 0: its head: ")
        else:
            assert_sound(restart(disk, None, boot), 0, 12, f"truncated at {length}")
        disk.create(1, whole[:length].ljust(8192, b"\0"))
        if length >= 152:  # the head is whole: the rest of its block is zero anyway
            assert_sound(restart(disk, None, boot), 0, 12, f"zero from {length}")


def test_a_truncation_is_noticed_where_the_ring_or_the_watermarks_know_better() -> None:
    journal = small()
    disk = journal.disk.copy()
    disk.shorten(1, 5000)
    ring = ring_image(journal)
    assert re.match(r"segment 00000001.seg, offset \d+: the segments end at lsn \d+, but the ring says that lsn 12 was copied", refused(disk, ring, BOOT))
    journal = small(stop=False)
    lib.gw_watermark_ask(journal.writer, 1, 1, 0, 5)
    journal.run(0)
    disk = journal.disk.copy()
    disk.shorten(1, 5000)
    assert re.match(r"segment 00000001.seg, offset \d+: the journal ends at lsn \d+, but it was on the disk up to lsn 12", refused(disk, None, NEXT_BOOT))


def starts(found: Found) -> list[int]:
    """Offsets of the records and marks of the first segment, and its end."""
    whole, at, offsets = found.store.whole(1), lib.GW_SEG_DATA, []
    while at < found.segments[0].end:
        offsets.append(at)
        at += HEAD.unpack_from(whole, at)[0]
    return [*offsets, at]


def test_each_flipped_byte_is_refused_or_cut_and_never_believed() -> None:
    """In the same boot every flip before the last record is refused; in the last one it is a torn tail. The place is named."""
    journal = small("sync", count=10, stop=False)
    whole = journal.disk.whole(1)
    clean = restart(journal.disk.copy(), None, BOOT)
    offsets, refusals = starts(clean), 0
    rng = random.Random(3)
    for at in [*range(152), 153, 4095, *range(lib.GW_SEG_DATA, offsets[-1] + 9)]:
        disk = journal.disk.copy()
        wrong = bytearray(whole)
        wrong[at] ^= 1 << rng.randrange(8)
        disk.create(1, bytes(wrong))
        if 152 <= at < lib.GW_SEG_DATA or at >= offsets[-2]:  # unused, or the last record: a torn tail
            assert_sound(restart(disk, None, BOOT), 9, 10, f"byte {at}")
            continue
        message = refused(disk, None, BOOT)
        begin = 0 if at < 152 else max(o for o in offsets if o <= at)
        assert message.startswith(f"segment 00000001.seg, offset {begin}: "), f"byte {at}: {message}"
        refusals += 1
    assert refusals == 152 + offsets[-2] - offsets[0]


def test_after_a_power_cut_what_was_durable_is_refused_and_what_never_was_is_cut() -> None:
    """Marks tell the two apart, where a disk wrote later blocks and not earlier ones."""
    journal = SimJournal.fresh(config("async"), boot=BOOT)
    append(journal, 5)
    journal.run(0)
    journal.run(60 * MS)  # 1 to 5 are durable
    append(journal, 6)
    journal.run(70 * MS)  # a mark, then 6 to 11, not durable
    offsets = starts(restart(journal.disk.copy(), None, BOOT))
    for i, (begin, end) in enumerate(pairwise(offsets)):
        disk = journal.disk.copy()
        wrong = bytearray(disk.whole(1))
        wrong[end - 1] ^= 1
        disk.create(1, bytes(wrong))
        if i < 5:
            assert f"offset {begin}: the checksum is wrong at lsn {i + 1}, which was on the disk" in refused(disk, None, NEXT_BOOT)
            continue
        found = restart(disk, None, NEXT_BOOT)
        assert_sound(found, 5, 10, f"byte {end - 1}")
        last = end == offsets[-1]
        assert ("nothing sound lies behind it" if last else "none of it ever durable") in found.cut
        if not last:
            refused(disk, None, BOOT)


def three_segments() -> SimJournal:
    journal = SimJournal.fresh(config("group"), boot=BOOT)
    while len(journal.disk.numbers()) < 3:
        append(journal, 5)
        journal.run(0)
    return journal


def test_each_flipped_byte_of_a_segment_that_is_not_the_last_is_refused_at_any_boot() -> None:
    journal = three_segments()
    clean = restart(journal.disk.copy(), None, NEXT_BOOT)
    for number in (1, 2):
        whole = journal.disk.whole(number)
        for at in [*range(152), *range(lib.GW_SEG_DATA, clean.segments[number - 1].end, 7)]:
            disk = journal.disk.copy()
            wrong = bytearray(whole)
            wrong[at] ^= 0x20
            disk.create(number, bytes(wrong))
            assert f"segment 0000000{number}.seg, offset " in refused(disk, None, NEXT_BOOT)
        disk = journal.disk.copy()
        disk.shorten(number, clean.segments[number - 1].end - 8)
        assert "segment 0000000" in refused(disk, None, NEXT_BOOT)


def test_segments_that_are_missing_renamed_or_of_another_journal_are_refused() -> None:
    journal, other = three_segments(), SimJournal.fresh(config("group"), boot=BOOT, salt=2)
    disk = journal.disk.copy()
    del disk.files[2]
    assert refused(disk, None, BOOT).startswith("segment 00000002.seg is missing")
    disk = journal.disk.copy()
    del disk.files[1]
    assert refused(disk, None, BOOT).startswith("segment 00000001.seg is missing")
    disk = journal.disk.copy()
    disk.files[1], disk.files[2] = disk.files[2], disk.files[1]
    assert "the file was renamed" in refused(disk, None, BOOT)
    disk = journal.disk.copy()
    del disk.files[3]
    assert "but the ring says" in refused(disk, ring_image(journal), BOOT)
    del disk.files[2], disk.files[1]
    assert "no segment is left" in refused(disk, ring_image(journal), BOOT)
    append(other, 3)
    other.stop(0)
    disk = journal.disk.copy()
    disk.files[1] = other.disk.files[1]
    assert "segment 0000000" in refused(disk, None, BOOT)


def test_a_segment_of_another_history_of_the_same_journal_is_refused() -> None:
    """Same journal, same lsns, same lengths, every CRC sound: only the CRC of the record before, in the head behind it, tells."""
    journal, other = three_segments(), SimJournal.fresh(config("group"), boot=BOOT, salt=2)
    while len(other.disk.numbers()) < 3:
        append(other, 5)
        other.run(0)
    for number in (1, 2):
        disk = journal.disk.copy()
        disk.files[number] = other.disk.files[number]
        assert refused(disk, None, BOOT).startswith(f"segment 0000000{number + 1 if number == 1 else number}.seg, offset 0: it goes on from lsn ")


def test_watermarks_that_are_lost_are_refused() -> None:
    journal = small()
    for content_now, what in ((b"", "missing or empty"), (bytes(40960), "neither of its two slots"), (b"xyz", "neither of its two slots")):
        disk = journal.disk.copy()
        disk.replace_watermarks(content_now)
        assert what in refused(disk, None, BOOT)
    disk = journal.disk.copy()
    disk.replace_watermarks(SimJournal(SimDisk(), restart(SimDisk(), None, BOOT), config(), boot=BOOT, salt=1, journal_id=bytes([7] * 16)).disk.watermarks())
    assert "another journal" in refused(disk, None, BOOT)


def test_damage_in_the_ring_is_refused_and_its_torn_end_cut() -> None:
    """What was not copied yet: a bad record with a sound one behind it is refused, the last one is cut, and then the ring did not survive."""
    journal = small(stop=False)
    append(journal, 6)
    r = journal.ring.pointer
    assert r.copied_lsn == 12 and r.head_lsn == 18
    image = bytes(ffi.buffer(ffi.cast("uint8_t *", r), journal.ring.length))
    data = r.data
    begin, last = r.copied % r.size, lib.gw_ring_find(r, 18, ffi.new("int *")) % r.size
    for at in [*range(begin, begin + 40), *range(last, last + 40)]:
        wrong = bytearray(image)
        wrong[data + at] ^= 4
        if at < begin + 40:
            assert "memory was damaged" in refused(journal.disk.copy(), RingMemory.of(bytes(wrong)), BOOT), at
        else:
            found = restart(journal.disk.copy(), RingMemory.of(bytes(wrong)), BOOT)
            assert_sound(found, 17, 17, f"byte {at}")
            assert not found.ring_survived and found.cut.startswith("ring, lsn 18: ")


# Stale bytes ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("same_salt", [False, True])
def test_a_recycled_segment_never_brings_back_what_was_in_it(same_salt: bool) -> None:
    """The new segment is laid over a full old one; after each record, and cut at each byte, nothing old is found, not even under the same salt."""
    old = SimJournal.fresh(config("sync"), boot=BOOT, salt=1)
    while len(old.disk.numbers()) < 2:
        append(old, 1)
        old.run(0)
    disk = SimDisk(8192, stale=old.disk.whole(1))
    first = restart(old.disk, None, BOOT)
    journal = SimJournal(disk, restart(SimDisk(), None, BOOT), config("async"), boot=BOOT, salt=1 if same_salt else 2)
    if same_salt:  # as if it were recycled in the same life: lsns go on
        disk = old.disk.copy()
        disk.stale = old.disk.whole(1)
        journal = SimJournal(disk, first, config("async"), boot=BOOT, salt=1)
    begin = journal.ring.pointer.head_lsn
    append(journal, 5)
    journal.run(0)
    assert journal.disk.whole(max(journal.disk.numbers()))[4096:] != bytes(4096), "the stale bytes are there"
    for image in crash_images(journal, BOOT, NEXT_BOOT, 0, SeededRng(1), step=3, draws=50):
        found = image.restart()
        assert_sound(found, image.durable_lsn, image.head_lsn, image.what)
        assert image.ring is None or found.next_lsn == begin + 6
