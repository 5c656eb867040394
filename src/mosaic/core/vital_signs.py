"""Whether a Hive is as well after an upgrade as it was before. Both are looked at by their own version."""

from collections.abc import Mapping
from dataclasses import dataclass, field

FRESH_NS = 90 * 10**9
"""A Device that was heard within this time was there, and is expected again."""


@dataclass(frozen=True, slots=True)
class VitalSigns:
    """Accounts by number, when each Device reported last, and the number of each volume's newest head."""

    accounts: int
    reported_ns: Mapping[str, int] = field(default_factory=dict)
    heads: Mapping[str, int] = field(default_factory=dict)


def wrong(before: VitalSigns, now: VitalSigns) -> str:
    """Return what waiting does not mend, "" when all that was there is there."""
    if now.accounts < before.accounts:
        return f"{before.accounts - now.accounts} of {before.accounts} accounts cannot be read"
    behind = [volume for volume, number in before.heads.items() if now.heads.get(volume, 0) < number]
    return f"the newest snapshots of {len(behind)} volumes are missing" if behind else ""


def awaited(before: VitalSigns, now: VitalSigns, *, stopped_ns: int) -> list[str]:
    """Return the Devices that were there when the Hive was stopped, and have not reported since."""
    there = [device for device, at_ns in before.reported_ns.items() if stopped_ns - at_ns < FRESH_NS]
    return sorted(device for device in there if now.reported_ns.get(device, 0) <= stopped_ns)
