"""Packages: one app has one manifest and one digest, and nothing that is not one is taken for it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mosaic.core import file_index, layer_sizes, package
from mosaic.core.file_index import IndexedFile
from mosaic.core.layer_sizes import LayerSize, PlatformLayers
from mosaic.core.oci_types import EMPTY_CONTENT, Descriptor, Digest, digest_of
from mosaic.core.package import About, AppManifest, Kind, PackageTooNew, PackageUnreadable, PlainTar, write
from mosaic.core.package_reading import read, read_hashes, unlike
from mosaic.core.strict_json import NotStrict

BUNDLE = Descriptor(package.BUNDLE_TYPE, Digest("sha256:" + "b" * 64), 12)
TAR = PlainTar("sha256:" + "a" * 64, 2048)
INDEX = b'{"files":{},"folders":[],"format":1,"links":{}}'
ABOUT = About("notes", "1.2", "0123abcd")
WORDS = st.none() | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


def made(about: About = ABOUT, *, sizes: bytes | None = b"{}", compose: bytes | None = b"services: {}") -> bytes:
    return write(about, bundle=BUNDLE, tar=TAR, index=INDEX, layer_sizes=sizes, compose=compose)


def changed(**members: object) -> bytes:
    return json.dumps({**json.loads(made()), **members}).encode()


@given(WORDS, WORDS, WORDS, WORDS, st.booleans(), st.booleans())
def test_a_manifest_is_read_as_it_was_written(
    name: str | None, version: str | None, commit: str | None, created: str | None, sizes: bool, compose: bool
) -> None:
    about = About(name, version, commit, created)
    content = made(about, sizes=b"{}" if sizes else None, compose=b"x" if compose else None)
    found = read(content)
    assert (found.kind, found.about, found.tar) == (Kind.MOSAIC, about, TAR)
    assert (found.bundle.digest, found.bundle.size) == (BUNDLE.digest, BUNDLE.size)
    assert found.index is not None
    assert found.index.digest == digest_of(INDEX)
    assert (found.layer_sizes is not None, found.compose is not None) == (sizes, compose)
    assert made(about, sizes=b"{}" if sizes else None, compose=b"x" if compose else None) == content


def test_the_same_app_has_the_digest_that_it_always_had_and_no_time_in_it() -> None:
    assert digest_of(made()) == "sha256:89fb2fd2672c8cdb7021cf4254233188d826230ae191c14bb7f671235f3501ba"
    assert b"created" not in made()


def test_docker_compose_finds_a_project_of_its_own_in_it() -> None:
    found = json.loads(made())
    assert found["artifactType"] == "application/vnd.docker.compose.project"
    layers = [layer for layer in found["layers"] if layer["mediaType"].startswith("application/vnd.docker.compose.")]
    assert [layer["digest"] for layer in layers] == [digest_of(b"services: {}")]


def test_foundries_tools_find_bundle_and_layer_sizes_where_they_look() -> None:
    found = json.loads(made())
    assert found["annotations"]["compose-app"] == "v1"
    assert found["layers"][0]["digest"] == BUNDLE.digest
    assert found["layers"][1]["annotations"] == {"layers-meta": "v1"}
    assert len(made()) < 16_384


def test_all_that_a_registry_must_hold_is_named_once() -> None:
    found = read(made(sizes=EMPTY_CONTENT))
    # The config and these layer sizes are the same two bytes.
    assert [one.digest for one in found.every] == [
        digest_of(EMPTY_CONTENT),
        digest_of(INDEX),
        BUNDLE.digest,
        digest_of(b"services: {}"),
    ]
    assert [one.digest for one in found.needed] == [digest_of(INDEX), digest_of(EMPTY_CONTENT), BUNDLE.digest]


def layers(number: int, **members: object) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(made())["layers"]
    found[number] = {**found[number], **members}
    return found


WRONG = {
    "nothing": b"",
    "no JSON": b"{",
    "no UTF-8": b'{"\xff":1}',
    "a list": b"[]",
    "too deep": b"[" * 40_000,
    "too large": made() + b" " * package.MAX_MANIFEST_BYTES,
    "a key twice": made()[:-1] + b',"schemaVersion":2}',
    "an index of OCI": changed(mediaType="application/vnd.oci.image.index.v1+json"),
    "an old schema": changed(schemaVersion=1),
    "a schema with a point": changed(schemaVersion=2.0),
    "an image": changed(config={**json.loads(made())["config"], "mediaType": "application/x"}, annotations={}),
    "no config": changed(config=None),
    "a config with content": changed(config={**json.loads(made())["config"], "digest": BUNDLE.digest}),
    "another artifact": changed(artifactType="application/x"),
    "something unknown": changed(extra=1),
    "no layers": changed(layers=[]),
    "no index": changed(layers=layers(0)[:2]),
    "two bundles": changed(layers=[layers(0)[0], *layers(0)]),
    "very many layers": changed(layers=layers(0) * 10),
    "a digest of another kind": changed(layers=layers(0, digest="sha512:" + "a" * 128)),
    "a digest in capitals": changed(layers=layers(0, digest="sha256:" + "A" * 64)),
    "a digest that is a path": changed(layers=layers(0, digest="sha256:../../../etc/passwd")),
    "a negative size": changed(layers=layers(0, size=-1)),
    "a size that is a flag": changed(layers=layers(0, size=True)),
    "a size beyond all": changed(layers=layers(0, size=2**70)),
    "a bundle that is too large": changed(layers=layers(0, size=package.MAX_BUNDLE_BYTES + 1)),
    "an index that is too large": changed(layers=layers(2, size=2**30)),
    "no plain tar": changed(layers=layers(0, annotations={})),
    "half a letter": changed(annotations={"org.opencontainers.image.title": "\ud800"}),
    "an annotation that is a number": changed(annotations={"compose-app": 1}),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_package_is_refused(name: str) -> None:
    with pytest.raises(PackageUnreadable):
        read(WRONG[name])


@pytest.mark.parametrize(
    "newer",
    [
        changed(config={**json.loads(made())["config"], "mediaType": "application/vnd.mosaic.app.v2+json"}),
        changed(layers=layers(0, mediaType="application/vnd.mosaic.app.bundle.v2.tar+zstd")),
    ],
)
def test_a_package_of_a_later_version_asks_for_a_later_mosaic(newer: bytes) -> None:
    with pytest.raises(PackageTooNew) as told:
        read(newer)
    assert "update Mosaic" in told.value.hint


@given(
    st.binary(max_size=300)
    | st.recursive(st.integers() | st.text() | st.none(), st.lists, max_leaves=8).map(lambda x: json.dumps(x).encode())
)
def test_whatever_the_bytes_are_they_are_a_package_or_refused(content: bytes) -> None:
    with pytest.raises(PackageUnreadable):
        read(content)


def foundries(**members: object) -> bytes:
    first = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "size": 0, "digest": digest_of(b"")},
        "layers": [{"mediaType": "application/octet-stream", "size": 5, "digest": BUNDLE.digest}],
        "annotations": {"compose-app": "v1"},
    }
    return json.dumps({**first, **members}, indent=3).encode()


EMPTY_CONFIG = {"mediaType": "application/vnd.oci.empty.v1+json", "size": 2, "digest": digest_of(EMPTY_CONTENT)}
HASHED = {
    "org.foundries.app.bundle.index.digest": "sha256:" + "c" * 64,
    "org.foundries.app.bundle.index.size": "77",
}


@pytest.mark.parametrize("media_type", ["application/octet-stream", "application/tar+gzip", "application/gzip"])
def test_foundries_first_generation_is_read(media_type: str) -> None:
    found = read(
        foundries(
            layers=[
                {"mediaType": media_type, "size": 5, "digest": BUNDLE.digest},
                {
                    "mediaType": "application/json",
                    "size": 7,
                    "digest": TAR.digest,
                    "annotations": {"layers-meta": "v1"},
                },
            ],
            manifests=[{"mediaType": "application/vnd.oci.image.index.v1+json", "platform": {"architecture": "arm"}}],
        )
    )
    assert (found.kind, found.bundle.digest, found.index, found.hashes) == (Kind.FOUNDRIES_1, BUNDLE.digest, None, None)
    assert found.layer_sizes is not None
    assert [one.digest for one in found.every] == [digest_of(b""), TAR.digest, BUNDLE.digest]


def second(**annotations: str) -> AppManifest:
    layer = {"mediaType": "application/octet-stream", "size": 5, "digest": BUNDLE.digest, "annotations": annotations}
    return read(foundries(artifactType="application/vnd.fio+compose-app", config=EMPTY_CONFIG, layers=[layer]))


def test_foundries_second_generation_is_read_with_its_list_of_files() -> None:
    found = second(**HASHED)
    assert found.kind is Kind.FOUNDRIES_2
    assert found.hashes is not None
    assert (found.hashes.digest, found.hashes.size) == ("sha256:" + "c" * 64, 77)
    assert second().hashes is None
    content = json.dumps({"./docker-compose.yml": BUNDLE.digest, "a": TAR.digest}).encode()
    assert read_hashes(content) == {"docker-compose.yml": "b" * 64, "a": "a" * 64}


def test_a_list_of_files_is_compared_with_what_the_archive_holds() -> None:
    index = file_index.of(
        {"a": IndexedFile("a" * 64, 1, False), "sub/b": IndexedFile("b" * 64, 1, True)}, {"l": "a"}, []
    )
    right = {"a": "a" * 64, "sub/b": "b" * 64, "l": "e" * 64}
    assert unlike(index, right) is None
    assert unlike(index, {**right, "a": "0" * 64}) == "a"
    assert unlike(index, {**right, "more": "0" * 64}) == "more"
    assert unlike(index, {"a": "a" * 64}) == "sub/b"


@pytest.mark.parametrize(
    "wrong",
    [
        foundries(annotations={}),
        foundries(artifactType="application/x"),
        foundries(layers=[]),
        foundries(layers=[{"mediaType": "text/html", "size": 5, "digest": BUNDLE.digest}]),
        foundries(layers=[{"mediaType": "application/gzip", "size": 2**40, "digest": BUNDLE.digest}]),
        foundries(
            layers=[
                {
                    "mediaType": "application/gzip",
                    "size": 1,
                    "digest": BUNDLE.digest,
                    "annotations": {**HASHED, "org.foundries.app.bundle.index.size": "99999999999"},
                }
            ]
        ),
    ],
)
def test_what_is_no_foundries_package_is_refused(wrong: bytes) -> None:
    with pytest.raises(PackageUnreadable):
        read(wrong)


def test_a_foundries_package_of_another_version_is_refused() -> None:
    with pytest.raises(PackageTooNew):
        read(foundries(annotations={"compose-app": "v2"}))


LAYERS = st.dictionaries(
    st.integers(0, 2**64).map(lambda number: digest_of(str(number).encode())),
    st.builds(LayerSize, st.integers(0, 2**40), st.none() | st.integers(1, 2**40), st.none() | st.integers(1, 2**40)),
    max_size=4,
)


@given(
    st.dictionaries(
        st.sampled_from(["amd64", "arm64", "arm/v7"]), st.builds(PlatformLayers, st.integers(1, 65536), LAYERS)
    )
)
def test_layer_sizes_are_read_as_they_were_written(platforms: dict[str, PlatformLayers]) -> None:
    assert layer_sizes.read(layer_sizes.write(platforms)) == platforms
    assert layer_sizes.of_platform(platforms, "arm", "v7") == platforms.get("arm/v7")


def test_sizes_that_a_tool_did_not_know_are_unknown_and_not_nothing() -> None:
    one = digest_of(b"one")
    found = layer_sizes.read(
        json.dumps(
            {"arm64": {"fs_block_size": 4096, "layers": {one: {"size": 0, "usage": 0, "archive_size": 9}}}}
        ).encode()
    )
    assert found["arm64"].layers == {one: LayerSize(9)}
    with pytest.raises(NotStrict):
        layer_sizes.read(b'{"arm64":{"fs_block_size":4096,"layers":{"../x":{"archive_size":1}}}}')
