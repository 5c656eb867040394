"""Names and digests as registries have them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core.oci_types import (
    Descriptor,
    Platform,
    PlatformImage,
    as_digest,
    digest_of,
    is_repository,
    is_tag,
    referrers_tag,
)


@given(st.binary())
def test_what_names_content_is_read_back_and_tags_what_is_attached_to_it(content: bytes) -> None:
    digest = digest_of(content)
    assert as_digest(digest) == digest
    assert is_tag(referrers_tag(digest))


@given(st.text())
def test_no_name_leads_out_of_its_place_in_a_url(name: str) -> None:
    taken = is_repository(name) or is_tag(name) or as_digest(name) is not None
    assert not taken or not ({"?", "#", "%", "@", "\\", " ", "\n"} & set(name) or ".." in name.split("/"))


@pytest.mark.parametrize("name", ["a", "library/nginx", "a.b/c__d/e--f", "x" * 255])
def test_names_that_registries_have_are_taken(name: str) -> None:
    assert is_repository(name)


@pytest.mark.parametrize("name", ["", "/a", "a/", "a//b", "A", "a..b", "../a", "a_", "x" * 256, "a\n"])
def test_names_that_no_registry_has_are_not(name: str) -> None:
    assert not is_repository(name)


@pytest.mark.parametrize(
    "text", ["", "sha256:", "sha256:" + "A" * 64, "sha512:" + "a" * 128, "sha256:" + "a" * 64 + "\n"]
)
def test_only_sha256_in_lower_case_is_a_digest(text: str) -> None:
    assert as_digest(text) is None


def test_a_platform_is_written_as_people_write_it_and_its_download_is_the_sum_of_all_parts() -> None:
    part = Descriptor("", digest_of(b""), 10)
    image = PlatformImage(Platform("linux", "arm64", "v8"), part, part, (part, part))
    assert str(image.platform) == "linux/arm64/v8"
    assert image.download_bytes == 40
