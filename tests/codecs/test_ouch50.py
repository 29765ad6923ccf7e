"""What OUCH 5.0 says, by the words of its document: prices, market orders, chains, the appendage, and what cannot be said."""

from typing import Any

import pytest

from gateway import codecs
from gateway.codecs import loader
from tests.codecs.support import REPORT_OR_ORDER

OUCH = codecs.load("ouch50")
ORDER, REPORT = REPORT_OR_ORDER["client"], REPORT_OR_ORDER["venue"]
LIMIT = {"kind": "D", "token": 1, "side": "1", "order_qty": 100, "symbol": "MSFT", "ord_type": "2", "price": 4251200, "px_exp": -4, "qty_exp": 0}


def sent(message: str, values: codecs.Values | None = None, **record: Any) -> dict[str, Any]:
    """The wire fields of `message` encoded by C from `record`; None takes a field out of it."""
    given = {k: v for k, v in record.items() if v is not None}
    decoded = OUCH.decode_fields(OUCH.encode(message, ORDER.pack(given), *([values] if values else [])), "client")
    assert decoded is not None
    return decoded.fields


def refused(message: str, **record: Any) -> tuple[str, str | None]:
    """Why C refuses to encode: the code, and the record's field (or the wire's, where no field of the record is meant)."""
    with pytest.raises(codecs.CodecError) as caught:
        sent(message, **record)
    bits = {f[4]: f[0] for f in ORDER.fields}
    return caught.value.code, bits.get(caught.value.bit) if caught.value.bit is not None else caught.value.field


def told(message: str, **fields: Any) -> dict[str, Any]:
    """The record C makes of a venue's `message`."""
    values = codecs.Values(session={"midnight": 1_700_000_000_000_000_000})
    decoded = OUCH.decode(OUCH.encode_fields(message, fields), "venue", values)
    assert decoded is not None
    return REPORT.unpack(decoded.record)


@pytest.mark.parametrize(("price", "px_exp"), [(4251200, -4), (42512, -2), (42512000000, -8), (4251200000000, -10)])
def test_a_price_is_the_same_whatever_its_exponent(price: int, px_exp: int) -> None:
    assert sent("EnterOrder", **LIMIT | {"price": price, "px_exp": px_exp})["price"] == 4251200


def test_a_price_between_two_ticks_of_the_wire_is_never_rounded() -> None:
    assert refused("EnterOrder", **LIMIT | {"price": 42512000001, "px_exp": -8}) == ("GW_E_SCALE", "price")


@pytest.mark.parametrize("dollars", [200_000, 214_748])
def test_a_limit_that_the_venue_would_take_for_a_market_order_is_refused(dollars: int) -> None:
    assert refused("EnterOrder", **LIMIT | {"price": dollars * 10_000})[0] in ("GW_E_NULL", "GW_E_RANGE")
    assert sent("EnterOrder", **LIMIT | {"price": 1_999_999_900})["price"] == 0x7735939C
    assert refused("EnterOrder", **LIMIT | {"price": 1_999_999_901}) == ("GW_E_RANGE", "price")
    assert refused("EnterOrder", **LIMIT | {"price": 0x7FFFFFFF}) == ("GW_E_NULL", "price")
    assert refused("EnterOrder", **LIMIT | {"price": -1}) == ("GW_E_RANGE", "price")


def test_a_market_order_has_no_price_and_a_limit_order_has_one() -> None:
    assert sent("EnterOrder", **LIMIT | {"ord_type": "1", "price": None})["price"] == 0x7FFFFFFF
    assert refused("EnterOrder", **LIMIT | {"ord_type": "1"}) == ("GW_E_REFUSED", "ord_type")
    assert refused("EnterOrder", **LIMIT | {"price": None}) == ("GW_E_REFUSED", "ord_type")
    for ord_type in "34PK":
        assert refused("EnterOrder", **LIMIT | {"ord_type": ord_type}) == ("GW_E_REFUSED", "ord_type")


@pytest.mark.parametrize(
    ("field", "value"),
    [("stop_px", 1), ("expire_time", 1), ("expire_date", 20250301), ("peg_offset", 1), ("reduce_only", 1), ("self_match_id", 7), ("position_effect", "O"), ("venue_options", "A=B")],
)
def test_what_the_wire_cannot_say_is_refused_by_name(field: str, value: int | str) -> None:
    assert refused("EnterOrder", **LIMIT | {field: value}) == ("GW_E_REFUSED", field)


@pytest.mark.parametrize("field", ["account", "strategy", "trader_id", "memo", "cl_ord_num", "transact_time", "manual"])
def test_who_asked_and_when_stays_at_home(field: str) -> None:
    value = "X" if field in ("account", "strategy", "trader_id", "memo") else 1
    assert sent("EnterOrder", **LIMIT | {field: value}) == sent("EnterOrder", **LIMIT)


