"""What a Device says to its Hive next: the whole report, a heartbeat, or nothing yet.

One lasts as long as a connection: whatever may have been lost with the one
before is said again. Reads no clock and sends nothing.
"""

from mosaic.wire.channel import Reported
from mosaic.wire.heartbeat import Heartbeat, digest_of, heartbeat, lasting
from mosaic.wire.report import Report


class Telling:
    """`heartbeats`: whether the Hive understands them; one that does not is told everything on every beat."""

    def __init__(self, *, beat_seconds: float, heartbeats: bool) -> None:
        self._beat_seconds = beat_seconds
        self._heartbeats = heartbeats
        self._said: Report | None = None
        self._digest = ""
        self._due = 0.0

    def next(self, report: Report, now: float, *, wants_answer: bool = False) -> Reported | Heartbeat | None:
        """Return what to send at `now` (seconds of any steady clock). It counts as sent.

        As long as an answer is wanted each beat is a whole report.
        """
        alike = self._said is not None and lasting(self._said) == lasting(report)
        if alike and now < self._due:
            return None
        self._due = now + self._beat_seconds
        if alike and self._heartbeats and not wants_answer:
            return heartbeat(report, self._digest)
        self._said = report
        self._digest = digest_of(report) if self._heartbeats else ""
        return Reported(report, self._digest, wants_answer)

    def wait_seconds(self, now: float) -> float:
        """Return how long nothing has to be said, unless something changes."""
        return max(0.0, self._due - now)

    def say_all(self) -> None:
        """Let the whole report be next: the Hive does not have it."""
        self._said = None
