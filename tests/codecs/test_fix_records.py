"""FIX messages and records: golden messages both ways, an independent reading beside ours, and every way a value can be wrong."""

import datetime
import random
from decimal import Decimal
from pathlib import Path

import pytest
import simplefix
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.client._records import REPORT
from gateway.codecs import fix, fix_dialect
from gateway.codecs.fix import FixFault, ffi, lib
from gateway.codecs.recordio import Value
from tests.codecs.fixtext import HEADER, sealed, soh, wire

CODEC = fix.load("fix44")
DIALECT = CODEC.dialect
GOLDEN = sorted((Path(__file__).parent.parent / "golden" / "fix44").glob("*.txt"))
FORMATS = {name: code for name, code, *_ in REPORT.fields}
NOW = 1_795_185_005_250_000_000  # 2026-11-20 14:30:05.250 UTC


def golden(path: Path) -> tuple[str, bytes, dict[str, Value]]:
    """A golden file: the ways it holds (both, decode, encode), the wire bytes, and the record's fields."""
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    pairs = [line.partition(" ")[::2] for line in lines]
    given_: dict[str, Value] = {k: v if FORMATS[k] == "s" else int(v) for k, v in pairs[2:]}
    assert [pairs[0][0], pairs[1][0]] == ["ways", "wire"]
    return pairs[0][1], soh(pairs[1][1]), given_


def decoded(body: str, header: str = HEADER) -> dict[str, Value]:
    """The record of an order or report with this body."""
    message = CODEC.decode(wire(header + body))
    assert message is not None
    return REPORT.unpack(message.record)


def report(fields: str) -> str:
    """The body of an ExecutionReport that is complete, with `fields` in front."""
    return fields + "17=E1|39=0|150=0|"


REPORT_HEADER = HEADER.replace("35=D", "35=8")
ORDER_BODY = "11=A1|38=100|40=1|54=1|55=MSFT|60=20261120-08:00:00.000|"


def fault_of(body: str, header: str = HEADER) -> tuple[int, int | None, str | None]:
    """Code, tag and field of the fault that this body is."""
    with pytest.raises(FixFault) as caught:
        decoded(body, header)
    return caught.value.code, caught.value.tag, caught.value.field


def head(seen: fix.Scanned, **more: int) -> fix.Head:
    """The header that a message was written with."""
    return fix.Head(seen.begin_string, seen.sender_comp_id, seen.target_comp_id).stamp(seen.msg_seq_num, seen.sending_time, **more)


# ---- golden messages ----


@pytest.mark.parametrize("path", GOLDEN, ids=lambda p: p.stem)
def test_a_golden_message_is_its_record(path: Path) -> None:
    ways, message, fields = golden(path)
    assert fix.frame(message) == len(message)
    seen = fix.scan(message)
    assert seen.odd == 0
    if ways in ("both", "decode"):
        got = CODEC.decode(message + b"8=FIX")
        assert got is not None and got.consumed == len(message)
        assert REPORT.unpack(got.record) == fields
        assert got.record == REPORT.pack(fields), "what is not given is zero"
    if ways in ("both", "encode"):
        name = DIALECT.message_names[seen.msg_type]
        assert CODEC.encode(name, REPORT.pack(fields), head(seen)).replace(b"\x01", b"|") == message.replace(b"\x01", b"|")


def test_there_is_a_golden_message_of_every_type() -> None:
    types = {fix.scan(golden(path)[1]).msg_type for path in GOLDEN}
    assert types == {m.type for m in DIALECT.messages.values()}


@pytest.mark.parametrize("path", GOLDEN, ids=lambda p: p.stem)
def test_field_names_carry_a_whole_message(path: Path) -> None:
    _, message, _ = golden(path)
    shown = CODEC.decode_fields(message)
    assert shown is not None
    assert shown.message == DIALECT.message_names[fix.scan(message).msg_type]
    assert CODEC.encode_fields(shown.fields) == message
    without = {name: value for name, value in shown.fields.items() if name not in ("BodyLength", "CheckSum")}
    assert CODEC.encode_fields(without) == message


def test_repeated_and_unknown_fields_keep_their_places() -> None:
    message = wire(HEADER + "453=2|448=X|447=D|448=Y|447=C|9999=z|")
    shown = CODEC.decode_fields(message)
    assert shown is not None
    assert list(shown.fields)[7:] == ["NoPartyIDs", "PartyID", "PartyIDSource", "PartyID.2", "PartyIDSource.2", "9999", "CheckSum"]
    assert CODEC.encode_fields(shown.fields) == message
    assert CODEC.decode_fields(message[:-1]) is None
    with pytest.raises(KeyError, match="NoSuchField"):
        CODEC.encode_fields({"MsgType": "0", "NoSuchField": "1"})


@pytest.mark.parametrize("path", GOLDEN, ids=lambda p: p.stem)
def test_every_truncation_needs_more_and_every_corruption_is_a_fault(path: Path) -> None:
    _, message, _ = golden(path)
    for n in range(len(message)):
        assert CODEC.decode(message[:n]) is None
        for value in {message[n] ^ 1, message[n] ^ 64, 1, 0}:
            damaged = message[:n] + bytes([value]) + message[n + 1 :]
            if damaged == message:
                continue
            try:
                seen = CODEC.decode(damaged)
            except FixFault:
                continue
            assert seen is None  # a BodyLength that now announces more


