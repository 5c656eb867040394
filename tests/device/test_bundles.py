"""A Device takes packages of both kinds into one store: whole or not at all, and from wherever they are."""

import dataclasses
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import anyio
import pytest

from mosaic.adapters.oci.credentials import NoCredentials
from mosaic.adapters.oci.registries import Registries
from mosaic.core.disk_forecast import NoRoom, Shortage
from mosaic.core.errors import MosaicError
from mosaic.core.oci_types import OCI_MANIFEST, digest_of
from mosaic.device.doing import bundles
from mosaic.device.package import folder_of
from mosaic.device.packages.store import PackageStore
from mosaic.device.records import Records
from mosaic.wire.assignment import Assignment
from support.apart import apart
from support.catalog_world import NAME, Catalog, Made, catalog_of, give, made_package
from support.device_world import COMPOSE, NOTES, World, assignment, wants
from support.killed_disk import killed_anywhere
from support.registry_server import RegistryServer, registry_server

pytestmark = pytest.mark.long

CHANGED = COMPOSE + "# changed\n"


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.config = dataclasses.replace(made.config, hardware="generic-amd64")
    return made


def fetch(world: World, item: Assignment) -> int:
    """Fetch as a Device does, from nothing but its folder."""
    with Records(world.config.ledger) as records:
        means = world.means(records, is_confirmed=lambda: True)
        try:
            return anyio.run(bundles.fetch, means, item)
        finally:
            means.packages.close()


def store_of(world: World) -> PackageStore:
    return PackageStore(world.config.state, now_ns=world.clock.wall_ns)


def published(world: World, kind: str, compose: str = COMPOSE) -> str:
    """Have the Hive keep a package of either kind; return its digest."""
    if kind == "plain":
        return world.publish(compose, page="a page")
    made = made_package(world.folder / "made", compose, page=b"a page")
    give(world, made)
    return made.digest


both = pytest.mark.parametrize("kind", ["plain", "manifest"])


@both
def test_a_package_lies_under_its_digest_and_is_fetched_once(world: World, kind: str) -> None:
    item = assignment(published(world, kind), "run")
    assert fetch(world, item) > 0
    world.hive_here = False
    assert fetch(world, item) == 0
    assert (folder_of(world.config, item) / "page").read_bytes() == b"a page"
    assert store_of(world).changed_files("notes", item.app_digest) == []


@both
def test_a_fetch_that_is_killed_anywhere_is_done_by_the_next_one(tmp_path: Path, kind: str) -> None:
    origin = World(tmp_path / "origin")
    item = assignment(published(origin, kind), "run")
    numbers = count()

    def begin() -> World:
        made = World(tmp_path / str(next(numbers)))
        made.hive = origin.hive
        return made

    for world in killed_anywhere(begin, lambda world: fetch(world, item)):
        folder = folder_of(world.config, item)
        if folder.exists():
            assert (folder / "page").read_bytes() == b"a page"
        fetch(world, item)
        assert (folder / "page").read_bytes() == b"a page"
        assert store_of(world).changed_files("notes", item.app_digest) == []
        assert [path.name for path in folder.parent.iterdir() if path.name.startswith(".")] == []


@both
def test_what_the_hive_sends_in_its_place_is_refused_and_nothing_lies_there(world: World, kind: str) -> None:
    digest, other = published(world, kind), published(world, kind, CHANGED)
    world.hive.bundles[digest] = world.hive.bundles[other]
    with pytest.raises(bundles.BundleDiffers):
        fetch(world, assignment(digest, "run"))
    assert not (world.config.apps / "notes").exists()


