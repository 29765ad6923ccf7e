"""The plain Python codec: every wire field by the venue's name, and records, straight from a layout's meaning.

It is slow and complete, and shares no line with csrc/layout.c: it is what the C is tested against, what `gateway decode` prints and
what the simulators' reference voice speaks. `fields` of a message hold every byte of it: encode_fields makes the same bytes again.
Numbers are integers as on the wire, text is stripped of its padding, raw bytes are hexadecimal.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from gateway.codecs import records
from gateway.codecs.layout import TEXTUAL, Imply, Meaning, Message, WireField, limits
from gateway.codecs.recordio import Value
from gateway.codecs.records import PRIMITIVES, Field

Fields = dict[str, Any]


class Refused(Exception):
    """Bytes that are no message, or a message that the wire cannot carry; `code` is the name of the fault in csrc/fault.h."""

    def __init__(self, code: str, what: str, offset: int = 0) -> None:
        super().__init__(f"{what} (byte {offset})" if offset else what)
        self.code = code
        self.what = what
        self.offset = offset


@dataclass(frozen=True)
class Values:
    """What a session and an instrument contribute: text and codes as text, numbers as on the wire."""

    session: Mapping[str, Value] = field(default_factory=dict)
    instrument: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True)
class Decoded:
    """One message: its name, who sends it ("client" or "venue"), how many bytes it took, and all its wire fields."""

    message: Message
    sender: str
    length: int
    fields: Fields


NO_VALUES = Values()


def frame_length(meaning: Meaning, data: bytes) -> int:
    """Length of the frame that begins `data`, 0 if more bytes are needed to tell or to complete it. Raises: Refused."""
    frame = meaning.frame
    total = frame.fixed
    if not total:
        if len(data) < frame.length_at + frame.length_width:
            return 0
        total = _number(meaning, data[frame.length_at : frame.length_at + frame.length_width]) + frame.after
    if not frame.least <= total <= frame.most or total % frame.multiple:
        raise Refused("GW_E_FRAME", f"no frame can be {total} bytes long; {meaning.protocol} has {frame.least} to {frame.most}", frame.length_at)
    return total if len(data) >= total else 0


def identify(meaning: Meaning, data: bytes, sender: str) -> Message:
    """Which message the frame `data` from `sender` is. Raises: Refused."""
    frame = meaning.frame
    at, width, inner = frame.type_at, frame.type_width, False
    if frame.carriers.get(sender) == _number(meaning, data[at : at + width]):
        at, width, inner = frame.inner_at, frame.inner_width, True
    if len(data) < at + width:
        raise Refused("GW_E_SHORT", "the frame ends before the message type", len(data))
    key = _number(meaning, data[at : at + width])
    for m in meaning.messages:
        if m.inner == inner and m.key == key and m.sender in (sender, "either"):
            return m
    shown = repr(chr(key)) if 32 <= key < 127 else str(key)
    raise Refused("GW_E_TYPE", f"{meaning.protocol} has no message of type {shown} from the {sender}", at)


def decode_fields(meaning: Meaning, data: bytes, sender: str) -> Decoded | None:
    """The message that begins `data`, None if it is not complete. Raises: Refused, with the byte that is wrong."""
    total = frame_length(meaning, data)
    if not total:
        return None
    frame = bytes(data[:total])
    m = identify(meaning, frame, sender)
    if total < m.minimum:
        raise Refused("GW_E_SHORT", f"{m.name} has at least {m.minimum} bytes, this one {total}", total)
    if total > m.block and not (m.rest or m.tags):
        raise Refused("GW_E_LONG", f"{m.name} has {m.block} bytes, this one {total}", m.block)
    fields: Fields = {}
    for f in m.fields:
        if f.end > total:
            break
        raw = frame[f.offset : f.end]
        if f.binding.kind == "check" and raw != _raw(meaning, f, f.binding.value):
            raise Refused("GW_E_CONSTANT", f"{m.name}.{f.name} is {raw.hex()}, which it never is", f.offset)
        fields[f.name] = _shown(meaning, f, raw, f.offset)
    if m.rest:
        fields[m.rest.name] = _shown(meaning, m.rest, frame[m.block :], m.block)
    if m.tags and total > m.block:
        _decode_tags(meaning, m, frame, fields)
    return Decoded(m, sender, total, fields)


def encode_fields(meaning: Meaning, name: str, fields: Mapping[str, Any]) -> bytes:
    """The message `name` with `fields`; those not given have their constant, absent value or padding. Raises: Refused."""
    m = meaning.names.get(name)
    if m is None:
        raise Refused("GW_E_ARGUMENT", f"{meaning.protocol} has no message {name}; it has {', '.join(meaning.names)}")
    tags = meaning.tag_format
    known = {f.name for f in m.fields} | ({m.rest.name} if m.rest else set())
    if m.tags and tags:
        known |= {tags.name, f"{tags.name}_length"}
    if unknown := sorted(set(fields) - known):
        raise Refused("GW_E_ARGUMENT", f"{m.name} has no field {unknown[0]}; it has {', '.join(sorted(known))}")
    out = bytearray()
    end = m.minimum
    for f in m.fields:
        out += _wire(meaning, m, f, fields[f.name]) if f.name in fields else _unset(meaning, m, f)
        if f.name in fields:
            end = max(end, f.end)
    if m.rest and fields.get(m.rest.name):
        out += _rest(m.rest, fields[m.rest.name])
        end = len(out)
    length = next((f for f in m.fields if f.binding.kind == "length"), None)
    if m.tags and tags:
        options = fields.get(tags.name, {})
        # A decoded line always has its length, so that a message without an appendage stays without.
        if options or f"{tags.name}_length" in fields or (m.tags_always and not (length and length.name in fields)):
            out += _encode_tags(meaning, m, options)
            end = len(out)
    out = out[:end]
    if length:
        value = len(out) - meaning.frame.after
        if fields.get(length.name, value) != value:
            raise Refused("GW_E_FRAME", f"{m.name} has {length.name} {value}, not {fields[length.name]}", length.offset)
        out[length.offset : length.end] = _bytes(meaning, length, value)
    return bytes(out)


# -- records


def to_record(meaning: Meaning, decoded: Decoded, values: Values = NO_VALUES) -> dict[str, Value]:
    """The record fields that a decoded message gives; the order's and the report's in one dictionary. Raises: Refused."""
    m, out = decoded.message, dict[str, Value]()
    whole = next((f for f in m.fields if f.type.base in records.order().records), None)
    if whole:
        out |= decoded.fields[whole.name]
    for f in m.fields:
        if f.name in decoded.fields:
            _take(meaning, m, f, decoded.fields[f.name], decoded.sender, values, out)
        elif f.binding.mark == "!":
            raise Refused("GW_E_MISSING", f"{m.name}.{f.name} must be given", decoded.length)
    options = decoded.fields.get(meaning.tag_format.name, {}) if meaning.tag_format else {}
    by_name = {f.name: f for f in m.tags}
    for name, value in options.items():
        if name in by_name:
            _take(meaning, m, by_name[name], value, decoded.sender, values, out)
    for im in m.implies:
        implied = _house(im.field, im.value)
        if _holds(im, out) and out.setdefault(im.field.name, implied) != implied:
            raise Refused("GW_E_VALUE", f"{m.name} has {im.field.name} {implied!r}, not {out[im.field.name]!r}")
    if not whole and any(f.binding.field for f in m.all_fields):
        out |= {"px_exp": meaning.px_exp, "qty_exp": meaning.qty_exp}
    return out


def from_record(meaning: Meaning, name: str, record: Mapping[str, Value], values: Values = NO_VALUES) -> bytes:
    """The message `name` that says `record`. Raises: Refused for what it cannot say exactly."""
    m = meaning.names[name]
    house = records.order()
    whole = next((f for f in m.fields if f.type.base in house.records), None)
    if not (whole or any(f.binding.field for f in m.all_fields)):
        raise Refused("GW_E_ARGUMENT", f"{m.name} is bound to no record")
    if m.sender != "venue" and not whole:
        sayable = {f.binding.field.name for f in m.all_fields if f.binding.field} | {im.field.name for im in m.implies} | m.accepts | house.house_only
        for given in house.records["gw_order"].fields:
            if given.name in record and given.name not in sayable:
                raise Refused("GW_E_REFUSED", f"{m.name} cannot say {given.name}")
    for im in m.implies:
        if _holds(im, record) and record.get(im.field.name, _house(im.field, im.value)) != _house(im.field, im.value):
            raise Refused("GW_E_REFUSED", f"{m.name} cannot say {im.field.name} {record[im.field.name]!r}")
    fields: Fields = {}
    if whole:
        fields[whole.name] = {f.name: record[f.name] for f in house.records[whole.type.base].flat() if f.name in record}
    for f in m.fields:
        value = _say(meaning, m, f, record, values)
        if value is not None:
            fields[f.name] = value
    if m.minimum < m.block:  # the record's messages are whole
        fields |= {f.name: _shown(meaning, f, _unset(meaning, m, f), 0) for f in m.fields if f.name not in fields and f.binding.kind != "length"}
    options = {f.name: value for f in m.tags if (value := _say(meaning, m, f, record, values)) is not None}
    if m.tags and meaning.tag_format:
        fields[meaning.tag_format.name] = options
    return encode_fields(meaning, name, fields)


def _house(f: Field, value: int) -> Value:
    return chr(value) if f.primitive == "char" else value


def _holds(im: Imply, record: Mapping[str, Value]) -> bool:
    return im.condition is None or (im.condition.name in record) == im.sense


def _take(meaning: Meaning, m: Message, f: WireField, shown: Any, sender: str, values: Values, out: dict[str, Value]) -> None:
    """Put what wire field `f` says into the record `out`."""
    b, where = f.binding, f"{m.name}.{f.name}"
    if b.field is None:
        return
    value = _meant(meaning, f, b.field, shown, sender, values, where)
    if value is not None:
        out[b.field.name] = value
    elif b.mark == "!":
        raise Refused("GW_E_MISSING", f"{where} must be given", f.offset)


def _meant(meaning: Meaning, f: WireField, to: Field, shown: Any, sender: str, values: Values, where: str) -> Value | None:
    kind = f.type
    if isinstance(shown, str):
        if to.primitive == "text":
            shown = "" if kind.base == "char" and shown == " " else shown
            if any(not " " <= c <= "~" for c in shown):
                raise Refused("GW_E_TEXT", f"{where} is not printable ASCII", f.offset)
            return shown or None
        code = ord(shown)
    else:
        code = shown
    if code in kind.absent:
        return None
    if to.enum:
        wire, house = meaning.enums[str(kind.enum)], records.order().enums[to.enum]
        name = wire.both.get(code, wire.decode_only.get(code))
        if name is None and (sender == "client" or f.binding.mark == "!"):
            raise Refused("GW_E_VALUE", f"{where} {shown!r} is no code of {wire.name}", f.offset)
        value = house.value_of(name) if name else None
        return None if value is None else _house(to, value)
    if to.primitive == "text":
        return str(code)
    base = values.session.get(str(f.binding.session), None) if f.binding.since else 0
    if not isinstance(base, int):
        return None
    number = int(code)
    if to.primitive[0] == "i":
        _fits(number, "i64", where, f.offset)
    if to.scale:
        number *= 10 ** (-(kind.decimals or 0) - (meaning.px_exp if to.scale == "px_exp" else meaning.qty_exp))
    number += base
    _fits(number, to.primitive, where, f.offset)
    return number


def _fits(number: int, primitive: str, where: str, offset: int) -> None:
    bits = 8 * PRIMITIVES[primitive]
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if primitive[0] == "i" else (0, (1 << bits) - 1)
    if not low <= number <= high:
        raise Refused("GW_E_RANGE", f"{where}: {number} does not fit {primitive}", offset)


def _say(meaning: Meaning, m: Message, f: WireField, record: Mapping[str, Value], values: Values) -> Any:
    """What wire field `f` of an encoded message shows; None: as if nobody set it."""
    b, where = f.binding, f"{m.name}.{f.name}"
    if b.kind != "field":
        return None
    if b.instrument and b.instrument in values.instrument:
        return _stated(f, values.instrument[b.instrument], where)
    if b.field is None or b.field.name not in record:
        if b.session in values.session and not b.since:
            return _stated(f, values.session[str(b.session)], where)
        if b.mark == "!":
            raise Refused("GW_E_MISSING", f"{where} needs {b.field.name if b.field else b.session}", f.offset)
        return None
    try:
        return _said(meaning, f, b.field, record, values, where)
    except Refused:
        if b.mark == "?":
            return None
        raise


def _stated(f: WireField, value: Value, where: str) -> Value:
    """A session's or an instrument's value, which is as on the wire."""
    if f.type.is_number:
        return _checked(f, value if isinstance(value, int) else -1, where)
    if f.type.base == "char" and f.type.enum and (not isinstance(value, str) or len(value) != 1):
        raise Refused("GW_E_TEXT", f"{where}: {value!r} is not one character", f.offset)
    return value if f.type.base == "char" else _text(f, value, where)


def _text(f: WireField, value: Value, where: str) -> str:
    text = value if isinstance(value, str) else ""
    if not text:
        raise Refused("GW_E_NULL", f"{where}: an empty text would mean that it is absent", f.offset)
    filler = " " if f.type.base in ("alpha", "char") else "\0"
    if len(text) > f.size or any(not " " <= c <= "~" for c in text) or text[0 if f.type.right else -1] == filler:
        raise Refused("GW_E_TEXT", f"{where}: {text!r} is not at most {f.size} printable characters, or ends in padding", f.offset)
    return text


def _said(meaning: Meaning, f: WireField, of: Field, record: Mapping[str, Value], values: Values, where: str) -> Any:
    kind, value = f.type, record[of.name]
    if of.enum:
        wire, house = meaning.enums[str(kind.enum)], records.order().enums[of.enum]
        name = house.name_of(ord(value) if isinstance(value, str) else int(value))
        code = next((c for c, n in wire.both.items() if n == name), None)
        if code is None:
            raise Refused("GW_E_VALUE", f"{where}: the wire has no code for {of.name} {name or value!r}", f.offset)
        return chr(code) if kind.base == "char" else code
    if not kind.is_number:
        return _text(f, value, where)
    if isinstance(value, str):
        if not value.isdecimal() or not value.isascii() or (len(value) > 1 and value[0] == "0"):
            raise Refused("GW_E_TEXT", f"{where}: {value!r} is not a number", f.offset)
        if int(value) >= 1 << 64:
            raise Refused("GW_E_RANGE", f"{where}: {value} does not fit", f.offset)
        return _checked(f, int(value), where)
    number = int(value)
    if of.scale and number:
        if of.scale not in record:
            raise Refused("GW_E_MISSING", f"{where}: {of.name} without {of.scale}", f.offset)
        number = _rescaled(number, int(record[of.scale]) + (kind.decimals or 0), where, f.offset)
    elif of.scale and of.scale not in record:
        raise Refused("GW_E_MISSING", f"{where}: {of.name} without {of.scale}", f.offset)
    if f.binding.since:
        base = values.session.get(str(f.binding.session))
        if not isinstance(base, int):
            return None
        number -= base
        _fits(number, "i64", where, f.offset)
    return _checked(f, number, where)


def _rescaled(number: int, power: int, where: str, offset: int) -> int:
    """number × 10^power, exact and within 64 bits."""
    factor: int = 10 ** abs(power)
    if power < 0:
        if power < -18 or number % factor:
            raise Refused("GW_E_SCALE", f"{where}: {number} is not a multiple of 10^{-power}; it is never rounded", offset)
        return number // factor
    if power > 18 or not -(1 << 63) <= number * factor < 1 << 63:
        raise Refused("GW_E_RANGE", f"{where}: {number} × 10^{power} does not fit", offset)
    return number * factor


def _checked(f: WireField, number: int, where: str) -> int:
    """`number` as it may stand on the wire: in range, and not a value that means absent."""
    low, high = limits(f.type)
    if not low <= number <= high:
        raise Refused("GW_E_RANGE", f"{where}: {number} is not from {low} to {high}", f.offset)
    if number in f.type.absent:
        raise Refused("GW_E_NULL", f"{where}: {number} would mean that it is absent", f.offset)
    low, high = f.type.low if f.type.low is not None else low, f.type.high if f.type.high is not None else high
    if not low <= number <= high:
        raise Refused("GW_E_RANGE", f"{where}: {number} is not from {low} to {high}", f.offset)
    return number


# -- bytes


def _order(meaning: Meaning) -> Literal["big", "little"]:
    return "big" if meaning.big else "little"


def _number(meaning: Meaning, data: bytes) -> int:
    return int.from_bytes(data, _order(meaning))


def _shown(meaning: Meaning, f: WireField, data: bytes, offset: int) -> Any:
    """A field's bytes as a value that makes the same bytes again."""
    kind = f.type
    if kind.base in records.order().records:
        return record_fields(kind.base, data, offset)
    if kind.is_number:
        return int.from_bytes(data, _order(meaning), signed=kind.signed)
    if kind.base == "char":
        return data.decode("latin-1")
    if kind.base in TEXTUAL:
        if not f.size:
            return data.decode("latin-1")
        filler = b" " if kind.base == "alpha" else b"\0"
        return (data.lstrip(filler) if kind.right else data.rstrip(filler)).decode("latin-1")
    if kind.base == "digits":
        digits = data.lstrip(b" ")
        plain = digits.isdigit() and (digits == b"0" or not digits.startswith(b"0"))
        return int(digits) if plain else data.decode("latin-1") if digits else ""
    return data.hex()


