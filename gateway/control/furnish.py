"""Furnishes a core from the configuration: a session machine and a tongue for every connection of the plan."""

from collections.abc import Mapping

from gateway.codecs import codec, fix
from gateway.config import Config, FixDoor, FixSession, SoupSession, secret_name
from gateway.control.core import Core
from gateway.control.line import Link, Place, SeatLine
from gateway.control.logins import Verify
from gateway.control.tongue import FixTongue, LayoutTongue, Tongue
from gateway.lane.plan import Doorway, Family, Plan, Seat, VenueLink
from gateway.lane.tables import PROTOCOLS
from gateway.seams import Rng
from gateway.sessions.actions import SECOND, SecretRef, Session
from gateway.sessions.fix import FixConfig, Role
from gateway.sessions.fix import FixSession as FixMachine
from gateway.sessions.order_api import NONCE_BYTES, ApiConfig, ApiServer
from gateway.sessions.soupbin import SILENCE_NS, ClientConfig, SoupClient

API_SEQ_AT = 8  # of the order API's header; its layout has it in a message's own fields only where it is bound


def furnish(config: Config, plan: Plan, rng: Rng, verify: Verify, remembered: Mapping[int, Mapping[str, str]] | None = None) -> Core:
    """The core of this deployment. `remembered`: session values found in the journal, by connection (commands.set_values)."""
    remembered = remembered or {}
    links = [_link(link, remembered.get(link.conn, {})) for link in plan.links]
    doors = {door.config.sender: door.config for door in plan.doors if isinstance(door.config, FixDoor)}
    seats = [_seat(seat, config, doors) for seat in plan.seats]
    places = [place for door in plan.doors for place in _places(door, config)]
    return Core(links, seats, places, rng, verify, config.on_shutdown == "cancel", config.journal.failed_stop_s * SECOND)


def _tongue(family: Family, protocol: str, hears: str) -> Tongue:
    if family is Family.FIX:
        return FixTongue(fix.load(protocol))
    return LayoutTongue(codec.load(protocol).meaning, hears, API_SEQ_AT if family is Family.API else None)


def _link(link: VenueLink, remembered: Mapping[str, str]) -> Link:
    name, config = link.name, link.config
    session: Session
    match config:
        case FixSession():
            session = FixMachine(
                Role.INITIATOR,
                FixConfig(
                    sender_comp_id=config.sender,
                    target_comp_id=config.target,
                    heart_bt_int_s=config.heart_bt_int_s,
                    reset_seq_num_on_logon=config.reset_seq_num_on_logon,
                    username=config.username,
                    password=None if config.password is None else SecretRef(secret_name(name)),
                ),
            )
        case SoupSession():
            session = SoupClient(ClientConfig(config.username, SecretRef(secret_name(name)), remembered.get("session", "")))
        case _:
            raise AssertionError(f"sessions.{name}: no machine for {type(config).__name__}")
    made = Link(
        link.conn, f"sessions.{name}", _tongue(link.family, link.spec.protocol, "venue"), session,
        host=config.host, port=config.port, retry_ns=round(config.retry_s * SECOND),
    )  # fmt: skip
    made.silence_ns = SILENCE_NS if link.family is Family.SOUP else 0
    return made


def _seat(seat: Seat, config: Config, doors: Mapping[str, FixDoor]) -> SeatLine:
    tongue = _tongue(seat.family, PROTOCOLS[seat.family], "client")
    if seat.family is Family.API:
        made = SeatLine(seat.conn, f"strategies.{seat.name}", tongue, _nobody(config), api_strategy=seat.name)
        made.streams = True
        return made
    comp_id = seat.config.comp_id or ""
    machine = FixMachine(Role.ACCEPTOR, FixConfig(seat.sender, comp_id, allow_reset=doors[seat.sender].reset_seq_num_on_logon))
    return SeatLine(seat.conn, f"strategies.{seat.name}", tongue, machine, comp_ids=(comp_id, seat.sender))


def _nobody(config: Config) -> ApiServer:
    """The machine of a seat that has had no login: it is down, and nobody gets past it."""
    return ApiServer(ApiConfig(config.name), bytes(NONCE_BYTES), lambda login, nonce: "not connected")


def _places(door: Doorway, config: Config) -> list[Place]:
    tongue = _tongue(door.family, PROTOCOLS[door.family], "client")
    api = ApiConfig(config.name) if door.family is Family.API else None
    return [Place(conn, f"doors.{door.name}", tongue, door.name, api) for conn in door.conns]
