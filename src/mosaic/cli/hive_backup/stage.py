"""Gathering what a Hive is made of at one instant: its database, its keys, its bundles.

The copy lies in the state folder itself, and a file that did not change is
left alone there, so that nothing is read or sent again for it. Left out are
the packs of volumes (they are what Devices upload), what is being imported,
what belongs to this machine or this run alone, and the backup's own folder.
"""

import filecmp
import os
import shutil
import stat
from pathlib import Path

from mosaic.adapters.private_file import sync_folder
from mosaic.adapters.sqlite_copy import copy_database
from mosaic.core.errors import Refused

DATABASE = "hive.db"
_LEFT_OUT = frozenset({"volumes", "backup", "importing", "lock", "address", "setup-code", DATABASE, f"{DATABASE}-wal"})
_LEFT_OUT_INSIDE = (".incoming", ".fetching", ".served-")
"""How names begin of what is on its way, in whichever folder."""

_LEFT_OUT_TOO = frozenset({f"{DATABASE}-shm", f"{DATABASE}-journal"})


class NoDatabaseHere(Refused):
    """The state folder has no SQLite database."""

    code = "hive-database-not-here"

    def __init__(self, state: Path) -> None:
        super().__init__(
            f"{state} holds no Hive's database",
            hint="name the Hive's state folder with `--state`; a Hive on PostgreSQL is copied with `pg_dump`",
        )


def require_database(state: Path) -> None:
    """Return when the folder is a Hive's. Raises NoDatabaseHere."""
    if not (state / DATABASE).exists():
        raise NoDatabaseHere(state)


def gather(state: Path, stage: Path) -> None:
    """Make `stage` equal to what must survive of the Hive in `state`. May be killed and called again."""
    require_database(state)
    stage.mkdir(mode=0o700, exist_ok=True)
    # The database first: whatever it names (a bundle) was on the disk before it, and is so afterwards.
    _copy_if_changed(state / DATABASE, stage / DATABASE)
    kept = {DATABASE}
    for path in sorted(state.iterdir()):
        if path.name not in _LEFT_OUT | _LEFT_OUT_TOO and not path.name.endswith(".new"):
            kept.add(path.name)
            _mirror(path, stage / path.name)
    for path in stage.iterdir():
        if path.name not in kept:
            _remove(path)


def _copy_if_changed(database: Path, target: Path) -> None:
    # Beside the stage: what comes and goes in it would make its folder another one.
    fresh = target.parent.with_name("fresh.db")
    copy_database(database, fresh)
    if target.exists() and filecmp.cmp(fresh, target, shallow=False):
        fresh.unlink()
    else:
        fresh.replace(target)
        sync_folder(target.parent)


def _mirror(source: Path, target: Path) -> None:
    try:
        status = source.lstat()
    except FileNotFoundError:
        return
    if stat.S_ISDIR(status.st_mode):
        if target.exists() and not target.is_dir():
            target.unlink()
        target.mkdir(mode=0o700, exist_ok=True)
        names = _names_in(source)
        for name in names:
            _mirror(source / name, target / name)
        for path in target.iterdir():
            if path.name not in names:
                _remove(path)
    elif stat.S_ISREG(status.st_mode) and not _same(status, target):
        if target.is_dir() and not target.is_symlink():
            _remove(target)
        draft = target.with_name(f"{target.name}.new")
        try:
            shutil.copyfile(source, draft)
        except FileNotFoundError:
            # It was replaced or removed meanwhile; the next copy has what came after it.
            return
        draft.chmod(stat.S_IMODE(status.st_mode))
        os.utime(draft, ns=(status.st_mtime_ns, status.st_mtime_ns))
        draft.replace(target)


def _names_in(folder: Path) -> list[str]:
    """Return what a folder has that is not on its way; nothing when it is removed at this moment."""
    try:
        found = sorted(os.listdir(folder))  # noqa: PTH208 (names are compared)
    except FileNotFoundError:
        return []
    return [name for name in found if not name.startswith(_LEFT_OUT_INSIDE)]


def _same(status: os.stat_result, target: Path) -> bool:
    try:
        there = target.lstat()
    except FileNotFoundError:
        return False
    return (there.st_size, there.st_mtime_ns, there.st_mode) == (status.st_size, status.st_mtime_ns, status.st_mode)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
