"""`python -m tests.bench.bench_matching`: the matching core in messages a second, beside the twin and a public library, in one run.

Five scenarios in the shape of the public matching-engine benchmark (its calibration, flash1-dev, MIT: orders placed by a power law
with a hump near the touch, quantities 1 to 100, 15 % immediate-or-cancel, 20 % modified by a tick, 95 % cancelled, 2 % of cancels
sent twice; a random walk of the middle of 0, 2, 25, 40 and 60 %), drawn anew here from a seed. Where PORTCULLIS_OUTSIDE is set, the
benchmark's own streams beside them. Then the cost of a message as the book and the number of symbols grow, and memory an order.

Every figure is of one thread, through the Python API in batches of 4,096 messages: events come back as bytes. Time is the thread's
processor time, so that other programs disturb little (they still share caches); the rate by the wall clock stands beside it, and the
two are the same on an idle machine. Rounds interleave and the best of each is shown. Exit 1 when the worst scenario is below the floor.
"""

import argparse
import bisect
import itertools
import math
import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from simulators.matching import (
    PRICE_TIME,
    STREAM,
    Exchange,
    Kind,
    Message,
    Tif,
    open_exchange,
    pack_messages,
    stream,
    unpack_messages,
)
from simulators.matching.records import EVENT, MESSAGE

ROOT = Path(__file__).parents[2]
PEERS = ROOT / "build" / "bench" / "peers"
PEER = "lightmatchingengine"
FLOOR = 2_000_000  # messages a second on the worst scenario
BATCH = 4_096 * MESSAGE.size
SCENARIOS = {"static": (0.0, 0.0), "normal": (0.15, 0.02), "swing-25": (0.5, 0.25), "swing-40": (0.5, 0.40), "flash-crash": (0.5, 0.60)}
TICKS_AT_START = 33_504
NEW, CANCEL, MODIFY = Kind.NEW, Kind.CANCEL, Kind.REPLACE


def walk(rng: random.Random, scenario: str, count: int) -> list[tuple[int, int, int, int]]:
    """(side, price, quantity, depth) of each new order: buys along the first half of the walk, sells along the second."""
    volatility, swing = SCENARIOS[scenario]
    step = swing / math.sqrt(count) if volatility else 0.0
    weights = itertools.accumulate((k + 1) ** -2.23 + 5 * math.exp(-0.5 * (k - 8) ** 2) for k in range(1_000))
    cumulated = list(weights)
    mid, out = float(TICKS_AT_START), []
    for i in range(count):
        mid *= math.exp(rng.gauss(-0.5 * step * step, step))
        depth = bisect.bisect_left(cumulated, rng.random() * cumulated[-1])
        side = int(i >= count // 2)
        out.append((side, max(1, round(mid) + (depth + 1) * (1 if side else -1)), rng.randint(1, 100), depth))
    return out


def scenario(name: str, count: int, seed: int) -> bytes:
    """`count` new orders in shuffled order, each with its modify and its cancels at their times, as messages."""
    rng = random.Random(f"{name} {seed}")
    orders = walk(rng, name, count)
    rng.shuffle(orders)
    timeline: list[tuple[int, int, Message]] = []

    def at(when: int, message: Message) -> None:
        timeline.append((when, len(timeline), message))

    now = 0
    for order_id, (side, px, qty, depth) in enumerate(orders, 1):
        ioc = rng.random() < 0.15
        at(now, Message(NEW, side=side, tif=Tif.IOC if ioc else Tif.DAY, order_id=order_id, px=px, qty=qty))
        if ioc:
            now += 1
            continue
        if rng.random() < 0.20:
            now += 30 + rng.randrange(70)
            better = (-1 if side else 1) if rng.random() < 0.8 else 0
            at(now, Message(MODIFY, order_id=order_id, new_order_id=order_id, px=px + better, qty=qty + 1))
        if rng.random() < 0.95:
            now += int(rng.expovariate(math.log(2) / 431 / math.sqrt(1 + depth)))  # microseconds; the median life at the touch is 431
            at(now, Message(CANCEL, order_id=order_id))
            if rng.random() < 0.02:
                at(now + 1 + rng.randrange(20), Message(CANCEL, order_id=order_id))
    timeline.sort(key=lambda entry: entry[:2])
    for seq, (_, _, message) in enumerate(timeline):
        message.seq = seq
    return pack_messages(message for _, _, message in timeline)


def rate(exchange: Exchange, data: bytes) -> tuple[float, float]:
    """Messages a second, given in batches: by the thread's processor time and by the wall clock."""
    batches = [data[i : i + BATCH] for i in range(0, len(data), BATCH)]
    wall, start = time.perf_counter(), time.thread_time()
    for batch in batches:
        exchange.run(batch)
    took, wall = time.thread_time() - start, time.perf_counter() - wall
    return len(data) / MESSAGE.size / took, len(data) / MESSAGE.size / wall


def peer_rate(data: bytes) -> float:
    """Messages a second of the public library: a modify is a cancel and an order, an IOC an order and a cancel."""
    from lightmatchingengine.lightmatchingengine import LightMatchingEngine, Side  # type: ignore[import-not-found]

    engine, ids = LightMatchingEngine(), {}
    calls = [(m.kind, m.side, m.tif, m.order_id, m.px, m.qty) for m in unpack_messages(data)]
    sides: dict[int, int] = {}
    start = time.thread_time()
    for kind, side, tif, order_id, px, qty in calls:
        if kind != NEW:
            found = ids.pop(order_id, None)
            if found is not None:
                engine.cancel_order(found, "X")
        if kind == NEW or (kind == MODIFY and found is not None):
            side = sides.setdefault(order_id, Side.SELL if side else Side.BUY)
            order, _ = engine.add_order("X", px, qty, side)
            if order.leaves_qty and tif == Tif.IOC:
                engine.cancel_order(order.order_id, "X")
            elif order.leaves_qty:
                ids[order_id] = order.order_id
    return len(calls) / (time.thread_time() - start)


def install_peer() -> str:
    """Put the library beside the bench, or say why it is not measured."""
    if not (PEERS / PEER).exists():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--target", PEERS, PEER]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            return f"not measured: pip install {PEER} failed: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}"
    sys.path.insert(0, str(PEERS))
    return ""