def _raw(meaning: Meaning, f: WireField, value: int | bytes | None) -> bytes:
    if isinstance(value, bytes):
        return value
    return ((value or 0) & (1 << 8 * f.size) - 1).to_bytes(f.size, _order(meaning))


def _bytes(meaning: Meaning, f: WireField, value: int) -> bytes:
    try:
        return value.to_bytes(f.size, _order(meaning), signed=f.type.signed)
    except OverflowError:
        raise Refused("GW_E_RANGE", f"{f.name}: {value} does not fit {f.type.base}", f.offset) from None


def _wire(meaning: Meaning, m: Message, f: WireField, value: Any) -> bytes:
    """The bytes of a field that shows `value`."""
    kind, where = f.type, f"{m.name}.{f.name}"
    if kind.base in records.order().records:
        return record_bytes(kind.base, value, where)
    if kind.is_number:
        if isinstance(value, bool) or not isinstance(value, int):
            raise Refused("GW_E_VALUE", f"{where} must be an integer, not {value!r}", f.offset)
        return _bytes(meaning, f, value)
    if kind.base == "digits" and isinstance(value, int):
        if value < 0 or len(str(value)) > f.size:
            raise Refused("GW_E_RANGE", f"{where}: {value} does not fit {f.size} digits", f.offset)
        return str(value).rjust(f.size).encode()
    if not isinstance(value, str):
        raise Refused("GW_E_VALUE", f"{where} must be text, not {value!r}", f.offset)
    if kind.base in (*TEXTUAL, "char", "digits"):
        try:
            text = value.encode("latin-1")
        except UnicodeEncodeError:
            raise Refused("GW_E_TEXT", f"{where}: {value!r} has characters above 255", f.offset) from None
        if len(text) > f.size or (kind.base == "char" and len(text) != 1):
            raise Refused("GW_E_TEXT", f"{where}: {value!r} does not have {'at most ' if f.size > 1 else ''}{f.size} characters", f.offset)
        filler = b"\0" if kind.base == "text" else b" "
        return text.rjust(f.size, filler) if kind.right else text.ljust(f.size, filler)
    return _unhex(value, f.size, where, f.offset)


