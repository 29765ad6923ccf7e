"""The demo's strategy: sends an order flow through the client, listens to every report, and counts what it sent and was told."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

from gateway.client import Client, NotConnected, Order, Report
from simulators.flow import Intent, Kind

PACE_PER_S = 700  # below the firm's rate_per_s of examples/local.toml, so that what is denied is denied for what it is
FAT_FINGER_EVERY = 250  # so that the demo shows the risk checks: an order a thousand times too large
FAT_FINGER_QTY = 1_000_000
FINISH_S = 30.0  # for every order to become final once the flow is over
ASK_AGAIN_S = 2.0
RECONNECT_S = 30.0
ACCOUNT = "DEMO"


@dataclass
class Tally:
    """What the strategy sent and was told. Latencies in ns, by venue: from the call to the venue's first answer."""

    news: int = 0
    cancels: int = 0
    replaces: int = 0
    acks: int = 0
    fills: int = 0
    executed_qty: int = 0
    rejected: int = 0
    canceled: int = 0
    unsent: int = 0
    """Canceled before they were sent to a venue."""
    denied: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    """Cancels and replaces that came too late or were not allowed."""
    in_doubt: int = 0
    """Orders that were IN_DOUBT at least once."""
    not_final: int = 0
    positions: Counter[str] = field(default_factory=Counter)
    latencies: dict[str, list[int]] = field(default_factory=dict)

    @property
    def denied_orders(self) -> int:
        return self.denied.total()


def fat_fingers(intents: Iterable[Intent]) -> Iterator[Intent]:
    """The intents, every 250th new order far too large."""
    news = 0
    for intent in intents:
        news += intent.kind is Kind.NEW
        fat = intent.kind is Kind.NEW and news % FAT_FINGER_EVERY == 0
        yield replace(intent, qty=FAT_FINGER_QTY) if fat else intent


class Strategy:
    """Runs one flow over one client. A second thread takes the reports, so that their times are true."""

    def __init__(self, client: Client, clock_ns: Callable[[], int] = time.perf_counter_ns, pace_per_s: int = PACE_PER_S) -> None:
        self.tally = Tally()
        self._client = client
        self._clock_ns = clock_ns
        self._interval_s = 1 / pace_per_s
        self._orders: dict[int, Order] = {}  # by the ids of intents
        self._sent_ns: dict[int, int] = {}  # by the ids of orders
        self._answered_ns: dict[int, tuple[int, str]] = {}
        self._acked: set[int] = set()
        self._doubted: set[int] = set()
        self._done = threading.Event()
        self._failure: BaseException | None = None

    def run(self, intents: Iterable[Intent], progress: Callable[[Tally], None] = lambda tally: None) -> Tally:
        """Send everything, cancel what rests, wait until every order is final. Raises: ConnectionLost."""
        listener = threading.Thread(target=self._listen, name="demo-listener")
        listener.start()
        try:
            due = time.monotonic()
            for number, intent in enumerate(intents):
                due = max(due + self._interval_s, time.monotonic() - 0.05)
                if (ahead := due - time.monotonic()) > 0:
                    time.sleep(ahead)
                self._patiently(intent)
                if number % 50 == 0:
                    progress(self.tally)
            self._finish(progress)
        finally:
            self._done.set()
            listener.join()
        if self._failure is not None:
            raise self._failure
        self.tally.not_final = sum(not order.is_final for order in self._orders.values())
        for id, (answered_ns, venue) in self._answered_ns.items():
            if id in self._sent_ns:
                self.tally.latencies.setdefault(venue, []).append(answered_ns - self._sent_ns[id])
        progress(self.tally)
        return self.tally

    def _patiently(self, intent: Intent) -> None:
        """Send `intent`; while the session is being got back, wait for it."""
        deadline = time.monotonic() + RECONNECT_S
        while True:
            try:
                return self._send(intent)
            except NotConnected:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    def _send(self, intent: Intent) -> None:
        if intent.kind is Kind.NEW:
            sent_ns = self._clock_ns()
            order = self._client.new_order(
                intent.symbol, intent.side.value, intent.qty, (intent.px, intent.px_exp), venue=intent.venue, account=ACCOUNT,
                time_in_force="ioc" if intent.ioc else "day",
            )  # fmt: skip
            self._sent_ns[order.cl_ord_num] = sent_ns
            self._orders[intent.id] = order
            self.tally.news += 1
            return
        target = self._orders.get(intent.target)
        if target is None or target.is_final:
            return  # a strategy that reads its reports does not cancel what is gone; what is gone meanwhile is refused
        if intent.kind is Kind.CANCEL:
            target.cancel()
            self.tally.cancels += 1
        else:
            target.replace(price=(intent.px, intent.px_exp), qty=intent.qty)
            self._orders[intent.id] = target
            self.tally.replaces += 1

    def _finish(self, progress: Callable[[Tally], None]) -> None:
        """Cancel what rests, and again what does not answer, until nothing is open or the time is over."""
        deadline = time.monotonic() + FINISH_S
        ask_at = 0.0
        while (now := time.monotonic()) < deadline and self._failure is None:
            rest = [order for order in self._orders.values() if not order.is_final]
            if not rest:
                return
            if now >= ask_at:
                try:
                    if ask_at == 0:
                        self._client.mass_cancel()
                    else:
                        for order in set(rest):
                            order.cancel()
                            self.tally.cancels += 1
                except NotConnected:
                    pass  # it is being got back; asked again below
                ask_at = now + ASK_AGAIN_S
            progress(self.tally)
            time.sleep(0.02)

    def _listen(self) -> None:
        try:
            while not self._done.is_set():
                for report in self._client.reports(timeout_s=0.1):
                    self._count(report, self._clock_ns())
            for report in self._client.reports(timeout_s=0):
                self._count(report, self._clock_ns())
        except BaseException as error:  # told to the sending thread, which raises it
            self._failure = error

    def _count(self, report: Report, now_ns: int) -> None:
        tally, id = self.tally, report.cl_ord_num
        status = report.status
        if report.refuses_request:
            tally.refused[f"{status.lower()}: {report.reason_text}"] += 1
            return
        if status == "DENIED":
            tally.denied[f"{report.reason} {report.control}" if report.control else str(report.reason)] += 1
            return
        if status == "IN_DOUBT":
            self._doubted.add(id)
            tally.in_doubt = len(self._doubted)
            return
        if report.exec_type in ("new", "trade", "rejected") and id not in self._answered_ns:
            self._answered_ns[id] = (now_ns, report.venue or "?")
        match report.exec_type:
            case "new":
                tally.acks += 1
                self._acked.add(id)
            case "trade":
                quantity = int(report.last_qty or 0)
                tally.fills += 1
                tally.executed_qty += quantity
                tally.positions[str(report.symbol)] += quantity if report.side == "buy" else -quantity
            case "replaced":
                self._acked.add(id)
            case "rejected":
                tally.rejected += 1
            case "canceled":
                tally.canceled += 1
                if not {id, report.orig_cl_ord_num} & self._acked:
                    tally.unsent += 1
