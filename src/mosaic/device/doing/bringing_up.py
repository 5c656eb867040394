"""Having compose make and start what was rendered, without the device of tunnels where the engine cannot give it.

A Device in a container sees that the kernel has that device, and not whether its
engine does: an engine in a container of another kind, as of LXC, may have none, and then
starts no container that is to have it. A link makes its tunnel another way without.
"""

from pathlib import Path

from mosaic.adapters import log
from mosaic.adapters.docker.compose import project_name
from mosaic.adapters.docker.engine import AppNotStarted
from mosaic.core.compose_keys import TUN
from mosaic.device.doing import preparing
from mosaic.device.means import Means
from mosaic.wire.assignment import Assignment

UP_SECONDS = 600.0


async def up(means: Means, item: Assignment, file: Path) -> None:
    """Create and start the containers of the rendered `file`. Raises AppNotStarted."""
    project = project_name(means.device, item.installation)
    try:
        await means.engine.up(project, file, deadline_seconds=UP_SECONDS)
    except AppNotStarted as error:
        if not means.config.has_tun or TUN not in error.message:
            raise
        log.warning("link_without_device", installation=item.installation, device=TUN, reason=error.message)
        await preparing.prepare(means, item, file, has_tun=False)
        await means.engine.up(project, file, deadline_seconds=UP_SECONDS)
