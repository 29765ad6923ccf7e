"""`killswitch engage`: nothing with new risk begins to leave, what rests is cancelled, and rearm lets new orders pass (DESIGN idea 6)."""

import signal
import sys
import threading
from typing import Any

import pytest

from gateway.admin import AdminError, Status
from gateway.client import Client
from gateway.tools.ask import ask
from tests.kill.stand import Stand, last, limit_order, queued, settled, until
from tests.kill.tap import positions


class Stream:
    """A strategy that sends orders to both venues as fast as it can, until it is stopped."""

    def __init__(self, client: Client) -> None:
        self.orders: list[Any] = []
        self._client = client
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.is_set() and len(self.orders) < 6000:
            self.orders.append(limit_order(self._client, ("generic_fix44", "nasdaq")[len(self.orders) % 2]))

    def stop(self) -> list[Any]:
        self._over.set()
        self._thread.join()
        return self.orders


def test_the_firm_is_dropped_while_orders_stream_and_the_queue_is_denied() -> None:
    with Stand() as stand:
        client = stand.client()
        stand.fix.pinch()
        stream = Stream(client)
        until(lambda: queued(stand) > 50, "orders wait for the pinched venue")
        code, said = stand.engage()
        assert code == 0 and "CONFIRMED" in said, said
        until(lambda: len([o for o in stream.orders if o.status == "DENIED"]) > 100, "the stream runs into the latch")
        stand.fix.release()
        orders = stream.stop()
        settled(orders, "CANCELED DENIED")
        denied = [order for order in orders if order.status == "DENIED"]
        assert {last(order).reason for order in denied} == {"killed"}
        canceled = [order for order in orders if order.status == "CANCELED"]
        assert stand.killswitch("status")[1].startswith("DROPPED: firm, ")
        assert stand.status().gate.startswith("DROPPED: firm")
        # On each wire the sweep's cancels come behind the last order, and there is one for each.
        for tap, new, cancel in ((stand.fix, "DG", "F"), (stand.ouch, "OU", "X")):
            types = tap.types()
            assert max(positions(types, new)) < min(positions(types, cancel))
            assert len(positions(types, new)) == len(positions(types, cancel)) > 0
        assert len(canceled) == len(positions(stand.fix.types(), "D")) + len(positions(stand.ouch.types(), "O"))

        code, said = stand.rearm()
        assert code == 0 and stand.killswitch("status")[1].startswith("OPEN"), said
        fresh = [limit_order(client, venue) for venue in ("generic_fix44", "nasdaq")]
        settled(fresh, "NEW")

        assert stand.end() == 0 and stand.replays()
        sent = stand.sent()
        dropped = [lsn for lsn, slot, is_dropped in sent.latches if slot == 0 and is_dropped]
        opened = [lsn for lsn, slot, is_dropped in sent.latches if slot == 0 and not is_dropped and lsn > dropped[0]]
        assert len(dropped) == 1 and len(opened) == 1
        assert [lsn for lsn in sent.news if dropped[0] < lsn < opened[0]] == []
        assert len([lsn for lsn in sent.news if lsn < dropped[0]]) == len(canceled)
        assert len([lsn for lsn in sent.news if lsn > opened[0]]) == len(fresh)
        counts = stand.venue_counts()
        assert sum(each["received"]["new"] for each in counts.values()) == len(sent.news), counts


def test_a_stopped_gateway_finds_the_latch_when_it_goes_on() -> None:
    with Stand() as stand:
        client = stand.client()
        resting = [limit_order(client, venue) for venue in ("generic_fix44", "nasdaq") * 3]
        settled(resting, "NEW")
        stand.signal(signal.SIGSTOP)
        unread = [limit_order(client, venue) for venue in ("generic_fix44", "nasdaq") * 20]
        code, said = stand.engage("--wait", "0.1")
        assert code == 3 and "NOT CONFIRMED" in said and "SIGSTOP" in said, said
        code, said = stand.killswitch("status")
        assert code == 0 and said.startswith("DROPPED: firm") and "is STOPPED and has NOT seen" in said, said
        before = stand.fix.types() + stand.ouch.types()
        stand.signal(signal.SIGCONT)
        settled(resting, "CANCELED")
        settled(unread, "DENIED")
        assert {last(order).reason for order in unread} == {"killed"}
        assert stand.killswitch("status")[1].count("has seen this state") == 1
        after = stand.fix.types() + stand.ouch.types()
        assert sorted(after) == sorted(before + ["F"] * 3 + ["X"] * 3)

        # Engaged and rearmed before the gateway looked: what it had accepted never leaves, what comes now does (SEAM R5b).
        assert stand.rearm()[0] == 0
        resting = [limit_order(client, "nasdaq") for _ in range(3)]
        stand.fix.pinch()
        waiting = [limit_order(client, "generic_fix44") for _ in range(800)]
        settled(resting, "NEW")
        until(lambda: queued(stand) > 20 and stand.status().counts["orders"] == 6 + 3 + 800, "every order is accepted, and some wait")
        left = 6 + 3 + 800 - queued(stand)
        stand.signal(signal.SIGSTOP)
        assert stand.engage("--wait", "0")[0] == 3
        code, said = stand.rearm("--wait", "0")
        assert code == 3 and "NOT CONFIRMED" in said, said
        assert stand.killswitch("status")[1].startswith("OPEN")
        stand.signal(signal.SIGCONT)
        stand.fix.release()
        fresh = [limit_order(client, venue) for venue in ("generic_fix44", "nasdaq")]
        settled(fresh, "NEW")
        settled(resting, "CANCELED")
        settled(waiting, "CANCELED DENIED")
        denied = [order for order in waiting if order.status == "DENIED"]
        assert {last(order).reason for order in denied} == {"killed"}
        assert len(denied) == 6 + 3 + 800 - left
        assert stand.end() == 0
        assert len(stand.sent().news) == left + len(fresh)


@pytest.mark.parametrize("how", ["a task that never yields", "a call that never gives up the interpreter"])
def test_the_lane_needs_nobody(how: str) -> None:
    number = signal.SIGUSR1 if how == "a task that never yields" else signal.SIGUSR2
    with Stand(argv=[sys.executable, "-m", "tests.kill.hog"]) as stand:
        client = stand.client()
        resting = [limit_order(client, venue) for venue in ("generic_fix44", "nasdaq") * 3]
        settled(resting, "NEW")
        stand.signal(number)
        with pytest.raises(AdminError, match="control plane is busy"):
            ask(stand.state, Status(), timeout_s=0.2)
        still = [limit_order(client, venue) for venue in ("generic_fix44", "nasdaq")]
        settled(still, "NEW")
        code, said = stand.engage()
        assert code == 0 and "CONFIRMED" in said, said
        settled(resting + still, "CANCELED")
        denied = limit_order(client, "nasdaq")
        settled([denied], "DENIED")
        assert last(denied).reason == "killed"
        assert stand.rearm()[0] == 0
        fresh = limit_order(client, "nasdaq")
        settled([fresh], "NEW")
        fresh.cancel()
        settled([fresh], "CANCELED")


def test_a_scope_stops_what_it_covers_and_nothing_else() -> None:
    book = {  # strategy, account, venue, symbol
        "a": ("ALPHA", "A1", "generic_fix44", "MSFT"), "b": ("ALPHA", "A2", "nasdaq", "AAPL"), "c": ("BETA", "B1", "generic_fix44", "IBM"), "d": ("BETA", "B1", "nasdaq", "MSFT"),
    }  # fmt: skip
    with Stand() as stand:
        clients = {name: stand.client(name) for name in ("ALPHA", "BETA")}

        def order(name: str) -> Any:
            strategy, account, venue, symbol = book[name]
            return limit_order(clients[strategy], venue, account=account, symbol=symbol)

        orders = {name: order(name) for name in book}
        settled(list(orders.values()), "NEW")
        for scope, covered in (("venue=nasdaq", "bd"), ("account=A2", "b"), ("strategy=BETA", "cd"), ("symbol=MSFT", "ad")):
            code, said = stand.engage("--scope", scope)
            assert code == 0 and f"DROPPED: {scope.replace('=', ' ')}," in said, said
            settled([orders[name] for name in covered], "CANCELED")
            fresh = {name: order(name) for name in book}
            settled([fresh[name] for name in book if name in covered], "DENIED")
            settled([fresh[name] for name in book if name not in covered], "NEW")
            assert {last(fresh[name]).reason for name in covered} == {"killed"}
            assert [name for name in book if orders[name].status != "NEW"] == list(covered)
            for name in set(book) - set(covered):
                fresh[name].cancel()
            settled([fresh[name] for name in book if name not in covered], "CANCELED")
            assert stand.rearm("--scope", scope)[0] == 0
            orders |= {name: order(name) for name in covered}
            settled([orders[name] for name in covered], "NEW")

        for scope in ("venue=nowhere", "account=A", "strategy=GAMMA", "symbol=NOPE", "trader=me", "symbol="):
            code, said = stand.engage("--scope", scope)
            assert code == 5 and "NOTHING DONE" in said, said
        assert stand.killswitch("status")[1].startswith("OPEN")
        assert all(order.status == "NEW" for order in orders.values())

        # Two scopes at once; the strategy's own cancels flow while its scope is dropped, and so do its questions.
        stand.fix.pinch()  # the sweep's cancel waits
        assert stand.engage("--scope", "venue=generic_fix44", "--scope", "account=A1")[0] == 0
        orders["a"].request_status()
        stand.fix.release()
        settled([orders["a"], orders["c"]], "CANCELED")
        orders["b"].request_status()
        orders["b"].cancel()
        settled([orders["b"]], "CANCELED")
        assert orders["d"].status == "NEW"
        assert stand.killswitch("status")[1].count("DROPPED: ") == 2


