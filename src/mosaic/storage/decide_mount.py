"""Deciding whether the engine may mount a volume, and remove it.

The sentences reach the person at the terminal word for word, so each says
what is so and what to type.
"""

from collections.abc import Collection

from mosaic.core.errors import Conflict, NotFound, Refused
from mosaic.core.ids import InstallationId, VolumeId
from mosaic.storage.records import DockerVolume, VolumeRecord


class MountRefused(Conflict):
    """The volume is not ready here (G4)."""

    code = "mount-refused"

    def __init__(self, installation: str, reason: str, hint: str) -> None:
        super().__init__(f"the data of installation {installation} {reason}; {hint}", hint=hint)


class RemoveRefused(Refused):
    """The engine asked to remove an installation's volume."""

    code = "remove-refused"

    def __init__(self, name: str, installation: str) -> None:
        hint = f"to remove the app with its data (kept 30 days in the trash): mosaic uninstall {installation}"
        super().__init__(f"{name} belongs to the data of installation {installation} and is kept; {hint}", hint=hint)


class NameTaken(Conflict):
    """Another volume has the name."""

    code = "volume-name-taken"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"the driver has another volume of the name {name}", hint=f"remove it first: docker volume rm {name}"
        )


class VolumeUnknown(NotFound):
    """The driver has no volume of that name."""

    code = "volume-unknown"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"the driver has no volume {name}",
            hint="`docker volume ls` lists those that there are; the Device makes an app's volumes when it starts it",
        )


def check_mount(volume: VolumeId, record: VolumeRecord | None, *, live_uuid: str | None, boot: str) -> None:
    """Raise MountRefused unless the volume is held and ready, and its very subvolume is there.

    `live_uuid` is the live subvolume's on the disk, None when there is none.
    """
    if record is None:
        raise MountRefused("?", f"(volume {volume[:12]}) was never here", "install or move the app to this Device")
    if record.phase != "ready":
        reason, hint = _not_ready(record)
        raise MountRefused(record.installation, reason, hint)
    if record.lease is None or record.boot != boot:
        raise MountRefused(
            record.installation,
            *_NOT_HELD,
        )
    if live_uuid is None or live_uuid != record.live_uuid:
        raise MountRefused(
            record.installation,
            "is not where it should be, and an empty folder is never started in its place",
            "run `mosaic doctor` on this machine",
        )


def check_guard(installation: InstallationId, records: Collection[VolumeRecord], ready: Collection[VolumeId]) -> None:
    """Raise MountRefused unless the installation has volumes here, and all of them are ready."""
    ours = [record for record in records if record.installation == installation]
    if not ours:
        raise MountRefused(installation, "was never here", "install or move the app to this Device")
    for record in ours:
        if record.volume not in ready:
            reason, hint = _not_ready(record) if record.phase != "ready" else _NOT_HELD
            raise MountRefused(installation, reason, hint)


def check_remove(docker: DockerVolume, records: Collection[VolumeRecord]) -> None:
    """Raise RemoveRefused while the Docker volume stands for data that is here, or guards some.

    An engine puts an empty volume of its own in the place of a missing one,
    which would let a container start without its guard.
    """
    for record in records:
        is_stood_for = record.volume == docker.volume or record.installation == docker.guard
        if is_stood_for and (record.live_uuid is not None or record.lease is not None):
            raise RemoveRefused(docker.name, record.installation)


_NOT_HELD = ("is not held by this Device", "start the app with `mosaic start`, which asks the Hive for the lease")


def _not_ready(record: VolumeRecord) -> tuple[str, str]:
    match record.phase:
        case "restoring":
            return "is being restored", f"wait until it is complete: mosaic show {record.installation}"
        case "going-back":
            return "goes back to an earlier snapshot", f"wait until it is there: mosaic show {record.installation}"
        case "releasing":
            return "is being moved away", f"see how far it is: mosaic show {record.installation}"
        case "set-aside":
            why = record.aside_reason or "another Device has the lease"
            return f"was set aside ({why})", f"see both versions: mosaic volume show {record.installation}"
        case "failed":
            return "could not be restored", f"see why: mosaic volume show {record.installation}"
        case "absent":
            return "is not here", "install or move the app to this Device"
        case _:
            return _NOT_HELD
