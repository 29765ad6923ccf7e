"""Where segments and watermarks lie, for restart and readers: a folder, or (simdisk.py) memory. The writer thread has its own way."""

import mmap
import os
import re
from pathlib import Path
from typing import Protocol

from gateway.seams import SystemDisk

SEGMENT_NAME = re.compile(r"(\d{8,})\.seg")
SPARE_NAME = re.compile(r"spare-(\d{8,})\.seg")
WATERMARKS = "watermarks"
BEGUN_ANEW = "begun-anew.json"  # what goes on from an archived journal (control/anew.py)


def segment_name(number: int) -> str:
    """The file of a segment, as rim_journal.c names it."""
    return f"{number:08}.seg"


def spare_name(number: int) -> str:
    """The file of a spare, as rim_journal.c names it."""
    return f"spare-{number:08}.seg"


class Store(Protocol):
    """Segments by number, and the watermark file."""

    def numbers(self) -> list[int]:
        """The segments there are, rising."""

    def whole(self, number: int) -> bytes | mmap.mmap:
        """All bytes of a segment; for one that nobody shortens (a restart, under the lock)."""

    def read(self, number: int, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`; fewer at the end of the file. Raises: FileNotFoundError."""

    def sync(self, number: int) -> None:
        """What is in the segment becomes durable."""

    def create(self, number: int, content: bytes) -> None:
        """A new segment, whole and durable, or none at all."""

    def shorten(self, number: int, length: int) -> None:
        """Give back the room behind `length` bytes."""

    def watermarks(self) -> bytes:
        """The watermark file; empty if there is none."""

    def replace_watermarks(self, content: bytes) -> None:
        """Old or new content after any crash; durable when it returns."""


class DirStore:
    """A state_dir with journal/ and watermarks, or a bare folder of segments (a copy, an archive)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.folder = path / "journal" if (path / "journal").is_dir() or not any(path.glob("*.seg")) else path

    def _name(self, number: int) -> Path:
        return self.folder / segment_name(number)

    def numbers(self) -> list[int]:
        if not self.folder.is_dir():
            return []
        found = (SEGMENT_NAME.fullmatch(name) for name in os.listdir(self.folder))
        return sorted(int(match[1]) for match in found if match)

    def spares(self) -> list[int]:
        """Spares there are, rising."""
        found = (SPARE_NAME.fullmatch(name) for name in os.listdir(self.folder))
        return sorted(int(match[1]) for match in found if match)

    def whole(self, number: int) -> bytes | mmap.mmap:
        with open(self._name(number), "rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if os.fstat(file.fileno()).st_size else b""

    def read(self, number: int, offset: int, length: int) -> bytes:
        with open(self._name(number), "rb", buffering=0) as file:
            return os.pread(file.fileno(), length, offset)

    def sync(self, number: int) -> None:
        with open(self._name(number), "rb+", buffering=0) as file:
            os.fdatasync(file.fileno())

    def sync_folder(self) -> None:
        """The names in the folder become durable."""
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def create(self, number: int, content: bytes) -> None:
        new = self.folder / "new.tmp"
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.rename(self._name(number))
        self.sync_folder()

    def shorten(self, number: int, length: int) -> None:
        os.truncate(self._name(number), length)

    def watermarks(self) -> bytes:
        try:
            return (self.path / WATERMARKS).read_bytes()
        except FileNotFoundError:
            return b""

    def replace_watermarks(self, content: bytes) -> None:
        SystemDisk().replace(self.path / WATERMARKS, content)
