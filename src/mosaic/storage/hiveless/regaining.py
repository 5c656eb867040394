"""Coming to hold a volume without a Hive, by asking the log in its store.

The volume's worker does it when nothing is held: after `docker volume create`,
and after a reboot. A store that does not answer stops nobody who has the data
here (G10): the volume is held unconfirmed, and confirmed or set aside as soon
as the store can be asked. What may be done is decided by `decide_regain`.
"""

from typing import assert_never

from msgspec.structs import replace

from mosaic.core.epoch import parse
from mosaic.core.errors import Conflict, MosaicError, Unavailable
from mosaic.core.ids import HeadHash
from mosaic.crypto.hashing import head_hash
from mosaic.storage import aside, log, verbs
from mosaic.storage.backing import HeadLog
from mosaic.storage.daemon import Daemon
from mosaic.storage.engine.heads import open_head
from mosaic.storage.engine.slots import claim
from mosaic.storage.hiveless.decide_regain import (
    FIRST,
    Behind,
    Claim,
    Claimed,
    Hold,
    Known,
    Lost,
    Newest,
    PutClaim,
    decide_regain,
    is_ours,
)
from mosaic.storage.records import Hiveless, VolumeRecord
from mosaic.storage.volume import Volume
from mosaic.wire import storage as wire

_TAKEN_OVER = "another machine took it over"


class StoreBehind(Unavailable):
    """The store knows less of a volume than it acknowledged."""

    code = "store-behind"

    def __init__(self) -> None:
        super().__init__(
            "the store has no history of this volume any more, though it acknowledged snapshots before",
            hint="look whether it is the right store, mounted and complete; what is here is kept",
        )


class TakenOver(Conflict):
    """The log has a claim or a snapshot of another machine."""

    code = "taken-over"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"another machine took the volume {name} over",
            hint="what only this machine has is kept as a conflict snapshot: `mosaic storage volumes` names it",
        )


def regain(daemon: Daemon, volume: Volume) -> None:
    """Come to hold the volume, or set it aside. May be called again after a kill at any line.

    Raises:
        TakenOver: somebody else has it; what is here is kept.
        Unavailable: the store did not answer, and there is nothing here to go on with.
    """
    record = volume.record
    assert record.hiveless is not None
    try:
        heads = daemon.backings.of(record).heads
        newest = heads.newest()
    except MosaicError as error:
        if record.live_uuid is None or record.hiveless.take_over:
            raise
        log.warning("hold_unconfirmed", volume=volume.id[:12], code=error.code, reason=error.message)
        go_on_unconfirmed(daemon, volume)
        return
    known = _known(record)
    match decide_regain(known, _newest(volume, newest)):
        case Hold(epoch, base):
            hold(daemon, volume, str(epoch), base, confirmed=True)
        case Claim():
            assert newest is not None
            _note_claim(volume, claim(newest[1], _seed(daemon, volume), device=daemon.books.writer()))
            _put_claim(daemon, volume, heads)
        case PutClaim():
            _put_claim(daemon, volume, heads)
        case Lost():
            give_way(volume)
            raise TakenOver(record.hiveless.name)
        case Behind():
            if record.live_uuid is None:
                raise StoreBehind
            go_on_unconfirmed(daemon, volume)
        case other:
            assert_never(other)


def confirm(daemon: Daemon, volume: Volume) -> None:
    """Ask the log about a hold that was begun without it. Raises as `regain`, and while it cannot be asked."""
    record = volume.record
    lease = record.lease
    if record.hiveless is None or lease is None:
        return
    newest = daemon.backings.of(record).heads.newest()
    if newest is None and record.accepted is not None:
        raise StoreBehind
    with volume.still_leased(lease) as now:
        assert now.hiveless is not None
        if is_ours(_known(now), _newest(volume, newest)):
            volume.update(replace(now, hiveless=_held(now.hiveless, confirmed=True)))
            return
        give_way(volume)
    raise TakenOver(record.hiveless.name)


def go_on_unconfirmed(daemon: Daemon, volume: Volume) -> None:
    """Hold what is here in its own epoch, without having asked the log."""
    record = volume.record
    if record.data_lease is not None:
        hold(daemon, volume, record.data_lease.epoch, record.data_lease.base, confirmed=False)


