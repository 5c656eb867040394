"""Round trips with Debian's docker-registry."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mosaic.adapters.oci import documents
from mosaic.adapters.oci.credentials import NoCredentials
from mosaic.adapters.oci.failures import (
    BlobDamaged,
    ImageMissing,
    ManifestDamaged,
    RegistryNameInvalid,
    RegistryUnreachable,
)
from mosaic.adapters.oci.limits import Limits
from mosaic.adapters.oci.registries import Registries
from mosaic.adapters.oci.registry import Registry
from mosaic.core.oci_types import (
    OCI_CONFIG,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    ImageManifest,
    Platform,
    digest_of,
)
from support.registry_server import RegistryServer

pytestmark = pytest.mark.registry

ARM, AMD = Platform("linux", "arm64", "v8"), Platform("linux", "amd64")


def push_image(registry: Registry, repository: str, platform: Platform, *layers: bytes, tag: str = "") -> Descriptor:
    """Push an image of one platform."""
    config = json.dumps({"os": platform.os, "architecture": platform.architecture, "variant": platform.variant})
    image = ImageManifest(
        registry.push_blob(repository, config.encode(), media_type=OCI_CONFIG),
        tuple(registry.push_blob(repository, layer) for layer in layers),
    )
    return registry.push_manifest(repository, documents.write_image(image), OCI_MANIFEST, tags=[tag] if tag else [])


@pytest.mark.parametrize("size", [0, 1, 64 * 1024, 64 * 1024 + 1, 300_000])
def test_what_was_pushed_comes_back_byte_for_byte(registry: Registry, tmp_path: Path, into: Path, size: int) -> None:
    source = tmp_path / "source"
    source.write_bytes(bytes(range(256)) * (size // 256) + b"x" * (size % 256))
    pushed = registry.push_blob("a/blob", source, media_type="text/plain")
    heard: list[int] = []
    registry.fetch_blob("a/blob", pushed, into, told=heard.append)
    assert into.read_bytes() == source.read_bytes()
    assert heard[-1] == size == pushed.size
    assert sorted(path.name for path in tmp_path.iterdir()) == ["blob", "source"]


def test_a_manifest_is_found_by_its_tags_and_its_digest(registry: Registry) -> None:
    pushed = push_image(registry, "an/image", AMD, b"one layer", tag="1.0")
    by_tag, by_digest = registry.manifest("an/image", "1.0"), registry.manifest("an/image", pushed.digest)
    assert by_tag == by_digest
    assert registry.resolve("an/image", "1.0") == registry.resolve("an/image", pushed.digest) == pushed
    assert registry.image("an/image", pushed.digest).layers[0].digest == digest_of(b"one layer")


def test_an_index_is_pinned_with_the_sizes_of_each_platform(registry: Registry) -> None:
    arm = push_image(registry, "multi", ARM, b"arm" * 100)
    amd = push_image(registry, "multi", AMD, b"amd" * 50, b"second")
    record = push_image(registry, "multi", Platform("unknown", "unknown"), b"how it was built")
    entries = [
        Descriptor(arm.media_type, arm.digest, arm.size, platform=ARM),
        Descriptor(amd.media_type, amd.digest, amd.size, platform=AMD),
        Descriptor(record.media_type, record.digest, record.size, platform=Platform("unknown", "unknown")),
    ]
    index = registry.push_manifest("multi", documents.write_index(entries), OCI_INDEX, tags=["2"])
    image = registry.platforms("multi", "2")
    assert (image.digest, image.media_type, image.size) == (index.digest, OCI_INDEX, index.size)
    assert [(one.platform, [layer.size for layer in one.layers]) for one in image.platforms] == [
        (ARM, [300]),
        (AMD, [150, 6]),
    ]


def test_a_single_manifest_is_of_the_platform_that_its_configuration_names(
    registry: Registry, server: RegistryServer
) -> None:
    push_image(registry, "single", ARM, b"layer", tag="1")
    [only] = registry.platforms("single", "1").platforms
    assert server.log.read_text().count('"GET /v2/single/manifests/') == 1
    assert only.platform == ARM
    assert only.download_bytes == only.manifest.size + only.config.size + 5


def test_what_does_not_exist_is_said_to_be_missing(registry: Registry, into: Path) -> None:
    nowhere = Descriptor("", digest_of(b"never pushed"), 12)
    with pytest.raises(ImageMissing, match="has no nobody/nothing:1"):
        registry.resolve("nobody/nothing", "1")
    with pytest.raises(ImageMissing):
        registry.manifest("nobody/nothing", "1")
    with pytest.raises(ImageMissing):
        registry.fetch_blob("nobody/nothing", nowhere, into)
    with pytest.raises(ImageMissing):
        registry.tags("nobody/nothing")
    assert not into.exists()


@pytest.mark.parametrize("name", ["../a", "a/../b", "a?b", ""])
def test_a_name_that_leads_elsewhere_is_asked_of_nobody(registry: Registry, name: str) -> None:
    with pytest.raises(RegistryNameInvalid):
        registry.manifest(name, "1")
    with pytest.raises(RegistryNameInvalid):
        registry.manifest("a", name)


def test_all_tags_are_listed(registry: Registry) -> None:
    for tag in ("b", "a", "c"):
        push_image(registry, "tagged", AMD, b"layer", tag=tag)
    assert sorted(registry.tags("tagged")) == ["a", "b", "c"]


def test_content_that_is_there_is_not_sent_again(registry: Registry, server: RegistryServer) -> None:
    registry.push_blob("sent/once", b"only once")
    before = server.log.read_text().count('"POST')
    registry.push_blob("sent/once", b"only once")
    assert server.log.read_text().count('"POST') == before


def test_content_of_another_repository_is_taken_over_and_not_sent(registry: Registry, server: RegistryServer) -> None:
    content = b"large, and in the other repository" * 100
    pushed = registry.push_blob("mounted/from", content)
    before = server.log.read_text().count('"PUT')
    assert registry.push_blob("mounted/to", content, mount_from="mounted/from") == pushed
    assert server.log.read_text().count('"PUT') == before
    assert registry.blob("mounted/to", pushed, most_bytes=2**20) == content


def test_content_that_the_other_repository_lacks_is_sent_all_the_same(registry: Registry) -> None:
    pushed = registry.push_blob("not/mounted", b"nowhere yet", mount_from="mounted/nowhere")
    assert registry.blob("not/mounted", pushed, most_bytes=100) == b"nowhere yet"


def test_what_is_attached_is_listed_by_type_and_survives_that_others_attach_at_once(registry: Registry) -> None:
    subject = push_image(registry, "signed", AMD, b"layer", tag="1")

    def attach(number: int) -> Descriptor:
        kind = "application/x-odd" if number % 2 else "application/x-even"
        content = f"artifact {number}".encode()
        return registry.attach("signed", subject, artifact_type=kind, layers=[(content, "text/plain")])

    with ThreadPoolExecutor(4) as pool:
        attached = list(pool.map(attach, range(6)))
    attach(3)
    listed = registry.referrers("signed", subject.digest)
    assert {one.digest for one in listed} == {one.digest for one in attached}
    odd = registry.referrers("signed", subject.digest, "application/x-odd")
    assert {one.digest for one in odd} == {attached[number].digest for number in (1, 3, 5)}
    artifact = registry.image("signed", odd[0].digest)
    assert artifact.subject is not None
    assert artifact.subject.digest == subject.digest
    assert registry.referrers("signed", digest_of(b"nothing is attached to this")) == ()


def test_one_byte_that_was_changed_in_the_registry_is_found_and_nothing_is_left(
    registry: Registry, server: RegistryServer, tmp_path: Path, into: Path
) -> None:
    pushed = registry.push_blob("tampered", b"as it was published")
    manifest = push_image(registry, "tampered", AMD, b"layer")
    blob, document = server.blob_file(pushed.digest), server.blob_file(manifest.digest)
    blob.write_bytes(blob.read_bytes().replace(b"published", b"publishef"))
    document.write_bytes(document.read_bytes().replace(b'"size":5', b'"size":6'))
    with pytest.raises(BlobDamaged, match="tampered@sha256"):
        registry.fetch_blob("tampered", pushed, into)
    with pytest.raises(BlobDamaged):
        registry.blob("tampered", pushed, most_bytes=100)
    with pytest.raises(ManifestDamaged):
        registry.manifest("tampered", manifest.digest)
    assert not into.exists()


def test_threads_that_fetch_the_same_at_once_share_one_download(
    registry: Registry, server: RegistryServer, into: Path
) -> None:
    content = bytes(300_000)
    pushed = registry.push_blob("shared", content)
    together = threading.Barrier(8)

    def fetch(_: int) -> bytes:
        together.wait(30)
        registry.fetch_blob("shared", pushed, into)
        return into.read_bytes()

    with ThreadPoolExecutor(8) as pool:
        assert all(found == content for found in pool.map(fetch, range(8)))
    assert server.log.read_text().count(f'"GET /v2/shared/blobs/{pushed.digest}') == 1


def test_threads_push_and_fetch_different_things_side_by_side(registry: Registry, tmp_path: Path) -> None:
    def there_and_back(number: int) -> bool:
        content = bytes([number]) * 100_000
        pushed = registry.push_blob(f"many/n{number % 3}", content)
        registry.fetch_blob(f"many/n{number % 3}", pushed, tmp_path / str(number))
        return (tmp_path / str(number)).read_bytes() == content

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(there_and_back, range(24)))


def test_one_connection_serves_all_who_name_the_same_registry(server: RegistryServer) -> None:
    registries = Registries(NoCredentials())
    assert registries.at(server.host) is registries.at(server.host)
    assert registries.at("docker.io") is registries.at("index.docker.io")
    assert registries.at(server.host).push_blob("by/name", b"x").size == 1
    registries.close()


def test_a_registry_that_is_not_there_is_unreachable_after_a_few_tries(server: RegistryServer) -> None:
    pauses: list[float] = []
    limits = Limits(tries=3)
    nobody = Registry("127.0.0.1:1", credentials=NoCredentials(), limits=limits, pause=pauses.append)
    with pytest.raises(RegistryUnreachable, match="Connection refused"):
        nobody.resolve("a", "1")
    assert len(pauses) == 2
    assert pauses[0] < pauses[1]
