"""What must hold of any events of an exchange: an account of every order, kept from the events alone, and what is left checked at the end."""

from simulators.matching import Event, EventFlag, EventKind, Exchange, Reason, Side

_REJECTS = {
    EventKind.REJECTED,
    EventKind.CANCEL_REJECTED,
    EventKind.REPLACE_REJECTED,
    EventKind.BUST_REJECTED,
    EventKind.REJECTED_MESSAGE,
}


class Ledger:
    """Follows events and fails at the first that cannot be: quantity from nowhere, a trade of an order that is not there."""

    def __init__(self) -> None:
        self.leaves: dict[int, int] = {}
        self.side: dict[int, int] = {}
        self.symbol: dict[int, int] = {}
        self.trade_id = 0

    def apply(self, events: list[Event]) -> None:
        """Take in what one message caused."""
        for e in events:
            kind = EventKind(e.kind)
            if kind == EventKind.ACCEPTED:
                assert e.order_id not in self.leaves, e
                if e.leaves_qty:
                    self.leaves[e.order_id] = e.leaves_qty
                    self.side[e.order_id], self.symbol[e.order_id] = e.side, e.symbol
            elif kind == EventKind.TRADE:
                self._trade(e)
            elif kind == EventKind.CANCELED:
                assert self.leaves.pop(e.order_id) == e.qty > 0, e
            elif kind == EventKind.RESTATED and e.reason == Reason.STP:
                self.leaves[e.order_id] -= e.qty
                assert self.leaves[e.order_id] == e.leaves_qty > 0, e
            elif kind in (EventKind.RESTATED, EventKind.TRIGGERED):
                assert self.leaves[e.order_id] == e.leaves_qty, e
            elif kind == EventKind.REPLACED:
                old = self.leaves.pop(e.match_id)
                assert old > 0 and e.order_id not in self.leaves, e
                self.side[e.order_id], self.symbol[e.order_id] = self.side[e.match_id], e.symbol
                if e.leaves_qty:
                    self.leaves[e.order_id] = e.leaves_qty
            elif kind in _REJECTS:
                assert e.reason != Reason.NONE, e
        self._priorities(events)

    def _trade(self, e: Event) -> None:
        self.trade_id += 1
        assert e.trade_id == self.trade_id and e.qty > 0, e
        assert self.side[e.order_id] == e.side != self.side[e.match_id], e
        assert self.symbol[e.order_id] == self.symbol[e.match_id] == e.symbol, e
        for order_id, left in ((e.order_id, e.leaves_qty), (e.match_id, e.match_leaves_qty)):
            assert self.leaves[order_id] - e.qty == left >= 0, e
            self.leaves[order_id] = left
            if not left:
                del self.leaves[order_id]

    def _priorities(self, events: list[Event]) -> None:
        """Prices get no better as one incoming order goes on, and at a price displayed orders trade before hidden ones."""
        last: Event | None = None
        auction: Event | None = None
        for e in events:
            if e.kind == EventKind.AUCTION:
                auction, filled = e, 0
            if e.kind != EventKind.TRADE:
                if e.kind in (EventKind.REPLACED, EventKind.TRIGGERED, EventKind.PHASE) or (
                    e.kind == EventKind.RESTATED and e.reason != Reason.REFILL
                ):
                    last = None  # the same order may come in anew
                if e.kind == EventKind.PHASE and auction is not None:
                    assert filled == auction.qty, auction
                    auction = None
                continue
            if e.flags & EventFlag.AUCTION:
                assert auction is not None and e.px == auction.px, e
                filled += e.qty
                continue
            if last is not None and last.order_id == e.order_id:
                assert e.px >= last.px if e.side == Side.BUY else e.px <= last.px, (last, e)
                if e.px == last.px:
                    assert e.flags & EventFlag.MAKER_HIDDEN or not last.flags & EventFlag.MAKER_HIDDEN, (last, e)
            last = e

    def agrees(self, exchange: Exchange) -> None:
        """What the events left over is what is alive, order by order."""
        assert exchange.live_orders == len(self.leaves)
        for order_id, leaves in self.leaves.items():
            view = exchange.order(order_id)
            assert view is not None and view.leaves_qty == leaves, (view, leaves)
            assert view.side == self.side[order_id] and view.symbol == self.symbol[order_id]
