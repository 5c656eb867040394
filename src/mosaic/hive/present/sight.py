"""What the event loop knows, taken at one instant, for a look that runs in a worker thread."""

from collections.abc import Mapping
from dataclasses import dataclass

from mosaic.core.ids import DeviceId
from mosaic.hive.channel.sights import Heard
from mosaic.hive.runtime import Hive


@dataclass(frozen=True, slots=True)
class Sight:
    """Who is connected, what each Device said since the Hive started, and the time."""

    now_ns: int
    boot_ns: int
    connected: frozenset[DeviceId]
    heard: Mapping[DeviceId, Heard]
    superseded: frozenset[DeviceId]

    def heard_ns(self, device: DeviceId) -> int | None:
        """Return when the Device was heard last since the Hive started, by the time as it is set now."""
        heard = self.heard.get(device)
        if heard is None:
            return None
        return heard.at_ns if heard.boot_ns is None else self.now_ns - (self.boot_ns - heard.boot_ns)


def take(hive: Hive) -> Sight:
    """Take it. Call in the event loop."""
    return Sight(
        hive.clock.wall_ns(),
        hive.clock.boot_ns(),
        frozenset(connection.device for connection in hive.connections.all()),
        hive.connections.heard(),
        hive.connections.superseded(),
    )
