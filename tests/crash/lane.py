"""A lane in memory whose journal is a simulated disk's, and which dies where a test says: process gone, ring and disk as they were."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gateway.journal.journal import JournalConfig
from gateway.journal.record import Kind
from gateway.journal.record import ffi as jffi
from gateway.journal.record import lib as jlib
from gateway.journal.restart import Found
from gateway.journal.simdisk import SimDisk, SimJournal
from gateway.lane.driver import InlineDriver
from gateway.lane.native import ffi, lib
from gateway.lane.tables import Tables

RING_BYTES = 1 << 17  # holds every record of a short scenario; a copy of it is made at each death
WIRE_BYTES = 1 << 14
GRANT_NS = 2_000_000  # from asking for numbers to having them on the disk: what does not wait for that is found out
SENDS = 1 << 10  # of one step
FRAME_LEN = ffi.offsetof("gw_rec_out", "frame_len")
JOURNAL = {"ring_bytes": RING_BYTES, "segment_bytes": 1 << 16, "index_count": 1 << 10, "gather_ns": 0, "interval_ns": 2_000_000_000}


def journal_config(level: str) -> JournalConfig:
    """Copied at once and, at `async`, synced late: the more a power cut can take, the more is tried."""
    return JournalConfig(level=level, **JOURNAL)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Death:
    """What a dying gateway leaves. disk: its image; ring: None where the power was cut; sent: what left each connection's socket buffer."""

    how: str
    disk: SimDisk
    ring: bytes | None
    sent: dict[int, bytes]


class Died(Exception):
    """The gateway is dead; `death` is what it left."""

    def __init__(self, death: Death) -> None:
        super().__init__(death.how)
        self.death = death


@dataclass(frozen=True)
class Fate:
    """How to die at a border. keep: the last record that a power cut leaves, None = a kill, which leaves them all. arrives: how much of
    what was handed to the sockets still reaches the peers: 0, 1 (half of it, cut anywhere) or 2 (all)."""

    keep: int | None
    arrives: int

    def __str__(self) -> str:
        what = "killed" if self.keep is None else f"power cut, journal keeps {self.keep} records"
        return f"{what}, {('nothing', 'half', 'all')[self.arrives]} of the sent bytes arrive"


Border = Callable[["JournaledLane"], Fate | None]


@ffi.callback("void(int64_t)")  # type: ignore[untyped-decorator]
def _tell(point: int) -> None:
    if JournaledLane.living is not None:
        JournaledLane.living.at_border()


