"""What happens to orders that wait for a venue whose socket takes nothing: late binding, seen from outside (SEAM R5, R5c, D4)."""

from pathlib import Path

import pytest

from gateway.lane.driver import InlineDriver
from gateway.lane.native import lib
from gateway.sessions.actions import SECOND
from tests.control.world import FixClient, World
from tests.simulators.stand import fix_venue, only

BUY = "54=1|60=20251120-12:00:00|40=2|"


@pytest.fixture
def blocked(tmp_path: Path) -> tuple[World, FixClient]:
    """A session that is open to a venue whose socket takes not one byte more."""
    world = World(tmp_path, {"nyfix": fix_venue(quote_qty=0)})
    world.lane.limit(1, 1)  # credit for one frame at a time, so that none is left over
    world.open()
    strategy = world.client()
    strategy.log_on()
    world.lane.limit(1, 0)
    strategy.say(f"35=D|11=A0|1=ACC|55=IBM|{BUY}38=1|44=191.00|")  # spends the credit that was left
    strategy.take()
    return world, strategy


def sent(world: World) -> dict[str, int]:
    received: dict[str, int] = world.venues["nyfix"].counts()["received"]
    return received


def test_a_cancel_of_an_order_that_waits_removes_both_and_uses_no_number(blocked: tuple[World, FixClient]) -> None:
    world, strategy = blocked
    number = world.lane.view(1).tx_next
    strategy.say(f"35=D|11=A1|1=ACC|55=IBM|{BUY}38=100|44=191.00|")
    strategy.say("35=F|11=A2|41=A1|55=IBM|54=1|60=20251120-12:00:00|")
    assert only(strategy.take(), 35, 11, 41, 150, 39, 151) == [("8", "A2", "A1", "4", "4", "0")]
    assert world.lane.view(1).tx_next == number
    world.lane.limit(1, 1 << 16)
    world.run(SECOND)
    assert sent(world)["new"] == 1


def test_a_mass_cancel_cancels_what_waits(blocked: tuple[World, FixClient]) -> None:
    world, strategy = blocked
    strategy.say(f"35=D|11=A1|1=ACC|55=IBM|{BUY}38=100|44=191.00|")
    strategy.say("35=q|11=M1|530=7|60=20251120-12:00:00|")
    assert only(strategy.take(), 35, 11, 150, 39, 151) == [("8", "A1", "4", "4", "0")]
    assert world.lane.counts().denied == 0
    world.lane.limit(1, 1 << 16)
    world.run(SECOND)
    assert only(strategy.take(), 35, 11, 150) == [("8", "A0", "4")]


def test_a_replace_of_an_order_that_waits_changes_it_in_place(blocked: tuple[World, FixClient]) -> None:
    world, strategy = blocked
    strategy.say(f"35=D|11=A1|1=ACC|55=IBM|{BUY}38=100|44=191.00|")
    strategy.say(f"35=G|11=A2|41=A1|1=ACC|55=IBM|{BUY}38=150|44=190.50|")
    assert only(strategy.take(), 35, 11, 41, 150, 38, 44, 151) == [("8", "A2", "A1", "5", "150", "190.5", "150")]
    world.lane.limit(1, 1 << 16)
    world.run(SECOND)
    assert only(strategy.take(), 35, 11, 150, 38, 151) == [("8", "A2", "0", "150", "150")]


def test_an_order_changed_where_it_waits_holds_its_new_quantity_also_when_a_later_replace_fails(blocked: tuple[World, FixClient]) -> None:
    """A simulated seed found the old quantity held, and the venue filled the new one."""
    world, strategy = blocked

    def held() -> int:
        return next(lib.gw_view_held(world.lane.pointer, order.slot) for order in world.lane.orders() if order.cl_ord_id[0] == "A" and order.cl_ord_id != "A0")

    strategy.say(f"35=D|11=A1|1=ACC|55=IBM|{BUY}38=100|44=191.00|")
    strategy.say(f"35=G|11=A2|41=A1|1=ACC|55=IBM|{BUY}38=60|44=191.00|")
    assert held() == 60
    strategy.say(f"35=G|11=A3|41=A2|1=ACC|55=IBM|{BUY}38=150|44=191.00|")
    assert held() == 150
    world.lane.limit(1, 1)
    world.run(SECOND // 10)
    assert sent(world)["new"] == 2
    world.lane.limit(1, 0)
    strategy.say(f"35=D|11=B0|1=ACC|55=IBM|{BUY}38=1|44=191.00|")  # spends the credit that was left
    strategy.say(f"35=G|11=A4|41=A3|1=ACC|55=IBM|{BUY}38=200|44=191.00|")
    assert held() == 200
    strategy.take()
    world.run(world.config.queue_ttl_ms * 1_000_000 + SECOND)
    assert only(strategy.take(), 35, 11) == [("9", "A4")]
    assert held() == 150


def test_what_waits_too_long_is_denied(blocked: tuple[World, FixClient]) -> None:
    world, strategy = blocked
    strategy.say(f"35=D|11=A1|1=ACC|55=IBM|{BUY}38=100|44=191.00|")
    world.run(world.config.queue_ttl_ms * 1_000_000 - SECOND // 10)
    assert not strategy.take()
    world.run(SECOND)
    assert only(strategy.take(), 35, 11, 150, 39, 58) == [("8", "A1", "8", "8", "the order waited longer than queue_ttl for the venue to take it")]
    assert world.lane.counts().open_orders == 1


def test_what_waits_dies_with_its_connection(blocked: tuple[World, FixClient]) -> None:
    world, strategy = blocked
    strategy.say(f"35=D|11=A1|1=ACC|55=IBM|{BUY}38=100|44=191.00|")
    world.lines.pop(1).disconnect(world.now_ns)
    world.lane.close(1)
    world.lane.limit(1, 1)
    world.run(5 * SECOND)
    world.open()
    world.run(SECOND)
    assert only(strategy.take(), 35, 11, 150, 39, 58) == [("8", "A1", "8", "8", "the venue's session is not connected")]
    assert sent(world)["new"] == 1


@pytest.mark.parametrize("survived", [True, False])
def test_what_waits_when_the_tail_is_lost_may_have_left(blocked: tuple[World, FixClient], survived: bool) -> None:
    """Without the journal's last records nothing proves that it was never sent: it is in doubt, and the strategy's disconnect cancels it (T8)."""
    world, strategy = blocked
    strategy.say(f"35=D|11=A1|1=ACC|55=IBM|{BUY}38=100|44=191.00|")
    after = InlineDriver(world.tables, None, world.now_ns)
    for record in world.lane.records():
        after.apply(record)
    after.ring.head_lsn = len(world.lane.records())  # its ring goes on behind them
    after.restarted(survived)
    after.run(world.now_ns)
    (order,) = (order for order in after.orders(with_final=True) if order.cl_ord_id == "A1")
    assert (order.ord_status == "8", order.in_doubt, order.cancel_wanted) == ((True, False, False) if survived else (False, True, True)), order
