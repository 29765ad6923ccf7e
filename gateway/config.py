"""The configuration of one deployment: a TOML file, read into frozen models; every mistake is told with its line.

A key is declared once, here: its type, bounds, default and (as its description) what would be right, which is the text of the
error and of `gateway init` alike. Units are in the names. Secrets are references, so that the whole configuration may be journaled.
"""

import os
import re
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PlainValidator,
    Tag,
    ValidationError,
    ValidationInfo,
)
from pydantic_core import ErrorDetails

from gateway import instruments, toml_lines
from gateway.errors import ConfigError, meant
from gateway.limits import CONNECTIONS_MAX, NAME_BYTES_MAX, OPEN_ORDERS_MAX
from risk.controls import controls as risk_controls
from risk.limits import check_limit

LOOKED_FOR = ("./portcullis.toml", "./examples/local.toml")


class ConfigNotFound(Exception):
    """No configuration was named and none was found; str() says what was looked for. Commands exit 7."""


# --- types of values ---------------------------------------------------------------------------------------------------------


def _resolve(value: Any, info: ValidationInfo) -> Any:
    """Relative paths are relative to the file that holds them, wherever the command was typed."""
    if not isinstance(value, str | Path):
        raise ValueError(f"is {value!r}, not a path")
    if not str(value) or "\0" in str(value):
        raise ValueError(f"is {str(value)!r}, not a path")
    folder = (info.context or {}).get("folder")
    return Path(os.path.normpath(folder / value)) if folder else value


def _secret(value: str, info: ValidationInfo) -> str:
    kind, _, name = value.partition(":")
    if kind not in ("env", "file") or not name:
        raise ValueError("a secret in clear text (not shown)")
    return f"file:{_resolve(name, info)}" if kind == "file" else value


def _name(value: str) -> str:
    if not 0 < len(value) <= NAME_BYTES_MAX or not all("!" <= c <= "~" for c in value):
        raise ValueError(f"not a name: 1 to {NAME_BYTES_MAX} printable ASCII characters without spaces")
    return value


def _power_of_two(value: int) -> int:
    if value & (value - 1):
        below = 1 << (value.bit_length() - 1)
        raise ValueError(f"is {value}; {below} or {2 * below} is right")
    return value


def _spin(value: float) -> float:
    if SPIN_US_MAX < value < float("inf"):
        raise ValueError(f"is {value:g}")
    return value


def _limit(value: Any) -> int | str:
    whole = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if not whole and not (isinstance(value, str) and re.fullmatch(r"[0-9]+(\.[0-9]+)?", value)):
        raise ValueError(f'is {value!r}; a limit is a whole number, 0 or more, or a decimal as text, such as "0.5"')
    return value  # type: ignore[no-any-return]


FilePath = Annotated[Path, BeforeValidator(_resolve), Field(strict=False)]
Name = Annotated[str, AfterValidator(_name)]
Names = Annotated[tuple[Name, ...], Field(strict=False)]
SpinUs = Annotated[float, AfterValidator(_spin)]
PowerOfTwo = Annotated[int, AfterValidator(_power_of_two)]
Host = Annotated[str, Field(pattern=r"^[!-~]{1,253}$")]
Port = Annotated[int, Field(ge=0, le=65535)]
Secret = Annotated[str, AfterValidator(_secret)]
CompID = Annotated[str, Field(pattern=r"^[!-~]{1,32}$")]

VenuePort = Annotated[int, Field(ge=1, le=65535)]
PORT = "a TCP port from 0 to 65535; 0 lets the system choose"
VENUE_PORT = "the venue's TCP port, from 1 to 65535"
HOST = "the address to listen on, a host's name or number of this machine"
CORES_MAX = 4095  # more than any machine has; which of them it may use is seen when it starts
SPIN_US_MAX = 1_000_000  # a second; what spins longer does not block at all, and says so
SECRET = "a reference, env:NAME or file:PATH; never the secret itself"
COMP_ID = "a comp id of 1 to 32 printable characters"


