"""What a venue file may say. If a venue needs more than this, its layout or this file lacks a field, never the lane an `if`."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from gateway.model import Kind, OrdType, TimeInForce


class Token(StrEnum):
    """What the venue knows an order by."""

    TEXT = "text"  # ClOrdID: 13 digits of base 36
    NUMBER = "number"  # a number of the session that only rises


class Fence(StrEnum):
    """How it is proved that the venue's engine, not only its session layer, has answered everything sent before (SEAM R8)."""

    MASS_STATUS = "mass_status"  # FIX: 35=AF, 585=7, until 912=Y; 35=H each where AF is refused
    ACCOUNT_QUERY = "account_query"  # OUCH 5.0: its answer comes after all that was replayed


@dataclass(frozen=True, slots=True)
class Messages:
    """The layout's (FIX: the dialect's) messages that the lane makes; "" = the protocol has none."""

    new: str = ""
    cancel: str = ""
    replace: str = ""
    status: str = ""
    report: str = ""
    cancel_reject: str = ""
    heartbeat: str = ""
    reject: str = ""


@dataclass(frozen=True, slots=True)
class VenueSpec:
    """One venue. `rate_per_s` 0 = the venue sets no limit; `reserved` of the bucket's messages are kept for cancels."""

    name: str
    protocol: str
    session: Literal["fix", "soup"]
    messages: Messages
    token: Token
    evidence: Fence
    kinds: frozenset[Kind]
    ord_types: frozenset[OrdType]
    times_in_force: frozenset[TimeInForce]
    cancel_has_token: bool
    """A cancel has an id of its own (FIX); else it names the order's."""
    chain_total: bool
    """A replace carries the total quantity, what is already filled included."""
    rate_per_s: int = 0
    burst: int = 0
    reserved: int = 0
    parameters: dict[str, str] = field(default_factory=dict)
    """Session values that are the venue's, not the deployment's."""
