"""A session's client and a simulated venue talk through memory: pieces of any size, connections that end anywhere, seeded."""

from abc import ABC, abstractmethod

from gateway.seams import SeededRng
from gateway.sessions.actions import SECOND, Tell, Told
from gateway.sessions.rim import Rim
from simulators.venue import Connection, Venue
from tests.simulators.stand import NOW

ROUNDS = 150


class Pair(ABC):
    """The client's rim, the venue, the bytes under way, and what a strategy would have booked."""

    def __init__(self, seed: int, venue: Venue, rim: Rim) -> None:
        self.seed = seed
        self.rng = SeededRng(seed)
        self.now_ns = NOW
        self.venue = venue
        self.rim = rim
        self.connection: Connection | None = None
        self.to_venue, self.to_rim = bytearray(), bytearray()
        self.count = 0
        self.sent: list[str] = []
        self.booked: dict[str, list[str]] = {}  # order → what was told of it
        self.exec_ids: list[str] = []
        self.position = 0
        self.told: list[Tell] = []

    @abstractmethod
    def order(self) -> None:
        """Send one order, if the session lets it."""

    @abstractmethod
    def book(self) -> None:
        """Take what the rim has for the strategy."""

    def play(self) -> None:
        """Trade over connections that come and go, then let everything arrive."""
        for _ in range(ROUNDS):
            if self.connection is None:
                self.connect()
            assert self.connection is not None
            for _ in range(self.rng.below(4)):
                self.order()
            self.to_venue += self.rim.take_out()
            for _ in range(3):
                self.carry(self.rng.below(len(self.to_venue) + 1), self.rng.below(len(self.to_rim) + 1))
            self.pass_time(self.rng.below(SECOND // 2))
            if self.rng.below(40) == 0 or self.rim.closing is not None or self.connection.closing:
                self.cut()
        self.settle()

    def connect(self) -> None:
        self.connection = self.venue.connect(self.now_ns)
        self.rim.attach(self.now_ns)

    def cut(self) -> None:
        """The connection ends; each side has got some of what was under way, not more than all of it."""
        assert self.connection is not None
        self.carry(self.rng.below(len(self.to_venue) + 1), self.rng.below(len(self.to_rim) + 1))
        self.connection.disconnect(self.now_ns)
        self.rim.detach("cut", self.now_ns)
        self.connection = None
        self.to_venue.clear()
        self.to_rim.clear()

    def carry(self, up: int, down: int) -> None:
        """Deliver so many bytes each way."""
        assert self.connection is not None
        if up:
            self.connection.receive(bytes(self.to_venue[:up]), self.now_ns)
            del self.to_venue[:up]
        if down:
            self.rim.feed(bytes(self.to_rim[:down]), self.now_ns)
            del self.to_rim[:down]
        self.to_rim += self.connection.take_out(self.now_ns)
        self.to_venue += self.rim.take_out()
        self.book()
        self.told += self.rim.take_told()

    def pass_time(self, ns: int) -> None:
        self.now_ns += ns
        self.venue.tick(self.now_ns)
        self.rim.tick(self.now_ns)
        if self.connection is not None:
            self.connection.tick(self.now_ns)

    def settle(self) -> None:
        """Let everything arrive until both sides are quiet, the session is open and the engine has nothing left."""
        for _ in range(400):
            if self.connection is None:
                self.connect()
            assert self.connection is not None
            self.to_venue += self.rim.take_out()
            self.carry(len(self.to_venue), len(self.to_rim))
            if self.rim.closing is not None or self.connection.closing:
                self.cut()
            elif not self.to_venue and not self.to_rim:
                if self.rim.session.state == "OPEN" and self.venue.deadline_ns > self.now_ns + 3600 * SECOND:
                    return
                self.pass_time(SECOND // 2)
        raise AssertionError(f"seed {self.seed} is not quiet: {self.rim.session.state}, {len(self.to_venue)} and {len(self.to_rim)} bytes under way")

    def check(self) -> None:
        """What the client booked is what the venue counted: each report once, no order twice."""
        counts, seed = self.venue.counts(), f"seed {self.seed}"
        odd = [tell for tell in self.told if tell.event is Told.ODD]
        assert not odd, f"{seed}: {odd}"
        assert len(self.exec_ids) == len(set(self.exec_ids)), f"{seed}: a report was booked twice"
        trades = sum(told.count("trade") for told in self.booked.values())
        assert trades == counts["executions"], f"{seed}: booked {trades} of {counts}"
        assert sum(counts["positions"].values()) == self.position, f"{seed}: {self.position} against {counts}"  # type: ignore[attr-defined]
        assert all(told[0] == "accepted" for told in self.booked.values()), f"{seed}: something before its acceptance"
        assert set(self.booked) <= set(self.sent), f"{seed}: an order that nobody sent"
        assert not {"duplicate", "repeated"} & set(counts["received"]), f"{seed}: an order went twice"  # type: ignore[call-overload]
        assert counts["accepted"] == len(self.booked), f"{seed}: accepted {counts['accepted']}, booked {len(self.booked)}"
