"""The venue `nasdaq` from its own side: OUCH 5.0 over SoupBinTCP, requests O U X M C D E Q, one session and day for each username.

What is told when, and what is silently ignored, follows the order entry specification: UserRefNum rises, and what does not rise is a
repetition; a replace names the last live link of its chain and the total of the chain; a cancel that changes nothing has no answer.
Spec: Nasdaq OUCH 5.0 (2023), "Inbound messages", "Outbound messages"; revision 1.05 of 2025-10-07 for C, D, E.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.codecs.loader import load
from gateway.codecs.reference import Refused, decode_fields
from gateway.sessions.actions import SECOND, Fields, Message
from gateway.sessions.rim import Rim
from gateway.sessions.soup_rim import SoupRim
from gateway.sessions.soupbin import ServerConfig, SoupServer
from simulators.market import Happening, Market, Order, What
from simulators.matching import OrdType, Reason, Side, Tif
from simulators.venue import Options, Unidentified, Venue

EASTERN_NS = -5 * 3600 * SECOND  # standard time: timestamps are since midnight there
DAY_NS = 24 * 3600 * SECOND
QUANTITY_MAX = 999_999
PRICE_MAX = 0x7735939C  # $199,999.99
MARKET_PRICES = (0x7FFFFFFF, 2_000_000_000)
RECEIVED = {
    "EnterOrder": "new", "ReplaceOrder": "replace", "CancelOrder": "cancel", "ModifyOrder": "modify", "MassCancel": "mass_cancel",
    "DisableOrderEntry": "disable", "EnableOrderEntry": "enable", "AccountQuery": "account_query",
}  # fmt: skip
REJECTS = {  # why the matching core refuses → reject reason of the wire
    Reason.UNKNOWN_SYMBOL: 0x17, Reason.BAD_QTY: 0x13, Reason.BAD_LOT: 0x13, Reason.BAD_TICK: 0x1D, Reason.PHASE: 0x07,
}  # fmt: skip
OTHER, INVALID_SIDE, NOT_AUTHORIZED, INVALID_PRICE, INVALID_QUANTITY = 0x0F, 0x09, 0x0C, 0x1D, 0x13
CANCEL_REASONS = {Reason.USER: "U", Reason.MASS: "U", Reason.IOC: "I", Reason.FOK: "I", Reason.STP: "Q"}
SIDES = {"B": Side.BUY, "S": Side.SELL, "T": Side.SELL, "E": Side.SELL}
CHANGES_OF_SIDE = {("S", "E"), ("S", "T"), ("E", "T")}  # what Modify may do
IOC = "3"


@dataclass(slots=True)
class Port:
    """What the engine keeps for a username: the last UserRefNum it has processed, and every order by each of its numbers."""

    last: int = 0
    orders: dict[int, Order] = field(default_factory=dict)
    disabled: set[str] = field(default_factory=set)


class Nasdaq(Venue):
    """Any username may log in, with the password if the options name one; its stream and numbers are kept over connections."""

    name = "nasdaq"

    def __init__(self, market: Market, options: Options | None = None, session: str = "1") -> None:
        super().__init__(market, options)
        self.meaning = load("ouch50")
        self.session = session
        self._ports: dict[str, Port] = {}
        self._reference = 0

    # ---------------------------------------------------------------------------------------------------------- sessions

    def identify(self, first: bytes) -> tuple[str, Rim] | None:
        try:
            decoded = decode_fields(self.meaning, first, "client")
        except Refused as fault:
            raise Unidentified(str(fault)) from fault
        if decoded is None:
            return None
        if decoded.message.name != "LoginRequest":
            raise Unidentified(f"first packet is {decoded.message.name}")
        owner = str(decoded.fields["username"]).upper()
        if not self.free(owner):
            raise Unidentified(f"{owner} is connected")
        if owner not in self.rims:
            self.rims[owner] = SoupRim(SoupServer(ServerConfig(self.session), self._authenticate), self.meaning)
            self._ports[owner] = Port()
        return owner, self.rims[owner]

    def _authenticate(self, login: Message) -> str:
        """Passwords do not know upper and lower case, as the document has it."""
        return "" if self.options.password.upper() in ("", login.text("password").upper()) else "not authorized"

    def _submit(self, owner: str, type: str, fields: Fields, now_ns: int) -> None:
        stamp = (now_ns + EASTERN_NS) % DAY_NS
        self.rims[owner].submit(type, (("timestamp", stamp), *fields), now_ns)

    # ---------------------------------------------------------------------------------------------------------- requests

    def request(self, owner: str, message: Message, now_ns: int) -> None:
        self.market.received[RECEIVED[message.type]] += 1
        port = self._ports[owner]
        match message.type:
            case "AccountQuery":
                self._submit(owner, "AccountQueryResponse", (("next_user_ref_num", port.last + 1),), now_ns)
            case "EnterOrder":
                self._enter(owner, port, message, now_ns)
            case "ReplaceOrder":
                self._replace(port, message, now_ns)
            case "CancelOrder":
                order = port.orders.get(number(message, "user_ref_num"))
                if order is not None and order.ref == number(message, "user_ref_num"):
                    wanted = number(message, "quantity")
                    self.say_all(
                        self.market.reduce(order, wanted, now_ns) if wanted else self.market.cancel(order, now_ns),
                        now_ns,
                    )
            case "ModifyOrder":
                self._modify(owner, port, message, now_ns)
            case "MassCancel":
                self._mass_cancel(owner, port, message, now_ns)
            case "DisableOrderEntry" | "EnableOrderEntry":
                self._gate(owner, port, message, now_ns)

    def _repeated(self, port: Port, message: Message) -> bool:
        """Whether this number has been processed: not greater than the last is a repetition, silently ignored."""
        if number(message, "user_ref_num") <= port.last:
            self.market.received["repeated"] += 1
            return True
        return False

    def _enter(self, owner: str, port: Port, message: Message, now_ns: int) -> None:
        if self._repeated(port, message):
            return
        port.last = number(message, "user_ref_num")
        px, qty, side = number(message, "price"), number(message, "quantity"), message.text("side")
        at_market = px in MARKET_PRICES
        tif = Tif.IOC if message.text("time_in_force") == IOC else Tif.DAY
        order = Order(
            owner=owner,
            ref=port.last,
            symbol=message.text("symbol"),
            side=SIDES.get(side, Side.BUY),
            ord_type=OrdType.MARKET if at_market else OrdType.LIMIT,
            tif=tif,
            px=0 if at_market else px,
            qty=qty,
            account=firm(message),
            words={name: message.text(name) for name in ("side", "time_in_force", "display", "capacity", "intermarket_sweep", "cross_type", "cl_ord_id")},
        )  # fmt: skip
        port.orders[port.last] = order
        if firm(message) in port.disabled:
            self._reject(order, NOT_AUTHORIZED, now_ns)
        elif side not in SIDES:
            self._reject(order, INVALID_SIDE, now_ns)
        elif not 1 <= qty <= QUANTITY_MAX:
            self._reject(order, INVALID_QUANTITY, now_ns)
        elif not at_market and not 1 <= px <= PRICE_MAX:
            self._reject(order, INVALID_PRICE, now_ns)
        else:
            self.say_all(self.market.new(order, now_ns), now_ns, message)

    def _replace(self, port: Port, message: Message, now_ns: int) -> None:
        """Ignored if the old order is dead or the new number used; with bad details the old order is cancelled, the number not used."""
        order = port.orders.get(number(message, "orig_user_ref_num"))
        new, px, qty = number(message, "user_ref_num"), number(message, "price"), number(message, "quantity")
        if (
            self._repeated(port, message)
            or order is None
            or not order.alive
            or order.ref != number(message, "orig_user_ref_num")
        ):
            return
        if not 1 <= px <= PRICE_MAX or not 1 <= qty <= QUANTITY_MAX or qty <= order.cum:
            self.say_all(self.market.cancel(order, now_ns), now_ns)
            return
        tif = Tif.IOC if message.text("time_in_force") == IOC else None
        happenings = self.market.replace(order, new, px, qty, now_ns, tif)
        if happenings and happenings[0].what is What.REPLACED:
            port.last = new
            port.orders[new] = order
            order.words |= {
                name: message.text(name) for name in ("time_in_force", "display", "intermarket_sweep", "cl_ord_id")
            }
        self.say_all(happenings, now_ns, message)

    def _modify(self, owner: str, port: Port, message: Message, now_ns: int) -> None:
        order = port.orders.get(number(message, "user_ref_num"))
        side, qty = message.text("side"), number(message, "quantity")
        if (
            order is None
            or not order.alive
            or order.ref != number(message, "user_ref_num")
            or not 1 <= qty <= QUANTITY_MAX
        ):
            return
        if side != order.words["side"] and (order.words["side"], side) not in CHANGES_OF_SIDE:
            return
        if qty <= order.cum:
            self.say_all(self.market.cancel(order, now_ns), now_ns)
            return
        order.words["side"] = side
        happenings = self.market.reduce(order, qty, now_ns) if qty < order.qty else []
        if qty > order.qty:
            happenings = self.market.replace(order, order.ref, order.px, qty, now_ns)
        open_qty = happenings[0].leaves if happenings else order.leaves
        self._submit(
            owner, "OrderModified", (("user_ref_num", ref(order)), ("side", side), ("quantity", open_qty)), now_ns
        )
        self.say_all([each for each in happenings if each.what not in (What.REDUCED, What.REPLACED)], now_ns, message)

    def _mass_cancel(self, owner: str, port: Port, message: Message, now_ns: int) -> None:
        if self._repeated(port, message):
            return
        port.last = number(message, "user_ref_num")
        symbol = message.text("symbol")
        self._submit(
            owner,
            "MassCancelResponse",
            (("user_ref_num", port.last), ("firm", message.text("firm")), ("symbol", symbol)),
            now_ns,
        )
        for order in self.market.open_orders(owner):
            if order.account in ("", message.text("firm")) and symbol in ("", order.symbol):
                self.say_all(self.market.cancel(order, now_ns), now_ns)

    def _gate(self, owner: str, port: Port, message: Message, now_ns: int) -> None:
        if self._repeated(port, message):
            return
        port.last = number(message, "user_ref_num")
        (port.disabled.add if message.type == "DisableOrderEntry" else port.disabled.discard)(message.text("firm"))
        self._submit(
            owner, message.type + "Response", (("user_ref_num", port.last), ("firm", message.text("firm"))), now_ns
        )

    # ----------------------------------------------------------------------------------------------------------- answers

    def say(self, happening: Happening, asked: Message | None, now_ns: int) -> None:
        order = happening.order
        match happening.what:
            case What.ACCEPTED:
                self._reference += 1
                self._submit(
                    order.owner,
                    "OrderAccepted",
                    self._stands(order, order.qty, (("user_ref_num", ref(order)),), asked),
                    now_ns,
                )
            case What.REJECTED:
                self._submit(
                    order.owner,
                    "Rejected",
                    (
                        ("user_ref_num", ref(order)),
                        ("reason", REJECTS.get(happening.reason, OTHER)),
                        ("cl_ord_id", order.words["cl_ord_id"]),
                    ),
                    now_ns,
                )
            case What.TRADE:
                self._submit(
                    order.owner,
                    "OrderExecuted",
                    (
                        ("user_ref_num", ref(order)), ("quantity", happening.qty), ("price", happening.px),
                        ("liquidity_flag", "A" if happening.maker else "R"), ("match_number", happening.trade_id),
                    ),
                    now_ns,
                )  # fmt: skip
            case What.CANCELED | What.REDUCED:
                body = (
                    ("user_ref_num", ref(order)),
                    ("quantity", happening.qty),
                    ("reason", CANCEL_REASONS.get(happening.reason, "U")),
                )
                self._submit(order.owner, "OrderCanceled", body, now_ns)
            case What.REPLACED:
                assert asked is not None, "only a replace request replaces"
                self._reference += 1
                numbers = (("orig_user_ref_num", number(asked, "orig_user_ref_num")), ("user_ref_num", ref(order)))
                fields = tuple(
                    (name, value)
                    for name, value in self._stands(order, happening.leaves, numbers, None)
                    if name != "cross_type"
                )
                self._submit(order.owner, "OrderReplaced", (*fields, ("cross_type", order.words["cross_type"])), now_ns)
            case What.REPLACE_REJECTED:
                self.say_all(self.market.cancel(order, now_ns), now_ns)
            case What.CANCEL_REJECTED:
                raise AssertionError("a cancel of a dead order is ignored before it comes to the book")

    def _stands(self, order: Order, qty: int, numbers: Fields, asked: Message | None) -> Fields:
        """The fields that OrderAccepted and OrderReplaced share: the order as it stands."""
        words = order.words
        fields: Fields = (
            *numbers, ("side", words["side"]), ("quantity", qty), ("symbol", order.symbol),
            ("price", order.px if order.ord_type is OrdType.LIMIT else MARKET_PRICES[0]), ("time_in_force", words["time_in_force"]),
            ("display", words["display"]), ("order_reference_number", self._reference), ("capacity", words["capacity"]),
            ("intermarket_sweep", words["intermarket_sweep"]), ("cross_type", words["cross_type"]), ("order_state", "L"),
            ("cl_ord_id", words["cl_ord_id"]),
        )  # fmt: skip
        return (*fields, ("appendage", {"firm": order.account})) if asked is not None and order.account else fields

    def _reject(self, order: Order, reason: int, now_ns: int) -> None:
        self.market.happened[What.REJECTED] += 1
        body = (("user_ref_num", ref(order)), ("reason", reason), ("cl_ord_id", order.words["cl_ord_id"]))
        self._submit(order.owner, "Rejected", body, now_ns)


def number(message: Message, name: str) -> int:
    """A number that the layout has checked; 0 where the field is absent."""
    return message.number(name) or 0


def ref(order: Order) -> int:
    """The order's live UserRefNum."""
    assert isinstance(order.ref, int), f"an OUCH order goes by a number, not {order.ref!r}"
    return order.ref


def firm(message: Message) -> str:
    """The firm of an order, from its appendage; "" where it gives none."""
    appendage = message.get("appendage")
    return str(appendage.get("firm", "")) if isinstance(appendage, Mapping) else ""
