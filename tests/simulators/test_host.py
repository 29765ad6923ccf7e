"""Simulated venues over TCP on loopback, and the command that runs them."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from gateway.seams import SystemClock
from gateway.sessions.actions import SecretRef
from gateway.sessions.fix import FixConfig, FixSession, Role
from gateway.sessions.fix_rim import FixRim
from gateway.sessions.rim import Rim
from gateway.sessions.soup_rim import SoupRim
from gateway.sessions.soupbin import ClientConfig, SoupClient
from simulators.cli import main
from simulators.faults import Faults
from simulators.host import Host
from simulators.venue import Options, Venue
from tests.simulators.stand import fix_venue, ouch_venue

CLOCK = SystemClock()
LIMIT_S = 10


def fix_rim(comp_id: str = "GW") -> FixRim:
    return FixRim(FixSession(Role.INITIATOR, FixConfig(sender_comp_id=comp_id, target_comp_id="VENUE")))


@asynccontextmanager
async def served(venue: Venue) -> AsyncIterator[int]:
    async with trio.open_nursery() as nursery:
        yield await nursery.start(Host(venue, CLOCK).serve, "127.0.0.1", 0)
        nursery.cancel_scope.cancel()


async def until(stream: trio.SocketStream, rim: Rim, state: str) -> None:
    """Carry bytes until the session is in this state."""
    while rim.session.state != state:
        await stream.send_all(rim.take_out())
        rim.feed(bytes(await stream.receive_some(65_536)), CLOCK.now_ns())
    await stream.send_all(rim.take_out())


async def hear(stream: trio.SocketStream, rim: Rim, count: int) -> list[str]:
    """The next `count` business messages, by type or by FIX ExecType."""
    heard: list[str] = []
    while len(heard) < count:
        if out := rim.take_out():
            await stream.send_all(out)
        rim.feed(bytes(await stream.receive_some(65_536)), CLOCK.now_ns())
        heard += [message.text(150) or message.type for message in rim.take_inbox()]
    return heard


def order(rim: FixRim, cl_ord_id: str, side: str) -> None:
    body = ((11, cl_ord_id), (55, "KO"), (54, side), (60, "20251120-12:00:00"), (40, "2"), (38, "10"), (44, "60.10"))
    assert rim.submit("D", body, CLOCK.now_ns())


async def test_two_fix_clients_trade_with_each_other() -> None:
    with trio.fail_after(LIMIT_S):
        async with served(fix_venue(quote_qty=0)) as port:
            first, second = await trio.open_tcp_stream("127.0.0.1", port), await trio.open_tcp_stream("127.0.0.1", port)
            buyer, seller = fix_rim("BUYER"), fix_rim("SELLER")
            for stream, rim in ((first, buyer), (second, seller)):
                rim.attach(CLOCK.now_ns())
                await until(stream, rim, "OPEN")
            order(buyer, "B", "1")
            assert await hear(first, buyer, 1) == ["0"]
            order(seller, "S", "2")
            assert await hear(second, seller, 2) == ["0", "F"]
            assert await hear(first, buyer, 1) == ["F"], "a report for one client caused by another comes without being asked for"
            await first.aclose()
            await second.aclose()


async def test_an_ouch_client_over_split_and_late_bytes() -> None:
    venue = ouch_venue(Options(faults=Faults(split=True, delay_ns=200_000), seed=3))
    with trio.fail_after(LIMIT_S):
        async with served(venue) as port:
            stream = await trio.open_tcp_stream("127.0.0.1", port)
            rim = SoupRim(SoupClient(ClientConfig("DEMO01", SecretRef("password"))), venue.meaning, {"password": "pw"})
            rim.attach(CLOCK.now_ns())
            await until(stream, rim, "OPEN")
            body = (("user_ref_num", 1), ("side", "B"), ("quantity", 5), ("symbol", "AAPL"), ("price", 1_870_000), ("time_in_force", "3"), ("display", "Y"), ("capacity", "P"), ("intermarket_sweep", "N"), ("cross_type", "N"))  # fmt: skip
            assert rim.submit("EnterOrder", body, CLOCK.now_ns())
            assert await hear(stream, rim, 2) == ["OrderAccepted", "OrderCanceled"]
            await stream.aclose()


async def test_a_stranger_is_closed_and_a_client_that_leaves_is_forgotten() -> None:
    venue = fix_venue()
    with trio.fail_after(LIMIT_S):
        async with served(venue) as port:
            stream = await trio.open_tcp_stream("127.0.0.1", port)
            await stream.send_all(b"GET / HTTP/1.1\r\n\r\n")
            assert await stream.receive_some(100) == b""
            await stream.aclose()
            rim = fix_rim()
            for _ in range(2):  # the second time the first connection must have been let go
                stream = await trio.open_tcp_stream("127.0.0.1", port)
                rim.attach(CLOCK.now_ns())
                await until(stream, rim, "OPEN")
                await stream.aclose()
                rim.detach("", CLOCK.now_ns())
                while not venue.free("GW"):
                    await trio.lowlevel.checkpoint()


def started(*words: str) -> tuple["subprocess.Popen[str]", list[int]]:
    """The command as a process, and its ports when it is ready."""
    command = [sys.executable, "-c", "import sys; from simulators.cli import main; sys.exit(main())", "run", *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    ports = []
    assert process.stdout is not None
    while (line := process.stdout.readline().strip()) != "ready":
        assert " on 127.0.0.1:" in line, line
        ports.append(int(line.rpartition(":")[2].partition(",")[0]))
    return process, ports


def test_the_command_prints_ready_and_ends_with_its_counts() -> None:
    process, ports = started("generic_fix44", "nasdaq", "--port", "0", "--port", "0", "--seed", "7")
    try:
        with socket.create_connection(("127.0.0.1", ports[1]), timeout=LIMIT_S) as client:
            client.sendall(b"\x00\x2fLDEMO01pw" + b" " * 18 + b"1".rjust(20))
            assert client.recv(100)[2:3] == b"A"
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=LIMIT_S)
    finally:
        process.kill()
        process.wait()
    counts = [json.loads(line) for line in out.splitlines()]
    assert process.returncode == 0
    assert [(each["venue"], each["connections"], each["accepted"], each["positions"]) for each in counts] == [("generic_fix44", 0, 0, {}), ("nasdaq", 1, 0, {})]


def test_a_wrong_command_says_what_is_right(capsys: pytest.CaptureFixture[str]) -> None:
    for words, said in (
        (["run", "nasdaq"], "--port"),
        (["run", "nowhere", "--port", "0"], "invalid choice: 'nowhere'"),
        (["run", "nasdaq", "--port", "0", "--port", "0"], "1 venues and 2 ports"),
        (["run", "nasdaq", "--port", "0", "--faults", "fire=1"], "fault 'fire=1' is none of cut=N"),
    ):
        with pytest.raises(SystemExit, match="2"):
            main(words)
        assert said in capsys.readouterr().err
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(SystemExit, match="1"):
        main(["run", "nasdaq", "--port", str(taken.getsockname()[1])])
    assert "cannot listen on 127.0.0.1" in capsys.readouterr().err
