"""tshark, which knows nothing of us, dissects what the gateway says and hears on the wire: no malformed frame, no bad checksum, and
every field as `gateway decode` has it. Once on a live capture of loopback, once on a capture written from the journal's frames."""

import json
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import simplefix

from gateway import admin, codecs
from gateway.journal.reader import JournalReader
from gateway.journal.record import HEAD
from gateway.sessions.fix_wire import utc_timestamp
from simulators.demo.processes import Child
from tests.outside.capture import THEIR_PORT, capturing, pcap
from tests.outside.house import CONFIG, GATEWAY, Gateway, eventually, free_port

SIMULATOR = str(Path(GATEWAY).with_name("simulator"))
OUCH = """
[sessions.nasdaq]
venue = "nasdaq"
port = {ouch_port}
username = "DEMO01"
password = "env:PORTCULLIS_TEST_SOUP"
mpid = "DEMO"
heart_bt_int_s = 1
"""
CONVERSATION = (
    "35=D|11=A1|1=ACC|55=IBM|54=1|40=2|38=100|44=191.35|59=0|",
    "35=D|11=A2|1=ACC|55=AAPL|54=1|40=2|38=100|44=187.30|59=0|",
    "35=D|11=A3|1=ACC|55=IBM|54=1|40=2|38=200|44=190.10|59=0|",
    "35=D|11=A4|1=ACC|55=AAPL|54=2|40=2|38=200|44=189.10|59=0|",
    "35=G|11=A5|41=A3|1=ACC|55=IBM|54=1|40=2|38=300|44=190.05|59=0|",
    "35=G|11=A6|41=A4|1=ACC|55=AAPL|54=2|40=2|38=300|44=189.15|59=0|",
    "35=F|11=A7|41=A5|1=ACC|55=IBM|54=1|38=300|",
    "35=F|11=A8|41=A6|1=ACC|55=AAPL|54=2|38=300|",
    "35=F|11=A9|41=A1|1=ACC|55=IBM|54=1|38=100|",
    "35=D|11=B1|1=ACC|55=IBM|54=1|40=2|38=20000|44=191.35|59=0|",
    "35=1|112=ARE-YOU-THERE|",
)


def sent_to_nasdaq(gateway: Gateway) -> int:
    sessions = gateway.asked(admin.SessionsWanted()).sessions
    return sum(session.out_count for session in sessions if session.venue == "nasdaq")


@dataclass(frozen=True)
class Talked:
    """What is left of a conversation."""

    live: Path | None
    why_not: str
    state: Path
    fix_ports: tuple[int, int]
    ouch_port: int


