"""Knowing which packs of a store hold a blob.

The packs' own footers are the truth; this is a copy of them in a SQLite file
that may be deleted at any time and is rebuilt by `load`. A pack that is gone
or was found damaged counts no more as having its blobs, and is remembered
until `mended`; what can still be read of it is read when no other pack has it.

A pack that a head condemns counts no more either (`condemn`), and is read last.
How long this machine has seen it condemned is kept here too: lost with the
file, the time begins anew.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mosaic.core.collecting import Condemned, Waiting
from mosaic.core.errors import Corrupt, NotFound
from mosaic.crypto.volume_keys import VolumeKeys
from mosaic.storage.engine import pack as packs
from mosaic.storage.engine.cachefile import open_cache
from mosaic.storage.engine.damage import PackDamaged
from mosaic.storage.engine.mended import mended
from mosaic.storage.engine.pack import BlobPlace, PackHead
from mosaic.storage.engine.store import Store
from mosaic.wire.blobs import MAX_OBJECT_BYTES

_TAIL_BYTES = 64 * 1024
_SCHEMA = """
CREATE TABLE IF NOT EXISTS packs (
    number INTEGER PRIMARY KEY, pack BLOB NOT NULL UNIQUE, key_version INTEGER NOT NULL,
    salt BLOB NOT NULL, size INTEGER NOT NULL, state INTEGER NOT NULL, checked INTEGER NOT NULL,
    met INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS blobs (
    blob BLOB NOT NULL, number INTEGER NOT NULL, position INTEGER NOT NULL, start INTEGER NOT NULL,
    length INTEGER NOT NULL, plain_length INTEGER NOT NULL, flags INTEGER NOT NULL,
    PRIMARY KEY (blob, number)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS condemned (
    pack BLOB PRIMARY KEY, seq INTEGER NOT NULL, at_ns INTEGER NOT NULL, waited REAL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS listed (one INTEGER PRIMARY KEY CHECK (one = 1), root BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS clock (one INTEGER PRIMARY KEY CHECK (one = 1), boot TEXT NOT NULL, at_s REAL NOT NULL);
"""
_VERSION = 4
_FORGOTTEN = -2
_GONE = -1
"""The size of a pack that the store lost; when it comes back its size differs, and it is read again."""

GOOD, DAMAGED, MENDED, CONDEMNED = range(4)
"""The states of a pack, in the order in which readers try them."""

_UNSIGNED = 1 << 64
_FIND = """
SELECT pack, key_version, salt, position, start, length, plain_length, flags FROM blobs JOIN packs USING (number)
WHERE blob = ? ORDER BY state, number
"""
_FIND_MANY = """
SELECT blob, pack, key_version, salt, position, start, length, plain_length, flags FROM blobs JOIN packs USING (number)
WHERE blob IN ({}) ORDER BY state, number
"""
_UNREAD = "SELECT pack FROM packs WHERE salt = x'' AND state != ?"
"""Packs of which not even the header is known; what was needed of a mended one lies in others."""
_HAVING = "SELECT blob FROM blobs JOIN packs USING (number) WHERE blob IN ({}) AND state = {}"
_MOST_WORDS = 500


@dataclass(frozen=True, slots=True)
class Loaded:
    """What `load` found that was new: packs (16-byte names) whose footers were read, are gone, or are damaged."""

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
        self.rows = self._rows
        """For `needs` alone, which asks questions about all blobs at once."""

    def load(self, store: Store, keys: VolumeKeys) -> Loaded:
        """Make the index equal to what the store has now. Call at start and after anybody else wrote.

        Reads the footers of packs that it does not know yet. One that is gone
        or has a damaged footer is reported once and is then among `damaged`:
        only files in it are affected. A footer that could not be read is read
        again each time: it may have been the answer that was wrong, not the pack.

        Raises:
            Unavailable: the store did not answer; call again.
        """
        there = {pack: entry.size for entry in store.list(packs.PREFIX) if (pack := packs.pack_of(entry.name))}
        marked = mended(store)
        have: dict[bytes, int] = dict(self._rows.execute("SELECT pack, size FROM packs"))
        unread = {pack for (pack,) in self._rows.execute(_UNREAD, (MENDED,))}
        condemned = {pack for (pack,) in self._rows.execute("SELECT pack FROM condemned")}
        missed = [pack for pack, size in have.items() if size != _GONE and pack not in there]
        gone = [pack for pack in missed if pack not in condemned]
        # A condemned one was deleted on purpose, and nothing relies on it.
        self._lose([(pack, CONDEMNED if pack in condemned else DAMAGED) for pack in missed])
        added: list[bytes] = []
        damaged: list[bytes] = []
        for pack, size in there.items():
            is_known = have.get(pack) == size
            if is_known and pack not in unread:
                continue
            try:
                head, places = fetch_footer(store, keys, pack, size=size)
            except (Corrupt, NotFound):
                if is_known:
                    continue
                state = CONDEMNED if pack in condemned else MENDED if pack in marked else DAMAGED
                self._put(PackHead(pack, 0, b""), (), size=size, state=state)
                if pack not in condemned:
                    damaged.append(pack)
            else:
                self._put(head, places, size=size, state=CONDEMNED if pack in condemned else GOOD)
                added.append(pack)
        with self._rows:
            # One that is damaged by what this machine saw is not done with by what another one wrote.
            self._rows.executemany(
                "UPDATE packs SET state = ? WHERE pack = ? AND state = ?", ((MENDED, pack, GOOD) for pack in marked)
            )
        return Loaded(tuple(added), tuple(gone), tuple(damaged))

    def add(self, head: PackHead, places: Iterable[BlobPlace], *, size: int) -> None:
        """Remember a pack that the store has durably. A blob may lie in several."""
        self._put(head, places, size=size, state=GOOD)

    def having(self, blobs: Sequence[bytes]) -> set[bytes]:
        """Return those of the blobs that a pack has which is not known to be damaged."""
        found: set[bytes] = set()
        for at in range(0, len(blobs), _MOST_WORDS):
            some = blobs[at : at + _MOST_WORDS]
            marks = ",".join("?" * len(some))
            found.update(blob for (blob,) in self._rows.execute(_HAVING.format(marks, GOOD), some))
        return found

    def find(self, blob: bytes) -> Location | None:
        """Return the best place of the blob, None when no known pack has it."""
        return next(iter(self.locations(blob)), None)

    def locations(self, blob: bytes) -> list[Location]:
        """Return every place where the blob may be read, those in packs that were never found damaged first."""
        return [
            Location(PackHead(pack, version, salt), BlobPlace(blob, *place))
            for pack, version, salt, *place in self._rows.execute(_FIND, (blob,))
        ]

    def locations_of(self, blobs: Sequence[bytes]) -> dict[bytes, list[Location]]:
        """`locations` of many blobs at once; those that no known pack has are left out."""
        found: dict[bytes, list[Location]] = {}
        for at in range(0, len(blobs), _MOST_WORDS):
            some = blobs[at : at + _MOST_WORDS]
            marks = ",".join("?" * len(some))
            for blob, pack, version, salt, *place in self._rows.execute(_FIND_MANY.format(marks), some):
                location = Location(PackHead(pack, version, salt), BlobPlace(blob, *place))
                found.setdefault(blob, []).append(location)
        return found

    def in_order(self, blobs: Iterable[bytes]) -> Iterator[bytes]:
        """Yield each different blob at least once, in the order in which they lie in the packs; unknown ones first.

        They are kept on the disk meanwhile, not in memory.
        """
        rows = self._rows.cursor()
        rows.execute("CREATE TEMP TABLE IF NOT EXISTS wanted (blob BLOB PRIMARY KEY) WITHOUT ROWID")
        try:
            rows.execute("DELETE FROM wanted")
            rows.executemany("INSERT OR IGNORE INTO wanted VALUES (?)", ((blob,) for blob in blobs))
            self._rows.commit()
            rows.execute("SELECT wanted.blob FROM wanted LEFT JOIN blobs USING (blob) ORDER BY number, start")
            yield from (blob for (blob,) in rows)
        finally:
            rows.close()

    def doubt(self, pack: bytes) -> None:
        """Remember that something in a pack can't be read: from now on it counts no more as having its blobs."""
        with self._rows:
            self._rows.execute("UPDATE packs SET state = ? WHERE pack = ? AND state = ?", (DAMAGED, pack, GOOD))

    def condemn(self, packs: Iterable[Condemned]) -> None:
        """Count these packs no more as having their blobs. No time has passed for them until `accept_condemned`."""
        with self._rows:
            for one in packs:
                self._rows.execute(
                    "INSERT INTO condemned VALUES (?, ?, ?, NULL) "
                    "ON CONFLICT (pack) DO UPDATE SET seq = excluded.seq, at_ns = excluded.at_ns",
                    (one.pack, *_numbers(one.seq, one.at_ns)),
                )
                self._rows.execute("UPDATE packs SET state = ? WHERE pack = ?", (CONDEMNED, one.pack))

    def condemn_only(self, packs: Iterable[Condemned]) -> bool:
        """Make this the whole list of what the accepted head condemns.

        Returns whether others were taken for condemned: they are forgotten, and `load` must be called again.
        """
        listed = {one.pack: one for one in packs}
        with self._rows:
            before = self._rows.execute("SELECT pack FROM condemned").fetchall()
            others = [(pack,) for (pack,) in before if pack not in listed]
            self._rows.executemany("DELETE FROM condemned WHERE pack = ?", others)
            if others:
                self._rows.executemany(
                    "UPDATE packs SET size = ? WHERE pack = ?", ((_FORGOTTEN, *one) for one in others)
                )
                self._drop_blobs(_FORGOTTEN)
                self._rows.execute("DELETE FROM packs WHERE size = ?", (_FORGOTTEN,))
            self._rows.execute("DELETE FROM listed")
        self.condemn(listed.values())
        self._accept(listed)
        return bool(others)

    def accept_condemned(self, root: bytes, packs: Iterable[bytes] = ()) -> None:
        """Note that the accepted head, whose root record this is, lists these too: time begins to pass for them."""
        self._accept(packs)
        with self._rows:
            self._rows.execute("INSERT OR REPLACE INTO listed VALUES (1, ?)", (root,))

    @property
    def listed(self) -> bytes | None:
        """The root record whose list is exactly what is condemned here, None when that is not known."""
        row: tuple[bytes] | None = self._rows.execute("SELECT root FROM listed").fetchone()
        return row[0] if row else None

    def doubt_all(self) -> None:
        """Count no pack any more: nobody knows which ones are condemned."""
        with self._rows:
            self._rows.execute("UPDATE packs SET state = ? WHERE state = ?", (DAMAGED, GOOD))

    def pass_time(self, boot: str, at_s: float) -> None:
        """Note the boot's own clock. What passed since the last time in the same boot was waited; else nothing."""
        with self._rows:
            row = self._rows.execute("SELECT boot, at_s FROM clock").fetchone()
            if row is not None and row[0] == boot and at_s > row[1]:
                self._rows.execute("UPDATE condemned SET waited = waited + ?", (at_s - row[1],))
            self._rows.execute("INSERT OR REPLACE INTO clock VALUES (1, ?, ?)", (boot, at_s))

    def condemned(self) -> list[Waiting]:
        """Return what the accepted head condemns, packs that are gone already too."""
        found = self._rows.execute(
            "SELECT pack, seq, at_ns, waited FROM condemned WHERE waited IS NOT NULL ORDER BY pack"
        )
        return [
            Waiting(Condemned(pack, seq % _UNSIGNED, at_ns % _UNSIGNED), waited) for pack, seq, at_ns, waited in found
        ]

    def stored(self) -> set[bytes]:
        """Return the names of all packs that the store had at the last look, whatever their state."""
        return {pack for (pack,) in self._rows.execute("SELECT pack FROM packs WHERE size != ?", (_GONE,))}

    @property
    def is_empty(self) -> bool:
        """Whether nothing is known of any pack, as in a file that was just begun."""
        return self._rows.execute("SELECT 1 FROM packs LIMIT 1").fetchone() is None

    def deleted(self, packs: Iterable[bytes]) -> None:
        """Remember that condemned packs were deleted from the store."""
        self._lose([(pack, CONDEMNED) for pack in packs])

    def damaged(self) -> tuple[bytes, ...]:
        """Return the packs that are gone or damaged and were not `mended` since."""
        found = self._rows.execute("SELECT pack FROM packs WHERE state = ? ORDER BY pack", (DAMAGED,))
        return tuple(pack for (pack,) in found)

    def mended(self, pack: bytes) -> None:
        """Remember that what is needed of a damaged pack lies in others too."""
        with self._rows:
            self._rows.execute("UPDATE packs SET state = ? WHERE pack = ? AND state = ?", (MENDED, pack, DAMAGED))

    def least_checked(self, before_s: float) -> bytes | None:
        """Return the pack that was written, met or checked longest ago, if that was before this instant (Unix time)."""
        row: tuple[bytes] | None = self._rows.execute(
            "SELECT pack FROM packs WHERE state = ? AND checked < ? ORDER BY checked, number", (GOOD, before_s)
        ).fetchone()
        return row[0] if row else None

    def checked(self, pack: bytes, at_s: float) -> None:
        """Remember that all of a pack was read, and is whole."""
        with self._rows:
            self._rows.execute("UPDATE packs SET checked = ? WHERE pack = ?", (at_s, pack))

    def size(self, pack: bytes) -> int:
        """Return the size of a known pack's object."""
        (size,) = self._rows.execute("SELECT size FROM packs WHERE pack = ?", (pack,)).fetchone()
        return int(size)

    def packs(self) -> list[bytes]:
        """Return the names of all packs that are not known to be damaged."""
        found = self._rows.execute("SELECT pack FROM packs WHERE state = ? ORDER BY pack", (GOOD,))
        return [pack for (pack,) in found]

    def close(self) -> None:
        """Close the file."""
        self._rows.close()

    def _accept(self, packs: Iterable[bytes]) -> None:
        with self._rows:
            self._rows.executemany(
                "UPDATE condemned SET waited = 0 WHERE pack = ? AND waited IS NULL", ((pack,) for pack in packs)
            )

    def _lose(self, packs: Sequence[tuple[bytes, int]]) -> None:
        """Note that the store has these packs no more, and their states."""
        if packs:
            with self._rows:
                self._rows.executemany(
                    "UPDATE packs SET size = ?, state = ? WHERE pack = ?",
                    ((_GONE, state, pack) for pack, state in packs),
                )
                self._drop_blobs(_GONE)

    def _drop_blobs(self, size: int) -> None:
        """Forget what packs of this size had. It looks at every blob: for many packs at once, and not one by one."""
        self._rows.execute("DELETE FROM blobs WHERE number IN (SELECT number FROM packs WHERE size = ?)", (size,))

    def _put(self, head: PackHead, places: Iterable[BlobPlace], *, size: int, state: int) -> None:
        """Remember this of a pack, and nothing else that was known of it."""
        with self._rows:
            row = self._rows.execute("SELECT number FROM packs WHERE pack = ?", (head.pack,)).fetchone()
            if row is not None:
                self._rows.execute("DELETE FROM blobs WHERE number = ?", row)
                self._rows.execute("DELETE FROM packs WHERE number = ?", row)
            number = self._rows.execute(
                "INSERT INTO packs (pack, key_version, salt, size, state, checked, met) "
                "VALUES (?, ?, ?, ?, ?, unixepoch(), unixepoch())",
                (head.pack, head.key_version, head.salt, size, state),
            ).lastrowid
            self._rows.executemany(
                "INSERT OR IGNORE INTO blobs VALUES (?, ?, ?, ?, ?, ?, ?)",
                ((at.blob, number, at.position, at.offset, at.length, at.plain_length, at.flags) for at in places),
            )


def _numbers(*unsigned: int) -> tuple[int, ...]:
    """SQLite's integers have a sign; a head may say any number of 64 bits."""
    return tuple(number - _UNSIGNED if number >> 63 else number for number in unsigned)


def fetch_footer(store: Store, keys: VolumeKeys, pack: bytes, *, size: int) -> tuple[PackHead, list[BlobPlace]]:
    """Read a pack's header and footer from the store: one request for a small pack, two or three for others.

    Raises:
        PackDamaged: they are not as written.
        ObjectMissing: the store has no such pack.
    """
    name = packs.object_name(pack)
    if size > MAX_OBJECT_BYTES:
        # Nobody wrote such a pack. What says so may be anybody's, and asks for as much memory as it likes.
        raise PackDamaged(pack, "it is too long")
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
