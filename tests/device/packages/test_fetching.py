"""From a trusted Target to installed packages: only what TUF signed is believed, and nothing is fetched twice."""

import os
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from mosaic.adapters.disk_room import room_of
from mosaic.adapters.oci.failures import ManifestDamaged
from mosaic.adapters.trust.refusals import TrustMixed
from mosaic.core.disk_forecast import NoRoom
from mosaic.core.oci_types import Descriptor
from mosaic.core.package import AppManifest
from mosaic.device.packages.blobs import BlobWrong
from mosaic.device.packages.fetching import fetch_app, fetch_target
from mosaic.device.packages.installing import PackageDamaged
from support.app_repositories import Workshop
from support.killed_disk import killed_anywhere
from support.receiving_device import Receiver, manifest_of, publish_page
from support.registry_server import RegistryServer

pytestmark = pytest.mark.registry


def flip(file: Path) -> None:
    """Change one byte in the middle."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def update(workshop: Workshop, device: Receiver) -> str:
    """Have the first version on the Device and publish a second, which it trusts; return that one's uri."""
    assert device.fetch().failed == {}
    publish_page(workshop, "notes", page=b"two")
    return device.target().apps["notes"]


def test_an_app_of_a_trusted_target_is_installed_and_the_next_version_beside_it(
    workshop: Workshop, device: Receiver
) -> None:
    update(workshop, device)
    before = device.store.current("notes")
    fetched = device.fetch()
    assert (dict(fetched.failed), device.page("notes")) == ({}, b"two")
    assert before is not None
    assert fetched.installed["notes"].previous == before.digest
    assert "library/nginx@sha256:" in (fetched.installed["notes"].folder / "docker-compose.yml").read_text()


def test_what_is_here_is_not_asked_for_again(workshop: Workshop, device: Receiver) -> None:
    first = device.fetch()
    # Index, layer sizes, compose file and bundle. The manifest came from the repository of Targets.
    assert len(device.registries.asked) == 4
    device.registries.fall_silent()
    shutil.rmtree(workshop.folder / "public")
    assert device.fetch() == first
    assert device.registries.asked == []
    device.store.prune(dict)
    assert device.fetch() == first
    assert device.registries.asked == []


