"""What operators are told: status, sessions, orders and positions, from the core and from copies of the lane's state; nothing is changed."""

import os
from collections.abc import Iterator
from enum import StrEnum
from typing import Literal

import trio

from gateway import admin
from gateway.control.begin import House
from gateway.control.core import Core
from gateway.control.gate import gate
from gateway.control.line import RX_NAMES, TX_NAMES, End, Link, Place, SeatLine
from gateway.decimals import to_text
from gateway.errors import meant
from gateway.lane.lane import ConnView, OrderView
from gateway.lane.plan import Family
from gateway.lane.views import positions
from gateway.model import OrdStatus, OrdType, Side, TimeInForce
from gateway.seams import Clock
from gateway.sessions.actions import NEVER, SECOND

VERSION = "0.1.0"


# States of session machines → what such a session waits for.
WAITS_FOR = {
    "LOGON_SENT": "waits for the answer to its logon",
    "LOGIN_SENT": "waits for the answer to its login",
    "RECOVERING": "is being sent what it missed",
    "PROBING": "waits for the answer to a test request, behind which nothing is missing",
    "FENCING": "waits for the answer to an account query, behind which nothing is missing",
    "RECONCILING": "waits for the venue's status of all orders",
    "LOGOUT_SENT": "waits for the answer to its logout",
    "LOGOUT_RECEIVED": "waits for the venue to close",
    "LEAVING": "waits for the venue to close",
    "CLOSING": "waits for the connection's end",
}


class Answers:
    """`addresses`: where each door listens."""

    def __init__(self, house: House, core: Core, clock: Clock, addresses: dict[str, str]) -> None:
        self._house = house
        self._core = core
        self._clock = clock
        self._addresses = addresses
        self._started_ns = clock.now_ns()

    def status(self, paused: tuple[str, ...]) -> admin.StatusResult:
        house, core = self._house, self._core
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
            sessions=tuple(self.sessions()),
            counts={name: int(value) for name, value in counts.items()},
            denied=house.lane.denied_by(),
            paused=paused,
            journal={
                "level": house.config.journal.level,
                "lsn": counts["lsn"],
                "durable_lsn": house.journal.durable_lsn,
                "failure": "" if failure is None else str(failure),
            },
        )

    def sessions(self) -> Iterator[admin.SessionView]:
        core, view, numbers = self._core, self._house.lane.view, self._house.plan
        for link in numbers.links:
            line = core.links[link.conn]
            seen = view(link.conn)
            text = waits_for(line, seen.in_doubt, self._clock.now_ns())
            yield _session(line, "venue", link.spec.protocol, seen, venue=numbers.venues[link.venue], peer=f"{line.host}:{line.port}", text=text)
        for seat in numbers.seats:
            seat_line = core.seats[seat.conn]
            yield _session(seat_line, "strategy", _protocol(seat.family), view(seat.conn), strategy=seat.name)
        for place in core.places.values():
            if place.peer:
                family = next(door.family for door in numbers.doors if place.conn in door.conns)
                yield _session(place, "door", _protocol(family), view(place.conn), peer=place.peer)

    async def orders(self, wanted: admin.OrdersWanted) -> admin.OrdersResult:
        plan = self._house.plan
        for scope, name in wanted.scope.items():
            if name not in (known := plan.entities(scope)[1:]):
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

    def positions(self) -> Iterator[admin.PositionView]:
        for each in positions(self._house.lane, self._house.plan, self._house.instruments):
            quantity, buys, sells = (to_text(value, each.qty_exp) for value in (each.quantity, each.buys_open, each.sells_open))
            yield admin.PositionView(each.account, each.symbol, quantity, buys, sells)


def _protocol(family: Family) -> str:
    return "fix44" if family is Family.FIX else family.value


def _session(
    line: End, role: Literal["venue", "strategy", "door"], protocol: str, v: ConnView, venue: str = "", strategy: str = "", peer: str = "", text: str = ""
) -> admin.SessionView:
    session = line.session if isinstance(line, Link | SeatLine | Place) else None
    return admin.SessionView(
        name=line.name, role=role, protocol=protocol, state=str(getattr(session, "state", "AWAIT_LOGON")), rx=RX_NAMES[v.rx], tx=TX_NAMES[v.tx],
        venue=venue, strategy=strategy, peer=peer, epoch=v.epoch, next_in=v.rx_next, next_out=v.tx_next, queued=v.queued,
        open_orders=v.open_orders, in_doubt=v.in_doubt, in_count=v.rx_count, out_count=v.tx_count, last_in_ns=v.last_rx_ns,
        last_out_ns=v.last_tx_ns, text=text,
    )  # fmt: skip


def waits_for(link: Link, in_doubt: int, now_ns: int) -> str:
    """Why a session with a venue is not open, for people; empty for one that is."""
    if link.ready:
        return ""
    if link.settling:
        return f"asks for {in_doubt} orders in doubt one by one"
    state = str(getattr(link.session, "state", ""))
    if state != "DOWN":
        return WAITS_FOR.get(state, "")
    if link.connect_at_ns == NEVER:
        return "is being connected" + (f" again; before: {link.down}" if link.down else "")
    return f"{link.down or 'not connected yet'}; tries again in {max(link.connect_at_ns - now_ns, 0) / SECOND:.1f} s"


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
