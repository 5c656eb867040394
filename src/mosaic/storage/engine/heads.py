"""Heads as a store keeps them: signing, checking, and the name that a mirrored head has.

What a head says and when one is accepted is left to `mosaic.wire.head` and to
the Hive (or the store, without a Hive).
"""

from mosaic.core.errors import Corrupt
from mosaic.core.ids import HeadHash, VolumeId
from mosaic.crypto import signing
from mosaic.crypto.hashing import head_hash
from mosaic.storage import log
from mosaic.storage.engine.roots import RootRef
from mosaic.storage.engine.store import Store
from mosaic.wire import head as wire

PREFIX = wire.MIRROR_PREFIX


class HeadForged(Corrupt):
    """The head's signature is not its volume's."""

    code = "head-forged"

    def __init__(self, volume: VolumeId) -> None:
        super().__init__(
            f"a head of volume {volume[:12]} is not signed by it",
            hint="do not use this store: somebody else wrote to it",
        )


def sign_head(head: wire.Head, seed: bytes) -> bytes:
    """Return the signed head: 274 bytes. `seed` is the volume's."""
    body = wire.body(head)
    return body + signing.sign(seed, wire.CONTEXT, body)


def open_head(signed: bytes, volume: VolumeId) -> wire.Head:
    """Return what a signed head of this volume says.

    Raises:
        HeadUnreadable: the bytes are not a head.
        HeadForged: it is another volume's, or its signature is wrong.
    """
    head, signature = wire.parse(signed)
    if head.volume != volume or not signing.verify(volume, wire.CONTEXT, signed[: wire.BODY_BYTES], signature):
        raise HeadForged(volume)
    return head


def root_of(head: wire.Head) -> RootRef:
    """Return the state that a head points at."""
    return RootRef(head.root, head.root_pack)


def head_name(seq: int, head: HeadHash) -> str:
    """Return the object name of a mirrored head: its sequence number (20 digits) and its hash."""
    return f"{PREFIX}{seq:020d}-{head}"


def mirror_head(store: Store, signed: bytes) -> None:
    """Keep an accepted head in the store, so that a restore needs no Hive. May be called again.

    Raises:
        Unavailable: the store did not answer; call again.
    """
    head, _ = wire.parse(signed)
    store.put(head_name(head.seq, head_hash(signed)), signed)


def newest_mirrored(store: Store, volume: VolumeId) -> bytes | None:
    """Return the signed head of the highest (epoch, seq) in the store; None when it has none that holds.

    A damaged or forged mirror is passed over, and logged: the store is not trusted.
    """
    best: tuple[tuple[int, int, int], bytes] | None = None
    for entry in store.list(PREFIX):
        try:
            signed = store.get(entry.name)
            head = open_head(signed, volume)
        except Corrupt as damage:
            log.warning("head_passed_over", volume=volume[:12], object=entry.name, code=damage.code)
            continue
        rank = (head.epoch.term, head.epoch.n, head.seq)
        if entry.name == head_name(head.seq, head_hash(signed)) and (best is None or rank > best[0]):
            best = (rank, signed)
    return best[1] if best else None
