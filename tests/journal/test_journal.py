"""The real thing: ring in shared memory, writer thread, files; processes that are killed, disks that fail, two gateways on one state."""

import ctypes
import errno
import fcntl
import json
import os
import random
import resource
import select
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from gateway.journal import export
from gateway.journal.errors import JournalDamaged, JournalError, JournalFailed, StateInUse
from gateway.journal.journal import Journal, JournalConfig, attach_ring, begin_anew, boot_id, ring_path
from gateway.journal.lock import lock_state
from gateway.journal.reader import JournalReader
from gateway.journal.record import Kind, ffi, lib
from gateway.journal.restart import Found, restart
from gateway.journal.store import DirStore, segment_name
from gateway.seams import MemoryDisk, SeededRng, SystemRng
from tests.journal.ring import append_to
from tests.journal.sim import assert_sound, content

SMALL = JournalConfig("group", ring_bytes=1 << 16, segment_bytes=1 << 16, index_count=1 << 10, gather_ns=1_000_000, prewrite=False)
PATIENCE_S = 20.0
ROOT = Path(__file__).parents[2]


@pytest.fixture
def state_dir(tmp_path: Path) -> Iterator[Path]:
    """A state_dir whose ring in shared memory goes with it."""
    yield tmp_path
    ring_path(tmp_path).unlink(missing_ok=True)


def found_in(state_dir: Path, boot: bytes | None = None) -> Found:
    return restart(DirStore(state_dir), attach_ring(state_dir), boot or boot_id())


def begin(state_dir: Path, config: JournalConfig = SMALL, **more: Any) -> Journal:
    return Journal.begin(found_in(state_dir), state_dir, config, SystemRng(), epoch=1, build_id=b"b" * 32, **more)


def append(journal: Journal, count: int) -> None:
    """As the lane does: append, and wait for room where there is none."""
    ring = journal.ring.pointer
    for _ in range(count):
        until = time.monotonic() + PATIENCE_S
        while not append_to(ring, content(lib.gw_ring_next_lsn(ring)), flags=1):
            assert not journal.failure and time.monotonic() < until, f"no room: {journal.failure}"
            if lib.gw_ring_bell(ring, 1):
                journal.ring_bell()
            os.sched_yield()
    if lib.gw_ring_bell(ring, 1):
        journal.ring_bell()


def wait_told(journal: Journal, done: Any) -> None:
    """Until `done()`; woken by the writer's eventfd alone."""
    until = time.monotonic() + PATIENCE_S
    while not done():
        left = until - time.monotonic()
        assert left > 0 and select.select([journal.told], [], [], left)[0], "the writer did not tell"
        os.eventfd_read(journal.told)


@pytest.mark.parametrize("level", ["async", "group", "sync"])
def test_what_was_appended_is_found_again(state_dir: Path, level: str) -> None:
    config = JournalConfig(level, ring_bytes=1 << 16, segment_bytes=1 << 16, index_count=1 << 10, gather_ns=1_000_000)
    journal = begin(state_dir, config)
    append(journal, 400 if level != "sync" else 40)
    last = journal.ring.pointer.head_lsn
    journal.stop()
    assert journal.durable_lsn == last
    for boot in (boot_id(), bytes(16)):
        found = found_in(state_dir, boot)
        assert_sound(found, last, last, level)
        assert found.ring_survived == (boot != bytes(16)) and found.drained == 0 and not found.cut


def test_many_lives_one_journal(state_dir: Path) -> None:
    for life in range(1, 6):
        found = found_in(state_dir)
        assert found.next_lsn == 1 + 50 * (life - 1) and found.ring_survived
        journal = Journal.begin(found, state_dir, SMALL, SystemRng(), epoch=life)
        append(journal, 50)
        journal.stop()
    assert_sound(found_in(state_dir), 250, 250, "five lives")
    assert [s.epoch for s in found_in(state_dir).segments] == [1, 2, 3, 4, 5]
    sizes = [DirStore(state_dir).whole(n) for n in range(1, 5)]
    assert all(len(content_of) < SMALL.segment_bytes for content_of in sizes), "the room behind the end is given back"
    assert len(list(JournalReader(state_dir).records())) == 250


