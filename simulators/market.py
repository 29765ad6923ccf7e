"""The inside of every simulated venue: its orders over the matching core, standing liquidity, and the count of what happened.

A profile (generic_fix44, nasdaq) speaks for it: it asks for new orders, cancels and replaces, and puts what happened into its
protocol's words. Prices are integers of 1/10,000 (exponent −4), quantities whole shares. Everything is counted here as it comes in and
as it happens, before anybody removes duplicates, so that a comparison at the end means something.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.instruments import Instrument
from simulators.matching import (
    US_EQUITY,
    Event,
    EventKind,
    Kind,
    Message,
    OrdType,
    Profile,
    Reason,
    Side,
    Tif,
    open_exchange,
)

PX_EXP = -4
HOUSE = 1  # the exchange's session of the standing liquidity; owners count from 2
LEVELS = 5  # of standing liquidity on each side


class What(StrEnum):
    """What happened to an order."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    TRADE = "trade"
    CANCELED = "canceled"  # all that was left
    REDUCED = "reduced"  # a part was cancelled
    REPLACED = "replaced"
    CANCEL_REJECTED = "cancel_rejected"
    REPLACE_REJECTED = "replace_rejected"


@dataclass(slots=True, eq=False)
class Order:
    """One order as the venue keeps it; `ref` is the profile's own (ClOrdID, UserRefNum) and changes with a replace."""

    owner: str
    ref: object
    symbol: str
    side: Side
    ord_type: OrdType
    tif: Tif
    px: int
    qty: int  # the whole of the order, executed shares included
    account: str = ""
    order_id: int = 0
    cum: int = 0
    leaves: int = 0
    notional: int = 0
    alive: bool = False
    words: dict[str, str] = field(default_factory=dict)  # what the profile wants to echo
    reports: int = 0  # of this order, so far: kept by a profile that numbers them


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happened to `order`, which already shows it; px, qty and trade_id of a trade, qty of a cancel."""

    what: What
    order: Order
    px: int = 0
    qty: int = 0
    trade_id: int = 0
    reason: Reason = Reason.NONE
    maker: bool = False  # of a trade: the order was resting
    leaves: int = 0  # of the order right after this
    cum: int = 0
    notional: int = 0


@dataclass(frozen=True, slots=True)
class Liquidity:
    """What is quoted without being asked: two-sided books around the reference price, or everything filled at once."""

    fill_all: bool = False  # every limit order is filled whole at its own price, a market order at the reference price
    quote_qty: int = 1_000  # at each of LEVELS prices a side; 0 = an empty book


class Market:
    """The books of one venue. `instruments` are its rows of the instrument file; those without a reference price are not quoted."""

    def __init__(self, instruments: Iterable[Instrument], liquidity: Liquidity, profile: Profile = US_EQUITY) -> None:
        self.instruments = {row.venue_symbol: row for row in instruments}
        for row in self.instruments.values():
            assert row.px_exp == PX_EXP and row.qty_exp == 0, (
                f"{row.symbol}: a simulated venue counts in 10^{PX_EXP} and whole shares"
            )
        self.liquidity = liquidity
        self.orders: dict[int, Order] = {}  # alive, by the exchange's id
        self.received: Counter[str] = Counter()  # requests as they came, repeated ones too
        self.happened: Counter[What] = Counter()
        self.executed_qty = 0
        self.positions: Counter[str] = Counter()  # symbol → bought less sold
        self._index = {symbol: index for index, symbol in enumerate(self.instruments)}
        self._exchange = open_exchange(profile, symbols=max(1, len(self._index)))
        self._sessions: dict[str, int] = {}
        self._next_id = 1
        self._standing: dict[int, tuple[int, Side, int]] = {}  # order of the house → symbol, side, price
        self._gone: list[tuple[int, Side, int]] = []  # places to be filled again
        self._now_ns = 0
        if not liquidity.fill_all and liquidity.quote_qty:
            self._start_quotes()

    # ------------------------------------------------------------------------------------------------------------ requests

    def new(self, order: Order, now_ns: int) -> list[Happening]:
        """Enter an order. It is accepted or rejected first, then trades, then what cannot stay is cancelled."""
        self._now_ns = now_ns
        if order.symbol not in self.instruments:
            return [self._count(What.REJECTED, order, reason=Reason.UNKNOWN_SYMBOL)]
        if order.qty <= 0 or (order.ord_type is OrdType.LIMIT and order.px <= 0):
            return [self._count(What.REJECTED, order, reason=Reason.BAD_QTY if order.qty <= 0 else Reason.BAD_TICK)]
        order.order_id = self._take_id()
        order.leaves = order.qty
        self.orders[order.order_id] = order
        other = self._meet(order) if self.liquidity.fill_all else 0
        happenings = self._send(self._message(Kind.NEW, order, order.order_id))
        if other and self._exchange.order(other):
            self._send(Message(Kind.CANCEL, order_id=other, now_ns=now_ns))
        return happenings + self._refill()

    def cancel(self, order: Order, now_ns: int) -> list[Happening]:
        """Cancel what is left of an order; nothing happens to one that is not alive."""
        self._now_ns = now_ns
        if not order.alive:
            return []
        return self._send(
            Message(Kind.CANCEL, order_id=order.order_id, session=self._session(order.owner), now_ns=now_ns)
        )

    def reduce(self, order: Order, qty: int, now_ns: int) -> list[Happening]:
        """Make the whole of the order `qty`, keeping its place; at or below what is executed everything left is cancelled."""
        self._now_ns = now_ns
        if not order.alive or qty >= order.qty:
            return []
        if qty <= order.cum:
            return self.cancel(order, now_ns)
        off = order.qty - qty
        message = self._message(Kind.REPLACE, order, order.order_id)
        message.new_order_id, message.qty = order.order_id, qty
        events = self._exchange.send(message)
        assert [event.kind for event in events] == [EventKind.REPLACED], f"a smaller quantity is always taken: {events}"
        order.qty, order.leaves = qty, order.leaves - off
        return [self._count(What.REDUCED, order, qty=off)]

    def replace(
        self, order: Order, ref: object, px: int, qty: int, now_ns: int, tif: Tif | None = None
    ) -> list[Happening]:
        """Give an order a new reference, price and whole quantity; it loses its place unless only the quantity shrinks."""
        self._now_ns = now_ns
        if not order.alive:
            return [self._count(What.REPLACE_REJECTED, order, reason=Reason.UNKNOWN_ORDER)]
        message = self._message(Kind.REPLACE, order, order.order_id)
        message.px, message.qty, message.new_order_id = px, qty, self._take_id()
        happenings: list[Happening] = []
        for event in self._exchange.send(message):
            if event.kind == EventKind.REPLACED:
                del self.orders[order.order_id]
                order.order_id, order.ref, order.px, order.qty = event.order_id, ref, px, qty
                order.leaves = event.leaves_qty
                order.alive = order.leaves > 0
                if order.alive:
                    self.orders[order.order_id] = order
                happenings.append(self._count(What.REPLACED, order))
            elif event.kind == EventKind.REPLACE_REJECTED:
                happenings.append(self._count(What.REPLACE_REJECTED, order, reason=Reason(event.reason)))
            else:
                happenings += self._happen(event)
        if tif is Tif.IOC and order.alive:
            happenings += self.cancel(order, now_ns)
        return happenings + self._refill()

    def open_orders(self, owner: str) -> list[Order]:
        """The owner's live orders, oldest first."""
        return [order for order in self.orders.values() if order.owner == owner]

    def counts(self) -> dict[str, object]:
        """What came and what happened, for the closing comparison; positions by symbol."""
        return {
            "received": dict(sorted(self.received.items())),
            "accepted": self.happened[What.ACCEPTED],
            "rejected": self.happened[What.REJECTED],
            "executions": self.happened[What.TRADE],
            "executed_qty": self.executed_qty,
            "canceled": self.happened[What.CANCELED],
            "replaced": self.happened[What.REPLACED],
            "open": len(self.orders),
            "positions": {symbol: qty for symbol, qty in sorted(self.positions.items()) if qty},
        }

    # ---------------------------------------------------------------------------------------------------------- the exchange

    def _take_id(self) -> int:
        self._next_id += 1
        return self._next_id - 1

    def _session(self, owner: str) -> int:
        return self._sessions.setdefault(owner, HOUSE + 1 + len(self._sessions))

    def _message(self, kind: Kind, order: Order, order_id: int) -> Message:
        return Message(
            kind,
            side=order.side,
            ord_type=order.ord_type,
            tif=order.tif,
            symbol=self._index[order.symbol],
            session=self._session(order.owner),
            order_id=order_id,
            now_ns=self._now_ns,
            px=order.px if order.ord_type is OrdType.LIMIT else 0,
            qty=order.qty,
        )

    def _send(self, message: Message) -> list[Happening]:
        return [happening for event in self._exchange.send(message) for happening in self._happen(event)]

    def _happen(self, event: Event) -> list[Happening]:
        """What an event means for the orders in it; those of the house mean nothing."""
        order = self.orders.get(event.order_id)
        match event.kind:
            case EventKind.TRADE:
                for each, leaves in ((event.order_id, event.leaves_qty), (event.match_id, event.match_leaves_qty)):
                    if leaves == 0 and each in self._standing:
                        self._gone.append(self._standing.pop(each))
                resting = self.orders.get(event.match_id)
                return [
                    self._fill(each, event, leaves, maker)
                    for each, leaves, maker in (
                        (order, event.leaves_qty, False),
                        (resting, event.match_leaves_qty, True),
                    )
                    if each is not None
                ]
            case EventKind.ACCEPTED if order is not None:
                order.alive = True
                return [self._count(What.ACCEPTED, order)]
            case EventKind.REJECTED if order is not None:
                del self.orders[event.order_id]
                order.leaves = 0
                return [self._count(What.REJECTED, order, reason=Reason(event.reason))]
            case EventKind.CANCELED if order is not None:
                self._end(order)
                return [self._count(What.CANCELED, order, qty=event.qty, reason=Reason(event.reason))]
        return []

    def _fill(self, order: Order, event: Event, leaves: int, maker: bool) -> Happening:
        order.cum += event.qty
        order.leaves = leaves
        order.notional += event.qty * event.px
        self.executed_qty += event.qty
        self.positions[order.symbol] += event.qty if order.side is Side.BUY else -event.qty
        if leaves == 0:
            self._end(order)
        return self._count(What.TRADE, order, px=event.px, qty=event.qty, trade_id=event.trade_id, maker=maker)

    def _end(self, order: Order) -> None:
        order.alive = False
        order.leaves = 0
        self.orders.pop(order.order_id, None)

    def _count(
        self,
        what: What,
        order: Order,
        *,
        px: int = 0,
        qty: int = 0,
        trade_id: int = 0,
        reason: Reason = Reason.NONE,
        maker: bool = False,
    ) -> Happening:
        self.happened[what] += 1
        return Happening(what, order, px, qty, trade_id, reason, maker, order.leaves, order.cum, order.notional)

    # ---------------------------------------------------------------------------------------------------- standing liquidity

    def _house(self, order_id: int, symbol: int, side: Side, px: int, qty: int) -> list[Happening]:
        return self._send(
            Message(
                Kind.NEW,
                side=side,
                symbol=symbol,
                session=HOUSE,
                order_id=order_id,
                now_ns=self._now_ns,
                px=px,
                qty=qty,
            )
        )

    def _meet(self, order: Order) -> int:
        """An order of the house that fills this one whole at its own price; 0 where there is no price to do it at."""
        px = order.px if order.ord_type is OrdType.LIMIT else self.instruments[order.symbol].ref_px or 0
        if px <= 0:
            return 0
        order_id = self._take_id()
        self._house(order_id, self._index[order.symbol], Side(1 - order.side), px, order.qty)
        return order_id

    def _start_quotes(self) -> None:
        """Offers from the reference price up, bids from one tick below it down: at the reference price there is always an offer."""
        for index, row in enumerate(self.instruments.values()):
            if row.ref_px is None:
                continue
            ask = bid = row.ref_px
            for _ in range(LEVELS):
                bid -= row.tick_at(bid - 1)
                self._gone.append((index, Side.SELL, ask))
                if bid > 0:
                    self._gone.append((index, Side.BUY, bid))
                ask += row.tick_at(ask)
        self._refill()

    def _refill(self) -> list[Happening]:
        """Put back every standing order that is gone; it may trade at once with what rests there."""
        happenings: list[Happening] = []
        times: Counter[tuple[int, Side, int]] = Counter()
        while self._gone:
            place = self._gone.pop(0)
            order_id = self._take_id()
            self._standing[order_id] = place
            # Twice as much each time, so that no client's order can keep the venue busy with itself.
            happenings += self._house(order_id, *place, self.liquidity.quote_qty << min(times[place], 20))
            times[place] += 1
        return happenings
