"""Finding out whether the Hive's newest head descends from what a local copy has.

Each head names the one before it by its hash, so this reads one head after
another, from the newest down to those that are looked for: one request each,
and a volume may have thousands. How far it came is in the ledger; the volume's
worker goes on there after an outage or a restart, and nobody else walks.
"""

from typing import Protocol

from msgspec.structs import replace

from mosaic.core.errors import NotFound
from mosaic.core.ids import HeadHash, VolumeId
from mosaic.crypto.hashing import head_hash
from mosaic.storage.engine.heads import HeadForged, open_head
from mosaic.storage.records import Descent
from mosaic.storage.volume import Volume

_NOTED_EVERY = 64


class Heads(Protocol):
    """Where heads are read."""

    def newest(self) -> tuple[HeadHash, bytes] | None:
        """Return the newest head and its signed bytes (unchecked), None when there is none."""
        ...

    def get(self, head: HeadHash) -> bytes:
        """Return a head's signed bytes (unchecked), or raise NotFound."""
        ...


def trace(volume: Volume, heads: Heads) -> None:
    """Read until the volume's question is answered, or is asked no more.

    Raises:
        Unavailable: the Hive did not answer; call again.
        HeadForged: it answered with something else.
    """
    while True:
        before = volume.record.descent
        if before is None or before.answered:
            return
        after = _read_on(before, volume.id, heads) if _is_walking(before) else conclude(before, _newest(volume, heads))
        with volume.wakes:
            if volume.stopping or volume.record.descent != before:
                return
            volume.update(replace(volume.record, descent=after))


def conclude(walked: Descent, newest: HeadHash | None) -> Descent:
    """Return what a walk that has ended means, now that this head is the newest: the answer, or where to walk next."""
    if newest is None:
        return Descent(walked.wanted, answered=True, missing=walked.wanted)
    looked_for_wanted = set(walked.missing) <= set(walked.wanted)
    if walked.newest == newest and looked_for_wanted:
        return replace(walked, answered=True)
    if walked.newest is not None and walked.newest != newest and not walked.missing:
        # All that is wanted lies below the head that was the newest: it is enough to come down to that one.
        return Descent(walked.wanted, newest=newest, next=newest, missing=(walked.newest,))
    return Descent(walked.wanted, newest=newest, next=newest, missing=walked.wanted)


def _is_walking(descent: Descent) -> bool:
    return descent.next is not None and bool(descent.missing)


def _read_on(descent: Descent, volume: VolumeId, heads: Heads) -> Descent:
    at, missing = descent.next, set(descent.missing)
    for _ in range(_NOTED_EVERY):
        if at is None or not missing:
            break
        try:
            signed = heads.get(at)
        except NotFound:
            # Whatever is older, the Hive can't show that it is.
            at = None
            break
        head = open_head(signed, volume)
        if head_hash(signed) != at:
            raise HeadForged(volume)
        missing.discard(at)
        at = head.previous
    return replace(descent, next=at, missing=tuple(sorted(missing)))


def _newest(volume: Volume, heads: Heads) -> HeadHash | None:
    found = heads.newest()
    if found is None:
        return None
    open_head(found[1], volume.id)
    return head_hash(found[1])
