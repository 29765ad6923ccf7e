"""A whole house of real processes for one test: simulated venues, a wire to each, a gateway, keys and a configuration; nothing outlives it."""

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from gateway.admin import OrdersResult, OrdersWanted, OrderView, Status, StatusResult
from gateway.client import Client
from gateway.client.report import Report
from gateway.config import load
from gateway.journal.journal import ring_path
from gateway.journal.reader import JournalReader
from gateway.journal.record import Kind
from gateway.lane.plan import plan
from gateway.native import ROOT
from gateway.tools.ask import ask
from simulators.demo.processes import Child
from tests.kill.tap import Tap, journal_record

BIN = Path(sys.executable).parent
BOUND_S = 8.0
LISTENS = re.compile(r"(\w+) on [\d.]+:(\d+), ")
CONFIG = """
name = "kill"
state_dir = "state"
log = "stderr"
on_shutdown = "cancel"
queue_ttl_ms = 60_000
[tables]
orders = 8_192
connections = 16
[journal]
ring_mib = 8
segment_mib = 1
[doors.api]
protocol = "order_api"
port = 0
[doors.fix]
protocol = "fix44"
port = 0
sender = "GW"
[sessions.nyfix]
venue = "generic_fix44"
port = {fix}
sender = "GW"
target = "VENUE"
retry_s = 0.05
[sessions.nasdaq]
venue = "nasdaq"
port = {ouch}
username = "DEMO01"
password = "file:soup.key"
mpid = "DEMO"
retry_s = 0.05
[strategies.ALPHA]
key_file = "ALPHA.key"
comp_id = "ALPHA"
accounts = ["A1", "A2"]
cancel_on_disconnect = true
[strategies.BETA]
key_file = "BETA.key"
accounts = ["B1"]
cancel_on_disconnect = false
[instruments]
file = "{instruments}"
[limits.firm]
order_qty = 10_000
notional = 1_000_000_000
collar_bps = 5_000
position = 1_000_000_000
open_orders = 8_000
rate_per_s = 1_000_000
"""


class Sent:
    """What the journal says the gateway began to send to venues, in order."""

    def __init__(self, state: Path, config: Path) -> None:
        venues = {link.conn for link in plan(*load(config)).links}
        self.news: list[int] = []  # lsn of each new order or replace
        self.cancels: list[int] = []
        self.latches: list[tuple[int, int, bool]] = []  # lsn, slot, dropped
        self.kinds: list[int] = []
        at_ns = []
        for head, payload in JournalReader(state).records():
            self.kinds.append(head.kind)
            if head.kind == Kind.LATCH:
                _keep, record = journal_record("gw_rec_latch", head, payload)
                self.latches.append((head.lsn, record.slot, bool(record.dropped)))
            if head.kind == Kind.OUT and head.conn in venues:
                _keep, record = journal_record("gw_rec_out", head, payload)
                if chr(record.msg_kind) in "DG":
                    self.news.append(head.lsn)
                if chr(record.msg_kind) == "F":
                    self.cancels.append(head.lsn)
                    at_ns.append(head.t_ns)
        self.cancels_took_ns = at_ns[-1] - at_ns[0] if at_ns else 0


