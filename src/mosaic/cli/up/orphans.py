"""Processes and the ones that started them.

A supervisor that is killed with -9 must not leave a Hive or a Device behind
that nobody watches: they ask the kernel to end with it. The storage daemon
does not ask, because running apps write to its volumes: the next supervisor
finds it by the note that the last one left, and takes it over.
"""

import contextlib
import ctypes
import os
import signal
import socket
import struct
from dataclasses import dataclass
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_CREDENTIALS = struct.Struct("3i")
_CONNECT_SECONDS = 1.0


def die_with(parent: int) -> None:
    """Ask for SIGTERM when `parent`, which started this process, ends; end at once when it has."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)


@dataclass(frozen=True, slots=True)
class Note:
    """Which process a service is. Its start time tells it from a later one with the same number."""

    pid: int
    started: str

    @property
    def is_alive(self) -> bool:
        """Whether that very process still runs."""
        return started_at(self.pid) == self.started


def started_at(pid: int) -> str | None:
    """Return the kernel's start time of a process, None when there is none (or only its zombie)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The program's name may hold spaces and parentheses; what follows the last one is numbers.
    state, *others = stat.rpartition(")")[2].split()
    return None if state in ("Z", "X") else others[18]


def write_note(file: Path, pid: int) -> None:
    """Leave a note of a process that was just started."""
    draft = file.with_suffix(".new")
    draft.write_text(f"{pid} {started_at(pid)}\n")
    draft.replace(file)


def find(note: Path, listens: Path | None) -> Note | None:
    """Return the process that the last supervisor noted, or else the one that listens on the socket.

    A supervisor that was killed between starting a daemon and noting it has left the second only.
    """
    return read_note(note) or (_listener(listens) if listens is not None else None)


def _listener(path: Path) -> Note | None:
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_CONNECT_SECONDS)
        probe.connect(str(path))
        pid, _, _ = _CREDENTIALS.unpack(probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
        started = started_at(pid)
        return Note(pid, started) if started is not None else None
    return None


def read_note(file: Path) -> Note | None:
    """Return the process that the last supervisor noted, if it still runs."""
    try:
        pid, started = file.read_text().split()
    except (OSError, ValueError):
        return None
    note = Note(int(pid), started) if pid.isdigit() else None
    return note if note is not None and note.is_alive else None
