"""Bad input from both sides, in memory: the sender is told clearly, nothing is lost or sent twice, and a fill is always booked."""

import re
from pathlib import Path

import pytest

from gateway.lane import driver, tables
from gateway.lane.lane import Counts
from gateway.lane.native import lib
from gateway.sessions.actions import SECOND
from gateway.sessions.fix_rim import GARBLED_MAX
from gateway.sessions.fix_wire import utc_timestamp
from simulators.generic_fix44 import GenericFix44
from tests.control.world import CONFIG, FixClient, World
from tests.lane.by_hand import venue_says
from tests.simulators.stand import fix_venue, only

REST = "54=1|60=20251120-12:00:00|40=2|59=0|"
REPORT = (150, 39, 58)


def opened(folder: Path, text: str = CONFIG, quote_qty: int = 0) -> tuple[World, FixClient, GenericFix44]:
    """A gateway with one venue, a strategy logged on."""
    venue = fix_venue(quote_qty=quote_qty)
    world = World(folder, {"nyfix": venue}, text)
    world.open()
    strategy = world.client()
    strategy.log_on()
    return world, strategy, venue


def new(strategy: FixClient, id: str, qty: object = 100, px: str = "191.00") -> None:
    strategy.say(f"35=D|11={id}|1=ACC|55=IBM|{REST}38={qty}|44={px}|")


def says(world: World, venue: GenericFix44, text: str) -> None:
    """The venue says "35=8|11=…" of its own."""
    pairs = [each.split("=", 1) for each in text.strip("|").split("|")]
    venue.rims["GW"].submit(pairs[0][1], tuple((int(tag), value) for tag, value in pairs[1:]), world.now_ns)
    world.settle()


def position(world: World) -> int:
    return world.lane.position(0, 0, world.plan.symbols.index("IBM"))


def heard_by_operator(world: World, event: str) -> list[object]:
    return [said for said in world.said if said.event == event]


def healthy(world: World, strategy: FixClient, venue: GenericFix44) -> Counts:
    """After all that, an order still goes out once and comes back."""
    strategy.take()
    before = venue.counts()["received"]
    assert isinstance(before, dict)
    new(strategy, "HEALTHY", 1, "190.00")
    assert only(strategy.take(), 11, 150) == [("HEALTHY", "0")]
    after = venue.counts()["received"]
    assert isinstance(after, dict) and after["new"] == before.get("new", 0) + 1
    return world.lane.counts()


# What a strategy may get wrong, and how it is told: (150, 39, 58) of an ExecutionReport.
WRONG = [
    ("11=B|1=ACC|55=NOPE|{rest}38=100|44=191|", "the symbol is not in the instrument file"),
    ("11=B|1=WHO|55=IBM|{rest}38=100|44=191|", "the account is not configured for this strategy"),
    ("11=B|1=ACC|55=IBM|{rest}38=100|44=191.005|", "the price is not a multiple of the instrument's tick"),
    ("11=B|1=ACC|55=IBM|{rest}38=0|44=191|", "the quantity is missing, zero, negative or too large"),
    ("11=B|1=ACC|55=IBM|{rest}38=100.5|44=191|", "the quantity is not a multiple of the instrument's lot"),
    ("11=B|1=ACC|55=IBM|{rest}38=100|44=0|", "the price is missing, out of range, or not for this order type"),
    ("11=B|1=ACC|55=IBM|{rest}38=100|44=-191|", "the price is missing, out of range, or not for this order type"),
    ("11=B|1=ACC|55=IBM|{rest}38=100|", "the price is missing, out of range, or not for this order type"),
    ("11=B|1=ACC|55=IBM|{rest}38=90000000000|44=90000000000|", "order_qty 90000000000 > 10000 (firm)"),
    ("11=A|1=ACC|55=IBM|{rest}38=100|44=191|", "client order id already used"),
]


@pytest.mark.parametrize(("text", "why"), WRONG)
def test_a_wrong_order_is_denied_with_what_is_wrong(tmp_path: Path, text: str, why: str) -> None:
    world, strategy, venue = opened(tmp_path)
    new(strategy, "A")
    strategy.take()
    strategy.say("35=D|" + text.format(rest=REST))
    told = only(strategy.take(), *REPORT)
    assert [report[:2] for report in told] == [("8", "8")] and told[0][2].startswith(why), told
    assert healthy(world, strategy, venue).denied == 1


