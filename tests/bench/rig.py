"""Start one gateway, drive it with the load generator once, and say what was measured and under what conditions."""

import json
import os
import resource
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.build import OUT

LOAD_CORE, GATEWAY_CORE = 0, 1
READY_WAIT_S = 10.0
STOP_WAIT_S = 10.0
HZ = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Row:
    """One line of the matrix: a gateway, or none (`direct`).

    command: with {port} (strategies connect there), {venue} (it connects there) and {state} (an empty folder of its own);
    it prints a line with `ready`, and after it the port if that is not {port}. Shapes: () for direct.
    """

    name: str
    command: tuple[str, ...] = ()
    beside: str = ""
    block: bool = False  # the load generator sleeps in poll(2): where its core is shared with a part of the gateway
    cores: frozenset[int] = frozenset({GATEWAY_CORE})
    nice: int = -10
    not_measured: str = ""  # why, if it cannot be


@dataclass(frozen=True, eq=False)
class Run:
    """One run of a row, itself and no other: the phases by name (`pingpong`, `burst`, `rate 2000` …), or why it is invalid."""

    row: str
    cache_line_ns: tuple[int, int] = (0, 0)  # its round trip between the two cores, before and after; 0: there is but one core
    others: float = 0.0  # processors that other programs used meanwhile
    phases: Mapping[str, Mapping[str, float]] | None = None
    invalid: str = ""


def on(cores: frozenset[int], nice: int, at_once: bool = False) -> Callable[[], None]:
    """What a child does before it begins: stay on these cores, and go before others where that is allowed; `at_once`: before all others."""

    def prepare() -> None:
        os.sched_setaffinity(0, cores & os.sched_getaffinity(0) or os.sched_getaffinity(0))
        if os.geteuid() == 0 and at_once:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        elif os.geteuid() == 0:
            os.setpriority(os.PRIO_PROCESS, 0, nice)

    return prepare


def cache_line_ns() -> int:
    """What a cache line costs between the two cores and back just now, in ns; 0 where there is but one core."""
    if not {LOAD_CORE, GATEWAY_CORE} <= os.sched_getaffinity(0):
        return 0
    command = [str(OUT / "placement"), str(LOAD_CORE), str(GATEWAY_CORE)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout)


def busy_s(pid: int | None) -> float:
    """CPU seconds that the machine has used, less those of our ended children and of `pid`."""
    ticks = [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    ours = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = (sum(ticks) - ticks[3] - ticks[4]) / HZ - ours.ru_utime - ours.ru_stime
    if pid is not None:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        used -= (int(words[11]) + int(words[12])) / HZ
    return used


class Gateway:
    """A started gateway. Its output goes to files in `folder`: a pipe that nobody reads would stop it one day."""

    def __init__(self, row: Row, port: int, venue: int, folder: Path) -> None:
        state = folder / "state"
        shutil.rmtree(state, ignore_errors=True)
        state.mkdir(parents=True)
        self.out, self.err = folder / "stdout", folder / "stderr"
        command = [word.format(port=port, venue=venue, state=state) for word in row.command]
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.process = subprocess.Popen(command, stdout=out, stderr=err, preexec_fn=on(row.cores, row.nice))
        self.port = port

    def wait_ready(self) -> str:
        """Wait for its `ready`; "" or what went wrong."""
        end = time.monotonic() + READY_WAIT_S
        while time.monotonic() < end:
            for line in self.out.read_text().splitlines(keepends=True):
                words = line.split()
                if line.endswith("\n") and "ready" in words:
                    after = words[words.index("ready") + 1 :]
                    self.port = int(after[0]) if after and after[0].isdigit() else self.port
                    return ""
            if self.process.poll() is not None:
                return f"the gateway ended with {self.process.returncode}: {self.last_words()}"
            time.sleep(0.005)
        return f"the gateway did not print ready in {READY_WAIT_S:.0f} s: {self.last_words()}"

    def last_words(self) -> str:
        return self.err.read_text(errors="replace")[-400:].strip() or "(nothing on stderr)"

    def stop(self) -> str:
        """SIGTERM; "" or what was wrong with its end."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(STOP_WAIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return f"the gateway did not end within {STOP_WAIT_S:.0f} s of SIGTERM"
        return ""


def load(phases: Sequence[str], venue: socket.socket, port: int | None, *options: str, timeout_s: float = 120) -> dict[str, Any]:
    """Run the load generator to its end; port None: straight to its own venue. What it says, with `invalid` if it is."""
    where = ["--direct"] if port is None else ["--port", str(port)]
    at_once = "--block" in options  # it shares its core with what it measures beside: what waits for that core is not to be measured
    done = subprocess.run(
        [OUT / "load", "--venue-fd", str(venue.fileno()), *where, *options, *phases],
        pass_fds=[venue.fileno()], capture_output=True, text=True, timeout=timeout_s, preexec_fn=on(frozenset({LOAD_CORE}), -10, at_once),
    )  # fmt: skip
    last = done.stdout.strip().splitlines()[-1:] or [""]
    try:
        answer: dict[str, Any] = json.loads(last[0])
    except ValueError:
        answer = {"invalid": f"the load generator ended with {done.returncode}: {done.stderr.strip()[-400:]}"}
    return answer | {"exit": done.returncode}


def run(row: Row, phases: Sequence[str], port: int, folder: Path, settle_ms: int = 150, patience_ms: int = 5000) -> Run:
    """Measure `row` once. port: for strategies; 0 where the gateway finds its own. Later phases of a name count, earlier warm up."""
    gateway, before = None, cache_line_ns()
    with socket.create_server(("127.0.0.1", port + 1 if port else 0)) as venue:
        try:
            options = ["--settle-ms", str(settle_ms), "--patience-ms", str(patience_ms), *(["--block"] if row.block else [])]
            if row.command:
                gateway = Gateway(row, port, venue.getsockname()[1], folder)
                if wrong := gateway.wait_ready():
                    return Run(row.name, invalid=wrong)
                options += ["--gateway", str(gateway.process.pid)]
            pid = gateway.process.pid if gateway else None
            used, start = busy_s(pid), time.monotonic()
            answer = load(phases, venue, gateway.port if gateway else None, *options)
            if "invalid" in answer:
                gone = f" (the gateway ended: {gateway.last_words()})" if gateway and gateway.process.poll() is not None else ""
                return Run(row.name, invalid=answer["invalid"] + gone)
            gone_too = gateway is not None and gateway.process.poll() is not None
            others = 0.0 if gone_too else max(0.0, busy_s(pid) - used) / (time.monotonic() - start)
        finally:
            wrong = gateway.stop() if gateway else ""
    by_name = {f"rate {p['parameter']}" if p["phase"] == "rate" else p["phase"]: p for p in answer["phases"]}
    return Run(row.name, (before, cache_line_ns()), others, by_name, wrong)