def test_every_value_corrupted_under_a_true_checksum_is_a_fault_or_another_record() -> None:
    for path in GOLDEN:
        ways, message, _ = golden(path)
        if ways == "encode":
            continue
        start = message.index(b"\x0156=GW\x01") + 7
        right = CODEC.decode(message)
        assert right is not None
        skipped = {b"%d" % row.tag for m in DIALECT.messages.values() for row in m.rows if not row.is_read}
        for i in range(start, len(message) - 8):
            tag = message[: i + 1].rpartition(b"\x01")[2].partition(b"=")[0]
            for value in (0, 1, 0x2D, 0x2E, 0x30, 0x3D, 0x59, 0x7F, 0xFF):
                body = message[message.index(b"35=") : i] + bytes([value]) + message[i + 1 : -7]
                if value == message[i]:
                    continue
                try:
                    seen = CODEC.decode(wire(body.decode("latin-1")))
                except FixFault:
                    continue
                assert seen is not None
                if b"=" in message[: i + 1].rpartition(b"\x01")[2] and tag not in skipped and path.stem != "new_order_single_foreign":
                    assert seen.record != right.record, (path.stem, i, value)


# ---- values ----


@pytest.mark.parametrize(
    ("text", "mantissa"),
    [
        ("0", 0), ("-0", 0), ("1", 10**8), ("415.25", 41525000000), ("0.00000001", 1), ("-0.00000001", -1), ("00023.23", 2323000000),
        ("23.0000", 2300000000), ("23.", 2300000000), (".5", 50000000), ("-.5", -50000000), ("12345678", 1234567800000000),
        ("1.2345678", 123456780), ("123456789", 12345678900000000), ("1.00000000000000000000", 10**8), ("0000000000000000000001", 10**8),
        ("92233720368.54775807", 2**63 - 1), ("-92233720368.54775808", -(2**63)), ("-1", -(10**8)),
    ],
)
def test_a_price_is_read_exactly(text: str, mantissa: int) -> None:
    assert decoded(f"44={text}|" + ORDER_BODY)["price"] == mantissa


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", lib.GW_E_EMPTY), (".", lib.GW_E_FORMAT), ("-", lib.GW_E_FORMAT), ("-.", lib.GW_E_FORMAT), ("+1", lib.GW_E_FORMAT), ("1e3", lib.GW_E_FORMAT),
        ("1.2.3", lib.GW_E_FORMAT), ("1,5", lib.GW_E_FORMAT), (" 1", lib.GW_E_FORMAT), ("1 ", lib.GW_E_FORMAT), ("--1", lib.GW_E_FORMAT),
        ("1-", lib.GW_E_FORMAT), ("0x10", lib.GW_E_FORMAT), ("NaN", lib.GW_E_FORMAT), ("1234567890.1234567x", lib.GW_E_FORMAT),
        ("0.000000001", lib.GW_E_SCALE), ("1.123456785", lib.GW_E_SCALE), ("92233720368.54775808", lib.GW_E_RANGE),
        ("-92233720368.54775809", lib.GW_E_RANGE), ("100000000000", lib.GW_E_RANGE), ("99999999999999999999999999", lib.GW_E_RANGE),
    ],
)
def test_a_price_that_is_none_is_refused(text: str, fault: int) -> None:
    assert fault_of(f"44={text}|" + ORDER_BODY) == (fault, 44, "price")


def test_a_quantity_is_not_negative() -> None:
    assert decoded("110=0|" + ORDER_BODY)["min_qty"] == 0
    assert fault_of("110=-1|" + ORDER_BODY) == (lib.GW_E_RANGE, 110, "min_qty")


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("19700101-00:00:00", 0),
        ("20261120-14:30:05", NOW - 250_000_000),
        ("20261120-14:30:05.250", NOW),
        ("20261120-14:30:05.250001", NOW + 1_000),
        ("20261120-14:30:05.250001002", NOW + 1_002),
        ("20000229-23:59:59.999", 951_868_799_999_000_000),
        ("20161231-23:59:60", 1_483_228_800_000_000_000),  # a leap second
        ("22611231-23:59:59.999999999", 9_214_646_399_999_999_999),
    ],
)
def test_a_time_is_read_to_the_nanosecond(text: str, ns: int) -> None:
    assert decoded(f"126={text}|" + ORDER_BODY)["expire_time"] == ns


@pytest.mark.parametrize(
    "text",
    [
        "20261120", "20261120-14:30", "20261120-14:30:05.", "20261120-14:30:05.2", "20261120-14:30:05.2500", "20261120 14:30:05",
        "20261120-14-30-05", "20261120-24:00:00", "20261120-14:60:05", "20261120-14:30:61", "20261120-14:30:60", "20261320-14:30:05",
        "20260229-14:30:05", "20261100-14:30:05", "21000229-00:00:00", "19691231-23:59:59", "22620101-00:00:00", "2026112x-14:30:05",
        "20261120-1x:30:05", "20261120-14:30:05,250", "20261120-14:30:05.25x", "20261120-14:30:05Z", "20261120-14:30:05.250+01",
    ],
)
def test_a_time_that_is_none_is_refused(text: str) -> None:
    assert fault_of(f"126={text}|" + ORDER_BODY) == (lib.GW_E_FORMAT, 126, "expire_time")


