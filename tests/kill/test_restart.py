"""The latch outlives the gateway, however that ended; and a latch file that is not whole is a dropped gate that says what to do."""

import os
from pathlib import Path

from risk import latch
from tests.kill.stand import Stand, last, limit_order, settled, until


def denied(stand: Stand) -> None:
    """An order of a strategy that has just come is DENIED, KILLED."""
    with stand.client() as client:
        order = limit_order(client, "nasdaq")
        settled([order], "DENIED")
        assert last(order).reason == "killed"


def accepted(stand: Stand) -> None:
    with stand.client() as client:
        order = limit_order(client, "nasdaq")
        settled([order], "NEW")
        order.cancel()
        settled([order], "CANCELED")


def test_a_gate_that_was_dropped_stays_dropped_over_restarts() -> None:
    with Stand() as stand:
        resting = limit_order(stand.client("BETA"), "nasdaq", account="B1")
        settled([resting], "NEW")
        stand.kill()
        code, said = stand.engage("--wait", "0.3")  # while there is no gateway at all
        assert code == 3 and "no gateway is running" in said, said
        for end in (stand.kill, stand.end, stand.kill):
            stand.start()  # it is ready all the same
            assert stand.killswitch("status")[1].startswith("DROPPED: firm")
            assert "DROPPED: firm" in stand.last_log() and stand.status().gate.startswith("DROPPED: firm")
            until(lambda: stand.open_orders() == 0, "what rested is cancelled after the first restart")
            denied(stand)
            end()
        stand.start()
        assert stand.rearm()[0] == 0
        accepted(stand)


def remove(path: Path) -> None:
    path.unlink()


def truncate(path: Path) -> None:
    os.truncate(path, 100)


def overwrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"not a latch")


HARM = [remove, truncate, overwrite]


def test_a_latch_that_is_not_whole_at_the_start() -> None:
    with Stand() as stand:
        for harm in HARM:
            stand.kill()
            harm(stand.state / "latch")
            stand.start()
            denied(stand)
            assert stand.status().gate.startswith("DROPPED: firm")
            if harm is not remove:  # what is missing was made anew, dropped, at the start
                assert "`killswitch engage` makes it anew" in stand.log()
                code, said = stand.rearm()
                assert code == 7 and "`killswitch engage` makes it anew" in said, said
                code, said = stand.engage()
                assert code == 0 and "made anew with the FIRM dropped" in said, said
            assert stand.rearm()[0] == 0
            accepted(stand)


def test_a_latch_that_is_harmed_under_a_running_gateway() -> None:
    with Stand() as stand:
        client = stand.client()
        for harm in HARM:
            resting = [limit_order(client, venue) for venue in ("generic_fix44", "nasdaq")]
            settled(resting, "NEW")
            harm(stand.state / "latch")
            settled(resting, "CANCELED")
            order = limit_order(client, "nasdaq")
            settled([order], "DENIED")
            assert last(order).reason == "killed"
            # The file is made anew, and the same gateway goes on with it.
            code, said = stand.engage()
            assert code == 0 and "made anew with the FIRM dropped" in said and "CONFIRMED" in said, said
            assert stand.rearm()[0] == 0
            with latch.Latch(stand.state / "latch") as mapped:
                assert mapped.lane_pid() == stand.gateway.pid
