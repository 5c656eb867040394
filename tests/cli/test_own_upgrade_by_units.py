"""A Device of a host that systemd keeps is replaced by another version; a small program stands for systemd."""

import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mosaic.cli.up import install, settings, systemd
from mosaic.cli.up.host_keepers import BySystemd
from mosaic.cli.up.host_preparing import HostPreparer
from mosaic.cli.up.host_switch import HostSwitch
from mosaic.cli.up.layout import Layout
from mosaic.cli.up.settings import Settings
from mosaic.cli.upgrading import keepers, own_choice
from mosaic.core.device_upgrade import Journal, Program
from mosaic.device.upgrading import journal as journals
from mosaic.device.upgrading.replacing import Time, replace_device
from support import small_systemd
from support.fake_versions import make_version
from support.unshared import free_port
from support.waiting import eventually

UNIT = "[Service]\nExecStart={python} -m mosaic.cli.main {words}\nRestart=always\n"


@dataclass
class World:
    """Units of version 1, which run; a Device's own words are those of a test."""

    layout: Layout
    units: Path
    old: Program

    @property
    def keeper(self) -> BySystemd:
        return BySystemd(self.layout, self.units)

    def make(self, version: str, does: str) -> Program:
        return Program(version, str(make_version(self.layout.versions, version, does, argument=self.layout.device)))

    def replace(self, new: Program, *, seconds: float = 60) -> Journal:
        """Do what the replacer does."""
        journal = Journal(f"to {new.version}", "sha256:1", "host", self.old, new)
        journals.write(self.layout.device, journal)
        clock = Time(time.monotonic, "boot", time.sleep)
        switch = HostSwitch(self.layout, self.keeper)
        done = replace_device(self.layout.device, switch, clock, trial_seconds=seconds)
        assert done is not None
        return done

    def named(self, unit: str) -> str:
        return systemd.program_of((self.units / unit).read_text())

    def calls(self) -> list[str]:
        return (self.units.parent / "calls").read_text().splitlines()


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    layout = Layout(tmp_path / "state")
    layout.make()
    units = small_systemd.install(tmp_path / "systemd")
    monkeypatch.setenv("PATH", f"{units.parent / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", "")
    old = Program("0.1.0", str(make_version(tmp_path / "opt", "0.1.0", "sleeps", argument=layout.device)))
    names = [f"mosaic-{service}.service" for service in ("hive", "storage", "front", "device")]
    for name in names:
        (units / name).write_text(UNIT.format(python=old.start, words=name))
    subprocess.run(["systemctl", "start", *names], check=True, timeout=60)
    made = World(layout, units, old)
    try:
        eventually(lambda: made.keeper.program() == old.start)
        yield made
    finally:
        subprocess.run(["systemctl", "stop", *names, systemd.REPLACER], check=True, timeout=60)


@pytest.mark.long
def test_one_that_reports_is_named_in_the_units_and_the_hives_is_not(world: World) -> None:
    new = world.make("0.2.0", "reports")
    assert world.replace(new).stage == "kept"
    assert world.keeper.program() == new.start
    assert [world.named(f"mosaic-{one}.service") for one in ("device", "storage", "front")] == [new.start] * 3
    assert f"try-restart {systemd.FRONT}" not in world.calls(), "it is Caddy, and nobody's visit is cut short"
    assert world.named("mosaic-hive.service") == world.old.start
    # The path unit would start the Device as soon as it is stopped.
    assert f"stop {systemd.PATHS[0]} {systemd.DEVICE}" in world.calls()
    assert not any("mosaic-hive" in call for call in world.calls()[1:])
    assert own_choice.programs(world.layout)["device"] == new.start, "installing the units again names it too"


@pytest.mark.long
@pytest.mark.parametrize(("does", "seconds"), [("ends", 60), ("sleeps", 1)])
def test_one_that_is_not_well_is_put_back_in_its_unit(world: World, does: str, seconds: float) -> None:
    ended = world.replace(world.make("0.2.0", does), seconds=seconds)
    assert ended.stage == "back"
    assert "the Device of 0.2.0" in ended.last_lines
    assert [world.named(f"mosaic-{one}.service") for one in ("device", "storage")] == [world.old.start] * 2
    eventually(lambda: world.keeper.program() == world.old.start)


@pytest.mark.long
def test_the_replacer_is_a_unit_that_starts_with_the_machine_until_the_upgrade_is_done(world: World) -> None:
    journal = Journal("c", "sha256:1", "host", world.old, Program("0.2.0", "/new"))
    HostPreparer(world.layout, has_units=True, unit_folder=world.units).have_replacer(journal)
    assert world.named(systemd.REPLACER) == world.old.start
    assert world.calls()[-2:] == [f"enable {systemd.REPLACER}", f"start --no-block {systemd.REPLACER}"]
    world.keeper.forget()
    assert world.calls()[-1] == f"disable {systemd.REPLACER}"


def test_uninstalling_takes_the_unit_of_an_upgrade_too(tmp_path: Path) -> None:
    (tmp_path / systemd.REPLACER).write_text("")
    assert install.remove(tmp_path) == [tmp_path / systemd.REPLACER]


@pytest.mark.long
def test_a_hive_that_systemd_starts_again_and_again_is_not_waited_for_and_its_last_words_are_told(world: World) -> None:
    settings.save(world.layout.settings, Settings(port=free_port()))
    keeper = keepers.BySystemd(world.layout, world.units)
    keeper.stop_hive()
    mark = keeper.mark()
    assert not keeper.start_hive(world.make("0.2.0", "ends").start)
    assert keeper.last_words(mark) == "no such module, today"
