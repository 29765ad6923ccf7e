"""The client for plain code: calls that block, and a thread of its own that reads, beats and reconnects while the strategy thinks."""

import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self, Unpack

from gateway.client import orders as fields_of
from gateway.client._records import Value
from gateway.client.amounts import Amount
from gateway.client.core import ApiSession, Event, Key, Lost, Ready
from gateway.client.errors import ConnectionLost, LoginRejected, NotConnected
from gateway.client.login import key_of, no_gateway, parse_address
from gateway.client.orders import AskedOrder, Options, Orders
from gateway.client.report import Report

CONNECT_S = 5.0
RECONNECT_S = 30.0  # how long a lost connection is tried again before the strategy is told that it is gone
RETRY_S = 0.2
CLOSE_S = 1.0  # how long close() waits for the gateway to take what was asked, and for its goodbye
UNSENT_MAX = 1 << 20  # bytes of requests (some 2,300) that wait while the gateway does not read


class Order(AskedOrder):
    """One order; it changes as reports arrive."""

    def __init__(self, client: "Client", id: int, values: Mapping[str, Value]) -> None:
        super().__init__(id, values, lambda kind, values: client._ask(kind, values, self))
        self._client = client

    def reports(self, timeout_s: float = 5.0) -> Iterator[Report]:
        """Each report about this order once, as it arrives; ends after the one that makes the order final, or when timeout_s is over.

        `order.status` says where the order stands then; a later call goes on with what came since.

        Raises: TimeoutError if the gateway has said nothing about the order at all; ConnectionLost.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            report = self._client._next(self.unread, self.unread.popleft, deadline, lambda: self.is_final)
            if report is None:
                if self.last_report is None:
                    raise TimeoutError(f"no report about {self!r} within {timeout_s:g} s")
                return
            yield report


class Client:
    """A strategy's session with a gateway. Use it as a context manager; its methods may be called from any thread."""

    def __init__(self, address: str, key: Key, *, timeout_s: float = CONNECT_S, reconnect: bool = True, next_seq: int = 0) -> None:
        self.address = address
        self.strategy = key.strategy
        self._host, self._port = parse_address(address)
        self._timeout_s = timeout_s
        self._reconnect = reconnect
        self._session = ApiSession(key, first_id=time.time_ns() // 1000, next_seq=next_seq)
        self._orders: Orders[Order] = Orders(lambda id, values: Order(self, id, values))
        self._changed = threading.Condition()
        self._unsent = bytearray()
        self._over: ConnectionLost | None = None
        self._close_by: float | None = None  # close() was called
        self._down = "logging on"  # why there is no session at the moment; "" = there is one
        self._wake_r, self._wake_w = socket.socketpair()
        self._wake_r.setblocking(False)
        self._wake_w.setblocking(False)
        try:
            self._logon(time.monotonic() + timeout_s)
        except BaseException:
            self._wake_r.close()
            self._wake_w.close()
            raise
        self._thread = threading.Thread(target=self._run, name=f"portcullis-client-{self.strategy}", daemon=True)
        self._thread.start()

    @classmethod
    def connect(
        cls, address: str, *, key_file: str | Path | None = None, key: Key | None = None,
        timeout_s: float = CONNECT_S, reconnect: bool = True, next_seq: int = 0,
    ) -> Self:  # fmt: skip
        """Connect to HOST:PORT and log on with `key_file` (one line, STRATEGY:BASE64) or `key`.

        reconnect: a lost connection is tried again for half a minute, and the reports go on where they stopped.
        next_seq: the number of the first report wanted, of a stream that another process began; 0 = only new ones.

        Raises: ConnectionError (no gateway there), LoginRejected, ValueError for a wrong address or key file.
        """
        return cls(address, key_of(key, key_file), timeout_s=timeout_s, reconnect=reconnect, next_seq=next_seq)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Log out and close. Open orders follow the gateway's rule for this strategy, cancel_on_disconnect."""
        with self._changed:
            if self._close_by is not None:
                return
            self._close_by = time.monotonic() + CLOSE_S
            self._session.logout(time.monotonic_ns())
            self._flush()
            self._changed.notify_all()
        self._wake()
        self._thread.join()
        self._wake_r.close()
        self._wake_w.close()

    # --- requests ---

    def new_order(
        self, symbol: str, side: str, qty: Amount, price: Amount | None = None, *, venue: str | None = None, account: str | None = None,
        ord_type: str | None = None, time_in_force: str = "day", stop_px: Amount | None = None, display_qty: Amount | None = None,
        post_only: bool | None = None, **options: Unpack[Options],
    ) -> Order:  # fmt: skip
        """Send a new order. Prices and quantities: text, Decimal, whole numbers or (mantissa, exponent), never float.

        Without `venue` it goes to the instrument's default route; without `ord_type` a price makes it a limit order.
        Raises: TypeError, ValueError (nothing was sent; says what to write); NotConnected; ConnectionLost.
        """
        given = {**options, "venue": venue, "account": account, "time_in_force": time_in_force, "max_floor": display_qty, "post_only": post_only}
        order = self._ask("D", fields_of.new_order(symbol, side, qty, price, ord_type, stop_px, given))
        assert order is not None
        return order

    def mass_cancel(self, symbol: str | None = None) -> None:
        """Ask for the cancel of all open orders of this strategy, or of those of `symbol`; each canceled order reports it."""
        self._ask("q", fields_of.fields({"mass_scope": "security" if symbol else "all", "symbol": symbol}))

    # --- reports ---

    def reports(self, timeout_s: float = 5.0) -> Iterator[Report]:
        """Each report of every order once, in the order of the stream; ends when timeout_s pass without one.

        Raises: ConnectionLost; ReportsDropped if it was not asked for 65,536 reports.
        """
        while (report := self._next(self._orders.backlog, self._orders.next_of_all, time.monotonic() + timeout_s, lambda: False)) is not None:
            yield report

    @property
    def open_orders(self) -> tuple[Order, ...]:
        """The orders that are not final, oldest first."""
        with self._changed:
            return self._orders.open

    def order(self, id: int) -> Order | None:
        """The order that request `id` (a report's cl_ord_num) was about; None if it is final and was let go, or unknown."""
        with self._changed:
            return self._orders.find(id)

    @property
    def next_seq(self) -> int:
        """The number of the next report: what another process gives to `connect` to go on from here."""
        return self._session.next_seq

    def _next(self, queue: deque[Report], take: Callable[[], Report], deadline: float, finished: Callable[[], bool]) -> Report | None:
        """The next report of `queue` by `take`; None when `finished` or at the deadline."""
        with self._changed:
            while not queue:
                if finished():
                    return None
                if self._over:
                    raise self._over
                if self._close_by is not None:
                    raise ConnectionLost("the client was closed")
                if not self._changed.wait(max(0.0, deadline - time.monotonic())) and time.monotonic() >= deadline:
                    return None
            return take()

    def _ask(self, kind: str, values: Mapping[str, Value], order: Order | None = None) -> Order | None:
        with self._changed:
            if self._over:
                raise self._over
            if self._close_by is not None:
                raise NotConnected("the client is closed; the request was not sent")
            if self._down:
                raise NotConnected(f"no session with {self.address} at the moment ({self._down}); the request was not sent")
            if len(self._unsent) > UNSENT_MAX:
                raise NotConnected(f"{self.address} does not read: {len(self._unsent)} bytes wait; the request was not sent")
            id = self._session.request(kind, values, time.monotonic_ns())
            asked = self._orders.asked(kind, id, values, order)
            self._flush()
        return asked

    # --- the connection: the thread below, and _flush under the lock ---

    def _flush(self) -> None:
        """Send what the socket takes now; the thread sends the rest."""
        self._unsent += self._session.take_output()
        try:
            while self._unsent:
                del self._unsent[: self._sock.send(self._unsent)]
                if self._unsent and self._close_by is not None:
                    self._close_by = time.monotonic() + CLOSE_S  # what was asked for is still leaving
        except BlockingIOError:
            self._wake()
        except OSError:
            self._unsent.clear()  # the thread sees the end of the connection too, and says so

    def _wake(self) -> None:
        try:
            self._wake_w.send(b"\0")
        except OSError:
            pass  # full: it is awake already; closed: it is gone

    def _logon(self, deadline: float) -> None:
        """Make `_sock` a socket with an open session on it. Raises: ConnectionError, LoginRejected."""
        try:
            sock = socket.create_connection((self._host, self._port), timeout=max(0.01, deadline - time.monotonic()))
        except OSError as error:
            raise no_gateway(self.address, error) from None
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._changed:
                self._session.connected(time.monotonic_ns())
            while True:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise ConnectionLost(f"{self.address} did not answer the login within {self._timeout_s:g} s; is it the order API's port?")
                sock.settimeout(left)
                try:
                    data = sock.recv(65536)
                except TimeoutError:
                    continue
                if not data:
                    raise ConnectionLost(f"{self.address} closed the connection during the login")
                with self._changed:
                    was_lost = self._take(self._session.receive(data, time.monotonic_ns()))
                    if was_lost:
                        raise (ConnectionLost if was_lost.again else LoginRejected)(was_lost.reason)
                    if not self._down:
                        # From here on a request may be made, in any thread; it must find this socket.
                        sock.setblocking(False)
                        self._sock = sock
                        return
                    output = self._session.take_output()
                sock.sendall(output)
        except OSError as error:
            sock.close()
            with self._changed:
                self._session.disconnected()
            if isinstance(error, ConnectionLost):
                raise
            raise ConnectionLost(f"{self.address}: {error.strerror or error}") from None
        except BaseException:
            sock.close()
            raise

    def _take(self, events: list[Event]) -> Lost | None:
        """Book `events` and wake who waits; the `Lost` among them."""
        lost = None
        for event in events:
            if isinstance(event, Lost):
                lost, self._down = event, event.reason
            if isinstance(event, Ready):
                self._down = ""
            self._orders.take(event)
        self._changed.notify_all()
        return lost

    def _run(self) -> None:
        """The client's thread: serve the connection until it ends, get it back if that is wanted, else tell everybody."""
        failure: ConnectionLost | None = ConnectionLost("the client's thread ended; this is a fault of the client")
        try:
            while True:
                lost = self._serve()
                self._sock.close()
                with self._changed:
                    self._session.disconnected()
                    self._unsent.clear()
                    self._down = lost.reason
                failure = self._reconnected(lost)
                if failure is not None:
                    return
        finally:
            self._sock.close()
            with self._changed:
                self._over = failure
                self._changed.notify_all()

    def _serve(self) -> Lost:
        """Read, write and beat until the connection is over."""
        with self._changed:
            if self._close_by is not None:
                self._session.logout(time.monotonic_ns())  # closed while we were reconnecting
        with selectors.DefaultSelector() as selector:
            selector.register(self._wake_r, selectors.EVENT_READ)
            selector.register(self._sock, selectors.EVENT_READ)
            while True:
                with self._changed:
                    lost = self._take(self._session.tick(time.monotonic_ns()))
                    self._flush()
                    waiting = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._unsent else 0)
                    wait_s = (self._session.deadline_ns - time.monotonic_ns()) / 1e9
                    if self._close_by is not None:
                        wait_s = min(wait_s, self._close_by - time.monotonic())
                        lost = lost or (Lost("the client was closed", False) if wait_s <= 0 else None)
                if lost:
                    return lost
                selector.modify(self._sock, waiting)
                ready = {key.fileobj for key, _ in selector.select(max(0.0, wait_s))}
                if self._wake_r in ready:
                    self._wake_r.recv(4096)
                if self._sock in ready and (lost := self._read()):
                    return lost

    def _read(self) -> Lost | None:
        try:
            data = self._sock.recv(1 << 18)
        except BlockingIOError:
            return None
        except OSError as error:
            return Lost(f"the connection to {self.address} broke: {error.strerror}", True)
        if not data:
            return Lost(f"{self.address} closed the connection", True)
        with self._changed:
            return self._take(self._session.receive(data, time.monotonic_ns()))

    def _reconnected(self, lost: Lost) -> ConnectionLost | None:
        """None once there is a session again; else why there will be none: not wanted, no use, half a minute is over, closed."""
        if self._close_by is not None or not (self._reconnect and lost.again):
            return ConnectionLost(lost.reason)
        deadline = time.monotonic() + RECONNECT_S
        why = lost.reason
        while time.monotonic() < deadline:
            try:
                self._logon(min(deadline, time.monotonic() + self._timeout_s))
                return None
            except LoginRejected as error:
                return error
            except ConnectionError as error:
                why = str(error)
            with self._changed:
                if self._changed.wait_for(lambda: self._close_by is not None, RETRY_S):
                    return ConnectionLost("the client was closed")
        return ConnectionLost(f"{lost.reason}; no session again within {RECONNECT_S:g} s: {why}")
