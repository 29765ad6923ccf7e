"""Questions to a lane that are asked in names: who holds how much of what."""

from collections.abc import Iterator
from typing import NamedTuple

from gateway.instruments import Instruments
from gateway.lane.lane import Lane
from gateway.lane.plan import Plan
from risk.latch import KINDS

SCOPE_ACCOUNT = KINDS.index("account")


class Holding(NamedTuple):
    """What an account has of a symbol, and what its open orders could buy and sell; quantities × 10^qty_exp."""

    account: str
    symbol: str
    quantity: int
    buys_open: int
    sells_open: int
    qty_exp: int


def positions(lane: Lane, plan: Plan, instruments: Instruments) -> Iterator[Holding]:
    """Every account and symbol in which something is held or open."""
    exponents = {row.symbol: row.qty_exp for row in instruments.rows}
    for account, name in enumerate(plan.accounts):
        for instrument, symbol in enumerate(plan.symbols):
            exposure = lane.exposure(SCOPE_ACCOUNT, account, instrument)
            if any(exposure):
                yield Holding(name, symbol, *exposure, exponents.get(symbol, 0))
