"""The models explored: clean with all rules, broken by the taking out of each one; the tables are the code's own."""

import os

import pytest

from tests.seam.outbound import RULES, Budget, Model
from tests.seam.search import search

MOST = 2_000_000
QUICK = {
    "a kill": Budget(kill=1),
    "a power cut": Budget(power=1),
    "a cut": Budget(cut=1, cancel=1),
    "the latch": Budget(engage=1, rearm=1, cancel=1),
    "a repeated request": Budget(cut=1, repeat=1),
    "a kill and a cancel": Budget(kill=1, cancel=1),
}
SLOW = {
    "two kills": Budget(kill=2),
    "a kill and a power cut": Budget(kill=1, power=1),
    "a power cut and a cancel": Budget(power=1, cancel=1),
    "a kill and a cut": Budget(kill=1, cut=1),
    "a cut and the latch": Budget(cut=1, engage=1, rearm=1),
    "a power cut and the latch": Budget(power=1, engage=1),
    "two power cuts": Budget(power=2),
    "a cut, the latch and a cancel": Budget(cut=1, engage=1, rearm=1, cancel=1),
    "a kill, a request and a cancel": Budget(kill=1, repeat=1, cancel=1),
}
ALL = os.environ.get("PORTCULLIS_TESTS") == "all"
SCENARIOS = QUICK | (SLOW if ALL else {})

# Rule → (level, what happens) where its absence shows soonest, and what it breaks.
NEEDED = {
    "R5 wait": ("group", Budget(power=1), "an order that left is not in the journal"),
    "R5b generation": ("async", Budget(engage=1, rearm=1), "an order that was accepted before the kill leaves behind its rearming"),
    "R5c stale": ("async", Budget(cut=1), "an order leaves on another connection than it was accepted for"),
    "R5c cancel": ("async", Budget(cut=1, cancel=1), "a cancel was lost"),
    "R5d fill": ("async", Budget(repeat=1), "released, but live at the venue"),
    "R5e mark": ("async", Budget(power=1), "number 1 means"),
    "R5e burn": ("async", Budget(power=1), "live at the venue, and nobody knows"),
    "R8 fence": ("async", Budget(kill=1), "released, but live at the venue"),
    "T8 doubt": ("async", Budget(power=1), "released, but live at the venue"),
    "T8 record": ("async", Budget(kill=1, power=1), "number 1 means"),
    "T8 adopt": ("async", Budget(power=1, cancel=1), "open for the lane, dead at the venue"),
}


@pytest.mark.more
@pytest.mark.parametrize("level", ["async", "group"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_no_trace_breaks_an_invariant(name: str, level: str) -> None:
    model = Model(level, SCENARIOS[name])
    found = search(model.start(), model.moves, model.at_rest, MOST)
    assert not found.broken, f"{found.broken}:\n" + "\n".join(found.trace)
    assert found.whole and found.states > 100, found


def test_every_rule_is_tried() -> None:
    assert NEEDED.keys() == RULES.keys()


@pytest.mark.parametrize("rule", NEEDED)
def test_each_rule_is_needed(rule: str) -> None:
    level, budget, what = NEEDED[rule]
    model = Model(level, budget, frozenset({rule}))
    found = search(model.start(), model.moves, model.at_rest, MOST)
    assert found.broken.startswith(what), f"without {rule} ({RULES[rule]}) nothing breaks, or something else does: {found}"
    whole = Model(level, budget)
    assert not search(whole.start(), whole.moves, whole.at_rest, MOST).broken
