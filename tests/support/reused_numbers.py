"""Files that get the inode number of one that has just gone, as most file systems give it at once or soon."""

import os
from collections.abc import Callable
from pathlib import Path

_ATTEMPTS = 500


def put_in_its_place(old: Path, new: Path, make: Callable[[Path], None]) -> None:
    """Remove a file, and make another one that has its number.

    Another process may have got the number before: then it has any other one, for which a test holds as well.
    """
    number = os.lstat(old).st_ino
    old.unlink()
    for attempt in range(_ATTEMPTS):
        tried = new.with_name(f"{new.name}.{attempt}")
        make(tried)
        if os.lstat(tried).st_ino == number:
            break
    tried.rename(new)
