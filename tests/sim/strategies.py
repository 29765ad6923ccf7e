"""Strategies that trade through the gateway: one on the order API's sans-I/O core, one on a FIX session of the pure-Python rim.

Each keeps its own book from what it is told and from nothing else, so that the book can be held against the venues' at the end.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.client.core import ApiSession, Key, Lost
from gateway.client.orders import Orders, OrderState, following, new_order, replacing
from gateway.client.report import Report
from gateway.decimals import to_text
from gateway.sessions.actions import NEVER, Message, Reconciled, Told
from gateway.sessions.fix import FixConfig, FixSession, Role, State
from gateway.sessions.fix_rim import FixRim
from gateway.sessions.fix_wire import utc_timestamp

FINAL = frozenset({"FILLED", "CANCELED", "EXPIRED", "REJECTED", "DENIED", "DONE_FOR_DAY"})
PX_EXP = -4
STATUSES = {"0": "NEW", "1": "PARTIALLY_FILLED", "2": "FILLED", "4": "CANCELED", "8": "REJECTED", "C": "EXPIRED", "3": "DONE_FOR_DAY",
            "A": "PENDING_NEW", "6": "PENDING_CANCEL", "E": "PENDING_REPLACE"}  # fmt: skip


@dataclass(slots=True)
class Wish:
    """A new order as a strategy wants it. `qty` is never used twice in a run, so that the venue's copy is known again by it."""

    root: int
    """The quantity of the new order: its name over its whole life."""
    symbol: str
    buy: bool
    px: int
    ioc: bool
    venue: str


@dataclass(slots=True)
class Booked:
    """An order as its strategy knows it."""

    wish: Wish
    id: int
    status: str = "PENDING_NEW"
    cum: int = 0
    leaves: int = 0
    qty: int = 0
    px: int = 0
    live_id: str = ""
    told: list[str] = field(default_factory=list)
    """Every status it was told, in order."""

    @property
    def final(self) -> bool:
        return self.status in FINAL


@dataclass(frozen=True, slots=True)
class Trade:
    """One execution as a strategy was told of it."""

    root: int
    exec_id: str
    qty: int
    px: int


class Strategy(ABC):
    """What the world needs of a strategy, which is also a peer of a cable. `closing`: it wants its socket closed."""

    name: str
    door: str

    def __init__(self) -> None:
        self.books: dict[int, Booked] = {}  # by root
        self.trades: list[Trade] = []
        self.up = False
        self.closing = False

    @property
    def open(self) -> list[Booked]:
        return [book for book in self.books.values() if not book.final]

    def gone(self, now_ns: int) -> None:
        """The socket is gone."""
        self.up = self.closing = False

    @property
    @abstractmethod
    def ready(self) -> bool:
        """Requests may be made."""

    @property
    @abstractmethod
    def deadline_ns(self) -> int: ...

    @abstractmethod
    def connected(self, now_ns: int) -> None: ...

    @abstractmethod
    def take_out(self, now_ns: int) -> bytes: ...

    @abstractmethod
    def receive(self, data: bytes, now_ns: int) -> None: ...

    @abstractmethod
    def tick(self, now_ns: int) -> None: ...

    @abstractmethod
    def new(self, wish: Wish, now_ns: int) -> None: ...

    @abstractmethod
    def cancel(self, book: Booked, now_ns: int) -> None: ...

    @abstractmethod
    def replace(self, book: Booked, qty: int, px: int, now_ns: int) -> None: ...

    @abstractmethod
    def status(self, book: Booked, now_ns: int) -> None: ...

    @abstractmethod
    def cancel_all(self, now_ns: int) -> None: ...


