"""Finding out which blobs the kept states of a volume need, and where each of them would be read.

The sets lie in temporary tables of the index's file, not in memory. A page
that several states share is read once. Whatever can't be read ends it: nobody
may decide on what is not needed who does not know all that is. Only of states
that need not be whole the rest is looked at.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType

from mosaic.core.collecting import PackUse
from mosaic.core.errors import Corrupt
from mosaic.storage.engine.fetch import Fetcher
from mosaic.storage.engine.index import CONDEMNED, GOOD, ChunkIndex
from mosaic.storage.engine.records import (
    ZERO_CHUNK,
    NodeType,
    decode_node,
    inline_ids,
    is_group,
    is_node,
    split_ids,
)
from mosaic.storage.engine.roots import RootRef
from mosaic.storage.engine.tree import OnDamage, Tree, stop

_SOUND, _DOOMED, _DAMAGED = range(3)
_STATES = {"good": GOOD, "condemned": CONDEMNED, "sound": _SOUND, "doomed": _DOOMED, "damaged": _DAMAGED}

# A copy in a condemned pack is better than one in a damaged pack, of which nobody knows what can be read.
_FIND_HOMES = """
INSERT INTO homes SELECT blob, home % (1 << 48), home / (1 << 48) FROM (
    SELECT needed.blob AS blob, MIN(
        (CASE packs.state WHEN :good THEN :sound WHEN :condemned THEN :doomed ELSE :damaged END)
        * (1 << 48) + packs.number) AS home
    FROM needed LEFT JOIN blobs ON blobs.blob = needed.blob LEFT JOIN packs ON packs.number = blobs.number
    GROUP BY needed.blob)
