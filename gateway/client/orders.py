"""A strategy's orders without I/O: what it asks for as fields of the record, and what its reports make of each order."""

from collections import deque
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Generic, TypedDict, TypeVar
from weakref import WeakValueDictionary

from gateway.client import amounts
from gateway.client._records import ENUMS, ORDER, Value
from gateway.client.amounts import Amount
from gateway.client.core import Error, Event, Ready
from gateway.client.errors import ReportsDropped
from gateway.client.report import FINAL, FLAGS, PRICES, QUANTITIES, Report, local

BACKLOG_MAX = 65_536  # reports kept for a strategy that has not asked for them yet

ORDER_FIELDS = frozenset(name for name, *_ in ORDER.fields)
# What a request about an order takes over from it: everything but whose request it was, and when.
OF_ONE_REQUEST = frozenset({
    "has", "kind", "cl_ord_num", "orig_cl_ord_num", "token", "orig_token", "msg_seq_num", "sending_time", "transact_time", "px_exp", "qty_exp",
    "cl_ord_id", "orig_cl_ord_id", "firm", "strategy",
})  # fmt: skip

TIME_IN_FORCE_SHORT = {
    "gtc": "good_till_cancel", "ioc": "immediate_or_cancel", "fok": "fill_or_kill", "gtd": "good_till_date", "gtx": "good_till_crossing",
    "opg": "at_the_opening", "cls": "at_the_close",
}  # fmt: skip


class Options(TypedDict, total=False):
    """Further fields of a new order, under their FIX names; what a venue cannot say is DENIED, never dropped."""

    min_qty: Amount
    peg_offset: Amount
    expire_time: int
    """ns since the epoch, with time_in_force="good_till_date"."""
    expire_date: int
    """YYYYMMDD"""
    order_capacity: str
    position_effect: str
    self_match_id: int
    self_match_mode: str
    reduce_only: bool
    manual: bool
    locate_reqd: bool
    locate_broker: str
    display: bool
    """False: hidden."""
    intermarket_sweep: bool
    trader_id: str
    clearing_account: str
    clearing_firm: str
    mpid: str
    decision_algo_id: int
    execution_algo_id: int
    venue_options: Mapping[str, str]
    memo: str


def fields(given: Mapping[str, object]) -> dict[str, Value]:
    """The record's fields for `given` by FIX name, in one scale; None = not given.

    Raises: TypeError for a float price or quantity, ValueError for anything unknown; both say what to write.
    """
    values: dict[str, Value] = {}
    prices: dict[str, tuple[int, int]] = {}
    quantities: dict[str, tuple[int, int]] = {}
    for name, value in given.items():
        if value is None:
            continue
        if name not in ORDER_FIELDS:
            raise ValueError(f"{name} is no field of an order; the fields are {', '.join(sorted(ORDER_FIELDS - OF_ONE_REQUEST))}")
        if name in PRICES:
            prices[name] = amounts.parse(name, value)  # type: ignore[arg-type]  # parse tells what is no amount
        elif name in QUANTITIES:
            quantities[name] = amounts.parse("qty" if name == "order_qty" else name, value)  # type: ignore[arg-type]
        elif name in FLAGS:
            if not isinstance(value, bool):
                raise TypeError(f"{name}={value!r} must be True or False")
            values[name] = int(value)
        elif name in ENUMS:
            values[name] = word(name, value)
        elif name == "venue_options" and isinstance(value, Mapping):
            values[name] = " ".join(f"{key}={option}" for key, option in value.items())
        elif isinstance(value, str | int | bytes):
            values[name] = value
        else:
            raise TypeError(f"{name}={value!r} is a {type(value).__name__}; it must be text or a whole number")
    return values | _scaled(prices, quantities)


def _scaled(prices: Mapping[str, tuple[int, int]], quantities: Mapping[str, tuple[int, int]]) -> dict[str, Value]:
    """Prices and quantities of a record, each kind in one scale, and the scales."""
    values: dict[str, Value] = {}
    for exponent, scaled in (("px_exp", prices), ("qty_exp", quantities)):
        if scaled:
            values[exponent], mantissas = amounts.in_one_scale(scaled)
            values.update(mantissas)
    return values


def word(enum: str, value: object) -> Value:
    """The record's value of an enumeration's word. Raises: ValueError with the words there are."""
    known = ENUMS[enum]
    text = value.lower() if isinstance(value, str) else value
    if enum == "time_in_force" and isinstance(text, str):
        text = TIME_IN_FORCE_SHORT.get(text, text)
    if not isinstance(text, str) or text not in known:
        raise ValueError(f"{enum}={value!r} is not known; write one of {', '.join(known)}")
    return known[text]


