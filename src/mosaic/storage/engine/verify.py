"""Proving that a state of a volume can be restored."""

from mosaic.crypto.volume_keys import VolumeKeys
from mosaic.storage.engine.index import ChunkIndex
from mosaic.storage.engine.roots import OnProgress, RootRef, Verification, ignore_progress
from mosaic.storage.engine.store import Store


def verify(
    root: RootRef,
    keys: VolumeKeys,
    store: Store,
    *,
    known: ChunkIndex,
    on_progress: OnProgress = ignore_progress,
) -> Verification:
    """Read every stored byte that the state reaches, check it, and name the paths that are damaged.

    Raises:
        Unavailable: the store did not answer; call again.
        Corrupt: not even the root can be read.
    """
    raise NotImplementedError
