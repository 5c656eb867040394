"""Starting an app, and the health gate that says that it has.

Compose leaves alone what runs as rendered, so that starting again what is
half started, or has lost one service, costs no more than that service.
"""

from pathlib import Path

from mosaic.adapters import log
from mosaic.adapters.docker.sights import CONFIG_LABEL
from mosaic.core.condition import ServiceSight, app_health, app_services
from mosaic.core.errors import MosaicError
from mosaic.device import vouching
from mosaic.device.bell import Bell
from mosaic.device.doing import bringing_up, bundles, preparing
from mosaic.device.means import Means
from mosaic.device.observe import containers_of, is_well, service_sights
from mosaic.device.outside import ask
from mosaic.device.public_way import fingerprint, public_way
from mosaic.device.records import release_of, release_text
from mosaic.wire.assignment import Assignment

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


async def start(means: Means, item: Assignment, bell: Bell) -> None:
    """Bring the app up and wait until it is well; `bell` is rung whenever its containers change.

    Nothing is rendered, and no container made, of what nobody vouches for, or of files that somebody changed.

    Raises:
        NotVouched: nobody vouches for it.
        AppNotStarted, AppNotHealthy: with the engine's or the app's own words.
        Unavailable: the engine or the storage daemon did not answer.
    """
    await bring_up(means, item)
    await _gate(means, item, bell)


async def bring_up(means: Means, item: Assignment) -> None:
    """Have the app's containers made and started. How they do is another question. Raises as `start` does."""
    await vouching.require(means, item)
    if changed := await bundles.mend(means, item):
        log.warning("package_healed", installation=item.installation, paths=", ".join(one.path for one in changed[:20]))
    file = preparing.compose_file(means, item.installation)
    made = fingerprint(await ask(public_way, means, item))
    if means.records.notes_of(item.installation).link != made or not await _is_rendered(means, item, file):
        # Those of another release say nothing about what is made now, should we be killed before they are noted anew.
        means.records.note(item.installation, hashes={})
        await preparing.prepare(means, item, file)
    means.records.note(item.installation, started=True, unconfirmed=not means.is_confirmed())
    await bringing_up.up(means, item, file)
    await note_made(means, item, made)


async def _is_rendered(means: Means, item: Assignment, file: Path) -> bool:
    """Whether containers of this very release are here, so that only what ended must be started again."""
    sight = await means.lookout.look()
    notes = means.records.notes_of(item.installation)
    here = bool(containers_of(sight, item.installation))
    is_noted = notes.rendered == release_text(release_of(item))
    return here and is_noted and await ask(preparing.is_as_rendered, means, item.installation, file)


async def note_hashes(means: Means, item: Assignment) -> None:
    """Note what compose calls the settings that it made each container with: one of another hash is none of ours."""
    made = containers_of(await means.lookout.look(), item.installation)
    means.records.note(item.installation, hashes={seen.service: seen.labels.get(CONFIG_LABEL, "") for seen in made})


async def note_made(means: Means, item: Assignment, link: str) -> None:
    """Note what `note_hashes` does, and what links were made with (see `public_way.fingerprint`)."""
    await note_hashes(means, item)
    means.records.note(item.installation, link=link)


async def _gate(means: Means, item: Assignment, bell: Bell) -> None:
    deadline_ns = means.clock.boot_ns() + int(GATE_SECONDS * 10**9)
    while True:
        sight = await means.lookout.look()
        expected = means.records.notes_of(item.installation).services
        services = service_sights(containers_of(sight, item.installation), expected)
        if is_well(services):
            return
        if any(_is_lost(service) for service in app_services(services)) or means.clock.boot_ns() > deadline_ns:
            raise AppNotHealthy(item.name, app_health(item.name, services, wanted=True).cause)
        await bell.wait(LOOK_SECONDS)


def _is_lost(service: ServiceSight) -> bool:
    ended = service.state in ("exited", "dead", "missing") and not service.finished
    return ended or service.health == "unhealthy"
