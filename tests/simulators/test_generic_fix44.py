"""The simulated FIX venue against messages made with simplefix: what it answers, field by field, and what it counts."""

from gateway.sessions.actions import SECOND
from simulators.venue import Options
from tests.simulators.stand import SimplefixClient, fix_venue, only

BUY = "54=1|60=20251120-12:00:00|40=2|"


def client(options: Options | None = None, fill_all: bool = False, quote_qty: int = 0) -> SimplefixClient:
    each = SimplefixClient(fix_venue(options, fill_all, quote_qty))
    each.log_on()
    return each


def test_a_new_order_rests_and_is_cancelled() -> None:
    gw = client()
    (answer,) = gw.say(f"35=D|11=A1|1=DEMO|55=MSFT|{BUY}38=100|44=415.25|")
    assert {tag: value for tag, value in answer.items() if tag not in (9, 10)} == (
        {8: "FIX.4.4", 35: "8", 49: "VENUE", 56: "GW", 34: "2", 52: "20251120-12:00:00.000", 37: "1", 11: "A1", 17: "E1", 150: "0", 39: "0",
         1: "DEMO", 55: "MSFT", 54: "1", 40: "2", 38: "100", 44: "415.25", 151: "100", 14: "0", 6: "0", 60: "20251120-12:00:00.000"}
    )  # fmt: skip
    answer = gw.say("35=F|11=A2|41=A1|55=MSFT|54=1|60=20251120-12:00:00|")
    assert only(answer, 35, 11, 41, 37, 150, 39, 151, 14) == [("8", "A2", "A1", "1", "4", "4", "0", "0")]
    answer = gw.say("35=F|11=A3|41=A1|55=MSFT|54=1|60=20251120-12:00:00|")
    assert only(answer, 35, 11, 41, 39, 434, 102) == [("9", "A3", "A1", "4", "1", "0")]
    answer = gw.say("35=F|11=A4|41=never|55=MSFT|54=1|60=20251120-12:00:00|")
    assert only(answer, 35, 37, 11, 41, 39, 434, 102) == [("9", "NONE", "A4", "never", "8", "1", "1")]


def test_two_clients_trade_at_the_resting_price() -> None:
    venue = fix_venue(quote_qty=0)
    buyer, seller = SimplefixClient(venue, "BUYER"), SimplefixClient(venue, "SELLER")
    buyer.log_on()
    seller.log_on()
    buyer.say(f"35=D|11=B|55=IBM|{BUY}38=100|44=191.30|")
    answer = seller.say("35=D|11=S|55=IBM|54=2|60=20251120-12:00:00|40=2|38=40|44=191.25|")
    assert only(answer, 150, 39, 32, 31, 151, 14, 6) == [("0", "0", "", "", "40", "0", "0"), ("F", "2", "40", "191.3", "0", "40", "191.3")]
    assert only(buyer.hear(), 11, 150, 39, 32, 31, 151, 14, 6) == [("B", "F", "1", "40", "191.3", "60", "40", "191.3")]
    counts = venue.counts()
    assert counts["executions"] == 2 and counts["positions"] == {} and counts["open"] == 1, counts


def test_replace_loses_its_place_and_can_trade() -> None:
    gw = client()
    gw.say(f"35=D|11=A|55=KO|{BUY}38=100|44=60.00|")
    answer = gw.say(f"35=G|11=B|41=A|55=KO|{BUY}38=150|44=60.05|")
    assert only(answer, 11, 41, 150, 39, 38, 44, 151) == [("B", "A", "5", "0", "150", "60.05", "150")]
    assert only(gw.say(f"35=G|11=C|41=A|55=KO|{BUY}38=10|44=60.05|"), 35, 434, 102) == [("9", "2", "1")], "A is not its name any more"
    assert only(gw.say(f"35=G|11=D|41=B|55=KO|{BUY}38=10|44=60.051|"), 35, 11, 39, 434, 102, 58) == [("9", "D", "0", "2", "99", "bad_tick")]


def test_ioc_takes_what_is_there() -> None:
    gw = client(quote_qty=100)
    answer = gw.say(f"35=D|11=A|55=F|{BUY}38=250|44=12.96|59=3|")
    assert only(answer, 150, 39, 32, 31, 151) == [
        ("0", "0", "", "", "250"), ("F", "1", "100", "12.95", "150"), ("F", "1", "100", "12.96", "50"), ("4", "4", "", "", "0"),
    ]  # fmt: skip


