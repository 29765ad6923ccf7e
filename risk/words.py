"""How scopes and times of the latch are told to people, the same by the kill switch and by the gateway."""

from datetime import UTC, datetime

Scope = tuple[str, str]  # (kind, name); the firm has no name


def say_scope(scope: Scope) -> str:
    """"firm", or "symbol AAPL"."""
    return " ".join(filter(None, scope))


def utc(at_ns: int) -> str:
    """A time in ns since the epoch as 2026-11-20T13:30:01Z; 0, which no latch was set at, is unknown."""
    return datetime.fromtimestamp(at_ns // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at_ns else "unknown"
