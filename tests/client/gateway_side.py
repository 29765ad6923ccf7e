"""The gateway's side of the order API for tests: frames packed by hand from the wire table, and a server that plays a script."""

import contextlib
import hmac
import socket
import struct
import threading
from collections.abc import Callable, Iterator

from gateway.client._records import ENUMS, ORDER, REPORT, Value

SECRET = bytes(range(32))
KEY_LINE = "DEMO:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
NONCE = b"n" * 32


def frame(kind: bytes, body: bytes = b"", seq: int = 0) -> bytes:
    return struct.pack("<IcBHQ", 16 + len(body), kind, 1, 0, seq) + body


def hello(nonce: bytes = NONCE, name: bytes = b"local") -> bytes:
    return frame(b"h", nonce + name.ljust(16, b"\0"))


def accepted(next_seq: int = 1, last_id: int = 0, epoch: int = 1) -> bytes:
    return frame(b"A", struct.pack("<QQII", next_seq, last_id, epoch, 0))


def rejected(text: bytes) -> bytes:
    return frame(b"J", text.ljust(64, b"\0"))


def error(ref_seq: int, text: bytes) -> bytes:
    return frame(b"E", struct.pack("<Q", ref_seq) + text.ljust(64, b"\0"))


def end(text: bytes) -> bytes:
    return frame(b"Z", text.ljust(64, b"\0"))


def report(seq: int, **values: Value) -> bytes:
    """A report; enumerations may be given as words."""
    raw = {name: ENUMS[name].get(str(value), value) if name in ENUMS else value for name, value in values.items()}
    return frame(b"S", REPORT.pack(raw), seq)


def filled(seq: int, id: int, **more: Value) -> bytes:
    """An order of 100 AAPL, done at 187.25 on nasdaq."""
    values: dict[str, Value] = {
        "kind": "execution_report", "cl_ord_num": id, "symbol": "AAPL", "side": "buy", "venue": "nasdaq", "account": "DEMO", "px_exp": -4, "qty_exp": 0,
        "order_qty": 100, "price": 1872500, "exec_type": "trade", "ord_status": "filled", "last_qty": 100, "last_px": 1872500, "cum_qty": 100,
        "leaves_qty": 0,
    }  # fmt: skip
    return report(seq, **{**values, **more})


def new(seq: int, id: int, **more: Value) -> bytes:
    """The acknowledgement of an order of 100 AAPL at 187.25."""
    values: dict[str, Value] = {
        "kind": "execution_report", "cl_ord_num": id, "symbol": "AAPL", "side": "buy", "venue": "nasdaq", "px_exp": -4, "qty_exp": 0, "order_qty": 100,
        "price": 1872500, "exec_type": "new", "ord_status": "new", "cum_qty": 0, "leaves_qty": 100,
    }  # fmt: skip
    return report(seq, **{**values, **more})


class Peer:
    """One accepted connection, read and written by the script of a test."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.buffer = b""

    def send(self, *frames: bytes) -> None:
        self.sock.sendall(b"".join(frames))

    def read(self, kinds: bytes = b"LNCRQMO") -> tuple[bytes, int, bytes]:
        """The next frame of one of `kinds`, as (type, number, body). Raises: EOFError at the end of the connection."""
        while True:
            while len(self.buffer) < 16 or len(self.buffer) < struct.unpack_from("<I", self.buffer)[0]:
                data = self.sock.recv(65536)
                if not data:
                    raise EOFError
                self.buffer += data
            length, kind, version, zero, seq = struct.unpack_from("<IcBHQ", self.buffer)
            assert (version, zero) == (1, 0)
            body, self.buffer = self.buffer[16:length], self.buffer[length:]
            if kind in kinds:
                return kind, seq, body

    def login(self, next_seq: int = 1, last_id: int = 0, epoch: int = 1, *more: bytes) -> tuple[int, int]:
        """Greet, check the login as the gateway does, accept it; returns what the client said: (last_id, next_seq)."""
        self.send(hello())
        kind, _, body = self.read()
        strategy, said_last_id, said_next_seq, mac = struct.unpack("<16sQQ32s", body)
        assert kind == b"L"
        if strategy.rstrip(b"\0") != b"DEMO" or not hmac.compare_digest(mac, hmac.digest(SECRET, NONCE, "sha256")):
            self.send(rejected(b"unknown strategy or wrong key"))
            raise EOFError
        self.send(accepted(next_seq, last_id, epoch), *more)
        return said_last_id, said_next_seq

    def order(self, kinds: bytes = b"NCRQM") -> tuple[bytes, int, dict[str, Value]]:
        """The next request as (type, id, fields)."""
        kind, seq, body = self.read(kinds)
        fields = ORDER.unpack(body)
        assert fields["cl_ord_num"] == seq
        return kind, seq, fields


@contextlib.contextmanager
def serving(*scripts: Callable[[Peer], None]) -> Iterator[str]:
    """A server whose n-th connection is played by the n-th script; gives its address. A script that fails fails the test."""
    failures: list[BaseException] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)

        def run() -> None:
            for script in scripts:
                try:
                    sock, _ = listener.accept()
                except OSError:
                    return
                with sock:
                    sock.settimeout(10)
                    try:
                        script(Peer(sock))
                    except (EOFError, ConnectionError):
                        pass
                    except BaseException as error:
                        failures.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.close()
            thread.join(15)
        if failures:
            raise failures[0]
