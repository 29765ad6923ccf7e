"""The journal as JSON lines: the head of each record decoded, its payload by the layout of its kind, or as hex where none is known."""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from gateway.journal.errors import JournalError
from gateway.journal.reader import JournalReader
from gateway.journal.record import Flag, Head, Kind

# Kind of record → payload and head to what is shown of it, JSON types only. Filled by the rooms that own the payloads.
Decoders = Mapping[int, Callable[[Head, bytes], dict[str, object]]]

KINDS = {kind.value: kind.name for kind in Kind}


def as_object(head: Head, payload: bytes, decoders: Decoders) -> dict[str, object]:
    """One record as what json.dumps takes: times in ns, flags and kind by name."""
    shown: dict[str, object] = {
        "lsn": head.lsn,
        "t_ns": head.t_ns,
        "kind": KINDS.get(head.kind, head.kind),
        "ver": head.ver,
        "flags": [flag.name for flag in Flag if head.flags & flag],
        "lane": head.lane,
        "conn": head.conn,
        "epoch": head.epoch,
    }
    decode = decoders.get(head.kind)
    return shown | (decode(head, payload) if decode is not None else {"payload": payload.hex()})


def lines(source: Path, from_lsn: int = 1, count: int | None = None, decoders: Decoders | None = None) -> Iterator[str]:
    """A JSON line a record. Raises: JournalError."""
    for done, (head, payload) in enumerate(JournalReader(source).records(from_lsn)):
        if count is not None and done >= count:
            return
        yield json.dumps(as_object(head, payload, decoders or {}), separators=(",", ":"))


def main(argv: list[str] | None = None) -> int:
    """Print a journal; exit 1 with the place if it is damaged."""
    parser = argparse.ArgumentParser(prog="gateway journal export", description=__doc__)
    parser.add_argument("source", type=Path, help="a state_dir, or a folder of segments")
    parser.add_argument("--from", dest="from_lsn", type=int, default=1, metavar="LSN")
    parser.add_argument("--count", type=int, default=None)
    options = parser.parse_args(argv)
    try:
        for line in lines(options.source, options.from_lsn, options.count):
            print(line)
    except JournalError as error:
        print(f"gateway journal export: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
