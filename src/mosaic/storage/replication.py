"""Carrying a held volume to the Hive: snapshot, upload, signed head.

The order is what makes an acknowledged snapshot safe (G2): packs are durable
before a head names them, the head is in the ledger before it is sent, and the
snapshot before it is deleted only after the new one was acknowledged. A kill
anywhere leaves the old head valid, and garbage that the next round removes.
How a head is sent and what the answer means is `committing`'s; what is done
about a store that lost something is `mend`'s.
"""

import dataclasses
import time

from blake3 import blake3
from msgspec.structs import replace

from mosaic.core.auditing import Suspects
from mosaic.core.epoch import parse
from mosaic.core.errors import Corrupt, Fenced
from mosaic.crypto.hashing import head_hash
from mosaic.crypto.volume_keys import VolumeKeys
from mosaic.storage import committing, left_out, log
from mosaic.storage.backing import Backing
from mosaic.storage.caches import Caches
from mosaic.storage.cutting import drop, next_cut, trim
from mosaic.storage.decide_audit import mended, must_reread
from mosaic.storage.differing import hints
from mosaic.storage.engine.condemning import NOTHING, Condemning, load_condemned
from mosaic.storage.engine.damage import CopyMissing, FilesUnread, SourceChanged
from mosaic.storage.engine.envelopes import envelope_name
from mosaic.storage.engine.heads import mirror_head, open_head, root_of, sign_head
from mosaic.storage.engine.index import ChunkIndex
from mosaic.storage.engine.mend import Mending, note_mended, replicate_and_mend
from mosaic.storage.engine.roots import Progress, RootRef
from mosaic.storage.engine.staged import Staged
from mosaic.storage.engine.store import Store
from mosaic.storage.engine.suspects import mark_suspects
from mosaic.storage.pool import Pool, PoolNearlyFull
from mosaic.storage.records import Accepted, Cut, Lease, Pending, VolumeRecord
from mosaic.storage.stores.follower import Wanted
from mosaic.storage.volume import LeaseGone, Moved, Volume
from mosaic.wire import head as wire


def replicate_volume(
    volume: Volume,
    keys: VolumeKeys,
    backing: Backing,
    *,
    pool: Pool,
    caches: Caches,
    condemning: Condemning = NOTHING,
) -> None:
    """Bring the Hive up to date with the live subvolume; costs nearly nothing when it is already.

    With something to condemn there is a new head in any case, that says it.

    Raises:
        LeaseGone: the volume is not held (any more) as it was when the round began, or a trial is under way.
        Unavailable: the Hive did not answer; what was begun is taken up again next time.
        PoolNearlyFull: no snapshot was cut.
    """
    lease = volume.record.lease
    if lease is None or volume.record.trial is not None:
        raise LeaseGone(volume.id)
    try:
        _round(volume, lease, keys, backing, pool, caches, condemning)
    except Fenced:
        committing.believe_fence(volume, lease)