class Table(BaseModel):
    """A table of the TOML: unknown keys are errors, types are exact, nothing changes after it was read."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, ser_json_inf_nan="constants")


# --- tables ------------------------------------------------------------------------------------------------------------------


class Lane(Table):
    spin_us: SpinUs = Field(
        default=50, ge=0, description="microseconds up to 1000000 that the lane spins after work before it blocks; inf = busy, on a core of its own"
    )
    core: int = Field(default=-1, ge=-1, le=CORES_MAX, description="the processor core the lane's thread is bound to; -1 = any")


class Journal(Table):
    level: Literal["async", "group", "sync"] = Field(default="async", description='how durable before an order leaves: "async", "group" or "sync"')
    ring_mib: PowerOfTwo = Field(default=64, ge=1, le=65536, description="MiB of shared memory between the lane and the journal's writer; a power of two from 1 to 65536")
    segment_mib: int = Field(default=64, ge=1, le=65536, description="MiB of one journal file")
    failed_stop_s: int = Field(default=30, ge=0, le=3600, description="seconds for cancels after the journal has failed; then the gateway ends as at SIGTERM")


class Tables(Table):
    """Sizes of the lane's tables. A full table means that new orders are DENIED, while every report is still booked."""

    orders: int = Field(default=65_536, ge=16, le=OPEN_ORDERS_MAX, description="orders that may be open or in doubt at once")
    connections: int = Field(default=64, ge=2, le=CONNECTIONS_MAX, description="sockets at once: sessions, strategies, and logons under way")


class ApiDoor(Table):
    protocol: Literal["order_api"]
    host: Host = Field(default="127.0.0.1", description=HOST)
    port: Port = Field(description=PORT)


class FixDoor(Table):
    protocol: Literal["fix44"]
    host: Host = Field(default="127.0.0.1", description=HOST)
    port: Port = Field(description=PORT)
    sender: CompID = Field(description=COMP_ID + ": ours, which strategies send as 56")
    reset_seq_num_on_logon: bool = Field(default=False, description="true lets a strategy's logon with 141=Y begin both numbers at 1")


class Session(Table):
    """What every session with a venue has."""

    venue: Name = Field(description="a venue's name")
    host: Host = Field(default="127.0.0.1", description="the venue's address, a host's name or number")
    port: VenuePort = Field(description=VENUE_PORT)
    heart_bt_int_s: int = Field(default=30, ge=1, le=3600, description="seconds of silence before a heartbeat is sent, and about twice before the link is lost")
    retry_s: float = Field(default=0.5, gt=0, le=3600, description="seconds from a lost or refused connection to the next try")


class FixSession(Session):
    sender: CompID = Field(description=COMP_ID + ": ours, sent as 49")
    target: CompID = Field(description=COMP_ID + ": the venue's, sent as 56")
    username: str = Field(default="", pattern=r"^[ -~]{0,64}$", description="553 of the logon, up to 64 printable characters; empty = none")
    password: Secret | None = Field(default=None, description=SECRET + "; left out = none")
    reset_seq_num_on_logon: bool = Field(default=False, description="true sends 141=Y: both numbers begin at 1 with every logon")


class SoupSession(Session):
    username: str = Field(pattern=r"^[A-Za-z0-9]{1,6}$", description="1 to 6 letters and digits")
    password: Secret = Field(description=SECRET)
    mpid: str = Field(pattern=r"^[A-Z]{4}$", description="the firm's four capital letters at the venue")


# Which keys a session has follows from its venue.
SESSION_KINDS: dict[str, type[Session]] = {"fix": FixSession, "soup": SoupSession}
KIND_OF_VENUE = {"generic_fix44": "fix", "nasdaq": "soup"}
DOOR_KINDS: dict[str, type[Table]] = {"order_api": ApiDoor, "fix44": FixDoor}


class Strategy(Table):
    key_file: FilePath | None = Field(default=None, description="file with NAME:base64 for the order API; left out = it may not log on there")
    comp_id: CompID | None = Field(default=None, description=COMP_ID + " of its FIX sessions; left out = it may not log on there")
    accounts: Names = Field(min_length=1, description='the accounts it may trade for, such as ["DEMO"]')
    cancel_on_disconnect: bool = Field(default=True, description="true cancels its open orders when its connection is lost")


class InstrumentFile(Table):
    file: FilePath = Field(description="the instrument file, .csv or .toml")


Limit = Annotated[int | str, PlainValidator(_limit)]
LimitSet = dict[str, Limit]


