"""What `mosaic up` starts beside its services; not for people."""

import os
import sys
from pathlib import Path

import click

_FOLDER = click.Path(file_okay=False, path_type=Path)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(hidden=True)
@click.option("--state", type=_FOLDER, required=True)
@click.option("--name", required=True)
@click.option("--demo", is_flag=True)
@click.option("--password-file", type=_FILE)
@click.option("--passphrase-file", type=_FILE)
@click.option("--json", "as_json", is_flag=True)
def welcome(
    state: Path,
    name: str,
    demo: bool,
    password_file: Path | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Set up at the first start, and say where everything is."""
    from mosaic.cli.up.layout import Layout
    from mosaic.cli.up.welcome import Wish
    from mosaic.cli.up.welcome import welcome as run

    wish = Wish(name, demo, password_file, passphrase_file, as_json, os.environ.get("MOSAIC_TERMINAL"))
    run(Layout(state), wish)


@click.command(hidden=True)
@click.option("--state", type=_FOLDER, required=True)
def settle(state: Path) -> None:
    """Bring the apps to rest."""
    from mosaic.cli.up.layout import Layout
    from mosaic.cli.up.own_engine import address
    from mosaic.cli.up.settings import load
    from mosaic.cli.up.settle import settle as run

    layout = Layout(state)
    engine = address(layout, load(layout.settings))
    complaints = run(layout.device / "projects", layout.storage_socket, engine=engine)
    for complaint in complaints:
        click.echo(complaint, err=True)
    sys.exit(1 if complaints else 0)


@click.command(hidden=True)
@click.option("--state", type=_FOLDER, required=True)
def forget(state: Path) -> None:
    """Take the volumes from the engine, once everything has stopped; their data stays."""
    from mosaic.cli.up.layout import Layout
    from mosaic.cli.up.removing import forget_volumes
    from mosaic.cli.up.settings import load

    layout = Layout(state)
    forget_volumes(layout, load(layout.settings))


@click.command(hidden=True)
@click.option("--folder", type=_FOLDER, required=True)
def front(folder: Path) -> None:
    """Become the LAN front of that folder."""
    from mosaic.cli.up.front_alone import serve

    serve(folder)


@click.command(hidden=True)
@click.option("--state", type=_FOLDER, required=True)
@click.option("--parent", type=int)
def gateway(state: Path, parent: int | None) -> None:
    """Run the gateway beside this machine's Hive."""
    if parent is not None:
        from mosaic.cli.up.orphans import die_with

        die_with(parent)
    from mosaic.cli.up.layout import Layout
    from mosaic.cli.up.own_gateway import run
    from mosaic.cli.up.settings import load

    layout = Layout(state)
    run(layout, load(layout.settings))
