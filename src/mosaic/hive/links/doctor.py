"""Looking at a link from where this Hive runs: what its gateway says, and what DNS and the gateway's ports answer.

Only DNS and the gateway are asked, never an address that a name leads to: an
owner's domain may lead into this Hive's own network. Nothing is changed or kept.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import anyio

from mosaic.adapters.sql import gateways, link_pushes
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.gateways import Gateway
from mosaic.adapters.sql.links import Link
from mosaic.core import link_doctor
from mosaic.core.errors import MosaicError
from mosaic.core.link_places import Place, addresses_of, places_of
from mosaic.core.link_sights import Carrier, Door, Doors, NameSight, Shown, Silence
from mosaic.hive.links import asking
from mosaic.hive.own_threads import in_own_thread
from mosaic.hive.runtime import Hive
from mosaic.wire import link_api
from mosaic.wire.link_api import LinkName
from mosaic.wire.link_doctor import LinkFinding, LinkLook
from mosaic.wire.links import GatewayAbout, LinkStanding

if TYPE_CHECKING:
    import ssl

T = TypeVar("T")

MOST_DOORS = 4
"""Of so many addresses of a gateway the first are looked at."""

_MOST_RAW = 20
_GATEWAY_SECONDS = 30.0
"""Of all that a gateway is asked: one that sends a byte now and then keeps nobody else from looking."""


@dataclass(frozen=True, slots=True)
class _At:
    """A link at its gateway: what that said just now of itself and of the link, or why it did not."""

    name: str
    taken: bool
    problem: str
    about: GatewayAbout | None = None
    standing: LinkStanding | None = None


async def look(hive: Hive, link: Link, shown: link_api.Link) -> LinkLook:
    """Make all checks of a link, and say what each found. Takes some seconds, two minutes at most."""
    async with hive.links.looking:
        at = await _asked(hive, link)
        doors, wanted = await _public(hive, at.about)
        tls = await _beside([partial(_door, door) for door in doors])
        plain = await _plain_doors(at.about, doors, shown)
        raw = await _beside([partial(_door, place) for place in _raw_places(at, doors)])
        ways = await _ways(tls)
        names = await _beside([partial(_sight, hive, name, at, wanted, ways) for name in shown.names])
    now_ns = hive.clock.wall_ns()
    found = link_doctor.findings(
        _carrier(shown, at, now_ns), Doors(tuple(tls), tuple(plain), tuple(raw), _held(at)), names, now=now_ns / 1e9
    )
    return LinkLook(shown.app, now_ns, [LinkFinding(o.check, o.outcome, o.said, o.remedy, o.name) for o in found])


@dataclass(frozen=True, slots=True)
class _Ways:
    """The ports by which names can be asked, and what their visitors trust; None where there is no port."""

    doors: Sequence[Door]
    trusts: "ssl.SSLContext | None"


async def _ways(tls: Sequence[Door]) -> _Ways:
    from mosaic.adapters.look_from_outside import public_trust

    doors = [door for door in tls if not door.refusal]
    # Once for all names: it is a megabyte.
    return _Ways(doors, await in_own_thread(public_trust) if doors else None)


async def _asked(hive: Hive, link: Link) -> _At:
    def known(tx: Tx) -> tuple[Gateway | None, bool, str]:
        push = next((one for one in link_pushes.of_link(tx, link.id) if one.gateway == link.gateway), None)
        is_taken = push is not None and push.taken_revision == link.revision
        return gateways.get(tx, link.gateway), is_taken, push.problem if push is not None and not is_taken else ""

    row, is_taken, problem = await hive.read(known)
    if row is None:
        return _At(link.gateway, is_taken, "this Hive does not use it any more")
    try:
        about, standings = await asking.answered(row, lambda: asking.look(hive, row), seconds=_GATEWAY_SECONDS)
    except MosaicError as error:
        return _At(row.name, is_taken, error.with_hint, row.about)
    standing = next((one for one in standings if one.id == link.id), None)
    return _At(about.name, is_taken, problem, about, standing)


def _carrier(shown: link_api.Link, at: _At, now_ns: int) -> Carrier:
    seen = at.standing.seen if at.standing is not None else None
    return Carrier(
        app=shown.app,
        gateway=at.name,
        token_known=shown.token_known,
        taken=at.taken,
        problem=at.problem,
        registered=at.standing is not None and at.standing.registered,
        mode=at.standing.mode if at.standing is not None else None,
        silent_seconds=max(0.0, now_ns / 1e9 - seen) if seen is not None else None,
        lacks_service=shown.lacks_service,
    )


async def _public(hive: Hive, about: GatewayAbout | None) -> tuple[list[Place], tuple[str, ...]]:
    """Return where the gateway's TLS is reached, by address, and the addresses to which names may lead."""
    if about is None:
        return [], ()
    told = places_of(about.places, about.addresses, about.target)[:MOST_DOORS]
    hosts = list(dict.fromkeys([about.target, *(place.host for place in told)]))
    answers = await _beside([partial(_addresses, hive, host) for host in hosts])
    known = dict(zip(hosts, answers, strict=True))
    doors = [Place(one, place.port) for place in told for one in known[place.host] or ()]
    wanted = [*about.addresses, *(one for host in hosts for one in known[host] or ())]
    return list(dict.fromkeys(doors))[:MOST_DOORS], tuple(dict.fromkeys(wanted))


