"""The gateway as a process: real sockets on loopback, a thread for the lane, its journal on disk; ended by SIGTERM and begun again."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
import trio

from gateway import admin
from gateway.journal.journal import ring_path
from gateway.journal.reader import JournalReader
from gateway.journal.record import Kind
from gateway.journal.store import DirStore, segment_name
from gateway.tools.replay import replay
from tests.control.process import BOUND_S, CONFIG, GATEWAY, INSTRUMENTS, asked, gateway, strategy, venue_on_loopback
from tests.simulators.stand import fix_venue


async def test_orders_over_sockets_a_limit_set_by_an_operator_and_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "process.toml"
    venue = fix_venue(quote_qty=1_000)
    try:
        async with venue_on_loopback(venue) as port:
            file.write_text(CONFIG.format(port=port, instruments=INSTRUMENTS))
            async with gateway(file) as process:
                client = await strategy(tmp_path)
                with pytest.raises(admin.AdminError, match="no symbol 'IBMM' here; did you mean IBM?"):
                    await asked(tmp_path, admin.OrdersWanted(scope={"symbol": "IBMM"}))
                await client.say("35=D|11=A1|1=ACC|55=IBM|54=1|60=20251120-12:00:00|40=2|38=100|44=191.35|59=0|")
                reports = [await client.hear() for _ in range(2)]
                assert [(r[11], r[150], r[39]) for r in reports] == [("A1", "0", "0"), ("A1", "F", "2")]

                orders = await asked(tmp_path, admin.OrdersWanted(open_only=False, scope={"symbol": "IBM"}))
                assert isinstance(orders, admin.OrdersResult)
                assert [(o.cl_ord_id, o.side, o.ord_type, o.time_in_force, o.ord_status) for o in orders.orders] == [("A1", "buy", "limit", "day", "filled")]

                done = await asked(tmp_path, admin.LimitsSet("firm.order_qty", 5, "a test of limits"))
                assert isinstance(done, admin.LimitsSetResult) and done.version == 2 and done.lsn > 1
                await client.say("35=D|11=A2|1=ACC|55=IBM|54=1|60=20251120-12:00:00|40=2|38=6|44=191.35|59=0|")
                denied = await client.hear()
                assert (denied[11], denied[39]) == ("A2", "8") and "order_qty 6 > 5" in denied[58], denied
                await client.stream.aclose()
                paused = await asked(tmp_path, admin.ScopeWanted("pause", "symbol=AAPL", "news"))
                assert isinstance(paused, admin.DoneResult) and paused.lsn > done.lsn

                process.send_signal(signal.SIGTERM)
                with trio.fail_after(BOUND_S):
                    assert await process.wait() == 0
            async with gateway(file) as process:
                status = await asked(tmp_path, admin.Status())
                assert isinstance(status, admin.StatusResult) and status.denied == {"limit": 1}
                (line,) = status.paused
                assert line.startswith("symbol AAPL, by ") and line.endswith(": news"), "a pause outlives its gateway"
                positions = await asked(tmp_path, admin.PositionsWanted())
                assert positions == admin.PositionsResult((admin.PositionView("ACC", "IBM", "100"),))
                limits = await asked(tmp_path, admin.LimitsWanted())
                assert isinstance(limits, admin.LimitsResult)
                # What the operator had set ended with that life: the configuration's limits hold, as a version of their own.
                assert limits.version == 3 and {each.path: each.value for each in limits.limits}["firm.order_qty"] == "10000"
                process.send_signal(signal.SIGTERM)
                with trio.fail_after(BOUND_S):
                    assert await process.wait() == 0
        assert venue.counts()["executions"] == 1, venue.counts()
    finally:
        ring_path(tmp_path / "state").unlink(missing_ok=True)


async def test_a_life_with_another_configuration_is_replayed_with_its_own(tmp_path: Path) -> None:
    file = tmp_path / "process.toml"
    venue = fix_venue(quote_qty=1_000)
    order = "35=D|11={}|1=ACC|55=IBM|54=1|60=20251120-12:00:00|40=2|38={}|44=191.35|59=0|"
    try:
        async with venue_on_loopback(venue) as port:
            text = CONFIG.format(port=port, instruments=INSTRUMENTS)
            for life, (limit, said) in enumerate([("10_000", "2"), ("99", "8")]):
                file.write_text(text.replace("order_qty = 10_000", f"order_qty = {limit}"))
                async with gateway(file) as process:
                    client = await strategy(tmp_path)
                    await client.say(order.format(f"A{life}", 100))
                    reports = [await client.hear() for _ in range(2 - life)]
                    assert reports[-1][39] == said
                    await client.stream.aclose()
                    process.send_signal(signal.SIGTERM)
                    with trio.fail_after(BOUND_S):
                        assert await process.wait() == 0
        assert replay(tmp_path / "state")[0] == 0, replay(tmp_path / "state")[1]
        starts = [head.lsn for head, _ in JournalReader(tmp_path / "state").records() if head.kind == Kind.START]
        assert starts[0] == 1 and len(starts) == 2, "a life with another configuration says so"
        flips_are_found(tmp_path / "state")
    finally:
        ring_path(tmp_path / "state").unlink(missing_ok=True)


def flips_are_found(state: Path) -> None:
    """One bit of one input, in the first segment and in the last, which nothing follows: replay tells where, and exits with 1."""
    reader = JournalReader(state)
    inputs = [reader.locate(head.lsn) for head, _ in reader.records() if head.kind == Kind.IN]
    assert {number for number, _ in inputs} == {1, 2}
    for number, offset in inputs[::3]:
        file = DirStore(state).folder / segment_name(number)
        right = file.read_bytes()
        file.write_bytes(right[: offset + 60] + bytes([right[offset + 60] ^ 1]) + right[offset + 61 :])
        code, said = replay(state, pause=lambda: None)
        assert code == 1 and f"segment {segment_name(number)}, offset {offset}: " in said, said
        file.write_bytes(right)
    assert replay(state)[0] == 0


async def test_a_second_gateway_on_the_same_state_is_refused_and_names_the_first(tmp_path: Path) -> None:
    file = tmp_path / "process.toml"
    try:
        async with venue_on_loopback(fix_venue()) as port:
            file.write_text(CONFIG.format(port=port, instruments=INSTRUMENTS))
            async with gateway(file) as process:
                second = await trio.run_process([GATEWAY, "run", str(file)], capture_stderr=True, check=False)
                assert second.returncode == 1
                assert str(process.pid).encode() in second.stderr, second.stderr
                os.kill(process.pid, signal.SIGKILL)
            async with gateway(file):
                pass  # SIGKILL has freed the state
    finally:
        ring_path(tmp_path / "state").unlink(missing_ok=True)




def test_a_core_that_is_not_there_is_refused_and_those_that_are_named(tmp_path: Path) -> None:
    file = tmp_path / "process.toml"
    file.write_text(CONFIG.format(port=1, instruments=INSTRUMENTS))
    done = subprocess.run([GATEWAY, "run", file, "--set", "lane.core=4095"], capture_output=True, text=True, timeout=BOUND_S)
    assert done.returncode == 1
    assert "lane.core: 4095 is no core that this process may use; one of " in done.stderr and done.stderr.rstrip().endswith(", or -1"), done.stderr
