"""Real packets: every byte decodes, the fields make the same bytes again, and C agrees with the reference on every record."""

from pathlib import Path

import pytest

from gateway import codecs
from gateway.codecs import captures, reference
from gateway.codecs.recordio import RecordFormat
from tests.codecs.support import REPORT_OR_ORDER, senders

# Folder of captures → layout.
CAPTURES = {"Nasdaq/Nasdaq.Nsm.Ouch.v5.0": "ouch50"}


def both_ways(layout: codecs.Layout, data: bytes, sender: str) -> list[str]:
    """Decode all of `data` message by message; returns their names."""
    names = []
    while data:
        decoded = layout.decode_fields(data, sender)
        assert decoded is not None, f"{len(data)} bytes are left over: {data.hex()}"
        assert layout.encode_fields(decoded.message.name, decoded.fields) == data[: decoded.length]
        try:
            expected: object = reference.to_record(layout.meaning, decoded)
        except codecs.Refused as refused:
            expected = refused.code
        try:
            record = layout.decode(data, sender)
            assert record is not None and record.consumed == decoded.length
            form: RecordFormat = REPORT_OR_ORDER[sender]
            assert form.unpack(record.record) == expected
        except codecs.CodecError as error:
            assert error.code == expected
        names.append(decoded.message.name)
        data = data[decoded.length :]
    return names


@pytest.mark.parametrize("folder", CAPTURES)
def test_every_real_packet_decodes_to_the_last_byte_and_encodes_back(outside: Path, folder: str) -> None:
    layout = codecs.load(CAPTURES[folder])
    files = sorted((outside / "packets" / folder).glob("*.pcap"))
    assert files
    for file in files:
        for stream in captures.streams(file.read_bytes()):
            sender = senders(layout, stream.data)[0]
            assert both_ways(layout, stream.data, sender) == [file.stem.removesuffix("Packet").removesuffix("Message")]


def test_the_session_packets_of_another_venue_on_the_same_protocol(outside: Path) -> None:
    # JNX speaks SoupBinTCP too, with another OUCH inside.
    layout = codecs.load("soupbintcp")
    for file in sorted((outside / "packets" / "Jnx").rglob("Login*.pcap")):
        (stream,) = captures.streams(file.read_bytes())
        sender = "client" if "Request" in file.stem else "venue"
        assert both_ways(layout, stream.data, sender) == [file.stem.removesuffix("Packet")]