def _unhex(value: str, size: int, where: str, offset: int) -> bytes:
    try:
        data = bytes.fromhex(value)
    except ValueError:
        raise Refused("GW_E_VALUE", f"{where}: {value!r} is not hexadecimal", offset) from None
    if size and len(data) != size:
        raise Refused("GW_E_RANGE", f"{where}: {len(data)} bytes, not {size}", offset)
    return data


def _rest(f: WireField, value: Any) -> bytes:
    if not isinstance(value, str):
        raise Refused("GW_E_VALUE", f"{f.name} must be text, not {value!r}", f.offset)
    return value.encode("latin-1") if f.type.base in TEXTUAL else _unhex(value, 0, f.name, f.offset)


def _unset(meaning: Meaning, m: Message, f: WireField) -> bytes:
    """What a field holds that nobody sets."""
    b, kind = f.binding, f.type
    if b.kind == "type":
        carried = m.inner and f.offset != meaning.frame.inner_at
        return (meaning.frame.carriers[m.sender] if carried else m.key).to_bytes(f.size, _order(meaning))
    if b.value is not None:
        return _raw(meaning, f, b.value)
    if kind.absent:
        return _raw(meaning, f, kind.absent[0])
    return (b" " if kind.base in ("alpha", "char", "digits") else b"\0") * f.size


