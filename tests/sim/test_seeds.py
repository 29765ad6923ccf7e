"""The whole order path under seeded faults; a failed seed says how to run it again, and what had been done."""

import shutil
from collections import Counter
from pathlib import Path

from tests.sim.world import Sim

WORDS = ("cut", "half open", "stuck", "engage", "control hangs", "orders.in_doubt", "session.gap", "venue asks", "venue repeats", "report.exec_id_reused")


def test_nothing_is_lost_and_nothing_happens_twice(tmp_path: Path, seed: int) -> None:
    Sim(tmp_path, seed).play()


def test_the_runs_are_wild_enough_to_prove_something(tmp_path: Path) -> None:
    seen: Counter[str] = Counter()
    for seed in range(8):
        folder = tmp_path / str(seed)
        folder.mkdir()
        sim = Sim(folder, seed)
        sim.play()
        counts = sim.lane.counts()
        seen += Counter({"orders": counts.orders, "denied": counts.denied, "fills": counts.fills, "cancels": counts.cancels})
        seen += Counter(word for line in sim.log for word in WORDS if f" {word}" in line)
    least = {"orders": 200, "denied": 10, "fills": 50, "cancels": 50, "cut": 10, "half open": 2, "stuck": 10, "engage": 3, "control hangs": 2,
             "orders.in_doubt": 3, "session.gap": 10, "venue asks": 3, "venue repeats": 3, "report.exec_id_reused": 10}  # fmt: skip
    assert not {word: seen[word] for word, count in least.items() if seen[word] < count}, seen


def test_the_same_seed_is_the_same_run(tmp_path: Path) -> None:
    hashes = []
    folder = tmp_path / "run"  # the same one: the configuration, which names it, is in the journal
    for _ in range(2):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        sim = Sim(folder, 5)
        sim.play()
        hashes.append((sim.lane.state_hash(), sim.lane.counts(), sim.log))
    assert hashes[0] == hashes[1]
