"""FIX frames: where one ends, what a garbled one costs, and what its index says. FIX 4.4 vol. 1 and session test cases 2 and 3."""

import calendar
import itertools
import random
import re
from pathlib import Path

import pytest
import simplefix
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.codecs import fix
from gateway.codecs.fix import FixFault, ffi, lib
from tests.codecs.fixtext import HEADER, ORDER, sealed, soh, wire

GOOD = wire(ORDER)
NEXT = wire("35=0|34=8|49=STRAT|52=20261120-08:00:01.000|56=GW|")


def code_of(message: bytes) -> int:
    """What gw_fix_scan says of `message`, in memory of exactly its size so that a sanitizer sees each byte read beside it."""
    return int(lib.gw_fix_scan(ffi.new("uint8_t[]", message), len(message), ffi.new("gw_fix_msg *")))


def take_all(stream: bytes, max_length: int = fix.FRAME_MAX) -> tuple[list[bytes], bytes]:
    """The frames that a reader takes out of `stream`, garbled bytes dropped, and what it still waits for."""
    frames = []
    while stream:
        length = fix.frame(stream, max_length)
        if length > 0:
            frames.append(stream[:length])
        elif length < 0:
            length = fix.resync(stream, max_length)
        if length == 0:
            break
        stream = stream[length:]
    return frames, stream


# ---- frames ----


def test_a_frame_ends_behind_its_checksum_and_the_rest_stays() -> None:
    assert fix.frame(GOOD) == len(GOOD)
    assert fix.frame(GOOD + NEXT) == len(GOOD)
    assert take_all(GOOD + NEXT + GOOD[:30]) == ([GOOD, NEXT], GOOD[:30])


def test_every_truncation_needs_more() -> None:
    for n in range(len(GOOD)):
        assert fix.frame(GOOD[:n]) == 0, n


@pytest.mark.parametrize(
    ("start", "fault"),
    [
        ("9=5|35=0|10=000|", lib.GW_E_FRAME),  # no BeginString
        ("8=FOX.4.4|", lib.GW_E_FRAME),
        ("8=FIX.4.4.with.a.long.name|", lib.GW_E_FRAME),  # longer than any BeginString
        ("8=FIX.4.4|35=0|", lib.GW_E_FRAME),  # 9 is not second
        ("8=FIX.4.4|9=|", lib.GW_E_FRAME),
        ("8=FIX.4.4|9=5x|", lib.GW_E_FRAME),
        ("8=FIX.4.4|9=-5|", lib.GW_E_FRAME),
        ("8=FIX.4.4|9=0000000005|", lib.GW_E_FRAME),  # ten digits
        ("8=FIX.4.4|9=4|35=|10=0", lib.GW_E_FRAME),  # no MsgType fits in four bytes
        ("8=FIX.4.4|9=5|35=00", lib.GW_E_FRAME),  # no SOH where the body ends
        ("8=FIX.4.4|9=5|35=0|11=", lib.GW_E_FRAME),  # no CheckSum there
        ("8=FIX.4.4|9=5|35=0|10=0|", lib.GW_E_FRAME),  # CheckSum has three digits always
        ("8=FIX.4.4|9=65520|", lib.GW_E_SIZE),
        ("8=FIX.4.4|9=999999999|", lib.GW_E_SIZE),
    ],
)  # fmt: skip
def test_a_wrong_beginning_is_a_fault_at_once(start: str, fault: int) -> None:
    assert fix.frame(soh(start)) == fault
    assert 0 <= fix.resync(soh(start)) <= len(soh(start))


def test_leading_zeros_of_body_length_are_a_number_like_any() -> None:
    padded = sealed(soh("8=FIX.4.4|9=00005|35=0|"))
    assert fix.frame(padded) == len(padded)


def test_the_longest_frame_is_the_sessions() -> None:
    assert fix.frame(GOOD, len(GOOD)) == len(GOOD)
    assert fix.frame(GOOD, len(GOOD) - 1) == lib.GW_E_SIZE


def test_bytes_before_a_message_are_dropped() -> None:
    for rubbish in (b"x", b"108=30\x01", b"8", b"8=", b"8=FIX\x00", b"\x01\x01", bytes(range(256))):
        assert take_all(rubbish + GOOD)[0] == [GOOD], rubbish


