"""The router and tunnels of `mosaic gateway serve`, opened by its options."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextlib import closing as closed
from dataclasses import dataclass, replace

import click

from mosaic.adapters import log
from mosaic.adapters.caddy_link import Certificates
from mosaic.adapters.haproxy.configuration import Listen
from mosaic.adapters.loop_thread import LoopThread
from mosaic.adapters.splice_router.router import SpliceRouter
from mosaic.adapters.tcp_tunnel import server as tcp
from mosaic.cli.raw_ports import opened_ports
from mosaic.core.asked_name import asked_name
from mosaic.core.link_settings import Acme
from mosaic.crypto.tunnel_key import TunnelKey
from mosaic.gateway import serve
from mosaic.gateway.carrying.haproxy import KeptHaproxy
from mosaic.gateway.carrying.own_caddy import FOLDER, OwnCaddy, OwnSite, own_name
from mosaic.gateway.carrying.own_front import OwnFront
from mosaic.gateway.carrying.peers import WireguardPeers
from mosaic.gateway.carrying.tunnels import TcpTunnels
from mosaic.gateway.carrying.wireguard import DEFAULT_INTERFACE, Wireguard, WireguardWanted, kept_key
from mosaic.gateway.config import GatewayConfig
from mosaic.gateway.parts import Parts
from mosaic.gateway.router import Router
from mosaic.gateway.runtime import own_routes
from mosaic.gateway.serve import GatewayAddressTaken


@dataclass(frozen=True, slots=True)
class PartsWanted:
    """Which router, and where visitors (`tls`, `plain`) and links (`tunnel`, `wireguard_port`) come in.

    Ports may be 0 for any, but WireGuard's, where it says that there is none. `leave_running`
    has what is no part of this process, HAProxy and WireGuard, go on when it is stopped; the next takes it over.
    `acme` says who certifies this gateway's own name; a certificate of the configuration is one that it has.
    """

    router: str
    tls: Listen
    plain: Listen
    tunnel: Listen
    wireguard_port: int
    interface: str = DEFAULT_INTERFACE
    leave_running: bool = False
    acme: Acme | None = None


@contextmanager
def opened_parts(
    config: GatewayConfig, wanted: PartsWanted, is_stopped: Callable[[], bool] = lambda: False
) -> Iterator[tuple[GatewayConfig, Parts]]:
    """Open router and tunnels while the block runs; the configuration then says how links reach them.

    `is_stopped` is asked after each: what is open then is closed, and the program ends well.

    Raises:
        GatewayRunning: another one has the state folder.
        GatewayAddressTaken, DoorNotOpened, TunnelPortTaken, HaproxyRefused: a port is another program's.
        WireguardImpossible, TunnelNotMade, FilterRefused, ProgramMissing, HaproxyTooOld: something is not here.
        Others as `serve.open_database` and `serve.join`.
    """
    # What is kept running is ended when nobody keeps it any more.
    with serve.alone(config.state), ExitStack() as ending, LoopThread("gateway-carrying") as loop:
        means = _Means(threading.Event(), loop, ending)
        router, tls_port = _router(config, wanted, means)
        _go_on(is_stopped)
        tunnels, tunnel_port = _tunnels(wanted.tunnel, means)
        host, has_https = _bracketed(config.host), _has_https(config, wanted)
        within_tls = (f"tls://{own_name(config.host)}:{tls_port}",) if has_https else ()
        told = replace(config, tls_port=tls_port, tunnel=(f"tcp://{host}:{tunnel_port}", *within_tls))
        key = kept_key(config.state) if wanted.wireguard_port else None
        if key is not None:
            told = replace(told, endpoint=f"{host}:{wanted.wireguard_port}", public_key=str(key.public))
        with closed(serve.open_database(told)) as database:
            number = serve.join(database, told)
        _go_on(is_stopped)
        peers = _peers(told, wanted, key, number, means) if key is not None else None
        if peers is None:
            # A link in TCP mode asks nothing there.
            told = replace(told, probe_listen="127.0.0.1", probe_port=0)
        _go_on(is_stopped)
        if has_https:
            told = _own_https(told, wanted, number, router, tunnels, means)
        yield told, Parts(router, peers, tunnels, opened_ports(told, ending), renewed=means.renewed)


@dataclass(frozen=True, slots=True)
class _Means:
    """What all parts are given: to say that they were started again, to run in, and to be ended by after that."""

    renewed: threading.Event
    loop: LoopThread
    ending: ExitStack


def _go_on(is_stopped: Callable[[], bool]) -> None:
    """Return unless the program is to end, which is no fault."""
    if is_stopped():
        raise SystemExit(0)


def _router(config: GatewayConfig, wanted: PartsWanted, means: _Means) -> tuple[Router, int]:
    """Return the router, and the port of its TLS."""
    if wanted.router == "splice":
        splice = means.ending.enter_context(SpliceRouter(tls=[wanted.tls], plain=[wanted.plain]))
        _tell(router="splice", tls=splice.tls_addresses[0][1], plain=splice.plain_addresses[0][1])
        return splice, splice.tls_addresses[0][1]
    tls, plain = _with_port(wanted.tls), _with_port(wanted.plain)
    haproxy = KeptHaproxy(config.state, tls=tls, plain=plain, renewed=means.renewed)
    if not wanted.leave_running:
        means.ending.callback(haproxy.stop)
    means.loop.keep("haproxy", haproxy.keep)
    _tell(router="haproxy", tls=tls[1], plain=plain[1])
    return haproxy.router, tls[1]


def _tunnels(listen: Listen, means: _Means) -> tuple[TcpTunnels, int]:
    """Return the server of TCP mode, and its port."""
    try:
        listener = means.ending.enter_context(tcp.listen(*listen))
    except OSError as error:
        raise GatewayAddressTaken(*listen, error.strerror or str(error)) from error
    port = listener.getsockname()[1]
    _tell(tunnel=port)
    return TcpTunnels(listener, means.loop), port


def _peers(config: GatewayConfig, wanted: PartsWanted, key: TunnelKey, number: int, means: _Means) -> WireguardPeers:
    """Return WireGuard's peers. Its address is of the number that the group gave this gateway."""
    shall = WireguardWanted(wanted.interface, wanted.wireguard_port, number, config.network, config.probe_port)
    wireguard = Wireguard(config.state, key, shall, renewed=means.renewed)
    if not wanted.leave_running:
        means.ending.callback(wireguard.close)
    means.loop.keep("wireguard", wireguard.keep)
    means.loop.keep("packet_filter", wireguard.keep_filter)
    means.loop.keep("wireguard_log", wireguard.keep_log)
    _tell(wireguard=wanted.wireguard_port, interface=wanted.interface, inner=shall.address)
    return wireguard.peers


