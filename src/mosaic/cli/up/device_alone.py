"""The Device's own process, beside a storage daemon that somebody else runs."""

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import click

from mosaic.cli.up.layout import Layout
from mosaic.cli.up.lean import be_lean
from mosaic.cli.up.orphans import die_with
from mosaic.cli.up.targets import Targets
from mosaic.core.errors import REFUSED_CODE, MosaicError, Unavailable


def serve(
    layout: Layout,
    storage_socket: Path,
    *,
    name: str | None,
    driver: str | None,
    parent: int | None,
    targets: Targets,
    has_own_engine: bool = False,
) -> None:
    """Run the Device until it is stopped, and end the process. Its apps keep running.

    Under a supervisor a refusal ends with the code that says that trying
    again cannot help, and so does the Hive's last word to this Device
    wherever it runs; what did not answer may answer later. Where the engine
    or systemd would start it again all the same, they are told not to.
    """
    if parent is not None:
        die_with(parent)
    be_lean()
    from mosaic.adapters.machine import own_hardware
    from mosaic.cli.up.engine_place import engine_place
    from mosaic.cli.up.preparers import preparer_of
    from mosaic.core.session import SessionSuperseded
    from mosaic.device import identity
    from mosaic.device.config import LINK_IMAGE, DeviceConfig
    from mosaic.device.serve import serve as run
    from mosaic.device.session import TurnedAway

    known = identity.load(layout.identity)
    place = engine_place(layout, driver=driver or "mosaic", has_own_engine=has_own_engine)
    config = DeviceConfig(
        name=name or known.name,
        state=layout.device,
        storage_socket=storage_socket,
        driver=driver or "mosaic",
        front=layout.front,
        caddy=os.environ.get("MOSAIC_CADDY", "caddy"),
        hardware=targets.hardware or own_hardware(),
        group=targets.group,
        trusted=targets.trusted,
        engine=place.engine,
        plugins=place.plugins,
        lent_ports=place.lent_ports,
        own_engine=place.own_engine,
        has_tun=place.has_tun,
        link_image=os.environ.get("MOSAIC_LINK_IMAGE") or LINK_IMAGE,
    )
    try:
        run(config, preparer=preparer_of(layout))
    except Unavailable:
        raise
    except MosaicError as error:
        _end_front(layout)
        if parent is None and not isinstance(error, TurnedAway | SessionSuperseded):
            raise
        click.echo(f"error: {error.message}\nhint: {error.hint}", err=True)
        # Started again, one that was superseded would take over from the one that took over from it, and so on.
        is_over = error.is_over if isinstance(error, TurnedAway) else isinstance(error, SessionSuperseded)
        if parent is None and is_over:
            from mosaic.cli.up.staying_ended import stay_ended

            stay_ended()
        _end(REFUSED_CODE)
    _end(0)


def _end_front(layout: Layout) -> None:
    """Remove the container of a front that ended for good: the engine would start it again and again."""
    from mosaic.cli.up.device_contained import is_contained
    from mosaic.cli.up.front_contained import remove_front
    from mosaic.device.front_folder import FrontFolder

    if is_contained() and FrontFolder(layout.front).is_ended:
        with suppress(MosaicError):
            remove_front(layout)


def _end(code: int) -> NoReturn:
    """End now: the interpreter would first wait for threads that wait 15 s for news of the storage daemon.

    Nothing is lost by it, for the Device may be killed at any line.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
