"""Sparing the garbage collector what a process keeps for long.

Python looks through all that it has whenever it has grown by a quarter, and stops
every thread meanwhile: a fifth of a second for what a gateway keeps of ten thousand
links. What is set aside (`gc.freeze`) is not looked through; it still goes as soon as
nothing names it, and only a circle of things that name each other would stay. So all
is looked through once an hour.
"""

import gc

LOOK_SECONDS = 30.0
"""So often a service looks whether there is more to set aside."""

AGAIN_SECONDS = 3600.0
MANY = 50_000
"""So many things take the collector a hundredth of a second or two."""


class LongLived:
    """What this process has set aside. One per process, for one thread at a time."""

    def __init__(self, now_seconds: float) -> None:
        """`now_seconds` is of a clock that never goes back."""
        self._all_at = now_seconds

    def look(self, now_seconds: float) -> None:
        """Set aside what has become old, where it is much; once an hour look through all that was, first."""
        if now_seconds - self._all_at >= AGAIN_SECONDS:
            gc.unfreeze()
            self._all_at = now_seconds
        if len(gc.get_objects(generation=2)) >= MANY:
            gc.collect()
            gc.freeze()
