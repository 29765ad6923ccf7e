"""The fuzz entry of the core, built with ASan and UBSan and run over streams of every kind and changed copies of them.

It checks every book after every message, and that the least room for events gives the same events as any other.
"""

import os
import random
import subprocess
import sysconfig
from pathlib import Path

from simulators.matching import pack_messages
from tests.conftest import SEED_COUNT
from tests.matching.flow import Flow

CSRC = Path(__file__).parents[2] / "csrc"
COUNT = 200 if SEED_COUNT > 30 else 12
FLAGS = ["-std=c11", "-D_GNU_SOURCE", "-g", "-O1", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror"]
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


def corpus(folder: Path) -> list[Path]:
    """Random profiles; messages of the seeded flow as they are (first byte 1), and random bytes to be tamed (first byte 0)."""
    paths = []
    for number in range(16):
        rng = random.Random(number)
        head, raw = rng.randbytes(23), number % 2
        body = pack_messages(Flow(number, symbols=2).take(250)) if raw else rng.randbytes(112 * 250)
        path = folder / f"{number}"
        path.write_bytes(bytes([raw]) + head + body)
        paths.append(path)
    return paths


def test_no_messages_break_the_books(tmp_path: Path) -> None:
    program = tmp_path / "fuzz_book"
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    sources = [str(CSRC / "fuzz" / name) for name in ("corpus.c", "fuzz_book.c")]
    subprocess.run([compiler, *FLAGS, *SANITIZERS, f"-I{CSRC}", "-o", str(program), *sources], check=True)
    environment = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}
    paths = corpus(tmp_path)
    done = subprocess.run(
        [str(program), "-r", "1", str(COUNT), *map(str, paths)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout == f"{len(paths) * (COUNT + 1)} inputs\n"