def _decode_tags(meaning: Meaning, m: Message, frame: bytes, fields: Fields) -> None:
    tags = meaning.tag_format
    assert tags is not None
    at = m.block + tags.total
    length = _number(meaning, frame[m.block : at])
    if len(frame) < at or length > len(frame) - at:
        raise Refused("GW_E_TAG", f"{m.name}: the {tags.name} has {length} bytes, but only {max(0, len(frame) - at)} follow", m.block)
    if length < len(frame) - at:
        raise Refused("GW_E_LONG", f"{m.name}: {len(frame) - at - length} bytes are left over behind the {tags.name}", at + length)
    fields[f"{tags.name}_length"] = length
    options: Fields = {}
    fields[tags.name] = options
    known = {f.offset: f for f in m.tags}
    while at < len(frame):
        value_at = at + tags.length + tags.tag
        end = value_at + _number(meaning, frame[at : at + tags.length]) - tags.counted
        if end < value_at or end > len(frame):
            raise Refused("GW_E_TAG", f"{m.name}: an option of the {tags.name} is cut off", at)
        tag = _number(meaning, frame[at + tags.length : value_at])
        f, value = known.get(tag), frame[value_at:end]
        if f is None:
            # A second unknown option of one tag keeps its place by a name of its own.
            name = f"tag_{tag}"
            while name in options:
                name += "'"
            options[name] = value.hex()
        elif len(value) != f.size or f.name in options:
            raise Refused("GW_E_TAG", f"{m.name}: option {f.name} has {f.size} bytes and stands once", at)
        else:
            options[f.name] = _shown(meaning, f, value, value_at)
        at = end


