"""Taking a Device's containers, the engine's notes of its volumes and its mounted pool off the machine."""

import shutil
from pathlib import Path

import anyio
import click

from mosaic.adapters import loop
from mosaic.adapters.docker.engine import DockerEngine
from mosaic.cli.up.layout import Layout
from mosaic.cli.up.settings import Settings
from mosaic.cli.up.settle import STOP_GRACE_SECONDS, settle
from mosaic.core.errors import MosaicError
from mosaic.device import identity
from mosaic.device.config import DEFAULT_ENGINE
from mosaic.storage.config import PLUGIN_DIR, StorageConfig
from mosaic.storage.parting import LEDGER, delete_data, key_files, parting


def remove_containers(layout: Layout, *, engine: str, with_storage: bool) -> None:
    """Stop the apps, with a last snapshot when the storage daemon answers, and remove their containers."""
    if not layout.identity.exists():
        return
    if with_storage:
        for complaint in settle(layout.device / "projects", layout.storage_socket, engine=engine):
            click.echo(complaint, err=True)
    device = identity.load(layout.identity).device
    asked = DockerEngine(engine)

    async def end() -> None:
        await asked.end_containers(f"mosaic.device={device}", grace_seconds=STOP_GRACE_SECONDS)

    try:
        anyio.run(end)
    except MosaicError as error:
        click.echo(f"the apps' containers were not removed: {error.message}", err=True)


def forget_volumes(layout: Layout, settings: Settings, *, plugins: Path = PLUGIN_DIR) -> None:
    """Make the engine forget the volumes, or it would ask for their driver whenever it starts. The data stays.

    `plugins` is where the engine's folder of drivers' sockets is seen from here.
    """
    engine = DockerEngine(DEFAULT_ENGINE)

    async def forget(names: tuple[str, ...]) -> None:
        for name in names:
            # A name that the engine does not know it looks for at every driver, 15 seconds at each that has gone.
            await engine.create_volume(name, driver=settings.driver, options={}, labels={})
            await engine.remove_volume(name)

    try:
        with parting(StorageConfig(layout.storage, settings.driver, plugin_dir=plugins)) as names:
            anyio.run(forget, names)
    except MosaicError as error:
        click.echo(f"the engine still knows the apps' volumes: {error.message}", err=True)


def delete_pool(pool: Path) -> None:
    """Delete what the storage daemon keeps in a folder that was given to it."""
    delete_data(pool)


def delete_state(layout: Layout, settings: Settings) -> list[Path]:
    """Delete the state folder, but for the keys of volumes that no Hive knows. Returns where those are.

    Their stores lie elsewhere and stay, and without its key nobody reads one again. May be cut short and called again:
    the ledger, which names the keys, goes last.
    """
    spared = [
        path.resolve()
        for path in key_files(StorageConfig(layout.storage, settings.driver))
        if path.resolve().is_relative_to(layout.state.resolve())
    ]
    ledger = [path.resolve() for path in layout.storage.glob(f"{LEDGER}*")]
    for left in ({*spared, *ledger}, set(spared)):
        if layout.state.is_dir():
            _delete_but(layout.state.resolve(), left)
    return spared


def _delete_but(folder: Path, spared: set[Path]) -> None:
    for path in folder.iterdir():
        if path in spared:
            continue
        if path.is_dir() and not path.is_symlink():
            if any(path in one.parents for one in spared):
                _delete_but(path, spared)
            else:
                shutil.rmtree(path)
        else:
            path.unlink()
    # In a container the state folder is where it was mounted.
    if not any(folder in one.parents for one in spared) and not folder.is_mount():
        folder.rmdir()


def unmount_pool(layout: Layout) -> None:
    """Unmount the pool's image, if it is mounted. A pool that somebody still uses is an error."""
    loop.close_image(layout.storage / "pool.img", layout.storage / "pool")
