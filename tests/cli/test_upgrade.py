"""Another version of Mosaic on a Hive's machine: real processes, a real supervisor, a real database."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from websockets.exceptions import WebSocketException

from mosaic.adapters.clock import SystemClock
from mosaic.adapters.sql import migrations
from mosaic.cli.up import services, settings, systemd
from mosaic.cli.up.layout import Layout
from mosaic.cli.up.orphans import Note, read_note
from mosaic.cli.up.settings import Settings
from mosaic.cli.upgrading import journal
from mosaic.cli.upgrading.journal import Journal
from mosaic.core.errors import MosaicError
from mosaic.core.vital_signs import VitalSigns, awaited, wrong
from mosaic.hive.config import HiveConfig
from mosaic.wire.api import LoggedIn, Setup
from support.fake_device import FakeDevice, TurnedAway
from support.migrated import write_migrated
from support.newer_mosaic import write_newer
from support.running_hive import PASSWORD, Owner, RunningHive, made_keys, write_app
from support.unshared import free_port
from support.waiting import eventually

SUPERVISE = """
import sys
from pathlib import Path
from mosaic.cli.up import services, settings
from mosaic.cli.up.layout import Layout
from mosaic.cli.up.services import Service
from mosaic.cli.up.supervise import Stopping, Supervisor
layout = Layout(Path(sys.argv[1]))
sleeper = (sys.executable, "-c", "import signal; signal.pause()")
others = [Service(name, name, sleeper, lambda: True, 5) for name in ("storage", "device", "gateway")]
others.append(Service("front", "front", sleeper, lambda: True, 5, becomes_other=True))
with Supervisor(layout, print) as supervisor:
    try:
        supervisor.start([services.hive(layout, settings.load(layout.settings), parent=None), *others])
        supervisor.watch()
    except Stopping:
        pass
"""
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
DEAD = Note(2**22 - 1, "1")


@dataclass
class World:
    """A `mosaic up` without an engine: its Hive is real, its other services sleep."""

    layout: Layout
    owner: Owner
    folder: Path

    def upgrade(self, program: Path, *, env: dict[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
        words = [sys.executable, "-W", "ignore", "-m", "mosaic.cli.main", "upgrade", "--json", "--gate-seconds", "0"]
        at = ["--state", str(self.layout.state), "--to", str(program)]
        return subprocess.run(
            [*words, *at], env=ENVIRONMENT | (env or {}), capture_output=True, text=True, timeout=300, check=False
        )

    def pid(self, service: str) -> int:
        found = read_note(self.layout.note(service))
        return found.pid if found is not None else 0

    def step(self) -> str:
        with closing(sqlite3.connect(self.layout.hive / "hive.db")) as database:
            return str(database.execute("SELECT version_num FROM alembic_version").fetchone()[0])

    def answers(self) -> bool:
        with suppress(MosaicError), self.owner.client() as client:
            return client.get("/api/account", dict) is not None
        return False


class Faithful:
    """A Device that comes again whenever its connection ends."""

    def __init__(self, device: FakeDevice) -> None:
        self.device = device
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._stay, daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._over.set()
        self._thread.join(60)
        self.device.disconnect()

    def _stay(self) -> None:
        while not self._over.wait(0.1):
            listening = self.device._thread
            if listening is not None and listening.is_alive():
                continue
            self.device.disconnect()
            with suppress(OSError, WebSocketException, TurnedAway, TimeoutError):
                self.device.connect()


def heads_of(world: World) -> set[str]:
    """Return the hashes of every head that the Hive's database has."""
    with closing(sqlite3.connect(world.layout.hive / "hive.db")) as database:
        return {str(row[0]) for row in database.execute("SELECT hash FROM heads")}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    layout, catalog = Layout(tmp_path / "state"), tmp_path / "catalog"
    layout.make()
    write_app(catalog)
    write_migrated(layout.hive / "hive.db")
    port = free_port()
    settings.save(layout.settings, Settings(port=port, catalogs=(str(catalog),)))
    out = (tmp_path / "supervisor.log").open("wb")
    supervisor = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", SUPERVISE, str(layout.state)], env=ENVIRONMENT, stdout=out, stderr=out
    )
    there = RunningHive(HiveConfig(state=layout.hive, machine="its-machine", port=port), SystemClock())
    there.url = f"http://127.0.0.1:{port}"
    try:
        eventually(lambda: layout.address.exists() and layout.setup_code.exists(), seconds=90)
        setup = Setup(layout.setup_code.read_text().strip(), "ada", PASSWORD, made_keys().new)
        owner = Owner(there, there.client_of("").send("POST", "/api/setup", setup, LoggedIn))
        eventually(lambda: read_note(layout.note("device")) is not None)
        yield World(layout, owner, tmp_path)
    finally:
        supervisor.send_signal(signal.SIGTERM)
        supervisor.wait(90)
        there.stop()
        out.close()


