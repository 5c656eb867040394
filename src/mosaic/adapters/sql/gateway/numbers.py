"""Numbers of tunnel addresses that are free, and the network that they count in.

A link is given one that it had before, if there is one: whoever registers again
and again uses up a few, and the group's network lasts for all.
"""

from sqlalchemy import ColumnElement, and_, delete, exists, select, update

from mosaic.adapters.sql.engine import Tx
from mosaic.adapters.sql.gateway import schema
from mosaic.core.errors import Refused
from mosaic.core.ids import LinkId
from mosaic.core.tunnel_addresses import OWN_QUARANTINE_NS, QUARANTINE_NS, TunnelNetwork
from mosaic.core.tunnel_addresses import take as take_number

_freed = schema.freed.c
_registrations = schema.registrations.c
_counters = schema.counters.c
_state = schema.state.c
_NEXT = "next-number"
_NETWORK = "network"


class NetworkDiffers(Refused):
    """The group of gateways was set up with another tunnel network."""

    code = "tunnel-network-differs"

    def __init__(self, given: str, kept: str) -> None:
        super().__init__(
            f"the tunnel network {given} is not this group's, which is {kept}",
            hint=f"start the gateway with `--network {kept}`; a new group takes a new database",
        )


def keep_network(tx: Tx, network: TunnelNetwork) -> None:
    """Write the group's network down at its first start. Raises NetworkDiffers at any later one."""
    kept = tx.scalar(select(_state.value).where(_state.name == _NETWORK))
    if kept is None:
        tx.execute(schema.state.insert().values(name=_NETWORK, value=str(network)))
    elif kept != str(network):
        raise NetworkDiffers(str(network), kept)


def take(tx: Tx, network: TunnelNetwork, link: LinkId, *, now_ns: int) -> int:
    """Return a number, which is nobody else's. Call it in a change. Raises GatewayFull."""
    own = select(_freed.number).where(
        _registrations.link == link, _is_its(), _freed.at_ns <= now_ns - OWN_QUARANTINE_NS
    )
    number = tx.scalar(own.order_by(_freed.at_ns, _freed.number).limit(1))
    if number is None:
        row = tx.execute(select(schema.freed).order_by(_freed.at_ns, _freed.number).limit(1)).one_or_none()
        next_number = int(tx.scalars(select(_counters.value).where(_counters.name == _NEXT)).one())
        number = take_number(network, next_number, (row.number, row.at_ns) if row else None, now_ns=now_ns)
        if row is None or number != row.number:
            tx.execute(update(schema.counters).where(_counters.name == _NEXT).values(value=next_number + 1))
            return number
    tx.execute(delete(schema.freed).where(_freed.number == number))
    return int(number)


def is_kept_back(*, now_ns: int) -> ColumnElement[bool]:
    """Return the condition that a registration's number is kept back for its link."""
    return exists().where(_is_its(), _freed.at_ns > now_ns - QUARANTINE_NS)


def _is_its() -> ColumnElement[bool]:
    # One that another link had meanwhile was freed at another instant.
    return and_(_freed.number == _registrations.number, _freed.at_ns == _registrations.ended_ns)


def free(tx: Tx, number: int, *, now_ns: int) -> None:
    """Give a number back."""
    tx.execute(schema.freed.insert().values(number=number, at_ns=now_ns))


def freed_since(tx: Tx, since_ns: int) -> list[int]:
    """Return the numbers that were freed after an instant and are not given out again."""
    return list(tx.scalars(select(_freed.number).where(_freed.at_ns > since_ns)))
