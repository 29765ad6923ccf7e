"""Order streams of the public matching benchmark: reads their records, gives the canonical report text and its SHA-256.

File: u64 magic, u32 version, u32 count, then `count` records of 40 bytes, little-endian: u8 type (0 new, 1 cancel, 2 modify),
u8 side, u8 ioc, u8 pad, u32 quantity, u64 sequence, u64 order_id, i64 price_ticks, i64 reserved.
Text: one line a report, stable-sorted by (sequence, type), joined by newlines, none at the end.

Where the format is silent: a new order under an id that is alive has no report and changes nothing (no report type refuses one,
and an acknowledgement would claim what did not happen); a quantity of 0 is acknowledged and never rests; the side and ioc of a
cancel or modify must be in range and change nothing, so a modify always rests what it does not trade; pad and reserved mean nothing.
"""

import hashlib
import lzma
import struct
from collections.abc import Iterator
from pathlib import Path

from simulators.matching.exchange import Exchange
from simulators.matching.records import EVENT, MESSAGE, EventKind, Kind, Reason, Tif

MAGIC, VERSION = 0x4D4542575F303031, 1  # "MEBW_001", as the benchmark's own reader demands

HEADER = struct.Struct("<QII")
RECORD = struct.Struct("<BBBBIQQqq")
_KINDS = (Kind.NEW, Kind.CANCEL, Kind.REPLACE)
_BATCH = 65_536 * MESSAGE.size  # so that the events of a long stream are never all in memory


def read(path: Path) -> bytes:
    """The records of a stream file (.bin or .bin.xz). Raises ValueError saying what is wrong with the file."""
    data = path.read_bytes()
    if path.suffix == ".xz":
        try:
            data = lzma.decompress(data)
        except lzma.LZMAError as error:
            raise ValueError(f"{path}: not an xz file: {error}") from error
    if len(data) < HEADER.size:
        raise ValueError(f"{path}: {len(data)} bytes is shorter than the header of {HEADER.size}")
    magic, version, count = HEADER.unpack_from(data)
    if (magic, version) != (MAGIC, VERSION):
        raise ValueError(
            f"{path}: not an order stream: magic {magic:#018x} version {version}, not magic {MAGIC:#018x} version {VERSION}"
        )
    if len(data) != HEADER.size + count * RECORD.size:
        raise ValueError(
            f"{path}: the header says {count} records of {RECORD.size} bytes, the file has {len(data) - HEADER.size} bytes"
        )
    return data[HEADER.size :]


def to_messages(records: bytes, name: str = "stream") -> bytearray:
    """The stream's records as messages of the core, column by column: no Python per record.

    Raises ValueError for a type, side or ioc outside the format, naming `name` and the record.
    """
    count = len(records) // RECORD.size
    kinds, sides, iocs = (records[i :: RECORD.size] for i in range(3))
    for column_name, column, most in (("type", kinds, 2), ("side", sides, 1), ("ioc", iocs, 1)):
        if column and max(column) > most:
            at = next(i for i, value in enumerate(column) if value > most)
            raise ValueError(f"{name}: record {at}: {column_name} {column[at]} is not in 0…{most}")
    out = bytearray(count * MESSAGE.size)
    out[0 :: MESSAGE.size] = kinds.translate(bytes([*_KINDS]) + bytes(253))
    out[1 :: MESSAGE.size] = sides
    out[3 :: MESSAGE.size] = iocs.translate(bytes([Tif.DAY, Tif.IOC]) + bytes(254))
    # (offset in the record, offset in the message, bytes): quantity, sequence, order_id twice (a replace keeps it), price
    for source, target, size in ((4, 64, 4), (8, 24, 8), (16, 32, 8), (16, 40, 8), (24, 56, 8)):
        for i in range(size):
            out[target + i :: MESSAGE.size] = records[source + i :: RECORD.size]
    return out


def reports(events: bytes | bytearray) -> Iterator[tuple[int, int, str]]:
    """(sequence, type, line) of every event that the format has a report for.

    Raises ValueError when the exchange refused an order because its pool was full: the result would not be the stream's.
    """
    for kind, side, reason, _, _, seq, _, order_id, match_id, px, qty, leaves, *_ in EVENT.iter_unpack(events):
        if kind == EventKind.TRADE:
            yield seq, 1, f"1,{seq},{px},{qty},{match_id},{order_id}"
        elif kind == EventKind.ACCEPTED:
            yield seq, 0, f"0,{seq},{side},{order_id},{px},{qty}"
        elif kind == EventKind.CANCELED:
            yield seq, 2, f"2,{seq},{side},{order_id},{px}"
        elif kind == EventKind.REPLACED:
            yield seq, 3, f"3,{seq},{side},{order_id},{px},{leaves}"
        elif kind == EventKind.CANCEL_REJECTED:
            yield seq, 4, f"4,{seq},{order_id}"
        elif kind == EventKind.REPLACE_REJECTED:
            yield seq, 5, f"5,{seq},{order_id}"
        elif reason == Reason.POOL_FULL:
            raise ValueError(f"sequence {seq}: order {order_id} finds every place of the exchange taken by orders that are alive")


def run(exchange: Exchange, messages: bytes | bytearray) -> list[str]:
    """The lines of the canonical text of `messages`, in their order."""
    view = memoryview(messages)
    found = [report for at in range(0, len(view), _BATCH) for report in reports(exchange.run(view[at : at + _BATCH]))]
    found.sort(key=lambda report: report[:2])
    return [line for _, _, line in found]


def digest(lines: list[str]) -> str:
    """SHA-256, in hex, of the canonical text."""
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
