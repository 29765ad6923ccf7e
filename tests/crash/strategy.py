"""A strategy at the order API, in memory: it acts when its reports allow it, comes back when its connection is lost, and forgets nothing."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway.client.core import ApiSession, Key, Lost, Ready, State
from gateway.client.orders import Orders, OrderState, following, new_order, replacing
from gateway.client.report import Report
from gateway.control.inputs import Accepted

if TYPE_CHECKING:
    from tests.crash.world import CrashWorld

MILLI = 1_000_000
RETRY_NS = 200 * MILLI
SOCKET = 1000  # what its socket is called where the gateway accepts it
TOLD_AGAIN = frozenset({"in_doubt", "order_status"})  # what may be said of an order any number of times


@dataclass
class Act:
    """One thing the strategy wants. `do` is done where `when` is true, again where it was refused, and no more when `done` is true."""

    when: Callable[["Strategy"], bool]
    do: Callable[["Strategy"], None]
    done: Callable[["Strategy"], bool]


@dataclass
class Strategy:
    """`orders_by` names its orders. Its process lives on while the gateway dies: ids rise, the stream goes on where it stopped."""

    world: "CrashWorld"
    name: str
    key: bytes
    acts: list[Act]
    session: ApiSession = field(init=False)
    orders: Orders[OrderState] = field(init=False)
    by_name: dict[str, OrderState] = field(init=False, default_factory=dict)
    conn: int = field(init=False, default=0)
    dropped: bool = field(init=False, default=False)
    faults: list[str] = field(init=False, default_factory=list)
    """What it saw that no strategy may see."""
    finals: Counter[int] = field(init=False, default_factory=Counter)
    """Final reports by the id of the order's first request."""
    restarts: int = field(init=False, default=0)
    began_anew: int = field(init=False, default=0)
    hung_up: int = field(init=False, default=0)
    _done: int = field(init=False, default=0)
    _connect_at_ns: int = field(init=False, default=0)
    _again_ns: dict[int, int] = field(init=False, default_factory=dict)
    _number: int = field(init=False, default=0)
    _seen: dict[int, tuple[object, ...]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.session = ApiSession(Key(self.name, self.key), first_id=1, next_seq=1)
        self.orders = Orders(OrderState)

    # ---------------------------------------------------------------------------------------------------------- requests

    def new(self, name: str, symbol: str, side: str, qty: int, price: str, venue: str) -> None:
        """A new limit order, kept under `name`."""
        values = new_order(symbol, side, qty, price, None, None, {"venue": venue, "account": "ACC"})
        id = self.session.request("D", values, self.world.now_ns)
        order = self.orders.asked("D", id, values)
        assert order is not None
        self.by_name[name] = order

    def cancel(self, name: str) -> None:
        order = self.by_name[name]
        values = following(order)
        self.orders.asked("F", self.session.request("F", values, self.world.now_ns), values, order)

    def replace(self, name: str, price: str, qty: int) -> None:
        order = self.by_name[name]
        values = replacing(order, price, qty)
        self.orders.asked("G", self.session.request("G", values, self.world.now_ns), values, order)

    @property
    def idle(self) -> bool:
        """Everything was done that there was to do."""
        return self._done == len(self.acts)

    # -------------------------------------------------------------------------------------------------------- the carrying

    def carry(self) -> int:
        """Move bytes, act; 1 if anything happened."""
        busy = self._carry()
        self.world.moves += busy
        return busy

    def _carry(self) -> int:
        world, busy = self.world, 0
        if self.session.state is State.DOWN and self.conn == 0:
            if world.now_ns < self._connect_at_ns:
                return 0
            self._connect()
            return 1
        if self.conn in world.core.places and (moved := world.lane.moved_to(self.conn)):
            self.conn = moved
        if data := world.lane.out(self.conn):
            busy = 1
            self.hear(data)
        if self.session.state is not State.DOWN:
            for event in self.session.tick(world.now_ns):
                self._event(event)
        if self.session.state is State.OPEN:
            busy |= self._act()
        if self.conn and (not world.lane.is_open(self.conn) or self.dropped):
            self.lose()
            return 1
        if self.conn and (out := self.session.take_output()):
            world.lane.feed(self.conn, out)
            busy = 1
        return busy

    def _connect(self) -> None:
        world = self.world
        self._number += 1
        self.dropped = False
        world.give(Accepted("api", SOCKET, f"test:{self._number}"))
        self.conn = next((place.conn for place in world.core.places.values() if place.peer == f"test:{self._number}"), 0)
        if not self.conn:
            self.lose()
            return
        self.session.connected(world.now_ns)

    def hear(self, data: bytes) -> None:
        """Bytes of the gateway."""
        for event in self.session.receive(data, self.world.now_ns):
            self._event(event)

    def lose(self) -> None:
        """The connection is gone."""
        if self.session.state is not State.DOWN:
            self.session.disconnected()
        self.conn = 0
        self.dropped = False
        self._connect_at_ns = self.world.now_ns + RETRY_NS

    def hang_up(self) -> None:
        """Close it ourselves."""
        self.hung_up += 1
        self.world.lane.close(self.conn)
        self.lose()

    def _act(self) -> int:
        count = self._done
        while self._done < len(self.acts):
            act = self.acts[self._done]
            if act.done(self):
                self._done += 1
                continue
            if self.session.state is not State.OPEN or self.orders._unanswered or not act.when(self):
                break
            if self.world.now_ns < self._again_ns.get(self._done, 0):
                break  # refused a moment ago
            self._again_ns[self._done] = self.world.now_ns + RETRY_NS
            act.do(self)
            return 1
        return int(self._done > count)

    def forgotten(self, order: OrderState) -> bool:
        """A lost tail took the order's acceptance: the gateway cannot know of it."""
        return self.world.witness.excused and all(view.cl_ord_num != order.cl_ord_num for view in self.world.lane.orders(with_final=True))

    def _event(self, event: object) -> None:
        match event:
            case Report():
                self._check(event)
                self.orders.take(event)
            case Ready():
                self.restarts += event.restarted
                self.orders.take(event)
            case Lost(reason=reason, again=again):
                anew = not again or "beyond the stream" in reason
                if anew and self.world.level != "async":
                    self.faults.append(f"the stream is not what it was, though nothing may be told at {self.world.level} that is not durable: {reason}")
                if anew:  # a tail of the journal is lost: what follows is another stream
                    self._begin_anew()
                self.lose()
            case _:
                self.faults.append(f"the gateway answers {event}")

    def _begin_anew(self) -> None:
        old, self.session = self.session, ApiSession(self.session.key, first_id=self.session.last_id + 1, next_seq=1)
        self.session.last_id, self.session._epoch = old.last_id, old._epoch
        self.began_anew += 1
        self._seen = {}

    def _check(self, report: Report) -> None:
        what = (report.cl_ord_num, report.exec_type, report.ord_status, report.cum_qty, report.last_qty, report.reason)
        if report.seq and self._seen.setdefault(report.seq, what) != what:
            self.faults.append(f"report {report.seq} was {self._seen[report.seq]} and is {what}")
        order = self.orders.find(report.cl_ord_num) or self.orders.find(report.orig_cl_ord_num or 0)
        if order is None or report.refuses_request:
            return
        if report.is_final and report.exec_type not in TOLD_AGAIN:
            self.finals[order.cl_ord_num] += 1


def status(name: str, *statuses: str) -> Callable[[Strategy], bool]:
    """True while the order `name` has one of these."""
    return lambda strategy: name in strategy.by_name and strategy.by_name[name].status in statuses


def over(name: str) -> Callable[[Strategy], bool]:
    """True when the order `name` is final, or was never sent."""
    return lambda strategy: name in strategy.by_name and (strategy.by_name[name].is_final or strategy.forgotten(strategy.by_name[name]))