@pytest.mark.parametrize(
    ("body", "fault", "tag", "field"),
    [
        (ORDER_BODY + "11=A2|", lib.GW_E_TAG, 11, "cl_ord_id"),  # twice
        (ORDER_BODY.replace("11=A1", "11="), lib.GW_E_EMPTY, 11, "cl_ord_id"),
        (ORDER_BODY.replace("11=A1", "11=" + "A" * 25), lib.GW_E_TEXT, 11, "cl_ord_id"),
        (ORDER_BODY.replace("11=A1", "11=A\tB"), lib.GW_E_TEXT, 11, "cl_ord_id"),
        (ORDER_BODY.replace("11=A1", "11=ABCDEFGHIJ\x7f"), lib.GW_E_TEXT, 11, "cl_ord_id"),
        (ORDER_BODY.replace("11=A1", "11=\xe9"), lib.GW_E_TEXT, 11, "cl_ord_id"),
        (ORDER_BODY.replace("11=A1|", ""), lib.GW_E_MISSING, None, "cl_ord_id"),
        (ORDER_BODY.replace("38=100|", ""), lib.GW_E_MISSING, None, "order_qty"),
        (ORDER_BODY.replace("54=1", "54=8"), lib.GW_E_VALUE, 54, "side"),  # a cross: the house has no such side
        (ORDER_BODY.replace("54=1", "54=11"), lib.GW_E_VALUE, 54, "side"),
        (ORDER_BODY + "18=G|", lib.GW_E_VALUE, 18, "post_only"),  # all or none: it would be another order
        (ORDER_BODY + "18=6 G|", lib.GW_E_VALUE, 18, "post_only"),
        (ORDER_BODY + "114=1|", lib.GW_E_FORMAT, 114, "locate_reqd"),
        (ORDER_BODY + "114=YES|", lib.GW_E_FORMAT, 114, "locate_reqd"),
        (ORDER_BODY + "432=20260230|", lib.GW_E_FORMAT, 432, "expire_date"),
        (ORDER_BODY + "432=2026111|", lib.GW_E_FORMAT, 432, "expire_date"),
    ],
)
def test_a_wrong_field_is_named(body: str, fault: int, tag: int | None, field: str) -> None:
    assert fault_of(body) == (fault, tag, field)


def test_a_message_of_no_dialect_is_named() -> None:
    assert fault_of("58=x|", HEADER.replace("35=D", "35=B")) == (lib.GW_E_TYPE, 35, None)
    assert fault_of("58=x|", HEADER.replace("35=D", "35=LONGER"))[0] == lib.GW_E_TYPE


def test_texts_of_every_length() -> None:
    for n in range(1, 25):
        text = "ABCDEFGHIJKLMNOPQRSTUVWX"[:n]
        assert decoded(ORDER_BODY.replace("A1", text))["cl_ord_id"] == text
        record = REPORT.pack({**REPORT.unpack(_order_record()), "cl_ord_id": text})
        assert f"\x0111={text}\x01".encode() in CODEC.encode("NewOrderSingle", record, HEAD())


def test_a_fill_is_not_lost_over_a_side_remark() -> None:
    fill = "11=A1|14=1|17=E1|31=1.5|32=1|37=V1|39=1|150=F|151=0|"
    plain = decoded(fill, REPORT_HEADER)
    for remark in ("54=8|", "59=Z|", "1=" + "A" * 40 + "|", "6=abc|", "44=1.123456789|", "60=yesterday|", "103=many|", "851=9|", "55=|", "38=-1|", "75=x|"):
        assert decoded(remark + fill, REPORT_HEADER) == plain, remark
    assert decoded("55=A|55=B|" + fill, REPORT_HEADER) == plain, "two that differ are none"
    for tag in (17, 37):  # an id that no record holds is left out; the fill counts all the same
        long = fill.replace(f"{tag}={'E1' if tag == 17 else 'V1'}", f"{tag}=" + "V" * 65)
        assert decoded(long, REPORT_HEADER)["last_qty"] == plain["last_qty"]
    for essential, tag in (("31=x", 31), ("32=-1", 32), ("39=Z", 39), ("150=Q", 150)):
        broken = "".join(f + "|" for f in fill.split("|")[:-1] if not f.startswith(f"{tag}=")) + essential + "|"
        assert fault_of(broken, REPORT_HEADER)[1] == tag


def test_a_text_for_people_is_cut_and_made_printable() -> None:
    assert decoded(report("58=" + "x" * 100 + "|"), REPORT_HEADER)["text"] == "x" * 64
    assert decoded(report("58=prix refus\xe9\t!|"), REPORT_HEADER)["text"] == "prix refus??!"[:12] + "!"


@pytest.mark.parametrize(
    ("text", "mantissa", "exponent"),
    [
        ("187.253333333333", 187253333333333, -12),
        ("187.2500", 18725, -2),
        ("0.000000000000000001", 1, -18),
        ("187", 187, 0),
        ("187.", 187, 0),
        ("-3.5", -35, -1),
        ("9223372036854775807", 2**63 - 1, 0),
    ],
)
def test_an_average_keeps_all_its_decimals(text: str, mantissa: int, exponent: int) -> None:
    got = decoded(report(f"6={text}|"), REPORT_HEADER)
    assert (got["avg_px"], got["avg_px_exp"]) == (mantissa, exponent)


