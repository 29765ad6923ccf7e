"""QuickFIX on both sides of the gateway: a strategy at its FIX door, a venue behind its session, both with the public dictionary's
validation on. Whatever happens, QuickFIX rejects nothing of ours and the books agree."""

import signal
import time
from collections.abc import Callable

from tests.outside.conftest import Stand
from tests.outside.house import Fields, eventually

MakeStand = Callable[..., Stand]


def order(id: str, qty: int, side: int = 1, px: str = "191.30") -> str:
    return f"35=D|11={id}|1=ACC|55=IBM|54={side}|40=2|38={qty}|44={px}|59=0|"


def change(type: str, id: str, of: str, qty: int, px: str = "191.30") -> str:
    return f"35={type}|11={id}|41={of}|1=ACC|55=IBM|54=1|38={qty}|" + (f"40=2|44={px}|59=0|" if type == "G" else "")


def shown(report: Fields) -> tuple[str, ...]:
    """ClOrdID, ExecType, OrdStatus, CumQty, LeavesQty."""
    return tuple(report.get(tag, "") for tag in (11, 150, 39, 14, 151))


def test_a_strategy_trades_replaces_cancels_and_is_refused(stand: MakeStand) -> None:
    both = stand()
    strategy = both.strategy
    strategy.send(order("A1", 100))
    assert [shown(strategy.hear({35: "8"})) for _ in range(3)] == [
        ("A1", "0", "0", "0", "100"),
        ("A1", "F", "1", "50", "50"),
        ("A1", "F", "2", "100", "0"),
    ]
    strategy.send(order("A2", 600))
    assert shown(strategy.hear({35: "8"})) == ("A2", "0", "0", "0", "600")
    strategy.send(change("G", "A3", "A2", 700, "191.25"))
    replaced = strategy.hear({35: "8", 150: "5"})
    assert (shown(replaced), replaced[41], replaced[44]) == (("A3", "5", "0", "0", "700"), "A2", "191.25")
    strategy.send(change("F", "A4", "A3", 700))
    canceled = strategy.hear({35: "8", 150: "4"})
    assert (shown(canceled), canceled[41]) == (("A4", "4", "4", "0", "0"), "A3")

    strategy.send(change("F", "A5", "A3", 700))
    refused = strategy.hear({35: "9"})
    assert (refused[11], refused[41], refused[434]) == ("A5", "A3", "1"), refused
    strategy.send(order("A1", 100))
    denied = strategy.hear({35: "8", 11: "A1"})
    assert (denied[150], denied[39]) == ("8", "8"), denied
    strategy.send(order("A6", 20_000))
    denied = strategy.hear({35: "8", 11: "A6"})
    assert denied[39] == "8" and "order_qty 20000 > 10000" in denied[58], denied
    strategy.send("35=1|112=ARE-YOU-THERE|")
    assert strategy.hear({35: "0"})[112] == "ARE-YOU-THERE"

    assert both.gateway.position("IBM") == 100
    both.close()
    assert both.complaints() == []


def test_heartbeats_go_both_ways_and_keep_both_sessions(stand: MakeStand) -> None:
    both = stand(heart_bt_int_s=1)
    for peer in (both.strategy, both.venue):
        assert 112 not in peer.hear({35: "0"})
        assert 112 not in peer.hear({35: "0"})
    logons = [len(peer.heard("logon")) for peer in (both.strategy, both.venue)]
    assert logons == [1, 1]
    both.close()
    assert both.complaints() == []


def test_a_strategy_that_was_cut_off_resumes_with_its_own_numbers_and_hears_what_happened_meanwhile(stand: MakeStand) -> None:
    both = stand()
    strategy, venue = both.strategy, both.venue
    strategy.send(order("A1", 600))
    strategy.hear({35: "8", 150: "0"})
    ours = venue.hear({35: "D"})[11]
    strategy.kill()
    numbers = strategy.stored_numbers()
    venue.do(f"fill {ours}")
    eventually(lambda: both.gateway.position("IBM") == 600, "the fill is booked while its strategy is away")
    strategy.start()
    strategy.until("logon")
    filled = strategy.hear({35: "8", 150: "F"})
    assert (shown(filled), filled.get(43, "N")) == (("A1", "F", "2", "600", "0"), "N")
    # Its logon took the next number, the answer too, and the report followed: no gap was made and none asked for.
    assert (filled[34], strategy.numbers()) == (str(numbers[1] + 1), (numbers[0] + 1, numbers[1] + 2))
    assert not [each for each in strategy.heard("out") if each[35] == "2"]
    both.close()
    assert both.complaints() == []


