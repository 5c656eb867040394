"""What git says of an app repository: which commit is checked out, whether anything differs, and what the commit has.

Nothing is changed, and nothing of the repository is run: its hooks and its
file watcher are off.
"""

import os
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


def tree_of(folder: Path, commit: str, name: str = "") -> str:
    """Return the hash of what a commit has in the folder, or below `name` in it: the same for the same files.

    Raises:
        NoCommit: the commit does not have it.
    """
    found = _ask(folder, "rev-parse", "--verify", f"{commit}:./{name}")
    tree = found.text.strip()
    if found.code != 0 or not _HASH.fullmatch(tree):
        raise NoCommit(folder, found.last_lines() or "it is no git repository")
    return tree


def descends(folder: Path, commit: str, older: str) -> bool:
    """Whether `commit` is `older` or came after it, as far as this repository knows; one that it lacks did not."""
    if not (_HASH.fullmatch(commit) and _HASH.fullmatch(older)):
        return False
    return _ask(folder, "merge-base", "--is-ancestor", older, commit).code == 0


def submodules(folder: Path, commit: str) -> list[str]:
    """Return where in the folder a commit has other repositories, of which it holds no files."""
    listed = _ask(folder, "ls-tree", "-r", "-z", commit, ".")
    if listed.code != 0:
        raise NoCommit(folder, listed.last_lines())
    entries = [entry.partition(b"\t") for entry in listed.stdout.split(b"\0")]
    return [os.fsdecode(name) for about, _, name in entries if about.startswith(b"160000 ")]


def export(folder: Path, commit: str, into: Path) -> Path:
    """Write the folder as a commit has it, and nothing else, below the empty folder `into`; return where it is there.

    So what git ignores, or was told to overlook, and what changes meanwhile
    plays no part. Modes do not depend on the umask.

    Raises:
        NoCommit: git's own sentence is in it.
    """
    # An index of our own: that of the repository may differ from the commit, and belongs to who works in it.
    index, below = into / "index", into / "files"
    below.mkdir()
    inside = os.fsdecode(_must(folder, "rev-parse", "--show-prefix").stdout.removesuffix(b"\n"))
    _must(folder, "read-tree", "--no-sparse-checkout", commit, index=index)
    _must(folder, "checkout-index", "--all", "--quiet", f"--prefix={below}/", index=index)
    exported = below / inside
    exported.mkdir(parents=True, exist_ok=True)
    for where, folders, files in os.walk(exported):
        for name in (*folders, *files):
            path = Path(where) / name
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    return exported


def _must(folder: Path, *words: str, index: Path | None = None) -> process.Finished:
    finished = _ask(folder, *words, index=index)
    if finished.code != 0:
        raise NoCommit(folder, finished.last_lines())
    return finished


def _ask(folder: Path, *words: str, index: Path | None = None) -> process.Finished:
    quiet = ["--no-optional-locks", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"]
    return process.attempt(
        ["git", *quiet, "-C", str(folder), *words],
        deadline_seconds=_SECONDS,
        env={"GIT_INDEX_FILE": str(index)} if index is not None else None,
        inherited=_INHERITED,
    )
