"""The plain Python twin of the matching core: the readable specification that csrc/book.c obeys event by event.

Theory of operation. A message is checked, acknowledged or rejected, and applied to its symbol; what it sets off is carried on
until the symbol is quiet again (`_settle`): stops that trades reached are elected in rounds, pegged orders follow the quote,
and either may trade. Every change is an event, in the order in which it happens. There is no clock: messages bring the time.

Rules and their sources (the reference study, section 6.1, and what it cites):
  price, then visibility, then time; a trade is at the resting order's price
  self-trade prevention by the incoming order's mode, not in auctions
  a stop is reached by any trade at its price or through it; furthest through first, then oldest; rounds until no more
  an iceberg's next peak goes to the end of its queue; in an auction it takes part with everything it has, in its place
  a resting minimum quantity is a condition of hidden orders: each execution at least so much, or all that is left
  fill-or-kill and minimum quantities are decided before the first trade, exactly, by walking what could be reached
"""

import heapq

from simulators.matching.profiles import Accept, Change, Profile, Step
from simulators.matching.records import (
    ALL_SYMBOLS,
    ANY_SIDE,
    EVENT,
    PX_MAX,
    PX_MIN,
    QTY_MAX,
    TIME_MAX,
    Event,
    EventFlag,
    EventKind,
    Flag,
    Indication,
    Kind,
    Message,
    OrderView,
    OrdType,
    Peg,
    Phase,
    Quote,
    Reason,
    Side,
    Statistics,
    Stp,
    Tif,
    unpack_messages,
)
from simulators.matching.twin_book import Level, Order, Place, Symbol, Tally, Trade
from simulators.matching.twin_rules import (
    MINUTE,
    auction_price,
    behind,
    by_price,
    luld_bands,
    on_tick,
    outside_band,
    peg_price,
)

SECOND = 1_000_000_000
BUCKET_NS = 30 * SECOND
_AUCTION_PHASES = (Phase.PRE_OPEN, Phase.OPENING_CALL, Phase.HALT, Phase.REOPENING_CALL, Phase.CLOSING_CALL)
_MASK = (1 << 64) - 1


