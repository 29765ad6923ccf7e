"""The seams: the system's clock, randomness, net and disk keep their promises, and the simulated ones are repeatable."""

import os
import socket
from pathlib import Path

import pytest
import trio

from gateway import seams


def test_the_clock_never_runs_back() -> None:
    for clock in (seams.SystemClock(), seams.VirtualClock()):
        times = [clock.now_ns() for _ in range(1000)]
        assert times == sorted(times) and times[0] > 1_600_000_000 * 10**9


def test_a_virtual_clock_moves_when_told_and_forward_only() -> None:
    clock = seams.VirtualClock(5)
    assert (clock.advance(3), clock.now_ns()) == (8, 8)
    with pytest.raises(AssertionError, match="time does not run back: -1"):
        clock.advance(-1)


def test_a_seed_gives_the_same_again(seed: int) -> None:
    one, two, other = seams.SeededRng(seed), seams.SeededRng(seed), seams.SeededRng(seed + 1)
    assert (one.token(8), one.below(10**9)) == (two.token(8), two.below(10**9))
    assert one.token(8) != other.token(8)


def test_system_randomness_does_not_repeat() -> None:
    rng = seams.SystemRng()
    assert rng.token(16) != rng.token(16) and 0 <= rng.below(3) < 3


async def test_connect_and_accept_give_descriptors_away() -> None:
    net = seams.SystemNet()
    listener = await net.listen("127.0.0.1", 0)
    with trio.fail_after(5):
        ours = socket.socket(fileno=await net.connect("127.0.0.1", listener.port))
        accepted, peer = await listener.accept()
        theirs = socket.socket(fileno=accepted)
    await listener.aclose()
    with ours, theirs:
        assert peer == f"127.0.0.1:{ours.getsockname()[1]}"
        assert not os.get_blocking(ours.fileno()) and not os.get_blocking(theirs.fileno())
        ours.setblocking(True)
        theirs.send(b"x")
        assert ours.recv(1) == b"x"


async def test_nobody_there_is_an_oserror() -> None:
    net = seams.SystemNet()
    listener = await net.listen("127.0.0.1", 0)
    await listener.aclose()
    with trio.fail_after(5), pytest.raises(OSError, match="127.0.0.1"):
        await net.connect("127.0.0.1", listener.port)
    with pytest.raises(OSError):
        await net.listen("256.0.0.1", 0)


@pytest.mark.parametrize("disk", [seams.SystemDisk(), seams.MemoryDisk()], ids=["system", "memory"])
def test_a_file_is_replaced_whole(disk: seams.Disk, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        disk.read(tmp_path / "a")
    disk.replace(tmp_path / "a", b"one")
    disk.replace(tmp_path / "a", b"2")
    assert disk.read(tmp_path / "a") == b"2"


def test_a_replaced_file_is_its_owners_alone_and_leaves_no_litter(tmp_path: Path) -> None:
    seams.SystemDisk().replace(tmp_path / "a", b"x")
    assert [(p.name, p.stat().st_mode & 0o777) for p in tmp_path.iterdir()] == [("a", 0o600)]


def test_a_lock_names_its_holder_and_ends_with_it(tmp_path: Path) -> None:
    disk = seams.SystemDisk()
    held = disk.lock(tmp_path / "lock")
    with pytest.raises(BlockingIOError, match=f"^{os.getpid()}$"):
        disk.lock(tmp_path / "lock")
    os.close(held)
    os.close(disk.lock(tmp_path / "lock"))


def test_a_lock_in_memory_ends_with_the_process() -> None:
    disk = seams.MemoryDisk()
    disk.lock(Path("lock"))
    with pytest.raises(BlockingIOError):
        disk.lock(Path("lock"))
    disk.process_died()
    disk.lock(Path("lock"))