def test_a_partial_beginning_at_the_end_stays() -> None:
    for n in range(1, 5):
        assert fix.resync(b"rubbish" + b"8=FIX"[:n]) == 7
    assert fix.resync(b"rubbish" + b"8=FOX") == 12


def test_a_body_length_too_short_loses_one_message() -> None:
    # Session test case 2m.
    short = wire(ORDER, length=30)
    for n in range(len(short)):
        assert take_all(short[:n])[0] == []
    assert take_all(short + NEXT) == ([NEXT], b"")


def test_a_body_length_too_long_swallows_the_next_message_only() -> None:
    # Session test case 2m: the 10= that ends the frame is the next message's.
    body = len(soh(ORDER))
    for more in range(1, len(NEXT)):
        assert take_all(wire(ORDER, length=body + more) + NEXT + GOOD) == ([GOOD], b""), more


def test_a_length_beyond_the_limit_waits_for_nothing() -> None:
    assert take_all(wire(ORDER, length=60_000) + NEXT, 4096) == ([NEXT], b"")
    assert take_all(soh("8=FIX.4.4|9=60000|") + NEXT, 4096) == ([NEXT], b"")


def test_a_message_without_an_end_is_dropped_at_the_limit() -> None:
    endless = soh("8=FIX.4.4|9=10|35=0|" + "58=x|" * 100)
    assert fix.resync(endless, 4096) == 0
    assert fix.resync(endless, len(endless)) == len(endless)


def test_resync_always_moves_on() -> None:
    seed = random.Random(44)
    for _ in range(2000):
        stream = bytes(seed.choice(b"8=FIX.49\x01103501") for _ in range(seed.randrange(1, 60)))
        if fix.frame(stream, 64) < 0:
            assert 0 <= fix.resync(stream, 64) <= len(stream)
        if fix.frame(stream, len(stream)) < 0:
            assert fix.resync(stream, len(stream)) > 0


# ---- index ----


def test_a_scan_tells_header_and_fields() -> None:
    seen = fix.scan(wire("35=AF|34=007|43=Y|49=S|50=sub|52=20261120-08:00:00.123|56=T|97=N|122=19700101-00:00:01|584=q1|585=7|"))
    assert (seen.msg_type, seen.msg_seq_num, seen.begin_string) == ("AF", 7, "FIX.4.4")
    assert (seen.sender_comp_id, seen.target_comp_id, seen.poss_dup, seen.poss_resend) == ("S", "T", True, False)
    assert seen.sending_time == 1_795_161_600_123_000_000
    assert seen.orig_sending_time == 1_000_000_000
    assert (seen.odd, seen.first_body) == (0, 11)
    assert seen.fields[seen.first_body :] == ((584, b"q1"), (585, b"7"))


def test_the_header_in_any_order_says_the_same() -> None:
    told = {34: "34=7|", 49: "49=STRAT|", 52: "52=20261120-08:00:00.000|", 56: "56=GW|"}
    for order in itertools.permutations(told):
        seen = fix.scan(wire("35=D|" + "".join(told[tag] for tag in order) + "11=A|55=MSFT|"))
        assert (seen.msg_seq_num, seen.sender_comp_id, seen.target_comp_id) == (7, "STRAT", "GW")
        assert (seen.sending_time, seen.odd, seen.first_body) == (1_795_161_600_000_000_000, 0, 7)
    for left_out, tag in itertools.product(told, (34, 43, 49, 50, 52, 56)):  # one of them is missing, another there twice, or a fifth
        text = "".join(field for of, field in told.items() if of != left_out) + {43: "43=Y|", 50: "50=DESK|"}.get(tag, told.get(tag, ""))
        view, plain = ffi.new("gw_fix_msg *"), ffi.new("gw_fix_msg *")
        message = wire("35=D|" + text + "11=A|55=MSFT|")
        assert lib.gw_fix_scan(message, len(message), view) == lib.gw_fix_scan_plain(message, len(message), plain)
        assert bytes(ffi.buffer(view)) == bytes(ffi.buffer(plain)), message


