"""Carrying out what the Device asks: the verbs of `mosaic.wire.storage`.

Each may be sent again after a lost reply. What takes long is only noted here,
and done by the volume's worker.
"""

import re

from msgspec.structs import replace

from mosaic.core.epoch import Epoch, parse
from mosaic.core.errors import Conflict, Refused
from mosaic.core.ids import HeadHash, InstallationId, VolumeId
from mosaic.crypto.volume_keys import volume_id
from mosaic.storage import aside, log, restoring, trials
from mosaic.storage.belonging import is_all_said
from mosaic.storage.cutting import cut_consistent
from mosaic.storage.daemon import Daemon
from mosaic.storage.decide_hold import (
    Asked,
    Begin,
    Facts,
    Keep,
    LocalData,
    MakeEmpty,
    Restore,
    RestoreNewest,
    StillMounted,
    decide_hold,
)
from mosaic.storage.records import Accepted, GoingBack, Lease, Origin, VolumeRecord
from mosaic.storage.replication import look_at
from mosaic.storage.stale_mounts import mounts_in_use
from mosaic.storage.volume import TrialUnderWay, Volume
from mosaic.wire import storage as wire
from mosaic.wire.storage import Envelope, GoBack, Hold, Prefetch, Release, SetAside, SnapshotNow, Upstream

_HEX = re.compile(r"(?:[0-9a-f]{2})+", re.ASCII)
_HEX_64 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_INSTALLATION = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)


class Malformed(Refused):
    """A field of a request is not what it should be. Its value is not repeated: it may be a secret."""

    code = "malformed"

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is not well-formed", hint="this is a mistake in the Device; please report it")


class NotHeld(Conflict):
    """The volume is not held in the epoch that the request names."""

    code = "not-held"

    def __init__(self, volume: VolumeId, asked: str, held: Epoch | None) -> None:
        super().__init__(
            f"volume {volume[:12]} is held in {f'epoch {held}' if held else 'no epoch'} here, not in {asked}",
            hint="look at its state again; a later lease may have replaced this one",
        )


class NotReplicated(Conflict):
    """There is data here that no acknowledged head has."""

    code = "not-replicated"

    def __init__(self, volume: VolumeId) -> None:
        super().__init__(
            f"volume {volume[:12]} has changes that the Hive does not have yet",
            hint="take a snapshot and wait until it is replicated",
        )


class NotReady(Conflict):
    """The volume is not in a state that something else can take the place of."""

    code = "not-ready"

    def __init__(self, volume: VolumeId, phase: str, so: str = "nothing can take its place") -> None:
        super().__init__(f"volume {volume[:12]} is {phase}, so {so}", hint="wait until the app runs again")


def upstream(daemon: Daemon, asked: Upstream) -> None:
    """Send heads and packs there from now on."""
    if daemon.upstreams.replace(asked, remember=daemon.books.put_upstream):
        log.info("upstream_changed", url=asked.url)
        for volume in list(daemon.volumes.values()):
            volume.wake()


def hold(daemon: Daemon, asked: Hold) -> Volume:
    """Make the volume mountable under a lease: now, or after the restore that this begins."""
    epoch = _epoch(asked.epoch)
    lease = Lease(str(epoch), HeadHash(checked_hash(asked.base)) if asked.base is not None else None)
    origin = _origin(asked.origin) if asked.origin is not None else None
    volume = _known(daemon, asked.volume, asked.installation, asked.kind, asked.seed)
    with volume.wakes:
        wanted = Asked(epoch, lease.base, asked.expect_data, adopts=origin is not None)
        trials.put_beginning(volume, daemon.caches)
        decision, loss = decide_hold(wanted, _facts(daemon, volume, origin)), volume.record.loss
        if not isinstance(decision, Keep):
            aside.lose_trial(volume)
        record = volume.record
        daemon.books.seeds.put(volume.id, asked.seed)
        volume.fenced_since = None
        record = replace(
            record,
            installation=InstallationId(asked.installation),
            kind=asked.kind,
            lease=lease,
            boot=daemon.boot,
            highest=str(epoch),
            app_digest=checked_digest(asked.app_digest),
            config_revision=asked.config_revision,
            expect_data=asked.expect_data,
            envelope=asked.envelope or record.envelope,
            prefetch=None,
            discarded=False,
            descent=None,
            cut=record.cut if record.cut and record.cut.epoch == lease.epoch else None,
            going_back=None,
            origin=origin,
            lost=None,
        )
        match decision:
            case Keep(pending):
                _keep(volume, record, lease, pending)
            case MakeEmpty():
                _make_empty(volume, record, lease)
            case Restore():
                volume.update(replace(record, phase="restoring"))
            case RestoreNewest():
                log.warning("data_lost", volume=volume.id[:12], epoch=str(epoch))
                volume.update(replace(record, phase="restoring", lost=loss))
            case Begin():
                with daemon.books.transaction():
                    if asked.origin is not None:
                        daemon.books.seeds.put(VolumeId(asked.origin.volume), asked.origin.seed)
                    volume.update(replace(record, phase="restoring"))
        log.info("volume_held", volume=volume.id[:12], epoch=str(epoch), decision=type(decision).__name__)
    volume.wake()
    return volume


