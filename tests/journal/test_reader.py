"""Readers and cursors: every record once, in order, bounded, live or dead; damage is named, never skipped."""

import json
import random

import pytest

from gateway.journal.errors import JournalDamaged, JournalError
from gateway.journal.export import as_object
from gateway.journal.reader import JournalReader
from gateway.journal.record import Flag, Head, Kind, ffi, lib
from gateway.journal.restart import restart
from gateway.journal.simdisk import SimDisk, SimJournal
from tests.journal.sim import BOOT, MS, NEXT_BOOT, append, config, content


def written(records: int = 120, level: str = "group") -> SimJournal:
    journal = SimJournal.fresh(config(level), boot=BOOT)
    while journal.ring.pointer.head_lsn < records:
        append(journal, 7)
        journal.run(0)
    return journal


def test_all_records_of_all_segments_in_order() -> None:
    journal = written()
    found = list(JournalReader(journal.disk).records())
    assert [(head.lsn, payload) for head, payload in found] == [(n, content(n)) for n in range(1, journal.ring.pointer.head_lsn + 1)]
    assert found[4][0] == Head(40 + len(content(5)), found[4][0].crc, Kind.IN, 1, 1, 0, 3, 9, 0, 5, 1005)
    assert found == list(restart(journal.disk, None, BOOT).records())


def test_from_any_lsn_and_where_it_lies() -> None:
    journal = written()
    reader = JournalReader(journal.disk)
    last = journal.ring.pointer.head_lsn
    for lsn in random.Random(1).sample(range(1, last + 1), last):
        head, payload = next(reader.records(lsn))
        assert (head.lsn, payload) == (lsn, content(lsn))
        number, offset = reader.locate(lsn)
        whole = journal.disk.whole(number)
        assert whole[offset + 40 : offset + head.len] == payload
    assert list(reader.records(last + 1)) == []
    with pytest.raises(JournalError, match="no such record"):
        reader.locate(last + 1)


def test_a_follower_reads_bounded_and_goes_on_where_it_was() -> None:
    """Behind a living writer, over new segments, one to five records at a time: nothing twice, nothing left out."""
    journal, rng = SimJournal.fresh(config("async"), boot=BOOT), random.Random(2)
    cursor, seen, now = JournalReader(journal.disk).cursor(), [], 0
    while journal.ring.pointer.head_lsn < 200:
        append(journal, rng.randrange(8))
        now += rng.randrange(20 * MS)
        journal.step(now)
        count = rng.randrange(1, 6)
        got = cursor.read(count)
        assert len(got) <= count
        seen += got
        assert len(seen) <= journal.ring.pointer.copied_lsn
        assert cursor.synced_lsn <= journal.ring.pointer.durable_lsn
    journal.stop(now)
    while got := cursor.read(50):
        seen += got
    assert [(head.lsn, payload) for head, payload in seen] == [(n, content(n)) for n in range(1, journal.ring.pointer.head_lsn + 1)]
    assert cursor.synced_lsn == journal.ring.pointer.head_lsn


def test_a_follower_that_came_before_the_journal() -> None:
    disk = SimDisk(8192)
    cursor = JournalReader(disk).cursor()
    assert cursor.read() == []
    journal = SimJournal.fresh(config("group"), boot=BOOT, disk=disk)
    append(journal, 2)
    journal.run(0)
    assert [head.lsn for head, _ in cursor.read()] == [1, 2]


def test_lives_and_cuts_are_one_journal_to_a_reader() -> None:
    """A torn tail is passed by where the next segment says that it was cut."""
    journal = written(20)
    disk = journal.disk.copy()
    number = max(disk.numbers())
    whole = bytearray(disk.whole(number))
    end = restart(disk.copy(), None, BOOT).segments[-1].end
    whole[end - 1] ^= 1
    disk.create(number, bytes(whole))
    found = restart(disk, None, NEXT_BOOT)
    second = SimJournal(disk, found, config("group"), boot=NEXT_BOOT, salt=77)
    append(second, 9)
    second.run(0)
    assert [head.lsn for head, _ in JournalReader(disk).records()] == list(range(1, second.ring.pointer.head_lsn + 1))


