"""Both drivers by hand: commands in, acknowledgements and bells out; in memory a step at a time, and by a thread over a socket pair."""

import select
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.config import Config, load
from gateway.journal.journal import Journal, JournalConfig, boot_id, ring_path
from gateway.journal.restart import restart
from gateway.journal.store import DirStore
from gateway.lane import commands
from gateway.lane.commands import Batch, CommandTooLong, Part, unpack
from gateway.lane.driver import BUSY, InlineDriver, ThreadDriver
from gateway.lane.events import Acked, Bell, Event
from gateway.lane.native import ffi, lib
from gateway.lane.plan import Plan, plan
from gateway.lane.tables import Tables
from gateway.seams import SeededRng
from risk import latch
from tests.control.world import CONFIG, NOW

BOUND_S = 10


def batch(number: int, *parts: Part) -> Batch:
    return Batch(number, 0, NOW, parts)


class Furnished:
    """Configuration, numbers and tables of the little world."""

    def __init__(self, folder: Path) -> None:
        file = folder / "world.toml"
        file.write_text(CONFIG)
        self.config: Config
        self.config, instruments = load(file)
        self.plan: Plan = plan(self.config, instruments)
        self.tables = Tables(self.config, self.plan, instruments, {})
        self.latch_path = folder / "latch"
        latch.create(self.latch_path, 7, NOW, False, "test", "start")
        self.latch = bytearray(self.latch_path.read_bytes())


@pytest.fixture
def furnished(tmp_path: Path) -> Furnished:
    return Furnished(tmp_path)


@pytest.fixture
def lane(furnished: Furnished) -> InlineDriver:
    lane = InlineDriver(furnished.tables, furnished.latch, NOW)
    lane.start(b"{}")
    lane.run(NOW)
    lane.events()
    return lane


def test_a_batch_is_acknowledged_with_its_place_in_the_journal_and_each_parts_result(lane: InlineDriver) -> None:
    at = lane.view(1).at
    lane.push(batch(41, commands.attach(at, 3, NOW), commands.set_tx(at, lib.GW_OPEN), commands.note(b"by a test")))
    lane.run(NOW)
    acks = [event for event in lane.events() if isinstance(event, Acked)]
    assert [(ack.id, ack.results) for ack in acks] == [(41, ((lib.GW_RESULT_OK, 0), (lib.GW_RESULT_STALE, 0), (lib.GW_RESULT_OK, 0)))]
    record = lane.record(acks[0].lsn)
    assert record is not None
    parts = [part for part, _, _ in unpack(record[ffi.sizeof("gw_rec_cmd") :], 3)]
    assert [part.kind for part in parts] == [lib.GW_CMD_ATTACH, lib.GW_CMD_SET_TX, lib.GW_CMD_NOTE] and parts[2].payload == b"by a test"


def test_one_bell_is_outstanding_and_the_next_comes_with_done(lane: InlineDriver) -> None:
    """SEAM R2: facts and messages gather while the control plane is away; the bell rings once, and again when it is given back."""
    lane.push(batch(1, commands.attach(lane.view(1).at, 3, NOW)))
    lane.run(NOW)
    (bell,) = [event for event in lane.events() if isinstance(event, Bell)]
    assert bell.conn == 1 and bell.facts == lib.GW_FACT_ATTACHED
    lane.close(1)
    lane.run(NOW)
    assert not lane.events(), "the bell has not been given back"
    lane.push(batch(2, commands.done(lane.view(1).at, bell.lsn, bell.facts)))
    lane.run(NOW)
    (again,) = [event for event in lane.events() if isinstance(event, Bell)]
    assert again.facts == lib.GW_FACT_CLOSED and again.error == -1


