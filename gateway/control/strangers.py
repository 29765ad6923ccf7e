"""Sockets that came in at a door and are nobody's yet: each on a provisional connection, until its first message has shown whose it is."""

from dataclasses import replace

from gateway.control.inputs import Accepted, Drop
from gateway.control.line import Place, SeatLine
from gateway.control.lines import Lines
from gateway.control.logins import Verify
from gateway.control.outbox import Outbox
from gateway.lane import commands
from gateway.lane.commands import At, Part
from gateway.lane.events import Bell
from gateway.lane.native import lib
from gateway.seams import Rng
from gateway.sessions.actions import NEVER, SECOND, Attached, Bind, Closed, Message
from gateway.sessions.order_api import NONCE_BYTES, ApiServer, Granted

LOGON_NS = 10 * SECOND  # a stranger's time to say who it is, the same as a session's for its Logon
NO_NEW_SESSION = "the journal has failed: who was never logged on is not let in"


class Strangers:
    """The places of all doors. `open`: False once the gateway ends. `old_only`: True once the journal has failed.

    loss_epoch: what a strategy is told at its login, so that it knows whether anything was lost.
    """

    def __init__(self, places: dict[int, Place], lines: Lines, rng: Rng, verify: Verify, out: Outbox) -> None:
        self.places = places
        self.open = True
        self.old_only = False
        self.loss_epoch = 0
        self._lines = lines
        self._rng = rng
        self._verify = verify
        self._out = out

    @property
    def deadline_ns(self) -> int:
        due = [place.deadline_ns for place in self.places.values()]
        return min([NEVER, *due, *(place.session.deadline_ns for place in self.places.values() if place.session is not None)])

    def tick(self, now_ns: int) -> None:
        """Strangers that have said nothing for too long are gone."""
        for place in self.places.values():
            if place.session is not None and place.session.deadline_ns <= now_ns:
                self._out.push(0, now_ns, place.parts(place.session.tick(now_ns))[0])
            if place.deadline_ns <= now_ns:
                place.deadline_ns = NEVER
                self._out.say("warning", "stranger.silent", door=place.door, peer=place.peer)
                self._out.push(0, now_ns, [commands.close(place.at, False, now_ns)])

    def accepted(self, event: Accepted, now_ns: int) -> None:
        """Somebody has come in: he has a place and some time, or none."""
        free = next((place for place in self.places.values() if place.door == event.door and not place.peer), None)
        if free is None or not self.open:
            self._out.wish(Drop(event.fd))
            self._out.say("warning", "door.full" if free is None else "door.closed", door=event.door, peer=event.peer)
            return
        free.peer = event.peer
        free.session = None if free.api is None else ApiServer(free.api, self._rng.token(NONCE_BYTES), self._grant)
        free.deadline_ns = now_ns + LOGON_NS
        self._out.push(0, now_ns, [commands.attach(free.at, event.fd, now_ns)])

    def answer(self, place: Place, bell: Bell, now_ns: int) -> None:
        """One batch that answers the bell of a place."""
        place.at = At(place.conn, bell.epoch, bell.state_gen)
        done = commands.done(place.at, bell.lsn, bell.facts)
        if bell.facts & lib.GW_FACT_CLOSED:
            self.free(place)
            self._out.push(bell.lsn, now_ns, [done])
            return
        parts: list[Part] = []
        if bell.facts & lib.GW_FACT_ATTACHED and place.session is not None:
            parts += place.parts(place.session.receive(Attached(), now_ns))[0]
        if not bell.messages:
            self._out.push(bell.lsn, now_ns, [*parts, done])
            return
        # The message is answered before its connection is bound: what is moved are the bytes behind it.
        self._out.push(bell.lsn, now_ns, [*parts, done, *self._admit(place, bell, now_ns)])

    def bound(self, part: Part, bound: bool, now_ns: int) -> None:
        """A bind was acknowledged."""
        place, seat = self.places[part.at.conn], self._lines.seats[part.a]
        seat.binding = 0
        if bound:
            self.free(place)
            seat.rx = lib.GW_ADMIN  # the seat is taken; its first bell says more
        else:  # the connection was gone before the batch came; its own bell says so
            seat.at = At(seat.conn, seat.at.epoch - 1, seat.at.state_gen - 1)
            seat.session.receive(Closed("the connection was gone before it was bound"), now_ns)

    def free(self, place: Place) -> None:
        """The place is for the next one."""
        place.peer, place.session, place.deadline_ns = "", None, NEVER

    def send_away(self, now_ns: int) -> None:
        """All who are still nobody."""
        for place in self.places.values():
            if place.peer and place.deadline_ns != NEVER:
                self._out.push(0, now_ns, [commands.close(place.at, False, now_ns)])

    # ------------------------------------------------------------------------------------------------------ who it is

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
            self._out.say("warning", "door.refused", door=place.door, peer=place.peer, text=told[0].text if told else "")
            return parts
        seat = next(seat for seat in self._lines.seats.values() if seat.api_strategy == bind.session)
        seat.session = place.session
        at = actions.index(bind)
        return [*place.parts(actions[:at])[0], *self._bind(place, seat), commands.stream(seat.at, seat.stream_len + 1),
                *self._lines.carry(seat, actions[at + 1 :])]  # fmt: skip

    def _admit_fix(self, place: Place, logon: Message, now_ns: int) -> list[Part]:
        seat = next((seat for seat in self._lines.seats.values() if seat.comp_ids and seat.comp_ids == (logon.sender, logon.target)), None)
        if logon.type != "A" or seat is None:
            return self._turn_away(place, f"MsgType {logon.type} of {logon.sender} to {logon.target}", now_ns)
        if seat.taken:  # session test case 1S: the second connection of one identity is shown nothing
            return self._turn_away(place, f"{seat.name} is logged on already", now_ns)
        if self._is_new(seat):
            return self._turn_away(place, NO_NEW_SESSION, now_ns)
        parts = self._bind(place, seat)
        parts += self._lines.carry(seat, seat.session.receive(Attached(seat.rx_next, seat.tx_next), now_ns))
        return parts + self._lines.carry(seat, seat.session.receive(replace(logon, expected=seat.rx_next), now_ns))

    def _bind(self, place: Place, seat: SeatLine) -> list[Part]:
        """The socket becomes the session's, from here on a connection of a new epoch; all that is said to it goes with the same batch."""
        part = commands.bind(place.at, seat.conn)
        seat.at = At(seat.conn, seat.at.epoch + 1, seat.at.state_gen + 1)
        seat.told_epoch = seat.at.epoch
        seat.binding = place.conn
        place.deadline_ns, place.session = NEVER, None
        self._out.say("info", "door.known", door=place.door, peer=place.peer, connection=seat.name)
        return [part]

    def _turn_away(self, place: Place, text: str, now_ns: int) -> list[Part]:
        self._out.say("warning", "door.refused", door=place.door, peer=place.peer, text=text)
        return [commands.close(place.at, False, now_ns)]

    def _grant(self, login: Message, nonce: bytes) -> Granted | str:
        """The verdict on an order API Login."""
        seat = next((seat for seat in self._lines.seats.values() if seat.api_strategy and seat.api_strategy == login.text("strategy")), None)
        if not self._verify(login, nonce) or seat is None:
            return "unknown strategy or wrong key"
        if seat.taken:
            return "this strategy is logged on already"
        if self._is_new(seat):
            return NO_NEW_SESSION
        return Granted(seat.api_strategy, seat.stream_len + 1, seat.last_id, self.loss_epoch)

    def _is_new(self, seat: SeatLine) -> bool:
        """It has no numbers to speak with, and gets none: those come from the disk. It has no order that it could cancel either."""
        return self.old_only and seat.tx_next == 1
