"""The fuzz entry of the journal, built with the sanitizers and run over sound inputs and a few thousand changed copies of them."""

import os
import subprocess
import sysconfig
from pathlib import Path

import pytest

from gateway.journal.record import ffi, lib
from gateway.journal.simdisk import SimJournal
from tests.journal.ring import Ring
from tests.journal.sim import BOOT, append, config

pytestmark = pytest.mark.more

CSRC = Path(__file__).parents[2] / "csrc"
COUNT = 4_000 if os.environ.get("PORTCULLIS_TESTS") == "all" else 400
FLAGS = ["-std=c11", "-D_GNU_SOURCE", "-g", "-O1", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


def round_the_end() -> bytes:
    """A ring whose records go on at its beginning, 8 bytes before its end: less than a record's head, and no memory behind it."""
    ring = Ring(size=4096)
    for length in (1000, 1000, 1000):
        ring.append(bytes(length - lib.GW_REC_HEAD))
    ring.forget()
    for length in (1000, 88, 48):
        ring.append(bytes(length - lib.GW_REC_HEAD))
    assert ring.pointer.head == 4096 + 48
    return bytes(ffi.buffer(ring.memory))


def corpus(folder: Path) -> list[Path]:
    """A sound input for each reader, with its checksums as they are and to be put right."""
    journal = SimJournal.fresh(config("group", ring_bytes=4096), boot=BOOT)
    append(journal, 7)
    journal.run(0)
    lib.gw_watermark_ask(journal.writer, 1, 2, 3, 400)
    append(journal, 6)
    journal.run(0)
    append(journal, 5)
    segment = journal.disk.whole(1)[:6400]
    ring = bytes(ffi.buffer(ffi.cast("uint8_t *", journal.ring.pointer), journal.ring.length))
    inputs = [(0, segment), (1, ring), (1, round_the_end()), (2, journal.disk.watermarks()[: lib.GW_WATERMARK_SLOT + 100]), (3, segment)]
    paths = []
    for number, (choice, content) in enumerate(inputs):
        for seal in (0, 128):
            path = folder / f"{number}-{seal}"
            path.write_bytes(bytes([choice | seal]) + content)
            paths.append(path)
    return paths


def test_changed_journals_never_lead_a_reader_astray(tmp_path: Path) -> None:
    program = tmp_path / "fuzz_journal"
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    sources = [str(CSRC / name) for name in ("fuzz/corpus.c", "fuzz/fuzz_journal.c", "journal.c", "writer.c")]
    subprocess.run([compiler, *FLAGS, f"-I{CSRC}", "-o", str(program), *sources], check=True)
    environment = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}
    done = subprocess.run([str(program), "-r", "1", str(COUNT), *map(str, corpus(tmp_path))], capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout == f"{10 * (COUNT + 1)} inputs\n"
