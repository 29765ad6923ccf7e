"""What every event of an order's life does to exposure: the table of state effects, row by row, and what must hold after any history."""

import os
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from risk.limits import Limit
from risk.model import (
    ACK,
    BAD_EVENT,
    BAD_INDEX,
    BUST,
    BUY,
    CANCEL_ACK,
    CANCEL_REJECT,
    CANCEL_SENT,
    CORRECT,
    EXTERNAL_FILL,
    EXTERNAL_ORDER,
    FILL,
    ID_HASH,
    ID_RISING,
    ID_SEEN,
    NO_SLOT,
    OVERFILL,
    REJECT,
    RELEASE,
    REPLACE_ACK,
    REPLACE_REJECT,
    REPLACE_RESERVE,
    RESERVE,
    RESTATED,
    SATURATED,
    SELL,
    SLOT_TAKEN,
    Delta,
    Exposure,
    Order,
)
from tests.risk.twins import COUNTS, ORDERS, Twins, limits

pytestmark = pytest.mark.more

MINE = Delta(RESERVE, BUY, slot=0, venue=1, account=1, strategy=1, instrument=1)


def e(kind: int, **fields: int) -> Delta:
    return replace(MINE, kind=kind, **fields)


def run(*events: Delta) -> Twins:
    twins = Twins()
    for event in events:
        twins.apply(event)
    twins.compare_all()
    return twins


new = e(RESERVE, qty=100)
ack = e(ACK)


