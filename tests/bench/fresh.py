"""`python -m tests.bench.fresh FOLDER CORES COMMAND...`: empty the folder, stay on the cores, become the command.

The outside rig starts a gateway anew for every run and knows nothing of its state: millions of orders from earlier runs would be replayed.
"""

import os
import shutil
import sys


def main(folder: str, cores: str, *command: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    os.sched_setaffinity(0, {int(core) for core in cores.split(",")})
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(*sys.argv[1:])
