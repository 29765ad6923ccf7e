"""`python -m tests.bench.cores CORES COMMAND...`: stay on the cores, become the command. The outside rig puts a gateway on one core with all its threads."""

import os
import sys


def main(cores: str, *command: str) -> None:
    os.sched_setaffinity(0, {int(core) for core in cores.split(",")})
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(*sys.argv[1:])
