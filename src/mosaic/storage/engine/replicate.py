"""Carrying a read-only snapshot of a volume to a store.

Reads what changed since the previous state, uploads what the store lacks and
returns the new root. It commits nothing: the caller signs a head with the
root, and until that head is accepted the upload is just unused objects.
"""

import os
from array import array
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from mosaic.crypto.volume_keys import VolumeKeys
from mosaic.storage.engine.ahead import Met, OpenDirectory, ReadAhead, Ready, directory
from mosaic.storage.engine.attributes import read_xattrs
from mosaic.storage.engine.beneath import Components, open_beneath, open_root
from mosaic.storage.engine.changes import Hints, Spot
from mosaic.storage.engine.condemning import NOTHING, Condemning, stage_condemned
from mosaic.storage.engine.damage import SourceDamaged
from mosaic.storage.engine.fetch import Fetcher
from mosaic.storage.engine.grow import grow
from mosaic.storage.engine.hinted import HintedWalk, HintsUnusable
from mosaic.storage.engine.index import ChunkIndex
from mosaic.storage.engine.nodes import NodeMap
from mosaic.storage.engine.numbers import Numbers
from mosaic.storage.engine.pack import Kind
from mosaic.storage.engine.pages import Root, encode_root
from mosaic.storage.engine.recorder import Recorder
from mosaic.storage.engine.records import (
    ALL_NODES,
    ROOT_NODE,
    Node,
    NodeType,
    decode_entry,
    encode_entry,
    entries_of,
    entry_key,
    entry_name,
    groups_of,
    node_of,
)
from mosaic.storage.engine.roots import OnProgress, Progress, Replication, RootRef, Skipped, ignore_progress, shown
from mosaic.storage.engine.scan import Seen, describe, read_special, reading
from mosaic.storage.engine.skips import Skips
from mosaic.storage.engine.stage import Stage
from mosaic.storage.engine.staged import Staged
from mosaic.storage.engine.store import Store
from mosaic.storage.engine.tree import Tree
from mosaic.storage.engine.upload import Uploader


def replicate(
    snapshot: Path,
    keys: VolumeKeys,
    store: Store,
    *,
    previous: RootRef | None,
    known: ChunkIndex,
    nodes: NodeMap,
    taken_ns: int,
    hints: Hints | None = None,
    condemning: Condemning = NOTHING,
    staged: Staged | None = None,
    skipped: Iterable[Skipped] = (),
    on_progress: OnProgress = ignore_progress,
) -> Replication:
    """Upload the snapshot; every object is durable in the store when this returns.

    `previous` is the newest root that `replicate` or `restore` returned or
    restored for this data, None for the first time. `known` must have been
    loaded from this store. `nodes` is this machine's memory of `previous`;
    when it remembers another state (or nothing) every file is read again, but
    only what the store lacks is sent. `taken_ns` is an instant (wall clock)
    just before the snapshot was cut: files changed later than one second
    before it are read again next time, for their clock may not have ticked.
    `hints` say where the snapshot differs from the one that `nodes` remembers:
    then only there is looked. Hints that do not fit are not used. `condemning`
    is what the new state says of packs beyond what the previous one says;
    `known` must not count them already. `staged` tells of a snapshot that was
    made by copying, whose copies are `snapshot`. `skipped` is what was left out
    of the previous state.

    Nothing changed: nothing is sent and `previous` is returned. May be killed
    at any point and called again; packs that were finished are used again.

    Sockets, device nodes and other file systems are not stored; the first few are listed in the result. Files that
    can't be read stay as they are in the previous state, and are listed too.

    Raises:
        Unavailable: the store did not answer; call again.
        StoreFull: the store refuses more.
        SourceDamaged: a directory of the snapshot could not be read.
        SourceChanged: the snapshot changed while it was read.
        CopyMissing: `staged` lacks a file that is not as it is remembered.
        Corrupt: the previous state is damaged in the store; pass None to write everything anew.
    """
    with (
        Fetcher(keys, store, known) as fetcher,
        Uploader(keys, store, known, quick=previous is None) as uploader,
        closing(Stage()) as stage,
    ):
        prior = Tree(fetcher.get, previous) if previous else None
        try:
            with reading(()):
                top_fd = open_root(snapshot)
            try:
                run = _look(top_fd, prior, previous, nodes, stage, uploader, hints, staged, skipped, on_progress)
            finally:
                os.close(top_fd)
            condemns = stage_condemned(stage, prior, known, condemning)
            root = previous if previous and not stage.count else run.finish(keys, known, condemns=condemns)
            # Where something could not be read is looked again, whatever changes.
            source = hints.snapshot if hints and not run.unread else ""
            nodes.commit(root.root, taken_ns=taken_ns, source=source)
        except BaseException:  # raised again; also a worker that is stopped must remember nothing half
            nodes.rollback()
            raise
    return Replication(
        root=root,
        files=run.files,
        directories=run.directories,
        content_bytes=run.content_bytes,
        read_bytes=run.store.read_bytes,
        uploaded_bytes=uploader.uploaded_bytes,
        uploaded_packs=uploader.uploaded_packs,
        skipped=run.skips.all(),
        unread=tuple(run.unread),
    )


