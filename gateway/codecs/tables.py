"""Compiles a layout's meaning into the tables that csrc/layout.c interprets: one block of bytes, as csrc/layout.h says."""

import struct
from functools import cache

from gateway.codecs import records
from gateway.codecs.layout import INSTRUMENT_VALUES, TEXTUAL, Binding, Meaning, Message, WireField, limits, pad
from gateway.codecs.records import PRIMITIVES, Field

MAGIC = 0x31544757
NONE, NONE16 = 255, 0xFFFF
INT, TEXT, ENUM, CHECK, DECIMAL, RECORD, BYTES, DIGITS, REST, FIXED = range(1, 11)
SIGNED, RSIGNED, ABSENT, REQUIRED, SPACE, RIGHT, BEST, SECRET = (1 << i for i in range(8))
SRC_SESSION, SRC_INSTRUMENT, SRC_BASE = 64, 128, 192
SCALES = {"": 0, "px_exp": 1, "qty_exp": 2}
SCOPES = {"live": 0, "day": 1, "ever": 2}
FROM = {"client": 0, "venue": 1, "either": 2}

OP = struct.Struct("<BBBBbBHHBBHHQ")
IMPLY = struct.Struct("<HBBBBHQ")
RANGE = struct.Struct("<QQQQ")
MESSAGE = struct.Struct("<HHIHHHHHHHHBBBBBxHHH4xQQ")
DISPATCH = struct.Struct("<IHH")
HEAD = struct.Struct("<IIIIIIIIIIHHHHHHHBBBBBBBBBBBBbbIIIIIIBBBBB7xQQIIII")


def bit_of(field: Field | None) -> int:
    """The presence bit as C counts them: has2's from 64 on; NONE without a field."""
    return NONE if field is None else field.bit + (64 if field.has == "has2" else 0)


def compile_table(meaning: Meaning) -> bytes:
    """The tables of `meaning`; csrc/layout.c checks them again before it uses them."""
    return _Compiler(meaning).table()


