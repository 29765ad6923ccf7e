"""FIX dialects as files: the house's own, a venue's over it, planted mistakes each caught with their line, and corrupted tables."""

import random
from pathlib import Path

import pytest

from gateway.client._records import REPORT
from gateway.codecs import fix, fix_dialect, records
from gateway.codecs.fix import FixCodec, ffi, lib
from gateway.codecs.rows import LAYOUTS, LayoutError, Source
from tests.codecs.fixtext import HEADER, wire

FIX44 = LAYOUTS / "venues" / "fix44.toml"
TEXT = FIX44.read_text()
DIALECT = fix_dialect.load("fix44")
ORDER_BODY = "11=A1|38=100|40=1|54=1|55=MSFT|60=20261120-08:00:00.000|"


def test_the_dialect_and_the_record_mean_the_same() -> None:
    # FIX's own characters are the record's, except where a table says otherwise by name.
    enums = records.order().enums
    for message in DIALECT.messages.values():
        for row in message.rows:
            if row.kind != lib.GW_FIX_KIND_ENUM or row.table == "mass_response":
                continue
            assert row.field is not None and row.field.enum is not None
            table = Source.parse(FIX44, TEXT).tree["enum"][row.table]
            plain = {wire_: name for wire_, name in table.items() if isinstance(name, str)}
            assert all(enums[row.field.enum].value_of(name) == ord(wire_) for wire_, name in plain.items()), row.table
            said = {*plain.values(), *table.get("encode only", {})}
            assert said == {value.name for value in enums[row.field.enum].values}, f"{row.table} has a word for every value"


def test_every_reason_of_the_house_has_a_code() -> None:
    reasons = records.order().enums["reason"].values
    assert max(value.value for value in reasons) < 256
    codec = fix.load("fix44")
    head = fix.Head("FIX.4.4", "GW", "S").stamp(1, 0)
    for value in reasons:
        for message in ("ExecutionReport", "OrderCancelReject", "BusinessMessageReject"):
            fields = {"exec_id": "D", "exec_type": "X", "ord_status": "8", "cum_qty": 0, "leaves_qty": 0, "cl_ord_id": "A",
                      "cxl_rej_response_to": "1", "ref_msg_type": "D", "reason": value.value}  # fmt: skip
            assert fix.scan(codec.encode(message, REPORT.pack(fields), head)).odd == 0


def test_names_are_known_for_header_session_and_bound_fields() -> None:
    for tag, name in ((8, "BeginString"), (10, "CheckSum"), (11, "ClOrdID"), (141, "ResetSeqNumFlag"), (912, "LastRptRequested")):
        assert DIALECT.tag_names[tag] == name
    assert {DIALECT.message_names[t] for t in "A05D8j"} == {
        "Logon", "Heartbeat", "Logout", "NewOrderSingle", "ExecutionReport", "BusinessMessageReject"
    }  # fmt: skip
    assert len(set(DIALECT.tag_names.values())) == len(DIALECT.tag_names), "a name is one tag"


def overlay(tmp_path: Path, text: str) -> FixCodec:
    path = tmp_path / "venue.toml"
    path.write_text(text)
    return FixCodec(fix_dialect.load_file(path))


def test_a_venue_says_only_what_differs(tmp_path: Path) -> None:
    codec = overlay(
        tmp_path,
        """
base = "fix44"
protocol = "somewhere"
[enum.side]
1 = "buy"
2 = "sell"
A = "sell_short"
[mark]
post_only = "P"
[message.OrderCancelReject]
type = "9"
kind = "cancel_reject"
unbound = "drop"
rows = \"\"\"
tag  type  name     binding
 11  text  ClOrdID  cl_ord_id !
\"\"\"
""",
    )
    assert (codec.protocol, codec.dialect.begin_string) == ("somewhere", "FIX.4.4")
    assert set(codec.dialect.messages) == set(DIALECT.messages)
    got = codec.decode(wire(HEADER + ORDER_BODY.replace("54=1", "54=A") + "18=P|"))
    assert got is not None
    record = REPORT.unpack(got.record)
    assert (record["side"], record["post_only"]) == ("5", 1)
    with pytest.raises(fix.FixFault):
        codec.decode(wire(HEADER + ORDER_BODY.replace("54=1", "54=5")))
    assert codec.decode(wire("35=9|34=1|11=A|")) is not None


