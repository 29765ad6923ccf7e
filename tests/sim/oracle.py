"""What must hold at every moment and at the end of a run; each message shows both sides. I1–I8 and I11 name the invariants of the design.

It looks from outside: at what the venues' engines have taken in and done before any de-duplication, at the bytes that left the lane, at what
the strategies were told; and from inside: at the journal, record by record, and at exposure. No side is believed: they are compared.
"""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gateway.lane.native import ffi, lib
from gateway.lane.replay import Replay
from gateway.sessions.actions import Message
from gateway.sessions.fix_wire import frame
from simulators.generic_fix44 import GenericFix44
from simulators.market import Happening, Order, What
from simulators.matching import Side
from simulators.nasdaq import Nasdaq
from simulators.venue import Venue
from tests.sim.cable import Cable
from tests.sim.strategies import Booked, Strategy, Wish

if TYPE_CHECKING:
    from tests.sim.world import Sim

# enum gw_st, gw_evt, gw_what and gw_ocls of core.h, as far as they are looked at.
FREE, QUEUED, SENT = 0, 1, 2
FINAL_FROM = 8
SEND, VOID, DENY = 1, 2, 3
ACCEPT, REPLACE, REPLACE_QUEUED, REPORT, VERDICT, CANCEL_QUEUED = 1, 6, 7, 8, 11, 4
OUT_REPLACE, OUT_NEW = 4, 5
ODD, IS_FINAL, DUP = 1, 2, 4
UNEXPRESSED = ("duplicate", "repeated")


@dataclass(slots=True)
class AtVenue:
    """A new order as a venue's engine took it in."""

    root: int
    venue: str
    token: object
    order: Order | None = None


@dataclass(slots=True)
class Slot:
    """An order slot as the journal tells it."""

    gen: int = 0
    state: int = FREE
    accepted_lsn: int = 0
    replace_lsn: int = 0
    epoch: int = 0
    replace_epoch: int = 0
    conn: int = 0
    entities: tuple[int, ...] = ()


