"""Who asks a gateway: a link by its token, or a Hive by its signature. Each is looked at before anything else is."""

from typing import TypeAlias

from litestar.di import NamedDependency

from mosaic.adapters.problem_answers import Asked
from mosaic.adapters.sql.gateway import hives
from mosaic.adapters.sql.gateway.hives import AllowedHive
from mosaic.core import link_token
from mosaic.core.errors import Refused
from mosaic.core.link_token import LinkToken
from mosaic.crypto import hive_requests
from mosaic.crypto.hive_requests import HiveRequest
from mosaic.gateway import registering
from mosaic.gateway.pushing import HiveNotAllowed
from mosaic.gateway.registering import LinkTokenUnknown
from mosaic.gateway.runtime import Gateway

TheGateway: TypeAlias = NamedDependency[Gateway]

AskingLink: TypeAlias = NamedDependency[LinkToken]
"""The link that asks, as the parameter `token` of a handler. Its token was good a moment ago."""

AskingHive: TypeAlias = NamedDependency[AllowedHive]
"""The Hive that asks, as the parameter `hive` of a handler."""

_HEADERS = (
    hive_requests.HIVE_HEADER,
    hive_requests.GATEWAY_HEADER,
    hive_requests.TIME_HEADER,
    hive_requests.SIGNATURE_HEADER,
)


async def asking_link(request: Asked, gateway: TheGateway) -> LinkToken:
    """For what links ask. Raises LinkTokenUnknown, AskedTooOften."""
    address, now_ns = _address(request), gateway.clock.wall_ns()
    gateway.limits.ask(address, now_ns)
    kind, _, text = request.headers.get("Authorization", "").partition(" ")
    token = link_token.parse(text.strip()) if kind.lower() == "bearer" else None
    try:
        if token is None:
            raise LinkTokenUnknown
        given = token
        await gateway.read(lambda tx: registering.require_token(tx, given, now_ns=now_ns))
    except LinkTokenUnknown:
        gateway.limits.refuse(address, now_ns)
        raise
    return token


async def asking_hive(request: Asked, gateway: TheGateway) -> AllowedHive:
    """For what Hives ask.

    Raises HiveRequestUnsigned, HiveRequestElsewhere, HiveRequestLate, HiveNotAllowed, AskedTooOften.
    """
    address, now_ns = _address(request), gateway.clock.wall_ns()
    gateway.limits.check_refused(address, now_ns)
    headers = {name: request.headers.get(name, "") for name in _HEADERS}
    asked = HiveRequest(request.method, _path(request), await request.body())
    try:
        key = hive_requests.verify(headers, asked, own=gateway.config.own_hosts, now_seconds=now_ns / 1e9)
        hive = await gateway.read(lambda tx: hives.get(tx, key))
        if hive is None:
            raise HiveNotAllowed(key)
    except Refused:
        gateway.limits.refuse(address, now_ns)
        raise
    return hive


def _path(request: Asked) -> str:
    """Return the path with its query as it was sent."""
    path = request.scope["raw_path"].decode("latin-1")
    query = request.scope["query_string"].decode("latin-1")
    return f"{path}?{query}" if query else path


def _address(request: Asked) -> str:
    return request.client.host if request.client else "unknown"
