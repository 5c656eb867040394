"""A Hive's machine dies with all that is on it; what is left is a folder on another one and the printed kit."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mosaic.adapters.backup_files import BackupFiles
from mosaic.adapters.clock import SystemClock
from mosaic.crypto import unwrap
from mosaic.hive.config import HiveConfig
from mosaic.wire.api import Account, LoggedIn, Login, Setup
from mosaic.wire.hive_backup import HiveKit, HiveState, KitRequest
from support.fake_device import FakeDevice
from support.running_hive import PASSPHRASE, PASSWORD, Owner, RunningHive, made_keys, write_app
from support.unshared import free_port
from support.waiting import eventually

pytestmark = pytest.mark.long
MOSAIC = [sys.executable, "-W", "ignore", "-m", "mosaic.cli.main"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}


def hive_there(state: Path, port: int) -> RunningHive:
    """Return what `Owner` needs of a Hive that is a process: it is asked here, and neither started nor stopped."""
    there = RunningHive(HiveConfig(state=state, machine="its-machine", port=port), SystemClock())
    there.url = f"http://127.0.0.1:{port}"
    return there


@contextmanager
def serving(state: Path, port: int, catalog: Path, *more: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run `mosaic hive serve`, which may be killed inside."""
    words = ["hive", "serve", "--state", str(state), "--port", str(port), "--catalog", str(catalog), *more]
    process = subprocess.Popen([*MOSAIC, *words], env=ENVIRONMENT)
    try:
        eventually(lambda: (state / "address").exists() or process.poll() is not None, seconds=60)
        assert process.poll() is None
        yield process
    finally:
        process.kill()
        process.wait(60)


def mosaic(*words: str) -> None:
    subprocess.run([*MOSAIC, *words], env=ENVIRONMENT, check=True, timeout=120)


@pytest.mark.timeout(300)
def test_a_hive_whose_machine_died_goes_on_from_its_copy_and_the_kit_and_loses_no_snapshot(tmp_path: Path) -> None:
    state, nas, port, catalog = tmp_path / "hive", tmp_path / "nas", free_port(), tmp_path / "catalog"
    nas.mkdir()
    write_app(catalog)
    attic, cellar = FakeDevice("attic"), FakeDevice("cellar")
    with serving(state, port, catalog, "--backup-to", str(nas)) as hive:
        there = hive_there(state, port)
        setup = Setup((state / "setup-code").read_text().strip(), "ada", PASSWORD, made_keys().new)
        owner = Owner(there, there.client_of("").send("POST", "/api/setup", setup, LoggedIn))
        for device in (attic, cellar):
            device.join(owner.join_token())
            device.connect()
        installed = owner.install(device="attic")
        eventually(lambda: owner.installation().phase == "settled")
        eventually(lambda: copied(state), seconds=60)
        mosaic("hive", "backup", "now", "--state", str(state))
        with owner.client() as client:
            key = client.identity().key
            kit = client.send("POST", "/api/hive/kit", KitRequest(made_keys().new.auth_key), HiveKit)
        assert kit.to == str(nas)
        (tmp_path / "kit.txt").write_text(f"backup code: {kit.backup_code}\n")
        heads = [attic.commit(installed.installation) for _ in range(2)]
        hive.send_signal(signal.SIGKILL)
        hive.wait(60)
        there.stop()
    shutil.rmtree(state)

    new = tmp_path / "elsewhere"
    mosaic("hive", "recover", "--from", str(nas), "--kit", str(tmp_path / "kit.txt"), "--state", str(new))
    with serving(new, port, catalog):
        there = hive_there(new, port)
        login = there.client_of("").send("POST", "/api/login", Login("ada", PASSWORD), LoggedIn)
        owner = Owner(there, login)
        with owner.client() as client:
            assert client.identity().key == key, "Devices that pinned it know it again"
            keys = client.get("/api/account", Account).keys
            assert keys is not None
            assert unwrap.unlock(keys, PASSPHRASE).root.reveal() == made_keys().opened.root.reveal()
            assert client.get("/api/hive/state", HiveState).recovering
        for device in (attic, cellar):
            device.disconnect()
            device.connect()
        eventually(lambda: (item := attic.assigned("notes")) is not None and item.volumes[0].base == heads[-1])
        owner.move("cellar")
        eventually(lambda: (found := owner.installation()).phase == "settled" and found.device == cellar.id)
        item = cellar.assigned("notes")
        assert item is not None
        assert item.volumes[0].newest is not None
        for device in (attic, cellar):
            device.disconnect()
        there.stop()


def copied(state: Path) -> bool:
    """Whether the Hive made a copy by itself."""
    status = BackupFiles(state).status()
    return status is not None and status.instant_ns is not None
