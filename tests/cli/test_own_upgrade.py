"""A Device of a host that is replaced by another version: real processes, a real supervisor, the real replacer."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from mosaic.cli.up import systemd, versions
from mosaic.cli.up.host_keepers import BySupervisor, NobodyKeepsDevice
from mosaic.cli.up.host_preparing import HostPreparer
from mosaic.cli.up.host_switch import HostSwitch, host_switch
from mosaic.cli.up.layout import Layout
from mosaic.cli.up.orphans import Note, read_note
from mosaic.cli.up.services import REPLACER
from mosaic.cli.up.settings import Settings
from mosaic.cli.upgrading import journal as hives
from mosaic.cli.upgrading import own_choice
from mosaic.cli.upgrading import upgrade as upgrading
from mosaic.cli.upgrading.own_choice import Choice
from mosaic.core.device_upgrade import Journal, Program
from mosaic.device.upgrading import journal as journals
from support.fake_versions import make_version, write_device
from support.waiting import eventually

SUPERVISE = """
import sys
from pathlib import Path
from mosaic.cli.up.layout import Layout
from mosaic.cli.up.services import Service
from mosaic.cli.up.supervise import Stopping, Supervisor
layout = Layout(Path(sys.argv[1]))
sleeper = (sys.executable, "-c", "import signal; signal.pause()")
device = (sys.executable, sys.argv[2], str(layout.device))
services = [Service(name, name, sleeper, lambda: True, 5) for name in ("hive", "storage", "front")]
with Supervisor(layout, print) as supervisor:
    try:
        supervisor.start([*services, Service("device", "Device", device, lambda: True, 5)])
        supervisor.watch()
    except Stopping:
        pass
