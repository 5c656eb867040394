"""Reading a file that says something about an app, from the app's own folder and no other.

A folder may come from anywhere: what is called like a compose file can be a
link to somebody's passwords, a pipe that never ends, or larger than memory.
"""

import os
import stat
from pathlib import Path

from mosaic.adapters.bundle import AppUnpackable, stays_inside
from mosaic.core.app_repository import COMPOSE_FILE

_MOST_BYTES = 4 * 1024**2
"""More than any of these files may have; the readers have limits of their own, with better words."""


def app_name(folder: Path) -> str:
    """Return what an app in this folder is called, wherever it is looked at from."""
    # Not resolved: the name is the link's, should the folder be one.
    return os.path.basename(os.path.abspath(folder))  # noqa: PTH100, PTH119 (pathlib keeps `..`)


def shown(name: str) -> str:
    """Return a name for people; it may be no text."""
    return name.encode(errors="backslashreplace").decode()


def compose_text_of(folder: Path) -> bytes:
    """Return the bytes of the app's compose file. Raises AppUnpackable: there is none that can be read."""
    content = read_own(folder, COMPOSE_FILE)
    if content is None:
        raise AppUnpackable(
            f"{shown(app_name(folder))} has no {COMPOSE_FILE}, so it is no app",
            hint="name the folder of an app, or write one with `mosaic app init`",
        )
    return content


def read_own(folder: Path, name: str) -> bytes | None:
    """Return what a file of the folder has; None when there is none.

    Raises:
        AppUnpackable: it is no file, too large, or a link that leads out of the folder.
    """
    path, said = folder / name, f"{shown(app_name(folder))}/{name}"
    if path.is_symlink() and not stays_inside(path, folder):
        raise AppUnpackable(f"{said} is a link that leads out of the app", hint="replace the link by the file itself")
    try:
        # A pipe is opened at once, and not waited for.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        seen = os.fstat(descriptor)
        if not stat.S_ISREG(seen.st_mode):
            raise AppUnpackable(f"{said} is no file", hint="put a file in its place")
        if seen.st_size > _MOST_BYTES:
            raise AppUnpackable(
                f"{said} has {seen.st_size} bytes, and may have {_MOST_BYTES}", hint="take out what is not needed"
            )
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(_MOST_BYTES)
    finally:
        os.close(descriptor)
