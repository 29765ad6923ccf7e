"""From runs to a table: medians by placement, and ratios formed only within one placement."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from tests.bench.rig import Row, Run

# A hypervisor moves our processors between hyper-threads of a core and different cores, and every busy latency follows by up
# to half. What a cache line costs between them tells: about 120 ns and 500 on one machine, other values on others. So runs are
# grouped where those costs lie close together, and a name is given for the eye only.
SAME_PLACEMENT = 1.5
NEAR_NS = 250
QUIET = 0.15  # processors that others may use in a run that counts, as long as a quieter run of the row exists


@dataclass(frozen=True)
class Figure:
    """One measured quantity. scale: what one unit shown is in units of the load generator (ns, or orders a second)."""

    name: str
    phase: str
    key: str
    unit: str
    scale: float


def us(name: str, phase: str, *keys: str) -> list[Figure]:
    return [Figure(f"{name} {key.replace('p999', 'p99.9')}", phase, f"{key}_ns", "us", 1000) for key in keys]


def figures(sparse: int, sustained: int) -> list[Figure]:
    """All figures, in the order of the table; sparse and sustained are rates in orders a second."""
    return [
        *us("ping-pong", "pingpong", "p50", "p99", "p999", "max"),
        *us("sparse", f"rate {sparse}", "p50", "p99"),
        *us("sustained", f"rate {sustained}", "p50", "p99", "p999", "max"),
        Figure("burst", "burst", "per_second", "k orders/s", 1000),
        Figure("burst CPU per order", "burst", "gateway_cpu_ns", "us", 1000),
    ]


# What issue and design ask for, shown beside what was measured: (row, figure) → text.
GOALS = {
    ("gateway busy", "ping-pong p50"): "≤ 1.3×",
    ("gateway default", "ping-pong p50"): "≤ 1.3×",
    ("gateway busy", "burst"): "≥ 500 k orders/s",
    ("gateway busy", "burst CPU per order"): "≤ 1.5 us",
    ("gateway busy, computing task", "ping-pong p99.9"): "unchanged",
}


def quiet(runs: Iterable[Run]) -> list[Run]:
    """The valid runs that others did not disturb, or all valid ones where every one was disturbed."""
    valid = [run for run in runs if run.phases is not None and not run.invalid]
    return [run for run in valid if run.others < QUIET] or valid


def placements(runs: Sequence[Run]) -> dict[Run, str]:
    """Run → name of its placement: `near 120 ns`, `far 500 ns`, `one core`, or `moved` where it changed during the run."""
    costs = sorted(cost for run in runs for cost in run.cache_line_ns)
    groups: list[list[int]] = []
    for cost in costs:
        if groups and cost <= groups[-1][-1] * SAME_PLACEMENT:
            groups[-1].append(cost)
        else:
            groups.append([cost])

    def name(cost: int) -> str:
        (group,) = (group for group in groups if group[0] <= cost <= group[-1])
        middle = int(median(group))
        return f"{'near' if middle < NEAR_NS else 'far'} {middle} ns" if middle else "one core"

    names = [(run, name(run.cache_line_ns[0]), name(run.cache_line_ns[1])) for run in runs]
    return {run: before if before == after else "moved" for run, before, after in names}


def value(run: Run, figure: Figure) -> float | None:
    phase = (run.phases or {}).get(figure.phase)
    return phase[figure.key] / figure.scale if phase and phase["orders"] and phase[figure.key] else None


def values(runs: Iterable[Run], figure: Figure) -> list[float]:
    return [v for run in runs if (v := value(run, figure)) is not None]


def table(rows: Sequence[Row], runs: Sequence[Run], shown: Sequence[Figure]) -> str:
    """One line for each figure of each row in each placement met; what could not be measured says why."""
    by_row = {row.name: quiet(run for run in runs if run.row == row.name) for row in rows}
    place = placements(runs)
    lines = [("gateway", "figure", "median", "cores", "runs", "ratio", "beside", "goal")]
    notes = []
    for row in rows:
        if row.not_measured:
            notes.append(f"{row.name}: not measured: {row.not_measured}")
        notes += [f"{row.name}: INVALID: {run.invalid}" for run in runs if run.row == row.name and run.invalid]
        places = sorted({place[run] for run in by_row[row.name]})
        for figure in shown:
            for where in places:
                ours = values((run for run in by_row[row.name] if place[run] == where), figure)
                if not ours:
                    continue
                theirs = values((run for run in by_row.get(row.beside, []) if place[run] == where), figure) if where != "moved" else []
                ratio = f"{median(ours) / median(theirs):.2f}×" if theirs else "-"
                shown_value = f"{median(ours):,.0f}" if figure.unit != "us" else f"{median(ours):,.2f}"
                lines.append((row.name, figure.name, f"{shown_value} {figure.unit}", where, str(len(ours)), ratio,
                              row.beside if theirs else "", GOALS.get((row.name, figure.name), "")))  # fmt: skip
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    disturbed = [run.others for run in runs if run.others >= QUIET]
    if disturbed:
        notes.append(f"other programs used up to {max(disturbed):.2f} processors in {len(disturbed)} of {len(runs)} runs; those count only where a row has no quieter run")
    return "\n".join([*text, *notes])
