"""Name the cffi extensions and rebuild one when a header, a source or its build file is newer."""

import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).parent
sys.path.insert(0, str(ROOT))  # build files import gateway.native, also before anything is installed

EXTENSIONS = [
    "gateway/codecs/build.py:codec",
    "gateway/journal/build.py:journal",
    "gateway/lane/build.py:lane",
    "risk/build.py:risk",
    "simulators/matching/build_book.py:ffibuilder",
]


class BuildExt(build_ext):
    """distutils compares an extension with its sources only; a changed header must rebuild it too."""

    def build_extension(self, ext):
        build_file = next(e for e in EXTENSIONS if ext.name.startswith(e.rpartition("/")[0].replace("/", ".")))
        ext.depends += [str(h) for h in sorted(Path("csrc").rglob("*.h"))] + [build_file.partition(":")[0]]
        super().build_extension(ext)


setup(
    cffi_modules=[e for e in EXTENSIONS if (ROOT / e.partition(":")[0]).exists()],
    cmdclass={"build_ext": BuildExt},
)
