"""FIX messages that need no record: session messages from given fields, a sent frame once more, secrets masked, headers."""

import pytest
import simplefix
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.codecs import fix
from gateway.codecs.fix import FixFault, ffi, lib
from tests.codecs.fixtext import HEADER, ORDER, sealed, soh, wire

CODEC = fix.load("fix44")
NOW = 1_795_185_005_250_000_000  # 2026-11-20 14:30:05.250 UTC
STAMP = "20261120-14:30:05.250"


def head(**more: object) -> fix.Head:
    return fix.Head("FIX.4.4", "GW", "VENUE", **more).stamp(1, NOW)  # type: ignore[arg-type]


def fault(msg_type: str, fields: list[tuple[int, str | bytes]]) -> int:
    with pytest.raises(FixFault) as caught:
        CODEC.encode_tlv(msg_type, fields, head())
    return caught.value.code


# ---- the session's own messages ----


@pytest.mark.parametrize(
    ("msg_type", "fields", "body"),
    [
        # FIX 4.4 vol. 2, the seven administrative messages.
        ("A", [(98, "0"), (108, "30"), (141, "Y"), (553, "me"), (554, "secret")], "98=0|108=30|141=Y|553=me|554=secret|"),
        ("0", [], ""),
        ("0", [(112, "T1")], "112=T1|"),
        ("1", [(112, "T1")], "112=T1|"),
        ("2", [(7, "3"), (16, "0")], "7=3|16=0|"),
        ("3", [(45, "2"), (58, "Required tag missing"), (371, "11"), (372, "D"), (373, "1")], "45=2|58=Required tag missing|371=11|372=D|373=1|"),
        ("4", [(36, "9"), (123, "Y")], "36=9|123=Y|"),
        ("5", [(58, "bye")], "58=bye|"),
        ("AF", [(584, "q"), (585, "7")], "584=q|585=7|"),
    ],
)
def test_a_message_of_the_session(msg_type: str, fields: list[tuple[int, str | bytes]], body: str) -> None:
    expected = wire(f"35={msg_type}|34=1|49=GW|52={STAMP}|56=VENUE|{body}")
    assert CODEC.encode_tlv(msg_type, fields, head()) == expected


def test_fields_leave_in_the_order_given_and_may_hold_data() -> None:
    message = CODEC.encode_tlv("A", [(5000, "z"), (95, "3"), (96, b"a\x01b"), (1, "y")], head())
    assert fix.scan(message).fields[7:] == ((5000, b"z"), (95, b"3"), (96, b"a\x01b"), (1, b"y"))


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ([(112, "")], lib.GW_E_EMPTY),
        ([(112, "a\x01b")], lib.GW_E_TEXT),
        ([(96, "a\x01b")], lib.GW_E_TEXT),  # no length field before it
        ([(95, "2"), (96, "a\x01b")], lib.GW_E_TEXT),
        ([(95, "4"), (96, "abc")], lib.GW_E_TEXT),
        *(([(tag, "1")], lib.GW_E_ARGUMENT) for tag in (0, 8, 9, 10, 34, 35, 43, 49, 52, 56, 97, 122)),
    ],
)
def test_what_must_not_leave_is_refused(fields: list[tuple[int, str | bytes]], code: int) -> None:
    assert fault("0", fields) == code


def test_lengths_that_lie_are_refused() -> None:
    out = ffi.new("uint8_t[]", 512)
    good = fix.tlv([(112, "T1"), (58, "x")])
    for n in range(len(good)):
        whole = n in (0, 6)
        result = lib.gw_fix_encode_fields(head().raw, ord("0"), ffi.new("uint8_t[]", good[:n]), n, out, 512)
        assert (result > 0) == whole and (whole or result == lib.GW_E_ARGUMENT), n
    assert lib.gw_fix_encode_fields(head().raw, 0, good, len(good), out, 512) == lib.GW_E_ARGUMENT
    assert lib.gw_fix_encode_fields(head().raw, 0x0141, good, len(good), out, 512) == lib.GW_E_ARGUMENT


@pytest.mark.parametrize("size", [0, 1, 40, 41, 42, 43, 44, 45, 300, 940, 941, 942, 943, 944, 945, 946, 5000, 9940, 9941, 9942, 9943, 9944])
def test_body_length_has_as_many_digits_as_it_needs(size: int) -> None:
    fields: list[tuple[int, str | bytes]] = [(58, "x" * size)] if size else []
    message = CODEC.encode_tlv("0", fields, head())
    assert message == wire(f"35=0|34=1|49=GW|52={STAMP}|56=VENUE|" + (f"58={'x' * size}|" if size else ""))


