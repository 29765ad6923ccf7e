"""Builds gateway.codecs._codec: the C codecs as one extension, declared by their own public headers."""

from cffi import FFI

from gateway.native import ROOT, cdef

HEADERS = [h for h in ("fault.h", "records.h", "layout.h", "fix.h", "fix_dialect.h") if (ROOT / "csrc" / h).exists()]
SOURCES = [c for c in ("layout.c", "fix.c", "fix_dialect.c") if (ROOT / "csrc" / c).exists()]

codec = FFI()
codec.cdef(cdef(*(f"csrc/{h}" for h in HEADERS)))
codec.set_source(
    "gateway.codecs._codec",
    "\n".join(f'#include "{h}"' for h in HEADERS),
    sources=[f"csrc/{c}" for c in SOURCES],
    include_dirs=["csrc"],
    extra_compile_args=["-std=c11", "-D_GNU_SOURCE"],
    py_limited_api=True,
)