@pytest.mark.parametrize(("field", "code"), [("token", "GW_E_MISSING"), ("side", "GW_E_MISSING"), ("order_qty", "GW_E_MISSING"), ("symbol", "GW_E_MISSING")])
def test_what_must_be_given_is_asked_for_by_name(field: str, code: str) -> None:
    assert refused("EnterOrder", **LIMIT | {field: None}) == (code, field)
    assert refused("EnterOrder", **LIMIT | {"px_exp": None}) == ("GW_E_MISSING", "px_exp")


@pytest.mark.parametrize(("order_qty", "code"), [(0, "GW_E_RANGE"), (1_000_000, "GW_E_RANGE"), (-1, "GW_E_RANGE")])
def test_quantities_are_1_to_999_999_shares(order_qty: int, code: str) -> None:
    assert refused("EnterOrder", **LIMIT | {"order_qty": order_qty}) == (code, "order_qty")
    assert sent("EnterOrder", **LIMIT | {"order_qty": 99_999_900_000_000, "qty_exp": -8})["quantity"] == 999_999
    assert refused("EnterOrder", **LIMIT | {"order_qty": 1, "qty_exp": -8}) == ("GW_E_SCALE", "order_qty")


@pytest.mark.parametrize("time_in_force", ["1", "2", "4", "6", "7"])
def test_a_time_in_force_without_a_code_is_refused(time_in_force: str) -> None:
    assert refused("EnterOrder", **LIMIT | {"time_in_force": time_in_force}) == ("GW_E_VALUE", "time_in_force")


def test_an_id_that_does_not_fit_is_left_blank_since_the_number_is_what_counts() -> None:
    assert sent("EnterOrder", **LIMIT | {"cl_ord_id": "FOURTEEN-CHARS"})["cl_ord_id"] == "FOURTEEN-CHARS"
    assert sent("EnterOrder", **LIMIT | {"cl_ord_id": "MORE-THAN-FOURTEEN"})["cl_ord_id"] == ""


def test_the_session_and_the_instrument_fill_what_the_order_leaves_open() -> None:
    values = codecs.Values(session={"mpid": "HOUS", "display": "N", "capacity": "A"}, instrument={"symbol": "MSFT.V"})
    fields = sent("EnterOrder", values, **LIMIT)
    assert (fields["symbol"], fields["display"], fields["capacity"], fields["appendage"]) == ("MSFT.V", "N", "A", {"firm": "HOUS"})
    own = sent("EnterOrder", values, **LIMIT | {"mpid": "OWN", "display": 1, "order_capacity": "R"})
    assert (own["display"], own["capacity"], own["appendage"]) == ("Y", "R", {"firm": "OWN"})
    plain = sent("EnterOrder", **LIMIT)
    assert (plain["display"], plain["capacity"], plain["time_in_force"], plain["intermarket_sweep"]) == ("Y", "P", "0", "N")


def test_a_cancel_names_the_last_accepted_number_and_cancels_everything() -> None:
    cancel = {"kind": "F", "token": 9, "orig_token": 8, "side": "1", "symbol": "MSFT", "order_qty": 100, "px_exp": -4, "qty_exp": 0}
    fields = sent("CancelOrder", **cancel)
    assert (fields["user_ref_num"], fields["quantity"], fields["packet_length"]) == (8, 0, 10)
    assert refused("CancelOrder", **cancel | {"kind": "D"}) == ("GW_E_REFUSED", "kind")


def test_a_replace_takes_a_new_number_and_the_total_of_the_chain() -> None:
    fields = sent("ReplaceOrder", **LIMIT | {"kind": "G", "orig_token": 1, "token": 2, "order_qty": 500})
    assert (fields["orig_user_ref_num"], fields["user_ref_num"], fields["quantity"]) == (1, 2, 500)


def test_a_mass_cancel_without_a_symbol_means_all() -> None:
    everything = {"kind": "q", "token": 3, "mpid": "DEMO"}
    assert sent("MassCancel", **everything | {"mass_scope": "7"})["symbol"] == ""
    assert sent("MassCancel", **everything | {"mass_scope": "1", "symbol": "MSFT"})["symbol"] == "MSFT"
    assert refused("MassCancel", **everything | {"mass_scope": "7", "symbol": "MSFT"}) == ("GW_E_REFUSED", "mass_scope")
    assert refused("MassCancel", kind="q", token=3) == ("GW_E_MISSING", "mpid")


def test_times_are_since_midnight_and_the_session_knows_which() -> None:
    report = told("OrderExecuted", timestamp=34_200_000_000_001, user_ref_num=7, quantity=100, price=4251200, liquidity_flag="R", match_number=5)
    assert report["transact_time"] == 1_700_034_200_000_000_001
    assert (report["exec_type"], report["last_px"], report["last_qty"], report["last_liquidity"]) == ("F", 4251200, 100, "2")


