"""The FIX 4.4 session machine, both roles: from logon to the last bit of reconciling, as one table over decoded messages and time.

Theory of operation. The rim (the lane in production, `rim.py` elsewhere) does what needs no judgement: it frames, checks the header
and the number of each message, consumes what is in sequence, answers TestRequest and ResendRequest, sends heartbeats, notices silence,
asks for a gap that opens in flow and takes the retransmission in order. What it cannot settle comes here: logon, logout, resets, faults
of the header or the numbers, and the facts that a gap has closed or that the peer is silent. Each input is first classed to one
`Event`; then `TABLE[role][state][event]` says what to do and which state follows. There is nothing else: no flag beside the state.

An initiator does not trade when it is logged on but when it is reconciled (SEAM T4): gap closed → TestRequest, whose answer proves that
the venue's session layer has everything → OrderMassStatusRequest, whose last answer proves the same of its engine → open.

Spec: FIX 4.4 volume 2, "FIX session"; FIX session layer test cases, June 2020, whose clauses the transcripts in
tests/transcripts/fix44 are named by.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from gateway.sessions.actions import (
    SECOND,
    Action,
    ApplyReport,
    Attached,
    Closed,
    Evidence,
    Fault,
    Fields,
    Filled,
    GapClosed,
    GarbledLimit,
    HeaderFault,
    Input,
    LogoutWanted,
    Message,
    Reason,
    Reconciled,
    Rx,
    SecretRef,
    Send,
    SeqHigh,
    SeqLow,
    SetNext,
    SetRx,
    SetTx,
    SetValues,
    Silent,
    Tell,
    TestAnswered,
    Told,
    Tx,
)
from gateway.sessions.machine import Machine, Row, Table, build


class Role(StrEnum):
    INITIATOR = "initiator"  # toward a venue
    ACCEPTOR = "acceptor"  # a front door, or a simulated venue


class State(StrEnum):
    DOWN = "DOWN"
    AWAIT_LOGON = "AWAIT_LOGON"  # acceptor: connected, nothing said yet
    LOGON_SENT = "LOGON_SENT"  # initiator: waiting for the answer
    RECOVERING = "RECOVERING"  # logged on with a gap before the logon
    PROBING = "PROBING"  # initiator: a TestRequest is out, the first fence
    RECONCILING = "RECONCILING"  # initiator: status of all orders is asked for, the second fence
    OPEN = "OPEN"
    LOGOUT_SENT = "LOGOUT_SENT"
    LOGOUT_RECEIVED = "LOGOUT_RECEIVED"  # answered; the peer is expected to close
    CLOSING = "CLOSING"  # only Closed can follow


class Event(StrEnum):
    ATTACHED = "ATTACHED"
    CLOSED = "CLOSED"
    TIMEOUT = "TIMEOUT"  # deadline_ns has come
    LOGOUT_WANTED = "LOGOUT_WANTED"
    RECONCILED = "RECONCILED"
    LOGON = "LOGON"  # right in every way, number as expected
    LOGON_GAP = "LOGON_GAP"  # right, but its number is too high
    LOGON_RESET = "LOGON_RESET"  # right, with ResetSeqNumFlag, and allowed to
    LOGON_LOW = "LOGON_LOW"
    LOGON_UNKNOWN = "LOGON_UNKNOWN"  # comp ids of nobody we know
    LOGON_BAD = "LOGON_BAD"  # a field, the password or a reset that is not allowed
    LOGOUT = "LOGOUT"
    REJECTED = "REJECTED"  # Reject or BusinessMessageReject
    STATUS_REFUSED = "STATUS_REFUSED"  # one of these for our OrderMassStatusRequest
    TEST_ANSWERED = "TEST_ANSWERED"  # our TestRequest
    ADMIN = "ADMIN"  # any other Heartbeat, TestRequest, ResendRequest
    STATUS = "STATUS"  # ExecutionReport with ExecType I
    STATUS_LAST = "STATUS_LAST"  # the last one of our OrderMassStatusRequest
    SEQ_HIGH = "SEQ_HIGH"
    SEQ_LOW = "SEQ_LOW"
    HEADER_BEGIN = "HEADER_BEGIN"  # BeginString
    HEADER_COMP = "HEADER_COMP"  # SenderCompID, TargetCompID
    HEADER_TIME = "HEADER_TIME"  # SendingTime
    GARBLED = "GARBLED"
    GAP_CLOSED = "GAP_CLOSED"
    SILENT = "SILENT"
    FILLED = "FILLED"  # a gap fill covered what we had sent, perhaps our TestRequest or status request
    RESET_HIGHER = "RESET_HIGHER"  # SequenceReset-Reset with NewSeqNo above the expected number
    RESET_EQUAL = "RESET_EQUAL"
    RESET_LOWER = "RESET_LOWER"
    GAP_FILL_LOW = "GAP_FILL_LOW"  # SequenceReset-GapFill whose NewSeqNo is not above its own number
    MALFORMED = "MALFORMED"
    UNKNOWN_TYPE = "UNKNOWN_TYPE"
    ODD = "ODD"  # business that the lane could not place


Authenticate = Callable[[Message], str]  # a Logon → "" to let it in, else the reason that the peer is told


@dataclass(frozen=True, slots=True)
class FixConfig:
    """One FIX 4.4 session as configured; comp ids are ours and the peer's, as we send them (49, 56)."""

    sender_comp_id: str
    target_comp_id: str
    heart_bt_int_s: int = 30  # initiator: asked for; the usual value at venues
    heart_bt_int_min_s: int = 1  # acceptor: 0 would switch silence detection off
    heart_bt_int_max_s: int = 120  # acceptor: above it a dead peer is found too late for cancel on disconnect
    reset_seq_num_on_logon: bool = False  # initiator: ask for numbers from 1 with every logon
    allow_reset: bool = False  # acceptor: let the peer ask for it
    username: str = ""
    password: SecretRef | None = None
    reconcile: Literal["mass_status", "each"] = "mass_status"  # "each": the venue takes no OrderMassStatusRequest
    logon_timeout_ns: int = 10 * SECOND
    recover_timeout_ns: int = 300 * SECOND  # a day's messages take long to come again
    reconcile_timeout_ns: int = 30 * SECOND  # between two status reports
    logout_timeout_ns: int = 2 * SECOND  # LogoutAckThreshold of the test cases
    linger_ns: int = 10 * SECOND  # after answering a Logout the peer closes; test case 13 gives it 10 s
    close_timeout_ns: int = 1 * SECOND  # for the last bytes to leave


