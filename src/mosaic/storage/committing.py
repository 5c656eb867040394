"""Sending a signed head, and finding out what became of it.

A head is in the ledger before it is sent. It leaves the ledger acknowledged
or lost, never guessed: see `decide_commit`.
"""

import time

from msgspec.structs import replace

from mosaic.core.errors import Unavailable
from mosaic.crypto.hashing import head_hash
from mosaic.storage import aside
from mosaic.storage.backing import HeadLog
from mosaic.storage.decide_commit import Acknowledge, AskLater, GiveWay, Outcome, Place, SendAgain, resolve
from mosaic.storage.decide_step import is_unattested
from mosaic.storage.engine.heads import open_head
from mosaic.storage.records import Accepted, Lease, Pending
from mosaic.storage.volume import Volume

_FENCED = "another Device was granted the lease"
_REPLACED = "another Device has the lease, and a newer snapshot"


class HiveBehind(Unavailable):
    """The Hive knows less of this volume than it acknowledged once."""

    code = "hive-behind"

    def __init__(self) -> None:
        super().__init__(
            "the Hive knows older snapshots of this volume than it acknowledged before; it may have been restored "
            "from a backup",
            hint="the app keeps running; see `mosaic doctor` on the Hive",
        )


class MaybeFenced(Unavailable):
    """The Hive refused a head once. It is asked again before anything is set aside."""

    code = "maybe-fenced"

    def __init__(self) -> None:
        super().__init__("the Hive did not accept a snapshot in this epoch", hint="it is asked again in a moment")


def commit(volume: Volume, lease: Lease, heads: HeadLog) -> None:
    """Send the pending head, and take in the answer; the volume is set aside when it was lost.

    Raises:
        LeaseGone: the volume is not held as it was when the head was made; what was asked says nothing any more.
        Unavailable: the outcome is unknown; call `settle` later.
    """
    pending = volume.record.pending
    if pending is None:
        return
    went = volume.record.went_back if is_unattested(volume.record) else None
    match heads.commit(bytes.fromhex(pending.signed), wish=went.id if went else None):
        case "accepted":
            _acknowledge(volume, pending)
        case "fenced":
            believe_fence(volume, lease)
        case "stale":
            outcome = _look(volume, pending, heads)
            # It was neither accepted nor is there anything newer: the Hive is not at one with itself.
            _take(volume, lease, heads, pending, AskLater() if isinstance(outcome, SendAgain) else outcome)


def settle(volume: Volume, lease: Lease, heads: HeadLog) -> None:
    """Find out what became of a pending head, and send it again when it never arrived. Raises like `commit`."""
    pending = volume.record.pending
    if pending is not None:
        _take(volume, lease, heads, pending, _look(volume, pending, heads))


def _take(volume: Volume, lease: Lease, heads: HeadLog, pending: Pending, outcome: Outcome) -> None:
    match outcome:
        case Acknowledge():
            _acknowledge(volume, pending)
        case SendAgain():
            commit(volume, lease, heads)
        case AskLater():
            raise HiveBehind
        case GiveWay():
            with volume.still_leased(lease):
                aside.set_aside(volume, _REPLACED, pending_refused=True)


def _look(volume: Volume, pending: Pending, heads: HeadLog) -> Outcome:
    found = heads.newest()
    newest = _place(volume, found[1]) if found else None
    accepted = volume.record.accepted
    previous = _place(volume, bytes.fromhex(accepted.signed)) if accepted else None
    return resolve(pending.head, previous=previous, newest=newest)


def _place(volume: Volume, signed: bytes) -> Place:
    head = open_head(signed, volume.id)
    return Place(head_hash(signed), head.epoch, head.seq)


def _acknowledge(volume: Volume, sent: Pending) -> None:
    with volume.wakes:
        volume.fenced_since = None
        # A later hold may have drawn its own conclusion about this head already.
        if volume.record.pending == sent:
            accepted = Accepted(sent.head, sent.signed, sent.snapshot, sent.generation)
            volume.update(replace(volume.record, accepted=accepted, pending=None))


def believe_fence(volume: Volume, lease: Lease) -> None:
    """Set the volume aside if the Hive has been saying 'fenced' for long enough.

    A Device that reconnects has a new session for a moment before this daemon
    knows its token, and the old one is fenced in that moment. Nothing that is
    fenced is accepted meanwhile, so waiting costs no safety; and a Device that
    learns of a real fence first asks for the set-aside itself.

    Raises:
        MaybeFenced: not yet.
        LeaseGone: the volume is not held as it was.
    """
    now = time.monotonic()
    with volume.still_leased(lease):
        if volume.fenced_since is None:
            volume.fenced_since = now
        if now - volume.fenced_since < volume.fence_confirm_seconds:
            raise MaybeFenced
        aside.set_aside(volume, _FENCED, pending_refused=True)
