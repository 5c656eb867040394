"""`mosaic up --uninstall` in a container: ending every container of a Device in containers.

It runs in one of its own, beside them, because a process ends with its
container. The parts are found by their labels.
"""

from pathlib import Path

from mosaic.adapters.docker import standing
from mosaic.adapters.docker.api import Api
from mosaic.adapters.docker.own_container import own_container
from mosaic.cli.up import own_engine, services
from mosaic.cli.up.device_contained import StateElsewhere
from mosaic.cli.up.layout import Layout
from mosaic.cli.up.removing import forget_volumes, remove_containers
from mosaic.cli.up.settings import load
from mosaic.core.device_container import ENGINE_SOCKET, PLUGINS
from mosaic.core.errors import Refused

_STARTERS = ("upgrade", "device")
"""What would start the others again, and each other: first to go."""


class InsideDevice(Refused):
    """The Device's own container cannot be ended from within."""

    code = "inside-device"

    def __init__(self, state: Path) -> None:
        super().__init__(
            "this runs in the container of the Device itself, which would end in the middle of it",
            hint="run it in a container of its own: docs/device.md has the line, which begins "
            f"`docker run --rm --volume {state}:{state}:rslave`",
        )


def end_device(layout: Layout) -> None:
    """Stop and remove the Device's own container. Its apps go on.

    Raises:
        StateElsewhere: the state folder is not mounted under its own path; nothing was changed.
        InsideDevice: this process is in that container; nothing was changed.
    """
    engine = Api(f"unix://{ENGINE_SOCKET}")
    own, state = own_container(engine), str(layout.state)
    if own.mounts.get(state) != state:
        raise StateElsewhere(layout.state, own.mounts.get(state))
    parts = standing.parts(engine, state)
    if any(found.id == own.id for found in parts):
        raise InsideDevice(layout.state)
    starters = [found for found in parts if found.part in _STARTERS]
    for found in sorted(starters, key=lambda one: _STARTERS.index(one.part)):
        standing.end(engine, found)


def end_everything(layout: Layout) -> None:
    """Stop the apps with a last snapshot, then the other containers, the storage daemon last: it lets the pool go."""
    chosen, engine = load(layout.settings), Api(f"unix://{ENGINE_SOCKET}")
    with_storage = services.storage(layout, chosen).is_ready()
    # Where the Device's own engine has ended, so have its containers.
    if not chosen.own_engine or services.answers_at(layout.engine_socket):
        remove_containers(layout, engine=own_engine.address(layout, chosen), with_storage=with_storage)
    for found in sorted(standing.parts(engine, str(layout.state)), key=lambda one: one.part == "storage"):
        standing.end(engine, found)
    if not chosen.own_engine:
        forget_volumes(layout, chosen, plugins=Path(PLUGINS))
