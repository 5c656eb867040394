"""Asking where an endpoint's name is now: WireGuard itself asks once, and never again."""

import socket
from ipaddress import ip_address

import anyio

from mosaic.core.errors import Unavailable

DEADLINE_SECONDS = 10.0


class EndpointNotFound(Unavailable):
    """The name of a gateway's endpoint has no address now."""

    code = "endpoint-not-found"

    def __init__(self, endpoint: str, reason: str) -> None:
        super().__init__(
            f"the gateway's endpoint {endpoint} could not be found: {reason}",
            hint="is there a network here, and does its name server answer? It is asked again by itself",
        )


async def addresses(endpoint: str) -> list[str]:
    """Return every `IP:port` of `host:port`, in the order to try. Raises EndpointNotFound."""
    host, _, port = endpoint.rpartition(":")
    if not host or not port.isdigit():
        raise EndpointNotFound(endpoint, "it is not of the form host:port")
    try:
        with anyio.fail_after(DEADLINE_SECONDS):
            found = await anyio.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_DGRAM)
    except TimeoutError as error:
        raise EndpointNotFound(endpoint, "no answer in time") from error
    except UnicodeError as error:
        raise EndpointNotFound(endpoint, "it is no name of a host") from error
    except OSError as error:
        raise EndpointNotFound(endpoint, error.strerror or str(error)) from error
    return list(dict.fromkeys(_joined(place[0], place[1]) for *_, place in found))


def _joined(host: str | int, port: str | int) -> str:
    return f"[{host}]:{port}" if ip_address(host).version == 6 else f"{host}:{port}"
