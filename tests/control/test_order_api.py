"""The order API end to end: hello, proof, orders, the stream and its resume, with the client library's own core."""

from pathlib import Path

from gateway.client.core import Error, Lost, Ready
from gateway.client.wire import frame
from gateway.sessions.actions import SECOND
from tests.control.world import RawClient, World
from tests.simulators.stand import fix_venue

ORDER = {"symbol": "IBM", "side": "1", "ord_type": "2", "time_in_force": "0", "order_qty": 100, "qty_exp": 0, "price": 1913500, "px_exp": -4, "account": "ACC"}


def test_a_strategy_proves_its_key_and_trades(tmp_path: Path) -> None:
    world = World(tmp_path, {"nyfix": fix_venue(quote_qty=1_000)})
    world.open()
    strategy = world.api_client()
    assert [type(event) for event in strategy.events] == [Ready], (strategy.events, world.said)
    number = strategy.request("D", **ORDER)
    world.run(1 * SECOND)
    reports = strategy.reports()
    assert [(r.seq, r.cl_ord_num, r.exec_type, r.cum_qty) for r in reports] == [(1, number, "new", 0), (2, number, "trade", 100)]


def test_a_wrong_key_learns_nothing(tmp_path: Path) -> None:
    world = World(tmp_path, {"nyfix": fix_venue()})
    stranger = world.api_client(key=bytes(32))
    unknown = world.api_client(strategy="NOBODY")
    world.run(2 * SECOND)
    for client in (stranger, unknown):
        (lost,) = client.events
        assert isinstance(lost, Lost) and lost.reason.endswith("unknown strategy or wrong key") and not lost.again
        assert client.closed


def test_one_login_a_strategy(tmp_path: Path) -> None:
    world = World(tmp_path, {"nyfix": fix_venue()})
    first, second = world.api_client(), world.api_client()
    world.run(2 * SECOND)
    (lost,) = second.events
    assert isinstance(lost, Lost) and lost.reason.endswith("this strategy is logged on already"), second.events
    assert not first.closed


def test_the_stream_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """Reports made while the strategy was away, and those it had not read, come with the next login; none twice."""
    world = World(tmp_path, {"nyfix": fix_venue(quote_qty=0)})
    world.open()
    strategy = world.api_client(next_seq=1)
    for _ in range(3):
        strategy.request("D", **ORDER | {"price": 1910000})
    assert [r.seq for r in strategy.reports()] == [1, 2, 3]
    strategy.close()
    strategy.session.disconnected()
    world.run(1 * SECOND)  # its orders are cancelled meanwhile
    assert world.lane.counts().open_orders == 0
    strategy.connect()
    assert [(r.seq, r.cl_ord_num, r.exec_type) for r in strategy.reports()] == [(4, 1, "canceled"), (5, 2, "canceled"), (6, 3, "canceled")]
    assert strategy.session.duplicates == 0


def test_an_id_is_used_once_for_ever(tmp_path: Path) -> None:
    world = World(tmp_path, {"nyfix": fix_venue(quote_qty=0)})
    world.open()
    strategy = world.api_client(first_id=5)
    assert strategy.request("D", **ORDER) == 5
    strategy.session.last_id = 3
    assert strategy.request("D", **ORDER) == 5
    reports = strategy.reports()
    assert [(r.cl_ord_num, r.exec_type, r.reason) for r in reports] == [(5, "new", None), (5, "denied", "duplicate_id")], reports


def test_ids_that_a_lost_journal_does_not_know_are_burnt(tmp_path: Path) -> None:
    """A strategy that says it has used ids up to 900 gets none of them accepted, whatever the gateway remembers (SEAM R5e)."""
    world = World(tmp_path, {"nyfix": fix_venue(quote_qty=0)})
    world.open()
    strategy = world.api_client()
    strategy.close()
    strategy.session.disconnected()
    strategy.session.last_id = 900
    world.run(1 * SECOND)
    strategy.connect()
    # What a strategy says is not what the gateway has: should this login's answer be lost, the next one's still tells the truth (seed 44).
    assert world.lane.view(strategy.conn).last_id == 0
    strategy.session.last_id = 850
    strategy.request("D", **ORDER)
    strategy.session.last_id = 900
    strategy.request("D", **ORDER)
    assert [(r.cl_ord_num, r.exec_type) for r in strategy.reports()] == [(851, "denied"), (901, "new")]


def test_a_strategy_that_says_nothing_is_lost_and_its_orders_cancelled(tmp_path: Path) -> None:
    world = World(tmp_path, {"nyfix": fix_venue(quote_qty=0)})
    world.open()
    strategy = world.api_client()
    strategy.request("D", **ORDER | {"price": 1910000})
    world.run(20 * SECOND)
    assert strategy.closed and world.lane.counts().open_orders == 0


def test_garbage_at_the_door_ends_the_connection(tmp_path: Path) -> None:
    world = World(tmp_path, {"nyfix": fix_venue()})
    world.open()
    for garbage in (bytes(64), b"\xff" * 64, b"8=FIX.4.4\x019=5\x0135=A\x0110=000\x01", (65536).to_bytes(4, "little") + bytes(60), frame(b"N", 0, bytes(440))):
        stranger = RawClient(world)
        stranger.connect("api")
        world.lane.feed(stranger.conn, garbage)
        world.run(1 * SECOND)
        assert stranger.closed, garbage
    assert not any(place.peer for place in world.core.places.values()), "every place is free again"


def test_a_stranger_that_says_nothing_is_sent_away(tmp_path: Path) -> None:
    world = World(tmp_path, {"nyfix": fix_venue()})
    stranger = RawClient(world)
    stranger.connect("api")
    world.run(4 * SECOND)
    assert not stranger.closed
    world.run(2 * SECOND)
    assert stranger.closed and b"no Login in time" in stranger.heard


def test_a_broken_request_is_answered_and_the_session_goes_on(tmp_path: Path) -> None:
    world = World(tmp_path, {"nyfix": fix_venue(quote_qty=0)})
    world.open()
    strategy = world.api_client()
    world.lane.feed(strategy.conn, frame(b"N", 77, b"\xee" * 440))
    world.run(1 * SECOND)
    (error,) = [event for event in strategy.events if isinstance(event, Error)]
    assert error.ref_seq == 77, error
    strategy.request("D", **ORDER)
    assert [r.exec_type for r in strategy.reports()] == ["new"]
