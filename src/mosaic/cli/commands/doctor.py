"""`mosaic doctor`: look at everything that Mosaic needs here, and say what to do about what is missing."""

from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import click

from mosaic.cli import credentials
from mosaic.cli.connection import connected
from mosaic.cli.output import Output, json_option
from mosaic.cli.up import settings
from mosaic.cli.up.layout import Layout, state_folder
from mosaic.core.errors import MosaicError
from mosaic.device.outside import ask
from mosaic.wire.api import Account, Device

if TYPE_CHECKING:
    from mosaic.adapters.storage_client import StorageClient
    from mosaic.device.checks import Check


class SomethingWrong(MosaicError):
    """At least one check failed."""

    code = "doctor-found"

    def __init__(self, count: int) -> None:
        super().__init__(f"{count} of the checks above did not hold", hint="each says what to do")


@click.command()
@click.option("--state", type=click.Path(file_okay=False, path_type=Path), help="The state folder to look at.")
@json_option
def doctor(out: Output, state: Path | None) -> None:
    """Check this machine, the way to the Hive, and the Devices."""
    from mosaic.device import checks

    layout = Layout(state_folder(state))
    made = anyio.run(checks.make, [*_checks_here(layout), *_checks_of_the_account(layout)])
    out.result({"checks": [asdict(one) for one in made]}, checks.lines(made))
    failed = sum(not one.held for one in made)
    if failed and not out.as_json:
        raise SomethingWrong(failed)
    if failed:
        raise click.exceptions.Exit(1)


def _checks_here(layout: Layout) -> "list[Check]":
    """Return the checks that the Device here makes itself, and how the volumes are that no Hive knows."""
    from mosaic.adapters.clock import SystemClock
    from mosaic.adapters.docker.engine import DockerEngine
    from mosaic.adapters.storage_client import StorageClient
    from mosaic.cli.up.engine_place import engine_place
    from mosaic.device import checks, identity
    from mosaic.device.config import DeviceConfig
    from mosaic.device.hive_check import HiveAddress

    kept, is_device = settings.load(layout.settings), layout.identity.exists()
    driver = _driver(layout, kept.driver)
    place = engine_place(layout, driver=driver, has_own_engine=kept.own_engine)
    config = DeviceConfig(
        kept.name or "",
        layout.device,
        layout.storage_socket,
        driver=driver,
        engine=place.engine,
        front=layout.front if is_device else None,
        plugins=place.plugins,
        lent_ports=place.lent_ports,
        own_engine=place.own_engine,
    )
    storage = StorageClient(layout.storage_socket) if layout.storage.exists() else None
    known = identity.load(layout.identity) if is_device else None
    hive = HiveAddress(known.hive_url, known.ca_pem) if known is not None else None
    found = checks.all_checks(config, DockerEngine(config.engine), storage, hive, SystemClock())
    return found if storage is None else [*found, checks.Check("own volumes", partial(ask, _own_volumes, storage))]


def _driver(layout: Layout, kept: str) -> str:
    """Return the driver's name: of a storage daemon that is alone here, as it says itself."""
    from mosaic.adapters.storage_client import StorageClient
    from mosaic.wire.storage import StateRequest

    if layout.settings.exists():
        return kept
    with suppress(MosaicError):
        return StorageClient(layout.storage_socket).state(StateRequest()).driver
    return kept


def _own_volumes(storage: "StorageClient") -> str:
    own = [one for one in storage.hiveless().volumes if one.removed_ns is None]
    problem = next((one.problem for one in own if one.problem is not None), None)
    if problem is not None:
        raise _problem(problem.message, problem.hint)
    return "1 volume" if len(own) == 1 else f"{len(own)} volumes"


def _checks_of_the_account(layout: Layout) -> "list[Check]":
    from mosaic.device.checks import Check

    if not _needs_hive(layout):
        return []
    looks = {"Hive": _hive, "Hive's own copy": _copy, "Devices": _devices}
    return [Check(name, partial(ask, look)) for name, look in looks.items()]


def _needs_hive(layout: Layout) -> bool:
    """Whether anything here has to do with a Hive: not where a storage daemon is alone and nobody has logged in."""
    return layout.settings.exists() or credentials.path().exists() or not layout.storage.exists()


def _hive() -> str:
    with connected() as hive:
        account = hive.get("/api/account", Account)
        return f"{account.name} at {hive.url}"


def _copy() -> str:
    import time

    from mosaic.cli.hive_words import require_safe
    from mosaic.wire.hive_backup import HiveState

    with connected() as hive:
        return require_safe(hive.get("/api/hive/state", HiveState), time.time_ns())


def _devices() -> str:
    with connected() as hive:
        devices = hive.get("/api/devices", list[Device])
    for device in devices:
        if device.health.colour in ("amber", "red"):
            raise _problem(f"{device.name}: {device.health.cause}", device.health.remedy)
    return ", ".join(f"{device.name} {device.health.word.lower()}" for device in devices) or "none yet"


def _problem(message: str, hint: str) -> MosaicError:
    return MosaicError(message, hint=hint)