def _encode_tags(meaning: Meaning, m: Message, options: Any) -> bytes:
    tags = meaning.tag_format
    assert tags is not None
    if not isinstance(options, Mapping):
        raise Refused("GW_E_VALUE", f"{m.name}.{tags.name} must be a table of options, not {options!r}")
    by_name = {f.name: f for f in m.tags}
    out = bytearray()
    for name, value in options.items():
        f = by_name.get(name)
        if f is not None:
            tag, data = f.offset, _wire(meaning, m, f, value)
        elif name.startswith("tag_") and name[4:].rstrip("'").isdecimal() and int(name[4:].rstrip("'")) < 1 << 8 * tags.tag:
            tag, data = int(name[4:].rstrip("'")), _unhex(value, 0, name, 0)
        else:
            raise Refused("GW_E_ARGUMENT", f"{m.name}.{tags.name} has no option {name}; it has {', '.join(by_name)}, and tag_N in hexadecimal")
        try:
            out += (len(data) + tags.counted).to_bytes(tags.length, _order(meaning)) + tag.to_bytes(tags.tag, _order(meaning)) + data
        except OverflowError:
            raise Refused("GW_E_RANGE", f"{m.name}.{tags.name}.{name} is too long") from None
    return len(out).to_bytes(tags.total, _order(meaning)) + out


