"""The FIX door: who is let in, who is shown nothing, and what a session of a strategy survives."""

from pathlib import Path

from gateway.sessions.actions import SECOND
from tests.control.world import FixClient, RawClient, World
from tests.simulators.stand import fix_venue, only

BUY = "54=1|60=20251120-12:00:00|40=2|"
REST = f"1=ACC|55=IBM|{BUY}38=100|44=191.00|"


def open_world(folder: Path, quote_qty: int = 0) -> World:
    world = World(folder, {"nyfix": fix_venue(quote_qty=quote_qty)})
    world.open()
    return world


def logged_on(world: World, comp_id: str = "STRAT") -> FixClient:
    client = world.client(comp_id)
    client.log_on()
    return client


def test_a_stranger_is_shown_nothing(tmp_path: Path) -> None:
    """Session test case 1S: unknown comp ids, a wrong target, or anything but a Logon: the connection ends without a byte."""
    world = open_world(tmp_path)
    for comp_id, first in (("WHO", "35=A|98=0|108=30|"), ("STRAT", "35=0|"), ("STRAT", f"35=D|11=A1|{REST}")):
        client = world.client(comp_id)
        client.say(first)
        world.run(1 * SECOND)
        assert client.closed and not client.take(), (comp_id, first)
    raw = RawClient(world)
    raw.connect("fix")
    world.lane.feed(raw.conn, b"GET / HTTP/1.1\r\nHost: gateway\r\n\r\n")
    world.run(1 * SECOND)
    assert raw.closed and not raw.heard
    assert not any(place.peer for place in world.core.places.values())


def test_the_second_connection_of_one_identity_is_refused_and_the_first_stays(tmp_path: Path) -> None:
    world = open_world(tmp_path)
    first = logged_on(world)
    second = world.client()
    second.say("35=A|98=0|108=30|141=Y|")
    world.run(1 * SECOND)
    assert second.closed and not second.take()
    first.say(f"35=D|11=A1|{REST}")
    assert only(first.take(), 11, 150) == [("A1", "0")]


def test_a_logon_with_a_wrong_field_is_told_why(tmp_path: Path) -> None:
    world = open_world(tmp_path)
    client = world.client()
    client.say("35=A|98=1|108=30|141=Y|")
    world.run(2 * SECOND)
    assert only(client.take(), 35, 58) == [("5", "EncryptMethod(98) must be 0, not '1'")]
    assert client.closed
    logged_on(world)


def test_more_strangers_than_places_are_dropped(tmp_path: Path) -> None:
    world = open_world(tmp_path)
    places = sum(place.door == "fix" for place in world.core.places.values())
    clients = [world.client() for _ in range(places + 1)]
    assert [client.closed for client in clients] == [False] * places + [True]
    assert [say.event for say in world.said if say.event == "door.full"] == ["door.full"]


def test_numbers_go_on_over_connections_and_missed_reports_come_again(tmp_path: Path) -> None:
    world = open_world(tmp_path)
    client = logged_on(world, "OTHER")
    client.say(f"35=D|11=A1|{REST}")
    (ack,) = client.take()
    client.close()
    world.run(1 * SECOND)
    again = world.client("OTHER")
    again.seq = client.seq
    again.say("35=A|98=0|108=30|")
    (logon,) = again.take()
    assert (logon[35], int(logon[34])) == ("A", int(ack[34]) + 1)
    again.say(f"35=2|7={ack[34]}|16=0|")
    world.run(1 * SECOND)
    resent = again.take()
    assert only(resent[:1], 35, 34, 43, 11, 150) == [("8", ack[34], "Y", "A1", "0")], resent
    assert only(resent[1:], 35, 123) == [("4", "Y")], "session messages are filled over"


