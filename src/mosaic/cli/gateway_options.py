"""Where a gateway keeps everything, as all its commands are told: by words, or by the variables of its machine."""

import os
from pathlib import Path

import click

_DATABASE_VARIABLE = "MOSAIC_GATEWAY_DATABASE"

state_option = click.option(
    "--state",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    envvar="MOSAIC_GATEWAY_STATE",
    help="Where everything of this gateway is kept. [env MOSAIC_GATEWAY_STATE]",
)


def _hidden(_context: click.Context, _option: click.Parameter, url: str | None) -> str | None:
    """Take the variable away when it was read: what is started from here on need not see a password."""
    os.environ.pop(_DATABASE_VARIABLE, None)
    return url


database_option = click.option(
    "--database",
    metavar="URL",
    envvar=_DATABASE_VARIABLE,
    show_envvar=True,
    callback=_hidden,
    help="The group's database: postgresql://user@host/name; a file in --state if not given. One with a password is "
    "better given by the variable.",
)
