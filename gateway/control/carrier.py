"""Carries between the lane and the core: one task that waits for the lane's bell or the core's deadline; it decides nothing.

Whatever else is heard (a connection stands, a stranger came, an operator asks) is given at once, in the task that heard it.
"""

import os
from collections.abc import Callable, Mapping

import trio

from gateway.control.core import Core
from gateway.control.ending import Stage
from gateway.control.inputs import Answer, Connect, Counted, Drop, Ended, Input, Look, Say, Wish
from gateway.control.log import Log
from gateway.lane.commands import Batch
from gateway.lane.driver import ThreadDriver
from gateway.seams import Clock

SECOND = 1_000_000_000
COUNT_NS = 20_000_000  # how often orders are counted while the core waits for them to be settled


class Carrier:
    """`connect` is called for each wish to connect; `looks` gives the text for each Look.

    opened: every session with a venue has been open at once. draining: the end has begun. ended: the lane writes no more.
    """

    def __init__(self, core: Core, lane: ThreadDriver, clock: Clock, log: Log, connect: Callable[[Connect], None], looks: Mapping[str, Callable[[], str]]) -> None:
        self.core = core
        self.lane = lane
        self.opened = trio.Event()
        self.draining = trio.Event()
        self.ended = trio.Event()
        self._clock = clock
        self._log = log
        self._connect = connect
        self._looks = looks
        self._sleep = trio.CancelScope()
        self._answers: dict[int, tuple[trio.Event, list[Answer]]] = {}
        self._requests = 0

    async def run(self) -> None:
        """For ever: the lane's events in order, and the core's deadlines."""
        while True:
            self._sleep = trio.CancelScope()
            wait_ns = self.core.deadline_ns - self._clock.now_ns()
            if self.core.counting:
                wait_ns = min(wait_ns, COUNT_NS)
            with self._sleep, trio.move_on_after(max(wait_ns, 0) / SECOND):
                await trio.lowlevel.wait_readable(self.lane.fileno())
            self.lane.woken()
            for event in self.lane.events():
                self.give(event)
            now_ns = self._clock.now_ns()
            if self.core.deadline_ns <= now_ns:
                self._push(self.core.tick(now_ns))
            if self.core.counting:
                in_doubt = {conn: self.lane.view(conn).in_doubt for conn in self.core.links}
                self.give(Counted(self.lane.counts().cancelling, in_doubt))

    def give(self, event: Input) -> None:
        """One input to the core; its answers are on their way when this returns."""
        self._push(self.core.on_event(event, self._clock.now_ns()))
        self._sleep.cancel()

    def look(self, name: str) -> None:
        """Log how it stands with what the core cannot see."""
        text = self._looks[name]()
        self._log.write("info" if text == "OPEN" else "warning", name, text=text)

    async def ask(self, make: Callable[[int], Input]) -> Answer:
        """Give what `make` makes of a request's number, and wait for its answer."""
        self._requests += 1
        event, answers = trio.Event(), list[Answer]()
        self._answers[self._requests] = (event, answers)
        self.give(make(self._requests))
        await event.wait()
        return answers[0]

    def _push(self, batches: list[Batch]) -> None:
        for batch in batches:
            self.lane.push(batch)
        for wish in self.core.take_wishes():
            self._grant(wish)
        if self.core.open:
            self.opened.set()
        if self.core.stage is not Stage.RUNNING:
            self.draining.set()

    def _grant(self, wish: Wish) -> None:
        match wish:
            case Say():
                self._log.say(wish)
            case Look(event=name):
                self.look(name)
            case Connect():
                self._connect(wish)
            case Drop(fd=fd):
                os.close(fd)
            case Answer(request=request):
                event, answers = self._answers.pop(request)
                answers.append(wish)
                event.set()
            case Ended():
                self.ended.set()
