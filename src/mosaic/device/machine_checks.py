"""How the machine itself is: what its kernel knows, what room there is, where the engine finds the volume driver.

What a later step needs of a kernel (tun, nftables) is that step's to check.
"""

from collections.abc import Sequence
from pathlib import Path

from mosaic.adapters import disk_room, freezer, process
from mosaic.core.disk_forecast import DEFAULT_WATERMARK
from mosaic.core.errors import Refused

_SECONDS = 20.0
_FILE_SYSTEMS = Path("/proc/filesystems")


class OverlayMissing(Refused):
    """The kernel has no overlay file system."""

    code = "overlay-missing"

    def __init__(self) -> None:
        super().__init__(
            "this kernel does not know overlay, so the engine copies every layer of an image whole",
            hint="load the module (`modprobe overlay`), or use a kernel that has it; apps run, and need more room",
        )


class DiskNearlyFull(Refused):
    """A disk is fuller than it may be after an app was fetched."""

    code = "disk-nearly-full"

    def __init__(self, where: str, free_bytes: int) -> None:
        super().__init__(
            f"the disk at {where} is more than {DEFAULT_WATERMARK} % full: {gibibytes(free_bytes)} are free",
            hint="free some space there: no app is installed or updated until then; those that run keep running",
        )


class FreezerMissing(Refused):
    """Volumes are copied, and nothing can hold their apps still meanwhile."""

    code = "freezer-missing"

    def __init__(self) -> None:
        super().__init__(
            "volumes are copied from plain folders, and no control group can be frozen here: snapshots are fuzzy",
            hint="keep volumes on btrfs (`--pool FOLDER`), or let this process see the machine's control groups",
        )


class DriverUnfound(Refused):
    """The engine would not find the volume driver."""

    code = "driver-unfound"

    def __init__(self, socket: Path) -> None:
        super().__init__(
            f"the volume driver's socket {socket} is not there, so the engine starts no app of this Device",
            hint="the storage daemon makes it when it starts; does the engine look there for plugins?",
        )


def check_btrfs() -> str:
    """Say how volumes are kept. Nothing is missing without btrfs."""
    without = "volumes lie in plain folders, and what changed is copied"
    if not _knows("btrfs"):
        return f"the kernel does not know it: {without}"
    return "the kernel knows it"


def check_overlay() -> str:
    """Raises OverlayMissing."""
    if not _knows("overlay"):
        raise OverlayMissing
    return "the kernel knows it"


def check_room(folders: Sequence[Path]) -> str:
    """Say how much is free where these lie, or will. Raises DiskNearlyFull."""
    rooms = [disk_room.room_of(folder) for folder in folders]
    for room in rooms:
        if room.free_bytes * 100 < room.total_bytes * (100 - DEFAULT_WATERMARK):
            raise DiskNearlyFull(room.where, room.free_bytes)
    return ", ".join(f"{gibibytes(room.free_bytes)} free at {room.where}" for room in rooms)


def check_freezer(*, is_needed: bool) -> str:
    """Say whether apps can be held still while they are copied. Raises FreezerMissing."""
    if not is_needed:
        return "not needed: the pool has snapshots of its own"
    found = freezer.mounted()
    if found.first is None and found.second is None:
        raise FreezerMissing
    return "apps are held still while they are copied"


def check_driver(driver: str, plugins: Path) -> str:
    """Say where the engine finds the volume driver. Raises DriverUnfound."""
    socket = plugins / f"{driver}.sock"
    if not socket.is_socket():
        raise DriverUnfound(socket)
    return f"{driver}, at {socket}"


def gibibytes(count: int) -> str:
    """Return a size for people."""
    return f"{count / 2**30:.1f} GiB"


def _knows(file_system: str) -> bool:
    if file_system in _FILE_SYSTEMS.read_text().split():
        return True
    try:
        # A module that would be loaded when it is first mounted.
        process.run(["modprobe", "--dry-run", "--quiet", file_system], deadline_seconds=_SECONDS)
    except (process.CommandFailed, process.ProgramMissing):
        return False
    return True
