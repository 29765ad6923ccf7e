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
from collections.abc import Iterator

from simulators.matching.profiles import Accept
from simulators.matching.records import (
    ALL_SYMBOLS,
    ANY_SIDE,
    EVENT,
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
    Phase,
    Quote,
    Reason,
    Statistics,
    Tif,
    check_whole,
    unpack_messages,
)
from simulators.matching.twin_book import Order, Place, Symbol, Tally
from simulators.matching.twin_checks import TwinChecks

_MASK = (1 << 64) - 1


class TwinExchange(TwinChecks):
    """An exchange of `symbols` books under one profile; the interface is that of simulators.matching.Exchange."""

    # -- the interface ---------------------------------------------------------------------------------------------------

    def send(self, message: Message) -> list[Event]:
        """Apply one message; return what happened, in order. Raises struct.error when a field does not fit its record."""
        message.pack()
        return self._done(message)

    def _done(self, message: Message) -> list[Event]:
        self._apply(message)
        out, self._events = self._events, []
        return out

    def run(self, messages: bytes | bytearray | memoryview) -> bytes:
        """Apply whole records of messages; return the records of all events."""
        check_whole(messages)
        out = bytearray()
        for message in unpack_messages(messages):
            for event in self._done(message):
                out += EVENT.pack(*event)
        return bytes(out)

    def quote(self, symbol: int) -> Quote:
        """The best displayed prices of a symbol and the quantity displayed there."""
        bid, ask = (side.best_displayed() for side in self._known(symbol).sides)
        return Quote(bid.px if bid else None, bid.shown if bid else 0, ask.px if ask else None, ask.shown if ask else 0)

    def depth(self, symbol: int, side: int, levels: int) -> list[tuple[int, int, int]]:
        """The best displayed levels of a side: (price, displayed quantity, displayed orders)."""
        out = [
            (level.px, level.shown, len(level.displayed))
            for level in self._known(symbol).sides[side]
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
        return self._plan(self._known(symbol))[0]

    def statistics(self, symbol: int) -> Statistics:
        """The session's trades so far, without busted ones."""
        return self._known(symbol).tally.statistics()

    def _known(self, symbol: int) -> Symbol:
        if not 0 <= symbol < len(self.symbols):
            raise IndexError(f"symbol {symbol} is not in 0…{len(self.symbols) - 1}")
        return self.symbols[symbol]

    def phase(self, symbol: int) -> Phase:
        return self._known(symbol).phase

    @property
    def live_orders(self) -> int:
        return len(self.orders)

    def state_hash(self) -> int:
        """64 bits of what decides the next events: equal states have equal hashes, C or twin. Trades kept for a bust do not count."""
        h = 0
        for word in self._state():
            h = (h ^ (word & _MASK)) * 0x9E3779B97F4A7C15 & _MASK
            h ^= h >> 29
        return h

    def _state(self) -> Iterator[int]:
        yield from (self._trade_id, len(self.orders))
        for symbol in self.symbols:
            yield from symbol.state(timed=self.profile.luld_unit > 0)

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
        elif (m.kind == Kind.PHASE and m.phase > Phase.POST) or (m.kind == Kind.MASS_CANCEL and m.side > ANY_SIDE):
            self._emit(EventKind.REJECTED_MESSAGE, symbol=m.symbol, reason=Reason.BAD_FIELD)
        elif m.kind == Kind.MASS_CANCEL:
            self._mass_cancel(m)
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

    # -- cancel and replace ----------------------------------------------------------------------------------------------

    def _found(self, m: Message, need: int) -> Order | Reason:
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
                    and self.profile.phase_accepts[symbol.phase] & Accept.CANCEL
                ):
                    self._cancel(o, Reason.MASS)
                    count += 1
            self._settle(symbol)
        self._emit(
            EventKind.MASS_CANCELED, side=m.side, symbol=m.symbol, qty=count, session=m.session, account=m.account
        )

    # -- time ------------------------------------------------------------------------------------------------------------

    def _expire(self) -> None:
        while self._expiries and self._expiries[0][0] <= self.now_ns:
            expire_ns, rank, _, o = heapq.heappop(self._expiries)
            if self.orders.get(o.order_id) is o and (o.expire_ns, o.rank) == (expire_ns, rank):
                self._cancel(o, Reason.EXPIRED)
                self._settle(self.symbols[o.symbol])

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
