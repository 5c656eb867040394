"""A volume that the real engine replicated to a real Hive, in the name of a Device that a test made up."""

import dataclasses
from pathlib import Path

from mosaic.core.ids import HeadHash, VolumeId
from mosaic.crypto.hashing import head_hash
from mosaic.crypto.volume_keys import volume_keys
from mosaic.storage.engine.heads import mirror_head, sign_head
from mosaic.storage.engine.index import ChunkIndex
from mosaic.storage.engine.nodes import NodeMap
from mosaic.storage.engine.replicate import replicate
from mosaic.wire.head import parse
from support.fake_device import FakeDevice, LocalVolume


class ReplicatedVolume:
    """An app's volume of data on a Device that is connected."""

    def __init__(self, device: FakeDevice) -> None:
        self.device = device
        self._installation, local = next(iter(device.local.items()))
        self.local: LocalVolume = local.volumes["data"]
        self.keys = volume_keys(self.local.seed)
        self.id: VolumeId = self.keys.volume
        self._known = ChunkIndex()
        self._nodes = NodeMap()

    def snapshot(self, folder: Path, *, instant_ns: int, flags: int = 0) -> HeadHash:
        """Replicate a folder, have its head accepted, and mirror it."""
        store = self.device.blobs().store(self.id)
        self._known.load(store, self.keys)
        done = replicate(
            folder,
            self.keys,
            store,
            previous=None,
            known=self._known,
            nodes=self._nodes,
            taken_ns=instant_ns,
        )
        epoch = self.local.epoch or self.device.local[self._installation].epoch or "1.1"
        offered, _ = parse(self.device.signed_head(self.local, epoch))
        head = dataclasses.replace(
            offered, root=done.root.root, root_pack=done.root.pack, instant_ns=instant_ns, flags=flags
        )
        signed = sign_head(head, self.local.seed)
        answer = self.device.blobs().heads(self.id).commit(signed)
        assert answer == "accepted", answer
        mirror_head(store, signed)
        self.local.head, self.local.seq, self.local.epoch = head_hash(signed), head.seq, epoch
        return head_hash(signed)

    def put_envelope(self) -> None:
        """Put what a restore without any Hive needs, as a storage daemon does."""
        assigned = self.device.assigned(self._installation)
        assert assigned is not None
        sealed = next(one.store_envelope for one in assigned.volumes if one.volume == self.id)
        assert sealed is not None
        self.device.blobs().store(self.id).put("e-1", bytes.fromhex(sealed))
