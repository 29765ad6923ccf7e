"""The order API from the strategy's side as a machine without I/O: bytes and time in, events out; requests in, bytes out.

One `ApiSession` outlives its connections: it keeps the last id used and the number of the report due next, so that after a lost
connection the stream goes on where it stopped, nothing lost, nothing twice. A shell owns socket and clock:

    session.connected(now) → send session.take_output(), give session.receive(data, now) what arrives, call session.tick(now) at
    session.deadline_ns; when an event is `Lost`, or the socket closes, session.disconnected(); then connect again or give up.

Times are ns of any clock that does not run back.
"""

import base64
import binascii
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from gateway.client import wire
from gateway.client._records import ORDER, REPORT, Value
from gateway.client.errors import NotConnected
from gateway.client.report import Report

SECOND = 1_000_000_000
LOGIN_NS = 5 * SECOND  # from the connection to the accepted login; a gateway answers within milliseconds
HEARTBEAT_NS = 1 * SECOND  # our silence before a heartbeat; a gateway that hears nothing cancels our orders
SILENCE_NS = 15 * SECOND  # the gateway's silence before the connection counts as lost: as for SoupBinTCP, and its lane may be stopped for a while
NEVER = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Key:
    """Who logs on: the strategy's name and its secret."""

    strategy: str
    secret: bytes

    def __repr__(self) -> str:
        return f"Key({self.strategy!r}, …)"


@dataclass(frozen=True, slots=True)
class Ready:
    """Logged on: requests may be made."""

    gateway: str
    last_id: int
    """The highest id of this strategy that the gateway has; what was sent above it never arrived."""
    restarted: bool
    """True if the gateway is another process than at the last login: what it does not know may have died with it."""


@dataclass(frozen=True, slots=True)
class Error:
    """The gateway could not take the frame whose number was ref_seq."""

    ref_seq: int
    text: str


@dataclass(frozen=True, slots=True)
class Lost:
    """This connection is over; `again`: connecting anew may help."""

    reason: str
    again: bool


Event = Ready | Report | Error | Lost


class State(Enum):
    """Where a connection stands."""

    DOWN = "not connected"
    AWAIT_HELLO = "waiting for the gateway's greeting"
    AWAIT_ANSWER = "waiting for the answer to the login"
    OPEN = "open"


def parse_key(text: str, source: str) -> Key:
    """The key of a key file, `STRATEGY:BASE64`. Raises: ValueError that names `source`, never the secret."""
    strategy, colon, secret = text.strip().partition(":")
    if not colon or not 0 < len(strategy) <= 16 or not strategy.isascii() or not strategy.isprintable():
        raise ValueError(f"{source}:1: not a key; write STRATEGY:BASE64, the strategy's name of at most 16 characters and its secret")
    try:
        raw = base64.b64decode(secret, validate=True)
    except binascii.Error:
        raw = b""
    if len(raw) < 16:
        raise ValueError(f"{source}:1: the secret after {strategy}: is not base64 of 16 bytes or more (32 are usual)")
    return Key(strategy, raw)


