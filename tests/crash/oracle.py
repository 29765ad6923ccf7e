"""The one who knows all: hears every byte that reaches a venue, sees its books and the lane's, and says what may not be."""

from collections import Counter
from typing import TYPE_CHECKING

from gateway.codecs.loader import load
from gateway.codecs.reference import decode_fields
from gateway.journal.restart import Found
from gateway.sessions.fix_wire import frame
from simulators.market import Order
from simulators.venue import Connection, Venue

if TYPE_CHECKING:
    from tests.crash.world import CrashWorld

FIRM = 0  # the scope of the position that is everybody's (risk.h)
STAMPS = frozenset({8, 9, 10, 43, 52, 122})  # of a message sent again, these differ


class Tap:
    """A venue's connection, heard."""

    def __init__(self, witness: "Witness", name: str, line: Connection) -> None:
        self._witness = witness
        self._name = name
        self._line = line
        self._bytes = bytearray()

    @property
    def deadline_ns(self) -> int:
        return self._line.deadline_ns

    @property
    def closing(self) -> bool:
        return self._line.closing

    def receive(self, data: bytes, now_ns: int) -> None:
        self._witness.world.moves += 1
        self._bytes += data
        self._witness.heard(self._name, self._bytes)
        self._line.receive(data, now_ns)

    def take_out(self, now_ns: int) -> bytes:
        data = self._line.take_out(now_ns)
        self._witness.world.moves += bool(data)
        return data

    def tick(self, now_ns: int) -> None:
        self._witness.world.moves += 1
        self._line.tick(now_ns)

    def disconnect(self, now_ns: int) -> None:
        self._witness.world.moves += 1
        self._line.disconnect(now_ns)


