"""What every command of the time machine takes: the volume, the instant, where to read, and what opens it."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import click

P = ParamSpec("P")
R = TypeVar("R")

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_FILES = ("passphrase_file", "recovery_file", "key_file", "credentials_file")


@dataclass(frozen=True, slots=True)
class Asked:
    """`store` is the address of a store that is read without any Hive, None for the Hive. Files hold secrets."""

    name: str
    at: str | None
    store: str | None
    passphrase_file: Path | None
    recovery_file: Path | None
    key_file: Path | None
    credentials_file: Path | None = None


def asked_of(command: Callable[Concatenate[Asked, P], R]) -> Callable[P, R]:
    """Give a command NAME, `--at` and the ways to a volume, as an `Asked` before its other arguments."""

    @click.argument("name")
    @click.option("--at", metavar="WHEN", help="The snapshot: a number, a hash, `2026-11-20 14:00`, `2 hours ago`.")
    @click.option("--store", metavar="ADDRESS", help="Read this store itself, without any Hive: a folder, or s3://….")
    @click.option("--passphrase-file", type=_FILE, help="Read the passphrase from this file instead of the terminal.")
    @click.option("--recovery-file", type=_FILE, help="Open it with the recovery code in this file.")
    @click.option("--key-file", type=_FILE, help="With --store: open it with the volume's own key in this file.")
    @click.option(
        "--credentials", "credentials_file", type=_FILE, help="With --store s3://…: the file with the bucket's key."
    )
    @functools.wraps(command)
    def with_asked(*args: P.args, **kwargs: P.kwargs) -> R:
        given = {word: kwargs.pop(word) for word in ("name", "at", "store")}
        files = {word: kwargs.pop(word) for word in _FILES}
        return command(_asked(given, files), *args, **kwargs)

    return with_asked


def _asked(given: dict[str, object], files: dict[str, object]) -> Asked:
    name, at, store = (None if value is None else str(value) for value in given.values())
    passphrase, recovery, key, bucket = (None if value is None else Path(str(value)) for value in files.values())
    if (key or bucket) and store is None:
        raise click.UsageError("--key-file and --credentials are for a store without a Hive: give --store too")
    if passphrase is not None and store is not None:
        raise click.UsageError("no store knows the passphrase: give --recovery-file or --key-file with --store")
    return Asked(name or "", at, store, passphrase, recovery, key, bucket)