def _look(
    top_fd: int,
    prior: Tree | None,
    previous: RootRef | None,
    nodes: NodeMap,
    stage: Stage,
    uploader: Uploader,
    hints: Hints | None,
    staged: Staged | None,
    skipped: Iterable[Skipped],
    on_progress: OnProgress,
) -> "_Run":
    """Stage all that changed, by the hints if they can be used."""
    remembered = nodes.begin(previous.root if previous else None)
    if remembered and prior and hints and hints.changes and hints.since == nodes.source != "":
        run = _Run(prior, nodes, stage, uploader, remembered=True, on_progress=on_progress)
        try:
            run.walk_where(top_fd, prior, hints.changes, skipped)
            return run
        except (HintsUnusable, SourceDamaged):
            nodes.rollback()
            stage.clear()
            nodes.begin(previous.root if previous else None)
    run = _Run(prior, nodes, stage, uploader, remembered=remembered, on_progress=on_progress)
    if staged is not None:
        run.walk_staged(top_fd, staged)
    elif remembered:
        run.walk(top_fd)
    else:
        run.walk_reading_ahead(top_fd)
    run.keep_what_was_replaced()
    run.drop_what_is_gone()
    return run


@dataclass(frozen=True, slots=True)
class _Replaced:
    """A name whose file is new and can't be read. `old` is the node that had the name, None for none."""

    parent: int
    seen: Seen
    old: int | None


