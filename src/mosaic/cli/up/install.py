"""`mosaic up --install`: services that run from every boot on."""

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Event

import click

from mosaic.adapters import process
from mosaic.cli.output import to_json
from mosaic.cli.up import preflight, services, systemd
from mosaic.cli.up.layout import Layout
from mosaic.cli.up.run import Wanted, prepare, remark, terminal_path
from mosaic.cli.up.settings import Settings
from mosaic.core.errors import Unavailable

UNIT_FOLDER = Path("/etc/systemd/system")
_RUNS_SYSTEMD = Path("/run/systemd/system")
_SYSTEMCTL_SECONDS = 120.0
_READY_SECONDS = 60.0
_LOOK_SECONDS = 0.1


class ServicesSilent(Unavailable):
    """The services were started, and do not answer."""

    code = "services-silent"

    def __init__(self) -> None:
        super().__init__(
            f"the Hive or the storage daemon does not answer within {_READY_SECONDS:g} s",
            hint="`journalctl -u 'mosaic-*'` says why",
        )


def install(layout: Layout, change: Callable[[Settings], Settings], wanted: Wanted) -> None:
    """Write the units and, where systemd runs, start them and keep them started after a reboot."""
    preflight.check(layout.state)
    if has_systemd():
        # Installing again with other options: the old ones must not hold the port or the folder.
        stop()
    chosen = prepare(layout, change, wanted.port)
    written = write(systemd.units(layout, chosen), UNIT_FOLDER)
    if not has_systemd():
        names = "\n".join(f"  {file}" for file in written)
        text = f"Wrote\n{names}\nNo systemd runs here, so nothing was started."
        click.echo(to_json({"units": [str(file) for file in written], "started": False}) if wanted.as_json else text)
        return
    layout.address.unlink(missing_ok=True)
    _systemctl("daemon-reload")
    _systemctl("enable", "--now", *systemd.SERVICES, *systemd.PATHS)
    remark("Mosaic's services run, and start again with the machine.")
    _wait_until_ready(layout, chosen)
    _welcome(layout, chosen, wanted)


def stop() -> None:
    """Stop the services, if they are there. Apps go on."""
    process.attempt(["systemctl", "stop", *systemd.PATHS, *reversed(systemd.SERVICES)], deadline_seconds=180)


def remove(folder: Path = UNIT_FOLDER) -> list[Path]:
    """Stop and remove the units. Returns what was removed; nothing when there was nothing."""
    found = [folder / name for name in (*systemd.SERVICES, *systemd.PATHS) if (folder / name).exists()]
    if found and has_systemd():
        stop()
        _systemctl("disable", *(file.name for file in found))
    for file in found:
        file.unlink()
    if found and has_systemd():
        _systemctl("daemon-reload")
    return found


def write(units: Mapping[str, str], folder: Path) -> list[Path]:
    """Write unit files and return where."""
    written = []
    for name, content in units.items():
        file = folder / name
        draft = file.with_suffix(".new")
        draft.write_text(content)
        draft.replace(file)
        written.append(file)
    return written


def has_systemd() -> bool:
    """Tell whether systemd runs this machine."""
    return _RUNS_SYSTEMD.is_dir()


def _wait_until_ready(layout: Layout, chosen: Settings) -> None:
    asked = [services.storage(layout, chosen), services.hive(layout, chosen, parent=None)]
    deadline = time.monotonic() + _READY_SECONDS
    pause = Event()
    while not (layout.address.exists() and all(service.is_ready() for service in asked)):
        if time.monotonic() > deadline:
            raise ServicesSilent
        pause.wait(_LOOK_SECONDS)


def _welcome(layout: Layout, chosen: Settings, wanted: Wanted) -> None:
    from mosaic.cli.up.welcome import Wish, welcome

    terminal = os.environ.get("MOSAIC_TERMINAL") or terminal_path()
    name = chosen.name or "device"
    welcome(layout, Wish(name, wanted.demo, wanted.password_file, wanted.passphrase_file, wanted.as_json, terminal))


def _systemctl(*words: str) -> None:
    process.run(["systemctl", *words], deadline_seconds=_SYSTEMCTL_SECONDS)
