"""Which modes may be tried for a link's tunnel, the best first, and what makes one in each.

`core.link_mode` decides by what is there; nothing is made yet, and no key.
"""

import secrets
from collections.abc import Callable
from pathlib import Path

from mosaic.adapters import log
from mosaic.adapters.gateway_trust import PEM_BEGINS
from mosaic.adapters.wireguard.maker import Kernel, Maker, Userspace
from mosaic.core import link_mode
from mosaic.core.link_mode import Mode, Surroundings
from mosaic.core.link_settings import LinkMisconfigured, LinkSettings
from mosaic.link.by_tcp import TcpTunnel
from mosaic.link.by_wireguard import WireguardTunnel
from mosaic.link.parts import LinkTunnel, Way, Ways

_ID_BEGINS, _ID_SHOWN = len("lk_"), 8


def ways(settings: LinkSettings, around: Surroundings, *, draw: Callable[[], float]) -> Ways:
    """Return what may be tried here. `draw` returns a number from 0 to 1.

    Raises:
        LinkModeImpossible: the mode that is asked for lacks something.
        LinkMisconfigured: LINK_GATEWAY_CA cannot be read.
    """
    modes = link_mode.order(link_mode.asked_for(settings.mode), around, udp_answered=None)
    for mode in modes:
        slow = link_mode.slowness(mode, around)
        if slow is not None:
            log.warning("link_mode_slow", mode=mode, reason=slow)
    log.info("link_modes", modes=", ".join(modes))
    trusted, interface = _trusted(settings.gateway_ca), _interface(settings.token)

    def maker(mode: Mode) -> Callable[[], LinkTunnel]:
        if mode == "tcp":
            return lambda: TcpTunnel(own_address(), trusted=trusted, draw=draw)
        made: Callable[[str], Maker] = Kernel if mode == "kernel" else Userspace
        return lambda: WireguardTunnel(interface, made(interface))

    return [Way(mode, maker(mode)) for mode in modes]


def own_address() -> str:
    """Return an address of loopback for one link's Caddy: on a host's own network there may be several links."""
    return f"127.{128 + secrets.randbelow(127)}.{secrets.randbelow(256)}.{1 + secrets.randbelow(254)}"


def _interface(token: str) -> str:
    """Return a name that is the link's own, and the same after each start: what a killed one left is taken over."""
    return f"mosaic-{token[_ID_BEGINS : _ID_BEGINS + _ID_SHOWN]}"


def _trusted(ca: str | None) -> str | None:
    """Return whom (PEM) to trust at a gateway instead of the public authorities: a file of it, or its text."""
    if ca is None or ca.startswith(PEM_BEGINS):
        return ca
    try:
        return Path(ca).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise LinkMisconfigured([f"LINK_GATEWAY_CA is {ca[:120]}, and no certificate can be read there"]) from error
