"""What a gateway is told when it starts. The command line builds this; nothing else reads an option."""

from dataclasses import dataclass, field
from pathlib import Path

from mosaic.core import tunnel_addresses
from mosaic.core.tunnel_addresses import TunnelNetwork

PROBE_PORT = 8099

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_ANYWHERE = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 (nobody listens here)


@dataclass(frozen=True, slots=True)
class GatewayConfig:
    """Everything under `state` belongs to this gateway alone; all of a group have the same database and network.

    Raw ports are those of `port_range`, opened at the addresses `ports_listen`; without these there are none.

    `host` is the name or address by which links and visitors reach this gateway, `target` the name that owners'
    names point at, the host if None; `addresses` are the public ones. `listen` and `port` are the API's own, behind
    the router; with `certificate` and `key` (PEM files) it is HTTPS. `tls_port` and `plain_port` are where the
    public reaches the router. `endpoint` and `public_key` are WireGuard's, None without it; `tunnel` the places of TCP
    mode.
    `probe_listen` None is the gateway's inner address. Metrics are served at `metrics_listen` (`host:port`), if given.
    `own_address` is where on loopback the router leads `host`: this gateway's HTTPS; None where it has none.
    """

    state: Path
    name: str
    host: str
    target: str | None = None
    addresses: tuple[str, ...] = ()
    database_url: str | None = field(default=None, repr=False)
    network: TunnelNetwork = field(default_factory=lambda: tunnel_addresses.parse(tunnel_addresses.DEFAULT_NETWORK))
    listen: str = "127.0.0.1"
    port: int = 8940
    certificate: Path | None = None
    key: Path | None = field(default=None, repr=False)
    tls_port: int = 443
    own_address: str | None = None
    plain_port: int = 80
    endpoint: str | None = None
    public_key: str | None = None
    tunnel: tuple[str, ...] = ()
    probe_listen: str | None = None
    probe_port: int = PROBE_PORT
    metrics_listen: tuple[str, int] | None = None
    ports_listen: tuple[str, ...] = ()
    port_range: range = range(20000, 30000)

    @property
    def own_hosts(self) -> frozenset[str]:
        """By what a Hive can mean this gateway. Who is asked on this machine itself is meant by it."""
        said = {self.host, self.target or self.host, *self.addresses, self.listen}
        return frozenset(said - _ANYWHERE) | _LOOPBACK