@dataclass
class Oracle:
    """One run's. `seed` is in every message."""

    seed: int
    arrived: dict[int, AtVenue] = field(default_factory=dict)
    trades: list[tuple[str, int, int, int]] = field(default_factory=list)
    """(venue, root, quantity, price) of each execution, at the venues."""

    def __post_init__(self) -> None:
        self.roots: dict[int, int] = {}  # any quantity ever asked for → root
        self.owners: dict[int, Strategy] = {}
        self._names: dict[tuple[str, object], int] = {}  # venue's token of any link of the chain → root
        self._bodies: dict[tuple[int, int], bytes] = {}
        self._tokens: dict[int, bytes] = {}
        self._wire: dict[int, tuple[Cable, bytearray]] = {}
        self._slots: dict[int, Slot] = defaultdict(Slot)
        self._epochs: Counter[int] = Counter()
        self._numbers: dict[int, int] = {}
        self._received: dict[int, int] = {}
        self._lsn = 0
        self._venue_moves = 0
        self._looked_at = (-1, -1)
        self._drops: dict[tuple[int, int], int] = {}  # scope → journal position when it was last engaged
        self._dropped: set[tuple[int, int]] = set()
        self._exposure = ffi.new("gw_exposure *")

    def bad(self, text: str) -> str:
        tail = "\n".join(self.world.log[-60:])
        return f"seed {self.seed}: {text}\nrun it again: PORTCULLIS_SEED={self.seed} python -m pytest tests/sim\nthe last that was done:\n{tail}"

    # ------------------------------------------------------------------------------------------------------------ witnesses

    def begin(self, world: "Sim") -> None:
        self.world = world
        plan = world.plan
        self._entities = {"firm": {"": 0}} | {
            kind: {name: index for index, name in enumerate(names)}
            for kind, names in (("venue", plan.venues), ("account", plan.accounts), ("strategy", plan.strategies), ("symbol", plan.symbols))
        }
        self._kinds = ("firm", "venue", "account", "strategy", "symbol")

    def watch(self, venue: Venue) -> Venue:
        """See every request before the engine and every happening before the session."""
        request, say = venue.request, venue.say

        def seen_request(owner: str, message: Message, now_ns: int) -> None:
            self._venue_moves += 1
            root = self._root_of_request(venue, message)
            request(owner, message, now_ns)
            if root is not None:
                self.arrived[root].order = self._order(venue, owner, self.arrived[root].token)
            self._learn_names(venue, message)

        def seen_say(happening: Happening, asked: Message | None, now_ns: int) -> None:
            self._venue_moves += 1
            if happening.what is What.TRADE:
                root = next(each.root for each in self.arrived.values() if each.order is happening.order or (each.order is None and each.venue == venue.name and each.token == happening.order.ref))
                self.trades.append((venue.name, root, happening.qty, happening.px))
            say(happening, asked, now_ns)

        venue.request, venue.say = seen_request, seen_say  # type: ignore[method-assign]
        return venue

    def _order(self, venue: Venue, owner: str, token: object) -> Order | None:
        if isinstance(venue, GenericFix44):
            return venue._orders.get((owner, str(token)))
        assert isinstance(venue, Nasdaq), "there are two"
        return venue._ports[owner].orders.get(token)  # type: ignore[call-overload, no-any-return]

    def _root_of_request(self, venue: Venue, message: Message) -> int | None:
        """I1: no intent becomes two orders at the venue."""
        fix = isinstance(venue, GenericFix44)
        if message.type != ("D" if fix else "EnterOrder"):
            return None
        qty = int(message.text(38)) if fix else int(message.number("quantity") or 0)
        token: object = message.text(11) if fix else message.number("user_ref_num")
        root = self.roots.get(qty)
        assert root is not None, self.bad(f"{venue.name} got an order that nobody wanted: {message.fields}")
        earlier = self.arrived.get(root)
        assert earlier is None, self.bad(f"I1: {venue.name} got order {root} twice: as {earlier} and as {token}: {message.fields}")
        self.arrived[root] = AtVenue(root, venue.name, token)
        self._names[venue.name, token] = root
        return root

    def _learn_names(self, venue: Venue, message: Message) -> None:
        if isinstance(venue, GenericFix44) and message.type == "G":
            new, old = message.text(11), message.text(41)
        elif message.type == "ReplaceOrder":
            new, old = message.number("user_ref_num"), message.number("orig_user_ref_num")  # type: ignore[assignment]
        else:
            return
        if (root := self._names.get((venue.name, old))) is not None:
            self._names[venue.name, new] = root

    def wanted(self, strategy: Strategy, wish: Wish) -> None:
        self.roots[wish.root] = wish.root
        self.owners[wish.root] = strategy

    def renamed(self, root: int, qty: int) -> None:
        self.roots[qty] = root

    def engaged(self, kind: str, name: str) -> None:
        """The gate is dropped: from this position of the journal on nothing that was accepted before may leave."""
        scope = self._kinds.index(kind), self._entities[kind][name]
        self._look_at_journal()
        self._drops[scope] = self._lsn
        self._dropped.add(scope)

    def rearmed(self, kind: str, name: str) -> None:
        self._look_at_journal()
        self._dropped.discard((self._kinds.index(kind), self._entities[kind][name]))

    def sent(self, cable: Cable, data: bytes) -> None:
        """I3: a number never carries two bodies. Every byte that the lane hands over comes by here."""
        conn = cable.conn
        if conn not in self._wire or self._wire[conn][0] is not cable:
            self._wire[conn] = (cable, bytearray())
        buffer = self._wire[conn][1]
        buffer += data
        view = self.world.lane.tables.tables.conns[conn]
        if view.family == lib.GW_FAMILY_FIX:
            self._fix_sent(conn, buffer)
        elif view.family == lib.GW_FAMILY_SOUP:
            self._soup_sent(buffer)

    def _fix_sent(self, conn: int, buffer: bytearray) -> None:
        while True:
            found = frame(buffer)
            if not found.consumed:
                return
            raw = bytes(buffer[: found.consumed])
            del buffer[: found.consumed]
            assert found.tags is not None, self.bad(f"the gateway sent a garbled message on {conn}: {found.fault}: {raw!r}")
            tags = dict(found.tags)
            seq, body = int(tags[34]), repr([pair for pair in found.tags if pair[0] not in (8, 9, 52, 43, 122, 10)]).encode()
            if tags[35] == "4":
                continue
            before = self._bodies.setdefault((conn, seq), body)
            assert before == body, self.bad(f"I3: number {seq} of connection {conn} carries two bodies:\n{before!r}\n{body!r}")

    def _soup_sent(self, buffer: bytearray) -> None:
        while len(buffer) >= 2 and len(buffer) >= 2 + int.from_bytes(buffer[:2], "big"):
            size = 2 + int.from_bytes(buffer[:2], "big")
            raw = bytes(buffer[:size])
            del buffer[:size]
            if raw[2:4] not in (b"UO", b"UU"):
                continue
            token = int.from_bytes(raw[4:8] if raw[3:4] == b"O" else raw[8:12], "big")
            assert token not in self._tokens, self.bad(f"I3: UserRefNum {token} was used twice:\n{self._tokens[token]!r}\n{raw!r}")
            self._tokens[token] = raw

    # ------------------------------------------------------------------------------------------------------- at every moment

    def look(self) -> None:
        self._look_at_journal()
        now = self._lsn, self._venue_moves
        if now != self._looked_at:  # exposure changes with a record, what the venues may do with a request or a happening: else it is as it was
            self._looked_at = now
            self._look_at_exposure()

    def _look_at_journal(self) -> None:
        lane = self.world.lane
        while self._lsn < lane.ring.head_lsn:
            self._lsn += 1
            at = lib.gw_ring_at(lane.ring, self._lsn)
            assert at, self.bad(f"record {self._lsn} has left the ring")
            kind = at.kind
            if kind == lib.GW_REC_IN:
                self._in(ffi.cast("const gw_rec_in *", at))
            elif kind == lib.GW_REC_OUT:
                self._out(ffi.cast("const gw_rec_out *", at))
            elif kind == lib.GW_REC_DENY:
                self._decision(ffi.addressof(ffi.cast("const gw_rec_deny *", at).dec))
            elif kind == lib.GW_REC_COMMAND:
                self._command(ffi.cast("const gw_rec_cmd *", at))

    def _in(self, r: Any) -> None:
        """I4: a connection's messages are consumed in order, each once."""
        conn = r.h.conn
        if r.consumed:
            before = self._received.get(conn, 0)
            assert r.seq == r.expected and r.seq > before, self.bad(f"I4: number {r.seq} of connection {conn} was consumed, expected {r.expected}, last {before}")
            self._received[conn] = r.a - 1 if r.cls == lib.CLS_GAP_FILL else r.seq
        if r.dec_len:
            self._decision(ffi.cast("const gw_dec *", ffi.cast("const uint8_t *", r) + ffi.sizeof("gw_rec_in")))

    def _command(self, r: Any) -> None:
        at = ffi.cast("const uint8_t *", r) + ffi.sizeof("gw_rec_cmd")
        for _ in range(r.n_subs):
            s = ffi.cast("const gw_sub *", at)
            if s.result == lib.GW_RESULT_OK:
                if s.kind == lib.GW_CMD_ATTACH:
                    self._epochs[s.conn] += 1
                    if s.conn in self.world.core.places:  # a stranger's numbers begin anew
                        self._numbers.pop(s.conn, None)
                elif s.kind == lib.GW_CMD_BIND:
                    self._epochs[s.a] += 1
                elif s.kind == lib.GW_CMD_SET_NEXT:
                    self._set_next(s.conn, s.a, s.b)
            payload = at + ffi.sizeof("gw_sub") + (s.len + 7) // 8 * 8
            if s.dec_len:
                self._decision(ffi.cast("const gw_dec *", payload))
            at = payload + (s.dec_len + 7) // 8 * 8

    def _set_next(self, conn: int, which: int, n: int) -> None:
        if which == lib.GW_NEXT_RX:
            self._received[conn] = n - 1
        elif which == lib.GW_NEXT_TX:
            self._numbers[conn] = n - 1
            self._bodies = {key: body for key, body in self._bodies.items() if key[0] != conn or key[1] < n}

    def _decision(self, d: Any) -> None:
        """I6: only legal transitions; a final state is left by nothing."""
        slot = self._slots[d.slot] if d.slot != 0xFFFFFFFF else Slot()
        if d.what == ACCEPT:
            assert slot.state == FREE or slot.state >= FINAL_FROM, self.bad(f"I6: slot {d.slot} is given to a new order in state {slot.state}")
            t = d.told
            entities = (0, t.venue, t.account, d.strategy, t.instrument)
            self._slots[d.slot] = Slot(d.gen, d.state, self._lsn, 0, self._epochs[d.conn_v], 0, d.conn_v, entities)
            assert d.state == QUEUED, self.bad(f"I6: an accepted order is in state {d.state}")
            return
        if d.slot == 0xFFFFFFFF or d.gen != slot.gen:
            return
        if d.what in (REPLACE, REPLACE_QUEUED):
            slot.replace_lsn = self._lsn
            slot.replace_epoch = self._epochs[slot.conn]
            if d.what == REPLACE_QUEUED:
                slot.accepted_lsn = self._lsn
        elif d.what == REPORT and not d.flags & DUP:
            expected = lib.gw_order_next(slot.state, d.event)
            if expected == FREE:
                assert d.flags & ODD, self.bad(f"I6: event {d.event} is no move of state {slot.state} and was not flagged, record {self._lsn}")
                expected = slot.state
            assert d.state == expected, self.bad(f"I6: state {slot.state} and event {d.event} lead to {expected}, not {d.state}, record {self._lsn}")
            slot.state = d.state
        elif d.what == CANCEL_QUEUED or (d.what == VERDICT and d.flags & IS_FINAL):
            assert slot.state in (QUEUED, SENT), self.bad(f"I6: an order in state {slot.state} is over without the venue, record {self._lsn}")
            slot.state = d.state

    def _out(self, r: Any) -> None:
        """I11 and SEAM R5b, R5c: what leaves was accepted under the gate as it is, and on this very connection."""
        conn = r.h.conn
        if r.frame_len and not r.explicit_seq:
            last = self._numbers.get(conn, 0)
            assert conn not in self._numbers or r.seq == last + 1, self.bad(f"I3: number {r.seq} of connection {conn} follows {last}, record {self._lsn}")
            self._numbers[conn] = r.seq
        if r.what not in (OUT_NEW, OUT_REPLACE) or not r.frame_len:
            return
        slot = self._slots[r.slot]
        if r.what == OUT_NEW:
            assert slot.state == QUEUED, self.bad(f"I1: an order in state {slot.state} is sent, record {self._lsn}")
            slot.state = SENT
        epoch = slot.epoch if r.what == OUT_NEW else slot.replace_epoch
        assert epoch == self._epochs[conn], self.bad(f"R5c: what was accepted in epoch {epoch} of {conn} is sent in epoch {self._epochs[conn]}, record {self._lsn}")
        since = slot.accepted_lsn if r.what == OUT_NEW else slot.replace_lsn
        for scope in enumerate(slot.entities):
            assert scope not in self._dropped, self.bad(f"I11: a frame with new risk is begun while {scope} is dropped, record {self._lsn}")
            engaged = self._drops.get(scope, -1)
            assert since > engaged, self.bad(f"R5b: accepted at {since}, before {scope} was dropped at {engaged}, sent at {self._lsn}")

    def _look_at_exposure(self) -> None:
        """I7, I8: what the lane holds is never less than what can become of everything at the venues."""
        world, lane = self.world, self.world.lane
        for name, venue in world.venues.items():
            v = self._entities["venue"][venue.name]
            market = venue.market
            worst: dict[str, list[int]] = {symbol: [qty, qty] for symbol, qty in market.positions.items()}
            for order in market.orders.values():
                row = worst.setdefault(order.symbol, [0, 0])
                row[0 if order.side is Side.BUY else 1] += order.leaves if order.side is Side.BUY else -order.leaves
            for symbol, (most, least) in worst.items():
                e = self.exposure(1, v, self._entities["symbol"][symbol])
                held_most, held_least = e.position + e.open_buy + e.pend_buy, e.position - e.open_sell - e.pend_sell
                assert held_most >= most and held_least <= least, self.bad(
                    f"I8: {symbol} at {name} can become {least}..{most}, but the lane holds {held_least}..{held_most} "
                    f"(position {e.position}, open {e.open_buy}/{e.open_sell}, pending {e.pend_buy}/{e.pend_sell})"
                )
        if lane.counts().in_doubt:
            for order in lane.orders():
                held = lib.gw_view_held(lane.pointer, order.slot)
                assert not order.in_doubt or held >= order.leaves_qty, self.bad(f"I7: an order in doubt holds {held}: {order}")

    def exposure(self, scope: int, entity: int, instrument: int) -> Any:
        found = lib.gw_view_exposure(self.world.lane.pointer, scope, entity, instrument, self._exposure)
        assert found, f"no exposure of {scope}, {entity}, {instrument}"
        return self._exposure

    # -------------------------------------------------------------------------------------------------------------- at rest

    def unequal(self) -> str:
        """Where strategies, gateway and venues disagree; "" if nowhere. Meant for a world at rest."""
        for strategy in self.world.strategies:
            for book in strategy.books.values():
                if why := self._book_differs(strategy, book):
                    return why
        return self._trades_differ() or self._lane_differs()

    def equal(self) -> None:
        why = self.unequal()
        assert not why, self.bad(why)
        for venue in self.world.venues.values():
            twice = [venue.market.received[word] for word in UNEXPRESSED]
            assert not any(twice), self.bad(f"I1: {venue.name} got requests twice: {dict(venue.market.received)}")
        flags = lib.gw_view_risk_flags(self.world.lane.pointer)
        assert not flags, self.bad(f"I9: the books of risk raised flags {flags:#x}")

    def _book_differs(self, strategy: Strategy, book: Booked) -> str:
        """I2, I5: each intent has exactly one outcome, the venue's where it arrived there."""
        at = self.arrived.get(book.wish.root)
        who = f"{strategy.name} order {book.wish.root}"
        told = "; told " + " / ".join(book.told)
        if at is None or at.order is None:
            ended = ("DENIED", "REJECTED", "CANCELED")
            return "" if book.status in ended and book.cum == 0 else f"I2: {who} is {book.status}, cum {book.cum}, and no venue has it ({at}){told}"
        order = at.order
        if order.cum != book.cum:
            return f"I5: {who}: the venue executed {order.cum}, the strategy knows of {book.cum}{told}"
        if order.alive:
            same = not book.final and (book.leaves, book.px) == (order.leaves, order.px)
            return "" if same else f"I2: {who} rests at the venue with {order.leaves} @ {order.px}; the strategy has {book.status} {book.leaves} @ {book.px}{told}"
        filled = order.cum > 0 and order.cum == order.qty
        right = ("FILLED",) if filled else ("CANCELED", "EXPIRED") if order.order_id and order.qty else ("REJECTED",)
        if not order.cum and book.status == "REJECTED":
            return ""
        return "" if book.status in right else f"I2: {who} is over at the venue (cum {order.cum} of {order.qty}); the strategy has {book.status}{told}"

    def _trades_differ(self) -> str:
        """I4, I5: each execution was told once."""
        told = Counter((trade.root, trade.qty, trade.px) for strategy in self.world.strategies for trade in strategy.trades)
        done = Counter((root, qty, px) for _, root, qty, px in self.trades)
        if told != done:
            return f"I5: executed but not told {dict(done - told)}, told but not executed {dict(told - done)}"
        return ""

    def _lane_differs(self) -> str:
        world = self.world
        resting = {(order.venue, order.token): order for order in world.lane.orders()}
        for venue in world.venues.values():
            v = self._entities["venue"][venue.name]
            alive = {_number(order.ref): order for order in venue.market.orders.values()}
            mine = {token: order for (at, token), order in resting.items() if at == v}
            if alive.keys() != mine.keys():
                return f"I2: resting at {venue.name} {sorted(alive)}, in the lane {sorted(mine)}"
            for token, order in alive.items():
                own = mine[token]
                if (order.cum, order.leaves, order.qty, order.px) != (own.cum_qty, own.leaves_qty, own.order_qty, own.price):
                    return f"I5: order {token} at {venue.name}: {order}; in the lane {own}"
            for symbol, index in self._entities["symbol"].items():
                if index and (qty := venue.market.positions[symbol]) != (own_qty := world.lane.position(1, v, index)):
                    return f"I5: position in {symbol}: {qty} at {venue.name}, {own_qty} in the lane"
        return ""

    def flat(self) -> None:
        """I9: when every order is over nothing is held, in any scope."""
        world, lane = self.world, self.world.lane
        left = list(lane.orders())
        assert not left, self.bad(f"I11: the gate is dropped and these are still open: {left}")
        counts = {1: world.plan.venues, 2: world.plan.accounts, 3: world.plan.strategies}
        for instrument in range(1, len(world.plan.symbols)):
            firm = self.exposure(0, 0, instrument).position
            for scope, names in ({0: ("",)} | counts).items():
                total = 0
                for entity in range(len(names)):
                    e = self.exposure(scope, entity, instrument)
                    total += e.position
                    held = e.open_buy, e.open_sell, e.pend_buy, e.pend_sell
                    assert not any(held), self.bad(f"I9: all is over, but scope {scope} {names[entity]} holds {held} of {world.plan.symbols[instrument]}")
                assert total == firm, self.bad(f"I9: positions of scope {scope} add up to {total}, the firm's is {firm}")
        for order in lane.orders(with_final=True):
            assert not lib.gw_view_held(lane.pointer, order.slot), self.bad(f"I9: an order that is over holds exposure: {order}")

    def replays(self) -> None:
        """I15: the journal, decided again, gives the same bytes; applied, the same state."""
        world, lane = self.world, self.world.lane
        want = lane.state_hash()
        verified, applied = (Replay(lane.records(), world.config, world.instruments, world.secrets) for _ in range(2))
        difference = verified.verify()
        assert difference is None, self.bad(f"I15: {difference}")
        assert verified.lane.state_hash() == want, self.bad(f"I15: decided again the state is {verified.lane.state_hash():#x}, live {want:#x}")
        assert applied.apply() == want, self.bad(f"I15: applied the state is {applied.lane.state_hash():#x}, live {want:#x}")


def _number(ref: object) -> int:
    return ref if isinstance(ref, int) else int(str(ref), 36)

