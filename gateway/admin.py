"""The admin protocol: one JSON object a line over a Unix socket in state_dir; its messages, for both sides.

    → {"op": "limits_set", "path": "firm.order_qty", "value": 500, "reason": "…"}
    ← {"ok": true, "result": {"lsn": 4711, "version": 3}}
    ← {"ok": false, "error": "limits.firm.order_qtty: unknown limit; did you mean order_qty?"}

A connection may ask many times; answers come in the order of the questions. Whoever may open the socket (0600, its owner) is an operator;
the server takes his name from the peer's credentials. Times are ns since the epoch, prices and quantities exact decimals as text.
"""

import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, ClassVar, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

SOCKET_NAME = "admin.sock"
# What the kernel has room for in the address of a Unix socket, with its final NUL.
PATH_BYTES_MAX = 107
REQUEST_BYTES_MAX = 64 * 1024
ANSWER_BYTES_MAX = 256 * 1024 * 1024  # every open order of the largest table
SCOPES = ("account", "strategy", "symbol", "venue")


class AdminError(Exception):
    """A line that is no request or answer, or the gateway's refusal; str() says what is wrong and what would be right."""


# --- what comes back -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SessionView:
    """One connection of the lane: with a venue, a strategy, or a stranger at a door."""

    name: str
    role: Literal["venue", "strategy", "door"]
    protocol: str
    state: str
    """The session machine's state, such as OPEN or RECOVERING."""
    rx: str
    tx: str
    venue: str = ""
    strategy: str = ""
    peer: str = ""
    """host:port; empty while not connected."""
    epoch: int = 0
    next_in: int = 0
    next_out: int = 0
    queued: int = 0
    open_orders: int = 0
    in_doubt: int = 0
    in_count: int = 0
    out_count: int = 0
    last_in_ns: int = 0
    last_out_ns: int = 0
    text: str = ""
    """Why it is not open, for people."""


@dataclass(frozen=True, slots=True)
class StatusResult:
    """The gateway at a glance."""

    pid: int
    name: str
    version: str
    ready: bool
    """True when every session with a venue is open."""
    gate: str
    """OPEN, or DROPPED: scope, since, by; as `killswitch status` says it."""
    state_dir: str
    started_ns: int
    now_ns: int
    stage: str
    """running, or how far a shutdown has come."""
    epoch: int
    doors: dict[str, str]
    """name → host:port, with the port that is really listened on."""
    sessions: tuple[SessionView, ...]
    counts: dict[str, int]
    """Of the lane: orders, denied, acks, fills, cancels, rejects, open_orders, in_doubt, queued, orphans …"""
    denied: dict[str, int] = field(default_factory=dict)
    """Denials by reason."""
    journal: dict[str, int | str] = field(default_factory=dict)
    """level, lsn, durable_lsn, failure (empty = none)."""
    paused: tuple[str, ...] = ()
    """Scopes whose new orders an operator has paused: who, and why."""


@dataclass(frozen=True, slots=True)
class OrderView:
    """One order as the lane has it."""

    strategy: str
    account: str
    symbol: str
    venue: str
    side: str
    ord_type: str
    time_in_force: str
    order_qty: str
    cum_qty: str
    leaves_qty: str
    ord_status: str
    cl_ord_num: int = 0
    """Order API."""
    cl_ord_id: str = ""
    """FIX door."""
    price: str = ""
    in_doubt: bool = False
    queued: bool = False
    cancel_wanted: bool = False
    accepted_ns: int = 0


