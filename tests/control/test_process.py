"""The gateway as a process: real sockets on loopback, a thread for the lane, its journal on disk; ended by SIGTERM and begun again."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import simplefix
import trio

from gateway import admin
from gateway.journal.journal import ring_path
from gateway.journal.reader import JournalReader
from gateway.journal.record import Kind
from gateway.seams import SystemClock
from gateway.sessions.fix_wire import utc_timestamp
from gateway.tools.ask import ask
from gateway.tools.replay import replay
from simulators.host import Host
from simulators.venue import Venue
from tests.simulators.stand import fix_venue

GATEWAY = str(Path(sys.executable).with_name("gateway"))
INSTRUMENTS = Path(__file__).parents[2] / "examples" / "instruments.csv"
BOUND_S = 30
CONFIG = """
name = "process"
state_dir = "state"
[tables]
orders = 256
connections = 8
[journal]
ring_mib = 1
segment_mib = 1
[doors.fix]
protocol = "fix44"
port = 0
sender = "GW"
reset_seq_num_on_logon = true
[sessions.nyfix]
venue = "generic_fix44"
port = {port}
sender = "GW"
target = "VENUE"
retry_s = 0.1
[strategies.STRAT]
comp_id = "STRAT"
accounts = ["ACC"]
[instruments]
file = "{instruments}"
[limits.firm]
order_qty = 10_000
notional = 5_000_000
collar_bps = 5_000
position = 1_000_000
open_orders = 100
rate_per_s = 10_000
"""


@asynccontextmanager
async def venue_on_loopback(venue: Venue) -> AsyncIterator[int]:
    async with trio.open_nursery() as nursery:
        yield await nursery.start(Host(venue, SystemClock()).serve, "127.0.0.1", 0)
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def gateway(file: Path) -> AsyncIterator[trio.Process]:
    """A gateway that is open; SIGKILL is its end if nothing else was."""
    command = [GATEWAY, "run", str(file), "--ready", "open"]
    async with trio.open_nursery() as nursery:
        process: trio.Process = await nursery.start(partial(trio.run_process, command, stdout=subprocess.PIPE, capture_stdout=False, check=False))
        assert process.stdout is not None
        said = b""
        with trio.fail_after(BOUND_S):
            while b"ready\n" not in said:
                more = await process.stdout.receive_some()
                assert more, f"the gateway ended: {process.returncode}"
                said += more
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()


class Strategy:
    """A FIX client on a real socket."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.seq = 0
        self._parser = simplefix.FixParser()

    async def say(self, text: str) -> None:
        self.seq += 1
        pairs = [each.split("=", 1) for each in text.strip("|").split("|")]
        message = simplefix.FixMessage()
        message.append_pair(8, "FIX.4.4")
        message.append_pair(35, pairs[0][1])
        for tag, value in ((49, "STRAT"), (56, "GW"), (34, self.seq), (52, utc_timestamp(SystemClock().now_ns()))):
            message.append_pair(tag, value)
        for tag, value in pairs[1:]:
            message.append_pair(int(tag), value)
        await self.stream.send_all(message.encode())

    async def hear(self) -> dict[int, str]:
        with trio.fail_after(BOUND_S):
            while True:
                if message := self._parser.get_message():
                    return {int(tag): value.decode() for tag, value in message.pairs}
                self._parser.append_buffer(await self.stream.receive_some())


async def asked(folder: Path, request: admin.Request) -> admin.Result:
    return await trio.to_thread.run_sync(ask, folder / "state", request)


async def strategy(folder: Path) -> Strategy:
    status = await asked(folder, admin.Status())
    assert isinstance(status, admin.StatusResult)
    host, port = status.doors["fix"].split(":")
    client = Strategy(await trio.open_tcp_stream(host, int(port)))
    await client.say("35=A|98=0|108=30|141=Y|")
    assert (await client.hear())[35] == "A"
    return client


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

                process.send_signal(signal.SIGTERM)
                with trio.fail_after(BOUND_S):
                    assert await process.wait() == 0
            async with gateway(file) as process:
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
    finally:
        ring_path(tmp_path / "state").unlink(missing_ok=True)


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


