"""Bringing a Hive back from a store and its recovery kit, on a machine that knows nothing of it.

Everything is written beside the state folder first, checked, and renamed when
it is whole, so that a kill leaves either nothing or all of it. The Hive comes
back as it was at its newest copy, and knows that it went back in time: it
grants nothing until every Device has told what it knows (see
`mosaic.hive.roll_call`).
"""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from mosaic.adapters.backup_files import BackupFiles, Destination
from mosaic.adapters.private_file import sync_folder
from mosaic.adapters.sqlite_copy import check_database
from mosaic.cli.hive_backup import history
from mosaic.cli.hive_backup.places import opened
from mosaic.cli.hive_backup.stage import DATABASE
from mosaic.core.errors import Conflict, Corrupt, NotFound
from mosaic.crypto.secret import Secret
from mosaic.crypto.volume_keys import VolumeKeys, volume_keys
from mosaic.storage.engine.heads import open_head, root_of
from mosaic.storage.engine.index import ChunkIndex
from mosaic.storage.engine.nodes import NodeMap
from mosaic.storage.engine.restore import restore
from mosaic.storage.engine.store import Store
from mosaic.wire.head import Head

_MOST_TRIED = 64


class NoCopyThere(NotFound):
    """The place has no copy that this kit opens."""

    code = "no-hive-copy"

    def __init__(self, url: str) -> None:
        super().__init__(
            f"{url} has no copy of the Hive that this kit belongs to",
            hint="name the place that the kit names under `Hive's copies`, and use that Hive's own kit",
        )


class HiveIsHere(Conflict):
    """The state folder is not empty: a Hive may live in it."""

    code = "hive-is-here"

    def __init__(self, state: Path) -> None:
        super().__init__(
            f"{state} is not empty: a Hive may live there, and nothing of it was touched",
            hint="give an empty place with `--state`, or move that folder away first",
        )


@dataclass(frozen=True, slots=True)
class Recovered:
    """What came back: the instant of the copy, and how many newer ones were damaged."""

    state: Path
    instant_ns: int
    seq: int
    passed_over: int


def recover(state: Path, destination: Destination, seed: Secret) -> Recovered:
    """Restore the newest whole copy as `state`, which must be empty or not there.

    Raises:
        HiveIsHere, NoCopyThere: nothing was written.
        Corrupt: no copy is whole.
        Unavailable: the store did not answer; call again.
    """
    if state.exists() and any(state.iterdir()):
        raise HiveIsHere(state)
    keys = volume_keys(seed.reveal())
    store = opened(destination, keys.volume).store
    draft = state.with_name(f".{state.name}.recovering")
    head, passed_over = _restored(store, keys, draft, destination)
    mark_recovering(draft / DATABASE)
    files = BackupFiles(draft)
    files.put_seed(seed)
    files.put_destination(destination)
    _take_place(draft, state)
    return Recovered(state, head.instant_ns, head.seq, passed_over)


def _restored(store: Store, keys: VolumeKeys, draft: Path, destination: Destination) -> tuple[Head, int]:
    """Restore the newest copy that is whole, and say how many newer ones are not."""
    damage: Corrupt | NotFound | None = None
    for passed_over, signed in enumerate(history.newest_first(store, keys.volume, most=_MOST_TRIED)):
        head = open_head(signed, keys.volume)
        # What a killed or failed attempt left behind is of no use to this one.
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700, parents=True)
        known, nodes = ChunkIndex(), NodeMap()
        try:
            known.load(store, keys)
            restore(root_of(head), keys, store, draft, known=known, nodes=nodes)
            check_database(draft / DATABASE)
        except (Corrupt, NotFound) as error:
            damage = damage or error
            continue
        finally:
            known.close()
            nodes.close()
        draft.chmod(0o700)
        return head, passed_over
    raise damage or NoCopyThere(destination.url)


def mark_recovering(database: Path) -> None:
    """Note in a Hive's database that it went back in time, before that Hive can start. Twice is fine."""
    from mosaic.adapters.sql import roll_calls
    from mosaic.adapters.sql.engine import open_sqlite

    opened_database = open_sqlite(database)
    try:
        with opened_database.write() as tx:
            roll_calls.begin(tx, now_ns=time.time_ns())
    finally:
        opened_database.close()


def _take_place(draft: Path, state: Path) -> None:
    if state.exists():
        state.rmdir()
    state.parent.mkdir(parents=True, exist_ok=True)
    draft.rename(state)
    sync_folder(state.parent)
