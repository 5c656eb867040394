"""One end of a WireGuard tunnel: a gateway's, with a peer for each link, or a link's, with one for each gateway.

It has the interface made, gives it key, port, addresses, MTU and routes, and
keeps its peers. It remembers what it was told and where peers were seen, so
`mend` brings all of it back when the interface is gone. Who the peers are,
when to look and when to mend is left to others.
"""

import re
import threading
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_interface

import msgspec

from mosaic.adapters import process
from mosaic.adapters.free_port import is_free
from mosaic.adapters.wireguard import ip_words
from mosaic.adapters.wireguard.door import Door, SeenInterface, TunnelPortTaken
from mosaic.adapters.wireguard.ip_words import Interface
from mosaic.adapters.wireguard.maker import Maker, TunnelNotMade
from mosaic.core.path_mtu import MTUS
from mosaic.core.peers import Network, PeerChanges, SeenPeer, WantedPeer, difference, remembered
from mosaic.core.public_key import PublicKey
from mosaic.crypto.secret import Secret

DEADLINE_SECONDS = 20.0
PUT_AT_ONCE = 2000
"""Of peers: more take longer on a small machine than one answer is waited for."""

_MOST_RULES = 8
_NAME = re.compile(r"mosaic[a-z0-9-]{0,9}", re.ASCII)


@dataclass(frozen=True, slots=True)
class TunnelSettings:
    """`listen_port` 0 takes a free one. `name` begins with `mosaic`: one that is there and does not fit is removed.

    By `routes` goes what is sent from one of `addresses`, and nothing else: whoever gives them, as a gateway does,
    gets no packet that was for somebody else. What is sent from there goes nowhere else either.
    """

    name: str
    private_key: Secret
    addresses: tuple[Interface, ...]
    routes: tuple[Network, ...] = ()
    listen_port: int = 0
    mtu: int = MTUS[0]

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"an interface of ours is called mosaic…, not {self.name!r}")


