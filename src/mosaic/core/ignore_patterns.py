"""Matching a name against many patterns at once, in one pass over the name.

    *      any characters but a slash        **     any characters, slashes too; `**/` also none at all
    ?      one character but a slash         [a-z]  one of these; [^a-z] one but these and a slash
    \\x     x itself                          all other characters stand for themselves

All patterns together are one automaton, and the places in it that a name may
have come to are the bits of one number: whatever the patterns are, each
character of a name costs a few operations on it. Nothing is tried twice, so no
pattern takes long.

Source: the pattern language of dockerignore files; the bits as in Baeza-Yates
and Gonnet, "A New Approach to Text Searching" (1992), with gaps as in Navarro
and Raffinot.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

_SLASH = ord("/")


class PatternBad(ValueError):
    """The text is no pattern. The caller, who knows where it stands, says so to people."""


@dataclass(frozen=True, slots=True)
class _One:
    """One character: in these ranges, or in none of them. They are in order, and no two have one in common."""

    ranges: tuple[tuple[int, int], ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class _Many:
    """Any number of characters but a slash."""


@dataclass(frozen=True, slots=True)
class _Folders:
    """Nothing, or anything that ends with a slash."""


@dataclass(frozen=True, slots=True)
class _Rest:
    """Anything at all, up to the end."""


_Part: TypeAlias = "_One | _Many | _Folders | _Rest"
_NO_SLASH = _One(((_SLASH, _SLASH),), negated=True)


@dataclass(frozen=True, slots=True)
class Reached:
    """Where a name has led: the bits of all places, and of the patterns that matched it or a folder above it."""

    places: int
    matched: int


@dataclass(slots=True)
class _Layout:
    """What the bits mean. A bit is set in the places when what is before its part has been seen."""

    ones: list[tuple[int, _One]] = field(default_factory=list)
    starts: int = 0
    ends: int = 0
    free: int = 0
    free_two: int = 0
    loops: int = 0
    loops_but_slash: int = 0
    after_slash: int = 0


class Patterns:
    """Patterns in an order, numbered from 0. Raises PatternBad, naming what is wrong with the first bad one."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._layout = _Layout()
        self._end_bits: list[int] = []
        bit = 0
        for text in texts:
            bit = self._add(read(text), bit)
        self._bounds, self._takers = _takers(self._layout.ones)

    def begin(self) -> Reached:
        """Return where every name begins."""
        return Reached(self._freely(self._layout.starts), 0)

    def walk(self, reached: Reached, text: str) -> Reached:
        """Return where the text leads from there. Each `/` in it ends the name of a folder, which is matched too."""
        layout = self._layout
        places, matched = reached.places, reached.matched
        for character in text:
            stay = layout.loops | layout.loops_but_slash
            step = 0
            if character == "/":
                matched |= places & layout.ends
                stay = layout.loops
                step = (places & layout.after_slash) << 1
            stepped = (places & self._takers[bisect_right(self._bounds, ord(character))]) << 1
            places = self._freely((places & stay) | step | stepped)
        return Reached(places, matched)

    def last_match(self, reached: Reached) -> int | None:
        """Return the number of the last pattern that matches the whole name or a folder above it; None: none does."""
        matched = reached.matched | (reached.places & self._layout.ends)
        return bisect_right(self._end_bits, matched.bit_length() - 1) - 1 if matched else None

    def _add(self, parts: Sequence[_Part], bit: int) -> int:
        """Lay out one pattern from a bit on; return the first free bit after it."""
        layout = self._layout
        layout.starts |= 1 << bit
        for part in parts:
            match part:
                case _One():
                    layout.ones.append((bit, part))
                case _Many():
                    layout.free |= 1 << bit
                    layout.loops_but_slash |= 1 << bit
                case _Rest():
                    layout.free |= 1 << bit
                    layout.loops |= 1 << bit
                case _Folders():
                    # Two bits: before it, from where it may be passed over, and within it, which only a slash ends.
                    layout.free |= 1 << bit
                    layout.free_two |= 1 << bit
                    bit += 1
                    layout.loops |= 1 << bit
                    layout.after_slash |= 1 << bit
            bit += 1
        layout.ends |= 1 << bit
        self._end_bits.append(bit)
        return bit + 1

    def _freely(self, places: int) -> int:
        """Add the places that nothing needs to be read for. `read` leaves no more than two such parts in a row."""
        while True:
            more = places | (places & self._layout.free) << 1 | (places & self._layout.free_two) << 2
            if more == places:
                return places
            places = more


