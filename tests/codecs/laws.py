"""The law book of binary codecs: what holds for every message of every layout, run by test_laws.py without a word about any of them."""

from collections.abc import Iterator
from typing import Any

from gateway import codecs
from gateway.codecs import reference
from gateway.codecs.layout import TEXTUAL, Message, WireField, limits
from tests.codecs.golden import Golden
from tests.codecs.support import REPORT_OR_ORDER

CANARY = b"\xa5" * 64
Verdict = tuple[str, Any]


def by_c(layout: codecs.Layout, data: bytes, sender: str, values: codecs.Values | None = None) -> Verdict | None:
    """What the C says of `data`: ("record", fields), (fault, None), or None for more bytes wanted. Bytes behind `data` are a canary."""
    memory = bytearray(data + CANARY)
    try:
        found = layout.decode(memoryview(memory)[: len(data)], sender, *([values] if values else []))
    except codecs.CodecError as error:
        return error.code, None
    finally:
        assert memory == data + CANARY
    return None if found is None else ("record", (found.message, found.consumed, REPORT_OR_ORDER[sender].unpack(found.record)))


def by_reference(layout: codecs.Layout, data: bytes, sender: str, values: codecs.Values | None = None) -> Verdict | None:
    """The same by the plain Python codec."""
    try:
        found = layout.decode_fields(data, sender)
        if found is None:
            return None
        return "record", (found.message.name, found.length, reference.to_record(layout.meaning, found, *([values] if values else [])))
    except codecs.Refused as refused:
        return refused.code, None


def same_verdict(layout: codecs.Layout, data: bytes, sender: str) -> Verdict | None:
    """C and reference say the same of `data`."""
    mine, other = by_c(layout, data, sender), by_reference(layout, data, sender)
    # C meets a wrong value before a wrong appendage, the reference after it: of two faults either may be named.
    two = mine is not None and other is not None and mine[0] != "record" and other[0] in ("GW_E_TAG", "GW_E_LONG")
    assert mine == other or two, f"{layout.protocol} from {sender}: {data.hex()}"
    return mine


def sender_of(m: Message) -> str:
    return "venue" if m.sender == "venue" else "client"


def extremes(layout: codecs.Layout, m: Message) -> Iterator[dict[str, Any]]:
    """Fields of `m`: nothing given; the least, the greatest and the absent value of every field; one option of the tags at a time."""
    yield {}
    # A 3.00 login has no field behind the oldest block: fields beyond it are given from here on.
    settable = [f for f in m.fields if f.binding.kind in ("none", "field", "constant")]
    for pick in (_least, _greatest, _absent):
        yield {f.name: value for f in settable if (value := pick(layout, f)) is not None}
    tags = layout.meaning.tag_format
    for f in m.tags:
        for pick in (_least, _greatest):
            if (value := pick(layout, f)) is not None and tags:
                yield {tags.name: {f.name: value}}
    if m.tags and tags:
        yield {tags.name: {f.name: value for f in m.tags if (value := _greatest(layout, f)) is not None}}
        yield {tags.name: {"tag_200": "00ff", "tag_201": ""}}
    if m.rest:
        yield {m.rest.name: "" if m.rest.type.base in TEXTUAL else "00ff" * 4}


def _least(layout: codecs.Layout, f: WireField) -> Any:
    if f.type.is_number:
        return f.type.low if f.type.low is not None else limits(f.type)[0]
    if f.type.enum:
        return chr(min(layout.meaning.enums[f.type.enum].both))
    return {"alpha": "A", "text": "A", "char": "!", "digits": 0, "bytes": "00" * f.size}.get(f.type.base)


def _greatest(layout: codecs.Layout, f: WireField) -> Any:
    if f.type.is_number:
        return f.type.high if f.type.high is not None else limits(f.type)[1]
    if f.type.enum:
        return chr(max(layout.meaning.enums[f.type.enum].both))
    return {"alpha": "~" * f.size, "text": "~" * f.size, "char": "~", "digits": min(10**f.size - 1, (1 << 64) - 1), "bytes": "ff" * f.size}.get(f.type.base)


def _absent(layout: codecs.Layout, f: WireField) -> Any:
    if f.type.absent:
        return chr(f.type.absent[0]) if f.type.base == "char" else f.type.absent[0]
    return 0 if f.type.is_number else "" if f.type.base in TEXTUAL else None


def frames(layout: codecs.Layout, m: Message) -> list[bytes]:
    """Frames of `m` made of its extremes by the reference codec."""
    return [layout.encode_fields(m.name, fields) for fields in extremes(layout, m)]


# -- the laws


def golden_both_ways(layout: codecs.Layout, g: Golden) -> None:
    """The document's bytes have the document's meaning, in both directions and by both codecs."""
    decoded = layout.decode_fields(g.data, g.sender)
    assert decoded is not None and (decoded.message.name, decoded.length) == (g.message, len(g.data))
    assert decoded.fields == g.fields
    assert layout.encode_fields(g.message, g.fields) == g.data
    verdict = same_verdict(layout, g.data, g.sender)
    assert verdict == ("record", (g.message, len(g.data), g.record or {}))
    if g.record is None:
        return
    record = REPORT_OR_ORDER[g.sender].pack(g.record)
    made = layout.encode(g.message, record)
    assert made == reference.from_record(layout.meaning, g.message, g.record)
    again = layout.decode_fields(made, g.sender)
    assert again is not None
    for f in decoded.message.fields:
        if f.binding.kind != "none" and not f.binding.since:
            assert again.fields[f.name] == g.fields[f.name] or f.binding.kind == "length", f.name


