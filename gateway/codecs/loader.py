"""Reads a protocol's layout file into its meaning, and refuses whatever is not sound, naming file, line and what would be right."""

from dataclasses import replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from gateway.codecs import records
from gateway.codecs.layout import (
    INSTRUMENT_VALUES,
    TEXTUAL,
    Binding,
    Frame,
    Imply,
    Meaning,
    Message,
    TagFormat,
    WireEnum,
    WireField,
    WireType,
    limits,
    pad,
)  # fmt: skip
from gateway.codecs.records import PRIMITIVES, Field
from gateway.codecs.rows import LAYOUTS, LayoutError, Row, Source

COLUMNS = ("offset", "len", "type", "name", "binding")
TAG_COLUMNS = ("tag", "len", "type", "name", "binding")


def load(protocol: str) -> Meaning:
    """The layout of `protocol`, from layouts/venues or layouts/house. Raises: LayoutError."""
    for folder in ("venues", "house"):
        path = LAYOUTS / folder / f"{protocol}.toml"
        if path.exists():
            return load_file(path)
    known = sorted(p.stem for p in LAYOUTS.rglob("*.toml"))
    raise LayoutError(f"no layout '{protocol}'; there are {', '.join(known)}")


@cache
def load_file(path: Path) -> Meaning:
    """The layout in `path`. Raises: LayoutError, naming file, line and what would be right."""
    return build(Source.read(path))


def build(source: Source) -> Meaning:
    """The checked layout of a parsed file. Raises: LayoutError."""
    return _Builder(source).build()


_TOP = {"protocol", "version", "document", "byte_order", "frame", "types", "enum", "tags", "message", "record", "token", "throttle"}
_MESSAGE = {"title", "from", "type", "rows", "tags", "tags_always", "implies", "accepts", "minimum_block"}
_TOKEN = {"field", "first", "last", "alphabet", "width", "scope", "rising", "survives_replace"}
_THROTTLE = {"messages", "window_ms", "cancels_reserve"}


