"""The sessions that have a machine, with venues and strategies: their bells answered, their deadlines kept, links connected and connected again."""

from gateway.control.inputs import Connect
from gateway.control.line import BATCH_BYTES, BATCH_PARTS, Line, Link, SeatLine
from gateway.control.outbox import Outbox
from gateway.lane import commands
from gateway.lane.commands import Part
from gateway.lane.events import Bell
from gateway.lane.native import lib
from gateway.seams import Rng
from gateway.sessions.actions import NEVER, Action, LogoutWanted, Reconciled, Tell, Told

BACKOFF_MAX = 16  # times retry_s: a venue that was away all night is found again within seconds of its return
JITTER_PER_CENT = 25  # so that not everybody comes back at the same moment
LOUD_FAILURES = 3  # connections that failed in a row and are logged; the rest is silence until one stands


class Lines:
    """Links and seats by their connections. `keeps`: False once the gateway ends; then nothing is connected any more."""

    def __init__(self, links: dict[int, Link], seats: dict[int, SeatLine], rng: Rng, out: Outbox) -> None:
        self.links = links
        self.seats = seats
        self.keeps = True
        self._rng = rng
        self._out = out

    def __getitem__(self, conn: int) -> Line:
        return self.links[conn] if conn in self.links else self.seats[conn]

    def __contains__(self, conn: int) -> bool:
        return conn in self.links or conn in self.seats

    @property
    def all(self) -> list[Line]:
        """Links, then seats."""
        return [*self.links.values(), *self.seats.values()]

    @property
    def connected(self) -> int:
        """How many have a socket that stands."""
        return sum(line.rx != lib.GW_CLOSED for line in self.all)

    @property
    def settling(self) -> bool:
        """True while a link waits for its orders in doubt to be settled one by one."""
        return any(link.settling for link in self.links.values())

    @property
    def deadline_ns(self) -> int:
        return min([NEVER, *(line.session.deadline_ns for line in self.all), *(link.connect_at_ns for link in self.links.values())])

    def tick(self, now_ns: int) -> None:
        """What is due of every session; links that are to be connected."""
        for line in self.all:
            if line.session.deadline_ns <= now_ns:
                self._out.push(0, now_ns, self.carry(line, line.session.tick(now_ns)))
        for link in self.links.values():
            if link.connect_at_ns <= now_ns:
                link.connect_at_ns = NEVER
                self._out.wish(Connect(link.conn, link.host, link.port))

    def answer(self, line: Line, bell: Bell, now_ns: int) -> int:
        """One batch that answers the bell; messages that do not fit are left, and rung for again. Returns the facts that were answered."""
        line.seen(bell)
        parts: list[Part] = []
        answered, whole = 0, not bell.more
        for what, lsn in line.inputs(bell):
            if len(parts) >= BATCH_PARTS or sum(len(part.payload) + commands.SUB.size for part in parts) >= BATCH_BYTES:
                whole = False
                break
            parts += self.carry(line, line.session.receive(what, now_ns))
            answered = lsn or answered
        # Facts come behind messages: while some of these are left, none is answered.
        facts = bell.facts if whole else 0
        parts.append(commands.done(line.at, bell.lsn if whole else answered, facts))
        self._out.push(bell.lsn, now_ns, parts)
        return facts

    def carry(self, line: Line, actions: list[Action]) -> list[Part]:
        """Actions of its machine as commands; what it tells is logged, and remembered of links."""
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
        self._out.say("warning" if loud else "info", f"session.{tell.event.name.lower()}", **fields)
        if isinstance(line, Link) and tell.event in (Told.READY, Told.LOST):
            line.ready, line.settling = tell.event is Told.READY, False
            line.failures = 0 if line.ready else line.failures
            reason = "" if tell.reason is None else tell.reason.value
            line.lost = "" if line.ready else ": ".join(filter(None, (reason, tell.text)))
        if isinstance(line, Link) and tell.event is Told.STATUS_WANTED:
            line.settling = True  # the lane asks for each order in doubt by itself

    def settle(self, in_doubt: dict[int, int], now_ns: int) -> None:
        """Links that waited for orders in doubt and have none left are reconciled."""
        for link in self.links.values():
            if link.settling and not in_doubt.get(link.conn):
                link.settling = False
                self._out.push(0, now_ns, self.carry(link, link.session.receive(Reconciled(), now_ns)))

    def retry(self, link: Link, why: str, now_ns: int) -> None:
        """Connect again after a while that grows with each failure in a row, never all at the same moment."""
        link.ready = False
        link.down, link.lost = link.lost or why, ""
        if not self.keeps:
            return
        wait_ns = link.retry_ns * min(1 << min(link.failures, BACKOFF_MAX), BACKOFF_MAX)
        wait_ns += wait_ns * self._rng.below(JITTER_PER_CENT) // 100
        # Once is enough: a venue that is away all night fills no log.
        if link.failures < LOUD_FAILURES:
            self._out.say("warning", "link.down", connection=link.name, text=why, retry_ms=wait_ns // 1_000_000)
        link.failures += 1
        link.connect_at_ns = now_ns + wait_ns

    def give_up(self) -> None:
        """From here on nothing is connected."""
        self.keeps = False
        for link in self.links.values():
            link.connect_at_ns = NEVER

    def log_out(self, now_ns: int) -> None:
        """Every session that stands says goodbye."""
        for line in self.all:
            if line.rx != lib.GW_CLOSED:
                self._out.push(0, now_ns, self.carry(line, line.session.receive(LogoutWanted("shutting down"), now_ns)))
