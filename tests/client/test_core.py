"""The client's machine: golden frames both ways, every split, resume without loss or double, and everything a gateway must not send."""

import hmac

import pytest

from gateway.client import wire
from gateway.client._records import ORDER
from gateway.client.core import (
    HEARTBEAT_NS,
    LOGIN_NS,
    SILENCE_NS,
    ApiSession,
    Error,
    Event,
    Key,
    Lost,
    Ready,
    State,
    parse_key,
)
from gateway.client.errors import NotConnected
from gateway.client.report import Report
from tests.client.gateway_side import KEY_LINE, NONCE, SECRET, accepted, end, error, filled, frame, hello, new, rejected

KEY = Key("DEMO", SECRET)
NOW = 1_700_000_000_000_000_000


def opened(*, next_seq: int = 1, last_id: int = 0) -> ApiSession:
    session = ApiSession(KEY)
    session.connected(NOW)
    session.receive(hello() + accepted(next_seq, last_id), NOW)
    assert session.state is State.OPEN
    session.take_output()
    return session


# Golden bytes, written by hand from the wire table of the order API.
def test_the_login_is_these_bytes() -> None:
    session = ApiSession(KEY, next_seq=7)
    session.connected(NOW)
    assert session.receive(hello(), NOW) == []
    assert session.take_output().hex(" ", -8).split() == [
        "500000004c010000", "0000000000000000",  # 80 bytes, L, version 1, number 0
        "44454d4f00000000", "0000000000000000",  # DEMO
        "0000000000000000", "0700000000000000",  # last id unknown, report 7 is wanted next
        *hmac.digest(SECRET, NONCE, "sha256").hex(" ", -8).split(),
    ]  # fmt: skip


def test_a_new_order_is_these_bytes() -> None:
    session = opened(last_id=41)
    values = {"symbol": "AAPL", "side": "1", "order_qty": 100, "price": 18725, "px_exp": -2, "qty_exp": 0, "ord_type": "2", "venue": "nasdaq"}
    assert session.request("D", values, NOW) == 42
    sent = session.take_output()
    assert sent[:16].hex() == "c80100004e010000" + "2a00000000000000"  # 456 bytes, N, id 42
    record = bytearray(440)
    has = 1 << 0 | 1 << 8 | 1 << 10 | 1 << 20 | 1 << 21 | 1 << 22 | 1 << 23 | 1 << 24 | 1 << 38 | 1 << 39
    record[0:8] = has.to_bytes(8, "little")
    record[8:16] = (42).to_bytes(8, "little")
    record[72:80] = (18725).to_bytes(8, "little")
    record[88:96] = (100).to_bytes(8, "little")
    record[164] = 256 - 2
    record[166:169] = b"D12"
    record[232:236] = b"AAPL"
    record[248:254] = b"nasdaq"
    assert sent[16:] == record


def test_frames_of_a_gateway_are_read_from_these_bytes() -> None:
    session = ApiSession(KEY)
    session.connected(NOW)
    session.receive(bytes.fromhex("4000000068010000 0000000000000000" + "6e" * 32 + "6c6f63616c0000000000000000000000"), NOW)
    assert session.receive(bytes.fromhex("2800000041010000 0000000000000000 0900000000000000 2a00000000000000 03000000 00000000"), NOW) == [
        Ready("local", 42, False)
    ]
    assert (session.next_seq, session.last_id) == (9, 42)
    text = b"order_qty: missing".ljust(64, b"\0").hex()
    assert session.receive(bytes.fromhex("5800000045010000 0000000000000000 2b00000000000000" + text), NOW) == [Error(43, "order_qty: missing")]
    assert session.receive(bytes.fromhex("1000000048010000 0000000000000000"), NOW) == []


SCRIPT = hello() + accepted(5, 41) + new(5, 42) + frame(b"H") + filled(6, 42) + error(43, b"no") + end(b"shutdown")


def told(session: ApiSession, *chunks: bytes) -> list[Event]:
    return [event for chunk in chunks for event in session.receive(chunk, NOW)]


def as_text(events: list[Event]) -> list[str]:
    return [repr(event) for event in events]


def test_every_split_of_the_stream_tells_the_same() -> None:
    whole = ApiSession(KEY)
    whole.connected(NOW)
    want = as_text(told(whole, SCRIPT))
    assert [line.split("(")[0].split(" ")[0] for line in want] == ["Ready", "<Report", "<Report", "Error", "Lost"]
    for cut in range(len(SCRIPT) + 1):
        session = ApiSession(KEY)
        session.connected(NOW)
        assert as_text(told(session, SCRIPT[:cut], SCRIPT[cut:])) == want, f"cut at {cut}"
    session = ApiSession(KEY)
    session.connected(NOW)
    assert as_text(told(session, *(SCRIPT[i : i + 1] for i in range(len(SCRIPT))))) == want


