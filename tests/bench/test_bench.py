"""The bench refuses what it must: false gateways are caught by the load generator, honest ones pass. No figure is asserted."""

import math
import random
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import simplefix
import trio

from tests.bench import build, figures, hog, micro
from tests.bench.__main__ import main
from tests.bench.rig import Gateway, Row, Run, load, run

LOGON = {98: "0", 108: "30", 141: "Y"}
HEADER = {8, 9, 35, 34, 49, 56, 52, 10}
ODD = 5  # the order at which a false gateway is false


@pytest.fixture(scope="module", autouse=True)
def programs() -> Path:
    return build.build()


class Peer:
    """One FIX session of a false gateway, on a blocking socket."""

    def __init__(self, sock: socket.socket, peer: str, own: str = "GW") -> None:
        sock.settimeout(5)
        self.sock, self.own, self.peer, self.seq, self.parser = sock, own, peer, 0, simplefix.FixParser()

    def send(self, msg_type: str, body: dict[int, str], skip: int = 0, spoil: bool = False) -> None:
        self.seq += 1 + skip
        message = simplefix.FixMessage()
        for tag, value in ((8, "FIX.4.4"), (35, msg_type), (34, self.seq), (49, self.own), (56, self.peer), (52, "20261120-08:00:00.000")):
            message.append_pair(tag, value)
        for tag, value in body.items():
            message.append_pair(tag, value)
        wire = message.encode()
        self.sock.sendall(wire.replace(b"55=MSFT", b"55=MSFU") if spoil else wire)

    def receive(self) -> dict[int, str] | None:
        """The next message by tag; None when the other side has gone."""
        while (message := self.parser.get_message()) is None:
            try:
                received = self.sock.recv(65536)
            except ConnectionError:
                return None
            if not received:
                return None
            self.parser.append_buffer(received)
        return {int(tag): value.decode() for tag, value in message.pairs}


def body_of(message: dict[int, str], **change: str) -> dict[int, str]:
    """The message without its header; t38="1" changes field 38."""
    return {tag: change.get(f"t{tag}", value) for tag, value in message.items() if tag not in HEADER}


class FalseGateway(threading.Thread):
    """A gateway with one fault; None is honest. It answers the strategy's Logon only when `asked_of_venue` is complete."""

    def __init__(self, venue_port: int, fault: str | None) -> None:
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.venue_port, self.fault = venue_port, fault
        self.asked_of_venue: dict[str, dict[int, str]] = {}
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            with self.listener, self.listener.accept()[0] as near, socket.create_connection(("127.0.0.1", self.venue_port)) as far:
                self.serve(Peer(near, "STRAT"), Peer(far, "VENUE"))
        except ConnectionError:
            pass  # the load generator ends at the first thing that is wrong
        except BaseException as error:
            self.error = error

    def ask(self, venue: Peer, name: str, msg_type: str, body: dict[int, str]) -> None:
        venue.send(msg_type, body)
        answer = venue.receive()
        assert answer is not None, f"the venue left at {name}"
        self.asked_of_venue[name] = answer

    def serve(self, strategy: Peer, venue: Peer) -> None:
        self.ask(venue, "logon", "A", LOGON)
        self.ask(venue, "test request", "1", {112: "fence"})
        self.ask(venue, "mass status", "AF", {584: "M1", 585: "7"})
        self.ask(venue, "cancel", "F", {11: "C1", 41: "O1", 55: "MSFT", 54: "1"})
        self.ask(venue, "resend", "2", {7: "2", 16: "0"})
        strategy.receive()
        strategy.send("A", LOGON)
        count = 0
        while (order := strategy.receive()) is not None:
            count += 1
            self.pass_on(strategy, venue, order, self.fault if count == ODD else None, count)

    def pass_on(self, strategy: Peer, venue: Peer, order: dict[int, str], fault: str | None, count: int) -> None:
        quantity = order[38]
        filled = {37: "X", 11: order[11], 17: f"X{count}", 150: "F", 39: "2", 55: "MSFT", 54: order[54], 38: quantity, 32: quantity,
                  31: "415.25", 14: quantity, 151: "0", 6: "415.25"}  # fmt: skip
        if fault == "deny":
            return strategy.send("8", filled | {150: "8", 39: "8", 14: "0"})
        if fault == "invent":
            return strategy.send("8", filled)
        if fault == "lose the order":
            return None
        venue.send("D", body_of(order, t11=f"G{count}", t38="7" if fault == "hidden quantity" else quantity))
        report = venue.receive()
        if report is None or fault == "lose the report":
            return None
        if fault == "double the order":
            venue.send("D", body_of(order, t11=f"G{count}bis"))
            venue.receive()
        honest = body_of(report, t11=order[11])
        change: dict[int, str] = {
            "status": {39: "1"}, "exec type": {150: "2"}, "quantity": {32: "1"}, "price": {31: "415.26"}, "side": {54: "5"},
            "cl_ord_id": {11: "ORD0000000009"}, "exec id": {17: f"E{count:09d}"}, "hidden quantity": dict.fromkeys((38, 32, 14), quantity),
        }.get(fault or "", {})  # fmt: skip
        strategy.send("8", honest | change, skip=int(fault == "gap"), spoil=fault == "checksum")
        if fault == "double the report":
            strategy.send("8", honest | {17: "again"})
        return None


