"""A link's end of a tunnel by WireGuard, in the kernel or by wireguard-go: one interface, a peer for each gateway.

While it is open its interface is made again when it is gone, and how long
packets may be is tried out with the first answer that comes through, and with the first after a silence.
"""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from ipaddress import ip_interface, ip_network

from anyio import to_thread

from mosaic.adapters import log, nftables, tunnel_probe
from mosaic.adapters.caddy_link import Place
from mosaic.adapters.nftables import LINK_TABLE, LinkFilter, link_rules
from mosaic.adapters.wireguard import keeping, neighbours, path_mtu, resolving
from mosaic.adapters.wireguard.maker import Maker
from mosaic.adapters.wireguard.resolving import EndpointNotFound
from mosaic.adapters.wireguard.tunnel import Tunnel, TunnelSettings
from mosaic.core import public_key
from mosaic.core.errors import MosaicError
from mosaic.core.link_healing import Probe
from mosaic.core.peers import WantedPeer
from mosaic.core.public_key import KeyMalformed, PublicKey
from mosaic.crypto import tunnel_key
from mosaic.link.background import Background
from mosaic.link.parts import TunnelUndescribed
from mosaic.wire.links import Peer, Registered


@dataclass(frozen=True, slots=True)
class _Known:
    """A gateway with what its peer needs: its key, and the name and port that it is found by."""

    peer: Peer
    key: PublicKey
    endpoint: str


class WireguardTunnel:
    """A LinkTunnel. Its pair of keys is made with it, and stays in memory."""

    def __init__(self, interface: str, maker: Maker) -> None:
        self._interface = interface
        self._maker = maker
        self._key = tunnel_key.generate()
        self._settings: TunnelSettings | None = None
        self._tunnel: Tunnel | None = None
        self._registered: Registered | None = None
        self._gateways: dict[str, _Known] = {}
        self._endpoints: dict[str, str] = {}
        self._background = Background()
        self._has_mtu = False
        self._silent: set[str] = set()

    @property
    def public_key(self) -> str | None:
        """The public half."""
        return self._key.public

    async def open(self, registered: Registered) -> Place:
        """Make the interface, or give the one that is there other peers. Sessions that stay wanted go on.

        Raises TunnelUndescribed, TunnelNetworkTaken, TunnelNotMade, ProgramMissing, InterfaceSilent, InterfaceRefused.
        """
        gateways = _known(registered)
        if not gateways:
            raise TunnelUndescribed("WireGuard")
        inside = [registered.address, *(known.peer.inner_address for known in gateways.values())]
        await to_thread.run_sync(neighbours.require_free, inside)
        wanted = self._settings_of(registered, gateways)
        endpoints = await self._find(gateways.values(), move_on=False)
        await self._filter(registered)
        if wanted != self._settings:
            await self._make(wanted)
        assert self._tunnel is not None
        self._registered, self._gateways, self._endpoints = registered, gateways, endpoints
        peers = [self._peer(known) for known in gateways.values()]
        await to_thread.run_sync(self._tunnel.replace_all, peers, {})
        return Place((registered.address,), tuple(str(route) for route in wanted.routes))

    async def renew(self, gateways: Collection[str]) -> None:
        """Shake hands anew with these, wherever their names lead now; of several addresses the next is tried."""
        assert self._tunnel is not None
        known = [self._gateways[name] for name in gateways if name in self._gateways]
        self._endpoints |= await self._find(known, move_on=True)
        if self._gateways.keys() <= set(gateways):
            # All of them were away, as when this home has another line now.
            self._has_mtu = False
        for each in known:
            if each.peer.name in self._endpoints:
                endpoint = self._endpoints[each.peer.name]
                await to_thread.run_sync(self._tunnel.set_endpoint, each.key, endpoint)
                await to_thread.run_sync(self._tunnel.renew, each.key)

    async def probe(self, peer: Peer) -> Probe:
        """Ask the gateway's inside. The caller's deadline ends it, so until it is answered it counts as silent."""
        if self._registered is None:
            return Probe.SILENT
        was_silent = peer.name in self._silent
        self._silent.add(peer.name)
        found = await tunnel_probe.ask(
            peer.inner_address,
            self._registered.probe_port,
            self._registered.registration,
            own=self._registered.address,
        )
        if found is not Probe.SILENT:
            self._silent.discard(peer.name)
            self._look_at_length(peer.inner_address, was_silent=was_silent)
        return found

    async def close(self) -> None:
        """Take the interface away."""
        await self._background.end()
        if self._tunnel is None:
            return
        tunnel, self._tunnel, self._settings, self._registered = self._tunnel, None, None, None
        try:
            await to_thread.run_sync(tunnel.close)
            if nftables.is_there():
                await to_thread.run_sync(nftables.remove, LINK_TABLE)
        except MosaicError as error:
            log.warning("link_tunnel_not_closed", reason=error.message, hint=error.hint)

    def _settings_of(self, registered: Registered, gateways: Mapping[str, _Known]) -> TunnelSettings:
        return TunnelSettings(
            self._interface,
            self._key.private,
            (ip_interface(registered.address),),
            tuple(ip_network(each.peer.inner_address) for each in gateways.values()),
            mtu=registered.mtu,
        )

    async def _make(self, wanted: TunnelSettings) -> None:
        """Have an interface of these settings; one that is there is kept where only its routes are others."""
        await self._background.end()
        if self._tunnel is not None and self._settings is not None and self._settings.addresses != wanted.addresses:
            await to_thread.run_sync(self._tunnel.close)
        self._settings, self._tunnel, self._has_mtu = None, Tunnel(wanted, self._maker), False
        await to_thread.run_sync(self._tunnel.start)
        self._settings = wanted
        self._background.start(keeping.keep(self._tunnel, tell=_tell))

    async def _find(self, gateways: Collection[_Known], *, move_on: bool) -> dict[str, str]:
        """Return where these gateways are now, `IP:port`; where that cannot be found out, where they were."""

        async def find(known: _Known) -> tuple[str, str | None]:
            name = known.peer.name
            before = self._endpoints.get(name)
            try:
                found = await resolving.addresses(known.endpoint)
            except EndpointNotFound as error:
                log.warning("link_endpoint_not_found", gateway=name, reason=error.message)
                return name, before
            return name, _chosen(found, before, move_on=move_on)

        places = await asyncio.gather(*(find(known) for known in gateways))
        return {name: place for name, place in places if place is not None}

    def _peer(self, known: _Known) -> WantedPeer:
        assert self._registered is not None
        return WantedPeer(
            known.key,
            frozenset({ip_network(known.peer.inner_address)}),
            self._endpoints.get(known.peer.name),
            self._registered.keepalive_seconds,
        )

    async def _filter(self, registered: Registered) -> None:
        """Let in what is for Caddy and the raw ports alone, where there is an nft: on a host others listen as well."""
        if not nftables.is_there():
            return
        tcp = frozenset(port.inner for port in registered.ports if port.protocol == "tcp")
        udp = frozenset(port.inner for port in registered.ports if port.protocol == "udp")
        try:
            await to_thread.run_sync(nftables.apply, link_rules(LinkFilter(self._interface, tcp, udp)))
        except MosaicError as error:
            log.warning("link_filter_not_set", reason=error.message, hint=error.hint)

    def _look_at_length(self, address: str, *, was_silent: bool) -> None:
        """Try how long packets may be, if that is not known, or may have changed while nobody answered."""
        if self._tunnel is None or self._registered is None or (self._has_mtu and not was_silent):
            return
        known, self._has_mtu = self._has_mtu, True
        own, longest = self._registered.address, self._registered.mtu
        self._background.start(_settle(self._tunnel, address, own=own, longest=longest, known=known))


