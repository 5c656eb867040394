"""What people type behind `-o`: understood, or refused with what to type, and never a secret repeated."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.adapters.s3.location import S3Credentials, S3Location
from mosaic.core.errors import Refused
from mosaic.storage.hiveless.address import parse_address, write_address
from mosaic.storage.hiveless.credentials import CredentialsMissing, find_credentials
from mosaic.storage.hiveless.key_file import read_key, write_key_of_our_own, write_new_key
from mosaic.storage.hiveless.options import parse_options
from mosaic.storage.hiveless.private import SecretFileRefused

SECRET = "wJalrXUtnFEMI"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("/mnt/nas/backups", "/mnt/nas/backups"),
        ("file:///mnt/nas/my%20backups/", "/mnt/nas/my backups"),
        (
            "s3://photos/home/mosaic?endpoint=https://s3.example.org",
            "s3://photos/home/mosaic?endpoint=https://s3.example.org&region=us-east-1",
        ),
        (
            "s3://photos?region=eu-central-1",
            "s3://photos/?endpoint=https://s3.eu-central-1.amazonaws.com&region=eu-central-1",
        ),
        (
            "s3://photos/?endpoint=http://nas:9000&plain-http=yes&addressing=virtual",
            "s3://photos/?endpoint=http://nas:9000&region=us-east-1&addressing=virtual&plain-http=yes",
        ),
    ],
)
def test_an_address_is_understood_and_its_text_is_understood_the_same_again(typed: str, meant: str) -> None:
    assert write_address(parse_address(typed)) == meant
    assert parse_address(meant) == parse_address(typed)


def test_the_region_of_the_daemons_environment_counts_where_the_address_names_none() -> None:
    found = parse_address("s3://photos", region="eu-west-1")
    assert isinstance(found, S3Location)
    assert found.region == "eu-west-1"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"store": "/mnt/nas", "keep": "last=0"}, "is always kept"),
        ({"store": "/mnt/nas", "keep": "often"}, "not something that can be kept"),
        ({"store": "backups"}, "begins with none of"),
        ({"store": "/mnt/../etc"}, "given by its whole path"),
        ({"store": "file://nas/backups"}, "given by its whole path"),
        ({"store": "s3://photos?bucket=x"}, "a bucket takes"),
        ({"store": "s3://photos?endpoint=http://nas:9000"}, "without encryption"),
        ({"store": "s3://UPPER?endpoint=https://x.org"}, "not a bucket's name"),
        ({"store": f"s3://key:{SECRET}@photos"}, "has a key in it"),
        ({"store": f"s3://photos?secret_access_key={SECRET}"}, "has a key in it"),
        ({"store": f"s3://photos?endpoint=https://a:{SECRET}@x.org"}, "without a password"),
        ({"store": "/mnt", "secret-access-key": SECRET}, "no option secret-access-key"),
        ({"store": "/mnt", "keyfile": "/root/key"}, "no option keyfile"),
        ({"store": "/mnt", "key-file": "key"}, "not the full path"),
        ({"store": "/mnt", "take-over": "maybe"}, "yes or no"),
    ],
)
def test_what_is_not_understood_is_refused_with_a_hint_and_no_secret_is_repeated(
    options: dict[str, str], sentence: str
) -> None:
    with pytest.raises(Refused, match=sentence) as refused:
        parse_options(options)
    assert refused.value.hint
    assert SECRET not in refused.value.message + refused.value.hint


@given(
    st.text() | st.text().map("/".__add__) | st.text().map("s3://".__add__) | st.text().map("s3://ab?endpoint=".__add__)
)
def test_no_text_is_more_than_refused(text: str) -> None:
    try:
        found = parse_address(text)
    except Refused:
        return
    assert parse_address(write_address(found)) == found


def test_the_stores_key_is_looked_for_in_the_named_file_then_in_the_usual_one_then_in_the_environment(
    tmp_path: Path,
) -> None:
    (tmp_path / "credentials").mkdir()
    usual, named = tmp_path / "credentials" / "photos", tmp_path / "named"
    environment = {"AWS_ACCESS_KEY_ID": "from-environment", "AWS_SECRET_ACCESS_KEY": SECRET}

    def found(named: Path | None = None) -> S3Credentials:
        return find_credentials("photos", named=named, state=tmp_path, environment=environment)

    assert found().access_key_id == "from-environment"
    _write(usual, f"# a remark\n[default]\naws_access_key_id = usual\naws_secret_access_key={SECRET}\n")
    assert found() == S3Credentials("usual", SECRET)
    _write(named, f"AWS_ACCESS_KEY_ID=named\nAWS_SECRET_ACCESS_KEY={SECRET}\nAWS_SESSION_TOKEN=ends\n")
    assert found(named) == S3Credentials("named", SECRET, "ends")
    with pytest.raises(CredentialsMissing):
        found(tmp_path / "not-there")
    assert SECRET not in repr(found())


@pytest.mark.parametrize("content", ["", "aws_access_key_id = a\n", f"aws_secret_access_key = {SECRET}\n"])
def test_a_credentials_file_that_lacks_something_is_refused(tmp_path: Path, content: str) -> None:
    _write(tmp_path / "named", content)
    with pytest.raises(SecretFileRefused) as refused:
        find_credentials("photos", named=tmp_path / "named", state=tmp_path, environment={})
    assert SECRET not in refused.value.message


def test_a_key_file_is_for_its_owner_alone_and_is_read_back(tmp_path: Path) -> None:
    path, seed = write_key_of_our_own(tmp_path / "keys", "notes")
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert read_key(path) == seed
    assert read_key(tmp_path / "none") is None
    with pytest.raises(SecretFileRefused, match="already"):
        write_new_key(path)


def test_a_key_file_that_others_may_read_or_that_holds_something_else_is_refused(tmp_path: Path) -> None:
    key = tmp_path / "key"
    write_new_key(key)
    key.chmod(0o640)
    with pytest.raises(SecretFileRefused, match="may be read by others") as refused:
        read_key(key)
    assert refused.value.hint == f"chmod 600 {key}"
    for content in ("", "not a key", "ab" * 31, "ab" * 33):
        _write(key, content)
        with pytest.raises(SecretFileRefused, match="does not hold a key"):
            read_key(key)
    key.unlink()
    os.mkfifo(key, 0o600)
    with pytest.raises(SecretFileRefused, match="not a small file"):
        read_key(key)


def _write(path: Path, content: str) -> None:
    path.write_text(content)
    path.chmod(0o600)
