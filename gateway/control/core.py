"""The control plane's mind: events and time in, batches of commands out. No socket, no clock, no task; trio only carries (SEAM D1).

`on_event` answers one input, `tick` what is due at `deadline_ns`; each batch names the journal record it answers (0: time, or a person).
What commands cannot do (connecting, logging, answering an operator) comes out of `take_wishes`. Given the same inputs, times and
randomness, a new core gives the same batches: that is the replay of the control plane.

What it decides is in its parts: a link is a session with a venue, a seat a strategy's session (lines.py); a socket that comes in at a
door is a stranger first (strangers.py); the end has its stages (ending.py). What they say goes out by one box, in order (outbox.py).
"""

from collections.abc import Iterable
from typing import Literal

from gateway.control.ending import Ending, Stage
from gateway.control.inputs import (
    Accepted,
    Answer,
    Begun,
    Connected,
    Counted,
    DrainWanted,
    Drop,
    Input,
    Look,
    NotConnected,
    OperatorWanted,
    Wish,
)
from gateway.control.line import Line, Link, Place, SeatLine, error_text
from gateway.control.lines import Lines
from gateway.control.logins import Verify
from gateway.control.outbox import Outbox
from gateway.control.strangers import Strangers
from gateway.lane import commands
from gateway.lane.commands import At, Batch
from gateway.lane.events import Acked, Bell
from gateway.lane.native import lib
from gateway.seams import Rng
from gateway.sessions.actions import NEVER

NOTE_BYTES = 160  # of an operator's words in the journal

# Facts that no session machine answers, and what the log calls them.
PLAIN_FACTS = {
    lib.GW_FACT_ODD: "report.odd",
    lib.GW_FACT_ORPHAN: "report.orphan",
    lib.GW_FACT_EXEC_ID: "report.exec_id_reused",
    lib.GW_FACT_FILLED: "orders.in_doubt",
    lib.GW_FACT_TABLE_FULL: "table.full",
    lib.GW_FACT_SLOW: "strategy.slow",
}
# Facts of the lane itself that say where to look.
LOOKS: dict[int, Literal["gate", "journal.failed"]] = {lib.GW_FACT_JOURNAL: "journal.failed", lib.GW_FACT_LATCH: "gate"}


