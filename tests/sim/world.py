"""A whole gateway and its surroundings under seeded faults: lane, control plane, two venues and two strategies in one thread.

A run has three acts. In the first everybody trades while connections are cut at any byte, go half open, are slow or not read; venues have
slow engines, leave numbers out, repeat messages and ask for ours again; the gate is dropped and rearmed; the control plane hangs. Each seed
draws its own mix of these (swarm). In the second the faults stop and everything must come to rest, equal on all sides. In the third the gate
is dropped for good: every order must end and no exposure may be left. The oracle watches all the time; the journal is replayed at the end.
"""

import os
from dataclasses import dataclass, fields
from pathlib import Path

from gateway.control.inputs import Accepted, Connect, Connected, Drop, Input, NotConnected, Say
from gateway.control.inputs import Wish as Wanted
from gateway.lane.native import lib
from gateway.seams import SeededRng
from gateway.sessions.actions import NEVER, SECOND
from gateway.sessions.fix_wire import Tags, encode, frame, utc_timestamp
from risk import latch
from simulators.generic_fix44 import GenericFix44
from simulators.market import Liquidity, Market
from simulators.nasdaq import Nasdaq
from simulators.venue import Connection, Options, Venue
from tests.control.world import INSTRUMENTS, KEY, World
from tests.sim.cable import MS, Cable, Line, Peer
from tests.sim.oracle import Oracle
from tests.sim.strategies import ApiStrategy, Booked, FixStrategy, Strategy, Wish
from tests.simulators.stand import rows

CONFIG = """
name = "sim"
state_dir = "state"
queue_ttl_ms = {queue_ttl_ms}
[journal]
level = "{level}"
[tables]
orders = {orders}
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
heart_bt_int_s = 3
[sessions.nasdaq]
venue = "nasdaq"
port = 2
username = "DEMO01"
password = "env:SIM_PASSWORD"
mpid = "DEMO"
[strategies.STRAT]
key_file = "strat.key"
accounts = ["ACC"]
cancel_on_disconnect = {cancel_on_disconnect}
[strategies.OTHER]
comp_id = "OTHER"
accounts = ["FUND"]
cancel_on_disconnect = {fix_cancel_on_disconnect}
[instruments]
file = "{instruments}"
[limits.firm]
order_qty = 10_000
notional = 50_000_000
collar_bps = 5_000
position = {position}
open_orders = {open_orders}
rate_per_s = 100_000
"""

VENUES = ("generic_fix44", "nasdaq")
SYMBOLS = {"generic_fix44": ("MSFT", "IBM", "AAPL"), "nasdaq": ("AAPL", "INTC")}
SCOPES = (("firm", ""), ("venue", "nasdaq"), ("venue", "generic_fix44"), ("account", "ACC"), ("strategy", "OTHER"), ("symbol", "AAPL"), ("symbol", "IBM"))


@dataclass(frozen=True, slots=True)
class Mix:
    """How often each thing happens, in 10,000 of the moments of the first act; each is absent from half of all runs."""

    cut: int
    dead: int
    stick: int
    latch: int
    hang: int
    venue_asks: int
    """A ResendRequest or TestRequest of the FIX venue's own, when nothing is missing."""
    venue_repeats: int
    """Old messages come again with PossDupFlag, and executions with new numbers."""
    lose_down: int
    """Of 1,000 messages of the FIX venue, and of the gateway to it, that the session must recover."""
    lose_up: int
    slow_ms: int
    """The venues' engines."""
    piece: int
    delay_ms: int


def draw(rng: SeededRng) -> Mix:
    most = {"cut": 400, "dead": 80, "stick": 1000, "latch": 500, "hang": 300, "venue_asks": 900, "venue_repeats": 1500, "lose_down": 40,
            "lose_up": 40, "slow_ms": 1500, "piece": 60, "delay_ms": 40}  # fmt: skip
    return Mix(**{each.name: 1 + rng.below(most[each.name]) if rng.below(2) else 0 for each in fields(Mix)})


