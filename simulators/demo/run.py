"""Starts venues and gateway, lets the strategy trade, ends everything, and compares what was counted (SEAM R12, D9)."""

import base64
import contextlib
import json
import os
import re
import secrets
import signal
import string
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from types import FrameType
from typing import Any

from gateway.admin import AdminError, PositionsResult, PositionsWanted, Status, StatusResult
from gateway.client import Client, ConnectionLost
from gateway.config import load
from gateway.errors import ConfigError
from gateway.instruments import Instruments
from gateway.journal.errors import StateInUse
from gateway.journal.journal import begin_anew, ring_path
from gateway.journal.lock import lock_state
from gateway.native import ROOT
from gateway.tools.ask import NotRunning, ask
from simulators.demo.processes import Child, ChildFailed
from simulators.demo.strategy import Strategy, Tally, fat_fingers
from simulators.demo.table import GatewaySays, VenuesSay, closing_table, differences
from simulators.flow import Intent, generate, recorded

CONFIG = ROOT / "examples" / "local.toml"
READY_S = 30.0
RECORDED_MAX = 20_000  # messages of a recorded stream that are sent: half a minute of the demo's two
RECORDED_ROW = ("AAPL", "nasdaq")
# A recorded stream's prices stray from their median as they did; the collar is to let through what is not absurd.
RECORDED_LIMITS = ("limits.firm.collar_bps=10_000",)
VENUES = ("nasdaq", "generic_fix44")
LISTENS = re.compile(r"(\w+) on [\d.]+:(\d+), ")  # what `simulator run` says of each venue
SESSION_OF = {"nasdaq": "nasdaq", "generic_fix44": "nyfix"}


def main(*, seed: int, count: int, orders: Path | None, serve: bool) -> int:
    """Exit code: 0 if all is well (for --serve: it was ended by a signal), 1 with the reason on stderr."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        return _serve() if serve else run_demo(seed, count, orders)
    except OSError as error:
        print(f"gateway demo: {f'{error.filename}: {error.strerror}' if error.filename else error}", file=sys.stderr)
        return 1
    except (ChildFailed, ConnectionLost, ConfigError, ValueError, StateInUse, NotRunning, AdminError) as error:
        print(f"gateway demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0 if serve else 130
    finally:
        signal.signal(signal.SIGTERM, before)


class Screen:
    """Live progress on a terminal, a plain line a second in a pipe."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._tty = sys.stdout.isatty()
        self._next = 0.0 if self._tty else time.monotonic() + 1.0

    def progress(self, tally: Tally) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + (0.1 if self._tty else 1.0)
        sent = tally.news + tally.cancels + tally.replaces
        text = f"{sent} sent of at most {self._total}: {tally.acks} acks, {tally.fills} fills, {tally.canceled} canceled, {tally.denied_orders} denied"
        print(f"\r{text}\033[K" if self._tty else text, end="" if self._tty else "\n", flush=True)

    def end(self) -> None:
        if self._tty:
            print("\r\033[K", end="", flush=True)


def run_demo(seed: int, count: int, orders: Path | None) -> int:
    """The whole demo in a temporary state_dir; returns the exit code."""
    _, instruments = load(CONFIG)
    intents, what, total = _intents(seed, count, orders, instruments)
    print(what, flush=True)
    with tempfile.TemporaryDirectory(prefix="portcullis-") as name, contextlib.ExitStack() as children:
        folder = Path(name)
        # A gateway that had to be killed leaves its ring in shared memory; with its folder it is of no use to anybody.
        children.callback(ring_path(folder / "state").unlink, missing_ok=True)
        venues, ports = _start_venues(children, folder, [0, 0])
        gateway = _start_gateway(children, folder, [*_overrides(folder, ports), *(RECORDED_LIMITS if orders else ())])
        status = _asked(folder / "state", Status(), StatusResult)
        print(f"venues {', '.join(f'{venue} on port {port}' for venue, port in ports.items())}; gateway pid {status.pid}, strategies on {status.doors['api']}")
        screen = Screen(total)
        with Client.connect(status.doors["api"], key_file=folder / "demo.key") as client:
            tally = Strategy(client).run(intents, screen.progress)
        screen.end()
        says = _counted(folder / "state")
        wrong = [f"the gateway ended with exit code {code}" for code in [gateway.stop()] if code]
        wrong += [f"the simulated venues ended with exit code {code}" for code in [venues.stop()] if code]
        say = VenuesSay.of([json.loads(line) for line in venues.lines if line.startswith("{")])
    wrong = differences(tally, says, say) + wrong
    print("\n" + closing_table(tally, says, say) + "\n")
    for line in wrong:
        print(f"differs: {line}", file=sys.stderr)
    print("strategy, gateway and venues agree" if not wrong else "NOT equal: see above")
    print("\nType next:\n" + "\n".join(f"  {line}" for line in _next_lines()), flush=True)
    return 1 if wrong else 0


