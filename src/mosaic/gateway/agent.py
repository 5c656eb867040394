"""Making router and tunnels of one gateway be as the group's database says.

`catch_up` carries out what changed since it was called last, so that what this
gateway wrote itself, and what another one did, is routed at once. `heal` looks
at all of the database and at what router and tunnels have, and puts right what
differs, whoever caused it. Both may be called at any time, and end in between
at any line: what is not done yet is seen again. They block; threads share one.
"""

import threading
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from mosaic.adapters import log
from mosaic.adapters.clock import Clock
from mosaic.adapters.sql.engine import Database
from mosaic.adapters.sql.gateway import gateways, sightings, views
from mosaic.adapters.sql.gateway.changes import Change
from mosaic.adapters.sql.gateway.gateways import GatewayRow
from mosaic.adapters.sql.gateway.sightings import Sighting
from mosaic.adapters.sql.gateway.views import LinkView
from mosaic.core.ids import LinkId
from mosaic.core.link_routes import Route, Traffic
from mosaic.core.raw_ports import PortKey, key_name
from mosaic.core.tunnel_addresses import TunnelNetwork
from mosaic.gateway import overview, registering
from mosaic.gateway.counting import Counting
from mosaic.gateway.cut_off import CutOff
from mosaic.gateway.meanwhile import Meanwhile, There
from mosaic.gateway.moving import move
from mosaic.gateway.overview import Overview
from mosaic.gateway.parts import Parts
from mosaic.gateway.wanted import NEWEST, UNKNOWN, Place, Wanted, address_of, together, wanted

LEASE_NS = 10 * 10**9
"""How long a gateway is taken for living after it was heard of."""

_NOTHING = Wanted()


@dataclass(frozen=True, slots=True)
class Tally:
    """How much a gateway routes."""

    links: int
    names: int
    peers: int
    tunnels: int
    open: int
    change: Change


