"""Looking into a stored tree: one record, or all records of a range in order."""

from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import TypeAlias

from mosaic.core.errors import Corrupt
from mosaic.storage.engine.damage import TreeMalformed
from mosaic.storage.engine.pages import Page, Root, decode_page, decode_root
from mosaic.storage.engine.records import Node, decode_node, node_key
from mosaic.storage.engine.roots import RootRef

_PAGES = 128

Read: TypeAlias = Callable[[bytes], bytes]

OnDamage: TypeAlias = Callable[[Corrupt], None]
"""Told about a page that can't be read, when whoever reads goes on without it."""


def stop(damage: Corrupt) -> None:
    """Go no further: an `OnDamage` for readers that need every record."""
    raise damage


class Tree:
    """One state's tree, read as far as it is asked for. Used by one thread.

    Every method may raise Corrupt (a page is damaged) and Unavailable.
    """

    def __init__(self, read: Read, ref: RootRef) -> None:
        """Read the root record. `read` returns a blob's content, checked, as `Fetcher.get` does."""
        self._read = read
        self._recent: OrderedDict[bytes, Page] = OrderedDict()
        self.root: Root = decode_root(read(ref.root))

    def page(self, blob: bytes, level: int, first: bytes | None) -> Page:
        """Return a page of this level whose first key is `first` (None: any)."""
        page = self._recent.get(blob)
        if page is None:
            page = decode_page(self._read(blob), level=level)
            self._recent[blob] = page
            if len(self._recent) > _PAGES:
                self._recent.popitem(last=False)
        else:
            self._recent.move_to_end(blob)
        if page.level != level or (first is not None and page.keys[0] != first):
            raise TreeMalformed("a page is not the one that its parent names")
        return page

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, None when the tree has no such record."""
        blob, first = self.root.top, None
        for level in range(self.root.level, 0, -1):
            page = self.page(blob, level, first)
            at = bisect_right(page.keys, key) - 1
            if at < 0:
                return None
            blob, first = page.values[at], page.keys[at]
        page = self.page(blob, 0, first)
        at = bisect_left(page.keys, key)
        return page.values[at] if at < len(page.keys) and page.keys[at] == key else None

    def node(self, node: int) -> Node | None:
        """Return a node's record, None when the tree has no such node."""
        value = self.get(node_key(node))
        return None if value is None else decode_node(value)

    def range(self, bounds: tuple[bytes, bytes], on_damage: OnDamage = stop) -> Iterator[tuple[bytes, bytes]]:
        """Yield (key, value) of all records from the first bound to before the second, in order."""
        start, end = bounds
        return self._range(self.root.top, self.root.level, None, start, end, on_damage)

    def _range(
        self, blob: bytes, level: int, first: bytes | None, start: bytes, end: bytes, on_damage: OnDamage
    ) -> Iterator[tuple[bytes, bytes]]:
        try:
            page = self.page(blob, level, first)
        except Corrupt as damage:
            on_damage(damage)
            return
        at = bisect_left(page.keys, start) if level == 0 else max(0, bisect_right(page.keys, start) - 1)
        while at < len(page.keys) and page.keys[at] < end:
            if level == 0:
                yield page.keys[at], page.values[at]
            else:
                yield from self._range(page.values[at], level - 1, page.keys[at], start, end, on_damage)
            at += 1
