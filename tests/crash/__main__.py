"""`make crash`: every border of every scenario at every level, and what came of it; the last line has the counts and ends with `0 lost, 0 twice`, or this ends with 1."""

import argparse
import multiprocessing
import os
import re
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path

import trio

from tests.crash.explore import Budget, Explorer, Tally, explore, repeated
from tests.crash.killed import killed
from tests.crash.scenarios import SCENARIOS

LEVELS = ("async", "group", "sync")
SHOWN = 12  # kinds of faults of one scenario


def show(tally: Tally) -> None:
    """Each kind of fault once, with the first way to it."""
    kinds: dict[str, list[tuple[tuple[str, ...], str]]] = {}
    for path, fault in tally.faults:
        kinds.setdefault(re.sub(r"\d+", "N", fault), []).append((path, fault))
    for cases in list(kinds.values())[:SHOWN]:
        path, fault = min(cases, key=lambda case: len(case[0]))
        print(f"  {len(cases)} times: {fault}\n    first: {' → '.join(path) or 'without a death'}", flush=True)
    if len(kinds) > SHOWN:
        print(f"  and {len(kinds) - SHOWN} kinds more")


def killed_for_real(kills: int, seed: int) -> list[str]:
    """SIGKILLs of a real gateway; what does not agree."""
    with tempfile.TemporaryDirectory() as folder:
        said, faults = trio.run(killed, Path(folder), kills, seed)
    print(f"real processes, seed {seed}: {said}", flush=True)
    for fault in faults[:SHOWN]:
        print(f"  {fault}", flush=True)
    return faults


def main() -> int:
    arguments = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    arguments.add_argument("--only", default="", help="part of a scenario's name")
    arguments.add_argument("--level", action="append", choices=LEVELS)
    arguments.add_argument("--stride", type=int, default=1, help="of the borders of a scenario every so many")
    arguments.add_argument("--second", type=int, default=197, help="of the borders of a recovery every so many; 0: no second deaths")
    arguments.add_argument("--cuts", type=int, default=1, help="power cuts between the least and the most that can be lost")
    arguments.add_argument("--kills", type=int, default=100, help="SIGKILLs of a real gateway")
    arguments.add_argument("--seed", type=int, default=1, help="of the SIGKILLs")
    arguments.add_argument("--repeat", default="", help="of each scenario and level only this run: border:kill|records:arrives,… as a fault names it")
    given = arguments.parse_args()
    budget = Budget(given.stride, given.second, given.cuts)
    wanted = [(number, level) for number, scenario in enumerate(SCENARIOS) if given.only in scenario.name for level in given.level or LEVELS]
    if given.repeat:
        runs = [Explorer(SCENARIOS[number], level, budget, repeated(given.repeat)).run() for number, level in wanted]
        for tally in runs:
            show(tally)
        return int(any(tally.faults for tally in runs))
    total = Tally()
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("fork")) as pool:
        for (number, level), (tally, seconds) in zip(wanted, pool.map(explore, *zip(*wanted, strict=True), repeat(budget)), strict=True):
            total.add(tally)
            outcomes = ", ".join(f"{count} {what}" for what, count in sorted(tally.outcomes.items()))
            name = SCENARIOS[number].name
            print(f"{name}, {level}: {tally.borders} borders, {tally.kills} kills, {tally.cuts} power cuts, {seconds:.1f} s; {outcomes}", flush=True)
            show(tally)
    faults = [fault for _, fault in total.faults] + (killed_for_real(given.kills, given.seed) if given.kills else [])
    twice = sum("twice" in fault or "means" in fault for fault in faults)
    print(f"{total.borders} borders, {total.kills} kills and {total.cuts} power cuts, {total.second} of them second deaths, {total.runs} runs; "
          f"{given.kills} SIGKILLs of a real gateway: {len(faults) - twice} lost, {twice} twice")  # fmt: skip
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
