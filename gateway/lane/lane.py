"""One lane from Python: its memory, its two rings, and copies of its state; what drives it is in driver.py.

Nothing here decides anything, and nothing but `gw_step` (a driver's) changes the lane: commands go in by a ring, events come out by one,
views are copies. A view taken while the lane's thread runs is each field as it was at some moment of the call.
"""

import contextlib
import mmap
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from gateway.errors import ConfigError
from gateway.lane.commands import At, Batch
from gateway.lane.events import Acked, Bell, Event
from gateway.lane.native import ffi, lib
from gateway.lane.records import HEAD_BYTES, Inbound, inbound
from gateway.lane.tables import Tables
from gateway.model import Reason

MESSAGES_MAX = 16  # of one bell: what one answer can hold; the rest is rung for again
ORDERS_AT_ONCE = 256


class LaneFault(Exception):
    """The lane refuses its tables, a record or a restart: str() says which, with the name of the fault."""


class ConnView(NamedTuple):
    """A connection as the lane has it; states are GW_CLOSED …, times ns since the epoch."""

    conn: int
    epoch: int
    state_gen: int
    rx: int
    tx: int
    facts: int
    queued: int
    open_orders: int
    in_doubt: int
    rx_next: int
    tx_next: int
    token_next: int
    stream_len: int
    stream_sent: int
    rx_count: int
    tx_count: int
    dropped: int
    last_id: int
    last_rx_ns: int
    last_tx_ns: int

    @property
    def at(self) -> At:
        return At(self.conn, self.epoch, self.state_gen)


class OrderView(NamedTuple):
    """An order that has a slot: open, or among the last finished ones. Prices × 10^px_exp, quantities × 10^qty_exp."""

    slot: int
    order_no: int
    cl_ord_num: int
    cl_ord_id: str
    conn_s: int
    strategy: int
    account: int
    instrument: int
    venue: int
    side: str
    ord_type: str
    time_in_force: str
    ord_status: str
    price: int
    order_qty: int
    cum_qty: int
    leaves_qty: int
    px_exp: int
    qty_exp: int
    token: int
    out_seq: int
    in_doubt: bool
    cancel_wanted: bool
    replace_pending: bool
    queued: bool
    accepted_ns: int


class Counts(NamedTuple):
    """What the lane has counted since its journal began."""

    records: int
    messages_in: int
    messages_out: int
    orders: int
    denied: int
    acks: int
    fills: int
    cancels: int
    rejects: int
    orphans: int
    odd: int
    garbled: int
    dropped: int
    commands: int
    events: int
    open_orders: int
    in_doubt: int
    queued: int
    limits_version: int
    lsn: int
    stopped: bool
    cancelling: int
    """Once it stops, orders whose cancel is wanted; before that, all that are open."""


def fault_name(code: int) -> str:
    """The name of a fault of fault.h."""
    names = [name for name in dir(lib) if name.startswith("GW_E_") and getattr(lib, name) == code]
    return names[0] if names else str(code)


def _make_resident(memory: mmap.mmap, size: int) -> None:
    """Take the first `size` bytes' pages now, in large ones where the system gives them: an order waits neither for a page nor for its address."""
    with contextlib.suppress(OSError):  # without large pages it is only slower
        memory.madvise(mmap.MADV_HUGEPAGE, 0, size)
    for at in range(0, size, mmap.PAGESIZE):
        memory[at] = 0