def test_the_writer_at_every_buffer_size() -> None:
    for text in ("", "x" * 40, "x" * 300, "x" * 1000):
        fields = fix.tlv([(58, text)] if text else [])
        whole = CODEC.encode_tlv("0", [(58, text)] if text else [], head())
        for cap in range(len(whole) + 3):
            out = ffi.new("uint8_t[]", b"\xa5" * (cap + 16))
            n = lib.gw_fix_encode_fields(head().raw, ord("0"), fields, len(fields), out, cap)
            assert n == (len(whole) if cap >= len(whole) else lib.GW_E_SPACE), cap
            assert bytes(ffi.buffer(out))[cap:].startswith(b"\xa5" * 16), cap


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(100, 114), st.text("abc =+.", min_size=1, max_size=30)), max_size=20), st.integers(0, 10**18 - 1))
def test_simplefix_computes_the_same_length_and_sum(fields: list[tuple[int, str]], seq: int) -> None:
    message = simplefix.FixMessage()
    for tag, value in [(8, "FIX.4.4"), (35, "0"), (34, seq), (49, "GW"), (52, STAMP), (56, "VENUE"), *fields]:
        message.append_pair(tag, value)
    assert CODEC.encode_tlv("0", [(t, v) for t, v in fields], head().stamp(seq, NOW)) == message.encode()


# ---- headers ----


def test_a_header_is_ascending() -> None:
    more = {50: "trader", 57: "desk", 115: "firm", 128: "sub", 142: "NY"}
    message = CODEC.encode_tlv("0", [], head(more=more).stamp(5, NOW, NOW - 10**9, poss_resend=True))
    tags = [tag for tag, _ in fix.scan(message).fields]
    assert tags == [8, 9, 35, 34, 43, 49, 50, 52, 56, 57, 97, 122, 115, 128, 142]
    assert fix.scan(message).orig_sending_time == NOW - 10**9


@pytest.mark.parametrize(
    ("begin", "sender", "target", "more", "code"),
    [
        ("", "GW", "V", {}, lib.GW_E_EMPTY),
        ("FIX.4.4", "", "V", {}, lib.GW_E_EMPTY),
        ("FIX.4.4", "GW", "", {}, lib.GW_E_EMPTY),
        ("FIX.4.4", "G" * 65, "V", {}, lib.GW_E_TEXT),
        ("FIX.4.4", "G\x01W", "V", {}, lib.GW_E_TEXT),
        ("FIX.4.4", "GW", "V", {50: ""}, lib.GW_E_EMPTY),
        ("FIX.4.4", "GW", "V", {50: "x\x01"}, lib.GW_E_TEXT),
        ("FIX.4.4", "GW", "V", {50: "x" * 65}, lib.GW_E_TEXT),
        ("FIX.4.4", "GW", "V", {115: "x" * 64, 116: "x" * 64, 128: "x" * 64}, lib.GW_E_TEXT),  # more than there is room for
        ("FIX.4.4", "GW", "V", {57: "a", 50: "b"}, lib.GW_E_ARGUMENT),
        ("FIX.4.4", "GW", "V", {58: "a"}, lib.GW_E_ARGUMENT),
    ],
)
def test_a_header_that_cannot_be_is_refused(begin: str, sender: str, target: str, more: dict[int, str], code: int) -> None:
    with pytest.raises(FixFault) as caught:
        fix.Head(begin, sender, target, more)
    assert caught.value.code == code


def test_the_longest_header_fits() -> None:
    longest = fix.Head("F" * 64, "S" * 64, "T" * 64, {50: "a" * 64, 57: "b" * 64, 115: "c" * 64, 128: "d" * 64}).stamp(10**18 - 1, NOW, NOW, True)
    message = CODEC.encode_tlv("AAAA", [], longest)
    assert len(message) < lib.GW_FIX_HEAD_MAX
    with pytest.raises(FixFault):
        CODEC.encode_tlv("0", [], head().stamp(10**18, NOW))
    with pytest.raises(FixFault):
        CODEC.encode_tlv("0", [], head().stamp(1, -1))


def test_who_a_message_is_from() -> None:
    ours = head().raw
    view = ffi.new("gw_fix_msg *")
    for body, begin, differs in (
        ("35=0|34=1|49=VENUE|56=GW|", "FIX.4.4", 0),
        ("35=0|34=1|49=VENUE|56=GW|", "FIX.4.2", 8),
        ("35=0|34=1|49=VENUE2|56=GW|", "FIX.4.4", 49),
        ("35=0|34=1|56=GW|", "FIX.4.4", 49),
        ("35=0|34=1|49=VENUE|56=G|", "FIX.4.4", 56),
    ):
        message = wire(body, begin)
        assert lib.gw_fix_scan(message, len(message), view) > 0
        assert lib.gw_fix_head_differs(ours, message, view) == differs


def test_the_clock_follows_the_second() -> None:
    h = head()
    for ns, stamp in ((0, "19700101-00:00:00.000"), (NOW, STAMP), (NOW + 999_999, STAMP), (NOW + 10**9, "20261120-14:30:06.250"), (NOW, STAMP)):
        assert f"\x0152={stamp}\x01".encode() in CODEC.encode_tlv("0", [], h.stamp(1, ns))


# ---- a sent frame once more ----


