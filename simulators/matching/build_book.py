"""Describes the C extension simulators.matching._book to cffi: the header is the declaration."""

from cffi import FFI

from gateway.native import cdef

ffibuilder = FFI()
ffibuilder.cdef(cdef("csrc/book.h"))
ffibuilder.set_source(
    "simulators.matching._book",
    '#include "book.h"',
    sources=["csrc/book.c"],
    include_dirs=["csrc"],
    py_limited_api=True,
    extra_compile_args=["-std=c11"],
)
