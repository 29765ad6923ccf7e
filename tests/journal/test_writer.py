"""The writer's machine: what it does in which order, at each level; simulated disk, virtual time."""

import errno
import random

import pytest

from gateway.journal.reader import JournalReader
from gateway.journal.record import HEAD, ffi, lib
from gateway.journal.restart import restart
from gateway.journal.simdisk import SimDisk, SimJournal
from tests.journal.ring import append_to
from tests.journal.sim import BOOT, MS, NEXT_BOOT, append, assert_sound, config, content

WRITE, SYNC, SEGMENT, READ = lib.GW_IO_WRITE, lib.GW_IO_SYNC, lib.GW_IO_SEGMENT, lib.GW_IO_READ
MARK_WRITE, MARK_SYNC = lib.GW_IO_WATERMARK_WRITE, lib.GW_IO_WATERMARK_SYNC


def did(journal: SimJournal, now_ns: int) -> list[int]:
    journal.done.clear()
    journal.run(now_ns)
    return journal.done[:]


def test_async_gathers_and_syncs_in_the_background() -> None:
    journal = SimJournal.fresh(config("async"), boot=BOOT)
    r = journal.ring.pointer
    assert journal.done == [SEGMENT] and did(journal, 0) == []
    append(journal, 3)
    assert did(journal, 0) == [WRITE], "one write for all that is there"
    assert (r.copied_lsn, r.durable_lsn) == (3, 0)
    append(journal, 2)
    assert did(journal, 4 * MS) == [], "the ring is nearly empty: it gathers"
    assert did(journal, 5 * MS) == [WRITE]
    assert did(journal, 49 * MS) == [] and r.durable_lsn == 0
    assert did(journal, 50 * MS) == [SYNC] and r.durable_lsn == 5
    assert did(journal, 500 * MS) == [], "nothing new, nothing to sync"
    append(journal, 1)
    assert did(journal, 501 * MS) == [WRITE, WRITE], "a mark says what is durable, then the record"


def test_async_does_not_wait_when_the_ring_fills() -> None:
    journal = SimJournal.fresh(config("async"), boot=BOOT)
    append(journal, 1)
    did(journal, 0)
    while journal.ring.pointer.head - journal.ring.pointer.copied < 1024:
        append(journal, 1)
    assert did(journal, 1) == [WRITE]


def test_group_syncs_at_once_and_groups_form_meanwhile() -> None:
    journal = SimJournal.fresh(config("group"), boot=BOOT)
    r = journal.ring.pointer
    append(journal, 1)
    assert journal.step(0) == WRITE
    append(journal, 4)
    assert journal.step(0) == SYNC and r.durable_lsn == 1, "the group is what was there when it began"
    assert did(journal, 0) == [WRITE, WRITE, SYNC] and r.durable_lsn == 5, "mark, the four in one write, one sync"


def test_sync_makes_each_step_durable_by_itself() -> None:
    journal = SimJournal.fresh(config("sync"), boot=BOOT)
    append(journal, 3)
    assert did(journal, 0) == [WRITE, SYNC, WRITE, WRITE, SYNC, WRITE, WRITE, SYNC]
    assert journal.ring.pointer.durable_lsn == 3


@pytest.mark.parametrize("level", ["async", "group", "sync"])
def test_everything_arrives_whole_over_ring_wraps_and_segments(level: str) -> None:
    for seed in range(10):
        rng = random.Random(seed)
        journal = SimJournal.fresh(config(level), boot=BOOT)
        now = 0
        while journal.ring.pointer.head_lsn < 150:
            now += rng.randrange(20 * MS)
            append(journal, rng.randrange(1, 12))
            for _ in range(rng.randrange(6)):
                journal.step(now)
        journal.stop(now)
        assert journal.writer.ended and journal.ring.pointer.durable_lsn == journal.ring.pointer.head_lsn
        assert len(journal.disk.numbers()) > 2 and all(f.unsynced == 0 for f in journal.disk.files.values())
        found = restart(journal.disk, None, NEXT_BOOT)
        assert_sound(found, journal.ring.pointer.head_lsn, journal.ring.pointer.head_lsn, f"seed {seed}")
        assert found.cut == ""


