"""A compose file as it is written: every value with its place in the text.

Parsing says what a file means; this keeps how it says so. Aliases stay what
they are, and merge keys are followed only when `entries` is asked what a
mapping has. Made by `compose_yaml.outline`, read by `compose_text`.
"""

from dataclasses import dataclass, field
from typing import TypeAlias

MERGE = "<<"


@dataclass(frozen=True, slots=True)
class Place:
    """From one character up to another, counted from 0, and the line that the first is in, counted from 1."""

    start: int
    end: int
    line: int


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value. `place` is without its anchor and tag. `style` is how it is quoted: one of ' " | > or nothing.

    `meaning` is what a plain word stands for: text, or a flag, a number or None.
    """

    place: Place
    text: str
    style: str
    meaning: object


@dataclass(slots=True, eq=False)
class Mapping:
    """Keys and values in the order of the text."""

    place: Place
    pairs: "list[tuple[Node, Node]]" = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Listing:
    """Values in the order of the text."""

    place: Place
    items: "list[Node]" = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Alias:
    """A `*name`, and what it stands for, which is never an alias."""

    place: Place
    of: "Scalar | Mapping | Listing"


Node: TypeAlias = "Scalar | Mapping | Listing | Alias"


Entries: TypeAlias = dict[str, tuple[Node, Node]]
"""Keys and values of a mapping by the keys' names."""


def meant(node: Node) -> Scalar | Mapping | Listing:
    """Return what a node is when its alias is followed."""
    return node.of if isinstance(node, Alias) else node


def key_name(key: Node) -> str | None:
    """Return what a key is called; None when it is not a word."""
    word = meant(key)
    return str(word.meaning) if isinstance(word, Scalar) else None


def entries(node: Node) -> Entries:
    """Return what a mapping has, with what its merge keys bring; what is no mapping has nothing."""
    mapping = meant(node)
    if not isinstance(mapping, Mapping):
        return {}
    own = {name: (key, value) for key, value in mapping.pairs if (name := key_name(key)) is not None}
    if MERGE not in own or not _is_plain(own[MERGE][0]):
        return own
    sources = meant(own.pop(MERGE)[1])
    merged: Entries = {}
    for source in sources.items if isinstance(sources, Listing) else [sources]:
        # Of two that bring the same key the first wins; the mapping's own key wins over both.
        merged = entries(source) | merged
    return merged | own


def _is_plain(key: Node) -> bool:
    word = meant(key)
    return isinstance(word, Scalar) and not word.style