@pytest.mark.parametrize(
    ("events", "position", "open_", "pend"),
    [
        # accepted by risk, bytes not yet sent: reserved at once
        ([new],                                                                              0,   0, 100),
        # never left, or refused: released
        ([new, e(RELEASE)],                                                                  0,   0,   0),
        ([new, e(REJECT)],                                                                   0,   0,   0),
        # acknowledged
        ([new, ack],                                                                         0, 100,   0),
        ([new, ack, e(FILL, qty=30)],                                                       30,  70,   0),
        ([new, ack, e(FILL, qty=30), e(FILL, qty=70)],                                     100,   0,   0),
        # a fill before its acknowledgement
        ([new, e(FILL, qty=30)],                                                            30,   0,  70),
        ([new, e(FILL, qty=30), ack],                                                       30,  70,   0),
        ([new, e(FILL, qty=100), ack],                                                     100,   0,   0),
        # too much: the position still moves, what is open stops at 0
        ([new, ack, e(FILL, qty=130)],                                                     130,   0,   0),
        # a cancel that was sent releases nothing, its answer does; too late releases nothing
        ([new, ack, e(CANCEL_SENT)],                                                         0, 100,   0),
        ([new, ack, e(CANCEL_SENT), e(FILL, qty=40), e(CANCEL_ACK)],                        40,   0,   0),
        ([new, ack, e(CANCEL_SENT), e(CANCEL_REJECT), e(FILL, qty=100)],                   100,   0,   0),
        ([new, e(CANCEL_ACK)],                                                               0,   0,   0),
        # a fill after the cancel's answer
        ([new, ack, e(CANCEL_ACK), e(FILL, qty=20)],                                        20,   0,   0),
        ([new, ack, e(CANCEL_ACK), e(FILL, qty=20, slot=NO_SLOT)],                          20,   0,   0),
        # replace up: the larger of old and new is held until the answer
        ([new, ack, e(REPLACE_RESERVE, leaves=150)],                                         0, 100,  50),
        ([new, ack, e(REPLACE_RESERVE, leaves=150), e(REPLACE_ACK, leaves=150)],             0, 150,   0),
        ([new, ack, e(REPLACE_RESERVE, leaves=150), e(REPLACE_REJECT)],                      0, 100,   0),
        ([new, ack, e(REPLACE_RESERVE, leaves=150), e(FILL, qty=30)],                       30,  70,  50),
        ([new, ack, e(REPLACE_RESERVE, leaves=150), e(FILL, qty=30), e(REPLACE_REJECT)],    30,  70,   0),
        ([new, ack, e(REPLACE_RESERVE, leaves=150), e(FILL, qty=120)],                     120,   0,  30),
        # replace down: the old one is held until the answer
        ([new, ack, e(REPLACE_RESERVE, leaves=40)],                                          0, 100,   0),
        ([new, ack, e(REPLACE_RESERVE, leaves=40), e(REPLACE_ACK, leaves=40)],               0,  40,   0),
        ([new, ack, e(FILL, qty=60), e(REPLACE_RESERVE, leaves=-10), e(REPLACE_ACK, leaves=-10)], 60, 0, 0),
        # replace of an order that is not acknowledged yet, in either order of answers
        ([new, e(REPLACE_RESERVE, leaves=150)],                                              0,   0, 150),
        ([new, e(REPLACE_RESERVE, leaves=150), ack],                                         0, 100,  50),
        ([new, e(REPLACE_RESERVE, leaves=150), e(REPLACE_ACK, leaves=150), ack],             0, 150,   0),
        ([new, e(REPLACE_RESERVE, leaves=150), e(REPLACE_REJECT)],                           0,   0, 100),
        # a chain of replaces: the largest unanswered one is held
        ([new, ack, e(REPLACE_RESERVE, leaves=150), e(REPLACE_RESERVE, leaves=120)],         0, 100,  50),
        ([new, ack, e(REPLACE_RESERVE, leaves=150), e(REPLACE_RESERVE, leaves=170), e(REPLACE_REJECT, pend_leaves=170)], 0, 100, 70),
        ([new, ack, e(REPLACE_RESERVE, leaves=150), e(REPLACE_RESERVE, leaves=170), e(REPLACE_ACK, leaves=150, pend_leaves=170)], 0, 150, 20),
        # a replace after the last fill may open the order again
        ([new, ack, e(FILL, qty=100), e(REPLACE_ACK, leaves=50)],                          100,  50,   0),
        # busted: the position goes back, what was open does not come back
        ([new, ack, e(FILL, qty=30), e(BUST, qty=30)],                                       0,  70,   0),
        ([new, ack, e(FILL, qty=30), e(CORRECT, old_qty=30, qty=20)],                       20,  70,   0),
        # restated: as the venue says
        ([new, ack, e(RESTATED, leaves=60)],                                                 0,  60,   0),
        ([new, ack, e(RESTATED, leaves=200)],                                                0, 200,   0),
        # not ours
        ([e(EXTERNAL_FILL, qty=25, slot=NO_SLOT)],                                          25,   0,   0),
        ([e(EXTERNAL_ORDER, leaves=50), e(EXTERNAL_FILL, qty=20)],                          20,  30,   0),
        ([e(EXTERNAL_ORDER, leaves=50), e(CANCEL_ACK)],                                      0,   0,   0),
        # an order that was denied: nothing
        ([e(ID_SEEN, id=4)],                                                                 0,   0,   0),
    ],
)  # fmt: skip
@pytest.mark.parametrize("side", [BUY, SELL])
def test_state_effects(events: list[Delta], position: int, open_: int, pend: int, side: int) -> None:
    twins = run(*(replace(event, side=side) for event in events))
    expected = Exposure(position, open_, 0, pend, 0) if side == BUY else Exposure(-position, 0, open_, 0, pend)
    external = events[0].kind in (EXTERNAL_FILL, EXTERNAL_ORDER)
    for scope, entity in (("firm", 0), ("venue", 1), ("account", 1), ("strategy", 0 if external else 1), ("symbol", 1)):
        assert twins.exposure(scope, entity, 1) == expected, scope
        assert twins.counters(scope, entity).open_orders == (open_ + pend > 0), scope
    assert twins.exposure("firm", 0, 2) == Exposure()


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([new, ack, e(FILL, qty=100)], 0),
        ([new, ack, e(FILL, qty=101)], OVERFILL),
        ([new, ack, e(CANCEL_ACK), e(FILL, qty=1)], OVERFILL),
        ([e(FILL, qty=1, slot=NO_SLOT)], 0),
        ([new, new], SLOT_TAKEN),
        ([e(FILL, qty=1, account=77)], BAD_INDEX | OVERFILL),
        ([e(FILL, qty=1, slot=ORDERS)], BAD_INDEX),
        ([e(RESERVE, qty=1, slot=NO_SLOT)], BAD_INDEX),
        ([e(FILL, qty=-1)], BAD_EVENT),
        ([e(CORRECT, old_qty=-1)], BAD_EVENT),
        ([e(FILL, side=2)], BAD_EVENT),
        ([e(0)], BAD_EVENT),
        ([e(18)], BAD_EVENT),
        ([e(255)], BAD_EVENT),
        ([e(FILL, qty=2**63 - 1, slot=NO_SLOT)], 0),
        ([e(FILL, qty=2**63 - 1, slot=NO_SLOT), e(FILL, qty=1, slot=NO_SLOT)], SATURATED),
        ([e(FILL, side=SELL, qty=2**63 - 1, slot=NO_SLOT), e(FILL, side=SELL, qty=1, slot=NO_SLOT)], SATURATED),
        ([e(RESERVE, qty=2**63 - 1), e(RESERVE, slot=1, qty=1)], SATURATED),
    ],
)  # fmt: skip
def test_what_is_odd_is_said_and_remembered(events: list[Delta], said: int) -> None:
    twins = run(*events[:-1])
    assert twins.apply(events[-1]) == said
    twins.compare_all()
    assert twins.core.flags & said == said


