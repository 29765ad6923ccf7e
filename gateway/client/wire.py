"""Frames of the order API: a 16-byte header (length of the whole frame, type, version, number), then the body of its type; little-endian.

| type | from | body |
|---|---|---|
| h Hello         | gateway  | nonce 32 bytes, name text 16 |
| L Login         | strategy | strategy text 16, last_id u64, next_seq u64, mac 32 bytes: HMAC-SHA256(key, nonce) |
| A LoginAccepted | gateway  | next_seq u64, last_id u64, epoch u32, 4 zero bytes |
| J LoginRejected | gateway  | text 64 |
| N C R Q M       | strategy | gw_order: new, cancel, replace, status, mass cancel; the number in the header is the request's id |
| S Report        | gateway  | gw_report; the number in the header is the report's in the strategy's stream |
| E Error         | gateway  | ref_seq u64 (the number of the frame refused), text 64 |
| H Heartbeat     | both     | empty |
| O Logout        | strategy | empty |
| Z End           | gateway  | text 64 |
"""

import struct
from typing import NamedTuple

from gateway.client._records import ORDER, REPORT

VERSION = 1
HEADER = struct.Struct("<IcBHQ")
LOGIN = struct.Struct("<16sQQ32s")
HELLO = struct.Struct("<32s16s")
ACCEPTED = struct.Struct("<QQI4x")
TEXT = struct.Struct("<64s")
ERROR = struct.Struct("<Q64s")

# Body sizes of what a gateway sends, by type.
FROM_GATEWAY = {
    b"h": HELLO.size, b"A": ACCEPTED.size, b"J": TEXT.size, b"S": REPORT.size, b"E": ERROR.size, b"H": 0, b"Z": TEXT.size,
}  # fmt: skip
FRAME_MAX = HEADER.size + max(FROM_GATEWAY.values())

# Type of the frame for each kind of request (FIX MsgType).
REQUESTS = {"D": b"N", "F": b"C", "G": b"R", "H": b"Q", "q": b"M"}


class WireError(Exception):
    """Bytes that no gateway of this version sends; str() says which and what was due."""


class Frame(NamedTuple):
    """One whole frame of a gateway: type, number, body."""

    type: bytes
    seq: int
    body: bytes


def frame(type: bytes, seq: int = 0, body: bytes = b"") -> bytes:
    """One frame as bytes."""
    return HEADER.pack(HEADER.size + len(body), type, VERSION, 0, seq) + body


def request(kind: str, id: int, record: bytes) -> bytes:
    """The frame of a request: `kind` is its FIX MsgType, `record` its gw_order."""
    assert len(record) == ORDER.size, f"a request of {len(record)} bytes, not {ORDER.size}"
    return frame(REQUESTS[kind], id, record)


def login(strategy: str, last_id: int, next_seq: int, mac: bytes) -> bytes:
    """The frame of a login: the last id used (0 = unknown) and the number of the report wanted next (0 = those made from now on)."""
    return frame(b"L", 0, LOGIN.pack(strategy.encode("ascii"), last_id, next_seq, mac))


def take(buffer: bytearray) -> Frame | None:
    """Take the first whole frame from `buffer`; None if more bytes are needed.

    Raises: WireError as soon as a header cannot be one; `buffer` is then unchanged.
    """
    if len(buffer) < HEADER.size:
        return None
    length, kind, version, zero, seq = HEADER.unpack_from(buffer)
    if kind not in FROM_GATEWAY:
        raise WireError(f"a frame of unknown type {kind!r}; is this the order API of a gateway?")
    if version != VERSION or zero:
        raise WireError(f"a frame of version {version}; this client speaks version {VERSION}")
    if length != HEADER.size + FROM_GATEWAY[kind]:
        raise WireError(f"a frame {kind.decode()} of {length} bytes; it has {HEADER.size + FROM_GATEWAY[kind]}")
    if len(buffer) < length:
        return None
    body = bytes(buffer[HEADER.size : length])
    del buffer[:length]
    return Frame(kind, seq, body)


def words(raw: bytes) -> str:
    """Text of the wire, padded with NUL; what is not printable is shown as an escape, so that it can stand in a message."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in raw.rstrip(b"\0").decode("latin-1"))