@pytest.mark.parametrize("text", ["187.25333333333333333333", "9223372036854775808", "-9223372036854775808", "0.0000000000000000001"])
def test_an_average_of_too_many_digits_is_absent(text: str) -> None:
    got = decoded(report(f"6={text}|"), REPORT_HEADER)
    assert "avg_px" not in got and "avg_px_exp" not in got


# ---- an independent reading ----

decimals = st.decimals(min_value=Decimal("-92233720368"), max_value=Decimal("92233720368"), places=8)
words = st.text("ABCXYZabcxyz0189-_ .=", min_size=1, max_size=16)


@settings(max_examples=200, deadline=None)
@given(price=decimals, qty=decimals.map(abs), account=words, side=st.sampled_from("1256"), ns=st.integers(0, 9_214_646_399_999_999_999), where=st.randoms())
def test_what_simplefix_writes_we_read(price: Decimal, qty: Decimal, account: str, side: str, ns: int, where: object) -> None:
    seconds, fraction = divmod(ns, 10**9)
    body = [(11, "A1"), (1, account), (38, f"{qty:f}"), (40, "2"), (44, f"{price:f}"), (54, side), (55, "X"), (126, f"{_utc(seconds)}.{fraction:09d}")]
    where.shuffle(body)  # type: ignore[attr-defined]
    message = simplefix.FixMessage()
    for tag, value in [(8, "FIX.4.4"), (35, "D"), (34, 1), (49, "S"), (52, "20261120-08:00:00.000"), (56, "T"), *body]:
        message.append_pair(tag, value)
    got = CODEC.decode(message.encode())
    assert got is not None
    record = REPORT.unpack(got.record)
    assert (record["price"], record["order_qty"]) == (int(price.scaleb(8)), int(qty.scaleb(8)))
    assert (record["account"], record["side"], record["expire_time"]) == (account.encode().decode(), side, ns)


@settings(max_examples=200, deadline=None)
@given(
    price=st.integers(-(2**63), 2**63 - 1), qty=st.integers(0, 2**63 - 1), px_exp=st.integers(-18, 18), qty_exp=st.integers(-18, 18),
    account=words, ns=st.integers(0, 9_214_646_399_999_999_999), seq=st.integers(0, 10**18 - 1), dup=st.booleans(),
)
def test_what_we_write_simplefix_reads(
    price: int, qty: int, px_exp: int, qty_exp: int, account: str, ns: int, seq: int, dup: bool
) -> None:
    fields = {**REPORT.unpack(_order_record()), "price": price, "order_qty": qty, "px_exp": px_exp, "qty_exp": qty_exp, "account": account, "transact_time": ns}
    stamped = HEAD().stamp(seq, ns, ns if dup else None)
    raw = CODEC.encode("NewOrderSingle", REPORT.pack(fields), stamped)
    assert fix.frame(raw) == len(raw)
    parser = simplefix.FixParser()
    parser.append_buffer(raw)
    read = parser.get_message()
    assert Decimal(read.get(44).decode()) == Decimal(price).scaleb(px_exp)
    assert Decimal(read.get(38).decode()) == Decimal(qty).scaleb(qty_exp)
    for tag in (44, 38):
        shortest = read.get(tag).decode()
        assert shortest == f"{Decimal(shortest).normalize():f}".replace("-0", "0" if Decimal(shortest) == 0 else "-0")
    assert read.get(1).decode() == account
    stamp = f"{_utc(ns // 10**9)}.{ns % 10**9 // 10**6:03d}".encode()
    assert (read.get(60), read.get(52), read.get(34)) == (stamp, stamp, b"%d" % seq)
    assert (read.get(43), read.get(122)) == ((b"Y", stamp) if dup else (None, None))
    assert simplefix_bytes(read) == raw, "BodyLength and CheckSum are those that simplefix computes"


def simplefix_bytes(message: simplefix.FixMessage) -> bytes:
    """`message` encoded anew by simplefix, its own BodyLength and CheckSum."""
    again = simplefix.FixMessage()
    for tag, value in message.pairs:
        if tag not in (b"9", b"10"):
            again.append_pair(tag, value)
    encoded: bytes = again.encode()
    return encoded


def _utc(seconds: int) -> str:
    """YYYYMMDD-HH:MM:SS by the calendar of the standard library."""
    return (datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds)).strftime("%Y%m%d-%H:%M:%S")


# ---- encoding ----


def HEAD() -> fix.Head:
    return fix.Head("FIX.4.4", "GW", "VENUE").stamp(7, NOW)


def _order_record() -> bytes:
    fields: dict[str, Value] = {"cl_ord_id": "A1", "order_qty": 100, "ord_type": "1", "side": "1", "symbol": "MSFT", "transact_time": NOW}
    return REPORT.pack(fields)


def encode_fault(message: str = "NewOrderSingle", **change: Value) -> tuple[int, int | None, str | None]:
    fields = {**REPORT.unpack(_order_record()), **change}
    with pytest.raises(FixFault) as caught:
        CODEC.encode(message, REPORT.pack(fields), HEAD())
    return caught.value.code, caught.value.tag, caught.value.field


