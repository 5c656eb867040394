"""Where a gateway takes connections of TCP mode: `tcp://host:port`, or `tls://host:port` where only TLS is let out."""

from dataclasses import dataclass
from urllib.parse import urlsplit

ALPN = "mosaic-tunnel"
"""What a link asks for in TLS, so that one port may serve tunnels beside HTTPS."""


@dataclass(frozen=True, slots=True)
class TunnelPlace:
    """A host's name or address, a port, and whether TLS is around what is said."""

    host: str
    port: int
    within_tls: bool


def parse(text: str) -> TunnelPlace | None:
    """Read a place as a gateway gives it; None of anything else."""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    plain = not (parts.path or parts.query or parts.fragment or parts.username or parts.password)
    if parts.scheme not in {"tcp", "tls"} or not host or not port or not plain:
        return None
    return TunnelPlace(host, port, parts.scheme == "tls")
