"""Beginning anew: a drained journal is put into an archive, and its numbers and ids go on in the next one (docs/decisions.md).

Steps, each of which a death may follow: what goes on is written down → the journal moves → its ring goes → its watermarks move. `finish`
does what is left of them at every start; the first commands of the new life then set the numbers, with a note by which a later life knows
that it is done.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gateway.control.past import Past, apply_all
from gateway.decimals import to_text
from gateway.errors import ConfigError
from gateway.journal.journal import ring_path
from gateway.journal.restart import Found
from gateway.journal.store import BEGUN_ANEW, WATERMARKS
from gateway.lane import commands, effective
from gateway.lane.commands import Part
from gateway.lane.driver import InlineDriver
from gateway.lane.lane import ConnView, Lane
from gateway.lane.native import lib
from gateway.lane.plan import Family, Plan, Seat, VenueLink, plan
from gateway.lane.replay import start_payload
from gateway.lane.tables import Tables
from gateway.lane.views import positions
from gateway.seams import Disk, SystemDisk
from risk.latch import KINDS
from risk.words import utc

NOTE = b"begun anew from "
NOTE_BYTES = 1024  # of a note that names the positions that were left behind
BATCH_PARTS = 40  # of a batch, which has room for a hundred
NO_WIRE = 64  # bytes of a connection's buffers in a lane that is only given a journal


@dataclass(frozen=True, slots=True)
class Anew:
    """What the person who begins anew has said."""

    positions_forgotten: bool = False
    numbers_from_one: bool = False
    """FIX numbers begin at 1 on both sides, as agreed with the peers; ids go on all the same."""


@dataclass(frozen=True, slots=True)
class Carried:
    """What goes on of one connection: its next numbers (1 where they begin anew), the last id its strategy used, its session values."""

    rx: int = 1
    tx: int = 1
    token: int = 1
    last_id: int = 0
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Before:
    """The journal that was archived: where, what of its positions was forgotten, and what goes on, by the name of `identity`."""

    archive: str
    positions: tuple[str, ...]
    connections: dict[str, Carried]
    paused: tuple[tuple[str, str], ...] = ()
    """Kind and name of each scope that an operator had paused."""

    def carried(self, connection: VenueLink | Seat) -> Carried:
        """What goes on of a session of the new configuration; of one that is new, nothing."""
        return self.connections.get(identity(connection), Carried())

    @property
    def note(self) -> bytes:
        """The words that stand in the new journal once the numbers do."""
        left = f"; positions forgotten: {', '.join(self.positions)}" if self.positions else ""
        return (NOTE + self.archive.encode() + left.encode())[:NOTE_BYTES]


def identity(connection: VenueLink | Seat) -> str:
    """Who a session is to its peer: what stays where a configuration calls it something else."""
    config: Any = connection.config
    if isinstance(connection, Seat):
        return f"strategy {connection.name} order_api" if connection.family is Family.API else f"strategy {config.comp_id} to {connection.sender}"
    own = f"{config.sender} to {config.target}" if connection.family is Family.FIX else config.username
    return f"venue {config.venue} {own}"


def archive(state_dir: Path, found: Found, wanted: Anew, earlier: Before | None = None, disk: Disk | None = None) -> Before:
    """Move a drained journal away, and say what goes on of it. `earlier`: what was archived before it, and may not have gone on yet.

    Raises: ConfigError with everything that is still at stake, and nothing has changed. OSError.
    """
    lane, past = _old_lane(found)
    then = past.then
    numbers = plan(then.config, then.instruments)
    problems = list(_at_stake(found, lane))
    held = [f"{each.account} {each.symbol} {to_text(each.quantity, each.qty_exp)}" for each in positions(lane, numbers, then.instruments) if each.quantity]
    if held and not wanted.positions_forgotten:
        problems.append(
            f"it ends with positions: {', '.join(held)}; the new journal begins with none, and position limits count from there. Make them flat, "
            "or say --positions-forgotten"
        )
    if problems:
        raise ConfigError([f"{state_dir}: the journal cannot be archived: {problem}" for problem in problems])
    stamp = utc(past.last_ns).replace("-", "").replace(":", "")
    name = next(name for n in range(1, 10_000) if not (state_dir / (name := f"archive/{stamp}{f'-{n}' if n > 1 else ''}")).exists())
    pending = earlier if earlier is not None and earlier.note not in past.notes else None
    going_on = {identity(each): _carried(lane.view(each.conn), each, past, wanted, pending) for each in numbers.sessions}
    paused = tuple((KINDS[kind], numbers.entities(KINDS[kind])[entity]) for kind, entity in past.paused)
    before = Before(name, tuple(held), going_on, paused)
    (disk or SystemDisk()).replace(state_dir / BEGUN_ANEW, json.dumps(asdict(before), indent=1).encode() + b"\n")
    (state_dir / name).mkdir(parents=True, mode=0o700)
    os.rename(state_dir / "journal", state_dir / name / "journal")
    _move_the_rest(state_dir, before)
    return before


def finish(state_dir: Path) -> Before | None:
    """What goes on of an archived journal, its move brought to its end; None where nothing was archived. Under the lock.

    Raises: ConfigError where the file that says so cannot be read: numbers may have been used that nobody else knows of.
    """
    file = state_dir / BEGUN_ANEW
    try:
        values = json.loads(file.read_bytes())
        connections = {name: Carried(**each) for name, each in values["connections"].items()}
        before = Before(values["archive"], tuple(values["positions"]), connections, tuple((kind, name) for kind, name in values["paused"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ConfigError([f"{file}: {error}; it holds the numbers that go on from an archived journal: restore it"]) from None
    here, there = ((folder / "journal").is_dir() for folder in (state_dir, state_dir / before.archive))
    if here and not there:
        file.unlink()  # written down, and not a step further: the journal is where it was
        return None
    if not here and not there:
        text = f"the journal is neither in {before.archive} nor in its place; put it back, or remove this file: then numbers and ids begin at 1"
        raise ConfigError([f"{file}: {text}"])
    if not here and not (state_dir / before.archive / WATERMARKS).exists():
        _move_the_rest(state_dir, before)
    return before


def _move_the_rest(state_dir: Path, before: Before) -> None:
    """The ring's records are in the archive's segments; the watermarks go last, so that their place says whether all is done."""
    ring_path(state_dir).unlink(missing_ok=True)
    os.rename(state_dir / WATERMARKS, state_dir / before.archive / WATERMARKS)
    for folder in (state_dir / before.archive, state_dir):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@dataclass(frozen=True, slots=True)
class Beginning:
    """How control begins: the connections as they are once `batches`, the first ones, are done, and the session values it remembers."""

    connections: tuple[ConnView, ...]
    values: Mapping[int, Mapping[str, str]]
    batches: tuple[tuple[Part, ...], ...] = ()


def beginning(before: Before | None, past: Past, numbers: Plan, lane: Lane) -> Beginning:
    """As the journal says, and behind an archived one, unless that is done, every number at least where it stood there. Nothing goes down."""
    views = {conn: lane.view(conn) for conn in range(1, numbers.conn_count)}
    if before is None:
        return Beginning(tuple(views.values()), past.values)
    values = {each.conn: {**before.carried(each).values, **past.values.get(each.conn, {})} for each in numbers.sessions}
    for each in numbers.sessions:
        # The lane knows no id that was used before its journal began; a strategy is told of them all the same.
        views[each.conn] = views[each.conn]._replace(last_id=max(views[each.conn].last_id, before.carried(each).last_id))
    if before.note in past.notes:
        return Beginning(tuple(views.values()), values)
    parts: list[Part] = []
    for each in numbers.sessions:
        there, here = before.carried(each), views[each.conn]
        nexts = ((lib.GW_NEXT_RX, there.rx, here.rx_next), (lib.GW_NEXT_TX, there.tx, here.tx_next), (lib.GW_NEXT_TOKEN, there.token, here.token_next))
        parts += [commands.set_next(here.at, which, n) for which, n, now in nexts if n > now]
        if there.last_id:
            parts.append(commands.burnt(here.at, there.last_id))
        views[each.conn] = here._replace(
            rx_next=max(here.rx_next, there.rx), tx_next=max(here.tx_next, there.tx), token_next=max(here.token_next, there.token)
        )  # fmt: skip
    for kind, name in before.paused:
        if name in (names := numbers.entities(kind)):
            parts.append(commands.pause(KINDS.index(kind), names.index(name)))
    batches = [tuple(parts[at : at + BATCH_PARTS]) for at in range(0, len(parts), BATCH_PARTS)] or [()]
    return Beginning(tuple(views.values()), values, (*batches[:-1], (*batches[-1], commands.note(before.note))))


def _old_lane(found: Found) -> tuple[Lane, Past]:
    """A lane with the numbers of the journal's own first record, and all of it applied."""
    then = effective.from_bytes(start_payload(bytes(next(found.raw()))))
    numbers = plan(then.config, then.instruments)
    lane = InlineDriver(Tables(then.config, numbers, then.instruments, then.starred()), None, 0, wire_bytes=NO_WIRE)
    return lane, apply_all(lane, found, then.config, numbers, then.starred())


