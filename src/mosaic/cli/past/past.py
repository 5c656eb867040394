"""What the time machine needs of the place where a volume's past is kept."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from mosaic.core.consistency import label
from mosaic.core.ids import DeviceId, HeadHash, VolumeId
from mosaic.core.retention import Snapshot
from mosaic.core.snapshot_choice import SHORT_HASH
from mosaic.crypto.volume_keys import VolumeKeys
from mosaic.storage.engine.store import Store
from mosaic.wire.api import Drill
from mosaic.wire.head import Head


@dataclass(frozen=True, slots=True)
class PastSnapshot:
    """A snapshot whose head's signature was checked here. `pin` is what it is pinned as, None when it is not."""

    hash: HeadHash
    head: Head
    pin: str | None = None

    @property
    def seq(self) -> int:
        """Its number in the volume's history."""
        return self.head.seq

    @property
    def short(self) -> str:
        """What it is named by."""
        return self.hash[:SHORT_HASH]

    @property
    def label(self) -> str:
        """What it is worth to the programs that wrote it, in one word."""
        return label(self.head.flags)

    @property
    def choice(self) -> Snapshot:
        """It as something to choose from."""
        return Snapshot(self.hash, self.head.seq, self.head.instant_ns)


class Past(Protocol):
    """One volume's past. `where` tells one place from another; `store` is read only."""

    volume: VolumeId
    name: str
    where: str
    store: Store

    def snapshots(self) -> Iterator[PastSnapshot]:
        """Yield the snapshots, the newest first."""
        ...

    def keys(self) -> VolumeKeys:
        """Ask for what opens the volume (a passphrase, a recovery code, a key file), and return its keys."""
        ...

    def reading(self, head: HeadHash) -> AbstractContextManager[None]:
        """Keep what this snapshot needs while it is read."""
        ...

    def device_name(self, device: DeviceId) -> str:
        """Return what a Device is called; the beginning of its id when nobody knows."""
        ...

    def tell(self, drill: Drill) -> bool:
        """Tell what a drill found to whoever keeps that; return whether anybody does."""
        ...
