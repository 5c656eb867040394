"""Which Devices take a Target that is rolled out in stages.

A roll-out names a share of all Devices, groups that take it in any case, or
both. Whether one takes it depends on nothing but its id, its group and the
Target's version, so it is the same wherever and whenever it is asked. A larger
share only adds Devices. A pause lets no further one in; that those which have
the Target keep it is `core.target_choice`'s to say.
"""

import hashlib
from dataclasses import dataclass

from mosaic.core.errors import Refused
from mosaic.core.ids import DeviceId

_STEPS = 10_000
"""A share is taken in hundredths of a percent of all that a hash can be."""


class RollOutUnusable(Refused):
    """A roll-out's share is not a percentage."""

    code = "roll-out-unusable"

    def __init__(self, percentage: int) -> None:
        super().__init__(f"{percentage} is no percentage of Devices", hint="give a whole number from 0 to 100")


@dataclass(frozen=True, slots=True)
class RollOut:
    """`percentage` of all Devices and every one of `groups`; nobody new while `paused`. Raises RollOutUnusable."""

    percentage: int = 100
    groups: frozenset[str] = frozenset()
    paused: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.percentage <= 100:
            raise RollOutUnusable(self.percentage)


EVERYONE = RollOut()


def is_for_all(roll_out: RollOut) -> bool:
    """Whether every Device takes it."""
    return roll_out.percentage == 100 and not roll_out.paused


def is_let_in(roll_out: RollOut, version: int, *, device: DeviceId, group: str | None) -> bool:
    """Whether the roll-out of a version lets this Device take it. None is a Device without a group."""
    if roll_out.paused:
        return False
    return group in roll_out.groups or _place(version, device) < roll_out.percentage * _STEPS // 100


def _place(version: int, device: DeviceId) -> int:
    """Return the Device's place in the queue for a version: the first are others each time."""
    digest = hashlib.sha256(f"mosaic roll-out v1\0{version}\0{device}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % _STEPS
