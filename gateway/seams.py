"""The outside world, as four arguments: Clock, Rng, Net, Disk; the system's, and ones a seeded simulation owns."""

import fcntl
import os
import random
import secrets
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol


class Clock(Protocol):
    def now_ns(self) -> int:
        """Nanoseconds since the epoch; never less than the last answer."""


class SystemClock:
    """The monotonic clock plus an anchor taken once: a stepped wall clock moves nothing; a corrected anchor is an input (R10)."""

    def __init__(self) -> None:
        self.anchor_ns = time.time_ns() - time.monotonic_ns()

    def now_ns(self) -> int:
        return time.monotonic_ns() + self.anchor_ns


class VirtualClock:
    """Stands still until it is told."""

    def __init__(self, now_ns: int = 1_700_000_000_000_000_000) -> None:
        self._now_ns = now_ns

    def now_ns(self) -> int:
        return self._now_ns

    def advance(self, by_ns: int) -> int:
        assert by_ns >= 0, f"time does not run back: {by_ns}"
        self._now_ns += by_ns
        return self._now_ns


class Rng(Protocol):
    def token(self, count: int) -> bytes:
        """`count` bytes nobody else can guess (nonces, salts)."""

    def below(self, bound: int) -> int:
        """An integer from 0 to bound − 1 (jitter, choices)."""


class SystemRng:
    """The kernel's randomness."""

    def token(self, count: int) -> bytes:
        return os.urandom(count)

    def below(self, bound: int) -> int:
        return secrets.randbelow(bound)


class SeededRng:
    """The same bytes and numbers for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def token(self, count: int) -> bytes:
        return self._random.randbytes(count)

    def below(self, bound: int) -> int:
        return self._random.randrange(bound)


class Listener(Protocol):
    port: int
    """The port that was given, also where 0 was asked for."""

    async def accept(self) -> tuple[int, str]:
        """A connected, non-blocking descriptor that is the caller's to close or hand over, and the peer as host:port."""

    async def aclose(self) -> None: ...


class Net(Protocol):
    """Connects and accepts; it moves no byte of a session. A descriptor belongs to whoever got it. Timeouts are the caller's."""

    async def connect(self, host: str, port: int) -> int:
        """A connected, non-blocking descriptor. Raises: OSError."""

    async def listen(self, host: str, port: int) -> Listener: ...


class SystemNet:
    """TCP through trio; trio comes in with the first use, so that a command that only wants a clock starts at once."""

    async def connect(self, host: str, port: int) -> int:
        import trio

        return (await trio.open_tcp_stream(host, port)).socket.detach()

    async def listen(self, host: str, port: int) -> "SystemListener":
        import trio

        sock = trio.socket.socket()
        try:
            sock.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_REUSEADDR, 1)
            await sock.bind((host, port))
            sock.listen()
        except BaseException:
            sock.close()
            raise
        return SystemListener(sock.getsockname()[1], sock.accept, sock.close)


class SystemListener:
    """One listening TCP socket."""

    def __init__(self, port: int, accept: Callable[[], Awaitable[tuple[Any, Any]]], close: Callable[[], None]) -> None:
        self.port = port
        self._accept = accept
        self._close = close

    async def accept(self) -> tuple[int, str]:
        sock, peer = await self._accept()
        return sock.detach(), f"{peer[0]}:{peer[1]}"

    async def aclose(self) -> None:
        self._close()


class Disk(Protocol):
    """Small whole files of the state folder. The journal's segments are the writer thread's alone."""

    def read(self, path: Path) -> bytes:
        """Raises: FileNotFoundError."""

    def replace(self, path: Path, content: bytes) -> None:
        """Old or new content after any crash, never a mixture; durable when it returns. The file is its owner's alone (0600)."""

    def lock(self, path: Path) -> int:
        """Hold `path` for the life of the process (or until the answer is closed) and leave our pid in it.

        Raises: BlockingIOError with the holder's pid as text.
        """


class SystemDisk:
    """The file system."""

    def read(self, path: Path) -> bytes:
        return path.read_bytes()

    def replace(self, path: Path, content: bytes) -> None:
        new = path.with_name(path.name + ".new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        new.rename(path)
        # The rename itself is durable only when the folder is.
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def lock(self, path: Path) -> int:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
            os.close(descriptor)
            raise BlockingIOError(holder) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        return descriptor


class MemoryDisk:
    """A disk in memory, for a simulation: files outlive the gateway that wrote them; locks end with `process_died`."""

    def __init__(self) -> None:
        self.files: dict[Path, bytes] = {}
        self._locked: dict[Path, int] = {}

    def read(self, path: Path) -> bytes:
        if path not in self.files:
            raise FileNotFoundError(str(path))
        return self.files[path]

    def replace(self, path: Path, content: bytes) -> None:
        self.files[path] = bytes(content)

    def lock(self, path: Path) -> int:
        if path in self._locked:
            raise BlockingIOError(str(self._locked[path]))
        self._locked[path] = len(self._locked) + 1
        return self._locked[path]

    def process_died(self) -> None:
        self._locked.clear()
