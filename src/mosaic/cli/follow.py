"""Following work that the Hive does, until it has settled.

The work goes on without us: Ctrl-C only stops the watching. Steps are drawn
when a person reads stderr, with bytes, rate and time left; nothing otherwise.
"""

import time
from collections.abc import Callable
from threading import Event

from mosaic.adapters.api_client import HiveClient, segment
from mosaic.cli.output import is_watched
from mosaic.cli.steps_view import StepsView
from mosaic.cli.verdict import Verdict, steps
from mosaic.core.errors import MosaicError, Unavailable
from mosaic.wire.api import Installation

DEADLINE_SECONDS = 15 * 60.0
_LOOK_SECONDS = 0.4
_SILENCE_SECONDS = 60.0
_STUCK_SECONDS = 10.0
"""How long a Device may fail at a step before a person is told: the first repetitions come within seconds."""


class WorkFailed(MosaicError):
    """The Device could not do what was asked."""

    code = "work-failed"

    def __init__(self, name: str, verdict: Verdict) -> None:
        super().__init__(f"{name}: {verdict.reason}", hint=verdict.remedy or f"`mosaic show {name}` says how it stands")


class NotSettled(Unavailable):
    """The work goes on for longer than we watch."""

    code = "not-settled"

    def __init__(self, name: str, seconds: float) -> None:
        super().__init__(
            f"{name} has not settled within {seconds:g} s; the work goes on",
            hint=f"`mosaic show {name}` says how it stands",
        )


class StoppedWatching(MosaicError):
    """Ctrl-C while following."""

    code = "stopped-watching"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"stopped watching {name}; the work goes on without this command",
            hint=f"`mosaic show {name}` says how it stands",
        )


def follow(
    hive: HiveClient,
    installation: str,
    judge: Callable[[Installation], Verdict],
    *,
    deadline_seconds: float = DEADLINE_SECONDS,
) -> Installation:
    """Watch an installation (id or name) until `judge` says that it is done, and return it.

    Raises:
        WorkFailed: it failed, or the Device fails at the same step again and again (and goes on trying).
        NotSettled: the deadline passed.
        StoppedWatching: Ctrl-C.
    """
    with StepsView(is_watched()) as view:
        seen, well = None, time.monotonic()
        try:
            for seen in _looks(hive, installation, deadline_seconds):
                view.show(steps(seen))
                verdict = judge(seen)
                if verdict.state == "done":
                    return seen
                well = well if verdict.state == "stuck" else time.monotonic()
                if verdict.state == "failed" or time.monotonic() - well > _STUCK_SECONDS:
                    raise WorkFailed(seen.name, verdict)
        except KeyboardInterrupt:
            raise StoppedWatching(seen.name if seen else installation) from None
    raise NotSettled(seen.name if seen else installation, deadline_seconds)


def _looks(hive: HiveClient, installation: str, deadline_seconds: float) -> "Looks":
    return Looks(hive, f"/api/installations/{segment(installation)}", deadline_seconds)


class Looks:
    """Looks at an installation every so often until a deadline. A Hive that restarts meanwhile is waited for."""

    def __init__(self, hive: HiveClient, path: str, deadline_seconds: float) -> None:
        self._hive = hive
        self._path = path
        self._deadline = time.monotonic() + deadline_seconds
        self._pause = Event()
        self._heard = time.monotonic()
        self._is_first = True

    def __iter__(self) -> "Looks":
        return self

    def __next__(self) -> Installation:
        while time.monotonic() < self._deadline:
            if not self._is_first:
                self._pause.wait(_LOOK_SECONDS)
            self._is_first = False
            try:
                seen = self._hive.get(self._path, Installation)
            except Unavailable:
                if time.monotonic() - self._heard > _SILENCE_SECONDS:
                    raise
                continue
            self._heard = time.monotonic()
            return seen
        raise StopIteration
