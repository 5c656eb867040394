"""A Device in a container becomes another version of itself, by a signed package, while an app of it is asked."""

import json
import os
import signal
from collections.abc import Iterator

import pytest

from e2e.publishers import DEVICE_COMPOSE, CommandLinePublisher
from e2e.ships import asked_all_the_time, is_green, lone_hive, paste
from e2e.world import World, eventually, read_notes, write_note
from mosaic.adapters.docker.image_build import push_image
from mosaic.core.device_container import SECRETS
from support import device_images
from support.app_repositories import ENGINE, git
from support.at_engine import docker
from support.contained_device import ContainedDevice, contained_device
from support.device_images import NEWER, Kind
from support.ran import Json
from support.registry_server import registry_server
from support.target_world import served

pytestmark = [pytest.mark.engine, pytest.mark.registry, pytest.mark.timeout(900)]

NAME = "yawl"
TRIAL_SECONDS = "20"


class Publisher(CommandLinePublisher):
    """Somebody who publishes versions of Mosaic by the command line."""

    def publish(self, kind: Kind, version: str = NEWER) -> None:
        """Publish a version of the Device, and have the Hive see it."""
        name = f"{self.server.host}/team/device:{kind}-{version}"
        device_images.build(self.folder / f"{kind}-{version}", kind, name=name, version=version)
        push_image(ENGINE, name)
        repository = self.folder / "repository"
        app = repository / "mosaic-device"
        app.mkdir(parents=True, exist_ok=True)
        (app / "docker-compose.yml").write_text(DEVICE_COMPOSE.format(image=name))
        (app / "version").write_text(f"{version}\n")
        git(repository, "add", "--all")
        git(repository, "commit", "--quiet", "--message", f"Mosaic {version}, {kind}")
        self.world.ok("app", "publish", str(repository), "--registry", f"{self.server.host}/team", *self.places)
        self.world.ok("catalog", "refresh", "mosaic")


@pytest.fixture(scope="module")
def hive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A Hive alone, with an account and no Device."""
    with lone_hive(tmp_path_factory.mktemp("h")) as made:
        yield made


@pytest.fixture(scope="module")
def publisher(hive: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Publisher]:
    """A publisher whose catalog the owner believes, with a version that does not start."""
    folder = tmp_path_factory.mktemp("publisher")
    with registry_server(folder / "registry") as server, served(folder / "public") as mirror:
        made = Publisher(hive, folder, server)
        (folder / "secret").write_text("a passphrase for offline keys\n")
        offline = ("--offline-keys", str(folder / "drawer"), "--passphrase-file", str(folder / "secret"))
        hive.ok("app", "keys", "init", *made.places, *offline)
        (folder / "repository").mkdir()
        git(folder / "repository", "init", "--quiet")
        passphrase = ("--passphrase-file", str(hive.folder / "passphrase"))
        hive.ok("catalog", "add", "mosaic", mirror.address, "--yes", *passphrase)
        yield made


@pytest.fixture(scope="module")
def yawl(hive: World) -> Iterator[ContainedDevice]:
    """A Device in containers that has joined, is green, and runs an app."""
    with contained_device(hive.folder / NAME, called="mosaic-yawl") as made:
        made.settings = {"MOSAIC_UPGRADE_SECONDS": TRIAL_SECONDS}
        paste(hive, made, NAME)
        passphrase = str(hive.folder / "passphrase")
        ran = hive.mosaic(
            "install", "notes", "--name", NAME, "--device", NAME, "--approve", "--passphrase-file", passphrase
        )
        assert ran.code == 0, f"{ran.stderr}\n{made.told()}"
        yield made


def state_of(hive: World) -> Json:
    return hive.asked(f"/api/devices/{NAME}/upgrade")


def outcomes(hive: World) -> list[str]:
    """Return what came of the upgrades, by the Hive's audit log."""
    rows = hive.asked("/api/audit?after=0")["rows"]
    return [
        one["entry"]["outcome"] for one in rows if one["entry"]["kind"] == "upgrade" and one["entry"]["by"] == "hive"
    ]


def mounts(seen: Json) -> set[tuple[str, str, bool]]:
    return {(one["Source"], one["Destination"], one["RW"]) for one in seen["Mounts"]}


def settled(hive: World, yawl: ContainedDevice) -> None:
    """Wait until one Device runs, and nothing of the upgrade is left."""

    def is_alone() -> bool:
        found = docker("ps", "--all", "--format", "{{.Names}}", "--filter", f"name={yawl.container}").split()
        return sorted(found) == [yawl.container, yawl.front, yawl.storage] and is_green(hive, NAME)

    eventually(is_alone, "one Device is left, and green", seconds=120)


