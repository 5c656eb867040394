"""One reader of a bucket's address and key, whatever command it is typed at."""

from pathlib import Path

import pytest

from mosaic.adapters.s3.address import KeyUnusable, parse_bucket, parse_key, write_bucket
from mosaic.adapters.s3.location import LocationUnusable, S3Location
from mosaic.cli.hive_backup.destination import credentials_of, destination_of
from mosaic.storage.hiveless.address import parse_address as parse_own
from mosaic.storage.stores.address import parse_address

ADDRESSES = [
    ("s3://photos/folder", S3Location("https://s3.us-east-1.amazonaws.com", "photos", "folder")),
    ("s3://photos?region=eu-1", S3Location("https://s3.eu-1.amazonaws.com", "photos", region="eu-1")),
    (
        "s3://photos/a/b/?endpoint=http://nas:9000&plain-http=yes&addressing=virtual",
        S3Location("http://nas:9000", "photos", "a/b", addressing="virtual", allow_plain_http=True),
    ),
]
KEY = '[default]\naws_access_key_id = AKIA1\naws_secret_access_key = "a/b+c="\naws_session_token = t\n'


@pytest.mark.parametrize(("url", "meant"), ADDRESSES)
def test_an_address_of_a_bucket_means_the_same_to_every_command(url: str, meant: S3Location) -> None:
    assert parse_bucket(url) == parse_address(url) == parse_own(url) == meant
    assert parse_bucket(write_bucket(meant)) == meant


@pytest.mark.parametrize(
    "url",
    [
        *["", "photos", "file:///photos", "s3://", "s3://photos?secret=hunter2", "s3://photos?hunter2"],
        *["s3://key:hunter2@photos", "s3://photos#hunter2", "s3://photos?region=a&region=b", "s3://[photos"],
        *["s3://photos?addressing=hunter2", "s3://photos?plain-http=maybe", "s3://photos?endpoint=http://nas:9000"],
    ],
)
def test_what_names_no_bucket_is_refused_and_no_secret_is_repeated(url: str) -> None:
    with pytest.raises(LocationUnusable) as refused:
        parse_bucket(url)
    assert refused.value.hint
    assert "hunter2" not in refused.value.message + refused.value.hint


def test_a_key_is_read_the_same_for_a_store_and_for_the_hives_own_copies(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY)
    found = destination_of("s3://photos/folder", tmp_path / "key")
    assert credentials_of(found) == parse_key(KEY)
    assert (parse_key(KEY).secret_access_key, parse_key(KEY).session_token) == ("a/b+c=", "t")
    assert "a/b" not in repr(found)


def test_a_file_without_a_key_is_refused_for_the_hives_own_copies_as_well(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("hunter2")
    with pytest.raises(KeyUnusable) as refused:
        destination_of("s3://photos/folder", tmp_path / "key")
    assert "hunter2" not in refused.value.message + refused.value.hint