class TwinExchange:
    """An exchange of `symbols` books under one profile; the interface is that of simulators.matching.Exchange."""

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
        self._expiries: list[
            tuple[int, int, int, Order]
        ] = []  # (expire_ns, rank, tie, order); stale ones are passed over
        self._keys = 0
        self._pushes = 0

    # -- the interface ---------------------------------------------------------------------------------------------------

    def send(self, message: Message) -> list[Event]:
        """Apply one message; return what happened, in order."""
        self._apply(message)
        out, self._events = self._events, []
        return out

    def run(self, messages: bytes | bytearray | memoryview) -> bytes:
        """Apply whole records of messages; return the records of all events."""
        out = bytearray()
        for message in unpack_messages(messages):
            for event in self.send(message):
                out += EVENT.pack(*event)
        return bytes(out)

    def quote(self, symbol: int) -> Quote:
        """The best displayed prices of a symbol and the quantity displayed there."""
        bid, ask = (side.best_displayed() for side in self.symbols[symbol].sides)
        return Quote(bid.px if bid else None, bid.shown if bid else 0, ask.px if ask else None, ask.shown if ask else 0)

    def depth(self, symbol: int, side: int, levels: int) -> list[tuple[int, int, int]]:
        """The best displayed levels of a side: (price, displayed quantity, displayed orders)."""
        out = [
            (level.px, level.shown, len(level.displayed))
            for level in self.symbols[symbol].sides[side]
            if level.displayed
        ]
        return out[:levels]

    def order(self, order_id: int) -> OrderView | None:
        """A live order, or None."""
        o = self.orders.get(order_id)
        if o is None:
            return None
        return OrderView(o.order_id, o.symbol, o.side, o.px, o.leaves, o.cum, o.shown, o.place == Place.BOOK)

    def indication(self, symbol: int) -> Indication:
        """What an auction would do now."""
        return self._plan(self.symbols[symbol])[0]

    def statistics(self, symbol: int) -> Statistics:
        """The session's trades so far, without busted ones."""
        return self.symbols[symbol].tally.statistics()

    def phase(self, symbol: int) -> Phase:
        return self.symbols[symbol].phase

    @property
    def live_orders(self) -> int:
        return len(self.orders)

    def state_hash(self) -> int:
        """64 bits of everything that decides the future of the books; equal states have equal hashes, C or twin."""
        h = 0

        def mix(*words: int) -> None:
            nonlocal h
            for word in words:
                h = (h ^ (word & _MASK)) * 0x9E3779B97F4A7C15 & _MASK
                h ^= h >> 29

        mix(self._trade_id, len(self.orders))
        for symbol in self.symbols:
            mix(symbol.index, symbol.phase, symbol.last is not None, symbol.last or 0)
            for side in (Side.BUY, Side.SELL):
                for book in (symbol.sides[side], symbol.stops[side]):
                    for level in book:
                        mix(level.px, len(level.displayed))
                        for o in level.orders():
                            mix(o.order_id, o.leaves, o.shown, o.cum)
                for o in symbol.market[side].values():
                    mix(o.order_id, o.leaves, o.cum)
            for o in symbol.auction_only.values():
                mix(o.order_id, o.place)
            for o in symbol.pegs.values():
                mix(o.order_id, o.place, o.px)
        return h

    # -- a message -------------------------------------------------------------------------------------------------------

    def _apply(self, m: Message) -> None:
        self._seq = m.seq
        self.now_ns = max(self.now_ns, min(m.now_ns, TIME_MAX))
        self._expire()
        for symbol in self._touched(m):
            self._timers(symbol)
        if m.kind == Kind.NEW:
            self._new(m)
        elif m.kind == Kind.CANCEL:
            self._cancel_one(m)
        elif m.kind == Kind.REPLACE:
            self._replace(m)
        elif m.kind in (Kind.BUST, Kind.CORRECT):
            self._bust(m)
        elif m.kind == Kind.TICK:
            pass
        elif m.kind not in (Kind.MASS_CANCEL, Kind.PHASE, Kind.INDICATE, Kind.REFERENCE, Kind.SESSION_END):
            self._emit(EventKind.REJECTED_MESSAGE, symbol=m.symbol, reason=Reason.BAD_FIELD)
        elif m.symbol != ALL_SYMBOLS and m.symbol >= len(self.symbols):
            self._emit(EventKind.REJECTED_MESSAGE, symbol=m.symbol, reason=Reason.UNKNOWN_SYMBOL)
        elif m.kind == Kind.MASS_CANCEL:
            self._mass_cancel(m)
        elif m.kind == Kind.PHASE and m.phase > Phase.POST:
            self._emit(EventKind.REJECTED_MESSAGE, symbol=m.symbol, reason=Reason.BAD_FIELD)
        else:
            for symbol in self._scope(m.symbol):
                if m.kind == Kind.PHASE:
                    if m.expire_ns:
                        symbol.close_ns = m.expire_ns
                    self._enter_phase(symbol, Phase(m.phase), Reason.OPERATOR)
                    self._settle(symbol)
                elif m.kind == Kind.INDICATE:
                    self._emit_indication(EventKind.INDICATIVE, symbol, self._plan(symbol)[0])
                elif m.kind == Kind.REFERENCE:
                    symbol.reference = symbol.luld_reference = m.px
                    symbol.tier = 2 if m.phase == 2 else 1
                else:
                    self._end_session(symbol)

    def _scope(self, symbol: int) -> list[Symbol]:
        return self.symbols if symbol == ALL_SYMBOLS else [self.symbols[symbol]] if symbol < len(self.symbols) else []

    def _touched(self, m: Message) -> list[Symbol]:
        """The symbols whose timers this message brings up to date."""
        if not self.profile.luld_unit or m.kind in (Kind.BUST, Kind.CORRECT):
            return []
        if m.kind == Kind.TICK:
            return self.symbols
        if m.kind in (Kind.CANCEL, Kind.REPLACE):
            order = self.orders.get(m.order_id)
            return [self.symbols[order.symbol]] if order else []
        return self._scope(m.symbol)

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

    def _emit_indication(self, kind: EventKind, symbol: Symbol, indication: Indication) -> None:
        px, volume, surplus = indication
        self._emit(kind, symbol=symbol.index, px=px or 0, qty=volume, leaves_qty=surplus)

    # -- a new order -----------------------------------------------------------------------------------------------------

    def _new(self, m: Message) -> None:
        reason = self._refusal(m)
        if reason:
            self._emit(
                EventKind.REJECTED, side=m.side, reason=reason, symbol=m.symbol, order_id=m.order_id, px=m.px, qty=m.qty,
                session=m.session, account=m.account,
            )  # fmt: skip
            return
        symbol = self.symbols[m.symbol]
        px = 0 if m.ord_type in (OrdType.MARKET, OrdType.STOP) or m.peg else m.px
        if m.flags & Flag.SLIDE:
            px = self._slid(symbol, m.side, m.px, m.qty)
        flags = m.flags | Flag.HIDDEN if m.peg else m.flags
        self._rank += 1
        self._keys += 1
        o = Order(
            self._keys, m.order_id, m.symbol, m.side, m.ord_type, m.tif, flags, m.peg, m.stp_mode or self.profile.stp, m.session, m.account,
            m.stp_id, px, m.px, m.qty, 0, 0, m.display_qty, m.min_qty, m.stop_px, m.expire_ns, self._rank,
        )  # fmt: skip
        self._emit_order(EventKind.ACCEPTED, o, px=px, qty=m.qty, leaves_qty=m.qty)
        if m.qty == 0:  # only under zero_qty
            return
        self.orders[o.order_id] = o
        self._schedule(o)
        if o.tif in (Tif.AT_OPEN, Tif.AT_CLOSE):
            symbol.auction_only[o.key] = o
        if o.peg:
            symbol.pegs[o.key] = o
            target = self._peg_target(symbol, o, *self._peg_reference(symbol))
            if target is None:
                o.place = Place.PARKED
            else:
                o.px = target
        if o.place == Place.NOWHERE:
            self._arrive(symbol, o)
        self._settle(symbol)

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
        if (
            not (0 if p.zero_qty else 1) <= m.qty <= QTY_MAX
            or not 0 <= m.display_qty <= m.qty
            or not 0 <= m.min_qty <= m.qty
        ):
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
        rests = m.tif not in (Tif.IOC, Tif.FOK)
        if m.ord_type == OrdType.MARKET and symbol.phase == Phase.CONTINUOUS and m.tif == Tif.DAY:
            rests = p.market_rests
        # One place beyond the pool is kept for orders that do not rest, so that a full exchange still matches them.
        if m.qty and len(self.orders) >= self.max_orders + (0 if rests else 1):
            return Reason.POOL_FULL
        return Reason.NONE

    def _makes_sense(self, m: Message) -> bool:
        flags = Flag(m.flags)
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

    def _needs(self, m: Message) -> Accept:
        """The bits a phase must accept for this order."""
        need = Accept(0)
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

    # -- arriving: to the book, the stops, an auction, or to match -------------------------------------------------------

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

    def _publish(self, o: Order, level: Level, shows: int) -> None:
        """Market data of a displayed order that came, changed or went (shows 0)."""
        if self.profile.order_data:
            self._emit(EventKind.ORDER, side=o.side, symbol=o.symbol, order_id=o.order_id, px=o.px, qty=shows)
        if self.profile.level_data:
            self._emit(
                EventKind.LEVEL, side=o.side, symbol=o.symbol, px=o.px, qty=level.shown, leaves_qty=len(level.displayed)
            )

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

    # -- matching --------------------------------------------------------------------------------------------------------

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
        flags = EventFlag.MAKER_HIDDEN if other.hidden else EventFlag(0)
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

    def _book_trade(
        self,
        symbol: Symbol,
        o: Order,
        other: Order,
        px: int,
        qty: int,
        leaves: int,
        other_leaves: int,
        flags: EventFlag,
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

    # -- until the symbol is quiet ---------------------------------------------------------------------------------------

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
        quote = self._peg_reference(symbol)
        if not symbol.pegs or quote == symbol.peg_quote:
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

    # -- cancel and replace ----------------------------------------------------------------------------------------------

    def _found(self, m: Message, need: Accept) -> Order | Reason:
        o = self.orders.get(m.order_id)
        if o is None:
            return Reason.UNKNOWN_ORDER
        if m.session and m.session != o.session:
            return Reason.NOT_OWNER
        if need & ~self.profile.phase_accepts[self.symbols[o.symbol].phase]:
            return Reason.PHASE
        return o

    def _cancel_one(self, m: Message) -> None:
        o = self._found(m, Accept.CANCEL)
        if isinstance(o, Reason):
            self._emit(EventKind.CANCEL_REJECTED, reason=o, order_id=m.order_id, session=m.session)
            return
        self._cancel(o, Reason.USER)
        self._settle(self.symbols[o.symbol])

    def _replace(self, m: Message) -> None:
        o = self._found(m, Accept.REPLACE)
        reason = o if isinstance(o, Reason) else self._replace_refusal(m, o)
        if isinstance(o, Reason) or reason:
            self._emit(EventKind.REPLACE_REJECTED, reason=reason, order_id=m.order_id, session=m.session)
            return
        symbol = self.symbols[o.symbol]
        changes, leaves = self._changes(m, o), self._new_leaves(m, o)
        kept = leaves > 0 and not changes & ~self.profile.keeps
        px = o.px
        if not kept and o.ord_type in (OrdType.LIMIT, OrdType.STOP_LIMIT) and not o.peg:
            px = self._slid(symbol, o.side, m.px, leaves) if o.flags & Flag.SLIDE else m.px
        self._emit(
            EventKind.REPLACED, side=o.side, flags=EventFlag.KEPT_PRIORITY if kept else 0, symbol=o.symbol, order_id=m.new_order_id,
            match_id=o.order_id, px=px, qty=m.qty, leaves_qty=max(leaves, 0), session=o.session, account=m.account or o.account,
        )  # fmt: skip
        if kept:
            self._amend(symbol, o, leaves, m.display_qty)
        else:
            self._leave(symbol, o)
        self._rename(o, m.new_order_id)
        o.account = m.account or o.account
        o.min_qty = m.min_qty if o.hidden else 0
        expire_ns = m.expire_ns if o.tif == Tif.GTD else o.expire_ns
        if kept:
            if expire_ns != o.expire_ns:
                o.expire_ns = expire_ns
                self._schedule(o)
        elif leaves <= 0:
            self._forget(symbol, o)
        else:
            self._rank += 1
            o.leaves, o.px, o.stop_px, o.cap = leaves, px, m.stop_px, m.px
            o.display_qty, o.expire_ns, o.rank = m.display_qty, expire_ns, self._rank
            self._schedule(o)
            self._come_back(symbol, o)
        self._settle(symbol)

    def _come_back(self, symbol: Symbol, o: Order) -> None:
        """A replaced order without its priority: last wherever it waits or stands."""
        for queue in (symbol.auction_only, symbol.pegs):
            if o.key in queue:
                queue.move_to_end(o.key)
        target = self._peg_target(symbol, o, *self._peg_reference(symbol)) if o.peg else o.px
        if target is None:
            o.place = Place.PARKED
        else:
            o.px = target
            self._arrive(symbol, o)

    def _schedule(self, o: Order) -> None:
        if o.tif == Tif.GTD:
            self._pushes += 1
            heapq.heappush(self._expiries, (o.expire_ns, o.rank, self._pushes, o))

    def _new_leaves(self, m: Message, o: Order) -> int:
        return m.qty - o.cum if self.profile.replace_total else m.qty

    def _changes(self, m: Message, o: Order) -> Change:
        """What a replace would change, of the things that can cost priority."""
        out = Change(0)
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
        if (
            not (0 if p.zero_qty else 1) <= m.qty <= QTY_MAX
            or not 0 <= m.display_qty <= m.qty
            or not 0 <= m.min_qty <= m.qty
        ):
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

    def _amend(self, symbol: Symbol, o: Order, leaves: int, display_qty: int) -> None:
        """New quantities in the old place."""
        displayed = o.place == Place.BOOK and not o.hidden
        # A new display quantity is shown at once; otherwise the peak goes on as it is.
        shown = (
            min(o.shown, leaves) if display_qty and display_qty == o.display_qty else min(display_qty or leaves, leaves)
        )
        if displayed:
            level = symbol.sides[o.side].levels[o.px]
            level.leaves += leaves - o.leaves
            level.shown += shown - o.shown
        o.leaves, o.display_qty = leaves, display_qty
        if displayed:
            o.shown = shown
            self._publish(o, level, shown)

    def _rename(self, o: Order, order_id: int) -> None:
        """The order goes on under a new id."""
        if order_id == o.order_id:
            return
        if self.profile.order_data and o.place == Place.BOOK and not o.hidden:
            self._emit(
                EventKind.ORDER, side=o.side, flags=EventFlag.RENAMED, symbol=o.symbol, order_id=order_id, match_id=o.order_id,
                px=o.px, qty=o.shown,
            )  # fmt: skip
        del self.orders[o.order_id]
        o.order_id = order_id
        self.orders[order_id] = o

    def _mass_cancel(self, m: Message) -> None:
        count = 0
        for symbol in self._scope(m.symbol):
            for o in symbol.sweep():
                if (
                    (not m.session or o.session == m.session)
                    and (not m.account or o.account == m.account)
                    and m.side in (ANY_SIDE, o.side)
                    and Accept.CANCEL in self.profile.phase_accepts[symbol.phase]
                ):
                    self._cancel(o, Reason.MASS)
                    count += 1
            self._settle(symbol)
        self._emit(
            EventKind.MASS_CANCELED, side=m.side, symbol=m.symbol, qty=count, session=m.session, account=m.account
        )

    # -- phases and auctions ---------------------------------------------------------------------------------------------

    def _enter_phase(self, symbol: Symbol, phase: Phase, reason: Reason) -> None:
        """Leave the old phase (with its auction, when it ends in one) and enter the new one."""
        old = symbol.phase
        if old in _AUCTION_PHASES and (
            phase == Phase.CONTINUOUS or (old == Phase.CLOSING_CALL and phase in (Phase.POST, Phase.CLOSED))
        ):
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
            if symbol.opened_ns < 0:
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

    # -- time ------------------------------------------------------------------------------------------------------------

    def _expire(self) -> None:
        while self._expiries and self._expiries[0][0] <= self.now_ns:
            expire_ns, rank, _, o = heapq.heappop(self._expiries)
            if self.orders.get(o.order_id) is o and (o.expire_ns, o.rank) == (expire_ns, rank):
                self._cancel(o, Reason.EXPIRED)
                self._settle(self.symbols[o.symbol])

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

    # -- after the trade -------------------------------------------------------------------------------------------------

    def _bust(self, m: Message) -> None:
        t = self._trades.get(m.new_order_id)
        bad_qty = m.kind == Kind.CORRECT and not 1 <= m.qty <= QTY_MAX
        if t is None or t.busted or bad_qty:
            reason = Reason.BAD_QTY if t is not None and not t.busted else Reason.UNKNOWN_TRADE
            self._emit(EventKind.BUST_REJECTED, reason=reason, trade_id=m.new_order_id)
            return
        old_px, old_qty = t.px, t.qty
        correct = m.kind == Kind.CORRECT
        if correct:
            t.px, t.qty = m.px, m.qty
        else:
            t.busted = True
        self._emit(
            EventKind.CORRECTED if correct else EventKind.BUSTED, side=t.side, symbol=t.symbol, order_id=t.order_id,
            match_id=t.match_id, px=t.px, qty=t.qty, leaves_qty=old_qty if correct else 0,
            match_leaves_qty=old_px if correct else 0, trade_id=t.trade_id, session=t.session, match_session=t.match_session,
            account=t.account, match_account=t.match_account,
        )  # fmt: skip
        symbol = self.symbols[t.symbol]
        s = symbol.settled
        symbol.tally = Tally(s.trades, s.volume, s.open_px, s.high_px, s.low_px, s.last_px)
        for kept in self._trades.values():
            if kept.symbol == t.symbol and kept.trade_id >= symbol.stats_from and not kept.busted:
                symbol.tally.add(kept.px, kept.qty)

    def _end_session(self, symbol: Symbol) -> None:
        for o in symbol.sweep():
            if o.tif in (Tif.DAY, Tif.AT_OPEN, Tif.AT_CLOSE):
                self._cancel(o, Reason.EXPIRED)
        self._settle(symbol)
        s = symbol.tally.statistics()
        self._emit(
            EventKind.SESSION_ENDED, symbol=symbol.index, px=s.last_px or 0, qty=s.volume, leaves_qty=s.high_px or 0,
            match_leaves_qty=s.low_px or 0, trade_id=s.trades,
        )  # fmt: skip
        symbol.settled, symbol.tally = Tally(), Tally()
        symbol.stats_from = self._trade_id + 1
        symbol.opened_ns, symbol.close_ns = -1, 0
