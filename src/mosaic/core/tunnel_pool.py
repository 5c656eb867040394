"""How many connections a link keeps ahead in TCP mode, and how long it waits before it tries again. Pure.

A visitor costs one connection, and a new one takes some round trips. So a few
wait; as soon as the gateway says that visitors had to wait there are twice as many, and
every calm while later half of them, down to the few.
"""

FEWEST = 8
MOST = 64
CALM_SECONDS = 30.0

_FIRST_SECONDS = 0.25
_LONGEST_SECONDS = 10.0


def after_asking(wanted: int) -> int:
    """Return how many to keep once the gateway asked for more."""
    return min(MOST, wanted * 2)


def after_calm(wanted: int) -> int:
    """Return how many to keep once it did not ask for CALM_SECONDS."""
    return max(FEWEST, wanted // 2)


def pause_seconds(failures: int, drawn: float) -> float:
    """Return how long to wait after so many failures in a row (1 or more). `drawn` is random, in [0, 1).

    Anything up to the bound is as likely as anything else, so that the links of a gateway that
    comes back do not come back all at once.
    """
    return drawn * min(_LONGEST_SECONDS, _FIRST_SECONDS * 2.0 ** min(failures - 1, 30))
