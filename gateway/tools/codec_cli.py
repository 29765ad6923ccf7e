"""`gateway decode` and `gateway encode`: a protocol's bytes as JSON lines with every field, and those lines as bytes again."""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

SENDERS = {
    "new_order": "client", "cancel": "client", "replace": "client", "status": "client", "mass_cancel": "client",
    "execution_report": "venue", "cancel_reject": "venue", "mass_cancel_report": "venue",
}  # fmt: skip
DIRECTIONS = {"client": "client->venue", "venue": "venue->client", "either": "either"}


class Wrong(Exception):
    """Bytes that are no message, or a line that is none; `at` is the byte that is wrong, counted from where the caller began."""

    def __init__(self, what: str, at: int = 0) -> None:
        super().__init__(what)
        self.at = at


@dataclass(frozen=True)
class Line:
    """One message, as it is printed."""

    message: str
    sender: str
    offset: int
    length: int
    fields: dict[str, Any]

    def json(self) -> str:
        """One line of JSON; `direction` says who sends it."""
        shown = {"message": self.message, "direction": DIRECTIONS[self.sender], "offset": self.offset, "length": self.length, "fields": self.fields}
        return json.dumps(shown, separators=(",", ":"), ensure_ascii=True)


class Speaker(Protocol):
    """What decode and encode need of a protocol; `version` is that of its document."""

    version: str

    def next(self, data: bytes, sender: str) -> tuple[str, str, int, dict[str, Any]] | None:
        """(message, who sends it, length, fields) of the message that begins `data`, taken as from `sender`; None if it is not whole.

        Raises: Wrong.
        """

    def bytes_of(self, message: str, fields: dict[str, Any]) -> bytes:
        """The message, from its fields alone. Raises: Wrong."""


class Binary:
    """A layout: the reference codec speaks, and the C codec runs beside it on the bound fields."""

    def __init__(self, protocol: str) -> None:
        from gateway import codecs
        from gateway.codecs import reference

        self.layout = codecs.load(protocol)
        self.version = self.layout.meaning.version
        self.reference = reference

    def next(self, data: bytes, sender: str) -> tuple[str, str, int, dict[str, Any]] | None:
        try:
            decoded = self.layout.decode_fields(data, sender)
        except self.reference.Refused as refused:
            raise Wrong(f"{refused.what} [{refused.code}]", refused.offset) from refused
        if decoded is None:
            return None
        self._compare(data[: decoded.length], decoded, sender)
        return decoded.message.name, sender, decoded.length, decoded.fields

    def _compare(self, frame: bytes, decoded: Any, sender: str) -> None:
        """The C codec and the reference must say the same of the record. Raises: Wrong."""
        from gateway.codecs import CodecError
        from gateway.codecs.recordio import RecordFormat
        from gateway.codecs.records import order

        try:
            mine: object = self.reference.to_record(self.layout.meaning, decoded)
        except self.reference.Refused as refused:
            mine = refused.code
        try:
            found = self.layout.decode(frame, sender)
            record = order().records["gw_order" if sender == "client" else "gw_report"]
            form = RecordFormat(record.name, record.struct_format(), record.struct_fields())
            other: object = form.unpack(found.record) if found else "GW_NEED_MORE"
        except CodecError as error:
            other = error.code
        if mine != other:
            raise Wrong(f"{decoded.message.name}: the C codec says {other}, the reference {mine}")

    def bytes_of(self, message: str, fields: dict[str, Any]) -> bytes:
        try:
            return self.layout.encode_fields(message, fields)
        except self.reference.Refused as refused:
            raise Wrong(f"{refused.what} [{refused.code}]") from refused