def test_a_fill_is_booked_whatever_the_entities_are() -> None:
    twins = run(e(FILL, qty=7, venue=65535, account=65535, strategy=65535, instrument=2**32 - 2, slot=NO_SLOT))
    for scope in ("firm", "venue", "account", "strategy", "symbol"):
        assert twins.exposure(scope, 0, 0).position == 7


def test_a_sum_at_the_end_of_the_range_stays_there() -> None:
    twins = run(e(FILL, qty=2**63 - 1, slot=NO_SLOT), e(FILL, qty=2**63 - 1, slot=NO_SLOT))
    assert twins.exposure("firm", 0, 1).position == 2**63 - 1
    assert [b.control for b in twins.check(Order(qty=1, px=1, ref_px=1))] == ["position"]


def test_a_reservation_is_released_where_it_was_made() -> None:
    """Whoever an answer is said to be for, the order's own cells move."""
    twins = run(new, ack, e(CANCEL_ACK, account=2, strategy=2, side=SELL))
    assert twins.exposure("account", 1, 1) == twins.exposure("account", 2, 1) == Exposure()


# After any history. Random events through the state machine, without regard to sense; and random but possible histories with a venue that knows the truth.


ALL = os.environ.get("PORTCULLIS_TESTS") == "all"


def runs(examples: int, stateful_step_count: int = 50) -> settings:
    """The same examples each time in `make test`; ten times as many, and new ones, with PORTCULLIS_TESTS=all (Hypothesis prints what failed)."""
    return settings(
        max_examples=examples * 10 if ALL else examples, stateful_step_count=stateful_step_count, derandomize=not ALL, deadline=None,
        suppress_health_check=list(HealthCheck), database=None,
    )  # fmt: skip


ENTITIES = {name: st.integers(0, count) for name, count in zip(("venue", "account", "strategy", "instrument"), COUNTS.values(), strict=True)}
QTY = st.one_of(st.integers(0, 200), st.sampled_from([2**63 - 1, 2**62]))
SIGNED = st.one_of(st.integers(-50, 200), st.sampled_from([-(2**63), 2**63 - 1]))
SLOTS = st.one_of(st.integers(0, ORDERS), st.just(NO_SLOT))
TIMES = st.integers(0, 5_000_000_000)
DELTAS = st.builds(
    Delta, kind=st.integers(0, 18), side=st.integers(0, 1), slot=SLOTS, qty=QTY, old_qty=QTY, leaves=SIGNED, pend_leaves=SIGNED,
    id_kind=st.integers(0, 1), id=st.integers(0, 20), now_ns=TIMES, **ENTITIES,
)  # fmt: skip
PRICE = st.one_of(st.none(), st.integers(-200, 20_000), st.sampled_from([2**63 - 1, -(2**63), 0]))
ORDERS_IN = st.builds(
    Order, kind=st.sampled_from("DDGF"), side=st.integers(0, 2), ord_type=st.sampled_from("1234P"), qty=SIGNED, cum=SIGNED, px=PRICE, stop_px=PRICE,
    ref_px=PRICE, multiplier=st.sampled_from([1, 50, 0, -1, 2**63 - 1]), px_exp=st.integers(-10, 4), qty_exp=st.integers(-10, 4),
    mult_exp=st.sampled_from([0, -2, 3, -128, 127]), slot=SLOTS, id_kind=st.sampled_from([ID_RISING, ID_HASH]), id=st.integers(0, 20), now_ns=TIMES,
    **ENTITIES,
)  # fmt: skip
VALUES = st.one_of(st.integers(0, 500), st.sampled_from([10**6, 2**63 - 2]))
LIMITS = st.builds(Limit, VALUES, st.integers(-4, 4))


