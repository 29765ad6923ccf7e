"""The public codec of a binary protocol: whole records through C, all wire fields through the plain Python reference."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from gateway import native
from gateway.codecs import loader, reference, tables
from gateway.codecs.layout import INSTRUMENT_VALUES, Meaning
from gateway.codecs.recordio import Value
from gateway.codecs.reference import NO_VALUES, Values

ORDER_SIZE, REPORT_SIZE = 440, 896
FROM = {"client": 0, "venue": 1}
FRAME_MAX = 1 << 17
NO_INDEX = 0xFFFF


class CodecError(Exception):
    """The C codec refuses: `code` is a name of enum gw_fault_code, `field` the wire's name, `bit` the record's presence bit."""

    def __init__(self, code: str, message: str, field: str, offset: int, bit: int | None) -> None:
        super().__init__(f"{code} at byte {offset}" + (f" of {message}" if message else "") + (f".{field}" if field else ""))
        self.code = code
        self.message = message
        self.field = field
        self.offset = offset
        self.bit = bit


@dataclass(frozen=True)
class DecodedRecord:
    """A message as a record: gw_order from a client, gw_report from a venue, fields that are not given being zero."""

    message: str
    record: bytes
    consumed: int


class Layout:
    """One protocol. `meaning` is what its file says, `table` what C interprets; tables and buffers are this object's own.

    Not for two threads at once: the record and frame buffers are kept between calls.
    """

    def __init__(self, meaning: Meaning) -> None:
        extension = native.load("gateway.codecs._codec")
        self._ffi, self._lib = extension.ffi, extension.lib
        self.meaning = meaning
        self.table = tables.compile_table(meaning)
        # Copied into memory of cffi's own, which is aligned as C wants it.
        self._table = self._ffi.new("uint64_t[]", len(self.table) // 8)
        self._ffi.memmove(self._table, self.table, len(self.table))
        if self._lib.gw_layout_check(self._table, len(self.table)) != 1:
            raise AssertionError(f"{meaning.protocol}: the compiled tables are not sound; tables.py and layout.c disagree")
        self.pointer = self._ffi.cast("const gw_layout *", self._table)
        self._record = self._ffi.new("gw_report *")
        self._fault = self._ffi.new("gw_fault *")
        self._frame = self._ffi.new("uint8_t[]", FRAME_MAX)

    @property
    def protocol(self) -> str:
        return self.meaning.protocol

    def index(self, message: str) -> int:
        """The number of `message` in C. Raises: KeyError."""
        return self.meaning.names[message].index

    def decode(self, data: bytes | bytearray | memoryview, sender: str = "venue", values: Values = NO_VALUES) -> DecodedRecord | None:
        """The message from `sender` ("client" or "venue") that begins `data`; None if it is not complete. Raises: CodecError."""
        ffi = self._ffi
        ffi.memmove(self._record, bytes(REPORT_SIZE), REPORT_SIZE)
        held, pointer = self._values(values)
        n = self._lib.gw_decode(self.pointer, pointer, FROM[sender], ffi.from_buffer("uint8_t[]", data), len(data), self._record, self._fault)
        del held
        if n == 0:
            return None
        if n < 0:
            raise self._error()
        name = self.meaning.messages[self._fault.message].name
        return DecodedRecord(name, bytes(ffi.buffer(self._record, ORDER_SIZE if sender == "client" else REPORT_SIZE)), n)

    def encode(self, message: str, record: bytes, values: Values = NO_VALUES) -> bytes:
        """The bound `message` from a record (gw_order for a client's, gw_report for a venue's). Raises: CodecError, KeyError."""
        size = ORDER_SIZE if self.meaning.names[message].sender != "venue" else REPORT_SIZE
        if len(record) < size:
            raise ValueError(f"{message} is encoded from {size} bytes of record, not {len(record)}")
        ffi = self._ffi
        held, pointer = self._values(values)
        n = self._lib.gw_encode(
            self.pointer, pointer, self.index(message), ffi.from_buffer("uint8_t[]", record), self._frame, FRAME_MAX, self._fault
        )
        del held
        return self._encoded(n)

    def encode_tlv(self, message: str, fields: Mapping[str, Any]) -> bytes:
        """`message` from wire fields, by way of C. Raises: CodecError, and KeyError as tlv."""
        tlv = self.tlv(message, fields)
        return self._encoded(self._lib.gw_encode_fields(self.pointer, self.index(message), tlv, len(tlv), self._frame, FRAME_MAX, self._fault))

    def tlv(self, message: str, fields: Mapping[str, Any]) -> bytes:
        """`fields` as gw_encode_fields takes them: u16 index, u16 length, value. Raises: KeyError for a field that does not exist."""
        m, tags = self.meaning.names[message], self.meaning.tag_format
        by_name = {f.name: f for f in (*m.fields, *([m.rest] if m.rest else []))}
        options = {f.name: f for f in m.tags}
        given = [(by_name[name], value) for name, value in fields.items() if not tags or name != tags.name]
        if tags:
            given += [(options[name], value) for name, value in fields.get(tags.name, {}).items()]
        out = bytearray()
        for f, value in given:
            if isinstance(value, int):
                raw = value.to_bytes(8, "little", signed=value < 0)
            elif f.type.base in ("bytes", "rest"):
                raw = bytes.fromhex(value)
            else:
                raw = str(value).encode("latin-1")
            out += f.index.to_bytes(2, "little") + len(raw).to_bytes(2, "little") + raw
        return bytes(out)

    def mask(self, frame: bytes, sender: str) -> bytes:
        """`frame` (which may be cut off) with its secret fields overwritten by '*'. Raises: CodecError if its type is unknown."""
        buffer = self._ffi.new("uint8_t[]", frame)
        if self._lib.gw_mask(self.pointer, FROM[sender], buffer, len(frame), self._fault) < 0:
            raise self._error()
        return bytes(self._ffi.buffer(buffer, len(frame)))

    def decode_fields(self, data: bytes, sender: str) -> reference.Decoded | None:
        """All wire fields of the message that begins `data`, by the reference codec. Raises: reference.Refused."""
        return reference.decode_fields(self.meaning, data, sender)

    def encode_fields(self, message: str, fields: Mapping[str, Any]) -> bytes:
        """The inverse: the message from its fields alone, by the reference codec. Raises: reference.Refused."""
        return reference.encode_fields(self.meaning, message, fields)

    def _encoded(self, n: int) -> bytes:
        if n <= 0:
            raise self._error()
        return bytes(self._ffi.buffer(self._frame, n))

    def _values(self, values: Values) -> tuple[Any, Any]:
        """A gw_values of `values`: what must be kept alive during the call, and the pointer."""
        ffi = self._ffi
        if values is NO_VALUES:
            return None, ffi.NULL
        session, instrument = (
            ffi.new("gw_value[]", [_value(given.get(name)) for name in names] or 1)
            for names, given in ((self.meaning.session_values, values.session), (INSTRUMENT_VALUES, values.instrument))
        )
        out = ffi.new("gw_values *", (session, instrument, len(self.meaning.session_values), len(INSTRUMENT_VALUES)))
        return (session, instrument), out

    def _error(self) -> CodecError:
        f = self._fault
        codes = self._ffi.typeof("enum gw_fault_code").elements
        message = self.meaning.messages[f.message] if f.message != NO_INDEX else None
        fields = message.all_fields if message else ()
        field = fields[f.field].name if f.field < len(fields) else ""
        return CodecError(codes.get(f.code, str(f.code)), message.name if message else "", field, f.offset, None if f.bit == NO_INDEX else f.bit)


def _value(value: Value | None) -> dict[str, Any]:
    if value is None:
        return {}
    if isinstance(value, int):
        return {"number": value, "given": 1}
    text = value.encode("ascii") if isinstance(value, str) else value
    if len(text) > 24:
        raise ValueError(f"a value has at most 24 characters, not {value!r}")
    return {"text": text, "len": len(text), "given": 1}


@cache
def load(protocol: str) -> Layout:
    """The codec of a binary protocol: "ouch50", "soupbintcp", "order_api" … Raises: LayoutError for an unknown or unsound one."""
    return Layout(loader.load(protocol))
