"""Figures as people read them: every number with its unit, every instant with its age.

Pure: `now` is passed in. `static/js/times.js` says ages in the same words.
"""

from datetime import UTC, datetime

NS = 1_000_000_000
_SMALL = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def number(count: int) -> str:
    """Return `count` as a word up to twelve, in figures beyond."""
    return _SMALL[count] if 0 <= count < len(_SMALL) else str(count)


def many(count: int, one: str, more: str | None = None) -> str:
    """Return the count with its noun: `1 app`, `3 apps`."""
    return f"{count} {one}" if count == 1 else f"{count} {more or one + 's'}"


def size(count: int | float) -> str:
    """Return bytes in decimal units with three digits at most."""
    value = float(count)
    for unit in _UNITS:
        if value < 999.5 or unit == _UNITS[-1]:
            break
        value /= 1000
    digits = 0 if unit == "B" or value >= 99.95 else 1
    return f"{value:.{digits}f} {unit}".replace(".0 ", " ")


def span(seconds: float) -> str:
    """Return how long something took or will take."""
    if seconds < 10:
        return f"{max(seconds, 0.0):.1f} s".replace(".0 ", " ")
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return many(hours // 24, "day")


def ago(at_ns: int, now_ns: int) -> str:
    """Return how long ago an instant was, in its largest unit."""
    seconds = max(0, now_ns - at_ns) // NS
    if seconds < 60:
        return f"{seconds} s ago"
    if seconds < 3600:
        return f"{seconds // 60} min ago"
    if seconds < 86400:
        return f"{seconds // 3600} h ago"
    return f"{many(seconds // 86400, 'day')} ago"


def instant(at_ns: int) -> datetime:
    """Return an instant in UTC."""
    return datetime.fromtimestamp(at_ns / NS, UTC)


def iso(at_ns: int) -> str:
    """Return an instant for a `datetime` attribute."""
    return instant(at_ns).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def clock(at_ns: int) -> str:
    """Return the time of day, with its zone."""
    return f"{instant(at_ns):%H:%M:%S} UTC"


def day(at_ns: int) -> str:
    """Return the date as people say it."""
    at = instant(at_ns)
    return f"{at.day} {at:%B %Y}"


def short(key: str) -> str:
    """Return a key or digest that is recognised, not read: first and last characters."""
    kind, colon, rest = key.rpartition(":")
    return f"{kind}{colon}{rest[:6]}…{rest[-4:]}" if len(rest) > 14 else key


def grant(epoch: str) -> str:
    """Return an epoch's number without its term, which is a large random number that only machines compare."""
    return epoch.rpartition(".")[2]


def sentence(text: str) -> str:
    """Return an error's message as a sentence: a capital first, a full stop last."""
    text = text.strip()
    return stopped(text[:1].upper() + text[1:])


def stopped(text: str) -> str:
    """End a sentence. Its first letter stays: it may be the name of a device or an app."""
    text = text.strip()
    return text if not text or text[-1] in ".!?…" else f"{text}."
