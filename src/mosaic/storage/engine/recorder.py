"""Staging what a file is now, as far as it differs from the previous tree, and uploading its content."""

from collections.abc import Callable, Iterator

from mosaic.storage.engine.ahead import Ready
from mosaic.storage.engine.attributes import read_xattrs
from mosaic.storage.engine.beneath import Components
from mosaic.storage.engine.content import ShortRead, read_chunks
from mosaic.storage.engine.damage import SourceChanged
from mosaic.storage.engine.pack import Kind
from mosaic.storage.engine.records import (
    CHUNK_BYTES,
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
    split_ids,
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
        self.identify = uploader.identify
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

    def put_ready(self, number: int, seen: Seen, ready: Ready) -> Node:
        """`put_file` of a file that was read already."""
        self.read_bytes += ready.size
        ids = {at: self._uploader.add_named(blob, chunk, Kind.CHUNK) for at, blob, chunk in ready.chunks}
        empty = describe(seen, xattrs=(), tail=b"")
        tail = b"".join(ids.get(at, ZERO_CHUNK) for at in range(empty.chunk_count))
        node = describe(seen, xattrs=ready.xattrs, tail=tail)
        self.put(number, node)
        return node

    def put_file(self, number: int, dir_fd: int, seen: Seen, path: Components) -> Node:
        """Read a regular file, upload the chunks that the store lacks, and stage its records. Returns its node.

        Raises:
            SourceChanged, SourceDamaged: it can't be read as it was seen.
            Unavailable, Refused: the store failed.
        """
        empty = describe(seen, xattrs=(), tail=b"")
        try:
            with open_file(dir_fd, seen, path) as fd, reading(path):
                xattrs = read_xattrs(fd)
                chunks = self._upload(fd, empty.size, 0, None)
                tail = b""
                if empty.group_count:
                    self._put_groups(number, chunks)
                else:
                    ids = dict(chunks)
                    tail = b"".join(ids.get(at, ZERO_CHUNK) for at in range(empty.chunk_count))
        except ShortRead as short:
            raise SourceChanged(shown(b"/".join(path))) from short
        node = describe(seen, xattrs=xattrs, tail=tail)
        self.put(number, node)
        return node

    def put_spans(
        self, number: int, dir_fd: int, seen: Seen, path: Components, before: Node, spans: list[tuple[int, int]]
    ) -> Node:
        """`put_file`, reading only the chunks in `spans` (and those that a new size changes); `before` has the rest.

        The spans are (first, past the last), in any order.
        """
        now = describe(seen, xattrs=(), tail=b"")
        if before.type is NodeType.FILE and before.size == now.size and not spans:
            with open_file(dir_fd, seen, path) as fd, reading(path):
                node = describe(seen, xattrs=read_xattrs(fd), tail=before.tail)
            self.put(number, node)
            return node
        if not before.group_count or not now.group_count:
            return self.put_file(number, dir_fd, seen, path)
        if before.size != now.size:
            # The last chunk of the shorter one has another length now, or is the last that its group may name.
            spans = [*spans, (min(before.size, now.size - 1) // CHUNK_BYTES, now.chunk_count)]
        try:
            with open_file(dir_fd, seen, path) as fd, reading(path):
                xattrs = read_xattrs(fd)
                for index, inner in spans_by_group(spans, now.chunk_count):
                    self._put_group(number, index, fd, now, inner)
        except ShortRead as short:
            raise SourceChanged(shown(b"/".join(path))) from short
        for index in range(now.group_count, before.group_count):
            self._stage.delete(group_key(number, index))
        node = describe(seen, xattrs=xattrs, tail=b"")
        self.put(number, node)
        return node

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

    def _put_group(self, number: int, index: int, fd: int, now: Node, spans: list[tuple[int, int]]) -> None:
        """Stage one group of a big file anew, if reading the spans of its chunks finds it different."""
        first = index * GROUP_IDS
        assert self._prior is not None
        before = self._prior.get(group_key(number, index))
        ids = split_ids(before or b"")
        ids += [ZERO_CHUNK] * (GROUP_IDS - len(ids))
        for start, end in spans:
            ids[start - first : end - first] = [ZERO_CHUNK] * (end - start)
            for at, blob in self._upload(fd, now.size, start, end):
                ids[at - first] = blob
        del ids[max(0, now.chunk_count - first) :]
        while ids and ids[-1] == ZERO_CHUNK:
            ids.pop()
        value = b"".join(ids) or None
        if value is not None and value != before:
            self._stage.put(group_key(number, index), value)
        elif value is None and before is not None:
            self._stage.delete(group_key(number, index))

    def _upload(self, fd: int, size: int, first: int, end: int | None) -> Iterator[tuple[int, bytes]]:
        for count, (at, chunk) in enumerate(read_chunks(fd, size, first, end), 1):
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


def spans_by_group(spans: list[tuple[int, int]], chunk_count: int) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """Yield (group, its spans) in order, for spans of chunk numbers below `chunk_count`, which may overlap."""
    at, inner = -1, [(0, 0)] * 0
    reached = 0
    for start, end in sorted(spans):
        first = max(start, reached)
        last = min(end, chunk_count)
        while first < last:
            index = first // GROUP_IDS
            until = min(last, (index + 1) * GROUP_IDS)
            if index != at:
                if inner:
                    yield at, inner
                at, inner = index, []
            inner.append((first, until))
            first = until
        reached = max(reached, last)
    if inner:
        yield at, inner


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
