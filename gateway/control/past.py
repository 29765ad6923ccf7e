"""Applies a journal to a lane, each life with the tables of its own START, and says what control must know of the earlier lives."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.config import Config
from gateway.errors import ConfigError
from gateway.journal.record import Kind
from gateway.journal.restart import Found
from gateway.lane import effective
from gateway.lane.effective import Effective
from gateway.lane.lane import Lane
from gateway.lane.native import lib
from gateway.lane.plan import Plan, plan
from gateway.lane.records import notes, pauses, session_values
from gateway.lane.replay import restart_survived, start_payload
from gateway.lane.tables import Tables

VERSION = lib.GW_REC_VER  # of the records that this build writes


@dataclass
class Past:
    """What the journal says of earlier lives: their number, what the last one ran with, how many began with a lost tail, session values and notes."""

    epoch: int = 0
    effects: bytes = b""
    losses: int = 0
    levels: tuple[str, ...] = ()
    """Of the last lives: what is waited for at group and sync has not left, so that a lost tail takes nothing that anybody knows of."""
    values: dict[int, dict[str, str]] = field(default_factory=dict)
    notes: list[bytes] = field(default_factory=list)
    paused: dict[tuple[int, int], str] = field(default_factory=dict)
    """Kind and number of each paused scope → who paused it, and why."""
    last_ns: int = 0
    """Time of the last record."""
    other_keys: bool = False
    """There are records of a version that knew ids by other keys: what was used then would not be recognised."""

    @property
    def then(self) -> Effective:
        """What the last life ran with."""
        return effective.from_bytes(self.effects)


def apply_all(lane: Lane, found: Found, config: Config, numbers: Plan, secrets: Mapping[str, str]) -> Past:
    """Apply the whole journal, each life with the tables of its own START.

    Raises: ConfigError for a journal that means other things by its numbers.
    """
    past = Past()
    for raw in found.raw():
        kind = raw[8]
        past.last_ns = int.from_bytes(raw[32:40], "little")
        past.other_keys |= raw[9] != VERSION
        if kind == Kind.START:
            past.epoch = max(past.epoch, 1)
            past.effects = start_payload(bytes(raw))
            then = past.then
            past.levels = (*past.levels[-1:], then.config.journal.level)
            different = _other_numbers(then.config, plan(then.config, then.instruments), config, numbers)
            if different:
                raise ConfigError(
                    [
                        f"{config.state_dir}: its journal was begun with other {', '.join(different)}, and its records are written in their "
                        "numbers; give it those again, or archive it and begin another with --begin-anew"
                    ]
                )
            lane.retable(Tables(then.config, plan(then.config, then.instruments), then.instruments, {**then.starred(), **secrets}))
        elif kind == Kind.RESTART:
            past.epoch += 1
            past.losses += not restart_survived(bytes(raw)) and "async" in past.levels
        elif kind == Kind.COMMAND:
            record = bytes(raw)
            for conn, values in session_values(record):
                past.values.setdefault(conn, {}).update(values)
            past.notes += (words := notes(record))
            for kind_of_scope, entity, paused in pauses(record):
                if paused:
                    past.paused[kind_of_scope, entity] = b"".join(words).decode(errors="replace")
                else:
                    past.paused.pop((kind_of_scope, entity), None)
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
