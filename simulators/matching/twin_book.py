"""The twin's book of one symbol: orders in levels, levels in price order, the rest in lists by arrival; nothing here decides.

Theory of operation. A level keeps two queues, displayed and hidden, each first in, first out; an iceberg stands in the displayed
one with its peak. A side keeps its levels by a key that is smallest for the best price, so that "best first" is the same walk
for buys and sells. Stops use the same structure with the key turned round: the best stop is the one a trade reaches first.
"""

from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum

from simulators.matching.records import TOTAL_MAX, Flag, Phase, Side, Statistics, Tif

Queue = OrderedDict[int, "Order"]  # by Order.key; keeps arrival and lets any order leave at once


class Place(IntEnum):
    """Where a live order is."""

    NOWHERE = 0
    BOOK = 1
    STOPS = 2
    MARKET = 3  # a market order that waits for an auction
    PARKED = 4  # an at-close order before its auction, a pegged order without a reference


@dataclass(slots=True, eq=False)
class Order:
    """A live order. px is what it stands at; stop_px of a pegged order is its offset."""

    key: int  # its own for life, whatever ids it goes by
    order_id: int
    symbol: int
    side: int
    ord_type: int
    tif: int
    flags: int
    peg: int
    stp_mode: int
    session: int
    account: int
    stp_id: int
    px: int
    cap: int  # the price asked for: before a slide, or the limit of a pegged order with PEG_CAP
    leaves: int
    shown: int
    cum: int
    display_qty: int
    min_qty: int
    stop_px: int
    expire_ns: int
    rank: int  # order of arrival over all symbols; a new one when priority is lost
    place: Place = Place.NOWHERE
    got: bool = False  # the last pro-rata step gave it something

    @property
    def hidden(self) -> bool:
        return bool(self.flags & Flag.HIDDEN)

    def peak(self) -> int:
        """What it would show, standing on the book anew."""
        if self.hidden:
            return 0
        return min(self.display_qty, self.leaves) if self.display_qty else self.leaves

    def fill(self, qty: int) -> None:
        self.cum = min(self.cum + qty, TOTAL_MAX)

    def least(self) -> int:
        """The smallest execution it accepts while it rests: a condition of hidden orders only."""
        return min(self.min_qty, self.leaves) if self.hidden else 0

    def state(self) -> Iterator[int]:
        """The words of the state hash."""
        yield from (self.order_id, self.leaves, self.shown, self.cum, self.px, self.cap, self.stop_px, self.display_qty)
        yield from (self.min_qty, self.rank, self.session, self.account, self.stp_id)
        yield self.side | self.ord_type << 8 | self.tif << 16 | self.flags << 24 | self.peg << 32 | self.stp_mode << 40 | self.place << 48
        yield self.expire_ns if self.tif == Tif.GTD else 0


@dataclass(slots=True, eq=False)
class Level:
    px: int
    displayed: Queue = field(default_factory=OrderedDict)
    hidden: Queue = field(default_factory=OrderedDict)
    shown: int = 0  # sum of what the displayed orders show
    leaves: int = 0  # sum of what is left of the displayed orders, reserves included

    def orders(self) -> Iterator[Order]:
        yield from self.displayed.values()
        yield from self.hidden.values()


class SortedKeys:
    """Integers in order, in runs of at most twice RUN, so that a million of them cost little more to change than a thousand."""

    RUN = 500

    def __init__(self) -> None:
        self._runs: list[list[int]] = []
        self._lasts: list[int] = []  # the last key of each run

    def add(self, key: int) -> None:
        """Take in a key that is not there."""
        at = min(bisect_left(self._lasts, key), len(self._runs) - 1)
        if at < 0:
            self._runs, self._lasts = [[key]], [key]
            return
        run = self._runs[at]
        insort(run, key)
        self._lasts[at] = run[-1]
        if len(run) > 2 * self.RUN:
            self._runs[at : at + 1] = [run[: self.RUN], run[self.RUN :]]
            self._lasts[at : at + 1] = [run[self.RUN - 1], run[-1]]

    def remove(self, key: int) -> None:
        """Give up a key that is there."""
        at = bisect_left(self._lasts, key)
        run = self._runs[at]
        del run[bisect_left(run, key)]
        if run:
            self._lasts[at] = run[-1]
        else:
            del self._runs[at], self._lasts[at]

    def first(self) -> int | None:
        """The smallest key, None when there is none."""
        return self._runs[0][0] if self._runs else None

    def after(self, key: int) -> int | None:
        """The smallest key above `key`, which need not be there itself; None when there is none."""
        at = bisect_left(self._lasts, key + 1)
        if at == len(self._runs):
            return None
        run = self._runs[at]
        return run[bisect_left(run, key + 1)]


