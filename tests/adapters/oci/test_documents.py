"""Documents are written the same way each time, and read whatever else is in them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.adapters.oci import documents
from mosaic.adapters.oci.challenge import Challenge, challenges
from mosaic.core.oci_types import (
    DOCKER_INDEX,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    ImageManifest,
    Platform,
    digest_of,
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
platforms = st.builds(Platform, os=texts, architecture=texts, variant=texts, os_version=texts)
descriptors = st.builds(
    Descriptor,
    media_type=texts,
    digest=st.binary().map(digest_of),
    size=st.integers(0, 2**53),
    annotations=st.dictionaries(texts, texts, max_size=3),
    platform=st.none() | platforms,
    artifact_type=texts,
)
images = st.builds(
    ImageManifest,
    config=descriptors,
    layers=st.lists(descriptors, max_size=3).map(tuple),
    artifact_type=texts,
    annotations=st.dictionaries(texts, texts, max_size=3),
    subject=st.none() | descriptors,
)


@given(images)
def test_a_manifest_is_read_as_it_was_written(image: ImageManifest) -> None:
    written = documents.write_image(image)
    assert documents.read_image(written) == image
    assert documents.kind_of(written, "") == OCI_MANIFEST


@given(st.lists(descriptors, max_size=4))
def test_an_index_is_read_as_it_was_written(entries: list[Descriptor]) -> None:
    written = documents.write_index(entries)
    assert list(documents.read_index(written)) == entries
    assert documents.kind_of(written, "application/json") == OCI_INDEX


@given(st.binary(max_size=200) | texts.map(lambda text: json.dumps([text]).encode()))
def test_what_is_no_document_is_said_to_be_none(content: bytes) -> None:
    for read in (documents.read_image, documents.read_index):
        try:
            read(content)
        except documents.DocumentInvalid:
            continue
        assert isinstance(json.loads(content), dict)


@pytest.mark.parametrize(
    "descriptor",
    [
        {"digest": "sha512:" + "a" * 128, "size": 1},
        {"digest": "../../etc/passwd", "size": 1},
        {"digest": digest_of(b""), "size": -1},
        {"digest": digest_of(b""), "size": 2**60},
        {"digest": digest_of(b"")},
    ],
)
def test_a_descriptor_that_names_nothing_is_refused(descriptor: dict[str, object]) -> None:
    with pytest.raises(documents.DocumentInvalid):
        documents.read_index(json.dumps({"manifests": [descriptor]}).encode())


def test_a_bundle_with_fields_of_its_own_is_read_by_its_type_alone() -> None:
    entry = {"mediaType": "t", "digest": digest_of(b""), "size": 0, "platform": {"architecture": "arm64"}, "layers": 7}
    document = {"schemaVersion": 2, "config": entry, "layers": [entry], "manifests": [entry], "annotations": None}
    content = json.dumps(document).encode()
    assert documents.kind_of(content, f"{OCI_MANIFEST}; charset=utf-8") == OCI_MANIFEST
    assert documents.read_image(content).layers == (Descriptor("t", digest_of(b""), 0, platform=Platform("", "arm64")),)


def test_a_document_of_two_kinds_is_refused() -> None:
    content = json.dumps({"mediaType": OCI_INDEX, "manifests": []}).encode()
    for told in (OCI_MANIFEST, DOCKER_INDEX):
        with pytest.raises(documents.DocumentInvalid, match="calls itself"):
            documents.kind_of(content, told)


def test_all_ways_in_that_are_offered_are_read() -> None:
    offered = challenges(
        [
            'Bearer realm="https://auth.example.org/token?a=b,c",service=plain , scope="a \\"b\\"", Basic realm="x"',
            "Negotiate",
        ]
    )
    assert offered == [
        Challenge("bearer", {"realm": "https://auth.example.org/token?a=b,c", "service": "plain", "scope": 'a "b"'}),
        Challenge("basic", {"realm": "x"}),
        Challenge("negotiate", {}),
    ]


@given(st.text(max_size=300) | st.text('abc="\\, ', max_size=300))
def test_no_header_keeps_the_reader_from_ending(header: str) -> None:
    assert all(one.scheme == one.scheme.lower() for one in challenges([header]))
