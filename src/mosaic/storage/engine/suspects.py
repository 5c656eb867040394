"""Saying in a store which snapshots an audit put under suspicion, for whoever goes back to one, with or without a Hive.

A mark is an object whose name tells the range, `a-` and two sequence numbers,
and whose content is the volume's signature of it: a store could hide a mark,
and not make one.
"""

import re
from collections.abc import Iterator

from mosaic.core.auditing import Suspects
from mosaic.core.errors import Corrupt, NotFound
from mosaic.core.ids import VolumeId
from mosaic.crypto import signing
from mosaic.crypto.volume_keys import VolumeKeys
from mosaic.storage.engine.store import Store

PREFIX = "a-"
CONTEXT = b"mosaic suspect snapshots v1\0"
_NAME = re.compile(r"a-(\d{20})-(\d{20})", re.ASCII)


def mark_suspects(store: Store, keys: VolumeKeys, found: Suspects) -> None:
    """Have the store say that these snapshots are suspect. May be called again."""
    name = f"{PREFIX}{found.first:020d}-{found.last:020d}"
    store.put(name, signing.sign(keys.seed, CONTEXT, _message(keys.volume, name)))


def suspects_in(store: Store, volume: VolumeId) -> Iterator[Suspects]:
    """Yield what is marked. What the volume did not sign says nothing."""
    for entry in store.list(PREFIX):
        found = _NAME.fullmatch(entry.name)
        try:
            signature = store.get(entry.name) if found else b""
        except (Corrupt, NotFound):
            continue
        if found and is_signed(volume, entry.name, signature):
            yield Suspects(int(found[1]), int(found[2]))


def is_signed(volume: VolumeId, name: str, signature: bytes) -> bool:
    """Return whether the content of a mark is the volume's signature of its name."""
    return signing.verify(volume, CONTEXT, _message(volume, name), signature)


def _message(volume: VolumeId, name: str) -> bytes:
    return bytes.fromhex(volume) + name.encode()
