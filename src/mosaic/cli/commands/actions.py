"""`mosaic actions NAME [ACTION]`: what an app lets its owner do in it."""

from pathlib import Path

import click

from mosaic.cli.output import Output, json_option

_FILE = click.Path(exists=True, dir_okay=False, resolve_path=True, path_type=Path)


@click.command()
@click.argument("name")
@click.argument("action", required=False)
@click.option("--set", "settings", multiple=True, metavar="INPUT=TEXT", help="Give an input that is not secret.")
@click.option(
    "--secret-file",
    "secret_file",
    type=_FILE,
    help="Read the secret input from a file; one a line where there are several. Asked on the terminal if not given.",
)
@click.option(
    "--passphrase-file",
    type=_FILE,
    help="Read the account's passphrase from a file; needed once for each Device, with the first secret for it.",
)
@json_option
def actions(
    out: Output,
    name: str,
    action: str | None,
    settings: tuple[str, ...],
    secret_file: Path | None,
    passphrase_file: Path | None,
) -> None:
    """List what NAME lets you do in it, or do ACTION."""
    from mosaic.cli import app_actions

    if action is None:
        return app_actions.show(out, name)
    return app_actions.run(out, name, action, settings, secret_file, passphrase_file=passphrase_file)