def test_a_stop_leaves_a_mark_that_all_is_durable() -> None:
    journal = SimJournal.fresh(config("async"), boot=BOOT)
    append(journal, 3)
    journal.stop(0)
    last = bytearray(journal.disk.whole(1))
    found = restart(journal.disk, None, NEXT_BOOT)
    head = HEAD.unpack_from(last, found.segments[-1].end - 40)
    assert (head[2], head[9]) == (lib.GW_REC_SYNCED, 3)


@pytest.mark.parametrize(("kind", "what"), [(WRITE, "GW_FAILED_WRITE"), (SYNC, "GW_FAILED_SYNC"), (SEGMENT, "GW_FAILED_SEGMENT")])
@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
def test_a_failure_is_said_once_and_nothing_is_tried_again(kind: int, what: str, code: int) -> None:
    journal = SimJournal.fresh(config("group"), boot=BOOT)
    append(journal, 2)
    journal.run(0)
    journal.fail[kind] = code
    while not lib.gw_ring_failed(journal.ring.pointer):
        append(journal, 1)
        journal.run(0)
    assert journal.ring.pointer.failed == getattr(lib, what) << 32 | code
    durable = journal.ring.pointer.durable_lsn
    append(journal, 1)
    assert did(journal, 10**12) == [] and journal.writer.ended
    assert journal.ring.pointer.durable_lsn == durable
    assert_sound(restart(journal.disk.copy(), None, NEXT_BOOT), durable, journal.ring.pointer.head_lsn, what)


def test_damage_in_the_ring_is_not_copied() -> None:
    journal = SimJournal.fresh(config("group"), boot=BOOT)
    append(journal, 2)
    journal.run(0)
    append(journal, 1)
    p = lib.gw_ring_at(journal.ring.pointer, 3)
    ffi.cast("gw_rec *", p).len = 12
    journal.run(0)
    assert journal.ring.pointer.failed >> 32 == lib.GW_FAILED_RING and journal.ring.pointer.copied_lsn == 2


def writes(journal: SimJournal, now_ns: int) -> list[tuple[int, int, bytes]]:
    """Everything there is to do at this time: of each write into a segment (position in the ring, offset in the file, bytes); of a mark, position -1."""
    found = []
    while True:
        under_way = journal.under_way(now_ns)
        kind = journal.step(now_ns)
        if kind in (lib.GW_IO_REST, lib.GW_IO_END):
            return found
        if under_way is not None:
            _, offset, written = under_way
            found.append((-1 if written[8] == lib.GW_REC_SYNCED else journal.writer.run.begin, offset, written))


DIRECT = {"ring_bytes": 16384, "segment_bytes": 1 << 16, "direct_min": 1024}


def test_long_runs_lie_in_the_segment_as_in_the_ring() -> None:
    """Over ring ends, syncs and segments: a long run lies right, unless a mark that mends it would not leave it its room."""
    lengths = set()
    for seed in range(20):
        rng = random.Random(seed)
        journal = SimJournal.fresh(config("async", **DIRECT), boot=BOOT)
        now = long = wrong = 0
        while journal.ring.pointer.head_lsn < 1200:
            now += rng.randrange(25 * MS)
            append(journal, rng.choice((1, 2, 30, 60)))
            for position, offset, written in writes(journal, now):
                if position < 0:
                    lengths.add(len(written))
                    assert not any(written[40:]), "a mark is filled up with zeros"
                elif len(written) >= 1024:
                    long += 1
                    if (position - offset) % lib.GW_BLOCK:
                        wrong += 1
                        assert offset + len(written) + lib.GW_BLOCK > (1 << 16) - 80, f"seed {seed}: {position} lies at {offset}"
        assert long > 30 and wrong < long / 4, f"seed {seed}: {wrong} of {long} do not"
        journal.stop(now)
        found = restart(journal.disk, None, NEXT_BOOT)
        assert_sound(found, journal.ring.pointer.head_lsn, journal.ring.pointer.head_lsn, f"seed {seed}")
        assert [head.lsn for head, _ in JournalReader(journal.disk).records()] == list(range(1, found.next_lsn))
    assert len(lengths) > 20 and 2000 < max(lengths) <= lib.GW_BLOCK - 8 + lib.GW_REC_HEAD