class Fix:
    """A FIX dialect: the C codec speaks, and the plain reading of the fields runs beside it."""

    def __init__(self, protocol: str) -> None:
        from gateway.codecs import fix, fix_reference
        from gateway.codecs.records import order

        self.codec = fix.load(protocol)
        self.version = self.codec.dialect.version
        self.fault, self.faults, self.frame = fix.FixFault, fix.FAULTS, fix.frame
        self.reference = fix_reference
        kinds = {value.value: value.name for value in order().enums["kind"].values}
        # Who sends an order's messages follows from what they are; those of the session layer may come from either side.
        self.senders = {message.name: SENDERS.get(kinds.get(message.kind, ""), "either") for message in self.codec.dialect.messages.values()}

    def next(self, data: bytes, sender: str) -> tuple[str, str, int, dict[str, Any]] | None:
        try:
            decoded = self.codec.decode_fields(data)
        except self.fault as fault:
            raise self._told(data, fault) from fault
        if decoded is None:
            return None
        self._compare(bytes(data[: decoded.length]), decoded)
        return decoded.message, self.senders.get(decoded.message, "either"), decoded.length, dict(decoded.fields)

    def _told(self, data: bytes, fault: Any) -> Wrong:
        """What is wrong and where, in the words of the plain reading: the C scanner says only what kind of fault it is."""
        code = self.faults.get(fault.code, str(fault.code))
        length = self.frame(data)
        if length <= 0:
            begin = self.codec.dialect.begin_string
            return Wrong(f"no message begins so; 8={begin}, 9=LENGTH and so many bytes up to 10=SUM would be one [{code}]")
        try:
            self.reference.fields(data[:length])
        except self.reference.Malformed as malformed:
            return Wrong(f"{malformed} [{code}]", malformed.offset)
        return Wrong(str(fault).rstrip(":"), fault.offset or 0)

    def _compare(self, frame: bytes, decoded: Any) -> None:
        """The C codec and the plain reading must see the same values in the same order. Raises: Wrong."""
        try:
            plain = [value.decode("latin-1") for _, value in self.reference.fields(frame)]
        except self.reference.Malformed as malformed:
            raise Wrong(f"{decoded.message}: the C codec takes it, the reference says: {malformed}", malformed.offset) from malformed
        if plain != list(decoded.fields.values()):
            raise Wrong(f"{decoded.message}: the C codec says {list(decoded.fields.values())}, the reference {plain}")

    def bytes_of(self, message: str, fields: dict[str, Any]) -> bytes:
        try:
            return self.codec.encode_fields(fields)
        except (KeyError, self.fault) as error:
            raise Wrong(str(error)) from error


class Records:
    """The house's own record as it lies in memory: a gw_order of who asks, a gw_report of who answers."""

    def __init__(self) -> None:
        from gateway.codecs import reference
        from gateway.codecs.records import order

        self.reference, self.house = reference, order()
        self.version = self.house.version
        self.of = {"client": self.house.records["gw_order"], "venue": self.house.records["gw_report"]}

    def next(self, data: bytes, sender: str) -> tuple[str, str, int, dict[str, Any]] | None:
        record = self.of[sender]
        if len(data) < record.size:
            return None
        try:
            fields = self.reference.record_fields(record.name, data[: record.size], 0)
        except self.reference.Refused as refused:
            raise Wrong(f"{refused.what} [{refused.code}]", refused.offset) from refused
        kind = fields.get("kind")
        if not isinstance(kind, str) or SENDERS.get(self.house.enums["kind"].name_of(ord(kind)) or "", "venue") != sender:
            raise Wrong(f"kind {kind!r} is none of a {record.name}")
        return record.name, sender, record.size, fields

    def bytes_of(self, message: str, fields: dict[str, Any]) -> bytes:
        if message not in self.house.records:
            raise Wrong(f"order has no record {message}; it has {', '.join(self.house.records)}")
        try:
            return self.reference.record_bytes(message, fields, message)
        except self.reference.Refused as refused:
            raise Wrong(f"{refused.what} [{refused.code}]") from refused