def test_after_a_lost_connection_the_stream_goes_on_without_loss_or_double() -> None:
    session = opened()
    first = told(session, new(1, 1), filled(2, 1)[:500])
    session.disconnected()
    session.connected(NOW)
    session.receive(hello(), NOW)
    assert session.take_output()[16 + 24 : 16 + 32] == (2).to_bytes(8, "little"), "report 2, of which only a part came, is wanted next"
    # The gateway begins a little before what was asked in the stream itself: what came already is dropped.
    second = told(session, accepted(2, 1, 1), new(1, 1), filled(2, 1), new(3, 2))
    assert [event.seq for event in first + second if isinstance(event, Report)] == [1, 2, 3]
    assert session.duplicates == 1


def test_a_hole_in_the_stream_ends_the_connection_and_asks_again() -> None:
    session = opened()
    assert told(session, new(1, 1), new(3, 3), new(4, 4))[1:] == [Lost("the gateway sent report 3 where 2 is due", True)]
    assert session.next_seq == 2


def test_another_stream_is_never_taken_for_the_one_before() -> None:
    session = opened()
    told(session, new(1, 1))
    session.disconnected()
    session.connected(NOW)
    (lost,) = told(session, hello() + accepted(1, 0))
    assert isinstance(lost, Lost) and not lost.again and "report 2 is due" in lost.reason


def test_ids_rise_over_connections_and_begin_above_what_the_gateway_knows() -> None:
    session = opened(last_id=10)
    assert [session.request("F", {"orig_cl_ord_num": 3}, NOW) for _ in range(2)] == [11, 12]
    with pytest.raises(ValueError, match="no field colour"):
        session.request("D", {"colour": 1}, NOW)
    assert session.request("q", {"mass_scope": "7"}, NOW) == 13, "a request that was not made uses no id"
    session.disconnected()
    session.connected(NOW)
    session.receive(hello(), NOW)
    assert session.take_output()[16 + 16 : 16 + 24] == (13).to_bytes(8, "little"), "the login names the last id used"
    told(session, accepted(1, 12))
    assert session.request("D", {}, NOW) == 14
    assert ApiSession(KEY, first_id=500).last_id == 0


def test_ids_of_a_new_process_begin_where_its_shell_says_if_that_is_higher() -> None:
    session = ApiSession(KEY, first_id=500)
    session.connected(NOW)
    told(session, hello() + accepted(1, 100))
    assert [session.request("D", {}, NOW), session.request("D", {}, NOW)] == [500, 501]


def test_a_restarted_gateway_is_noticed() -> None:
    session = opened()
    for epoch, restarted in ((1, False), (2, True), (2, False)):
        session.disconnected()
        session.connected(NOW)
        assert told(session, hello() + accepted(1, 0, epoch)) == [Ready("local", 0, restarted)]


def test_a_wrong_key_is_refused_in_words_and_not_tried_again() -> None:
    session = ApiSession(Key("DEMO", b"x" * 32))
    session.connected(NOW)
    session.receive(hello(), NOW)
    assert session.take_output()[-32:] != hmac.digest(SECRET, NONCE, "sha256")
    assert told(session, rejected(b"unknown strategy or wrong key")) == [
        Lost("the gateway refused the login of DEMO: unknown strategy or wrong key", False)
    ]


def test_a_refusal_of_a_key_that_was_right_before_is_tried_again() -> None:
    session = opened()
    session.disconnected()
    session.connected(NOW)
    assert told(session, hello() + rejected(b"draining")) == [Lost("the gateway refused the login of DEMO: draining", True)]


@pytest.mark.parametrize(
    ("bytes_in", "reason"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "unknown type"),
        (b"8=FIX.4.4\x019=5\x0135=0\x01", "unknown type"),
        (frame(b"S", b"\0" * 895, 1), "911 bytes; it has 912"),
        (b"\xff\xff\xff\xff" + frame(b"H")[4:], "4294967295 bytes; it has 16"),
        (b"\0\0\0\0" + frame(b"H")[4:], "0 bytes; it has 16"),
        (frame(b"H")[:5] + b"\2" + frame(b"H")[6:], "version 2; this client speaks version 1"),
        (hello(), "a frame h while open"),
        (accepted(), "a frame A while open"),
        (frame(b"L", b"\0" * 64), "unknown type"),
        (frame(b"S", b"\xff" * 896, 1), "'ascii' codec"),
    ],
)
def test_what_no_gateway_sends_ends_the_connection(bytes_in: bytes, reason: str) -> None:
    session = opened()
    (lost,) = told(session, bytes_in)
    assert isinstance(lost, Lost) and reason in lost.reason
    assert session.state is State.DOWN and session.receive(new(1, 1), NOW) == []


