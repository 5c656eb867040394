"""Drawing how far the engine is: bytes, rate and time left on stderr, when a person is watching."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from mosaic.cli.output import is_watched
from mosaic.cli.steps_view import StepsView
from mosaic.storage.engine.roots import OnProgress, Progress, ignore_progress
from mosaic.wire.report import Step

_PAUSE_SECONDS = 0.1
"""The engine tells its progress far more often than anybody can read."""

Draw: TypeAlias = Callable[[str], OnProgress]
"""Returns what draws the progress of one thing, named in a word or two, in place of what was drawn before."""


@contextmanager
def drawing() -> Iterator[Draw]:
    """Have something to draw with; without a terminal nothing is written."""
    if not is_watched():
        yield lambda _: ignore_progress
        return
    with StepsView(watched=True) as view:
        yield lambda what: _drawer(view, what)


@contextmanager
def drawn(what: str) -> Iterator[OnProgress]:
    """Have something that draws the progress of one thing."""
    with drawing() as draw:
        yield draw(what)


def _drawer(view: StepsView, what: str) -> OnProgress:
    last = 0.0

    def show(progress: Progress) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _PAUSE_SECONDS:
            last = now
            # Holes, and what several files share, are not moved: the total is the most that it can be.
            view.show([Step(what, "now", moved_bytes=progress.moved_bytes, total_bytes=progress.total_bytes)])

    return show
