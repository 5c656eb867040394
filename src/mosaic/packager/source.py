"""An app repository on this machine's disk: its top folders, and which commit they are at."""

from dataclasses import dataclass
from pathlib import Path

from mosaic.adapters.git import Commit, commit_of
from mosaic.core.app_repository import Kind, sort_out
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


@dataclass(frozen=True, slots=True)
class Source:
    """What is published: folders by name, as `app_repository` sorts them out, at one commit."""

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


def read_source(folder: Path) -> Source:
    """Look at an app repository.

    Raises:
        AppRepositoryRefused, NothingToPublish: it holds something else than apps and images.
        NoCommit, NotCommitted: there is no commit that says what is published.
    """
    names = {
        path.name: {file.name for file in path.iterdir() if file.is_file()}
        for path in folder.iterdir()
        if path.is_dir() and not path.is_symlink()
    }
    kinds = sort_out(names)
    if not any(kind.is_app for kind in kinds.values()):
        raise NothingToPublish(folder)
    commit = commit_of(folder)
    if commit.is_changed:
        raise NotCommitted(folder)
    return Source(folder, kinds, commit)
