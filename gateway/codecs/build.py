"""Builds gateway.codecs._codec: the C codecs as one extension, declared by their own public headers."""

from cffi import FFI

from gateway.native import cdef

HEADERS = ("csrc/fault.h", "csrc/records.h", "csrc/fix.h")
SOURCES = ("csrc/fix.c",)

codec = FFI()
codec.cdef(cdef(*HEADERS))
codec.set_source(
    "gateway.codecs._codec",
    "\n".join(f'#include "{header.removeprefix("csrc/")}"' for header in HEADERS),
    sources=list(SOURCES),
    include_dirs=["csrc"],
    extra_compile_args=["-std=c11", "-D_GNU_SOURCE"],
    py_limited_api=True,
)