def _raw_places(at: _At, doors: Sequence[Place]) -> list[Place]:
    """Return the link's own TCP ports at one address. Nobody can tell from outside whether a UDP port is open."""
    # One that another program has would be looked at there.
    ports = [port for port in at.standing.ports if port.inner not in at.standing.closed] if at.standing else []
    return [Place(door.host, port.public) for door in doors[:1] for port in ports[:_MOST_RAW] if port.protocol == "tcp"]


def _held(at: _At) -> tuple[str, ...]:
    ports = at.standing.ports if at.standing is not None else []
    return tuple(f"{port.protocol}:{port.public}" for port in ports if at.standing and port.inner in at.standing.closed)


async def _door(place: Place) -> Door:
    from mosaic.adapters import link_look

    return await in_own_thread(lambda: link_look.tcp_door(place.host, place.port))


async def _plain_doors(about: GatewayAbout | None, doors: Sequence[Place], shown: link_api.Link) -> list[Door]:
    """Ask the plain port of each address, by the first name."""
    from mosaic.adapters import link_look

    if about is None or not shown.names:
        return []

    async def ask(host: str) -> Door:
        return await in_own_thread(lambda: link_look.plain_door(host, about.plain_port, shown.names[0].name))

    return await _beside([partial(ask, host) for host in dict.fromkeys(door.host for door in doors)])


async def _sight(hive: Hive, name: LinkName, at: _At, wanted: tuple[str, ...], ways: _Ways) -> NameSight:
    addresses = await _addresses(hive, name.name)
    tls: Shown | Silence | None = None
    status: int | None = None
    for door in ways.doors if name.state in ("good", "amber") else ():
        tls, status = await _shown(name.name, door, ways.trusts)
        if not isinstance(tls, Shown) or status is None:
            # What one of several gateways does wrong is what its owner wants to know.
            break
    return NameSight(
        name=name.name,
        given=name.proof is None,
        proof=name.state,
        record=f'{name.proof.txt_name}. TXT "{name.proof.txt_value}"' if name.proof is not None else "",
        target=_target(name, at),
        addresses=tuple(addresses) if addresses is not None else None,
        wanted=wanted,
        tls=tls,
        status=status,
    )


async def _shown(name: str, door: Door, trusts: "ssl.SSLContext | None") -> tuple[Shown | Silence, int | None]:
    from mosaic.adapters import link_look

    tls = await in_own_thread(lambda: link_look.certificate(door.host, door.port, name, trusts=trusts))
    if not isinstance(tls, Shown):
        return tls, None
    return tls, await in_own_thread(lambda: link_look.status(door.host, door.port, name))


def _target(name: LinkName, at: _At) -> str:
    if name.proof is not None and name.proof.cname is not None:
        return name.proof.cname
    return at.about.target if at.about is not None else at.name


async def _addresses(hive: Hive, name: str) -> list[str] | None:
    own = addresses_of(name)
    if own is not None:
        return own
    # Imported here: it takes memory, and most Hives never need it.
    from mosaic.adapters.dns import Resolver, parse_server

    resolver = Resolver([parse_server(one) for one in hive.config.resolvers])
    return await in_own_thread(lambda: resolver.addresses(name))


async def _beside(calls: Sequence[Callable[[], Awaitable[T]]]) -> list[T]:
    """Make all calls beside one another, and return what they return, in their order."""
    found: dict[int, T] = {}

    async def one(at: int, call: Callable[[], Awaitable[T]]) -> None:
        found[at] = await call()

    async with anyio.create_task_group() as tasks:
        for at, call in enumerate(calls):
            tasks.start_soon(one, at, call)
    return [found[at] for at in range(len(calls))]
