"""The short scenarios: venues, what the strategy does, and what happens to it from outside. Every order has a quantity of its own."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from gateway.sessions.actions import SECOND, Send
from risk import latch
from simulators.venue import Options, Venue
from tests.crash.strategy import MILLI, Act, Strategy, over, status
from tests.crash.world import CrashWorld
from tests.simulators.stand import fix_venue, ouch_venue

FIX, OUCH = ("IBM", "generic_fix44"), ("AAPL", "nasdaq")
FAR = {"IBM": "150.00", "AAPL": "150.00"}  # rests
NEAR = {"IBM": "191.35", "AAPL": "187.25"}  # trades with what is quoted
SLOW_NS = 300 * MILLI


def new(name: str, where: tuple[str, str], quantity: int, prices: dict[str, str], when: Callable[[Strategy], bool] | None = None) -> Act:
    return Act(
        when or (lambda s: s.world.core.open),
        lambda s: s.new(name, where[0], "buy", quantity, prices[where[0]], where[1]),
        lambda s: name in s.by_name,
    )


def cancel(name: str, when: Callable[[Strategy], bool]) -> Act:
    return Act(when, lambda s: s.cancel(name), over(name))


def replace(name: str, price: str, quantity: int, when: Callable[[Strategy], bool]) -> Act:
    return Act(when, lambda s: s.replace(name, price, quantity), lambda s: over(name)(s) or s.by_name[name].order_qty == quantity)


def wait_for(*names: str) -> Act:
    return Act(lambda s: False, lambda s: None, lambda s: all(over(name)(s) for name in names))


def hang_up(name: str) -> Act:
    return Act(_resting(name), lambda s: s.hang_up(), lambda s: s.hung_up > 0 or over(name)(s))


@dataclass(frozen=True)
class Scenario:
    """`happens`: (ns after the beginning, what): things that come from outside."""

    name: str
    venues: Callable[[], dict[str, Venue]]
    acts: Callable[[], list[Act]]
    happens: tuple[tuple[int, Callable[[CrashWorld], None]], ...] = ()
    down_ns: int = 1 * SECOND
    tags: frozenset[str] = field(default=frozenset())


def _fix(quote: int = 1_000, **options: int) -> Callable[[], dict[str, Venue]]:
    return lambda: {"nyfix": fix_venue(Options(**options) if options else None, quote_qty=quote)}  # type: ignore[arg-type]


def _ouch(quote: int = 1_000, **options: int) -> Callable[[], dict[str, Venue]]:
    return lambda: {"nyfix": fix_venue(quote_qty=0), "ouch": ouch_venue(Options(**options) if options else None, quote_qty=quote)}  # type: ignore[arg-type]


def _resting(name: str) -> Callable[[Strategy], bool]:
    return status(name, "NEW", "REPLACED", "PARTIALLY_FILLED")


def _kill(world: CrashWorld) -> None:
    with latch.Latch(world.latch_path, writable=True) as file:
        file.engage("firm", "", "kill", world.now_ns, "test", "a crash test", None)
    world.refresh_latch()


def _ask_again(world: CrashWorld) -> None:
    """The venue asks for everything once more, as one does whose store was lost."""
    venue = world.venues["nyfix"]
    for rim in venue.rims.values():
        if rim.tx.value == "open":
            rim._send(Send("2", ((7, "1"), (16, "0"))), world.now_ns)


def _skip_numbers(world: CrashWorld) -> None:
    """The venue's next message comes with a number too high: the gap is asked for, and filled."""
    for rim in world.venues["nyfix"].rims.values():
        rim.next_tx += 2


SCENARIOS = (
    Scenario("one order filled", _fix(), lambda: [new("a", FIX, 101, NEAR), wait_for("a")]),
    Scenario("one order replaced, then filled", _fix(), lambda: [
        new("a", FIX, 101, FAR), replace("a", NEAR["IBM"], 91, _resting("a")), wait_for("a")]),
    Scenario("one order cancelled", _fix(0), lambda: [new("a", FIX, 101, FAR), cancel("a", _resting("a")), wait_for("a")]),
    Scenario("an OUCH order filled", _ouch(), lambda: [new("a", OUCH, 101, NEAR), wait_for("a")]),
    Scenario("an OUCH order replaced, then cancelled", _ouch(0), lambda: [
        new("a", OUCH, 101, FAR), replace("a", "151.00", 91, _resting("a")), cancel("a", lambda s: s.by_name["a"].order_qty == 91), wait_for("a")]),
    Scenario("two orders and a kill", _fix(0), lambda: [
        new("a", FIX, 101, FAR), new("b", FIX, 102, FAR), wait_for("a", "b")], ((1200 * MILLI, _kill),)),
    Scenario("a gap", _fix(), lambda: [
        new("a", FIX, 101, NEAR), new("b", FIX, 102, NEAR, over("a")), wait_for("a", "b")], ((600 * MILLI, _skip_numbers),)),
    Scenario("a strategy's reconnect", _fix(0), lambda: [
        new("a", FIX, 101, FAR), hang_up("a"), wait_for("a"), new("b", FIX, 102, FAR), cancel("b", _resting("b")), wait_for("b")]),
    Scenario("a slow engine, filled", _fix(engine_delay_ns=SLOW_NS), lambda: [new("a", FIX, 101, NEAR), wait_for("a")], down_ns=100 * MILLI),
    Scenario("a slow engine, cancelled", _fix(0, engine_delay_ns=SLOW_NS), lambda: [
        new("a", FIX, 101, FAR), cancel("a", _resting("a")), wait_for("a")], down_ns=50 * MILLI),
    Scenario("a slow OUCH engine", _ouch(engine_delay_ns=SLOW_NS), lambda: [new("a", OUCH, 101, NEAR), wait_for("a")], down_ns=100 * MILLI),
    Scenario("a repeated resend request", _fix(0, engine_delay_ns=SLOW_NS), lambda: [
        new("a", FIX, 101, FAR), cancel("a", _resting("a")), wait_for("a")], ((700 * MILLI, _ask_again), (1100 * MILLI, _ask_again))),
)  # fmt: skip


def make(scenario: Scenario, folder: Path, border: Callable[..., object], level: str) -> CrashWorld:
    """The world of a scenario at its beginning."""
    world = CrashWorld(folder, scenario.venues(), scenario.acts(), border, level, scenario.down_ns)  # type: ignore[arg-type]
    world.at = [(world.now_ns + after, what) for after, what in scenario.happens]
    return world
