"""One supervisor per state folder."""

import os
from pathlib import Path

from mosaic.adapters import lock_file
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
    descriptor = lock_file.take(file)
    if descriptor is None:
        raise StateInUse(file.parent, file.read_text().strip() or "unknown")
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def pass_on(descriptor: int) -> None:
    """Keep the folder locked when this process becomes another program."""
    os.set_inheritable(descriptor, True)
