"""Auctions: the price by four rules, who is filled in what order, what is accepted in a call, and what is left. Reference 6.1."""

from dataclasses import replace

import pytest

from simulators.matching import PRICE_TIME, Indication, Phase, Profile
from simulators.matching.twin_rules import auction_price
from tests.matching.script import both, play

OPEN = Phase.OPENING_CALL


def profile(first_phase: Phase = OPEN) -> Profile:
    return replace(PRICE_TIME, name="auction", first_phase=first_phase)


PRICES = {
    # buys, sells (px, qty), market buy, market sell, reference → px, volume, surplus
    "most volume": ([(101, 10), (100, 10)], [(99, 5), (100, 10)], 0, 0, None, (100, 15, 5)),
    "least surplus": ([(102, 10), (100, 10)], [(99, 10)], 0, 0, None, (102, 10, 0)),
    "buyers left over: the highest": ([(102, 20)], [(99, 10), (98, 1)], 0, 0, 99, (102, 11, 9)),
    "sellers left over: the lowest": ([(102, 5), (101, 5)], [(98, 20)], 0, 0, 101, (98, 10, -10)),
    "no pressure: nearest to the reference": ([(105, 10)], [(95, 10)], 0, 0, 97, (97, 10, 0)),
    "no pressure: the reference lies outside": ([(105, 10)], [(95, 10)], 0, 0, 200, (105, 10, 0)),
    "no reference: nearest to the middle, the higher of two": ([(105, 10)], [(95, 10)], 0, 0, None, (105, 10, 0)),
    "market orders on both sides need a reference": ([], [], 10, 4, None, (None, 0, 0)),
    "market orders on both sides at the reference": ([], [], 10, 4, 50, (50, 4, 6)),
    "market orders count at every price": ([(100, 5)], [], 0, 7, None, (100, 5, -2)),
    "nothing crosses": ([(99, 5)], [(100, 5)], 0, 0, 99, (None, 0, 0)),
    # The UNSW appendix's and the CoinTossX cases' shape: two prices of equal volume, the smaller surplus decides.
    "two of most volume": (
        [(10550, 10000), (10450, 5600), (10400, 200)],
        [(10300, 6900), (10400, 1000)],
        0,
        2500,
        None,
        (10450, 10400, 5200),
    ),
}


@pytest.mark.parametrize("name", PRICES)
def test_the_price_of_an_auction(name: str) -> None:
    buys, sells, market_buy, market_sell, reference, expected = PRICES[name]
    assert auction_price(buys, sells, market_buy, market_sell, reference) == Indication(*expected)
    lines = [f"reference {reference} >"] if reference is not None else []
    orders = [("buy", f"{q}@{px}") for px, q in buys] + [("sell", f"{q}@{px}") for px, q in sells]
    orders += [("buy", f"{market_buy}@mkt")] * (market_buy > 0) + [("sell", f"{market_sell}@mkt")] * (market_sell > 0)
    lines += [f"{side} {i} {order} > accepted {i}" for i, (side, order) in enumerate(orders, 1)]
    px, volume, surplus = expected
    lines.append(f"indicate > indicative {volume}@{px or 0} {surplus:+}")
    for exchange in both(profile(), "\n".join(lines)):
        assert exchange.indication(0) == Indication(*expected)


