"""Knowing between commands which packs hold what, in `<cache folder>/mosaic/volumes`.

A file for each volume and place. In it are the packs' random names, sizes and
salts, and the blobs' ids, which are keyed hashes that say nothing to anybody
without the volume's key. It may be deleted at any time.
"""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from mosaic.adapters import lock_file
from mosaic.cli.past.past import Past
from mosaic.crypto.volume_keys import VolumeKeys
from mosaic.storage.engine.cachefile import replaced_if_damaged
from mosaic.storage.engine.index import ChunkIndex


@contextlib.contextmanager
def index_of(past: Past, keys: VolumeKeys) -> Iterator[ChunkIndex]:
    """Have the index of a volume, equal to what its store has now.

    Another command that reads the same volume at the same time, or a folder
    that cannot be written, costs only that the index is made anew.
    """
    with contextlib.ExitStack() as stack:
        path = _locked(past, stack)
        if path is not None:
            stack.enter_context(replaced_if_damaged(path))
        index = ChunkIndex(path)
        stack.callback(index.close)
        index.load(past.store, keys)
        yield index


def folder() -> Path:
    """Return where the files are, by the XDG convention."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "mosaic" / "volumes"


def _locked(past: Past, stack: contextlib.ExitStack) -> Path | None:
    place = hashlib.sha256(past.where.encode()).hexdigest()[:16]
    path = folder() / f"{past.volume}-{place}.index"
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = lock_file.take(path.with_suffix(".lock"))
    except OSError:
        return None
    if lock is None:
        return None
    stack.callback(os.close, lock)
    return path