def test_what_is_wrong_is_rejected_at_the_right_level() -> None:
    gw = client()
    cases = [
        (f"35=D|11=A|55=NOPE|{BUY}38=100|44=1|", ("8", "8", "1", "")),
        (f"35=D|11=B|55=KO|{BUY}38=0|44=60|", ("8", "8", "13", "")),
        (f"35=D|11=C|55=KO|{BUY}38=1.5|44=60|", ("8", "8", "13", "")),
        (f"35=D|11=D|55=KO|{BUY}38=1|44=60.001|", ("8", "8", "99", "")),
        ("35=D|11=E|55=KO|54=1|60=20251120-12:00:00|40=3|38=1|44=60|", ("8", "8", "11", "")),
        (f"35=D|11=F|55=KO|{BUY}38=1|44=sixty|", ("3", "", "", "6")),
        (f"35=D|11=G|55=KO|{BUY}38=1|", ("3", "", "", "1")),
        ("35=D|55=KO|54=1|60=20251120-12:00:00|40=2|38=1|44=60|", ("3", "", "", "1")),
        ("35=B|148=news|", ("j", "", "", "")),
    ]
    for text, expected in cases:
        assert only(gw.say(text), 35, 150, 103, 373) == [expected], text
    gw.say(f"35=D|11=OK|55=KO|{BUY}38=1|44=60|")
    assert only(gw.say(f"35=D|11=OK|55=KO|{BUY}38=1|44=60|"), 150, 103) == [("8", "6")]
    counts = gw.venue.counts()
    assert counts["accepted"] == 1 and counts["rejected"] == 6 and counts["received"] == {"new": 10, "duplicate": 1}, counts


def test_mass_status_reports_every_open_order_until_the_last() -> None:
    gw = client()
    assert only(gw.say("35=AF|584=S0|585=7|"), 150, 584, 911, 912, 37) == [("I", "S0", "0", "Y", "NONE")]
    for n in range(3):
        gw.say(f"35=D|11={n}|55=KO|{BUY}38=10|44=60|")
    assert only(gw.say("35=AF|584=S1|585=7|"), 11, 150, 39, 584, 911, 912) == [
        ("0", "I", "0", "S1", "3", "N"), ("1", "I", "0", "S1", "3", "N"), ("2", "I", "0", "S1", "3", "Y"),
    ]  # fmt: skip
    assert only(gw.say("35=H|11=1|55=KO|54=1|"), 11, 150, 39, 151) == [("1", "I", "0", "10")]
    assert only(gw.say("35=H|11=9|55=KO|54=1|"), 11, 37, 150, 39, 103) == [("9", "NONE", "I", "8", "5")]


def test_mass_cancel_by_symbol_and_of_everything() -> None:
    gw = client()
    for n, symbol in enumerate(("KO", "IBM", "KO")):
        gw.say(f"35=D|11={n}|55={symbol}|{BUY}38=10|44=60|")
    answer = gw.say("35=q|11=M1|530=1|55=KO|60=20251120-12:00:00|")
    assert only(answer, 35, 11, 531, 150, 39) == [("r", "M1", "1", "", ""), ("8", "0", "", "4", "4"), ("8", "2", "", "4", "4")]
    answer = gw.say("35=q|11=M2|530=7|60=20251120-12:00:00|")
    assert only(answer, 35, 11, 531, 150) == [("r", "M2", "7", ""), ("8", "1", "", "4")]
    assert only(gw.say("35=q|11=M3|530=1|55=NOPE|60=20251120-12:00:00|"), 35, 531, 532) == [("r", "0", "99")]


def test_fill_all_fills_everything_at_its_own_price() -> None:
    gw = client(fill_all=True)
    for n, (side, px) in enumerate((("1", "60"), ("2", "59"), ("1", "75"))):
        answer = gw.say(f"35=D|11={n}|55=KO|54={side}|60=20251120-12:00:00|40=2|38=7|44={px}|")
        assert only(answer, 150, 39, 32, 31, 151) == [("0", "0", "", "", "7"), ("F", "2", "7", px, "0")]
    assert only(gw.say("35=D|11=M|55=KO|54=1|60=20251120-12:00:00|40=1|38=7|"), 150, 31) == [("0", ""), ("F", "60.15")], "at the reference price"
    assert gw.venue.counts()["positions"] == {"KO": 14}


