"""Decides a journal again, record by record, and says where what is decided now is not what was decided then."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from gateway.config import Config
from gateway.instruments import Instruments
from gateway.journal.record import Kind
from gateway.lane.effective import Effective, from_bytes, layout_texts
from gateway.lane.lane import Lane, fault_name
from gateway.lane.native import ffi, lib
from gateway.lane.plan import plan
from gateway.lane.records import HEAD_BYTES
from gateway.lane.tables import Tables

SCRATCH_BYTES = 1 << 21
START_HEAD = int(ffi.sizeof("gw_rec_start"))


@dataclass(frozen=True, slots=True)
class Difference:
    """`offset`: the first byte of record `lsn` that differs; equal lengths say nothing about it."""

    lsn: int
    kind: str
    offset: int
    journaled_bytes: int
    decided_bytes: int
    why: str

    def __str__(self) -> str:
        return (
            f"record {self.lsn} ({self.kind}): {self.why} at byte {self.offset}; the journal has {self.journaled_bytes} bytes, "
            f"decided again it has {self.decided_bytes}"
        )


def start_payload(record: bytes) -> bytes:
    """The configuration in a START record."""
    length = int(ffi.cast("const gw_rec_start *", ffi.from_buffer(record)).config_len)
    return record[START_HEAD : START_HEAD + length]


def restart_survived(record: bytes) -> bool:
    """Whether a RESTART record says that nothing was missing."""
    return bool(ffi.cast("const gw_rec_restart *", ffi.from_buffer(record)).survived)


def build_id() -> str:
    """Which code decides here."""
    return str(ffi.string(lib.gw_build_id()).decode())


def strange(effective: Effective) -> list[str]:
    """Why this build cannot replay that journal; empty if it can."""
    reasons = []
    if effective.build != build_id():
        reasons.append(f"the journal was written by build {effective.build}, this is build {build_id()}")
    mine = layout_texts()
    reasons += [f"layout {name} is not what it was" for name, text in effective.layouts.items() if mine.get(name) != text]
    return reasons


class Replay:
    """A lane that is given a journal instead of the world."""

    def __init__(self, records: Iterable[bytes], config: Config, instruments: Instruments, secrets: dict[str, str]) -> None:
        kept = list(records)
        self._bytes = b"".join(kept)
        offsets = []
        at = 0
        for record in kept:
            offsets.append(at)
            at += len(record)
        self.count = len(kept)
        self._offsets = ffi.new("uint64_t[]", offsets or [0])
        self._memory = ffi.from_buffer("uint8_t[]", self._bytes)
        numbers = plan(config, instruments)
        tables = Tables(config, numbers, instruments, secrets)
        self._wires = ffi.new("gw_memconn[]", numbers.conn_count)
        first = int.from_bytes(kept[0][24:32], "little") if kept else 1
        self._world = ffi.new(
            "gw_memrim *",
            {"conns": self._wires, "n_conns": numbers.conn_count, "records": self._memory, "offsets": self._offsets, "first_lsn": first, "n_records": len(kept)},
        )
        rim = ffi.new("gw_rim *")
        lib.gw_memrim_init(self._world, rim)
        self.lane = Lane(tables, ffi.NULL, ffi.NULL, 0, rim)
        self._scratch = ffi.new("uint64_t[]", SCRATCH_BYTES // 8)

    def _at(self, index: int) -> Any:
        return self._memory + int(self._offsets[index])

    def _next_life(self, index: int) -> None:
        """A later START: what the lane ran with from there on. Raises: LaneFault if its numbers mean other things."""
        record = bytes(ffi.buffer(self._at(index), int(ffi.cast("const gw_rec *", self._at(index)).len)))
        then = from_bytes(start_payload(record))
        self.lane.retable(Tables(then.config, plan(then.config, then.instruments), then.instruments, then.starred()))

    def verify(self) -> Difference | None:
        """Decide every record again and compare; None if all are the same."""
        diff = ffi.new("gw_diff *")
        scratch = ffi.cast("uint8_t *", self._scratch)
        for index in range(self.count):
            record = self._at(index)
            head = ffi.cast("const gw_rec *", record)
            if index and head.kind == Kind.START:
                self._next_life(index)
            rc = lib.gw_verify(self.lane.pointer, record, scratch, SCRATCH_BYTES, diff)
            if rc == 0:
                continue
            kind = Kind(head.kind).name
            if rc == lib.GW_E_DIFFERS:
                why = "another decision" if diff.got_len else "no such decision is made now"
                return Difference(diff.lsn, kind, diff.offset, diff.want_len, diff.got_len, why)
            return Difference(head.lsn, kind, HEAD_BYTES, head.len, 0, f"cannot be decided ({fault_name(rc)})")
        return None

    def apply(self) -> int:
        """Take every record without deciding anything (a restart); the state's hash."""
        for index in range(self.count):
            if index and ffi.cast("const gw_rec *", self._at(index)).kind == Kind.START:
                self._next_life(index)
            if (rc := lib.gw_apply(self.lane.pointer, self._at(index))) < 0:
                raise ValueError(f"record {index + 1} cannot be applied: {fault_name(rc)}")
        return self.lane.state_hash()