@pytest.mark.parametrize(
    ("change", "fault", "tag", "field"),
    [
        ({"px_exp": -19, "price": 1}, lib.GW_E_RANGE, 44, "price"),
        ({"qty_exp": 19}, lib.GW_E_RANGE, 38, "order_qty"),
        ({"order_qty": -1}, lib.GW_E_RANGE, 38, "order_qty"),
        ({"transact_time": -1}, lib.GW_E_RANGE, 60, "transact_time"),
        ({"expire_date": 20260230}, lib.GW_E_RANGE, 432, "expire_date"),
        ({"expire_date": 4_294_967_295}, lib.GW_E_RANGE, 432, "expire_date"),
        ({"side": "9"}, lib.GW_E_VALUE, 54, "side"),
        ({"post_only": 2}, lib.GW_E_VALUE, 18, "post_only"),
        ({"locate_reqd": 2}, lib.GW_E_VALUE, 114, "locate_reqd"),
        ({"account": ""}, lib.GW_E_EMPTY, 1, "account"),
        ({"reduce_only": 1}, lib.GW_E_REFUSED, None, "reduce_only"),  # FIX 4.4 has no word for it
        ({"self_match_mode": "N"}, lib.GW_E_REFUSED, None, "self_match_mode"),
        ({"clearing_account": "C"}, lib.GW_E_REFUSED, None, "clearing_account"),
        ({"last_px": 1}, lib.GW_E_REFUSED, None, "last_px"),
    ],
)
def test_what_fix_cannot_say_is_not_written(change: dict[str, Value], fault: int, tag: int | None, field: str) -> None:
    assert encode_fault(**change) == (fault, tag, field)


def test_a_time_before_1970_is_not_taken_for_one_of_the_last_second_there_is() -> None:
    """-2^63 is the number behind 2^63 - 1 where they go round: a header whose second that is must not lend it its text."""
    head, fields = fix.Head("FIX.4.4", "GW", "VENUE").stamp(7, 2**63 - 1), REPORT.unpack(_order_record())
    CODEC.encode("NewOrderSingle", REPORT.pack({**fields, "transact_time": 2**63 - 1}), head)  # the header has that text now
    with pytest.raises(FixFault) as caught:
        CODEC.encode("NewOrderSingle", REPORT.pack({**fields, "transact_time": -(2**63)}), head)
    assert (caught.value.code, caught.value.tag) == (lib.GW_E_RANGE, 60)


def test_a_missing_field_is_named() -> None:
    fields = REPORT.unpack(_order_record())
    for name in ("cl_ord_id", "order_qty", "ord_type", "side", "symbol", "transact_time"):
        with pytest.raises(FixFault) as caught:
            CODEC.encode("NewOrderSingle", REPORT.pack({k: v for k, v in fields.items() if k != name}), HEAD())
        assert (caught.value.code, caught.value.field) == (lib.GW_E_MISSING, name)


def test_a_separator_never_leaves_in_a_text() -> None:
    record = bytearray(_order_record())
    at = record.index(b"MSFT")
    for value in (1, 0x1F, 0x7F, 0x80, 0xFF):
        record[at] = value
        with pytest.raises(FixFault) as caught:
            CODEC.encode("NewOrderSingle", bytes(record), HEAD())
        assert (caught.value.code, caught.value.tag) == (lib.GW_E_TEXT, 55)


def test_a_request_may_be_a_bare_order_record() -> None:
    assert CODEC.encode("NewOrderSingle", _order_record()[: lib.GW_ORDER_SIZE], HEAD()) == CODEC.encode("NewOrderSingle", _order_record(), HEAD())


def test_a_flag_that_is_not_set_is_not_written() -> None:
    record = REPORT.pack({**REPORT.unpack(_order_record()), "post_only": 0, "locate_reqd": 0})
    raw = CODEC.encode("NewOrderSingle", record, HEAD())
    assert b"\x0118=" not in raw and b"\x01114=N\x01" in raw


@pytest.mark.parametrize(("reason", "code"), [(1, 2), (7, 1), (8, 15), (17, 3), (6, 6), (15, 11), (13, 13), (3, 99), (30, 99), (0, 99)])
def test_a_denial_says_why_in_the_words_of_fix(reason: int, code: int) -> None:
    fields: dict[str, Value] = {"exec_id": "D1", "exec_type": "X", "ord_status": "8", "cum_qty": 0, "leaves_qty": 0, "reason": reason}
    assert f"\x01103={code}\x01150=8\x01".encode() in CODEC.encode("ExecutionReport", REPORT.pack(fields), HEAD())
    own = CODEC.encode("ExecutionReport", REPORT.pack({**fields, "ord_rej_reason": 5}), HEAD())
    assert b"\x01103=5\x01" in own and own.count(b"\x01103=") == 1, "the venue's own code goes before the house's"


def test_a_mass_cancel_report_says_what_was_done() -> None:
    fields: dict[str, Value] = {"cl_ord_id": "M1", "mass_scope": "7"}
    assert b"\x01530=7\x01531=7\x01" in CODEC.encode("OrderMassCancelReport", REPORT.pack(fields), HEAD())
    for exec_type in ("8", "X"):
        assert b"\x01531=0\x01" in CODEC.encode("OrderMassCancelReport", REPORT.pack({**fields, "exec_type": exec_type}), HEAD())