def test_who_did_not_opt_in_is_left_alone_and_tells_no_version(
    hive: World, publisher: Publisher, yawl: ContainedDevice
) -> None:
    publisher.publish("broken")
    assert state_of(hive)["offer"]["catalog"] == "mosaic"
    assert state_of(hive)["newest"] is None
    assert state_of(hive)["version"] == ""
    hive.ok("device", "upgrades", NAME, "on")
    eventually(lambda: state_of(hive)["version"] != "", "the version is told", seconds=60)
    hive.ok("device", "upgrades", NAME, "off")
    eventually(lambda: state_of(hive)["version"] == "", "it is told no more", seconds=60)


def test_a_version_that_does_not_start_is_put_back_with_its_last_lines_and_apps_never_notice(
    hive: World, publisher: Publisher, yawl: ContainedDevice
) -> None:
    publisher.publish("broken", "9.0.1")
    before = yawl.inspected(yawl.container)["Id"]
    with asked_all_the_time(hive.address(NAME)) as failures:
        ran = hive.mosaic("device", "upgrade", NAME)
        assert ran.code == 1, f"{ran.stdout}\n{yawl.told()}"
        settled(hive, yawl)
    assert failures == []
    assert "cannot start here" in ran.stderr
    require_put_back(hive, yawl, before)


def test_one_that_never_reports_is_put_back_also_when_the_replacer_is_killed_meanwhile(
    hive: World, publisher: Publisher, yawl: ContainedDevice
) -> None:
    publisher.publish("mute", "9.0.2")
    before = yawl.inspected(yawl.container)["Id"]
    with asked_all_the_time(hive.address(NAME)) as failures:
        hive.ok("device", "upgrade", NAME, "--no-wait")
        eventually(lambda: journal(yawl)["stage"] == "trying", "the new one is tried", seconds=60)
        os.kill(yawl.inspected(f"{yawl.container}-upgrade")["State"]["Pid"], signal.SIGKILL)
        eventually(lambda: journal(yawl)["stage"] == "back", "it is put back", seconds=120)
        settled(hive, yawl)
    assert failures == []
    require_put_back(hive, yawl, before)


def journal(yawl: ContainedDevice) -> Json:
    file = yawl.state / "device/upgrade.json"
    return json.loads(file.read_text()) if file.exists() else {"stage": ""}


def require_put_back(hive: World, yawl: ContainedDevice, before: str) -> None:
    """Look whether the very container of before runs as before, and its owner knows why."""
    seen = yawl.inspected(yawl.container)
    assert seen["Id"] == before
    assert seen["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"
    eventually(lambda: state_of(hive)["newest"]["stage"] == "back", "the Hive knows", seconds=60)
    assert state_of(hive)["offer"]["failed"]
    assert outcomes(hive)[-1] == "failed"


def is_of_another(yawl: ContainedDevice, name: str, before: Json) -> bool:
    runs = docker("ps", "--quiet", "--filter", f"name=^{name}$").strip()
    return runs != "" and yawl.inspected(runs)["Image"] != before["Image"]


def test_a_good_version_is_kept_and_apps_never_notice(hive: World, publisher: Publisher, yawl: ContainedDevice) -> None:
    address = hive.address(NAME)
    write_note(address, "written before")
    publisher.publish("good")
    before = yawl.inspected(yawl.container)
    with asked_all_the_time(address) as failures:
        ran = hive.mosaic("device", "upgrade", NAME)
        assert ran.code == 0, f"{ran.stderr}\n{yawl.told()}"
        settled(hive, yawl)
        for follower in (yawl.storage, yawl.front):
            eventually(lambda name=follower: is_of_another(yawl, name, before), f"{follower} follows", seconds=120)
        settled(hive, yawl)
    assert failures == []
    after = yawl.inspected(yawl.container)
    assert after["Image"] != before["Image"]
    assert after["HostConfig"] == before["HostConfig"]
    assert mounts(after) == mounts(before)
    kept = {one for one in before["Config"]["Env"] if one.partition("=")[0] not in SECRETS}
    assert set(after["Config"]["Env"]) == kept
    assert any(one.startswith("MOSAIC_JOIN=") for one in before["Config"]["Env"])
    assert list(read_notes(address)) == ["written before"]
    assert state_of(hive)["newest"]["version"] == NEWER
    assert outcomes(hive)[-1] == "done"
