"""What the tests with other people's programs share: a gateway as a process, and a QuickFIX engine on either side of it."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from gateway import admin
from gateway.journal.journal import ring_path
from gateway.sessions.fix_wire import utc_timestamp
from gateway.tools.ask import NotRunning, ask
from simulators.demo.processes import Child
from tests.control.process import GATEWAY, INSTRUMENTS

BOUND_S = 30.0
CONFIG = """
name = "outside"
state_dir = "state"
[tables]
orders = 256
connections = 8
[journal]
ring_mib = 1
segment_mib = 1
[doors.fix]
protocol = "fix44"
port = 0
sender = "GW"
reset_seq_num_on_logon = true
[sessions.nyfix]
venue = "generic_fix44"
port = {venue_port}
sender = "GW"
target = "VENUE"
heart_bt_int_s = {heart_bt_int_s}
retry_s = 0.1
reset_seq_num_on_logon = {reset}
[strategies.STRAT]
comp_id = "STRAT"
accounts = ["ACC"]
cancel_on_disconnect = false
[instruments]
file = "{instruments}"
[limits.firm]
order_qty = 10_000
notional = 5_000_000
collar_bps = 5_000
position = 1_000_000
open_orders = 250
rate_per_s = 10_000
"""

Fields = dict[int, str]


def free_port() -> int:
    """A port of loopback that nobody listens on now, outside the range from which the system gives ports to connections."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def eventually(what: Callable[[], bool], why: str) -> None:
    """Wait until `what` holds."""
    deadline = time.monotonic() + BOUND_S
    while not what():
        assert time.monotonic() < deadline, f"not within {BOUND_S:g} s: {why}"
        time.sleep(0.02)


class Gateway:
    """A gateway with a FIX door and one FIX session, as a process; it can be ended and begun again on the same state."""

    def __init__(self, folder: Path, venue_port: int, *, heart_bt_int_s: int = 30, reset: bool = False, config: str = CONFIG, **more: Any) -> None:
        self.folder = folder
        self.file = folder / "gateway.toml"
        text = config.format(venue_port=venue_port, heart_bt_int_s=heart_bt_int_s, reset=str(reset).lower(), instruments=INSTRUMENTS, **more)
        self._door = free_port()
        self.file.write_text(text)
        self.lives = 0
        self._child: Child | None = None

    def start(self, ready: str = "doors") -> None:
        self.lives += 1
        argv = [GATEWAY, "run", str(self.file), "--ready", ready, "--set", f"doors.fix.port={self._door}"]
        self._child = Child("gateway", argv, self.folder / f"gateway{self.lives}.log")
        self._child.wait_for(lambda line: line == "ready", BOUND_S)

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        assert self._child is not None, "started"
        return self._child.stop()

    def kill(self) -> None:
        """SIGKILL."""
        assert self._child is not None, "started"
        os.kill(self._child.pid, signal.SIGKILL)
        self._child.stop()

    def clean(self) -> None:
        """End it if it runs; nothing is left in shared memory."""
        if self._child is not None:
            self._child.stop()
        ring_path(self.folder / "state").unlink(missing_ok=True)

    @property
    def door_port(self) -> int:
        return self._door

    def asked(self, request: Any) -> Any:
        return ask(self.folder / "state", request)

    def is_open(self) -> bool:
        """True when every session with a venue trades."""
        try:
            sessions = self.asked(admin.SessionsWanted())
        except NotRunning:
            return False
        return all(each.tx == "open" for each in sessions.sessions if each.role == "venue")

    def position(self, symbol: str) -> int:
        positions = self.asked(admin.PositionsWanted())
        return sum(int(each.qty) for each in positions.positions if each.symbol == symbol)

    def log(self) -> str:
        return "".join(path.read_text() for path in sorted(self.folder.glob("gateway*.log")))


