"""A strategy that dies: its open orders are cancelled, or left, as its configuration says; half a message of it is no order."""

import sys

from simulators.demo.processes import Child
from tests.kill.stand import BOUND_S, Stand, until


def dead_strategy(stand: Stand, *arguments: str) -> None:
    """A strategy that has placed its orders, then SIGKILL."""
    child = stand.child("strategy", [sys.executable, "-m", "tests.kill.strategy", *arguments])
    child.wait_for(lambda line: line == "placed", BOUND_S)
    assert stand.open_orders() >= int(arguments[3])
    kill(child)


def kill(child: Child) -> None:
    child.process.kill()
    child.stop()


def test_the_orders_of_a_strategy_that_dies() -> None:
    with Stand() as stand:
        doors = stand.status().doors
        dead_strategy(stand, "api", doors["api"], str(stand.folder / "ALPHA.key"), "4", "half")
        until(lambda: stand.open_orders() == 0, "the order API's strategy: cancelled")
        assert sorted(stand.fix.types() + stand.ouch.types()) == ["D", "D", "F", "F", "O", "O", "X", "X"]

        dead_strategy(stand, "fix", doors["fix"], "ALPHA", "3", "half")
        until(lambda: stand.open_orders() == 0, "the FIX strategy: cancelled")
        assert sorted(stand.fix.types()) == ["D"] * 5 + ["F"] * 5

        dead_strategy(stand, "api", doors["api"], str(stand.folder / "BETA.key"), "2", "half")
        until(lambda: not any(view.rx != "closed" for view in stand.status().sessions if view.strategy == "BETA"), "the gateway knows that BETA is gone")
        assert stand.open_orders() == 2 and len(stand.ouch.types()) == 5

        # Whoever comes back finds the orders, and cancels them.
        back = stand.client("BETA")
        back.mass_cancel()
        until(lambda: stand.open_orders() == 0, "cancelled by their owner")
        assert stand.end() == 0
        counts = stand.venue_counts()
        assert sum(each["received"]["new"] for each in counts.values()) == 4 + 3 + 2
        assert sum(each["open"] for each in counts.values()) == 0
