"""Which of a channel's Targets a Device takes, and which of them stay listed.

A Device takes the newest one for its own kind of hardware that its roll-out
lets it have. A roll-out decides who goes forward and sends nobody back: what a
Device has it keeps, while it is listed, until a newer one lets it in.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from mosaic.core.ids import DeviceId
from mosaic.core.roll_out import is_for_all, is_let_in
from mosaic.core.target import Target

KEPT_VERSIONS = 50


@dataclass(frozen=True, slots=True)
class Taker:
    """A Device as a roll-out sees it. `group` is None without one, `holds` None before its first Target."""

    hardware: str
    device: DeviceId
    group: str | None = None
    holds: int | None = None


def takes(target: Target, device: DeviceId, group: str | None) -> bool:
    """Whether the Target's roll-out lets this Device have it, whatever its hardware."""
    return is_let_in(target.roll_out, target.version, device=device, group=group)


def newest_for(taker: Taker, targets: Iterable[Target]) -> Target | None:
    """Return the Target that this Device should have; None when there is none for it."""
    fitting = [one for one in targets if one.hardware == taker.hardware]
    allowed = [one for one in fitting if one.version == taker.holds or takes(one, taker.device, taker.group)]
    return max(allowed, key=lambda one: one.version, default=None)


def still_listed(targets: Iterable[Target], *, most: int = KEPT_VERSIONS) -> list[Target]:
    """Return what stays in a channel: the newest `most` for each hardware, and all since the last that everyone takes.

    Without that last one, Devices that no later roll-out lets in would be left with nothing.
    """
    ordered = sorted(targets, key=lambda one: (one.hardware, -one.version))
    kept: list[Target] = []
    for hardware in sorted({one.hardware for one in ordered}):
        own = [one for one in ordered if one.hardware == hardware]
        last = next((at for at, one in enumerate(own) if is_for_all(one.roll_out)), len(own) - 1)
        kept += own[: max(most, last + 1)]
    return kept
