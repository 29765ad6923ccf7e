"""The log: JSON lines by structlog, few enough that no peer can fill a disk with them. What goes in never holds a secret."""

import sys
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, Literal, TextIO

import structlog

from gateway.control.inputs import Say
from gateway.limits import LOG_LINES_PER_S
from gateway.sessions.actions import SECOND
from risk.words import utc

Level = Literal["debug", "info", "warning", "error"]


class Log:
    """One line an event; of one event and connection at most LOG_LINES_PER_S a second, what was left out is counted in the next one.

    A line that cannot be written (a full disk, a reader that is gone) is lost and counted: the gateway goes on without.
    """

    def __init__(self, where: Literal["stderr", "stdout"], now_ns: Callable[[], int], debug: bool = False) -> None:
        stream: TextIO = sys.stderr if where == "stderr" else sys.stdout
        self._now_ns = now_ns
        self._debug = debug
        self._log: Any = structlog.wrap_logger(
            structlog.PrintLogger(stream),
            processors=[structlog.processors.add_log_level, self._stamp, structlog.processors.JSONRenderer()],
            wrapper_class=structlog.BoundLogger,
            cache_logger_on_first_use=True,
        )
        self._lost = 0
        self._second = 0
        self._counts: dict[tuple[str, str], int] = {}

    def say(self, line: Say) -> None:
        """What the core wishes to be logged."""
        self.write(line.level, line.event, **line.fields)

    def write(self, level: Level, event: str, **fields: Any) -> None:
        """One line, unless there were too many of its kind this second."""
        if level == "debug" and not self._debug:
            return
        second = self._now_ns() // SECOND
        if second != self._second:
            left_out = {key: count - LOG_LINES_PER_S for key, count in self._counts.items() if count > LOG_LINES_PER_S}
            self._second, self._counts = second, {}
            for (name, connection), count in left_out.items():
                self._put("warning", "log.left_out", of=name, connection=connection, lines=count)
        key = (event, str(fields.get("connection", "")))
        self._counts[key] = self._counts.get(key, 0) + 1
        if self._counts[key] <= LOG_LINES_PER_S:
            self._put(level, event, **fields)

    def _put(self, level: Level, event: str, **fields: Any) -> None:
        try:
            if self._lost:
                self._log.warning("log.lost", lines=self._lost)
                self._lost = 0
            getattr(self._log, level)(event, **fields)
        except OSError:
            self._lost += 1

    def _stamp(self, logger: object, method: str, fields: MutableMapping[str, Any]) -> Mapping[str, Any]:
        now_ns = self._now_ns()
        return {"time": utc(now_ns), "time_ns": now_ns, **fields}
