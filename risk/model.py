"""Risk in words: what every check compares and what every event does to exposure; the readable twin of csrc/risk.c.

Written from the study of worst-case exposure: reserve before the bytes leave, release only on evidence, buys and sells never net against each other.
Nothing here is fast. Values are exact fractions; whoever wants to know why an order was refused reads this, and the tests hold the C to it.
Entities are numbers as in risk.limits; scopes are named. Field names are those of csrc/risk.h.
"""

from collections import deque
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import ceil, floor

from risk.controls import controls
from risk.limits import Limit, Limits

BUY, SELL = 0, 1
NO_SLOT = 0xFFFFFFFF
BIGGEST = 2**63 - 1  # sums stop here instead of wrapping, and say so
MANTISSA_MAX = 2**127 - 1  # a notional's mantissa beyond it breaches every limit
NANO = 10**9

# Event kinds (gw_risk_delta.kind).
RESERVE, RELEASE, ACK, REJECT, FILL, CANCEL_SENT, CANCEL_ACK, CANCEL_REJECT, REPLACE_RESERVE, REPLACE_ACK, REPLACE_REJECT, BUST, CORRECT, \
    RESTATED, EXTERNAL_ORDER, EXTERNAL_FILL, ID_SEEN = range(1, 18)  # fmt: skip
# What apply says (bits).
OVERFILL, SATURATED, SLOT_TAKEN, BAD_INDEX, BAD_EVENT = 1, 2, 4, 8, 16
# How a duplicate is known.
ID_RISING, ID_HASH = 0, 1


@dataclass(frozen=True)
class Order:
    """An order about to be taken (gw_risk_in); None: the field is not given."""

    kind: str = "D"  # FIX MsgType: D new, G replace
    side: int = BUY
    ord_type: str = "2"
    venue: int = 1
    account: int = 1
    strategy: int = 1
    instrument: int = 1
    qty: int = 0  # OrderQty; of a replace the new total
    cum: int = 0  # of a replace: CumQty
    px: int | None = None
    stop_px: int | None = None
    ref_px: int | None = None
    multiplier: int = 1
    px_exp: int = 0
    qty_exp: int = 0
    mult_exp: int = 0
    slot: int = NO_SLOT
    id_kind: int = ID_RISING
    id: int = 1
    now_ns: int = 0


@dataclass(frozen=True)
class Breach:
    """One reason not to take an order; the numbers are × 10^exp of the control's unit."""

    control: str
    scope: str
    entity: int
    why: str
    exp: int = 0
    value: int = 0
    limit: int = 0
    headroom: int = 0


@dataclass(frozen=True)
class Delta:
    """One event of an order's life (gw_risk_delta)."""

    kind: int
    side: int = BUY
    slot: int = NO_SLOT
    venue: int = 0
    account: int = 0
    strategy: int = 0
    instrument: int = 0
    qty: int = 0
    old_qty: int = 0
    leaves: int = 0
    pend_leaves: int = 0
    id_kind: int = ID_RISING
    id: int = 0
    now_ns: int = 0


@dataclass
class Exposure:
    """Of one scope in one instrument."""

    position: int = 0
    open_buy: int = 0
    open_sell: int = 0
    pend_buy: int = 0
    pend_sell: int = 0


@dataclass
class Counters:
    """Of one scope."""

    open_orders: int = 0
    messages: int = 0
    cancels: int = 0
    bucket_nano: int = 0
    bucket_ns: int = 0


@dataclass
class Reservation:
    """What one order may still trade: acknowledged, not yet acknowledged, and what unanswered replaces may add."""

    side: int = BUY
    venue: int = 0
    account: int = 0
    strategy: int = 0
    instrument: int = 0
    open: int = 0
    pend: int = 0
    incr: int = 0

    @property
    def held(self) -> int:
        return self.open + self.pend + self.incr


Scoped = Order | Delta | Reservation


