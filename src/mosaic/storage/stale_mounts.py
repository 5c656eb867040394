"""Finding out that a mount which the engine never ended is not there any more.

An engine that was killed, or that stopped a container while this daemon was
away, may never say Unmount; the volume could then never be released. Before a
volume is called 'in use', the kernel's mount tables are asked. They are
believed only where this process can see every other one, and only about
mounts that are old enough for their container to have started.
"""

import time
from pathlib import Path

from msgspec.structs import replace

from mosaic.adapters.mount_tables import Located, located, namespace_of, own_table, table_of
from mosaic.core.ids import VolumeId
from mosaic.storage import log
from mosaic.storage.daemon import Daemon

_SETTLED_SECONDS = 60.0
_FIRST_PID_NAMESPACE = "pid:[4026531836]"
"""The kernel gives the machine's own PID namespace this number, always."""

_PROC = Path("/proc")


def mounts_in_use(daemon: Daemon, volume: VolumeId) -> int:
    """Count the engine's mounts of a volume, after forgetting those that no process has."""
    counted = daemon.mounts(volume)
    if counted == 0 or not sees_all_processes():
        return counted
    folder = located(daemon.places.live(volume).resolve(), own_table())
    if folder is None or _is_mounted_anywhere(folder):
        return counted
    _forget_settled(daemon, volume)
    return daemon.mounts(volume)


def _forget_settled(daemon: Daemon, volume: VolumeId) -> None:
    now = time.monotonic()
    with daemon.lock:
        for name, docker in daemon.books.docker_volumes.items().items():
            if docker.volume != volume:
                continue
            # What was mounted by an earlier run of this daemon has no time, and is old.
            kept = tuple(
                known for known in docker.mount_ids if now - daemon.mounted_at.get(known, now - 3600) < _SETTLED_SECONDS
            )
            if kept != docker.mount_ids:
                log.info("stale_mounts_forgotten", name=name, mounts=len(docker.mount_ids) - len(kept))
                daemon.books.docker_volumes.put(name, replace(docker, mount_ids=kept))


def sees_all_processes() -> bool:
    """Return whether this process is in the machine's own PID namespace."""
    try:
        return str((_PROC / "self" / "ns" / "pid").readlink()) == _FIRST_PID_NAMESPACE
    except OSError:
        return False


def _is_mounted_anywhere(folder: Located) -> bool:
    """Return whether any process has the folder, or a part of it, mounted by itself; yes when it cannot be told."""
    looked_at: set[str] = set()
    for process in _PROC.iterdir():
        if not process.name.isdigit() or _is_no_container(process):
            continue
        try:
            namespace = namespace_of(process)
            if namespace is None or namespace in looked_at:
                continue
            table = table_of(process)
        except OSError:
            return True
        if table is None:
            continue
        looked_at.add(namespace)
        if folder.is_mounted_in(table):
            return True
    return False


def _is_no_container(process: Path) -> bool:
    """Return whether this is the machine's first process or a kernel thread; even root may not look at those."""
    try:
        parent = (process / "stat").read_text(errors="replace").rpartition(")")[2].split()[1]
    except (OSError, IndexError):
        return False
    return process.name in ("1", "2") or parent == "2"
