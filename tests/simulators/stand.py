"""What the tests of simulated venues share: instruments, times, and a FIX client made with simplefix alone."""

from pathlib import Path

import simplefix

from gateway.instruments import Instrument, load
from gateway.sessions.actions import SECOND
from gateway.sessions.fix_wire import utc_timestamp
from simulators.generic_fix44 import GenericFix44
from simulators.market import Liquidity, Market
from simulators.nasdaq import Nasdaq
from simulators.venue import Connection, Options, Venue

NOW = 1_763_640_000 * SECOND  # 2025-11-20 12:00:00
INSTRUMENTS = Path(__file__).parents[2] / "examples" / "instruments.csv"


def rows(venue: str) -> list[Instrument]:
    return [row for row in load(INSTRUMENTS).rows if row.venue == venue]


def ouch_venue(options: Options | None = None, fill_all: bool = False, quote_qty: int = 0) -> Nasdaq:
    return Nasdaq(Market(rows("nasdaq"), Liquidity(fill_all=fill_all, quote_qty=quote_qty)), options)


def fix_venue(options: Options | None = None, fill_all: bool = False, quote_qty: int = 1_000) -> GenericFix44:
    return GenericFix44(Market(rows("generic_fix44"), Liquidity(fill_all=fill_all, quote_qty=quote_qty)), options)


class SimplefixClient:
    """Sends and reads FIX with simplefix and nothing of ours; knows no session rules, so every number is the test's."""

    def __init__(self, venue: Venue, comp_id: str = "GW") -> None:
        self.venue = venue
        self.comp_id = comp_id
        self.now_ns = NOW
        self.seq = 0
        self.connection: Connection = venue.connect(NOW)
        self._parser = simplefix.FixParser()

    def reconnect(self) -> None:
        self.connection.disconnect(self.now_ns)
        self.connection = self.venue.connect(self.now_ns)
        self._parser.reset()

    def say(self, text: str, seq: int | None = None) -> list[dict[int, str]]:
        """Send "35=D|11=1|…" with the next number; return the answers, one dict of tags each."""
        self.seq = self.seq + 1 if seq is None else seq
        message = simplefix.FixMessage()
        pairs = [tuple(each.split("=", 1)) for each in text.strip("|").split("|")]
        message.append_pair(8, "FIX.4.4")
        message.append_pair(35, pairs[0][1])
        for tag, value in ((49, self.comp_id), (56, "VENUE"), (34, self.seq), (52, utc_timestamp(self.now_ns))):
            message.append_pair(tag, value)
        for tag, value in pairs[1:]:
            message.append_pair(tag, value)
        self.connection.receive(message.encode(), self.now_ns)
        return self.hear()

    def hear(self) -> list[dict[int, str]]:
        self._parser.append_buffer(self.connection.take_out(self.now_ns))
        heard = []
        while (message := self._parser.get_message()) is not None:
            heard.append({int(tag): value.decode() for tag, value in message.pairs})
        return heard

    def log_on(self) -> None:
        answer = self.say("35=A|98=0|108=30|")
        assert [each[35] for each in answer] == ["A"], answer


def only(answers: list[dict[int, str]], *tags: int) -> list[tuple[str, ...]]:
    """These tags of each answer, "" where absent."""
    return [tuple(each.get(tag, "") for tag in tags) for each in answers]
