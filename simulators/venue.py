"""The common venue: sessions on one side, the market on the other, an engine that may be slow between them; no sockets, no clock.

A profile says how the first bytes of a connection name their session, and puts requests and happenings into words. Whoever carries
bytes (sockets on trio, memory under a virtual clock, a test) holds one `Connection` each and calls it with bytes and time.
"""

from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass

from gateway.seams import SeededRng
from gateway.sessions.actions import NEVER, SECOND, Message, Rx
from gateway.sessions.rim import Rim
from simulators.faults import NO_FAULTS, Faults, Wire
from simulators.market import Happening, Market

LOGIN_TIMEOUT_NS = 30 * SECOND  # for a connection that has not said who it is
OUT_MAX = 16 << 20  # unsent bytes of a client that does not read; a day's replay is smaller
FIRST_MAX = 4096  # bytes that a first message may have


@dataclass(frozen=True, slots=True)
class Options:
    """How this venue behaves, beside its protocol."""

    cancel_on_disconnect: bool = False
    engine_delay_ns: int = (
        0  # the session layer has a request at once, the engine sees it so much later, connected or not
    )
    password: str = ""  # what a login must give; "" lets everybody in
    faults: Faults = NO_FAULTS
    seed: int = 0
    exec_ids_per_order: bool = False  # FIX: ExecIDs are counted for each order, so that other orders have the same; a venue must not, some do


class Unidentified(Exception):
    """The first bytes of a connection name no session that may come in; it is closed without a word."""


class Connection:
    """One client's connection. The owner feeds it, sends what `take_out` gives, and closes when `closing` says so."""

    def __init__(self, venue: "Venue", number: int, now_ns: int) -> None:
        self.rim: Rim | None = None
        self.owner = ""
        self.refused = False
        self._venue = venue
        self._first = bytearray()
        self._wire = Wire(venue.options.faults, SeededRng(venue.options.seed * 1_000_003 + number))
        self._login_by_ns = now_ns + LOGIN_TIMEOUT_NS

    @property
    def deadline_ns(self) -> int:
        """When `tick` or `take_out` has something new to do."""
        if self.closing:
            return NEVER
        return min(self._login_by_ns if self.rim is None else self.rim.deadline_ns, self._wire.deadline_ns)

    @property
    def closing(self) -> bool:
        """The owner should close the socket: what there was to send has been taken, or the connection is cut."""
        ended = self.refused or (self.rim is not None and self.rim.closing is not None) or self._wire.cut
        return ended and self._wire.empty

    def receive(self, data: bytes, now_ns: int) -> None:
        """Bytes from the client."""
        if self.refused or self._wire.cut:
            return
        if self.rim is None:
            self._first += data
            try:
                named = self._venue.identify(bytes(self._first))
            except Unidentified:
                self.refused = True
                return
            if named is None:
                self.refused = len(self._first) > FIRST_MAX
                return
            self.owner, self.rim = named
            self.rim.attach(now_ns)
            data = bytes(self._first)
        self.rim.feed(data, now_ns)
        self._venue.collect(self.owner, self.rim, now_ns)
        if self.rim.out_bytes > OUT_MAX:
            self.refused = True

    def take_out(self, now_ns: int) -> bytes:
        """Bytes to send now."""
        if self.rim is not None and not self._wire.cut:
            self._wire.push(self.rim.take_out(), now_ns)
        return self._wire.pop(now_ns)

    def tick(self, now_ns: int) -> None:
        """Heartbeats, timeouts, a login that does not come."""
        if self.rim is not None:
            self.rim.tick(now_ns)
        elif now_ns >= self._login_by_ns:
            self.refused = True

    def disconnect(self, now_ns: int) -> None:
        """The socket is gone, whoever closed it."""
        if self.rim is not None:
            self.rim.detach("", now_ns)
            self._venue.disconnected(self.owner, now_ns)
        self.rim, self.refused = None, True


class Venue(ABC):
    """A simulated venue; `name` is that of its VenueSpec."""

    name: str

    def __init__(self, market: Market, options: Options | None = None) -> None:
        self.market = market
        self.options = options or Options()
        self.rims: dict[str, Rim] = {}  # by owner, kept over connections
        self._engine: deque[tuple[int, str, Message]] = deque()
        self._connections = 0

    # ------------------------------------------------------------------------------------------------------------ doors

    def connect(self, now_ns: int) -> Connection:
        """A client has connected."""
        self._connections += 1
        return Connection(self, self._connections, now_ns)

    @property
    def deadline_ns(self) -> int:
        """When the engine has work that it put off."""
        return self._engine[0][0] if self._engine else NEVER

    def tick(self, now_ns: int) -> None:
        """Do what the engine has put off until now."""
        while self._engine and self._engine[0][0] <= now_ns:
            _, owner, message = self._engine.popleft()
            self.request(owner, message, now_ns)

    def counts(self) -> dict[str, object]:
        """What came and what happened, before any de-duplication."""
        return {"venue": self.name, "connections": self._connections, **self.market.counts()}

    # -------------------------------------------------------------------------------------------------------- connections

    def collect(self, owner: str, rim: Rim, now_ns: int) -> None:
        """Hand the engine what a session has taken in."""
        for message in rim.take_inbox():
            if self.options.engine_delay_ns:
                self._engine.append((now_ns + self.options.engine_delay_ns, owner, message))
            else:
                self.request(owner, message, now_ns)
        rim.take_told()

    def disconnected(self, owner: str, now_ns: int) -> None:
        """A session has lost its connection; what its orders do then is an option."""
        if self.options.cancel_on_disconnect:
            for order in self.market.open_orders(owner):
                self.say_all(self.market.cancel(order, now_ns), now_ns)

    def say_all(self, happenings: list[Happening], now_ns: int, asked: Message | None = None) -> None:
        """Tell each owner what happened to his order."""
        for happening in happenings:
            self.say(happening, asked, now_ns)

    def free(self, owner: str) -> bool:
        """Whether this session has no connection now; a second one is refused, the first stays."""
        rim = self.rims.get(owner)
        return rim is None or (rim.rx is Rx.CLOSED and rim.closing is None)

    # ------------------------------------------------------------------------------------------------------- the profile's

    @abstractmethod
    def identify(self, first: bytes) -> tuple[str, Rim] | None:
        """Whose connection this is, from its first bytes; None when more are needed. Raises Unidentified."""

    @abstractmethod
    def request(self, owner: str, message: Message, now_ns: int) -> None:
        """The engine takes one request."""

    @abstractmethod
    def say(self, happening: Happening, asked: Message | None, now_ns: int) -> None:
        """Tell the order's owner; `asked` is the request that caused it, where it is known."""
