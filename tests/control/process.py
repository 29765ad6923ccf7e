"""The gateway as a process, for tests: a venue on loopback, a gateway that is open, a FIX strategy, and questions to the admin socket."""

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import simplefix
import trio

from gateway import admin
from gateway.seams import SystemClock
from gateway.sessions.fix_wire import utc_timestamp
from gateway.tools.ask import ask
from simulators.host import Host
from simulators.venue import Venue

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
async def gateway(file: Path, *arguments: str) -> AsyncIterator[trio.Process]:
    """A gateway that is open; SIGKILL is its end if nothing else was."""
    command = [GATEWAY, "run", str(file), "--ready", "open", *arguments]
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


async def ended(process: trio.Process, client: Strategy | None = None) -> int | None:
    """SIGTERM, and its exit code; a strategy that is still there answers the Logout, so that nobody waits for it."""
    process.terminate()
    if client is not None:
        while (await client.hear())[35] != "5":
            pass
        await client.say("35=5|")
        await client.stream.aclose()
    with trio.fail_after(BOUND_S):
        return await process.wait()
