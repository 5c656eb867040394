"""`mosaic device run` in a container: join, have the storage daemon stand beside it, and become the Device.

There is no supervisor here, for the engine starts again what ends. The
storage daemon is a container of its own, from this one's image, and so is in
isolated mode the Device's own engine: they outlive the Device, which may be
replaced while apps run.
"""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from mosaic.adapters import process
from mosaic.cli.up import front_contained, lock, own_engine, preflight, run, services, settings
from mosaic.cli.up.layout import Layout
from mosaic.cli.up.settings import Settings
from mosaic.core.device_container import ENGINE_SOCKET, MACHINE_ID, storage_name
from mosaic.core.errors import REFUSED_CODE, MosaicError, Refused, Unavailable

if TYPE_CHECKING:
    from mosaic.adapters.docker.api import Api
    from mosaic.adapters.docker.own_container import OwnContainer

CONTAINER = "MOSAIC_CONTAINER"
"""Set in the image: this program runs in a container of its own."""

_APPS = Path("/apps")
_READY_SECONDS = 60.0
_LOOK_SECONDS = 0.05


class NotJoined(Refused):
    """A Device in a container was started without a join token, and has joined no Hive."""

    code = "join-token-missing"

    def __init__(self, state: Path) -> None:
        super().__init__(
            f"this Device has joined no Hive (its state is in {state}), and was given no join token",
            hint="get a new line from the Console's page for adding a Device, or from `mosaic device add`",
        )


class StateElsewhere(Refused):
    """The state folder is not mounted, or under another path than on the machine."""

    code = "state-elsewhere"

    def __init__(self, state: Path, source: str | None) -> None:
        found = f"is {source} on the machine" if source else "is not a folder of the machine"
        super().__init__(
            f"{state} {found}, and the engine has to find the apps' folders under the same path",
            hint=f"start the container with `--volume {state}:{state}`",
        )


class PoolInContainer(Refused):
    """A pool of the owner's own was named, which the storage daemon's container would not have."""

    code = "pool-in-container"

    def __init__(self, state: Path) -> None:
        super().__init__(
            f"a Device in a container keeps its volumes in {state}/storage, and takes no pool of another place",
            hint="leave `--pool` out, or run the Device on the machine itself: `mosaic device run --pool FOLDER`",
        )


class NotStarted(Unavailable):
    """A container beside the Device's does not answer."""

    code = "container-not-started"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"the container {name} was started, and what is in it has not answered for {_READY_SECONDS:.0f} s",
            hint=f"`docker logs {name}` says why; this Device is started again by itself",
        )


def is_contained() -> bool:
    """Return whether this program runs in the image made for it."""
    return os.environ.get(CONTAINER) == "1"


def require_shared(storage: Path) -> None:
    """Refuse a pool that the engine's machine would not see: apps would start on empty folders (G4). Raises NotShared.

    Only a container can have one.
    """
    if not is_contained():
        return
    from mosaic.adapters.docker.standing import NotShared
    from mosaic.adapters.shared_mount import is_shared

    if not is_shared(storage):
        raise NotShared(str(storage.parent))


def run_contained(
    layout: Layout, named: str | None, change: Callable[[Settings, str], Settings], join: Callable[[str], None]
) -> None:
    """Run until the engine stops the container. `change` lays this start's options over what was kept.

    `named` is the name that was given, None for the machine's own. `join` makes
    this Device one of a Hive's under the name given to it, where it is none
    yet; nothing was started before, and nothing is when it raises.
    """
    # The first process of a container has no default answer to this signal.
    signal.signal(signal.SIGTERM, _end)
    preflight.check(layout.state)
    from mosaic.adapters.docker.api import Api
    from mosaic.adapters.docker.own_container import machine_host_name, own_container, stay_ended
    from mosaic.device import identity
    from mosaic.device.upgrading import journal

    engine = Api(f"unix://{ENGINE_SOCKET}")
    own = own_container(engine)
    if own.mounts.get(str(layout.state)) != str(layout.state):
        raise StateElsewhere(layout.state, own.mounts.get(str(layout.state)))
    layout.make()
    locked = lock.take(layout.lock)
    kept = settings.load(layout.settings)
    try:
        join(named or kept.name or machine_host_name(engine).split(".")[0] or "device")
    except Unavailable:
        raise
    except MosaicError as refused:
        # A used token or another passphrase is as wrong the next time. Why is to be read, whatever the engine says.
        with contextlib.suppress(MosaicError):
            stay_ended(engine, own)
        run.tell(f"error: {refused.message}\nhint: {refused.hint}")
        # Where systemd starts it, the unit knows this code.
        raise click.exceptions.Exit(REFUSED_CODE) from refused
    # The Hive has the last word about the name.
    chosen = change(kept, identity.load(layout.identity).name)
    settings.save(layout.settings, chosen)
    _link_apps(layout)
    if chosen.own_engine:
        own_engine.make_folders(layout)
    # The storage daemon stays as it is while this is a new version that does not count yet (decision 55).
    if not journal.is_on_trial(layout.device, own.image):
        have_storage(engine, own, layout, chosen)
    front_contained.have_front(engine, own.image, layout, chosen.driver)
    if chosen.own_engine:
        _have_engine(engine, layout, chosen)
    lock.pass_on(locked)
    _become(layout, chosen)


