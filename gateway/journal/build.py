"""Build of the extension gateway.journal._journal: the headers of the journal in csrc/ are its declaration."""

from cffi import FFI

from gateway.native import cdef

HEADERS = ("fault.h", "journal.h", "writer.h", "rim_journal.h")
SOURCES = ("journal.c", "writer.c", "rim_journal.c")

journal = FFI()
journal.cdef(cdef(*(f"csrc/{header}" for header in HEADERS)))
journal.set_source(
    "gateway.journal._journal",
    "".join(f'#include "{header}"\n' for header in HEADERS),
    sources=[f"csrc/{source}" for source in SOURCES],
    include_dirs=["csrc"],
    libraries=["pthread"],
    py_limited_api=True,
)

if __name__ == "__main__":
    journal.compile(verbose=True)
