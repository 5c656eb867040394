"""Replicating by hints: only the paths that a send stream named are looked at.

What the hints say is where; what is there is read from the snapshot itself and
compared with the previous tree. Whatever does not fit together raises
`HintsUnusable`, and the caller looks at every file instead.
"""

import contextlib
import os
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from mosaic.storage.engine.ahead import read_ahead
from mosaic.storage.engine.attributes import read_xattrs
from mosaic.storage.engine.beneath import Components, open_beneath
from mosaic.storage.engine.changes import Spot
from mosaic.storage.engine.nodes import NodeMap
from mosaic.storage.engine.numbers import Numbers
from mosaic.storage.engine.recorder import Recorder
from mosaic.storage.engine.records import (
    ROOT_NODE,
    Node,
    NodeType,
    decode_entry,
    encode_entry,
    entries_of,
    entry_key,
    entry_name,
)
from mosaic.storage.engine.roots import Skipped
from mosaic.storage.engine.scan import Seen, describe, look, read_special, reading
from mosaic.storage.engine.skips import Skips
from mosaic.storage.engine.stage import Stage
from mosaic.storage.engine.tree import Tree

_OPEN_FOLDERS = 16


class HintsUnusable(Exception):
    """The hints and the previous tree do not fit together. Look at every file."""


@dataclass(slots=True)
class _Touched:
    """A file to be looked at: where it is, and what is said to have changed, under any of its names."""

    folder: Components
    seen: Seen
    whole: bool = False
    spans: list[tuple[int, int]] = field(default_factory=list)

    @property
    def to_read(self) -> Seen | None:
        """What has to be read whole if it is small; None where perhaps only attributes changed."""
        return self.seen if self.whole or self.spans else None


@dataclass(frozen=True, slots=True)
class Totals:
    """How many files and directories there are, and the sum of the files' sizes."""

    files: int
    directories: int
    content_bytes: int


