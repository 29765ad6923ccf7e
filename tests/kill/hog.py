"""Run the gateway so that a signal hangs its control plane: `python -m tests.kill.hog ARGUMENTS`; planted from outside.

SIGUSR1: Python code that loops for ever where trio runs its tasks. SIGUSR2: one call that never gives up the interpreter's lock.
"""

import re
import signal
import sys

from gateway.cli import main


def loop(number: int, frame: object) -> None:
    while True:
        pass


def hold(number: int, frame: object) -> None:
    re.fullmatch("(a+)+", "a" * 100 + "b")  # 2**100 ways to fail, all in one call


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, loop)
    signal.signal(signal.SIGUSR2, hold)
    sys.exit(main())
