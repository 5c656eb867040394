"""How much room there is where a folder lies, and which folders share it."""

import os
from pathlib import Path

from mosaic.core.disk_forecast import Room


def room_of(folder: Path, *, table: Path = Path("/proc/self/mountinfo")) -> Room:
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
    best, found = -1, ""
    for line in table.read_text(errors="surrogateescape").splitlines():
        fields = line.split(" ")
        # Spaces in a path are written as \040.
        point = Path(fields[4].replace("\\040", " "))
        if len(point.parts) >= best and folder.is_relative_to(point):
            best, found = len(point.parts), fields[2]
    return found or str(folder.stat().st_dev)
