"""Ending visitors' connections in the kernel, for those that HAProxy does not end when it is told.

HAProxy leaves a connection alone whose visitor has ended his own direction, as long
as its link goes on sending. The kernel resets it for whoever has NET_ADMIN, which a
gateway with tunnels of WireGuard has; without it nothing happens here.

Source: ss(8), `--kill`; HAProxy 2.6, `stream_shutdown`.
"""

import contextlib
from collections.abc import Iterable

from mosaic.adapters import process
from mosaic.core.errors import MosaicError

_SECONDS = 10.0
_AT_ONCE = 100


def sever(sources: Iterable[str]) -> None:
    """Reset the connections from these `address:port`, as far as we may. Never raises."""
    left = sorted(sources)
    with contextlib.suppress(MosaicError):
        while left:
            process.attempt(_kill(left[:_AT_ONCE]), deadline_seconds=_SECONDS)
            left = left[_AT_ONCE:]


def _kill(sources: list[str]) -> list[str]:
    """Reset TCP connections to any of these."""
    meant = [word for source in sources for word in ("or", "dst", "=", _place(source))]
    return ["ss", "--kill", "--tcp", "--numeric", "state", "all", *meant[1:]]


def _place(source: str) -> str:
    address, _, port = source.rpartition(":")
    return f"[{address}]:{port}" if ":" in address else source
