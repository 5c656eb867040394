"""A gateway's WireGuard: its key, its interface and what that lets in, all kept as they shall be."""

import contextlib
import threading
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_interface
from pathlib import Path

import anyio
from anyio import to_thread

from mosaic.adapters import child_log, log, nftables, process
from mosaic.adapters.nftables import GatewayFilter
from mosaic.adapters.private_file import write_private
from mosaic.adapters.wireguard import ip_words, keeping, surroundings
from mosaic.adapters.wireguard.maker import DEADLINE_SECONDS, Kernel, Maker, TunnelNotMade, Userspace
from mosaic.adapters.wireguard.tunnel import Tunnel, TunnelSettings
from mosaic.adapters.wireguard.wireguard_go import GATEWAY_MEBIBYTES
from mosaic.core.errors import MosaicError, Refused
from mosaic.core.link_mode import lacks
from mosaic.core.tunnel_addresses import TunnelNetwork
from mosaic.crypto import tunnel_key
from mosaic.crypto.secret import Secret
from mosaic.crypto.tunnel_key import TunnelKey
from mosaic.gateway.carrying.peers import WireguardPeers

DEFAULT_INTERFACE = "mosaic0"
KEY_FILE = "wireguard.key"
LOG_FILE = "wireguard-go.log"
_FILTER_SECONDS = 10.0
_LOG_SECONDS = 10.0


class WireguardImpossible(Refused):
    """The machine lacks what an interface of WireGuard needs."""

    code = "gateway-wireguard-impossible"

    def __init__(self, fact: str) -> None:
        super().__init__(
            f"this gateway can have no tunnels of WireGuard: {fact}",
            hint="it needs NET_ADMIN and /dev/net/tun, with `wireguard-go`, or a kernel that has WireGuard, with `wg`; "
            "`--wireguard-port 0` has links come by TCP alone",
        )


class WireguardKeyDamaged(Refused):
    """The file of the gateway's private key holds something else."""

    code = "gateway-key-damaged"

    def __init__(self, file: Path) -> None:
        super().__init__(
            f"{file} does not hold the gateway's WireGuard key",
            hint="move it away: the gateway makes another, and its links are told within minutes",
        )


@dataclass(frozen=True, slots=True)
class WireguardWanted:
    """`number` is the gateway's within its group."""

    interface: str
    port: int
    number: int
    network: TunnelNetwork
    probe_port: int

    @property
    def address(self) -> str:
        """Its inner address."""
        return self.network.address(self.number)


class Wireguard:
    """It is there from when this is made, and stays when its owner is killed."""

    def __init__(self, state: Path, key: TunnelKey, wanted: WireguardWanted, *, renewed: threading.Event) -> None:
        """Make the interface, or take over the one that is there. Where it cannot be made nothing is left of it.

        Raises WireguardImpossible, TunnelNotMade, TunnelPortTaken, ProgramMissing, FilterRefused.
        """
        prefix = wanted.network.network.prefixlen
        settings = TunnelSettings(
            wanted.interface,
            key.private,
            (ip_interface(f"{wanted.address}/{prefix}"),),
            listen_port=wanted.port,
        )
        self._renewed = renewed
        self._filter = GatewayFilter(
            wanted.interface,
            wanted.network.network,
            frozenset({IPv4Address(wanted.address)}),
            wanted.probe_port,
            table_of(wanted.interface),
        )
        self._log = state / LOG_FILE
        self._tunnel = Tunnel(settings, maker_here(wanted.interface, self._log))
        self._has_filter = nftables.is_there()
        self._filter_shown: str | None = None
        self._network = wanted.network.network
        was_there = self._tunnel.is_up()
        try:
            self.peers = self._start(wanted.interface)
        except MosaicError:
            if not was_there:
                with contextlib.suppress(MosaicError):
                    self.close()
            raise

    async def keep(self) -> None:
        """Make the interface again whenever it is gone, until cancelled."""
        await keeping.keep(self._tunnel, tell=self._mended)

    async def keep_log(self) -> None:
        """Keep the log of wireguard-go small, until cancelled."""
        while True:
            child_log.keep_small(self._log)
            await anyio.sleep(_LOG_SECONDS)

    async def keep_filter(self) -> None:
        """Put the packet filter in place again whenever it is gone or another, until cancelled."""
        while True:
            await anyio.sleep(_FILTER_SECONDS)
            try:
                if self._has_filter and await to_thread.run_sync(self._filter_if_changed):
                    log.warning("packet_filter_was_changed", table=self._filter.table)
            except MosaicError as error:
                log.warning("packet_filter_not_set", reason=error.message, hint=error.hint)

    def close(self) -> None:
        """Take the interface away, and its filter."""
        self._tunnel.close()
        process.attempt(ip_words.refuse_no_more(self._network), deadline_seconds=DEADLINE_SECONDS)
        if self._has_filter:
            nftables.remove(self._filter.table)

    def _start(self, interface: str) -> WireguardPeers:
        # Before the interface is there: nothing is to come in that it does not let in.
        if self._has_filter:
            self._set_filter()
        else:
            log.warning("gateway_without_packet_filter", hint="install nftables: links reach this machine's own ports")
        refused = process.attempt(ip_words.refuse_without(self._network), deadline_seconds=DEADLINE_SECONDS)
        if refused.code != 0:
            raise TunnelNotMade(interface, refused.last_lines())
        self._tunnel.start()
        return WireguardPeers(self._tunnel)

    def _mended(self, sentence: str) -> None:
        log.warning("gateway_tunnel", sentence=sentence)
        self._renewed.set()

    def _filter_if_changed(self) -> bool:
        # Whoever puts all rules of a machine in anew has removed the table, and an empty one lets everything in.
        if self._filter_shown is not None and nftables.shown(self._filter.table) == self._filter_shown:
            return False
        self._set_filter()
        return True

    def _set_filter(self) -> None:
        nftables.apply(nftables.gateway_rules(self._filter))
        self._filter_shown = nftables.shown(self._filter.table)


def table_of(interface: str) -> str:
    """Return the name of the packet filter's table for an interface."""
    default = nftables.GATEWAY_TABLE
    return default if interface == DEFAULT_INTERFACE else f"{default}_{interface}"


def kept_key(state: Path) -> TunnelKey:
    """Return this gateway's pair of keys, which is made once. Raises WireguardKeyDamaged, FileNotWritten."""
    file = state / KEY_FILE
    if not file.exists():
        made = tunnel_key.generate()
        write_private(file, made.private.reveal().hex().encode())
        return made
    try:
        return tunnel_key.of(Secret(bytes.fromhex(file.read_text().strip())))
    except ValueError:
        raise WireguardKeyDamaged(file) from None


def maker_here(interface: str, log_file: Path) -> Maker:
    """Return what makes interfaces here: the kernel, or else wireguard-go. Raises WireguardImpossible."""
    around = surroundings.look()
    if lacks("kernel", around) is None:
        return Kernel(interface)
    if (lack := lacks("userspace", around)) is not None:
        raise WireguardImpossible(lack.fact)
    return Userspace(interface, mebibytes=GATEWAY_MEBIBYTES, log=log_file)