class Limits(Table):
    """Limits by scope. Every scope that covers an order is checked; a control that no scope sets blocks the order."""

    firm: LimitSet = {}
    account: dict[Name, LimitSet] = {}
    strategy: dict[Name, LimitSet] = {}
    symbol: dict[Name, LimitSet] = {}
    venue: dict[Name, LimitSet] = {}

    def scopes(self) -> Iterable[tuple[tuple[str, ...], LimitSet]]:
        """(("firm",), limits), then (("account", NAME), limits) and so on, as they stand in the file."""
        yield ("firm",), self.firm
        for scope in ("account", "strategy", "symbol", "venue"):
            for name, limits in getattr(self, scope).items():
                yield (scope, name), limits


def _by(key: str, kinds: Mapping[str, str]) -> Discriminator:
    """Choose the model of a table by the kind that the value of its `key` has."""

    def kind(table: Any) -> Any:
        value = table.get(key) if isinstance(table, dict) else getattr(table, key, None)
        return kinds.get(value) if isinstance(value, str) else None

    return Discriminator(kind)


Door = Annotated[Annotated[ApiDoor, Tag("order_api")] | Annotated[FixDoor, Tag("fix44")], _by("protocol", {kind: kind for kind in DOOR_KINDS})]
VenueSession = Annotated[Annotated[FixSession, Tag("fix")] | Annotated[SoupSession, Tag("soup")], _by("venue", KIND_OF_VENUE)]


class Config(Table):
    name: Name = Field(description="the name of this deployment")
    state_dir: FilePath = Field(description="the folder of latch, lock, journal and admin socket, relative to this file")
    log: Literal["stderr", "stdout"] = Field(default="stderr", description='where JSON log lines go: "stderr" or "stdout"')
    on_shutdown: Literal["cancel", "leave"] = Field(default="cancel", description='what SIGTERM does with open day orders: "cancel" or "leave"')
    queue_ttl_ms: int = Field(default=1000, ge=1, le=3_600_000, description="milliseconds a new order may wait for its venue before it is DENIED")
    keep_state: bool = Field(
        default=True,
        description="true goes on where the last run ended; false, for measurements on this machine's loopback alone, forgets it at each start",
    )
    lane: Lane = Lane()
    journal: Journal = Journal()
    tables: Tables = Tables()
    doors: dict[Name, Door] = Field(min_length=1, description="at least one door, such as [doors.api]")
    sessions: dict[Name, VenueSession] = Field(min_length=1, description="at least one session with a venue, such as [sessions.nyfix]")
    strategies: dict[Name, Strategy] = Field(min_length=1, description="at least one strategy, such as [strategies.DEMO]")
    instruments: InstrumentFile
    limits: Limits = Limits()


# (line, text), to be told in the order of the file; what --set brought comes last.
Problem = tuple[int, str]
LAST = 1 << 30


# --- reading -----------------------------------------------------------------------------------------------------------------


def find(named: str | Path | None, environ: Mapping[str, str], folder: Path) -> Path:
    """The configuration file (R12): the one named, else $PORTCULLIS_CONFIG, else ./portcullis.toml, else ./examples/local.toml.

    Raises: ConfigNotFound. A file that was named is taken at its word: if it is missing, `load` says so.
    """
    if chosen := named or environ.get("PORTCULLIS_CONFIG"):
        return folder / chosen
    for candidate in LOOKED_FOR:
        if (folder / candidate).is_file():
            return folder / candidate
    raise ConfigNotFound(f"no configuration: looked for --config, $PORTCULLIS_CONFIG (not set), {', '.join(LOOKED_FOR)} in {folder}")