async def _settle(tunnel: Tunnel, address: str, *, own: str, longest: int, known: bool) -> None:
    """Give the tunnel the MTU that the line has. One that is `known` is kept while packets so long are answered."""

    def settled() -> int | None:
        if known and path_mtu.is_answered(address, own=own, packet_bytes=tunnel.mtu):
            return tunnel.mtu
        return path_mtu.settle(tunnel, address, own=own, longest=longest)

    try:
        mtu = await to_thread.run_sync(settled, abandon_on_cancel=True)
    except MosaicError as error:
        log.warning("link_mtu_not_tried", reason=error.message)
        return
    if mtu is None:
        log.warning("link_mtu_unknown", reason="pings through the tunnel are not answered", mtu=tunnel.mtu)
    else:
        log.info("link_mtu", mtu=mtu)


def _known(registered: Registered) -> dict[str, _Known]:
    """Return the gateways that say all that a peer needs."""
    found = {}
    for peer in registered.peers:
        try:
            key = public_key.parse(peer.public_key or "")
        except KeyMalformed:
            continue
        if peer.endpoint:
            found[peer.name] = _Known(peer, key, peer.endpoint)
    return found


def _chosen(found: list[str], before: str | None, *, move_on: bool) -> str:
    """Return which of a gateway's addresses to use: the one before if it still has it, or with `move_on` the next."""
    if before not in found:
        return found[0]
    return found[(found.index(before) + 1) % len(found)] if move_on else before


def _tell(sentence: str) -> None:
    log.warning("link_interface", sentence=sentence)
