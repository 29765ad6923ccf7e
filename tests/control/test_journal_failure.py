"""A journal that has failed: new orders are DENIED, cancels leave for a while, then the lane stops (SEAM R5f)."""

import errno
from pathlib import Path

import pytest

from gateway.client.core import Lost, Ready
from gateway.client.report import Report
from gateway.control.ending import Stage
from gateway.control.inputs import DrainWanted
from gateway.lane.native import lib
from gateway.sessions.actions import SECOND
from tests.control.test_order_api import ORDER
from tests.control.world import CONFIG, KEY, ApiClient, World
from tests.simulators.stand import fix_venue

RESTS = ORDER | {"price": 1910000}


def fail(world: World) -> None:
    """What the writer does where fdatasync fails: it says so, grants no numbers any more, and ends."""
    world.lane.ring.failed = lib.GW_FAILED_SYNC << 32 | errno.EIO
    world.lane._world.grant = 0


@pytest.fixture
def failed(tmp_path: Path) -> tuple[World, ApiClient]:
    """A strategy whose order rests at the venue, and then the journal fails."""
    world = World(tmp_path, {"nyfix": fix_venue(quote_qty=0)}, CONFIG.replace("[tables]", "[journal]\nfailed_stop_s = 5\n[tables]"))
    world.open()
    strategy = world.api_client()
    strategy.request("D", **RESTS)
    assert [r.exec_type for r in strategy.reports()] == ["new"]
    fail(world)
    world.run(0)
    return world, strategy


def test_new_orders_are_denied_and_cancels_leave(failed: tuple[World, ApiClient]) -> None:
    world, strategy = failed
    strategy.request("D", **RESTS)
    strategy.request("G", orig_cl_ord_num=1, order_qty=50, qty_exp=0)
    strategy.request("F", orig_cl_ord_num=1)
    assert [(r.exec_type, r.reason) for r in strategy.reports()] == [("denied", "journal_failed"), (None, "journal_failed"), ("canceled", None)]
    assert world.venues["nyfix"].counts()["received"] == {"cancel": 1, "mass_status": 1, "new": 1}


def test_it_is_told_once_and_the_end_comes_by_itself(failed: tuple[World, ApiClient]) -> None:
    world, strategy = failed
    world.run(4 * SECOND)
    assert world.core.stage is Stage.RUNNING and not strategy.closed
    assert [record[8] for record in world.lane.records()].count(lib.GW_REC_NOTE) == 1
    world.until(lambda: world.ended, 3 * SECOND)
    assert [r.exec_type for r in strategy.reports()] == ["canceled"], "as at SIGTERM"
    assert strategy.closed and world.lane.counts().stopped


def test_a_signal_does_not_wait(failed: tuple[World, ApiClient]) -> None:
    world, _ = failed
    world.give(DrainWanted())
    world.until(lambda: world.ended, 2 * SECOND)
    world.run(60 * SECOND)
    assert [say.event for say in world.said].count("drain") == 1


def test_who_has_orders_is_let_in_and_who_was_never_here_is_refused_with_the_reason(failed: tuple[World, ApiClient]) -> None:
    """The first numbers of a session come from the disk: without them not even its login could be answered."""
    world, strategy = failed
    strategy.close()
    strategy.session.disconnected()
    strategy.connect()
    world.run(0)
    assert [type(event) for event in strategy.events] == [Ready, Ready, Report], "back, and told what its disconnect has cancelled"
    other = world.client("OTHER")
    other.say("35=A|98=0|108=30|141=Y|")
    world.run(1 * SECOND)
    assert other.closed and not other.take()
    assert [say.fields["text"] for say in world.said if say.event == "door.refused"] == ["the journal has failed: who was never logged on is not let in"]


def test_a_first_login_at_the_order_api_is_refused_with_the_reason(tmp_path: Path) -> None:
    world = World(tmp_path, {"nyfix": fix_venue()})
    world.open()
    fail(world)
    world.run(0)
    strategy = world.api_client(key=KEY)
    world.run(1 * SECOND)
    (lost,) = strategy.events
    assert isinstance(lost, Lost) and "the journal has failed: who was never logged on is not let in" in lost.reason
    assert strategy.closed


def test_a_record_that_does_not_come_into_the_ring_does_not_happen(tmp_path: Path) -> None:
    """A ring whose own numbers are damaged: the lane stands still, nothing is sent, and a person hears of it."""
    world = World(tmp_path, {"nyfix": fix_venue(quote_qty=0)})
    world.open()
    strategy = world.api_client()
    received, records = dict(world.venues["nyfix"].counts()["received"]), len(world.lane.records())  # type: ignore[call-overload]
    world.lane.ring.head_lsn += 1
    strategy.request("D", **RESTS)
    world.run(SECOND)
    assert world.lane.ring.failed == lib.GW_FAILED_APPEND << 32
    assert world.venues["nyfix"].counts()["received"] == received and not strategy.reports()
    assert world.lane.counts().records == records, "what is not journaled is not taken in"
    world.until(lambda: world.ended, 60 * SECOND)
    assert "drain.lane_does_not_stop" in [say.event for say in world.said]
