"""Numbers for people: sizes, durations and instants."""

import re
import time
from datetime import datetime

from mosaic.core.health import duration_words

_STEPS = ("B", "kB", "MB", "GB", "TB", "PB")


def size(count: float) -> str:
    """Return a size as `3.4 MB` (powers of 1000)."""
    value = float(count)
    for unit in _STEPS[:-1]:
        if value < 999.5:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} {_STEPS[-1]}"


def parse_size(text: str) -> int | None:
    """Return the bytes of a size like `2MB` or `1.5 gb` (powers of 1000), None for what is none."""
    found = re.fullmatch(r"([0-9]{1,12}(?:\.[0-9]{1,6})?)\s*([kmgtp]?b)?", text.strip().lower(), re.ASCII)
    if found is None:
        return None
    step = [unit.lower() for unit in _STEPS].index(found[2] or "b")
    return int(float(found[1]) * 1000**step)


def duration(seconds: float) -> str:
    """Return a duration as the rest of Mosaic says it: `2 min 5 s`."""
    return duration_words(max(0, round(seconds)))


def ago(instant_ns: int | None) -> str:
    """Return how long ago an instant was, `never` for None."""
    if instant_ns is None:
        return "never"
    return f"{duration((time.time_ns() - instant_ns) / 1e9)} ago"


def second(instant_ns: int) -> str:
    """Return an instant in this machine's time zone, to the second, as `--at` takes it."""
    try:
        at = datetime.fromtimestamp(instant_ns // 10**9).astimezone()
    except (ValueError, OverflowError, OSError):
        # A clock that was wrong may have said any instant.
        return f"{instant_ns // 10**9} s since 1970"
    return at.strftime("%Y-%m-%d %H:%M:%S")


def zoned(naive: datetime) -> datetime:
    """Return a time as it is meant on this machine."""
    return naive.astimezone()


def day(instant_ns: int) -> str:
    """Return an instant in this machine's time zone, to the minute."""
    return datetime.fromtimestamp(instant_ns / 1e9).astimezone().strftime("%Y-%m-%d %H:%M")
