"""Every border of a run is tried: there the process forks, the child dies in every way it can, and what it recovers to is judged.

The run that goes on is never disturbed, so one run of a scenario passes all its borders; a child that recovers passes the borders of its
recovery in the same way, and may die there a second time. Everything is a function of the scenario: no seed, no clock.

Deaths that leave the same are tried once: the same records and watermarks, the same bytes arrived, venues and strategy as they were. What
differs between them is memory that nobody will see again, and the moment.
"""

import gc
import os
import pickle
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from gateway.sessions.actions import SECOND
from tests.crash.lane import Fate, JournaledLane
from tests.crash.scenarios import SCENARIOS, Scenario, make
from tests.crash.world import CrashWorld

PATIENCE_NS = 90 * SECOND  # for all that a recovery waits for; a run that needs no timeout is done in a few seconds
FRAMES = 7  # lines of a traceback that are kept
AFTER_NS = 2 * SECOND  # what must stay as it is once all is done


@dataclass(frozen=True)
class Budget:
    """How much is tried: every `stride`-th border of the first life; `second`: every so many borders of a recovery, 0 = none."""

    stride: int = 1
    second: int = 0
    cuts: int = 4
    """Power cuts at a border: all is lost that can be, the last two records, the last, none; and so many between."""


Left = tuple[tuple[object, ...], tuple[object, ...]]  # by a death: of the gateway, of everybody else


@dataclass
class Tally:
    """What was tried and what was wrong. faults: (path of deaths, what) of each run that was not clean."""

    borders: int = 0
    kills: int = 0
    cuts: int = 0
    second: int = 0
    runs: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    faults: list[tuple[tuple[str, ...], str]] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        for name in ("borders", "kills", "cuts", "second", "runs"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.outcomes += other.outcomes
        self.faults += other.faults


class Explorer:
    """Explores one scenario at one level. `path`: (border, how to die there) of the one run that is to be repeated, instead of all."""

    def __init__(self, scenario: Scenario, level: str, budget: Budget, path: tuple[tuple[int, Fate], ...] = ()) -> None:
        self.scenario = scenario
        self.level = level
        self.budget = budget
        self.tally = Tally()
        self._ordinal = 0
        self._depth = 0
        self._phase = 0
        self._seen: set[Left] = set()
        self._repeat = path
        self._world: CrashWorld
        self._path: tuple[str, ...] = ()
        self._pipe = -1

    def run(self) -> Tally:
        """The whole scenario, with every death there is."""
        with tempfile.TemporaryDirectory() as folder:
            gc.collect()
            gc.freeze()
            try:
                self._live(Path(folder))
            finally:
                gc.unfreeze()
                JournaledLane.living = None
        return self.tally

    def _live(self, folder: Path) -> None:
        """One run to its end; in a child this ends the process."""
        try:
            self._world = world = make(self.scenario, folder, self.border, self.level)
            finish(world)
            faults = world.witness.verdict()
            self.tally.outcomes["+".join(sorted(order.status for order in world.strategy.by_name.values()))] += 1
        except BaseException:
            faults = ["".join(traceback.format_exc().splitlines(keepends=True)[-FRAMES:])]
        self.tally.runs += 1
        self.tally.faults += [(self._path, fault) for fault in faults]
        if self._pipe >= 0:
            with os.fdopen(self._pipe, "wb") as pipe:
                pickle.dump(self.tally, pipe)
            os._exit(0)

    def border(self, lane: JournaledLane) -> Fate | None:
        """Asked at every border; in a child that is to die here, how."""
        every = self.budget.stride if self._depth == 0 else self.budget.second
        if self._depth > 1 or not every:
            return None
        ordinal = self._ordinal
        fates = [fate for fate in self._fates(lane, ordinal) if self._new((lane.left(fate), self._world.others))]
        self._ordinal += bool(fates)
        if not fates or (not self._repeat and (ordinal + self._phase) % every):
            return None
        if self._repeat:
            return self._repeated(ordinal)
        self.tally.borders += 1
        for fate in fates:
            if self._fork():
                self._dies(ordinal, fate)
                self._phase = 31 * ordinal + (fate.keep or 0)  # so that recoveries from different deaths die at different borders
                self.tally = Tally(kills=fate.keep is None, cuts=fate.keep is not None, second=self._depth == 2)
                return fate
        return None

    def _repeated(self, ordinal: int) -> Fate | None:
        if self._depth == len(self._repeat) or self._repeat[self._depth][0] != ordinal:
            return None
        fate = self._repeat[self._depth][1]
        self._dies(ordinal, fate)
        return fate

    def _dies(self, ordinal: int, fate: Fate) -> None:
        self._path = (*self._path, f"{ordinal}:{'kill' if fate.keep is None else fate.keep}:{fate.arrives} ({fate})")
        self._depth += 1
        self._ordinal = 0
        self._seen = set()

    def _new(self, left: "Left") -> bool:
        """Has no death left this before?"""
        count = len(self._seen)
        self._seen.add(left)
        return len(self._seen) > count

    def _fates(self, lane: JournaledLane, ordinal: int) -> Iterator[Fate]:
        """A kill, and power cuts from what is durable to what was appended; what arrives of the sent bytes goes in turn."""
        turn = ordinal
        for arrives in range(3) if self._depth == 0 else (turn % 3,):
            yield Fate(None, arrives)
        durable, head = lane.durable_lsn, lane.head_lsn
        between = range(durable + 1, head)
        count = self.budget.cuts if self._depth == 0 else 1
        step = max(1, -(-len(between) // count)) if count else 1
        late = {max(durable, head - 1), max(durable, head - 2)} if self._depth == 0 else set()  # between an acceptance and what it led to
        for number, keep in enumerate(sorted({durable, head, *late, *between[turn % step :: step]})):
            yield Fate(keep, (turn + number) % 3)

    def _fork(self) -> bool:
        """True in the child. The parent waits, and takes over what the child found."""
        sys.stdout.flush()
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(read)
            if self._pipe >= 0:
                os.close(self._pipe)
            self._pipe = write
            return True
        os.close(write)
        with os.fdopen(read, "rb") as pipe:
            said = pipe.read()
        _, how = os.waitpid(child, 0)
        if said:
            self.tally.add(pickle.loads(said))
        else:
            self.tally.faults.append((self._path, f"the recovering process died itself: wait status {how}"))
        return False


def finish(world: CrashWorld) -> None:
    """Run until the strategy has done everything, every session is open and nothing is in doubt; then a little longer."""
    world.live(PATIENCE_NS, lambda: at_rest(world))
    last = max((when for when, _ in world.at), default=0)
    world.live(max(AFTER_NS, last - world.now_ns + AFTER_NS))
    world.live(PATIENCE_NS, lambda: at_rest(world))


def at_rest(world: CrashWorld) -> bool:
    return world.strategy.idle and world.core.open and not world.lane.counts().in_doubt and not any(venue._engine for venue in world.venues.values())


def repeated(text: str) -> tuple[tuple[int, Fate], ...]:
    """The path of a run as it is told: border:kill|records:arrives, with commas between."""
    parts = [part.split(":") for part in text.split(",") if part]
    return tuple((int(border), Fate(None if keep == "kill" else int(keep), int(arrives))) for border, keep, arrives in parts)


def explore(number: int, level: str, budget: Budget) -> tuple[Tally, float]:
    """The tally of scenario `number`, and the seconds it took."""
    begin = time.monotonic()
    return Explorer(SCENARIOS[number], level, budget).run(), time.monotonic() - begin
