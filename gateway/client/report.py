"""What the gateway reports: one gw_report as an object with FIX names, exact decimals, and a line of text for people."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from gateway.client import amounts
from gateway.client._records import ENUMS, REASON_TEXT, REPORT, Value

# Statuses after which nothing of an order can trade: those of FIX, and DENIED (never sent).
FINAL = frozenset({"FILLED", "CANCELED", "EXPIRED", "REJECTED", "DENIED", "DONE_FOR_DAY"})

NAMES: dict[str, dict[str | int, str]] = {enum: {value: name for name, value in values.items()} for enum, values in ENUMS.items()}
PRICES = frozenset({"price", "stop_px", "peg_offset", "last_px", "working_px"})
QUANTITIES = frozenset({"order_qty", "min_qty", "max_floor", "last_qty", "cum_qty", "leaves_qty"})
FLAGS = frozenset({
    "post_only", "reduce_only", "manual", "locate_reqd", "display", "intermarket_sweep", "poss_dup", "last_fragment", "in_doubt",
})  # fmt: skip
FIELDS = frozenset(name for name, *_ in REPORT.fields)


class Report:
    """One report about one order or request.

    Every field of the record is an attribute under its FIX name; None where the report does not give it. Prices and quantities are
    Decimal, enumerations are words ("buy", "limit", "trade"), flags bool, times ns since the epoch, `venue_options` a dict.
    """

    seq: int
    """Number in the strategy's stream; 0 = made by this client, because the request never reached the gateway."""
    cl_ord_num: int
    """Id of the request the report is about."""
    orig_cl_ord_num: int | None
    symbol: str | None
    side: str | None
    venue: str | None
    account: str | None
    order_qty: Decimal | None
    price: Decimal | None
    stop_px: Decimal | None
    ord_type: str | None
    time_in_force: str | None
    exec_type: str | None
    ord_status: str | None
    exec_id: str | None
    order_id: str | None
    last_px: Decimal | None
    last_qty: Decimal | None
    cum_qty: Decimal | None
    leaves_qty: Decimal | None
    avg_px: Decimal | None
    last_liquidity: str | None
    reason: str | None
    text: str | None
    control: str | None
    scope: str | None
    level: str | None
    transact_time: int | None
    sending_time: int | None
    t_in_ns: int | None
    lsn: int | None

    def __init__(self, values: Mapping[str, Value], seq: int) -> None:
        self.seq = seq
        self.values = dict(values)
        self.cl_ord_num = int(values.get("cl_ord_num", 0))

    def __getattr__(self, name: str) -> Any:
        if name not in FIELDS:
            raise AttributeError(f"a report has no {name!r}; its fields: {', '.join(sorted(FIELDS))}")
        value = self.values.get(name)
        if value is None:
            return None
        if name in PRICES:
            return amounts.decimal(int(value), int(self.values.get("px_exp", 0)))
        if name in QUANTITIES:
            return amounts.decimal(int(value), int(self.values.get("qty_exp", 0)))
        if name == "avg_px":
            return amounts.decimal(int(value), int(self.values.get("avg_px_exp", self.values.get("px_exp", 0))))
        if name in FLAGS:
            return value == 1
        if name == "venue_options":
            return {key: option for key, _, option in (word.partition("=") for word in str(value).split())}
        return NAMES[name].get(value, value) if name in NAMES and not isinstance(value, bytes) else value

    @property
    def refuses_request(self) -> bool:
        """True if a cancel, replace or status request was refused; the order it meant stays as it was."""
        if self.exec_type == "order_status" and self.reason == "unknown_order":
            return True
        return self.kind == "cancel_reject" or (self.exec_type in ("denied", "rejected") and self.kind in ("cancel", "replace", "status"))

    @property
    def status(self) -> str:
        """What became of the order (NEW, PARTIALLY_FILLED, FILLED, DENIED, IN_DOUBT …) or of the request (CANCEL_REJECTED …)."""
        if self.refuses_request:
            what = self.cxl_rej_response_to or {"cancel_reject": "cancel", "execution_report": "status"}.get(self.kind, self.kind)
            return f"{what}_REJECTED".upper()
        if self.kind == "mass_cancel_report":
            return "MASS_CANCEL"
        if self.exec_type == "denied":
            return "DENIED"
        if self.exec_type == "in_doubt" or self.in_doubt:
            return "IN_DOUBT"
        return str(self.ord_status or self.exec_type or "unknown").upper()

    @property
    def is_final(self) -> bool:
        """True if the order is finished: nothing of it can trade any more."""
        return self.status in FINAL

    @property
    def reason_text(self) -> str:
        """Why: the venue's or the gateway's own words, else what the reason code means; empty if none was given."""
        if self.text:
            return self.text
        code = int(self.values.get("reason", 0))
        return REASON_TEXT.get(code, f"reason {code}") if code else ""

    def __str__(self) -> str:
        status, venue = self.status, f" {self.venue}" if self.venue else ""
        why = self.reason_text
        if status in ("DENIED", "MASS_CANCEL"):
            return f"{status} {why}".rstrip()
        if status == "IN_DOUBT":
            return f"IN_DOUBT {self._size()}{venue}: {why or 'sent, outcome unknown'}"
        if status.endswith("REJECTED"):
            return f"{status}{venue}" + (f": {why}" if why else "")
        if self.exec_type in ("trade_cancel", "trade_correct"):
            what = f"{str(self.exec_type).upper()} {_plain(self.last_qty)} @ {_plain(self.last_px)}{venue}"
            return f"{what}, now {status} {_plain(self.cum_qty)} of {_plain(self.order_qty)}"
        if status in ("FILLED", "PARTIALLY_FILLED"):
            return f"{status} {self._filled(status)}{venue}"
        filled = f" ({_plain(self.cum_qty)} of {_plain(self.order_qty)} filled)" if self.cum_qty else ""
        what = "REPLACED" if self.exec_type == "replaced" else status
        if what in ("NEW", "REPLACED"):
            return f"{what} {self._size()}{venue}{filled}"
        return f"{what}{venue}{filled}" + (f": {why}" if why else "")

    def __repr__(self) -> str:
        return f"<Report {self.seq} of {self.cl_ord_num}: {self}>"

    def _size(self) -> str:
        price = f" @ {_plain(self.price)}" if self.price is not None else ""
        return f"{_plain(self.order_qty)}{price}"

    def _filled(self, status: str) -> str:
        """Quantity done at its average price; the last fill beside it where it was not the only one."""
        done = self.cum_qty if self.cum_qty is not None else self.last_qty
        of = f" of {_plain(self.order_qty)}" if status == "PARTIALLY_FILLED" and self.order_qty is not None else ""
        only = self.last_qty is not None and done == self.last_qty
        average = self.last_px if only else self.avg_px
        at = f" @ {_plain(average)}" if average is not None else ""
        last = "" if only or self.last_qty is None else f" (last {_plain(self.last_qty)} @ {_plain(self.last_px)})"
        return f"{_plain(done)}{of}{at}{last}"


def _plain(value: Decimal | None) -> str:
    return "?" if value is None else format(value, "f")


def local(request: Mapping[str, Value], id: int, exec_type: str, reason: str, text: str) -> Report:
    """A report that this client makes itself about a request of its own: `request` is what was packed."""
    kept = {name: request[name] for name in FIELDS & request.keys()}
    own: dict[str, Value] = {"cl_ord_num": id, "exec_type": ENUMS["exec_type"][exec_type], "reason": ENUMS["reason"][reason], "text": text[:64]}
    return Report({**kept, **own}, 0)
