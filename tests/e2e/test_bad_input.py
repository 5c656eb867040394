"""Bad input gets one clear sentence and a hint, and changes nothing."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.conftest import BROKEN
from e2e.world import MOSAIC, World, eventually, listener
from support.ran import Ran

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]


def is_one_sentence_and_a_hint(ran: Ran) -> bool:
    lines = ran.stderr.strip().splitlines()
    return ran.code == 1 and len(lines) == 2 and lines[0].startswith("error: ") and lines[1].startswith("hint: ")


@pytest.fixture
def elsewhere(world: World, tmp_path: Path) -> Iterator[Path]:
    """A state folder that no command may leave anything in."""
    state = tmp_path / "state"
    yield state
    left = [path for path in (state.rglob("*") if state.exists() else []) if path.is_file() and path.name != "lock"]
    assert left == []


def in_a_namespace(world: World, prepare: str, *words: str) -> Ran:
    """Run a command where the mounts that `prepare` makes are seen by it alone."""
    script = f'{prepare}; exec "$@"'
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-ec", script, "sh", *MOSAIC, *words],
        capture_output=True, text=True, timeout=60, env=world.env, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return Ran(done.returncode, done.stdout, done.stderr)


def test_no_engine(world: World, elsewhere: Path) -> None:
    hidden = "mount --bind /dev/null $(readlink -f /var/run/docker.sock)"
    ran = in_a_namespace(world, hidden, "up", "--demo", "--state", str(elsewhere))
    assert is_one_sentence_and_a_hint(ran), ran
    assert "no Docker engine answers" in ran.stderr


def test_disk_full(world: World, tmp_path: Path) -> None:
    small = f"mount -t tmpfs -o size=64m tmpfs {tmp_path}"
    ran = in_a_namespace(world, small, "up", "--demo", "--state", str(tmp_path / "state"))
    assert is_one_sentence_and_a_hint(ran), ran
    assert "MiB free" in ran.stderr


def test_port_taken(world: World, elsewhere: Path) -> None:
    with listener() as port:
        ran = world.mosaic("up", "--demo", "--state", str(elsewhere), "--port", str(port))
    assert is_one_sentence_and_a_hint(ran), ran
    assert f"port {port} is taken" in ran.stderr


def test_a_state_folder_that_is_in_use(world: World) -> None:
    ran = world.mosaic("up", "--state", str(world.home.state))
    assert is_one_sentence_and_a_hint(ran), ran
    assert "already" in ran.stderr


def test_wrong_passphrase(world: World, elsewhere: Path, tmp_path: Path) -> None:
    (tmp_path / "wrong").write_text("zoo zoo zoo zoo zoo wrong")
    before = world.ok("device", "list")
    ran = world.mosaic(
        "device", "run", "--name", "cellar", "--state", str(elsewhere), "--passphrase-file", str(tmp_path / "wrong")
    )
    assert is_one_sentence_and_a_hint(ran), ran
    assert "not the passphrase" in ran.stderr
    assert len(world.ok("device", "list")) == len(before)


def test_a_device_of_the_same_name(world: World, elsewhere: Path) -> None:
    before = world.ok("device", "list")
    passphrase = str(world.folder / "passphrase")
    ran = world.mosaic("device", "run", "--name", "home", "--state", str(elsewhere), "--passphrase-file", passphrase)
    assert is_one_sentence_and_a_hint(ran), ran
    assert "home" in ran.stderr
    assert len(world.ok("device", "list")) == len(before)


def test_a_join_token_used_twice(world: World, elsewhere: Path, tmp_path: Path) -> None:
    from mosaic.device.enrol import enrol
    from mosaic.wire.enrol import read

    passphrase = world.folder / "passphrase"
    line = world.ok("device", "add", "--name", "twice", "--passphrase-file", str(passphrase))["join_token"]
    enrol(tmp_path / "first", read(line), "twice")
    ran = world.mosaic("device", "run", "--name", "again", "--state", str(elsewhere), "--join", line)
    assert is_one_sentence_and_a_hint(ran), ran
    assert "works once" in ran.stderr
    assert line not in ran.stderr
    world.ok("device", "remove", "twice", "--yes")


def test_what_is_no_join_token(world: World, elsewhere: Path) -> None:
    ran = world.mosaic("device", "run", "--name", "again", "--state", str(elsewhere), "--join", "nonsense")
    assert is_one_sentence_and_a_hint(ran), ran


@pytest.mark.parametrize("app", BROKEN)
def test_a_compose_file_that_cannot_be_run(world: World, app: str) -> None:
    before = [one["name"] for one in world.ok("apps")]
    ran = world.mosaic("install", app, "--device", "home")
    assert is_one_sentence_and_a_hint(ran), ran
    assert [one["name"] for one in world.ok("apps")] == before


def test_a_volume_in_use_is_not_removed(world: World) -> None:
    """G3: `docker volume rm` and `prune` do not delete what an installation owns; the refusal names what does."""
    docker = shutil.which("docker") or "docker"
    listed = subprocess.run(
        [docker, "volume", "ls", "--quiet", "--filter", "driver=mosaic-e2e"],
        capture_output=True, text=True, timeout=60, check=True,
    ).stdout.split()  # fmt: skip
    assert listed
    eventually(lambda: world.installation("notes")["health"]["colour"] == "green", "notes runs", seconds=60)
    for volume in listed:
        refused = subprocess.run([docker, "volume", "rm", volume], capture_output=True, text=True, timeout=60)
        assert refused.returncode != 0
    assert subprocess.run(
        [docker, "volume", "ls", "--quiet", "--filter", "driver=mosaic-e2e"],
        capture_output=True, text=True, timeout=60, check=True,
    ).stdout.split() == listed  # fmt: skip


def test_an_app_that_is_not_in_the_catalog(world: World) -> None:
    ran = world.mosaic("install", "nothing-like-it")
    assert is_one_sentence_and_a_hint(ran), ran
