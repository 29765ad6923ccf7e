"""The vocabulary of orders and reports. Generated from gateway/codecs/layouts/house/order.toml; change that file, not this one."""

from enum import IntEnum, StrEnum


class Kind(StrEnum):
    """Kind: values as in a record and in FIX."""

    NEW_ORDER = "D"
    CANCEL = "F"
    REPLACE = "G"
    STATUS = "H"
    MASS_CANCEL = "q"
    EXECUTION_REPORT = "8"
    CANCEL_REJECT = "9"
    MASS_CANCEL_REPORT = "r"
    REJECT = "3"
    BUSINESS_REJECT = "j"


class Side(StrEnum):
    """Side: values as in a record and in FIX."""

    BUY = "1"
    SELL = "2"
    SELL_SHORT = "5"
    SELL_SHORT_EXEMPT = "6"


class OrdType(StrEnum):
    """OrdType: values as in a record and in FIX."""

    MARKET = "1"
    LIMIT = "2"
    STOP = "3"
    STOP_LIMIT = "4"
    MARKET_IF_TOUCHED = "J"
    MARKET_TO_LIMIT = "K"
    PEGGED = "P"


class TimeInForce(StrEnum):
    """TimeInForce: values as in a record and in FIX."""

    DAY = "0"
    GOOD_TILL_CANCEL = "1"
    AT_THE_OPENING = "2"
    IMMEDIATE_OR_CANCEL = "3"
    FILL_OR_KILL = "4"
    GOOD_TILL_CROSSING = "5"
    GOOD_TILL_DATE = "6"
    AT_THE_CLOSE = "7"


class OrderCapacity(StrEnum):
    """OrderCapacity: values as in a record and in FIX."""

    AGENCY = "A"
    PROPRIETARY = "G"
    INDIVIDUAL = "I"
    PRINCIPAL = "P"
    RISKLESS_PRINCIPAL = "R"
    AGENT_FOR_OTHER_MEMBER = "W"


class PositionEffect(StrEnum):
    """PositionEffect: values as in a record and in FIX."""

    OPEN = "O"
    CLOSE = "C"
    ROLLED = "R"
    FIFO = "F"


class SelfMatchMode(StrEnum):
    """SelfMatchMode: values as in a record and in FIX."""

    CANCEL_NEWEST = "N"
    CANCEL_OLDEST = "O"
    CANCEL_BOTH = "B"
    DECREMENT = "D"


class MassScope(StrEnum):
    """MassScope: values as in a record and in FIX."""

    SECURITY = "1"
    ALL = "7"


class ExecType(StrEnum):
    """ExecType: values as in a record and in FIX."""

    NEW = "0"
    DONE_FOR_DAY = "3"
    CANCELED = "4"
    REPLACED = "5"
    PENDING_CANCEL = "6"
    STOPPED = "7"
    REJECTED = "8"
    SUSPENDED = "9"
    PENDING_NEW = "A"
    CALCULATED = "B"
    EXPIRED = "C"
    RESTATED = "D"
    PENDING_REPLACE = "E"
    TRADE = "F"
    TRADE_CORRECT = "G"
    TRADE_CANCEL = "H"
    ORDER_STATUS = "I"
    DENIED = "X"  # never sent to the venue
    IN_DOUBT = "U"  # sent, outcome unknown


class OrdStatus(StrEnum):
    """OrdStatus: values as in a record and in FIX."""

    NEW = "0"
    PARTIALLY_FILLED = "1"
    FILLED = "2"
    DONE_FOR_DAY = "3"
    CANCELED = "4"
    REPLACED = "5"
    PENDING_CANCEL = "6"
    STOPPED = "7"
    REJECTED = "8"
    SUSPENDED = "9"
    PENDING_NEW = "A"
    CALCULATED = "B"
    EXPIRED = "C"
    PENDING_REPLACE = "E"


class LastLiquidity(StrEnum):
    """LastLiquidity: values as in a record and in FIX."""

    ADDED = "1"
    REMOVED = "2"
    ROUTED_OUT = "3"
    AUCTION = "4"