@st.composite
def limit_tables(draw: st.DrawFn) -> dict[tuple[str, str, int], Limit]:
    found = {}
    for control in ("order_qty", "notional", "collar_bps", "position", "open_orders", "rate_per_s"):
        for scope, entity in draw(st.sets(st.sampled_from([("firm", 0), ("venue", 1), ("account", 1), ("strategy", 2), ("symbol", 1)]))):
            limit = draw(LIMITS)
            if control in ("collar_bps", "open_orders", "rate_per_s"):
                limit = Limit(min(limit.value, 10**9), 0)
            found[control, scope, entity] = limit
    return found


class AnyHistory(RuleBasedStateMachine):
    """C and model agree on every check and every cell after any events at all, possible or not."""

    @initialize(table=limit_tables())
    def begin(self, table: dict[tuple[str, str, int], Limit]) -> None:
        self.twins = Twins(replace(limits(), limit=table))
        self.events: list[Delta] = []

    @rule(delta=DELTAS)
    def event(self, delta: Delta) -> None:
        self.twins.apply(delta)
        self.events.append(delta)

    @rule(order=ORDERS_IN)
    def check(self, order: Order) -> None:
        self.twins.check(order)

    @rule(table=limit_tables(), version=st.integers(1, 2**64 - 1))
    def swap(self, table: dict[tuple[str, str, int], Limit], version: int) -> None:
        self.twins.swap_limits(replace(self.twins.limits, limit=table, version=version))

    @invariant()
    def equal(self) -> None:
        if hasattr(self, "twins"):
            self.twins.compare_all()


TestAnyHistory = AnyHistory.TestCase
TestAnyHistory.settings = runs(60, stateful_step_count=25)


@given(st.lists(ORDERS_IN, max_size=12), limit_tables())
@runs(150)
def test_checks_agree_on_random_orders(orders: list[Order], table: dict[tuple[str, str, int], Limit]) -> None:
    twins = Twins(replace(limits(), limit=table))
    for order in orders:
        twins.check(order)


@given(st.lists(DELTAS, max_size=60))
@runs(60)
def test_i_a_replay_gives_the_same_exposure(deltas: list[Delta]) -> None:
    live, replayed = Twins(), Twins()
    for delta in deltas:
        live.apply(delta)
    for delta in deltas:
        replayed.apply(delta)
    assert live.core.hash == replayed.core.hash
    live.apply(e(CANCEL_SENT))
    assert live.core.hash != replayed.core.hash, "the hash does not see one more event"
    assert [live.core.held(slot) for slot in range(ORDERS)] == [replayed.core.held(slot) for slot in range(ORDERS)]


SLOTS_USED = 2
PICK = st.integers(0, 7)


