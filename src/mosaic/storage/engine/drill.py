"""Trying a restore out: into a folder that is thrown away, read back, and compared with what is stored."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from mosaic.core.errors import Refused
from mosaic.crypto.volume_keys import VolumeKeys
from mosaic.storage.engine.fetch import Fetcher
from mosaic.storage.engine.index import ChunkIndex
from mosaic.storage.engine.nodes import NodeMap
from mosaic.storage.engine.prove import Proof, prove
from mosaic.storage.engine.records import CHUNK_BYTES
from mosaic.storage.engine.restore import restore
from mosaic.storage.engine.roots import OnProgress, Restoration, RootRef, ignore_progress
from mosaic.storage.engine.scratch import scratch
from mosaic.storage.engine.store import Store
from mosaic.storage.engine.survey import Survey
from mosaic.storage.engine.tree import Tree

_NAME_BYTES = 4096
"""What a name costs at most beside its content, on the file systems that people have."""

_SPARE = 64 * 1024 * 1024
"""What a drill leaves free for others who write to the same disk."""


class ScratchTooSmall(Refused):
    """The folder for the restored copy has not enough space. Nothing was written."""

    code = "scratch-too-small"

    def __init__(self, folder: Path, *, needed_bytes: int, free_bytes: int) -> None:
        super().__init__(
            f"the restored copy needs {needed_bytes / 1e6:.0f} MB, and {folder} has {free_bytes / 1e6:.0f} MB free",
            hint="name a folder on a larger disk with `--scratch`; the copy is removed afterwards",
        )
        self.needed_bytes = needed_bytes
        self.free_bytes = free_bytes


@dataclass(frozen=True, slots=True)
class Tried:
    """How a drill went. The snapshot is proved restorable when the proof has no difference."""

    restoration: Restoration
    proof: Proof
    restore_seconds: float
    compare_seconds: float


def drill(
    root: RootRef,
    keys: VolumeKeys,
    store: Store,
    parent: Path,
    *,
    known: ChunkIndex,
    on_restore: OnProgress = ignore_progress,
    on_compare: OnProgress = ignore_progress,
) -> Tried:
    """Restore a state into a new folder in `parent`, compare it with what is stored, and remove it.

    Raises:
        ScratchTooSmall: before anything is written.
        RestoreIncomplete: some of it is damaged in the store.
        TargetFailed: `parent`'s file system is full or fails.
        Unavailable: the store did not answer; begin anew.
        Corrupt: not even the root can be read.
    """
    needed, free = needed_bytes(root, keys, store, known=known), _free_bytes(parent)
    if needed + _SPARE > free:
        raise ScratchTooSmall(parent, needed_bytes=needed + _SPARE, free_bytes=free)
    with scratch(parent) as target:
        began = time.monotonic()
        nodes = NodeMap()
        try:
            restoration = restore(root, keys, store, target, known=known, nodes=nodes, on_progress=on_restore)
        finally:
            nodes.close()
        restored = time.monotonic()
        unheld = {one.path for one in restoration.lost}
        proof = prove(root, keys, store, target, known=known, unheld=unheld, on_progress=on_compare)
        return Tried(restoration, proof, restored - began, time.monotonic() - restored)


def needed_bytes(root: RootRef, keys: VolumeKeys, store: Store, *, known: ChunkIndex) -> int:
    """Return the most that the restored state takes on a disk: holes take nothing.

    Raises:
        Unavailable, Corrupt: as `drill`.
    """
    with Fetcher(keys, store, known) as fetcher:
        tree = Tree(fetcher.get, root)
        survey = Survey(tree)
        for _ in survey.chunks():
            pass
        content = min(tree.root.content_bytes, survey.blobs * CHUNK_BYTES)
        return content + (tree.root.files + tree.root.directories) * _NAME_BYTES


def _free_bytes(folder: Path) -> int:
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize
