"""What git says of an app repository: which commit is checked out, and whether anything differs from it.

Nothing is changed, and nothing of the repository is run: its hooks and its
file watcher are off.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from mosaic.adapters import process
from mosaic.core.errors import Refused

_SECONDS = 60.0
_SHORT = 12
_INHERITED = frozenset({"PATH", "HOME"})
"""What git may see of our environment: within a hook, `GIT_DIR` and its like name another repository."""

_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}", re.ASCII)


class NoCommit(Refused):
    """The folder is in no git repository, or in one without a commit, or git refuses to read it."""

    code = "no-commit"

    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(
            f"{folder} has no commit that could be published: {reason}",
            hint="`git init && git add . && git commit` makes one; `mosaic app build --offline` needs none",
        )


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit: its full hash (hex), and whether the folder differs from it (files that git ignores do not count)."""

    hash: str
    is_changed: bool

    @property
    def short(self) -> str:
        """The first twelve digits, which images are tagged with."""
        return self.hash[:_SHORT]


def commit_of(folder: Path) -> Commit:
    """Return what is checked out in the folder.

    Raises:
        NoCommit: see there; git's own sentence is in it.
        ProgramMissing: git is not installed.
    """
    found = _ask(folder, "rev-parse", "--verify", "HEAD")
    name = found.text.strip()
    if found.code != 0 or not _HASH.fullmatch(name):
        raise NoCommit(folder, found.last_lines() or "it is no git repository")
    status = _ask(folder, "status", "--porcelain", "--untracked-files=all", "--", ".")
    if status.code != 0:
        raise NoCommit(folder, status.last_lines())
    return Commit(name, bool(status.stdout))


def tree_of(folder: Path) -> str:
    """Return the hash of the folder's content as it is committed: the same for the same files, in whichever commit.

    Raises:
        NoCommit: the folder is in no commit.
    """
    found = _ask(folder, "rev-parse", "--verify", "HEAD:./")
    name = found.text.strip()
    if found.code != 0 or not _HASH.fullmatch(name):
        raise NoCommit(folder, found.last_lines() or "it is no git repository")
    return name


def _ask(folder: Path, *words: str) -> process.Finished:
    quiet = ["-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"]
    return process.attempt(["git", *quiet, "-C", str(folder), *words], deadline_seconds=_SECONDS, inherited=_INHERITED)
