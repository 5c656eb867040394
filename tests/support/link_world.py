"""A Hive whose owner has one app on one Device, a gateway that knows the Hive, and a DNS that a test writes."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mosaic.adapters.sql import gateways
from mosaic.core.ids import AccountId, LinkId
from mosaic.core.name_proof import challenge_name, challenge_value
from mosaic.crypto import link_tokens
from mosaic.hive.links import proving, pushing
from mosaic.hive.runtime import Hive
from mosaic.wire.link_api import AddGateway, AddLink, AddPort, Link, LinkGateway, LinkName, RotateToken
from mosaic.wire.links import DesiredLink, Protocol
from support.dns_server import DnsServer, dns_server
from support.fake_device import FakeDevice
from support.manual_clock import ManualClock
from support.pushed_gateway import LinkGateway as Gateway
from support.pushed_gateway import link_gateway
from support.running_hive import Owner, RunningHive, running_hive
from support.waiting import eventually

DAY = 24 * 3600.0


@dataclass
class LinkWorld:
    """`device` has the app notes."""

    hive: RunningHive
    owner: Owner
    device: FakeDevice
    gateway: Gateway
    dns: DnsServer
    clock: ManualClock

    def add(self, *domains: str, app: str = "notes", label: str | None = None, who: Owner | None = None) -> Link:
        """Make a link, or give it domains."""
        with (who or self.owner).client() as client:
            return client.send("PUT", f"/api/installations/{app}/link", AddLink(list(domains), label), Link)

    def link(self, app: str = "notes") -> Link:
        with self.owner.client() as client:
            return client.get(f"/api/installations/{app}/link", Link)

    def remove(self, app: str = "notes", domain: str | None = None) -> None:
        query = f"?domain={domain}" if domain is not None else ""
        with self.owner.client() as client:
            client.order("DELETE", f"/api/installations/{app}/link{query}")

    def add_port(self, protocol: Protocol, named: int, public: int = 0) -> Link:
        """Wish for a raw port."""
        with self.owner.client() as client:
            return client.send("PUT", "/api/installations/notes/link/ports", AddPort(protocol, named, public), Link)

    def remove_port(self, protocol: Protocol, named: int) -> None:
        with self.owner.client() as client:
            client.order("DELETE", f"/api/installations/notes/link/ports?protocol={protocol}&port={named}")

    def rotate(self, *, now: bool = False) -> Link:
        with self.owner.client() as client:
            return client.send("POST", "/api/installations/notes/link/rotate", RotateToken(now), Link)

    def name(self, name: str, app: str = "notes") -> LinkName:
        return next(one for one in self.link(app).names if one.name == name)

    def use_gateway(self, who: Owner | None = None) -> LinkGateway:
        """Have the Hive use the gateway."""
        with (who or self.owner).client() as client:
            return client.send("POST", "/api/link-gateways", AddGateway(self.gateway.url), LinkGateway)

    def write_txt(self, domain: str, *, who: Owner | None = None) -> None:
        """Put the record into DNS that proves a domain."""
        account = AccountId((who or self.owner).logged_in.account)
        value = challenge_value(self.own().key.challenge_key, account=account, claim=domain)
        self.dns.records[challenge_name(domain), "TXT"] = [f'"{value}"']

    def own(self) -> Hive:
        assert self.hive.hive is not None
        return self.hive.hive

    def look(self, *, seconds: float = 0) -> None:
        """Let time pass, and the Hive look at domains and gateways."""

        async def looked(hive: Hive) -> None:
            async with contextlib.AsyncExitStack() as turns:
                # A request that is on its way would be one from hours ago, and refused.
                for one in await hive.read(gateways.every):
                    await turns.enter_async_context(hive.links.gateway(one.id).turn)
                self.clock.advance(seconds)
            await proving.look(hive)
            await pushing.look(hive)

        self.hive.ask(looked)

    def at_gateway(self, link: Link) -> DesiredLink:
        """Wait until the gateway has the link, and return it."""
        eventually(lambda: link.id in self.gateway.links)
        return self.gateway.links[link.id]

    def told(self) -> list[str]:
        """Return what the owner was told of his links, by kind."""
        return [event.kind for event in self.owner.happened() if event.kind.startswith("link-")]

    def sha256(self, link: Link, number: int) -> str:
        """Return the hash of the token that the account's Devices derive."""
        return link_tokens.hash_of(link_tokens.derive(self.device.root, LinkId(link.id), number))


@contextlib.contextmanager
def link_world(
    folder: Path, *, database_url: str | None = None, clock: ManualClock | None = None
) -> Iterator[LinkWorld]:
    """Everything well and running; the gateway has let the Hive in, and the app has no link yet."""
    clock = clock or ManualClock()
    with (
        dns_server() as dns,
        link_gateway() as gateway,
        running_hive(folder, clock=clock, database_url=database_url, resolvers=(dns.where,)) as hive,
    ):
        gateway.now = lambda: clock.wall_ns() / 1e9
        owner = hive.set_up()
        device = FakeDevice()
        device.join(owner.join_token())
        device.connect()
        owner.install()
        eventually(lambda: owner.installation().phase == "settled")
        world = LinkWorld(hive, owner, device, gateway, dns, clock)
        gateway.allowed.add(world.own().key.public)
        world.use_gateway()
        yield world
        device.disconnect()


def database_bytes(folder: Path) -> bytes:
    """Return every byte that a Hive keeps in its folder."""
    return b"".join(path.read_bytes() for path in (folder / "hive").rglob("*") if path.is_file())
