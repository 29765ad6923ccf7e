"""An execution is booked once, whatever name it comes by; another order's under the same ExecID is another execution, and a person is told.

ExecID is unique for a venue and day (FIX 4.4 volume 6, ExecID), but not at every venue: some count within an order, some use a trade's
number for both of its sides. OUCH names an execution by order and match number (OUCH 5.0, Order Executed).
"""

from pathlib import Path

import pytest

from gateway.sessions.actions import SECOND
from tests.control.test_venues import BOTH
from tests.control.world import CONFIG, FixClient, World
from tests.lane.test_bad_input import new, opened, position, says
from tests.simulators.stand import fix_venue, only, ouch_venue

FILL = "35=8|37={order}|17={exec}|150=F|39=1|11={id}|55=IBM|54=1|38=100|32={qty}|31=191|151=0|14={qty}|6=191|"
A, B = "0000000000001", "0000000000002"  # what the gateway calls its first two orders at the venue
OUR_NEXT, THEIRS = "0000000000003", "MANUAL-1"


def fills(strategy: FixClient) -> list[tuple[str, ...]]:
    return [row for row in only(strategy.take(), 11, 150, 32) if row[1] == "F"]


def told(world: World) -> int:
    return sum(say.event == "report.exec_id_reused" for say in world.said)


def test_an_id_used_again_for_another_order_is_another_execution(tmp_path: Path) -> None:
    world, strategy, venue = opened(tmp_path)
    new(strategy, "A")
    new(strategy, "B")
    strategy.take()
    for id, qty, held in ((A, 10, 10), (B, 20, 30), (A, 10, 30), (B, 20, 30)):  # each once, then each repeated
        says(world, venue, FILL.format(order=id, exec="X", id=id, qty=qty))
        assert position(world) == held
    assert fills(strategy) == [("A", "F", "10"), ("B", "F", "20")]
    assert told(world) == 1
    assert {say.event for say in world.said} >= {"session.odd"}, "the log names the record"
    says(world, venue, FILL.format(order=A, exec="Y", id=A, qty=5))
    assert position(world) == 35
    assert told(world) == 1


@pytest.mark.parametrize("first", ["A", "B"])
def test_a_repeat_under_the_id_that_a_replace_gave_the_order(tmp_path: Path, first: str) -> None:
    """The first report and its repeat name two links of one chain; with another order's id in use too, whichever was first."""
    world, strategy, venue = opened(tmp_path)
    new(strategy, "A")
    new(strategy, "B")
    says(world, venue, FILL.format(order=1, exec="X", id=A if first == "A" else B, qty=10))
    says(world, venue, FILL.format(order=1, exec="X", id=B if first == "A" else A, qty=10))
    assert position(world) == 20
    strategy.say("35=G|11=A2|41=A|1=ACC|55=IBM|54=1|60=20251120-12:00:00|40=2|59=0|38=150|44=191.00|")
    says(world, venue, FILL.format(order=1, exec="X", id=OUR_NEXT, qty=10))
    says(world, venue, FILL.format(order=1, exec="X", id=A, qty=10))
    says(world, venue, FILL.format(order=1, exec="X", id=B, qty=10))
    assert position(world) == 20
    assert told(world) == 1


def test_an_order_s_number_is_not_another_s_name(tmp_path: Path) -> None:
    """A simulated seed found it: order 2 is called 3 at the venue here, and order 3 is called 4."""
    world, strategy, venue = opened(tmp_path)
    new(strategy, "A")
    strategy.say("35=G|11=A2|41=A|1=ACC|55=IBM|54=1|60=20251120-12:00:00|40=2|59=0|38=150|44=191.00|")
    for n in range(5):
        new(strategy, f"B{n}")
    for n in range(3, 8):
        says(world, venue, FILL.format(order=n, exec="X", id=f"{n:013}", qty=10))
    assert position(world) == 50


def test_a_repeat_when_the_order_is_forgotten(tmp_path: Path) -> None:
    """Simulated seeds found it: once an order's slot was another's, a repeat of its execution was booked as a stranger's."""
    world, strategy, venue = opened(tmp_path, CONFIG.replace("orders = 1024", "orders = 16"))
    for id, name in ((A, "A"), (B, "B")):
        new(strategy, name)
        says(world, venue, FILL.format(order=id, exec="X", id=id, qty=100).replace("39=1", "39=2"))
    for number in range(16):  # the last two in the slots of A and B
        new(strategy, f"C{number}")
    assert position(world) == 200
    assert told(world) == 1
    orphans = world.lane.counts().orphans
    for id in (A, B):
        says(world, venue, FILL.format(order=id, exec="X", id=id, qty=100))
        assert position(world) == 200
    assert world.lane.counts().orphans == orphans + 2, "nobody knows these orders any more"


def test_strangers_too_are_booked_once_each(tmp_path: Path) -> None:
    """An operator's orders at the venue: what the report calls them tells them apart, ClOrdID first, OrderID without one."""
    world, strategy, venue = opened(tmp_path)
    new(strategy, "A")
    says(world, venue, FILL.format(order=1, exec="X", id=A, qty=10))
    says(world, venue, FILL.format(order=2, exec="X", id=THEIRS, qty=10))
    assert (position(world), told(world)) == (20, 1)
    unnamed = FILL.replace("11={id}|", "")
    for order, held in ((7, 30), (8, 40), (7, 40), (8, 40)):
        says(world, venue, unnamed.format(order=order, exec="X", qty=10))
        assert position(world) == held
    says(world, venue, FILL.format(order=2, exec="X", id=THEIRS, qty=10))
    assert position(world) == 40
    says(world, venue, FILL.format(order=2, exec="X", id=7, qty=10))
    assert position(world) == 50, "who calls it 7 is no venue"


def test_what_takes_an_execution_back_may_be_named_by_its_id(tmp_path: Path) -> None:
    world, strategy, venue = opened(tmp_path)
    new(strategy, "A")
    says(world, venue, FILL.format(order=1, exec="X", id=A, qty=10))
    bust = FILL.format(order=1, exec="X", id=A, qty=10).replace("150=F", "150=H").replace("14=10", "14=0")
    for _ in range(2):
        says(world, venue, bust)
        assert position(world) == 0


def test_a_match_number_names_an_execution_of_its_order(tmp_path: Path) -> None:
    """OUCH: both sides of one match have its number."""
    venue = ouch_venue(quote_qty=0)
    world = World(tmp_path, {"nyfix": fix_venue(quote_qty=0), "nasdaq": venue}, BOTH)
    world.open()
    strategy = world.client()
    strategy.log_on()
    for id in "AB":
        strategy.say(f"35=D|11={id}|1=ACC|55=AAPL|54=1|60=20251120-12:00:00|40=2|38=100|44=187.00|59=0|")
    world.run(SECOND)
    strategy.take()
    aapl = world.plan.symbols.index("AAPL")
    for number, qty, held in ((1, 10, 10), (2, 20, 30), (1, 10, 30), (2, 20, 30)):
        body = (("timestamp", 1), ("user_ref_num", number), ("quantity", qty), ("price", 1870000), ("liquidity_flag", "A"), ("match_number", 77))
        venue.rims["DEMO01"].submit("OrderExecuted", body, world.now_ns)
        world.run(SECOND // 10)
        assert world.lane.position(0, 0, aapl) == held
    assert told(world) == 0
