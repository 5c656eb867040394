"""A Hive with one link, a real gateway with a real router, and what the public sees of them, all on loopback.

Tunnels alone are left out: a link is where its tunnel address is, and a test says what stands there.
"""

import contextlib
import random
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from sqlalchemy import update

from mosaic.adapters.splice_router.router import SpliceRouter
from mosaic.adapters.sql.gateway import hives, schema
from mosaic.core.ids import LinkId
from mosaic.core.link_routes import TLS_PORT, Route
from mosaic.core.tunnel_addresses import parse
from mosaic.crypto import link_tokens
from mosaic.gateway.parts import Parts
from mosaic.wire.link_api import AddGateway, Link, LinkGateway
from mosaic.wire.link_doctor import LinkFinding, LinkLook
from mosaic.wire.links import DesiredLink
from support.gateway_world import MadeLink, RunningGateway, Session, config_of, running_gateway
from support.link_world import LinkWorld, link_world
from support.manual_clock import ManualClock
from support.memory_parts import MemoryParts
from support.waiting import eventually

BASE = "homes.example.net"
TARGET = "gw.example.net"
HERE = "127.0.0.1"
NETWORK = parse("10.64.0.0/10")
"""As large as the part of loopback where links in TCP mode are."""


@dataclass
class RoutedParts(MemoryParts):
    """A real router, and tunnels in memory."""

    routed: SpliceRouter = field(default_factory=lambda: SpliceRouter(tls=[(HERE, 0)], plain=[(HERE, 0)]))

    @property
    def parts(self) -> Parts:
        return Parts(self.routed, self.peers, self.tunnels)


@dataclass
class PublicWorld:
    """`world` is the owner's side. The app `notes` has the link, and DNS leads its name here until a test says else."""

    world: LinkWorld
    gateway: RunningGateway
    parts: RoutedParts
    link: Link

    @property
    def name(self) -> str:
        """The name that was given out."""
        return self.link.names[0].name

    def lead(self, name: str, *addresses: str) -> None:
        """Write the addresses of a name into DNS."""
        self.world.dns.records[name, "A"] = list(addresses)

    def register(self) -> str:
        """Come as the link does, in TCP mode, and return its tunnel address when its name is routed there."""
        token = str(link_tokens.derive(self.world.device.root, LinkId(self.link.id), 1))
        epoch = self.world.owner.installation().epoch
        session = Session(MadeLink(DesiredLink(0, "ada", [], []), ""), token, epoch=epoch, mode="tcp")
        given = session.register(self.gateway)
        eventually(lambda: self.parts.routed.addresses().get(self.name) == given.address)
        return given.address

    def route(self, name: str, address: str) -> None:
        """Lead a name elsewhere behind the gateway's back."""
        self.parts.routed.put({name: Route(LinkId("somebody"), address)})

    def look(self) -> LinkLook:
        """Have the Hive look at the link."""
        with self.world.owner.client() as client:
            return client.send("POST", "/api/installations/notes/link/doctor", None, LinkLook)

    def found(self) -> dict[str, LinkFinding]:
        """Look, and return the findings of the link and of the given name, by check."""
        return {one.check: one for one in self.look().findings if one.name in (None, self.name)}


@contextlib.contextmanager
def public_world(folder: Path) -> Iterator[PublicWorld]:
    """Everything well, and the link not there yet."""
    # Certificates are of now, whoever looks at them.
    with link_world(folder, clock=ManualClock(time.time_ns())) as world:
        parts = RoutedParts()
        with parts.routed:
            config = replace(
                config_of(folder),
                host=HERE,
                target=TARGET,
                addresses=(HERE,),
                tls_port=parts.routed.tls_addresses[0][1],
                network=NETWORK,
                plain_port=parts.routed.plain_addresses[0][1],
            )
            with running_gateway(config, world.clock, parts) as gateway:
                link = _linked(world, gateway)
                made = PublicWorld(world, gateway, parts, link)
                made.lead(made.name, HERE)
                made.lead(TARGET, HERE)
                yield made


def _linked(world: LinkWorld, gateway: RunningGateway) -> Link:
    with world.owner.client() as client:
        client.order("DELETE", "/api/link-gateways/gw")
        stranger = client.send("POST", "/api/link-gateways", AddGateway(gateway.url), LinkGateway)
        with gateway.running.database.write() as tx:
            hives.allow(tx, stranger.hive_key, (BASE,), vouches=True, now_ns=world.clock.wall_ns())
            where = schema.counters.c.name == "next-number"
            tx.execute(update(schema.counters).where(where).values(value=_free_number()))
        client.send("POST", "/api/link-gateways", AddGateway(gateway.url), LinkGateway)
    link = world.add(label="brave-otter")
    eventually(lambda: world.link().token_known and world.link().gateways[0].taken)
    return link


def _free_number() -> int:
    """Return the number of an address where nobody listens: other tests run beside this one."""
    for _ in range(50):
        number = random.choice(NETWORK.numbers)
        with contextlib.suppress(OSError), socket.create_server((NETWORK.loopback_address(number), TLS_PORT)):
            return number
    raise AssertionError(f"port {TLS_PORT} of 127.64.0.0/10 is nowhere free")
