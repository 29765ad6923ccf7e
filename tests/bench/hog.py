"""Run the gateway with a computing task in its control plane: `python -m tests.bench.hog [--core N] [--compute] -- ARGUMENTS`.

The task is planted from outside, around `trio.run`, so that the gateway itself has no code for the bench. It computes for
2 ms between checkpoints, as a careless follower or report would.
"""

import argparse
import os
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from importlib.metadata import entry_points
from typing import Any, TypeVar

import trio

SLICE_NS = 2_000_000
T = TypeVar("T")


async def compute() -> None:
    """Keep the thread busy for ever, with a checkpoint every 2 ms."""
    while True:
        end = time.perf_counter_ns() + SLICE_NS
        while time.perf_counter_ns() < end:
            pass
        await trio.lowlevel.checkpoint()


async def beside(task: Callable[[], Awaitable[object]], main: Callable[..., Awaitable[T]], *args: object) -> T:
    """The result of `main(*args)`, with `task` running beside it until then."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(task)
        try:
            return await main(*args)
        finally:
            nursery.cancel_scope.cancel()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.hog", description=__doc__)
    parser.add_argument("--core", type=int, help="where this thread stays; the lane chooses its own")
    parser.add_argument("--compute", action="store_true")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    if options.core is not None:
        os.sched_setaffinity(0, {options.core})
    if options.compute:
        run: Callable[..., Any] = trio.run
        trio.run = lambda main, *args, **kwargs: run(partial(beside, compute, main), *args, **kwargs)
    (gateway,) = entry_points(group="console_scripts", name="gateway")
    sys.argv = ["gateway", *[word for word in options.arguments if word != "--"]]
    code: int | None = gateway.load()()
    return code or 0


if __name__ == "__main__":
    sys.exit(main())
