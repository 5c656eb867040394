"""Writing a folder that appears whole and durable under its name, or not at all.

It is built beside its place under a name that begins with a dot, and renamed when everything in it has
reached the disk. What a kill left under that name is removed by the next attempt.
"""

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from mosaic.adapters.private_file import sync_folder
from mosaic.core.errors import Unavailable

FOLDER_ITSELF = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
"""How to open a folder that may be a link by now: then it is an OSError."""


class TreeNotWritten(Unavailable):
    """The disk refused to hold the files. Nothing was left behind."""

    code = "tree-not-written"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} could not be written: {reason}", hint="make room on its disk, or look at it")


def draft_of(target: Path) -> Path:
    """Return where a folder is built before it has its name."""
    return target.with_name(f".{target.name}.new")


@contextmanager
def growing(target: Path) -> Iterator[Path]:
    """Give an empty folder to be filled; it becomes `target`, which must not exist, when the block ends without error.

    Raises:
        TreeNotWritten: no room, or `target` is there already.
    """
    draft = draft_of(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        remove(draft)
        draft.mkdir()
        try:
            yield draft
            sync_tree(draft)
            if os.path.lexists(target):
                raise TreeNotWritten(target, "it is there already")
            draft.rename(target)
            sync_folder(target.parent)
        except Exception:  # whatever was wrong, nothing of it stays
            remove(draft)
            raise
    except OSError as error:
        raise TreeNotWritten(target, error.strerror or str(error)) from error


def write_file(path: Path, parts: Iterable[bytes], *, executable: bool) -> None:
    """Write a new file, not yet durably. Its folder must exist."""
    mode = 0o755 if executable else 0o644
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    try:
        for part in parts:
            rest = memoryview(part)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        # Whatever the umask left of it.
        os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)


def sync_tree(top: Path) -> None:
    """Make all files and folders durable. At the end and not file by file: the first one commits for most others."""
    for where, _, files in os.walk(top, topdown=False):
        for name in files:
            path = Path(where) / name
            if not path.is_symlink():
                _sync_file(path)
        sync_folder(Path(where))


def remove(path: Path) -> None:
    """Remove a folder, a file or a link, whatever is there. Nothing being there is fine."""
    if not path.is_dir() or path.is_symlink():
        path.unlink(missing_ok=True)
        return
    try:
        shutil.rmtree(path)
    except (RecursionError, OSError):
        # Too deep for its recursion, or for the files that it holds open; what else is wrong is wrong again.
        _flatten(path)
        shutil.rmtree(path)


def _flatten(top: Path) -> None:
    """Move every folder right below the top, so that no path gets long, and remove all else.

    By open folders and not by paths: whoever still writes there could put a link in the place of a folder.
    """
    here = os.open(top, FOLDER_ITSELF)
    try:
        every = list(os.scandir(here))
        taken = {entry.name for entry in every}
        free = (one for one in map(".deep-{}".format, count()) if one not in taken)
        waiting = [entry.name for entry in every if entry.is_dir(follow_symlinks=False)]
        while waiting:
            name = waiting.pop()
            below = os.open(name, FOLDER_ITSELF, dir_fd=here)
            try:
                for entry in list(os.scandir(below)):
                    if not entry.is_dir(follow_symlinks=False):
                        os.unlink(entry.name, dir_fd=below)
                        continue
                    waiting.append(next(free))
                    os.rename(entry.name, waiting[-1], src_dir_fd=below, dst_dir_fd=here)
            finally:
                os.close(below)
            os.rmdir(name, dir_fd=here)
    finally:
        os.close(here)


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
