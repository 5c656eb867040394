"""Making one copy: gather the Hive's state, send what the store lacks, and sign a head over it.

The mirrored head is what makes a copy one: killed before it, the store has
some unused objects more, and the copy before is the newest.
"""

import contextlib
import sqlite3
import time
from pathlib import Path

from mosaic.adapters import lock_file
from mosaic.adapters.backup_files import BackupFiles, Destination
from mosaic.cli.hive_backup import history, pruning
from mosaic.cli.hive_backup.places import Place, opened
from mosaic.cli.hive_backup.stage import DATABASE, gather
from mosaic.core.consistency import APP_CONSISTENT
from mosaic.core.epoch import Epoch
from mosaic.core.errors import Conflict, MosaicError, Refused
from mosaic.core.ids import DeviceId
from mosaic.crypto.hashing import head_hash
from mosaic.crypto.volume_keys import VolumeKeys, volume_keys
from mosaic.storage.engine.heads import mirror_head, open_head, root_of, sign_head
from mosaic.storage.engine.index import ChunkIndex
from mosaic.storage.engine.mend import note_mended, replicate_and_mend
from mosaic.storage.engine.nodes import NodeMap
from mosaic.storage.engine.replicate import replicate
from mosaic.storage.engine.roots import RootRef
from mosaic.storage.engine.verify import verify
from mosaic.wire.head import Head
from mosaic.wire.hive_backup import BackupStatus

_NO_DEVICE = DeviceId("00" * 16)


class NotSetUp(Refused):
    """Nobody said where copies go."""

    code = "hive-backup-not-set-up"

    def __init__(self) -> None:
        super().__init__(
            "this Hive's database is copied nowhere, and dies with this machine",
            hint="say where with `mosaic hive backup set FOLDER`, best of another machine",
        )


class BackupRunning(Conflict):
    """Another process makes a copy at the moment."""

    code = "hive-backup-running"

    def __init__(self) -> None:
        super().__init__("another process makes a copy at the moment", hint="wait for it; it takes some seconds")


def back_up(state: Path) -> BackupStatus:
    """Make a copy, and note how it ended; what did not change is not sent.

    Raises:
        NotSetUp, BackupRunning: nothing was tried.
        MosaicError: it failed. That is noted, and the copy before stays the newest.
    """
    files = BackupFiles(state)
    destination = files.destination()
    if destination is None:
        raise NotSetUp
    files.make()
    with lock_file.held(files.folder / "lock", BackupRunning):
        before = files.status()
        tried_ns = time.time_ns()
        try:
            status = _copied(files, destination, tried_ns)
        except MosaicError as error:
            files.put_status(_failed(before, destination, tried_ns, error))
            raise
        files.put_status(status)
        return status


def _copied(files: BackupFiles, destination: Destination, tried_ns: int) -> BackupStatus:
    keys = volume_keys(files.seed().reveal())
    place = opened(destination, keys.volume)
    stage = files.folder / "stage"
    # The instant is one before which everything is in the copy.
    taken_ns = time.time_ns()
    gather(files.state, stage)
    newest = history.newest(place.store, keys.volume)
    previous = root_of(open_head(newest, keys.volume)) if newest else None
    there = pruning.listed(place.store)
    is_whole = previous is not None and pruning.is_due(files.folder, there)
    if is_whole:
        root, sent = _sent_whole(stage, keys, place, taken_ns)
    else:
        root, sent = _sent(files.folder, stage, keys, place, previous, taken_ns)
    if newest is not None and root == previous:
        head = open_head(newest, keys.volume)
        return BackupStatus(destination.url, place.same_machine, taken_ns, tried_ns, head.seq, sent)
    before = open_head(newest, keys.volume) if newest else None
    head = Head(
        volume=keys.volume,
        epoch=max(_epoch(stage / DATABASE), before.epoch if before else Epoch(0, 0)),
        seq=before.seq + 1 if before else 1,
        previous=head_hash(newest) if newest else None,
        instant_ns=taken_ns,
        device=_NO_DEVICE,
        app_digest=None,
        config_revision=0,
        root=root.root,
        root_pack=root.pack,
        flags=APP_CONSISTENT,
    )
    mirror_head(place.store, sign_head(head, keys.seed))
    if is_whole and _is_readable(root, keys, place):
        pruning.prune(files.folder, place.store, there, sent)
    return BackupStatus(destination.url, place.same_machine, taken_ns, tried_ns, head.seq, sent)


def _sent(
    folder: Path, stage: Path, keys: VolumeKeys, place: Place, previous: RootRef | None, taken_ns: int
) -> tuple[RootRef, int]:
    known, nodes = ChunkIndex(folder / "index"), NodeMap(folder / "nodes")
    store = pruning.Lasting(folder, place.store)
    try:
        known.load(store, keys)
        done = replicate_and_mend(stage, keys, store, previous=previous, known=known, nodes=nodes, taken_ns=taken_ns)
        note_mended(place.store, known, done.replaced)
    finally:
        known.close()
        nodes.close()
    return done.replication.root, done.replication.uploaded_bytes


def _sent_whole(stage: Path, keys: VolumeKeys, place: Place, taken_ns: int) -> tuple[RootRef, int]:
    """Send everything, so that the copy needs nothing that was there before."""
    known, nodes = ChunkIndex(), NodeMap()
    try:
        done = replicate(stage, keys, place.store, previous=None, known=known, nodes=nodes, taken_ns=taken_ns)
    finally:
        known.close()
        nodes.close()
    return done.root, done.uploaded_bytes


def _is_readable(root: RootRef, keys: VolumeKeys, place: Place) -> bool:
    known = ChunkIndex()
    try:
        known.load(place.store, keys)
        return not verify(root, keys, place.store, known=known).damaged
    finally:
        known.close()


def _epoch(database: Path) -> Epoch:
    """Return the Hive's term as an epoch: a Hive that was recovered goes on above all that was before it."""
    with contextlib.closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as opened_database:
        row = opened_database.execute("SELECT value FROM hive WHERE name = 'term'").fetchone()
    return Epoch(int(row[0]) if row else 0, 1)


def _failed(before: BackupStatus | None, destination: Destination, tried_ns: int, error: MosaicError) -> BackupStatus:
    same_place = before is not None and before.to == destination.url
    return BackupStatus(
        to=destination.url,
        same_machine=before.same_machine if before and same_place else False,
        instant_ns=before.instant_ns if before and same_place else None,
        tried_ns=tried_ns,
        seq=before.seq if before and same_place else 0,
        code=error.code,
        message=error.message,
        hint=error.hint,
    )