def test_behind_the_end_of_what_is_all_there_nothing_was_cut(state_dir: Path) -> None:
    """Segments are recycled: where a STOP or the ring proves that nothing is missing, what the file held before is no torn end."""
    for kind, ring_there, torn in ((Kind.STOP, False, False), (Kind.NOTE, True, False), (Kind.NOTE, False, True)):
        found = found_in(state_dir)
        journal = Journal.begin(found, state_dir, SMALL, SystemRng(), epoch=1)
        append(journal, 20)
        append_to(journal.ring.pointer, b"the last", kind=kind)
        journal.stop()
        number = max(DirStore(state_dir).numbers())
        file = DirStore(state_dir).folder / segment_name(number)
        end = found_in(state_dir).segments[-1].end
        whole = file.read_bytes()
        file.write_bytes(whole[:end] + b"old bytes" * 8 + whole[end + 72 :])
        again = restart(DirStore(state_dir), attach_ring(state_dir) if ring_there else None, boot_id())
        assert again.next_lsn == found.next_lsn + 21 and ("nothing sound lies behind it" in again.cut) == torn, again.cut


def test_after_a_stop_no_ring_is_left_and_nothing_is_missing(state_dir: Path) -> None:
    journal = begin(state_dir, SMALL)
    append(journal, 20)
    append_to(journal.ring.pointer, b"stopped", kind=Kind.STOP)
    journal.stop()
    assert not ring_path(state_dir).exists()
    for boot in (boot_id(), bytes(16)):
        found = restart(DirStore(state_dir), attach_ring(state_dir), boot)
        assert found.ring_survived and found.next_lsn == 22, "STOP is the last word of a life, and it is on the disk"
    journal = Journal.begin(found_in(state_dir), state_dir, SMALL, SystemRng(), epoch=2)
    append(journal, 1)
    journal.stop()
    assert ring_path(state_dir).exists(), "a life that did not stop leaves its ring"
    ring_path(state_dir).unlink()
    assert not found_in(state_dir).ring_survived


def test_the_group_level_tells_when_a_record_is_durable(state_dir: Path) -> None:
    journal = begin(state_dir)
    for _ in range(20):
        append(journal, 1)
        wait_told(journal, lambda: journal.durable_lsn == journal.ring.pointer.head_lsn)
    journal.stop()


def test_watermarks_and_fetches_through_the_thread(state_dir: Path) -> None:
    journal = begin(state_dir)
    writer = ffi.cast("gw_writer *", journal.writer_address)
    append(journal, 300)
    wait_told(journal, lambda: journal.durable_lsn == 300)
    lib.gw_watermark_ask(writer, 2, 1, 0, 5000)
    journal.ring_bell()
    wait_told(journal, lambda: lib.gw_watermark_ask(writer, 2, 1, 0, 0) == 5000)
    buffer = ffi.new("uint8_t[]", 4096)
    ticket = lib.gw_fetch_ask(writer, 3, buffer, 4096)
    journal.ring_bell()
    answers: list[int] = []
    wait_told(journal, lambda: answers.append(lib.gw_fetch_answer(writer, ticket)) or answers[-1])
    first = ffi.cast("gw_rec *", buffer)
    assert answers[-1] > 0 and first.lsn == 3 and bytes(ffi.buffer(buffer, first.len))[40:] == content(3)
    journal.stop()
    assert found_in(state_dir).watermarks == {(2, 1, 0): 5000}
    journal = begin(state_dir)
    writer = ffi.cast("gw_writer *", journal.writer_address)
    assert lib.gw_watermark_ask(writer, 2, 1, 0, 0) == 5000, "the next life knows"
    ticket = lib.gw_fetch_ask(writer, 250, buffer, 4096)
    journal.ring_bell()
    wait_told(journal, lambda: answers.append(lib.gw_fetch_answer(writer, ticket)) or answers[-1])
    assert answers[-1] > 0 and first.lsn == 250, "and reads what the one before wrote"
    journal.stop()


