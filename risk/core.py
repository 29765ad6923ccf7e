"""csrc/risk.c seen from Python: the same check and apply as risk.model, in the C that the lane runs; for explaining a refusal and for tests."""

from typing import Any, NamedTuple

from gateway.native import load
from risk.controls import controls
from risk.limits import Limits
from risk.model import Breach, Counters, Delta, Exposure, Order

_risk = load("risk._risk")
ffi, lib = _risk.ffi, _risk.lib

HAS_PX, HAS_STOP_PX, HAS_REF_PX = 1, 2, 4


class Sizes(NamedTuple):
    """gw_risk_sizes; each count includes index 0."""

    venues: int
    accounts: int
    strategies: int
    instruments: int
    orders: int
    dup_ids: int


def sizes_of(limits: Limits, orders: int, dup_ids: int) -> Sizes:
    """The table sizes for one configuration."""
    return Sizes(limits.venues, limits.accounts, limits.strategies, limits.instruments, orders, dup_ids)


class Core:
    """One gw_risk in memory of its own. Raises: ValueError if the sizes or a limits table cannot be used."""

    def __init__(self, sizes: Sizes, limits: Limits | None = None) -> None:
        self.sizes = ffi.new("gw_risk_sizes *", tuple(sizes))
        size = lib.gw_risk_size(self.sizes)
        self.memory = ffi.new("uint64_t[]", max(1, size // 8))
        self.risk = lib.gw_risk_init(self.memory, size, self.sizes)
        if not self.risk:
            raise ValueError(f"{sizes}: a count is 0 or too large, or dup_ids is no power of two")
        if limits is not None:
            self.swap_limits(limits.to_bytes())

    def swap_limits(self, table: bytes) -> None:
        """Put a limits table in force as a whole."""
        words = ffi.new("uint64_t[]", max(1, -(-len(table) // 8)))
        ffi.memmove(words, table, len(table))
        if not lib.gw_risk_swap_limits(self.risk, words, len(table)):
            raise ValueError("not a limits table for these sizes")
        self.limits = words  # keeps the memory alive: C keeps the pointer

    def check(self, o: Order) -> list[Breach]:
        """Every reason not to take the order, as risk.model.Risk.check."""
        out = ffi.new("gw_breach[48]")
        count = lib.gw_risk_check(self.risk, order_in(o), out, 48)
        return [breach(out[i]) for i in range(count)]

    def apply(self, d: Delta) -> int:
        """Book one event, as risk.model.Risk.apply."""
        return int(lib.gw_risk_apply(self.risk, delta(d)))

    def exposure(self, scope: str, entity: int, instrument: int) -> Exposure:
        e = ffi.new("gw_exposure *")
        assert lib.gw_risk_exposure(self.risk, controls().scopes.index(scope), entity, instrument, e), (scope, entity, instrument)
        return Exposure(e.position, e.open_buy, e.open_sell, e.pend_buy, e.pend_sell)

    def counters(self, scope: str, entity: int) -> Counters:
        c = ffi.new("gw_risk_scope *")
        assert lib.gw_risk_counters(self.risk, controls().scopes.index(scope), entity, c), (scope, entity)
        return Counters(c.open_orders, c.messages, c.cancels, c.bucket_nano, c.bucket_ns)

    def held(self, slot: int) -> int:
        return int(lib.gw_risk_held(self.risk, slot))

    @property
    def flags(self) -> int:
        return int(lib.gw_risk_flags(self.risk))

    @property
    def hash(self) -> int:
        return int(lib.gw_risk_hash(self.risk))


def order_in(o: Order) -> Any:
    """gw_risk_in of a model's order."""
    has = (o.px is not None) * HAS_PX | (o.stop_px is not None) * HAS_STOP_PX | (o.ref_px is not None) * HAS_REF_PX
    whole = {name: value for name, value in vars(o).items() if name not in ("px", "stop_px", "ref_px")}
    prices = {"px": o.px or 0, "stop_px": o.stop_px or 0, "ref_px": o.ref_px or 0}
    return ffi.new("gw_risk_in *", {**whole, **prices, "kind": ord(o.kind), "ord_type": ord(o.ord_type), "has": has})


def delta(d: Delta) -> Any:
    """gw_risk_delta of a model's delta."""
    return ffi.new("gw_risk_delta *", {**vars(d)})


def breach(b: Any) -> Breach:
    """A model's breach of a gw_breach."""
    table = controls()
    control, why = list(table.controls)[b.control], list(table.whys)[b.why]
    return Breach(control, table.scopes[b.scope], b.entity, why, b.exp, b.value, b.limit, b.headroom)


def breach_text(b: Breach, name: str = "") -> str:
    """What a reject says of one breach; `name` is the scope entity's. Text is ASCII, at most 255 bytes."""
    out = ffi.new("char[256]")
    n = lib.gw_breach_text(_breach_c(b), name.encode(), out, 256)
    return bytes(ffi.buffer(out, n)).decode("ascii")


def ord_rej_reason(b: Breach) -> int:
    """FIX 4.4 OrdRejReason(103) of one breach."""
    return int(lib.gw_breach_ord_rej_reason(_breach_c(b)))


def _breach_c(b: Breach) -> Any:
    table = controls()
    numbers = {"control": table.controls[b.control].index, "scope": table.scopes.index(b.scope), "why": table.whys[b.why].index}
    return ffi.new("gw_breach *", {**vars(b), **numbers})
