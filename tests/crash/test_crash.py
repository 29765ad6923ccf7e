"""A sample of `make crash`: every so many borders of each scenario, each level in turn, and a second death here and there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUILT = ROOT / "build" / "crash" / "gateway" / "lane" / "_lane.abi3.so"


@pytest.mark.parametrize(("level", "stride", "second"), [("async", 29, 0), ("group", 31, 0), ("sync", 37, 0), ("async", 61, 47)])
def test_nothing_is_lost_and_nothing_sent_twice(level: str, stride: int, second: int) -> None:
    assert BUILT.exists(), f"{BUILT} is not built; run `make build-crash`"
    run = subprocess.run(
        [sys.executable, "-m", "tests.crash", "--level", level, "--stride", str(stride), "--second", str(second), "--cuts", "1"],
        cwd=ROOT, env={**os.environ, "PORTCULLIS_BUILD": "crash"}, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert run.returncode == 0 and run.stdout.endswith("\n0 lost, 0 twice\n"), run.stdout + run.stderr
