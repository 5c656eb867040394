"""Isolated mode of a Device in a container: the machine's engine sees none of its apps."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e import ships
from e2e import test_device_in_container as contained
from e2e import test_own_engine as alone
from e2e.world import World, eventually, fetch
from mosaic.cli.up.layout import Layout
from mosaic.cli.up.own_engine import IMAGE
from support.at_engine import docker
from support.contained_device import ContainedDevice, contained_device
from support.ran import Json

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

NAME = "mosaic-pod"
LOW_PORT = 911
hive = contained.hive


class Pod:
    """The Device, its Hive, and the app in its engine."""

    def __init__(self, world: World, made: ContainedDevice) -> None:
        self.world = world
        self.made = made
        self.layout = Layout(made.state)

    def engine(self, *words: str) -> str:
        """Ask its own engine."""
        return docker("--host", f"unix://{self.layout.engine_socket}", *words)

    def says(self, wanted: str) -> None:
        """Wait until the app answers with what was written into it."""

        def said() -> str:
            try:
                return str(fetch(f"http://127.0.0.1:{LOW_PORT}"))
            except OSError as error:
                return str(error)

        try:
            eventually(lambda: said() == wanted, f"the app says {wanted!r}", seconds=120)
        except AssertionError as error:
            raise AssertionError(f"{error}, and not {said()!r}\n{self.made.told()}") from None

    def write(self, text: str) -> None:
        """Have the app keep something."""
        fetch(f"http://127.0.0.1:{LOW_PORT}", method="POST", body=text.encode())

    def checks(self) -> dict[str, Json]:
        """Make the checks inside the Device's container."""
        words = ["docker", "exec", self.made.container, "mosaic", "doctor", "--json"]
        said = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
        return {one["name"]: one for one in json.loads(said.stdout)["checks"]}


@pytest.fixture(scope="module")
def pod(hive: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pod]:
    """A Device in isolated mode that was started by the line, with an app that has data and a port below 1024."""
    app = hive.folder / "apps" / "jotter"
    app.mkdir(parents=True)
    program = alone.PROGRAM.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
    text = alone.JOTTER.format(program=program).replace('"8000"', f'"{LOW_PORT}:8000"')
    (app / "docker-compose.yml").write_text(text)
    archive = tmp_path_factory.mktemp("image") / "app.tar"
    docker("save", "--output", str(archive), alone.APP_IMAGE)
    with contained_device(hive.folder / "pod", called=NAME, own_engine=True) as made:
        ships.paste(hive, made, "pod")
        world = Pod(hive, made)
        world.engine("load", "--input", str(archive))
        archive.unlink()
        approve = ["--approve", "--passphrase-file", str(hive.folder / "passphrase")]
        hive.ok("app", "import", str(app), "--yes", *approve[1:])
        ran = hive.mosaic("install", "jotter", "--device", "pod", *approve)
        assert ran.code == 0, f"{ran.stderr}\n{made.told()}"
        world.says("nothing")
        world.write("first ")
        yield world


def test_the_machines_engine_has_none_of_the_containers_volumes_and_images_of_its_apps(pod: Pod) -> None:
    pod.says("first ")
    project = f"mosaic-{pod.world.device_id('pod')[:8]}"
    assert project in pod.engine("ps", "--format", "{{.Names}}")
    assert NAME in pod.engine("volume", "ls", "--format", "{{.Driver}}")
    assert alone.APP_IMAGE in pod.engine("images", "--format", "{{.Repository}}:{{.Tag}}")
    assert project not in docker("ps", "--all", "--format", "{{.Names}}")
    assert project not in docker("network", "ls", "--format", "{{.Name}}")
    assert NAME not in docker("volume", "ls", "--format", "{{.Driver}}").split()
    assert not Path(f"/run/docker/plugins/{NAME}.sock").exists()


