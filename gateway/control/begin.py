"""How a gateway begins: alone on its state, restored from its journal or new, and nothing sent before the beginning is durable (SEAM T8).

lock → latch → journal checked and drained → every record applied → ring and writer → the START record, or what this restart concludes.
"""

import base64
import binascii
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.config import Config, read_secrets
from gateway.control.core import Core
from gateway.control.furnish import furnish
from gateway.control.inputs import Begun
from gateway.control.logins import verifier
from gateway.errors import ConfigError
from gateway.instruments import Instruments
from gateway.journal.journal import MIB, Journal, JournalConfig, attach_ring, boot_id
from gateway.journal.lock import lock_state
from gateway.journal.reader import JournalReader
from gateway.journal.record import HEAD, Kind
from gateway.journal.restart import Found, restart
from gateway.journal.store import DirStore
from gateway.lane import effective
from gateway.lane.driver import ThreadDriver
from gateway.lane.plan import Plan, plan
from gateway.lane.records import session_values
from gateway.lane.replay import build_id, restart_survived, start_payload
from gateway.lane.tables import Tables
from gateway.seams import Clock, Rng
from risk import latch

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

    def close(self) -> None:
        """End what runs; everything that was appended becomes durable. Raises: JournalFailed."""
        self.lane.end()
        try:
            self.journal.stop()
        finally:
            os.close(self.lock)


def begin(config: Config, instruments: Instruments, environ: Mapping[str, str], clock: Clock, rng: Rng) -> House:
    """Take the state folder, restore what was, and begin to write; the lane does not run yet.

    Raises: ConfigError; StateInUse naming the holder; JournalDamaged, JournalError, JournalFailed; LaneFault; OSError.
    """
    numbers = plan(config, instruments)
    secrets = read_secrets(config, environ)
    keys = {name: read_key(strategy.key_file, name) for name, strategy in config.strategies.items() if strategy.key_file is not None}
    tables = Tables(config, numbers, instruments, secrets)
    state_dir = config.state_dir
    state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = lock_state(state_dir)
    try:
        found = restart(DirStore(state_dir), attach_ring(state_dir), boot_id())
        latch_path = state_dir / "latch"
        latch.ensure(latch_path, int.from_bytes(rng.token(8), "little"), clock.now_ns(), found.next_lsn == 1, "gateway")
        lane = ThreadDriver(tables, str(latch_path))
        lane.old = _old(state_dir)
        past = _apply(lane, found, config, numbers, secrets)
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
    core = furnish(config, numbers, rng, verifier(keys), past.values)
    losses = past.losses + (not found.ring_survived and "async" in past.levels[-1:])
    begun = Begun(past.epoch + 1, losses + 1, tuple(lane.view(conn) for conn in range(1, numbers.conn_count)))
    return House(config, instruments, numbers, lock, latch_path, lane, journal, core, begun, found.next_lsn, found.next_lsn > 1)


def read_key(file: Path, strategy: str) -> bytes:
    """The key in `file`, NAME:BASE64. Raises: ConfigError that names the file, never the key."""
    try:
        name, colon, text = file.read_text().strip().partition(":")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"strategies.{strategy}: key_file: {file}: {getattr(error, 'strerror', None) or 'not text'}; `make build` makes the demo's"]) from None
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
    ring = 1 << (config.journal.ring_mib * MIB - 1).bit_length()
    return JournalConfig(level=config.journal.level, ring_bytes=ring, segment_bytes=config.journal.segment_mib * MIB)


def _old(state_dir: Path) -> Any:
    """Reads records that have left the ring."""
    reader = JournalReader(state_dir)

    def read(lsn: int) -> bytes | None:
        found = reader.cursor(lsn).read(1)
        return HEAD.pack(*found[0][0]) + found[0][1] if found and found[0][0].lsn == lsn else None

    return read


@dataclass
class _Past:
    """What the journal says of earlier lives: their number, what the last one ran with, how many began with a lost tail, and the session values."""

    epoch: int = 0
    effects: bytes = b""
    losses: int = 0
    levels: tuple[str, ...] = ()
    """Of the last lives: what is waited for at group and sync has not left, so that a lost tail takes nothing that anybody knows of."""
    values: dict[int, dict[str, str]] = field(default_factory=dict)


def _apply(lane: ThreadDriver, found: Found, config: Config, numbers: Plan, secrets: Mapping[str, str]) -> _Past:
    """Apply the whole journal, each life with the tables of its own START.

    Raises: ConfigError for a journal that means other things by its numbers.
    """
    past = _Past()
    for raw in found.raw():
        kind = raw[8]
        if kind == Kind.START:
            past.epoch = max(past.epoch, 1)
            past.effects = start_payload(bytes(raw))
            then = effective.from_bytes(past.effects)
            past.levels = (*past.levels[-1:], then.config.journal.level)
            different = _other_numbers(then.config, plan(then.config, then.instruments), config, numbers)
            if different:
                raise ConfigError(
                    [
                        f"{config.state_dir}: its journal was begun with other {', '.join(different)}, and its records are written in their "
                        "numbers; give it those again, or another state_dir"
                    ]
                )
            lane.retable(Tables(then.config, plan(then.config, then.instruments), then.instruments, {**then.starred(), **secrets}))
        elif kind == Kind.RESTART:
            past.epoch += 1
            past.losses += not restart_survived(bytes(raw)) and "async" in past.levels
        elif kind == Kind.COMMAND:
            for conn, values in session_values(bytes(raw)):
                past.values.setdefault(conn, {}).update(values)
        lane.apply(raw)
    return past


def _other_numbers(config: Config, numbers: Plan, config_now: Config, now: Plan) -> list[str]:
    """What has other numbers now than then."""
    different = [name for name in ("venues", "accounts", "strategies", "symbols") if getattr(numbers, name) != getattr(now, name)]
    if [(link.conn, link.name, link.family) for link in numbers.links] != [(link.conn, link.name, link.family) for link in now.links]:
        different.append("sessions")
    if [(seat.conn, seat.name, seat.sender) for seat in numbers.seats] != [(seat.conn, seat.name, seat.sender) for seat in now.seats]:
        different.append("strategies' doors")
    if config.tables != config_now.tables or numbers.conn_count != now.conn_count:
        different.append("tables")
    return different