def test_a_venue_may_name_tags_of_its_own(tmp_path: Path) -> None:
    text = TEXT.replace('528  order_capacity  OrderCapacity          order_capacity\n"""', '528  order_capacity  OrderCapacity          order_capacity\n9999  text  VenueOptions  venue_options\n65535  bool  ReduceOnly  reduce_only\n"""', 1)
    codec = overlay(tmp_path, text)
    got = codec.decode(wire(HEADER + ORDER_BODY + "9999=X=1 Y|65535=Y|"))
    assert got is not None
    record = REPORT.unpack(got.record)
    assert (record["venue_options"], record["reduce_only"]) == ("X=1 Y", 1)
    again = codec.encode("NewOrderSingle", got.record, fix.Head("FIX.4.4", "GW", "V").stamp(1, 0))
    assert b"\x019999=X=1 Y\x0165535=Y\x01" in again


# ---- planted mistakes ----

FIRST_ROW = "  1  text            Account                account\n"


@pytest.mark.parametrize(
    ("old", "new", "line", "what"),
    [
        ('protocol = "fix44"', 'protocl = "fix44"', 'protocl = ', "'protocl' is not known"),
        ('begin_string = "FIX.4.4"', "", "", "begin_string = … is missing"),
        ("secret = [554, 925, 96]", 'secret = "554"', "secret = ", "secret must be"),
        ("secret = [554, 925, 96]", "secret = [0]", "", "list of tags"),
        ("cl_ord_num orig_cl_ord_num token", "cl_ord_num orig_cl_ord_num tokn", "left_out = ", "no field 'tokn'"),
        ('type = "D"', 'type = "DDDDD"', "[message.NewOrderSingle]", "one to four"),
        ('type = "D"', 'type = "G"', "", "two messages have type 'G'"),
        ('kind = "new_order"', 'kind = "order"', "[message.NewOrderSingle]", "not one of the record's"),
        ('unbound = "refuse"', 'unbound = "ignore"', "[message.NewOrderSingle]", "'refuse' or 'drop'"),
        ('unbound = "refuse"', 'unbund = "refuse"', "[message.NewOrderSingle]", "missing or not known"),
        ("tag  type            name                   binding\n  1", "tag  kind  name  binding\n  1", "tag  kind", "the heading"),
        (FIRST_ROW, "  1  text            Acc\n", "  1  text            Acc", "has no binding"),
        (FIRST_ROW, "  1  text\n", "  1  text\n", "columns"),
        (FIRST_ROW, "  x  text            Account                account\n", "  x  text", "is no tag"),
        (FIRST_ROW, "  0  text            Account                account\n", "  0  text", "is no tag"),
        (FIRST_ROW, "65536 text           Account                account\n", "65536", "is no tag"),
        (FIRST_ROW, " 34  text            Account                account\n", " 34  text            Acc", "header or trailer"),
        (FIRST_ROW, "  1  string          Account                account\n", "  1  string", "type 'string' is not known"),
        (FIRST_ROW, "  1  text            Account                acount\n", "acount", "no field 'acount'"),
        (FIRST_ROW, "  1  text            Account                account *\n", "account *", "'*' is not known"),
        (FIRST_ROW, "  1  text            Account                account < >\n", "account < >", "contradicts itself"),
        (FIRST_ROW, "  1  text            Account                account ! ?\n", "account ! ?", "contradicts itself"),
        (FIRST_ROW, "  1  text            Account                account else\n", "account else", "follows a row of the same tag"),
        (FIRST_ROW, "  1  name            Account                account\n", "  1  name", "is 'name' with '-'"),
        (FIRST_ROW, "  1  text            Account                -\n", "Account                -", "is 'name' with '-'"),
        (FIRST_ROW, "  1  price           Account                account\n", "  1  price", "which is no 'price'"),
        (FIRST_ROW, "  1  text            Account                price\n", "Account                price", "which is no 'text'"),
        (FIRST_ROW, "  1  qty             Account                price\n", "  1  qty", "which is no 'qty'"),
        (FIRST_ROW, "  1  int             Account                side\n", "  1  int", "which is no 'int'"),
        (FIRST_ROW, "  1  side            Account                account\n", "  1  side", "is no enum of characters"),
        (FIRST_ROW, "  1  ord_rej_reason  Account                side >\n", "  1  ord_rej_reason", "is no enum of numbers"),
        (FIRST_ROW, "  1  ord_rej_reason  Account                reason\n", "  1  ord_rej_reason", "only written; say '>'"),
        (FIRST_ROW, "  1  post_only       Account                account\n", "  1  post_only", "is no flag"),
        (FIRST_ROW, "  1  ord_status      Account                exec_type\n", "[enum.ord_status]", "no such value"),
        (FIRST_ROW, FIRST_ROW + "  2  text            Account                account\n", "  2  text", "read from two tags"),
        (FIRST_ROW, FIRST_ROW + "  1  text            Account                firm\n", "account\n  1  text", "read twice"),
        (FIRST_ROW, FIRST_ROW + "  1  text            Account                firm >\n", "firm >", "written twice"),
        ("HandlInst              = 1\n", "HandlInst              = \n", "HandlInst              = \n", "a constant is"),
        ("HandlInst              = 1\n", "HandlInst              = 1 if nothing=2\n", "if nothing=2", "no field 'nothing'"),
        ("HandlInst              = 1\n", "HandlInst              = 1 if side=up\n", "if side=up", "one of its values"),
        ("HandlInst              = 1\n", "HandlInst              = 1 if price=1\n", "if price=1", "one of its values"),
        ("HandlInst              = 1\n", "HandlInst              = é\n", "= é", "not printable ASCII"),
        ('5 = "sell_short"', '5 = "short"', "[enum.side]", "no such value"),
        ('5 = "sell_short"', '55 = "sell_short"', "[enum.side]", "one printable character"),
        ('5 = "sell_short"', '5 = "sell"', "[enum.side]", "two wire values"),
        ('denied = "8", in_doubt', 'denid = "8", in_doubt', "[enum.exec_type]", "no such value"),
        ('denied = "8", in_doubt', 'canceled = "8", in_doubt', "[enum.exec_type]", "two wire values"),
        ('{ 1 = "canceled"', '{ 0 = "canceled"', "[enum.mass_response]", "two meanings"),
        ('post_only = "6" ', 'post_only = "66" ', "post_only = ", "one character"),
        ("unknown_symbol = 1\n", "unknown_symbol = 300\n", "[code.ord_rej_reason]", "0 to 254"),
        ("unknown_symbol = 1\n", "unknwn_symbol = 1\n", "[code.ord_rej_reason]", "no such value"),
    ],
)  # fmt: skip
def test_a_planted_mistake_is_caught(old: str, new: str, line: str, what: str) -> None:
    assert old in TEXT
    text = TEXT.replace(old, new, 1)
    with pytest.raises(LayoutError) as caught:
        fix_dialect.build(Source.parse(FIX44, text))
    assert what in str(caught.value)
    expected = text[: text.index(line) + len(line.rstrip("\n"))].count("\n") + 1 if line else 1
    assert str(caught.value).startswith(f"fix44.toml:{expected}: ")