class Stand:
    """`fill`: what the venues' books hold; `changed`: (old, new) of the configuration's text; `argv`: what stands for the command `gateway`."""

    def __init__(self, *, fill: str = "none", changed: Sequence[tuple[str, str]] = (), simulator: Sequence[str] = (), argv: Sequence[str] = ()) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="portcullis-kill-"))
        self.state = self.folder / "state"
        self.file = self.folder / "kill.toml"
        self.fix, self.ouch = Tap("fix44"), Tap("ouch50")
        text = CONFIG.format(fix=self.fix.port, ouch=self.ouch.port, instruments=ROOT / "examples" / "instruments.csv")
        for old, new in changed:
            assert old in text, old
            text = text.replace(old, new)
        self.file.write_text(text)
        for name in ("ALPHA", "BETA"):
            (self.folder / f"{name}.key").write_text(f"{name}:{base64.b64encode(os.urandom(32)).decode()}\n")
        (self.folder / "soup.key").write_text("secret\n")
        self.gateway: Child
        self.venues: Child
        self._children: list[Child] = []
        self._clients: list[Client] = []
        self._argv = argv or [str(BIN / "gateway")]
        self._simulator = [*simulator, "--fill", fill]

    # ------------------------------------------------------------------------------------------------------------ processes

    def __enter__(self) -> Self:
        try:
            self.venues = self.child("venues", [str(BIN / "simulator"), "run", "generic_fix44", "nasdaq", "--port", "0", "--port", "0", *self._simulator])
            self.start(wait=False)
            for tap in (self.fix, self.ouch):
                line = self.venues.wait_for(lambda line: LISTENS.match(line) is not None, BOUND_S)
                tap.venue_port = int(LISTENS.match(line).group(2))  # type: ignore[union-attr]
            self.wait_ready()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for client in self._clients:
            client.close()
        for child in self._children:
            if child.process.poll() is None:
                child.process.kill()
            child.stop()
        for tap in (self.fix, self.ouch):
            tap.close()
        ring_path(self.state).unlink(missing_ok=True)
        if error is not None:
            print(self.log()[-4000:])
        shutil.rmtree(self.folder)

    def start(self, *, wait: bool = True, ready: str = "open") -> None:
        """Start the gateway."""
        command = [*self._argv, "run", str(self.file), "--ready", ready]
        self.gateway = self.child(f"gateway{len(self._children)}", command)
        if wait:
            self.wait_ready()

    def wait_ready(self) -> None:
        self.gateway.wait_for(lambda line: line == "ready", BOUND_S)

    def child(self, name: str, argv: Sequence[str]) -> Child:
        self._children.append(Child(name, argv, self.folder / f"{name}.log"))
        return self._children[-1]

    def signal(self, number: int) -> None:
        os.kill(self.gateway.pid, number)
        if number == signal.SIGSTOP:
            until(lambda: process_state(self.gateway.pid) == "T", "the gateway is stopped")

    def kill(self) -> None:
        """SIGKILL, and wait for its end."""
        self.gateway.process.kill()
        self.gateway.stop()

    def end(self) -> int:
        """SIGTERM; the exit code."""
        return self.gateway.stop()

    def log(self) -> str:
        return "".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("gateway*.log")))

    def last_log(self) -> str:
        """What the present gateway has logged."""
        return (self.folder / f"{self.gateway.name}.log").read_text(errors="replace")

    # ------------------------------------------------------------------------------------------------------------ asking

    def killswitch(self, *arguments: str) -> tuple[int, str]:
        """Exit code, and all it said."""
        done = subprocess.run(
            [str(BIN / "killswitch"), *arguments, "--config", str(self.file)], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=BOUND_S, check=False
        )
        return done.returncode, done.stdout + done.stderr

    def engage(self, *arguments: str) -> tuple[int, str]:
        return self.killswitch("engage", "--yes", "--reason", "test", *arguments)

    def rearm(self, *arguments: str) -> tuple[int, str]:
        return self.killswitch("rearm", "--yes", "--reason", "test over", *arguments)

    def status(self) -> StatusResult:
        answer = ask(self.state, Status())
        assert isinstance(answer, StatusResult)
        return answer

    def open_orders(self) -> int:
        return self.status().counts["open_orders"]

    def orders(self) -> tuple[OrderView, ...]:
        """The open ones."""
        answer = ask(self.state, OrdersWanted(count=10_000))
        assert isinstance(answer, OrdersResult)
        return answer.orders

    def client(self, name: str = "ALPHA") -> Client:
        client = Client.connect(self.status().doors["api"], key_file=self.folder / f"{name}.key", timeout_s=BOUND_S)
        self._clients.append(client)
        return client

    def venue_counts(self) -> dict[str, Any]:
        """What the venues counted; they are ended."""
        assert self.venues.stop() == 0
        return {each["venue"]: each for each in map(json.loads, filter(lambda line: line.startswith("{"), self.venues.lines))}

    def replays(self) -> bool:
        """True if the journal of an ended gateway is decided again as it was."""
        done = subprocess.run([str(BIN / "gateway"), "replay", str(self.state)], capture_output=True, text=True, timeout=BOUND_S, check=False)
        return done.returncode == 0 and "all the same" in done.stdout

    def sent(self) -> Sent:
        """The journal of an ended gateway."""
        return Sent(self.state, self.file)


def process_state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def until(holds: Callable[[], object], what: str, timeout_s: float = BOUND_S) -> None:
    """Wait, looking often, until something holds."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, f"not within {timeout_s:g} s: {what}"
        time.sleep(0.005)


def at_rest(count: Callable[[], int], turn: Callable[[], object], turns: int = 3) -> int:
    """The count, once it has stayed the same while the lane did something else several times: however slow the machine, it has looked again."""
    last, same = count(), 0
    deadline = time.monotonic() + BOUND_S
    while same < turns:
        assert time.monotonic() < deadline, f"not at rest within {BOUND_S} s"
        turn()
        now = count()
        last, same = now, same + 1 if now == last else 0
    return last


def nap(for_s: float) -> None:
    """Give the core away, for a measurement of others."""
    time.sleep(for_s)


def limit_order(client: Client, venue: str, *, account: str = "A1", symbol: str = "", qty: int = 1, **options: Any) -> Any:
    """An order that rests in an empty book."""
    symbol = symbol or ("MSFT" if venue == "generic_fix44" else "AAPL")
    return client.new_order(symbol, "buy", qty, price={"MSFT": "400.00", "AAPL": "180.00", "IBM": "190.00"}[symbol], venue=venue, account=account, **options)


def settled(orders: Sequence[Any], statuses: str, timeout_s: float = BOUND_S) -> None:
    """Each order has one of these statuses, or comes to have it."""
    wanted = statuses.split()
    try:
        until(lambda: all(order.status in wanted for order in orders), f"{len(orders)} orders are {statuses}", timeout_s)
    except AssertionError as error:
        raise AssertionError(f"{error}; they are {Counter(order.status for order in orders)}") from None


def last(order: Any) -> Report:
    report = order.last_report
    assert isinstance(report, Report)
    return report


def queued(stand: Stand) -> int:
    """Orders that wait for a venue."""
    return sum(view.queued for view in stand.status().sessions)
