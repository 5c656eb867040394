"""Staging what a file is now, as far as it differs from the previous tree, and uploading its content."""

from collections.abc import Callable, Iterator

from mosaic.storage.engine.attributes import read_xattrs
from mosaic.storage.engine.beneath import Components
from mosaic.storage.engine.content import ShortRead, read_chunks
from mosaic.storage.engine.damage import SourceChanged
from mosaic.storage.engine.pack import Kind
from mosaic.storage.engine.records import (
    GROUP_IDS,
    ZERO_CHUNK,
    Node,
    NodeType,
    decode_node,
    encode_node,
    entries_of,
    group_index,
    group_key,
    groups_of,
    node_key,
)
from mosaic.storage.engine.roots import shown
from mosaic.storage.engine.scan import Seen, describe, open_file, reading
from mosaic.storage.engine.stage import Stage
from mosaic.storage.engine.tree import Tree
from mosaic.storage.engine.upload import Uploader

_REPORT_CHUNKS = 64


class Recorder:
    """Compares with `prior`, stages into `stage`, sends through `uploader`. `read_bytes` counts file content."""

    def __init__(self, prior: Tree | None, stage: Stage, uploader: Uploader, report: Callable[[], None]) -> None:
        self._prior = prior
        self._stage = stage
        self._uploader = uploader
        self._report = report
        self.read_bytes = 0

    def put(self, number: int, node: Node) -> None:
        """Have node `number` be `node`, whose content (if it is a big file) is staged already."""
        value = encode_node(node)
        before = self._before(number)
        if before == value:
            return
        self._stage.put(node_key(number), value)
        if before is not None:
            self._drop_what_no_longer_fits(number, decode_node(before), node)

    def put_file(self, number: int, dir_fd: int, seen: Seen, path: Components) -> None:
        """Read a regular file, upload the chunks that the store lacks, and stage its records.

        Raises:
            SourceChanged, SourceDamaged: it can't be read as it was seen.
            Unavailable, Refused: the store failed.
        """
        empty = describe(seen, xattrs=(), tail=b"")
        try:
            with open_file(dir_fd, seen, path) as fd, reading(path):
                xattrs = read_xattrs(fd)
                chunks = self._upload(fd, empty.size)
                tail = b""
                if empty.group_count:
                    self._put_groups(number, chunks)
                else:
                    ids = dict(chunks)
                    tail = b"".join(ids.get(at, ZERO_CHUNK) for at in range(empty.chunk_count))
        except ShortRead as short:
            raise SourceChanged(shown(b"/".join(path))) from short
        self.put(number, describe(seen, xattrs=xattrs, tail=tail))

    def drop(self, number: int) -> None:
        """Have no node of this number."""
        before = self._before(number)
        if before is None:
            return
        self._stage.delete(node_key(number))
        self._drop_what_no_longer_fits(number, decode_node(before), None)

    def _before(self, number: int) -> bytes | None:
        if self._prior is None or number >= self._prior.root.next_node:
            return None
        return self._prior.get(node_key(number))

    def _drop_what_no_longer_fits(self, number: int, before: Node, now: Node | None) -> None:
        """Delete the entries of what is no directory any more, and the groups of what is no big file any more."""
        assert self._prior is not None
        if before.type is NodeType.DIRECTORY and (now is None or now.type is not NodeType.DIRECTORY):
            for key, _ in self._prior.range(entries_of(number)):
                self._stage.delete(key)
        if before.group_count and (now is None or not now.group_count):
            for key, _ in self._prior.range(groups_of(number)):
                self._stage.delete(key)

    def _upload(self, fd: int, size: int) -> Iterator[tuple[int, bytes]]:
        for count, (at, chunk) in enumerate(read_chunks(fd, size), 1):
            self.read_bytes += len(chunk)
            yield at, self._uploader.add(chunk, Kind.CHUNK)
            if count % _REPORT_CHUNKS == 0:
                self._report()

    def _put_groups(self, number: int, chunks: Iterator[tuple[int, bytes]]) -> None:
        """Stage the groups that differ from the file's previous ones, and the end of those that are gone."""
        old = self._old_groups(number)
        before = next(old, None)
        for index, value in _groups(chunks):
            while before is not None and before[0] < index:
                self._stage.delete(group_key(number, before[0]))
                before = next(old, None)
            same = before is not None and before[0] == index and before[1] == value
            if before is not None and before[0] == index:
                before = next(old, None)
            if not same:
                self._stage.put(group_key(number, index), value)
        while before is not None:
            self._stage.delete(group_key(number, before[0]))
            before = next(old, None)

    def _old_groups(self, number: int) -> Iterator[tuple[int, bytes]]:
        if self._prior is None or number >= self._prior.root.next_node:
            return
        for key, value in self._prior.range(groups_of(number)):
            yield group_index(key), value


def _groups(chunks: Iterator[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    """Gather chunk ids into groups; one without any chunk is left out, trailing zeros are too."""
    index, ids = 0, [b""] * 0
    for at, blob in chunks:
        if at // GROUP_IDS != index:
            if ids:
                yield index, b"".join(ids)
            index, ids = at // GROUP_IDS, []
        ids += [ZERO_CHUNK] * (at % GROUP_IDS - len(ids))
        ids.append(blob)
    if ids:
        yield index, b"".join(ids)
