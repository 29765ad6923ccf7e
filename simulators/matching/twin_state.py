"""The twin's state and its smallest acts: events, orders on and off the book, trades as they are kept, price bands.

Part of the specification that twin.py opens; nothing here decides what trades with what.
"""

from simulators.matching.profiles import Profile, Step
from simulators.matching.records import (
    Event,
    EventKind,
    Phase,
    Reason,
    Side,
)
from simulators.matching.twin_book import Level, Order, Place, Symbol, Trade
from simulators.matching.twin_rules import (
    MINUTE,
    luld_bands,
)

BUCKET_NS = MINUTE // 2


class TwinState:
    """The books, and what happens to one order at a time."""

    def __init__(self, profile: Profile, symbols: int, max_orders: int, max_trades: int) -> None:
        self.profile = profile
        self.max_orders = max_orders
        self.max_trades = max_trades
        self.symbols = [Symbol(i, profile.first_phase) for i in range(symbols)]
        self.orders: dict[int, Order] = {}
        self.now_ns = 0
        self._events: list[Event] = []
        self._seq = 0
        self._rank = 0
        self._trade_id = 0
        self._trades: dict[int, Trade] = {}
        # (expire_ns, rank, tie, order); stale entries are passed over
        self._expiries: list[tuple[int, int, int, Order]] = []
        self._keys = 0
        self._pushes = 0

    def _emit(
        self,
        kind: EventKind,
        *,
        side: int = 0,
        reason: int = 0,
        flags: int = 0,
        symbol: int = 0,
        order_id: int = 0,
        match_id: int = 0,
        px: int = 0,
        qty: int = 0,
        leaves_qty: int = 0,
        match_leaves_qty: int = 0,
        trade_id: int = 0,
        session: int = 0,
        match_session: int = 0,
        account: int = 0,
        match_account: int = 0,
    ) -> None:
        self._events.append(
            Event(
                int(kind), side, int(reason), int(flags), symbol, self._seq, self.now_ns, order_id, match_id, px, qty,
                leaves_qty, match_leaves_qty, trade_id, session, match_session, account, match_account,
            )
        )  # fmt: skip

    def _emit_order(
        self, kind: EventKind, o: Order, *, px: int, qty: int, reason: int = 0, leaves_qty: int = 0
    ) -> None:
        self._emit(
            kind, side=o.side, reason=reason, symbol=o.symbol, order_id=o.order_id, px=px, qty=qty, leaves_qty=leaves_qty,
            session=o.session, account=o.account,
        )  # fmt: skip

    def _publish(self, o: Order, level: Level, shows: int) -> None:
        """Market data of a displayed order that came, changed or went (shows 0)."""
        if self.profile.order_data:
            self._emit(EventKind.ORDER, side=o.side, symbol=o.symbol, order_id=o.order_id, px=o.px, qty=shows)
        if self.profile.level_data:
            self._emit(
                EventKind.LEVEL, side=o.side, symbol=o.symbol, px=o.px, qty=level.shown, leaves_qty=len(level.displayed)
            )

    def _rest(self, symbol: Symbol, o: Order) -> None:
        """Onto the book, last in its queue."""
        side = symbol.sides[o.side]
        if Step.TOP in self.profile.allocation and not o.hidden:
            before = side.best_displayed()
            if before is None or (o.px > before.px if o.side == Side.BUY else o.px < before.px):
                first = symbol.phase == Phase.CONTINUOUS and o.leaves >= self.profile.top_min
                symbol.top[o.side] = o if first else None
        o.place = Place.BOOK
        o.shown = o.peak()
        level = side.add(o.px, o)
        if not o.hidden:
            self._publish(o, level, o.shown)

    def _leave(self, symbol: Symbol, o: Order) -> None:
        """Off the book or out of wherever it waits, still alive for the caller to place anew or forget."""
        if o.place == Place.BOOK:
            level = symbol.sides[o.side].drop(o.px, o)
            if symbol.top[o.side] is o:
                symbol.top[o.side] = None
            if not o.hidden:
                self._publish(o, level, 0)
        elif o.place == Place.STOPS:
            symbol.stops[o.side].drop(o.stop_px, o)
        elif o.place == Place.MARKET:
            del symbol.market[o.side][o.key]
        o.place = Place.NOWHERE

    def _forget(self, symbol: Symbol, o: Order) -> None:
        """The order is no longer alive."""
        self._leave(symbol, o)
        del self.orders[o.order_id]
        symbol.auction_only.pop(o.key, None)
        symbol.pegs.pop(o.key, None)

    def _cancel(self, o: Order, reason: Reason) -> None:
        self._emit_order(EventKind.CANCELED, o, px=o.px, qty=o.leaves, reason=reason)
        self._forget(self.symbols[o.symbol], o)

    def _shrink(self, symbol: Symbol, o: Order, qty: int) -> None:
        """A resting order loses qty (less than what is left) and keeps its place; a peak used up is shown anew there."""
        o.leaves -= qty
        if o.place == Place.BOOK and not o.hidden:
            level = symbol.sides[o.side].levels[o.px]
            shown = max(o.shown - qty, 0) or o.peak()
            level.leaves -= qty
            level.shown += shown - o.shown
            o.shown = shown
            self._publish(o, level, shown)

    def _book_trade(
        self,
        symbol: Symbol,
        o: Order,
        other: Order,
        px: int,
        qty: int,
        leaves: int,
        other_leaves: int,
        flags: int,
    ) -> None:
        """The trade as an event, kept for a bust, in the statistics and in what stops and bands look at."""
        self._trade_id += 1
        self._emit(
            EventKind.TRADE, side=o.side, flags=flags, symbol=symbol.index, order_id=o.order_id, match_id=other.order_id, px=px,
            qty=qty, leaves_qty=leaves, match_leaves_qty=other_leaves, trade_id=self._trade_id, session=o.session,
            match_session=other.session, account=o.account, match_account=other.account,
        )  # fmt: skip
        old = self._trades.pop(self._trade_id - self.max_trades, None)
        if old is not None:
            of = self.symbols[old.symbol]
            if not old.busted and old.trade_id >= of.stats_from:
                of.settled.add(old.px, old.qty)
        self._trades[self._trade_id] = Trade(
            self._trade_id, symbol.index, o.side, o.order_id, other.order_id, px, qty, o.session, other.session, o.account, other.account
        )  # fmt: skip
        symbol.tally.add(px, qty)
        symbol.last = px
        symbol.low_print = px if symbol.low_print is None else min(symbol.low_print, px)
        symbol.high_print = px if symbol.high_print is None else max(symbol.high_print, px)
        if self.profile.luld_unit:
            self._roll(symbol)
            total, count = symbol.sums[symbol.bucket % 10]
            symbol.sums[symbol.bucket % 10] = (total + px, count + 1)

    def _bands(self, symbol: Symbol) -> tuple[int, int] | None:
        """The Limit Up-Limit Down bands, when they hold."""
        reference = symbol.luld_reference
        if not self.profile.luld_unit or reference is None or reference <= 0 or symbol.phase != Phase.CONTINUOUS:
            return None
        doubled = (
            symbol.opened_ns >= 0 and self.now_ns - symbol.opened_ns < 15 * MINUTE
        ) or 0 < symbol.close_ns < self.now_ns + 25 * MINUTE
        return luld_bands(self.profile, reference, symbol.tier, doubled)

    def _roll(self, symbol: Symbol) -> None:
        """Begin the 30-second interval of now; the reference follows the 5-minute mean when that is 1 % away or more."""
        bucket = self.now_ns // BUCKET_NS
        if bucket == symbol.bucket:
            return
        for old in range(max(symbol.bucket + 1, bucket - 10), bucket):
            symbol.sums[old % 10] = (0, 0)
        total = sum(s for s, _ in symbol.sums)
        count = sum(n for _, n in symbol.sums)
        if count and symbol.luld_reference is not None and symbol.phase == Phase.CONTINUOUS:
            mean = total // count
            if mean > 0 and abs(mean - symbol.luld_reference) * 100 >= symbol.luld_reference:
                symbol.luld_reference = mean
        symbol.sums[bucket % 10] = (0, 0)
        symbol.bucket = bucket