def _takers(ones: Sequence[tuple[int, _One]]) -> tuple[list[int], list[int]]:
    """Return sorted bounds of characters, and the bits that take a character by the number of bounds up to it."""
    changes: dict[int, int] = {}
    taking = 0
    for bit, one in ones:
        taking |= one.negated << bit
        for first, last in one.ranges:
            changes[first] = changes.get(first, 0) ^ 1 << bit
            changes[last + 1] = changes.get(last + 1, 0) ^ 1 << bit
    bounds = sorted(changes)
    takers = [taking]
    for bound in bounds:
        taking ^= changes[bound]
        takers.append(taking)
    return bounds, takers


def read(text: str) -> list[_Part]:
    """Read one pattern. Raises PatternBad."""
    parts: list[_Part] = []
    at = 0
    while at < len(text):
        if text.startswith("**", at):
            # A slash that follows belongs to it, because it may stand for no folder at all.
            at += 3 if text.startswith("/", at + 2) else 2
            _append_any_depth(parts, _Rest() if at >= len(text) else _Folders())
        elif text[at] == "*":
            parts.append(_Many())
            at += 1
        elif text[at] == "[":
            one, at = _read_class(text, at + 1)
            parts.append(one)
        elif text[at] == "?":
            parts.append(_NO_SLASH)
            at += 1
        else:
            character, at = _read_character(text, at)
            parts.append(_One(((character, character),)))
    return parts


def _append_any_depth(parts: list[_Part], part: _Part) -> None:
    if parts and isinstance(parts[-1], _Folders):
        parts.pop()
    parts.append(part)


def _read_class(text: str, at: int) -> tuple[_One, int]:
    negated = text.startswith("^", at)
    at += negated
    ranges: list[tuple[int, int]] = []
    while not (text.startswith("]", at) and ranges):
        if at >= len(text):
            raise PatternBad("a [ is never closed")
        if text[at] in "]-":
            raise PatternBad(f"{text[at]!r} stands where a character of [ ] should; write a \\ before it")
        first, at = _read_character(text, at)
        last = first
        if text.startswith("-", at):
            if text.startswith("]", at + 1) or at + 1 >= len(text):
                raise PatternBad("a range in [ ] has no end")
            last, at = _read_character(text, at + 1)
        if last < first:
            raise PatternBad(f"the range {chr(first)}-{chr(last)} ends before it begins")
        ranges.append((first, last))
    if negated:
        return _One(_disjoint([*ranges, (_SLASH, _SLASH)]), negated=True), at + 1
    return _One(_disjoint(_without_slash(ranges))), at + 1


def _without_slash(ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Cut the slash out of every range: only a slash stands for one."""
    below = [(first, min(last, _SLASH - 1)) for first, last in ranges]
    above = [(max(first, _SLASH + 1), last) for first, last in ranges]
    return [(first, last) for first, last in (*below, *above) if first <= last]


def _disjoint(ranges: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    joined: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if joined and first <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return tuple(joined)


def _read_character(text: str, at: int) -> tuple[int, int]:
    if text[at] == "\\":
        at += 1
        if at == len(text):
            raise PatternBad("it ends with a \\, which stands before the character that is meant")
    return ord(text[at]), at + 1
