"""Reads a FIX dialect (which field of the order record is which tag, and how its values are written) and compiles it for C.

A dialect is a layout file, layouts/venues/fix44.toml being the first; its head says what the words mean. A venue's own dialect
names a `base` and repeats only the tables that differ. C runs the compiled block without looking back here: csrc/fix.h.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from gateway import native
from gateway.codecs import records
from gateway.codecs.rows import LAYOUTS, LayoutError, Row, Source

_codec = native.load("gateway.codecs._codec")
_ffi, _lib = _codec.ffi, _codec.lib

COLUMNS = ("tag", "type", "name", "binding")
TOP = {"protocol", "version", "base", "begin_string", "secret", "left_out", "message", "enum", "code", "mark", "names"}

# Types that need no table: the kind in C, and what the record's field must be, by its primitive and by how its meaning begins.
PLAIN: dict[str, tuple[int, tuple[str, ...], str]] = {
    "text": (_lib.GW_FIX_KIND_TEXT, ("text",), ""),
    "note": (_lib.GW_FIX_KIND_NOTE, ("text",), ""),
    "int": (_lib.GW_FIX_KIND_UINT, ("u8", "u16", "u32", "u64", "i64"), ""),
    "price": (_lib.GW_FIX_KIND_PRICE, ("i64",), "× 10^px_exp"),
    "qty": (_lib.GW_FIX_KIND_QTY, ("i64",), "× 10^qty_exp"),
    "average": (_lib.GW_FIX_KIND_AVG, ("i64",), "× 10^avg_px_exp"),
    "time": (_lib.GW_FIX_KIND_TIME, ("i64",), "ns since the epoch"),
    "date": (_lib.GW_FIX_KIND_DATE, ("u32", "u64"), "YYYYMMDD"),
    "bool": (_lib.GW_FIX_KIND_BOOL, ("u8",), ""),
}  # fmt: skip
WORDS = {
    "!": "needed both ways",
    "+": "needed to write it",
    "<": "only read",
    ">": "only written",
    "?": "left absent where its value cannot be taken",
    "else": "written only if the row above was not",
}
BODY_MAX: int = _lib.GW_FIX_BODY_MAX
RECORD = records.order().records["gw_report"]
FIELDS = {f.name: f for f in RECORD.flat() if f.bit >= 0}
HAS2_OFFSET = next(f.offset for f in RECORD.flat() if f.name == "has2")


@dataclass(frozen=True)
class FixRow:
    """One field of a message: `field` is the record's (None for a constant or a name only), `words` those of WORDS that it has."""

    tag: int
    name: str
    kind: int
    field: records.Field | None
    words: frozenset[str]
    table: str  # of [enum], [code] or [mark], "" if none
    constant: str
    condition: tuple[records.Field, int] | None  # a constant: only if this field has this value
    line: int

    @property
    def is_read(self) -> bool:
        """Whether decoding fills the record from it."""
        return self.field is not None and self.kind != _lib.GW_FIX_KIND_CODE and ">" not in self.words

    @property
    def is_written(self) -> bool:
        """Whether encoding writes it."""
        return self.kind != _lib.GW_FIX_KIND_NONE and "<" not in self.words


@dataclass(frozen=True)
class FixMessage:
    """One message type: `index` is its number in C, `kind` the record's order.kind, `refuses` whether unbound fields are a fault."""

    index: int
    name: str
    type: str
    kind: int
    refuses: bool
    rows: tuple[FixRow, ...]


@dataclass(frozen=True)
class FixDialect:
    """A dialect: its messages by name, names of tags and message types for printing, and the compiled block `table`."""

    protocol: str
    version: str
    begin_string: str
    secret: tuple[int, ...]
    messages: dict[str, FixMessage]
    message_names: dict[str, str]  # by MsgType
    tag_names: dict[int, str]
    table: bytes

    def index(self, message: str) -> int:
        """The number of `message` in C. Raises: KeyError."""
        return self.messages[message].index


@cache
def load(protocol: str = "fix44") -> FixDialect:
    """The dialect of layouts/venues/PROTOCOL.toml. Raises: LayoutError, naming file, line and what would be right."""
    return load_file(LAYOUTS / "venues" / f"{protocol}.toml")


