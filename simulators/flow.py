"""Order flow for demos and loads: what a strategy wants next, as a pure function of a seed, or read from a recorded stream.

An `Intent` is a wish, not a message: it names orders by the strategy's own rising ids and knows nothing of answers, so a cancel may come
too late and a replace may meet an order that is gone, as in life. The same seed gives the same intents on every machine.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from gateway.instruments import Instrument
from gateway.seams import SeededRng
from simulators.matching.stream import RECORD, read

TARGETS_MAX = 200  # day orders that a cancel or replace chooses from: the newest, older ones are likely done
WALK_TICKS = 50  # how far a mid strays from its reference price; well inside any collar
QTY_MAX = 300


class Kind(StrEnum):
    NEW = "new"
    CANCEL = "cancel"
    REPLACE = "replace"


class Side(StrEnum):
    BUY = "buy"
    SELL = "sell"


@dataclass(frozen=True, slots=True)
class Intent:
    """One wish. `id` rises strictly; `target` is the id of the order meant by a cancel or replace, 0 for one that never was.

    `px` is an integer × 10^px_exp. A replace gives side and the whole new quantity; it becomes the order's name for later intents.
    """

    kind: Kind
    id: int
    symbol: str
    venue: str
    side: Side
    qty: int = 0
    px: int = 0
    px_exp: int = 0
    ioc: bool = False
    target: int = 0


def generate(seed: int, count: int, instruments: Sequence[Instrument]) -> Iterator[Intent]:
    """`count` intents over `instruments`, each of which has a reference price: about two thirds new, the rest cancels and replaces."""
    assert instruments and all(row.ref_px is not None for row in instruments), (
        "flow needs instruments with reference prices"
    )
    rng = SeededRng(seed)
    walk = [0] * len(instruments)  # of each mid, in ticks from its reference price
    targets: deque[tuple[int, int, Side]] = deque(maxlen=TARGETS_MAX)
    for number in range(1, count + 1):
        dice = rng.below(100)
        if dice < 65 or not targets:
            index = rng.below(len(instruments))
            walk[index] = max(-WALK_TICKS, min(WALK_TICKS, walk[index] + rng.below(5) - 2))
            side = Side.BUY if rng.below(2) else Side.SELL
            ioc = rng.below(10) < 3
            yield _priced(Kind.NEW, number, instruments[index], side, walk[index], rng, ioc=ioc)
            if not ioc:
                targets.append((number, index, side))
            continue
        at = rng.below(len(targets))
        target, index, side = targets[at]
        del targets[at]
        row = instruments[index]
        if dice < 85:
            yield Intent(Kind.CANCEL, number, row.symbol, row.venue, side, target=target)
        else:
            yield _priced(Kind.REPLACE, number, row, side, walk[index], rng, target=target)
            targets.append((number, index, side))


def _priced(
    kind: Kind,
    number: int,
    row: Instrument,
    side: Side,
    walked: int,
    rng: SeededRng,
    *,
    ioc: bool = False,
    target: int = 0,
) -> Intent:
    """An intent from five ticks behind the mid to three ticks through it."""
    assert row.ref_px is not None, "checked for the whole flow"
    tick = row.tick_at(row.ref_px)
    away = rng.below(9) - 3
    px = max(tick, row.ref_px // tick * tick + (walked - away if side is Side.BUY else walked + away) * tick)
    qty = row.lot * (1 + rng.below(QTY_MAX // row.lot if row.lot < QTY_MAX else 1))
    return Intent(kind, number, row.symbol, row.venue, side, qty, px, row.px_exp, ioc, target)


def recorded(path: Path, row: Instrument) -> Iterator[Intent]:
    """The intents of a recorded stream (format: simulators/matching/stream.py), its median price put at the instrument's reference price.

    Raises: ValueError saying what is wrong with the file.
    """
    assert row.ref_px is not None, f"{row.symbol} needs a reference price, around which the stream is put"
    records = list(RECORD.iter_unpack(read(path)))
    prices = sorted(price for kind, *_, price, _ in records if kind == 0)
    if not prices:
        raise ValueError(f"{path}: the stream has no new order")
    tick = row.tick_at(row.ref_px)
    middle, reference = prices[len(prices) // 2], row.ref_px // tick * tick
    names: dict[int, tuple[int, Side]] = {}  # the stream's order id → the id it goes by now, and its side
    for number, (kind, side_code, ioc, _, quantity, _, order_id, price, _) in enumerate(records, 1):
        if kind > 2 or side_code > 1 or ioc > 1:
            raise ValueError(f"{path}: record {number - 1} has type {kind}, side {side_code}, ioc {ioc}")
        px = max(tick, reference + (price - middle) * tick)
        side = Side.SELL if side_code else Side.BUY
        target, of_order = names.get(order_id, (0, side))
        if kind == 0:
            names[order_id] = (number, side)
            yield Intent(Kind.NEW, number, row.symbol, row.venue, side, quantity, px, row.px_exp, bool(ioc))
        elif kind == 1:
            yield Intent(Kind.CANCEL, number, row.symbol, row.venue, of_order, target=target)
        else:
            if target:
                names[order_id] = (number, of_order)
            yield Intent(Kind.REPLACE, number, row.symbol, row.venue, of_order, quantity, px, row.px_exp, target=target)
