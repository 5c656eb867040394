"""Knowing which pack of a store holds a blob.

The packs' own footers are the truth; this is a copy of them in a SQLite file
that may be deleted at any time and is rebuilt by `load`.
"""

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from mosaic.crypto.volume_keys import VolumeKeys
from mosaic.storage.engine.store import Store


@dataclass(frozen=True, slots=True)
class Loaded:
    """What `load` found: packs (16-byte names) that are new, gone, or whose footer is damaged."""

    added: tuple[bytes, ...]
    gone: tuple[bytes, ...]
    damaged: tuple[bytes, ...]


class ChunkIndex:
    """The blobs of one volume in one store. Used by one thread at a time."""

    def __init__(self, path: Path | None = None) -> None:
        """Open the file, or make it; a file that is not an index is replaced. None keeps it in memory."""
        self._path = path
        self._rows: sqlite3.Connection

    def load(self, store: Store, keys: VolumeKeys) -> Loaded:
        """Make the index equal to what the store has now. Call at start and after anybody else wrote.

        Reads the footers of packs that it does not know yet. A damaged footer
        is reported and its pack left out: only files in it are affected.

        Raises:
            Unavailable: the store did not answer; call again.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Close the file."""
        raise NotImplementedError