def test_only_the_engine_has_more_than_the_containers_of_any_device(pod: Pod) -> None:
    of_device, of_engine = pod.made.inspected(NAME), pod.made.inspected(f"{NAME}-engine")
    assert contained.mounts(of_device) == {"/var/run/docker.sock", "/etc/machine-id", str(pod.made.state)}
    # Some versions of the engine's command line write the prefix, and others do not.
    assert [one.removeprefix("CAP_") for one in of_device["HostConfig"]["CapAdd"]] == ["NET_BIND_SERVICE"]
    assert of_engine["HostConfig"]["Privileged"] is False
    assert of_engine["HostConfig"]["NetworkMode"] == "bridge"
    assert not of_engine["HostConfig"]["Devices"]
    assert "/var/run/docker.sock" not in contained.mounts(of_engine)
    assert str(pod.made.state) not in contained.mounts(of_engine)


def test_doctor_says_of_which_engine_each_check_is(pod: Pod) -> None:
    found = pod.checks()
    assert "engine" not in found
    for name in ("own engine", "machine's engine", "volume driver"):
        assert found[name]["held"], found[name]
    assert IMAGE in found["own engine's container"]["detail"]


def test_the_app_runs_on_while_the_container_of_its_device_is_replaced(pod: Pod) -> None:
    engine, containers = pod.made.inspected(f"{NAME}-engine")["Id"], pod.engine("ps", "--quiet")
    pod.made.take_away()
    pod.write("alone ")
    pod.made.secrets = {}
    pod.made.paste()
    eventually(lambda: ships.is_green(pod.world, "pod"), "the Device is green again", seconds=120)
    pod.says("first alone ")
    assert pod.made.inspected(f"{NAME}-engine")["Id"] == engine
    assert pod.engine("ps", "--quiet") == containers


@pytest.mark.parametrize("ending", [["kill"], ["restart", "--time", "1"], ["rm", "--force"]])
def test_an_engine_that_ended_comes_back_with_its_apps(pod: Pod, ending: list[str]) -> None:
    before = str(fetch(f"http://127.0.0.1:{LOW_PORT}"))
    docker(*ending, f"{NAME}-engine")
    pod.says(before)
    pod.write("x")
    pod.says(f"{before}x")


def test_after_a_boot_that_starts_the_engine_before_the_storage_daemon_the_app_comes_back(pod: Pod) -> None:
    before, pool = str(fetch(f"http://127.0.0.1:{LOW_PORT}")), pod.made.state / "storage/pool"
    for name in (pod.made.container, pod.made.engine, pod.made.storage):
        docker("stop", name)
    assert not pool.is_mount()
    for name in (pod.made.engine, pod.made.container, pod.made.storage):
        docker("start", name)
    pod.says(before)
    assert pool.is_mount()
    eventually(lambda: ships.is_green(pod.world, "pod"), "the Device is green again", seconds=120)


def test_where_mounts_cannot_be_shared_it_runs_on_plain_folders_and_a_device_that_is_removed_ends_it(
    hive: World,
) -> None:
    with contained_device(hive.folder / "pea", shared=False, called="mosaic-pea", own_engine=True) as made:
        ships.paste(hive, made, "pea")
        assert str(made.state / "storage/folders") in contained.mounts(made.inspected(made.engine))
        hive.ok("device", "remove", "pea", "--yes")
        eventually(lambda: made.engine not in made.parts(), "its engine has ended", seconds=120)
        eventually(
            lambda: made.inspected(made.container)["HostConfig"]["RestartPolicy"]["Name"] == "no",
            "it is not started again",
            seconds=60,
        )


def test_uninstalling_ends_all_of_its_containers_and_deletes_what_it_kept(pod: Pod) -> None:
    made, engine = pod.made, pod.made.inspected(pod.made.engine)["Id"]
    assert {made.container, made.storage, made.engine} <= set(made.parts())
    made.uninstall("--delete-data")
    assert made.parts() == []
    assert docker("ps", "--all", "--quiet", "--no-trunc", "--filter", f"id={engine}") == ""
    assert list(made.state.iterdir()) == []
    mounted = Path("/proc/mounts").read_text()
    assert f"{made.state}/" not in mounted
