"""`mosaic storage serve`."""

from pathlib import Path

import click

_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.group()
def storage() -> None:
    """The storage daemon: encrypted volumes for the Docker engine."""


@storage.command()
@click.option("--state", type=_FOLDER, required=True, help="Where everything of this daemon is kept.")
@click.option("--driver", default="mosaic", show_default=True, help="The volume driver's name on this engine.")
@click.option("--pool", type=_FOLDER, help="A folder on btrfs; an image of its own if not given.")
@click.option("--pool-gigabytes", type=click.IntRange(min=1), help="How large to make the image.")
def serve(state: Path, driver: str, pool: Path | None, pool_gigabytes: int | None) -> None:
    """Run the storage daemon until it is stopped."""
    from mosaic.cli.up.lean import be_lean

    be_lean()
    from mosaic.storage.config import StorageConfig
    from mosaic.storage.serve import serve as run

    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    image_bytes = None if pool_gigabytes is None else pool_gigabytes * 1024**3
    run(StorageConfig(state=state, driver=driver, pool=pool, image_bytes=image_bytes))