CHILD = """
import sys
from pathlib import Path
from gateway.journal.record import Kind
from tests.journal.test_journal import *
state_dir = Path(sys.argv[1])
lock_state(state_dir)
found = found_in(state_dir)
journal = Journal.begin(found, state_dir, JournalConfig(sys.argv[2], ring_bytes=1 << 20, segment_bytes=1 << 20), SystemRng(), epoch=1)
append_to(journal.ring.pointer, content(found.next_lsn), kind=Kind.RESTART, flags=1)
print("ready", flush=True)
while True:
    append(journal, 200)
"""


@pytest.mark.parametrize("level", ["async", "group"])
def test_sigkill_loses_nothing_that_was_committed(state_dir: Path, level: str) -> None:
    """A process appends as fast as it can and is killed, three times over: everything up to the ring's head is there, whole."""
    before = 0
    for wait_s in (0.15, 0.05, 0.1):
        child = subprocess.Popen([sys.executable, "-c", CHILD, str(state_dir), level], stdout=subprocess.PIPE, cwd=ROOT)
        try:
            assert child.stdout is not None and child.stdout.readline() == b"ready\n"
            select.select([child.stdout], [], [], wait_s)  # it says no more: this bounds how long it runs
        finally:
            child.send_signal(signal.SIGKILL)
            child.wait(PATIENCE_S)
            if child.stdout is not None:
                child.stdout.close()
        ring = attach_ring(state_dir)
        assert ring is not None
        # head_lsn is stored just before head: a kill between the two leaves it one ahead of what was published.
        committed = ring.pointer.head_lsn
        published = committed if lib.gw_ring_find(ring.pointer, committed, ffi.new("int *")) or not ring.pointer.head else committed - 1
        assert committed > before
        found = found_in(state_dir)
        assert_sound(found, published, committed, f"{level}, killed after {wait_s} s")
        assert found.ring_survived and not found.cut
        assert found_in(state_dir).next_lsn == found.next_lsn, "found again by the next one, if this one dies too"
        before = found.next_lsn - 1


def failing(write: int = 0, sync: int = 0, room: int = 1 << 60, short: int = 1 << 60) -> tuple[Any, list[Any]]:
    """A gw_disk_calls: the first write or sync once the journal is armed fails with that errno; or ENOSPC behind `room` bytes;
    or each write takes no more than `short` bytes."""
    armed, written = ffi.new("int *"), [0]

    @ffi.callback("int64_t(void *, int, const uint8_t *, uint64_t, uint64_t)")
    def write_at(ctx: Any, fd: int, src: Any, length: int, offset: int) -> int:
        if armed[0] and write:
            return -write
        if armed[0] and written[0] + length > room:
            length = room - written[0]
            if length <= 0:
                return -errno.ENOSPC
        length = min(length, short)
        if armed[0]:
            written[0] += length
        return os.pwrite(fd, ffi.buffer(src, length), offset)

    @ffi.callback("int64_t(void *, int)")
    def sync_it(ctx: Any, fd: int) -> int:
        if armed[0] and sync:
            return -sync
        os.fdatasync(fd)
        return 0

    calls = ffi.new("gw_disk_calls *", {"write_at": write_at, "sync": sync_it, "ctx": ffi.NULL})
    return calls[0], [armed, write_at, sync_it, calls]