@pytest.fixture
def attic(world: World) -> Iterator[Faithful]:
    device = FakeDevice("attic")
    device.join(world.owner.join_token())
    device.connect()
    faithful = Faithful(device)
    world.owner.install()
    eventually(lambda: world.owner.installation().phase == "settled")
    yield faithful
    faithful.end()


NEXT = f"{int(migrations.NEWEST) + 1:04}"


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_version_that_is_well_is_kept_and_the_other_services_follow_it(world: World, attic: Faithful) -> None:
    before, front = {name: world.pid(name) for name in ("hive", "storage", "device", "gateway")}, world.pid("front")
    ran = world.upgrade(write_newer(world.folder / "new"))
    assert ran.returncode == 0, ran.stderr + ran.stdout
    assert world.step() == NEXT
    assert all(world.pid(name) not in (0, pid) for name, pid in before.items())
    assert world.owner.installation().name == "notes"
    found = journal.read(world.layout)
    assert found is not None and (found.stage, set(found.programs)) == ("kept", {*before, "front"})
    assert world.pid("front") == front != 0, "it is Caddy now, whichever version started it"


@pytest.mark.long
@pytest.mark.timeout(300)
def test_one_that_does_not_start_is_put_back_with_what_it_said_and_nothing_else_was_stopped(
    world: World, attic: Faithful
) -> None:
    storage, device = world.pid("storage"), world.pid("device")
    bad = write_newer(world.folder / "bad", serve='def serve(config):\n    raise OSError("no such port, today")')
    ran = world.upgrade(bad)
    said = json.loads(ran.stdout)["error"]
    assert (ran.returncode, said["code"]) == (1, "upgrade-failed")
    assert "no such port, today" in said["message"]
    assert (world.step(), world.answers()) == (migrations.NEWEST, True)
    assert (world.pid("storage"), world.pid("device")) == (storage, device)
    eventually(lambda: world.owner.installation().health.word == "Running well", seconds=90)


@pytest.mark.long
@pytest.mark.timeout(300)
def test_what_a_device_replicated_in_a_version_that_was_put_back_is_not_lost(world: World, attic: Faithful) -> None:
    # It runs, grants and accepts heads, and then it ends.
    forgets = write_newer(world.folder / "forgets", serve=FORGETS.format(file=world.folder / "forgets/now"))
    made = world.owner.installation()
    epoch = attic.device.local[made.installation].epoch
    ended: list[subprocess.CompletedProcess[str]] = []
    upgrading = threading.Thread(target=lambda: ended.append(world.upgrade(forgets)))
    upgrading.start()
    eventually(lambda: attic.device.local[made.installation].epoch != epoch, seconds=120)
    last = attic.device.local[made.installation].volumes["data"].head
    upgrading.join(200)
    assert json.loads(ended[0].stdout)["error"]["code"] == "upgrade-failed"

    # The Hive that was put back hears from it that it lost some of its past, and adopts what it knows.
    assert last is not None
    eventually(lambda: last in heads_of(world), seconds=120)