class Lane:
    """A lane's memory. `pointer` is its gw_lane *.

    resident: what any order may touch is in memory before the first one.
    old: reads a record that has left the ring, None where it cannot (then its message is left for the next bell).
    Raises: ConfigError where the tables cannot be laid out, LaneFault where the lane refuses them.
    """

    def __init__(self, tables: Tables, ring: Any, latch: Any, latch_bytes: int, rim: Any, resident: bool = False) -> None:
        size = lib.gw_lane_size(tables.sizes)
        if not size:
            raise ConfigError(["tables: the lane cannot be laid out with these sizes; give fewer orders or connections"])
        self.tables = tables
        self.old: Callable[[int], bytes | None] = lambda lsn: None
        # Anonymous memory is zeroed, page aligned, and costs nothing where it is never touched. Private: a fork's lane is its own.
        self._memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        if resident:
            _make_resident(self._memory, lib.gw_lane_common(tables.sizes))
        self._base = ffi.from_buffer("uint8_t[]", self._memory, require_writable=True)
        self.pointer = ffi.cast("gw_lane *", self._base)
        self.ring = ring
        self._latch = latch
        self._rim = rim
        rc = lib.gw_lane_init(self._base, size, tables.sizes, tables.tables, ring, latch, latch_bytes, rim)
        if rc < 0:
            raise LaneFault(f"the lane refuses its tables: {fault_name(rc)}")
        self._command = ffi.new("gw_cmd *")
        self._event = ffi.new("gw_ev *")
        self._waiting: deque[Batch] = deque()
        self._for_control: dict[int, deque[int]] = {}

    # ------------------------------------------------------------------------------------------------- its beginning

    def start(self, config: bytes) -> None:
        """The first record of a new journal: the effective configuration. Raises: LaneFault."""
        if (rc := lib.gw_start(self.pointer, config, len(config))) < 0:
            raise LaneFault(f"the journal does not take its first record of {len(config)} bytes: {fault_name(rc)}")

    def retable(self, tables: Tables) -> None:
        """Other tables with the same names at the same numbers, before the START record that says so. Raises: LaneFault."""
        if (rc := lib.gw_lane_tables(self.pointer, tables.tables)) < 0:
            raise LaneFault(f"these tables give other numbers to names than the journal's: {fault_name(rc)}")
        self.tables = tables

    def apply(self, record: memoryview | bytes) -> None:
        """Take one record of the journal into the state (restart). Raises: LaneFault."""
        if (rc := lib.gw_apply(self.pointer, ffi.from_buffer(record))) < 0:
            raise LaneFault(f"record {int.from_bytes(record[24:32], 'little')} cannot be applied: {fault_name(rc)}")

    def restarted(self, ring_survived: bool) -> None:
        """What this restart concludes, as one record. Nothing may be sent before it is durable. Raises: LaneFault."""
        if (rc := lib.gw_restart(self.pointer, ring_survived)) < 0:
            raise LaneFault(f"the journal does not take the restart's record: {fault_name(rc)}")

    def rim(self, ring: Any, latch: Any, latch_bytes: int, rim: Any) -> None:
        """Change where it writes and what it calls."""
        self.ring, self._latch, self._rim = ring, latch, rim
        lib.gw_lane_rim(self.pointer, ring, latch, latch_bytes, rim)

    # ------------------------------------------------------------------------------------------------------- the rings

    def push(self, batch: Batch) -> None:
        """Hand over one batch; where the ring is full it waits here, in order. Raises: CommandTooLong."""
        batch.pack()
        self._waiting.append(batch)
        self.flush()

    def flush(self) -> None:
        """Hand over what waits, as far as the ring has room."""
        command = self._command
        while self._waiting:
            batch = self._waiting[0]
            payload = batch.pack()
            command.id, command.cause_lsn, command.now_ns = batch.id, batch.cause_lsn, batch.now_ns
            command.n_subs, command.len = len(batch.parts), len(payload)
            ffi.memmove(command.payload, payload, len(payload))
            if not lib.gw_cmd_push(self.pointer, command):
                return
            self._waiting.popleft()

    def events(self) -> list[Event]:
        """Everything the lane has told since the last call, in order."""
        events: list[Event] = []
        while lib.gw_ev_pop(self.pointer, self._event):
            events.append(self._parsed())
        self.flush()
        return events

    def _parsed(self) -> Event:
        e = self._event
        payload = bytes(ffi.buffer(e.payload, e.len))
        if e.kind == lib.GW_EV_ACK:
            return Acked(e.id, e.lsn, e.now_ns, tuple(zip(payload[::2], payload[1::2], strict=True)))
        assert e.kind == lib.GW_EV_BELL, f"an event of kind {e.kind}"
        messages, more = self._messages(e.conn, e.id, e.lsn)
        if e.barrier and not more and messages and payload:
            messages[-1] = replace(messages[-1], frame=payload)
        view = self.view(e.conn)
        return Bell(
            conn=e.conn, epoch=e.epoch, state_gen=e.state_gen, rx=e.rx, tx=e.tx, rx_next=e.rx_next, tx_next=e.tx_next, facts=e.facts,
            lsn=e.lsn, error=e.error, now_ns=e.now_ns, messages=tuple(messages), more=more, last_id=view.last_id, stream_len=view.stream_len,
        )  # fmt: skip

    def _messages(self, conn: int, done: int, newest: int) -> tuple[list[Inbound], bool]:
        """The oldest messages for control behind `done`, found by the chain from the newest back; and whether there are more."""
        known = self._for_control.setdefault(conn, deque())
        while known and known[0] <= done:
            known.popleft()
        last, fresh, lsn = known[-1] if known else done, [], newest
        while lsn > last:
            fresh.append(lsn)
            record = self.record(lsn)
            lsn = inbound(record).previous if record is not None else 0
        known.extend(reversed(fresh))
        messages = []
        for lsn in list(known)[:MESSAGES_MAX]:
            record = self.record(lsn)
            if record is None:
                break
            messages.append(inbound(record))
        return messages, len(messages) < len(known)

    def record(self, lsn: int) -> bytes | None:
        """A copy of a record: from the ring, proved by its CRC (its room may be used anew while it is copied), else through `old`."""
        if self.ring:
            at = lib.gw_ring_at(self.ring, lsn)
            if at:
                copy = bytes(ffi.buffer(ffi.cast("const uint8_t *", at), max(HEAD_BYTES, min(at.len, self.ring.rec_max))))
                if lib.gw_rec_check(ffi.from_buffer(copy), len(copy), self.ring.salt, lsn) > 0:
                    return copy
        return self.old(lsn)

    # --------------------------------------------------------------------------------------------------------- copies

    def view(self, conn: int) -> ConnView:
        """Connection `conn` now."""
        v = ffi.new("gw_conn_view *")
        if lib.gw_view_conn(self.pointer, conn, v) < 0:
            raise IndexError(f"connection {conn}; there are {self.tables.plan.conn_count}")
        return ConnView(conn, *(getattr(v, name) for name in ConnView._fields[1:]))

    def orders(self, with_final: bool = False) -> Iterator[OrderView]:
        """Orders in the order of their slots; finished ones only if asked for."""
        views, next_slot, at = ffi.new("gw_order_view[]", ORDERS_AT_ONCE), ffi.new("uint32_t *"), 0
        while at < self.tables.sizes.orders:
            count = lib.gw_view_orders(self.pointer, at, views, ORDERS_AT_ONCE, next_slot)
            at = next_slot[0]
            for i in range(count):
                order = _order(views[i])
                if with_final or order.ord_status not in FINAL:
                    yield order

    def counts(self) -> Counts:
        """All counters now."""
        c = ffi.new("gw_counts *")
        lib.gw_view_counts(self.pointer, c)
        return Counts(
            records=c.records, messages_in=getattr(c, "in"), messages_out=c.out, orders=c.orders, denied=c.denied, acks=c.acks, fills=c.fills,
            cancels=c.cancels, rejects=c.rejects, orphans=c.orphans, odd=c.odd, garbled=c.garbled, dropped=c.dropped, commands=c.commands,
            events=c.events, open_orders=c.open_orders, in_doubt=c.in_doubt, queued=c.queued, limits_version=c.limits_version, lsn=c.lsn,
            stopped=bool(c.stopped), cancelling=c.cancelling,
        )  # fmt: skip

    def denied_by(self) -> dict[str, int]:
        """Denials so far, by the reason's name; those that were."""
        c = ffi.new("gw_counts *")
        lib.gw_view_counts(self.pointer, c)
        return {reason.name.lower(): int(c.denied_by[reason]) for reason in Reason if c.denied_by[reason]}

    def position(self, scope: int, entity: int, instrument: int) -> int:
        """Signed quantity × 10^qty_exp of a scope in an instrument."""
        return int(lib.gw_view_position(self.pointer, scope, entity, instrument))

    def exposure(self, scope: int, entity: int, instrument: int) -> tuple[int, int, int]:
        """Of a scope in an instrument: its position, and what its open orders and replaces under way could still buy and sell; × 10^qty_exp."""
        e = ffi.new("gw_exposure *")
        if not lib.gw_view_exposure(self.pointer, scope, entity, instrument, e):
            raise IndexError(f"scope {scope}, entity {entity}, instrument {instrument}: there is none")
        return int(e.position), int(e.open_buy + e.pend_buy), int(e.open_sell + e.pend_sell)

    def state_hash(self) -> int:
        """Equal states have equal hashes. Only while no thread runs the lane."""
        return int(lib.gw_state_hash(self.pointer))


FINAL = frozenset("23458C")  # OrdStatus of orders that are over


def _order(v: Any) -> OrderView:
    values: dict[str, Any] = {name: getattr(v, name) for name in OrderView._fields}
    values |= {name: values[name].decode("latin-1") for name in ("side", "ord_type", "time_in_force", "ord_status")}
    values |= {name: bool(values[name]) for name in ("in_doubt", "cancel_wanted", "replace_pending", "queued")}
    values["cl_ord_id"] = ffi.string(v.cl_ord_id, 24).decode("latin-1")
    return OrderView(**values)
