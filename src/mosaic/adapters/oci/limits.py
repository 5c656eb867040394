"""How long, how much and how slowly a registry may answer."""

from collections.abc import Callable
from dataclasses import dataclass

from mosaic.adapters.clock import Clock
from mosaic.adapters.oci.failures import RegistryTooSlow

_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of every exchange. The defaults suit a bad line as well as a bad registry."""

    connect_seconds: float = 10.0
    silence_seconds: float = 30.0
    answer_seconds: float = 60.0
    """For a whole answer; of a blob, until its first byte."""
    commit_seconds: float = 300.0
    """For the answer to the last byte of an upload: the registry checks and stores it before it answers."""
    manifest_bytes: int = 4 * 2**20
    tries: int = 5
    first_pause_seconds: float = 0.5
    longest_pause_seconds: float = 30.0
    least_bytes_per_second: int = 1024
    window_seconds: float = 30.0
    """Over each such time, less than the rate above is too slow."""
    chunk_bytes: int = 32 * 2**20
    """Larger blobs are pushed in chunks of this size."""


DEFAULT_LIMITS = Limits()


class Flow:
    """Measures what moves, and raises RegistryTooSlow when a whole window brought too little."""

    def __init__(self, where: str, limits: Limits, clock: Clock) -> None:
        self._where = where
        self._window_seconds = limits.window_seconds
        self._least_bytes = int(limits.least_bytes_per_second * limits.window_seconds)
        self._clock = clock
        self._began_ns = clock.boot_ns()
        self._moved_bytes = 0

    def moved(self, count: int) -> None:
        """Note that so many bytes came or went."""
        self._moved_bytes += count
        now = self._clock.boot_ns()
        if now - self._began_ns < self._window_seconds * _NS:
            return
        if self._moved_bytes < self._least_bytes:
            raise RegistryTooSlow(self._where, least_bytes=self._least_bytes, window_seconds=self._window_seconds)
        self._began_ns, self._moved_bytes = now, 0


class Tries:
    """How often something is begun again, with growing pauses. For one request and one thread."""

    def __init__(self, limits: Limits, pause: Callable[[float], None], spread: Callable[[float, float], float]) -> None:
        self._limits = limits
        self._pause = pause
        self._spread = spread
        self._failed = 0

    def begin_anew(self) -> None:
        """Forget the failures: there was progress since."""
        self._failed = 0

    def wait_after(self, error: Exception, *, wait_seconds: float = 0.0) -> None:
        """Pause before the next try, as long as the registry asked for at least. Raises the error after the last."""
        self._failed += 1
        if self._failed >= self._limits.tries:
            raise error
        grown = self._limits.first_pause_seconds * 2 ** (self._failed - 1)
        # Spread, so that those who lost one registry do not come back in step.
        wait = max(grown * self._spread(0.5, 1.0), wait_seconds)
        self._pause(min(wait, self._limits.longest_pause_seconds))