@both
def test_an_app_that_does_not_fit_is_refused_with_numbers_and_the_version_before_runs_on(
    world: World, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = published(world, kind)
    world.run(wants(assignment(first, "run")))
    if kind == "plain":
        monkeypatch.setattr("mosaic.device.doing.bundles.Disks.require", _no_room)
        second = published(world, kind, CHANGED)
    else:
        made = made_package(world.folder / "made", CHANGED, layer_bytes=2**60)
        give(world, made)
        second = made.digest
        del world.hive.blobs[second, digest_of(made.blobs[0])]
    volumes = list(world.hive.registered.values())
    after = world.run(wants(assignment(second, "run", volumes=volumes), revision=2)).report()
    assert after.problem is not None and after.problem.code == "no-room-for-app"
    assert "GiB" in after.problem.message
    (running,) = world.engine.running.values()
    assert {one.labels["mosaic.app-digest"] for one in running} == {first}
    assert not (world.config.apps / "notes" / second.removeprefix("sha256:")).exists()


def _no_room(*_: object, **__: object) -> None:
    raise NoRoom([Shortage("/", 2**40, 0, 2**30)])


def test_layers_that_the_engine_has_for_certain_need_no_room(world: World) -> None:
    """Another app's package has the same layers, and all of its images are here."""
    first = made_package(world.folder / "made", layer_bytes=1)
    give(world, first)
    world.run(wants(assignment(first.digest, "run")))
    second = made_package(world.folder / "made", layer_bytes=2**60, page=b"other")
    give(world, second)
    fetch(world, assignment(second.digest, "run"))
    assert store_of(world).has("notes", second.digest)


@both
def test_a_file_that_was_changed_is_put_back_before_the_app_starts(world: World, kind: str) -> None:
    item = assignment(published(world, kind), "run")
    fetch(world, item)
    (folder_of(world.config, item) / "page").write_bytes(b"mine")
    (folder_of(world.config, item) / "files").mkdir()
    world.run(wants(item))
    assert sorted(path.name for path in folder_of(world.config, item).iterdir()) == ["docker-compose.yml", "page"]
    assert (folder_of(world.config, item) / "page").read_bytes() == b"a page"
    aside = folder_of(world.config, item).with_name(f".{item.app_digest.removeprefix('sha256:')}.aside")
    assert (aside / "page").read_bytes() == b"mine"


@both
def test_what_is_damaged_in_the_store_too_is_fetched_again(world: World, kind: str) -> None:
    item = assignment(published(world, kind), "run")
    fetch(world, item)
    (folder_of(world.config, item) / "page").write_bytes(b"mine")
    for blob in (world.config.state / "blobs" / "sha256").iterdir():
        if blob.stat().st_size > 0 and not blob.read_bytes().startswith(b'{"files'):
            blob.write_bytes(b"rotten")
    world.run(wants(item))
    assert (folder_of(world.config, item) / "page").read_bytes() == b"a page"


@both
def test_versions_go_when_nothing_refers_to_them_and_the_one_before_stays(world: World, kind: str) -> None:
    digests = [published(world, kind, f"{COMPOSE}# {number}\n") for number in range(4)]

    def wanted(digest: str, installation: str, name: str) -> Assignment:
        volumes = [made for (of, _), made in world.hive.registered.items() if of == installation]
        return assignment(digest, "run", installation=installation, name=name, volumes=volumes)

    for number, digest in enumerate(digests, start=1):
        kept = wanted(digests[0], "secondsecond", "second")
        world.run(wants(kept, wanted(digest, NOTES, "notes"), revision=number))
    versions = {path.name for path in (world.config.apps / "notes").iterdir()} - {"versions.json"}
    assert versions == {digest.removeprefix("sha256:") for digest in (digests[0], digests[2], digests[3])}
    assert not store_of(world).blobs.place(digests[1]).exists()


def test_an_app_that_left_leaves_no_package(world: World) -> None:
    digest = published(world, "manifest")
    world.run(wants(assignment(digest, "run")))
    (data,) = world.hive.registered.values()
    world.run(wants(assignment(digest, "leave", volumes=[data]), revision=2))
    newest = {"volume": data.volume, "kind": "data", "wrapped_seed": data.wrapped_seed, "base": None}
    gone = assignment(digest, "drop", None, volumes=[{**newest, "newest": world.store.newest[data.volume]}])
    assert world.run(wants(gone, revision=3)).report().phase == "dropped"
    assert not (world.config.apps / "notes").exists()
    assert not any((world.config.state / "blobs" / "sha256").iterdir())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    with registry_server(tmp_path_factory.mktemp("registry")) as running:
        yield running


def pushed(world: World, server: RegistryServer, catalog: Catalog, made: Made) -> str:
    """Have a registry keep a package and a catalog list it, and the Hive keep nothing of it."""
    registries = Registries(NoCredentials())
    for blob in made.blobs:
        registries.at(server.host).push_blob("apps/notes", blob)
    registries.at(server.host).push_manifest("apps/notes", made.manifest, OCI_MANIFEST, tags=["1"])
    registries.close()
    digest = catalog.publish(made, host=server.host)
    world.hive.bundles.clear()
    world.hive.blobs.clear()
    return digest


@pytest.mark.registry
def test_what_the_hive_lacks_comes_from_the_registry_that_the_catalog_names(
    world: World, server: RegistryServer
) -> None:
    digest = pushed(world, server, catalog_of(world), made_package(world.folder / "made", page=b"a page"))
    item = assignment(digest, "run", catalog=NAME)
    assert apart(lambda: world.run(wants(item)).report()).phase == "running"
    assert (folder_of(world.config, item) / "page").read_bytes() == b"a page"


@pytest.mark.registry
def test_without_a_catalog_no_registry_is_asked(world: World, server: RegistryServer) -> None:
    digest = pushed(world, server, catalog_of(world), made_package(world.folder / "made", page=b"a page"))
    with pytest.raises(MosaicError, match="does not have"):
        apart(lambda: fetch(world, assignment(digest, "run")))