TEXTS = {  # SessionRejectReason(373) → Text(58)
    5: "Value is incorrect (out of range) for this tag",
    9: "CompID problem",
    10: "SendingTime accuracy problem",
}

# What ends a session: the reason, and the text of our Logout where one is sent. A timeout's reason is its state's.
ENDINGS: dict[Event | State, tuple[Reason, str]] = {
    Event.CLOSED: (Reason.PEER_CLOSED, ""),
    Event.LOGOUT_WANTED: (Reason.LOGOUT, ""),
    Event.LOGON: (Reason.PROTOCOL, "Logon received while logged on"),
    Event.LOGON_GAP: (Reason.PROTOCOL, "Logon received while logged on"),
    Event.LOGON_RESET: (Reason.PROTOCOL, "Logon received while logged on"),
    Event.LOGON_LOW: (Reason.SEQ_TOO_LOW, ""),  # text made of the numbers
    Event.LOGON_UNKNOWN: (Reason.UNKNOWN_IDENTITY, "CompID problem"),
    Event.LOGON_BAD: (Reason.LOGON_INVALID, ""),  # text from the check
    Event.SEQ_LOW: (Reason.SEQ_TOO_LOW, ""),
    Event.HEADER_BEGIN: (Reason.HEADER_FAULT, "Incorrect BeginString"),
    Event.HEADER_COMP: (Reason.HEADER_FAULT, "CompID problem"),
    Event.HEADER_TIME: (Reason.HEADER_FAULT, "SendingTime accuracy problem"),
    Event.GARBLED: (Reason.GARBLED, "Too many garbled messages"),
    Event.SILENT: (Reason.SILENT, ""),
    Event.LOGOUT: (Reason.PEER_LOGOUT, ""),
    State.AWAIT_LOGON: (Reason.LOGON_TIMEOUT, ""),
    State.LOGON_SENT: (Reason.LOGON_TIMEOUT, ""),
    State.RECOVERING: (Reason.RECOVERY_TIMEOUT, "Missing messages were not sent in time"),
    State.PROBING: (Reason.RECOVERY_TIMEOUT, "TestRequest was not answered in time"),
    State.RECONCILING: (Reason.RECOVERY_TIMEOUT, "OrderMassStatusRequest was not answered in time"),
}

