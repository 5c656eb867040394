"""`mosaic device report`: what a Device tells its Hive."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mosaic.cli.output import Output, json_option
from mosaic.core.errors import NotFound

if TYPE_CHECKING:
    from mosaic.wire.report import Report


class NothingTold(NotFound):
    """No report was made yet."""

    code = "nothing-told"

    def __init__(self) -> None:
        super().__init__(
            "the Device on this machine has told its Hive nothing yet",
            hint="it does as soon as it is connected: `mosaic device list`",
        )


@click.command()
@click.argument("name", required=False)
@click.option("--show", is_flag=True, help="Print the very bytes that were sent, and nothing else.")
@click.option("--state", type=click.Path(file_okay=False, path_type=Path), help="The state folder of the Device here.")
@json_option
def report(out: Output, name: str | None, show: bool, state: Path | None) -> None:
    """Show what the Device on this machine told its Hive last; with NAME, what the Hive keeps of another one's report.

    What each part is for is in docs/privacy.md. Between reports a Device says only that the last one still holds, and
    how much room, memory and load there is.
    """
    if name is not None:
        return _kept(out, name, show=show)
    sent = _sent(state)
    if show:
        sys.stdout.buffer.write(sent)
        sys.stdout.flush()
        return None
    import msgspec

    from mosaic.wire.channel import Reported

    told = msgspec.json.decode(sent, type=Reported)
    return _tell(out, told.report, len(sent))


def _sent(state: Path | None) -> bytes:
    from mosaic.cli.up.layout import Layout, state_folder
    from mosaic.device.config import DeviceConfig

    layout = Layout(state_folder(state))
    try:
        return DeviceConfig("", layout.device, layout.storage_socket).told.read_bytes()
    except FileNotFoundError:
        raise NothingTold from None


def _kept(out: Output, name: str, *, show: bool) -> None:
    import msgspec

    from mosaic.cli.connection import connected
    from mosaic.cli.devices import find
    from mosaic.wire.report import Report

    with connected() as hive:
        kept = hive.get(f"/api/devices/{find(hive, name).device}/report", Report)
    raw = msgspec.json.encode(kept)
    if show:
        return click.echo(raw.decode(), nl=False)
    return _tell(out, kept, len(raw))


def _tell(out: Output, told: "Report", count: int) -> None:
    from mosaic.cli.units import ago

    lines = [
        f"{count} bytes, {ago(told.at_ns)}; `--show` prints them.",
        f"  apps:     {len(told.installations)}",
        f"  volumes:  {len(told.volumes)}",
        f"  version:  {told.version or 'not told'}",
    ]
    out.result(told, "\n".join(lines))
