"""Builds gateway.codecs._codec: the C codecs as one extension, declared by their own public headers."""

from cffi import FFI

from gateway.native import ROOT, cdef

# Public headers in the order they need each other; sources are layout.c and every fix*.c.
HEADERS = [h for h in ("fault.h", "records.h", "layout.h", "fix.h") if (ROOT / "csrc" / h).exists()]
SOURCES = ["csrc/layout.c", *sorted(str(c.relative_to(ROOT)) for c in (ROOT / "csrc").glob("fix*.c"))]

codec = FFI()
codec.cdef(cdef(*(f"csrc/{h}" for h in HEADERS)))
codec.set_source(
    "gateway.codecs._codec",
    "\n".join(f'#include "{h}"' for h in HEADERS),
    sources=SOURCES,
    include_dirs=["csrc"],
    extra_compile_args=["-std=c11", "-D_GNU_SOURCE"],
    py_limited_api=True,
)
