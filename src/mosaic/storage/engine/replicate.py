"""Carrying a read-only snapshot of a volume to a store.

Reads what changed since the previous state, uploads what the store lacks and
returns the new root. It commits nothing: the caller signs a head with the
root, and until that head is accepted the upload is just unused objects.
"""

from pathlib import Path

from mosaic.crypto.volume_keys import VolumeKeys
from mosaic.storage.engine.index import ChunkIndex
from mosaic.storage.engine.nodes import NodeMap
from mosaic.storage.engine.roots import OnProgress, Replication, RootRef, ignore_progress
from mosaic.storage.engine.store import Store


def replicate(
    snapshot: Path,
    keys: VolumeKeys,
    store: Store,
    *,
    previous: RootRef | None,
    known: ChunkIndex,
    nodes: NodeMap,
    taken_ns: int,
    on_progress: OnProgress = ignore_progress,
) -> Replication:
    """Upload the snapshot; every object is durable in the store when this returns.

    `previous` is the newest root that `replicate` or `restore` returned or
    restored for this data, None for the first time. `known` must have been
    loaded from this store. `nodes` is this machine's memory of `previous`;
    when it remembers another state (or nothing) every file is read again, but
    only what the store lacks is sent. `taken_ns` is an instant (wall clock)
    just before the snapshot was cut: files changed later than one second
    before it are read again next time, for their clock may not have ticked.

    Nothing changed: nothing is sent and `previous` is returned. May be killed
    at any point and called again; packs that were finished are used again.

    Sockets and device nodes are not stored, and listed in the result.

    Raises:
        Unavailable: the store did not answer; call again.
        StoreFull: the store refuses more.
        SourceDamaged: a file of the snapshot could not be read.
        SourceChanged: the snapshot changed while it was read.
        Corrupt: the previous state is damaged in the store; pass None to write everything anew.
    """
    raise NotImplementedError