def test_every_tag_is_what_it_is_wherever_it_stands() -> None:
    """Header, data, trailer and body fields among others, in the first 64 fields and behind them; both ways to index say the same."""
    view, plain = ffi.new("gw_fix_msg *"), ffi.new("gw_fix_msg *")
    for tag, ahead in itertools.product((*range(1012), 1024 + 34, 65536 + 96), (0, 1, 7, 60, 80)):
        for value in ("x", "Y", ""):
            message = wire(HEADER + "58=x|" * ahead + f"{tag}={value}|" + "11=A1|55=MSFT|")
            said = lib.gw_fix_scan(message, len(message), view)
            assert said == lib.gw_fix_scan_plain(message, len(message), plain)
            if said > 0:
                size = ffi.offsetof("gw_fix_msg", "field") + 8 * plain.field_count
                assert bytes(ffi.buffer(view, size)) == bytes(ffi.buffer(plain, size)), message


# ---- shapes ----

USUAL = soh("8=FIX.4.4|9=%d|35=8|34=107|49=VENUE|56=GW|52=20261120-08:00:59.123|37=V1|11=ORD01|150=F|14=100|6=415.25|58=%s|")


def usual(text: str = "filled") -> bytearray:
    """An ExecutionReport as most are, with its sum to be made."""
    body = len(USUAL % (100, text.encode())) - len("8=FIX.4.4|9=100|")
    return bytearray(USUAL % (body, text.encode()))


class Shapes:
    """Scans by what was seen before, and says so only if gw_fix_scan_plain says the same, result and fields."""

    def __init__(self) -> None:
        self.known = ffi.new("gw_fix_shapes *")
        self.like, self.plain = ffi.new("gw_fix_msg *"), ffi.new("gw_fix_msg *")

    def scan(self, message: bytes) -> int:
        exact = ffi.new("uint8_t[]", message)
        said = int(lib.gw_fix_scan_like(exact, len(message), self.known, self.like))
        assert said == lib.gw_fix_scan_plain(exact, len(message), self.plain), message
        if said > 0:
            size = ffi.offsetof("gw_fix_msg", "field") + 8 * self.plain.field_count
            assert bytes(ffi.buffer(self.like, size)) == bytes(ffi.buffer(self.plain, size)), message
        return said

    def learn(self, message: bytes) -> bool:
        """Scan it as often as it takes to be remembered; whether it was."""
        for _ in range(8):
            assert self.scan(message) == len(message)
        return self.is_known(message)

    def is_known(self, message: bytes) -> bool:
        """Whether a message so long is remembered, and this one like it."""
        shape = self.known.shape[len(message) % lib.GW_FIX_SHAPES]
        misses = shape.misses
        return self.scan(message) > 0 and bool(shape.length == len(message) and shape.misses <= misses)


def test_a_message_like_one_before_says_what_a_scan_says() -> None:
    """Every byte of a remembered message, changed to any that means something."""
    shapes = Shapes()
    message = usual()
    assert shapes.learn(sealed(bytes(message)))
    starts = itertools.accumulate(len(field) + 1 for field in message.split(b"\x01"))
    values = {i for start in list(starts)[2:-2] for i in range(message.index(b"=", start) + 1, message.index(b"\x01", start))}
    for i, byte in itertools.product(range(len(message)), b"\x01=0123569A:-.Y \xff"):
        changed = bytearray(message)
        changed[i] = byte
        shapes.scan(bytes(changed) + sealed(bytes(message))[-7:])  # the sum as it was
        good = shapes.scan(sealed(bytes(changed))) > 0 and not shapes.plain.odd
        assert shapes.is_known(sealed(bytes(changed))) == (good and (changed == message or (i in values and byte != 1)))
        assert shapes.is_known(sealed(bytes(message)))


@pytest.mark.parametrize("size", [*range(1, 70), 300, 405, 406, 407, 408])
def test_a_shape_ends_anywhere_in_a_block(size: int) -> None:
    shapes = Shapes()
    message = usual("x" * size)
    assert shapes.learn(sealed(bytes(message))) == (len(message) <= lib.GW_FIX_SHAPE_MAX)
    for i in range(len(message) - 40, len(message)):
        for byte in b"\x01=1":
            changed = bytearray(message)
            changed[i] = byte
            shapes.scan(sealed(bytes(changed)))
    for i in range(-7, 0):
        whole = bytearray(sealed(bytes(message)))
        whole[i] ^= 1
        assert shapes.scan(bytes(whole)) < 0


def test_a_shape_tells_one_second_from_the_next() -> None:
    shapes = Shapes()
    assert shapes.learn(sealed(bytes(usual())))
    for clock in ("08:00:59.124", "08:01:00.000", "08:01:00.001", "08:01:60.001", "23:59:60.500", "23:59:60.501", "23:59:59.500", "23:59:5x.500", "23:59:59,500", "23:59:59.50x"):
        shapes.scan(sealed(bytes(usual()).replace(b"08:00:59.123", clock.encode())))
        good = "x" not in clock and "," not in clock and "01:60" not in clock
        assert good == (shapes.like.sending_time > 0)


