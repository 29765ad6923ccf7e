"""What makes a lane go: `InlineDriver` in memory, a step at a time, on a clock that the caller owns; `ThreadDriver` on sockets and a thread."""

from typing import Any

from gateway.lane.lane import Lane
from gateway.lane.native import ffi, lib
from gateway.lane.tables import Tables

WIRE_BYTES = 1 << 20  # that may lie in a memory connection's buffer, each way
RING_BYTES = 1 << 24
RING_INDEX = 1 << 16
FETCH_BYTES = 1 << 20  # of old records, read at once for a strategy that comes back
BUSY = 2**63 - 1
STEPS_MAX = 100_000  # of one `run`: a lane that is never idle is a fault


class InlineDriver(Lane):
    """A lane in memory. Connections are two buffers each: `feed` what arrives, take with `out` what left.

    ring: a gw_ring * with its own writer (crash tests); None: one of its own, where every record counts as durable at once.
    latch: the bytes of a latch file, writable, watched at each step. wire_bytes: of each connection's buffer, each way.
    """

    def __init__(self, tables: Tables, latch: bytearray | None, now_ns: int, ring: Any = None, wire_bytes: int = WIRE_BYTES) -> None:
        count = tables.plan.conn_count
        self._buffers = [(ffi.new("uint8_t[]", wire_bytes), ffi.new("uint8_t[]", wire_bytes)) for _ in range(count)]
        self._wires = ffi.new("gw_memconn[]", [
            {"in": taken, "out": sent, "cap": wire_bytes, "budget": wire_bytes, "short_send": -1} for taken, sent in self._buffers
        ])  # fmt: skip
        self._world = ffi.new("gw_memrim *", {"now_ns": now_ns, "conns": self._wires, "n_conns": count, "grant": 1})
        functions = ffi.new("gw_rim *")
        lib.gw_memrim_init(self._world, functions)
        self._ring_memory = self._own_ring = None
        if ring is None:
            self._ring_memory, self._own_ring = _ring()
            ring = self._own_ring
        self._latch_bytes = latch
        memory = ffi.from_buffer("uint8_t[]", latch, require_writable=True) if latch is not None else ffi.NULL
        super().__init__(tables, ring, memory, len(latch or b""), functions)

    def step(self, now_ns: int) -> int:
        """One step at this time; the work done, 0 = idle."""
        self._world.now_ns = now_ns
        work = int(lib.gw_step(self.pointer))
        if self._own_ring is not None:
            lib.gw_ring_forget(self._own_ring)
        return work

    def run(self, now_ns: int) -> None:
        """Steps until there is nothing to do at this time."""
        for _ in range(STEPS_MAX):
            if not self.step(now_ns):
                return
        raise AssertionError(f"the lane was busy for {STEPS_MAX} steps at one time")

    def idle_ns(self, most: int) -> int:
        """Until the lane's next timer, at most `most`."""
        return int(lib.gw_idle_ns(self.pointer, most))

    def feed(self, conn: int, data: bytes) -> None:
        """Bytes arrive on a connection."""
        wire = self._wires[conn]
        assert wire.open, f"connection {conn} is not open"
        assert wire.in_len + len(data) <= wire.cap, f"{len(data)} bytes do not fit behind {wire.in_len} unread ones"
        ffi.memmove(getattr(wire, "in") + wire.in_len, data, len(data))
        wire.in_len += len(data)

    def out(self, conn: int) -> bytes:
        """Take what has left on a connection."""
        wire = self._wires[conn]
        data = bytes(ffi.buffer(wire.out, wire.out_len))
        wire.out_len = 0
        return data

    def is_open(self, conn: int) -> bool:
        """False once the lane has closed it."""
        return bool(self._wires[conn].open)

    def moved_to(self, conn: int) -> int:
        """The connection that the socket of a provisional one was bound to, 0 = none yet."""
        return int(self._wires[conn].moved_to)

    def close(self, conn: int) -> None:
        """The peer closes: what it sent before is still read."""
        self._wires[conn].ended = 1

    def break_off(self, conn: int) -> None:
        """The connection breaks: nothing can be sent any more, and its end is read next."""
        self._wires[conn].broken = self._wires[conn].ended = 1

    def limit(self, conn: int, budget: int) -> None:
        """Bytes that may lie unsent on a connection: 0 = the peer takes nothing."""
        self._wires[conn].budget = budget

    def take_only(self, conn: int, count: int | None) -> None:
        """The peer's window is nearly shut: sends take so many bytes more, in the middle of a frame or not; None = it is open again."""
        self._wires[conn].short_send = -1 if count is None else count

    def records(self, first: int = 1) -> list[bytes]:
        """Copies of the journal's records from `first` on, as far as the ring still has them."""
        found = []
        for lsn in range(first, int(self.ring.head_lsn) + 1):
            if record := self.record(lsn):
                found.append(record)
        return found