@dataclass
class Risk:
    """Limits, exposure, and the two verbs: check (pure) and apply (never fails)."""

    limits: Limits
    orders: int
    dup_ids: int
    exposure: dict[tuple[str, int, int], Exposure] = field(default_factory=dict)
    counters: dict[tuple[str, int], Counters] = field(default_factory=dict)
    reservations: dict[int, Reservation] = field(default_factory=dict)
    last_id: dict[int, int] = field(default_factory=dict)
    recent_ids: deque[int] = field(default_factory=deque)
    flags: int = 0
    _said: int = 0  # the bits of the event being applied

    # Who is covered.

    def known(self, scope: str, entity: int) -> bool:
        """True for a configured entity: 0 and everything beyond the tables is unknown."""
        return scope == "firm" or 0 < entity < self.limits.count(scope)

    def covering(self, o: Scoped) -> list[tuple[str, int]]:
        """The five scopes of an order; entities beyond the tables count as 0, so that everything can be booked."""
        named = {"firm": 0, "venue": o.venue, "account": o.account, "strategy": o.strategy, "symbol": o.instrument}
        return [(scope, entity if 0 <= entity < self.limits.count(scope) else 0) for scope, entity in named.items()]

    def set_limits(self, control: str, o: Order) -> list[tuple[str, int, Limit]]:
        """The limits that cover an order: (scope, entity, limit)."""
        found = []
        for scope, entity in self.covering(o):
            limit = self.limits.limit.get((control, scope, entity)) if self.known(scope, entity) else None
            if limit is not None:
                found.append((scope, entity, limit))
        return found

    def exposure_of(self, scope: str, entity: int, instrument: int) -> Exposure:
        return self.exposure.setdefault((scope, entity, instrument), Exposure())

    def counters_of(self, scope: str, entity: int) -> Counters:
        return self.counters.setdefault((scope, entity), Counters())

    def held(self, slot: int) -> int:
        return self.reservations[slot].held if slot in self.reservations else 0

    # Check.

    def check(self, o: Order) -> list[Breach]:
        """Every reason not to take the order; empty: it may be taken."""
        breaches = self._permission(o) + self._duplicate(o)
        sound = o.qty > 0 and (o.kind != "G" or o.cum >= 0)
        if sound:
            qty = Fraction(o.qty) * scale(o.qty_exp)
            breaches += self._compare("order_qty", o, {}, qty)
            breaches += self._notional(o)
        else:
            breaches.append(Breach("order_qty", "firm", 0, "invalid"))
        breaches += self._collar(o)
        if sound:
            breaches += self._position(o)
        if o.kind != "G":  # a replaced order is counted already
            breaches += self._compare("open_orders", o, {s: Fraction(self.counters_of(*s).open_orders) for s in self.covering(o)}, Fraction(1))
        return breaches + self._rate(o)

    def _permission(self, o: Order) -> list[Breach]:
        breaches = []
        if o.kind not in ("D", "G") or o.side not in (BUY, SELL):
            breaches.append(Breach("permission", "firm", 0, "invalid"))
        named = {"venue": o.venue, "account": o.account, "strategy": o.strategy, "symbol": o.instrument}
        breaches += [Breach("permission", scope, entity, "unknown") for scope, entity in named.items() if not self.known(scope, entity)]
        if self.known("strategy", o.strategy):
            if self.known("account", o.account) and (o.strategy, o.account) not in self.limits.account_ok:
                breaches.append(Breach("permission", "account", o.account, "denied"))
            if self.known("symbol", o.instrument) and (o.strategy, o.instrument) not in self.limits.instrument_ok:
                breaches.append(Breach("permission", "symbol", o.instrument, "denied"))
        return breaches

    def _duplicate(self, o: Order) -> list[Breach]:
        if o.id_kind == ID_RISING:
            strategy = o.strategy if self.known("strategy", o.strategy) else 0
            used = o.id <= self.last_id.get(strategy, 0)
        else:
            used = o.id == 0 or o.id in self.recent_ids  # 0 is no id
        return [Breach("duplicate_id", "firm", 0, "repeated")] if used else []

    def _notional(self, o: Order) -> list[Breach]:
        if o.multiplier <= 0:
            return [Breach("notional", "firm", 0, "invalid")]
        limits = self.set_limits("notional", o)
        if not limits:
            return self._compare("notional", o, {}, Fraction(0))
        if o.ord_type in "24" and o.px is not None:
            # A buy's limit is the worst it can pay; a sell, and anything at a negative price, may trade at the reference price too.
            bound = abs(o.px) if o.side == BUY and o.px >= 0 else max(abs(o.px), abs(o.ref_px or 0))
            worst = Fraction(bound)
        elif o.ref_px is not None:
            # Market, stop and the like: what the market asks now, or at the stop, and as much worse as the tightest collar lets anyone go.
            collars = [limit.value for _, _, limit in self.set_limits("collar_bps", o)]
            bound = max(abs(o.ref_px), abs(o.stop_px or 0))
            worst = Fraction(bound) * (10_000 + min(collars, default=0)) / 10_000
        else:
            return [Breach("notional", *self._symbol(o), "no_ref")]
        mantissa = ceil(worst) * o.qty * o.multiplier
        if mantissa > MANTISSA_MAX:
            return [Breach("notional", s, e, "over", limit.exp, BIGGEST, limit.value, limit.value) for s, e, limit in limits]
        return self._compare("notional", o, {}, mantissa * scale(o.px_exp + o.qty_exp + o.mult_exp))

    def _collar(self, o: Order) -> list[Breach]:
        limits = self.set_limits("collar_bps", o)
        if not limits:
            return self._compare("collar_bps", o, {}, Fraction(0))
        if o.ref_px is None:
            return [Breach("collar_bps", *self._symbol(o), "no_ref")]
        if o.ord_type not in "24" or o.px is None:
            return []
        beyond = max(0, o.px - o.ref_px if o.side == BUY else o.ref_px - o.px)
        if beyond == 0:
            return []
        bps = Fraction(beyond * 10_000, abs(o.ref_px)) if o.ref_px else Fraction(BIGGEST)
        return self._compare("collar_bps", o, {}, bps)

    def _position(self, o: Order) -> list[Breach]:
        adds = o.qty if o.kind != "G" else max(0, o.qty - o.cum - self.held(o.slot))
        if adds == 0:
            return []
        used = {}
        instrument = self.covering(o)[-1][1]
        for scope in self.covering(o):
            e = self.exposure_of(*scope, instrument)
            worst = e.position + e.open_buy + e.pend_buy if o.side == BUY else -e.position + e.open_sell + e.pend_sell
            used[scope] = worst * scale(o.qty_exp)
        return self._compare("position", o, used, adds * scale(o.qty_exp))

    def _rate(self, o: Order) -> list[Breach]:
        used = {}
        for scope, entity, limit in self.set_limits("rate_per_s", o):
            used[scope, entity] = Fraction(self._drained(self.counters_of(scope, entity), limit.value, o.now_ns), NANO)
        return self._compare("rate_per_s", o, used, Fraction(1))

    @staticmethod
    def _drained(c: Counters, rate: int, now_ns: int) -> int:
        """The bucket's debt now, in 1e-9 messages."""
        return max(0, c.bucket_nano - max(0, now_ns - c.bucket_ns) * rate)

    def _symbol(self, o: Order) -> tuple[str, int]:
        return self.covering(o)[-1]

    def _compare(self, control: str, o: Order, used: dict[tuple[str, int], Fraction], adds: Fraction) -> list[Breach]:
        """The one comparison: used + adds > limit is a breach at every scope that sets one; if none does, that is the breach."""
        limits = self.set_limits(control, o)
        if not limits:
            return [Breach(control, "firm", 0, "unset")] if controls().controls[control].mandatory else []
        breaches = []
        for scope, entity, limit in limits:
            before = used.get((scope, entity), Fraction(0))
            if before + adds > limit.value * scale(limit.exp):
                unit = scale(limit.exp)
                value, headroom = ceil((before + adds) / unit), floor(limit.value - before / unit)
                breaches.append(Breach(control, scope, entity, "over", limit.exp, clamp(value), limit.value, clamp(headroom)))
        return breaches

    # Apply.

    def apply(self, d: Delta) -> int:
        """Book one event; return what was odd about it (bits), which is also kept in `flags`."""
        self._said = 0
        if d.kind in (EXTERNAL_ORDER, EXTERNAL_FILL):
            d = replace(d, strategy=0)
        if not RESERVE <= d.kind <= ID_SEEN or min(d.qty, d.old_qty) < 0 or d.side not in (BUY, SELL):
            return self._say(BAD_EVENT)
        if dict(self.covering(d)) != {"firm": 0, "venue": d.venue, "account": d.account, "strategy": d.strategy, "symbol": d.instrument}:
            self._say(BAD_INDEX)
        if d.slot != NO_SLOT and d.slot >= self.orders:
            d = replace(d, slot=NO_SLOT)
            self._say(BAD_INDEX)
        r = self.reservations.get(d.slot, Reservation())
        leaves, pend_leaves = max(0, d.leaves), max(0, d.pend_leaves)

        match d.kind:
            case 1:  # RESERVE
                self._use_id(d)
                self._count_message(d)
                if r.held:
                    self._say(SLOT_TAKEN)
                    self.reservations.pop(d.slot)
                if d.slot == NO_SLOT:
                    self._say(BAD_INDEX)
                self._hold(d, 0, d.qty, 0)
            case 2 | 4 | 7:  # RELEASE, REJECT, CANCEL_ACK: the whole order is gone
                self._hold(d, 0, 0, 0)
            case 3:  # ACK
                self._hold(d, r.open + r.pend, 0, r.incr)
            case 5 | 16:  # FILL, EXTERNAL_FILL
                self._move_position(d, d.qty)
                if d.slot != NO_SLOT:
                    left, parts = d.qty, []
                    for part in (r.open, r.pend, r.incr):
                        parts.append(part - min(part, left))
                        left -= min(part, left)
                    self._hold(d, *parts)
                    if left:
                        self._say(OVERFILL)
            case 6:  # CANCEL_SENT: a cancel that left is no evidence
                for scope in self.covering(d):
                    self.counters_of(*scope).cancels += 1
            case 9:  # REPLACE_RESERVE: old or new may trade, never both in full
                self._use_id(d)
                self._count_message(d)
                self._hold(d, r.open, r.pend, max(r.incr, leaves - r.open - r.pend))
            case 10 | 14:  # REPLACE_ACK, RESTATED: the venue says what is left; the new order is acknowledged with it
                self._hold(d, leaves, 0, max(0, pend_leaves - leaves))
            case 11:  # REPLACE_REJECT: only what the refused one added goes
                self._hold(d, r.open, r.pend, max(0, pend_leaves - r.open - r.pend))
            case 12:  # BUST
                self._move_position(d, -d.qty)
            case 13:  # CORRECT
                self._move_position(d, -d.old_qty)
                self._move_position(d, d.qty)
            case 15:  # EXTERNAL_ORDER
                self._hold(d, leaves, 0, 0)
            case 17:  # ID_SEEN
                self._use_id(d)
            case _:  # CANCEL_REJECT: nothing moves
                pass
        return self._said

    def _say(self, bit: int) -> int:
        self._said |= bit
        self.flags |= bit
        return self._said

    def _hold(self, d: Delta, open_: int, pend: int, incr: int) -> None:
        """Make the order's reservation (open, pend, incr), and move the cells of its scopes by the difference."""
        old = self.reservations.pop(d.slot, Reservation())
        if old.held == 0:  # the order begins, or begins again, to hold: whose it is comes with the event
            old = Reservation(d.side, d.venue, d.account, d.strategy, d.instrument)
        new = replace(old, open=open_, pend=pend, incr=incr)
        if d.slot == NO_SLOT and d.kind not in (RESERVE, EXTERNAL_ORDER):
            return  # an event of an order that has no slot has nothing to move
        instrument = self.covering(old)[-1][1]
        for scope in self.covering(old):
            e, c = self.exposure_of(*scope, instrument), self.counters_of(*scope)
            self._add(e, "open_buy" if old.side == BUY else "open_sell", new.open - old.open)
            self._add(e, "pend_buy" if old.side == BUY else "pend_sell", new.pend + new.incr - old.pend - old.incr)
            c.open_orders += (new.held > 0) - (old.held > 0)
        if d.slot != NO_SLOT and new.held:
            self.reservations[d.slot] = new

    def _move_position(self, d: Delta, qty: int) -> None:
        instrument = self.covering(d)[-1][1]
        for scope in self.covering(d):
            self._add(self.exposure_of(*scope, instrument), "position", qty if d.side == BUY else -qty)

    def _add(self, e: Exposure, name: str, by: int) -> None:
        total = getattr(e, name) + by
        if total != clamp(total):
            self._say(SATURATED)
        setattr(e, name, clamp(total))

    def _count_message(self, d: Delta) -> None:
        for scope, entity in self.covering(d):
            c = self.counters_of(scope, entity)
            limit = self.limits.limit.get(("rate_per_s", scope, entity)) if self.known(scope, entity) else None
            c.messages += 1
            c.bucket_nano = clamp(self._drained(c, limit.value, d.now_ns) + NANO) if limit else 0
            c.bucket_ns = max(c.bucket_ns, d.now_ns)

    def _use_id(self, d: Delta) -> None:
        if d.id_kind == ID_RISING:
            strategy = dict(self.covering(d))["strategy"]
            self.last_id[strategy] = max(self.last_id.get(strategy, 0), d.id)
        elif d.id and d.id not in self.recent_ids:
            self.recent_ids.append(d.id)
            if len(self.recent_ids) > self.dup_ids:
                self.recent_ids.popleft()


def scale(exp: int) -> Fraction:
    """10^exp, exactly."""
    return Fraction(10) ** exp


def clamp(value: int) -> int:
    """`value`, or the end of the signed 64-bit range that it passed."""
    return max(-BIGGEST, min(BIGGEST, value))
