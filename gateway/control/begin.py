"""How a gateway begins: alone on its state, restored from its journal or new, and nothing sent before the beginning is durable (SEAM T8).

lock → latch → journal checked and drained → every record applied → ring and writer → the START record, or what this restart concludes.
"""

import base64
import binascii
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.config import Config, read_secrets
from gateway.control.anew import Anew, archive, beginning, finish, told
from gateway.control.core import Core
from gateway.control.furnish import furnish
from gateway.control.inputs import Begun
from gateway.control.logins import verifier
from gateway.control.past import apply_all
from gateway.errors import ConfigError
from gateway.instruments import Instruments
from gateway.journal.journal import MIB, Journal, JournalConfig, attach_ring, begin_anew, boot_id
from gateway.journal.lock import lock_state
from gateway.journal.reader import JournalReader
from gateway.journal.record import HEAD
from gateway.journal.restart import restart
from gateway.journal.store import DirStore
from gateway.lane import effective
from gateway.lane.driver import ThreadDriver
from gateway.lane.plan import Plan, plan
from gateway.lane.replay import build_id
from gateway.lane.tables import Tables
from gateway.seams import Clock, Rng
from risk import latch
from risk.latch import KINDS

KEY_BYTES_MIN = 16


@dataclass
class House:
    """Everything a running gateway holds, in the order in which it is given up: last first."""

    config: Config
    instruments: Instruments
    plan: Plan
    lock: int
    latch_path: Path
    lane: ThreadDriver
    journal: Journal
    core: Core
    begun: Begun
    first_lsn: int
    """Of the record with which this life began; nothing may leave before it is durable."""
    restarted: bool
    paused: dict[tuple[str, str], str]
    """Kind and name of each scope that is paused as this life begins → who paused it, and why."""
    cut: str
    """What was cut off the journal's end, and why; empty if nothing was."""
    ring_survived: bool
    """Nothing that the last life appended is missing."""
    archived: tuple[str, ...] = ()
    """For people: what became of the journal before this one, where this life is the first behind it."""

    def close(self) -> None:
        """End what runs; everything that was appended becomes durable. Raises: JournalFailed."""
        self.lane.end()
        try:
            self.journal.stop()
        finally:
            os.close(self.lock)


def _may_use(core: int) -> bool:
    """May a thread of ours ask to run there? Where this one runs says nothing: the lane often has a core that control stays away from."""
    here = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {core})
    except (OSError, OverflowError):
        return False
    os.sched_setaffinity(0, here)
    return True


def begin(config: Config, instruments: Instruments, environ: Mapping[str, str], clock: Clock, rng: Rng, wanted: Anew | None = None) -> House:
    """Take the state folder, restore what was, and begin to write; the lane does not run yet. `wanted`: archive the journal first.

    Raises: ConfigError; StateInUse naming the holder; JournalDamaged, JournalError, JournalFailed; LaneFault; OSError.
    """
    numbers = plan(config, instruments)
    if config.lane.core >= 0 and not _may_use(config.lane.core):
        cores = ", ".join(str(core) for core in range(os.cpu_count() or 1) if _may_use(core))
        raise ConfigError([f"lane.core: {config.lane.core} is no core that this process may use; one of {cores}, or -1"])
    secrets = read_secrets(config, environ)
    keys = {name: read_key(strategy.key_file, name) for name, strategy in config.strategies.items() if strategy.key_file is not None}
    tables = Tables(config, numbers, instruments, secrets)
    state_dir = config.state_dir
    state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = lock_state(state_dir)
    try:
        if not config.keep_state:
            begin_anew(state_dir)
        before = finish(state_dir)
        found = restart(DirStore(state_dir), attach_ring(state_dir), boot_id())
        if wanted is not None and found.next_lsn > 1:
            before = archive(state_dir, found, wanted, before)
            found = restart(DirStore(state_dir), attach_ring(state_dir), boot_id())
        latch_path = state_dir / "latch"
        latch.ensure(latch_path, int.from_bytes(rng.token(8), "little"), clock.now_ns(), found.next_lsn == 1 and before is None, "gateway")
        lane = ThreadDriver(tables, str(latch_path))
        lane.old = _old(state_dir)
        past = apply_all(lane, found, config, numbers, secrets)
        if past.other_keys:
            raise ConfigError(
                [
                    f"{state_dir}: its journal was written by build {past.then.build}, which knew ids by other keys: an order or an execution that comes again would "
                    "not be recognised; run that build until nothing is open and stop it, then begin another journal with this one and --begin-anew"
                ]
            )
        journal = Journal.begin(found, state_dir, _journal_config(config), rng, epoch=past.epoch + 1, build_id=build_id().encode())
        lane.journal_to(journal.ring_address, journal.journal_address)
        effects = effective.to_bytes(config, instruments, secrets, build_id())
        if past.effects != effects:
            lane.retable(tables)
            lane.start(effects)
        if found.next_lsn > 1:
            lane.restarted(found.ring_survived)
    except BaseException:
        os.close(lock)
        raise
    losses = past.losses + (not found.ring_survived and "async" in past.levels[-1:])
    start = beginning(before, past, numbers, lane)
    core = furnish(config, numbers, rng, verifier(keys), start.values)
    begun = Begun(past.epoch + 1, losses + 1, start.connections, start.batches)
    paused = {(KINDS[kind], numbers.entities(KINDS[kind])[entity]): why for (kind, entity), why in past.paused.items()}
    if start.batches and before is not None:
        paused |= dict.fromkeys(before.paused, before.note.decode(errors="replace"))
    archived = tuple(told(before, numbers)) if before is not None and start.batches else ()
    first = found.next_lsn
    return House(
        config, instruments, numbers, lock, latch_path, lane, journal, core, begun, first, first > 1, paused, found.cut, found.ring_survived, archived
    )


def read_key(file: Path, strategy: str) -> bytes:
    """The key in `file`, NAME:BASE64. Raises: ConfigError that names the file, never the key."""
    try:
        name, colon, text = file.read_text().strip().partition(":")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"strategies.{strategy}.key_file: {file}: {getattr(error, 'strerror', None) or 'not text'}; `make build` makes the demo's"]) from None
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error:
        key = b""
    if not colon or len(key) < KEY_BYTES_MIN:
        raise ConfigError([f"{file}:1: not a key; {strategy}:BASE64 of at least {KEY_BYTES_MIN} random bytes is right"])
    if name != strategy:
        raise ConfigError([f"{file}:1: the key of {name}; strategies.{strategy} needs its own, {strategy}:BASE64"])
    return key


def _journal_config(config: Config) -> JournalConfig:
    # Written ahead, a segment is synced sooner, which only matters where somebody waits for it.
    waits = config.journal.level != "async"
    return JournalConfig(level=config.journal.level, ring_bytes=config.journal.ring_mib * MIB, segment_bytes=config.journal.segment_mib * MIB, prewrite=waits)


def _old(state_dir: Path) -> Any:
    """Reads records that have left the ring."""
    reader = JournalReader(state_dir)

    def read(lsn: int) -> bytes | None:
        found = reader.cursor(lsn).read(1)
        return HEAD.pack(*found[0][0]) + found[0][1] if found and found[0][0].lsn == lsn else None

    return read