class Agent:
    """Of one gateway. `name` is its own, which joined the group before."""

    def __init__(
        self,
        name: str,
        database: Database,
        parts: Parts,
        network: TunnelNetwork,
        clock: Clock,
        own: Mapping[str, Route] = MappingProxyType({}),
    ) -> None:
        """`own` are routes that are no link's: to the gateway itself."""
        self.name = name
        self.seen: Change = -1
        """The last change that this gateway routes by; -1 before it looked."""
        self._database = database
        self._parts = parts
        self._network = network
        self._clock = clock
        self._own = own
        self._lock = threading.Lock()
        self._wanted: dict[LinkId, Wanted] = {}
        self._changes: dict[LinkId, Change] = {}
        self._due_ns: dict[LinkId, int] = {}
        self._probes: dict[str, tuple[LinkId, int]] = {}
        self._probed_ns: dict[LinkId, int] = {}
        self._live: frozenset[str] = frozenset((name,))
        self._counting = Counting()
        self._comparing = threading.Lock()
        self._meanwhile = Meanwhile()
        self._cut_off = CutOff(clock.boot_ns())

    def probe(self, registration: str) -> int:
        """Return what a probe through the tunnel is answered: 200, 409 or 404. Does not block."""
        link, answer = self._probes.get(registration, (None, UNKNOWN))
        if link is not None and answer == NEWEST:
            self._probed_ns[link] = self._clock.wall_ns()
        return answer

    def catch_up(self) -> Change:
        """Carry out what changed and return the last change that is routed by. Raises what database and parts do."""
        if self.seen < 0:
            return self.heal()
        with self._lock:
            with self._database.read() as tx:
                change, changed = views.changed(tx, self.seen)
            self._cut_off.heard(self._clock.boot_ns())
            if change != self.seen:
                self._carry_out(changed)
                self._reached(change)
            return self.seen

    def heal(self) -> Change:
        """Compare all with what is, put right what differs, and return the last change. Raises as `catch_up`."""
        with self._comparing:
            now_ns = self._clock.wall_ns()
            with self._lock:
                # One that has something due is another by time alone.
                known = {link: at for link, at in self._changes.items() if self._due_ns.get(link, now_ns + 1) > now_ns}
                first, live = self.seen < 0, self._live
                self._meanwhile = meanwhile = Meanwhile()
            # Nobody waits while all is read: of ten thousand links it takes a while.
            found = overview.read(self._database, self.name, None if first else known, now_ns=now_ns)
            self._cut_off.heard(self._clock.boot_ns())
            living = self._living(found.rows, now_ns)
            if living != live and not found.is_whole:
                found = overview.read(self._database, self.name, None, now_ns=now_ns)
            place = Place(self.name, living, self._network)
            fresh = {view.link.id: wanted(view, place, now_ns=now_ns) for view in found.views}
            there = self._there()
            with self._lock:
                if self.seen < 0 and not found.is_whole:
                    # It gave way meanwhile and has nothing of the rest; whoever waits for changes comes again.
                    return self.seen
                return self._heal(found, fresh, there, meanwhile, now_ns)

    def settle(self) -> None:
        """Write the end of registrations that ended by themselves: drained, or by a token whose time is over."""
        now_ns = self._clock.wall_ns()
        with self._lock:
            due = [link for link, at in self._due_ns.items() if at <= now_ns]
        for link in due:
            with self._database.write() as tx:
                registering.end_dead(tx, link, now_ns=now_ns)
        if due:
            self.catch_up()

    def beat(self) -> None:
        """Prolong this gateway's lease, and take over what a gateway had whose lease is over."""
        now_ns = self._clock.wall_ns()
        with self._database.write() as tx:
            gateways.lease(tx, self.name, until_ns=now_ns + LEASE_NS)
            gateways.applied(tx, self.name, self.seen)
            rows = gateways.every(tx)
        self._cut_off.heard(self._clock.boot_ns())
        self._cut_off.has_others(has_others=len(rows) > 1)
        live = self._living(rows, now_ns)
        if live != self._live:
            self.heal()

    def give_way(self) -> None:
        """Route nothing but itself any more once the database was away for too long; all comes back with it."""
        now_ns = self._clock.boot_ns()
        if (told := self._cut_off.to_tell(now_ns)) is not None:
            log.warning("gateway_without_database", seconds=told[0], routes_seconds=told[1])
        if not self._cut_off.is_over(now_ns):
            return
        with self._lock:
            if self.seen < 0 or not self._cut_off.is_over(self._clock.boot_ns()):
                return
            have = together(self._wanted.values())
            move(
                self._parts, have, Wanted(), endpoints={},
                count=lambda names, ports: self._count_some(names, ports, have),
            )  # fmt: skip
            self._wanted, self._probes, self._changes, self._due_ns = {}, {}, {}, {}
            self.seen = -1
        log.error("gateway_routes_no_more", hint="it is one of several, and was told of no revocation for an hour")

    def give_up(self) -> None:
        """End this gateway's lease: links are told of others from now on."""
        with self._database.write() as tx:
            gateways.lease(tx, self.name, until_ns=0)

    def remember(self) -> None:
        """Write down where peers are, when links were seen, and what they carried."""
        with self._lock:
            self._count()
            counted = self._counting.take()
            probed = dict(self._probed_ns)
            keys = {key for one in self._wanted.values() for key in one.peers}
        seen = self._parts.peers.seen() if self._parts.peers is not None else {}
        sums = {link: Sighting(probed.get(link, 0), *counted.get(link, (0, 0))) for link in {*counted, *probed}}
        try:
            with self._database.write() as tx:
                known = sightings.endpoints(tx, self.name)
                now = {key: peer.endpoint for key, peer in seen.items() if key in keys and peer.endpoint is not None}
                put = {key: endpoint for key, endpoint in now.items() if known.get(key) != endpoint}
                sightings.put_endpoints(tx, self.name, put, known.keys() - keys)
                sightings.add(tx, self.name, sums)
        except BaseException:  # raised again; what was counted is told the next time
            with self._lock:
                self._counting.put_back(counted)
            raise

    def tally(self) -> Tally:
        """Count what is routed."""
        carried = self._traffic()
        with self._lock:
            some = list(self._wanted.values())
        return Tally(
            links=sum(1 for one in some if one.routes),
            names=sum(len(one.routes) for one in some),
            peers=sum(len(one.peers) for one in some),
            tunnels=sum(len(one.tunnels) for one in some),
            open=sum(one.open for one in carried.values()),
            change=self.seen,
        )

    def closed_ports(self) -> dict[LinkId, list[int]]:
        """Return the raw ports of links, as they are within the tunnel, that shall be open here and are not."""
        if self._parts.ports is None:
            return {}
        # In one look: a heal that puts a port in place is not to be seen half done.
        with self._lock:
            there = self._parts.ports.there()
            wanted = {key: target for one in self._wanted.values() for key, target in one.ports.items()}
        closed: dict[LinkId, list[int]] = {}
        for key, target in wanted.items():
            if key not in there:
                closed.setdefault(target.link, []).append(target.port)
        return closed

    def _heal(
        self, found: Overview, fresh: Mapping[LinkId, Wanted], there: There, meanwhile: Meanwhile, now_ns: int
    ) -> Change:
        with self._database.read() as tx:
            change, later = views.changed(tx, found.change)
        self._live = self._living(found.rows, now_ns)
        self._carry_out(later)
        # What was carried out since the look is as it should be, and the look may be older than that.
        untouched = found.links.keys() - meanwhile.links
        want = {link: fresh[link] if link in fresh else self._wanted.get(link, _NOTHING) for link in untouched}
        want.update((link, self._wanted[link]) for link in meanwhile.links if link in self._wanted)
        whole = together((*want.values(), Wanted(routes=self._own)))
        carried = set(self._carrying())
        if self.seen < 0:
            # A router that went on without this gateway may carry what was to end meanwhile, written down or not yet.
            open_ones = (one for view in found.views for one in view.registrations if one.ended_ns is None)
            carried.update(address_of(one, self._network) for one in open_ones)
            carried.update(address for number in found.freed for address in self._addresses(number))
        have = self._have(there, want, frozenset(carried))
        move(
            self._parts, meanwhile.left_out_of(have), meanwhile.left_out_of(whole),
            endpoints=found.endpoints, count=lambda _names, _ports: self._count(),
        )  # fmt: skip
        self._wanted, self._probes, self._meanwhile = want, dict(whole.probes), Meanwhile()
        for view in found.views:
            if view.link.id in untouched:
                self._note(view, now_ns)
        self._changes = {link: at for link, at in self._changes.items() if link in want}
        self._due_ns = {link: at for link, at in self._due_ns.items() if link in want}
        self._reached(change)
        return change

    def _carry_out(self, changed: list[LinkView]) -> None:
        now_ns = self._clock.wall_ns()
        place = Place(self.name, self._live, self._network)
        want = {view.link.id: wanted(view, place, now_ns=now_ns) for view in changed}
        before = together(self._wanted.get(link, _NOTHING) for link in want)
        after = together(want.values())
        move(
            self._parts, before, after, endpoints={}, count=lambda names, ports: self._count_some(names, ports, before)
        )
        self._meanwhile.note(want, before, after)
        for registration in before.probes.keys() - after.probes.keys():
            self._probes.pop(registration, None)
        self._probes.update(after.probes)
        self._wanted.update(want)
        for view in changed:
            self._note(view, now_ns)
            if view.link.removed:
                for of_link in (self._wanted, self._changes, self._due_ns, self._probed_ns):
                    of_link.pop(view.link.id, None)

    def _note(self, view: LinkView, now_ns: int) -> None:
        """Take note of the change by which a link is routed, and of when it is another by time alone."""
        link = view.link.id
        self._changes[link] = view.link.change
        self._due_ns.pop(link, None)
        if (at := view.due_ns(now_ns)) is not None:
            self._due_ns[link] = at

    def _there(self) -> There:
        parts = self._parts
        return There(
            addresses=parts.router.addresses(),
            peers=parts.peers.seen() if parts.peers is not None else {},
            tunnels=parts.tunnels.there() if parts.tunnels is not None else {},
            ports=parts.ports.there() if parts.ports is not None else {},
        )

    def _have(self, there: There, want: Mapping[LinkId, Wanted], carried: frozenset[str]) -> Wanted:
        """Return what router and tunnels have. A route to an address that is nobody's now is of no link."""
        owners = {
            address: link for some in (self._wanted, want) for link, one in some.items() for address in one.carrying
        }
        routes = {name: Route(owners.get(to, LinkId("")), to) for name, to in there.addresses.items()}
        return Wanted(routes, there.peers, there.tunnels, there.ports, carried)

    def _count(self) -> None:
        owners = {name: route.link for one in self._wanted.values() for name, route in one.routes.items()}
        owners |= {key_name(key): to.link for one in self._wanted.values() for key, to in one.ports.items()}
        self._counting.look(self._traffic(), owners)

    def _traffic(self) -> dict[str, Traffic]:
        """Return what names and raw ports carried."""
        ports = self._parts.ports.traffic() if self._parts.ports is not None else {}
        return self._parts.router.traffic() | {key_name(key): carried for key, carried in ports.items()}

    def _count_some(self, names: Collection[str], ports: Collection[PortKey], before: Wanted) -> None:
        """Count what these names and raw ports carried for who had them before. Of all it would take long."""
        owners = {name: before.routes[name].link for name in names}
        owners |= {key_name(key): before.ports[key].link for key in ports}
        carried = self._parts.router.traffic(names) if names else {}
        if ports and self._parts.ports is not None:
            of_ports = self._parts.ports.traffic()
            carried = carried | {key_name(key): of_ports[key] for key in ports if key in of_ports}
        self._counting.look_at_some(carried, owners)

    def _carrying(self) -> Iterable[str]:
        return (address for one in self._wanted.values() for address in one.carrying)

    def _addresses(self, number: int) -> tuple[str, str]:
        return self._network.address(number), self._network.loopback_address(number)

    def _living(self, rows: list[GatewayRow], now_ns: int) -> frozenset[str]:
        return frozenset((self.name, *(row.name for row in gateways.live(rows, now_ns=now_ns))))

    def _reached(self, change: Change) -> None:
        """Take note of how far this gateway is, where others wait for it."""
        self.seen = change
        if len(self._live) > 1:
            with self._database.write() as tx:
                gateways.applied(tx, self.name, change)
