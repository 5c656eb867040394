"""The words of commands of the engine: none that comes from outside may be read as an option (G8)."""

import re

from mosaic.core.errors import Refused

Argv = list[str]

IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]{0,511}")
ENGINE = re.compile(r"(unix|tcp|ssh|npipe)://[^\s]+")


class WordRefused(Refused):
    """A value cannot be a word of a command."""

    code = "word-refused"

    def __init__(self, what: str, value: str) -> None:
        super().__init__(
            f"{value[:80]!r} cannot be {what}",
            hint="names are letters, digits, `.`, `_` and `-`, and start with a letter or digit",
        )


def checked(what: str, value: str, pattern: re.Pattern[str]) -> str:
    """Return a value that the pattern takes as a whole. Raises WordRefused, which calls it `what`."""
    if not pattern.fullmatch(value):
        raise WordRefused(what, value)
    return value
