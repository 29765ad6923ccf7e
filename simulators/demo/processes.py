"""Processes that the demo starts and surely ends: one that is ready when it says so, and none that outlives its parent."""

import ctypes
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

LOG_LINES_SHOWN = 15
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


class ChildFailed(Exception):
    """A process ended or was not ready in time; str() has the last lines of its log."""


def _die_with_parent() -> None:
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Child:
    """One process: its stdout line by line, its stderr in `log`. Use it in a `with`; it is ended by its pid, with deadlines."""

    def __init__(self, name: str, argv: Sequence[str], log: Path, stop_s: float = 15.0) -> None:
        self.name = name
        self.lines: list[str] = []
        self._log = log
        self._stop_s = stop_s
        self._queue: queue.Queue[str | None] = queue.Queue()
        with log.open("wb") as errors:
            # A session of its own: Ctrl-C reaches the demo alone, which ends its children in order.
            self.process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True, preexec_fn=_die_with_parent
            )
        self._reader = threading.Thread(target=self._read, name=f"{name}-stdout", daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        return self.process.pid

    def wait_for(self, right: Callable[[str], bool], timeout_s: float) -> str:
        """The first line of stdout from now on for which `right` holds. Raises: ChildFailed."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                line = self._queue.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise ChildFailed(f"{self.name} (pid {self.pid}) was not ready within {timeout_s:g} s{self._told()}") from None
            if line is None:
                raise ChildFailed(f"{self.name} ended with exit code {self.process.wait()} before it was ready{self._told()}")
            if right(line):
                return line

    def ended(self) -> str:
        """What to tell if the process is gone, "" while it runs."""
        code = self.process.poll()
        return "" if code is None else f"{self.name} ended with exit code {code}{self._told()}"

    def stop(self) -> int:
        """SIGTERM, and SIGKILL when that does not do within the time; the exit code (negative: the signal that ended it)."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(self._stop_s)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._reader.join()
        if self.process.stdout is not None:
            self.process.stdout.close()
        return self.process.returncode

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            self._queue.put(self.lines[-1])
        self._queue.put(None)

    def _told(self) -> str:
        last = self._log.read_text(errors="replace").splitlines()[-LOG_LINES_SHOWN:]
        return "".join(f"\n  {line}" for line in last)
