"""Making a snapshot by copying, of a folder that programs go on writing to.

`copy_ahead` copies what changed while they write, again and again until
little is left; `copy_rest` looks at every file once more and copies what
changed since: it is called while they are held still, and makes the list.
`finish` puts the copies in their places. A file is taken to have changed when
it is not as it is remembered, or when its times say that it was touched since
the look before.
"""

import contextlib
import os
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import TypeAlias

from mosaic.storage.engine.attributes import read_xattrs, unfollowed
from mosaic.storage.engine.beneath import Components, open_beneath, open_root
from mosaic.storage.engine.beneath import directory as beneath
from mosaic.storage.engine.damage import UNREADABLE
from mosaic.storage.engine.fingerprint import STORED_TYPES, Fingerprint
from mosaic.storage.engine.nodes import CLOCK_STEP_NS
from mosaic.storage.engine.nodeset import NodeSet
from mosaic.storage.engine.reflink import clone
from mosaic.storage.engine.roots import Skipped
from mosaic.storage.engine.scan import judge
from mosaic.storage.engine.staged import Directory, ListWriter, Named, Staged, append_correction

_LITTLE_BYTES = 8 * 1024 * 1024
_LOOKS = 4
_TRIES = 3
_SHELVES = 256
_COPIED_TYPES = (stat.S_IFREG, stat.S_IFLNK, stat.S_IFIFO)

_Entry: TypeAlias = tuple[bytes, "os.stat_result | Skipped"]


@dataclass(frozen=True, slots=True)
class _Visit:
    """One directory: open (`fd` is -1 when it has gone meanwhile), and its names.

    `seen` is what it was when it was met, `own` what it was once its names were
    read: only this says whether they are the remembered ones. `is_moved` says
    that it may lie elsewhere since the look before.
    """

    path: Components
    fd: int
    seen: os.stat_result
    own: os.stat_result
    is_moved: bool
    entries: list[_Entry]