def drive(fault: str | None, *phases: str) -> tuple[dict[str, Any], FalseGateway]:
    with socket.create_server(("127.0.0.1", 0)) as venue:
        gateway = FalseGateway(venue.getsockname()[1], fault)
        gateway.start()
        answer = load(phases, venue, gateway.listener.getsockname()[1], "--block", "--settle-ms", "0", "--patience-ms", "250", timeout_s=20)
        gateway.join(10)
    assert gateway.error is None, repr(gateway.error)
    return answer, gateway


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("deny", "denied: an order got 39=8"),
        ("invent", "invented: a report for an order that has not reached the venue"),
        ("cl_ord_id", "invented: a report with a ClOrdID that was never sent"),
        ("lose the order", "lost: 1 of 5 orders unanswered, no report for 250 ms; the venue received 4"),
        ("lose the report", "lost: 1 of 5 orders unanswered, no report for 250 ms; the venue received 5"),
        ("double the order", "doubled: sent 20 orders"),
        ("double the report", "doubled: a report for an order that was over"),
        ("hidden quantity", "altered: sent 20 orders"),
        ("status", "altered: the venue gave 150=F and 39=2"),
        ("exec type", "altered: the venue gave 150=F and 39=2"),
        ("quantity", "altered: 38, 14, 32 or 151"),
        ("price", "altered: 31 or 6"),
        ("side", "altered: 54 or 55"),
        ("exec id", "altered: ExecID is that of the report before"),
        ("gap", "a gap in MsgSeqNum"),
        ("checksum", "wrong checksum"),
    ],
)
def test_a_false_gateway_is_caught(fault: str, reason: str) -> None:
    answer, _ = drive(fault, "pingpong:20n")
    assert answer["exit"] == 5
    assert reason in answer["invalid"]


def test_an_honest_gateway_passes_and_every_order_is_counted() -> None:
    answer, _ = drive(None, "pingpong:20n", "burst:30n:10", "rate:10n:2000")
    assert answer["exit"] == 0, answer
    assert [(p["phase"], p["orders"]) for p in answer["phases"]] == [("pingpong", 20), ("burst", 30), ("rate", 10)]
    assert all(0 < p["p50_ns"] <= p["p99_ns"] <= p["p999_ns"] <= p["max_ns"] for p in answer["phases"])
    assert (answer["orders"], answer["bought"], answer["sold"]) == (60, sum(range(100, 130)), sum(range(100, 130)))


