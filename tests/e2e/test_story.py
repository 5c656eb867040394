"""What a first user does, in his order: install, write, move, break, move back, throw away, get back, stop, start.

Each test leaves the world as the next one needs it; pytest runs them in this order.
"""

import os
import subprocess
import time
from pathlib import Path

import pytest

from e2e.world import World, answers, eventually, fetch, read_notes, write_note

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

PHOTO = os.urandom(3_000_000)


def test_the_first_start_installs_the_sample_app_and_says_where_it_is(world: World) -> None:
    (app,) = world.welcome["apps"]
    plain, by_name = app["addresses"]
    assert plain.startswith("http://127.0.0.1:")
    assert by_name.startswith("http://notes.localhost:")
    assert fetch(f"{plain}/healthz") == fetch(f"{by_name}/healthz") == {"version": 1, "schema": 1}
    assert answers(world.welcome["console"])
    assert len(world.welcome["passphrase"].split()) == 6


def test_secrets_are_in_no_file_and_in_no_command_line(world: World) -> None:
    """G6, from outside: what was shown once is found nowhere afterwards."""
    secrets = [world.welcome[name].encode() for name in ("password", "passphrase", "recovery_code")]
    lines = subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, timeout=30, check=True).stdout
    assert not any(secret in lines for secret in secrets)
    kept = [path for path in world.home.state.rglob("*") if path.is_file() and path.suffix != ".img"]
    kept = [path for path in kept if "pool" not in path.parts]
    assert [path for path in kept if any(secret in _content(path) for secret in secrets)] == []


def docker(*words: str) -> list[str]:
    """Return the lines that the engine's client prints, sorted."""
    done = subprocess.run(["docker", *words], capture_output=True, text=True, timeout=60, check=True)
    return sorted(done.stdout.split())


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        # A running daemon's own short-lived file.
        return b""


def test_a_store_on_this_machine_is_not_called_a_replica(world: World) -> None:
    """G2: two copies on one machine are one copy."""
    write_note(world.address("notes"), "first note", attached=PHOTO)
    seen = eventually(
        lambda: [v for v in world.installation("notes")["volumes"] if v["replicas"] and v["replicas"][0]["instant_ns"]],
        "the first snapshot is acknowledged",
        seconds=60,
    )
    assert all(replica["same_machine"] for volume in seen for replica in volume["replicas"])
    assert "on this machine only" in world.mosaic("show", "notes").stdout


def test_what_docker_itself_deletes_costs_a_running_and_a_stopped_app_nothing(world: World) -> None:
    """G3 against people who tidy up: each of Docker's own ways to delete volumes, while the app runs and while not."""
    before = read_notes(world.address("notes"))
    volumes = docker("volume", "ls", "--quiet", "--filter", f"driver={world.driver}")
    project = f"mosaic-{world.device_id('home')[:8]}-{world.installation('notes')['installation']}"
    ours = ("ps", "--quiet", "--filter", f"label=com.docker.compose.project={project}")
    assert volumes
    assert docker(*ours)
    for is_running in (True, False):
        if not is_running:
            world.ok("stop", "notes")
        said = ""
        for words in _deletions(project, volumes):
            said += subprocess.run(["docker", *words], capture_output=True, text=True, timeout=180).stderr
        # Compose took the containers away, or that was no trial; those of a stopped app are gone already.
        assert not is_running or "Container" in said, said
        assert "mosaic uninstall" in said
        assert docker("volume", "ls", "--quiet", "--filter", f"driver={world.driver}") == volumes
        world.ok("start", "notes")
        eventually(lambda: answers(f"{world.address('notes')}/healthz"), "notes runs again", seconds=120)
        assert read_notes(world.address("notes")) == before


def _deletions(project: str, volumes: list[str]) -> list[list[str]]:
    """Return what a person may type. Prunes are told to look at this app alone: others use this engine as well."""
    only = ["--filter", f"label=com.docker.compose.project={project}"]
    return [
        ["volume", "rm", "--force", *volumes],
        ["volume", "prune", "--force", *only],
        ["volume", "prune", "--all", "--force", *only],
        ["compose", "--project-name", project, "down", "--volumes", "--timeout", "20"],
        ["volume", "rm", *volumes],
        ["volume", "prune", "--force", *only],
        ["volume", "prune", "--all", "--force", *only],
        ["system", "prune", "--volumes", "--force", *only],
    ]