def load(file: Path, overrides: Iterable[str] = ()) -> tuple[Config, instruments.Instruments]:
    """Read the configuration and its instruments; `overrides` are KEY=VALUE, as --set sessions.rig.port=9102.

    Raises: ConfigError with every problem of the TOML, or else every problem of the instrument file.
    """
    file = Path(os.path.abspath(file))
    values, lines = toml_lines.read(file)
    problems: list[Problem] = []
    overridden = {path for text in overrides if (path := _override(values, text, problems))}

    def at(path: toml_lines.KeyPath, text: str) -> Problem:
        line = LAST if path in overridden else toml_lines.line_of(lines, path)
        return line, f"{'--set' if line == LAST else f'{file}:{line}'}: {'.'.join(map(str, path))}: {text}"

    def stop_if_any() -> None:
        if problems:
            raise ConfigError(text for _, text in sorted(problems, key=lambda problem: problem[0]))

    try:
        config = Config.model_validate(values, context={"folder": file.parent})
    except ValidationError as error:
        found = error.errors(include_url=False)
        # A list with a wrong element is not also too short.
        inside = {details["loc"][:-1] for details in found}
        problems += [at(*_explain(details)) for details in found if details["type"] != "too_short" or details["loc"] not in inside]
        stop_if_any()
        raise
    problems += [at(*problem) for problem in _cross_checks(config)]
    stop_if_any()
    if not config.instruments.file.is_file():
        problems.append(at(("instruments", "file"), f"{config.instruments.file}: no such file; {InstrumentFile.model_fields['file'].description}"))
    stop_if_any()
    table = instruments.load(config.instruments.file)
    for symbol in config.limits.symbol:
        if symbol not in table.symbols:
            text = f"no such symbol in {config.instruments.file}; {meant(symbol, table.symbols)}"
            problems.append(at(("limits", "symbol", symbol), text))
    stop_if_any()
    return config, table


def read_secret(reference: str, environ: Mapping[str, str]) -> str:
    """What `reference` (env:NAME or file:PATH, as a loaded configuration holds it) stands for, without a closing newline.

    Raises: ConfigError that names the reference, never the secret.
    """
    kind, _, name = reference.partition(":")
    if kind == "env":
        if not environ.get(name):
            raise ConfigError([f"{reference}: the environment variable {name} is not set; set it to the secret"])
        return environ[name]
    try:
        return Path(name).read_text().rstrip("\n")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ConfigError([f"{reference}: {why}; the file must hold the secret and be readable"]) from None


def located(file: Path, problem: str) -> str:
    """A problem that was found later, `key: what is wrong`, with the file and the line of its key in front; as it is where it names none."""
    key, colon, _ = problem.partition(": ")
    try:
        _, lines = toml_lines.read(file)
        path = tuple(toml_lines.split_key(key)) if colon else ()
    except (ConfigError, tomllib.TOMLDecodeError):
        return problem
    return f"{file}:{toml_lines.line_of(lines, path)}: {problem}" if path[:1] in lines and path else problem


def secret_name(session: str) -> str:
    """The name under which the lane keeps a session's password."""
    return f"{session}.password"


def secret_references(config: Config) -> dict[str, str]:
    """Name of each secret, which is its key without `sessions.`, → its reference (env: or file:)."""
    return {secret_name(name): session.password for name, session in config.sessions.items() if session.password}


def read_secrets(config: Config, environ: Mapping[str, str]) -> dict[str, str]:
    """Every secret by its name. Raises: ConfigError with all that cannot be had, by their keys."""
    found, problems = {}, []
    for name, reference in secret_references(config).items():
        try:
            found[name] = read_secret(reference, environ)
        except ConfigError as error:
            problems += [f"sessions.{name}: {problem}" for problem in error.problems]
    if problems:
        raise ConfigError(problems)
    return found


