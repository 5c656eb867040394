"""`mosaic audit list` and `verify`: what was ordered, by whom, and that nobody changed the record of it."""

import click

from mosaic.cli.output import Output, json_option


@click.group()
def audit() -> None:
    """What was ordered of this account's Devices, on both sides."""


@audit.command("list")
@click.option("--device", help="The log that this Device keeps, instead of the Hive's.")
@click.option("--last", type=click.IntRange(1), default=100, show_default=True, help="How many of the newest rows.")
@json_option
def list_(out: Output, device: str | None, last: int) -> None:
    """List the newest rows of the Hive's log, or of a Device's."""
    from mosaic.cli import auditing

    auditing.show(out, device, last)


@audit.command()
@click.option("--device", help="Compare with this Device alone.")
@json_option
def verify(out: Output, device: str | None) -> None:
    """Check the Hive's log, and compare it with the one that each Device keeps."""
    from mosaic.cli import auditing

    auditing.verify(out, device)
