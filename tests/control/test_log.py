"""The log: JSON lines that no peer can make many of, and that the gateway does not stop for."""

import io
import json
from typing import Any

import pytest

from gateway.control.inputs import Say
from gateway.control.log import Log
from gateway.limits import LOG_LINES_PER_S
from gateway.sessions.actions import SECOND


class Clock:
    now_ns = 1_795_200_000 * SECOND

    def __call__(self) -> int:
        return self.now_ns


class Disk(io.StringIO):
    """A stream that may be full."""

    full = False

    def write(self, text: str) -> int:
        if self.full:
            raise OSError("no space")
        return super().write(text)


def log_to(disk: Disk, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Log:
    with monkeypatch.context() as patched:
        patched.setattr("sys.stderr", disk)
        return Log("stderr", clock)


def lines(disk: Disk) -> list[dict[str, Any]]:
    return [json.loads(line) for line in disk.getvalue().splitlines()]


def test_a_line_is_json_with_its_time_event_and_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    disk, clock = Disk(), Clock()
    log = log_to(disk, clock, monkeypatch)
    log.say(Say("warning", "session.lost", {"connection": "sessions.nyfix", "reason": "SILENT"}))
    log.write("debug", "details")
    assert lines(disk) == [
        {"time": "2026-11-20T18:40:00Z", "time_ns": clock.now_ns, "event": "session.lost", "level": "warning", "connection": "sessions.nyfix", "reason": "SILENT"}
    ]


def test_of_one_event_and_connection_no_more_than_so_many_a_second_are_written_and_the_rest_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    disk, clock = Disk(), Clock()
    log = log_to(disk, clock, monkeypatch)
    for _ in range(LOG_LINES_PER_S + 25):
        log.write("warning", "garbled", connection="doors.fix")
    log.write("warning", "garbled", connection="doors.api")
    log.write("warning", "odd", connection="doors.fix")
    said = [(line["event"], line["connection"]) for line in lines(disk)]
    assert said == [("garbled", "doors.fix")] * LOG_LINES_PER_S + [("garbled", "doors.api"), ("odd", "doors.fix")]
    clock.now_ns += SECOND
    log.write("warning", "garbled", connection="doors.fix")
    left_out, again = lines(disk)[len(said) :]
    assert {key: left_out[key] for key in ("event", "of", "connection", "lines")} == {"event": "log.left_out", "of": "garbled", "connection": "doors.fix", "lines": 25}
    assert again["event"] == "garbled"


def test_a_line_that_cannot_be_written_is_counted_and_told_when_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk()
    log = log_to(disk, Clock(), monkeypatch)
    disk.full = True
    for number in range(3):
        log.write("info", f"lost {number}")
    disk.full = False
    log.write("info", "kept")
    assert [(line["event"], line.get("lines")) for line in lines(disk)] == [("log.lost", 3), ("kept", None)]
