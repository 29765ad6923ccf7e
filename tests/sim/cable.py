"""A connection between the lane and a peer, with everything that can happen to one: late, in pieces, cut at any byte, half open, not read.

Bytes are what a socket would carry: those the lane has handed over may be lost with the connection, those it still holds are its own.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from gateway.lane.driver import InlineDriver
from gateway.seams import SeededRng
from gateway.sessions.actions import NEVER

MS = 1_000_000


class Peer(Protocol):
    """The other end of a cable."""

    @property
    def deadline_ns(self) -> int: ...
    @property
    def closing(self) -> bool: ...
    def receive(self, data: bytes, now_ns: int) -> None: ...
    def take_out(self, now_ns: int) -> bytes: ...
    def tick(self, now_ns: int) -> None: ...
    def gone(self, now_ns: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Line:
    """How a cable carries: pieces of 1 to `piece` bytes (0: whole), each up to `delay_ns` late. `window`: bytes that the kernel takes
    from the lane before the peer has read; so an order waits, without a number, when he does not."""

    piece: int = 0
    delay_ns: int = 0
    window: int = 4096


class Pipe:
    """One direction; order is kept."""

    def __init__(self, line: Line, rng: SeededRng) -> None:
        self._line = line
        self._rng = rng
        self._pieces: deque[tuple[int, bytes]] = deque()

    @property
    def due_ns(self) -> int:
        return self._pieces[0][0] if self._pieces else NEVER

    def put(self, data: bytes, now_ns: int) -> None:
        at = 0
        while at < len(data):
            size = 1 + self._rng.below(self._line.piece) if self._line.piece else len(data)
            due = now_ns + (self._rng.below(self._line.delay_ns) if self._line.delay_ns else 0)
            self._pieces.append((max(due, self._pieces[-1][0] if self._pieces else 0), data[at : at + size]))
            at += size

    def take(self, now_ns: int) -> bytes:
        """What has arrived: one piece, so that the reader sees each by itself."""
        return self._pieces.popleft()[1] if self.due_ns <= now_ns else b""

    def lose(self) -> bytes:
        """The connection ends: what was under way arrives up to some byte, the rest never."""
        whole = b"".join(piece for _, piece in self._pieces)
        self._pieces.clear()
        return whole[: self._rng.below(len(whole) + 1)]

    def drop(self) -> None:
        self._pieces.clear()


class Cable:
    """One connection. `tap` sees every byte the lane hands over, `meddle` changes what goes each way (up: from the lane)."""

    def __init__(self, lane: InlineDriver, conn: int, peer: Peer, line: Line, rng: SeededRng, tap: Callable[["Cable", bytes], None]) -> None:
        self.lane = lane
        self.conn = conn
        self.peer = peer
        self.line = line
        self.up, self.down = Pipe(line, rng), Pipe(line, rng)
        self.tap = tap
        self.meddle_up: Callable[[bytes], bytes] = bytes
        self.meddle_down: Callable[[bytes], bytes] = bytes
        self.fd = 0  # of an accepted socket
        self.opened = False  # the lane has it
        self.over = False  # both ends know that it is gone
        self.dead = False  # half open: nothing arrives, nobody is told
        self.stuck_until_ns = 0  # the peer's window is shut
        self.ending = False  # the peer has closed; the lane reads what is left
        lane.limit(conn, line.window)  # before the lane asks for the first time: what it was granted it keeps

    @property
    def due_ns(self) -> int:
        if self.over or not self.opened:
            return NEVER
        return min(self.up.due_ns, self.down.due_ns, NEVER if self.ending else self.peer.deadline_ns, self.stuck_until_ns or NEVER)

    def carry(self, now_ns: int) -> int:
        """Move what can be moved now; 1 if anything was."""
        lane = self.lane
        if not self.opened:
            if not lane.is_open(self.conn):
                return 0
            self.opened = True
        busy = 0
        if self.stuck_until_ns and self.stuck_until_ns <= now_ns:
            self.unstick()
        if not self.stuck_until_ns and (data := lane.out(self.conn)):
            busy = 1
            self.tap(self, data)
            if not self.dead:
                self.up.put(self.meddle_up(data), now_ns)
        if data := self.up.take(now_ns):
            busy = 1
            if not self.ending:  # else nobody is there any more
                self.peer.receive(data, now_ns)
        if not self.ending and self.peer.deadline_ns <= now_ns:
            self.peer.tick(now_ns)
        if not self.ending and (data := self.peer.take_out(now_ns)) and not self.dead:
            busy = 1
            self.down.put(self.meddle_down(data), now_ns)
        if not lane.is_open(self.conn):  # the lane has closed: what it sent before still arrives
            if self.dead:
                self.up.drop()
            if self.up.due_ns == NEVER:
                self.finish(now_ns)
            return busy
        if data := self.down.take(now_ns):
            busy = 1
            if not self.ending or data:
                lane.feed(self.conn, data)
        if self.peer.closing and not self.ending and self.down.due_ns == NEVER:
            busy = 1
            self.ending = True
            self.peer.gone(now_ns)
            if not self.dead:
                lane.close(self.conn)
        return busy

    def finish(self, now_ns: int) -> None:
        """Both ends know."""
        self.over = True
        if not self.ending:
            self.ending = True
            self.peer.gone(now_ns)

    def cut(self, now_ns: int, rude: bool) -> None:
        """The connection ends somewhere in what is under way; `rude`: the lane's next send already fails."""
        if not self.opened or self.over or not self.lane.is_open(self.conn):
            return
        self.unstick()
        data = self.lane.out(self.conn)
        self.tap(self, data)
        if not self.dead:
            self.up.put(self.meddle_up(data), now_ns)
            if arrived := self.up.lose():
                self.peer.receive(arrived, now_ns)
            self.down.put(self.peer.take_out(now_ns), now_ns)
            if arrived := self.down.lose():
                self.lane.feed(self.conn, arrived)
        (self.lane.break_off if rude else self.lane.close)(self.conn)
        if not self.ending:
            self.ending = True
            self.peer.gone(now_ns)

    def go_dead(self) -> None:
        self.dead = True
        self.up.drop()
        self.down.drop()

    def stick(self, until_ns: int, takes: int) -> None:
        """The peer stops reading: the kernel still takes so many bytes, and whatever it has stays there."""
        if self.opened and not self.over:
            self.stuck_until_ns = until_ns
            self.lane.take_only(self.conn, takes)

    def unstick(self) -> None:
        if self.stuck_until_ns:
            self.stuck_until_ns = 0
            self.lane.take_only(self.conn, None)
