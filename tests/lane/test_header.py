"""What is wrong with the header of a message ends the session in order, and the message counts for nothing (SEAM T1, header fault)."""

from pathlib import Path

import pytest
import simplefix

from gateway.sessions.actions import SECOND
from gateway.sessions.fix_wire import utc_timestamp
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


def test_a_refused_order_is_told_with_the_words_of_its_refusal(tmp_path: Path) -> None:
    """A BusinessMessageReject in the place of a report, right behind another order's fill."""
    world = World(tmp_path, {"nyfix": fix_venue(quote_qty=0)})
    world.open()
    strategy = world.client()
    strategy.log_on()
    world.lines.pop(1)  # from here on the test is the venue
    world.lane.out(1)
    seq = world.lane.view(1).rx_next
    for order in ("A1", "A2"):
        strategy.say(f"35=D|11={order}|1=ACC|55=IBM|54=1|60=20251120-12:00:00|40=2|38=100|44=191.00|")
    sent = [dict(pair.split("=", 1) for pair in text.split("\x01") if "=" in pair) for text in world.lane.out(1).decode().split("8=FIX.4.4") if text]
    fill = f"37=V1|11={sent[0]['11']}|17=EXEC1|150=F|39=2|55=IBM|54=1|38=100|32=100|31=191|151=0|14=100|6=191|"
    refusal = f"45={sent[1]['34']}|372=D|380=3|58=not today|"
    world.lane.feed(1, venue_says(world, seq, "8", fill) + venue_says(world, seq + 1, "j", refusal))
    world.settle()
    reports = only(strategy.take(), 35, 11, 39, 17, 58)
    assert reports[0] == ("8", "A1", "2", "EXEC1", "")
    assert reports[1][:3] == ("8", "A2", "8")
    assert reports[1][3] != "EXEC1" and reports[1][4] == "not today", reports


def venue_says(world: World, seq: int, msg_type: str, body: str) -> bytes:
    message = simplefix.FixMessage()
    for tag, value in ((8, "FIX.4.4"), (35, msg_type), (49, "VENUE"), (56, "GW"), (34, seq), (52, utc_timestamp(world.now_ns))):
        message.append_pair(tag, value)
    for pair in body.strip("|").split("|"):
        tag, value = pair.split("=", 1)
        message.append_pair(int(tag), value)
    return bytes(message.encode())