# Business types a session may meet; any other is answered with BusinessMessageReject "Unsupported Message Type".
BUSINESS = {
    Role.INITIATOR: frozenset({"8", "9", "r"}),
    Role.ACCEPTOR: frozenset({"D", "F", "G", "H", "q", "AF"}),
}


class FixSession(Machine[State, Event]):
    """One FIX 4.4 session over all its connections.

    `authenticate` judges an acceptor's Logon (password, permissions); replay gives one that returns the recorded verdict.
    """

    timeout = Event.TIMEOUT
    endings = ENDINGS

    def __init__(self, role: Role, config: FixConfig, authenticate: Authenticate = lambda logon: "") -> None:
        super().__init__(TABLE[role], State.DOWN, config.close_timeout_ns)
        self.name = f"FIX {role}"
        self.role = role
        self.config = config
        self.test_count = 0  # TestRequests and status requests of this session so far: their ids never repeat
        self._authenticate = authenticate
        self._evidence_n = 0  # the last number sent before this connection

    def _timeout_ns(self) -> int | None:
        return {
            State.AWAIT_LOGON: self.config.logon_timeout_ns,
            State.LOGON_SENT: self.config.logon_timeout_ns,
            State.RECOVERING: self.config.recover_timeout_ns,
            State.PROBING: self.config.reconcile_timeout_ns,
            State.RECONCILING: self.config.reconcile_timeout_ns,
            State.LOGOUT_SENT: self.config.logout_timeout_ns,
            State.LOGOUT_RECEIVED: self.config.linger_ns,
        }.get(self.state)

    # ---------------------------------------------------------------------------------------------------------- classing

    def _class_of(self, what: Input) -> Event:
        match what:
            case Message():
                return self._class_of_message(what)
            case HeaderFault(tag=tag):
                return {8: Event.HEADER_BEGIN, 52: Event.HEADER_TIME}.get(tag, Event.HEADER_COMP)
            case SeqLow(seq=seq, expected=expected):
                self._text = too_low(seq, expected)
                return Event.SEQ_LOW
            case TestAnswered(test_req_id=test_req_id):
                return Event.TEST_ANSWERED if test_req_id == self._test_req_id() else Event.ADMIN
            case Attached():
                return Event.ATTACHED
            case Closed():
                return Event.CLOSED
            case SeqHigh():
                return Event.SEQ_HIGH
            case GapClosed():
                return Event.GAP_CLOSED
            case Silent():
                return Event.SILENT
            case GarbledLimit():
                return Event.GARBLED
            case LogoutWanted():
                return Event.LOGOUT_WANTED
            case Filled():
                return Event.FILLED
            case Reconciled():
                return Event.RECONCILED

    def _class_of_message(self, message: Message) -> Event:
        if message.fault is not None and message.type != "A":
            return Event.MALFORMED
        match message.type:
            case "A":
                return self._class_of_logon(message)
            case "5":
                return Event.LOGOUT
            case "0" if message.text(112) == self._test_req_id():
                return Event.TEST_ANSWERED
            case "0" | "1" | "2":
                return Event.ADMIN
            case "3" | "j":
                return Event.STATUS_REFUSED if message.text(372) == "AF" else Event.REJECTED
            case "4":
                return self._class_of_reset(message)
            case "8" if self.role is Role.INITIATOR and message.text(150) == "I":
                ours = message.text(584) == self._status_req_id()
                return Event.STATUS_LAST if ours and (message.text(912) == "Y" or message.number(911) == 0) else Event.STATUS
        return Event.ODD if message.type in BUSINESS[self.role] else Event.UNKNOWN_TYPE

    def _class_of_logon(self, logon: Message) -> Event:
        """Identity first, then its fields, then the verdict, then the number: a stranger learns and changes nothing."""
        if (logon.sender, logon.target) != (self.config.target_comp_id, self.config.sender_comp_id):
            return Event.LOGON_UNKNOWN
        if self.state not in (State.AWAIT_LOGON, State.LOGON_SENT) and not (self.role is Role.ACCEPTOR and self.state is State.OPEN):
            return Event.LOGON  # nothing of it matters any more
        reset = logon.text(141) == "Y"
        self._text = self._fault_of_logon(logon, reset) or (self._authenticate(logon) if self.role is Role.ACCEPTOR else "")
        if self._text:
            return Event.LOGON_BAD
        if reset and self.role is Role.ACCEPTOR:
            return Event.LOGON_RESET
        if logon.seq < logon.expected:
            self._text = too_low(logon.seq, logon.expected)
            return Event.LOGON_LOW
        return Event.LOGON_GAP if logon.seq > logon.expected else Event.LOGON

    def _fault_of_logon(self, logon: Message, reset: bool) -> str:
        heart_bt_int = logon.number(108)
        if logon.fault is not None:
            return logon.fault.text
        if logon.number(98) != 0:
            return f"EncryptMethod(98) must be 0, not {logon.text(98)!r}"
        asked = self.config.heart_bt_int_s
        low, high = min(asked, self.config.heart_bt_int_min_s), max(asked, self.config.heart_bt_int_max_s)
        if heart_bt_int is None or not low <= heart_bt_int <= high:
            return f"HeartBtInt(108) must be {low} to {high}, not {logon.text(108)!r}"
        if reset and logon.seq != 1:
            return f"ResetSeqNumFlag(141)=Y needs MsgSeqNum 1, not {logon.seq}"
        if reset and self.role is Role.ACCEPTOR and not self.config.allow_reset:
            return "ResetSeqNumFlag(141)=Y is not allowed for this session"
        if reset and self.role is Role.INITIATOR and not self.config.reset_seq_num_on_logon:
            return "ResetSeqNumFlag(141)=Y was not asked for"
        return ""

    def _class_of_reset(self, message: Message) -> Event:
        new_seq_no = message.number(36)
        if new_seq_no is None:
            self._text = "NewSeqNo(36) is missing or not a number"
            return Event.MALFORMED
        if message.text(123) == "Y":  # in sequence and higher, the rim would have taken it itself
            return Event.GAP_FILL_LOW
        if new_seq_no == message.expected:
            return Event.RESET_EQUAL
        return Event.RESET_HIGHER if new_seq_no > message.expected else Event.RESET_LOWER

    def _test_req_id(self) -> str:
        return f"FENCE-{self.test_count}"

    def _status_req_id(self) -> str:
        return f"STATUS-{self.test_count}"

    # ------------------------------------------------------------------------------------------------------------- steps
    # Each is named by the table; each yields the actions of one thought.

    def _note_numbers(self) -> Iterator[Action]:
        assert isinstance(self._what, Attached), f"ATTACHED comes with numbers, not {self._what}"
        self._evidence_n = 0 if self.config.reset_seq_num_on_logon else self._what.next_tx - 1
        yield from ()

    def _start_numbers(self) -> Iterator[Action]:
        if self.config.reset_seq_num_on_logon:
            yield SetNext("rx", 1)
            yield SetNext("tx", 1)

    def _logon(self) -> Iterator[Action]:
        fields: Fields = ((98, "0"), (108, str(self.config.heart_bt_int_s)))
        if self.config.reset_seq_num_on_logon:
            fields += ((141, "Y"),)
        if self.config.username:
            fields += ((553, self.config.username),)
        if self.config.password is not None:
            fields += ((554, self.config.password),)
        yield Send("A", fields)

    def _values(self) -> Iterator[Action]:
        yield SetValues(heart_bt_int_s=self._message().number(108))

    def _answer_logon(self) -> Iterator[Action]:
        fields: Fields = ((98, "0"), (108, self._message().text(108)))
        yield Send("A", (*fields, (141, "Y")) if self._event is Event.LOGON_RESET else fields)

    def _consume(self) -> Iterator[Action]:
        """The first message of a connection without a session is not consumed by the rim."""
        yield SetNext("rx", self._message().seq + 1)

    def _reset_both(self) -> Iterator[Action]:
        yield SetTx(Tx.ADMIN)
        yield SetNext("rx", 2)
        yield SetNext("tx", 1)
        yield Tell(Told.RESET, text="ResetSeqNumFlag(141)=Y")

    def _recover(self) -> Iterator[Action]:
        message = self._message()
        yield SetRx(Rx.RECOVER, through=message.seq)
        yield Tell(Told.GAP, text=f"{message.expected} to {message.seq} are missing")

    def _ask(self) -> Iterator[Action]:
        yield Send("2", ((7, str(self._message().expected)), (16, "0")))

    def _probe(self) -> Iterator[Action]:
        self.test_count += 1
        yield Send("1", ((112, self._test_req_id()),))

    def _count(self) -> Iterator[Action]:
        self.test_count += 1
        yield from ()

    def _session_evidence(self) -> Iterator[Action]:
        if self._evidence_n:
            yield Evidence(0, self._evidence_n)

    def _engine_evidence(self) -> Iterator[Action]:
        if self._evidence_n:
            yield Evidence(0, self._evidence_n, fenced=True)

    def _ask_status(self) -> Iterator[Action]:
        if self.config.reconcile == "mass_status":
            yield Send("AF", ((584, self._status_req_id()), (585, "7")))
        else:
            yield Tell(Told.STATUS_WANTED)

    def _want_status(self) -> Iterator[Action]:
        yield Tell(Told.STATUS_WANTED, text=self._message().text(58))

    def _book(self) -> Iterator[Action]:
        self._wait()  # the next report has its full time
        if self._message().number(911) != 0:  # TotNumReports 0: an empty list, no order in it
            yield ApplyReport(self._message())

    def _logout(self) -> Iterator[Action]:
        text = self._text or self._ending()[1]
        yield Send("5", ((58, text),) if text else ())

    def _answer_logout(self) -> Iterator[Action]:
        yield Send("5")

    def _reject_header(self) -> Iterator[Action]:
        assert isinstance(self._what, HeaderFault), f"{self._event} comes with a header fault, not {self._what}"
        reason = 10 if self._event is Event.HEADER_TIME else 9
        yield reject(self._what.seq, self._what.msg_type, Fault(reason, None, TEXTS[reason]))

    def _reject(self) -> Iterator[Action]:
        message = self._message()
        if message.fault is not None:
            fault = message.fault
        elif message.number(36) is None:
            fault = Fault(1, 36, self._text)
        else:
            fault = Fault(5, 36 if self._event is Event.GAP_FILL_LOW else None, TEXTS[5])
        yield reject(message.seq, message.type, fault)

    def _reject_type(self) -> Iterator[Action]:
        message = self._message()
        yield Send(
            "j", ((45, str(message.seq)), (58, "Unsupported Message Type"), (372, message.type), (380, "3"))
        )

    def _jump(self) -> Iterator[Action]:
        message = self._message()
        new_seq_no = message.number(36)
        assert new_seq_no is not None, "classed as a reset, so NewSeqNo is a number"
        yield SetNext("rx", new_seq_no)
        yield Tell(Told.RESET, text=f"SequenceReset from {message.expected} to {new_seq_no}")

    def _note_reset(self) -> Iterator[Action]:
        yield Tell(Told.RESET, text=f"SequenceReset to {self._message().expected}, which was expected anyway")

    def _note_gap(self) -> Iterator[Action]:
        assert isinstance(self._what, SeqHigh), f"SEQ_HIGH comes with numbers, not {self._what}"
        yield Tell(Told.GAP, text=f"{self._what.expected} to {self._what.seq} are missing")

    def _note_gap_closed(self) -> Iterator[Action]:
        yield Tell(Told.GAP_CLOSED)

    def _note_rejected(self) -> Iterator[Action]:
        yield Tell(Told.REJECTED, text=self._message().text(58), message=self._message())

    def _ending(self) -> tuple[Reason, str]:
        if self.state is State.LOGON_SENT and self._event in (Event.LOGOUT, Event.REJECTED, Event.STATUS_REFUSED):
            return Reason.LOGON_REFUSED, ""
        if self._event is Event.TIMEOUT or self._event in ENDINGS:
            return super()._ending()
        return Reason.NOT_LOGON, "First message is not a Logon"

    def _peer_text(self) -> str:
        return self._what.text(58) if isinstance(self._what, Message) else super()._peer_text()


