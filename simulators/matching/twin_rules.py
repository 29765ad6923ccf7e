"""The twin's arithmetic of prices: ticks, bands, pegs and the price of an auction, as pure functions of integers."""

from collections.abc import Iterable, Sequence

from simulators.matching.profiles import Profile
from simulators.matching.records import PX_MAX, PX_MIN, Indication, Peg, Side

MINUTE = 60 * 1_000_000_000


def tick_at(profile: Profile, px: int) -> int:
    """The tick that holds at px."""
    tick = profile.ticks[0][1] if profile.ticks else 1
    for start, row in profile.ticks:
        if px >= start:
            tick = row
    return tick


def on_tick(profile: Profile, px: int) -> bool:
    return px % tick_at(profile, px) == 0


def passive(profile: Profile, px: int, side: int) -> int:
    """px itself when it is on a tick, else the next one that is no more aggressive; may leave the range of a price."""
    tick = tick_at(profile, px)
    return px - px % tick if side == Side.BUY else px + -px % tick


def behind(profile: Profile, px: int, side: int) -> int | None:
    """The most aggressive price of `side` that does not meet px; None when there is none."""
    out = passive(profile, px - 1 if side == Side.BUY else px + 1, side)
    return out if PX_MIN <= out <= PX_MAX else None


def peg_price(
    profile: Profile, peg: int, side: int, offset: int, cap: int | None, bid: int | None, ask: int | None
) -> int | None:
    """Where a pegged order belongs; None when what it follows is absent. Rounds away from the other side."""
    own, other = (bid, ask) if side == Side.BUY else (ask, bid)
    if own is None if peg == Peg.PRIMARY else other is None if peg == Peg.MARKET else own is None or other is None:
        return None
    if peg == Peg.PRIMARY:
        assert own is not None
        px = own + offset
    elif peg == Peg.MARKET:
        assert other is not None
        px = other + offset
    else:
        assert own is not None and other is not None
        px = ((own + other) // 2 if side == Side.BUY else -(-(own + other) // 2)) + offset
    if cap is not None:
        px = min(px, cap) if side == Side.BUY else max(px, cap)
    px = passive(profile, px, side)
    return px if PX_MIN <= px <= PX_MAX else None


def outside_band(reference: int, px: int, side: int, bps: int) -> bool:
    """A buy above, a sell below the reference by more than bps of its size."""
    distance = px - reference if side == Side.BUY else reference - px
    return distance * 10_000 > abs(reference) * bps


def luld_bands(profile: Profile, reference: int, tier: int, doubled: bool) -> tuple[int, int]:
    """The lowest and the highest price at which a trade may happen.

    Limit Up-Limit Down plan: above $3.00, 5 % (tier 1) or 10 % (tier 2); from $0.75 to $3.00, 20 %; below, the lesser of $0.15
    and 75 %; doubled in the first 15 and the last 25 minutes. Rounded inwards to a tick.
    """
    unit = profile.luld_unit
    if reference > 3 * unit:
        width = reference * (500 if tier == 1 else 1_000) // 10_000
    elif reference * 4 >= 3 * unit:
        width = reference * 2_000 // 10_000
    else:
        width = min(15 * unit // 100, reference * 7_500 // 10_000)
    if doubled:
        width *= 2
    return passive(profile, reference - width, Side.SELL), passive(profile, reference + width, Side.BUY)


def auction_price(
    buys: Sequence[tuple[int, int]],
    sells: Sequence[tuple[int, int]],
    market_buy: int,
    market_sell: int,
    reference: int | None,
) -> Indication:
    """The price of an uncross by four rules, each deciding where the one before leaves a choice (reference 6.1, UNSW/ASX).

    Most volume; least surplus; the pressure of the market (every choice leaves buyers over: the highest, sellers: the lowest);
    nearest to the reference, or to the middle of the choices when there is none, the higher of two as near.
    buys and sells are (px, qty). The candidates are the prices of orders and the reference.
    """
    candidates = {px for px, _ in buys} | {px for px, _ in sells} | ({reference} if reference is not None else set())
    outcome: dict[int, tuple[int, int]] = {}
    for px in candidates:
        demand = market_buy + sum(q for p, q in buys if p >= px)
        supply = market_sell + sum(q for p, q in sells if p <= px)
        outcome[px] = (min(demand, supply), demand - supply)
    volume = max((v for v, _ in outcome.values()), default=0)
    if volume == 0:
        return Indication(None, 0, 0)
    least = min(abs(s) for v, s in outcome.values() if v == volume)
    choices = sorted(px for px, (v, s) in outcome.items() if v == volume and abs(s) == least)
    if all(outcome[px][1] > 0 for px in choices):
        px = choices[-1]
    elif all(outcome[px][1] < 0 for px in choices):
        px = choices[0]
    else:
        aim = reference if reference is not None else (choices[0] + choices[-1]) // 2
        px = min(choices, key=lambda c: (abs(c - aim), -c))
    return Indication(px, volume, outcome[px][1])


def by_price(orders: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """(px, qty) summed up by price."""
    out: dict[int, int] = {}
    for px, qty in orders:
        out[px] = out.get(px, 0) + qty
    return list(out.items())
