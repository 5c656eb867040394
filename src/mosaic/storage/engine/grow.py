"""Making the next tree from the previous one and a list of changes.

Where a page begins is decided by a keyed hash of the record's key: the same
records give the same pages whatever happened before, so a change touches the
page it is in and the pages above, and all others are used again as they are.
Readers do not depend on where pages begin.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from mosaic.crypto.hashing import blob_id
from mosaic.storage.engine.damage import TreeMalformed
from mosaic.storage.engine.pages import encode_page, item_bytes
from mosaic.storage.engine.records import is_group
from mosaic.storage.engine.tree import Tree

RECORDS_PER_PAGE = 64
GROUPS_PER_PAGE = 4
PAGES_PER_PAGE = 64
PAGE_BYTES_MAX = 128 * 1024
"""A page is ended here even when no key says so: names may have been chosen to prevent it."""

_CUT_LABEL = b"mosaic page cut v1\0"
_BITS = 64

Change: TypeAlias = tuple[bytes, bytes | None]
"""A key and its new value; None deletes the record."""


@dataclass(frozen=True, slots=True)
class Top:
    """The top page of a tree."""

    level: int
    page: bytes


class _Changes:
    """The changes in order of key, with a look at the next one."""

    def __init__(self, changes: Iterator[Change]) -> None:
        self._rest = changes
        self.next: Change | None = next(changes, None)

    def take(self) -> Change:
        taken = self.next
        assert taken is not None
        self.next = next(self._rest, None)
        return taken

    def before(self, end: bytes | None) -> bool:
        """Return whether there is a change left before the key `end` (None: any at all)."""
        return self.next is not None and (end is None or self.next[0] < end)


class _Builder:
    """Pages being filled, one at each level."""

    def __init__(self, write: Callable[[bytes], bytes], cut_key: bytes) -> None:
        self._write = write
        self._cut_key = cut_key
        self._open: list[list[tuple[bytes, bytes]]] = [[]]
        self._sizes = [0]

    def begins(self, key: bytes, level: int) -> bool:
        """Return whether a page of this level begins at this key. If so, one of every lower level does too."""
        number = int.from_bytes(blob_id(self._cut_key, _CUT_LABEL + key)[: _BITS // 8], "big")
        expected: int = (GROUPS_PER_PAGE if is_group(key) else RECORDS_PER_PAGE) * PAGES_PER_PAGE**level
        return number * expected < 1 << _BITS

    def add(self, level: int, key: bytes, value: bytes) -> None:
        """Append to the open page of a level, which ends first when the key says so."""
        self._reach(level)
        size = item_bytes(key, value)
        full = self._sizes[level] + size > PAGE_BYTES_MAX
        if self._open[level] and (full or self.begins(key, level)):
            self._end(level)
        if self._open[level] and self._open[level][-1][0] >= key:
            # No change may come out of order; a tree that can't be read must never be acknowledged.
            raise TreeMalformed("records came out of order while it was made")
        self._open[level].append((key, value))
        self._sizes[level] += size

    def reuse(self, level: int, key: bytes, page: bytes) -> bool:
        """Take up a whole page of `level` as it is; return False when the open pages do not end right before it."""
        self._reach(level)
        if any(self._open[: level + 1]) and not self.begins(key, level):
            return False
        for below in range(level + 1):
            if self._open[below]:
                self._end(below)
        self.add(level + 1, key, page)
        return True

    def finish(self) -> Top:
        """End all pages and return the one on top."""
        level = 0
        while True:
            alone = level > 0 and len(self._open[level]) == 1
            if alone and not any(self._open[level + 1 :]):
                return Top(level - 1, self._open[level][0][1])
            if self._open[level]:
                self._end(level)
            level += 1

    def _reach(self, level: int) -> None:
        while len(self._open) <= level:
            self._open.append([])
            self._sizes.append(0)

    def _end(self, level: int) -> None:
        items, self._open[level], self._sizes[level] = self._open[level], [], 0
        self.add(level + 1, items[0][0], self._write(encode_page(level, items)))


def grow(previous: Tree | None, changes: Iterator[Change], *, write: Callable[[bytes], bytes], cut_key: bytes) -> Top:
    """Return the top of the tree that holds `previous` with the changes made.

    `changes` come in ascending order of key, each key once, and leave at
    least one record. `write` stores a page and returns its id; it is called
    again for pages that are the same as before, and must not mind.
    """
    builder = _Builder(write, cut_key)
    pending = _Changes(changes)
    if previous is not None:
        _merge(previous, previous.root.top, previous.root.level, None, None, pending, builder)
    while pending.next is not None:
        key, value = pending.take()
        if value is not None:
            builder.add(0, key, value)
    return builder.finish()


def _merge(
    tree: Tree, blob: bytes, level: int, first: bytes | None, end: bytes | None, changes: _Changes, builder: _Builder
) -> None:
    """Bring the page, and the changes before `end` (the first key after the page), into the builder."""
    if first is not None and not changes.before(end) and builder.reuse(level, first, blob):
        return
    page = tree.page(blob, level, first)
    if level == 0:
        _merge_records(page.keys, page.values, end, changes, builder)
        return
    for at, key in enumerate(page.keys):
        after = page.keys[at + 1] if at + 1 < len(page.keys) else end
        _merge(tree, page.values[at], level - 1, key, after, changes, builder)


def _merge_records(
    keys: list[bytes], values: list[bytes], end: bytes | None, changes: _Changes, builder: _Builder
) -> None:
    for key, value in zip(keys, values, strict=True):
        while changes.before(key):
            _apply(changes.take(), builder)
        if changes.next is not None and changes.next[0] == key:
            _apply(changes.take(), builder)
        else:
            builder.add(0, key, value)
    while changes.before(end):
        _apply(changes.take(), builder)


def _apply(change: Change, builder: _Builder) -> None:
    key, value = change
    if value is not None:
        builder.add(0, key, value)
