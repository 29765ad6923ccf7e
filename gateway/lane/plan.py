"""Who is which number in a lane: connections, venues, accounts, strategies and instruments, from the configuration.

Index 0 of venues, accounts, strategies and instruments is what has no known owner, so the first configured name is 1; connection 0 is
the lane itself. Then come the sessions with venues, the strategies' sessions (one for each door's protocol it may use), and last the
places for accepted sockets that are nobody's yet.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from gateway.config import ApiDoor, Config, FixDoor, Session, Strategy
from gateway.errors import ConfigError
from gateway.instruments import Instruments
from gateway.venues.spec import VenueSpec
from gateway.venues.table import VENUES

# Sockets that may be between accept and logon at one door: enough for all strategies of a firm to come back at once, and so few
# that strangers who say nothing cannot take the connections of the others.
LOGONS_MAX = 16
NOBODY = "-"  # the name at index 0; no name in a configuration can be this one


class Family(StrEnum):
    """Families of framing and numbering."""

    FIX = "fix"
    SOUP = "soup"
    API = "order_api"


@dataclass(frozen=True, slots=True)
class VenueLink:
    """A session with a venue."""

    conn: int
    name: str
    family: Family
    venue: int
    spec: VenueSpec
    config: Session


@dataclass(frozen=True, slots=True)
class Seat:
    """A strategy's session through the doors of one protocol: numbers and reports outlive its sockets."""

    conn: int
    name: str
    family: Family
    strategy: int
    config: Strategy
    sender: str = ""
    """FIX: our comp id toward it."""


@dataclass(frozen=True, slots=True)
class Doorway:
    """Places for accepted sockets of one door, until it is known who they are."""

    conns: range
    name: str
    family: Family
    config: ApiDoor | FixDoor


@dataclass(frozen=True, slots=True)
class Plan:
    """All numbers of one lane."""

    venues: tuple[str, ...]
    accounts: tuple[str, ...]
    strategies: tuple[str, ...]
    symbols: tuple[str, ...]
    links: tuple[VenueLink, ...]
    seats: tuple[Seat, ...]
    doors: tuple[Doorway, ...]
    conn_count: int

    def entities(self, scope: str) -> tuple[str, ...]:
        """The names of a kind of scope, by their numbers; of the firm, which has no name, the empty one."""
        return {"firm": ("",), "venue": self.venues, "account": self.accounts, "strategy": self.strategies, "symbol": self.symbols}[scope]

    @property
    def sessions(self) -> tuple["VenueLink | Seat", ...]:
        """Every session whose numbers outlive its sockets."""
        return (*self.links, *self.seats)

    def name_of(self, conn: int) -> str:
        """A connection as people call it: lane, sessions.NAME, strategies.NAME or doors.NAME."""
        if conn == 0:
            return "lane"
        for link in self.links:
            if link.conn == conn:
                return f"sessions.{link.name}"
        for seat in self.seats:
            if seat.conn == conn:
                return f"strategies.{seat.name}"
        return next((f"doors.{door.name}" for door in self.doors if conn in door.conns), f"connection {conn}")


DOOR_FAMILIES = {"order_api": Family.API, "fix44": Family.FIX}


def plan(config: Config, instruments: Instruments) -> Plan:
    """Number everything. Raises: ConfigError where the configuration asks for more than it makes room for."""
    problems: list[str] = []
    venues = (NOBODY, *dict.fromkeys([*(s.venue for s in config.sessions.values()), *(row.venue for row in instruments.rows)]))
    accounts = (NOBODY, *dict.fromkeys(account for strategy in config.strategies.values() for account in strategy.accounts))
    strategies = (NOBODY, *config.strategies)
    taken: dict[str, str] = {}
    for name, session in config.sessions.items():
        if (other := taken.setdefault(session.venue, name)) != name:
            problems.append(f"sessions.{name}: venue {session.venue} already has sessions.{other}; one session a venue")
    links = tuple(
        VenueLink(conn, name, Family(VENUES[session.venue].session), venues.index(session.venue), VENUES[session.venue], session)
        for conn, (name, session) in enumerate(config.sessions.items(), 1)
    )
    seats = tuple(_seats(config, strategies, 1 + len(links), problems))
    first = 1 + len(links) + len(seats)
    room = config.tables.connections - first
    each = min(LOGONS_MAX, room // len(config.doors))
    if each < 1:
        problems.append(
            f"tables.connections: {config.tables.connections} is too few: {len(links)} sessions, {len(seats)} strategies' sessions "
            f"and a logon at each of {len(config.doors)} doors need {first + len(config.doors)}"
        )
    if problems:
        raise ConfigError(problems)
    doors = tuple(
        Doorway(range(first + i * each, first + (i + 1) * each), name, DOOR_FAMILIES[door.protocol], door)
        for i, (name, door) in enumerate(config.doors.items())
    )
    return Plan(venues, accounts, strategies, (NOBODY, *instruments.symbols), links, seats, doors, first + each * len(doors))


def _seats(config: Config, strategies: tuple[str, ...], conn: int, problems: list[str]) -> Iterator[Seat]:
    """A strategy that may log on at the doors of both protocols has a session for each: their ids and numbers have nothing in common."""
    senders = list(dict.fromkeys(door.sender for door in config.doors.values() if isinstance(door, FixDoor)))
    api = any(isinstance(door, ApiDoor) for door in config.doors.values())
    for name, strategy in config.strategies.items():
        number = strategies.index(name)
        usable = False
        if strategy.key_file is not None and api:
            usable = True
            yield Seat(conn, name, Family.API, number, strategy)
            conn += 1
        for sender in senders if strategy.comp_id is not None else ():
            usable = True
            yield Seat(conn, name, Family.FIX, number, strategy, sender)
            conn += 1
        if not usable:
            problems.append(f"strategies.{name}: no door speaks a protocol it may log on with; add a door or give it comp_id or key_file")
