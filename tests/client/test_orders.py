"""Prices, fields and reports: floats are refused with what to write, and each report is booked and told as a line people read."""

from decimal import Decimal

import pytest

from gateway.client import amounts, orders
from gateway.client._records import ENUMS, ORDER, REPORT, Value
from gateway.client.core import Error, Ready
from gateway.client.errors import ReportsDropped
from gateway.client.orders import Orders, OrderState
from gateway.client.report import Report


@pytest.mark.parametrize(
    ("value", "want"),
    [
        ("187.25", (18725, -2)), ("187.2500", (18725, -2)), (Decimal("0.0001"), (1, -4)), (187, (187, 0)), ((1872500, -4), (18725, -2)), ("-3.5", (-35, -1)),
        ("1E+2", (100, 0)), ("100.00", (100, 0)), ((5, 2), (500, 0)), ("0", (0, 0)), ("0.000", (0, 0)),
    ],
)  # fmt: skip
def test_amounts_are_exact(value: amounts.Amount, want: tuple[int, int]) -> None:
    assert amounts.parse("price", value) == want


def test_a_float_says_what_to_write() -> None:
    with pytest.raises(TypeError, match=r'^price=187\.25 is a float; write price="187\.25"$'):
        orders.new_order("AAPL", "buy", 100, 187.25, None, None, {})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r'^qty=100\.0 is a float; write qty="100\.0"$'):
        orders.new_order("AAPL", "buy", 100.0, "187.25", None, None, {})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r'^stop_px=1\.5 is a float; write stop_px="1\.5"$'):
        orders.new_order("AAPL", "buy", 1, "187.25", None, 1.5, {})  # type: ignore[arg-type]


@pytest.mark.parametrize("value", ["", "abc", "NaN", "Infinity", "1e400", "0." + "0" * 30 + "1", True, None, b"1", [1], (1, 2, 3), (1.5, -2), (1, 99)])
def test_what_is_no_amount_is_refused(value: object) -> None:
    with pytest.raises((TypeError, ValueError), match="^price="):
        amounts.parse("price", value)  # type: ignore[arg-type]


def test_a_price_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit in 64 bits"):
        orders.fields({"price": "9223372036854775808"})
    with pytest.raises(ValueError, match=r"price=9223372036854775807 does not fit in 64 bits at 10\^-2"):
        orders.fields({"price": "9223372036854775807", "stop_px": "0.01"})


def test_prices_of_one_record_share_one_scale() -> None:
    values = orders.fields({"price": "187.25", "stop_px": "187.1250", "order_qty": "0.5", "max_floor": 10})
    assert (values["px_exp"], values["price"], values["stop_px"]) == (-3, 187250, 187125)
    assert (values["qty_exp"], values["order_qty"], values["max_floor"]) == (-1, 5, 100)


@pytest.mark.parametrize(
    ("price", "stop_px", "ord_type"), [("1", None, "limit"), (None, None, "market"), ("1", "2", "stop_limit"), (None, "2", "stop")]
)
def test_the_order_type_follows_from_the_prices(price: str | None, stop_px: str | None, ord_type: str) -> None:
    assert orders.new_order("AAPL", "buy", 1, price, None, stop_px, {})["ord_type"] == ENUMS["ord_type"][ord_type]


def test_every_option_is_in_the_record() -> None:
    given: dict[str, object] = {
        "time_in_force": "IOC", "post_only": True, "reduce_only": False, "order_capacity": "principal", "venue_options": {"a": "1", "b": "x"},
        "expire_date": 20261120, "memo": "hedge", "account": None,
    }  # fmt: skip
    values = ORDER.unpack(ORDER.pack(orders.fields(given)))
    assert values == {
        "time_in_force": "3", "post_only": 1, "reduce_only": 0, "order_capacity": "P", "venue_options": "a=1 b=x", "expire_date": 20261120, "memo": "hedge",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"side": "bye"}, "side='bye' is not known; write one of buy, sell, sell_short, sell_short_exempt"),
        ({"time_in_force": 5}, "time_in_force=5 is not known; write one of day, "),
        ({"colour": "red"}, "colour is no field of an order; the fields are account, "),
        ({"post_only": 1}, "post_only=1 must be True or False"),
        ({"memo": 1.5}, "memo=1.5 is a float; it must be text or a whole number"),
    ],
)
def test_a_wrong_field_says_what_to_write(given: dict[str, object], what: str) -> None:
    with pytest.raises((TypeError, ValueError)) as error:
        orders.fields(given)
    assert str(error.value).startswith(what)


@pytest.mark.parametrize("qty", [0, -5, "-1"])
def test_a_quantity_is_above_zero(qty: amounts.Amount) -> None:
    with pytest.raises(ValueError, match="must be above zero"):
        orders.new_order("AAPL", "buy", qty, None, None, None, {})


def reported(seq: int = 1, **values: Value) -> Report:
    raw = {name: ENUMS[name].get(str(value), value) if name in ENUMS else value for name, value in values.items()}
    return Report(REPORT.unpack(REPORT.pack(raw)), seq)


