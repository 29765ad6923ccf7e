"""`gateway decode` and `gateway encode`: every message there and back, and what is said of bytes that are wrong."""

import io
import json
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.codecs import fix_reference
from gateway.journal.journal import Journal, JournalConfig, attach_ring, boot_id, ring_path
from gateway.journal.record import Kind
from gateway.journal.restart import restart
from gateway.journal.store import DirStore
from gateway.seams import SystemRng
from gateway.tools import journal_cli
from gateway.tools.codec_cli import decode_main, encode_main
from gateway.tools.journal_cli import main as journal_main
from tests.codecs.fixtext import wire
from tests.codecs.golden import all_of
from tests.codecs.support import PROTOCOLS
from tests.journal.ring import append_to

Out = pytest.CaptureFixture[str]
ORDER = next(g for g in all_of("ouch50") if g.message == "EnterOrder")
ACCEPTED = next(g for g in all_of("ouch50") if g.message == "OrderAccepted")


def pcap(*packets: bytes, magic: bytes = b"\xd4\xc3\xb2\xa1", link: int = 1) -> bytes:
    """A little-endian libpcap file of Ethernet packets."""
    head = magic + struct.pack("<HHiIII", 2, 4, 0, 0, 65535, link)
    return head + b"".join(struct.pack("<IIII", 0, 0, len(p), len(p)) + p for p in packets)


def tcp(payload: bytes, seq: int = 1000, ports: tuple[int, int] = (40000, 7000), vlan: bool = False, trailer: bytes = b"") -> bytes:
    """An Ethernet packet with IPv4, TCP and `payload`; short packets have a trailer that is not theirs."""
    segment = struct.pack(">HHIIBBHHH", *ports, seq, 0, 5 << 4, 0x18, 512, 0, 0) + payload
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(segment), 1, 0, 64, 6, 0, b"\x0a\0\0\1", b"\x0a\0\0\2")
    return bytes(12) + (b"\x81\0\0\x05" if vlan else b"") + b"\x08\0" + ip + segment + trailer


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_golden_message_there_and_back(protocol: str, capsys: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    for g in all_of(protocol):
        assert decode_main([protocol, "--hex", g.data.hex(), "--from", g.sender]) == 0
        line = json.loads(capsys.readouterr().out)
        direction = "client->venue" if g.sender == "client" else "venue->client"
        assert line == {"message": g.message, "direction": direction, "offset": 0, "length": len(g.data), "fields": g.fields}
        # From message and fields alone: the rest of the line is not needed.
        monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps({"message": line["message"], "fields": line["fields"]}) + "\n\n"))
        assert encode_main([protocol]) == 0
        assert capsys.readouterr().out == g.data.hex() + "\n"


def test_several_messages_of_both_directions_have_their_offsets(capsys: Out) -> None:
    assert decode_main(["ouch50", "--hex", (ORDER.data + ACCEPTED.data + ORDER.data).hex()]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(x["message"], x["direction"], x["offset"]) for x in lines] == [
        ("EnterOrder", "client->venue", 0),
        ("OrderAccepted", "venue->client", len(ORDER.data)),
        ("EnterOrder", "client->venue", len(ORDER.data) + len(ACCEPTED.data)),
    ]


def test_fix_there_and_back(capsys: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    message = b"8=FIX.4.4\x019=51\x0135=0\x0134=2\x0149=A\x0156=B\x0152=20250301-12:00:00.000\x01"
    message += b"10=%03d\x01" % (sum(message) % 256)
    message = message.replace(b"9=51", b"9=%d" % (message.index(b"10=") - message.index(b"35=")))
    message = message[:-7] + b"10=%03d\x01" % (sum(message[:-7]) % 256)
    assert decode_main(["fix44", "--hex", message.hex()]) == 0
    line = capsys.readouterr().out
    assert json.loads(line)["message"] == "Heartbeat"
    monkeypatch.setattr("sys.stdin", io.StringIO(line))
    assert encode_main(["fix44"]) == 0
    assert capsys.readouterr().out == message.hex() + "\n"


def test_fix_says_who_sends_what_only_one_side_can(capsys: Out) -> None:
    head = "34=2|49=A|52=20250301-12:00:00.000|56=B|"
    for kind, direction in {"D": "client->venue", "AF": "client->venue", "8": "venue->client", "9": "venue->client", "0": "either", "j": "either", "U7": "either"}.items():
        assert decode_main(["fix44", "--hex", wire(f"35={kind}|{head}").hex()]) == 0
        assert json.loads(capsys.readouterr().out)["direction"] == direction, kind


HEARTBEAT = wire("35=0|34=2|49=A|52=20250301-12:00:00.000|56=B|")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (HEARTBEAT[:-4] + b"000\x01", f"message at 0, byte {len(HEARTBEAT) - 7}: CheckSum is 000; {sum(HEARTBEAT[:-7]) % 256:03} is right [GW_E_CHECKSUM]"),
        (b"\0" + HEARTBEAT, "message at 0, byte 0: no message begins so; 8=FIX.4.4, 9=LENGTH and so many bytes up to 10=SUM would be one [GW_E_FRAME]"),
        (wire("35=0|49=A|52=20250301-12:00:00.000|56=B|"), "message at 0, byte 0: GW_E_SEQ_NUM\n"),
        (HEARTBEAT + HEARTBEAT[:20], f"20 bytes are left over at {len(HEARTBEAT)}: "),
    ],
)
def test_a_fix_message_that_is_none_is_exit_1_and_says_what_is_right(data: bytes, said: str, capsys: Out) -> None:
    assert decode_main(["fix44", "--hex", data.hex()]) == 1
    assert said in capsys.readouterr().err


