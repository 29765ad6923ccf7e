"""Writes what is generated from the order layout: csrc/records.h, csrc/reasons.h, gateway/model.py and gateway/client/_records.py.

`python -m gateway.codecs.generate` writes them, with `--check` it only says which differ (exit 1).
"""

import sys
from pathlib import Path

from gateway.codecs import records
from gateway.codecs.records import PRIMITIVES, Enum, Field, Records
from gateway.codecs.rows import LAYOUTS

ROOT = Path(__file__).resolve().parent.parent.parent
SOURCE = "gateway/codecs/layouts/house/order.toml"


def camel(name: str) -> str:
    """gw_order → GwOrder; ord_type → OrdType."""
    return "".join(part.capitalize() for part in name.split("_"))


def c_header(layout: Records, guard: str, source: str, macros: bool = True) -> str:
    """The C declarations of `layout`, in the subset that cffi reads."""
    lines = [
        f"/* Generated from {source} by `python -m gateway.codecs.generate`; change that file, not this one.",
        " * Little-endian, naturally aligned, padding zero. A field is given when its bit in `has` (or `has2`) is set. */",
        f"#ifndef {guard}",
        f"#define {guard}",
        "#include <stdint.h>",
    ]
    for enum in layout.enums.values():
        lines += ["", f"enum gw_{enum.name} {{"]
        for v in enum.values:
            shown = f"'{chr(v.value)}'" if enum.is_char else str(v.value)
            lines.append(f"    GW_{enum.name.upper()}_{v.name.upper()} = {shown}," + (f" /* {v.text} */" if v.text else ""))
        lines.append("};")
    for record in layout.records.values():
        lines += ["", f"/* {record.title}. {record.size} bytes. */", f"typedef struct {record.name} {{"]
        lines += [f"    {_c_field(f)}" for f in record.fields]
        lines.append(f"}} {record.name};")
        lines.append(f"#define {record.name.upper()}_SIZE {record.size}")
        for f in record.fields:
            if f.bit >= 0:
                lines.append(f"#define GW_{f.has.upper()}_{f.name.upper()} {f.bit}")
    lines += ["", "#endif", ""]
    return "\n".join(lines)


def _c_field(field: Field) -> str:
    note = f" /* {field.offset}: {field.meaning} */" if field.meaning else f" /* {field.offset} */"
    match field.primitive:
        case "pad":
            return f"uint8_t pad_{field.offset}[{field.size}];"
        case "text":
            return f"char {field.name}[{field.size}];{note}"
        case "bytes":
            return f"uint8_t {field.name}[{field.size}];{note}"
        case "char":
            return f"char {field.name};{note}"
        case primitive if primitive in PRIMITIVES:
            kind = "uint" if primitive[0] == "u" else "int"
            return f"{kind}{primitive[1:]}_t {field.name};{note}"
        case nested:
            return f"{nested} {field.name};{note}"


def python_enum(enum: Enum) -> str:
    """A StrEnum of characters, or an IntEnum with a `text` for each value."""
    described = any(v.text for v in enum.values) and not enum.is_char
    base = "StrEnum" if enum.is_char else "IntEnum"
    lines = [f"class {camel(enum.name)}({base}):", f'    """{camel(enum.name)}: values as in a record and in FIX."""', ""]
    for v in enum.values:
        shown = f'"{chr(v.value)}"' if enum.is_char else str(v.value)
        lines.append(f"    {v.name.upper()} = {shown}" + (f"  # {v.text}" if v.text and enum.is_char else ""))
    if described:
        lines += ["", "    @property", "    def text(self) -> str:", '        """A sentence for people."""']
        lines += [f"        return _{enum.name.upper()}_TEXT[self]", "", "", f"_{enum.name.upper()}_TEXT = {{"]
        lines += [f'    {camel(enum.name)}.{v.name.upper()}: "{v.text}",' for v in enum.values]
        lines.append("}")
    return "\n".join(lines)


def model(layout: Records) -> str:
    """gateway/model.py: the vocabulary as Python enums."""
    head = (
        f'"""The vocabulary of orders and reports. Generated from {SOURCE}; change that file, not this one."""\n\n'
        "from enum import IntEnum, StrEnum\n"
    )
    return "\n\n".join([head, *(python_enum(e) + "\n" for e in layout.enums.values())])


def client_records(layout: Records) -> str:
    """gateway/client/_records.py: the same records for strategies, which import nothing else of the house."""
    text = (Path(__file__).parent / "recordio.py").read_text()
    doc, body = text.removeprefix('"""').split('"""', 1)
    del doc
    out = [
        f'"""The order records for strategies, standard library only. Generated from {SOURCE} and gateway/codecs/recordio.py."""' + body.rstrip("\n"),
        "",
        "",
    ]
    for record in layout.records.values():
        out += [f"{record.name.removeprefix('gw_').upper()} = RecordFormat(", f'    "{record.name}",', f'    "{record.struct_format()}",', "    ("]
        out += [f'        ("{name}", "{code}", {size}, "{has}", {bit}),' for name, code, size, has, bit in record.struct_fields()]
        out += ["    ),", ")", ""]
    out += ["# Enum values by name: {enum: {name: value as in a record}}.", "ENUMS: dict[str, dict[str, str | int]] = {"]
    for enum in layout.enums.values():
        out.append(f'    "{enum.name}": {{')
        out += [f'        "{v.name}": ' + (f'"{chr(v.value)}"' if enum.is_char else str(v.value)) + "," for v in enum.values]
        out.append("    },")
    out += ["}", "", "REASON_TEXT = {"]
    out += [f'    {v.value}: "{v.text}",' for v in layout.enums["reason"].values]
    out += ["}", ""]
    return "\n".join(out)


def c_reasons(layout: Records) -> str:
    """What each reason says, for the reports that the lane makes."""
    rows = [f'    "{v.text}",' for v in sorted(layout.enums["reason"].values, key=lambda v: v.value)]
    return "\n".join(
        [
            f"/* Generated from {SOURCE} by `python -m gateway.codecs.generate`; change that file, not this one: what each reason says. */",
            "#ifndef GW_REASONS_H",
            "#define GW_REASONS_H",
            "",
            f"#define GW_REASONS {len(rows)}",
            "static const char *const gw_reason_texts[GW_REASONS] = {",
            *rows,
            "};",
            "",
            "#endif",
            "",
        ]
    )


def generated() -> dict[str, str]:
    """The contents of every generated file, by its path from the repository's root."""
    layout = records.load(LAYOUTS / "house" / "order.toml")
    return {
        "csrc/records.h": c_header(layout, "GW_RECORDS_H", SOURCE),
        "csrc/reasons.h": c_reasons(layout),
        "gateway/model.py": model(layout),
        "gateway/client/_records.py": client_records(layout),
    }


def main(arguments: list[str]) -> int:
    """Write the files, or with --check say which differ. Returns the exit status."""
    stale = []
    for name, text in generated().items():
        path = ROOT / name
        if not path.exists() or path.read_text() != text:
            stale.append(name)
            if "--check" not in arguments:
                path.write_text(text)
    if "--check" in arguments and stale:
        print(f"differ from {SOURCE}: {', '.join(stale)}; run `python -m gateway.codecs.generate`", file=sys.stderr)
        return 1
    print(f"written: {', '.join(stale) or 'nothing, all are current'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
