"""The control plane's mind: events and time in, batches of commands out. No socket, no clock, no task; trio only carries (SEAM D1).

`on_event` answers one input, `tick` what is due at `deadline_ns`; each batch names the journal record it answers (0: time, or a person).
What commands cannot do (connecting, logging, answering an operator) comes out of `take_wishes`. Given the same inputs, times and
randomness, a new core gives the same batches: that is the replay of the control plane.

A link is a session with a venue: connected, kept, and connected again after a while. A seat is a strategy's session; its sockets come in
through a door, where each is a stranger on a provisional connection until its first message has shown whose it is.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.control.inputs import (
    Accepted,
    Answer,
    Begun,
    Connect,
    Connected,
    Counted,
    DrainWanted,
    Drop,
    Ended,
    Input,
    LimitsWanted,
    NotConnected,
    Say,
    Wish,
)
from gateway.control.line import BATCH_BYTES, BATCH_PARTS, Line, error_text
from gateway.control.strangers import Stranger
from gateway.control.tongue import Tongue
from gateway.lane import commands
from gateway.lane.commands import At, Batch, Part
from gateway.lane.events import Acked, Bell
from gateway.lane.native import lib
from gateway.lane.plan import Doorway, Family, Plan
from gateway.limits import NAME_BYTES_MAX
from gateway.seams import Rng
from gateway.sessions.actions import NEVER, SECOND, Action, Input as SessionInput, LogoutWanted, Message, Reason, Tell, Told

LOGON_NS = 10 * SECOND  # a stranger's time to say who it is, the same as a session's for its Logon
CANCEL_NS = 5 * SECOND  # for the cancels of a shutdown to be answered
LEAVE_NS = 5 * SECOND  # for its Logouts; then the sockets are closed
BACKOFF_MAX = 16  # times retry_s: a venue that was away all night is found again within seconds of its return
JITTER_PER_CENT = 25  # so that not everybody comes back at the same moment
NOTE_BYTES = 160  # of an operator's words in the journal


class Stage(StrEnum):
    """How far the end of the gateway has come."""

    RUNNING = "running"
    CANCELLING = "cancelling"  # new orders are DENIED, open day orders are being cancelled
    LEAVING = "leaving"  # the sessions log out
    STOPPING = "stopping"  # the lane writes its last record
    ENDED = "ended"


@dataclass
class Link(Line):
    """A session with a venue."""

    host: str = ""
    port: int = 0
    retry_ns: int = SECOND
    failures: int = 0
    connect_at_ns: int = 0
    """When to connect; NEVER while it is tried or stands."""
    ready: bool = False


@dataclass
class SeatLine(Line):
    """A strategy's session; `door_conn` is where the socket that is being bound to it came in, 0 = none."""

    door_conn: int = 0

    @property
    def taken(self) -> bool:
        """True while a socket is, or is being, bound to it: one login a strategy."""
        return self.door_conn != 0 or self.rx != lib.GW_CLOSED


@dataclass
class Place:
    """A provisional connection: free (no stranger), or a stranger's."""

    conn: int
    door: Doorway
    tongue: Tongue
    at: At
    peer: str = ""
    stranger: Stranger | None = None
    deadline_ns: int = NEVER


@dataclass(frozen=True)
class Rooms:
    """What the core is furnished with: a machine and a tongue for every connection, and strangers for every door."""

    links: tuple[Link, ...]
    seats: tuple[SeatLine, ...]
    tongue: Callable[[Family, str], Tongue]
    """Of a door: its family and whom is listened to."""
    stranger: Callable[[Doorway, bytes], Stranger]


@dataclass(frozen=True)
class _Asked:
    """A batch whose outcome is waited for."""

    conn: int = 0
    fd: int = -1
    request: int = -1