def test_the_venue_answers_what_a_gateway_asks() -> None:
    _, gateway = drive(None, "pingpong:1n")
    answers = gateway.asked_of_venue
    assert answers["logon"].items() >= {35: "A", 34: "1", 98: "0", 108: "30", 141: "Y"}.items()
    assert answers["test request"].items() >= {35: "0", 112: "fence"}.items()
    assert answers["mass status"].items() >= {35: "8", 584: "M1", 911: "0", 912: "Y", 150: "I", 37: "NONE", 39: "4", 151: "0", 14: "0", 54: "7", 55: "[N/A]"}.items()
    assert 11 not in answers["mass status"]
    assert answers["cancel"].items() >= {35: "j", 45: "4", 372: "F", 380: "3"}.items()
    assert answers["resend"].items() >= {35: "4", 34: "2", 43: "Y", 123: "Y", 36: "5"}.items()


@pytest.mark.parametrize("driver", ["busy", "block"])
def test_the_relay_passes(driver: str, tmp_path: Path) -> None:
    row = Row("relay", (str(build.OUT / "relay"), driver, "{port}", "{venue}"), block=True)
    measured = run(row, ("pingpong:50n", "burst:3000n:1000", "rate:100n:20000"), 0, tmp_path, settle_ms=0)
    assert not measured.invalid, measured.invalid
    assert measured.phases is not None
    assert {name: phase["orders"] for name, phase in measured.phases.items()} == {"pingpong": 50, "burst": 3000, "rate 20000": 100}


def ask_relay(strategy: Peer, **change: str) -> dict[int, str]:
    order = {11: "A", 55: "MSFT", 54: "1", 38: "100", 40: "2", 44: "415.25"}
    strategy.send("D", order | {int(tag[1:]): value for tag, value in change.items()})
    answer = strategy.receive()
    assert answer is not None
    return answer


