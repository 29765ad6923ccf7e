"""Each of the eight controls: at its limit, one beyond it, unset; and a refusal names everything that is wrong at once."""

import pytest

from risk.controls import controls
from risk.core import Core, breach_text, ffi, lib, ord_rej_reason, order_in, sizes_of
from risk.limits import Limit
from risk.model import ACK, BUY, FILL, ID_HASH, ID_RISING, ID_SEEN, RESERVE, SELL, Breach, Delta, Order
from tests.risk.twins import DUP_IDS, ORDERS, Twins, limits

S = 1_000_000_000
SCOPES = ("firm", "venue", "account", "strategy", "symbol")
PRICED = Order(qty=100, px=5000, ref_px=5000, px_exp=-2, id=1)  # 100 at 50.00


def reserve(slot: int, qty: int, side: int = BUY, id_: int = 0, now_ns: int = 0, account: int = 1, strategy: int = 1, instrument: int = 1) -> Delta:
    return Delta(RESERVE, side, slot, 1, account, strategy, instrument, qty=qty, id=id_, now_ns=now_ns)


def at(scope: str, **values: int | Limit) -> Twins:
    """Twins with these limits at one scope (entity 1 of its kind), besides wide-open firm ones."""
    return Twins(limits(firm=values) if scope == "firm" else limits(**{scope: {1: values}}))


def over(control: str, scope: str, value: int, limit: int, headroom: int, exp: int = 0) -> Breach:
    return Breach(control, scope, 0 if scope == "firm" else 1, "over", exp, value, limit, headroom)


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize(
    ("control", "limit", "passes", "refused", "value", "headroom"),
    [
        # control        limit        an order at it                          one beyond                             value   headroom
        ("order_qty",    100,         Order(qty=100, px=1, ref_px=1),         Order(qty=101, px=1, ref_px=1),         101,   100),
        ("order_qty",    Limit(5, -1), Order(qty=50, qty_exp=-2, px=1, ref_px=1), Order(qty=51, qty_exp=-2, px=1, ref_px=1), 6, 5),
        ("order_qty",    1000,        Order(qty=1, qty_exp=3, px=1, ref_px=1), Order(qty=2, qty_exp=3, px=1, ref_px=1), 2000, 1000),
        ("notional",     5000,        Order(qty=100, px=5000, ref_px=5000, px_exp=-2), Order(qty=100, px=5001, ref_px=5000, px_exp=-2), 5001, 5000),
        ("notional",     250_000,     Order(qty=100, px=50, ref_px=50, multiplier=50), Order(qty=100, px=50, ref_px=50, multiplier=51), 255_000, 250_000),
        ("collar_bps",   500,         Order(qty=1, px=10500, ref_px=10000),   Order(qty=1, px=10501, ref_px=10000),   501,   500),
        ("collar_bps",   500,         Order(qty=1, side=SELL, px=9500, ref_px=10000), Order(qty=1, side=SELL, px=9499, ref_px=10000), 501, 500),
        ("collar_bps",   0,           Order(qty=1, px=-100, ref_px=-100),     Order(qty=1, px=-99, ref_px=-100),      100,   0),
        ("position",     300,         Order(qty=300, px=1, ref_px=1),         Order(qty=301, px=1, ref_px=1),         301,   300),
        ("open_orders",  0,           None,                                   Order(qty=1, px=1, ref_px=1),           1,     0),
        ("rate_per_s",   0,           None,                                   Order(qty=1, px=1, ref_px=1),           1,     0),
    ],
)  # fmt: skip
def test_at_the_limit_passes_and_one_beyond_is_refused(
    scope: str, control: str, limit: int | Limit, passes: Order | None, refused: Order, value: int, headroom: int
) -> None:
    twins = at(scope, **{control: limit})
    if passes is not None:
        assert twins.check(passes) == []
    shown = limit if isinstance(limit, Limit) else Limit(limit, 0)
    assert twins.check(refused) == [over(control, scope, value, shown.value, headroom, shown.exp)]


@pytest.mark.parametrize("control", [c.key for c in controls().limited])
def test_an_unset_limit_blocks_and_the_text_gives_the_line_to_add(control: str) -> None:
    twins = Twins(limits(unset=(control,)))
    breaches = twins.check(PRICED)
    assert breaches == [Breach(control, "firm", 0, "unset")]
    unit = controls().controls[control].unit
    assert breach_text(breaches[0]) == f"{control} unset; add: [limits.firm] {control} = <{unit}>"
    assert len(breach_text(breaches[0])) < 64, "Text of a report has 64 bytes"


