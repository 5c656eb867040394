"""The volumes that Docker engines see: folders of held volumes, and guards.

Nothing is really mounted: a Docker volume is a folder of a live subvolume, so
a restart of this daemon never disturbs a running container. What is counted
is who uses it, by the engine's mount ids, and what is decided is whether it
may be used at all.
"""

import contextlib
import errno
import os
import re
import time
from collections.abc import Mapping
from pathlib import Path

from msgspec.structs import replace

from mosaic.adapters import btrfs
from mosaic.core.errors import Refused
from mosaic.core.ids import InstallationId, VolumeId
from mosaic.storage.daemon import Daemon
from mosaic.storage.decide_mount import MountRefused, NameTaken, VolumeUnknown, check_guard, check_mount, check_remove
from mosaic.storage.records import DockerVolume
from mosaic.storage.volume import Volume

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,199}", re.ASCII)
_VOLUME = re.compile(r"[0-9a-f]{64}", re.ASCII)
_FOLDER_MODE = 0o755
_GUARD_MODE = 0o555


class OptionsRefused(Refused):
    """`docker volume create` was given words that the driver does not know."""

    code = "volume-options-refused"

    def __init__(
        self,
        reason: str,
        *,
        hint: str = "volumes of apps are made by the Device; install an app with `mosaic install APP`",
    ) -> None:
        super().__init__(f"{reason}; {hint}", hint=hint)


def create(daemon: Daemon, name: str, options: Mapping[str, str]) -> None:
    """Note a Docker volume, or make one that needs no Hive. The same again is fine.

    Of a Device's volumes nothing is made on the disk before a mount.
    """
    if not options and _without_hive(daemon, name) is not None:
        # An engine that has forgotten the options: the volume is there.
        return
    wanted = _parse(name, options)
    if wanted is None:
        # Loaded when there is such a volume: a Device's daemon pays nothing for it.
        from mosaic.storage.hiveless.creating import create as create_without_hive

        create_without_hive(daemon, name, options)
        return
    with daemon.lock:
        there = daemon.books.docker_volumes.get(name)
        if there is None:
            daemon.books.docker_volumes.put(name, wanted)
        elif (there.volume, there.folder, there.guard) != (wanted.volume, wanted.folder, wanted.guard):
            raise NameTaken(name)


def mount(daemon: Daemon, name: str, mount_id: str) -> Path:
    """Return the folder to use, and count the user. Raises MountRefused unless everything is ready (G4)."""
    docker = find(daemon, name)
    if docker.guard is not None:
        path = _ready_guard(daemon, docker.guard)
        _note_mount(daemon, name, mount_id)
        return path
    volume = daemon.volumes.get(docker.volume) if docker.volume else None
    if volume is None:
        assert docker.volume is not None
        check_mount(docker.volume, None, live_uuid=None, boot=daemon.boot)
        raise AssertionError("a volume that nobody knows is refused above")
    if volume.record.hiveless is not None:
        from mosaic.storage.hiveless.mounting import check_ready

        check_ready(daemon, volume)
    # Under the lock, so that no release or fence falls between the look and the count.
    with volume.wakes:
        check_mount(volume.id, volume.record, live_uuid=volume.live, boot=daemon.boot)
        path = _folder(daemon, docker)
        _make_folder(path, volume.record.installation)
        _note_mount(daemon, name, mount_id)
    return path


def unmount(daemon: Daemon, name: str, mount_id: str) -> None:
    """Forget a user. One that is not known is fine."""
    with daemon.lock:
        daemon.mounted_at.pop(mount_id, None)
        docker = daemon.books.docker_volumes.get(name)
        if docker is not None and mount_id in docker.mount_ids:
            left = tuple(known for known in docker.mount_ids if known != mount_id)
            daemon.books.docker_volumes.put(name, replace(docker, mount_ids=left))
    daemon.reports.changed()


def remove(daemon: Daemon, name: str) -> None:
    """Forget a Docker volume. Refused while it stands for a Device's data that is here; unknown ones are fine.

    A volume that needs no Hive goes to the trash.
    """
    if (own := _without_hive(daemon, name)) is not None:
        from mosaic.storage.hiveless import trash

        trash.remove(daemon, own)
        return
    with daemon.lock:
        docker = daemon.books.docker_volumes.get(name)
        if docker is None:
            return
        check_remove(docker, [volume.record for volume in daemon.volumes.values()])
        daemon.books.docker_volumes.delete(name)


