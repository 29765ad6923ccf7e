"""What an operator changes in a running gateway: pauses, cancels of a scope, reference prices, limits; journaled with who and why, and replayed."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import trio

from gateway import admin
from gateway.control.anew import Before, beginning
from gateway.control.inputs import Answer, Input
from gateway.control.operator import Operator
from gateway.control.past import Past
from gateway.lane.records import notes, pauses
from gateway.sessions.actions import SECOND
from tests.control.world import FixClient, World
from tests.simulators.stand import fix_venue, only

REST = "35=D|11={}|1=ACC|55={}|54=1|60=20251120-12:00:00|40=2|38=100|44=191.00|"
BEYOND = "35=D|11={}|1=ACC|55=IBM|54=1|60=20251120-12:00:00|40=2|38=100|44={}|"


class Desk:
    """A world with an operator in it, whose wishes are carried as in production."""

    def __init__(self, folder: Path) -> None:
        self.world = World(folder, {"nyfix": fix_venue(quote_qty=0)})
        self.world.open()
        world = self.world
        house = SimpleNamespace(config=world.config, plan=world.plan, instruments=world.instruments, lane=world.lane, paused={})
        self.operator = Operator(house, self)  # type: ignore[arg-type]  # what it needs of a house and of a carrier
        self.strategy = self.client("STRAT")

    def client(self, comp_id: str) -> FixClient:
        client = self.world.client(comp_id)
        client.log_on()
        return client

    async def ask(self, make: Callable[[int], Input]) -> Answer:
        await trio.lowlevel.checkpoint()  # others may come in between, as in production
        self.world.give(make(7))
        self.world.run(SECOND // 10)
        return self.world.answers.pop()

    async def scope(self, what: str, scope: str, reason: str = "a test") -> admin.DoneResult:
        done = await self.operator.change(admin.ScopeWanted(what, scope, reason), "ann")  # type: ignore[arg-type]
        assert isinstance(done, admin.DoneResult)
        return done

    def send(self, text: str) -> list[tuple[str, str]]:
        """OrdStatus and Text of what is told of one request, at once and within a moment."""
        self.strategy.say(text)
        self.world.run(SECOND // 10)
        return [(each[39], each.get(58, "")) for each in self.strategy.take() if each[35] == "8"]


PAUSED = ("8", "an operator has paused new orders of a scope of this order")


@pytest.mark.parametrize("scope", ["firm", "session=nyfix", "venue=generic_fix44", "account=ACC", "strategy=STRAT", "symbol=IBM"])
async def test_a_paused_scope_takes_no_new_order_until_it_is_resumed(tmp_path: Path, scope: str) -> None:
    desk = Desk(tmp_path)
    assert desk.send(REST.format("A1", "IBM")) == [("0", "")]
    done = await desk.scope("pause", scope, "their engine is slow")
    record = desk.world.lane.record(done.lsn)
    assert record is not None and [paused for _, _, paused in pauses(record)] == [True]
    (note,) = notes(record)
    assert note.startswith(b"pause ") and note.endswith(b" by ann: their engine is slow")
    assert desk.operator.paused[0].endswith(", by ann: their engine is slow")

    assert desk.send(REST.format("A2", "IBM")) == [PAUSED]
    assert desk.send("35=G|11=A3|41=A1|1=ACC|55=IBM|54=1|60=20251120-12:00:00|40=2|38=200|44=191.00|") == [], "no more of it is bought either"
    assert desk.send("35=F|11=A4|41=A1|55=IBM|54=1|60=20251120-12:00:00|")[-1][0] == "4", "cancels flow"

    await desk.scope("resume", scope)
    assert desk.operator.paused == ()
    assert desk.send(REST.format("A5", "IBM")) == [("0", "")]
    assert desk.world.lane.denied_by() == {"paused": 1}


async def test_a_pause_of_one_symbol_leaves_the_others(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    await desk.scope("pause", "symbol=IBM")
    assert desk.send(REST.format("A1", "IBM")) == [PAUSED]
    assert desk.send("35=D|11=A2|1=ACC|55=MSFT|54=1|60=20251120-12:00:00|40=2|38=100|44=415.00|") == [("0", "")]
    with pytest.raises(admin.AdminError, match="firm is not paused; paused: symbol IBM"):
        await desk.scope("resume", "firm")
    await desk.scope("pause", "account=ACC", "both")
    done = await desk.scope("resume", "symbol=IBM")
    assert done.text == "symbol IBM: new orders are taken again; still paused: account ACC, by ann: both"


async def test_cancel_ends_what_is_open_of_the_scope_and_drops_no_gate(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    other = desk.client("OTHER")
    other.say("35=D|11=B1|1=ACC|55=IBM|54=1|60=20251120-12:00:00|40=2|38=100|44=190.00|")
    for number, symbol in enumerate(("IBM", "IBM", "MSFT")):
        desk.send(REST.format(f"A{number}", symbol).replace("191.00", "415.00" if symbol == "MSFT" else "191.00"))
    done = await desk.scope("cancel", "strategy=STRAT", "going home")
    assert done.text == "strategy STRAT: 3 open orders are being cancelled; new ones are taken as before"
    told = [each for each in desk.strategy.take() if each[35] == "8"]
    assert sorted((each[11], each[39]) for each in told) == [("A0", "4"), ("A1", "4"), ("A2", "4")], told
    assert only(other.take(), 39) == [("0",)], "another strategy's order stands"
    assert desk.world.lane.counts().open_orders == 1
    assert desk.send(REST.format("A9", "IBM")) == [("0", "")]


async def test_a_reference_price_moves_the_collar(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    assert desk.send(BEYOND.format("A1", "400.00"))[0][1].startswith("collar_bps "), "five tenths beyond 191.25 are let through, not twice of it"
    done = await desk.operator.change(admin.RefPxSet("IBM", "390.5", "the morning's auction"), "ann")
    assert isinstance(done, admin.DoneResult)
    record = desk.world.lane.record(done.lsn)
    assert record is not None and notes(record) == [b"ref_px IBM 390.5 by ann: the morning's auction"]
    assert done.text == "IBM: the reference price is 390.5, until another is set"
    assert desk.send(BEYOND.format("A2", "400.00")) == [("0", "")]


@pytest.mark.parametrize(
    ("scope", "error"),
    [
        ("symbol=IBMM", "no symbol 'IBMM' here; did you mean IBM?"),
        ("session=nyfx", "no session 'nyfx' here; did you mean nyfix?"),
        ("desk=1", "'desk=1' is no scope; write one of firm, session=NAME, venue=NAME, account=NAME, strategy=NAME, symbol=NAME"),
        ("firm=x", "'firm=x' is no scope"),
        ("symbol", "'symbol' is no scope"),
        ("symbol=-", "no symbol '-' here; known: "),
    ],
)
async def test_a_scope_that_is_none_changes_nothing(tmp_path: Path, scope: str, error: str) -> None:
    desk = Desk(tmp_path)
    lsn = desk.world.lane.counts().lsn
    for what in ("pause", "resume", "cancel"):
        with pytest.raises(admin.AdminError) as told:
            await desk.scope(what, scope)
        assert str(told.value).startswith(error)
    assert desk.world.lane.counts().lsn == lsn and desk.operator.paused == ()


@pytest.mark.parametrize(
    ("symbol", "price", "error"),
    [
        ("IBMM", "1", "no symbol 'IBMM' here; did you mean IBM?"),
        ("IBM", "1.00001", r"IBM: 1.00001 is finer than 10\^-4; its prices are multiples of 0.0001"),
        ("IBM", "abc", "IBM: 'abc' is not a decimal number such as 187.25"),
    ],
)
async def test_a_reference_price_that_is_none_changes_nothing(tmp_path: Path, symbol: str, price: str, error: str) -> None:
    desk = Desk(tmp_path)
    with pytest.raises(admin.AdminError, match=error):
        await desk.operator.change(admin.RefPxSet(symbol, price, "why"), "ann")


async def test_denials_are_told_by_reason_beside_the_limits(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.send(REST.format("A1", "IBM").replace("38=100", "38=20000"))
    desk.send(REST.format("A2", "NOPE"))
    await desk.operator.change(admin.LimitsSet("firm.order_qty", 50, "smaller"), "ann")
    desk.send(REST.format("A3", "IBM"))
    assert desk.operator.limits.denied == {"limit": 2, "unknown_symbol": 1}


async def test_what_was_paused_stays_paused_in_a_journal_that_is_begun_anew(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    before = Before("archive/x", (), {}, (("symbol", "IBM"), ("symbol", "GONE"), ("firm", "")))
    parts = beginning(before, Past(), desk.world.plan, desk.world.lane).batches[-1]
    assert [str(part).split("(")[0] for part in parts] == ["pause", "pause", "note"]
    assert [(part.a, part.b) for part in parts[:2]] == [(4, desk.world.plan.symbols.index("IBM")), (0, 0)]


async def test_of_two_who_change_limits_at_once_neither_is_lost(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(desk.operator.change, admin.LimitsSet("firm.order_qty", 50, "smaller"), "ann")
        nursery.start_soon(desk.operator.change, admin.LimitsSet("firm.notional", 1000, "smaller"), "bob")
    limits = desk.operator.limits
    values = {each.path: each.value for each in limits.limits}
    assert (limits.version, values["firm.order_qty"], values["firm.notional"]) == (3, "50", "1000")