def envelope(daemon: Daemon, asked: Envelope) -> None:
    """Give the volume's stores another envelope: what opens it has changed, and no snapshot may be due for long.

    Raises:
        VolumeNotHere: it would be forgotten, and whoever told it must not believe that it was heard.
    """
    if not _HEX.fullmatch(asked.envelope):
        raise Malformed("the envelope")
    volume = daemon.volume(VolumeId(asked.volume))
    if volume.record.envelope == asked.envelope:
        return
    with volume.wakes:
        volume.update(replace(volume.record, envelope=asked.envelope))
    volume.wake()


def prefetch(daemon: Daemon, asked: Prefetch) -> Volume:
    """Restore a head beside whatever is there. Nothing is done while the volume is held here."""
    head = HeadHash(checked_hash(asked.head))
    volume = _known(daemon, asked.volume, asked.installation, asked.kind, asked.seed)
    with volume.wakes:
        if volume.record.lease is None:
            daemon.books.seeds.put(volume.id, asked.seed)
            volume.update(replace(volume.record, prefetch=head))
    volume.wake()
    return volume


def snapshot(daemon: Daemon, asked: SnapshotNow) -> Volume:
    """Cut a snapshot and replicate it as soon as possible; a final one ends all mounting first."""
    volume = daemon.volume(VolumeId(asked.volume))
    if asked.consistent:
        if asked.final:
            raise Malformed("a wish for a snapshot that is final and of a running app")
        check_held(volume, asked.epoch)
        cut_consistent(volume, daemon.pool, daemon.caches)
    with volume.wakes:
        check_held(volume, asked.epoch)
        check_untried(volume)
        if asked.final and volume.record.phase != "releasing":
            check_unmounted(daemon, volume)
            if volume.record.phase not in ("ready", "going-back"):
                raise NotHeld(volume.id, asked.epoch, None)
            volume.update(replace(volume.record, phase="releasing", going_back=None))
        volume.forget_seen()
    volume.wake()
    return volume


def go_back(daemon: Daemon, asked: GoBack) -> Volume:
    """Begin to put an earlier state in the place of the present. The same request again does nothing."""
    volume = daemon.volume(VolumeId(asked.volume))
    head = HeadHash(checked_hash(asked.head)) if asked.head is not None else None
    with volume.wakes:
        record = volume.record
        under_way = record.going_back is not None and record.going_back.id == asked.id
        if under_way or (record.went_back is not None and record.went_back.id == asked.id):
            return volume
        check_held(volume, asked.epoch)
        check_untried(volume)
        if record.phase not in ("ready", "going-back"):
            raise NotReady(volume.id, record.phase)
        check_unmounted(daemon, volume)
        if head is None:
            aside.conflict(volume.places, volume.id, asked.conflict or "")
        wanted = GoingBack(asked.id, head, asked.conflict, checked_digest(asked.app_digest), asked.config_revision)
        volume.update(replace(record, phase="going-back", going_back=wanted))
    log.info("volume_goes_back", volume=volume.id[:12], to=wanted.wanted[:12])
    volume.wake()
    return volume


def release(daemon: Daemon, asked: Release) -> Volume:
    """Stop holding a volume whose data is all replicated."""
    volume = daemon.volume(VolumeId(asked.volume))
    with volume.wakes:
        record = volume.record
        if record.lease is None and record.phase == "released" and record.highest == asked.epoch:
            return volume
        check_held(volume, asked.epoch)
        check_untried(volume)
        check_unmounted(daemon, volume)
        if record.phase == "restoring":
            volume.update(replace(record, phase="released" if record.live_uuid else "absent", lease=None))
            return volume
        if not is_all_said(record, look_at(volume)):
            raise NotReplicated(volume.id)
        volume.update(replace(record, phase="released", lease=None, going_back=None))
    log.info("volume_released", volume=volume.id[:12], epoch=asked.epoch)
    volume.wake()
    return volume


