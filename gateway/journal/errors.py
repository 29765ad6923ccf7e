"""What can be wrong with a journal; each error says what, where, and what would be right."""


import errno
import os

ROOM = "make room on that disk"
ACCESS = "give it to the user that the gateway runs as, writable"
FOLDER = "state_dir must be a folder"
MEND = {
    errno.ENOSPC: ROOM, errno.EDQUOT: ROOM, errno.EFBIG: "raise the limit on the size of files (ulimit -f), or make segment_mib smaller",
    errno.EACCES: ACCESS, errno.EPERM: ACCESS, errno.EROFS: "mount that disk writable, or choose another state_dir",
    errno.ENOTDIR: FOLDER, errno.EEXIST: FOLDER, errno.EIO: "the disk is broken, mend it",
}  # fmt: skip


def disk_text(code: int) -> str:
    """What the disk said, and what would be right."""
    return "; ".join(filter(None, (os.strerror(code), MEND.get(code))))


class JournalError(Exception):
    """The journal cannot be used as it is."""


class JournalDamaged(JournalError):
    """Bytes that were durable are missing or changed: no restart on a guess, an operator decides."""


class StateInUse(JournalError):
    """Another gateway lives on this state_dir.

    holder: its process id, as it left it in the lock file; 0 if that cannot be read.
    """

    def __init__(self, path: str, holder: int) -> None:
        self.holder = holder
        who = f"process {holder}" if holder else "a process that left no id"
        super().__init__(f"{path}: held by {who}; stop that gateway, or give this one a state_dir of its own")


class JournalFailed(JournalError):
    """The writer stopped at a failed write or sync; nothing was tried again. errno: of the call."""

    def __init__(self, what: str, errno: int, text: str) -> None:
        self.errno = errno
        super().__init__(f"{what}: {text}")
