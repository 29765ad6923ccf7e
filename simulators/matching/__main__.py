"""`python -m simulators.matching FILE.bin[.xz]`: run an order stream, print `messages reports sha256`, or the reports."""

import argparse
import sys
from pathlib import Path

from simulators.matching import open_exchange, stream
from simulators.matching.exchange import MAX_SIZE
from simulators.matching.profiles import STREAM
from simulators.matching.records import MESSAGE


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m simulators.matching", description=__doc__)
    parser.add_argument("file", type=Path, help="an order stream, FILE.bin or FILE.bin.xz")
    parser.add_argument("--twin", action="store_true", help="use the plain Python twin, not the C core")
    parser.add_argument("--csv", action="store_true", help="print the reports instead of their count and hash")
    options = parser.parse_args(argv)
    try:
        messages = stream.to_messages(stream.read(options.file), str(options.file))
        count = len(messages) // MESSAGE.size
        exchange = open_exchange(STREAM, max_orders=min(max(count, 1), MAX_SIZE["max_orders"]), twin=options.twin)
        lines = stream.run(exchange, messages)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    if options.csv:
        sys.stdout.write("".join(f"{line}\n" for line in lines))
    else:
        print(count, len(lines), stream.digest(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