class PossibleHistory(RuleBasedStateMachine):
    """A venue that knows the truth, answers late and in any interleaving: what it can still trade is never more than what we hold.

    The venue's book is the oracle. Our side knows only what has arrived: messages travel both ways through queues that keep their order for each order.
    """

    @initialize()
    def begin(self) -> None:
        self.twins = Twins()
        self.to_venue: dict[int, list[tuple[str, int, int]]] = {}  # slot → (what, request, new quantity)
        self.to_us: dict[int, list[tuple[str, int, int]]] = {}
        self.book: dict[int, dict[str, int]] = {}  # slot → {qty, cum}: live at the venue
        self.ours: dict[int, dict[str, int]] = {}  # slot → {qty, cum, side, strategy, account}
        self.pending: dict[int, dict[int, int]] = {}  # slot → unanswered replace → its new quantity
        self.filled = 0
        self.requests = 0

    def delta(self, slot: int, kind: int, **fields: int) -> Delta:
        o = self.ours[slot]
        return Delta(kind, o["side"], slot, 1, o["account"], o["strategy"], 1, **fields)

    def pick(self, among: dict[int, Any], pick: int) -> int:
        """One of the slots that have something, so that few steps are idle."""
        slots = sorted(slot for slot, something in among.items() if something)
        return slots[pick % len(slots)]

    @precondition(lambda self: len(self.ours) < SLOTS_USED)
    @rule(qty=st.integers(1, 100), side=st.integers(0, 1), strategy=st.integers(1, 3), account=st.integers(1, 2))
    def send_new(self, qty: int, side: int, strategy: int, account: int) -> None:
        slot = next(slot for slot in range(SLOTS_USED) if slot not in self.ours)
        self.ours[slot] = {"qty": qty, "cum": 0, "side": side, "strategy": strategy, "account": account}
        self.pending[slot] = {}
        self.twins.apply(self.delta(slot, RESERVE, qty=qty))
        self.to_venue[slot] = [("new", 0, qty)]
        self.to_us[slot] = []

    @precondition(lambda self: self.ours)
    @rule(pick=PICK, qty=st.integers(1, 150))
    def send_replace(self, pick: int, qty: int) -> None:
        slot = self.pick(self.ours, pick)
        self.requests += 1
        self.pending[slot][self.requests] = qty
        self.twins.apply(self.delta(slot, REPLACE_RESERVE, leaves=qty - self.ours[slot]["cum"]))
        self.to_venue[slot].append(("replace", self.requests, qty))

    @precondition(lambda self: self.ours)
    @rule(pick=PICK)
    def send_cancel(self, pick: int) -> None:
        slot = self.pick(self.ours, pick)
        self.twins.apply(self.delta(slot, CANCEL_SENT))
        self.to_venue[slot].append(("cancel", 0, 0))

    @precondition(lambda self: any(self.to_venue.values()))
    @rule(pick=PICK, refuse=PICK)
    def venue_reads(self, pick: int, refuse: int) -> None:
        slot, takes = self.pick(self.to_venue, pick), refuse % 4 != 0
        what, request, qty = self.to_venue[slot].pop(0)
        live = self.book.get(slot)
        if what == "new" and takes:
            self.book[slot] = {"qty": qty, "cum": 0}
            self.to_us[slot].append(("ack", 0, 0))
        elif what == "new":
            self.to_us[slot].append(("reject", 0, 0))
        elif what == "cancel" and live and takes:
            self.to_us[slot].append(("canceled", 0, 0))
            del self.book[slot]
        elif what == "cancel":
            self.to_us[slot].append(("cancel rejected", 0, 0))
        elif live and takes:
            live["qty"] = max(qty, live["cum"])
            self.to_us[slot].append(("replaced", request, live["qty"]))
            self._venue_closes(slot)
        else:
            self.to_us[slot].append(("replace rejected", request, 0))

    @precondition(lambda self: self.book)
    @rule(pick=PICK, qty=st.integers(1, 80))
    def venue_trades(self, pick: int, qty: int) -> None:
        slot = self.pick(self.book, pick)
        live = self.book[slot]
        qty = min(qty, live["qty"] - live["cum"])
        live["cum"] += qty
        self.to_us[slot].append(("fill", 0, qty))
        self._venue_closes(slot)

    def _venue_closes(self, slot: int) -> None:
        if self.book[slot]["cum"] >= self.book[slot]["qty"]:
            del self.book[slot]

    @precondition(lambda self: any(self.to_us.values()))
    @rule(pick=PICK, fill_first=st.booleans())
    def we_read(self, pick: int, fill_first: bool) -> None:
        slot = self.pick(self.to_us, pick)
        queue, o = self.to_us[slot], self.ours[slot]
        overtakes = fill_first and [what for what, _, _ in queue[:2]] == ["ack", "fill"]  # a fill may overtake its acknowledgement
        what, request, qty = queue.pop(1 if overtakes else 0)
        if what == "fill":
            o["cum"] += qty
            self.filled += qty if o["side"] == BUY else -qty
            assert self.twins.apply(self.delta(slot, FILL, qty=qty)) == 0, "never an overfill from an honest venue"
        elif what == "replaced":
            del self.pending[slot][request]
            o["qty"] = qty
            self.twins.apply(self.delta(slot, REPLACE_ACK, leaves=qty - o["cum"], pend_leaves=self._pend_leaves(slot)))
        elif what == "replace rejected":
            del self.pending[slot][request]
            self.twins.apply(self.delta(slot, REPLACE_REJECT, pend_leaves=self._pend_leaves(slot)))
        else:
            kind = {"canceled": CANCEL_ACK, "reject": REJECT, "ack": ACK, "cancel rejected": CANCEL_REJECT}[what]
            self.twins.apply(self.delta(slot, kind))

    def _pend_leaves(self, slot: int) -> int:
        return max((qty - self.ours[slot]["cum"] for qty in self.pending[slot].values()), default=0)

    def _over(self) -> list[int]:
        return [slot for slot in self.ours if slot not in self.book and not self.to_venue[slot] and not self.to_us[slot]]

    @precondition(lambda self: self._over())
    @rule()
    def forget(self) -> None:
        """An order that is over everywhere holds nothing, and gives its slot back."""
        slot = self._over()[0]
        assert self.twins.core.held(slot) == 0, "(iii) over everywhere, and something is still held"
        del self.ours[slot], self.to_venue[slot], self.to_us[slot], self.pending[slot]

    @rule(qty=st.integers(1, 50), side=st.integers(0, 1), account=st.integers(0, 2))
    def external_fill(self, qty: int, side: int, account: int) -> None:
        self.filled += qty if side == BUY else -qty
        self.twins.apply(Delta(EXTERNAL_FILL, side, NO_SLOT, 1, account, 2, 1, qty=qty))

    def _worst_at_venue(self, side: int) -> int:
        """What may still change our position beyond what we have booked: reports on their way, and the largest that each live or travelling order can do."""
        worst = 0
        for slot, o in self.ours.items():
            if o["side"] != side:
                continue
            on_the_way = sum(qty for what, _, qty in self.to_us[slot] if what == "fill")
            largest = 0
            if slot in self.book or any(what == "new" for what, _, _ in self.to_venue[slot]):
                live = self.book.get(slot, {"qty": self.to_venue[slot][0][2] if self.to_venue[slot] else 0, "cum": 0})
                coming = [qty for what, _, qty in self.to_venue[slot] if what in ("new", "replace")]
                largest = max([live["qty"], *coming]) - live["cum"]
            worst += on_the_way + max(0, largest)
        return worst

    @invariant()
    def laws(self) -> None:
        if not hasattr(self, "twins"):
            return
        self.twins.compare_all()
        firm = self.twins.exposure("firm", 0, 1)
        assert firm.position == self.filled
        assert firm.open_buy + firm.pend_buy >= self._worst_at_venue(BUY), "(ii) the venue can buy more than we hold"
        assert firm.open_sell + firm.pend_sell >= self._worst_at_venue(SELL), "(ii) the venue can sell more than we hold"
        if not self.ours:
            assert firm == Exposure(position=self.filled), "(iii) all over, and something is still open or pending"
            assert self.twins.counters("firm", 0).open_orders == 0
        for scope, count in (("strategy", COUNTS["strategies"]), ("account", COUNTS["accounts"]), ("venue", COUNTS["venues"])):
            cells = [self.twins.exposure(scope, entity, 1) for entity in range(count)]
            total = Exposure(*(sum(getattr(c, name) for c in cells) for name in vars(firm)))
            assert total == firm, f"(iv) the {scope} cells, EXTERNAL included, do not add up to the firm's"


TestPossibleHistory = PossibleHistory.TestCase
TestPossibleHistory.settings = runs(60, stateful_step_count=60)
