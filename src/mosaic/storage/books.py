"""The buckets of the daemon's ledger, `<state>/storage.db`."""

import secrets
from pathlib import Path

from mosaic.adapters.ledger import Ledger
from mosaic.core.ids import DeviceId, VolumeId
from mosaic.crypto.hashing import head_hash
from mosaic.storage.records import DockerVolume, Followed, VolumeRecord
from mosaic.storage.stores.store_records import AddedStore, LineLimits, SharedFolder, StoreKey
from mosaic.wire.head import parse
from mosaic.wire.recollection import MOST_HEADS
from mosaic.wire.storage import Upstream

_ONLY = "only"


class Books:
    """All that the daemon remembers. Seeds lie in a bucket of their own, so that no record can leak one."""

    def __init__(self, path: Path) -> None:
        self._ledger = Ledger(path)
        self.volumes = self._ledger.bucket("volumes", VolumeRecord)
        self.docker_volumes = self._ledger.bucket("docker-volumes", DockerVolume)
        self.seeds = self._ledger.bucket("seeds", str)
        self._heads = self._ledger.bucket("heads", str)
        self.stores = self._ledger.bucket("stores", AddedStore)
        self.store_keys = self._ledger.bucket("store-keys", StoreKey)
        self.followed = self._ledger.bucket("followed", Followed)
        self.forgotten = self._ledger.bucket("forgotten", int)
        self.shared = self._ledger.bucket("shared", SharedFolder)
        self._limits = self._ledger.bucket("limits", LineLimits)
        self._upstreams = self._ledger.bucket("upstream", Upstream)
        self._boots = self._ledger.bucket("boot", str)
        self._names = self._ledger.bucket("writer", str)
        self.transaction = self._ledger.transaction
        self.close = self._ledger.close

    def put_volume(self, volume: VolumeId, record: VolumeRecord) -> None:
        """Write a volume's record, and remember the head that it says was accepted beside the ones before it."""
        signed = record.accepted.signed if record.accepted else None
        if signed is None:
            self.volumes.put(volume, record)
            return
        seq = parse(bytes.fromhex(signed))[0].seq
        with self._ledger.transaction():
            self.volumes.put(volume, record)
            if self._heads.get(_place(volume, seq)) != signed:
                self._heads.put(_place(volume, seq), signed)
                self._heads.delete_between(_place(volume, 0), _place(volume, max(0, seq - MOST_HEADS + 1)))

    def heads(self, volume: VolumeId) -> list[str]:
        """Return the newest accepted heads (hex) up to the one in the volume's record, oldest first, without gaps."""
        record = self.volumes.get(volume)
        if record is None or record.accepted is None:
            return []
        chain = [record.accepted.signed]
        while len(chain) < MOST_HEADS:
            head, _ = parse(bytes.fromhex(chain[0]))
            before = self._heads.get(_place(volume, head.seq - 1))
            if before is None or head_hash(bytes.fromhex(before)) != head.previous:
                break
            chain.insert(0, before)
        return chain

    def upstream(self) -> Upstream | None:
        """Return the newest upstream that the Device named, None before the first."""
        return self._upstreams.get(_ONLY)

    def put_upstream(self, upstream: Upstream) -> None:
        """Remember where heads and packs go from now on."""
        self._upstreams.put(_ONLY, upstream)

    def writer(self) -> DeviceId:
        """Return the name in which this daemon writes heads of volumes without a Hive. Drawn once."""
        with self.transaction():
            found = self._names.get(_ONLY)
            if found is None:
                found = secrets.token_hex(16)
                self._names.put(_ONLY, found)
        return DeviceId(found)

    def limits(self) -> LineLimits:
        """Return the limits of the line."""
        return self._limits.get(_ONLY) or LineLimits()

    def put_limits(self, limits: LineLimits) -> None:
        """Remember the limits of the line."""
        self._limits.put(_ONLY, limits)

    def boot(self) -> str | None:
        """Return the id of the boot that the daemon ran in last, None before its first run."""
        return self._boots.get(_ONLY)

    def put_boot(self, boot: str) -> None:
        """Remember the boot that the daemon runs in."""
        self._boots.put(_ONLY, boot)


def _place(volume: VolumeId, seq: int) -> str:
    return f"{volume}/{seq:020d}"
