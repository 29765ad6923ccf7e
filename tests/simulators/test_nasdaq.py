"""The simulated Nasdaq: golden flows of OUCH 5.0 over SoupBinTCP, packed and unpacked here by the offsets of the documents.

Nothing of our codecs makes or reads a byte in this file. Documents: SoupBinTCP 3.00 (2017-02-22); OUCH 5.0 (2023) and revision 1.05.
"""

import struct

from gateway.sessions.actions import SECOND
from simulators.venue import Connection, Options, Venue
from tests.simulators.stand import NOW, ouch_venue

# Outbound messages by type: name and offsets as in the document; prices are 1/10,000.
ANSWERS = {
    b"A": (">QIcI8sQccQcccc14s", ("ns", "ref", "side", "qty", "symbol", "px", "tif", "display", "number", "capacity", "iso", "cross", "state", "id")),
    b"U": (">QIIcI8sQccQcccc14s", ("ns", "orig", "ref", "side", "qty", "symbol", "px", "tif", "display", "number", "capacity", "iso", "cross", "state", "id")),
    b"C": (">QIIc", ("ns", "ref", "qty", "reason")),
    b"E": (">QIIQcQ", ("ns", "ref", "qty", "px", "liquidity", "match")),
    b"J": (">QIH14s", ("ns", "ref", "reason", "id")),
    b"M": (">QIcI", ("ns", "ref", "side", "qty")),
    b"Q": (">QI", ("ns", "next")),
    b"X": (">QI4s8s", ("ns", "ref", "firm", "symbol")),
    b"G": (">QI4s", ("ns", "ref", "firm")),
    b"K": (">QI4s", ("ns", "ref", "firm")),
}  # fmt: skip


class SoupBytes:
    """A client of struct and offsets."""

    def __init__(self, venue: Venue, session: str = "", number: int = 1, password: str = "SECRET") -> None:
        self.venue = venue
        self.now_ns = NOW
        self.connection: Connection = venue.connect(NOW)
        login = b"L" + b"DEMO01" + password.encode().ljust(10) + session.encode().rjust(10) + str(number).encode().rjust(20)
        self.first = self.packets(login)

    def packets(self, payload: bytes) -> list[bytes]:
        self.connection.receive(struct.pack(">H", len(payload)) + payload, self.now_ns)
        return self.hear()

    def hear(self) -> list[bytes]:
        data, out = self.connection.take_out(self.now_ns), []
        while data:
            (length,) = struct.unpack_from(">H", data)
            out.append(data[2 : 2 + length])
            data = data[2 + length :]
        return out

    def say(self, message: bytes) -> list[tuple[str, dict[str, object]]]:
        return [parse(packet) for packet in self.packets(b"U" + message)]


def parse(packet: bytes) -> tuple[str, dict[str, object]]:
    """Type and fields of a sequenced packet."""
    assert packet[:1] == b"S", packet
    form, names = ANSWERS[packet[1:2]]
    values = struct.unpack_from(form, packet, 2)
    return packet[1:2].decode(), {n: v.decode().rstrip() if isinstance(v, bytes) else v for n, v in zip(names, values, strict=True)}


def enter(ref: int, side: str, qty: int, symbol: str, px: int, tif: str = "0", firm: str = "") -> bytes:
    tags = b"\x05\x02" + firm.encode().ljust(4) if firm else b""
    return struct.pack(
        ">cIcI8sQccccc14sH", b"O", ref, side.encode(), qty, symbol.encode().ljust(8), px, tif.encode(), b"Y", b"P", b"N", b"N",
        f"ID{ref}".encode().ljust(14), len(tags),
    ) + tags  # fmt: skip


def replace(orig: int, ref: int, qty: int, px: int) -> bytes:
    return struct.pack(">cIIIQccc14sH", b"U", orig, ref, qty, px, b"0", b"Y", b"N", f"ID{ref}".encode().ljust(14), 0)


def cancel(ref: int, qty: int = 0) -> bytes:
    return struct.pack(">cII", b"X", ref, qty)


