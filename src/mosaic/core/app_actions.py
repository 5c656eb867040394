"""What an app lets its owner do in it, as its compose file says: named actions with typed inputs.

    x-mosaic:
      actions:
        register-user:
          title: Register a user
          service: synapse
          command: [register_new_matrix_user, --user, "{user}", --password-file, /dev/stdin]
          stdin: [password]
          timeout_seconds: 60
          inputs:
            user: {kind: text, title: Name, pattern: "[a-z0-9._=-]+", longest: 64}
            password: {kind: secret, title: Password}

A word of the command is fixed, or it is exactly one input in braces. Inputs of
the kind `secret` are in no command line: they are written to standard input,
one a line, in the order of `stdin`. What stands here is taken word for word:
variables are not filled in, for their values come from the Hive, and the
command is the app's author's.

The file is part of what was signed, and the Device reads the actions from the
version that it runs: nobody else can name a command (G8). What a value may be
is `action_values`'s to say.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from mosaic.core.compose_document import Compose, ComposeInvalid, Json, as_list, as_mapping, as_text
from mosaic.core.extension_reading import KEYS, command_words, only_known, whole_number
from mosaic.core.ids import ServiceName
from mosaic.core.link_service import require_no_link
from mosaic.core.text_pattern import PatternUnreadable, TextPattern, read_pattern

DEFAULT_TIMEOUT_SECONDS = 60
MAX_TIMEOUT_SECONDS = 300
DEFAULT_LONGEST = 200
MAX_LONGEST = 4096
MAX_ACTIONS = 50
MAX_INPUTS = 20
MAX_CHOICES = 100
MAX_TITLE = 120
LARGEST_INTEGER = 2**53
"""The largest whole number that every browser writes as it is."""

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", re.ASCII)
_GIVEN = re.compile(r"\{([^{}]*)\}")
_WHERE = "x-mosaic.actions"
_ACTION_KEYS = ("title", "service", "command", "stdin", "timeout_seconds", "inputs")
INPUT_KEYS = {
    "text": ("kind", "title", "pattern", "shortest", "longest"),
    "integer": ("kind", "title", "least", "most"),
    "choice": ("kind", "title", "choices"),
    "secret": ("kind", "title", "shortest", "longest"),
}
"""What each kind of input may say."""


@dataclass(frozen=True, slots=True)
class Text:
    """One line of text, `shortest` to `longest` letters of it, as `pattern` says where there is one."""

    title: str
    pattern: TextPattern | None
    shortest: int
    longest: int


@dataclass(frozen=True, slots=True)
class Integer:
    """A whole number from `least` to `most`."""

    title: str
    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some words of the author's, by what people call them."""

    title: str
    words: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class SecretText:
    """One line that is shown to nobody."""

    title: str
    shortest: int
    longest: int


Input: TypeAlias = Text | Integer | Choice | SecretText


@dataclass(frozen=True, slots=True)
class Given:
    """The place of an input in a command."""

    name: str


@dataclass(frozen=True, slots=True)
class AppAction:
    """One action: a command in a service's container, in which inputs have places of their own."""

    name: str
    title: str
    service: ServiceName
    command: tuple[str | Given, ...]
    stdin: tuple[str, ...]
    inputs: Mapping[str, Input]
    timeout_seconds: int = DEFAULT_TIMEOUT_SECONDS

    @property
    def secrets(self) -> frozenset[str]:
        """The inputs that nobody may see."""
        return frozenset(name for name, each in self.inputs.items() if isinstance(each, SecretText))


def app_actions(compose: Compose) -> dict[str, AppAction]:
    """Return the app's actions by name; none is an empty mapping.

    Raises:
        ComposeInvalid: what is under `x-mosaic` cannot be meant so.
    """
    about = as_mapping(compose.rest.get("x-mosaic"), "x-mosaic")
    only_known(about, KEYS, "x-mosaic")
    told = as_mapping(about.get("actions"), _WHERE)
    if len(told) > MAX_ACTIONS:
        raise ComposeInvalid(f"{_WHERE} has {len(told)} actions", hint=f"name at most {MAX_ACTIONS}")
    return {name: _action(name, each, compose) for name, each in told.items()}


