"""Deciding how long a volume rests between two rounds of replication.

A busy volume is replicated every `interval_seconds`, from the beginning of a
round to the beginning of the next. Rounds that take long leave the machine to
its apps for as long as they took. A round without changes asks nothing of any
store, so it needs no pause of its own; who is asked for a snapshot does not
rest at all.
"""

LONGEST_PAUSE_SECONDS = 300.0
"""A first upload may take a night; what changed meanwhile need not wait for as long again."""


def pause_seconds(interval_seconds: float, round_seconds: float) -> float:
    """Return how long to rest after a round that took `round_seconds`."""
    rest_of_interval = interval_seconds - round_seconds
    return max(0.0, rest_of_interval, min(round_seconds, max(interval_seconds, LONGEST_PAUSE_SECONDS)))


LONGEST_PAUSE_AFTER_A_LOOK_SECONDS = 900.0
_PART_OF_A_PROCESSOR = 0.02


def pause_after_look_seconds(look_seconds: float) -> float:
    """Return how long to rest after a look for changes that took so much of a processor.

    Where the file system does not tell, every file is looked at, and looking
    must not cost more than 2 % of one processor while nothing happens.
    """
    return min(look_seconds / _PART_OF_A_PROCESSOR, LONGEST_PAUSE_AFTER_A_LOOK_SECONDS)


RELEASING_SECONDS = 0.5


def pause_while_releasing_seconds(interval_seconds: float, round_seconds: float) -> float:
    """Return how long to rest between rounds of a volume that is given away.

    Somebody waits for it, and nothing writes to it any more: whether it kept
    still is looked at soon, whatever a look costs, and for half of the time.
    """
    return min(pause_seconds(interval_seconds, round_seconds), max(RELEASING_SECONDS, round_seconds))