@dataclass(frozen=True, slots=True)
class OrdersResult:
    """Orders, oldest first; `more`: there are more than were asked for."""

    orders: tuple[OrderView, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class SessionsResult:
    sessions: tuple[SessionView, ...]


@dataclass(frozen=True, slots=True)
class LimitView:
    """One limit that is set."""

    path: str
    """As in the configuration: firm.order_qty, account.DEMO.notional."""
    value: str
    unit: str


@dataclass(frozen=True, slots=True)
class LimitsResult:
    version: int
    limits: tuple[LimitView, ...]
    denied: dict[str, int] = field(default_factory=dict)
    """Denials by reason since the journal began."""


@dataclass(frozen=True, slots=True)
class LimitsSetResult:
    """Where in the journal the new limits took effect, and their version."""

    lsn: int
    version: int


@dataclass(frozen=True, slots=True)
class PositionView:
    """Bought less sold since the start of the journal."""

    account: str
    symbol: str
    qty: str
    buys_open: str = "0"
    """What open orders and replaces under way could still buy."""
    sells_open: str = "0"


@dataclass(frozen=True, slots=True)
class PositionsResult:
    positions: tuple[PositionView, ...]


@dataclass(frozen=True, slots=True)
class DoneResult:
    """Where in the journal what was wanted took effect; `text` says what it was."""

    lsn: int
    text: str


Result = StatusResult | OrdersResult | SessionsResult | LimitsResult | LimitsSetResult | PositionsResult | DoneResult

# --- what is asked -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Status:
    op: ClassVar[str] = "status"
    answer: ClassVar[type[Result]] = StatusResult


@dataclass(frozen=True, slots=True)
class OrdersWanted:
    """Orders that match every scope given."""

    op: ClassVar[str] = "orders"
    answer: ClassVar[type[Result]] = OrdersResult
    open_only: bool = True
    scope: dict[str, str] = field(default_factory=dict)
    """account, strategy, symbol, venue → its name."""
    count: int = 1000


@dataclass(frozen=True, slots=True)
class SessionsWanted:
    op: ClassVar[str] = "sessions"
    answer: ClassVar[type[Result]] = SessionsResult


@dataclass(frozen=True, slots=True)
class LimitsWanted:
    op: ClassVar[str] = "limits_get"
    answer: ClassVar[type[Result]] = LimitsResult


@dataclass(frozen=True, slots=True)
class LimitsSet:
    """Set one limit, or (value None) unset it; unset is not without bound, but blocks where no other scope sets it."""

    op: ClassVar[str] = "limits_set"
    answer: ClassVar[type[Result]] = LimitsSetResult
    path: str
    value: int | str | None
    reason: str


@dataclass(frozen=True, slots=True)
class PositionsWanted:
    op: ClassVar[str] = "positions"
    answer: ClassVar[type[Result]] = PositionsResult


@dataclass(frozen=True, slots=True)
class ScopeWanted:
    """Pause or resume new orders of a scope, or cancel its open orders; the gate stays as it is."""

    op: ClassVar[str] = "scope"
    answer: ClassVar[type[Result]] = DoneResult
    what: Literal["pause", "resume", "cancel"]
    scope: str
    """firm, or venue=NAME, account=NAME, strategy=NAME, symbol=NAME, session=NAME (which is its venue)."""
    reason: str


@dataclass(frozen=True, slots=True)
class RefPxSet:
    """Another reference price for the collar and for orders without a price."""

    op: ClassVar[str] = "ref_px"
    answer: ClassVar[type[Result]] = DoneResult
    symbol: str
    price: str
    reason: str


Request = Status | OrdersWanted | SessionsWanted | LimitsWanted | LimitsSet | PositionsWanted | ScopeWanted | RefPxSet
REQUESTS: dict[str, type[Request]] = {kind.op: kind for kind in (Status, OrdersWanted, SessionsWanted, LimitsWanted, LimitsSet, PositionsWanted, ScopeWanted, RefPxSet)}

# --- lines ---------------------------------------------------------------------------------------------------------------------


def request_line(request: Request) -> bytes:
    """`request` as its line."""
    return json.dumps({"op": request.op, **asdict(request)}, separators=(",", ":")).encode() + b"\n"


def parse_request(line: bytes) -> Request:
    """The request of a line. Raises: AdminError for anything else, saying what would be right."""
    values = _object(line, "a request")
    op = values.pop("op", None)
    kind = REQUESTS.get(op) if isinstance(op, str) else None
    if kind is None:
        raise AdminError(f"op: {op!r} is unknown; one of {', '.join(REQUESTS)}")
    request: Request = _build(kind, values, "")
    if isinstance(request, OrdersWanted):
        for scope in request.scope:
            if scope not in SCOPES:
                raise AdminError(f"scope.{scope}: is unknown; one of {', '.join(SCOPES)}")
        if not 0 < request.count <= 10_000_000:
            raise AdminError(f"count: is {request.count}; from 1 to 10000000")
    if isinstance(request, LimitsSet | ScopeWanted | RefPxSet) and not request.reason.strip():
        raise AdminError("reason: is empty; say why, for the journal")
    return request


def answer_line(result: Result) -> bytes:
    """`result` as its line."""
    return json.dumps({"ok": True, "result": asdict(result)}, separators=(",", ":")).encode() + b"\n"


def refusal_line(error: str) -> bytes:
    """A refusal as its line."""
    return json.dumps({"ok": False, "error": error}, separators=(",", ":")).encode() + b"\n"


def parse_answer(line: bytes, kind: type[Result]) -> Result:
    """The result of a line. Raises: AdminError with the gateway's refusal, or saying why it is no answer."""
    values = _object(line, "an answer")
    if values.get("ok") is not True:
        raise AdminError(str(values.get("error", "the gateway refused without a word")))
    result: Result = _build(kind, values.get("result"), "result.")
    return result


def _object(line: bytes, what: str) -> dict[str, Any]:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        raise AdminError(f"not {what}: {line[:40]!r} is no JSON") from None
    if not isinstance(values, dict):
        raise AdminError(f"not {what}: a JSON object is right")
    return values


T = TypeVar("T")


def _build(kind: type[T], values: Any, where: str) -> T:
    """A dataclass of this file from JSON values, every type checked. Raises: AdminError naming the key."""
    if not isinstance(values, Mapping):
        raise AdminError(f"{where.rstrip('.')}: must be an object")
    hints = get_type_hints(kind)
    known = {each.name: each for each in fields(kind)}  # type: ignore[arg-type]  # only dataclasses come here
    if unknown := sorted(set(values) - set(known)):
        raise AdminError(f"{where}{unknown[0]}: unknown key; known: {', '.join(known) or 'none'}")
    for name, each in known.items():
        if name not in values and each.default is MISSING and each.default_factory is MISSING:
            raise AdminError(f"{where}{name}: is missing")
    return kind(**{name: _value(hints[name], value, f"{where}{name}") for name, value in values.items()})


def _value(hint: Any, value: Any, where: str) -> Any:
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        if type(value) in inner or (value is None and NoneType in inner):
            return value
    elif origin is Literal:
        if value in inner:
            return value
    elif origin is tuple:
        if isinstance(value, list):
            return tuple(_value(inner[0], each, f"{where}[{i}]") for i, each in enumerate(value))
    elif origin is dict:
        if isinstance(value, dict):
            return {key: _value(inner[1], each, f"{where}.{key}") for key, each in value.items()}
    elif hasattr(hint, "__dataclass_fields__"):
        return _build(hint, value, where + ".")
    elif type(value) is hint:
        return value
    raise AdminError(f"{where}: is {value!r}; {getattr(hint, '__name__', None) or hint} is right")


# --- where ----------------------------------------------------------------------------------------------------------------------


def socket_path(state_dir: Path) -> str:
    """Where the admin socket of a gateway is. Raises: AdminError if the kernel has no room for the path."""
    path = str(state_dir / SOCKET_NAME)
    if len(path.encode()) > PATH_BYTES_MAX:
        raise AdminError(f"{path}: longer than the {PATH_BYTES_MAX} bytes that a Unix socket may have; choose a shorter state_dir")
    return path