class VenuePeer:
    """A venue's end of a cable."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    @property
    def deadline_ns(self) -> int:
        return self.connection.deadline_ns

    @property
    def closing(self) -> bool:
        return self.connection.closing

    def receive(self, data: bytes, now_ns: int) -> None:
        self.connection.receive(data, now_ns)

    def take_out(self, now_ns: int) -> bytes:
        return self.connection.take_out(now_ns)

    def tick(self, now_ns: int) -> None:
        self.connection.tick(now_ns)

    def gone(self, now_ns: int) -> None:
        self.connection.disconnect(now_ns)


class Meddler:
    """Between the FIX venue and the gateway: loses whole business messages of a standing session, which both sides must notice and recover."""

    def __init__(self, types: str, per_1000: int, rng: SeededRng) -> None:
        self._types = types
        self._per_1000 = per_1000
        self._rng = rng
        self._buffer = bytearray()
        self.old: list[Tags] = []
        """Business messages that came through, for repetition."""
        self.lost = 0

    def __call__(self, data: bytes) -> bytes:
        self._buffer += data
        out = bytearray()
        while True:
            found = frame(self._buffer)
            if not found.consumed:
                return bytes(out)
            raw = bytes(self._buffer[: found.consumed])
            del self._buffer[: found.consumed]
            business = found.tags is not None and found.tags[2][1] in self._types
            if business and self._rng.below(1000) < self._per_1000:
                self.lost += 1
                continue
            if business and found.tags is not None:
                self.old.append(found.tags)
            out += raw


class Sim(World):
    """One seeded run. `log` tells what was done, for a person who looks at a failed seed."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.seed = seed
        self.rng = rng = SeededRng(seed)
        self.mix = draw(rng)
        self.log: list[str] = []
        self.cables: list[Cable] = []
        self.inputs: list[Input] = []
        self.hung_until_ns = 0
        self.calm = False
        self.engaged: dict[tuple[str, str], int] = {}
        options = Options(engine_delay_ns=self.mix.slow_ms * MS, seed=seed, cancel_on_disconnect=rng.below(4) == 0, exec_ids_per_order=seed % 3 == 1)
        quote = 0 if rng.below(4) == 0 else 500
        self.oracle = Oracle(seed)
        venues: dict[str, Venue] = {
            "nyfix": self.oracle.watch(GenericFix44(Market(rows("generic_fix44"), Liquidity(quote_qty=quote)), options)),
            "nasdaq": self.oracle.watch(Nasdaq(Market(rows("nasdaq"), Liquidity(quote_qty=quote)), options)),
        }
        text = CONFIG.format(
            instruments=INSTRUMENTS, queue_ttl_ms=(1000, 200, 3000)[rng.below(3)], level="async", orders=(1024, 1024, 16)[rng.below(3)],
            cancel_on_disconnect=("true", "false")[rng.below(2)], fix_cancel_on_disconnect=("true", "false")[rng.below(2)],
            position=(1_000_000, 5_000)[rng.below(2)], open_orders=(500, 12)[rng.below(2)],
        )  # fmt: skip
        super().__init__(folder, venues, text, seed)
        self.oracle.begin(self)
        for seat in self.plan.seats:
            self.lane.limit(seat.conn, 60 + rng.below(2000))
        self.file = latch.Latch(self.latch_path, writable=True)
        self.api = ApiStrategy("STRAT", KEY, "ACC")
        self.fix = FixStrategy("OTHER", "GW", "FUND", 3)
        self.strategies: list[Strategy] = [self.api, self.fix]
        self._call_at = {strategy.name: self.now_ns for strategy in self.strategies}
        self._sockets = 1000
        self._quantity = 0

    # ------------------------------------------------------------------------------------------------------ the carrying

    def note(self, text: str) -> None:
        self.log.append(f"{(self.now_ns - self.begun_ns) / SECOND:9.4f} {text}" if hasattr(self, "begun_ns") else text)

    def _grant(self, wish: Wanted) -> None:
        match wish:
            case Connect(conn=conn):
                name = next(link for link in self.plan.links if link.conn == conn).name
                if not self.calm and self.rng.below(10) == 0:
                    self.inputs.append(NotConnected(conn, "connection refused"))
                    return
                venue = self.venues[name]
                cable = self._cable(conn, VenuePeer(venue.connect(self.now_ns)))
                if isinstance(venue, GenericFix44):
                    cable.meddle_up = Meddler("DFGH", 0 if self.calm else self.mix.lose_up, self.rng)
                    cable.meddle_down = Meddler("89", 0 if self.calm else self.mix.lose_down, self.rng)
                self.inputs.append(Connected(conn, conn))
            case Drop(fd=fd):
                self.note(f"dropped {fd}")
                for cable in self.cables:
                    if cable.fd == fd or (cable.conn == fd and not cable.opened):
                        cable.finish(self.now_ns)
            case Say():
                self.note(f"says {wish.event} {wish.fields}")
            case _:
                super()._grant(wish)

    def _cable(self, conn: int, peer: Peer) -> Cable:
        mix = self.mix
        line = Line() if self.calm else Line(mix.piece, mix.delay_ms * MS, 60 + self.rng.below(600))
        cable = Cable(self.lane, conn, peer, line, self.rng, self.oracle.sent)
        self.cables.append(cable)
        return cable

    def call(self, strategy: Strategy) -> None:
        """A strategy connects at its door."""
        self._sockets += 1
        peer = f"sim:{self._sockets}"
        self.give(Accepted(strategy.door, self._sockets, peer))
        place = next((place for place in self.core.places.values() if place.peer == peer), None)
        if place is None:
            return
        cable = self._cable(place.conn, strategy)
        cable.fd = self._sockets
        strategy.connected(self.now_ns)

    @property
    def hung(self) -> bool:
        return self.now_ns < self.hung_until_ns

    def settle(self) -> None:
        """Everything that can happen at this moment."""
        if not hasattr(self, "file"):
            return  # the core's first wishes come before the world stands
        for _ in range(20_000):
            busy = self.lane.step(self.now_ns)
            if not self.hung:
                for event in self.lane.events():
                    busy = 1
                    self.give(event)
                if self.core.deadline_ns <= self.now_ns:
                    busy = 1
                    self._push(self.core.tick(self.now_ns))
                inputs, self.inputs = self.inputs, []
                for each in inputs:
                    busy = 1
                    self.give(each)
            for cable in self.cables:
                if not cable.over:
                    if cable.conn in self.core.places and (moved := self.lane.moved_to(cable.conn)) and cable.opened:
                        cable.conn = moved
                    busy |= cable.carry(self.now_ns)
            for venue in self.venues.values():
                if venue.deadline_ns <= self.now_ns:
                    busy = 1
                    venue.tick(self.now_ns)
            self.cables = [cable for cable in self.cables if not cable.over]
            self.oracle.look()
            if not busy:
                return
        raise AssertionError(f"seed {self.seed}: the world does not come to rest at one moment")

    def pass_time(self, ns: int) -> None:
        """Let so much time pass; nothing that is due is missed."""
        end = self.now_ns + ns
        self.settle()
        while self.now_ns < end:
            due = [self.now_ns + max(self.lane.idle_ns(500 * MS), MS), end]
            due += [cable.due_ns for cable in self.cables] + [venue.deadline_ns for venue in self.venues.values()]
            due.append(max(self.hung_until_ns, self.core.deadline_ns))
            for strategy in self.strategies:
                if not strategy.up:
                    due.append(max(self._call_at[strategy.name], self.hung_until_ns))
            self.now_ns = max(self.now_ns + 1, min(due))
            for strategy in self.strategies:
                if not strategy.up and self._call_at[strategy.name] <= self.now_ns and not self.hung:
                    self._call_at[strategy.name] = self.now_ns + SECOND
                    self.call(strategy)
            self.settle()

    # -------------------------------------------------------------------------------------------------------------- doing

    def engage(self, kind: str, name: str) -> None:
        self.note(f"engage {kind} {name}")
        lock = latch.take_lock(self.latch_path, 0, lambda: 0, lambda ns: None)
        assert lock is not None, "nobody else holds it"
        slot = self.file.engage(kind, name, "kill", self.now_ns, "sim", "drawn", lock)
        os.close(lock)
        self.refresh_latch()
        self.engaged[kind, name] = slot
        self.oracle.engaged(kind, name)

    def rearm(self, kind: str, name: str) -> None:
        self.note(f"rearm {kind} {name}")
        slot = self.engaged.pop((kind, name))
        assert self.file.rearm(slot, self.file.generation(slot), self.now_ns, "sim", "drawn")
        self.refresh_latch()
        self.oracle.rearmed(kind, name)

    def refresh_latch(self) -> None:
        """As in a mapping: but for the page that the lane writes."""
        self.latch[: latch.SEEN_AT] = self.latch_path.read_bytes()[: latch.SEEN_AT]

    def quantity(self) -> int:
        self._quantity += 1
        return self._quantity

    def act(self) -> None:
        """A strategy wants something."""
        rng = self.rng
        strategy = self.strategies[rng.below(2)]
        if not strategy.ready:
            return
        dice = rng.below(100)
        open_ = strategy.open
        if dice < 60 or not open_:
            venue = VENUES[rng.below(2)]
            symbol = SYMBOLS[venue][rng.below(len(SYMBOLS[venue]))]
            if isinstance(strategy, FixStrategy):
                venue = self.instruments.find(symbol).venue  # type: ignore[union-attr]  # FIX names no venue: the default route
            wish = Wish(self.quantity(), symbol, rng.below(2) == 0, self._price(symbol), rng.below(5) == 0, venue)
            self.oracle.wanted(strategy, wish)
            self.note(f"{strategy.name} new {wish}")
            strategy.new(wish, self.now_ns)
            return
        book: Booked = open_[rng.below(len(open_))]
        if dice < 80:
            self.note(f"{strategy.name} cancel {book.wish.root}")
            strategy.cancel(book, self.now_ns)
        elif dice < 95:
            qty = self.quantity()
            self.oracle.renamed(book.wish.root, qty)
            self.note(f"{strategy.name} replace {book.wish.root} qty {qty}")
            strategy.replace(book, qty, self._price(book.wish.symbol), self.now_ns)
        elif dice < 99:
            strategy.status(book, self.now_ns)
        else:
            self.note(f"{strategy.name} cancels all")
            strategy.cancel_all(self.now_ns)

    def _price(self, symbol: str) -> int:
        row = self.instruments.find(symbol)
        assert row is not None and row.ref_px is not None, symbol
        return row.ref_px + (self.rng.below(13) - 6) * 100

    def _strikes(self, per_10k: int) -> bool:
        return self.rng.below(10_000) < per_10k

    def meddle(self) -> None:
        """Draw this moment's faults."""
        mix, rng = self.mix, self.rng
        standing = [cable for cable in self.cables if cable.opened and not cable.dead]
        for cable in standing:
            if self._strikes(mix.cut * (5 if cable.stuck_until_ns else 1)):  # what waits there must not outlive it
                rude = rng.below(2) == 0
                self.note(f"cut {cable.conn} {'rudely' if rude else ''}")
                cable.cut(self.now_ns, rude)
            elif self._strikes(mix.dead):
                self.note(f"half open {cable.conn}")
                cable.go_dead()
            elif self._strikes(mix.stick):
                takes = rng.below(300)
                self.note(f"stuck {cable.conn} after {takes} bytes")
                cable.stick(self.now_ns + rng.below(3000 * MS), takes)
        if self._strikes(mix.latch):
            scope = SCOPES[rng.below(len(SCOPES))]
            self.engage(*scope)
            if rng.below(2):  # before the lane has looked
                self.rearm(*scope)
        for scope in list(self.engaged):
            if rng.below(20) == 0:
                self.rearm(*scope)
        if self._strikes(mix.hang):
            self.hung_until_ns = self.now_ns + rng.below(3 * SECOND)
            self.note(f"control hangs until {(self.hung_until_ns - self.begun_ns) / SECOND:.3f}")
        self._ask_again()

    def _ask_again(self) -> None:
        mix, rng = self.mix, self.rng
        venue = self.venues["nyfix"]
        rim = venue.rims.get("GW")
        cable = next((cable for cable in self.cables if cable.opened and isinstance(cable.meddle_down, Meddler) and not cable.ending), None)
        if rim is None or cable is None or rim.tx.value != "open":
            return
        if self._strikes(mix.venue_asks):
            first = 1 + rng.below(rim.next_rx)
            self.note(f"venue asks again from {first}")
            rim.submit(*(("2", ((7, str(first)), (16, "0"))) if rng.below(3) else ("1", ((112, f"V{first}"),))), self.now_ns)
        meddler = cable.meddle_down
        assert isinstance(meddler, Meddler), "chosen so"
        if self._strikes(mix.venue_repeats) and meddler.old and not cable.dead:
            tags = meddler.old[rng.below(len(meddler.old))]
            sent = dict(tags)
            if rng.below(2) or sent.get(150) != "F":
                self.note(f"venue repeats {sent[34]}")
                head = tuple(pair for pair in tags[2:-1] if pair[0] not in (43, 122, 52))
                stamp = utc_timestamp(self.now_ns)
                again = ((8, "FIX.4.4"), *head[:4], (52, stamp), (43, "Y"), (122, sent[52]), *head[4:])
                cable.down.put(encode(again), self.now_ns)
            else:
                self.note(f"venue executes again {sent[17]}")
                body = tuple(pair for pair in tags if pair[0] not in (8, 9, 35, 34, 43, 49, 52, 56, 122, 10))
                rim.submit("8", ((97, "Y"), *body), self.now_ns)

    # --------------------------------------------------------------------------------------------------------------- acts

    def play(self) -> None:
        """All three acts."""
        rng = self.rng
        self.begun_ns = self.now_ns
        self.pass_time(SECOND)
        for _ in range(40 + rng.below(120)):
            for _ in range(rng.below(4)):
                self.act()
            self.meddle()
            self.pass_time(rng.below(200 * MS))
        self.heal()
        self.rest("after the faults stopped")
        self.oracle.equal()
        self.engage("firm", "")
        for strategy in self.strategies:
            for book in strategy.open:
                if strategy.ready and rng.below(2):
                    strategy.cancel(book, self.now_ns)
        self.rest("after the gate was dropped")
        self.oracle.equal()
        self.oracle.flat()
        self.oracle.replays()

    def heal(self) -> None:
        """No more faults; what is half open ends."""
        self.note("healed")
        self.calm = True
        self.hung_until_ns = 0
        for cable in self.cables:
            cable.unstick()
            for meddler in (cable.meddle_up, cable.meddle_down):
                if isinstance(meddler, Meddler):
                    meddler._per_1000 = 0
            if cable.dead:
                cable.dead = False
                cable.cut(self.now_ns, True)
        for scope in list(self.engaged):
            self.rearm(*scope)

    def rest(self, when: str) -> None:
        """Liveness: within bounded time all sessions are open, nothing is in doubt or on its way, and all sides agree."""
        for _ in range(60):
            self.pass_time(2 * SECOND)
            why = self.unrest()
            if not why:
                return
            for strategy in self.strategies:  # what a FIX strategy has sent into a connection that was lost, it must ask for
                for book in strategy.open if strategy.ready else ():
                    if isinstance(strategy, FixStrategy) and book.status == "PENDING_NEW":
                        strategy.status(book, self.now_ns)
        raise AssertionError(f"seed {self.seed}: {when}, 120 s later: {why}")

    def unrest(self) -> str:
        """Why the world is not at rest, "" if it is."""
        if not self.core.open:
            return "sessions are not open: " + ", ".join(f"{link.name} {link.session.state}" for link in self.core.links.values())
        for strategy in self.strategies:
            if not strategy.ready:
                return f"{strategy.name} is not logged on"
        counts = self.lane.counts()
        if counts.in_doubt or counts.queued:
            return f"{counts.in_doubt} orders in doubt, {counts.queued} queued"
        for order in self.lane.orders():
            if order.replace_pending or order.cancel_wanted or order.ord_status in "AE6":
                return f"an order is on its way: {order}"
        for venue in self.venues.values():
            if venue.deadline_ns != NEVER:
                return f"{venue.name} has requests that wait for its engine"
        for name in ("nyfix", "nasdaq"):
            view = self.lane.view(next(link.conn for link in self.plan.links if link.name == name))
            if view.rx != lib.GW_FLOW or view.tx != lib.GW_OPEN:
                return f"{name}: {view}"
        return self.oracle.unequal()
