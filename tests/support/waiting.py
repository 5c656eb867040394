"""Waiting for a condition with a deadline, which is how tests wait here."""

import time
from collections.abc import Callable


def eventually(
    condition: Callable[[], object], *, seconds: float = 60.0, seen: Callable[[], object] | None = None
) -> None:
    """Return as soon as `condition` is true; fail when it is not within `seconds`, and show what `seen` returns."""
    deadline, pause = time.monotonic() + seconds, 0.005
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not true within {seconds:g} s: {seen() if seen else condition}")
        # Others run beside this: who waits long asks less often.
        time.sleep(pause)
        pause = min(0.05, pause * 1.3)