def test_a_strategy_that_lost_reports_asks_and_gets_them_again_as_duplicates(stand: MakeStand) -> None:
    both = stand()
    strategy = both.strategy
    for id in ("A1", "A2"):
        strategy.send(order(id, 100))
        strategy.hear({35: "8", 39: "2"})
    strategy.send("35=1|112=LAST|")
    strategy.hear({35: "0", 112: "LAST"})
    first = [each for each in strategy.heard() if each[35] == "8"]
    strategy.kill()
    strategy.set_numbers(into=2)  # all but the logon is forgotten
    strategy.start()
    strategy.until("logon")
    again = [strategy.hear({35: "8"}) for _ in first]
    assert [(each[34], each[17], shown(each)) for each in again] == [(each[34], each[17], shown(each)) for each in first]
    assert {each.get(43) for each in again} == {"Y"} and [each[122] for each in again] == [each[52] for each in first]
    strategy.send(order("A3", 100))
    assert strategy.hear({35: "8", 11: "A3"}).get(43, "N") == "N"
    strategy.send("35=2|7=3|16=4|")  # and in the middle of the day
    eventually(lambda: sum(1 for _, fields in both.strategy.said if fields.get(43) == "Y") >= len(again), "asked for again")
    both.close()
    assert both.complaints() == []


def test_a_gap_in_what_a_strategy_sends_is_asked_for_and_its_order_is_taken_once(stand: MakeStand) -> None:
    both = stand()
    strategy = both.strategy
    out, _ = strategy.numbers()
    strategy.do(f"next out {out + 5}")
    strategy.send(order("A1", 100))
    assert strategy.hear({35: "2"})[7] == str(out)
    assert shown(strategy.hear({35: "8", 39: "2"})) == ("A1", "F", "2", "100", "0")
    strategy.send(order("A2", 100))
    strategy.hear({35: "8", 11: "A2", 39: "2"})
    assert both.gateway.position("IBM") == 200
    assert len([each for each in both.venue.heard() if each[35] == "D"]) == 2
    both.close()
    assert both.complaints() == []


def test_a_number_too_low_ends_the_strategys_session_with_the_number_that_is_right(stand: MakeStand) -> None:
    both = stand()
    strategy = both.strategy
    out, _ = strategy.numbers()
    strategy.kill()
    strategy.set_numbers(out=1)
    strategy.start()
    assert strategy.hear({35: "5"})[58] == f"MsgSeqNum too low, expecting {out} but received 1"
    strategy.kill()
    strategy.set_numbers(out=out)
    strategy.start()
    strategy.until("logon")
    both.close()
    assert both.complaints() == []


def test_the_gateway_is_killed_and_both_its_peers_go_on_with_their_numbers(stand: MakeStand) -> None:
    both = stand()
    strategy, venue = both.strategy, both.venue
    strategy.send(order("A1", 100))
    strategy.send(order("A2", 600))
    strategy.hear({35: "8", 11: "A2", 150: "0"})
    both.gateway.kill()
    both.gateway.start(ready="open")
    strategy.until("logon")
    strategy.send(change("F", "A3", "A2", 600))
    assert shown(strategy.hear({35: "8", 11: "A3"})) == ("A3", "4", "4", "0", "0")
    strategy.send(order("A4", 100))
    strategy.hear({35: "8", 11: "A4", 39: "2"})
    assert both.gateway.position("IBM") == 200
    executions = [each[17] for each in strategy.heard() if each[35] == "8" and each.get(43) != "Y"]
    assert len(executions) == len(set(executions))
    sent = [each[11] for each in venue.heard() if each[35] == "D"]
    assert len(sent) == len(set(sent)) == 3
    both.close()
    assert both.complaints() == []


def venue_again(both: Stand, *, out: int = 0, into: int = 0) -> tuple[int, int]:
    """The venue dies and comes back with its numbers moved; returns (next out, next in) from before."""
    both.venue.kill()
    before = both.venue.stored_numbers()
    both.venue.set_numbers(out=before[0] + out, into=before[1] + into)
    both.venue.start()
    return before


def test_a_venue_that_comes_back_with_newer_numbers_is_asked_for_what_is_missing(stand: MakeStand) -> None:
    both = stand()
    both.strategy.send(order("A1", 600))
    both.strategy.hear({35: "8", 150: "0"})
    out, _ = venue_again(both, out=5)
    assert both.venue.hear({35: "2"})[7] == str(out)
    eventually(both.gateway.is_open, "QuickFIX fills the gap")
    both.strategy.send(order("A2", 100))
    assert shown(both.strategy.hear({35: "8", 11: "A2", 39: "2"})) == ("A2", "F", "2", "100", "0")
    both.close()
    assert both.complaints() == []


def test_a_venue_that_forgot_what_it_got_asks_and_gets_a_gap_fill_never_an_order_again(stand: MakeStand) -> None:
    # Its request crosses our TestRequest, which the gap fill then covers: it must be sent again, or nothing opens.
    begun = time.monotonic()
    both = stand()
    both.strategy.send(order("A1", 100))
    both.strategy.hear({35: "8", 39: "2"})
    venue_again(both, into=-3)
    fill = both.venue.hear({35: "4"})
    assert (fill[123], fill[43]) == ("Y", "Y") and 122 in fill
    eventually(both.gateway.is_open, "the venue has what it asked for")
    assert time.monotonic() - begun < 20
    both.strategy.send(order("A2", 100))
    both.strategy.hear({35: "8", 11: "A2", 39: "2"})
    sent = [each for each in both.venue.heard() if each[35] == "D"]
    assert len(sent) == 2 and all(43 not in each for each in sent)
    assert both.gateway.position("IBM") == 200
    both.close()
    assert both.complaints() == []


