"""The whole house as a user meets it: the demo agrees, the first order is filled, the gate drops and opens, and nothing is left running."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.admin import Status, StatusResult
from gateway.journal.journal import ring_path
from gateway.tools.ask import ask
from simulators.demo.processes import Child
from simulators.demo.run import _overrides, _python, _start_venues

ROOT = Path(__file__).parent.parent


def typed(*argv: str, cwd: Path = ROOT, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, cwd=cwd, env={**os.environ, **environ}, capture_output=True, text=True, timeout=120, check=False)


def processes_of(marker: str) -> list[str]:
    """Command lines of running processes that name `marker`."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if marker in line:
                found.append(line)
    return found


def test_the_demo_agrees_and_leaves_nothing_running(tmp_path: Path) -> None:
    done = typed(*_python("gateway.cli", "demo", "--count", "400", "--seed", "5"), TMPDIR=str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "400 messages of seed 5, 12 symbols, venues nasdaq and generic_fix44"
    assert "strategy, gateway and venues agree" in lines
    assert [line.split("#")[1].strip() for line in lines[-3:]] == ["leave it running", "the first order, in ten lines", "drop the gate"]
    assert list(tmp_path.iterdir()) == [] and processes_of(str(tmp_path)) == []


def test_a_recorded_stream_agrees_too(outside: Path, tmp_path: Path) -> None:
    stream = min((outside / "matching" / "orders").glob("*.bin.xz"))
    done = typed(*_python("gateway.cli", "demo", "--orders", str(stream)), TMPDIR=str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr


@dataclass
class Served:
    """A running gateway: its address, the folder of its state and key, the configuration by which commands find it, its process."""

    address: str
    folder: Path
    config: str
    gateway: Child


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The gateway of examples/local.toml, on free ports."""
    folder = tmp_path_factory.mktemp("served")
    # The first order names its key as it stands in the repository.
    (folder / "examples").mkdir()
    with ExitStack() as children:
        _, ports = _start_venues(children, folder, [0, 0])
        overrides = [word for override in _overrides(folder, ports) for word in ("--set", override)]
        (folder / "demo.key").rename(folder / "examples" / "demo.key")
        overrides += ["--set", f"strategies.DEMO.key_file={folder / 'examples' / 'demo.key'}"]
        argv = _python("gateway.cli", "run", str(ROOT / "examples" / "local.toml"), "--ready", "open", *overrides)
        gateway = children.enter_context(Child("gateway", argv, folder / "gateway.log"))
        gateway.wait_for(lambda line: line == "ready", 60)
        # Commands find a gateway by its configuration; this one's differs from the example's by where its state is.
        config = folder / "portcullis.toml"
        text = (ROOT / "examples" / "local.toml").read_text()
        config.write_text(re.sub(r'(?m)^state_dir = .*$', f'state_dir = "{folder / "state"}"', text))
        status = ask(folder / "state", Status())
        assert isinstance(status, StatusResult)
        yield Served(status.doors["api"], folder, str(config), gateway)
    ring_path(folder / "state").unlink(missing_ok=True)


def first_order(served: Served) -> str:
    done = typed(sys.executable, str(ROOT / "examples" / "first_order.py"), cwd=served.folder, PORTCULLIS_ADDR=served.address)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_first_order_is_filled(served: Served) -> None:
    assert first_order(served).splitlines() == ["NEW 100 @ 187.25 nasdaq", "FILLED 100 @ 187.25 nasdaq"]


def test_the_gate_drops_and_opens(served: Served) -> None:
    config = served.config
    engage = typed(*_python("risk.killswitch", "engage", "--yes", "--reason", "a test", "--config", config))
    assert engage.returncode == 0, engage.stdout + engage.stderr
    assert first_order(served) == "DENIED the kill switch is engaged for a scope of this order\n"
    assert typed(*_python("risk.killswitch", "status", "--config", config)).stdout.startswith("DROPPED: firm, ")
    rearm = typed(*_python("risk.killswitch", "rearm", "--yes", "--reason", "seen", "--config", config))
    assert rearm.returncode == 0, rearm.stdout + rearm.stderr
    assert typed(*_python("risk.killswitch", "status", "--config", config)).stdout.startswith("OPEN")
    assert first_order(served).splitlines()[-1] == "FILLED 100 @ 187.25 nasdaq"


def test_an_operator_sees_it(served: Served) -> None:
    config = served.config
    first_order(served)
    status = typed(*_python("gateway.cli", "status", "--config", config))
    assert status.returncode == 0 and re.search(r"^local: pid \d+, running, ready, up ", status.stdout), status
    positions = typed(*_python("gateway.cli", "positions", "--config", config))
    assert re.search(r"^DEMO +AAPL +\d+00 ", positions.stdout, re.M), positions
    limits = typed(*_python("gateway.cli", "limits", "set", "account.DEMO.order_qty=50", "--reason", "a test", "--config", config))
    assert re.fullmatch(r"set: version \d+ holds from record \d+ of the journal\n", limits.stdout), limits
    assert first_order(served) == "DENIED order_qty 100 > 50 (account DEMO)\n"
    limits = typed(*_python("gateway.cli", "limits", "set", "account.DEMO.order_qty=", "--reason", "over", "--config", config))
    assert limits.returncode == 0, limits
    assert first_order(served).splitlines()[-1] == "FILLED 100 @ 187.25 nasdaq"


def test_it_ends_in_order_and_replays_byte_for_byte(served: Served) -> None:
    first_order(served)
    assert served.gateway.stop() == 0
    replay = typed(*_python("gateway.cli", "replay", str(served.folder / "state")))
    assert (replay.returncode, replay.stderr) == (0, "") and re.fullmatch(r"\d+ records, all the same\n", replay.stdout), replay
    asked = typed(*_python("gateway.cli", "status", "--config", served.config))
    assert asked.returncode == 3 and "no gateway is running" in asked.stderr
