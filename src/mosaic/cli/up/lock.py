"""One supervisor per state folder."""

import fcntl
import os
from pathlib import Path

from mosaic.core.errors import Refused


class StateInUse(Refused):
    """Another supervisor works on this state folder."""

    code = "state-in-use"

    def __init__(self, state: Path, holder: str) -> None:
        super().__init__(
            f"Mosaic is running on {state} already (process {holder})",
            hint="stop that one first (Ctrl-C, or `systemctl stop 'mosaic-*'`), or name another folder with `--state`",
        )


def take(file: Path) -> int:
    """Lock the state folder for the life of this process and return the descriptor. Raises StateInUse."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 20, 0).decode().strip() or "unknown"
        os.close(descriptor)
        raise StateInUse(file.parent, holder) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor
