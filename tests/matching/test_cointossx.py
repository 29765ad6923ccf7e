"""The published CSV cases of a Java exchange simulator: what must rest and what must trade, by the core and by the twin.

Provenance: CoinTossX (MIT), 112 cases of Init, Input, Output and Trades, found through PORTCULLIS_OUTSIDE/matching/cointossx.
Columns: side B or O; type 1 market, 2 limit, 3 stop (Price is the stop price), 4 stop-limit, 5 hidden; MES = minimum execution size;
TimeInForce 6 and 8 = until ExpireTime. Its OrderID is the client's and may be used twice, so a row is an order of ours.

Its engine had faults, and two of its rules are its own venue's. A case whose expectation a written rule decides against is in
DECIDED, with the rule, and with what the rule gives instead; every other case must agree with what it says.
"""

import csv
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from simulators.matching import EventKind, Exchange, Flag, Kind, Message, OrdType, Phase, Profile, Tif, open_exchange

PROFILE = Profile("cointossx", short_expires=True)
CALL = Profile("cointossx_call", short_expires=True, first_phase=Phase.PRE_OPEN)
COUNTS = {
    "auction": 3,
    "cancelOrder": 10,
    "filterAndUncross": 4,
    "replaceOrder": 36,
    "uncross/hiddenOrder": 17,
    "uncross/limitOrder": 12,
    "uncross/marketOrder": 6,
    "uncross/stopLimitOrder": 12,
    "uncross/stopOrder": 12,
}

Row = dict[str, str]
Resting = tuple[
    str, str, int, int
]  # side, id, size left, price (of a stop: its limit, or its stop price when it has none)
Fill = tuple[int, int]  # price, quantity


@dataclass
class Case:
    """One case as the files give it."""

    folder: str
    number: int
    init: list[Row]
    inputs: list[Row]
    output: list[Resting]
    trades: list[Fill]
    expire_ns: int = 0


@dataclass
class Decided:
    """Why a case does not decide, and what the rule gives in place of its Output and Trades (None: as in the case)."""

    rule: str
    output: list[Resting] | None = None
    trades: list[Fill] | None = field(default=None)


MARKET_FIRST = "auctions fill market orders first, then by price, then by time (reference 6.1); the case lists the same trades, priced order first"
TOTAL_MIN = "a minimum quantity of an incoming order is of all its executions together (FIX MinQty, tag 110), so the last order of Init trades at once"
ITSELF = "a replace touches its own order alone: the case's Output has another price for an order that only Init names"
REST = "what is neither traded nor cancelled rests (volume is conserved): the case's Output forgets it"
STOP = REST + "; and a sell stop is reached at or below its price, which no trade was"
AT_ITS_PRICE = (
    "a trade is at the resting order's price; the case gives its venue's midpoint improvement for hidden orders"
)
BEST_FIRST = "price, then visibility, then time, at the resting order's price: the hidden order has the better price; the case holds it back to the displayed quote"
FURTHEST = "the stop furthest from the last price is elected first (reference 6.1, the case's own title, and stopOrder 9 and 10); its Trades have the other first"
SIDE = "an order keeps its side: Init names order 14 as an offer, Output as a bid"

