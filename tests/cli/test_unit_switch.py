"""A Device under a systemd unit is switched by the file that names its image; a small loop stands for the unit."""

from pathlib import Path

import pytest

from mosaic.adapters.docker import succession
from mosaic.adapters.docker.api import Api
from mosaic.adapters.docker.succession import SeenContainer
from mosaic.cli.up.container_switch import IMAGE_FILE, NAME, UnitSwitch
from mosaic.core.device_files import IMAGE
from mosaic.core.device_upgrade import Journal, Program
from mosaic.device.upgrading import journal as journals
from mosaic.device.upgrading.replacing import Time, replace_device

OLD, NEW = Program("1", "sha256:old"), Program("2", "sha256:new")


class Unit:
    """Starts a container from the image that the file names whenever none runs, as `Restart=always` does."""

    def __init__(self, folder: Path, *, starts_new: bool) -> None:
        self.folder = folder
        self.file = folder / "image.env"
        self.starts_new = starts_new
        self.running = OLD.start
        self.now = 0.0

    def see(self, _: Api, name: str) -> SeenContainer | None:
        return SeenContainer(name, name, self.running, "runs", "no", True, 0, {}, False, 60) if self.running else None

    def stop(self, _: Api, __: str, *, grace_seconds: int) -> None:
        assert grace_seconds
        self.running = ""

    def pause(self, seconds: float) -> None:
        self.now += seconds
        named = self.file.read_text().strip().removeprefix(f"{IMAGE}=") if self.file.exists() else OLD.start
        if not self.running and (named != NEW.start or self.starts_new):
            self.running = named
        journal = journals.read(self.folder)
        if self.running == NEW.start and journal is not None:
            journals.note_reported(self.folder, journal)


@pytest.mark.parametrize(("starts_new", "stage", "runs"), [(True, "kept", NEW), (False, "back", OLD)])
def test_the_unit_runs_the_one_that_reports_or_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, starts_new: bool, stage: str, runs: Program
) -> None:
    unit = Unit(tmp_path, starts_new=starts_new)
    monkeypatch.setattr(succession, "see", unit.see)
    monkeypatch.setattr(succession, "stop", unit.stop)
    notes = {NAME: "mosaic", IMAGE_FILE: str(unit.file)}
    journals.write(tmp_path, Journal("c", "sha256:1", "unit", OLD, NEW, notes=notes))
    done = replace_device(tmp_path, UnitSwitch(Api("unix:///nowhere")), Time(lambda: unit.now, "b", unit.pause))
    assert done is not None
    assert done.stage == stage
    assert unit.running == runs.start
    assert unit.file.read_text() == f"{IMAGE}={runs.start}\n"
