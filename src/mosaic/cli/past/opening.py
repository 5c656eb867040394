"""Opening the snapshot that is meant, for reading."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass

import click

from mosaic.cli.past.asked import Asked
from mosaic.cli.past.at_hive import at_hive
from mosaic.cli.past.at_store import at_store
from mosaic.cli.past.index_cache import index_of
from mosaic.cli.past.past import Past, PastSnapshot
from mosaic.cli.units import zoned
from mosaic.core.auditing import is_suspect
from mosaic.core.errors import NotFound
from mosaic.core.ids import HeadHash
from mosaic.core.snapshot_choice import choose, parse_at
from mosaic.crypto.volume_keys import VolumeKeys
from mosaic.storage.engine.heads import root_of
from mosaic.storage.engine.index import ChunkIndex
from mosaic.storage.engine.roots import RootRef
from mosaic.storage.engine.suspects import suspects_in

SUSPECT = (
    "Snapshots marked SUSPECT may lack changes that the app had made before them: an audit found that some were "
    "overlooked. Those that are not marked have everything."
)


class NoSnapshots(NotFound):
    """Nothing of the volume was ever replicated."""

    code = "no-snapshots"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} has no snapshot yet",
            hint="wait for its first replication; `mosaic volume list` says how far it is",
        )


@dataclass(frozen=True, slots=True)
class OpenSnapshot:
    """A snapshot with all that the engine needs to read it."""

    past: Past
    snapshot: PastSnapshot
    keys: VolumeKeys
    known: ChunkIndex

    @property
    def root(self) -> RootRef:
        """The state that the snapshot points at."""
        return root_of(self.snapshot.head)


@contextlib.contextmanager
def past_of(asked: Asked) -> Iterator[Past]:
    """Find the volume, at the Hive or in the store that is named."""
    if asked.store is not None:
        with at_store(asked.store, asked) as kept:
            yield kept
        return
    with at_hive(asked) as past:
        yield past


@contextlib.contextmanager
def opened(asked: Asked) -> Iterator[OpenSnapshot]:
    """Choose the snapshot, then ask for what opens it: nobody types a passphrase for one that is not there."""
    with past_of(asked) as past:
        snapshot = chosen(past, asked.at)
        warn_of_suspects(past, snapshot)
        keys = past.keys()
        with past.reading(snapshot.hash), index_of(past, keys) as known:
            yield OpenSnapshot(past, snapshot, keys, known)


def chosen(past: Past, at: str | None) -> PastSnapshot:
    """Return the snapshot that is meant, the newest without `at`.

    Raises:
        AtUnreadable, SnapshotUnknown, SnapshotAmbiguous, NoSnapshots.
    """
    wanted = None if at is None else parse_at(at, now_ns=time.time_ns(), local=zoned)
    if wanted is None:
        newest = next(past.snapshots(), None)
        if newest is None:
            raise NoSnapshots(past.name)
        return newest
    found: dict[HeadHash, PastSnapshot] = {one.hash: one for one in past.snapshots()}
    if not found:
        raise NoSnapshots(past.name)
    return found[choose((one.choice for one in found.values()), wanted).head]


def warn_of_suspects(past: Past, *meant: PastSnapshot) -> None:
    """Say on stderr that an audit put snapshots under suspicion, when it did."""
    doubted = list(suspects_in(past.store, past.volume))
    for one in meant:
        if is_suspect(one.seq, doubted):
            click.echo(
                f"Snapshot {one.seq} is SUSPECT: an audit found that changes were overlooked about then, and it may "
                f"lack some. `mosaic volume snapshots {past.name}` shows which snapshots have everything.",
                err=True,
            )
