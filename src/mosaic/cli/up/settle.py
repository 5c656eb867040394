"""Bringing a Device's apps to rest before its storage daemon ends.

For Ctrl-C only, when the Device itself has ended: every app is stopped, a last
snapshot is cut, and it is waited for until the stores have it. What is wanted
of the apps stays as it was, so the next start brings them back.
"""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mosaic.adapters import process
from mosaic.adapters.docker import compose
from mosaic.adapters.storage_client import StorageClient, StorageSilent
from mosaic.core.errors import MosaicError
from mosaic.wire.storage import SnapshotNow, State, StateRequest, VolumeState

STOP_GRACE_SECONDS = 20
REPLICATE_SECONDS = 60.0
_STOP_SECONDS = 120.0
_LOOK_SECONDS = 1.0


def settle(projects: Path, storage_socket: Path, *, engine: str) -> list[str]:
    """Stop the apps and replicate them. Returns a sentence for everything that could not be done."""
    complaints = _stop_apps(projects, engine)
    if storage_socket.exists():
        complaints += replicate(StorageClient(storage_socket))
    return complaints


def _stop_apps(projects: Path, engine: str) -> list[str]:
    files = sorted(projects.glob("*/compose.json"))
    if not files:
        return []
    with ThreadPoolExecutor(max_workers=4) as pool:
        return [said for said in pool.map(lambda file: _stop_app(file, engine), files) if said]


def _stop_app(file: Path, engine: str) -> str:
    # Down and not stop: a container that ended with 0 looks like one that has done its work.
    project = str(json.loads(file.read_text())["name"])
    words = compose.down(engine, project, file, grace_seconds=STOP_GRACE_SECONDS)
    try:
        process.run(words, deadline_seconds=_STOP_SECONDS, inherited=compose.INHERITED)
    except MosaicError as error:
        return f"{project} was not stopped: {error.message}"
    return ""


def replicate(storage: StorageClient) -> list[str]:
    """Cut a snapshot of every volume that is held here, and wait until the stores have all of them.

    Returns a sentence for everything that could not be done.
    """
    deadline = time.monotonic() + REPLICATE_SECONDS
    complaints: list[str] = []
    try:
        # All of them once, also those that are called clean: that was seen before their apps ended.
        state = storage.state(StateRequest())
        behind = held(state)
        while behind and time.monotonic() < deadline and not complaints:
            # Again and again: what the app wrote while it was ending may have come after the last one.
            complaints = [said for volume in behind if (said := _snapshot(storage, volume))]
            state = storage.state(StateRequest(after=state.version, wait_seconds=_LOOK_SECONDS))
            behind = waiting(state)
    except StorageSilent as error:
        return [error.message]
    late = [volume.volume[:12] for volume in behind]
    return complaints + [f"volume {key} is not replicated yet; it will be after the next start" for key in late]


def _snapshot(storage: StorageClient, volume: VolumeState) -> str:
    assert volume.epoch is not None
    try:
        storage.snapshot(SnapshotNow(volume.volume, volume.epoch))
    except StorageSilent:
        raise
    except MosaicError as error:
        return f"volume {volume.volume[:12]} got no last snapshot: {error.message}"
    return ""


def held(state: State) -> list[VolumeState]:
    """Return the volumes that are held here."""
    return [volume for volume in state.volumes if volume.phase == "ready" and volume.epoch is not None]


def waiting(state: State) -> list[VolumeState]:
    """Return the volumes held here that the store with their heads does not have to the last byte.

    Stores that follow are not waited for: one of them may be away for a week.
    """
    return [volume for volume in held(state) if not volume.clean or not _is_stored(volume)]


def _is_stored(volume: VolumeState) -> bool:
    return bool(volume.replicas) and volume.replicas[0].head == volume.local_head