def test_the_version_of_a_fix_dialect_is_that_of_its_document(capsys: Out) -> None:
    assert decode_main(["fix44", "--hex", HEARTBEAT.hex(), "--version", "4.4"]) == 0
    assert decode_main(["fix44", "--hex", HEARTBEAT.hex(), "--version", "4.2"]) == 1
    assert "the layout is version 4.4, not 4.2" in capsys.readouterr().err


def test_a_difference_between_the_fix_codecs_is_exit_1(capsys: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    message = wire("35=0|34=2|49=A|52=20250301-12:00:00.000|56=B|")
    seen = fix_reference.fields(message)
    monkeypatch.setattr(fix_reference, "fields", lambda data: seen[:-1])
    assert decode_main(["fix44", "--hex", message.hex()]) == 1
    assert "Heartbeat: the C codec says ['FIX.4.4', " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("000152" "0001", "2 bytes are left over at 3: 0001; they are no whole message"),
        ("000152" "00013f", "message at 3, byte 5: ouch50 has no message of type '?' from the client [GW_E_TYPE]"),
        ("0000", "message at 0, byte 0: no frame can be 2 bytes long"),
        ("00025221", "message at 0, byte 3: ClientHeartbeat has 3 bytes, this one 4 [GW_E_LONG]"),
        ("0g", "not hexadecimal"),
    ],
)  # fmt: skip
def test_a_byte_left_over_or_wrong_is_exit_1_and_says_where(data: str, said: str, capsys: Out) -> None:
    assert decode_main(["ouch50", "--hex", data]) == 1
    assert said in capsys.readouterr().err


def test_the_houses_own_record_there_and_back(capsys: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    records = [g for p in ("new_order", "mass_cancel", "report") for g in all_of("order_api") if g.name == p]
    raw = [g.data[16:] for g in records]  # the golden message of the order API, without its frame: the record itself
    assert decode_main(["order", "--hex", b"".join(raw).hex()]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["message"], line["offset"], line["fields"]) for line in lines] == [
        (name, sum(map(len, raw[:i])), next(value for value in g.fields.values() if isinstance(value, dict)))
        for i, (name, g) in enumerate(zip(("gw_order", "gw_order", "gw_report"), records, strict=True))
    ]
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(json.dumps(line) for line in lines)))
    assert encode_main(["order"]) == 0
    assert capsys.readouterr().out.split() == [record.hex() for record in raw]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (bytes(440), "message at 0, byte 0: kind None is none of a gw_order"),
        (bytes(8) + b"\1" + bytes(431), "message at 0, byte 8: gw_order.cl_ord_num is not given, but is not zero [GW_E_PADDING]"),
        (bytes(20), "20 bytes are left over at 0"),
    ],
)
def test_bytes_that_are_no_record_are_refused(data: bytes, said: str, capsys: Out) -> None:
    assert decode_main(["order", "--from", "client", "--hex", data.hex()]) == 1
    assert said in capsys.readouterr().err


def test_a_latch_is_read_by_its_own_command(capsys: Out) -> None:
    assert decode_main(["latch", "--hex", "00"]) == 2
    assert "killswitch status --json" in capsys.readouterr().err


def test_an_unknown_protocol_or_version_is_refused(capsys: Out) -> None:
    assert decode_main(["ouch51", "--hex", "00"]) == 2
    assert "no layout 'ouch51'; there are" in capsys.readouterr().err
    assert decode_main(["ouch50", "--hex", "000152", "--version", "4.2"]) == 1
    assert decode_main(["ouch50", "--hex", "000152", "--version", "5.0"]) == 0


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 1: must be"),
        ('{"message": "EnterOrder"}', "line 1: must be"),
        ('{"message": "Nothing", "fields": {}}', "line 1: ouch50 has no message Nothing; it has"),
        ('{"message": "AccountQuery", "fields": {"quantity": 1}}', "line 1: AccountQuery has no field quantity"),
        ('{"message": "CancelOrder", "fields": {"quantity": 4294967296}}', "quantity: 4294967296 does not fit u32"),
        ('{"message": "CancelOrder", "fields": {"packet_length": 99}}', "CancelOrder has packet_length 10, not 99"),
        ('{"message": "EnterOrder", "fields": {"side": "BUY"}}', "does not have 1 characters"),
    ],
)
def test_a_line_that_cannot_be_encoded_is_exit_1_and_says_why(line: str, said: str, capsys: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(line))
    assert encode_main(["ouch50"]) == 1
    assert said in capsys.readouterr().err


