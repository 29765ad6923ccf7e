"""The rules of a profile, as tables: allocation steps, priority on replace, ticks, self-trade prevention, bands, phases, LULD."""

from dataclasses import replace

import pytest

from simulators.matching import CME, PHASE_ACCEPTS, PRICE_TIME, Accept, Change, Phase, Profile, Step, Stp
from tests.matching.script import both

C = Profile("c", allocation=CME["C"])
A = Profile("a", allocation=CME["A"])
K = Profile("k", allocation=CME["K"], lmm_bps=2_000, split_bps=4_000)

CASES: dict[str, tuple[Profile, str]] = {
    # CME Globex advisory notice 020705-1 (2005-02-07), example: five bids of 10 (TOP), 5, 20, 50, 75 at a price, 60 sold. TOP takes 10;
    # of the 50 left, shares of 150: 1.67 → below two lots, nothing; 6.67 → 6; 16.67 → 16; 25 → 25; the 3 left over by time.
    "allocation, the notice's example": (
        A,
        """
        buy 1 10@9704                 > accepted 1
        buy 2 5@9704                  > accepted 2
        buy 3 20@9704                 > accepted 3
        buy 4 50@9704                 > accepted 4
        buy 5 75@9704                 > accepted 5
        sell 6 60@9704                > accepted 6 · trade 6/1 10@9704 · trade 6/3 6@9704 · trade 6/4 16@9704 · trade 6/5 25@9704 · trade 6/2 3@9704
        """,
    ),
    "pro-rata without TOP": (
        C,
        """
        buy 1 10@100                  > accepted 1
        buy 2 30@100                  > accepted 2
        buy 3 60@100                  > accepted 3
        sell 4 50@100                 > accepted 4 · trade 4/1 5@100 · trade 4/2 15@100 · trade 4/3 30@100
        """,
    ),
    "an order that takes the whole price is shared first in, first out": (
        A,
        """
        buy 1 5@100                   > accepted 1
        buy 2 30@100 show=10          > accepted 2
        buy 3 5@99                    > accepted 3
        sell 4 36@99                  > accepted 4 · trade 4/1 5@100 · trade 4/2 10@100 · restated 2 10/20@100 REFILL · trade 4/2 10@100 · restated 2 10/10@100 REFILL · trade 4/2 10@100 · trade 4/3 1@99
        """,
    ),
    "TOP is lost to a better price, by leaving, and is nobody's then": (
        A,
        """
        buy 1 10@100                  > accepted 1
        buy 2 10@101                  > accepted 2
        cancel 2                      > canceled 2 10 USER
        buy 3 30@100                  > accepted 3
        sell 4 20@100                 > accepted 4 · trade 4/1 5@100 · trade 4/3 15@100
        """,
    ),
    "TOP has a least and a most": (
        replace(A, top_min=10, top_max=4),
        """
        buy 1 9@100                   > accepted 1
        buy 2 10@101                  > accepted 2
        buy 3 10@101                  > accepted 3
        sell 4 8@101                  > accepted 4 · trade 4/2 4@101 · trade 4/3 2@101 · trade 4/2 2@101
        cancel 2                      > canceled 2 4 USER
        cancel 3                      > canceled 3 8 USER
        sell 5 2@100                  > accepted 5 · trade 5/1 2@100
        """,
    ),
    # 100 sold: TOP 10; 90 left, the market maker gets 2,000 bps = 18; 72 left, 4,000 bps = 28 go first in, first out (all from 2);
    # of the 44 left over 52 + 12 + 130 + 1: 11, 2, 29, 0; order 5 got nothing and is levelled by one; the last one to the first.
    "K: TOP, market maker, split, pro-rata, leveling, the rest by time": (
        K,
        """
        buy 1 10@100                  > accepted 1
        buy 2 80@100                  > accepted 2
        buy 3 30@100 lmm              > accepted 3
        buy 4 130@100                 > accepted 4
        buy 5 1@100                   > accepted 5
        sell 6 100@100                > accepted 6 · trade 6/1 10@100 · trade 6/3 18@100 · trade 6/2 28@100 · trade 6/2 11@100 · trade 6/3 2@100 · trade 6/4 29@100 · trade 6/5 1@100 · trade 6/2 1@100
        """,
    ),
    "T: the market maker first, the rest by time": (
        Profile("t", allocation=CME["T"], lmm_bps=5_000),
        """
        buy 1 10@100                  > accepted 1
        buy 2 10@100 lmm              > accepted 2
        sell 3 8@100                  > accepted 3 · trade 3/2 4@100 · trade 3/1 4@100
        """,
    ),
    "priority on replace is a table: here more keeps and less loses": (
        Profile("odd", keeps=Change.QTY_UP),
        """
        buy 1 10@100                  > accepted 1
        buy 2 10@100                  > accepted 2
        replace 1 15@100              > replaced 1→1 15@100 kept
        replace 1 15@100              > replaced 1→1 15@100
        sell 3 1@100                  > accepted 3 · trade 3/2 1@100
        replace 2 5@100               > replaced 2→2 4@100
        sell 4 1@100                  > accepted 4 · trade 4/1 1@100
        """,
    ),
    "an account or a display quantity may cost the place": (
        replace(PRICE_TIME, keeps=Change.QTY_DOWN | Change.DISPLAY),
        """
        buy 1 10@100 show=5 acc=1     > accepted 1
        buy 2 10@100 acc=1            > accepted 2
        replace 1 10@100 show=4       > replaced 1→1 10@100 kept
        sell 3 4@100                  > accepted 3 · trade 3/1 4@100 · restated 1 4/6@100 REFILL
        replace 2 9@100 acc=1         > replaced 2→2 9@100 kept
        replace 2 8@100 acc=2         > replaced 2→2 8@100
        sell 4 1@100                  > accepted 4 · trade 4/1 1@100
        """,
    ),
    "a quantity may be what is left instead of the whole": (
        replace(PRICE_TIME, replace_total=False),
        """
        buy 1 10@100                  > accepted 1
        sell 2 4@100                  > accepted 2 · trade 2/1 4@100
        replace 1 4@100               > replaced 1→1 4@100 kept
        """,
    ),
    "ticks by price, negative prices too": (
        Profile("ticks", ticks=((0, 1), (100, 5), (1000, 10)), lot=5),
        """
        buy 1 5@99                    > accepted 1
        buy 2 5@101                   > rejected 2 BAD_TICK
        buy 2 5@105                   > accepted 2
        sell 3 5@1005                 > rejected 3 BAD_TICK
        sell 3 5@995                  > accepted 3
        sell 4 5@-7                   > accepted 4 · trade 4/2 5@105
        sell 5 4@1010                 > rejected 5 BAD_LOT
        buy 5 5@mkt stop=1005         > rejected 5 BAD_TICK
        replace 3 5@1001              > replace_rejected 3 BAD_TICK
        replace 3 7@995               > replace_rejected 3 BAD_LOT
        buy 6 5@1000 slide            > accepted 6
        sell 7 5@990                  > accepted 7 · trade 7/6 5@990
        """,
    ),
    "prevention cancels the new one": (
        replace(PRICE_TIME, stp=Stp.CANCEL_NEW),
        """
        sell 1 5@100 stp=9            > accepted 1
        sell 2 5@99                   > accepted 2
        buy 3 12@100 stp=9            > accepted 3 · trade 3/2 5@99 · canceled 3 7 STP
        buy 4 5@100                   > accepted 4 · trade 4/1 5@100
        """,
    ),
    "prevention cancels the old one": (
        replace(PRICE_TIME, stp=Stp.CANCEL_OLD),
        """
        sell 1 5@100 stp=9            > accepted 1
        sell 2 5@100                  > accepted 2
        buy 3 7@100 stp=9             > accepted 3 · canceled 1 5 STP · trade 3/2 5@100
        sell 4 9@100 stp=9            > accepted 4 · canceled 3 2 STP
        """,
    ),
    "prevention cancels both": (
        replace(PRICE_TIME, stp=Stp.CANCEL_BOTH),
        """
        sell 1 5@100 stp=9            > accepted 1
        sell 2 5@101                  > accepted 2
        buy 3 7@101 stp=9             > accepted 3 · canceled 1 5 STP · canceled 3 7 STP
        buy 4 5@101                   > accepted 4 · trade 4/2 5@101
        """,
    ),
    "prevention takes the smaller off both": (
        replace(PRICE_TIME, stp=Stp.DECREMENT),
        """
        sell 1 5@100 stp=9            > accepted 1
        sell 2 5@100                  > accepted 2
        buy 3 7@100 stp=9             > accepted 3 · canceled 1 5 STP · restated 3 5/2@100 STP · trade 3/2 2@100
        sell 4 9@101 stp=9            > accepted 4
        buy 5 4@101 stp=9             > accepted 5 · trade 5/2 3@100 · restated 4 1/8@101 STP · canceled 5 1 STP
        """,
    ),
    "an order may choose its prevention; another id is another owner": (
        replace(PRICE_TIME, stp=Stp.CANCEL_NEW),
        """
        sell 1 5@100 stp=9            > accepted 1
        buy 2 2@100 stp=9 mode=none   > accepted 2 · trade 2/1 2@100
        buy 3 1@100 stp=8             > accepted 3 · trade 3/1 1@100
        buy 4 1@100                   > accepted 4 · trade 4/1 1@100
        buy 5 1@100 stp=9 mode=cancel_old > accepted 5 · canceled 1 1 STP
        """,
    ),
    "fill-or-kill does not count what prevention keeps away": (
        replace(PRICE_TIME, stp=Stp.CANCEL_NEW),
        """
        sell 1 5@100                  > accepted 1
        sell 2 5@100 stp=9            > accepted 2
        sell 3 5@100                  > accepted 3
        buy 4 6@100 stp=9 fok         > accepted 4 · canceled 4 6 FOK
        buy 5 10@100 stp=9 fok mode=cancel_old > accepted 5 · trade 5/1 5@100 · canceled 2 5 STP · trade 5/3 5@100
        """,
    ),
    "no prevention in an auction": (
        replace(PRICE_TIME, stp=Stp.CANCEL_NEW, first_phase=Phase.PRE_OPEN),
        """
        buy 1 5@100 stp=9             > accepted 1
        sell 2 5@100 stp=9            > accepted 2
        phase continuous              > auction 5@100 +0 · trade 1/2 5@100 · phase CONTINUOUS OPERATOR
        """,
    ),
    "a static band rejects what is too far through the reference": (
        Profile("band", band_bps=1_000),
        """
        buy 1 5@2000                  > accepted 1
        cancel 1                      > canceled 1 5 USER
        reference 1000                >
        buy 2 5@1100                  > accepted 2
        buy 3 5@1101                  > rejected 3 BAND
        sell 4 5@899                  > rejected 4 BAND
        sell 5 5@5000                 > accepted 5
        replace 2 5@1101              > replace_rejected 2 BAND
        buy 6 5@1101 stop=1050        > rejected 6 BAND
        """,
    ),
    "a dynamic band calls an auction instead of a trade too far away": (
        Profile("dynamic", dynamic_bps=1_000),
        """
        sell 1 5@1000                 > accepted 1
        sell 2 5@1100                 > accepted 2
        sell 3 5@1101                 > accepted 3
        buy 4 5@1000                  > accepted 4 · trade 4/1 5@1000
        buy 5 9@2000                  > accepted 5 · trade 5/2 5@1100 · phase REOPENING_CALL BAND
        buy 6 1@2000 ioc              > rejected 6 PHASE
        sell 7 1@1150                 > accepted 7
        phase continuous              > auction 4@1101 -1 · trade 5/3 4@1101 · phase CONTINUOUS OPERATOR
        """,
    ),
    "protection bounds how far a market order goes": (
        replace(PRICE_TIME, protection=2),
        """
        buy 1 5@100                   > accepted 1
        buy 2 5@98                    > accepted 2
        buy 3 5@97                    > accepted 3
        sell 4 20@mkt                 > accepted 4 · trade 4/1 5@100 · trade 4/2 5@98 · canceled 4 10 IOC
        """,
    ),
    "a phase accepts what its table says": (
        Profile(
            "phases",
            phase_accepts={
                **PHASE_ACCEPTS,
                Phase.HALT: Accept.CANCEL | Accept.LIMIT,
                Phase.CLOSED: 0,
            },
        ),
        """
        buy 1 5@100                   > accepted 1
        buy 2 5@100 open              > rejected 2 PHASE
        phase halt                    > phase HALT OPERATOR
        sell 3 5@100                  > accepted 3
        sell 4 5@100 hidden           > rejected 4 PHASE
        sell 4 5@mkt                  > rejected 4 PHASE
        replace 1 4@100               > replace_rejected 1 PHASE
        phase closed                  > phase CLOSED OPERATOR
        cancel 1                      > cancel_rejected 1 PHASE
        buy 5 1@1                     > rejected 5 PHASE
        mass                          > mass_canceled 0
        """,
    ),
    "Limit Up-Limit Down: nothing trades beyond the bands, a limit state of 15 seconds pauses for 5 minutes": (
        Profile("luld", luld_unit=100),
        """
        reference 10000               >
        sell 1 5@10400                > accepted 1
        sell 2 5@10600                > accepted 2
        buy 3 7@10700                 > accepted 3 · restated 3 7/7@10500 LULD · trade 3/1 5@10400
        +14 buy 4 1@9600              > accepted 4
        +1 tick                       > phase REOPENING_CALL LULD
        sell 5 1@10550                > accepted 5
        buy 6 3@10560                 > accepted 6
        +299 tick                     >
        +1 tick                       > auction 1@10560 +2 · trade 6/5 1@10560 · phase CONTINUOUS LULD
        buy 7 9@20000 ioc             > accepted 7 · restated 7 9/9@11088 LULD · trade 7/2 5@10600 · canceled 7 4 IOC
        """,
    ),
    "Limit Up-Limit Down: the limit state ends with its quote, bands by tier and price": (
        Profile("luld", luld_unit=100),
        """
        reference 10000 tier=2        >
        sell 1 5@11000                > accepted 1
        buy 2 5@11000 post            > rejected 2 POST_ONLY
        buy 2 5@10999                 > accepted 2
        cancel 1                      > canceled 1 5 USER
        buy 3 5@11001                 > accepted 3 · restated 3 5/5@11000 LULD
        +10 cancel 3                  > canceled 3 5 USER
        +10 buy 3 5@11000             > accepted 3
        +14 tick                      >
        +1 tick                       > phase REOPENING_CALL LULD
        """,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_rules(name: str) -> None:
    profile, script = CASES[name]
    for _ in both(profile, script):
        pass


@pytest.mark.parametrize(
    ("reference", "tier", "lower", "upper"),
    [  # price in cents; the plan's percentages: 5 and 10 above $3, 20 from $0.75, below the lesser of $0.15 and 75 %
        (1000, 1, 950, 1050),
        (1000, 2, 900, 1100),
        (300, 1, 240, 360),
        (75, 2, 60, 90),
        (74, 1, 59, 89),
        (10, 1, 3, 17),
    ],
)
def test_luld_bands_by_tier_and_price(reference: int, tier: int, lower: int, upper: int) -> None:
    profile = Profile("luld", luld_unit=100)
    for _ in both(
        profile,
        f"""
        reference {reference} tier={tier}      >
        buy 1 5@{upper + 1}                    > accepted 1 · restated 1 5/5@{upper} LULD
        sell 2 5@{upper}                       > accepted 2 · trade 2/1 5@{upper}
        sell 3 5@{lower - 1}                   > accepted 3 · restated 3 5/5@{lower} LULD
        """,
    ):
        pass


def test_luld_bands_are_doubled_after_the_open_and_before_the_close() -> None:
    minute = 60
    for _ in both(
        Profile("luld", luld_unit=100, first_phase=Phase.PRE_OPEN),
        f"""
        reference 1000                         >
        phase continuous ends={1_000_000 + 60 * minute} > auction 0@0 +0 · phase CONTINUOUS OPERATOR
        buy 1 1@1200                           > accepted 1 · restated 1 1/1@1100 LULD
        cancel 1                               > canceled 1 1 USER
        +{15 * minute} buy 2 1@1200            > accepted 2 · restated 2 1/1@1050 LULD
        cancel 2                               > canceled 2 1 USER
        +{20 * minute} buy 3 1@1200            > accepted 3 · restated 3 1/1@1050 LULD
        cancel 3                               > canceled 3 1 USER
        +1 buy 4 1@1200                        > accepted 4 · restated 4 1/1@1100 LULD
        """,
    ):
        pass


def test_the_luld_reference_follows_the_five_minute_mean_when_it_is_one_percent_away() -> None:
    for _ in both(
        Profile("luld", luld_unit=100),
        """
        reference 10000               >
        sell 1 100@10099              > accepted 1
        buy 2 1@10099                 > accepted 2 · trade 2/1 1@10099
        +30 buy 3 1@20000             > accepted 3 · restated 3 1/1@10500 LULD · trade 3/1 1@10099
        cancel 1                      > canceled 1 98 USER
        sell 4 2@10130                > accepted 4
        buy 5 2@10130                 > accepted 5 · trade 5/4 2@10130
        +30 buy 6 1@20000             > accepted 6 · restated 6 1/1@10614 LULD
        """,  # the mean of 10,099 twice and 10,130 once is 10,109: its 5 % is 505
    ):
        pass


def test_a_profile_that_cannot_be_is_refused() -> None:
    for wrong in (
        {"lot": 0},
        {"keeps": Change.PRICE},
        {"ticks": ((5, 1), (0, 1))},
        {"lmm_bps": 10_001},
        {"allocation": ()},
        {"stp": Stp.PROFILE},
    ):
        with pytest.raises(AssertionError, match="wrong"):
            Profile("wrong", **wrong)
    assert Step.FIFO in CME["F"]
