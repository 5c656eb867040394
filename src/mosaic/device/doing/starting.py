"""Starting an app, and the health gate that says that it has.

Compose leaves alone what runs as rendered, so that starting again what is
half started, or has lost one service, costs no more than that service.
"""

from pathlib import Path

from mosaic.adapters.docker.compose import project_name
from mosaic.core import epoch as epochs
from mosaic.core.condition import ServiceSight, app_health
from mosaic.core.errors import MosaicError
from mosaic.device.bell import Bell
from mosaic.device.doing import preparing
from mosaic.device.means import Means
from mosaic.device.observe import containers_of, is_well, service_sights
from mosaic.device.records import release_of, release_text
from mosaic.wire.assignment import Assignment

UP_SECONDS = 600.0
GATE_SECONDS = 300.0
LOOK_SECONDS = 5.0


class AppNotHealthy(MosaicError):
    """The app was started, and its services are not well."""

    code = "app-not-healthy"

    def __init__(self, name: str, sentence: str) -> None:
        super().__init__(
            f"{name} was started, and does not answer well: {sentence}",
            hint=f"see why: `mosaic logs {name}`; the Device looks again by itself",
        )


async def start(means: Means, item: Assignment, epoch: str, bell: Bell) -> None:
    """Bring the app up and wait until it is well; `bell` is rung whenever its containers change.

    Raises:
        AppNotStarted, AppNotHealthy: with the engine's or the app's own words.
        Unavailable: the engine or the storage daemon did not answer.
    """
    project = project_name(means.device, item.installation)
    file = preparing.compose_file(means, item.installation)
    if not await _is_rendered(means, item, file):
        await preparing.prepare(means, item, epochs.parse(epoch), file)
    means.records.note(item.installation, started=True, unconfirmed=not means.is_confirmed())
    await means.engine.up(project, file, deadline_seconds=UP_SECONDS)
    await _gate(means, item, bell)


async def _is_rendered(means: Means, item: Assignment, file: Path) -> bool:
    """Whether containers of this very release are here, so that only what ended must be started again."""
    sight = await means.lookout.look()
    notes = means.records.notes_of(item.installation)
    here = bool(containers_of(sight, item.installation))
    return here and notes.rendered == release_text(release_of(item)) and file.exists()


async def _gate(means: Means, item: Assignment, bell: Bell) -> None:
    deadline_ns = means.clock.boot_ns() + int(GATE_SECONDS * 10**9)
    while True:
        sight = await means.lookout.look()
        expected = means.records.notes_of(item.installation).services
        services = service_sights(containers_of(sight, item.installation), expected)
        if is_well(services):
            return
        if any(_is_lost(service) for service in services) or means.clock.boot_ns() > deadline_ns:
            raise AppNotHealthy(item.name, app_health(item.name, services, wanted=True).cause)
        await bell.wait(LOOK_SECONDS)


def _is_lost(service: ServiceSight) -> bool:
    ended = service.state in ("exited", "dead", "missing") and not service.finished
    return ended or service.health == "unhealthy"