def _override(values: dict[str, Any], text: str, problems: list[Problem]) -> toml_lines.KeyPath | None:
    """Put KEY=VALUE into `values`; the value is TOML, or else plain text. Answers the path."""
    key, equals, value = text.partition("=")
    try:
        path = toml_lines.split_key(key.strip())
    except tomllib.TOMLDecodeError:
        path = []
    if not equals or not path:
        problems.append((LAST, f"--set: {key}: not KEY=VALUE; write --set sessions.NAME.port=9102"))
        return None
    *around, last = path
    table = values
    for part in around:
        inner = table.setdefault(part, {})
        if not isinstance(inner, dict):
            problems.append((LAST, f"--set: {key}: {part} is a value, not a table; name a key of a table"))
            return None
        table = inner
    try:
        table[last] = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        table[last] = value
    return tuple(path)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _cross_checks(config: Config) -> Iterator[tuple[toml_lines.KeyPath, str]]:
    """What no single table can know: names that must exist elsewhere, and limits against the list of controls."""
    known: dict[str, Collection[str]] = {
        "account": {account for strategy in config.strategies.values() for account in strategy.accounts},
        "strategy": config.strategies,
        "venue": {session.venue for session in config.sessions.values()},
    }
    controls = {control.key: control for control in risk_controls().limited}
    for scope, limits in config.limits.scopes():
        path = ("limits", *scope)
        if scope[0] in known and scope[1] not in known[scope[0]]:
            yield path, f"no such {scope[0]} in this file; {meant(scope[1], known[scope[0]])}"
        for key, limit in limits.items():
            control = controls.get(key)
            if control is None:
                yield (*path, key), f"unknown limit; {meant(key, controls)}"
            elif scope[0] not in control.scopes:
                yield (*path, key), f"cannot be set for {scope[0]}; it can for {', '.join(control.scopes)}"
            elif isinstance(limit, str) and not control.decimal:
                yield (*path, key), f"is {limit!r}; {control.unit} are counted in whole numbers"
            else:
                try:
                    check_limit(control, limit)
                except ValueError as error:
                    yield (*path, key), str(error)
    for name, strategy in config.strategies.items():
        if strategy.key_file is None and strategy.comp_id is None:
            yield ("strategies", name), "no way to log on; give it key_file (order API) or comp_id (FIX)"
    comp_ids: dict[str, str] = {}
    for name, strategy in config.strategies.items():
        if strategy.comp_id and (other := comp_ids.setdefault(strategy.comp_id, name)) != name:
            yield ("strategies", name, "comp_id"), f"{strategy.comp_id} is already that of strategies.{other}; choose another"
    if not config.keep_state:
        for table, hosts in (("doors", config.doors), ("sessions", config.sessions)):
            for name, there in hosts.items():
                if not _is_loopback(there.host):
                    yield (table, name, "host"), f'is {there.host} while keep_state is false: what a peer outside this machine knows is not forgotten; "127.0.0.1" is right'
    ports: dict[tuple[str, int], str] = {}
    for name, door in config.doors.items():
        if door.port and (other := ports.setdefault((door.host, door.port), name)) != name:
            yield ("doors", name, "port"), f"{door.port} is already that of doors.{other}; choose another"


def _declared(location: tuple[str | int, ...]) -> tuple[toml_lines.KeyPath, int, type[BaseModel] | None]:
    """Of a validation error: the path of keys in the file, how many of them name the table, and that table's model."""
    path = [part for part in location if part != "[key]"]
    if path[0] in ("doors", "sessions"):
        kinds: Mapping[str, type[Table]] = DOOR_KINDS if path[0] == "doors" else SESSION_KINDS
        return (*path[:2], *path[3:]), 2, kinds[str(path[2])] if len(path) > 2 else None
    if path[0] == "strategies":
        return tuple(path), 2, Strategy
    inner = Config.model_fields[str(path[0])].annotation if path[0] in Config.model_fields else None
    if isinstance(inner, type) and issubclass(inner, Table) and len(path) > 1:
        return tuple(path), 1, inner
    return tuple(path), 0, Config


def _explain(details: ErrorDetails) -> tuple[toml_lines.KeyPath, str]:
    """A validation error as the path of its key, and what is wrong; what would be right."""
    path, depth, model = _declared(details["loc"])
    key = str(path[depth]) if len(path) > depth else ""
    field = model.model_fields.get(key) if model else None
    right = (field.description if field else None) or ""
    value, what = details["input"], details["msg"].removeprefix("Input ")
    match details["type"]:
        case "missing":
            return path, f"is missing; add {right or f'the table [{key}]'}"
        case "extra_forbidden":
            return path, f"unknown key; {meant(key, model.model_fields if model else ())}"
        case "union_tag_not_found":
            tag, known = ("protocol", DOOR_KINDS) if path[0] == "doors" else ("venue", KIND_OF_VENUE)
            value = value.get(tag) if isinstance(value, dict) else value
            return (*path, tag), ("is missing" if value is None else f"{value!r} is unknown") + f"; {meant(str(value), known)}"
        case "model_type" | "dict_type":
            return path, f"is {value!r}; it must be a table, [{'.'.join(map(str, path))}]"
        case "value_error":
            what = str(details["ctx"]["error"])
        case "string_pattern_mismatch":
            what = f"does not fit, is {value!r}"
        case _ if not right.startswith(SECRET):
            what = f"{what}, is {value!r}"
    return path, f"{what}; {right}" if right else what
