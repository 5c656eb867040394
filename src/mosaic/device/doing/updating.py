"""Trying another version of an app: bringing it here, running it on trial, and making it the one that counts.

What is definitely wrong with the new version ends the update, with the reason
in the ledger, and never becomes a failure of the app. What may go away by
itself is raised, and tried again.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import msgspec

from mosaic.adapters import log
from mosaic.adapters.docker.compose import project_name
from mosaic.adapters.storage_client import StorageNotYet, StorageRefused
from mosaic.core.errors import Conflict, MosaicError, Unavailable
from mosaic.core.updating import MOST_ATTEMPTS
from mosaic.device import vouching
from mosaic.device.bell import Bell
from mosaic.device.doing import bundles, checking, gate, images, starting, trials
from mosaic.device.doing.preparing import compose_file
from mosaic.device.doing.volumes import Show
from mosaic.device.failure import failure_of
from mosaic.device.means import Means
from mosaic.device.outside import ask
from mosaic.device.package import read_app
from mosaic.device.update_notes import coming
from mosaic.device.update_report import LOG_LINES, compose_report, keep_report
from mosaic.wire.assignment import Assignment
from mosaic.wire.updating import Update

_PASSING = ("cut-busy", "not-held", "not-ready", "not-replicated", "volume-in-use")
"""Refusals that say that something has not ended yet."""


class PlanOver(Exception):
    """The rest of the plan was for something that is over, which is noted: look and plan again."""


class UpdateInterrupted(MosaicError):
    """The new version was started again and again, and nobody saw how it did."""

    code = "update-interrupted"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"the new version of {name} was started {MOST_ATTEMPTS} times, and this Device or its engine was"
            " interrupted each time before it was known to be well",
            hint="the version before runs again, with its data; see that the machine stays up, then ask again",
        )


async def require_ours(means: Means, item: Assignment, epoch: str) -> None:
    """Return when what will be held belongs to the version that it will be held for. Raises PlanOver."""
    if not await trials.is_ours(means, item, epoch):
        raise PlanOver("another Device has had it since the update")


async def fetch(means: Means, item: Assignment) -> None:
    """Have the new version's bundle here. The update is remembered from here on."""
    means.records.begin_update(item.installation, _wish(item).id)
    with _ending_it(means, item):
        await bundles.fetch(_beside(means), _coming(means, item))


async def check(means: Means, item: Assignment) -> None:
    """Note that the new version may run here. Somebody must vouch for it, before anything is stopped for it."""
    version = _coming(means, item)
    with _ending_it(means, item):
        await vouching.require(means, version)
        await checking.check(_beside(means), version)


async def pull(means: Means, item: Assignment) -> None:
    """Have the new version's images here."""
    version = _coming(means, item)
    with _ending_it(means, item):
        await images.provide(_beside(means), version, await ask(read_app, means, version))


async def save(means: Means, item: Assignment, epoch: str, show: Show) -> None:
    """Have all data of the stopped app saved. Where it cannot be just now, the app is not kept waiting for it."""
    with _ending_it(means, item), _reopening(means, item):
        await trials.save(means, item, epoch, show)


async def begin(means: Means, item: Assignment, epoch: str, show: Show) -> None:
    """Begin the trial. Where it cannot be just now, as in `save`."""
    with _ending_it(means, item), _reopening(means, item):
        await trials.begin(means, item, epoch, show)
    means.records.note_update(item.installation, attempts=0)


async def try_out(means: Means, item: Assignment, bell: Bell) -> None:
    """Start the new version and see whether it is well; then it counts, by one write of the ledger.

    Raises:
        PlanOver: it is not, or it is wished no more.
        Unavailable: something did not answer; it may be tried again.
    """
    wish, version = _wish(item), _coming(means, item)
    if not await trials.is_on_trial(means, item):
        raise PlanOver("its trial is over")
    attempts = means.records.update_of(item.installation).attempts
    try:
        if attempts >= MOST_ATTEMPTS:
            raise UpdateInterrupted(item.name)
        means.records.note_update(item.installation, attempts=attempts + 1)
        await starting.bring_up(_beside(means), version)
        await gate.pass_gate(means, version, gate_seconds=wish.gate_seconds, bell=bell)
    except (Unavailable, Conflict):
        raise
    except MosaicError as error:
        await _report(means, version, error)
        raise _failed(means, item, error) from error
    if not means.records.take_update(item.installation, wish.id):
        raise PlanOver("it is wished no more")
    log.info("update_done", installation=item.installation, app_digest=wish.app_digest)


@contextmanager
def _reopening(means: Means, item: Assignment) -> Iterator[None]:
    """Let the version before run on when nothing is definitely wrong: the app stands still for this.

    What the daemon refuses because something has not ended yet is waited for so only a few times.
    """
    try:
        yield
    except (Unavailable, Conflict):
        means.records.note_update(item.installation, closed=False)
        raise
    except StorageRefused as refused:
        attempts = means.records.update_of(item.installation).attempts + 1
        if refused.failure.code not in _PASSING or attempts >= MOST_ATTEMPTS:
            raise
        means.records.note_update(item.installation, closed=False, attempts=attempts)
        raise StorageNotYet(refused.failure) from refused


@contextmanager
def _ending_it(means: Means, item: Assignment) -> Iterator[None]:
    """Note what is definitely wrong as the update's failure."""
    try:
        yield
    except (Unavailable, Conflict):
        raise
    except MosaicError as error:
        keep_report(means.config, item.installation, compose_report(error.message, [], None, {}))
        raise _failed(means, item, error) from error


def _failed(means: Means, item: Assignment, error: MosaicError) -> PlanOver:
    means.records.note_update(item.installation, outcome="failed", failure=failure_of(error))
    log.warning("update_failed", installation=item.installation, code=error.code, reason=error.message)
    return PlanOver(error.message)


async def _report(means: Means, version: Assignment, error: MosaicError) -> None:
    """Keep what the new version said, before it is stopped. What cannot be had is left out."""
    seen = gate.Look([], None, None)
    logs: dict[str, str] = {}
    with suppress(MosaicError):
        seen = await gate.look(means, version)
        project, file = project_name(means.device, version.installation), compose_file(means, version.installation)
        for service in (each.name for each in seen.services):
            logs[service] = await means.engine.logs(project, file, service=service, lines=LOG_LINES)
    text = compose_report(error.message, seen.services, seen.answer, logs)
    await ask(keep_report, means.config, version.installation, text)


def _beside(means: Means) -> Means:
    """The same means, with what is noted of a version noted beside the one that runs."""
    return replace(means, records=means.records.coming())


def _coming(means: Means, item: Assignment) -> Assignment:
    """The assignment for the new version, which keeps the ports of the one before where it has them too."""
    ports = [*item.ports, *means.records.notes_of(item.installation).ports]
    return msgspec.structs.replace(coming(item), ports=ports)


def _wish(item: Assignment) -> Update:
    assert item.update is not None
    return item.update
