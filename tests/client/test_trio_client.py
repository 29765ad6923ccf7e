"""The trio client: the same session awaited; what the core decides is tested with the core."""

import threading

import pytest
import trio

from gateway.client import AsyncClient, ConnectionLost, Key, LoginRejected
from tests.client.gateway_side import SECRET, Peer, end, filled, new, serving

KEY = Key("DEMO", SECRET)


async def test_an_order_and_its_reports() -> None:
    def gateway(peer: Peer) -> None:
        peer.login()
        _, id, _ = peer.order()
        peer.send(new(1, id), filled(2, id))
        assert peer.read()[0] == b"O"
        peer.send(end(b"goodbye"))

    with serving(gateway) as address, trio.fail_after(10):
        async with AsyncClient.connect(address, key=KEY) as gw:
            order = gw.new_order("AAPL", "buy", 100, price="187.25")
            assert [str(report) async for report in order.reports()] == ["NEW 100 @ 187.25 nasdaq", "FILLED 100 @ 187.25 nasdaq"]
            assert order.is_final and gw.open_orders == ()


async def test_resume_after_a_lost_connection() -> None:
    ids: list[int] = []

    def first(peer: Peer) -> None:
        peer.login()
        ids.append(peer.order()[1])
        peer.send(new(1, ids[0]))

    def second(peer: Peer) -> None:
        assert peer.login(2, ids[0], 1, filled(2, ids[0]))[1] == 2
        peer.read(b"O")

    with serving(first, second) as address, trio.fail_after(10):
        async with AsyncClient.connect(address, key=KEY) as gw:
            order = gw.new_order("AAPL", "buy", 100, price="187.25")
            assert [report.seq async for report in order.reports()] == [1, 2]


async def test_a_gateway_that_ends_the_session_reaches_every_waiting_task_as_itself() -> None:
    def gateway(peer: Peer) -> None:
        peer.login()
        peer.order()
        peer.send(end(b"shutdown"))

    with serving(gateway) as address, trio.fail_after(10), pytest.raises(ConnectionLost, match="shutdown"):
        async with AsyncClient.connect(address, key=KEY, reconnect=False) as gw:
            order = gw.new_order("AAPL", "buy", 100, price="187.25")
            async for _ in order.reports():
                pass


async def test_a_wrong_key_is_refused() -> None:
    refused = pytest.raises(LoginRejected, match="wrong key")
    with serving(lambda peer: peer.login() and None) as address, trio.fail_after(10), refused:
        async with AsyncClient.connect(address, key=Key("DEMO", b"x" * 32)):
            pass


async def test_the_callers_timeout_ends_the_wait_and_says_goodbye() -> None:
    goodbye = threading.Event()

    def gateway(peer: Peer) -> None:
        peer.login()
        peer.read(b"O")
        goodbye.set()

    with serving(gateway) as address, trio.fail_after(10):
        with trio.move_on_after(0.05) as scope:
            async with AsyncClient.connect(address, key=KEY) as gw:
                async for _ in gw.reports():
                    pass
        assert scope.cancelled_caught
    assert goodbye.is_set()
