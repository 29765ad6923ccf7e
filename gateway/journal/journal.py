"""The live journal of a gateway: a ring in shared memory, its writer, and the beginning of both behind what a restart found.

The lane gets addresses: its extension is compiled from the same headers, so `ffi.cast("gw_ring *", journal.ring_address)` there is the
same struct. Begin, in this order: `lock_state`, `found = restart(...)`, apply `found.records()`, `Journal.begin(found, ...)`.
"""

import hashlib
import mmap
import os
import weakref
from dataclasses import dataclass
from pathlib import Path

from gateway.journal.errors import JournalError, JournalFailed, disk_text
from gateway.journal.record import FAULTS, Kind, ffi, lib
from gateway.journal.restart import Found, RingMemory, no_watermarks
from gateway.journal.store import BEGUN_ANEW, WATERMARKS, DirStore, segment_name, spare_name
from gateway.seams import Rng

SHARED_MEMORY = Path("/dev/shm")
LEVELS = {"async": 0, "group": 1, "sync": 2}
MIB = 1 << 20

WHAT_FAILED = {
    lib.GW_FAILED_WRITE: "writing a journal segment",
    lib.GW_FAILED_SYNC: "fdatasync of a journal segment",
    lib.GW_FAILED_SEGMENT: "making the next journal segment",
    lib.GW_FAILED_WATERMARK: "writing the watermarks",
    lib.GW_FAILED_APPEND: "a record did not fit where it was to go, the lane stands still (the lane, or memory, is damaged)",
    lib.GW_FAILED_RING: "the journal's ring holds bytes that are no record (memory is damaged)",
}


@dataclass(frozen=True)
class JournalConfig:
    """How a journal is kept. Sizes in bytes, times in ns.

    ring_bytes: a power of two. index_count: how many of the last records the lane finds in the ring, a power of two.
    interval_ns: `async`, the longest a written record is not durable. gather_ns: `async`, under load, the longest it stays in the ring only.
    poll_ns: the same with no load to speak of; the writer looks this often unasked.
    direct_min: `async`, a write of so many bytes goes from the ring to the disk past the page cache, where the disk can; 0 = none.
    prewrite: segments are written once before they are used. core: of the writer's thread, -1 = any.
    """

    level: str = "async"
    ring_bytes: int = 64 * MIB
    segment_bytes: int = 64 * MIB
    index_count: int = 1 << 16
    interval_ns: int = 50_000_000
    gather_ns: int = 5_000_000
    poll_ns: int = 2_000_000
    direct_min: int = 128 << 10
    prewrite: bool = True
    core: int = -1


def boot_id() -> bytes:
    """Of the running kernel, 16 bytes: memory and page cache live as long as it."""
    return bytes.fromhex(Path("/proc/sys/kernel/random/boot_id").read_text().strip().replace("-", ""))


def ring_path(state_dir: Path) -> Path:
    """The file in shared memory of the ring of `state_dir`."""
    return SHARED_MEMORY / f"portcullis-{hashlib.sha256(bytes(state_dir.resolve())).hexdigest()[:16]}"