@pytest.mark.parametrize(
    "body",
    [
        HEADER + "95=3|96=a|b|58=filled|",  # a data field: its SOH is not one of the shape's
        HEADER + "95=3|96=abc|58=filled|",
        HEADER + "43=Y|58=filled|",
        HEADER + "0=x|58=filled|",
        HEADER + "12345=x|58=filled|",
        HEADER + "58=|11=ORD0001|",
        HEADER + "58=filled|43=Y|",
        HEADER + "58=filled|34=8|",
        HEADER + "".join(f"{tag}=x|" for tag in range(500, 558)),
    ],
)
def test_what_is_not_usual_is_not_remembered(body: str) -> None:
    message = wire(body)
    assert not Shapes().learn(message)


def test_shapes_come_and_go_and_never_matter(seed: int = 44) -> None:
    """Messages of a few shapes in any order, odd ones among them; all that counts is compared in scan."""
    chance = random.Random(seed)
    shapes = Shapes()
    for _ in range(3000):
        text = "x" * chance.choice((1, 1, 2, 17, 18))
        message = sealed(bytes(usual(text)).replace(b"37=V1", chance.choice((b"37=V1", b"37=V2", b"7=V11", b"37=\x011", b"96=V1"))))
        shapes.scan(message)


@pytest.mark.parametrize("year", [1969, 1970, 1999, 2000, 2001, 2024, 2099, 2100, 2101, 2200, 2201, 2261, 2262])
def test_a_date_is_one_of_the_calendar(year: int) -> None:
    """Each combination of month and day, against Python's calendar; an odd SendingTime reads as 0."""
    for month, day in itertools.product(range(15), range(33)):
        seen = fix.scan(wire(f"35=0|34=7|49=STRAT|56=GW|52={year:04}{month:02}{day:02}-12:00:00|"))
        real = 1 <= month <= 12 and 1 <= day <= calendar.monthrange(year, month)[1] and 1970 <= year <= 2261
        noon = calendar.timegm((year, month, day, 12, 0, 0)) * 1_000_000_000 if real else 0
        assert seen.sending_time == noon and bool(seen.odd & lib.GW_FIX_ODD_VALUE) != real


@pytest.mark.parametrize(
    ("message", "fault"),
    [
        (wire(ORDER)[:-4] + b"999\x01", lib.GW_E_CHECKSUM),
        (sealed(soh("8=FIX.4.4|9=9|34=1|35=0|")), lib.GW_E_HEADER),  # case 2t: 34 where 35 belongs
        (sealed(soh("8=FIX.4.4|35=0|9=5|34=1|")), lib.GW_E_HEADER),
        (sealed(soh("35=0|8=FIX.4.4|9=5|34=1|")), lib.GW_E_HEADER),
        (sealed(soh("8=FIX.4.4|9=5|")), lib.GW_E_HEADER),
        (wire("35=0|34=1|10=000|112=x|"), lib.GW_E_HEADER),  # a second CheckSum
        (wire(ORDER, length=len(ORDER) - 1), lib.GW_E_FRAME),
        (wire(HEADER.replace("34=7|", "")), lib.GW_E_SEQ_NUM),
        (wire("35=0|34=|"), lib.GW_E_SEQ_NUM),
        (wire("35=0|34=-1|"), lib.GW_E_SEQ_NUM),
        (wire("35=0|34=1000000000000000000|"), lib.GW_E_SEQ_NUM),  # 10^18
        (wire(HEADER + "4garbled9=TW|"), lib.GW_E_SYNTAX),  # case 2d
        (wire(HEADER + "9garbled=TW|"), lib.GW_E_SYNTAX),
        (wire(HEADER + "novalue|"), lib.GW_E_SYNTAX),
        (wire(HEADER + "112|"), lib.GW_E_SYNTAX),
        (wire(HEADER + "=x|"), lib.GW_E_SYNTAX),
        (wire(HEADER + "-=x|"), lib.GW_E_SYNTAX),
        (wire(HEADER + "|"), lib.GW_E_SYNTAX),
        (wire(HEADER + "+1=x|"), lib.GW_E_SYNTAX),
        (wire(HEADER + "95=9|96=abc|"), lib.GW_E_SYNTAX),  # the data field is not as long as said
        (wire(HEADER + "95=2|96=abc|"), lib.GW_E_SYNTAX),
        (wire(HEADER + "95=99999|96=abc|"), lib.GW_E_SYNTAX),
        (wire(HEADER + "95=x|96=abc|"), lib.GW_E_SYNTAX),
    ],
)  # fmt: skip
def test_a_garbled_message_is_named(message: bytes, fault: int) -> None:
    assert code_of(message) == fault


