"""The C core behind the interface of the twin: records in, records out, no Python per record."""

import mmap
from typing import Any

from gateway.native import load
from simulators.matching.profiles import PHASES, Profile
from simulators.matching.records import (
    EVENT,
    MESSAGE,
    Event,
    Indication,
    Message,
    OrderView,
    Phase,
    Quote,
    Statistics,
    check_whole,
    unpack_events,
)

_book: Any = load("simulators.matching._book")
ffi, lib = _book.ffi, _book.lib

_ROOM = 1 << 15  # events at a time: 3 MiB, which stays in a cache close by
# From here on random orders cost more in page tables than in caches, and whole large pages are soon filled anyway.
_LARGE = 64 << 20


class CoreExchange:
    """An exchange of `symbols` books under one profile, in C. Its memory is reserved at once and used as orders fill it."""

    def __init__(self, profile: Profile, symbols: int, max_orders: int, max_trades: int) -> None:
        config = _config(profile, symbols, max_orders, max_trades)
        size = lib.book_size(config)
        if not size:
            raise ValueError(
                f"{profile.name}: the core refuses this profile with {symbols} symbols, {max_orders} orders, {max_trades} trades"
            )
        self._symbols = symbols
        self._memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        if size >= _LARGE:
            self._memory.madvise(mmap.MADV_HUGEPAGE)
        self._x = lib.book_init(ffi.from_buffer(self._memory), config)
        self._room = ffi.new("book_event[]", _ROOM)
        self._room_bytes = ffi.buffer(self._room)
        self._taken = ffi.new("uint64_t *")

    def send(self, message: Message) -> list[Event]:
        """Apply one message; return what happened, in order."""
        n = lib.book_run(self._x, message.pack(), 1, self._room, _ROOM, self._taken)
        events = unpack_events(self._room_bytes[: n * EVENT.size])
        while lib.book_busy(self._x):
            n = lib.book_run(self._x, ffi.NULL, 0, self._room, _ROOM, self._taken)
            events += unpack_events(self._room_bytes[: n * EVENT.size])
        return events

    def run(self, messages: bytes | bytearray | memoryview) -> bytes:
        """Apply whole records of messages, in order; return the records of all events."""
        check_whole(messages)
        start = ffi.from_buffer("uint8_t[]", messages)
        count, done, out = len(messages) // MESSAGE.size, 0, bytearray()
        while done < count or lib.book_busy(self._x):
            n = lib.book_run(self._x, start + done * MESSAGE.size, count - done, self._room, _ROOM, self._taken)
            done += self._taken[0]
            out += self._room_bytes[: n * EVENT.size]
        return bytes(out)

    def run_into(self, messages: bytes | bytearray | memoryview, events: Any, at: int = 0) -> tuple[int, int]:
        """Apply messages from number `at` until they end or `events` (a cffi book_event[]) is full.

        Returns (messages taken in all, events written). When messages remain, or `busy`, read the events and call again.
        """
        start = ffi.from_buffer("uint8_t[]", messages)
        count = len(messages) // MESSAGE.size
        n = lib.book_run(self._x, start + at * MESSAGE.size, count - at, events, len(events), self._taken)
        return at + self._taken[0], n

    @property
    def busy(self) -> bool:
        """A message is half done because the room for events ran out; only run_into can leave it so."""
        return bool(lib.book_busy(self._x))

    def quote(self, symbol: int) -> Quote:
        """The best displayed prices of a symbol and the quantity displayed there."""
        out = ffi.new("book_quote_view *")
        lib.book_quote(self._x, self._known(symbol), out)
        return Quote(out.bid_px if out.has_bid else None, out.bid_qty, out.ask_px if out.has_ask else None, out.ask_qty)

    def depth(self, symbol: int, side: int, levels: int) -> list[tuple[int, int, int]]:
        """The best displayed levels of a side: (price, displayed quantity, displayed orders)."""
        out = ffi.new("book_level_view[]", max(levels, 1))
        n = lib.book_depth(self._x, self._known(symbol), side, out, levels)
        return [(out[i].px, out[i].qty, out[i].count) for i in range(n)]

    def order(self, order_id: int) -> OrderView | None:
        """A live order, or None."""
        o = ffi.new("book_order_view *")
        if not lib.book_order(self._x, order_id, o):
            return None
        return OrderView(o.order_id, o.symbol, o.side, o.px, o.leaves_qty, o.cum_qty, o.shown_qty, bool(o.on_book))

    def indication(self, symbol: int) -> Indication:
        """What an auction would do now."""
        out = ffi.new("book_indication_view *")
        lib.book_indication(self._x, self._known(symbol), out)
        return Indication(out.px if out.has_px else None, out.volume, out.surplus)

    def statistics(self, symbol: int) -> Statistics:
        """The session's trades so far, without busted ones."""
        t = ffi.new("book_statistics_view *")
        lib.book_statistics(self._x, self._known(symbol), t)
        if not t.trades:
            return Statistics(0, 0, None, None, None, None)
        return Statistics(t.trades, t.volume, t.open_px, t.high_px, t.low_px, t.last_px)

    def phase(self, symbol: int) -> Phase:
        """The phase a symbol is in."""
        return Phase(lib.book_phase(self._x, self._known(symbol)))

    @property
    def live_orders(self) -> int:
        """How many orders are alive, of all symbols, on the book or waiting."""
        return int(lib.book_live(self._x))

    def state_hash(self) -> int:
        """64 bits of what decides the next events: equal states have equal hashes, C or twin. Trades kept for a bust do not count."""
        return int(lib.book_state_hash(self._x))

    def _known(self, symbol: int) -> int:
        if not 0 <= symbol < self._symbols:
            raise IndexError(f"symbol {symbol} is not in 0…{self._symbols - 1}")
        return symbol


def _config(profile: Profile, symbols: int, max_orders: int, max_trades: int) -> Any:
    p = profile
    c = ffi.new("book_config *")
    c.symbols, c.max_orders, c.max_trades = symbols, max_orders, max_trades
    c.accepts = [int(p.phase_accepts.get(Phase(i), 0)) for i in range(PHASES)]
    c.keeps, c.first_phase, c.replace_total, c.zero_qty = int(p.keeps), p.first_phase, p.replace_total, p.zero_qty
    c.stp, c.market_rests, c.level_data, c.order_data = p.stp, p.market_rests, p.level_data, p.order_data
    c.short_expires = p.short_expires
    c.steps, c.ticks = len(p.allocation), len(p.ticks)
    for i, step in enumerate(p.allocation):
        c.allocation[i] = step
    for i, (start, tick) in enumerate(p.ticks):
        c.tick_from[i], c.tick[i] = start, tick
    c.top_min, c.top_max, c.pro_rata_min, c.lot = p.top_min, p.top_max, p.pro_rata_min, p.lot
    c.lmm_bps, c.split_bps, c.band_bps, c.dynamic_bps = p.lmm_bps, p.split_bps, p.band_bps, p.dynamic_bps
    c.protection, c.luld_unit = p.protection, p.luld_unit
    return c
