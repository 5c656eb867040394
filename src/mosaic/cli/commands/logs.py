"""`mosaic logs NAME`: the last lines that an app wrote."""

import click

from mosaic.adapters.api_client import segment
from mosaic.cli.connection import connected
from mosaic.cli.output import Output, json_option
from mosaic.wire.api import Logs


@click.command()
@click.argument("name")
@click.option("--service", help="One service only.")
@click.option(
    "--lines", type=click.IntRange(1, 2000), default=200, show_default=True, help="How many of the last lines to show."
)
@json_option
def logs(out: Output, name: str, service: str | None, lines: int) -> None:
    """Show the last lines of NAME. They pass through the Hive and are not kept there."""
    query = {"lines": str(lines), **({"service": service} if service else {})}
    with connected() as hive:
        found = hive.get(f"/api/installations/{segment(name)}/logs", Logs, query=query)
    out.result(found, found.text.rstrip("\n"))