def sized(journal: SimJournal, length: int) -> None:
    """Append one record of this length."""
    assert append_to(journal.ring.pointer, bytes(length - 40), flags=1)


@pytest.mark.parametrize("synced", [False, True])
def test_a_mark_is_as_long_as_it_takes(synced: bool) -> None:
    """`left` bytes at the ring's end are skipped: the next run lies that much further in the ring than in the file, and a mark makes up for it.

    A mark that is owed for a sync does that too: there is never a second one.
    """
    for left in range(8, 4096, 8):
        journal = SimJournal.fresh(config("async", **{**DIRECT, "segment_bytes": 1 << 15, "gather_ns": 0}), boot=BOOT)
        rest = 16384 - left - 10240
        for length in (4096, 4096, 2048, rest // 16 * 8, rest - rest // 16 * 8):
            sized(journal, length)
            assert [position - offset for position, offset, _ in writes(journal, 0)] == [-4096], "what begins at 0 lies right by itself"
        if synced:
            assert did(journal, 60 * MS) == [SYNC]
        sized(journal, 4096)
        (no_position, at, mark), (position, offset, run) = writes(journal, 61 * MS if synced else 0)
        assert no_position < 0 and at + len(mark) == offset and len(mark) == 40 + (left - 40) % lib.GW_BLOCK
        assert (position, offset % lib.GW_BLOCK, len(run)) == (16384, 0, 4096)
        assert HEAD.unpack_from(mark)[0] == len(mark) and HEAD.unpack_from(mark)[9] == (5 if synced else 0)
        found = restart(journal.disk.copy(), None, NEXT_BOOT)
        assert (found.next_lsn, found.cut) == (7, "")
        assert [head.lsn for head, _ in JournalReader(journal.disk).records()] == [1, 2, 3, 4, 5, 6]
        got = fetch(journal, 5, 16384)
        assert isinstance(got, bytes) and len(got) == rest - rest // 16 * 8 + 4096, "the lane reads over it"


@pytest.mark.parametrize(("length", "mended"), [(1016, False), (1024, True), (1032, True)])
def test_only_a_run_that_is_long_is_worth_a_long_mark(length: int, mended: bool) -> None:
    journal = SimJournal.fresh(config("async", **DIRECT), boot=BOOT)
    sized(journal, 40)
    journal.run(0)
    journal.run(60 * MS)
    sized(journal, length)
    (_, _, mark), (position, offset, _) = writes(journal, 61 * MS)
    assert (len(mark), (position - offset) % lib.GW_BLOCK == 0) == ((lib.GW_BLOCK, True) if mended else (40, False))


@pytest.mark.parametrize("level", ["group", "sync"])
def test_where_somebody_waits_marks_are_short(level: str) -> None:
    journal = SimJournal.fresh(config(level, **DIRECT), boot=BOOT)
    for _ in range(8):
        sized(journal, 4096)
        assert all(len(written) == 40 for position, _, written in writes(journal, 0) if position < 0)


def test_a_long_mark_takes_no_room_that_a_record_needs() -> None:
    """The smallest segments that a ring's longest record fits into: each holds one, and no mark drives it out, segment after segment."""
    journal = SimJournal.fresh(config("async", ring_bytes=16384, segment_bytes=8192, direct_min=8), boot=BOOT)
    longest = journal.ring.pointer.rec_max
    assert longest == 8192 - lib.GW_SEG_DATA - 2 * lib.GW_REC_HEAD
    for count in range(1, 30):
        sized(journal, longest)
        steps = [journal.step(count * 60 * MS) for _ in range(8)]
        assert steps[-1] == lib.GW_IO_REST and len(journal.disk.numbers()) == count
    journal.stop(30 * 60 * MS)
    assert restart(journal.disk, None, NEXT_BOOT).next_lsn == 30


def test_watermarks_are_granted_when_durable_and_written_twice() -> None:
    journal = SimJournal.fresh(config("async"), boot=BOOT)
    did(journal, 0)
    w = journal.writer
    assert lib.gw_watermark_ask(w, 3, 1, 0, 1000) == 0
    assert lib.gw_writer_busy(w)
    assert journal.step(0) == MARK_WRITE and lib.gw_watermark_ask(w, 3, 1, 0, 0) == 0
    assert journal.step(0) == MARK_SYNC and lib.gw_watermark_ask(w, 3, 1, 0, 0) == 1000
    assert did(journal, 0) == [MARK_WRITE, MARK_SYNC]
    assert lib.gw_watermark_ask(w, 3, 1, 0, 900) == 1000 and did(journal, 0) == [], "asking for less lowers nothing"
    assert lib.gw_watermark_ask(w, 4, 2, 7, 50) == 0
    did(journal, 0)
    assert restart(journal.disk, None, NEXT_BOOT).watermarks == {(3, 1, 0): 1000, (4, 2, 7): 50}
    lib.gw_watermark_reset(w, 3, 1, 0, 1)
    did(journal, 0)
    assert lib.gw_watermark_ask(w, 3, 1, 0, 0) == 1 and restart(journal.disk, None, NEXT_BOOT).watermarks[3, 1, 0] == 1


def test_a_granted_watermark_survives_any_one_damaged_slot_and_any_cut() -> None:
    journal = SimJournal.fresh(config("async"), boot=BOOT)
    journal.run(0)
    rng = random.Random(1)
    granted = 0
    for value in range(100, 1300, 100):
        lib.gw_watermark_ask(journal.writer, 1, 1, 0, value)
        while granted < value:
            journal.step(0)
            granted = lib.gw_watermark_ask(journal.writer, 1, 1, 0, 0)
            for cut in range(0, journal.disk.marks.unsynced + 1, 7):
                image = SimDisk()
                image.files, image.marks.durable = journal.disk.files, bytearray(journal.disk.marks.content(cut))
                assert restart(image, None, NEXT_BOOT).watermarks.get((1, 1, 0), 0) in (granted, value)
        journal.run(0)
        for slot in (0, lib.GW_WATERMARK_SLOT):
            image = journal.disk.copy()
            image.marks.durable[slot + rng.randrange(56 + 16)] ^= 1 << rng.randrange(8)
            assert restart(image, None, NEXT_BOOT).watermarks == {(1, 1, 0): value}


def test_a_full_watermark_table_grants_nothing_and_breaks_nothing() -> None:
    journal = SimJournal.fresh(config("async"), boot=BOOT)
    for conn in range(lib.GW_WATERMARKS):
        lib.gw_watermark_ask(journal.writer, conn, 1, 0, 10)
    assert lib.gw_watermark_ask(journal.writer, 5000, 1, 0, 10) == 0
    journal.run(0)
    assert lib.gw_watermark_ask(journal.writer, 5000, 1, 0, 10) == 0 and lib.gw_watermark_ask(journal.writer, 1023, 1, 0, 0) == 10
    assert len(restart(journal.disk, None, NEXT_BOOT).watermarks) == lib.GW_WATERMARKS


def fetch(journal: SimJournal, lsn: int, cap: int) -> bytes | int:
    """Records from `lsn` on, or a fault."""
    buffer = ffi.new("uint8_t[]", max(cap, 1))
    ticket = lib.gw_fetch_ask(journal.writer, lsn, buffer, cap)
    assert ticket >= 0 and lib.gw_fetch_answer(journal.writer, ticket) == 0
    journal.run(0)
    n = lib.gw_fetch_answer(journal.writer, ticket)
    assert n and lib.gw_fetch_answer(journal.writer, ticket) == 0, "a ticket is spent once"
    return bytes(ffi.buffer(buffer, n)) if n > 0 else int(n)


def lsns_of(records: bytes) -> list[int]:
    found, at = [], 0
    while at < len(records):
        head = HEAD.unpack_from(records, at)
        assert records[at + 40 : at + head[0]] == content(head[9])
        found.append(head[9])
        at += head[0]
    return found


def filled(segments: int = 4, level: str = "group", segment_bytes: int = 8192) -> SimJournal:
    journal = SimJournal.fresh(config(level, segment_bytes=segment_bytes), boot=BOOT)
    while len(journal.disk.numbers()) < segments:
        append(journal, 5)
        journal.run(0)
    return journal


def test_the_lane_can_read_back_any_record() -> None:
    journal = filled()
    last = journal.ring.pointer.copied_lsn
    for lsn in range(1, last + 1):
        got = fetch(journal, lsn, 400)
        assert isinstance(got, bytes) and lsns_of(got)[0] == lsn
    lsn, reads = 1, 0
    while lsn <= last:  # a stream is pumped in order: every record once, also over the border of segments
        got = fetch(journal, lsn, 2048)
        assert isinstance(got, bytes)
        assert lsns_of(got) == list(range(lsn, lsn + len(lsns_of(got))))
        lsn, reads = lsn + len(lsns_of(got)), reads + 1
        if reads % 5 == 0:
            append(journal, 3)
            journal.run(0)
    for wrong in (0, 10**9, 2**64 - 1):
        assert fetch(journal, wrong, 400) == lib.GW_E_ARGUMENT


def test_a_fetch_that_cannot_be_says_why() -> None:
    journal = filled()
    longest = max(range(1, 40), key=lambda lsn: len(content(lsn)))
    assert fetch(journal, longest, len(content(longest))) == lib.GW_E_SPACE
    assert fetch(journal, longest, 39) == lib.GW_E_SPACE
    buffer = ffi.new("uint8_t[]", 8)
    tickets = [lib.gw_fetch_ask(journal.writer, 1, buffer, 8) for _ in range(lib.GW_FETCHES)]
    assert lib.gw_fetch_ask(journal.writer, 1, ffi.NULL, 0) == lib.GW_E_SPACE, "too many at once"
    journal.run(0)
    assert all(lib.gw_fetch_answer(journal.writer, t) == lib.GW_E_SPACE for t in tickets)
    assert lib.gw_fetch_answer(journal.writer, -1) == 0 and lib.gw_fetch_answer(journal.writer, lib.GW_FETCHES) == 0


def test_a_damaged_record_is_never_given_to_the_lane() -> None:
    journal = filled(segments=2, level="sync")
    clean = bytes(journal.disk.files[1].durable)
    end = restart(journal.disk.copy(), None, BOOT).segments[0].end
    for at in range(4096, end, 3):
        wrong = bytearray(clean)
        wrong[at] ^= 0x10
        journal.disk.files[1].durable = wrong
        for lsn in (1, 7):
            got = fetch(journal, lsn, 600)
            if isinstance(got, bytes):
                assert lsns_of(got)[0] == lsn
    journal.disk.files[1].durable = bytearray(clean)
    assert isinstance(fetch(journal, 1, 600), bytes)


def test_places_thin_out_and_still_lead_everywhere() -> None:
    """More places than are remembered: every second is dropped, again and again, and every record is still found."""
    journal = filled(segments=3)
    before = journal.writer.places_used
    for offset in range(3 * lib.GW_PLACES):
        lib.gw_writer_knows_place(journal.writer, 10**6 + offset, 10**6 + offset, 0)
        assert before <= journal.writer.places_used <= lib.GW_PLACES
    for lsn in range(1, journal.ring.pointer.copied_lsn + 1):
        got = fetch(journal, lsn, 400)
        assert isinstance(got, bytes) and lsns_of(got)[0] == lsn


def test_a_journal_has_a_last_segment() -> None:
    journal = filled(segments=2)
    journal.writer.number = lib.GW_SEGMENTS
    journal.disk.files[lib.GW_SEGMENTS] = journal.disk.files.pop(2)
    while not journal.ring.pointer.failed and append(journal, 5):
        journal.run(0)
    assert journal.ring.pointer.failed == lib.GW_FAILED_SEGMENT << 32 | errno.ENOSPC


def test_sizes_that_cannot_be() -> None:
    ring = SimJournal.fresh(config(), boot=BOOT).ring
    writer, cfg = ffi.new("gw_writer *"), ffi.new("gw_writer_cfg *")
    for level, segment_bytes in ((3, 8192), (0, 4096), (0, 8191), (0, 0)):
        cfg.level, cfg.segment_bytes = level, segment_bytes
        assert lib.gw_writer_init(writer, ring.pointer, cfg) == lib.GW_E_ARGUMENT
