"""Asking the kernel where a snapshot differs from the one that was replicated before it."""

from pathlib import Path

from mosaic.adapters import btrfs
from mosaic.adapters.btrfs_send import difference
from mosaic.core.errors import MosaicError
from mosaic.storage import log
from mosaic.storage.engine.changes import Hints, Spot, gather
from mosaic.storage.engine.send_stream import StreamUnreadable, commands


def hints(snapshot: Path, before: Path | None) -> Hints | None:
    """Return where `snapshot` differs from `before`, both read-only; None when `snapshot` is gone.

    Hints without changes mean that every file is looked at: there is nothing
    to compare with, the kernel refuses, or too much has changed.
    """
    found = btrfs.look(snapshot)
    if found is None:
        return None
    base = btrfs.look(before) if before is not None else None
    if before is None or base is None:
        return Hints(found.uuid, "", None)
    return Hints(found.uuid, base.uuid, _changes(snapshot, before))


def _changes(snapshot: Path, before: Path) -> Spot | None:
    try:
        with difference(snapshot, before) as stream:
            return gather(commands(stream))
    except (StreamUnreadable, MosaicError, OSError) as error:
        log.info("every_file_is_looked_at", snapshot=snapshot.name, reason=str(error))
        return None
