"""One gateway to a state_dir: the lock outlives SIGSTOP, ends with SIGKILL, and names its holder."""

from pathlib import Path

from gateway.journal.errors import StateInUse
from gateway.seams import Disk, SystemDisk


def lock_state(state_dir: Path, disk: Disk | None = None) -> int:
    """Hold state_dir/lock for the life of the process, or until the descriptor that is returned is closed.

    Raises: StateInUse naming the holder. FileNotFoundError if there is no such folder.
    """
    path = state_dir / "lock"
    try:
        return (disk or SystemDisk()).lock(path)
    except BlockingIOError as error:
        text = str(error)
        raise StateInUse(str(path), int(text) if text.isdecimal() else 0) from None
