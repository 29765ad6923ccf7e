"""What `gateway journal print` says of a record: what came, what was decided of which order and why, what left, what a person did."""

import json
from pathlib import Path

from gateway.control.inputs import OperatorWanted
from gateway.journal.record import HEAD, Head, Kind
from gateway.lane import commands
from gateway.lane.shown import plan_of, shown
from tests.control.world import World
from tests.simulators.stand import fix_venue

BUY = "35=D|11={}|1=ACC|55=IBM|54=1|60=20251120-12:00:00|40=2|38={}|44=191.00|"


def records(world: World, first: int) -> list[tuple[Kind, dict[str, object]]]:
    found = []
    for record in world.lane.records(first):
        head = Head(*HEAD.unpack_from(record))
        found.append((Kind(head.kind), shown(head, record[HEAD.size :], world.plan)))
    json.dumps(found)  # of JSON types only
    return found


def test_an_order_s_way_reads_as_it_went(tmp_path: Path) -> None:
    world = World(tmp_path, {"nyfix": fix_venue(quote_qty=0)})
    world.open()
    strategy = world.client()
    strategy.log_on()
    begin = world.lane.counts().lsn + 1
    strategy.say(BUY.format("A1", 100))
    asked, sent, acked, told = (said for kind, said in records(world, begin) if kind in (Kind.IN, Kind.OUT))
    assert asked["connection"] == "strategies.STRAT" and asked["class"] == "BUSINESS" and asked["consumed"] is True
    decision = asked["decision"]
    assert isinstance(decision, dict)
    assert {name: decision[name] for name in ("instrument", "account", "venue", "price", "order_qty", "cl_ord_id")} == {
        "instrument": "IBM", "account": "ACC", "venue": "generic_fix44", "price": "191", "order_qty": "100", "cl_ord_id": "A1",
    }  # fmt: skip
    assert str(asked["frame"]).startswith("8=FIX.4.4|9=") and "|11=A1|" in str(asked["frame"])
    assert (sent["connection"], sent["what"], sent["token"]) == ("sessions.nyfix", "NEW", 1) and "|35=D|" in str(sent["frame"])
    assert acked["connection"] == "sessions.nyfix" and acked["decision"]["ord_status"] == "0"  # type: ignore[index]
    assert (told["connection"], told["what"], told["stream_pos"]) == ("strategies.STRAT", "REPORT", 1)


def test_a_denial_says_its_reason_and_a_person_s_words_are_read(tmp_path: Path) -> None:
    world = World(tmp_path, {"nyfix": fix_venue(quote_qty=0)})
    world.open()
    strategy = world.client()
    strategy.log_on()
    begin = world.lane.counts().lsn + 1
    strategy.say(BUY.format("A1", 99_999))
    world.give(OperatorWanted(1, "pause firm", "ann", "lunch", (commands.pause(0, 0),)))
    world.run(0)
    found = records(world, begin)
    assert [said["decision"]["reason"] for kind, said in found if kind == Kind.IN] == ["limit"]  # type: ignore[index]
    assert [said["parts"] for kind, said in found if kind == Kind.COMMAND][-1] == ["note: pause firm by ann: lunch", "pause(conn 0, 0, 0)"]


def test_every_record_of_a_day_can_be_shown(tmp_path: Path) -> None:
    world = World(tmp_path, {"nyfix": fix_venue(quote_qty=1_000)})
    world.open()
    strategy = world.client()
    strategy.log_on()
    for number in range(5):
        strategy.say(BUY.format(f"A{number}", 100).replace("191.00", "191.35"))
    world.run(60_000_000_000)
    found = records(world, 1)
    assert {Kind.START, Kind.IN, Kind.OUT, Kind.COMMAND, Kind.LATCH, Kind.WATERMARK} <= {kind for kind, _ in found}
    assert not [said for kind, said in found if "payload" in said and kind not in (Kind.TIMER, Kind.FETCHED)]


def test_a_first_record_of_another_kind_gives_no_names(tmp_path: Path) -> None:
    world = World(tmp_path, {})
    (start, *_) = world.lane.records(1)
    assert plan_of(start) is None, "the world begins without the configuration's own form"
