"""An app repository as the commit has it that is checked out: its top folders, and the files in them.

What is published is read from the commit and not from the folder people work
in: what git ignores there (passwords, what was built) is in no other clone.
"""

from dataclasses import dataclass
from pathlib import Path

from mosaic.adapters.git import Commit, commit_of, export, submodules, tree_of
from mosaic.core.app_repository import (
    COMPOSE_FILE,
    IMAGE_FILE,
    AppRepositoryRefused,
    FolderProblem,
    Kind,
    sort_out,
)
from mosaic.core.errors import Refused


class NothingToPublish(Refused):
    """The app repository has no app."""

    code = "nothing-to-publish"

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"{folder} has no app: none of its folders has a docker-compose.yml",
            hint="name the folder whose subfolders are apps, or make one with `mosaic app init`",
        )


class NotCommitted(Refused):
    """The folder differs from its commit, and the Target would name a commit that it was not made of."""

    code = "not-committed"

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"{folder} has changes that are in no commit, and a Target says which commit it was made of",
            hint="commit them (`git add`, `git commit`), or undo them, and publish again",
        )


class SubmoduleInside(Refused):
    """A submodule is in what is published. The commit has none of its files."""

    code = "submodule-inside"

    def __init__(self, paths: list[str]) -> None:
        super().__init__(
            f"{', '.join(path.encode(errors='backslashreplace').decode() for path in paths[:8])} is a submodule, "
            "and its files are in another repository",
            hint="put its files into this repository, for instance with `git subtree`",
        )


@dataclass(frozen=True, slots=True)
class Source:
    """What is published: folders by name, as `app_repository` sorts them out, at one commit.

    `origin` is where people work, `folder` a copy of what the commit has.
    """

    origin: Path
    folder: Path
    kinds: dict[str, Kind]
    commit: Commit

    @property
    def apps(self) -> list[Path]:
        """The folders of apps, in order."""
        return [self.folder / name for name, kind in self.kinds.items() if kind.is_app]

    @property
    def images(self) -> list[Path]:
        """The folders of images that are built, in order."""
        return [self.folder / name for name, kind in self.kinds.items() if kind.is_image]

    def tree(self, name: str) -> str:
        """Return what git calls the content of one of the folders."""
        return tree_of(self.origin, self.commit.hash, name)


def read_source(origin: Path, into: Path) -> Source:
    """Look at an app repository, and write what is published into the empty folder `into`.

    Raises:
        AppRepositoryRefused, NothingToPublish, SubmoduleInside: it holds something else than apps and images.
        NoCommit, NotCommitted: there is no commit that says what is published.
    """
    commit = commit_of(origin)
    if commit.is_changed:
        raise NotCommitted(origin)
    folder = export(origin, commit.hash, into)
    kinds = _sorted_out(folder)
    if not any(kind.is_app for kind in kinds.values()):
        raise NothingToPublish(origin)
    published = {name for name, kind in kinds.items() if kind.is_app or kind.is_image}
    inside = [path for path in submodules(origin, commit.hash) if path.partition("/")[0] in published]
    if inside:
        raise SubmoduleInside(inside)
    return Source(origin, folder, kinds, commit)


def _sorted_out(folder: Path) -> dict[str, Kind]:
    names, links = dict[str, set[str]](), list[str]()
    for path in folder.iterdir():
        if not path.is_dir():
            continue
        files = {file.name for file in path.iterdir() if file.is_file()}
        if not path.is_symlink():
            names[path.name] = files
        elif files & {COMPOSE_FILE, IMAGE_FILE} and not path.name.startswith("."):
            links.append(path.name)
    if links:
        hint = "put a folder in its place: what it leads to may be published under one name only"
        raise AppRepositoryRefused([FolderProblem(name, "it is a link to a folder", hint) for name in sorted(links)])
    return sort_out(names)
