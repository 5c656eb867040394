"""The only place that reads a clock.

`wall_ns` is for people and for instants that outlive a process. `boot_ns`
never jumps and goes on while the machine sleeps: every wait, age and deadline
is measured by it. It starts anew at each boot, so it is never stored.
"""

import time
from typing import Protocol


class Clock(Protocol):
    """Two readings, both in nanoseconds."""

    def wall_ns(self) -> int:
        """Nanoseconds since 1970 UTC, as this machine believes it."""
        ...

    def boot_ns(self) -> int:
        """Nanoseconds since this machine started, those asleep included."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def wall_ns(self) -> int:
        """Read CLOCK_REALTIME."""
        return time.time_ns()

    def boot_ns(self) -> int:
        """Read CLOCK_BOOTTIME."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
