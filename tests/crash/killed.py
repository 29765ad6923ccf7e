"""A real gateway, killed again and again under load: sockets on loopback, files on disk, SIGKILL at moments that nobody chose.

A strategy trades at both venues without a pause and comes back each time. Some deaths come while the gateway is still starting on what the
last one left. At the end everybody must agree, order by order: what the strategy was told, what the venues have received and done (counted
before any de-duplication), what the gateway holds; and the journal of all these lives must decide everything again as it was.
"""

import json
import os
import socket
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

import trio

from gateway import admin
from gateway.client import NotConnected
from gateway.client.core import Key
from gateway.client.trio_client import AsyncClient, AsyncOrder
from gateway.journal.journal import ring_path
from gateway.seams import SeededRng, SystemClock
from gateway.sessions.actions import Message
from gateway.tools.ask import ask
from gateway.tools.replay import SAME, replay
from simulators.host import Host
from simulators.market import Happening, What
from simulators.venue import Options, Venue
from tests.control.process import GATEWAY
from tests.simulators.stand import INSTRUMENTS, fix_venue, ouch_venue

ENVIRONMENT = {**os.environ, "KILLED_PASSWORD": "secret", "PORTCULLIS_BUILD": ""}
BOUND_S = 120  # of whatever is waited for; two starts on a busy machine may take longer than a client's patience
OPEN_MAX = 12  # orders that the strategy has open at once
ENGINE_NS = 5_000_000  # the venues' engines: slow enough that some of every death's orders are under way
SECRET = bytes(range(32))
TRADES = {"generic_fix44": ("IBM", "191.35", "150.00"), "nasdaq": ("AAPL", "187.25", "150.00")}
CONFIG = """
name = "killed"
state_dir = "state"
[tables]
orders = 8192
connections = 8
[journal]
ring_mib = 4
segment_mib = 4
[doors.api]
protocol = "order_api"
host = "127.0.0.1"
port = {door}
[sessions.nyfix]
venue = "generic_fix44"
port = {nyfix}
sender = "GW"
target = "VENUE"
retry_s = 0.05
[sessions.ouch]
venue = "nasdaq"
port = {ouch}
username = "DEMO01"
password = "env:KILLED_PASSWORD"
mpid = "DEMO"
retry_s = 0.05
[strategies.STRAT]
key_file = "strat.key"
accounts = ["ACC"]
cancel_on_disconnect = false
[instruments]
file = "{instruments}"
[limits.firm]
order_qty = 1_000_000
notional = 500_000_000
collar_bps = 5_000
position = 100_000_000
open_orders = 1_000
rate_per_s = 100_000
"""


@dataclass
class Heard:
    """What the venues have received and done: by quantity, which no two orders of the strategy share."""

    news: Counter[int] = field(default_factory=Counter)
    executions: Counter[int] = field(default_factory=Counter)
    executed: Counter[int] = field(default_factory=Counter)

    def at(self, venue: Venue) -> None:
        """Listen on both sides of the venue's engine."""
        request, say = venue.request, venue.say

        def heard(owner: str, message: Message, now_ns: int) -> None:
            if message.type in ("D", "EnterOrder"):
                self.news[int(message.text(38)) if message.type == "D" else message.number("quantity") or 0] += 1
            request(owner, message, now_ns)

        def said(happening: Happening, asked: Message | None, now_ns: int) -> None:
            if happening.what is What.TRADE:
                self.executions[happening.order.qty] += 1
                self.executed[happening.order.qty] += happening.qty
            say(happening, asked, now_ns)

        venue.request, venue.say = heard, said  # type: ignore[method-assign]