class _Builder:
    """Reads one file; every check raises at the line it is about."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.tree = source.tree
        self.house = records.order()
        self.report = self.house.records["gw_report"]
        self.bound = {f.name: f for f in self.report.flat() if f.bit >= 0}
        self.order_size = self.house.records["gw_order"].size
        self.session_values: list[str] = []
        self.own_records: dict[str, records.Record] = {}

    def error(self, line: int, what: str) -> LayoutError:
        return self.source.error(line, what)

    def line(self, *needles: str) -> int:
        return self.source.line_of(*needles)

    def only(self, table: dict[str, Any], known: set[str], what: str, line: int) -> None:
        if unknown := set(table) - known:
            name = sorted(unknown)[0]
            raise self.error(line, f"{what}: '{name}' is not known; known are {', '.join(sorted(known))}")

    def build(self) -> Meaning:
        tree = self.tree
        for name in tree:
            self.only({name: 0}, _TOP, "layout", self.line(name))
        for key in ("protocol", "version"):
            if not isinstance(tree.get(key), str):
                raise self.error(1, f'{key} = "…" is missing')
        if tree.get("byte_order") not in ("big", "little"):
            raise self.error(self.line("byte_order"), 'byte_order must be "big" or "little"')
        if "record" in tree:
            parts = ("protocol", "version", "byte_order", "record")
            own: dict[str, Any] = {k: tree[k] for k in parts if k in tree}
            self.own_records = records.build(Source(self.source.path, self.source.text, own)).records
        self.enums = {name: self._enum(name, table) for name, table in tree.get("enum", {}).items()}
        self.types = {name: self._type(name, text) for name, text in tree.get("types", {}).items()}
        self.tag_format: TagFormat | None = None
        self.tag_fields: dict[int, Row] = {}
        if "tags" in tree:
            self.tag_format, self.tag_fields = self._tags(tree["tags"])
        inherited: tuple[Message, ...] = ()
        self.prelude: dict[str, tuple[WireField, ...]] = {}
        frame = tree.get("frame")
        if not isinstance(frame, dict):
            raise self.error(1, "[frame] is missing: how is a message cut from the stream?")
        if "layout" in frame:
            self.frame, inherited = self._carried(frame)
        else:
            self.frame = self._frame(frame)
        messages = list(inherited)
        for name, table in tree.get("message", {}).items():
            messages.append(self._message(len(messages), name, table))
        if not messages:
            raise self.error(1, "no [message.NAME]")
        self._dispatch(messages)
        bound = [f for m in messages for f in m.all_fields if f.binding.field]
        exponents = {
            scale: min((-(f.type.decimals or 0) for f in bound if f.binding.field and f.binding.field.scale == scale), default=0)
            for scale in ("px_exp", "qty_exp")
        }
        self._checked_section("token", _TOKEN)
        self._checked_section("throttle", _THROTTLE)
        return Meaning(
            tree["protocol"], tree["version"], str(tree.get("document", "")), tree["byte_order"] == "big", self.frame, tuple(messages),
            self.enums, self.tag_format, tuple(self.session_values), tree.get("token", {}), tree.get("throttle", {}),
            exponents["px_exp"], exponents["qty_exp"], sha256(self.source.text.encode()).hexdigest(), {m.name: m for m in messages},
        )  # fmt: skip

    def _checked_section(self, name: str, known: set[str]) -> None:
        self.only(self.tree.get(name, {}), known, f"[{name}]", self.line(f"[{name}]"))
        if name == "token" and "token" in self.tree:
            token = self.tree["token"]
            if token.get("scope") not in ("live", "day", "ever"):
                raise self.error(self.line("[token]"), '[token] scope must be "live", "day" or "ever": where an id is never used again')

    # -- types and enums

    def _enum(self, name: str, table: dict[str, Any]) -> WireEnum:
        line = self.line(f"[enum.{name}]")
        parts: dict[str, dict[int, str]] = {"both": {}, "decode only": {}, "unmapped": {}}
        for part, entries in (("both", table), ("decode only", table.get("decode only", {})), ("unmapped", table.get("unmapped", {}))):
            for key, value in entries.items():
                if part == "both" and key in parts:
                    continue
                said = value.get("name") if isinstance(value, dict) else value
                if not isinstance(said, str):
                    raise self.error(line, f"[enum.{name}] {key}: must be a text")
                code = self._code(key, line, f"[enum.{name}]")
                if any(code in p for p in parts.values()):
                    raise self.error(line, f"[enum.{name}] code '{key}' is given twice")
                parts[part][code] = said
        if not parts["both"]:
            raise self.error(line, f"[enum.{name}] is empty")
        return WireEnum(name, parts["both"], parts["decode only"], parts["unmapped"])

    def _code(self, key: str, line: int, what: str) -> int:
        """A wire code: one character (SP for a space), or a number of two digits or more or with 0x."""
        if key == "SP":
            return 32
        if len(key) == 1 and key.isascii():
            return ord(key)
        try:
            return int(key, 0)
        except ValueError:
            raise self.error(line, f"{what}: code '{key}' must be one character, SP for a space, or a number") from None

    def _type(self, name: str, text: object) -> WireType:
        line = self.line("[types]", f"{name} =")
        if not isinstance(text, str) or not text.split():
            raise self.error(line, f"type '{name}' must be a text such as \"u64 decimals 4 absent 0x7FFFFFFF\"")
        if name in PRIMITIVES or name in (*TEXTUAL, "bytes", "digits", "rest", "pad"):
            raise self.error(line, f"type '{name}' is built in; choose another name")
        base, *words = text.split()
        if base not in PRIMITIVES and base not in (*TEXTUAL, "bytes", "digits"):
            raise self.error(line, f"type '{name}': '{base}' is not known; known are {', '.join([*PRIMITIVES, *TEXTUAL, 'bytes, digits'])}")
        said: dict[str, Any] = {}
        absent: list[int] = []
        while words:
            word = words.pop(0)
            if word == "right":
                said["right"] = True
                continue
            if word not in ("decimals", "absent", "or", "min", "max", "enum") or not words:
                raise self.error(line, f"type '{name}': '{word}' is not known here; known are decimals, absent … or, min, max, enum, right")
            value = words.pop(0)
            if word == "enum":
                if value not in self.enums:
                    raise self.error(line, f"type '{name}': there is no [enum.{value}]")
                said["enum"] = value
            elif word in ("absent", "or"):
                absent.append(self._code(value, line, f"type '{name}'") if base == "char" else self._int(value, line, name))
            else:
                said[{"min": "low", "max": "high"}.get(word, word)] = self._int(value, line, name)
        kind = WireType(base, absent=tuple(absent), **said)
        if kind.decimals is not None and not (kind.is_number and 0 <= kind.decimals <= 18):
            raise self.error(line, f"type '{name}': decimals 0 to 18 belong to a number")
        if kind.right and base not in TEXTUAL:
            raise self.error(line, f"type '{name}': right belongs to alpha or text")
        if kind.enum and (base not in PRIMITIVES or PRIMITIVES[base] > 2):
            raise self.error(line, f"type '{name}': an enum needs a char or a number of one or two bytes")
        if kind.is_number:
            low, high = limits(kind)
            for number in (*kind.absent, *(v for v in (kind.low, kind.high) if v is not None)):
                if not low <= number <= high:
                    raise self.error(line, f"type '{name}': {number} does not fit {base} ({low} to {high})")
        elif kind.low is not None or kind.high is not None or (kind.absent and base != "char"):
            raise self.error(line, f"type '{name}': absent, min and max belong to a number (absent also to a char)")
        if len(absent) > 2:
            raise self.error(line, f"type '{name}': at most two absent values")
        return kind

    def _int(self, text: str, line: int, name: str) -> int:
        try:
            return int(text.replace("_", ""), 0)
        except ValueError:
            raise self.error(line, f"{name}: '{text}' must be a number") from None

    # -- rows

    def _field(self, row: Row, index: int, place: str, shift: int, client: bool) -> WireField:
        name, size_text = row["name"], row["len"]
        if not row[place].isdecimal():
            raise self.error(row.line, f"{name}: {place} must be a number, not '{row[place]}'")
        at = int(row[place])
        kind = self.types.get(row["type"])
        if kind is None:
            if row["type"] not in PRIMITIVES and row["type"] not in (*TEXTUAL, "bytes", "digits", "rest", "pad", *self.house.records):
                raise self.error(row.line, f"{name}: type '{row['type']}' is not known; it must be built in or in [types]")
            kind = WireType(row["type"])
        if size_text == "*":
            if kind.base not in ("rest", *TEXTUAL):
                raise self.error(row.line, f"{name}: only rest, alpha and text may have len *, to the end of the frame")
            size = 0
        elif kind.base == "rest":
            raise self.error(row.line, f"{name}: the len of rest is *")
        elif not size_text.isdecimal() or not 1 <= int(size_text) <= (65_000 if kind.base in self.house.records else 255):
            raise self.error(row.line, f"{name}: len must be a number from 1 to 255, not '{size_text}'")
        else:
            size = int(size_text)
        width = PRIMITIVES.get(kind.base, self.house.records[kind.base].size if kind.base in self.house.records else size)
        if size != width:
            raise self.error(row.line, f"{name}: len {size}, but {row['type']} has {width}")
        binding, secret = self._binding(row, kind, size, client)
        return WireField(index, name, at + shift, size, kind, binding, secret, row.line)

    def _binding(self, row: Row, kind: WireType, size: int, client: bool) -> tuple[Binding, bool]:
        words = row["binding"].split()
        secret = bool(words) and words[-1] == "secret"
        words = words[:-1] if secret else words
        said: dict[str, Any] = {}
        if not words:
            raise self.error(row.line, f"{row['name']}: no binding; write - if it is not used")
        head = words.pop(0)
        if head in ("=", "=="):
            if len(words) != 1:
                raise self.error(row.line, f"{row['name']}: '{head}' needs one value")
            value = self._wire_value(words[0], kind, size, row)
            return Binding("constant" if head == "=" else "check", value=value), secret
        if head == "-":
            said["kind"] = "none"
        elif head == "@type":
            said["kind"] = "type"
        elif head == "@length":
            if len(words) != 2 or words[0] != "after" or not words[1].isdecimal():
                raise self.error(row.line, f"{row['name']}: write '@length after N', N the byte from which it counts")
            said |= {"kind": "length", "after": int(words[1])}
            words = []
        elif head.startswith("session."):
            said |= {"kind": "field", "session": self._session(head, row)}
        elif head.startswith("instrument."):
            name = head.removeprefix("instrument.")
            if name not in INSTRUMENT_VALUES:
                raise self.error(row.line, f"{row['name']}: an instrument has no '{name}'; it has {', '.join(INSTRUMENT_VALUES)}")
            said |= {"kind": "field", "instrument": name, "field": self._record_field(name, row, kind, size, client)}
        elif head.startswith("@"):
            raise self.error(row.line, f"{row['name']}: '{head}' is not known; known are @length and @type")
        else:
            said |= {"kind": "field", "field": self._record_field(head, row, kind, size, client)}
        while words and said["kind"] == "field":
            word = words.pop(0)
            if word in ("!", "?") and said.get("field"):
                said["mark"] = word
            elif word in ("else", "since") and words and words[0].startswith("session.") and said.get("field"):
                said |= {"session": self._session(words.pop(0), row), "since": word == "since"}
            elif word == "=" and len(words) == 1:
                said["value"] = self._wire_value(words.pop(0), kind, size, row)
            else:
                words.insert(0, word)
                break
        if words:
            raise self.error(row.line, f"{row['name']}: '{' '.join(words)}' is not understood in the binding '{row['binding'].strip()}'")
        if said.get("mark") == "?" and kind.base not in TEXTUAL:
            raise self.error(row.line, f"{row['name']}: ? is for text only; a number or code that does not fit must be refused")
        field: Field | None = said.get("field")
        unstated = field is not None and "mark" not in said and "value" not in said and not kind.absent and "session" not in said
        if unstated and row.cells.get("tag") is None and (kind.is_number or (client and kind.base == "char")):
            # Left out, it would be sent as zero and read as given: so it must be given. A code that a venue leaves out, or one of
            # its that we do not know, is an absent field.
            said["mark"] = "!"
        return Binding(**said), secret

    def _session(self, word: str, row: Row) -> str:
        name = word.removeprefix("session.")
        if not name.isidentifier():
            raise self.error(row.line, f"{row['name']}: '{word}' must be session.NAME")
        if name not in self.session_values:
            self.session_values.append(name)
        return name

    def _record_field(self, name: str, row: Row, kind: WireType, size: int, client: bool) -> Field:
        field = self.bound.get(name)
        if field is None:
            raise self.error(row.line, f"{row['name']}: an order has no field '{name}'; fields are those of layouts/house/order.toml")
        if client and field.has == "has2":
            raise self.error(row.line, f"{row['name']}: '{name}' is a report's field; a client's message binds an order's fields only")
        textual = field.primitive == "text"
        if kind.base in ("bytes", "digits", "pad", "rest") or kind.base in self.house.records:
            raise self.error(row.line, f"{row['name']}: a field of type {kind.base} cannot be bound")
        if kind.base == "char" and textual:
            return field  # the code itself, as text
        if kind.enum and kind.is_number and field.enum is None and not textual:
            return field  # the number itself; its names are for people
        if kind.enum and field.enum is None:
            raise self.error(row.line, f"{row['name']}: '{name}' is not an enum of the house, but {row['type']} is one")
        if kind.enum and PRIMITIVES[kind.base] > 1:
            raise self.error(row.line, f"{row['name']}: an enum of two bytes cannot be bound; bind the number")
        if kind.enum:
            self._check_codes(self.enums[kind.enum], self.house.enums[str(field.enum)], row)
        elif field.enum:
            raise self.error(row.line, f"{row['name']}: '{name}' is an enum; give its codes in [enum.…] and a type with enum")
        elif kind.is_number and textual:
            if kind.signed or field.size < 20:
                raise self.error(row.line, f"{row['name']}: a number in text needs an unsigned type and 20 characters")
        elif not kind.is_number and not textual:
            raise self.error(row.line, f"{row['name']}: type {row['type']} does not go into '{name}', a {field.primitive}")
        elif textual and size > field.size:
            raise self.error(row.line, f"{row['name']}: {size} characters do not fit '{name}', which has {field.size}")
        if kind.decimals is not None and field.scale not in ("px_exp", "qty_exp"):
            raise self.error(row.line, f"{row['name']}: '{name}' is neither a price nor a quantity with px_exp or qty_exp, but {row['type']} has decimals")
        if field.scale == "avg_px_exp":
            raise self.error(row.line, f"{row['name']}: avg_px has an exponent of its own and cannot be bound by a layout")
        return field

    def _check_codes(self, wire: WireEnum, house: records.Enum, row: Row) -> None:
        for code, name in {**wire.both, **wire.decode_only}.items():
            if house.value_of(name) is None:
                raise self.error(
                    row.line,
                    f"[enum.{wire.name}] {chr(code)} = '{name}': {house.name} has no such value; it has "
                    f"{', '.join(v.name for v in house.values)} (what has none of them goes to unmapped)",
                )
        names = list(wire.both.values())
        if twice := next((n for n in names if names.count(n) > 1), None):
            raise self.error(row.line, f"[enum.{wire.name}] two codes mean '{twice}'; name the one that is only read in 'decode only'")

    def _wire_value(self, word: str, kind: WireType, size: int, row: Row) -> int | bytes:
        """A literal of the binding column as on the wire."""
        if kind.base == "char":
            return self._code(word, row.line, row["name"])
        if kind.is_number:
            value = self._int(word, row.line, row["name"])
            low, high = limits(kind)
            if not low <= value <= high:
                raise self.error(row.line, f"{row['name']}: {value} does not fit {kind.base} ({low} to {high})")
            return value
        if kind.base not in TEXTUAL:
            raise self.error(row.line, f"{row['name']}: a constant cannot be given for {kind.base}")
        if len(word) > size:
            raise self.error(row.line, f"{row['name']}: '{word}' is longer than {size}")
        return pad(kind, word.encode(), size)

    def _block(self, fields: list[WireField], start: int, what: str, line: int) -> int:
        """Check that `fields` follow each other without gap or overlap from `start`; return where they end."""
        at = start
        for field in fields:
            if field.offset != at:
                word = "overlaps the field before it, which ends" if field.offset < at else "leaves a gap: the field before it ends"
                raise self.error(field.line, f"{field.name} at {field.offset - start} {word} at {at - start}")
            at = field.end
        names = [f.name for f in fields]
        if twice := next((n for n in names if names.count(n) > 1), None):
            raise self.error(next(f.line for f in reversed(fields) if f.name == twice), f"{what}: {twice} is there twice")
        return at

    # -- frame

    def _frame(self, table: dict[str, Any]) -> Frame:
        line = self.line("[frame]")
        self.only(table, {"rows", "record", "bind", "most", "multiple", "fixed"}, "[frame]", line)
        if "record" in table:
            rows = self._rows_of_record(table, line)
        else:
            rows = self.source.rows("[frame]", table.get("rows"), COLUMNS)
        fields = [self._field(row, i, "offset", 0, True) for i, row in enumerate(rows)]
        end = self._block(fields, 0, "[frame]", line)
        lengths = [f for f in fields if f.binding.kind == "length"]
        types = [f for f in fields if f.binding.kind == "type"]
        fixed = table.get("fixed", 0)
        if len(types) != 1 or types[0].size > 2:
            raise self.error(line, "[frame] needs one field of one or two bytes bound to @type")
        if len(lengths) != (0 if fixed else 1):
            raise self.error(line, "[frame] needs either one field bound to '@length after N' or fixed = N")
        if lengths and (not lengths[0].type.is_number or lengths[0].type.signed or lengths[0].size > 4):
            raise self.error(lengths[0].line, f"{lengths[0].name}: a length is an unsigned number of at most four bytes")
        most, multiple = table.get("most", 65_537), table.get("multiple", 1)
        if not isinstance(most, int) or not end <= most <= 1 << 24 or not isinstance(multiple, int) or not 1 <= multiple <= 64:
            raise self.error(line, f"[frame] most must be from {end} to 16777216 and multiple from 1 to 64")
        self.prelude = {"client": tuple(fields), "venue": tuple(fields), "either": tuple(fields)}
        length_at, width, after = (lengths[0].offset, lengths[0].size, lengths[0].binding.after) if lengths else (0, 0, 0)
        return Frame(length_at, width, after, fixed, end, most, multiple, types[0].offset, types[0].size, {}, 0, 0)

    def _rows_of_record(self, table: dict[str, Any], line: int) -> list[Row]:
        """The rows of a header that is one of the file's own records, with what `bind` says of some of its fields."""
        record = self.own_records.get(table["record"])
        if record is None:
            raise self.error(line, f"[frame] record: there is no [record.{table['record']}] in this file")
        bind = table.get("bind", {})
        if unknown := set(bind) - {f.name for f in record.fields}:
            raise self.error(line, f"[frame] bind: {record.name} has no field '{sorted(unknown)[0]}'")
        rows = []
        for f in record.fields:
            name = f"pad_{f.offset}" if f.primitive == "pad" else f.name
            default = "-"
            cells = {"offset": str(f.offset), "len": str(f.size), "type": f.primitive, "name": name, "binding": bind.get(f.name, default)}
            rows.append(Row(cells, self.line(f"[record.{record.name}]", f" {f.name} ")))
        return rows

    def _carried(self, table: dict[str, Any]) -> tuple[Frame, tuple[Message, ...]]:
        """The frame and messages of the session layer that carries this layout's messages."""
        line = self.line("[frame]")
        self.only(table, {"layout", "client", "venue"}, "[frame]", line)
        below = load_file(self.source.path.parent / f"{table['layout']}.toml")
        if below.big != (self.tree["byte_order"] == "big"):
            raise self.error(line, f"[frame] {below.protocol} has the other byte order")
        carriers: dict[str, int] = {}
        for sender in ("client", "venue"):
            carrier = below.names.get(str(table.get(sender)))
            if carrier is None or carrier.rest is None or carrier.sender != sender:
                raise self.error(line, f"[frame] {sender} must name a message of {below.protocol} from the {sender} that ends in rest")
            carriers[sender] = carrier.key
            self.prelude[sender] = carrier.fields
        if len({sum(f.size for f in p) for p in self.prelude.values()}) > 1:
            raise self.error(line, f"[frame] the two carriers of {below.protocol} must have headers of one length")
        kept = [m for m in below.messages if m.name not in (table["client"], table["venue"])]
        self.enums = {**below.enums, **self.enums}
        self.session_values[:0] = [v for v in below.session_values if v not in self.session_values]
        inherited = tuple(replace(m, index=i) for i, m in enumerate(kept))
        frame = below.frame
        end = self.prelude["client"][-1].end
        return Frame(
            frame.length_at, frame.length_width, frame.after, frame.fixed, frame.least, frame.most, frame.multiple, frame.type_at,
            frame.type_width, carriers, end, 1,
        ), inherited  # fmt: skip

    # -- tags and messages

    def _tags(self, table: dict[str, Any]) -> tuple[TagFormat, dict[int, Row]]:
        line = self.line("[tags]")
        self.only(table, {"name", "total", "length", "tag", "counts_tag", "rows"}, "[tags]", line)
        widths = []
        for part in ("total", "length", "tag"):
            if table.get(part) not in ("u8", "u16"):
                raise self.error(line, f'[tags] {part} must be "u8" or "u16"')
            widths.append(PRIMITIVES[str(table[part])])
        rows: dict[int, Row] = {}
        for row in self.source.rows("[tags]", table.get("rows"), TAG_COLUMNS):
            if not row["tag"].isdecimal() or int(row["tag"]) >= 1 << 8 * widths[2]:
                raise self.error(row.line, f"{row['name']}: tag must be a number that fits {table['tag']}, not '{row['tag']}'")
            if int(row["tag"]) in rows:
                raise self.error(row.line, f"tag {row['tag']} is there twice")
            rows[int(row["tag"])] = row
        return TagFormat(widths[0], widths[1], widths[2], widths[2] if table.get("counts_tag") else 0, str(table.get("name", "tags"))), rows

    def _message(self, index: int, name: str, table: dict[str, Any]) -> Message:
        section = f"[message.{name}]"
        line = self.line(section)
        self.only(table, _MESSAGE, section, line)
        sender = table.get("from")
        if sender not in ("client", "venue", "either"):
            raise self.error(line, f'{section} from must be "client", "venue" or "either"')
        inner = bool(self.frame.carriers)
        if inner and sender == "either":
            raise self.error(line, f"{section} a carried message is from the client or from the venue")
        client = sender != "venue"
        prelude = self.prelude[sender]
        start = prelude[-1].end
        rows = self.source.rows(section, table["rows"], COLUMNS) if "rows" in table else []
        own = [self._field(row, 0, "offset", start if inner else 0, client) for row in rows]
        # A row at a place of the header says more about that place in this message.
        replaced = {f.offset: f for f in own if f.offset < start}
        fields = [replaced.get(f.offset, f) for f in prelude] + [f for f in own if f.offset >= start]
        rest = fields.pop() if not fields[-1].size else None
        if misplaced := next((f for f in fields if not f.size), None):
            raise self.error(misplaced.line, f"{misplaced.name}: what goes to the end of the frame must be the last field")
        if rest and rest.binding.kind != "none":
            raise self.error(rest.line, f"{rest.name}: what goes to the end of the frame cannot be bound")
        block = self._block(fields, 0, section, line)
        fields = [replace(f, index=i) for i, f in enumerate(fields)]
        if rest:
            if rest.offset != block:
                raise self.error(rest.line, f"{rest.name} at {rest.offset} must follow the field before it, which ends at {block}")
            rest = replace(rest, index=len(fields))
        key = self._key(section, line, table, fields, start if inner else 0)
        minimum = table.get("minimum_block", block - (start if inner else 0))
        minimum += start if inner else 0
        if not isinstance(minimum, int) or minimum not in {f.end for f in fields}:
            raise self.error(line, f"{section} minimum_block must be where a field ends")
        tags = self._message_tags(section, line, table, len(fields) + (rest is not None), client, rest)
        return Message(
            index, name, str(table.get("title", "")), sender, key, inner, tuple(fields), block, minimum, rest, tags,
            bool(table.get("tags_always", True)), self._implies(section, line, table.get("implies", {}), client),
            self._accepts(section, line, str(table.get("accepts", ""))), line,
        )  # fmt: skip

    def _key(self, section: str, line: int, table: dict[str, Any], fields: list[WireField], start: int) -> int:
        said = table.get("type")
        if isinstance(said, str):
            key = self._code(said, line, f"{section} type")
        elif isinstance(said, int):
            key = said
        else:
            raise self.error(line, f'{section} type = "X" is missing')
        types = [f for f in fields if f.binding.kind == "type" and f.offset >= start]
        if len(types) != 1:
            raise self.error(line, f"{section} needs one field bound to @type")
        if not 0 <= key < 1 << 8 * types[0].size:
            raise self.error(line, f"{section} type {said} does not fit {types[0].name}")
        if start and (types[0].offset != self.frame.inner_at or types[0].size != self.frame.inner_width):
            raise self.error(types[0].line, f"{types[0].name}: @type of a carried message must be its first byte")
        return key

    def _message_tags(
        self, section: str, line: int, table: dict[str, Any], first: int, client: bool, rest: WireField | None
    ) -> tuple[WireField, ...]:
        if "tags" not in table:
            return ()
        if self.tag_format is None or rest:
            raise self.error(line, f"{section} tags needs a [tags] section, and no field of type rest")
        fields: list[WireField] = []
        for i, word in enumerate(str(table["tags"]).split()):
            row = self.tag_fields.get(int(word)) if word.isdecimal() else None
            if row is None:
                raise self.error(line, f"{section} tags: there is no tag {word} in [tags]")
            if any(f.offset == int(word) for f in fields):
                raise self.error(line, f"{section} tags: {word} is there twice")
            fields.append(self._field(row, first + i, "tag", 0, client))
        return tuple(fields)

    def _implies(self, section: str, line: int, table: dict[str, Any], client: bool) -> tuple[Imply, ...]:
        found = []
        for said, name in table.items():
            words = said.split()
            condition = None
            if len(words) == 3 and words[1] in ("if", "unless"):
                condition = self.bound.get(words[2])
            field = self.bound.get(words[0])
            if field is None or field.enum is None or (len(words) != 1 and condition is None):
                raise self.error(line, f"{section} implies: '{said}' must be ENUM_FIELD, or ENUM_FIELD if FIELD, or ENUM_FIELD unless FIELD")
            if client and any(f and f.has == "has2" for f in (field, condition)):
                raise self.error(line, f"{section} implies: '{said}' is a report's field; a client's message has an order's only")
            value = self.house.enums[field.enum].value_of(str(name))
            if value is None:
                raise self.error(line, f"{section} implies: {field.name} has no value '{name}'")
            found.append(Imply(field, value, condition, words[1] == "if" if condition else True))
        return tuple(found)

    def _accepts(self, section: str, line: int, text: str) -> frozenset[str]:
        names = frozenset(text.split())
        if unknown := names - set(self.bound):
            raise self.error(line, f"{section} accepts: an order has no field '{sorted(unknown)[0]}'")
        return names

    def _dispatch(self, messages: list[Message]) -> None:
        """Two messages of one sender must differ in what tells them apart."""
        seen: dict[tuple[str, bool, int], Message] = {}
        for m in messages:
            for sender in ("client", "venue") if m.sender == "either" else (m.sender,):
                carried = m.inner or self.frame.carriers.get(sender) != m.key
                other = seen.setdefault((sender, m.inner, m.key), m)
                if other is not m or not carried:
                    raise self.error(m.line, f"[message.{m.name}] has the type of {other.name}, and both are from the {sender}")
