"""Going back: an earlier state takes the place of the present, of which nothing is lost.

In this order: the app is stopped, and nothing is mounted; a head that has all
of the present is acknowledged; the earlier state is restored beside it and
verified; one rename puts it in place, and the app may start; a head that
names the earlier state's root, and follows the one of the present, is
acknowledged. A kill anywhere leaves the present or the earlier state, whole.
Which of these comes next is `decide_step`'s.
"""

import dataclasses
import time

from msgspec.structs import replace

from mosaic.core.epoch import parse
from mosaic.core.errors import Fenced, MosaicError, Unavailable
from mosaic.crypto.hashing import head_hash
from mosaic.crypto.volume_keys import VolumeKeys
from mosaic.storage import aside, committing, replication, restoring
from mosaic.storage.backing import Backing
from mosaic.storage.belonging import digest_in
from mosaic.storage.caches import Caches
from mosaic.storage.decide_step import CopyConflict, is_unattested, next_step
from mosaic.storage.engine.fetch import Fetcher
from mosaic.storage.engine.heads import open_head, root_of, sign_head
from mosaic.storage.engine.tree import Tree
from mosaic.storage.pool import Pool
from mosaic.storage.records import Incoming, Lease, Pending, WentBack
from mosaic.storage.volume import LeaseGone, Volume, is_clean
from mosaic.wire import storage as wire

NO_GENERATION = -1
"""No subvolume is ever in it: what the ledger says of the present is not to be taken for the earlier state's."""

PATIENCE = 5
"""So many times in a row something may not answer, some minutes in all. Meanwhile the app runs nowhere."""


def save(volume: Volume, keys: VolumeKeys, backing: Backing, *, pool: Pool, caches: Caches) -> None:
    """Have all of the present acknowledged, and note by which head. Raises like `replicate_volume`."""
    lease = _lease(volume)
    replication.replicate_volume(volume, keys, backing, pool=pool, caches=caches)
    generation = replication.look_at(volume)
    with volume.still_leased(lease) as record:
        going, accepted = record.going_back, record.accepted
        # A cut that waits is older than the present: once replicated after it, it would be the newest.
        is_saved = accepted is not None and record.cut is None and is_clean(record, generation)
        if record.phase == "going-back" and going is not None and accepted is not None and is_saved:
            volume.update(replace(record, going_back=replace(going, saved=accepted.head)))


def copy_conflict(volume: Volume, name: str) -> None:
    """Lay a writable copy of a conflict snapshot beside the live subvolume. It shares every block with it."""
    restoring.drop_incoming(volume)
    with volume.wakes:
        going = volume.record.going_back
        if going is None or next_step(volume.record) != CopyConflict(name):
            raise LeaseGone(volume.id)
        target = volume.places.incoming(volume.id)
        made = volume.subvolumes.clone(aside.conflict(volume.places, volume.id, name), target)
        volume.subvolumes.sync(volume.places.pool)
        volume.update(replace(volume.record, incoming=Incoming(going.wanted, "", made)))


def put_back(volume: Volume) -> None:
    """Make the complete earlier state the live subvolume.

    Safe to call again after a kill at any line: the subvolume's uuid tells how far it came.
    """
    with volume.wakes:
        record, going, incoming = volume.record, volume.record.going_back, volume.record.incoming
        if record.lease is None or going is None or going.saved is None or incoming is None or record.accepted is None:
            return
        generation = restoring.put_in_place(volume, incoming.uuid)
        if generation is None:
            return
        went = WentBack(
            id=going.id,
            saved=going.saved,
            uuid=incoming.uuid,
            signed=incoming.signed or None,
            generation=generation,
            taken_ns=time.time_ns(),
        )
        volume.update(
            replace(
                record,
                phase="ready",
                live_uuid=incoming.uuid,
                data_lease=record.lease,
                accepted=replace(record.accepted, snapshot=None, generation=NO_GENERATION),
                app_digest=going.app_digest or _named_by(volume, incoming),
                config_revision=going.config_revision,
                incoming=None,
                cut=None,
                going_back=None,
                went_back=went,
            )
        )


