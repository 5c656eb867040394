"""Whether what is mounted under a folder of this container is seen by the machine that it runs on."""

from pathlib import Path

from mosaic.adapters import mount_tables
from mosaic.adapters.mount_tables import nearest


def is_shared(folder: Path, *, table: Path = mount_tables.OWN) -> bool:
    """Return whether the mount that a folder lies on passes on what is mounted beneath it."""
    mount = nearest(folder, mount_tables.read(table))
    return mount is not None and mount.is_shared
