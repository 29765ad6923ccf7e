"""What is wrong with the header of a message ends the session in order, and the message counts for nothing (SEAM T1, header fault)."""

from pathlib import Path

import pytest

from gateway.sessions.actions import SECOND
from tests.lane.by_hand import opened, sent, take_over, venue_says
from tests.simulators.stand import only


@pytest.mark.parametrize(("late_s", "in_time"), [(0, True), (120, True), (-120, True), (121, False), (-121, False)])
def test_a_sending_time_too_far_from_ours(tmp_path: Path, late_s: int, in_time: bool) -> None:
    world, strategy = opened(tmp_path)
    strategy.late_ns = late_s * SECOND
    strategy.say("35=D|11=A1|1=ACC|55=IBM|54=1|60=20251120-12:00:00|40=2|38=100|44=191.00|")
    world.run(SECOND)
    types = [row[0] for row in only(strategy.take(), 35)]
    assert ("8" in types) == in_time and ("5" in types) == (not in_time), types
    assert world.lane.counts().open_orders == in_time


def test_a_refused_order_is_told_with_the_words_of_its_refusal(tmp_path: Path) -> None:
    """A BusinessMessageReject in the place of a report, right behind another order's fill."""
    world, strategy = opened(tmp_path)
    seq = take_over(world)
    for order in ("A1", "A2"):
        strategy.say(f"35=D|11={order}|1=ACC|55=IBM|54=1|60=20251120-12:00:00|40=2|38=100|44=191.00|")
    orders = sent(world)
    fill = f"37=V1|11={orders[0]['11']}|17=EXEC1|150=F|39=2|55=IBM|54=1|38=100|32=100|31=191|151=0|14=100|6=191|"
    refusal = f"45={orders[1]['34']}|372=D|380=3|58=not today|"
    world.lane.feed(1, venue_says(world, seq, "8", fill) + venue_says(world, seq + 1, "j", refusal))
    world.settle()
    reports = only(strategy.take(), 35, 11, 39, 17, 58)
    assert reports[0] == ("8", "A1", "2", "EXEC1", "")
    assert reports[1][:3] == ("8", "A2", "8")
    assert reports[1][3] != "EXEC1" and reports[1][4] == "not today", reports
