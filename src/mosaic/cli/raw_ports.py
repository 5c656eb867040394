"""The raw ports of `mosaic gateway serve`: which ones its operator names, and what opens them."""

from collections.abc import Iterable
from contextlib import ExitStack

import click

from mosaic.adapters.raw_ports.relay import EVERYWHERE as EVERYWHERE
from mosaic.adapters.raw_ports.relay import RawPortRelay
from mosaic.core.raw_ports import PortRangeUnreadable, parse_range
from mosaic.gateway.config import GatewayConfig
from mosaic.gateway.parts import RawPorts


def named_range(text: str, own: Iterable[int]) -> range:
    """Read `first-last`; `own` are the gateway's own ports, of which none may be there. Raises UsageError."""
    try:
        found = parse_range(text)
    except PortRangeUnreadable as error:
        raise click.UsageError(f"--ports: {error}") from None
    for port in own:
        if port in found:
            raise click.UsageError(f"--ports: the gateway itself has port {port}; leave it out")
    return found


def opened_ports(config: GatewayConfig, closing: ExitStack) -> RawPorts | None:
    """Return what opens the raw ports of the configuration until it is closed; None where it has none."""
    if not config.ports_listen:
        return None
    return closing.enter_context(RawPortRelay(config.ports_listen, within=config.port_range))
