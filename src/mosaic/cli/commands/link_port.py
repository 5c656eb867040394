"""`mosaic link port add|remove`: public TCP and UDP ports for what does not speak HTTP."""

import click

from mosaic.adapters.api_client import segment
from mosaic.cli.connection import connected
from mosaic.cli.link_view import port_line
from mosaic.cli.output import Output, json_option
from mosaic.core.raw_ports import RawProtocol
from mosaic.wire.link_api import AddPort, Link

_name = click.argument("name")
_protocol = click.argument("protocol", metavar="tcp|udp", type=click.Choice(["tcp", "udp"]))
_port = click.argument("port", type=click.IntRange(1, 65535))


@click.group()
def port() -> None:
    """Public TCP and UDP ports for apps that do not speak HTTP. Nothing encrypts what passes but the app itself."""


@port.command()
@_name
@_protocol
@_port
@click.option(
    "--public", type=click.IntRange(0, 65535), default=0, metavar="N", help="Which port; the gateway chooses if not."
)
@json_option
def add(out: Output, name: str, protocol: RawProtocol, port: int, public: int) -> None:
    """Have the gateway open a port that leads to PORT as the app's EXPOSE calls it: `tcp://PORT:service:port`.

    Adding again tries again to have one that could not be had.
    """
    with connected() as hive:
        path = f"/api/installations/{segment(name)}/link/ports"
        found = hive.send("PUT", path, AddPort(protocol, port, public), Link)
    lines = [port_line(one) for one in found.ports if (one.protocol, one.named) == (protocol, port)]
    more = f"It leads there when EXPOSE of {found.app} has {protocol}://{port}:SERVICE:PORT."
    out.result(found, "\n".join([*lines, more]))


@port.command()
@_name
@_protocol
@_port
@json_option
def remove(out: Output, name: str, protocol: RawProtocol, port: int) -> None:
    """Give the port back that leads to PORT of the app's EXPOSE. Its connections end."""
    with connected() as hive:
        hive.order("DELETE", f"/api/installations/{segment(name)}/link/ports?protocol={protocol}&port={port}")
    out.result({"removed": f"{protocol}:{port}"}, f"{protocol} port {port} of {name} is not reached any more.")
