"""The venue `generic_fix44` from its own side: a FIX 4.4 acceptor that takes D F G H q AF and answers 8 9 r, as the standard says.

Spec: FIX 4.4 volume 4; order state matrices of volume 4, appendix D.
"""

from collections.abc import Iterable

from gateway.decimals import to_mantissa, to_text
from gateway.sessions.actions import Fault, Fields, Message
from gateway.sessions.fix import FixConfig, FixSession, Role
from gateway.sessions.fix_rim import FixRim, decode
from gateway.sessions.fix_wire import frame, utc_timestamp
from gateway.sessions.rim import Rim
from simulators.market import PX_EXP, Happening, Market, Order, What
from simulators.matching import OrdType, Reason, Side, Tif
from simulators.venue import Options, Unidentified, Venue

REQUIRED = {  # the fields that FIX 4.4 requires of each request, and of D and G those without which an order means nothing
    "D": (11, 55, 54, 60, 40, 38),
    "F": (11, 41, 55, 54, 60),
    "G": (11, 41, 55, 54, 60, 40, 38),
    "H": (11, 55, 54),
    "q": (11, 530, 60),
    "AF": (584, 585),
}
RECEIVED = {"D": "new", "F": "cancel", "G": "replace", "H": "status", "q": "mass_cancel", "AF": "mass_status"}
SIDES = {"1": Side.BUY, "2": Side.SELL, "5": Side.SELL, "6": Side.SELL}
ORD_TYPES = {"1": OrdType.MARKET, "2": OrdType.LIMIT}
TIFS = {"": Tif.DAY, "0": Tif.DAY, "1": Tif.GTC, "3": Tif.IOC, "4": Tif.FOK}
REJECT_REASONS = {
    Reason.UNKNOWN_SYMBOL: "1",
    Reason.DUPLICATE_ID: "6",
    Reason.BAD_QTY: "13",
    Reason.BAD_LOT: "13",
    Reason.BAD_COMBINATION: "11",
}
ECHOED = (1, 55, 54, 40, 59)  # of the order, in every report


