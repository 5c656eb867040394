"""A volume's past in a store alone: no Hive, no Device, only the recovery code or the volume's key file.

A store is not trusted: heads that the volume did not sign are passed over, and
one that hides its newest heads shows an older state (docs/format.md).
"""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import msgspec

from mosaic.adapters.blobs import FolderBlobs
from mosaic.cli import asking
from mosaic.cli.past.asked import Asked
from mosaic.cli.past.named import named
from mosaic.cli.past.past import PastSnapshot
from mosaic.core.errors import Corrupt, NotFound, Refused
from mosaic.core.ids import DeviceId, VolumeId
from mosaic.crypto import unwrap
from mosaic.crypto.hashing import head_hash
from mosaic.crypto.secret import Secret
from mosaic.crypto.unwrap import RecoveryCodeWrong
from mosaic.crypto.volume_keys import VolumeKeys, volume_keys
from mosaic.storage.engine.heads import PREFIX, head_name, open_head
from mosaic.storage.engine.store import Store
from mosaic.wire.api import Drill
from mosaic.wire.store_envelope import StoreEnvelope

_VOLUME = re.compile(r"[0-9a-f]{64}", re.ASCII)
_SEED = re.compile(r"[0-9a-f]{64}", re.ASCII)
_ENVELOPE = "e-"
_READERS = 8


class StoreUnknown(NotFound):
    """There is no store at this address."""

    code = "store-unknown"

    def __init__(self, address: str) -> None:
        super().__init__(
            f"{address} is no folder with volumes",
            hint="name the folder that holds a folder for each volume, or one volume's own; is the disk mounted?",
        )


class KeyFileUnusable(Refused):
    """The key file does not open the volume."""

    code = "key-file-unusable"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"{path} does not open the volume: {reason}", hint="a key file has the volume's seed, 64 hex characters"
        )


class EnvelopeMissing(NotFound):
    """The store has nothing that a recovery code could open."""

    code = "envelope-missing"

    def __init__(self, volume: VolumeId) -> None:
        super().__init__(
            f"the store has no wrapped key of volume {volume[:12]}",
            hint="open it with the volume's own key: `--key-file`; or look into another store's copy",
        )


@dataclass(frozen=True, slots=True)
class _Kept:
    """One volume of a store. `name` is the app's, "" when no envelope says it."""

    volume: str
    name: str
    kind: str


def at_store(address: str, asked: Asked) -> "StorePast":
    """Find the volume in a store. Raises StoreUnknown, VolumeUnknown, Unavailable."""
    top = Path(address.removeprefix("file://"))
    # A volume's own folder is what rescue.py takes, too.
    root, only = (top.parent, top.name) if _VOLUME.fullmatch(top.name) else (top, None)
    if not top.is_dir():
        raise StoreUnknown(address)
    blobs = FolderBlobs(root)
    names = [only] if only else sorted(path.name for path in root.iterdir() if _VOLUME.fullmatch(path.name))
    if not names:
        raise StoreUnknown(address)
    kept = [_described(VolumeId(name), blobs.volume(VolumeId(name))) for name in names]
    found = named(kept, asked.name)
    volume = VolumeId(found.volume)
    return StorePast(volume, found.name or volume[:12], blobs.volume(volume), str(root.resolve()), asked)


class StorePast:
    """A `Past`."""

    def __init__(self, volume: VolumeId, name: str, store: Store, where: str, asked: Asked) -> None:
        self.volume = volume
        self.name = name
        self.where = where
        self.store = store
        self._asked = asked

    def snapshots(self) -> Iterator[PastSnapshot]:
        """Yield the snapshots, the newest first: by epoch, then by number."""
        names = [entry.name for entry in self.store.list(PREFIX)]
        with ThreadPoolExecutor(_READERS, "mosaic-heads") as readers:
            found = [one for one in readers.map(self._opened, names) if one is not None]
        yield from sorted(found, key=lambda one: (one.head.epoch, one.head.seq), reverse=True)

    def keys(self) -> VolumeKeys:
        """Open the key file, or ask for the recovery code."""
        if self._asked.key_file is not None:
            return _keys_in(self._asked.key_file, self.volume)
        envelopes = list(_envelopes(self.store))
        if not envelopes:
            raise EnvelopeMissing(self.volume)
        code = asking.secret("recovery code", file=self._asked.recovery_file, option="--recovery-file")
        return volume_keys(_seed(envelopes, code, self.volume).reveal())

    def device_name(self, device: DeviceId) -> str:
        """Return the beginning of its id: a store knows no names."""
        return device[:12]

    def tell(self, drill: Drill) -> bool:
        """Tell nobody: a store keeps no results."""
        del drill
        return False

    def _opened(self, name: str) -> PastSnapshot | None:
        try:
            signed = self.store.get(name)
            head = open_head(signed, self.volume)
        except (Corrupt, NotFound):
            return None
        found = head_hash(signed)
        return PastSnapshot(found, head) if name == head_name(head.seq, found) else None


def _envelopes(store: Store) -> Iterator[StoreEnvelope]:
    for entry in store.list(_ENVELOPE):
        try:
            yield msgspec.json.decode(store.get(entry.name), type=StoreEnvelope)
        except (Corrupt, NotFound, msgspec.MsgspecError):
            continue


def _described(volume: VolumeId, store: Store) -> _Kept:
    # What an envelope says of its app is only a name to find the volume by.
    for one in _envelopes(store):
        return _Kept(volume, one.app, "data" if one.kind == "hiveless" else one.kind)
    return _Kept(volume, "", "data")


def _seed(envelopes: list[StoreEnvelope], code: str, volume: VolumeId) -> Secret:
    """Open the one that the code opens: a new recovery kit leaves the older envelopes where they are."""
    for one in envelopes:
        try:
            root = unwrap.recover_wrapped_root(one.recovery_root, code, owner_key=one.owner_key)
            return unwrap.open_volume_seed(one.wrapped_seed, root, volume=volume)
        except (RecoveryCodeWrong, Corrupt):
            continue
    raise RecoveryCodeWrong


def _keys_in(path: Path, volume: VolumeId) -> VolumeKeys:
    text = path.read_bytes().strip().lower().decode("ascii", "replace")
    if not _SEED.fullmatch(text):
        raise KeyFileUnusable(path, "it does not hold a seed")
    keys = volume_keys(bytes.fromhex(text))
    if keys.volume != volume:
        raise KeyFileUnusable(path, "it is another volume's")
    return keys
