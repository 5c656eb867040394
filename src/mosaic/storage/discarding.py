"""Giving up the local copy of a volume that lives elsewhere now.

Nothing is deleted until its replacement was seen (G3): the Hive's newest head
must be the named one or descend from it, and so must what is deleted here. Finding
that out may take longer than the Device waits: the worker does it (`descent`),
the verb waits for a while, and answers 'not yet' until it is known.
"""

from msgspec.structs import replace

from mosaic.core.errors import Conflict, Refused, Unavailable
from mosaic.core.ids import HeadHash, VolumeId
from mosaic.storage import aside, cutting, log, restoring
from mosaic.storage.daemon import Daemon
from mosaic.storage.decide_hold import StillMounted
from mosaic.storage.records import Descent
from mosaic.storage.stale_mounts import mounts_in_use
from mosaic.storage.volume import Volume
from mosaic.wire.storage import Discard

_PATIENCE_SECONDS = 15.0
"""Half of what the Device waits for an answer, so that it hears 'not yet' and not nothing."""

_NEWS_SECONDS = 300.0
"""How long an answer that came when nobody waited any more may be acted on."""


class StillHeld(Conflict):
    """The volume is held here."""

    code = "still-held"

    def __init__(self, volume: VolumeId) -> None:
        super().__init__(f"volume {volume[:12]} is still held here", hint="release it first")


class NotReplaced(Refused):
    """The Hive does not have what should replace the local data."""

    code = "not-replaced"

    def __init__(self, volume: VolumeId, reason: str) -> None:
        super().__init__(
            f"the local copy of volume {volume[:12]} is kept: {reason}",
            hint="wait until the Device that took the app over has replicated once",
        )


class Unproven(Unavailable):
    """Whether the Hive has what should replace the local data is still being found out."""

    code = "unproven"

    def __init__(self, volume: VolumeId, problem: str | None) -> None:
        super().__init__(
            f"the local copy of volume {volume[:12]} is kept until it is known that the Hive has all of it"
            + (f"; the last try: {problem}" if problem else ""),
            hint="nothing to do: the Hive's snapshots are read one by one, and the copy goes when that is done",
        )


def discard(daemon: Daemon, asked: Discard) -> None:
    """Remove the live subvolume, local snapshots and caches. Conflict snapshots stay. May be called again.

    Raises:
        NotReplaced: the Hive does not have what is here, or not what the Device believes.
        Unproven: that is not known yet. It is found out whether this is called again or not.
    """
    volume = daemon.volume(VolumeId(asked.volume))
    if volume.record.discarded and volume.live is None:
        return
    _check_free(daemon, volume)
    daemon.backings.of(volume.record)
    with volume.wakes:
        replaced_by = HeadHash(asked.replaced_by)
        if not _is_replaced(daemon, volume, replaced_by):
            # Another request with the same wish was faster, and both were right.
            return
        _check_free(daemon, volume)
        aside.lose_trial(volume)
        aside.retire(volume)
        restoring.drop_incoming(volume)
        daemon.books.seeds.delete(volume.id)
        volume.update(
            replace(
                volume.record,
                phase="absent",
                live_uuid=None,
                data_lease=None,
                accepted=None,
                pending=None,
                cut=None,
                prefetch=None,
                discarded=True,
                descent=None,
                adopted=None,
            )
        )
        cutting.trim(volume)
        volume.subvolumes.sync(volume.places.pool)
    log.info("volume_discarded", volume=volume.id[:12], replaced_by=asked.replaced_by[:12])


def _check_free(daemon: Daemon, volume: Volume) -> None:
    if volume.record.lease is not None:
        raise StillHeld(volume.id)
    mounts = mounts_in_use(daemon, volume.id)
    if mounts:
        raise StillMounted(mounts)


def _is_replaced(daemon: Daemon, volume: Volume, replaced_by: HeadHash) -> bool:
    """Have the worker find out, and wait for it. Returns False when the volume was discarded in the meantime."""
    accepted = volume.record.accepted
    wanted = tuple(sorted({replaced_by, accepted.head} if accepted else {replaced_by}))
    _ask(volume, wanted, daemon.clock.boot_ns())
    volume.wakes.wait_for(lambda: volume.stopping or _is_over(volume, wanted), _PATIENCE_SECONDS)
    if volume.record.discarded:
        return False
    descent = volume.record.descent
    if volume.stopping or descent is None or descent.wanted != wanted or not descent.answered:
        volume.gave_up_asking_ns = daemon.clock.boot_ns()
        raise Unproven(volume.id, volume.problem.message if volume.problem else None)
    volume.gave_up_asking_ns = None
    if descent.newest is None:
        raise NotReplaced(volume.id, "the Hive has no snapshot of it")
    if replaced_by in descent.missing:
        raise NotReplaced(volume.id, f"the Hive's newest snapshot does not descend from {replaced_by[:12]}")
    if descent.missing:
        raise NotReplaced(volume.id, "the Hive's newest snapshot does not descend from what is here")
    return True


def _ask(volume: Volume, wanted: tuple[HeadHash, ...], now_ns: int) -> None:
    descent = volume.record.descent
    if descent is None or descent.wanted != wanted:
        volume.update(replace(volume.record, descent=Descent(wanted)))
    elif descent.answered and not _is_news(volume, now_ns):
        # The answer may be days old. What was read is not read again, only what is newer.
        volume.update(replace(volume.record, descent=replace(descent, answered=False)))
    volume.wake()


def _is_news(volume: Volume, now_ns: int) -> bool:
    """Whether the answer came since somebody gave up waiting for it, and not long ago.

    Were it asked for again then, a Hive that always takes longer than anybody waits would never be heard.
    """
    gave_up_ns = volume.gave_up_asking_ns
    return gave_up_ns is not None and now_ns - gave_up_ns < _NEWS_SECONDS * 1e9


def _is_over(volume: Volume, wanted: tuple[HeadHash, ...]) -> bool:
    descent = volume.record.descent
    return descent is None or descent.answered or descent.wanted != wanted