@pytest.mark.parametrize("scope", SCOPES[1:])
@pytest.mark.parametrize("control", [c.key for c in controls().limited])
def test_one_covering_scope_is_enough_and_another_entity_is_no_cover(control: str, scope: str) -> None:
    wide = {control: 10**9}
    assert Twins(limits(unset=(control,), **{scope: {1: wide}})).check(PRICED) == []
    assert Twins(limits(unset=(control,), **{scope: {2: wide}})).check(PRICED) == [Breach(control, "firm", 0, "unset")]


def test_without_any_limits_table_everything_is_blocked() -> None:
    core = Core(sizes_of(limits(), ORDERS, DUP_IDS))
    blocked = {(b.control, b.why) for b in core.check(PRICED)}
    assert blocked == {(c.key, "unset") for c in controls().limited} | {("permission", "denied")}


def test_every_breach_is_named_with_value_limit_and_headroom() -> None:
    tight: dict[str, int | Limit] = {"order_qty": 10, "notional": 100, "collar_bps": 1, "position": 20, "open_orders": 1, "rate_per_s": 1}
    twins = Twins(limits(firm=tight, account={1: {"position": 15}}, symbol={1: {"order_qty": 99}}))
    twins.apply(reserve(0, 5, id_=7))
    assert twins.check(Order(qty=100, px=5100, ref_px=5000, px_exp=-2, id=7)) == [
        Breach("duplicate_id", "firm", 0, "repeated"),
        over("order_qty", "firm", 100, 10, 10),
        over("order_qty", "symbol", 100, 99, 99),
        over("notional", "firm", 5100, 100, 100),
        over("collar_bps", "firm", 200, 1, 1),
        over("position", "firm", 105, 20, 15),
        over("position", "account", 105, 15, 10),
        over("open_orders", "firm", 2, 1, 0),
        over("rate_per_s", "firm", 2, 1, 0),
    ]


def test_all_breaches_are_counted_even_where_there_is_no_room_for_them() -> None:
    nothing: dict[str, int | Limit] = dict.fromkeys(("order_qty", "notional", "collar_bps", "position", "open_orders", "rate_per_s"), 0)
    everywhere = {scope: {1: nothing} for scope in SCOPES[1:]}
    twins = Twins(limits(firm=nothing, **everywhere))
    order = Order(qty=1, px=2, ref_px=1, id=0)
    assert len(twins.check(order)) == 31  # six controls at five scopes, and an id that does not rise
    core = twins.core
    two = ffi.new("gw_breach[2]")
    assert lib.gw_risk_check(core.risk, order_in(order), two, 2) == 31
    assert lib.gw_risk_check(core.risk, order_in(order), ffi.NULL, 0) == 31


@pytest.mark.parametrize(
    ("order", "value"),
    [
        # what has no binding price is judged at the reference price, plus the tightest collar (here 1000 bps)
        (Order(ord_type="1", qty=10, ref_px=100), 1100),
        (Order(ord_type="1", qty=10, side=SELL, ref_px=100), 1100),
        (Order(ord_type="3", qty=10, stop_px=200, ref_px=100), 2200),  # stop beyond the reference
        (Order(ord_type="3", qty=10, stop_px=50, ref_px=100), 1100),
        (Order(ord_type="P", qty=10, px=1, ref_px=100), 1100),  # a peg's price is the venue's business
        (Order(ord_type="2", qty=10, ref_px=100), 1100),  # a limit order without a limit is no limit order
        # a limit binds
        (Order(ord_type="2", qty=10, px=90, ref_px=100), 900),
        (Order(ord_type="4", qty=10, px=90, stop_px=80, ref_px=100), 900),
        # a sell may trade at the market, far above its limit
        (Order(ord_type="2", qty=10, side=SELL, px=95, ref_px=100), 1000),
        (Order(ord_type="2", qty=10, side=SELL, px=120, ref_px=100), 1200),
        # negative prices: the larger amount
        (Order(ord_type="2", qty=10, px=-95, ref_px=-100), 1000),
    ],
)  # fmt: skip
def test_notional_is_at_the_worst_price(order: Order, value: int) -> None:
    assert Twins(limits(firm={"notional": value}, symbol={1: {"collar_bps": 1000}})).check(order) == []
    less = Twins(limits(firm={"notional": value - 1}, symbol={1: {"collar_bps": 1000}}))
    assert less.check(order) == [over("notional", "firm", value, value - 1, value - 1)]