def _round(
    volume: Volume,
    lease: Lease,
    keys: VolumeKeys,
    backing: Backing,
    pool: Pool,
    caches: Caches,
    condemning: Condemning,
) -> None:
    heads, store = backing.heads, backing.store
    if volume.record.pending is not None:
        committing.settle(volume, lease, heads)
    generation = look_at(volume)
    for follower in backing.followers:
        volume.doubted.update(follower.take_doubted())
    with volume.still_leased(lease) as record:
        # What the store lost is written anew from the live data, though nothing changed here.
        has_news = (
            volume.is_damaged
            or bool(volume.doubted)
            or record.cut is not None
            or must_reread(record)
            or _lacks_snapshot(volume)
            or _has_news(record, lease, generation)
        )
    if has_news or condemning != NOTHING:
        # The last snapshot shares every block with an app that has stopped, and leaving is what makes room.
        # One that was cut already takes no more room, and is let go when it is replicated.
        if record.phase != "releasing" and record.cut is None:
            _check_room(volume, pool)
        _put_envelope(volume, store, backing.key)
        rereads = must_reread(volume.record)
        cut = next_cut(volume, lease, caches)
        try:
            done = _upload(volume, lease, keys, backing, cut, caches, condemning)
        except (CopyMissing, SourceChanged) as error:
            # It is of no use any more, whoever asked for it.
            volume.copies_all = isinstance(error, CopyMissing)
            drop(volume, lease, cut)
            raise
        volume.copies_all = False
        left_out.note(volume, lease, done.replication.skipped)
        unread = done.replication.unread
        volume.unread = FilesUnread(unread) if unread else None
        # Again for a store that turned out to have lost what it had: it may be a new one under the old name.
        _put_envelope(volume, store, backing.key)
        # Of a head whose reply was lost this is the last chance, and collection trusts those alone that have a mirror.
        mirror(volume, store)
        if _sign(volume, lease, keys, backing, cut, done.replication.root):
            committing.commit(volume, lease, heads)
        if _accepted_root(volume) == done.replication.root:
            with caches.index(volume.id) as known:
                known.accept_condemned(done.replication.root.root, (one.pack for one in condemning.add))
                note_mended(store, known, done.replaced)
            volume.is_damaged = volume.is_damaged and not done.replaced
            if rereads:
                _note_reread(volume)
        # The snapshot itself counts as a generation; what came after it is the next round's.
        look_at(volume)
    elif record.envelope is not None and record.enveloped != _enveloped(record.envelope, backing.key):
        # The recovery code was renewed: stores have to know, however long nothing changes here.
        _put_envelope(volume, store, backing.key)
    mirror(volume, store)
    _tell_suspects(volume, keys, store)
    _follow(volume, keys, backing)
    trim(volume)


def _check_room(volume: Volume, pool: Pool) -> None:
    """Raise PoolNearlyFull, having let the local copy of the newest snapshot go.

    It keeps all that the app overwrites and deletes since, so neither would make room, and an app that only
    overwrites would run out. The stores have it; the next snapshot costs a look at every file.
    """
    problem = volume.problem
    try:
        pool.check_room(has_stopped=problem is not None and problem.code == PoolNearlyFull.code)
    except PoolNearlyFull:
        with volume.wakes:
            record = volume.record
            if record.accepted is not None and record.accepted.snapshot is not None:
                volume.update(replace(record, accepted=replace(record.accepted, snapshot=None)))
            # An audit ends without it, and begins anew when there is one again.
            volume.audited_snapshot, volume.audit_asked = None, False
        trim(volume)
        # Only then does the kernel begin to take back what nobody has any more.
        volume.subvolumes.sync(volume.places.pool)
        raise


def keep_up(volume: Volume, keys: VolumeKeys, backing: Backing) -> None:
    """Have every store know of the newest accepted head; nothing new is cut or sent. Raises Unavailable."""
    trim(volume)
    mirror(volume, backing.store)
    _follow(volume, keys, backing)


def look_at(volume: Volume) -> int:
    """Sync, and return the live subvolume's generation. Raises NotASubvolume when it is gone."""
    # What is asked for while we look may be about data that we did not see.
    asks, began_seconds = volume.asks, time.thread_time()
    volume.subvolumes.sync(volume.places.pool)
    generation = volume.subvolumes.generation(volume.places.live(volume.id))
    volume.seen(generation, asks=asks)
    volume.look_seconds = time.thread_time() - began_seconds
    return generation


def _has_news(record: VolumeRecord, lease: Lease, generation: int) -> bool:
    accepted = record.accepted
    if accepted is None or accepted.generation != generation:
        return True
    head, _ = wire.parse(bytes.fromhex(accepted.signed))
    # A holder's first head shows that it can write, and each head names the program that the data belongs to.
    return (head.epoch, head.app_digest, head.config_revision) != (
        parse(lease.epoch),
        app_digest(record),
        record.config_revision,
    )


