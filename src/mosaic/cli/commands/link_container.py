"""`mosaic link-run` and `mosaic link-health`: what the image of a link runs. Not for people."""

import os
import signal
import sys
from types import FrameType
from typing import NoReturn

import click

from mosaic.core.errors import REFUSED_CODE, MosaicError, Unavailable


@click.command(hidden=True)
def run() -> None:
    """Be a link, as the environment of this container says (its image runs this)."""
    # Before all else that takes a while: the first process of a container hears no signal that it has no handler for.
    signal.signal(signal.SIGTERM, _told_to_stop)

    from mosaic.link.serve import serve

    try:
        serve(dict(os.environ))
    except Unavailable:
        raise
    except MosaicError as error:
        # Started again, it would end again: who looks at the code need not.
        click.echo(f"error: {error.message}\nhint: {error.hint}", err=True)
        sys.exit(REFUSED_CODE)


def _told_to_stop(_number: int, _frame: FrameType | None) -> NoReturn:
    """End where we are, and clean up on the way out: from when a tunnel may be there on, `serve` hears it instead."""
    sys.exit(0)


@click.command(hidden=True)
def health() -> None:
    """Say how the link of this container is; ends with 1 when it is not reached (its image's health check)."""
    from mosaic.link.health import RUN_FOLDER, boot_seconds, judged

    is_well, sentence = judged(RUN_FOLDER, boot_seconds())
    click.echo(sentence)
    sys.exit(0 if is_well else 1)
