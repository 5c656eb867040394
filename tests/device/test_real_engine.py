"""A Device on a real engine and a real storage daemon, cut short at every step; only the Hive is simulated."""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import anyio
import msgspec
import psycopg
import pytest

from mosaic.adapters import process
from mosaic.adapters.docker.engine import DockerEngine
from mosaic.core.consistency import label
from mosaic.core.ids import VolumeId
from mosaic.crypto.volume_keys import volume_keys
from mosaic.device.config import DEFAULT_ENGINE
from mosaic.device.doing.keys import seed_of
from mosaic.device.observe import device_label
from mosaic.device.records import Records
from mosaic.storage.config import PLUGIN_DIR
from mosaic.storage.engine.heads import root_of
from mosaic.storage.engine.index import ChunkIndex
from mosaic.storage.engine.nodes import NodeMap
from mosaic.storage.engine.restore import restore
from mosaic.wire.assignment import VolumeAssignment
from mosaic.wire.head import Head, parse
from mosaic.wire.updating import Update
from support import fake_hive_blobs
from support.absent_drivers import stand_aside, stand_in
from support.device_world import NOTES, Running, World, assignment, wants
from support.postgres import new_database, postgres_program, postgres_server
from support.storage_daemon import TestDaemon, place
from support.stores import MemoryStore

pytestmark = [pytest.mark.engine, pytest.mark.btrfs]

COMPOSE = """
services:
  web:
    image: {image}
    command: ["sh", "-c", "echo here >> /data/log; trap 'exit 0' TERM; while :; do sleep 1 & wait; done"]
    init: true
    stop_grace_period: 2s
    volumes: ["data:/data"]
    ports: ["80"]
    healthcheck:
      test: ["CMD", "test", "-s", "/data/log"]
      interval: 1s
  once:
    image: {image}
    command: ["true"]
    restart: "no"
volumes:
  data: {{}}
"""
IMAGES = ("mosaic/base:12", "debian:12-slim", "mosaic/notes-nginx:1")


class Real:
    """The world, its daemon, and the Hive's blobs."""

    def __init__(self, world: World, daemon: TestDaemon, blobs: fake_hive_blobs.FakeHive, digest: str) -> None:
        self.world, self.daemon, self.blobs, self.digest = world, daemon, blobs, digest
        self._epoch = ""

    def run(
        self,
        goal: str = "run",
        *,
        anew: bool = False,
        until: Callable[[Running], bool] | None = None,
        update: Update | None = None,
    ) -> Running:
        """Run a Device with this goal, under the lease of now or the next one."""
        volumes = [self._named(one, anew=anew) for one in self.world.hive.registered.values()]
        epoch = None if goal == "drop" else self._epoch or "1.1"
        item = assignment(self.digest, goal, epoch, volumes=volumes, update=update)
        return self.world.run(wants(item), until=until)

    def _named(self, one: VolumeAssignment, *, anew: bool) -> VolumeAssignment:
        if anew or not self._epoch:
            self._epoch, base = self.blobs.grant(one.volume, "token-a")
            self._base = base
        newest = self.blobs.volume(one.volume).newest
        return msgspec.structs.replace(one, base=self._base, newest=newest)

    def containers(self) -> list[str]:
        found = anyio.run(lambda: DockerEngine(DEFAULT_ENGINE).containers(device_label(self.world.device)))
        return sorted(f"{one.service} {one.state}" for one in found)


@pytest.fixture
def real(tmp_path: Path, btrfs_path: Path) -> Iterator[Real]:
    # One name for all: an engine never forgets a volume driver, and waits for each that has gone.
    name = "test"
    engine = DockerEngine(DEFAULT_ENGINE)
    image = next(iter(anyio.run(engine.images, IMAGES)), None)
    assert image is not None, "script/images has not built a base image"
    world = World(tmp_path / "d", name)
    world.device = secrets.token_hex(16)
    world.seconds = 60
    world.real_engine = engine
    with fake_hive_blobs.FakeHive().running() as blobs, place(btrfs_path, name, "token-a") as daemon:
        daemon.config = replace(daemon.config, plugin_dir=PLUGIN_DIR)
        stand_aside(f"mosaic-{name}")
        daemon.start()
        world.real_storage = daemon.client
        _grant_at_registration(world, blobs)
        try:
            daemon.connect(blobs)
            yield Real(world, daemon, blobs, world.publish(COMPOSE.format(image=image)))
        finally:
            _remove(engine, world)
            daemon.stop()
            stand_in(f"mosaic-{name}")


def _grant_at_registration(world: World, blobs: fake_hive_blobs.FakeHive) -> None:
    """The lease was granted before the keys were made: the blob endpoint must take heads of its first epoch."""

    def grant(made: VolumeAssignment) -> None:
        if blobs.volume(made.volume).epoch is None:
            blobs.grant(VolumeId(made.volume), "token-a")

    world.hive.when_registered = grant


def _remove(engine: DockerEngine, world: World) -> None:
    anyio.run(lambda: engine.end_containers(device_label(world.device), grace_seconds=1))
    for name in docker_volumes(world):
        process.attempt(["docker", "volume", "rm", "--force", name], deadline_seconds=60)


def docker_volumes(world: World) -> list[str]:
    with Records(world.config.ledger) as records:
        return records.notes_of(NOTES).docker_volumes


