"""Which files of an app's folder are left out of its bundle: the rules of `.composeappignores`.

One pattern a line, as in a dockerignore file: `#` at the beginning of a line
is a comment, `!` takes back, the last rule that matches decides, and every
pattern begins at the app's folder: a bare `Dockerfile` is the one beside the
compose file. What lies in an ignored folder is ignored, unless a later rule
takes it back. `ignore_patterns` has what stands in a pattern.

A mistake in the file is an error that names its line: a file that was meant to
stay at home must not be published because of one.

Source: the ignore file that the docker command documents. Two things are
stricter here: a pattern that leads out of the folder is an error, and in a
pattern's [ ] there is no slash.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mosaic.core.app_repository import COMPOSE_FILE
from mosaic.core.errors import Refused
from mosaic.core.ignore_patterns import PatternBad, Patterns, Reached, read

IGNORE_FILE = ".composeappignores"

_MOST_BYTES = 16 * 1024
_BYTE_ORDER_MARK = "\ufeff"


class IgnoreRulesBad(Refused):
    """The file that says what to leave out of an app's bundle has a mistake."""

    code = "ignore-rules-bad"

    def __init__(self, line: int | None, why: str, *, hint: str) -> None:
        self.line = line
        where = IGNORE_FILE if line is None else f"{IGNORE_FILE}:{line}"
        super().__init__(f"{where}: {why}", hint=hint)


@dataclass(frozen=True, slots=True)
class Rule:
    """One line that says something. `takes_back` is that of a `!`."""

    pattern: str
    takes_back: bool
    line: int


class IgnoreRules:
    """The rules of one app. Without any, only the ignore file itself is left out."""

    def __init__(self, rules: Sequence[Rule] = ()) -> None:
        self._rules = tuple(rules)
        self._patterns = Patterns([rule.pattern for rule in rules])

    def ignores(self, name: str) -> bool:
        """Whether a file or folder is left out. Names are relative to the app's folder, with `/` between parts."""
        return name == IGNORE_FILE or self._leaves_out(self._patterns.walk(self._patterns.begin(), name))

    def kept(self, names: Iterable[str]) -> list[str]:
        """Return the names that are shipped, in order. A folder is shipped for the sake of what is kept in it, too."""
        folders: dict[str, Reached] = {"": self._patterns.begin()}
        names = list(names)
        kept = {name for name in names if name != IGNORE_FILE and not self._leaves_out(self._walk(name, folders))}
        for name in list(kept):
            while (name := name.rpartition("/")[0]) and name not in kept:
                kept.add(name)
        return [name for name in names if name in kept]

    def decides(self, name: str) -> Rule | None:
        """Return the last rule that speaks of a name."""
        return self._decides(self._patterns.walk(self._patterns.begin(), name))

    def _walk(self, name: str, folders: dict[str, Reached]) -> Reached:
        """Walk a name from the folder that it lies in, so that no folder is walked twice."""
        folder = known = name.rfind("/") + 1
        while name[:known] not in folders:
            known = name.rfind("/", 0, known - 1) + 1
        while known < folder:
            end = name.index("/", known) + 1
            folders[name[:end]] = self._patterns.walk(folders[name[:known]], name[known:end])
            known = end
        return self._patterns.walk(folders[name[:folder]], name[folder:])

    def _leaves_out(self, reached: Reached) -> bool:
        rule = self._decides(reached)
        return rule is not None and not rule.takes_back

    def _decides(self, reached: Reached) -> Rule | None:
        number = self._patterns.last_match(reached)
        return None if number is None else self._rules[number]


def read_ignore_rules(content: bytes) -> IgnoreRules:
    """Read the ignore file of an app.

    Raises:
        IgnoreRulesBad: it is too large or no text, a line is no pattern, or the compose file would be left out.
    """
    if len(content) > _MOST_BYTES:
        raise IgnoreRulesBad(
            None, f"it is larger than {_MOST_BYTES // 1024} KiB", hint="leave whole folders out instead of single files"
        )
    lines = _text(content).removeprefix(_BYTE_ORDER_MARK).split("\n")
    read_lines = [_read_line(line, number) for number, line in enumerate(lines, start=1)]
    rules = IgnoreRules([rule for rule in read_lines if rule is not None])
    wrong = rules.decides(COMPOSE_FILE)
    if wrong is not None and not wrong.takes_back:
        raise IgnoreRulesBad(
            wrong.line,
            f"{wrong.pattern!r} leaves out {COMPOSE_FILE}, which is the app itself",
            hint=f"write !{COMPOSE_FILE} in a line below it",
        )
    return rules


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise IgnoreRulesBad(line, "the line is not UTF-8 text", hint="save the file as UTF-8") from error


def _read_line(line: str, number: int) -> Rule | None:
    if line.startswith("#") or not line.strip():
        return None
    text = line.strip()
    takes_back = text.startswith("!")
    written = text[1:].strip() if takes_back else text
    if not written:
        raise IgnoreRulesBad(
            number, "a ! takes nothing back", hint="write behind the ! what is to be shipped after all"
        )
    try:
        pattern = _cleaned(written)
        read(pattern)
    except PatternBad as error:
        raise IgnoreRulesBad(
            number,
            f"{written[:80]!r} is no pattern: {error}",
            hint="mend the line, or put # before it; a \\ before a character takes its meaning away",
        ) from error
    return Rule(pattern, takes_back, number)


def _cleaned(pattern: str) -> str:
    """Leave out slashes at both ends and what a path does not need; `.` is the folder itself, which no name is."""
    parts: list[str] = []
    for part in pattern.split("/"):
        if part == "..":
            if not parts:
                raise PatternBad("it leads out of the app's folder")
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)
