"""The vocabulary of a session: what it is told (messages and facts), and the actions it answers with; all of them values.

A session never sees a socket, a clock, an encoder or a number allocator. A rim carries its actions out: the lane in production,
`gateway/sessions/rim.py` in simulators and tests. What is handed in is one `Input`; what comes back is one batch of actions that
ends in `Done` where it answers an input, and has no `Done` where it comes from `tick`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, Protocol

NEVER = 2**63 - 1  # a deadline that does not come: the largest time a signed 64-bit nanosecond clock can show
SECOND = 1_000_000_000


class LocalProtocolError(Exception):
    """Our own fault: an input that the rim must never give in this state, or a call out of turn. Nothing was sent."""


@dataclass(frozen=True, slots=True)
class SecretRef:
    """A secret by the name of its entry in the rim's secrets table; the value itself never passes through a session."""

    name: str


Value = str | int | bytes | SecretRef | Mapping[str, object]  # the last: a binary message's appendage, as the reference codec has it
Key = int | str  # a FIX tag, or the name of a layout's field
Fields = tuple[tuple[Key, Value], ...]


class Rx(StrEnum):
    """What the lane does with inbound messages."""

    CLOSED = "closed"
    ADMIN = "admin"  # every message comes to the session
    FLOW = "flow"  # in-sequence business stays in the lane
    RECOVER = "recover"  # a gap is open; retransmitted messages are taken in order
    HOLD = "hold"  # bytes stay in the buffer


class Tx(StrEnum):
    """What the lane lets out."""

    CLOSED = "closed"  # nothing; new orders are DENIED
    ADMIN = "admin"  # only what the session sends
    CANCELS = "cancels"  # cancels and status too; new orders are DENIED
    OPEN = "open"  # everything


class Told(StrEnum):
    """What a session tells its owner; the text beside it is for people."""

    READY = "Ready"  # orders may flow
    LOST = "SessionLost"  # this session is over, with a reason; told once a connection
    GAP = "Gap"  # numbers are missing; recovery has begun
    GAP_CLOSED = "GapClosed"
    RESET = "Reset"  # the sequence numbers were set anew, by agreement or by the peer
    REJECTED = "Rejected"  # the peer refused a message of ours that the lane could not resolve to an order
    ODD = "Odd"  # a business message the lane could not place: its owner must look
    STATUS_WANTED = "StatusWanted"  # reconcile each order in doubt by itself, then give `Reconciled`


class Reason(StrEnum):
    """Why a session is over."""

    LOGON_TIMEOUT = "LOGON_TIMEOUT"
    LOGON_REFUSED = "LOGON_REFUSED"  # by the peer
    LOGON_INVALID = "LOGON_INVALID"  # by us
    NOT_LOGON = "NOT_LOGON"  # the first message was something else
    UNKNOWN_IDENTITY = "UNKNOWN_IDENTITY"
    SEQ_TOO_LOW = "SEQ_TOO_LOW"
    SEQ_LOST = "SEQ_LOST"  # the peer's numbers do not join ours and cannot be recovered; a person must decide
    HEADER_FAULT = "HEADER_FAULT"
    GARBLED = "GARBLED"
    SILENT = "SILENT"
    RECOVERY_TIMEOUT = "RECOVERY_TIMEOUT"
    PROTOCOL = "PROTOCOL"
    LOGOUT = "LOGOUT"  # ours
    PEER_LOGOUT = "PEER_LOGOUT"
    LOGOUT_TIMEOUT = "LOGOUT_TIMEOUT"
    END_OF_SESSION = "END_OF_SESSION"
    PEER_CLOSED = "PEER_CLOSED"


# ---------------------------------------------------------------------------------------------------------------- inputs


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a decoded message is malformed: FIX SessionRejectReason(373), the tag to blame if one is (371), and words."""

    reject_reason: int
    ref_tag: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Message:
    """One decoded message that the lane hands over.

    `type` is the FIX MsgType or the layout's message name; `fields` the body in wire order, FIX values as str (latin-1).
    `seq` is its number, `expected` the number the rim expected when it came. A message with seq == expected is already
    consumed, whoever handles it, except: on a connection that has no session yet, and SequenceReset-Reset, whose own number
    means nothing. Higher or lower is never consumed. `lsn` is the journal record it lies in, 0 under the pure-Python rim.
    `sender` and `target` are the header's comp ids, where the protocol has them; `fault` says why it could not be decoded whole.
    """

    type: str
    fields: Fields = ()
    seq: int = 0
    expected: int = 0
    poss_dup: bool = False
    sender: str = ""
    target: str = ""
    fault: Fault | None = None
    lsn: int = 0
    raw: bytes = b""

    def get(self, key: Key) -> Value | None:
        """The first value of this field, or None."""
        for each, value in self.fields:
            if each == key:
                return value
        return None

    def text(self, key: Key) -> str:
        """The field as text, spaces of padding included; "" where it is absent."""
        value = self.get(key)
        if isinstance(value, bytes):
            return value.decode("latin-1")
        return str(value) if isinstance(value, str | int) else ""

    def number(self, key: Key) -> int | None:
        """The field as a non-negative number; None where it is absent or anything but up to 19 ASCII digits."""
        value = self.get(key)
        if isinstance(value, int):
            return value
        text = self.text(key).strip(" ")
        return int(text) if text.isascii() and text.isdigit() and len(text) <= 19 else None


@dataclass(frozen=True, slots=True)
class Attached:
    """The rim has a socket for this session. The next numbers are those of the connection record."""

    next_rx: int = 1
    next_tx: int = 1


@dataclass(frozen=True, slots=True)
class Closed:
    """The socket is gone; the last fact of a connection."""

    text: str = ""


@dataclass(frozen=True, slots=True)
class SeqHigh:
    """A number above the expected one. In flow the rim has already gone to `recover` and asked for the range."""

    seq: int
    expected: int


@dataclass(frozen=True, slots=True)
class SeqLow:
    """A number below the expected one, without PossDupFlag."""

    seq: int
    expected: int


@dataclass(frozen=True, slots=True)
class HeaderFault:
    """A well-framed message whose header is not this session's: tag 8, 49, 56 or 52."""

    tag: int
    seq: int = 0
    msg_type: str = ""


