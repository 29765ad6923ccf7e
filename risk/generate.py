"""Writes csrc/controls.h from risk/controls.toml: `python -m risk.generate` writes it, with `--check` it only says whether it differs (exit 1)."""

import sys
from pathlib import Path

from risk.controls import Controls, controls

HEADER = Path(__file__).resolve().parent.parent / "csrc" / "controls.h"


def c_header(table: Controls) -> str:
    """The text of csrc/controls.h: numbers of controls, scopes and reasons, and one constant row a control."""
    lines = [
        "/* Generated from risk/controls.toml by `python -m risk.generate`; change that file, not this one: the controls as numbers and rows. */",
        "#ifndef GW_CONTROLS_H",
        "#define GW_CONTROLS_H",
        "#include <stdint.h>",
        "",
        "enum gw_control {",
        *(f"    GW_CONTROL_{c.key.upper()} = {c.index}, /* {c.code} */" for c in table.controls.values()),
        "};",
        f"#define GW_CONTROLS {len(table.controls)}",
        f"#define GW_LIMITED {len(table.limited)} /* the first ones: those with limits */",
        "",
        "enum gw_scope {",
        *(f"    GW_SCOPE_{s.upper()} = {i}," for i, s in enumerate(table.scopes)),
        "};",
        f"#define GW_SCOPES {len(table.scopes)}",
        "",
        "typedef struct gw_control_row {",
        "    const char *key;",
        "    const char *code;",
        "    const char *unit;",
        "    const char *text;",
        "    uint8_t scopes;    /* bit i: a limit may be set at gw_scope i */",
        "    uint8_t decimal;   /* 1: a limit may have an exponent other than 0 */",
        "    uint8_t mandatory; /* 1: blocked unless a covering scope sets it */",
        f"    uint8_t ord_rej_reason[{len(table.scopes)}]; /* FIX 4.4 103, by scope of the breach */",
        "} gw_control_row;",
        "",
        "static const gw_control_row gw_control_rows[GW_CONTROLS] = {",
    ]
    for c in table.controls.values():
        bits = sum(1 << table.scopes.index(s) for s in c.scopes)
        reasons = ", ".join(str(dict(c.by_scope).get(s, c.ord_rej_reason)) for s in table.scopes)
        flags = f"{bits}, {int(c.decimal)}, {int(c.mandatory)}"
        lines.append(f'    {{"{c.key}", "{c.code}", "{c.unit}", "{c.text}", {flags}, {{{reasons}}}}},')
    lines += [
        "};",
        "",
        "static const char *const gw_scope_names[GW_SCOPES] = {" + ", ".join(f'"{s}"' for s in table.scopes) + "};",
        "",
        f"#define GW_WHYS {len(table.whys)}",
        "typedef struct gw_why_row {",
        "    const char *key;",
        '    const char *text;       /* "": the control\'s own */',
        "    int16_t ord_rej_reason; /* -1: the control's own */",
        "} gw_why_row;",
        "",
        "static const gw_why_row gw_why_rows[GW_WHYS] = {",
        *(f'    {{"{w.key}", "{w.text}", {-1 if w.ord_rej_reason is None else w.ord_rej_reason}}},' for w in table.whys.values()),
        "};",
        "",
        "#endif",
        "",
    ]
    return "\n".join(lines)


def main() -> int:
    text = c_header(controls())
    if sys.argv[1:] == ["--check"]:
        differs = HEADER.read_text() != text
        print(f"{HEADER.name}: {'differs from risk/controls.toml; run `python -m risk.generate`' if differs else 'up to date'}")
        return int(differs)
    HEADER.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