CASES: dict[str, tuple[Phase, str]] = {
    "market orders first, then price, then displayed, then time": (
        OPEN,
        """
        buy 1 5@100                   > accepted 1
        buy 2 5@101 hidden            > accepted 2
        buy 3 5@101                   > accepted 3
        buy 4 5@mkt                   > accepted 4
        sell 5 18@100                 > accepted 5
        phase continuous              > auction 18@100 +2 · trade 4/5 5@100 · trade 3/5 5@100 · trade 2/5 5@100 · trade 1/5 3@100 · phase CONTINUOUS OPERATOR
        sell 6 2@100                  > accepted 6 · trade 6/1 2@100
        """,
    ),
    "a call accepts no IOC, no FOK, no peg, no post-only": (
        OPEN,
        """
        buy 1 5@100 ioc               > rejected 1 PHASE
        buy 1 5@100 fok               > rejected 1 PHASE
        buy 1 5@100 mid=0             > rejected 1 PHASE
        buy 1 5@100 post              > rejected 1 PHASE
        buy 1 5@100                   > accepted 1
        sell 2 5@90                   > accepted 2
        replace 2 4@95                > replaced 2→2 4@95
        cancel 1                      > canceled 1 5 USER
        phase continuous              > auction 0@0 +0 · phase CONTINUOUS OPERATOR
        """,
    ),
    "unfilled market and at-open orders end with the opening": (
        Phase.PRE_OPEN,
        """
        buy 1 5@100 open              > accepted 1
        sell 2 5@110 open             > accepted 2
        sell 3 8@mkt open             > accepted 3
        sell 4 1@mkt                  > accepted 4
        phase opening_call            > phase OPENING_CALL OPERATOR
        phase continuous              > auction 5@100 -4 · trade 1/3 5@100 · canceled 3 3 AUCTION · canceled 4 1 AUCTION · canceled 2 5 AUCTION · phase CONTINUOUS OPERATOR
        buy 5 5@100 open              > rejected 5 PHASE
        """,
    ),
    "at-close orders wait aside for the closing call": (
        Phase.CONTINUOUS,
        """
        sell 1 5@100 close            > accepted 1
        sell 2 3@mkt close            > accepted 2
        buy 3 5@100                   > accepted 3
        buy 4 9@101 close             > accepted 4
        cancel 4                      > canceled 4 9 USER
        buy 5 9@102 close             > accepted 5
        phase closing_call            > phase CLOSING_CALL OPERATOR
        indicate                      > indicative 8@102 +1
        phase post                    > auction 8@102 +1 · trade 5/2 3@102 · trade 5/1 5@102 · canceled 5 1 AUCTION · phase POST OPERATOR
        buy 6 1@100                   > rejected 6 PHASE
        cancel 3                      > canceled 3 5 USER
        """,
    ),
    "a halt keeps the orders, and trading resumes with an auction": (
        Phase.CONTINUOUS,
        """
        buy 1 5@100                   > accepted 1
        phase halt                    > phase HALT OPERATOR
        sell 2 5@100                  > rejected 2 PHASE
        phase reopening_call          > phase REOPENING_CALL OPERATOR
        sell 2 5@99                   > accepted 2
        phase continuous              > auction 5@99 +0 · trade 1/2 5@99 · phase CONTINUOUS OPERATOR
        """,
    ),
    "an iceberg takes part with all it has, in its place, and shows on": (
        OPEN,
        """
        sell 1 30@100 show=10         > accepted 1
        sell 2 10@100                 > accepted 2
        buy 3 35@100                  > accepted 3
        phase continuous              > auction 35@100 -5 · trade 3/1 30@100 · trade 3/2 5@100 · phase CONTINUOUS OPERATOR
        """,
    ),
    "pegged orders stand aside outside continuous trading": (
        Phase.CONTINUOUS,
        """
        buy 1 5@100                   > accepted 1
        sell 2 5@102                  > accepted 2
        buy 3 5@0 mid=0               > accepted 3
        phase reopening_call          > phase REOPENING_CALL OPERATOR · restated 3 0/5@0 PARKED
        sell 4 1@100                  > accepted 4
        phase continuous              > auction 1@100 +4 · trade 1/4 1@100 · phase CONTINUOUS OPERATOR · restated 3 0/5@101 PEG
        """,
    ),
    "the auction's price elects stops, also those that came in the call": (
        OPEN,
        """
        sell 1 5@100                  > accepted 1
        sell 2 5@103                  > accepted 2
        buy 3 5@mkt stop=100          > accepted 3
        buy 4 5@100                   > accepted 4
        phase continuous              > auction 5@100 +0 · trade 4/1 5@100 · phase CONTINUOUS OPERATOR · triggered 3 · trade 3/2 5@103
        phase reopening_call          > phase REOPENING_CALL OPERATOR
        buy 5 1@105 stop=102          > accepted 5
        phase continuous              > auction 0@0 +0 · phase CONTINUOUS OPERATOR · triggered 5
        """,
    ),
    "orders that would be filled below their minimum are left out, the youngest first": (
        OPEN,
        """
        sell 1 10@100                 > accepted 1
        buy 2 20@101 hidden min=15    > accepted 2
        buy 3 20@100 hidden min=11    > accepted 3
        buy 4 8@99                    > accepted 4
        phase continuous              > auction 0@0 +0 · phase CONTINUOUS OPERATOR
        sell 5 15@100                 > accepted 5 · trade 5/2 15@101 hidden
        """,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_auctions(name: str) -> None:
    first_phase, script = CASES[name]
    for _ in both(profile(first_phase), script):
        pass


def test_a_partial_iceberg_shows_its_next_peak_where_it_stood() -> None:
    for exchange in both(
        profile(),
        """
        sell 1 30@100 show=10         > accepted 1
        sell 2 10@100                 > accepted 2
        buy 3 10@100                  > accepted 3
        phase continuous              > auction 10@100 -30 · trade 3/1 10@100 · phase CONTINUOUS OPERATOR
        """,
    ):
        assert exchange.quote(0).ask_qty == 20
        play(exchange, "buy 4 15@100 > accepted 4 · trade 4/1 10@100 · restated 1 10/10@100 REFILL · trade 4/2 5@100")
