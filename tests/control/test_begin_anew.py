"""`gateway run --begin-anew`: a drained journal is archived whole, numbers and ids go on, and what is still at stake is never left behind."""

import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from gateway import admin
from gateway.config import load
from gateway.control import past
from gateway.control.anew import Anew, Before, Carried, archive, finish
from gateway.control.begin import begin
from gateway.errors import ConfigError
from gateway.journal.journal import boot_id, ring_path
from gateway.journal.reader import JournalReader
from gateway.journal.record import HEAD, Kind
from gateway.journal.restart import restart
from gateway.journal.store import DirStore
from gateway.lane.records import notes
from gateway.lane.replay import build_id
from gateway.seams import SystemClock, SystemRng
from gateway.tools.replay import replay
from simulators.generic_fix44 import GenericFix44
from tests.control.process import (
    CONFIG,
    INSTRUMENTS,
    Strategy,
    asked,
    ended,
    gateway,
    strategy,
    venue_on_loopback,
)
from tests.simulators.stand import fix_venue

BUY = "35=D|11={}|1=ACC|55=IBM|54=1|60=20251120-12:00:00|40=2|38=100|44=191.35|59=0|"
SELL = BUY.replace("54=1", "54=2").replace("191.35", "191.15")
REST = BUY.replace("191.35", "190.00")
OTHER = '[strategies.OTHER]\ncomp_id = "OTHER"\naccounts = ["ACC2"]\n'


@asynccontextmanager
async def deployment(folder: Path, more: str = "") -> AsyncIterator[tuple[Path, GenericFix44]]:
    """A configuration, and its venue, which remembers its session over connections."""
    venue = fix_venue()
    try:
        async with venue_on_loopback(venue) as port:
            file = folder / "process.toml"
            file.write_text(more + CONFIG.format(port=port, instruments=INSTRUMENTS))
            yield file, venue
    finally:
        ring_path(folder / "state").unlink(missing_ok=True)


def refused(file: Path, anew: Anew | None = None) -> str:
    """What a gateway says that does not begin."""
    with pytest.raises(ConfigError) as told:
        begin(*load(file), {}, SystemClock(), SystemRng(), anew)
    return str(told.value)


def notes_of(state: Path) -> list[bytes]:
    """What a journal says of the one before it."""
    commands = (bytes(HEAD.size) + payload for head, payload in JournalReader(state).records() if head.kind == Kind.COMMAND)
    return [note for record in commands for note in notes(record) if note.startswith(b"begun anew")]


async def filled(client: Strategy, order: str) -> None:
    """Send an order that is filled."""
    await client.say(order)
    reports = [await client.hear() for _ in range(2)]
    assert [r[39] for r in reports] == ["0", "2"], reports


async def venue_numbers(folder: Path) -> tuple[int, int]:
    sessions = await asked(folder, admin.SessionsWanted())
    assert isinstance(sessions, admin.SessionsResult)
    return next((each.next_in, each.next_out) for each in sessions.sessions if each.role == "venue")


async def test_another_configuration_begins_anew_and_its_numbers_go_on(tmp_path: Path) -> None:
    state = tmp_path / "state"
    async with deployment(tmp_path) as (file, venue):
        async with gateway(file) as process:
            client = await strategy(tmp_path)
            await filled(client, BUY.format("A1"))
            await filled(client, SELL.format("A2"))
            await client.stream.aclose()
            assert await ended(process) == 0
        file.write_text(file.read_text() + OTHER)
        assert "begun with other accounts, strategies, strategies' doors" in (said := refused(file)) and "--begin-anew" in said
        async with gateway(file, "--begin-anew") as process:
            numbers = await venue_numbers(tmp_path)
            assert min(numbers) > 5, "the venue, which knows its numbers, has let us in; they did not begin at 1"
            client = await strategy(tmp_path)
            await filled(client, BUY.format("B1"))
            os.kill(process.pid, 9)
            await client.stream.aclose()
        async with gateway(file) as process:  # an ordinary restart: what went on is not done twice
            assert min(await venue_numbers(tmp_path)) > min(numbers)
            positions = await asked(tmp_path, admin.PositionsWanted())
            assert positions == admin.PositionsResult((admin.PositionView("ACC", "IBM", "100"),))
            assert await ended(process) == 0
        assert venue.counts()["executions"] == 3 and venue.counts()["rejected"] == 0, "no ClOrdID was used twice"
    (folder,) = (state / "archive").iterdir()
    assert replay(folder)[0] == 0 and replay(state)[0] == 0
    assert [head.kind for head, _ in JournalReader(folder).records()][-1] == Kind.STOP
    assert notes_of(state) == [f"begun anew from archive/{folder.name}".encode()]


