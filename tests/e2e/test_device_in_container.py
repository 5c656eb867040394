"""A Device in containers, from the pasted line on: it joins, runs an app, and is replaced while the app runs."""

import http.client
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from e2e.ships import asked_all_the_time, is_green, lone_hive, paste
from e2e.world import World, eventually, read_notes, write_note
from mosaic.adapters import loop
from mosaic.core.device_container import JOIN, PASSPHRASE, STORAGE_CAPABILITIES, device, front, run_words
from mosaic.core.device_upgrade import Journal, Program
from mosaic.core.errors import REFUSED_CODE
from mosaic.device.upgrading import journal as journals
from support.at_engine import docker
from support.contained_device import IMAGE, ContainedDevice, contained_device
from support.ran import Json
from support.terminal import in_a_terminal
from support.visitors import Visits, asked, visiting

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

NAME = "ship"
ENOUGH = 20
BITS = {
    "CHOWN": 0, "DAC_OVERRIDE": 1, "FOWNER": 3, "FSETID": 4,
    "SYS_PTRACE": 19, "SYS_ADMIN": 21, "MKNOD": 27, "SETFCAP": 31,
}  # fmt: skip
"""The kernel's numbers of capabilities (linux/capability.h)."""


@pytest.fixture(scope="module")
def hive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A Hive alone, with an account and no Device."""
    with lone_hive(tmp_path_factory.mktemp("h")) as made:
        yield made


@pytest.fixture(scope="module")
def ship(hive: World) -> Iterator[ContainedDevice]:
    """A Device in containers that has joined and is green."""
    with contained_device(hive.folder / NAME) as made:
        paste(hive, made, NAME)
        yield made


def capabilities(seen: Json) -> set[str]:
    """Return what the kernel would let the container's processes have at most."""
    status = Path(f"/proc/{seen['State']['Pid']}/status").read_text()
    (bound,) = [int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapBnd:")]
    found = {name for name, bit in BITS.items() if bound >> bit & 1}
    assert sum(1 << BITS[name] for name in found) == bound, f"unknown capabilities in {bound:x}"
    return found


def mounts(seen: Json) -> set[str]:
    return {mount["Destination"] for mount in seen["Mounts"]}


def test_with_another_passphrase_nothing_is_started_and_the_refusal_is_clear(hive: World) -> None:
    with contained_device(hive.folder / "dinghy") as made:
        token = hive.ok("device", "add", "--name", "dinghy", "--wait-for-admission")
        made.secrets = {JOIN: token["join_token"], PASSPHRASE: "not the passphrase of this account"}
        made.paste(name="dinghy")
        ended = eventually(lambda: refused(made), "the Device ends for good", seconds=60)
        assert ended["HostConfig"]["RestartPolicy"]["Name"] == "no"
        assert "passphrase" in made.told()
        for one in (made.storage, made.front):
            assert docker("ps", "--all", "--quiet", "--filter", f"name=^{one}$") == ""
        assert not (made.state / "device/identity.json").exists()


def refused(made: ContainedDevice) -> Json:
    seen = made.inspected(made.container)
    return seen if seen["State"]["Status"] == "exited" and seen["State"]["ExitCode"] == REFUSED_CODE else None


def test_in_a_terminal_it_asks_for_the_passphrase_and_does_not_show_what_is_typed(hive: World) -> None:
    words = (hive.folder / "passphrase").read_text().strip()
    wrong = " ".join(["zoo"] * 5 + ["wrong"])
    with contained_device(hive.folder / "yawl") as made:
        added = hive.ok("device", "add", "--name", "yawl", "--passphrase-file", str(hive.folder / "passphrase"))
        made.secrets = {JOIN: added["join_token"]}
        line = run_words(device(made.chosen(name="yawl")), terminal=True)
        with in_a_terminal(line, env={**os.environ, **made.secrets}) as terminal:
            eventually(lambda: "Passphrase of the account" in terminal.shown, "it asks", seconds=60)
            terminal.enter(wrong)
            eventually(lambda: "check the words and their order" in terminal.shown, "it says so", seconds=60)
            eventually(lambda: terminal.shown.count("Passphrase of the account") == 2, "it asks again", seconds=60)
            terminal.enter(words)
            eventually(lambda: is_green(hive, "yawl"), "the Device is green", seconds=120)
            assert wrong not in terminal.shown and words not in terminal.shown
        assert is_green(hive, "yawl")


def test_where_mounts_cannot_be_shared_volumes_are_plain_folders_and_the_device_says_so(hive: World) -> None:
    with contained_device(hive.folder / "raft", shared=False) as made:
        paste(hive, made, "raft")
        seen = made.inspected(made.storage)
        assert not seen["HostConfig"]["Devices"]
        assert (made.state / "storage/folders").is_dir()
        assert not (made.state / "storage/pool.img").exists()
        assert "mount --make-rshared" in made.told()


def test_the_front_ends_with_a_device_that_is_removed_and_neither_is_started_again(hive: World) -> None:
    with contained_device(hive.folder / "barge") as made:
        paste(hive, made, "barge")
        assert there(made.front)
        hive.ok("device", "remove", "barge", "--stop", "--yes")
        eventually(lambda: has_stayed_ended(made), "the engine does not start it again", seconds=120)
        assert not there(made.front)


def has_stayed_ended(made: ContainedDevice) -> bool:
    seen = made.inspected(made.container)
    return seen["HostConfig"]["RestartPolicy"]["Name"] == "no" and not seen["State"]["Running"]


def there(container: str) -> bool:
    return docker("ps", "--all", "--quiet", "--filter", f"name=^{container}$") != ""


def test_nothing_runs_privileged_and_each_has_exactly_what_is_written_down(ship: ContainedDevice) -> None:
    of_device, of_storage, of_front = map(ship.inspected, (ship.container, ship.storage, ship.front))
    for seen in (of_device, of_storage, of_front):
        assert seen["HostConfig"]["Privileged"] is False
        assert seen["HostConfig"]["CapDrop"] == ["ALL"]
        assert seen["HostConfig"]["SecurityOpt"][0] == "no-new-privileges"
    assert capabilities(of_device) == capabilities(of_front) == set()
    assert capabilities(of_storage) == set(STORAGE_CAPABILITIES)
    assert mounts(of_device) == {"/var/run/docker.sock", "/tmp/plugins", "/etc/machine-id", str(ship.state)}
    assert mounts(of_storage) == {"/tmp/plugins", "/tmp/specs", "/etc/machine-id", str(ship.state)}
    assert mounts(of_front) == {str(ship.state / "front")}


def test_no_process_of_the_device_has_the_secrets_that_it_was_started_with(ship: ContainedDevice) -> None:
    init = ship.inspected(ship.container)["State"]["Pid"]
    environment = Path(f"/proc/{init}/environ").read_bytes()
    assert not any(secret.encode() in environment for secret in ship.secrets.values())


def test_an_app_outlives_the_container_of_its_device(hive: World, ship: ContainedDevice) -> None:
    passphrase = str(hive.folder / "passphrase")
    words = ("install", "notes", "--name", NAME, "--device", NAME, "--approve", "--passphrase-file", passphrase)
    ran = hive.mosaic(*words)
    assert ran.code == 0, f"{ran.stderr}\n{ship.told()}"
    address = hive.address(NAME)
    write_note(address, "written before")
    daemon, pool = ship.inspected(ship.storage)["Id"], ship.state / "storage/pool"
    assert pool.is_mount()
    first = ship.inspected(ship.container)["Id"]
    with asked_all_the_time(address) as failures:
        ship.take_away()
        eventually(lambda: not is_green(hive, NAME), "the Hive misses the Device", seconds=120)
        ship.secrets = {}
        ship.paste()
        eventually(lambda: is_green(hive, NAME), "the Device is green again", seconds=120)
    assert failures == []
    assert ship.inspected(ship.container)["Id"] != first
    assert ship.inspected(ship.storage)["Id"] == daemon, "the storage daemon outlived the Device"
    assert pool.is_mount()
    assert list(read_notes(address)) == ["written before"]


def test_no_visitor_by_name_notices_that_the_device_is_killed_restarted_and_replaced(
    hive: World, ship: ContainedDevice
) -> None:
    port, host = by_name(hive)
    before = ship.inspected(ship.front)
    with visiting(port, host, "/healthz") as visits, sending(port, host) as sent:
        docker("kill", "--signal", "KILL", ship.container)
        visits.wait_for(ENOUGH)
        docker("start", ship.container)
        eventually(lambda: times_told(ship) == 2, "the Device has told the front again", seconds=120)
        docker("restart", ship.container)
        eventually(lambda: times_told(ship) == 3, "the Device has told the front again", seconds=120)
        ship.take_away()
        visits.wait_for(ENOUGH)
        ship.paste()
        eventually(lambda: times_told(ship) == 1, "the new Device has told the front", seconds=120)
        eventually(lambda: is_green(hive, NAME), "the Device is green again", seconds=120)
        visits.wait_for(ENOUGH)
    assert visits.lost == [] and sent.lost == []
    after = ship.inspected(ship.front)
    assert (after["Id"], after["State"]["StartedAt"]) == (before["Id"], before["State"]["StartedAt"])


def by_name(hive: World) -> tuple[int, str]:
    """Return the port and the name that the app is visited by."""

    def told() -> str | None:
        seen = hive.installation(NAME)
        url: str | None = seen["reports"].get(seen["device"], {}).get("url")
        return url

    found = urlsplit(eventually(told, "the Device reports where the app is found", seconds=60))
    assert found.port is not None and found.hostname is not None
    return found.port, found.hostname


def times_told(ship: ContainedDevice) -> int:
    """Return how often the Device has begun to tell the front its routes, in the container of now."""
    said = subprocess.run(["docker", "logs", ship.container], capture_output=True, text=True, timeout=60)
    return f"{said.stdout}{said.stderr}".count('"front_on"')


def answers_by_name(port: int, host: str) -> bool:
    with suppress(OSError, http.client.HTTPException):
        return asked(port, host, "/healthz")[0] == 200
    return False


@contextmanager
def sending(port: int, host: str) -> Iterator[Visits]:
    """Send one request all the while, and its last byte at the end of the block."""
    visits, body = Visits(), b'{"text": "sent all the while"}'
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.putrequest("POST", "/api/notes", skip_host=True)
    for header, value in (("Host", f"{host}:{port}"), ("Content-Type", "application/json")):
        connection.putheader(header, value)
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders()
    connection.send(body[:-1])
    yield visits
    connection.send(body[-1:])
    answer = connection.getresponse()
    visits.made("" if answer.status < 300 else f"{answer.status} {answer.read()!r}")
    connection.close()


def test_a_front_that_was_killed_is_started_again_while_the_device_is_away(hive: World, ship: ContainedDevice) -> None:
    port, host = by_name(hive)
    docker("stop", ship.container)
    os.kill(ship.inspected(ship.front)["State"]["Pid"], signal.SIGKILL)
    eventually(lambda: answers_by_name(port, host), "Caddy answers", seconds=60)
    with visiting(port, host, "/healthz") as visits:
        visits.wait_for(ENOUGH)
    assert visits.lost == []
    docker("start", ship.container)
    eventually(lambda: is_green(hive, NAME), "the Device is green again", seconds=120)


def test_a_device_on_trial_leaves_the_front_as_it_is_and_one_that_counts_replaces_it(
    hive: World, ship: ContainedDevice
) -> None:
    (port, host), journal = by_name(hive), ship.state / "device/upgrade.json"
    before = ship.inspected(ship.front)
    docker("rm", "--force", ship.front)
    docker(*run_words(front(image=another_image(), state=str(ship.state), driver=ship.driver))[1:])
    eventually(lambda: answers_by_name(port, host), "the front of the other image answers", seconds=60)
    # Done, or a replacer would go on with it.
    tried = Journal("a wish", "", "container", Program("0", ""), Program("1", str(before["Image"])), is_done=True)
    journals.write(journal.parent, replace(tried, stage="trying"))
    restarted(ship)
    assert ship.inspected(ship.front)["Image"] != before["Image"], "left as it is"
    journal.unlink()
    restarted(ship)
    assert ship.inspected(ship.front)["Image"] == before["Image"]
    eventually(lambda: answers_by_name(port, host), "and answers at the same address", seconds=60)


def another_image() -> str:
    """Return the Device's image under another id."""
    name = docker("create", IMAGE).strip()
    try:
        return docker("commit", name).strip()
    finally:
        docker("rm", name)


def restarted(ship: ContainedDevice) -> None:
    told = times_told(ship)
    docker("restart", ship.container)
    eventually(lambda: times_told(ship) > told, "the Device has told the front again", seconds=120)


def test_a_storage_daemon_that_was_removed_is_made_anew_and_no_app_notices(hive: World, ship: ContainedDevice) -> None:
    address, pool = hive.address(NAME), ship.state / "storage/pool"
    before = ship.inspected(ship.storage)["Id"]
    with asked_all_the_time(address) as failures:
        docker("rm", "--force", ship.storage)
        docker("restart", ship.container)
        eventually(lambda: is_another(ship, before), "another storage daemon runs", seconds=60)
        eventually(lambda: is_green(hive, NAME), "the Device is green again", seconds=120)
        write_note(address, "written after")
    assert failures == []
    assert pool.is_mount()
    assert set(read_notes(address)) >= {"written before", "written after"}


def is_another(ship: ContainedDevice, before: str) -> bool:
    found = docker("ps", "--quiet", "--no-trunc", "--filter", f"name=^{ship.storage}$").strip()
    return found not in ("", before)


def test_uninstalling_ends_both_containers_and_the_apps_and_the_engine_forgets_the_volumes(
    hive: World, ship: ContainedDevice
) -> None:
    volumes = ship.volumes()
    assert volumes
    inside = ["docker", "exec", ship.container, "mosaic", "up", "--uninstall", "--keep-data"]
    refused = subprocess.run(inside, capture_output=True, text=True, timeout=120, check=False)
    assert (refused.returncode, "container of its own" in refused.stderr) == (1, True)
    ship.uninstall("--keep-data")
    assert ship.parts() == []
    assert not set(volumes) & set(docker("volume", "ls", "--quiet").split())
    device = hive.device_id(NAME)
    assert docker("ps", "--all", "--quiet", "--filter", f"label=mosaic.device={device}") == ""
    assert not (ship.state / "storage/pool").is_mount()
    assert loop.attached_device(ship.state / "storage/pool.img") is None
