"""What the tasks that look after links remember while the Hive runs. Nothing here is lost with it."""

from dataclasses import dataclass, field

import anyio

from mosaic.core.ids import LinkId
from mosaic.hive.waking import Waking
from mosaic.wire.links import LinkStanding

_LOOKS_AT_ONCE = 2
"""Of `hive.links.doctor`: each opens some connections."""


@dataclass
class GatewayState:
    """One gateway as it was found. `tries` failed since it answered last; instants are of the clock since boot.

    `turn` is had by who tells it something; `is_late`: there was something to look at meanwhile.
    """

    turn: anyio.Lock = field(default_factory=anyio.Lock)
    is_late: bool = False
    tries: int = 0
    due_ns: int = 0
    asked_ns: int | None = None
    refused: dict[LinkId, tuple[int, int]] = field(default_factory=dict)
    """The revision that it refused, and when it is told again."""

    standings: dict[LinkId, tuple[LinkStanding, int]] = field(default_factory=dict)
    """What it said last of each link, and when (ns since 1970); the database has what of it lasts."""


class LinkWork:
    """`changed` is woken when gateways may have to be told something, `claimed` when a domain is to be looked at.

    `looking` is had by who looks at a link on somebody's word.
    """

    def __init__(self) -> None:
        self.changed = Waking()
        self.claimed = Waking()
        self.looking = anyio.CapacityLimiter(_LOOKS_AT_ONCE)
        self._gateways: dict[str, GatewayState] = {}

    def gateway(self, gateway: str) -> GatewayState:
        """Return what is remembered of a gateway."""
        return self._gateways.setdefault(gateway, GatewayState())

    def ask_again(self, gateway: str) -> None:
        """Ask it without waiting: somebody says that it is there, or lets this Hive in by now."""
        state = self.gateway(gateway)
        state.tries, state.due_ns, state.asked_ns = 0, 0, None
        self.changed.wake()

    def forget(self, gateway: str) -> None:
        """It is not used any more."""
        self._gateways.pop(gateway, None)