def test_the_relay_has_risk_limits_and_an_order_table(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as venue_door:
        gateway = Gateway(Row("relay", (str(build.OUT / "relay"), "block", "{port}", "{venue}")), 0, venue_door.getsockname()[1], tmp_path)
        try:
            assert gateway.wait_ready() == ""
            with socket.create_connection(("127.0.0.1", gateway.port)) as near, venue_door.accept()[0] as far:
                strategy, venue = Peer(near, own="STRAT", peer="GW"), Peer(far, own="VENUE", peer="GW")
                assert (venue.receive() or {})[35] == "A"
                venue.send("A", LOGON)
                strategy.send("A", LOGON)
                assert (strategy.receive() or {})[35] == "A"
                for change, why in (({"t38": "100001"}, "order quantity"), ({"t38": "1.5"}, "order quantity"), ({"t38": "99999"}, "notional"), ({"t44": "-1"}, "notional"), ({"t54": "7"}, "side")):
                    assert ask_relay(strategy, **change).items() >= {39: "8", 150: "8", 11: "A", 58: why}.items()
                strategy.send("D", {11: "A", 55: "MSFT", 54: "1", 38: "100", 40: "2", 44: "415.25"})
                order = venue.receive() or {}
                assert (order[11] != "A", order[38], order[44]) == (True, "100", "415.25")
                assert ask_relay(strategy)[58] == "duplicate ClOrdID"
                venue.send("8", {11: order[11], 37: "X", 17: "1", 150: "F", 39: "2", 14: "100", 38: "100"})
                assert (strategy.receive() or {}).items() >= {11: "A", 37: "X", 14: "100"}.items()
                strategy.send("D", {11: "A", 55: "MSFT", 54: "1", 38: "100", 40: "2", 44: "415.25"})  # forgotten, so no longer a duplicate
                assert (venue.receive() or {})[11] != order[11]
        finally:
            gateway.stop()


def test_a_gateway_that_does_not_start_is_named(tmp_path: Path) -> None:
    row = Row("broken", (sys.executable, "-c", "raise SystemExit('no such configuration')"))
    assert run(row, ("pingpong:1n",), 0, tmp_path).invalid == "the gateway ended with 1: no such configuration"


def test_the_driver_prints_a_table_and_says_what_it_did_not_measure(capsys: pytest.CaptureFixture[str]) -> None:
    few = ["--rounds", "1", "--seconds", "0.02", "--sustained-seconds", "0", "--settle-ms", "0", "--port", "0", "--no-micro"]
    assert main(["--only", "direct,nothing", *few]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.split()[:3] == ["direct", "ping-pong", "p50"] for line in lines)
    table = figures.table([Row("gateway busy", not_measured="gateway not built")], [], figures.figures(2000, 50000))
    assert "gateway busy: not measured: gateway not built" in table


def test_ratios_are_formed_within_one_placement_and_disturbed_runs_left_out() -> None:
    def one(row: str, before_ns: int, after_ns: int, p50_us: float, others: float = 0.0) -> Run:
        return Run(row, (before_ns, after_ns), others, {"pingpong": {"orders": 1, "p50_ns": p50_us * 1000}})

    relay = [one("relay", 120, 130, 10), one("relay", 500, 520, 20)]
    ours = [one("ours", 125, 125, 11), one("ours", 490, 500, 30), one("ours", 500, 500, 99, others=0.9), one("ours", 120, 500, 5)]
    table = figures.table([Row("relay"), Row("ours", beside="relay")], relay + ours, figures.us("ping-pong", "pingpong", "p50"))
    assert [line.split() for line in table.splitlines() if line.startswith("ours")] == [
        ["ours", "ping-pong", "p50", "30.00", "us", "far", "500", "ns", "1", "1.50×", "relay"],
        ["ours", "ping-pong", "p50", "5.00", "us", "moved", "1", "-"],
        ["ours", "ping-pong", "p50", "11.00", "us", "near", "125", "ns", "1", "1.10×", "relay"],
    ]


def test_an_invalid_run_has_no_figures() -> None:
    table = figures.table([Row("ours")], [Run("ours", (120, 120), invalid="denied: an order got 39=8")], figures.figures(2000, 50000))
    assert table.splitlines()[1:] == ["ours: INVALID: denied: an order got 39=8"]


def test_the_histogram_is_within_its_promise() -> None:
    rng = random.Random(1)
    durations = sorted([0, 1, 511, 512, 513, 2**40] + [int(math.exp(rng.uniform(0, 20))) for _ in range(5000)])
    out = subprocess.run([build.OUT / "histogram_check"], input=" ".join(map(str, durations)), capture_output=True, text=True, check=True).stdout
    *percentiles, largest = map(int, out.split())
    assert largest == durations[-1]
    for got, part in zip(percentiles, (0.5, 0.99, 0.999), strict=True):
        exact = durations[int(part * len(durations))]
        assert exact <= got <= exact * (1 + 1 / 256) + 1


def test_the_computing_task_runs_beside_the_gateway_and_ends_with_it() -> None:
    turns = 0

    async def computing() -> None:
        nonlocal turns
        while True:
            turns += 1
            await trio.lowlevel.checkpoint()

    async def gateway(answer: int) -> int:
        while turns < 3:
            await trio.lowlevel.checkpoint()
        return answer

    assert trio.run(hog.beside, computing, gateway, 7) == 7


def test_micro_prints_a_figure_or_why_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> Callable[[], object]:
        raise ImportError("the codec is not built")

    monkeypatch.setattr(micro, "BATCH_NS", 10_000)
    monkeypatch.setattr(micro, "CASES", [micro.Case("simplefix", micro.simplefix_decode), micro.Case("other", absent)])
    _, measured, missing = micro.table().splitlines()
    assert float(measured.split()[1].replace(",", "")) > 0
    assert missing.split(maxsplit=1)[1] == "not measured: the codec is not built"
