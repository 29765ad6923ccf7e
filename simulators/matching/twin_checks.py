"""The twin's checks: why a new order or a replace is refused, and what a replace would change."""

from simulators.matching.profiles import Accept, Change
from simulators.matching.records import (
    PEAKS_MAX,
    QTY_MAX,
    Flag,
    Message,
    OrdType,
    Peg,
    Phase,
    Reason,
    Side,
    Stp,
    Tif,
)
from simulators.matching.twin_book import Order, Symbol
from simulators.matching.twin_phases import TwinPhases
from simulators.matching.twin_rules import (
    behind,
    on_tick,
    outside_band,
)


class TwinChecks(TwinPhases):
    """What is asked of a message before anything happens; nothing here changes anything."""

    def _refusal(self, m: Message) -> Reason:
        """Why a new order is not accepted; the first reason in this order."""
        p = self.profile
        if m.symbol >= len(self.symbols):
            return Reason.UNKNOWN_SYMBOL
        symbol = self.symbols[m.symbol]
        if (
            m.side > Side.SELL or m.ord_type > OrdType.STOP_LIMIT or m.tif > Tif.AT_CLOSE or m.peg > Peg.MARKET
            or m.flags >= 32 or m.stp_mode > Stp.DECREMENT
        ):  # fmt: skip
            return Reason.BAD_FIELD
        if m.order_id in self.orders:
            return Reason.DUPLICATE_ID
        if self._bad_qty(m):
            return Reason.BAD_QTY
        if m.qty % p.lot:
            return Reason.BAD_LOT
        if not self._makes_sense(m):
            return Reason.BAD_COMBINATION
        if m.tif == Tif.GTD and m.expire_ns <= self.now_ns:
            return Reason.BAD_EXPIRY
        limited = m.ord_type in (OrdType.LIMIT, OrdType.STOP_LIMIT) and (not m.peg or m.flags & Flag.PEG_CAP)
        if (limited and not on_tick(p, m.px)) or (m.ord_type >= OrdType.STOP and not on_tick(p, m.stop_px)):
            return Reason.BAD_TICK
        if self._needs(m) & ~p.phase_accepts[symbol.phase]:
            return Reason.PHASE
        if limited and self._beyond_band(symbol, m.side, m.px):
            return Reason.BAND
        if m.flags & Flag.POST_ONLY and symbol.phase == Phase.CONTINUOUS:
            meets = self._met(symbol, m.side, m.px, m.qty)
            if meets is not None and (not m.flags & Flag.SLIDE or behind(p, meets, m.side) is None):
                return Reason.POST_ONLY
        waits = m.tif not in (Tif.IOC, Tif.FOK) or m.ord_type >= OrdType.STOP
        if m.ord_type == OrdType.MARKET and symbol.phase == Phase.CONTINUOUS and m.tif == Tif.DAY:
            # A dynamic band may stop it, and then it waits for the auction.
            waits = p.market_rests or p.dynamic_bps > 0
        # One place beyond the pool is kept for orders that are over with their message, so that a full exchange still matches them.
        if m.qty and len(self.orders) >= self.max_orders + (0 if waits else 1):
            return Reason.POOL_FULL
        return Reason.NONE

    def _bad_qty(self, m: Message) -> bool:
        if not (0 if self.profile.zero_qty else 1) <= m.qty <= QTY_MAX or not 0 <= m.min_qty <= m.qty:
            return True
        return m.display_qty != 0 and not 0 < m.display_qty <= m.qty <= m.display_qty * PEAKS_MAX

    def _makes_sense(self, m: Message) -> bool:
        flags = m.flags
        stop = m.ord_type in (OrdType.STOP, OrdType.STOP_LIMIT)
        now_or_auction = m.tif in (Tif.IOC, Tif.FOK, Tif.AT_OPEN, Tif.AT_CLOSE)
        if m.ord_type == OrdType.MARKET and (
            m.tif in (Tif.GTC, Tif.GTD) or m.peg or m.display_qty or flags & (Flag.POST_ONLY | Flag.HIDDEN)
        ):
            return False
        if stop and (m.tif in (Tif.FOK, Tif.AT_OPEN, Tif.AT_CLOSE) or m.peg or m.min_qty or flags & Flag.POST_ONLY):
            return False
        if m.ord_type == OrdType.STOP and (m.display_qty or flags & Flag.HIDDEN):
            return False
        if now_or_auction and (m.peg or m.display_qty or flags & Flag.POST_ONLY):
            return False
        if m.tif in (Tif.AT_OPEN, Tif.AT_CLOSE) and m.min_qty:
            return False
        if m.display_qty and (flags & Flag.HIDDEN or m.peg):
            return False
        if m.min_qty and flags & Flag.POST_ONLY:
            return False
        if m.peg and flags & Flag.POST_ONLY:
            return False
        return not (flags & Flag.SLIDE and not flags & Flag.POST_ONLY) and not (flags & Flag.PEG_CAP and not m.peg)

    def _needs(self, m: Message) -> int:
        """The bits a phase must accept for this order."""
        need = 0
        if m.ord_type in (OrdType.STOP, OrdType.STOP_LIMIT):
            need |= Accept.STOP
        elif m.peg:
            need |= Accept.PEG
        else:
            need |= Accept.MARKET if m.ord_type == OrdType.MARKET else Accept.LIMIT
        if m.tif in (Tif.IOC, Tif.FOK):
            need |= Accept.IOC
        if m.tif == Tif.AT_OPEN:
            need |= Accept.AT_OPEN
        if m.tif == Tif.AT_CLOSE:
            need |= Accept.AT_CLOSE
        if m.flags & Flag.POST_ONLY:
            need |= Accept.POST_ONLY
        if m.display_qty:
            need |= Accept.ICEBERG
        if m.flags & Flag.HIDDEN:
            need |= Accept.HIDDEN
        return need

    def _beyond_band(self, symbol: Symbol, side: int, px: int) -> bool:
        p = self.profile
        return (
            bool(p.band_bps) and symbol.reference is not None and outside_band(symbol.reference, px, side, p.band_bps)
        )

    def _met(self, symbol: Symbol, side: int, px: int, qty: int) -> int | None:
        """The best opposite price that an order at px could trade at, hidden orders included; None when there is none."""
        for level in symbol.sides[1 - side]:
            if px < level.px if side == Side.BUY else px > level.px:
                return None
            if level.displayed or any(o.least() <= qty for o in level.hidden.values()):
                return level.px
        return None

    def _slid(self, symbol: Symbol, side: int, px: int, qty: int) -> int:
        """Where a post-only order with SLIDE stands: at px, or one tick behind what it would meet."""
        meets = self._met(symbol, side, px, qty) if symbol.phase == Phase.CONTINUOUS else None
        out = px if meets is None else behind(self.profile, meets, side)
        assert out is not None, "refused before"
        return out

    def _new_leaves(self, m: Message, o: Order) -> int:
        return m.qty - o.cum if self.profile.replace_total else m.qty

    def _changes(self, m: Message, o: Order) -> int:
        """What a replace would change, of the things that can cost priority."""
        out = 0
        leaves = self._new_leaves(m, o)
        if leaves < o.leaves:
            out |= Change.QTY_DOWN
        if leaves > o.leaves:
            out |= Change.QTY_UP
        limited = o.ord_type in (OrdType.LIMIT, OrdType.STOP_LIMIT)
        px = o.cap if o.peg or o.flags & Flag.SLIDE else o.px
        if (limited and m.px != px and (not o.peg or o.flags & Flag.PEG_CAP)) or (
            (o.peg or o.ord_type >= OrdType.STOP) and m.stop_px != o.stop_px
        ):
            out |= Change.PRICE
        if m.display_qty != o.display_qty:
            out |= Change.DISPLAY
        if m.account and m.account != o.account:
            out |= Change.ACCOUNT
        return out or Change.NOTHING

    def _replace_refusal(self, m: Message, o: Order) -> Reason:
        p = self.profile
        symbol = self.symbols[o.symbol]
        if m.new_order_id != o.order_id and m.new_order_id in self.orders:
            return Reason.DUPLICATE_ID
        if self._bad_qty(m):
            return Reason.BAD_QTY
        if m.qty % p.lot:
            return Reason.BAD_LOT
        if bool(m.display_qty) != bool(o.display_qty):
            return Reason.BAD_COMBINATION
        if o.tif == Tif.GTD and m.expire_ns <= self.now_ns:
            return Reason.BAD_EXPIRY
        limited = o.ord_type in (OrdType.LIMIT, OrdType.STOP_LIMIT) and (not o.peg or o.flags & Flag.PEG_CAP)
        if (limited and not on_tick(p, m.px)) or (o.ord_type >= OrdType.STOP and not on_tick(p, m.stop_px)):
            return Reason.BAD_TICK
        if limited and self._beyond_band(symbol, o.side, m.px):
            return Reason.BAND
        if o.flags & Flag.POST_ONLY and symbol.phase == Phase.CONTINUOUS:
            meets = self._met(symbol, o.side, m.px, self._new_leaves(m, o))
            if meets is not None and (not o.flags & Flag.SLIDE or behind(p, meets, o.side) is None):
                return Reason.POST_ONLY
        return Reason.NONE
