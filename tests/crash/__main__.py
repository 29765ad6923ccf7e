"""`make crash`: every border of every scenario at every level, and what came of it; the last line is `0 lost, 0 twice`, or this ends with 1."""

import argparse
import re
import sys

from tests.crash.explore import Budget, Tally, explore
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


def main() -> int:
    arguments = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    arguments.add_argument("--only", default="", help="part of a scenario's name")
    arguments.add_argument("--level", action="append", choices=LEVELS)
    arguments.add_argument("--stride", type=int, default=1)
    arguments.add_argument("--second", type=int, default=23)
    arguments.add_argument("--cuts", type=int, default=3)
    given = arguments.parse_args()
    budget = Budget(given.stride, given.second, given.cuts)
    total = Tally()
    for scenario in SCENARIOS:
        if given.only not in scenario.name:
            continue
        for level in given.level or LEVELS:
            tally, seconds = explore(scenario, level, budget)
            total.add(tally)
            outcomes = ", ".join(f"{count} {what}" for what, count in sorted(tally.outcomes.items()))
            print(f"{scenario.name}, {level}: {tally.borders} borders, {tally.kills} kills, {tally.cuts} power cuts, {seconds:.1f} s; {outcomes}", flush=True)
            show(tally)
    lost = sum("twice" not in fault and "means" not in fault for _, fault in total.faults)
    twice = len(total.faults) - lost
    print(f"{total.borders} borders, {total.kills} kills and {total.cuts} power cuts, {total.second} of them second deaths, {total.runs} runs")
    print(f"{lost} lost, {twice} twice")
    return int(bool(total.faults))


if __name__ == "__main__":
    sys.exit(main())
