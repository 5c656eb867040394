"""Knowing which pack of a store holds a blob.

The packs' own footers are the truth; this is a copy of them in a SQLite file
that may be deleted at any time and is rebuilt by `load`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from mosaic.core.errors import Corrupt, NotFound
from mosaic.crypto.volume_keys import VolumeKeys
from mosaic.storage.engine import pack as packs
from mosaic.storage.engine.cachefile import open_cache
from mosaic.storage.engine.damage import PackDamaged
from mosaic.storage.engine.pack import BlobPlace, PackHead
from mosaic.storage.engine.store import Store

_TAIL_BYTES = 64 * 1024
_SCHEMA = """
CREATE TABLE IF NOT EXISTS packs (
    number INTEGER PRIMARY KEY, pack BLOB NOT NULL UNIQUE, key_version INTEGER NOT NULL,
    salt BLOB NOT NULL, size INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS blobs (
    blob BLOB PRIMARY KEY, number INTEGER NOT NULL, position INTEGER NOT NULL, start INTEGER NOT NULL,
    length INTEGER NOT NULL, plain_length INTEGER NOT NULL, flags INTEGER NOT NULL) WITHOUT ROWID;
"""
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Loaded:
    """What `load` found: packs (16-byte names) whose footers were read, are gone, or are damaged."""

    added: tuple[bytes, ...]
    gone: tuple[bytes, ...]
    damaged: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Location:
    """A blob's pack and its place there."""

    head: PackHead
    place: BlobPlace


class ChunkIndex:
    """The blobs of one volume in one store. Used by one thread at a time."""

    def __init__(self, path: Path | None = None) -> None:
        """Open the file, or make it; a file that is not an index is replaced. None keeps it in memory."""
        self._rows = open_cache(path, schema=_SCHEMA, version=_VERSION)
        self._head_of = lru_cache(maxsize=1024)(self._read_head)

    def load(self, store: Store, keys: VolumeKeys) -> Loaded:
        """Make the index equal to what the store has now. Call at start and after anybody else wrote.

        Reads the footers of packs that it does not know yet. A damaged footer
        is reported and its pack left out: only files in it are affected.

        Raises:
            Unavailable: the store did not answer; call again.
        """
        there = {pack: entry.size for entry in store.list(packs.PREFIX) if (pack := packs.pack_of(entry.name))}
        have: dict[bytes, int] = dict(self._rows.execute("SELECT pack, size FROM packs"))
        gone = [pack for pack, size in have.items() if there.get(pack) != size]
        if gone:
            # A blob is remembered in one pack only: others that hold it too must be asked again.
            self._clear()
            have = {}
        added: list[bytes] = []
        damaged: list[bytes] = []
        for pack, size in there.items():
            if have.get(pack) == size:
                continue
            try:
                head, places = fetch_footer(store, keys, pack, size=size)
            except (Corrupt, NotFound):
                damaged.append(pack)
            else:
                self.add(head, places, size=size)
                added.append(pack)
        return Loaded(tuple(added), tuple(gone), tuple(damaged))

    def add(self, head: PackHead, places: Iterable[BlobPlace], *, size: int) -> None:
        """Remember a pack that the store has durably. A blob that is known elsewhere stays where it was."""
        with self._rows:
            number = self._rows.execute(
                "INSERT INTO packs (pack, key_version, salt, size) VALUES (?, ?, ?, ?)",
                (head.pack, head.key_version, head.salt, size),
            ).lastrowid
            self._rows.executemany(
                "INSERT OR IGNORE INTO blobs VALUES (?, ?, ?, ?, ?, ?, ?)",
                ((at.blob, number, at.position, at.offset, at.length, at.plain_length, at.flags) for at in places),
            )

    def has(self, blob: bytes) -> bool:
        """Return whether the store is known to have this blob."""
        return self._rows.execute("SELECT 1 FROM blobs WHERE blob = ?", (blob,)).fetchone() is not None

    def find(self, blob: bytes) -> Location | None:
        """Return where the blob lies, None when no known pack has it."""
        row: tuple[int, int, int, int, int, int] | None = self._rows.execute(
            "SELECT number, position, start, length, plain_length, flags FROM blobs WHERE blob = ?", (blob,)
        ).fetchone()
        if row is None:
            return None
        number, position, start, length, plain_length, flags = row
        return Location(self._head_of(number), BlobPlace(blob, position, start, length, plain_length, flags))

    def size(self, pack: bytes) -> int:
        """Return the size of a known pack's object."""
        (size,) = self._rows.execute("SELECT size FROM packs WHERE pack = ?", (pack,)).fetchone()
        return int(size)

    def packs(self) -> list[bytes]:
        """Return the names of all known packs."""
        return [pack for (pack,) in self._rows.execute("SELECT pack FROM packs ORDER BY pack")]

    def close(self) -> None:
        """Close the file."""
        self._rows.close()

    def _clear(self) -> None:
        with self._rows:
            self._rows.execute("DELETE FROM blobs")
            self._rows.execute("DELETE FROM packs")
        self._head_of.cache_clear()

    def _read_head(self, number: int) -> PackHead:
        pack, key_version, salt = self._rows.execute(
            "SELECT pack, key_version, salt FROM packs WHERE number = ?", (number,)
        ).fetchone()
        return PackHead(pack, key_version, salt)


def fetch_footer(store: Store, keys: VolumeKeys, pack: bytes, *, size: int) -> tuple[PackHead, list[BlobPlace]]:
    """Read a pack's header and footer from the store: one request for a small pack, two or three for others.

    Raises:
        PackDamaged: they are not as written.
        ObjectMissing: the store has no such pack.
    """
    name = packs.object_name(pack)
    if size < packs.HEADER_BYTES + packs.LENGTH_BYTES:
        raise PackDamaged(pack, "it is too short")
    tail = store.get_range(name, max(0, size - _TAIL_BYTES), min(size, _TAIL_BYTES))
    length = packs.footer_length(pack, tail, size=size)
    start = size - packs.LENGTH_BYTES - length
    if len(tail) == size:
        header, sealed = tail[: packs.HEADER_BYTES], tail[start : start + length]
    else:
        header = store.get_range(name, 0, packs.HEADER_BYTES)
        whole = length + packs.LENGTH_BYTES
        sealed = tail[-whole : -packs.LENGTH_BYTES] if whole <= len(tail) else store.get_range(name, start, length)
    head = packs.read_head(pack, header)
    return head, packs.read_footer(head, header, sealed, size=size, keys=keys)
