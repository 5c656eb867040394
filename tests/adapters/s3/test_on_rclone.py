"""Volumes in a bucket whose server takes conditions and ignores them, and asks for the right key."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from conformance.store_suite import StoreSuite
from mosaic.adapters.blobs import FolderStore, StoreUnavailable
from mosaic.adapters.s3.blobs import S3Blobs, S3Store
from mosaic.adapters.s3.bucket import S3Bucket
from mosaic.adapters.s3.failures import BucketMissing, CredentialsRefused
from mosaic.adapters.s3.location import S3Credentials
from mosaic.adapters.s3.self_test import Conditions, find_conditions
from mosaic.core.errors import MosaicError
from mosaic.core.ids import VolumeId
from support.s3_servers import CREDENTIALS, Server, rclone
from support.trees import tree_difference
from support.volumes import KEYS, Machine

NEITHER = Conditions(create_only=False, compare_and_swap=False)
VOLUME = VolumeId("ab" * 32)
EVERY_VERB: list[Callable[[S3Store], object]] = [
    lambda store: store.put("p-1", b"one"),
    lambda store: store.get("p-1"),
    lambda store: store.get_range("p-1", 0, 1),
    lambda store: list(store.list("")),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rclone")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    with rclone(folder) as running:
        yield running


@pytest.fixture
def bucket(server: Server) -> S3Bucket:
    return server.bucket()


class TestS3StoreOnRclone(StoreSuite):
    many = 60
    # This server lets every writer win: what is promised of two at once holds with `create_only` alone.
    test_of_many_writers_of_one_name_exactly_one_wins = None  # type: ignore[assignment] # not promised on this server

    @pytest.fixture
    def store(self, bucket: S3Bucket) -> S3Store:
        return S3Blobs(bucket, NEITHER).volume(VOLUME)


def test_the_self_test_finds_out_that_conditions_are_ignored_and_leaves_nothing(bucket: S3Bucket) -> None:
    assert find_conditions(bucket, bucket.location.prefix) == NEITHER
    assert bucket.sizes(bucket.location.prefix) == {}


def test_a_store_without_conditions_holds_a_volume_that_any_copy_of_it_restores(
    bucket: S3Bucket, folder: Path, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    (source / "deep" / "file").write_bytes(bytes(range(256)) * 2000)
    here, there, elsewhere = Machine(), Machine(), Machine()
    here.store = there.store = S3Blobs(bucket, NEITHER).volume(KEYS.volume)
    elsewhere.store = FolderStore(folder / "mosaic" / bucket.location.prefix / KEYS.volume)
    root = here.replicate(source).root
    here.forget()
    assert here.replicate(source).uploaded_bytes == 0
    there.restore(root, tmp_path / "there")
    elsewhere.restore(root, tmp_path / "elsewhere")
    assert tree_difference(source, tmp_path / "there") == []
    assert tree_difference(source, tmp_path / "elsewhere") == []


def test_a_wrong_key_is_one_clear_refusal_that_does_not_show_it(server: Server) -> None:
    bucket = server.bucket(credentials=S3Credentials(CREDENTIALS.access_key_id, "some-other-secret"))
    for verb in EVERY_VERB:
        with pytest.raises(CredentialsRefused, match="SignatureDoesNotMatch") as refused:
            verb(S3Blobs(bucket, NEITHER).volume(VOLUME))
        assert shown(refused.value).isdisjoint({CREDENTIALS.access_key_id, "some-other-secret"})
    with pytest.raises(CredentialsRefused):
        find_conditions(bucket, "")


def test_a_bucket_that_is_not_there_is_said_to_be_missing(server: Server) -> None:
    bucket = server.bucket(bucket="another")
    for verb in EVERY_VERB:
        with pytest.raises(BucketMissing, match="the bucket another at http://127"):
            verb(S3Blobs(bucket, NEITHER).volume(VOLUME))


def test_a_server_that_goes_away_is_unavailable_and_serves_on_when_it_is_back(tmp_path: Path) -> None:
    with rclone(tmp_path) as server:
        bucket = server.bucket()
        store = S3Blobs(bucket, NEITHER).volume(VOLUME)
        store.put("p-1", b"one")
        server.process.kill()
        server.process.wait(60)
        for verb in EVERY_VERB:
            with pytest.raises(StoreUnavailable, match=r"nothing listens there|ended the connection"):
                verb(store)
    with rclone(tmp_path, port=int(server.location.endpoint.rpartition(":")[2])):
        assert store.get("p-1") == b"one"


def test_what_the_environment_says_of_other_stores_changes_nothing(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = "http://127.0.0.1:1"
    for name in ("AWS_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, elsewhere)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_BUCKET", "AWS_REGION"):
        monkeypatch.setenv(name, "other")
    for name in ("AWS_SKIP_SIGNATURE", "AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "AWS_S3_EXPRESS"):
        monkeypatch.setenv(name, "true")
    store = S3Blobs(server.bucket(), NEITHER).volume(VOLUME)
    store.put("p-1", b"one")
    assert store.get("p-1") == b"one"


def shown(error: MosaicError) -> set[str]:
    """Every word of an error and of what it is chained to."""
    texts = [error.message, error.hint, repr(error), repr(error.__cause__), repr(error.__context__)]
    return {word.strip("'\"(),<>") for text in texts for word in text.split()}
