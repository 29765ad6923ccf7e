"""Carries the bytes of simulated venues over TCP: one reader and one writer a connection, one timer a venue; trio and nothing else."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import trio

from gateway.seams import Clock
from gateway.sessions.actions import NEVER, SECOND
from simulators.venue import Connection, Venue

RECEIVE_BYTES = 65_536
TICK_NS = 1_000_000  # the timer's shortest sleep: output that is due may wait for a client that does not read, and must not spin


@dataclass(eq=False)
class Link:
    """One client's socket and what the venue keeps of it."""

    stream: trio.SocketStream
    connection: Connection
    wake: trio.Event = field(default_factory=trio.Event)


class Host:
    """One venue on one port."""

    def __init__(self, venue: Venue, clock: Clock) -> None:
        self.venue = venue
        self._clock = clock
        self._links: set[Link] = set()
        self._sleeping_until_ns = NEVER
        self._poke = trio.Event()

    async def serve(self, host: str, port: int, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED) -> None:
        """Accept until cancelled; reports the port when listening. Raises OSError where it cannot listen."""
        listeners = await trio.open_tcp_listeners(port, host=host)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._time)
            await nursery.start(trio.serve_listeners, self._client, listeners)
            task_status.started(listeners[0].socket.getsockname()[1])

    async def _client(self, stream: trio.SocketStream) -> None:
        link = Link(stream, self.venue.connect(self._clock.now_ns()))
        self._links.add(link)
        self._touch()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write, link, nursery.cancel_scope)
                await self._read(link)
                nursery.cancel_scope.cancel()
        finally:
            self._links.discard(link)
            link.connection.disconnect(self._clock.now_ns())
            self._touch()
            await trio.aclose_forcefully(stream)

    async def _read(self, link: Link) -> None:
        try:
            while data := await link.stream.receive_some(RECEIVE_BYTES):
                link.connection.receive(bytes(data), self._clock.now_ns())
                self._touch()
        except trio.BrokenResourceError:
            return  # the client reset the connection: the same as closing it

    async def _write(self, link: Link, scope: trio.CancelScope) -> None:
        while True:
            if data := link.connection.take_out(self._clock.now_ns()):
                try:
                    await link.stream.send_all(data)
                except trio.BrokenResourceError:
                    break
            elif link.connection.closing:
                break
            else:
                self._sooner(link.connection.deadline_ns)
                await link.wake.wait()
                link.wake = trio.Event()
        scope.cancel()

    def _touch(self) -> None:
        """Something happened that may concern anybody: a report for another client, an earlier deadline."""
        for link in self._links:
            link.wake.set()
        self._sooner(self._deadline_ns())

    def _deadline_ns(self) -> int:
        return min([self.venue.deadline_ns, *(link.connection.deadline_ns for link in self._links)])

    def _sooner(self, deadline_ns: int) -> None:
        if deadline_ns < self._sleeping_until_ns:
            self._poke.set()

    async def _time(self) -> None:
        while True:
            self._poke = trio.Event()
            self._sleeping_until_ns = self._deadline_ns()
            wait_ns = self._sleeping_until_ns - self._clock.now_ns()
            with trio.move_on_after(math.inf if self._sleeping_until_ns == NEVER else max(wait_ns, TICK_NS) / SECOND):
                await self._poke.wait()
            now_ns = self._clock.now_ns()
            self.venue.tick(now_ns)
            for link in self._links:
                if link.connection.deadline_ns <= now_ns:
                    link.connection.tick(now_ns)
                link.wake.set()


async def serve_all(
    hosts: Sequence[tuple[Host, str, int]], task_status: trio.TaskStatus[list[int]] = trio.TASK_STATUS_IGNORED
) -> None:
    """Serve every venue until cancelled; reports the ports, in order, when all listen."""
    async with trio.open_nursery() as nursery:
        ports = [await nursery.start(host.serve, address, port) for host, address, port in hosts]
        task_status.started(ports)
