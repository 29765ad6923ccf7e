"""The tables and sizes of a lane in memory of its own kind, made from the plan, the instruments, the limits and the secrets.

gw_lane_init copies what is here, but for layouts and dialects, which the codecs keep for the life of the process.
"""

from collections.abc import Mapping
from typing import Any

from gateway.codecs import codec, fix
from gateway.config import Config, FixSession, SoupSession
from gateway.errors import ConfigError
from gateway.instruments import Instrument, Instruments
from gateway.lane.native import ffi, lib
from gateway.lane.plan import Family, Plan, VenueLink
from gateway.limits import REMEMBERED_IDS, RING_ENTRIES
from gateway.venues.spec import Messages, Token
from risk import limits as risk_limits

NONE = 0xFFFF  # no venue, no message
ACCOUNTS_MAX = 256  # bits of gw_strategy.accounts
BUFFER_BYTES = 64 * 1024  # of a connection and direction: several of the longest frames, and what one system call moves at best
STREAM_MIN, STREAM_MAX = 1 << 16, 1 << 22  # reports that a strategy may leave unread: never fewer than an hour of a slow one's
PROTOCOLS = {Family.FIX: "fix44", Family.API: "order_api"}

FAMILIES = {Family.FIX: lib.GW_FAMILY_FIX, Family.SOUP: lib.GW_FAMILY_SOUP, Family.API: lib.GW_FAMILY_API}
LEVELS = {"async": lib.GW_LEVEL_ASYNC, "group": lib.GW_LEVEL_GROUP, "sync": lib.GW_LEVEL_SYNC}
TOKENS = {Token.TEXT: lib.GW_TOKEN_TEXT, Token.NUMBER: lib.GW_TOKEN_NUMBER}
# What the lane makes toward strategies.
DOOR_MESSAGES = {
    Family.FIX: Messages(report="ExecutionReport", cancel_reject="OrderCancelReject", reject="BusinessMessageReject"),
    Family.API: Messages(report="Report", cancel_reject="Report", heartbeat="Heartbeat"),
}
# Fields of Messages in the order of GW_MSG_*.
MESSAGES = ("new", "cancel", "replace", "status", "report", "cancel_reject", "heartbeat", "reject")


