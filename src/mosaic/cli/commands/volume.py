"""`mosaic volume list|show`."""

import click

from mosaic.cli.connection import connected
from mosaic.cli.output import Output, json_option
from mosaic.cli.shown import last_saved
from mosaic.cli.units import ago, size
from mosaic.core.errors import NotFound
from mosaic.wire.api import Volume


class VolumeUnknown(NotFound):
    """No volume has a key that begins like this, or several have."""

    code = "volume-unknown"

    def __init__(self, name: str, count: int) -> None:
        said = "no volume's key begins" if count == 0 else f"{count} volumes' keys begin"
        super().__init__(f"{said} with {name!r}", hint="`mosaic volume list` shows them")


@click.group()
def volume() -> None:
    """Encrypted volumes and their replicas."""


@volume.command("list")
@json_option
def list_(out: Output) -> None:
    """List the volumes of all installed apps."""
    with connected() as hive:
        volumes = hive.get("/api/volumes", list[Volume])
    rows = [[one.volume[:12], one.name, one.kind, ago(one.newest_instant_ns), _state(one)] for one in volumes]
    out.table(volumes, ["VOLUME", "APP", "KIND", "NEWEST SNAPSHOT", "STATE"], rows, empty="There are no volumes.")


@volume.command()
@click.argument("key")
@json_option
def show(out: Output, key: str) -> None:
    """Show one volume by the beginning of its KEY, or by its app's name."""
    with connected() as hive:
        volumes = hive.get("/api/volumes", list[Volume])
    # Of an app's own volumes the one with its data is meant; its link's is found by its key.
    named = [one for one in volumes if one.name == key and one.kind == "data"]
    found = named or [one for one in volumes if one.volume.startswith(key)]
    if len(found) != 1:
        raise VolumeUnknown(key, len(found))
    one = found[0]
    lines = [
        f"{one.volume}",
        f"  app:              {one.name} ({one.kind})",
        f"  newest head:      {one.newest_head or 'none'}",
        f"  newest snapshot:  {ago(one.newest_instant_ns)}",
    ]
    for report in one.reports:
        lines.append(f"  here:             {report.state}, {size(report.waiting_bytes)} waiting, {last_saved(report)}")
        lines += [f"  conflict:         {kept.name} of epoch {kept.epoch}" for kept in report.conflicts]
    out.result(one, "\n".join(lines))


def _state(one: Volume) -> str:
    return ", ".join(last_saved(report) for report in one.reports) or "not on any Device now"
