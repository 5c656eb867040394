"""When something is looked at again: after a while, and ever later when it did not help."""

from mosaic.adapters.clock import Clock


class Pace:
    """Of one thing. What went wrong is due again after `look_seconds`, doubled each time up to `most_seconds`."""

    def __init__(self, clock: Clock, *, look_seconds: float, most_seconds: float) -> None:
        self._clock = clock
        self._look_seconds = look_seconds
        self._most_seconds = most_seconds
        self._times = 0
        self._next_ns = 0

    @property
    def is_due(self) -> bool:
        """Whether it may be done now."""
        return self._clock.boot_ns() >= self._next_ns

    def wait_seconds(self) -> float:
        """Return when it may be done."""
        return max(0.0, (self._next_ns - self._clock.boot_ns()) / 10**9)

    def begin_anew(self) -> None:
        """Forget what went wrong."""
        self._times = 0
        self._next_ns = 0

    def went_well(self) -> None:
        """Note it: it is looked at again after `look_seconds`."""
        self._times = 0
        self._next_ns = self._clock.boot_ns() + int(self._look_seconds * 10**9)

    def stayed_well(self) -> bool:
        """Forget what went wrong, unless it was just now, for somebody may undo it again and again: then True."""
        if self.is_due:
            self._times = 0
        return self._times > 0

    def went_wrong(self) -> int:
        """Note it, and return how many times in a row that is."""
        self._times += 1
        seconds = min(self._most_seconds, self._look_seconds * 2 ** min(self._times - 1, 40))
        self._next_ns = self._clock.boot_ns() + int(seconds * 10**9)
        return self._times