def streams(orders: int) -> Iterator[tuple[str, bytes]]:
    for name in SCENARIOS:
        yield name, scenario(name, orders, seed=23)
    if folder := os.environ.get("PORTCULLIS_OUTSIDE"):
        for path in sorted((Path(folder) / "matching" / "orders").glob("*_s1_*.bin.xz")):
            data = bytes(stream.to_messages(stream.read(path)))
            yield f"outside {path.name.split('_')[1]}", data


def throughput(orders: int, rounds: int, out: Callable[[str], None]) -> float:
    """Prints the table; returns the worst scenario's rate of the core."""
    missing = install_peer()
    out(f"messages a second (M), one thread, batches of {BATCH // MESSAGE.size:,}; best of {rounds}; ratios in brackets")
    out(f"  {'scenario':22}{'messages':>10}{'events':>10}{'core':>8}{'by wall':>9}{'twin':>16}{PEER:>26}")
    worst = math.inf
    for name, data in streams(orders):
        count = len(data) // MESSAGE.size
        part = data[: min(count, 20_000) * MESSAGE.size]  # the slow ones get the beginning
        core = wall = twin = peer = 0.0
        for _ in range(rounds):
            now, now_wall = rate(open_exchange(STREAM, max_orders=count), data)
            core, wall = max(core, now), max(wall, now_wall)
            twin = max(twin, rate(open_exchange(STREAM, twin=True), part)[0])
            peer = max(peer, 0.0 if missing else peer_rate(part))
        events = len(open_exchange(STREAM, max_orders=count).run(data)) // EVENT.size
        if not name.startswith("outside"):
            worst = min(worst, core)
        beside = f"{peer / 1e6:12.3f} (×{core / peer:7,.0f})" if peer else "—"
        out(f"  {name:22}{count:>10,}{events:>10,}{core / 1e6:>8.2f}{wall / 1e6:>9.2f}{twin / 1e6:>8.3f} (×{core / twin:4,.0f}){beside:>26}")
    if missing:
        out(f"  {PEER}: {missing}")
    out(f"  worst of five: {worst / 1e6:.2f} M messages a second (floor {FLOOR / 1e6:.0f})")
    return worst


