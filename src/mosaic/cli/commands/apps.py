"""`mosaic apps` and `mosaic show NAME`."""

import click

from mosaic.adapters.api_client import HiveClient, segment
from mosaic.cli.connection import connected
from mosaic.cli.output import Output, json_option
from mosaic.cli.shown import in_full
from mosaic.cli.verdict import address, holder_report
from mosaic.wire.api import Device, Installation


@click.command()
@json_option
def apps(out: Output) -> None:
    """List the installed apps."""
    with connected() as hive:
        installations = hive.get("/api/installations", list[Installation])
        devices = _device_names(hive)
    rows = [
        [one.name, one.app, devices.get(one.device, one.device), one.health.word, _first_address(one)]
        for one in installations
    ]
    out.table(
        installations,
        ["NAME", "APP", "DEVICE", "STATE", "ADDRESS"],
        rows,
        empty="No app is installed. `mosaic catalog list` shows what there is.",
    )


@click.command()
@click.argument("name")
@json_option
def show(out: Output, name: str) -> None:
    """Show how one installed app is: services, volumes, addresses."""
    with connected() as hive:
        installation = hive.get(f"/api/installations/{segment(name)}", Installation)
        devices = _device_names(hive)
    out.result(installation, in_full(installation, devices.get(installation.device, installation.device)))


def _device_names(hive: HiveClient) -> dict[str, str]:
    return {device.device: device.name for device in hive.get("/api/devices", list[Device])}


def _first_address(installation: Installation) -> str:
    report = holder_report(installation)
    found = address(report) if report is not None else []
    return found[0] if found else ""