def too_low(seq: int, expected: int) -> str:
    """The text of a Logout for a number too low; many engines read the expected number out of it."""
    return f"MsgSeqNum too low, expecting {expected} but received {seq}"


def reject(seq: int, msg_type: str, fault: Fault) -> Send:
    """A session-level Reject of message `seq`, body in ascending order of tags."""
    body: Fields = ((45, str(seq)), (58, fault.text))
    if fault.ref_tag is not None:
        body += ((371, str(fault.ref_tag)),)
    if msg_type:
        body += ((372, msg_type),)
    return Send("3", (*body, (373, str(fault.reject_reason))))


# ----------------------------------------------------------------------------------------------------------------- the table

_S, _E = State, Event
_BOTH, _I, _A = (Role.INITIATOR, Role.ACCEPTOR), (Role.INITIATOR,), (Role.ACCEPTOR,)
_LOGGED_ON = (_S.RECOVERING, _S.PROBING, _S.RECONCILING, _S.OPEN)
_LEAVING = (_S.LOGOUT_SENT, _S.LOGOUT_RECEIVED)
_GONE = (_S.CLOSING, _S.DOWN)
_STATUS, _STRANGE = (_E.STATUS, _E.STATUS_LAST), (_E.MALFORMED, _E.UNKNOWN_TYPE, _E.ODD)
_FIRST_BAD = (  # in place of a logon
    _E.LOGON_UNKNOWN, _E.REJECTED, _E.STATUS_REFUSED, _E.TEST_ANSWERED, _E.ADMIN, _E.SEQ_HIGH, _E.SEQ_LOW, _E.HEADER_BEGIN,
    _E.HEADER_COMP, _E.HEADER_TIME, _E.GARBLED, _E.RESET_HIGHER, _E.RESET_EQUAL, _E.RESET_LOWER, _E.GAP_FILL_LOW,
)  # fmt: skip
_STAY = None

