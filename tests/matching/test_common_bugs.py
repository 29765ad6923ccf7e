"""The bugs that matching engines are known for (reference 6.2), one test each, by the core and by the twin."""

import struct

import pytest

from simulators.matching import (
    PRICE_TIME,
    STREAM,
    Kind,
    Message,
    Profile,
    Side,
    Tif,
    open_exchange,
    pack_messages,
    unpack_events,
)
from tests.matching.script import both, play

SCRIPTS = {
    "trades at the taker's price on one side only": """
        sell 1 1@100                  > accepted 1
        buy 2 1@105                   > accepted 2 · trade 2/1 1@100
        buy 3 1@100                   > accepted 3
        sell 4 1@95                   > accepted 4 · trade 4/3 1@100
    """,
    "cancel of the head, the middle or the tail loses the others": """
        buy 1 1@100                   > accepted 1
        buy 2 1@100                   > accepted 2
        buy 3 1@100                   > accepted 3
        buy 4 1@100                   > accepted 4
        buy 5 1@100                   > accepted 5
        cancel 3                      > canceled 3 1 USER
        cancel 1                      > canceled 1 1 USER
        cancel 5                      > canceled 5 1 USER
        buy 6 1@100                   > accepted 6
        sell 7 9@100                  > accepted 7 · trade 7/2 1@100 · trade 7/4 1@100 · trade 7/6 1@100
    """,
    "priority lost by swap-and-pop": """
        buy 1 1@100                   > accepted 1
        buy 2 1@100                   > accepted 2
        buy 3 1@100                   > accepted 3
        buy 4 1@100                   > accepted 4
        cancel 1                      > canceled 1 1 USER
        sell 5 2@100                  > accepted 5 · trade 5/2 1@100 · trade 5/3 1@100
    """,
    "fill-or-kill is checked maker by maker, or level by level": """
        sell 1 4@100                  > accepted 1
        sell 2 4@100                  > accepted 2
        sell 3 4@101                  > accepted 3
        buy 4 12@101 fok              > accepted 4 · trade 4/1 4@100 · trade 4/2 4@100 · trade 4/3 4@101
    """,
    "the rest of an immediate-or-cancel order rests": """
        sell 1 4@100                  > accepted 1
        buy 2 9@100 ioc               > accepted 2 · trade 2/1 4@100 · canceled 2 5 IOC
        sell 3 5@90                   > accepted 3
    """,
    "a modify drops the order, or does not match again": """
        sell 1 5@101                  > accepted 1
        buy 2 5@100                   > accepted 2
        replace 2 6@100               > replaced 2→2 6@100
        replace 2 6@101               > replaced 2→2 6@101 · trade 2/1 5@101
        sell 3 1@101                  > accepted 3 · trade 3/2 1@101
    """,
    "a filled or cancelled id is not pruned, and a stale cancel is acknowledged": """
        sell 1 5@100                  > accepted 1
        buy 2 5@100                   > accepted 2 · trade 2/1 5@100
        cancel 1                      > cancel_rejected 1 UNKNOWN_ORDER
        cancel 2                      > cancel_rejected 2 UNKNOWN_ORDER
        buy 3 5@100 ioc               > accepted 3 · canceled 3 5 IOC
        cancel 3                      > cancel_rejected 3 UNKNOWN_ORDER
        buy 4 5@100                   > accepted 4
        replace 4 5@99 as=5           > replaced 4→5 5@99
        cancel 4                      > cancel_rejected 4 UNKNOWN_ORDER
        cancel 5                      > canceled 5 5 USER
    """,
    "an id is used again after its order is done": """
        buy 1 5@100                   > accepted 1
        sell 2 5@100                  > accepted 2 · trade 2/1 5@100
        sell 1 5@200                  > accepted 1
        cancel 1                      > canceled 1 5 USER
        sell 1 6@210                  > accepted 1
        buy 3 9@300                   > accepted 3 · trade 3/1 6@210
        cancel 1                      > cancel_rejected 1 UNKNOWN_ORDER
    """,
    "a marketable limit order walks past its own limit": """
        sell 1 5@100                  > accepted 1
        sell 2 5@103                  > accepted 2
        buy 3 9@102                   > accepted 3 · trade 3/1 5@100
        sell 4 4@102                  > accepted 4 · trade 4/3 4@102
    """,
    "trades of nothing": """
        sell 1 5@100                  > accepted 1
        buy 2 0@100                   > rejected 2 BAD_QTY
        replace 1 0@100               > replace_rejected 1 BAD_QTY
        buy 3 5@100                   > accepted 3 · trade 3/1 5@100
        buy 4 5@100                   > accepted 4
    """,
    "a single pass over the stops": """
        buy 1 1@99                    > accepted 1
        buy 2 1@98                    > accepted 2
        buy 3 1@97                    > accepted 3
        sell 4 1@mkt stop=98          > accepted 4
        sell 5 1@mkt stop=99          > accepted 5
        sell 6 1@99                   > accepted 6 · trade 6/1 1@99 · triggered 5 · trade 5/2 1@98 · triggered 4 · trade 4/3 1@97
    """,
    "a duplicate live id shadows the first order": """
        buy 1 5@100                   > accepted 1
        buy 1 5@101                   > rejected 1 DUPLICATE_ID
        cancel 1                      > canceled 1 5 USER
        sell 2 5@90                   > accepted 2
    """,
}


@pytest.mark.parametrize("bug", SCRIPTS)
def test_it_does_not_happen_that(bug: str) -> None:
    for _ in both(PRICE_TIME, SCRIPTS[bug]):
        pass