def _ring() -> tuple[Any, Any]:
    """Memory, and the ring in it."""
    size = lib.gw_ring_bytes(RING_BYTES, RING_INDEX)
    memory = ffi.new("uint64_t[]", size // 8)
    ring = ffi.cast("gw_ring *", memory)
    rc = lib.gw_ring_init(ring, size, ffi.new("gw_ring_cfg *", {"size": RING_BYTES, "index_count": RING_INDEX, "next_lsn": 1, "salt": 1}))
    assert rc == 0, f"gw_ring_init: {rc}"
    return memory, ring


class ThreadDriver(Lane):
    """A lane on the kernel's sockets, with a thread of its own that spins for a while after work and then sleeps.

    `fileno` is an eventfd: readable when events wait; call `woken`, then `events`. latch_path: the latch file, which the lane's thread
    maps itself and watches, so that a lane that sleeps sees the kill, and one whose file is harmed or gone is dropped. Raises: OSError.
    """

    def __init__(self, tables: Tables, latch_path: str) -> None:
        self._krim = ffi.new("gw_krim *")
        self._block = ffi.new("uint8_t[]", FETCH_BYTES)
        self._path = ffi.new("char[]", latch_path.encode())
        rc = lib.gw_krim_open(self._krim, ffi.NULL, ffi.NULL, self._path)
        if rc < 0:
            raise OSError(-rc, f"the lane cannot open what it waits on: {latch_path}")
        self._krim.block, self._krim.block_size = self._block, FETCH_BYTES
        super().__init__(tables, ffi.NULL, ffi.NULL, 0, ffi.addressof(self._krim, "rim"), resident=True)
        self._krim.lane = self.pointer

    def journal_to(self, ring_address: int, journal_address: int) -> None:
        """Where it writes from here on; before, it can only apply."""
        self._krim.journal = ffi.cast("gw_journal *", journal_address)
        self.rim(ffi.cast("gw_ring *", ring_address), ffi.NULL, 0, ffi.addressof(self._krim, "rim"))

    def begin(self, spin_ns: int, core: int) -> None:
        """Start the thread: BUSY = it never sleeps; core −1 = any. Raises: OSError."""
        if (rc := lib.gw_run_start(self._krim, spin_ns, core)) < 0:
            raise OSError(-rc, "the lane's thread does not start")

    def end(self) -> None:
        """The thread ends after the step it is in; every socket is closed."""
        lib.gw_run_stop(self._krim)
        lib.gw_krim_shut(self._krim)

    def fileno(self) -> int:
        return int(self._krim.wake_fd)

    def woken(self) -> None:
        """The wake-up is taken; the next event makes another."""
        lib.gw_krim_woken(self._krim)

    def flush(self) -> None:
        super().flush()
        lib.gw_krim_bell(self._krim)

    @property
    def wakeups(self) -> int:
        """How often the lane has slept."""
        return int(self._krim.wakeups)