def test_a_sent_frame_is_sent_again() -> None:
    # FIX 4.4 vol. 2: PossDupFlag set, OrigSendingTime the first SendingTime, same MsgSeqNum.
    first = wire("35=D|34=7|49=GW|50=t|52=20261120-08:00:00.123|56=VENUE|11=A1|58=x|")
    again = fix.redup(first, NOW)
    assert again == wire(f"35=D|34=7|43=Y|49=GW|50=t|52={STAMP}|56=VENUE|122=20261120-08:00:00.123|11=A1|58=x|")
    third = fix.redup(again, NOW + 10**9)
    assert third == wire("35=D|34=7|43=Y|49=GW|50=t|52=20261120-14:30:06.250|56=VENUE|122=20261120-08:00:00.123|11=A1|58=x|")


def test_what_encode_wrote_is_what_redup_writes() -> None:
    h = head(more={50: "t", 57: "d"})
    first = CODEC.encode_tlv("B", [(58, "x")], h.stamp(9, NOW))
    assert fix.redup(first, NOW + 10**9) == CODEC.encode_tlv("B", [(58, "x")], h.stamp(9, NOW + 10**9, NOW))


def test_a_frame_without_a_body_and_with_a_time_in_seconds() -> None:
    again = fix.redup(wire("35=0|34=7|49=GW|52=20261120-08:00:00|56=VENUE|128=X|"), NOW)
    assert again == wire(f"35=0|34=7|43=Y|49=GW|52={STAMP}|56=VENUE|122=20261120-08:00:00|128=X|")


@pytest.mark.parametrize(
    ("message", "now", "code"),
    [
        (wire("35=0|34=7|49=GW|56=V|"), NOW, lib.GW_E_MISSING),
        (wire("35=0|34=7|49=GW|52=x|56=V|"), NOW, lib.GW_E_FORMAT),
        (wire("35=0|34=7|49=GW|52=20261120-08:00:00|52=20261120-08:00:00|56=V|"), NOW, lib.GW_E_FORMAT),
        (wire("35=0|49=GW|52=20261120-08:00:00|56=V|"), NOW, lib.GW_E_SEQ_NUM),
        (wire(ORDER)[:-2], NOW, lib.GW_E_FRAME),
        (wire(ORDER), -1, lib.GW_E_RANGE),
    ],
)
def test_what_was_never_ours_is_not_sent_again(message: bytes, now: int, code: int) -> None:
    with pytest.raises(FixFault) as caught:
        fix.redup(message, now)
    assert caught.value.code == code


def test_a_resent_frame_needs_room() -> None:
    message = wire(ORDER)
    cap = len(message) + lib.GW_FIX_REDUP_MORE - 1
    out = ffi.new("uint8_t[]", b"\xa5" * (cap + 16))
    assert lib.gw_fix_redup(message, len(message), NOW, out, cap) == lib.GW_E_SPACE
    assert set(bytes(ffi.buffer(out))[:-1]) == {0xA5}


# ---- secrets ----


def test_a_secret_is_masked_and_the_sum_stays_right() -> None:
    logon = wire("35=A|34=1|49=S|52=20261120-08:00:00|56=T|95=7|96=a\x01b\x01c=1|98=0|108=30|553=me|554=secret|925=new=pw|")
    masked = CODEC.mask(logon)
    assert len(masked) == len(logon)
    seen = dict(fix.scan(masked).fields)
    assert (seen[96], seen[554], seen[925], seen[553], seen[98]) == (b"*******", b"******", b"******", b"me", b"0")
    assert CODEC.mask(masked) == masked


def test_a_message_without_secrets_stays_as_it_is() -> None:
    assert CODEC.mask(wire(ORDER)) == wire(ORDER)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("8=FIX.4.4|9=999|35=A|554=secret", "8=FIX.4.4|9=999|35=A|554=******"),  # cut off
        ("554=secret|10=1", "554=******|10=1"),
        ("0554=secret|", "0554=******|"),
        ("|||554=a=b|x554=no|554|=|554=|", "|||554=***|x554=no|554|=|554=|"),
        ("95=99|96=ab|554=x|58=y", "95=99|96=" + "*" * 13),  # the length lies: rather too much than too little
        ("95=1|96=abc|58=y|", "95=1|96=***|58=y|"),
        ("96=abc|58=y|", "96=***|58=y|"),
    ],
)
def test_a_secret_is_masked_in_a_garbled_message(text: str, masked: str) -> None:
    assert CODEC.mask(soh(text)) == soh(masked)


def test_a_wrong_checksum_stays_wrong() -> None:
    wrong = wire(HEADER + "554=secret|")[:-4] + b"000\x01"
    assert CODEC.mask(wrong)[-7:] == b"10=000\x01"


def test_a_lying_length_does_not_reach_the_checksum() -> None:
    masked = CODEC.mask(sealed(soh("8=FIX.4.4|9=20|35=A|34=1|95=99|96=ab|")))
    assert masked == sealed(soh("8=FIX.4.4|9=20|35=A|34=1|95=99|96=**|"))