def test_a_bundle_that_is_half_here_is_gone_on_with(
    server: RegistryServer, workshop: Workshop, device: Receiver
) -> None:
    bundle = manifest_of(workshop, device.target().apps["notes"]).bundle
    half = server.blob_file(bundle.digest).read_bytes()[: bundle.size // 2]
    device.store.blobs.part(bundle.digest).write_bytes(half)
    told: list[tuple[str, int, int]] = []
    device.fetch_app("notes", told=lambda *words: told.append(words))
    assert told[0] == ("notes", len(half), bundle.size)
    assert told[-1] == ("notes", bundle.size, bundle.size)
    assert device.page("notes") == b"one"


def test_a_touched_version_is_mended_from_what_is_here(device: Receiver) -> None:
    installed = device.fetch_app("notes")
    (installed.folder / "page").write_bytes(b"mine")
    device.registries.fall_silent()
    device.fetch_app("notes")
    assert device.page("notes") == b"one"


@pytest.mark.parametrize(
    ("part", "blob"),
    [
        ("bundle of notes", lambda app: app.bundle),
        ("file index of notes", lambda app: app.index),
        ("list of layer sizes of notes", lambda app: app.layer_sizes),
        ("compose file of notes", lambda app: app.compose),
    ],
)
def test_one_flipped_byte_in_the_registry_is_refused_and_the_version_before_stays(
    server: RegistryServer, workshop: Workshop, device: Receiver, part: str, blob: Callable[[AppManifest], Descriptor]
) -> None:
    uri = update(workshop, device)
    versions = device.versions("notes")
    file = server.blob_file(blob(manifest_of(workshop, uri)).digest)
    flip(file)
    error = device.fetch().failed["notes"]
    assert isinstance(error, PackageDamaged)
    assert part in error.message
    assert server.host in error.message
    assert "publish the app again" in error.hint
    assert (device.page("notes"), device.versions("notes")) == (b"one", versions)
    flip(file)
    assert device.fetch().failed == {}
    assert device.page("notes") == b"two"


def test_a_flipped_byte_in_the_registrys_manifest_is_refused_where_it_is_asked_for_it(
    server: RegistryServer, workshop: Workshop, device: Receiver
) -> None:
    uri = update(workshop, device)
    versions = device.versions("notes")
    public = workshop.folder / "public" / "targets" / "stable" / "apps" / "notes"
    file = server.blob_file(uri.partition("@")[2])
    public.rename(public.with_name("away"))
    flip(file)
    error = device.fetch().failed["notes"]
    assert isinstance(error, ManifestDamaged)
    assert uri.partition("@")[2] in error.message
    assert (device.page("notes"), device.versions("notes")) == (b"one", versions)
    # Whoever has the right bytes will do.
    public.with_name("away").rename(public)
    assert device.fetch().failed == {}
    assert device.page("notes") == b"two"


def test_where_the_repository_has_lost_a_manifest_the_registrys_will_do(workshop: Workshop, device: Receiver) -> None:
    device.target()
    shutil.rmtree(workshop.folder / "public" / "targets")
    assert device.fetch().failed == {}
    assert device.page("notes") == b"one"


def test_a_damaged_manifest_of_the_repository_is_not_used(workshop: Workshop, device: Receiver) -> None:
    device.target()
    (file,) = (workshop.folder / "public" / "targets" / "stable" / "apps" / "notes").iterdir()
    flip(file)
    assert device.fetch().failed == {}
    assert device.page("notes") == b"one"


def test_a_manifest_that_is_not_the_one_in_the_uri_is_refused(device: Receiver) -> None:
    uri = device.target().apps["notes"]
    with pytest.raises(BlobWrong):
        fetch_app("notes", uri, b"{}", registries=device.registries, store=device.store, disks=device.disks)
    assert device.registries.asked == []


def test_an_app_under_a_name_that_was_not_signed_is_refused(device: Receiver) -> None:
    device.fetch()
    target = device.target()
    renamed = replace(target, apps={"wiki": target.apps["notes"]})
    fetched = fetch_target(
        renamed, device.trusted, registries=device.registries, store=device.store, disks=device.disks
    )
    assert isinstance(fetched.failed["wiki"], TrustMixed)
    assert device.store.current("wiki") is None


def test_a_blob_that_rotted_here_is_fetched_again(workshop: Workshop, device: Receiver) -> None:
    device.fetch()
    app = manifest_of(workshop, device.target().apps["notes"])
    for blob in app.every:
        flip(device.store.blobs.path(blob.digest))
    assert device.fetch().failed == {}
    assert all(device.store.blobs.is_whole(blob.digest) for blob in app.every)


def test_a_manifest_that_rotted_here_is_mended_by_fetching_again(device: Receiver) -> None:
    digest = device.fetch().installed["notes"].digest
    flip(device.store.blobs.path(digest))
    assert device.fetch().failed == {}
    assert device.store.blobs.is_whole(digest)


def test_an_app_that_does_not_fit_is_refused_with_numbers_before_its_bundle_is_asked_for(
    workshop: Workshop, device: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = update(workshop, device)
    full = room_of(device.folder)
    monkeypatch.setattr("mosaic.device.packages.fitting.room_of", lambda _: replace(full, free_bytes=4096))
    error = device.fetch().failed["notes"]
    assert isinstance(error, NoRoom)
    assert "KiB free" in error.message
    bundle = manifest_of(workshop, uri).bundle
    assert device.store.blobs.missing([bundle]) == [(bundle, 0)]
    assert not device.store.blobs.part(bundle.digest).exists()
    assert device.page("notes") == b"one"


def test_an_app_that_is_here_needs_no_room(device: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    device.fetch()
    full = room_of(device.folder)
    monkeypatch.setattr("mosaic.device.packages.fitting.room_of", lambda _: replace(full, free_bytes=0))
    assert device.fetch().failed == {}


def test_a_failing_app_stops_none_of_the_others_and_every_error_is_told(
    server: RegistryServer, workshop: Workshop, device: Receiver
) -> None:
    publish_page(workshop, "album", "blog", "wiki", page=b"one")
    apps = device.target().apps
    damaged = [server.blob_file(manifest_of(workshop, apps[name]).bundle.digest) for name in ("album", "notes")]
    for file in damaged:
        flip(file)
    fetched = device.fetch()
    assert [*fetched.installed] == ["blog", "wiki"]
    assert {name: type(error) for name, error in fetched.failed.items()} == dict.fromkeys(
        ("album", "notes"), PackageDamaged
    )


def test_killed_anywhere_it_converges(
    workshop: Workshop, device: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An update whose bundle comes in several pieces, killed at any change of the disk and begun again."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    assert device.fetch().failed == {}
    second = random.Random(1).randbytes(200_000)
    publish_page(workshop, "notes", page=second)
    device.target()
    numbers = count()

    def begin() -> Receiver:
        place = shutil.copytree(device.folder, tmp_path / "worlds" / str(next(numbers)), symlinks=True)
        return Receiver(place, device.root, device.base, device.registries)

    for world in killed_anywhere(begin, Receiver.fetch):
        assert world.page("notes") in (b"one", second)
        assert world.fetch().failed == {}
        assert world.page("notes") == second
        assert not [path.name for path in (world.folder / "state" / "blobs" / "sha256").glob("*.part")]
        shutil.rmtree(world.folder)
    assert next(numbers) > 40
