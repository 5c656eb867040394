"""What handlers ask for, typed once: the request, the channel, the Hive."""

from typing import TypeAlias

from litestar import Request, WebSocket
from litestar.datastructures import State
from litestar.di import NamedDependency

from mosaic.hive.runtime import Hive

Asked: TypeAlias = Request[object, object, State]
Socket: TypeAlias = WebSocket[object, object, State]
TheHive: TypeAlias = NamedDependency[Hive]


def address_of(asked: Asked) -> str:
    """Return the network address that the request came from, for counting failures."""
    return asked.client.host if asked.client else "unknown"
