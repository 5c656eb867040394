"""How long signed metadata is good for, and when to warn that it must be signed again.

Each role has a period: short where a machine signs, a year where a person has
to fetch a key from a drawer. The warning comes when a quarter of it is left.
"""

from dataclasses import dataclass
from typing import Literal

DAY_SECONDS = 24 * 3600

Freshness = Literal["good", "soon", "expired"]


@dataclass(frozen=True, slots=True)
class Periods:
    """How long each role's metadata is good for, in seconds."""

    root: int = 365 * DAY_SECONDS
    targets: int = 365 * DAY_SECONDS
    channel: int = 90 * DAY_SECONDS
    snapshot: int = 30 * DAY_SECONDS
    timestamp: int = 7 * DAY_SECONDS

    def of(self, role: str) -> int:
        """Return the period of a role; of a channel's for what is none of the four top ones."""
        match role:
            case "root":
                return self.root
            case "targets":
                return self.targets
            case "snapshot":
                return self.snapshot
            case "timestamp":
                return self.timestamp
            case _:
                return self.channel


def freshness(*, expires_at: int, period: int, now: int) -> Freshness:
    """Judge an instant of expiry; all in seconds, the instants since 1970."""
    left = expires_at - now
    if left <= 0:
        return "expired"
    return "soon" if left * 4 < period else "good"


def is_due(*, expires_at: int, period: int, now: int) -> bool:
    """Whether a machine that has the key should sign again: half of the period is over."""
    return (expires_at - now) * 2 <= period
