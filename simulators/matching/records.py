"""The two records of the matching core: a message in (112 bytes) and an event out (96 bytes), little-endian, as in csrc/book.h.

Units: prices are integers in the profile's own price unit, any int64. Quantities are integers from 1 to QTY_MAX. Times are
nanoseconds since the epoch. Ids are any unsigned 64-bit number and mean nothing to the core.
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from enum import IntEnum
from operator import attrgetter
from typing import NamedTuple

QTY_MAX = 1 << 40  # so that the sum over every order of the largest pool stays far inside an int64
PEAKS_MAX = 1_000  # an iceberg shows at least a thousandth of its quantity, so that no message causes endless refills
TOTAL_MAX = 1 << 62  # sums over a session stop here instead of overflowing
TIME_MAX = 1 << 62
PX_MIN, PX_MAX = -(1 << 63), (1 << 63) - 1
ALL_SYMBOLS = 0xFFFFFFFF  # the symbol of a message that means every symbol
ANY_SIDE = 2  # the side of a mass cancel that means both


class Kind(IntEnum):
    """What a message asks for."""

    NEW = 1
    CANCEL = 2  # order_id
    REPLACE = 3  # order_id becomes new_order_id (they may be equal), with every changeable field given anew
    MASS_CANCEL = 4  # by session, account (0 = any), symbol (ALL_SYMBOLS) and side (ANY_SIDE)
    PHASE = 5  # symbol or ALL_SYMBOLS enters `phase`; expire_ns = the end of the session, when known
    INDICATE = 6  # publish the indicative price of a symbol
    REFERENCE = 7  # px becomes the reference price of a symbol; phase = its LULD tier (2, else 1)
    BUST = 8  # the trade new_order_id did not happen
    CORRECT = 9  # the trade new_order_id was qty at px
    SESSION_END = 10  # Day orders expire, statistics are published and begin anew; symbol or ALL_SYMBOLS
    TICK = 11  # only the time; timers of every symbol are looked at


class Side(IntEnum):
    BUY = 0
    SELL = 1


class OrdType(IntEnum):
    LIMIT = 0
    MARKET = 1
    STOP = 2  # a market order once a trade reaches stop_px
    STOP_LIMIT = 3  # a limit order once a trade reaches stop_px


class Tif(IntEnum):
    DAY = 0
    GTC = 1
    GTD = 2  # until expire_ns
    IOC = 3
    FOK = 4
    AT_OPEN = 5  # only in the opening auction
    AT_CLOSE = 6  # kept aside until the closing auction


class Flag(IntEnum):
    """What may be said of an order beside its type and time in force."""

    POST_ONLY = 1  # reject rather than take
    SLIDE = 2  # with POST_ONLY: one tick behind the other side rather than reject
    HIDDEN = 4
    LMM = 8  # a lead market maker's order, for the allocation step of that name
    PEG_CAP = 16  # px limits how far a pegged order follows


class Peg(IntEnum):
    """What a pegged order follows; stop_px is its signed offset. Pegged orders are hidden, so they never follow each other."""

    NONE = 0
    MID = 1
    PRIMARY = 2  # the best displayed price of its own side
    MARKET = 3  # the best displayed price of the other side


class Stp(IntEnum):
    """Self-trade prevention between orders of one stp_id (not 0): the incoming order's mode decides; PROFILE = the profile's."""

    PROFILE = 0
    NONE = 1
    CANCEL_NEW = 2
    CANCEL_OLD = 3
    CANCEL_BOTH = 4
    DECREMENT = 5  # both shrink by the smaller, what is left at nothing is cancelled


class Phase(IntEnum):
    CLOSED = 0
    PRE_OPEN = 1
    OPENING_CALL = 2
    CONTINUOUS = 3
    HALT = 4
    REOPENING_CALL = 5
    CLOSING_CALL = 6
    POST = 7


class EventKind(IntEnum):
    """What happened. The fields each kind fills are listed in Event."""

    ACCEPTED = 1
    REJECTED = 2
    TRADE = 3
    CANCELED = 4
    CANCEL_REJECTED = 5
    REPLACED = 6
    REPLACE_REJECTED = 7
    RESTATED = 8
    TRIGGERED = 9
    PHASE = 10
    INDICATIVE = 11
    AUCTION = 12
    BUSTED = 13
    CORRECTED = 14
    BUST_REJECTED = 15
    MASS_CANCELED = 16
    SESSION_ENDED = 17
    REJECTED_MESSAGE = 18
    ORDER = 19
    LEVEL = 20


class Reason(IntEnum):
    """Why: of a reject, a cancel, a restatement or a phase."""

    NONE = 0
    UNKNOWN_SYMBOL = 1
    BAD_FIELD = 2  # a number outside its enumeration
    DUPLICATE_ID = 3  # an order of this id is alive
    BAD_QTY = 4
    BAD_LOT = 5
    BAD_COMBINATION = 6  # each is known, together they mean nothing (a post-only market order)
    BAD_EXPIRY = 7
    BAD_TICK = 8
    PHASE = 9  # not accepted in this phase
    BAND = 10  # beyond the price band; of a phase: a trade would have been
    POST_ONLY = 11
    POOL_FULL = 12
    UNKNOWN_ORDER = 13
    NOT_OWNER = 14
    UNKNOWN_TRADE = 15  # never happened, too old to be kept, or already busted
    USER = 16  # of a cancel: asked for
    MASS = 17
    IOC = 18
    FOK = 19
    MIN_QTY = 20
    STP = 21
    EXPIRED = 22
    AUCTION = 23  # what an auction leaves of orders that live for it alone
    REFILL = 24  # an iceberg shows its next peak
    PEG = 25
    PARKED = 26  # a pegged order has nothing to follow
    LULD = 27
    OPERATOR = 28
    PROTECTION = 29  # a market order rests at the limit of its protection


class EventFlag(IntEnum):
    MAKER_HIDDEN = 1  # TRADE
    AUCTION = 2  # TRADE
    KEPT_PRIORITY = 4  # REPLACED
    RENAMED = 8  # ORDER: the order match_id goes on as order_id, in its place


MESSAGE = struct.Struct("<BBBBHBBIIIIQQQqqqqqqqII")
EVENT = struct.Struct("<BBBBIQqQQqqqqQIIII")


@dataclass(slots=True)
class Message:
    """One instruction to the exchange. Fields a kind does not use are ignored.

    session 0 is the operator, who may touch every order; another session may touch its own alone. seq is the caller's number
    and is carried by every event the message causes. Time never goes back: an earlier now_ns counts as the latest seen.
    """

    kind: int
    side: int = 0
    ord_type: int = 0
    tif: int = 0
    flags: int = 0
    peg: int = 0
    stp_mode: int = 0
    symbol: int = 0
    session: int = 0
    account: int = 0
    stp_id: int = 0
    seq: int = 0
    order_id: int = 0
    new_order_id: int = 0
    now_ns: int = 0
    px: int = 0
    qty: int = 0
    stop_px: int = 0
    display_qty: int = 0
    min_qty: int = 0
    expire_ns: int = 0
    phase: int = 0
    spare: int = 0

    def pack(self) -> bytes:
        """The 112 bytes of the record. Raises struct.error when a field does not fit."""
        return MESSAGE.pack(*_fields(self))


_fields = attrgetter(*(f.name for f in fields(Message)))


class Event(NamedTuple):
    """One thing that happened. What the fields mean, kind by kind (the rest is 0):

    ACCEPTED          order_id, side, px (as it will stand: slid, or 0 of a market order), qty, leaves_qty, session, account
    REJECTED          order_id, side, px, qty, reason, session, account
    TRADE             order_id and its leaves_qty = the incoming order (the buyer in an auction); match_id and match_leaves_qty =
                      the resting one; px, qty, trade_id (1, 2, …); side = of order_id; sessions and accounts of both
    CANCELED          order_id, side, px, qty = what was cancelled, reason, session, account
    CANCEL_REJECTED, REPLACE_REJECTED   order_id, reason, session = the asker's
    REPLACED          order_id = the new id, match_id = the old one, px, qty = as asked, leaves_qty (0 = nothing left, the order is gone)
    RESTATED          order_id, px, qty = shown (REFILL) or taken off (STP), leaves_qty, reason
    TRIGGERED         order_id, px = its stop price, leaves_qty
    PHASE             symbol, qty = the phase, reason (OPERATOR, LULD, BAND)
    INDICATIVE, AUCTION   symbol, px, qty = executable volume, leaves_qty = surplus (+ buys, − sells); qty 0 = nothing crosses
    BUSTED            trade_id, order_id, match_id, px, qty, sessions and accounts
    CORRECTED         as BUSTED with the new px and qty; leaves_qty = the old qty, match_leaves_qty = the old px
    BUST_REJECTED     trade_id, reason
    MASS_CANCELED     qty = how many, session and account as asked
    SESSION_ENDED     symbol, px = last, qty = volume, leaves_qty = high, match_leaves_qty = low, trade_id = number of trades
    REJECTED_MESSAGE  reason: the message itself makes no sense
    ORDER             order-level market data: order_id, side, px, qty = what it shows now (0 = gone; an id not known joins the end)
                      with RENAMED match_id is the id it had
    LEVEL             price-level market data: side, px, qty = displayed in all (0 = gone), leaves_qty = number of orders
    """

    kind: int
    side: int
    reason: int
    flags: int
    symbol: int
    seq: int
    now_ns: int
    order_id: int
    match_id: int
    px: int
    qty: int
    leaves_qty: int
    match_leaves_qty: int
    trade_id: int
    session: int
    match_session: int
    account: int
    match_account: int


def pack_messages(messages: Iterable[Message]) -> bytes:
    """The records of `messages`, one after the other."""
    return b"".join([m.pack() for m in messages])


def check_whole(data: bytes | bytearray | memoryview) -> None:
    """Raise ValueError unless `data` is whole records of messages."""
    if len(data) % MESSAGE.size:
        raise ValueError(f"{len(data)} bytes are not whole messages of {MESSAGE.size}")


def unpack_messages(data: bytes | bytearray | memoryview) -> Iterator[Message]:
    """The messages of whole records; struct.error when the length is no multiple of 112."""
    return (Message(*fields) for fields in MESSAGE.iter_unpack(data))


def unpack_events(data: bytes | bytearray | memoryview) -> list[Event]:
    """The events of whole records; struct.error when the length is no multiple of 96."""
    return [Event(*fields) for fields in EVENT.iter_unpack(data)]


class Quote(NamedTuple):
    """The best displayed prices and what is displayed there; None and 0 on an empty side."""

    bid_px: int | None
    bid_qty: int
    ask_px: int | None
    ask_qty: int


class OrderView(NamedTuple):
    """A live order as it stands. px of a stop or pegged order that is not on the book is its limit or last price."""

    order_id: int
    symbol: int
    side: int
    px: int
    leaves_qty: int
    cum_qty: int
    shown_qty: int
    on_book: bool


class Indication(NamedTuple):
    """What an auction would do now: volume 0 and px None when nothing crosses. surplus is demand less supply at px."""

    px: int | None
    volume: int
    surplus: int


class Statistics(NamedTuple):
    """The session so far, without busted trades; prices are None before the first trade."""

    trades: int
    volume: int
    open_px: int | None
    high_px: int | None
    low_px: int | None
    last_px: int | None
