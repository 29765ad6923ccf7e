"""The admin socket: answers operators from the core and from copies of the lane's state; changes nothing but by the core.

Messages are in gateway/admin.py. The socket is its owner's alone (0600); who asks is taken from the kernel, never from what he says.
"""

import os
import pwd
import struct
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

import trio

from gateway import admin
from gateway.control.begin import House
from gateway.control.carrier import Carrier
from gateway.control.gate import gate
from gateway.control.inputs import LimitsWanted
from gateway.control.line import RX_NAMES, TX_NAMES, End, Link, Place, SeatLine
from gateway.decimals import to_text
from gateway.errors import ConfigError, meant
from gateway.lane.lane import ConnView, OrderView
from gateway.lane.plan import Family
from gateway.lane.tables import limits_table
from gateway.lane.views import positions
from gateway.model import OrdStatus, OrdType, Side, TimeInForce
from gateway.seams import Clock
from risk.controls import controls

OPERATORS_MAX = 8  # connections at once: people and their scripts; more is a loop that has lost its mind
IDLE_S = 60.0  # an operator who asks nothing for so long is gone
PEER_CREDENTIALS = struct.Struct("3i")  # of SO_PEERCRED: pid, uid, gid


@dataclass
class _LimitsNow:
    """The limits in force, as in the configuration, and their version."""

    values: dict[str, Any]
    version: int


