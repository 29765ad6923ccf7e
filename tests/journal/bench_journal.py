"""Figures of the journal: `python -m tests.journal.bench_journal [FOLDER]`; FOLDER is on the disk to be measured. Medians of a few runs."""

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

CSRC = Path(__file__).parents[2] / "csrc"
RUNS = 5


def main() -> int:
    """Build the C part, run it on fresh segments, on such written ahead and on fresh ones written directly in turn, print a line a figure."""
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as folder:
        program = Path(folder) / "bench_append"
        sources = [str(CSRC / name) for name in ("journal.c", "writer.c", "rim_journal.c")]
        subprocess.run(["cc", "-std=c11", "-D_GNU_SOURCE", "-O2", f"-I{CSRC}", "-o", str(program), str(Path(__file__).with_name("bench_append.c")), *sources, "-lpthread"], check=True)
        figures: dict[str, list[float]] = {}
        for run in range(RUNS):
            for how, name_of_it in enumerate(("fresh", "written ahead", "direct")):
                state = Path(folder) / f"{run}-{how}"
                state.mkdir()
                out = subprocess.run([str(program), str(state), str(how)], check=True, capture_output=True, text=True).stdout
                for name, value in (line.split() for line in out.splitlines()):
                    label = name if name == "append_ns" else f"{name} ({name_of_it})"
                    figures.setdefault(label, []).append(float(value))
        for name, values in figures.items():
            print(f"{name:45} median {statistics.median(values):10.1f}   min {min(values):10.1f}   max {max(values):10.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
