"""Waiting until something outside has changed, and no longer than that may take."""

import time
from collections.abc import Callable
from threading import Event

_LOOK_SECONDS = 0.1


def until(condition: Callable[[], bool], seconds: float) -> bool:
    """Look again and again; return whether it came true in time."""
    deadline, pause = time.monotonic() + seconds, Event()
    while not condition():
        if time.monotonic() > deadline:
            return False
        pause.wait(_LOOK_SECONDS)
    return True
