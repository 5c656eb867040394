"""A drill proves that a state comes back, and leaves nothing behind."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mosaic.storage.engine import drill as drills
from mosaic.storage.engine.drill import ScratchTooSmall, drill
from mosaic.storage.engine.index import ChunkIndex
from mosaic.storage.engine.restore import RestoreIncomplete
from mosaic.storage.engine.roots import RootRef
from mosaic.storage.engine.scratch import remove, scratch
from support.stores import MemoryStore
from support.volumes import KEYS, Machine

CHUNK = 65_536


@pytest.fixture
def state(tmp_path: Path) -> tuple[MemoryStore, RootRef]:
    source = tmp_path / "source"
    (source / "deep" / "er").mkdir(parents=True)
    (source / "deep" / "er" / "file").write_bytes(os.urandom(5 * CHUNK))
    (source / "locked").mkdir()
    (source / "locked" / "in").write_text("x")
    (source / "locked").chmod(0o500)
    with (source / "holes").open("wb") as file:
        file.truncate(2**43)
    here = Machine()
    root = here.replicate(source).root
    assert isinstance(here.store, MemoryStore)
    return here.store, root


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    (tmp_path / "scratch").mkdir()
    return tmp_path / "scratch"


def known_of(store: MemoryStore) -> ChunkIndex:
    known = ChunkIndex()
    known.load(store, KEYS)
    return known


def test_a_state_is_proved_restorable_and_its_copy_is_removed(state: tuple[MemoryStore, RootRef], parent: Path) -> None:
    store, root = state
    tried = drill(root, KEYS, store, parent, known=known_of(store))
    assert tried.proof.differing == ()
    assert (tried.proof.files, tried.proof.directories) == (3, 4)
    assert list(parent.iterdir()) == []


def test_holes_need_no_space_and_what_does_not_fit_is_refused_with_numbers(
    state: tuple[MemoryStore, RootRef], parent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, root = state
    needed = drills.needed_bytes(root, KEYS, store, known=known_of(store))
    assert 5 * CHUNK < needed < 10 * CHUNK
    monkeypatch.setattr(drills, "_free_bytes", lambda folder: 1_000_000)
    with pytest.raises(ScratchTooSmall) as caught:
        drill(root, KEYS, store, parent, known=known_of(store))
    assert "1 MB free" in caught.value.message
    assert list(parent.iterdir()) == []


def test_damage_in_the_store_fails_the_drill_and_the_copy_is_removed(
    state: tuple[MemoryStore, RootRef], parent: Path
) -> None:
    store, root = state
    for name, data in store.objects.items():
        store.objects[name] = data[: len(data) // 3] + b"\0" * 16 + data[len(data) // 3 + 16 :]
    with pytest.raises(RestoreIncomplete):
        drill(root, KEYS, store, parent, known=known_of(store))
    assert list(parent.iterdir()) == []


def test_a_copy_that_a_killed_drill_left_goes_with_the_next_one_and_one_under_way_stays(parent: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; from mosaic.storage.engine.scratch import scratch\n"
        "with scratch(Path(sys.argv[1])) as made: (made / 'file').touch(); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script, str(parent)], timeout=30, check=False)
    (left,) = parent.iterdir()
    with scratch(parent) as first:
        assert not left.exists()
        with scratch(parent):
            assert first.exists()
    assert list(parent.iterdir()) == []


def test_a_folder_goes_however_deep_it_is(tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir()
    fd = os.open(top, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d" * 100, dir_fd=fd)
        below = os.open("d" * 100, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)
    (top / "elsewhere").symlink_to(tmp_path)
    (tmp_path / "stays").touch()
    remove(top)
    assert [path.name for path in tmp_path.iterdir()] == ["stays"]
