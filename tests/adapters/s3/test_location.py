"""Where an S3 store is, is checked before anything is sent there, and its key is shown nowhere."""

import sys

import pytest

from mosaic.adapters.s3.bucket import S3Bucket, S3SupportMissing
from mosaic.adapters.s3.location import LocationUnusable, S3Credentials, S3Location

FAR = "https://s3.example.org"


def test_plain_http_goes_to_this_machine_alone_unless_it_is_allowed() -> None:
    for endpoint in ("http://127.0.0.1:9000", "http://localhost:9000", "http://[::1]:9000"):
        assert S3Location(endpoint, "mosaic").is_loopback
    for endpoint in ("http://s3.example.org", "http://192.168.1.4:9000", "http://localhost.example.org"):
        with pytest.raises(LocationUnusable, match="without encryption"):
            S3Location(endpoint, "mosaic")
        assert not S3Location(endpoint, "mosaic", allow_plain_http=True).is_loopback


def test_an_address_with_a_password_is_refused_and_not_repeated() -> None:
    for endpoint in ("https://me:hunter2@s3.example.org", "https://s3.example.org/?key=hunter2", "hunter2", "ftp://x"):
        with pytest.raises(LocationUnusable) as refused:
            S3Location(endpoint, "mosaic")
        assert "hunter2" not in f"{refused.value!r} {refused.value.hint} {refused.value.__context__!r}"


def test_names_that_could_lead_elsewhere_are_refused() -> None:
    for bucket in ("", "a", "../b", "A-b", "a/b", "a" * 64, "bucket\n"):
        with pytest.raises(LocationUnusable):
            S3Location(FAR, bucket)
    for prefix in ("/a", "a/", "a//b", "..", "a/../b", "./a", "a b", "a\n"):
        with pytest.raises(LocationUnusable):
            S3Location(FAR, "mosaic", prefix)
    for region in ("", "eu west", "EU", "eu\r\nHost: x"):
        with pytest.raises(LocationUnusable):
            S3Location(FAR, "mosaic", region=region)


def test_the_bucket_stands_in_the_name_or_in_the_path() -> None:
    assert S3Location(f"{FAR}:444/v1/", "mosaic").url == f"{FAR}:444/v1"
    assert S3Location(f"{FAR}:444/v1/", "mosaic", addressing="virtual").url == "https://mosaic.s3.example.org:444/v1"
    with pytest.raises(LocationUnusable, match="is a number"):
        S3Location("https://192.168.1.4", "mosaic", addressing="virtual")


def test_a_key_is_shown_nowhere() -> None:
    key = S3Credentials("the-id", "the-secret", "the-token")
    assert "the-" not in f"{key} {key!r} {S3Bucket(S3Location(FAR, 'mosaic'), key)!r}"


def test_an_installation_without_the_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    with pytest.raises(S3SupportMissing) as missing:
        S3Bucket(S3Location(FAR, "mosaic"), S3Credentials("id", "secret")).read("key")
    assert "mosaic[s3]" in missing.value.hint
