"""The server side of the native order API's session: Hello with a nonce, a login proved by HMAC, resume of the report stream.

One machine is one connection, made with a nonce that nobody has seen before. Who a connection is shows only in its Login, so the verdict
brings what belongs to the strategy: the next number of its stream, its last known id, the epoch. It is the caller's, because only he
knows the keys and who is connected already; on replay it is the recorded one.
Spec: gateway/codecs/layouts/house/order_api.toml. The proof is HMAC-SHA256 of the nonce's 32 bytes under the strategy's key.
"""

import hashlib
import hmac
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from gateway.sessions.actions import (
    SECOND,
    Action,
    Attached,
    Bind,
    Closed,
    GarbledLimit,
    Input,
    LocalProtocolError,
    LogoutWanted,
    Message,
    Reason,
    Resend,
    Send,
    SetValues,
    Silent,
)
from gateway.sessions.machine import Machine, build

NONCE_BYTES = 32
TEXT_MAX = 64  # of the text fields of LoginRejected, Error and End


class State(StrEnum):
    DOWN = "DOWN"
    AWAIT_LOGIN = "AWAIT_LOGIN"  # Hello is out
    OPEN = "OPEN"
    CLOSING = "CLOSING"


class Event(StrEnum):
    ATTACHED = "ATTACHED"
    CLOSED = "CLOSED"
    TIMEOUT = "TIMEOUT"
    LOGOUT_WANTED = "LOGOUT_WANTED"
    SILENT = "SILENT"
    FAULT = "FAULT"  # a frame that cannot be
    LOGIN = "LOGIN"
    LOGIN_BAD = "LOGIN_BAD"  # unknown, wrong proof, already connected, or a number beyond the stream
    LOGOUT = "LOGOUT"
    MALFORMED = "MALFORMED"  # a request that could not be decoded
    NOTICE = "NOTICE"  # any other message


@dataclass(frozen=True, slots=True)
class Granted:
    """The verdict that lets a strategy in: `next_seq` is the number its next report will get."""

    strategy: str
    next_seq: int
    last_id: int
    epoch: int


Authenticate = Callable[[Message, bytes], Granted | str]  # a Login and the nonce → granted, or the reason that the peer is told


@dataclass(frozen=True, slots=True)
class ApiConfig:
    """The order API's door."""

    name: str = "portcullis"  # shown in Hello
    heart_bt_int_s: int = 5  # a strategy is found dead after about twice that
    login_timeout_ns: int = 5 * SECOND
    close_timeout_ns: int = 1 * SECOND


ENDINGS: dict[Event | State, tuple[Reason, str]] = {
    Event.CLOSED: (Reason.PEER_CLOSED, ""),
    Event.LOGOUT_WANTED: (Reason.LOGOUT, ""),
    Event.SILENT: (Reason.SILENT, ""),
    Event.FAULT: (Reason.GARBLED, "a frame that cannot be"),
    Event.LOGIN: (Reason.PROTOCOL, "a second Login"),
    Event.LOGIN_BAD: (Reason.LOGON_INVALID, ""),
    Event.LOGOUT: (Reason.PEER_LOGOUT, ""),
    Event.MALFORMED: (Reason.NOT_LOGON, "the first message must be Login"),
    Event.NOTICE: (Reason.NOT_LOGON, "the first message must be Login"),
    State.AWAIT_LOGIN: (Reason.LOGON_TIMEOUT, "no Login in time"),
}

_S, _E = State, Event

TABLE = build(
    "order API server",
    _S,
    (
        ((_S.DOWN,), (_E.ATTACHED,), "admin hello", _S.AWAIT_LOGIN),
        ((_S.AWAIT_LOGIN,), (_E.LOGIN,), "bind values accept flow resume open", _S.OPEN),
        ((_S.AWAIT_LOGIN,), (_E.LOGIN_BAD, _E.MALFORMED, _E.NOTICE, _E.TIMEOUT), "reject lost close", _S.CLOSING),
        ((_S.AWAIT_LOGIN,), (_E.LOGOUT, _E.SILENT, _E.FAULT, _E.LOGOUT_WANTED), "lost close_now", _S.CLOSING),
        ((_S.OPEN,), (_E.MALFORMED,), "error odd", None),
        ((_S.OPEN,), (_E.NOTICE,), "odd", None),
        ((_S.OPEN,), (_E.LOGIN, _E.FAULT, _E.LOGOUT_WANTED), "quiet end lost close", _S.CLOSING),
        ((_S.OPEN,), (_E.LOGOUT,), "lost close", _S.CLOSING),
        ((_S.OPEN,), (_E.SILENT,), "lost close_now", _S.CLOSING),
        ((_S.AWAIT_LOGIN, _S.OPEN), (_E.CLOSED,), "lost", _S.DOWN),
        ((_S.CLOSING,), (_E.CLOSED,), "", _S.DOWN),
    ),
    (
        # A process that begins hears again what its forerunner had not answered; its connection is gone, and what it says with it.
        ((_S.DOWN,), tuple(event for event in _E if event not in (_E.ATTACHED, _E.CLOSED, _E.TIMEOUT, _E.LOGIN))),
        ((_S.CLOSING,), tuple(event for event in _E if event not in (_E.ATTACHED, _E.CLOSED, _E.TIMEOUT, _E.LOGIN_BAD))),
    ),
)


