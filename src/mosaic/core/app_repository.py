"""What each top folder of an app repository is: an app, an image, both, or neither.

A folder with a `docker-compose.yml` is an app; one with a `Dockerfile` is an
image to build; one with both is both. A folder is disabled by its name, when
that ends in `.disabled`, or by a file `.disabled` in it. Folders whose
names begin with a dot belong to tools. A Hive reads its folders of apps by the
same rules.

An app is called as its folder, and an image of no app lies in the registry
under its folder's name: each must fit there. Files that were meant to be an
app, and would be passed over in silence, are errors.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from enum import Enum
from shlex import quote

from mosaic.core.app_name import RULE, is_app_name, nearest
from mosaic.core.errors import Refused
from mosaic.core.image_ref import is_component

COMPOSE_FILE = "docker-compose.yml"
IMAGE_FILE = "Dockerfile"
DISABLED = ".disabled"

_OTHER_COMPOSE_FILES = ("docker-compose.yaml", "compose.yml", "compose.yaml")
"""Names that compose knows too. A package has one compose file, of one name."""


class Kind(Enum):
    """What a folder is published as."""

    APP = "app"
    IMAGE = "image"
    BOTH = "app and image"
    DISABLED = "disabled"
    NEITHER = "neither"

    @property
    def is_app(self) -> bool:
        """Whether an app is published from it."""
        return self in (Kind.APP, Kind.BOTH)

    @property
    def is_image(self) -> bool:
        """Whether an image is built from it."""
        return self in (Kind.IMAGE, Kind.BOTH)


@dataclass(frozen=True, slots=True)
class FolderProblem:
    """Why one folder cannot be published."""

    folder: str
    sentence: str
    hint: str

    def __str__(self) -> str:
        return f"{self.folder}: {self.sentence}"


class AppRepositoryRefused(Refused):
    """Folders of the app repository cannot be published. `problems` has every reason."""

    code = "app-repository-refused"

    def __init__(self, problems: Sequence[FolderProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__(
            "; ".join(map(str, problems)), hint="; ".join(dict.fromkeys(problem.hint for problem in problems))
        )


def sort_out(folders: Mapping[str, Set[str]]) -> dict[str, Kind]:
    """Return what each top folder is, by name and in order; `folders` has the names of the files in each.

    Raises:
        AppRepositoryRefused: with all problems.
    """
    kinds = {name: kind_of(name, folders[name]) for name in sorted(folders)}
    problems = [problem for name, kind in kinds.items() for problem in _problems(name, kind, folders[name])]
    if problems:
        raise AppRepositoryRefused(problems)
    return kinds


def kind_of(name: str, files: Set[str]) -> Kind:
    """Return what one folder is meant to be, whatever else is wrong with it; `files` has the names of its files."""
    if name.startswith("."):
        return Kind.NEITHER
    if name.endswith(DISABLED) or DISABLED in files:
        return Kind.DISABLED
    if COMPOSE_FILE in files:
        return Kind.BOTH if IMAGE_FILE in files else Kind.APP
    return Kind.IMAGE if IMAGE_FILE in files else Kind.NEITHER


def _problems(name: str, kind: Kind, files: Set[str]) -> list[FolderProblem]:
    if kind is Kind.DISABLED or name.startswith("."):
        return []
    problems = []
    other = next((each for each in _OTHER_COMPOSE_FILES if each in files), None)
    if other is not None and not kind.is_app:
        problems.append(
            FolderProblem(
                _shown(name),
                f"its compose file is called {other}, and an app's is {COMPOSE_FILE}",
                f"`{_rename(name, other)}`; if it is no app, put a file {DISABLED} beside it",
            )
        )
    if kind.is_app and not is_app_name(name):
        problems.append(_misnamed(name, "its name cannot be an app's, which becomes part of host names", f"use {RULE}"))
    elif kind.is_image and not is_component(name):
        hint = "use lower-case letters and digits, with single . _ or - between them"
        problems.append(_misnamed(name, "its name cannot be part of the name that it is published under", hint))
    return problems


def _misnamed(name: str, sentence: str, hint: str) -> FolderProblem:
    better = nearest(name)
    return FolderProblem(_shown(name), sentence, f"{hint}: {better}" if better else hint)


def _rename(name: str, other: str) -> str:
    return " ".join(["git", "mv", *(quote(f"{_shown(name)}/{file}") for file in (other, COMPOSE_FILE))])


def _shown(name: str) -> str:
    """Return a folder's name for people; it may be no text."""
    return name[:80].encode("utf-8", "backslashreplace").decode()
