"""ns per FIX message: our codec in C and through cffi, beside simplefix. `python -m tests.codecs.bench_fix`; best of many batches."""

import subprocess
import sysconfig
import tempfile
import timeit
from collections.abc import Callable
from pathlib import Path

import simplefix

from gateway.codecs import fix, fix_dialect
from tests.codecs.fixtext import wire

ROOT = Path(__file__).parents[2]
BODIES = {
    "NOS": "11=ORD0000000001|1=ACC12345|21=1|55=MSFT|54=1|38=100|40=2|44=415.25|59=0|15=USD|207=XNAS|60=20261120-08:00:00.000|",
    "ER": "37=V000000001|11=ORD0000000001|17=E000000001|150=F|39=2|1=ACC12345|55=MSFT|54=1|38=100|40=2|44=415.25|59=0|32=100|31=415.25|151=0|14=100|6=415.25|60=20261120-08:00:00.000|",
}
TYPES = {"NOS": "D", "ER": "8"}


def messages() -> dict[str, bytes]:
    """A new order of 189 bytes and a fill of 246."""
    return {name: wire(f"35={TYPES[name]}|34=123|49=STRAT|52=20261120-08:00:00.000|56=GW|{body}") for name, body in BODIES.items()}


def native(folder: Path) -> list[tuple[str, str, float]]:
    """What the C alone takes, measured by bench_fix.c with the flags of the release build."""
    program = folder / "bench_fix"
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    sources = [str(ROOT / "csrc" / name) for name in ("fix.c", "fix_write.c", "fix_dialect.c", "fix_decode.c", "fix_encode.c")]
    flags = ["-std=c11", "-D_GNU_SOURCE", "-O2", f"-I{ROOT / 'csrc'}"]
    subprocess.run([compiler, *flags, "-o", str(program), str(Path(__file__).with_suffix(".c")), *sources], check=True)
    files = {"table": fix_dialect.load("fix44").table, **messages()}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    lines = subprocess.run([str(program), *(str(folder / name) for name in files)], check=True, capture_output=True, text=True).stdout
    return [(what, name, float(ns)) for what, name, ns in map(str.split, lines.splitlines())]


def timed(step: Callable[[], object], batch: int) -> float:
    """ns per call, the best of ten batches."""
    return min(timeit.repeat(step, number=batch, repeat=10)) / batch * 1e9


def in_python() -> list[tuple[str, str, float]]:
    """The public Python functions, and simplefix doing the same."""
    found = []
    for name, message in messages().items():
        codec, view = fix.load("fix44"), fix.ffi.new("gw_fix_msg *")
        record = codec.decode(message)
        assert record is not None
        head = fix.Head("FIX.4.4", "GW", "VENUE").stamp(1, 1_795_161_600_123_000_000)
        kind = record.message
        parser = simplefix.FixParser()

        def read(parser: simplefix.FixParser = parser, message: bytes = message) -> object:
            parser.append_buffer(message)
            return parser.get_message()

        parsed = read()
        found += [
            ("cffi scan", name, timed(lambda m=message, v=view: fix.lib.gw_fix_scan(m, len(m), v), 5000)),  # type: ignore[misc]
            ("cffi decode", name, timed(lambda m=message, c=codec: c.decode(m), 2000)),  # type: ignore[misc]
            ("cffi encode", name, timed(lambda k=kind, r=record, c=codec, h=head: c.encode(k, r.record, h), 2000)),  # type: ignore[misc]
            ("simplefix decode", name, timed(read, 200)),
            ("simplefix encode", name, timed(parsed.encode, 200)),  # type: ignore[attr-defined]
        ]
    return found


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        rows = native(Path(folder)) + in_python()
    print(f"{'ns per message':20}" + "".join(f"{f'{name} {len(m)} B':>12}" for name, m in messages().items()))
    for what in dict.fromkeys(what for what, _, _ in rows):
        print(f"{what:20}" + "".join(f"{ns:12,.0f}" for w, _, ns in rows if w == what))


if __name__ == "__main__":
    main()
