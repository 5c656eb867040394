"""Having a package whole in the Hive's store: for as long as bytes keep coming, once, and gone on with after a stop."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest

from mosaic.adapters.oci.credentials import NoCredentials
from mosaic.adapters.oci.limits import Limits
from mosaic.adapters.oci.registries import Registries
from mosaic.core import file_index, package
from mosaic.core.descriptor_json import describe
from mosaic.core.errors import MosaicError, Unavailable
from mosaic.core.file_index import IndexedFile
from mosaic.core.oci_types import Digest, digest_of
from mosaic.core.package import About, PackageUnreadable, PlainTar
from mosaic.hive.bundles import Bundles
from mosaic.hive.packages import HiveLacksRoom, PackageComing, Packages, Wanted
from support.scripted_registry import RawReply, Reply, Request, ScriptedRegistry, scripted_registry
from support.waiting import eventually

BUNDLE = bytes(range(256)) * 4096
COMPOSE = b"services: {web: {image: a}}\n"
LIMITS = Limits(tries=1, first_pause_seconds=0.01)


@dataclass
class Shelf:
    """A registry with one package. It stops in the middle of the bundle while `held`; `lies` are other contents."""

    index: bytes = field(default_factory=lambda: _index(COMPOSE))
    held: threading.Event | None = None
    lies: dict[Digest, bytes] = field(default_factory=dict)

    @property
    def manifest(self) -> bytes:
        bundle = describe(BUNDLE, package.BUNDLE_TYPE)
        tar = PlainTar(digest_of(b"tar"), 3)
        about = About("wiki")
        return package.write(about, bundle=bundle, tar=tar, index=self.index, layer_sizes=None, compose=COMPOSE)

    def answer(self, request: Request) -> Reply | RawReply:
        every = {digest_of(one): one for one in (BUNDLE, COMPOSE, self.index)}
        digest = Digest(request.path.rpartition("/")[2])
        if digest not in every:
            return Reply(404)
        content, start = self.lies.get(digest, every[digest]), request.range_start
        headers = {"Content-Length": str(len(content) - start)}
        if "range" in request.headers:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        body = self._pieces(content[start:]) if content is BUNDLE and not start else [content[start:]]
        return Reply(206 if "range" in request.headers else 200, headers, body)

    def _pieces(self, content: bytes) -> Iterator[bytes]:
        yield content[: len(content) // 2]
        if self.held is not None:
            self.held.wait(60)
        yield content[len(content) // 2 :]


@dataclass
class World:
    """A Hive's store, and the registry that it is filled from."""

    shelf: Shelf
    registry: ScriptedRegistry
    bundles: Bundles
    registries: Registries

    @property
    def wanted(self) -> Wanted:
        manifest = self.shelf.manifest
        return Wanted("wiki", f"{self.registry.host}/team/wiki@{digest_of(manifest)}", manifest)

    def packages(self, *, wait_seconds: float = 60.0) -> Packages:
        """Return what a started Hive has."""
        made = Packages(self.bundles, self.registries)
        made.wait_seconds = wait_seconds
        return made

    def bundle_requests(self) -> list[int]:
        """Return from where on the bundle was asked for, each time."""
        asked = [one for one in self.registry.asked if one.path.endswith(digest_of(BUNDLE))]
        return [one.range_start for one in asked]

    def is_whole(self) -> bool:
        return self.bundles.has(digest_of(self.shelf.manifest))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with _world(tmp_path, Shelf()) as made:
        yield made


@contextmanager
def _world(folder: Path, shelf: Shelf) -> Iterator[World]:
    registries = Registries(NoCredentials(), limits=LIMITS)
    with scripted_registry(shelf.answer) as registry:
        yield World(shelf, registry, Bundles(folder / "bundles"), registries)
    registries.close()


def have(packages: Packages, wanted: Wanted) -> None:
    anyio.run(packages.have, wanted)


def _index(compose: bytes) -> bytes:
    files = {"docker-compose.yml": IndexedFile(hashlib.sha256(compose).hexdigest(), len(compose), False)}
    return file_index.write(file_index.of(files, {}, set()))


