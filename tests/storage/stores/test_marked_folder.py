"""A folder that was added as a store: what an input/output error says about it."""

import errno
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import pytest

from mosaic.adapters.blobs import ObjectDamaged, StoreUnavailable
from mosaic.core.ids import VolumeId
from mosaic.storage.stores import marked_folder
from mosaic.storage.stores.marked_folder import MarkedFolder, MarkedStore, mark_folder

VOLUME = VolumeId("ab" * 32)


@pytest.fixture
def store(tmp_path: Path) -> MarkedStore:
    found = MarkedFolder(tmp_path, mark_folder(tmp_path)).volume(VOLUME)
    found.put("p-1", b"content")
    return found


@pytest.fixture
def fail(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Have the next reads of objects fail as a disk does, and something else be done meanwhile."""
    opened: Callable[..., IO[Any]] = Path.open

    def begin(times: int, meanwhile: Callable[[], object] = lambda: None) -> None:
        left = [times]

        def open_(path: Path, *words: Any, **options: Any) -> IO[Any]:
            left[0] -= path.name == "p-1"
            if path.name != "p-1" or left[0] < 0:
                return opened(path, *words, **options)
            meanwhile()
            raise OSError(errno.EIO, "Input/output error")

        monkeypatch.setattr(Path, "open", open_)

    return begin


def test_an_input_error_that_passes_is_no_damage(store: MarkedStore, fail: Callable[..., None]) -> None:
    fail(1)
    assert store.get("p-1") == b"content"


def test_what_cannot_be_read_of_a_folder_that_has_gone_is_not_damaged(
    store: MarkedStore, fail: Callable[..., None], tmp_path: Path
) -> None:
    fail(1, lambda: tmp_path.rename(tmp_path.with_name("unmounted")))
    with pytest.raises(StoreUnavailable, match="not mounted"):
        store.get("p-1")


def test_a_server_that_is_away_is_not_a_disk_that_rots(
    store: MarkedStore, fail: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(2)
    with pytest.raises(ObjectDamaged):
        store.get("p-1")
    mounts = f"24 1 0:21 / {tmp_path} rw - nfs4 nas:/export rw\n"
    monkeypatch.setattr(marked_folder, "own_table", lambda: mounts)
    fail(2)
    with pytest.raises(StoreUnavailable):
        store.get("p-1")