def test_an_unknown_code_of_the_venue_leaves_its_field_absent_and_the_fill_is_booked() -> None:
    report = told("OrderExecuted", user_ref_num=7, quantity=100, price=4251200, liquidity_flag="?", match_number=5)
    assert "last_liquidity" not in report and report["last_qty"] == 100


def test_an_order_may_be_dead_when_it_is_accepted() -> None:
    report = told("OrderAccepted", user_ref_num=7, side="B", quantity=1, symbol="A", price=1, order_state="D", order_reference_number=(1 << 64) - 1)
    assert (report["exec_type"], report["ord_status"], report["order_id"]) == ("0", "4", "18446744073709551615")


@pytest.mark.parametrize("extra", [b"", b"\0\0", b"\0\x03\x02\x1c\x05", b"\0\x05\x04\x63abc"])
def test_bytes_behind_the_fixed_part_are_an_appendage_whatever_the_message(extra: bytes) -> None:
    # Rev 1.05: never insist on one length; unknown options are stepped over.
    frame = bytearray(OUCH.encode_fields("CancelPending", {"user_ref_num": 7}) + extra)
    frame[:2] = (len(frame) - 2).to_bytes(2, "big")
    report = OUCH.decode(bytes(frame), "venue")
    fields = OUCH.decode_fields(bytes(frame), "venue")
    assert report is not None and REPORT.unpack(report.record)["token"] == 7
    assert fields is not None and OUCH.encode_fields("CancelPending", fields.fields) == frame


@pytest.mark.parametrize(
    ("extra", "code"),
    [(b"\0", "GW_E_TAG"), (b"\0\x05", "GW_E_TAG"), (b"\0\0\0", "GW_E_LONG"), (b"\0\x02\x05\x02", "GW_E_TAG"), (b"\0\x01\x00", "GW_E_TAG"), (b"\0\x03\x02\x1c\x05\x00", "GW_E_LONG")],
)
def test_an_appendage_that_lies_about_its_length_is_refused(extra: bytes, code: str) -> None:
    frame = bytearray(OUCH.encode_fields("CancelPending", {"user_ref_num": 7}) + extra)
    frame[:2] = (len(frame) - 2).to_bytes(2, "big")
    with pytest.raises(codecs.CodecError, match=code):
        OUCH.decode(bytes(frame), "venue")
    with pytest.raises(codecs.Refused) as refusal:
        OUCH.decode_fields(bytes(frame), "venue")
    assert refusal.value.code == code


@pytest.mark.parametrize(("data", "code"), [(b"\0\0", "GW_E_FRAME"), (b"\0\1?", "GW_E_TYPE"), (b"\0\1U", "GW_E_SHORT"), (b"\0\2U?", "GW_E_TYPE"), (b"\0\2R!", "GW_E_LONG")])
def test_garbage_is_named(data: bytes, code: str) -> None:
    with pytest.raises(codecs.CodecError, match=code):
        OUCH.decode(data, "client")
    with pytest.raises(codecs.Refused) as refusal:
        OUCH.decode_fields(data, "client")
    assert refusal.value.code == code


def test_an_error_names_message_field_and_byte() -> None:
    with pytest.raises(codecs.CodecError, match=r"GW_E_RANGE at byte 9 of EnterOrder.quantity"):
        sent("EnterOrder", **LIMIT | {"order_qty": 0})


def test_the_lane_finds_messages_by_kind() -> None:
    lib, names = OUCH._lib, OUCH.meaning.messages
    found = {kind: names[lib.gw_layout_message(OUCH.pointer, 0, kind.encode())].name for kind in "DFGq"}
    assert found == {"D": "EnterOrder", "F": "CancelOrder", "G": "ReplaceOrder", "q": "MassCancel"}
    assert lib.gw_layout_message(OUCH.pointer, 0, b"H") == -1


def test_the_token_rule_is_data() -> None:
    head = OUCH.pointer
    assert (head.token_first, head.token_last, head.token_scope, head.token_rising, head.token_survives_replace) == (1, 0xFFFFFFFF, 1, 1, 0)
    assert loader.load("ouch50").token["field"] == "user_ref_num"


def test_the_password_is_masked_and_nothing_else() -> None:
    frame = OUCH.encode_fields("LoginRequest", {"username": "USER01", "password": "SECRET", "requested_sequence_number": 1})
    masked = OUCH.mask(frame, "client")
    assert b"SECRET" not in masked and masked.replace(b"**********", b"SECRET    ") == frame
    assert OUCH.mask(frame[:13], "client") == frame[:9] + b"****"
