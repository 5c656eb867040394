"""A volume's past in a store alone: no Hive, no Device, only the recovery code or the volume's key file.

A store is not trusted: heads that the volume did not sign are passed over, and
one that hides its newest heads shows an older state (docs/format.md).
"""

import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

import click
import msgspec

from mosaic.adapters.blobs import FolderBlobs
from mosaic.adapters.s3.location import S3Location
from mosaic.cli import asking, credentials
from mosaic.cli.past.asked import Asked
from mosaic.cli.past.named import named
from mosaic.cli.past.past import PastSnapshot
from mosaic.core.errors import Corrupt, NotFound, Refused
from mosaic.core.ids import DeviceId, HeadHash, VolumeId
from mosaic.crypto import unwrap
from mosaic.crypto.hashing import head_hash
from mosaic.crypto.secret import Secret
from mosaic.crypto.unwrap import RecoveryCodeWrong
from mosaic.crypto.volume_keys import VolumeKeys, volume_id, volume_keys
from mosaic.storage.engine import envelopes
from mosaic.storage.engine.heads import PREFIX, HeadForged, head_name, open_head
from mosaic.storage.engine.store import Store
from mosaic.storage.hiveless.address import StoreAddress, parse_address, write_address
from mosaic.storage.hiveless.key_file import read_key
from mosaic.storage.hiveless.stores import StorePlace, Stores
from mosaic.storage.stores.address import FolderAddress
from mosaic.wire.api import Drill
from mosaic.wire.store_envelope import StoreEnvelope

_VOLUME = re.compile(r"[0-9a-f]{64}", re.ASCII)
_READERS = 8


class StoreUnknown(NotFound):
    """There is no store at this address."""

    code = "store-unknown"

    def __init__(self, address: str) -> None:
        super().__init__(
            f"there is no volume at {address}",
            hint="name the folder that holds a folder for each volume, or one volume's own; is the disk mounted?",
        )


class KeyFileUnusable(Refused):
    """The key file is another volume's."""

    code = "key-file-unusable"

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} has the key of another volume",
            hint="`mosaic storage volumes` names each volume's key file; the recovery code opens it too",
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


@contextmanager
def at_store(text: str, asked: Asked) -> Iterator["StorePast"]:
    """Find the volume in a store. Raises StoreUnknown, VolumeUnknown, StoreAddressRefused, Unavailable."""
    address = parse_address(str(Path(text).absolute()) if "://" not in text else text)
    stores = Stores(credentials.path().parent)
    try:
        kept = dict(_volumes(address, stores, asked))
        if not kept:
            raise StoreUnknown(text)
        found = named([_described(volume, store) for volume, store in kept.items()], asked.name)
        volume = VolumeId(found.volume)
        yield StorePast(volume, found.name or volume[:12], kept[volume], write_address(address), asked)
    finally:
        stores.close()


def _volumes(address: StoreAddress, stores: Stores, asked: Asked) -> Iterator[tuple[VolumeId, Store]]:
    """Yield the volumes that have anything in a store."""
    match address:
        case FolderAddress(path) if _VOLUME.fullmatch(path.name):
            # A volume's own folder, as rescue.py takes it.
            if path.is_dir():
                yield VolumeId(path.name), FolderBlobs(path.parent).volume(VolumeId(path.name))
        case FolderAddress(path):
            # Without a look at its mark: nothing is written here, and a Hive's own folder has none.
            for volume in stores.volumes(StorePlace(address, None, None)):
                yield volume, FolderBlobs(path).volume(volume)
        case S3Location():
            key = None if asked.credentials_file is None else str(asked.credentials_file)
            place = StorePlace(address, key, None)
            for volume in stores.volumes(place):
                yield volume, stores.open(place, volume)
        case _:
            assert_never(address)


class StorePast:
    """A `Past`."""

    def __init__(self, volume: VolumeId, name: str, store: Store, where: str, asked: Asked) -> None:
        self.volume = volume
        self.name = name
        self.where = where
        self.store = store
        self._asked = asked
        self._said: set[str] = set()

    def snapshots(self) -> Iterator[PastSnapshot]:
        """Yield the snapshots, the newest first: by epoch, then by number. Says on stderr which cannot be read."""
        names = [entry.name for entry in self.store.list(PREFIX)]
        with ThreadPoolExecutor(_READERS, "mosaic-heads") as readers:
            opened = list(readers.map(self._opened, names))
        self._say_damaged(name for name, one in zip(names, opened, strict=True) if isinstance(one, Corrupt))
        found = [one for one in opened if isinstance(one, PastSnapshot)]
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

    def reading(self, head: HeadHash) -> AbstractContextManager[None]:
        """Keep nothing: nobody is there to ask. Packs stay for a day after the last head that needs them."""
        del head
        return nullcontext()

    def device_name(self, device: DeviceId) -> str:
        """Return the beginning of its id: a store knows no names."""
        return device[:12]

    def tell(self, drill: Drill) -> bool:
        """Tell nobody: a store keeps no results."""
        del drill
        return False

    def _opened(self, name: str) -> PastSnapshot | Corrupt | None:
        try:
            signed = self.store.get(name)
            head = open_head(signed, self.volume)
        except NotFound:
            return None
        except Corrupt as damage:
            return damage
        found = head_hash(signed)
        return PastSnapshot(found, head) if name == head_name(head.seq, found) else HeadForged(self.volume)

    def _say_damaged(self, names: Iterable[str]) -> None:
        # An older snapshot must not pass for the newest without a word; and once is enough.
        for name in sorted(set(names) - self._said):
            self._said.add(name)
            number = name.removeprefix(PREFIX).partition("-")[0].lstrip("0")
            said = f"snapshot {number}" if number.isdecimal() else repr(name)
            click.echo(f"{said} cannot be read: {name} is damaged or not the volume's. It is passed over.", err=True)


def _envelopes(store: Store) -> Iterator[StoreEnvelope]:
    for entry in store.list(envelopes.PREFIX):
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
    seed = read_key(path)
    if seed is None or volume_id(seed) != volume:
        raise KeyFileUnusable(path)
    return volume_keys(seed)
