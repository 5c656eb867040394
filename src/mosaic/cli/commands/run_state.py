"""`mosaic start`, `stop`, `restart`."""

import click

from mosaic.adapters.api_client import segment
from mosaic.cli import verdict
from mosaic.cli.connection import connected
from mosaic.cli.follow import follow
from mosaic.cli.output import Output, json_option
from mosaic.cli.shown import describe
from mosaic.wire.api import Installation


@click.command()
@click.argument("name")
@json_option
def start(out: Output, name: str) -> None:
    """Start NAME and wait until it is healthy."""
    _change(out, name, "start")


@click.command()
@click.argument("name")
@json_option
def stop(out: Output, name: str) -> None:
    """Stop NAME and wait until its data is replicated."""
    _change(out, name, "stop")


@click.command()
@click.argument("name")
@json_option
def restart(out: Output, name: str) -> None:
    """Stop NAME, start it again and wait until it is healthy."""
    _change(out, name, "restart")


def _change(out: Output, name: str, what: str) -> None:
    with connected() as hive:
        asked = hive.send("POST", f"/api/installations/{segment(name)}/{what}", None, Installation)
        judge = verdict.stopped if what == "stop" else verdict.running
        settled = follow(hive, asked.installation, judge)
    out.result(settled, describe(settled))
