"""Whatever Hives push and links register, at either gateway, in any order: what is routed is what a model says."""

import secrets
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mosaic.core.epoch import parse
from mosaic.core.errors import MosaicError
from mosaic.core.ids import LinkId
from mosaic.crypto.tokens import hash_token
from mosaic.gateway.wanted import address_of
from mosaic.wire.links import DesiredLink, Mode, Register, TokenHash
from support.gateway_world import DOMAIN
from support.kill_points import KillPoints
from support.local_gateway import NETWORK, LocalGateway, open_group
from support.manual_clock import ManualClock

pytestmark = pytest.mark.long
LINKS = [LinkId(letter * 12) for letter in "ab"]
NAMES = [f"{name}.{DOMAIN}" for name in ("x", "y", "z")]
SECRETS = [letter * 43 for letter in "pq"]


@dataclass(frozen=True)
class Push:
    link: LinkId
    names: frozenset[str]
    secrets: frozenset[str]
    floor: str
    stale: bool


@dataclass(frozen=True)
class Come:
    link: LinkId
    secret: str
    epoch: str
    session: str
    mode: Mode


@dataclass(frozen=True)
class Leave:
    link: LinkId


@dataclass(frozen=True)
class Remove:
    link: LinkId


@dataclass(frozen=True)
class Pass:
    """Time passes, and the gateway looks; one that was killed starts again."""

    seconds: int
    killed: bool


Happening = Push | Come | Leave | Remove | Pass
# Most stories are of one link, and of one epoch: what is between two is rarer than what is within one.
some_link = st.sampled_from([*LINKS, LINKS[0], LINKS[0]])
some_epoch = st.sampled_from(["1.1", "1.1", "1.1", "2.0"])
pushes = st.builds(
    Push,
    some_link,
    st.frozensets(st.sampled_from(NAMES), max_size=2),
    st.sampled_from([frozenset(SECRETS), frozenset(SECRETS), frozenset(SECRETS[:1]), frozenset[str]()]),
    st.sampled_from(["0.0", "0.0", "0.0", "1.1", "2.0"]),
    st.booleans(),
)
comes = st.builds(
    Come,
    some_link,
    st.sampled_from(SECRETS),
    some_epoch,
    st.sampled_from(["1" * 32, "2" * 32]),
    st.sampled_from(["kernel", "kernel", "tcp"]),
)
passes = st.builds(Pass, st.sampled_from([1, 61, 3601]), st.booleans())
leaves, removals = st.builds(Leave, some_link), st.builds(Remove, st.sampled_from(LINKS[1:]))
happenings = st.one_of(comes, comes, comes, comes, pushes, pushes, passes, leaves, removals)


@dataclass
class Modelled:
    """A link as the rules say. `holder` is (epoch, session, mode, secret) of who has it, None while nobody does."""

    revision: int = 0
    names: frozenset[str] = frozenset()
    secrets: frozenset[str] = frozenset()
    floor: str = "0.0"
    pushed: bool = False
    removed: bool = False
    newest: tuple[str, str] | None = None
    holder: tuple[str, str, Mode, str] | None = None
    replaced: set[tuple[str, str]] = field(default_factory=set)
    address: str = ""
    registration: str = ""


