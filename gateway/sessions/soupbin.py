"""The SoupBinTCP session machines, client and server; the client fences itself with OUCH's AccountQuery before it trades (SEAM T3).

Theory of operation. The rim frames packets, counts sequenced ones in and out, sends heartbeats and notices silence. Nothing is ever
missing in between: a server replays from the number it names in Login Accepted, then goes on live, and there is no marker where the
replay ends. So the client asks AccountQuery at once: its answer is sequenced behind everything replayed, and names the next UserRefNum;
what is below it and was not answered never became an order, what is not below it never arrived.

Messages go by the names of the layout (`LoginRequest`, `AccountQuery` …); those of the application come and go unwrapped.
Spec: SoupBinTCP 3.00; OUCH 5.0, "Account Query".
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from gateway.sessions.actions import (
    SECOND,
    Action,
    Attached,
    Closed,
    Evidence,
    GarbledLimit,
    Input,
    LocalProtocolError,
    LogoutWanted,
    Message,
    Reason,
    Resend,
    SecretRef,
    Send,
    SetNext,
    SetValues,
    Silent,
    Tell,
    Told,
)
from gateway.sessions.machine import Machine, build

HEARTBEAT_S = 1  # either side, when it has sent nothing for a second
SILENCE_NS = 15 * SECOND  # what servers take for dead; the same on our side


class State(StrEnum):
    DOWN = "DOWN"
    LOGIN_SENT = "LOGIN_SENT"  # client
    AWAIT_LOGIN = "AWAIT_LOGIN"  # server
    FENCING = "FENCING"  # client: AccountQuery is out
    OPEN = "OPEN"
    LEAVING = "LEAVING"  # client: LogoutRequest is out, the server closes
    CLOSING = "CLOSING"  # only Closed can follow


class Event(StrEnum):
    ATTACHED = "ATTACHED"
    CLOSED = "CLOSED"
    TIMEOUT = "TIMEOUT"
    LOGOUT_WANTED = "LOGOUT_WANTED"
    SILENT = "SILENT"
    FAULT = "FAULT"  # bad length, unknown packet type, data before login
    MALFORMED = "MALFORMED"  # an application message that could not be decoded; it is consumed
    NOTICE = "NOTICE"  # any other application message the rim did not take itself
    # client
    ACCEPTED = "ACCEPTED"  # the session we know, from the number we asked for
    ACCEPTED_NEW = "ACCEPTED_NEW"  # a session we did not know: its numbers begin anew
    ACCEPTED_LOST = "ACCEPTED_LOST"  # the session we know, but from another number
    REJECTED = "REJECTED"
    REJECTED_SESSION = "REJECTED_SESSION"  # the session we asked for is over
    FENCE = "FENCE"  # Account Query Response, the one that ours is among for certain
    FENCE_EARLIER = "FENCE_EARLIER"  # one that may answer an earlier connection's query
    END_OF_SESSION = "END_OF_SESSION"
    # server
    LOGIN = "LOGIN"
    LOGIN_BAD = "LOGIN_BAD"
    LOGIN_NO_SESSION = "LOGIN_NO_SESSION"
    LOGOUT = "LOGOUT"


ENDINGS: dict[Event | State, tuple[Reason, str]] = {
    Event.CLOSED: (Reason.PEER_CLOSED, ""),
    Event.LOGOUT_WANTED: (Reason.LOGOUT, ""),
    Event.SILENT: (Reason.SILENT, ""),
    Event.FAULT: (Reason.PROTOCOL, "packet of a wrong length, type or moment"),
    Event.MALFORMED: (Reason.PROTOCOL, "application message before login"),
    Event.NOTICE: (Reason.PROTOCOL, "application message before login"),
    Event.ACCEPTED: (Reason.PROTOCOL, "a second Login Accepted"),
    Event.ACCEPTED_NEW: (Reason.PROTOCOL, "a second Login Accepted"),
    Event.ACCEPTED_LOST: (Reason.SEQ_LOST, ""),
    Event.REJECTED: (Reason.LOGON_REFUSED, "not authorized"),
    Event.REJECTED_SESSION: (Reason.LOGON_REFUSED, "the session is over; the next login asks for the current one"),
    Event.FENCE: (Reason.PROTOCOL, "application message before login"),
    Event.END_OF_SESSION: (Reason.END_OF_SESSION, ""),
    Event.LOGIN: (Reason.PROTOCOL, "a second Login Request"),
    Event.LOGIN_BAD: (Reason.LOGON_INVALID, ""),
    Event.LOGIN_NO_SESSION: (Reason.LOGON_INVALID, "requested session not available"),
    Event.LOGOUT: (Reason.PEER_LOGOUT, ""),
    State.LOGIN_SENT: (Reason.LOGON_TIMEOUT, ""),
    State.AWAIT_LOGIN: (Reason.LOGON_TIMEOUT, ""),
    State.FENCING: (Reason.RECOVERY_TIMEOUT, "AccountQuery was not answered in time"),
    State.LEAVING: (Reason.LOGOUT_TIMEOUT, ""),
}

_S, _E = State, Event
_APPLICATION = (_E.NOTICE, _E.MALFORMED)

CLIENT_TABLE = build(
    "SoupBinTCP client",
    (_S.DOWN, _S.LOGIN_SENT, _S.FENCING, _S.OPEN, _S.LEAVING, _S.CLOSING),
    (
        ((_S.DOWN,), (_E.ATTACHED,), "admin login", _S.LOGIN_SENT),
        ((_S.LOGIN_SENT,), (_E.ACCEPTED,), "values flow cancels query", _S.FENCING),
        ((_S.LOGIN_SENT,), (_E.ACCEPTED_NEW,), "start_session values flow cancels query", _S.FENCING),
        ((_S.LOGIN_SENT,), (_E.ACCEPTED_LOST,), "lost close_now", _S.CLOSING),
        ((_S.LOGIN_SENT,), (_E.REJECTED, *_APPLICATION, _E.FENCE, _E.TIMEOUT, _E.LOGOUT_WANTED), "lost close_now", _S.CLOSING),
        ((_S.LOGIN_SENT,), (_E.REJECTED_SESSION,), "forget_session lost close_now", _S.CLOSING),
        ((_S.FENCING,), (_E.FENCE,), "tokens evidence open", _S.OPEN),
        ((_S.FENCING,), (_E.TIMEOUT,), "lost close_now", _S.CLOSING),
        ((_S.FENCING, _S.OPEN), (_E.ACCEPTED, _E.ACCEPTED_NEW, _E.ACCEPTED_LOST, _E.REJECTED, _E.REJECTED_SESSION), "lost close_now", _S.CLOSING),
        ((_S.FENCING, _S.OPEN), (_E.LOGOUT_WANTED,), "quiet logout lost", _S.LEAVING),
        ((_S.LOGIN_SENT, _S.FENCING, _S.OPEN), (_E.END_OF_SESSION,), "forget_session lost close_now", _S.CLOSING),
        ((_S.LOGIN_SENT, _S.FENCING, _S.OPEN), (_E.SILENT, _E.FAULT), "lost close_now", _S.CLOSING),
        ((_S.LOGIN_SENT, _S.FENCING, _S.OPEN), (_E.CLOSED,), "lost", _S.DOWN),
        ((_S.FENCING, _S.OPEN, _S.LEAVING, _S.CLOSING, _S.DOWN), _APPLICATION, "odd", None),
        ((_S.LEAVING,), (_E.END_OF_SESSION,), "forget_session close_now", _S.CLOSING),
        ((_S.LEAVING,), (_E.TIMEOUT, _E.SILENT, _E.FAULT), "close_now", _S.CLOSING),
        ((_S.LEAVING, _S.CLOSING), (_E.CLOSED,), "", _S.DOWN),
    ),
    (
        # A process that begins hears again what its forerunner had not answered; its connection is gone, and what it says with it.
        ((_S.DOWN,), (_E.LOGOUT_WANTED, _E.ACCEPTED, _E.ACCEPTED_NEW, _E.ACCEPTED_LOST, _E.REJECTED, _E.REJECTED_SESSION, _E.FENCE, _E.END_OF_SESSION,
                      _E.SILENT, _E.FAULT)),
        ((_S.OPEN, _S.LEAVING), (_E.FENCE,)),
        ((_S.FENCING,), (_E.FENCE_EARLIER,)),
        ((_S.LEAVING, _S.CLOSING), (_E.ACCEPTED, _E.ACCEPTED_NEW, _E.ACCEPTED_LOST, _E.REJECTED, _E.REJECTED_SESSION, _E.LOGOUT_WANTED)),
        ((_S.CLOSING,), (_E.SILENT, _E.FAULT, _E.FENCE, _E.END_OF_SESSION)),
    ),
)  # fmt: skip

SERVER_TABLE = build(
    "SoupBinTCP server",
    (_S.DOWN, _S.AWAIT_LOGIN, _S.OPEN, _S.CLOSING),
    (
        ((_S.DOWN,), (_E.ATTACHED,), "admin note_numbers", _S.AWAIT_LOGIN),
        ((_S.AWAIT_LOGIN,), (_E.LOGIN,), "accept flow replay open", _S.OPEN),
        ((_S.AWAIT_LOGIN,), (_E.LOGIN_BAD,), "reject_login lost close", _S.CLOSING),
        ((_S.AWAIT_LOGIN,), (_E.LOGIN_NO_SESSION,), "reject_session lost close", _S.CLOSING),
        ((_S.AWAIT_LOGIN,), (*_APPLICATION, _E.TIMEOUT), "lost close_now", _S.CLOSING),
        ((_S.OPEN,), (_E.LOGIN, _E.LOGIN_BAD, _E.LOGIN_NO_SESSION), "lost close_now", _S.CLOSING),
        ((_S.OPEN,), _APPLICATION, "odd", None),
        ((_S.OPEN,), (_E.LOGOUT_WANTED,), "end_session lost close", _S.CLOSING),
        ((_S.AWAIT_LOGIN,), (_E.LOGOUT_WANTED,), "lost close_now", _S.CLOSING),
        ((_S.AWAIT_LOGIN, _S.OPEN), (_E.LOGOUT, _E.SILENT, _E.FAULT), "lost close_now", _S.CLOSING),
        ((_S.AWAIT_LOGIN, _S.OPEN), (_E.CLOSED,), "lost", _S.DOWN),
        ((_S.CLOSING,), (_E.CLOSED,), "", _S.DOWN),
    ),
    (
        ((_S.DOWN,), (_E.LOGOUT_WANTED,)),
        ((_S.CLOSING,), (*_APPLICATION, _E.LOGIN, _E.LOGIN_BAD, _E.LOGIN_NO_SESSION, _E.LOGOUT, _E.LOGOUT_WANTED, _E.SILENT, _E.FAULT)),
    ),
)  # fmt: skip


def _class_of_fact(what: Input, name: str) -> Event:
    match what:
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
    raise LocalProtocolError(f"{name}: {what} is no input of SoupBinTCP, where nothing can be missing or reset")


@dataclass(frozen=True, slots=True)
class ClientConfig:
    """One SoupBinTCP session with a venue; `session` is the id known from the journal, "" when there is none."""

    username: str
    password: SecretRef
    session: str = ""
    login_timeout_ns: int = 10 * SECOND
    queries_max: int = 32  # what one batch of commands holds with room to spare; so many logins in a row are not lost behind a slow engine
    fence_timeout_ns: int = 30 * SECOND  # a day's replay comes first
    logout_timeout_ns: int = 2 * SECOND
    close_timeout_ns: int = 1 * SECOND


class SoupClient(Machine[State, Event]):
    """The client of an OUCH venue. `session` and the next number are kept over connections; a new session starts them anew."""

    name = "SoupBinTCP client"
    timeout = Event.TIMEOUT
    endings = ENDINGS

    def __init__(self, config: ClientConfig) -> None:
        super().__init__(CLIENT_TABLE, State.DOWN, config.close_timeout_ns)
        self.config = config
        self.session = config.session
        self._asked = 1  # the number of our last login
        self._same_session = False
        # Queries of this session that have had no answer. An engine slower than its session layer answers one after its connection was lost,
        # into the stream, and the next login has it replayed: it is no answer to that login's query. A session from before this process
        # may have left one as well.
        self._unanswered = 1 if config.session else 0
        self._awaited = 0

    def _timeout_ns(self) -> int | None:
        return {
            State.LOGIN_SENT: self.config.login_timeout_ns,
            State.FENCING: self.config.fence_timeout_ns,
            State.LEAVING: self.config.logout_timeout_ns,
        }.get(self.state)

    def _class_of(self, what: Input) -> Event:
        if not isinstance(what, Message):
            return _class_of_fact(what, self.name)
        match what.type:
            case _ if what.fault is not None:
                return Event.MALFORMED
            case "LoginAccepted":
                return self._class_of_accepted(what)
            case "LoginRejected":
                ours_is_over = what.text("reject_reason") == "S" and self.session != ""
                return Event.REJECTED_SESSION if ours_is_over else Event.REJECTED
            case "EndOfSession":
                return Event.END_OF_SESSION
            case "AccountQueryResponse":
                return self._class_of_answer()
        return Event.NOTICE

    def _class_of_answer(self) -> Event:
        """With one query more than earlier ones are unanswered, the last of so many answers, or one before it, is to a query of ours."""
        self._unanswered = max(0, self._unanswered - 1)
        if self.state is not State.FENCING:
            return Event.FENCE
        self._awaited -= 1
        return Event.FENCE_EARLIER if self._awaited > 0 else Event.FENCE

    def _class_of_accepted(self, message: Message) -> Event:
        number = message.number("sequence_number")
        session = message.text("session").strip(" ")
        if number is None or not session:
            self._text = f"Login Accepted names session {session!r} and number {message.text('sequence_number')!r}"
            return Event.ACCEPTED_LOST
        expected = self._asked if session == self.session else 1
        if number != expected:
            # A higher one leaves messages out; a lower one means that the venue has lost its tail and will use numbers twice.
            self._text = f"session {session} goes on from {number}, but {expected} is the next we need"
            return Event.ACCEPTED_LOST
        return Event.ACCEPTED if session == self.session else Event.ACCEPTED_NEW

    def _login(self) -> Iterator[Action]:
        assert isinstance(self._what, Attached), f"ATTACHED comes with numbers, not {self._what}"
        self._asked = self._what.next_rx if self.session else 1
        yield Send(
            "LoginRequest",
            (
                ("username", self.config.username),
                ("password", self.config.password),
                ("requested_session", self.session),
                ("requested_sequence_number", self._asked),
            ),
        )

    def _start_session(self) -> Iterator[Action]:
        number = self._message().number("sequence_number")
        assert number is not None, "classed as accepted, so it has a number"
        self.session = ""
        self._unanswered = 0
        yield SetNext("rx", number)
        yield Tell(Told.RESET, text=f"session {self._message().text('session').strip(' ')}")

    def _values(self) -> Iterator[Action]:
        self._same_session = self.session != ""
        self.session = self._message().text("session").strip(" ")
        yield SetValues(heart_bt_int_s=HEARTBEAT_S, values=(("session", self.session),))

    def _forget_session(self) -> Iterator[Action]:
        self.session = ""
        yield SetValues(values=(("session", ""),))

    def _query(self) -> Iterator[Action]:
        self._awaited = min(self._unanswered + 1, self.config.queries_max)
        self._unanswered += self._awaited
        for _ in range(self._awaited):
            yield Send("AccountQuery")

    def _tokens(self) -> Iterator[Action]:
        """The rim takes the higher of this and its own: a number is never used again."""
        yield SetNext("token", self._message().number("next_user_ref_num") or 1)

    def _evidence(self) -> Iterator[Action]:
        if self._same_session:  # of orders sent in another session a new one says nothing
            yield Evidence(0, (self._message().number("next_user_ref_num") or 1) - 1, fenced=True)

    def _logout(self) -> Iterator[Action]:
        yield Send("LogoutRequest")


Authenticate = Callable[[Message], str]  # a LoginRequest → "" to let it in, else why not


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """One SoupBinTCP session as its server keeps it: its id of up to 10 characters."""

    session: str
    login_timeout_ns: int = 30 * SECOND  # servers drop a client that says nothing for about this long
    close_timeout_ns: int = 1 * SECOND


class SoupServer(Machine[State, Event]):
    """The server: lets in whom `authenticate` lets in, replays from the number asked for, then goes on live."""

    name = "SoupBinTCP server"
    timeout = Event.TIMEOUT
    endings = ENDINGS

    def __init__(self, config: ServerConfig, authenticate: Authenticate = lambda login: "") -> None:
        super().__init__(SERVER_TABLE, State.DOWN, config.close_timeout_ns)
        self.config = config
        self._authenticate = authenticate
        self._next_tx = 1
        self._first = 1  # the number the client is given as its next

    def _timeout_ns(self) -> int | None:
        return self.config.login_timeout_ns if self.state is State.AWAIT_LOGIN else None

    def _class_of(self, what: Input) -> Event:
        if not isinstance(what, Message):
            return _class_of_fact(what, self.name)
        match what.type:
            case _ if what.fault is not None:
                return Event.MALFORMED
            case "LoginRequest":
                return self._class_of_login(what)
            case "LogoutRequest":
                return Event.LOGOUT
        return Event.NOTICE

    def _class_of_login(self, login: Message) -> Event:
        if self.state is not State.AWAIT_LOGIN:
            return Event.LOGIN
        self._text = self._authenticate(login)
        number = login.number("requested_sequence_number")
        if number is None:
            self._text = self._text or f"requested number is {login.text('requested_sequence_number')!r}"
        if self._text or number is None:
            return Event.LOGIN_BAD
        if login.text("requested_session").strip(" ") not in ("", self.config.session):
            return Event.LOGIN_NO_SESSION
        # 0 asks for what is new only; beyond the end there is nothing but that.
        self._first = min(number, self._next_tx) or self._next_tx
        return Event.LOGIN

    def _note_numbers(self) -> Iterator[Action]:
        assert isinstance(self._what, Attached), f"ATTACHED comes with numbers, not {self._what}"
        self._next_tx = self._what.next_tx
        yield from ()

    def _accept(self) -> Iterator[Action]:
        yield SetValues(heart_bt_int_s=HEARTBEAT_S)
        yield Send("LoginAccepted", (("session", self.config.session), ("sequence_number", self._first)))

    def _replay(self) -> Iterator[Action]:
        if self._first < self._next_tx:
            yield Resend(self._first, self._next_tx - 1)

    def _reject_login(self) -> Iterator[Action]:
        yield Send("LoginRejected", (("reject_reason", "A"),))

    def _reject_session(self) -> Iterator[Action]:
        yield Send("LoginRejected", (("reject_reason", "S"),))

    def _end_session(self) -> Iterator[Action]:
        yield Send("EndOfSession")
