"""Reads golden files: bytes laid out by hand from a document, and what they mean.

    # provenance: document, date, page
    MESSAGE from client|venue
    00 3f 55          # what these bytes are
    fields {…}        all wire fields
    record {…}        the record, if the message is bound
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent.parent / "golden"


@dataclass(frozen=True)
class Golden:
    """One message, in bytes and in meaning."""

    protocol: str
    name: str
    message: str
    sender: str
    data: bytes
    fields: dict[str, Any]
    record: dict[str, Any] | None


def read(path: Path) -> Golden:
    """The golden message in `path`."""
    message = sender = ""
    data, said = bytearray(), dict[str, Any]()
    for line in path.read_text().splitlines():
        word, _, rest = line.partition(" ")
        if word in ("fields", "record"):
            said[word] = json.loads(rest)
        elif not message and not line.startswith("#"):
            message, _, sender = line.partition(" from ")
        else:
            data += bytes.fromhex(line.partition("#")[0])
    return Golden(path.parent.name, path.stem, message, sender, bytes(data), said["fields"], said.get("record"))


def all_of(protocol: str) -> list[Golden]:
    """Every golden message of `protocol`."""
    return [read(path) for path in sorted((FOLDER / protocol).glob("*.hex"))]