# Rows: roles, states, events, steps, the state that follows (_STAY: the same). A later row never repeats an earlier one's cell.
_ROWS: tuple[tuple[tuple[Role, ...], tuple[State, ...], tuple[Event, ...], str, State | None], ...] = (
    # connect
    (_I, (_S.DOWN,), (_E.ATTACHED,), "note_numbers start_numbers admin logon", _S.LOGON_SENT),
    (_A, (_S.DOWN,), (_E.ATTACHED,), "note_numbers admin", _S.AWAIT_LOGON),
    # an acceptor's first message: strangers and noise are shown nothing
    (_A, (_S.AWAIT_LOGON,), (_E.LOGON,), "consume values answer_logon flow open", _S.OPEN),
    (_A, (_S.AWAIT_LOGON,), (_E.LOGON_GAP,), "values answer_logon recover ask", _S.RECOVERING),
    (_A, (_S.AWAIT_LOGON,), (_E.LOGON_RESET,), "reset_both values answer_logon flow open", _S.OPEN),
    (_A, (_S.AWAIT_LOGON,), (_E.LOGON_LOW, _E.LOGON_BAD), "logout lost close", _S.CLOSING),
    (_A, (_S.AWAIT_LOGON,), (*_FIRST_BAD, *_STRANGE, _E.LOGOUT), "lost close_now", _S.CLOSING),
    (_A, (_S.AWAIT_LOGON,), (_E.TIMEOUT, _E.LOGOUT_WANTED, _E.SILENT), "lost close_now", _S.CLOSING),
    # the answer to an initiator's Logon
    (_I, (_S.LOGON_SENT,), (_E.LOGON,), "values flow cancels probe", _S.PROBING),
    (_I, (_S.LOGON_SENT,), (_E.LOGON_GAP,), "values recover cancels ask", _S.RECOVERING),
    (_I, (_S.LOGON_SENT,), (_E.LOGON_LOW, _E.LOGON_BAD, *_FIRST_BAD), "logout lost close", _S.CLOSING),
    (_I, (_S.LOGON_SENT,), _STATUS, "book logout lost close", _S.CLOSING),
    (_I, (_S.LOGON_SENT,), _STRANGE, "odd logout lost close", _S.CLOSING),
    (_I, (_S.LOGON_SENT,), (_E.LOGOUT, _E.TIMEOUT, _E.SILENT), "lost close_now", _S.CLOSING),
    (_I, (_S.LOGON_SENT,), (_E.LOGOUT_WANTED,), "logout lost close", _S.CLOSING),
    # logged on: from the gap over the two fences to open
    (_A, (_S.RECOVERING,), (_E.GAP_CLOSED,), "flow note_gap_closed open", _S.OPEN),
    (_I, (_S.RECOVERING,), (_E.GAP_CLOSED,), "flow note_gap_closed probe", _S.PROBING),
    (_I, (_S.PROBING,), (_E.TEST_ANSWERED,), "session_evidence ask_status", _S.RECONCILING),
    (_I, (_S.PROBING,), (_E.FILLED,), "probe", _STAY),
    (_I, (_S.RECONCILING,), (_E.FILLED,), "count ask_status", _STAY),
    (_I, (_S.RECONCILING,), (_E.STATUS_LAST,), "book engine_evidence open", _S.OPEN),
    (_I, (_S.RECONCILING,), (_E.STATUS_REFUSED,), "want_status", _STAY),
    (_I, (_S.RECONCILING,), (_E.RECONCILED,), "open", _S.OPEN),
    (_I, (_S.RECOVERING, _S.PROBING, _S.OPEN), (_E.STATUS_REFUSED,), "note_rejected", _STAY),
    (_I, (_S.RECOVERING, _S.PROBING, _S.OPEN), (_E.STATUS_LAST,), "book", _STAY),
    (_I, _LOGGED_ON, (_E.STATUS,), "book", _STAY),
    (_A, _LOGGED_ON, (_E.STATUS_REFUSED,), "note_rejected", _STAY),
    # logged on: gaps of the flow, resets, rejects, oddities
    (_BOTH, (_S.PROBING, _S.RECONCILING, _S.OPEN), (_E.SEQ_HIGH,), "note_gap", _STAY),
    (_BOTH, (_S.PROBING, _S.RECONCILING, _S.OPEN), (_E.GAP_CLOSED,), "flow note_gap_closed", _STAY),
    (_A, (_S.OPEN,), (_E.LOGON_RESET,), "reset_both values answer_logon flow open", _STAY),
    (_BOTH, _LOGGED_ON, (_E.RESET_HIGHER,), "jump", _STAY),
    (_BOTH, _LOGGED_ON, (_E.RESET_EQUAL,), "note_reset", _STAY),
    (_BOTH, _LOGGED_ON, (_E.RESET_LOWER, _E.GAP_FILL_LOW), "reject", _STAY),
    (_BOTH, _LOGGED_ON, (_E.MALFORMED,), "reject odd", _STAY),
    (_BOTH, _LOGGED_ON, (_E.UNKNOWN_TYPE,), "reject_type odd", _STAY),
    (_BOTH, _LOGGED_ON, (_E.ODD,), "odd", _STAY),
    (_BOTH, _LOGGED_ON, (_E.REJECTED,), "note_rejected", _STAY),
    # logged on: ends
    (_BOTH, _LOGGED_ON, (_E.SEQ_LOW, _E.LOGON_LOW, _E.LOGON, _E.LOGON_GAP, _E.LOGON_BAD, _E.GARBLED), "quiet logout lost close", _S.CLOSING),
    (_BOTH, _LOGGED_ON, (_E.HEADER_BEGIN, _E.LOGOUT_WANTED, _E.LOGON_UNKNOWN), "quiet logout lost", _S.LOGOUT_SENT),
    (_BOTH, _LOGGED_ON, (_E.HEADER_COMP, _E.HEADER_TIME), "quiet reject_header logout lost", _S.LOGOUT_SENT),
    (_BOTH, _LOGGED_ON, (_E.LOGOUT,), "quiet answer_logout lost", _S.LOGOUT_RECEIVED),
    (_BOTH, _LOGGED_ON, (_E.SILENT,), "lost close_now", _S.CLOSING),
    (_BOTH, (_S.RECOVERING,), (_E.TIMEOUT,), "quiet logout lost close", _S.CLOSING),
    (_I, (_S.PROBING, _S.RECONCILING), (_E.TIMEOUT,), "quiet logout lost close", _S.CLOSING),
    # leaving and gone: LOST has been told; what a venue says of an order is consumed, so it is booked or told whenever it comes
    (_BOTH, (_S.LOGOUT_SENT,), (_E.LOGOUT,), "close", _S.CLOSING),
    (_I, (*_LEAVING, *_GONE), _STATUS, "book", _STAY),
    (_BOTH, (*_LEAVING, *_GONE), _STRANGE, "odd", _STAY),
    (_BOTH, _LEAVING, (_E.GAP_CLOSED,), "flow", _STAY),
    (_BOTH, _LEAVING, (_E.RESET_HIGHER,), "jump", _STAY),
    (_BOTH, _LEAVING, (_E.TIMEOUT, _E.SILENT, _E.GARBLED, _E.SEQ_LOW, _E.HEADER_BEGIN, _E.HEADER_COMP, _E.HEADER_TIME), "close_now", _S.CLOSING),
    (_BOTH, (*_LOGGED_ON, _S.AWAIT_LOGON, _S.LOGON_SENT), (_E.CLOSED,), "lost", _S.DOWN),
    (_BOTH, (*_LEAVING, _S.CLOSING), (_E.CLOSED,), "", _S.DOWN),
)  # fmt: skip

