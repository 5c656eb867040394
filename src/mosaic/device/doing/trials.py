"""The data in an update: saved ahead, saved whole, on trial, kept or put back.

The storage daemon does it; each function asks for what it should make so, and
may be carried out again.
"""

from mosaic.core.updating import trial_id, update_of
from mosaic.device import vouching
from mosaic.device.doing.volumes import Show, known, known_of, summed
from mosaic.device.doing.waiting import until
from mosaic.device.means import Means
from mosaic.device.outside import ask
from mosaic.wire.assignment import Assignment
from mosaic.wire.storage import BeginTrial, EndTrial, SnapshotNow, VolumeState


async def is_ours(means: Means, item: Assignment, epoch: str) -> bool:
    """Whether what will be held is what a version that counts here has left.

    False when another Device has had the app since without ever hearing of it: then the version counts no more.
    """
    taken = means.records.taken_of(item.installation)
    if taken is None or taken.known or taken.epoch == epoch:
        return True
    local = {seen.volume: seen.local_head for seen in await known_of(means, item)}
    if all(local.get(volume.volume) == volume.base for volume in item.volumes):
        return True
    means.records.disown_update(item.installation)
    return False


async def is_on_trial(means: Means, item: Assignment) -> bool:
    """Whether all that the wished version would write is on trial."""
    assert item.update is not None
    wish = item.update.id
    seen = {found.volume: update_of(found.trial or "") for found in await known_of(means, item)}
    return all(seen.get(volume.volume) == wish for volume in item.volumes)


async def save_ahead(means: Means, item: Assignment, epoch: str, show: Show) -> None:
    """Wait until a snapshot of about now is in an accepted head. The app runs on."""
    before = {seen.volume: seen.local_head for seen in await known_of(means, item)}
    for volume in before:
        await ask(means.storage.snapshot, SnapshotNow(volume, epoch))
    await until(
        means, list(before), lambda seen: seen.clean or seen.local_head != before[seen.volume], show=summed(show)
    )


async def save(means: Means, item: Assignment, epoch: str, show: Show) -> None:
    """Wait until all of a stopped app's data is in an accepted head. What is on trial already was."""
    unsaved = [seen.volume for seen in await known_of(means, item) if seen.trial is None]
    for volume in unsaved:
        await ask(means.storage.snapshot, SnapshotNow(volume, epoch))
    await until(means, unsaved, lambda seen: seen.clean or seen.trial is not None, show=summed(show))


async def begin(means: Means, item: Assignment, epoch: str, show: Show) -> None:
    """Begin the trial in every volume, or go on with the one that some have begun."""
    assert item.update is not None
    volumes = await known_of(means, item)
    trial = next((seen.trial for seen in volumes if seen.trial is not None), None)
    if trial is None:
        trial = _next(means, item, item.update.id, volumes)
    for volume in item.volumes:
        await ask(means.storage.begin_trial, BeginTrial(volume.volume, epoch, trial))
    await until(means, [volume.volume for volume in item.volumes], lambda seen: seen.trial == trial, show=summed(show))


async def keep(means: Means, installation: str, show: Show) -> None:
    """Let the data of the version that counts count: heads follow that name it."""
    taken = means.records.taken_of(installation)
    if taken is None:
        return
    ours = [seen for seen in await _on_trial(means, installation) if update_of(seen.trial or "") == taken.id]
    for seen in ours:
        await _end(means, seen, keep=True, digest=taken.app_digest, revision=taken.config_revision)
    await until(means, [seen.volume for seen in ours], lambda seen: seen.trial is None, show=summed(show))


async def undo(means: Means, installation: str, item: Assignment | None, show: Show) -> None:
    """Put the data before in the place of what was written in trials. `item` is None where nothing is assigned."""
    # What nobody vouches for is written into no head: without a word the data belongs to what its head names.
    is_known = item is not None and await vouching.is_vouched(means, item, item.app_digest)
    digest = item.app_digest if item is not None and is_known else None
    tried = await _on_trial(means, installation)
    for seen in tried:
        await _end(means, seen, keep=False, digest=digest, revision=item.config_revision if item else 0)
    await until(
        means,
        [seen.volume for seen in tried],
        lambda seen: seen.trial is None and seen.phase != "going-back",
        show=summed(show),
    )
    if means.records.update_of(installation).outcome is None:
        # It was the owner who ended it, or a change of config. What comes next is tried as often.
        means.records.note_update(installation, attempts=0)


async def _end(means: Means, seen: VolumeState, *, keep: bool, digest: str | None, revision: int) -> None:
    assert seen.trial is not None
    await ask(means.storage.end_trial, EndTrial(seen.volume, seen.trial, keep, digest, revision))


async def _on_trial(means: Means, installation: str) -> list[VolumeState]:
    return [seen for seen in await known(means, installation) if seen.trial is not None]


def _next(means: Means, item: Assignment, wish: str, volumes: list[VolumeState]) -> str:
    """Name the next trial. Noted first: one that has ended must not be meant again by its name."""
    n = means.records.update_of(item.installation).begun + 1
    ended = {seen.trialled.id for seen in volumes if seen.trialled is not None}
    while trial_id(wish, n) in ended:
        n += 1
    means.records.note_update(item.installation, begun=n)
    return trial_id(wish, n)
