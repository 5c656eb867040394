"""Deciding when bytes may be sent, so that a line has room for other things.

One allowance is spent by everybody who sends: its balance grows with time and
shrinks with what is sent. Objects are sent whole, so one that matters at once
may be sent as soon as nothing is owed, and is paid off afterwards; one that
can wait is saved for, and so never makes another wait. It reads no clock.
"""

from dataclasses import dataclass, replace

_BURST_SECONDS = 1.0
"""What may be saved without a purpose: this much time's worth."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """`balance` bytes may be sent at the instant `at` (seconds of any clock); below zero they are owed.

    `rate` is in bytes a second, None for no limit.
    """

    rate: int | None
    balance: float = 0.0
    at: float = 0.0


def limited(allowance: Allowance, rate: int | None, now: float) -> Allowance:
    """Return the allowance with another rate from now on. What was owed under the old one is forgiven."""
    return allowance if rate == allowance.rate else Allowance(rate, 0.0, now)


def wait_seconds(allowance: Allowance, wanted: int, now: float) -> float:
    """Return how long to wait until `wanted` bytes are there; with 0, until nothing is owed. 0.0 when they are."""
    if allowance.rate is None:
        return 0.0
    return max(0.0, wanted - _balance(allowance, now, room=wanted)) / allowance.rate


def spend(allowance: Allowance, length: int, now: float, *, saved: int = 0) -> Allowance:
    """Return the allowance after `length` bytes were sent. `saved` is what somebody else is saving for meanwhile."""
    if allowance.rate is None:
        return allowance
    balance = _balance(allowance, now, room=max(length, saved))
    return replace(allowance, balance=balance - length, at=max(now, allowance.at))


def _balance(allowance: Allowance, now: float, *, room: float) -> float:
    assert allowance.rate is not None
    most = max(allowance.rate * _BURST_SECONDS, room)
    # A clock that seems to go back (threads read it in another order than they come) adds nothing.
    return min(most, allowance.balance + allowance.rate * max(0.0, now - allowance.at))