class ApiStrategy(Strategy):
    """On the order API."""

    door = "api"

    def __init__(self, name: str, key: bytes, account: str) -> None:
        super().__init__()
        self.name = name
        self.account = account
        self.session = ApiSession(Key(name, key))
        self.errors: list[object] = []
        self._orders: Orders[OrderState] = Orders(OrderState)
        self._states: dict[int, OrderState] = {}
        self._roots: dict[int, int] = {}  # id of any request → root

    @property
    def ready(self) -> bool:
        return self.session.state.name == "OPEN"

    @property
    def deadline_ns(self) -> int:
        return self.session.deadline_ns

    def connected(self, now_ns: int) -> None:
        self.up = True
        self.session.connected(now_ns)

    def gone(self, now_ns: int) -> None:
        super().gone(now_ns)
        self.session.disconnected()

    def take_out(self, now_ns: int) -> bytes:
        return self.session.take_output()

    def receive(self, data: bytes, now_ns: int) -> None:
        self._events(self.session.receive(data, now_ns))

    def tick(self, now_ns: int) -> None:
        if self.session.deadline_ns <= now_ns:
            self._events(self.session.tick(now_ns))

    def new(self, wish: Wish, now_ns: int) -> None:
        values = new_order(
            wish.symbol, "buy" if wish.buy else "sell", wish.root, to_text(wish.px, PX_EXP), None, None,
            {"venue": wish.venue, "account": self.account, "time_in_force": "ioc" if wish.ioc else "day"},
        )  # fmt: skip
        id = self.session.request("D", values, now_ns)
        state = self._orders.asked("D", id, values)
        assert state is not None, "a new order has a state"
        self._states[wish.root] = state
        self._roots[id] = wish.root
        self.books[wish.root] = Booked(wish, id, qty=wish.root, px=wish.px)

    def cancel(self, book: Booked, now_ns: int) -> None:
        self._ask("F", book, following(self._states[book.wish.root]), now_ns)

    def status(self, book: Booked, now_ns: int) -> None:
        self._ask("H", book, following(self._states[book.wish.root]), now_ns)

    def replace(self, book: Booked, qty: int, px: int, now_ns: int) -> None:
        self._ask("G", book, replacing(self._states[book.wish.root], to_text(px, PX_EXP), qty), now_ns)

    def cancel_all(self, now_ns: int) -> None:
        self.session.request("q", {}, now_ns)

    def _ask(self, kind: str, book: Booked, values: dict[str, object], now_ns: int) -> None:
        id = self.session.request(kind, values, now_ns)  # type: ignore[arg-type]
        self._orders.asked(kind, id, values, self._states[book.wish.root])  # type: ignore[arg-type]
        self._roots[id] = book.wish.root

    def _events(self, events: Sequence[object]) -> None:
        for event in events:
            if isinstance(event, Lost):
                assert event.again, f"{self.name}: {event.reason}"
                self.closing = True
                continue
            if isinstance(event, Report):
                self._heard(event)
            self._orders.take(event)  # type: ignore[arg-type]
            if type(event).__name__ == "Error":
                self.errors.append(event)
        while self._orders.backlog:
            report = self._orders.next_of_all()
            root = self._roots.get(report.cl_ord_num) or self._roots.get(report.orig_cl_ord_num or 0)
            if root is not None:
                self._show(root, report)

    def _heard(self, report: Report) -> None:
        if report.exec_type == "trade":
            root = self._roots.get(report.cl_ord_num)
            assert root is not None, f"{self.name}: a trade of an order it never sent: {report!r}"
            assert report.last_qty is not None and report.last_px is not None, f"{self.name}: a trade without quantity and price: {report!r}"
            self.trades.append(Trade(root, str(report.exec_id), int(report.last_qty), int(report.last_px.scaleb(-PX_EXP))))

    def _show(self, root: int, report: Report) -> None:
        book, state = self.books[root], self._states[root]
        book.status = state.status
        book.cum = int(state.cum_qty)
        book.leaves = int(state.leaves_qty or 0)
        book.qty = int(state.order_qty or 0)
        book.px = int(state.price.scaleb(-PX_EXP)) if state.price is not None else 0
        book.told.append(f"{report.seq}:{report!s}")


