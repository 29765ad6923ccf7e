"""What holds whatever is sent: conservation, priority, no crossed book at rest, auctions at their best, and the core equal to the twin.

Two sources of messages: Hypothesis for small books, so that a failure shrinks to a few messages; and the seeded flow for every kind
of message under every profile, event by event (PORTCULLIS_TESTS=all: 200 seeds, some three million messages).
"""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.matching import (
    PRICE_TIME,
    EventFlag,
    EventKind,
    Exchange,
    Flag,
    Kind,
    Message,
    OrdType,
    Peg,
    Phase,
    Profile,
    Reason,
    Side,
    Tif,
    open_exchange,
    pack_messages,
)
from simulators.matching.records import EVENT
from tests.conftest import SEED_COUNT
from tests.matching.flow import TRIED, Flow
from tests.matching.ledger import Ledger

MESSAGES = 500 if SEED_COUNT > 30 else 50


def crossed(exchange: Exchange, symbol: int) -> bool:
    q = exchange.quote(symbol)
    return q.bid_px is not None and q.ask_px is not None and q.bid_px >= q.ask_px


def test_core_and_twin_agree_event_by_event_whatever_is_sent(seed: int) -> None:
    for profile in TRIED.values():
        flow = Flow(seed, symbols=2, spread=(4, 12, 40)[seed % 3])
        sizes = {"symbols": 2, "max_orders": (30, 1000)[seed % 2], "max_trades": 32}
        core, twin, ledger = open_exchange(profile, **sizes), open_exchange(profile, twin=True, **sizes), Ledger()
        for i in range(MESSAGES):
            message = flow.one()
            events = twin.send(message)
            assert core.send(message) == events, (profile.name, i, message)
            ledger.apply(events)
            for symbol in range(2):
                if twin.phase(symbol) == Phase.CONTINUOUS:
                    assert not crossed(core, symbol), (profile.name, i, message)
        assert core.state_hash() == twin.state_hash(), profile.name
        ledger.agrees(core)
        ledger.agrees(twin)
        for symbol in range(2):
            assert core.statistics(symbol) == twin.statistics(symbol)
            assert core.indication(symbol) == twin.indication(symbol)
            for side in Side:
                assert core.depth(symbol, side, 99) == twin.depth(symbol, side, 99)


def test_a_batch_is_its_messages_one_by_one(seed: int) -> None:
    profile = TRIED["all_data"]
    messages = Flow(seed, symbols=2).take(300)
    batch, single, twin = (open_exchange(profile, symbols=2, max_orders=200, twin=t) for t in (False, False, True))
    data = pack_messages(messages)
    events = batch.run(data)
    assert events == b"".join(EVENT.pack(*e) for m in messages for e in single.send(m)) == twin.run(data)
    assert batch.state_hash() == single.state_hash() == twin.state_hash()


def test_states_that_will_behave_differently_have_different_hashes() -> None:
    order = Message(Kind.NEW, order_id=1, px=10, qty=8, session=1, account=1, tif=Tif.GTD, expire_ns=9, flags=Flag.HIDDEN)
    others = [
        replace(order, **{field: value})
        for field, value in (
            ("order_id", 2), ("px", 11), ("qty", 9), ("session", 2), ("account", 2), ("stp_id", 1), ("stp_mode", 2), ("side", 1),
            ("tif", Tif.GTC), ("expire_ns", 10), ("flags", 0), ("flags", Flag.HIDDEN | Flag.LMM), ("min_qty", 1), ("symbol", 1),
        )
    ]  # fmt: skip
    stop = Message(Kind.NEW, order_id=1, px=10, qty=8, stop_px=12, ord_type=OrdType.STOP_LIMIT)
    peg = Message(Kind.NEW, order_id=1, px=10, qty=8, peg=Peg.MID)
    others += [stop, replace(stop, stop_px=13), replace(stop, px=9), peg, replace(peg, stop_px=1), replace(peg, peg=Peg.MARKET)]
    others += [replace(order, flags=0, display_qty=4), replace(order, flags=0, display_qty=2), Message(Kind.REFERENCE, px=3)]
    others += [Message(Kind.REFERENCE, px=3, phase=2), Message(Kind.PHASE, phase=Phase.HALT), Message(Kind.PHASE, phase=Phase.CONTINUOUS)]
    others += [Message(Kind.PHASE, phase=Phase.CONTINUOUS, expire_ns=5)]
    for twin in (False, True):
        found: dict[int, Message] = {}
        for message in (order, *others):
            exchange = open_exchange(PRICE_TIME, symbols=2, twin=twin)
            assert not any(e.kind == EventKind.REJECTED for e in exchange.send(message)), message
            assert found.setdefault(exchange.state_hash(), message) is message, (twin, message)


def test_no_event_is_lost_when_there_are_more_than_the_room_takes() -> None:
    core = open_exchange(PRICE_TIME, max_orders=100_000)
    count = 80_000
    core.run(pack_messages(Message(Kind.NEW, side=1, order_id=i, px=i, qty=1) for i in range(count)))
    sweep = Message(Kind.NEW, order_id=count, px=count, qty=count + 5)
    events = core.send(sweep)
    assert [e.match_id for e in events[1:]] == list(range(count))
    assert core.quote(0) == (count, 5, None, 0)
    (canceled, done) = core.send(Message(Kind.MASS_CANCEL, side=2))
    assert (canceled.qty, done.qty) == (5, 1)


PXS, QTYS, IDS = st.integers(95, 105), st.integers(1, 30), st.integers(1, 12)