def new_order(
    symbol: str, side: str, qty: Amount, price: Amount | None, ord_type: str | None, stop_px: Amount | None, given: Mapping[str, object]
) -> dict[str, Value]:
    """The fields of a new order; without `ord_type` a price makes it limit, a stop price a stop, neither market."""
    kinds = {(True, False): "limit", (False, False): "market", (True, True): "stop_limit", (False, True): "stop"}
    ord_type = ord_type or kinds[price is not None, stop_px is not None]
    values = fields({**given, "symbol": symbol, "side": side, "order_qty": qty, "price": price, "stop_px": stop_px, "ord_type": ord_type})
    if int(values["order_qty"]) <= 0:
        raise ValueError(f"qty={qty!r} must be above zero")
    return values


class OrderState:
    """One order as its reports tell it. Quantities and prices are Decimal."""

    def __init__(self, id: int, values: Mapping[str, Value]) -> None:
        asked = Report(values, 0)
        self.cl_ord_num = id
        """The id it was sent under."""
        self.values = dict(values)
        self.symbol = str(values.get("symbol", ""))
        self.side = str(asked.side)
        self.venue = asked.venue
        self.account = asked.account
        self.price: Decimal | None = asked.price
        self.order_qty: Decimal | None = asked.order_qty
        self.cum_qty = Decimal(0)
        self.leaves_qty: Decimal | None = asked.order_qty
        self.avg_px: Decimal | None = None
        self.status = "PENDING_NEW"
        """PENDING_NEW, NEW, PARTIALLY_FILLED, FILLED, CANCELED, EXPIRED, REJECTED (by the venue), DENIED (never sent), IN_DOUBT …"""
        self.last_report: Report | None = None
        self.unread: deque[Report] = deque()
        """Reports that its owner has not asked for yet."""
        self.live_id = id
        """The id that a cancel or replace must name: that of the last accepted request of the chain."""

    @property
    def is_final(self) -> bool:
        """True if nothing of it can trade any more."""
        return self.status in FINAL

    def apply(self, report: Report) -> None:
        """Take over what `report` says; a refused cancel or replace changes nothing but that it may end a doubt."""
        self.last_report = report
        if report.refuses_request:
            if self.status == "IN_DOUBT" and report.ord_status and not report.in_doubt:  # the refusal was what was in doubt
                self.status = str(report.ord_status).upper()
            return
        self.status = report.status
        if report.exec_type in ("new", "replaced", "trade", "restated", "order_status") and report.seq:
            self.live_id = report.cl_ord_num
        self.venue = report.venue or self.venue
        for name in ("price", "order_qty", "cum_qty", "leaves_qty", "avg_px"):
            value = getattr(report, name)
            if value is not None:
                setattr(self, name, value)

    def __repr__(self) -> str:
        price = f" @ {self.price:f}" if self.price is not None else ""
        quantity = "?" if self.order_qty is None else f"{self.order_qty:f}"
        return f"<Order {self.cl_ord_num} {self.side} {quantity} {self.symbol}{price}: {self.last_report or self.status}>"


class AskedOrder(OrderState):
    """An order, and what can be asked about it.

    ask: sends a request about it, of a kind ("F", "G", "H") with these fields. Raises: NotConnected, ConnectionLost.
    """

    def __init__(self, id: int, values: Mapping[str, Value], ask: Callable[[str, Mapping[str, Value]], object]) -> None:
        super().__init__(id, values)
        self._ask = ask

    def cancel(self) -> None:
        """Ask for its cancel; the answer is a report: CANCELED, CANCEL_REJECTED, or FILLED where that came first."""
        self._ask("F", following(self))

    def replace(self, *, price: Amount | None = None, qty: Amount | None = None) -> None:
        """Ask for a new price, a new total quantity (what is filled already counts), or both; a report gives the answer."""
        self._ask("G", replacing(self, price, qty))

    def request_status(self) -> None:
        """Ask what the venue holds; the answer is a report."""
        self._ask("H", following(self))


def following(order: OrderState) -> dict[str, Value]:
    """The fields of a cancel or status request for `order`."""
    kept: dict[str, Value] = {name: order.values[name] for name in ("symbol", "side", "venue", "account") if name in order.values}
    return {**kept, "orig_cl_ord_num": order.live_id}


def replacing(order: OrderState, price: Amount | None, qty: Amount | None) -> dict[str, Value]:
    """The fields of a replace of `order`: all it is, with the new price or total quantity.

    Raises: TypeError, ValueError, as for a new order.
    """
    if price is None and qty is None:
        raise ValueError('a replace changes something; give price="187.30", qty=50, or both')
    new: dict[str, Amount | None] = {
        "price": price if price is not None else order.price,
        "order_qty": qty if qty is not None else order.order_qty,
    }
    old = {name: value for name, value in order.values.items() if name in ORDER_FIELDS - OF_ONE_REQUEST - new.keys()}
    amount = {name: (int(old.pop(name)), int(order.values[exp])) for names, exp in ((PRICES, "px_exp"), (QUANTITIES, "qty_exp")) for name in names & old.keys()}
    return old | fields({**amount, **new}) | {"orig_cl_ord_num": order.live_id}


