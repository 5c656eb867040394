"""The replacer: the program of before, in a process that is not the Device, that carries an upgrade to its end."""

import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from mosaic.adapters import log
from mosaic.cli.up import device_contained
from mosaic.cli.up.layout import Layout
from mosaic.core.device_upgrade import TRIAL_SECONDS, Journal
from mosaic.device.upgrading import journal as journals
from mosaic.device.upgrading.replacing import Time, replace_device

if TYPE_CHECKING:
    from mosaic.device.upgrading.form import Switch

SECONDS = "MOSAIC_UPGRADE_SECONDS"
"""How long the new Device may take; for tests."""

_BOOT = Path("/proc/sys/kernel/random/boot_id")


def run(layout: Layout) -> None:
    """Carry the journal of a state folder to its end. A container that did so removes itself."""
    signal.signal(signal.SIGTERM, _end)
    journal = journals.read(layout.device)
    if journal is not None and not journal.is_done:
        clock = Time(lambda: time.clock_gettime(time.CLOCK_BOOTTIME), _BOOT.read_text().strip(), _pause)
        seconds = float(os.environ.get(SECONDS) or TRIAL_SECONDS)
        done = replace_device(layout.device, switch_of(layout, journal), clock, trial_seconds=seconds)
        log.info("upgrade_ended", stage=done.stage if done is not None else "")
    if device_contained.is_contained():
        _leave()


def switch_of(layout: Layout, journal: Journal) -> "Switch":
    """Return what switches a Device of the journal's form."""
    if journal.form == "host":
        from mosaic.cli.up.host_switch import host_switch

        return host_switch(layout, journal)
    from mosaic.adapters.docker.api import Api
    from mosaic.cli.up.container_switch import ContainerSwitch, UnitSwitch
    from mosaic.core.device_container import ENGINE_SOCKET

    engine = Api(f"unix://{ENGINE_SOCKET}")
    return UnitSwitch(engine) if journal.form == "unit" else ContainerSwitch(engine)


def _leave() -> None:
    """Have the engine remove this container: it would start it again."""
    from mosaic.adapters.docker import succession
    from mosaic.adapters.docker.api import Api
    from mosaic.adapters.docker.own_container import own_container
    from mosaic.core.device_container import ENGINE_SOCKET

    engine = Api(f"unix://{ENGINE_SOCKET}")
    succession.remove(engine, own_container(engine).id)


def _pause(seconds: float) -> None:
    threading.Event().wait(seconds)


def _end(*_: object) -> NoReturn:
    sys.exit(143)
