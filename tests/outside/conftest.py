"""Other people's programs, where they are: a test that needs one says when it was not run, and why."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.outside.house import Gateway, Peer, free_port

SOURCE = Path(__file__).with_name("quickfix_peer.cpp")


@pytest.fixture(scope="session")
def quickfix_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """quickfix_peer.cpp, compiled against the system's QuickFIX."""
    if not (shutil.which("g++") and Path("/usr/include/quickfix/Session.h").exists()):
        pytest.skip("not run: QuickFIX (libquickfix-dev) or g++ is not installed")
    program = tmp_path_factory.mktemp("quickfix") / "quickfix_peer"
    # C++14: QuickFIX 1.15 declares what its callbacks throw.
    subprocess.run(["g++", "-std=c++14", "-w", "-o", str(program), str(SOURCE), "-lquickfix", "-lpthread"], check=True)
    return program


@pytest.fixture
def dictionary(outside: Path) -> Path:
    """The public FIX 4.4 dictionary."""
    return outside / "fix-dictionaries" / "FIX44.xml"


@pytest.fixture(scope="session")
def tshark() -> str:
    """Wireshark's command."""
    found = shutil.which("tshark")
    if found is None:
        pytest.skip("not run: tshark is not installed")
    return found


class Stand:
    """A gateway between two QuickFIX engines."""

    def __init__(self, folder: Path, program: Path, dictionary: Path, *, heart_bt_int_s: int = 30, reset: bool = False) -> None:
        port = free_port()
        self.gateway = Gateway(folder, port, heart_bt_int_s=heart_bt_int_s, reset=reset)
        settings = {"heart_bt_int_s": heart_bt_int_s, "reset": False}
        self.venue = Peer(program, "venue", port, folder / "venue", dictionary, **settings)  # type: ignore[arg-type]
        self.strategy = Peer(program, "strategy", self.gateway.door_port, folder / "strategy", dictionary, **{**settings, "reset": reset})  # type: ignore[arg-type]

    def open(self) -> None:
        """Everything runs and trades."""
        self.venue.start()
        self.gateway.start(ready="open")
        self.strategy.start()
        self.strategy.until("logon")

    def close(self) -> None:
        """Everything is ended in order; the gateway says that all was well."""
        self.strategy.stop()
        assert self.gateway.stop() == 0, self.gateway.log()
        self.venue.stop()

    def complaints(self) -> list[str]:
        return self.strategy.complaints() + self.venue.complaints()


@pytest.fixture
def stand(tmp_path: Path, quickfix_program: Path, dictionary: Path) -> Iterator[Callable[..., Stand]]:
    """Makes an open Stand; whatever happens, nothing of it is left."""
    made: list[Stand] = []

    def make(**settings: object) -> Stand:
        made.append(Stand(tmp_path, quickfix_program, dictionary, **settings))  # type: ignore[arg-type]
        made[-1].open()
        return made[-1]

    yield make
    for each in made:
        each.strategy.stop()
        each.venue.stop()
        each.gateway.clean()
