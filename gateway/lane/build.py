"""Builds gateway.lane._lane: the data plane as one extension, declared by its own public headers."""

import hashlib

from cffi import FFI

from gateway.native import ROOT, accepted, cdef

HEADERS = (
    "csrc/fault.h",
    "csrc/records.h",
    "csrc/journal.h",
    "csrc/risk.h",
    "csrc/fix.h",
    "csrc/layout.h",
    "csrc/jrec.h",
    "csrc/lane.h",
    "csrc/memrim.h",
    "csrc/writer.h",
    "csrc/rim_journal.h",
    "csrc/rim.h",
    "csrc/rim_crash.h",
)
SOURCES = (
    "csrc/fix.c",
    "csrc/fix_write.c",
    "csrc/cmd.c",
    "csrc/view.c",
    "csrc/sound.c",
    "csrc/mask.c",
    "csrc/fix_dialect.c",
    "csrc/fix_decode.c",
    "csrc/fix_encode.c",
    "csrc/layout.c",
    "csrc/journal.c",
    "csrc/risk.c",
    "csrc/index.c",
    "csrc/told.c",
    "csrc/request.c",
    "csrc/report.c",
    "csrc/orders.c",
    "csrc/conn.c",
    "csrc/out.c",
    "csrc/gate.c",
    "csrc/tables.c",
    "csrc/apply.c",
    "csrc/decide.c",
    "csrc/lane.c",
    "csrc/memrim.c",
    "csrc/rim.c",
    "csrc/writer.c",
    "csrc/rim_journal.c",
    "csrc/rim_crash.c",
)

# Which code decides: a journal is replayed only by the build that wrote it, and applied by any that knows its format (SEAM R3).
INTERNAL = (
    "csrc/core.h",
    "csrc/append.h",
    "csrc/crc32c.h",
    "csrc/reasons.h",
    "csrc/controls.h",
    "csrc/place.h",
    "csrc/recent.h",
    "csrc/latch.h",
    "csrc/look.h",
    "csrc/fix_cpu.h",
    "csrc/fix_text.h",
    "csrc/fix_plan.h",
    "csrc/fix_rows.h",
    "csrc/fix_shape.h",
    "csrc/fix_write.h",
    "csrc/cursor.h",
)
DECIDES = sorted([*HEADERS, *SOURCES, *INTERNAL])
BUILD_ID = hashlib.sha256(b"".join((ROOT / name).read_bytes() for name in DECIDES)).hexdigest()[:31]

lane = FFI()
lane.cdef(cdef(*HEADERS))
lane.set_source(
    "gateway.lane._lane",
    "\n".join(f'#include "{header.removeprefix("csrc/")}"' for header in HEADERS),
    sources=list(SOURCES),
    include_dirs=["csrc"],
    # Hidden: calls between the sources are direct, and may be inlined. Copies of a few hundred bytes are calls: the string instructions that GCC
    # makes of them on x86 take longer to begin than a whole call.
    extra_compile_args=["-std=c11", "-D_GNU_SOURCE", "-O3", "-fvisibility=hidden", *accepted("-mstringop-strategy=libcall")],
    define_macros=[("GW_BUILD_ID", f'"{BUILD_ID}"')],
    libraries=["pthread"],
    py_limited_api=True,
)
