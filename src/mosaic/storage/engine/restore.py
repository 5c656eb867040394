"""Bringing a state of a volume back into a folder."""

from pathlib import Path

from mosaic.core.errors import Corrupt
from mosaic.crypto.volume_keys import VolumeKeys
from mosaic.storage.engine.index import ChunkIndex
from mosaic.storage.engine.nodes import NodeMap
from mosaic.storage.engine.roots import OnProgress, Restoration, RootRef, ignore_progress
from mosaic.storage.engine.store import Store


class RestoreIncomplete(Corrupt):
    """Everything was restored but `paths` (relative, as text), whose stored bytes are damaged."""

    code = "restore-incomplete"

    def __init__(self, paths: tuple[str, ...]) -> None:
        super().__init__(
            f"{len(paths)} files could not be restored whole: {', '.join(paths[:5])}",
            hint="restore an older snapshot, or another store's copy; the rest of the files is good",
        )
        self.paths = paths


def restore(
    root: RootRef,
    keys: VolumeKeys,
    store: Store,
    target: Path,
    *,
    known: ChunkIndex,
    nodes: NodeMap,
    base: tuple[Path, RootRef] | None = None,
    on_progress: OnProgress = ignore_progress,
) -> Restoration:
    """Write the state into `target`, an empty directory, and sync it to disk.

    Content, modes, owners (as root), times to the nanosecond, extended
    attributes, hard links, symbolic links and holes come back. `base` is a
    local directory that is known to hold exactly that other state: what did
    not change is cloned from it and only the rest is fetched. `nodes` then
    remembers the restored state, so that the next `replicate` of `target` (or
    of a snapshot of it) with `previous=root` reads nothing again.

    May be killed at any point: the caller discards `target` and begins anew.
    Nothing outside `target` is ever written, whatever the state says.

    Raises:
        RestoreIncomplete: some paths are damaged; all others were restored.
        Unavailable: the store did not answer; begin anew.
        Corrupt: not even the root can be read; nothing was written.
        TargetNotEmpty: `target` has something in it; nothing was written.
    """
    raise NotImplementedError
