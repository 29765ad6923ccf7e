"""SIGTERM: new orders are DENIED, day orders are cancelled or left, sessions log out, the last record is STOP; a second one ends it now."""

import signal
import time

from gateway.journal.record import Kind
from tests.kill.stand import BOUND_S, Stand, last, limit_order, settled, until


def test_day_orders_are_cancelled() -> None:
    with Stand(fill="none") as stand:
        client, beta = stand.client(), stand.client("BETA")
        stays = [limit_order(each, "generic_fix44", account=account, time_in_force="gtc") for each, account in ((client, "A1"), (beta, "B1"))]
        resting = [limit_order(client, venue) for venue in ("generic_fix44", "nasdaq") * 3] + [limit_order(beta, "nasdaq", account="B1")]
        settled(resting + stays, "NEW")
        stand.fix.pinch()  # three cancels are answered only later: the drain waits
        stand.signal(signal.SIGTERM)
        until(lambda: stand.ouch.types().count("X") == 4, "the drain cancels")
        order = limit_order(client, "nasdaq")
        settled([order], "DENIED")
        assert last(order).reason == "shutdown"
        stand.fix.release()
        settled(resting, "CANCELED")
        begin = time.monotonic()
        assert stand.gateway.process.wait(BOUND_S) == 0
        assert time.monotonic() - begin < 3, "orders that are to stay are not waited for"
        assert "5" in [seen.type for seen in stand.fix.seen], "the FIX session logged out"
        assert "soup-O" in [seen.type for seen in stand.ouch.seen], "the SoupBinTCP session logged out"
        assert stand.sent().kinds[-1] == Kind.STOP
        assert [order.status for order in stays] == ["NEW", "NEW"]
        assert sum(each["open"] for each in stand.venue_counts().values()) == len(stays)


def test_orders_are_left_where_the_configuration_says_so() -> None:
    with Stand(changed=[('on_shutdown = "cancel"', 'on_shutdown = "leave"')]) as stand:
        resting = [limit_order(stand.client(), "generic_fix44")]  # it is the gateway that goes: cancel on disconnect is not meant
        settled(resting, "NEW")
        assert stand.end() == 0
        assert stand.sent().kinds[-1] == Kind.STOP and stand.sent().cancels == []
        assert sum(each["open"] for each in stand.venue_counts().values()) == 1


def test_a_second_signal_ends_it_at_once() -> None:
    with Stand() as stand:
        resting = [limit_order(stand.client(), "generic_fix44")]
        settled(resting, "NEW")
        stand.fix.pinch()  # its cancel is never answered
        stand.signal(signal.SIGTERM)
        until(lambda: '"drain"' in stand.log(), "the drain has begun")
        begin = time.monotonic()
        stand.signal(signal.SIGTERM)
        assert stand.gateway.process.wait(BOUND_S) == 0
        assert time.monotonic() - begin < 3, "without waiting for the cancel"
        assert stand.sent().kinds[-1] == Kind.STOP
