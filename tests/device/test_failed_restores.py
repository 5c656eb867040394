"""What a Device does when it cannot restore an app that it was granted: it says so, and holds nothing back."""

from pathlib import Path

import msgspec
import pytest

from mosaic.device.config import LINK_IMAGE
from mosaic.wire.assignment import Assignment
from support.device_world import COMPOSE, NOTES, World, assignment, wants
from support.fake_storage import FakeStore

TWO_VOLUMES = """
services:
  nginx:
    image: front:1
    volumes: ["files:/srv/files"]
  link:
    image: fractalnetworks/link:latest
    environment: {LINK: $LINK_DOMAIN_DEFAULT, TOKEN: $LINK_TOKEN_DEFAULT, EXPOSE: "nginx:80"}
    cap_add: [NET_ADMIN]
    volumes: ["keep:/root/.local/share/caddy"]
volumes:
  files: {}
  keep: {external: true, name: $LINK_VOLUME_NAME}
"""


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


@pytest.fixture
def cellar(store: FakeStore, tmp_path: Path) -> World:
    """A Device that shall take over what the attic left in the store."""
    made = World(tmp_path / "cellar", "cellar", store)
    made.engine.have(LINK_IMAGE)
    return made


def moved_out(store: FakeStore, folder: Path, cellar: World, compose: str) -> str:
    """Install on another Device and leave it again, so that all data is in the store. Returns the app's digest."""
    attic = World(folder / "attic", "attic", store)
    attic.engine.have(LINK_IMAGE)
    digest = attic.publish(compose)
    attic.run(wants(assignment(digest, "run")))
    volumes = list(attic.hive.registered.values())
    attic.run(wants(assignment(digest, "leave", "1.1", volumes=volumes), revision=2))
    cellar.root, cellar.owner_key = attic.root, attic.owner_key
    cellar.hive.bundles, cellar.hive.registered = attic.hive.bundles, attic.hive.registered
    return digest


def goal(cellar: World, digest: str, what: str, epoch: str | None) -> Assignment:
    newest = cellar.store.newest
    volumes = [
        msgspec.structs.replace(one, base=newest[one.volume], newest=newest[one.volume])
        for one in cellar.hive.registered.values()
    ]
    return assignment(digest, what, epoch, volumes=volumes)


def damage(cellar: World, kind: str) -> str:
    """Make one volume's newest head one that cannot be restored. Returns the volume."""
    volume = cellar.hive.registered[(NOTES, kind)].volume
    cellar.storage.damaged.add(cellar.store.newest[volume])
    return volume


@pytest.mark.parametrize("kind", ["data", "link"])
def test_an_app_of_which_one_volume_cannot_be_restored_leaves_all_of_them(
    store: FakeStore, tmp_path: Path, cellar: World, kind: str
) -> None:
    digest = moved_out(store, tmp_path, cellar, TWO_VOLUMES)
    damage(cellar, kind)
    before = dict(store.newest)

    failed = cellar.run(wants(goal(cellar, digest, "run", "1.2"))).report()
    left = cellar.run(wants(goal(cellar, digest, "leave", "1.2"), revision=2)).report()

    assert failed.problem is not None
    assert (failed.phase, failed.problem.code) == ("failed", "restore-incomplete")
    assert (left.phase, left.epoch) == ("released", "1.2")
    assert cellar.engine.running == {}
    assert {volume.epoch for volume in cellar.storage.volumes.values()} == {None}
    assert store.newest == before, "an app that never ran here has no snapshot from here"


def test_what_a_failed_restore_left_is_let_go_by_a_device_that_need_not_have_it(
    store: FakeStore, tmp_path: Path, cellar: World
) -> None:
    digest = moved_out(store, tmp_path, cellar, COMPOSE)
    volume = damage(cellar, "data")
    cellar.run(wants(goal(cellar, digest, "run", "1.2")))

    after = cellar.run(wants(goal(cellar, digest, "drop", None), revision=2)).report()

    assert after.phase == "dropped"
    assert cellar.storage.volumes[volume].phase == "absent"


def test_a_restore_ahead_that_cannot_end_is_told_at_once(store: FakeStore, tmp_path: Path, cellar: World) -> None:
    digest = moved_out(store, tmp_path, cellar, COMPOSE)
    damage(cellar, "data")

    after = cellar.run(wants(goal(cellar, digest, "prepare", None))).report()

    assert after.problem is not None
    assert (after.phase, after.problem.code) == ("failed", "restore-incomplete")