class Tables:
    """`tables` is a gw_tables *, `sizes` a gw_sizes *; both live as long as this object.

    Raises: ConfigError where a name, a number or a limit does not fit the lane.
    """

    def __init__(self, config: Config, plan: Plan, instruments: Instruments, secrets: Mapping[str, str]) -> None:
        self.plan = plan
        self._kept: list[Any] = []
        problems: list[str] = []
        if len(plan.accounts) > ACCOUNTS_MAX:
            problems.append(f"strategies: {len(plan.accounts) - 1} accounts; at most {ACCOUNTS_MAX - 1}")
        if problems:
            raise ConfigError(problems)
        listings = _listings(plan, instruments)
        self.sizes = ffi.new("gw_sizes *", {
            "orders": config.tables.orders,
            "conns": plan.conn_count,
            "instruments": len(plan.symbols),
            "listings": len(listings),
            "accounts": len(plan.accounts),
            "strategies": len(plan.strategies),
            "venues": len(plan.venues),
            "secrets": len(secrets),
            "stream": min(max(_power(4 * config.tables.orders), STREAM_MIN), STREAM_MAX),
            "seen": min(REMEMBERED_IDS, _power(16 * config.tables.orders)),
            "rx": BUFFER_BYTES,
            "tx": BUFFER_BYTES,
            "commands": RING_ENTRIES,
            "events": RING_ENTRIES,
        })  # fmt: skip
        self.limits = self._limits_table(config)
        t = self.tables = ffi.new("gw_tables *")
        t.instruments, t.n_instruments = self._array("gw_instrument", _instruments(plan, instruments))
        t.listings, t.n_listings = self._array("gw_listing", listings)
        t.accounts, t.n_accounts = self._array("gw_account", [{"name": name.encode()} for name in plan.accounts])
        t.strategies, t.n_strategies = self._array("gw_strategy", _strategies(config, plan))
        names = self._keep(ffi.new("char[][16]", [name.encode() for name in plan.venues]))
        t.venues, t.n_venues = ffi.cast("const char *", names), len(plan.venues)
        t.conns, t.n_conns = self._array("gw_conn_cfg", self._connections(config))
        t.secrets, t.n_secrets = self._array("gw_secret", [_secret(name, value) for name, value in secrets.items()])
        table = self._keep(ffi.new("uint64_t[]", (len(self.limits) + 7) // 8))
        ffi.memmove(table, self.limits, len(self.limits))
        t.limits, t.limits_len = ffi.cast("const uint8_t *", table), len(self.limits)

    def _keep(self, memory: Any) -> Any:
        self._kept.append(memory)
        return memory

    def _array(self, kind: str, rows: list[dict[str, Any]]) -> tuple[Any, int]:
        return self._keep(ffi.new(f"{kind}[]", rows or 1)), len(rows)

    def _limits_table(self, config: Config) -> bytes:
        return limits_table(self.plan, config, config.limits.model_dump(), 1)

    def _connections(self, config: Config) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = [{} for _ in range(self.plan.conn_count)]
        for link in self.plan.links:
            rows[link.conn] = self._link(config, link)
        common = {"queue_ttl_ns": config.queue_ttl_ms * 1_000_000, "level": LEVELS[config.journal.level]}
        for seat in self.plan.seats:
            rows[seat.conn] = common | self._protocol(seat.family, PROTOCOLS[seat.family], DOOR_MESSAGES[seat.family]) | {
                "role": lib.GW_ROLE_STRATEGY,
                "strategy": seat.strategy,
                "cancel_on_disconnect": seat.config.cancel_on_disconnect,
                "sender": seat.sender.encode(),
                "target": (seat.config.comp_id or "").encode(),
            }  # fmt: skip
        for door in self.plan.doors:
            row = common | self._protocol(door.family, PROTOCOLS[door.family], Messages()) | {"role": lib.GW_ROLE_DOOR}
            for conn in door.conns:
                rows[conn] = row
        return rows

    def _link(self, config: Config, link: VenueLink) -> dict[str, Any]:
        spec, session = link.spec, link.config
        row = self._protocol(link.family, spec.protocol, spec.messages) | {
            "role": lib.GW_ROLE_VENUE,
            "venue": link.venue,
            "level": LEVELS[config.journal.level],
            "queue_ttl_ns": config.queue_ttl_ms * 1_000_000,
            "hb_ns": session.heart_bt_int_s * 1_000_000_000,
            "rate_per_s": spec.rate_per_s,
            "burst": spec.burst,
            "reserved": spec.reserved,
            "token_kind": TOKENS[spec.token],
            "cancel_has_token": spec.cancel_has_token,
            "chain_total": spec.chain_total,
        }
        if isinstance(session, FixSession):
            row |= {"sender": session.sender.encode(), "target": session.target.encode()}
        values = dict(spec.parameters)
        if isinstance(session, SoupSession):
            row["mpid"] = session.mpid.encode()
            values["mpid"] = session.mpid
        if link.family is not Family.FIX:
            names = codec.load(spec.protocol).meaning.session_values
            cells = self._keep(ffi.new("gw_value[]", [_value(values.get(name)) for name in names] or 1))
            row |= {"values": cells, "n_values": len(names)}
        return row

    def _protocol(self, family: Family, protocol: str, messages: Messages) -> dict[str, Any]:
        """Family, tables and message numbers of a connection."""
        row: dict[str, Any] = {"family": FAMILIES[family]}
        if family is Family.FIX:
            fix_codec = fix.load(protocol)
            row["dialect"] = _address("const gw_fix_dialect *", fix_codec.pointer)
            numbers = {name: message.index for name, message in fix_codec.dialect.messages.items()}
        else:
            layout = codec.load(protocol)
            row["layout"] = _address("const gw_layout *", layout.pointer)
            numbers = {name: message.index for name, message in layout.meaning.names.items()}
        wanted = [getattr(messages, field) for field in MESSAGES]
        row["msg"] = [numbers[name] if name else NONE for name in wanted] + [NONE] * (12 - len(wanted))
        return row


def limits_table(plan: Plan, config: Config, limits: Mapping[str, Any], version: int) -> bytes:
    """The table of `limits` (as in the configuration) that the lane swaps in. Raises: ConfigError naming the key."""
    names = risk_limits.Names(plan.venues[1:], plan.accounts[1:], plan.strategies[1:], plan.symbols[1:])
    permissions = {name: (strategy.accounts, None) for name, strategy in config.strategies.items()}
    try:
        return risk_limits.load(limits, names, permissions, version).to_bytes()
    except risk_limits.LimitError as error:
        raise ConfigError([str(error)]) from None


def _power(at_least: int) -> int:
    return 1 << (at_least - 1).bit_length()


def _address(kind: str, pointer: Any) -> Any:
    """A pointer of another extension as one of this."""
    return ffi.cast(kind, int(ffi.cast("uintptr_t", pointer)))


def _secret(name: str, value: str) -> dict[str, Any]:
    octets = value.encode("latin-1", "replace")
    if len(octets) > ffi.sizeof(ffi.typeof("gw_secret").fields[1][1].type):
        raise ConfigError([f"{name}: a secret of {len(octets)} characters; at most 96"])
    return {"name": name.encode(), "value": octets, "len": len(octets)}


def _value(text: str | None) -> dict[str, Any]:
    return {} if text is None else {"text": text.encode(), "len": len(text), "given": 1}


def _instruments(plan: Plan, instruments: Instruments) -> list[dict[str, Any]]:
    """One row a symbol: what all its venues agree on; the ticks and the lot of its default route."""
    rows: list[dict[str, Any]] = [{"default_venue": NONE}]
    for symbol in plan.symbols[1:]:
        route = instruments.find(symbol)
        assert route is not None, f"{symbol} has no row at its default route, which its file was checked for"
        rows.append(_instrument(plan, route))
    return rows


def _instrument(plan: Plan, row: Instrument) -> dict[str, Any]:
    if len(row.ticks) > lib.GW_TICK_BANDS:
        raise ConfigError([f"{row.symbol}: {len(row.ticks)} tick bands; at most {lib.GW_TICK_BANDS}"])
    return {
        "symbol": row.symbol.encode(),
        "lot": row.lot,
        "multiplier": row.multiplier,
        "ref_px": row.ref_px or 0,
        "has_ref": row.ref_px is not None,
        "ticks": [{"from": start, "tick": tick} for start, tick in row.ticks],
        "n_ticks": len(row.ticks),
        "default_venue": plan.venues.index(row.default_route),
        "px_exp": row.px_exp,
        "qty_exp": row.qty_exp,
        "trading": row.status == "active",
    }


def _listings(plan: Plan, instruments: Instruments) -> list[dict[str, Any]]:
    symbols = {symbol: index for index, symbol in enumerate(plan.symbols)}
    rows = sorted((symbols[row.symbol], plan.venues.index(row.venue), row.venue_symbol) for row in instruments.rows)
    return [
        {"instrument": instrument, "venue": venue, "venue_symbol": name.encode(), "venue_id": int(name) if name.isdecimal() else 0}
        for instrument, venue, name in rows
    ]


def _strategies(config: Config, plan: Plan) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [{}]
    for name in plan.strategies[1:]:
        bits = sum(1 << plan.accounts.index(account) for account in config.strategies[name].accounts)
        rows.append({"name": name.encode(), "accounts": [bits >> 64 * word & (1 << 64) - 1 for word in range(4)]})
    return rows