def have_storage(engine: "Api", own: "OwnContainer", layout: Layout, chosen: Settings) -> None:
    """Have the storage daemon's container run from this image."""
    from functools import partial

    from mosaic.adapters.docker import standing
    from mosaic.adapters.docker.api import EngineRefused
    from mosaic.core.device_container import SPECS_OUTSIDE, storage

    made = partial(
        storage,
        image=own.image,
        state=str(layout.state),
        driver=chosen.driver,
        has_machine_id=MACHINE_ID in own.mounts,
        plugins=str(layout.engine_plugins) if chosen.own_engine else None,
        pool_gigabytes=chosen.pool_gigabytes,
    )
    forms = [made(on_folders=plain, has_specs=specs) for plain in (False, True) for specs in (True, False)]

    def stand(*, on_folders: bool) -> None:
        try:
            standing.stand(engine, made(on_folders=on_folders), also=forms)
        except EngineRefused as refused:
            if SPECS_OUTSIDE not in refused.message:
                raise
            # Nothing can be added to this machine's /etc: its engine waits for the driver when it starts.
            standing.stand(engine, made(on_folders=on_folders, has_specs=False), also=forms)

    try:
        stand(on_folders=False)
    except standing.NotShared as reason:
        if (layout.storage / "pool.img").exists():
            # Its volumes are in there, and nobody else could see them.
            raise
        run.tell(
            f"warning: {reason.message}; volumes are plain folders now, which costs more reading and no snapshots of "
            f"one instant\nhint: {reason.hint}, and then `docker rm --force {forms[0].name}` and start the Device again"
        )
        (layout.storage / "folders").mkdir(mode=0o711, exist_ok=True)
        stand(on_folders=True)


def _have_engine(engine: "Api", layout: Layout, chosen: Settings) -> None:
    """Have the Device's own engine run. Raises NotStarted."""
    from mosaic.adapters.docker import standing

    # By then it has decided where its volumes lie, and mounted them.
    _wait(lambda: services.answers_at(layout.storage_socket), storage_name(chosen.driver))
    wanted = own_engine.contained(layout, chosen)
    standing.stand_unless_running(engine, wanted)
    _wait(lambda: own_engine.is_ready(layout), wanted.name)


def _wait(is_ready: Callable[[], bool], container: str) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while not is_ready():
        if time.monotonic() > deadline:
            raise NotStarted(container)
        time.sleep(_LOOK_SECONDS)


def _link_apps(layout: Layout) -> None:
    """Have /apps lead to the apps' folders."""
    wanted = layout.device / "apps"
    if _APPS.is_symlink() and _APPS.readlink() != wanted:
        made = _APPS.with_suffix(".new")
        made.unlink(missing_ok=True)
        made.symlink_to(wanted)
        made.rename(_APPS)


def _become(layout: Layout, chosen: Settings) -> NoReturn:
    """Become the Device alone: a new program has neither the secrets nor the memory of what was done before it."""
    process.become([*services.MOSAIC, "device", "run", *services.device_options(layout, chosen)])


def _end(*_: object) -> NoReturn:
    sys.exit(143)
