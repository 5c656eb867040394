"""How long to wait before trying again: exponential with full jitter."""

from collections.abc import Callable

Draw = Callable[[], float]
"""A random number in [0, 1)."""

FIRST_SECONDS = 1.0
GROWTH = 1.5
MOST_SECONDS = 60.0
NEAR_SECONDS = 0.3
NEAR_ATTEMPTS = 60


def jittered(attempt: int, draw: Draw, *, most_seconds: float = MOST_SECONDS) -> float:
    """Return a wait before attempt number `attempt` (1 is the first repetition).

    Anything up to the bound is as likely as anything else, so that a
    thousand Devices that lost one Hive do not come back at one instant.
    """
    return draw() * bound(attempt, most_seconds=most_seconds)


def before_connecting(attempt: int, draw: Draw, *, same_machine: bool) -> float:
    """Return a wait before connecting to the Hive again.

    A Hive on the same machine has no crowd to spread out, and is mostly one
    that was started together with this Device: for its first tries the
    waits stay short.
    """
    near = same_machine and attempt <= NEAR_ATTEMPTS
    return jittered(attempt, draw, most_seconds=NEAR_SECONDS if near else MOST_SECONDS)


def bound(attempt: int, *, most_seconds: float = MOST_SECONDS) -> float:
    """Return the longest wait before an attempt: 1, 1.5, 2.25, … seconds, up to the most."""
    return min(most_seconds, FIRST_SECONDS * GROWTH ** min(max(attempt - 1, 0), 60))
