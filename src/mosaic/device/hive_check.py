"""How far the Hive is, and how far its clock is from this machine's."""

import time
from dataclasses import dataclass

from mosaic.adapters.clock import Clock
from mosaic.adapters.hive_client import DeviceClient
from mosaic.core.errors import Unavailable
from mosaic.device.hive_clock import HiveClock
from mosaic.device.outside import ask

MOST_SECONDS = 2.0


class HiveFar(Unavailable):
    """The Hive answers slowly."""

    code = "hive-far"

    def __init__(self, url: str, seconds: float) -> None:
        super().__init__(
            f"the Hive at {url} took {seconds:.1f} s to answer",
            hint="everything works, later; look at the network between, and at how busy the Hive's machine is",
        )


@dataclass(frozen=True, slots=True)
class HiveAddress:
    """Where the Device's Hive is. `ca_pem` is what to trust for https."""

    url: str
    ca_pem: str | None


async def check_way(hive: HiveAddress) -> str:
    """Say how long the Hive takes to answer. Raises HiveFar, HiveSilent."""
    seconds, _ = await ask(_asked, hive)
    if seconds > MOST_SECONDS:
        raise HiveFar(hive.url, seconds)
    return f"{hive.url} answers in {seconds * 1000:.0f} ms"


async def check_clock(hive: HiveAddress, clock: Clock) -> str:
    """Say how far the clocks are apart. Raises ClockSkewed, HiveSilent."""
    seconds, now_ns = await ask(_asked, hive)
    if not now_ns:
        return "this Hive does not say what time it is"
    known = HiveClock(clock)
    known.hear(now_ns + int(seconds / 2 * 1e9))
    skew = known.skew()
    if skew is not None:
        raise skew
    return f"within {abs(known.offset_ns()) / 1e9 + seconds / 2:.1f} s of the Hive's"


def _asked(hive: HiveAddress) -> tuple[float, int]:
    """Return the seconds of a round trip on an open connection, and the Hive's clock."""
    with DeviceClient(hive.url, ca_pem=hive.ca_pem) as client:
        client.hive()
        began = time.monotonic()
        now_ns = client.hive().now_ns
        return time.monotonic() - began, now_ns
