"""FIX tag=value from Python: frames, fields by name, and whole records, through the C codec that the lane uses."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from gateway import native
from gateway.codecs import fix_dialect
from gateway.codecs.fix_dialect import FIELDS, FixDialect

_codec = native.load("gateway.codecs._codec")
ffi, lib = _codec.ffi, _codec.lib

FAULTS: dict[int, str] = {code: name for code, name in ffi.typeof("enum gw_fault_code").elements.items() if code < 0}
FRAME_MAX: int = lib.GW_FIX_FRAME_MAX
NONE: int = lib.GW_FAULT_NONE

# A presence bit as gw_fault has it → the record's field.
FIELD_OF_BIT = {f.bit + (64 if f.has == "has2" else 0): f.name for f in FIELDS.values()}


class FixFault(Exception):
    """A message or record that is wrong: `code` is enum gw_fault_code; `tag`, `offset` and the record's `field` where they are known."""

    def __init__(self, code: int, message: str = "", tag: int | None = None, field: str | None = None, offset: int | None = None) -> None:
        self.code = code
        self.message = message
        self.tag = tag
        self.field = field
        self.offset = offset
        said = [message, f"tag {tag}" if tag is not None else "", field or "", f"at byte {offset}" if offset is not None else ""]
        super().__init__(" ".join(filter(None, [f"{FAULTS.get(code, str(code))}:", *said])))


@dataclass(frozen=True)
class Scanned:
    """A verified frame and its header: times are ns since the epoch (0 = absent), msg_type and the comp ids text.

    `odd` are the GW_FIX_ODD_ bits of fix.h. `fields` are (tag, value) in wire order from 8 on, without 10; tag 0 = an invalid number.
    """

    msg_type: str
    msg_seq_num: int
    begin_string: str
    sender_comp_id: str
    target_comp_id: str
    sending_time: int
    orig_sending_time: int
    poss_dup: bool
    poss_resend: bool
    odd: int
    odd_field: int | None
    first_body: int
    fields: tuple[tuple[int, bytes], ...]


@dataclass(frozen=True)
class DecodedRecord:
    """A message as a record (the bytes of a gw_report, fields that are not given being zero), and the frame's length."""

    message: str
    record: bytes
    consumed: int


@dataclass(frozen=True)
class DecodedFields:
    """A message by its fields' names, in wire order, values as text; the second of a name is NAME.2, and so on."""

    message: str
    length: int
    fields: dict[str, str]


def frame(data: bytes | bytearray | memoryview, max_length: int = FRAME_MAX) -> int:
    """The length of the first complete frame in `data`, 0 = more bytes are needed, negative = a fault: ask `resync`."""
    return int(lib.gw_fix_frame(ffi.from_buffer(data), len(data), max_length))


def resync(data: bytes | bytearray | memoryview, max_length: int = FRAME_MAX) -> int:
    """How many bytes of a garbled beginning are to be dropped, 0 = its end is not there yet. The rule is in fix.h."""
    return int(lib.gw_fix_resync(ffi.from_buffer(data), len(data), max_length))


def scan(message: bytes | bytearray | memoryview) -> Scanned:
    """Verify and index one whole frame. Raises: FixFault."""
    view = _scanned(bytes(message))
    raw = bytes(message)

    def text(span: Any) -> str:
        return raw[span.off : span.off + span.len].decode("latin-1")

    return Scanned(
        msg_type=text(view.msg_type_text),
        msg_seq_num=view.msg_seq_num,
        begin_string=text(view.begin_string),
        sender_comp_id=text(view.sender_comp_id),
        target_comp_id=text(view.target_comp_id),
        sending_time=view.sending_time,
        orig_sending_time=view.orig_sending_time,
        poss_dup=bool(view.poss_dup),
        poss_resend=bool(view.poss_resend),
        odd=view.odd,
        odd_field=view.odd_field if view.odd else None,
        first_body=view.first_body,
        fields=tuple((f.tag, raw[f.off : f.off + f.len]) for f in view.field[0 : view.field_count]),
    )


def _scanned(message: bytes) -> Any:
    """The gw_fix_msg of `message`. Raises: FixFault."""
    view = ffi.new("gw_fix_msg *")
    result = lib.gw_fix_scan(message, len(message), view)
    if result < 0:
        raise FixFault(result)
    return view