@pytest.mark.parametrize("path", GOLDEN, ids=lambda p: p.stem)
def test_the_writer_at_every_buffer_size(path: Path) -> None:
    ways, message, fields = golden(path)
    if ways == "decode":
        return
    seen = fix.scan(message)
    index = DIALECT.index(DIALECT.message_names[seen.msg_type])
    record = ffi.from_buffer("gw_report *", bytearray(REPORT.pack(fields)))
    fault = ffi.new("gw_fault *")
    for cap in [*range(len(message) + 3), 600, 1000, 1500, 2000, 3000]:
        out = ffi.new("uint8_t[]", b"\xa5" * (cap + 16))
        n = lib.gw_fix_encode(CODEC.pointer, index, head(seen).raw, record, out, cap, fault)
        assert n == (len(message) if cap >= len(message) else lib.GW_E_SPACE)
        assert bytes(ffi.buffer(out))[cap:].startswith(b"\xa5" * 16), cap
        assert n < 0 or bytes(ffi.buffer(out, n)) == message
        assert n > 0 or bytes(ffi.buffer(out))[:cap] == b"\xa5" * cap, "nothing was written"


def test_every_processor_and_every_way_reads_the_same() -> None:
    """Golden messages with fields changed, doubled, emptied and moved: record and fault do not depend on which way a value is read."""
    seed = random.Random(44)
    messages = [[field for field in golden(path)[1].split(b"\x01")[2:-2] if field] for path in GOLDEN]
    spare = [b"44=415.25", b"38=100", b"6=1.50", b"6=0.12345678901234567890123", b"60=20261120-08:00:00.001", b"126=20240229-23:59:60", b"58=x\x7fy", b"11="]
    view, results, read = ffi.new("gw_fix_msg *"), [(ffi.new("gw_report *"), ffi.new("gw_fault *")) for _ in range(3)], 0
    for _ in range(3000):
        fields = list(seed.choice(messages))
        for _ in range(seed.randrange(3)):
            i = seed.randrange(1, len(fields))
            tag, _, value = fields[i].partition(b"=")
            cut = seed.randrange(len(value) + 1)
            changed = value[:cut] + bytes([seed.choice(b"0159.-:YNA ~")]) + value[cut + 1 :]
            fields[i] = seed.choice([tag + b"=" + value[:-1], tag + b"=" + value + b"0", tag + b"=" + changed, seed.choice(spare)])
            fields.insert(seed.randrange(1, len(fields)), seed.choice([*spare, fields[i]]))
        body = b"".join(field + b"\x01" for field in fields)
        message = sealed(b"8=FIX.4.4\x019=%d\x01" % len(body) + body)
        if lib.gw_fix_scan(message, len(message), view) < 0:
            continue
        said = [decode(CODEC.pointer, message, view, *to) for decode, to in zip((lib.gw_fix_decode, lib.gw_fix_decode_plain, lib.gw_fix_decode_long), results, strict=True)]
        assert len({(n, bytes(ffi.buffer(record)), bytes(ffi.buffer(fault))) for n, (record, fault) in zip(said, results, strict=True)}) == 1, message
        read += said[0] >= 0
    assert 500 < read < 2900, "some were refused, some were not"


class Plans:
    """Decodes by what was seen before, and says so only if gw_fix_decode_long says the same: result, record and fault."""

    def __init__(self) -> None:
        self.known = ffi.new("gw_fix_plans *")
        self.view, self.fault, self.long_fault = ffi.new("gw_fix_msg *"), ffi.new("gw_fault *"), ffi.new("gw_fault *")
        self.record, self.long_record = ffi.new("gw_report *"), ffi.new("gw_report *")

    def decode(self, message: bytes, codec: fix.FixCodec = CODEC) -> int:
        """The index of the message, a fault, or -1000 if it cannot be scanned."""
        exact = ffi.new("uint8_t[]", message)
        if lib.gw_fix_scan(exact, len(message), self.view) < 0:
            return -1000
        n = int(lib.gw_fix_decode_like(codec.pointer, exact, self.view, self.known, self.record, self.fault))
        assert lib.gw_fix_decode_long(codec.pointer, exact, self.view, self.long_record, self.long_fault) == n, message
        assert bytes(ffi.buffer(self.record)) == bytes(ffi.buffer(self.long_record)), message
        assert bytes(ffi.buffer(self.fault)) == bytes(ffi.buffer(self.long_fault)), message
        return n

    def learn(self, message: bytes, codec: fix.FixCodec = CODEC) -> bool:
        """Decode it as often as it takes to be remembered; whether it was."""
        for _ in range(8):
            assert self.decode(message, codec) >= 0
        return bool(self.known.plan[len(message) % lib.GW_FIX_PLANS].length == len(message))


PLANNED = soh(
    "8=FIX.4.4|9=%d|35=8|34=107|49=VENUE|56=GW|52=20261120-08:00:59.123|37=V0000000012345|11=ORD01|17=E1|150=F|39=2|1=ACC|55=MSFT|54=1|38=100|"
    "44=415.25|32=7.5|31=415.25|151=0|14=100|6=415.250|60=20261120-08:00:59.999|9999=x|"
)


def planned() -> bytes:
    """A fill as most are, whose every field has a step, but one of a tag that nobody knows; its sum is to be made."""
    return PLANNED % (len(PLANNED % 100) - len("8=FIX.4.4|9=100|"))