class _Compiler:
    def __init__(self, meaning: Meaning) -> None:
        self.meaning = meaning
        self.house = records.order()
        self.ops: list[bytes] = []
        self.implies: list[bytes] = []
        self.ranges: list[bytes] = []
        self.maps: list[bytes] = []
        self.templates = bytearray()
        self.template_places: list[tuple[int, int]] = []

    def table(self) -> bytes:
        meaning, frame = self.meaning, self.meaning.frame
        # The fields of the house's own records come first: RECORD operations point at them.
        used = {f.type.base for m in meaning.messages for f in m.fields}
        self.whole: dict[str, tuple[int, int]] = {name: self._record_ops(name) for name in ("gw_order", "gw_report") if name in used}
        messages = [self._message(m) for m in meaning.messages]
        dispatch = sorted(
            (sender << 24 | m.inner << 16 | m.key, m.index)
            for m in meaning.messages
            for sender in ((0, 1) if m.sender == "either" else (FROM[m.sender],))
        )
        at = HEAD.size
        places = []
        parts = [
            b"".join(m for m, _ in messages), b"".join(DISPATCH.pack(k, i, 0) for k, i in dispatch), b"".join(self.ops),
            b"".join(self.implies), b"".join(self.ranges), b"".join(self.maps), bytes(self.templates),
        ]  # fmt: skip
        parts = [p.ljust(-(-len(p) // 8) * 8, b"\0") for p in parts]
        for part in parts:
            places.append(at)
            at += len(part)
        # Only now is it known where the templates are.
        parts[0] = b"".join(struct.pack("<HHI", *struct.unpack_from("<HH", m), places[6] + t) + m[8:] for m, t in messages)
        fmt, token, throttle = meaning.tag_format, meaning.token, meaning.throttle
        head = HEAD.pack(
            MAGIC, at, *places, len(self.templates), len(messages), len(dispatch), len(self.ops), len(self.implies), len(self.ranges),
            len(self.maps), len(meaning.session_values), meaning.big, frame.length_at, frame.length_width, frame.type_at,
            frame.type_width, frame.inner_at, frame.inner_width, fmt.total if fmt else 0, fmt.length if fmt else 0,
            fmt.tag if fmt else 0, fmt.counted if fmt else 0, frame.multiple, meaning.px_exp, meaning.qty_exp, frame.after, frame.least,
            frame.most, frame.fixed, *(frame.carriers.get(s, 0xFFFFFFFF) for s in ("client", "venue")),
            SCOPES[token.get("scope", "day")], token.get("rising", False), token.get("survives_replace", False), token.get("width", 0),
            {"number": 0, "digits": 10, "base36": 36}[token.get("alphabet", "number")], token.get("first", 0), token.get("last", 0),
            throttle.get("messages", 0), throttle.get("window_ms", 0), throttle.get("cancels_reserve", 0), 0,
        )  # fmt: skip
        return head + b"".join(parts)

    def _record_ops(self, name: str) -> tuple[int, int]:
        first = len(self.ops)
        for f in self.house.records[name].flat():
            if f.name in ("has", "has2"):
                continue
            kind, map_index = (TEXT, NONE16) if f.primitive == "text" else (INT, NONE16)
            if f.enum:
                kind, map_index = ENUM, self._identity(f.enum)
            bit = bit_of(f) if f.bit >= 0 else NONE
            self.ops.append(OP.pack(kind, 1, f.size, 0, 0, 0, 0, f.offset, bit, 0, 0, map_index, 0))
        return first, len(self.ops) - first

    def _identity(self, enum: str) -> int:
        values = [v.value for v in self.house.enums[enum].values]
        return self._map({v: v for v in values}, {v: v for v in values})

    def _map(self, decode: dict[int, int], encode: dict[int, int]) -> int:
        packed = b"".join(struct.pack("<256H", *((m[i] + 1 if i in m else 0) for i in range(256))) for m in (decode, encode))
        return _index(self.maps, packed)

    def _message(self, m: Message) -> tuple[bytes, int]:
        template_at = len(self.templates)
        self.templates += template(self.meaning, m)
        op_first = len(self.ops)
        # A whole record clears what is there, so it goes first; a header's field that repeats one of it follows.
        bound = sorted((f for f in m.fields if self._is_op(f)), key=lambda f: f.type.base not in self.house.records)
        for f in bound:
            self._op(f, m.sender != "venue")
        wire_first = len(self.ops)
        for f in m.fields:
            self._op(f, m.sender != "venue", wire_only=True)
        tag_first = len(self.ops)
        for f in m.tags:
            self._op(f, m.sender != "venue")
        said_first = len(self.ops)
        said = [f for f in m.tags if f.binding.kind == "field"]
        for f in said:
            self._op(f, m.sender != "venue")
        imply_first = len(self.implies)
        for im in m.implies:
            self.implies.append(
                IMPLY.pack(im.field.offset, im.field.size, bit_of(im.field), bit_of(im.condition), im.sense, 0, im.value)
            )
        whole = any(f.type.base in self.house.records for f in m.fields)
        binds = any(f.binding.field for f in m.all_fields)
        kind = next((im.value for im in m.implies if im.field.name == "kind" and im.condition is None), 0)
        tags = (2 if m.tags_always else 1) if m.tags else 0
        tag_map = self._map({f.offset: i for i, f in enumerate(m.tags)}, {}) if m.tags else NONE16
        return (
            MESSAGE.pack(
                m.block, m.minimum, 0, op_first, len(bound), wire_first, len(m.fields), tag_first, len(m.tags), imply_first, len(m.implies),
                FROM[m.sender], 2 if whole else 1 if binds else 0, m.rest is not None, tags, kind, tag_map, said_first, len(said), *presence_mask(m, whole),
            ),
            template_at,
        )  # fmt: skip

    def _is_op(self, f: WireField) -> bool:
        return f.type.base in self.house.records or f.binding.kind in ("field", "check")

    def _op(self, f: WireField, client: bool, wire_only: bool = False) -> None:
        kind, b = f.type, f.binding
        flags = SIGNED * (kind.is_number and kind.signed) + SPACE * (kind.base in ("alpha", "char")) + RIGHT * kind.right + SECRET * f.secret
        width, scale, exp, src, map_index, absent = f.size, 0, -(kind.decimals or 0), 0, NONE16, 0
        field = None if wire_only else b.field
        if kind.absent:
            flags |= ABSENT
            absent = kind.absent[0] & (1 << 8 * f.size) - 1
        if kind.base in self.house.records:
            self._record_op(f)
            return
        if b.kind == "check":
            op = CHECK
            absent = b.value if isinstance(b.value, int) else int.from_bytes(b.value or b"", "big" if self.meaning.big else "little")
            absent &= (1 << 8 * f.size) - 1
            if wire_only:
                op = FIXED
        elif b.kind in ("type", "length") or kind.base == "pad":
            op = FIXED
        elif kind.base == "char":
            op = TEXT if field and field.primitive == "text" else ENUM
        elif kind.base in TEXTUAL:
            op = TEXT
        elif kind.is_number:
            op = DECIMAL if field and field.primitive == "text" else INT
        else:
            op = {"bytes": BYTES, "digits": DIGITS, "rest": REST}[kind.base]
        rec = rwidth = 0
        if not wire_only:
            src = self._source(b)
            if field:
                rec, rwidth = field.offset, field.size
                flags |= RSIGNED * (field.primitive in PRIMITIVES and field.primitive[0] == "i")
                scale = SCALES.get(field.scale, 0)
            flags |= REQUIRED * (b.mark == "!") + BEST * (b.mark == "?")
            if op == ENUM and field:
                map_index = self._wire_map(f, str(field.enum))
            elif op in (INT, DECIMAL):
                map_index = self._range(f)
        self.ops.append(OP.pack(op, width, rwidth, flags, exp, scale, f.offset, rec, bit_of(field), src, f.index, map_index, absent))

    def _record_op(self, f: WireField) -> None:
        first, count = self.whole[f.type.base]
        report = f.type.base == "gw_report"
        self.ops.append(OP.pack(RECORD, 1, 0, 0, 0, 0, f.offset, 0, NONE, 0, f.index, report, first | count << 32))

    def _source(self, b: Binding) -> int:
        if b.instrument:
            return SRC_INSTRUMENT + INSTRUMENT_VALUES.index(b.instrument)
        if b.session:
            return (SRC_BASE if b.since else SRC_SESSION) + self.meaning.session_values.index(b.session)
        return 0

    def _wire_map(self, f: WireField, house_enum: str) -> int:
        wire, house = self.meaning.enums[str(f.type.enum)], self.house.enums[house_enum]
        decode = {code: house.value_of(name) for code, name in {**wire.both, **wire.decode_only}.items()}
        encode = {house.value_of(name): code for code, name in wire.both.items()}
        return self._map({k: v for k, v in decode.items() if v is not None}, {k: v for k, v in encode.items() if k is not None})

    def _range(self, f: WireField) -> int:
        kind = f.type
        if kind.low is None and kind.high is None and len(kind.absent) < 2:
            return NONE16
        low, high = limits(kind)
        alt = kind.absent[1] if len(kind.absent) > 1 else 0
        flags = (kind.low is not None) | (kind.high is not None) << 1 | (len(kind.absent) > 1) << 2
        values = [v & (1 << 64) - 1 for v in (kind.low if kind.low is not None else low, kind.high if kind.high is not None else high)]
        return _index(self.ranges, RANGE.pack(*values, alt & (1 << 8 * f.size) - 1, flags))


def _index(entries: list[bytes], entry: bytes) -> int:
    if entry not in entries:
        entries.append(entry)
    return entries.index(entry)


def presence_mask(m: Message, whole: bool) -> tuple[int, int]:
    """The presence bits (has, has2) that `m` can carry or need not; a venue's message may leave out what its wire does not have."""
    if m.sender == "venue" or whole:
        return (1 << 64) - 1, (1 << 64) - 1
    return sum(1 << bit for bit in sorted(_order_bits(m.accepts | carried(m)))), 0


def carried(m: Message) -> frozenset[str]:
    """Names of the record's fields that `m` has a place for, or says by itself."""
    return frozenset(f.binding.field.name for f in m.all_fields if f.binding.field) | frozenset(im.field.name for im in m.implies)


@cache
def _order_bits(names: frozenset[str]) -> frozenset[int]:
    house = records.order()
    return frozenset(f.bit for f in house.records["gw_order"].fields if f.name in names | house.house_only and f.bit >= 0)


def filler(f: WireField) -> bytes:
    """What a field holds that nobody sets: its constant or default, its absent value, spaces or zeros."""
    kind = f.type
    if kind.base in TEXTUAL or kind.base == "digits":
        return pad(kind, f.binding.value if isinstance(f.binding.value, bytes) else b"", f.size)
    return bytes(f.size)


def template(meaning: Meaning, m: Message) -> bytes:
    """The fixed part of `m` with nothing given."""
    order = "big" if meaning.big else "little"
    out = bytearray()
    for f in m.fields:
        value = f.binding.value
        if f.binding.kind == "type":
            value = m.key if f.offset == (meaning.frame.inner_at if m.inner else meaning.frame.type_at) else meaning.frame.carriers[m.sender]
        elif value is None and f.type.absent:
            value = f.type.absent[0]
        if isinstance(value, int):
            out += (value & (1 << 8 * f.size) - 1).to_bytes(f.size, "big" if order == "big" else "little")
        elif f.type.base == "char" and value is None:
            out += b" "
        else:
            out += filler(f)
    return bytes(out)
