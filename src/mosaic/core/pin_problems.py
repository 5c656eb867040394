"""Why an app's images cannot be pinned: every reason with its file, line and service, all of them at once."""

from collections.abc import Sequence
from dataclasses import dataclass

from mosaic.core.errors import Refused, Unavailable


@dataclass(frozen=True, slots=True)
class ImageUse:
    """One service's image as a compose file says it, unread; `text` is None when it says none.

    `line` is counted from 1: that of the image, else that of the service.
    """

    service: str
    text: str | None
    file: str
    line: int
    has_build: bool


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason. `may_pass` when a registry was silent, and may answer later."""

    use: ImageUse
    sentence: str
    hint: str
    may_pass: bool = False

    @property
    def sentence_of_service(self) -> str:
        """The sentence with its service, without its place."""
        return f"service {self.use.service}: {self.sentence}"

    def __str__(self) -> str:
        return f"{self.use.file}:{self.use.line}: {self.sentence_of_service}"


class PinningRefused(Refused):
    """Images of the app cannot be pinned. `problems` has every reason."""

    code = "pinning-refused"

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(map(str, problems)), hint=_hints(problems))


class RegistriesSilent(Unavailable):
    """Registries did not say what the app's images are. `problems` has every one; nothing else is wrong."""

    code = "registries-silent"

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(map(str, problems)), hint=_hints(problems))


def require_none(problems: Sequence[Problem]) -> None:
    """Return when there is no problem.

    Raises:
        RegistriesSilent: all of them may pass.
        PinningRefused: some do not.
    """
    if problems and all(problem.may_pass for problem in problems):
        raise RegistriesSilent(problems)
    if problems:
        raise PinningRefused(problems)


def _hints(problems: Sequence[Problem]) -> str:
    return "; ".join(dict.fromkeys(problem.hint for problem in problems))