def test_a_loosening_that_saw_another_state_is_refused(lane: InlineDriver) -> None:
    """SEAM R8b: the lane has tightened meanwhile; what was decided on the older view must not loosen it again."""
    lane.push(batch(1, commands.attach(lane.view(1).at, 3, NOW)))
    lane.run(NOW)
    at = lane.view(1).at
    lane.push(batch(2, commands.set_rx(at, lib.GW_FLOW)))
    lane.run(NOW)
    body = b"35=0\x0149=VENUE\x0156=WRONG\x0134=1\x0152=20251120-12:00:00.000\x01"
    frame = b"8=FIX.4.4\x019=%d\x01" % len(body) + body
    lane.feed(1, frame + b"10=%03d\x01" % (sum(frame) % 256))
    lane.run(NOW)
    assert lane.view(1).rx == lib.GW_HOLD, "a header of somebody else: held until the control plane has spoken"
    lane.events()
    lane.push(batch(3, commands.set_rx(at, lib.GW_FLOW)))
    lane.run(NOW)
    (ack,) = [event for event in lane.events() if isinstance(event, Acked)]
    assert ack.results == ((lib.GW_RESULT_REFUSED, lib.GW_REFUSED_STATE),) and lane.view(1).rx == lib.GW_HOLD


def test_a_full_command_ring_makes_the_control_plane_wait(lane: InlineDriver) -> None:
    for number in range(3000):
        lane.push(batch(number, commands.note(b"")))
    seen: list[Event] = []
    for _ in range(3000):
        lane.step(NOW)
        seen += lane.events()
    assert [event.id for event in seen if isinstance(event, Acked)] == list(range(3000))


def test_a_batch_that_fits_no_entry_is_refused_before_it_is_pushed(lane: InlineDriver) -> None:
    with pytest.raises(CommandTooLong, match="an entry holds 4096"):
        lane.push(batch(1, commands.note(bytes(5000))))


# ------------------------------------------------------------------------------------------------------------------ the thread


@pytest.fixture(params=[0, BUSY], ids=["blocking", "busy"])
def thread(furnished: Furnished, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[ThreadDriver]:
    state = tmp_path / "state"
    state.mkdir()
    lane = ThreadDriver(furnished.tables, str(furnished.latch_path))
    config = JournalConfig(ring_bytes=1 << 20, segment_bytes=1 << 20, index_count=1 << 10)
    journal = Journal.begin(restart(DirStore(state), None, boot_id()), state, config, SeededRng(1), epoch=1)
    try:
        lane.journal_to(journal.ring_address, journal.journal_address)
        lane.start(b"{}")
        lane.begin(request.param, -1)
        yield lane
    finally:
        lane.end()
        journal.stop()
        ring_path(state).unlink(missing_ok=True)


def heard(lane: ThreadDriver, count: int) -> list[Event]:
    """The next `count` events that are not of the lane itself, each waited for at its descriptor."""
    events: list[Event] = []
    while len(events) < count:
        ready, _, _ = select.select([lane.fileno()], [], [], BOUND_S)
        assert ready, f"no bell within {BOUND_S} s; heard {events}"
        lane.woken()
        events += [event for event in lane.events() if not isinstance(event, Bell) or event.conn]
    return events


def test_the_thread_takes_a_socket_sends_and_tells_its_end(thread: ThreadDriver) -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.settimeout(BOUND_S)
        thread.push(batch(1, commands.attach(thread.view(1).at, ours.detach(), 0)))
        ack, bell = heard(thread, 2)
        assert isinstance(ack, Acked) and isinstance(bell, Bell) and bell.facts == lib.GW_FACT_ATTACHED
        at = thread.view(1).at
        body = commands.field(98, b"0") + commands.field(108, b"30")
        thread.push(batch(2, commands.send(at, ord("A"), body), commands.done(at, 0, bell.facts)))
        logon = theirs.recv(4096)
        assert logon.startswith(b"8=FIX.4.4\x01") and b"\x0135=A\x01" in logon and b"\x0134=1\x01" in logon
        heard(thread, 1)
    closed = heard(thread, 1)[0]
    assert isinstance(closed, Bell) and closed.facts == lib.GW_FACT_CLOSED and closed.error == -1
