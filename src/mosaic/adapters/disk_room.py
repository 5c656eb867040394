"""How much room there is where a folder lies, and which folders share it."""

import os
from pathlib import Path

from mosaic.adapters import mount_tables
from mosaic.adapters.mount_tables import nearest
from mosaic.core.disk_forecast import Room


def room_of(folder: Path, *, table: Path = mount_tables.OWN) -> Room:
    """Return the room at a folder, or at the nearest one above it that exists."""
    there = folder.absolute()
    while not there.exists():
        there = there.parent
    disk = os.statvfs(there)
    return Room(
        where=str(folder),
        file_system=_file_system(there.resolve(), table),
        block_bytes=max(512, disk.f_frsize),
        free_bytes=disk.f_bavail * disk.f_frsize,
        total_bytes=disk.f_blocks * disk.f_frsize,
    )


def _file_system(folder: Path, table: Path) -> str:
    """Return the mounted device's numbers; those of `stat` differ from one btrfs subvolume to the next."""
    mount = nearest(folder, mount_tables.read(table))
    return mount.device if mount is not None else str(folder.stat().st_dev)
