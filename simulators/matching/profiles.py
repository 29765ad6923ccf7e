"""The rules of a venue as data: what each phase accepts, how a price is shared, what keeps priority, ticks, bands, prevention.

A Profile is the whole of what differs between venues inside the matching core; both the twin and the C core read it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from simulators.matching.records import Phase, Stp

# Limits of the tables, shared with csrc/book.h.
MAX_STEPS = 8
MAX_TICKS = 8
PHASES = 8


class Step(IntEnum):
    """One step of an allocation at a price; what the steps leave is given first in, first out.

    Source: CME Globex, "Matching Algorithm Steps" (client systems wiki), read for reference 6.1.
    """

    FIFO = 1
    TOP = 2  # the order that first bettered the market, up to top_max
    LMM = 3  # each lead market maker's order: lmm_bps of what is left when the step begins
    SPLIT = 4  # split_bps of what is left goes first in, first out
    PRO_RATA = 5  # by displayed size, rounded down, nothing below pro_rata_min
    LEVELING = 6  # one lot to each order that PRO_RATA gave nothing


class Accept(IntEnum):
    """What a phase may accept; an order needs every bit that describes it."""

    LIMIT = 1
    MARKET = 2
    IOC = 4  # IOC and FOK
    STOP = 8
    PEG = 16
    AT_OPEN = 32
    AT_CLOSE = 64
    POST_ONLY = 128
    ICEBERG = 256
    HIDDEN = 512
    CANCEL = 1024
    REPLACE = 2048


class Change(IntEnum):
    """What a replace changed; NOTHING = the same order again."""

    NOTHING = 1
    QTY_DOWN = 2
    QTY_UP = 4
    PRICE = 8
    DISPLAY = 16
    ACCOUNT = 32


_RESTING = Accept.LIMIT | Accept.STOP | Accept.ICEBERG | Accept.HIDDEN | Accept.CANCEL | Accept.REPLACE
_CALL = _RESTING | Accept.MARKET | Accept.AT_CLOSE
_ALL = (1 << 12) - 1

PHASE_ACCEPTS: Mapping[Phase, int] = {
    Phase.CLOSED: Accept.CANCEL,
    Phase.PRE_OPEN: _CALL | Accept.AT_OPEN,
    Phase.OPENING_CALL: _CALL | Accept.AT_OPEN,
    Phase.CONTINUOUS: _ALL & ~Accept.AT_OPEN,
    Phase.HALT: Accept.CANCEL,
    Phase.REOPENING_CALL: _CALL,
    Phase.CLOSING_CALL: _CALL,
    Phase.POST: Accept.CANCEL,
}


@dataclass(frozen=True)
class Profile:
    """The rules of one venue. Prices in the venue's own price unit, shares in basis points (1/10,000)."""

    name: str
    phase_accepts: Mapping[Phase, int] = field(default_factory=lambda: dict(PHASE_ACCEPTS))
    first_phase: Phase = Phase.CONTINUOUS
    allocation: tuple[Step, ...] = (Step.FIFO,)
    top_min: int = 1  # an order smaller than this never becomes TOP
    top_max: int = 0  # 0 = no limit
    lmm_bps: int = 0
    split_bps: int = 0
    pro_rata_min: int = 2  # CME: a share below two lots is rounded down to nothing
    # What a replace may change without losing priority. CME and Nasdaq: a smaller quantity. Never the price.
    keeps: int = Change.NOTHING | Change.QTY_DOWN
    replace_total: bool = True  # a replace gives the whole OrderQty (as FIX does), not what is left
    zero_qty: bool = False  # a quantity of nothing is accepted and at once done, instead of rejected
    ticks: tuple[
        tuple[int, int], ...
    ] = ()  # (from this price, tick), ascending; the first also holds below; () = every price
    lot: int = 1
    stp: Stp = Stp.NONE
    band_bps: int = 0  # a buy above, or a sell below, the reference by more is rejected; 0 = no band
    dynamic_bps: int = 0  # a trade further than this from the last price does not happen, an auction is called; 0 = off
    short_expires: bool = False  # what is left of a hidden order below its minimum quantity is cancelled after a trade
    protection: int = 0  # a market order takes at most this far beyond the best opposite price; 0 = no limit
    market_rests: bool = False  # what is left of a protected market order rests at its limit instead of being cancelled
    luld_unit: int = 0  # price units in one currency unit, which turns Limit Up-Limit Down on; 0 = off
    level_data: bool = False  # publish LEVEL events
    order_data: bool = False  # publish ORDER events

    def __post_init__(self) -> None:
        assert 1 <= len(self.allocation) <= MAX_STEPS, (
            f"{self.name}: 1 to {MAX_STEPS} allocation steps, not {len(self.allocation)}"
        )
        assert len(self.ticks) <= MAX_TICKS, f"{self.name}: at most {MAX_TICKS} tick rows, not {len(self.ticks)}"
        assert all(tick > 0 for _, tick in self.ticks), f"{self.name}: every tick must be above 0: {self.ticks}"
        assert list(self.ticks) == sorted(self.ticks), f"{self.name}: tick rows must ascend: {self.ticks}"
        assert self.lot > 0 and self.pro_rata_min >= 0 and self.top_min >= 0 and self.top_max >= 0, (
            f"{self.name}: a size below 0"
        )
        for what, bps in (("lmm_bps", self.lmm_bps), ("split_bps", self.split_bps)):
            assert 0 <= bps <= 10_000, f"{self.name}: {what} is a share of 10,000, not {bps}"
        for what, n in (
            ("band_bps", self.band_bps),
            ("dynamic_bps", self.dynamic_bps),
            ("protection", self.protection),
        ):
            assert 0 <= n < 1 << 62, f"{self.name}: {what} must not be negative or above 2^62, not {n}"
        assert 0 <= self.luld_unit < 1 << 40, (
            f"{self.name}: luld_unit is price units in a currency unit, not {self.luld_unit}"
        )
        assert not self.keeps & Change.PRICE, f"{self.name}: a new price cannot keep its place in the old queue"
        assert self.stp != Stp.PROFILE, f"{self.name}: stp must name a mode"