class ApiSession:
    """One strategy's session with one gateway, over as many connections as it takes.

    next_seq: number of the first report wanted; 0 = only what is reported from the login on.
    first_id: ids begin here at the least. Ids must rise over the whole life of a strategy, also where neither side remembers
    (its process is new, and the gateway's machine lost power), so that a clock is a good source: a shell gives microseconds.
    """

    def __init__(self, key: Key, *, first_id: int = 1, next_seq: int = 0) -> None:
        self.key = key
        self.state = State.DOWN
        self.next_seq = next_seq
        self.last_id = 0
        self.duplicates = 0
        """Reports that came again and were dropped."""
        self._first_id = first_id
        self._epoch: int | None = None
        self._gateway = ""
        self._in = bytearray()
        self._out = bytearray()
        self._heard_ns = self._sent_ns = 0

    @property
    def deadline_ns(self) -> int:
        """The earliest moment at which tick() has work."""
        match self.state:
            case State.DOWN:
                return NEVER
            case State.OPEN:
                return min(self._sent_ns + HEARTBEAT_NS, self._heard_ns + SILENCE_NS)
        return self._heard_ns + LOGIN_NS

    def connected(self, now_ns: int) -> None:
        """A connection stands; the gateway speaks first."""
        assert self.state is State.DOWN, f"connected while {self.state.value}"
        self.state = State.AWAIT_HELLO
        self._heard_ns = self._sent_ns = now_ns
        self._in.clear()
        self._out.clear()

    def disconnected(self) -> None:
        """The connection is gone, with every byte that was not taken."""
        self.state = State.DOWN
        self._in.clear()
        self._out.clear()

    def take_output(self) -> bytes:
        """What is to be sent now."""
        data = bytes(self._out)
        self._out.clear()
        return data

    def tick(self, now_ns: int) -> list[Event]:
        """Do what is due: a heartbeat, or give the connection up."""
        if self.state is State.DOWN:
            return []
        if self.state is not State.OPEN:
            return [self._lost(f"no answer within {LOGIN_NS // SECOND} s while {self.state.value}")] if now_ns >= self.deadline_ns else []
        if now_ns - self._heard_ns >= SILENCE_NS:
            return [self._lost(f"the gateway was silent for {SILENCE_NS // SECOND} s")]
        if now_ns - self._sent_ns >= HEARTBEAT_NS:
            self._send(wire.frame(b"H"), now_ns)
        return []

    def receive(self, data: bytes, now_ns: int) -> list[Event]:
        """What `data` brings, in order; a `Lost` is the last."""
        if self.state is State.DOWN:
            return []
        self._in += data
        if self.state is State.OPEN and data:
            self._heard_ns = now_ns
        events: list[Event] = []
        try:
            while frame := wire.take(self._in):
                events += self._take(frame, now_ns)
        except (wire.WireError, ValueError) as error:
            events.append(self._lost(f"the gateway sent {error}"))
        return events

    def request(self, kind: str, values: Mapping[str, Value], now_ns: int) -> int:
        """Queue a request (`kind` is its FIX MsgType: D F G H q) with the next id, and return the id.

        Raises: NotConnected; ValueError for a field that is unknown or does not fit. Then nothing is queued and no id is used.
        """
        if self.state is not State.OPEN:
            raise NotConnected(f"no session with the gateway ({self.state.value}); the request was not sent")
        id = max(self.last_id + 1, self._first_id)
        record = ORDER.pack({**values, "kind": kind, "cl_ord_num": id})
        self.last_id = id
        self._send(wire.request(kind, id, record), now_ns)
        return id

    def logout(self, now_ns: int) -> None:
        """Say that we leave; the gateway answers with an End and closes."""
        if self.state is State.OPEN:
            self._send(wire.frame(b"O"), now_ns)

    def _send(self, frame: bytes, now_ns: int) -> None:
        self._out += frame
        self._sent_ns = now_ns

    def _lost(self, reason: str, *, again: bool = True) -> Lost:
        self.disconnected()
        return Lost(reason, again)

    def _take(self, frame: wire.Frame, now_ns: int) -> list[Event]:
        match frame.type, self.state:
            case b"h", State.AWAIT_HELLO:
                nonce, name = wire.HELLO.unpack(frame.body)
                self._gateway = wire.words(name)
                mac = hmac.digest(self.key.secret, nonce, "sha256")
                self._send(wire.login(self.key.strategy, self.last_id, self.next_seq, mac), now_ns)
                self.state = State.AWAIT_ANSWER
                return []
            case b"A", State.AWAIT_ANSWER:
                next_seq, last_id, epoch = wire.ACCEPTED.unpack(frame.body)
                return [self._accepted(next_seq, last_id, epoch, now_ns)]
            case b"J", State.AWAIT_ANSWER:
                text = wire.words(frame.body)
                return [self._lost(f"the gateway refused the login of {self.key.strategy}: {text}", again=self._epoch is not None)]
            case b"S", State.OPEN:
                return self._report(frame)
            case b"E", State.OPEN:
                ref_seq, raw = wire.ERROR.unpack(frame.body)
                return [Error(ref_seq, wire.words(raw))]
            case b"H", State.OPEN:
                return []
            case b"Z", _:
                return [self._lost(f"the gateway ended the session: {wire.words(frame.body) or 'no reason given'}")]
        return [self._lost(f"the gateway sent a frame {frame.type.decode()} while {self.state.value}", again=False)]

    def _accepted(self, next_seq: int, last_id: int, epoch: int, now_ns: int) -> Event:
        if self.next_seq and next_seq != self.next_seq:
            return self._lost(
                f"report {self.next_seq} is due, but the gateway's stream goes on with {next_seq}: it is not the stream of before; "
                "begin anew with a new client",
                again=False,
            )
        restarted = self._epoch is not None and epoch != self._epoch
        self._epoch = epoch
        self.next_seq = next_seq
        self.last_id = max(self.last_id, last_id)
        self._heard_ns = now_ns
        self.state = State.OPEN
        return Ready(self._gateway, last_id, restarted)

    def _report(self, frame: wire.Frame) -> list[Event]:
        if frame.seq < self.next_seq:
            self.duplicates += 1
            return []
        if frame.seq > self.next_seq:
            return [self._lost(f"the gateway sent report {frame.seq} where {self.next_seq} is due")]
        report = Report(REPORT.unpack(frame.body), frame.seq)
        self.next_seq += 1
        return [report]