# Consumed without a word, the state unchanged.
_LOGONS = (_E.LOGON, _E.LOGON_GAP, _E.LOGON_RESET, _E.LOGON_LOW, _E.LOGON_UNKNOWN, _E.LOGON_BAD)
_IGNORED: tuple[tuple[tuple[Role, ...], tuple[State, ...], tuple[Event, ...]], ...] = (
    (_BOTH, _LOGGED_ON, (_E.ADMIN,)),  # a heartbeat's foreign TestReqID
    (_BOTH, (_S.AWAIT_LOGON, _S.LOGON_SENT, _S.RECOVERING, _S.OPEN, *_LEAVING), (_E.FILLED,)),  # nothing is waited for that only this could bring
    (_A, (_S.PROBING, _S.RECONCILING), (_E.FILLED,)),
    (_BOTH, (_S.RECOVERING, _S.OPEN), (_E.TEST_ANSWERED,)),
    (_I, (_S.RECONCILING,), (_E.TEST_ANSWERED,)),
    (_A, (_S.PROBING, _S.RECONCILING), (_E.TEST_ANSWERED,)),
    (_BOTH, (_S.AWAIT_LOGON, _S.LOGON_SENT, _S.RECOVERING, _S.PROBING, _S.OPEN), (_E.RECONCILED,)),  # of an earlier connection
    (_BOTH, (_S.RECOVERING,), (_E.SEQ_HIGH,)),  # the gap is known, the message kept
    (_BOTH, _LEAVING, (*_LOGONS, _E.LOGOUT_WANTED, _E.RECONCILED, _E.REJECTED, _E.STATUS_REFUSED, _E.TEST_ANSWERED, _E.ADMIN, _E.SEQ_HIGH, _E.RESET_EQUAL, _E.RESET_LOWER, _E.GAP_FILL_LOW)),
    (_BOTH, (_S.LOGOUT_RECEIVED,), (_E.LOGOUT,)),
    (_BOTH, _GONE, tuple(event for event in _E if event not in (_E.ATTACHED, _E.CLOSED, _E.TIMEOUT, *_STATUS, *_STRANGE))),
)  # fmt: skip

STATES = {  # the states each role can be in
    Role.INITIATOR: tuple(state for state in State if state is not State.AWAIT_LOGON),
    Role.ACCEPTOR: tuple(state for state in State if state not in (State.LOGON_SENT, State.PROBING, State.RECONCILING)),
}


def _table(role: Role) -> Table[State, Event]:
    rows: list[Row[State, Event]] = [(states, events, steps, then) for roles, states, events, steps, then in _ROWS if role in roles]
    return build(f"FIX {role}", STATES[role], rows, [(states, events) for roles, states, events in _IGNORED if role in roles])


TABLE = {role: _table(role) for role in Role}
