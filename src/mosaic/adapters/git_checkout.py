"""A checkout of our own of somebody's git repository: the newest commit of one branch, and nothing else.

It is only ever fetched into. What an interrupted git left locked or half
written is thrown away with the checkout, which is made anew.
"""

import re
import shutil
from pathlib import Path

from mosaic.adapters import process
from mosaic.adapters.git import Commit, commit_of
from mosaic.core.errors import Refused, Unavailable

_SECONDS = 300.0
_INHERITED = frozenset({"PATH", "HOME", "SSH_AUTH_SOCK"})
_BRANCH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,199}", re.ASCII)


class BranchUnusable(Refused):
    """A repository or a branch cannot be called so."""

    code = "branch-unusable"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name[:120]!r} can be neither a repository nor a branch",
            hint="give an address or a path, and a branch as `main`",
        )


class RepositoryNotFetched(Unavailable):
    """Git did not fetch the branch. The sentence is its own."""

    code = "repository-not-fetched"

    def __init__(self, branch: str, said: str) -> None:
        super().__init__(
            f"the branch {branch} could not be fetched: {said}",
            hint="check the address, the branch, and that git may read it without asking anybody",
        )


def check_out(address: str, branch: str, folder: Path) -> Commit:
    """Make the folder the newest commit of the branch, and return that. `folder` is nobody else's.

    Raises:
        BranchUnusable: the names cannot be some.
        RepositoryNotFetched: git's own words; what was checked out before is still there, or gone.
        ProgramMissing: git is not installed.
    """
    if address.startswith("-") or not address or "\0" in address or _BRANCH.fullmatch(branch) is None:
        raise BranchUnusable(address if address.startswith("-") or not address else branch)
    if (folder / ".git").is_dir() and _fetched(address, branch, folder) is None:
        return commit_of(folder)
    # Perhaps killed in the middle of something: git leaves locks that nobody else removes.
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _ask(folder, "init", "--quiet")
    wrong = _fetched(address, branch, folder)
    if wrong is not None:
        raise RepositoryNotFetched(branch, wrong)
    return commit_of(folder)


def _fetched(address: str, branch: str, folder: Path) -> str | None:
    """Fetch the branch and check it out; return what was wrong."""
    # In full, because git takes a tag of the same name first.
    for words in (
        ("fetch", "--quiet", "--depth=1", "--no-tags", "--end-of-options", address, f"refs/heads/{branch}"),
        ("checkout", "--quiet", "--force", "--detach", "FETCH_HEAD"),
        ("clean", "--quiet", "-ffdx"),
    ):
        ran = _ask(folder, *words)
        if ran.code != 0:
            return ran.last_lines() or f"git {words[0]} failed"
    return None


def _ask(folder: Path, *words: str) -> process.Finished:
    # `ext::` addresses are commands, hooks are programs of the repository, and a prompt would wait for ever.
    safe = ["-c", "protocol.ext.allow=never", "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false"]
    return process.attempt(
        ["git", *safe, "-C", str(folder), *words],
        deadline_seconds=_SECONDS,
        inherited=_INHERITED,
        env={"GIT_TERMINAL_PROMPT": "0"},
    )