class Gateway:
    """The gateway's process, if one lives."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._log = file.with_suffix(".log")
        self._process: subprocess.Popen[bytes] | None = None
        self.start_s = 0.5
        """How long the last start took."""

    def launch(self) -> None:
        """A process that begins to start."""
        with self._log.open("wb") as log:
            self._process = subprocess.Popen([GATEWAY, "run", str(self._file)], stdout=subprocess.PIPE, stderr=log, env=ENVIRONMENT)

    async def start(self) -> None:
        """A process whose doors are open."""
        begun = trio.current_time()
        self.launch()
        with trio.fail_after(BOUND_S):
            await trio.to_thread.run_sync(self._wait, abandon_on_cancel=True)
        self.start_s = trio.current_time() - begun

    def _wait(self) -> None:
        assert self._process is not None and self._process.stdout is not None
        for line in self._process.stdout:
            if line == b"ready\n":
                return
        raise AssertionError(f"the gateway ended with {self._process.wait()}: {self._log.read_text()}")

    def kill(self) -> None:
        """SIGKILL, to this process and no other."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None


class Trader:
    """Trades as long as `trading`: orders that fill at once, and orders that rest until they are replaced or cancelled."""

    def __init__(self, rng: SeededRng) -> None:
        self.orders: list[AsyncOrder] = []
        self.trading = True
        self.reports = 0
        self._rng = rng

    async def trade(self, gateway: AsyncClient) -> None:
        while self.trading or gateway.open_orders:
            try:
                self._once(gateway)
            except NotConnected:
                pass
            await trio.sleep(0.002)

    def _once(self, gateway: AsyncClient) -> None:
        rng, open_orders = self._rng, gateway.open_orders
        if self.trading and len(open_orders) < OPEN_MAX:
            venue = ("generic_fix44", "nasdaq")[rng.below(2)]
            symbol, near, far = TRADES[venue]
            quantity = len(self.orders) + 1
            self.orders.append(gateway.new_order(symbol, "buy", quantity, near if rng.below(2) else far, venue=venue, account="ACC"))
        elif open_orders and rng.below(4) == 0:
            order = open_orders[rng.below(len(open_orders))]
            if order.status not in ("NEW", "REPLACED", "PARTIALLY_FILLED"):
                return
            if self.trading and rng.below(3) == 0:
                order.replace(price=TRADES[str(order.venue)][1 + rng.below(2)])
            else:
                order.cancel()

    async def listen(self, gateway: AsyncClient) -> None:
        async for _ in gateway.reports():
            self.reports += 1


async def killed(folder: Path, kills: int, seed: int) -> tuple[str, list[str]]:
    """Kill a gateway `kills` times. What was done, in words, and everything that does not agree."""
    try:
        with patch("gateway.client.trio_client.RECONNECT_S", BOUND_S):
            return await _killed(folder, kills, seed)
    finally:
        ring_path(folder / "state").unlink(missing_ok=True)


