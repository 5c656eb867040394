"""Links and the gateways that carry them. Routes only; see `mosaic.wire.link_api`."""

from litestar import delete, get, post, put
from litestar.params import FromPath, FromQuery, JSONBody

from mosaic.hive import actions
from mosaic.hive.http import TheHive
from mosaic.hive.signed_in import Owner
from mosaic.wire.link_api import AddGateway, AddLink, AddPort, Link, LinkGateway, LinkMove, MoveLink, RotateToken
from mosaic.wire.link_doctor import LinkLook
from mosaic.wire.link_export import SignedLinkExport
from mosaic.wire.links import Protocol


@get("/api/links")
async def list_links(hive: TheHive, who: Owner) -> list[Link]:
    """Return the account's links, the oldest first, as their gateways say now if they answer soon."""
    await actions.hear_of_links(hive, who.account)
    return await actions.list_links(hive, who.account)


@get("/api/installations/{installation:str}/link")
async def get_link(installation: FromPath[str], hive: TheHive, who: Owner) -> Link:
    """Return an installation's link, as its gateway says now if it answers soon."""
    await actions.hear_of_links(hive, who.account)
    return await actions.get_link(hive, who.account, installation)


@put("/api/installations/{installation:str}/link")
async def add_link(installation: FromPath[str], data: JSONBody[AddLink], hive: TheHive, who: Owner) -> Link:
    """Make an installation's link, or give it further domains."""
    return await actions.add_link(hive, who.account, installation, data)


@delete("/api/installations/{installation:str}/link", status_code=204)
async def remove_link(
    installation: FromPath[str], hive: TheHive, who: Owner, domain: FromQuery[str | None] = None
) -> None:
    """Take a link away, or one domain of it."""
    await actions.remove_link(hive, who.account, installation, domain)


@get("/api/installations/{installation:str}/link/move")
async def plan_move(installation: FromPath[str], hive: TheHive, who: Owner, gateway: FromQuery[str]) -> LinkMove:
    """Say what moving a link to another gateway would change."""
    return await actions.link_move(hive, who.account, installation, gateway)


@post("/api/installations/{installation:str}/link/move", status_code=200)
async def move(installation: FromPath[str], data: JSONBody[MoveLink], hive: TheHive, who: Owner) -> Link:
    """Have another gateway carry a link."""
    return await actions.move_link(hive, who.account, installation, data)


@post("/api/installations/{installation:str}/link/rotate", status_code=200)
async def rotate(installation: FromPath[str], data: JSONBody[RotateToken], hive: TheHive, who: Owner) -> Link:
    """Give a link another token."""
    return await actions.rotate_link(hive, who.account, installation, data)


@put("/api/installations/{installation:str}/link/ports")
async def add_port(installation: FromPath[str], data: JSONBody[AddPort], hive: TheHive, who: Owner) -> Link:
    """Have the gateway open a raw port for a link."""
    return await actions.add_link_port(hive, who.account, installation, data)


@delete("/api/installations/{installation:str}/link/ports", status_code=204)
async def remove_port(
    installation: FromPath[str], hive: TheHive, who: Owner, protocol: FromQuery[Protocol], port: FromQuery[int]
) -> None:
    """Give a raw port back."""
    await actions.remove_link_port(hive, who.account, installation, protocol, port)


@post("/api/installations/{installation:str}/link/doctor", status_code=200)
async def look_at(installation: FromPath[str], hive: TheHive, who: Owner) -> LinkLook:
    """Look at a link, and say what is wrong."""
    return await actions.look_at_link(hive, who.account, installation)


@get("/api/link-export")
async def export(hive: TheHive, who: Owner, everyone: FromQuery[bool] = False) -> SignedLinkExport:
    """Return links in a file that another gateway takes in."""
    return await actions.export_links(hive, who.account, everyone=everyone)


@get("/api/link-gateways")
async def list_gateways(hive: TheHive, who: Owner) -> list[LinkGateway]:  # noqa: ARG001 (whoever is signed in)
    """Return the gateways that this Hive uses."""
    return await actions.list_gateways(hive)


@post("/api/link-gateways", status_code=200)
async def add_gateway(data: JSONBody[AddGateway], hive: TheHive, who: Owner) -> LinkGateway:
    """Use a gateway, and ask it who it is."""
    return await actions.add_gateway(hive, who.account, data)


@delete("/api/link-gateways/{name:str}", status_code=204)
async def remove_gateway(name: FromPath[str], hive: TheHive, who: Owner) -> None:
    """Use a gateway no more."""
    await actions.remove_gateway(hive, who.account, name)


handlers = [
    list_links, get_link, add_link, remove_link, plan_move, move, rotate, look_at, export, add_port, remove_port,
    list_gateways, add_gateway, remove_gateway,
]  # fmt: skip
