"""Waiting for a condition with a deadline, which is how tests wait here."""

import time
from collections.abc import Callable


def eventually(condition: Callable[[], object], *, seconds: float = 10.0) -> None:
    """Return as soon as `condition` is true; fail when it is not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not true within {seconds:g} s")
        time.sleep(0.01)
