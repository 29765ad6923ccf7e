"""What can be traded and where: symbols, venues, scales, ticks, lots, routes and reference prices, from CSV or TOML, all integers."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

from gateway import toml_lines
from gateway.decimals import to_mantissa
from gateway.errors import ConfigError
from gateway.limits import INSTRUMENTS_MAX, NAME_BYTES_MAX, SYMBOL_BYTES_MAX

COLUMNS = (
    "symbol", "venue", "venue_symbol", "px_exp", "qty_exp", "tick_table", "lot", "multiplier", "ccy", "status", "default_route", "ref_px",
)  # fmt: skip
STATUSES = ("active", "halted")

# Tick tables by name: (price from which it holds, tick). Below the first price its tick holds too.
TICK_TABLES: dict[str, tuple[tuple[str, str], ...]] = {
    # Regulation NMS, rule 612: a cent, and a hundredth of it below one dollar.
    "us_equity": (("0", "0.0001"), ("1", "0.01")),
    "cent": (("0", "0.01"),),
    "quarter": (("0", "0.25"),),
}

# One symbol has one position and one exposure, so these must agree in all its rows.
OF_THE_SYMBOL = ("px_exp", "qty_exp", "multiplier", "ccy", "default_route", "ref_px")


@dataclass(frozen=True, slots=True)
class Instrument:
    """One symbol at one venue.

    Units: prices and ticks are integers × 10^px_exp, quantities and the lot integers × 10^qty_exp.
    """

    index: int
    """Row number from 0, the same for the life of the table."""
    symbol_index: int
    """Dense number of the symbol, over which positions are kept."""
    symbol: str
    venue: str
    venue_symbol: str
    """The venue's own symbol, or its number as text."""
    px_exp: int
    qty_exp: int
    ticks: tuple[tuple[int, int], ...]
    """(price from which it holds, tick), rising."""
    lot: int
    multiplier: int
    """Contract size: notional = price × quantity × multiplier."""
    ccy: str
    status: str
    """active | halted (no new orders)."""
    default_route: str
    """Venue of an order that names none."""
    ref_px: int | None
    """Reference price for the collar until a better one is known; None = unknown, so that a collar refuses."""

    def tick_at(self, price: int) -> int:
        """The tick that holds at `price`, an integer × 10^px_exp."""
        return self.ticks[max(0, bisect_right(self.ticks, price, key=lambda band: band[0]) - 1)][1]


class Instruments:
    """All rows, by number and by name."""

    def __init__(self, rows: tuple[Instrument, ...]) -> None:
        self.rows = rows
        self.symbols = tuple(dict.fromkeys(row.symbol for row in rows))
        self._by_name = {(row.symbol, row.venue): row for row in rows}
        self._by_venue_symbol = {(row.venue, row.venue_symbol): row for row in rows}
        self._routes = {row.symbol: row.default_route for row in rows}

    def find(self, symbol: str, venue: str = "") -> Instrument | None:
        """The row of `symbol` at `venue`, or at its default route; None if there is none."""
        return self._by_name.get((symbol, venue or self._routes.get(symbol, "")))

    def from_venue(self, venue: str, venue_symbol: str) -> Instrument | None:
        """The row that `venue` calls `venue_symbol`."""
        return self._by_venue_symbol.get((venue, venue_symbol))


# One row as it stands in a file: key → text, and key → where in the file it stands.
T = TypeVar("T")
RawRow = tuple[Mapping[str, str], Callable[[str], str]]
Tables = Mapping[str, tuple[tuple[str, str], ...]]