def test_an_app_is_started_moved_away_and_forgotten(real: Real) -> None:
    after = real.run().report()
    assert (after.phase, after.healthy, after.problem) == ("running", True, None)
    assert real.containers() == ["once exited", "web running"]

    assert real.run("leave").report().phase == "released"
    assert real.containers() == []

    assert real.run("drop").report().phase == "dropped"


@pytest.mark.parametrize("step", ["PullImages", "MakeKeys", "HoldVolumes", "StartApp", "Snapshot"])
def test_an_install_that_is_cut_short_in_any_step_converges(real: Real, step: str) -> None:
    def is_there(running: Running) -> bool:
        return running.is_settled() or any(type(work.step).__name__ == step for work in running.fleet.works)

    real.run(until=is_there)

    after = real.run().report()

    assert (after.phase, after.healthy, after.problem) == ("running", True, None)
    assert real.containers() == ["once exited", "web running"]
    assert len(real.world.hive.registered) == 1


def test_a_service_that_is_killed_is_started_again_by_its_event(real: Real) -> None:
    real.run()
    web = f"mosaic-{real.world.device[:8]}-{NOTES}-web-1"
    process.run(["docker", "kill", web], deadline_seconds=60)

    after = real.run().report()

    assert after.healthy
    assert real.containers() == ["once exited", "web running"]


def test_removing_a_volume_by_hand_is_refused_and_says_what_to_type(real: Real) -> None:
    real.run()
    real.run("leave")

    said = process.attempt(["docker", "volume", "rm", docker_volumes(real.world)[0]], deadline_seconds=60)

    assert said.code != 0
    assert "mosaic uninstall" in said.stderr.decode()


def read_log(real: Real) -> list[str]:
    web = f"mosaic-{real.world.device[:8]}-{NOTES}-web-1"
    said = process.run(["docker", "exec", web, "cat", "/data/log"], deadline_seconds=60)
    return said.stdout.decode().split()


@pytest.mark.parametrize("is_well", [True, False])
def test_a_new_version_counts_or_leaves_the_one_before_with_its_data(real: Real, is_well: bool) -> None:
    real.run()
    image = next(iter(anyio.run(DockerEngine(DEFAULT_ENGINE).images, IMAGES)))
    compose = COMPOSE.format(image=image).replace("echo here", "echo migrated")
    newer = real.world.publish(compose if is_well else compose.replace('"test", "-s", "/data/log"', '"false"'))

    def is_over(running: Running) -> bool:
        over = running.means.records.update_of(NOTES).outcome is not None
        return over and all(work.idle for work in running.fleet.works)

    after = real.run(update=Update("wish", newer, gate_seconds=1), until=is_over).report()

    assert (after.phase, after.healthy, after.problem) == ("running", True, None)
    assert after.update is not None
    if is_well:
        assert (after.update.stage, after.app_digest) == ("done", newer)
        assert read_log(real) == ["here", "migrated"]
    else:
        assert (after.update.stage, after.app_digest) == ("failed", real.digest)
        # What the version before writes at its second start follows what it wrote at its first.
        assert read_log(real) == ["here", "here"]
        assert after.update.kept is not None


DATABASE = """
services:
  db:
    image: mosaic/notes-db:1
    environment: {POSTGRES_USER: notes, POSTGRES_PASSWORD: notes}
    stop_grace_period: 10s
    volumes: ["data:/var/lib/postgresql/data", "dumps:/dump"]
    healthcheck:
      test: ["CMD", "pg_isready", "--quiet", "--host=127.0.0.1"]
      interval: 1s
volumes:
  data: {}
  dumps: {}
x-mosaic:
  snapshot:
    before:
      service: db
      command:
        - sh
        - -c
        - >-
          psql -qU notes -c 'CREATE TABLE page AS SELECT generate_series(1, 1000) AS number'
          && pg_dump -U notes -Fc -f /dump/notes.dump
    after: {service: db, command: [psql, -qU, notes, -c, DROP TABLE page]}
"""


@pytest.mark.postgres
def test_the_dump_that_an_app_made_before_a_snapshot_restores_from_it(real: Real, tmp_path: Path) -> None:
    real.digest = real.world.publish(DATABASE)

    def prepared() -> list[Head]:
        heads = [parse(signed)[0] for found in real.blobs.volumes.values() for signed in found.heads]
        return [head for head in heads if label(head.flags) == "app-consistent"]

    def is_over(running: Running) -> bool:
        notes = running.means.records.notes_of(NOTES)
        assert running.fleet.works[0].problem is None
        return bool(prepared()) and notes.consistent_ns is not None and not notes.after_owed

    running = real.run(until=is_over)

    (head,) = prepared()
    (volume,) = real.world.hive.registered.values()
    keys = volume_keys(seed_of(running.means, volume).reveal())
    store, known = MemoryStore(), ChunkIndex()
    store.objects.update(real.blobs.volume(head.volume).objects)
    known.load(store, keys)
    target = tmp_path / "restored"
    target.mkdir()
    restore(root_of(head), keys, store, target, known=known, nodes=NodeMap())
    dumps = [path for path in target.rglob("notes.dump") if path.stat().st_size]
    assert len(dumps) == 1
    with postgres_server() as server:
        database = new_database(server)
        process.run(
            [str(postgres_program("pg_restore")), "--no-owner", "--exit-on-error", "--dbname", database, str(dumps[0])],
            deadline_seconds=60,
        )
        with psycopg.connect(database) as connection:
            assert connection.execute("SELECT count(*), sum(number) FROM page").fetchone() == (1000, 500500)