def tlv(fields: Mapping[int, str | bytes] | list[tuple[int, str | bytes]]) -> bytes:
    """Fields as C takes them: tag u16, length u16, value, in the order given."""
    out = bytearray()
    for tag, value in fields.items() if isinstance(fields, Mapping) else fields:
        raw = value.encode("latin-1") if isinstance(value, str) else value
        out += tag.to_bytes(2, "little") + len(raw).to_bytes(2, "little") + raw
    return bytes(out)


class Head:
    """Our own half of a session's header. Set msg_seq_num, sending_time (ns), poss_dup and orig_sending_time before each message."""

    def __init__(self, begin_string: str, sender: str, target: str, more: Mapping[int, str] | None = None) -> None:
        """`more` are further header fields by tag, ascending. Raises: FixFault for an empty, too long or unprintable text."""
        self.raw = ffi.new("gw_fix_head *")
        texts = [text.encode("latin-1") for text in (begin_string, sender, target)]
        given = tlv(more or {})
        result = lib.gw_fix_head_init(self.raw, *(part for text in texts for part in (text, len(text))), given, len(given))
        if result < 0:
            raise FixFault(result, "header")

    def stamp(self, msg_seq_num: int, sending_time: int, orig_sending_time: int | None = None, poss_resend: bool = False) -> "Head":
        """The next message's number and times (ns since the epoch); with `orig_sending_time` it is a possible duplicate."""
        self.raw.msg_seq_num, self.raw.sending_time = msg_seq_num, sending_time
        self.raw.poss_dup, self.raw.orig_sending_time = orig_sending_time is not None, orig_sending_time or 0
        self.raw.poss_resend = poss_resend
        return self