def fields_make_the_same_bytes(layout: codecs.Layout, m: Message) -> None:
    for frame in frames(layout, m):
        decoded = layout.decode_fields(frame, sender_of(m))
        assert decoded is not None and decoded.message is m
        assert layout.encode_fields(m.name, decoded.fields) == frame
        same_verdict(layout, frame, sender_of(m))


def c_encodes_fields_alike(layout: codecs.Layout, m: Message) -> None:
    """gw_encode_fields and the reference make the same bytes of the same fields."""
    if any(f.type.base.startswith("gw_") for f in m.fields):
        return  # a record is encoded from a record
    tags = layout.meaning.tag_format
    for fields in extremes(layout, m):
        if not tags or "tag_200" not in fields.get(tags.name, {}):
            assert layout.encode_tlv(m.name, fields) == layout.encode_fields(m.name, fields)


def every_split_waits(layout: codecs.Layout, m: Message) -> None:
    """Every beginning of a message wants more bytes; bytes behind it stay."""
    frame = max(frames(layout, m), key=len)
    for n in range(len(frame)):
        assert by_c(layout, frame[:n], sender_of(m)) is None
        assert by_reference(layout, frame[:n], sender_of(m)) is None
    whole = by_c(layout, frame, sender_of(m))
    assert by_c(layout, frame + frame, sender_of(m)) == by_c(layout, frame + b"\xff" * 9, sender_of(m)) == whole


def every_truncation_is_seen(layout: codecs.Layout, m: Message) -> None:
    """A message cut short, with a length that says so: both codecs say the same, and none below the least length passes."""
    meaning = layout.meaning
    frame, head = max(frames(layout, m), key=len), meaning.frame
    for n in range(head.least, len(frame)):
        order = "big" if meaning.big else "little"
        cut = bytearray(frame[:n])
        cut[head.length_at : head.length_at + head.length_width] = (n - head.after).to_bytes(head.length_width, order)
        verdict = same_verdict(layout, bytes(cut), sender_of(m))
        if n < m.minimum:
            assert verdict is not None and verdict[0] != "record"


def every_wrong_byte_is_judged_alike(layout: codecs.Layout, m: Message) -> None:
    """Each byte changed: an error or another record, by both codecs alike; the bytes around are untouched."""
    for frame in (min(frames(layout, m), key=len), max(frames(layout, m), key=len)):
        step = max(1, len(frame) // 150)  # a whole record is sampled
        for at in range(0, len(frame), step):
            for wrong in {frame[at] ^ 1, frame[at] ^ 0x80, 0, 0xFF, 0x20} - {frame[at]}:
                same_verdict(layout, frame[:at] + bytes([wrong]) + frame[at + 1 :], sender_of(m))


def writers_stay_in_their_buffer(layout: codecs.Layout, m: Message) -> None:
    """At each size of the buffer: the whole message, or GW_E_SPACE; never a byte behind the buffer."""
    ffi, lib = layout._ffi, layout._lib
    fault = ffi.new("gw_fault *")
    whole = len(layout.encode_tlv(m.name, {}))
    for cap in range(whole + 8):
        out = ffi.new("uint8_t[]", CANARY * 16)
        n = lib.gw_encode_fields(layout.pointer, m.index, ffi.NULL, 0, out, cap, fault)
        assert bytes(ffi.buffer(out, 1024))[cap:] == (CANARY * 16)[cap:]
        # Room for the whole block and an appendage's length is asked for even where they are left out.
        assert n == (whole if cap >= max(whole, m.block + 2) else lib.GW_E_SPACE) or (n == whole and cap >= m.block)


def record_writers_stay_in_their_buffer(layout: codecs.Layout, g: Golden) -> None:
    """The same for a record, with every option it has."""
    assert g.record is not None
    ffi, lib = layout._ffi, layout._lib
    fault = ffi.new("gw_fault *")
    record = REPORT_OR_ORDER[g.sender].pack(g.record)
    whole = layout.encode(g.message, record)
    for cap in range(len(whole) + 4):
        memory = bytearray(CANARY * 16)
        n = lib.gw_encode(layout.pointer, ffi.NULL, layout.index(g.message), record, ffi.from_buffer("uint8_t[]", memory), cap, fault)
        assert memory[cap:] == (CANARY * 16)[cap:]
        if n != lib.GW_E_SPACE or cap >= len(whole) + 2:
            assert n == len(whole) <= cap and memory[:n] == whole


def secrets_are_masked(layout: codecs.Layout, m: Message) -> None:
    """Masked, whole or cut off: the secret's bytes are stars, all others as they were."""
    secret = {i for f in m.fields if f.secret for i in range(f.offset, f.end)}
    frame = max(frames(layout, m), key=len)
    head = layout.meaning.frame
    told = max(head.type_at + head.type_width, head.inner_at + head.inner_width if m.inner else 0)
    for n in {len(frame), *range(told, min(len(frame), 100))}:
        masked = layout.mask(frame[:n], sender_of(m))
        assert masked == bytes(42 if i in secret else b for i, b in enumerate(frame[:n]))
