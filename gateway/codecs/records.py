"""Reads record layouts: the fixed little-endian structs that C and Python share, and the house's enums with them."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from gateway.codecs.rows import LAYOUTS, LayoutError, Row, Source

COLUMNS = ("offset", "len", "type", "name", "meaning")
# Widths of the primitive types; text, bytes and pad have the width of their row.
PRIMITIVES = {"u8": 1, "u16": 2, "u32": 4, "u64": 8, "i8": 1, "i16": 2, "i32": 4, "i64": 8, "char": 1}
SIZED = ("text", "bytes", "pad")
# Letters of the struct module.
CODES = {"u8": "B", "u16": "H", "u32": "I", "u64": "Q", "i8": "b", "i16": "h", "i32": "i", "i64": "q", "char": "s", "text": "s", "bytes": "b*"}


@dataclass(frozen=True)
class EnumValue:
    """One value of an enum of the house: its wire value, name, and a sentence where the name does not say enough."""

    value: int
    name: str
    text: str


@dataclass(frozen=True)
class Enum:
    """An enum of the house: `is_char` if its values are characters, else small numbers."""

    name: str
    is_char: bool
    values: tuple[EnumValue, ...]

    def name_of(self, value: int) -> str | None:
        """The name of wire value `value`, None if it is not one of them."""
        return next((v.name for v in self.values if v.value == value), None)

    def value_of(self, name: str) -> int | None:
        """The wire value of `name`, None if there is no such name."""
        return next((v.value for v in self.values if v.name == name), None)


@dataclass(frozen=True)
class Field:
    """One field of a record; `bit` is its presence bit in `has`, -1 for what has none (pads, has itself, a nested record)."""

    name: str
    primitive: str  # a key of PRIMITIVES, one of SIZED, or the name of the nested record
    offset: int  # from the start of the outermost record
    size: int
    enum: str | None
    bit: int
    has: str  # name of the presence word that `bit` is in, "" if none
    meaning: str

    @property
    def scale(self) -> str:
        """Which exponent field says the power of ten of this one: px_exp, qty_exp, avg_px_exp, or "" for none."""
        return self.meaning.removeprefix("× 10^").split(";")[0] if self.meaning.startswith("× 10^") else ""


@dataclass(frozen=True)
class Record:
    """A struct: its fields as declared, in order of their offsets, and its size in bytes."""

    name: str
    title: str
    fields: tuple[Field, ...]
    size: int
    nested: "Record | None"  # the record this one begins with

    def flat(self) -> Iterator[Field]:
        """Every field down to the primitives, those of the nested record first."""
        if self.nested:
            yield from self.nested.flat()
        yield from (f for f in self.fields if f.primitive in PRIMITIVES or f.primitive in SIZED)

    def struct_format(self) -> str:
        """The struct module's format of the record, little-endian, padding as x."""
        return "<" + "".join(f"{f.size}{'x' if f.primitive == 'pad' else 's'}" if f.primitive in (*SIZED, "char") else CODES[f.primitive] for f in self.flat())

    def struct_fields(self) -> list[tuple[str, str, int, str, int]]:
        """The fields as recordio.RecordFormat takes them: (name, code, size, presence word, bit), padding left out."""
        return [(f.name, CODES[f.primitive], f.size, f.has, f.bit) for f in self.flat() if f.primitive != "pad"]


@dataclass(frozen=True)
class Records:
    """What one record layout says: its structs and enums by name."""

    protocol: str
    version: str
    records: dict[str, Record]
    enums: dict[str, Enum]
    house_only: frozenset[str]  # fields that a venue need not be told


def load(path: Path) -> Records:
    """The checked record layout in `path`. Raises: LayoutError, naming file, line and what would be right."""
    return build(Source.read(path))


@cache
def order() -> Records:
    """The unified order request and report, from layouts/house/order.toml."""
    return load(LAYOUTS / "house" / "order.toml")


def build(source: Source) -> Records:
    """The checked record layout of a parsed file. Raises: LayoutError."""
    tree = source.tree
    for key in ("protocol", "version"):
        if not isinstance(tree.get(key), str):
            raise source.error(1, f'{key} = "…" is missing')
    if tree.get("byte_order") != "little":
        raise source.error(source.line_of("byte_order"), 'a record layout has byte_order = "little"')
    known = {"protocol", "version", "byte_order", "house_only", "types", "record", "enum"}
    if unknown := set(tree) - known:
        name = sorted(unknown)[0]
        raise source.error(source.line_of(name), f"'{name}' is not known in a record layout; known are {', '.join(sorted(known))}")
    said = [str(text).split() for text in tree.get("types", {}).values()]
    of_numbers = {words[2] for words in said if len(words) == 3 and words[0] != "char"}
    enums = {name: _enum(source, name, table, name not in of_numbers) for name, table in tree.get("enum", {}).items()}
    types = {name: _type(source, name, text, enums) for name, text in tree.get("types", {}).items()}
    records: dict[str, Record] = {}
    for name, table in tree.get("record", {}).items():
        records[name] = _record(source, name, table, types, records)
    if not records:
        raise source.error(1, "no [record.NAME] in a record layout")
    house_only = frozenset(str(tree.get("house_only", "")).split())
    names = {f.name for record in records.values() for f in record.fields}
    if house_only - names:
        raise source.error(source.line_of("house_only"), f"house_only names no field {sorted(house_only - names)[0]}")
    return Records(tree["protocol"], tree["version"], records, enums, house_only)


