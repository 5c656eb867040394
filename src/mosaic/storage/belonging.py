"""Which app the local data belongs to, by the word of a signed head.

A Device starts what such a head names (decision 42), so only heads count that
were opened with the key of the volume, or of the one that it was forked from.
"""

from mosaic.storage.decide_step import is_unattested
from mosaic.storage.records import VolumeRecord
from mosaic.storage.volume import is_clean
from mosaic.wire.head import Head, parse


def digest_in(head: Head) -> str | None:
    """Return the app's digest that a head names, as text; None when it names none."""
    return f"sha256:{head.app_digest.hex()}" if head.app_digest is not None else None


def belongs_to(record: VolumeRecord) -> str | None:
    """Return the app's digest in the head that the local data descends from; None without one.

    That is the newest accepted head; of data that went back and was not attested
    yet, the head that it is a restore of; of a fork without a head of its own,
    its origin's. What was only restored ahead says nothing: it is not the local data yet.
    """
    if record.live_uuid is None:
        return None
    if record.accepted is None:
        return record.adopted
    went = record.went_back
    signed = went.signed if went is not None and is_unattested(record) else None
    return digest_in(parse(bytes.fromhex(signed or record.accepted.signed))[0])


def is_all_said(record: VolumeRecord, generation: int | None) -> bool:
    """Return whether the newest acknowledged head has all local data, and names the app that it belongs to now.

    Whoever takes the volume over starts what that head names. In a trial nothing is named anew, and who does not hold
    the volume cannot name anything.
    """
    if not is_clean(record, generation):
        return False
    is_settled = record.lease is None or record.phase not in ("ready", "releasing") or record.trial is not None
    if is_settled or record.accepted is None or record.app_digest is None:
        return True
    return digest_in(parse(bytes.fromhex(record.accepted.signed))[0]) == record.app_digest
