"""Where each key of a TOML text stands, which tomllib does not tell: path of keys → line, for errors a person can jump to."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gateway.errors import ConfigError

KeyPath = tuple[str | int, ...]

_KEY = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_KEYS = rf"{_KEY}(?:[ \t]*\.[ \t]*{_KEY})*"
_TABLE = re.compile(rf"[ \t]*(\[\[?)[ \t]*({_KEYS})[ \t]*\]")
_PAIR = re.compile(rf"[ \t]*({_KEYS})[ \t]*=")
_MULTILINE = re.compile(r'"""|' + "'''")


def split_key(dotted: str) -> list[str]:
    """The parts of a dotted key, quotes resolved as TOML does: a."b.c" → ["a", "b.c"]. Raises: tomllib.TOMLDecodeError."""
    parts: list[str] = []
    inner: Any = tomllib.loads(f"{dotted} = 0")
    while isinstance(inner, dict):
        ((key, inner),) = inner.items()
        parts.append(key)
    return parts


def key_lines(text: str) -> dict[KeyPath, int]:
    """Path → line (from 1) of every table and key of `text`, which must be valid TOML; [[x]] counts x from 0.

    Keys inside an inline table or array have no line of their own; `line_of` gives that of the nearest key around them.
    """
    lines: dict[KeyPath, int] = {(): 1}
    counts: dict[KeyPath, int] = {}
    table: KeyPath = ()
    inside = ""  # the closing quotes of a string that goes over lines
    for number, line in enumerate(text.splitlines(), 1):
        if inside:
            inside = "" if inside in line else inside
            continue
        if match := _TABLE.match(line):
            *around, last = split_key(match[2])
            table = ()
            for part in around:
                table = (*table, part)
                if table in counts:  # the newest entry of an array of tables is the one meant
                    table = (*table, counts[table] - 1)
            table = (*table, last)
            lines.setdefault(table, number)
            if match[1] == "[[":
                counts[table] = counts.get(table, 0) + 1
                table = (*table, counts[table] - 1)
            lines.setdefault(table, number)
        elif match := _PAIR.match(line):
            path = table
            for part in split_key(match[1]):
                path = (*path, part)
                lines.setdefault(path, number)
            quotes = _MULTILINE.findall(line)
            inside = quotes[-1] if len(quotes) % 2 else ""
    return lines


def line_of(lines: Mapping[KeyPath, int], path: KeyPath) -> int:
    """The line of `path`, else of the nearest table around it."""
    while path not in lines:
        path = path[:-1]
    return lines[path]


def read(file: Path) -> tuple[dict[str, Any], dict[KeyPath, int]]:
    """The values of a TOML file and their lines. Raises: ConfigError if it cannot be read or is not TOML."""
    try:
        text = file.read_text(encoding="utf-8")
        return tomllib.loads(text), key_lines(text)
    except tomllib.TOMLDecodeError as error:
        what = re.fullmatch(r"(.*) \(at (?:line (\d+), column \d+|end of document)\)", str(error))
        line = what[2] if what and what[2] else len(text.splitlines())
        raise ConfigError([f"{file}:{line}: not TOML: {what[1] if what else error}"]) from None
    except UnicodeDecodeError as error:
        raise ConfigError([f"{file}:1: not UTF-8 text: byte {error.start} is {error.object[error.start]:#04x}"]) from None
    except OSError as error:
        raise ConfigError([f"{file}:1: cannot be read: {error.strerror}"]) from None
