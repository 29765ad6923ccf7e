"""What the core has said since it was last asked: batches of commands and wishes, each in order; and what was pushed and not yet acknowledged."""

from typing import Literal

from gateway.control.inputs import Say, Wish
from gateway.lane.commands import Batch, Part


class Outbox:
    """Filled by every part of the core, emptied by `take_batches` and `take_wishes`."""

    def __init__(self) -> None:
        self._next_id = 1
        self._pushed: dict[int, tuple[tuple[Part, ...], int | None]] = {}
        self._batches: list[Batch] = []
        self._wishes: list[Wish] = []

    def push(self, cause_lsn: int, now_ns: int, parts: list[Part], request: int | None = None) -> None:
        """One batch, unless it is empty. `cause_lsn`: the record it answers, 0 = time or a person; `request`: of the operator who waits for it."""
        if parts:
            batch = Batch(self._next_id, cause_lsn, now_ns, tuple(parts))
            self._next_id += 1
            self._pushed[batch.id] = (batch.parts, request)
            self._batches.append(batch)

    def acknowledged(self, id: int) -> tuple[tuple[Part, ...], int | None]:
        """The parts of a batch, and the request that waits for it; asked once."""
        return self._pushed.pop(id)

    def wish(self, wish: Wish) -> None:
        self._wishes.append(wish)

    def say(self, level: Literal["debug", "info", "warning", "error"], event: str, **fields: str | int) -> None:
        """Wish for a line of log."""
        self._wishes.append(Say(level, event, fields))

    def take_batches(self) -> list[Batch]:
        batches, self._batches = self._batches, []
        return batches

    def take_wishes(self) -> list[Wish]:
        wishes, self._wishes = self._wishes, []
        return wishes