def test_a_venue_that_comes_back_with_older_numbers_is_refused_until_they_are_right(stand: MakeStand) -> None:
    both = stand()
    both.strategy.send(order("A1", 100))
    both.strategy.hear({35: "8", 39: "2"})
    out, _ = venue_again(both, out=-2)
    assert both.venue.hear({35: "5"})[58].startswith(f"MsgSeqNum too low, expecting {out} but received ")
    assert not both.gateway.is_open()
    both.venue.kill()
    both.venue.set_numbers(out=out)
    both.venue.start()
    eventually(both.gateway.is_open, "the numbers are right again")
    both.strategy.send(order("A2", 100))
    both.strategy.hear({35: "8", 11: "A2", 39: "2"})
    both.close()
    assert both.complaints() == []


def test_a_gap_in_the_middle_of_the_day_is_filled_and_every_execution_counts_once(stand: MakeStand) -> None:
    both = stand()
    venue = both.venue
    both.strategy.send(order("A1", 600))
    both.strategy.hear({35: "8", 150: "0"})
    ours = venue.hear({35: "D"})[11]
    out, _ = venue.numbers()
    venue.do(f"next out {out + 3}")
    venue.do(f"fill {ours}")
    assert venue.hear({35: "2"})[7] == str(out)
    assert shown(both.strategy.hear({35: "8", 39: "2"})) == ("A1", "F", "2", "600", "0")
    both.strategy.send(order("A2", 100))
    both.strategy.hear({35: "8", 11: "A2", 39: "2"})
    assert both.gateway.position("IBM") == 700
    fills = [each for each in both.strategy.heard() if each.get(150) == "F" and each[11] == "A1"]
    assert len(fills) == 1
    both.close()
    assert both.complaints() == []


def test_a_venue_asks_in_the_middle_of_the_day_for_everything_again(stand: MakeStand) -> None:
    both = stand()
    both.strategy.send(order("A1", 600))
    both.strategy.hear({35: "8", 150: "0"})
    both.venue.hear({35: "D"})
    both.venue.do("send 35=2|7=1|16=0|")
    # QuickFIX passes over what it has had; the gateway goes on behind it, the order stays known as what the venue says it is.
    both.strategy.send(order("A2", 100))
    both.strategy.hear({35: "8", 11: "A2", 39: "2"})
    both.strategy.send(change("F", "A3", "A1", 600))
    assert shown(both.strategy.hear({35: "8", 11: "A3"})) == ("A3", "4", "4", "0", "0")
    assert len([each for each in both.venue.heard() if each[35] == "D"]) == 2
    both.close()
    assert both.complaints() == []


def test_a_silent_venue_is_tested_then_left_and_taken_back(stand: MakeStand) -> None:
    both = stand(heart_bt_int_s=1)
    both.strategy.send(order("A1", 600))
    both.strategy.hear({35: "8", 150: "0"})
    both.venue.signal(signal.SIGSTOP)
    eventually(lambda: not both.gateway.is_open(), "the silence is noticed")
    both.venue.signal(signal.SIGCONT)
    both.venue.hear({35: "1"})
    both.venue.until("logon")
    eventually(both.gateway.is_open, "it speaks again")
    both.strategy.send(change("F", "A2", "A1", 600))
    assert shown(both.strategy.hear({35: "8", 11: "A2"})) == ("A2", "4", "4", "0", "0")
    both.close()
    assert both.complaints() == []


def test_both_sides_begin_at_one_with_every_logon_where_141_is_agreed(stand: MakeStand) -> None:
    both = stand(reset=True)
    for life in (1, 2):
        both.strategy.send(order(f"A{life}", 100))
        both.strategy.hear({35: "8", 11: f"A{life}", 39: "2"})
        both.strategy.kill()
        both.venue.kill()
        both.venue.start()
        both.strategy.start()
        both.strategy.until("logon")
        eventually(both.gateway.is_open, "reset and open")
    for peer, asks in ((both.strategy, "out"), (both.venue, "in")):
        logons = [each for each in peer.heard(asks) if each[35] == "A"]
        assert len(logons) == 3 and {(each[34], each[141]) for each in logons} == {("1", "Y")}
        answers = [each for each in peer.heard("in" if asks == "out" else "out") if each[35] == "A"]
        assert len(answers) == 3 and {(each[34], each[141]) for each in answers} == {("1", "Y")}
    assert both.gateway.position("IBM") == 200
    both.close()
    assert both.complaints() == []


def test_an_order_stream_in_both_directions_at_once_loses_nothing(stand: MakeStand) -> None:
    both = stand()
    count = 200
    begun = time.monotonic()
    for number in range(count):
        both.strategy.send(order(f"S{number}", 100, side=1 + number % 2))
    for number in range(count):
        assert shown(both.strategy.hear({35: "8", 39: "2"})) == (f"S{number}", "F", "2", "100", "0")
    assert time.monotonic() - begun < 30
    assert both.gateway.position("IBM") == 0
    both.close()
    assert both.complaints() == []
