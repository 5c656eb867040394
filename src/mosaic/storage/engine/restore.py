"""Bringing a state of a volume back into a folder."""

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mosaic.core.errors import Corrupt, Refused
from mosaic.crypto.volume_keys import VolumeKeys
from mosaic.storage.engine.attributes import unfollowed, write_attributes
from mosaic.storage.engine.beneath import Components, directory, open_beneath, open_root, sync_file_system
from mosaic.storage.engine.fetch import Fetcher
from mosaic.storage.engine.fill import Filler
from mosaic.storage.engine.index import ChunkIndex
from mosaic.storage.engine.listing import Listed, walk
from mosaic.storage.engine.nodes import NodeMap
from mosaic.storage.engine.nodeset import NodeSet
from mosaic.storage.engine.older_copy import Base
from mosaic.storage.engine.records import NodeType
from mosaic.storage.engine.roots import OnProgress, Progress, Restoration, RootRef, Skipped, ignore_progress, shown
from mosaic.storage.engine.store import Store
from mosaic.storage.engine.tree import Tree

_REPORT_NAMES = 32


class RestoreIncomplete(Corrupt):
    """Everything was restored but `paths` (relative, as text), whose stored bytes are damaged."""

    code = "restore-incomplete"

    def __init__(self, paths: tuple[str, ...]) -> None:
        super().__init__(
            f"{len(paths)} files could not be restored whole: {', '.join(paths[:5])}",
            hint="restore an older snapshot, or another store's copy; the rest of the files is good",
        )
        self.paths = paths


class TargetNotEmpty(Refused):
    """A restore goes into an empty directory only."""

    code = "target-not-empty"

    def __init__(self, target: Path) -> None:
        super().__init__(f"{target} is not empty", hint="give an empty directory; nothing is ever overwritten")


class TargetFailed(Refused):
    """The local file system did not take what was restored."""

    code = "target-failed"

    def __init__(self, target: Path, reason: str) -> None:
        super().__init__(f"{target} cannot take the restored files: {reason}", hint="free space there and begin anew")


def restore(
    root: RootRef,
    keys: VolumeKeys,
    store: Store,
    target: Path,
    *,
    known: ChunkIndex,
    nodes: NodeMap,
    base: tuple[Path, RootRef] | None = None,
    on_progress: OnProgress = ignore_progress,
) -> Restoration:
    """Write the state into `target`, an empty directory, and sync it to disk.

    Content, modes, owners (as root), times to the nanosecond, extended
    attributes, hard links, symbolic links and holes come back. `base` is a
    local directory that is known to hold exactly that other state: what did
    not change is cloned from it and only the rest is fetched. `known` must
    have been loaded from this store. `nodes` then remembers the restored
    state, so that the next `replicate` of `target` (or of a snapshot of it)
    with `previous=root` reads nothing again.

    May be killed at any point: the caller discards `target` and begins anew.
    Nothing outside `target` is ever written, whatever the state says.

    Raises:
        RestoreIncomplete: some paths are damaged; all others were restored.
        Unavailable: the store did not answer; begin anew.
        Corrupt: not even the root can be read; nothing was written.
        TargetNotEmpty: `target` has something in it; nothing was written.
        TargetFailed: the local file system is full or fails.
    """
    with Fetcher(keys, store, known) as fetcher:
        tree = Tree(fetcher.get, root)
        with _target(target) as target_fd, Base.opened(base, fetcher) as local:
            nodes.begin(None)
            try:
                run = _Run(tree, fetcher, target_fd, local, nodes, on_progress)
                run.write()
                sync_file_system(target_fd)
                nodes.commit(root.root, taken_ns=time.time_ns())
            except BaseException:  # raised again; also a worker that is stopped must remember nothing half
                nodes.rollback()
                raise
    if run.damaged:
        raise RestoreIncomplete(tuple(sorted(run.damaged)))
    return Restoration(
        files=run.files,
        directories=len(run.directories),
        content_bytes=tree.root.content_bytes,
        fetched_bytes=fetcher.fetched_bytes,
        cloned_bytes=run.filler.cloned_bytes,
        lost=tuple(run.lost),
    )


