"""Deciding when the Hive's own database is copied again.

What nobody else knows (an account, an installation, a grant) is copied
within seconds, but not more often than every half minute; what Devices could
tell again waits some minutes, for a busy volume makes a new snapshot every
few seconds. A store that fails is tried again ever more rarely.
"""

GATHER_SECONDS = 3.0
"""Changes come in handfuls."""

SOON_SECONDS = 30.0
LATER_SECONDS = 300.0
_LONGEST_RETRY_SECONDS = 900.0


def pause_seconds(since_last: float, *, urgent: bool, failures: int) -> float:
    """Return how long to wait before the next copy, `since_last` seconds after the last one ended; 0 or less: now."""
    if failures:
        return min(_LONGEST_RETRY_SECONDS, SOON_SECONDS * float(1 << min(failures, 10))) - since_last
    return (SOON_SECONDS if urgent else LATER_SECONDS) - since_last