def some(answers: list[tuple[str, dict[str, object]]], *names: str) -> list[tuple[object, ...]]:
    return [(type, *(fields.get(name) for name in names)) for type, fields in answers]


def test_login_names_the_session_and_the_next_number() -> None:
    client = SoupBytes(ouch_venue())
    assert client.first == [b"A" + b"1".rjust(10) + b"1".rjust(20)]


def test_enter_accept_and_cancel() -> None:
    client = SoupBytes(ouch_venue())
    answer = client.say(enter(1, "B", 100, "AAPL", 1_872_400, firm="DEMO"))
    assert answer == [
        ("A", {"ns": 7 * 3600 * SECOND, "ref": 1, "side": "B", "qty": 100, "symbol": "AAPL", "px": 1_872_400, "tif": "0", "display": "Y", "number": 1,
               "capacity": "P", "iso": "N", "cross": "N", "state": "L", "id": "ID1"})
    ]  # fmt: skip
    assert some(client.say(cancel(1, 40)), "ref", "qty", "reason") == [("C", 1, 60, "U")], "the intended size is 40, so 60 go"
    assert client.say(cancel(1, 40)) == [], "a cancel that changes nothing has no answer"
    assert some(client.say(cancel(1)), "ref", "qty", "reason") == [("C", 1, 40, "U")]
    assert client.say(cancel(1)) == client.say(cancel(77)) == []


def test_an_execution_is_incremental_and_at_the_resting_price() -> None:
    client = SoupBytes(ouch_venue(quote_qty=60))
    answer = client.say(enter(1, "B", 100, "AAPL", 1_872_600))
    assert some(answer, "ref", "qty", "px", "liquidity", "match") == [
        ("A", 1, 100, 1_872_600, None, None), ("E", 1, 60, 1_872_500, "R", 1), ("E", 1, 40, 1_872_600, "R", 2),
    ]  # fmt: skip
    answer = client.say(enter(2, "B", 500, "AAPL", 1_872_500, tif="3"))
    assert some(answer, "ref", "qty", "reason")[-1] == ("C", 2, 440, "I"), "immediate or cancel: the rest goes"
    assert client.venue.counts()["positions"] == {"AAPL": 160}


def test_there_is_always_an_offer_at_the_reference_price() -> None:
    client = SoupBytes(ouch_venue(quote_qty=150))
    for ref in range(1, 121):
        side, px = ("S", 1_800_000) if ref % 3 == 0 else ("B", 1_872_500)
        answer = client.say(enter(ref, side, 100, "AAPL", px))
        assert sum(int(str(fields["qty"])) for type, fields in answer if type == "E" and fields["ref"] == ref) == 100, f"order {ref}: {answer}"


def test_user_ref_num_rises_or_is_silently_ignored() -> None:
    client = SoupBytes(ouch_venue())
    assert some(client.say(enter(5, "B", 1, "AAPL", 1_000_000)), "ref") == [("A", 5)]
    assert client.say(enter(5, "B", 1, "AAPL", 1_000_000)) == client.say(enter(4, "B", 1, "AAPL", 1_000_000)) == []
    assert some(client.say(b"Q"), "next") == [("Q", 6)]
    counts = client.venue.counts()
    assert counts["accepted"] == 1 and counts["received"] == {"account_query": 1, "new": 3, "repeated": 2}


def test_replace_outcomes() -> None:
    client = SoupBytes(ouch_venue())
    client.say(enter(1, "B", 100, "AAPL", 1_872_400))
    answer = client.say(replace(1, 2, 150, 1_872_300))
    assert some(answer, "orig", "ref", "qty", "px", "state", "number") == [("U", 1, 2, 150, 1_872_300, "L", 2)]
    assert client.say(replace(1, 3, 150, 1_872_300)) == [], "the replaced link is dead"
    assert client.say(cancel(1)) == [], "and cannot be cancelled"
    assert client.say(replace(2, 2, 150, 1_872_300)) == [], "a used number"
    assert some(client.say(b"Q"), "next") == [("Q", 3)], "what was ignored has not used number 3"
    assert some(client.say(replace(2, 3, 150, 1_872_350)), "ref", "qty", "reason") == [("C", 2, 150, "U")], "bad details cancel the old order"
    assert some(client.say(b"Q"), "next") == [("Q", 3)], "and do not use the new number"
    assert some(client.say(enter(3, "B", 100, "AAPL", 1_872_400)), "ref") == [("A", 3)]


