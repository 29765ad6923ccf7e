"""What a peer asks for again is answered so that it can go on from the number it stands at (SEAM R5d, T1)."""

from pathlib import Path

import pytest

from gateway.sessions.actions import SECOND
from tests.lane.by_hand import opened, sent, take_over, venue_says


@pytest.mark.parametrize(
    ("requests", "fills"),
    [
        (((1, 0),), [(1, 6)]),
        (((1, 0), (4, 0)), [(1, 4), (4, 6)]),
        (((4, 0), (1, 0)), [(1, 4), (4, 6)]),
        (((1, 2), (4, 0), (4, 0)), [(1, 4), (4, 6)]),
        (((2, 0), (2, 0)), [(2, 6)]),
        (((9, 0),), []),
    ],
)
def test_a_request_behind_another_finds_a_gap_fill_that_begins_where_it_asks(
    tmp_path: Path, requests: tuple[tuple[int, int], ...], fills: list[tuple[int, int]]
) -> None:
    """A peer that stands at the second request's number takes a fill that begins below it for a repetition, and would wait for ever."""
    world, strategy = opened(tmp_path)
    take_over(world)
    while (number := world.lane.view(1).tx_next) < 6:
        strategy.say(f"35=D|11=A{number}|1=ACC|55=IBM|54=1|60=20251120-12:00:00|40=2|38=100|44=191.00|")
    world.lane.out(1)
    seq = world.lane.view(1).rx_next
    asked = (venue_says(world, seq + i, "2", f"7={first}|16={last}") for i, (first, last) in enumerate(requests))
    world.lane.feed(1, b"".join(asked))
    world.lane.step(world.now_ns + SECOND)
    messages = sent(world)
    assert [(int(m["34"]), int(m["36"])) for m in messages if m["35"] == "4"] == fills
    assert world.lane.view(1).tx_next == number + sum(m["35"] == "H" for m in messages)
