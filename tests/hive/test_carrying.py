"""An app in a file: believed by the root that the owner signed for, where no registry and no repository answers."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from mosaic.adapters import oci_layout
from mosaic.cli import own_packages
from mosaic.cli.own_packages import OwnPackage
from mosaic.core.errors import MosaicError
from mosaic.core.oci_types import digest_of
from mosaic.wire.api import CatalogApp
from mosaic.wire.versions import AddCatalog, Catalog
from support.app_repositories import Workshop
from support.fake_device import FakeDevice
from support.manual_clock import ManualClock
from support.own_apps import import_app, packed
from support.owner_catalogs import add, ask, change, first_root, listed, signed, sources, workshop_of
from support.registry_server import registry_server
from support.running_hive import Owner, running_hive
from support.second_account import second_account
from support.waiting import eventually

pytestmark = pytest.mark.registry

NOWHERE = "file:///nowhere/at/all"
DAY_SECONDS = 24 * 3600


@dataclass
class Carried:
    """What was exported of one version after another, and the publisher. Its registry is gone."""

    workshop: Workshop
    first: Path
    second: Path
    other: Path


@pytest.fixture(scope="module")
def carried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Carried]:
    folder = tmp_path_factory.mktemp("carried")
    files = [folder / name for name in ("first.mosaic", "second.mosaic", "other.mosaic")]
    with ExitStack() as open_ones:
        server = open_ones.enter_context(registry_server(folder / "registry"))
        hive = open_ones.enter_context(running_hive(folder / "hive", clock=ManualClock()))
        owner, attic = hive.set_up(), FakeDevice("attic")
        attic.join(owner.join_token())
        attic.connect()
        open_ones.callback(attic.disconnect)
        workshop = workshop_of(folder / "workshop", server.host, "wiki")
        add(owner, workshop)
        export(owner, "wiki", files[0])
        change(workshop)
        with owner.client() as client:
            client.order("POST", "/api/catalogs/community/refresh")
        export(owner, "wiki", files[1])
        other = workshop_of(folder / "stranger", server.host, "journal")
        add(owner, other, "strangers")
        export(owner, "journal", files[2])
    yield Carried(workshop, *files)
    workshop.registries.close()
    other.registries.close()


@pytest.fixture
def believing(owner: Owner, carried: Carried) -> Owner:
    """An owner on another Hive who believes the publisher's root, and reaches neither repository nor registry."""
    add(owner, carried.workshop, "community", url=NOWHERE)
    return owner


def export(owner: Owner, app: str, to: Path) -> None:
    with owner.client() as client:
        client.download("/api/app-export", to, query={"app": app})


def package_in(file: Path, scratch: Path) -> OwnPackage:
    return own_packages.from_file(oci_layout.read(file, scratch))


def take_in(owner: Owner, package: OwnPackage) -> list[CatalogApp]:
    with owner.client() as client:
        return own_packages.send_carried(client, package)


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(MosaicError) as raised:
        call()
    return raised.value.code


def kept(owner: Owner) -> list[str]:
    return [path.name for path in (owner.hive.config.state / "bundles").glob("sha256*")]


def test_an_app_is_installed_by_its_signature_where_no_registry_answers(
    believing: Owner, carried: Carried, joined: Callable[[str], FakeDevice], tmp_path: Path
) -> None:
    device, package = joined("cellar"), package_in(carried.second, tmp_path / "in")
    assert listed(believing) == {}
    (entry,) = take_in(believing, package)
    assert (entry.app, entry.source, entry.digest, entry.label) == ("wiki", "community", package.digest, "stable 2")
    assert (entry.title, entry.problem) == ("Another wiki", None)
    assert sources(believing)[0].problem is None
    made = believing.install("wiki")
    assert (made.app_digest, made.catalog) == (package.digest, "community")
    eventually(lambda: device.assigned(made.installation))
    for digest in package.blobs:
        answer = ask(device, f"/api/device/packages/{package.digest}/blobs/{digest}")
        assert (answer.status_code, digest_of(answer.content)) == (200, digest)
    assert take_in(believing, package) == [entry]


def test_a_file_is_of_the_channel_whose_metadata_it_has_where_two_of_one_root_are_believed(
    believing: Owner, carried: Carried, joined: Callable[[str], FakeDevice], tmp_path: Path
) -> None:
    joined("cellar")
    root = first_root(carried.workshop)
    with believing.client() as client:
        for name, channel in (("another", "stab"), ("beta", "testing")):
            wish = AddCatalog(signed(believing, root, name, channel), NOWHERE, root)
            client.send("POST", "/api/catalogs", wish, Catalog)
    (entry,) = take_in(believing, package_in(carried.second, tmp_path / "in"))
    assert (entry.source, entry.label) == ("community", "stable 2")


