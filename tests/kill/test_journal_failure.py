"""A disk that takes nothing more: new orders are DENIED, cancels leave, the gate can be dropped, and the log says what to do (SEAM R5f).

The disk's limit is the process's own, RLIMIT_FSIZE: no file may grow, or be written, beyond it.
"""

import resource
import socket

import pytest

from gateway.client import LoginRejected
from tests.kill.stand import Stand, at_rest, last, limit_order, settled, until

LOG_BYTES = 1 << 16  # room for the log; the journal is longer by then


def test_a_full_disk() -> None:
    with Stand() as stand:
        client = stand.client()
        resting = [limit_order(client, venue) for venue in ("generic_fix44", "nasdaq") * 3]
        settled(resting, "NEW")
        resource.prlimit(stand.gateway.pid, resource.RLIMIT_FSIZE, (LOG_BYTES, LOG_BYTES))
        filling = []
        until(lambda: filling.append(limit_order(client, "nasdaq")) or stand.status().journal["failure"], "the journal's writer has failed")
        denied = limit_order(client, "nasdaq")
        settled([denied], "DENIED")
        assert last(denied).reason == "journal_failed"
        resting[0].cancel()
        settled(resting[:1], "CANCELED")
        until(lambda: "journal.failed" in stand.log(), "the log says it")
        assert "new orders are DENIED, cancels leave" in stand.log() and "mend the disk, start again" in stand.log()
        resource.prlimit(stand.gateway.pid, resource.RLIMIT_FSIZE, (0, 0))  # now the log, too, takes nothing
        code, said = stand.engage()
        assert code == 0 and "CONFIRMED" in said, said
        settled(resting, "CANCELED")
        settled(filling, "CANCELED DENIED")
        assert stand.end() == 1
        # What the disk did not take, the ring has kept: with the disk mended, the next gateway has it all.
        stand.start()
        assert stand.open_orders() == 0
        assert stand.rearm()[0] == 0
        back = stand.client()
        order = limit_order(back, "nasdaq")
        settled([order], "NEW")
        assert stand.end() == 0 and stand.replays()
        counts, sent = stand.venue_counts(), stand.sent()
        assert sum(each["received"]["new"] for each in counts.values()) == len(sent.news)


def test_the_gateway_ends_by_itself_with_exit_code_1_and_the_next_one_has_it_all() -> None:
    with Stand(changed=[("segment_mib = 1", "segment_mib = 1\nfailed_stop_s = 1")]) as stand:
        client = stand.client("BETA")
        resting = [limit_order(client, venue, account="B1") for venue in ("generic_fix44", "nasdaq")]
        settled(resting, "NEW")
        resource.prlimit(stand.gateway.pid, resource.RLIMIT_FSIZE, (LOG_BYTES, LOG_BYTES))
        until(lambda: limit_order(client, "nasdaq", account="B1") and stand.status().journal["failure"], "the journal's writer has failed")
        with pytest.raises(LoginRejected, match="the journal has failed: who was never logged on is not let in"):
            stand.client("ALPHA")
        settled(resting, "CANCELED")
        assert stand.gateway.process.wait(8) == 1 and "gateway: writing a journal segment: File too large" in stand.log()
        stand.start()
        assert stand.open_orders() == 0 and [order.status for order in resting] == ["CANCELED", "CANCELED"]
        assert stand.end() == 0 and stand.replays()


def test_what_waits_for_the_disk_never_leaves_and_is_told_when_it_is_durable() -> None:
    """At group: the order is accepted, the disk fails, it is DENIED unsent; a strategy is told so by the next life, not before (R5)."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    door = 'protocol = "order_api"\nport = '
    with Stand(changed=[("segment_mib = 1", 'segment_mib = 1\nfailed_stop_s = 1\nlevel = "group"'), (f"{door}0", f"{door}{port}")]) as stand:
        client = stand.client("BETA")
        resting = limit_order(client, "nasdaq", account="B1")
        settled([resting], "NEW")
        resource.prlimit(stand.gateway.pid, resource.RLIMIT_FSIZE, (0, 0))
        waiting = limit_order(client, "nasdaq", account="B1")
        until(lambda: stand.status().journal["failure"], "the journal's writer has failed")
        resting.cancel()
        until(lambda: "X" in stand.ouch.types(), "a cancel waits for no disk")
        assert stand.gateway.process.wait(8) == 1
        assert stand.ouch.types().count("O") == 1 and not waiting.is_final and not resting.is_final
        stand.start()
        settled([waiting], "DENIED")
        settled([resting], "CANCELED")
        assert last(waiting).reason == "journal_failed"
        assert stand.end() == 0 and stand.replays()


def test_the_sweep_has_room_in_the_ring_that_a_flood_cannot_take() -> None:
    with Stand(changed=[("ring_mib = 8", "ring_mib = 2")]) as stand:
        client, flood = stand.client("BETA"), stand.client()
        resting = [limit_order(client, venue, account="B1") for venue in ("generic_fix44", "nasdaq") * 100]
        settled(resting, "NEW")
        resource.prlimit(stand.gateway.pid, resource.RLIMIT_FSIZE, (LOG_BYTES, LOG_BYTES))
        # Nothing is drained from the ring any more: every order takes some of it, until the gateway stops reading.
        sent = [limit_order(flood, "nasdaq") for _ in range(3000)]
        # A symbol without orders, dropped and dropped again: exit code 0 says that the lane has taken a step since.
        answered = at_rest(lambda: sum(order.is_final for order in sent), lambda: stand.engage("--scope", "symbol=IBM"))
        assert 100 < answered < len(sent) and not sent[-1].is_final, "the last ones are not even read"
        code, said = stand.engage()
        assert code == 0, said
        until(lambda: (stand.fix.types().count("F"), stand.ouch.types().count("X")) >= (100, 100), "every cancel has left")
        until(lambda: not [order for order in stand.orders() if order.strategy == "BETA"], "every cancel is confirmed, and booked")