O = TypeVar("O", bound=OrderState)


class Orders(Generic[O]):
    """All orders of a strategy by the ids of their requests.

    Open orders are kept here. A final one lives as long as its owner holds it, and hears of later reports about it (a busted trade)
    until then, so that a strategy that runs for ever does not grow for ever.
    """

    def __init__(self, make: Callable[[int, Mapping[str, Value]], O]) -> None:
        self._make = make
        self._open: dict[int, O] = {}
        self._final: WeakValueDictionary[int, O] = WeakValueDictionary()
        self._ids: dict[int, list[int]] = {}  # first id of an open order → the ids of its requests
        self.backlog: deque[Report] = deque()
        """Every report that its owner has not asked for yet."""
        self._dropped = self._dropped_from = 0
        self._unanswered: dict[int, tuple[str, Mapping[str, Value], O | None]] = {}

    @property
    def open(self) -> tuple[O, ...]:
        """Every order that is not final, oldest first."""
        return tuple(dict.fromkeys(self._open.values()))

    def find(self, id: int) -> O | None:
        """The order that request `id` was about."""
        return self._open.get(id) or self._final.get(id)

    def asked(self, kind: str, id: int, values: Mapping[str, Value], order: O | None = None) -> O | None:
        """Note that request `id` was sent; a new order ("D") is made and returned."""
        if kind == "D":
            order = self._make(id, values)
        self._unanswered[id] = (kind, values, order)
        if order is not None:
            self._open[id] = order
            self._ids.setdefault(order.cl_ord_num, []).append(id)
        return order

    def take(self, event: Event) -> None:
        """Book what `event` says: the reports it means for this strategy are then unread, at their orders and in the backlog."""
        match event:
            case Report():
                self._book(event)
            case Error(ref_seq, text) if ref_seq in self._unanswered:
                self._refused(ref_seq, "malformed", text)
            case Ready(_, last_id, restarted):
                for id in sorted(id for id in self._unanswered if id > last_id):
                    self._never_arrived(id, restarted)

    def next_of_all(self) -> Report:
        """Take the oldest report of the backlog. Raises: ReportsDropped, once, when older ones had to go."""
        if self._dropped:
            dropped, self._dropped = self._dropped, 0
            raise ReportsDropped(f"{dropped} reports were dropped unread; to have them, connect with next_seq={self._dropped_from}")
        return self.backlog.popleft()

    def _tell(self, report: Report, order: O | None) -> None:
        if order is not None:
            order.unread.append(report)
        self.backlog.append(report)
        if len(self.backlog) > BACKLOG_MAX:
            oldest = self.backlog.popleft()
            self._dropped_from = self._dropped_from if self._dropped else oldest.seq
            self._dropped += 1

    def _book(self, report: Report) -> None:
        self._unanswered.pop(report.cl_ord_num, None)
        order = self.find(report.cl_ord_num) or self.find(report.orig_cl_ord_num or 0)
        if order is None and report.symbol is not None and report.kind not in ("cancel_reject", "mass_cancel_report"):
            # An order of this strategy that this process did not send: from before it began.
            order = self._make(report.cl_ord_num, report.values)
            self._open[report.cl_ord_num] = order
            self._ids[order.cl_ord_num] = [report.cl_ord_num]
        if order is not None:
            order.apply(report)
            if order.is_final:
                for id in self._ids.pop(order.cl_ord_num, ()):
                    self._open.pop(id, None)
                    self._final[id] = order
        self._tell(report, order)

    def _refused(self, id: int, reason: str, text: str) -> None:
        kind, values, _ = self._unanswered[id]
        self._book(local({**values, "kind": kind}, id, "denied", reason, text))

    def _never_arrived(self, id: int, restarted: bool) -> None:
        """The gateway does not have request `id`. The same process never got it; another one may have lost it with its disk.

        It remembers the ids of orders and replaces only; a cancel above its last id may have arrived, which is told as it is.
        """
        kind, values, _ = self._unanswered[id]
        if kind == "D" and restarted:
            self._book(local({**values, "kind": kind}, id, "in_doubt", "restart", "the gateway restarted and does not know this order"))
        elif kind in ("D", "G"):
            self._refused(id, "connection_closed", "the connection was lost before the gateway had it")
        else:
            self._refused(id, "connection_closed", "the connection was lost; perhaps the gateway never had this")