async def test_what_is_open_or_held_is_not_left_behind(tmp_path: Path) -> None:
    state = tmp_path / "state"
    async with deployment(tmp_path, 'on_shutdown = "leave"\n') as (file, _):
        async with gateway(file) as process:
            client = await strategy(tmp_path)
            await filled(client, BUY.format("A1"))
            await client.say(REST.format("A2"))
            assert (await client.hear())[39] == "0"
            assert await ended(process, client) == 0
        before = sorted(path.name for path in state.rglob("*"))
        said = refused(file, Anew())
        assert "it ends with 1 open orders: start it once more with its own configuration" in said
        assert "it ends with positions: ACC IBM 100; the new journal begins with none" in said
        assert "open orders" in refused(file, Anew(positions_forgotten=True))
        assert sorted(path.name for path in state.rglob("*")) == before, "nothing has changed"
        file.write_text(file.read_text().replace('"leave"', '"cancel"'))
        async with gateway(file) as process:
            assert await ended(process) == 0
        said = refused(file, Anew())
        assert "open orders" not in said and "or say --positions-forgotten" in said
        async with gateway(file, "--begin-anew", "--positions-forgotten") as process:
            assert await asked(tmp_path, admin.PositionsWanted()) == admin.PositionsResult(())
            assert await ended(process) == 0
    assert [note.endswith(b"; positions forgotten: ACC IBM 100") for note in notes_of(state)] == [True]


async def test_what_keeps_no_state_begins_with_nothing_each_time(tmp_path: Path) -> None:
    file, state = tmp_path / "process.toml", tmp_path / "state"
    try:
        for _ in range(2):
            async with venue_on_loopback(fix_venue()) as port:  # born anew, as the gateway is
                file.write_text("keep_state = false\n" + CONFIG.format(port=port, instruments=INSTRUMENTS))
                async with gateway(file) as process:
                    client = await strategy(tmp_path)
                    await filled(client, BUY.format("A1"))  # the same id, and not refused
                    assert await asked(tmp_path, admin.PositionsWanted()) == admin.PositionsResult((admin.PositionView("ACC", "IBM", "100"),))
                    os.kill(process.pid, 9)  # nothing was drained
                    await client.stream.aclose()
        assert sum(head.kind == Kind.START for head, _ in JournalReader(state).records()) == 1
    finally:
        ring_path(state).unlink(missing_ok=True)


async def test_what_keeps_state_knows_what_was(tmp_path: Path) -> None:
    async with deployment(tmp_path) as (file, _):
        for answer in ("0", "8"):
            async with gateway(file, "--set", "sessions.nyfix.reset_seq_num_on_logon=true") as process:
                client = await strategy(tmp_path)
                await client.say(BUY.format("A1"))
                assert (await client.hear())[39] == answer
                os.kill(process.pid, 9)
                await client.stream.aclose()


async def test_a_journal_whose_ids_have_other_keys_is_not_gone_on_with_but_archived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = tmp_path / "state"
    async with deployment(tmp_path) as (file, _):
        async with gateway(file) as process:
            assert await ended(process) == 0
        monkeypatch.setattr(past, "VERSION", past.VERSION + 1)
        before = sorted(path.name for path in state.rglob("*"))
        said = refused(file)
        assert f"written by build {build_id()}, which knew ids by other keys" in said and "--begin-anew" in said
        assert sorted(path.name for path in state.rglob("*")) == before, "nothing has changed"
        archive(state, restart(DirStore(state), None, boot_id()), Anew())
        assert list((state / "archive").iterdir())


async def test_a_journal_whose_end_may_be_missing_is_not_archived(tmp_path: Path) -> None:
    async with deployment(tmp_path) as (file, _):
        async with gateway(file) as process:
            os.kill(process.pid, 9)
            await process.wait()
        ring_path(tmp_path / "state").unlink()  # as a loss of power does
        assert "its end may be missing (the machine went down)" in refused(file, Anew())
        async with gateway(file) as process:
            assert await ended(process) == 0
        async with gateway(file, "--begin-anew") as process:
            assert await ended(process) == 0


