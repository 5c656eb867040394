"""What runs at a place: found by name, and killed."""

import os
import signal
from contextlib import suppress
from pathlib import Path

from support.netns.namespaces import processes_in
from support.netns.place import Place


def processes_of(place: Place) -> list[int]:
    """Return the processes that run there."""
    namespace = os.open(place.network, os.O_RDONLY)
    try:
        return processes_in(namespace)
    finally:
        os.close(namespace)


def processes_called(place: Place, name: str) -> list[int]:
    """Return those of them that are called so."""
    return [pid for pid in processes_of(place) if _name_of(pid) == name]


def kill_all(place: Place) -> None:
    """Kill whatever runs there, as when its machine fails. Who started it still has to wait for its end."""
    while pids := [pid for pid in processes_of(place) if _lives(pid)]:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _name_of(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def _lives(pid: int) -> bool:
    with suppress(OSError):
        return not Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].startswith(" Z")
    return False
