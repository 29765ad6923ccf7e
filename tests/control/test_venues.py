"""An order from a FIX door to a binary venue, and the two venues side by side."""

from pathlib import Path

from gateway.sessions.actions import SECOND
from tests.control.world import CONFIG, World
from tests.simulators.stand import fix_venue, only, ouch_venue

BUY = "54=1|60=20251120-12:00:00|40=2|"
BOTH = CONFIG + """
[sessions.nasdaq]
venue = "nasdaq"
port = 2
username = "DEMO01"
password = "env:SOUP"
mpid = "DEMO"
"""


def test_fix_in_and_ouch_out(tmp_path: Path) -> None:
    world = World(tmp_path, {"nyfix": fix_venue(quote_qty=0), "nasdaq": ouch_venue(quote_qty=1_000)}, BOTH)
    world.open()
    strategy = world.client()
    strategy.log_on()
    strategy.say(f"35=D|11=A1|1=ACC|55=AAPL|{BUY}38=100|44=187.25|59=0|")
    world.run(1 * SECOND)
    assert only(strategy.take(), 35, 11, 150, 39, 32, 31, 151, 14) == [
        ("8", "A1", "0", "0", "", "", "100", "0"),
        ("8", "A1", "F", "2", "100", "187.25", "0", "100"),
    ]


def test_an_ouch_order_is_replaced_and_cancelled(tmp_path: Path) -> None:
    world = World(tmp_path, {"nyfix": fix_venue(quote_qty=0), "nasdaq": ouch_venue(quote_qty=0)}, BOTH)
    world.open()
    strategy = world.client()
    strategy.log_on()
    strategy.say(f"35=D|11=A1|1=ACC|55=AAPL|{BUY}38=100|44=187.00|59=0|")
    strategy.say(f"35=G|11=A2|41=A1|1=ACC|55=AAPL|{BUY}38=150|44=187.05|")
    strategy.say("35=F|11=A3|41=A2|55=AAPL|54=1|60=20251120-12:00:00|")
    world.run(1 * SECOND)
    assert only(strategy.take(), 35, 11, 41, 150, 39, 38, 151) == [
        ("8", "A1", "", "0", "0", "100", "100"),
        ("8", "A2", "A1", "5", "0", "150", "150"),
        ("8", "A3", "A2", "4", "4", "150", "0"),
    ]
