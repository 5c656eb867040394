"""The LAN front's own process: look what it starts with, and become Caddy.

A supervisor, systemd or the engine runs it beside the Device, and starts it
again when it ends. It begins with what the Device told it last, so that names
answer though no Device runs; the Device tells it anew.
"""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import click

from mosaic.adapters import caddy, caddy_https, lock_file, process
from mosaic.adapters.free_port import is_free
from mosaic.adapters.private_file import write_private
from mosaic.core.errors import REFUSED_CODE, Conflict, MosaicError, Unavailable
from mosaic.device.front_folder import FrontEnded, FrontFolder


class FrontRuns(Conflict):
    """Another front runs from the same folder."""

    code = "front-already-running"

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"a LAN front already runs from {folder}",
            hint="give the second Device a state folder of its own with `--state`",
        )


def serve(folder: Path) -> NoReturn:
    """Become Caddy. Ends with the code that says so where trying again cannot help.

    Raises:
        FrontRuns: another one has the folder; its admin socket would be taken from it.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    place = FrontFolder(folder)
    try:
        if place.is_ended:
            raise FrontEnded
        binary = _binary()
    except Unavailable:
        raise
    except MosaicError as error:
        click.echo(f"error: {error.message}\nhint: {error.hint}", err=True)
        raise click.exceptions.Exit(REFUSED_CODE) from error
    _lock(place)
    write_private(place.first, caddy.write(_first(place)))
    process.become(caddy.run(binary, place.first), env={**caddy.environment(folder), "PATH": os.environ["PATH"]})


def _binary() -> str:
    """Return the program's path. Raises ProgramMissing, CaddyTooOld."""
    named = os.environ.get("MOSAIC_CADDY", caddy.PROGRAM)
    caddy.check_version(process.run(caddy.version(named), deadline_seconds=caddy.DEADLINE_SECONDS * 2).text)
    return shutil.which(named) or named


def _lock(place: FrontFolder) -> None:
    """Hold the folder as long as this process lives, whatever program it becomes. Raises FrontRuns."""
    descriptor = lock_file.take(place.lock)
    if descriptor is None:
        raise FrontRuns(place.path)
    os.set_inheritable(descriptor, True)


def _first(place: FrontFolder) -> caddy.Json:
    """Return what it was told last. If another program has the port by now, the Device has to choose another."""
    found = caddy.resumed(place.kept.read_bytes(), place.admin) if place.kept.exists() else None
    if found is None:
        return caddy.idle(place.admin)
    configuration, port = found
    if not is_free("tcp", port):
        click.echo(f"another program has port {port}; the Device chooses another one", err=True)
        return caddy.idle(place.admin)
    # HTTPS that could not begin would keep Caddy from starting at all.
    return configuration if caddy_https.is_fit(configuration) else caddy_https.without_https(configuration)
