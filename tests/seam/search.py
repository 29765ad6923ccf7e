"""Breadth-first search over a model's states: every state there is, and the shortest trace to the first broken invariant."""

from collections import deque
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

S = TypeVar("S", bound=Hashable)
Move = tuple[str, Callable[[S], S]]


class Broken(Exception):
    """An invariant does not hold; str() says which."""


@dataclass(frozen=True)
class Result(Generic[S]):
    """broken: what was broken, "" = nothing; trace: the shortest way there. whole: every state was seen."""

    states: int
    moves: int
    broken: str
    trace: tuple[str, ...]
    whole: bool


def search(start: S, moves: Callable[[S], Iterable[Move[S]]], at_rest: Callable[[S], None], most: int) -> Result[S]:
    """`moves`: what can happen in a state; those whose name begins with "!" are the surroundings', the others must come to an end, and
    where none of these is left `at_rest` raises Broken if that is no state to rest in. Gives up behind `most` states."""
    came: dict[S, tuple[S, str] | None] = {start: None}
    queue = deque([start])
    count = 0

    def trace(state: S, last: str) -> tuple[str, ...]:
        names = [last]
        while (before := came[state]) is not None:
            state, name = before
            names.append(name)
        return tuple(reversed(names))

    while queue:
        state = queue.popleft()
        busy = False
        name = "(looking)"
        try:
            for name, move in moves(state):
                busy = busy or not name.startswith("!")
                count += 1
                after = move(state)
                if after not in came:
                    came[after] = (state, name)
                    queue.append(after)
            name = "(nothing more can happen)"
            if not busy:
                at_rest(state)
        except Broken as broken:
            return Result(len(came), count, str(broken), trace(state, name), False)
        if len(came) > most:
            return Result(len(came), count, "", (), False)
    return Result(len(came), count, "", (), True)
