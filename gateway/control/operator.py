"""What operators change in a running gateway: limits, pauses, cancels of a scope, reference prices; each journaled with who and why."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import trio

from gateway import admin
from gateway.control.begin import House
from gateway.control.carrier import Carrier
from gateway.control.inputs import OperatorWanted
from gateway.decimals import to_mantissa, to_text
from gateway.errors import ConfigError, meant
from gateway.lane import commands
from gateway.lane.commands import Part
from gateway.lane.lane import OrderView
from gateway.lane.tables import limits_table
from risk.controls import controls
from risk.latch import KINDS
from risk.words import Scope, say_scope

SCOPES = f"firm, session=NAME, {', '.join(f'{kind}=NAME' for kind in KINDS[1:])}"


Change = admin.LimitsSet | admin.ScopeWanted | admin.RefPxSet


class Operator:
    """`limits` and `paused` are what is in force: of the configuration, of the journal, and what was changed since."""

    def __init__(self, house: House, carrier: Carrier) -> None:
        self._house = house
        self._carrier = carrier
        self._limits: dict[str, Any] = house.config.limits.model_dump()
        self._version = 1
        self._paused = dict(house.paused)
        self._turn = trio.Lock()  # of two who change something at once, the second sees what the first has done

    @property
    def paused(self) -> tuple[str, ...]:
        """A line for each paused scope: which, by whom, why; as it was journaled."""
        return tuple(f"{say_scope(scope)}, {why.removeprefix(f'pause {say_scope(scope)} ')}" for scope, why in self._paused.items())

    @property
    def limits(self) -> admin.LimitsResult:
        """What is in force, and what it has denied."""
        return admin.LimitsResult(self._version, tuple(self._limit_views()), self._house.lane.denied_by())

    async def change(self, request: Change, who: str) -> admin.LimitsSetResult | admin.DoneResult:
        """Do what is asked, one after the other. Raises: AdminError, and nothing has changed."""
        async with self._turn:
            match request:
                case admin.LimitsSet():
                    return await self._set_limit(request, who)
                case admin.ScopeWanted():
                    return await self._change_scope(request, who)
                case admin.RefPxSet():
                    return await self._set_ref_px(request, who)

    async def put_limits_of_configuration(self) -> None:
        """After a restart the limits of the configuration hold again, whatever an operator had set in an earlier life."""
        self._version = self._house.lane.counts().limits_version
        await self._put(self._limits, "limits of the configuration", "configuration", "a restart")

    def _limit_views(self) -> Iterator[admin.LimitView]:
        units = {control.key: control.unit for control in controls().limited}
        for scope, entries in self._limits.items():
            for prefix, values in [(scope, entries)] if scope == "firm" else [(f"{scope}.{name}", each) for name, each in entries.items()]:
                for key, value in values.items():
                    yield admin.LimitView(f"{prefix}.{key}", str(value), units[key])

    async def _set_limit(self, request: admin.LimitsSet, who: str) -> admin.LimitsSetResult:
        scope, *name, key = request.path.split(".")
        if scope not in ("firm", *admin.SCOPES) or len(name) != (scope != "firm"):
            raise admin.AdminError(f"limits.{request.path}: no such place; firm.KEY, or {', '.join(f'{s}.NAME.KEY' for s in admin.SCOPES)}")
        values: dict[str, Any] = deepcopy(self._limits)
        table = values["firm"] if scope == "firm" else values[scope].setdefault(name[0], {})
        if request.value is None:
            table.pop(key, None)
        else:
            table[key] = request.value
        what = f"limit {request.path} {'unset' if request.value is None else request.value}"
        return admin.LimitsSetResult(await self._put(values, what, who, request.reason), self._version)

    async def _put(self, values: dict[str, Any], what: str, who: str, why: str) -> int:
        """Put limits in force; the journal position where they are."""
        version = self._version + 1
        try:
            table = limits_table(self._house.plan, self._house.config, values, version)
        except ConfigError as error:
            raise admin.AdminError("; ".join(error.problems)) from None
        lsn = await self._ask(what, who, why, commands.swap_limits(table))
        self._limits, self._version = values, version
        return lsn

    async def _change_scope(self, request: admin.ScopeWanted, who: str) -> admin.DoneResult:
        """Pause or resume new orders of a scope, or cancel its open ones."""
        kind, name = scope = self._scope(request.scope)
        entity = self._house.plan.entities(kind).index(name)
        number, what = KINDS.index(kind), f"{request.what} {say_scope(scope)}"
        match request.what:
            case "pause":
                lsn = await self._ask(what, who, request.reason, (commands.pause(number, entity),))
                self._paused[scope] = f"{what} by {who}: {request.reason}"
                return admin.DoneResult(lsn, f"{say_scope(scope)}: new orders are DENIED; what was accepted before goes on, cancels flow")
            case "resume":
                if scope not in self._paused:
                    raise admin.AdminError(f"{say_scope(scope)} is not paused; paused: {', '.join(map(say_scope, self._paused)) or 'nothing'}")
                lsn = await self._ask(what, who, request.reason, (commands.resume(number, entity),))
                del self._paused[scope]
                still = "".join(f"; still paused: {line}" for line in self.paused)
                return admin.DoneResult(lsn, f"{say_scope(scope)}: new orders are taken again{still}")
            case "cancel":
                open_now = sum(kind == "firm" or self._name_of(order, kind) == name for order in self._house.lane.orders())
                lsn = await self._ask(what, who, request.reason, (commands.cancel_scope(number, entity),))
                return admin.DoneResult(lsn, f"{say_scope(scope)}: {open_now} open orders are being cancelled; new ones are taken as before")

    async def _set_ref_px(self, request: admin.RefPxSet, who: str) -> admin.DoneResult:
        """Another reference price of a symbol."""
        row = next((row for row in self._house.instruments.rows if row.symbol == request.symbol), None)
        if row is None:
            raise admin.AdminError(f"no symbol {request.symbol!r} here; {meant(request.symbol, self._house.instruments.symbols)}")
        try:
            price = to_mantissa(request.price, row.px_exp)
        except ValueError as error:
            raise admin.AdminError(f"{row.symbol}: {error}; its prices are multiples of {to_text(1, row.px_exp)}") from None
        what = f"ref_px {row.symbol} {request.price}"
        lsn = await self._ask(what, who, request.reason, (commands.ref_px(self._house.plan.symbols.index(row.symbol), price),))
        return admin.DoneResult(lsn, f"{row.symbol}: the reference price is {to_text(price, row.px_exp)}, until another is set")

    async def _ask(self, what: str, who: str, why: str, parts: tuple[Part, ...]) -> int:
        """Where in the journal it took effect."""
        answer = await self._carrier.ask(lambda request: OperatorWanted(request, what, who, why, parts))
        if not answer.lsn:
            raise admin.AdminError(f"nothing was changed: {answer.text}")
        return answer.lsn

    def _scope(self, text: str) -> Scope:
        """The scope meant. Raises: AdminError that says what is known."""
        kind, equals, name = text.partition("=")
        if kind == "session" and equals:
            sessions = self._house.config.sessions
            if name not in sessions:
                raise admin.AdminError(f"no session {name!r} here; {meant(name, sessions)}")
            return "venue", sessions[name].venue
        if kind not in KINDS or (kind == "firm") == bool(equals):
            raise admin.AdminError(f"{text!r} is no scope; write one of {SCOPES}")
        names = self._house.plan.entities(kind)[kind != "firm" :]
        if name not in names:
            raise admin.AdminError(f"no {kind} {name!r} here; {meant(name, names)}")
        return kind, name

    def _name_of(self, order: OrderView, kind: str) -> str:
        number = {"venue": order.venue, "account": order.account, "strategy": order.strategy, "symbol": order.instrument}[kind]
        return self._house.plan.entities(kind)[number]
