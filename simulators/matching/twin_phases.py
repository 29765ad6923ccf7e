"""The twin's phases: what an arriving order does in each, stops and pegs until a symbol is quiet, auctions, pauses.

A stop is reached by a trade at its price or through it; furthest through first, then oldest; in rounds until no more. Pegged
orders follow the displayed quote after every message. An auction fills at one price, market orders first, then price, displayed
before hidden, time; an iceberg takes part with everything it has.
"""

from simulators.matching.records import (
    PX_MAX,
    PX_MIN,
    EventFlag,
    EventKind,
    Flag,
    Indication,
    OrdType,
    Phase,
    Reason,
    Side,
    Tif,
)
from simulators.matching.twin_book import Order, Place, Symbol
from simulators.matching.twin_match import TwinMatching
from simulators.matching.twin_rules import (
    MINUTE,
    auction_price,
    by_price,
    peg_price,
)

SECOND = 1_000_000_000


class TwinPhases(TwinMatching):
    """What a symbol does by itself, and where orders go."""

    def _arrive(self, symbol: Symbol, o: Order) -> None:
        """An order comes in: new, replaced without its priority, elected, or pegged to a new price."""
        if o.ord_type in (OrdType.STOP, OrdType.STOP_LIMIT):
            last = symbol.last
            reached = last is not None and (last >= o.stop_px if o.side == Side.BUY else last <= o.stop_px)
            if reached and symbol.phase == Phase.CONTINUOUS:
                self._trigger(o)
            else:
                o.place = Place.STOPS
                symbol.stops[o.side].add(o.stop_px, o)
                return
        if o.tif == Tif.AT_CLOSE and symbol.phase != Phase.CLOSING_CALL:
            o.place = Place.PARKED
        elif symbol.phase == Phase.CONTINUOUS:
            self._match(symbol, o)
        elif o.tif in (Tif.IOC, Tif.FOK):  # a stop elected when an interruption had already ended trading
            self._cancel(o, Reason.PHASE)
        elif o.ord_type == OrdType.MARKET:
            o.place = Place.MARKET
            symbol.market[o.side][o.key] = o
        else:
            self._rest(symbol, o)

    def _match(self, symbol: Symbol, o: Order) -> None:
        """Trade an arriving order against the other side, then rest or cancel what is left."""
        limit, clipped, anchor = self._limit(symbol, o)
        if clipped is not None:
            o.px = clipped
            self._emit_order(EventKind.RESTATED, o, px=o.px, qty=o.leaves, leaves_qty=o.leaves, reason=Reason.LULD)
        need = o.leaves if o.tif == Tif.FOK else min(o.min_qty, o.leaves)
        stopped = Reason.NONE
        if not need or self._reachable(symbol, o, limit, anchor, need):
            stopped = self._sweep(symbol, o, limit, anchor)
        elif o.tif == Tif.FOK:
            stopped = Reason.FOK
        elif o.tif == Tif.IOC or not o.hidden:
            stopped = Reason.MIN_QTY
        if not o.leaves:
            return
        if stopped == Reason.BAND:
            self._enter_phase(symbol, Phase.REOPENING_CALL, Reason.BAND)
            self._arrive(symbol, o)
        elif stopped:
            self._cancel(o, stopped)
        elif o.tif in (Tif.IOC, Tif.FOK):
            self._cancel(o, Reason.IOC)
        elif o.cum and self._falls_short(o):
            self._cancel(o, Reason.MIN_QTY)
        elif o.ord_type == OrdType.MARKET:
            if self.profile.market_rests and limit not in (PX_MIN, PX_MAX):
                o.ord_type, o.px = OrdType.LIMIT, limit
                self._emit_order(
                    EventKind.RESTATED, o, px=o.px, qty=o.leaves, leaves_qty=o.leaves, reason=Reason.PROTECTION
                )
                self._rest(symbol, o)
            else:
                self._cancel(o, Reason.IOC)
        else:
            self._rest(symbol, o)

    def _settle(self, symbol: Symbol) -> None:
        while self._elect(symbol) or self._follow(symbol):
            pass
        if self.profile.luld_unit:
            self._watch_limit_state(symbol)

    def _trigger(self, o: Order) -> None:
        o.ord_type = OrdType.MARKET if o.ord_type == OrdType.STOP else OrdType.LIMIT
        self._emit_order(EventKind.TRIGGERED, o, px=o.stop_px, qty=o.leaves, leaves_qty=o.leaves)

    def _elect(self, symbol: Symbol) -> bool:
        """One round: every stop that a trade reached since the last round, furthest through first, then oldest."""
        if symbol.phase != Phase.CONTINUOUS or symbol.high_print is None or symbol.low_print is None:
            return False
        elected: list[Order] = []
        while True:
            buy, sell = (side.best() for side in symbol.stops)
            through_buy = symbol.high_print - buy.px if buy else -1
            through_sell = sell.px - symbol.low_print if sell else -1
            if through_buy < 0 and through_sell < 0:
                break
            heads = [
                next(iter(level.orders()))
                for level, through in ((buy, through_buy), (sell, through_sell))
                if level and through == max(through_buy, through_sell)
            ]
            o = min(heads, key=lambda head: head.rank)
            self._leave(symbol, o)
            self._trigger(o)
            elected.append(o)
        symbol.low_print = symbol.high_print = None
        for o in elected:
            self._arrive(symbol, o)
        return bool(elected)

    def _peg_reference(self, symbol: Symbol) -> tuple[int | None, int | None]:
        return symbol.quote() if symbol.phase == Phase.CONTINUOUS else (None, None)

    def _peg_target(self, symbol: Symbol, o: Order, bid: int | None, ask: int | None) -> int | None:
        cap = o.cap if o.flags & Flag.PEG_CAP else None
        return peg_price(self.profile, o.peg, o.side, o.stop_px, cap, bid, ask)

    def _follow(self, symbol: Symbol) -> bool:
        """One round: pegged orders whose price the quote moved come in anew, oldest first."""
        if not symbol.pegs:
            return False
        quote = self._peg_reference(symbol)
        if quote == symbol.peg_quote:
            return False
        symbol.peg_quote = quote
        for o in list(symbol.pegs.values()):
            if o.key not in symbol.pegs:  # an earlier one of the round traded with it
                continue
            target = self._peg_target(symbol, o, *quote)
            if target is None:
                if o.place == Place.BOOK:
                    self._emit_order(EventKind.RESTATED, o, px=0, qty=0, leaves_qty=o.leaves, reason=Reason.PARKED)
                    self._leave(symbol, o)
                    o.place = Place.PARKED
            elif o.place == Place.PARKED or target != o.px:
                self._emit_order(EventKind.RESTATED, o, px=target, qty=0, leaves_qty=o.leaves, reason=Reason.PEG)
                self._leave(symbol, o)
                o.px = target
                self._arrive(symbol, o)
        return True

    def _enter_phase(self, symbol: Symbol, phase: Phase, reason: Reason) -> None:
        """Leave the old phase (with its auction, when it ends in one) and enter the new one."""
        old = symbol.phase
        opens = phase == Phase.CONTINUOUS and old != Phase.CONTINUOUS
        if opens or (old == Phase.CLOSING_CALL and phase in (Phase.POST, Phase.CLOSED)):
            self._uncross(symbol)
            over = Tif.AT_CLOSE if old == Phase.CLOSING_CALL else Tif.AT_OPEN
            left = [*symbol.market[Side.BUY].values(), *symbol.market[Side.SELL].values()]
            left += [o for o in symbol.auction_only.values() if o.tif == over and o.place == Place.BOOK]
            for o in left:
                self._cancel(o, Reason.AUCTION)
        symbol.phase = phase
        symbol.peg_quote = None
        symbol.limit_since_ns = -1
        symbol.pause_until_ns = (
            self.now_ns + 5 * MINUTE if reason == Reason.LULD and phase == Phase.REOPENING_CALL else -1
        )
        self._emit(EventKind.PHASE, symbol=symbol.index, qty=phase, reason=reason)
        if phase == Phase.CLOSING_CALL:
            for o in [o for o in symbol.auction_only.values() if o.place == Place.PARKED]:
                o.place = Place.NOWHERE
                self._arrive(symbol, o)
        if phase == Phase.CONTINUOUS:
            if old <= Phase.OPENING_CALL and symbol.opened_ns < 0:
                symbol.opened_ns = self.now_ns
            if symbol.last is not None:
                # Stops that came in meanwhile are compared with the last price, as they would have been on entry.
                symbol.low_print = symbol.last if symbol.low_print is None else min(symbol.low_print, symbol.last)
                symbol.high_print = symbol.last if symbol.high_print is None else max(symbol.high_print, symbol.last)

    def _plan(self, symbol: Symbol) -> tuple[Indication, set[int]]:
        """The price and volume of an auction now, and the ids of orders whose minimum quantity keeps them out of it.

        An order that would be filled below its minimum is taken out, the youngest first, and the price found again.
        """
        out: set[int] = set()
        while True:
            sides = [[o for o in symbol.resting(side) if o.order_id not in out] for side in (Side.BUY, Side.SELL)]
            priced = [by_price((o.px, o.leaves) for o in side if o.place == Place.BOOK) for side in sides]
            market = [sum(o.leaves for o in side if o.place == Place.MARKET) for side in sides]
            reference = symbol.reference if symbol.reference is not None else symbol.last
            indication = auction_price(priced[0], priced[1], market[0], market[1], reference)
            short: list[Order] = []
            for side in sides:
                left = indication.volume
                for o in side:
                    if 0 < left < o.least() and left < o.leaves:
                        short.append(o)
                    left -= min(left, o.leaves)
            if not short:
                return indication, out
            out.add(max(short, key=lambda o: o.rank).order_id)

    def _uncross(self, symbol: Symbol) -> None:
        """The auction: one price, both sides in priority, no self-trade prevention."""
        indication, out = self._plan(symbol)
        self._emit_indication(EventKind.AUCTION, symbol, indication)
        left = indication.volume
        while left:
            assert indication.px is not None
            buy, sell = (
                next(o for o in symbol.resting(side) if o.order_id not in out) for side in (Side.BUY, Side.SELL)
            )  # fmt: skip
            qty = min(left, buy.leaves, sell.leaves)
            left -= qty
            buy.fill(qty)
            sell.fill(qty)
            self._book_trade(
                symbol, buy, sell, indication.px, qty, buy.leaves - qty, sell.leaves - qty, EventFlag.AUCTION
            )
            for o in (buy, sell):
                if qty == o.leaves:
                    self._forget(symbol, o)
                else:
                    self._shrink(symbol, o, qty)
                    if not left and self._falls_short(o):
                        self._cancel(o, Reason.MIN_QTY)
        if indication.volume and self.profile.luld_unit:
            symbol.luld_reference = indication.px

    def _emit_indication(self, kind: EventKind, symbol: Symbol, indication: Indication) -> None:
        px, volume, surplus = indication
        self._emit(kind, symbol=symbol.index, px=px or 0, qty=volume, leaves_qty=surplus)

    def _timers(self, symbol: Symbol) -> None:
        self._roll(symbol)
        if 0 <= symbol.limit_since_ns <= self.now_ns - 15 * SECOND:
            self._enter_phase(symbol, Phase.REOPENING_CALL, Reason.LULD)
            self._settle(symbol)
        elif 0 <= symbol.pause_until_ns <= self.now_ns:
            self._enter_phase(symbol, Phase.CONTINUOUS, Reason.LULD)
            self._settle(symbol)

    def _watch_limit_state(self, symbol: Symbol) -> None:
        """A limit state lasts while an offer stands at the lower band or a bid at the upper one; 15 seconds bring a pause."""
        bands = self._bands(symbol)
        bid, ask = symbol.quote()
        at_limit = bands is not None and (
            (ask is not None and ask <= bands[0]) or (bid is not None and bid >= bands[1])
        )
        if not at_limit:
            symbol.limit_since_ns = -1
        elif symbol.limit_since_ns < 0:
            symbol.limit_since_ns = self.now_ns
