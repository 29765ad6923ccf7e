"""Answers of the admin socket as people and programs read them: aligned tables, or JSON."""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gateway import admin

SECOND = 1_000_000_000


class NoStateDir(Exception):
    """The configuration does not say where the state is; str() says where that would stand."""


def state_dir(file: Path) -> Path:
    """The state_dir of a configuration, also where the rest of it has mistakes: the running gateway must be reachable then too.

    Raises: NoStateDir.
    """
    try:
        value = tomllib.loads(file.read_text(encoding="utf-8")).get("state_dir")
    except (OSError, ValueError) as error:
        raise NoStateDir(f"{file}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if not isinstance(value, str):
        raise NoStateDir(f'{file}: state_dir is missing; write state_dir = "FOLDER", relative to this file')
    return (file.parent / value).resolve()


def as_json(result: admin.Result) -> dict[str, Any]:
    """The answer as what json.dumps takes."""
    return asdict(result)


def as_text(result: admin.Result) -> str:
    """The answer as lines for a terminal."""
    match result:
        case admin.StatusResult():
            return _status(result)
        case admin.SessionsResult():
            return _sessions(result.sessions)
        case admin.OrdersResult():
            return _orders(result)
        case admin.LimitsResult():
            rows = [(limit.path, limit.value, limit.unit) for limit in result.limits]
            return table(("limit", "value", "unit"), rows) + f"\nversion {result.version}\ndenied: {_numbers(result.denied) or 'nothing'}"
        case admin.LimitsSetResult():
            return f"set: version {result.version} holds from record {result.lsn} of the journal"
        case admin.DoneResult():
            return f"{result.text} (record {result.lsn} of the journal)"
        case admin.PositionsResult():
            return table(("account", "symbol", "position", "buys open", "sells open"),
                         [(p.account, p.symbol, p.qty, p.buys_open, p.sells_open) for p in result.positions])  # fmt: skip


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Columns as wide as their widest cell; numbers to the right, words to the left."""
    lines = [list(heads), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(heads))]
    right = [len(lines) > 1 and all(_number(line[i]) for line in lines[1:]) for i in range(len(heads))]
    return "\n".join(
        "  ".join(cell.rjust(width) if to_right else cell.ljust(width) for cell, width, to_right in zip(line, widths, right, strict=True)).rstrip()
        for line in lines
    )


def _number(cell: str) -> bool:
    return cell.lstrip("-+").replace(".", "", 1).replace(",", "").isdigit() or cell in ("", "-")


def _numbers(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def _status(status: admin.StatusResult) -> str:
    ready = "ready" if status.ready else "not ready"
    up_s = (status.now_ns - status.started_ns) // SECOND
    lines = [
        f"{status.name}: pid {status.pid}, {status.stage}, {ready}, up {up_s // 3600}:{up_s // 60 % 60:02}:{up_s % 60:02}, epoch {status.epoch}",
        f"gate: {status.gate}",
        "doors: " + ", ".join(f"{name} {address}" for name, address in status.doors.items()),
        f"counts: {_numbers(status.counts)}",
    ]
    if status.denied:
        lines.append(f"denied: {_numbers(status.denied)}")
    lines += [f"paused: {paused}" for paused in status.paused]
    if status.journal:
        lines.append("journal: " + ", ".join(f"{name} {value}" for name, value in status.journal.items() if value != ""))
    lines.append(f"state: {status.state_dir}")
    return "\n".join([*lines, "", _sessions(status.sessions)])


def _sessions(sessions: Iterable[admin.SessionView]) -> str:
    heads = ("session", "role", "protocol", "state", "rx", "tx", "peer", "in", "out", "queued", "open", "doubt", "")
    return table(heads, [
        (s.name, s.role, s.protocol, s.state, s.rx, s.tx, s.peer or "-", s.next_in, s.next_out, s.queued, s.open_orders, s.in_doubt, s.text) for s in sessions
    ])  # fmt: skip


def _orders(result: admin.OrdersResult) -> str:
    heads = ("id", "strategy", "account", "symbol", "venue", "side", "qty", "price", "filled", "left", "status", "")
    rows = [
        (o.cl_ord_id or o.cl_ord_num, o.strategy, o.account, o.symbol, o.venue, o.side, o.order_qty, o.price or "-", o.cum_qty, o.leaves_qty, o.ord_status,
         " ".join(word for word, is_so in (("IN_DOUBT", o.in_doubt), ("queued", o.queued), ("cancel wanted", o.cancel_wanted)) if is_so))
        for o in result.orders
    ]  # fmt: skip
    return table(heads, rows) + ("\n… and more; --count N shows them" if result.more else "")
