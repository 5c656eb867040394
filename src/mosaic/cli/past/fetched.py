"""Writing one fetched file: whole or not at all, and never over something else."""

import os
import secrets
from collections.abc import Iterable
from pathlib import Path

import msgspec

from mosaic.adapters.private_file import sync_folder
from mosaic.cli.past.paths import told
from mosaic.core.errors import Refused
from mosaic.storage.engine.browse import Entry

_PERMISSIONS = 0o777
"""Not set-user-id: the file is now whoever's who fetched it."""


class FileInTheWay(Refused):
    """There is something at the path already. It was not touched."""

    code = "file-in-the-way"

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is there already", hint="name another file with -o; nothing is ever overwritten")


class Fetched(msgspec.Struct, frozen=True):
    """Where the file is now, and how long it is."""

    path: str
    size: int


def fetch(entry: Entry, blocks: Iterable[bytes], output: Path) -> Fetched:
    """Write a file's bytes to `output`, or into that folder under its own name, with its mode and time.

    Raises:
        FileInTheWay: nothing was written.
        Corrupt, Unavailable: from `blocks`; nothing is left.
    """
    target = output / os.fsdecode(entry.name) if output.is_dir() else output
    if os.path.lexists(target):
        raise FileInTheWay(target)
    draft = target.with_name(f".mosaic-{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            written = sum(file.write(block) for block in blocks)
            file.flush()
            os.fchmod(descriptor, entry.mode & _PERMISSIONS)
            os.utime(descriptor, ns=(entry.mtime_ns, entry.mtime_ns))
            os.fsync(descriptor)
        place(draft, target)
    finally:
        draft.unlink(missing_ok=True)
    return Fetched(told(os.fsencode(target)), written)


def place(draft: Path, target: Path) -> None:
    """Give a complete file its name, durably. Raises FileInTheWay when somebody took the name meanwhile."""
    try:
        # Unlike a rename, a link never replaces what is there.
        os.link(draft, target)
    except FileExistsError:
        raise FileInTheWay(target) from None
    except OSError:
        # A file system without links.
        if os.path.lexists(target):
            raise FileInTheWay(target) from None
        draft.rename(target)
    sync_folder(target.parent)
