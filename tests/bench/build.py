"""Build the C programs of the bench into build/bench, each when one of its sources is newer."""

import os
import subprocess
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
OUT = ROOT / "build" / "bench"
PROGRAMS = ("load", "relay", "placement", "histogram_check")
FLAGS = ("-std=c11", "-D_GNU_SOURCE", "-O3", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror", "-pthread")


def build() -> Path:
    """Build what is stale; return the folder of the programs. Raises: RuntimeError with the compiler's words."""
    OUT.mkdir(parents=True, exist_ok=True)
    newest = max(path.stat().st_mtime for path in (*HERE.glob("*.[ch]"), Path(__file__)))
    stale = [name for name in PROGRAMS if not (OUT / name).exists() or (OUT / name).stat().st_mtime < newest]
    if stale:
        compiler = os.environ.get("CC", "cc")
        probe = subprocess.run([compiler, "-march=native", "-E", "-x", "c", os.devnull], capture_output=True)
        native = ["-march=native"] if probe.returncode == 0 else []
        # Under another name first: two test runs at once must not start a half-written program.
        made = {name: OUT / f".{name}.{os.getpid()}" for name in stale}
        jobs = [
            subprocess.Popen([compiler, *FLAGS, *native, "-o", made[name], HERE / f"{name}.c"], stderr=subprocess.PIPE, text=True)
            for name in stale
        ]
        complaints = [job.communicate()[1] for job in jobs]
        if any(job.returncode for job in jobs):
            raise RuntimeError("the bench does not compile:\n" + "".join(complaints))
        for name, path in made.items():
            path.rename(OUT / name)
    return OUT
