"""What the Hive's clock says now, as far as this Device was told, and how far this machine's is from it."""

from mosaic.adapters.clock import Clock
from mosaic.core.errors import Refused
from mosaic.core.health import duration_words

MOST_SKEW_SECONDS = 60
"""Certificates and signed catalogs are good for days; beyond a minute people read wrong times of their snapshots."""


class ClockSkewed(Refused):
    """This machine's clock is far from the Hive's."""

    code = "clock-skewed"

    def __init__(self, ahead_seconds: float) -> None:
        how = "ahead of" if ahead_seconds > 0 else "behind"
        super().__init__(
            f"this machine's clock is {duration_words(round(abs(ahead_seconds)))} {how} the Hive's",
            hint="set whichever is wrong: `timedatectl set-ntp true` keeps a machine's clock right; apps keep running",
        )


class HiveClock:
    """Goes on by the clock that never jumps: a machine whose time is set wrong still knows what has expired."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since_boot_ns: int | None = None

    def hear(self, hive_now_ns: int) -> None:
        """Take what the Hive says; 0 is from one that does not say."""
        self._since_boot_ns = hive_now_ns - self._clock.boot_ns() if hive_now_ns else None

    def offset_ns(self) -> int:
        """Return what to add to this machine's clock to get the Hive's; 0 when the Hive did not say."""
        if self._since_boot_ns is None:
            return 0
        return self._since_boot_ns + self._clock.boot_ns() - self._clock.wall_ns()

    def skew(self) -> ClockSkewed | None:
        """Return what to tell people when the two clocks are further apart than they may be."""
        ahead_seconds = -self.offset_ns() / 1e9
        return ClockSkewed(ahead_seconds) if abs(ahead_seconds) > MOST_SKEW_SECONDS else None
