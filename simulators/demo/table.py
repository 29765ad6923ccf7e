"""The demo's end: what strategy, gateway and venues counted, whether they agree, and the closing table."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.tools.show import table
from simulators.demo.strategy import Tally

MS = 1_000_000


@dataclass(frozen=True)
class GatewaySays:
    """What the gateway counted, asked over its admin socket."""

    counts: Mapping[str, int]
    positions: Mapping[str, int]


@dataclass(frozen=True)
class VenuesSay:
    """What the simulated venues counted, before anybody removed duplicates; summed over the venues."""

    new: int = 0
    repeated: int = 0
    accepted: int = 0
    rejected: int = 0
    executions: int = 0
    executed_qty: int = 0
    open: int = 0
    positions: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, counts: Sequence[Mapping[str, Any]]) -> "VenuesSay":
        """From the lines of JSON that the simulators print at their end."""
        positions: Counter[str] = Counter()
        for venue in counts:
            positions.update(venue["positions"])
        received = [venue["received"] for venue in counts]
        return cls(
            new=sum(each.get("new", 0) for each in received),
            repeated=sum(each.get("duplicate", 0) + each.get("repeated", 0) for each in received),
            **{name: sum(venue[name] for venue in counts) for name in ("accepted", "rejected", "executions", "executed_qty", "open")},
            positions=_held(positions),
        )


def _held(positions: Mapping[str, int]) -> dict[str, int]:
    return {symbol: quantity for symbol, quantity in sorted(positions.items()) if quantity}


def differences(tally: Tally, gateway: GatewaySays, venues: VenuesSay) -> list[str]:
    """Every way in which the three do not agree, or an order has no end; empty if all is well."""
    count = gateway.counts
    sent = tally.news - tally.denied_orders - tally.unsent
    wrong = [
        f"{what}: " + ", ".join(f"{who} {value}" for who, value in said.items())
        for what, said in (
            ("orders that reached a venue", {"strategy": sent, "venues": venues.new - venues.repeated}),
            ("acks", {"strategy": tally.acks, "gateway": count["acks"], "venues": venues.accepted}),
            ("executions", {"strategy": tally.fills, "gateway": count["fills"], "venues": venues.executions}),
            ("executed quantity", {"strategy": tally.executed_qty, "venues": venues.executed_qty}),
            ("rejected by a venue", {"strategy": tally.rejected, "venues": venues.rejected}),
            ("open at the end", {"strategy": tally.not_final, "gateway": count["open_orders"], "venues": venues.open}),
            ("in doubt at the end", {"gateway": count["in_doubt"], "right": 0}),
            ("reports of no order", {"gateway": count["orphans"], "right": 0}),
            ("orders repeated at a venue", {"venues": venues.repeated, "right": 0}),
        )
        if len(set(said.values())) > 1
    ]
    if tally.not_final:
        wrong.append(f"orders without an end: {tally.not_final}")
    ours = _held(tally.positions)
    for symbol in sorted({*ours, *gateway.positions, *venues.positions}):
        said = {"strategy": ours.get(symbol, 0), "gateway": gateway.positions.get(symbol, 0), "venues": venues.positions.get(symbol, 0)}
        if len(set(said.values())) > 1:
            wrong.append(f"position {symbol}: " + ", ".join(f"{who} {value}" for who, value in said.items()))
    if not tally.news:
        wrong.append("no order was sent")
    return wrong


def percentile(values: Sequence[int], per_cent: int) -> int:
    """The smallest value that at least `per_cent` of them do not exceed. `values` is not empty."""
    rising = sorted(values)
    return rising[max(0, -(-len(rising) * per_cent // 100) - 1)]


def closing_table(tally: Tally, gateway: GatewaySays, venues: VenuesSay) -> str:
    """What is printed at the end."""
    ours = _held(tally.positions)
    parts = [
        table(
            ("", "strategy", "gateway", "venues"),
            [
                ("orders", tally.news, "", ""),
                ("  accepted by the gateway", "", gateway.counts["orders"], ""),
                ("  sent to a venue", tally.news - tally.denied_orders - tally.unsent, "", venues.new),
                ("cancels", tally.cancels, "", ""),
                ("replaces", tally.replaces, "", ""),
                ("acks", tally.acks, gateway.counts["acks"], venues.accepted),
                ("fills", tally.fills, gateway.counts["fills"], venues.executions),
                ("canceled", tally.canceled, "", ""),
                ("rejected", tally.rejected, "", venues.rejected),
                ("denied", tally.denied_orders, gateway.counts["denied"], ""),
                ("without an end", tally.not_final, gateway.counts["open_orders"], venues.open),
            ],
        )
    ]
    for heading, counted in (("denied, never sent", tally.denied), ("cancels and replaces refused", tally.refused)):
        if counted:
            parts.append(table((heading, ""), [(reason, number) for reason, number in counted.most_common()]))
    if tally.latencies:
        rows = [
            (venue, len(values), *(f"{value / MS:.3f}" for value in (percentile(values, 50), percentile(values, 99), max(values))))
            for venue, values in sorted(tally.latencies.items())
        ]
        parts.append(table(("order to answer, ms", "answers", "p50", "p99", "max"), rows))
    held = sorted({*ours, *gateway.positions, *venues.positions})
    if held:
        parts.append(
            table(
                ("position", "strategy", "gateway", "venues"),
                [(symbol, ours.get(symbol, 0), gateway.positions.get(symbol, 0), venues.positions.get(symbol, 0)) for symbol in held],
            )
        )
    return "\n\n".join(parts)
