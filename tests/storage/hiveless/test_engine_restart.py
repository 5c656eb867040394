"""A container that should always run comes back with its volume: after its engine was restarted, killed, or cut off."""

import secrets
from dataclasses import replace
from pathlib import Path

import pytest

from support.at_engine import BASE, DRIVER, findable
from support.hiveless import started
from support.own_engine import OwnEngine, own_engine, unmount_beneath
from support.storage_daemon import place
from support.waiting import eventually

pytestmark = [pytest.mark.btrfs, pytest.mark.engine]

PROGRAM = "echo started >> /data/starts; exec sleep 1000"


def test_a_container_that_always_runs_has_its_data_after_a_restart_a_kill_and_a_power_cut(
    btrfs_path: Path, store: Path
) -> None:
    name = f"notes-{secrets.token_hex(4)}"
    with findable(btrfs_path, "no-token") as daemon, own_engine() as engine:
        with started(daemon, boot="first") as here:
            engine("volume", "create", "--driver", DRIVER, "--opt", f"store={store}", name)
            words = ("--network", "none", "--volume", f"{name}:/data", BASE, "sh", "-c", PROGRAM)
            container = engine("run", "--detach", "--restart", "always", "--stop-timeout", "1", *words).strip()
            wait_for_starts(engine, container, 1)
            engine.stop()
            engine.start()
            wait_for_starts(engine, container, 2)
            engine.kill()
            engine.start()
            wait_for_starts(engine, container, 3)
            here.save(name)
            engine.lose_power()
        unmount_beneath(daemon.config.state)
        # As the units order it: volumes first, then the engine, which starts what should always run.
        with started(daemon, boot="second") as here:
            engine.start()
            wait_for_starts(engine, container, 4)
            here.save(name)
            engine("rm", "--force", container)
            assert here.volume(name).problem is None


def test_an_engine_that_starts_before_its_driver_does_not_wait_for_it(btrfs_path: Path, store: Path) -> None:
    with own_engine(apart=True) as engine, place(btrfs_path, DRIVER, "no-token") as daemon:
        daemon.config = replace(daemon.config, driver=DRIVER, plugin_dir=engine.plugins, specs=engine.specs)
        with started(daemon, boot="first") as here:
            engine("volume", "create", "--driver", DRIVER, "--opt", f"store={store}", "notes")
            words = ("--network", "none", "--volume", "notes:/data", BASE, "sh", "-c", PROGRAM)
            container = engine("run", "--detach", "--restart", "always", "--stop-timeout", "1", *words).strip()
            wait_for_starts(engine, container, 1)
            here.save("notes")
            engine.stop()
        before = len(engine.said())
        # As where the driver is in a container that this engine has yet to start.
        engine.start()
        assert "mosaic-storage-does-not-run" in engine.said()[before:]
        assert "retrying" not in engine.said()[before:]
        with started(daemon, boot="first"):
            engine("start", container)
            wait_for_starts(engine, container, 2)
            engine("rm", "--force", container)


def wait_for_starts(engine: OwnEngine, container: str, number: int) -> None:
    """Wait until the container was started this often, in one volume, and runs."""

    def starts() -> str:
        is_running = engine("inspect", "--format", "{{.State.Running}}", container).strip() == "true"
        return engine("exec", container, "cat", "/data/starts") if is_running else ""

    eventually(lambda: starts() == "started\n" * number, seen=lambda: engine("ps", "--all"))
