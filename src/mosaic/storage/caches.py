"""The engine's memory of a volume, in `<state>/cache`: it may be deleted at any time.

Which packs hold which blobs is kept per volume, and what was read last per
subvolume, by its uuid, so that a memory is never used for other data.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mosaic.core.ids import VolumeId
from mosaic.storage.engine.cachefile import replaced_if_damaged
from mosaic.storage.engine.index import ChunkIndex
from mosaic.storage.engine.nodes import NodeMap


@dataclass(frozen=True, slots=True)
class Caches:
    """The folder of all memories."""

    folder: Path

    @contextlib.contextmanager
    def index(self, volume: VolumeId) -> Iterator[ChunkIndex]:
        """Open what is known of the volume's packs. One thread at a time. Raises CacheDamaged, also later."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        path = self.folder / f"{volume}.index"
        with replaced_if_damaged(path), contextlib.closing(ChunkIndex(path)) as index:
            yield index

    @contextlib.contextmanager
    def nodes(self, uuid: str) -> Iterator[NodeMap]:
        """Open what is known of a subvolume's files. One thread at a time. Raises CacheDamaged, also later."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        path = self.folder / f"{uuid}.nodes"
        with replaced_if_damaged(path), contextlib.closing(NodeMap(path)) as nodes:
            yield nodes

    def hand_on(self, old: str, new: str) -> None:
        """Let a subvolume whose files have the same inodes have the memory of another one, unless it has its own."""
        if (self.folder / f"{new}.nodes").exists():
            return
        # What SQLite has beside it first: without that it is not whole.
        for path in sorted(self.folder.glob(f"{old}.nodes*"), reverse=True):
            path.rename(path.with_name(path.name.replace(old, new, 1)))

    def keep_only(self, volumes: set[VolumeId], uuids: set[str]) -> None:
        """Delete the memories of everything else."""
        if not self.folder.is_dir():
            return
        for path in self.folder.iterdir():
            # SQLite's own files lie beside, under the name and a suffix.
            stem, _, rest = path.name.partition(".")
            kept = volumes if rest.startswith("index") else uuids
            if stem not in kept:
                path.unlink(missing_ok=True)