def _upload(
    volume: Volume,
    lease: Lease,
    keys: VolumeKeys,
    backing: Backing,
    cut: Cut,
    caches: Caches,
    condemning: Condemning,
) -> Mending:
    record, store = volume.record, backing.store
    previous = _accepted_root(volume)
    folder = volume.places.snapshots(volume.id)
    path = folder / cut.snapshot
    # No difference speaks of a subvolume that an app made: looking everywhere finds where it is.
    is_hinted = not left_out.is_unlisted(volume)
    before = record.accepted.snapshot if record.accepted and is_hinted else None
    is_whole = volume.subvolumes.keeps_snapshots
    rereads = must_reread(record)
    where = hints(path, folder / before if before and not rereads else None) if is_whole else None
    staged = None if is_whole else Staged(path)

    def show(progress: Progress) -> None:
        with volume.still_leased(lease):
            volume.show(Moved("replicating", progress.moved_bytes, progress.total_bytes))

    with caches.index(volume.id) as known, caches.nodes(record.live_uuid or "none") as nodes:
        loaded = (lease, backing.key)
        # One that was damaged has been begun anew.
        if volume.index_loaded_for != loaded or known.is_empty:
            if known.load(store, keys).gone:
                volume.envelope_put = None
            volume.index_loaded_for = loaded
            for follower in backing.followers:
                follower.owe()
        if volume.doubted:
            for pack in volume.doubted:
                known.doubt(pack)
            volume.doubted.clear()
            volume.is_damaged = bool(known.damaged())
        if rereads:
            nodes.distrust()
        lost = _condemned(volume, keys, store, known, previous)
        try:
            return replicate_and_mend(
                path if staged is None else staged.tree,
                keys,
                store,
                previous=previous,
                known=known,
                nodes=nodes,
                taken_ns=cut.taken_ns,
                hints=where,
                staged=staged,
                skipped=left_out.known(record),
                condemning=dataclasses.replace(condemning, add=(*lost.add, *condemning.add)),
                on_progress=show,
            )
        finally:
            volume.show(None)


def _condemned(
    volume: Volume, keys: VolumeKeys, store: Store, known: ChunkIndex, previous: RootRef | None
) -> Condemning:
    """Have the index count no pack that the accepted head condemns, before anything is sent.

    Returns what the next head must add, because whoever keeps the heads lost it.
    """
    if previous is None or volume.record.accepted is None or known.listed == previous.root:
        return NOTHING
    head, _ = wire.parse(bytes.fromhex(volume.record.accepted.signed))
    try:
        return load_condemned(previous, head.seq, keys, store, known)
    except Corrupt:
        # Then any pack may be condemned, and gone tomorrow: everything is written anew.
        log.warning("condemned_list_damaged", volume=volume.id[:12])
        known.doubt_all()
        return NOTHING


def _sign(volume: Volume, lease: Lease, keys: VolumeKeys, backing: Backing, cut: Cut, root: RootRef) -> bool:
    """Put a signed head into the ledger. Returns False when the newest head says all of it already."""
    with volume.still_leased(lease) as record:
        if record.trial is not None:
            # It began while this was carried, and no head may follow the one that it began with.
            raise LeaseGone(volume.id)
        before = open_head(bytes.fromhex(record.accepted.signed), volume.id) if record.accepted else None
        epoch, digest = parse(lease.epoch), app_digest(record)
        left = None if record.cut == cut else record.cut
        if (
            record.accepted
            and before
            and root_of(before) == root
            and not cut.flags & ~before.flags
            and not _has_news(record, lease, record.accepted.generation)
        ):
            unchanged = Accepted(record.accepted.head, record.accepted.signed, cut.snapshot, cut.generation)
            volume.update(replace(record, accepted=unchanged, cut=left))
            return False
        head = wire.Head(
            volume=volume.id,
            epoch=epoch,
            seq=before.seq + 1 if before else 1,
            previous=record.accepted.head if record.accepted else None,
            instant_ns=cut.taken_ns,
            device=backing.device,
            app_digest=digest,
            config_revision=record.config_revision,
            root=root.root,
            root_pack=root.pack,
            flags=cut.flags,
        )
        signed = sign_head(head, keys.seed)
        pending = Pending(head_hash(signed), signed.hex(), cut.snapshot, cut.generation)
        volume.update(replace(record, pending=pending, cut=left))
        return True