@pytest.mark.parametrize(("qty", "px"), [("90000000000", "90000000000"), ("10001", "191"), ("20000", "9000"), ("100000000", "1000.01"), ("10001", "9999999")])
def test_every_breach_that_has_room_is_named_and_none_is_cut(tmp_path: Path, qty: str, px: str) -> None:
    _, strategy, _ = opened(tmp_path)
    strategy.say(f"35=D|11=B|1=ACC|55=IBM|{REST}38={qty}|44={px}|")
    ((exec_type, _, text),) = only(strategy.take(), *REPORT)
    assert exec_type == "8" and len(text) <= 64
    assert all(re.fullmatch(r"[a-z_ ]+ [0-9.]+( [a-z]+)? > [0-9.]+( [a-z]+)? \(firm\)", breach) for breach in text.split("; ")), text
    assert text.startswith(f"order_qty {qty} > 10000 (firm)")


@pytest.mark.parametrize("text", ["38=99999999999999999999|44=191|", "38=100|44=99999999999999999999|", "38=1e3|44=191|", "38=100|44=nan|", "38=|44=191|"])
def test_a_number_that_is_none_is_rejected_by_the_session(tmp_path: Path, text: str) -> None:
    world, strategy, venue = opened(tmp_path)
    strategy.say(f"35=D|11=B|1=ACC|55=IBM|{REST}{text}")
    assert [(message[35], message[45]) for message in strategy.take()] == [("3", str(strategy.seq))]
    assert healthy(world, strategy, venue).orders == 1


# A Heartbeat whose length is right and whose checksum is not.
GARBLED = b"8=FIX.4.4\x019=65\x0135=0\x0149=STRAT\x0156=GW\x0134=2\x0152=20251120-12:00:00.000\x01112=ANSWER-001\x0110=000\x01"


@pytest.mark.parametrize("spoil", [
    lambda frame: frame,  # wrong checksum
    lambda frame: frame.replace(b"\x019=65", b"\x019=99", 1),  # a length that is too long
    lambda frame: b"\x00\xff garbage \x01" + b"9" * 50,
    lambda frame: frame.replace(b"8=FIX.4.4", b"8=FIX.9.9", 1)[:20],  # cut off in the middle
])  # fmt: skip
def test_garbage_is_skipped_and_what_follows_is_taken_once_it_is_sent_again(tmp_path: Path, spoil: object) -> None:
    world, strategy, venue = opened(tmp_path)
    world.lane.feed(strategy.conn, spoil(GARBLED))  # type: ignore[operator]
    world.settle()
    world.run(SECOND)
    # What is garbled has no number: the next message has the one that was due. One whose length lies may take its successor with it.
    for id in ("B", "C"):
        new(strategy, id)
    world.run(SECOND)
    heard = strategy.take()
    if any(message[35] == "2" for message in heard):  # B went with the garbage; it is asked for and sent again
        assert [message[7] for message in heard if message[35] == "2"] == ["2"], heard
        for seq, id in ((2, "B"), (3, "C")):
            strategy.say(f"35=D|43=Y|122=20251120-12:00:00|11={id}|1=ACC|55=IBM|{REST}38=100|44=191.00|", seq=seq)
        strategy.seq = 3
        heard += strategy.take()
    assert only([message for message in heard if message[35] == "8"], 11, 150) == [("B", "0"), ("C", "0")], heard
    assert healthy(world, strategy, venue).orders == 3


@pytest.mark.parametrize(("garbage", "stays"), [(GARBLED_MAX, True), (GARBLED_MAX + 1, False)])
def test_who_sends_garbage_and_nothing_else_is_no_peer(tmp_path: Path, garbage: int, stays: bool) -> None:
    world, strategy, venue = opened(tmp_path)
    for _ in range(garbage):
        world.lane.feed(strategy.conn, GARBLED)
        world.settle()
    world.run(SECOND)
    told = strategy.take()
    assert [message.get(58) for message in told if message[35] == "5"] == ([] if stays else ["Too many garbled messages"])
    assert world.lane.counts().garbled == garbage
    if not stays:
        strategy = world.client()
        strategy.log_on()
    healthy(world, strategy, venue)


