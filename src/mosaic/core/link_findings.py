"""What a check of a link finds, and the words that several findings share. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from mosaic.core.health import duration_words

Check: TypeAlias = Literal["device", "gateway", "handshake", "tunnel", "ports", "dns", "certificate", "app"]
Outcome: TypeAlias = Literal["well", "doubtful", "wrong", "unseen"]
"""doubtful: it works, and not for everybody, or not for long. unseen: something before it is wrong."""

_MOST_LISTED = 4


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found, as a clause. `name` is which name it is of, None of the link; `remedy` is "" without one."""

    check: Check
    outcome: Outcome
    said: str
    remedy: str = ""
    name: str | None = None


def lasting(seconds: float) -> str:
    """Return a duration in words; one below 0 is none."""
    return duration_words(max(0, round(seconds)))


def listed(words: Sequence[str]) -> str:
    """Return the first of them, and how many more there are."""
    if len(words) <= _MOST_LISTED:
        return ", ".join(words)
    return f"{', '.join(words[:_MOST_LISTED])} and {len(words) - _MOST_LISTED} more"
