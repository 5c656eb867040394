"""Subvolumes where there is no btrfs: plain folders, and snapshots that are made by copying what changed.

A folder's identity is an attribute that only root can write, and that no
snapshot stores. A snapshot costs one look at every file and a copy of those
that changed; for the last of them the app is held still, at most 2 seconds.
Where that was not possible, or took longer, the snapshot is fuzzy.
"""

import errno
import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

from mosaic.adapters import freezer, process
from mosaic.adapters.btrfs import NotASubvolume, SubvolumeExists
from mosaic.core.consistency import FUZZY
from mosaic.core.errors import Refused
from mosaic.core.ids import VolumeId
from mosaic.storage import log
from mosaic.storage.engine.beneath import open_root, sync_file_system
from mosaic.storage.engine.fingerprint import fingerprint
from mosaic.storage.engine.reflink import shares_blocks
from mosaic.storage.subvolumes import Known, Made
from mosaic.storage.users import groups_using

_IDENTITY = "security.mosaic"
_COPY_SECONDS = 24 * 3600.0
_DRAFT = ".new"

MOST_COPIED_BYTES = 1024**3
"""So much is copied while an app stands still: some seconds on most disks."""


class FoldersImpossible(Refused):
    """The file system cannot hold what plain-folder volumes need."""

    code = "folders-impossible"

    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(
            f"volumes cannot lie in {folder}: {reason}",
            hint="give a folder on ext4 or XFS of this machine, and run the storage daemon as root",
        )


class OnFolders:
    """See `Subvolumes`. `notes` is a folder for what is held still just now.

    `check_room` is called before so many bytes are copied, and raises when there is no room for them.
    """

    keeps_snapshots = False

    def __init__(self, notes: Path, check_room: Callable[[int], None]) -> None:
        self.notes = notes
        self.check_room = check_room

    def recover(self) -> None:
        """Thaw what a killed daemon held still."""
        self.notes.mkdir(mode=0o700, exist_ok=True)
        for note in self.notes.iterdir():
            log.warning("thawed_after_a_kill", volume=note.name[:12], groups=freezer.thaw_leftovers(note))

    def create(self, path: Path) -> str:
        """Make an empty folder with an identity."""
        draft = self._draft(path)
        draft.mkdir(mode=0o755)
        return self._named(draft, path)

    def uuid(self, path: Path) -> str | None:
        """Return the identity that it was made with."""
        try:
            return os.getxattr(path, _IDENTITY, follow_symlinks=False).decode()
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENODATA, errno.ENOTDIR, errno.ENOTSUP):
                return None
            raise

    def delete(self, path: Path) -> None:
        """Delete the folder, file by file."""
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)

    def holds_others(self, path: Path) -> bool:
        """Nobody can make a folder in it that is not of it."""
        del path
        return False

    def generation(self, path: Path) -> int:
        """Look at every file."""
        if self.uuid(path) is None:
            raise NotASubvolume(path)
        return fingerprint(path)

    def sync(self, pool: Path) -> None:
        """Write everything to the disk; pages that are mapped then show when they are written to again."""
        descriptor = open_root(pool)
        try:
            sync_file_system(descriptor)
        finally:
            os.close(descriptor)

    def cut(self, volume: VolumeId, live: Path, target: Path, known: Known) -> Made:
        """Copy what changed, the last of it while all containers that use the volume are held still."""
        from mosaic.storage.engine.staging import Staging  # imported late: machines with btrfs never need it

        with known() as is_known, Staging(live, target, is_known=is_known, check_room=self.check_room) as staging:
            staging.copy_ahead()
            groups = groups_using(live)
            with freezer.frozen(groups or (), self.notes / volume) as held:
                staging.copy_rest()
            # A container that was started meanwhile was not held still.
            is_one_instant = groups is not None and held.in_time and groups_using(live) == groups
            generation = staging.finish()
        if not is_one_instant:
            log.info("snapshot_is_fuzzy", volume=volume[:12], could_be_held=groups is not None)
        return Made(generation, 0 if is_one_instant else FUZZY)

    def clone(self, source: Path, target: Path) -> str:
        """Copy everything; file systems that can share blocks do."""
        draft = self._draft(target)
        words = ["cp", "--archive", "--reflink=auto", "--no-target-directory", str(source), str(draft)]
        process.run(words, deadline_seconds=_COPY_SECONDS)
        return self._named(draft, target)

    def keep(self, live: Path, target: Path) -> int | None:
        """Copy everything, where blocks can be shared or it is little; what is much lies in the stores."""
        generation = fingerprint(live)
        if not shares_blocks(target.parent):
            size = _allocated_bytes(live)
            if size > MOST_COPIED_BYTES:
                return None
            try:
                self.check_room(size)
            except Refused as full:
                log.info("copy_not_kept", folder=str(target), reason=full.message)
                return None
        try:
            self.clone(live, target)
        except process.CommandFailed as error:
            log.info("copy_not_kept", folder=str(target), reason=error.message)
            self.delete(target.with_name(f"{target.name}{_DRAFT}"))
            return None
        return generation

    def set_apart(self, live: Path, target: Path) -> None:
        """Move it: a copy of all would take as much room again, and what is still written belongs to it as well."""
        live.rename(target)

    def is_set_apart(self, live: Path, folder: Path) -> bool:
        """What is at `live` is nowhere else."""
        del live, folder
        return False

    def _draft(self, path: Path) -> Path:
        """Return where a folder is made: it appears with its identity, or not at all."""
        if path.exists():
            raise SubvolumeExists(path)
        draft = path.with_name(f"{path.name}{_DRAFT}")
        self.delete(draft)
        return draft

    def _named(self, draft: Path, path: Path) -> str:
        uuid = secrets.token_hex(16)
        os.setxattr(draft, _IDENTITY, uuid.encode())
        draft.rename(path)
        return uuid


def _allocated_bytes(folder: Path) -> int:
    """Return the room that a folder's files take."""
    found = 0
    left = [folder]
    while left:
        with os.scandir(left.pop()) as entries:
            for entry in entries:
                found += entry.stat(follow_symlinks=False).st_blocks * 512
                if entry.is_dir(follow_symlinks=False):
                    left.append(Path(entry.path))
    return found


def check_folder(folder: Path) -> None:
    """Return when volumes can lie in a folder. Raises FoldersImpossible."""
    probe = folder / f".mosaic-{secrets.token_hex(4)}"
    try:
        probe.mkdir()
        try:
            os.setxattr(probe, _IDENTITY, b"probe")
        finally:
            probe.rmdir()
    except OSError as error:
        raise FoldersImpossible(folder, error.strerror or "it cannot be written to") from error