class HintedWalk:
    """One replication by hints. `prior` and `nodes` must be of the snapshot that the hints start from."""

    def __init__(self, prior: Tree, nodes: NodeMap, stage: Stage, numbers: Numbers, store: Recorder) -> None:
        self._prior = prior
        self._nodes = nodes
        self._stage = stage
        self._numbers = numbers
        self._store = store
        self._touched: dict[int, _Touched] = {}
        self._names: Counter[int] = Counter()
        self._files = prior.root.files
        self._directories = prior.root.directories
        self._content_bytes = prior.root.content_bytes
        self.skips = Skips()

    def walk(self, top_fd: int, changes: Spot) -> Totals:
        """Stage everything that changed. Returns what the snapshot holds.

        Raises:
            HintsUnusable: nothing is lost, but what was staged is worthless.
            SourceChanged, SourceDamaged: a file can't be read.
            Unavailable, Refused, Corrupt: the store failed.
        """
        top = Seen(b"", os.fstat(top_fd), NodeType.DIRECTORY)
        if changes.touched or changes.names:
            self._touched[ROOT_NODE] = _Touched((), top)
        self._find(top_fd, top, changes)
        self._record(top_fd)
        self._drop_what_is_gone()
        return Totals(self._files, self._directories, self._content_bytes)

    def look_again(self, top_fd: int, known: Iterable[Skipped]) -> None:
        """Note what was skipped before and is there still: no hint speaks of what did not change.

        Raises HintsUnusable when another file system is not where it was: it may have gone along with a directory.
        """
        device = os.fstat(top_fd).st_dev
        for one in known:
            *folder, name = one.where.split(b"/")
            now: Seen | Skipped | None = None
            with contextlib.suppress(HintsUnusable), _folder(top_fd, tuple(folder)) as fd:
                now = look(fd, tuple(folder), name, device=device) if name else None
            if isinstance(now, Skipped):
                self.skips.add(now)
            elif one.is_foreign:
                raise HintsUnusable("another file system is not where it was")

    def _find(self, top_fd: int, top: Seen, changes: Spot) -> None:
        """Compare the names that came and went, and collect the files to look at."""
        left: list[tuple[int, Components, Spot, bool]] = [(ROOT_NODE, (), changes, False)]
        while left:
            parent, path, spot, is_new = left.pop()
            with _folder(top_fd, path) as fd:
                for name in sorted(self._names_of(fd, path, spot, parent, is_new=is_new)):
                    seen = look(fd, path, name, device=top.stat.st_dev)
                    if isinstance(seen, Skipped):
                        self.skips.add(seen)
                        seen = None
                    number = self._compare(parent, name, seen, named=is_new or name in spot.names)
                    if seen is None or number is None:
                        continue
                    inner = spot.children.get(name)
                    made = self._note(number, path, seen, inner)
                    if seen.type is NodeType.DIRECTORY and (made or inner is not None):
                        left.append((number, (*path, name), inner or Spot(), made))

    def _names_of(self, fd: int, path: Components, spot: Spot, parent: int, *, is_new: bool) -> set[bytes]:
        names = spot.names | spot.children.keys()
        if is_new:
            with reading(path):
                names |= {os.fsencode(name) for name in os.listdir(fd)}
            # A number may come back with an inode's, and the directory of before had other names.
            names |= {entry_name(key) for key, _ in self._entries(parent)}
        return names

    def _entries(self, parent: int) -> Iterator[tuple[bytes, bytes]]:
        return self._prior.range(entries_of(parent)) if parent < self._prior.root.next_node else iter(())

    def _compare(self, parent: int, name: bytes, seen: Seen | None, *, named: bool) -> int | None:
        """Stage the entry if it means another file than before. Returns the node that it means now."""
        was = self._nodes.find(seen.stat.st_ino) if seen else None
        if seen is not None and was is not None and not named:
            return was.node
        before = self._prior.get(entry_key(parent, name)) if parent < self._prior.root.next_node else None
        old = None if before is None else decode_entry(before)
        number = self._numbers.of(seen.stat, candidate=None) if seen else None
        if old == number:
            return number
        if old is not None:
            self._names[old] -= 1
        if number is None:
            self._stage.delete(entry_key(parent, name))
        else:
            self._names[number] += 1
            self._stage.put(entry_key(parent, name), encode_entry(number))
        return number

    def _note(self, number: int, folder: Components, seen: Seen, spot: Spot | None) -> bool:
        """Collect a file that is new or touched. Returns whether it is new."""
        is_new = self._nodes.find(seen.stat.st_ino) is None
        if is_new:
            # Its other names, if it has some, must find the same number.
            self._nodes.put(number, seen.stat)
        if not is_new and spot is None:
            return False
        noted = self._touched.setdefault(number, _Touched(folder, seen))
        noted.whole |= is_new or (spot is not None and spot.whole)
        if spot is not None:
            noted.spans.extend(spot.pairs())
        return is_new or noted.whole

    def _record(self, top_fd: int) -> None:
        """Look at every collected file, and stage what it is now."""
        noted = list(self._touched.items())
        ahead = read_ahead(top_fd, [(touched.folder, touched.to_read) for _, touched in noted], self._store.identify)
        with _Folders(top_fd) as folders, contextlib.closing(ahead):
            for (number, touched), ready in zip(noted, ahead, strict=True):
                before = self._prior.node(number) if number < self._prior.root.next_node else None
                if ready is not None:
                    now = self._store.put_ready(number, touched.seen, ready)
                else:
                    now = self._put(number, folders.at(touched.folder), touched, before)
                self._nodes.put(number, touched.seen.stat)
                self._count(before, -1)
                self._count(now, 1)

    def _put(self, number: int, fd: int, touched: _Touched, before: Node | None) -> Node:
        seen, path = touched.seen, (*touched.folder, touched.seen.name)
        if seen.type is NodeType.DIRECTORY:
            with reading(path), contextlib.ExitStack() as opened:
                own = fd
                if seen.name:
                    own = open_beneath(fd, (seen.name,))
                    opened.callback(os.close, own)
                node = describe(seen, xattrs=read_xattrs(own), tail=b"")
        elif seen.type is NodeType.FILE:
            if touched.whole or before is None:
                return self._store.put_file(number, fd, seen, path)
            return self._store.put_spans(number, fd, seen, path, before, touched.spans)
        else:
            node = read_special(fd, seen, path)
        self._store.put(number, node)
        return node

    def _drop_what_is_gone(self) -> None:
        """Drop every file that lost all its names; a directory takes the names in it along."""
        directories = [number for number, names in self._names.items() if names < 0]
        while directories:
            number = directories.pop()
            if self._is_directory(number) and number not in self._touched:
                for _, value in self._entries(number):
                    child = decode_entry(value)
                    self._names[child] -= 1
                    if self._names[child] < 0:
                        directories.append(child)
        for number, names in self._names.items():
            if names < 0 and number not in self._touched:
                self._drop(number, names)

    def _is_directory(self, number: int) -> bool:
        node = self._prior.node(number)
        return node is not None and node.type is NodeType.DIRECTORY

    def _drop(self, number: int, names: int) -> None:
        node = self._prior.node(number)
        if node is None:
            raise HintsUnusable("an entry of the previous tree leads nowhere")
        if node.type is not NodeType.DIRECTORY and node.links + names > 0:
            raise HintsUnusable("a file lost a name, and nothing was said of its others")
        self._count(node, -1)
        self._store.drop(number)
        self._nodes.forget_node(number)

    def _count(self, node: Node | None, by: int) -> None:
        if node is None:
            return
        if node.type is NodeType.DIRECTORY:
            self._directories += by
        elif node.type is NodeType.FILE:
            self._files += by
            self._content_bytes += by * node.size


class _Folders:
    """Directories that were opened last: files that are looked at one after another often lie in the same."""

    def __init__(self, top_fd: int) -> None:
        self._top = top_fd
        self._open: OrderedDict[Components, int] = OrderedDict()

    def __enter__(self) -> "_Folders":
        return self

    def __exit__(self, *_: object) -> None:
        for fd in self._open.values():
            os.close(fd)

    def at(self, path: Components) -> int:
        if path not in self._open:
            with reading(path):
                self._open[path] = open_beneath(self._top, path)
            if len(self._open) > _OPEN_FOLDERS:
                os.close(self._open.popitem(last=False)[1])
        self._open.move_to_end(path)
        return self._open[path]


@contextlib.contextmanager
def _folder(top_fd: int, path: Components) -> Iterator[int]:
    try:
        fd = open_beneath(top_fd, path)
    except OSError as error:
        raise HintsUnusable("a directory that is said to have changed is not there") from error
    try:
        yield fd
    finally:
        os.close(fd)
