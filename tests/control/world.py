"""A whole gateway in memory: lane, control plane, simulated venues and strategies in one thread, on a clock that only `run` moves.

What production does with sockets, trio and threads is done here by hand and in one order, so that every run of a seed is the same run.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

import simplefix

from gateway.client.core import ApiSession, Key
from gateway.client.report import Report
from gateway.config import Config, load, secret_references
from gateway.control.core import Core
from gateway.control.furnish import furnish
from gateway.control.inputs import (
    Accepted,
    Answer,
    Begun,
    Connect,
    Connected,
    Counted,
    Drop,
    Ended,
    Input,
    NotConnected,
    Say,
    Wish,
)
from gateway.control.logins import verifier
from gateway.instruments import Instruments
from gateway.lane.commands import Batch
from gateway.lane.driver import InlineDriver
from gateway.lane.plan import Plan, plan
from gateway.lane.tables import Tables
from gateway.seams import SeededRng
from gateway.sessions.actions import SECOND
from gateway.sessions.fix_wire import utc_timestamp
from risk import latch
from simulators.venue import Connection, Venue

NOW = 1_763_640_000 * SECOND  # 2025-11-20 12:00:00
INSTRUMENTS = Path(__file__).parents[2] / "examples" / "instruments.csv"
MILLI = 1_000_000
KEY = bytes(range(32))

CONFIG = f"""
name = "world"
state_dir = "state"
[tables]
orders = 1024
connections = 16
[doors.fix]
protocol = "fix44"
port = 0
sender = "GW"
reset_seq_num_on_logon = true
[doors.api]
protocol = "order_api"
port = 0
[sessions.nyfix]
venue = "generic_fix44"
port = 1
sender = "GW"
target = "VENUE"
heart_bt_int_s = 30
[strategies.STRAT]
comp_id = "STRAT"
key_file = "strat.key"
accounts = ["ACC"]
[strategies.OTHER]
comp_id = "OTHER"
accounts = ["ACC"]
cancel_on_disconnect = false
[instruments]
file = "{INSTRUMENTS}"
[limits.firm]
order_qty = 10_000
notional = 5_000_000
collar_bps = 5_000
position = 1_000_000
open_orders = 500
rate_per_s = 100_000
"""


class World:
    """`venues`: the simulated venue of each session, by the session's name; a session without one cannot be connected."""

    def __init__(self, folder: Path, venues: dict[str, Venue], text: str = CONFIG, seed: int = 1) -> None:
        file = folder / "world.toml"
        file.write_text(text)
        self.config: Config
        self.instruments: Instruments
        self.config, self.instruments = load(file)
        self.plan: Plan = plan(self.config, self.instruments)
        self.venues = venues
        self.now_ns = NOW
        self.secrets = dict.fromkeys(secret_references(self.config), "secret")
        self.latch_path = folder / "latch"
        latch.create(self.latch_path, 7, NOW, False, "test", "start")
        self.latch = bytearray(self.latch_path.read_bytes())
        self.tables = Tables(self.config, self.plan, self.instruments, self.secrets)
        self.lane = InlineDriver(self.tables, self.latch, NOW)
        self.lane.start(self.config.model_dump_json().encode())
        self.core: Core = furnish(self.config, self.plan, SeededRng(seed), verifier({"STRAT": KEY}))
        self.heard: list[tuple[Input | None, int]] = []  # None: a tick
        self.pushed: list[Batch] = []
        self.said: list[Say] = []
        self.answers: list[Answer] = []
        self.ended = False
        self.lines: dict[int, Connection] = {}
        self.clients: dict[int, Client] = {}
        self.give(Begun(1, 1, tuple(self.lane.view(conn) for conn in range(1, self.plan.conn_count))))

    # ------------------------------------------------------------------------------------------------------ the carrying

    def give(self, event: Input) -> None:
        """One input to the core, and what it answers to the lane and the world."""
        self.heard.append((event, self.now_ns))
        self._push(self.core.on_event(event, self.now_ns))

    def _push(self, batches: list[Batch]) -> None:
        for batch in batches:
            self.pushed.append(batch)
            self.lane.push(batch)
        for wish in self.core.take_wishes():
            self._grant(wish)

    def _grant(self, wish: Wish) -> None:
        match wish:
            case Connect(conn=conn):
                link = next(link for link in self.plan.links if link.conn == conn)
                if link.name in self.venues:
                    self.lines[conn] = self.venues[link.name].connect(self.now_ns)
                    self.give(Connected(conn, conn))
                else:
                    self.give(NotConnected(conn, "connection refused"))
            case Say():
                self.said.append(wish)
            case Answer():
                self.answers.append(wish)
            case Ended():
                self.ended = True
            case Drop(fd=fd):
                self.clients[fd].closed = True

    def settle(self) -> None:
        """Everything that can happen at this moment."""
        for _ in range(10_000):
            busy = self.lane.step(self.now_ns)
            for event in self.lane.events():
                busy = 1
                self.give(event)
            if self.core.deadline_ns <= self.now_ns:
                busy = 1
                self.heard.append((None, self.now_ns))
                self._push(self.core.tick(self.now_ns))
            if self.core.counting:
                self.give(Counted(self.lane.counts().cancelling, {conn: self.lane.view(conn).in_doubt for conn in self.core.links}))
            for conn, line in list(self.lines.items()):
                busy |= self._carry(conn, line)
            for venue in self.venues.values():
                venue.tick(self.now_ns)
            for client in self.clients.values():
                busy |= client.carry()
            if not busy:
                return
        raise AssertionError("the world does not come to rest at one moment")

    def _carry(self, conn: int, line: Connection) -> int:
        """Bytes between the lane and a venue."""
        sent = self.lane.out(conn)
        if sent:
            line.receive(sent, self.now_ns)
        if line.deadline_ns <= self.now_ns:
            line.tick(self.now_ns)
        data = line.take_out(self.now_ns)
        if not self.lane.is_open(conn):
            return 0
        if data:
            self.lane.feed(conn, data)
        if line.closing:
            self.lane.close(conn)
            line.disconnect(self.now_ns)
            del self.lines[conn]
        return bool(sent or data)

    def run(self, ns: int, until: Callable[[], bool] = lambda: False) -> None:
        """Let so much time pass, or less if `until` comes true; nothing that is due is missed."""
        end = self.now_ns + ns
        self.settle()
        while self.now_ns < end and not until():
            due = [self.core.deadline_ns, self.now_ns + max(self.lane.idle_ns(100 * MILLI), MILLI), end]
            due += [line.deadline_ns for line in self.lines.values()] + [venue.deadline_ns for venue in self.venues.values()]
            self.now_ns = max(self.now_ns + 1, min(due))
            self.settle()

    def until(self, true: Callable[[], bool], ns: int = 10 * SECOND) -> None:
        """Run until it is true; fail if it is not in time."""
        self.run(ns, true)
        assert true(), f"not within {ns / SECOND} s; the log says:\n" + "\n".join(map(str, self.said[-20:]))

    def open(self) -> None:
        """Run until every session with a venue is open."""
        self.until(lambda: self.core.open)

    def refresh_latch(self) -> None:
        """What a killswitch wrote to the file is seen in memory, as in a mapping."""
        self.latch[:] = self.latch_path.read_bytes()

    # --------------------------------------------------------------------------------------------------------- strategies

    def client(self, comp_id: str = "STRAT", door: str = "fix") -> "FixClient":
        """A strategy connects at the FIX door."""
        client = FixClient(self, comp_id)
        self.come(client, door)
        return client

    def api_client(self, key: bytes = KEY, strategy: str = "STRAT", next_seq: int = 0, first_id: int = 1) -> "ApiClient":
        """A strategy connects at the order API's door."""
        client = ApiClient(self, ApiSession(Key(strategy, key), next_seq=next_seq, first_id=first_id))
        client.connect()
        return client

    def come(self, client: "Client", door: str) -> None:
        number = 1000 + len(self.clients)
        self.clients[number] = client
        self.give(Accepted(door, number, f"test:{number}"))
        client.conn = next((place.conn for place in self.core.places.values() if place.peer == f"test:{number}"), 0)
        self.settle()