def test_damage_before_the_end_is_named() -> None:
    journal = written()
    clean = restart(journal.disk.copy(), None, BOOT)
    for at in range(lib.GW_SEG_DATA, clean.segments[0].end, 31):
        disk = journal.disk.copy()
        wrong = bytearray(disk.whole(1))
        wrong[at] ^= 8
        disk.create(1, bytes(wrong))
        with pytest.raises(JournalDamaged, match=r"segment 00000001.seg, offset \d+: no sound record"):
            list(JournalReader(disk).records())
    disk = journal.disk.copy()
    disk.create(2, bytes(8192))
    with pytest.raises(JournalDamaged, match=r"segment 00000002.seg, offset 0: its head: not of this kind of file"):
        list(JournalReader(disk).records())
    disk = journal.disk.copy()
    del disk.files[1]
    with pytest.raises(JournalError, match="the journal begins with lsn"):
        list(JournalReader(disk).records())


def test_damage_in_the_last_segment_is_told_and_a_torn_tail_is_none() -> None:
    journal = SimJournal.fresh(config("async"), boot=BOOT)
    append(journal, 12)
    journal.run(60 * MS)
    whole, reader = journal.disk.whole(1), JournalReader(journal.disk)
    ends = [*(reader.locate(lsn)[1] for lsn in range(1, 13)), restart(journal.disk.copy(), None, BOOT).segments[0].end]
    assert JournalReader(journal.disk).damage(lambda: pytest.fail("a sound journal is looked at once")) == ""
    for lsn, at in enumerate(ends[1:], 1):
        disk = journal.disk.copy()
        disk.create(1, whole[: at - 1] + bytes([whole[at - 1] ^ 1]) + whole[at:])
        reader = JournalReader(disk)
        assert len(list(reader.records())) == lsn - 1, "reading stops there"
        torn = lsn == len(ends) - 1
        assert reader.damage(lambda: None) == (
            "" if torn else f"segment 00000001.seg, offset {ends[lsn - 1]}: the checksum is wrong at lsn {lsn}, and sound bytes (lsn {lsn + 1}) lie behind it at offset {at}"
        )
        # Where the writer fills the place between two looks, there was no damage.
        assert reader.damage(lambda disk=disk: disk.create(1, whole)) == ""  # type: ignore[misc]


def test_a_journal_begun_anew_is_noticed() -> None:
    journal = written(20)
    cursor = JournalReader(journal.disk).cursor()
    while cursor.read():
        pass
    other = SimJournal(SimDisk(8192), restart(SimDisk(), None, BOOT), config(), boot=BOOT, salt=3, journal_id=bytes([5] * 16))
    journal.disk.files = other.disk.files
    with pytest.raises(JournalError, match="begun anew"):
        cursor.read()


def test_a_record_longer_than_a_chunk() -> None:
    journal = SimJournal.fresh(config("group", ring_bytes=1 << 22, segment_bytes=1 << 21), boot=BOOT)
    payloads = [bytes([n]) * length for n, length in enumerate((900_000, 16, 262_104, 262_144, 8))]
    for lsn, payload in enumerate(payloads, 1):
        p = lib.gw_ring_reserve(journal.ring.pointer, 40 + len(payload))
        ffi.memmove(p, bytes(24) + lsn.to_bytes(8, "little") + bytes(8) + payload, 40 + len(payload))
        assert lib.gw_ring_commit(journal.ring.pointer, 40 + len(payload)) == 0
    journal.run(0)
    assert [payload for _, payload in JournalReader(journal.disk).records()] == payloads


def test_kinds_and_flags_are_those_of_the_header() -> None:
    for kind in Kind:
        assert getattr(lib, f"GW_REC_{kind.name}") == kind
    for flag in Flag:
        assert getattr(lib, f"GW_REC_{flag.name}") == flag


def test_export_names_what_it_knows_and_keeps_the_rest_as_hex() -> None:
    head = Head(48, 1, Kind.OUT, 1, 3, 0, 2, 9, 0, 7, 1_700_000_000_000_000_001)
    shown = {"lsn": 7, "t_ns": 1_700_000_000_000_000_001, "kind": "OUT", "ver": 1, "flags": ["STEP_FIRST", "TO_CONTROL"], "lane": 0, "conn": 2, "epoch": 9}
    assert as_object(head, b"8=FIX.4.", {}) == shown | {"payload": "383d4649582e342e"}
    assert as_object(head, b"8=FIX.4.", {Kind.OUT: lambda h, p: {"frame": p.decode()}}) == shown | {"frame": "8=FIX.4."}
    assert json.loads(json.dumps(as_object(head._replace(kind=99), b"", {})))["kind"] == 99
