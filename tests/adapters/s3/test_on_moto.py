"""Volumes in a bucket whose server holds to conditional writes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.store_suite import StoreSuite
from mosaic.adapters.blobs import ObjectExists, ObjectRefused
from mosaic.adapters.s3.blobs import S3Blobs, S3Store
from mosaic.adapters.s3.bucket import S3Bucket
from mosaic.adapters.s3.failures import ConditionsUnknown
from mosaic.adapters.s3.self_test import Conditions, find_conditions
from mosaic.core.ids import VolumeId
from support.s3_servers import PAGE, Server, moto
from support.trees import tree_difference
from support.volumes import KEYS, Machine

pytestmark = pytest.mark.long

BOTH = Conditions(create_only=True, compare_and_swap=True)
NEITHER = Conditions(create_only=False, compare_and_swap=False)
VOLUME = VolumeId("ab" * 32)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with moto() as running:
        yield running


@pytest.fixture
def bucket(server: Server) -> S3Bucket:
    return server.bucket()


class TestS3StoreOnMoto(StoreSuite):
    many = PAGE + 5

    @pytest.fixture
    def store(self, bucket: S3Bucket) -> S3Store:
        return S3Blobs(bucket, BOTH).volume(VOLUME)


def test_a_volume_is_replicated_and_restored_by_a_machine_that_knows_nothing(bucket: S3Bucket, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "deep").mkdir(parents=True)
    (source / "deep" / "file").write_bytes(bytes(range(256)) * 2000)
    here, there = Machine(), Machine()
    here.store = there.store = S3Blobs(bucket, BOTH).volume(KEYS.volume)
    root = here.replicate(source).root
    here.forget()
    assert here.replicate(source).uploaded_bytes == 0
    there.restore(root, target)
    assert tree_difference(source, target) == []
    assert there.verify(root).damaged == ()


def test_the_self_test_finds_that_both_conditions_hold_and_leaves_nothing(bucket: S3Bucket) -> None:
    assert find_conditions(bucket, bucket.location.prefix, rounds=5) == BOTH
    assert bucket.sizes(bucket.location.prefix) == {}


def test_a_store_that_knows_no_conditions_is_found_out_and_holds_data(server: Server) -> None:
    bucket = server.bucket(bucket="no-conditions")
    with pytest.raises(ConditionsUnknown, match="501 NotImplemented"):
        S3Blobs(bucket, BOTH).volume(VOLUME).put("p-1", b"one")
    found = find_conditions(bucket, bucket.location.prefix, rounds=1)
    assert found == NEITHER
    store = S3Blobs(bucket, found).volume(VOLUME)
    store.put("p-1", b"one")
    store.put("p-1", b"one")
    with pytest.raises(ObjectExists):
        store.put("p-1", b"two")
    assert store.get("p-1") == b"one"


def test_volumes_in_a_bucket_do_not_see_each_other(bucket: S3Bucket) -> None:
    blobs = S3Blobs(bucket, BOTH)
    blobs.volume(VolumeId("aa" * 32)).put("p-1", b"one")
    blobs.volume(VolumeId("bb" * 32)).put("p-1", b"two")
    assert blobs.volume(VolumeId("aa" * 32)).get("p-1") == b"one"
    assert [entry.name for entry in blobs.volume(VolumeId("bb" * 32)).list("")] == ["p-1"]


def test_a_volume_name_cannot_lead_out_of_the_prefix(bucket: S3Bucket) -> None:
    for name in ("..", "../x", "", "A" * 64, "a" * 63, "a" * 64 + "\n"):
        with pytest.raises(ObjectRefused):
            S3Blobs(bucket, BOTH).volume(VolumeId(name))


def test_a_bucket_without_a_prefix_serves_too(server: Server) -> None:
    bucket = server.bucket(prefix="")
    store = S3Blobs(bucket, BOTH).volume(VOLUME)
    store.put("p-1", b"one")
    assert [entry.name for entry in store.list("p-")] == ["p-1"]
    assert f"{VOLUME}/p-1" in bucket.sizes(VOLUME)
