"""`mosaic link gateway add|list|remove`: the public machines that carry this Hive's links, unread."""

import click

from mosaic.adapters.api_client import segment
from mosaic.cli.connection import connected
from mosaic.cli.link_view import gateway_page, gateway_row
from mosaic.cli.output import Output, json_option
from mosaic.wire.link_api import AddGateway, LinkGateway


@click.group()
def gateway() -> None:
    """The gateways that carry this Hive's links."""


@gateway.command()
@click.argument("url")
@click.option("--fingerprint", metavar="HEX", help="SHA-256 of its certificate, if no public authority signed that.")
@json_option
def add(out: Output, url: str, fingerprint: str | None) -> None:
    """Use the gateway at URL. Asks it who it is, and says what to type there where it does not know this Hive."""
    with connected() as hive:
        found = hive.send("POST", "/api/link-gateways", AddGateway(url, fingerprint), LinkGateway)
    out.result(found, gateway_page(found))


@gateway.command("list")
@json_option
def list_(out: Output) -> None:
    """List the gateways that this Hive uses."""
    with connected() as hive:
        found = hive.get("/api/link-gateways", list[LinkGateway])
    empty = "There is none yet; `mosaic link gateway add URL` adds one."
    out.table(found, ["GATEWAY", "ADDRESS", "DOMAINS", ""], [gateway_row(one) for one in found], empty=empty)


@gateway.command()
@click.argument("name")
@json_option
def remove(out: Output, name: str) -> None:
    """Use the gateway NAME no more. None of this Hive's links may be there."""
    with connected() as hive:
        hive.order("DELETE", f"/api/link-gateways/{segment(name)}")
    out.result({"removed": name}, f"{name} is not used any more.")