def population(rng: random.Random, resting: int, symbols: int, touched: int) -> tuple[bytes, bytes]:
    """Messages that fill the books with `resting` orders, and as many as 200,000 that then keep the number: in, out, and trades.

    When `touched` is fewer, the later messages are about so many of the orders, which stand at 20 prices a side; else about any.
    """
    depth = 2_000 if touched == resting else 20
    ids = list(range(1, resting + 1))
    rng.shuffle(ids)

    def new(order_id: int, depth: int) -> Message:
        side = rng.getrandbits(1)
        px = 100_000 + rng.randint(1, depth) * (1 if side else -1)
        return Message(NEW, side=side, symbol=rng.randrange(symbols), order_id=order_id, px=px, qty=10)

    fill = pack_messages(new(order_id, depth if i < touched else 2_000) for i, order_id in enumerate(ids))
    del ids[touched:]
    steady: list[Message] = []
    next_id = resting + 1
    for _ in range(66_666):
        at = rng.randrange(touched)
        steady.append(Message(CANCEL, order_id=ids[at]))
        ids[at] = next_id
        steady.append(new(next_id, depth))
        steady.append(Message(NEW, side=rng.getrandbits(1), symbol=rng.randrange(symbols), tif=Tif.IOC, order_id=0, px=100_000, qty=1))
        next_id += 1
    return fill, pack_messages(steady)


def flatness(rounds: int, out: Callable[[str], None]) -> None:
    """The cost of a message over the size of the book, and over the number of symbols.

    The row whose messages are about 1,000 of the orders tells the work a message takes from the wait for memory: the book is as
    large, the steps are the same, but what they read stays in a cache.
    """

    def row(what: str, cases: Sequence[tuple[int, int, int]], shown: int) -> None:
        costs = []
        for resting, symbols, touched in cases:
            fill, steady = population(random.Random(resting), resting, symbols, touched)
            best = 0.0
            for _ in range(rounds):
                exchange = open_exchange(PRICE_TIME, symbols=symbols, max_orders=resting + 10)
                exchange.run(fill)
                best = max(best, rate(exchange, steady)[0])
            costs.append(1e9 / best)
        out(f"  {what:36}" + "".join(f"{case[shown]:>12,}" for case in cases))
        out(f"  {'ns a message (× the first)':36}" + "".join(f"{c:.0f} ({c / costs[0]:.2f})".rjust(12) for c in costs))

    out("cost of a message in a steady book: a third cancel any order, a third are new orders anywhere, a third find nothing to take")
    sizes = (1_000, 10_000, 100_000, 1_000_000)
    row("resting orders, one symbol", [(n, 1, n) for n in sizes], 0)
    row("the same, about 1,000 of them", [(n, 1, 1_000) for n in sizes], 0)
    row("symbols, 100,000 resting orders", [(100_000, n, 100_000) for n in (1, 10, 100, 1_000, 10_000)], 1)


def memory(out: Callable[[str], None]) -> None:
    """Resident bytes a resting order: measured with a million orders, at few prices and each at its own."""
    count = 1_000_000
    for what, px in (("4,000 prices", lambda i: i % 4_000), ("each at a price of its own", lambda i: (i * 2_654_435_761) % (1 << 40))):
        exchange = open_exchange(PRICE_TIME, max_orders=count)
        pages = resident()
        for start in range(0, count, 50_000):
            exchange.run(pack_messages(Message(NEW, order_id=i, px=px(i), qty=1) for i in range(start, start + 50_000)))
        assert exchange.live_orders == count
        out(f"  memory of a resting order, {what}: {(resident() - pages) / count:.0f} bytes resident")


def resident() -> int:
    """Bytes this process has in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.bench_matching", description=__doc__)
    parser.add_argument("--orders", type=int, default=150_000, help="new orders a scenario")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=("throughput", "flatness", "memory"))
    options = parser.parse_args(argv)

    def out(line: str) -> None:
        print(line, flush=True)

    worst = math.inf
    if options.only in (None, "throughput"):
        worst = throughput(options.orders, options.rounds, out)
    if options.only in (None, "flatness"):
        flatness(options.rounds, out)
    if options.only in (None, "memory"):
        memory(out)
    if worst < FLOOR:
        out(f"BELOW THE FLOOR: {worst:,.0f} messages a second on the worst scenario, {FLOOR:,} wanted")
    return int(worst < FLOOR)


if __name__ == "__main__":
    sys.exit(main())
