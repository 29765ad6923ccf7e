"""The control plane's mind: events and time in, batches of commands out. No socket, no clock, no task; trio only carries (SEAM D1).

`on_event` answers one input, `tick` what is due at `deadline_ns`; each batch names the journal record it answers (0: time, or a person).
What commands cannot do (connecting, logging, answering an operator) comes out of `take_wishes`. Given the same inputs, times and
randomness, a new core gives the same batches: that is the replay of the control plane.

A link is a session with a venue: connected, kept, and connected again after a while. A seat is a strategy's session; its sockets come in
through a door, where each is a stranger on a provisional connection until its first message has shown whose it is.
"""

from collections.abc import Iterable
from dataclasses import replace
from enum import StrEnum
from typing import Literal

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
    Look,
    NotConnected,
    OperatorWanted,
    Say,
    Wish,
)
from gateway.control.line import BATCH_BYTES, BATCH_PARTS, Line, Link, Place, SeatLine, error_text
from gateway.control.logins import Verify
from gateway.lane import commands
from gateway.lane.commands import At, Batch, Part
from gateway.lane.events import Acked, Bell
from gateway.lane.native import lib
from gateway.seams import Rng
from gateway.sessions.actions import (
    NEVER,
    SECOND,
    Action,
    Attached,
    Bind,
    Closed,
    LogoutWanted,
    Message,
    Reconciled,
    Tell,
    Told,
)
from gateway.sessions.order_api import NONCE_BYTES, ApiServer, Granted

LOGON_NS = 10 * SECOND  # a stranger's time to say who it is, the same as a session's for its Logon
CANCEL_NS = 5 * SECOND  # for the cancels of a shutdown to be answered
LEAVE_NS = 5 * SECOND  # for its Logouts; then the sockets are closed
STOP_NS = 2 * SECOND  # for the lane's last record
BACKOFF_MAX = 16  # times retry_s: a venue that was away all night is found again within seconds of its return
JITTER_PER_CENT = 25  # so that not everybody comes back at the same moment
LOUD_FAILURES = 3  # connections that failed in a row and are logged; the rest is silence until one stands
NO_NEW_SESSION = "the journal has failed: who was never logged on is not let in"
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


class Stage(StrEnum):
    """How far the end of the gateway has come."""

    RUNNING = "running"
    CANCELLING = "cancelling"  # new orders are DENIED, open day orders are being cancelled
    LEAVING = "leaving"  # the sessions log out
    STOPPING = "stopping"  # the lane writes its last record
    ENDED = "ended"


