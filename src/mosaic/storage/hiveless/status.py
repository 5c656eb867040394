"""What is so with the volumes that no Hive knows: for `docker volume inspect` and `mosaic storage volumes`."""

from mosaic.storage import aside
from mosaic.storage.daemon import Daemon
from mosaic.storage.hiveless.words import instant
from mosaic.storage.records import Hiveless
from mosaic.storage.states import volume_state
from mosaic.storage.volume import Volume
from mosaic.wire.hiveless import HivelessVolume
from mosaic.wire.storage import VolumeState

_HERE_ONLY = "saved on this machine only"


def every(daemon: Daemon) -> list[HivelessVolume]:
    """Return all of them, those in the trash too, sorted by name."""
    with daemon.lock:
        volumes = list(daemon.volumes.values())
    found = [described(daemon, volume, hiveless) for volume in volumes if (hiveless := volume.record.hiveless)]
    there = [one for one in found if one.removed_ns is None or one.has_data]
    return sorted(there, key=lambda one: (one.removed_ns is not None, one.name, one.public_key))


def described(daemon: Daemon, volume: Volume, hiveless: Hiveless) -> HivelessVolume:
    """Return what is so with one."""
    seen = volume_state(daemon, volume)
    replica = seen.replicas[0] if seen.replicas else None
    return HivelessVolume(
        name=hiveless.name,
        public_key=volume.id,
        store=hiveless.store,
        key_file=hiveless.key_file,
        state=_state(hiveless, seen),
        same_machine=hiveless.same_machine,
        last_replicated_ns=replica.instant_ns if replica else None,
        waiting_bytes=seen.waiting_bytes,
        epoch=seen.epoch,
        confirmed=hiveless.confirmed,
        mounts=seen.mounts,
        moved_bytes=seen.moved_bytes,
        total_bytes=seen.total_bytes,
        problem=seen.problem,
        conflicts=aside.conflicts(daemon.places, volume.id),
        removed_ns=hiveless.removed_ns,
        has_data=volume.record.live_uuid is not None,
        keeps=hiveless.keeps,
    )


def shown(daemon: Daemon, volume: Volume) -> dict[str, str]:
    """Return the lines below `Status` in `docker volume inspect`. There is no secret in them."""
    hiveless = volume.record.hiveless
    assert hiveless is not None
    found = described(daemon, volume, hiveless)
    lines = {
        "public_key": found.public_key,
        "store": found.store,
        "state": found.state,
        "last_replicated": instant(found.last_replicated_ns) if found.last_replicated_ns else "never",
        "bytes_waiting": _waiting(found),
        "epoch": found.epoch or "none",
        "key_file": found.key_file,
        "keep": found.keeps or "what was chosen before, or the default: the store is asked with the next collection",
    }
    if found.same_machine:
        lines["remark"] = "the store is on this machine: it is no replica; use a store elsewhere as well"
    if found.epoch is not None and not found.confirmed:
        lines["unconfirmed"] = "the store was not asked since the start whether another machine took the volume over"
    if found.problem is not None:
        lines["problem"] = f"{found.problem.message}; {found.problem.hint}"
    if left := volume.record.left_out:
        lines["left_out"] = "; ".join(f"{one.path}: {one.reason}" for one in left)
    if found.conflicts:
        lines["conflicts"] = ", ".join(conflict.path for conflict in found.conflicts)
    return lines


def _waiting(found: HivelessVolume) -> str:
    if found.waiting_bytes or found.state in ("replicated", _HERE_ONLY):
        return str(found.waiting_bytes)
    # How much changed is known when it is read, and that happens while it is sent.
    return "unknown until they are sent"


def _state(hiveless: Hiveless, seen: VolumeState) -> str:
    if hiveless.removed_ns is not None:
        return "in the trash"
    if seen.phase == "set-aside":
        return "taken over by another machine"
    if seen.phase == "failed":
        return "error"
    if seen.phase == "restoring":
        return "restoring"
    if seen.phase != "ready" or not seen.replicas:
        return "error" if seen.problem is not None else "pending"
    if not hiveless.confirmed:
        # Nobody looks for changes before the store has answered, so nothing may be called replicated.
        return "pending"
    state = seen.replicas[0].state
    return _HERE_ONLY if state == "replicated" and hiveless.same_machine else state
