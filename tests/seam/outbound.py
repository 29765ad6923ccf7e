"""Model A, one order outward: strategy, queue, gate, number, journal, send; a venue whose session layer is quick and whose engine is slow.

States of the order and what each tx lets out are read from the lane's own tables. The journal has a durable prefix; a kill leaves it
whole, a power cut leaves any prefix from the durable one on; both may happen again while the gateway recovers. Rules of SEAM are flags:
with one off, `search` shows the shortest trace that breaks an invariant.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from gateway.lane.native import lib
from tests.seam.search import Broken, Move

# Rule → what it says. Each is a flag of the model.
RULES = {
    "R5 wait": "at group an accepted order leaves, and is told, only when its record is durable",
    "R5b generation": "the gate compares the generation an order was accepted under, not only the latch's present value",
    "R5c stale": "what is queued for new risk does not cross a connection's epoch",
    "R5c cancel": "a cancel that is wanted is wanted again when its number is filled over, or its connection or process dies",
    "R5d fill": "a gap fill is no evidence: what it covers is in doubt, and asked for",
    "R5e mark": "numbers are under a durable watermark, and after a lost tail they go on from it",
    "R5e burn": "ids that a strategy has used and a journal without its tail does not know are never accepted again",
    "R8 fence": "an order absent from the replay is released only behind an answer to something sent later",
    "T8 doubt": "without OUT an accepted order was not sent only if the ring survived",
    "T8 record": "what a restart concludes is one record, durable before the first byte",
    "T8 adopt": "a report under an id of the lost tail is matched to the order it was accepted for",
}
SENT, NEW, QUEUED, FREE = lib.ST_SENT, lib.ST_NEW, lib.ST_QUEUED, lib.ST_FREE
OVER = frozenset({lib.ST_CANCELED, lib.ST_DENIED, lib.ST_REJECTED})
MARK_STEP = 8  # numbers granted at once
NUMBER_MAX = 30  # beyond it a run is cut: only the watermark's jumps come so far


class Budget(NamedTuple):
    """How often each thing may happen."""

    kill: int = 0
    power: int = 0
    cut: int = 0
    engage: int = 0
    rearm: int = 0
    repeat: int = 0
    """Resend requests of the venue's own."""
    cancel: int = 0


class State(NamedTuple):
    up: bool = False
    lost: bool = False
    """The tail was lost in the death before."""
    tx: int = lib.GW_CLOSED
    epoch: int = 0
    # the lane's order
    order: int = FREE
    doubt: bool = False
    number: int = 0
    generation: int = 0
    accepted_in: int = 0
    cancel: str = "-"  # - wanted, sent, done
    cancel_number: int = 0
    asked_in: int = 0
    """The epoch in which the status of the order was asked for."""
    # numbers and journal
    next: int = 1
    mark: int = 0
    known_mark: int = 0
    journal: tuple[tuple[object, ...], ...] = ()
    durable: int = 0
    # the latch, and what the lane has seen of it
    latch: int = 0
    dropped: bool = False
    # the line and the venue
    line: tuple[tuple[int, str, int], ...] = ()
    """(number, what, up to): frames under way; GAP fills number .. up to."""
    resend: int = 0
    login: int = 0
    """0 none, 1 Logon sent, 2 accepted: and what the venue had said until then is what the replay has."""
    target: int = 0
    expects: int = 1
    engine: tuple[str, ...] = ()
    book: str = "-"
    """The order at the venue: - live, canceled."""
    entered: int = 0
    said: tuple[str, ...] = ()
    heard: int = 0
    bodies: tuple[tuple[int, str], ...] = ()
    """What each number has meant on the line."""
    # the strategy
    strategy: str = "-"
    """- sent, told (accepted), over; and whether it has logged on since the last restart."""
    logged_on: bool = True
    left: Budget = Budget()


