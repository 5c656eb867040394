"""`mosaic up --install`: services that run from every boot on."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Event

import click

from mosaic.adapters import process
from mosaic.cli.output import to_json
from mosaic.cli.up import preflight, services, systemd, unit_words
from mosaic.cli.up.layout import Layout
from mosaic.cli.up.run import Wanted, prepare, remark, terminal_path
from mosaic.cli.up.settings import Settings
from mosaic.cli.upgrading import own_choice
from mosaic.core.errors import Unavailable
from mosaic.device.front_folder import FrontFolder

UNIT_FOLDER = Path("/etc/systemd/system")
_RUNS_SYSTEMD = Path("/run/systemd/system")
_SYSTEMCTL_SECONDS = 120.0
_STOP_SECONDS = 180.0
_READY_SECONDS = 60.0
_LOOK_SECONDS = 0.1


class ServicesSilent(Unavailable):
    """The services were started, and do not answer."""

    code = "services-silent"

    def __init__(self, title: str, said: str) -> None:
        super().__init__(
            f"the {title} does not answer within {_READY_SECONDS:g} s" + (f"; it said last: {said}" if said else ""),
            hint="`journalctl -u 'mosaic-*'` says why",
        )


def install(layout: Layout, change: Callable[[Settings], Settings], wanted: Wanted) -> None:
    """Write the units and, where systemd runs, start them and keep them started after a reboot."""
    preflight.check(layout.state)
    if has_systemd():
        # Installing again with other options: the old ones must not hold the port or the folder.
        stop()
    chosen = prepare(layout, change, wanted.port)
    # It may have ended with a Device that was removed from here, or superseded.
    FrontFolder(layout.front).wanted()
    if chosen.gateway_host is None:
        _remove([UNIT_FOLDER / systemd.GATEWAY])
    written = write(systemd.with_programs(systemd.units(layout, chosen), own_choice.programs(layout)), UNIT_FOLDER)
    if not has_systemd():
        names = "\n".join(f"  {file}" for file in written)
        text = f"Wrote\n{names}\nNo systemd runs here, so nothing was started."
        click.echo(to_json({"units": [str(file) for file in written], "started": False}) if wanted.as_json else text)
        return
    layout.address.unlink(missing_ok=True)
    _systemctl("daemon-reload")
    _systemctl("enable", "--now", *(file.name for file in written))
    remark("Mosaic's services run, and start again with the machine.")
    _wait_until_ready(layout, chosen)
    _welcome(layout, chosen, wanted)


def stop() -> None:
    """Stop the services, if they are there. Apps go on."""
    _stop(systemd.REPLACER, *systemd.PATHS, systemd.GATEWAY, *reversed(systemd.SERVICES))


def stop_device() -> None:
    """Stop the Device and the LAN front, if they are there. Its apps' last snapshots need the others."""
    _stop(systemd.REPLACER, *systemd.PATHS, systemd.DEVICE, systemd.FRONT)


def _stop(*units: str) -> None:
    # One that is not there is an error, and the others are stopped all the same.
    process.attempt(["systemctl", "stop", *units], deadline_seconds=_STOP_SECONDS)


def remove(folder: Path = UNIT_FOLDER) -> list[Path]:
    """Stop and remove the units. Returns what was removed; nothing when there was nothing."""
    names = (systemd.GATEWAY, *systemd.SERVICES, *systemd.PATHS, systemd.REPLACER)
    found = [folder / name for name in names if (folder / name).exists()]
    if found and has_systemd():
        stop()
    return _remove(found)


def _remove(units: Sequence[Path]) -> list[Path]:
    """Remove units that run nothing now. Returns those that were there."""
    found = [file for file in units if file.exists()]
    if found and has_systemd():
        _systemctl("disable", *(file.name for file in found))
    for file in found:
        file.unlink()
    if found and has_systemd():
        _systemctl("daemon-reload")
        # One that had failed would be listed for ever, without a file.
        process.attempt(["systemctl", "reset-failed", *(file.name for file in found)], deadline_seconds=_STOP_SECONDS)
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
    began, deadline = int(time.time()), time.monotonic() + _READY_SECONDS
    pause = Event()
    for service in (services.storage(layout, chosen), services.hive(layout, chosen, parent=None)):
        while not service.is_ready():
            if time.monotonic() > deadline:
                raise ServicesSilent(
                    service.title, unit_words.last_error(f"mosaic-{service.name}.service", since=began)
                )
            pause.wait(_LOOK_SECONDS)


def _welcome(layout: Layout, chosen: Settings, wanted: Wanted) -> None:
    from mosaic.cli.up.welcome import Wish, welcome

    terminal = os.environ.get("MOSAIC_TERMINAL") or terminal_path()
    name = chosen.name or "device"
    files = (wanted.password_file, wanted.passphrase_file)
    welcome(layout, Wish(name, wanted.demo, *files, wanted.as_json, terminal, by_systemd=True))


def _systemctl(*words: str) -> None:
    process.run(["systemctl", *words], deadline_seconds=_SYSTEMCTL_SECONDS)
