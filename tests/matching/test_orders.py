"""Every kind of order, as tables: what is sent, and the complete list of what happens. Reference 6.1."""

import pytest

from simulators.matching import PRICE_TIME, Profile, Side, open_exchange
from tests.matching.script import both, play

CASES = {
    "a limit order trades at resting prices, best first, then rests at its own": """
        sell 1 10@101                 > accepted 1
        sell 2 10@102                 > accepted 2
        buy 3 15@103                  > accepted 3 · trade 3/1 10@101 · trade 3/2 5@102
        buy 4 10@102                  > accepted 4 · trade 4/2 5@102
        sell 5 5@102                  > accepted 5 · trade 5/4 5@102
    """,
    "first in, first out at a price": """
        buy 1 5@100                   > accepted 1
        buy 2 5@100                   > accepted 2
        buy 3 5@100                   > accepted 3
        sell 4 7@100                  > accepted 4 · trade 4/1 5@100 · trade 4/2 2@100
        sell 5 8@100                  > accepted 5 · trade 5/2 3@100 · trade 5/3 5@100
    """,
    "a market order takes what there is and never rests": """
        sell 1 5@101                  > accepted 1
        sell 2 5@500                  > accepted 2
        buy 3 20@mkt                  > accepted 3 · trade 3/1 5@101 · trade 3/2 5@500 · canceled 3 10 IOC
        buy 4 1@mkt                   > accepted 4 · canceled 4 1 IOC
    """,
    "immediate-or-cancel": """
        sell 1 5@101                  > accepted 1
        buy 2 8@101 ioc               > accepted 2 · trade 2/1 5@101 · canceled 2 3 IOC
        buy 3 8@101 ioc               > accepted 3 · canceled 3 8 IOC
        sell 4 1@101                  > accepted 4
    """,
    "fill-or-kill looks over all prices and makers, and leaves no trace when it kills": """
        sell 1 5@101                  > accepted 1
        sell 2 5@102                  > accepted 2
        sell 3 5@103                  > accepted 3
        buy 4 11@102 fok              > accepted 4 · canceled 4 11 FOK
        buy 5 10@102 fok              > accepted 5 · trade 5/1 5@101 · trade 5/2 5@102
        buy 6 6@103 fok               > accepted 6 · canceled 6 6 FOK
        buy 7 5@103 fok               > accepted 7 · trade 7/3 5@103
    """,
    "fill-or-kill counts the reserve of icebergs and hidden orders": """
        sell 1 30@101 show=10         > accepted 1
        sell 2 10@101 hidden          > accepted 2
        buy 3 41@101 fok              > accepted 3 · canceled 3 41 FOK
        buy 4 40@101 fok              > accepted 4 · trade 4/1 10@101 · restated 1 10/20@101 REFILL · trade 4/1 10@101 · restated 1 10/10@101 REFILL · trade 4/1 10@101 · trade 4/2 10@101 hidden
    """,
    "good-till-date ends at its time, whatever message brings it": """
        buy 1 5@100 gtd=1000010       > accepted 1
        buy 2 5@100 gtd=1000020       > accepted 2
        buy 9 5@100 gtd=1000000       > rejected 9 BAD_EXPIRY
        +9 tick                       >
        +1 tick                       > canceled 1 5 EXPIRED
        +10 sell 3 5@100              > canceled 2 5 EXPIRED · accepted 3
    """,
    "a stop waits for a trade and then is a market order": """
        sell 1 5@101                  > accepted 1
        sell 2 5@102                  > accepted 2
        buy 3 5@mkt stop=101          > accepted 3
        buy 4 5@101                   > accepted 4 · trade 4/1 5@101 · triggered 3 · trade 3/2 5@102
    """,
    "a stop-limit becomes its limit order and rests": """
        sell 1 5@101                  > accepted 1
        buy 3 5@100 stop=101          > accepted 3
        buy 4 5@101                   > accepted 4 · trade 4/1 5@101 · triggered 3
        sell 5 5@100                  > accepted 5 · trade 5/3 5@100
    """,
    "a stop that the last trade has passed is elected on entry": """
        sell 1 5@101                  > accepted 1
        buy 2 5@101                   > accepted 2 · trade 2/1 5@101
        sell 3 5@105                  > accepted 3
        buy 4 5@mkt stop=101          > accepted 4 · triggered 4 · trade 4/3 5@105
        sell 5 5@mkt stop=104         > accepted 5
        sell 6 5@mkt stop=106         > accepted 6 · triggered 6 · canceled 6 5 IOC
    """,
    "stops cascade until no trade reaches another": """
        sell 1 1@101                  > accepted 1
        sell 2 1@102                  > accepted 2
        sell 3 1@103                  > accepted 3
        sell 4 1@104                  > accepted 4
        buy 5 1@mkt stop=103          > accepted 5
        buy 6 1@mkt stop=102          > accepted 6
        buy 7 1@mkt stop=101          > accepted 7
        buy 8 1@101                   > accepted 8 · trade 8/1 1@101 · triggered 7 · trade 7/2 1@102 · triggered 6 · trade 6/3 1@103 · triggered 5 · trade 5/4 1@104
    """,
    "the stop furthest through is elected first, then the oldest": """
        sell 1 100@110                > accepted 1
        buy 2 1@mkt stop=105          > accepted 2
        buy 3 1@mkt stop=100          > accepted 3
        buy 4 1@mkt stop=100          > accepted 4
        buy 5 1@110                   > accepted 5 · trade 5/1 1@110 · triggered 3 · triggered 4 · triggered 2 · trade 3/1 1@110 · trade 4/1 1@110 · trade 2/1 1@110
    """,
    "a buy stop and a sell stop as far through go by age": """
        sell 1 100@110                > accepted 1
        buy 2 10@99                   > accepted 2
        sell 3 1@mkt stop=112         > accepted 3
        buy 4 1@mkt stop=108          > accepted 4
        buy 5 1@110                   > accepted 5 · trade 5/1 1@110 · triggered 3 · triggered 4 · trade 3/2 1@99 · trade 4/1 1@110
    """,
    "a stop is reached by every trade of a sweep, not by the last alone": """
        sell 1 5@100                  > accepted 1
        sell 2 5@110                  > accepted 2
        buy 3 5@90                    > accepted 3
        sell 4 5@mkt stop=100         > accepted 4
        buy 5 10@110                  > accepted 5 · trade 5/1 5@100 · trade 5/2 5@110 · triggered 4 · trade 4/3 5@90
    """,
    "post-only is rejected rather than take, hidden orders included": """
        sell 1 5@101 hidden           > accepted 1
        buy 2 5@101 post              > rejected 2 POST_ONLY
        buy 3 5@100 post              > accepted 3
        sell 4 5@100 post             > rejected 4 POST_ONLY
        replace 3 5@101               > replace_rejected 3 POST_ONLY
        sell 5 5@100                  > accepted 5 · trade 5/3 5@100
    """,
    "post-only that slides stands one tick behind the other side": """
        sell 1 5@101                  > accepted 1
        buy 2 5@150 slide             > accepted 2
        sell 3 5@50 slide             > accepted 3
        sell 4 5@100                  > accepted 4 · trade 4/2 5@100
        buy 5 5@101 ioc               > accepted 5 · trade 5/1 5@101
        buy 6 5@101 ioc               > accepted 6 · trade 6/3 5@101
    """,
    "an iceberg's next peak loses priority": """
        sell 1 25@101 show=10         > accepted 1
        sell 2 10@101                 > accepted 2
        buy 3 15@101                  > accepted 3 · trade 3/1 10@101 · restated 1 10/15@101 REFILL · trade 3/2 5@101
        buy 4 10@101                  > accepted 4 · trade 4/2 5@101 · trade 4/1 5@101
        buy 5 10@101                  > accepted 5 · trade 5/1 5@101 · restated 1 5/5@101 REFILL · trade 5/1 5@101
    """,
    "hidden orders come behind displayed ones at a price, before worse prices": """
        sell 1 5@101 hidden           > accepted 1
        sell 2 5@101                  > accepted 2
        sell 3 5@102                  > accepted 3
        sell 4 5@100 hidden           > accepted 4
        buy 5 20@102                  > accepted 5 · trade 5/4 5@100 hidden · trade 5/2 5@101 · trade 5/1 5@101 hidden · trade 5/3 5@102
    """,
    "a hidden order's minimum is of each execution, and of all that is left at the end": """
        sell 1 30@101 hidden min=20   > accepted 1
        sell 2 5@102                  > accepted 2
        buy 3 19@101                  > accepted 3
        cancel 3                      > canceled 3 19 USER
        buy 4 22@101                  > accepted 4 · trade 4/1 22@101 hidden
        buy 5 7@101                   > accepted 5
        buy 6 8@101                   > accepted 6 · trade 6/1 8@101 hidden
    """,
    "an incoming minimum is of all executions together": """
        sell 1 5@101                  > accepted 1
        sell 2 5@102                  > accepted 2
        buy 3 20@102 ioc min=11       > accepted 3 · canceled 3 20 MIN_QTY
        buy 4 20@102 ioc min=10       > accepted 4 · trade 4/1 5@101 · trade 4/2 5@102 · canceled 4 10 IOC
        sell 5 5@101                  > accepted 5
        buy 6 20@101 min=6            > accepted 6 · canceled 6 20 MIN_QTY
        buy 7 20@101 hidden min=6     > accepted 7
        buy 8 20@101 min=5            > accepted 8 · trade 8/5 5@101
    """,
    "pegged orders follow the displayed quote and come in anew each time": """
        buy 1 5@100                   > accepted 1
        sell 2 5@110                  > accepted 2
        buy 3 5@0 mid=0               > accepted 3
        buy 4 5@0 primary=1           > accepted 4
        sell 5 5@105                  > accepted 5 · trade 5/3 5@105 hidden
        sell 6 3@101                  > accepted 6 · trade 6/4 3@101 hidden
        buy 7 5@103                   > accepted 7 · restated 4 0/2@104 PEG
        cancel 2                      > canceled 2 5 USER
        cancel 7                      > canceled 7 5 USER · restated 4 0/2@101 PEG
        cancel 1                      > canceled 1 5 USER · restated 4 0/2@0 PARKED
        sell 8 2@90                   > accepted 8
        buy 9 1@80                    > accepted 9 · restated 4 0/2@81 PEG
    """,
    "a repriced pegged order may trade, and a cap holds it": """
        buy 1 5@100                   > accepted 1
        sell 2 5@110                  > accepted 2
        sell 3 5@0 market=5           > accepted 3
        buy 4 5@106 hidden            > accepted 4 · trade 4/3 5@105 hidden
        buy 5 5@104 hidden            > accepted 5
        sell 6 5@103 market=5 cap     > accepted 6
        cancel 1                      > canceled 1 5 USER · restated 6 0/5@0 PARKED
        buy 7 1@90                    > accepted 7 · restated 6 0/5@103 PEG · trade 6/5 5@104 hidden
    """,
    "the mid of an odd spread rounds away from the other side": """
        buy 1 5@100                   > accepted 1
        sell 2 5@103                  > accepted 2
        buy 3 5@0 mid=0               > accepted 3
        sell 4 5@0 mid=0              > accepted 4
        sell 5 5@101                  > accepted 5 · trade 5/3 5@101 hidden
        buy 6 5@102                   > accepted 6 · trade 6/4 5@102 hidden
    """,
    "cancel takes exactly one order; an id that is gone is refused": """
        buy 1 5@100                   > accepted 1
        buy 2 5@100                   > accepted 2
        cancel 1                      > canceled 1 5 USER
        cancel 1                      > cancel_rejected 1 UNKNOWN_ORDER
        sell 3 5@100                  > accepted 3 · trade 3/2 5@100
        cancel 2                      > cancel_rejected 2 UNKNOWN_ORDER
        replace 2 5@100               > replace_rejected 2 UNKNOWN_ORDER
    """,
    "an order answers to its session and to the operator": """
        buy 1 5@100 by=7              > accepted 1
        cancel 1 by=8                 > cancel_rejected 1 NOT_OWNER
        replace 1 6@100 by=8          > replace_rejected 1 NOT_OWNER
        replace 1 4@100 by=7          > replaced 1→1 4@100 kept
        cancel 1                      > canceled 1 4 USER
    """,
    "replace: the whole quantity is given, so what was filled counts": """
        buy 1 10@100                  > accepted 1
        sell 2 4@100                  > accepted 2 · trade 2/1 4@100
        replace 1 8@100               > replaced 1→1 4@100 kept
        replace 1 4@100               > replaced 1→1 0@100
        cancel 1                      > cancel_rejected 1 UNKNOWN_ORDER
    """,
    "replace: a smaller quantity keeps its place; more, or another price, goes to the end": """
        buy 1 10@100                  > accepted 1
        buy 2 10@100                  > accepted 2
        replace 1 5@100               > replaced 1→1 5@100 kept
        sell 3 1@100                  > accepted 3 · trade 3/1 1@100
        replace 1 20@100              > replaced 1→1 19@100
        sell 4 1@100                  > accepted 4 · trade 4/2 1@100
        replace 2 10@99               > replaced 2→2 9@99
        replace 2 10@100              > replaced 2→2 9@100
        sell 5 20@100                 > accepted 5 · trade 5/1 19@100 · trade 5/2 1@100
    """,
    "replace: the new price may trade; the id may change, but not to one alive": """
        sell 1 5@101                  > accepted 1
        buy 2 8@100                   > accepted 2
        replace 2 8@101 as=1          > replace_rejected 2 DUPLICATE_ID
        replace 2 8@101 as=3          > replaced 2→3 8@101 · trade 3/1 5@101
        cancel 2                      > cancel_rejected 2 UNKNOWN_ORDER
        cancel 3                      > canceled 3 3 USER
        buy 2 1@100                   > accepted 2
    """,
    "replace: a stop may be moved to where the last trade elects it": """
        sell 1 5@101                  > accepted 1
        buy 2 5@101                   > accepted 2 · trade 2/1 5@101
        sell 3 5@105                  > accepted 3
        buy 4 5@mkt stop=110          > accepted 4
        replace 4 5@0 stop=102        > replaced 4→4 5@0
        replace 4 5@0 stop=101        > replaced 4→4 5@0 · triggered 4 · trade 4/3 5@105
    """,
    "mass cancel by session, account, symbol and side": """
        buy 1 5@100 by=1 acc=1        > accepted 1
        sell 2 5@110 by=1 acc=2       > accepted 2
        buy 3 5@90 by=2 acc=1 sym=1   > accepted 3
        sell 4 5@120 by=1 acc=1 sym=1 > accepted 4
        buy 5 5@mkt stop=130 by=1     > accepted 5
        mass by=1 side=1 sym=1        > canceled 4 5 MASS · mass_canceled 1
        mass acc=1 sym=all            > canceled 1 5 MASS · canceled 3 5 MASS · mass_canceled 2
        mass by=2 sym=all             > mass_canceled 0
        mass by=1 sym=all             > canceled 2 5 MASS · canceled 5 5 MASS · mass_canceled 2
        mass sym=2                    > rejected_message 0 UNKNOWN_SYMBOL
        mass side=3                   > rejected_message 0 BAD_FIELD
    """,
    "an order of one symbol never meets another symbol's": """
        sell 1 5@100                  > accepted 1
        buy 2 5@100 sym=1             > accepted 2
        buy 3 5@100 sym=2             > rejected 3 UNKNOWN_SYMBOL
    """,
    "what makes no sense together is refused": """
        buy 1 5@mkt post              > rejected 1 BAD_COMBINATION
        buy 1 5@mkt gtc               > rejected 1 BAD_COMBINATION
        buy 1 5@100 ioc post          > rejected 1 BAD_COMBINATION
        buy 1 5@100 hidden show=1     > rejected 1 BAD_COMBINATION
        buy 1 5@100 stop=90 fok       > rejected 1 BAD_COMBINATION
        buy 1 5@100 mid=0 ioc         > rejected 1 BAD_COMBINATION
        buy 1 5@100 cap               > rejected 1 BAD_COMBINATION
        buy 1 5@100 show=6            > rejected 1 BAD_QTY
        buy 1 5@100 min=6             > rejected 1 BAD_QTY
        buy 1 5001@100 show=5         > rejected 1 BAD_QTY
        buy 1 0@100                   > rejected 1 BAD_QTY
        buy 1 -1@100                  > rejected 1 BAD_QTY
        buy 1 1099511627777@100       > rejected 1 BAD_QTY
        buy 1 1099511627776@100       > accepted 1
        buy 1 5@100                   > rejected 1 DUPLICATE_ID
        replace 1 5@100 show=2        > replace_rejected 1 BAD_COMBINATION
    """,
    "prices are any integer of 64 bits, negative ones too": """
        sell 1 5@9223372036854775807                  > accepted 1
        buy 2 5@-9223372036854775808                  > accepted 2
        sell 3 5@-5                                   > accepted 3
        buy 4 5@-6                                    > accepted 4
        sell 5 9@-9223372036854775808                 > accepted 5 · trade 5/4 5@-6 · trade 5/2 4@-9223372036854775808
        buy 6 9@9223372036854775807                   > accepted 6 · trade 6/3 5@-5 · trade 6/1 4@9223372036854775807
        buy 7 5@9223372036854775807 slide             > accepted 7
        cancel 7                                      > canceled 7 5 USER
        buy 8 1@0 primary=1                           > accepted 8
    """,
}


