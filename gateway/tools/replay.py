"""`gateway replay JOURNAL`: runs the lane again over a journal and compares every decision and every byte that left."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from gateway.config import load
from gateway.errors import ConfigError
from gateway.journal.errors import JournalDamaged, JournalError
from gateway.journal.reader import JournalReader
from gateway.journal.record import HEAD
from gateway.tools.journal_cli import look_again

SAME, DIFFERENT, CANNOT = 0, 1, 2


def replay(journal: Path, config_file: Path | None = None, pause: Callable[[], None] = look_again) -> tuple[int, str]:
    """The exit code and what to say: 0 every byte is the same, 1 the first difference or damage, 2 it cannot be replayed here.

    `journal`: a state_dir, or a folder of segments. `config_file`: replay against this configuration instead of the journal's own.
    `pause`: between looks at what may be damage.
    """
    from gateway.lane import effective
    from gateway.lane.replay import Replay, start_payload, strange

    try:
        reader = JournalReader(journal)
        records = [HEAD.pack(*head) + payload for head, payload in reader.records()]
        if damage := reader.damage(pause):
            return DIFFERENT, f"{journal}: {damage}"
        if not records or records[0][8] != 1:
            return CANNOT, f"{journal}: no journal that begins with its START record"
        was = effective.from_bytes(start_payload(records[0]))
        if reasons := strange(was):
            return CANNOT, f"{journal}: " + "; ".join(reasons) + ". Replay it with the build that wrote it"
        config, instruments = (was.config, was.instruments) if config_file is None else load(config_file)
        difference = Replay(records, config, instruments, was.starred()).verify()
    except JournalDamaged as error:
        return DIFFERENT, f"{journal}: {error}"
    except (JournalError, ConfigError, OSError) as error:
        return CANNOT, f"{journal}: {error}"
    if difference is None:
        return SAME, f"{len(records)} records, all the same"
    number, offset = reader.locate(difference.lsn)
    return DIFFERENT, f"{difference}; segment {number}, offset {offset}"


def main(argv: Sequence[str]) -> int:
    """The command line of `gateway replay`: print the outcome, return the exit code."""
    parser = argparse.ArgumentParser(prog="gateway replay", description=__doc__)
    parser.add_argument("journal", metavar="JOURNAL", type=Path, help="a state_dir, or a folder of segments")
    parser.add_argument("--config", metavar="FILE", type=Path, help="replay against this configuration instead of the journal's own")
    options = parser.parse_args(argv)
    code, text = replay(options.journal, options.config)
    print(text, file=sys.stdout if code == SAME else sys.stderr)
    return code
