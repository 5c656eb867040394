"""The two shapes in which a request comes in, typed once."""

from typing import TypeAlias

from litestar import Request, WebSocket
from litestar.datastructures import State

Asked: TypeAlias = Request[object, object, State]
Socket: TypeAlias = WebSocket[object, object, State]


def address_of(asked: Asked) -> str:
    """Return the network address that the request came from, for counting failures."""
    return asked.client.host if asked.client else "unknown"
