"""Whatever an engine test leaves in a store, the rescue reader restores it as the engine does.

It shares no code with the engine, so that both read the format, and neither
reads the other's mistakes.
"""

import importlib.util
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

import support.volumes
from mosaic.adapters.blobs import FolderStore
from mosaic.core.epoch import Epoch
from mosaic.core.errors import Corrupt
from mosaic.core.ids import DeviceId
from mosaic.crypto.hashing import head_hash
from mosaic.crypto.volume_keys import VolumeKeys
from mosaic.storage.engine.heads import head_name, sign_head
from mosaic.storage.engine.index import ChunkIndex
from mosaic.storage.engine.mend import Mending
from mosaic.storage.engine.nodes import NodeMap
from mosaic.storage.engine.restore import RestoreIncomplete, restore
from mosaic.storage.engine.roots import Replication, RootRef
from mosaic.storage.engine.store import Store
from mosaic.wire.head import Head
from support.trees import tree_difference

Left = tuple[VolumeKeys, Store, RootRef]
_RESCUE = Path(__file__).parents[3] / "tools" / "rescue.py"
_BEYOND_THE_RESCUE_READER = {
    "test_paths_may_be_longer_than_the_system_allows",
    "test_a_path_that_is_longer_than_the_system_takes_at_once_is_stored",
    "test_rescue_names_what_the_file_system_does_not_take_and_restores_the_rest",
}
"""It names each such path, and leaves it out."""

_MOST_BYTES = 256 * 1024 * 1024
_WRITERS = ("replicate", "replicate_and_mend")


@pytest.fixture(autouse=True)
def rescued(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """Look at the last state that the test replicated."""
    left: list[Left] = []
    for module in (support.volumes, request.module):
        for name in _WRITERS:
            writer = getattr(module, name, None)
            if writer is not None and writer.__module__.startswith("mosaic."):
                monkeypatch.setattr(module, name, _watched(writer, left))
    yield
    monkeypatch.undo()
    if left and request.node.name not in _BEYOND_THE_RESCUE_READER:
        keys, store, root = left[-1]
        objects = _objects(store)
        if objects is not None:
            _compare(keys, objects, root, tmp_path_factory.mktemp("rescued"))


def _watched(writer: Callable[..., object], left: list[Left]) -> Callable[..., object]:
    def watched(snapshot: Path, keys: VolumeKeys, store: Store, **words: object) -> object:
        done = writer(snapshot, keys, store, **words)
        state = done.replication if isinstance(done, Mending) else done
        assert isinstance(state, Replication)
        # Files of exabytes are holes, and comparing them would take years.
        left[:] = [(keys, store, state.root)] if state.content_bytes < _MOST_BYTES else []
        return done

    return watched


def _objects(store: object) -> dict[str, bytes] | None:
    """Return what a store has now, None for one that is not a plain one underneath."""
    while hasattr(store, "inner"):
        store = store.inner
    if isinstance(store, FolderStore):
        return {entry.name: store.get(entry.name) for entry in store.list("")}
    found: dict[str, bytes] | None = getattr(store, "objects", None)
    return found


def _compare(keys: VolumeKeys, objects: dict[str, bytes], root: RootRef, folder: Path) -> None:
    ours, theirs, stored = folder / "ours", folder / "theirs", folder / "store"
    stored.mkdir()
    head = Head(keys.volume, Epoch(1, 1), 1, None, 1, DeviceId("0a" * 16), None, 1, root.root, root.pack, 0)
    signed = sign_head(head, keys.seed)
    packs = {name: content for name, content in objects.items() if not name.startswith("h-")}
    for name, content in (packs | {head_name(1, head_hash(signed)): signed}).items():
        (stored / name).write_bytes(content)
    is_rescued = _rescue(keys.seed, stored, theirs)
    # It may save more of a damaged store, but never less of a whole one.
    if _restore(keys, stored, root, ours):
        assert is_rescued, "the rescue reader finds damage where the engine finds none"
        assert tree_difference(ours, theirs) == []


def _restore(keys: VolumeKeys, stored: Path, root: RootRef, target: Path) -> bool:
    """Restore by the engine, from nothing but the store. Returns whether everything came back."""
    target.mkdir()
    store, known = FolderStore(stored), ChunkIndex()
    try:
        known.load(store, keys)
        restore(root, keys, store, target, known=known, nodes=NodeMap())
    except (Corrupt, RestoreIncomplete):
        return False
    return True


def _rescue(seed: bytes, stored: Path, target: Path) -> bool:
    """Restore by the rescue reader. Returns whether everything came back."""
    reader = _reader()
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    try:
        volume = reader.Volume(stored, seed)
        ((head, _),) = volume.heads()
        volume.index()
        return not reader.Restore(volume, head, target).damaged
    except reader.Damaged:
        return False
    finally:
        sys.setrecursionlimit(before)


@cache
def _reader() -> ModuleType:
    spec = importlib.util.spec_from_file_location("rescue", _RESCUE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
