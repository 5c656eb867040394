"""How much the raw ports of a gateway take on: of one source, of one port, and in all; the rest are seconds."""

from dataclasses import dataclass

from mosaic.adapters.splice_router import limits as of_routers


@dataclass(frozen=True, slots=True)
class Limits:
    """`connections` are of TCP, `flows` of UDP: what is said between one source's port and one of ours.

    A flow that was never answered is kept for `unanswered_seconds` after its
    last datagram, and gives way to a new one where there are enough.
    """

    connections: int = 4000
    connections_of_source: int = 200
    connections_of_port: int = 2000
    connect_seconds: float = 5.0
    idle_seconds: float = 3600.0
    flows: int = 4096
    flows_of_source: int = 128
    flows_of_port: int = 2048
    unanswered_seconds: float = 30.0
    silent_seconds: float = 180.0


def of_crowd(limits: Limits) -> of_routers.Limits:
    """Return what a Crowd of these connections is kept by; this process may have fewer descriptors."""
    return of_routers.within_this_process(
        of_routers.Limits(per_source=limits.connections_of_source, in_all=limits.connections)
    )