def test_quantity_of_a_replace_is_the_total_of_the_chain() -> None:
    client = SoupBytes(ouch_venue(quote_qty=60))
    client.say(enter(1, "B", 10, "AAPL", 1_872_500))
    client.say(enter(2, "B", 80, "AAPL", 1_872_500))  # takes the 50 that are left there, and 30 of the refilled quote
    client.say(enter(3, "S", 100, "AAPL", 1_872_600))
    answer = client.say(enter(4, "B", 70, "AAPL", 1_872_400)) + client.say(replace(4, 5, 90, 1_872_500))
    assert some(answer, "ref", "qty", "px") == [("A", 4, 70, 1_872_400), ("U", 5, 90, 1_872_500), ("E", 5, 30, 1_872_500), ("E", 5, 60, 1_872_500)]
    counts = client.venue.counts()
    assert counts["positions"] == {"AAPL": 180} and counts["open"] == 1, counts


def test_modify_keeps_its_number() -> None:
    client = SoupBytes(ouch_venue())
    client.say(enter(1, "S", 100, "AAPL", 1_872_500))
    modify = struct.Struct(">cIcI")
    assert some(client.say(modify.pack(b"M", 1, b"T", 40)), "ref", "side", "qty") == [("M", 1, "T", 40)]
    assert client.say(modify.pack(b"M", 1, b"B", 40)) == [], "a sell does not become a buy"
    assert client.say(modify.pack(b"M", 1, b"S", 40)) == [], "nor a short sell a long one"
    assert some(client.say(modify.pack(b"M", 1, b"T", 70)), "ref", "side", "qty") == [("M", 1, "T", 70)]
    assert some(client.say(cancel(1)), "qty") == [("C", 70)]


def test_rejects_use_the_number() -> None:
    client = SoupBytes(ouch_venue())
    cases = [
        (enter(1, "B", 100, "NOPE", 1_000_000), 0x17),
        (enter(2, "B", 0, "AAPL", 1_000_000), 0x13),
        (enter(3, "B", 1_000_000, "AAPL", 1_000_000), 0x13),
        (enter(4, "B", 100, "AAPL", 0), 0x1D),
        (enter(5, "B", 100, "AAPL", 1_000_001), 0x1D),
        (enter(6, "B", 100, "AAPL", 0x7735939D), 0x1D),
    ]
    for ref, (message, reason) in enumerate(cases, 1):
        assert some(client.say(message), "ref", "reason", "id") == [("J", ref, reason, f"ID{ref}")]
    assert some(client.say(b"Q"), "next") == [("Q", 7)]


def test_mass_cancel_and_the_gate_of_a_firm() -> None:
    client = SoupBytes(ouch_venue())
    for ref, symbol in ((1, "AAPL"), (2, "INTC"), (3, "AAPL")):
        client.say(enter(ref, "B", 10, symbol, 100_000, firm="DEMO"))
    mass = struct.Struct(">cI4s8sH")
    answer = client.say(mass.pack(b"C", 4, b"DEMO", b"AAPL".ljust(8), 0))
    assert some(answer, "ref", "qty", "symbol") == [("X", 4, None, "AAPL"), ("C", 1, 10, None), ("C", 3, 10, None)]
    assert some(client.say(mass.pack(b"C", 5, b"DEMO", b" " * 8, 0)), "ref", "qty") == [("X", 5, None), ("C", 2, 10)]
    gate = struct.Struct(">cI4sH")
    assert some(client.say(gate.pack(b"D", 6, b"DEMO", 0)), "ref", "firm") == [("G", 6, "DEMO")]
    assert some(client.say(enter(7, "B", 10, "AAPL", 100_000, firm="DEMO")), "ref", "reason") == [("J", 7, 0x0C)]
    assert some(client.say(gate.pack(b"E", 8, b"DEMO", 0)), "ref", "firm") == [("K", 8, "DEMO")]
    assert some(client.say(enter(9, "B", 10, "AAPL", 100_000, firm="DEMO")), "ref") == [("A", 9)]