class Core:
    """The control plane of one lane. `cancel_on_shutdown`: on_shutdown of the configuration."""

    def __init__(self, plan: Plan, links: Iterable[Link], seats: Iterable[SeatLine], places: Iterable[Place], rng: Rng,
                 stranger: Callable[[Doorway, bytes], Stranger], cancel_on_shutdown: bool = True) -> None:  # fmt: skip
        self.plan = plan
        self.links = {link.conn: link for link in links}
        self.seats = {seat.conn: seat for seat in seats}
        self.places = {place.conn: place for place in places}
        self.stage = Stage.RUNNING
        self.epoch = 0
        self._rng = rng
        self._stranger = stranger
        self._cancel_on_shutdown = cancel_on_shutdown
        self._next_id = 1
        self._asked: dict[int, _Asked] = {}
        self._wishes: list[Wish] = []
        self._batches: list[Batch] = []
        self._stage_ends_ns = NEVER
        self._open_orders = 0
        self._lane_at = At(0)

    # ------------------------------------------------------------------------------------------------------------ doors

    @property
    def deadline_ns(self) -> int:
        """The earliest moment at which `tick` has work."""
        due = [self._stage_ends_ns]
        due += [line.session.deadline_ns for line in self._lines()]
        due += [link.connect_at_ns for link in self.links.values()]
        due += [place.deadline_ns for place in self.places.values()]
        return min(due)

    @property
    def open(self) -> bool:
        """True while every session with a venue is open."""
        return all(link.ready for link in self.links.values())

    def take_wishes(self) -> list[Wish]:
        """What the rim is asked to do, in order."""
        wishes, self._wishes = self._wishes, []
        return wishes

    def on_event(self, event: Input, now_ns: int) -> list[Batch]:
        """Answer one input."""
        match event:
            case Bell():
                self._on_bell(event, now_ns)
            case Acked():
                self._on_ack(event, now_ns)
            case Begun():
                self._on_begun(event)
            case Connected(conn=conn, fd=fd):
                self._on_connected(conn, fd, now_ns)
            case NotConnected(conn=conn, text=text):
                self._retry(self.links[conn], text, now_ns)
            case Accepted():
                self._on_accepted(event, now_ns)
            case LimitsWanted():
                note = f"{event.who}: {event.what}".encode()[:NOTE_BYTES]
                self._push(0, now_ns, [commands.note(note), *commands.swap_limits(event.table)], _Asked(request=event.request))
            case DrainWanted(now=at_once):
                self._drain(at_once, now_ns)
            case Counted(open_orders=open_orders):
                self._open_orders = open_orders
                if self.stage is Stage.CANCELLING and not open_orders:
                    self._leave(now_ns)
        return self._take_batches()

    def tick(self, now_ns: int) -> list[Batch]:
        """Do what is due: deadlines of sessions and strangers, connections to be tried, stages of the end."""
        for line in self._lines():
            if line.session.deadline_ns <= now_ns:
                self._push(0, now_ns, self._carry(line, line.session.tick(now_ns), now_ns))
        for link in self.links.values():
            if link.connect_at_ns <= now_ns:
                link.connect_at_ns = NEVER
                self._wishes.append(Connect(link.conn, link.host, link.port))
        for place in self.places.values():
            if place.deadline_ns <= now_ns:
                place.deadline_ns = NEVER
                self._say("warning", "stranger.silent", door=place.door.name, peer=place.peer)
                self._push(0, now_ns, [commands.close(place.at, False, now_ns)])
        if self._stage_ends_ns <= now_ns:
            self._end_stage(now_ns)
        return self._take_batches()

    # -------------------------------------------------------------------------------------------------------------- bells

    def _on_bell(self, bell: Bell, now_ns: int) -> None:
        line = self.links.get(bell.conn) or self.seats.get(bell.conn)
        if line is not None:
            self._on_line(line, bell, now_ns)
        elif bell.conn in self.places:
            self._on_place(self.places[bell.conn], bell, now_ns)
        else:
            self._on_lane(bell, now_ns)

    def _on_line(self, line: Line, bell: Bell, now_ns: int) -> None:
        """One batch that answers the bell; messages that do not fit are left, and rung for again."""
        line.seen(bell)
        parts: list[Part] = []
        answered, facts = 0, bell.facts
        for what, lsn in line.inputs(bell):
            if len(parts) >= BATCH_PARTS or sum(len(part.payload) + commands.SUB.size for part in parts) >= BATCH_BYTES:
                facts = 0  # told with the next bell, behind the messages that are left
                break
            parts += self._carry(line, line.session.receive(what, now_ns), now_ns)
            answered = lsn or answered
        else:
            answered = bell.messages[-1].lsn if bell.more else bell.lsn
        if bell.more:
            facts = 0
        if facts & lib.GW_FACT_CLOSED:
            self._on_closed(line, bell, now_ns)
        self._note_facts(line.name, facts, bell)
        parts.append(commands.done(line.at, answered, facts))
        self._push(bell.lsn, now_ns, parts)

    def _carry(self, line: Line, actions: list[Action], now_ns: int) -> list[Part]:
        parts, told = line.parts(actions)
        for tell in told:
            self._on_told(line, tell, now_ns)
        return parts

    def _on_told(self, line: Line, tell: Tell, now_ns: int) -> None:
        levels = {Told.LOST: "warning", Told.ODD: "warning", Told.REJECTED: "warning"}
        fields: dict[str, str | int] = {"connection": line.name}
        if tell.reason is not None:
            fields["reason"] = tell.reason.value
        if tell.text:
            fields["text"] = tell.text
        if tell.message is not None:
            fields |= {"lsn": tell.message.lsn, "seq": tell.message.seq}
        self._wishes.append(Say("info" if tell.event not in levels else "warning", f"session.{tell.event.name.lower()}", fields))
        if isinstance(line, Link) and tell.event in (Told.READY, Told.LOST):
            line.ready = tell.event is Told.READY
            line.failures = 0 if line.ready else line.failures

    def _on_closed(self, line: Line, bell: Bell, now_ns: int) -> None:
        if isinstance(line, Link):
            line.ready = False
            self._retry(line, error_text(bell.error), now_ns)
        elif isinstance(line, SeatLine):
            line.door_conn = 0
        if self.stage is Stage.LEAVING and not self._connected():
            self._stop(now_ns)

    def _note_facts(self, name: str, facts: int, bell: Bell) -> None:
        """Facts that no machine answers: a person must see them."""
        for bit, event in (
            (lib.GW_FACT_ODD, "report.odd"),
            (lib.GW_FACT_ORPHAN, "report.orphan"),
            (lib.GW_FACT_FILLED, "orders.in_doubt"),
            (lib.GW_FACT_TABLE_FULL, "table.full"),
            (lib.GW_FACT_SLOW, "strategy.slow"),
            (lib.GW_FACT_JOURNAL, "journal.failed"),
        ):
            if facts & bit:
                self._say("warning", event, connection=name, lsn=bell.lsn)

    def _on_lane(self, bell: Bell, now_ns: int) -> None:
        self._note_facts("lane", bell.facts, bell)
        if bell.facts & lib.GW_FACT_LATCH:
            self._say("warning", "latch.changed", lsn=bell.lsn)
        self._push(bell.lsn, now_ns, [commands.done(At(0, bell.epoch, bell.state_gen), bell.lsn, bell.facts)])
        if bell.facts & lib.GW_FACT_STOPPED:
            self._end()

    # ---------------------------------------------------------------------------------------------------------- strangers

    def _on_accepted(self, event: Accepted, now_ns: int) -> None:
        free = next((place for place in self.places.values() if place.door.name == event.door and place.stranger is None), None)
        if free is None or self.stage is not Stage.RUNNING:
            self._wishes.append(Drop(event.fd))
            self._say("warning", "door.full" if free is None else "door.closed", door=event.door, peer=event.peer)
            return
        free.peer = event.peer
        free.stranger = self._stranger(free.door, self._rng.token(32))
        free.deadline_ns = now_ns + LOGON_NS
        self._push(0, now_ns, [commands.attach(free.at, event.fd, now_ns)], _Asked(conn=free.conn, fd=event.fd))

    def _on_place(self, place: Place, bell: Bell, now_ns: int) -> None:
        place.at = At(place.conn, bell.epoch, bell.state_gen)
        parts: list[Part] = []
        closed = bool(bell.facts & lib.GW_FACT_CLOSED)
        if bell.facts & lib.GW_FACT_ATTACHED and place.stranger is not None:
            parts += self._stranger_parts(place, place.stranger.greet())
        if bell.messages and place.stranger is not None and not closed:
            parts += self._judge(place, bell, now_ns)
        if closed:
            self._free(place)
        self._push(bell.lsn, now_ns, [*parts, commands.done(place.at, bell.lsn, bell.facts)], _Asked(conn=place.conn))

    def _judge(self, place: Place, bell: Bell, now_ns: int) -> list[Part]:
        """Bind the stranger to the session its first message names, or end it. The message is read again there, by that session."""
        assert place.stranger is not None, f"a bell with messages of connection {place.conn}, which nobody has"
        heard = place.tongue.hear(bell.messages[-1])
        verdict = place.stranger.judge(heard if isinstance(heard, Message) else Message(""))
        seat = self.seats.get(verdict.seat or 0)
        if seat is not None and seat.taken:
            verdict = place.stranger.refuse(f"{seat.name} is logged on already")
        elif seat is not None:
            seat.door_conn = place.conn
            place.deadline_ns = NEVER
            self._say("info", "door.known", door=place.door.name, peer=place.peer, connection=seat.name)
            return [commands.bind(place.at, seat.conn)]
        self._say("warning", "door.refused", door=place.door.name, peer=place.peer, text=verdict.text)
        answer = self._stranger_parts(place, [verdict.answer] if verdict.answer is not None else [])
        return [*answer, commands.close(place.at, bool(answer), now_ns + SECOND)]

    def _stranger_parts(self, place: Place, actions: Iterable[Action]) -> list[Part]:
        return Line(place.conn, place.door.name, self.links_session(), place.tongue, place.at).parts(list(actions))[0]
