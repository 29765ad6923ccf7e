"""After the trade: bust, correction, statistics, the end of a session; and published data that rebuild the same book."""

from simulators.matching import PRICE_TIME, Event, EventKind, Kind, Message, Profile, Side, Statistics, open_exchange
from simulators.matching.market_data import LevelFeed, OrderFeed
from tests.matching.flow import Flow
from tests.matching.script import both, play

TRADES = """
    sell 1 100@101                > accepted 1
    sell 2 100@105                > accepted 2
    buy 3 10@101 ioc              > accepted 3 · trade 3/1 10@101
    buy 4 100@105 ioc             > accepted 4 · trade 4/1 90@101 · trade 4/2 10@105
    buy 5 5@105 ioc               > accepted 5 · trade 5/2 5@105
"""


def test_statistics_forget_busted_trades_and_follow_corrections() -> None:
    for exchange in both(PRICE_TIME, TRADES):
        assert exchange.statistics(0) == Statistics(4, 115, 101, 105, 101, 105)
        play(exchange, "bust 4 > busted 4 5@105")
        assert exchange.statistics(0) == Statistics(3, 110, 101, 105, 101, 105)
        play(exchange, "correct 3 7@103 > corrected 3 7@103")
        assert exchange.statistics(0) == Statistics(3, 107, 101, 103, 101, 103)
        play(exchange, "bust 1 > busted 1 10@101\n bust 2 > busted 2 90@101\n bust 3 > busted 3 7@103")
        assert exchange.statistics(0) == Statistics(0, 0, None, None, None, None)


def test_a_trade_is_busted_once_and_orders_are_not_restored() -> None:
    for exchange in both(
        PRICE_TIME,
        TRADES
        + """
        bust 3                        > busted 3 10@105
        bust 3                        > bust_rejected 3 UNKNOWN_TRADE
        correct 3 1@1                 > bust_rejected 3 UNKNOWN_TRADE
        bust 0                        > bust_rejected 0 UNKNOWN_TRADE
        bust 5                        > bust_rejected 5 UNKNOWN_TRADE
        correct 2 0@1                 > bust_rejected 2 BAD_QTY
        """,
    ):
        view = exchange.order(2)
        assert view is not None and view.leaves_qty == 85


def test_a_bust_says_whose_trade_it_was() -> None:
    for exchange in both(
        PRICE_TIME, "sell 1 5@100 by=1 acc=3 > accepted 1\n buy 2 5@100 by=2 acc=4 > accepted 2 · trade 2/1 5@100"
    ):
        (event,) = exchange.send(Message(Kind.BUST, new_order_id=1))
        assert (event.order_id, event.match_id, event.session, event.match_session) == (2, 1, 2, 1)
        assert (event.account, event.match_account, event.side) == (4, 3, Side.BUY)


def test_trades_too_old_to_be_busted_still_count() -> None:
    for exchange in both(PRICE_TIME, TRADES, max_trades=2):
        play(exchange, "bust 2 > bust_rejected 2 UNKNOWN_TRADE\n bust 4 > busted 4 5@105")
        assert exchange.statistics(0) == Statistics(3, 110, 101, 105, 101, 105)


def test_the_end_of_a_session_expires_day_orders_and_begins_the_statistics_anew() -> None:
    for exchange in both(
        PRICE_TIME,
        TRADES
        + """
        buy 6 5@90 gtc                > accepted 6
        buy 7 5@91                    > accepted 7
        sell 8 5@95 stop=80           > accepted 8
        sell 9 5@200 close            > accepted 9
        end                           > canceled 7 5 EXPIRED · canceled 2 85 EXPIRED · canceled 8 5 EXPIRED · canceled 9 5 EXPIRED · session_ended 4 trades 115 last 105 high 105 low 101
        end                           > session_ended 0 trades 0 last 0 high 0 low 0
        bust 1                        > busted 1 10@101
        sell 10 5@90                  > accepted 10 · trade 10/6 5@90
        """,
    ):
        assert exchange.statistics(0) == Statistics(1, 5, 90, 90, 90, 90)


def test_published_levels_and_orders() -> None:
    for _ in both(
        Profile("data", level_data=True, order_data=True),
        """
        buy 1 30@100 show=10          > accepted 1 · order 1 10@100 · level B 10@100 ×1
        buy 2 5@100                   > accepted 2 · order 2 5@100 · level B 15@100 ×2
        buy 3 5@100 hidden            > accepted 3
        replace 2 4@100 as=9          > replaced 2→9 4@100 kept · order 2 4@100 · level B 14@100 ×2 · order 2→9
        sell 4 3@100                  > accepted 4 · trade 4/1 3@100 · order 1 7@100 · level B 11@100 ×2
        sell 5 8@100                  > accepted 5 · trade 5/1 7@100 · order 1 0@100 · level B 4@100 ×1 · restated 1 10/20@100 REFILL · order 1 10@100 · level B 14@100 ×2 · trade 5/9 1@100 · order 9 3@100 · level B 13@100 ×2
        cancel 9                      > canceled 9 3 USER · order 9 0@100 · level B 10@100 ×1
        cancel 3                      > canceled 3 5 USER
        cancel 1                      > canceled 1 20 USER · order 1 0@100 · level B 0@100 ×0
        """,
    ):
        pass


def test_another_process_rebuilds_the_same_book_from_what_is_published(seed: int) -> None:
    profile = Profile("data", level_data=True, order_data=True)
    exchange = open_exchange(profile, symbols=2, max_orders=300)
    orders, levels = OrderFeed(), LevelFeed()
    flow = Flow(seed, symbols=2)
    for _ in range(300):
        events: list[Event] = exchange.send(flow.one())
        published = [e for e in events if e.kind in (EventKind.ORDER, EventKind.LEVEL)]
        orders.apply(published)
        levels.apply(published)
        for symbol in range(2):
            for side in Side:
                truth = exchange.depth(symbol, side, 1000)
                assert orders.depth(symbol, side) == truth
                assert levels.depth(symbol, side) == truth
    for px, qty, count in exchange.depth(0, Side.BUY, 1000):
        queue = orders.queue(0, Side.BUY, px)
        views = [exchange.order(i) for i, _ in queue]
        assert [view.shown_qty for view in views if view] == [q for _, q in queue]
        assert (len(queue), sum(q for _, q in queue)) == (count, qty)
