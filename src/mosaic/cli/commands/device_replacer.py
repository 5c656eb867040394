"""What replaces a Device by another version of itself. Started by the Device, never by people."""

from pathlib import Path

import click


@click.command(hidden=True)
@click.option("--state", type=click.Path(file_okay=False, path_type=Path), required=True, help="The state folder.")
def replacer(state: Path) -> None:
    """Carry the upgrade of the Device in a state folder to its end."""
    from mosaic.cli.up.layout import Layout
    from mosaic.cli.up.replacer import run

    run(Layout(state))
