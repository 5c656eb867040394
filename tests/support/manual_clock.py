"""A clock that goes on only when a test says so."""

_NOON_NS = 1_800_000_000 * 10**9


class ManualClock:
    """Both readings go on together, also for who reads them meanwhile in another thread."""

    def __init__(self, wall_ns: int = _NOON_NS) -> None:
        self._set_ns = wall_ns - 10**12
        self._boot_ns = 10**12

    def wall_ns(self) -> int:
        """Nanoseconds since 1970 UTC, as the test says."""
        return self._set_ns + self._boot_ns

    def boot_ns(self) -> int:
        """Nanoseconds since the machine started, as the test says."""
        return self._boot_ns

    def jump(self, seconds: float) -> None:
        """Set the time of day, as a person or a bad server would: the other reading does not know."""
        self._set_ns += int(seconds * 1e9)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._boot_ns += int(seconds * 1e9)
