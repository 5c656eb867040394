"""What somebody changed in an extracted package: every file is compared with the index by its content.

A file that was read and found right is believed for an hour while its inode, size, times and change time stay
as they were. That is no more than a way not to read the same bytes at every look: the change time cannot be set by
programs, and one that is younger than two seconds is not relied on, because clocks of file systems tick slowly.
"""

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from mosaic.core.file_index import FileIndex, IndexedFile

_BELIEVED_NS = 3600 * 10**9
_TICK_NS = 2 * 10**9
_PART_BYTES = 1024 * 1024


class What(Enum):
    """How an entry differs from the index."""

    CHANGED = "changed"
    MISSING = "missing"
    ADDED = "added"


@dataclass(frozen=True, slots=True)
class Change:
    """One entry that is not as it was extracted. Of a folder that was added, only the folder is named."""

    path: str
    what: What


@dataclass(slots=True)
class Looked:
    """What was read and found right, by path of the file. `now_ns` is the clock that file systems have."""

    now_ns: Callable[[], int]
    _right: dict[str, tuple[tuple[int, ...], int]] = field(default_factory=dict)

    def is_right(self, path: Path, expected: IndexedFile) -> bool:
        """Whether a file has the content that the index says; what cannot be read has not."""
        try:
            # A pipe that took its place is not waited for.
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return False
        with os.fdopen(descriptor, "rb", buffering=0) as file:
            seen = os.fstat(descriptor)
            mode = 0o755 if expected.executable else 0o644
            if not stat.S_ISREG(seen.st_mode) or (seen.st_size, stat.S_IMODE(seen.st_mode)) != (expected.size, mode):
                return False
            key, began = f"{path}\0{expected.sha256}", self.now_ns()
            signature, at = self._right.get(key, ((), 0))
            if signature == _signature(seen) and 0 <= began - at < _BELIEVED_NS:
                return True
            self._right.pop(key, None)
            if not _has(file.read, expected.sha256):
                return False
            if _signature(os.fstat(descriptor)) == _signature(seen) and began - seen.st_ctime_ns > _TICK_NS:
                self._right[key] = (_signature(seen), began)
            return True


def changes(folder: Path, index: FileIndex, looked: Looked) -> list[Change]:
    """Return every entry of the folder that is not as the index says, sorted by path; of a folder that is gone, all."""
    present = dict(_beneath(folder, "", index))
    found = [
        Change(path, What.ADDED if path not in index else What.CHANGED)
        for path, entry in present.items()
        if not _is_right(folder, path, entry, index, looked)
    ]
    missing = ({*index.files, *index.links, *index.folders}) - present.keys()
    return sorted([*found, *(Change(path, What.MISSING) for path in missing)], key=lambda change: change.path)


def _beneath(folder: Path, above: str, index: FileIndex) -> Iterator[tuple[str, os.DirEntry[str]]]:
    try:
        entries = list(os.scandir(folder / above))
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        path = f"{above}/{entry.name}" if above else entry.name
        yield path, entry
        if path in index.folders and entry.is_dir(follow_symlinks=False):
            yield from _beneath(folder, path, index)


def _is_right(folder: Path, path: str, entry: os.DirEntry[str], index: FileIndex, looked: Looked) -> bool:
    try:
        if (link := index.links.get(path)) is not None:
            return entry.is_symlink() and str((folder / path).readlink()) == link
        if (file := index.files.get(path)) is not None:
            return looked.is_right(folder / path, file)
        if path in index.folders:
            mode = entry.stat(follow_symlinks=False).st_mode
            return stat.S_ISDIR(mode) and stat.S_IMODE(mode) == 0o755
    except OSError:
        # It vanished, or became something else, since its folder was listed: a container may be writing there.
        return False
    return False


def _signature(seen: os.stat_result) -> tuple[int, ...]:
    return seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns


def _has(read: Callable[[int], bytes | None], sha256: str) -> bool:
    digest = hashlib.sha256()
    try:
        while part := read(_PART_BYTES):
            digest.update(part)
    except OSError:
        # What the disk cannot read is not what was extracted.
        return False
    return digest.hexdigest() == sha256
