"""Reads a classic libpcap capture: the TCP payloads of each direction of each connection, put in order."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

# Magic → (byte order). Microsecond and nanosecond captures differ in the unit of time only, which is not read here.
_MAGIC = {b"\xa1\xb2\xc3\xd4": ">", b"\xd4\xc3\xb2\xa1": "<", b"\xa1\xb2\x3c\x4d": ">", b"\x4d\x3c\xb2\xa1": "<"}
_ETHERNET, _RAW, _LOOP, _SLL, _SLL2, _RAW_IPV4 = 1, 101, 108, 113, 276, 228
_VLAN = (0x8100, 0x88A8, 0x9100)


class CaptureError(Exception):
    """The file is no capture that can be read, and why."""


@dataclass(frozen=True)
class Segment:
    """One TCP segment with payload."""

    source: tuple[bytes, int]
    target: tuple[bytes, int]
    seq: int
    payload: bytes
    syn: bool


@dataclass(frozen=True)
class Stream:
    """The bytes one end of a connection sent, without repetitions; `gaps` counts places where bytes are missing."""

    source: tuple[bytes, int]
    target: tuple[bytes, int]
    data: bytes
    gaps: int


def segments(capture: bytes) -> Iterator[Segment]:
    """The TCP segments of a capture, in its order. Raises: CaptureError."""
    order = _MAGIC.get(capture[:4])
    if order is None or len(capture) < 24:
        raise CaptureError("not a libpcap file (pcapng is to be converted: `editcap -F pcap in out`)")
    link = struct.unpack_from(order + "I", capture, 20)[0] & 0x0FFFFFFF
    at = 24
    while at < len(capture):
        if at + 16 > len(capture):
            raise CaptureError(f"the capture is cut off in a packet's header at byte {at}")
        size = struct.unpack_from(order + "I", capture, at + 8)[0]
        at += 16
        if at + size > len(capture):
            raise CaptureError(f"the capture is cut off in a packet at byte {at}")
        segment = _segment(link, capture[at : at + size])
        if segment is not None:
            yield segment
        at += size


def _segment(link: int, packet: bytes) -> Segment | None:
    ip = _ip(link, packet)
    if len(ip) < 20:
        return None
    if ip[0] >> 4 == 4:
        head, total = (ip[0] & 15) * 4, int.from_bytes(ip[2:4], "big")
        if ip[9] != 6 or int.from_bytes(ip[6:8], "big") & 0x3FFF:  # not TCP, or a fragment
            return None
        source, target = ip[12:16], ip[16:20]
        total = total or len(ip)  # left to the network card by the sender
    elif ip[0] >> 4 == 6 and len(ip) >= 40 and ip[6] == 6:
        head, total = 40, 40 + int.from_bytes(ip[4:6], "big")
        source, target = ip[8:24], ip[24:40]
    else:
        return None
    tcp = ip[head:total]
    if len(tcp) < 20:
        return None
    payload = tcp[(tcp[12] >> 4) * 4 :]
    from_port, to_port, seq = struct.unpack_from(">HHI", tcp)
    syn = bool(tcp[13] & 2)
    return Segment((source, from_port), (target, to_port), seq, payload, syn) if payload or syn else None


def _ip(link: int, packet: bytes) -> bytes:
    """The IP packet inside a link frame, empty if there is none."""
    if link in (_RAW, _RAW_IPV4, 12, 14):
        return packet
    if link in (0, _LOOP):
        return packet[4:]
    at = {_ETHERNET: 12, _SLL: 14, _SLL2: 0}.get(link)
    if at is None:
        raise CaptureError(f"link type {link} is not read; Ethernet, raw IP, loopback and Linux cooked captures are")
    kind = int.from_bytes(packet[at : at + 2], "big")
    at += 2 if link != _SLL2 else 20
    while kind in _VLAN and link == _ETHERNET:
        kind = int.from_bytes(packet[at + 2 : at + 4], "big")
        at += 4
    return packet[at:] if kind in (0x0800, 0x86DD) else b""


def streams(capture: bytes) -> list[Stream]:
    """Both directions of every connection, in the order of their first packet. Raises: CaptureError."""
    found: dict[tuple[tuple[bytes, int], tuple[bytes, int]], list[Segment]] = {}
    for segment in segments(capture):
        found.setdefault((segment.source, segment.target), []).append(segment)
    return [_stream(source, target, parts) for (source, target), parts in found.items() if any(p.payload for p in parts)]


def _stream(source: tuple[bytes, int], target: tuple[bytes, int], parts: list[Segment]) -> Stream:
    """Put the segments in the order of their sequence numbers, modulo 2^32, counted from the first one seen."""
    first = parts[0].seq

    def place(part: Segment) -> int:
        at = (part.seq + part.syn - first) % (1 << 32)
        return at - (1 << 32) if at >= 1 << 31 else at

    data, gaps, end = bytearray(), 0, None
    for part in sorted((p for p in parts if p.payload), key=place):
        at = place(part)
        if end is not None and at > end:
            gaps += 1
        new = part.payload if end is None or at >= end else part.payload[end - at :]
        data += new
        end = max(at + len(part.payload), end if end is not None else at)
    return Stream(source, target, bytes(data), gaps)
