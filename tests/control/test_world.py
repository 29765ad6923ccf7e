"""The first way of an order, whole: FIX in, FIX out, and back."""

from pathlib import Path

from gateway.sessions.actions import SECOND
from tests.control.world import World
from tests.simulators.stand import fix_venue, only

BUY = "54=1|60=20251120-12:00:00|40=2|"


def test_an_order_goes_out_and_its_reports_come_back(tmp_path: Path) -> None:
    world = World(tmp_path, {"nyfix": fix_venue(quote_qty=1_000)})
    world.open()
    strategy = world.client()
    strategy.log_on()
    strategy.say(f"35=D|11=A1|1=ACC|55=IBM|{BUY}38=100|44=191.35|59=0|")
    world.run(1 * SECOND)
    reports = only(strategy.take(), 35, 11, 150, 39, 32, 31, 151, 14)
    assert reports == [
        ("8", "A1", "0", "0", "", "", "100", "0"),
        ("8", "A1", "F", "2", "100", "191.3", "0", "100"),
    ]


def test_a_denied_order_names_what_is_wrong_and_never_leaves(tmp_path: Path) -> None:
    venue = fix_venue()
    world = World(tmp_path, {"nyfix": venue})
    world.open()
    strategy = world.client()
    strategy.log_on()
    strategy.say(f"35=D|11=A1|1=ACC|55=IBM|{BUY}38=10001|44=191.35|")
    strategy.say(f"35=D|11=A2|1=ACC|55=NOPE|{BUY}38=100|44=191.35|")
    strategy.say(f"35=D|11=A3|1=WHO|55=IBM|{BUY}38=100|44=191.35|")
    strategy.say(f"35=D|11=A4|1=ACC|55=IBM|{BUY}38=100|44=191.355|")
    reports = only(strategy.take(), 35, 11, 150, 39, 103)
    assert [report[:4] for report in reports] == [("8", f"A{i}", "8", "8") for i in (1, 2, 3, 4)], reports
    assert venue.counts()["received"] == {"mass_status": 1}, venue.counts()


def test_a_resting_order_is_replaced_and_cancelled(tmp_path: Path) -> None:
    world = World(tmp_path, {"nyfix": fix_venue(quote_qty=0)})
    world.open()
    strategy = world.client()
    strategy.log_on()
    strategy.say(f"35=D|11=A1|1=ACC|55=IBM|{BUY}38=100|44=191.00|")
    strategy.say(f"35=G|11=A2|41=A1|1=ACC|55=IBM|{BUY}38=150|44=191.05|")
    strategy.say("35=F|11=A3|41=A2|55=IBM|54=1|60=20251120-12:00:00|")
    world.run(1 * SECOND)
    assert only(strategy.take(), 35, 11, 41, 150, 39, 38, 151) == [
        ("8", "A1", "", "0", "0", "100", "100"),
        ("8", "A2", "A1", "5", "0", "150", "150"),
        ("8", "A3", "A2", "4", "4", "150", "0"),
    ]
    assert world.lane.counts().open_orders == 0


def test_a_burst_longer_than_a_step_s_share_is_read_to_its_end_without_another_byte(tmp_path: Path) -> None:
    venue = fix_venue(quote_qty=0)
    world = World(tmp_path, {"nyfix": venue})
    world.open()
    strategy = world.client()
    strategy.log_on()
    # The lane has 256 frames of one connection a step, and this is one read of its buffer. Then the strategy is gone.
    strategy.say_at_once([f"35=D|11=A{i}|1=WHO|55=IBM|{BUY}38=1|44=191|" for i in range(300)])
    assert len(strategy.take()) == 300
    strategy.say_at_once([f"35=D|11=B{i}|1=WHO|55=IBM|{BUY}38=1|44=191|" for i in range(300)], ends=True)
    assert world.lane.counts().denied == 600
    assert strategy.closed


def test_a_latch_that_cannot_be_read_is_dropped(tmp_path: Path) -> None:
    """SEAM D8: unreadable means killed; what was open is swept, nothing new leaves."""
    venue = fix_venue(quote_qty=0)
    world = World(tmp_path, {"nyfix": venue})
    world.open()
    strategy = world.client()
    strategy.log_on()
    strategy.say(f"35=D|11=A1|1=ACC|55=IBM|{BUY}38=100|44=191.00|59=0|")
    world.latch[:] = bytes(len(world.latch))
    strategy.say(f"35=D|11=A2|1=ACC|55=IBM|{BUY}38=100|44=191.00|59=0|")
    world.run(1 * SECOND)
    assert only(strategy.take(), 11, 150, 39) == [("A1", "0", "0"), ("A2", "8", "8"), ("A1", "4", "4")]
    assert venue.counts()["received"] == {"mass_status": 1, "new": 1, "cancel": 1}
