"""`mosaic storage serve --install`: the storage daemon alone, from every boot on, before any container starts."""

import os
from collections.abc import Sequence
from pathlib import Path

from mosaic.adapters import process
from mosaic.cli.up import install, systemd
from mosaic.cli.up.preflight import NotRoot
from mosaic.core.errors import Conflict

UNIT = "mosaic-storage.service"
_WRITTEN_BY = "# Written by `mosaic storage serve --install`; `mosaic storage serve --uninstall` removes it."
_SYSTEMCTL_SECONDS = 300.0


class UnitTaken(Conflict):
    """`mosaic up --install` runs the storage daemon of this machine already."""

    code = "unit-taken"

    def __init__(self, unit: Path) -> None:
        super().__init__(
            f"{unit} was written by `mosaic up --install`, which runs a storage daemon on this machine already",
            hint="use that one: `docker volume create -d mosaic -o store=…` works with it",
        )


def add(options: Sequence[str], folder: Path = install.UNIT_FOLDER) -> tuple[Path, bool]:
    """Write the unit and, where systemd runs, start it. Returns the unit, and whether it was started."""
    unit = _ours(folder)
    install.write({UNIT: systemd.storage_unit(options, written_by=_WRITTEN_BY)}, folder)
    if not install.has_systemd():
        return unit, False
    _systemctl("daemon-reload")
    _systemctl("enable", UNIT)
    _systemctl("restart", UNIT)
    return unit, True


def take_away(folder: Path = install.UNIT_FOLDER) -> bool:
    """Stop the daemon and remove the unit; the data stays. Returns whether there was one."""
    unit = _ours(folder)
    if not unit.exists():
        return False
    if install.has_systemd():
        _systemctl("disable", "--now", UNIT)
    unit.unlink()
    if install.has_systemd():
        _systemctl("daemon-reload")
    return True


def _ours(folder: Path) -> Path:
    if os.geteuid() != 0:
        raise NotRoot
    unit = folder / UNIT
    if unit.exists() and not unit.read_text().startswith(_WRITTEN_BY):
        raise UnitTaken(unit)
    return unit


def _systemctl(*words: str) -> None:
    process.run(["systemctl", *words], deadline_seconds=_SYSTEMCTL_SECONDS)