def _accepted_root(volume: Volume) -> RootRef | None:
    accepted = volume.record.accepted
    return root_of(open_head(bytes.fromhex(accepted.signed), volume.id)) if accepted else None


def mirror(volume: Volume, store: Store) -> None:
    """Have the store keep the newest accepted head. Before another one is signed: each accepted head has a mirror."""
    accepted = volume.record.accepted
    if accepted is not None and volume.record.mirrored != accepted.head:
        mirror_head(store, bytes.fromhex(accepted.signed))
        with volume.wakes:
            volume.update(replace(volume.record, mirrored=accepted.head))


def _lacks_snapshot(volume: Volume) -> bool:
    """Whether an audit waits for a local snapshot, as after a restore: one is cut though nothing changed."""
    accepted = volume.record.accepted
    if accepted is None or not volume.audit_asked or not volume.subvolumes.keeps_snapshots:
        return False
    return accepted.snapshot is None


def _note_reread(volume: Volume) -> None:
    """Note that the accepted head was made by reading everything again."""
    with volume.wakes:
        record = volume.record
        if record.audits is not None and record.accepted is not None:
            newest = open_head(bytes.fromhex(record.accepted.signed), volume.id).seq
            volume.update(replace(record, audits=mended(record.audits, newest=newest)))


def _tell_suspects(volume: Volume, keys: VolumeKeys, store: Store) -> None:
    """Have the store say which snapshots an audit put under suspicion."""
    audits = volume.record.audits
    for first, last in audits.untold if audits is not None else ():
        mark_suspects(store, keys, Suspects(first, last))
        with volume.wakes:
            now = volume.record.audits
            if now is not None:
                left = tuple(one for one in now.untold if one != (first, last))
                volume.update(replace(volume.record, audits=replace(now, untold=left)))


def _follow(volume: Volume, keys: VolumeKeys, backing: Backing) -> None:
    """Let the stores that follow know which head they should have. Waits for none of them."""
    accepted = volume.record.accepted
    if accepted is None or not backing.followers:
        return
    envelope = bytes.fromhex(volume.record.envelope) if volume.record.envelope is not None else None
    wanted = Wanted(bytes.fromhex(accepted.signed), envelope, backing.store, keys)
    for follower in backing.followers:
        follower.want(wanted)


def _put_envelope(volume: Volume, store: Store, key: str) -> None:
    """Have the store hold the wrapped seed. Once while the daemon runs: the store keeps what it took."""
    envelope = volume.record.envelope
    if envelope is not None and volume.envelope_put != (envelope, key):
        sealed = bytes.fromhex(envelope)
        store.put(envelope_name(sealed), sealed)
        volume.envelope_put = (envelope, key)
        with volume.wakes:
            volume.update(replace(volume.record, enveloped=_enveloped(envelope, key)))


def _enveloped(envelope: str, key: str) -> str:
    return f"{blake3(bytes.fromhex(envelope)).hexdigest()} {key}"


def app_digest(record: VolumeRecord) -> bytes | None:
    """Return the digest of the bundle that the volume's data belongs to, as a head names it.

    Who holds the volume without saying so leaves it at what the newest head names.
    """
    named = record.app_digest or (record.adopted if record.accepted is None else None)
    if named:
        return bytes.fromhex(named.removeprefix("sha256:"))
    return wire.parse(bytes.fromhex(record.accepted.signed))[0].app_digest if record.accepted else None
