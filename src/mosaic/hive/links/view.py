"""A link as people see it."""

from collections.abc import Sequence

from mosaic.adapters.sql import gateways, link_names, link_ports, link_pushes, links, placements
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.installations import Installation
from mosaic.adapters.sql.link_names import Name
from mosaic.adapters.sql.link_ports import WishedPort
from mosaic.adapters.sql.link_pushes import Push
from mosaic.adapters.sql.links import Link
from mosaic.core import name_proof
from mosaic.hive.runtime import Hive
from mosaic.wire import link_api
from mosaic.wire.link_api import LinkAt, LinkName, LinkPort, NameProof
from mosaic.wire.links import GatewayAbout, LinkStanding


def shown(tx: Tx, hive: Hive, link: Link, app: Installation) -> link_api.Link:
    """Return a link as it is now."""
    names, tokens = link_names.of_link(tx, link.id), links.tokens(tx, link.id)
    given = next((name.name for name in names if name.given), None)
    older = next((token for token in tokens if token.number != link.token_number), None)
    pushes = link_pushes.of_link(tx, link.id)
    at = [_at(tx, hive, link, push) for push in pushes if push.gateway == link.gateway]
    return link_api.Link(
        id=link.id,
        installation=link.installation,
        app=app.name,
        created_ns=link.created_ns,
        names=[_name(tx, hive, link, name, given) for name in names],
        token=link.token_number,
        token_known=any(token.number == link.token_number for token in tokens),
        gateways=at,
        older_token_until_ns=older.until_ns if older is not None else None,
        ports=_ports(tx, link, at),
        leaving=[_left(tx, push) for push in pushes if push.gateway != link.gateway and not _knows(link, push)],
        lacks_service=_lacks_service(tx, hive, link),
    )


def _lacks_service(tx: Tx, hive: Hive, link: Link) -> bool:
    placement = placements.get(tx, link.installation)
    heard = hive.connections.heard().get(placement.home) if placement is not None and placement.home else None
    reports = heard.report.installations if heard is not None else []
    services = next((one.services for one in reports if one.installation == link.installation), [])
    # One that has no container yet is not known for what it is.
    is_known = bool(services) and all(one.state != "missing" for one in services)
    return is_known and not any(one.link for one in services)


def _ports(tx: Tx, link: Link, at: Sequence[LinkAt]) -> list[LinkPort]:
    gateway = gateways.get(tx, link.gateway)
    about = gateway.about if gateway is not None else None
    # What it said of an earlier wish says nothing of this one.
    standing = next((one.standing for one in at if one.taken), None)
    given = {port.inner: port.public for port in standing.ports} if standing is not None else {}
    return [
        LinkPort(
            port.protocol,
            port.named,
            port.public,
            given.get(port.inner),
            about.target if about is not None else "",
            _port_problem(port, about, standing) if standing is not None else "",
        )
        for port in link_ports.of_link(tx, link.id)
    ]


def _port_problem(port: WishedPort, about: GatewayAbout | None, standing: LinkStanding) -> str:
    if port.inner in standing.closed:
        return "another program on the gateway's machine has it"
    if any(one.inner == port.inner for one in standing.ports):
        return ""
    offered = about.port_range if about is not None else None
    if offered is None:
        return "the gateway opens no raw ports"
    if port.public and not offered[0] <= port.public <= offered[1]:
        return f"the gateway opens ports {offered[0]} to {offered[1]} alone"
    return "another link has it" if port.public else "the gateway has no port left"


def _name(tx: Tx, hive: Hive, link: Link, name: Name, given: str | None) -> LinkName:
    if name.given:
        return LinkName(name.name, "good")
    value = name_proof.challenge_value(hive.key.challenge_key, account=link.account, claim=name.name)
    state: link_api.NameState = name.claim.state
    if not name.claim.counts and link_names.holder(tx, name.name) is not None:
        state = "taken"
    # Any name of the account proves it; this one leads to the app as well.
    proof = NameProof(name_proof.challenge_name(name.name), value, given)
    return LinkName(name.name, state, proof, name_proof.withdrawn_ns(name.claim))


def _left(tx: Tx, push: Push) -> str:
    gateway = gateways.get(tx, push.gateway)
    return gateway.name if gateway is not None else push.gateway


def _knows(link: Link, push: Push) -> bool:
    # What came later is nothing to it: once it has nothing of the link it has nothing of it.
    return push.taken_revision == link.revision or (push.standing is not None and not push.standing.names)


def _at(tx: Tx, hive: Hive, link: Link, push: Push) -> LinkAt:
    gateway = gateways.get(tx, push.gateway)
    standing, heard_ns = push.standing, push.heard_ns
    newer = hive.links.gateway(push.gateway).standings.get(link.id)
    if newer is not None and newer[1] >= (heard_ns or 0):
        standing, heard_ns = newer
    taken = push.taken_revision == link.revision
    silent = gateway.problem if gateway is not None and not taken else ""
    name = gateway.name if gateway is not None else push.gateway
    return LinkAt(name, taken, push.problem or silent, standing, heard_ns)
