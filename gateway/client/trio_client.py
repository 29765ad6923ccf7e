"""The client for trio: the same orders and reports as `Client`, awaited; timeouts are the caller's (`trio.move_on_after`)."""

import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Unpack

import trio

from gateway.client import orders as fields_of
from gateway.client._records import Value
from gateway.client.amounts import Amount
from gateway.client.blocking import CLOSE_S, CONNECT_S, RECONNECT_S, RETRY_S, UNSENT_MAX
from gateway.client.core import ApiSession, Event, Key, Lost, Ready
from gateway.client.errors import ConnectionLost, LoginRejected, NotConnected
from gateway.client.login import key_of, no_gateway, parse_address
from gateway.client.orders import AskedOrder, Options, Orders
from gateway.client.report import Report


class AsyncOrder(AskedOrder):
    """One order; it changes as reports arrive. Requests are queued at once, so that they are plain calls."""

    def __init__(self, client: "AsyncClient", id: int, values: Mapping[str, Value]) -> None:
        super().__init__(id, values, lambda kind, values: client._ask(kind, values, self))
        self._client = client

    async def reports(self) -> AsyncIterator[Report]:
        """Each report about this order once, as it arrives; ends after the one that makes the order final. Raises: ConnectionLost."""
        while (report := await self._client._next(self.unread, self.unread.popleft, lambda: self.is_final)) is not None:
            yield report


