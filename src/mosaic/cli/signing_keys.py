"""Options of the commands that sign: where the repository of Targets lies, and where its keys do.

Keys that a machine signs with every day (`--keys`) and those that lie in a
drawer (`--offline-keys`) are in two folders, so that the second can be on a
stick. A folder's passphrase is asked for, or read from a file.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import click

from mosaic.adapters.trust.key_folder import KeyFolder
from mosaic.adapters.trust.periods_file import read_periods
from mosaic.adapters.trust.public_files import PublicFiles
from mosaic.adapters.trust.repository import Repository
from mosaic.cli import asking

P = ParamSpec("P")
R = TypeVar("R")

_FOLDER = click.Path(file_okay=False, path_type=Path)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def signs_every_day(command: Callable[Concatenate[Repository, P], R]) -> Callable[P, R]:
    """Give a command `--repo` and `--keys`, and the repository that they make as its first argument."""

    @click.option("--repo", type=_FOLDER, required=True, help="The folder of signed metadata that Devices read.")
    @click.option("--keys", type=_FOLDER, required=True, help="The folder of the keys that sign each Target.")
    @wraps(command)
    def with_repository(*args: P.args, **kwargs: P.kwargs) -> R:
        repo, keys = _taken(kwargs, "repo"), _taken(kwargs, "keys")
        return command(opened_every_day(repo, keys), *args, **kwargs)

    return with_repository


def signs_with_all(command: Callable[Concatenate[Repository, P], R]) -> Callable[P, R]:
    """Give a command `--repo`, `--keys`, `--offline-keys` and what opens these, and the repository that they make."""

    @click.option("--repo", type=_FOLDER, required=True, help="The folder of signed metadata that Devices read.")
    @click.option("--keys", type=_FOLDER, required=True, help="The folder of the keys that sign each Target.")
    @click.option(
        "--offline-keys",
        type=_FOLDER,
        required=True,
        help="The folder of the root and targets keys; keep it elsewhere.",
    )
    @click.option("--passphrase-file", type=_FILE, help="A file with the passphrase of the offline keys.")
    @wraps(command)
    def with_repository(*args: P.args, **kwargs: P.kwargs) -> R:
        repo, keys, offline = (_taken(kwargs, name) for name in ("repo", "keys", "offline_keys"))
        file = kwargs.pop("passphrase_file")
        assert file is None or isinstance(file, Path)
        passphrase = asking.secret(
            "passphrase of the offline keys",
            file=file,
            option="--passphrase-file",
            twice=not offline.exists(),
        )
        daily = opened_every_day(repo, keys)
        return command(replace(daily, offline=KeyFolder(offline, passphrase=passphrase)), *args, **kwargs)

    return with_repository


def opened_every_day(repo: Path, keys: Path) -> Repository:
    """Return the repository as the publishing machine has it. Raises PeriodsUnusable."""
    online = KeyFolder(keys)
    return Repository(PublicFiles(repo), online, periods=read_periods(online))


def _taken(words: dict[str, object], name: str) -> Path:
    taken = words.pop(name)
    assert isinstance(taken, Path)
    return taken