def _enum(source: Source, name: str, table: dict[str, Any], is_char: bool) -> Enum:
    """The enum `name`: keys are characters or, where a type over integers uses it, numbers; values a name or {name, text}."""
    line = source.line_of(f"[enum.{name}]")
    values = []
    for key, said in table.items():
        entry = {"name": said} if isinstance(said, str) else said
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str) or set(entry) - {"name", "text"}:
            raise source.error(line, f'[enum.{name}] {key}: must be a name or {{ name = "…", text = "…" }}')
        if not (key.isascii() and len(key) == 1 if is_char else key.isdecimal()):
            raise source.error(line, f"[enum.{name}] {key}: keys must be {'single characters' if is_char else 'numbers'}")
        values.append(EnumValue(ord(key) if is_char else int(key), entry["name"], str(entry.get("text", ""))))
    for attribute in ("name", "value"):
        seen = [getattr(v, attribute) for v in values]
        if twice := next((x for x in seen if seen.count(x) > 1), None):
            raise source.error(line, f"[enum.{name}] {attribute} '{twice}' is given twice")
    if not values:
        raise source.error(line, f"[enum.{name}] is empty")
    return Enum(name, is_char, tuple(values))


def _type(source: Source, name: str, text: object, enums: dict[str, Enum]) -> tuple[str, str]:
    words = text.split() if isinstance(text, str) else []
    if len(words) != 3 or words[0] not in PRIMITIVES or words[1] != "enum" or words[2] not in enums:
        raise source.error(source.line_of("[types]", f"{name} ="), f"type '{name}' must be 'PRIMITIVE enum NAME' with an enum of this file")
    if (words[0] == "char") != enums[words[2]].is_char:
        raise source.error(source.line_of("[types]", f"{name} ="), f"type '{name}': characters need type char, numbers an integer")
    return words[0], words[2]


def _record(
    source: Source, name: str, table: dict[str, Any], types: dict[str, tuple[str, str]], records: dict[str, Record]
) -> Record:
    section = f"[record.{name}]"
    if unknown := set(table) - {"title", "rows"}:
        raise source.error(source.line_of(section), f"{section}: '{sorted(unknown)[0]}' is not known; known are title, rows")
    fields: list[Field] = []
    nested: Record | None = None
    at, bit, has = 0, -1, ""
    names = set()
    for row in source.rows(section, table.get("rows"), COLUMNS):
        offset, size = _numbers(source, row)
        if offset != at:
            raise source.error(row.line, f"{row['name']} is at {offset}, but the field before it ends at {at}")
        enum: str | None = None
        primitive = row["type"]
        if primitive in types:
            primitive, enum = types[primitive]
        if primitive in records:
            if offset:
                raise source.error(row.line, f"{row['name']}: a nested record must come first, at offset 0")
            nested, width = records[primitive], records[primitive].size
        elif primitive in PRIMITIVES:
            width = PRIMITIVES[primitive]
            if offset % width:
                raise source.error(row.line, f"{row['name']} at {offset} is not aligned to its {width} bytes; move it or pad")
        elif primitive in SIZED:
            width = size
        else:
            raise source.error(row.line, f"{row['name']}: type '{row['type']}' is not known")
        if size != width or size < 1:
            raise source.error(row.line, f"{row['name']} has len {size}; its type {row['type']} has {width}")
        if primitive != "pad" and row["name"] in names:
            raise source.error(row.line, f"{row['name']} is there twice")
        names.add(row["name"])
        is_has = row["name"] in ("has", "has2")
        if is_has:
            has = row["name"]
        counted = not is_has and primitive not in records and primitive != "pad" and has != ""
        bit += counted
        fields.append(
            Field(row["name"], primitive, offset, size, enum, bit if counted else -1, has if counted else "", row["meaning"])
        )
        at = offset + size
    if bit > 63:
        raise source.error(source.line_of(section), f"{section}: {bit + 1} fields, but {has} has 64 bits")
    if at % 8:
        raise source.error(source.line_of(section), f"{section} is {at} bytes long; pad it to a multiple of 8")
    return Record(name, str(table.get("title", "")), tuple(fields), at, nested)


def _numbers(source: Source, row: Row) -> tuple[int, int]:
    if not (row["offset"].isdecimal() and row["len"].isdecimal()):
        raise source.error(row.line, f"offset and len must be numbers, not '{row['offset']}' and '{row['len']}'")
    return int(row["offset"]), int(row["len"])


__all__ = ["Enum", "EnumValue", "Field", "LayoutError", "Record", "Records", "build", "load", "order"]
