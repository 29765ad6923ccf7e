"""How fast, printed and not asserted (`pytest -s`): the CLI's start, the store to the lane's word, and a thousand cancels on the wire."""

import time
from statistics import median

from risk.latch import Latch
from tests.kill.stand import Stand, limit_order, nap, settled, until
from tests.kill.tap import positions

RESTING = 1000
TIMES = 20


def test_figures() -> None:
    with Stand(changed=[("cancel_on_disconnect = false", "cancel_on_disconnect = true")]) as stand:
        starts = []
        for _ in range(5):
            begin = time.perf_counter_ns()
            assert stand.killswitch("status")[0] == 0
            starts.append(time.perf_counter_ns() - begin)

        # From the store of the word until the lane has acted on it and written it back; the lane sleeps in between.
        waits = []
        with Latch(stand.state / "latch", writable=True) as mapped:
            for _ in range(TIMES):
                nap(0.002)
                begin = time.perf_counter_ns()
                slot = mapped.engage("firm", "", "kill", time.time_ns(), "figures", "figures", None)
                word = mapped.word(slot)
                while mapped.seen(slot) != word:
                    assert time.perf_counter_ns() - begin < 1_000_000_000
                    nap(0.00005)  # the core may be the lane's
                waits.append(time.perf_counter_ns() - begin)
                assert mapped.rearm(slot, mapped.generation(slot), time.time_ns(), "figures", "figures")
            until(lambda: mapped.seen(slot) == mapped.word(slot), "the lane has seen the last rearm")

            client = stand.client()
            orders = [limit_order(client, venue) for venue in ("generic_fix44", "nasdaq") * (RESTING // 2)]
            settled(orders, "NEW")
            begin = time.monotonic_ns()
            mapped.engage("firm", "", "kill", time.time_ns(), "figures", "figures", None)
            settled(orders, "CANCELED")
        sweep_ms = {}
        for tap, new, cancel in ((stand.fix, "D", "F"), (stand.ouch, "O", "X")):
            seen = [each for each in tap.seen if each.type == cancel]
            assert len(seen) == RESTING // 2 and max(positions(tap.types(), new)) < min(positions(tap.types(), cancel))
            sweep_ms[cancel] = (seen[-1].at_ns - begin) / 1e6
        assert stand.end() == 0
        sent = stand.sent()
        assert len(sent.cancels) == RESTING
        print(
            f"\nkillswitch status, whole process: median {median(starts) / 1e6:.0f} ms; store to the lane's word: median {median(waits) / 1e3:.0f} µs, "
            f"worst of {TIMES} {max(waits) / 1e3:.0f} µs; {RESTING} cancels at the other end of the wire: FIX {sweep_ms['F']:.0f} ms, OUCH {sweep_ms['X']:.0f} ms; "
            f"in the lane: {sent.cancels_took_ns / 1e6:.2f} ms"
        )