def load_file(path: Path) -> FixDialect:
    """The dialect in `path`; its `base` is looked for beside it, then among the house's. Raises: LayoutError."""
    return build(Source.read(path))


def build(source: Source) -> FixDialect:
    """The dialect of a parsed file. Raises: LayoutError."""
    return _Builder(_sources(source)).dialect()


def _sources(source: Source) -> list[Source]:
    """`source` and the bases under it, the nearest first."""
    found = [source]
    while base := found[-1].tree.get("base"):
        beside = found[-1].path.parent / f"{base}.toml"
        path = beside if beside.exists() else LAYOUTS / "venues" / f"{base}.toml"
        if any(path.stem == s.path.stem for s in found):
            raise found[-1].error(found[-1].line_of("base"), f"base '{base}' leads back to itself; name another dialect")
        found.append(Source.read(path))
    return found


class _Builder:
    """Everything about one dialect while it is read; a table is taken from the nearest file that has it."""

    def __init__(self, sources: list[Source]) -> None:
        self.sources = sources
        self.maps: list[bytes] = []
        self.map_index: dict[tuple[str, str], int] = {}
        for source in sources:
            if unknown := set(source.tree) - TOP:
                name = sorted(unknown)[0]
                raise source.error(source.line_of(name), f"'{name}' is not known in a FIX dialect; known are {', '.join(sorted(TOP))}")

    def top(self, key: str, kind: type) -> Any:
        for source in self.sources:
            if key in source.tree:
                if not isinstance(source.tree[key], kind):
                    raise source.error(source.line_of(key), f"{key} must be {'text' if kind is str else 'a list of numbers'}")
                return source.tree[key]
        raise self.sources[0].error(1, f"{key} = … is missing")

    def tables(self, section: str) -> dict[str, tuple[Source, Any]]:
        """Name → (file, contents) of every [section.name], base tables first."""
        found: dict[str, tuple[Source, Any]] = {}
        for source in reversed(self.sources):
            for name, table in source.tree.get(section, {}).items():
                if not isinstance(table, dict):
                    raise source.error(source.line_of(f"[{section}"), f"[{section}.{name}] must be a table")
                found[name] = (source, table)
        return found

    def dialect(self) -> FixDialect:
        protocol, version, begin_string = (self.top(key, str) for key in ("protocol", "version", "begin_string"))
        secret = tuple(self.top("secret", list))
        if not all(isinstance(tag, int) and 0 < tag < 65536 for tag in secret):
            raise self.sources[0].error(1, "secret must be a list of tags")
        self.enums, self.codes = self.tables("enum"), self.tables("code")
        self.left_out = self.top("left_out", str).split()
        for name in self.left_out:
            if name not in FIELDS:
                raise self.sources[-1].error(self.sources[-1].line_of("left_out"), f"left_out: the record has no field '{name}'")
        messages = {name: self.message(i, name) for i, name in enumerate(self.tables("message"))}
        types = [m.type for m in messages.values()]
        if twice := next((t for t in types if types.count(t) > 1), None):
            raise self.sources[0].error(1, f"two messages have type '{twice}'")
        message_names, tag_names = self.names()
        message_names |= {m.type: m.name for m in messages.values()}
        tag_names |= {row.tag: row.name for m in messages.values() for row in m.rows}
        table = _compile(list(messages.values()), self.maps, self.map_index, self.left_out)
        return FixDialect(protocol, version, begin_string, secret, messages, message_names, tag_names, table)

    def names(self) -> tuple[dict[str, str], dict[int, str]]:
        messages: dict[str, str] = {}
        tags: dict[int, str] = {}
        for source in reversed(self.sources):
            table = source.tree.get("names", {})
            if "messages" in table:
                messages |= {row["type"]: row["name"] for row in source.rows("[names]", table["messages"], ("type", "name"))}
            if "tags" in table:
                for row in source.rows("[names]", table["tags"], ("tag", "name")):
                    if not row["tag"].isdecimal():
                        raise source.error(row.line, f"[names] '{row['tag']}' is no tag")
                    tags[int(row["tag"])] = row["name"]
        return messages, tags

    def message(self, index: int, name: str) -> FixMessage:
        source, table = self.tables("message")[name]
        section = f"[message.{name}]"
        line = source.line_of(section)
        if unknown := set(table) ^ {"type", "kind", "unbound", "rows"}:
            raise source.error(line, f"{section}: '{sorted(unknown)[0]}' is missing or not known; it has type, kind, unbound, rows")
        type_, kind = table["type"], records.order().enums["kind"].value_of(str(table["kind"]))
        if not (isinstance(type_, str) and 1 <= len(type_) <= 4 and type_.isascii() and type_.isalnum()):
            raise source.error(line, f"{section}: type must be a MsgType of one to four letters and digits, not {type_!r}")
        if kind is None:
            raise source.error(line, f"{section}: kind '{table['kind']}' is not one of the record's")
        if table["unbound"] not in ("refuse", "drop"):
            raise source.error(line, f"{section}: unbound must be 'refuse' or 'drop', not {table['unbound']!r}")
        rows = tuple(self.row(source, row) for row in source.rows(section, table["rows"], COLUMNS))
        self.check_rows(source, rows)
        return FixMessage(index, name, type_, kind, table["unbound"] == "refuse", rows)

    def check_rows(self, source: Source, rows: tuple[FixRow, ...]) -> None:
        """What is true of rows together: no tag and no field read twice, and an `else` has an alternative above it."""
        tags: set[int] = set()
        fields: set[str] = set()
        before: FixRow | None = None
        for row in rows:
            if row.is_read and row.field:
                if row.tag in tags:
                    raise source.error(row.line, f"tag {row.tag} is read twice in this message; mark one of them '>'")
                if row.field.name in fields:
                    raise source.error(row.line, f"{row.field.name} is read from two tags of this message; mark one of them '>'")
                tags.add(row.tag)
                fields.add(row.field.name)
            if "else" in row.words and (before is None or before.tag != row.tag):
                raise source.error(row.line, f"tag {row.tag}: 'else' follows a row of the same tag")
            if before and before.tag == row.tag and "else" not in row.words and before.is_written and row.is_written:
                raise source.error(row.line, f"tag {row.tag} would be written twice; mark the second row 'else'")
            before = row
        if len(rows) > 255:
            raise source.error(rows[0].line, f"{len(rows)} rows; a message has at most 255")

    def row(self, source: Source, row: Row) -> FixRow:
        if not row["tag"].isdecimal() or not 0 < int(row["tag"]) < 65536:
            raise source.error(row.line, f"'{row['tag']}' is no tag; a tag is a number from 1 to 65535")
        tag, binding = int(row["tag"]), row["binding"]
        if tag in (8, 9, 10, 34, 35, 43, 49, 52, 56, 97, 122):
            raise source.error(row.line, f"tag {tag} belongs to the header or trailer, which the session writes")
        if row["type"] == "const":
            return self.constant(source, row, tag)
        if not binding:
            raise source.error(row.line, f"tag {tag} has no binding; give a field of the record, or '-' with type 'name'")
        name, *words = binding.split()
        if (name == "-") != (row["type"] == "name") or (name == "-" and words):
            raise source.error(row.line, f"tag {tag}: a field that is not bound is 'name' with '-', not '{row['type']}' with '{binding}'")
        if wrong := next((w for w in words if w not in WORDS), None):
            raise source.error(row.line, f"tag {tag}: '{wrong}' is not known; known are {', '.join(f'{k} ({v})' for k, v in WORDS.items())}")
        if name == "-":
            return FixRow(tag, row["name"], _lib.GW_FIX_KIND_NONE, None, frozenset(), "", "", None, row.line)
        field = self.field(source, row, name)
        kind, table = self.kind(source, row, field)
        if kind == _lib.GW_FIX_KIND_CODE and ">" not in words:
            raise source.error(row.line, f"tag {tag}: a code is only written; say '>'")
        if {"<", ">"} <= set(words) or {"!", "?"} <= set(words):
            raise source.error(row.line, f"tag {tag}: '{binding}' contradicts itself")
        return FixRow(tag, row["name"], kind, field, frozenset(words), table, "", None, row.line)

    def field(self, source: Source, row: Row, name: str) -> records.Field:
        if name not in FIELDS:
            raise source.error(row.line, f"tag {row['tag']}: the record has no field '{name}'; its fields are in layouts/house/order.toml")
        return FIELDS[name]

    def constant(self, source: Source, row: Row, tag: int) -> FixRow:
        words = row["binding"].split()
        is_else = words[-1:] == ["else"]
        words = words[:-1] if is_else else words
        if len(words) not in (2, 4) or words[0] != "=" or (len(words) == 4 and words[2] != "if"):
            raise source.error(row.line, f"tag {tag}: a constant is '= TEXT [if FIELD=VALUE] [else]', not '{row['binding']}'")
        condition = None
        if len(words) == 4:
            name, _, value = words[3].partition("=")
            field = self.field(source, row, name)
            wire = records.order().enums[field.enum].value_of(value) if field.enum else None
            if wire is None or field.size != 1:
                raise source.error(row.line, f"tag {tag}: '{words[3]}' must be a field of one byte and one of its values")
            condition = (field, wire)
        if not words[1].isascii() or not words[1].isprintable():
            raise source.error(row.line, f"tag {tag}: '{words[1]}' is not printable ASCII")
        kind = _lib.GW_FIX_KIND_CONST
        return FixRow(tag, row["name"], kind, None, frozenset({"else"} if is_else else ()), "", words[1], condition, row.line)

    def kind(self, source: Source, row: Row, field: records.Field) -> tuple[int, str]:
        """The kind of a row's type and the name of its table. Raises: LayoutError if the record's field is another thing."""
        name = row["type"]
        if name in PLAIN:
            kind, primitives, meaning = PLAIN[name]
            if field.primitive not in primitives or not field.meaning.startswith(meaning) or (name == "int" and field.enum):
                raise source.error(row.line, f"tag {row['tag']}: {field.name} is {field.primitive} '{field.meaning}', which is no '{name}'")
            return kind, ""
        if name in self.enums:
            if field.enum is None or field.primitive != "char":
                raise source.error(row.line, f"tag {row['tag']}: {field.name} is no enum of characters, but [enum.{name}] maps one")
            self.map_of("enum", name, field)
            return _lib.GW_FIX_KIND_ENUM, name
        if name in self.codes:
            if field.enum is None or field.primitive == "char":
                raise source.error(row.line, f"tag {row['tag']}: {field.name} is no enum of numbers, but [code.{name}] maps one")
            self.map_of("code", name, field)
            return _lib.GW_FIX_KIND_CODE, name
        for of in self.sources:
            if name in of.tree.get("mark", {}):
                mark = of.tree["mark"][name]
                if not (isinstance(mark, str) and len(mark) == 1 and mark.isascii() and mark.isprintable()):
                    raise of.error(of.line_of("[mark]", name), f"[mark] {name} must be one character, not {mark!r}")
                if field.primitive != "u8":
                    raise source.error(row.line, f"tag {row['tag']}: {field.name} is no flag, but {name} marks one")
                return _lib.GW_FIX_KIND_MARK, mark
        known = ", ".join([*PLAIN, "const", "name", *self.enums, *self.codes])
        raise source.error(row.line, f"tag {row['tag']}: type '{name}' is not known; known are {known} and the marks")

    def map_of(self, section: str, name: str, field: records.Field) -> None:
        """Compile [section.name] for the values of `field`, once for each enum that it is used with."""
        key = (name, str(field.enum))
        if key in self.map_index:
            return
        enum = records.order().enums[str(field.enum)]
        source, table = self.tables(section)[name]
        line = source.line_of(f"[{section}.{name}]")
        self.map_index[key] = len(self.maps)
        self.maps.append(self.enum_map(source, line, enum, table) if section == "enum" else self.code_map(source, line, enum, table))

    def enum_map(self, source: Source, line: int, enum: records.Enum, table: Mapping[str, Any]) -> bytes:
        read, written = bytearray(256), bytearray(256)
        decode_only, encode_only = table.get("decode only", {}), table.get("encode only", {})
        both = {wire: name for wire, name in table.items() if wire not in ("decode only", "encode only")}
        pairs = [(w, n, True, True) for w, n in both.items()] + [(w, n, True, False) for w, n in decode_only.items()]
        for wire, name, reads, writes in [*pairs, *((w, n, False, True) for n, w in encode_only.items())]:
            value = enum.value_of(str(name))
            if not (isinstance(wire, str) and len(wire) == 1 and wire.isascii() and wire.isprintable()):
                raise source.error(line, f"[enum] '{wire}': a wire value is one printable character")
            if value is None:
                raise source.error(line, f"[enum] {wire} = '{name}': {enum.name} has no such value")
            if reads and read[ord(wire)]:
                raise source.error(line, f"[enum] wire value '{wire}' has two meanings")
            if writes and written[value]:
                raise source.error(line, f"[enum] '{name}' has two wire values; put all but one under \"decode only\"")
            if reads:
                read[ord(wire)] = value
            if writes:
                written[value] = ord(wire)
        return bytes(read + written)

    def code_map(self, source: Source, line: int, enum: records.Enum, table: Mapping[str, Any]) -> bytes:
        written = bytearray(256)
        for name, number in table.items():
            if not isinstance(number, int) or not 0 <= number <= 254:
                raise source.error(line, f"[code] {name} = {number!r}: a code is a number from 0 to 254")
            value = enum.value_of(name)
            if value is None and name != "*":
                raise source.error(line, f"[code] {name}: {enum.name} has no such value")
            if value is not None:
                written[value] = number + 1
        if "*" in table:
            written = bytearray(v or table["*"] + 1 for v in written)
        return bytes(256) + bytes(written)


