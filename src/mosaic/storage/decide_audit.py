"""Deciding what follows from an audit: what is trusted, what is suspect, and when everything is read again. Pure."""

from msgspec.structs import replace

from mosaic.core.auditing import suspects
from mosaic.core.errors import Corrupt
from mosaic.storage.records import Audits, VolumeRecord
from mosaic.wire.head import parse
from mosaic.wire.storage import Audited, Failure

MOST_KEPT = 20
"""So many differing paths the ledger names."""


class SnapshotsSuspect(Corrupt):
    """An audit found that a snapshot was not stored as it was: changes were overlooked since the last good audit."""

    code = "snapshots-suspect"

    def __init__(self, found: Audited, *, rereads: bool) -> None:
        first = f" ({found.differing[0].path}: {found.differing[0].reason})" if found.differing else ""
        paths = "a path is" if found.difference_count == 1 else f"{found.difference_count} paths are"
        then = (
            "nothing has to be done, everything is read again into a new snapshot"
            if rereads
            else "a snapshot was made since by reading everything again, and is audited now"
        )
        super().__init__(
            f"an audit of snapshot {found.seq} found that {paths} not stored as on the disk{first}",
            hint=f"{then}; the live data is not affected. `mosaic volume snapshots NAME` marks the snapshots that may "
            "lack changes, and `mosaic volume audit NAME` tells more",
        )


def met(record: VolumeRecord, now_ns: int) -> Audits | None:
    """Return what is so of a live subvolume that was never audited; None when it was met already, or is none."""
    audits, live = record.audits, record.live_uuid
    if live is None or (audits is not None and audits.live == live):
        return None
    accepted = record.accepted
    # One that begins with a restore has no snapshot yet, and was checked against that head then.
    begun = parse(bytes.fromhex(accepted.signed))[0].seq if accepted is not None and accepted.snapshot is None else 0
    return Audits(live, now_ns, begun, untold=audits.untold if audits is not None else ())


def concluded(audits: Audits, found: Audited, *, newest: int) -> Audits:
    """Return what is so after an audit. `newest` is the sequence number of the newest accepted head."""
    if not found.difference_count:
        trusted = max(audits.trusted, found.seq)
        return replace(audits, since_ns=found.at_ns, last=found, trusted=trusted, rereads=False)
    return replace(_covering(audits, newest), since_ns=found.at_ns, last=found, rereads=True)


def mended(audits: Audits, *, newest: int) -> Audits:
    """Return what is so when the head `newest` was made, or confirmed, by reading everything again."""
    return replace(_covering(audits, newest - 1) if audits.covered < newest - 1 else audits, rereads=False)


def must_reread(record: VolumeRecord) -> bool:
    """Whether nothing that is remembered of the live subvolume may be believed."""
    audits = record.audits
    return audits is not None and audits.rereads and audits.live == record.live_uuid


def is_unconfirmed(record: VolumeRecord) -> bool:
    """Whether everything was read again after an audit found differences, and none has found it good since."""
    audits = record.audits
    if audits is None or audits.live != record.live_uuid or audits.rereads:
        return False
    return audits.last is not None and audits.last.difference_count > 0


def suspicion(record: VolumeRecord) -> Failure | None:
    """Return what has to be said of a volume that is held because of an audit; None when the last one was good."""
    audits = record.audits
    if record.lease is None or audits is None or audits.live != record.live_uuid:
        return None
    if audits.last is None or not audits.last.difference_count:
        return None
    error = SnapshotsSuspect(audits.last, rereads=audits.rereads)
    return Failure(error.code, error.message, error.hint)


def _covering(audits: Audits, newest: int) -> Audits:
    """Call the heads from the last trusted one up to `newest` suspect."""
    found = suspects(trusted=audits.trusted, newest=newest)
    if found is None:
        return audits
    return replace(audits, covered=max(audits.covered, found.last), untold=(*audits.untold, (found.first, found.last)))
