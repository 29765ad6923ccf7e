"""A FIX initiator and the simulated venue talk through memory: pieces of any size, connections that end anywhere, seeded."""

from gateway.seams import SeededRng
from gateway.sessions.actions import SECOND, Evidence, Told
from gateway.sessions.fix import FixConfig, FixSession, Role, State
from gateway.sessions.fix_rim import FixRim
from simulators.generic_fix44 import GenericFix44
from simulators.market import Liquidity, Market
from simulators.venue import Connection, Options
from tests.simulators.stand import NOW, rows

ROUNDS = 150


class Pair:
    """The initiator's rim, the venue, the bytes under way, and what a strategy would have booked."""

    def __init__(self, seed: int, options: Options) -> None:
        self.rng = SeededRng(seed)
        self.now_ns = NOW
        self.venue = GenericFix44(Market(rows("generic_fix44"), Liquidity(quote_qty=300)), options)
        config = FixConfig(sender_comp_id="GW", target_comp_id="VENUE", heart_bt_int_s=10)
        self.rim = FixRim(FixSession(Role.INITIATOR, config))
        self.connection: Connection | None = None
        self.to_venue, self.to_rim = bytearray(), bytearray()
        self.count = 0
        self.sent: list[str] = []
        self.booked: dict[str, list[str]] = {}  # ClOrdID → ExecTypes
        self.exec_ids: list[str] = []
        self.position = 0

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

    def book(self) -> None:
        for message in self.rim.take_inbox():
            if message.type == "8" and message.text(150) != "I":
                self.booked.setdefault(message.text(41) or message.text(11), []).append(message.text(150))
                self.exec_ids.append(message.text(17))
                if message.text(150) == "F":
                    self.position += int(message.text(32)) * (1 if message.text(54) == "1" else -1)

    def order(self) -> None:
        self.count += 1
        side, px = self.rng.below(2) + 1, 41_525 + self.rng.below(7) - 3
        body = ((11, f"O{self.count}"), (55, "MSFT"), (54, str(side)), (60, "20251120-12:00:00"), (40, "2"), (38, str(1 + self.rng.below(400))), (44, f"{px / 100:.2f}"), (59, "3"))  # fmt: skip
        if self.rim.submit("D", body, self.now_ns):
            self.sent.append(f"O{self.count}")

    def settle(self) -> None:
        """Let everything arrive until both sides are quiet and the session is open."""
        for _ in range(400):
            if self.connection is None:
                self.connect()
            assert self.connection is not None
            self.to_venue += self.rim.take_out()
            self.carry(len(self.to_venue), len(self.to_rim))
            if self.rim.closing is not None or self.connection.closing:
                self.cut()
                continue
            if not self.to_venue and not self.to_rim:
                if self.rim.fix.state is State.OPEN and self.venue.deadline_ns > self.now_ns + 3600 * SECOND:
                    return
                self.pass_time(SECOND)
        raise AssertionError(f"not quiet: session {self.rim.fix.state}, {len(self.to_venue)} and {len(self.to_rim)} bytes under way")

    def pass_time(self, ns: int) -> None:
        self.now_ns += ns
        self.venue.tick(self.now_ns)
        self.rim.tick(self.now_ns)
        if self.connection is not None:
            self.connection.tick(self.now_ns)


def play(seed: int, options: Options) -> Pair:
    pair = Pair(seed, options)
    for _ in range(ROUNDS):
        if pair.connection is None:
            pair.connect()
        assert pair.connection is not None
        for _ in range(pair.rng.below(4)):
            pair.order()
        pair.to_venue += pair.rim.take_out()
        for _ in range(3):
            pair.carry(pair.rng.below(len(pair.to_venue) + 1), pair.rng.below(len(pair.to_rim) + 1))
        pair.pass_time(pair.rng.below(SECOND // 2))
        if pair.rng.below(40) == 0 or pair.rim.closing is not None or pair.connection.closing:
            pair.cut()
    pair.settle()
    return pair


def check(pair: Pair, seed: int) -> None:
    counts = pair.venue.counts()
    told = [tell for tell in pair.rim.take_told() if tell.event is Told.ODD]
    assert not told, f"seed {seed}: {told}"
    assert len(pair.exec_ids) == len(set(pair.exec_ids)), f"seed {seed}: a report was booked twice"
    trades = sum(types.count("F") for types in pair.booked.values())
    assert trades == counts["executions"], f"seed {seed}: booked {trades} of {counts}"
    assert {"MSFT": pair.position} == (counts["positions"] or {"MSFT": 0}), f"seed {seed}: {pair.position} against {counts}"
    assert all(types[0] == "0" for types in pair.booked.values()), f"seed {seed}: a trade before its acceptance"
    assert set(pair.booked) <= set(pair.sent)
    assert counts["received"].get("duplicate", 0) == 0, f"seed {seed}: an order went twice"  # type: ignore[attr-defined]
    assert counts["accepted"] == len(pair.booked), f"seed {seed}: accepted {counts['accepted']}, booked {len(pair.booked)}"


def test_every_report_is_booked_once_over_cuts_and_splits(seed: int) -> None:
    check(play(seed, Options()), seed)


def test_an_engine_slower_than_its_session_layer(seed: int) -> None:
    check(play(seed, Options(engine_delay_ns=2 * SECOND)), seed)


def test_the_runs_are_wild_enough_to_prove_something() -> None:
    pairs = [play(seed, Options()) for seed in range(10)]
    sent, booked = sum(len(pair.sent) for pair in pairs), sum(len(pair.booked) for pair in pairs)
    assert sent > 200 and booked < sent - 10, f"{sent} orders sent, {sent - booked} lost with their connection"
    fences = [each for pair in pairs for each in pair.rim.evidence if isinstance(each, Evidence) and each.fenced]
    assert len(fences) > 10, "sessions that came back have passed their fence"


def test_the_same_seed_gives_the_same_bytes() -> None:
    first, second = play(7, Options()), play(7, Options())
    assert first.exec_ids == second.exec_ids and first.rim.sent == second.rim.sent and first.venue.counts() == second.venue.counts()
