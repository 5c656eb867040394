"""Packages of Foundries' tools, which have no index, and sources that give what was not asked for."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from mosaic.adapters.bundle import BundleUnusable
from mosaic.adapters.bundle_archive import write as write_archive
from mosaic.adapters.disk_room import room_of
from mosaic.adapters.written_tree import draft_of
from mosaic.core import layer_sizes, strict_json
from mosaic.core.descriptor_json import describe, plain
from mosaic.core.disk_forecast import NoRoom
from mosaic.core.layer_sizes import LayerSize, PlatformLayers
from mosaic.core.oci_types import EMPTY_CONTENT, OCI_MANIFEST, OCTETS, Descriptor, digest_of
from mosaic.core.package import PackageUnreadable
from mosaic.core.strict_json import Plain
from mosaic.device.packages.fitting import Disks
from mosaic.device.packages.installing import Source, install_package
from mosaic.device.packages.store import PackageNameRefused, PackageStore

PAGE = b"a page"


def bundle(folder: Path, page: bytes = PAGE) -> bytes:
    """The archive of an app."""
    (folder / "app").mkdir()
    (folder / "app" / "docker-compose.yml").write_bytes(b"services: {}\n")
    (folder / "app" / "page").write_bytes(page)
    write_archive(folder / "app", folder / "archive", skip=lambda _: False)
    return (folder / "archive").read_bytes()


def second_generation(archive: bytes, hashes: bytes, **others: Plain) -> bytes:
    """A manifest as composectl writes it."""
    annotations = {
        "org.foundries.app.bundle.index.digest": digest_of(hashes),
        "org.foundries.app.bundle.index.size": str(len(hashes)),
    }
    return strict_json.write(
        {
            "annotations": {"compose-app": "v1"},
            "artifactType": "application/vnd.fio+compose-app",
            "config": plain(describe(EMPTY_CONTENT, OCTETS)),
            "layers": [plain(describe(archive, OCTETS, annotations))],
            "mediaType": OCI_MANIFEST,
            "schemaVersion": 2,
            **others,
        }
    )


def hashes_of(page: bytes) -> bytes:
    """The list of files that comes beside it."""
    files = {"docker-compose.yml": b"services: {}\n", "page": page}
    return strict_json.write({path: digest_of(content) for path, content in files.items()})


def source_of(*contents: bytes) -> Source:
    """A source that has these."""
    known: Mapping[str, bytes] = {digest_of(content): content for content in contents}

    def give(blob: Descriptor, into: Path, told: Callable[[int], None]) -> None:
        into.write_bytes(known[blob.digest])
        told(blob.size)

    return give


@pytest.fixture
def store(tmp_path: Path) -> PackageStore:
    return PackageStore(tmp_path / "state", now_ns=time.time_ns)


@pytest.fixture
def disks(tmp_path: Path) -> Disks:
    return Disks(tmp_path / "state", tmp_path / "engine", architecture="amd64", watermark=100)


def test_a_foundries_app_is_installed_when_its_list_of_files_agrees(
    tmp_path: Path, store: PackageStore, disks: Disks
) -> None:
    archive, hashes = bundle(tmp_path), hashes_of(PAGE)
    manifest = second_generation(archive, hashes)
    told: list[tuple[str, int, int]] = []
    source = source_of(archive, hashes)
    installed = install_package(
        "notes",
        digest_of(manifest),
        manifest,
        source=source,
        store=store,
        disks=disks,
        told=lambda *words: told.append(words),
    )
    assert (installed.folder / "page").read_bytes() == PAGE
    assert told == [("notes", len(archive), len(archive))]
    assert store.changed_files("notes", installed.digest) == []


def test_a_foundries_app_whose_list_says_something_else_is_refused_with_the_files_name(
    tmp_path: Path, store: PackageStore, disks: Disks
) -> None:
    archive, hashes = bundle(tmp_path), hashes_of(b"another page")
    manifest = second_generation(archive, hashes)
    source = source_of(archive, hashes)
    with pytest.raises(BundleUnusable, match="'page' is not what"):
        install_package("notes", digest_of(manifest), manifest, source=source, store=store, disks=disks)
    assert list((tmp_path / "state" / "apps").iterdir()) == []


def test_layer_sizes_that_make_no_sense_are_refused_by_their_name(
    tmp_path: Path, store: PackageStore, disks: Disks
) -> None:
    archive, hashes, sizes = bundle(tmp_path), hashes_of(PAGE), b"[]"
    layers: list[Plain] = [plain(describe(archive, OCTETS)), plain(describe(sizes, OCTETS, {"layers-meta": "v1"}))]
    manifest = second_generation(archive, hashes, layers=layers)
    source = source_of(archive, sizes)
    with pytest.raises(PackageUnreadable, match="the layer sizes of notes"):
        install_package("notes", digest_of(manifest), manifest, source=source, store=store, disks=disks)


def test_a_foundries_app_that_unpacks_to_more_than_there_is_room_for_is_not_extracted(
    tmp_path: Path, store: PackageStore, disks: Disks, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = bundle(tmp_path, bytes(2**20))
    manifest = second_generation(archive, b"", layers=[plain(describe(archive, OCTETS))])
    room = replace(room_of(tmp_path), block_bytes=4096, free_bytes=2**18)
    monkeypatch.setattr("mosaic.device.packages.fitting.room_of", lambda _: room)
    with pytest.raises(NoRoom, match=r"it needs 1\.0 MiB"):
        install_package("notes", digest_of(manifest), manifest, source=source_of(archive), store=store, disks=disks)
    assert list((tmp_path / "state" / "apps").iterdir()) == []


def test_what_a_killed_extraction_left_makes_room_for_the_next(
    tmp_path: Path, store: PackageStore, disks: Disks, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = bundle(tmp_path)
    manifest = second_generation(archive, b"", layers=[plain(describe(archive, OCTETS))])
    draft = draft_of(store.folder("notes", digest_of(manifest)))
    draft.mkdir(parents=True)
    (draft / "page").write_bytes(b"half")
    room = room_of(tmp_path)
    left = replace(room, free_bytes=0)
    monkeypatch.setattr("mosaic.device.packages.fitting.room_of", lambda _: left if draft.exists() else room)
    installed = install_package(
        "notes", digest_of(manifest), manifest, source=source_of(archive), store=store, disks=disks
    )
    assert (installed.folder / "page").read_bytes() == PAGE


def test_two_apps_whose_images_fit_one_by_one_but_not_together_are_not_both_installed(
    tmp_path: Path, store: PackageStore, disks: Disks, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive, manifests, contents = bundle(tmp_path), [], []
    for word in (b"one", b"two"):
        sizes = layer_sizes.write({"amd64": PlatformLayers(4096, {digest_of(word): LayerSize(1, 6 * 2**30)})})
        layers: list[Plain] = [plain(describe(archive, OCTETS)), plain(describe(sizes, OCTETS, {"layers-meta": "v1"}))]
        manifests.append(second_generation(archive, b"", layers=layers))
        contents.append(sizes)
    room = replace(room_of(tmp_path), free_bytes=10 * 2**30)
    monkeypatch.setattr("mosaic.device.packages.fitting.room_of", lambda _: room)
    source, (first, second) = source_of(archive, *contents), manifests
    install_package("first", digest_of(first), first, source=source, store=store, disks=disks)
    with pytest.raises(NoRoom, match=r"it needs 12\.0 GiB"):
        install_package("second", digest_of(second), second, source=source, store=store, disks=disks)


def test_a_name_that_would_be_another_path_is_refused_before_anything_is_fetched(
    tmp_path: Path, store: PackageStore, disks: Disks
) -> None:
    manifest = second_generation(bundle(tmp_path), hashes_of(PAGE))
    with pytest.raises(PackageNameRefused):
        install_package("../x", digest_of(manifest), manifest, source=source_of(), store=store, disks=disks)
    assert list((tmp_path / "state" / "blobs" / "sha256").iterdir()) == []


def test_images_that_were_promised_room_count_for_the_next_app_and_present_ones_do_not(tmp_path: Path) -> None:
    most = room_of(tmp_path).total_bytes
    first, second = (digest_of(word) for word in (b"first", b"second"))
    disks = Disks(tmp_path, tmp_path, architecture="amd64", present={second}, watermark=100)
    huge = {digest: PlatformLayers(4096, {digest: LayerSize(1, most)}) for digest in (first, second)}
    disks.promise(huge[second])
    disks.require(missing=[], index=None, bundle_bytes=0, layers=huge[second])
    disks.promise(huge[first])
    with pytest.raises(NoRoom):
        disks.require(missing=[], index=None, bundle_bytes=0, layers=None)