"""


@dataclass
class World:
    """A supervisor whose Hive, storage daemon and front sleep. It is of version 1, its Device too."""

    layout: Layout
    old: Program
    supervisor: "subprocess.Popen[bytes] | None" = None
    seconds: float = 60

    def start(self) -> None:
        words = [self.old.start, "-W", "ignore", "-c", SUPERVISE, str(self.layout.state), str(self._device)]
        environment = {**os.environ, "PYTHONPATH": "", "MOSAIC_UPGRADE_SECONDS": f"{self.seconds}"}
        with self.layout.log("supervisor").open("ab") as out:
            self.supervisor = subprocess.Popen(words, env=environment, stdout=out, stderr=out)
        eventually(lambda: all(self.note(service) for service in ("hive", "storage", "front")))

    def kill(self) -> None:
        assert self.supervisor is not None
        self.supervisor.kill()
        self.supervisor.wait(30)

    def end(self) -> None:
        if self.supervisor is not None:
            self.supervisor.send_signal(signal.SIGTERM)
            self.supervisor.wait(60)
        for service in ("hive", "storage", "front", "device", REPLACER):
            if (left := read_note(self.layout.note(service))) is not None:
                with suppress(ProcessLookupError):
                    os.kill(left.pid, signal.SIGKILL)

    def make(self, version: str, does: str) -> Program:
        return Program(version, str(make_version(self.layout.versions, version, does)))

    def begin(self, new: Program) -> None:
        """Do what the Device does when all is prepared."""
        preparer = HostPreparer(self.layout, has_units=False)
        journal = Journal(f"to {new.version}", "sha256:1", "host", self.running, new, notes=preparer.notes())
        journals.write(self.layout.device, journal)
        preparer.have_replacer(journal)

    @property
    def running(self) -> Program:
        choice = own_choice.read(self.layout)
        return self.old if choice is None else Program(choice.version, choice.device)

    @property
    def journal(self) -> Journal:
        found = journals.read(self.layout.device)
        assert found is not None
        return found

    def program(self, service: str) -> str | None:
        return versions.program_of(self.layout, service)

    def note(self, service: str) -> Note | None:
        return read_note(self.layout.note(service))

    def is_done(self) -> bool:
        return self.journal.is_done and self.note(REPLACER) is None

    def told(self) -> str:
        return "\n".join(log.read_text() for log in (self.layout.state / "logs").iterdir())

    def wait(self) -> Journal:
        try:
            eventually(self.is_done, seconds=120)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.told()}") from None
        return self.journal

    @property
    def _device(self) -> Path:
        return write_device(self.layout.state / "device.py")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    layout = Layout(tmp_path / "state")
    layout.make()
    made = World(layout, Program("0.1.0", str(make_version(tmp_path / "opt", "0.1.0", "reports"))))
    try:
        made.start()
        yield made
    finally:
        made.end()


@pytest.mark.long
def test_one_that_reports_is_kept_what_belongs_to_it_follows_and_the_hive_is_not_touched(world: World) -> None:
    hive, new = world.note("hive"), world.make("0.2.0", "reports")
    world.begin(new)
    assert world.wait().stage == "kept"
    assert [world.program(service) for service in ("device", "storage", "front")] == [new.start] * 3
    assert world.note("hive") == hive


@pytest.mark.long
@pytest.mark.parametrize("does", ["ends", "refuses"])
def test_one_that_does_not_start_is_put_back_before_its_time_is_over(world: World, does: str) -> None:
    others = [world.note(service) for service in ("hive", "storage", "front")]
    world.begin(world.make("0.2.0", does))
    ended = world.wait()
    assert (ended.stage, ended.why) == ("back", "it ended 3 times before it had reported to its Hive")
    assert "the Device of 0.2.0" in ended.last_lines
    eventually(lambda: world.program("device") == world.old.start)
    assert [world.note(service) for service in ("hive", "storage", "front")] == others
    assert not (world.layout.versions / "0.2.0").exists(), "nothing is left of it"


@pytest.mark.long
def test_one_that_never_reports_is_put_back_when_its_time_is_over(world: World) -> None:
    world.end()
    world.seconds = 1
    world.start()
    world.begin(world.make("0.2.0", "sleeps"))
    ended = world.wait()
    assert (ended.stage, ended.why) == ("back", "it did not report to its Hive within 1 s")
    eventually(lambda: world.program("device") == world.old.start)


@pytest.mark.long
def test_a_killed_replacer_is_started_again_and_goes_on(world: World) -> None:
    new = world.make("0.2.0", "sleeps")
    world.begin(new)
    eventually(lambda: world.journal.stage == "trying" and world.program("device") == new.start)
    before = world.note(REPLACER)
    assert before is not None
    os.kill(before.pid, signal.SIGKILL)
    eventually(lambda: world.note(REPLACER) not in (None, before))
    journals.note_reported(world.layout.device, world.journal)
    assert world.wait().stage == "kept"
    assert world.program("device") == new.start


@pytest.mark.long
@pytest.mark.parametrize("stage", ["switching", "trying"])
def test_after_its_supervisor_was_killed_the_next_one_goes_on(world: World, stage: str) -> None:
    new = world.make("0.2.0", "reports")
    world.kill()
    journal = Journal("to 0.2.0", "sha256:1", "host", world.old, new, stage="switching")
    if stage == "trying":
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        now = float(Path("/proc/uptime").read_text().split()[0])
        journal = replace(journal, stage="trying", boot=boot, tried_from=now)
    journals.write(world.layout.device, journal)
    own_choice.choose(world.layout, "0.1.0", world.old.start, is_held=True)
    world.start()
    assert world.wait().stage == "kept"
    assert world.program("device") == new.start


@pytest.mark.long
def test_it_stays_after_a_restart_and_goes_back_to_it_from_one_that_fails_and_older_ones_are_removed(
    world: World,
) -> None:
    older, new = world.make("0.1.5", "reports"), world.make("0.2.0", "reports")
    world.begin(new)
    assert world.wait().stage == "kept"
    assert not Path(older.start).exists()
    world.end()
    world.start()
    eventually(lambda: world.program("device") == world.program("storage") == new.start)
    world.begin(world.make("0.3.0", "ends"))
    assert world.wait().stage == "back"
    eventually(lambda: world.program("device") == new.start)
    assert world.program("storage") == new.start
    assert sorted(folder.name for folder in world.layout.versions.iterdir()) == ["0.2.0"]


def test_whoever_brings_a_later_version_runs_the_device_and_an_older_one_does_not(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.make()
    own_choice.write(layout, Choice("0.9.0", sys.executable, sys.executable))
    assert own_choice.forget_if_overtaken(layout, "0.8.0") is False
    assert own_choice.programs(layout) == dict.fromkeys(("device", "storage", "front"), sys.executable)
    assert own_choice.forget_if_overtaken(layout, "0.10.0") is True
    assert own_choice.programs(layout) == {}


class Recording:
    """Who keeps a Hive's services, and only notes what it is told."""

    def __init__(self) -> None:
        self.restarted: dict[str, str] = {}

    def restart(self, service: str, program: str) -> bool:
        self.restarted[service] = program
        return True

    def end(self) -> None:
        pass

    def programs(self) -> dict[str, str]:
        return {}

    def stop_hive(self) -> None: ...
    def start_hive(self, program: str | None) -> bool:
        return True

    def is_hive_up(self) -> bool:
        return True

    def mark(self) -> int:
        return 0

    def last_words(self, since: int) -> str:
        return ""