class Core:
    """The control plane of one lane. `cancel_on_shutdown` is the configuration's on_shutdown, `failed_stop_ns` its journal's failed_stop_s."""

    def __init__(self, links: Iterable[Link], seats: Iterable[SeatLine], places: Iterable[Place], rng: Rng,
                 verify: Verify, cancel_on_shutdown: bool = True, failed_stop_ns: int = NEVER) -> None:  # fmt: skip
        self.links = {link.conn: link for link in links}
        self.seats = {seat.conn: seat for seat in seats}
        self.places = {place.conn: place for place in places}
        self.stage = Stage.RUNNING
        self.epoch = 0
        self.loss_epoch = 0
        self._rng = rng
        self._verify = verify
        self._cancel_on_shutdown = cancel_on_shutdown
        self._failed_stop_ns = failed_stop_ns
        self._journal_failed = False
        self._drain_at_ns = NEVER
        self._next_id = 1
        self._pushed: dict[int, tuple[tuple[Part, ...], int | None]] = {}
        self._wishes: list[Wish] = []
        self._batches: list[Batch] = []
        self._stage_ends_ns = NEVER

    # ------------------------------------------------------------------------------------------------------------ doors

    @property
    def deadline_ns(self) -> int:
        """The earliest moment at which `tick` has work."""
        due = [self._stage_ends_ns, self._drain_at_ns]
        due += [line.session.deadline_ns for line in self._lines()]
        due += [link.connect_at_ns for link in self.links.values()]
        due += [place.deadline_ns for place in self.places.values()]
        due += [place.session.deadline_ns for place in self.places.values() if place.session is not None]
        return min(due)

    @property
    def counting(self) -> bool:
        """True while the core waits for orders to become settled: it wants to hear Counted now and then."""
        return self.stage is Stage.CANCELLING or any(link.settling for link in self.links.values())

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
                self._on_begun(event, now_ns)
            case Connected(conn=conn, fd=fd) if self.stage is Stage.RUNNING:
                self._push(0, now_ns, [commands.attach(self.links[conn].at, fd, now_ns)])
            case Connected(fd=fd):
                self._wishes.append(Drop(fd))
            case NotConnected(conn=conn, text=text):
                self._retry(self.links[conn], text, now_ns)
            case Accepted():
                self._on_accepted(event, now_ns)
            case OperatorWanted():
                self._on_operator(event, now_ns)
            case DrainWanted(now=at_once):
                self._drain(at_once, now_ns)
            case Counted():
                self._on_counted(event, now_ns)
        return self._take_batches()

    def tick(self, now_ns: int) -> list[Batch]:
        """Do what is due: deadlines of sessions and strangers, connections to be tried, stages of the end."""
        for line in self._lines():
            if line.session.deadline_ns <= now_ns:
                self._push(0, now_ns, self._carry(line, line.session.tick(now_ns)))
        for link in self.links.values():
            if link.connect_at_ns <= now_ns:
                link.connect_at_ns = NEVER
                self._wishes.append(Connect(link.conn, link.host, link.port))
        for place in self.places.values():
            if place.session is not None and place.session.deadline_ns <= now_ns:
                self._push(0, now_ns, place.parts(place.session.tick(now_ns))[0])
            if place.deadline_ns <= now_ns:
                place.deadline_ns = NEVER
                self._say("warning", "stranger.silent", door=place.door, peer=place.peer)
                self._push(0, now_ns, [commands.close(place.at, False, now_ns)])
        if self._drain_at_ns <= now_ns:
            self._drain(False, now_ns)
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
        answered, whole = 0, not bell.more
        for what, lsn in line.inputs(bell):
            if len(parts) >= BATCH_PARTS or sum(len(part.payload) + commands.SUB.size for part in parts) >= BATCH_BYTES:
                whole = False
                break
            parts += self._carry(line, line.session.receive(what, now_ns))
            answered = lsn or answered
        # Facts come behind messages: while some of these are left, none is answered.
        facts = bell.facts if whole else 0
        if facts & lib.GW_FACT_CLOSED:
            self._on_closed(line, bell, now_ns)
        self._note_facts(line.name, facts, bell)
        parts.append(commands.done(line.at, bell.lsn if whole else answered, facts))
        self._push(bell.lsn, now_ns, parts)

    def _carry(self, line: Line, actions: list[Action]) -> list[Part]:
        parts, told = line.parts(actions)
        for tell in told:
            self._on_told(line, tell)
        return parts

    def _on_told(self, line: Line, tell: Tell) -> None:
        fields: dict[str, str | int] = {"connection": line.name}
        if tell.reason is not None:
            fields["reason"] = tell.reason.value
        if tell.text:
            fields["text"] = tell.text
        if tell.message is not None:
            fields |= {"lsn": tell.message.lsn, "seq": tell.message.seq}
        loud = tell.event in (Told.LOST, Told.ODD, Told.REJECTED)
        self._say("warning" if loud else "info", f"session.{tell.event.name.lower()}", **fields)
        if isinstance(line, Link) and tell.event in (Told.READY, Told.LOST):
            line.ready, line.settling = tell.event is Told.READY, False
            line.failures = 0 if line.ready else line.failures
        if isinstance(line, Link) and tell.event is Told.STATUS_WANTED:
            line.settling = True  # the lane asks for each order in doubt by itself

    def _on_closed(self, line: Line, bell: Bell, now_ns: int) -> None:
        if isinstance(line, Link):
            line.ready = False
            self._retry(line, error_text(bell.error), now_ns)
        if self.stage is Stage.LEAVING and not self._connected():
            self._stop(now_ns)

    def _note_facts(self, name: str, facts: int, bell: Bell) -> None:
        """Facts that no machine answers: a person must see them."""
        for bit, event in PLAIN_FACTS.items():
            if facts & bit:
                self._say("warning", event, connection=name, lsn=bell.lsn)

    def _on_lane(self, bell: Bell, now_ns: int) -> None:
        self._note_facts("lane", bell.facts, bell)
        self._wishes += [Look(event) for bit, event in LOOKS.items() if bell.facts & bit]
        if bell.facts & lib.GW_FACT_JOURNAL and not self._journal_failed:  # cancels still leave for a while, then the lane stops (R5f)
            self._journal_failed = True
            self._drain_at_ns = min(now_ns + self._failed_stop_ns, NEVER) if self.stage is Stage.RUNNING else NEVER
        self._push(bell.lsn, now_ns, [commands.done(At(0, bell.epoch, bell.state_gen), bell.lsn, bell.facts)])
        if bell.facts & lib.GW_FACT_STOPPED:
            self._ended()

    def _ended(self) -> None:
        self.stage = Stage.ENDED
        self._stage_ends_ns = NEVER
        self._wishes.append(Ended())

    # ---------------------------------------------------------------------------------------------------------- strangers

    def _on_accepted(self, event: Accepted, now_ns: int) -> None:
        free = next((place for place in self.places.values() if place.door == event.door and not place.peer), None)
        if free is None or self.stage is not Stage.RUNNING:
            self._wishes.append(Drop(event.fd))
            self._say("warning", "door.full" if free is None else "door.closed", door=event.door, peer=event.peer)
            return
        free.peer = event.peer
        free.session = None if free.api is None else ApiServer(free.api, self._rng.token(NONCE_BYTES), self._grant)
        free.deadline_ns = now_ns + LOGON_NS
        self._push(0, now_ns, [commands.attach(free.at, event.fd, now_ns)])

    def _on_place(self, place: Place, bell: Bell, now_ns: int) -> None:
        place.at = At(place.conn, bell.epoch, bell.state_gen)
        done = commands.done(place.at, bell.lsn, bell.facts)
        if bell.facts & lib.GW_FACT_CLOSED:
            self._free(place)
            self._push(bell.lsn, now_ns, [done])
            return
        parts: list[Part] = []
        if bell.facts & lib.GW_FACT_ATTACHED and place.session is not None:
            parts += place.parts(place.session.receive(Attached(), now_ns))[0]
        if not bell.messages:
            self._push(bell.lsn, now_ns, [*parts, done])
            return
        # The message is answered before its connection is bound: what is moved are the bytes behind it.
        self._push(bell.lsn, now_ns, [*parts, done, *self._admit(place, bell, now_ns)])

    def _admit(self, place: Place, bell: Bell, now_ns: int) -> list[Part]:
        """Bind a stranger to the session that its first message shows, which answers it; or end it."""
        heard = place.tongue.hear(bell.messages[-1])
        if not isinstance(heard, Message):
            return self._turn_away(place, "the first message has a header of nobody", now_ns)
        if place.session is None:
            return self._admit_fix(place, heard, now_ns)
        actions = place.session.receive(heard, now_ns)
        bind = next((action for action in actions if isinstance(action, Bind)), None)
        if bind is None:
            parts, told = place.parts(actions)
            self._say("warning", "door.refused", door=place.door, peer=place.peer, text=told[0].text if told else "")
            return parts
        seat = next(seat for seat in self.seats.values() if seat.api_strategy == bind.session)
        seat.session = place.session
        at = actions.index(bind)
        return [*place.parts(actions[:at])[0], *self._bind(place, seat), commands.stream(seat.at, seat.stream_len + 1),
                *self._carry(seat, actions[at + 1 :])]  # fmt: skip

    def _admit_fix(self, place: Place, logon: Message, now_ns: int) -> list[Part]:
        seat = next((seat for seat in self.seats.values() if seat.comp_ids and seat.comp_ids == (logon.sender, logon.target)), None)
        if logon.type != "A" or seat is None:
            return self._turn_away(place, f"MsgType {logon.type} of {logon.sender} to {logon.target}", now_ns)
        if seat.taken:  # session test case 1S: the second connection of one identity is shown nothing
            return self._turn_away(place, f"{seat.name} is logged on already", now_ns)
        if self._is_new(seat):
            return self._turn_away(place, NO_NEW_SESSION, now_ns)
        parts = self._bind(place, seat)
        parts += self._carry(seat, seat.session.receive(Attached(seat.rx_next, seat.tx_next), now_ns))
        return parts + self._carry(seat, seat.session.receive(replace(logon, expected=seat.rx_next), now_ns))

    def _bind(self, place: Place, seat: SeatLine) -> list[Part]:
        """The socket becomes the session's, from here on a connection of a new epoch; all that is said to it goes with the same batch."""
        part = commands.bind(place.at, seat.conn)
        seat.at = At(seat.conn, seat.at.epoch + 1, seat.at.state_gen + 1)
        seat.told_epoch = seat.at.epoch
        seat.binding = place.conn
        place.deadline_ns, place.session = NEVER, None
        self._say("info", "door.known", door=place.door, peer=place.peer, connection=seat.name)
        return [part]

    def _turn_away(self, place: Place, text: str, now_ns: int) -> list[Part]:
        self._say("warning", "door.refused", door=place.door, peer=place.peer, text=text)
        return [commands.close(place.at, False, now_ns)]

    def _grant(self, login: Message, nonce: bytes) -> Granted | str:
        """The verdict on an order API Login."""
        seat = next((seat for seat in self.seats.values() if seat.api_strategy and seat.api_strategy == login.text("strategy")), None)
        if not self._verify(login, nonce) or seat is None:
            return "unknown strategy or wrong key"
        if seat.taken:
            return "this strategy is logged on already"
        if self._is_new(seat):
            return NO_NEW_SESSION
        return Granted(seat.api_strategy, seat.stream_len + 1, seat.last_id, self.loss_epoch)

    def _is_new(self, seat: SeatLine) -> bool:
        """It has no numbers to speak with, and gets none: those come from the disk. It has no order that it could cancel either."""
        return self._journal_failed and seat.tx_next == 1

    def _free(self, place: Place) -> None:
        place.peer, place.session, place.deadline_ns = "", None, NEVER

    # ------------------------------------------------------------------------------------------------------ links, limits

    def _on_begun(self, event: Begun, now_ns: int) -> None:
        for parts in event.batches:
            self._push(0, now_ns, list(parts))
        self.epoch = event.epoch
        self.loss_epoch = event.loss_epoch
        for view in event.connections:
            if place := self.places.get(view.conn):
                place.at = view.at
            elif line := self.links.get(view.conn) or self.seats.get(view.conn):
                line.begin(view)

    def _on_counted(self, event: Counted, now_ns: int) -> None:
        if self.stage is Stage.CANCELLING and not event.cancelling:
            self._leave(now_ns)
        for link in self.links.values():
            if link.settling and not event.in_doubt.get(link.conn):
                link.settling = False
                self._push(0, now_ns, self._carry(link, link.session.receive(Reconciled(), now_ns)))

    def _retry(self, link: Link, why: str, now_ns: int) -> None:
        """Connect again after a while that grows with each failure in a row, never all at the same moment."""
        if self.stage is not Stage.RUNNING:
            return
        wait_ns = link.retry_ns * min(1 << link.failures, BACKOFF_MAX) if link.failures < BACKOFF_MAX else link.retry_ns * BACKOFF_MAX
        wait_ns += wait_ns * self._rng.below(JITTER_PER_CENT) // 100
        # Once is enough: a venue that is away all night fills no log.
        if link.failures < LOUD_FAILURES:
            self._say("warning", "link.down", connection=link.name, text=why, retry_ms=wait_ns // 1_000_000)
        link.failures += 1
        link.connect_at_ns = now_ns + wait_ns

    def _on_operator(self, event: OperatorWanted, now_ns: int) -> None:
        note = f"{event.what} by {event.who}: {event.why}"
        for part in event.parts[:-1]:
            self._push(0, now_ns, [part])
        self._push(0, now_ns, [commands.note(note.encode()[:NOTE_BYTES]), event.parts[-1]], event.request)
        self._say("warning", "operator", what=event.what, who=event.who, why=event.why)

    def _on_ack(self, ack: Acked, now_ns: int) -> None:
        parts, request = self._pushed.pop(ack.id)
        refused = [part for part, (result, _) in zip(parts, ack.results, strict=True) if result != lib.GW_RESULT_OK]
        for part in parts:
            if part.kind == lib.GW_CMD_BIND:
                self._on_bound(part, part not in refused, now_ns)
        for part in refused:
            self._say("debug", "command.refused", command=str(part), lsn=ack.lsn)
            if part.kind == lib.GW_CMD_ATTACH:
                self._wishes.append(Drop(part.a))
                if link := self.links.get(part.at.conn):
                    self._retry(link, "the lane does not take a connection yet", now_ns)
                else:
                    self._free(self.places[part.at.conn])
        if request is not None:
            self._wishes.append(Answer(request, 0 if refused else ack.lsn, "the lane refused it" if refused else ""))

    def _on_bound(self, part: Part, bound: bool, now_ns: int) -> None:
        place, seat = self.places[part.at.conn], self.seats[part.a]
        seat.binding = 0
        if bound:
            self._free(place)
            seat.rx = lib.GW_ADMIN  # the seat is taken; its first bell says more
        else:  # the connection was gone before the batch came; its own bell says so
            seat.at = At(seat.conn, seat.at.epoch - 1, seat.at.state_gen - 1)
            seat.session.receive(Closed("the connection was gone before it was bound"), now_ns)

    # ------------------------------------------------------------------------------------------------------------ the end

    def _drain(self, at_once: bool, now_ns: int) -> None:
        if at_once or self.stage is not Stage.RUNNING:
            self._drain_at_ns = NEVER
            self._stop(now_ns)
            return
        self._say("info", "drain", open=self._connected())
        self.stage = Stage.CANCELLING
        self._drain_at_ns = NEVER
        for link in self.links.values():
            link.connect_at_ns = NEVER
        self._push(0, now_ns, [commands.stop(lib.GW_STOP_CANCEL if self._cancel_on_shutdown else lib.GW_STOP_DENY)])
        self._stage_ends_ns = now_ns + CANCEL_NS
        if not self._cancel_on_shutdown:
            self._leave(now_ns)

    def _leave(self, now_ns: int) -> None:
        self.stage = Stage.LEAVING
        self._stage_ends_ns = now_ns + LEAVE_NS
        for line in self._lines():
            if line.rx != lib.GW_CLOSED:
                self._push(0, now_ns, self._carry(line, line.session.receive(LogoutWanted("shutting down"), now_ns)))
        for place in self.places.values():
            if place.peer and place.deadline_ns != NEVER:
                self._push(0, now_ns, [commands.close(place.at, False, now_ns)])
        if not self._connected():
            self._stop(now_ns)

    def _stop(self, now_ns: int) -> None:
        if self.stage not in (Stage.STOPPING, Stage.ENDED):
            self.stage = Stage.STOPPING
            self._stage_ends_ns = now_ns + STOP_NS
            self._push(0, now_ns, [commands.stop(lib.GW_STOP_NOW)])

    def _end_stage(self, now_ns: int) -> None:
        if self.stage is Stage.CANCELLING:
            self._say("warning", "drain.cancels_unanswered")
            self._leave(now_ns)
        elif self.stage is Stage.LEAVING:
            self._say("warning", "drain.logouts_unanswered", open=self._connected())
            self._stop(now_ns)
        else:
            self._say("error", "drain.lane_does_not_stop")
            self._ended()

    # ---------------------------------------------------------------------------------------------------------------- small

    def _connected(self) -> int:
        """Sessions whose socket stands."""
        return sum(line.rx != lib.GW_CLOSED for line in self._lines())

    def _lines(self) -> list[Line]:
        return [*self.links.values(), *self.seats.values()]

    def _say(self, level: Literal["debug", "info", "warning", "error"], event: str, **fields: str | int) -> None:
        self._wishes.append(Say(level, event, fields))

    def _push(self, cause_lsn: int, now_ns: int, parts: list[Part], request: int | None = None) -> None:
        if parts:
            batch = Batch(self._next_id, cause_lsn, now_ns, tuple(parts))
            self._next_id += 1
            self._pushed[batch.id] = (batch.parts, request)
            self._batches.append(batch)

    def _take_batches(self) -> list[Batch]:
        batches, self._batches = self._batches, []
        return batches
