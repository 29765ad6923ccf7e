"""A FIX initiator and the simulated FIX venue over connections that come and go: every report is booked once, no order goes twice."""

from gateway.sessions.actions import SECOND
from gateway.sessions.fix import FixConfig, FixSession, Role
from gateway.sessions.fix_rim import FixRim
from simulators.generic_fix44 import GenericFix44
from simulators.market import Liquidity, Market
from simulators.venue import Options
from tests.sessions.pairs import Pair
from tests.simulators.stand import rows

WORDS = {"0": "accepted", "F": "trade", "4": "canceled"}


class FixPair(Pair):
    def __init__(self, seed: int, options: Options) -> None:
        venue = GenericFix44(Market(rows("generic_fix44"), Liquidity(quote_qty=300)), options)
        config = FixConfig(sender_comp_id="GW", target_comp_id="VENUE", heart_bt_int_s=10)
        super().__init__(seed, venue, FixRim(FixSession(Role.INITIATOR, config)))

    def order(self) -> None:
        self.count += 1
        side, cents = self.rng.below(2) + 1, 41_525 + self.rng.below(7) - 3
        body = (
            (11, f"O{self.count}"), (55, "MSFT"), (54, str(side)), (60, "20251120-12:00:00"), (40, "2"), (38, str(1 + self.rng.below(400))),
            (44, f"{cents // 100}.{cents % 100:02d}"), (59, "3"),
        )  # fmt: skip
        if self.rim.submit("D", body, self.now_ns):
            self.sent.append(f"O{self.count}")

    def book(self) -> None:
        for message in self.rim.take_inbox():
            if message.type == "8" and message.text(150) != "I":
                self.booked.setdefault(message.text(11), []).append(WORDS[message.text(150)])
                self.exec_ids.append(message.text(17))
                if message.text(150) == "F":
                    self.position += int(message.text(32)) * (1 if message.text(54) == "1" else -1)


def played(seed: int, options: Options | None = None) -> FixPair:
    pair = FixPair(seed, options or Options())
    pair.play()
    return pair


def test_every_report_is_booked_once_over_cuts_and_splits(seed: int) -> None:
    played(seed).check()


def test_an_engine_slower_than_its_session_layer(seed: int) -> None:
    played(seed, Options(engine_delay_ns=2 * SECOND)).check()


def test_the_runs_are_wild_enough_to_prove_something() -> None:
    pairs = [played(seed) for seed in range(10)]
    sent, booked = sum(len(pair.sent) for pair in pairs), sum(len(pair.booked) for pair in pairs)
    assert sent > 200 and booked < sent - 10, f"{sent} orders sent, {sent - booked} lost with their connection"
    assert sum(each.fenced for pair in pairs for each in pair.rim.evidence) > 10, "sessions that came back have passed their fence"


def test_the_same_seed_gives_the_same_bytes() -> None:
    first, second = played(7), played(7)
    assert first.exec_ids == second.exec_ids and first.venue.counts() == second.venue.counts() and first.rim.next_tx == second.rim.next_tx
