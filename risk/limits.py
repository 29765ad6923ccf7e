"""Limits: from the [limits] tables of the configuration to the one table that the lane swaps in as a whole.

Names become numbers here. Index 0 of every kind is what has no known owner (strategy 0 is EXTERNAL), so the first configured name is 1.
"""

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from risk.controls import Control, controls

MAGIC = 0x31534D4C57475031  # must be what csrc/risk.c looks for
HEAD = struct.Struct("<QQQIIII24x")  # magic, version, bytes, venues, accounts, strategies, instruments; zero padded
LIMIT = struct.Struct("<qbB6x")
VALUE_MAX = 2**63 - 2  # a value that does not fit 64 bits shows as 2**63 - 1 and must breach every limit
EXP_MIN, EXP_MAX = -18, 18  # a limit's exponent
RATE_MAX = 1_000_000_000  # one message a nanosecond is no limit any more


class LimitError(ValueError):
    """A limit that cannot be used. `key` is its dotted place in the configuration; the text says what is wrong and what would be right."""

    def __init__(self, key: str, text: str) -> None:
        super().__init__(f"{key}: {text}")
        self.key = key
        self.text = text


class Limit(NamedTuple):
    """value × 10^exp of the control's unit."""

    value: int
    exp: int


class Counts(NamedTuple):
    """Entities of each kind, index 0 included."""

    venues: int
    accounts: int
    strategies: int
    instruments: int


@dataclass(frozen=True)
class Names:
    """The configured names of each kind, in the order of their numbers, from 1 on."""

    venues: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    strategies: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()

    def of(self, scope: str) -> tuple[str, ...]:
        """The names of one scope kind; the firm has none."""
        return {"firm": (), "venue": self.venues, "account": self.accounts, "strategy": self.strategies, "symbol": self.symbols}[scope]


@dataclass(frozen=True)
class Limits:
    """One version of all limits. Keys of `limit`: (control key, scope, entity). Counts include index 0."""

    version: int
    venues: int
    accounts: int
    strategies: int
    instruments: int
    limit: Mapping[tuple[str, str, int], Limit] = field(default_factory=dict)
    account_ok: frozenset[tuple[int, int]] = frozenset()  # (strategy, account)
    instrument_ok: frozenset[tuple[int, int]] = frozenset()  # (strategy, instrument)

    def count(self, scope: str) -> int:
        """How many entities a scope kind has, index 0 included."""
        return {"firm": 1, "venue": self.venues, "account": self.accounts, "strategy": self.strategies, "symbol": self.instruments}[scope]

    def to_bytes(self) -> bytes:
        """The table as csrc/risk.c reads it: head, limits by scope then control, then one byte for each (strategy, account) and (strategy, instrument)."""
        table = controls()
        rows = bytearray()
        for scope in table.scopes:
            for entity in range(self.count(scope)):
                for control in table.limited:
                    set_ = self.limit.get((control.key, scope, entity))
                    rows += LIMIT.pack(set_.value, set_.exp, 1) if set_ else bytes(LIMIT.size)
        for columns, allowed in ((self.accounts, self.account_ok), (self.instruments, self.instrument_ok)):
            grid = bytearray(self.strategies * columns)
            for strategy, column in allowed:
                grid[strategy * columns + column] = 1
            rows += grid + bytes(-len(grid) % 8)
        size = HEAD.size + len(rows)
        return HEAD.pack(MAGIC, self.version, size, self.venues, self.accounts, self.strategies, self.instruments) + bytes(rows)


def parse_limit(value: Any, decimal: bool) -> Limit:
    """10_000 or, where decimals make sense, "0.5" in quotes. Raises: ValueError saying what would be right."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        hint = f'; write "{value}" in quotes' if decimal and not isinstance(value, bool) and hasattr(value, "is_integer") else ""
        raise ValueError(f"{value!r} is not a limit; a whole number is{hint}")
    whole, dot, decimals = str(value).partition(".")
    if not (whole + decimals).isdecimal() or not (whole + decimals).isascii() or (dot and not (whole and decimals)):
        raise ValueError(f"{value!r} is not a limit; a number from 0 on, such as {'0.5 or ' if decimal else ''}10_000, is")
    decimals = decimals.rstrip("0")
    if decimals and not decimal:
        raise ValueError(f"{value!r} has decimals; this limit is a whole number")
    mantissa, exp = int(whole + decimals), -len(decimals)
    if mantissa > VALUE_MAX or exp < EXP_MIN:
        raise ValueError(f"{value!r} is too large or too fine; at most {VALUE_MAX} and {-EXP_MIN} decimals")
    return Limit(mantissa, exp)


def check_limit(control: Control, value: Any) -> Limit:
    """A limit of this control. Raises: ValueError saying what would be right."""
    limit = parse_limit(value, control.decimal)
    if control.key == "rate_per_s" and limit.value > RATE_MAX:
        raise ValueError(f"{value!r} is too large; at most {RATE_MAX} messages a second")
    return limit


def load(limits: Mapping[str, Any], names: Names, permissions: Mapping[str, tuple[Iterable[str], Iterable[str] | None]], version: int) -> Limits:
    """Compile the configuration's `limits` table: {"firm": {key: value}, "account": {NAME: {key: value}}, …}.

    `permissions`: strategy → (its accounts, its symbols or None for every symbol of the instrument file).
    Raises: LimitError at the first key that is wrong; unknown scopes, names and controls are errors, never ignored.
    """
    table = controls()
    found: dict[tuple[str, str, int], Limit] = {}
    for scope, entries in limits.items():
        if scope not in table.scopes:
            raise LimitError(f"limits.{scope}", f"unknown scope; the scopes are {', '.join(table.scopes)}")
        if not isinstance(entries, Mapping):
            raise LimitError(f"limits.{scope}", "must be a table")
        for name, values in [("", entries)] if scope == "firm" else entries.items():
            place = f"limits.{scope}" + (f".{name}" if name else "")
            entity = _number(place, name, scope, names) if name else 0
            if not isinstance(values, Mapping):
                raise LimitError(place, f"must be a table; limits of one {scope} are written [limits.{scope}.NAME]")
            for key, value in values.items():
                control = table.controls.get(key)
                if control is None or scope not in control.scopes:
                    allowed = ", ".join(c.key for c in table.limited if scope in c.scopes)
                    raise LimitError(f"{place}.{key}", f"no such limit; those of a {scope} are {allowed}")
                try:
                    found[key, scope, entity] = check_limit(control, value)
                except ValueError as error:
                    raise LimitError(f"{place}.{key}", str(error)) from None
    account_ok, instrument_ok = set(), set()
    for strategy, (accounts, symbols) in permissions.items():
        number = _number(f"strategies.{strategy}", strategy, "strategy", names)
        account_ok |= {(number, _number(f"strategies.{strategy}.accounts", a, "account", names)) for a in accounts}
        chosen = names.symbols if symbols is None else symbols
        instrument_ok |= {(number, _number(f"strategies.{strategy}.symbols", s, "symbol", names)) for s in chosen}
    counts = Counts(*(len(names.of(scope)) + 1 for scope in table.scopes[1:]))
    return Limits(version, *counts, found, frozenset(account_ok), frozenset(instrument_ok))


def _number(place: str, name: str, scope: str, names: Names) -> int:
    known = names.of(scope)
    if name not in known:
        few = ", ".join(known[:10]) + (" …" if len(known) > 10 else "")
        raise LimitError(place, f"unknown {scope} {name!r}; known: {few or 'none'}")
    return known.index(name) + 1