@dataclass
class World:
    gateways: list[LocalGateway]
    clock: ManualClock
    links: dict[LinkId, Modelled] = field(default_factory=lambda: {link: Modelled() for link in LINKS})
    keys: dict[str, str] = field(default_factory=dict)

    def push(self, at: LocalGateway, push: Push) -> None:
        link = self.links[push.link]
        revision = link.revision if push.stale else link.revision + 1
        tokens = [TokenHash(hash_token(secret)) for secret in sorted(push.secrets)]
        wanted = DesiredLink(revision, "ada", sorted(push.names), tokens, push.floor)
        taken = {name for one, other in self.links.items() if one != push.link for name in other.names}
        same = (link.names, link.secrets, link.floor) == (push.names, push.secrets, push.floor)
        stale = push.stale and link.pushed and not same
        refused = link.removed or stale or (not (push.stale and same and link.pushed) and bool(push.names & taken))
        try:
            at.push(push.link, wanted)
        except MosaicError:
            assert refused
            return
        assert not refused
        link.revision, link.pushed = revision, True
        link.names, link.secrets, link.floor = push.names, push.secrets, push.floor
        if link.holder and (link.holder[3] not in link.secrets or parse(link.holder[0]) < parse(link.floor)):
            link.holder = None

    def come(self, at: LocalGateway, come: Come) -> None:
        link = self.links[come.link]
        key = self.keys.setdefault(f"{come.link}{come.session}{come.epoch}", f"{secrets.token_hex(21)}A=")
        asked = Register(come.session, come.epoch, come.mode, "1", None if come.mode == "tcp" else key)
        me = (come.epoch, come.session)
        wrong = link.removed or not link.pushed or come.secret not in link.secrets
        lowest = max(parse(link.floor), parse(link.newest[0]) if link.newest else parse("0.0"))
        refused = wrong or parse(come.epoch) < lowest or (me in link.replaced and me != link.newest)
        try:
            accepted = at.register(f"lk_{come.link}_{come.secret}", asked)
        except MosaicError as error:
            # A key that still drains, of this very session before it changed its mode, is another reason.
            assert refused or error.code == "link-key-taken"
            return
        assert not refused
        if link.newest is not None and link.newest != me:
            link.replaced.add(link.newest)
        link.newest, link.holder = me, (*me, come.mode, come.secret)
        link.address = address_of(accepted.registration, NETWORK)
        link.registration = accepted.registration.id
        assert [gateway.agent.probe(link.registration) for gateway in self.gateways if gateway is at] == [200]

    def leave(self, at: LocalGateway, link: LinkId) -> None:
        known = self.links[link]
        if known.holder is None:
            return
        at.leave(f"lk_{link}_{known.holder[3]}", known.registration)
        known.holder = None

    def remove(self, at: LocalGateway, link: LinkId) -> None:
        at.remove(link)
        self.links[link].removed, self.links[link].holder, self.links[link].names = True, None, frozenset()

    def happen(self, at: LocalGateway, what: Happening) -> None:
        for gateway in self.gateways:
            gateway.agent.catch_up()
        match what:
            case Push():
                self.push(at, what)
            case Come():
                self.come(at, what)
            case Leave(link):
                self.leave(at, link)
            case Remove(link):
                self.remove(at, link)
            case Pass(seconds, killed):
                self.clock.advance(seconds)
                for gateway in self.gateways:
                    gateway.agent.beat()
                if killed:
                    at.restart()
                at.agent.settle()

    def look(self) -> None:
        """Compare what is routed with the model, at both gateways."""
        routed = {name: link.address for link in self.links.values() if link.holder for name in link.names}
        for gateway in self.gateways:
            gateway.agent.catch_up()
            assert gateway.parts.router.addresses() == routed
            holders = {link.address for link in self.links.values() if link.holder}
            there = {peer.address for peer in gateway.parts.peers.seen().values()}
            there |= {tunnel.address for tunnel in gateway.parts.tunnels.there().values()}
            assert holders <= there


@given(st.lists(st.tuples(st.booleans(), happenings), min_size=5, max_size=16))
@settings(max_examples=50)
def test_what_is_routed_is_what_the_rules_say(story: list[tuple[bool, Happening]]) -> None:
    clock = ManualClock()
    with tempfile.TemporaryDirectory() as folder:
        database = open_group(Path(folder) / "group.db", KillPoints())
        gateways = [LocalGateway(name, database, clock, KillPoints()) for name in ("one", "two")]
        gateways[0].allow()
        world = World(gateways, clock)
        for link, name in zip(LINKS, NAMES, strict=False):
            world.happen(gateways[0], Push(link, frozenset({name}), frozenset(SECRETS), "0.0", stale=False))
        for first, what in story:
            world.happen(gateways[0 if first else 1], what)
            world.look()
        clock.advance(120)
        for gateway in gateways:
            gateway.agent.beat()
            gateway.agent.settle()
        world.look()
        holders = {link.address for link in world.links.values() if link.holder}
        for gateway in gateways:
            there = {peer.address for peer in gateway.parts.peers.seen().values()}
            there |= {tunnel.address for tunnel in gateway.parts.tunnels.there().values()}
            assert there == holders, "nothing is left of those that were replaced"
        database.close()