@pytest.mark.parametrize(
    ("body", "odd", "field"),
    [
        (HEADER + "0=HI|", lib.GW_FIX_ODD_TAG, 7),  # case 14a: an integer, but no tag number
        (HEADER + "-1=HI|", lib.GW_FIX_ODD_TAG, 7),
        (HEADER + "0112=HI|", lib.GW_FIX_ODD_TAG, 7),
        (HEADER + "9999999999=HI|", lib.GW_FIX_ODD_TAG, 7),
        (HEADER + "112=|", lib.GW_FIX_ODD_EMPTY, 7),  # case 14d
        (HEADER.replace("STRAT", ""), lib.GW_FIX_ODD_EMPTY, 4),
        (HEADER + "112=x|50=s|", lib.GW_FIX_ODD_LATE, 8),  # case 14g
        (HEADER + "34=8|", lib.GW_FIX_ODD_REPEATED, 7),  # case 14h: the first counts
        (HEADER + "43=y|", lib.GW_FIX_ODD_VALUE, 7),
        (HEADER + "97=YES|", lib.GW_FIX_ODD_VALUE, 7),
        (HEADER.replace("08:00:00.123", "08:00:00.1234"), lib.GW_FIX_ODD_VALUE, 5),
        (HEADER.replace("20261120", "20260230"), lib.GW_FIX_ODD_VALUE, 5),
        ("35=toolong|34=7|", 0, None),
    ],
)
def test_what_is_odd_still_counts(body: str, odd: int, field: int | None) -> None:
    seen = fix.scan(wire(body))
    assert (seen.msg_seq_num, seen.odd, seen.odd_field) == (7, odd, field)


def test_a_data_field_may_hold_anything() -> None:
    data = bytes(range(256))
    for length, tag in ((95, 96), (354, 355), (93, 89), (212, 213), (90, 91)):
        frame = soh(HEADER) + b"%d=256\x01%d=%b\x01112=x\x01" % (length, tag, data)
        seen = fix.scan(sealed(soh(f"8=FIX.4.4|9={len(frame)}|") + frame))
        assert seen.fields[-2:] == ((tag, data), (112, b"x"))
        assert seen.odd == 0
    assert fix.scan(wire(HEADER + "96=without its length|")).fields[-1] == (96, b"without its length")


def test_as_many_fields_as_the_index_holds() -> None:
    most = lib.GW_FIX_FIELDS - 7
    assert len(fix.scan(wire(HEADER + "58=x|" * most)).fields) == lib.GW_FIX_FIELDS
    for extra in (1, 2, 5, 1000):
        view = ffi.new("gw_fix_msg *")
        message = wire(HEADER + "58=x|" * (most + extra))
        assert lib.gw_fix_scan(message, len(message), view) == lib.GW_E_FIELDS
        assert (view.msg_seq_num, view.field_count) == (7, lib.GW_FIX_FIELDS)


def test_every_byte_corrupted_is_seen() -> None:
    # One byte changed changes the sum modulo 256, whatever the byte.
    for i in range(len(GOOD)):
        for value in {0, 1, 47, 48, 57, 58, 61, 255, GOOD[i] ^ 1, GOOD[i] ^ 128} - {GOOD[i]}:
            damaged = GOOD[:i] + bytes([value]) + GOOD[i + 1 :]
            assert code_of(damaged) < 0, (i, value)


def test_damage_under_a_true_checksum_never_goes_unread() -> None:
    # Any byte but those of 10= itself, the sum made right again: a fault, or every byte accounted for in a field.
    for i in range(len(GOOD) - 7):
        for value in (0, 1, 48, 61, 255):
            damaged = sealed(GOOD[:i] + bytes([value]) + GOOD[i + 1 : -7])
            try:
                seen = fix.scan(damaged)
            except FixFault:
                continue
            pairs = [field.split(b"=", 1) for field in damaged[:-8].split(b"\x01")]
            assert [value for _, value in seen.fields] == [value for _, value in pairs]
            assert all(tag in (0, int(text)) for (tag, _), (text, _) in zip(seen.fields, pairs, strict=True))