async def test_a_death_on_the_way_is_finished_by_the_next_start(tmp_path: Path) -> None:
    state = tmp_path / "state"
    async with deployment(tmp_path) as (file, _):
        async with gateway(file) as process:
            assert await ended(process) == 0
        before = archive(state, restart(DirStore(state), None, boot_id()), Anew())
        folder = state / before.archive

        # It was written down, and nothing has moved: the journal is where it was, and goes on.
        shutil.move(folder / "journal", state / "journal")
        shutil.move(folder / "watermarks", state / "watermarks")
        assert finish(state) is None and not (state / "begun-anew.json").exists()

        # The journal has moved, its ring and watermarks have not.
        before = archive(state, restart(DirStore(state), None, boot_id()), Anew())
        folder = state / before.archive
        shutil.move(folder / "watermarks", state / "watermarks")
        ring_path(state).write_bytes(b"what was in the ring is in the archive")
        assert finish(state) == before and (folder / "watermarks").exists() and not ring_path(state).exists()

        # All of it has, and the new life has not begun: an ordinary start begins it, with the numbers that the venue knows.
        async with gateway(file) as process:
            assert min(await venue_numbers(tmp_path)) > 5
            assert await ended(process) == 0


async def test_what_goes_on_of_each_session(tmp_path: Path) -> None:
    """Numbers and ids, or on a new day ids alone; and where what was archived before has not gone on yet, at least its numbers."""
    state = tmp_path / "state"
    venue, seat = "venue generic_fix44 GW to VENUE", "strategy STRAT to GW"
    async with deployment(tmp_path) as (file, _):
        async with gateway(file) as process:
            client = await strategy(tmp_path)
            await filled(client, BUY.format("A1"))
            await filled(client, SELL.format("A2"))
            assert await ended(process, client) == 0

        def carried(anew: Anew, earlier: Before | None = None) -> dict[str, Carried]:
            before = archive(state, restart(DirStore(state), None, boot_id()), anew, earlier)
            for name in ("journal", "watermarks"):
                shutil.move(state / before.archive / name, state / name)
            return before.connections

        plain = carried(Anew())
        assert min(plain[venue].rx, plain[venue].tx) > 5 and min(plain[seat].rx, plain[seat].tx) > 2
        assert plain[venue].token == 3, "two ClOrdIDs have been used"
        new_day = carried(Anew(numbers_from_one=True))
        assert new_day == {venue: replace(plain[venue], rx=1, tx=1), seat: replace(plain[seat], rx=1, tx=1)}
        earlier = Before("archive/x", (), {venue: Carried(500, 600, 700)})
        assert carried(Anew(), earlier) == {**plain, venue: replace(plain[venue], rx=500, tx=600, token=700)}


def test_nothing_archived_is_nothing_to_finish(tmp_path: Path) -> None:
    assert finish(tmp_path) is None


def test_a_journal_that_is_nowhere_is_refused_rather_than_begun_at_one(tmp_path: Path) -> None:
    file = tmp_path / "begun-anew.json"
    file.write_text('{"archive": "archive/x", "positions": [], "connections": {}, "paused": []}')
    with pytest.raises(ConfigError, match=r"neither in archive/x nor in its place; put it back, or remove this file: then numbers and ids begin at 1"):
        finish(tmp_path)
    assert file.exists()


def test_an_archive_that_was_taken_away_later_is_not_missed(tmp_path: Path) -> None:
    (tmp_path / "begun-anew.json").write_text('{"archive": "archive/x", "positions": [], "connections": {}, "paused": []}')
    (tmp_path / "journal").mkdir()
    assert finish(tmp_path) is None


def test_what_goes_on_and_cannot_be_read_is_refused(tmp_path: Path) -> None:
    for content in (b"{", b"[]", b'{"archive": "x", "positions": [], "connections": {"venue": {"rx": 5, "color": 1}}, "paused": []}'):
        (tmp_path / "begun-anew.json").write_bytes(content)
        with pytest.raises(ConfigError, match=r"begun-anew.json: .*; it holds the numbers that go on from an archived journal: restore it"):
            finish(tmp_path)


def test_a_note_names_the_archive_and_what_was_forgotten_and_is_bounded() -> None:
    assert Before("archive/x", (), {}).note == b"begun anew from archive/x"
    assert len(Before("archive/x", ("A" * 5000,), {}).note) == 1024


def test_what_is_written_down_comes_back(tmp_path: Path) -> None:
    (tmp_path / "archive/x/journal").mkdir(parents=True)
    (tmp_path / "archive/x/watermarks").touch()
    connections = {"venue": {"rx": 5, "tx": 6, "token": 7, "last_id": 0, "values": {"session": "S1"}}}
    (tmp_path / "begun-anew.json").write_text(json.dumps({"archive": "archive/x", "positions": ["ACC IBM 100"], "connections": connections, "paused": [["firm", ""]]}))
    assert finish(tmp_path) == Before("archive/x", ("ACC IBM 100",), {"venue": Carried(5, 6, 7, 0, {"session": "S1"})}, (("firm", ""),))
