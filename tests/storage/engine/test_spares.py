"""What a store lost or damaged is read from another store's copy, blob by blob (G9)."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from mosaic.adapters.blobs import StoreUnavailable
from mosaic.core.errors import Corrupt
from mosaic.storage.engine.restore import RestoreIncomplete
from mosaic.storage.engine.roots import RootRef
from mosaic.storage.engine.spares import Spare, SparedStore
from mosaic.wire.blobs import ObjectEntry
from support.stores import FailingStore, MemoryStore
from support.trees import tree_difference
from support.volumes import KEYS, Machine


class Silent(FailingStore):
    """A store that never answers."""

    def _fail_reading(self) -> None:
        self.calls += 1
        raise StoreUnavailable("the test store", "told to be silent")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    source = tmp_path / "source"
    noise = random.Random(5)
    for number in range(12):
        folder = source / f"folder {number % 4}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"file {number}").write_bytes(noise.randbytes(150_000 + number))
    return source


def replicated(source: Path) -> tuple[MemoryStore, MemoryStore, RootRef]:
    """Return two stores with the same packs, several of them, and the newest state."""
    machine = Machine()
    for number in range(4):
        (source / f"added {number}").write_bytes(random.Random(number).randbytes(200_000))
        root = machine.replicate(source).root
    store = machine.store
    assert isinstance(store, MemoryStore)
    spare = MemoryStore()
    spare.objects = dict(store.objects)
    return store, spare, root


def restored(store: MemoryStore, spares: list[Spare], root: RootRef, target: Path) -> None:
    machine = Machine()
    machine.store = SparedStore(store, spares)
    machine.restore(root, target)


def rotten(whole: bytes) -> bytes:
    """Damage every blob of a pack, and leave its footer as it is."""
    footer = int.from_bytes(whole[-4:], "big") + 4
    return whole[:45] + bytes(byte ^ 1 for byte in whole[45:-footer]) + whole[-footer:]


HARMS: dict[str, Callable[[bytes], bytes | None]] = {
    "lost": lambda whole: None,
    "empty": lambda whole: b"",
    "cut": lambda whole: whole[:1000],
    "rotten": rotten,
    "without a footer": lambda whole: whole[:-60] + bytes(60),
}


def harm(store: MemoryStore, names: list[str], how: Callable[[bytes], bytes | None]) -> None:
    for name in names:
        left = how(store.objects.pop(name))
        if left is not None:
            store.objects[name] = left


@pytest.mark.parametrize("how", HARMS.values(), ids=HARMS)
def test_a_store_that_damaged_everything_is_made_good_by_its_spare(
    source: Path, tmp_path: Path, how: Callable[[bytes], bytes | None]
) -> None:
    store, spare, root = replicated(source)
    harm(store, list(store.objects), how)
    restored(store, [Spare(spare)], root, tmp_path / "back")
    assert tree_difference(source, tmp_path / "back") == []


@pytest.mark.parametrize("how", HARMS.values(), ids=HARMS)
def test_two_stores_that_are_both_damaged_and_not_in_the_same_places_restore_everything(
    source: Path, tmp_path: Path, how: Callable[[bytes], bytes | None]
) -> None:
    store, spare, root = replicated(source)
    names = sorted(store.objects)
    assert len(names) >= 4
    harm(store, names[::2], how)
    harm(spare, names[1::2], how)
    restored(store, [Spare(spare)], root, tmp_path / "back")
    assert tree_difference(source, tmp_path / "back") == []


def test_the_next_spare_is_asked_for_what_the_first_cannot_give(source: Path, tmp_path: Path) -> None:
    store, last, root = replicated(source)
    middle = MemoryStore()
    middle.objects = dict(last.objects)
    harm(store, list(store.objects), rotten)
    harm(middle, sorted(middle.objects)[1:], rotten)
    silent = Silent(MemoryStore(), fails_at=0, after=False)
    restored(store, [Spare(silent), Spare(middle), Spare(last)], root, tmp_path / "back")
    assert tree_difference(source, tmp_path / "back") == []
    assert silent.calls == 1, "a store that does not answer is asked once, not for every blob"


def test_a_spare_is_asked_nothing_while_the_store_has_it_all(source: Path, tmp_path: Path) -> None:
    store, spare, root = replicated(source)
    restored(store, [Spare(spare)], root, tmp_path / "back")
    assert spare.requests == 0


def test_what_no_store_has_whole_is_named_and_the_rest_is_restored(source: Path, tmp_path: Path) -> None:
    store, spare, root = replicated(source)
    first = next(iter(store.objects))
    harm(store, [first], rotten)
    harm(spare, [first], rotten)
    with pytest.raises(Corrupt) as failed:
        restored(store, [Spare(spare)], root, tmp_path / "back")
    assert isinstance(failed.value, RestoreIncomplete)
    assert (tmp_path / "back" / "added 3").read_bytes() == (source / "added 3").read_bytes()


def test_what_a_spare_gave_is_still_damage_here(source: Path, tmp_path: Path) -> None:
    store, spare, root = replicated(source)
    lost = sorted(store.objects)[:2]
    harm(store, lost, rotten)
    machine = Machine()
    machine.store = SparedStore(store, [Spare(spare)])
    machine.restore(root, tmp_path / "back")
    assert {f"p-{pack.hex()}" for pack in machine.known.damaged()} == set(lost)


def test_the_spares_index_is_its_own(source: Path, tmp_path: Path) -> None:
    store, spare, root = replicated(source)
    names = sorted(store.objects)
    harm(store, names[:2], HARMS["lost"])
    machine = Machine()
    machine.store = SparedStore(store, [Spare(spare, tmp_path / "spare.index")])
    machine.restore(root, tmp_path / "back")
    # Or the next replication would take it for stored here.
    assert {f"p-{pack.hex()}" for pack in machine.known.packs()} == set(names[2:])
    assert machine.known.load(store, KEYS).added == ()
    assert list(store.list("q")) == list[ObjectEntry]()
