"""Sessions with venues: connect, be refused, come back; limits by an operator; the end in order; and the core replayed."""

from itertools import pairwise
from pathlib import Path

import pytest

from gateway.control.ending import Stage
from gateway.control.furnish import furnish
from gateway.control.inputs import DrainWanted, OperatorWanted
from gateway.control.logins import verifier
from gateway.lane import commands
from gateway.lane.commands import Batch
from gateway.lane.native import lib
from gateway.lane.tables import limits_table
from gateway.seams import SeededRng
from gateway.sessions.actions import SECOND
from gateway.sessions.fix import State
from simulators.venue import Options
from tests.control.test_venues import BOTH
from tests.control.world import CONFIG, KEY, World
from tests.simulators.stand import fix_venue, only, ouch_venue

BUY = "54=1|60=20251120-12:00:00|40=2|"
REST = f"1=ACC|55=IBM|{BUY}38=100|44=191.00|"


def events(world: World) -> list[str]:
    return [say.event for say in world.said]


def test_a_venue_that_is_away_is_tried_again_ever_more_rarely(tmp_path: Path) -> None:
    world = World(tmp_path, {})
    world.run(30 * SECOND)
    waits = [say.fields["retry_ms"] for say in world.said if say.event == "link.down"]
    assert len(waits) == 3, "then the log is silent"
    assert all(isinstance(b, int) and isinstance(a, int) and a < b for a, b in pairwise(waits)), waits
    world.venues["nyfix"] = fix_venue()
    world.until(lambda: world.core.open, 20 * SECOND)


def test_a_refused_logon_is_told_and_tried_again(tmp_path: Path) -> None:
    world = World(tmp_path, {"nyfix": fix_venue(Options(password="not ours"))})
    world.run(5 * SECOND)
    lost = [say.fields for say in world.said if say.event == "session.lost"]
    assert len(lost) > 1 and {each["reason"] for each in lost} <= {"LOGON_REFUSED", "PEER_CLOSED"}, lost
    assert not world.core.open


def test_a_secret_is_sent_and_stands_in_no_log_and_no_record(tmp_path: Path) -> None:
    text = CONFIG.replace('target = "VENUE"', 'target = "VENUE"\npassword = "env:FIX"')
    world = World(tmp_path, {"nyfix": fix_venue(Options(password="secret"))}, text)
    world.open()
    assert not any("secret" in str(say) for say in world.said)
    logons = [record for record in world.lane.records() if b"35=A\x01" in record]
    assert logons and all(b"554=secret" not in record for record in world.lane.records())
    assert any(b"554=******" in record for record in logons)


def test_a_venue_that_goes_and_comes_is_reconciled_before_it_is_open(tmp_path: Path) -> None:
    venue = fix_venue(quote_qty=0)
    world = World(tmp_path, {"nyfix": venue})
    world.open()
    strategy = world.client("OTHER")
    strategy.log_on()
    strategy.say(f"35=D|11=A1|{REST}")
    world.lane.close(1)
    world.lines[1].disconnect(world.now_ns)
    del world.lines[1]
    world.run(0)
    assert not world.core.open
    strategy.say(f"35=D|11=A2|{REST}")
    assert only(strategy.take(), 11, 150, 39) == [("A1", "0", "0"), ("A2", "8", "8")], "VENUE_DOWN is told at once"
    world.open()
    assert venue.counts()["received"] == {"new": 1, "mass_status": 2}, venue.counts()
    strategy.say(f"35=D|11=A3|{REST}")
    assert only(strategy.take(), 11, 150) == [("A3", "0")]


def test_a_venue_without_mass_status_is_asked_for_each_order(tmp_path: Path) -> None:
    """Where OrderMassStatusRequest is refused the lane asks for every order in doubt, and the session opens when none is left."""
    venue = fix_venue(quote_qty=0)
    world = World(tmp_path, {"nyfix": venue})
    world.open()
    machine = world.core.links[1].session
    assert getattr(machine, "state", None) is State.OPEN
    world.lane.close(1)
    world.lines[1].disconnect(world.now_ns)
    del world.lines[1]
    refused = venue.request

    def request(owner: str, message: object, now_ns: int) -> None:
        if getattr(message, "type", "") == "AF":
            venue.rims[owner].submit("j", ((45, str(getattr(message, "seq", 0))), (372, "AF"), (380, "3")), now_ns)
        else:
            refused(owner, message, now_ns)  # type: ignore[arg-type]  # the venue's own

    venue.request = request  # type: ignore[method-assign]  # a venue with fewer abilities
    world.open()
    assert "session.status_wanted" in events(world)


