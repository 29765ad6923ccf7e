"""The matching core: every simulated venue's heart, as a C extension and as a plain Python twin with the same interface.

How to use it. Open an exchange under a profile, send messages, read events; both are fixed-size records (records.py says what
every field means, units included), one at a time as objects or many at once as bytes:

    from simulators.matching import Kind, Message, PRICE_TIME, open_exchange

    exchange = open_exchange(PRICE_TIME, symbols=2)
    events = exchange.send(Message(Kind.NEW, symbol=1, side=0, order_id=7, px=100, qty=5, session=3, seq=1, now_ns=now))
    data = exchange.run(pack_messages([...]))        # → bytes; unpack_events(data)

Ids are the caller's: order_id is any u64 that is not alive (a venue numbers its own orders and maps clients' ids to it);
session, account and stp_id say whose the order is, and events carry them back. trade_id counts from 1. A message whose answer
is a reject changes nothing. Nothing here reads a clock: now_ns comes with each message, Kind.TICK brings the time alone.

    profiles.py   the rules of a venue as data, and some venues       records.py   messages, events, enumerations
    twin.py, twin_*.py   the readable specification                    core.py      the C core (csrc/book.c) behind the same interface
    market_data.py   rebuilds the book from published events           stream.py    benchmark streams, `python -m simulators.matching`
"""

from simulators.matching.exchange import Exchange, open_exchange
from simulators.matching.profiles import (
    CME,
    PHASE_ACCEPTS,
    PRICE_TIME,
    PROFILES,
    STREAM,
    US_EQUITY,
    Accept,
    Change,
    Profile,
    Step,
)
from simulators.matching.records import (
    ALL_SYMBOLS,
    ANY_SIDE,
    PX_MAX,
    PX_MIN,
    QTY_MAX,
    Event,
    EventFlag,
    EventKind,
    Flag,
    Indication,
    Kind,
    Message,
    OrderView,
    OrdType,
    Peg,
    Phase,
    Quote,
    Reason,
    Side,
    Statistics,
    Stp,
    Tif,
    pack_messages,
    unpack_events,
    unpack_messages,
)

__all__ = [
    "ALL_SYMBOLS",
    "ANY_SIDE",
    "CME",
    "PHASE_ACCEPTS",
    "PRICE_TIME",
    "PROFILES",
    "PX_MAX",
    "PX_MIN",
    "QTY_MAX",
    "STREAM",
    "US_EQUITY",
    "Accept",
    "Change",
    "Event",
    "EventFlag",
    "EventKind",
    "Exchange",
    "Flag",
    "Indication",
    "Kind",
    "Message",
    "OrdType",
    "OrderView",
    "Peg",
    "Phase",
    "Profile",
    "Quote",
    "Reason",
    "Side",
    "Statistics",
    "Step",
    "Stp",
    "Tif",
    "open_exchange",
    "pack_messages",
    "unpack_events",
    "unpack_messages",
]