@dataclass(frozen=True)
class Model:
    """`off`: the rules that are taken out. `level`: async or group."""

    level: str
    budget: Budget
    off: frozenset[str] = frozenset()

    def has(self, rule: str) -> bool:
        assert rule in RULES, rule
        return rule not in self.off

    def start(self) -> State:
        return State(up=True, left=self.budget, mark=MARK_STEP, known_mark=MARK_STEP)

    # ------------------------------------------------------------------------------------------------------------- small

    @staticmethod
    def out(what: int, tx: int) -> int:
        """The cell of the lane's outbound table."""
        return int(lib.gw_table_out(what, tx))

    def move(self, s: State, event: int) -> State:
        """The order's state by the lane's own table; what is over is settled with everything about it."""
        order = int(lib.gw_order_next(s.order, event)) or s.order
        s = s._replace(order=order)
        if order in OVER:
            if order != lib.ST_CANCELED and (s.book == "live" or (s.entered and s.book == "-")):
                raise Broken("released, but live at the venue")
            s = self.write(s._replace(doubt=False, cancel="done" if s.cancel != "-" else "-"), "over", order)
            if s.strategy in ("sent", "told"):
                s = s._replace(strategy="over")
        return s

    @staticmethod
    def write(s: State, *record: object) -> State:
        return s._replace(journal=(*s.journal, record))

    @staticmethod
    def spend(s: State, what: str) -> State:
        return s._replace(left=s.left._replace(**{what: getattr(s.left, what) - 1}))

    def emit(self, s: State, what: str) -> State:
        """Number, journal and send in one pass."""
        number = s.next
        s = self.write(s._replace(next=number + 1), "out", number, what, s.mark)
        return self.on_line(s, number, what)

    def on_line(self, s: State, number: int, what: str) -> State:
        meant = dict(s.bodies)
        body = f"{what}/{s.epoch}" if what in ("logon", "status") else what
        if meant.setdefault(number, body) != body:
            raise Broken(f"number {number} means {meant[number]} and {body}")
        return s._replace(bodies=tuple(sorted(meant.items())), line=(*s.line, (number, what, number)))

    def want_cancel(self, s: State) -> State:
        if s.order in OVER or s.order == FREE:
            return s
        return self.move(s, lib.EVT_DENY) if s.order == QUEUED else s._replace(cancel="wanted")

    def doubted(self, s: State) -> State:
        return s._replace(doubt=True, asked_in=0)

    # ------------------------------------------------------------------------------------------------------- the gateway

    def moves(self, s: State) -> Iterator[Move[State]]:
        if s.next >= NUMBER_MAX:
            return
        if s.line:
            yield f"the venue takes {s.line[0]}", self.take
        if s.engine:
            yield f"the engine does {s.engine[0]}", self.engine
        if not s.up:
            yield "restart", self.restart
            yield from self.surroundings(s)
            return
        if s.durable < len(s.journal) and self.level == "group":
            yield "the disk has it all", lambda s: s._replace(durable=len(s.journal))
        if s.next + 4 > s.mark:
            yield "a higher watermark is durable", lambda s: s._replace(mark=s.mark + MARK_STEP, known_mark=s.mark + MARK_STEP)
        if not s.logged_on:
            yield "the strategy logs on, and names the last id it used", self.strategy_back
        if s.tx == lib.GW_CLOSED:
            yield "connect", self.connect
        yield from self.session(s)
        yield from self.binding(s)
        if s.strategy == "sent" and s.order not in (FREE, *OVER) and (self.level == "async" or not self.has("R5 wait") or self.accepted_durably(s)):
            yield "told accepted", lambda s: s._replace(strategy="told")
        yield from self.surroundings(s)

    def accepted_durably(self, s: State) -> bool:
        return any(record[0] in ("accept", "burnt") for record in s.journal[: s.durable])

    def can_number(self, s: State) -> bool:
        return not self.has("R5e mark") or s.next < s.mark

    def connect(self, s: State) -> State:
        return s._replace(tx=lib.GW_ADMIN, epoch=s.epoch + 1, login=0, line=(), resend=0)

    def session(self, s: State) -> Iterator[Move[State]]:
        """Logon, the replay of what was said, the fence, open."""
        if s.tx == lib.GW_CLOSED:
            return
        if s.login == 0 and self.can_number(s):
            yield "Logon", lambda s: self.emit(s, "logon")._replace(login=1)
        if s.login == 2 and s.heard < len(s.said):
            yield f"report: {s.said[s.heard]}", self.report
        if s.resend and s.login == 2 and self.out(lib.OUT_SESSION, s.tx) == lib.OACT_YES:
            yield f"the lane fills {s.resend} to {s.next}", self.fill
        replayed = s.login == 2 and s.heard >= s.target and not s.resend
        if not replayed:
            return
        if s.doubt and not self.has("R8 fence") and s.order == SENT:
            yield "absent from the replay: released", lambda s: self.release(s)
        if s.doubt and s.asked_in != s.epoch and self.can_number(s):
            yield "the status is asked for", lambda s: self.emit(s, "status")._replace(asked_in=s.epoch)
        if s.tx == lib.GW_ADMIN:
            yield "tx: cancels", lambda s: s._replace(tx=lib.GW_CANCELS)
        elif s.tx == lib.GW_CANCELS and not s.doubt:
            yield "tx: open", lambda s: s._replace(tx=lib.GW_OPEN)

    def release(self, s: State) -> State:
        return self.move(self.move(s, lib.EVT_VOID), lib.EVT_DENY)

    def binding(self, s: State) -> Iterator[Move[State]]:
        """Queue, gate, number, send; cancels first."""
        if s.cancel == "wanted" and s.order not in (FREE, QUEUED, *OVER) and self.out(lib.OUT_CANCEL, s.tx) == lib.OACT_YES and s.login == 2:
            if self.can_number(s):
                yield "the cancel leaves", lambda s: self.emit(s._replace(cancel="sent", cancel_number=s.next), "cancel")
            return
        if s.order != QUEUED:
            return
        if self.out(lib.OUT_NEW, s.tx) != lib.OACT_GATE:
            if self.has("R5c stale"):
                yield "denied: the venue is not open", lambda s: self.move(s, lib.EVT_DENY)
            return
        if s.dropped or (self.has("R5b generation") and s.generation != s.latch):
            yield "denied at the gate", lambda s: self.move(s, lib.EVT_DENY)
        elif (self.level == "async" or not self.has("R5 wait") or self.accepted_durably(s)) and self.can_number(s):
            yield "the order leaves", self.send_order

    def send_order(self, s: State) -> State:
        if s.dropped:
            raise Broken("new risk leaves behind the latch")
        if s.generation != s.latch:
            raise Broken("an order that was accepted before the kill leaves behind its rearming")
        if s.accepted_in != s.epoch:
            raise Broken("an order leaves on another connection than it was accepted for")
        number = s.next
        s = self.emit(s, "order")
        return s._replace(order=int(lib.gw_order_next(QUEUED, lib.EVT_SEND)), number=number)

    def fill(self, s: State) -> State:
        """One gap fill, to the first number that was not handed to the socket."""
        begin, end = s.resend, s.next
        s = s._replace(resend=0, line=(*s.line, (begin, "GAP", end)))
        if s.order == SENT and begin <= s.number < end:
            s = self.doubted(s) if self.has("R5d fill") else self.release(s)
        if s.cancel == "sent" and begin <= s.cancel_number < end and self.has("R5c cancel"):
            s = s._replace(cancel="wanted")
        return s

    def report(self, s: State) -> State:
        said = s.said[s.heard]
        s = self.write(s._replace(heard=s.heard + 1), "in", said)
        if s.order == FREE:
            return s  # nobody's: the strategy's logon says that it was
        known = s.number > 0 or self.has("T8 adopt") or said.startswith("status")
        if said in ("new", "status live"):
            if not known:
                return s
            if s.order in (lib.ST_DENIED, lib.ST_REJECTED):
                raise Broken("a report of life for an order that was released")
            return self.move(s._replace(doubt=False, strategy="told" if s.strategy == "sent" else s.strategy), lib.EVT_NEW)
        if said in ("canceled", "status canceled"):
            return self.move(s._replace(doubt=False), lib.EVT_CANCELED) if known else s
        if said == "status unknown":
            return self.release(s) if s.order == SENT and s.doubt else s
        assert said == "cancel refused", said
        return s._replace(cancel="done") if s.cancel != "-" else s

    # ----------------------------------------------------------------------------------------------------------- the venue

    def take(self, s: State) -> State:
        """Its session layer."""
        (number, what, end), s = s.line[0], s._replace(line=s.line[1:])
        if what == "GAP":
            return s._replace(expects=max(s.expects, end)) if number <= s.expects else s._replace(resend=s.expects)
        if what == "logon":
            if number < s.expects:
                raise Broken(f"Logon {number} is too low for the venue, which expects {s.expects}")
            s = s._replace(login=2, target=len(s.said))
        if number < s.expects:
            raise Broken(f"number {number} is too low for the venue, which expects {s.expects}")
        if number > s.expects:
            return s._replace(resend=s.resend or s.expects)
        s = s._replace(expects=number + 1)
        return s if what == "logon" else s._replace(engine=(*s.engine, what))

    def engine(self, s: State) -> State:
        """Its engine, at its own time."""
        what, s = s.engine[0], s._replace(engine=s.engine[1:])
        if what == "order":
            if s.entered:
                raise Broken("the order is at the venue twice")
            if s.up and s.order in (lib.ST_DENIED, lib.ST_REJECTED):
                raise Broken("an order that was released comes alive at the venue")
            return s._replace(entered=1, book="live", said=(*s.said, "new"))
        if what == "cancel":
            return s._replace(book="canceled", said=(*s.said, "canceled")) if s.book == "live" else s._replace(said=(*s.said, "cancel refused"))
        return s._replace(said=(*s.said, {"live": "status live", "canceled": "status canceled", "-": "status unknown"}[s.book]))

    # ----------------------------------------------------------------------------------------------------- death and return

    def restart(self, s: State) -> State:
        """Apply the journal, then conclude."""
        s = s._replace(up=True, tx=lib.GW_CLOSED, order=FREE, doubt=False, number=0, cancel="-", cancel_number=0, asked_in=0, heard=0, next=1,
                       known_mark=MARK_STEP, logged_on=False, login=0, resend=0)  # fmt: skip
        for record in s.journal:
            s = self.applied(s, record)
        if s.lost:
            concluded: tuple[object, ...] = ("restart", "lost", s.mark)
        else:
            concluded = ("restart", "whole", 0)
        if self.has("T8 record"):
            s = self.write(s, *concluded)
        left = s.entered or "order" in s.engine or any(what == "order" for _, what, _ in s.line)
        if self.level == "group" and left and s.order == FREE:
            raise Broken("an order that left is not in the journal")
        return self.applied(s, concluded)._replace(durable=len(s.journal), lost=False)

    def applied(self, s: State, record: tuple[object, ...]) -> State:
        match record:
            case ("accept", int(generation), int(epoch)):
                return s._replace(order=QUEUED, generation=generation, accepted_in=epoch)
            case ("burnt",):
                return s._replace(order=SENT, doubt=True)
            case ("out", int(number), "order", _):
                return s._replace(order=SENT, number=number, next=number + 1)
            case ("out", int(number), "cancel", _):
                return s._replace(cancel="sent", cancel_number=number, next=number + 1)
            case ("out", int(number), _, _):
                return s._replace(next=number + 1)
            case ("wanted",):
                return s._replace(cancel="wanted")
            case ("over", int(order)):
                return s._replace(order=order, doubt=False, cancel="done" if s.cancel != "-" else "-")
            case ("in", str(said)):
                s = s._replace(heard=s.heard + 1)
                if said in ("new", "status live") and s.order == SENT and (s.number or self.has("T8 adopt")):
                    return s._replace(order=NEW, doubt=False)
                return s._replace(cancel="done") if said == "cancel refused" and s.cancel != "-" else s
            case ("restart", how, int(mark)):
                return self.concluded(s, how == "lost", mark)
        raise AssertionError(record)

    def concluded(self, s: State, lost: bool, mark: int) -> State:
        if lost and self.has("R5e mark"):
            s = s._replace(next=max(s.next, mark))
        if s.order == QUEUED:
            if lost and self.has("T8 doubt"):
                s = self.doubted(s._replace(order=SENT))
            else:
                s = self.move(s, lib.EVT_DENY) if s.up else s
        elif s.order == SENT or (lost and s.order not in (FREE, *OVER)):
            s = self.doubted(s)
        if s.cancel == "sent" and self.has("R5c cancel") and s.order not in OVER:
            s = s._replace(cancel="wanted")
        return s

    def strategy_back(self, s: State) -> State:
        s = s._replace(logged_on=True)
        if s.strategy in ("sent", "told") and s.order == FREE:
            if self.has("R5e burn"):
                return self.doubted(self.write(s._replace(order=SENT), "burnt"))
            if self.level == "group" and s.strategy == "told":
                raise Broken("an order that was told as accepted is forgotten")
            return s._replace(strategy="again")
        return s

    def dead(self, s: State, keep: int) -> State:
        return s._replace(up=False, tx=lib.GW_CLOSED, lost=s.lost or keep < 0, login=0, resend=0)

    def surroundings(self, s: State) -> Iterator[Move[State]]:
        left = s.left
        if s.up and left.kill:
            yield "! SIGKILL", lambda s: self.spend(self.dead(s, 0), "kill")
        if s.up and left.power:
            for keep in range(s.durable if self.level == "group" else min(s.durable, len(s.journal)), len(s.journal) + 1):
                yield f"! power cut, {keep} of {len(s.journal)} records kept", self.power(keep)
        if not s.up:
            if s.line:
                yield "! what was under way is lost", lambda s: s._replace(line=())
            return
        if left.cut and s.tx != lib.GW_CLOSED:
            yield "! the connection is cut, nothing of what is under way arrives", lambda s: self.spend(self.cut(s), "cut")
        if left.engage and not s.dropped:
            yield "! kill switch engaged", lambda s: self.spend(self.engaged(s), "engage")
        if left.rearm and s.dropped:
            yield "! rearmed", lambda s: self.spend(s._replace(dropped=False), "rearm")
        if left.repeat and s.login == 2 and s.expects > 1 and not s.resend:
            yield "! the venue asks again", lambda s: self.spend(s._replace(resend=1), "repeat")
        if s.strategy in ("-", "again") and s.logged_on:
            yield "! the strategy sends the order", self.submit
        if left.cancel and s.strategy == "told" and s.cancel == "-" and s.order not in (FREE, *OVER) and s.logged_on:
            yield "! the strategy cancels", lambda s: self.spend(self.want_cancel(self.write(s, "wanted") if s.order != QUEUED else s), "cancel")

    def power(self, keep: int) -> Callable[[State], State]:
        return lambda s: self.spend(self.dead(s._replace(journal=s.journal[:keep], durable=keep), -1), "power")

    def cut(self, s: State) -> State:
        s = s._replace(tx=lib.GW_CLOSED, login=0, resend=0, line=())
        if s.order == SENT:
            s = self.doubted(s)
        if s.cancel == "sent" and self.has("R5c cancel"):
            s = s._replace(cancel="wanted")
        if s.order == QUEUED and self.has("R5c stale"):
            s = self.move(s, lib.EVT_DENY)
        return s

    def engaged(self, s: State) -> State:
        """The word in the latch file; the lane looks at it at its gate."""
        s = s._replace(dropped=True, latch=s.latch + 1)
        return self.want_cancel(self.write(s, "wanted")) if s.order not in (FREE, QUEUED, *OVER) else s

    def submit(self, s: State) -> State:
        s = s._replace(strategy="sent")
        if s.dropped or s.order != FREE or self.out(lib.OUT_NEW, s.tx) != lib.OACT_GATE:
            return s._replace(strategy="over") if s.order == FREE else s
        return self.write(s._replace(order=QUEUED, generation=s.latch, accepted_in=s.epoch, number=0), "accept", s.latch, s.epoch)

    # --------------------------------------------------------------------------------------------------------------- at rest

    def at_rest(self, s: State) -> None:
        if s.next >= NUMBER_MAX:
            return
        if s.tx != lib.GW_OPEN:
            raise Broken(f"at rest with tx {s.tx}")
        if s.doubt or s.order == QUEUED:
            raise Broken("in doubt or queued for ever")
        if s.book == "live" and s.cancel != "-":
            raise Broken("a cancel was lost")
        if s.book == "live" and s.order not in (lib.ST_NEW, FREE):
            raise Broken("live at the venue, over for the lane")
        if s.book == "live" and s.order == FREE and s.strategy != "over":
            raise Broken("live at the venue, and nobody knows")
        if s.order == NEW and s.book != "live":
            raise Broken("open for the lane, dead at the venue")
        if s.strategy == "told" and s.order == FREE:
            raise Broken("an order that was told as accepted is forgotten")