class CxlRejResponseTo(StrEnum):
    """CxlRejResponseTo: values as in a record and in FIX."""

    CANCEL = "1"
    REPLACE = "2"


class Level(StrEnum):
    """Level: values as in a record and in FIX."""

    FIRM = "F"
    VENUE = "V"
    ACCOUNT = "A"
    STRATEGY = "S"
    SYMBOL = "Y"


class Flag(IntEnum):
    """Flag: values as in a record and in FIX."""

    NO = 0
    YES = 1


class Reason(IntEnum):
    """Reason: values as in a record and in FIX."""

    NONE = 0
    VENUE_DOWN = 1
    RECOVERING = 2
    KILLED = 3
    RESTART = 4
    QUEUE_TTL = 5
    DUPLICATE_ID = 6
    UNKNOWN_SYMBOL = 7
    UNKNOWN_ACCOUNT = 8
    UNKNOWN_VENUE = 9
    UNKNOWN_ORDER = 10
    BAD_TICK = 11
    BAD_LOT = 12
    BAD_QTY = 13
    BAD_PRICE = 14
    NOT_EXPRESSIBLE = 15
    MALFORMED = 16
    LIMIT = 17
    TABLE_FULL = 18
    JOURNAL_FULL = 19
    JOURNAL_FAILED = 20
    HALTED = 21
    TOO_LATE = 22
    PENDING_REPLACE = 23
    VOIDED = 24
    NOT_PERMITTED = 25
    THROTTLED = 26
    CONNECTION_CLOSED = 27
    SHUTDOWN = 28
    ORPHAN = 29
    OTHER = 30
    PAUSED = 31
    OPERATOR = 32

    @property
    def text(self) -> str:
        """A sentence for people."""
        return _REASON_TEXT[self]


_REASON_TEXT = {
    Reason.NONE: "no reason given",
    Reason.VENUE_DOWN: "the venue's session is not connected",
    Reason.RECOVERING: "the venue's session is recovering; send again when it is open",
    Reason.KILLED: "the kill switch is engaged for a scope of this order",
    Reason.RESTART: "the gateway restarted before the order was sent",
    Reason.QUEUE_TTL: "the order waited longer than queue_ttl for the venue to take it",
    Reason.DUPLICATE_ID: "the order id was used before or does not rise",
    Reason.UNKNOWN_SYMBOL: "the symbol is not in the instrument file",
    Reason.UNKNOWN_ACCOUNT: "the account is not configured for this strategy",
    Reason.UNKNOWN_VENUE: "the venue is not configured, or has no row for the symbol",
    Reason.UNKNOWN_ORDER: "there is no such order",
    Reason.BAD_TICK: "the price is not a multiple of the instrument's tick",
    Reason.BAD_LOT: "the quantity is not a multiple of the instrument's lot",
    Reason.BAD_QTY: "the quantity is missing, zero, negative or too large",
    Reason.BAD_PRICE: "the price is missing, out of range, or not for this order type",
    Reason.NOT_EXPRESSIBLE: "the venue's protocol cannot say this",
    Reason.MALFORMED: "the message is not well formed",
    Reason.LIMIT: "a risk control was breached; control and scope name it",
    Reason.TABLE_FULL: "a table of the gateway is full",
    Reason.JOURNAL_FULL: "the journal's ring is nearly full",
    Reason.JOURNAL_FAILED: "the journal could not be written to disk",
    Reason.HALTED: "the instrument is halted",
    Reason.TOO_LATE: "the order is already final",
    Reason.PENDING_REPLACE: "the order already has a cancel or replace under way",
    Reason.VOIDED: "no byte of the message left before its connection closed",
    Reason.NOT_PERMITTED: "this strategy may not do this",
    Reason.THROTTLED: "the message rate allowed was exceeded",
    Reason.CONNECTION_CLOSED: "the connection closed",
    Reason.SHUTDOWN: "the gateway is shutting down",
    Reason.ORPHAN: "a report about an order that the gateway does not know",
    Reason.OTHER: "another reason; the text says which",
    Reason.PAUSED: "an operator has paused new orders of a scope of this order",
    Reason.OPERATOR: "an operator has cancelled it",
}
