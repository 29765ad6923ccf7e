"""What a gateway does not start on: it says what is wrong, where, and what would be right; exit code 1, and nothing is touched."""

import ctypes
import os
import re
import resource
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.admin import Status, StatusResult
from gateway.journal.journal import ring_path
from gateway.journal.reader import JournalReader
from gateway.journal.record import HEAD, Kind
from gateway.lane.native import ffi
from gateway.native import ROOT
from gateway.tools.ask import ask
from simulators.demo.processes import Child
from tests.control.process import GATEWAY

BOUND_S = 20.0
RESTART, RESTART_EPOCH = struct.Struct("<I"), ffi.offsetof("gw_rec_restart", "new_epoch") - HEAD.size
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1
CONFIG = f"""
name = "start"
state_dir = "state"
[tables]
orders = 1024
connections = 8
[journal]
ring_mib = 1
segment_mib = 4
[doors.api]
protocol = "order_api"
port = 0
[sessions.nyfix]
venue = "generic_fix44"
port = 1
sender = "GW"
target = "VENUE"
[strategies.STRAT]
key_file = "strat.key"
accounts = ["ACC"]
[instruments]
file = "{ROOT / "examples" / "instruments.csv"}"
"""


class Place:
    """A folder with a configuration and the state of a gateway that was killed twice."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "start.toml"
        self.file.write_text(CONFIG)
        (folder / "strat.key").write_text("STRAT:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n")
        self.state = folder / "state"
        self.journal = self.state / "journal"
        self.log = folder / "gateway.log"

    def start(self) -> Child:
        child = Child("gateway", [GATEWAY, "run", str(self.file)], self.log)
        child.wait_for(lambda line: line == "ready", BOUND_S)
        return child

    def live_and_be_killed(self) -> None:
        child = self.start()
        child.process.kill()
        child.stop()

    def refused(self, before: Callable[[], object] | None = None) -> str:
        """What it says when it does not start."""
        run = subprocess.run([GATEWAY, "run", str(self.file)], capture_output=True, text=True, timeout=BOUND_S, check=False, preexec_fn=before)
        assert run.returncode == 1 and not run.stdout, run
        assert run.stderr.startswith("gateway: ") and "Traceback" not in run.stderr, run.stderr
        return run.stderr

    def segments(self) -> list[Path]:
        return sorted(self.journal.glob("0*.seg"))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path)
    try:
        place.live_and_be_killed()
        place.live_and_be_killed()
        yield place
    finally:
        ring_path(place.state).unlink(missing_ok=True)


def test_each_life_has_an_epoch_of_its_own(place: Place) -> None:
    """What an earlier life left in a socket, a ring or an id is told from what this one does by it."""
    child = place.start()
    try:
        status = ask(place.state, Status())
        assert isinstance(status, StatusResult) and status.epoch == 3
        reader = JournalReader(place.state)
        epochs = [reader.head(int(segment.stem)).epoch for segment in place.segments()]
        assert epochs == sorted(epochs) and set(epochs) == {1, 2, 3}, epochs
        restarts = [RESTART.unpack_from(payload, RESTART_EPOCH)[0] for head, payload in reader.records() if head.kind == Kind.RESTART]
        assert restarts == [2, 3]
    finally:
        child.stop()


def flip(path: Path, offset: int) -> None:
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)


def without_a_byte(place: Place) -> None:
    flip(place.segments()[0], 5000)


def without_the_first(place: Place) -> None:
    place.segments()[0].unlink()


def without_the_last(place: Place) -> None:
    place.segments()[-1].unlink()


def without_watermarks(place: Place) -> None:
    (place.state / "watermarks").unlink()


def damaged_watermarks(place: Place) -> None:
    (place.state / "watermarks").write_bytes(b"no watermarks" * 5000)


HARM = {
    without_a_byte: r"segment 00000001\.seg, offset 4096: .*; restore the file, or begin a journal anew",
    without_the_first: r"segment 00000001\.seg is missing: the next one is 00000002\.seg; restore the file",
    without_the_last: r"segment 0000000\d\.seg, offset \d+: the segments end at lsn \d+, but the ring says that lsn \d+ was copied; .* restore the folder",
    without_watermarks: r"watermarks?.*restore",
    damaged_watermarks: r"watermarks?.*restore",
}


def test_a_state_that_is_not_whole(place: Place, tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    (place.state / "admin.sock").unlink()
    shutil.copytree(place.state, saved)
    for harm, says in HARM.items():
        harm(place)
        said = place.refused()
        assert re.search(says, said), f"{harm.__name__}: {said}"
        shutil.rmtree(place.state)
        shutil.copytree(saved, place.state)
    place.live_and_be_killed()  # restored, it starts: no refused start has touched the ring


def test_a_torn_tail_is_cut_and_told(place: Place) -> None:
    """As after a loss of power, in the middle of the last write."""
    ring_path(place.state).unlink()
    last = place.segments()[-1]
    content = last.read_bytes()
    end = len(content.rstrip(b"\0"))
    last.write_bytes(content[: end - 9] + bytes(len(content) - end + 9))
    place.start().stop()
    log = place.log.read_text()
    assert f"segment {last.name}, offset " in log and "it was cut off there" in log
    assert "journal.tail_lost" in log


def test_a_second_gateway(place: Place) -> None:
    first = place.start()
    try:
        assert f"lock: held by process {first.pid}; stop that gateway, or give this one a state_dir of its own" in place.refused()
    finally:
        first.stop()


def test_a_full_disk(place: Place) -> None:
    for spare in place.journal.glob("spare-*"):  # with room that was taken before it would start
        spare.unlink()
    said = place.refused(lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2 << 20, 2 << 20)))
    assert "File too large; raise the limit on the size of files (ulimit -f), or make segment_mib smaller" in said
    place.live_and_be_killed()


def test_a_state_dir_that_cannot_be_written(place: Place) -> None:
    """Also where the tests run as a user to whom modes mean nothing: the gateway is started without that power."""
    place.state.chmod(0o500)
    (place.state / "lock").unlink()
    try:
        said = place.refused(lambda: ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0))
        assert f"state_dir {place.state}: {place.state / 'lock'}: Permission denied; give it to the user that the gateway runs as, writable" in said
    finally:
        place.state.chmod(0o700)
    os.rename(place.state, place.state.with_name("elsewhere"))
    place.state.write_text("a file")
    assert f"state_dir {place.state}: {place.state}: File exists; state_dir must be a folder" in place.refused()