def require_no_variables(document: Json) -> None:
    """Refuse variables under `x-mosaic.actions`, before they are filled in: their values come from the Hive.

    Raises:
        ComposeInvalid: there is a dollar sign in them.
    """
    about = document.get("x-mosaic") if isinstance(document, dict) else None
    actions = about.get("actions") if isinstance(about, dict) else None
    if any("$" in text for text in _texts(actions)):
        raise ComposeInvalid(
            f"{_WHERE} has a dollar sign, and variables are not filled in there",
            hint="write the value itself, or make it an input of the action",
        )


def _texts(document: Json) -> Iterable[str]:
    match document:
        case str():
            yield document
        case list():
            for item in document:
                yield from _texts(item)
        case dict():
            for key, value in document.items():
                yield key
                yield from _texts(value)


def _action(name: str, told: Json, compose: Compose) -> AppAction:
    where = f"{_WHERE}.{name}"
    _require_name(name, where)
    wish = as_mapping(told, where)
    only_known(wish, _ACTION_KEYS, where)
    service = ServiceName(as_text(wish.get("service"), f"{where}.service"))
    if service not in compose.services:
        raise ComposeInvalid(
            f"{where} names the service {service}, which the app does not have",
            hint=f"name one of {', '.join(sorted(compose.services))}",
        )
    require_no_link(compose, service, where)
    asked = as_mapping(wish.get("inputs"), f"{where}.inputs")
    if len(asked) > MAX_INPUTS:
        raise ComposeInvalid(f"{where} has {len(asked)} inputs", hint=f"name at most {MAX_INPUTS}")
    inputs = {each: _input(each, wanted, f"{where}.inputs.{each}") for each, wanted in asked.items()}
    command = tuple(
        _word(word, inputs, f"{where}.command") for word in command_words(wish.get("command"), f"{where}.command")
    )
    stdin = tuple(as_text(each, f"{where}.stdin") for each in as_list(wish.get("stdin"), f"{where}.stdin"))
    _require_places(command, stdin, inputs, where)
    return AppAction(
        name=name,
        title=_title(wish, name, where),
        service=service,
        command=command,
        stdin=stdin,
        inputs=inputs,
        timeout_seconds=whole_number(
            wish, "timeout_seconds", where, default=DEFAULT_TIMEOUT_SECONDS, least=1, most=MAX_TIMEOUT_SECONDS
        ),
    )


def _word(word: str, inputs: Mapping[str, Input], where: str) -> str | Given:
    found = _GIVEN.fullmatch(word)
    if found is not None and found[1] in inputs:
        return Given(found[1])
    for inside in _GIVEN.finditer(word):
        name = inside[1]
        if name in inputs:
            raise ComposeInvalid(
                f"{where} has {{{name}}} within a word", hint=f'give it a word of its own: "{{{name}}}"'
            )
        if found is not None and _NAME.fullmatch(name):
            raise ComposeInvalid(
                f"{where} has {{{name}}}, which is no input", hint="name it under `inputs`, or correct the spelling"
            )
    return word


def _require_places(
    command: tuple[str | Given, ...], stdin: tuple[str, ...], inputs: Mapping[str, Input], where: str
) -> None:
    """Every input is used, secrets on standard input only; the program is a fixed word, and no option."""
    program = command[0]
    if not isinstance(program, str) or program.startswith("-"):
        raise ComposeInvalid(f"{where}.command does not begin with a program", hint="name the program itself first")
    for name in stdin:
        if name not in inputs or stdin.count(name) > 1:
            raise ComposeInvalid(
                f"{where}.stdin names {name}, which is no input of it, or twice", hint="name each input once"
            )
    in_command = [word.name for word in command if isinstance(word, Given)]
    for name, wanted in inputs.items():
        if isinstance(wanted, SecretText) and name in in_command:
            raise ComposeInvalid(
                f"{where} puts the secret {name} into a command line, which everybody on the machine can read",
                hint=f"name it under `stdin`: `stdin: [{name}]`",
            )
        if name not in in_command and name not in stdin:
            raise ComposeInvalid(f"{where} uses the input {name} nowhere", hint="give it a place, or remove it")


