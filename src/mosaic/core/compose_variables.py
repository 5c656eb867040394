"""Filling in a compose file's variables, the way compose itself does.

    $VAR  ${VAR}          the value; an unknown variable is an error here, where compose would fill in nothing
    ${VAR:-word} ${VAR-word}    the word when VAR is empty or unknown (unknown only)
    ${VAR:?word} ${VAR?word}    an error that says the word
    ${VAR:+word} ${VAR+word}    the word when VAR is known and not empty (known)
    $$                    one dollar sign

Only values are filled in, never keys. The rendered file goes through compose
once more, so `escape` doubles every dollar sign that is left.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from mosaic.core.compose_document import ComposeInvalid, Json
from mosaic.core.errors import Refused

_DEEPEST = 16
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATORS = (":-", ":?", ":+", "-", "?", "+")


class VariablesUnknown(Refused):
    """The compose file has variables that nobody fills in."""

    code = "variables-unknown"

    def __init__(self, names: Iterable[str]) -> None:
        self.names = sorted(set(names))
        super().__init__(
            f"nobody fills in {', '.join('$' + name for name in self.names)}",
            hint=f"give a value when installing: `--set {self.names[0]}=…`; write $$ where a dollar sign is meant",
        )


class VariableRequired(Refused):
    """The compose file says itself that a variable must be given."""

    code = "variable-required"

    def __init__(self, name: str, words: str) -> None:
        super().__init__(
            f"the app needs ${name}: {words}" if words else f"the app needs ${name}",
            hint=f"give it when installing: `--set {name}=…`",
        )


def interpolate(document: Json, variables: Mapping[str, str]) -> Json:
    """Return the document with every variable filled in.

    Raises:
        VariablesUnknown: some are not in `variables`; all of them are named.
        VariableRequired: one that must be given is not.
        ComposeInvalid: a dollar sign that begins nothing.
    """
    scan = _Scan(variables)
    filled = _walk(document, scan)
    if scan.unknown:
        raise VariablesUnknown(scan.unknown)
    return filled


def escape(document: Json) -> Json:
    """Return the document with every dollar sign doubled, so that compose leaves it alone."""
    if isinstance(document, str):
        return document.replace("$", "$$")
    if isinstance(document, list):
        return [escape(item) for item in document]
    if isinstance(document, dict):
        return {key: escape(value) for key, value in document.items()}
    return document


def _walk(document: Json, scan: "_Scan") -> Json:
    if isinstance(document, str):
        return scan.fill(document)
    if isinstance(document, list):
        return [_walk(item, scan) for item in document]
    if isinstance(document, dict):
        return {key: _walk(value, scan) for key, value in document.items()}
    return document


@dataclass(slots=True)
class _Scan:
    """One pass over a document; collects the names that nobody knows, to report them all at once."""

    variables: Mapping[str, str]
    unknown: list[str] = field(default_factory=list)
    depth: int = 0

    def fill(self, text: str) -> str:
        if self.depth > _DEEPEST:
            raise ComposeInvalid(
                f"defaults of variables lie more than {_DEEPEST} deep in one another",
                hint="give the inner ones names of their own",
            )
        self.depth += 1
        try:
            return self._fill(text)
        finally:
            self.depth -= 1

    def _fill(self, text: str) -> str:
        parts: list[str] = []
        at = 0
        while (dollar := text.find("$", at)) >= 0:
            parts.append(text[at:dollar])
            value, at = self._expression(text, dollar + 1)
            parts.append(value)
        return "".join([*parts, text[at:]])

    def _expression(self, text: str, at: int) -> tuple[str, int]:
        """Read what follows a dollar sign at `at`; return its value and where the text goes on."""
        if text.startswith("$", at):
            return "$", at + 1
        if text.startswith("{", at):
            end = _closing(text, at)
            return self._braced(text[at + 1 : end], text), end + 1
        name = _NAME.match(text, at)
        if name is None:
            raise _lonely(text)
        return self._value(name[0]), name.end()

    def _braced(self, inside: str, text: str) -> str:
        name = _NAME.match(inside)
        if name is None:
            raise _lonely(text)
        rest = inside[name.end() :]
        if not rest:
            return self._value(name[0])
        operator = next((known for known in _OPERATORS if rest.startswith(known)), None)
        if operator is None:
            raise _lonely(text)
        return self._operate(name[0], operator, rest[len(operator) :])

    def _operate(self, name: str, operator: str, word: str) -> str:
        value = self.variables.get(name)
        given = bool(value) if operator.startswith(":") else value is not None
        match operator[-1]:
            case "-":
                return value if given and value is not None else self.fill(word)
            case "?":
                if not given or value is None:
                    raise VariableRequired(name, self.fill(word))
                return value
            case _:
                return self.fill(word) if given else ""

    def _value(self, name: str) -> str:
        value = self.variables.get(name)
        if value is None:
            self.unknown.append(name)
            return ""
        return value


def _closing(text: str, opening: int) -> int:
    """Return where the brace at `opening` is closed; a default may have braces of its own variables in it."""
    depth = 0
    at = opening
    while at < len(text):
        if text.startswith("${", at):
            depth += 1
            at += 1
        elif text[at] == "}":
            if depth == 0:
                return at
            depth -= 1
        at += 1
    raise _lonely(text)


def _lonely(text: str) -> ComposeInvalid:
    return ComposeInvalid(
        f"a dollar sign begins no variable in {text[:60]!r}", hint="write $$ where a dollar sign is meant"
    )