class FixStrategy(Strategy):
    """On FIX, with the pure-Python rim; it settles what a lost connection left open by asking for each order's status."""

    door = "fix"

    def __init__(self, comp_id: str, target: str, account: str, heart_bt_int_s: int) -> None:
        super().__init__()
        self.name = comp_id
        self.account = account
        config = FixConfig(comp_id, target, heart_bt_int_s=heart_bt_int_s, reconcile="each")
        self.rim = FixRim(FixSession(Role.INITIATOR, config))
        self._count = 0
        self._books: dict[str, Booked] = {}  # by every ClOrdID of the chain
        self._wanted: dict[str, tuple[int, int]] = {}  # a replace's ClOrdID → what it asked for

    @property
    def ready(self) -> bool:
        return self.rim.fix.state is State.OPEN

    @property
    def deadline_ns(self) -> int:
        return self.rim.deadline_ns if self.up else NEVER

    def connected(self, now_ns: int) -> None:
        self.up = True
        self.rim.attach(now_ns)

    def gone(self, now_ns: int) -> None:
        if self.up:
            self.rim.detach("gone", now_ns)
        super().gone(now_ns)

    def take_out(self, now_ns: int) -> bytes:
        return self.rim.take_out()

    def receive(self, data: bytes, now_ns: int) -> None:
        self.rim.feed(data, now_ns)
        self._after(now_ns)

    def tick(self, now_ns: int) -> None:
        if self.up:
            self.rim.tick(now_ns)
            self._after(now_ns)

    def new(self, wish: Wish, now_ns: int) -> None:
        book = Booked(wish, self._count + 1, qty=wish.root, px=wish.px)
        cl_ord_id = self._send("D", book, now_ns, (38, str(wish.root)), (44, to_text(wish.px, PX_EXP)), (59, "3" if wish.ioc else "0"))
        if cl_ord_id:
            book.live_id = cl_ord_id
            self.books[wish.root] = book

    def cancel(self, book: Booked, now_ns: int) -> None:
        self._send("F", book, now_ns, (41, book.live_id))

    def replace(self, book: Booked, qty: int, px: int, now_ns: int) -> None:
        self._send("G", book, now_ns, (41, book.live_id), (38, str(qty)), (44, to_text(px, PX_EXP)))

    def status(self, book: Booked, now_ns: int) -> None:
        self.rim.submit("H", ((11, book.live_id), (54, "1" if book.wish.buy else "2"), (55, book.wish.symbol)), now_ns)

    def cancel_all(self, now_ns: int) -> None:
        self._count += 1
        self.rim.submit("q", ((11, f"M{self._count}"), (60, utc_timestamp(now_ns)), (530, "7")), now_ns)

    def _send(self, type: str, book: Booked, now_ns: int, *extra: tuple[int, str]) -> str:
        self._count += 1
        cl_ord_id = f"{self.name}-{self._count}"
        wish = book.wish
        body = {
            11: cl_ord_id, 1: self.account, 54: "1" if wish.buy else "2", 55: wish.symbol, 60: utc_timestamp(now_ns), 40: "2", **dict(extra),
        }  # fmt: skip
        if type == "F":
            del body[40]
        if not self.rim.submit(type, tuple(sorted(body.items())), now_ns):
            return ""
        self._books[cl_ord_id] = book
        return cl_ord_id

    def _after(self, now_ns: int) -> None:
        for tell in self.rim.take_told():
            if tell.event is Told.STATUS_WANTED:
                for book in self.open:
                    self.status(book, now_ns)
                self.rim._give(Reconciled(), now_ns)
            # What the gateway's status answers say is given to a session's owner as odd: he asked for it himself.
        for message in self.rim.take_inbox():
            self._book(message)
        self.closing = self.rim.closing is not None

    def _book(self, message: Message) -> None:
        book = self._books.get(message.text(11)) or self._books.get(message.text(41))
        if message.type not in ("8", "9") or book is None:
            return
        book.told.append(f"{message.seq}:{message.type} " + "|".join(f"{tag}={message.text(tag)}" for tag in (11, 41, 150, 39, 14, 151, 58) if message.text(tag)))
        if message.type == "9":
            if book.status == "IN_DOUBT" and message.text(58) != "IN_DOUBT" and message.text(37) != "NONE":
                book.status = STATUSES[message.text(39)]
            return
        exec_type, status = message.text(150), message.text(39)
        if message.text(58) == "IN_DOUBT":
            book.status = "IN_DOUBT"
            return
        if exec_type == "I" and message.text(37) == "NONE":  # the gateway has never had it
            if book.status == "PENDING_NEW":
                book.status = "DENIED"
            return
        if exec_type == "F":
            self.trades.append(Trade(book.wish.root, message.text(17), int(message.text(32)), _px(message.text(31))))
        book.status = STATUSES[status]
        book.cum, book.leaves = int(message.text(14)), int(message.text(151))
        book.qty = int(message.text(38) or book.qty)
        if message.text(44):
            book.px = _px(message.text(44))
        if exec_type in "05FDI":
            book.live_id = message.text(11)


def _px(text: str) -> int:
    whole, _, part = text.partition(".")
    return int(whole) * 10_000 + int(part.ljust(4, "0")[:4] or 0)
