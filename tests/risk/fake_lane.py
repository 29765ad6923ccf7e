"""A lane that does nothing but its part of the latch, in a process of its own: `python -m tests.risk.fake_lane LATCH` until its stdin closes.

It prints a line when it has mapped the file, and one for every word it acts on: slot, word in hex, 1 if dropped.
"""

import mmap
import os
import select
import sys
import time

from risk.core import ffi, lib


def main(path: str) -> None:
    with open(path, "r+b") as file:
        mapped = mmap.mmap(file.fileno(), 0)
    memory = ffi.from_buffer("uint8_t[]", mapped, require_writable=True)
    salt, applied, start = ffi.new("uint64_t *"), ffi.new("uint64_t[128]"), True
    assert lib.latch_open(memory, len(memory), salt), f"{path}: not a latch"
    while start or not select.select([sys.stdin], [], [], 1 / 1000)[0]:
        slot = 0
        while (slot := lib.latch_next_change(memory, len(memory), salt[0], applied, slot)) < 128:
            word = lib.latch_load(memory, len(memory), salt[0], slot)
            applied[slot] = word
            if not start:
                lib.latch_saw(memory, slot, word, time.time_ns())
                print(slot, f"{word:016x}", lib.latch_dropped(word, salt[0], slot), flush=True)
        if start:
            lib.latch_begin(memory, os.getpid(), salt[0], time.time_ns(), applied)
            print("mapped", flush=True)
            start = False


if __name__ == "__main__":
    main(sys.argv[1])