def find(daemon: Daemon, name: str) -> DockerVolume:
    """Return a Docker volume. Raises VolumeUnknown."""
    docker = daemon.books.docker_volumes.get(name)
    if docker is None:
        raise VolumeUnknown(name)
    return docker


def every(daemon: Daemon) -> list[DockerVolume]:
    """Return all Docker volumes, sorted by name."""
    return list(daemon.books.docker_volumes.items().values())


def mountpoint(daemon: Daemon, docker: DockerVolume) -> str:
    """Return where a mounted volume lies; empty when nothing uses it."""
    if not docker.mount_ids:
        return ""
    return str(daemon.places.guard(docker.guard) if docker.guard else _folder(daemon, docker))


def forget_mounts(daemon: Daemon) -> None:
    """After a reboot nothing is in use."""
    with daemon.books.transaction():
        for name, docker in daemon.books.docker_volumes.items().items():
            daemon.books.docker_volumes.put(name, replace(docker, mount_ids=()))


def _without_hive(daemon: Daemon, name: str) -> Volume | None:
    docker = daemon.books.docker_volumes.get(name)
    volume = daemon.volumes.get(docker.volume) if docker is not None and docker.volume else None
    return volume if volume is not None and volume.record.hiveless is not None else None


def _parse(name: str, options: Mapping[str, str]) -> DockerVolume | None:
    """Read the options; None for a volume with a store of its own."""
    if not _NAME.fullmatch(name):
        raise OptionsRefused(f"{name!r} is not a name that the driver takes")
    if "store" in options:
        return None
    if set(options) == {"guard"} and _NAME.fullmatch(options["guard"]):
        return DockerVolume(name, guard=InstallationId(options["guard"]))
    if "volume" not in options:
        raise OptionsRefused(
            "volumes of the driver mosaic belong to an app or have a store of their own, and this one names neither",
            hint="give a store, -o store=/mnt/nas/backups or -o store=s3://bucket/folder?endpoint=…, or install an "
            "app with `mosaic install APP`",
        )
    if set(options) != {"volume", "folder"}:
        raise OptionsRefused(f"the driver takes the options volume and folder, not {', '.join(sorted(options))}")
    if not _VOLUME.fullmatch(options["volume"]):
        raise OptionsRefused("the option volume is not a volume's name (64 hexadecimal characters)")
    if not _NAME.fullmatch(options["folder"]):
        raise OptionsRefused("the option folder is not a plain name")
    return DockerVolume(name, volume=VolumeId(options["volume"]), folder=options["folder"])


def _ready_guard(daemon: Daemon, installation: InstallationId) -> Path:
    volumes = list(daemon.volumes.values())
    ready = {volume.id for volume in volumes if _is_ready(daemon, volume)}
    check_guard(installation, [volume.record for volume in volumes if not volume.record.discarded], ready)
    path = daemon.places.guard(installation)
    path.mkdir(mode=_GUARD_MODE, exist_ok=True)
    return path


def _is_ready(daemon: Daemon, volume: Volume) -> bool:
    try:
        check_mount(volume.id, volume.record, live_uuid=volume.live, boot=daemon.boot)
    except MountRefused:
        return False
    return True


def _folder(daemon: Daemon, docker: DockerVolume) -> Path:
    assert docker.volume is not None
    assert docker.folder is not None
    return daemon.places.live(docker.volume) / docker.folder


def _make_folder(path: Path, installation: InstallationId) -> None:
    """Have a directory at the path. Raises MountRefused when something else is there.

    No container can reach it: a restored snapshot has it, and whoever could write that might lead the engine
    anywhere on this machine by a link.
    """
    try:
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=_FOLDER_MODE)
        os.close(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC))
    except OSError as error:
        if error.errno not in (errno.ENOTDIR, errno.ELOOP):
            raise btrfs.meaning(path, error) from error
        raise MountRefused(
            installation,
            f"has something else than a folder at {path.name}, which no Device of yours should have written",
            f"go back to an earlier snapshot: mosaic volume restore {installation} --at WHEN",
        ) from error


def _note_mount(daemon: Daemon, name: str, mount_id: str) -> None:
    with daemon.lock:
        docker = find(daemon, name)
        daemon.mounted_at[mount_id] = time.monotonic()
        if mount_id not in docker.mount_ids:
            daemon.books.docker_volumes.put(name, replace(docker, mount_ids=(*docker.mount_ids, mount_id)))
    daemon.reports.changed()