def record_fields(name: str, data: bytes, offset: int) -> Fields:
    """The fields given in a record; one record has one form, so what is not given must be zero. Raises: Refused."""
    record, out = records.order().records[name], Fields()
    words = {f.name: int.from_bytes(data[f.offset : f.offset + 8], "little") for f in record.flat() if f.name in ("has", "has2")}
    for f in record.flat():
        raw = data[f.offset : f.offset + f.size]
        if f.name in words:
            continue
        if f.bit < 0 or not words[f.has] >> f.bit & 1:
            if any(raw):
                raise Refused("GW_E_PADDING", f"{name}.{f.name} is not given, but is not zero", offset + f.offset)
            continue
        words[f.has] &= ~(1 << f.bit)
        out[f.name] = _record_value(f, raw, f"{name}.{f.name}", offset + f.offset)
    if any(words.values()):
        raise Refused("GW_E_PADDING", f"{name} has presence bits of no field", offset)
    return out


def _record_value(f: Field, raw: bytes, where: str, offset: int) -> Value:
    if f.primitive == "text":
        text = raw.rstrip(b"\0")
        if b"\0" in text:
            raise Refused("GW_E_PADDING", f"{where} goes on behind its end", offset)
        if any(not 0x20 <= c <= 0x7E for c in text):
            raise Refused("GW_E_TEXT", f"{where} is not printable ASCII", offset)
        return text.decode("ascii")
    number = int.from_bytes(raw, "little", signed=f.primitive[0] == "i")
    if f.enum and records.order().enums[f.enum].name_of(number) is None:
        raise Refused("GW_E_VALUE", f"{where}: {number} is none of its values", offset)
    return chr(number) if f.primitive == "char" else number