def test_a_report_before_the_login_is_not_taken() -> None:
    session = ApiSession(KEY)
    session.connected(NOW)
    (lost,) = told(session, hello() + filled(1, 1))
    assert isinstance(lost, Lost) and not lost.again


def test_each_byte_of_a_report_corrupted_is_an_error_or_a_report_never_a_crash() -> None:
    good = filled(1, 1)
    for at in range(len(good)):
        session = opened()
        for event in told(session, good[:at] + bytes([good[at] ^ 0xFF]) + good[at + 1 :]):
            assert isinstance(event, Report | Lost)
            assert str(event) and repr(event)


def test_nothing_is_sent_where_there_is_no_session() -> None:
    session = ApiSession(KEY)
    with pytest.raises(NotConnected, match="not sent"):
        session.request("D", {}, NOW)
    session.connected(NOW)
    with pytest.raises(NotConnected, match="waiting for the gateway's greeting"):
        session.request("D", {}, NOW)
    assert session.take_output() == b""


def test_heartbeats_are_deadlines() -> None:
    session = opened()
    assert session.deadline_ns == NOW + HEARTBEAT_NS
    assert session.tick(NOW + HEARTBEAT_NS - 1) == [] and session.take_output() == b""
    assert session.tick(NOW + HEARTBEAT_NS) == []
    assert session.take_output().hex() == "10000000480100000000000000000000"
    assert session.deadline_ns == NOW + 2 * HEARTBEAT_NS
    session.request("D", {}, NOW + 2 * HEARTBEAT_NS - 1)
    session.take_output()
    assert session.tick(NOW + 2 * HEARTBEAT_NS) == [] and session.take_output() == b"", "an order says that we live"


def test_a_silent_gateway_is_lost() -> None:
    session = opened()
    assert session.receive(frame(b"H"), NOW + 5) == []
    assert session.tick(NOW + SILENCE_NS + 4) == []
    (lost,) = session.tick(NOW + SILENCE_NS + 5)
    assert isinstance(lost, Lost) and lost.again and "silent for 15 s" in lost.reason


def test_a_gateway_that_does_not_greet_or_answer_is_lost() -> None:
    session = ApiSession(KEY)
    session.connected(NOW)
    assert session.deadline_ns == NOW + LOGIN_NS and session.tick(NOW + LOGIN_NS - 1) == []
    (lost,) = session.tick(NOW + LOGIN_NS)
    assert isinstance(lost, Lost) and "greeting" in lost.reason
    session.connected(NOW)
    session.receive(hello(), NOW + LOGIN_NS - 1)
    (lost,) = session.tick(NOW + LOGIN_NS)
    assert isinstance(lost, Lost) and "answer to the login" in lost.reason


def test_the_logout_is_sent_once_there_is_a_session() -> None:
    session = opened()
    session.logout(NOW)
    assert session.take_output().hex() == "100000004f0100000000000000000000"
    assert told(session, end(b"goodbye")) == [Lost("the gateway ended the session: goodbye", True)]
    session.logout(NOW)
    assert session.take_output() == b""


def test_key_files_are_read_or_refused_without_their_secret() -> None:
    assert parse_key(KEY_LINE + "\n", "demo.key") == KEY
    assert "AAEC" not in repr(KEY) and str(SECRET) not in repr(KEY)
    for wrong in ("", "DEMO", "DEMO:", "DEMO:c2hvcnQ=", "DEMO:!!! no base64 !!!", ":" + KEY_LINE[5:], "A" * 17 + KEY_LINE[4:], "DÉMO" + KEY_LINE[4:]):
        with pytest.raises(ValueError, match="demo.key:1: ") as told_error:
            parse_key(wrong, "demo.key")
        secret = wrong.partition(":")[2]
        assert not secret or secret not in str(told_error.value)


def test_the_sizes_are_those_of_the_records() -> None:
    assert ORDER.size == 440 and wire.FRAME_MAX == 16 + 896