class Client(ABC):
    """One end of a socket that came in at a door."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.conn = 0
        self.closed = False

    def carry(self) -> int:
        """Take what the gateway has sent; its socket may have been bound to a session meanwhile."""
        lane = self.world.lane
        if self.closed:
            return 0
        if self.conn in self.world.core.places and not lane.is_open(self.conn) and lane.moved_to(self.conn):
            self.conn = lane.moved_to(self.conn)
        data = lane.out(self.conn)
        self.closed = not lane.is_open(self.conn)  # its place may be another's next
        return int(bool(data) and self.take_bytes(data))

    @abstractmethod
    def take_bytes(self, data: bytes) -> bool:
        """What the gateway sent; True if anything follows from it."""

    def close(self) -> None:
        self.world.lane.close(self.conn)
        self.world.settle()


class RawClient(Client):
    """A socket that says what a test gives it, and keeps what it hears."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.heard = b""

    def connect(self, door: str) -> None:
        self.world.come(self, door)

    def take_bytes(self, data: bytes) -> bool:
        self.heard += data
        return True


class ApiClient(Client):
    """A strategy on the order API, with the client library's own core."""

    def __init__(self, world: World, session: ApiSession) -> None:
        super().__init__(world)
        self.session = session
        self.events: list[object] = []

    def connect(self) -> None:
        self.closed = False
        self.session.connected(self.world.now_ns)
        self.world.come(self, "api")

    def take_bytes(self, data: bytes) -> bool:
        self.events += self.session.receive(data, self.world.now_ns)
        self._flush()
        return True

    def _flush(self) -> None:
        if (output := self.session.take_output()) and not self.closed:
            self.world.lane.feed(self.conn, output)

    def request(self, kind: str, **values: object) -> int:
        """One request, and everything that follows at once; its id."""
        number = self.session.request(kind, values, self.world.now_ns)  # type: ignore[arg-type]  # tests give what a record takes
        self._flush()
        self.world.settle()
        return number

    def reports(self) -> list[Report]:
        """The reports since the last call."""
        found = [event for event in self.events if isinstance(event, Report)]
        self.events = [event for event in self.events if not isinstance(event, Report)]
        return found