@pytest.mark.parametrize("ord_type", ["1", "2", "3", "4", "K"])
def test_no_reference_price_is_a_refusal(ord_type: str) -> None:
    priced = ord_type in "24"
    said = Twins().check(Order(ord_type=ord_type, qty=1, px=100 if priced else None))
    assert said == [Breach(c, "symbol", 1, "no_ref") for c in (("collar_bps",) if priced else ("notional", "collar_bps"))]
    assert breach_text(said[-1], "AAPL") == "collar_bps: no reference price (symbol AAPL)"


def test_a_price_beyond_a_zero_reference_breaches_every_collar() -> None:
    assert Twins().check(Order(qty=1, px=0, ref_px=0)) == []
    (breach,) = Twins().check(Order(qty=1, px=1, ref_px=0))
    assert (breach.control, breach.value) == ("collar_bps", 2**63 - 1)


def test_notionals_do_not_overflow() -> None:
    big = 2**63 - 1
    twins = Twins(limits(firm={"order_qty": big - 1, "notional": big - 1, "position": big - 1}))
    said = twins.check(Order(qty=big, px=big, ref_px=big, multiplier=big, qty_exp=-19))
    assert said == [over("notional", "firm", big, big - 1, big - 1)]
    # 2^63 × 2^63 still fits 128 bits, and is exact: 8.5e37 × 1e-20
    at_limit = ((2**63 - 1) ** 2 + 10**20 - 1) // 10**20
    twins = Twins(limits(firm={"order_qty": big - 1, "notional": at_limit, "position": big - 1}))
    assert twins.check(Order(qty=big, px=big, ref_px=big, px_exp=-20, qty_exp=0 - 1)) == []
    twins = Twins(limits(firm={"notional": 5000}))
    assert twins.check(Order(qty=1, px=1, ref_px=1, px_exp=127, qty_exp=127, mult_exp=127))[1] == over("notional", "firm", big, 5000, 5000)


# The position control: worst case of each side, never netted against open orders of the other.


def test_position_counts_open_and_pending_orders_of_the_same_side() -> None:
    twins = Twins(limits(firm={"position": 100}))
    twins.apply(reserve(0, 30, id_=1))
    twins.apply(reserve(1, 20, id_=2))
    twins.apply(Delta(ACK, slot=1, venue=1, account=1, strategy=1, instrument=1))
    assert twins.check(Order(qty=50, px=1, ref_px=1, id=3)) == []
    assert twins.check(Order(qty=51, px=1, ref_px=1, id=3)) == [over("position", "firm", 101, 100, 50)]
    assert twins.check(Order(qty=100, side=SELL, px=1, ref_px=1, id=3)) == [], "buys do not use the sells' room"
    assert twins.check(Order(qty=101, side=SELL, px=1, ref_px=1, id=3)) == [over("position", "firm", 101, 100, 100)]


def test_a_position_widens_the_other_side() -> None:
    twins = Twins(limits(firm={"position": 100}))
    twins.apply(Delta(FILL, BUY, venue=1, account=1, strategy=1, instrument=1, qty=60))
    assert twins.check(Order(qty=160, side=SELL, px=1, ref_px=1)) == []
    assert twins.check(Order(qty=161, side=SELL, px=1, ref_px=1)) == [over("position", "firm", 101, 100, 160)]
    assert twins.check(Order(qty=41, px=1, ref_px=1)) == [over("position", "firm", 101, 100, 40)]


def test_position_is_by_instrument_and_by_scope() -> None:
    twins = Twins(limits(account={1: {"position": 50}}))
    twins.apply(reserve(0, 50, id_=1))
    assert twins.check(Order(qty=1, px=1, ref_px=1, id=2)) == [over("position", "account", 51, 50, 0)]
    assert twins.check(Order(qty=1, px=1, ref_px=1, id=2, account=2)) == []
    assert twins.check(Order(qty=50, px=1, ref_px=1, id=2, instrument=2)) == []


