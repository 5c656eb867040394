"""Another version of Mosaic on a machine with a Hive, a Device and an app in use: real wheels in real environments.

First the Device becomes it by itself, by a signed package; then its owner has
the Hive follow, with `mosaic upgrade`. Each test leaves the world as the next one needs it.
"""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from e2e.publishers import DEVICE_COMPOSE, CommandLinePublisher
from e2e.ships import asked_all_the_time
from e2e.world import World, eventually, fetch, read_notes, write_note
from mosaic.adapters.oci.credentials import NoCredentials
from mosaic.adapters.oci.registries import Registries
from mosaic.cli.up import versions
from mosaic.cli.up.orphans import read_note
from mosaic.cli.up.services import own_packages
from mosaic.cli.upgrading import own_choice
from support.app_repositories import git, push_image
from support.installed_mosaic import build_wheel, make_beside, put_into, write_lock
from support.ran import Ran
from support.registry_server import registry_server
from support.target_world import served
from support.unshared import free_port

pytestmark = [pytest.mark.engine, pytest.mark.registry, pytest.mark.timeout(600)]

NEXT, LATER, BROKEN = "0.2.0", "0.3.0", "0.4.0"
SERVICES = ("hive", "storage", "device")
CANNOT_START = 'def serve(config):\n    raise OSError("no such port, today")'


@dataclass(frozen=True)
class Publisher(CommandLinePublisher):
    """Somebody who publishes versions of Mosaic by the command line."""

    registries: Registries

    def publish(self, version: str) -> None:
        """Publish a version. Its image is never pulled here: this Device is in no container."""
        push_image(self.registries, self.server.host, "team/device", version, version.encode())
        app = self.folder / "repository/mosaic-device"
        (app / "host").mkdir(parents=True)
        (app / "docker-compose.yml").write_text(
            DEVICE_COMPOSE.format(image=f"{self.server.host}/team/device:{version}")
        )
        (app / "version").write_text(f"{version}\n")
        wheel = build_wheel(self.folder / "wheel", version)
        shutil.copy(wheel, app / "host" / wheel.name)
        write_lock(app / "host/requirements.lock")
        git(app.parent, "init", "--quiet")
        git(app.parent, "add", "--all", "--force")
        git(app.parent, "commit", "--quiet", "--message", f"Mosaic {version}")
        self.world.ok("app", "publish", str(app.parent), "--registry", f"{self.server.host}/team", *self.places)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A `mosaic up --demo` of its own: what runs in it is another version afterwards."""
    made = World(tmp_path_factory.mktemp("w"), driver="mosaic-upgr")
    try:
        made.start("--demo", "--port", str(free_port()))
        (made.folder / "passphrase").write_text(made.welcome["passphrase"])
        yield made
    finally:
        made.end()
        shutil.rmtree(made.folder, ignore_errors=True)


@pytest.fixture(scope="module")
def publisher(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Publisher]:
    """A publisher whose catalog the owner believes, with a version of Mosaic in it."""
    folder = tmp_path_factory.mktemp("publisher")
    with (
        registry_server(folder / "registry") as server,
        served(folder / "public") as mirror,
        closing(Registries(NoCredentials())) as registries,
    ):
        made = Publisher(world, folder, server, registries)
        (folder / "secret").write_text("a passphrase for offline keys\n")
        offline = ("--offline-keys", str(folder / "drawer"), "--passphrase-file", str(folder / "secret"))
        world.ok("app", "keys", "init", *made.places, *offline)
        made.publish(NEXT)
        passphrase = ("--passphrase-file", str(world.folder / "passphrase"))
        world.ok("catalog", "add", "mosaic", mirror.address, "--yes", *passphrase)
        yield made


@pytest.fixture(scope="module")
def beside(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for environments that share the packages of the one that the Device made."""
    return tmp_path_factory.mktemp("beside")


def environment(world: World, beside: Path, version: str, *, serve: str = "") -> Path:
    """Make the environment of a version as its owner would, and return its Python."""
    python = make_beside(beside / version, versions.folder_of(world.home, NEXT))
    put_into(python, build_wheel(beside / f"wheel-{version}", version, serve=serve))
    return python


def upgrade(world: World, python: Path) -> Ran:
    """Run the new version's own command, as docs/upgrading.md says."""
    words = [str(python.with_name("mosaic")), "upgrade", "--gate-seconds", "2", "--json"]
    env = {**world.env, **own_packages(str(python))}
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, env=env, stdin=subprocess.DEVNULL)
    return Ran(done.returncode, done.stdout, done.stderr)


