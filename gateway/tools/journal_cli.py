"""`gateway journal list · print`: the segments of a journal, and its records as JSON lines, live or dead, beside the gateway."""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from gateway.tools.show import NoStateDir, state_dir, table

LOOK_S = 0.2


def look_again() -> None:
    """Between two looks at what may be damage: time for a living writer to fill it."""
    time.sleep(LOOK_S)


def main(argv: list[str]) -> int:
    """Exit 0; 1 where the journal is damaged, not there, or without the records asked for; 7 without a configuration."""
    from gateway.journal.errors import JournalError

    options = _parser().parse_args(argv)
    source = _source(options.journal)
    if isinstance(source, int):
        return source
    try:
        if options.command == "list":
            print(_listed(source))
        else:
            printed = False
            for line in _printed(source, options.from_lsn, options.count, options.raw):
                printed = True
                print(line)
            if not printed:
                print(f"gateway journal print: there is no record {options.from_lsn} yet or any more; `gateway journal list` shows what is there", file=sys.stderr)
                return 1
    except JournalError as error:
        print(f"gateway journal {options.command}: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gateway journal", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    listed = commands.add_parser("list", help="segments: first record, bytes")
    printed = commands.add_parser("print", help="records as JSON lines")
    printed.add_argument("--from", dest="from_lsn", type=int, default=1, metavar="LSN", help="the first record (default 1)")
    printed.add_argument("--count", type=int, default=None, help="so many records (default: all)")
    printed.add_argument("--raw", action="store_true", help="payloads in hexadecimal instead of what they say")
    for command in (listed, printed):
        command.add_argument("journal", nargs="?", type=Path, metavar="JOURNAL", help="a state_dir or a folder of segments; left out: the configuration's")
    return parser


def _source(named: Path | None) -> Path | int:
    """The folder meant, or the exit code, with the reason told."""
    from gateway.config import ConfigNotFound, find

    if named is None:
        import os

        try:
            named = state_dir(find(None, os.environ, Path.cwd()))
        except ConfigNotFound as error:
            print(f"gateway journal: {error}; or name the journal's folder", file=sys.stderr)
            return 7
        except NoStateDir as error:
            print(f"gateway journal: {error}", file=sys.stderr)
            return 1
    if not named.is_dir():
        print(f"gateway journal: {named}: no such folder; name a state_dir or a folder of segments", file=sys.stderr)
        return 1
    return named


def _printed(source: Path, from_lsn: int, count: int | None, raw: bool) -> Iterator[str]:
    """A JSON line a record. Raises: JournalError."""
    from gateway.journal.errors import JournalDamaged
    from gateway.journal.export import as_object
    from gateway.journal.reader import JournalReader
    from gateway.journal.record import HEAD
    from gateway.lane.shown import plan_of, shown
    from risk.words import utc

    reader = JournalReader(source)
    first = next(reader.records(), None)
    names = plan_of(HEAD.pack(*first[0]) + first[1]) if first is not None and not raw else None
    for head, payload in islice(reader.records(from_lsn), count):
        said = as_object(head, payload, {} if raw else {head.kind: lambda head, payload: shown(head, payload, names)})
        at = f"{utc(head.t_ns)[:-1]}.{head.t_ns % 1_000_000_000:09}Z"
        yield json.dumps({"lsn": said.pop("lsn"), "time": at, **said}, separators=(",", ":"))
    if count is None and (damage := reader.damage(look_again)):
        raise JournalDamaged(damage)


def _listed(source: Path) -> str:
    from gateway.journal.reader import JournalReader
    from gateway.journal.store import DirStore, segment_name

    store = DirStore(source)
    reader = JournalReader(store)
    rows = []
    for number in store.numbers():
        head = reader.head(number)
        first = head.first_lsn if head is not None else "-"
        rows.append((segment_name(number), first, (store.folder / segment_name(number)).stat().st_size))
    return table(("segment", "first record", "bytes"), rows)
