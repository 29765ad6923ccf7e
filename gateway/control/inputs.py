"""What the control plane's core hears beside the lane's events, and what it wishes for beside commands to a lane; all of them values.

The tasks around the core (trio's, or a test's) carry both: a wish is fulfilled by the rim, and its outcome comes back as an input.
"""

from dataclasses import dataclass, field
from typing import Literal

from gateway.lane.commands import Part
from gateway.lane.events import Acked, Bell
from gateway.lane.lane import ConnView

# -------------------------------------------------------------------------------------------------------------------- inputs


@dataclass(frozen=True, slots=True)
class Begun:
    """The lane stands, restored from its journal or new: the epoch of this process, and each connection as it is, by its number."""

    epoch: int
    loss_epoch: int
    """Rises only where the end of the journal was lost: what a strategy sent and heard nothing of is then in doubt."""
    connections: tuple[ConnView, ...]
    batches: tuple[tuple[Part, ...], ...] = ()
    """The first ones, before anything is connected: numbers that go on from an archived journal."""


@dataclass(frozen=True, slots=True)
class Connected:
    """A wished-for connection stands; the descriptor is the core's to hand to the lane."""

    conn: int
    fd: int


@dataclass(frozen=True, slots=True)
class NotConnected:
    """It does not; `text` says why."""

    conn: int
    text: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """A stranger at a door."""

    door: str
    fd: int
    peer: str


@dataclass(frozen=True, slots=True)
class OperatorWanted:
    """What an operator wants of the lane. `request` comes back in the answer; `what`, `who` and `why` are journaled with it, and logged.

    The last of `parts` puts it in force; those before it, which only prepare it, go in batches of their own.
    """

    request: int
    what: str
    who: str
    why: str
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class DrainWanted:
    """The gateway is to end: in order, or (`now`) at once."""

    now: bool = False


@dataclass(frozen=True, slots=True)
class Counted:
    """Orders whose cancel is under way now, and those in doubt by connection; told while the core is `counting`."""

    cancelling: int
    in_doubt: dict[int, int] = field(default_factory=dict)


Input = Begun | Bell | Acked | Connected | NotConnected | Accepted | OperatorWanted | DrainWanted | Counted

# -------------------------------------------------------------------------------------------------------------------- wishes


@dataclass(frozen=True, slots=True)
class Connect:
    """Connect to host:port; answer with Connected or NotConnected."""

    conn: int
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Drop:
    """Close this descriptor: the lane has not taken it."""

    fd: int


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to an operator's request: where in the journal it took effect, or why it did not (then lsn is 0)."""

    request: int
    lsn: int
    text: str = ""


@dataclass(frozen=True, slots=True)
class Say:
    """A line of log. Fields never hold a secret: they are names, numbers and what a peer said about itself."""

    level: Literal["debug", "info", "warning", "error"]
    event: str
    fields: dict[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Look:
    """Log under this name what the core itself cannot see: the latch file's words for "gate", the journal's for "journal.failed"."""

    event: Literal["gate", "journal.failed"]


@dataclass(frozen=True, slots=True)
class Ended:
    """The lane has stopped; nothing will leave any more."""


Wish = Connect | Drop | Answer | Say | Look | Ended