def test_a_move_takes_the_data_along(attic: World) -> None:
    before = read_notes(attic.address("notes"))
    attic.ok("move", "notes", "--to", "attic")
    assert attic.installation("notes")["device"] == attic.device_id("attic")
    assert read_notes(attic.address("notes")) == before == {"first note": [PHOTO]}


def test_a_device_killed_in_the_middle_of_a_move_loses_nothing(attic: World) -> None:
    """G3 for move: kill -9 of the Device and its storage daemon anywhere in between converges."""
    write_note(attic.address("notes"), "written in the attic")
    killed = attic.processes[-1]
    attic.ok("move", "notes", "--to", "home", "--no-wait")
    eventually(
        lambda: attic.installation("notes")["phase"] in ("draining", "arriving"), "the move is under way", seconds=60,
        pause=0.02,
    )  # fmt: skip
    attic.kill_device("attic", killed)
    attic.start_device("attic")
    home = attic.device_id("home")

    def has_arrived() -> bool:
        seen = attic.installation("notes")
        report = seen["reports"].get(home, {})
        return bool(
            seen["phase"] == "settled" and seen["device"] == home
            and report.get("phase") == "running" and report["healthy"]
        )  # fmt: skip

    try:
        eventually(has_arrived, "notes runs at home", seconds=180)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{attic.told()}") from None
    assert read_notes(attic.address("notes")) == {"first note": [PHOTO], "written in the attic": []}


def test_an_uninstalled_app_comes_back_from_the_trash(world: World) -> None:
    """G3 for uninstall."""
    before = read_notes(world.address("notes"))
    world.ok("uninstall", "notes", "--yes")
    assert world.mosaic("show", "notes").code == 1
    # Other tests of this world leave apps of their own there.
    assert [entry["name"] for entry in world.ok("trash", "list")].count("notes") == 1
    world.ok("trash", "restore", "notes", "--device", "home")
    assert read_notes(world.address("notes")) == before
    assert "notes" not in [entry["name"] for entry in world.ok("trash", "list")]


def test_stop_keeps_the_data_and_start_brings_it_back(world: World) -> None:
    before = read_notes(world.address("notes"))
    address = world.address("notes")
    world.ok("stop", "notes")
    assert not answers(address)
    world.ok("start", "notes")
    assert world.address("notes") == address
    assert read_notes(address) == before


def test_ctrl_c_stops_everything_and_the_next_start_finds_it_as_it_was(world: World) -> None:
    address, console = world.address("notes"), world.welcome["console"]
    write_note(address, "written a moment before Ctrl-C")
    before = read_notes(address)
    volumes, stopped_at = docker("volume", "ls", "--quiet", "--filter", f"driver={world.driver}"), int(time.time())
    assert world.stop(world.processes[0]) == 0
    # An engine that remembered them would wait for their driver whenever it starts without Mosaic.
    said = ("--since", str(stopped_at), "--until", str(int(time.time()) + 1), "--format", "{{.Actor.ID}}")
    assert volumes
    assert docker("events", *said, "--filter", "type=volume", "--filter", "event=destroy") == volumes
    assert not answers(address)
    assert not answers(console)
    began = time.monotonic()
    world.processes[0] = world.start()
    took = time.monotonic() - began
    world.processes.remove(world.processes[-1])
    assert world.welcome["console"] == console
    (notes,) = [app for app in world.welcome["apps"] if app["name"] == "notes"]
    assert notes["addresses"][0] == address
    assert read_notes(address) == before
    print(f"second start: {took:.1f} s")


def test_running_apps_need_nobody(world: World) -> None:
    """G10 without a gateway: the Hive is down, and the app answers."""
    address = world.address("notes")
    from mosaic.cli.up.orphans import read_note

    hive = read_note(world.home.note("hive"))
    assert hive is not None
    os.kill(hive.pid, 9)
    assert fetch(f"{address}/healthz")["version"] == 1
    eventually(lambda: answers(world.welcome["console"]), "the Hive is started again", seconds=60)
    assert fetch(f"{address}/healthz")["version"] == 1