@pytest.mark.parametrize("name", CASES)
def test_orders(name: str) -> None:
    for _ in both(PRICE_TIME, CASES[name], symbols=2):
        pass


def test_what_is_displayed_is_what_is_not_hidden() -> None:
    for exchange in both(
        PRICE_TIME,
        """
        buy 1 50@100 show=10          > accepted 1
        buy 2 7@101 hidden            > accepted 2
        sell 3 5@103                  > accepted 3
        sell 4 6@103                  > accepted 4
        sell 5 5@0 mid=0              > accepted 5
        """,
    ):
        assert exchange.quote(0) == (100, 10, 103, 11)
        assert exchange.depth(0, Side.BUY, 5) == [(100, 10, 1)]
        assert exchange.depth(0, Side.SELL, 5) == [(103, 11, 2)]
        assert exchange.live_orders == 5
        view = exchange.order(1)
        assert view is not None and (view.leaves_qty, view.shown_qty, view.on_book) == (50, 10, True)
        assert exchange.order(99) is None


def test_a_full_pool_refuses_new_orders_and_still_matches_cancels_and_reports() -> None:
    for exchange in both(
        PRICE_TIME,
        """
        sell 1 5@101                  > accepted 1
        sell 2 5@102                  > accepted 2
        buy 3 5@99                    > accepted 3
        buy 4 5@101                   > rejected 4 POOL_FULL
        buy 5 5@mkt stop=200          > rejected 5 POOL_FULL
        buy 6 5@mkt                   > accepted 6 · trade 6/1 5@101
        buy 7 5@100                   > accepted 7
        buy 8 2@102 ioc               > accepted 8 · trade 8/2 2@102
        buy 9 9@101 ioc               > accepted 9 · canceled 9 9 IOC
        replace 7 5@102               > replaced 7→7 5@102 · trade 7/2 3@102
        cancel 3                      > canceled 3 5 USER
        buy 10 1@90                   > accepted 10
        buy 11 1@90                   > accepted 11
        buy 12 1@90                   > rejected 12 POOL_FULL
        mass                          > canceled 7 2 MASS · canceled 10 1 MASS · canceled 11 1 MASS · mass_canceled 3
        """,
        max_orders=3,
    ):
        assert exchange.live_orders == 0