def record_bytes(name: str, values: Any, where: str) -> bytes:
    """The inverse: the record `name` with these fields and no other. Raises: Refused, naming `where` and the field."""
    record = records.order().records[name]
    out = bytearray(record.size)
    words = dict.fromkeys(("has", "has2"), 0)
    known = {f.name: f for f in record.flat() if f.bit >= 0}
    for key, value in (values if isinstance(values, Mapping) else {}).items():
        f = known.get(key)
        if f is None:
            raise Refused("GW_E_ARGUMENT", f"{where}: {name} has no field {key}")
        raw = _record_raw(f, value, f"{where}.{key}")
        _record_value(f, raw, f"{where}.{key}", f.offset)
        out[f.offset : f.offset + f.size] = raw
        words[f.has] |= 1 << f.bit
    for f in record.flat():
        if f.name in words:
            out[f.offset : f.offset + 8] = words[f.name].to_bytes(8, "little")
    return bytes(out)


def _record_raw(f: Field, value: Any, where: str) -> bytes:
    if f.primitive in ("text", "char"):
        if not isinstance(value, str) or len(value) > f.size or not value.isascii():
            raise Refused("GW_E_TEXT", f"{where}: {value!r} is not text of at most {f.size} characters")
        return value.encode().ljust(f.size, b"\0")
    if isinstance(value, bool) or not isinstance(value, int):
        raise Refused("GW_E_VALUE", f"{where} must be an integer, not {value!r}")
    _fits(value, f.primitive, where, 0)
    return value.to_bytes(f.size, "little", signed=f.primitive[0] == "i")
