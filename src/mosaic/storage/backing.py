"""Where the heads and the packs of a volume go.

A volume's work asks for its `Backing` and for nothing behind it, so that what
keeps heads (a Hive, or a store that is its own log) and what keeps packs (one
store, or several) can differ from volume to volume.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from mosaic.adapters.hive_blobs import CommitAnswer
from mosaic.core.errors import MosaicError
from mosaic.core.ids import DeviceId, HeadHash
from mosaic.storage.engine.spares import Spare, SparedStore
from mosaic.storage.engine.store import Store
from mosaic.storage.limits import LimitedStore
from mosaic.storage.records import VolumeRecord
from mosaic.storage.stores.followed_store import FollowedStore
from mosaic.storage.stores.follower import Follower
from mosaic.storage.stores.followers import Followers
from mosaic.storage.upstreams import Connected, Upstreams
from mosaic.wire.blobs import Retained


class HeadLog(Protocol):
    """The history of one volume: of two heads that name the same one before them, at most one is ever accepted."""

    def commit(self, signed: bytes, *, wish: str | None = None) -> CommitAnswer:
        """Send a signed head: `accepted`, or lost to a later epoch (`fenced`) or to another head (`stale`).

        With it a wish to go back is fulfilled, where a Hive keeps such wishes.

        The same head again is accepted again. Raises Unavailable when whether
        it was accepted is unknown; read `newest` before deciding.
        """
        ...

    def newest(self) -> tuple[HeadHash, bytes] | None:
        """Return the newest head and its signed bytes (unchecked), None when there is none."""
        ...

    def get(self, head: HeadHash) -> bytes:
        """Return a head's signed bytes (unchecked), or raise NotFound."""
        ...


class Keeper(Protocol):
    """Who decides which snapshots are kept."""

    def retain(self, epoch: str, mirrored: Sequence[HeadHash]) -> Retained:
        """Let go of what need not be kept, for good, and return what is kept.

        `epoch` is the one that is held. Of the `mirrored` heads those are named that were ever let go.
        """
        ...

    def lease(self, head: HeadHash, lease: str, *, done: bool = False) -> None:
        """Keep a head while it is read, for 24 hours; again makes it last longer, and `done` ends it.

        Raises NotFound when there is no such head, or it was let go.
        """
        ...


@dataclass(frozen=True, slots=True)
class Backing:
    """What one volume is backed by. Having one costs nothing: its verbs make the requests.

    `name` is what its replica is called; `device` the one in whose name heads
    are written. `key` tells one store from another: what is remembered of a
    store (its index, that it has the envelope) holds while the key stays.
    `same_machine` says that the store lies on this very machine and is no replica.
    `followers` are the same volume in other stores, which get what this one
    gets, and `spares` the same stores for reading what this one lost.
    Without a `keeper` every snapshot is kept.
    """

    name: str
    heads: HeadLog
    store: Store
    device: DeviceId
    key: str
    same_machine: bool
    followers: Sequence[Follower] = ()
    spares: Sequence[Spare] = ()
    keeper: Keeper | None = None

    @property
    def readable(self) -> Store:
        """The store for a reader who wants the data from wherever it is whole; it says nothing about this store."""
        return SparedStore(self.store, self.spares)


class Backings:
    """Finds each volume's backing. Threads share it."""

    def __init__(
        self,
        upstreams: Upstreams,
        hiveless: Callable[[VolumeRecord], Backing] | None = None,
        followers: Followers | None = None,
    ) -> None:
        self._upstreams = upstreams
        self._hiveless = hiveless
        self._followers = followers

    def of(self, record: VolumeRecord) -> Backing:
        """Return the volume's backing. Raises NoUpstream while it is not known."""
        if record.hiveless is not None and self._hiveless is not None:
            return self._limited(self._hiveless(record))
        return self._followed(self._limited(_hive(self._upstreams.require(), record)), record)

    def known(self, record: VolumeRecord) -> Backing | None:
        """Return the volume's backing, None while it is not known."""
        if record.hiveless is not None:
            try:
                return self.of(record)
            except MosaicError:
                return None
        connected = self._upstreams.current()
        return _hive(connected, record) if connected is not None else None

    def _limited(self, backing: Backing) -> Backing:
        if self._followers is None:
            return backing
        return replace(backing, store=LimitedStore(backing.store, self._followers.limits))

    def _followed(self, backing: Backing, record: VolumeRecord) -> Backing:
        if self._followers is None:
            return backing
        followers = self._followers.of(record.volume)
        store = FollowedStore(backing.store, followers)
        return replace(backing, store=store, followers=followers, spares=self._followers.spares(record.volume))


def _hive(connected: Connected, record: VolumeRecord) -> Backing:
    heads = connected.hive.heads(record.volume)
    return Backing(
        name="hive",
        heads=heads,
        store=connected.hive.store(record.volume),
        device=connected.device,
        key=connected.upstream.url,
        same_machine=connected.same_machine,
        keeper=heads,
    )