def give_way(volume: Volume) -> None:
    """Keep what only this machine has, and hold the volume no more."""
    with volume.wakes:
        aside.set_aside(volume, _TAKEN_OVER, pending_refused=True)
        record = volume.record
        assert record.hiveless is not None
        ended = _held(record.hiveless, confirmed=False)
        # Also where there was nothing to keep: nothing is tried again until somebody asks.
        volume.update(replace(record, phase="set-aside", hiveless=ended))


def hold(daemon: Daemon, volume: Volume, epoch: str, base: HeadHash | None, *, confirmed: bool) -> None:
    """Hold the volume as a Device would, and note how sure that is."""
    with volume.wakes:
        record = volume.record
        if record.hiveless is None or record.hiveless.removed_ns is not None or record.lease is not None:
            return
        verbs.hold(
            daemon,
            wire.Hold(
                volume=volume.id,
                installation=record.installation,
                kind=record.kind,
                seed=_seed(daemon, volume).hex(),
                epoch=epoch,
                base=base,
                app_digest=None,
                config_revision=0,
                envelope=record.envelope,
                expect_data=parse(epoch) != FIRST,
            ),
        )
        volume.update(replace(volume.record, hiveless=_held(record.hiveless, confirmed=confirmed)))


def _put_claim(daemon: Daemon, volume: Volume, heads: HeadLog) -> None:
    """Put the claim that is noted, and hold the volume if its slot was free."""
    hiveless = volume.record.hiveless
    assert hiveless is not None
    assert hiveless.claim is not None
    signed = bytes.fromhex(hiveless.claim)
    if heads.commit(signed) == "accepted":
        head = open_head(signed, volume.id)
        log.info("volume_claimed", volume=volume.id[:12], epoch=str(head.epoch), seq=head.seq)
        hold(daemon, volume, str(head.epoch), head_hash(signed), confirmed=True)
        return
    # The holder before was faster, or another claim: the next look tells which.
    volume.wake()


def _note_claim(volume: Volume, signed: bytes) -> None:
    with volume.wakes:
        record = volume.record
        assert record.hiveless is not None
        volume.update(replace(record, hiveless=replace(record.hiveless, claim=signed.hex())))


def _held(hiveless: Hiveless, *, confirmed: bool) -> Hiveless:
    return replace(hiveless, claim=None, take_over=False, confirmed=confirmed)


def _known(record: VolumeRecord) -> Known:
    hiveless = record.hiveless
    assert hiveless is not None
    has_data = record.live_uuid is not None and record.data_lease is not None
    return Known(
        accepted=record.accepted.head if record.accepted else None,
        pending=record.pending.head if record.pending else None,
        epoch=parse(record.data_lease.epoch) if has_data and record.data_lease else None,
        base=record.data_lease.base if has_data and record.data_lease else None,
        claim=_claimed(record, hiveless),
        take_over=hiveless.take_over,
    )


def _claimed(record: VolumeRecord, hiveless: Hiveless) -> Claimed | None:
    if hiveless.claim is None:
        return None
    signed = bytes.fromhex(hiveless.claim)
    head = open_head(signed, record.volume)
    return Claimed(head_hash(signed), head.previous, head.epoch)


def _newest(volume: Volume, found: tuple[HeadHash, bytes] | None) -> Newest | None:
    return None if found is None else Newest(found[0], open_head(found[1], volume.id).epoch)


def _seed(daemon: Daemon, volume: Volume) -> bytes:
    return bytes.fromhex(daemon.books.seeds.get(volume.id) or "")


def wait_until_decided(volume: Volume, seconds: float) -> None:
    """Wait until the worker has found out whether the volume is held, or why that cannot be found out."""
    with volume.wakes:
        volume.wakes.wait_for(
            lambda: volume.stopping or not is_undecided(volume.record) or volume.problem is not None, seconds
        )


def is_undecided(record: VolumeRecord) -> bool:
    """Return whether nobody has asked the log yet."""
    return record.lease is None and record.phase in ("absent", "released")
