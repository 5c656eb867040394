"""Stopping an app, and letting go of what is here of one that lives elsewhere."""

import shutil

from mosaic.adapters.docker.compose import project_name
from mosaic.adapters.docker.sights import PROJECT_LABEL
from mosaic.core.errors import MosaicError
from mosaic.device.doing import bundles, volumes
from mosaic.device.doing.preparing import compose_file
from mosaic.device.means import Means
from mosaic.device.outside import ask
from mosaic.device.update_report import remove_report
from mosaic.wire.assignment import Assignment


async def stop(means: Means, installation: str) -> None:
    """Stop and remove the app's containers. Volumes stay: they hold the only copy of recent data."""
    project = project_name(means.device, installation)
    grace_seconds = means.config.stop_seconds
    label = f"{PROJECT_LABEL}={project}"
    file = compose_file(means, installation)
    if file.exists():
        try:
            await means.engine.down(project, file, grace_seconds=grace_seconds)
        except MosaicError:
            # Compose may not understand its own file any more; the engine still knows the containers.
            await means.engine.end_containers(label, grace_seconds=grace_seconds)
    if await means.engine.containers(label):
        await means.engine.end_containers(label, grace_seconds=grace_seconds)


async def discard(means: Means, item: Assignment) -> None:
    """Let go of an installation that lives elsewhere: its data (G3: see `volumes`), then everything else here."""
    await volumes.discard(means, item)
    await forget(means, item.installation)


async def forget(means: Means, installation: str) -> None:
    """Remove Docker volumes, bundle, rendered file and notes of an installation whose data is not here any more."""
    for name in means.records.notes_of(installation).docker_volumes:
        await means.engine.remove_volume(name)
    await ask(shutil.rmtree, compose_file(means, installation).parent, ignore_errors=True)
    await bundles.remove(means, installation)
    await ask(remove_report, means.config, installation)
    means.records.forget(installation)
