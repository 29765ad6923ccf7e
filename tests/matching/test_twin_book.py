"""The twin's sorted keys against a plain sorted list."""

import random

import pytest

from simulators.matching.twin_book import SortedKeys


def test_keys_are_those_of_a_sorted_list(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SortedKeys, "RUN", 3)  # so that runs split, empty and vanish all the time
    rng, keys, plain = random.Random(seed), SortedKeys(), set[int]()
    for _ in range(500):
        key = rng.randrange(60)
        if key in plain:
            keys.remove(key)
            plain.discard(key)
        else:
            keys.add(key)
            plain.add(key)
        asked = rng.randrange(-1, 61)
        assert keys.first() == min(plain, default=None)
        assert keys.after(asked) == min((other for other in plain if other > asked), default=None)
