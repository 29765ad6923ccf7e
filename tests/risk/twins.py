"""The model and the C behind one face: whatever a test does to both must come out equal."""

from risk.core import Core, sizes_of
from risk.limits import Limit, Limits
from risk.model import Breach, Counters, Delta, Exposure, Order, Risk

COUNTS = {"venues": 3, "accounts": 3, "strategies": 4, "instruments": 4}
ORDERS, DUP_IDS = 8, 8

# Every pair is allowed but account 2 for strategy 3 and symbol 3 for strategy 2.
ACCOUNT_OK = frozenset((s, a) for s in (1, 2, 3) for a in (1, 2) if (s, a) != (3, 2))
INSTRUMENT_OK = frozenset((s, i) for s in (1, 2, 3) for i in (1, 2, 3) if (s, i) != (2, 3))

WIDE_OPEN = {
    "order_qty": 10**15,
    "notional": 10**17,
    "collar_bps": 10_000,
    "position": 10**15,
    "open_orders": 10**6,
    "rate_per_s": 10**6,
}


def limits(
    firm: dict[str, int | Limit] | None = None, unset: tuple[str, ...] = (), version: int = 1, **scopes: dict[int, dict[str, int | Limit]]
) -> Limits:
    """Wide-open firm limits, narrowed by `firm` and by scope=entity → control → limit; `unset` controls are taken out of the firm."""
    found: dict[tuple[str, str, int], Limit] = {}
    for key, value in {**WIDE_OPEN, **(firm or {})}.items():
        if key not in unset:
            found[key, "firm", 0] = value if isinstance(value, Limit) else Limit(value, 0)
    for scope, entities in scopes.items():
        for entity, values in entities.items():
            for key, value in values.items():
                found[key, scope, entity] = value if isinstance(value, Limit) else Limit(value, 0)
    return Limits(version=version, limit=found, account_ok=ACCOUNT_OK, instrument_ok=INSTRUMENT_OK, **COUNTS)


class Twins:
    """Both at once; every answer is compared before it is returned."""

    def __init__(self, of: Limits | None = None) -> None:
        self.limits = of or limits()
        self.model = Risk(self.limits, ORDERS, DUP_IDS)
        self.core = Core(sizes_of(self.limits, ORDERS, DUP_IDS), self.limits)

    def check(self, o: Order) -> list[Breach]:
        before = self.core.hash
        said, by_c = self.model.check(o), self.core.check(o)
        assert by_c == said, f"{o}\nC:     {by_c}\nmodel: {said}"
        assert self.core.hash == before, "a check changed the state"
        return said

    def apply(self, d: Delta) -> int:
        said, by_c = self.model.apply(d), self.core.apply(d)
        assert by_c == said, f"{d}: C says {by_c:#x}, the model {said:#x}"
        return said

    def swap_limits(self, of: Limits) -> None:
        self.limits = self.model.limits = of
        self.core.swap_limits(of.to_bytes())

    def exposure(self, scope: str, entity: int, instrument: int) -> Exposure:
        said, by_c = self.model.exposure_of(scope, entity, instrument), self.core.exposure(scope, entity, instrument)
        assert by_c == said, f"{scope} {entity} in {instrument}: C {by_c}, model {said}"
        return said

    def counters(self, scope: str, entity: int) -> Counters:
        said, by_c = self.model.counters_of(scope, entity), self.core.counters(scope, entity)
        assert by_c == said, f"{scope} {entity}: C {by_c}, model {said}"
        return said

    def compare_all(self) -> None:
        """Every cell, counter, reservation and flag is equal."""
        for scope in ("firm", "venue", "account", "strategy", "symbol"):
            for entity in range(self.limits.count(scope)):
                self.counters(scope, entity)
                for instrument in range(self.limits.instruments):
                    if scope != "symbol" or instrument == entity:
                        self.exposure(scope, entity, instrument)
        for slot in range(ORDERS):
            assert self.core.held(slot) == self.model.held(slot), f"slot {slot}"
        assert self.core.flags == self.model.flags