@pytest.mark.parametrize(
    ("plan", "says", "code"),
    [
        ({"write": errno.EIO}, "writing a journal segment: Input/output error", errno.EIO),
        ({"sync": errno.EIO}, "fdatasync of a journal segment: Input/output error", errno.EIO),
        ({"write": errno.ENOSPC}, "writing a journal segment: No space left on device; make room on that disk", errno.ENOSPC),
        ({"room": 2000}, "writing a journal segment: No space left on device; make room on that disk", errno.ENOSPC),
    ],
)
def test_a_disk_that_fails_is_told_once_and_loses_nothing_durable(state_dir: Path, plan: dict[str, int], says: str, code: int) -> None:
    calls, keep = failing(**plan)
    journal = begin(state_dir, calls=calls)
    append(journal, 5)
    wait_told(journal, lambda: journal.durable_lsn == 5)
    keep[0][0] = 1
    while not journal.failure and journal.ring.pointer.head_lsn < 200:
        append_to(journal.ring.pointer, content(lib.gw_ring_next_lsn(journal.ring.pointer)), flags=1)
        if lib.gw_ring_bell(journal.ring.pointer, 1):
            journal.ring_bell()
    wait_told(journal, lambda: journal.failure)
    durable = journal.durable_lsn
    with pytest.raises(JournalFailed, match=says) as error:
        journal.stop()
    assert error.value.errno == code and journal.durable_lsn == durable
    last = journal.ring.pointer.head_lsn
    assert_sound(restart(DirStore(state_dir), None, bytes(16)), durable, last, "as after a loss of power")
    assert_sound(found_in(state_dir), last, last, "with the ring nothing at all is missing")


def test_writes_that_take_a_part_only_are_finished(state_dir: Path) -> None:
    calls, keep = failing(short=100)
    journal = begin(state_dir, calls=calls)
    append(journal, 50)
    journal.stop()
    assert keep and len(list(JournalReader(state_dir).records())) == 50


# Direct writes -------------------------------------------------------------------------------------------------------------

DIRECT = replace(SMALL, level="async", ring_bytes=1 << 20, segment_bytes=1 << 20, interval_ns=5_000_000, gather_ns=20_000_000, direct_min=16384)


def large(lsn: int) -> bytes:
    """The payload of record `lsn` in these tests: up to 4 KB."""
    rng = random.Random(lsn)
    return rng.randbytes(rng.randrange(512) * 8)


@dataclass
class Watched:
    """A disk that notes every write into a segment, and answers direct ones as it is told: -errno; or takes so many bytes of each at most."""

    refuses: int = 0
    short: int = 1 << 60
    writes: list[tuple[int, bool, int, int, int]] = field(default_factory=list)  # file, direct, memory, offset, bytes
    keep: list[Any] = field(default_factory=list)

    @property
    def direct(self) -> list[tuple[int, bool, int, int, int]]:
        return [write for write in self.writes if write[1]]

    def calls(self) -> Any:
        @ffi.callback("int64_t(void *, int, const uint8_t *, uint64_t, uint64_t)")
        def write_at(ctx: Any, fd: int, src: Any, length: int, offset: int) -> int:
            direct = bool(fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_DIRECT)
            self.writes.append((os.fstat(fd).st_ino, direct, int(ffi.cast("uintptr_t", src)), offset, length))
            if direct and self.refuses:
                return -self.refuses
            return os.pwrite(fd, ffi.buffer(src, min(length, self.short) if direct else length), offset)

        @ffi.callback("int64_t(void *, int)")
        def sync_it(ctx: Any, fd: int) -> int:
            os.fdatasync(fd)
            return 0

        self.keep = [write_at, sync_it]
        return ffi.new("gw_disk_calls *", {"write_at": write_at, "sync": sync_it, "ctx": ffi.NULL})[0]


@pytest.fixture
def direct_dir(state_dir: Path) -> Path:
    """A state_dir on a disk that can be written past the page cache."""
    with open(state_dir / "asked", "wb") as file:
        if not lib.gw_journal_takes_direct(file.fileno()):
            pytest.skip(f"not run: the disk of {state_dir} says of no alignment that it takes direct writes (statx, STATX_DIOALIGN)")
    return state_dir