class AdminServer:
    """`addresses`: where each door listens."""

    def __init__(self, house: House, carrier: Carrier, clock: Clock, addresses: dict[str, str]) -> None:
        self._house = house
        self._carrier = carrier
        self._clock = clock
        self._addresses = addresses
        self._started_ns = clock.now_ns()
        self._limits = _LimitsNow(house.config.limits.model_dump(), 1)

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """For ever: one task an operator."""
        path = admin.socket_path(self._house.config.state_dir)
        # Whoever made it is dead: the lock of the state folder is ours.
        if os.path.lexists(path):
            os.unlink(path)
        listener = trio.socket.socket(trio.socket.AF_UNIX)
        with listener:
            await listener.bind(path)
            os.chmod(path, 0o600)
            listener.listen(OPERATORS_MAX)
            task_status.started()
            room = trio.CapacityLimiter(OPERATORS_MAX)
            try:
                async with trio.open_nursery() as nursery:
                    while True:
                        sock, _ = await listener.accept()
                        nursery.start_soon(self._serve, sock, room)
            finally:
                os.unlink(path)

    async def put_limits_of_configuration(self) -> None:
        """After a restart the limits of the configuration hold again, whatever an operator had set in an earlier life."""
        self._limits.version = self._house.lane.counts().limits_version
        await self._put(self._limits.values, "configuration", "the limits of the configuration")

    async def _serve(self, sock: trio.socket.SocketType, room: trio.CapacityLimiter) -> None:
        who = _peer(sock)
        async with room:
            stream = trio.SocketStream(sock)
            async with stream:
                try:
                    await self._converse(stream, who)
                except (trio.BrokenResourceError, trio.ClosedResourceError):
                    pass  # he has gone away; what he asked for is done or not, and journaled

    async def _converse(self, stream: trio.SocketStream, who: str) -> None:
        buffer = bytearray()
        while True:
            with trio.move_on_after(IDLE_S) as waiting:
                data = await stream.receive_some()
            if waiting.cancelled_caught or not data:
                return
            buffer += data
            while (end := buffer.find(b"\n")) >= 0:
                line = bytes(buffer[:end])
                del buffer[: end + 1]
                await stream.send_all(await self._answer(line, who))
            if len(buffer) > admin.REQUEST_BYTES_MAX:
                await stream.send_all(admin.refusal_line(f"a request of more than {admin.REQUEST_BYTES_MAX} bytes"))
                return

    async def _answer(self, line: bytes, who: str) -> bytes:
        try:
            request = admin.parse_request(line)
            result: admin.Result
            match request:
                case admin.Status():
                    result = self._status()
                case admin.SessionsWanted():
                    result = admin.SessionsResult(tuple(self._sessions()))
                case admin.OrdersWanted():
                    result = await self._orders(request)
                case admin.PositionsWanted():
                    result = admin.PositionsResult(tuple(self._positions()))
                case admin.LimitsWanted():
                    result = admin.LimitsResult(self._limits.version, tuple(self._limit_views()))
                case admin.LimitsSet():
                    result = await self._set(request, who)
        except admin.AdminError as error:
            return admin.refusal_line(str(error))
        return admin.answer_line(result)

    # ------------------------------------------------------------------------------------------------------------ views

    def _status(self) -> admin.StatusResult:
        house, core = self._house, self._carrier.core
        counts = house.lane.counts()._asdict()
        failure = house.journal.failure
        return admin.StatusResult(
            pid=os.getpid(),
            name=house.config.name,
            version=VERSION,
            ready=core.open,
            gate=gate(house.latch_path),
            state_dir=str(house.config.state_dir),
            started_ns=self._started_ns,
            now_ns=self._clock.now_ns(),
            stage=core.stage.value,
            epoch=core.epoch,
            doors=self._addresses,
            sessions=tuple(self._sessions()),
            counts={name: int(value) for name, value in counts.items()},
            journal={
                "level": house.config.journal.level,
                "lsn": counts["lsn"],
                "durable_lsn": house.journal.durable_lsn,
                "failure": "" if failure is None else str(failure),
            },
        )

    def _sessions(self) -> Iterator[admin.SessionView]:
        core, view, numbers = self._carrier.core, self._house.lane.view, self._house.plan
        for link in numbers.links:
            line = core.links[link.conn]
            yield _session(line, "venue", link.spec.protocol, view(link.conn), venue=numbers.venues[link.venue], peer=f"{line.host}:{line.port}")
        for seat in numbers.seats:
            seat_line = core.seats[seat.conn]
            yield _session(seat_line, "strategy", _protocol(seat.family), view(seat.conn), strategy=seat.name)
        for place in core.places.values():
            if place.peer:
                family = next(door.family for door in numbers.doors if place.conn in door.conns)
                yield _session(place, "door", _protocol(family), view(place.conn), peer=place.peer)

    async def _orders(self, wanted: admin.OrdersWanted) -> admin.OrdersResult:
        plan = self._house.plan
        for scope, name in wanted.scope.items():
            if name not in (known := self._names(scope)):
                raise admin.AdminError(f"no {scope} {name!r} here; {meant(name, known)}")
        found: list[admin.OrderView] = []
        for i, order in enumerate(self._house.lane.orders(with_final=not wanted.open_only)):
            if i % 1000 == 999:
                await trio.lowlevel.checkpoint()
            names = {
                "account": plan.accounts[order.account],
                "strategy": plan.strategies[order.strategy],
                "symbol": plan.symbols[order.instrument],
                "venue": plan.venues[order.venue],
            }
            if all(names[scope] == name for scope, name in wanted.scope.items()):
                if len(found) == wanted.count:
                    return admin.OrdersResult(tuple(found), True)
                found.append(_order(order, names))
        return admin.OrdersResult(tuple(found), False)

    def _names(self, scope: str) -> tuple[str, ...]:
        """What there is of a scope, without the name that stands for nobody."""
        plan = self._house.plan
        return {"account": plan.accounts, "strategy": plan.strategies, "symbol": plan.symbols, "venue": plan.venues}[scope][1:]

    def _positions(self) -> Iterator[admin.PositionView]:
        for each in positions(self._house.lane, self._house.plan, self._house.instruments):
            quantity, buys, sells = (to_text(value, each.qty_exp) for value in (each.quantity, each.buys_open, each.sells_open))
            yield admin.PositionView(each.account, each.symbol, quantity, buys, sells)

    # ------------------------------------------------------------------------------------------------------------ limits

    def _limit_views(self) -> Iterator[admin.LimitView]:
        units = {control.key: control.unit for control in controls().limited}
        for scope, entries in self._limits.values.items():
            for prefix, values in [(scope, entries)] if scope == "firm" else [(f"{scope}.{name}", each) for name, each in entries.items()]:
                for key, value in values.items():
                    yield admin.LimitView(f"{prefix}.{key}", str(value), units[key])

    async def _set(self, request: admin.LimitsSet, who: str) -> admin.LimitsSetResult:
        scope, *name, key = request.path.split(".")
        if scope not in ("firm", *admin.SCOPES) or len(name) != (scope != "firm"):
            raise admin.AdminError(f"limits.{request.path}: no such place; firm.KEY, or {', '.join(f'{s}.NAME.KEY' for s in admin.SCOPES)}")
        values: dict[str, Any] = deepcopy(self._limits.values)
        table = values["firm"] if scope == "firm" else values[scope].setdefault(name[0], {})
        if request.value is None:
            table.pop(key, None)
        else:
            table[key] = request.value
        what = f"{request.path} {'unset' if request.value is None else request.value}: {request.reason}"
        return admin.LimitsSetResult(await self._put(values, who, what), self._limits.version)

    async def _put(self, values: dict[str, Any], who: str, what: str) -> int:
        """Put limits in force; the journal position where they are."""
        version = self._limits.version + 1
        try:
            table = limits_table(self._house.plan, self._house.config, values, version)
        except ConfigError as error:
            raise admin.AdminError("; ".join(error.problems)) from None
        answer = await self._carrier.ask(lambda request: LimitsWanted(request, who, what, table))
        if not answer.lsn:
            raise admin.AdminError(f"nothing was changed: {answer.text}")
        self._limits = _LimitsNow(values, version)
        return answer.lsn


