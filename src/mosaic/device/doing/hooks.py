"""Running an app's own commands around a snapshot, so that it is app-consistent.

`after` is run whenever `before` was begun, also when it failed, when the
snapshot failed, and when this process was killed in between: that it is owed
is in the ledger before `before` begins. So both must bear being run again.
"""

import anyio

from mosaic.core.errors import MosaicError
from mosaic.core.snapshot_hooks import Hook, SnapshotHooks, last_words
from mosaic.device.means import Means
from mosaic.device.observe import containers_of
from mosaic.device.outside import ask
from mosaic.wire.assignment import Assignment
from mosaic.wire.storage import SnapshotNow

_LAST_CHANCE_SECONDS = 5.0
"""A Device that is being stopped waits no longer for `after`; it is run at the next start."""


class HookFailed(MosaicError):
    """An app's command around a snapshot failed. Snapshots without it go on."""

    code = "snapshot-hook-failed"

    def __init__(self, when: str, hook: Hook, reason: str) -> None:
        super().__init__(
            f"the app's own command {when} a snapshot ({hook.command[0]} in {hook.service}) {reason}",
            hint="crash-consistent snapshots go on, and it is tried again; "
            "correct `x-mosaic.snapshot` in the app's compose file, or what the command needs",
        )


async def take_snapshot(means: Means, item: Assignment, hooks: SnapshotHooks, *, hidden: frozenset[str]) -> None:
    """Have one app-consistent snapshot cut. `hidden` are values that no sentence may repeat.

    Raises:
        HookFailed: a command failed; unless it was the one after, no snapshot was cut.
        MosaicError: the storage daemon or the engine refused or did not answer.
    """
    assert item.epoch is not None
    if hooks.after is not None:
        means.records.note(item.installation, after_owed=True)
    failure: MosaicError | None = None
    try:
        await _run(means, item, hooks.before, "before", hidden)
        for volume in item.volumes:
            if volume.kind == "data":
                await ask(means.storage.snapshot, SnapshotNow(volume.volume, item.epoch, consistent=True))
    except MosaicError as error:
        failure = error
    except anyio.get_cancelled_exc_class():
        with anyio.move_on_after(_LAST_CHANCE_SECONDS, shield=True):
            await settle(means, item, hooks, hidden=hidden)
        raise
    try:
        await settle(means, item, hooks, hidden=hidden)
    except MosaicError as error:
        failure = failure or error
    if failure is not None:
        raise failure


async def settle(means: Means, item: Assignment, hooks: SnapshotHooks, *, hidden: frozenset[str]) -> None:
    """Run `after` if it is owed. It stays owed until it has succeeded. Raises HookFailed."""
    if not means.records.notes_of(item.installation).after_owed:
        return
    if hooks.after is not None:
        await _run(means, item, hooks.after, "after", hidden)
    means.records.note(item.installation, after_owed=False)


async def _run(means: Means, item: Assignment, hook: Hook, when: str, hidden: frozenset[str]) -> None:
    sight = await means.lookout.look()
    running = [
        seen
        for seen in containers_of(sight, item.installation)
        if seen.service == hook.service and seen.state == "running"
    ]
    if not running:
        raise HookFailed(when, hook, "was not run: the service has no running container")
    try:
        done = await means.engine.execute(running[0].id, hook.command, deadline_seconds=hook.timeout_seconds)
    except MosaicError as error:
        raise HookFailed(when, hook, f"could not be run: {last_words(error.message, hidden)}") from error
    if done.exit_code is None:
        raise HookFailed(when, hook, f"did not end within {hook.timeout_seconds} s")
    if done.exit_code != 0:
        said = last_words(done.output, hidden)
        raise HookFailed(when, hook, f"ended with {done.exit_code}" + (f": {said}" if said else ""))