async def _killed(folder: Path, kills: int, seed: int) -> tuple[str, list[str]]:
    rng = SeededRng(seed)
    heard = Heard()
    options = Options(engine_delay_ns=ENGINE_NS)
    venues: dict[str, Venue] = {"nyfix": fix_venue(options, quote_qty=1_000), "ouch": ouch_venue(options, quote_qty=1_000)}
    (folder / "strat.key").write_text("STRAT:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        door = free.getsockname()[1]
    file = folder / "killed.toml"
    trader = Trader(rng)
    faults: list[str] = []
    early, begun = 0, trio.current_time()
    async with trio.open_nursery() as nursery:
        ports = {}
        for name, venue in venues.items():
            heard.at(venue)
            ports[name] = await nursery.start(Host(venue, SystemClock()).serve, "127.0.0.1", 0)
        file.write_text(CONFIG.format(door=door, instruments=INSTRUMENTS, **ports))
        process = Gateway(file)
        try:
            await process.start()
            async with AsyncClient.connect(f"127.0.0.1:{door}", key=Key("STRAT", SECRET)) as gateway, trio.open_nursery() as tasks:
                tasks.start_soon(trader.trade, gateway)
                tasks.start_soon(trader.listen, gateway)
                for number in range(kills):
                    if rng.below(4) or number == 0:
                        await _some_reports(trader, 1 + rng.below(25))
                    else:  # the last start is not done yet
                        process.kill()
                        process.launch()
                        await trio.sleep(process.start_s * rng.below(1000) / 1000)
                        early += 1
                    process.kill()
                    await process.start()
                trader.trading = False
                with trio.move_on_after(BOUND_S):
                    while gateway.open_orders:
                        await trio.sleep(0.01)
                faults += _differences(trader, heard, venues)
                faults += await _at_the_gateway(folder / "state", heard, venues)
                tasks.cancel_scope.cancel()
        finally:
            process.kill()
        nursery.cancel_scope.cancel()
    code, said = await trio.to_thread.run_sync(replay, folder / "state")
    if code != SAME:
        faults.append(f"the journal of all lives is not decided again as it was: {said}")
    outcomes = json.dumps(dict(sorted(Counter(order.status for order in trader.orders).items())))
    return (
        f"{kills} SIGKILLs, {early} of them of a gateway that was still starting; {len(trader.orders)} orders: {outcomes}; "
        f"{heard.executions.total()} executions, {trader.reports} reports, {said}; {trio.current_time() - begun:.0f} s"
    ), faults


async def _some_reports(trader: Trader, count: int) -> None:
    """Wait for so many more reports, or a while where none come."""
    until = trader.reports + count
    with trio.move_on_after(5):
        while trader.reports < until:
            await trio.sleep(0.001)


def _differences(trader: Trader, heard: Heard, venues: dict[str, Venue]) -> list[str]:
    """What the strategy was told, order by order, against what came to the venues and what they did."""
    faults = []
    alive = {order.qty for venue in venues.values() for order in venue.market.orders.values() if order.owner}
    for order in trader.orders:
        quantity = int(order.order_qty or 0)
        count = heard.news[quantity]
        if count > 1:
            faults.append(f"the order of {quantity} reached its venue twice: {count} times")
        if not order.is_final:
            faults.append(f"the order of {quantity} has no outcome: {order!r}")
        if order.status == "DENIED" and count:
            faults.append(f"the order of {quantity} is DENIED, and its venue has it: {order!r}")
        if order.status in ("FILLED", "CANCELED") and not count:
            faults.append(f"the order of {quantity} is {order.status}, and never reached its venue: {order!r}")
        if order.is_final and quantity in alive:
            faults.append(f"the order of {quantity} is {order.status}, and alive at its venue")
        if int(order.cum_qty) != heard.executed[quantity]:
            faults.append(f"of the order of {quantity} the strategy was told {order.cum_qty} executed, its venue executed {heard.executed[quantity]}")
    unknown = sorted(set(heard.news) - {int(order.order_qty or 0) for order in trader.orders})
    return faults + [f"venues have received orders of {unknown}, which nobody gave"] * bool(unknown)


async def _at_the_gateway(state: Path, heard: Heard, venues: dict[str, Venue]) -> list[str]:
    """What the gateway holds: its open orders, its executions and its positions, against the venues'."""
    orders = await trio.to_thread.run_sync(ask, state, admin.OrdersWanted(open_only=False, count=10_000))
    status = await trio.to_thread.run_sync(ask, state, admin.Status())
    positions = await trio.to_thread.run_sync(ask, state, admin.PositionsWanted())
    assert isinstance(orders, admin.OrdersResult) and isinstance(status, admin.StatusResult) and isinstance(positions, admin.PositionsResult)
    faults = [f"the gateway has an order that is open: {view}" for view in orders.orders if int(view.leaves_qty) or view.in_doubt]
    for view in orders.orders:
        if int(view.cum_qty) != heard.executed[int(view.order_qty)]:
            faults.append(f"of the order of {view.order_qty} the gateway has {view.cum_qty} executed, its venue {heard.executed[int(view.order_qty)]}")
    if status.counts["fills"] != heard.executions.total():
        faults.append(f"the gateway has booked {status.counts['fills']} executions, the venues have made {heard.executions.total()}")
    have = {view.symbol: int(view.qty) for view in positions.positions if int(view.qty)}
    done = {symbol: quantity for venue in venues.values() for symbol, quantity in venue.market.positions.items() if quantity}
    return faults + [f"the gateway's positions are {have}, the venues' {done}"] * (have != done)
