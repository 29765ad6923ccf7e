"""The demo: its strategy against a gateway of the test, the comparison with every difference planted, its processes, and its end."""

import contextlib
import json
import os
import select
import signal
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.client import Client, Key
from gateway.client._records import ORDER
from gateway.instruments import load
from simulators.demo import run
from simulators.demo.processes import Child, ChildFailed
from simulators.demo.strategy import FAT_FINGER_QTY, Strategy, Tally, fat_fingers
from simulators.demo.table import GatewaySays, VenuesSay, closing_table, differences, percentile
from simulators.flow import Intent, Kind, Side, generate
from tests.client.gateway_side import SECRET, Peer, filled, report, serving

ROOT = Path(__file__).parent.parent.parent
ROWS = [row for row in load(ROOT / "examples" / "instruments.csv").rows if row.venue == row.default_route]


# --- the strategy ---


def play(intents: list[Intent], answer: Callable[[bytes, int, dict[str, object], Peer], None]) -> Tally:
    """Run the strategy over `intents`; each request is answered by `answer`."""

    def gateway(peer: Peer) -> None:
        peer.login()
        while (frame := peer.read(b"NCRMO"))[0] != b"O":
            answer(frame[0], frame[1], dict(ORDER.unpack(frame[2])), peer)

    with serving(gateway) as address, Client.connect(address, key=Key("DEMO", SECRET)) as client:
        return Strategy(client, pace_per_s=100_000).run(intents)