def test_a_package_is_here_whole_and_asked_for_once_however_many_want_it(world: World) -> None:
    packages, wanted = world.packages(), world.wanted

    async def all_at_once() -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(packages.have, wanted)

    anyio.run(all_at_once)
    assert world.bundle_requests() == [0]
    assert world.bundles.path(digest_of(BUNDLE)).read_bytes() == BUNDLE
    assert world.is_whole()
    have(packages, wanted)
    assert world.bundle_requests() == [0]


def test_a_package_that_takes_longer_goes_on_while_nobody_waits(world: World) -> None:
    world.shelf.held = threading.Event()
    packages = world.packages(wait_seconds=0.05)
    with pytest.raises(PackageComing, match="of 2 MiB"):
        have(packages, world.wanted)
    assert not world.is_whole()
    world.shelf.held.set()
    eventually(world.is_whole)
    packages.wait_seconds = 60
    have(packages, world.wanted)
    assert world.bundle_requests() == [0]


def test_what_a_stop_left_is_gone_on_with(world: World) -> None:
    world.shelf.held = threading.Event()
    packages = world.packages(wait_seconds=0.05)
    part = world.bundles.fetching(digest_of(BUNDLE)).with_name(f"sha256-{digest_of(BUNDLE)[7:]}.part")
    with pytest.raises(PackageComing):
        have(packages, world.wanted)
    eventually(lambda: part.exists() and part.stat().st_size >= len(BUNDLE) // 4)
    packages.stop()
    world.shelf.held.set()
    with pytest.raises(Unavailable, match="the Hive stops"):
        eventually(lambda: _ended(packages, world.wanted))
    assert not world.is_whole()

    have(world.packages(), world.wanted)
    assert world.bundles.path(digest_of(BUNDLE)).read_bytes() == BUNDLE
    assert world.bundle_requests()[-1] > 0


def _ended(packages: Packages, wanted: Wanted) -> bool:
    """Ask until something else is said than that it comes."""
    try:
        have(packages, wanted)
    except PackageComing:
        return False
    return True


def test_a_blob_that_is_wrong_is_refused_and_another_try_begins_anew(world: World) -> None:
    world.shelf.lies[digest_of(BUNDLE)] = BUNDLE[:-1] + b"x"
    packages = world.packages()
    for _ in range(2):
        with pytest.raises(MosaicError) as refused:
            have(packages, world.wanted)
        assert refused.value.code == "registry-blob-damaged"
        assert not world.bundles.has(digest_of(BUNDLE))
        assert not world.is_whole()
    world.shelf.lies.clear()
    have(packages, world.wanted)
    assert world.is_whole()


def test_a_blob_that_rotted_in_the_store_is_fetched_again(world: World) -> None:
    have(world.packages(), world.wanted)
    world.bundles.path(digest_of(BUNDLE)).write_bytes(BUNDLE[:-1] + b"x")
    have(world.packages(), world.wanted)
    assert world.bundles.path(digest_of(BUNDLE)).read_bytes() == BUNDLE


def test_what_does_not_fit_is_refused_with_the_numbers_before_its_first_byte(world: World) -> None:
    packages = world.packages()
    packages.spared_bytes = 2**62
    with pytest.raises(HiveLacksRoom, match=str(2**62)):
        have(packages, world.wanted)
    assert world.registry.asked == []


def test_a_compose_file_that_is_not_the_one_in_the_bundle_is_refused(tmp_path: Path) -> None:
    with _world(tmp_path, Shelf(_index(b"services: {web: {image: other}}\n"))) as world:
        with pytest.raises(PackageUnreadable, match="compose file is not the one"):
            have(world.packages(), world.wanted)
        assert not world.is_whole()


@pytest.mark.parametrize("app", [b"{}", b"no manifest"])
def test_what_is_no_package_is_refused_before_anything_is_asked_for(world: World, app: bytes) -> None:
    with pytest.raises(PackageUnreadable):
        have(world.packages(), Wanted("wiki", world.wanted.uri, app))
    assert world.registry.asked == []
