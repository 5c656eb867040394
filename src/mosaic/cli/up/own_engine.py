"""Isolated mode: the Device's own engine, as the supervisor runs it in a container of the machine's engine.

It is started after the storage daemon, whose pool it is given, and before
the Device. Like the storage daemon it outlives a supervisor that is killed.
"""

from pathlib import Path

from mosaic import __version__
from mosaic.adapters import process
from mosaic.cli.up.layout import Layout
from mosaic.cli.up.orphans import read_note
from mosaic.cli.up.preflight import ENGINE_SOCKET, check_engine
from mosaic.cli.up.services import Service, answers_at
from mosaic.cli.up.settings import Settings
from mosaic.core import contained_engine, engine_container
from mosaic.core.device_container import Container
from mosaic.core.engine_container import EngineContainer
from mosaic.core.errors import Refused, Unavailable

IMAGE = f"mosaic/engine:{__version__}"
MACHINES_ENGINE = f"unix://{ENGINE_SOCKET}"

_NAME = "engine"
_ASK_SECONDS = 60.0
_PULL_SECONDS = 1800.0


class EngineImageMissing(Unavailable):
    """The image of the Device's own engine is not here, and cannot be pulled now."""

    code = "engine-image-missing"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"the image {IMAGE} is not on this machine's engine and cannot be pulled: {reason}",
            hint=f"build it with `script/images engine`, or bring it: `docker load --input FILE` makes it {IMAGE}",
        )


class EngineFixed(Refused):
    """A Device that has joined would find none of its apps in another engine."""

    code = "engine-fixed"

    def __init__(self) -> None:
        super().__init__(
            "this Device has joined with the machine's engine, and its apps run there",
            hint="give `--own-engine` with a new state folder, and move the apps with `mosaic move APP --to DEVICE`",
        )


def container(layout: Layout, settings: Settings) -> EngineContainer:
    """Return what is run. The storage daemon has chosen by now where its volumes lie."""
    pool = settings.own_pool or _plain_folders(layout) or layout.storage / "pool"
    return EngineContainer(
        name=engine_container.container_name(settings.driver),
        image=IMAGE,
        folder=str(layout.engine),
        shared=(str(pool), str(layout.device / "apps")),
    )


def contained(layout: Layout, settings: Settings) -> Container:
    """Return what the machine's engine keeps running for a Device in a container: the same one."""
    made = container(layout, settings)
    pool = None if _plain_folders(layout) else made.shared[0]
    return contained_engine.standing(made, state=str(layout.state), pool=pool)


def check(layout: Layout, kept: Settings) -> None:
    """Raise EngineFixed where this Device has the machine's engine already."""
    # One that was killed before it kept what was chosen has started nothing yet.
    if layout.identity.exists() and layout.settings.exists() and not kept.own_engine:
        raise EngineFixed


def service(layout: Layout, settings: Settings) -> Service:
    """Return the engine. Ending the client that waits for the container ends the container."""
    path = layout.engine_socket
    return Service(
        _NAME,
        "Device's own engine",
        engine_container.run(container(layout, settings), engine=MACHINES_ENGINE),
        lambda: answers_at(path),
        grace_seconds=engine_container.STOP_SECONDS + 15,
        outlives=True,
        listens=path,
    )


def prepare(layout: Layout, settings: Settings) -> None:
    """Make what the container needs. Nothing is changed when it runs already.

    Raises:
        EngineImageMissing: its image is not here.
    """
    if answers_at(layout.engine_socket) or read_note(layout.note(_NAME)) is not None:
        return
    have_image()
    make_folders(layout)
    # What a machine that lost its power left has the name.
    remove(layout, settings)


def make_folders(layout: Layout) -> None:
    """Make the folders that the container is given, for this Device alone."""
    for folder in (layout.engine, layout.engine_plugins, layout.device / "apps"):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)


def is_ready(layout: Layout) -> bool:
    """Tell whether the engine answers. One that is just starting accepts connections before that."""
    try:
        check_engine(layout.engine_socket)
    except Unavailable:
        return False
    return True


def remove(layout: Layout, settings: Settings) -> None:
    """Kill the container if it is still there. What it keeps stays in its folder."""
    words = engine_container.remove(container(layout, settings), engine=MACHINES_ENGINE)
    process.attempt(words, deadline_seconds=_ASK_SECONDS)


def address(layout: Layout, settings: Settings) -> str:
    """Return where the engine answers that this Device's apps run in."""
    return f"unix://{layout.engine_socket}" if settings.own_engine else MACHINES_ENGINE


def have_image() -> None:
    """Have the engine's image on the machine's engine, pulled if need be. Raises EngineImageMissing."""
    look = ["docker", "--host", MACHINES_ENGINE, "image", "inspect", "--format", "{{.Id}}", IMAGE]
    if process.attempt(look, deadline_seconds=_ASK_SECONDS).code == 0:
        return
    pull = ["docker", "--host", MACHINES_ENGINE, "pull", "--quiet", IMAGE]
    done = process.attempt(pull, deadline_seconds=_PULL_SECONDS)
    if done.code != 0:
        raise EngineImageMissing(done.last_lines())


def _plain_folders(layout: Layout) -> Path | None:
    """Return where volumes are plain folders beside, None where they are not."""
    beside = layout.storage / "folders"
    return beside if beside.is_dir() and not (layout.storage / "pool.img").exists() else None