def test_what_waits_never_takes_the_place_kept_for_what_does_not() -> None:
    # An immediate-or-cancel stop waits until it is elected; a market order that a dynamic band stops waits for the auction.
    both(
        Profile("dynamic", dynamic_bps=100),
        """
        sell 1 1@1000                 > accepted 1
        buy 2 1@1000 ioc              > accepted 2 · trade 2/1 1@1000
        sell 3 9@1100                 > accepted 3
        buy 4 1@mkt stop=2000 ioc     > rejected 4 POOL_FULL
        buy 5 1@mkt                   > rejected 5 POOL_FULL
        buy 6 1@1000 ioc              > accepted 6 · canceled 6 1 IOC
        """,
        max_orders=1,
    )


def test_sizes_must_be_possible() -> None:
    for sizes in ({"symbols": 0}, {"max_orders": 0}, {"max_orders": 8_000_001}, {"max_trades": -1}):
        with pytest.raises(ValueError, match="must be from 1 to"):
            open_exchange(PRICE_TIME, **sizes)


def test_a_question_about_no_symbol_is_an_error() -> None:
    for twin in (False, True):
        exchange = open_exchange(PRICE_TIME, symbols=2, twin=twin)
        for symbol in (-1, 2):
            with pytest.raises(IndexError, match="not in 0…1"):
                exchange.quote(symbol)


def test_a_market_order_may_rest_behind_its_protection() -> None:
    profile = Profile("protected", protection=3, market_rests=True)
    for exchange in both(
        profile,
        """
        sell 1 5@101                  > accepted 1
        sell 2 5@104                  > accepted 2
        sell 3 5@105                  > accepted 3
        buy 4 20@mkt                  > accepted 4 · trade 4/1 5@101 · trade 4/2 5@104 · restated 4 10/10@104 PROTECTION
        sell 5 4@100                  > accepted 5 · trade 5/4 4@104
        """,
    ):
        play(exchange, "sell 6 6@mkt ioc > accepted 6 · trade 6/4 6@104")