def set_aside(daemon: Daemon, asked: SetAside) -> Volume:
    """Keep what is here as a conflict snapshot and stop holding."""
    volume = daemon.volume(VolumeId(asked.volume))
    aside.set_aside(volume, asked.why, pending_refused=False)
    log.warning("volume_set_aside", volume=volume.id[:12], why=asked.why)
    volume.wake()
    return volume


def _known(daemon: Daemon, volume: str, installation: str, kind: str, seed: str) -> Volume:
    _check_seed(volume, seed)
    if not _INSTALLATION.fullmatch(installation):
        raise Malformed("the installation's id")
    return daemon.volume_or_new(VolumeRecord(VolumeId(volume), InstallationId(installation), kind))


def _origin(asked: wire.Origin) -> Origin:
    _check_seed(asked.volume, asked.seed)
    return Origin(VolumeId(asked.volume), HeadHash(checked_hash(asked.head)))


def _check_seed(volume: str, seed: str) -> None:
    if not _HEX_64.fullmatch(volume) or not _HEX_64.fullmatch(seed):
        raise Malformed("the volume's name or its seed")
    if volume_id(bytes.fromhex(seed)) != volume:
        raise Malformed("the seed, which is not this volume's,")


def _facts(daemon: Daemon, volume: Volume, origin: Origin | None) -> Facts:
    record, live = volume.record, volume.live
    local: LocalData | None = None
    if live is not None:
        local = LocalData(
            known=live == record.live_uuid,
            accepted=record.accepted.head if record.accepted else None,
            pending=record.pending.head if record.pending else None,
            written_in=parse(record.data_lease.epoch) if record.data_lease else None,
            written_base=record.data_lease.base if record.data_lease else None,
        )
    fenced = parse(record.fenced) if record.fenced else None
    # The ledger speaks of data, even where somebody has removed it.
    # What could not be begun with another volume's state never had any.
    had_data = record.live_uuid is not None or (record.phase == "failed" and origin is None)
    ready_in = parse(record.loss.epoch) if record.loss else None
    return Facts(parse(record.highest), fenced, local, mounts_in_use(daemon, volume.id), had_data, ready_in)


def _keep(volume: Volume, record: VolumeRecord, lease: Lease, pending: str) -> None:
    sent = record.pending
    if sent is not None and pending == "accepted":
        record = replace(record, accepted=Accepted(sent.head, sent.signed, sent.snapshot, sent.generation))
    if pending != "open":
        record = replace(record, pending=None)
    same = record.data_lease is not None and record.data_lease.epoch == lease.epoch
    is_undone = record.trial is not None and record.trial.undo is not None
    phase = "going-back" if is_undone else "ready"
    volume.update(replace(record, phase=phase, data_lease=record.data_lease if same else lease, aside_reason=None))
    restoring.drop_incoming(volume)


def _make_empty(volume: Volume, record: VolumeRecord, lease: Lease) -> None:
    aside.retire(volume)
    live = volume.places.live(volume.id)
    made = volume.subvolumes.create(live)
    volume.subvolumes.sync(volume.places.pool)
    volume.update(
        replace(
            record,
            phase="ready",
            live_uuid=made,
            data_lease=lease,
            accepted=None,
            pending=None,
            cut=None,
            aside_reason=None,
            adopted=None,
        )
    )


def check_held(volume: Volume, epoch: str) -> None:
    """Raise NotHeld unless the volume is held in just this epoch."""
    if volume.record.epoch is None or str(volume.record.epoch) != epoch:
        raise NotHeld(volume.id, epoch, volume.record.epoch)


def check_untried(volume: Volume) -> None:
    """Raise TrialUnderWay while another version of the app is tried on the volume."""
    if volume.record.trial is not None:
        raise TrialUnderWay(volume.id)


def check_unmounted(daemon: Daemon, volume: Volume) -> None:
    """Raise StillMounted while containers use the volume."""
    mounts = mounts_in_use(daemon, volume.id)
    if mounts:
        raise StillMounted(mounts)


def _epoch(text: str) -> Epoch:
    try:
        return parse(text)
    except ValueError:
        raise Malformed("the epoch") from None


def checked_digest(text: str | None) -> str | None:
    """Return a bundle's digest that is well-formed, or None. Raises Malformed."""
    if text is not None and not _DIGEST.fullmatch(text):
        raise Malformed("the app's digest")
    return text


def checked_hash(text: str) -> str:
    """Return a head's hash that is well-formed. Raises Malformed."""
    if not _HEX_64.fullmatch(text):
        raise Malformed("a head's hash")
    return text