# CME Globex algorithms by letter, steps as in the Algorithm Matrix of the same page. Percentages differ by product; these
# are ours. K's Leveling is optional there and on here. O and Q are A and A with LMM, with limits on TOP.
CME: Mapping[str, tuple[Step, ...]] = {
    "A": (Step.TOP, Step.PRO_RATA, Step.FIFO),
    "C": (Step.PRO_RATA, Step.FIFO),
    "F": (Step.FIFO,),
    "K": (Step.TOP, Step.LMM, Step.SPLIT, Step.PRO_RATA, Step.LEVELING, Step.FIFO),
    "O": (Step.TOP, Step.PRO_RATA, Step.FIFO),
    "Q": (Step.TOP, Step.LMM, Step.PRO_RATA, Step.FIFO),
    "S": (Step.TOP, Step.LMM, Step.FIFO),
    "T": (Step.LMM, Step.FIFO),
}
# The benchmark streams (see stream.py): a modify always loses priority and its quantity is what is left.
STREAM = Profile("stream", keeps=0, replace_total=False, zero_qty=True)
PRICE_TIME = Profile("price_time")
US_EQUITY = Profile(
    "us_equity",
    # Regulation NMS rule 612: cents from one dollar, hundredths of a cent below; prices in 1/10,000 dollar, as in OUCH.
    ticks=((0, 1), (10_000, 100)),
    luld_unit=10_000,
    stp=Stp.NONE,
)

PROFILES: Mapping[str, Profile] = {
    p.name: p
    for p in (
        STREAM,
        PRICE_TIME,
        US_EQUITY,
        *(
            Profile(
                f"cme_{letter.lower()}",
                allocation=steps,
                stp=Stp.CANCEL_OLD,
                lmm_bps=2_000,
                split_bps=4_000,
                top_min=10 if letter in "OQ" else 1,
                top_max=100 if letter in "OQ" else 0,
            )
            for letter, steps in CME.items()
        ),
    )
}
