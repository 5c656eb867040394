"""The folder that a repository of signed Targets is served from: files that appear whole, one publisher at a time.

    metadata/   N.root.json, N.targets.json, N.channel-….json, N.snapshot.json, timestamp.json
    targets/    what they name, each with its hash before its name

Nothing in it is secret. Every name but `timestamp.json` is written for one
state of the repository, so that older states stay readable while a newer one
is written.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mosaic.adapters.private_file import sync_folder
from mosaic.core.errors import Conflict

METADATA = "metadata"
TARGETS = "targets"
CHANNEL_ROLE = "channel-"
"""Begins the name of the role that speaks for a channel."""

TIMESTAMP = f"{METADATA}/timestamp.json"
_PAUSE_SECONDS = 0.02


class RepositoryInUse(Conflict):
    """Another publisher has been signing in this repository for longer than was waited."""

    code = "repository-in-use"

    def __init__(self, folder: Path) -> None:
        super().__init__(f"somebody else is publishing to {folder}", hint="wait until that is done, and try again")


class PublicFiles:
    """A repository's folder. It is made when something is put.

    `patience_seconds` is for how long another publisher is waited for, who signs in much less.
    """

    def __init__(self, folder: Path, *, patience_seconds: float = 30.0) -> None:
        self.folder = folder
        self._patience_seconds = patience_seconds

    def get(self, name: str) -> bytes | None:
        """Return a file's content, None when there is none."""
        try:
            return (self.folder / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def put(self, name: str, content: bytes) -> None:
        """Put a file in place of an older one, durably, readable for everybody."""
        path = self.folder / name
        _make_folder(path.parent)
        draft = path.with_name(f".{path.name}.new")
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(descriptor, 0o644)  # whatever the umask: a web server of another user reads it
            os.fsync(descriptor)
        draft.replace(path)
        sync_folder(path.parent)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every other publisher of this machine out. Raises RepositoryInUse: one is in, and stays.

        The lock is the kernel's, so a publisher that is killed holds none. Two machines that share the folder through
        a network file system may not see each other's.
        """
        _make_folder(self.folder)
        descriptor = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            ends_at = time.monotonic() + self._patience_seconds
            while not _taken(descriptor):
                if time.monotonic() >= ends_at:
                    raise RepositoryInUse(self.folder)
                time.sleep(_PAUSE_SECONDS)
            yield
        finally:
            os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(mode=0o755, exist_ok=True)
        sync_folder(folder.parent)
