"""A world whose gateway dies and is started again on what it left; venues and strategies live on, and one who knows all checks them."""

import json
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from gateway.config import load, secret_references
from gateway.control.core import Core
from gateway.control.furnish import furnish
from gateway.control.inputs import Begun, Connect, Connected, NotConnected, Wish
from gateway.control.logins import verifier
from gateway.journal.record import Kind
from gateway.journal.restart import RingMemory, restart
from gateway.journal.simdisk import SimDisk, SimJournal
from gateway.lane.plan import plan
from gateway.lane.records import session_values
from gateway.lane.replay import restart_survived
from gateway.lane.tables import Tables
from gateway.seams import SeededRng
from gateway.sessions.actions import SECOND
from risk import latch
from simulators.venue import Connection, Venue
from tests.control.world import CONFIG, KEY, NOW, World
from tests.crash.lane import Border, Death, Died, JournaledLane, journal_config
from tests.crash.oracle import Witness
from tests.crash.strategy import SOCKET, Act, Strategy

OUCH = """
[sessions.ouch]
venue = "nasdaq"
port = 2
username = "DEMO01"
password = "env:OUCH_PASSWORD"
mpid = "DEMO"
"""
# Each life lays a lane out anew: with the usual sizes that costs more than all that is done in it.
LANE_SIZES = {"commands": 64, "events": 64, "stream": 1024}
DOWN_NS = 1 * SECOND  # how long the gateway stays dead: more than an engine's delay in some scenarios, less in others


class CrashWorld(World):
    """As World, but with a journal on a simulated disk, and a strategy at the order API that goes through `acts`."""

    def __init__(self, folder: Path, venues: dict[str, Venue], acts: list[Act], border: Border, level: str = "async", down_ns: int = DOWN_NS) -> None:
        file = folder / "crash.toml"
        text = CONFIG.replace("[tables]", f'[journal]\nlevel = "{level}"\n[tables]').replace("orders = 1024", "orders = 16").replace("connections = 16", "connections = 9")
        file.write_text(text + (OUCH if "ouch" in venues else ""))
        self.config, self.instruments = load(file)
        self.plan = plan(self.config, self.instruments)
        self.level = level
        self.down_ns = down_ns
        self.now_ns = NOW
        self.latch_path = folder / "latch"
        if not self.latch_path.exists():
            latch.create(self.latch_path, 7, NOW, False, "test", "start")
        self.latch = bytearray(self.latch_path.read_bytes())
        self.tables = Tables(self.config, self.plan, self.instruments, dict.fromkeys(secret_references(self.config), "secret"))
        for name, size in LANE_SIZES.items():
            setattr(self.tables.sizes, name, size)
        self.border = border
        self.witness = Witness(self)
        self.moves = 0
        self.venues = venues
        self.heard, self.pushed, self.said, self.answers = [], [], [], []
        self.ended = False
        self.lines: dict[int, Connection] = {}
        self.deaths: list[str] = []
        self.lost_tail = False
        self.boot = 1
        self.strategy = Strategy(self, "STRAT", KEY, acts)
        self.clients = {SOCKET: self.strategy}  # type: ignore[dict-item]
        self.at: list[tuple[int, Callable[[CrashWorld], None]]] = []
        self._pending: Death | None = Death("the beginning", SimDisk(journal_config(level).segment_bytes), None, {})

    # ---------------------------------------------------------------------------------------------------- life and death

    def _start(self, disk: SimDisk, ring: bytes | None) -> None:
        """What every start does: check, drain, apply, conclude, make durable; then the control plane."""
        boot = bytes([self.boot] * 16)
        found = restart(disk, RingMemory.of(ring) if ring is not None else None, boot)
        lives = len(self.deaths) + 1
        journal = SimJournal(disk, found, journal_config(self.level), boot=boot, salt=lives, epoch=lives, journal_id=bytes([9] * 16))
        self.lane = lane = JournaledLane(self.tables, self.latch, self.now_ns, journal, found, self.border)
        remembered: dict[int, dict[str, str]] = defaultdict(dict)
        losses = int(not found.ring_survived and self.level == "async")
        for raw in found.raw():
            record = bytes(raw)
            if record[8] == Kind.RESTART:
                losses += not restart_survived(record) and self.level == "async"
            elif record[8] == Kind.COMMAND:
                for conn, values in session_values(record):
                    remembered[conn].update(values)
            lane.apply(record)
        self.witness.applied(found)
        if found.next_lsn == 1:
            lane.start(json.dumps({"config": self.config.name}).encode())
        else:
            lane.restarted(found.ring_survived)
        lane.die_if_dying(self.now_ns)
        lane.at_border()
        lane.die_if_dying(self.now_ns)
        lane.make_durable(self.now_ns)
        lane.at_border()
        lane.die_if_dying(self.now_ns)
        self.core: Core = furnish(self.config, self.plan, SeededRng(lives), verifier({"STRAT": KEY}), remembered)
        self.give(Begun(lives, losses + 1, tuple(lane.view(conn) for conn in range(1, self.plan.conn_count))))

    def _end(self, death: Death) -> None:
        """The process is gone: what it had sent arrives as far as it does, and every connection ends."""
        self.deaths.append(death.how)
        for conn, line in list(self.lines.items()):
            if data := death.sent.get(conn, b""):
                line.receive(data, self.now_ns)
            line.disconnect(self.now_ns)
        self.lines = {}
        if data := death.sent.get(self.strategy.conn, b""):
            self.strategy.hear(data)
        self.strategy.lose()
        if death.ring is None:
            self.boot += 1
            self.lost_tail = True

    def live(self, ns: int, until: Callable[[], bool] = lambda: False) -> None:
        """Let time pass, over any number of deaths."""
        end = self.now_ns + ns
        while self.now_ns < end and not (self._pending is None and until()):
            try:
                if self._pending is not None:
                    death, self._pending = self._pending, None
                    self._start(death.disk, death.ring)
                self.run(end - self.now_ns, until)
            except Died as died:
                self._pending = died.death
                self._end(died.death)
                self._pass(self.down_ns)
                end += self.down_ns

    def _pass(self, ns: int) -> None:
        """The gateway is down; the venues' engines are not."""
        end = self.now_ns + ns
        while (due := min((venue.deadline_ns for venue in self.venues.values()), default=end)) <= end:
            self.now_ns = max(due, self.now_ns)
            for venue in self.venues.values():
                venue.tick(self.now_ns)
        self.now_ns = end

    @property
    def others(self) -> tuple[object, ...]:
        """Changes when anything has happened to a venue, to the strategy or from outside."""
        return self.moves, tuple(len(venue._engine) for venue in self.venues.values()), len(self.at), len(self.deaths)

    def settle(self) -> None:
        while self.at and self.at[0][0] <= self.now_ns:
            self.at.pop(0)[1](self)
        super().settle()
        self.witness.look()

    def _grant(self, wish: Wish) -> None:
        if not isinstance(wish, Connect):
            super()._grant(wish)
            return
        link = next(link for link in self.plan.links if link.conn == wish.conn)
        if link.name in self.venues:
            self.lines[wish.conn] = self.witness.tapped(link.name, self.venues[link.name].connect(self.now_ns))
            self.give(Connected(wish.conn, wish.conn))
        else:
            self.give(NotConnected(wish.conn, "connection refused"))