def test_captures_are_put_in_order(tmp_path: Path, capsys: Out) -> None:
    # A message over two segments that came in the wrong order, one of them twice; an answer; a bare acknowledgement with a trailer.
    first, second = ORDER.data[:20], ORDER.data[20:]
    file = tmp_path / "x.pcap"
    file.write_bytes(
        pcap(
            tcp(second, 1020, vlan=True),
            tcp(first, 1000, vlan=True),
            tcp(second, 1020),
            tcp(ACCEPTED.data, 7, (7000, 40000)),
            tcp(b"", 1060, trailer=bytes(6)),
        )
    )
    assert decode_main(["ouch50", "--pcap", str(file)]) == 0
    assert [json.loads(line)["fields"] for line in capsys.readouterr().out.splitlines()] == [ORDER.fields, ACCEPTED.fields]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x0a\x0d\x0d\x0a" + bytes(40), "not a libpcap file"),
        (pcap(tcp(ORDER.data))[:-3], "cut off in a packet"),
        (pcap(), "no TCP payload"),
        (pcap(tcp(ORDER.data[:20], 1000), tcp(ORDER.data[30:], 1030)), "lacks bytes in 1 places"),
        (pcap(tcp(ORDER.data[:-1])), "bytes are left over at 0"),
        (pcap(tcp(ORDER.data), link=147), "link type 147 is not read"),
    ],
)
def test_a_capture_that_cannot_be_read_whole_is_exit_1(content: bytes, said: str, tmp_path: Path, capsys: Out) -> None:
    (tmp_path / "x.pcap").write_bytes(content)
    assert decode_main(["ouch50", "--pcap", str(tmp_path / "x.pcap")]) == 1
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(("source", "said"), [("--pcap", "nothing: No such file or directory\n"), ("--journal", "nothing: no segment of a journal is there")])
def test_a_source_that_is_not_there_is_exit_1(source: str, said: str, tmp_path: Path, capsys: Out) -> None:
    assert decode_main(["ouch50", source, str(tmp_path / "nothing")]) == 1
    assert said in capsys.readouterr().err


@pytest.fixture
def state_dir(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    ring_path(tmp_path).unlink(missing_ok=True)


def test_a_journal_gives_its_records_or_the_frames_in_them(state_dir: Path, capsys: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_cli, "LOOK_S", 0)
    found = restart(DirStore(state_dir), attach_ring(state_dir), boot_id())
    config = JournalConfig("group", ring_bytes=1 << 16, segment_bytes=1 << 16, index_count=1 << 10, gather_ns=1_000_000, prewrite=False)
    journal = Journal.begin(found, state_dir, config, SystemRng(), epoch=1, build_id=b"b" * 32)
    out = struct.pack("<BBBBHHIIII6Q", 0, 0, 0, 0, 0, 0, 0, 0, len(ORDER.data), 0, *range(6)) + ORDER.data
    in_ = struct.pack("<BBBBHHIIII5Q", 0, 0, 0, 0, 0, 0, len(ACCEPTED.data), 0, 0, 0, *range(5)) + ACCEPTED.data
    for kind, payload in ((Kind.OUT, out), (Kind.IN, in_), (Kind.NOTE, b"note")):
        assert append_to(journal.ring.pointer, payload, kind) > 0
    journal.stop()
    assert decode_main(["journal", "--journal", str(state_dir)]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(x["message"], x["offset"], x["fields"]["conn"]) for x in lines] == [("OUT", 1, 3), ("IN", 2, 3), ("NOTE", 3, 3)]
    assert decode_main(["ouch50", "--journal", str(state_dir)]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(x["offset"], x["fields"]) for x in lines] == [(1, ORDER.fields), (2, ACCEPTED.fields)]
    # A record that is wrong in the middle of the only segment is no end of the journal.
    (segment,) = (state_dir / "journal").glob("0*.seg")
    whole = segment.read_bytes()
    segment.write_bytes(whole.replace(ORDER.data, ORDER.data[:-1] + b"?"))
    for command, protocol in ((decode_main, ["ouch50", "--journal"]), (journal_main, ["print"])):
        assert command([*protocol, str(state_dir)]) == 1
        assert "the checksum is wrong at lsn 1, and sound bytes (lsn 2) lie behind it" in capsys.readouterr().err
