"""A sample of `make crash`: every so many borders of each scenario, each level in turn, and a second death here and there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.crash.killed import ENVIRONMENT, GATEWAY, killed

ROOT = Path(__file__).parents[2]
BUILT = ROOT / "build" / "crash" / "gateway" / "lane" / "_lane.abi3.so"


@pytest.mark.parametrize(("level", "stride", "second"), [("async", 29, 0), ("group", 31, 0), ("sync", 37, 0), ("async", 41, 307)])
def test_nothing_is_lost_and_nothing_sent_twice(level: str, stride: int, second: int) -> None:
    assert BUILT.exists(), f"{BUILT} is not built; run `make build-crash`"
    run = subprocess.run(
        [sys.executable, "-m", "tests.crash", "--level", level, "--stride", str(stride), "--second", str(second), "--cuts", "1", "--kills", "0"],
        cwd=ROOT, env={**os.environ, "PORTCULLIS_BUILD": "crash"}, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert run.returncode == 0 and run.stdout.endswith(": 0 lost, 0 twice\n"), run.stdout + run.stderr


async def test_ten_sigkills_of_a_real_gateway(tmp_path: Path) -> None:
    said, faults = await killed(tmp_path, 10, 1)
    assert not faults, f"{said}:\n" + "\n".join(faults)


def run(file: Path) -> subprocess.CompletedProcess[str]:
    """A gateway that is expected to refuse to start."""
    return subprocess.run([GATEWAY, "run", str(file)], env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=False)


async def test_damage_in_the_middle_of_the_journal_is_refused_with_its_place(tmp_path: Path) -> None:
    _, faults = await killed(tmp_path, 1, 2)
    assert not faults
    file = tmp_path / "killed.toml"
    segment = min((tmp_path / "state" / "journal").glob("0*.seg"))
    whole = segment.read_bytes()
    segment.write_bytes(whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:])
    refused = run(file)
    assert refused.returncode == 1 and segment.name in refused.stderr and "offset" in refused.stderr, refused
