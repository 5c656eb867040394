"""The Device's own process, beside a storage daemon that somebody else runs."""

import os
import sys
from pathlib import Path
from typing import NoReturn

import click

from mosaic.cli.up.layout import Layout
from mosaic.cli.up.lean import be_lean
from mosaic.cli.up.orphans import die_with
from mosaic.cli.up.supervise import REFUSED_CODE
from mosaic.core.errors import MosaicError, Unavailable


def serve(layout: Layout, storage_socket: Path, *, name: str | None, driver: str | None, parent: int | None) -> None:
    """Run the Device until it is stopped, and end the process. Its apps keep running.

    Under a supervisor a refusal ends with the code that says that trying
    again cannot help; what did not answer may answer later.
    """
    if parent is not None:
        die_with(parent)
    be_lean()
    from mosaic.device import identity
    from mosaic.device.config import DeviceConfig
    from mosaic.device.serve import serve as run

    known = identity.load(layout.identity)
    config = DeviceConfig(
        name=name or known.name,
        state=layout.device,
        storage_socket=storage_socket,
        driver=driver or "mosaic",
        caddy=os.environ.get("MOSAIC_CADDY", "caddy"),
    )
    try:
        run(config)
    except Unavailable:
        raise
    except MosaicError as error:
        if parent is None:
            raise
        click.echo(f"error: {error.message}\nhint: {error.hint}", err=True)
        _end(REFUSED_CODE)
    _end(0)


def _end(code: int) -> NoReturn:
    """End now: the interpreter would first wait for threads that wait 15 s for news of the storage daemon.

    Nothing is lost by it, for the Device may be killed at any line.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