def _at_stake(found: Found, lane: Lane) -> Iterator[str]:
    """Why this journal is not drained."""
    if not found.ring_survived:
        yield (
            "its end may be missing (the machine went down): start it once more with its own configuration, so that the venues tell what it "
            "lacks, and end it with SIGTERM"
        )
    counts = lane.counts()
    if counts.open_orders:
        doubt = f", {counts.in_doubt} of them in doubt" if counts.in_doubt else ""
        yield (
            f"it ends with {counts.open_orders} open orders{doubt}: start it once more with its own configuration, let them end (`gateway orders`, "
            '`killswitch engage`), and end it with SIGTERM, which cancels what is open unless on_shutdown = "leave"'
        )


def _carried(view: ConnView, each: VenueLink | Seat, past: Past, wanted: Anew, pending: Before | None) -> Carried:
    known = Carried() if pending is None else pending.carried(each)
    last_id = max(view.last_id, known.last_id)
    if isinstance(each, Seat) and each.family is Family.API:
        return Carried(last_id=last_id)
    from_one = wanted.numbers_from_one and each.family is Family.FIX
    rx, tx = (1, 1) if from_one else (max(view.rx_next, known.rx), max(view.tx_next, known.tx))
    return Carried(rx, tx, max(view.token_next, known.token), last_id, {**known.values, **past.values.get(each.conn, {})})


def told(before: Before, numbers: Plan) -> Iterable[str]:
    """For the person who typed it."""
    yield f"the old journal is in {before.archive} of the state folder; `gateway journal print` and `gateway replay` read it there"
    if before.positions:
        yield f"positions forgotten: {', '.join(before.positions)}"
    here = {identity(each) for each in numbers.sessions}
    if lost := [name for name in before.connections if name not in here]:
        yield f"numbers that nobody goes on with, because the configuration has no such session any more: {', '.join(lost)}"