def load(file: Path) -> Instruments:
    """Read `file`, CSV or TOML by its ending.

    Raises: ConfigError with every wrong cell, as file:line:column (TOML: file:line).
    """
    problems: list[str] = []
    raw, tables = _toml_rows(file, problems) if file.suffix == ".toml" else (_csv_rows(file, problems), TICK_TABLES)
    rows: dict[tuple[str, str], Instrument] = {}
    symbol_indices: dict[str, int] = {}
    firsts: dict[str, Instrument] = {}
    places: dict[tuple[str, str], Callable[[str], str]] = {}
    for values, where in raw:
        row = _row(values, where, tables, len(rows), symbol_indices, problems)
        if row is None:
            continue
        if (row.symbol, row.venue) in rows:
            problems.append(f"{where('symbol')}: symbol: {row.symbol} at {row.venue} stands twice; one row for each symbol and venue")
            continue
        first = firsts.setdefault(row.symbol, row)
        for key in OF_THE_SYMBOL:
            if getattr(row, key) != getattr(first, key):
                problems.append(f"{where(key)}: {key}: differs from the other row of {row.symbol}; it must be the same at every venue")
        rows[row.symbol, row.venue] = row
        places[row.symbol, row.venue] = where
    taken: dict[tuple[str, str], str] = {}
    for (symbol, venue), row in rows.items():
        other = taken.setdefault((venue, row.venue_symbol), symbol)
        where = places[symbol, venue]
        if other != symbol:
            problems.append(f"{where('venue_symbol')}: venue_symbol: {row.venue_symbol} at {venue} is already {other}; one symbol each")
        if firsts[symbol] is row and (symbol, row.default_route) not in rows:
            problems.append(f"{where('default_route')}: default_route: {symbol} has no row at {row.default_route}; name one of its venues")
    if not problems and not 0 < len(rows) <= INSTRUMENTS_MAX:
        problems.append(f"{file}:1: {len(rows)} rows; at least one, at most {INSTRUMENTS_MAX}")
    if problems:
        raise ConfigError(problems)
    return Instruments(tuple(rows.values()))


def _row(
    values: Mapping[str, str], where: Callable[[str], str], tables: Tables, index: int, symbols: dict[str, int], problems: list[str]
) -> Instrument | None:
    """The instrument of one raw row, or None with the problems told."""
    before = len(problems)

    def cell(key: str, parse: Callable[[str], T]) -> T | None:
        try:
            return parse(values[key])
        except ValueError as error:
            problems.append(f"{where(key)}: {key}: {error}")
            return None

    px_exp, qty_exp = cell("px_exp", _exponent), cell("qty_exp", _exponent)
    fields: dict[str, Any] = {
        "symbol": cell("symbol", lambda text: _name(text, SYMBOL_BYTES_MAX)),
        "venue": cell("venue", lambda text: _name(text, NAME_BYTES_MAX)),
        "venue_symbol": cell("venue_symbol", lambda text: _name(text, SYMBOL_BYTES_MAX)),
        "px_exp": px_exp,
        "qty_exp": qty_exp,
        "multiplier": cell("multiplier", lambda text: _positive(text, 0)),
        "ccy": cell("ccy", _currency),
        "status": cell("status", lambda text: _one_of(text, STATUSES)),
        "default_route": cell("default_route", lambda text: _name(text, NAME_BYTES_MAX)),
    }
    # What is counted in a scale can be read only if the scale is right.
    if px_exp is not None:
        fields["ticks"] = cell("tick_table", lambda text: _ticks(tables[_one_of(text, tuple(tables))], px_exp))
        fields["ref_px"] = cell("ref_px", lambda text: to_mantissa(text, px_exp) if text else None)
    if qty_exp is not None:
        fields["lot"] = cell("lot", lambda text: _positive(text, qty_exp))
    if len(problems) > before:
        return None
    return Instrument(index=index, symbol_index=symbols.setdefault(fields["symbol"], len(symbols)), **fields)


def _name(text: str, bytes_max: int) -> str:
    if not text or len(text) > bytes_max or not all("!" <= c <= "~" for c in text):
        raise ValueError(f"{text!r} is not a name; 1 to {bytes_max} printable ASCII characters without spaces")
    return text


def _exponent(text: str) -> int:
    if text not in map(str, range(-9, 10)):
        raise ValueError(f"{text!r} is not an exponent; a whole number from -9 to 9, such as -4 for 0.0001")
    return int(text)


def _positive(text: str, exponent: int) -> int:
    value = to_mantissa(text, exponent)
    if value <= 0:
        raise ValueError(f"{text} is not above zero")
    return value