class AsyncClient:
    """A strategy's session with a gateway under trio; made by `async with AsyncClient.connect(…) as gw`."""

    def __init__(self, address: str, key: Key, *, reconnect: bool, next_seq: int) -> None:
        self.address = address
        self.strategy = key.strategy
        self._host, self._port = parse_address(address)
        self._reconnect = reconnect
        self._session = ApiSession(key, first_id=time.time_ns() // 1000, next_seq=next_seq)
        self._orders: Orders[AsyncOrder] = Orders(lambda id, values: AsyncOrder(self, id, values))
        self._changed = trio.lowlevel.ParkingLot()
        self._to_send = trio.Event()
        self._ended = trio.Event()
        self._serving = trio.CancelScope(shield=True)
        self._unsent = bytearray()
        self._over: ConnectionLost | None = None
        self._down = "logging on"

    @classmethod
    @asynccontextmanager
    async def connect(
        cls, address: str, *, key_file: str | Path | None = None, key: Key | None = None, reconnect: bool = True, next_seq: int = 0
    ) -> AsyncIterator["AsyncClient"]:
        """Connect to HOST:PORT and log on, as `Client.connect`; the session ends with the block."""
        client = cls(address, key_of(key, key_file), reconnect=reconnect, next_seq=next_seq)
        # What the block raises is raised outside the nursery, so that it reaches the caller as it is, not in a group.
        failure: Exception | None = None
        async with trio.open_nursery() as nursery:
            try:
                nursery.start_soon(client._run, await client._logon())
                yield client
            except Exception as error:
                failure = error
            finally:
                await client._close()
        if failure is not None:
            raise failure

    # --- requests and reports ---

    def new_order(
        self, symbol: str, side: str, qty: Amount, price: Amount | None = None, *, venue: str | None = None, account: str | None = None,
        ord_type: str | None = None, time_in_force: str = "day", stop_px: Amount | None = None, display_qty: Amount | None = None,
        post_only: bool | None = None, **options: Unpack[Options],
    ) -> AsyncOrder:  # fmt: skip
        """Send a new order, as `Client.new_order`."""
        given = {**options, "venue": venue, "account": account, "time_in_force": time_in_force, "max_floor": display_qty, "post_only": post_only}
        order = self._ask("D", fields_of.new_order(symbol, side, qty, price, ord_type, stop_px, given))
        assert order is not None
        return order

    def mass_cancel(self, symbol: str | None = None) -> None:
        """Ask for the cancel of all open orders of this strategy, or of those of `symbol`; each canceled order reports it."""
        self._ask("q", fields_of.fields({"mass_scope": "security" if symbol else "all", "symbol": symbol}))

    async def reports(self) -> AsyncIterator[Report]:
        """Each report of every order once, in the order of the stream, for ever. Raises: ConnectionLost, ReportsDropped."""
        while (report := await self._next(self._orders.backlog, self._orders.next_of_all, lambda: False)) is not None:
            yield report

    @property
    def open_orders(self) -> tuple[AsyncOrder, ...]:
        """The orders that are not final, oldest first."""
        return self._orders.open

    def order(self, id: int) -> AsyncOrder | None:
        """The order that request `id` (a report's cl_ord_num) was about; None if it is final and was let go, or unknown."""
        return self._orders.find(id)

    @property
    def next_seq(self) -> int:
        """The number of the next report: what another process gives to `connect` to go on from here."""
        return self._session.next_seq

    async def _next(self, queue: deque[Report], take: Callable[[], Report], finished: Callable[[], bool]) -> Report | None:
        await trio.lowlevel.checkpoint()
        while not queue:
            if finished():
                return None
            if self._over:
                raise self._over
            await self._changed.park()
        return take()

    def _ask(self, kind: str, values: Mapping[str, Value], order: AsyncOrder | None = None) -> AsyncOrder | None:
        if self._over:
            raise self._over
        if self._down:
            raise NotConnected(f"no session with {self.address} at the moment ({self._down}); the request was not sent")
        if len(self._unsent) > UNSENT_MAX:
            raise NotConnected(f"{self.address} does not read: {len(self._unsent)} bytes wait; the request was not sent")
        id = self._session.request(kind, values, time.monotonic_ns())
        asked = self._orders.asked(kind, id, values, order)
        self._queue_output()
        return asked

    # --- the connection ---

    def _queue_output(self) -> None:
        self._unsent += self._session.take_output()
        if self._unsent:
            self._to_send.set()

    async def _close(self) -> None:
        """Log out, give the gateway a moment for its goodbye, and end the task, also when we are cancelled."""
        self._reconnect = False
        with trio.move_on_after(CLOSE_S, shield=True):
            if not self._down:
                self._session.logout(time.monotonic_ns())
                self._queue_output()
                await self._ended.wait()
        self._serving.cancel()

    async def _logon(self) -> trio.SocketStream:
        """A stream with an open session on it. Raises: ConnectionError, LoginRejected."""
        with trio.move_on_after(CONNECT_S):
            try:
                stream = await trio.open_tcp_stream(self._host, self._port)
            except OSError as error:
                raise no_gateway(self.address, error) from None
            try:
                self._session.connected(time.monotonic_ns())
                while True:
                    data = await stream.receive_some(65536)
                    if not data:
                        raise ConnectionLost(f"{self.address} closed the connection during the login")
                    lost = self._take(self._session.receive(bytes(data), time.monotonic_ns()))
                    if lost:
                        raise (ConnectionLost if lost.again else LoginRejected)(lost.reason)
                    await stream.send_all(self._session.take_output())
                    if not self._down:
                        return stream
            except BaseException as error:
                self._session.disconnected()
                await trio.aclose_forcefully(stream)
                if isinstance(error, trio.BrokenResourceError):
                    raise ConnectionLost(f"{self.address} broke the connection during the login") from None
                raise
        raise ConnectionLost(f"{self.address} did not answer the login within {CONNECT_S:g} s; is it the order API's port?")

    def _take(self, events: list[Event]) -> Lost | None:
        """Book `events` and wake who waits; the `Lost` among them."""
        lost = None
        for event in events:
            if isinstance(event, Lost):
                lost, self._down = event, event.reason
            if isinstance(event, Ready):
                self._down = ""
            self._orders.take(event)
        self._changed.unpark_all()
        return lost

    async def _run(self, stream: trio.SocketStream) -> None:
        """Serve the connection until it ends, get it back if that is wanted, else tell everybody.

        Shielded, so that a cancelled strategy can still say goodbye: `_close` ends it.
        """
        with self._serving:
            while not self._over:
                lost = await self._serve(stream)
                self._session.disconnected()
                self._unsent.clear()
                self._down = lost.reason
                try:
                    stream = await self._reconnected(lost)
                except ConnectionLost as error:
                    self._over = error
                    self._changed.unpark_all()
                    self._ended.set()

    async def _serve(self, stream: trio.SocketStream) -> Lost:
        """Read, write and beat, one task each, until the connection is over."""
        losses: list[Lost] = []

        async def read() -> None:
            while not losses:
                data = await stream.receive_some(1 << 18)
                if not data:
                    losses.append(Lost(f"{self.address} closed the connection", True))
                elif lost := self._take(self._session.receive(bytes(data), time.monotonic_ns())):
                    losses.append(lost)
            nursery.cancel_scope.cancel()

        async def write() -> None:
            while True:
                await self._to_send.wait()
                self._to_send = trio.Event()
                data, self._unsent = self._unsent, bytearray()
                await stream.send_all(data)

        async def beat() -> None:
            while not losses:
                await trio.sleep(max(0, self._session.deadline_ns - time.monotonic_ns()) / 1e9)
                if lost := self._take(self._session.tick(time.monotonic_ns())):
                    losses.append(lost)
                self._queue_output()
            nursery.cancel_scope.cancel()

        try:
            async with stream, trio.open_nursery() as nursery:
                for task in (read, write, beat):
                    nursery.start_soon(task)
        except* trio.BrokenResourceError:
            losses.append(Lost(f"the connection to {self.address} broke", True))
        return losses[0]

    async def _reconnected(self, lost: Lost) -> trio.SocketStream:
        if not (self._reconnect and lost.again):
            raise ConnectionLost(lost.reason)
        why = lost.reason
        with trio.move_on_after(RECONNECT_S):
            while True:
                try:
                    return await self._logon()
                except LoginRejected:
                    raise
                except ConnectionError as error:
                    why = str(error)
                await trio.sleep(RETRY_S)
        raise ConnectionLost(f"{lost.reason}; no session again within {RECONNECT_S:g} s: {why}")
