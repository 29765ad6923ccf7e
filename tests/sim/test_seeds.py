"""The whole order path under seeded faults; a failed seed says how to run it again, and what had been done."""

from pathlib import Path

from tests.sim.world import Sim


def test_nothing_is_lost_and_nothing_happens_twice(tmp_path: Path, seed: int) -> None:
    Sim(tmp_path, seed).play()
