r"""Patterns for short texts, a small part of regular expressions whose matching is never slow.

A pattern is a row of pieces; each is a letter or a class in brackets, and may
be repeated:

    [a-z0-9._=-]{1,64}      [A-Z][a-z]*      v[0-9]+\.[0-9]+

Classes have letters and ranges; `\` takes the next sign as it is, outside and
inside of one. There are no groups, no alternatives, no anchors: the whole text
must match. Matching takes (signs of the pattern times letters) steps at most,
and both are bounded, so neither an app nor what is typed can keep a Device busy
with it.
"""

from dataclasses import dataclass

MAX_SIGNS = 500
MAX_PIECES = 32
MAX_COUNT = 4096

_MEANS_MORE = frozenset("(){}|^$.*+?]")


class PatternUnreadable(ValueError):
    """The text is no such pattern; the words say why."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Letters of these ranges, from `least` to `most` of them."""

    ranges: tuple[tuple[str, str], ...]
    least: int = 1
    most: int = 1

    def has(self, letter: str) -> bool:
        """Say whether the letter is one of these."""
        return any(first <= letter <= last for first, last in self.ranges)


@dataclass(frozen=True, slots=True)
class TextPattern:
    """A pattern that was read. `text` is how it was written."""

    text: str
    pieces: tuple[Piece, ...]

    def matches(self, word: str) -> bool:
        """Say whether the whole word is as the pattern says."""
        reached = {0}
        for piece in self.pieces:
            reached = _after(piece, word, reached)
        return len(word) in reached


def read_pattern(text: str) -> TextPattern:
    """Read a pattern. Raises PatternUnreadable."""
    if len(text) > MAX_SIGNS:
        raise PatternUnreadable(f"it has {len(text)} signs, and {MAX_SIGNS} at most are read")
    pieces: list[Piece] = []
    at = 0
    while at < len(text):
        ranges, at = _letters(text, at)
        least, most, at = _count(text, at)
        pieces.append(Piece(ranges, least, most))
    if not pieces or len(pieces) > MAX_PIECES:
        raise PatternUnreadable(f"it has {len(pieces)} pieces, and 1 to {MAX_PIECES} are read")
    return TextPattern(text, tuple(pieces))


def _after(piece: Piece, word: str, reached: set[int]) -> set[int]:
    """Return where one may stand after the piece, having stood at `reached`."""
    fits = [piece.has(letter) for letter in word]
    # From the end: how many letters that fit follow each place.
    run = [0] * (len(word) + 1)
    for at in range(len(word) - 1, -1, -1):
        run[at] = run[at + 1] + 1 if fits[at] else 0
    edges = [0] * (len(word) + 2)
    for at in reached:
        furthest = min(piece.most, run[at])
        if furthest >= piece.least:
            edges[at + piece.least] += 1
            edges[at + furthest + 1] -= 1
    found, covered = set[int](), 0
    for at in range(len(word) + 1):
        covered += edges[at]
        if covered:
            found.add(at)
    return found


def _letters(text: str, at: int) -> tuple[tuple[tuple[str, str], ...], int]:
    if text[at] == "[":
        return _class(text, at + 1)
    if text[at] in _MEANS_MORE:
        raise PatternUnreadable(f"{text[at]!r} at {at + 1} is not read; write it as \\{text[at]} to mean the sign")
    letter, at = _sign(text, at)
    return ((letter, letter),), at


def _class(text: str, at: int) -> tuple[tuple[tuple[str, str], ...], int]:
    ranges: list[tuple[str, str]] = []
    if text[at : at + 1] == "^":
        raise PatternUnreadable("a class says which letters there may be, not which there may not")
    while text[at : at + 1] not in ("", "]"):
        first, at = _sign(text, at)
        last = first
        if text[at : at + 1] == "-" and text[at + 1 : at + 2] not in ("", "]"):
            last, at = _sign(text, at + 1)
        if last < first:
            raise PatternUnreadable(f"the range {first}-{last} is empty")
        ranges.append((first, last))
    if at >= len(text) or not ranges:
        raise PatternUnreadable("a class in brackets has no end, or nothing in it")
    return tuple(ranges), at + 1


def _sign(text: str, at: int) -> tuple[str, int]:
    if text[at] != "\\":
        return text[at], at + 1
    taken = text[at + 1 : at + 2]
    if not taken or taken.isalnum():
        raise PatternUnreadable("after a backslash comes the sign that is meant; \\d, \\w and the like are not read")
    return taken, at + 2


def _count(text: str, at: int) -> tuple[int, int, int]:
    match text[at : at + 1]:
        case "*":
            return 0, MAX_COUNT, at + 1
        case "+":
            return 1, MAX_COUNT, at + 1
        case "?":
            return 0, 1, at + 1
        case "{":
            return _braces(text, at + 1)
        case _:
            return 1, 1, at


def _braces(text: str, at: int) -> tuple[int, int, int]:
    inside, end, _ = text[at:].partition("}")
    low, comma, high = inside.partition(",")
    high = high if comma else low
    if not end or not _is_count(low) or not (_is_count(high) or (comma and not high)):
        raise PatternUnreadable("a count is written {3}, {1,64} or {1,}")
    least, most = int(low), int(high) if high else MAX_COUNT
    if not least <= most <= MAX_COUNT:
        raise PatternUnreadable(f"a count goes up, to {MAX_COUNT} at most")
    return least, most, at + len(inside) + 1


def _is_count(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) <= 4
