"""Naming this machine, so that a store can be told to lie on the holder's own one.

Every process on the machine gets the same answer, from one start to the next.
The id that the system keeps is hashed: it is meant to stay on the machine.
Cloned machines share it and so count as one, which errs on the side of 'saved
on this machine only'.
"""

import hashlib
import socket
from pathlib import Path

_FILES = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))
_LABEL = b"mosaic machine v1\0"


def machine_name() -> str:
    """Return 32 hex characters that name this machine."""
    return hashlib.sha256(_LABEL + _kept_id().encode()).hexdigest()[:32]


def _kept_id() -> str:
    for file in _FILES:
        try:
            kept = file.read_text().strip()
        except OSError:
            continue
        if kept and kept != "uninitialized":
            return kept
    return socket.gethostname()


def file_system_of(folder: Path, *, table: Path = Path("/proc/self/mountinfo")) -> str:
    """Return the type of the file system that a folder is on, such as `ext4` or `nfs4`; "" when nothing says it."""
    resolved, best, found = folder.resolve(), -1, ""
    for line in table.read_text(errors="surrogateescape").splitlines():
        before, _, after = line.partition(" - ")
        # Spaces in a path are written as \040.
        point = Path(before.split(" ")[4].replace("\\040", " "))
        if len(point.parts) >= best and resolved.is_relative_to(point):
            best, found = len(point.parts), after.split(" ")[0]
    return found