"""
_USES = """
SELECT pack, size, met, state, COALESCE(needed_bytes, 0) FROM packs LEFT JOIN (
    SELECT homes.number AS number, SUM(blobs.length) AS needed_bytes
    FROM homes JOIN blobs ON blobs.blob = homes.blob AND blobs.number = homes.number GROUP BY homes.number
) USING (number) WHERE state != ? AND size >= 0
"""
_REPLACING = """
SELECT DISTINCT packs.pack FROM homes JOIN packs ON packs.number = homes.number
JOIN blobs ON blobs.blob = homes.blob JOIN chosen ON chosen.number = blobs.number WHERE packs.state = ?
"""

Continue = Callable[[], None]
"""Called often; raises to end the work."""


@dataclass(frozen=True, slots=True)
class Lacking:
    """A needed blob whose only copies lie in condemned packs."""

    blob: bytes
    flags: int


class Needs:
    """What the kept states need. Use it in a `with`; nothing else may use the index's connection meanwhile."""

    def __init__(self, known: ChunkIndex) -> None:
        self._rows = known.rows

    def __enter__(self) -> "Needs":
        with self._rows:
            # Pages have a table of their own too: content that looks like a page must not pass for one that was read.
            self._rows.execute("CREATE TEMP TABLE IF NOT EXISTS walked (page BLOB PRIMARY KEY) WITHOUT ROWID")
            self._rows.execute("CREATE TEMP TABLE IF NOT EXISTS needed (blob BLOB PRIMARY KEY) WITHOUT ROWID")
            self._rows.execute(
                "CREATE TEMP TABLE IF NOT EXISTS homes (blob BLOB PRIMARY KEY, number INTEGER, state INTEGER) "
                "WITHOUT ROWID"
            )
            self._rows.execute("CREATE TEMP TABLE IF NOT EXISTS chosen (number INTEGER PRIMARY KEY)")
            self._forget()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._rows:
            self._forget()

    def mark_readable(self, roots: Iterable[RootRef], fetcher: Fetcher, go_on: Continue) -> None:
        """Note what these states need, as far as it can be read. A damaged page costs what lies below it alone."""
        for root in roots:
            self._mark_state(root, fetcher, go_on, _pass_over)

    def mark(self, roots: Iterable[RootRef], fetcher: Fetcher, go_on: Continue) -> None:
        """Note all that these states need.

        Raises:
            Corrupt: a root record or a page can't be read, or makes no sense.
            Unavailable: the store did not answer.
        """
        for root in roots:
            self._mark_state(root, fetcher, go_on, stop)

    def find_homes(self) -> None:
        """Choose, for each needed blob, the pack from which it would be read. Call again when packs changed."""
        with self._rows:
            self._rows.execute("DELETE FROM homes")
            self._rows.execute(_FIND_HOMES, _STATES)

    def uses(self, now_s: float) -> list[PackUse]:
        """Return every stored pack that is not condemned. When something needed is nowhere, damaged ones are left out.

        Nobody knows whether what is missing can still be read of them some day.
        """
        (is_missing,) = self._rows.execute("SELECT EXISTS (SELECT * FROM homes WHERE number IS NULL)").fetchone()
        return [
            PackUse(pack, size, needed, now_s - met, is_sound=state == GOOD)
            for pack, size, met, state, needed in self._rows.execute(_USES, (CONDEMNED,))
            if state == GOOD or not is_missing
        ]

    def lacking(self) -> list[Lacking]:
        """Return what is needed and lies in condemned packs only."""
        found = self._rows.execute(
            "SELECT homes.blob, blobs.flags FROM homes JOIN blobs ON blobs.blob = homes.blob "
            "AND blobs.number = homes.number WHERE homes.state = ?",
            (_DOOMED,),
        )
        return [Lacking(blob, flags) for blob, flags in found]

    def replacing(self, packs: Sequence[bytes]) -> set[bytes]:
        """Return the good packs that have what is needed of these ones."""
        with self._rows:
            self._rows.execute("DELETE FROM chosen")
            self._rows.executemany(
                "INSERT INTO chosen SELECT number FROM packs WHERE pack = ?", ((pack,) for pack in packs)
            )
        return {pack for (pack,) in self._rows.execute(_REPLACING, (GOOD,))}

    def _mark_state(self, root: RootRef, fetcher: Fetcher, go_on: Continue, on_damage: OnDamage) -> None:
        self._need([root.root])
        try:
            tree = Tree(fetcher.get, root)
        except Corrupt as damage:
            on_damage(damage)
            return
        self._mark(tree, (tree.root.top, tree.root.level, None), go_on, on_damage)
        with self._rows:
            self._rows.execute("DELETE FROM needed WHERE blob = ?", (ZERO_CHUNK,))

    def _mark(self, tree: Tree, place: tuple[bytes, int, bytes | None], go_on: Continue, on_damage: OnDamage) -> None:
        """`place` is a page's blob, its level and its first key."""
        blob, level, first = place
        if not self._rows.execute("INSERT OR IGNORE INTO walked VALUES (?)", (blob,)).rowcount:
            return
        go_on()
        self._need([blob])
        try:
            page = tree.page(blob, level, first)
            if not level:
                self._need(_chunks(page.keys, page.values))
        except Corrupt as damage:
            on_damage(damage)
            return
        for key, below in zip(page.keys, page.values, strict=True) if level else ():
            self._mark(tree, (below, level - 1, key), go_on, on_damage)

    def _need(self, blobs: Iterable[bytes]) -> None:
        self._rows.executemany("INSERT OR IGNORE INTO needed VALUES (?)", ((blob,) for blob in blobs))

    def _forget(self) -> None:
        self._rows.execute("DELETE FROM chosen")
        self._rows.execute("DELETE FROM walked")
        self._rows.execute("DELETE FROM needed")
        self._rows.execute("DELETE FROM homes")


def _chunks(keys: Sequence[bytes], values: Sequence[bytes]) -> Iterator[bytes]:
    for key, value in zip(keys, values, strict=True):
        if is_group(key):
            yield from split_ids(value)
        elif is_node(key):
            node = decode_node(value)
            if node.type is NodeType.FILE and not node.group_count:
                yield from inline_ids(node)


def _pass_over(_: Corrupt) -> None:
    """An `OnDamage` for states that need not be whole."""