@pytest.mark.parametrize(("own", "is_moved"), [("0.1.9", True), ("0.2.0", True), ("0.3.0", False)])
def test_mosaic_upgrade_takes_a_device_along_but_none_that_is_of_a_later_version(
    tmp_path: Path, own: str, is_moved: bool
) -> None:
    layout, keeper = Layout(tmp_path), Recording()
    layout.make()
    own_choice.write(layout, Choice(own, sys.executable))
    entry = hives.Journal("kept", Note(1, "1"), {"hive": "/new"}, {})
    assert upgrading._others(layout, entry, "/new", keeper, "0.2.0") == ()
    assert keeper.restarted == (dict.fromkeys(upgrading._OTHERS, "/new") if is_moved else {})
    assert (own_choice.read(layout) is None) is is_moved


def test_mosaic_upgrade_leaves_a_device_alone_that_is_being_upgraded_and_says_so(tmp_path: Path) -> None:
    layout, keeper = Layout(tmp_path), Recording()
    layout.make()
    own_choice.write(layout, Choice("0.1.0", sys.executable, is_held=True))
    one = Program("0.1.0", sys.executable)
    journals.write(layout.device, Journal("c", "sha256:1", "host", one, replace(one, version="0.2.0"), "switching"))
    entry = hives.Journal("kept", Note(1, "1"), {"hive": "/new"}, {})
    assert upgrading._others(layout, entry, "/new", keeper, "0.2.0") == upgrading._OTHERS
    assert keeper.restarted == {}
    assert own_choice.is_held(layout)


def test_an_environment_that_is_gone_is_not_asked_for(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.make()
    own_choice.write(layout, Choice("0.9.0", str(tmp_path / "gone/bin/python")))
    assert own_choice.programs(layout) == {}


def test_an_environment_that_the_hive_runs_from_is_not_removed(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.make()
    used, named, unused = (layout.versions / name / "bin/python" for name in ("0.2.0", "0.3.0", "0.4.0"))
    for python in (used, named, unused):
        python.parent.mkdir(parents=True)
    hives.write(layout, hives.Journal("kept", Note(1, "1"), {"hive": str(used)}, {}))
    text = systemd.units(layout, Settings(port=8930))["mosaic-hive.service"]
    (tmp_path / "mosaic-hive.service").write_text(systemd.with_program(text, str(named)))
    assert versions.prune(layout, set(), units=tmp_path) == ["0.4.0"]
    assert used.parent.exists()
    assert named.parent.exists()


@pytest.mark.parametrize("written", ["", "[]", '{"version": "0.9.0"}', "{"])
def test_a_damaged_choice_is_none_and_a_later_versions_is_understood(tmp_path: Path, written: str) -> None:
    layout = Layout(tmp_path)
    layout.make()
    own_choice.choose(layout, "0.9.0", sys.executable)
    file = layout.state / "device-program.json"
    file.write_text(file.read_text().replace("{", '{"more": 1, '))
    assert own_choice.read(layout) == Choice("0.9.0", sys.executable)
    file.write_text(written)
    assert (own_choice.read(layout), own_choice.programs(layout), own_choice.is_held(layout)) == (None, {}, False)


def test_where_nobody_keeps_the_device_the_replacer_says_so(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.make()
    one = Program("1", "/one")
    journal = Journal("c", "sha256:1", "host", one, one)
    with pytest.raises(NobodyKeepsDevice):
        host_switch(layout, journal)
    with pytest.raises(NobodyKeepsDevice):
        HostSwitch(layout, BySupervisor(layout)).start(journal, "new")


def test_the_units_name_the_version_that_the_device_chose_and_the_hives_does_not_change(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    units = systemd.units(layout, Settings(port=8930))
    changed = systemd.with_programs(units, {"device": "/new/python", "storage": "/new/python"})
    assert systemd.program_of(changed["mosaic-device.service"]) == "/new/python"
    assert systemd.program_of(changed["mosaic-storage.service"]) == "/new/python"
    assert changed["mosaic-hive.service"] == units["mosaic-hive.service"]


def test_the_unit_of_an_upgrade_is_run_by_the_version_before_until_it_ends_well(tmp_path: Path) -> None:
    text = systemd.replacer_unit(Layout(tmp_path / "a state"), "/opt/before/bin/python")
    assert systemd.program_of(text) == "/opt/before/bin/python"
    assert f'ExecStart=/opt/before/bin/python -m mosaic.cli.main device-replacer --state "{tmp_path}/a state"\n' in text
    assert "Restart=on-failure\n" in text
    assert "WantedBy=multi-user.target\n" in text
