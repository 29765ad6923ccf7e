"""The twin's matching: how one incoming order trades with the other side of its book.

Price, then visibility, then time, at the resting order's price; a price may instead be shared by steps. Self-trade prevention is
the incoming order's; fill-or-kill and minimum quantities are decided before the first trade, exactly, by walking what could be
reached. A resting minimum quantity is a condition of hidden orders: each execution at least so much, or all that is left.
"""

from simulators.matching.profiles import Step
from simulators.matching.records import (
    PX_MAX,
    PX_MIN,
    QTY_MAX,
    EventFlag,
    EventKind,
    Flag,
    OrdType,
    Reason,
    Side,
    Stp,
)
from simulators.matching.twin_book import Level, Order, Symbol
from simulators.matching.twin_state import TwinState


class TwinMatching(TwinState):
    """What one incoming order does to the other side."""

    def _limit(self, symbol: Symbol, o: Order) -> tuple[int, int | None, int | None]:
        """How far the order may trade; the price a band moves a limit order to, or None; what dynamic_bps is measured from."""
        p = self.profile
        buy = o.side == Side.BUY
        limit, clipped = o.px, None
        if o.ord_type == OrdType.MARKET:
            limit = PX_MAX if buy else PX_MIN
            best = symbol.sides[1 - o.side].best()
            if p.protection and best is not None:
                limit = min(best.px + p.protection, PX_MAX) if buy else max(best.px - p.protection, PX_MIN)
        bands = self._bands(symbol)
        if bands is not None and (limit > bands[1] if buy else limit < bands[0]):
            limit = bands[1] if buy else bands[0]
            if o.ord_type == OrdType.LIMIT:
                clipped = limit
        return limit, clipped, symbol.last if p.dynamic_bps else None

    def _barred(self, symbol: Symbol, px: int, anchor: int | None) -> Reason:
        """Why no trade may happen at px although the order's limit reaches it."""
        bands = self._bands(symbol)
        if bands is not None and not bands[0] <= px <= bands[1]:
            return Reason.LULD
        if anchor is not None and abs(px - anchor) * 10_000 > abs(anchor) * self.profile.dynamic_bps:
            return Reason.BAND
        return Reason.NONE

    def _offers(self, level: Level, leaves: int) -> bool:
        """Whether anything at the level accepts an execution of `leaves`."""
        return bool(level.displayed) or any(o.least() <= leaves for o in level.hidden.values())

    def _own(self, o: Order, other: Order) -> bool:
        return o.stp_mode > Stp.NONE and o.stp_id != 0 and o.stp_id == other.stp_id

    def _reachable(self, symbol: Symbol, o: Order, limit: int, anchor: int | None, need: int) -> bool:
        """Whether the order would trade at least `need`, found without trading."""
        got = 0
        for level in symbol.sides[1 - o.side]:
            if limit < level.px if o.side == Side.BUY else limit > level.px:
                return False
            if not self._offers(level, o.leaves - got):
                continue
            if self._barred(symbol, level.px, anchor):
                return False
            displayed, ahead = 0, 0
            blocked = False
            for other in level.displayed.values():
                if not self._own(o, other):
                    displayed += other.leaves
                    ahead += other.shown
                elif o.stp_mode != Stp.CANCEL_OLD:
                    blocked = True
                    break
            if blocked:
                # First in, first out: what stands ahead of the own order trades, but no second peak of it. Shared by steps:
                # the own order is met before anything is shared.
                return got + (ahead if self.profile.allocation == (Step.FIFO,) else 0) >= need
            got += displayed
            if got >= need:
                return True
            for other in level.hidden.values():
                if other.least() > o.leaves - got:
                    continue
                if not self._own(o, other):
                    got += other.leaves
                    if got >= need:
                        return True
                elif o.stp_mode != Stp.CANCEL_OLD:
                    return False
        return False

    def _sweep(self, symbol: Symbol, o: Order, limit: int, anchor: int | None) -> Reason:
        """Trade with level after level. Returns why it had to stop, or NONE: filled, or nothing more within its limit."""
        for level in symbol.sides[1 - o.side]:
            if limit < level.px if o.side == Side.BUY else limit > level.px:
                break
            if not self._offers(level, o.leaves):
                continue
            barred = self._barred(symbol, level.px, anchor)
            if barred:
                return barred
            stopped = self._sweep_displayed(symbol, o, level) or self._sweep_hidden(symbol, o, level)
            if stopped or not o.leaves:
                return stopped
        return Reason.NONE

    def _sweep_displayed(self, symbol: Symbol, o: Order, level: Level) -> Reason:
        if self.profile.allocation != (Step.FIFO,):
            for other in list(level.displayed.values()):
                if self._own(o, other):
                    stopped = self._prevent(symbol, o, other)
                    if stopped or not o.leaves:
                        return stopped
            # CME's exception: an incoming order that takes the whole price, reserves included, is shared first in, first out.
            if o.leaves < level.leaves:
                self._share(symbol, o, level)
        while o.leaves and level.displayed:
            other = next(iter(level.displayed.values()))
            if self._own(o, other):
                stopped = self._prevent(symbol, o, other)
                if stopped:
                    return stopped
            else:
                self._trade(symbol, o, other, min(o.leaves, other.shown))
        return Reason.NONE

    def _sweep_hidden(self, symbol: Symbol, o: Order, level: Level) -> Reason:
        for other in list(level.hidden.values()):
            if not o.leaves:
                break
            if other.least() > o.leaves:
                continue
            if self._own(o, other):
                stopped = self._prevent(symbol, o, other)
                if stopped:
                    return stopped
            else:
                self._trade(symbol, o, other, min(o.leaves, other.leaves))
        return Reason.NONE

    def _share(self, symbol: Symbol, o: Order, level: Level) -> None:
        """The steps of the profile's allocation over one price; what they leave is the caller's, first in, first out."""
        p = self.profile
        for step in p.allocation:
            base = o.leaves
            orders = list(level.displayed.values())
            if step == Step.TOP:
                top = symbol.top[1 - o.side]
                if top is not None and top.px == level.px:
                    self._trade(symbol, o, top, min(o.leaves, top.shown, p.top_max or QTY_MAX))
            elif step == Step.LMM:
                for other in orders:
                    if other.flags & Flag.LMM:
                        self._trade(symbol, o, other, min(o.leaves, other.shown, base * p.lmm_bps // 10_000))
            elif step == Step.SPLIT:
                quota = base * p.split_bps // 10_000
                while quota:
                    other = next(iter(level.displayed.values()))
                    qty = min(quota, other.shown)
                    self._trade(symbol, o, other, qty)
                    quota -= qty
            elif step == Step.PRO_RATA:
                total = level.shown
                for other in orders:
                    share = min(base * other.shown // total, other.shown, o.leaves)
                    other.got = share >= max(p.pro_rata_min, 1)
                    if other.got:
                        self._trade(symbol, o, other, share)
            elif step == Step.LEVELING:
                for other in orders:
                    if not other.got:
                        self._trade(symbol, o, other, min(o.leaves, 1))
            else:
                return

    def _prevent(self, symbol: Symbol, o: Order, other: Order) -> Reason:
        """Two orders of one owner meet. Returns STP when the incoming order must go, NONE when it may go on."""
        if o.stp_mode == Stp.CANCEL_NEW:
            return Reason.STP
        if o.stp_mode == Stp.DECREMENT:
            qty = min(o.leaves, other.leaves)
            if qty == other.leaves:
                self._cancel(other, Reason.STP)
            else:
                self._emit_order(
                    EventKind.RESTATED, other, px=other.px, qty=qty, leaves_qty=other.leaves - qty, reason=Reason.STP
                )
                self._shrink(symbol, other, qty)
            if qty == o.leaves:
                return Reason.STP
            o.leaves -= qty
            self._emit_order(EventKind.RESTATED, o, px=o.px, qty=qty, leaves_qty=o.leaves, reason=Reason.STP)
            return Reason.NONE
        self._cancel(other, Reason.STP)
        return Reason.STP if o.stp_mode == Stp.CANCEL_BOTH else Reason.NONE

    def _trade(self, symbol: Symbol, o: Order, other: Order, qty: int) -> None:
        """One trade at the resting order's price; the resting order shrinks, shows its next peak, or is done."""
        if qty == 0:
            return
        o.leaves -= qty
        o.fill(qty)
        other.fill(qty)
        flags = EventFlag.MAKER_HIDDEN if other.hidden else 0
        self._book_trade(symbol, o, other, other.px, qty, o.leaves, other.leaves - qty, flags)
        left = other.leaves
        if qty == left:
            self._forget(symbol, other)
        elif other.hidden or qty < other.shown:
            self._shrink(symbol, other, qty)
        else:
            self._refill(symbol, other, qty)
        if qty < left and self._falls_short(other):
            self._cancel(other, Reason.MIN_QTY)
        if not o.leaves:
            self._forget(symbol, o)

    def _falls_short(self, o: Order) -> bool:
        """Whether a venue that wants no remainder below a minimum quantity has one here."""
        return self.profile.short_expires and o.hidden and o.leaves < o.min_qty

    def _refill(self, symbol: Symbol, o: Order, qty: int) -> None:
        """The peak is used up: the next one goes to the end of the queue. The order stays TOP if it was."""
        level = symbol.sides[o.side].levels[o.px]
        del level.displayed[o.key]
        level.shown -= o.shown
        level.leaves -= o.leaves
        self._publish(o, level, 0)
        o.leaves -= qty
        o.shown = o.peak()
        self._emit_order(EventKind.RESTATED, o, px=o.px, qty=o.shown, leaves_qty=o.leaves, reason=Reason.REFILL)
        level.displayed[o.key] = o
        level.shown += o.shown
        level.leaves += o.leaves
        self._publish(o, level, o.shown)