DECIDED: dict[tuple[str, int], Decided] = {
    ("auction", 1): Decided(MARKET_FIRST, trades=[(10450, 2500), (10450, 6900), (10450, 600), (10450, 400)]),
    ("auction", 2): Decided(MARKET_FIRST, trades=[(10450, 2500), (10450, 6900), (10450, 600), (10450, 400)]),
    ("auction", 3): Decided(MARKET_FIRST, trades=[(10500, 2500), (10500, 6900), (10500, 600), (10500, 400)]),
    ("replaceOrder", 9): Decided(
        TOTAL_MIN, [("B", "1", 1000, 10000), ("B", "2", 1000, 10500)], [(10700, 1000), (10500, 1500)]
    ),
    ("replaceOrder", 10): Decided(
        TOTAL_MIN, [("O", "2", 1000, 10500), ("O", "3", 1000, 10700)], [(10000, 1000), (10500, 1500)]
    ),
    ("replaceOrder", 27): Decided(ITSELF, [("B", "1", 1000, 10000), ("B", "2", 1500, 10500), ("B", "3", 3000, 10500)]),
    ("replaceOrder", 28): Decided(ITSELF, [("B", "1", 1000, 10700), ("B", "2", 2000, 10500), ("B", "3", 3000, 10700)]),
    ("replaceOrder", 34): Decided(STOP, [("B", "4", 1000, 9000), ("O", "2", 1000, 8000)]),
    ("replaceOrder", 35): Decided(REST, [("B", "2", 1000, 9000)]),
    ("replaceOrder", 36): Decided(REST, [("O", "2", 1000, 8000)]),
    ("uncross/hiddenOrder", 6): Decided(AT_ITS_PRICE, trades=[(10600, 15000)]),
    ("uncross/hiddenOrder", 7): Decided(
        BEST_FIRST, [("B", "2", 1000, 10000), ("O", "3", 1000, 10500)], [(10600, 15000)]
    ),
    ("uncross/hiddenOrder", 8): Decided(
        BEST_FIRST, [("B", "2", 1000, 10000), ("O", "3", 1000, 10500)], [(10700, 15000)]
    ),
    ("uncross/hiddenOrder", 10): Decided(AT_ITS_PRICE, trades=[(10500, 15000)]),
    ("uncross/hiddenOrder", 11): Decided(
        BEST_FIRST, [("B", "1", 1000, 10600), ("O", "2", 1000, 10700)], [(10500, 15000)]
    ),
    ("uncross/hiddenOrder", 12): Decided(
        BEST_FIRST, [("B", "1", 1000, 10700), ("O", "2", 1000, 10800)], [(10500, 15000)]
    ),
    ("uncross/hiddenOrder", 15): Decided(AT_ITS_PRICE, trades=[(10500, 100000)]),
    ("uncross/hiddenOrder", 16): Decided(AT_ITS_PRICE, trades=[(10200, 100000)]),
    ("uncross/hiddenOrder", 17): Decided(AT_ITS_PRICE, trades=[(10200, 100000), (10000, 100000)]),
    ("uncross/stopLimitOrder", 9): Decided(FURTHEST, trades=[(10700, 1000), (10800, 500), (10800, 1000)]),
    ("uncross/stopLimitOrder", 10): Decided(FURTHEST, trades=[(10900, 1000), (10800, 500), (10800, 1000)]),
    ("uncross/stopOrder", 5): Decided(SIDE, [("O", "14", 1000, 9400)]),
}


def rows(folder: Path, name: str) -> list[Row]:
    """The rows of a file, whose name is in the wrong case here and there."""
    found = [path for path in folder.iterdir() if path.name.lower() == name.lower()]
    if not name or not found:
        return []
    lines = found[0].read_text(encoding="utf-8", errors="replace").splitlines()
    return [row for row in csv.DictReader(lines) if row.get("OrderID") or row.get("TradeId")]


def resting(row: Row) -> Resting:
    return row["Side"][-1], row["OrderID"], int(row["Size"]), int(row["Price"] or 0)


def nanoseconds(row: Row) -> int:
    """When the order expires, 0 for never. (Some rows have no StopPrice before these columns: they are read from the end.)"""
    text = row.get("ExpireTime") or row.get("TimeInForce") or ""
    if ":" not in text:
        return 0
    return int(datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC).timestamp()) * 1_000_000_000


def read_case(folder: Path, name: str, number: int) -> Case:
    expected = rows(folder, f"Test{number}_Output.csv")
    return Case(
        name,
        number,
        rows(folder, f"Test{number}_Init.csv"),
        rows(folder, f"Test{number}_Input.csv"),
        [resting(row) for row in expected],
        [(int(row["Price"]), int(row["Quantity"])) for row in rows(folder, f"Test{number}_Trades.csv")],
        max((nanoseconds(row) for row in expected), default=0),
    )


