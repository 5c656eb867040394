"""Keeping the place of the copies from growing for ever.

Each copy adds what changed, and what it replaced stays. So now and then a
copy is made that needs nothing of what was there before it, is read back
whole, and only then does what is older than the *previous* such copy go: at
any moment a place has the copies of two of these periods, and no object that
any of them needs was deleted (G3).
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from mosaic.adapters.private_file import write_private
from mosaic.storage.engine.store import Store
from mosaic.wire.blobs import ObjectEntry

MOST_COPIES = 720
MOST_TIMES = 12
"""A place may hold this many times what one whole copy takes, before a new one is made."""

_LEAST_BYTES = 32 * 1024 * 1024
_FILE = "outdated"


class _Outdated(msgspec.Struct, frozen=True):
    """`names` go at the next whole copy, which took `whole_bytes` this time."""

    names: list[str]
    whole_bytes: int


def listed(store: Store) -> dict[str, int]:
    """Return the packs and heads that a place has now, with their sizes."""
    return {entry.name: entry.size for prefix in ("h-", "p-") for entry in store.list(prefix)}


def is_due(folder: Path, there: dict[str, int]) -> bool:
    """Say whether the next copy should be a whole one, given what the place has."""
    most = max(_LEAST_BYTES, MOST_TIMES * _read(folder).whole_bytes)
    return sum(name.startswith("h-") for name in there) > MOST_COPIES or sum(there.values()) > most


class Lasting:
    """A store without what goes next: a new copy must not build on it. Only what a copy needs of a store."""

    def __init__(self, folder: Path, store: Store) -> None:
        self._store = store
        self._outdated = frozenset(_read(folder).names)
        self.put, self.get, self.get_range, self.delete = store.put, store.get, store.get_range, store.delete

    def list(self, prefix: str) -> Iterator[ObjectEntry]:
        """Yield what lasts; see `Store.list`."""
        return (entry for entry in self._store.list(prefix) if entry.name not in self._outdated)


def prune(folder: Path, store: Store, before: Iterable[str], whole_bytes: int) -> None:
    """A whole copy was made and read back: delete what is two of them old, and remember what is one.

    `before` is what the place had just before it. May be killed and called again.
    """
    outdated = set(_read(folder).names)
    for name in sorted(outdated):
        store.delete(name)
    # It would take what went for lost, and replace it.
    for path in folder.glob("index*"):
        path.unlink(missing_ok=True)
    kept = _Outdated(sorted(set(before) - outdated), whole_bytes)
    write_private(folder / _FILE, msgspec.json.encode(kept))


def _read(folder: Path) -> _Outdated:
    try:
        return msgspec.json.decode((folder / _FILE).read_bytes(), type=_Outdated)
    except (FileNotFoundError, msgspec.MsgspecError):
        # Without it nothing is deleted this time.
        return _Outdated([], 0)
