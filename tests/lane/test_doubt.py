"""IN_DOUBT: sent, outcome unknown. The strategy always hears the word, the reservation stands, and only evidence ends it (SEAM R8, R5c)."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.lane.native import lib
from gateway.sessions.actions import SECOND
from simulators.venue import Options
from tests.control.world import FixClient, World
from tests.lane.by_hand import opened, sent, take_over, venue_says
from tests.simulators.stand import fix_venue, only

BUY = "54=1|60=20251120-12:00:00|40=2|"


@pytest.fixture
def stuck(tmp_path: Path) -> tuple[World, FixClient]:
    """A1 is sent, and the venue's engine sees it a second later; the socket takes no more, so that what follows waits."""
    world = World(tmp_path, {"nyfix": fix_venue(Options(engine_delay_ns=SECOND), quote_qty=0)})
    world.lane.limit(1, 1)  # credit for one frame at a time, so that none is left over
    world.open()
    strategy = world.client()
    strategy.log_on()
    strategy.say(f"35=D|11=A1|1=ACC|55=IBM|{BUY}38=100|44=191.00|")
    assert [order.ord_status for order in world.lane.orders() if order.out_seq] == ["A"]
    world.lane.limit(1, 0)
    return world, strategy


def held(world: World, cl_ord_id: str) -> int:
    return next(lib.gw_view_held(world.lane.pointer, order.slot) for order in world.lane.orders() if order.cl_ord_id == cl_ord_id)


def test_the_word_comes_also_where_a_replace_is_refused_at_the_same_moment(stuck: tuple[World, FixClient]) -> None:
    world, strategy = stuck
    strategy.say(f"35=G|11=A2|41=A1|1=ACC|55=IBM|{BUY}38=150|44=191.00|")
    world.lines.pop(1).disconnect(world.now_ns)
    world.lane.close(1)
    world.settle()
    refused, doubt = only(strategy.take(), 35, 11, 150, 58)
    assert refused[:2] == ("9", "A2")
    assert doubt == ("8", "A1", "I", "IN_DOUBT"), "FIX has no word of its own for it"
    assert held(world, "A1") == 100


def cut(world: World, strategy: FixClient) -> None:
    """The connection is lost and another one stands."""
    world.lines.pop(1).disconnect(world.now_ns)
    world.lane.close(1)
    world.lane.limit(1, 1 << 16)
    world.settle()
    world.open()


def nothing(world: World, strategy: FixClient) -> None:
    world.lane.limit(1, 1 << 16)
    world.run(3 * SECOND)


@pytest.mark.parametrize("happens", [cut, nothing])
def test_a_cancel_removes_the_replace_that_waits(stuck: tuple[World, FixClient], happens: Callable[[World, FixClient], None]) -> None:
    """Else it would follow the cancel, or be sent on the next connection: nothing queued outlives its reason but cancels."""
    world, strategy = stuck
    strategy.say(f"35=G|11=A2|41=A1|1=ACC|55=IBM|{BUY}38=150|44=191.00|")
    strategy.say("35=F|11=A3|41=A1|55=IBM|54=1|60=20251120-12:00:00|")
    assert only(strategy.take(), 35, 11, 41) == [("9", "A2", "A1")]
    assert held(world, "A1") == 100
    sent_before = world.lane.view(1).tx_count
    happens(world, strategy)
    assert world.lane.view(1).tx_count > sent_before
    assert b"\x0135=G" not in b"".join(record for record in map(world.lane.record, range(1, world.lane.counts().lsn + 1)) if record and record[8] == lib.GW_REC_OUT)


def test_an_answer_to_an_older_question_says_nothing_about_a_replace(tmp_path: Path) -> None:
    """A question that a gap fill covered may have arrived all the same (simulated seed 292). Answers come in order: each counts as the oldest's."""
    world, strategy = opened(tmp_path)
    seq = take_over(world)
    report = "37=1|17=E{n}|11={id}|150={what}|39=0|55=IBM|54=1|38=100|44=191|151=100|14=0|6=0|"

    def says(msg_type: str, body: str) -> list[str]:
        nonlocal seq
        world.lane.feed(1, venue_says(world, seq, msg_type, body))
        world.settle()
        seq += 1
        return [message["35"] for message in sent(world)]

    strategy.say(f"35=D|11=A1|1=ACC|55=IBM|{BUY}38=100|44=191.00|")
    assert [message["35"] for message in sent(world)] == ["D"]
    assert says("2", "7=1|16=0|") == ["4", "H"]
    assert says("8", report.format(n=1, id="0000000000001", what=0)) == []
    strategy.say(f"35=G|11=A2|41=A1|1=ACC|55=IBM|{BUY}38=150|44=191.00|")
    assert [message["35"] for message in sent(world)] == ["G"]
    assert says("2", "7=1|16=0|") == ["4", "H"]
    strategy.take()
    # The first question was asked before the replace, the second behind it.
    assert says("8", report.format(n=2, id="0000000000001", what="I")) == ["H"]
    assert (held(world, "A1"), [order.in_doubt for order in world.lane.orders()]) == (150, [True])
    assert not [row for row in only(strategy.take(), 35) if row == ("9",)]
    says("8", report.format(n=3, id="0000000000001", what="I"))
    assert (held(world, "A1"), [order.in_doubt for order in world.lane.orders()]) == (100, [False])
    assert ("9", "A2") in only(strategy.take(), 35, 11)


def test_a_refused_status_request_is_no_evidence_and_a_person_hears_of_it(stuck: tuple[World, FixClient]) -> None:
    world, strategy = stuck
    world.lines.pop(1)  # from here on the test is the venue
    world.lane.out(1)
    world.lane.limit(1, 1 << 16)
    number = world.lane.view(1).tx_next
    seq = world.lane.view(1).rx_next
    world.lane.feed(1, venue_says(world, seq, "2", "7=1|16=0"))  # asks for all again: what is filled over is asked for
    world.settle()
    asked = [m for m in sent(world) if m["35"] == "H"]
    assert [m["34"] for m in asked] == [str(number)]
    assert only(strategy.take(), 11, 150, 58) == [("A1", "I", "IN_DOUBT")]
    world.lane.feed(1, venue_says(world, seq + 1, "j", f"45={number}|372=H|380=3|58=no such service|"))
    world.run(SECOND)
    heard = [dict(say.fields) for say in world.said if say.event == "session.rejected"]
    assert [(fields["connection"], fields["text"], fields["seq"]) for fields in heard] == [("sessions.nyfix", "no such service", seq + 1)]
    assert [order.in_doubt for order in world.lane.orders()] == [True]
    assert held(world, "A1") == 100
    assert not strategy.take()
    assert not [m for m in world.lane.out(1).decode().split("8=FIX.4.4") if "\x0135=H" in m], "asked again, it would be refused again"