def test_a_base_that_is_its_own_base_is_caught(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('base = "b"')
    (tmp_path / "b.toml").write_text('base = "a"')
    with pytest.raises(LayoutError, match="leads back to itself"):
        fix_dialect.load_file(tmp_path / "a.toml")
    with pytest.raises(LayoutError, match="cannot be read"):
        fix_dialect.load("no_such_dialect")


# ---- tables ----


def test_one_file_gives_one_table() -> None:
    assert fix_dialect.build(Source.parse(FIX44, TEXT)).table == DIALECT.table


def test_a_corrupted_table_is_refused_or_harmless() -> None:
    """Any byte of the table changed: the check refuses it, or decode and encode stay within their memory (the sanitizers watch)."""
    seed = random.Random(44)
    good = DIALECT.table
    order = wire(HEADER + ORDER_BODY + "44=1.5|59=0|99=1|126=20261120-08:00:00|")
    report = wire(HEADER.replace("35=D", "35=8") + "6=1.5|11=A|14=1|17=E|37=V|38=1|39=1|54=1|55=X|58=t|75=20261120|103=3|150=F|151=0|")
    full = ffi.new("gw_report *")
    ffi.memmove(full, b"1" * lib.GW_ORDER_SIZE, lib.GW_ORDER_SIZE)
    full.order.has = full.has2 = 2**64 - 1
    refused = ran = 0
    place = ffi.cast("gw_fix_dialect *", ffi.from_buffer(good))
    rows = (place.message_at, place.slot_at)
    table = ffi.new("uint64_t[]", len(good) // 8)
    view, out, fault = ffi.new("gw_fix_msg *"), ffi.new("uint8_t[]", 8192), ffi.new("gw_fault *")
    record = ffi.new("gw_report *")
    head = fix.Head("FIX.4.4", "GW", "V").stamp(1, 0)
    for _ in range(3000):
        at = seed.randrange(len(good)) if seed.random() < 0.5 else seed.randrange(56) if seed.random() < 0.2 else seed.randrange(*rows)
        bad = bytearray(good)
        bad[at] = seed.choice([0, 1, 127, 128, 255, bad[at] ^ 1 << seed.randrange(8)])
        ffi.memmove(table, bytes(bad), len(bad))
        if lib.gw_fix_dialect_check(table, len(bad)) < 0:
            refused += 1
            continue
        ran += 1
        dialect = ffi.cast("const gw_fix_dialect *", table)
        for message in (order, report):
            assert lib.gw_fix_scan(message, len(message), view) == len(message)
            index = lib.gw_fix_decode(dialect, message, view, record, fault)
            if index >= 0:
                lib.gw_fix_encode(dialect, index, head.raw, record, out, 8192, fault)
        for index in range(dialect.message_count):
            lib.gw_fix_encode(dialect, index, head.raw, full, out, 8192, fault)
    assert refused > 500 and ran > 500, (refused, ran)


def test_a_tag_that_is_no_number_has_no_row() -> None:
    """A message without rows is sound, and no row behind it is looked at: this one, of no message, would write far behind the record."""
    table = ffi.new("uint64_t[]", len(DIALECT.table) // 8)
    ffi.memmove(table, DIALECT.table, len(DIALECT.table))
    dialect, block = ffi.cast("gw_fix_dialect *", table), ffi.cast("uint8_t *", table)
    index = lib.gw_fix_message_index(dialect, ord("D"))
    message = ffi.cast("gw_fix_message *", block + dialect.message_at) + index
    slots = ffi.cast("gw_fix_slot *", block + dialect.slot_at) + message.slot_at
    row = ffi.cast("gw_fix_row *", block + dialect.row_at) + message.row_at
    ffi.memmove(slots, bytes(ffi.sizeof("gw_fix_slot") << (32 - message.slot_shift)), ffi.sizeof("gw_fix_slot") << (32 - message.slot_shift))
    message.row_count = message.else_rows = message.need_in = message.need_in2 = 0
    row.kind, row.width, row.offset = lib.GW_FIX_KIND_UINT, 8, 2 * lib.GW_REPORT_SIZE
    assert lib.gw_fix_dialect_check(table, len(DIALECT.table)) == len(DIALECT.table)
    view, fault, room = ffi.new("gw_fix_msg *"), ffi.new("gw_fault *"), ffi.new("uint8_t[]", 4 * lib.GW_REPORT_SIZE)
    order = wire(HEADER + "0=7|58=x|")
    assert lib.gw_fix_scan(order, len(order), view) == len(order)
    for decode in (lib.gw_fix_decode, lib.gw_fix_decode_plain, lib.gw_fix_decode_long):
        assert decode(dialect, order, view, ffi.cast("gw_report *", room), fault) == index
        assert not any(ffi.buffer(room)[lib.GW_REPORT_SIZE :])


def test_a_table_of_another_size_or_build_is_refused() -> None:
    table = ffi.new("uint64_t[]", len(DIALECT.table) // 8 + 1)
    ffi.memmove(table, DIALECT.table, len(DIALECT.table))
    for n in (0, 8, 55, 56, len(DIALECT.table) - 8, len(DIALECT.table) + 8):
        assert lib.gw_fix_dialect_check(table, n) == lib.GW_E_TABLE
    assert lib.gw_fix_dialect_check(ffi.cast("uint8_t *", table) + 4, len(DIALECT.table)) == lib.GW_E_TABLE
    head = ffi.cast("gw_fix_dialect *", table)
    head.record_size += 8
    assert lib.gw_fix_dialect_check(table, len(DIALECT.table)) == lib.GW_E_TABLE
