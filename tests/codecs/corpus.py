"""Writes the corpus of csrc/fuzz/fuzz_layout.c: every message of every layout behind its table. `python -m tests.codecs.corpus FOLDER`."""

import sys
from pathlib import Path

from gateway.codecs import loader, reference
from gateway.codecs.tables import compile_table
from tests.codecs.golden import all_of
from tests.codecs.support import PROTOCOLS


def write(folder: Path) -> list[Path]:
    """One file a message (the golden ones, and each message with nothing given); returns the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for protocol in PROTOCOLS:
        meaning = loader.load(protocol)
        table = compile_table(meaning)
        frames = {f"{g.name}_golden": g.data for g in all_of(protocol)}
        frames |= {m.name: reference.encode_fields(meaning, m.name, {}) for m in meaning.messages}
        for name, frame in frames.items():
            path = folder / f"{protocol}_{name}"
            path.write_bytes(len(table).to_bytes(4, "little") + table + b"\xff\xff\xff\xff" + frame)
            paths.append(path)
    return paths


if __name__ == "__main__":
    print(f"{len(write(Path(sys.argv[1])))} files")