def test_truncated_and_extended_frames_are_faults() -> None:
    for n in range(len(GOOD)):
        assert code_of(GOOD[:n]) < 0
    assert code_of(GOOD + b"x") < 0


tags = st.one_of(st.integers(11, 33), st.integers(100, 114), st.integers(1000, 1010), st.integers(5000, 65535), st.just(4_294_967_295))
values = st.binary(min_size=1, max_size=40).map(lambda b: b.replace(b"\x01", b"_"))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(tags, values), max_size=60), st.integers(0, 10**18 - 1))
def test_simplefix_and_we_read_the_same(body: list[tuple[int, bytes]], seq: int) -> None:
    message = simplefix.FixMessage()
    for tag, value in [(8, "FIX.4.4"), (35, "D"), (34, seq), (49, "S"), (52, "20261120-08:00:00.000"), (56, "T"), *body]:
        message.append_pair(tag, value)
    frame = message.encode()
    assert fix.frame(frame) == len(frame)
    seen = fix.scan(frame)
    assert list(seen.fields[7:]) == body
    assert seen.msg_seq_num == seq


def test_the_outside_definitions_read_as_their_names_say(outside: Path) -> None:
    folder = outside / "fix-acceptance" / "definitions" / "fix44"
    read, refused = 0, set()
    for path in sorted(folder.glob("*.def")):
        for line in path.read_bytes().splitlines():
            if not line.startswith(b"I") or b"=" not in line:
                continue
            text = re.sub(rb"^I(\d+,)?", b"", line)  # the number of the client, where there are several
            frame = _completed(re.sub(rb"<TIME([+-]\d+)?>", b"20261120-08:00:00", text))
            try:
                if fix.frame(frame) != len(frame):
                    raise FixFault(fix.frame(frame))
                fix.scan(frame)
                read += 1
            except FixFault:
                refused.add(path.name.partition("_")[0])
    assert read > 250
    assert refused == {"1d", "2d", "2m", "2t", "3b", "3c"}


def _completed(message: bytes) -> bytes:
    """A message of a definition file with BodyLength and CheckSum where it has none, as the files' runner does."""
    if not message.startswith(b"8="):
        return message
    fields = message.split(b"\x01")[:-1]
    if not fields[1].startswith(b"9="):
        body = b"\x01".join(fields[1:]) + b"\x01"
        if fields[-1].startswith(b"10="):
            body = b"\x01".join(fields[1:-1]) + b"\x01"
        fields.insert(1, b"9=%d" % len(body))
    if fields[-1].startswith(b"10="):
        return b"\x01".join(fields) + b"\x01"
    return sealed(b"\x01".join(fields) + b"\x01")


# ---- identifiers ----


@pytest.mark.parametrize(("number", "text"), [(0, "0" * 13), (35, "0" * 12 + "Z"), (36, "0" * 11 + "10"), (2**64 - 1, "3W5E11264SGSF")])
def test_base36_has_thirteen_digits(number: int, text: str) -> None:
    out = ffi.new("uint8_t[13]")
    assert lib.gw_base36_encode(number, out) == 13
    assert bytes(out).decode() == text
    back = ffi.new("uint64_t *")
    assert lib.gw_base36_decode(text.encode(), 13, back) == 13
    assert back[0] == number == int(text, 36)


@pytest.mark.parametrize("text", ["", "0", "0" * 12, "0" * 14, "000000000000z", "000000000000-", "000000000000:", "3W5E11264SGSG", "ZZZZZZZZZZZZZ"])
def test_what_is_not_base36_is_refused(text: str) -> None:
    assert lib.gw_base36_decode(text.encode(), len(text), ffi.new("uint64_t *")) == lib.GW_E_FORMAT


@given(st.lists(st.integers(0, 2**64 - 1), max_size=20))
def test_base36_text_order_is_number_order(numbers: list[int]) -> None:
    out = ffi.new("uint8_t[13]")
    texts = []
    for number in sorted(numbers):
        lib.gw_base36_encode(number, out)
        texts.append(bytes(out))
    assert texts == sorted(texts)