VERSION = "0.1.0"


def _protocol(family: Family) -> str:
    return "fix44" if family is Family.FIX else family.value


def _peer(sock: trio.socket.SocketType) -> str:
    """The operator's name, of the system's users."""
    _, uid, _ = PEER_CREDENTIALS.unpack(sock.getsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_PEERCRED, PEER_CREDENTIALS.size))
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def _session(
    line: End, role: Literal["venue", "strategy", "door"], protocol: str, v: ConnView, venue: str = "", strategy: str = "", peer: str = ""
) -> admin.SessionView:
    session = line.session if isinstance(line, Link | SeatLine | Place) else None
    return admin.SessionView(
        name=line.name, role=role, protocol=protocol, state=str(getattr(session, "state", "AWAIT_LOGON")), rx=RX_NAMES[v.rx], tx=TX_NAMES[v.tx],
        venue=venue, strategy=strategy, peer=peer, epoch=v.epoch, next_in=v.rx_next, next_out=v.tx_next, queued=v.queued,
        open_orders=v.open_orders, in_doubt=v.in_doubt, in_count=v.rx_count, out_count=v.tx_count, last_in_ns=v.last_rx_ns,
        last_out_ns=v.last_tx_ns,
    )  # fmt: skip


def _word(kind: type[StrEnum], code: str) -> str:
    """A FIX code in words, as the client library says it; a code that the vocabulary lacks stays as it is."""
    return next((each.name.lower() for each in kind if each.value == code), code)


def _order(o: OrderView, names: dict[str, str]) -> admin.OrderView:
    return admin.OrderView(
        **names, side=_word(Side, o.side), ord_type=_word(OrdType, o.ord_type), time_in_force=_word(TimeInForce, o.time_in_force), order_qty=to_text(o.order_qty, o.qty_exp),
        cum_qty=to_text(o.cum_qty, o.qty_exp), leaves_qty=to_text(o.leaves_qty, o.qty_exp), ord_status=_word(OrdStatus, o.ord_status), cl_ord_num=o.cl_ord_num,
        cl_ord_id=o.cl_ord_id, price=to_text(o.price, o.px_exp) if o.price else "", in_doubt=o.in_doubt, queued=o.queued,
        cancel_wanted=o.cancel_wanted, accepted_ns=o.accepted_ns,
    )  # fmt: skip