def attach_ring(state_dir: Path) -> RingMemory | None:
    """The ring a gateway left, dead or alive; None if there is none."""
    try:
        descriptor = os.open(ring_path(state_dir), os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        length = os.fstat(descriptor).st_size
        if not length:
            return None
        memory = mmap.mmap(descriptor, length)
    finally:
        os.close(descriptor)
    return RingMemory(ffi.from_buffer(memory), length, memory)


def begin_anew(state_dir: Path) -> None:
    """Forget the journal of `state_dir`: segments become spares, ring, watermarks and what goes on from an archived journal go. Only under the lock, with nothing at stake.

    The oldest goes first: what a death in the middle leaves is refused, never taken for a shorter journal.
    """
    store = DirStore(state_dir)
    if store.folder.is_dir():
        spare = max(store.spares(), default=0)
        for number in store.numbers():
            spare += 1
            (store.folder / segment_name(number)).rename(store.folder / spare_name(spare))
        store.sync_folder()
    ring_path(state_dir).unlink(missing_ok=True)
    for name in (WATERMARKS, BEGUN_ANEW):
        (state_dir / name).unlink(missing_ok=True)


def ring_cfg(found: Found, config: JournalConfig, journal_id: bytes, boot: bytes, salt: int) -> object:
    """A gw_ring_cfg for the ring behind `found`."""
    # A record must fit into a segment behind a head and two marks.
    rec_max = min(config.ring_bytes // 4, config.segment_bytes - lib.GW_SEG_DATA - 2 * lib.GW_REC_HEAD)
    cfg = ffi.new("gw_ring_cfg *", {"size": config.ring_bytes, "index_count": config.index_count, "rec_max": max(rec_max, 0)})
    cfg.next_lsn, cfg.salt, cfg.after_loss = found.next_lsn, salt, not found.ring_survived
    ffi.memmove(cfg.journal_id, journal_id, 16)
    ffi.memmove(cfg.boot_id, boot, 16)
    return cfg


def make_writer(found: Found, config: JournalConfig, ring: RingMemory, epoch: int, build_id: bytes, config_id: bytes) -> object:
    """A gw_writer that goes on behind `found`. Raises: JournalError for sizes that cannot be."""
    writer, cfg = ffi.new("gw_writer *"), ffi.new("gw_writer_cfg *")
    last = found.segments[-1] if found.segments else None
    cfg.level, cfg.epoch, cfg.segment_bytes = LEVELS[config.level], epoch, config.segment_bytes
    cfg.interval_ns, cfg.gather_ns, cfg.direct_min = config.interval_ns, config.gather_ns, config.direct_min
    cfg.prev_number, cfg.prev_end, cfg.prev_crc = (last.number, last.end, last.last_crc) if last else (0, 0, 0)
    for field, value in ((cfg.build_id, build_id), (cfg.config_id, config_id)):
        ffi.memmove(field, value[:32], len(value[:32]))
    if lib.gw_writer_init(writer, ring.pointer, cfg) < 0:
        raise JournalError(f"segment_bytes {config.segment_bytes}: a multiple of 4096, with room for a record of {ring.pointer.rec_max} bytes")
    for segment in found.segments:
        if lib.gw_writer_knows_segment(writer, segment.number, segment.first_lsn, segment.salt) < 0:
            raise JournalError(f"segment {segment_name(segment.number)}: a journal has at most {lib.GW_SEGMENTS} segments; begin one anew")
        for lsn, offset in segment.points:
            lib.gw_writer_knows_place(writer, lsn, segment.number, offset)
    marks = [(conn, kind, unit, value) for (conn, kind, unit), value in found.watermarks.items()]
    lib.gw_writer_knows_watermarks(writer, ffi.new("gw_watermark[]", marks), len(marks), found.watermark_seq, found.watermark_slot)
    return writer


def make_ring(found: Found, config: JournalConfig, journal_id: bytes, boot: bytes, salt: int, memory: RingMemory) -> None:
    """Lay a ring out in `memory`. Raises: JournalError for sizes that cannot be."""
    if lib.gw_ring_init(memory.pointer, memory.length, ring_cfg(found, config, journal_id, boot, salt)) < 0:
        raise JournalError(f"ring_bytes {config.ring_bytes}, index_count {config.index_count}: {FAULTS[lib.GW_E_ARGUMENT]}; powers of two are right")


class Journal:
    """A ring and its running writer.

    ring_address, writer_address, journal_address: of gw_ring, gw_writer, gw_journal, for the lane's extension; valid until `stop`.
    told: an eventfd that is readable when durable_lsn, a watermark, an answer or a failure is new.
    """

    def __init__(self, ring: RingMemory, path: Path, writer: object, journal: object, told: int, bell: int) -> None:
        self.ring = ring
        self._path = path
        self._writer = writer
        self._journal = journal
        self.told = told
        self._bell = bell
        # The thread must end before its memory does, also where nobody calls stop(): the references keep it until then.
        self._end = weakref.finalize(self, _end_thread, journal, writer, ring)
        self.ring_address = int(ffi.cast("uintptr_t", ring.pointer))
        self.writer_address = int(ffi.cast("uintptr_t", writer))
        self.journal_address = int(ffi.cast("uintptr_t", journal))

    @classmethod
    def begin(
        cls,
        found: Found,
        state_dir: Path,
        config: JournalConfig,
        rng: Rng,
        *,
        epoch: int,
        build_id: bytes = b"",
        config_id: bytes = b"",
        calls: object = None,
    ) -> "Journal":
        """Make the ring (in place of the old one), the first segment of this life, and start the writer.

        epoch, build_id, config_id: for the heads of segments. calls: a gw_disk_calls whose functions may fail (tests).
        Raises: JournalError for sizes that cannot be, or a ring that does not fit into shared memory; JournalFailed if the disk refuses.
        """
        store = DirStore(state_dir)
        store.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        journal_id = found.journal_id or rng.token(16)
        if not found.segments:
            store.replace_watermarks(no_watermarks(journal_id))
        elif not found.cut:
            store.shorten(found.segments[-1].number, found.segments[-1].end)
        ring = _new_ring_file(state_dir, found, config, journal_id, int.from_bytes(rng.token(4), "little"))
        writer = make_writer(found, config, ring, epoch, build_id, config_id)
        first, end = _usable_spares(store, config.segment_bytes)
        journal = ffi.new("gw_journal *")
        journal.writer = writer
        journal.dir, journal.watermarks = os.fsencode(store.folder), os.fsencode(state_dir / "watermarks")
        journal.segment_bytes, journal.poll_ns = config.segment_bytes, config.poll_ns
        journal.spare_first, journal.spare_end = first, end
        journal.prewrite, journal.core = config.prewrite, config.core
        if calls is not None:
            journal.calls = calls
        bell, told = (os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK) for _ in range(2))
        journal.bell_fd, journal.told_fd = bell, told
        if (rc := lib.gw_journal_start(journal)) < 0:
            os.close(bell)
            os.close(told)
            raise JournalFailed(f"{store.folder}: the journal does not start", -rc, disk_text(-rc))
        return cls(ring, ring_path(state_dir), writer, journal, told, bell)

    @property
    def durable_lsn(self) -> int:
        """Up to and with this record everything is on the disk."""
        return int(lib.gw_ring_durable(self.ring.pointer))

    @property
    def failure(self) -> JournalFailed | None:
        """Why the writer stopped, if it did."""
        failed = lib.gw_ring_failed(self.ring.pointer)
        if not failed:
            return None
        code = failed & 0xFFFFFFFF
        text = disk_text(code) if code else "see the log"
        return JournalFailed(WHAT_FAILED[failed >> 32], code, f"{text}; nothing was tried again, the journal takes no more")

    def ring_bell(self) -> None:
        """Wake the writer."""
        lib.gw_journal_ring_bell(self._journal)

    def stop(self) -> None:
        """Everything that was appended becomes durable, the thread ends. Idempotent.

        The ring stays, as proof that nothing is missing, unless the last record is STOP: that is the same proof, and it is on the disk.

        Raises: JournalFailed if the writer failed, now or before.
        """
        if not self._end.alive:
            return
        self._end()
        failure = self.failure
        os.close(self.told)
        os.close(self._bell)
        if failure is not None:
            raise failure
        if self._stopped:
            self._path.unlink(missing_ok=True)

    @property
    def _stopped(self) -> bool:
        last = self.ring.pointer.head_lsn
        record = lib.gw_ring_at(self.ring.pointer, last)
        return bool(record) and record.kind == Kind.STOP and self.durable_lsn == last


def _end_thread(journal: object, *memory: object) -> None:
    lib.gw_journal_stop(journal)


def _new_ring_file(state_dir: Path, found: Found, config: JournalConfig, journal_id: bytes, salt: int) -> RingMemory:
    """A ring in shared memory under its name, whole before it has the name; its room is taken, so that no store can fail later."""
    path = ring_path(state_dir)
    length = lib.gw_ring_bytes(config.ring_bytes, config.index_count)
    if not length:
        raise JournalError(f"ring_bytes {config.ring_bytes}, index_count {config.index_count}: {FAULTS[lib.GW_E_ARGUMENT]}; powers of two are right")
    new = path.with_suffix(".new")
    descriptor = os.open(new, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    at = ffi.new("uint8_t **")
    try:
        rc = lib.gw_journal_map(descriptor, length, at)
        if rc < 0:
            raise JournalError(f"{new}: no room for a ring of {length} bytes in shared memory ({os.strerror(-rc)}); make ring_mib smaller")
        memory = ffi.gc(at[0], lambda pointer: lib.gw_journal_unmap(pointer, length))
        ring = RingMemory(memory, length, memory)
        make_ring(found, config, journal_id, boot_id(), salt, ring)
    except JournalError:
        new.unlink()
        raise
    finally:
        os.close(descriptor)
    new.rename(path)
    return ring


def _usable_spares(store: DirStore, segment_bytes: int) -> tuple[int, int]:
    """(first, end) of the spares, renumbered from 1 without gaps; those of another size go."""
    usable = []
    for number in store.spares():
        path = store.folder / spare_name(number)
        if path.stat().st_size == segment_bytes:
            usable.append(path)
        else:
            path.unlink()
    for number, path in enumerate(usable, 1):
        path.rename(store.folder / spare_name(number))
    return 1, len(usable) + 1