class Tunnel:
    """Threads may share it. It is there from `start` on, and stays when its owner is killed: the next takes it over."""

    def __init__(self, settings: TunnelSettings, maker: Maker) -> None:
        self._settings = settings
        self._maker = maker
        self._door: Door | None = None
        self._wanted: dict[PublicKey, WantedPeer] = {}
        self._endpoints: dict[PublicKey, str] = {}
        self._turn = threading.RLock()

    def start(self) -> None:
        """Make the interface, or take over the one that is there. Peers that it has stay until they are replaced.

        Raises:
            TunnelNotMade: it could not be made, or not be given its addresses.
            TunnelPortTaken: another program has the port.
            ProgramMissing: `ip`, `wg` or wireguard-go is not there.
        """
        with self._turn:
            if self._maker.is_there() and not self._fits():
                self._maker.unmake()
            self._door = self._maker.make()
            self._settle(self._door)

    def mend(self) -> bool:
        """If the interface is gone, make it again with all peers, where they were last. Returns whether it was gone."""
        with self._turn:
            if self._maker.is_there():
                return False
            self.start()
            self._replace()
            return True

    def replace_all(self, peers: Iterable[WantedPeer], known: Mapping[PublicKey, str]) -> PeerChanges:
        """Have these peers and no others, and return what had to be changed.

        `known` is where peers were last, for those that are nowhere now. One
        whose endpoint was wanted and is another now is reached there, wherever it was heard from.
        """
        with self._turn:
            self._endpoints = {**known, **self._endpoints}
            before, self._wanted = self._wanted, {peer.key: peer for peer in peers}
            changes = self._replace()
            moved = [peer for peer in self._wanted.values() if _has_moved(before.get(peer.key), peer)]
            if moved:
                self._tell(put=moved)
            put = {peer.key: peer for peer in (*changes.put, *moved)}
            return replace(changes, put=tuple(put.values()))

    def put(self, peers: Iterable[WantedPeer]) -> None:
        """Add these peers, or change those of the same keys. An endpoint that is given replaces what was seen."""
        with self._turn:
            every = tuple(peers)
            new = [peer for peer in every if peer.key not in self._wanted]
            put = [replace(peer, endpoint=peer.endpoint or self._endpoints.get(peer.key)) for peer in new]
            self._tell(put=[*put, *(peer for peer in every if peer.key in self._wanted)])
            self._wanted.update((peer.key, peer) for peer in every)

    def remove(self, keys: Collection[PublicKey]) -> None:
        """Remove these peers: nothing comes from them from now on. Ones that are not there are no error."""
        with self._turn:
            for key in keys:
                self._wanted.pop(key, None)
                self._endpoints.pop(key, None)
            self._tell(removed=keys)

    def renew(self, key: PublicKey) -> None:
        """Take the peer out and put it in again: if it has an endpoint and a keepalive, a handshake begins at once."""
        with self._turn:
            peer = self._wanted[key]
            endpoint = peer.endpoint or self.endpoints().get(key)
            self._tell(put=[replace(peer, endpoint=endpoint)], removed=[key])

    def set_endpoint(self, key: PublicKey, endpoint: str) -> None:
        """Reach the peer at `IP:port` from now on, as when its name has another address; a session goes on."""
        with self._turn:
            self.put([replace(self._wanted[key], endpoint=endpoint)])

    @property
    def mtu(self) -> int:
        """The longest packet that it sends, in bytes."""
        return self._settings.mtu

    def set_mtu(self, mtu: int) -> None:
        """Send no longer packets from now on, also when it is made again. Raises TunnelNotMade, also once closed."""
        with self._turn:
            if self._door is None:
                # Its name may be another's by now, who is not to have this one's packets.
                raise TunnelNotMade(self._settings.name, "it was closed meanwhile")
            self._settings = replace(self._settings, mtu=mtu)
            self._run(ip_words.up(self._settings.name, mtu=mtu))

    def peers(self) -> Mapping[PublicKey, SeenPeer]:
        """Return the peers as they are: endpoints, last handshakes, bytes. Raises InterfaceSilent.

        Changes do not wait for this: of ten thousand peers it takes a part of a second.
        """
        return self._look().peers

    def endpoints(self) -> dict[PublicKey, str]:
        """Return where each peer is, or was last: what to write down each REMEMBER_SECONDS. Raises InterfaceSilent."""
        seen = self.peers()
        with self._turn:
            return dict(self._endpoints_of(seen))

    def listen_port(self) -> int:
        """Return the UDP port that it has."""
        return self._look().listen_port

    def is_up(self) -> bool:
        """Whether the interface is there and is spoken to."""
        return self._maker.is_there()

    def close(self) -> None:
        """Take the interface away, and what was set up for it."""
        with self._turn:
            self._maker.unmake()
            self._forget_routes()
            self._pass_on_again()
            self._door = None

    def _replace(self) -> PeerChanges:
        have = self._look().peers
        self._endpoints_of(have)
        changes = difference(have, self._wanted.values(), self._endpoints)
        if changes:
            self._tell(put=changes.put, removed=changes.removed)
        return changes

    def _endpoints_of(self, seen: Mapping[PublicKey, SeenPeer]) -> Mapping[PublicKey, str]:
        self._endpoints = remembered(self._endpoints, seen, self._wanted.keys())
        return self._endpoints

    def _look(self) -> SeenInterface:
        assert self._door is not None, "a tunnel is started before it is used"
        return self._door.look()

    def _tell(self, *, put: Iterable[WantedPeer] = (), removed: Collection[PublicKey] = ()) -> None:
        assert self._door is not None, "a tunnel is started before it is used"
        every = tuple(put)
        self._door.tell(put=every[:PUT_AT_ONCE], removed=removed)
        for start in range(PUT_AT_ONCE, len(every), PUT_AT_ONCE):
            self._door.tell(put=every[start : start + PUT_AT_ONCE])

    def _settle(self, door: Door) -> None:
        """Give it all but its peers. What is as it shall be is told again, and nothing happens."""
        wanted, seen = self._settings.listen_port, door.look().listen_port
        port = wanted if wanted not in (0, seen) else None
        if port is not None and not is_free("udp", port, host=""):
            raise TunnelPortTaken(port)
        door.tell(private_key=self._settings.private_key, listen_port=port)
        name = self._settings.name
        for own in self._settings.addresses:
            self._run(ip_words.address(name, own))
        self._run(ip_words.up(name, mtu=self._settings.mtu))
        self._forget_routes()
        self._route()
        self._pass_on_again()
        for version in self._versions():
            self._run(ip_words.pass_nothing_on(name, version=version))

    def _route(self) -> None:
        name, routes = self._settings.name, self._settings.routes
        for version in sorted({network.version for network in routes}):
            self._run(ip_words.no_other_route(name, version=version))
        for network in routes:
            self._run(ip_words.route(name, network))
        for own in self._settings.addresses:
            if routes:
                self._run(ip_words.from_address(name, own))

    def _forget_routes(self) -> None:
        for version in self._versions():
            # More than one is there if its owner was killed and had another address.
            for _ in range(_MOST_RULES):
                if self._attempt(ip_words.from_no_address(self._settings.name, version=version)).code != 0:
                    break
            self._attempt(ip_words.forget_routes(self._settings.name, version=version))

    def _pass_on_again(self) -> None:
        for version in self._versions():
            self._attempt(ip_words.pass_on_again(self._settings.name, version=version))

    def _versions(self) -> list[int]:
        return sorted({own.version for own in self._settings.addresses})

    def _fits(self) -> bool:
        """Whether what is there has the addresses that it shall have: else it is of an earlier registration."""
        finished = self._attempt(ip_words.show_addresses(self._settings.name))
        if finished.code != 0:
            return False
        shown = msgspec.json.decode(finished.stdout, type=list[_Shown], strict=False)
        every = [ip_interface(f"{own.local}/{own.prefixlen}") for one in shown for own in one.addr_info]
        return {own for own in every if not own.is_link_local} == set(self._settings.addresses)

    def _run(self, argv: list[str]) -> None:
        finished = self._attempt(argv)
        if finished.code != 0:
            raise TunnelNotMade(self._settings.name, finished.last_lines())

    def _attempt(self, argv: list[str]) -> process.Finished:
        return process.attempt(argv, deadline_seconds=DEADLINE_SECONDS)


def _has_moved(before: WantedPeer | None, now: WantedPeer) -> bool:
    return before is not None and now.endpoint is not None and before.endpoint != now.endpoint


class _Address(msgspec.Struct):
    local: str = ""
    prefixlen: int = 0


class _Shown(msgspec.Struct):
    """One interface as `ip --json address` prints it."""

    addr_info: list[_Address] = []
