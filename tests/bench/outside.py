"""Drive the gateway with the rig in PORTCULLIS_OUTSIDE/bench: copy it out, build the part that is needed, run it, show its table."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.bench.build import OUT, ROOT

FLAGS = ("-O3", "-mavx2", "-msse4.2", "-mbmi")
C_PROGRAMS = {"loadgen": ("loadgen.c",), "venue": ("venue.c",), "relay": ("relay.c", "engine.c"), "micro": ("micro.c",)}


def build(rig: Path, rows: str) -> None:
    """Build what `rows` need, in place. The rig's own script would build every peer; only QuickFIX C++ is built here, when named."""
    compiler = os.environ.get("CC", "cc")
    for name, sources in C_PROGRAMS.items():
        subprocess.run([compiler, *FLAGS, "-w", "-o", rig / name, *(rig / "src" / s for s in sources), "-lpthread"], check=True)
    if "quickfix_cpp" in rows:
        source = rig / "src" / "gw_quickfix.cpp"
        subprocess.run(["c++", "-std=c++14", "-O3", "-w", "-o", rig / "gw_quickfix", source, "-lquickfix", "-lpthread"], check=True)
    python = rig / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)


def main(gateway: Sequence[str], missing: str, cores: frozenset[int], options: argparse.Namespace) -> int:
    """Run the rig with our gateway as two more rows; its exit status. Shapes: gateway is a command with {port}, {venue}, {state}."""
    source = os.environ.get("PORTCULLIS_OUTSIDE")
    if not source:
        print("not measured: PORTCULLIS_OUTSIDE is not set (the folder that holds bench/ and fix-dictionaries/)")
        return 2
    with tempfile.TemporaryDirectory(dir=OUT, prefix="outside-") as folder:
        rig = Path(folder) / "bench"
        shutil.copytree(Path(source) / "bench", rig)
        shutil.copytree(Path(source) / "fix-dictionaries", Path(folder) / "fix-dictionaries")
        subprocess.run(["chmod", "-R", "u+w", folder], check=True)
        shutil.copy(Path(folder) / "fix-dictionaries" / "FIX44.xml", rig)
        build(rig, options.outside_rows)
        ours = {} if missing else {"ours": ("lane.spin_us=inf", "lane.core=1"), "ours_default": ("lane.spin_us=50",)}
        if missing:
            print(f"ours: not measured: {missing}")
        if options.gateway:
            ours = {"ours": ()}
        command = [sys.executable, str(rig / "run.py"), "--skip-micro", "--only", ",".join([*options.outside_rows.split(","), *ours]),
                   "--reps", str(options.rounds), "--sec", str(options.seconds), "--port", str(options.port), "--split", "none",
                   "--settle", str(options.settle_ms), "--sustain-rate", str(options.sustained_rate),
                   "--sustain-sec", str(options.sustained_seconds)]  # fmt: skip
        command += ["--sustain", ",".join([*options.outside_rows.split(","), *ours]) if options.sustained_seconds else "none"]
        for name, settings in ours.items():
            state = Path(folder) / f"state-{name}"
            words = [word.replace("{state}", str(state)) for word in (*gateway, *(w for s in settings for w in ("--set", s)))]
            placed = [sys.executable, "-m", "tests.bench.cores", ",".join(map(str, sorted(cores))), *words]
            command += ["--extra", f"{name}={' '.join(placed)}"]
        return subprocess.run(command, cwd=ROOT).returncode
