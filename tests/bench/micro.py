"""`python -m tests.bench.micro`: ns per message of the codecs, called as Python calls them, beside simplefix.

A codec is added as one line of CASES: `prepare` imports it, builds what is made once, and returns the call to time.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import simplefix

BATCHES = 15
BATCH_NS = 5_000_000

ORDER = (
    b"8=FIX.4.4|9=172|35=D|34=7|49=STRAT|56=GW|52=20261120-08:00:00.000|11=ORD0000000007|1=ACC12345|21=1|55=MSFT|54=1|"
    b"38=103|40=2|44=415.25|59=0|15=USD|207=XNAS|60=20261120-08:00:00.000|10=065|"
).replace(b"|", b"\x01")


@dataclass(frozen=True)
class Case:
    """prepare: raises ImportError where what it measures is not built."""

    name: str
    prepare: Callable[[], Callable[[], object]]


def simplefix_decode() -> Callable[[], object]:
    def call() -> object:
        parser = simplefix.FixParser()
        parser.append_buffer(ORDER)
        return parser.get_message()

    return call


def simplefix_encode() -> Callable[[], object]:
    parser = simplefix.FixParser()
    parser.append_buffer(ORDER)
    pairs = [(tag, value) for tag, value in parser.get_message().pairs if tag not in (b"8", b"9", b"10")]

    def call() -> object:
        message = simplefix.FixMessage()
        message.append_pair(8, "FIX.4.4")
        for tag, value in pairs:
            message.append_pair(tag, value)
        return message.encode()

    return call


CASES = [
    Case("simplefix decode, NewOrderSingle", simplefix_decode),
    Case("simplefix encode, NewOrderSingle", simplefix_encode),
]


def measure(call: Callable[[], object]) -> float:
    """ns per call: the least disturbed of BATCHES batches of about 5 ms, the loop included."""
    count, best = 1, float("inf")
    for _ in range(BATCHES):
        start = time.perf_counter_ns()
        for _ in range(count):
            call()
        took = time.perf_counter_ns() - start
        if took > BATCH_NS / 2:
            best = min(best, took / count)
        count = max(1, int(count * BATCH_NS / max(took, 1)))
    return best


def table() -> str:
    lines = ["codec, ns per message"]
    for case in CASES:
        try:
            lines.append(f"  {case.name:40} {measure(case.prepare()):12,.0f}")
        except ImportError as error:
            lines.append(f"  {case.name:40} not measured: {error}")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