def _input(name: str, told: Json, where: str) -> Input:
    _require_name(name, where)
    wish = as_mapping(told, where)
    kind = as_text(wish.get("kind", "text"), f"{where}.kind")
    if kind not in INPUT_KEYS:
        raise ComposeInvalid(f"{where} is of the kind {kind}", hint=f"the kinds are {', '.join(INPUT_KEYS)}")
    only_known(wish, INPUT_KEYS[kind], where)
    title = _title(wish, name, where)
    match kind:
        case "integer":
            least = _bound(wish, "least", where)
            most = _bound(wish, "most", where)
            if least > most:
                raise ComposeInvalid(f"{where} goes from {least} to {most}", hint="swap the two")
            return Integer(title, least, most)
        case "choice":
            return Choice(title, _choices(wish.get("choices"), f"{where}.choices"))
        case _:
            shortest = whole_number(wish, "shortest", where, default=1, least=0, most=MAX_LONGEST)
            longest = whole_number(wish, "longest", where, default=DEFAULT_LONGEST, least=1, most=MAX_LONGEST)
            if shortest > longest:
                raise ComposeInvalid(f"{where} goes from {shortest} to {longest} letters", hint="swap the two")
            if kind == "secret":
                return SecretText(title, shortest, longest)
            return Text(title, _pattern(wish.get("pattern"), f"{where}.pattern"), shortest, longest)


def _bound(wish: Mapping[str, Json], key: str, where: str) -> int:
    if key not in wish:
        raise ComposeInvalid(f"{where} has no {key}", hint="say from which to which number: `least: 1`, `most: 10`")
    return whole_number(wish, key, where, default=0, least=-LARGEST_INTEGER, most=LARGEST_INTEGER)


def _choices(told: Json, where: str) -> dict[str, str]:
    """Read what can be chosen: words, or what people call each word."""
    if isinstance(told, list):
        words = [as_text(each, where) for each in told]
        found = {word: word for word in words}
    else:
        words = []
        found = {label: as_text(word, where) for label, word in as_mapping(told, where).items()}
    if not 1 <= len(found) <= MAX_CHOICES or len(words) > len(found):
        raise ComposeInvalid(f"{where} names none, one twice, or more than {MAX_CHOICES}", hint="name each once")
    for label, word in found.items():
        _require_line(label, where)
        _require_line(word, where)
    return found


def _pattern(told: Json, where: str) -> TextPattern | None:
    if told is None:
        return None
    text = as_text(told, where)
    try:
        return read_pattern(text)
    except PatternUnreadable as error:
        raise ComposeInvalid(
            f"{where} cannot be read: {error}", hint='write letters and classes, for instance "[a-z0-9._=-]+"'
        ) from None


def _title(wish: Mapping[str, Json], name: str, where: str) -> str:
    title = as_text(wish.get("title", name), f"{where}.title")
    _require_line(title, f"{where}.title")
    return title


def _require_line(text: str, where: str) -> None:
    if not 0 < len(text) <= MAX_TITLE or not text.isprintable():
        raise ComposeInvalid(f"{where} is empty, too long or not one line", hint=f"write 1 to {MAX_TITLE} letters")


def _require_name(name: str, where: str) -> None:
    if not _NAME.fullmatch(name) or len(name) > 40:
        raise ComposeInvalid(f"{where} is no name", hint="name it with small letters, digits and single hyphens")