# ---- the compiled block, as csrc/fix.h lays it out ----

EMPTY_SLOT = bytes(_ffi.sizeof("gw_fix_slot"))


def _compile(
    messages: list[FixMessage], maps: list[bytes], map_index: dict[tuple[str, str], int], left_out: list[str]
) -> bytes:
    texts = bytearray()
    slots: list[bytes] = []
    rows: list[bytes] = []
    packed: list[bytes] = []
    for message in messages:
        size = 0
        first = len(rows)
        for row in message.rows:
            raw, most = _pack_row(row, map_index, texts)
            rows.append(raw)
            size += most
        if size > BODY_MAX:
            raise LayoutError(f"{message.name}: its fields can be {size} bytes long; a body has at most {BODY_MAX}")
        factor, shift, own = _slots(message)
        packed.append(_pack_message(message, first, size, factor, shift, len(slots), left_out))
        slots += own
    at = _ffi.sizeof("gw_fix_dialect")
    given = bytes(2 * (len(rows) + _lib.GW_FIX_GIVEN_MORE))
    sections = [b"".join(packed), b"".join(rows), b"".join(slots), b"".join(maps), bytes(texts), given]
    places = []
    for section in sections:
        places.append(at)
        at += len(section) + -len(section) % 8
    head = _ffi.new("gw_fix_dialect *")
    head.magic, head.version, head.size = _lib.GW_FIX_DIALECT_MAGIC, _lib.GW_FIX_DIALECT_VERSION, at
    head.record_size, head.message_count = RECORD.size, len(messages)
    head.message_at, head.row_at, head.slot_at, head.map_at, head.text_at, head.given_at = places
    head.row_count, head.slot_count, head.map_count, head.text_size = len(rows), len(slots), len(maps), len(texts)
    block = bytes(_ffi.buffer(head)) + b"".join(s + bytes(-len(s) % 8) for s in sections)
    table = _ffi.new("uint64_t[]", len(block) // 8)  # aligned as C wants it
    _ffi.memmove(table, block, len(block))
    if _lib.gw_fix_dialect_prepare(table, len(block)) != len(block):
        raise AssertionError("the sections do not lie in the block; fix_dialect.py and fix_dialect.c disagree")
    return bytes(_ffi.buffer(table))


def _pack_row(row: FixRow, map_index: dict[tuple[str, str], int], texts: bytearray) -> tuple[bytes, int]:
    """One gw_fix_row, and how many bytes it can write."""
    out = _ffi.new("gw_fix_row *")
    head = f"\x01{row.tag}=".encode()
    out.tag, out.kind, out.width = row.tag, row.kind, 1
    out.head, out.head_len = head, len(head)
    out.flags = (
        _lib.GW_FIX_ROW_READ * row.is_read
        | _lib.GW_FIX_ROW_WRITE * row.is_written
        | _lib.GW_FIX_ROW_ELSE * ("else" in row.words)
        | _lib.GW_FIX_ROW_IF * (row.condition is not None)
        | _lib.GW_FIX_ROW_MILD * ("?" in row.words)
    )
    field = row.field or (row.condition[0] if row.condition else None)
    if field:
        out.offset, out.width, out.bit = field.offset, field.size, field.bit
        out.has_offset = HAS2_OFFSET if field.has == "has2" else 0
    if row.condition:
        out.map = row.condition[1]
    if row.constant:
        out.at, out.text_len = len(texts), len(row.constant)
        texts += row.constant.encode()
    if row.kind in (_lib.GW_FIX_KIND_ENUM, _lib.GW_FIX_KIND_CODE) and row.field:
        out.map = map_index[row.table, str(row.field.enum)]
    elif row.kind == _lib.GW_FIX_KIND_MARK:
        out.map = ord(row.table)
    return bytes(_ffi.buffer(out)), len(head) + _value_max(row) if row.is_written else 0


def _value_max(row: FixRow) -> int:
    """Most bytes of a value, as gw_fix_dialect_check counts them."""
    sizes = {
        _lib.GW_FIX_KIND_UINT: 20,
        _lib.GW_FIX_KIND_CODE: 3,
        _lib.GW_FIX_KIND_PRICE: 40,
        _lib.GW_FIX_KIND_QTY: 40,
        _lib.GW_FIX_KIND_AVG: 40,
        _lib.GW_FIX_KIND_TIME: 21,
        _lib.GW_FIX_KIND_DATE: 8,
        _lib.GW_FIX_KIND_CONST: len(row.constant),
    }
    if row.kind in (_lib.GW_FIX_KIND_TEXT, _lib.GW_FIX_KIND_NOTE):
        assert row.field is not None
        return row.field.size
    return sizes.get(row.kind, 1)


def _pack_message(
    message: FixMessage, first: int, size: int, factor: int, shift: int, slot_at: int, left_out: list[str]
) -> bytes:
    out = _ffi.new("gw_fix_message *")
    out.msg_type = int.from_bytes(message.type.encode(), "little")
    out.slot_factor, out.slot_shift, out.slot_at = factor, shift, slot_at
    out.row_at, out.row_count, out.body_max, out.kind = first, len(message.rows), size, message.kind
    out.need_in, out.need_in2 = _bits(r.field for r in message.rows if r.is_read and "!" in r.words)
    out.need_out, out.need_out2 = _bits(r.field for r in message.rows if r.is_written and r.words & {"!", "+"})
    if message.refuses:
        said = [r.field for r in message.rows if r.is_written]
        out.may_out, out.may_out2 = _bits([*said, *(FIELDS[name] for name in left_out)])
    else:
        out.may_out = out.may_out2 = 2**64 - 1
    return bytes(_ffi.buffer(out))


def _bits(fields: Iterator[records.Field | None] | list[records.Field | None]) -> tuple[int, int]:
    """The presence words with the bits of `fields` set."""
    words = {"has": 0, "has2": 0}
    for field in fields:
        if field:
            words[field.has] |= 1 << field.bit
    return words["has"], words["has2"]


def _slots(message: FixMessage) -> tuple[int, int, list[bytes]]:
    """A factor and shift that send every tag of the message to a slot of its own, and the slots: one probe finds a row.

    The factors tried are multiples of the golden ratio's 2654435769, made odd: a fixed sequence, so one file gives one block.
    """
    rows = {row.tag: _pack_slot(i, row) for i, row in enumerate(message.rows) if row.is_read}
    for bits in range(max(1, len(rows).bit_length()), 11):
        for k in range(1, 2001):
            factor = (2654435769 * k | 1) & 0xFFFFFFFF
            places: dict[int, bytes] = {}
            for tag, slot in rows.items():
                if places.setdefault((tag * factor & 0xFFFFFFFF) >> (32 - bits), slot) is not slot:
                    break  # most factors fail within a few tags
            else:
                return factor, 32 - bits, [places.get(place, EMPTY_SLOT) for place in range(1 << bits)]
    raise LayoutError(f"{message.name}: no room for its {len(rows)} tags in 1024 slots; split the message or bind fewer")


def _pack_slot(number: int, row: FixRow) -> bytes:
    """The gw_fix_slot of the message's row `number`, which is read."""
    out = _ffi.new("gw_fix_slot *")
    out.tag, out.row = row.tag, number
    return bytes(_ffi.buffer(out))