@dataclass(frozen=True, slots=True)
class GapClosed:
    """The last number of the gap has been taken; `kept_dropped` live messages did not fit and were asked for again."""

    kept_dropped: int = 0


@dataclass(frozen=True, slots=True)
class Silent:
    """Nothing has arrived in the kernel for too long, and the rim's own probe was not answered."""


@dataclass(frozen=True, slots=True)
class GarbledLimit:
    """Too many garbled messages in a row, or a garbled first one, or a frame longer than the limit."""


@dataclass(frozen=True, slots=True)
class TestAnswered:
    """A TestRequest of this session was answered with its own id (Message "0" with TestReqID means the same)."""

    test_req_id: str


@dataclass(frozen=True, slots=True)
class LogoutWanted:
    """The owner wants this session to end in order: operator, schedule or shutdown."""

    text: str = ""


@dataclass(frozen=True, slots=True)
class Filled:
    """A gap fill of ours covered something that the session itself had sent: the peer has no reason to answer that any more."""


@dataclass(frozen=True, slots=True)
class Reconciled:
    """The owner has settled every order in doubt, after StatusWanted."""


Fact = (
    Attached | Closed | SeqHigh | SeqLow | HeaderFault | GapClosed | Silent | GarbledLimit | TestAnswered | LogoutWanted | Filled | Reconciled
)
Input = Message | Fact

# --------------------------------------------------------------------------------------------------------------- actions


@dataclass(frozen=True, slots=True)
class Send:
    """Send one message: its type and body. The rim numbers, stamps and encodes it; `seq` only to repeat or to fill."""

    type: str
    fields: Fields = ()
    seq: int | None = None
    poss_dup: bool = False


@dataclass(frozen=True, slots=True)
class Bind:
    """Make this provisional connection the session of that name (R6): descriptor and unread bytes move, the epoch rises."""

    session: str


@dataclass(frozen=True, slots=True)
class SetRx:
    """Loosen (or tighten) what is done with inbound messages; `through` is the last number of the gap, for `recover`."""

    state: Rx
    through: int | None = None


@dataclass(frozen=True, slots=True)
class SetTx:
    """Loosen (or tighten) what may leave."""

    state: Tx


@dataclass(frozen=True, slots=True)
class SetNext:
    """Set a counter: the next number expected (rx), the next to be sent (tx), or the next venue-side order id (token)."""

    which: Literal["rx", "tx", "token"]
    n: int
    unit: int = 0


@dataclass(frozen=True, slots=True)
class SetValues:
    """Set what is kept for the session: its heartbeat (from here on the rim heartbeats), and the layout's session values."""

    heart_bt_int_s: int | None = None
    values: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Resend:
    """Answer a resend request for first..last; last 0 is "all"."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the venue has taken: of this unit, everything up to and including n (a message number; for OUCH a UserRefNum).

    `fenced` False: its session layer has it. True: every answer to it has been read too, so that what is still in doubt at or
    below n never became an order and may be released.
    """

    unit: int
    n: int
    fenced: bool = False


@dataclass(frozen=True, slots=True)
class ApplyReport:
    """Book what this message says about an order, where that differs from what is known (its content is found by its lsn)."""

    message: Message


@dataclass(frozen=True, slots=True)
class Done:
    """The input is answered: the end of its batch."""


@dataclass(frozen=True, slots=True)
class Close:
    """Close the socket: at once, or after what was sent has left, but not later than `deadline_ns`."""

    reason: Reason
    after_flush: bool
    deadline_ns: int


@dataclass(frozen=True, slots=True)
class Tell:
    """Tell the session's owner."""

    event: Told
    reason: Reason | None = None
    text: str = ""
    message: Message | None = field(default=None, compare=False)


Action = Send | Bind | SetRx | SetTx | SetNext | SetValues | Resend | Evidence | ApplyReport | Done | Close | Tell


class Session(Protocol):
    """The doors of every session machine."""

    deadline_ns: int

    def receive(self, what: Input, now_ns: int) -> list[Action]:
        """Take one message or fact; answer with one batch ending in Done. Raises LocalProtocolError if the rim may not say this now."""

    def tick(self, now_ns: int) -> list[Action]:
        """What is due at or after `deadline_ns`; nothing before it."""