def test_a_flow_is_sent_and_counted_to_the_last_order() -> None:
    """A gateway that fills every second order, denies what is too large, rests the others; counts of both sides are equal."""
    seq = 0
    resting: dict[int, dict[str, object]] = {}
    names: dict[int, int] = {}
    counts: Counter[str] = Counter()
    positions: Counter[str] = Counter()

    def tell(peer: Peer, id: int, order: dict[str, object], **what: object) -> None:
        nonlocal seq
        seq += 1
        kept = {name: order[name] for name in ("symbol", "side", "venue", "account", "order_qty", "qty_exp", "price", "px_exp") if name in order}
        peer.send(report(seq, **{"kind": "execution_report", "cl_ord_num": id, **kept, **what}))  # type: ignore[arg-type]

    def answer(kind: bytes, id: int, order: dict[str, object], peer: Peer) -> None:
        counts[kind.decode()] += 1
        quantity = int(order.get("order_qty", 0))  # type: ignore[call-overload]
        if kind == b"N" and quantity == FAT_FINGER_QTY:
            tell(peer, id, order, exec_type="denied", ord_status="rejected", reason="limit", control="order_qty", text="order_qty")
        elif kind == b"N":
            tell(peer, id, order, exec_type="new", ord_status="new", cum_qty=0, leaves_qty=quantity)
            if counts["N"] % 2:
                tell(peer, id, order, exec_type="trade", ord_status="filled", last_qty=quantity, last_px=order["price"], cum_qty=quantity, leaves_qty=0)
                counts["filled"] += 1
                positions[str(order["symbol"])] += quantity if order["side"] == "1" else -quantity
            else:
                resting[id] = order
                names[id] = id
        elif kind == b"M":
            for number, each in list(resting.items()):
                tell(peer, number, each, exec_type="canceled", ord_status="canceled", cum_qty=0, leaves_qty=0)
            resting.clear()
        else:
            target = int(order["orig_cl_ord_num"])  # type: ignore[call-overload]
            was = resting.pop(target, None)
            if was is None:
                tell(peer, id, order, kind="cancel_reject", cxl_rej_response_to="cancel", reason="too_late", orig_cl_ord_num=target)
            elif kind == b"C":
                tell(peer, id, was, exec_type="canceled", ord_status="canceled", orig_cl_ord_num=target, cum_qty=0, leaves_qty=0)
            else:
                resting[id] = {**was, **order}
                tell(peer, id, resting[id], exec_type="replaced", ord_status="new", orig_cl_ord_num=target)

    intents = list(fat_fingers(generate(7, 600, ROWS)))
    tally = play(intents, answer)
    news = [intent for intent in intents if intent.kind is Kind.NEW]
    assert (tally.news, counts["N"]) == (len(news), len(news))
    assert tally.denied == Counter({"limit order_qty": len(news) // 250}) and tally.denied_orders == 1
    assert (tally.fills, tally.not_final, tally.unsent, tally.in_doubt) == (counts["filled"], 0, 0, 0)
    assert tally.acks == tally.fills + tally.canceled
    assert {s: q for s, q in tally.positions.items() if q} == {s: q for s, q in positions.items() if q}
    assert (tally.cancels, tally.replaces) == (counts["C"], counts["R"]) and tally.replaces > 10
    assert sum(map(len, tally.latencies.values())) == tally.acks and min(map(min, tally.latencies.values())) > 0
    assert set(tally.latencies) == {"nasdaq", "generic_fix44"}


def test_an_order_without_an_end_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulators.demo.strategy.FINISH_S", 0.1)
    monkeypatch.setattr("simulators.demo.strategy.ASK_AGAIN_S", 0.03)
    asked: Counter[bytes] = Counter()
    tally = play([Intent(Kind.NEW, 1, "AAPL", "nasdaq", Side.BUY, 5, 1872500, -4)], lambda kind, id, order, peer: asked.update([kind]))
    assert tally.not_final == 1 and asked[b"M"] == 1 and asked[b"C"] >= 1, asked


def test_an_order_canceled_before_it_was_sent_reached_no_venue() -> None:
    def answer(kind: bytes, id: int, order: dict[str, object], peer: Peer) -> None:
        if kind == b"N":
            peer.send(filled(1, id, exec_type="canceled", ord_status="canceled", cum_qty=0, last_qty=0))

    tally = play([Intent(Kind.NEW, 1, "AAPL", "nasdaq", Side.BUY, 5, 1872500, -4)], answer)
    assert (tally.unsent, tally.canceled, tally.acks, tally.not_final) == (1, 1, 0, 0)


def test_the_strategy_goes_on_after_a_lost_connection() -> None:
    def first(peer: Peer) -> None:
        peer.login()
        peer.send(filled(1, peer.order(b"N")[1]))

    def second(peer: Peer) -> None:
        peer.login(2, 1 << 62)
        seq = 2
        while (frame := peer.read(b"NMO"))[0] != b"O":
            if frame[0] == b"N":
                peer.send(filled(seq, frame[1]))
                seq += 1

    # What was sent into the connection that ended is told by neither; the second gateway says it has it, and fills what follows.
    intents = [Intent(Kind.NEW, id, "AAPL", "nasdaq", Side.BUY, 100, 1872500, -4) for id in range(1, 4)]
    with serving(first, second) as address, Client.connect(address, key=Key("DEMO", SECRET)) as client:
        client_orders = Strategy(client, pace_per_s=20)
        tally = client_orders.run(intents)
    assert tally.fills >= 2 and tally.news == 3


def test_fat_fingers_are_every_250th_new_order() -> None:
    intents = list(generate(1, 2000, ROWS))
    fat = [intent for intent in fat_fingers(intents) if intent.qty == FAT_FINGER_QTY]
    assert len(fat) == sum(intent.kind is Kind.NEW for intent in intents) // 250 > 3


# --- the comparison ---


def agreed() -> tuple[Tally, GatewaySays, VenuesSay]:
    tally = Tally(
        news=10, cancels=2, replaces=1, acks=7, fills=5, executed_qty=300, rejected=1, canceled=3, unsent=1, denied=Counter({"limit order_qty": 1}),
        refused=Counter({"cancel_rejected: too late": 1}), positions=Counter({"AAPL": 100, "MSFT": -20, "KO": 0}),
        latencies={"nasdaq": [1_500_000, 2_000_000, 9_000_000], "generic_fix44": [3_000_000]},
    )  # fmt: skip
    counts = {"orders": 9, "acks": 7, "fills": 5, "denied": 1, "open_orders": 0, "in_doubt": 0, "orphans": 0}
    venues = VenuesSay(new=8, accepted=7, rejected=1, executions=5, executed_qty=300, positions={"AAPL": 100, "MSFT": -20})
    return tally, GatewaySays(counts, {"AAPL": 100, "MSFT": -20}), venues


def test_where_all_agree_nothing_differs() -> None:
    assert differences(*agreed()) == []


@pytest.mark.parametrize(
    ("who", "name", "value", "told"),
    [
        ("tally", "news", 11, "orders that reached a venue: strategy 9, venues 8"),
        ("tally", "acks", 6, "acks: strategy 6, gateway 7, venues 7"),
        ("tally", "fills", 4, "executions: strategy 4, gateway 5, venues 5"),
        ("tally", "executed_qty", 301, "executed quantity: strategy 301, venues 300"),
        ("tally", "rejected", 0, "rejected by a venue: strategy 0, venues 1"),
        ("tally", "not_final", 1, "orders without an end: 1"),
        ("tally", "positions", Counter({"AAPL": 99, "MSFT": -20}), "position AAPL: strategy 99, gateway 100, venues 100"),
        ("counts", "acks", 8, "acks: strategy 7, gateway 8, venues 7"),
        ("counts", "fills", 6, "executions: strategy 5, gateway 6, venues 5"),
        ("counts", "open_orders", 1, "open at the end: strategy 0, gateway 1, venues 0"),
        ("counts", "in_doubt", 1, "in doubt at the end: gateway 1, right 0"),
        ("counts", "orphans", 1, "reports of no order: gateway 1, right 0"),
        ("gateway", "positions", {"AAPL": 100}, "position MSFT: strategy -20, gateway 0, venues -20"),
        ("venues", "new", 9, "orders that reached a venue: strategy 8, venues 9"),
        ("venues", "repeated", 1, "orders repeated at a venue: venues 1, right 0"),
        ("venues", "executions", 4, "executions: strategy 5, gateway 5, venues 4"),
        ("venues", "open", 2, "open at the end: strategy 0, gateway 0, venues 2"),
        ("venues", "positions", {"AAPL": 100, "MSFT": -20, "KO": 1}, "position KO: strategy 0, gateway 0, venues 1"),
    ],
)
def test_every_difference_is_told(who: str, name: str, value: object, told: str) -> None:
    tally, gateway, venues = agreed()
    if who == "counts":
        gateway = GatewaySays({**gateway.counts, name: int(str(value))}, gateway.positions)
    else:
        object.__setattr__({"tally": tally, "gateway": gateway, "venues": venues}[who], name, value)
    assert told in differences(tally, gateway, venues)


def test_an_empty_run_is_no_success() -> None:
    counts = dict.fromkeys(("orders", "acks", "fills", "denied", "open_orders", "in_doubt", "orphans"), 0)
    assert differences(Tally(), GatewaySays(counts, {}), VenuesSay()) == ["no order was sent"]


def test_the_closing_table() -> None:
    assert closing_table(*agreed()).splitlines() == [
        "                           strategy  gateway  venues",
        "orders                           10",
        "  accepted by the gateway                  9",
        "  sent to a venue                 8                8",
        "cancels                           2",
        "replaces                          1",
        "acks                              7        7       7",
        "fills                             5        5       5",
        "canceled                          3",
        "rejected                          1                1",
        "denied                            1        1",
        "without an end                    0        0       0",
        "",
        "denied, never sent",
        "limit order_qty     1",
        "",
        "cancels and replaces refused",
        "cancel_rejected: too late     1",
        "",
        "order to answer, ms  answers    p50    p99    max",
        "generic_fix44              1  3.000  3.000  3.000",
        "nasdaq                     3  2.000  9.000  9.000",
        "",
        "position  strategy  gateway  venues",
        "AAPL           100      100     100",
        "MSFT           -20      -20     -20",
    ]


def test_percentiles() -> None:
    values = list(range(1, 101))
    assert (percentile(values, 50), percentile(values, 99), percentile([7], 50), percentile([1, 2], 50)) == (50, 99, 7, 1)


def test_what_the_simulators_print_is_summed() -> None:
    one = {"venue": "nasdaq", "received": {"new": 5, "repeated": 1}, "accepted": 4, "rejected": 1, "executions": 3, "executed_qty": 30, "canceled": 1,
           "replaced": 0, "open": 0, "positions": {"AAPL": 10}}  # fmt: skip
    two = {**one, "received": {"new": 2, "duplicate": 2}, "positions": {"AAPL": -10, "KO": 1}}
    assert VenuesSay.of([one, two]) == VenuesSay(7, 3, 8, 2, 6, 60, 0, {"KO": 1})


# --- its processes ---


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_child_says_ready_and_is_ended(tmp_path: Path) -> None:
    code = "import signal,sys; signal.signal(15, lambda *_: (print('counts', flush=True), sys.exit(0))); print('ready', flush=True); signal.pause()"
    with Child("venue", python(code), tmp_path / "log") as child:
        assert child.wait_for(lambda line: line == "ready", 20) == "ready" and child.ended() == ""
    assert child.lines == ["ready", "counts"] and child.stop() == 0 and gone(child.pid)


def test_a_child_that_dies_tells_its_last_words(tmp_path: Path) -> None:
    code = "import sys; print('port taken', file=sys.stderr); sys.exit(3)"
    with (
        Child("gateway", python(code), tmp_path / "log") as child,
        pytest.raises(ChildFailed, match="gateway ended with exit code 3 before it was ready\n  port taken"),
    ):
        child.wait_for(lambda line: line == "ready", 20)
    assert child.ended() == "gateway ended with exit code 3\n  port taken"


def test_a_child_that_is_never_ready_or_does_not_stop_is_ended_in_time(tmp_path: Path) -> None:
    code = "import signal; signal.signal(15, signal.SIG_IGN); print('here', flush=True); signal.pause()"
    with Child("gateway", python(code), tmp_path / "log", stop_s=0.1) as child:
        child.wait_for(lambda line: line == "here", 20)
        with pytest.raises(ChildFailed, match=r"gateway \(pid \d+\) was not ready within 0.01 s"):
            child.wait_for(lambda line: line == "ready", 0.01)
    assert child.process.returncode == -signal.SIGKILL and gone(child.pid)


def test_a_child_does_not_outlive_a_parent_that_is_killed(tmp_path: Path) -> None:
    inner = "import signal; print('up', flush=True); signal.pause()"
    code = (
        "import sys, os, signal; from pathlib import Path; from simulators.demo.processes import Child\n"
        f"child = Child('inner', [sys.executable, '-c', {inner!r}], Path({str(tmp_path / 'inner')!r}))\n"
        "child.wait_for(lambda line: line == 'up', 20); print(child.pid, flush=True); signal.pause()"
    )
    with Child("outer", python(code), tmp_path / "log") as outer:
        pid = int(outer.wait_for(str.isdigit, 20))
        outer.process.kill()
        outer.process.wait()
        assert gone_within(pid, 5)


def gone_within(pid: int, timeout_s: float) -> bool:
    """Wait for the end of a process that is not our child, as long as it takes but not longer."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], timeout_s)[0])
    finally:
        os.close(handle)


def test_the_real_venues_start_on_free_ports_and_count(tmp_path: Path) -> None:
    with contextlib.ExitStack() as children:
        venues, ports = run._start_venues(children, tmp_path, [0, 0])
        assert set(ports) == {"nasdaq", "generic_fix44"} and all(port > 0 for port in ports.values())
    assert VenuesSay.of([json.loads(line) for line in venues.lines if line.startswith("{")]) == VenuesSay()


def test_a_recorded_stream_is_cut_and_says_so(outside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "RECORDED_MAX", 100)
    stream = next(iter(sorted((outside / "matching" / "orders").glob("*.bin.xz"))))
    intents, what, total = run._intents(1, 5, stream, load(ROOT / "examples" / "instruments.csv"))
    assert total == len(list(intents)) == 100 and what == f"100 messages of {stream}, only the first 100, as orders for AAPL at nasdaq; with limits.firm.collar_bps=10_000"