def open_segments() -> list[str]:
    """Segments that this process has a descriptor of, once for each."""
    found = [os.path.realpath(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")]
    return [path for path in found if path.endswith(".seg")]


def append_large(journal: Journal, count: int) -> None:
    for _ in range(count):
        until = time.monotonic() + PATIENCE_S
        while not append_to(journal.ring.pointer, large(lib.gw_ring_next_lsn(journal.ring.pointer)), flags=1):
            if journal.failure:
                return
            assert time.monotonic() < until, "no room"
            if lib.gw_ring_bell(journal.ring.pointer, 1):
                journal.ring_bell()
            os.sched_yield()


def write_large(state_dir: Path, disk: Watched, count: int, config: JournalConfig = DIRECT) -> None:
    """A journal of `count` records on this disk, from its begin to its stop."""
    journal = begin(state_dir, config, calls=disk.calls())
    append_large(journal, count)
    journal.stop()


def assert_large(state_dir: Path, count: int) -> None:
    """The segments hold records 1 … count as they were appended, by a restart and by a reader."""
    found = found_in(state_dir)
    assert (found.next_lsn, found.ring_survived) == (count + 1, True)
    assert [bytes(raw[40:]) for raw in found.raw()] == [large(lsn) for lsn in range(1, count + 1)]
    assert [payload for _, payload in JournalReader(state_dir).records()] == [large(lsn) for lsn in range(1, count + 1)]


def test_long_runs_go_past_the_page_cache_in_whole_blocks(direct_dir: Path) -> None:
    disk = Watched()
    write_large(direct_dir, disk, 2000)
    assert not open_segments(), "both descriptors of a segment are closed"
    assert len(DirStore(direct_dir).numbers()) > 3
    assert sum(length for *_, length in disk.direct) > 1_000_000
    assert all(n % lib.GW_BLOCK == 0 for _, _, memory, offset, length in disk.direct for n in (memory, offset, length))
    pages: dict[bool, set[tuple[int, int]]] = {True: set(), False: set()}
    for file, direct, _, offset, length in disk.writes:
        pages[direct] |= {(file, page) for page in range(offset // lib.GW_BLOCK, (offset + length - 1) // lib.GW_BLOCK + 1)}
    assert not pages[True] & pages[False], "no page is written both ways"
    assert_large(direct_dir, 2000)


def test_who_reads_along_sees_a_beginning_at_any_moment(direct_dir: Path) -> None:
    disk = Watched()
    journal = begin(direct_dir, DIRECT, calls=disk.calls())
    cursor, lsn = JournalReader(direct_dir).cursor(), 0
    for _ in range(300):
        append_large(journal, 7)
        assert len(open_segments()) <= 3, "the active one, both ways, and a spare that is being written"
        for head, payload in cursor.read():
            lsn += 1
            assert (head.lsn, payload) == (lsn, large(lsn))
    journal.stop()
    assert disk.direct and 0 < lsn <= 2100
    assert_large(direct_dir, 2100)


@pytest.mark.parametrize("code", [errno.EINVAL, errno.EOPNOTSUPP])
def test_a_disk_that_refuses_direct_writes_is_written_the_other_way_for_good(direct_dir: Path, code: int) -> None:
    disk = Watched(refuses=code)
    write_large(direct_dir, disk, 1500)
    assert len(disk.direct) == 1 and len(DirStore(direct_dir).numbers()) > 2, "asked once, in the first segment"
    assert_large(direct_dir, 1500)


@pytest.mark.parametrize("short", [4096, 8192, 512, 4608])
def test_direct_writes_that_take_a_part_only_are_finished(direct_dir: Path, short: int) -> None:
    disk = Watched(short=short)
    write_large(direct_dir, disk, 500)
    assert len(disk.direct) > 1
    assert all(n % lib.GW_BLOCK == 0 for _, _, memory, offset, length in disk.direct for n in (memory, offset, length)), "an odd rest goes the other way"
    assert_large(direct_dir, 500)


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
def test_a_direct_write_that_fails_is_never_tried_again(direct_dir: Path, code: int) -> None:
    disk = Watched(refuses=code)
    journal = begin(direct_dir, DIRECT, calls=disk.calls())
    append_large(journal, 2000)
    wait_told(journal, lambda: journal.failure)
    with pytest.raises(JournalFailed, match="writing a journal segment: ") as error:
        journal.stop()
    last = journal.ring.pointer.head_lsn
    assert error.value.errno == code and len(disk.direct) == 1 and disk.writes[-1][1]
    assert_large(direct_dir, last)


@pytest.mark.parametrize("level", ["group", "sync"])
def test_where_somebody_waits_nothing_goes_past_the_page_cache(state_dir: Path, level: str) -> None:
    disk = Watched()
    write_large(state_dir, disk, 40, replace(DIRECT, level=level, direct_min=8))
    assert disk.writes and not disk.direct
    assert_large(state_dir, 40)


LARGE = 2 << 20  # bytes of a large page of memory


@pytest.mark.parametrize("length", [lib.GW_BLOCK, LARGE, 2 * LARGE + 3 * lib.GW_BLOCK])
def test_a_rings_memory_is_the_files_whole_with_all_its_room_taken(state_dir: Path, length: int) -> None:
    path = ring_path(state_dir)
    at = ffi.new("uint8_t **")
    with open(path, "w+b") as file:
        assert lib.gw_journal_map(file.fileno(), length, at) == 0
        try:
            assert int(ffi.cast("uintptr_t", at[0])) % LARGE == 0, "large pages of the file can be large pages of this process"
            assert os.fstat(file.fileno()).st_size == length and os.fstat(file.fileno()).st_blocks * 512 >= length
            memory = ffi.buffer(at[0], length)
            assert memory[:] == bytes(length)
            for place in (0, length // 2, length - 1):
                memory[place] = b"x"
                assert os.pread(file.fileno(), 1, place) == b"x"
        finally:
            lib.gw_journal_unmap(at[0], length)
        assert os.pread(file.fileno(), 1, length - 1) == b"x"


@pytest.mark.parametrize("length", [LARGE - lib.GW_BLOCK, 2 * LARGE])
def test_the_first_store_into_a_ring_waits_for_no_page(state_dir: Path, length: int) -> None:
    """Of small pages and of large ones, where there are any."""
    at = ffi.new("uint8_t **")
    with open(ring_path(state_dir), "w+b") as file:
        assert lib.gw_journal_map(file.fileno(), length, at) == 0
        memory, places = ffi.buffer(at[0], length), range(0, length, lib.GW_BLOCK)
        before = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt
        for place in places:
            memory[place] = b"x"
        faults = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt - before
        lib.gw_journal_unmap(at[0], length)
    assert faults < len(places) // 10


# The room of a ring is taken in calls of which one fails, or is interrupted: (which one, with what) are given; so is how much room there is, in
# pages of 4096 bytes, if `room` is not 0. And the kernel has no large pages.
FAULTY_MAP = """
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
int calls, at_call, with, room;
static int said(int fd, struct statvfs *disk) { (void)fd; disk->f_frsize = 4096; disk->f_blocks = disk->f_bavail = (fsblkcnt_t)room; return 0; }
static int faulty(int fd, off_t from, off_t length) { return ++calls == at_call ? with : posix_fallocate(fd, from, length); }
static int refused(void *p, size_t length, int advice) { (void)p; (void)length; (void)advice; errno = EINVAL; return -1; }
#define posix_fallocate faulty
#define madvise refused
#define fstatvfs said
#include "rim_journal.c"
"""


@pytest.fixture(scope="module")
def faulty_map(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    folder, csrc = tmp_path_factory.mktemp("map"), ROOT / "csrc"
    (folder / "map.c").write_text(FAULTY_MAP)
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    others = [str(csrc / name) for name in ("writer.c", "journal.c")]
    subprocess.run([compiler, "-std=c11", "-O1", "-shared", "-fPIC", f"-I{csrc}", "-o", str(folder / "map.so"), str(folder / "map.c"), *others], check=True)
    library = ctypes.CDLL(str(folder / "map.so"))
    library.gw_journal_map.argtypes = (ctypes.c_int, ctypes.c_uint64, ctypes.POINTER(ctypes.c_void_p))
    library.gw_journal_unmap.argtypes = (ctypes.c_void_p, ctypes.c_uint64)
    library.gw_journal_unmap.restype = None
    return library


def mapped(path: Path) -> int:
    return Path("/proc/self/maps").read_text().count(str(path))


@pytest.mark.parametrize("at_call", range(1, 7))
@pytest.mark.parametrize("fault", [errno.EINTR, errno.ENOSPC])
def test_a_ring_s_room_is_all_there_or_its_memory_is_not(state_dir: Path, faulty_map: ctypes.CDLL, at_call: int, fault: int) -> None:
    path, length, at = ring_path(state_dir), 3 * LARGE - lib.GW_BLOCK, ctypes.c_void_p()
    for name, value in (("calls", 0), ("at_call", at_call), ("with", fault), ("room", length // 4096)):
        ctypes.c_int.in_dll(faulty_map, name).value = value
    with open(path, "w+b") as file:
        rc = faulty_map.gw_journal_map(file.fileno(), length, at)
        if fault == errno.EINTR or at_call > 5:  # one for each large page, then one more and one for the rest
            assert rc == 0 and mapped(path) == 1 and os.fstat(file.fileno()).st_blocks * 512 == length
            faulty_map.gw_journal_unmap(at, length)
        else:
            assert rc == -errno.ENOSPC and not at.value
    assert mapped(path) == 0


def test_a_ring_that_is_larger_than_the_room_takes_none_of_it(state_dir: Path, faulty_map: ctypes.CDLL) -> None:
    length, at = 3 * LARGE, ctypes.c_void_p()
    for name, value in (("calls", 0), ("at_call", 0), ("room", length // 4096 - 1)):
        ctypes.c_int.in_dll(faulty_map, name).value = value
    with open(ring_path(state_dir), "w+b") as file:
        assert faulty_map.gw_journal_map(file.fileno(), length, at) == -errno.ENOSPC
        assert os.fstat(file.fileno()).st_blocks == 0


@pytest.fixture
def no_large_files() -> Iterator[None]:
    """What a test asks for in vain it does not get by a mistake either: all the memory there is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 30, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("no_large_files")
def test_what_cannot_start_says_why(state_dir: Path) -> None:
    for config, says in (
        (JournalConfig(ring_bytes=65 << 20), "ring_bytes 68157440, .*powers of two are right"),
        (JournalConfig(ring_bytes=1 << 40), r"no room for a ring of \d+ bytes in shared memory \(.+\); make ring_mib smaller"),
        (JournalConfig(ring_bytes=1 << 20, segment_bytes=5000), "segment_bytes 5000: a multiple of 4096"),
        (JournalConfig(ring_bytes=1 << 20, segment_bytes=4096), "segment_bytes 4096: a multiple of 4096, with room for a record"),
    ):
        with pytest.raises(JournalError, match=says):
            begin(state_dir, config)
        assert not ring_path(state_dir).with_suffix(".new").exists(), "and leaves no memory taken"
    calls, keep = failing(write=errno.ENOSPC)
    keep[0][0] = 1
    with pytest.raises(JournalFailed, match="the journal does not start: No space left on device"):
        begin(state_dir, calls=calls)
    assert found_in(state_dir).next_lsn == 1


def test_a_second_gateway_on_the_same_state_is_refused_and_told_by_whom(state_dir: Path) -> None:
    code = "import sys; from pathlib import Path; from gateway.journal.lock import lock_state; lock_state(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    child = subprocess.Popen([sys.executable, "-c", code, str(state_dir)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)
    try:
        assert child.stdout is not None and child.stdout.readline() == b"held\n"
        with pytest.raises(StateInUse, match=f"lock: held by process {child.pid}; stop that gateway") as error:
            lock_state(state_dir)
        assert error.value.holder == child.pid
        child.send_signal(signal.SIGSTOP)
        with pytest.raises(StateInUse):
            lock_state(state_dir)
    finally:
        child.kill()
        child.communicate(timeout=PATIENCE_S)
    os.close(lock_state(state_dir))


def test_the_lock_of_a_simulated_disk_is_the_same() -> None:
    disk = MemoryDisk()
    lock_state(Path("state"), disk)
    with pytest.raises(StateInUse):
        lock_state(Path("state"), disk)


def test_a_journal_begun_anew_recycles_its_segments(state_dir: Path) -> None:
    journal = begin(state_dir)
    append(journal, 1200)
    journal.stop()
    begin(state_dir).stop()  # the next life gives back the room behind the end of the last segment
    store = DirStore(state_dir)
    old = store.numbers()
    assert len(old) > 4
    begin_anew(state_dir)
    assert store.numbers() == [] and len(store.spares()) == len(old) and attach_ring(state_dir) is None
    journal = begin(state_dir)
    assert len(store.spares()) == len(old) - 2, "one is in use again, the shortened one is gone"
    append(journal, 1)
    journal.stop()
    found = found_in(state_dir)
    assert_sound(found, 1, 1, "over stale bytes")
    assert any(store.whole(1)[found.segments[0].end :]), "they are there"


def test_a_death_while_beginning_anew_is_refused(state_dir: Path) -> None:
    journal = begin(state_dir)
    append(journal, 1200)
    journal.stop()
    (state_dir / "journal" / "00000001.seg").rename(state_dir / "journal" / "spare-00000001.seg")
    with pytest.raises(JournalDamaged, match="segment 00000001.seg is missing"):
        found_in(state_dir)


def test_damage_in_the_middle_is_refused_naming_the_place(state_dir: Path) -> None:
    journal = begin(state_dir)
    append(journal, 100)
    journal.stop()
    path = state_dir / "journal" / "00000001.seg"
    whole = bytearray(path.read_bytes())
    number, offset = JournalReader(state_dir).locate(50)
    whole[offset + 45] ^= 1
    path.write_bytes(whole)
    with pytest.raises(JournalDamaged, match=f"segment 00000001.seg, offset {offset}: the checksum is wrong at lsn 50"):
        found_in(state_dir)
    assert number == 1


def test_segments_are_written_ahead_and_used_in_turn(state_dir: Path) -> None:
    journal = begin(state_dir, JournalConfig("group", ring_bytes=1 << 16, segment_bytes=1 << 16, index_count=1 << 10, prewrite=True))
    append(journal, 1500)
    journal.stop()
    assert len(DirStore(state_dir).numbers()) >= 5
    assert_sound(found_in(state_dir), 1500, 1500, "written ahead")


def test_export_prints_a_line_a_record(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal = begin(state_dir)
    append(journal, 3)
    journal.stop()
    assert export.main([str(state_dir), "--from", "2"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["lsn"] for line in lines] == [2, 3] and lines[0]["payload"] == content(2).hex()
    assert export.main([str(state_dir / "journal"), "--count", "1"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1
    (state_dir / "journal" / "00000001.seg").write_bytes(b"no journal")
    assert export.main([str(state_dir)]) == 1
    assert "segment 00000001.seg, offset 0: its head: shorter than its head" in capsys.readouterr().err


def test_the_salt_of_each_ring_is_new(state_dir: Path) -> None:
    found = found_in(state_dir)
    salts = set()
    for seed in range(5):
        journal = Journal.begin(found, state_dir, SMALL, SeededRng(seed), epoch=1)
        salts.add(journal.ring.pointer.salt)
        journal.stop()
        found = found_in(state_dir)
    assert len(salts) == 5
