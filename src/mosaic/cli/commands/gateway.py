"""`mosaic gateway`: run one, allow Hives to have links routed, and see what is routed."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import click

from mosaic.cli.gateway_options import database_option, state_option
from mosaic.cli.imported_later import ImportedLater, Others
from mosaic.cli.output import Output, json_option

if TYPE_CHECKING:
    from mosaic.gateway.config import GatewayConfig

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_key = click.argument("hive_key", metavar="HIVE_KEY")


def _interface(_context: click.Context, _option: click.Parameter, name: str) -> str:
    if not re.fullmatch(r"mosaic[a-z0-9-]{0,9}", name):
        raise click.BadParameter(f"{name} is not `mosaic` with up to nine letters, digits and hyphens behind it")
    return name


class GatewayCommands(ImportedLater):
    """The commands of this file, and those of others."""

    others: ClassVar[Others] = {
        "import": ("gateway_import", "import_", "Take in links from a file of `mosaic link export`."),
    }


@click.group(cls=GatewayCommands)
def gateway() -> None:
    """The public node: routes visitors by name, unread, to links."""


@gateway.command()
@state_option
@database_option
@click.option("--name", required=True, help="This gateway's own name within its group.")
@click.option("--public-host", required=True, metavar="HOST", help="The name by which links and visitors reach it.")
@click.option("--target", metavar="HOST", help="The name that owners' names point at; --public-host if not given.")
@click.option("--addresses", metavar="IP,…", default="", help="Its public addresses, for names that cannot be a CNAME.")
@click.option("--network", default="10.100.0.0/16", show_default=True, help="The tunnels' private network.")
@click.option(
    "--tcp-network", default="127.64.0.0/10", show_default=True, help="Its part of loopback, for links in TCP mode."
)
@click.option(
    "--listen", default="127.0.0.1:8940", show_default=True, help="Where its API is served, behind the router."
)
@click.option("--listen-tls", default="0.0.0.0:443", show_default=True, help="Where visitors are routed by name.")
@click.option("--listen-plain", default="0.0.0.0:80", show_default=True, help="Where plain HTTP is sent on to HTTPS.")
@click.option("--listen-tunnel", default="0.0.0.0:8942", show_default=True, help="Where links in TCP mode connect.")
@click.option("--ports", metavar="FIRST-LAST", help="Raw TCP and UDP ports that links may have; none if not given.")
@click.option(
    "--listen-ports", multiple=True, metavar="IP", help="Addresses where these are opened; all of IPv4 if not given."
)
@click.option("--wireguard-port", type=click.IntRange(0, 65535), default=51820, show_default=True, help="0 has none.")
@click.option(
    "--interface", default="mosaic0", show_default=True, callback=_interface, help="WireGuard's: mosaic and letters."
)
@click.option("--metrics", metavar="ADDR:PORT", help="Serve figures for Prometheus there.")
@click.option("--cert", type=_FILE, help="A certificate (PEM) to serve the API by, at --listen and at --public-host.")
@click.option("--key", type=_FILE, help="The certificate's private key (PEM).")
@click.option("--acme", metavar="EMAIL", help="Get one for --public-host by ACME, accepting its terms.")
@click.option("--acme-directory", metavar="URL", help="The authority's directory; Let's Encrypt's if not given.")
@click.option("--acme-root", type=_FILE, help="Whom to trust at that directory (PEM), if not a public authority.")
@click.option(
    "--router", type=click.Choice(["splice", "haproxy"]), default="splice", show_default=True, help="What routes."
)
@click.option(
    "--leave-running", is_flag=True, help="When stopped, leave HAProxy and WireGuard to the gateway that starts next."
)
def serve(
    state: Path,
    database: str | None,
    name: str,
    public_host: str,
    target: str | None,
    addresses: str,
    network: str,
    tcp_network: str,
    listen: str,
    listen_tls: str,
    listen_plain: str,
    listen_tunnel: str,
    ports: str | None,
    listen_ports: tuple[str, ...],
    wireguard_port: int,
    interface: str,
    metrics: str | None,
    cert: Path | None,
    key: Path | None,
    acme: str | None,
    acme_directory: str | None,
    acme_root: Path | None,
    router: str,
    leave_running: bool,
) -> None:
    """Run a gateway until it is stopped.

    All gateways of a group are given the same --database and --network, and a --name each. Several on one
    machine need ports, a --state, an --interface and a --tcp-network of their own (such as 127.80.0.0/12),
    and, with WireGuard, a --network each: only one gateway of a group can have WireGuard on a machine.
    """
    if (cert is None) != (key is None):
        raise click.UsageError("--cert and --key belong together")
    if cert is not None and acme is not None:
        raise click.UsageError("--cert and --acme exclude each other")
    from mosaic.adapters.signals import noted
    from mosaic.cli.gateway_parts import PartsWanted, opened_parts, place
    from mosaic.cli.raw_ports import EVERYWHERE, named_range
    from mosaic.core import tunnel_addresses
    from mosaic.core.link_settings import LETS_ENCRYPT, Acme
    from mosaic.gateway.config import GatewayConfig
    from mosaic.gateway.serve import STOPS
    from mosaic.gateway.serve import serve as run

    api_host, api_port = place(listen)
    places = [place(one)[1] for one in (listen, listen_tls, listen_plain, listen_tunnel, metrics) if one]
    raw_ports = named_range(ports, [*places, wireguard_port]) if ports else range(0)
    config = GatewayConfig(
        state=state,
        name=name,
        host=public_host,
        target=target,
        addresses=tuple(one.strip() for one in addresses.split(",") if one.strip()),
        database_url=database,
        network=tunnel_addresses.parse(network, tcp_network),
        listen=api_host,
        port=api_port,
        certificate=cert,
        key=key,
        tls_port=place(listen_tls)[1],
        plain_port=place(listen_plain)[1],
        metrics_listen=place(metrics) if metrics else None,
        ports_listen=(listen_ports or EVERYWHERE) if ports else (),
        port_range=raw_ports,
    )
    wanted = PartsWanted(
        router,
        tls=place(listen_tls),
        plain=place(listen_plain),
        tunnel=place(listen_tunnel),
        wireguard_port=wireguard_port,
        interface=interface,
        leave_running=leave_running,
        acme=Acme(acme_directory or LETS_ENCRYPT, str(acme_root) if acme_root else None, acme) if acme else None,
    )
    with noted(*STOPS) as is_stopped, opened_parts(config, wanted, is_stopped) as (told, parts):
        run(told, parts, is_stopped)


@gateway.command()
@_key
@state_option
@database_option
@click.option("--domain", "domains", multiple=True, help="A domain under which this Hive may give out names.")
@click.option("--only-domains", is_flag=True, help="Take no names that the Hive says its owners proved.")
@json_option
def allow(
    out: Output, hive_key: str, state: Path, database: str | None, domains: tuple[str, ...], only_domains: bool
) -> None:
    """Let a Hive have links routed, with these domains in place of any before.

    HIVE_KEY is the Hive's public key: 64 hex digits.
    """
    from mosaic.gateway import operating

    hive = operating.allow(_config(state, database), hive_key, domains, vouches=not only_domains)
    shown = f"The Hive {hive.key[:16]}… may give out names of: {', '.join(hive.domains) or 'no domain of the gateway'}."
    out.result(hive, shown)


@gateway.command()
@_key
@state_option
@database_option
@json_option
def disallow(out: Output, hive_key: str, state: Path, database: str | None) -> None:
    """Take a Hive's right away, and remove all its links."""
    from mosaic.gateway import operating

    count = operating.disallow(_config(state, database), hive_key)
    out.result({"hive": hive_key, "removed_links": count}, f"The Hive is not allowed any more; {count} links removed.")