def _serve() -> int:
    """Venues and gateway on the ports of examples/local.toml, until a signal. The latch stays; the journal begins anew, as the venues do."""
    config, _ = load(CONFIG)
    state = config.state_dir
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    held = lock_state(state)
    try:
        begin_anew(state)
    finally:
        os.close(held)
    if not (state / "soup.key").exists():
        _write_secret(state / "soup.key", _password())
    with contextlib.ExitStack() as children:
        ports = {session.venue: session.port for session in config.sessions.values()}
        venues, _ = _start_venues(children, state, [ports[venue] for venue in VENUES])
        gateway = _start_gateway(children, state, [])
        print("\n".join(["", "Type next, in another terminal:", *(f"  {line}" for line in _next_lines(serving=True)), "Ctrl-C here stops it.", ""]))
        print("ready", flush=True)
        while True:
            for child in (gateway, venues):
                if told := child.ended():
                    raise ChildFailed(told)
            time.sleep(0.2)


def _intents(seed: int, count: int, orders: Path | None, instruments: Instruments) -> tuple[Iterable[Intent], str, int]:
    """What the strategy sends, a line that says so, and how much it is at most."""
    if orders is None:
        rows = [row for row in instruments.rows if row.ref_px is not None and row.venue == row.default_route]
        return fat_fingers(generate(seed, count, rows)), f"{count} messages of seed {seed}, {len(rows)} symbols, venues {' and '.join(VENUES)}", count
    row = instruments.find(*RECORDED_ROW)
    assert row is not None, f"{RECORDED_ROW} stands in the instrument file of the examples"
    all_of = list(islice(recorded(orders, row), RECORDED_MAX + 1))
    sent = min(len(all_of), RECORDED_MAX)
    cut = f", only the first {RECORDED_MAX}" if len(all_of) > RECORDED_MAX else ""
    what = f"{sent} messages of {orders}{cut}, as orders for {row.symbol} at {row.venue}; with {', '.join(RECORDED_LIMITS)}"
    return islice(all_of, RECORDED_MAX), what, sent


def _start_venues(children: contextlib.ExitStack, folder: Path, ports: list[int]) -> tuple[Child, dict[str, int]]:
    """The simulated venues, ready; and the port of each."""
    argv = _python("simulators.cli", "run", *VENUES, *(word for port in ports for word in ("--port", str(port))))
    child = children.enter_context(Child("simulator", argv, folder / "simulator.log"))
    child.wait_for(lambda line: line == "ready", READY_S)
    found = (LISTENS.match(line) for line in child.lines)
    return child, {match[1]: int(match[2]) for match in found if match}


def _start_gateway(children: contextlib.ExitStack, folder: Path, overrides: list[str]) -> Child:
    sets = [word for override in overrides for word in ("--set", override)]
    child = children.enter_context(Child("gateway", _python("gateway.cli", "run", str(CONFIG), "--ready", "open", *sets), folder / "gateway.log"))
    child.wait_for(lambda line: line == "ready", READY_S)
    return child


def _overrides(folder: Path, ports: dict[str, int]) -> list[str]:
    """examples/local.toml in a folder of its own, on free ports, with secrets of its own."""
    (folder / "state").mkdir(mode=0o700)
    _write_secret(folder / "soup.key", _password())
    _write_secret(folder / "demo.key", "DEMO:" + base64.b64encode(secrets.token_bytes(32)).decode())
    return [
        f"state_dir={folder / 'state'}",
        f"strategies.DEMO.key_file={folder / 'demo.key'}",
        f"sessions.nasdaq.password=file:{folder / 'soup.key'}",
        *(f"sessions.{SESSION_OF[venue]}.port={port}" for venue, port in ports.items()),
        "doors.api.port=0",
        "doors.fix.port=0",
    ]


def _counted(state_dir: Path) -> GatewaySays:
    positions: Counter[str] = Counter()
    for position in _asked(state_dir, PositionsWanted(), PositionsResult).positions:
        positions[position.symbol] += int(position.qty)
    return GatewaySays(_asked(state_dir, Status(), StatusResult).counts, {symbol: quantity for symbol, quantity in positions.items() if quantity})


def _asked(state_dir: Path, question: Any, kind: type[Any]) -> Any:
    answer = ask(state_dir, question)
    assert isinstance(answer, kind), f"the answer to {question} is {answer}"
    return answer


def _python(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", f"import sys; from {module} import main; sys.exit(main())", *arguments]


def _password() -> str:
    """What SoupBinTCP has room for: ten letters and digits."""
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(10))


def _write_secret(path: Path, text: str) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text + "\n")


def _next_lines(*, serving: bool = False) -> list[str]:
    """Three lines that a user types next, as they work in this folder."""
    bin_folder = os.path.relpath(Path(sys.executable).parent)
    lines = (
        (f"{bin_folder}/gateway status", "what it does") if serving else (f"{bin_folder}/gateway demo --serve", "leave it running"),
        (f"{bin_folder}/python examples/first_order.py", "the first order, in ten lines"),
        (f'{bin_folder}/killswitch engage --yes --reason "looking"', "drop the gate"),
    )
    width = max(len(command) for command, _ in lines)
    return [f"{command.ljust(width)}  # {what}" for command, what in lines]