class Core:
    """The control plane of one lane. `cancel_on_shutdown` is the configuration's on_shutdown, `failed_stop_ns` its journal's failed_stop_s."""

    def __init__(self, links: Iterable[Link], seats: Iterable[SeatLine], places: Iterable[Place], rng: Rng,
                 verify: Verify, cancel_on_shutdown: bool = True, failed_stop_ns: int = NEVER) -> None:  # fmt: skip
        self.links = {link.conn: link for link in links}
        self.seats = {seat.conn: seat for seat in seats}
        self.places = {place.conn: place for place in places}
        self.epoch = 0
        self._out = Outbox()
        self._lines = Lines(self.links, self.seats, rng, self._out)
        self._strangers = Strangers(self.places, self._lines, rng, verify, self._out)
        self._ending = Ending(self._lines, self._strangers, self._out, cancel_on_shutdown, failed_stop_ns)

    # ------------------------------------------------------------------------------------------------------------ doors

    @property
    def stage(self) -> Stage:
        """How far its end has come."""
        return self._ending.stage

    @property
    def deadline_ns(self) -> int:
        """The earliest moment at which `tick` has work."""
        return min(self._ending.deadline_ns, self._lines.deadline_ns, self._strangers.deadline_ns)

    @property
    def counting(self) -> bool:
        """True while the core waits for orders to become settled: it wants to hear Counted now and then."""
        return self.stage is Stage.CANCELLING or self._lines.settling

    @property
    def open(self) -> bool:
        """True while every session with a venue is open."""
        return all(link.ready for link in self.links.values())

    def take_wishes(self) -> list[Wish]:
        """What the rim is asked to do, in order."""
        return self._out.take_wishes()

    def on_event(self, event: Input, now_ns: int) -> list[Batch]:
        """Answer one input."""
        match event:
            case Bell():
                self._on_bell(event, now_ns)
            case Acked():
                self._on_ack(event, now_ns)
            case Begun():
                self._on_begun(event, now_ns)
            case Connected(conn=conn, fd=fd) if self.stage is Stage.RUNNING:
                self._out.push(0, now_ns, [commands.attach(self.links[conn].at, fd, now_ns)])
            case Connected(fd=fd):
                self._out.wish(Drop(fd))
            case NotConnected(conn=conn, text=text):
                self._lines.retry(self.links[conn], text, now_ns)
            case Accepted():
                self._strangers.accepted(event, now_ns)
            case OperatorWanted():
                self._on_operator(event, now_ns)
            case DrainWanted(now=at_once):
                self._ending.drain(at_once, now_ns)
            case Counted(cancelling=cancelling, in_doubt=in_doubt):
                self._ending.counted(cancelling, now_ns)
                self._lines.settle(in_doubt, now_ns)
        return self._out.take_batches()

    def tick(self, now_ns: int) -> list[Batch]:
        """Do what is due: deadlines of sessions and strangers, connections to be tried, stages of the end."""
        self._lines.tick(now_ns)
        self._strangers.tick(now_ns)
        self._ending.tick(now_ns)
        return self._out.take_batches()

    # ------------------------------------------------------------------------------------------------------------ inputs

    def _on_begun(self, event: Begun, now_ns: int) -> None:
        for parts in event.batches:
            self._out.push(0, now_ns, list(parts))
        self.epoch = event.epoch
        self._strangers.loss_epoch = event.loss_epoch
        for view in event.connections:
            if place := self.places.get(view.conn):
                place.at = view.at
            elif view.conn in self._lines:
                self._lines[view.conn].begin(view)

    def _on_bell(self, bell: Bell, now_ns: int) -> None:
        if bell.conn in self._lines:
            self._on_line(self._lines[bell.conn], bell, now_ns)
        elif bell.conn in self.places:
            self._strangers.answer(self.places[bell.conn], bell, now_ns)
        else:
            self._on_lane(bell, now_ns)

    def _on_line(self, line: Line, bell: Bell, now_ns: int) -> None:
        facts = self._lines.answer(line, bell, now_ns)
        if facts & lib.GW_FACT_CLOSED:
            if isinstance(line, Link):
                self._lines.retry(line, error_text(bell.error), now_ns)
            self._ending.closed(now_ns)
        self._note_facts(line.name, facts, bell)

    def _on_lane(self, bell: Bell, now_ns: int) -> None:
        self._note_facts("lane", bell.facts, bell)
        for bit, event in LOOKS.items():
            if bell.facts & bit:
                self._out.wish(Look(event))
        if bell.facts & lib.GW_FACT_JOURNAL:
            self._ending.journal_failed(now_ns)
        self._out.push(bell.lsn, now_ns, [commands.done(At(0, bell.epoch, bell.state_gen), bell.lsn, bell.facts)])
        if bell.facts & lib.GW_FACT_STOPPED:
            self._ending.lane_stopped()

    def _note_facts(self, name: str, facts: int, bell: Bell) -> None:
        """Facts that no machine answers: a person must see them."""
        for bit, event in PLAIN_FACTS.items():
            if facts & bit:
                self._out.say("warning", event, connection=name, lsn=bell.lsn)

    def _on_operator(self, event: OperatorWanted, now_ns: int) -> None:
        note = f"{event.what} by {event.who}: {event.why}"
        for part in event.parts[:-1]:
            self._out.push(0, now_ns, [part])
        self._out.push(0, now_ns, [commands.note(note.encode()[:NOTE_BYTES]), event.parts[-1]], event.request)
        self._out.say("warning", "operator", what=event.what, who=event.who, why=event.why)

    def _on_ack(self, ack: Acked, now_ns: int) -> None:
        parts, request = self._out.acknowledged(ack.id)
        refused = [part for part, (result, _) in zip(parts, ack.results, strict=True) if result != lib.GW_RESULT_OK]
        for part in parts:
            if part.kind == lib.GW_CMD_BIND:
                self._strangers.bound(part, part not in refused, now_ns)
        for part in refused:
            self._out.say("debug", "command.refused", command=str(part), lsn=ack.lsn)
            if part.kind == lib.GW_CMD_ATTACH:
                self._out.wish(Drop(part.a))
                if link := self.links.get(part.at.conn):
                    self._lines.retry(link, "the lane does not take a connection yet", now_ns)
                else:
                    self._strangers.free(self.places[part.at.conn])
        if request is not None:
            self._out.wish(Answer(request, 0 if refused else ack.lsn, "the lane refused it" if refused else ""))