def _named_by(volume: Volume, incoming: Incoming) -> str | None:
    """Return the bundle that an earlier state's own head says it belongs to; a conflict snapshot has no head."""
    return digest_in(open_head(bytes.fromhex(incoming.signed), volume.id)) if incoming.signed else None


def attest(volume: Volume, keys: VolumeKeys, backing: Backing, *, pool: Pool, caches: Caches) -> None:
    """Have a head accepted that has the earlier state, and follows the one of the present.

    It names the earlier state's own root, unless packs of the volume were ever
    condemned: that root's list of them is an older one, and condemning can't
    be taken back. Then everything is looked at once and stored as what follows
    the present; only what lies in condemned packs is sent again. Raises like
    `replicate_volume`.
    """
    lease = _lease(volume)
    try:
        if volume.record.pending is not None:
            committing.settle(volume, lease, backing.heads)
        went = volume.record.went_back
        if not is_unattested(volume.record) or went is None or went.signed is None:
            return
        replication.mirror(volume, backing.store)
        if not _condemns(volume, keys, backing, caches):
            _sign(volume, lease, keys, backing, went.signed, went.generation)
            committing.commit(volume, lease, backing.heads)
            return
        replication.replicate_volume(volume, keys, backing, pool=pool, caches=caches)
        present = volume.record.accepted
        if is_unattested(volume.record) and present is not None and is_clean(volume.record, volume.generation):
            # There is no difference between the two. It is said all the same, for somebody waits to hear it.
            _sign(volume, lease, keys, backing, present.signed, present.generation)
            committing.commit(volume, lease, backing.heads)
    except Fenced:
        committing.believe_fence(volume, lease)


def ends(error: MosaicError, failures: int) -> bool:
    """Whether this ends an attempt to go back, after so many failures in a row."""
    return not isinstance(error, Unavailable) or failures >= PATIENCE


def give_up(volume: Volume, error: MosaicError) -> bool:
    """Leave the present where it is, and say why. Returns False when it is gone already: then on is the only way."""
    with volume.wakes:
        record, going = volume.record, volume.record.going_back
        if record.phase != "going-back" or going is None or volume.live is None:
            return False
        failure = wire.Failure(error.code, error.message, error.hint)
        went = WentBack(going.id, going.saved, failure)
        volume.update(replace(record, phase="ready", going_back=None, went_back=went))
        restoring.drop_incoming(volume)
        return True


def _condemns(volume: Volume, keys: VolumeKeys, backing: Backing, caches: Caches) -> bool:
    """Whether the present, or the earlier state, lists condemned packs."""
    record = volume.record
    if record.accepted is None or record.went_back is None or record.went_back.signed is None:
        return False
    with caches.index(volume.id) as known:
        known.load(backing.store, keys)
        with Fetcher(keys, backing.store, known) as fetcher:
            heads = (
                open_head(bytes.fromhex(one), volume.id) for one in (record.accepted.signed, record.went_back.signed)
            )
            return any(Tree(fetcher.get, root_of(head)).root.condemns for head in heads)


def _sign(volume: Volume, lease: Lease, keys: VolumeKeys, backing: Backing, same_as: str, generation: int) -> None:
    """Put a head into the ledger that has the content of another one, `same_as` (its bytes in hex)."""
    with volume.still_leased(lease) as record:
        went, accepted = record.went_back, record.accepted
        if went is None or accepted is None or record.trial is not None:
            return
        before = open_head(bytes.fromhex(accepted.signed), volume.id)
        # Root and flags say what the content is, and that is as it was then.
        head = dataclasses.replace(
            open_head(bytes.fromhex(same_as), volume.id),
            epoch=parse(lease.epoch),
            seq=before.seq + 1,
            previous=accepted.head,
            instant_ns=max(went.taken_ns, before.instant_ns + 1),
            device=backing.device,
            app_digest=replication.app_digest(record),
            config_revision=record.config_revision,
        )
        signed = sign_head(head, keys.seed)
        volume.update(replace(record, pending=Pending(head_hash(signed), signed.hex(), None, generation)))


def _lease(volume: Volume) -> Lease:
    lease = volume.record.lease
    if lease is None:
        raise LeaseGone(volume.id)
    return lease