def test_no_phantom_best_price_after_a_cancel_a_fill_or_a_replace() -> None:
    for exchange in both(PRICE_TIME, "buy 1 5@101 > accepted 1\n buy 2 5@100 > accepted 2\n buy 3 5@99 > accepted 3"):
        play(exchange, "cancel 1 > canceled 1 5 USER")
        assert exchange.quote(0) == (100, 5, None, 0)
        play(exchange, "sell 4 5@100 > accepted 4 · trade 4/2 5@100")
        assert exchange.quote(0) == (99, 5, None, 0)
        play(exchange, "replace 3 5@50 > replaced 3→3 5@50")
        assert exchange.depth(0, Side.BUY, 9) == [(50, 5, 1)]
        play(exchange, "cancel 3 > canceled 3 5 USER")
        assert exchange.quote(0) == (None, 0, None, 0)


@pytest.mark.parametrize("twin", [False, True], ids=["core", "twin"])
def test_twenty_orders_at_a_price_keep_their_order(twin: bool) -> None:
    """An unstable sort shows from thirteen on."""
    exchange = open_exchange(PRICE_TIME, twin=twin)
    for i in range(20):
        exchange.send(Message(Kind.NEW, side=1, order_id=20 - i, px=100, qty=1))
    events = exchange.send(Message(Kind.NEW, order_id=99, px=100, qty=20))
    assert [e.match_id for e in events[1:]] == list(range(20, 0, -1))


@pytest.mark.parametrize("twin", [False, True], ids=["core", "twin"])
def test_five_thousand_fills_and_five_thousand_stops_need_no_depth(twin: bool) -> None:
    exchange = open_exchange(PRICE_TIME, twin=twin)
    count = 5_000
    exchange.run(pack_messages(Message(Kind.NEW, side=1, order_id=i, px=100 + i, qty=1) for i in range(count)))
    exchange.run(
        pack_messages(
            Message(Kind.NEW, ord_type=2, order_id=count + i, stop_px=100 + i, qty=1) for i in range(count - 1)
        )
    )
    events = exchange.send(Message(Kind.NEW, order_id=2 * count, px=100, qty=1))
    assert sum(e.kind == 3 for e in events) == count  # each stop lifts the next price and reaches the next stop
    assert exchange.live_orders == 0


@pytest.mark.parametrize("twin", [False, True], ids=["core", "twin"])
def test_a_pool_never_drops_silently(twin: bool) -> None:
    exchange = open_exchange(PRICE_TIME, max_orders=10, twin=twin)
    answers = [exchange.send(Message(Kind.NEW, order_id=i, px=i, qty=1))[0].kind for i in range(25)]
    assert answers == [1] * 10 + [2] * 15
    assert [len(exchange.send(Message(Kind.CANCEL, order_id=i))) for i in range(25)] == [1] * 25
    assert exchange.live_orders == 0
    for _ in range(3):  # and it gives back what it took
        assert [exchange.send(Message(Kind.NEW, order_id=i, px=-i, qty=1))[0].kind for i in range(11)] == [1] * 10 + [2]
        exchange.send(Message(Kind.MASS_CANCEL, side=2))


@pytest.mark.parametrize("twin", [False, True], ids=["core", "twin"])
def test_ids_and_prices_anywhere_in_64_bits(twin: bool) -> None:
    """Index structures must not count on dense numbers: extremes, powers of two, and ids that differ in one bit."""
    exchange = open_exchange(STREAM, twin=twin)
    ids = [0, 1, (1 << 64) - 1, *(1 << b for b in range(1, 64)), *((1 << 63) | (1 << b) for b in range(62))]
    pxs = [*(-(1 << b) for b in range(63, -1, -1)), 0, *((1 << b) - 1 for b in range(1, 64))]
    for i, order_id in enumerate(ids):
        assert exchange.send(Message(Kind.NEW, side=1, order_id=order_id, px=pxs[i], qty=1))[0].kind == 1
    depth = exchange.depth(0, Side.SELL, 1000)
    assert [px for px, _, _ in depth] == sorted(pxs[: len(ids)]) and len(set(ids)) == len(ids) == len(depth)
    for order_id in ids[::2]:
        (event,) = exchange.send(Message(Kind.CANCEL, order_id=order_id))
        assert (event.kind, event.order_id) == (4, order_id)
    events = exchange.send(Message(Kind.NEW, order_id=5, px=(1 << 63) - 1, qty=1000, tif=Tif.IOC))
    traded = [e.px for e in events if e.kind == 3]
    assert traded == sorted(pxs[1 : len(ids) : 2])


@pytest.mark.parametrize("twin", [False, True], ids=["core", "twin"])
def test_a_message_that_is_not_whole_or_does_not_fit_is_refused(twin: bool) -> None:
    exchange = open_exchange(PRICE_TIME, twin=twin)
    with pytest.raises(ValueError, match="113 bytes are not whole messages of 112"):
        exchange.run(bytes(113))
    with pytest.raises(struct.error):
        exchange.send(Message(Kind.NEW, px=1 << 63))
    events = unpack_events(exchange.run(bytes(112)))
    assert [(e.kind, e.reason) for e in events] == [(18, 2)]  # a message of no kind


def test_quantities_sum_without_overflow() -> None:
    most = 1 << 40
    profile = Profile("large", level_data=True)
    for exchange in both(profile, "", max_orders=100):
        for i in range(90):
            exchange.send(Message(Kind.NEW, order_id=i, px=1, qty=most))
        assert exchange.quote(0).bid_qty == 90 * most
        exchange.send(Message(Kind.NEW, side=1, order_id=100, px=1, qty=most))
        assert exchange.statistics(0).volume == most
