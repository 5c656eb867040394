"""Following work that the Hive does, until it has settled.

The work goes on without us: Ctrl-C only stops the watching. Steps are drawn
when a person reads stderr, with bytes, rate and time left; nothing otherwise.
"""

import time
from collections.abc import Callable
from threading import Event
from typing import Generic, Protocol, TypeVar

from mosaic.adapters.api_client import HiveClient, segment
from mosaic.cli.output import is_watched
from mosaic.cli.steps_view import StepsView
from mosaic.cli.verdict import Verdict, steps
from mosaic.core.errors import MosaicError, Unavailable
from mosaic.wire.api import Installation
from mosaic.wire.report import Step

DEADLINE_SECONDS = 15 * 60.0
_LOOK_SECONDS = 0.4
_SILENCE_SECONDS = 60.0
_STUCK_SECONDS = 10.0
"""How long a Device may fail at a step before a person is told: the first repetitions come within seconds."""


class WorkFailed(MosaicError):
    """The Device could not do what was asked."""

    code = "work-failed"

    def __init__(self, name: str, verdict: Verdict, command: str) -> None:
        super().__init__(f"{name}: {verdict.reason}", hint=verdict.remedy or f"`{command}` says how it stands")


class NotSettled(Unavailable):
    """The work goes on for longer than we watch."""

    code = "not-settled"

    def __init__(self, name: str, seconds: float, command: str) -> None:
        super().__init__(
            f"{name} has not settled within {seconds:g} s; the work goes on", hint=f"`{command}` says how it stands"
        )


class StoppedWatching(MosaicError):
    """Ctrl-C while following."""

    code = "stopped-watching"

    def __init__(self, name: str, command: str) -> None:
        super().__init__(
            f"stopped watching {name}; the work goes on without this command", hint=f"`{command}` says how it stands"
        )


class Named(Protocol):
    """What can be followed has a name to speak of it by."""

    @property
    def name(self) -> str:
        """The installation's name."""
        ...


Seen = TypeVar("Seen", bound=Named)


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
    path = f"/api/installations/{segment(installation)}"
    looks = Looks(lambda: hive.get(path, Installation), deadline_seconds)
    return watch(installation, looks, judge, steps)


def watch(
    name: str,
    looks: "Looks[Seen]",
    judge: Callable[[Seen], Verdict],
    steps_of: Callable[[Seen], list[Step]],
    *,
    command: str | None = None,
) -> Seen:
    """Look until `judge` says that it is done, and return what was seen last. Raises as `follow` does.

    `command` is what a person may look with afterwards; None: `mosaic show`.
    """
    with StepsView(is_watched()) as view:
        well = time.monotonic()
        try:
            for seen in looks:
                name = seen.name
                view.show(steps_of(seen))
                verdict = judge(seen)
                if verdict.state == "done":
                    return seen
                well = well if verdict.state == "stuck" else time.monotonic()
                if verdict.state == "failed" or time.monotonic() - well > _STUCK_SECONDS:
                    raise WorkFailed(name, verdict, command or f"mosaic show {name}")
        except KeyboardInterrupt:
            raise StoppedWatching(name, command or f"mosaic show {name}") from None
    raise NotSettled(name, looks.deadline_seconds, command or f"mosaic show {name}")


class Looks(Generic[Seen]):
    """Looks every so often until a deadline. A Hive that restarts meanwhile is waited for."""

    def __init__(self, look: Callable[[], Seen], deadline_seconds: float) -> None:
        self.deadline_seconds = deadline_seconds
        self._look = look
        self._deadline = time.monotonic() + deadline_seconds
        self._pause = Event()
        self._heard = time.monotonic()
        self._is_first = True

    def __iter__(self) -> "Looks[Seen]":
        return self

    def __next__(self) -> Seen:
        while time.monotonic() < self._deadline:
            if not self._is_first:
                self._pause.wait(_LOOK_SECONDS)
            self._is_first = False
            try:
                seen = self._look()
            except Unavailable:
                if time.monotonic() - self._heard > _SILENCE_SECONDS:
                    raise
                continue
            self._heard = time.monotonic()
            return seen
        raise StopIteration