def test_limits_of_an_operator_hold_from_the_record_that_is_told(tmp_path: Path) -> None:
    world = World(tmp_path, {"nyfix": fix_venue(quote_qty=0)})
    world.open()
    strategy = world.client()
    strategy.log_on()
    table = limits_table(world.plan, world.config, {"firm": {**world.config.limits.firm, "order_qty": 50}}, 2)
    assert len(table) > 2048, "more than one piece"
    world.give(OperatorWanted(7, "limit firm.order_qty 50", "root", "a test", commands.swap_limits(table)))
    world.run(0)
    (answer,) = world.answers
    assert answer.request == 7 and answer.lsn > 0
    record = world.lane.record(answer.lsn)
    assert record is not None and b"limit firm.order_qty 50 by root: a test" in record
    assert world.lane.counts().limits_version == 2
    strategy.say(f"35=D|11=A1|{REST}")
    (denied,) = strategy.take()
    assert denied[39] == "8" and denied[58].startswith("order_qty 100 > 50"), denied


def test_a_table_of_limits_that_is_none_changes_nothing(tmp_path: Path) -> None:
    world = World(tmp_path, {"nyfix": fix_venue()})
    world.give(OperatorWanted(1, "nonsense", "root", "a test", commands.swap_limits(bytes(4096))))
    world.run(0)
    (answer,) = world.answers
    assert answer.lsn == 0 and answer.text and world.lane.counts().limits_version == 1


@pytest.mark.parametrize(("on_shutdown", "states"), [("cancel", ["4", "0"]), ("leave", ["0", "0"])])
def test_the_end_in_order(tmp_path: Path, on_shutdown: str, states: list[str]) -> None:
    """Day orders are cancelled (or left), orders till cancelled stay; every session logs out; the journal ends with STOP (SEAM D12)."""
    world = World(tmp_path, {"nyfix": fix_venue(quote_qty=0), "nasdaq": ouch_venue()}, f'on_shutdown = "{on_shutdown}"\n' + BOTH)
    world.open()
    strategy = world.client("OTHER")
    strategy.log_on()
    strategy.say(f"35=D|11=A1|59=0|{REST}")
    strategy.say(f"35=D|11=A2|59=1|{REST}")
    world.give(DrainWanted())
    strategy.say(f"35=D|11=A3|{REST}")
    world.until(lambda: world.ended, 20 * SECOND)
    assert [order.ord_status for order in world.lane.orders(with_final=True) if order.cl_ord_id in ("A1", "A2")] == states
    assert [message[35] for message in strategy.take()][-1] == "5"
    assert world.core.stage is Stage.ENDED and world.lane.counts().stopped
    last = world.lane.records()[-1]
    assert last[8] == lib.GW_REC_STOP


def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    world = World(tmp_path, {"nyfix": fix_venue()})
    world.open()
    world.give(DrainWanted())
    world.give(DrainWanted(now=True))
    world.run(0)
    assert world.ended


def replayed(world: World, seed: int = 1) -> list[Batch]:
    """The batches of a new core that hears the same at the same times."""
    core = furnish(world.config, world.plan, SeededRng(seed), verifier({"STRAT": KEY}))
    batches: list[Batch] = []
    for event, now_ns in world.heard:
        batches += core.tick(now_ns) if event is None else core.on_event(event, now_ns)
        core.take_wishes()
    return batches


def test_the_same_events_give_the_same_commands(tmp_path: Path) -> None:
    """The control plane is a function of what it hears (SEAM D1): a journal of events and times is its replay."""
    world = World(tmp_path, {"nyfix": fix_venue(quote_qty=100), "nasdaq": ouch_venue(quote_qty=100)}, BOTH)
    world.open()
    strategy, other = world.client(), world.client("OTHER")
    strategy.log_on()
    other.log_on()
    world.api_client(key=bytes(32))
    for i in range(5):
        strategy.say(f"35=D|11=A{i}|{REST}")
        other.say(f"35=D|11=B{i}|38=many|{REST}")
    strategy.close()
    world.lane.close(2)
    world.run(5 * SECOND)
    world.give(DrainWanted())
    world.until(lambda: world.ended, 20 * SECOND)
    assert len(world.pushed) > 30
    assert replayed(world) == world.pushed
    assert replayed(world, seed=2) != world.pushed, "its nonces and waits are drawn from the seed"
