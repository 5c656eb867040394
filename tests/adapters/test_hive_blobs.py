"""A Hive's objects and heads over real HTTP."""

from collections.abc import Iterator

import pytest

from mosaic.adapters.blobs import ObjectDamaged, ObjectExists, ObjectMissing, ObjectRefused, StoreUnavailable
from mosaic.adapters.hive_blobs import HeadUnknown, HiveConnection, SessionOver
from mosaic.core.epoch import parse
from mosaic.core.ids import DeviceId, HeadHash, VolumeId
from mosaic.crypto import signing
from mosaic.crypto.hashing import head_hash
from mosaic.storage.engine.heads import sign_head
from mosaic.wire.head import Head
from support.fake_hive_blobs import FakeHive

SEED = bytes(range(32))
VOLUME = VolumeId(signing.public_key(SEED))


@pytest.fixture
def hive() -> Iterator[FakeHive]:
    with FakeHive().running() as fake:
        yield fake


@pytest.fixture
def connection(hive: FakeHive) -> Iterator[HiveConnection]:
    connected = HiveConnection(hive.url, "token-a", deadline_seconds=30)
    yield connected
    connected.close()


def test_an_object_comes_back_whole_and_in_parts(connection: HiveConnection) -> None:
    store = connection.store(VOLUME)
    store.put("p-1", b"0123456789")
    store.put("p-1", b"0123456789")
    assert store.get("p-1") == b"0123456789"
    assert store.get_range("p-1", 3, 4) == b"3456"


def test_other_bytes_under_a_name_are_refused(connection: HiveConnection) -> None:
    store = connection.store(VOLUME)
    store.put("p-1", b"one")
    with pytest.raises(ObjectExists):
        store.put("p-1", b"two")
    assert store.get("p-1") == b"one"


def test_what_is_missing_or_cut_short_is_said(connection: HiveConnection) -> None:
    store = connection.store(VOLUME)
    store.put("p-1", b"short")
    with pytest.raises(ObjectMissing):
        store.get("p-2")
    with pytest.raises(ObjectDamaged):
        store.get_range("p-1", 3, 10)
    with pytest.raises(ObjectDamaged):
        store.get_range("p-1", 30, 10)
    with pytest.raises(ObjectRefused):
        store.get("../p-1")


def test_a_list_goes_over_all_pages(connection: HiveConnection, hive: FakeHive) -> None:
    names = [f"p-{number:04d}" for number in range(2100)]
    hive.volume(VOLUME).objects.update(dict.fromkeys([*names, "h-1"], b"x"))
    assert [entry.name for entry in connection.store(VOLUME).list("p-")] == names
    assert hive.count("GET", "/objects") == 3


def test_a_lost_reply_is_asked_again(connection: HiveConnection, hive: FakeHive) -> None:
    hive.replies_to_lose = 2
    connection.store(VOLUME).put("p-1", b"one")
    assert hive.volume(VOLUME).objects == {"p-1": b"one"}


def test_a_hive_that_stays_away_is_unavailable_within_the_deadline(hive: FakeHive) -> None:
    hive.is_down = True
    connection = HiveConnection(hive.url, "token-a", deadline_seconds=0.5)
    with pytest.raises(StoreUnavailable, match="503"):
        connection.store(VOLUME).get("p-1")
    connection.close()


def test_a_session_that_is_over_is_not_tried_again(hive: FakeHive) -> None:
    connection = HiveConnection(hive.url, "stolen", deadline_seconds=5)
    with pytest.raises(SessionOver):
        connection.store(VOLUME).get("p-1")
    assert len(hive.requests) == 1
    connection.close()


def test_heads_are_committed_in_a_chain(connection: HiveConnection, hive: FakeHive) -> None:
    heads = connection.heads(VOLUME)
    epoch, base = hive.grant(VOLUME, "token-a")
    assert base is None
    assert heads.newest() is None
    first = signed_head(epoch, 1, None)
    assert heads.commit(first) == "accepted"
    assert heads.commit(first) == "accepted"
    assert heads.newest() == (head_hash(first), first)
    assert heads.get(head_hash(first)) == first
    with pytest.raises(HeadUnknown):
        heads.get(HeadHash("0" * 64))


def test_a_head_of_an_old_epoch_or_on_an_old_head_is_lost(connection: HiveConnection, hive: FakeHive) -> None:
    heads = connection.heads(VOLUME)
    epoch, _ = hive.grant(VOLUME, "token-a")
    first = signed_head(epoch, 1, None)
    heads.commit(first)
    assert heads.commit(signed_head(epoch, 1, None, instant=2)) == "stale"
    hive.grant(VOLUME, "token-b")
    assert heads.commit(signed_head(epoch, 2, head_hash(first))) == "fenced"


def signed_head(epoch: str, seq: int, previous: HeadHash | None, instant: int = 1) -> bytes:
    device = DeviceId("00" * 16)
    return sign_head(Head(VOLUME, parse(epoch), seq, previous, instant, device, None, 0, bytes(32), bytes(16), 0), SEED)
