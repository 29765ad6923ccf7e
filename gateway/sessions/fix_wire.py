"""FIX tag=value bytes in plain Python, the reference voice: frames and checks as the standard says, encodes with simplefix.

Written apart from the C codec on purpose, so that a fault of either shows when they meet. Values are latin-1 text, one character a byte.
Spec: FIX 4.4 volume 1, "FIX message format"; session test cases 2d, 2t, 3a–3c.
"""

from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

import simplefix

from gateway.limits import MESSAGE_BYTES_MAX
from gateway.sessions.actions import SECOND

SOH = b"\x01"

# A length field → the data field that follows it and may hold SOH itself (FIX 4.4, data type "data").
DATA = {90: 91, 93: 89, 95: 96, 212: 213, 348: 349, 350: 351, 352: 353, 354: 355, 356: 357, 358: 359, 360: 361, 362: 363,
        364: 365, 445: 446, 618: 619, 621: 622}  # fmt: skip

Tags = tuple[tuple[int, str], ...]


class Frame(NamedTuple):
    """What the front of a buffer is. consumed 0: more bytes are needed. tags None: garbled, to be skipped and not counted."""

    consumed: int
    tags: Tags | None
    fault: str  # why it is garbled


def frame(buffer: bytes | bytearray) -> Frame:
    """Take one message off the front of `buffer`: `consumed` bytes, and its tags from 8 to 10 in wire order.

    What stands before the first "8=" is skipped. A frame ends at the first 10= at or behind the place BodyLength names, so a
    length too short loses this message and a length too long the next one as well, as the acceptance definitions want it.
    """
    start = buffer.find(b"8=")
    if start != 0:
        keep = 1 if start < 0 and buffer.endswith(b"8") else 0
        skip = start if start > 0 else len(buffer) - keep
        return Frame(skip, None, "bytes before BeginString") if skip else Frame(0, None, "")
    begin_end = buffer.find(SOH, 0, 64)
    length_end = buffer.find(SOH, begin_end + 1, begin_end + 16) if begin_end >= 0 else -1
    if begin_end < 0 or length_end < 0:
        enough = len(buffer) >= 64 if begin_end < 0 else len(buffer) >= begin_end + 16
        return _resync(buffer, "no BodyLength") if enough else Frame(0, None, "")
    digits = bytes(buffer[begin_end + 1 : length_end])
    if not digits.startswith(b"9=") or not digits[2:].isdigit():
        return _resync(buffer, "BodyLength is not the second field, or not a number")
    body_end = length_end + 1 + int(digits[2:])
    if body_end > MESSAGE_BYTES_MAX:
        return _resync(buffer, f"BodyLength {int(digits[2:])} is above the limit {MESSAGE_BYTES_MAX}")
    trailer = buffer.find(b"\x0110=", body_end - 1)
    end = buffer.find(SOH, trailer + 1) if trailer >= 0 else -1
    if end < 0:
        return _resync(buffer, "no CheckSum within the limit") if len(buffer) > MESSAGE_BYTES_MAX else Frame(0, None, "")
    whole = bytes(buffer[: end + 1])
    if trailer != body_end - 1:
        return Frame(end + 1, None, "BodyLength is not the length of the body")
    checksum = whole[trailer + 4 : end]
    if len(checksum) != 3 or not checksum.isdigit() or int(checksum) != sum(whole[: trailer + 1]) % 256:
        return Frame(end + 1, None, f"CheckSum is {checksum!r}, not {sum(whole[: trailer + 1]) % 256:03d}")
    tags = split(whole)
    if tags is None or [tag for tag, _ in tags[:3]] != [8, 9, 35]:
        return Frame(end + 1, None, "a field without tag or value, or the first three are not 8, 9, 35")
    seqs = [value for tag, value in tags if tag == 34]
    if not seqs or not (seqs[0].isascii() and seqs[0].isdigit() and len(seqs[0]) <= 18):
        return Frame(end + 1, None, "MsgSeqNum is missing or not a number")
    return Frame(end + 1, tags, "")


def _resync(buffer: bytes | bytearray, fault: str) -> Frame:
    again = buffer.find(b"\x018=", 1)
    return Frame(again + 1 if again >= 0 else len(buffer), None, fault)


def split(whole: bytes) -> Tags | None:
    """The tag=value pairs of a whole frame, data fields by their length; None where a field is not tag=value."""
    tags: list[tuple[int, str]] = []
    at = 0
    while at < len(whole):
        equals = whole.find(b"=", at)
        tag = whole[at:equals]
        if equals < 0 or not tag.isdigit() or len(tag) > 9:
            return None
        end = whole.find(SOH, equals)
        if tags and DATA.get(tags[-1][0]) == int(tag) and tags[-1][1].isdigit():
            end = equals + 1 + int(tags[-1][1])
            if whole[end : end + 1] != SOH:
                return None
        if end < 0:
            return None
        tags.append((int(tag), whole[equals + 1 : end].decode("latin-1")))
        at = end + 1
    return tuple(tags)


def encode(tags: Tags) -> bytes:
    """The message from BeginString (tag 8, first) to the last body field; BodyLength and CheckSum are added."""
    message = simplefix.FixMessage()
    for tag, value in tags:
        message.append_pair(tag, value.encode("latin-1"))
    encoded = message.encode()
    assert isinstance(encoded, bytes), "simplefix encodes to bytes"
    return encoded


@lru_cache(maxsize=8)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y%m%d-%H:%M:%S")


def utc_timestamp(now_ns: int) -> str:
    """UTCTimestamp with milliseconds, from nanoseconds since the epoch."""
    seconds, ns = divmod(now_ns, SECOND)
    return f"{_second(seconds)}.{ns // 1_000_000:03d}"


def utc_ns(text: str) -> int | None:
    """Nanoseconds since the epoch of a UTCTimestamp with 0 to 9 decimals; None if it is none."""
    whole, dot, decimals = text.partition(".")
    if len(whole) != 17 or (dot and not (decimals.isascii() and decimals.isdigit() and len(decimals) <= 9)):
        return None
    try:
        moment = datetime.strptime(whole, "%Y%m%d-%H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * SECOND + int((decimals or "0").ljust(9, "0"))
