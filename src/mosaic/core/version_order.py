"""Which of two versions of Mosaic is the later one.

Numbers with dots between them (`0.10.0` comes after `0.9.1`), and what is
before a release after them: `1.0rc1` comes before `1.0`.
"""

import re

_NUMBERS = re.compile(r"\d+(\.\d+)*")
_SMALLER = re.compile(r"[.-]?(dev|a|alpha|b|beta|c|rc|pre|preview)[.-]?(\d*)")
_LEVELS = {"dev": 0, "a": 1, "alpha": 1, "b": 2, "beta": 2, "c": 3, "rc": 3, "pre": 3, "preview": 3}
_RELEASE = 4

Order = tuple[tuple[int, ...], int, int]


def is_later(version: str, than: str) -> bool:
    """Return whether `version` comes after `than`. What is no version comes before all that are."""
    return _order(version) > _order(than)


def _order(version: str) -> Order:
    text = version.strip().lower().removeprefix("v")
    numbers = _NUMBERS.match(text)
    if numbers is None:
        return ((), 0, 0)
    counted = [int(number) for number in numbers[0].split(".")]
    while counted and counted[-1] == 0:
        counted.pop()
    smaller = _SMALLER.match(text, numbers.end())
    # No version at all is an empty tuple; 0 and 0.0 are not.
    found = (0, *counted)
    return (found, _LEVELS[smaller[1]], int(smaller[2] or 0)) if smaller is not None else (found, _RELEASE, 0)
