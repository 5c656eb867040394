"""`mosaic app remove NAME`: an app of one's own leaves the catalog."""

import click

from mosaic.adapters.api_client import segment
from mosaic.cli.connection import connected
from mosaic.cli.output import Output, json_option


@click.command()
@click.argument("name")
@json_option
def remove(out: Output, name: str) -> None:
    """Take the app of your own called NAME off the catalog. What is installed from it runs on, and gets no update."""
    with connected() as hive:
        hive.order("DELETE", f"/api/own-apps/{segment(name)}")
    out.result({"removed": name}, f"{name} is off the catalog. What is installed from it runs on.")
