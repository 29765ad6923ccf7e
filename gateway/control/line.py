"""Connections as the control plane sees them: what was last seen of one, its session machine, and actions as commands.

Facts and messages of a bell are given to the machine in the order in which they can have happened; what it answers becomes parts of
one batch, each naming the epoch and the state generation of that bell.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from gateway.control.tongue import Tongue
from gateway.lane import commands
from gateway.lane.commands import At, Part
from gateway.lane.events import Bell
from gateway.lane.lane import ConnView
from gateway.lane.native import lib
from gateway.sessions.actions import (
    NEVER,
    SECOND,
    Action,
    ApplyReport,
    Attached,
    Bind,
    Close,
    Closed,
    Done,
    Evidence,
    Filled,
    GapClosed,
    GarbledLimit,
    Input,
    Resend,
    Rx,
    Send,
    SeqHigh,
    Session,
    SetNext,
    SetRx,
    SetTx,
    SetValues,
    Silent,
    Tell,
    Tx,
)
from gateway.sessions.order_api import ApiConfig, ApiServer

RX = {Rx.CLOSED: lib.GW_CLOSED, Rx.ADMIN: lib.GW_ADMIN, Rx.FLOW: lib.GW_FLOW, Rx.RECOVER: lib.GW_RECOVER, Rx.HOLD: lib.GW_HOLD}
TX = {Tx.CLOSED: lib.GW_CLOSED, Tx.ADMIN: lib.GW_ADMIN, Tx.CANCELS: lib.GW_CANCELS, Tx.OPEN: lib.GW_OPEN}
NEXT = {"rx": lib.GW_NEXT_RX, "tx": lib.GW_NEXT_TX, "token": lib.GW_NEXT_TOKEN}
RX_NAMES = {number: state.value for state, number in RX.items()}
TX_NAMES = {number: state.value for state, number in TX.items()}

# A batch takes no further message once it has this much: what one can add (a Reject, a Logout, some states) still fits behind it, and
# so does the report it may ask to be booked, which the lane takes among the first 16 parts only.
BATCH_BYTES = commands.PAYLOAD_MAX // 2
BATCH_PARTS = 10
# A peer is lost after 2.4 heartbeat intervals; FIX probes it after 1.2 (FIX 4.4 vol. 2: "some reasonable transmission time").
SILENCE_TENTHS = 24


def error_text(error: int) -> str:
    """Why a socket is gone, of gw_ev.error: 0 by us, -1 by the peer, else -1-errno."""
    return "" if error == 0 else "closed by the peer" if error == -1 else f"errno {-1 - error}"


@dataclass
class End:
    """A connection of the lane that something is said to; `at` is it as last seen."""

    conn: int
    name: str
    tongue: Tongue
    at: At = field(init=False)
    hb_ns: int = field(init=False, default=0)
    silence_ns: int = field(init=False, default=0)
    """Fixed by the protocol; 0 = follows from the heartbeat."""
    streams: bool = field(init=False, default=False)
    """What is sent again is not messages by number but the strategy's report stream from a number (order API)."""

    def __post_init__(self) -> None:
        self.at = At(self.conn)

    def parts(self, actions: list[Action]) -> tuple[list[Part], list[Tell]]:
        """The actions as commands, and what was told."""
        parts: list[Part] = []
        told: list[Tell] = []
        at = self.at
        for action in actions:
            match action:
                case Send(type=type, fields=fields, seq=seq, poss_dup=poss_dup):
                    number, body = self.tongue.say(type, fields)
                    parts.append(commands.send(at, number, body, seq or 0, poss_dup))
                case SetRx(state=rx, through=through):
                    parts.append(commands.set_rx(at, RX[rx], through or 0))
                case SetTx(state=tx):
                    parts.append(commands.set_tx(at, TX[tx]))
                case SetNext(which=which, n=n):
                    parts.append(commands.set_next(at, NEXT[which], n))
                case SetValues(heart_bt_int_s=seconds, values=values):
                    self.hb_ns = self.hb_ns if seconds is None else seconds * SECOND
                    text = b"".join(f"{name}={value}\n".encode() for name, value in values)
                    parts.append(commands.set_values(at, self.hb_ns, self.silence_ns or self.hb_ns * SILENCE_TENTHS // 10, text))
                    parts += [commands.burnt(at, int(value)) for name, value in values if name == "last_id" and value != "0"]
                case Resend(first=first, last=last):
                    parts.append(commands.stream(at, first) if self.streams else commands.resend(at, first, last))
                case Evidence(n=n, fenced=True):
                    parts.append(commands.evidence(at, lib.GW_EVIDENCE_FENCE, n))
                case Evidence():
                    pass  # that the session layer has it all releases nothing: only the engine's own answer does (R8)
                case ApplyReport(message=message):
                    parts.append(commands.apply_report(at, message.lsn))
                case Close(after_flush=after_flush, deadline_ns=deadline_ns):
                    parts.append(commands.close(at, after_flush, deadline_ns))
                case Tell():
                    told.append(action)
                case Bind():
                    raise AssertionError("Bind is the core's: it knows both connections")
                case Done():
                    pass  # one for the whole bell, at its end
        return parts, told


@dataclass
class Line(End):
    """A connection that has a session machine."""

    session: Session
    rx: int = field(init=False, default=lib.GW_CLOSED)
    tx: int = field(init=False, default=lib.GW_CLOSED)
    rx_next: int = field(init=False, default=1)
    tx_next: int = field(init=False, default=1)
    last_id: int = field(init=False, default=0)
    stream_len: int = field(init=False, default=0)
    told_epoch: int = field(init=False, default=0)
    """Of the last connection that the machine knows of."""

    def begin(self, view: ConnView) -> None:
        """Remember the connection as the lane was restored: closed, its numbers where they stood."""
        self.at, self.told_epoch = view.at, view.epoch
        self.rx, self.tx, self.rx_next, self.tx_next = view.rx, view.tx, view.rx_next, view.tx_next
        self.last_id, self.stream_len = view.last_id, view.stream_len

    def seen(self, bell: Bell) -> None:
        """Remember what the bell shows."""
        self.at = At(self.conn, bell.epoch, bell.state_gen)
        self.rx, self.tx, self.rx_next, self.tx_next = bell.rx, bell.tx, bell.rx_next, bell.tx_next
        self.last_id, self.stream_len = bell.last_id, bell.stream_len

    def inputs(self, bell: Bell) -> Iterator[tuple[Input, int]]:
        """What the bell tells the machine, each with the position it answers: a message's lsn, 0 for a fact."""
        facts = bell.facts
        if self.told_epoch != bell.epoch:
            self.told_epoch = bell.epoch
            yield Attached(bell.rx_next, bell.tx_next), 0
        if facts & lib.GW_FACT_GAP:
            yield SeqHigh(max((m.seq for m in bell.messages), default=bell.rx_next), bell.rx_next), 0
        for inbound in bell.messages:
            yield self.tongue.hear(inbound), inbound.lsn
        if bell.more:
            return  # facts may belong behind what is left for the next bell
        if facts & lib.GW_FACT_GAP_CLOSED:
            yield GapClosed(), 0
        if facts & lib.GW_FACT_ASK_AGAIN:
            yield Filled(), 0
        if facts & lib.GW_FACT_GARBLED:
            yield GarbledLimit(), 0
        if facts & lib.GW_FACT_SILENT:
            yield Silent(), 0
        if facts & lib.GW_FACT_CLOSED:
            yield Closed(error_text(bell.error)), 0


@dataclass
class Link(Line):
    """A session with a venue."""

    host: str = "127.0.0.1"
    port: int = 0
    retry_ns: int = SECOND
    lost: str = field(init=False, default="")
    """Why its machine gave up the session, in its words and the venue's; empty once that is told in `down`."""
    down: str = field(init=False, default="")
    """Why it is not connected."""
    failures: int = field(init=False, default=0)
    connect_at_ns: int = field(init=False, default=0)
    """When to connect; NEVER while it is tried or stands."""
    ready: bool = field(init=False, default=False)
    settling: bool = field(init=False, default=False)
    """True while each order in doubt is asked for by itself, because the venue has no mass status."""


@dataclass
class SeatLine(Line):
    """A strategy's session; one of `comp_ids` (its, ours) and `api_strategy` says how it is known."""

    comp_ids: tuple[str, str] | None = None
    api_strategy: str = ""
    binding: int = field(init=False, default=0)
    """The provisional connection that is being bound to it, 0 = none."""

    @property
    def taken(self) -> bool:
        """True while a socket is, or is being, bound to it: one login a strategy."""
        return self.binding != 0 or self.rx != lib.GW_CLOSED


@dataclass
class Place(End):
    """A provisional connection: free (no peer), or a stranger's. `api`: how the order API is spoken at its door, None = FIX."""

    door: str
    api: ApiConfig | None
    peer: str = field(init=False, default="")
    session: ApiServer | None = field(init=False, default=None)
    deadline_ns: int = field(init=False, default=NEVER)
