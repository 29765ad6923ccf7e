"""What the kill switch takes from the gateway's configuration: the state folder and the names of scopes; nothing of it need be whole to drop the firm."""

import os
from pathlib import Path
from typing import Any

from risk import latch
from risk.latch import Latch
from risk.words import Scope

UNKNOWN_SCOPE, NOT_SET = 5, 7  # of the kill switch's exit codes
CANDIDATES = ("portcullis.toml", "examples/local.toml")
KNOWN_SHOWN = 20  # names listed when one is unknown
NEEDS_NO_NAMES = "`killswitch engage` without --scope needs no names and drops the firm."


class Stop(Exception):
    """Ends the command: an exit code, and what to tell on stderr."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class Config:
    """What the kill switch takes from the configuration. A file that is not TOML any more still gives its state_dir, if that line is whole."""

    def __init__(self, named: str | None) -> None:
        self.path = self._find(named)
        self.broken = ""
        self.values: dict[str, Any] = {}
        try:
            text = self.path.read_bytes().decode(errors="replace")
        except OSError as error:
            raise Stop(NOT_SET, f"NOT SET: {self.path}: {error.strerror}. Name the gateway's configuration with --config FILE.") from None
        import tomllib

        try:
            self.values = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            self.broken = str(error)
        state_dir = self.values.get("state_dir") if not self.broken else _state_dir_line(text)
        if not isinstance(state_dir, str) or not state_dir:
            why = f" (and it is not TOML: {self.broken})" if self.broken else ""
            raise Stop(NOT_SET, f'NOT SET: {self.path} has no state_dir{why}. It must say state_dir = "FOLDER", the folder of the running gateway.')
        self.state_dir = Path(os.path.abspath(self.path.parent / state_dir))
        self.latch = self.state_dir / "latch"

    @staticmethod
    def _find(named: str | None) -> Path:
        chosen = named or os.environ.get("PORTCULLIS_CONFIG")
        if chosen:
            return Path(os.path.abspath(chosen))
        for candidate in CANDIDATES:
            if os.path.isfile(candidate):
                return Path(os.path.abspath(candidate))
        looked = ", ".join(os.path.abspath(candidate) for candidate in CANDIDATES)
        raise Stop(NOT_SET, f"NOT SET: no configuration found. Looked for --config (not given), $PORTCULLIS_CONFIG (not set), {looked}.")

    def names(self, kind: str) -> tuple[str, ...]:
        """The configured names of a scope kind. Raises: Stop if they cannot be told."""
        if self.broken:
            raise Stop(NOT_SET, f"NOT SET: {self.path} is not TOML ({self.broken}), so the names of scopes are not known. {NEEDS_NO_NAMES}")
        sessions, strategies = _tables(self.values, "sessions"), _tables(self.values, "strategies")
        match kind:
            case "venue":
                found = {str(session.get("venue", "")) for session in sessions.values()}
            case "strategy":
                found = set(strategies)
            case "account":
                found = {str(account) for strategy in strategies.values() for account in strategy.get("accounts", ())}
            case _:
                found = self._symbols()
        return tuple(sorted(found - {""}))

    def _symbols(self) -> set[str]:
        instruments = self.values.get("instruments")
        file = self.path.parent / str(instruments.get("file", "") if isinstance(instruments, dict) else "")
        try:
            text = file.read_text(encoding="ascii", errors="replace")
        except OSError as error:
            raise Stop(NOT_SET, f"NOT SET: {file}: {error.strerror}, so the symbols are not known. {NEEDS_NO_NAMES}") from None
        if file.suffix == ".toml":
            import tomllib

            try:
                rows = tomllib.loads(text).get("instrument", [])
            except tomllib.TOMLDecodeError:
                rows = []
            return {str(row.get("symbol", "")) for row in rows if isinstance(row, dict)}
        lines = [line.split(",") for line in text.splitlines() if line.strip() and not line.startswith("#")]
        header = [cell.strip() for cell in lines[0]] if lines else []
        column = header.index("symbol") if "symbol" in header else 0
        return {line[column].strip() for line in lines[1:] if len(line) > column}


def _tables(values: dict[str, Any], key: str) -> dict[str, dict[str, Any]]:
    table = values.get(key)
    return {name: entry for name, entry in table.items() if isinstance(entry, dict)} if isinstance(table, dict) else {}


def _state_dir_line(text: str) -> str | None:
    """The value of a line `state_dir = "…"` before any table; for a file that tomllib refuses."""
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if line.startswith("["):
            return None
        if key.strip() == "state_dir" and equals:
            quote = value.strip()[:1]
            return value.strip()[1:].partition(quote)[0] if quote in ("'", '"') else None
    return None


def parse_scopes(texts: list[str], config: Config, known: Latch | None) -> list[Scope]:
    """--scope K=V …; none, or "firm", is the firm. Raises: Stop(UNKNOWN_SCOPE) that lists what is known."""
    scopes: list[Scope] = []
    for text in texts or ["firm"]:
        kind, equals, name = text.partition("=")
        if kind not in latch.KINDS or (kind == "firm") == bool(equals) or (equals and not name):
            kinds = ", ".join(f"{k}=NAME" for k in latch.KINDS[1:])
            raise Stop(UNKNOWN_SCOPE, f"NOTHING DONE: no such scope: {text!r}. Write firm, {kinds}.")
        if kind != "firm" and (known is None or known.find(kind, name) is None):
            names = config.names(kind)
            if name not in names or len(name.encode()) > latch.NAME_BYTES:
                shown = ", ".join(names[:KNOWN_SHOWN]) + (f" … ({len(names)} in all)" if len(names) > KNOWN_SHOWN else "")
                raise Stop(UNKNOWN_SCOPE, f"NOTHING DONE: no {kind} {name!r} in {config.path}. Known: {shown or 'none'}.")
        scopes.append((kind, name))
    return list(dict.fromkeys(scopes))
