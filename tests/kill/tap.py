"""A wire between a gateway and a venue that remembers every message in the order in which it passed, and that a test can pinch."""

import select
import socket
import threading
import time
from dataclasses import dataclass
from typing import Any

SMALL_BYTES = 4096  # of the receive buffer: a pinched wire is soon full
POLL_S = 0.02


@dataclass(frozen=True)
class Seen:
    """One message from the gateway: FIX MsgType or OUCH message type, and when it came out of the wire."""

    at_ns: int
    type: str


class Tap:
    """Listens on `port` and passes everything on to the venue that `to` names, once it is known."""

    def __init__(self, protocol: str) -> None:
        self._cut = {"fix44": _fix_messages, "ouch50": _ouch_messages}[protocol]
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BYTES)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(8)
        self.port: int = self._listener.getsockname()[1]
        self.venue_port = 0
        self.seen: list[Seen] = []
        self.connections = 0
        self._pinched = False
        self._turn = threading.Condition()  # held by who takes from the gateway, so that a pinch comes before or after it
        self._ended = False
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def pinch(self) -> None:
        """From now on nothing more is taken from the gateway; what the kernels hold between the two still fills up."""
        with self._turn:
            self._pinched = True

    def release(self) -> None:
        with self._turn:
            self._pinched = False
            self._turn.notify_all()

    def cut(self) -> int:
        """The wire breaks, and no new one leads to the venue until `venue_port` is given back; returns what it was."""
        port, self.venue_port = self.venue_port, 0
        for each in self._sockets:
            _end(each)
        return port

    def types(self) -> list[str]:
        """What has passed so far, session messages left out."""
        return [seen.type for seen in list(self.seen) if seen.type in "DGFqOUXCM"]

    def close(self) -> None:
        self._ended = True
        self.release()
        for each in [self._listener, *self._sockets]:
            _end(each)
        for thread in self._threads:
            thread.join(5)
        for each in [self._listener, *self._sockets]:
            each.close()

    def _accept(self) -> None:
        while not self._ended:
            try:
                gateway, _ = self._listener.accept()
            except OSError:
                return
            while not self.venue_port and not self._ended:
                time.sleep(POLL_S)
            try:
                venue = socket.create_connection(("127.0.0.1", self.venue_port), timeout=5)
            except OSError:
                gateway.close()
                continue
            venue.settimeout(None)
            for each in (gateway, venue):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sockets += [gateway, venue]
            self.connections += 1
            for come, go, watched in ((gateway, venue, True), (venue, gateway, False)):
                self._threads.append(threading.Thread(target=self._carry, args=(come, go, watched), daemon=True))
                self._threads[-1].start()

    def _take(self, gateway: socket.socket) -> bytes:
        select.select([gateway], [], [])  # so that nobody waits for bytes while it is its turn
        with self._turn:
            self._turn.wait_for(lambda: not self._pinched)
            return gateway.recv(SMALL_BYTES * 16)

    def _carry(self, come: socket.socket, go: socket.socket, watched: bool) -> None:
        rest = b""
        try:
            while True:
                data = self._take(come) if watched else come.recv(SMALL_BYTES * 16)
                if not data:
                    break
                if watched:
                    types, rest = self._cut(rest + data)
                    now_ns = time.monotonic_ns()
                    self.seen += [Seen(now_ns, type) for type in types]
                go.sendall(data)
        except OSError:
            pass
        for each in (come, go):
            _end(each)


def _end(sock: socket.socket) -> None:
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # it has ended already


def _fix_messages(data: bytes) -> tuple[list[str], bytes]:
    """MsgTypes of the whole messages in `data`, and what is left."""
    types = []
    while (end := data.find(b"\x0110=")) >= 0 and (stop := data.find(b"\x01", end + 1)) >= 0:
        at = data.index(b"\x0135=") + 4
        types.append(data[at : data.index(b"\x01", at)].decode())
        data = data[stop + 1 :]
    return types, data


def _ouch_messages(data: bytes) -> tuple[list[str], bytes]:
    """Types of the OUCH messages in whole SoupBinTCP packets; other packets are `soup-` and theirs."""
    types = []
    while len(data) >= 3 and len(data) >= (length := int.from_bytes(data[:2], "big")) + 2:
        kind = chr(data[2])
        types.append(chr(data[3]) if kind == "U" else f"soup-{kind}")
        data = data[length + 2 :]
    return types, data


def positions(types: list[str], wanted: str) -> list[int]:
    """Where the types of `wanted` stand."""
    return [i for i, type in enumerate(types) if type in wanted]


def journal_record(kind: str, head: Any, payload: bytes) -> Any:
    """A record as the lane's C struct of this name; keep what it points to by `.bytes`."""
    from gateway.journal.record import HEAD
    from gateway.lane.native import ffi

    memory = ffi.new("uint64_t[]", (HEAD.size + len(payload) + 7) // 8)
    ffi.memmove(memory, HEAD.pack(*head) + payload, HEAD.size + len(payload))
    return memory, ffi.cast(f"const {kind} *", memory)
