"""What an exchange can do, whoever does it, and how one is opened."""

import os
from collections.abc import Callable
from typing import Protocol

from simulators.matching.profiles import Profile
from simulators.matching.records import Event, Indication, Message, OrderView, Phase, Quote, Statistics
from simulators.matching.twin import TwinExchange

CoreExchange: Callable[[Profile, int, int, int], "Exchange"] | None
try:
    from simulators.matching.core import CoreExchange
except ImportError:
    if os.environ.get("PORTCULLIS_BUILD"):  # a build was asked for by name: the twin must not stand in for it
        raise
    CoreExchange = None

MAX_SIZE = {"symbols": 10_000_000, "max_orders": 8_000_000, "max_trades": 1 << 30}


class Exchange(Protocol):
    """Books of `symbols` symbols (0 to symbols − 1) under one profile. Not for two threads at once.

    Questions about a symbol raise IndexError when there is no such symbol.
    """

    def send(self, message: Message) -> list[Event]:
        """Apply one message; return what happened, in order. Raises struct.error when a field does not fit its record."""

    def run(self, messages: bytes | bytearray | memoryview) -> bytes:
        """Apply whole records of messages, in order; return the records of all events.

        Raises ValueError when the length is no multiple of a message's.
        """

    def quote(self, symbol: int) -> Quote:
        """The best displayed prices of a symbol and the quantity displayed there."""

    def depth(self, symbol: int, side: int, levels: int) -> list[tuple[int, int, int]]:
        """The best displayed levels of a side: (price, displayed quantity, displayed orders)."""

    def order(self, order_id: int) -> OrderView | None:
        """A live order, or None."""

    def indication(self, symbol: int) -> Indication:
        """What an auction would do now."""

    def statistics(self, symbol: int) -> Statistics:
        """The session's trades so far, without busted ones."""

    def phase(self, symbol: int) -> Phase:
        """The phase a symbol is in."""

    @property
    def live_orders(self) -> int:
        """How many orders are alive, of all symbols, on the book or waiting."""

    def state_hash(self) -> int:
        """64 bits of what decides the next events: equal states have equal hashes, C or twin. Trades kept for a bust do not count."""


def open_exchange(
    profile: Profile, *, symbols: int = 1, max_orders: int = 100_000, max_trades: int = 65_536, twin: bool = False
) -> Exchange:
    """A new exchange: the C core when it is built, else the plain Python twin (or always, with twin=True).

    max_orders is how many orders may be alive; beyond it new ones are rejected (POOL_FULL) and everything else goes on.
    max_trades is how many of the newest trades may still be busted. Raises ValueError when a size is not positive.
    """
    for name, size in (("symbols", symbols), ("max_orders", max_orders), ("max_trades", max_trades)):
        if not 0 < size <= MAX_SIZE[name]:
            raise ValueError(f"{name} must be from 1 to {MAX_SIZE[name]:,}, not {size:,}")
    if twin or CoreExchange is None:
        return TwinExchange(profile, symbols, max_orders, max_trades)
    return CoreExchange(profile, symbols, max_orders, max_trades)