def pythons(world: World) -> dict[str, str | None]:
    """Return which Python runs each service, as the kernel says."""
    return {service: versions.program_of(world.home, service) for service in SERVICES}


def version(world: World) -> str:
    """Return what the Hive says that it is."""
    return str(fetch(f"{world.welcome['console']}/api/hive")["version"])


def is_settled(world: World) -> bool:
    (home,) = world.asked("/api/devices")
    return bool(home["connected"] and world.installation("notes")["phase"] == "settled")


def test_a_device_becomes_a_signed_version_its_storage_daemon_follows_and_the_hive_is_not_touched(
    world: World, publisher: Publisher
) -> None:
    address, hive, first = world.address("notes"), read_note(world.home.note("hive")), version(world)
    write_note(address, "written before")
    assert set(pythons(world).values()) == {sys.executable}
    with asked_all_the_time(address) as failures:
        ran = world.mosaic("device", "upgrade", "home", "--json")
        assert ran.code == 0, f"{ran.stdout}{ran.stderr}\n{world.told()}"
        eventually(lambda: is_settled(world), "the Device of the new version is there", seconds=60)
    assert failures == []
    assert (ran.value["newest"]["stage"], ran.value["newest"]["version"]) == ("kept", NEXT)
    own = str(versions.python_of(versions.folder_of(world.home, NEXT)))
    assert pythons(world) == {"hive": sys.executable, "storage": own, "device": own}
    assert (read_note(world.home.note("hive")), version(world)) == (hive, first)
    assert list(read_notes(address)) == ["written before"]


def test_hive_storage_daemon_and_device_follow_one_another_and_the_app_answers_all_the_time(
    world: World, publisher: Publisher, beside: Path
) -> None:
    """The Device's own choice is overtaken: its owner has brought a later version."""
    later, address = environment(world, beside, LATER), world.address("notes")
    with asked_all_the_time(address) as failures:
        ran = upgrade(world, later)
        assert ran.code == 0, f"{ran.stdout}{ran.stderr}\n{world.told()}"
        eventually(lambda: is_settled(world), "the Device of the new version is there", seconds=60)
    assert failures == []
    assert (ran.value["after"], ran.value["late"], version(world)) == (LATER, [], LATER)
    assert set(pythons(world).values()) == {str(later)}
    assert own_choice.read(world.home) is None
    assert list(read_notes(address)) == ["written before"]


def test_after_it_what_an_app_writes_is_replicated_by_the_new_version(world: World) -> None:
    write_note(world.address("notes"), "written after")
    written_ns = time.time_ns()

    def is_replicated() -> bool:
        replicas = [one for volume in world.installation("notes")["volumes"] for one in volume["replicas"]]
        return any((one["instant_ns"] or 0) > written_ns for one in replicas)

    eventually(is_replicated, "a snapshot of after it is acknowledged", seconds=120)


def test_one_that_does_not_start_is_put_back_and_the_app_answers_all_the_time(world: World, beside: Path) -> None:
    address, before = world.address("notes"), pythons(world)
    broken = environment(world, beside, BROKEN, serve=CANNOT_START)
    with asked_all_the_time(address) as failures:
        ran = upgrade(world, broken)
        eventually(lambda: is_settled(world), "the Device is connected again", seconds=60)
    assert failures == []
    said = json.loads(ran.stdout)["error"]
    assert (ran.code, said["code"]) == (1, "upgrade-failed")
    assert "no such port, today" in said["message"]
    assert (version(world), pythons(world)) == (LATER, before)
    assert set(read_notes(address)) == {"written before", "written after"}


def test_from_its_next_start_on_the_new_version_runs_everything_by_itself(world: World, beside: Path) -> None:
    """The supervisor too, which the upgrade left as it was; an older one refuses the newer database."""
    assert world.stop(world.processes[-1]) == 0
    older = world.mosaic("up", "--json", seconds=120)
    assert older.code == 1
    assert "newer" in older.stdout + older.stderr
    world.python = str(beside / LATER / "bin/python")
    world.start()
    eventually(lambda: is_settled(world), "the Device is connected again", seconds=60)
    assert (version(world), set(pythons(world).values())) == (LATER, {world.python})
    assert set(read_notes(world.address("notes"))) == {"written before", "written after"}
