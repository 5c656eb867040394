"""A folder for a restore that nobody keeps.

It is removed at the end, whatever is in it. One that a killed process left
behind is known by its name, and by its lock being free, and goes when the
next one is made beside it.
"""

import contextlib
import errno
import fcntl
import os
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path

from mosaic.storage.engine.beneath import directory, open_root

_PREFIX = "mosaic-scratch-"
_INNER = "restored"


@contextlib.contextmanager
def scratch(parent: Path) -> Iterator[Path]:
    """Have an empty folder in `parent`, that only this user may look into, and remove it with all that is in it."""
    _remove_leftovers(parent)
    made = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    lock = open_root(made)
    try:
        # Free again when this process is gone, however it ended.
        fcntl.flock(lock, fcntl.LOCK_EX)
        inner = made / _INNER
        inner.mkdir()
        yield inner
    finally:
        remove(made)
        os.close(lock)


def remove(folder: Path) -> None:
    """Remove a folder with everything in it, however deep it is and whatever its modes are. No link is followed.

    Directories are moved to the top before they are emptied, so that none is deep.
    """
    top = open_root(folder)
    try:
        while _emptied(top, top):
            with os.scandir(top) as entries:
                below = [os.fsencode(entry.name) for entry in entries if entry.is_dir(follow_symlinks=False)]
            for name in below:
                with directory(top, (name,)) as fd:
                    while _emptied(fd, top):
                        pass
                os.rmdir(name, dir_fd=top)
    finally:
        os.close(top)
    folder.rmdir()


def _emptied(fd: int, top: int) -> bool:
    """Remove what is no directory, and move what is one to the top. Tells whether there was anything.

    A listing may pass over names while others go: nothing is left when there was nothing.
    """
    met = False
    with os.scandir(fd) as entries:
        for entry in entries:
            name = os.fsencode(entry.name)
            met = True
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(name, dir_fd=fd)
                continue
            os.chmod(name, 0o700, dir_fd=fd)
            if fd != top:
                os.rename(name, secrets.token_hex(16), src_dir_fd=fd, dst_dir_fd=top)
    return met


def _remove_leftovers(parent: Path) -> None:
    for path in parent.glob(f"{_PREFIX}*"):
        try:
            if path.is_symlink() or path.stat().st_uid != os.geteuid():
                continue
            fd = open_root(path)
        except OSError:
            continue
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove(path)
        except OSError as error:
            # Another process is at work in it, or removes it too.
            if error.errno not in (errno.EWOULDBLOCK, errno.ENOENT):
                raise
        finally:
            os.close(fd)