class Peer:
    """One QuickFIX process, in the role of a strategy or of a venue, with a folder in which its numbers survive it."""

    def __init__(
        self, program: Path, role: str, port: int, folder: Path, dictionary: Path, *, heart_bt_int_s: int = 30, reset: bool = False
    ) -> None:
        self.sender, self.target = {"strategy": ("STRAT", "GW"), "venue": ("VENUE", "GW")}[role]
        self.folder = folder
        self.said: list[tuple[str, Fields]] = []
        self._argv = [str(program), role, str(port), str(folder), str(dictionary), self.sender, self.target, str(heart_bt_int_s), "Y" if reset else "N"]
        self._at = 0
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Begin, or begin again on the numbers of its folder; returns when its port is open or it connects."""
        self.folder.mkdir(exist_ok=True)
        self._process = subprocess.Popen(self._argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True)
        self._reader.start()
        self.until("ready")

    def stop(self) -> None:
        """The end of its stdin, which makes it log out; then wait for it."""
        process = self._process
        if process is None:
            return
        assert process.stdin is not None and process.stdout is not None, "both are pipes"
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        try:
            process.wait(BOUND_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._reader.join()
        process.stdout.close()
        self._process = None

    def kill(self) -> None:
        """SIGKILL: no logout."""
        assert self._process is not None, "started"
        self._process.kill()
        self.stop()

    def signal(self, number: int) -> None:
        assert self._process is not None, "started"
        self._process.send_signal(number)

    def do(self, line: str) -> None:
        """Have it obey one line."""
        assert self._process is not None and self._process.stdin is not None, "started"
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def send(self, fields: str) -> None:
        """Send a message; every request of the tests needs TransactTime(60), which is put in."""
        self.do(f"send {fields}" + (f"60={utc_timestamp(time.time_ns())}|" if fields[3] in "DFG" else ""))

    def until(self, word: str, fields: Fields | None = None) -> Fields:
        """The next thing it says with this word ("in", "logon" …) in which every one of `fields` is as given; what is before is passed over."""
        deadline = time.monotonic() + BOUND_S
        while True:
            while self._at < len(self.said):
                said, found = self.said[self._at]
                self._at += 1
                if said == word and all(found.get(tag) == value for tag, value in (fields or {}).items()):
                    return found
            assert time.monotonic() < deadline, f"{self.sender} did not say {word} {fields} within {BOUND_S:g} s; last: {self.said[-8:]}"
            time.sleep(0.005)

    def hear(self, fields: Fields) -> Fields:
        """The next message from the gateway that is so."""
        return self.until("in", fields)

    def numbers(self) -> tuple[int, int]:
        """(next number out, next number in)."""
        self.do("numbers")
        found = self.until("numbers")
        return int(found[0]), int(found[1])

    def heard(self, word: str = "in") -> list[Fields]:
        """Everything it said with this word since it was made, over all its lives."""
        return [fields for said, fields in self.said if said == word]

    def complaints(self) -> list[str]:
        """Rejects it sent, and lines of QuickFIX's own log that say that a message of ours was wrong."""
        messages = [line for path in self._logs("messages") for line in path.read_text(errors="replace").splitlines()]
        events = [line for path in self._logs("event") for line in path.read_text(errors="replace").splitlines()]
        assert messages and events, f"no log of QuickFIX in {self.folder}"
        rejects = [line for line in messages if f"\x0149={self.sender}\x01" in line and re.search("\x0135=[3j]\x01", line)]
        return rejects + [line for line in events if re.search("reject|invalid|incorrect|missing|not defined|garbled", line, re.IGNORECASE)]

    def set_numbers(self, *, out: int | None = None, into: int | None = None) -> None:
        """Change what its store says, while it does not run."""
        assert self._process is None, "its store is its own while it runs"
        (path,) = (self.folder / "store").glob("*.seqnums")
        numbers = [int(part) for part in path.read_text().split(":")]
        numbers = [out or numbers[0], into or numbers[1]]
        path.write_text("{:010d} : {:010d}".format(*numbers))

    def stored_numbers(self) -> tuple[int, int]:
        (path,) = (self.folder / "store").glob("*.seqnums")
        out, into = (int(part) for part in path.read_text().split(":"))
        return out, into

    def _logs(self, kind: str) -> list[Path]:
        return sorted((self.folder / "log").glob(f"*.{kind}*.log"))

    def _read(self, lines: TextIO) -> None:
        """In a thread, so that no pipe is ever full and keeps QuickFIX waiting."""
        for line in lines:
            word, _, rest = line.rstrip("\n").partition(" ")
            if word == "numbers":
                self.said.append((word, dict(enumerate(rest.split()))))
            else:
                pairs = (part.partition("=") for part in rest.split("|") if part)
                self.said.append((word, {int(tag): value for tag, _, value in pairs if tag.isdigit()}))
