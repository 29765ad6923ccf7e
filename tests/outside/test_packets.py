"""Real packets through the commands that a user types."""

import json
import subprocess
from pathlib import Path

import pytest

from gateway.codecs import captures
from tests.outside.house import GATEWAY


@pytest.mark.parametrize("name", ["EnterOrderMessage", "OrderAcceptedMessage", "ClientHeartbeatPacket"])
def test_a_real_packet_decodes_to_the_last_byte_and_encodes_to_the_same(outside: Path, name: str) -> None:
    file = outside / "packets" / "Nasdaq" / "Nasdaq.Nsm.Ouch.v5.0" / f"{name}.pcap"
    decode = subprocess.run([GATEWAY, "decode", "ouch50", "--pcap", str(file)], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert decode.returncode == 0, decode.stderr
    lines = [json.loads(line) for line in decode.stdout.splitlines()]
    payload = b"".join(stream.data for stream in captures.streams(file.read_bytes()))
    assert sum(line["length"] for line in lines) == len(payload)
    fields_alone = "".join(json.dumps({"message": line["message"], "fields": line["fields"]}) + "\n" for line in lines)
    encode = subprocess.run([GATEWAY, "encode", "ouch50"], input=fields_alone, capture_output=True, text=True)
    assert encode.returncode == 0, encode.stderr
    assert bytes.fromhex(encode.stdout) == payload


def test_a_damaged_packet_is_refused_with_the_place(outside: Path) -> None:
    file = outside / "packets" / "Nasdaq" / "Nasdaq.Nsm.Ouch.v5.0" / "EnterOrderMessage.pcap"
    payload = b"".join(stream.data for stream in captures.streams(file.read_bytes()))
    for wrong in (payload[:-1], payload + b"\0", payload[:2] + b"?" + payload[3:]):
        done = subprocess.run([GATEWAY, "decode", "ouch50", "--hex", wrong.hex()], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        assert done.returncode == 1 and "byte" in done.stderr, done
