"""An OUCH client and the simulated Nasdaq over connections that come and go: every report is booked once, no number is used twice."""

from gateway.codecs.loader import load
from gateway.sessions.actions import SECOND, SecretRef
from gateway.sessions.soup_rim import SoupRim
from gateway.sessions.soupbin import ClientConfig, SoupClient
from simulators.venue import Options
from tests.sessions.pairs import Pair
from tests.simulators.stand import ouch_venue

OUCH = load("ouch50")


class OuchPair(Pair):
    rim: SoupRim

    def __init__(self, seed: int, options: Options) -> None:
        venue = ouch_venue(options, quote_qty=300)
        session = SoupClient(ClientConfig("DEMO01", SecretRef("password")))
        super().__init__(seed, venue, SoupRim(session, OUCH, {"password": "secret"}))
        self.sides: dict[str, str] = {}

    def order(self) -> None:
        token, side = self.rim.next_token, "BS"[self.rng.below(2)]
        body = (
            ("user_ref_num", token), ("side", side), ("quantity", 1 + self.rng.below(400)), ("symbol", "AAPL"),
            ("price", 1_872_500 + 100 * (self.rng.below(7) - 3)), ("time_in_force", "3"), ("display", "Y"), ("capacity", "P"),
            ("intermarket_sweep", "N"), ("cross_type", "N"), ("cl_ord_id", ""), ("appendage", {"firm": "DEMO"}),
        )  # fmt: skip
        if self.rim.submit("EnterOrder", body, self.now_ns):
            self.rim.next_token += 1
            self.sent.append(str(token))
            self.sides[str(token)] = side

    def book(self) -> None:
        for message in self.rim.take_inbox():
            ref = message.text("user_ref_num")
            words = {"OrderAccepted": "accepted", "OrderExecuted": "trade", "OrderCanceled": "canceled"}
            self.booked.setdefault(ref, []).append(words[message.type])
            if message.type == "OrderExecuted":
                self.exec_ids.append(f"{ref} {message.text('match_number')}")
                self.position += (message.number("quantity") or 0) * (1 if self.sides[ref] == "B" else -1)


def played(seed: int, options: Options | None = None) -> OuchPair:
    pair = OuchPair(seed, options or Options())
    pair.play()
    return pair


def test_every_report_is_booked_once_over_cuts_and_splits(seed: int) -> None:
    played(seed).check()


def test_an_engine_slower_than_its_session_layer(seed: int) -> None:
    pair = played(seed, Options(engine_delay_ns=2 * SECOND))
    pair.check()
    lost = [ref for ref in pair.sent if ref not in pair.booked]
    assert all(int(ref) < pair.rim.next_token for ref in lost), "a number that was lost is not used again"


def test_the_fence_comes_behind_everything_that_was_sent_before() -> None:
    fences = 0
    for seed in range(10):
        pair = played(seed)
        for evidence in pair.rim.evidence:
            assert evidence.fenced and evidence.n < pair.rim.next_token
            fences += 1
    assert fences > 10, "sessions that came back have passed their fence"