def _currency(text: str) -> str:
    if not (len(text) == 3 and text.isascii() and text.isalpha() and text.isupper()):
        raise ValueError(f"{text!r} is not a currency; three capital letters of ISO 4217, such as USD")
    return text


def _one_of(text: str, allowed: tuple[str, ...]) -> str:
    if text not in allowed:
        raise ValueError(f"{text!r} is unknown; one of {', '.join(allowed)}")
    return text


def _ticks(table: tuple[tuple[str, str], ...], px_exp: int) -> tuple[tuple[int, int], ...]:
    bands = tuple((to_mantissa(start, px_exp), _positive(tick, px_exp)) for start, tick in table)
    if not bands or any(low[0] >= high[0] for low, high in pairwise(bands)):
        raise ValueError("the prices of a tick table must rise, and there must be one at least")
    return bands


def _csv_rows(file: Path, problems: list[str]) -> Iterator[RawRow]:
    """Rows of a CSV file: a header line with every column in any order; # begins a comment line; no quotes are needed or read."""
    try:
        lines = file.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        problems.append(f"{file}:1: cannot be read: {getattr(error, 'strerror', None) or 'not ASCII text'}")
        return
    header: list[str] | None = None
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        cells = line.split(",")
        texts = [cell.strip() for cell in cells]
        if header is None:
            header = texts
            if sorted(header) != sorted(COLUMNS):
                wrong = sorted(set(header) ^ set(COLUMNS)) or "a column twice"
                problems.append(f"{file}:{number}: the header is wrong about {wrong}; it must name {','.join(COLUMNS)}")
                return
            continue
        if len(texts) != len(header):
            problems.append(f"{file}:{number}: {len(texts)} cells; the header has {len(header)} columns")
            continue
        starts = [1 + sum(len(cell) + 1 for cell in cells[:i]) for i in range(len(cells))]
        places = {key: f"{file}:{number}:{start}" for key, start in zip(header, starts, strict=True)}
        yield dict(zip(header, texts, strict=True)), places.__getitem__


def _toml_rows(file: Path, problems: list[str]) -> tuple[list[RawRow], Tables]:
    """Rows of a TOML file: [[instrument]] with a key a column; [tick_tables] adds tables of its own, NAME = [["0", "0.01"], …]."""
    values, lines = toml_lines.read(file)

    def where(*path: str | int) -> str:
        return f"{file}:{toml_lines.line_of(lines, path)}"

    for key in sorted(values.keys() - {"instrument", "tick_tables"}):
        problems.append(f"{where(key)}: {key}: unknown key; [[instrument]] or [tick_tables]")
    tables = dict(TICK_TABLES)
    own_tables, entries = values.get("tick_tables", {}), values.get("instrument", [])
    if not isinstance(own_tables, dict):
        problems.append(f"{where('tick_tables')}: tick_tables: must be a table, [tick_tables]")
        own_tables = {}
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        problems.append(f"{where('instrument')}: instrument: must be tables, each begun by [[instrument]]")
        entries = []
    for name, bands in own_tables.items():
        pairs = isinstance(bands, list) and all(isinstance(band, list) and [type(x) for x in band] == [str, str] for band in bands)
        if pairs and bands:
            tables[name] = tuple((start, tick) for start, tick in bands)
        else:
            problems.append(f'{where("tick_tables", name)}: tick_tables.{name}: write [["0", "0.0001"], ["1", "0.01"]], prices as text')
    rows: list[RawRow] = []
    for index, entry in enumerate(entries):
        before = len(problems)
        for key in sorted(entry.keys() ^ set(COLUMNS)):
            what = "unknown key; the keys are " + ", ".join(COLUMNS) if key in entry else "is missing; add it"
            problems.append(f"{where('instrument', index, key)}: {key}: {what}")
        for key, value in entry.items():
            if not isinstance(value, str | int) or isinstance(value, bool):
                problems.append(f'{where("instrument", index, key)}: {key}: {value!r} must be text, {key} = "{value}", so that it stays exact')
        if len(problems) == before:
            rows.append(({key: str(entry[key]) for key in COLUMNS}, partial(where, "instrument", index)))
    return rows, tables