def test_standing_liquidity_is_two_sided_and_comes_back() -> None:
    gw = client(quote_qty=100)
    for n in range(3):
        answer = gw.say(f"35=D|11={n}|55=MSFT|{BUY}38=100|44=415.25|")
        assert only(answer, 150, 39, 31) == [("0", "0", ""), ("F", "2", "415.25")], "offered at the reference price, again and again"
    answer = gw.say("35=D|11=S|55=MSFT|54=2|60=20251120-12:00:00|40=2|38=100|44=415.24|")
    assert only(answer, 150, 39, 31) == [("0", "0", ""), ("F", "2", "415.24")]
    answer = gw.say(f"35=D|11=BIG|55=MSFT|{BUY}38=9000000|44=415.25|")
    assert only(answer[-1:], 150, 39, 14) == [("F", "2", "9000000")], "an order larger than every quote is filled too, in few steps"
    assert len(answer) < 40


def test_an_unknown_client_or_a_second_connection_is_closed_without_a_word() -> None:
    venue = fix_venue()
    first = SimplefixClient(venue)
    first.log_on()
    second = SimplefixClient(venue)
    assert second.say("35=A|98=0|108=30|", seq=2) == [] and second.connection.closing
    assert only(first.say("35=1|112=still here|"), 35, 112) == [("0", "still here")]
    for text in ("35=A|56=ELSEWHERE|98=0|108=30|", "35=D|11=1|"):
        stranger = SimplefixClient(venue, "NEW")
        if "ELSEWHERE" in text:
            stranger.connection.receive(b"8=FIX.4.4\x019=5\x0135=A\x0110=000\x01", stranger.now_ns)
        else:
            assert stranger.say(text) == []
        assert stranger.connection.closing, text
    garbage = venue.connect(first.now_ns)
    garbage.receive(b"GET / HTTP/1.1\r\n\r\n", first.now_ns)
    assert garbage.closing


def test_reports_of_a_lost_connection_come_again() -> None:
    gw = client()
    gw.say(f"35=D|11=A|55=KO|{BUY}38=10|44=60|")
    gw.reconnect()
    assert only(gw.say("35=A|98=0|108=30|"), 35, 34) == [("A", "3")]
    again = gw.say("35=2|7=2|16=0|")
    assert only(again, 35, 34, 43, 11, 36) == [("8", "2", "Y", "A", ""), ("4", "3", "Y", "", "4")]


def test_a_slow_engine_answers_after_the_replay() -> None:
    gw = client(Options(engine_delay_ns=5 * SECOND))
    assert gw.say(f"35=D|11=A|55=KO|{BUY}38=10|44=60|") == []
    gw.reconnect()
    assert only(gw.say("35=A|98=0|108=30|"), 35) == [("A",)]
    assert only(gw.say("35=2|7=2|16=0|"), 35, 36) == [("4", "3")], "the session layer has nothing of the order to replay"
    gw.now_ns += 5 * SECOND
    gw.venue.tick(gw.now_ns)
    assert only(gw.hear(), 35, 11, 150) == [("8", "A", "0")], "and yet the order lives"


def test_cancel_on_disconnect() -> None:
    for on, open_orders in ((True, 0), (False, 1)):
        gw = client(Options(cancel_on_disconnect=on))
        gw.say(f"35=D|11=A|55=KO|{BUY}38=10|44=60|")
        gw.reconnect()
        assert gw.venue.counts()["open"] == open_orders
        answer = gw.say("35=A|98=0|108=30|")
        assert only(answer, 35, 150, 58) == [("A", "", ""), *([("8", "4", "user")] if on else [])]


def test_a_wrong_password_is_told_and_closed() -> None:
    venue = fix_venue(Options(password="right"))
    gw = SimplefixClient(venue)
    assert only(gw.say("35=A|98=0|108=30|554=wrong|"), 35, 58) == [("5", "unknown user or wrong password")]
    assert gw.connection.closing
    gw.reconnect()
    assert only(gw.say("35=A|98=0|108=30|554=right|", seq=1), 35) == [("A",)]