def test_a_gap_of_the_strategy_is_asked_for_and_taken_in_order(tmp_path: Path) -> None:
    world = open_world(tmp_path)
    client = logged_on(world)
    client.say(f"35=D|11=A3|{REST}", seq=4)
    world.run(1 * SECOND)
    assert only(client.take(), 35, 7, 16) == [("2", "2", "0")]
    for seq in (2, 3, 4):
        client.say(f"35=D|43=Y|122=20251120-12:00:00|11=A{seq - 1}|{REST}", seq=seq)
    world.run(1 * SECOND)
    assert only(client.take(), 11, 150) == [("A1", "0"), ("A2", "0"), ("A3", "0")]


def test_what_cannot_be_read_is_rejected_and_the_session_goes_on(tmp_path: Path) -> None:
    world = open_world(tmp_path)
    client = logged_on(world)
    client.say(f"35=D|11=A1|1=ACC|55=IBM|{BUY}38=many|44=191.00|")
    client.say(f"35=D|1=ACC|55=IBM|{BUY}38=100|44=191.00|")
    client.say("35=B|148=news|33=1|58=text|")
    client.say("35=1|")
    world.run(1 * SECOND)
    assert only(client.take(), 35, 45, 371, 372, 373, 380) == [
        ("3", "2", "38", "D", "6", ""),
        ("3", "3", "11", "D", "1", ""),
        ("j", "4", "", "B", "", "3"),
        ("3", "5", "112", "1", "1", ""),
    ]
    client.say(f"35=D|11=A1|{REST}")
    assert only(client.take(), 11, 150) == [("A1", "0")]


def test_a_number_too_low_ends_the_session(tmp_path: Path) -> None:
    world = open_world(tmp_path)
    client = logged_on(world)
    client.say("35=0|", seq=1)
    world.run(2 * SECOND)
    assert only(client.take(), 35, 58) == [("5", "MsgSeqNum too low, expecting 2 but received 1")]
    assert client.closed


def test_a_lost_strategy_has_its_orders_cancelled_if_it_wants_so(tmp_path: Path) -> None:
    world = open_world(tmp_path)
    wants, leaves = logged_on(world), logged_on(world, "OTHER")
    wants.say(f"35=D|11=A1|{REST}")
    leaves.say(f"35=D|11=B1|{REST}")
    for client in (wants, leaves):
        client.close()
    world.run(1 * SECOND)
    assert [(order.cl_ord_id, order.ord_status) for order in world.lane.orders(with_final=True)] == [("A1", "4"), ("B1", "0")]


def test_a_silent_strategy_is_probed_and_then_lost(tmp_path: Path) -> None:
    world = open_world(tmp_path)
    client = logged_on(world)
    world.run(50 * SECOND)
    assert [message[35] for message in client.take()] == ["0", "1"], "a heartbeat of ours after 30 s, a TestRequest after 36"
    world.run(30 * SECOND)
    assert client.closed and "SILENT" in {say.fields.get("reason") for say in world.said}


def test_a_test_request_is_answered_by_the_lane(tmp_path: Path) -> None:
    world = open_world(tmp_path)
    client = logged_on(world)
    pushed = len(world.pushed)
    client.say("35=1|112=are you there|")
    assert only(client.take(), 35, 112) == [("0", "are you there")]
    assert len(world.pushed) == pushed, "the control plane has heard nothing of it"


def test_a_logout_is_answered(tmp_path: Path) -> None:
    world = open_world(tmp_path)
    client = logged_on(world)
    client.say("35=5|58=good night|")
    world.run(1 * SECOND)
    assert only(client.take(), 35) == [("5",)]
    client.close()
    world.run(1 * SECOND)
    logged_on(world)


def test_each_strategy_has_ids_of_its_own(tmp_path: Path) -> None:
    """Ids that differ in one character, from strategies whose connections have numbers that differ in as little."""
    world = open_world(tmp_path)
    ids = [f"{digit}100" for digit in range(10)]
    for name in ("STRAT", "OTHER"):
        strategy = logged_on(world, name)
        for right in ("0", "8"):  # each is new once
            for id in ids:
                strategy.say(f"35=D|11={id}|{REST}")
            assert only(strategy.take(), 11, 150) == [(id, right) for id in ids]