def test_a_venue_that_closes_in_the_middle_of_a_message_loses_nothing(tmp_path: Path) -> None:
    world, strategy, venue = opened(tmp_path)
    new(strategy, "A")
    line = world.lines[1]
    rim = venue.rims["GW"]
    order = next(iter(venue.market.orders.values()))
    rim.submit("8", ((37, "1"), (11, str(order.ref)), (17, "X1"), (150, "F"), (39, "1"), (55, "IBM"), (54, "1"), (38, "100"), (32, "40"), (31, "191"),
                     (151, "60"), (14, "40"), (6, "191")), world.now_ns)  # fmt: skip
    half = line.take_out(world.now_ns)
    world.lane.feed(1, half[: len(half) // 2])
    world.lane.close(1)
    line.disconnect(world.now_ns)
    del world.lines[1]
    world.settle()
    assert position(world) == 0
    world.open()
    assert position(world) == 40
    assert [report[1:] for report in only(strategy.take(), 11, 150, 14) if report[1] == "F"] == [("F", "40")]


REPEATS = [
    ("8", "37=1|11={id}|17=N9|150=0|39=0|55=IBM|54=1|38=100|151=100|14=0|6=0|"),
    ("8", "37=1|11={id}|17=N9|150=F|39=1|55=IBM|54=1|38=100|32=40|31=191|151=60|14=40|6=191|"),
    ("8", "37=1|11={id}|17=N9|150=4|39=4|55=IBM|54=1|38=100|151=0|14=0|6=0|"),
    ("9", "37=1|11=X|41={id}|39=0|434=1|102=0|"),
    ("1", "112=AGAIN|"),
    ("2", "7=1|16=0|"),
    ("3", "45=2|58=no|"),
    ("j", "45=3|372=D|380=3|58=no|"),
    ("4", "123=Y|36=99|"),
]  # fmt: skip


@pytest.mark.parametrize(("msg_type", "body"), REPEATS)
def test_what_has_a_number_that_was_consumed_and_poss_dup_counts_for_nothing(tmp_path: Path, msg_type: str, body: str) -> None:
    """SEAM T1, "seq too low, 43=Y": dropped and counted, in every class; nobody is told, nothing is answered, no number moves."""
    world, strategy, _ = opened(tmp_path)
    new(strategy, "A")
    strategy.take()
    line = world.lines.pop(1)  # from here on the test is the venue
    assert line.take_out(world.now_ns) == b""
    before, view = world.lane.counts(), world.lane.view(1)
    orders = list(world.lane.orders())
    text = f"43=Y|122={utc_timestamp(world.now_ns)}|" + body.format(id="0000000000001")
    for seq in (1, view.rx_next - 1):
        world.lane.feed(1, venue_says(world, seq, msg_type, text))
    world.settle()
    assert world.lane.counts().dropped == before.dropped + 2
    assert (list(world.lane.orders()), position(world), world.lane.out(1), strategy.take()) == (orders, 0, b"", [])
    now = world.lane.view(1)
    assert (now.rx, now.rx_next, now.tx_next) == (view.rx, view.rx_next, view.tx_next)


FILL = "35=8|37=1|17={exec}|150=F|39=1|11={id}|55={symbol}|54=1|38=100|32={qty}|31={px}|151=0|14={qty}|6={px}|"


@pytest.mark.parametrize(("fields", "booked"), [
    ({"id": "0000000000001", "qty": "40", "px": "191.123456"}, 40),  # finer than the instrument's price
    ({"id": "0000000000001", "qty": "5000", "px": "191"}, 5000),  # more than was ordered
    ({"id": "ZZZZZZZZZZZZZ", "qty": "40", "px": "191"}, 40),  # for no order of ours
    ({"id": "0000000000001", "qty": "40", "px": "1e9"}, 0),  # cannot be read: told, not guessed
])  # fmt: skip
def test_a_strange_fill_is_booked_and_flagged(tmp_path: Path, fields: dict[str, str], booked: int) -> None:
    world, strategy, venue = opened(tmp_path)
    new(strategy, "A")
    says(world, venue, FILL.format(exec="X9", symbol="IBM", **fields))
    assert position(world) == booked
    events = {say.event for say in world.said}
    assert events & {"report.odd", "report.orphan", "session.odd"} or (booked == 40 and "." in fields["px"]), events
    says(world, venue, FILL.format(exec="X9", symbol="IBM", **fields))  # and it is booked once
    assert position(world) == booked


def test_a_full_table_denies_new_orders_and_books_every_report(tmp_path: Path) -> None:
    world, strategy, venue = opened(tmp_path, CONFIG.replace("orders = 1024", "orders = 16"))
    for n in range(20):
        new(strategy, f"A{n}", 1)
    told = only(strategy.take(), *REPORT)
    assert [report[0] for report in told] == ["0"] * 16 + ["8"] * 4
    assert {report[2] for report in told[16:]} == {"a table of the gateway is full"}
    assert heard_by_operator(world, "table.full"), world.said
    says(world, venue, FILL.format(exec="X1", id="0000000000001", symbol="IBM", qty="1", px="191"))
    assert position(world) == 1
    assert only(strategy.take(), 150, 39) == [("F", "2")]
    assert healthy(world, strategy, venue).orders == 17


def test_a_strategy_that_never_reads_is_denied_and_its_fills_are_booked(tmp_path: Path) -> None:
    world, strategy, venue = opened(tmp_path)
    new(strategy, "A")
    strategy.take()
    world.lane.take_only(strategy.conn, 0)
    for n in range(50):
        new(strategy, f"N{n}", 1)
    assert strategy.take() == []
    says(world, venue, FILL.format(exec="X1", id="0000000000001", symbol="IBM", qty="100", px="191"))
    assert position(world) == 100
    world.lane.take_only(strategy.conn, None)
    world.run(SECOND)
    told = only(strategy.take(), 11, 150)
    assert told == [*((f"N{n}", "0") for n in range(50)), ("A", "F")]


def test_a_full_stream_denies_new_orders_then_reads_no_more_and_loses_no_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "STREAM_MIN", 64)
    monkeypatch.setattr(tables, "STREAM_MAX", 64)
    world, strategy, venue = opened(tmp_path)
    new(strategy, "A")
    strategy.take()
    world.lane.take_only(strategy.conn, 0)
    for n in range(400):  # each refusal is one unread report
        strategy.say(f"35=D|11=W{n}|1=WHO|55=IBM|{REST}38=1|44=191|")
    assert len(heard_by_operator(world, "strategy.slow")) == 1, world.said
    says(world, venue, FILL.format(exec="X1", id="0000000000001", symbol="IBM", qty="100", px="191"))
    assert position(world) == 100
    world.lane.take_only(strategy.conn, None)
    world.run(SECOND)
    told = [report[0] for report in only(strategy.take(), 11)]
    assert sorted(told) == sorted([*(f"W{n}" for n in range(400)), "A"]), f"{len(told)} of 401 reports were told"
    assert healthy(world, strategy, venue).open_orders == 1


def test_a_full_ring_denies_new_orders_and_books_every_fill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "RING_BYTES", 1 << 19)
    world, strategy, venue = opened(tmp_path)
    new(strategy, "A")
    strategy.take()
    ring = world.lane.ring
    world.lane._own_ring = None  # the writer stands still
    while lib.gw_ring_room(ring, ring.size // 8) >= ring.size // 8:
        strategy.say(f"35=D|11=F{ring.head_lsn}|1=WHO|55=IBM|{REST}38=1|44=191|")
    strategy.take()
    new(strategy, "B")
    assert only(strategy.take(), 11, 150, 58) == [("B", "8", "the journal's ring is nearly full")]
    says(world, venue, FILL.format(exec="X1", id="0000000000001", symbol="IBM", qty="100", px="191"))
    assert position(world) == 100
    world.lane._own_ring = ring
    lib.gw_ring_forget(ring)
    healthy(world, strategy, venue)