class BookSide:
    """The levels of one side. ascending: the lowest price is the best (sells; buy stops). Stops have one queue a level."""

    def __init__(self, ascending: bool, stops: bool = False) -> None:
        self.sign = 1 if ascending else -1
        self.stops = stops
        self.levels: dict[int, Level] = {}
        self.keys = SortedKeys()  # sign × px: the first is the best

    def __iter__(self) -> Iterator[Level]:
        """Best first; safe while the level just yielded, and it alone, is emptied and removed."""
        key = self.keys.first()
        while key is not None:
            yield self.levels[self.sign * key]
            key = self.keys.after(key)

    def best(self) -> Level | None:
        key = self.keys.first()
        return None if key is None else self.levels[self.sign * key]

    def best_displayed(self) -> Level | None:
        return next((level for level in self if level.displayed), None)

    def add(self, px: int, order: Order) -> Level:
        """Put `order` at the end of its queue at px."""
        level = self.levels.get(px)
        if level is None:
            level = self.levels[px] = Level(px)
            self.keys.add(self.sign * px)
        if order.hidden and not self.stops:
            level.hidden[order.key] = order
        else:
            level.displayed[order.key] = order
            level.shown += order.shown
            level.leaves += order.leaves
        return level

    def drop(self, px: int, order: Order) -> Level:
        """Take `order` away, and its level when that was the last order."""
        level = self.levels[px]
        if order.hidden and not self.stops:
            del level.hidden[order.key]
        else:
            del level.displayed[order.key]
            level.shown -= order.shown
            level.leaves -= order.leaves
        if not level.displayed and not level.hidden:
            del self.levels[px]
            self.keys.remove(self.sign * px)
        return level


@dataclass(slots=True)
class Tally:
    """Trades summed up; prices are None until there is one."""

    trades: int = 0
    volume: int = 0
    open_px: int | None = None
    high_px: int | None = None
    low_px: int | None = None
    last_px: int | None = None

    def add(self, px: int, qty: int) -> None:
        self.trades += 1
        self.volume = min(self.volume + qty, TOTAL_MAX)
        self.open_px = px if self.open_px is None else self.open_px
        self.high_px = px if self.high_px is None else max(self.high_px, px)
        self.low_px = px if self.low_px is None else min(self.low_px, px)
        self.last_px = px

    def statistics(self) -> Statistics:
        return Statistics(self.trades, self.volume, self.open_px, self.high_px, self.low_px, self.last_px)


@dataclass(slots=True)
class Trade:
    """A trade that may still be busted."""

    trade_id: int
    symbol: int
    side: int
    order_id: int
    match_id: int
    px: int
    qty: int
    session: int
    match_session: int
    account: int
    match_account: int
    busted: bool = False


class Symbol:
    """One symbol: its book, its waiting orders, its phase, prices and timers."""

    def __init__(self, index: int, phase: Phase) -> None:
        self.index = index
        self.phase = phase
        self.sides = (BookSide(ascending=False), BookSide(ascending=True))
        self.stops = (BookSide(ascending=True, stops=True), BookSide(ascending=False, stops=True))
        self.market: tuple[Queue, Queue] = (OrderedDict(), OrderedDict())
        self.auction_only: Queue = OrderedDict()  # every live at-open and at-close order
        self.pegs: Queue = OrderedDict()  # every live pegged order
        self.peg_quote: tuple[int | None, int | None] | None = None  # what the pegs were last priced by
        self.top: list[Order | None] = [None, None]  # the order that bettered the market, a side
        self.last: int | None = None  # last trade price, never undone
        self.low_print: int | None = None  # lowest and highest trade since stops were last elected
        self.high_print: int | None = None
        self.reference: int | None = None
        # Limit Up-Limit Down
        self.tier = 1
        self.luld_reference: int | None = None
        self.opened_ns = -1
        self.close_ns = 0
        self.limit_since_ns = -1
        self.pause_until_ns = -1
        self.bucket = -1  # the 30-second interval of the newest trade sums
        self.sums = [(0, 0)] * 10  # (sum of prices, trades) of interval b at b % 10
        # statistics
        self.settled = Tally()  # trades that can no longer be busted
        self.tally = Tally()  # those and the ones that still can
        self.stats_from = 1  # the first trade id of this session

    def quote(self) -> tuple[int | None, int | None]:
        bid, ask = (side.best_displayed() for side in self.sides)
        return bid.px if bid else None, ask.px if ask else None

    def resting(self, side: int) -> Iterator[Order]:
        """Every order of a side that an auction would fill, in its priority: market orders, then price, displayed first, time."""
        yield from self.market[side].values()
        for level in self.sides[side]:
            yield from level.orders()

    def sweep(self) -> list[Order]:
        """Every live order in the order in which a mass cancel takes them."""
        out: list[Order] = []
        for side in (Side.BUY, Side.SELL):
            out += [o for level in self.sides[side] for o in level.orders()]
        for side in (Side.BUY, Side.SELL):
            out += self.market[side].values()
        for side in (Side.BUY, Side.SELL):
            out += [o for level in self.stops[side] for o in level.orders()]
        out += [o for o in self.auction_only.values() if o.place == Place.PARKED]
        out += [o for o in self.pegs.values() if o.place == Place.PARKED]
        return out

    def state(self, timed: bool) -> Iterator[int]:
        """The words of the state hash; the intervals of the 5-minute mean count when `timed`."""
        yield from (self.index, self.phase, self.tier, self.opened_ns, self.close_ns, self.limit_since_ns, self.pause_until_ns)
        for px in (self.last, self.reference, self.luld_reference, self.low_print, self.high_print):
            yield from (px is not None, px or 0)
        yield self.peg_quote is not None
        for px in self.peg_quote or ():
            yield from (px is not None, px or 0)
        if timed:
            yield self.bucket
            for total, count in self.sums:
                yield from (total, count)
        yield from (px or 0 for px in self.tally.statistics())
        for side in (Side.BUY, Side.SELL):
            top = self.top[side]
            yield from (top is not None, top.order_id if top else 0)
            for book in (self.sides[side], self.stops[side]):
                for level in book:
                    yield from (level.px, len(level.displayed))
                    for o in level.orders():
                        yield from o.state()
            for o in self.market[side].values():
                yield from o.state()
        for o in (*self.auction_only.values(), *self.pegs.values()):
            yield from o.state()
