"""`docker volume create -d mosaic -o store=…` on a real engine: made, used, restarted, removed, taken over."""

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.at_engine import BASE, DRIVER, docker, findable, volumes
from support.hiveless import SAVED, machine, started
from support.storage_daemon import TestDaemon
from support.waiting import eventually

pytestmark = [pytest.mark.btrfs, pytest.mark.engine]


@contextmanager
def at_the_engine(pool: Path) -> Iterator[TestDaemon]:
    """A daemon that the engine finds; its volumes are removed from the engine at the end."""
    with findable(pool, "no-token") as made:
        try:
            yield made
        finally:
            with started(made):
                for name in volumes():
                    docker("volume", "rm", "--force", name)


def test_a_volume_is_made_used_and_seen_survives_restarts_and_comes_back_from_the_trash(
    btrfs_path: Path, store: Path
) -> None:
    name = f"notes-{secrets.token_hex(4)}"
    with at_the_engine(btrfs_path) as daemon:
        with started(daemon, boot="first") as here:
            docker(
                "volume", "create", "--driver", DRIVER, "--opt", f"store={store}", "--opt", "keep=last=9,daily=30", name
            )
            run(name, "echo hello > /data/page")
            here.save(name)
            status = json.loads(docker("volume", "inspect", "--format", "{{json .Status}}", name))
            assert (status["state"], status["public_key"]) == (SAVED, here.volume(name).public_key)
            assert status["last_replicated"] != "never"
            assert status["keep"] == "last=9,hourly=24,daily=30,weekly=4,monthly=12"
            said = docker(
                "volume", "create", "--driver", DRIVER, "--opt", f"store={store}", "--opt", "x=y", "z", fails=True
            )
            assert "the driver has no option x; the options are store" in said
            container = docker("run", "--detach", "--network", "none", *volume(name), BASE, "sleep", "100").strip()
        try:
            # The daemon is restarted under a running container, which the engine then stops and starts again.
            with started(daemon, boot="first") as here:
                docker("exec", container, "sh", "-c", "echo again >> /data/page")
                docker("restart", "--time", "0", container)
                assert docker("exec", container, "cat", "/data/page") == "hello\nagain\n"
                assert "is in use" in docker("volume", "rm", name, fails=True)
                here.save(name)
        finally:
            docker("rm", "--force", container)
        # A reboot: nothing is mounted, another boot's id, and the first thing that happens is a container's start.
        with started(daemon, boot="second") as here:
            assert run(name, "cat /data/page") == "hello\nagain\n"
            docker("volume", "rm", name)
            assert name not in docker("volume", "ls", "--quiet")
            here.daemon.client.trash_restore(name)
            assert run(name, "cat /data/page") == "hello\nagain\n"


def test_containers_start_on_a_restored_volume_only_and_are_refused_where_it_was_taken_over(
    btrfs_path: Path, store: Path
) -> None:
    name = f"notes-{secrets.token_hex(4)}"
    with (
        at_the_engine(btrfs_path) as daemon,
        machine(btrfs_path, "elsewhere") as elsewhere,
        started(daemon) as here,
    ):
        made = elsewhere.made(name, store=store)
        elsewhere.write("from elsewhere\n", name)
        elsewhere.save(name)
        words = ("--opt", f"store={store}", "--opt", f"key-file={made.key_file}")
        said = docker("volume", "create", "--driver", DRIVER, *words, name, fails=True)
        assert "another machine wrote it last" in said
        docker("volume", "create", "--driver", DRIVER, *words, "--opt", "take-over=yes", name)
        eventually(lambda: here.volume(name).state == SAVED, seen=lambda: here.volume(name))
        assert run(name, "cat /data/page") == "from elsewhere\n"
        assert elsewhere.remove(name) == ""
        elsewhere.made(name, store=store, key_file=made.key_file, take_over="yes")
        elsewhere.wait_for(SAVED, name)
        run(name, "echo too late > /data/late")
        here.daemon.inside_volume(made.public_key).wake()
        here.wait_for("taken over by another machine", name)
        assert "is not this machine's any more" in run(name, "true", fails=True)
        assert elsewhere.read(name) == "from elsewhere\n"


def run(name: str, script: str, *, fails: bool = False) -> str:
    return docker("run", "--rm", "--network", "none", *volume(name), BASE, "sh", "-c", script, fails=fails)


def volume(name: str) -> tuple[str, str]:
    return "--volume", f"{name}:/data"