def test_a_message_like_one_before_is_the_record_that_it_is_alone() -> None:
    """Every byte of a remembered message, changed to any that means something; and every golden message, remembered or not."""
    plans, good = Plans(), planned()
    assert plans.learn(sealed(good))
    read = 0
    for i, byte in ((i, byte) for i in range(len("8=FIX.4.4|9=100|"), len(good)) for byte in b"019.-:=FYZ~ \x7f\x01"):
        read += plans.decode(sealed(good[:i] + bytes([byte]) + good[i + 1 :])) >= 0
        assert plans.decode(sealed(good)) >= 0
        assert plans.known.plan[(len(good) + 7) % lib.GW_FIX_PLANS].length == len(good) + 7
    assert read > 500
    kept = [plans.learn(golden(path)[1]) for path in GOLDEN if CODEC.decode(golden(path)[1]) is not None and golden(path)[0] != "encode"]
    assert True in kept and False in kept


def test_a_plan_is_of_one_message_type_dialect_and_length(tmp_path: Path) -> None:
    plans, good = Plans(), planned()
    path = tmp_path / "venue.toml"
    path.write_text('base = "fix44"\nprotocol = "elsewhere"\n[enum.side]\n1 = "sell"\n2 = "buy"\n')
    other = fix.FixCodec(fix_dialect.load_file(path))
    assert plans.learn(sealed(good))
    for change in ((b"35=8", b"35=9"), (b"35=8", b"35=D"), (b"35=8", b"35=Z"), (b"11=ORD01\x0117=E1", b"17=ORD01\x0111=E1"), (b"11=ORD01\x0117=E1", b"11=ORD0\x0117=E12"),
                   (b"\x0132=", b"\x0138="), (b"9999=x", b"999=xy"), (b"17=E1", b"17=\x01E"), (b"58:59", b"58:60")):  # fmt: skip
        plans.decode(sealed(good.replace(*change)))
        assert plans.decode(sealed(good)) >= 0
    for codec in (other, CODEC, other):
        assert plans.decode(sealed(good), codec) >= 0
    assert plans.learn(sealed(good), other)


def test_what_comes_twice_and_what_is_short_in_the_record_is_read_as_ever() -> None:
    # A mild field twice is absent; RefMsgType has four bytes, at the end of the record. Both are good messages, so they could be remembered.
    plans = Plans()
    fields = planned().split(b"\x01")[2:-1]
    for i in range(6, len(fields)):
        body = b"".join(field + b"\x01" for field in [*fields[: i + 1], *fields[i:]])
        for _ in range(9):
            plans.decode(sealed(b"8=FIX.4.4\x019=%d\x01" % len(body) + body))
    reject = wire("35=3|34=7|49=VENUE|52=20261120-08:00:00.000|56=GW|45=3|372=D|373=1|58=no|")
    for _ in range(9):
        assert plans.decode(reject) >= 0


def test_plans_come_and_go_and_never_matter() -> None:
    seed, plans, read = random.Random(45), Plans(), 0
    messages = [golden(path)[1] for path in GOLDEN] + [sealed(planned())] * 4
    for _ in range(4000):
        message = bytearray(seed.choice(messages)[:-7])
        if seed.random() < 0.3:
            message[seed.randrange(20, len(message))] = seed.choice(b"0159.-:YNA ~\x01")
        for _ in range(seed.choice((1, 1, 9))):
            read += plans.decode(sealed(bytes(message))) >= 0
    assert read > 3000


