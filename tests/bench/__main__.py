"""`python -m tests.bench`: run the matrix in interleaved rounds and print its table. Exit 1 if a run was invalid."""

import argparse
import dataclasses
import json
import os
import shlex
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.bench import figures, micro, outside
from tests.bench.build import OUT, ROOT, build
from tests.bench.rig import LOAD_CORE, Row, Run, cache_line_ns, run

CONFIG = ROOT / "examples" / "bench.toml"
COMMAND = "{bin}/gateway run {config} --set doors.fix.port={{port}} --set sessions.rig.port={{venue}} --set state_dir={{state}}"
SPARSE_RATE = 2000  # an order every 500 us: longer than the default driver spins, so every hop finds it asleep


def gateway_command(given: str | None) -> tuple[tuple[str, ...], str]:
    """The command of the gateway, and "" or why it cannot be measured."""
    if given:
        return tuple(shlex.split(given)), ""
    program = Path(sys.executable).parent / "gateway"
    missing = next((f"{what.relative_to(ROOT)} is absent" for what in (program, CONFIG) if not what.exists()), "")
    if not missing and not (ROOT / "gateway" / "app.py").exists():
        missing = "gateway/app.py is absent"
    words = COMMAND.format(bin=program.parent, config=CONFIG)
    return tuple(words.split()), f"gateway not built ({missing})" if missing else ""


def matrix(given: str | None, cores: frozenset[int]) -> list[Row]:
    """The rows, each beside the one that its ratios are formed with."""
    gateway, missing = gateway_command(given)
    relay = str(OUT / "relay")
    both = cores | {LOAD_CORE}
    busy = ("--set", "lane.spin_us=inf", "--set", "lane.core=1")
    # The whole gateway on both cores, its control plane on the load generator's, with and without a task that computes there.
    # The lane has core 1 alone, and the load generator sleeps, or it would starve the control plane instead.
    control = (sys.executable, "-m", "tests.bench.hog", "--core", str(LOAD_CORE))
    wrapped = missing or ("the gateway is another program" if given else "")
    return [
        Row("direct"),
        Row("relay busy", (relay, "busy", "{port}", "{venue}"), "direct"),
        Row("relay blocking", (relay, "block", "{port}", "{venue}"), "direct"),
        Row("gateway busy", gateway + (() if given else busy), "relay busy", cores=cores, not_measured=missing),
        Row("gateway default", gateway + (() if given else ("--set", "lane.spin_us=50")), "relay blocking", cores=cores,
            not_measured=missing or ("the given command is the busy row" if given else "")),
        Row("gateway busy, idle control", (*control, "--", *gateway[1:], *busy), "relay busy", True, both, 0, wrapped),
        Row("gateway busy, computing task", (*control, "--compute", "--", *gateway[1:], *busy), "gateway busy, idle control", True, both, 0, wrapped),
    ]  # fmt: skip


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--gateway", metavar="COMMAND", help="another gateway, with {port}, {venue} and {state} in its command")
    parser.add_argument("--gateway-cores", default="1", metavar="N,N", help="where the gateway's threads may run (default 1)")
    parser.add_argument("--only", metavar="ROW,ROW", help="these rows of: " + ", ".join(row.name for row in matrix(None, frozenset())))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.4, help="length of a phase")
    parser.add_argument("--window", type=int, default=1000, help="orders in flight in the burst")
    parser.add_argument("--sustained-rate", type=int, default=50_000)
    parser.add_argument("--sustained-seconds", type=float, default=20.0, help="0: leave it out")
    parser.add_argument("--settle-ms", type=int, default=150, help="between the logons and the first order")
    parser.add_argument("--port", type=int, default=9101, help="strategies connect here; the venue is the next one")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every run there")
    parser.add_argument("--no-micro", action="store_true", help="leave the codecs out")
    parser.add_argument("--outside", action="store_true", help="drive the gateway with the outside rig instead (needs PORTCULLIS_OUTSIDE)")
    parser.add_argument("--outside-rows", default="direct,relay_fix_c,relay_fix_c_busy", help="rows of that rig beside ours")
    return parser.parse_args(argv)


def measure(rows: Sequence[Row], options: argparse.Namespace) -> list[Run]:
    """Every row once a round, so that a disturbance meets all of them; then the sustained load, once each."""
    seconds, sustained = options.seconds, f"rate:{options.sustained_seconds}:{options.sustained_rate}"
    warm_up = seconds * 0.15
    short = (f"pingpong:{warm_up}", f"pingpong:{seconds}", f"burst:{warm_up}:{options.window}", f"burst:{seconds}:{options.window}",
             f"rate:{seconds}:{SPARSE_RATE}")  # fmt: skip
    schedule: list[tuple[Row, tuple[str, ...]]] = [(row, short) for _ in range(options.rounds) for row in rows]
    schedule += [(row, (sustained,)) for row in rows if options.sustained_seconds]
    runs = []
    with tempfile.TemporaryDirectory(dir=OUT, prefix="run-") as folder:
        for row, phases in schedule:
            if row.not_measured:
                continue
            runs.append(run(row, phases, options.port, Path(folder), options.settle_ms))
            if runs[-1].invalid:
                print(f"{row.name}: INVALID: {runs[-1].invalid}", file=sys.stderr, flush=True)
    return runs


def main(argv: Sequence[str] | None = None) -> int:
    options = arguments(argv)
    build()
    cores = frozenset(int(core) for core in options.gateway_cores.split(","))
    if options.outside:
        return outside.main(*gateway_command(options.gateway), cores, options)
    rows = [row for row in matrix(options.gateway, cores) if not options.only or row.name in options.only.split(",")]
    if not cache_line_ns():
        print("the bench wants cores 0 and 1 for itself: with one, only ratios to the blocking relay mean anything")
    start = time.monotonic()
    runs = measure(rows, options)
    print(f"FIX 4.4 in, FIX 4.4 out over TCP loopback, every order filled; {options.rounds} rounds of {options.seconds} s a phase, "
          f"{os.cpu_count()} processors, {time.monotonic() - start:.0f} s")  # fmt: skip
    print(figures.table(rows, runs, figures.figures(SPARSE_RATE, options.sustained_rate)))
    if options.json:
        options.json.write_text(json.dumps([dataclasses.asdict(run) for run in runs], indent=1))
    if not options.no_micro:
        print(micro.table())
    return 1 if any(run.invalid for run in runs) else 0


if __name__ == "__main__":
    sys.exit(main())
