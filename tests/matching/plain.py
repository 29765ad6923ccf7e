"""A third matcher for order streams, which knows only the format's text: nothing of it is shared with the core or the twin."""

import hashlib
import struct
from bisect import bisect_left, insort

Record = tuple[int, int, int, int, int, int, int, int, int]  # type, side, ioc, pad, quantity, sequence, id, price, reserved
BUY = 0


class Plain:
    """Orders in lists, prices in a sorted list a side, reports as (sequence, type, line)."""

    def __init__(self) -> None:
        self.alive: dict[int, tuple[int, int]] = {}  # id → (side, price)
        self.queues: dict[tuple[int, int], dict[int, int]] = {}  # (side, price) → id → quantity left, first in first
        self.prices: tuple[list[int], list[int]] = ([], [])
        self.reports: list[tuple[int, int, str]] = []

    def trade(self, seq: int, side: int, taker: int, limit: int, left: int) -> int:
        other = 1 - side
        prices = self.prices[other]
        while left and prices:
            px = prices[0] if side == BUY else prices[-1]
            if px > limit if side == BUY else px < limit:
                break
            maker, there = next(iter(self.queues[other, px].items()))
            qty = min(left, there)
            self.reports.append((seq, 1, f"1,{seq},{px},{qty},{maker},{taker}"))
            left -= qty
            if qty == there:
                self.take_away(maker)
            else:
                self.queues[other, px][maker] = there - qty
        return left

    def rest(self, side: int, order_id: int, px: int, qty: int) -> None:
        if (side, px) not in self.queues:
            insort(self.prices[side], px)
        self.queues.setdefault((side, px), {})[order_id] = qty
        self.alive[order_id] = (side, px)

    def take_away(self, order_id: int) -> tuple[int, int]:
        side, px = self.alive.pop(order_id)
        del self.queues[side, px][order_id]
        if not self.queues[side, px]:
            del self.queues[side, px]
            del self.prices[side][bisect_left(self.prices[side], px)]
        return side, px

    def apply(self, record: Record) -> None:
        kind, side, ioc, _, qty, seq, order_id, px, _ = record
        known = order_id in self.alive
        if kind == 0 and not known:
            self.reports.append((seq, 0, f"0,{seq},{side},{order_id},{px},{qty}"))
            left = self.trade(seq, side, order_id, px, qty)
            if left and ioc:
                self.reports.append((seq, 2, f"2,{seq},{side},{order_id},{px}"))
            elif left:
                self.rest(side, order_id, px, left)
        elif kind == 1 and known:
            side, px = self.take_away(order_id)
            self.reports.append((seq, 2, f"2,{seq},{side},{order_id},{px}"))
        elif kind == 2 and known:
            side, _ = self.take_away(order_id)
            self.reports.append((seq, 3, f"3,{seq},{side},{order_id},{px},{qty}"))
            left = self.trade(seq, side, order_id, px, qty)
            if left:
                self.rest(side, order_id, px, left)
        elif kind:
            self.reports.append((seq, 3 + kind, f"{3 + kind},{seq},{order_id}"))


def plain(file: bytes) -> str:
    """What the command prints for the bytes of a stream file: `messages reports sha256`."""
    book, records = Plain(), list(struct.iter_unpack("<4BI2Q2q", file[16:]))
    for record in records:
        book.apply(record)
    lines = [line for _, _, line in sorted(book.reports, key=lambda report: report[:2])]
    return f"{len(records)} {len(lines)} {hashlib.sha256(chr(10).join(lines).encode()).hexdigest()}\n"