ASKED: dict[str, Value] = {
    "cl_ord_num": 7, "symbol": "AAPL", "side": "buy", "venue": "nasdaq", "account": "DEMO", "px_exp": -4, "qty_exp": 0, "order_qty": 100, "price": 1872500,
    "kind": "execution_report",
}  # fmt: skip


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ({"exec_type": "new", "ord_status": "new", "cum_qty": 0}, "NEW 100 @ 187.25 nasdaq"),
        ({"exec_type": "trade", "ord_status": "filled", "last_qty": 100, "last_px": 1872500, "cum_qty": 100}, "FILLED 100 @ 187.25 nasdaq"),
        (
            {"exec_type": "trade", "ord_status": "filled", "last_qty": 60, "last_px": 1872500, "cum_qty": 100, "avg_px": 18724, "avg_px_exp": -2},
            "FILLED 100 @ 187.24 (last 60 @ 187.25) nasdaq",
        ),
        (
            {"exec_type": "trade", "ord_status": "partially_filled", "last_qty": 40, "last_px": 1872500, "cum_qty": 40},
            "PARTIALLY_FILLED 40 of 100 @ 187.25 nasdaq",
        ),
        ({"exec_type": "denied", "ord_status": "rejected", "reason": "limit", "text": "order_qty 100 > 50 (account DEMO)"}, "DENIED order_qty 100 > 50 (account DEMO)"),
        ({"exec_type": "denied", "ord_status": "rejected", "reason": "bad_tick"}, "DENIED the price is not a multiple of the instrument's tick"),
        ({"exec_type": "in_doubt", "ord_status": "new"}, "IN_DOUBT 100 @ 187.25 nasdaq: sent, outcome unknown"),
        ({"exec_type": "canceled", "ord_status": "canceled", "cum_qty": 0}, "CANCELED nasdaq"),
        ({"exec_type": "canceled", "ord_status": "canceled", "cum_qty": 40, "text": "IOC"}, "CANCELED nasdaq (40 of 100 filled): IOC"),
        ({"exec_type": "replaced", "ord_status": "new", "price": 1873000}, "REPLACED 100 @ 187.3 nasdaq"),
        ({"exec_type": "rejected", "ord_status": "rejected", "text": "halted"}, "REJECTED nasdaq: halted"),
        ({"exec_type": "expired", "ord_status": "expired"}, "EXPIRED nasdaq"),
        ({"kind": "cancel_reject", "cxl_rej_response_to": "cancel", "ord_status": "filled", "reason": "too_late"}, "CANCEL_REJECTED nasdaq: the order is already final"),
        ({"kind": "cancel_reject", "cxl_rej_response_to": "replace", "ord_status": "new", "text": "no"}, "REPLACE_REJECTED nasdaq: no"),
        ({"kind": "replace", "exec_type": "denied", "reason": "limit", "text": "notional 9 > 5 (firm)"}, "REPLACE_REJECTED nasdaq: notional 9 > 5 (firm)"),
        ({"exec_type": "order_status", "ord_status": "rejected", "reason": "unknown_order"}, "STATUS_REJECTED nasdaq: there is no such order"),
        (
            {"exec_type": "trade_cancel", "ord_status": "partially_filled", "last_qty": 60, "last_px": 1872500, "cum_qty": 40},
            "TRADE_CANCEL 60 @ 187.25 nasdaq, now PARTIALLY_FILLED 40 of 100",
        ),
    ],
)  # fmt: skip
def test_a_report_reads_as_a_line(what: dict[str, Value], line: str) -> None:
    assert str(reported(**{**ASKED, **what})) == line


def test_a_report_has_fix_names_and_exact_decimals() -> None:
    report = reported(**ASKED, exec_type="trade", last_px=1872525, last_qty=5, avg_px=187251, avg_px_exp=-3, in_doubt=0, venue_options="a=1 b=x")
    assert (report.side, report.exec_type, report.last_px, report.last_qty, report.avg_px) == ("buy", "trade", Decimal("187.2525"), Decimal(5), Decimal("187.251"))
    assert (report.in_doubt, report.post_only, report.venue_options, report.stop_px) == (False, None, {"a": "1", "b": "x"}, None)
    with pytest.raises(AttributeError, match="no 'colour'"):
        _ = report.colour


def book() -> Orders[OrderState]:
    return Orders(OrderState)


def sent(orders_: Orders[OrderState], id: int = 7) -> OrderState:
    order = orders_.asked("D", id, orders.new_order("AAPL", "buy", 100, "187.25", None, None, {"venue": "nasdaq", "account": "DEMO"}))
    assert order is not None
    return order