@gateway.command()
@state_option
@database_option
@json_option
def hives(out: Output, state: Path, database: str | None) -> None:
    """List the Hives that are allowed."""
    from mosaic.gateway import operating

    found = operating.hives(_config(state, database))
    rows = [
        [hive.key, ", ".join(hive.domains) or "—", "yes" if hive.vouches else "no", str(hive.links)] for hive in found
    ]
    out.table(found, ["HIVE", "DOMAINS", "OWN NAMES", "LINKS"], rows, empty="No Hive is allowed.")


@gateway.command("links")
@state_option
@database_option
@json_option
def links_(out: Output, state: Path, database: str | None) -> None:
    """List the links that are routed."""
    from mosaic.cli.units import size
    from mosaic.gateway import operating

    found = operating.links_of_all(_config(state, database))
    rows = [
        [
            one.link.id,
            one.hive[:16],
            ", ".join([*one.link.names, *(f"{port.protocol}:{port.public}" for port in one.link.ports)]) or "—",
            one.link.mode or "not registered",
            ", ".join(one.link.gateways) or "—",
            f"{size(one.link.received_bytes)} / {size(one.link.sent_bytes)}",
        ]
        for one in found
    ]
    out.table(
        found,
        ["LINK", "HIVE", "NAMES AND PORTS", "MODE", "GATEWAYS", "RECEIVED / SENT"],
        rows,
        empty="No link is routed.",
    )


def _config(state: Path, database: str | None) -> "GatewayConfig":
    from mosaic.gateway.config import GatewayConfig

    return GatewayConfig(state=state, name="", host="", database_url=database)