@st.composite
def orders(draw: st.DrawFn, plain: bool = False) -> Message:
    m = Message(Kind.NEW, side=draw(st.integers(0, 1)), order_id=draw(IDS), px=draw(PXS), qty=draw(QTYS))
    if plain:
        return m
    shape = draw(st.integers(0, 7))
    if shape == 1:
        m.tif = draw(st.sampled_from((Tif.IOC, Tif.FOK)))
    elif shape == 2:
        m.display_qty = draw(st.integers(1, m.qty))
    elif shape == 3:
        m.flags, m.min_qty = Flag.HIDDEN, draw(st.integers(0, m.qty))
    elif shape == 4:
        m.ord_type, m.stop_px = draw(st.sampled_from((OrdType.STOP, OrdType.STOP_LIMIT))), draw(PXS)
    elif shape == 5:
        m.ord_type = OrdType.MARKET
    elif shape == 6:
        m.flags = Flag.POST_ONLY | draw(st.sampled_from((0, Flag.SLIDE)))
    m.stp_id = draw(st.integers(0, 2))
    return m


@st.composite
def messages(draw: st.DrawFn) -> Message:
    if draw(st.integers(0, 3)):
        return draw(orders())
    order_id = draw(IDS)
    if draw(st.booleans()):
        return Message(Kind.CANCEL, order_id=order_id)
    return Message(Kind.REPLACE, order_id=order_id, new_order_id=draw(IDS), px=draw(PXS), qty=draw(QTYS))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.lists(messages(), max_size=40), st.sampled_from(sorted(TRIED)))
def test_volume_is_conserved(sent: list[Message], name: str) -> None:
    profile = replace(TRIED[name], first_phase=Phase.CONTINUOUS)
    core, twin, ledger = open_exchange(profile), open_exchange(profile, twin=True), Ledger()
    for m in sent:
        events = core.send(m)
        assert events == twin.send(m)
        ledger.apply(events)
    ledger.agrees(core)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.lists(messages(), max_size=40))
def test_no_better_priced_order_is_left_while_a_worse_one_trades(sent: list[Message]) -> None:
    exchange = open_exchange(PRICE_TIME)
    for m in sent:
        events = exchange.send(m)
        assert not crossed(exchange, 0)
        trades = [e for e in events if e.kind == EventKind.TRADE]
        if trades and not any(e.kind == EventKind.TRIGGERED for e in events):
            worst = trades[-1]
            best = exchange.depth(0, 1 - worst.side, 1)
            if best:
                assert best[0][0] >= worst.px if worst.side == Side.BUY else best[0][0] <= worst.px, (m, worst, best)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.lists(orders(plain=True), max_size=25), st.one_of(st.none(), PXS), st.lists(st.integers(1, 30), max_size=2))
def test_an_auction_has_one_price_and_no_price_has_more_volume(
    sent: list[Message], reference: int | None, market: list[int]
) -> None:
    exchange = open_exchange(Profile("auction", first_phase=Phase.OPENING_CALL))
    resting: dict[int, Message] = {}
    if reference is not None:
        exchange.send(Message(Kind.REFERENCE, px=reference))
    for m in sent:
        if exchange.send(m)[0].kind == EventKind.ACCEPTED:
            resting[m.order_id] = m
    for i, qty in enumerate(market):
        m = Message(Kind.NEW, side=1, ord_type=OrdType.MARKET, order_id=100 + i, qty=qty)
        assert exchange.send(m)[0].kind == EventKind.ACCEPTED
        resting[m.order_id] = m

    def volume(px: int) -> int:
        bought = sum(m.qty for m in resting.values() if m.side == Side.BUY and m.px >= px)
        sold = sum(
            m.qty for m in resting.values() if m.side == Side.SELL and (m.px <= px or m.ord_type == OrdType.MARKET)
        )
        return min(bought, sold)

    events = exchange.send(Message(Kind.PHASE, phase=Phase.CONTINUOUS))
    auction = events[0]
    trades = [e for e in events if e.kind == EventKind.TRADE]
    assert auction.kind == EventKind.AUCTION
    assert {e.px for e in trades} <= {auction.px} and all(e.flags & EventFlag.AUCTION for e in trades)
    assert sum(e.qty for e in trades) == auction.qty == max(volume(px) for px in range(94, 107))
    # Fair: whoever is not filled has no better claim than who is.
    for e in trades:
        for order_id, side in ((e.order_id, Side.BUY), (e.match_id, Side.SELL)):
            px = resting[order_id].px
            for other in resting.values():
                better = other.px > px if side == Side.BUY else other.px < px
                if other.side == side and better and OrdType.LIMIT == other.ord_type == resting[order_id].ord_type:
                    assert exchange.order(other.order_id) is None, (e, other)
    assert not crossed(exchange, 0)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(messages(), max_size=30), st.integers(1, 60), PXS, st.integers(0, 1))
def test_fill_or_kill_fills_or_kills(sent: list[Message], qty: int, px: int, side: int) -> None:
    exchange = open_exchange(PRICE_TIME)
    for m in sent:
        exchange.send(m)
    before = exchange.state_hash()
    events = exchange.send(Message(Kind.NEW, side=side, order_id=999, px=px, qty=qty, tif=Tif.FOK))
    assert events[0].kind == EventKind.ACCEPTED
    if any(e.reason == Reason.FOK for e in events):
        assert [e.kind for e in events] == [EventKind.ACCEPTED, EventKind.CANCELED]
        assert exchange.state_hash() == before
    else:
        assert sum(e.qty for e in events if e.kind == EventKind.TRADE and e.order_id == 999) == qty