class FixClient(Client):
    """A strategy that speaks FIX with simplefix and knows no session rules: every number is the test's."""

    def __init__(self, world: World, comp_id: str) -> None:
        super().__init__(world)
        self.comp_id = comp_id
        self.seq = 0
        self.late_ns = 0
        """How far its clock is behind the gateway's."""
        self.heard: list[dict[int, str]] = []
        self._parser = simplefix.FixParser()

    def take_bytes(self, data: bytes) -> bool:
        self._parser.append_buffer(data)
        while message := self._parser.get_message():
            self.heard.append({int(tag): value.decode() for tag, value in message.pairs})
        return True

    def say(self, text: str, seq: int | None = None) -> None:
        """Send "35=D|11=1|…" with the next number, and let everything happen that follows at once."""
        self.world.lane.feed(self.conn, self._message(text, seq))
        self.world.settle()

    def say_at_once(self, texts: list[str], ends: bool = False) -> None:
        """Send all of them before the gateway looks; `ends`: and close behind them."""
        self.world.lane.feed(self.conn, b"".join(self._message(text, None) for text in texts))
        if ends:
            self.world.lane.close(self.conn)
        self.world.settle()

    def _message(self, text: str, seq: int | None) -> bytes:
        self.seq = self.seq + 1 if seq is None else seq
        pairs = [each.split("=", 1) for each in text.strip("|").split("|")]
        message = simplefix.FixMessage()
        message.append_pair(8, "FIX.4.4")
        message.append_pair(35, pairs[0][1])
        for tag, value in ((49, self.comp_id), (56, "GW"), (34, self.seq), (52, utc_timestamp(self.world.now_ns - self.late_ns))):
            message.append_pair(tag, value)
        for tag, value in pairs[1:]:
            message.append_pair(int(tag), value)
        return bytes(message.encode())

    def take(self) -> list[dict[int, str]]:
        """What has been heard since the last call."""
        heard, self.heard = self.heard, []
        return heard

    def log_on(self, reset: bool = True) -> None:
        self.say("35=A|98=0|108=30|" + ("141=Y|" if reset else ""))
        answer = self.take()
        assert answer and answer[0][35] == "A", f"no Logon in answer: {answer}; {self.world.said[-3:]}"
