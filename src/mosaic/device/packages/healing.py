"""Putting an extracted package back as it was, from the archive that it came from.

The archive is extracted anew beside the version, whole and verified, and what differs is taken from there by
renaming, one entry after the other. What was in its place is put aside and not
deleted: somebody may have written it. A kill in between leaves fewer differences than before.
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from mosaic.adapters.bundle_extraction import extract
from mosaic.adapters.private_file import sync_folder
from mosaic.adapters.written_tree import FOLDER_ITSELF, remove
from mosaic.core.file_index import FileIndex
from mosaic.device.packages.changes import Change, What


def heal(folder: Path, archive: Path, index: FileIndex, found: Iterable[Change]) -> None:
    """Undo these changes of a folder, or extract it where it is gone.

    Raises:
        BundleUnusable: the archive is damaged. Nothing of the folder was changed.
    """
    every = sorted(found, key=lambda change: change.path)
    if folder.is_symlink() or not folder.is_dir():
        # Not entry by entry: a version that is under its name is whole.
        remove(folder)
        extract(archive, folder, index)
        return
    if not every:
        return
    whole = folder.with_name(f".{folder.name}.whole")
    remove(whole)
    extract(archive, whole, index)
    for change in every:
        # Folders sort before what lies in them.
        _undo(folder, whole, change, index)
    for parent in {(folder / change.path).parent for change in every}:
        if parent.is_dir():
            sync_folder(parent)
    remove(whole)


def aside_of(folder: Path) -> Path:
    """Return where what was written into a version is put."""
    return folder.with_name(f".{folder.name}.aside")


def _undo(folder: Path, whole: Path, change: Change, index: FileIndex) -> None:
    place = Path(change.path)
    try:
        parent = _opened(folder, place.parent)
    except OSError:
        # Somebody put something else in a folder's place since it was looked at: the next look finds that.
        return
    try:
        if change.path in index.folders and _is_right_folder(place.name, parent):
            return
        if change.what is not What.MISSING:
            put = aside_of(folder) / place
            _make_way(aside_of(folder), put)
            with suppress(FileNotFoundError):
                # It may have vanished since it was looked at: then there is nothing to keep.
                os.rename(place.name, put, src_dir_fd=parent)
        if change.path in index.folders:
            os.mkdir(place.name, dir_fd=parent)
            _is_right_folder(place.name, parent)
        elif change.what is not What.ADDED:
            os.rename(whole / place, place.name, dst_dir_fd=parent)
    finally:
        os.close(parent)


def _opened(folder: Path, beneath: Path) -> int:
    """Open a folder of a version, step by step: a container that writes there may put links in its way."""
    here = os.open(folder, FOLDER_ITSELF)
    for name in beneath.parts:
        above = here
        try:
            here = os.open(name, FOLDER_ITSELF, dir_fd=above)
        finally:
            os.close(above)
    return here


def _is_right_folder(name: str, parent: int) -> bool:
    """Give a folder its mode; return whether there is one."""
    try:
        here = os.open(name, FOLDER_ITSELF, dir_fd=parent)
    except OSError:
        return False
    try:
        os.fchmod(here, 0o755)
    finally:
        os.close(here)
    return True


def _make_way(top: Path, put: Path) -> None:
    """Make room for something put aside: the newest one under a name stays."""
    for above in reversed(put.relative_to(top).parents):
        # A link that was put aside leads wherever its writer wants; nothing is moved or removed through it.
        if (top / above).is_symlink() or not (top / above).is_dir():
            remove(top / above)
            (top / above).mkdir(parents=True)
    remove(put)