class FixCodec:
    """One dialect. `dialect` is what its file says, `pointer` the table as C takes it; both live as long as this object.

    Not for two threads at once: the record and frame buffers are kept between calls.
    """

    def __init__(self, dialect: FixDialect) -> None:
        self.dialect = dialect
        self._table = ffi.new("uint64_t[]", len(dialect.table) // 8)  # aligned as C wants it
        ffi.memmove(self._table, dialect.table, len(dialect.table))
        if lib.gw_fix_dialect_check(self._table, len(dialect.table)) != len(dialect.table):
            raise AssertionError(f"{dialect.protocol}: the compiled tables are not sound; fix_dialect.py and fix_dialect.c disagree")
        self.pointer = ffi.cast("const gw_fix_dialect *", self._table)
        self._view = ffi.new("gw_fix_msg *")
        self._report = ffi.new("gw_report *")
        self._fault = ffi.new("gw_fault *")
        self._frame = ffi.new("uint8_t[]", FRAME_MAX)
        self._names = {m.index: m.name for m in dialect.messages.values()}
        self._tags = {name: tag for tag, name in dialect.tag_names.items()}

    @property
    def protocol(self) -> str:
        return self.dialect.protocol

    def decode(self, data: bytes | bytearray | memoryview) -> DecodedRecord | None:
        """The message that begins `data`, as a record; None if it is not complete. Raises: FixFault."""
        length = frame(data)
        if length <= 0:
            return self._incomplete(length)
        message = bytes(data[:length])
        scanned = lib.gw_fix_scan(message, length, self._view)
        if scanned < 0:
            raise FixFault(scanned)
        index = lib.gw_fix_decode(self.pointer, message, self._view, self._report, self._fault)
        if index < 0:
            raise self._error()
        return DecodedRecord(self._names[index], bytes(ffi.buffer(self._report)), length)

    def encode(self, message: str, record: bytes, head: Head) -> bytes:
        """The bound `message` from a record: a gw_report, or a gw_order for a request. Raises: FixFault, KeyError."""
        index = self.dialect.index(message)
        if len(record) not in (lib.GW_ORDER_SIZE, lib.GW_REPORT_SIZE):
            raise ValueError(f"{message} is encoded from a record of {lib.GW_ORDER_SIZE} or {lib.GW_REPORT_SIZE} bytes, not {len(record)}")
        ffi.memmove(self._report, record.ljust(lib.GW_REPORT_SIZE, b"\0"), lib.GW_REPORT_SIZE)
        n = lib.gw_fix_encode(self.pointer, index, head.raw, self._report, self._frame, FRAME_MAX, self._fault)
        if n < 0:
            raise self._error()
        return bytes(ffi.buffer(self._frame, n))

    def encode_tlv(self, msg_type: str, fields: Mapping[int, str | bytes] | list[tuple[int, str | bytes]], head: Head) -> bytes:
        """A message of the session from its body's fields by tag, in the order given. Raises: FixFault."""
        body = tlv(fields)
        packed = int.from_bytes(msg_type.encode("latin-1"), "little")
        n = lib.gw_fix_encode_fields(head.raw, packed, body, len(body), self._frame, FRAME_MAX)
        if n < 0:
            raise FixFault(n, msg_type)
        return bytes(ffi.buffer(self._frame, n))

    def mask(self, data: bytes) -> bytes:
        """`data`, garbled or not, with the dialect's secret fields overwritten by '*'."""
        return mask(data, self.dialect.secret)

    def decode_fields(self, data: bytes | bytearray | memoryview) -> DecodedFields | None:
        """Every field of the message that begins `data`, by name; None if it is not complete. Raises: FixFault."""
        length = frame(data)
        if length <= 0:
            return self._incomplete(length)
        seen = scan(data[:length])
        fields: dict[str, str] = {}
        counts: dict[str, int] = {}
        for tag, value in [*seen.fields, (10, bytes(data[length - 4 : length - 1]))]:
            if tag == 0:
                raise FixFault(lib.GW_E_TAG, seen.msg_type, 0)
            name = self.dialect.tag_names.get(tag, str(tag))
            counts[name] = counts.get(name, 0) + 1
            fields[name if counts[name] == 1 else f"{name}.{counts[name]}"] = value.decode("latin-1")
        return DecodedFields(self.dialect.message_names.get(seen.msg_type, seen.msg_type), length, fields)

    def encode_fields(self, fields: Mapping[str, str]) -> bytes:
        """The message with these fields in this order; BodyLength and CheckSum are computed, whatever is given for them.

        Raises: KeyError for a name that is neither known nor a number; FixFault if the message would not be a sound one.
        """
        pairs = [(self._tag(name), value.encode("latin-1")) for name, value in fields.items()]
        body = b"".join(b"%d=%b\x01" % pair for pair in pairs if pair[0] not in (8, 9, 10))
        begin = next((value for tag, value in pairs if tag == 8), self.dialect.begin_string.encode())
        said = next((value for tag, value in pairs if tag == 9), b"")
        length = said if said.isdigit() and int(said) == len(body) else b"%d" % len(body)
        message = b"8=%b\x019=%b\x01%b" % (begin, length, body)
        message += b"10=%03d\x01" % lib.gw_fix_sum(message, len(message))
        _scanned(message)
        return message

    def _tag(self, name: str) -> int:
        plain = name.partition(".")[0]
        if plain in self._tags:
            return self._tags[plain]
        if plain.isdecimal():
            return int(plain)
        raise KeyError(f"{self.protocol} has no field '{plain}'; give its name or its tag")

    @staticmethod
    def _incomplete(length: int) -> None:
        if length < 0:
            raise FixFault(length, offset=0)

    def _error(self) -> FixFault:
        f = self._fault
        return FixFault(
            f.code,
            self._names.get(f.message, ""),
            None if f.field == NONE else f.field,
            None if f.bit == NONE else FIELD_OF_BIT.get(f.bit),
            f.offset,
        )


def mask(data: bytes, tags: tuple[int, ...]) -> bytes:
    """`data`, garbled or not, with the values of `tags` overwritten by '*' and a right CheckSum kept right."""
    buffer = ffi.new("uint8_t[]", data)
    lib.gw_fix_mask(buffer, len(data), list(tags), len(tags))
    return bytes(ffi.buffer(buffer, len(data)))


def redup(message: bytes, now_ns: int) -> bytes:
    """A sent frame once more, as a possible duplicate sent at `now_ns`. Raises: FixFault."""
    room = ffi.new("uint8_t[]", len(message) + lib.GW_FIX_REDUP_MORE)
    n = lib.gw_fix_redup(message, len(message), now_ns, room, len(room))
    if n < 0:
        raise FixFault(n)
    return bytes(ffi.buffer(room, n))


@cache
def load(protocol: str = "fix44") -> FixCodec:
    """The codec of a FIX dialect. Raises: LayoutError for an unknown or unsound one."""
    return FixCodec(fix_dialect.load(protocol))
