"""What every session machine is: inputs classed to events, a table of moves, steps by name, one deadline.

A machine adds three things: how an input is classed (`_class_of`), how long each state waits (`_timeout_ns`), and its steps, methods
whose names the table uses (step "flow" is the method `_flow`). The table is built from rows; a cell is what is done and what follows.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Generic, NamedTuple, TypeVar

from gateway.sessions.actions import (
    NEVER,
    Action,
    Close,
    Closed,
    Done,
    Input,
    LocalProtocolError,
    LogoutWanted,
    Message,
    Reason,
    Rx,
    SetRx,
    SetTx,
    Tell,
    Told,
    Tx,
)

S = TypeVar("S", bound=StrEnum)
E = TypeVar("E", bound=StrEnum)


class Move(NamedTuple, Generic[S]):
    """One cell: the names of the steps, in order, and the state that follows."""

    steps: str
    then: S


# States, events, steps, the state that follows (None: the same).
Row = tuple[tuple[S, ...], tuple[E, ...], str, S | None]
Table = dict[S, dict[E, Move[S]]]


def build(name: str, states: Iterable[S], rows: Iterable[Row[S, E]], ignored: Iterable[tuple[tuple[S, ...], tuple[E, ...]]]) -> Table[S, E]:
    """The table of these rows and of what is taken without a word; states that the machine does not have are passed over.

    Raises: AssertionError where two rows give the same cell.
    """
    table: Table[S, E] = {state: {} for state in states}
    for in_states, events, steps, then in (*rows, *((*each, "", None) for each in ignored)):
        for state in in_states:
            for event in events if state in table else ():
                assert event not in table[state], f"the table of {name} has two cells for {state}, {event}"
                table[state][event] = Move(steps, state if then is None else then)
    return table


class Machine(ABC, Generic[S, E]):
    """One session over all its connections."""

    name: str
    timeout: E  # the event of a deadline that has come
    endings: Mapping[E | S, tuple[Reason, str]]  # what ends a session: reason and text; a timeout's is its state's

    def __init__(self, table: Table[S, E], down: S, close_timeout_ns: int) -> None:
        self.table = table
        self.state: S = down
        self.deadline_ns = NEVER
        self._close_timeout_ns = close_timeout_ns
        self._reason = Reason.PEER_CLOSED
        self._text = ""  # what the check of the current input found, for the peer and the owner
        self._what: Input | None = None  # None: a timeout
        self._event: E = self.timeout
        self._now_ns = 0

    def receive(self, what: Input, now_ns: int) -> list[Action]:
        """Take one message or fact; the answer ends in Done. Raises LocalProtocolError for what the table has no cell for."""
        self._text = ""
        return [*self._move(self._class_of(what), what, now_ns), Done()]

    def tick(self, now_ns: int) -> list[Action]:
        """What is due: nothing before deadline_ns."""
        if now_ns < self.deadline_ns:
            return []
        self._text = ""
        return self._move(self.timeout, None, now_ns)

    def _move(self, event: E, what: Input | None, now_ns: int) -> list[Action]:
        move = self.table[self.state].get(event)
        if move is None:
            raise LocalProtocolError(f"{self.name} in state {self.state}: {event} cannot happen here (input {what})")
        self._event, self._what, self._now_ns = event, what, now_ns
        actions = [action for step in move.steps.split() for action in getattr(self, "_" + step)()]
        if move.then != self.state:
            self.state = move.then
            self._wait()
        return actions

    def _wait(self) -> None:
        """Set the deadline of the state anew."""
        timeout_ns = self._timeout_ns()
        self.deadline_ns = NEVER if timeout_ns is None else self._now_ns + timeout_ns

    @abstractmethod
    def _class_of(self, what: Input) -> E:
        """The event of an input; may put what is wrong with it into _text."""

    @abstractmethod
    def _timeout_ns(self) -> int | None:
        """How long the present state waits; None: for ever."""

    # Steps that mean the same in every protocol.

    def _admin(self) -> Iterable[Action]:
        yield SetRx(Rx.ADMIN)
        yield SetTx(Tx.ADMIN)

    def _flow(self) -> Iterable[Action]:
        yield SetRx(Rx.FLOW)

    def _cancels(self) -> Iterable[Action]:
        yield SetTx(Tx.CANCELS)

    def _open(self) -> Iterable[Action]:
        yield SetTx(Tx.OPEN)
        yield Tell(Told.READY)

    def _quiet(self) -> Iterable[Action]:
        yield SetTx(Tx.ADMIN)

    def _lost(self) -> Iterable[Action]:
        self._reason, text = self._ending()
        yield Tell(Told.LOST, self._reason, self._text or self._peer_text() or text)

    def _close(self) -> Iterable[Action]:
        yield Close(self._reason, after_flush=True, deadline_ns=self._now_ns + self._close_timeout_ns)

    def _close_now(self) -> Iterable[Action]:
        yield Close(self._reason, after_flush=False, deadline_ns=self._now_ns)

    def _odd(self) -> Iterable[Action]:
        message = self._message()
        yield Tell(Told.ODD, text=f"message {message.type}", message=message)

    def _message(self) -> Message:
        assert isinstance(self._what, Message), f"{self._event} comes with a message, not {self._what}"
        return self._what

    def _ending(self) -> tuple[Reason, str]:
        return self.endings[self.state if self._event == self.timeout else self._event]

    def _peer_text(self) -> str:
        """What the other side, or the owner, said of the end."""
        return self._what.text if isinstance(self._what, LogoutWanted | Closed) else ""