FORGETS = """
_serve = serve


def serve(config):
    import os, threading, time

    def later():
        # Long enough for Devices to come, and to be granted.
        time.sleep(4)
        os._exit(9)

    threading.Thread(target=later, daemon=True).start()
    _serve(config)
"""


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_migration_that_fails_is_found_on_a_copy_before_anything_is_stopped(world: World) -> None:
    hive = world.pid("hive")
    bad = write_newer(world.folder / "bad", step='raise ValueError("a table is odd")')
    ran = world.upgrade(bad)
    assert json.loads(ran.stdout)["error"]["code"] == "upgrade-refused"
    assert (world.pid("hive"), world.step(), journal.read(world.layout)) == (hive, migrations.NEWEST, None)


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("stage", ["stopping", "trying"])
def test_killed_at_a_step_the_version_before_goes_on_and_the_next_try_ends_well(world: World, stage: str) -> None:
    new = write_newer(world.folder / "new")
    killer = world.folder / "killer"
    killer.mkdir()
    (killer / "sitecustomize.py").write_text(KILLER.format(stage=stage))
    ran = world.upgrade(new, env={"PYTHONPATH": f"{killer}:{ENVIRONMENT['PYTHONPATH']}"})
    assert ran.returncode == -signal.SIGKILL, ran.stdout + ran.stderr
    # Killed before anybody was told to stop, it stopped nobody; else whoever holds the Hive puts it back.
    eventually(lambda: (stage == "stopping" or journal.read(world.layout) is None) and world.answers(), seconds=90)
    assert world.step() == migrations.NEWEST
    again = world.upgrade(new)
    assert (again.returncode, world.step(), world.answers()) == (0, NEXT, True), again.stdout


KILLER = """
import os, signal, sys
if "upgrade" in sys.argv or "upgrade" in getattr(sys, "orig_argv", []):
    from mosaic.cli.upgrading import journal
    write = journal.write

    def killed(layout, entry):
        write(layout, entry)
        if entry.stage == "{stage}":
            os.kill(os.getpid(), signal.SIGKILL)

    journal.write = killed
"""


@pytest.mark.parametrize("stage", ["stopping", "migrating", "trying", "kept"])
def test_what_a_killed_upgrade_left_is_put_back_once_and_only_before_it_counts(
    tmp_path: Path, stage: journal.Stage
) -> None:
    layout = Layout(tmp_path)
    layout.make()
    (layout.hive / "hive.db").write_text("changed")
    (layout.hive / "hive.db-wal").write_text("more")
    journal.copy_of(layout).write_text("as it was")
    journal.write(layout, Journal(stage, DEAD, {"hive": "/new/python"}, {}))
    is_changed = stage in ("migrating", "trying")
    assert journal.put_back(layout) is is_changed
    assert (layout.hive / "hive.db").read_text() == ("as it was" if is_changed else "changed")
    assert (layout.hive / "hive.db-wal").exists() is not is_changed
    assert (journal.read(layout) is None) is (stage != "kept")
    assert journal.put_back(layout) is False


def test_a_hive_that_listens_is_not_up_before_it_has_said_where_it_answers(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.make()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        hive = services.hive(layout, Settings(port=port), parent=None)
        assert not hive.is_ready()
        layout.address.write_text(f"http://127.0.0.1:{port}\n")
        assert hive.is_ready()
    assert not hive.is_ready()


def test_an_upgrade_after_another_goes_back_to_that_one(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.make()
    journal.write(layout, Journal("stopping", DEAD, {"hive": "/third"}, {"hive": "/second"}))
    journal.put_back(layout)
    found = journal.read(layout)
    assert found is not None and (found.stage, found.programs) == ("kept", {"hive": "/second"})


@pytest.mark.parametrize("program", ["/opt/new/bin/python", "/opt/my mosaic/50%/py$thon"])
def test_a_unit_names_the_new_python_and_all_else_as_before(tmp_path: Path, program: str) -> None:
    units = systemd.units(Layout(tmp_path), Settings(port=8930, url="https://x.example/50%"))
    for name, text in units.items():
        if name in systemd.SERVICES:
            changed = systemd.with_program(text, program)
            assert systemd.program_of(changed) == program
            assert systemd.with_program(changed, sys.executable) == text


def test_signs_compare_what_was_there_and_no_more() -> None:
    minute = 60 * 10**9
    before = VitalSigns(1, {"attic": 100 * minute, "old": 1}, {"v": 5})
    assert wrong(before, VitalSigns(2, {}, {"v": 6, "w": 1})) == ""
    assert "accounts" in wrong(before, VitalSigns(0, {}, {"v": 5}))
    assert "snapshots" in wrong(before, VitalSigns(1, {}, {"v": 4}))
    assert awaited(before, before, stopped_ns=101 * minute) == ["attic"]
    assert awaited(before, VitalSigns(1, {"attic": 102 * minute}), stopped_ns=101 * minute) == []