class GenericFix44(Venue):
    """Any client that names this venue's CompID may log on; numbers and orders are kept by the client's CompID."""

    name = "generic_fix44"

    def __init__(self, market: Market, options: Options | None = None, comp_id: str = "VENUE") -> None:
        super().__init__(market, options)
        self.comp_id = comp_id
        self._orders: dict[tuple[str, str], Order] = {}  # owner and every ClOrdID of the order's chain
        self._exec_count = 0

    # ---------------------------------------------------------------------------------------------------------- sessions

    def identify(self, first: bytes) -> tuple[str, Rim] | None:
        found = frame(first)
        if not found.consumed:
            return None
        if found.tags is None:
            raise Unidentified(found.fault)
        logon = decode(found.tags, 1)
        if logon.type != "A" or logon.target != self.comp_id or not logon.sender or not self.free(logon.sender):
            raise Unidentified(f"MsgType {logon.type} from {logon.sender} to {logon.target}")
        if logon.sender not in self.rims:
            config = FixConfig(sender_comp_id=self.comp_id, target_comp_id=logon.sender, allow_reset=True)
            self.rims[logon.sender] = FixRim(FixSession(Role.ACCEPTOR, config, self._authenticate))
        return logon.sender, self.rims[logon.sender]

    def _authenticate(self, logon: Message) -> str:
        return "" if self.options.password in ("", logon.text(554)) else "unknown user or wrong password"

    def _submit(self, owner: str, type: str, fields: Iterable[tuple[int, str]], now_ns: int) -> None:
        body: Fields = tuple((tag, value) for tag, value in fields if value)
        self.rims[owner].submit(type, body, now_ns)

    # ---------------------------------------------------------------------------------------------------------- requests

    def request(self, owner: str, message: Message, now_ns: int) -> None:
        self.market.received[RECEIVED[message.type]] += 1
        if fault := malformed(message):
            rim = self.rims[owner]
            assert isinstance(rim, FixRim), "every rim of this venue is one"
            if rim.tx.value != "closed":
                rim.refuse(message, fault, now_ns)
            return
        match message.type:
            case "D":
                self._new(owner, message, now_ns)
            case "F":
                self._cancel(owner, message, now_ns)
            case "G":
                self._replace(owner, message, now_ns)
            case "H":
                order = self._orders.get((owner, message.text(11)))
                self._status(owner, order, message, ((790, message.text(790)),), now_ns)
            case "AF":
                self._mass_status(owner, message, now_ns)
            case "q":
                self._mass_cancel(owner, message, now_ns)

    def _new(self, owner: str, message: Message, now_ns: int) -> None:
        cl_ord_id = message.text(11)
        order = Order(
            owner=owner,
            ref=cl_ord_id,
            symbol=message.text(55),
            side=SIDES.get(message.text(54), Side.BUY),
            ord_type=ORD_TYPES.get(message.text(40), OrdType.LIMIT),
            tif=TIFS.get(message.text(59), Tif.DAY),
            px=mantissa(message.text(44), PX_EXP),
            qty=mantissa(message.text(38), 0),
            account=message.text(1),
            words={str(tag): message.text(tag) for tag in ECHOED},
        )
        refused = ""
        if (owner, cl_ord_id) in self._orders:
            self.market.received["duplicate"] += 1
            refused = "6"
        elif not (message.text(54) in SIDES and message.text(40) in ORD_TYPES and message.text(59) in TIFS):
            refused = "11"
        elif order.symbol not in self.market.instruments:
            refused = "1"
        elif order.qty <= 0:
            refused = "13"
        if refused:
            self.market.happened[What.REJECTED] += 1
            self._report(
                order,
                "8",
                "8",
                ((103, refused), (58, f"rejected: {message.text(55)} {message.text(38)} at {message.text(44)}")),
                now_ns,
            )
            return
        self._orders[owner, cl_ord_id] = order
        self.say_all(self.market.new(order, now_ns), now_ns, message)

    def _find(self, owner: str, message: Message) -> tuple[Order | None, str]:
        """The order that 41 names, and the CxlRejReason(102) if it cannot be touched under that id."""
        order = self._orders.get((owner, message.text(41)))
        if (owner, message.text(11)) in self._orders:
            self.market.received["duplicate"] += 1
            return order, "6"
        if order is None or order.ref != message.text(41):
            return order, "1"
        return order, "" if order.alive else "0"

    def _cancel(self, owner: str, message: Message, now_ns: int) -> None:
        order, refused = self._find(owner, message)
        if refused or order is None:
            self._cancel_reject(owner, order, message, "1", refused, now_ns)
            return
        self._orders[owner, message.text(11)] = order
        self.say_all(self.market.cancel(order, now_ns), now_ns, message)

    def _replace(self, owner: str, message: Message, now_ns: int) -> None:
        order, refused = self._find(owner, message)
        px, qty = mantissa(message.text(44), PX_EXP), mantissa(message.text(38), 0)
        if refused or order is None:
            self._cancel_reject(owner, order, message, "2", refused, now_ns)
            return
        self._orders[owner, message.text(11)] = order
        self.say_all(self.market.replace(order, message.text(11), px, qty, now_ns), now_ns, message)

    def _mass_cancel(self, owner: str, message: Message, now_ns: int) -> None:
        kind, symbol = message.text(530), message.text(55)
        known = kind == "7" or (kind == "1" and symbol in self.market.instruments)
        body = (
            (37, message.text(11)),
            (11, message.text(11)),
            (530, kind),
            (531, kind if known else "0"),
            (532, "" if known else "99"),
            (55, symbol),
        )
        self._submit(owner, "r", body, now_ns)
        for order in self.market.open_orders(owner) if known else ():
            if kind == "7" or order.symbol == symbol:
                self.say_all(self.market.cancel(order, now_ns), now_ns)

    def _mass_status(self, owner: str, message: Message, now_ns: int) -> None:
        asked = ((584, message.text(584)),)
        orders = self.market.open_orders(owner) if message.text(585) == "7" else []
        for number, order in enumerate(orders, 1):
            last = "Y" if number == len(orders) else "N"
            self._status(owner, order, message, (*asked, (911, str(len(orders))), (912, last)), now_ns)
        if not orders:
            self._status(owner, None, message, (*asked, (911, "0"), (912, "Y")), now_ns)

    # ----------------------------------------------------------------------------------------------------------- answers

    def say(self, happening: Happening, asked: Message | None, now_ns: int) -> None:
        order = happening.order
        status = "2" if happening.leaves == 0 and happening.cum else "1" if happening.cum else "0"
        match happening.what:
            case What.ACCEPTED:
                self._report(order, "0", "0", (), now_ns, happening)
            case What.REJECTED:
                code = REJECT_REASONS.get(happening.reason, "99")
                self._report(order, "8", "8", ((103, code), (58, happening.reason.name.lower())), now_ns, happening)
            case What.TRADE:
                self._report(
                    order,
                    "F",
                    status,
                    ((32, str(happening.qty)), (31, to_text(happening.px, PX_EXP))),
                    now_ns,
                    happening,
                )
            case What.CANCELED:
                ours = asked is not None and asked.type == "F"
                extra = (
                    ((11, asked.text(11)), (41, str(order.ref)))
                    if asked is not None and ours
                    else ((11, str(order.ref)),)
                )
                words = () if ours else ((58, happening.reason.name.lower()),)
                self._report(order, "4", "4", (*extra, *words), now_ns, happening)
            case What.REPLACED:
                assert asked is not None, "only a replace request replaces"
                self._report(order, "5", status, ((11, str(order.ref)), (41, asked.text(41))), now_ns, happening)
            case What.REPLACE_REJECTED:
                assert asked is not None, "only a replace request is rejected"
                self._cancel_reject(order.owner, order, asked, "2", "99", now_ns, happening.reason.name.lower())
            case What.REDUCED | What.CANCEL_REJECTED:
                raise AssertionError(f"a FIX request does not lead to {happening.what}")

    def _report(
        self,
        order: Order,
        exec_type: str,
        ord_status: str,
        extra: tuple[tuple[int, str], ...],
        now_ns: int,
        happening: Happening | None = None,
    ) -> None:
        """One ExecutionReport; ClOrdID is the order's own unless `extra` gives another."""
        self._exec_count += 1
        order.reports += 1
        cum, leaves, notional = (happening.cum, happening.leaves, happening.notional) if happening else (0, 0, 0)
        body: dict[int, str] = {
            37: str(order.order_id or f"R{self._exec_count}"),
            11: str(order.ref),
            17: f"E{order.reports if self.options.exec_ids_per_order else self._exec_count}",
            150: exec_type,
            39: ord_status,
            **{int(tag): value for tag, value in order.words.items()},
            38: str(order.qty),
            44: to_text(order.px, PX_EXP) if order.ord_type is OrdType.LIMIT else "",
            151: str(leaves if ord_status in "012" else 0),
            14: str(cum),
            6: average(notional, cum),
            60: utc_timestamp(now_ns),
            **dict(extra),
        }
        self._submit(order.owner, "8", body.items(), now_ns)

    def _status(
        self, owner: str, order: Order | None, asked: Message, extra: tuple[tuple[int, str], ...], now_ns: int
    ) -> None:
        if order is not None:
            cum, leaves = order.cum, order.leaves
            status = ("1" if cum else "0") if order.alive else "2" if cum == order.qty else "4"
            happening = Happening(What.ACCEPTED, order, leaves=leaves, cum=cum, notional=order.notional)
            self._report(order, "I", status, extra, now_ns, happening)
            return
        self._exec_count += 1
        body = (
            (37, "NONE"), (11, asked.text(11)), (17, f"E{self._exec_count}"), (150, "I"), (39, "8"), (55, asked.text(55)), (54, asked.text(54)),
            (151, "0"), (14, "0"), (6, "0"), (103, "5" if asked.type == "H" else ""), (60, utc_timestamp(now_ns)), *extra,
        )  # fmt: skip
        self._submit(owner, "8", body, now_ns)

    def _cancel_reject(
        self,
        owner: str,
        order: Order | None,
        asked: Message,
        response_to: str,
        reason: str,
        now_ns: int,
        text: str = "",
    ) -> None:
        status = (
            "8"
            if order is None
            else ("1" if order.cum else "0")
            if order.alive
            else "2"
            if order.cum == order.qty
            else "4"
        )
        body = (
            (37, "NONE" if order is None else str(order.order_id)), (11, asked.text(11)), (41, asked.text(41)), (39, status),
            (434, response_to), (102, reason), (58, text), (60, utc_timestamp(now_ns)),
        )  # fmt: skip
        self._submit(owner, "9", body, now_ns)


def malformed(message: Message) -> Fault | None:
    """What a FIX session must reject of a request: a required field missing, or a number that is none."""
    for tag in REQUIRED[message.type] + ((44,) if message.type in "DG" and message.text(40) == "2" else ()):
        if message.get(tag) is None:
            return Fault(1, tag, "Required tag missing")
    for tag in (38, 44):
        text = message.text(tag)
        if message.get(tag) is not None and not text.replace(".", "", 1).isdigit():
            return Fault(6, tag, "Incorrect data format for value")
    return None


def mantissa(text: str, exponent: int) -> int:
    """The number as an integer; 0, which no order may have, for one that is too fine or too large."""
    try:
        return to_mantissa(text, exponent)
    except ValueError:
        return 0


def average(notional: int, cum: int) -> str:
    """AvgPx to eight decimals, rounded down."""
    return to_text(notional * 10_000 // cum, 2 * PX_EXP) if cum else "0"