class _Run:
    """One restore."""

    def __init__(
        self, tree: Tree, fetcher: Fetcher, target_fd: int, base: Base | None, nodes: NodeMap, on_progress: OnProgress
    ) -> None:
        self._tree = tree
        self._fetcher = fetcher
        self._target_fd = target_fd
        self._nodes = nodes
        self._on_progress = on_progress
        self._linked: dict[int, tuple[Components, bytes]] = {}
        self._parent: tuple[Components, int] | None = None
        self._remembered = NodeSet()
        self.filler = Filler(tree, fetcher, base, self._complete, self._damage)
        self.damaged: set[str] = set()
        self.lost: list[Skipped] = []
        self.directories: list[Listed] = []
        self.files = 0

    def write(self) -> None:
        """Create everything, then finish the directories: what is made in one moves its time."""
        try:
            for number, listed in enumerate(walk(self._tree, self._damage)):
                self._create(listed)
                if number % _REPORT_NAMES == 0:
                    self._report()
            self.filler.flush()
            self._report()
        finally:
            self.filler.close()
            if self._parent is not None:
                os.close(self._parent[1])
        self._damage_other_names()
        for listed in reversed(self.directories):
            with directory(self._target_fd, listed.path) as fd:
                self._complete(fd, listed)

    def _create(self, listed: Listed) -> None:
        if listed.node.type is NodeType.DIRECTORY:
            if listed.name:
                os.mkdir(listed.name, 0o700, dir_fd=self._within(listed.parent))
            self.directories.append(listed)
            return
        dir_fd = self._within(listed.parent)
        first = self._linked.get(listed.number)
        if first is not None:
            self._link(first, dir_fd, listed)
            return
        if listed.node.links > 1:
            self._linked[listed.number] = (listed.parent, listed.name)
        self.files += 1
        match listed.node.type:
            case NodeType.FILE:
                self.filler.create(dir_fd, listed)
            case NodeType.SYMLINK:
                os.symlink(listed.node.tail, listed.name, dir_fd=dir_fd)
                self._complete(unfollowed(dir_fd, listed.name), listed)
            case NodeType.FIFO:
                os.mkfifo(listed.name, 0o600, dir_fd=dir_fd)
                self._complete(unfollowed(dir_fd, listed.name), listed)

    def _link(self, first: tuple[Components, bytes], dir_fd: int, listed: Listed) -> None:
        parent, name = first
        with directory(self._target_fd, parent) as from_fd:
            os.link(name, listed.name, src_dir_fd=from_fd, dst_dir_fd=dir_fd, follow_symlinks=False)
        # A link moves the file's ctime.
        self._nodes.put(listed.number, os.stat(listed.name, dir_fd=dir_fd, follow_symlinks=False))

    def _complete(self, file: int | bytes, listed: Listed) -> None:
        """Give a file its size and attributes, and remember it."""
        owned = None
        if isinstance(file, int) and listed.node.type is NodeType.FILE:
            now = os.fstat(file)
            owned = (now.st_uid, now.st_gid)
            if now.st_size != listed.node.size:
                # It ends with a hole, or with something that is damaged.
                os.ftruncate(file, listed.node.size)
        for what in write_attributes(file, listed.node, owned=owned):
            self.lost.append(Skipped(shown(b"/".join(listed.path)), what))
        status = os.fstat(file) if isinstance(file, int) else os.stat(file, follow_symlinks=False)  # noqa: PTH116 (may be a descriptor)
        if self._remembered.add(listed.number):
            # A file that moved while a fuzzy snapshot was made may be in it twice: here these are two files.
            self._nodes.put(listed.number, status)

    def _within(self, parent: Components) -> int:
        """Return a descriptor of a directory, the last one kept open: names of one directory come together."""
        if self._parent is None or self._parent[0] != parent:
            fd = open_beneath(self._target_fd, parent)
            if self._parent is not None:
                os.close(self._parent[1])
            self._parent = (parent, fd)
        return self._parent[1]

    def _damage(self, path: Components, _: Corrupt) -> None:
        self.damaged.add(shown(b"/".join(path)) or ".")

    def _damage_other_names(self) -> None:
        """A damaged file is damaged under all its names; only the first was met when it was written."""
        if self.damaged:
            numbers = {
                number
                for number, (parent, name) in self._linked.items()
                if shown(b"/".join((*parent, name))) in self.damaged
            }
            # What can't be listed was told in the first walk.
            for listed in walk(self._tree, lambda *_: None) if numbers else ():
                if listed.number in numbers:
                    self.damaged.add(shown(b"/".join(listed.path)))

    def _report(self) -> None:
        moved = self.filler.filled_bytes
        self._on_progress(Progress(self.files, moved, self._tree.root.content_bytes))


@contextmanager
def _target(target: Path) -> Iterator[int]:
    """Have the target open, and turn what its file system refuses into an error that names it."""
    try:
        fd = open_root(target)
        try:
            if os.listdir(fd):  # noqa: PTH208 - a descriptor is not a path
                raise TargetNotEmpty(target)
            yield fd
        finally:
            os.close(fd)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise TargetFailed(target, "it is full" if full else error.strerror or "unknown failure") from error
