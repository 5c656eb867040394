"""An installation's volumes: taking them over, waiting for their data, giving them back.

Each function asks the storage daemon for what it should make so; every one
may be carried out again, and none deletes what is nowhere else.
"""

from collections.abc import Callable

from mosaic.core.errors import MosaicError
from mosaic.device import vouching
from mosaic.device.doing.keys import open_seed, seed_of
from mosaic.device.doing.waiting import until
from mosaic.device.means import Means
from mosaic.device.outside import ask
from mosaic.wire.assignment import Assignment
from mosaic.wire.storage import (
    Discard,
    Envelope,
    Hold,
    Origin,
    Prefetch,
    Release,
    SetAside,
    SnapshotNow,
    StateRequest,
    VolumeState,
    WentBack,
)

Show = Callable[[int | None, int | None], None]
"""Told how many bytes of how many have moved."""

_HELD = ("ready", "restoring", "releasing")


async def hold(means: Means, item: Assignment, epoch: str) -> None:
    """Ask for every volume under `epoch`. An app that ran here before must find its data again (G4)."""
    here = {volume.volume: volume for volume in await known(means, item.installation)}
    expect_data = means.records.notes_of(item.installation).started
    for volume in item.volumes:
        envelope = means.envelope_of(volume)
        request = Hold(
            volume=volume.volume,
            installation=item.installation,
            kind=volume.kind,
            seed=seed_of(means, volume).reveal().hex(),
            epoch=epoch,
            base=volume.base,
            app_digest=await _digest(means, item, here.get(volume.volume)),
            config_revision=item.config_revision,
            envelope=envelope,
            expect_data=expect_data and volume.kind == "data",
            origin=_origin(means, item) if volume.kind == "data" and volume.base is None else None,
        )
        await ask(means.storage.hold, request)
        newer = means.envelope_of(volume)
        if newer is not None and newer != envelope:
            # It came while the daemon did not know the volume, and could not keep it.
            await ask(means.storage.envelope, Envelope(volume.volume, newer))


async def wait_ready(means: Means, item: Assignment, epoch: str, show: Show) -> None:
    """Wait until every volume is ready under `epoch`."""
    await until(
        means,
        _ids(item),
        lambda seen: seen.phase in ("ready", "releasing") and seen.epoch == epoch,
        show=summed(show),
    )


async def prefetch(means: Means, item: Assignment, show: Show) -> None:
    """Restore the newest heads beside whatever is here, and note which."""
    wanted = {volume.volume: volume for volume in item.volumes if volume.newest is not None}
    for volume in wanted.values():
        assert volume.newest is not None
        seed = seed_of(means, volume).reveal().hex()
        await ask(means.storage.prefetch, Prefetch(volume.volume, item.installation, volume.kind, seed, volume.newest))
    await until(
        means,
        list(wanted),
        lambda seen: wanted[seen.volume].newest in (seen.prefetched, seen.local_head),
        show=summed(show),
        gave_up=lambda seen: seen.prefetching != wanted[seen.volume].newest,
    )


async def snapshot(means: Means, item: Assignment, epoch: str, show: Show) -> None:
    """Have a snapshot replicated in `epoch`: the proof that this Device can."""
    bases = {volume.volume: volume.base for volume in item.volumes}
    for volume in bases:
        await ask(means.storage.snapshot, SnapshotNow(volume, epoch))
    await until(
        means,
        list(bases),
        lambda seen: seen.epoch == epoch and seen.local_head is not None and seen.local_head != bases[seen.volume],
        show=summed(show),
    )


async def final_snapshot(means: Means, item: Assignment, epoch: str, show: Show) -> None:
    """Have everything of a stopped app replicated. A volume that is not restored here has nothing to replicate."""
    written = [volume.volume for volume in await known_of(means, item) if volume.phase in ("ready", "releasing")]
    for volume in written:
        await ask(means.storage.snapshot, SnapshotNow(volume, epoch, final=True))
    await until(means, written, lambda seen: seen.epoch == epoch and seen.clean, show=summed(show))


async def release(means: Means, item: Assignment, epoch: str) -> None:
    """Stop holding the volumes that are held. Their data stays."""
    for volume in await known_of(means, item):
        if volume.phase in _HELD:
            await ask(means.storage.release, Release(volume.volume, epoch))


async def set_aside(means: Means, installation: str, why: str) -> None:
    """Keep what was not replicated as a conflict snapshot, and stop holding (G5). One that fails stops no other."""
    errors: list[MosaicError] = []
    for volume in await known(means, installation):
        if volume.phase in (*_HELD, "failed"):
            try:
                await ask(means.storage.set_aside, SetAside(volume.volume, why))
            except MosaicError as error:
                errors.append(error)
    if errors:
        raise errors[0]


async def discard(means: Means, item: Assignment) -> None:
    """Let go of the data of an installation that lives elsewhere, once the store has its replacement (G3)."""
    newest = {volume.volume: volume.newest for volume in item.volumes}
    for volume in await known(means, item.installation):
        replaced_by = newest.get(volume.volume)
        if replaced_by is not None and volume.phase != "absent":
            await ask(means.storage.discard, Discard(volume.volume, replaced_by))


def _origin(means: Means, item: Assignment) -> Origin | None:
    origin = item.origin
    if origin is None:
        return None
    seed = open_seed(means, origin.volume, origin.wrapped_seed)
    return Origin(origin.volume, seed.reveal().hex(), origin.head)


async def _digest(means: Means, item: Assignment, seen: VolumeState | None) -> str | None:
    """Return the bundle that a volume's data belongs to now: of one that shall go back, the present's until it has.

    None when nobody vouches for that one: heads then go on naming what they named, and no Hive can have this
    Device sign that its data belongs to something that was never believed.
    """
    back, digest = item.going_back, item.app_digest
    if back is not None and not (seen is not None and seen.went_back is not None and _is_back(seen.went_back, back.id)):
        digest = back.present_digest
    return digest if await vouching.is_vouched(means, item, digest) else None


def _is_back(went: WentBack, wish: str) -> bool:
    return went.id == wish and went.failure is None


async def known_of(means: Means, item: Assignment) -> list[VolumeState]:
    """Return the assignment's volumes, those that the daemon knows."""
    return [volume for volume in await known(means, item.installation) if volume.volume in _ids(item)]


async def known(means: Means, installation: str) -> list[VolumeState]:
    """Return the installation's volumes that the daemon knows."""
    state = await ask(means.storage.state, StateRequest())
    return [volume for volume in state.volumes if volume.installation == installation]


def _ids(item: Assignment) -> list[str]:
    return [volume.volume for volume in item.volumes]


def summed(show: Show) -> Callable[[list[VolumeState]], None]:
    """Return what shows the bytes of several volumes as those of one step."""

    def told(volumes: list[VolumeState]) -> None:
        moving = [volume for volume in volumes if volume.moved_bytes is not None]
        if moving:
            totals = [volume.total_bytes for volume in moving if volume.total_bytes is not None]
            show(sum(volume.moved_bytes or 0 for volume in moving), sum(totals) if len(totals) == len(moving) else None)

    return told
