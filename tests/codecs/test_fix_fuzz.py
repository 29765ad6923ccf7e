"""The fuzz entry of the FIX codec, built with the sanitizers and run over golden messages, a table, and changed copies of them."""

import os
import subprocess
import sysconfig
from pathlib import Path

import pytest

from gateway.codecs import fix, fix_dialect
from tests.codecs.fixtext import soh

pytestmark = pytest.mark.more

ROOT = Path(__file__).parents[2]
CSRC = ROOT / "csrc"
COUNT = 20_000 if os.environ.get("PORTCULLIS_TESTS") == "all" else 1_000
FLAGS = ["-std=c11", "-D_GNU_SOURCE", "-g", "-O1", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
PLAIN, SEALED, TABLE = b"\x00", b"\x40", b"\x80"


def corpus(folder: Path) -> list[Path]:
    """Golden messages alone and two together, their sums as changed or put right; a table; fields for a session's message."""
    inputs: dict[str, bytes] = {"table": TABLE + fix_dialect.load("fix44").table}
    for path in sorted((ROOT / "tests" / "golden" / "fix44").glob("*.txt")):
        text = next(line for line in path.read_text().splitlines() if line.startswith("wire "))
        message = soh(text.removeprefix("wire "))
        inputs[path.stem] = SEALED + message
        inputs[path.stem + "-twice"] = PLAIN + message + message
    logon = [(98, "0"), (108, "30"), (95, "3"), (96, b"a\x01b"), (554, "secret")]
    inputs["fields"] = PLAIN + fix.tlv(logon)
    inputs["logon"] = SEALED + fix.load("fix44").encode_tlv("A", logon, fix.Head("FIX.4.4", "GW", "VENUE").stamp(1, 0))
    for name, content in inputs.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in inputs]


def test_changed_messages_and_tables_never_lead_the_codec_astray(tmp_path: Path) -> None:
    program = tmp_path / "fuzz_fix"
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    sources = [str(CSRC / name) for name in ("fuzz/corpus.c", "fuzz/fuzz_fix.c", "fix.c", "fix_write.c", "fix_dialect.c", "fix_decode.c", "fix_encode.c")]
    subprocess.run([compiler, *FLAGS, f"-I{CSRC}", "-o", str(program), *sources], check=True)
    environment = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}
    paths = corpus(tmp_path)
    done = subprocess.run([str(program), "-r", "44", str(COUNT), *map(str, paths)], capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout == f"{len(paths) * (COUNT + 1)} inputs\n"
