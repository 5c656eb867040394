"""Whether a stored object is what its name says, and writing anew one that is not."""

from collections.abc import Callable, Mapping

from mosaic.core.errors import Corrupt, MosaicError, NotFound, Unavailable
from mosaic.core.ids import VolumeId
from mosaic.crypto.hashing import head_hash
from mosaic.crypto.volume_keys import VolumeKeys
from mosaic.storage.engine import envelopes, heads, mended, pack, suspects
from mosaic.storage.engine.scrub import check_pack
from mosaic.storage.engine.store import Store
from mosaic.wire.blobs import MAX_OBJECT_BYTES

SPARE = "x-"
"""What is written anew lies under this and its name, too, until it is in its place. Comparisons remove what is left."""


class ObjectRotten(Corrupt):
    """An object is not what its name says."""

    code = "object-rotten"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is not what its name says", hint="nothing has to be done: it is written anew")


def is_checkable(name: str) -> bool:
    """Return whether an object of this name can be told from a damaged one."""
    return any(name.startswith(prefix) for prefix in _CHECKS)


def read_whole(store: Store, name: str, keys: VolumeKeys) -> bytes:
    """Return an object, checked if its kind can be. Raises Corrupt, NotFound, Unavailable."""
    whole = store.get(name)
    for prefix, check in _CHECKS.items():
        if name.startswith(prefix):
            check(name, whole, keys)
    return whole


def is_whole(store: Store, name: str, size: int, keys: VolumeKeys) -> bool:
    """Return whether a store gives an object whole, or has none; `size` is what its list says. Raises Unavailable."""
    if size > MAX_OBJECT_BYTES:
        return False
    try:
        read_whole(store, name, keys)
    except NotFound:
        # Deleted since it was listed.
        return True
    except Corrupt:
        return False
    return True


def write_anew(store: Store, name: str, whole: bytes) -> None:
    """Put `whole` in the place of what a store has damaged under a name.

    It is in the store under another name before anything is deleted, so that
    a store without room keeps what it has. Killed in between, the object is
    missing, and the next comparison copies it.
    """
    store.delete(SPARE + name)
    store.put(SPARE + name, whole)
    store.delete(name)
    store.put(name, whole)
    store.delete(SPARE + name)


def put_or_mend(store: Store, name: str, whole: bytes, keys: VolumeKeys) -> None:
    """Put an object that may be there damaged already, with the name and the size that it should have.

    Raises:
        MosaicError: what the store says to an object that it has whole, or to any other.
        Unavailable: the store is away, or has no room.
    """
    try:
        store.put(name, whole)
    except MosaicError as refused:
        if isinstance(refused, Unavailable) or is_whole(store, name, len(whole), keys):
            raise
        write_anew(store, name, whole)


def _check_pack(name: str, whole: bytes, keys: VolumeKeys) -> None:
    found = pack.pack_of(name)
    if found is None:
        raise ObjectRotten(name)
    check_pack(found, whole, keys)


def _check_head(name: str, whole: bytes, keys: VolumeKeys) -> None:
    if heads.head_name(heads.open_head(whole, VolumeId(keys.volume)).seq, head_hash(whole)) != name:
        raise ObjectRotten(name)


def _check_envelope(name: str, whole: bytes, _: VolumeKeys) -> None:
    if envelopes.envelope_name(whole) != name:
        raise ObjectRotten(name)


def _check_mended(name: str, whole: bytes, _: VolumeKeys) -> None:
    if mended.PREFIX + whole.hex() != name:
        raise ObjectRotten(name)


def _check_suspects(name: str, whole: bytes, keys: VolumeKeys) -> None:
    if not suspects.is_signed(VolumeId(keys.volume), name, whole):
        raise ObjectRotten(name)


_CHECKS: Mapping[str, Callable[[str, bytes, VolumeKeys], None]] = {
    pack.PREFIX: _check_pack,
    heads.PREFIX: _check_head,
    envelopes.PREFIX: _check_envelope,
    mended.PREFIX: _check_mended,
    suspects.PREFIX: _check_suspects,
}
