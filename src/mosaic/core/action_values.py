"""What may be given to an app's action, and the command that becomes of it.

`fill` is the only way from what somebody typed to words that are run: each
word is the author's own, or exactly one value that fitted its input. It is
called on the Device, whatever was checked before.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import assert_never

from mosaic.core.app_actions import AppAction, Choice, Given, Input, Integer, SecretText, Text
from mosaic.core.errors import Refused

_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,17})", re.ASCII)
_SHOWN = 60


class ActionInputRefused(Refused):
    """A value does not fit its input. Nothing was run."""

    code = "action-input-refused"

    def __init__(self, action: str, problem: str, *, hint: str) -> None:
        super().__init__(f"{action} was not run: {problem}", hint=hint)


@dataclass(frozen=True, slots=True)
class FilledAction:
    """What is run: words for the service's container, and what is written to its standard input."""

    command: tuple[str, ...]
    stdin: bytes = field(repr=False)


def fill(action: AppAction, values: Mapping[str, str], secrets: Mapping[str, str]) -> FilledAction:
    """Put the values into their places. `secrets` are those of secret inputs, and only those.

    Raises:
        ActionInputRefused: an input is missing, unknown, or does not fit.
    """
    given = {**values, **secrets}
    for name in given:
        if name not in action.inputs:
            raise ActionInputRefused(
                action.name,
                f"it has no input {name[:_SHOWN]!a}",
                hint=f"its inputs: {', '.join(action.inputs) or 'none'}",
            )
        if (name in action.secrets) != (name in secrets) or (name in values and name in secrets):
            raise ActionInputRefused(
                action.name,
                f"the input {name} came the wrong way",
                hint="secrets are asked on the terminal or read from a file, everything else is given with `--set`",
            )
    words = {name: _checked(action, name, wanted, given.get(name)) for name, wanted in action.inputs.items()}
    command = tuple(words[word.name] if isinstance(word, Given) else word for word in action.command)
    return FilledAction(command, "".join(f"{words[name]}\n" for name in action.stdin).encode())


def _checked(action: AppAction, name: str, wanted: Input, value: str | None) -> str:
    """Return the word that the value stands for. No sentence here repeats a value: it may be a secret."""
    if value is None:
        raise ActionInputRefused(action.name, f"it needs {name}", hint=_how(name, wanted))
    problem = _problem(wanted, value)
    if problem:
        raise ActionInputRefused(action.name, f"{name} {problem}", hint=_how(name, wanted))
    return wanted.words[value] if isinstance(wanted, Choice) else value


def _problem(wanted: Input, value: str) -> str:
    match wanted:
        case Choice(words=words):
            return "" if value in words else "is none of what can be chosen"
        case Integer(least=least, most=most):
            fits = _WHOLE.fullmatch(value) is not None and value != "-0" and least <= int(value) <= most
            return "" if fits else f"is no whole number from {least} to {most}"
        case Text(pattern=pattern, shortest=shortest, longest=longest):
            if value.startswith("-"):
                # Whatever the pattern says: a program would read it as an option.
                return "begins with a hyphen, as only options do"
            if pattern is not None and not (len(value) <= longest and pattern.matches(value)):
                return f"does not fit the pattern {pattern.text}"
            return _line_problem(value, shortest, longest)
        case SecretText(shortest=shortest, longest=longest):
            return _line_problem(value, shortest, longest)
        case _ as unreachable:
            assert_never(unreachable)


def _line_problem(value: str, shortest: int, longest: int) -> str:
    if not shortest <= len(value) <= longest:
        return f"has {len(value)} letters, and {shortest} to {longest} are taken"
    # Controls, line ends of every script and halves of letters are not printable; spaces are.
    return "" if value.isprintable() else "is not one line of letters"


def _how(name: str, wanted: Input) -> str:
    match wanted:
        case Choice(words=words):
            return f"give {name} as one of: {', '.join(list(words)[:10])}"
        case Integer(least=least, most=most):
            return f"give {name} as a whole number from {least} to {most}"
        case Text(pattern=pattern, shortest=shortest, longest=longest):
            shape = f" that fit {pattern.text}" if pattern else ""
            return f"give {name} as one line of {shortest} to {longest} letters{shape}"
        case SecretText(shortest=shortest, longest=longest):
            return f"give {name} as one line of {shortest} to {longest} letters, on the terminal or in a file"
        case _ as unreachable:
            assert_never(unreachable)