class Staging:
    """One snapshot while it is made in `folder`. Use it in a `with`; nothing may be at `folder` before."""

    def __init__(
        self,
        live: Path,
        folder: Path,
        *,
        is_known: Callable[[os.stat_result], bool] | None,
        check_room: Callable[[int], None],
    ) -> None:
        """`is_known` tells whether a file is as it was replicated; `check_room` raises when bytes have no room."""
        self._live_fd = open_root(live)
        self._top = os.fstat(self._live_fd)
        self._folder = folder
        self._is_known = is_known
        self._check_room = check_room
        self._since_ns = 0
        self._copied_bytes = 0
        self._fresh = NodeSet()
        self._copies = NodeSet()
        self._placed = NodeSet()
        self._twice = NodeSet()
        folder.mkdir(mode=0o700)
        for shelf in range(_SHELVES):
            (folder / "files" / f"{shelf:02x}").mkdir(parents=True)

    def __enter__(self) -> "Staging":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._live_fd)

    def copy_ahead(self) -> None:
        """Copy what changed, while it may go on changing, until little is left to copy."""
        for _ in range(_LOOKS):
            began_ns = time.time_ns()
            self._copied_bytes = 0
            for visit in self._walk():
                for name, found in visit.entries:
                    if isinstance(found, os.stat_result) and self._is_due(found, is_moved=visit.is_moved):
                        self._copy(visit.fd, name, found)
            self._since_ns = began_ns - CLOCK_STEP_NS
            if self._copied_bytes < _LITTLE_BYTES:
                return

    def copy_rest(self) -> None:
        """Look at everything once more, copy what changed since, and write the list."""
        self._fresh = NodeSet()
        writer = ListWriter(self._folder, os.fstat(self._live_fd))
        with contextlib.closing(writer):
            for visit in self._walk():
                if visit.fd < 0:
                    writer.correct(visit.path, None)
                    continue
                if not _same(visit.seen, visit.own) or visit.seen.st_ino != visit.own.st_ino:
                    writer.correct(visit.path, visit.own)
                writer.put(Directory(visit.path, read_xattrs(visit.fd), list(self._settled(visit))))

    def _settled(self, visit: _Visit) -> Iterator[Named]:
        """Yield the names with what they are once everything due was copied."""
        for name, found in visit.entries:
            if isinstance(found, Skipped):
                yield name, found.reason
            elif not visit.is_moved and found.st_ctime_ns < self._since_ns:
                # Nearly every file comes here.
                yield name, found
            elif (
                self._has_copy(found)
                if found.st_ino in self._fresh
                else not self._is_due(found, is_moved=visit.is_moved)
            ):
                yield name, found
            elif (now := self._copy(visit.fd, name, found)) is not None:
                if not self._fresh.add(now.st_ino):
                    self._twice.add(now.st_ino)
                yield name, now

    def finish(self) -> int:
        """Put the copies where they belong, and return the number that `fingerprint` would have told."""
        staged = Staged(self._folder)
        top = staged.top().stat
        made = Fingerprint(time.time_ns())
        made.add(top)
        staged.tree.mkdir(mode=0o700)
        # Never by whole paths: an app's may be longer than the system takes at once.
        tree_fd = open_root(staged.tree)
        try:
            for directory in staged.directories():
                self._place(tree_fd, directory, made)
        finally:
            os.close(tree_fd)
        if len(self._twice):
            self._leave_out_what_has_gone(staged)
        return made.number()

    def _place(self, tree_fd: int, directory: Directory, made: Fingerprint) -> None:
        if directory.path:
            with beneath(tree_fd, directory.path[:-1]) as above:
                os.mkdir(directory.path[-1], 0o700, dir_fd=above)
        with beneath(tree_fd, directory.path) as own:
            for name, value in directory.xattrs:
                os.setxattr(own, name, value)
            for name, told in directory.names:
                if isinstance(told, str):
                    continue
                made.add(told)
                if not self._placed.add(told.st_ino) and (
                    told.st_nlink == 1 or stat.S_ISDIR(told.st_mode) or told.st_ctime_ns >= self._since_ns
                ):
                    self._twice.add(told.st_ino)
                # A directory may have the number of a file that was copied, and has gone.
                if told.st_ino in self._copies and not stat.S_ISDIR(told.st_mode):
                    os.link(self._copy_of(told), name, dst_dir_fd=own, follow_symlinks=False)

    def _leave_out_what_has_gone(self, staged: Staged) -> None:
        """Have one number mean one file: while nobody is held still, one may move, or its number be another one's."""
        found: dict[int, list[tuple[Components, os.stat_result]]] = {}
        for directory in staged.directories():
            for name, told in directory.names:
                if isinstance(told, os.stat_result) and told.st_ino in self._twice:
                    found.setdefault(told.st_ino, []).append(((*directory.path, name), told))
        for names in found.values():
            if all(_same(told, names[0][1]) for _, told in names):
                continue
            is_directory = any(stat.S_ISDIR(told.st_mode) for _, told in names)
            copied = next((told for _, told in names if not is_directory and self._has_copy(told)), None)
            for path, told in names:
                if stat.S_ISDIR(told.st_mode) or (copied is not None and _same(told, copied)):
                    continue
                # A second name that a file got meanwhile takes nothing away from its first.
                is_its = copied is not None and told.st_ctime_ns <= copied.st_ctime_ns
                append_correction(self._folder, path, copied if is_its and self._is_there(path, told.st_ino) else None)

    def _is_there(self, path: Components, number: int) -> bool:
        try:
            with beneath(self._live_fd, path[:-1]) as above:
                now = _look(above, path[-1])
        except OSError:
            return False
        return now is not None and now.st_ino == number

    def _walk(self) -> Iterator[_Visit]:
        """Visit every directory in `replicate`'s order. One that moves meanwhile is visited once."""
        met = NodeSet()
        left: list[tuple[Components, os.stat_result, bool]] = [((), os.fstat(self._live_fd), False)]
        while left:
            path, seen, is_moved = left.pop()
            try:
                fd = open_beneath(self._live_fd, path)
            except (FileNotFoundError, NotADirectoryError):
                yield _Visit(path, -1, seen, seen, is_moved, [])
                continue
            try:
                entries = self._entries(fd, path)
                own = os.fstat(fd)
                if own.st_dev != self._top.st_dev or not met.add(own.st_ino):
                    yield _Visit(path, -1, seen, own, is_moved, [])
                    continue
                is_moved = is_moved or own.st_ctime_ns >= self._since_ns
                left.extend(
                    ((*path, name), found, is_moved)
                    for name, found in entries
                    if isinstance(found, os.stat_result) and stat.S_ISDIR(found.st_mode)
                )
                yield _Visit(path, fd, seen, own, is_moved, entries)
            finally:
                os.close(fd)

    def _entries(self, fd: int, path: Components) -> list[_Entry]:
        found: list[_Entry] = []
        device = self._top.st_dev
        with os.scandir(fd) as names:
            for entry in names:
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                name = os.fsencode(entry.name)
                if stat.S_IFMT(status.st_mode) in STORED_TYPES and status.st_dev == device:
                    found.append((name, status))
                    continue
                seen = judge((*path, name), name, status, device=device)
                found.append((name, seen if isinstance(seen, Skipped) else status))
        found.sort(key=itemgetter(0))
        return found

    def _is_due(self, found: os.stat_result, *, is_moved: bool) -> bool:
        """Return whether a file must be copied now. What lay elsewhere may have been missed by the look before."""
        if stat.S_ISDIR(found.st_mode):
            return False
        if self._since_ns and found.st_ctime_ns >= self._since_ns:
            return not self._known(found)
        return is_moved and not self._known(found) and not self._has_copy(found)

    def _known(self, found: os.stat_result) -> bool:
        return self._is_known is not None and self._is_known(found)

    def _has_copy(self, found: os.stat_result) -> bool:
        if found.st_ino not in self._copies:
            return False
        copy = os.stat(self._copy_of(found), follow_symlinks=False)  # noqa: PTH116 (a path of bytes)
        # A copy's access time is the time of its file's last change.
        return (copy.st_size, copy.st_mtime_ns, copy.st_atime_ns) == (
            found.st_size,
            found.st_mtime_ns,
            found.st_ctime_ns,
        )

    def _copy_of(self, found: os.stat_result) -> bytes:
        return os.fsencode(self._folder) + b"/files/%02x/%d" % (found.st_ino % _SHELVES, found.st_ino)

    def _copy(self, fd: int, name: bytes, found: os.stat_result) -> os.stat_result | None:
        """Copy a file, and return what it is; None when it has gone, or goes on being another one."""
        for _ in range(_TRIES):
            told = self._copy_found(fd, name, found)
            if told is not None:
                return told
            # An app may put another file in its place at any time, as with every new state that it writes.
            now = _look(fd, name)
            if now is None or now.st_dev != self._top.st_dev or stat.S_IFMT(now.st_mode) not in _COPIED_TYPES:
                return None
            found = now
        return None

    def _copy_found(self, fd: int, name: bytes, found: os.stat_result) -> os.stat_result | None:
        """Copy a file, and return what it is; None when its name is of another one by now, or of none."""
        target = self._copy_of(found)
        try:
            if found.st_ino in self._copies:
                # It may be of a file that has gone: its number is given to the next one, of whatever type.
                os.unlink(target)  # noqa: PTH108 (a path of bytes)
                self._copies.discard(found.st_ino)
            if stat.S_ISREG(found.st_mode):
                now = self._copy_file(fd, name, found)
                if now is not None:
                    self._copies.add(found.st_ino)
                return now
            if stat.S_ISLNK(found.st_mode):
                os.symlink(os.readlink(name, dir_fd=fd), target)  # noqa: PTH211 (a path of bytes)
            else:
                os.mkfifo(target, 0o600)
            self._copies.add(found.st_ino)
            for key, value in read_xattrs(unfollowed(fd, name)):
                os.setxattr(target, key, value, follow_symlinks=False)
            os.utime(target, ns=(found.st_ctime_ns, found.st_mtime_ns), follow_symlinks=False)
        except FileNotFoundError:
            return None
        except OSError as error:
            if not _is(_look(fd, name), found):
                return None
            if error.errno not in UNREADABLE or not stat.S_ISREG(found.st_mode):
                raise
            self._mark_unread(target, found)
            return found
        now = _look(fd, name)
        return found if now is not None and _is(now, found) and _same(now, found) else None

    def _mark_unread(self, target: bytes, found: os.stat_result) -> None:
        """Have a fifo in the place of a file's copy say that there is none: the rest of the snapshot is as good."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(target)  # noqa: PTH108 (a path of bytes)
        os.mkfifo(target, 0o600)
        self._copies.add(found.st_ino)

    def _copy_file(self, fd: int, name: bytes, found: os.stat_result) -> os.stat_result | None:
        """Copy a regular file, and return what it is; None when the name is of another one by now."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        source = os.open(name, flags, dir_fd=fd)
        try:
            before = os.fstat(source)
            if not _is(before, found):
                return None
            target = self._copy_of(found)
            for _ in range(_TRIES):
                self._check_room(before.st_blocks * 512)
                copy = _copied(source, target)
                after = os.fstat(source)
                self._copied_bytes += copy.st_blocks * 512
                if _same(before, after) and copy.st_size == after.st_size:
                    break
                before = after
            else:
                # Nobody is held still: what was read is called what it is, and read again the next time.
                before = _resized(before, copy.st_size)
            os.utime(target, ns=(before.st_ctime_ns, before.st_mtime_ns))
            return before
        finally:
            os.close(source)


def _look(fd: int, name: bytes) -> os.stat_result | None:
    """Return what is at a name now, None for nothing."""
    try:
        return os.stat(name, dir_fd=fd, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _is(now: os.stat_result | None, found: os.stat_result) -> bool:
    """Return whether this is the file that was found, whatever was written to it since."""
    if now is None:
        return False
    return (now.st_ino, stat.S_IFMT(now.st_mode)) == (found.st_ino, stat.S_IFMT(found.st_mode))


def _copied(source: int, target: bytes) -> os.stat_result:
    copy = os.open(target, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        clone(source, copy)
        for key, value in read_xattrs(source):
            os.setxattr(copy, key, value)
        return os.fstat(copy)
    finally:
        os.close(copy)


def _same(one: os.stat_result, other: os.stat_result) -> bool:
    return (one.st_size, one.st_mtime_ns, one.st_ctime_ns) == (other.st_size, other.st_mtime_ns, other.st_ctime_ns)


def _resized(found: os.stat_result, size: int) -> os.stat_result:
    fields = list(found)[:10]
    fields[6] = size
    return os.stat_result(fields, {"st_mtime_ns": found.st_mtime_ns, "st_ctime_ns": found.st_ctime_ns})