class Witness:
    """`faults`: what was seen that may never be. Orders are told apart by their quantity, which no two of a scenario share."""

    def __init__(self, world: "CrashWorld") -> None:
        self.world = world
        self.faults: list[str] = []
        self.news: Counter[tuple[str, int]] = Counter()
        """(venue, quantity) → new orders that reached the venue and were not marked as repeated."""
        self.orders: dict[tuple[str, int], Order] = {}
        self._bodies: dict[tuple[str, int], object] = {}
        self._ouch = load("ouch50")

    def tapped(self, name: str, line: Connection) -> Connection:
        tap: object = Tap(self, name, line)
        assert isinstance(tap, Tap)
        return tap  # type: ignore[return-value]

    def say(self, fault: str) -> None:
        if fault not in self.faults:
            self.faults.append(fault)

    # -------------------------------------------------------------------------------------------------------------- the wire

    def heard(self, name: str, data: bytearray) -> None:
        """Whole messages off the front of `data`, each held against those before it."""
        if name == "ouch":
            while (decoded := decode_fields(self._ouch, bytes(data), "client")) is not None:
                del data[: decoded.length]
                fields = dict(decoded.fields)
                if decoded.message.name in ("EnterOrder", "ReplaceOrder"):
                    self._number(name, int(fields["user_ref_num"]), (decoded.message.name, sorted(map(str, fields.items()))))
                if decoded.message.name == "EnterOrder":
                    self._new(name, int(fields["quantity"]))
            return
        while (found := frame(data)).consumed:
            del data[: found.consumed]
            assert found.tags is not None, f"the lane sent {found.fault}"
            tags = dict(found.tags)
            repeated = tags.get(43) == "Y"
            if not (repeated and tags[35] == "4"):
                self._number(name, int(tags[34]), tuple((tag, value) for tag, value in found.tags if tag not in STAMPS))
            if tags[35] == "D" and not repeated:
                self._new(name, int(tags[38]))

    def _number(self, name: str, number: int, body: object) -> None:
        known = self._bodies.setdefault((name, number), body)
        if known != body:
            self.say(f"number {number} to {name} means {known} and {body}")

    def _new(self, name: str, quantity: int) -> None:
        self.news[name, quantity] += 1
        if self.news[name, quantity] > 1:
            self.say(f"the order of {quantity} was sent to {name} twice")

    # ---------------------------------------------------------------------------------------------------------- the books

    def applied(self, found: Found) -> None:
        """A start has read its journal."""
        if self.world.deaths and found.ring_survived and self.world.deaths[-1].startswith("power"):
            self.say("the power was cut, and the restart believes that nothing is lost")

    def look(self) -> None:
        """Exposure is never below the venue's truth: at every quiet moment, by symbol (every order here is a buy)."""
        world = self.world
        believed: Counter[str] = Counter()
        known = set()
        for order in world.lane.orders(with_final=True):
            known.add(order.order_qty)
            if order.ord_status not in "23458C":
                believed[world.plan.symbols[order.instrument]] += order.order_qty - order.cum_qty
        for symbol in set(world.plan.symbols[1:]):
            believed[symbol] += world.lane.position(FIRM, 0, world.plan.symbols.index(symbol))
        true: Counter[str] = Counter()
        for name, venue in world.venues.items():
            symbols = {row.venue_symbol: row.symbol for row in world.instruments.rows if row.venue == venue.name}
            for order in venue.market.orders.values():
                if order.owner and self.orders.setdefault((name, order.qty), order) and (order.qty in known or not self.excused):  # else it is nobody's
                    true[symbols[order.symbol]] += order.leaves
            for symbol, quantity in venue.market.positions.items() if name != "ouch" or not self.excused else ():
                true[symbols[symbol]] += quantity
        for symbol, quantity in true.items():
            if believed[symbol] < quantity and not self._on_its_way():
                self.say(f"exposure in {symbol} is {believed[symbol]}, and the venue has {quantity}")

    def _on_its_way(self) -> bool:
        """Reports of fills that happened while the gateway was away come with the session's replay: until then they are reserved or owed."""
        return not self.world.core.open

    @property
    def excused(self) -> bool:
        """At `async` a power cut may lose what was accepted and sent: such an order is nobody's, and its fills are external."""
        return self.world.lost_tail and self.world.level == "async"

    def verdict(self) -> list[str]:
        """Everything that is wrong now that all has come to rest."""
        world, strategy, faults = self.world, self.world.strategy, list(self.faults)
        faults += strategy.faults
        if not strategy.idle:
            faults.append(f"the strategy waits for ever, having done {strategy._done} of {len(strategy.acts)}: {strategy.by_name}")
        if not world.core.open:
            faults.append(f"a session with a venue is not open: {[str(link.session.state) for link in world.core.links.values()]}")
        counts = world.lane.counts()
        alive: dict[tuple[str, int], Order] = {(name, o.qty): o for name, venue in world.venues.items() for o in venue.market.orders.values() if o.owner}
        own = list(world.lane.orders())
        if not self.excused and (len(own), counts.in_doubt) != (len(alive), 0):
            faults.append(f"the lane has {own}, {counts.in_doubt} in doubt; the venues have {list(alive)}")
        for index, symbol in enumerate(world.plan.symbols[1:], 1):
            if any(order.venue == "nasdaq" and strategy.forgotten(order) for order in strategy.by_name.values()):
                break  # an OUCH execution names no symbol: of an order that nobody remembers it is booked to none
            position = world.lane.position(FIRM, 0, index)
            true = sum(self._position(venue, symbol) for venue in world.venues.values())
            if position != true:
                faults.append(f"the position in {symbol} is {position}, at the venues {true}")
        for name, order in strategy.by_name.items():
            if strategy.forgotten(order):
                continue
            faults += [f"{name}: {fault}" for fault in self._of_order(order.cl_ord_num, order.status, int(order.order_qty or 0), int(order.cum_qty))]
        return faults

    def _position(self, venue: Venue, symbol: str) -> int:
        symbols = {row.symbol: row.venue_symbol for row in self.world.instruments.rows if row.venue == venue.name}
        return venue.market.positions[symbols[symbol]] if symbol in symbols else 0

    def _of_order(self, id: int, status: str, quantity: int, cum: int) -> list[str]:
        strategy = self.world.strategy
        there = next((order for (_, qty), order in self.orders.items() if qty == quantity), None)
        sent = sum(count for (_, qty), count in self.news.items() if qty == quantity)
        finals = strategy.finals[id]
        faults = []
        final = status in ("FILLED", "CANCELED", "REJECTED", "DENIED", "EXPIRED")
        if not final and (there is None or not there.alive):
            faults.append(f"the strategy knows no outcome: {status}; sent {sent} times, at the venue {there}")
        if final and there is not None and there.alive:
            faults.append(f"{status} to the strategy, alive at the venue: {there}")
        if status == "DENIED" and there is not None:
            faults.append(f"DENIED, but it came to the venue: {there}")
        if final and there is not None and cum != there.cum:
            faults.append(f"filled {cum} for the strategy, {there.cum} at the venue")
        if finals > 1 + max(strategy.began_anew, strategy.restarts):  # it was told each time that its stream has lost its end
            faults.append(f"the strategy was told {finals} outcomes")
        return faults
