"""Writing a value so that a shell, a compose file or systemd reads that value and nothing else.

What somebody pastes is read by programs that give meaning to quotes, `$` and
`\\`. One function for each of them says how a value is written there; the
Console's `quoting.js` writes the same text, and a test holds them together.

Control characters are refused: some of these programs cannot carry them, and
in a terminal they act while they are pasted.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias

from mosaic.core.errors import Refused

MARK = re.compile(r"⟨(\w+)⟩")
"""Where a value goes in a text that is made without it: its name between these brackets."""

_PLAIN = re.compile(r"[A-Za-z0-9_@%+=:,./-]+")


class ValueUnpastable(Refused):
    """A value has a character that no line can carry."""

    code = "value-unpastable"

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} has a character that cannot be pasted",
            hint="leave it out of the line: the Device can read it from a file, or ask for it in its terminal",
        )


Quote: TypeAlias = Callable[[str], str]
Name: TypeAlias = Literal["shell", "compose", "environment_file"]


def shell(value: str) -> str:
    """Return one word of a POSIX shell, as `shlex.quote` does."""
    return value if _PLAIN.fullmatch(value) else "'" + value.replace("'", "'\"'\"'") + "'"


def compose(value: str) -> str:
    """Return what stands between the double quotes of YAML; `$$` is what compose reads as a dollar."""
    return _escaped(value, '"\\').replace("$", "$$")


def environment_file(value: str) -> str:
    """Return what stands between the double quotes in systemd's EnvironmentFile, where four signs are escaped."""
    return _escaped(value, '"\\`$')


def fill(text: str, values: Mapping[str, str | None], quote: Quote) -> str:
    """Put the values into the marked places; a line whose place has no value is left out. Raises ValueUnpastable."""
    for name, value in values.items():
        if value is not None and not is_pastable(value):
            raise ValueUnpastable(f"the {name}")
    kept = [line for line in text.split("\n") if all(values.get(name) is not None for name in MARK.findall(line))]
    # In one pass: a value that looks like a mark is a value.
    return MARK.sub(lambda found: quote(values[found[1]] or ""), "\n".join(kept))


def is_pastable(value: str) -> bool:
    """Whether the value has no control characters, line separators, halves of a character or what is none."""
    return not any(unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp") or sign in "\ufffe\uffff" for sign in value)


QUOTES: Mapping[Name, Quote] = {"shell": shell, "compose": compose, "environment_file": environment_file}
"""The functions by the names that the Console's script knows them by."""


def _escaped(value: str, signs: str) -> str:
    return "".join(f"\\{sign}" if sign in signs else sign for sign in value)