def test_what_a_file_holds_is_what_was_installed_elsewhere_and_can_be_carried_on(
    believing: Owner, carried: Carried, joined: Callable[[str], FakeDevice], tmp_path: Path
) -> None:
    joined("cellar")
    take_in(believing, package_in(carried.second, tmp_path / "in"))
    export(believing, "wiki", tmp_path / "again.mosaic")
    assert (tmp_path / "again.mosaic").read_bytes() == carried.second.read_bytes()


def test_a_file_of_an_older_version_takes_nobody_back(believing: Owner, carried: Carried, tmp_path: Path) -> None:
    (newer,) = take_in(believing, package_in(carried.second, tmp_path / "second"))
    before = kept(believing)
    assert refused(partial(take_in, believing, package_in(carried.first, tmp_path / "first"))) == "trust-rollback"
    assert (listed(believing), kept(believing)) == ({"wiki": newer}, before)


def test_a_file_adds_no_catalog(owner: Owner, believing: Owner, carried: Carried, tmp_path: Path) -> None:
    package = package_in(carried.other, tmp_path / "in")
    assert refused(partial(take_in, believing, package)) == "catalog-not-added"
    bob = second_account(owner.hive)
    assert refused(partial(take_in, bob, package_in(carried.second, tmp_path / "second"))) == "catalog-not-added"
    assert kept(believing) == []


def test_what_is_not_as_it_was_signed_is_refused_and_nothing_is_kept(
    believing: Owner, carried: Carried, tmp_path: Path
) -> None:
    package = package_in(carried.second, tmp_path / "in")
    stranger = package_in(carried.other, tmp_path / "other")
    metadata = dict(package.metadata)
    for name in metadata:
        changed = {**metadata, name: metadata[name].replace(b"0", b"1")}
        wrong = replace(package, metadata=changed)
        code = refused(partial(take_in, believing, wrong))
        assert code.startswith("trust-") or code == "catalog-not-added", (name, code)
    for wrong, code in (
        (replace(stranger, metadata=metadata), "app-not-signed"),
        (replace(package, metadata={**metadata, "../up.json": b"{}"}), "import-refused"),
        (replace(package, metadata={**metadata, **{f"{n}.x.json": b"" for n in range(3000)}}), "import-refused"),
        (replace(package, manifest=b"{}"), "import-refused"),
        (replace(package, blobs={}), "parts-missing"),
    ):
        assert refused(partial(take_in, believing, wrong)) == code
        believing.hive.stop()
        believing.hive.start()
    assert (listed(believing), kept(believing)) == ({}, [])


def test_a_file_is_believed_as_long_as_its_timestamp(
    believing: Owner, carried: Carried, clock: ManualClock, tmp_path: Path
) -> None:
    clock.advance(8 * DAY_SECONDS)
    assert refused(partial(take_in, believing, package_in(carried.second, tmp_path / "in"))) == "trust-expired"
    assert kept(believing) == []


def test_what_would_not_be_believed_is_not_exported(
    believing: Owner,
    carried: Carried,
    clock: ManualClock,
    joined: Callable[[str], FakeDevice],
    tmp_path: Path,
) -> None:
    joined("cellar")
    take_in(believing, package_in(carried.second, tmp_path / "in"))
    clock.advance(8 * DAY_SECONDS)
    assert refused(partial(export, believing, "wiki", tmp_path / "late.mosaic")) == "trust-expired"
    assert refused(partial(export, believing, "notes", tmp_path / "notes.mosaic")) == "nobody-signed"
    assert refused(partial(export, believing, "unknown", tmp_path / "unknown.mosaic")) == "app-unknown"
    assert list(tmp_path.glob("*.mosaic*")) == []


def test_an_export_whose_part_is_damaged_here_does_not_come_to_be(owner: Owner, tmp_path: Path) -> None:
    package = packed(tmp_path / "made")
    import_app(owner, package)
    bundle = owner.hive.config.state / "bundles" / package.bundle.digest.replace(":", "-")
    bundle.write_bytes(bundle.read_bytes()[::-1])
    assert refused(partial(export, owner, "diary", tmp_path / "diary.mosaic")) == "hive-silent"
    assert list(tmp_path.glob("*.mosaic*")) == []