def speaker(protocol: str) -> Speaker:
    """The codec of `protocol`. Raises: LayoutError for an unknown one."""
    from gateway.codecs import LayoutError

    if protocol == "order":
        return Records()
    if protocol == "latch":
        raise LayoutError("the latch file is no stream of messages; `killswitch status --json` reads it")
    return Fix(protocol) if protocol.startswith("fix") else Binary(protocol)


def decode(codec: Speaker, data: bytes, senders: tuple[str, ...] = ("client", "venue"), base: int = 0) -> Iterator[Line]:
    """The messages in `data`, to the last byte; each is tried as from the first of `senders` first.

    Raises: Wrong where a byte is wrong or left over; offsets count from `base`.
    """
    at = 0
    while at < len(data):
        wrong: list[Wrong] = []
        found = None
        for sender in senders:
            try:
                found = codec.next(data[at:], sender)
            except Wrong as error:
                wrong.append(error)
                continue
            break
        if found is None:
            if len(wrong) == len(senders):
                raise Wrong(f"message at {base + at}, byte {base + at + wrong[0].at}: {wrong[0]}", at + wrong[0].at)
            raise Wrong(f"{len(data) - at} bytes are left over at {base + at}: {data[at : at + 32].hex()}; they are no whole message", at)
        message, sender, length, fields = found
        yield Line(message, sender, base + at, length, fields)
        at += length


def decode_stream(codec: Speaker, data: bytes) -> list[Line]:
    """One direction of a connection: all of it from one sender, whichever that is. Raises: Wrong."""
    wrong: list[Wrong] = []
    for sender in ("client", "venue"):
        try:
            return list(decode(codec, data, (sender,)))
        except Wrong as error:
            wrong.append(error)
    # The one that came further has the better word for what is wrong.
    raise max(wrong, key=lambda error: error.at)


def decode_capture(codec: Speaker, path: Path) -> Iterator[Line]:
    """Every TCP stream of a libpcap file; offsets count from the stream's first byte. Raises: Wrong."""
    from gateway.codecs import captures

    try:
        streams = captures.streams(path.read_bytes())
    except OSError as error:
        raise Wrong(f"{path}: {error.strerror}") from error
    except captures.CaptureError as error:
        raise Wrong(f"{path}: {error}") from error
    if not streams:
        raise Wrong(f"{path}: no TCP payload in it")
    for stream in streams:
        if stream.gaps:
            raise Wrong(f"{path}: the stream from port {stream.source[1]} to {stream.target[1]} lacks bytes in {stream.gaps} places")
        yield from decode_stream(codec, stream.data)


