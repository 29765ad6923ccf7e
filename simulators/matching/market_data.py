"""Rebuilds books from what an exchange publishes: from ORDER events order by order, from LEVEL events price by price.

A follower knows nothing else of the exchange, and neither sees hidden quantity. Profile.order_data and .level_data publish.
"""

from collections import OrderedDict
from collections.abc import Iterable

from simulators.matching.records import Event, EventFlag, EventKind, Side


class OrderFeed:
    """Every displayed order of every symbol, in its queue. ORDER: an unknown id joins the end of its price, 0 takes it away."""

    def __init__(self) -> None:
        self._queues: dict[
            tuple[int, int, int], OrderedDict[int, int]
        ] = {}  # (symbol, side, px) → id → displayed quantity

    def apply(self, events: Iterable[Event]) -> None:
        """Take in events in the order in which they were published; other kinds than ORDER are passed over."""
        for e in events:
            if e.kind != EventKind.ORDER:
                continue
            key = (e.symbol, e.side, e.px)
            queue = self._queues.setdefault(key, OrderedDict())
            if e.flags & EventFlag.RENAMED:
                self._queues[key] = OrderedDict((e.order_id if i == e.match_id else i, qty) for i, qty in queue.items())
            elif e.qty:
                queue[e.order_id] = e.qty
            else:
                del queue[e.order_id]
                if not queue:
                    del self._queues[key]

    def queue(self, symbol: int, side: int, px: int) -> list[tuple[int, int]]:
        """(order id, displayed quantity) at a price, first to trade first."""
        return list(self._queues.get((symbol, side, px), {}).items())

    def depth(self, symbol: int, side: int) -> list[tuple[int, int, int]]:
        """(price, displayed quantity, orders), best first."""
        levels = [(px, sum(q.values()), len(q)) for (s, d, px), q in self._queues.items() if (s, d) == (symbol, side)]
        return sorted(levels, reverse=side == Side.BUY)


class LevelFeed:
    """Every displayed price of every symbol. LEVEL: the new total and count of a price, 0 takes it away."""

    def __init__(self) -> None:
        self._levels: dict[
            tuple[int, int, int], tuple[int, int]
        ] = {}  # (symbol, side, px) → (displayed quantity, orders)

    def apply(self, events: Iterable[Event]) -> None:
        """Take in events in the order in which they were published; other kinds than LEVEL are passed over."""
        for e in events:
            if e.kind == EventKind.LEVEL and e.qty:
                self._levels[e.symbol, e.side, e.px] = (e.qty, e.leaves_qty)
            elif e.kind == EventKind.LEVEL:
                self._levels.pop((e.symbol, e.side, e.px), None)

    def depth(self, symbol: int, side: int) -> list[tuple[int, int, int]]:
        """(price, displayed quantity, orders), best first."""
        levels = [(px, qty, n) for (s, d, px), (qty, n) in self._levels.items() if (s, d) == (symbol, side)]
        return sorted(levels, reverse=side == Side.BUY)
