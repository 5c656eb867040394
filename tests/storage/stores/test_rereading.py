"""What lies in a store that follows is read again, all of it in turn, and what rotted is written anew."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.adapters.blobs import ObjectExists, StoreUnavailable
from mosaic.core.errors import Unavailable
from mosaic.storage.config import FollowPace
from mosaic.storage.engine.mended import mark_mended
from mosaic.storage.engine.pack import pack_of
from mosaic.storage.stores.catching_up import StoreBusy, catch_up
from mosaic.storage.stores.rereading import Rereading, share
from mosaic.storage.stores.wholeness import put_or_mend
from support.stores import FailingStore, MemoryStore
from support.volumes import KEYS
from support.with_states import KINDS, with_three_states


@contextlib.contextmanager
def roomy(length: int) -> Iterator[bool]:
    yield True


def read(first: MemoryStore, follower: MemoryStore | FailingStore, *, after: str = "", parts: int = 1) -> Rereading:
    found = Rereading.begun(first, follower, KEYS, after=after, parts=parts)
    while found.read_some(2, roomy, lambda: None):
        pass
    return found


@pytest.fixture
def first(tmp_path: Path) -> MemoryStore:
    return with_three_states(tmp_path / "source")


@pytest.fixture
def follower(first: MemoryStore) -> MemoryStore:
    copy = MemoryStore()
    catch_up(first, copy, KEYS, taking=roomy, go_on=lambda: None)
    return copy


def rotten(whole: bytes) -> bytes:
    middle = len(whole) // 2
    return whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]


@pytest.mark.parametrize("kind", KINDS)
def test_what_rotted_is_written_anew_and_nothing_else_is(first: MemoryStore, follower: MemoryStore, kind: str) -> None:
    assert read(first, follower).renewed == []
    name = next(name for name in sorted(follower.objects) if name.startswith(kind))
    follower.objects[name] = rotten(follower.objects[name])
    found = read(first, follower)
    assert (found.renewed, found.rotten, found.last) == ([name], [], max(first.objects))
    assert follower.objects == first.objects


def test_another_head_under_the_name_of_a_head_is_damage(first: MemoryStore, follower: MemoryStore) -> None:
    one, other, *_ = sorted(name for name in first.objects if name.startswith("h-"))
    follower.objects[one] = first.objects[other]
    assert read(first, follower).renewed == [one]


@given(st.sets(st.text("abc", min_size=1, max_size=3), min_size=1), st.integers(1, 12))
def test_after_that_many_shares_everything_was_read(names: set[str], parts: int) -> None:
    ordered, seen, after = sorted(names), set[str](), ""
    for _ in range(parts):
        chosen = share(ordered, after, parts)
        assert len(chosen) <= -(-len(ordered) // parts)
        seen.update(chosen)
        after = chosen[-1]
    assert seen == names


def test_what_rotted_in_both_stores_is_left_alone_and_said(first: MemoryStore, follower: MemoryStore) -> None:
    name = next(name for name in sorted(first.objects) if name.startswith("p-"))
    for store in (first, follower):
        store.objects[name] = rotten(store.objects[name])
    before = dict(follower.objects)
    found = read(first, follower)
    assert (found.rotten, found.owed(), found.renewed) == ([name], (name,), [])
    assert follower.objects == before
    pack = pack_of(name)
    assert pack is not None
    mark_mended(first, pack)
    assert found.owed() == ()


def test_what_the_first_store_let_go_of_is_not_read(first: MemoryStore, follower: MemoryStore) -> None:
    name = next(name for name in sorted(first.objects) if name.startswith("p-"))
    del first.objects[name]
    follower.objects[name] = rotten(follower.objects[name])
    assert name not in Rereading.begun(first, follower, KEYS, after="", parts=1).names


class Unreadable(MemoryStore):
    """Gives no answer about some objects, as a disk with bad places does on another machine."""

    bad: frozenset[str] = frozenset()

    def get(self, name: str) -> bytes:
        if name in self.bad:
            raise StoreUnavailable("the test store", "input/output error")
        return super().get(name)


def test_a_bad_place_of_a_far_disk_is_told_and_the_rest_is_read(first: MemoryStore) -> None:
    store = Unreadable()
    store.objects = dict(first.objects)
    bad, rots, *_ = sorted(name for name in first.objects if name.startswith("p-"))
    store.bad = frozenset({bad})
    store.objects[rots] = rotten(store.objects[rots])
    found = read(first, store)
    assert (found.unread, found.renewed) == ([bad], [rots])


def test_a_store_that_goes_away_is_not_asked_for_the_rest(first: MemoryStore) -> None:
    store = Unreadable()
    store.objects = dict(first.objects)
    store.bad = frozenset(store.objects)
    found = Rereading.begun(first, store, KEYS, after="", parts=1)
    with pytest.raises(StoreUnavailable):
        found.read_some(100, roomy, lambda: None)
    assert len(found.unread) == 3
    assert found.last == found.unread[1]


@pytest.mark.parametrize("kind", ["h-", "e-"])
def test_what_has_to_be_there_is_mended_where_it_rotted_and_refused_where_it_is_another(
    follower: MemoryStore, kind: str
) -> None:
    name = next(name for name in sorted(follower.objects) if name.startswith(kind))
    whole = follower.objects[name]
    follower.objects[name] = rotten(whole)
    put_or_mend(follower, name, whole, KEYS)
    assert follower.objects[name] == whole
    with pytest.raises(ObjectExists):
        put_or_mend(follower, name, rotten(whole), KEYS)
    assert follower.objects[name] == whole


@pytest.mark.parametrize("after", [False, True], ids=["lost request", "lost reply"])
def test_whatever_call_fails_the_next_comparison_finds_all_of_it(
    first: MemoryStore, follower: MemoryStore, after: bool
) -> None:
    name = next(name for name in sorted(follower.objects) if name.startswith("p-"))
    for fails_at in range(1, 50):
        follower.objects[name] = rotten(first.objects[name])
        failing = FailingStore(follower, fails_at=fails_at, after=after)
        with contextlib.suppress(Unavailable):
            read(first, failing)
        catch_up(first, follower, KEYS, taking=roomy, go_on=lambda: None)
        read(first, follower)
        assert follower.objects == first.objects
        if not failing.failed:
            return
    pytest.fail("the loop never came to a run without a failure")


def test_without_room_in_memory_nothing_is_read(first: MemoryStore, follower: MemoryStore) -> None:
    @contextlib.contextmanager
    def full(length: int) -> Iterator[bool]:
        yield False

    before = follower.requests
    with pytest.raises(StoreBusy):
        Rereading.begun(first, follower, KEYS, after="", parts=1).read_some(9, full, lambda: None)
    assert follower.requests == before + 1, "the listing alone"


def test_it_is_time_again_after_a_while_and_after_a_clock_that_was_wrong() -> None:
    pace = FollowPace(reread_seconds=10)
    assert not pace.is_reread_due(5_000_000_000, 14_000_000_000)
    assert pace.is_reread_due(5_000_000_000, 15_000_000_000)
    assert pace.is_reread_due(2**62, 15_000_000_000)
    assert not replace(pace, reread_seconds=None).is_reread_due(0, 2**62)
