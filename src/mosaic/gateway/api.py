"""The gateway's web application: what links and Hives ask of it. The contract is `mosaic.wire.links`."""

import msgspec
from litestar import Litestar, Router, delete, get, post, put
from litestar.datastructures import MutableScopeHeaders, State
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.params import FromPath, JSONBody
from litestar.types import Message, Scope

from mosaic import __version__
from mosaic.adapters import problem_answers
from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.gateway import gateways
from mosaic.core.errors import MosaicError
from mosaic.core.ids import LinkId
from mosaic.gateway import problems, pushing, registering, standing
from mosaic.gateway.asking import AskingHive, AskingLink, TheGateway, asking_hive, asking_link
from mosaic.gateway.registering import Accepted
from mosaic.gateway.runtime import Gateway
from mosaic.gateway.wanted import address_of
from mosaic.wire.links import (
    DesiredLink,
    GatewayAbout,
    Leave,
    LinkStanding,
    Peer,
    Register,
    Registered,
)  # fmt: skip

MAX_BODY_BYTES = 128 * 1024


@post("/v1/links/register", status_code=200)
async def register(data: JSONBody[Register], gateway: TheGateway, token: AskingLink) -> Registered:
    """Take a link's newest session, and say where its gateways are."""
    config, now_ns = gateway.config, gateway.clock.wall_ns()
    gateway.limits.register(token.link, now_ns)

    def change(tx: Tx) -> Accepted:
        return registering.register(tx, token, data, own=config.name, network=config.network, now_ns=now_ns)

    return _registered(await gateway.write(change), gateway)


@post("/v1/links/leave", status_code=204)
async def leave(data: JSONBody[Leave], gateway: TheGateway, token: AskingLink) -> None:
    """End a registration."""
    now_ns = gateway.clock.wall_ns()
    await gateway.write(lambda tx: registering.leave(tx, token, data.registration, now_ns=now_ns))


@get("/v1/gateway")
async def about(gateway: TheGateway, hive: AskingHive) -> GatewayAbout:
    """Describe the group."""
    now_ns = gateway.clock.wall_ns()
    live = gateways.live(await gateway.read(gateways.every), now_ns=now_ns)
    target, ports = gateway.config.target or gateway.config.host, gateway.port_range
    addresses = [address for row in live for address in row.about.addresses]
    return GatewayAbout(
        name=target,
        version=__version__,
        target=target,
        addresses=list(dict.fromkeys(addresses)),
        domains=sorted(hive.domains),
        gateways=[row.name for row in live],
        port_range=(ports.start, ports.stop - 1) if ports is not None else None,
        places=list(dict.fromkeys(row.about.public for row in live)),
        plain_port=gateway.config.plain_port,
    )


@put("/v1/links/{link:str}")
async def put_link(
    data: JSONBody[DesiredLink], link: FromPath[str], gateway: TheGateway, hive: AskingHive
) -> LinkStanding:
    """Take what a Hive wants of a link."""
    now_ns = gateway.clock.wall_ns()
    ports = gateway.port_range

    def change(tx: Tx) -> LinkStanding:
        pushing.put(tx, hive.key, LinkId(link), data, port_range=ports, now_ns=now_ns)
        return standing.one(tx, LinkId(link), now_ns=now_ns)

    return (await _with_closed([await gateway.write(change)], gateway))[0]


@delete("/v1/links/{link:str}")
async def delete_link(link: FromPath[str], gateway: TheGateway, hive: AskingHive) -> None:
    """Remove a link from every gateway."""
    now_ns = gateway.clock.wall_ns()
    await gateway.write(lambda tx: pushing.remove(tx, hive.key, LinkId(link), now_ns=now_ns))
    await gateway.told()


@get("/v1/links")
async def list_links(gateway: TheGateway, hive: AskingHive) -> list[LinkStanding]:
    """Say how the Hive's links do."""
    now_ns = gateway.clock.wall_ns()
    return await _with_closed(await gateway.read(lambda tx: standing.of_hive(tx, hive.key, now_ns=now_ns)), gateway)


def build(gateway: Gateway) -> Litestar:
    """Return the application of a running gateway."""
    of_links = Router("/", route_handlers=[register, leave], dependencies={"token": Provide(asking_link)})
    of_hives = Router(
        "/", route_handlers=[about, put_link, delete_link, list_links], dependencies={"hive": Provide(asking_hive)}
    )
    return Litestar(
        route_handlers=[of_links, of_hives],
        dependencies={"gateway": Provide(_the_gateway, sync_to_thread=False)},
        exception_handlers={
            MosaicError: problems.answer_mosaic,
            HTTPException: problem_answers.answer_http,
            Exception: problems.answer_unexpected,
        },
        before_send=[_with_headers],
        openapi_config=None,
        request_max_body_size=MAX_BODY_BYTES,
        state=State({"gateway": gateway}),
        logging_config=None,
        pdb_on_exception=False,
        debug=False,
    )


async def _with_closed(standings: list[LinkStanding], gateway: Gateway) -> list[LinkStanding]:
    """Have them say which of their raw ports are not open here."""
    if not any(one.ports for one in standings):
        return standings
    closed = await gateway.in_thread(gateway.agent.closed_ports)
    return [msgspec.structs.replace(one, closed=closed.get(LinkId(one.id), [])) for one in standings]


def _registered(accepted: Accepted, gateway: Gateway) -> Registered:
    config, given = gateway.config, accepted.registration
    return Registered(
        registration=given.id,
        address=address_of(given, config.network),
        names=list(accepted.view.names),
        peers=[
            Peer(
                name=row.name,
                inner_address=config.network.address(row.number),
                public=row.about.public,
                endpoint=row.about.endpoint,
                public_key=row.about.public_key,
                tunnel=row.about.tunnel,
            )
            for row in accepted.gateways
        ],
        ports=accepted.view.public_ports,
        probe_port=gateway.probe_port,
        tunnel_key=given.tunnel_key,
    )


def _the_gateway(state: State) -> Gateway:
    gateway: Gateway = state.gateway
    return gateway


async def _with_headers(message: Message, _scope: Scope) -> None:
    """Let nobody keep an answer: it may have a tunnel's key."""
    if message["type"] == "http.response.start":
        MutableScopeHeaders.from_message(message).setdefault("Cache-Control", "no-store")
