"""What a plain word of a compose file means: text, a flag or a number, as compose itself takes it.

Compose reads YAML 1.2 with leftovers of 1.1: `yes`, `off` and `12:30:00` are
text; `010`, `1_000` and `0b11` are numbers. Only dates differ here: they stay
the text they were, where compose writes out what its own language makes of
them. So do numbers without end or value, which compose refuses.
"""

import re

FLAGS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}

_WHOLE = re.compile(
    r"([-+]?)(?:0x(?P<x>[0-9a-f]+)|0b(?P<b>[01]+)|0o?(?P<o>[0-7]+)|(?P<d>0|[1-9][0-9]*))", re.IGNORECASE | re.ASCII
)
_POINTED = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_BEGINNINGS = tuple("-+.0123456789")
_BASES = {"x": 16, "b": 2, "o": 8, "d": 10}
_LONGEST_WHOLE = 80
"""In characters: 64 binary digits and room to spare. Longer ones would take more time than their length."""


def number_in(word: str) -> str | int | float:
    """Return the number that a plain word is, else the word: one that fits 64 bits, or one with a point."""
    if not word.startswith(_BEGINNINGS):
        return word
    # Every underscore is taken out first, save behind a leading point.
    digits = word if word.startswith(".") else word.replace("_", "")
    whole = _whole(digits)
    if whole is not None:
        return whole
    if _POINTED.fullmatch(digits):
        pointed = float(digits)
        return word if abs(pointed) == float("inf") else pointed
    return word


def _whole(digits: str) -> int | None:
    found = _WHOLE.fullmatch(digits) if len(digits) <= _LONGEST_WHOLE else None
    if found is None or found.lastgroup is None:
        return None
    value = int(found[found.lastgroup], _BASES[found.lastgroup])
    number = -value if found[1] == "-" else value
    most = 2**63 if found[1] else 2**64
    return number if -(2**63) <= number < most else None
