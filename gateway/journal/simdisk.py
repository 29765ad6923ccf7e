"""A disk in memory for the same writer and the same restart: everything a crash could leave of it can be had as an image.

A file keeps what was written since its last sync as a list. A *killed* process leaves all of it; a *power cut* leaves what was synced,
and of the rest a prefix in the order of writing, its last sector possibly torn; or, as a disk may reorder, any subset of its sectors.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from gateway.journal.journal import JournalConfig, make_ring, make_writer
from gateway.journal.record import ffi, lib
from gateway.journal.restart import Found, RingMemory, no_watermarks, restart
from gateway.seams import Rng

SECTOR = 512


@dataclass
class File:
    """Bytes that are durable, and the writes (offset, bytes) since."""

    durable: bytearray = field(default_factory=bytearray)
    since: list[tuple[int, bytes]] = field(default_factory=list)

    def write(self, offset: int, content: bytes) -> None:
        self.since.append((offset, content))

    def sync(self) -> None:
        self.durable = bytearray(self.content())
        self.since = []

    def content(self, written: int | None = None) -> bytes:
        """What is there with the first `written` bytes that were written since the last sync (None: all of them)."""
        now, left = bytearray(self.durable), sum(len(c) for _, c in self.since) if written is None else written
        for offset, content in self.since:
            part = content[: max(left, 0)]
            left -= len(content)
            _put(now, offset, part)
        return bytes(now)

    @property
    def unsynced(self) -> int:
        """Bytes that were written since the last sync."""
        return sum(len(content) for _, content in self.since)


def _put(into: bytearray, offset: int, content: bytes) -> None:
    if content:
        into.extend(bytes(max(0, offset + len(content) - len(into))))
        into[offset : offset + len(content)] = content


class SimDisk:
    """Segments and watermarks in memory (a Store). `stale`: what a new segment holds before it is written, as a recycled one does."""

    def __init__(self, segment_bytes: int = 16384, stale: bytes = b"") -> None:
        self.segment_bytes = segment_bytes
        self.stale = stale
        self.files: dict[int, File] = {}
        self.marks = File()

    def numbers(self) -> list[int]:
        return sorted(self.files)

    def whole(self, number: int) -> bytes:
        return self.files[number].content()

    def read(self, number: int, offset: int, length: int) -> bytes:
        if number not in self.files:
            raise FileNotFoundError(f"segment {number}")
        return self.whole(number)[offset : offset + length]

    def sync(self, number: int) -> None:
        self.files[number].sync()

    def create(self, number: int, content: bytes) -> None:
        self.files[number] = File(bytearray(content))

    def begin(self, number: int, head: bytes) -> None:
        """A segment of full size with this head, as the writer makes it."""
        body = bytearray(self.stale[: self.segment_bytes].ljust(self.segment_bytes, b"\0"))
        body[: len(head)] = head
        self.create(number, bytes(body))

    def shorten(self, number: int, length: int) -> None:
        self.files[number] = File(bytearray(self.whole(number)[:length]))

    def watermarks(self) -> bytes:
        return self.marks.content()

    def replace_watermarks(self, content: bytes) -> None:
        self.marks = File(bytearray(content))

    def copy(self) -> "SimDisk":
        """A disk of its own with the same bytes, all of them durable: what a process that was killed leaves."""
        return self._image({n: f.content() for n, f in self.files.items()}, self.marks.content())

    def _image(self, segments: dict[int, bytes], marks: bytes) -> "SimDisk":
        image = SimDisk(self.segment_bytes, self.stale)
        image.files = {number: File(bytearray(content)) for number, content in segments.items()}
        image.marks = File(bytearray(marks))
        return image


class SimJournal:
    """The writer's machine on a SimDisk, one operation or one batch at a time, and the ring in plain memory.

    `ring` may be memory the lane has too. `fail`: kind of operation (GW_IO_*) → errno, for the next one of that kind.
    """

    def __init__(self, disk: SimDisk, found: Found, config: JournalConfig, *, boot: bytes, salt: int, epoch: int = 1, journal_id: bytes = bytes(16)) -> None:
        self.disk = disk
        self.config = config
        length = lib.gw_ring_bytes(config.ring_bytes, config.index_count)
        memory = ffi.new("uint64_t[]", (length or 8) // 8)
        self.ring = RingMemory(memory, length, memory)
        self.fail: dict[int, int] = {}
        self.done: list[int] = []
        journal_id = found.journal_id or journal_id
        if not found.segments:
            disk.replace_watermarks(no_watermarks(journal_id))
        make_ring(found, config, journal_id, boot, salt, self.ring)
        self.writer: Any = make_writer(found, config, self.ring, epoch, b"", b"")
        self._io = ffi.new("gw_io *")
        self.step(0)  # the first segment is there before the first record, as gw_journal_start has it

    @classmethod
    def fresh(cls, config: JournalConfig, *, boot: bytes, salt: int = 1, disk: SimDisk | None = None) -> "SimJournal":
        """A journal that begins."""
        disk = disk or SimDisk(config.segment_bytes)
        return cls(disk, restart(disk, None, boot), config, boot=boot, salt=salt)

    def step(self, now_ns: int) -> int:
        """Carry out one operation. Its kind (GW_IO_*); REST or END if there was none."""
        io = self._io
        lib.gw_writer_next(self.writer, now_ns, io)
        if io.kind not in (lib.GW_IO_REST, lib.GW_IO_END):
            error = self.fail.pop(io.kind, 0)
            lib.gw_writer_done(self.writer, now_ns, -error if error else self._carry_out(io))
            self.done.append(io.kind)
        return int(io.kind)

    def run(self, now_ns: int) -> None:
        """Everything there is to do at this time."""
        while self.step(now_ns) not in (lib.GW_IO_REST, lib.GW_IO_END):
            pass

    def under_way(self, now_ns: int) -> tuple[int, int, bytes] | None:
        """(segment, offset, bytes) if the next operation is a write into a segment; nothing is changed."""
        before = bytes(ffi.buffer(self.writer))
        lib.gw_writer_next(self.writer, now_ns, self._io)
        io = self._io
        found = (io.number, io.offset, bytes(ffi.buffer(io.src, io.len))) if io.kind == lib.GW_IO_WRITE else None
        ffi.memmove(self.writer, before, len(before))
        return found

    def stop(self, now_ns: int) -> None:
        """Everything becomes durable, and the writer ends."""
        self.writer.stop = 1
        self.run(now_ns)

    def _carry_out(self, io: Any) -> int:
        kind = io.kind
        if kind == lib.GW_IO_READ:
            content = self.disk.read(io.number, io.offset, io.len)
            ffi.memmove(io.dst, content, len(content))
            return len(content)
        content = bytes(ffi.buffer(io.src, io.len)) if io.len else b""
        if kind == lib.GW_IO_WRITE:
            self.disk.files[io.number].write(io.offset, content)
        elif kind == lib.GW_IO_SYNC:
            self.disk.sync(io.number)
        elif kind == lib.GW_IO_SEGMENT:
            self.disk.begin(io.number, content)
        elif kind == lib.GW_IO_WATERMARK_WRITE:
            self.disk.marks.write(io.offset, content)
        else:
            assert kind == lib.GW_IO_WATERMARK_SYNC, f"operation {kind}"
            self.disk.marks.sync()
        return 0


@dataclass(frozen=True)
class Image:
    """What a crash left. ring: None where memory is lost. durable_lsn: what surely must be found again (all of head_lsn if the ring is there).

    boot: the kernel that starts next.
    """

    what: str
    disk: SimDisk
    ring: bytes | None
    boot: bytes
    durable_lsn: int
    head_lsn: int

    def restart(self) -> Found:
        """What a start on this image finds."""
        return restart(self.disk, RingMemory.of(self.ring) if self.ring is not None else None, self.boot)


def killed(journal: SimJournal, boot: bytes, now_ns: int, step: int = 1) -> Iterator[Image]:
    """The process is gone, memory and page cache are not: as it stands, and `step` by `step` bytes into the write that comes next."""
    r = journal.ring.pointer
    ring = bytes(ffi.buffer(ffi.cast("uint8_t *", r), journal.ring.length))
    yield Image("killed", journal.disk.copy(), ring, boot, r.head_lsn, r.head_lsn)
    under_way = journal.under_way(now_ns)
    if under_way is not None:
        number, offset, content = under_way
        for written in range(step, len(content) + 1, step):
            disk = journal.disk.copy()
            disk.files[number].write(offset, content[:written])
            yield Image(f"killed {written} bytes into a write", disk.copy(), ring, boot, r.head_lsn, r.head_lsn)


def broken_writes(journal: SimJournal, boot: bytes, now_ns: int, rng: Rng, count: int) -> Iterator[Image]:
    """The disk refused the write that comes next in its middle: any of its blocks are there, `count` draws; memory is not lost."""
    r = journal.ring.pointer
    ring = bytes(ffi.buffer(ffi.cast("uint8_t *", r), journal.ring.length))
    under_way = journal.under_way(now_ns)
    if under_way is None:
        return
    number, offset, content = under_way
    borders = [offset, *range(offset // lib.GW_BLOCK * lib.GW_BLOCK + lib.GW_BLOCK, offset + len(content), lib.GW_BLOCK), offset + len(content)]
    for _ in range(count):
        disk, kept = journal.disk.copy(), [begin for begin in borders[:-1] if rng.below(2)]
        for begin, end in pairwise(borders):
            if begin in kept:
                disk.files[number].write(begin, content[begin - offset : end - offset])
        yield Image(f"a write at {offset} broke, of its blocks {borders} only {kept} are there", disk.copy(), ring, boot, r.head_lsn, r.head_lsn)


def power_cuts(journal: SimJournal, next_boot: bytes, step: int = 1) -> Iterator[Image]:
    """Every `step` bytes of what was not synced as the last that reached the disk; each also with a torn last sector, and of the watermarks too.

    Only the newest segment can have unsynced bytes: a segment is synced before the next one is made.
    """
    disk, r = journal.disk, journal.ring.pointer
    newest = max(disk.files, default=0)
    others = {number: file.content() for number, file in disk.files.items() if number != newest}
    last = disk.files[newest] if newest else File()
    marks = disk.marks.content(0)

    def image(what: str, content: bytes, marks: bytes) -> Image:
        segments = {**others, newest: content} if newest else {}
        return Image(what, disk._image(segments, marks), None, next_boot, r.durable_lsn, r.head_lsn)

    for written in [*range(0, last.unsynced, step), last.unsynced]:
        content = last.content(written)
        yield image(f"power cut {written} bytes behind the last sync", content, marks)
        yield image(f"power cut {written} bytes behind the last sync, sector torn", _torn(last, written), marks)
    for written in range(0, disk.marks.unsynced + 1, max(step, 1)):
        yield image(f"power cut {written} bytes into the watermarks", last.content(0), disk.marks.content(written))


def _torn(file: File, written: int) -> bytes:
    """Like content(written), but the last sector holds the end of what was written and not its beginning."""
    now, before = bytearray(file.content(written)), file.content(0)
    at = 0
    for offset, content in file.since:
        at += len(content)
        if at >= written:
            end = offset + len(content) - (at - written)
            begin = end // SECTOR * SECTOR
            middle = begin + (end - begin) // 2
            now[begin:middle] = before[begin:middle].ljust(middle - begin, b"\0")
            break
    return bytes(now)


def reordered(journal: SimJournal, next_boot: bytes, rng: Rng, count: int) -> Iterator[Image]:
    """Power cuts where any subset of the sectors written since the last sync reached the disk, `count` of them drawn."""
    disk, r = journal.disk, journal.ring.pointer
    newest = max(disk.files, default=0)
    if not newest:
        return
    last = disk.files[newest]
    before, after = last.content(0), last.content()
    changed = [at for at in range(0, len(after), SECTOR) if before[at : at + SECTOR] != after[at : at + SECTOR]]
    for _ in range(count):
        kept = [at for at in changed if rng.below(2)]
        content = bytearray(before.ljust(len(after), b"\0"))
        for at in kept:
            content[at : at + SECTOR] = after[at : at + SECTOR]
        segments = {number: file.content() for number, file in disk.files.items()} | {newest: bytes(content)}
        what = f"power cut, of the sectors {changed} only {kept} reached the disk"
        yield Image(what, disk._image(segments, disk.marks.content(0)), None, next_boot, r.durable_lsn, r.head_lsn)


def crash_images(
    journal: SimJournal, boot: bytes, next_boot: bytes, now_ns: int, rng: Rng, step: int = 1, draws: int = 20
) -> Iterator[Image]:
    """Everything a crash at this moment may leave: killed, power cut at every `step` bytes, and `draws` reorderings."""
    yield from killed(journal, boot, now_ns, step)
    yield from power_cuts(journal, next_boot, step)
    yield from reordered(journal, next_boot, rng, draws)