def test_a_replace_adds_only_what_it_holds_beyond_the_old_order() -> None:
    twins = Twins(limits(firm={"position": 100, "open_orders": 1}))
    twins.apply(reserve(0, 80, id_=1))
    replace = Order(kind="G", px=1, ref_px=1, slot=0, id=2)
    assert twins.check(Order(**{**vars(replace), "qty": 100})) == []
    assert twins.check(Order(**{**vars(replace), "qty": 101})) == [over("position", "firm", 101, 100, 20)]
    twins.swap_limits(limits(firm={"position": 10, "open_orders": 0}, version=2))
    assert twins.check(Order(**{**vars(replace), "qty": 80})) == [], "a replace that adds nothing is not stopped by a lowered limit"
    assert twins.check(Order(**{**vars(replace), "qty": 100, "cum": 20})) == [], "new leaves count, not what is already filled"
    assert twins.core.check(Order(**{**vars(replace), "qty": 81}))[0].control == "position"


# Rate: a bucket of one second's messages.


def test_rate_lets_a_burst_of_one_second_through_and_refills_evenly() -> None:
    twins = Twins(limits(strategy={1: {"rate_per_s": 10}}))
    for i in range(10):
        assert twins.check(Order(qty=1, px=1, ref_px=1, id=i + 1, now_ns=5 * S)) == []
        twins.apply(reserve(0, 1, id_=i + 1, now_ns=5 * S))
        twins.apply(Delta(2, slot=0, venue=1, account=1, strategy=1, instrument=1))
    late = Order(qty=1, px=1, ref_px=1, id=99)
    assert twins.check(Order(**{**vars(late), "now_ns": 5 * S})) == [over("rate_per_s", "strategy", 11, 10, 0)]
    assert twins.check(Order(**{**vars(late), "now_ns": 5 * S + S // 10 - 1})) == [over("rate_per_s", "strategy", 11, 10, 0)]
    assert twins.check(Order(**{**vars(late), "now_ns": 5 * S + S // 10})) == []
    assert twins.check(Order(**{**vars(late), "now_ns": 4 * S})) != [], "a clock that stands still gives nothing"
    assert twins.check(Order(**{**vars(late), "now_ns": 5 * S, "strategy": 3, "id": 1})) == []


def test_cancels_are_counted_and_never_take_a_token() -> None:
    twins = Twins(limits(firm={"rate_per_s": 1}))
    for _ in range(50):
        twins.apply(Delta(6, slot=0, venue=1, account=1, strategy=1, instrument=1, now_ns=S))
    assert twins.counters("firm", 0).cancels == twins.counters("strategy", 1).cancels == 50
    assert twins.check(Order(qty=1, px=1, ref_px=1, now_ns=S)) == []


# Duplicates and permissions.


def test_a_rising_id_must_rise_for_each_strategy() -> None:
    twins = Twins()
    twins.apply(reserve(0, 1, id_=5))
    for id_, allowed in ((4, False), (5, False), (6, True)):
        assert (twins.check(Order(qty=1, px=1, ref_px=1, id=id_)) == []) is allowed
    assert twins.check(Order(qty=1, px=1, ref_px=1, id=1, strategy=3)) == []
    twins.apply(Delta(ID_SEEN, venue=1, account=1, strategy=1, instrument=1, id=9))
    assert twins.check(Order(qty=1, px=1, ref_px=1, id=9)) == [Breach("duplicate_id", "firm", 0, "repeated")], "a denied order has used its id"


def test_hashed_ids_are_remembered_up_to_the_size_of_the_table() -> None:
    twins = Twins()
    for id_ in range(1, DUP_IDS + 1):
        twins.apply(Delta(ID_SEEN, venue=1, account=1, strategy=1, instrument=1, id_kind=ID_HASH, id=id_ << 40))
    for id_ in range(1, DUP_IDS + 1):
        assert twins.check(Order(qty=1, px=1, ref_px=1, id_kind=ID_HASH, id=id_ << 40)) == [Breach("duplicate_id", "firm", 0, "repeated")]
    twins.apply(Delta(ID_SEEN, venue=1, account=1, strategy=1, instrument=1, id_kind=ID_HASH, id=7))
    assert twins.check(Order(qty=1, px=1, ref_px=1, id_kind=ID_HASH, id=1 << 40)) == [], "the oldest one makes room"
    assert twins.check(Order(qty=1, px=1, ref_px=1, id_kind=ID_HASH, id=7)) != []


def test_no_id_is_never_a_new_id() -> None:
    twins = Twins()
    twins.apply(Delta(ID_SEEN, venue=1, account=1, strategy=1, instrument=1, id_kind=ID_HASH, id=0))
    for id_kind in (ID_HASH, ID_RISING):
        assert twins.check(Order(qty=1, px=1, ref_px=1, id_kind=id_kind, id=0)) == [Breach("duplicate_id", "firm", 0, "repeated")]


@pytest.mark.parametrize(
    ("order", "breach", "reason", "text"),
    [
        (Order(venue=0), Breach("permission", "venue", 0, "unknown"), 0, "unknown venue"),
        (Order(venue=3), Breach("permission", "venue", 3, "unknown"), 0, "unknown venue"),
        (Order(account=65535), Breach("permission", "account", 65535, "unknown"), 15, "unknown account"),
        (Order(strategy=0), Breach("permission", "strategy", 0, "unknown"), 0, "unknown strategy"),
        (Order(instrument=4), Breach("permission", "symbol", 4, "unknown"), 1, "unknown symbol"),
        (Order(strategy=3, account=2), Breach("permission", "account", 2, "denied"), 15, "account NAME not allowed for this strategy"),
        (Order(strategy=2, instrument=3), Breach("permission", "symbol", 3, "denied"), 1, "symbol NAME not allowed for this strategy"),
        (Order(kind="F"), Breach("permission", "firm", 0, "invalid"), 11, "permission: not a possible value"),
        (Order(side=2), Breach("permission", "firm", 0, "invalid"), 11, "permission: not a possible value"),
    ],
)  # fmt: skip
def test_what_is_not_allowed_by_name_is_refused(order: Order, breach: Breach, reason: int, text: str) -> None:
    twins = Twins()
    assert twins.check(Order(**{**vars(order), "qty": 1, "px": 1, "ref_px": 1})) == [breach]
    assert ord_rej_reason(breach) == reason
    assert breach_text(breach, "NAME") == text


@pytest.mark.parametrize("odd", [{"qty": 0}, {"qty": -1}, {"qty": -(2**63)}, {"kind": "G", "cum": -1}])
def test_a_quantity_that_cannot_be_is_refused(odd: dict[str, int]) -> None:
    assert Twins().check(Order(**{**vars(PRICED), **odd})) == [Breach("order_qty", "firm", 0, "invalid")]  # type: ignore[arg-type]


@pytest.mark.parametrize("multiplier", [0, -1])
def test_an_instrument_without_a_multiplier_is_refused(multiplier: int) -> None:
    assert Twins().check(Order(**{**vars(PRICED), "multiplier": multiplier})) == [Breach("notional", "firm", 0, "invalid")]


# Text.


@pytest.mark.parametrize(
    ("breach", "name", "text"),
    [
        (over("order_qty", "account", 100, 50, 50), "DEMO", "order_qty 100 > 50 (account DEMO)"),
        (over("order_qty", "firm", 100, 50, 50), "ignored", "order_qty 100 > 50 (firm)"),
        (over("position", "symbol", 15, 5, -10, exp=-1), "BTC", "position 1.5 > 0.5 (symbol BTC)"),
        (over("position", "symbol", 1005, 1, 0, exp=-3), "BTC", "position 1.005 > 0.001 (symbol BTC)"),
        (over("notional", "venue", 12, 0, 0, exp=3), "nasdaq", "notional 12000 > 0 (venue nasdaq)"),
        (over("notional", "venue", 2**63 - 1, 50, 0, exp=-2), "n", "notional 92233720368547758.07 > 0.5 (venue n)"),
        (over("rate_per_s", "strategy", 11, 10, 0), "naïve\n", "rate_per_s 11 > 10 (strategy na??ve?)"),
    ],
)  # fmt: skip
def test_a_breach_as_text(breach: Breach, name: str, text: str) -> None:
    assert breach_text(breach, name) == text


@pytest.mark.parametrize("cap", [0, 1, 2, 10, 33, 34, 35])
def test_text_is_cut_at_the_end_of_its_buffer(cap: int) -> None:
    whole = b"order_qty 100 > 50 (account DEMO)"
    out = ffi.new("char[64]", b"\xaa" * 64)
    b = ffi.new("gw_breach *", {"control": 0, "scope": 2, "why": 0, "value": 100, "limit": 50})
    n = lib.gw_breach_text(b, b"DEMO", out, cap)
    assert n == max(0, min(len(whole), cap - 1))
    assert ffi.buffer(out, 64)[:] == (whole[:n] + b"\0" if cap else b"").ljust(64, b"\xaa")
    b.control = 200
    assert lib.gw_breach_text(b, b"DEMO", out, 64) == 0 and lib.gw_breach_ord_rej_reason(b) == 99