def test_small_quantities_and_milliseconds_are_written_as_they_are() -> None:
    # Both come from tables of a thousand; the first numbers behind them do not.
    seen = fix.scan(CODEC.encode("NewOrderSingle", _order_record(), HEAD()))
    for number in range(1100):
        ms = number % 1000
        record = REPORT.unpack(_order_record())
        record |= {"order_qty": number, "qty_exp": 0, "transact_time": seen.sending_time // 10**9 * 10**9 + ms * 10**6}
        message = CODEC.encode("NewOrderSingle", REPORT.pack(record), HEAD())
        assert f"\x0138={number}\x01".encode() in message
        assert dict(fix.scan(message).fields)[60].endswith(b".%03d" % ms)


def test_every_processor_writes_the_same() -> None:
    """Golden records with a few bytes changed, so that texts are cut or filled, numbers grow and fields come and go."""
    seed = random.Random(44)
    kept = [golden(path) for path in GOLDEN]
    records = [(DIALECT.index(DIALECT.message_names[fix.scan(message).msg_type]), REPORT.pack(fields)) for ways, message, fields in kept if ways != "decode"]
    fault, plain_fault, record = ffi.new("gw_fault *"), ffi.new("gw_fault *"), ffi.new("gw_report *")
    out, plain, h = ffi.new("uint8_t[]", 8192), ffi.new("uint8_t[]", 8192), HEAD().raw
    written = 0
    for _ in range(5000):
        index, good = seed.choice(records)
        changed = bytearray(good)
        for _ in range(seed.randrange(4)):
            changed[seed.randrange(len(good))] = seed.choice([0, 1, 0x31, 0x7E, 0x7F, 0xFF, seed.randrange(256)])
        ffi.memmove(record, bytes(changed), len(changed))
        n = lib.gw_fix_encode(CODEC.pointer, index, h, record, out, 8192, fault)
        assert lib.gw_fix_encode_plain(CODEC.pointer, index, h, record, plain, 8192, plain_fault) == n, bytes(changed).hex()
        assert bytes(ffi.buffer(fault)) == bytes(ffi.buffer(plain_fault)), bytes(changed).hex()
        assert n < 0 or bytes(ffi.buffer(out, n)) == bytes(ffi.buffer(plain, n)), bytes(changed).hex()
        written += n > 0
    assert 1000 < written < 4900, "some were refused, most were not"


def both_ways(index: int, record: bytes, head: fix.Head, fresh: fix.Head) -> bytes:
    """What gw_fix_encode writes with a header that wrote before; every byte is as the plain way has it with a new one."""
    fault, report = ffi.new("gw_fault *"), ffi.new("gw_report *")
    out, plain = ffi.new("uint8_t[]", 8192), ffi.new("uint8_t[]", 8192)
    ffi.memmove(report, record, len(record))
    n = lib.gw_fix_encode(CODEC.pointer, index, head.raw, report, out, 8192, fault)
    assert lib.gw_fix_encode_plain(CODEC.pointer, index, fresh.raw, report, plain, 8192, fault) == n
    assert n < 0 or bytes(ffi.buffer(out, n)) == bytes(ffi.buffer(plain, n))
    return bytes(ffi.buffer(out, max(n, 0)))


def test_a_header_made_of_the_one_before_is_as_a_new_one() -> None:
    # Of the header before are taken all but the last three digits of the number, ms and type: at every edge it must be written anew.
    types = [DIALECT.index("NewOrderSingle"), DIALECT.index("OrderCancelRequest")]
    record = REPORT.pack(REPORT.unpack(_order_record()) | {"orig_cl_ord_id": "A0"})
    edges = [1, 99, 999, 1000, 1001, 1999, 2000, 9999, 10_000, 10_999, 99_999_999, 100_000_000, 100_000_999, 10**17, 10**18 - 1, 10**18, 2**64 - 1]
    times = [NOW, NOW + 1, NOW + 749_999_999, NOW + 750_000_000, NOW + 10**9, NOW - 250_000_001, 0, 999_999_999, 10**9, -1, -(10**9), 2**63 - 1, -(2**63)]
    seed = random.Random(9)
    for sender in ("GW", "GATEWAY-OF-THE-HOUSE", "G" * 26, "G" * 40):
        one = fix.Head("FIX.4.4", sender, "VENUE")
        seen = set()
        for _ in range(2000):
            number, time = max(seed.choice(edges) - seed.randrange(2), 0), seed.choice(times)
            dup = {"orig_sending_time": NOW} if seed.random() < 0.1 else {}
            again = seed.random() < 0.1
            one.stamp(number, time, poss_resend=again, **dup)
            fresh = fix.Head("FIX.4.4", sender, "VENUE").stamp(number, time, poss_resend=again, **dup)
            message = both_ways(seed.choice(types), record, one, fresh)
            seen.add(len(message))
            if message:
                assert f"\x0134={number}\x01".encode() in message
        assert len(seen) > 10, "numbers of many lengths, and refusals"


def test_a_price_said_twice_is_said_as_once() -> None:
    # The text of the price before is used again where number and exponent are the same.
    message, fields = next((m, f) for path in GOLDEN for ways, m, f in [golden(path)] if ways != "decode" and f.get("kind") == "8" and "avg_px" in f)
    index = DIALECT.index(DIALECT.message_names[fix.scan(message).msg_type])
    seed = random.Random(31)
    for _ in range(3000):
        few = seed.sample([0, 1, 10**8 - 1, 10**8, -1, 4152500, 41525, seed.randrange(10**8), seed.randrange(10**12), seed.randrange(10**4) * 10**4], 2)
        exponents = seed.choice([(-4, -8), (-4, -4), (-8, -4), (0, -4), (-2, -2), (-7, -7), (-7, -11), (-9, 2), (3, 3)])
        change = {name: seed.choice(few) * seed.choice([1, 1, 1, 10**4]) for name in ("price", "last_px", "avg_px", "order_qty", "cum_qty", "last_qty")}
        qty_exp = seed.choice([0, exponents[0], exponents[1]])
        record = REPORT.pack(fields | change | {"px_exp": exponents[0], "avg_px_exp": exponents[1], "qty_exp": qty_exp})
        both_ways(index, record, HEAD(), HEAD())


@pytest.mark.parametrize("last", ["", "\x7f", "\x1f", "\x80", "~", " "])
def test_texts_of_every_length_are_written_as_they_are(last: str) -> None:
    # Short ones are copied by sixteen bytes, others by thirty-two or eight; what stands behind a text that fills its field belongs to the next.
    for field, width in (("cl_ord_id", 24), ("symbol", 16), ("account", 16)):
        for length in range(width + 1):
            text = ("A" * length + last)[:width]
            record = bytearray(REPORT.pack(REPORT.unpack(_order_record()) | {field: "x"}))
            at = ffi.offsetof("gw_order", field)
            record[at : at + width] = text.encode("latin-1").ljust(width, b"\0")
            message = both_ways(DIALECT.index("NewOrderSingle"), bytes(record), HEAD(), HEAD())
            good = text != "" and all(" " <= c <= "~" for c in text)
            assert (f"={text}\x01".encode("latin-1") in message) == good


def test_a_message_number_that_is_none() -> None:
    fault = ffi.new("gw_fault *")
    out = ffi.new("uint8_t[]", 4096)
    record = ffi.from_buffer("gw_report *", bytearray(_order_record()))
    assert lib.gw_fix_encode(CODEC.pointer, len(DIALECT.messages), HEAD().raw, record, out, 4096, fault) == lib.GW_E_ARGUMENT
    assert fix_dialect.load("fix44") is DIALECT