def test_a_market_order_trades_at_what_is_there() -> None:
    client = SoupBytes(ouch_venue(quote_qty=60))
    answer = client.say(enter(1, "S", 60, "AAPL", 0x7FFFFFFF))
    assert some(answer, "ref", "qty", "px") == [("A", 1, 60, 0x7FFFFFFF), ("E", 1, 60, 1_872_400)]


def test_reconnect_replays_from_the_number_asked_for() -> None:
    venue = ouch_venue()
    client = SoupBytes(venue)
    for ref in (1, 2, 3):
        client.say(enter(ref, "B", 10, "AAPL", 100_000))
    client.connection.disconnect(client.now_ns)
    again = SoupBytes(venue, "1", 2)
    assert again.first[0] == b"A" + b"1".rjust(10) + b"2".rjust(20)
    assert some([parse(packet) for packet in again.first[1:]], "ref") == [("A", 2), ("A", 3)]
    assert some(again.say(b"Q"), "next") == [("Q", 4)]
    again.connection.disconnect(again.now_ns)
    assert SoupBytes(venue, "", 0).first == [b"A" + b"1".rjust(10) + b"5".rjust(20)], "0 asks for what is new"


def test_wrong_logins() -> None:
    venue = ouch_venue(Options(password="secret"))
    wrong = SoupBytes(venue, password="guess")
    assert wrong.first == [b"JA"] and wrong.connection.closing
    wrong.connection.disconnect(NOW)
    gone = SoupBytes(venue, session="OTHER")
    assert gone.first == [b"JS"] and gone.connection.closing
    gone.connection.disconnect(NOW)
    right = SoupBytes(venue)
    assert right.first[0][:1] == b"A", "passwords do not know upper and lower case"
    second = SoupBytes(venue)
    assert second.first == [] and second.connection.closing, "one connection a session: the second is closed, the first stays"
    assert some(right.say(b"Q"), "next") == [("Q", 1)]


def test_garbage_ends_the_connection_and_nothing_else() -> None:
    for garbage in (b"\x00\x00", b"\x00\x01?", b"\x00\x05UO123", b"GET / HTTP/1.1\r\n\r\n" * 300):
        venue = ouch_venue()
        connection = venue.connect(NOW)
        connection.receive(garbage, NOW)
        assert connection.closing or connection.take_out(NOW) == b"", garbage
        client = SoupBytes(venue)
        client.connection.receive(garbage, NOW)
        if garbage[:3] == b"\x00\x05U":  # an application message cut short: consumed, and the session goes on
            assert some(client.say(b"Q"), "next") == [("Q", 1)]
        else:
            assert client.connection.closing, garbage


def test_heartbeats_and_silence() -> None:
    client = SoupBytes(ouch_venue())
    client.now_ns += SECOND
    client.connection.tick(client.now_ns)
    assert client.hear() == [b"H"]
    for _ in range(14):
        client.now_ns += SECOND
        client.connection.tick(client.now_ns)
    assert client.connection.closing, "fifteen seconds without a word from the client"


def test_a_slow_engine_answers_account_query_behind_the_orders() -> None:
    client = SoupBytes(ouch_venue(Options(engine_delay_ns=SECOND)))
    assert client.say(enter(1, "B", 10, "AAPL", 100_000)) == client.say(b"Q") == []
    client.connection.disconnect(client.now_ns)
    again = SoupBytes(client.venue, "1", 1)
    assert len(again.first) == 1, "the replay is complete and holds nothing of the order"
    assert again.say(b"Q") == []
    again.now_ns += SECOND
    again.venue.tick(again.now_ns)
    assert some([parse(packet) for packet in again.hear()], "ref", "next") == [("A", 1, None), ("Q", None, 2), ("Q", None, 2)]
