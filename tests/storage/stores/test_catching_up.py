"""A store that follows is given what it lacks, whole, in an order that is safe to stop anywhere."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from mosaic.adapters.blobs import ObjectRefused
from mosaic.core.errors import Unavailable
from mosaic.storage.engine.heads import newest_mirrored, open_head, root_of
from mosaic.storage.engine.index import ChunkIndex
from mosaic.storage.engine.mended import mark_mended
from mosaic.storage.engine.pack import pack_of
from mosaic.storage.engine.verify import verify
from mosaic.storage.stores.catching_up import SourceIncomplete, StoreBusy, StoreDamaged, catch_up
from mosaic.wire.blobs import ObjectEntry
from support.stores import FailingStore, MemoryStore
from support.volumes import KEYS
from support.with_states import KINDS, with_three_states


@contextlib.contextmanager
def roomy(length: int) -> Iterator[bool]:
    yield True


def bring(first: MemoryStore | FailingStore, follower: MemoryStore | FailingStore) -> int:
    return catch_up(first, follower, KEYS, taking=roomy, go_on=lambda: None).objects


@pytest.fixture
def first(tmp_path: Path) -> MemoryStore:
    return with_three_states(tmp_path / "source")


def packs(store: MemoryStore) -> list[str]:
    return sorted(name for name in store.objects if name.startswith("p-"))


def is_safe(store: MemoryStore) -> bool:
    """Whether the newest head in the store, if there is one, finds all that it needs."""
    signed = newest_mirrored(store, KEYS.volume)
    if signed is None:
        return True
    known = ChunkIndex()
    known.load(store, KEYS)
    return verify(root_of(open_head(signed, KEYS.volume)), KEYS, store, known=known).damaged == ()


def test_everything_is_copied_and_the_second_time_nothing(first: MemoryStore) -> None:
    follower = MemoryStore()
    assert bring(first, follower) == len(first.objects)
    assert follower.objects == first.objects
    assert bring(first, follower) == 0


@pytest.mark.parametrize("after", [False, True], ids=["lost request", "lost reply"])
def test_whatever_call_fails_no_head_lacks_anything_and_the_next_run_brings_the_rest(
    first: MemoryStore, after: bool
) -> None:
    for fails_at in range(1, 50):
        follower = MemoryStore()
        failing = FailingStore(follower, fails_at=fails_at, after=after)
        if not failing.failed:
            with contextlib.suppress(Unavailable):
                bring(first, failing)
        assert is_safe(follower)
        bring(first, follower)
        assert follower.objects == first.objects
        if not failing.failed:
            return
    pytest.fail("the loop never came to a run without a failure")


def test_a_first_store_that_fails_anywhere_leaves_no_head_that_lacks_anything(first: MemoryStore) -> None:
    for fails_at in range(1, 30):
        follower = MemoryStore()
        failing = FailingStore(first, fails_at=fails_at, after=False)
        with contextlib.suppress(Unavailable):
            bring(failing, follower)
        assert is_safe(follower)


@pytest.mark.parametrize("at", [0, 30, 100, -2])
def test_a_damaged_pack_is_not_copied_and_no_head_claims_that_it_was(first: MemoryStore, at: int) -> None:
    name = packs(first)[1]
    whole = bytearray(first.objects[name])
    whole[at] ^= 1
    first.objects[name] = bytes(whole)
    follower = MemoryStore()
    with pytest.raises(SourceIncomplete) as failed:
        bring(first, follower)
    assert failed.value.packs == [pack_of(name)]
    assert packs(follower) == [other for other in packs(first) if other != name]
    assert not any(other.startswith("h-") for other in follower.objects)


def test_a_damaged_pack_that_newer_heads_do_without_holds_nothing_up(first: MemoryStore) -> None:
    name = packs(first)[0]
    first.objects[name] = first.objects[name][:-1]
    pack = pack_of(name)
    assert pack is not None
    mark_mended(first, pack)
    follower = MemoryStore()
    bring(first, follower)
    assert set(first.objects) - set(follower.objects) == {name}


class ForgedStore(MemoryStore):
    """Says of each pack that it is 4 GiB long."""

    def list(self, prefix: str) -> Iterator[ObjectEntry]:
        for entry in super().list(prefix):
            yield ObjectEntry(entry.name, 2**32) if entry.name.startswith("p-") else entry

    def get(self, name: str) -> bytes:
        assert not name.startswith("p-")
        return super().get(name)


def test_what_is_longer_than_any_object_is_not_even_asked_for(first: MemoryStore) -> None:
    forged, follower = ForgedStore(), MemoryStore()
    forged.objects = first.objects
    with pytest.raises(SourceIncomplete):
        catch_up(forged, follower, KEYS, taking=roomy, go_on=lambda: None)
    assert not packs(follower)


def test_a_damaged_older_head_holds_nothing_up(first: MemoryStore) -> None:
    oldest = min(name for name in first.objects if name.startswith("h-"))
    signed = first.objects[oldest]
    first.objects[oldest] = signed[:-1] + bytes([signed[-1] ^ 1])
    follower = MemoryStore()
    bring(first, follower)
    assert set(first.objects) - set(follower.objects) == {oldest}


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_follower_cut_off_is_written_anew(first: MemoryStore, kind: str) -> None:
    follower = MemoryStore()
    bring(first, follower)
    name = next(name for name in sorted(follower.objects) if name.startswith(kind))
    follower.objects[name] = follower.objects[name][:-1]
    assert bring(first, follower) == 1
    assert follower.objects == first.objects


def test_a_follower_that_cuts_off_again_what_was_written_anew_is_said_to_be_damaged(first: MemoryStore) -> None:
    follower = Shortening()
    name = packs(first)[0]
    follower.shortens = name
    bring(first, follower)
    with pytest.raises(StoreDamaged, match=name):
        bring(first, follower)


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_first_store_cut_off_replaces_nothing(first: MemoryStore, kind: str) -> None:
    follower = MemoryStore()
    bring(first, follower)
    name = next(name for name in sorted(first.objects) if name.startswith(kind))
    whole = first.objects[name]
    first.objects[name] = whole[:-1]
    with pytest.raises(SourceIncomplete) if kind == "p-" else contextlib.nullcontext():
        bring(first, follower)
    assert follower.objects[name] == whole


def test_nothing_is_replaced_by_what_nobody_can_check(first: MemoryStore) -> None:
    follower = MemoryStore()
    first.objects["z-later"] = b"of a newer version"
    bring(first, follower)
    first.objects["z-later"] = b"of a"
    with pytest.raises(StoreDamaged, match="z-later"):
        bring(first, follower)
    assert follower.objects["z-later"] == b"of a newer version"


def test_a_store_without_room_for_what_is_written_anew_keeps_what_it_has(first: MemoryStore) -> None:
    follower = Full()
    bring(first, follower)
    name = packs(follower)[0]
    follower.objects[name] = follower.objects[name][:-1]
    follower.is_full = True
    before = dict(follower.objects)
    with pytest.raises(ObjectRefused):
        bring(first, follower)
    assert follower.objects == before
    follower.is_full = False
    bring(first, follower)
    assert follower.objects == first.objects


class Full(MemoryStore):
    """Takes nothing more when told so."""

    is_full = False

    def put(self, name: str, data: bytes) -> None:
        if self.is_full:
            raise ObjectRefused("full")
        super().put(name, data)


class Shortening(MemoryStore):
    """Keeps all of one object but its last byte."""

    shortens = ""

    def put(self, name: str, data: bytes) -> None:
        super().put(name, data[:-1] if name == self.shortens else data)


def test_without_room_in_memory_nothing_is_read(first: MemoryStore) -> None:
    @contextlib.contextmanager
    def full(length: int) -> Iterator[bool]:
        yield False

    before = first.requests
    with pytest.raises(StoreBusy):
        catch_up(first, MemoryStore(), KEYS, taking=full, go_on=lambda: None)
    assert first.requests == before + 1, "the listing alone"
