"""What is wrong with the header of a message ends the session in order, and the message counts for nothing (SEAM T1, header fault)."""

from pathlib import Path

import pytest

from gateway.sessions.actions import SECOND
from tests.control.world import World
from tests.simulators.stand import fix_venue, only


@pytest.mark.parametrize(("late_s", "in_time"), [(0, True), (120, True), (-120, True), (121, False), (-121, False)])
def test_a_sending_time_too_far_from_ours(tmp_path: Path, late_s: int, in_time: bool) -> None:
    world = World(tmp_path, {"nyfix": fix_venue(quote_qty=0)})
    world.open()
    strategy = world.client()
    strategy.log_on()
    strategy.late_ns = late_s * SECOND
    strategy.say("35=D|11=A1|1=ACC|55=IBM|54=1|60=20251120-12:00:00|40=2|38=100|44=191.00|")
    world.run(SECOND)
    types = [row[0] for row in only(strategy.take(), 35)]
    assert ("8" in types) == in_time and ("5" in types) == (not in_time), types
    assert world.lane.counts().open_orders == in_time