class _Run:
    """One replication: numbers every file, stages the records that differ from the previous tree's."""

    def __init__(
        self,
        prior: Tree | None,
        nodes: NodeMap,
        stage: Stage,
        uploader: Uploader,
        *,
        remembered: bool,
        on_progress: OnProgress,
    ) -> None:
        self._prior = prior
        self._nodes = nodes
        self._stage = stage
        self._uploader = uploader
        self._remembered = remembered
        self._on_progress = on_progress
        self._directory: OpenDirectory = directory
        first_new = prior.root.next_node if prior else ROOT_NODE + 1
        self._numbers = Numbers(nodes, first_new=first_new, remembered=remembered)
        self.store = Recorder(prior, stage, uploader, self._report)
        self.files = 0
        self.directories = 0
        self.content_bytes = 0
        self.skips = Skips()
        self.unread: list[Skipped] = []
        self._replaced: list[_Replaced] = []

    def walk(self, top_fd: int, top: Seen | None = None) -> None:
        """Look at every file beneath `top_fd` and stage what changed."""
        top = top or Seen(b"", os.fstat(top_fd), NodeType.DIRECTORY)
        changed = self._visit_directory(top_fd, top, ROOT_NODE, ())
        left: list[tuple[int, Components, bool, int]] = [(ROOT_NODE, (), changed, top.stat.st_ino)]
        while left:
            parent, path, changed, inode = left.pop()
            then = left[-1][1] if left else None
            with self._directory(top_fd, path, then=then, device=top.stat.st_dev) as (fd, met):
                for seen, ready, old in self._names(met, parent, changed=changed):
                    inner = (*path, seen.name)
                    number = self._numbers.of(seen.stat, candidate=None if self._remembered else old)
                    if seen.type is not NodeType.DIRECTORY:
                        damage = self._visit(fd, seen, ready, number, inner)
                        if damage is not None and not self._keep(number, seen):
                            if not changed:
                                raise damage
                            self._leave_out(_Replaced(parent, seen, old), number, inode)
                            continue
                    if changed and old != number:
                        self._stage.put(entry_key(parent, seen.name), encode_entry(number))
                    if seen.type is NodeType.DIRECTORY:
                        with reading(inner):
                            below = open_beneath(fd, (seen.name,))
                        try:
                            is_changed = self._visit_directory(below, seen, number, inner)
                            left.append((number, inner, is_changed, seen.stat.st_ino))
                        finally:
                            os.close(below)
            self._report()

    def walk_reading_ahead(self, top_fd: int) -> None:
        """`walk` where nearly every file will be read."""
        with ReadAhead(self._uploader.identify) as ahead:
            self._directory = ahead.directory
            self.walk(top_fd)

    def walk_staged(self, top_fd: int, staged: Staged) -> None:
        """`walk` by a list of what the files were."""
        self._directory = staged.directory
        self.walk(top_fd, staged.top())

    def walk_where(self, top_fd: int, prior: Tree, changes: Spot, skipped: Iterable[Skipped]) -> None:
        """Look only where the changes say. Raises HintsUnusable."""
        walk = HintedWalk(prior, self._nodes, self._stage, self._numbers, self.store)
        walk.look_again(top_fd, skipped)
        totals = walk.walk(top_fd, changes)
        self.files, self.directories, self.content_bytes = totals.files, totals.directories, totals.content_bytes
        self.skips = walk.skips

    def drop_what_is_gone(self) -> None:
        """Stage the end of every file that the previous tree has and the snapshot has not."""
        if self._prior is None:
            return
        if not self._remembered:
            for key, _ in self._prior.range(ALL_NODES):
                if node_of(key) not in self._numbers.taken:
                    self.store.drop(node_of(key))
        elif self._nodes.count() != len(self._numbers.taken):
            gone = array("Q")
            for inode, number in self._nodes.all():
                if number not in self._numbers.taken:
                    gone.extend((inode, number))
            for at in range(0, len(gone), 2):
                self._nodes.forget(gone[at])
                self.store.drop(gone[at + 1])

    def finish(self, keys: VolumeKeys, known: ChunkIndex, *, condemns: bool) -> RootRef:
        """Write the pages and the root record, and wait until everything is durable."""

        def write(page: bytes) -> bytes:
            return self._uploader.add(page, Kind.PAGE)

        top = grow(self._prior, self._stage.in_order(), write=write, cut_key=keys.current.blob_id)
        record = Root(
            level=top.level,
            top=top.page,
            next_node=self._numbers.next,
            files=self.files,
            directories=self.directories,
            content_bytes=self.content_bytes,
            condemns=condemns,
        )
        blob = self._uploader.add(encode_root(record), Kind.ROOT)
        self._uploader.finish()
        found = known.find(blob)
        assert found is not None  # `finish` entered it
        return RootRef(blob, found.head.pack)

    def _names(
        self, names: Iterator[Met], parent: int, *, changed: bool
    ) -> Iterator[tuple[Seen, Ready | None, int | None]]:
        """Yield each name, its content if that was read ahead, and the node that it had before.

        Stages the end of entries that are gone.

        When the directory itself did not change, its entries are not looked
        up: every name is yielded with None.
        """
        old = self._entries(parent) if changed else iter(())
        before = next(old, None)
        for met in names:
            seen = met.seen
            if isinstance(seen, Skipped):
                self.skips.add(seen)
                continue
            while before is not None and before[0] < seen.name:
                self._stage.delete(entry_key(parent, before[0]))
                before = next(old, None)
            if before is not None and before[0] == seen.name:
                yield seen, met.ready, before[1]
                before = next(old, None)
            else:
                yield seen, met.ready, None
        while before is not None:
            self._stage.delete(entry_key(parent, before[0]))
            before = next(old, None)

    def _entries(self, parent: int) -> Iterator[tuple[bytes, int]]:
        if self._prior is None or parent >= self._prior.root.next_node:
            return
        for key, value in self._prior.range(entries_of(parent)):
            yield entry_name(key), decode_entry(value)

    def _visit_directory(self, fd: int, seen: Seen, number: int, path: Components) -> bool:
        """Stage the directory's own record if it differs. Returns whether its entries may have changed."""
        self._numbers.taken.add(number)
        self.directories += 1
        if self._unchanged(seen, number):
            return False
        with reading(path):
            xattrs = read_xattrs(fd)
        self.store.put(number, describe(seen, xattrs=xattrs, tail=b""))
        self._nodes.put(number, seen.stat)
        return True

    def _visit(
        self, dir_fd: int, seen: Seen, ready: Ready | None, number: int, path: Components
    ) -> SourceDamaged | None:
        """Stage a file's record and upload its content, unless it is as it was or was visited by another name.

        Returns why it can't be read, if it can't.
        """
        if not self._numbers.taken.add(number):
            return None
        if seen.type is NodeType.FILE:
            self.files += 1
            self.content_bytes += seen.stat.st_size
        if self._unchanged(seen, number):
            return None
        try:
            if ready is not None:
                self.store.put_ready(number, seen, ready)
            elif seen.type is NodeType.FILE:
                self.store.put_file(number, dir_fd, seen, path)
            else:
                self.store.put(number, read_special(dir_fd, seen, path))
        except SourceDamaged as damage:
            if not damage.is_of_file:
                raise
            self.unread.append(Skipped(shown(b"/".join(path)), damage.reason))
            if seen.type is NodeType.FILE:
                self._stage.forget(groups_of(number))
                self._count_file(-1, seen.stat.st_size)
            return damage
        self._nodes.put(number, seen.stat)
        return None

    def _keep(self, number: int, seen: Seen) -> bool:
        """Leave a file that can't be read as the previous tree has it. Returns False where it has none."""
        node = self._node_before(number)
        if node is None or node.type is NodeType.DIRECTORY:
            return False
        self._nodes.put_unread(number, seen.stat.st_ino)
        if node.type is NodeType.FILE:
            self._count_file(1, node.size)
        return True

    def _leave_out(self, replaced: "_Replaced", number: int, directory: int) -> None:
        """Store nothing of a new file that can't be read; which file had its name is decided in the end."""
        self._numbers.taken.discard(number)
        self._nodes.put_unread(replaced.parent, directory)
        if replaced.old is not None:
            self._replaced.append(replaced)

    def keep_what_was_replaced(self) -> None:
        """Have the file that had the name of one that can't be read keep it, unless it has another one now."""
        kept: set[int] = set()
        for replaced in self._replaced:
            old = replaced.old
            node = None if old is None else self._node_before(old)
            if old in kept:
                continue
            if old is None or node is None or node.type is NodeType.DIRECTORY or old in self._numbers.taken:
                self._stage.delete(entry_key(replaced.parent, replaced.seen.name))
                continue
            kept.add(old)
            self._numbers.taken.add(old)
            if not self._remembered:
                self._nodes.put_unread(old, replaced.seen.stat.st_ino)
            if node.type is NodeType.FILE:
                self._count_file(1, node.size)

    def _node_before(self, number: int) -> Node | None:
        if self._prior is None or number >= self._prior.root.next_node:
            return None
        return self._prior.node(number)

    def _count_file(self, by: int, size: int) -> None:
        self.files += by
        self.content_bytes += by * size

    def _unchanged(self, seen: Seen, number: int) -> bool:
        was = self._nodes.find(seen.stat.st_ino) if self._remembered else None
        return was is not None and was.node == number and self._nodes.unchanged(was, seen.stat)

    def _report(self) -> None:
        self._on_progress(Progress(self.files, self._uploader.uploaded_bytes, None))