class JournaledLane(InlineDriver):
    """The lane and its writer; `border` is asked at every border whether, and how, to die there."""

    living: "JournaledLane | None" = None

    def __init__(self, tables: Tables, latch: bytearray, now_ns: int, journal: SimJournal, found: Found, border: Border) -> None:
        super().__init__(tables, latch, now_ns, ffi.cast("gw_ring *", int(jffi.cast("uintptr_t", journal.ring.pointer))), WIRE_BYTES)
        self.journal = journal
        self._border = border
        self._dying: tuple[Fate, bytes, list[int]] | None = None
        self._old = [bytes(raw) for raw in found.raw()]
        records = b"".join(self._old)
        self._old_records = ffi.new("uint8_t[]", records or b"\0")
        offsets, at = [], 0
        for record in self._old:
            offsets.append(at)
            at += len(record)
        self._old_offsets = ffi.new("uint64_t[]", offsets or [0])
        self._world.records, self._world.offsets = self._old_records, self._old_offsets
        self._world.first_lsn, self._world.n_records = 1, len(self._old)
        self._sends = ffi.new("uint64_t[]", 2 * SENDS)
        self._world.head_lsn, self._world.sends, self._world.sends_cap = ffi.addressof(self.ring, "head_lsn"), self._sends, SENDS
        self._looked, self._ahead = found.next_lsn - 1, 0
        self._granted_at: dict[tuple[int, int, int], int] = {}
        self.old = lambda lsn: self._old[lsn - 1] if 0 < lsn <= len(self._old) else None
        self._world.grant = 0
        for (conn, kind, _), value in found.watermarks.items():
            self._mark(conn, kind, value)
        JournaledLane.living = self
        assert lib.gw_crash_hooks(), "this build has no crash points; run it with PORTCULLIS_BUILD=crash (make build-crash)"
        lib.gw_crash_arm(-1, _tell)

    def _mark(self, conn: int, kind: int, value: int) -> None:
        wire = self._wires[conn]
        if kind == lib.GW_MARK_TOKEN:
            wire.token_mark = value
        else:
            wire.tx_mark = value

    @property
    def head_lsn(self) -> int:
        return int(self.ring.head_lsn)

    @property
    def durable_lsn(self) -> int:
        return int(self.ring.durable_lsn)

    def step(self, now_ns: int) -> int:
        if any(wire.open and wire.in_len > wire.in_at for wire in self._wires):
            self.at_border()  # with bytes that have arrived and were not read
            self.die_if_dying(now_ns)
        work = super().step(now_ns)
        self.die_if_dying(now_ns)
        self.at_border()
        self.die_if_dying(now_ns)
        assert not (early := self.sent_too_early()), early
        return work + self.write(now_ns)

    def sent_too_early(self) -> str:
        """A send since the last call whose bytes were not all in records before it (I12, write-ahead); empty if there was none."""
        assert self._world.n_sends < SENDS, "more sends in a step than are noted"
        early = ""
        for number in range(self._world.n_sends):
            lsn, count = self._sends[2 * number], self._sends[2 * number + 1]
            while self._looked < lsn:
                self._looked += 1
                record = self.record(self._looked) or b""
                self._ahead += int.from_bytes(record[FRAME_LEN : FRAME_LEN + 4], "little") if record[8] == Kind.OUT else 0
            self._ahead -= count
            if self._ahead < 0:
                early, self._ahead = f"{-self._ahead} bytes were sent when the journal ended with record {lsn}, which does not have them yet", 0
        self._world.n_sends = 0
        return early

    def write(self, now_ns: int) -> int:
        """The writer does what there is to do; 1 if the lane has news of it."""
        before = self.durable_lsn
        self.journal.run(now_ns)
        news = 0
        for conn, wire in enumerate(self._wires):
            for kind, asked, mark in ((lib.GW_MARK_TX, wire.tx_asked, wire.tx_mark), (lib.GW_MARK_TOKEN, wire.token_asked, wire.token_mark)):
                if asked > mark and now_ns >= self._granted_at.setdefault((conn, kind, asked), now_ns + GRANT_NS):
                    jlib.gw_watermark_ask(self.journal.writer, conn, kind, 0, asked)
                    self.journal.run(now_ns)
                    self._mark(conn, kind, jlib.gw_watermark_ask(self.journal.writer, conn, kind, 0, 0))
                    news = 1
        return news or int(self.durable_lsn > before and self.journal.config.level != "async")

    def make_durable(self, now_ns: int) -> None:
        """Wait for the disk, as a gateway does before its first byte leaves."""
        self.journal.run(now_ns)
        self.journal.run(now_ns + JOURNAL["interval_ns"])
        assert self.durable_lsn == self.head_lsn, "the writer has not synced"

    # ------------------------------------------------------------------------------------------------------------ dying

    def at_border(self) -> None:
        """The lane is at a border. What follows in this step happens to memory that nobody will see again, where it is to die."""
        if self._dying is None and (fate := self._border(self)) is not None:
            ring = bytes(jffi.buffer(jffi.cast("uint8_t *", self.journal.ring.pointer), self.journal.ring.length))
            self._dying = fate, ring, [wire.out_len for wire in self._wires]

    def left(self, fate: Fate) -> tuple[object, ...]:
        """What tells this death here from another one of the same life: the records and watermarks it leaves, the bytes that arrive."""
        lengths = tuple((0, wire.out_len // 2, wire.out_len)[fate.arrives] for wire in self._wires)
        return fate.keep is None, self.head_lsn if fate.keep is None else fate.keep, self.durable_lsn, len(self.journal.done), lengths

    def die_if_dying(self, now_ns: int) -> None:
        if self._dying is None:
            return
        fate, ring, lengths = self._dying
        JournaledLane.living = None
        sent = {}
        for conn, length in enumerate(lengths):
            out = bytes(ffi.buffer(self._wires[conn].out, length))
            sent[conn] = (b"", out[: len(out) // 2], out)[fate.arrives]
        # What the rest of the step wrote is undone: the ring is again what it was at the border.
        jffi.memmove(self.journal.ring.pointer, ring, len(ring))
        if fate.keep is None:
            raise Died(Death(str(fate), self.journal.disk.copy(), ring, sent))
        raise Died(Death(str(fate), self._cut(fate.keep, now_ns), None, sent))

    def _cut(self, keep: int, now_ns: int) -> SimDisk:
        """The disk after a power cut that left the records up to `keep`, of those that were not yet durable."""
        journal = self.journal
        while journal.under_way(now_ns):  # what the writer had not come to yet may have reached the disk too
            journal.step(now_ns)
        newest = max(journal.disk.files)
        file = journal.disk.files[newest]
        end = _end_of(file.content(), keep) or 0  # 0: the cut lies before what was written behind the last sync
        written = sum(min(len(chunk), max(0, end - offset)) for offset, chunk in file.since)
        image = journal.disk.copy()
        image.files[newest].durable = bytearray(file.content(written))
        image.marks.durable = bytearray(journal.disk.marks.content(0))
        return image


def _end_of(segment: bytes, lsn: int) -> int | None:
    """Offset behind record `lsn` of a segment; None if it is not there."""
    offset = jlib.GW_SEG_DATA
    while offset + jlib.GW_REC_HEAD <= len(segment):
        length = int.from_bytes(segment[offset : offset + 4], "little")
        if length < jlib.GW_REC_HEAD:
            return None
        offset += length
        if segment[offset - length + 8] != jlib.GW_REC_SYNCED and int.from_bytes(segment[offset - length + 24 : offset - length + 32], "little") == lsn:
            return offset
    return None


def world_memory(lane: InlineDriver) -> Any:
    """The lane's memory rim, for what a test sets there."""
    return lane._world