def login_mac(key: bytes, nonce: bytes) -> bytes:
    """The proof that a client knows `key`: 32 bytes."""
    return hmac.new(key, nonce, hashlib.sha256).digest()


def proves(login: Message, key: bytes, nonce: bytes) -> bool:
    """Whether the Login's mac, bytes or hexadecimal, is right; takes the same time whatever it is."""
    mac = login.get("mac")
    if isinstance(mac, bytes):
        mac = mac.hex()
    return isinstance(mac, str) and hmac.compare_digest(mac.encode(), login_mac(key, nonce).hex().encode())


class ApiServer(Machine[State, Event]):
    """One connection of a strategy."""

    name = "order API server"
    timeout = Event.TIMEOUT
    endings = ENDINGS

    def __init__(self, config: ApiConfig, nonce: bytes, authenticate: Authenticate) -> None:
        assert len(nonce) == NONCE_BYTES, f"a nonce has {NONCE_BYTES} bytes, not {len(nonce)}"
        super().__init__(TABLE, State.DOWN, config.close_timeout_ns)
        self.config = config
        self.granted: Granted | None = None
        self._nonce = nonce
        self._authenticate = authenticate

    def _timeout_ns(self) -> int | None:
        return self.config.login_timeout_ns if self.state is State.AWAIT_LOGIN else None

    def _class_of(self, what: Input) -> Event:
        match what:
            case Message(fault=fault) if fault is not None:
                self._text = fault.text if self.state is State.OPEN else ""
                return Event.MALFORMED
            case Message(type="Login"):
                return self._class_of_login(what)
            case Message(type="Logout"):
                return Event.LOGOUT
            case Message():
                return Event.NOTICE
            case Attached():
                return Event.ATTACHED
            case Closed():
                return Event.CLOSED
            case Silent():
                return Event.SILENT
            case GarbledLimit():
                return Event.FAULT
            case LogoutWanted():
                return Event.LOGOUT_WANTED
        raise LocalProtocolError(f"{self.name}: {what} is no input of the order API, whose stream has no gaps")

    def _class_of_login(self, login: Message) -> Event:
        if self.state is not State.AWAIT_LOGIN:
            return Event.LOGIN
        verdict = self._authenticate(login, self._nonce)
        if isinstance(verdict, str):
            self._text = verdict
            return Event.LOGIN_BAD
        wanted = login.number("next_seq") or 0
        if wanted > verdict.next_seq:
            self._text = f"next_seq {wanted} is beyond the stream, whose next is {verdict.next_seq}"
            return Event.LOGIN_BAD
        self.granted = verdict
        return Event.LOGIN

    def _ours(self) -> Granted:
        assert self.granted is not None, "only a granted login goes on"
        return self.granted

    def _first(self) -> int:
        """The first report to send: the one asked for; 0 asks for what is new."""
        return self._message().number("next_seq") or self._ours().next_seq

    def _hello(self) -> Iterator[Action]:
        yield Send("Hello", (("nonce", self._nonce), ("name", self.config.name)))

    def _bind(self) -> Iterator[Action]:
        yield Bind(self._ours().strategy)

    def _values(self) -> Iterator[Action]:
        """The strategy's last used id goes to the lane: above the last one of a journal that lost its tail all are in doubt (R5e)."""
        last_id = self._message().number("last_id") or 0
        yield SetValues(heart_bt_int_s=self.config.heart_bt_int_s, values=(("last_id", str(last_id)),))

    def _accept(self) -> Iterator[Action]:
        granted = self._ours()
        yield Send("LoginAccepted", (("next_seq", self._first()), ("last_id", granted.last_id), ("epoch", granted.epoch)))

    def _resume(self) -> Iterator[Action]:
        if self._first() < self._ours().next_seq:
            yield Resend(self._first(), self._ours().next_seq - 1)

    def _reject(self) -> Iterator[Action]:
        yield Send("LoginRejected", (("text", self._short()),))

    def _error(self) -> Iterator[Action]:
        yield Send("Error", (("ref_seq", self._message().seq), ("text", self._short())))

    def _end(self) -> Iterator[Action]:
        yield Send("End", (("text", self._short()),))

    def _short(self) -> str:
        text = self._text or self._peer_text() or (self._ending()[1] if self.state is State.AWAIT_LOGIN or self._event in ENDINGS else "")
        return text[:TEXT_MAX]