class Client:
    """A strategy made of simplefix and a socket."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._parser = simplefix.FixParser()
        self._seq = 0

    def say(self, text: str) -> None:
        self._seq += 1
        pairs = [part.split("=", 1) for part in text.strip("|").split("|")]
        now = utc_timestamp(time.time_ns())
        message = simplefix.FixMessage()
        for tag, value in ((8, "FIX.4.4"), (35, pairs[0][1]), (49, "STRAT"), (56, "GW"), (34, self._seq), (52, now), *pairs[1:]):
            message.append_pair(int(tag), value)
        if pairs[0][1] in "DFG":
            message.append_pair(60, now)
        self._socket.sendall(message.encode())

    def hear(self, tag: int, value: str) -> None:
        """Read until a message has this field."""
        while True:
            while (message := self._parser.get_message()) is not None:
                if message.get(tag) == value.encode():
                    return
            more = self._socket.recv(65536)
            assert more, f"the gateway closed before {tag}={value}"
            self._parser.append_buffer(more)

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(scope="module")
def talked(tshark: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Talked]:
    """One short day: a FIX strategy, a FIX venue and an OUCH venue (our simulators), all captured, all journaled."""
    folder = tmp_path_factory.mktemp("tshark")
    fix_port, ouch_port = free_port(), free_port()
    gateway = Gateway(folder, fix_port, config=CONFIG + OUCH, ouch_port=ouch_port)
    live = folder / "live.pcap"
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PORTCULLIS_TEST_SOUP", "swordfish1")
        try:
            with (
                capturing(tshark, live, (fix_port, ouch_port, gateway.door_port)) as why_not,
                Child("simulator", [SIMULATOR, "run", "generic_fix44", "nasdaq", "--port", str(fix_port), "--port", str(ouch_port)], folder / "simulator.log") as venues,
            ):
                venues.wait_for(lambda line: line == "ready", 30)
                gateway.start(ready="open")
                with closing(Client(gateway.door_port)) as client:
                    client.say("35=A|98=0|108=30|")
                    client.hear(35, "A")
                    for line in CONVERSATION:
                        client.say(line)
                        client.hear(112 if "112=" in line else 11, line.partition("11=" if "|11=" in line else "112=")[2].partition("|")[0])
                    client.say("35=2|7=2|16=4|")
                    client.hear(43, "Y")
                    said = sent_to_nasdaq(gateway)
                    eventually(lambda: sent_to_nasdaq(gateway) > said + 1, "SoupBinTCP heartbeats, one a second")
                    client.say("35=5|")
                    client.hear(35, "5")
                assert gateway.stop() == 0, gateway.log()
            yield Talked(None if why_not else live, why_not, folder / "state", (gateway.door_port, fix_port), ouch_port)
        finally:
            gateway.clean()


@pytest.fixture(params=["live", "journal"])
def fix_capture(request: pytest.FixtureRequest, talked: Talked, tshark: str, tmp_path: Path) -> Path:
    """A capture of the two FIX connections."""
    if request.param == "live":
        return part(tshark, live_of(talked), talked.fix_ports, tmp_path)
    file = tmp_path / "journal.pcap"
    file.write_bytes(pcap(frames(talked.state, b"8=FIX")))
    return file


@pytest.fixture(params=["live", "journal"])
def soup_capture(request: pytest.FixtureRequest, talked: Talked, tshark: str, tmp_path: Path) -> Path:
    """A capture of the OUCH connection."""
    if request.param == "live":
        return part(tshark, live_of(talked), (talked.ouch_port,), tmp_path)
    file = tmp_path / "journal.pcap"
    file.write_bytes(pcap(frames(talked.state, b"\x00")))
    return file


def live_of(talked: Talked) -> Path:
    if talked.live is None:
        pytest.skip(f"not run: {talked.why_not}")
    return talked.live


def part(tshark: str, capture: Path, ports: tuple[int, ...], folder: Path) -> Path:
    """Only these ports of a capture."""
    out = folder / "part.pcap"
    wanted = " or ".join(f"tcp.port == {port}" for port in ports)
    subprocess.run([tshark, "-r", str(capture), "-Y", wanted, "-F", "pcap", "-w", str(out)], check=True, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    return out


def frames(state: Path, begins: bytes) -> list[tuple[int, bool, bytes]]:
    """(connection, came in, bytes) of every frame in the journal on connections whose first frame begins so."""
    journal = codecs.load("journal")
    speaks: dict[int, bool] = {}
    found = []
    for head, payload in JournalReader(state).records():
        record = HEAD.pack(*head) + payload
        decoded = journal.decode_fields(record, "client")
        assert decoded is not None
        size = decoded.fields.get("frame_len", 0)
        if not size:
            continue
        start = len(record) - -(-size // 8) * 8
        frame = record[start : start + size]
        if speaks.setdefault(head.conn, frame.startswith(begins)):
            found.append((head.conn, decoded.message.name == "IN", frame))
    assert found
    return found


def dissected(tshark: str, capture: Path, protocol: str, ports: tuple[int, ...], *options: str) -> list[dict[str, Any]]:
    """tshark's layers of each packet that has the protocol."""
    told = [word for port in ports for word in ("-d", f"tcp.port=={port},{protocol}")]
    argv = [tshark, "-r", str(capture), *told, "--disable-protocol", "ouch", *options]
    wrong = subprocess.run(
        [*argv, "-Y", f"_ws.malformed or ({protocol} and _ws.expert.severity >= 0x600000)"], check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    assert wrong.stdout == "", wrong.stdout
    out = subprocess.run([*argv, "-Y", protocol, "-T", "json", "--no-duplicate-keys"], check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return [packet["_source"]["layers"] for packet in json.loads(out.stdout)]


def decoded(protocol: str, capture: Path) -> list[dict[str, Any]]:
    """What `gateway decode` prints of the capture."""
    out = subprocess.run([GATEWAY, "decode", protocol, "--pcap", str(capture)], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert out.returncode == 0, out.stderr
    return [json.loads(line) for line in out.stdout.splitlines()]


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def flat(layer: Any) -> Iterator[tuple[str, str]]:
    """Every named value of a dissected layer."""
    if isinstance(layer, dict):
        for key, value in layer.items():
            for each in as_list(value):
                if isinstance(each, str):
                    yield key, each
                else:
                    yield from flat(each)


def test_every_fix_frame_has_the_fields_that_tshark_sees(tshark: str, fix_capture: Path, talked: Talked) -> None:
    packets = dissected(tshark, fix_capture, "fix", (*talked.fix_ports, THEIR_PORT))
    layers = [layer for packet in packets for layer in as_list(packet["fix"])]
    theirs: Counter[frozenset[tuple[str, str]]] = Counter()
    for layer in layers:
        values = list(flat(layer))
        assert ("fix.checksum_bad", "1") not in values and ("fix.checksum_good", "1") in values, values
        theirs[frozenset((key.removeprefix("fix."), value) for key, value in values if key[4:5].isupper())] += 1
    ours = Counter(frozenset(line["fields"].items()) for line in decoded("fix44", fix_capture))
    assert theirs == ours, f"only tshark: {list(theirs - ours)[:2]}; only ours: {list(ours - theirs)[:2]}"
    types = Counter(dict(fields)["MsgType"] for fields in ours.elements())
    assert set(types) >= {"A", "0", "1", "2", "5", "8", "9", "AF", "D", "F", "G"}, types


def test_every_soupbintcp_packet_is_what_tshark_sees(tshark: str, soup_capture: Path, talked: Talked) -> None:
    # Its OUCH dissector knows versions before 5.0 only and is switched off: of the messages inside, the bytes are compared.
    packets = dissected(tshark, soup_capture, "soupbintcp", (talked.ouch_port, THEIR_PORT))
    theirs = Counter(
        (found["soupbintcp.packet_type"].strip("'"), int(found["soupbintcp.packet_length"]), found.get("soupbintcp.message", ""))
        for packet in packets
        for layer in as_list(packet["soupbintcp"])
        for found in [dict(flat(layer))]
    )
    lines = decoded("ouch50", soup_capture)
    hexes = subprocess.run(
        [GATEWAY, "encode", "ouch50"], input="\n".join(json.dumps(line) for line in lines), check=True, capture_output=True, text=True
    ).stdout.split()
    ours: Counter[tuple[str, int, str]] = Counter()
    for line, text in zip(lines, hexes, strict=True):
        kind = line["fields"]["packet_type"]
        # tshark shows the inner message of data packets, as bytes with colons between.
        inner = ":".join(text[at : at + 2] for at in range(6, len(text), 2)) if kind in "SU" else ""
        ours[kind, line["fields"]["packet_length"], inner] += 1
    assert theirs == ours, f"only tshark: {list(theirs - ours)[:3]}; only ours: {list(ours - theirs)[:3]}"
    assert {kind for kind, _, _ in ours} >= {"L", "A", "S", "U"}, ours
    said = {line["message"] for line in lines}
    assert said >= {"EnterOrder", "OrderAccepted", "OrderExecuted", "ReplaceOrder", "OrderReplaced", "CancelOrder", "OrderCanceled"}, said
