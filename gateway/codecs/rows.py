"""Reads a layout file: TOML whose tables of fields are aligned rows, and errors that name file, line and what would be right."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LAYOUTS = Path(__file__).parent / "layouts"


class LayoutError(Exception):
    """A layout file is wrong: `str()` is `file:line: what is wrong; what would be right`."""


@dataclass(frozen=True)
class Row:
    """One line of a table of rows: its cells by column name; the last column takes the rest of the line."""

    cells: dict[str, str]
    line: int

    def __getitem__(self, column: str) -> str:
        return self.cells[column]


@dataclass(frozen=True)
class Source:
    """A layout file as text and as TOML, and the place of everything in it."""

    path: Path
    text: str
    tree: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> "Source":
        """Raises: LayoutError where the file is missing or is not TOML."""
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise LayoutError(f"{path.name}: cannot be read ({error.strerror}); layouts are in {path.parent}") from error
        return cls.parse(path, text)

    @classmethod
    def parse(cls, path: Path, text: str) -> "Source":
        """`text` as the contents of `path`. Raises: LayoutError where it is not TOML."""
        try:
            tree = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise LayoutError(f"{path.name}: not valid TOML: {error}") from error
        return cls(path, text, tree)

    def line_of(self, *needles: str) -> int:
        """The first line with needles[0], from there the first with needles[1], and so on; the last one found, at least 1."""
        at = 0
        lines = self.text.splitlines()
        for needle in needles:
            at = next((i for i in range(at, len(lines)) if needle in lines[i]), at)
        return at + 1

    def error(self, line: int, what: str) -> LayoutError:
        """An error at `line` of this file."""
        return LayoutError(f"{self.path.name}:{line}: {what}")

    def rows(self, section: str, text: object, columns: tuple[str, ...]) -> list[Row]:
        """The rows under `section` (its header as written, for the line numbers), whose first line repeats `columns`.

        Raises: LayoutError for a missing or different heading, or a row with fewer cells than all columns but the last.
        """
        start = self.line_of(section, "rows = ")
        if not isinstance(text, str):
            raise self.error(start, f'{section}: rows must be a text of aligned rows, rows = """ … """')
        found: list[Row] = []
        heading = False
        # The text begins after the newline that follows the opening quotes.
        for line, content in enumerate(text.splitlines(), start + 1):
            cells = content.split(None, len(columns) - 1)
            if not cells or cells[0].startswith("#"):
                continue
            if not heading:
                if tuple(content.split()) != columns:
                    raise self.error(line, f"the heading is '{content.strip()}'; it must be '{' '.join(columns)}'")
                heading = True
                continue
            if len(cells) < len(columns) - 1:
                raise self.error(line, f"'{content.strip()}' has {len(cells)} columns of {len(columns)}: {' '.join(columns)}")
            found.append(Row(dict(zip(columns, [*cells, ""], strict=False)), line))
        if not heading:
            raise self.error(start, f"{section}: no rows")
        return found