def new(row: Row, order_id: int) -> Message:
    kind = int(row["Type"])
    expire_ns = nanoseconds(row)
    px = int(row["Price"] or 0)
    stop_px = int(row.get("StopPrice") or 0) if kind == 4 else px
    return Message(
        Kind.NEW,
        order_id=order_id,
        side="BO".index(row["Side"]),
        ord_type={1: OrdType.MARKET, 2: OrdType.LIMIT, 3: OrdType.STOP, 4: OrdType.STOP_LIMIT, 5: OrdType.LIMIT}[kind],
        tif=Tif.GTD if expire_ns else Tif.DAY,
        flags=Flag.HIDDEN if kind == 5 else 0,
        px=px,
        qty=int(row["Size"]),
        stop_px=stop_px if kind in (3, 4) else 0,
        min_qty=int(row["MES"] or 0) if kind == 5 else 0,
        expire_ns=expire_ns,
    )


def run(case: Case, exchange: Exchange) -> tuple[list[Resting], list[Fill]]:
    """What rests and what traded, having played the case."""
    sent: list[tuple[Row, int]] = []
    fills: list[Fill] = []

    def send(message: Message) -> None:
        fills.extend((e.px, e.qty) for e in exchange.send(message) if e.kind == EventKind.TRADE)

    for row in [*case.init, *([] if case.folder in ("cancelOrder", "replaceOrder") else case.inputs)]:
        sent.append((row, len(sent) + 1))
        send(new(row, len(sent)))
    if case.folder in ("cancelOrder", "replaceOrder"):
        (row,) = case.inputs
        target = next(
            (i for known, i in sent if (known["Side"], known["OrderID"]) == (row["Side"], row["OrderID"])), 999
        )
        if case.folder == "cancelOrder":
            send(Message(Kind.CANCEL, order_id=target))
        else:
            message = new(row, target)
            message.kind, message.new_order_id = Kind.REPLACE, target
            send(message)
            sent = [(row if i == target else known, i) for known, i in sent]
    if case.folder in ("auction", "filterAndUncross"):
        send(Message(Kind.PHASE, phase=Phase.CONTINUOUS))
    out: list[Resting] = []
    for row, order_id in sent:
        view = exchange.order(order_id)
        if view is not None:
            out.append((row["Side"], row["OrderID"], view.leaves_qty, int(row["Price"] or 0)))
    return out, fills


@pytest.mark.parametrize("twin", [False, True], ids=["core", "twin"])
@pytest.mark.parametrize("folder", COUNTS)
def test_every_case_agrees_or_a_written_rule_decides(outside: Path, folder: str, twin: bool) -> None:
    path = outside / "matching/cointossx" / folder
    wrong = []
    for number in range(1, COUNTS[folder] + 1):
        case = read_case(path, folder, number)
        exchange = open_exchange(CALL if folder in ("auction", "filterAndUncross") else PROFILE, twin=twin)
        left, fills = run(case, exchange)
        decided = DECIDED.get((folder, number), Decided(""))
        output = case.output if decided.output is None else decided.output
        trades = case.trades if decided.trades is None else decided.trades
        if (sorted(left), fills) != (sorted(output), trades):
            wrong.append((number, "rests", sorted(left), "not", sorted(output), "trades", fills, "not", trades))
        if case.expire_ns and not decided.rule:
            (dated,) = [i for i in range(1, len(case.init) + 1) if "2015" in str(case.init[i - 1])]
            for now_ns, alive in ((case.expire_ns - 1, True), (case.expire_ns, False)):
                exchange.send(Message(Kind.TICK, now_ns=now_ns))
                assert (exchange.order(dated) is not None) == alive, (number, now_ns, "the expiry is the replaced one")
    assert not wrong, "\n".join(map(str, wrong))


def test_a_decision_is_needed(outside: Path) -> None:
    """Nothing stays in DECIDED that agrees with its case, and nothing in it is without a rule."""
    for (folder, number), decided in DECIDED.items():
        case = read_case(outside / "matching/cointossx" / folder, folder, number)
        assert decided.rule
        assert decided.output not in (None, case.output) or decided.trades not in (None, case.trades), (folder, number)