def _has_https(config: GatewayConfig, wanted: PartsWanted) -> bool:
    """Tell whether the gateway's own name is served at the router. One of ACME needs a name: raises OwnNameNeeded."""
    if wanted.acme is not None:
        return bool(own_name(config.host))
    return config.certificate is not None and asked_name(config.host.encode()) is not None


def _own_https(
    config: GatewayConfig, wanted: PartsWanted, number: int, router: Router, tunnels: TcpTunnels, means: _Means
) -> GatewayConfig:
    """Serve the API at the gateway's own name, and tunnels within TLS."""
    host, port = _with_port((config.listen, config.port))
    is_everywhere = not host.strip("0.:")
    if ":" in host and not is_everywhere:
        raise click.UsageError(f"--listen: HTTPS of {config.host} finds the API at an IPv4 address only, not at {host}")
    address = config.network.loopback_address(number)
    told = replace(config, host=own_name(config.host), listen=host, port=port, own_address=address)
    files = (config.certificate, config.key) if config.certificate and config.key else None
    scheme = "https+insecure" if files else "http"
    # Nothing but zeros means every address, and so loopback's.
    reached = "127.0.0.1" if is_everywhere else host
    certificates = Certificates(config.state / FOLDER / "certificates", "acme", wanted.acme or Acme(), files=files)
    site = OwnSite(told.host, address, f"{scheme}://{reached}:{port}")
    served = OwnCaddy(config.state, site, certificates)
    # Before an authority looks for it: its first try would fail, and the next be a minute later.
    router.put(own_routes(told))
    means.loop.keep("own_front", OwnFront(address, tunnels, served.chain).serve)
    means.loop.keep("own_https", served.run)
    _tell(https=told.host, address=address)
    return told


def _with_port(listen: Listen) -> Listen:
    """Return the address with a port that is free now: HAProxy does not say which it took."""
    if listen[1]:
        return listen
    try:
        with tcp.listen(*listen) as probe:
            return listen[0], probe.getsockname()[1]
    except OSError as error:
        raise GatewayAddressTaken(*listen, error.strerror or str(error)) from error


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _tell(**facts: log.Fact) -> None:
    log.info("gateway_opened", **facts)


def place(text: str) -> tuple[str, int]:
    """Read `address:port`, with an IPv6 address in brackets."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise click.UsageError(f"{text} is not an address and a port, such as 127.0.0.1:8940")
    return host.removeprefix("[").removesuffix("]"), int(port)
