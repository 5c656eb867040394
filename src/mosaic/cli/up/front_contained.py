"""The LAN front of a Device in containers: a container of its own, from the Device's image.

It outlives the Device. A Device that is only being tried (decision 55) takes
the one that runs; it is replaced once that Device counts.
"""

from typing import TYPE_CHECKING

from mosaic.cli.up.layout import Layout
from mosaic.core.device_container import ENGINE_SOCKET, front
from mosaic.core.errors import MosaicError
from mosaic.device.front_folder import FrontFolder

if TYPE_CHECKING:
    from mosaic.adapters.docker.api import Api


def have_front(engine: "Api", image: str, layout: Layout, driver: str) -> None:
    """Have the front run from that image. One that does is left as it is; one of another image is replaced.

    While it is replaced nobody listens at its port for a second or two. May be killed at any line and called again.
    A Device without a front works: what stands in the way of one is said, and nothing is raised for it.
    """
    from mosaic.adapters.docker import standing
    from mosaic.cli.up.run import tell
    from mosaic.device.upgrading import journal

    FrontFolder(layout.front).wanted()
    wanted = front(image=image, state=str(layout.state), driver=driver)
    try:
        have = standing.stand_unless_running if journal.is_on_trial(layout.device, image) else standing.stand
        have(engine, wanted)
    except MosaicError as error:
        tell(f"warning: names under `localhost` do not answer: {error.message}\nhint: {error.hint}")


def remove_front(layout: Layout) -> None:
    """Remove the front's container, after its Device was removed. Raises EngineSilent, EngineRefused."""
    from mosaic.adapters.docker import standing
    from mosaic.adapters.docker.api import Api

    engine = Api(f"unix://{ENGINE_SOCKET}")
    for found in standing.parts(engine, str(layout.state)):
        if found.part == "front":
            standing.end(engine, found)