def test_an_order_follows_its_reports() -> None:
    desk = book()
    order = sent(desk)
    assert (order.status, order.price, order.leaves_qty, order.is_final) == ("PENDING_NEW", Decimal("187.25"), Decimal(100), False)
    desk.take(reported(1, **ASKED, exec_type="new", ord_status="new", leaves_qty=100, cum_qty=0))
    desk.take(reported(2, **ASKED, exec_type="trade", ord_status="partially_filled", last_qty=40, last_px=1872500, cum_qty=40, leaves_qty=60))
    assert (order.status, order.cum_qty, order.leaves_qty) == ("PARTIALLY_FILLED", Decimal(40), Decimal(60))
    assert desk.open == (order,)
    desk.take(reported(3, **ASKED, exec_type="trade", ord_status="filled", last_qty=60, last_px=1872500, cum_qty=100, leaves_qty=0))
    assert order.is_final and desk.open == () and desk.find(7) is order
    assert [report.seq for report in order.unread] == [report.seq for report in desk.backlog] == [1, 2, 3]


def test_a_refused_cancel_leaves_the_order_as_it_was() -> None:
    desk = book()
    order = sent(desk)
    desk.take(reported(1, **ASKED, exec_type="new", ord_status="new"))
    desk.asked("F", 8, orders.following(order), order)
    desk.take(reported(2, kind="cancel_reject", cl_ord_num=8, orig_cl_ord_num=7, ord_status="rejected", cxl_rej_response_to="cancel"))
    assert order.status == "NEW" and not order.is_final and str(order.last_report) == "CANCEL_REJECTED"


def test_a_replace_carries_the_whole_order_and_then_the_chain_goes_on_under_its_id() -> None:
    desk = book()
    order = sent(desk)
    desk.take(reported(1, **ASKED, exec_type="new", ord_status="new"))
    values = orders.replacing(order, "187.305", None)
    assert values == {
        "symbol": "AAPL", "side": "1", "ord_type": "2", "venue": "nasdaq", "account": "DEMO", "px_exp": -3, "price": 187305, "qty_exp": 0,
        "order_qty": 100, "orig_cl_ord_num": 7,
    }  # fmt: skip
    desk.asked("G", 8, values, order)
    desk.take(reported(2, **{**ASKED, "cl_ord_num": 8, "price": 1873050}, orig_cl_ord_num=7, exec_type="replaced", ord_status="new"))
    assert (order.price, orders.following(order)["orig_cl_ord_num"]) == (Decimal("187.305"), 8)
    desk.take(reported(3, **{**ASKED, "cl_ord_num": 8}, exec_type="canceled", ord_status="canceled"))
    assert order.status == "CANCELED" and desk.open == ()
    with pytest.raises(ValueError, match="changes something"):
        orders.replacing(order, None, None)
    with pytest.raises(TypeError, match='write price="1.5"'):
        orders.replacing(order, 1.5, None)  # type: ignore[arg-type]


def test_what_never_reached_the_gateway_is_denied_by_the_same_process_and_in_doubt_after_a_restart() -> None:
    for restarted, status in ((False, "DENIED"), (True, "IN_DOUBT")):
        desk = book()
        arrived, lost = sent(desk, 7), sent(desk, 8)
        desk.asked("F", 9, orders.following(arrived), arrived)
        desk.take(Ready("local", 7, restarted))
        assert (arrived.status, lost.status) == ("PENDING_NEW", status)
        assert [(report.seq, report.cl_ord_num, report.status) for report in desk.backlog] == [(0, 8, status), (0, 9, "CANCEL_REJECTED")]
        assert str(desk.backlog[1]) == "CANCEL_REJECTED nasdaq: the connection was lost; perhaps the gateway never had this"
        desk.take(Ready("local", 7, False))
        assert len(desk.backlog) == 2, "told once"
        # If the venue had it after all, that is booked.
        desk.take(reported(1, **{**ASKED, "cl_ord_num": 8}, exec_type="trade", ord_status="filled", cum_qty=100))
        assert lost.status == "FILLED"


def test_a_frame_the_gateway_could_not_read_denies_its_order() -> None:
    desk = book()
    order = sent(desk)
    desk.take(Error(7, "ord_type: unknown value"))
    assert str(order.last_report) == "DENIED ord_type: unknown value" and order.is_final
    desk.take(Error(99, "no such frame"))
    assert len(desk.backlog) == 1


def test_an_order_of_an_earlier_process_is_adopted() -> None:
    desk = book()
    desk.take(reported(1, **ASKED, exec_type="new", ord_status="new", leaves_qty=100))
    (order,) = desk.open
    assert (order.cl_ord_num, order.symbol, order.status) == (7, "AAPL", "NEW")
    assert orders.following(order) == {"symbol": "AAPL", "side": "1", "venue": "nasdaq", "account": "DEMO", "orig_cl_ord_num": 7}


def test_reports_that_nobody_asks_for_are_bounded_and_their_loss_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders, "BACKLOG_MAX", 3)
    desk = book()
    for seq in range(1, 6):
        desk.take(reported(seq, **{**ASKED, "cl_ord_num": seq}, exec_type="new", ord_status="new"))
    with pytest.raises(ReportsDropped, match="2 reports were dropped unread; to have them, connect with next_seq=1"):
        desk.next_of_all()
    assert [desk.next_of_all().seq for _ in range(3)] == [3, 4, 5]