def decode_journal(codec: Speaker, protocol: str, path: Path) -> Iterator[Line]:
    """A journal's own records (offset: the record's lsn), or of another protocol the frames that its connections carried.

    A connection speaks the protocol if its first frame does. Raises: Wrong.
    """
    from gateway.journal.errors import JournalError
    from gateway.journal.reader import JournalReader
    from gateway.journal.record import HEAD
    from gateway.tools.journal_cli import look_again

    speaks: dict[tuple[int, bool], bool] = {}
    journal = Binary("journal")
    try:
        reader = JournalReader(path)
        if not reader.store.numbers():
            raise Wrong(f"{path}: no segment of a journal is there; name a state_dir or a folder of segments")
        for head, payload in reader.records():
            record = HEAD.pack(*head) + payload
            (line,) = decode(journal, record, base=0)
            if protocol == "journal":
                yield Line(line.message, "either", head.lsn, line.length, line.fields)
                continue
            size = line.fields.get("frame_len", 0)
            # The frame is the last part of its record, which is padded to a multiple of 8.
            start = len(record) - -(-size // 8) * 8
            frame = record[start : start + size]
            place = (head.conn, line.message == "IN")
            if not frame or not speaks.get(place, True):
                continue
            try:
                found = decode_stream(codec, frame)
            except Wrong as error:
                if place not in speaks:
                    speaks[place] = False
                    continue
                raise Wrong(f"lsn {head.lsn}, of its frame: {error}") from error
            speaks[place] = True
            yield from (Line(f.message, f.sender, head.lsn, f.length, f.fields) for f in found)
        if damage := reader.damage(look_again):
            raise Wrong(f"{path}: {damage}")
    except JournalError as error:
        raise Wrong(f"{path}: {error}") from error


def encode(codec: Speaker, lines: Iterable[str]) -> Iterator[bytes]:
    """The bytes of each line that decode printed, from `message` and `fields` alone. Raises: Wrong, naming the line."""
    for number, text in enumerate(lines, 1):
        if not text.strip():
            continue
        try:
            line = json.loads(text)
            message, fields = line["message"], line["fields"]
        except (ValueError, KeyError, TypeError) as error:
            raise Wrong(f'line {number}: must be {{"message": NAME, "fields": {{…}}}}: {error!r}') from error
        if not isinstance(message, str) or not isinstance(fields, dict):
            raise Wrong(f"line {number}: message must be a name and fields a table")
        try:
            yield codec.bytes_of(message, fields)
        except Wrong as error:
            raise Wrong(f"line {number}: {error}") from error


def decode_main(argv: list[str]) -> int:
    """`gateway decode`: prints the lines; exit 1 where a byte is wrong or left over, or the two codecs differ, 2 for a wrong command line."""
    parser = argparse.ArgumentParser(prog="gateway decode", description="A protocol's bytes as JSON lines, one a message. Without a source: hex on stdin.")
    parser.add_argument("protocol", help="a layout's name: ouch50, soupbintcp, fix44, order_api, order, journal")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--hex", help="bytes in hexadecimal, blanks allowed")
    source.add_argument("--pcap", type=Path, help="a libpcap file; every TCP payload in it must be of the protocol")
    source.add_argument("--journal", type=Path, help="a state_dir, or a folder of segments")
    parser.add_argument("--from", dest="sender", choices=["client", "venue"], help="who sent the bytes of --hex; else each message is tried as the client's, then as the venue's")
    parser.add_argument("--version", help="refuse a layout of another version than this (its text begins with it)")
    options = parser.parse_args(argv)
    codec = _speaker("decode", options.protocol)
    if codec is None:
        return 2
    try:
        _check_version(codec, options.version)
        if options.pcap:
            lines = decode_capture(codec, options.pcap)
        elif options.journal:
            lines = decode_journal(codec, options.protocol, options.journal)
        else:
            data = _unhex(options.hex if options.hex is not None else sys.stdin.read())
            lines = decode(codec, data, (options.sender,) if options.sender else ("client", "venue"))
        for line in lines:
            print(line.json())
    except Wrong as error:
        print(f"gateway decode {options.protocol}: {error}", file=sys.stderr)
        return 1
    return 0


def encode_main(argv: list[str]) -> int:
    """`gateway encode`: a hex line for each line on stdin; exit 1 at the first that cannot be encoded."""
    parser = argparse.ArgumentParser(prog="gateway encode", description="JSON lines on stdin (message, fields), as hex lines.")
    parser.add_argument("protocol")
    options = parser.parse_args(argv)
    codec = _speaker("encode", options.protocol)
    if codec is None:
        return 2
    try:
        for data in encode(codec, sys.stdin):
            print(data.hex())
    except Wrong as error:
        print(f"gateway encode {options.protocol}: {error}", file=sys.stderr)
        return 1
    return 0


def _speaker(command: str, protocol: str) -> Speaker | None:
    from gateway.codecs import LayoutError

    try:
        return speaker(protocol)
    except LayoutError as error:
        print(f"gateway {command}: {error}", file=sys.stderr)
        return None


def _check_version(codec: Speaker, version: str | None) -> None:
    if version is not None and not codec.version.startswith(version):
        raise Wrong(f"the layout is version {codec.version}, not {version}")


def _unhex(text: str) -> bytes:
    try:
        return bytes.fromhex("".join(text.split()))
    except ValueError as error:
        raise Wrong(f"not hexadecimal: {error}") from error