def test_cancels_and_questions_flow_while_the_gate_is_dropped() -> None:
    with Stand() as stand:
        client = stand.client()
        stand.fix.pinch()  # so that the sweep's cancels are not faster than the strategy's
        resting = limit_order(client, "nasdaq")
        settled([resting], "NEW")
        assert stand.engage("--scope", "symbol=IBM")[0] == 0
        resting.request_status()
        until(lambda: "status" in str([report.exec_type for report in resting.unread]), "the venue's answer to the question")
        replaced = limit_order(client, "nasdaq")
        settled([replaced], "NEW")
        assert stand.engage()[0] == 0
        replaced.replace(qty=5)
        resting.cancel()
        settled([resting, replaced], "CANCELED")
        stand.fix.release()
        assert stand.end() == 0
        latch = max(lsn for lsn, _, dropped in stand.sent().latches if dropped)
        assert all(lsn < latch for lsn in stand.sent().news)


def test_a_venue_that_is_away_hears_of_it_when_it_is_back() -> None:
    with Stand() as stand:
        client = stand.client()
        resting = [limit_order(client, "generic_fix44") for _ in range(3)]
        settled(resting, "NEW")
        port = stand.fix.cut()
        until(lambda: "closed" in [view.tx for view in stand.status().sessions if view.venue == "generic_fix44"], "the session is lost")
        assert stand.engage()[0] == 0
        assert [order.status for order in resting] == ["NEW"] * 3 and stand.fix.types().count("F") == 0
        stand.fix.venue_port = port
        settled(resting, "CANCELED")
        assert stand.fix.types().count("D") == 3

        # And a replace that waits is denied, its order cancelled; so is everything of a strategy that goes while its orders wait. Replaces go
        # before new orders, and a full wire still takes a little when TCP probes it: so there are more of them than it can ever hold.
        assert stand.rearm()[0] == 0
        resting = [limit_order(client, "generic_fix44") for _ in range(400)]
        settled(resting, "NEW")
        stand.fix.pinch()
        waiting = [limit_order(client, "generic_fix44") for _ in range(800)]
        until(lambda: stand.open_orders() == 1200, "all are accepted")
        for order in resting:
            order.replace(qty=2)
        until(lambda: queued(stand) > 820, "more wait than there are new orders: replaces do")
        assert stand.engage("--scope", "venue=generic_fix44")[0] == 0
        stand.fix.release()
        settled([*resting, *waiting], "CANCELED DENIED")
        assert {order.status for order in resting} == {"CANCELED"}
        denied = [order for order in resting if "killed" in [report.reason for report in order.unread]]
        replaced = stand.fix.types().count("G")
        assert len(denied) > 20 and len(denied) + replaced == 400
        assert stand.rearm("--scope", "venue=generic_fix44")[0] == 0
        stand.fix.pinch()
        waiting = [limit_order(client, "generic_fix44") for _ in range(800)]
        until(lambda: queued(stand) > 20 and stand.status().counts["open_orders"] == 800, "orders wait")
        client.close()
        until(lambda: queued(stand) == 0, "what waits is denied at once")
        stand.fix.release()
        until(lambda: stand.open_orders() == 0, "what has left is cancelled")
        assert stand.fix.types().count("G") == replaced
