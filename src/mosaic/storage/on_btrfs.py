"""Subvolumes on btrfs: the kernel's own, with snapshots that cost a millisecond."""

from pathlib import Path

from mosaic.adapters import btrfs
from mosaic.core.ids import VolumeId
from mosaic.storage.subvolumes import Known, Made


class OnBtrfs:
    """See `Subvolumes`."""

    keeps_snapshots = True

    def create(self, path: Path) -> str:
        """Make an empty subvolume."""
        btrfs.create(path)
        return _there(path).uuid

    def uuid(self, path: Path) -> str | None:
        """Return the uuid that the kernel gave it."""
        found = btrfs.look(path)
        return found.uuid if found else None

    def delete(self, path: Path) -> None:
        """Delete it; the kernel frees its space in the background."""
        btrfs.delete(path)

    def holds_others(self, path: Path) -> bool:
        """Ask the kernel."""
        return btrfs.holds_others(path)

    def generation(self, path: Path) -> int:
        """Return the newest transaction that changed it."""
        return _there(path).generation

    def sync(self, pool: Path) -> None:
        """Commit a transaction."""
        btrfs.sync(pool)

    def cut(self, volume: VolumeId, live: Path, target: Path, known: Known) -> Made:
        """Make a read-only snapshot. Which of its files changed, the kernel says later."""
        del volume, known
        btrfs.snapshot(live, target)
        return Made(_there(target).created_at)

    def clone(self, source: Path, target: Path) -> str:
        """Make a writable snapshot; it shares every block."""
        btrfs.clone(source, target)
        return _there(target).uuid

    def keep(self, live: Path, target: Path) -> int | None:
        """Make a read-only snapshot."""
        btrfs.snapshot(live, target)
        return _there(target).created_at

    def set_apart(self, live: Path, target: Path) -> None:
        """Make a read-only snapshot; what is written afterwards stays at `live`."""
        btrfs.snapshot(live, target)

    def is_set_apart(self, live: Path, folder: Path) -> bool:
        """A snapshot is made in the generation that the live subvolume keeps until it is changed again."""
        kept = (btrfs.look(path) for path in folder.iterdir()) if folder.is_dir() else ()
        return _there(live).generation in {found.created_at for found in kept if found is not None}


def _there(path: Path) -> btrfs.Subvolume:
    found = btrfs.look(path)
    if found is None:
        raise btrfs.NotASubvolume(path)
    return found
