"""Reading a compose file's text, as compose itself reads it: the one door to YAML.

A file comes from strangers, so its size when written out is counted event by
event before anything is built of it: the reader below recurses in C, where a
deep file ends the process, and follows aliases, which make a small file huge.

What a plain word means is `core.compose_words`'s to say; what may stand where
is that of `core.compose_document` and what follows it. `outline` tells where
in the text each value stands, for `compose_text`, which changes some.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import yaml

from mosaic.adapters.compose_nodes import Alias, Listing, Mapping, Node, Place, Scalar, key_name
from mosaic.core.compose_document import MAX_DEPTH, MAX_VALUES, ComposeInvalid
from mosaic.core.compose_words import FLAGS, number_in

_MOST_BYTES = 1024 * 1024
_MOST_EVENTS = 3 * MAX_VALUES + 4
"""A value is an event, or two when it has others in it; its key is one more, and the file as a whole is four.

So all that `to_json` takes is read.
"""


def parse(text: bytes) -> object:
    """Return what the YAML says: mappings, lists, text, flags, numbers that fit 64 bits, and None.

    Raises:
        ComposeInvalid: it is too large, as it is or written out, or it is not YAML.
    """
    with _faults_told():
        _require_small(text)
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader, with fewer kinds of values


def outline(text: bytes) -> Node:
    """Return the same file as it is written, every value with its place; in characters, a byte order mark among them.

    Syntax alone is looked at: read the file with `parse` before.

    Raises:
        ComposeInvalid: as `parse`, or it is not UTF-8, or a key stands twice in one mapping, of which `parse` takes
            the last and compose none.
    """
    with _faults_told():
        _require_small(text)
        return _Outliner(text).read()


@contextmanager
def _faults_told() -> Iterator[None]:
    try:
        yield
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        told = (error.context, error.problem) if isinstance(error, yaml.MarkedYAMLError) else ()
        why = ", ".join(part for part in told if part)
        raise ComposeInvalid(
            f"the compose file is not YAML{where}{why and ': '}{why}",
            hint="mend it; `docker compose config` helps",
        ) from error


@dataclass(slots=True)
class _Open:
    """A collection that has begun: its anchor, the events before it, and how many levels it has so far."""

    anchor: str | None
    before: int
    levels: int = 1


def _require_small(text: bytes) -> None:
    """Count events and levels with every alias written out. An alias costs as much as what it stands for."""
    if len(text) > _MOST_BYTES:
        raise ComposeInvalid("the compose file is larger than 1 MiB", hint="move data out of it, into files beside it")
    events = 0
    nested: list[_Open] = []
    known: dict[str, tuple[int, int]] = {}
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        events += 1
        levels = 0
        if isinstance(event, yaml.CollectionStartEvent):
            nested.append(_Open(event.anchor, events))
            # Until its end it is known to none, itself included.
            known.pop(event.anchor or "", None)
        elif isinstance(event, yaml.CollectionEndEvent):
            ended = nested.pop()
            levels = ended.levels
            if ended.anchor:
                known[ended.anchor] = (events - ended.before, levels)
        elif isinstance(event, yaml.ScalarEvent) and event.anchor:
            known[event.anchor] = (1, 0)
        elif isinstance(event, yaml.AliasEvent):
            weight, levels = _meant(event, known)
            events += weight
        if nested:
            nested[-1].levels = max(nested[-1].levels, levels + 1)
        if events > _MOST_EVENTS or len(nested) + levels > MAX_DEPTH + 1:
            raise ComposeInvalid(
                "the compose file is too large when its aliases are written out",
                hint=f"keep it under {MAX_VALUES} values and {MAX_DEPTH} levels",
            )


def _meant(alias: yaml.AliasEvent, known: dict[str, tuple[int, int]]) -> tuple[int, int]:
    name = alias.anchor or ""
    if name not in known:
        where = f" in line {alias.start_mark.line + 1}" if alias.start_mark else ""
        raise ComposeInvalid(
            f"the compose file's alias *{name[:80]}{where} stands for nothing, or for what it is part of",
            hint=f"put &{name[:80]} before what it should stand for, above that line",
        )
    return known[name]


class _Mark(Protocol):
    """A place as the reader tells it, from 0."""

    @property
    def index(self) -> int: ...
    @property
    def line(self) -> int: ...


class _Outliner:
    """One reading of a file that is known to be small."""

    def __init__(self, text: bytes) -> None:
        try:
            # The reader of events counts from behind a byte order mark.
            self._skipped = int(text.decode().startswith("\ufeff"))
        except UnicodeDecodeError as error:
            raise ComposeInvalid("the compose file is not UTF-8 text", hint="save it as UTF-8") from error
        self._text = text
        self._known: dict[str, Scalar | Mapping | Listing] = {}
        # An event begins at its anchor or tag; only its token knows where the word itself does.
        tokens = yaml.scan(text, Loader=yaml.CSafeLoader)
        self._words = {
            token.end_mark.index: token.start_mark for token in tokens if isinstance(token, yaml.ScalarToken)
        }

    def read(self) -> Node:
        top: list[Node] = []
        open_nodes: list[tuple[Mapping | Listing | None, list[Node]]] = [(None, top)]
        for event in yaml.parse(self._text, Loader=yaml.CSafeLoader):
            if isinstance(event, yaml.CollectionEndEvent):
                ended, inside = open_nodes.pop()
                if isinstance(ended, Mapping):
                    ended.pairs.extend(zip(inside[::2], inside[1::2], strict=True))
                    _require_once(ended)
                elif ended is not None:
                    ended.items.extend(inside)
            elif isinstance(event, yaml.NodeEvent):
                node = self._node(event)
                open_nodes[-1][1].append(node)
                if isinstance(node, Mapping | Listing):
                    open_nodes.append((node, []))
        return top[0] if top else Scalar(Place(0, 0, 1), "", "", None)

    def _node(self, event: yaml.NodeEvent) -> Node:
        if isinstance(event, yaml.AliasEvent):
            return Alias(self._place(event.start_mark, event.end_mark), self._known[event.anchor or ""])
        node: Scalar | Mapping | Listing
        if isinstance(event, yaml.ScalarEvent):
            node = self._scalar(event)
        else:
            place = self._place(event.start_mark, event.end_mark)
            node = Mapping(place) if isinstance(event, yaml.MappingStartEvent) else Listing(place)
        if event.anchor:
            self._known[event.anchor] = node
        return node

    def _scalar(self, event: yaml.ScalarEvent) -> Scalar:
        end, style = event.end_mark, event.style or ""
        # What is empty and not quoted has no token.
        start = self._words.get(end.index) if end and (event.value or style) else end
        meaning = _meaning(event.value) if event.implicit[0] and not style else event.value
        return Scalar(self._place(start, end), event.value, style, meaning)

    def _place(self, start: _Mark | None, end: _Mark | None) -> Place:
        assert start is not None and end is not None  # every event of a text has both
        return Place(start.index + self._skipped, end.index + self._skipped, start.line + 1)


def _require_once(mapping: Mapping) -> None:
    lines: dict[str, int] = {}
    for key, _ in mapping.pairs:
        name = key_name(key)
        if name in lines:
            raise ComposeInvalid(
                f"the compose file has {name[:80]!r} in line {lines[name]} and again, in the same mapping, "
                f"in line {key.place.line}",
                hint="remove one of the two",
            )
        if name is not None:
            lines[name] = key.place.line


def _meaning(word: str) -> str | int | float | None:
    """Return what a plain word is, as `_Loader` has it."""
    if _NULL_WORD[1].match(word):
        return None
    return FLAGS[word] if word in FLAGS else number_in(word)


def _text(loader: yaml.CSafeLoader, node: yaml.ScalarNode) -> str:
    return str(loader.construct_scalar(node))


def _number(loader: yaml.CSafeLoader, node: yaml.ScalarNode) -> str | int | float:
    return number_in(_text(loader, node))


def _flag(loader: yaml.CSafeLoader, node: yaml.ScalarNode) -> bool:
    word = _text(loader, node)
    if word not in FLAGS:
        raise _not_a("flag", node)
    return FLAGS[word]


def _whole_number(loader: yaml.CSafeLoader, node: yaml.ScalarNode) -> int:
    number = _number(loader, node)
    if not isinstance(number, int):
        raise _not_a("whole number", node)
    return number


def _number_with_point(loader: yaml.CSafeLoader, node: yaml.ScalarNode) -> float:
    number = _number(loader, node)
    if isinstance(number, str):
        raise _not_a("number", node)
    return float(number)


def _not_a(kind: str, node: yaml.ScalarNode) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(None, None, f"{node.value[:80]!r} is no {kind}", node.start_mark)


_TAG = "tag:yaml.org,2002:"
_NUMBER = "tag:mosaic,2026:number"
_FLAG_WORD = (_TAG + "bool", re.compile(rf"({'|'.join(FLAGS)})\Z"))
_NULL_WORD = (_TAG + "null", re.compile(r"(~|null|Null|NULL|)\Z"))


class _Loader(yaml.CSafeLoader):
    """The safe loader with the plain words of compose: what a word may be by its first letter, and what is made of it.

    What is said to be a value of another kind (`!!timestamp`) is text as well.
    """

    yaml_implicit_resolvers = {  # noqa: RUF012 (the base class declares it)
        **{letter: [_FLAG_WORD] for letter in "tTfF"},
        **{letter: [_NULL_WORD] for letter in ("", "~", "n", "N")},
        **{letter: [(_NUMBER, re.compile(""))] for letter in "-+.0123456789"},
        "<": [(_TAG + "merge", re.compile(r"<<\Z"))],
    }
    yaml_constructors = {  # noqa: RUF012 (the base class declares it)
        **yaml.CSafeLoader.yaml_constructors,
        _NUMBER: _number,
        _TAG + "bool": _flag,
        _TAG + "int": _whole_number,
        _TAG + "float": _number_with_point,
        **dict.fromkeys([_TAG + "timestamp", _TAG + "value", _TAG + "merge"], _text),
    }
